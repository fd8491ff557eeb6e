/* SPDX-License-Identifier: Apache-2.0 */
/* ops_rows.c - operators on the rows of a matrix, one group a row. */
#include "kernels/ops_native.h"

#include <math.h>

static halError_t check_matrix(const char *op, halDtype dtype, int64_t rows,
                               int64_t n)
{
    const struct ops_size sizes[] = { { "rows", rows }, { "n", n } };
    halError_t st = ops_check_dtype(op, "dtype", dtype, OPS_FLOATS);

    return st == halSuccess ? ops_check_sizes(op, sizes, 2) : st;
}

/* As rmsnorm_wide.k has them: rows of so many bytes at most are a warp's. */
#define WIDE_WARP_BYTES 4096
#define WIDE_WARPS      8 /* of a group */

/* The kernel of a norm, and how many of its groups have work. */
static halError_t find_norm(struct ops_call *call, const char *op,
                            const char *kernel, halDtype dtype, int64_t rows,
                            int64_t n, uint64_t *out_groups)
{
    enum ops_way way = OPS_PORTABLE;
    halError_t st = ops_find(call, op, "%s_%s", kernel, ops_dtype_name(dtype));

    *out_groups = (uint64_t)rows;
    if (st == halSuccess)
        st = ops_way_wanted(op, OPS_RMSNORM, &way);
    if (st != halSuccess || way != OPS_TUNED)
        return st;
    st = ops_tuned_here(call, "rmsnorm:tuned", 80);
    if (st != halSuccess)
        return st;
    if (n <= WIDE_WARP_BYTES / (int64_t)ops_dtype_bytes(dtype))
        *out_groups = ((uint64_t)rows + WIDE_WARPS - 1) / WIDE_WARPS;
    return ops_find(call, op, "%s_wide_%s", kernel, ops_dtype_name(dtype));
}

static halError_t norm(const char *op, const char *kernel,
                       const struct ops_tensor *tensors, unsigned n_tensors,
                       halDtype dtype, int64_t rows, int64_t n, float eps,
                       halStream_t stream)
{
    struct ops_call call;
    uint64_t groups;
    halError_t st = check_matrix(op, dtype, rows, n);

    if (st == halSuccess && (!(eps >= 0.0f) || isinf(eps)))
        st = ops_fail(op, halErrorInvalidValue,
                      "eps is %g; it must be finite and not negative",
                      (double)eps);
    if (st != halSuccess || rows == 0 || n == 0)
        return st;
    st = ops_check_tensors(op, tensors, n_tensors);
    if (st == halSuccess)
        st = find_norm(&call, op, kernel, dtype, rows, n, &groups);
    if (st != halSuccess)
        return st;
    ops_tensors(&call, tensors, n_tensors);
    ops_u32(&call, rows);
    ops_u32(&call, n);
    ops_f32(&call, eps);
    return ops_run(&call, groups, 1, stream);
}

halError_t halopRmsNorm(halDtype dtype, void *y, const void *x, const void *w,
                        int64_t rows, int64_t n, float eps, halStream_t stream)
{
    const uint64_t all = ops_count(rows, n);
    const struct ops_tensor tensors[] = {
        { "y", y, all, dtype, OPS_OUT, NULL },
        { "x", x, all, dtype, OPS_IN, NULL },
        { "w", w, (uint64_t)n, dtype, OPS_IN, NULL },
    };

    return norm("halopRmsNorm", "rmsnorm", tensors, 3, dtype, rows, n, eps,
                stream);
}

halError_t halopAddRmsNorm(halDtype dtype, void *y, void *sum, const void *x,
                           const void *residual, const void *w, int64_t rows,
                           int64_t n, float eps, halStream_t stream)
{
    const uint64_t all = ops_count(rows, n);
    const struct ops_tensor tensors[] = {
        { "y", y, all, dtype, OPS_OUT, NULL },
        { "sum", sum, all, dtype, OPS_OUT, NULL },
        { "x", x, all, dtype, OPS_IN, NULL },
        { "residual", residual, all, dtype, OPS_IN, NULL },
        { "w", w, (uint64_t)n, dtype, OPS_IN, NULL },
    };

    return norm("halopAddRmsNorm", "add_rmsnorm", tensors, 5, dtype, rows, n,
                eps, stream);
}

halError_t halopSoftmax(halDtype dtype, void *y, const void *x, int64_t rows,
                        int64_t n, float scale, halStream_t stream)
{
    const char *op = "halopSoftmax";
    const struct ops_tensor tensors[] = {
        { "y", y, ops_count(rows, n), dtype, OPS_OUT, NULL },
        { "x", x, ops_count(rows, n), dtype, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = check_matrix(op, dtype, rows, n);

    if (st == halSuccess && !isfinite(scale))
        st = ops_fail(op, halErrorInvalidValue,
                      "scale is %g; it must be finite", (double)scale);
    if (st != halSuccess || rows == 0 || n == 0)
        return st;
    st = ops_begin(&call, op, tensors, 2, "softmax_%s", ops_dtype_name(dtype));
    if (st != halSuccess)
        return st;
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
    const struct ops_tensor tensors[] = {
        { "index", index, (uint64_t)rows, halI32, OPS_OUT, NULL },
        { "x", x, ops_count(rows, n), dtype, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = check_matrix(op, dtype, rows, n);

    if (st == halSuccess && n == 0)
        st = ops_fail(op, halErrorInvalidValue,
                      "n is 0; it must be 1 or more, as a row without "
                      "elements has no largest");
    if (st != halSuccess || rows == 0)
        return st;
    st = ops_begin(&call, op, tensors, 2, "argmax_%s", ops_dtype_name(dtype));
    if (st != halSuccess)
        return st;
    ops_u32(&call, rows);
    ops_u32(&call, n);
    return ops_run(&call, (uint64_t)rows, 1, stream);
}

halError_t halopEmbedding(halDtype dtype, void *out, const void *table,
                          const int32_t *ids, int64_t n_tokens, int64_t vocab,
                          int64_t dim, halStream_t stream)
{
    const char *op = "halopEmbedding";
    const struct ops_size sizes[] = {
        { "n_tokens", n_tokens },
        { "vocab", vocab },
        { "dim", dim },
    };
    /* An empty vocabulary makes every row zeros; its table is not read. */
    const struct ops_tensor tensors[] = {
        { "out", out, ops_count(n_tokens, dim), dtype, OPS_OUT, NULL },
        { "table", table, ops_count(vocab, dim), dtype, OPS_IN, NULL },
        { "ids", ids, (uint64_t)n_tokens, halI32, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "dtype", dtype, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 3);
    if (st != halSuccess || n_tokens == 0 || dim == 0)
        return st;
    st = ops_begin(&call, op, tensors, 3, "embedding_u%u",
                   8 * ops_dtype_bytes(dtype));
    if (st != halSuccess)
        return st;
    ops_u32(&call, n_tokens);
    ops_u32(&call, vocab);
    ops_u32(&call, dim);
    return ops_run(&call, (uint64_t)n_tokens, 1, stream);
}
