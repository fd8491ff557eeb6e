/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_quant.c - rows of operators on FP8, INT8, INT4 and GGUF weights.  The
 * shapes are those of rows_linear.c, so that lines compare.
 */
#include "tools/bench/kernels.h"

#define BLOCK     128
#define INT4_LONG 128 /* k of a group of AWQ and GPTQ, as published */

static int64_t blocks_of(int64_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

static double product_flops(const struct bench_set *s)
{
    return 2.0 * (double)s->d[0] * (double)s->d[1] * (double)s->d[2];
}

/* ---- FP8 ------------------------------------------------------------- */

static void make_from_e8m0(struct bench_set *s)
{
    s->p[0] = bench_out(s, halF32, s->d[0]);
    s->p[1] = bench_in(s, halU8, s->d[0]);
}

static halError_t run_from_e8m0(const struct bench_set *s)
{
    return halopScaleFromE8M0(s->p[0], s->p[1], s->d[0], NULL);
}

static void make_to_e8m0(struct bench_set *s)
{
    s->p[0] = bench_out(s, halU8, s->d[0]);
    s->p[1] = bench_in(s, halF32, s->d[0]);
}

static halError_t run_to_e8m0(const struct bench_set *s)
{
    return halopScaleToE8M0(s->p[0], s->p[1], s->d[0], NULL);
}

static void make_quantise_fp8(struct bench_set *s)
{
    int64_t m = s->d[0], k = s->d[1];

    s->p[0] = bench_out(s, halE4M3, m * k);
    s->p[1] = bench_out(s, s->row->type == halopScaleE8M0 ? halU8 : halF32,
                        m * blocks_of(k));
    s->p[2] = bench_in(s, s->row->in, m * k);
    s->flops = 2.0 * (double)(m * k);
}

static halError_t run_quantise_fp8(const struct bench_set *s)
{
    return halopQuantiseFp8(s->row->in, s->p[0], s->p[1],
                            (halopScale)s->row->type, s->p[2], s->d[0], s->d[1],
                            NULL);
}

static void make_swiglu_fp8(struct bench_set *s)
{
    make_quantise_fp8(s);
    s->p[3] = bench_in(s, s->row->in, s->d[0] * s->d[1]);
    s->flops = 7.0 * (double)(s->d[0] * s->d[1]);
}

static halError_t run_swiglu_fp8(const struct bench_set *s)
{
    return halopSwiGLUQuantiseFp8(s->row->in, s->p[0], s->p[1],
                                  (halopScale)s->row->type, s->p[2], s->p[3],
                                  s->d[0], s->d[1], NULL);
}

static void make_dequantise_fp8(struct bench_set *s)
{
    int64_t n = s->d[0], k = s->d[1];

    s->p[0] = bench_out(s, s->row->out, n * k);
    s->p[1] = bench_in(s, halE4M3, n * k);
    s->p[2] = bench_in(s, halF32, blocks_of(n) * blocks_of(k));
    s->flops = (double)(n * k);
}

static halError_t run_dequantise_fp8(const struct bench_set *s)
{
    return halopDequantiseFp8(s->row->out, s->p[0], s->p[1], s->p[2], s->d[0],
                              s->d[1], NULL);
}

static void make_fp8(struct bench_set *s)
{
    struct halopGemmFp8Args *a = &s->u.fp8;
    int64_t m = s->d[0], n = s->d[1], k = s->d[2];

    *a =
        (struct halopGemmFp8Args){ .out = s->row->out, .m = m, .n = n, .k = k };
    a->y = bench_out(s, s->row->out, m * n);
    a->x = bench_in(s, halE4M3, m * k);
    a->x_scale = bench_in(s, halF32, m * blocks_of(k));
    a->w = bench_in(s, halE4M3, n * k);
    a->w_scale = bench_in(s, halF32, blocks_of(n) * blocks_of(k));
    s->flops = product_flops(s);
}

static halError_t run_gemm_fp8(const struct bench_set *s)
{
    return halopGemmFp8(&s->u.fp8, NULL);
}

static halError_t run_gemv_fp8(const struct bench_set *s)
{
    return halopGemvFp8(&s->u.fp8, NULL);
}

/* ---- INT8 --------------------------------------------------------------- */

static void make_quantise_i8(struct bench_set *s)
{
    int64_t m = s->d[0], k = s->d[1];

    s->p[0] = bench_out(s, halI8, m * k);
    if (s->row->type == 0) /* else its scale is given */
        s->p[1] = bench_out(s, halF32, m);
    s->p[2] = bench_in(s, s->row->in, m * k);
    s->flops = 2.0 * (double)(m * k);
}

static halError_t run_quantise_i8(const struct bench_set *s)
{
    return halopQuantiseI8(s->row->in, s->p[0], s->p[1], s->p[2], NULL, s->d[0],
                           s->d[1], NULL);
}

static void make_swiglu_i8(struct bench_set *s)
{
    make_quantise_i8(s);
    s->p[3] = bench_in(s, s->row->in, s->d[0] * s->d[1]);
    s->flops = 7.0 * (double)(s->d[0] * s->d[1]);
}

static halError_t run_swiglu_i8(const struct bench_set *s)
{
    return halopSwiGLUQuantiseI8(s->row->in, s->p[0], s->p[1], s->p[2], s->p[3],
                                 s->d[0], s->d[1], NULL);
}

static halError_t run_static_i8(const struct bench_set *s)
{
    return halopQuantiseI8Static(s->row->in, s->p[0], s->p[2], 0.01f, 3,
                                 s->d[0] * s->d[1], NULL);
}

static void make_i8(struct bench_set *s)
{
    struct halopGemmI8Args *a = &s->u.i8;
    int64_t m = s->d[0], n = s->d[1], k = s->d[2];

    *a = (struct halopGemmI8Args){ .out = s->row->out, .m = m, .n = n, .k = k };
    a->y = bench_out(s, s->row->out, m * n);
    a->x = bench_in(s, halI8, m * k);
    a->w = bench_in(s, halI8, n * k);
    if (s->row->out != halI32) {
        a->x_scale = bench_in(s, halF32, m);
        a->w_scale = bench_in(s, halF32, n);
    }
    s->flops = product_flops(s);
}

static halError_t run_gemm_i8(const struct bench_set *s)
{
    return halopGemmI8(&s->u.i8, NULL);
}

static halError_t run_gemv_i8(const struct bench_set *s)
{
    return halopGemvI8(&s->u.i8, NULL);
}

/* ---- INT4 --------------------------------------------------------------- */

/* A kind of int4 besides its layout: with g_idx. */
#define ACT_ORDER 16

static void int4_weights(struct bench_set *s, int64_t n, int64_t k)
{
    struct halopInt4Weights *w = &s->weights;
    int64_t groups = (k + INT4_LONG - 1) / INT4_LONG;

    *w = (struct halopInt4Weights){ .layout =
                                        (halopInt4)(s->row->type & ~ACT_ORDER),
                                    .n = n,
                                    .k = k,
                                    .group_size = INT4_LONG };
    w->qweight = bench_in(s, halU32, n * k / 8);
    w->qzeros = bench_in(s, halU32, groups * n / 8);
    w->scales = bench_in(s, halF16, groups * n);
    if (s->row->type & ACT_ORDER)
        w->g_idx = bench_ids(s, k, groups, bench_at_spread);
}

static void make_dequantise_int4(struct bench_set *s)
{
    s->p[0] = bench_out(s, s->row->out, s->d[0] * s->d[1]);
    int4_weights(s, s->d[0], s->d[1]);
    s->flops = 2.0 * (double)(s->d[0] * s->d[1]);
}

static halError_t run_dequantise_int4(const struct bench_set *s)
{
    return halopDequantiseInt4(s->row->out, s->p[0], &s->weights, NULL);
}

static void make_int4(struct bench_set *s)
{
    struct halopGemmInt4Args *a = &s->u.int4;
    int64_t m = s->d[0], n = s->d[1], k = s->d[2];

    *a = (struct halopGemmInt4Args){
        .in = s->row->in, .out = s->row->out, .w = &s->weights, .m = m
    };
    a->y = bench_out(s, s->row->out, m * n);
    a->x = bench_in(s, s->row->in, m * k);
    int4_weights(s, n, k);
    s->flops = product_flops(s);
}

static halError_t run_gemm_int4(const struct bench_set *s)
{
    return halopGemmInt4(&s->u.int4, NULL);
}

static halError_t run_gemv_int4(const struct bench_set *s)
{
    return halopGemvInt4(&s->u.int4, NULL);
}

/* ---- GGUF ------------------------------------------------------------ */

static void make_dequantise_gguf(struct bench_set *s)
{
    s->p[0] = bench_out(s, s->row->out, s->d[0] * s->d[1]);
    s->p[1] = bench_blocks(s, (halopGguf)s->row->type, s->d[0] * s->d[1]);
    s->flops = 2.0 * (double)(s->d[0] * s->d[1]);
}

static halError_t run_dequantise_gguf(const struct bench_set *s)
{
    return halopDequantiseGguf((halopGguf)s->row->type, s->row->out, s->p[0],
                               s->p[1], s->d[0], s->d[1], NULL);
}

static void make_gguf(struct bench_set *s)
{
    struct halopGemmGgufArgs *a = &s->u.gguf;
    int64_t m = s->d[0], n = s->d[1], k = s->d[2];

    *a = (struct halopGemmGgufArgs){ .type = (halopGguf)s->row->type,
                                     .in = s->row->in,
                                     .out = s->row->out,
                                     .m = m,
                                     .n = n,
                                     .k = k };
    a->y = bench_out(s, s->row->out, m * n);
    a->x = bench_in(s, s->row->in, m * k);
    a->w = bench_blocks(s, (halopGguf)s->row->type, n * k);
    s->flops = product_flops(s);
}

static halError_t run_gemm_gguf(const struct bench_set *s)
{
    return halopGemmGguf(&s->u.gguf, NULL);
}

static halError_t run_gemv_gguf(const struct bench_set *s)
{
    return halopGemvGguf(&s->u.gguf, NULL);
}

/* ---- the table ---------------------------------------------------------- */

#define SCALES(op_, api_, name, way)                              \
    {                                                             \
        .op = op_, .kind = name, .api = api_, .make = make_##way, \
        .run = run_##way, .names = "n", .dims = {                 \
            1 << 22                                               \
        }                                                         \
    }
