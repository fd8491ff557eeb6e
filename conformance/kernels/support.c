/* SPDX-License-Identifier: Apache-2.0 */
/* support.c - what the kernel cases share (cases.h), and their family. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conformance/families.h"
#include "conformance/kernels/cases.h"

const halDtype kx_floats[3] = { halF32, halBF16, halF16 };

void conf_cases_kernels(struct conf_list *list,
                        const struct conf_options *options)
{
    (void)options;
    kx_cases_embedding(list);
    kx_cases_rmsnorm(list);
    kx_cases_rope(list);
    kx_cases_softmax(list);
    kx_cases_elements(list);
    kx_cases_cast(list);
    kx_cases_gemm(list);
    kx_cases_attention(list);
    kx_cases_argmax(list);
    kx_cases_copy(list);
    kx_cases_refusals(list);
    kx_cases_quant(list);
    kx_cases_router(list);
    kx_cases_moe(list);
    kx_cases_moe_quant(list);
    kx_cases_widths(list);
    kx_cases_moe_refusals(list);
    kx_cases_paged(list);
    kx_cases_kv_append(list);
    kx_cases_paged_refusals(list);
    kx_cases_mla_fp8(list);
    kx_cases_sample(list);
    kx_cases_speculate(list);
    kx_cases_mtp(list);
    kx_cases_meta(list);
}

void kx_add(struct conf_list *list, halDtype dtype, const char *extra,
            void (*run)(struct conf *c), const void *param, size_t param_bytes,
            const char *format, ...)
{
#define LEVELS(level)                                    \
    {                                                    \
        level, level " core", level " moe", level " mla" \
    }
    static const char *const levels[][4] = {
        [halF32] = LEVELS("kernels-f32"),
        [halBF16] = LEVELS("kernels-bf16"),
        [halF16] = LEVELS("kernels-f16"),
    };
#undef LEVELS
    static const char *const extras[4] = { "", " core", " moe", " mla" };
    int which = 0;
    char name[128] = "kernel.";
    struct conf_case cc = { .name = name, .run = run, .param = param };
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(name + 7, sizeof name - 7, format, ap);
    va_end(ap);
    for (int i = 0; i < 4; i++)
        if (strcmp(extra, extras[i]) == 0)
            which = i;
    cc.levels = levels[dtype][which];
    conf_list_add(list, &cc, param_bytes);
}

/* ---- tensors ---------------------------------------------------------- */

void kx_need(struct conf *c, halDtype dtype)
{
    if (dtype != halF32 && !(conf_prop(c)->dtypes >> dtype & 1))
        conf_end(c, CONF_UNSUPPORTED, "the device stores no %s",
                 conf_dtype_name(dtype));
}

double *kx_doubles(struct conf *c, int64_t n)
{
    return conf_host(c, (size_t)(n > 0 ? n : 1) * sizeof(double));
}

struct kx_tensor kx_input(struct conf *c, halDtype dtype, double *val,
                          int64_t n, int odd)
{
    size_t bytes = conf_dtype_bytes(dtype);
    void *host = conf_host(c, (size_t)(n > 0 ? n : 1) * bytes);
    struct kx_tensor t = { .dtype = dtype, .n = n, .val = val };

    kx_need(c, dtype);
    for (int64_t i = 0; i < n; i++) {
        conf_encode(dtype, host, i, val[i]);
        val[i] = conf_decode(dtype, host, i);
    }
    t.buf = conf_upload(c, host, (size_t)n * bytes, (size_t)odd * bytes);
    return t;
}

struct kx_tensor kx_normal(struct conf *c, halDtype dtype, int64_t n,
                           double size, int odd)
{
    double *val = kx_doubles(c, n);

    for (int64_t i = 0; i < n; i++)
        val[i] = size * conf_normal(c);
    return kx_input(c, dtype, val, n, odd);
}

struct kx_tensor kx_output(struct conf *c, halDtype dtype, int64_t n, int odd)
{
    size_t bytes = conf_dtype_bytes(dtype);
    struct kx_tensor t = { .dtype = dtype, .n = n };

    t.buf = conf_alloc(c, (size_t)n * bytes, (size_t)odd * bytes);
    return t;
}

struct kx_tensor kx_in_place(struct conf *c, const struct kx_tensor *from,
                             int odd)
{
    struct kx_tensor t = kx_output(c, from->dtype, from->n, odd);

    t.val = from->val;
    CONF_OK(c, halMemcpy(t.buf.mem, from->buf.mem, t.buf.size,
                         halMemcpyDeviceToDevice));
    return t;
}

