/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_gemm.c - y = x . w^T (+ bias), by the GEMM or the GEMV kernel, or by a
 * BLAS library: the CPU's, or on NVIDIA's devices cuBLASLt behind their backend
 * (docs/decisions/0012-native-operators.md), or a kernel for one chip's tensor
 * cores (0014-tuned-kernels.md).
 */
#include "kernels/ops_native.h"

#include <string.h>

/* Up to here a pass over w for each row beats packing w (CPUs) or filling a
 * tile of 64 rows (GPUs). */
#define GEMV_ROWS_WIDE 2
#define GEMV_ROWS_GPU  4

/* Rows and columns of y that a group of gemm_mma.k makes at a time, and of
 * gemv_wide.k, which takes GEMV_ROWS_GPU rows. */
#define TUNED_TILE   128
#define WIDE_COLUMNS 16

/* Rows of w that a group of gemv.k takes at a time: with these, no group goes
 * to and fro between rows that are far from each other. */
#define GROUP_ROWS_WIDE 4
#define GROUP_ROWS_GPU  2

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
    st = ops_find(call, op, "gemm_%s_%s", in, out);
    if (st != halSuccess ||
        !ops_is_deep(call, ops_tile_steps(call, p->m, p->n, p->k)))
        return st;
    *out_is_gemv = 1;
    return ops_find(call, op, "gemv_%s_%s", in, out);
}

static halError_t run_gemv(struct ops_call *call, const struct product *p,
                           halStream_t stream)
{
    const int is_wide = call->group == 1;
    const uint64_t rows = is_wide ? GROUP_ROWS_WIDE : GROUP_ROWS_GPU;
    /* One group for all rows of x reads w from memory once. */
    const uint64_t m = is_wide && p->m <= GEMV_ROWS_WIDE ? 1 : (uint64_t)p->m;

    return ops_run(call, ((uint64_t)p->n + rows - 1) / rows, m, stream);
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

/* ---- the CPU's library --------------------------------------------------- */

/* Tiles that leave no unit idle; *tile_n is a multiple of 16. */
static uint64_t native_tiles(const struct product *p, uint32_t units,
                             uint32_t *tile_m, uint32_t *tile_n)
{
    uint64_t m = (uint64_t)p->m, n = (uint64_t)p->n, mb, nb, tiles;

    mb = m < 256 ? m : 256;
    nb = OPS_NATIVE_TILE / mb / 16 * 16;
    if (nb > (n + 15) / 16 * 16)
        nb = (n + 15) / 16 * 16;
    for (;;) {
        tiles = ((m + mb - 1) / mb) * ((n + nb - 1) / nb);
        if (tiles >= 2ull * units)
            break;
        if (nb >= mb && nb >= 128)
            nb = (nb / 2 + 15) / 16 * 16;
        else if (mb >= 128)
            mb = mb / 2;
        else
            break;
    }
    *tile_m = (uint32_t)mb;
    *tile_n = (uint32_t)nb;
    return tiles;
}

static halError_t run_native(struct ops_call *call, const struct product *p,
                             const struct ops_native *native,
                             halStream_t stream)
{
    uint64_t at = (uintptr_t)native->product, tiles;
    uint32_t tile_m, tile_n;

    tiles = native_tiles(p, call->device.units, &tile_m, &tile_n);
    ops_u32(call, tile_m);
    ops_u32(call, tile_n);
    ops_u32(call, (uint32_t)at);
    ops_u32(call, (uint32_t)(at >> 32));
    return ops_run(call, native->own_threads ? 1 : tiles, 1, stream);
}

/* By the backend's own library; a group makes rows of y ready for it. */
static halError_t run_backends(struct ops_call *call, const struct product *p,
                               halStream_t stream)
{
    for (int i = 0; i < 4; i++) /* tiles and a function are the CPU's */
        ops_u32(call, 0);
    return ops_run(call, (uint64_t)p->m, 1, stream);
}

/* ---- a GPU's tuned kernel ------------------------------------------------ */

/* Puts kernels/tuned/'s kernel in the place of the one that was found. */
static halError_t choose_tuned(struct ops_call *call, const char *op,
                               const struct product *p)
{
    halError_t st;

    if (p->in != halBF16)
        return ops_fail(op, halErrorNotSupported,
                        "gemm:tuned is asked for, and it multiplies bf16, not "
                        "%s",
                        ops_dtype_label(p->in));
    st = ops_tuned_here(call, "gemm:tuned", 80);
    return st != halSuccess
               ? st
               : ops_find(call, op,
                          p->m <= GEMV_ROWS_GPU ? "gemv_wide_%s_%s"
                                                : "gemm_mma_%s_%s",
                          ops_dtype_name(p->in), ops_dtype_name(p->out));
}

static halError_t run_tuned(struct ops_call *call, const struct product *p,
                            halStream_t stream)
{
    uint64_t m = (uint64_t)p->m, n = (uint64_t)p->n;

    if (p->m <= GEMV_ROWS_GPU)
        return ops_run(call, (n + WIDE_COLUMNS - 1) / WIDE_COLUMNS, 1, stream);
    return ops_run(call,
                   (m + TUNED_TILE - 1) / TUNED_TILE *
                       ((n + TUNED_TILE - 1) / TUNED_TILE),
                   1, stream);
}

/* ---- the op -------------------------------------------------------------- */

/* Puts another kernel in the place of the one that was found where that is
 * asked for; native->product stays NULL where it is not the library's. */
static halError_t choose_way(struct ops_call *call, const char *op,
                             const struct product *p, enum ops_way *way,
                             struct ops_native *native)
{
    struct halFuncAttributes attr;
    halError_t st = ops_way_wanted(op, OPS_GEMM, way);

    if (st != halSuccess || *way == OPS_PORTABLE)
        return st;
    if (*way == OPS_TUNED)
        return choose_tuned(call, op, p);
    st = ops_attributes(call, &attr);
    if (st != halSuccess)
        return st;
    if (!ops_is_cuda(&attr) && strncmp(attr.variant, "cpu.", 4) != 0)
        return ops_fail(op, halErrorNotSupported,
                        "gemm:native is asked for, and only CPU devices and "
                        "NVIDIA's have a native operator");
    if (!ops_is_cuda(&attr)) /* there the backend finds the library */
        st = ops_native_find(op, p->in, native);
    return st != halSuccess
               ? st
               : ops_find(call, op, "gemm_native_%s_%s", ops_dtype_name(p->in),
                          ops_dtype_name(p->out));
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
    struct ops_native native = { 0 };
    enum ops_way way = OPS_PORTABLE;
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
    if (st == halSuccess)
        st = ops_check_depth(&call, p->k);
    if (st == halSuccess && !force_gemv)
        st = choose_way(&call, op, p, &way, &native);
    if (st != halSuccess)
        return st;
    ops_tensors(&call, tensors, 4);
    ops_u32(&call, p->m);
    ops_u32(&call, p->n);
    ops_u32(&call, p->k);
    ops_u32(&call, p->bias != NULL);
    if (way == OPS_TUNED)
        return run_tuned(&call, p, stream);
    if (native.product)
        return run_native(&call, p, &native, stream);
    if (way == OPS_NATIVE)
        return run_backends(&call, p, stream);
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
