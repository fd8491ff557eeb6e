/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build.c - .k files to a .halbin, or to the expanded text; several .halbin to
 * one.
 */
#include "tools/halcc/halcc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int exit_of(enum compile_status st)
{
    return st == COMPILE_OK        ? 0
           : st == COMPILE_NO_TOOL ? EXIT_TOOL
                                   : EXIT_SOURCE;
}

#define TARGETS_MAX 64
#define ALL_TARGETS "cpu,opencl,vulkan,cuda"
/* Where it can be made: one baseline, from which drivers go on for newer
 * chips. */
#define ALL_AND_PTX ALL_TARGETS ",ptx.sm70"

/* "opencl" and "cuda" are variants and first words at once. */
static int is_word(const char *p, size_t size)
{
    return !memchr(p, '.', size);
}

/* "cpu,vulkan.ssbo" to targets: a first word asks for all variants, a whole
 * name for one.  The number of targets, or 0 after a message. */
static uint32_t parse_targets(const char *list, struct compile_target *out)
{
    const struct compile_variant *variants;
    uint32_t n = 0, i, count;

    variants = compile_variants(&count);
    for (const char *p = list; p; p = strchr(p, ',')) {
        size_t size;
        int whole = 0;

        p += *p == ',';
        size = strcspn(p, ",");
        for (i = 0; i < count && !whole; i++)
            whole = strlen(variants[i].name) == size &&
                    !memcmp(p, variants[i].name, size);
        if (whole)
            i--;
        for (; !whole && i-- > 0;)
            if (size && !strncmp(p, variants[i].name, size) &&
                variants[i].name[size] == '.')
                break;
        if (i >= count || n == TARGETS_MAX) {
            fprintf(stderr, "halcc: --target: '%.*s' is no target\n", (int)size,
                    p);
            return 0;
        }
        out[n++] = (struct compile_target){ .target = variants[i].target,
                                            .caps = whole && !is_word(p, size)
                                                        ? variants[i].caps
                                                        : ~0ull };
    }
    return n;
}

static char *source_of(const struct options *o, const char *path,
                       struct compile_request *req, char **out_dir)
{
    size_t size;
    char *text = read_file(path, &size);

    if (!text)
        return NULL;
    if (strlen(text) != size) {
        fprintf(stderr, "%s:1: a NUL byte in the source\n", path);
        free(text);
        return NULL;
    }
    *out_dir = o->include_dir ? strdup(o->include_dir) : dir_name(path);
    *req = (struct compile_request){ .source = text,
                                     .name = base_name(path),
                                     .options = o->defines,
                                     .include_dir = *out_dir,
                                     .use_cache = o->cache };
    return text;
}

static int compile_file(const struct options *o, const char *path,
                        struct halbin *out)
{
    struct compile_target list[TARGETS_MAX];
    struct hal_message msg = { "" };
    struct compile_request req;
    enum compile_status st;
    char *dir = NULL, *text;
    const char *all =
        o->target || !compile_has_ptx() ? ALL_TARGETS : ALL_AND_PTX;
    uint32_t n = parse_targets(o->target ? o->target : all, list);

    if (!n)
        return EXIT_USAGE;
    text = source_of(o, path, &req, &dir);
    if (!text)
        return EXIT_SOURCE;
    req.targets = list;
    req.n_targets = n;
    st = compile_source(&req, out, &msg);
    if (st != COMPILE_OK)
        fprintf(stderr, "%s%s\n", st == COMPILE_NO_TOOL ? "halcc: " : "",
                msg.text);
    free(text);
    free(dir);
    return exit_of(st);
}

