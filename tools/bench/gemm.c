/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm.c - halopGemm against OpenBLAS, f32, y = x . w^T as models use it.
 * OpenBLAS runs on the host whatever the device is; the goal is the cpu's.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ops.h"
#include "tools/bench/bench.h"

#define GEMM_GOAL 0.7
/* OpenBLAS's threads spin for about 25 ms after their work; on a machine with
 * few cores they would do so in our sample. */
#define SETTLE_MS 40u

struct gemm {
    const struct bench_blas *blas;
    int m, n, k;
    float *x, *w, *y; /* the host's */
    void *dev_x, *dev_w, *dev_y;
};

static int hal_gemm(void *ctx, unsigned calls)
{
    const struct gemm *g = ctx;

    for (unsigned i = 0; i < calls; i++) {
        halError_t st = halopGemm(halF32, halF32, g->dev_y, g->dev_x, g->dev_w,
                                  NULL, g->m, g->n, g->k, NULL);

        if (st != halSuccess)
            return bench_hal_ok(st);
    }
    return bench_hal_ok(halStreamSynchronize(NULL));
}

static int blas_gemm(void *ctx, unsigned calls)
{
    const struct gemm *g = ctx;

    for (unsigned i = 0; i < calls; i++)
        g->blas->gemm(g->blas, g->m, g->n, g->k, g->x, g->w, g->y);
    return 0;
}

static void fill(float *p, size_t n)
{
    uint32_t state = 12345;

    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        p[i] = (float)(state >> 8) / (1 << 24) - 0.5f;
    }
}

static int upload(void **dev, const void *host, size_t bytes)
{
    return bench_hal_ok(halMalloc(dev, bytes)) ||
                   bench_hal_ok(
                       halMemcpy(*dev, host, bytes, halMemcpyHostToDevice))
               ? -1
               : 0;
}

/* A fast wrong answer is no figure: both sides must have computed the same. */
static int same_result(const struct gemm *g)
{
    size_t n = (size_t)g->m * (size_t)g->n;
    float *got = malloc(n * sizeof *got);
    double worst = 0;

    if (!got || bench_hal_ok(halMemcpy(got, g->dev_y, n * sizeof *got,
                                       halMemcpyDeviceToHost))) {
        free(got);
        return -1;
    }
    (void)blas_gemm((void *)(uintptr_t)g, 1);
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)g->y[i]);

        if (!(d <= worst))
            worst = d;
    }
    free(got);
    /* |x|, |w| <= 1/2: terms of k products, far above any rounding */
    if (worst <= 1e-4 * g->k)
        return 0;
    bench_fail("the result differs from OpenBLAS's by %g", worst);
    return -1;
}

static int gemm_open(struct gemm *g)
{
    size_t nx = (size_t)g->m * (size_t)g->k, nw = (size_t)g->n * (size_t)g->k;
    size_t ny = (size_t)g->m * (size_t)g->n;

    g->x = malloc(nx * sizeof *g->x);
    g->w = malloc(nw * sizeof *g->w);
    g->y = calloc(ny, sizeof *g->y);
    if (!g->x || !g->w || !g->y) {
        bench_fail("out of host memory");
        return -1;
    }
    fill(g->x, nx);
    fill(g->w, nw);
    return upload(&g->dev_x, g->x, nx * sizeof *g->x) ||
                   upload(&g->dev_w, g->w, nw * sizeof *g->w) ||
                   upload(&g->dev_y, g->y, ny * sizeof *g->y)
               ? -1
               : 0;
}

static void gemm_close(struct gemm *g)
{
    void *const devs[] = { g->dev_x, g->dev_w, g->dev_y };

    for (size_t i = 0; i < 3; i++)
        if (devs[i])
            (void)bench_hal_ok(halFree(devs[i]));
    free(g->x);
    free(g->w);
    free(g->y);
}

static void one_shape(struct bench *b, const struct halDeviceProp *prop,
                      const struct bench_blas *blas, int m, int n, int k)
{
    struct gemm g = { .blas = blas, .m = m, .n = n, .k = k };
    char name[64];
    struct bench_case bc = { .section = "gemm",
                             .device = prop->halName,
                             .name = name,
                             .raw_name = "OpenBLAS",
                             .hal = hal_gemm,
                             .raw = blas_gemm,
                             .hal_ctx = &g,
                             .raw_ctx = &g,
                             .unit = BENCH_FLOPS,
                             .work = 2.0 * m * n * k,
                             .settle_ms = SETTLE_MS };
    double start;

    snprintf(name, sizeof name, "f32 %dx%dx%d", m, n, k);
    if (strcmp(prop->backend, "cpu") == 0)
        bc.goal = GEMM_GOAL;
    if (gemm_open(&g) == 0) {
        start = bench_now();
        if (hal_gemm(&g, 1) == 0) {
            bench_first(b, prop->halName, name, bench_now() - start);
            if (same_result(&g) == 0) {
                bench_run(b, &bc);
                gemm_close(&g);
                return;
            }
        }
    }
    bench_broken(b, "gemm", prop->halName, name);
    gemm_close(&g);
}

void bench_gemm(struct bench *b, const struct halDeviceProp *prop)
{
    struct bench_blas blas;
    bool is_cpu = strcmp(prop->backend, "cpu") == 0;

    if (bench_blas_open(&blas, b->n_cpus) != 0) {
        bench_note(b, "gemm", prop->halName, "left out: %s", bench_failure());
        return;
    }
    if (b->quick) {
        one_shape(b, prop, &blas, 512, 512, 512);
        return;
    }
    /* Software GPUs take half a second for a 1024-cube. */
    if (is_cpu) {
        one_shape(b, prop, &blas, 1024, 1024, 1024);
        one_shape(b, prop, &blas, 128, 4096, 4096);
        one_shape(b, prop, &blas, 8, 4096, 4096);
    } else {
        one_shape(b, prop, &blas, 512, 512, 512);
    }
}
