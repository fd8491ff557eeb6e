/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant_int8.c - kernel.int8_*: quantisation by rows and by one scale, products
 * whose integer sums must be exact.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/quant.h"

/* ---- quantisation ------------------------------------------------------ */

struct quantise {
    halDtype in;
    int64_t m, k;
    int odd, special, factor;
};

/* t = x / s or beside it by the errors of a product and a division. */
static int code_fits(int code, double t, int offset, int low, int high)
{
    double slack = fabs(t) * 4 * KX_U32;
    double first = nearbyint(t - slack) + offset;
    double last = nearbyint(t + slack) + offset;

    if (isnan(t))
        return code == offset;
    return code >= fmin(fmax(first, low), high) &&
           code <= fmin(fmax(last, low), high);
}

static void run_quantise(struct conf *c)
{
    const struct quantise *p = conf_param(c);
    int64_t n = p->m * p->k;
    double *val = kx_doubles(c, n), *want = kx_doubles(c, p->m), *t;
    struct kx_tensor x, q, s, f = { 0 };
    const int8_t *code;
    const float *scale;

    for (int64_t i = 0; i < n; i++)
        val[i] = conf_normal(c) * (double)(1 + i / p->k % 7);
    for (int64_t i = 0; p->special && i < n; i++) {
        int64_t r = i / p->k % 6, j = i % p->k;

        if (r == 0)
            val[i] = 0;
        else if (r == 1)
            val[i] = j == 3 ? NAN : val[i];
        else if (r == 2)
            val[i] = j == 4 ? -INFINITY : val[i];
        else if (r == 3) /* ties: scale 1 */
            val[i] = j == 0 ? -127 : (double)(j % 200) * 0.5 - 50;
        else if (r == 4)
            val[i] = p->in == halF16 ? 0 : ldexp(val[i], -127);
    }
    x = kx_input(c, p->in, val, n, p->odd);
    if (p->factor)
        f = kx_normal(c, halF32, p->k, 1, p->odd);
    q = kx_output(c, halI8, n, p->odd);
    s = kx_output(c, halF32, p->m, p->odd);
    CONF_OK(c, halopQuantiseI8(p->in, q.buf.mem, s.buf.mem, x.buf.mem,
                               p->factor ? f.buf.mem : NULL, p->m, p->k, NULL));
    t = kx_doubles(c, n);
    for (int64_t i = 0; i < n; i++)
        t[i] = p->factor ? x.val[i] * f.val[i % p->k] : x.val[i];
    oracle_int8_scales(want, t, p->m, p->k);
    scale = kx_fetch(c, &s);
    for (int64_t i = 0; i < p->m; i++)
        conf_check(c, fabs(scale[i] - want[i]) <= 5 * KX_U32 * want[i],
                   "scale[%lld]: want %.9g, got %.9g", (long long)i, want[i],
                   (double)scale[i]);
    code = kx_fetch(c, &q);
    for (int64_t i = 0; i < n; i++)
        conf_check(
            c, code_fits(code[i], t[i] / (double)scale[i / p->k], 0, -127, 127),
            "q[%lld] is %d for %.9g over %.9g", (long long)i, code[i], t[i],
            (double)scale[i / p->k]);
    kx_intact(c, &x);
}

static void run_static(struct conf *c)
{
    const struct quantise *p = conf_param(c);
    int64_t n = p->m * p->k;
    double *val = kx_doubles(c, n);
    int offset = p->special ? -20 : 0;
    struct kx_tensor x, q;
    const int8_t *code;

    for (int64_t i = 0; i < n; i++)
        val[i] = 2 * conf_normal(c);
    for (int64_t i = 0; p->special && i < n; i++)
        val[i] = i == 0   ? NAN
                 : i == 1 ? INFINITY
                 : i == 2 ? -60000
                          : 0.03125 * (double)(i % 300) / 2;
    x = kx_input(c, p->in, val, n, p->odd);
    q = kx_output(c, halI8, n, p->odd);
    CONF_OK(c, halopQuantiseI8Static(p->in, q.buf.mem, x.buf.mem, 0.03125f,
                                     offset, n, NULL));
    code = kx_fetch(c, &q);
    for (int64_t i = 0; i < n; i++)
        conf_check(c, code_fits(code[i], x.val[i] / 0.03125, offset, -128, 127),
                   "q[%lld] is %d for %.9g", (long long)i, code[i], x.val[i]);
    kx_intact(c, &x);
}