void *kx_fetch(struct conf *c, const struct kx_tensor *t)
{
    void *host = conf_host(c, t->buf.size ? t->buf.size : 1);

    CONF_OK(c, halStreamSynchronize(NULL));
    conf_download(c, host, &t->buf);
    conf_check_zones(c, &t->buf);
    return host;
}

/* ---- judging ---------------------------------------------------------- */

struct conf_bound kx_bound(halDtype dtype, double terms)
{
    struct conf_bound b = conf_bound_of(dtype, terms);

    /* One reduction's error moves its whole row, so the errors of a row's
     * elements do not average out. */
    b.rel_l2 = conf_bound_of(dtype, 0).rel_l2 + terms * KX_U32;
    return b;
}

static double norm(const double *v, int64_t n)
{
    double squares = 0;

    for (int64_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            squares += v[i] * v[i];
    return sqrt(squares);
}

struct conf_bound kx_bound_sum(halDtype dtype, double factor, const double *mag,
                               const double *want, int64_t n)
{
    struct conf_bound b = conf_bound_of(dtype, dtype == halF32 ? 1 : 0);
    double size = norm(want, n);

    b.sum = factor * KX_U32;
    /* Where everything cancels, the norm says nothing beyond the elements. */
    b.rel_l2 += size > 0 ? b.sum * norm(mag, n) / size : 1;
    return b;
}

void kx_expect(struct conf *c, const char *what, const struct kx_tensor *t,
               const double *want, const double *mag, int64_t rows, int64_t n,
               const struct conf_bound *bound)
{
    conf_compare(c, what, t->dtype, kx_fetch(c, t), want, mag, rows, n, bound);
}

void kx_expect_exact(struct conf *c, const char *what,
                     const struct kx_tensor *t, const double *want)
{
    size_t bytes = conf_dtype_bytes(t->dtype);
    const char *got = kx_fetch(c, t);

    for (int64_t i = 0; i < t->n; i++) {
        double g = conf_decode(t->dtype, got, i);
        uint64_t bits = 0;

        if (isnan(want[i]) && isnan(g))
            continue;
        conf_encode(t->dtype, &bits, 0, want[i]);
        if (memcmp(&bits, got + (size_t)i * bytes, bytes) != 0)
            conf_check(c, 0, "%s[%lld]: got %.9g, want exactly %.9g", what,
                       (long long)i, g, conf_decode(t->dtype, &bits, 0));
    }
    conf_check(c, 1, "%s", what);
}

void kx_way_begin(struct conf *c, const char *way)
{
    if (way)
        CONF_OK(c, halopSelect(way));
}

void kx_way_end(struct conf *c, const char *way, halError_t st)
{
    if (way)
        CONF_OK(c, halopSelect(NULL)); /* first: the process has other cases */
    if (way && st == halErrorNotSupported)
        conf_end(c, CONF_UNSUPPORTED, "%s", halGetErrorDetail());
    CONF_OK(c, st);
}

void kx_intact(struct conf *c, const struct kx_tensor *t)
{
    conf_check_zones(c, &t->buf);
}

/* ---- refusals --------------------------------------------------------- */

void *kx_snapshot(struct conf *c, const struct conf_buf *b)
{
    void *host = conf_host(c, b->size);

    conf_download(c, host, b);
    return host;
}

void kx_untouched(struct conf *c, const struct conf_buf *b,
                  const void *snapshot)
{
    void *now = conf_host(c, b->size);

    CONF_OK(c, halStreamSynchronize(NULL));
    conf_download(c, now, b);
    conf_check(c, memcmp(now, snapshot, b->size) == 0,
               "a call that failed has written its output");
    conf_check_zones(c, b);
}

struct kx_bench kx_bench(struct conf *c)
{
    struct kx_bench b;

    b.in = conf_alloc(c, 8192, 0);
    b.out = conf_alloc(c, 8192, 0);
    b.before = kx_snapshot(c, &b.out);
    return b;
}

void kx_bench_finish(struct conf *c, struct kx_bench *b)
{
    kx_untouched(c, &b->out, b->before);
    conf_check_zones(c, &b->in);
}

void *kx_at(const struct conf_buf *b, size_t bytes)
{
    return (char *)b->mem + bytes;
}
