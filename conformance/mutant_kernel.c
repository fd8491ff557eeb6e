/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutant_kernel.c - mutants of kernels: the stock source with an edit, compiled
 * at run time in place of the stock image of the same variant.
 */
#include "conformance/mutant.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/compile.h"

struct hal_text_file {
    const char *name, *text;
};
/* Generated from kernels/ (mk/embed.sh). */
extern const struct hal_text_file hal_kernel_files[];

#define INSTANCE "#pragma hal instance "
#define INCLUDE  "#include \""
/* fp8_gemm.k includes fp8_sums.h, and that float_sums.h. */
#define INCLUDE_DEPTH 4

static const char *source_of(const char *file)
{
    for (const struct hal_text_file *f = hal_kernel_files; f->name; f++)
        if (!strcmp(f->name, file))
            return f->text;
    return NULL;
}

/* `text` with each `find` replaced; *out_n: how many there were. */
static char *replaced(const char *text, const struct conf_edit *edit,
                      int *out_n)
{
    size_t size, n = strlen(edit->find);
    char *out = NULL;
    FILE *to = open_memstream(&out, &size);
    const char *at;

    *out_n = 0;
    if (!to)
        return NULL;
    for (; (at = strstr(text, edit->find)); text = at + n, ++*out_n) {
        fwrite(text, 1, (size_t)(at - text), to);
        fputs(edit->replace, to);
    }
    fputs(text, to);
    if (fclose(to)) {
        free(out);
        return NULL;
    }
    return out;
}

/* Only the instances that matter: each costs a run of the compiler. */
static char *with_instances(const char *text, const char *keep, int *out_n)
{
    char *out = NULL;
    size_t size;
    FILE *to = open_memstream(&out, &size);

    *out_n = 0;
    if (!to)
        return NULL;
    while (*text) {
        size_t n = strcspn(text, "\n");
        int drop = 0;

        if (!strncmp(text, INSTANCE, sizeof INSTANCE - 1)) {
            drop = !memmem(text, n, keep, strlen(keep));
            *out_n += !drop;
        }
        /* The line itself stays, so that messages name the right one. */
        if (!drop)
            fwrite(text, 1, n, to);
        text += n;
        if (*text) {
            fputc('\n', to);
            text++;
        }
    }
    if (fclose(to)) {
        free(out);
        return NULL;
    }
    return out;
}

/* Puts the kernels' own headers in place of the lines that include them, so
 * that edits reach what several kernels share, in one of them. */
static void put_included(FILE *to, const char *text, int depth)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        const char *name = text + sizeof INCLUDE - 1, *header = NULL;
        char file[64];

        n += text[n] != 0;
        if (depth > 0 && !strncmp(text, INCLUDE, sizeof INCLUDE - 1)) {
            size_t length = strcspn(name, "\"\n");
            const char *slash = memrchr(name, '/', length);

            if (slash) {
                length -= (size_t)(slash + 1 - name);
                name = slash + 1;
            }
            (void)snprintf(file, sizeof file, "%.*s", (int)length, name);
            header = source_of(file);
        }
        if (header)
            put_included(to, header, depth - 1);
        else
            fwrite(text, 1, n, to);
        text += n;
    }
}

static char *with_headers(const char *text)
{
    char *out = NULL;
    size_t size;
    FILE *to = open_memstream(&out, &size);

    if (!to)
        return NULL;
    put_included(to, text, INCLUDE_DEPTH);
    if (fclose(to)) {
        free(out);
        return NULL;
    }
    return out;
}

char *conf_mutant_text(const struct conf_mutant *m, char *why, size_t room)
{
    const char *source = source_of(m->file);
    char *text, *next;
    int n;

    if (!source) {
        snprintf(why, room, "there is no kernels/%s", m->file);
        return NULL;
    }
    text = with_instances(source, m->keep, &n);
    if (text && n == 0) {
        snprintf(why, room, "%s has no instance with '%s'", m->file, m->keep);
        free(text);
        return NULL;
    }
    if (text) {
        next = with_headers(text);
        free(text);
        text = next;
    }
    for (size_t i = 0; i < 2 && m->edits[i].find && text; i++) {
        next = replaced(text, &m->edits[i], &n);
        free(text);
        text = next;
        if (text && n == 0) {
            snprintf(why, room, "%s does not hold '%s'", m->file,
                     m->edits[i].find);
            free(text);
            return NULL;
        }
    }
    if (!text)
        snprintf(why, room, "out of memory");
    return text;
}

