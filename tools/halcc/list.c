/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.c - what a .halbin holds, for people and for programs.
 */
#include "tools/halcc/halcc.h"

#include <stdio.h>

static const char *const kind_names[] = { "in", "out", "inout", "arg" };
static const char *const target_names[] = { "cpu", "opencl", "vulkan", "cuda",
                                            "ptx" };
/* halDtype's names, by value. */
static const char *const dtype_names[] = { "f32", "f16", "bf16", "f64", "i8",
                                           "u8",  "i16", "u16",  "i32", "u32",
                                           "i64", "u64", "e4m3", "e5m2" };

static void list_text(const char *path, const struct halbin *bin)
{
    printf("%s: %u kernels\n", path, bin->n_kernels);
    for (uint32_t i = 0; i < bin->n_kernels; i++) {
        const struct hal_kernel_desc *k = &bin->kernels[i];

        printf("%s(", k->name);
        for (uint32_t p = 0; p < k->n_params; p++)
            printf("%s%s %s%s %s", p ? ", " : "", kind_names[k->params[p].kind],
                   dtype_names[k->params[p].dtype],
                   k->params[p].kind != HAL_PARAM_ARG &&
                           k->params[p].alignment == 16
                       ? " (16)"
                       : "",
                   k->params[p].name);
        printf(")\n");
        for (uint32_t m = 0; m < k->n_images; m++) {
            const struct hal_image *g = &k->images[m];

            printf("    %-14s caps 0x%-8llx rank %u  group %-4u chunk %-5u "
                   "shared %-6u priv %-5u %7zu bytes  %016llx\n",
                   g->variant, (unsigned long long)g->caps, g->rank, g->group,
                   g->chunk, g->shared_bytes, g->priv_bytes, g->blob_bytes,
                   (unsigned long long)g->hash);
        }
    }
}

/* Names and variants have no character that JSON would escape; a path may. */
static void json_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char)*s < 32)
            printf("\\u%04x", (unsigned)*s);
        else
            putchar(*s);
    }
    putchar('"');
}

static void list_json(const char *path, const struct halbin *bin)
{
    printf("{\"schema\":\"halbin-1\",\"file\":");
    json_string(path);
    printf(",\"kernels\":[");
    for (uint32_t i = 0; i < bin->n_kernels; i++) {
        const struct hal_kernel_desc *k = &bin->kernels[i];

        printf("%s\n{\"name\":\"%s\",\"params\":[", i ? "," : "", k->name);
        for (uint32_t p = 0; p < k->n_params; p++)
            printf("%s{\"name\":\"%s\",\"kind\":\"%s\",\"dtype\":\"%s\","
                   "\"alignment\":%u}",
                   p ? "," : "", k->params[p].name,
                   kind_names[k->params[p].kind],
                   dtype_names[k->params[p].dtype], k->params[p].alignment);
        printf("],\"images\":[");
        for (uint32_t m = 0; m < k->n_images; m++) {
            const struct hal_image *g = &k->images[m];

            printf("%s{\"variant\":", m ? "," : "");
            json_string(g->variant);
            printf(",\"target\":\"%s\",\"caps\":%llu,\"rank\":%u,"
                   "\"group\":%u,\"chunk\":%u,\"shared_bytes\":%u,"
                   "\"priv_bytes\":%u,\"bytes\":%zu,\"hash\":\"%016llx\"}",
                   target_names[g->target], (unsigned long long)g->caps,
                   g->rank, g->group, g->chunk, g->shared_bytes, g->priv_bytes,
                   g->blob_bytes, (unsigned long long)g->hash);
        }
        printf("]}");
    }
    printf("\n]}\n");
}

int do_list(const struct options *o)
{
    struct halbin bin = { 0 };

    for (uint32_t i = 0; i < o->n_files; i++) {
        int code = open_halbin(o->files[i], &bin);

        if (code)
            return code;
        (o->json ? list_json : list_text)(o->files[i], &bin);
        halbin_close(&bin);
    }
    return finish_stdout();
}
