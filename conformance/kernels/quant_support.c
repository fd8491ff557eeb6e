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
