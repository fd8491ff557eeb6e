/* SPDX-License-Identifier: Apache-2.0 */
/* ops_gemm.c - y = x . w^T (+ bias), by the GEMM or the GEMV kernel. */
#include "kernels/ops_internal.h"

/* Up to here a pass over w for each row beats packing w (CPUs) or filling a
 * tile of 64 rows (GPUs). */
#define GEMV_ROWS_WIDE 2
#define GEMV_ROWS_GPU  4

/* Rows of w that a group of gemv.k takes at a time, at most. */
#define GEMV_ROWS 2

static halError_t check(const char *op, halDtype in, halDtype out, int64_t m,
                        int64_t n, int64_t k)
{
    halError_t st = ops_check_dtype(op, "in", in);

    if (st == halSuccess)
        st = ops_check_dtype(op, "out", out);
    if (st != halSuccess)
        return st;
    if (out != in && out != halF32)
        return hal_fail(halErrorNotSupported,
                        "%s: out is %s; it must be in's dtype (%s) or halF32",
                        op, ops_dtype_name(out), ops_dtype_name(in));
    st = ops_check_dim(op, "m", m);
    if (st == halSuccess)
        st = ops_check_dim(op, "n", n);
    if (st == halSuccess)
        st = ops_check_dim(op, "k", k);
    if (st == halSuccess)
        st = ops_check_product(op, "x", m, k);
    if (st == halSuccess)
        st = ops_check_product(op, "w", n, k);
    if (st == halSuccess)
        st = ops_check_product(op, "y", m, n);
    return st;
}

static halError_t check_tensors(const char *op, halDtype in, halDtype out,
                                void *y, const void *x, const void *w,
                                const void *bias, int64_t m, int64_t n,
                                int64_t k)
{
    uint32_t bytes = ops_dtype_bytes(in);
    struct ops_tensor tensors[4] = {
        { "y", y, (uint64_t)(m * n), ops_dtype_bytes(out), 1, 0 },
    };
    unsigned n_tensors = 1;

    if (k) {
        tensors[n_tensors++] =
            (struct ops_tensor){ "x", x, (uint64_t)(m * k), bytes, 0, 0 };
        tensors[n_tensors++] =
            (struct ops_tensor){ "w", w, (uint64_t)(n * k), bytes, 0, 0 };
    }
    if (bias)
        tensors[n_tensors++] =
            (struct ops_tensor){ "bias", bias, (uint64_t)n, bytes, 0, 0 };
    return ops_check_tensors(op, tensors, n_tensors);
}

static void arguments(struct ops_call *call, void *y, const void *x,
                      const void *w, const void *bias, int64_t m, int64_t n,
                      int64_t k)
{
    ops_buffer(call, y);
    ops_buffer(call, k ? x : NULL);
    ops_buffer(call, k ? w : NULL);
    ops_buffer(call, bias);
    ops_u32(call, m);
    ops_u32(call, n);
    ops_u32(call, k);
    ops_u32(call, bias != NULL);
}

static halError_t run_gemv(struct ops_call *call, int64_t m, int64_t n,
                           halStream_t stream)
{
    return ops_run(call, (uint64_t)(n + GEMV_ROWS - 1) / GEMV_ROWS, (uint64_t)m,
                   stream);
}

static halError_t run_gemm(struct ops_call *call, int64_t m, int64_t n,
                           halStream_t stream)
{
    uint64_t tiles;

    ops_u32(call, call->device.units);
    if (call->group == 1) {
        /* Tiles adapt to the units; 16 groups a unit balance the load. */
        tiles = ((uint64_t)m + 23) / 24 * (((uint64_t)n + 31) / 32);
        if (tiles > 16ull * call->device.units)
            tiles = 16ull * call->device.units;
    } else {
        tiles = ((uint64_t)m + 63) / 64 * (((uint64_t)n + 63) / 64);
    }
    return ops_run(call, tiles, 1, stream);
}

halError_t halopGemv(halDtype in, halDtype out, void *y, const void *x,
                     const void *w, const void *bias, int64_t m, int64_t n,
                     int64_t k, halStream_t stream)
{
    const char *op = "halopGemv";
    struct ops_call call;
    halError_t st = check(op, in, out, m, n, k);

    if (st != halSuccess || m == 0 || n == 0)
        return st;
    st = check_tensors(op, in, out, y, x, w, bias, m, n, k);
    if (st == halSuccess)
        st = ops_begin(&call, op, "gemv_%s_%s", ops_dtype_name(in),
                       ops_dtype_name(out));
    if (st != halSuccess)
        return st;
    arguments(&call, y, x, w, bias, m, n, k);
    return run_gemv(&call, m, n, stream);
}

halError_t halopGemm(halDtype in, halDtype out, void *y, const void *x,
                     const void *w, const void *bias, int64_t m, int64_t n,
                     int64_t k, halStream_t stream)
{
    const char *op = "halopGemm";
    struct ops_call call;
    halError_t st = check(op, in, out, m, n, k);

    if (st != halSuccess || m == 0 || n == 0)
        return st;
    st = check_tensors(op, in, out, y, x, w, bias, m, n, k);
    if (st == halSuccess)
        st = ops_begin(&call, op, "gemm_%s_%s", ops_dtype_name(in),
                       ops_dtype_name(out));
    if (st != halSuccess)
        return st;
    if (m <= (call.group == 1 ? GEMV_ROWS_WIDE : GEMV_ROWS_GPU)) {
        st = ops_begin(&call, op, "gemv_%s_%s", ops_dtype_name(in),
                       ops_dtype_name(out));
        if (st != halSuccess)
            return st;
        arguments(&call, y, x, w, bias, m, n, k);
        return run_gemv(&call, m, n, stream);
    }
    arguments(&call, y, x, w, bias, m, n, k);
    return run_gemm(&call, m, n, stream);
}
