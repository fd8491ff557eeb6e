/* SPDX-License-Identifier: Apache-2.0 */
/* ops_gemm.c - y = x . w^T (+ bias), by the GEMM or the GEMV kernel. */
#include "kernels/ops_internal.h"

/* Up to here a pass over w for each row beats packing w (CPUs) or filling a
 * tile of 64 rows (GPUs). */
#define GEMV_ROWS_WIDE 2
#define GEMV_ROWS_GPU  4

/* Rows of w that a group of gemv.k takes at a time, at most. */
#define GEMV_ROWS 2

struct product {
    halDtype in, out;
    void *y;
    const void *x, *w, *bias;
    int64_t m, n, k;
};

static halError_t check(const char *op, const struct product *p)
{
    const struct ops_size sizes[] = {
        { "m", p->m },
        { "n", p->n },
        { "k", p->k },
    };
    halError_t st = ops_check_dtype(op, "in", p->in, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_dtype(op, "out", p->out,
                             OPS_DTYPE(p->in) | OPS_DTYPE(halF32));
    return st == halSuccess ? ops_check_sizes(op, sizes, 3) : st;
}

/* Finds the kernel; whether it is gemv's.  Only between the two limits does it
 * take the gemv kernel's groups to tell. */
static halError_t choose(struct ops_call *call, const char *op,
                         const struct product *p, int *out_is_gemv)
{
    const char *in = ops_dtype_name(p->in), *out = ops_dtype_name(p->out);
    halError_t st;

    *out_is_gemv = p->m <= GEMV_ROWS_GPU;
    if (*out_is_gemv) {
        st = ops_find(call, op, "gemv_%s_%s", in, out);
        if (st != halSuccess || p->m <= GEMV_ROWS_WIDE || call->group > 1)
            return st;
        *out_is_gemv = 0;
    }
    return ops_find(call, op, "gemm_%s_%s", in, out);
}

static halError_t run_gemv(struct ops_call *call, const struct product *p,
                           halStream_t stream)
{
    return ops_run(call, ((uint64_t)p->n + GEMV_ROWS - 1) / GEMV_ROWS,
                   (uint64_t)p->m, stream);
}

static halError_t run_gemm(struct ops_call *call, const struct product *p,
                           halStream_t stream)
{
    uint64_t m = (uint64_t)p->m, n = (uint64_t)p->n, tiles;

    ops_u32(call, call->device.units);
    if (call->group == 1) {
        /* Tiles adapt to the units; 16 groups a unit balance the load. */
        tiles = (m + 23) / 24 * ((n + 31) / 32);
        if (tiles > 16ull * call->device.units)
            tiles = 16ull * call->device.units;
    } else {
        tiles = (m + 63) / 64 * ((n + 63) / 64);
    }
    return ops_run(call, tiles, 1, stream);
}

static halError_t multiply(const char *op, const struct product *p,
                           int force_gemv, halStream_t stream)
{
    /* Without depth (k == 0) x and w are not read. */
    const struct ops_tensor tensors[] = {
        { "y", p->y, ops_count(p->m, p->n), p->out, OPS_OUT, NULL },
        { "x", p->x, ops_count(p->m, p->k), p->in, OPS_IN, NULL },
        { "w", p->w, ops_count(p->n, p->k), p->in, OPS_IN, NULL },
        { "bias", p->bias, p->bias ? (uint64_t)p->n : 0, p->in, OPS_IN, NULL },
    };
    struct ops_call call;
    int is_gemv = 1;
    halError_t st = check(op, p);

    if (st != halSuccess || p->m == 0 || p->n == 0)
        return st;
    st = ops_check_tensors(op, tensors, 4);
    if (st != halSuccess)
        return st;
    if (force_gemv)
        st = ops_find(&call, op, "gemv_%s_%s", ops_dtype_name(p->in),
                      ops_dtype_name(p->out));
    else
        st = choose(&call, op, p, &is_gemv);
    if (st != halSuccess)
        return st;
    ops_tensors(&call, tensors, 4);
    ops_u32(&call, p->m);
    ops_u32(&call, p->n);
    ops_u32(&call, p->k);
    ops_u32(&call, p->bias != NULL);
    return is_gemv ? run_gemv(&call, p, stream) : run_gemm(&call, p, stream);
}

halError_t halopGemv(halDtype in, halDtype out, void *y, const void *x,
                     const void *w, const void *bias, int64_t m, int64_t n,
                     int64_t k, halStream_t stream)
{
    const struct product p = { in, out, y, x, w, bias, m, n, k };

    return multiply("halopGemv", &p, 1, stream);
}

halError_t halopGemm(halDtype in, halDtype out, void *y, const void *x,
                     const void *w, const void *bias, int64_t m, int64_t n,
                     int64_t k, halStream_t stream)
{
    const struct product p = { in, out, y, x, w, bias, m, n, k };

    return multiply("halopGemm", &p, 0, stream);
}
