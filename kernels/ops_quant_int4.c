/* SPDX-License-Identifier: Apache-2.0 */
/* ops_quant_int4.c - AWQ and GPTQ weights, as checkpoints store them. */
#include "kernels/ops_quant_internal.h"

#include <string.h>

/* Columns of a group of one thread go by int4_gemv.k's strips. */
#define STRIP 128

/* At most k: kernels count in 32 bits. */
static int64_t group_of(const struct halopInt4Weights *w)
{
    if (w->group_size > 0 && w->group_size < w->k)
        return w->group_size;
    return w->k > 0 ? w->k : 1;
}

static int64_t groups_of(const struct halopInt4Weights *w)
{
    int64_t groups = quant_blocks(w->k, group_of(w));

    return groups ? groups : 1;
}

static uint32_t flags_of(const struct halopInt4Weights *w)
{
    return (w->g_idx ? 32u : 0u) | (w->layout == halopInt4Gptq ? 64u : 0u);
}

static const char *suffix_of(const struct halopInt4Weights *w)
{
    return w->layout == halopInt4Awq ? "_awq" : "_gptq";
}

static halError_t check_layout(const char *op, const struct halopInt4Weights *w)
{
    int awq = w->layout == halopInt4Awq;

    if ((unsigned)w->layout > halopInt4GptqV2)
        return ops_fail(op, halErrorInvalidValue,
                        "layout is %d; it must be a halopInt4", (int)w->layout);
    if (w->n % 8)
        return ops_fail(op, halErrorInvalidValue,
                        "n is %lld; it must be a multiple of 8, as eight "
                        "columns share a word",
                        (long long)w->n);
    if (!awq && w->k % 8)
        return ops_fail(op, halErrorInvalidValue,
                        "k is %lld; with GPTQ it must be a multiple of 8, as "
                        "eight of k share a word",
                        (long long)w->k);
    if (w->group_size == 0 || w->group_size < -1)
        return ops_fail(op, halErrorInvalidValue,
                        "group_size is %lld; it must be positive, or -1 for "
                        "one group",
                        (long long)w->group_size);
    if (awq && w->g_idx)
        return ops_fail(op, halErrorInvalidValue,
                        "g_idx is %p; with AWQ it must be NULL",
                        (const void *)w->g_idx);
    return halSuccess;
}

/* What the kernels take for w: absent without depth (k == 0). */
static void weights(const struct halopInt4Weights *w,
                    struct ops_tensor tensors[4])
{
    const uint64_t codes = ops_count(w->n, w->k);
    const uint64_t scales = w->k ? ops_count(w->n, groups_of(w)) : 0;
    const struct ops_tensor all[] = {
        { "qweight", w->qweight, codes / 8, halU32, OPS_IN, NULL },
        { "qzeros", w->qzeros, scales / 8, halU32, OPS_IN, NULL },
        { "scales", w->scales, scales, halF16, OPS_IN, NULL },
        { "g_idx", w->g_idx, w->g_idx ? (uint64_t)w->k : 0, halI32, OPS_IN,
          NULL },
    };

    memcpy(tensors, all, sizeof all);
}

halError_t halopDequantiseInt4(halDtype out, void *y,
                               const struct halopInt4Weights *w,
                               halStream_t stream)
{
    const char *op = "halopDequantiseInt4";
    struct ops_tensor tensors[6];
    struct ops_call call;
    halError_t st;

    if (!w)
        return ops_fail(op, halErrorInvalidValue, "w is NULL");
    const struct ops_size sizes[] = { { "n", w->n }, { "k", w->k } };

    st = ops_check_dtype(op, "out", out, OPS_FLOATS);
    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 2);
    if (st == halSuccess)
        st = check_layout(op, w);
    if (st != halSuccess || w->n == 0 || w->k == 0)
        return st;
    quant_pair(tensors, "y", y, ops_count(w->n, w->k), out, OPS_OUT);
    weights(w, tensors + 2);
    st = ops_begin(&call, op, tensors, 6, "int4_dequantise%s", suffix_of(w));
    if (st != halSuccess)
        return st;
    ops_u32(&call, w->n);
    ops_u32(&call, w->k);
    ops_u32(&call, flags_of(w) | quant_format(out));
    ops_u32(&call, group_of(w));
    ops_u32(&call, groups_of(w));
    return ops_run(&call, (uint64_t)w->k, 1, stream);
}

static halError_t product(const char *op, int gemv,
                          const struct halopGemmInt4Args *a, halStream_t stream)
{
    struct quant_product p = { .op = op, .family = "int4", .gemv = gemv };
    halError_t st;

    if (!a || !a->w)
        return ops_fail(op, halErrorInvalidValue, "%s is NULL",
                        a ? "w" : "args");
    p.out = a->out;
    p.x_dtype = a->in;
    p.m = a->m;
    p.n = a->w->n;
    p.k = a->w->k;
    st = ops_check_dtype(op, "in", a->in, OPS_FLOATS);
    if (st == halSuccess)
        st = ops_check_dtype(op, "out", a->out, OPS_FLOATS);
    if (st == halSuccess)
        st = quant_check_shape(&p);
    if (st == halSuccess)
        st = check_layout(op, a->w);
    if (st != halSuccess || p.m == 0 || p.n == 0)
        return st;

    quant_start(&p, a->y);
    quant_pair(&p.tensors[p.n_tensors], "x", a->x, ops_count(p.m, p.k), a->in,
               OPS_IN);
    weights(a->w, &p.tensors[p.n_tensors + 2]);
    p.n_tensors += 6;
    p.suffix = suffix_of(a->w);
    p.flags = flags_of(a->w);
    p.strip = STRIP;
    p.extra[p.n_extra++] = group_of(a->w);
    p.extra[p.n_extra++] = groups_of(a->w);
    return quant_run(&p, a->bias, stream);
}

halError_t halopGemmInt4(const struct halopGemmInt4Args *args,
                         halStream_t stream)
{
    return product("halopGemmInt4", 0, args, stream);
}

halError_t halopGemvInt4(const struct halopGemmInt4Args *args,
                         halStream_t stream)
{
    return product("halopGemvInt4", 1, args, stream);
}
