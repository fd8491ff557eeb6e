/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant_gguf.c - kernel.gguf_*: blocks of random bytes with finite factors,
 * dequantised and in products.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/quant.h"

static const struct {
    const char *name;
    halopGguf type;
    int64_t elems, bytes;
    int halves[2]; /* where a block's f16 numbers lie */
} types[] = {
    { "q8_0", halopGgufQ8_0, 32, 34, { 0, 0 } },
    { "q4_0", halopGgufQ4_0, 32, 18, { 0, 0 } },
    { "q5_0", halopGgufQ5_0, 32, 22, { 0, 0 } },
    { "q4_k", halopGgufQ4_K, 256, 144, { 0, 2 } },
    { "q5_k", halopGgufQ5_K, 256, 176, { 0, 2 } },
    { "q6_k", halopGgufQ6_K, 256, 210, { 208, 208 } },
};

struct param {
    int type; /* in `types` */
    halDtype in, out;
    int64_t m, n, blocks; /* of a row */
    int bias, odd, gemv;
    enum kq_special special;
};

/* A block's factor. */
static double factor(struct conf *c, const struct param *p, int64_t block)
{
    static const double extreme[] = { 0, 0x1p-24, 65504, -65504 };
    static const double none[] = { NAN, INFINITY, -INFINITY };

    if (p->special == KQ_EXTREME && block % 5 == 1)
        return extreme[block / 5 % 4];
    if (p->special == KQ_SPOILED && block % 11 == 1 && block < 33)
        return none[block / 11];
    return block % 13 == 12 ? 0x1p-24 : 0.01 * conf_normal(c);
}

/* n rows of blocks and, in val, what they are. */
static struct kx_tensor weights(struct conf *c, const struct param *p,
                                double **out_val, double **out_terms)
{
    int64_t blocks = p->n * p->blocks, size = types[p->type].bytes;
    int64_t k = p->blocks * types[p->type].elems;
    uint8_t *bytes = conf_host(c, (size_t)(blocks * size + 1));
    struct kx_tensor w;

    for (int64_t i = 0; i < blocks * size; i++)
        bytes[i] = (uint8_t)(conf_random(c) >> 32);
    for (int64_t b = 0; b < blocks; b++)
        for (int h = 0; h < 2; h++)
            conf_encode(halF16, bytes + b * size + types[p->type].halves[h], 0,
                        factor(c, p, b));
    w = kq_codes(c, halU8, bytes, blocks * size, p->odd);
    *out_val = kx_doubles(c, p->n * k);
    oracle_gguf(types[p->type].type, *out_val, bytes, p->n, k);
    if (!out_terms)
        return w;
    /* |d q| + |dmin m| is the larger one of |d q - dmin m| and, with the sign
     * of dmin turned, |d q + dmin m|. */
    *out_terms = kx_doubles(c, p->n * k);
    for (int64_t b = 0; b < blocks; b++)
        bytes[b * size + types[p->type].halves[1] + 1] ^= 0x80;
    oracle_gguf(types[p->type].type, *out_terms, bytes, p->n, k);
    for (int64_t i = 0; i < p->n * k; i++)
        (*out_terms)[i] = fmax(fabs((*out_terms)[i]), fabs((*out_val)[i]));
    return w;
}

/* d times a small integer, and for K blocks twice, with a difference: the
 * terms of an element are at most (63 x 31 + 63) units of the two factors. */
static void run_dequantise(struct conf *c)
{
    const struct param *p = conf_param(c);
    int64_t k = p->blocks * types[p->type].elems, n = p->n * k;
    double *want, *mag = kx_doubles(c, n);
    struct kx_tensor w = weights(c, p, &want, NULL);
    struct kx_tensor y = kx_output(c, p->out, n, p->odd);
    struct conf_bound bound;

    kx_need(c, p->out);
    CONF_OK(c, halopDequantiseGguf(types[p->type].type, p->out, y.buf.mem,
                                   w.buf.mem, p->n, k, NULL));
    for (int64_t i = 0; i < n; i++)
        mag[i] = fabs(want[i]);
    if (types[p->type].type == halopGgufQ4_K ||
        types[p->type].type == halopGgufQ5_K) {
        /* |a - b|: what a is not known from the result; the minimum's part is
         * at most 63 of the largest factor of the data. */
        for (int64_t i = 0; i < n; i++)
            mag[i] += 2 * 63 * 0.06;
    }
    bound = kx_bound_sum(p->out, 3, mag, want, n);
    kx_expect(c, "y", &y, want, mag, p->n, k, &bound);
    kx_intact(c, &w);
}

