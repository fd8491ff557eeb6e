/* SPDX-License-Identifier: Apache-2.0 */
/* ops_rows.c - operators on the rows of a matrix, one group a row. */
#include "kernels/ops_internal.h"

#include <math.h>

/* rows x n, and the products that 32-bit indices must reach. */
static halError_t check_rows(const char *op, halDtype dtype, int64_t rows,
                             int64_t n)
{
    halError_t st = ops_check_dtype(op, "dtype", dtype);

    if (st == halSuccess)
        st = ops_check_dim(op, "rows", rows);
    if (st == halSuccess)
        st = ops_check_dim(op, "n", n);
    if (st == halSuccess)
        st = ops_check_product(op, "rows x n", rows, n);
    return st;
}

static halError_t check_eps(const char *op, float eps)
{
    if (!(eps >= 0.0f) || isinf(eps))
        return hal_fail(halErrorInvalidValue,
                        "%s: eps is %g; it must be finite and not negative", op,
                        (double)eps);
    return halSuccess;
}

halError_t halopRmsNorm(halDtype dtype, void *y, const void *x, const void *w,
                        int64_t rows, int64_t n, float eps, halStream_t stream)
{
    const char *op = "halopRmsNorm";
    uint32_t bytes = ops_dtype_bytes(dtype);
    uint64_t all = (uint64_t)rows * (uint64_t)n;
    const struct ops_tensor tensors[] = {
        { "y", y, all, bytes, 1, 0 },
        { "x", x, all, bytes, 0, 0 },
        { "w", w, (uint64_t)n, bytes, 0, 0 },
    };
    struct ops_call call;
    halError_t st = check_rows(op, dtype, rows, n);

    if (st == halSuccess)
        st = check_eps(op, eps);
    if (st != halSuccess || all == 0)
        return st;
    st = ops_check_tensors(op, tensors, 3);
    if (st == halSuccess)
        st = ops_begin(&call, op, "rmsnorm_%s", ops_dtype_name(dtype));
    if (st != halSuccess)
        return st;
    ops_buffer(&call, y);
    ops_buffer(&call, x);
    ops_buffer(&call, w);
    ops_u32(&call, rows);
    ops_u32(&call, n);
    ops_f32(&call, eps);
    return ops_run(&call, (uint64_t)rows, 1, stream);
}

halError_t halopAddRmsNorm(halDtype dtype, void *y, void *sum, const void *x,
                           const void *residual, const void *w, int64_t rows,
                           int64_t n, float eps, halStream_t stream)
{
    const char *op = "halopAddRmsNorm";
    uint32_t bytes = ops_dtype_bytes(dtype);
    uint64_t all = (uint64_t)rows * (uint64_t)n;
    const struct ops_tensor tensors[] = {
        { "y", y, all, bytes, 1, 0 },
        { "sum", sum, all, bytes, 1, 0 },
        { "x", x, all, bytes, 0, 0 },
        { "residual", residual, all, bytes, 0, 0 },
        { "w", w, (uint64_t)n, bytes, 0, 0 },
    };
    struct ops_call call;
    halError_t st = check_rows(op, dtype, rows, n);

    if (st == halSuccess)
        st = check_eps(op, eps);
    if (st != halSuccess || all == 0)
        return st;
    st = ops_check_tensors(op, tensors, 5);
    if (st == halSuccess)
        st = ops_begin(&call, op, "add_rmsnorm_%s", ops_dtype_name(dtype));
    if (st != halSuccess)
        return st;
    ops_buffer(&call, y);
    ops_buffer(&call, sum);
    ops_buffer(&call, x);
    ops_buffer(&call, residual);
    ops_buffer(&call, w);
    ops_u32(&call, rows);
    ops_u32(&call, n);
    ops_f32(&call, eps);
    return ops_run(&call, (uint64_t)rows, 1, stream);
}

