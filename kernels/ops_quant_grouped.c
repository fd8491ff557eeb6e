/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_quant_grouped.c - the grouped products of quantised weights (ops_moe.h):
 * the kernels of the plain products in instances whose rows meet their expert's
 * weights alone (quant/experts.h).
 */
#include "kernels/ops_moe_internal.h"
#include "kernels/ops_quant_internal.h"

#define BLOCK 128

/* After what the family has: the tables and the scalars of experts.h. */
static halError_t run(struct quant_product *p, const struct moe_shape *s,
                      const int32_t *offsets, int64_t w_scale_stride,
                      halStream_t stream)
{
    quant_tensor(p, "offsets", offsets, (uint64_t)s->n_experts + 1, halI32);
    quant_tensor(p, "gather", s->gather, s->gather ? (uint64_t)s->rows : 0,
                 halI32);
    p->extra[0] = s->n_experts;
    p->extra[1] = s->x_rows;
    p->extra[2] = s->w_expert_stride;
    p->extra[3] = w_scale_stride;
    p->extra[4] = s->gather ? s->gather_div : 0;
    p->n_extra = 5;
    return quant_run(p, NULL, stream);
}

static struct quant_product product_of(const char *op, const char *family,
                                       halDtype out, const struct moe_shape *s)
{
    return (struct quant_product){
        .op = op,
        .family = family,
        .suffix = "_grouped",
        .out = out,
        .m = s->rows,
        .n = s->n,
        .k = s->k,
        .experts = s->n_experts,
    };
}

halError_t halopGroupedGemmFp8(const struct halopGroupedGemmFp8Args *args,
                               halStream_t stream)
{
    const char *op = "halopGroupedGemmFp8";
    const struct halopGroupedGemmFp8Args *a = args;
    struct quant_product p;
    struct moe_shape s;
    int64_t blocks, w_scales;
    halError_t st;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    s = (struct moe_shape){ a->rows,   a->x_rows,    a->n_experts,
                            a->n,      a->k,         a->w_expert_stride,
                            a->gather, a->gather_div };
    blocks = quant_blocks(a->k, BLOCK);
    st = ops_check_dtype(op, "out", a->out, OPS_FLOATS);
    if (st == halSuccess)
        st = moe_check_shape(op, &s);
    if (st != halSuccess)
        return st;
    w_scales = quant_blocks(a->n, BLOCK) * blocks;
    st = moe_check_stride(op, "w_scale_expert_stride", a->w_scale_expert_stride,
                          "ceil(n / 128) x ceil(k / 128)", w_scales);
    if (st != halSuccess || a->rows == 0 || a->n == 0)
        return st;

    /* Without depth (k == 0) nothing is read. */
    p = product_of(op, "fp8", a->out, &s);
    quant_start(&p, a->y);
    quant_tensor(&p, "x", a->x, ops_count(a->x_rows, a->k), halE4M3);
    quant_tensor(&p, "x_scale", a->x_scale, ops_count(a->x_rows, blocks),
                 halF32);
    quant_tensor(
        &p, "w", a->w,
        moe_span(a->n_experts, a->w_expert_stride, ops_count(a->n, a->k)),
        halE4M3);
    quant_tensor(
        &p, "w_scale", a->w_scale,
        moe_span(a->n_experts, a->w_scale_expert_stride, (uint64_t)w_scales),
        halF32);
    return run(&p, &s, a->offsets, a->w_scale_expert_stride, stream);
}

static halError_t check_i8(const char *op,
                           const struct halopGroupedGemmI8Args *a,
                           const struct moe_shape *s)
{
    halError_t st =
        ops_check_dtype(op, "out", a->out, OPS_FLOATS | OPS_DTYPE(halI32));

    if (st == halSuccess && a->out == halI32 && (a->x_scale || a->w_scale))
        st = ops_fail(op, halErrorInvalidValue,
                      "out is halI32, the sum itself: %s must be NULL",
                      a->x_scale ? "x_scale" : "w_scale");
    if (st == halSuccess)
        st = moe_check_shape(op, s);
    if (st == halSuccess)
        st = quant_check_i8_depth(op, a->k);
    if (st == halSuccess && a->w_scale)
        st = moe_check_stride(op, "w_scale_expert_stride",
                              a->w_scale_expert_stride, "n", a->n);
    return st;
}

halError_t halopGroupedGemmI8(const struct halopGroupedGemmI8Args *args,
                              halStream_t stream)
{
    const char *op = "halopGroupedGemmI8";
    const struct halopGroupedGemmI8Args *a = args;
    struct quant_product p;
    struct moe_shape s;
    uint64_t w_scales;
    halError_t st;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    s = (struct moe_shape){ a->rows,   a->x_rows,    a->n_experts,
                            a->n,      a->k,         a->w_expert_stride,
                            a->gather, a->gather_div };
    st = check_i8(op, a, &s);
    if (st != halSuccess || a->rows == 0 || a->n == 0)
        return st;
    w_scales = a->w_scale ? moe_span(a->n_experts, a->w_scale_expert_stride,
                                     (uint64_t)a->n)
                          : 0;

    p = product_of(op, "int8", a->out, &s);
    p.flags = (a->x_scale ? QUANT_I8_XS : 0u) | (a->w_scale ? QUANT_I8_WS : 0u);
    /* Without depth (k == 0) x and w are not read. */
    quant_start(&p, a->y);
    quant_tensor(&p, "x", a->x, ops_count(a->x_rows, a->k), halI8);
    quant_tensor(&p, "x_scale", a->x_scale,
                 a->x_scale ? (uint64_t)a->x_rows : 0, halF32);
    quant_tensor(
        &p, "w", a->w,
        moe_span(a->n_experts, a->w_expert_stride, ops_count(a->n, a->k)),
        halI8);
    quant_tensor(&p, "w_scale", a->w_scale, w_scales, halF32);
    quant_tensor(&p, "int_bias", NULL, 0, halI32); /* there is none */
    return run(&p, &s, a->offsets, a->w_scale ? a->w_scale_expert_stride : 0,
               stream);
}