static void run_product(struct conf *c)
{
    const struct param *p = conf_param(c);
    int64_t k = p->blocks * types[p->type].elems, n = p->m * p->n;
    double *w_val, *want = kx_doubles(c, n), *mag = kx_doubles(c, n),
                   *terms = NULL;
    double *spare = kx_doubles(c, n);
    struct kx_tensor w = weights(c, p, &w_val,
                                 p->special == KQ_EXTREME ? &terms : NULL),
                     bias = { 0 };
    struct kx_tensor x = p->special == KQ_EXTREME
                             ? kq_extreme_rows(c, p->in, p->m, k)
                             : kx_normal(c, p->in, p->m * k, 1, p->odd);
    struct kx_tensor y = kx_output(c, p->out, n, p->odd);
    struct halopGemmGgufArgs a = {
        .type = types[p->type].type,
        .in = p->in,
        .out = p->out,
        .y = y.buf.mem,
        .x = x.buf.mem,
        .w = w.buf.mem,
        .m = p->m,
        .n = p->n,
        .k = k,
    };

    kx_need(c, p->out);
    if (p->bias) {
        bias = kx_normal(c, halF32, p->n, 2, p->odd);
        a.bias = bias.buf.mem;
    }
    CONF_OK(c, (p->gemv ? halopGemvGguf : halopGemmGguf)(&a, NULL));
    /* Numbers of all sizes meet weights that cancel: what of d q and dmin m
     * meets them counts, not the difference. */
    if (p->special == KQ_EXTREME)
        oracle_gemm(want, mag, x.val, terms, bias.val, p->m, p->n, k);
    oracle_gemm(want, p->special == KQ_EXTREME ? spare : mag, x.val, w_val,
                bias.val, p->m, p->n, k);
    /* Three roundings of a weight; a difference costs those of its terms. */
    kq_judge_as(c, p->special, &y, want, mag, p->m, p->n, k,
                types[p->type].elems == 256 ? 16 : 3);
    kx_intact(c, &x);
    kx_intact(c, &w);
}

static void refuse(struct conf *c)
{
    struct kx_tensor x = kx_normal(c, halF32, 4096, 1, 0);
    struct kx_tensor y = kx_output(c, halF32, 4096, 0);
    void *before = kx_snapshot(c, &y.buf), *o = y.buf.mem, *a = x.buf.mem;

    for (int t = 0; t < KX_COUNT(types); t++) {
        halopGguf type = types[t].type;
        int64_t k = types[t].elems;
        char *small = (char *)a + KQ_END - types[t].bytes + 1;

        KQ_BAD(halopDequantiseGguf(type, halF32, NULL, a, 2, k, NULL));
        KQ_BAD(halopDequantiseGguf(type, halF32, o, NULL, 2, k, NULL));
        KQ_BAD(halopDequantiseGguf(type, halF32, o, a, 2, k + 1, NULL));
        KQ_BAD(halopDequantiseGguf(type, halF32, o, a, 2, k - 16, NULL));
        KQ_BAD(halopDequantiseGguf(type, halF32, o, small, 1, k, NULL));
        KQ_BAD(halopDequantiseGguf(type, halF32, o, a, -2, k, NULL));
        KQ_BAD(halopDequantiseGguf(type, halF32, o, o, 2, k, NULL));
        KQ_DTYPE(halopDequantiseGguf(type, halU8, o, a, 2, k, NULL));

        struct halopGemmGgufArgs good = { .type = type,
                                          .in = halF32,
                                          .out = halF32,
                                          .y = o,
                                          .x = a,
                                          .w = a,
                                          .m = 2,
                                          .n = 3,
                                          .k = k },
                                 bad;
#define WITH(field, value) KQ_WITH(halopGemmGguf, halopGemvGguf, field, value)
        WITH(y, NULL);
        WITH(x, NULL);
        WITH(w, NULL);
        WITH(w, small);
        WITH(x, (char *)a + 2);
        WITH(k, k + 16);
        WITH(m, -1);
        WITH(n, 1 << 20);
        WITH(bias, (float *)((char *)a + KQ_END - 8));
        WITH(y, a);
#undef WITH
        bad = good;
        bad.in = halE4M3;
        KQ_DTYPE(halopGemmGguf(&bad, NULL));
        bad = good;
        bad.out = halI32;
        KQ_DTYPE(halopGemmGguf(&bad, NULL));
    }
    KQ_BAD(halopGemmGguf(NULL, NULL));
    KQ_DTYPE(halopDequantiseGguf((halopGguf)3, halF32, o, a, 2, 256, NULL));
    KQ_DTYPE(halopDequantiseGguf((halopGguf)-1, halF32, o, a, 2, 256, NULL));
    KQ_DTYPE(halopDequantiseGguf((halopGguf)99, halF32, o, a, 2, 256, NULL));
    kx_untouched(c, &y.buf, before);
    kx_intact(c, &x);
}