/* ---- products ---------------------------------------------------------- */

struct product {
    halDtype out;
    struct kq_shape s;
    int gemv;
    int largest; /* all codes -128: the largest sums */
    enum kq_special special;
};

static void expect_sums(struct conf *c, const struct kx_tensor *y,
                        const int64_t *sum)
{
    const int32_t *got = kx_fetch(c, y);

    for (int64_t i = 0; i < y->n; i++)
        conf_check(c, got[i] == sum[i], "sum[%lld]: want %lld, got %d",
                   (long long)i, (long long)sum[i], got[i]);
}

static struct kx_tensor codes_of(struct conf *c, const struct product *p,
                                 int64_t n)
{
    int8_t *codes = conf_host(c, (size_t)n + 1);

    if (!p->largest)
        return kq_random(c, halI8, n, p->s.odd);
    memset(codes, -128, (size_t)n);
    return kq_codes(c, halI8, codes, n, p->s.odd);
}

static void run_product(struct conf *c)
{
    const struct product *p = conf_param(c);
    const struct kq_shape *s = &p->s;
    int64_t n = s->m * s->n;
    int whole = p->out == halI32;
    struct kx_tensor x = codes_of(c, p, s->m * s->k);
    struct kx_tensor w = codes_of(c, p, s->n * s->k);
    struct kx_tensor xs = kq_scales(c, halF32, s->m, 0.01, p->special, s->odd);
    struct kx_tensor ws = kq_scales(c, halF32, s->n, 0.01, p->special, s->odd);
    struct kx_tensor y = kx_output(c, p->out, n, s->odd), ib = { 0 }, b;
    double *want = kx_doubles(c, n), *mag = kx_doubles(c, n);
    int64_t *sum = conf_host(c, (size_t)(n + 1) * sizeof *sum);
    struct halopGemmI8Args a = { .out = p->out,
                                 .y = y.buf.mem,
                                 .x = x.buf.mem,
                                 .w = w.buf.mem,
                                 .m = s->m,
                                 .n = s->n,
                                 .k = s->k };

    kx_need(c, p->out);
    b = kx_normal(c, halF32, s->n, 2, s->odd);
    if (s->bias) {
        double *v = kx_doubles(c, s->n);

        for (int64_t j = 0; j < s->n; j++)
            v[j] = floor(1e5 * conf_normal(c));
        ib = kx_input(c, halI32, v, s->n, s->odd);
        a.int_bias = ib.buf.mem;
    }
    if (!whole) {
        a.x_scale = xs.buf.mem;
        a.w_scale = ws.buf.mem;
        a.bias = s->bias ? b.buf.mem : NULL;
    }
    CONF_OK(c, (p->gemv ? halopGemvI8 : halopGemmI8)(&a, NULL));
    oracle_int8_sums(sum, x.val, w.val, ib.val, s->m, s->n, s->k);
    if (whole) {
        expect_sums(c, &y, sum);
    } else {
        for (int64_t i = 0; i < n; i++) {
            want[i] = (double)sum[i] * ws.val[i % s->n] * xs.val[i / s->n];
            mag[i] = fabs(want[i]);
            if (s->bias) {
                want[i] += b.val[i % s->n];
                mag[i] += fabs(b.val[i % s->n]);
            }
        }
        /* The sum is exact: conversion, two products, one addition. */
        kq_judge_as(c, p->special, &y, want, mag, s->m, s->n, 0, -4);
    }
    kx_intact(c, &x);
    kx_intact(c, &w);
}

