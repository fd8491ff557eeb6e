/* SPDX-License-Identifier: Apache-2.0 */
/* ops_quant_swiglu.c - swiglu and the quantisation of its result in one pass;
 * ops_quant_fp8.c and ops_quant_int8.c have the second step alone. */
#include "kernels/ops_quant_internal.h"

#define BLOCK 128

halError_t halopSwiGLUQuantiseFp8(halDtype in, uint8_t *q, void *scale,
                                  halopScale format, const void *gate,
                                  const void *up, int64_t m, int64_t k,
                                  halStream_t stream)
{
    const char *op = "halopSwiGLUQuantiseFp8";
    const uint64_t all = ops_count(m, k);
    const uint64_t scales = ops_count(m, quant_blocks(k, BLOCK));
    const int bytes = format == halopScaleE8M0;
    /* The scales have a parameter for each of their types. */
    const struct ops_tensor tensors[] = {
        { "q", q, all, halE4M3, OPS_OUT, NULL },
        { "scale", scale, bytes ? 0 : scales, halF32, OPS_OUT, NULL },
        { "scale", scale, bytes ? scales : 0, halU8, OPS_OUT, NULL },
        { "gate", gate, all, in, OPS_IN, NULL },
        { "up", up, all, in, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = quant_check_rows(op, in, m, k);

    if (st == halSuccess)
        st = quant_check_scale(op, format);
    if (st != halSuccess || m == 0 || k == 0)
        return st;
    st = ops_begin(&call, op, tensors, 5, "fp8_swiglu_%s", ops_dtype_name(in));
    if (st != halSuccess)
        return st;
    ops_u32(&call, m);
    ops_u32(&call, k);
    ops_u32(&call, (int64_t)format);
    return ops_run(&call, scales, 1, stream);
}

halError_t halopSwiGLUQuantiseI8(halDtype in, int8_t *q, float *scale,
                                 const void *gate, const void *up, int64_t m,
                                 int64_t k, halStream_t stream)
{
    const char *op = "halopSwiGLUQuantiseI8";
    const uint64_t all = ops_count(m, k);
    const struct ops_tensor tensors[] = {
        { "q", q, all, halI8, OPS_OUT, NULL },
        { "scale", scale, (uint64_t)m, halF32, OPS_OUT, NULL },
        { "gate", gate, all, in, OPS_IN, NULL },
        { "up", up, all, in, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = quant_check_rows(op, in, m, k);

    if (st != halSuccess || m == 0 || k == 0)
        return st;
    st = ops_begin(&call, op, tensors, 4, "int8_swiglu_%s", ops_dtype_name(in));
    if (st != halSuccess)
        return st;
    ops_u32(&call, m);
    ops_u32(&call, k);
    return ops_run(&call, (uint64_t)m, 1, stream);
}