int do_expand(const struct options *o)
{
    struct hal_message msg = { "" };
    struct compile_request req;
    enum compile_status st;
    char *dir = NULL, *out = NULL;
    char *text = source_of(o, o->files[0], &req, &dir);
    int code;

    if (!text)
        return EXIT_SOURCE;
    st = compile_expand(&req, o->expand, o->instance, &out, &msg);
    code = exit_of(st);
    if (st != COMPILE_OK)
        fprintf(stderr, "%s\n", msg.text);
    else if (!write_file(o->out ? o->out : "-", out, strlen(out)))
        code = EXIT_SOURCE;
    free(out);
    free(text);
    free(dir);
    return code;
}

/* ---- merging ------------------------------------------------------------- */

int open_halbin(const char *path, struct halbin *out)
{
    struct hal_message msg = { "" };
    size_t size = 0;
    char *bytes = read_file(path, &size);
    enum halbin_status st;

    if (!bytes)
        return EXIT_SOURCE;
    st = halbin_open(bytes, size, out, &msg);
    free(bytes);
    if (st == HALBIN_OK)
        return 0;
    fprintf(stderr, "halcc: %s: %s\n", path, msg.text);
    return EXIT_SOURCE;
}

/* The file among bins[0..n) that has a kernel of that name, or -1. */
static int owner_of(const struct halbin *bins, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (halbin_find(&bins[i], name))
            return (int)i;
    return -1;
}

/* One .halbin of all kernels of the opened files. */
static int write_merged(const struct options *o, const char *out,
                        const struct halbin *bins)
{
    struct hal_kernel_desc *all;
    struct hal_message msg = { "" };
    uint32_t total = 0, at = 0;
    void *bytes = NULL;
    size_t size = 0;
    int code = 0;

    for (uint32_t i = 0; i < o->n_files; i++)
        total += bins[i].n_kernels;
    all = malloc((total + 1u) * sizeof *all);
    if (!all) {
        out_of_memory();
        return EXIT_SOURCE;
    }
    for (uint32_t i = 0; i < o->n_files; i++)
        for (uint32_t k = 0; k < bins[i].n_kernels; k++) {
            const char *name = bins[i].kernels[k].name;
            int other = owner_of(bins, i, name);

            if (other >= 0) {
                fprintf(stderr, "halcc: kernel '%s' is in %s and in %s\n", name,
                        o->files[other], o->files[i]);
                code = EXIT_SOURCE;
            }
            all[at++] = bins[i].kernels[k];
        }
    if (!code && halbin_write(all, total, &bytes, &size, &msg) != HALBIN_OK) {
        fprintf(stderr, "halcc: %s: %s\n", out, msg.text);
        code = EXIT_SOURCE;
    }
    if (!code && !write_file(out, bytes, size))
        code = EXIT_SOURCE;
    free(bytes);
    free(all);
    return code;
}

/* Several .k or .halbin files to one .halbin. */
int do_merge(const struct options *o, const char *out)
{
    struct halbin *bins = calloc(o->n_files + 1u, sizeof *bins);
    int code = 0;

    if (!bins) {
        out_of_memory();
        return EXIT_SOURCE;
    }
    for (uint32_t i = 0; i < o->n_files && !code; i++)
        code = o->merge ? open_halbin(o->files[i], &bins[i])
                        : compile_file(o, o->files[i], &bins[i]);
    if (!code)
        code = write_merged(o, out, bins);
    for (uint32_t i = 0; i < o->n_files; i++)
        halbin_close(&bins[i]);
    free(bins);
    return code;
}

int do_compile(const struct options *o)
{
    const char *name = base_name(o->files[0]);
    size_t n = strlen(name);
    char *made = NULL;
    int code;

    if (o->out)
        return do_merge(o, o->out);
    if (o->n_files > 1) {
        fprintf(stderr, "halcc: several files want -o OUT.halbin\n");
        return EXIT_USAGE;
    }
    if (n > 2 && !strcmp(name + n - 2, ".k"))
        n -= 2;
    made = malloc(n + 8);
    if (!made) {
        out_of_memory();
        return EXIT_SOURCE;
    }
    memcpy(made, name, n);
    strcpy(made + n, ".halbin");
    code = do_merge(o, made);
    free(made);
    return code;
}
