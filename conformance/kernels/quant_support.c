/* SPDX-License-Identifier: Apache-2.0 */
/* quant_support.c - what the cases of quantised operators share (quant.h). */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conformance/kernels/quant.h"

void kx_cases_quant(struct conf_list *list)
{
    kq_cases_cast(list);
    kq_cases_fp8(list);
    kq_cases_int8(list);
    kq_cases_swiglu(list);
    kq_cases_gguf(list);
    kq_cases_int4(list);
}

void kq_add(struct conf_list *list, const char *level,
            void (*run)(struct conf *c), const void *param, size_t param_bytes,
            const char *format, ...)
{
    char name[128] = "kernel.";
    struct conf_case cc = {
        .name = name, .run = run, .param = param, .levels = level
    };
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(name + 7, sizeof name - 7, format, ap);
    va_end(ap);
    conf_list_add(list, &cc, param_bytes);
}

struct kx_tensor kq_codes(struct conf *c, halDtype dtype, const void *codes,
                          int64_t n, int odd)
{
    size_t bytes = conf_dtype_bytes(dtype);
    struct kx_tensor t = { .dtype = dtype, .n = n, .val = kx_doubles(c, n) };

    kx_need(c, dtype);
    for (int64_t i = 0; i < n; i++)
        t.val[i] = conf_decode(dtype, codes, i);
    t.buf = conf_upload(c, codes, (size_t)n * bytes, (size_t)odd * bytes);
    return t;
}

struct kx_tensor kq_random(struct conf *c, halDtype dtype, int64_t n, int odd)
{
    uint8_t *codes = conf_host(c, (size_t)(n > 0 ? n : 1));

    for (int64_t i = 0; i < n; i++)
        do
            codes[i] = (uint8_t)(conf_random(c) >> 32);
        while (!isfinite(conf_decode(dtype, codes, i)));
    return kq_codes(c, dtype, codes, n, odd);
}

void kq_judge(struct conf *c, const struct kx_tensor *y, const double *want,
              const double *mag, int64_t m, int64_t n, int64_t k,
              double extra_terms)
{
    struct conf_bound bound = kx_bound_sum(
        y->dtype, 8 + extra_terms + sqrt((double)k), mag, want, m * n);

    kx_expect(c, "y", y, want, mag, m, n, &bound);
}

struct kx_tensor kq_extreme_rows(struct conf *c, halDtype dtype, int64_t m,
                                 int64_t k)
{
    double *x = kx_doubles(c, m * k);
    double huge = dtype == halF16 ? 0x1p14 : 0x1p66;
    double tiny = dtype == halF16 ? 0x1p-24 : 0x1p-90;

    for (int64_t i = 0; i < m * k; i++) {
        int64_t at = i % k;

        x[i] = conf_normal(c);
        switch (i / k % 8) {
        case 1:
            x[i] = at == k - 3 ? NAN : x[i];
            break;
        case 2:
            x[i] = at == k / 2 ? INFINITY : x[i];
            break;
        case 3:
            x[i] = at % 2 ? -0.0 : 0;
            break;
        case 4:
            x[i] = (at % 2 ? -huge : huge) * (double)(1 + at / 2 % 2);
            break;
        case 5:
            x[i] = tiny * (double)(at % 7);
            break;
        case 6:
            x[i] = at == 1 ? -INFINITY : at == k - 1 ? INFINITY : x[i];
            break;
        case 7:
            x[i] = at == k - 2 ? huge : x[i];
            break;
        }
    }
    return kx_input(c, dtype, x, m * k, 0);
}

struct kx_tensor kq_scales(struct conf *c, halDtype dtype, int64_t n,
                           double size, enum kq_special special, int odd)
{
    static const double numbers[2][4] = {
        { 0, 0x1p-24, 65504, -65504 }, /* f16's least and largest */
        { 0, 0x1p-60, 0x1p30, -0x1p30 },
    };
    static const double none[] = { NAN, INFINITY, -INFINITY };
    double *val = kx_doubles(c, n);

    for (int64_t i = 0; i < n; i++) {
        val[i] = size * conf_normal(c);
        if (special == KQ_EXTREME && i % 4 == 1)
            val[i] = numbers[dtype == halF32][i / 4 % 4];
    }
    for (int64_t i = 0; special == KQ_SPOILED && i < 3; i++)
        val[(1 + i * 5) % n] = none[i];
    return kx_input(c, dtype, val, n, odd);
}

void kq_judge_as(struct conf *c, enum kq_special special,
                 const struct kx_tensor *y, double *want, double *mag,
                 int64_t m, int64_t n, int64_t k, double extra_terms)
{
    const void *got = kx_fetch(c, y);
    int64_t spoiled = 0;

    for (int64_t i = 0; i < m * n; i++) {
        double v = conf_decode(y->dtype, got, i);

        if (isfinite(want[i]) || special != KQ_SPOILED)
            continue;
        conf_check(c, !isfinite(v),
                   "y[%lld]: got %.9g for a scale that is no number",
                   (long long)i, v);
        want[i] = v;
        mag[i] = 0;
        spoiled++;
    }
    conf_check(c, special != KQ_SPOILED || (spoiled > 0 && spoiled < m * n),
               "%lld of %lld are spoiled", (long long)spoiled,
               (long long)(m * n));
    kq_judge(c, y, want, mag, m, n, k, extra_terms);
}