/* ---- refusals ---------------------------------------------------------- */

static void refuse(struct conf *c)
{
    struct kx_tensor x = kx_normal(c, halF32, 4096, 1, 0);
    struct kx_tensor y = kx_output(c, halF32, 4096, 0);
    void *before = kx_snapshot(c, &y.buf), *o = y.buf.mem, *a = x.buf.mem;
    float *s = (float *)((char *)o + 8192);
    float *small = (float *)((char *)a + KQ_END - 8);

    KQ_BAD(halopQuantiseI8(halF32, NULL, s, a, NULL, 2, 256, NULL));
    KQ_BAD(halopQuantiseI8(halF32, o, NULL, a, NULL, 2, 256, NULL));
    KQ_BAD(halopQuantiseI8(halF32, o, s, NULL, NULL, 2, 256, NULL));
    KQ_BAD(halopQuantiseI8(halF32, o, s, a, small, 2, 256, NULL));
    KQ_BAD(halopQuantiseI8(halF32, o, o, a, NULL, 2, 256, NULL));
    KQ_BAD(halopQuantiseI8(halF32, o, s, a, NULL, -2, 256, NULL));
    KQ_BAD(halopQuantiseI8(halF32, o, s, a, NULL, 33, 256, NULL));
    KQ_DTYPE(halopQuantiseI8(halI8, o, s, a, NULL, 2, 256, NULL));
    KQ_BAD(halopQuantiseI8Static(halF32, o, a, 0, 0, 64, NULL));
    KQ_BAD(halopQuantiseI8Static(halF32, o, a, -1, 0, 64, NULL));
    KQ_BAD(halopQuantiseI8Static(halF32, o, a, NAN, 0, 64, NULL));
    KQ_BAD(halopQuantiseI8Static(halF32, o, a, INFINITY, 0, 64, NULL));
    KQ_BAD(halopQuantiseI8Static(halF32, o, a, 1, 128, 64, NULL));
    KQ_BAD(halopQuantiseI8Static(halF32, o, a, 1, -129, 64, NULL));
    KQ_BAD(halopQuantiseI8Static(halF32, NULL, a, 1, 0, 64, NULL));
    KQ_BAD(halopQuantiseI8Static(halF32, o, NULL, 1, 0, 64, NULL));
    KQ_BAD(halopQuantiseI8Static(halF32, o, a, 1, 0, -1, NULL));
    KQ_DTYPE(halopQuantiseI8Static(halF64, o, a, 1, 0, 64, NULL));

    struct halopGemmI8Args good = { .out = halF32,
                                    .y = o,
                                    .x = a,
                                    .w = a,
                                    .x_scale = a,
                                    .w_scale = a,
                                    .m = 3,
                                    .n = 4,
                                    .k = 300 },
                           bad;
#define WITH(field, value) KQ_WITH(halopGemmI8, halopGemvI8, field, value)
    KQ_BAD(halopGemmI8(NULL, NULL));
    WITH(y, NULL);
    WITH(x, NULL);
    WITH(w, NULL);
    WITH(m, -1);
    WITH(n, -1);
    WITH(k, 131072);
    WITH(k, 65536);
    WITH(x_scale, small);
    WITH(w_scale, small);
    WITH(bias, small);
    WITH(int_bias, (int32_t *)small);
    WITH(w_scale, (float *)((char *)a + 1));
    WITH(y, a);
    WITH(out, halI32); /* with scales */
#undef WITH
    bad = good;
    bad.out = halI8;
    KQ_DTYPE(halopGemmI8(&bad, NULL));
    kx_untouched(c, &y.buf, before);
    kx_intact(c, &x);
}

/* ---- the list ---------------------------------------------------------- */

