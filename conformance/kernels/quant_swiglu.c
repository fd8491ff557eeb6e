/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant_swiglu.c - kernel.fp8_swiglu.* and kernel.int8_swiglu.*: swiglu fused
 * with the quantisation of its result.  Each is judged twice: equal bit for bit
 * to the two operators in f32, and by the double-precision result, so that an
 * error which both ways share is seen.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/quant.h"

struct param {
    halDtype in;
    int int8;          /* else fp8 */
    halopScale format; /* of fp8 */
    int64_t m, k;
    int odd, special;
};

struct data {
    struct kx_tensor gate, up;           /* as `in` */
    struct kx_tensor wide_gate, wide_up; /* the same numbers in f32 */
    double *h, *slack; /* the product, and how far f32 may be from it */
};

/* What moves scales and codes: rows of nothing, tiny and large products, NaN,
 * an infinity, exp(-gate) that overflows. */
static void special_rows(double *gate, double *up, int64_t m, int64_t k)
{
    for (int64_t i = 0; i < m * k; i++) {
        int64_t r = i / k % 8, j = i % k;

        if (r == 0)
            up[i] = 0;
        else if (r == 1)
            up[i] = ldexp(up[i], -20);
        else if (r == 2)
            gate[i] = j % 128 == 77 ? NAN : gate[i];
        else if (r == 3)
            up[i] = j % 128 == 3 ? -INFINITY : up[i];
        else if (r == 4)
            gate[i] = j % 3 ? -89 - fabs(gate[i]) : gate[i];
        else if (r == 5)
            gate[i] = 40 + (double)(j % 50); /* sigmoid is 1 */
        else if (r == 6)
            up[i] = j % 128 == 1 ? 30000 : up[i];
    }
}

static struct data make(struct conf *c, const struct param *p)
{
    int64_t n = p->m * p->k;
    double *gate = kx_doubles(c, n), *up = kx_doubles(c, n);
    struct data d = { .h = kx_doubles(c, n), .slack = kx_doubles(c, n) };

    for (int64_t i = 0; i < n; i++) {
        gate[i] = 3 * conf_normal(c);
        up[i] = conf_normal(c) * (1 + (double)(i / 128 % 5));
    }
    if (p->special)
        special_rows(gate, up, p->m, p->k);
    d.gate = kx_input(c, p->in, gate, n, p->odd);
    d.up = kx_input(c, p->in, up, n, p->odd);
    d.wide_gate = kx_input(c, halF32, d.gate.val, n, 0);
    d.wide_up = kx_input(c, halF32, d.up.val, n, 0);
    oracle_swiglu(d.h, d.gate.val, d.up.val, n);
    for (int64_t i = 0; i < n; i++) {
        double size = fabs(d.h[i]) * (17 + 4 * fabs(d.gate.val[i])) * KX_U32;

        /* as kernel.swiglu has it where exp(-gate) overflows */
        d.slack[i] = (isfinite(size) ? size : 0) + 0x1p-121 * 30000;
    }
    return d;
}

/* ---- equal to the two operators ---------------------------------------- */

static halError_t quantise(const struct param *p, const struct kx_tensor *h,
                           struct kx_tensor *q, struct kx_tensor *s)
{
    return p->int8 ? halopQuantiseI8(halF32, q->buf.mem, s->buf.mem, h->buf.mem,
                                     NULL, p->m, p->k, NULL)
                   : halopQuantiseFp8(halF32, q->buf.mem, s->buf.mem, p->format,
                                      h->buf.mem, p->m, p->k, NULL);
}

static void same_bits(struct conf *c, const char *what,
                      const struct kx_tensor *got, const struct kx_tensor *want)
{
    const uint8_t *a = kx_fetch(c, got), *b = kx_fetch(c, want);
    size_t bytes = conf_dtype_bytes(got->dtype);

    for (int64_t i = 0; i < got->n; i++)
        conf_check(
            c, memcmp(a + (size_t)i * bytes, b + (size_t)i * bytes, bytes) == 0,
            "%s[%lld]: %.9g, by the two operators %.9g", what, (long long)i,
            conf_decode(got->dtype, a, i), conf_decode(got->dtype, b, i));
}

/* ---- near the truth ----------------------------------------------------- */

/* Scales of h less and plus its slack: f32's must lie between. */
static void judge_scales(struct conf *c, const struct param *p,
                         const struct data *d, const double *scale,
                         int64_t n_scales)
{
    int64_t n = p->m * p->k;
    double *low = kx_doubles(c, n_scales), *high = kx_doubles(c, n_scales);
    double *h = kx_doubles(c, n);
    int exact = !p->int8 && p->format != halopScaleF32;

    for (int side = 0; side < 2; side++) {
        double *to = side ? high : low;

        for (int64_t i = 0; i < n; i++)
            h[i] = side ? fabs(d->h[i]) + d->slack[i]
                        : fmax(fabs(d->h[i]) - d->slack[i], 0);
        for (int64_t i = 0; i < n; i++) /* fmax drops a NaN */
            h[i] = isnan(d->h[i]) ? NAN : h[i];
        if (p->int8)
            oracle_int8_scales(to, h, p->m, p->k);
        else
            oracle_fp8_scales(to, h, p->m, p->k, exact);
    }
    for (int64_t i = 0; i < n_scales; i++) {
        double more = exact ? 0 : 4 * KX_U32 * high[i];

        /* of a row that is nearly nothing the int8 scale may be 1 */
        conf_check(c,
                   (scale[i] >= fmin(low[i], high[i]) - more &&
                    scale[i] <= fmax(low[i], high[i]) + more),
                   "scale[%lld]: want %.9g..%.9g, got %.9g", (long long)i,
                   low[i], high[i], scale[i]);
    }
}

