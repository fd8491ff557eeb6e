/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.c - compile_source: which variants a request asks for, and one image
 * per kernel and variant.  Invariant: a kernel has the same parameters in
 * every variant, and one name belongs to one place of the source.
 */
#include "compiler/expand.h"
#include "compiler/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Enough for all variants of all targets asked for more than once. */
#define STEPS_MAX 64

/* One variant to make. */
struct step {
    const struct variant *variant;
    uint32_t max_group, max_shared;
    int best_only;    /* instances that the request has already are left out */
    uint32_t request; /* of req->targets: who asked first */
};

struct kernel {
    struct hal_kernel_desc desc;
    struct hal_image *images;
    uint32_t instance, index; /* where it comes from */
};

/* A kernel's text in the variant at hand, and its image, not yet compiled. */
struct unit {
    char *text;
    uint32_t kernel;
    struct hal_image image;
};

struct job {
    const struct compile_request *req;
    struct hal_message *msg;
    struct pp_instances instances;
    struct step steps[STEPS_MAX];
    uint32_t n_steps;
    struct kernel *kernels;
    uint32_t n_kernels, room;
    struct unit *units; /* of the current step */
    uint32_t n_units, units_room;
    void **blobs; /* to free at the end */
    uint32_t n_blobs, blobs_room;
    uint8_t *done; /* by request and instance: it has an image */
};

static enum compile_status no_memory(struct job *j)
{
    snprintf(j->msg->text, sizeof j->msg->text, "%.200s: no memory",
             j->req->name);
    return COMPILE_NO_MEMORY;
}

/* Room for one more element; 0 without memory. */
static int grow(void **list, uint32_t n, uint32_t *room, size_t element)
{
    uint32_t more = *room ? *room * 2 : 16;
    void *p;

    if (n < *room)
        return 1;
    p = realloc(*list, more * element);
    if (!p)
        return 0;
    *list = p;
    *room = more;
    return 1;
}

/* ---- what to make -------------------------------------------------------- */

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return !a ? b : !b ? a : a < b ? a : b; /* 0: no limit */
}

static void add_step(struct job *j, const struct variant *v, uint32_t request,
                     int best_only)
{
    const struct compile_target *t = &j->req->targets[request];

    for (uint32_t i = 0; i < j->n_steps; i++)
        if (j->steps[i].variant == v) {
            struct step *s = &j->steps[i];

            s->max_group = smaller(s->max_group, t->max_group);
            s->max_shared = smaller(s->max_shared, t->max_shared);
            s->best_only = 0; /* made for both, whatever either has */
            return;
        }
    if (j->n_steps < STEPS_MAX)
        j->steps[j->n_steps++] =
            (struct step){ v, t->max_group, t->max_shared, best_only, request };
}

static int can_make(const struct variant *v, const struct compile_target *t)
{
    return v->target == t->target && (v->caps & ~t->caps) == 0 &&
           (v->target != HAL_TARGET_CPU || cc_can_build(v)) &&
           (v->target != HAL_TARGET_PTX || ptx_can_make(v));
}

/* All variants when the caps are ~0, all that fit for Vulkan (the device
 * chooses a flavour when it sees the pipelines), else the best one first. */
static enum compile_status plan(struct job *j, uint32_t request)
{
    const struct compile_target *t = &j->req->targets[request];
    int best_only = t->caps != ~0ull && t->target != HAL_TARGET_VULKAN;
    uint32_t before = j->n_steps, found = 0;

    for (uint32_t i = 0; i < n_variants; i++) {
        if (!can_make(&variants[i], t))
            continue;
        found++;
        add_step(j, &variants[i], request, best_only);
    }
    if (!found) {
        static const char *const names[HAL_TARGET_COUNT] = { "CPU", "OpenCL",
                                                             "Vulkan", "CUDA",
                                                             "PTX" };

        snprintf(j->msg->text, sizeof j->msg->text,
                 "%.200s:1: no variant for %s that can be made here fits the "
                 "capabilities 0x%llx",
                 j->req->name,
                 t->target < HAL_TARGET_COUNT ? names[t->target]
                                              : "an unknown target",
                 (unsigned long long)t->caps);
        return COMPILE_ERROR;
    }
    for (uint32_t a = before; best_only && a < j->n_steps; a++)
        for (uint32_t b = a + 1; b < j->n_steps; b++)
            if (j->steps[b].variant->rank > j->steps[a].variant->rank) {
                struct step swap = j->steps[a];

                j->steps[a] = j->steps[b];
                j->steps[b] = swap;
            }
    return COMPILE_OK;
}

