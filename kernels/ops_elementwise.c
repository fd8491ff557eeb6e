/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_elementwise.c - operators on n independent elements.  Kernels index with
 * 32 bits, so longer tensors are done in pieces.
 */
#include "kernels/ops_internal.h"

#define PIECE ((int64_t)1 << 30)

/* y, a and (if not NULL) b of n elements; a piece at a time. */
static halError_t run_pieces(struct ops_call *call, char *y, uint32_t y_bytes,
                             const char *a, const char *b, uint32_t in_bytes,
                             int64_t n, halStream_t stream)
{
    int64_t done;

    for (done = 0; done < n; done += PIECE) {
        int64_t count = n - done < PIECE ? n - done : PIECE;
        halError_t st;

        call->n_args = 0;
        ops_buffer(call, y + done * y_bytes);
        ops_buffer(call, a + done * in_bytes);
        if (b)
            ops_buffer(call, b + done * in_bytes);
        ops_u32(call, count);
        st = ops_run(call, ops_grid_of(call, count), 1, stream);
        if (st != halSuccess)
            return st;
    }
    return halSuccess;
}

static halError_t check_count(const char *op, int64_t n)
{
    if (n < 0 || n > INT64_MAX / 16)
        return hal_fail(halErrorInvalidValue,
                        "%s: n is %lld; it must lie in 0..2^59", op,
                        (long long)n);
    return halSuccess;
}

static halError_t binary(const char *op, const char *kernel, halDtype dtype,
                         void *y, const void *a, const char *a_name,
                         const void *b, const char *b_name, int may_alias,
                         int64_t n, halStream_t stream)
{
    uint32_t bytes = ops_dtype_bytes(dtype);
    const struct ops_tensor tensors[] = {
        { "y", y, (uint64_t)n, bytes, 1, 0 },
        { a_name, a, (uint64_t)n, bytes, 0, may_alias },
        { b_name, b, (uint64_t)n, bytes, 0, may_alias },
    };
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "dtype", dtype);

    if (st == halSuccess)
        st = check_count(op, n);
    if (st != halSuccess || n == 0)
        return st;
    st = ops_check_tensors(op, tensors, 3);
    if (st == halSuccess)
        st = ops_begin(&call, op, "%s_%s", kernel, ops_dtype_name(dtype));
    if (st != halSuccess)
        return st;
    return run_pieces(&call, y, bytes, a, b, bytes, n, stream);
}

halError_t halopAdd(halDtype dtype, void *y, const void *a, const void *b,
                    int64_t n, halStream_t stream)
{
    return binary("halopAdd", "add", dtype, y, a, "a", b, "b", 1, n, stream);
}

halError_t halopSwiGLU(halDtype dtype, void *y, const void *gate,
                       const void *up, int64_t n, halStream_t stream)
{
    return binary("halopSwiGLU", "swiglu", dtype, y, gate, "gate", up, "up", 0,
                  n, stream);
}

halError_t halopCast(halDtype to, void *y, halDtype from, const void *x,
                     int64_t n, halStream_t stream)
{
    const char *op = "halopCast";
    const struct ops_tensor tensors[] = {
        { "y", y, (uint64_t)n, ops_dtype_bytes(to), 1, 0 },
        { "x", x, (uint64_t)n, ops_dtype_bytes(from), 0, 0 },
    };
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "to", to);

    if (st == halSuccess)
        st = ops_check_dtype(op, "from", from);
    if (st == halSuccess)
        st = check_count(op, n);
    if (st != halSuccess || n == 0)
        return st;
    st = ops_check_tensors(op, tensors, 2);
    if (st != halSuccess)
        return st;
    if (to == from)
        return halMemcpyAsync(y, x, (size_t)n * ops_dtype_bytes(to),
                              halMemcpyDeviceToDevice, stream);
    st = ops_begin(&call, op, "cast_%s_%s", ops_dtype_name(from),
                   ops_dtype_name(to));
    if (st != halSuccess)
        return st;
    return run_pieces(&call, y, ops_dtype_bytes(to), x, NULL,
                      ops_dtype_bytes(from), n, stream);
}