/* The code of h over the stored scale, or of one that lies within the slack. */
static int code_fits(const struct param *p, const void *codes, int64_t i,
                     double h, double slack, double scale)
{
    halDtype dtype = p->int8 ? halI8 : halE4M3;
    double got = conf_decode(dtype, codes, i), t = h / scale;
    double off = isinf(t) ? 0 : slack / scale + fabs(t) * 4 * KX_U32;
    uint8_t low, high;

    if (isnan(t))
        return p->int8 ? got == 0 : isnan(got);
    if (p->int8)
        return got >= nearbyint(fmax(fmin(t - off, 127), -127)) &&
               got <= nearbyint(fmax(fmin(t + off, 127), -127));
    conf_encode(halE4M3, &low, 0, t - off);
    conf_encode(halE4M3, &high, 0, t + off);
    return got >= conf_decode(halE4M3, &low, 0) &&
           got <= conf_decode(halE4M3, &high, 0);
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    int64_t n = p->m * p->k, blocks = p->int8 ? 1 : (p->k + 127) / 128;
    int64_t width = p->int8 ? p->k : 128, n_scales = p->m * blocks;
    int bytes = !p->int8 && p->format == halopScaleE8M0;
    halDtype code = p->int8 ? halI8 : halU8, type = bytes ? halU8 : halF32;
    struct data d = make(c, p);
    struct kx_tensor q = kx_output(c, code, n, p->odd), q2, s2, h;
    struct kx_tensor s = kx_output(c, type, n_scales, p->odd);
    double *scale = kx_doubles(c, n_scales);
    const void *codes, *scales;

    q2 = kx_output(c, code, n, 0);
    s2 = kx_output(c, type, n_scales, 0);
    h = kx_output(c, halF32, n, 0);
    CONF_OK(c, p->int8 ? halopSwiGLUQuantiseI8(p->in, q.buf.mem, s.buf.mem,
                                               d.gate.buf.mem, d.up.buf.mem,
                                               p->m, p->k, NULL)
                       : halopSwiGLUQuantiseFp8(
                             p->in, q.buf.mem, s.buf.mem, p->format,
                             d.gate.buf.mem, d.up.buf.mem, p->m, p->k, NULL));
    CONF_OK(c, halopSwiGLU(halF32, h.buf.mem, d.wide_gate.buf.mem,
                           d.wide_up.buf.mem, n, NULL));
    CONF_OK(c, quantise(p, &h, &q2, &s2));
    same_bits(c, "scale", &s, &s2);
    same_bits(c, "q", &q, &q2);

    scales = kx_fetch(c, &s);
    for (int64_t i = 0; i < n_scales; i++)
        scale[i] = bytes ? ldexp(1, ((const uint8_t *)scales)[i] - 127)
                         : conf_decode(halF32, scales, i);
    judge_scales(c, p, &d, scale, n_scales);
    codes = kx_fetch(c, &q);
    for (int64_t i = 0; i < n; i++) {
        double over = scale[i / p->k * blocks + i % p->k / width];

        conf_check(c, code_fits(p, codes, i, d.h[i], d.slack[i], over),
                   "q[%lld] is %.9g for %.9g over %.9g", (long long)i,
                   conf_decode(p->int8 ? halI8 : halE4M3, codes, i), d.h[i],
                   over);
    }
    kx_intact(c, &d.gate);
    kx_intact(c, &d.up);
}

/* ---- refusals ----------------------------------------------------------- */