/* ---- kernels ------------------------------------------------------------- */

static int same_params(const struct hal_kernel_desc *k,
                       const struct reflection *r)
{
    if (k->n_params != r->n_params)
        return 0;
    for (uint32_t i = 0; i < k->n_params; i++)
        if (k->params[i].kind != r->params[i].kind ||
            k->params[i].dtype != r->params[i].dtype ||
            k->params[i].alignment != r->params[i].alignment ||
            strcmp(k->params[i].name, r->params[i].name) != 0)
            return 0;
    return 1;
}

/* Finds the kernel of that name, or adds it. */
static enum compile_status kernel_of(struct job *j, const struct reflection *r,
                                     uint32_t instance, uint32_t index,
                                     const char *variant, uint32_t *out)
{
    struct kernel *k;
    uint32_t i;

    for (i = 0; i < j->n_kernels; i++)
        if (!strcmp(j->kernels[i].desc.name, r->name))
            break;
    *out = i;
    if (i < j->n_kernels) {
        k = &j->kernels[i];
        if (k->instance != instance || k->index != index) {
            snprintf(j->msg->text, sizeof j->msg->text,
                     "%.200s:%u: kernel '%s' twice: by this instance and by "
                     "the one of line %u; put a macro into its name (HAL_CAT)",
                     j->req->name, j->instances.list[instance].line, r->name,
                     j->instances.list[k->instance].line);
            return COMPILE_ERROR;
        }
        if (same_params(&k->desc, r))
            return COMPILE_OK;
        snprintf(j->msg->text, sizeof j->msg->text,
                 "%s:%u: kernel '%s' has other parameters in the variant "
                 "%s than before",
                 r->file, r->line, r->name, variant);
        return COMPILE_ERROR;
    }
    if (!grow((void **)&j->kernels, i, &j->room, sizeof *j->kernels))
        return no_memory(j);
    k = &j->kernels[j->n_kernels++];
    *k = (struct kernel){ .instance = instance, .index = index };
    k->images = calloc(n_variants, sizeof *k->images);
    if (!k->images) {
        j->n_kernels--;
        return no_memory(j);
    }
    strcpy(k->desc.name, r->name);
    k->desc.n_params = r->n_params;
    memcpy(k->desc.params, r->params, sizeof k->desc.params);
    k->desc.images = k->images;
    return COMPILE_OK;
}

static enum compile_status check_limits(struct job *j, const struct step *s,
                                        const struct reflection *r)
{
    const char *what = NULL;
    uint32_t is = 0, most = 0;

    if (s->max_group && r->group > s->max_group) {
        what = "threads in a group";
        is = r->group;
        most = s->max_group;
    } else if (s->max_shared && r->shared_bytes > s->max_shared) {
        what = "bytes of LOCAL memory";
        is = r->shared_bytes;
        most = s->max_shared;
    }
    if (!what)
        return COMPILE_OK;
    snprintf(j->msg->text, sizeof j->msg->text,
             "%s:%u: kernel '%s' (%s) wants %u %s; the device has %u at most",
             r->file, r->line, r->name, s->variant->name, is, what, most);
    return COMPILE_ERROR;
}

/* ---- expansion ----------------------------------------------------------- */

/* Reflection of an instance in a variant; a skipped one has no kernels to
 * make, but its names are learnt if it can be expanded at all. */
