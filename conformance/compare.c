/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.c - two-part acceptance of a result: every element within its bound
 * and the whole within an aggregate.  What is not comparable (NaN) is never
 * within: each test is written so that NaN falls on the failing side.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "conformance/case.h"

/* An accidental run of this many bytes of poison has a chance of 2^-32. */
#define POISON_RUN_BYTES 8

/* From here on a value of the format rounds to infinity (halfway between the
 * largest finite value and the next that the exponent range lacks). */
static double overflow_from(halDtype dtype)
{
    switch (dtype) {
    case halF32:
        return 0x1.ffffffp127;
    case halBF16:
        return 0x1.ffp127;
    case halF16:
        return 65520.0;
    case halE5M2:
        return 61440.0;
    case halF64:
    case halI8:
    case halU8:
    case halI16:
    case halU16:
    case halI32:
    case halU32:
    case halI64:
    case halU64:
    case halE4M3:
    case halDtypeCount:
        break;
    }
    return HUGE_VAL; /* no infinity, or none that a double does not have */
}

/* One comparison in progress. */
struct scan {
    halDtype dtype;
    const uint8_t *got;
    const uint8_t *poison;
    const double *want, *mag;
    int64_t rows, n;
    const struct conf_bound *bound;
    size_t element;
    double overflow;

    int64_t bad;          /* elements outside their bound */
    int64_t first, worst; /* of these, -1: none */
    double worst_of;      /* the worst error over its bound */
    int64_t unwritten;    /* first element of a run of poison, -1: none */
    int64_t n_poison;     /* elements that hold poison */
    double err2, want2;   /* sums of squares */
    int64_t finite;       /* elements in these sums */
};

static double bound_at(const struct scan *s, int64_t i, double row_max)
{
    const struct conf_bound *b = s->bound;
    double limit = b->abs + b->rel * fabs(s->want[i]) + b->row * row_max;

    return s->mag ? limit + b->sum * s->mag[i] : limit;
}

static double row_max_of(const double *want, int64_t n)
{
    double max = 0;

    for (int64_t i = 0; i < n; i++)
        if (isfinite(want[i]) && fabs(want[i]) > max)
            max = fabs(want[i]);
    return max;
}

/* A NaN or an infinity on one side only: nothing can make up for it, in the
 * aggregate neither. */
static double out_of_reach(struct scan *s)
{
    s->err2 = HUGE_VAL;
    return HUGE_VAL;
}

/* The error over its bound: within when <= 1; 0/0 is 0. */
static double use_of_bound(struct scan *s, int64_t i, double row_max)
{
    double want = s->want[i];
    double got = conf_decode(s->dtype, s->got, i);
    double limit, error;

    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : out_of_reach(s);
    if (isinf(want))
        return want == got ? 0 : out_of_reach(s);
    limit = bound_at(s, i, row_max);
    if (isinf(got))
        /* Right only where the wanted value rounds to infinity as well. */
        return signbit(got) == signbit(want) &&
                       fabs(want) + limit >= s->overflow
                   ? 0
                   : out_of_reach(s);
    error = fabs(got - want);
    s->err2 += error * error;
    s->want2 += want * want;
    s->finite++;
    if (error == 0 && limit >= 0)
        return 0;
    return limit > 0 ? error / limit : HUGE_VAL;
}

static void scan_elements(struct scan *s)
{
    int64_t run = 0;

    for (int64_t r = 0; r < s->rows; r++) {
        double row_max =
            s->bound->row != 0 ? row_max_of(s->want + r * s->n, s->n) : 0;

        for (int64_t i = r * s->n; i < (r + 1) * s->n; i++) {
            double use = use_of_bound(s, i, row_max);
            size_t at = (size_t)i * s->element;

            if (s->worst < 0 || !(use <= s->worst_of)) {
                s->worst = i;
                s->worst_of = use;
            }
            if (!(use <= 1)) {
                if (s->bad++ == 0)
                    s->first = i;
            }
            if (!s->poison || memcmp(s->got + at, s->poison + at, s->element)) {
                run = 0;
                continue;
            }
            s->n_poison++;
            run++;
            if (s->unwritten < 0 &&
                (size_t)run * s->element >= POISON_RUN_BYTES)
                s->unwritten = i - run + 1;
        }
    }
}

/* ---- words ------------------------------------------------------------- */

