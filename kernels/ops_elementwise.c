/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_elementwise.c - operators on n independent elements.  Kernels index with
 * 32 bits, so longer tensors are done in pieces.
 */
#include "kernels/ops_internal.h"

#define PIECE ((int64_t)1 << 30)

halError_t ops_check_count(const char *op, int64_t n)
{
    if (n < 0 || n > (int64_t)1 << 59)
        return ops_fail(op, halErrorInvalidValue,
                        "n is %lld; it must lie in 0..2^59", (long long)n);
    return halSuccess;
}

halError_t ops_run_pieces(struct ops_call *call,
                          const struct ops_tensor *tensors, unsigned n_tensors,
                          int64_t n, halStream_t stream)
{
    int64_t done;
    unsigned i;

    for (done = 0; done < n; done += PIECE) {
        int64_t count = n - done < PIECE ? n - done : PIECE;
        halError_t st;

        call->n_args = 0;
        for (i = 0; i < n_tensors; i++)
            ops_buffer(call, (const char *)tensors[i].ptr +
                                 done * ops_dtype_bytes(tensors[i].dtype));
        ops_u32(call, count);
        st = ops_run(call, ops_grid_of(call, count), 1, stream);
        if (st != halSuccess)
            return st;
    }
    return halSuccess;
}

static halError_t binary(const char *op, const char *kernel,
                         const struct ops_tensor tensors[3], halDtype dtype,
                         int64_t n, halStream_t stream)
{
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "dtype", dtype, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_count(op, n);
    if (st != halSuccess || n == 0)
        return st;
    st = ops_begin(&call, op, tensors, 3, "%s_%s", kernel,
                   ops_dtype_name(dtype));
    if (st != halSuccess)
        return st;
    return ops_run_pieces(&call, tensors, 3, n, stream);
}

halError_t halopAdd(halDtype dtype, void *y, const void *a, const void *b,
                    int64_t n, halStream_t stream)
{
    const struct ops_tensor tensors[] = {
        { "y", y, (uint64_t)n, dtype, OPS_OUT | OPS_LONG, NULL },
        { "a", a, (uint64_t)n, dtype, OPS_IN | OPS_EXACT | OPS_LONG, NULL },
        { "b", b, (uint64_t)n, dtype, OPS_IN | OPS_EXACT | OPS_LONG, NULL },
    };

    return binary("halopAdd", "add", tensors, dtype, n, stream);
}

halError_t halopSwiGLU(halDtype dtype, void *y, const void *gate,
                       const void *up, int64_t n, halStream_t stream)
{
    const struct ops_tensor tensors[] = {
        { "y", y, (uint64_t)n, dtype, OPS_OUT | OPS_LONG, NULL },
        { "gate", gate, (uint64_t)n, dtype, OPS_IN | OPS_LONG, NULL },
        { "up", up, (uint64_t)n, dtype, OPS_IN | OPS_LONG, NULL },
    };

    return binary("halopSwiGLU", "swiglu", tensors, dtype, n, stream);
}
