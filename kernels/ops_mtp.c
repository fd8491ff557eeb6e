/* SPDX-License-Identifier: Apache-2.0 */
/* ops_mtp.c - the input of a multi-token prediction layer (ops_mtp.h). */
#include "kernels/ops_internal.h"

#include <math.h>

halError_t halopMtpCombine(halDtype dtype, void *y, const void *embedding,
                           const void *hidden, const void *w_embedding,
                           const void *w_hidden, const int32_t *positions,
                           int64_t rows, int64_t n, float eps,
                           halStream_t stream)
{
    const char *op = "halopMtpCombine";
    const struct ops_size sizes[] = { { "rows", rows }, { "n", n } };
    const uint64_t all = ops_count(rows, n);
    const struct ops_tensor tensors[] = {
        { "y", y, 2 * all, dtype, OPS_OUT, NULL },
        { "embedding", embedding, all, dtype, OPS_IN, NULL },
        { "hidden", hidden, all, dtype, OPS_IN, NULL },
        { "w_embedding", w_embedding, (uint64_t)n, dtype, OPS_IN, NULL },
        { "w_hidden", w_hidden, (uint64_t)n, dtype, OPS_IN, NULL },
        { "positions", positions, positions ? (uint64_t)rows : 0, halI32,
          OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "dtype", dtype, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 2);
    if (st != halSuccess)
        return st;
    if (!(eps >= 0) || !isfinite(eps))
        return ops_fail(op, halErrorInvalidValue,
                        "eps is %g; it must be finite and not negative",
                        (double)eps);
    if (all == 0)
        return halSuccess;
    st = ops_begin(&call, op, tensors, 6, "mtp_combine_%s",
                   ops_dtype_name(dtype));
    if (st != halSuccess)
        return st;
    ops_u32(&call, rows);
    ops_u32(&call, n);
    ops_f32(&call, eps);
    ops_u32(&call, positions != NULL);
    return ops_run(&call, 2 * (uint64_t)rows, 1, stream);
}
