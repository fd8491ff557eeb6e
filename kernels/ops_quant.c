/* SPDX-License-Identifier: Apache-2.0 */
/* ops_quant.c - what the products with quantised weights have in common. */
#include "kernels/ops_native.h"
#include "kernels/ops_quant_internal.h"

/* Up to here a pass over w for each row beats filling tiles (ops_gemm.c); of
 * each expert, where there are some. */
#define GEMV_ROWS_WIDE 2
#define GEMV_ROWS_GPU  4

/* Rows of w that a group of the GEMV takes: quant/gemv.h's SHARE, less where
 * that would leave units idle. */
#define SHARE_WIDE 64
#define SHARE_GPU  4

/* Strips of a group of one thread, where the kernel has them. */
#define STRIPS_MAX 16

/* ---- checks and tensors ------------------------------------------------- */

halError_t quant_check_shape(const struct quant_product *p)
{
    const struct ops_size sizes[] = {
        { "m", p->m },
        { "n", p->n },
        { "k", p->k },
    };

    return ops_check_sizes(p->op, sizes, 3);
}

halError_t quant_check_rows(const char *op, halDtype in, int64_t m, int64_t k)
{
    const struct ops_size sizes[] = { { "m", m }, { "k", k } };
    halError_t st = ops_check_dtype(op, "in", in, OPS_FLOATS);

    return st == halSuccess ? ops_check_sizes(op, sizes, 2) : st;
}

halError_t quant_check_scale(const char *op, halopScale format)
{
    if ((unsigned)format <= halopScaleE8M0)
        return halSuccess;
    return ops_fail(op, halErrorInvalidValue,
                    "format is %d; it must be a halopScale", (int)format);
}

void quant_pair(struct ops_tensor pair[2], const char *name, const void *ptr,
                uint64_t n_elems, halDtype dtype, unsigned flags)
{
    const struct ops_tensor t = { name, ptr, n_elems, dtype, flags, NULL };

    pair[0] = pair[1] = t;
    pair[ops_dtype_bytes(dtype) == 4].n_elems = 0;
}

uint32_t quant_format(halDtype dtype)
{
    if (dtype == halBF16)
        return 1;
    if (dtype == halF16)
        return 2;
    return dtype == halI32 ? 3 : 0;
}

void quant_tensor(struct quant_product *p, const char *name, const void *ptr,
                  uint64_t n_elems, halDtype dtype)
{
    p->tensors[p->n_tensors++] =
        (struct ops_tensor){ name, ptr, n_elems, dtype, OPS_IN, NULL };
}

void quant_start(struct quant_product *p, void *y)
{
    quant_pair(p->tensors, "y", y, ops_count(p->m, p->n), p->out, OPS_OUT);
    p->n_tensors = 2;
}

/* ---- launches ----------------------------------------------------------- */

/* Finds the kernel; whether it is the GEMV.  Only between the two limits does
 * it take the GEMV's groups to tell. */
static halError_t choose(struct ops_call *call, const struct quant_product *p,
                         int *out_is_gemv)
{
    const int64_t each = p->experts ? p->experts : 1;
    halError_t st;

    *out_is_gemv = p->gemv || p->m <= GEMV_ROWS_GPU * each;
    if (*out_is_gemv) {
        st = ops_find(call, p->op, "%s_gemv%s", p->family, p->suffix);
        if (st != halSuccess || p->gemv || p->m <= GEMV_ROWS_WIDE * each ||
            call->group > 1)
            return st;
        *out_is_gemv = 0;
    }
    st = ops_find(call, p->op, "%s_gemm%s", p->family, p->suffix);
    if (st != halSuccess ||
        !ops_is_deep(call,
                     ops_tile_steps(call, p->m + 64 * p->experts, p->n, p->k)))
        return st;
    *out_is_gemv = 1;
    return ops_find(call, p->op, "%s_gemv%s", p->family, p->suffix);
}

