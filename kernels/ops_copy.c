/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_copy.c - copies between strided tensors.  A negative stride starts at
 * the far end: the kernel gets the lowest address and the index of element
 * (0, 0, 0, 0) from there.
 */
#include "kernels/ops_internal.h"

struct side {
    int64_t start; /* elements from the lowest one to element (0, 0, 0, 0) */
    int64_t span;  /* elements from the lowest to past the highest */
};

static halError_t side_of(const char *op, const char *name,
                          const int64_t strides[4], const int64_t dims[4],
                          struct side *out_side)
{
    int64_t low = 0, high = 0;
    int i;

    for (i = 0; i < 4; i++) {
        int64_t reach;

        if (strides[i] > INT32_MAX || strides[i] < -INT32_MAX)
            return hal_fail(halErrorInvalidValue,
                            "%s: %s_strides[%d] is %lld; it must lie within "
                            "+-(2^31 - 1)",
                            op, name, i, (long long)strides[i]);
        reach = (dims[i] - 1) * strides[i]; /* both below 2^31 */
        if (reach < 0)
            low += reach;
        else
            high += reach;
    }
    if (high - low > INT32_MAX)
        return hal_fail(halErrorInvalidValue,
                        "%s: %s spans %lld elements; up to 2^31 are possible",
                        op, name, (long long)(high - low + 1));
    out_side->start = -low;
    out_side->span = high - low + 1;
    return halSuccess;
}

/* No two indices of y may meet.  Sorted by size, each stride must step over
 * what the smaller ones reach: sufficient, and true of every tensor that is
 * a view without overlap in the usual sense. */
static int strides_meet(const int64_t strides[4], const int64_t dims[4])
{
    int64_t s[4], d[4], reach = 0;
    int n = 0, i, j;

    for (i = 0; i < 4; i++) {
        int64_t stride = strides[i] < 0 ? -strides[i] : strides[i];

        if (dims[i] == 1)
            continue;
        for (j = n++; j > 0 && s[j - 1] > stride; j--) {
            s[j] = s[j - 1];
            d[j] = d[j - 1];
        }
        s[j] = stride;
        d[j] = dims[i];
    }
    for (i = 0; i < n; i++) {
        if (s[i] <= reach)
            return 1;
        reach += (d[i] - 1) * s[i];
    }
    return 0;
}

static halError_t check_dims(const char *op, int elem_bytes,
                             const int64_t dims[4], int64_t *out_total)
{
    int64_t total = 1;
    int i;

    if (elem_bytes != 1 && elem_bytes != 2 && elem_bytes != 4 &&
        elem_bytes != 8)
        return hal_fail(halErrorNotSupported,
                        "%s: elem_bytes is %d; it takes 1, 2, 4 and 8", op,
                        elem_bytes);
    for (i = 0; i < 4; i++) {
        if (dims[i] < 0 || dims[i] > INT32_MAX)
            return hal_fail(halErrorInvalidValue,
                            "%s: dims[%d] is %lld; it must lie in 0..2^31 - 1",
                            op, i, (long long)dims[i]);
    }
    for (i = 0; i < 4; i++)
        if (dims[i] == 0)
            total = 0;
    for (i = 0; i < 4 && total; i++) {
        total *= dims[i]; /* below 2^31 * 2^31 */
        if (total > INT32_MAX)
            return hal_fail(halErrorInvalidValue,
                            "%s: the dims' product must lie below 2^31", op);
    }
    *out_total = total;
    return halSuccess;
}

halError_t halopCopyStrided(int elem_bytes, void *y, const int64_t y_strides[4],
                            const void *x, const int64_t x_strides[4],
                            const int64_t dims[4], halStream_t stream)
{
    const char *op = "halopCopyStrided";
    struct side ys, xs;
    struct ops_call call;
    struct ops_tensor tensors[2];
    int64_t total = 0;
    halError_t st;
    int i;

    if (!y_strides || !x_strides || !dims)
        return hal_fail(halErrorInvalidValue, "%s: %s is NULL", op,
                        !y_strides   ? "y_strides"
                        : !x_strides ? "x_strides"
                                     : "dims");
    st = check_dims(op, elem_bytes, dims, &total);
    if (st != halSuccess || total == 0)
        return st;
    st = side_of(op, "y", y_strides, dims, &ys);
    if (st == halSuccess)
        st = side_of(op, "x", x_strides, dims, &xs);
    if (st != halSuccess)
        return st;
    if (strides_meet(y_strides, dims))
        return hal_fail(halErrorInvalidValue,
                        "%s: y_strides make elements of y meet", op);
    if (!y || !x)
        return hal_fail(halErrorInvalidValue, "%s: %s is NULL", op,
                        y ? "x" : "y");
    y = (char *)y - ys.start * elem_bytes;
    x = (const char *)x - xs.start * elem_bytes;
    /* Views of one buffer may interleave, which spans cannot tell. */
    tensors[0] = (struct ops_tensor){ "y",
                                      y,
                                      (uint64_t)ys.span,
                                      (uint32_t)elem_bytes,
                                      1,
                                      ys.span != total || xs.span != total };
    tensors[1] =
        (struct ops_tensor){ "x", x, (uint64_t)xs.span, (uint32_t)elem_bytes,
                             0,   0 };
    st = ops_check_tensors(op, tensors, 2);
    if (st == halSuccess)
        st = ops_begin(&call, op, "copy_%d", elem_bytes);
    if (st != halSuccess)
        return st;
    ops_buffer(&call, y);
    ops_buffer(&call, x);
    ops_u32(&call, ys.start);
    ops_u32(&call, xs.start);
    for (i = 0; i < 4; i++)
        ops_u32(&call, dims[i]);
    for (i = 1; i < 4; i++)
        ops_i32(&call, y_strides[i]);
    for (i = 1; i < 4; i++)
        ops_i32(&call, x_strides[i]);
    ops_i32(&call, y_strides[0]);
    ops_i32(&call, x_strides[0]);
    return ops_run(&call,
                   call.group == 1 ? (uint64_t)(dims[0] * dims[1] * dims[2])
                                   : ops_grid_of(&call, total),
                   1, stream);
}
