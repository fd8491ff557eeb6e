/* SPDX-License-Identifier: Apache-2.0 */
/* ops_quant_fp8.c - e4m3 with scales of blocks: 128 k of an activation's row,
 * 128 x 128 of a weight. */
#include "kernels/ops_native.h"
#include "kernels/ops_quant_internal.h"

#define BLOCK 128

/* Of x: one for each row and block of k. */
static uint64_t activation_scales(int64_t m, int64_t k)
{
    return ops_count(m, quant_blocks(k, BLOCK));
}

/* Of w: its rows share scales by 128, too. */
static uint64_t weight_scales(int64_t n, int64_t k)
{
    return ops_count(quant_blocks(n, BLOCK), quant_blocks(k, BLOCK));
}

halError_t halopQuantiseFp8(halDtype in, uint8_t *q, void *scale,
                            halopScale format, const void *x, int64_t m,
                            int64_t k, halStream_t stream)
{
    const char *op = "halopQuantiseFp8";
    const struct ops_size sizes[] = { { "m", m }, { "k", k } };
    const uint64_t all = ops_count(m, k), scales = activation_scales(m, k);
    const int bytes = format == halopScaleE8M0;
    /* The scales have a parameter for each of their types. */
    const struct ops_tensor tensors[] = {
        { "q", q, all, halE4M3, OPS_OUT, NULL },
        { "scale", scale, bytes ? 0 : scales, halF32, OPS_OUT, NULL },
        { "scale", scale, bytes ? scales : 0, halU8, OPS_OUT, NULL },
        { "x", x, all, in, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "in", in, OPS_FLOATS);

    if (st == halSuccess)
        st = quant_check_scale(op, format);
    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 2);
    if (st != halSuccess || m == 0 || k == 0)
        return st;
    st =
        ops_begin(&call, op, tensors, 4, "fp8_quantise_%s", ops_dtype_name(in));
    if (st != halSuccess)
        return st;
    ops_u32(&call, m);
    ops_u32(&call, k);
    ops_u32(&call, (int64_t)format);
    return ops_run(&call, scales, 1, stream);
}

halError_t halopDequantiseFp8(halDtype out, void *y, const uint8_t *w,
                              const float *scale, int64_t n, int64_t k,
                              halStream_t stream)
{
    const char *op = "halopDequantiseFp8";
    const struct ops_size sizes[] = { { "n", n }, { "k", k } };
    const struct ops_tensor tensors[] = {
        { "y", y, ops_count(n, k), out, OPS_OUT, NULL },
        { "w", w, ops_count(n, k), halE4M3, OPS_IN, NULL },
        { "scale", scale, weight_scales(n, k), halF32, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "out", out, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 2);
    if (st != halSuccess || n == 0 || k == 0)
        return st;
    st = ops_begin(&call, op, tensors, 3, "fp8_dequantise_%s",
                   ops_dtype_name(out));
    if (st != halSuccess)
        return st;
    ops_u32(&call, n);
    ops_u32(&call, k);
    return ops_run(&call, (uint64_t)n, 1, stream);
}

static const struct quant_tuned tensor_cores = {
    .way = "fp8_gemm:tuned",
    .kernel = "fp8_gemm_mma",
    .wants = 89,
    .tile_m = 128, /* TILE_M and TILE_N of fp8_gemm_mma.k */
    .tile_n = 64,
};

static halError_t product(const char *op, int gemv,
                          const struct halopGemmFp8Args *a, halStream_t stream)
{
    struct quant_product p = {
        .op = op, .family = "fp8", .suffix = "", .gemv = gemv
    };
    enum ops_way way = OPS_PORTABLE;
    halError_t st;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    p.out = a->out;
    p.m = a->m;
    p.n = a->n;
    p.k = a->k;
    st = ops_check_dtype(op, "out", a->out, OPS_FLOATS);
    if (st == halSuccess)
        st = quant_check_shape(&p);
    if (st != halSuccess || a->m == 0 || a->n == 0)
        return st;
    if (!gemv)
        st = ops_way_wanted(op, OPS_FP8_GEMM, &way);
    if (st != halSuccess)
        return st;
    if (way == OPS_TUNED)
        p.tuned = &tensor_cores;

    /* Without depth (k == 0) only the bias is read. */
    quant_start(&p, a->y);
    quant_tensor(&p, "x", a->x, ops_count(a->m, a->k), halE4M3);
    quant_tensor(&p, "x_scale", a->x_scale, activation_scales(a->m, a->k),
                 halF32);
    quant_tensor(&p, "w", a->w, ops_count(a->n, a->k), halE4M3);
    quant_tensor(&p, "w_scale", a->w_scale, weight_scales(a->n, a->k), halF32);
    return quant_run(&p, a->bias, stream);
}

halError_t halopGemmFp8(const struct halopGemmFp8Args *args, halStream_t stream)
{
    return product("halopGemmFp8", 0, args, stream);
}

halError_t halopGemvFp8(const struct halopGemmFp8Args *args, halStream_t stream)
{
    return product("halopGemvFp8", 1, args, stream);
}
