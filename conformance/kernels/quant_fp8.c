/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant_fp8.c - kernel.fp8_*: quantisation to blocks of 128, dequantisation,
 * products.  A code is right if it is the nearest to x over the scale that the
 * device has stored, or lies beside a tie by no more than the division's error.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/quant.h"

/* ---- quantisation ------------------------------------------------------ */

struct quantise {
    halDtype in;
    halopScale format;
    int64_t m, k;
    int odd, special;
};

/* The nearest code, or another whose distance is the same but for the error
 * of a division (3 units, as Vulkan has it). */
static int code_fits(uint8_t code, double x, double scale)
{
    double t = x / scale, slack = fabs(t) * 3 * KX_U32;
    uint8_t low, high, want;

    conf_encode(halE4M3, &want, 0, t);
    conf_encode(halE4M3, &low, 0, t - slack);
    conf_encode(halE4M3, &high, 0, t + slack);
    if (isnan(t))
        return (code & 0x7F) == 0x7F;
    return code == want || code == low || code == high;
}

static void special_rows(double *x, int64_t m, int64_t k)
{
    for (int64_t r = 0; r < m; r++)
        for (int64_t i = 0; i < k; i++) {
            double *v = &x[r * k + i];

            switch (r % 8) {
            case 0: /* the floor of the scale */
                *v = i % 3 ? 0 : -0.0;
                break;
            case 1:
                *v = ldexp(*v, -30);
                break;
            case 2:
                *v = i % 128 == 100 ? NAN : *v;
                break;
            case 3:
                *v = i % 128 == 5 ? -INFINITY : *v;
                break;
            case 4: /* a scale of exactly a power of two */
                *v = i % 128 == 127 ? 448 : fmin(fmax(*v, -400), 400);
                break;
            case 5: /* and the next number */
                *v = i % 128 == 1 ? -450 : fmin(fmax(*v, -400), 400);
                break;
            case 6: /* ties between codes: scale 1 */
                *v = i % 128 == 0 ? 448 : (double)(i % 128) * 0.5 + 0.5;
                break;
            default:
                *v = ldexp(*v, 12);
            }
        }
}

static double stored_scale(const struct quantise *p, const void *scale,
                           int64_t i)
{
    return p->format == halopScaleE8M0
               ? ldexp(1, ((const uint8_t *)scale)[i] - 127)
               : conf_decode(halF32, scale, i);
}

static void run_quantise(struct conf *c)
{
    const struct quantise *p = conf_param(c);
    int64_t blocks = (p->k + 127) / 128, n = p->m * p->k;
    double *val = kx_doubles(c, n), *want = kx_doubles(c, p->m * blocks);
    int exact = p->format != halopScaleF32;
    struct kx_tensor x, q, s;
    const uint8_t *code;
    const void *scale;

    for (int64_t i = 0; i < n; i++)
        val[i] = conf_normal(c) * (1 + (double)(i / 128 % 5));
    if (p->special)
        special_rows(val, p->m, p->k);
    x = kx_input(c, p->in, val, n, p->odd);
    q = kx_output(c, halU8, n, p->odd);
    s = kx_output(c, p->format == halopScaleE8M0 ? halU8 : halF32,
                  p->m * blocks, p->odd);
    CONF_OK(c, halopQuantiseFp8(p->in, q.buf.mem, s.buf.mem, p->format,
                                x.buf.mem, p->m, p->k, NULL));
    oracle_fp8_scales(want, x.val, p->m, p->k, exact);
    scale = kx_fetch(c, &s);
    for (int64_t i = 0; i < p->m * blocks; i++) {
        double got = stored_scale(p, scale, i);

        conf_check(c, fabs(got - want[i]) <= (exact ? 0 : 4 * KX_U32) * want[i],
                   "scale[%lld]: want %.9g, got %.9g", (long long)i, want[i],
                   got);
    }
    code = kx_fetch(c, &q);
    for (int64_t i = 0; i < n; i++)
        conf_check(c,
                   code_fits(code[i], x.val[i],
                             stored_scale(p, scale,
                                          i / p->k * blocks + i % p->k / 128)),
                   "q[%lld] is %02x for %.9g over %.9g", (long long)i, code[i],
                   x.val[i],
                   stored_scale(p, scale, i / p->k * blocks + i % p->k / 128));
    kx_intact(c, &x);
}