static enum compile_status reflect_instance(struct job *j, struct expansion *e,
                                            struct reflection **out,
                                            uint32_t *out_n, int *out_skipped,
                                            uint32_t *out_seen)
{
    struct hal_message ignored;
    struct pp_result r = { 0 };
    enum compile_status st;
    int skipped = expansion_skipped(e);

    e->meta = 1;
    e->only_kernel = -1;
    st = expansion_run(e, &r, skipped ? &ignored : j->msg);
    if (st == COMPILE_OK) {
        st = reflect(j->req->name, r.text, out, out_n,
                     skipped || r.skipped ? &ignored : j->msg);
        *out_seen = r.n_kernels;
    }
    *out_skipped = skipped || r.skipped;
    if (*out_skipped && st == COMPILE_ERROR) {
        *out = NULL;
        *out_n = 0;
        st = COMPILE_OK;
    }
    e->meta = 0;
    free(r.text);
    return st;
}

static uint8_t *done_flag(struct job *j, const struct step *s,
                          uint32_t instance)
{
    return &j->done[s->request * j->instances.n + instance];
}

static enum compile_status add_unit(struct job *j, const struct step *s,
                                    struct expansion *e, uint32_t kernel,
                                    uint32_t instance,
                                    const struct reflection *r)
{
    struct pp_result text = { 0 };
    enum compile_status st;
    struct unit *u;

    if (!grow((void **)&j->units, j->n_units, &j->units_room, sizeof *j->units))
        return no_memory(j);
    st = check_limits(j, s, r);
    if (st == COMPILE_OK)
        st = expansion_run(e, &text, j->msg);
    if (st != COMPILE_OK)
        return st;
    if (text.skipped) { /* by a skip that the reflection did not see */
        free(text.text);
        return COMPILE_OK;
    }
    u = &j->units[j->n_units++];
    *done_flag(j, s, instance) = 1;
    *u = (struct unit){
        .text = text.text,
        .kernel = kernel,
        .image = { .target = s->variant->target,
                   .caps = s->variant->caps,
                   .rank = s->variant->rank,
                   .group = r->group,
                   .chunk = r->chunk,
                   .shared_bytes = r->shared_bytes,
                   .priv_bytes = r->priv_bytes },
    };
    snprintf(u->image.variant, sizeof u->image.variant, "%s", s->variant->name);
    return COMPILE_OK;
}

static enum compile_status expand_instance(struct job *j, const struct step *s,
                                           uint32_t instance)
{
    struct expansion e = { .request = j->req,
                           .variant = s->variant,
                           .instance = &j->instances.list[instance],
                           .max_group = s->max_group };
    struct reflection *list = NULL;
    uint32_t n = 0, seen = 0, kernel;
    enum compile_status st;
    int skipped;

    if (s->best_only && *done_flag(j, s, instance))
        return COMPILE_OK;
    st = reflect_instance(j, &e, &list, &n, &skipped, &seen);
    if (st == COMPILE_OK && !skipped && n > 1 && seen != n) {
        snprintf(j->msg->text, sizeof j->msg->text,
                 "%s:%u: %u kernels, but %u KERNEL(...) { } in the file; "
                 "several kernels must each be written out",
                 list[n - 1].file, list[n - 1].line, n, seen);
        st = COMPILE_ERROR;
    }
    for (uint32_t k = 0; k < n && st == COMPILE_OK; k++) {
        st = kernel_of(j, &list[k], instance, k, s->variant->name, &kernel);
        if (st != COMPILE_OK || skipped)
            continue;
        e.only_kernel = n > 1 ? (int)k : -1;
        st = add_unit(j, s, &e, kernel, instance, &list[k]);
    }
    free(list);
    return st;
}

/* ---- images -------------------------------------------------------------- */

/* Takes over the blob. */
static enum compile_status keep_blob(struct job *j, void *blob)
{
    if (!grow((void **)&j->blobs, j->n_blobs, &j->blobs_room,
              sizeof *j->blobs)) {
        free(blob);
        return no_memory(j);
    }
    j->blobs[j->n_blobs++] = blob;
    return COMPILE_OK;
}

static void add_image(struct job *j, const struct unit *u, const void *blob,
                      size_t size)
{
    struct kernel *k = &j->kernels[u->kernel];
    struct hal_image *i = &k->images[k->desc.n_images++];

    *i = u->image;
    i->blob = blob;
    i->blob_bytes = size;
}

