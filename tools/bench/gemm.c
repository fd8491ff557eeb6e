/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm.c - halopGemm in f32, y = x . w^T as models use it, against OpenBLAS on
 * the host, and on GPUs against what others have for them.  The goals are those
 * of the software devices that everybody can measure.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ops.h"
#include "tools/bench/gemm.h"

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

/* ---- OpenBLAS ----------------------------------------------------------- */

struct openblas {
    struct bench_blas blas;
    float *y;
};

static int openblas_open(struct gemm *g)
{
    struct openblas *o = calloc(1, sizeof *o);

    g->side = o;
    if (!o || bench_blas_open(&o->blas, g->n_cpus) != 0) {
        if (!o)
            bench_fail("out of host memory");
        return -1;
    }
    o->y = calloc((size_t)g->m * (size_t)g->n, sizeof *o->y);
    if (!o->y)
        bench_fail("out of host memory");
    return o->y ? 0 : -1;
}

static int openblas_run(void *ctx, unsigned calls)
{
    const struct gemm *g = ctx;
    const struct openblas *o = g->side;

    for (unsigned i = 0; i < calls; i++)
        o->blas.gemm(&o->blas, g->m, g->n, g->k, g->x, g->w, o->y);
    return 0;
}

static int openblas_result(const struct gemm *g, float *y)
{
    const struct openblas *o = g->side;

    memcpy(y, o->y, (size_t)g->m * (size_t)g->n * sizeof *y);
    return 0;
}

static void openblas_close(struct gemm *g)
{
    struct openblas *o = g->side;

    if (o)
        free(o->y);
    free(o);
    g->side = NULL;
}

const struct gemm_side gemm_openblas = { .name = "OpenBLAS",
                                         .open = openblas_open,
                                         .run = openblas_run,
                                         .result = openblas_result,
                                         .close = openblas_close,
                                         .settle_ms = BENCH_BLAS_SETTLE_MS };

/* ---- one shape ---------------------------------------------------------- */

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
static int same_result(struct gemm *g, const struct gemm_side *side)
{
    size_t n = (size_t)g->m * (size_t)g->n;
    float *got = malloc(2 * n * sizeof *got), *want = got + n;
    double worst = 0;
    int st = -1;

    if (!got) {
        bench_fail("out of host memory");
        return -1;
    }
    if (side->run(g, 1) != 0 || side->result(g, want) != 0 ||
        bench_hal_ok(
            halMemcpy(got, g->dev_y, n * sizeof *got, halMemcpyDeviceToHost)))
        goto out;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)want[i]);

        if (!(d <= worst))
            worst = d;
    }
    /* |x|, |w| <= 1/2: terms of k products, far above any rounding */
    if (worst <= 1e-4 * g->k)
        st = 0;
    else
        bench_fail("the result differs from %s's by %g", side->name, worst);
out:
    free(got);
    return st;
}

static int gemm_open(struct gemm *g)
{
    size_t nx = (size_t)g->m * (size_t)g->k, nw = (size_t)g->n * (size_t)g->k;
    size_t ny = (size_t)g->m * (size_t)g->n;

    g->x = malloc(nx * sizeof *g->x);
    g->w = malloc(nw * sizeof *g->w);
    if (!g->x || !g->w) {
        bench_fail("out of host memory");
        return -1;
    }
    fill(g->x, nx);
    fill(g->w, nw);
    return upload(&g->dev_x, g->x, nx * sizeof *g->x) ||
                   upload(&g->dev_w, g->w, nw * sizeof *g->w) ||
                   bench_hal_ok(halMalloc(&g->dev_y, ny * sizeof(float)))
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
}

/* The software devices' goals, for matrices that are not thin; others have
 * none. */
static double goal_of(const struct gemm *g, const struct gemm_side *side)
{
    const struct halDeviceProp *prop = g->prop;
    bool is_pocl = strstr(prop->driver, "Portable Computing Language") != NULL;
    bool is_lavapipe = !strcmp(prop->backend, "vulkan") &&
                       strstr(prop->driver, "llvmpipe") != NULL;

    if (prop->standsOn[0] || g->m < 128)
        return 0;
    if (side == &gemm_openblas)
        return !strcmp(prop->backend, "cpu") ? 0.95 : is_pocl ? 0.6 : 0;
    if (side == &gemm_clblast)
        return is_pocl ? 8 : 0;
    return is_lavapipe ? 3 : 0;
}

static void against(struct bench *b, struct gemm *g, const char *name,
                    const struct gemm_side *side)
{
    struct bench_case bc = { .section = "gemm",
                             .device = g->prop->halName,
                             .name = name,
                             .raw_name = side->name,
                             .hal = hal_gemm,
                             .raw = side->run,
                             .hal_ctx = g,
                             .raw_ctx = g,
                             .unit = BENCH_FLOPS,
                             .work = 2.0 * g->m * g->n * g->k,
                             .goal = goal_of(g, side),
                             .settle_ms = side->settle_ms };

    if (side->open(g) != 0)
        bench_note(b, "gemm", g->prop->halName, "%s left out: %s", side->name,
                   bench_failure());
    else if (same_result(g, side) != 0)
        bench_broken(b, "gemm", g->prop->halName, name);
    else
        bench_run(b, &bc);
    side->close(g);
}

static void one_shape(struct bench *b, const struct halDeviceProp *prop, int m,
                      int n, int k)
{
    struct gemm g = {
        .prop = prop, .n_cpus = b->n_cpus, .m = m, .n = n, .k = k
    };
    char name[64];
    double start;

    snprintf(name, sizeof name, "f32 %dx%dx%d", m, n, k);
    if (gemm_open(&g) != 0)
        goto failed;
    start = bench_now();
    if (hal_gemm(&g, 1) != 0)
        goto failed;
    bench_first(b, prop->halName, name, bench_now() - start);
    against(b, &g, name, &gemm_openblas);
    if (!strcmp(prop->backend, "opencl"))
        against(b, &g, name, &gemm_clblast);
    if (strcmp(prop->backend, "cpu") != 0)
        against(b, &g, name, &gemm_tiled);
    gemm_close(&g);
    return;
failed:
    bench_broken(b, "gemm", prop->halName, name);
    gemm_close(&g);
}

void bench_gemm(struct bench *b, const struct halDeviceProp *prop)
{
    /* Software GPUs take half a second for a 1024-cube, and ten times as long
     * with the tiled kernel. */
    if (strcmp(prop->backend, "cpu") != 0) {
        if (b->quick)
            one_shape(b, prop, 128, 256, 256);
        else
            one_shape(b, prop, 512, 512, 512);
        return;
    }
    if (b->quick) {
        one_shape(b, prop, 512, 512, 512);
        return;
    }
    one_shape(b, prop, 1024, 1024, 1024);
    one_shape(b, prop, 512, 4096, 4096);
    one_shape(b, prop, 8, 4096, 4096);
}
