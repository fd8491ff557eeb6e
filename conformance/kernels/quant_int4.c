/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant_int4.c - kernel.int4_*: AWQ and GPTQ weights of random codes, zero
 * points and scales; g_idx in any order and out of range.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/quant.h"

enum idx { PLAIN, SHUFFLED, WILD }; /* g_idx: none, a permutation, any int */

struct param {
    halopInt4 layout;
    halDtype in, out;
    int64_t m, n, k, group_size;
    enum idx idx;
    int bias, odd, gemv;
    enum kq_special special;
};

struct weights {
    struct halopInt4Weights w;
    struct kx_tensor words, zeros, scales, idx;
    double *val; /* [k][n] */
};

static struct kx_tensor random_words(struct conf *c, int64_t n, int odd,
                                     const uint32_t **out_words)
{
    uint32_t *words = conf_host(c, (size_t)(n + 1) * 4);

    for (int64_t i = 0; i < n; i++)
        words[i] = (uint32_t)(conf_random(c) >> 16);
    *out_words = words;
    return kq_codes(c, halU32, words, n, odd);
}

static const int32_t *group_indices(struct conf *c, const struct param *p,
                                    int64_t size, int64_t groups)
{
    int32_t *idx = conf_host(c, (size_t)(p->k + 1) * 4);

    for (int64_t i = 0; i < p->k; i++)
        idx[i] = (int32_t)(i / size);
    for (int64_t i = p->k - 1; i > 0; i--) {
        int64_t j = (int64_t)(conf_random(c) % (uint64_t)(i + 1));
        int32_t t = idx[i];

        idx[i] = idx[j];
        idx[j] = t;
    }
    for (int64_t i = 0; p->idx == WILD && i < p->k; i += 3)
        idx[i] = i % 2 ? -1 - (int32_t)i
                       : (int32_t)(groups + (i % 5 ? 0 : INT32_MAX / 2));
    return idx;
}

static struct weights weights(struct conf *c, const struct param *p)
{
    int64_t size = p->group_size > 0 ? p->group_size : p->k > 0 ? p->k : 1;
    int64_t groups = p->k ? (p->k + size - 1) / size : 1;
    struct weights t = { .w = { .layout = p->layout,
                                .n = p->n,
                                .k = p->k,
                                .group_size = p->group_size } };
    struct oracle_int4 o = { .awq = p->layout == halopInt4Awq,
                             .zero_add = p->layout == halopInt4Gptq,
                             .n = p->n,
                             .k = p->k,
                             .group_size = p->group_size };

    t.words = random_words(c, p->n * p->k / 8, p->odd, &o.qweight);
    t.zeros = random_words(c, p->n / 8 * groups, p->odd, &o.qzeros);
    t.scales = kq_scales(c, halF16, p->n * groups, 0.02, p->special, p->odd);
    o.scales = t.scales.val;
    t.w.qweight = t.words.buf.mem;
    t.w.qzeros = t.zeros.buf.mem;
    t.w.scales = t.scales.buf.mem;
    if (p->idx != PLAIN) {
        o.g_idx = group_indices(c, p, size, groups);
        t.idx = kq_codes(c, halI32, o.g_idx, p->k, p->odd);
        t.w.g_idx = t.idx.buf.mem;
    }
    t.val = kx_doubles(c, p->n * p->k);
    oracle_int4(&o, t.val);
    return t;
}

/* One product, and the rounding of y: the difference is exact. */
static void run_dequantise(struct conf *c)
{
    const struct param *p = conf_param(c);
    int64_t n = p->n * p->k;
    struct weights t = weights(c, p);
    struct kx_tensor y = kx_output(c, p->out, n, p->odd);
    struct conf_bound bound = conf_bound_of(p->out, p->out == halF32 ? 0 : 1);

    kx_need(c, p->out);
    CONF_OK(c, halopDequantiseInt4(p->out, y.buf.mem, &t.w, NULL));
    kx_expect(c, "y", &y, t.val, NULL, p->k, p->n, &bound);
    kx_intact(c, &t.words);
    kx_intact(c, &t.zeros);
    kx_intact(c, &t.scales);
}