/* The mutant's kernels, compiled once; the images live as long as the
 * process. */
static struct {
    pthread_mutex_t lock;
    int is_made;
    struct halbin bin;
} made = { .lock = PTHREAD_MUTEX_INITIALIZER };

static halError_t make(const struct conf_mutant *m, const struct hal_dev *dev)
{
    const struct halDeviceProp *p = &dev->info.prop;
    struct compile_target target = {
        .target =
            dev->info.text_target ? dev->info.text_target : dev->info.target,
        .caps = dev->info.caps,
        .max_group = p->maxThreadsPerBlock,
        .max_shared = p->sharedMemPerBlock > UINT32_MAX
                          ? UINT32_MAX
                          : (uint32_t)p->sharedMemPerBlock,
    };
    struct compile_request req = {
        .name = m->file,
        .targets = &target,
        .n_targets = 1,
        .use_cache = 1,
    };
    struct hal_message msg = { "" };
    halError_t st = halSuccess;
    char *text;

    if (made.is_made)
        return halSuccess;
    text = conf_mutant_text(m, msg.text, sizeof msg.text);
    req.source = text;
    if (!text || compile_source(&req, &made.bin, &msg) != COMPILE_OK)
        st = hal_fail(halErrorKernelBuild, CONF_MUTANT_BROKEN ": %.400s",
                      msg.text);
    else
        made.is_made = 1;
    free(text);
    return st;
}

/* The image of the mutant that stands for `image`. */
static const struct hal_image *same_variant(const struct hal_kernel_desc *desc,
                                            const struct hal_image *image)
{
    for (uint32_t i = 0; i < desc->n_images; i++)
        if (!strcmp(desc->images[i].variant, image->variant))
            return &desc->images[i];
    return NULL;
}

halError_t conf_mutant_kernel(const struct conf_mutant *m,
                              const struct hal_ops *below, struct hal_dev *dev,
                              const struct hal_kernel_desc *desc,
                              const struct hal_image *const *images,
                              uint32_t n_images, void **out_kernel,
                              struct hal_kernel_info *out_info)
{
    const struct hal_kernel_desc *mine;
    const struct hal_image *image;
    uint32_t of = 0; /* of `images`: what the mutant's stands for */
    halError_t st;

    if (strncmp(desc->name, m->kernel, strlen(m->kernel)))
        return below->kernel_create(dev, desc, images, n_images, out_kernel,
                                    out_info);
    if (m->needs_groups && images[0]->group == 1)
        return hal_fail(halErrorNotSupported,
                        CONF_MUTANT_EQUAL ": a group of %s is one thread",
                        images[0]->variant);
    pthread_mutex_lock(&made.lock);
    st = make(m, dev);
    pthread_mutex_unlock(&made.lock);
    if (st != halSuccess)
        return st;
    mine = halbin_find(&made.bin, desc->name);
    if (!mine && m->needs_groups) /* a kernel that stands in for it */
        return below->kernel_create(dev, desc, images, n_images, out_kernel,
                                    out_info);
    /* Compiled as text: of an image in the device's own code there is none. */
    image = mine ? same_variant(mine, images[0]) : NULL;
    while (mine && !image && of + 1 < n_images)
        image = same_variant(mine, images[++of]);
    if (!image || mine->n_params != desc->n_params)
        return hal_fail(halErrorKernelBuild,
                        CONF_MUTANT_BROKEN ": no %s of %s among its kernels",
                        images[0]->variant, desc->name);
    st = below->kernel_create(dev, mine, &image, 1, out_kernel, out_info);
    if (st != halSuccess)
        return hal_fail(st, CONF_MUTANT_BROKEN ": the driver: %.400s",
                        halGetErrorDetail());
    out_info->image = of;
    return halSuccess;
}