/* What follows the shape: `last` is the GEMV's share or the device's units. */
static void finish(struct ops_call *call, const struct quant_product *p,
                   int64_t last)
{
    unsigned i;

    ops_u32(call, last);
    for (i = 0; i < p->n_extra; i++)
        ops_u32(call, p->extra[i]);
}

/* Strips that are neighbours are read together, as far as two groups a unit
 * are left. */
static int64_t strips_of(const struct quant_product *p, uint32_t units)
{
    int64_t strips = p->n / (2 * (int64_t)units) / p->strip;

    return strips < 1 ? 1 : strips > STRIPS_MAX ? STRIPS_MAX : strips;
}

static halError_t run_gemv(struct ops_call *call, const struct quant_product *p,
                           halStream_t stream)
{
    int64_t share = SHARE_GPU;

    if (call->group == 1) {
        share = p->n / (8 * (int64_t)call->device.units);
        share = share < 1 ? 1 : share > SHARE_WIDE ? SHARE_WIDE : share;
        if (p->strip)
            share = strips_of(p, call->device.units) * p->strip;
    }
    finish(call, p, share);
    return ops_run(call, (uint64_t)quant_blocks(p->n, share), (uint64_t)p->m,
                   stream);
}

static halError_t run_gemm(struct ops_call *call, const struct quant_product *p,
                           halStream_t stream)
{
    uint64_t m = (uint64_t)p->m, n = (uint64_t)p->n, tiles;
    /* each expert with rows may leave one tile unfilled */
    uint64_t more = (uint64_t)(p->m < p->experts ? p->m : p->experts);

    finish(call, p, call->device.units);
    if (call->group == 1) {
        /* Tiles adapt to the units; 16 groups a unit balance the load. */
        tiles = ((m + 15) / 16 + more) * ((n + 31) / 32);
        if (tiles > 16ull * call->device.units)
            tiles = 16ull * call->device.units;
    } else {
        tiles = ((m + 63) / 64 + more) * ((n + 63) / 64);
    }
    return ops_run(call, tiles, 1, stream);
}

/* Puts the kernel in the place of the portable one that was found. */
static halError_t choose_tuned(struct ops_call *call,
                               const struct quant_product *p)
{
    halError_t st = ops_tuned_here(call, p->tuned->way, p->tuned->wants);

    return st == halSuccess ? ops_find(call, p->op, "%s", p->tuned->kernel)
                            : st;
}

static halError_t run_tuned(struct ops_call *call,
                            const struct quant_product *p, halStream_t stream)
{
    finish(call, p, call->device.units);
    return ops_run(call,
                   (uint64_t)quant_blocks(p->m, p->tuned->tile_m) *
                       (uint64_t)quant_blocks(p->n, p->tuned->tile_n),
                   1, stream);
}

halError_t quant_run(struct quant_product *p, const float *bias,
                     halStream_t stream)
{
    struct ops_call call;
    int is_gemv;
    halError_t st;

    quant_tensor(p, "bias", bias, bias ? (uint64_t)p->n : 0, halF32);
    st = ops_check_tensors(p->op, p->tensors, p->n_tensors);
    if (st == halSuccess)
        st = choose(&call, p, &is_gemv);
    if (st == halSuccess)
        st = ops_check_depth(&call, p->k);
    if (st == halSuccess && p->tuned)
        st = choose_tuned(&call, p);
    if (st != halSuccess)
        return st;
    ops_tensors(&call, p->tensors, p->n_tensors);
    ops_u32(&call, p->m);
    ops_u32(&call, p->n);
    ops_u32(&call, p->k);
    ops_u32(&call, quant_format(p->out) | quant_format(p->x_dtype) << 2 |
                       (bias ? 16u : 0u) | p->flags);
    if (p->tuned)
        return run_tuned(&call, p, stream);
    return is_gemv ? run_gemv(&call, p, stream) : run_gemm(&call, p, stream);
}