static void run_product(struct conf *c)
{
    const struct param *p = conf_param(c);
    int64_t n = p->m * p->n;
    struct weights t = weights(c, p);
    double *rows = kx_doubles(c, p->n * p->k);
    double *want = kx_doubles(c, n), *mag = kx_doubles(c, n);
    struct kx_tensor x = p->special == KQ_EXTREME
                             ? kq_extreme_rows(c, p->in, p->m, p->k)
                             : kx_normal(c, p->in, p->m * p->k, 1, p->odd);
    struct kx_tensor y = kx_output(c, p->out, n, p->odd), bias = { 0 };
    struct halopGemmInt4Args a = { .in = p->in,
                                   .out = p->out,
                                   .y = y.buf.mem,
                                   .x = x.buf.mem,
                                   .w = &t.w,
                                   .m = p->m };

    kx_need(c, p->out);
    if (p->bias) {
        bias = kx_normal(c, halF32, p->n, 2, p->odd);
        a.bias = bias.buf.mem;
    }
    for (int64_t i = 0; i < p->n * p->k; i++) /* to [n][k] */
        rows[i % p->n * p->k + i / p->n] = t.val[i];
    CONF_OK(c, (p->gemv ? halopGemvInt4 : halopGemmInt4)(&a, NULL));
    oracle_gemm(want, mag, x.val, rows, bias.val, p->m, p->n, p->k);
    kq_judge_as(c, p->special, &y, want, mag, p->m, p->n, p->k, 3);
    kx_intact(c, &x);
    kx_intact(c, &t.words);
    kx_intact(c, &t.zeros);
    kx_intact(c, &t.scales);
}

static void refuse(struct conf *c)
{
    struct kx_tensor x = kx_normal(c, halF32, 4096, 1, 0);
    struct kx_tensor y = kx_output(c, halF32, 4096, 0);
    void *before = kx_snapshot(c, &y.buf), *o = y.buf.mem, *a = x.buf.mem;
    char *small = (char *)a + KQ_END - 4;
    struct halopInt4Weights good = { .layout = halopInt4Gptq,
                                     .qweight = a,
                                     .qzeros = a,
                                     .scales = a,
                                     .g_idx = a,
                                     .n = 16,
                                     .k = 64,
                                     .group_size = 32 },
                            bad;
    struct halopGemmInt4Args args = { .in = halF32,
                                      .out = halF32,
                                      .y = o,
                                      .x = a,
                                      .w = &good,
                                      .m = 3 },
                             wrong;

#define WITH(field, value)                                  \
    do {                                                    \
        bad = good;                                         \
        bad.field = (value);                                \
        wrong = args;                                       \
        wrong.w = &bad;                                     \
        KQ_BAD(halopGemmInt4(&wrong, NULL));                \
        KQ_BAD(halopGemvInt4(&wrong, NULL));                \
        KQ_BAD(halopDequantiseInt4(halF32, o, &bad, NULL)); \
    } while (0)
    WITH(layout, (halopInt4)3);
    WITH(layout, halopInt4Awq); /* with a g_idx */
    WITH(qweight, NULL);
    WITH(qzeros, NULL);
    WITH(scales, NULL);
    WITH(qweight, (uint32_t *)small);
    WITH(qzeros, (uint32_t *)small);
    WITH(scales, small);
    WITH(scales, (char *)a + 1);
    WITH(g_idx, (int32_t *)small);
    WITH(g_idx, (int32_t *)((char *)a + 2));
    WITH(n, 12);
    WITH(n, -8);
    WITH(k, 60);
    WITH(k, -64);
    WITH(group_size, 0);
    WITH(group_size, -2);
    WITH(qweight, o);
#undef WITH
    KQ_BAD(halopGemmInt4(NULL, NULL));
    KQ_BAD(halopDequantiseInt4(halF32, o, NULL, NULL));
    KQ_BAD(halopDequantiseInt4(halF32, NULL, &good, NULL));
    KQ_DTYPE(halopDequantiseInt4(halE4M3, o, &good, NULL));
#define WITH(field, value)                   \
    do {                                     \
        wrong = args;                        \
        wrong.field = (value);               \
        KQ_BAD(halopGemmInt4(&wrong, NULL)); \
    } while (0)
    WITH(w, NULL);
    WITH(x, NULL);
    WITH(y, NULL);
    WITH(m, -1);
    WITH(m, 1 << 20);
    WITH(bias, (float *)small);
#undef WITH
    wrong = args;
    wrong.in = halI8;
    KQ_DTYPE(halopGemmInt4(&wrong, NULL));
    kx_untouched(c, &y.buf, before);
    kx_intact(c, &x);
}

/* ---- the list ---------------------------------------------------------- */