#define QUANTISE(op_, api_, make_, run_, dtype, name, type_)               \
    {                                                                      \
        .op = op_, .kind = name, .api = api_, .make = make_, .run = run_,  \
        .in = dtype, .type = type_, .names = "m k", .dims = { 512, 7168 }, \
        .full = {                                                          \
            4096,                                                          \
            7168                                                           \
        }                                                                  \
    }
#define QUANTISE_FP8(dtype, name, scale)                            \
    QUANTISE("quantise_fp8", "halopQuantiseFp8", make_quantise_fp8, \
             run_quantise_fp8, dtype, name, scale)
#define QUANTISE_I8(dtype, name)                                 \
    QUANTISE("quantise_i8", "halopQuantiseI8", make_quantise_i8, \
             run_quantise_i8, dtype, name, 0)
#define DEQUANTISE(op_, api_, way, dtype, name, type_)                       \
    {                                                                        \
        .op = op_, .kind = name, .api = api_, .make = make_dequantise_##way, \
        .run = run_dequantise_##way, .out = dtype, .type = type_,            \
        .names = "n k", .dims = { 2048, 2048 }, .full = {                    \
            2048,                                                            \
            7168                                                             \
        }                                                                    \
    }
#define DEQUANTISE_GGUF(name, type)                                     \
    DEQUANTISE("dequantise_gguf", "halopDequantiseGguf", gguf, halBF16, \
               name ".bf16", halopGguf##type)
#define DEQUANTISE_INT4(name, type)                                     \
    DEQUANTISE("dequantise_int4", "halopDequantiseInt4", int4, halBF16, \
               name ".bf16", type)
#define PRODUCT(op_, api_, make_, run_, in_, out_, name, type_, m, n, k, M, N, \
                K)                                                             \
    {                                                                          \
        .op = op_, .kind = name, .api = api_, .make = make_, .run = run_,      \
        .in = in_, .out = out_, .type = type_, .names = "m n k",               \
        .dims = { m, n, k }, .full = {                                         \
            M,                                                                 \
            N,                                                                 \
            K                                                                  \
        }                                                                      \
    }
