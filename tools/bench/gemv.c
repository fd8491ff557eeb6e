/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemv.c - halopGemv: bf16 against the read bandwidth of the machine, taken
 * in the same run by threads that only read the same number of bytes; f32
 * against OpenBLAS.  A GEMV is bound by reading its weights once, so bytes of
 * weights a second is its figure.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/ops.h"
#include "tools/bench/bench.h"

#define GEMV_GOAL   0.7
#define MAX_READERS 256u

struct gemv {
    halDtype dtype;
    int n, k;
    size_t weight_bytes;
    void *dev_w, *dev_x, *dev_y;
    void *w; /* the host's weights, as large */
    float *x, *y;
    unsigned n_readers;
    const struct bench_blas *blas;
};

static int hal_gemv(void *ctx, unsigned calls)
{
    const struct gemv *g = ctx;

    for (unsigned i = 0; i < calls; i++) {
        halError_t st = halopGemv(g->dtype, halF32, g->dev_y, g->dev_x,
                                  g->dev_w, NULL, 1, g->n, g->k, NULL);

        if (st != halSuccess)
            return bench_hal_ok(st);
    }
    return bench_hal_ok(halStreamSynchronize(NULL));
}

static int blas_gemv(void *ctx, unsigned calls)
{
    const struct gemv *g = ctx;

    for (unsigned i = 0; i < calls; i++)
        g->blas->gemv(g->blas, g->n, g->k, g->w, g->x, g->y);
    return 0;
}

/* ---- reading, and nothing else ------------------------------------------ */

typedef uint64_t wide __attribute__((vector_size(64), aligned(8), may_alias));

struct reader {
    pthread_t thread;
    const char *from;
    size_t size; /* a multiple of 512 */
    unsigned calls;
    uint64_t sum;
};

static void *read_part(void *arg)
{
    struct reader *r = arg;
    wide sum[4] = { 0 };

    for (unsigned c = 0; c < r->calls; c++)
        for (size_t i = 0; i < r->size; i += 512) {
            const wide *p = (const wide *)(const void *)(r->from + i);

            sum[0] ^= p[0] ^ p[4];
            sum[1] ^= p[1] ^ p[5];
            sum[2] ^= p[2] ^ p[6];
            sum[3] ^= p[3] ^ p[7];
        }
    sum[0] ^= sum[1] ^ sum[2] ^ sum[3];
    for (int i = 0; i < 8; i++)
        r->sum ^= sum[0][i];
    return NULL;
}

static int read_all(void *ctx, unsigned calls)
{
    const struct gemv *g = ctx;
    struct reader readers[MAX_READERS] = { 0 };
    size_t part = g->weight_bytes / g->n_readers / 512 * 512;
    unsigned n = 0;

    for (; n < g->n_readers; n++) {
        readers[n].from = (const char *)g->w + n * part;
        readers[n].size = part;
        readers[n].calls = calls;
        if (pthread_create(&readers[n].thread, NULL, read_part, &readers[n]) !=
            0)
            break;
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(readers[i].thread, NULL);
        __asm__ volatile("" : : "r"(readers[i].sum)); /* it was needed */
    }
    if (n < g->n_readers)
        bench_fail("cannot start %u threads", g->n_readers);
    return n < g->n_readers ? -1 : 0;
}

/* ---- set-up ------------------------------------------------------------- */

static int gemv_open(struct gemv *g)
{
    size_t elem = g->dtype == halF32 ? 4 : 2, xs = (size_t)g->k;
    size_t huge = (size_t)2 << 20;

    g->weight_bytes = (size_t)g->n * xs * elem;
    /* Huge pages for both sides: Halcyon's memory has them too. */
    g->w = aligned_alloc(huge, (g->weight_bytes + huge - 1) / huge * huge);
    g->x = calloc(xs, sizeof *g->x);
    g->y = calloc((size_t)g->n, sizeof *g->y);
    if (!g->w || !g->x || !g->y) {
        bench_fail("out of host memory");
        return -1;
    }
    (void)madvise(g->w, g->weight_bytes, MADV_HUGEPAGE);
    /* 0x3c3c...: small positive numbers in bf16 and in f32 */
    memset(g->w, 0x3c, g->weight_bytes);
    memset(g->x, 0x3c, xs * sizeof *g->x);
    return bench_hal_ok(halMalloc(&g->dev_w, g->weight_bytes)) ||
                   bench_hal_ok(halMalloc(&g->dev_x, xs * elem)) ||
                   bench_hal_ok(halMalloc(&g->dev_y, (size_t)g->n * 4)) ||
                   bench_hal_ok(halMemcpy(g->dev_w, g->w, g->weight_bytes,
                                          halMemcpyHostToDevice)) ||
                   bench_hal_ok(halMemcpy(g->dev_x, g->x, xs * elem,
                                          halMemcpyHostToDevice))
               ? -1
               : 0;
}

static void gemv_close(struct gemv *g)
{
    void *const devs[] = { g->dev_w, g->dev_x, g->dev_y };

    for (size_t i = 0; i < 3; i++)
        if (devs[i])
            (void)bench_hal_ok(halFree(devs[i]));
    free(g->w);
    free(g->x);
    free(g->y);
}

static void one_gemv(struct bench *b, const struct halDeviceProp *prop,
                     struct gemv *g, bench_fn *raw, const char *raw_name,
                     double goal)
{
    char name[64];
    struct bench_case bc = { .section = "gemv",
                             .device = prop->halName,
                             .name = name,
                             .raw_name = raw_name,
                             .hal = hal_gemv,
                             .raw = raw,
                             .hal_ctx = g,
                             .raw_ctx = g,
                             .unit = BENCH_BYTES,
                             .goal = goal,
                             .settle_ms =
                                 raw == blas_gemv ? BENCH_BLAS_SETTLE_MS : 0 };
    double start;

    snprintf(name, sizeof name, "%s %dx%d", g->dtype == halF32 ? "f32" : "bf16",
             g->n, g->k);
    if (gemv_open(g) == 0) {
        start = bench_now();
        if (hal_gemv(g, 1) == 0) {
            bench_first(b, prop->halName, name, bench_now() - start);
            bc.work = (double)g->weight_bytes;
            bench_run(b, &bc);
            gemv_close(g);
            return;
        }
    }
    bench_broken(b, "gemv", prop->halName, name);
    gemv_close(g);
}

void bench_gemv(struct bench *b, const struct halDeviceProp *prop)
{
    bool is_cpu = strcmp(prop->backend, "cpu") == 0;
    struct bench_blas blas;
    struct gemv half = { .dtype = halBF16,
                         .n = b->quick ? 4096 : 16384,
                         .k = 4096,
                         .n_readers = b->n_cpus < MAX_READERS ? b->n_cpus
                                                              : MAX_READERS };
    struct gemv full = { .dtype = halF32,
                         .n = b->quick ? 2048 : 8192,
                         .k = 4096 };

    if (!is_cpu) /* software GPUs: a tenth of it shows as much */
        half.n = full.n = 2048;
    one_gemv(b, prop, &half, read_all, "reading", is_cpu ? GEMV_GOAL : 0);
    if (bench_blas_open(&blas, b->n_cpus) != 0) {
        bench_note(b, "gemv", prop->halName, "f32 left out: %s",
                   bench_failure());
        return;
    }
    full.blas = &blas;
    one_gemv(b, prop, &full, blas_gemv, "OpenBLAS", 0);
}