/* ---- dequantisation ---------------------------------------------------- */

struct dequantise {
    halDtype out;
    int64_t n, k;
    int odd, codes; /* codes: all of them, NaN too */
};

static void run_dequantise(struct conf *c)
{
    const struct dequantise *p = conf_param(c);
    int64_t all = p->n * p->k, blocks = (p->k + 127) / 128;
    uint8_t *codes = conf_host(c, (size_t)all);
    double *want = kx_doubles(c, all);
    struct kx_tensor w, s, y = kx_output(c, p->out, all, p->odd);
    /* One f32 product, and the rounding of y. */
    struct conf_bound bound = conf_bound_of(p->out, p->out == halF32 ? 0 : 1);

    for (int64_t i = 0; i < all; i++)
        codes[i] = (uint8_t)i;
    w = p->codes ? kq_codes(c, halE4M3, codes, all, p->odd)
                 : kq_random(c, halE4M3, all, p->odd);
    s = kx_normal(c, halF32, (p->n + 127) / 128 * blocks, 0.02, p->odd);
    kx_need(c, p->out);
    CONF_OK(c, halopDequantiseFp8(p->out, y.buf.mem, w.buf.mem, s.buf.mem, p->n,
                                  p->k, NULL));
    oracle_fp8_dequantise(want, w.val, s.val, p->n, p->k);
    kx_expect(c, "y", &y, want, NULL, p->n, p->k, &bound);
    kx_intact(c, &w);
    kx_intact(c, &s);
}

/* ---- products ---------------------------------------------------------- */

struct product {
    halDtype out;
    struct kq_shape s;
    int gemv;
    enum kq_special special;
    const char *way; /* for halopSelect(), or NULL */
};

/* Codes of x: a NaN, zeros and the largest in rows of their own. */
static struct kx_tensor codes_of(struct conf *c, int64_t m, int64_t k,
                                 enum kq_special special, int odd)
{
    uint8_t *codes = conf_host(c, (size_t)(m * k) + 1);

    if (special != KQ_EXTREME)
        return kq_random(c, halE4M3, m * k, odd);
    for (int64_t i = 0; i < m * k; i++) {
        int64_t at = i % k;

        do
            codes[i] = (uint8_t)(conf_random(c) >> 32);
        while ((codes[i] & 127) == 127);
        switch (i / k % 5) {
        case 1:
            codes[i] = (uint8_t)(at == k - 3 ? 0x7f : codes[i]);
            break;
        case 2:
            codes[i] = (uint8_t)(at % 2 ? 0x80 : 0);
            break;
        case 3: /* 448, in turn with -448 */
            codes[i] = (uint8_t)(at % 2 ? 0xfe : 0x7e);
            break;
        case 4: /* 2^-9, the least */
            codes[i] = 1;
            break;
        }
    }
    return kq_codes(c, halE4M3, codes, m * k, odd);
}

static void run_product(struct conf *c)
{
    const struct product *p = conf_param(c);
    const struct kq_shape *s = &p->s;
    int64_t blocks = (s->k + 127) / 128;
    struct kx_tensor x = codes_of(c, s->m, s->k, p->special, s->odd);
    struct kx_tensor w = kq_random(c, halE4M3, s->n * s->k, s->odd);
    struct kx_tensor xs =
        kq_scales(c, halF32, s->m * blocks, 0.01, p->special, s->odd);
    struct kx_tensor ws = kq_scales(c, halF32, (s->n + 127) / 128 * blocks,
                                    0.01, p->special, s->odd);
    struct kx_tensor y = kx_output(c, p->out, s->m * s->n, s->odd),
                     bias = { 0 };
    double *want = kx_doubles(c, s->m * s->n),
           *mag = kx_doubles(c, s->m * s->n);
    struct halopGemmFp8Args a = {
        .out = p->out,
        .y = y.buf.mem,
        .x = x.buf.mem,
        .x_scale = xs.buf.mem,
        .w = w.buf.mem,
        .w_scale = ws.buf.mem,
        .m = s->m,
        .n = s->n,
        .k = s->k,
    };

    kx_need(c, p->out);
    if (s->bias) {
        bias = kx_normal(c, halF32, s->n, 2, s->odd);
        a.bias = bias.buf.mem;
    }
    kx_way_begin(c, p->way);
    kx_way_end(c, p->way, (p->gemv ? halopGemvFp8 : halopGemmFp8)(&a, NULL));
    oracle_fp8_gemm(want, mag, x.val, xs.val, w.val, ws.val, bias.val, s->m,
                    s->n, s->k);
    kq_judge_as(c, p->special, &y, want, mag, s->m, s->n, s->k, 3);
    kx_intact(c, &x);
    kx_intact(c, &w);
    kx_intact(c, &xs);
    kx_intact(c, &ws);
}

