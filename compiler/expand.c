/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expand.c - variants and instances: which macros a variant of a source is
 * expanded with, and what stands before its text.  Invariant: the reflection
 * of a variant sees the same macros as its code, plus HAL_META.
 */
#include "compiler/expand.h"
#include "compiler/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct variant variants[] = {
#define X(name, target, caps, rank, group, defines, flags) \
    { name, target, caps, rank, group, defines, flags },
#include "compiler/variants.def"
#undef X
};
const uint32_t n_variants = sizeof variants / sizeof *variants;

const struct compile_variant *compile_variants(uint32_t *out_n)
{
    static const struct compile_variant list[] = {
#define X(name, target, caps, rank, group, defines, flags) \
    { name, target, caps },
#include "compiler/variants.def"
#undef X
    };

    *out_n = n_variants;
    return list;
}

#define DEFINES_MAX 256

struct defines {
    const char *list[DEFINES_MAX];
    size_t n;
    struct arena arena;
    const char *why; /* a static sentence once something failed */
};

static void add_define(struct defines *d, const char *text, size_t size)
{
    char *copy = arena_copy(&d->arena, text, size);

    if (!copy || d->n == DEFINES_MAX)
        d->why = copy ? "too many macros" : "no memory";
    else
        d->list[d->n++] = copy;
}

static void add_words(struct defines *d, const char *words)
{
    for (size_t n; *words; words += n) {
        words += strspn(words, " ");
        n = strcspn(words, " ");
        if (n)
            add_define(d, words, n);
    }
}

/* "-DX=Y -DZ": nothing else is an option. */
static void add_options(struct defines *d, const char *options)
{
    for (const char *p = options ? options : ""; *p;) {
        size_t n;

        p += strspn(p, " \t\n");
        n = strcspn(p, " \t\n");
        if (!n)
            break;
        if (n < 3 || strncmp(p, "-D", 2) != 0) {
            d->why = "an option is not of the form -DNAME or -DNAME=VALUE";
            return;
        }
        add_define(d, p + 2, n - 2);
        p += n;
    }
}

static uint32_t default_group(const struct variant *v, uint32_t max_group)
{
    uint32_t group = v->group;

    while (max_group && group > max_group && group > 1)
        group /= 2;
    return group;
}

const struct variant *variant_find(const char *name)
{
    for (uint32_t i = 0; i < n_variants; i++)
        if (!strcmp(variants[i].name, name))
            return &variants[i];
    return NULL;
}

int expansion_skipped(const struct expansion *e)
{
    for (size_t i = 0; i < e->instance->n_skips; i++)
        if (pp_skip_covers(e->instance->skips[i], e->variant->name))
            return 1;
    return 0;
}

/* GLSL wants its version first, then what it shall understand: file names in
 * #line, [[unroll]], and what the variant's devices can do. */
static void add_prologue(struct buffer *b, const struct expansion *e)
{
    static const struct {
        uint64_t cap; /* 0: always */
        const char *extension;
    } extensions[] = {
        { 0, "GL_GOOGLE_cpp_style_line_directive" },
        { 0, "GL_EXT_control_flow_attributes" },
        { HAL_CAP_STORAGE_8_16, "GL_EXT_shader_8bit_storage" },
        { HAL_CAP_STORAGE_8_16, "GL_EXT_shader_16bit_storage" },
        { HAL_CAP_BDA, "GL_EXT_buffer_reference" },
    };

    if (e->variant->target != HAL_TARGET_VULKAN || e->meta)
        return;
    buffer_text(b, "#version 450\n");
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if ((extensions[i].cap & ~e->variant->caps) == 0)
            buffer_format(b, "#extension %s : require\n",
                          extensions[i].extension);
}

enum compile_status expansion_run(const struct expansion *e,
                                  struct pp_result *out,
                                  struct hal_message *msg)
{
    const struct compile_request *req = e->request;
    struct defines d = { .n = 0 };
    struct pp_options options = {
        .name = req->name,
        .text = req->source,
        .defines = d.list,
        .files = hal_dialect_files,
        .include_dir = req->include_dir,
        .variant = e->variant->name,
        .only_kernel = e->only_kernel,
    };
    struct pp_result r = { 0 };
    enum compile_status st;
    struct buffer text = { 0 };
    char group[48];

    snprintf(group, sizeof group, "HAL_DEFAULT_GROUP=%u",
             default_group(e->variant, e->max_group));
    add_words(&d, e->variant->defines);
    add_define(&d, group, strlen(group));
    if (e->meta)
        add_define(&d, "HAL_META=1", 10);
    for (size_t i = 0; i < e->instance->n_defines; i++)
        add_define(&d, e->instance->defines[i],
                   strlen(e->instance->defines[i]));
    add_options(&d, req->options);
    if (d.why) {
        snprintf(msg->text, sizeof msg->text, "%.200s:1: %s", req->name, d.why);
        st = COMPILE_ERROR;
        goto out;
    }
    options.n_defines = d.n;
    st = pp_run(&options, &r, msg);
    if (st != COMPILE_OK)
        goto out;
    add_prologue(&text, e);
    buffer_add(&text, r.text, r.size);
    free(r.text);
    if (text.failed) {
        snprintf(msg->text, sizeof msg->text, "%.200s: no memory", req->name);
        st = COMPILE_NO_MEMORY;
        buffer_free(&text);
        goto out;
    }
    r.text = text.bytes;
    r.size = text.size;
    *out = r;
out:
    arena_free(&d.arena);
    return st;
}

/* "meta" is the reflection as OpenCL sees it; "meta:cpu.v3" as cpu.v3 does. */
static const struct variant *parse_variant(const char *name, int *out_meta)
{
    *out_meta = !strncmp(name, "meta", 4) && (!name[4] || name[4] == ':');
    if (!*out_meta)
        return variant_find(name);
    return variant_find(name[4] ? name + 5 : "opencl");
}

enum compile_status compile_expand(const struct compile_request *req,
                                   const char *variant, uint32_t instance,
                                   char **out_text, struct hal_message *msg)
{
    struct pp_instances instances = { 0 };
    struct expansion e = { .request = req, .only_kernel = -1 };
    struct pp_result r;
    enum compile_status st;

    e.variant = parse_variant(variant, &e.meta);
    if (!e.variant) {
        snprintf(msg->text, sizeof msg->text,
                 "'%.60s' is no variant (see halcc --help)", variant);
        return COMPILE_ERROR;
    }
    st = pp_instances_read(req->name, req->source, &instances, msg);
    if (st != COMPILE_OK)
        return st;
    if (instance >= instances.n) {
        snprintf(msg->text, sizeof msg->text,
                 "%.200s:1: there are %zu instances; number %u (from 0) is not "
                 "one of them",
                 req->name, instances.n, instance);
        st = COMPILE_ERROR;
        goto out;
    }
    e.instance = &instances.list[instance];
    st = expansion_run(&e, &r, msg);
    if (st == COMPILE_OK)
        *out_text = r.text;
out:
    pp_instances_free(&instances);
    return st;
}