/* One shared object for all units of the variant. */
static enum compile_status make_object(struct job *j, const struct variant *v)
{
    const char **texts = malloc((j->n_units + 1u) * sizeof *texts);
    enum compile_status st;
    void *blob = NULL;
    size_t size = 0;

    if (!texts)
        return no_memory(j);
    for (uint32_t i = 0; i < j->n_units; i++)
        texts[i] = j->units[i].text;
    st = cc_compile(texts, j->n_units, j->req->name, v, j->req->use_cache,
                    &blob, &size, j->msg);
    free(texts);
    if (st == COMPILE_OK)
        st = keep_blob(j, blob);
    for (uint32_t i = 0; i < j->n_units && st == COMPILE_OK; i++)
        add_image(j, &j->units[i], blob, size);
    return st;
}

/* All units of the variant. */
static enum compile_status make_spirv(struct job *j)
{
    struct spirv *list = calloc(j->n_units + 1u, sizeof *list);
    enum compile_status st;

    if (!list)
        return no_memory(j);
    for (uint32_t i = 0; i < j->n_units; i++)
        list[i].text = j->units[i].text;
    st = spirv_compile(list, j->n_units, j->req->name, j->req->use_cache,
                       j->msg);
    for (uint32_t i = 0; i < j->n_units && st == COMPILE_OK; i++) {
        st = keep_blob(j, list[i].bytes);
        if (st == COMPILE_OK)
            add_image(j, &j->units[i], list[i].bytes, list[i].size);
        list[i].bytes = NULL; /* taken over */
    }
    for (uint32_t i = 0; i < j->n_units; i++)
        free(list[i].bytes);
    free(list);
    return st;
}

static enum compile_status make_ptx(struct job *j, const struct variant *v,
                                    const struct unit *u)
{
    char *blob = NULL;
    size_t size = 0;
    enum compile_status st = ptx_compile(
        u->text, j->req->name, v, j->req->use_cache, &blob, &size, j->msg);

    if (st == COMPILE_OK)
        st = keep_blob(j, blob);
    if (st == COMPILE_OK)
        add_image(j, u, blob, size);
    return st;
}

static enum compile_status make_text(struct job *j, struct unit *u)
{
    char *text = u->text;
    enum compile_status st = keep_blob(j, text);

    u->text = NULL; /* the blob is it */
    if (st == COMPILE_OK)
        add_image(j, u, text, strlen(text));
    return st;
}

static enum compile_status make_images(struct job *j, const struct variant *v)
{
    enum compile_status st = COMPILE_OK;

    if (v->target == HAL_TARGET_CPU)
        return make_object(j, v);
    if (v->target == HAL_TARGET_VULKAN)
        return make_spirv(j);
    for (uint32_t i = 0; i < j->n_units && st == COMPILE_OK; i++)
        st = v->target == HAL_TARGET_PTX ? make_ptx(j, v, &j->units[i])
                                         : make_text(j, &j->units[i]);
    return st;
}

static void drop_units(struct job *j)
{
    for (uint32_t i = 0; i < j->n_units; i++)
        free(j->units[i].text);
    j->n_units = 0;
}

static enum compile_status run_step(struct job *j, const struct step *s)
{
    enum compile_status st = COMPILE_OK;

    for (uint32_t i = 0; i < j->instances.n && st == COMPILE_OK; i++)
        st = expand_instance(j, s, i);
    if (st == COMPILE_OK && j->n_units)
        st = make_images(j, s->variant);
    drop_units(j);
    return st;
}

/* ---- what all targets must agree on ---------------------------------------
 */

/* A source that cannot be expanded for a view is not for that language. */
static enum compile_status check_view(struct job *j, uint32_t instance,
                                      const char *variant, enum rules_view view)
{
    struct expansion e = { .request = j->req,
                           .variant = variant_find(variant),
                           .instance = &j->instances.list[instance],
                           .only_kernel = -1,
                           .meta = 1 };
    struct meta_text meta;
    struct hal_message ignored;
    struct pp_result r = { 0 };
    enum compile_status st;

    if (expansion_skipped(&e))
        return COMPILE_OK;
    st = expansion_run(&e, &r, &ignored);
    if (st != COMPILE_OK)
        return st == COMPILE_ERROR ? COMPILE_OK : no_memory(j);
    if (!r.skipped) {
        st = meta_text_open(&meta, j->req->name, r.text)
                 ? rules_check(&meta, view, j->msg)
                 : no_memory(j);
        meta_text_close(&meta);
    }
    free(r.text);
    return st;
}