/* ---- refusals ---------------------------------------------------------- */

static void refuse(struct conf *c)
{
    struct kx_tensor x = kx_normal(c, halF32, 4096, 1, 0);
    struct kx_tensor y = kx_output(c, halF32, 4096, 0);
    void *before = kx_snapshot(c, &y.buf), *o = y.buf.mem, *a = x.buf.mem;
    void *o2 = (char *)o + 8192, *small = (char *)a + KQ_END - 8;

    KQ_BAD(halopQuantiseFp8(halF32, NULL, o2, halopScaleF32, a, 2, 256, NULL));
    KQ_BAD(halopQuantiseFp8(halF32, o, NULL, halopScaleF32, a, 2, 256, NULL));
    KQ_BAD(halopQuantiseFp8(halF32, o, o2, halopScaleF32, NULL, 2, 256, NULL));
    KQ_BAD(halopQuantiseFp8(halF32, o, o, halopScaleF32, a, 2, 256, NULL));
    KQ_BAD(halopQuantiseFp8(halF32, o, o2, (halopScale)3, a, 2, 256, NULL));
    KQ_BAD(halopQuantiseFp8(halF32, o, o2, halopScaleF32, a, -2, 256, NULL));
    KQ_BAD(
        halopQuantiseFp8(halF32, o, o2, halopScaleF32, a, 2, INT64_MAX, NULL));
    KQ_BAD(halopQuantiseFp8(halF32, o, o2, halopScaleF32, a, 33, 256, NULL));
    KQ_BAD(halopQuantiseFp8(halF32, o, (char *)o2 + 1, halopScaleF32, a, 2, 256,
                            NULL)); /* misaligned scales */
    KQ_BAD(halopQuantiseFp8(halF32, o, (char *)o + KQ_END - 4, halopScaleF32, a,
                            2, 256, NULL)); /* too few scales */
    KQ_DTYPE(halopQuantiseFp8(halE4M3, o, o2, halopScaleF32, a, 2, 256, NULL));
    KQ_BAD(halopDequantiseFp8(halF32, NULL, a, a, 4, 256, NULL));
    KQ_BAD(halopDequantiseFp8(halF32, o, NULL, a, 4, 256, NULL));
    KQ_BAD(halopDequantiseFp8(halF32, o, a, NULL, 4, 256, NULL));
    KQ_BAD(halopDequantiseFp8(halF32, o, a, (float *)small, 4, 384, NULL));
    KQ_BAD(halopDequantiseFp8(halF32, o, a, a, 4, -256, NULL));
    KQ_BAD(halopDequantiseFp8(halF32, o, a, o, 4, 256, NULL));
    KQ_DTYPE(halopDequantiseFp8(halI8, o, a, a, 4, 256, NULL));

    struct halopGemmFp8Args good = { .out = halF32,
                                     .y = o,
                                     .x = a,
                                     .x_scale = a,
                                     .w = a,
                                     .w_scale = a,
                                     .m = 3,
                                     .n = 4,
                                     .k = 300 },
                            bad;
#define WITH(field, value) KQ_WITH(halopGemmFp8, halopGemvFp8, field, value)
    KQ_BAD(halopGemmFp8(NULL, NULL));
    WITH(y, NULL);
    WITH(x, NULL);
    WITH(x_scale, NULL);
    WITH(w, NULL);
    WITH(w_scale, NULL);
    WITH(m, -1);
    WITH(n, -1);
    WITH(k, INT64_MAX);
    WITH(n, 1 << 20);
    WITH(x_scale, (float *)small); /* 3 rows of 3 blocks do not fit there */
    WITH(w_scale, (float *)small);
    WITH(w_scale, (float *)((char *)a + 2));
    WITH(bias, (float *)((char *)a + KQ_END - 12));
    WITH(y, a);
#undef WITH
    bad = good;
    bad.out = halE4M3;
    KQ_DTYPE(halopGemmFp8(&bad, NULL));
    bad = good;
    bad.m = 0;
    CONF_OK(c, halopGemmFp8(&bad, NULL));
    kx_untouched(c, &y.buf, before);
    kx_intact(c, &x);
}