static const struct kq_shape gemm_shapes[] = {
    { "m1_n1_k1", 1, 1, 1, 0, 0 },
    { "m3_n7_k5", 3, 7, 5, 1, 0 },
    { "m5_n129_k127", 5, 129, 127, 0, 0 },
    { "m17_n31_k257", 17, 31, 257, 1, 0 },
    { "m65_n130_k256", 65, 130, 256, 0, 0 },
    { "m200_n72_k1000", 200, 72, 1000, 1, 0 },
    { "m6_n5_k33001", 6, 5, 33001, 0, 0 },
    { "m9_n20011_k2", 9, 20011, 2, 1, 0 },
    { "m20011_n3_k2", 20011, 3, 2, 0, 0 },
    { "k0", 5, 19, 0, 1, 0 },
    { "misaligned", 19, 37, 181, 1, 1 },
};

static const struct kq_shape gemv_shapes[] = {
    { "m1_n1_k1", 1, 1, 1, 0, 0 },
    { "m1_n17_k15", 1, 17, 15, 1, 0 },
    { "m1_n70_k7168", 1, 70, 7168, 0, 0 },
    { "m3_n300_k300", 3, 300, 300, 1, 0 },
    { "m1_n2_k70001", 1, 2, 70001, 0, 0 },
    { "m1_n70001_k3", 1, 70001, 3, 0, 0 },
    { "k0", 2, 33, 0, 1, 0 },
    { "misaligned", 2, 37, 181, 1, 1 },
};

static void add_products(struct conf_list *list, int gemv,
                         const struct kq_shape *shapes, int count)
{
    static const halDtype outs[] = { halI32, halF32, halBF16, halF16 };
    const char *op = gemv ? "int8_gemv" : "int8_gemm";
    struct product p = { .out = halI32,
                         .gemv = gemv,
                         .largest = 1,
                         .s = { "largest", 3, 3, 131071, 0, 0 } };

    kq_add(list, "kernels-int8", run_product, &p, sizeof p, "%s.i32.largest",
           op);
    p.largest = 0;
    for (int i = 0; i < 2; i++) {
        p.out = halF32;
        p.s = (struct kq_shape){ "", gemv ? 8 : 20, 300, 300, 1, 0 };
        p.special = i ? KQ_SPOILED : KQ_EXTREME;
        kq_add(list, "kernels-int8", run_product, &p, sizeof p, "%s.f32.%s", op,
               i ? "spoiled" : "extremes");
    }
    p.special = KQ_RANDOM;
    for (int d = 0; d < KX_COUNT(outs); d++)
        for (int i = 0; i < count; i++) {
            p.out = outs[d];
            p.s = shapes[i];
            if (d && p.s.n > KX_GRID)
                continue;
            kq_add(list, "kernels-int8", run_product, &p, sizeof p, "%s.%s.%s",
                   op, conf_dtype_name(p.out), p.s.name);
        }
}

void kq_cases_int8(struct conf_list *list)
{
    static const struct {
        const char *name;
        int64_t m, k;
        int odd, special, factor;
    } shapes[] = {
        { "m1_k1", 1, 1, 0, 0, 0 },       { "m3_k127", 3, 127, 0, 0, 0 },
        { "m2_k7168", 2, 7168, 0, 0, 1 }, { "m20011_k3", 20011, 3, 0, 0, 0 },
        { "extremes", 12, 200, 0, 1, 0 }, { "misaligned", 7, 333, 1, 0, 1 },
    };

    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct quantise p = { kx_floats[d],      shapes[i].m,
                                  shapes[i].k,       shapes[i].odd,
                                  shapes[i].special, shapes[i].factor };
            const char *dtype = conf_dtype_name(p.in);

            kq_add(list, "kernels-int8", run_quantise, &p, sizeof p,
                   "int8_quantise.%s.%s", dtype, shapes[i].name);
            kq_add(list, "kernels-int8", run_static, &p, sizeof p,
                   "int8_quantise_static.%s.%s", dtype, shapes[i].name);
        }
    add_products(list, 0, gemm_shapes, KX_COUNT(gemm_shapes));
    add_products(list, 1, gemv_shapes, KX_COUNT(gemv_shapes));
    kq_add(list, "kernels-int8", refuse, NULL, 0, "refuse.int8");
}
