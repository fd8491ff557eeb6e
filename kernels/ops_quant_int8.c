/* SPDX-License-Identifier: Apache-2.0 */
/* ops_quant_int8.c - 8-bit integers: W8A8 with a scale for each token and for
 * each output channel, or with one scale for all activations. */
#include "kernels/ops_quant_internal.h"

#include <math.h>

/* 2^31 / 2^14: so many products of two int8 always fit an int32. */
#define K_MAX 131071

halError_t halopQuantiseI8(halDtype in, int8_t *q, float *scale, const void *x,
                           const float *factor, int64_t m, int64_t k,
                           halStream_t stream)
{
    const char *op = "halopQuantiseI8";
    const struct ops_tensor tensors[] = {
        { "q", q, ops_count(m, k), halI8, OPS_OUT, NULL },
        { "scale", scale, (uint64_t)m, halF32, OPS_OUT, NULL },
        { "x", x, ops_count(m, k), in, OPS_IN, NULL },
        { "factor", factor, factor ? (uint64_t)k : 0, halF32, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = quant_check_rows(op, in, m, k);

    if (st != halSuccess || m == 0 || k == 0)
        return st;
    st = ops_begin(&call, op, tensors, 4, "int8_quantise_%s",
                   ops_dtype_name(in));
    if (st != halSuccess)
        return st;
    ops_u32(&call, m);
    ops_u32(&call, k);
    ops_u32(&call, factor != NULL);
    return ops_run(&call, (uint64_t)m, 1, stream);
}

halError_t halopQuantiseI8Static(halDtype in, int8_t *q, const void *x,
                                 float scale, int offset, int64_t n,
                                 halStream_t stream)
{
    const char *op = "halopQuantiseI8Static";
    const struct ops_size size = { "n", n };
    const struct ops_tensor tensors[] = {
        { "q", q, (uint64_t)n, halI8, OPS_OUT, NULL },
        { "x", x, (uint64_t)n, in, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "in", in, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, &size, 1);
    if (st == halSuccess && (!(scale > 0.0f) || isinf(scale)))
        st = ops_fail(op, halErrorInvalidValue,
                      "scale is %g; it must be positive and finite",
                      (double)scale);
    if (st == halSuccess && (offset < -128 || offset > 127))
        st = ops_fail(op, halErrorInvalidValue,
                      "offset is %d; it must lie in -128..127", offset);
    if (st != halSuccess || n == 0)
        return st;
    st = ops_begin(&call, op, tensors, 2, "int8_quantise_static_%s",
                   ops_dtype_name(in));
    if (st != halSuccess)
        return st;
    ops_u32(&call, n);
    ops_f32(&call, scale);
    ops_i32(&call, offset);
    return ops_run(&call, ops_grid_of(&call, n), 1, stream);
}

halError_t quant_check_i8_depth(const char *op, int64_t k)
{
    if (k > K_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "k is %lld; it must be %d or less, as sums of more "
                        "products may not fit 32 bits",
                        (long long)k, K_MAX);
    return halSuccess;
}

static halError_t check_out(const char *op, const struct halopGemmI8Args *a)
{
    if (a->out == halI32 && (a->x_scale || a->w_scale || a->bias))
        return ops_fail(op, halErrorInvalidValue,
                        "out is halI32, the sum itself: %s must be NULL",
                        a->x_scale   ? "x_scale"
                        : a->w_scale ? "w_scale"
                                     : "bias");
    return ops_check_dtype(op, "out", a->out, OPS_FLOATS | OPS_DTYPE(halI32));
}

static halError_t product(const char *op, int gemv,
                          const struct halopGemmI8Args *a, halStream_t stream)
{
    struct quant_product p = {
        .op = op, .family = "int8", .suffix = "", .gemv = gemv
    };
    uint64_t n;
    halError_t st;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    p.out = a->out;
    p.m = a->m;
    p.n = a->n;
    p.k = a->k;
    st = check_out(op, a);
    if (st == halSuccess)
        st = quant_check_shape(&p);
    if (st == halSuccess)
        st = quant_check_i8_depth(op, a->k);
    if (st != halSuccess || a->m == 0 || a->n == 0)
        return st;
    n = (uint64_t)a->n;
    p.flags = (a->x_scale ? QUANT_I8_XS : 0u) |
              (a->w_scale ? QUANT_I8_WS : 0u) |
              (a->int_bias ? QUANT_I8_BIAS : 0u);

    /* Without depth (k == 0) x and w are not read. */
    quant_start(&p, a->y);
    quant_tensor(&p, "x", a->x, ops_count(a->m, a->k), halI8);
    quant_tensor(&p, "x_scale", a->x_scale, a->x_scale ? (uint64_t)a->m : 0,
                 halF32);
    quant_tensor(&p, "w", a->w, ops_count(a->n, a->k), halI8);
    quant_tensor(&p, "w_scale", a->w_scale, a->w_scale ? n : 0, halF32);
    quant_tensor(&p, "int_bias", a->int_bias, a->int_bias ? n : 0, halI32);
    return quant_run(&p, a->bias, stream);
}

halError_t halopGemmI8(const struct halopGemmI8Args *args, halStream_t stream)
{
    return product("halopGemmI8", 0, args, stream);
}

halError_t halopGemvI8(const struct halopGemmI8Args *args, halStream_t stream)
{
    return product("halopGemvI8", 1, args, stream);
}