/* ---- the list ---------------------------------------------------------- */

static const struct kq_shape gemm_shapes[] = {
    { "m1_n1_k1", 1, 1, 1, 0, 0 },
    { "m3_n7_k5", 3, 7, 5, 1, 0 },
    { "m5_n129_k127", 5, 129, 127, 0, 0 },
    { "m8_n128_k128", 8, 128, 128, 1, 0 },
    { "m17_n31_k129", 17, 31, 129, 0, 0 },
    { "m33_n200_k300", 33, 200, 300, 1, 0 },
    { "m64_n64_k256", 64, 64, 256, 0, 0 },
    { "m65_n257_k384", 65, 257, 384, 1, 0 },
    { "m130_n130_k130", 130, 130, 130, 0, 0 },
    { "m200_n72_k1000", 200, 72, 1000, 0, 0 },
    { "m6_n5_k33001", 6, 5, 33001, 0, 0 },
    { "m9_n20011_k2", 9, 20011, 2, 1, 0 },
    { "m20011_n3_k2", 20011, 3, 2, 0, 0 },
    { "k0", 5, 19, 0, 1, 0 },
    { "misaligned", 19, 37, 181, 1, 1 },
};

/* Tiles of 128 x 64 and their edges, blocks of 128 k and their ends, more steps
 * of 32 than a ring of 5 has stages and fewer, rows that are aligned to 16
 * bytes and not. */
static const struct kq_shape tuned_shapes[] = {
    { "m1_n1_k1", 1, 1, 1, 0, 0 },
    { "m3_n7_k5", 3, 7, 5, 1, 0 },
    { "m17_n31_k129", 17, 31, 129, 0, 0 },
    { "m33_n200_k304", 33, 200, 304, 1, 0 },
    { "m65_n257_k384", 65, 257, 384, 1, 0 },
    { "m129_n65_k160", 129, 65, 160, 0, 0 },
    { "m9_n5_k1008", 9, 5, 1008, 0, 0 },
    { "k0", 5, 19, 0, 1, 0 },
    { "misaligned", 19, 37, 192, 1, 1 },
};

static const struct kq_shape gemv_shapes[] = {
    { "m1_n1_k1", 1, 1, 1, 0, 0 },
    { "m1_n17_k15", 1, 17, 15, 1, 0 },
    { "m1_n200_k128", 1, 200, 128, 0, 0 },
    { "m1_n129_k255", 1, 129, 255, 1, 0 },
    { "m1_n70_k7168", 1, 70, 7168, 0, 0 },
    { "m3_n300_k300", 3, 300, 300, 1, 0 },
    { "m19_n23_k65", 19, 23, 65, 0, 0 },
    { "m1_n2_k70001", 1, 2, 70001, 0, 0 },
    { "m1_n70001_k3", 1, 70001, 3, 0, 0 },
    { "m9001_n2_k3", 9001, 2, 3, 0, 0 },
    { "k0", 2, 33, 0, 1, 0 },
    { "misaligned", 2, 37, 181, 1, 1 },
};