#define GEMV(op, api, way, in, out, name, type)                               \
    PRODUCT("gemv_" op, "halopGemv" api, make_##way, run_gemv_##way, in, out, \
            name, type, 1, 2048, 7168, 1, 7168, 16384)
#define GEMM(op, api, way, in, out, name, type)                               \
    PRODUCT("gemm_" op, "halopGemm" api, make_##way, run_gemm_##way, in, out, \
            name, type, 64, 1024, 2048, 512, 2048, 7168)
#define GEMV_GGUF(name, type)                                     \
    GEMV("gguf", "Gguf", gguf, halBF16, halF32, name ".bf16.f32", \
         halopGguf##type)
#define GEMM_GGUF(name, type)                                     \
    GEMM("gguf", "Gguf", gguf, halBF16, halF32, name ".bf16.f32", \
         halopGguf##type)
#define GEMV_INT4(name, type) \
    GEMV("int4", "Int4", int4, halBF16, halF32, name ".bf16.f32", type)
#define GEMM_INT4(name, type) \
    GEMM("int4", "Int4", int4, halBF16, halF32, name ".bf16.f32", type)

const struct bench_row bench_rows_quant[] = {
    SCALES("scale_from_e8m0", "halopScaleFromE8M0", "f32", from_e8m0),
    SCALES("scale_to_e8m0", "halopScaleToE8M0", "f32", to_e8m0),
    QUANTISE_FP8(halF32, "f32.f32", halopScaleF32),
    QUANTISE_FP8(halBF16, "bf16.f32", halopScaleF32),
    QUANTISE_FP8(halF16, "f16.f32", halopScaleF32),
    QUANTISE_FP8(halBF16, "bf16.pow2", halopScalePow2),
    QUANTISE_FP8(halBF16, "bf16.e8m0", halopScaleE8M0),
    QUANTISE("swiglu_quantise_fp8", "halopSwiGLUQuantiseFp8", make_swiglu_fp8,
             run_swiglu_fp8, halBF16, "bf16.f32", halopScaleF32),
    QUANTISE("swiglu_quantise_i8", "halopSwiGLUQuantiseI8", make_swiglu_i8,
             run_swiglu_i8, halBF16, "bf16", 0),
    DEQUANTISE("dequantise_fp8", "halopDequantiseFp8", fp8, halF32, "f32", 0),
    DEQUANTISE("dequantise_fp8", "halopDequantiseFp8", fp8, halBF16, "bf16", 0),
    DEQUANTISE("dequantise_fp8", "halopDequantiseFp8", fp8, halF16, "f16", 0),
    GEMV("fp8", "Fp8", fp8, halE4M3, halBF16, "bf16", 0),
    GEMV("fp8", "Fp8", fp8, halE4M3, halF32, "f32", 0),
    GEMM("fp8", "Fp8", fp8, halE4M3, halBF16, "bf16", 0),
    GEMM("fp8", "Fp8", fp8, halE4M3, halF32, "f32", 0),
    QUANTISE_I8(halF32, "f32"),
    QUANTISE_I8(halBF16, "bf16"),
    QUANTISE_I8(halF16, "f16"),
    QUANTISE("quantise_i8_static", "halopQuantiseI8Static", make_quantise_i8,
             run_static_i8, halBF16, "bf16", 1),
    GEMV("i8", "I8", i8, halI8, halBF16, "bf16", 0),
    GEMV("i8", "I8", i8, halI8, halF32, "f32", 0),
    GEMM("i8", "I8", i8, halI8, halBF16, "bf16", 0),
    GEMM("i8", "I8", i8, halI8, halF32, "f32", 0),
    GEMM("i8", "I8", i8, halI8, halI32, "i32", 0),
    DEQUANTISE_INT4("awq", halopInt4Awq),
    DEQUANTISE_INT4("gptq", halopInt4Gptq),
    DEQUANTISE_INT4("gptq_v2", halopInt4GptqV2),
    DEQUANTISE_INT4("gptq_g_idx", halopInt4Gptq | ACT_ORDER),
    GEMV_INT4("awq", halopInt4Awq),
    GEMV_INT4("gptq", halopInt4Gptq),
    GEMV_INT4("gptq_v2", halopInt4GptqV2),
    GEMV_INT4("gptq_g_idx", halopInt4Gptq | ACT_ORDER),
    GEMM_INT4("awq", halopInt4Awq),
    GEMM_INT4("gptq", halopInt4Gptq),
    GEMM_INT4("gptq_v2", halopInt4GptqV2),
    GEMM_INT4("gptq_g_idx", halopInt4Gptq | ACT_ORDER),
    DEQUANTISE_GGUF("q4_0", Q4_0),
    DEQUANTISE_GGUF("q5_0", Q5_0),
    DEQUANTISE_GGUF("q8_0", Q8_0),
    DEQUANTISE_GGUF("q4_k", Q4_K),
    DEQUANTISE_GGUF("q5_k", Q5_K),
    DEQUANTISE_GGUF("q6_k", Q6_K),
    GEMV_GGUF("q4_0", Q4_0),
    GEMV_GGUF("q5_0", Q5_0),
    GEMV_GGUF("q8_0", Q8_0),
    GEMV_GGUF("q4_k", Q4_K),
    GEMV_GGUF("q5_k", Q5_K),
    GEMV_GGUF("q6_k", Q6_K),
    GEMM_GGUF("q4_0", Q4_0),
    GEMM_GGUF("q5_0", Q5_0),
    GEMM_GGUF("q8_0", Q8_0),
    GEMM_GGUF("q4_k", Q4_K),
    GEMM_GGUF("q5_k", Q5_K),
    GEMM_GGUF("q6_k", Q6_K),
    { 0 },
};