static const struct {
    const char *name;
    int64_t m, n, k, group_size;
    enum idx idx;
    int bias, odd, gemv;
} shapes[] = {
    { "m1_n8_k8", 1, 8, 8, 8, PLAIN, 0, 0, 0 },
    { "m3_n24_k96_g32", 3, 24, 96, 32, PLAIN, 1, 0, 0 },
    { "m5_n40_k64_one_group", 5, 40, 64, -1, PLAIN, 0, 0, 0 },
    { "m17_n136_k200_g128", 17, 136, 200, 128, PLAIN, 0, 0, 0 },
    { "m65_n264_k256_g64", 65, 264, 256, 64, PLAIN, 1, 0, 0 },
    { "m200_n72_k1024_g128", 200, 72, 1024, 128, PLAIN, 0, 0, 0 },
    { "m9_n20008_k8", 9, 20008, 8, 128, PLAIN, 0, 0, 0 },
    { "m7_n72_k256_order", 7, 72, 256, 128, SHUFFLED, 0, 0, 0 },
    { "m6_n40_k160_wild", 6, 40, 160, 32, WILD, 1, 0, 0 },
    { "k0", 5, 16, 0, 128, PLAIN, 1, 0, 0 },
    { "misaligned", 19, 40, 184, 32, PLAIN, 1, 1, 0 },
    { "m1_n8_k8", 1, 8, 8, 8, PLAIN, 0, 0, 1 },
    { "m1_n72_k136_g32", 1, 72, 136, 32, PLAIN, 1, 0, 1 },
    { "m1_n256_k7168_g128", 1, 256, 7168, 128, PLAIN, 0, 0, 1 },
    { "m3_n392_k200_g40", 3, 392, 200, 40, PLAIN, 0, 0, 1 },
    { "m1_n70008_k16", 1, 70008, 16, -1, PLAIN, 1, 0, 1 },
    { "m1_n264_k512_order", 1, 264, 512, 64, SHUFFLED, 0, 0, 1 },
    { "m2_n40_k160_wild", 2, 40, 160, 32, WILD, 1, 0, 1 },
    { "m1_n1048_k4112_g48", 1, 1048, 4112, 48, PLAIN, 1, 0, 1 },
    { "m1_n1176_k2056_order", 1, 1176, 2056, 128, SHUFFLED, 1, 0, 1 },
    { "misaligned", 2, 136, 184, 32, PLAIN, 1, 1, 1 },
};

static void add_layout(struct conf_list *list, const char *name,
                       halopInt4 layout)
{
    static const halDtype pairs[][2] = {
        { halF16, halF16 },
        { halBF16, halBF16 },
        { halF32, halF32 },
        { halF16, halF32 },
    };

    for (int d = 0; d < KX_COUNT(pairs); d++)
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct param p = { layout,
                               pairs[d][0],
                               pairs[d][1],
                               shapes[i].m,
                               shapes[i].n,
                               shapes[i].k,
                               shapes[i].group_size,
                               shapes[i].idx,
                               shapes[i].bias,
                               shapes[i].odd,
                               shapes[i].gemv,
                               KQ_RANDOM };

            if ((layout == halopInt4Awq && p.idx != PLAIN) ||
                (d && p.n > KX_GRID))
                continue;
            kq_add(list, "kernels-int4", run_product, &p, sizeof p,
                   "int4_%s.%s_%s%s%s.%s", p.gemv ? "gemv" : "gemm", name,
                   conf_dtype_name(p.in), p.in == p.out ? "" : "_",
                   p.in == p.out ? "" : conf_dtype_name(p.out), shapes[i].name);
            if (p.gemv || d == 3 || p.k == 0)
                continue;
            kq_add(list, "kernels-int4", run_dequantise, &p, sizeof p,
                   "int4_dequantise.%s_%s.%s", name, conf_dtype_name(p.out),
                   shapes[i].name);
        }
}

static void add_special(struct conf_list *list, const char *name,
                        halopInt4 layout)
{
    static const halDtype in[] = { halF32, halBF16, halF16 };

    for (int i = 0; i < 24; i++) {
        struct param p = { .layout = layout,
                           .in = in[i / 8],
                           .out = halF32,
                           .m = i % 2 ? 8 : 24,
                           .n = 264,
                           .k = 160,
                           .group_size = 32,
                           .idx = i / 2 % 2 ? SHUFFLED : PLAIN,
                           .gemv = i % 2,
                           .special = i / 4 % 2 ? KQ_SPOILED : KQ_EXTREME };

        if (layout == halopInt4Awq && p.idx != PLAIN)
            continue;
        kq_add(list, "kernels-int4", run_product, &p, sizeof p,
               "int4_%s.%s_%s%s.%s%s", p.gemv ? "gemv" : "gemm", name,
               conf_dtype_name(p.in), p.in == halF32 ? "" : "_f32",
               p.special == KQ_EXTREME ? "extremes" : "spoiled",
               p.idx == PLAIN ? "" : "_order");
    }
}

void kq_cases_int4(struct conf_list *list)
{
    add_layout(list, "awq", halopInt4Awq);
    add_layout(list, "gptq", halopInt4Gptq);
    add_layout(list, "gptq_v2", halopInt4GptqV2);
    add_special(list, "awq", halopInt4Awq);
    add_special(list, "gptq", halopInt4Gptq);
    kq_add(list, "kernels-int4", refuse, NULL, 0, "refuse.int4");
}