static void add_quantise(struct conf_list *list)
{
    static const char *const formats[] = { "f32", "pow2", "e8m0" };
    static const struct {
        const char *name;
        int64_t m, k;
        int odd, special;
    } shapes[] = {
        { "m1_k1", 1, 1, 0, 0 },
        { "m1_k128", 1, 128, 0, 0 },
        { "m3_k127", 3, 127, 0, 0 },
        { "m5_k129", 5, 129, 0, 0 },
        { "m2_k7168", 2, 7168, 0, 0 },
        { "m70001_k3", 70001, 3, 0, 0 },
        { "misaligned", 7, 333, 1, 0 },
        { "extremes", 24, 256, 0, 1 },
        { "extremes_ragged", 16, 300, 0, 1 },
    };

    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        for (int f = 0; f < 3; f++)
            for (int i = 0; i < KX_COUNT(shapes); i++) {
                struct quantise p = { kx_floats[d],  (halopScale)f,
                                      shapes[i].m,   shapes[i].k,
                                      shapes[i].odd, shapes[i].special };

                if ((d || f) && p.m > KX_GRID)
                    continue;
                kq_add(list, "kernels-fp8", run_quantise, &p, sizeof p,
                       "fp8_quantise.%s_%s.%s", conf_dtype_name(p.in),
                       formats[f], shapes[i].name);
            }
}

static void add_tuned(struct conf_list *list)
{
    struct product p = { .way = "fp8_gemm:tuned" };

    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        for (int i = 0; i < KX_COUNT(tuned_shapes); i++) {
            p.out = kx_floats[d];
            p.s = tuned_shapes[i];
            kq_add(list, "kernels-fp8", run_product, &p, sizeof p,
                   "fp8_gemm_tuned.%s.%s", conf_dtype_name(p.out), p.s.name);
        }
    p.out = halF32;
    p.s = (struct kq_shape){ "", 20, 300, 300, 0, 0 };
    p.special = KQ_EXTREME;
    kq_add(list, "kernels-fp8", run_product, &p, sizeof p,
           "fp8_gemm_tuned.f32.extremes");
    p.special = KQ_SPOILED;
    kq_add(list, "kernels-fp8", run_product, &p, sizeof p,
           "fp8_gemm_tuned.f32.spoiled");
}

void kq_cases_fp8(struct conf_list *list)
{
    static const struct {
        const char *name;
        int64_t n, k;
        int odd, codes;
    } shapes[] = {
        { "n1_k1", 1, 1, 0, 0 },         { "n128_k128", 128, 128, 0, 0 },
        { "n129_k127", 129, 127, 0, 0 }, { "n200_k300", 200, 300, 0, 0 },
        { "n1_k7168", 1, 7168, 0, 0 },   { "n70001_k1", 70001, 1, 0, 0 },
        { "all_codes", 3, 256, 0, 1 },   { "misaligned", 131, 45, 1, 0 },
    };

    add_quantise(list);
    add_tuned(list);
    for (int d = 0; d < KX_COUNT(kx_floats); d++) {
        const char *dtype = conf_dtype_name(kx_floats[d]);

        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct dequantise p = { kx_floats[d], shapes[i].n, shapes[i].k,
                                    shapes[i].odd, shapes[i].codes };

            if (d && p.n > KX_GRID)
                continue;
            kq_add(list, "kernels-fp8", run_dequantise, &p, sizeof p,
                   "fp8_dequantise.%s.%s", dtype, shapes[i].name);
        }
        for (int i = 0; i < KX_COUNT(gemm_shapes); i++) {
            struct product p = { kx_floats[d], gemm_shapes[i], 0, KQ_RANDOM,
                                 NULL };

            kq_add(list, "kernels-fp8", run_product, &p, sizeof p,
                   "fp8_gemm.%s.%s", dtype, p.s.name);
        }
        for (int i = 0; i < KX_COUNT(gemv_shapes); i++) {
            struct product p = { kx_floats[d], gemv_shapes[i], 1, KQ_RANDOM,
                                 NULL };

            if (d && p.s.n > KX_GRID)
                continue;
            kq_add(list, "kernels-fp8", run_product, &p, sizeof p,
                   "fp8_gemv.%s.%s", dtype, p.s.name);
        }
    }
    for (int i = 0; i < 4; i++) {
        struct product p = { halF32,
                             { "", i % 2 ? 8 : 20, 300, 300, 0, 0 },
                             i % 2,
                             i < 2 ? KQ_EXTREME : KQ_SPOILED,
                             NULL };

        kq_add(list, "kernels-fp8", run_product, &p, sizeof p, "%s.f32.%s",
               i % 2 ? "fp8_gemv" : "fp8_gemm", i < 2 ? "extremes" : "spoiled");
    }
    kq_add(list, "kernels-fp8", refuse, NULL, 0, "refuse.fp8");
}