static void refuse_fp8(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    void *a = b.in.mem, *s = kx_at(&b.out, 4096);
    uint8_t *q = b.out.mem;

#define FP8(q_, s_, format, gate, up, m, k) \
    halopSwiGLUQuantiseFp8(halF32, q_, s_, format, gate, up, m, k, NULL)
    KQ_BAD(FP8(NULL, s, halopScaleF32, a, a, 2, 256));
    KQ_BAD(FP8(q, NULL, halopScaleF32, a, a, 2, 256));
    KQ_BAD(FP8(q, s, halopScaleF32, NULL, a, 2, 256));
    KQ_BAD(FP8(q, s, halopScaleF32, a, NULL, 2, 256));
    KQ_BAD(FP8(q, s, (halopScale)3, a, a, 2, 256));
    KQ_BAD(FP8(q, s, (halopScale)-1, a, a, 2, 256));
    KQ_BAD(FP8(q, s, halopScaleF32, a, a, -2, 256));
    KQ_BAD(FP8(q, s, halopScaleF32, a, a, 2, -256));
    KQ_BAD(FP8(q, s, halopScaleF32, a, a, 2, INT64_MAX));
    KQ_BAD(FP8(q, s, halopScaleF32, a, a, INT32_MAX, INT32_MAX));
    KQ_BAD(FP8(q, s, halopScaleF32, a, a, 33, 256)); /* beyond the inputs */
    KQ_BAD(FP8(q, q, halopScaleF32, a, a, 2, 256));
    KQ_BAD(FP8(q, s, halopScaleF32, q, a, 2, 256));
    KQ_BAD(FP8(q, s, halopScaleE8M0, a, s, 2, 256));
    KQ_BAD(FP8(q, (char *)s + 1, halopScalePow2, a, a, 2, 256));
    KQ_BAD(FP8(q, s, halopScaleF32, (char *)a + 2, a, 2, 256));
    KQ_BAD(FP8(q, s, halopScaleF32, a, (char *)a + 1, 2, 256));
    KQ_BAD(FP8(q, kx_at(&b.out, 8192 + 4096 - 4), halopScaleF32, a, a, 2, 256));
    KQ_DTYPE(halopSwiGLUQuantiseFp8(halE4M3, q, s, halopScaleF32, a, a, 2, 256,
                                    NULL));
    KQ_DTYPE(halopSwiGLUQuantiseFp8((halDtype)99, q, s, halopScaleF32, a, a, 2,
                                    256, NULL));
    CONF_OK(c, FP8(q, s, halopScaleF32, a, a, 0, 256));
    CONF_OK(c, FP8(q, s, halopScaleF32, a, a, 2, 0));
#undef FP8
    kx_bench_finish(c, &b);
}

static void refuse_int8(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    void *a = b.in.mem;
    float *s = kx_at(&b.out, 4096);
    int8_t *q = b.out.mem;

#define INT8(q_, s_, gate, up, m, k) \
    halopSwiGLUQuantiseI8(halF32, q_, s_, gate, up, m, k, NULL)
    KQ_BAD(INT8(NULL, s, a, a, 2, 256));
    KQ_BAD(INT8(q, NULL, a, a, 2, 256));
    KQ_BAD(INT8(q, s, NULL, a, 2, 256));
    KQ_BAD(INT8(q, s, a, NULL, 2, 256));
    KQ_BAD(INT8(q, s, a, a, -2, 256));
    KQ_BAD(INT8(q, s, a, a, 2, INT64_MIN));
    KQ_BAD(INT8(q, s, a, a, INT32_MAX, 4));
    KQ_BAD(INT8(q, s, a, a, 33, 256));
    KQ_BAD(INT8(q, (float *)(void *)q, a, a, 2, 256));
    KQ_BAD(INT8(q, s, s, a, 2, 256));
    KQ_BAD(INT8(q, s, a, q, 2, 256));
    KQ_BAD(INT8(q, kx_at(&b.out, 4098), a, a, 2, 256));
    KQ_BAD(INT8(q, s, a, (char *)a + 3, 2, 256));
    KQ_DTYPE(halopSwiGLUQuantiseI8(halI8, q, s, a, a, 2, 256, NULL));
    CONF_OK(c, INT8(q, s, a, a, 0, 256));
    CONF_OK(c, INT8(q, s, a, a, 2, 0));
#undef INT8
    kx_bench_finish(c, &b);
}

/* ---- the list ----------------------------------------------------------- */

void kq_cases_swiglu(struct conf_list *list)
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
        { "m3_k2048", 3, 2048, 0, 0 },
        { "m2_k2049", 2, 2049, 0, 0 },
        { "m1_k18432", 1, 18432, 0, 0 },
        { "m70001_k3", 70001, 3, 0, 0 },
        { "misaligned", 7, 333, 1, 0 },
        { "extremes", 16, 256, 0, 1 },
        { "extremes_long", 8, 4099, 0, 1 },
    };

    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        for (int f = 0; f < 4; f++)
            for (int i = 0; i < KX_COUNT(shapes); i++) {
                struct param p = {
                    .in = kx_floats[d],
                    .int8 = f == 3,
                    .format = f < 3 ? (halopScale)f : halopScaleF32,
                    .m = shapes[i].m,
                    .k = shapes[i].k,
                    .odd = shapes[i].odd,
                    .special = shapes[i].special,
                };
                const char *dtype = conf_dtype_name(p.in);

                if ((d || f % 3) && p.m > KX_GRID)
                    continue;
                if (p.int8)
                    kq_add(list, "kernels-int8", run, &p, sizeof p,
                           "int8_swiglu.%s.%s", dtype, shapes[i].name);
                else
                    kq_add(list, "kernels-fp8", run, &p, sizeof p,
                           "fp8_swiglu.%s_%s.%s", dtype, formats[f],
                           shapes[i].name);
            }
    kq_add(list, "kernels-fp8", refuse_fp8, NULL, 0, "refuse.fp8_swiglu");
    kq_add(list, "kernels-int8", refuse_int8, NULL, 0, "refuse.int8_swiglu");
}