static enum compile_status check_views(struct job *j)
{
    enum compile_status st = COMPILE_OK;

    for (uint32_t i = 0; i < j->instances.n && st == COMPILE_OK; i++) {
        st = check_view(j, i, "cpu.base", RULES_C);
        if (st == COMPILE_OK)
            st = check_view(j, i, "vulkan.ssbo", RULES_GLSL);
    }
    return st;
}

/* ---- the whole ----------------------------------------------------------- */

static int has_image(const struct job *j)
{
    for (uint32_t i = 0; i < j->n_kernels; i++)
        if (j->kernels[i].desc.n_images)
            return 1;
    return 0;
}

static enum compile_status finish(struct job *j, struct halbin *out)
{
    struct hal_kernel_desc *list;
    enum halbin_status st;
    struct hal_message why;
    void *bytes = NULL;
    size_t size;

    if (!j->n_kernels) {
        snprintf(j->msg->text, sizeof j->msg->text,
                 "%.200s:1: there is no KERNEL in it", j->req->name);
        return COMPILE_ERROR;
    }
    if (!has_image(j) && j->req->n_targets) {
        snprintf(j->msg->text, sizeof j->msg->text,
                 "%.200s:1: nothing is left to make: each variant of the "
                 "targets asked for is left out by a #pragma hal skip",
                 j->req->name);
        return COMPILE_ERROR;
    }
    list = malloc(j->n_kernels * sizeof *list);
    if (!list)
        return no_memory(j);
    for (uint32_t i = 0; i < j->n_kernels; i++)
        list[i] = j->kernels[i].desc;
    st = halbin_write(list, j->n_kernels, &bytes, &size, &why);
    if (st == HALBIN_OK)
        st = halbin_open(bytes, size, out, &why);
    free(bytes);
    free(list);
    if (st == HALBIN_OK)
        return COMPILE_OK;
    snprintf(j->msg->text, sizeof j->msg->text, "%.200s:1: %.280s",
             j->req->name, why.text);
    return st == HALBIN_NO_MEMORY ? COMPILE_NO_MEMORY : COMPILE_ERROR;
}

static void job_free(struct job *j)
{
    drop_units(j);
    free(j->units);
    for (uint32_t i = 0; i < j->n_kernels; i++)
        free(j->kernels[i].images);
    free(j->kernels);
    for (uint32_t i = 0; i < j->n_blobs; i++)
        free(j->blobs[i]);
    free(j->blobs);
    free(j->done);
    pp_instances_free(&j->instances);
    free(j);
}

enum compile_status compile_source(const struct compile_request *req,
                                   struct halbin *out, struct hal_message *msg)
{
    struct compile_request own = *req;
    struct job *j;
    enum compile_status st;

    if (!own.name)
        own.name = "source.k";
    req = &own;
    j = calloc(1, sizeof *j);
    if (!j || !own.source) {
        snprintf(msg->text, sizeof msg->text, "%.200s:1: no %s", own.name,
                 own.source ? "memory" : "source");
        free(j);
        return own.source ? COMPILE_NO_MEMORY : COMPILE_ERROR;
    }
    j->req = req;
    j->msg = msg;
    st = pp_instances_read(req->name, req->source, &j->instances, msg);
    if (st == COMPILE_OK) {
        j->done = calloc(req->n_targets + 1u, j->instances.n);
        if (!j->done)
            st = no_memory(j);
    }
    for (uint32_t i = 0; i < req->n_targets && st == COMPILE_OK; i++)
        st = plan(j, i);
    if (st == COMPILE_OK)
        st = check_views(j);
    for (uint32_t i = 0; i < j->n_steps && st == COMPILE_OK; i++)
        st = run_step(j, &j->steps[i]);
    if (st == COMPILE_OK)
        st = finish(j, out);
    job_free(j);
    return st;
}
