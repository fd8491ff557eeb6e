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
    struct ops_view view; /* from the lowest one: no negative strides */
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
            return ops_fail(op, halErrorInvalidValue,
                            "%s_strides[%d] is %lld; it must lie within "
                            "+-(2^31 - 1)",
                            name, i, (long long)strides[i]);
        out_side->view.dims[i] = dims[i];
        out_side->view.strides[i] = strides[i] < 0 ? -strides[i] : strides[i];
        reach = (dims[i] - 1) * strides[i]; /* both below 2^31 */
        if (reach < 0)
            low += reach;
        else
            high += reach;
    }
    if (high - low > INT32_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "%s spans %lld elements; up to 2^31 are possible", name,
                        (long long)(high - low + 1));
    out_side->start = -low;
    out_side->span = high - low + 1;
    return halSuccess;
}

static halError_t check_dims(const char *op, int elem_bytes,
                             const int64_t dims[4], int64_t *out_total)
{
    struct ops_size sizes[4] = {
        { "dims[0]", dims[0] },
        { "dims[1]", dims[1] },
        { "dims[2]", dims[2] },
        { "dims[3]", dims[3] },
    };
    int64_t total = 1;
    halError_t st;
    int i;

    if (elem_bytes != 1 && elem_bytes != 2 && elem_bytes != 4 &&
        elem_bytes != 8)
        return ops_fail(op, halErrorNotSupported,
                        "elem_bytes is %d; it must be 1, 2, 4 or 8",
                        elem_bytes);
    st = ops_check_sizes(op, sizes, 4);
    if (st != halSuccess)
        return st;
    for (i = 0; i < 4; i++)
        if (dims[i] == 0)
            total = 0;
    for (i = 0; i < 4 && total; i++) {
        total *= dims[i]; /* below 2^31 * 2^31 */
        if (total > INT32_MAX)
            return ops_fail(op, halErrorInvalidValue,
                            "dims are %lld x %lld x %lld x %lld; their product "
                            "must lie below 2^31",
                            (long long)dims[0], (long long)dims[1],
                            (long long)dims[2], (long long)dims[3]);
    }
    *out_total = total;
    return halSuccess;
}

/* Below its allocation's start may lie another's, of which the common checks
 * would speak. */
static halError_t check_below(const char *op, const char *name, const void *ptr,
                              const struct side *side, int elem_bytes)
{
    struct halPointerAttributes attr;
    uint64_t need = (uint64_t)(side->start * elem_bytes), has;
    halError_t st;

    if (!ptr || !need)
        return halSuccess;
    st = halPointerGetAttributes(&attr, ptr);
    if (st != halSuccess)
        return ops_result(op, st);
    has = (uintptr_t)ptr - (uintptr_t)attr.base;
    if (attr.type == halMemoryTypeUnregistered || need <= has)
        return halSuccess;
    return ops_fail(op, halErrorInvalidValue,
                    "%s is %p, %llu bytes into its allocation; its negative "
                    "strides reach %llu bytes below it",
                    name, ptr, (unsigned long long)has,
                    (unsigned long long)need);
}

/* NULL stays NULL, for the checks. */
static const void *lowest(const void *ptr, const struct side *side,
                          int elem_bytes)
{
    uintptr_t bytes = (uintptr_t)(side->start * elem_bytes);

    return ptr ? (const void *)((uintptr_t)ptr - bytes) : NULL;
}

static halDtype dtype_of(int elem_bytes)
{
    return elem_bytes == 1   ? halU8
           : elem_bytes == 2 ? halU16
           : elem_bytes == 4 ? halU32
                             : halU64;
}

/* The same copy with its dimensions in another order. */
struct order {
    int64_t dims[4], y[4], x[4];
};

static void exchange(struct order *o, int i, int j)
{
    int64_t *const all[] = { o->dims, o->y, o->x };

    for (int s = 0; s < 3; s++) {
        int64_t t = all[s][i];

        all[s][i] = all[s][j];
        all[s][j] = t;
    }
}

static int64_t size_of(int64_t stride)
{
    return stride < 0 ? -stride : stride;
}

/* For groups of one thread, which walk along the last dimension: not one of a
 * single element, and of the last two the one along which x lies, unless y
 * lies along it as well. */
static void put_in_order(struct order *o)
{
    for (int n = 0; n < 3 && o->dims[3] == 1; n++)
        for (int i = 3; i > 0; i--)
            exchange(o, i, i - 1);
    if (size_of(o->x[2]) < size_of(o->x[3]) &&
        size_of(o->y[3]) < size_of(o->y[2]) && o->dims[2] > 1)
        exchange(o, 2, 3);
}

halError_t halopCopyStrided(int elem_bytes, void *y, const int64_t y_strides[4],
                            const void *x, const int64_t x_strides[4],
                            const int64_t dims[4], halStream_t stream)
{
    const char *op = "halopCopyStrided";
    struct side ys, xs;
    struct ops_call call;
    struct ops_tensor tensors[2];
    struct order o;
    int64_t total = 0;
    halError_t st;
    int i;

    if (!y_strides || !x_strides || !dims)
        return ops_fail(op, halErrorInvalidValue, "%s is NULL; it holds 4 %s",
                        !y_strides   ? "y_strides"
                        : !x_strides ? "x_strides"
                                     : "dims",
                        y_strides && x_strides ? "sizes" : "strides");
    st = check_dims(op, elem_bytes, dims, &total);
    if (st != halSuccess || total == 0)
        return st;
    st = side_of(op, "y", y_strides, dims, &ys);
    if (st == halSuccess)
        st = side_of(op, "x", x_strides, dims, &xs);
    if (st == halSuccess)
        st = check_below(op, "y", y, &ys, elem_bytes);
    if (st == halSuccess)
        st = check_below(op, "x", x, &xs, elem_bytes);
    if (st != halSuccess)
        return st;
    tensors[0] = (struct ops_tensor){ "y",
                                      lowest(y, &ys, elem_bytes),
                                      (uint64_t)ys.span,
                                      dtype_of(elem_bytes),
                                      OPS_OUT,
                                      &ys.view };
    tensors[1] = (struct ops_tensor){ "x",
                                      lowest(x, &xs, elem_bytes),
                                      (uint64_t)xs.span,
                                      dtype_of(elem_bytes),
                                      OPS_IN,
                                      &xs.view };
    st = ops_begin(&call, op, tensors, 2, "copy_%d", elem_bytes);
    if (st != halSuccess)
        return st;
    for (i = 0; i < 4; i++) {
        o.dims[i] = dims[i];
        o.y[i] = y_strides[i];
        o.x[i] = x_strides[i];
    }
    if (call.group == 1)
        put_in_order(&o);
    ops_u32(&call, ys.start);
    ops_u32(&call, xs.start);
    for (i = 0; i < 4; i++)
        ops_u32(&call, o.dims[i]);
    for (i = 1; i < 4; i++)
        ops_i32(&call, o.y[i]);
    for (i = 1; i < 4; i++)
        ops_i32(&call, o.x[i]);
    ops_i32(&call, o.y[0]);
    ops_i32(&call, o.x[0]);
    return ops_run(&call,
                   call.group == 1
                       ? (uint64_t)(o.dims[0] * o.dims[1] * o.dims[2])
                       : ops_grid_of(&call, total),
                   1, stream);
}