halError_t halopSoftmax(halDtype dtype, void *y, const void *x, int64_t rows,
                        int64_t n, float scale, halStream_t stream)
{
    const char *op = "halopSoftmax";
    uint32_t bytes = ops_dtype_bytes(dtype);
    uint64_t all = (uint64_t)rows * (uint64_t)n;
    const struct ops_tensor tensors[] = {
        { "y", y, all, bytes, 1, 0 },
        { "x", x, all, bytes, 0, 0 },
    };
    struct ops_call call;
    halError_t st = check_rows(op, dtype, rows, n);

    if (st != halSuccess)
        return st;
    if (!isfinite(scale))
        return hal_fail(halErrorInvalidValue,
                        "%s: scale is %g; it must be finite", op,
                        (double)scale);
    if (all == 0)
        return halSuccess;
    st = ops_check_tensors(op, tensors, 2);
    if (st == halSuccess)
        st = ops_begin(&call, op, "softmax_%s", ops_dtype_name(dtype));
    if (st != halSuccess)
        return st;
    ops_buffer(&call, y);
    ops_buffer(&call, x);
    ops_u32(&call, rows);
    ops_u32(&call, n);
    ops_f32(&call, scale < 0.0f ? -1.0f : 1.0f);
    ops_f32(&call, fabsf(scale));
    return ops_run(&call, (uint64_t)rows, 1, stream);
}

halError_t halopArgmax(halDtype dtype, int32_t *index, const void *x,
                       int64_t rows, int64_t n, halStream_t stream)
{
    const char *op = "halopArgmax";
    uint64_t all = (uint64_t)rows * (uint64_t)n;
    const struct ops_tensor tensors[] = {
        { "index", index, (uint64_t)rows, 4, 1, 0 },
        { "x", x, all, ops_dtype_bytes(dtype), 0, 0 },
    };
    struct ops_call call;
    halError_t st = check_rows(op, dtype, rows, n);

    if (st != halSuccess)
        return st;
    if (n == 0)
        return hal_fail(halErrorInvalidValue,
                        "%s: n is 0; no element is the largest of none", op);
    if (rows == 0)
        return halSuccess;
    st = ops_check_tensors(op, tensors, 2);
    if (st == halSuccess)
        st = ops_begin(&call, op, "argmax_%s", ops_dtype_name(dtype));
    if (st != halSuccess)
        return st;
    ops_buffer(&call, index);
    ops_buffer(&call, x);
    ops_u32(&call, rows);
    ops_u32(&call, n);
    return ops_run(&call, (uint64_t)rows, 1, stream);
}

halError_t halopEmbedding(halDtype dtype, void *out, const void *table,
                          const int32_t *ids, int64_t n_tokens, int64_t vocab,
                          int64_t dim, halStream_t stream)
{
    const char *op = "halopEmbedding";
    uint32_t bytes = ops_dtype_bytes(dtype);
    const struct ops_tensor tensors[] = {
        { "out", out, (uint64_t)n_tokens * (uint64_t)dim, bytes, 1, 0 },
        { "ids", ids, (uint64_t)n_tokens, 4, 0, 0 },
        { "table", table, (uint64_t)vocab * (uint64_t)dim, bytes, 0, 0 },
    };
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "dtype", dtype);

    if (st == halSuccess)
        st = ops_check_dim(op, "n_tokens", n_tokens);
    if (st == halSuccess)
        st = ops_check_dim(op, "vocab", vocab);
    if (st == halSuccess)
        st = ops_check_dim(op, "dim", dim);
    if (st == halSuccess)
        st = ops_check_product(op, "out", n_tokens, dim);
    if (st == halSuccess)
        st = ops_check_product(op, "table", vocab, dim);
    if (st != halSuccess || n_tokens == 0 || dim == 0)
        return st;
    /* An empty vocabulary makes every row zeros; its table is not read. */
    st = ops_check_tensors(op, tensors, vocab ? 3 : 2);
    if (st == halSuccess)
        st = ops_begin(&call, op, "embedding_%s", bytes == 2 ? "u16" : "u32");
    if (st != halSuccess)
        return st;
    ops_buffer(&call, out);
    ops_buffer(&call, vocab ? table : NULL);
    ops_buffer(&call, ids);
    ops_u32(&call, n_tokens);
    ops_u32(&call, vocab);
    ops_u32(&call, dim);
    return ops_run(&call, (uint64_t)n_tokens, 1, stream);
}
