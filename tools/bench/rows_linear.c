/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_linear.c - rows of gemv and gemm.  Default shapes are those of an expert
 * (2048 x 7168) or a part of it; --full takes whole projections.  A product
 * must read x and w and write y once, and take 2 m n k operations.
 */
#include "tools/bench/kernels.h"

static void make_product(struct bench_set *s)
{
    int64_t m = s->d[0], n = s->d[1], k = s->d[2];

    s->p[0] = bench_out(s, s->row->out, m * n);
    s->p[1] = bench_in(s, s->row->in, m * k);
    s->p[2] = bench_in(s, s->row->in, n * k);
    s->flops = 2.0 * (double)m * (double)n * (double)k;
}

static halError_t run_gemm(const struct bench_set *s)
{
    return halopGemm(s->row->in, s->row->out, s->p[0], s->p[1], s->p[2], NULL,
                     s->d[0], s->d[1], s->d[2], NULL);
}

static halError_t run_gemv(const struct bench_set *s)
{
    return halopGemv(s->row->in, s->row->out, s->p[0], s->p[1], s->p[2], NULL,
                     s->d[0], s->d[1], s->d[2], NULL);
}

#define PRODUCT(op_, api_, run_, in_, out_, name, m, n, k, M, N, K) \
    {                                                               \
        .op = op_, .kind = name, .api = api_, .make = make_product, \
        .run = run_, .in = in_, .out = out_, .names = "m n k",      \
        .dims = { m, n, k }, .full = {                              \
            M,                                                      \
            N,                                                      \
            K                                                       \
        }                                                           \
    }
#define GEMV(in, out, name, m)                                              \
    PRODUCT("gemv", "halopGemv", run_gemv, in, out, name, m, 2048, 7168, m, \
            7168, 16384)
#define GEMM(in, out, name, m, n, k, M, N, K) \
    PRODUCT("gemm", "halopGemm", run_gemm, in, out, name, m, n, k, M, N, K)

const struct bench_row bench_rows_linear[] = {
    GEMV(halF32, halF32, "f32.f32", 1),
    GEMV(halBF16, halBF16, "bf16.bf16", 1),
    GEMV(halBF16, halF32, "bf16.f32", 1),
    GEMV(halF16, halF16, "f16.f16", 1),
    GEMV(halF16, halF32, "f16.f32", 1),
    GEMV(halBF16, halF32, "bf16.f32", 2),
    /* the router and the logits, as far as they fit */
    PRODUCT("gemv", "halopGemv", run_gemv, halBF16, halF32, "bf16.f32", 1, 256,
            7168, 1, 256, 7168),
    PRODUCT("gemv", "halopGemv", run_gemv, halBF16, halF32, "bf16.f32", 1,
            16160, 1792, 1, 129280, 7168),
    GEMM(halF32, halF32, "f32.f32", 8, 1024, 2048, 8, 4096, 4096),
    GEMM(halF32, halF32, "f32.f32", 64, 1024, 2048, 512, 4096, 4096),
    GEMM(halF32, halF32, "f32.f32", 256, 512, 512, 1024, 1024, 1024),
    GEMM(halBF16, halBF16, "bf16.bf16", 8, 1024, 2048, 8, 2048, 7168),
    GEMM(halBF16, halBF16, "bf16.bf16", 64, 1024, 2048, 512, 2048, 7168),
    GEMM(halBF16, halF32, "bf16.f32", 64, 1024, 2048, 512, 2048, 7168),
    GEMM(halF16, halF16, "f16.f16", 64, 1024, 2048, 512, 2048, 7168),
    GEMM(halF16, halF32, "f16.f32", 64, 1024, 2048, 512, 2048, 7168),
    { 0 },
};