static void add_type(struct conf_list *list, int type)
{
    static const struct {
        const char *name;
        int64_t m, n, blocks;
        int bias, odd, gemv;
    } shapes[] = {
        { "m1_n1", 1, 1, 1, 0, 0, 0 },
        { "m3_n7", 3, 7, 1, 1, 0, 0 },
        { "m17_n31", 17, 31, 3, 0, 0, 0 },
        { "m65_n130", 65, 130, 2, 1, 0, 0 },
        { "m129_n257", 129, 257, 1, 0, 0, 0 },
        { "m200_n40_deep", 200, 40, 9, 0, 0, 0 },
        { "m9_n20011", 9, 20011, 1, 1, 0, 0 },
        { "k0", 5, 19, 0, 1, 0, 0 },
        { "misaligned", 19, 37, 2, 1, 1, 0 },
        { "m1_n1", 1, 1, 1, 0, 0, 1 },
        { "m1_n67", 1, 67, 5, 1, 0, 1 },
        { "m3_n300", 3, 300, 2, 0, 0, 1 },
        { "m1_n5_deep", 1, 5, 90, 0, 0, 1 },
        { "m1_n70001", 1, 70001, 1, 0, 0, 1 },
        { "misaligned", 2, 37, 3, 1, 1, 1 },
    };
    static const halDtype pairs[][2] = {
        { halF32, halF32 },
        { halBF16, halBF16 },
        { halF16, halF16 },
        { halBF16, halF32 },
    };

    for (int d = 0; d < KX_COUNT(pairs); d++)
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct param p = { type,           pairs[d][0],   pairs[d][1],
                               shapes[i].m,    shapes[i].n,   shapes[i].blocks,
                               shapes[i].bias, shapes[i].odd, shapes[i].gemv,
                               KQ_RANDOM };

            /* Grids of many groups are the same for every dtype. */
            if (d && p.n > 20000)
                continue;
            kq_add(list, "kernels-int4", run_product, &p, sizeof p,
                   "gguf_%s.%s_%s%s%s.%s", p.gemv ? "gemv" : "gemm",
                   types[type].name, conf_dtype_name(p.in),
                   p.in == p.out ? "" : "_",
                   p.in == p.out ? "" : conf_dtype_name(p.out), shapes[i].name);
            if (p.gemv || d == 3 || p.blocks == 0)
                continue;
            kq_add(list, "kernels-int4", run_dequantise, &p, sizeof p,
                   "gguf_dequantise.%s_%s.%s", types[type].name,
                   conf_dtype_name(p.out), shapes[i].name);
        }
}

static void add_special(struct conf_list *list, int type)
{
    static const halDtype in[] = { halF32, halBF16 };

    for (int i = 0; i < 8; i++) {
        struct param p = { type,   in[i / 4],
                           halF32, i % 2 ? 8 : 24,
                           40,     2,
                           0,      0,
                           i % 2,  i / 2 % 2 ? KQ_SPOILED : KQ_EXTREME };

        kq_add(list, "kernels-int4", run_product, &p, sizeof p,
               "gguf_%s.%s_%s.%s", p.gemv ? "gemv" : "gemm", types[type].name,
               i < 4 ? "f32" : "bf16_f32",
               p.special == KQ_EXTREME ? "extremes" : "spoiled");
    }
}

void kq_cases_gguf(struct conf_list *list)
{
    for (int t = 0; t < KX_COUNT(types); t++) {
        add_type(list, t);
        add_special(list, t);
    }
    kq_add(list, "kernels-int4", refuse, NULL, 0, "refuse.gguf");
}