/* "element 37 (row 2, col 5): want 1.25, got 0, off by 1.25, bound 0.001" */
static int describe(const struct scan *s, int64_t i, char *text, size_t room)
{
    int64_t row = i / s->n;
    double want = s->want[i];
    double got = conf_decode(s->dtype, s->got, i);
    double row_max =
        s->bound->row != 0 ? row_max_of(s->want + row * s->n, s->n) : 0;
    size_t at = (size_t)i * s->element;
    int poison = s->poison && !memcmp(s->got + at, s->poison + at, s->element);

    return snprintf(text, room,
                    "element %lld (row %lld, col %lld): want %.9g, got %.9g, "
                    "off by %.3g, bound %.3g%s",
                    (long long)i, (long long)row, (long long)(i % s->n), want,
                    got, fabs(got - want), bound_at(s, i, row_max),
                    poison ? ", holds poison: never written" : "");
}

static void append(struct conf_difference *out, const char *text)
{
    size_t n = strlen(out->text);

    snprintf(out->text + n, sizeof out->text - n, "%s", text);
}

static void explain(const struct scan *s, struct conf_difference *out,
                    const char *what, int aggregate_ok)
{
    char text[256];

    snprintf(out->text, sizeof out->text, "%s (%s, %lld x %lld): ", what,
             conf_dtype_name(s->dtype), (long long)s->rows, (long long)s->n);
    if (s->bad) {
        snprintf(text, sizeof text, "%lld of %lld elements outside; first ",
                 (long long)s->bad, (long long)(s->rows * s->n));
        append(out, text);
        describe(s, s->first, text, sizeof text);
        append(out, text);
        if (s->worst != s->first) {
            append(out, "; worst ");
            describe(s, s->worst, text, sizeof text);
            append(out, text);
        }
        append(out, "; ");
    }
    if (s->unwritten >= 0) {
        snprintf(text, sizeof text,
                 "element never written: %lld hold poison, first %lld (row "
                 "%lld, col %lld); ",
                 (long long)s->n_poison, (long long)s->unwritten,
                 (long long)(s->unwritten / s->n),
                 (long long)(s->unwritten % s->n));
        append(out, text);
    }
    snprintf(text, sizeof text, "aggregate rel_l2 %.3g, bound %.3g%s",
             out->rel_l2, s->bound->rel_l2, aggregate_ok ? "" : ": outside");
    append(out, text);
    if (!s->bad && s->worst >= 0 && !aggregate_ok) {
        append(out, "; worst ");
        describe(s, s->worst, text, sizeof text);
        append(out, text);
    }
}

int conf_compare_with(struct conf_difference *out, const char *what,
                      halDtype dtype, const void *got, const double *want,
                      const double *mag, int64_t rows, int64_t n,
                      const struct conf_bound *bound, const uint8_t *poison)
{
    struct scan s = { .dtype = dtype,
                      .got = got,
                      .poison = poison,
                      .want = want,
                      .mag = mag,
                      .rows = rows,
                      .n = n,
                      .bound = bound,
                      .element = conf_dtype_bytes(dtype),
                      .overflow = overflow_from(dtype),
                      .first = -1,
                      .worst = -1,
                      .unwritten = -1 };
    double error, norm, limit;
    int aggregate_ok;

    memset(out, 0, sizeof *out);
    if (rows <= 0 || n <= 0)
        return 1;
    scan_elements(&s);
    error = sqrt(s.err2);
    norm = sqrt(s.want2);
    /* The floor of an element counts for the whole as well: a result that is
     * all zeros has no norm to be relative to. */
    limit = bound->rel_l2 * norm + bound->abs * sqrt((double)s.finite);
    aggregate_ok = error <= limit || error == 0;
    out->of_bound = s.worst_of;
    out->rel_l2 = error == 0 ? 0 : error / norm;
    if (s.bad == 0 && s.unwritten < 0 && aggregate_ok)
        return 1;
    explain(&s, out, what, aggregate_ok);
    return 0;
}

void conf_compare(struct conf *c, const char *what, halDtype dtype,
                  const void *got, const double *want, const double *mag,
                  int64_t rows, int64_t n, const struct conf_bound *bound)
{
    struct conf_difference d;
    char name[48];
    size_t size;
    int ok;

    if (rows < 0 || n < 0 ||
        __builtin_mul_overflow((size_t)rows, (size_t)n, &size) ||
        __builtin_mul_overflow(size, conf_dtype_bytes(dtype), &size))
        conf_end(c, CONF_ERROR, "conf_compare %s: %lld x %lld elements", what,
                 (long long)rows, (long long)n);
    if (size == 0)
        return; /* and no check: nothing was compared */
    ok = conf_compare_with(&d, what, dtype, got, want, mag, rows, n, bound,
                           conf_poison_of(c, got, size));
    snprintf(name, sizeof name, "%.36s.of_bound", what);
    conf_metric_max(c, name, d.of_bound);
    snprintf(name, sizeof name, "%.36s.rel_l2", what);
    conf_metric_max(c, name, d.rel_l2);
    conf_check(c, ok, "%s", d.text);
}
