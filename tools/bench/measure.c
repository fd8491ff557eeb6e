/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure.c - the measuring itself: how many calls make a sample, alternating
 * pairs, medians and ranges.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/bench/bench.h"

#define PAIRS_MAX 501u
/* A sample must be long against the clock, and short against the slices in
 * which the system shares out its processors (about 4 ms): then other load
 * spoils some of many samples, not a part of each, and the median sees none. */
static const struct {
    double sample_s;
    double total_s; /* after which a case with enough pairs ends */
    unsigned n_pairs_min, n_pairs_max;
} plans[] = {
    { 0.0005, 0.4, 21, PAIRS_MAX }, { 0.0002, 0.1, 11, 101 }, /* --quick */
};
#define CALLS_MAX (1u << 22)

static char failure[512];

double bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void bench_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(failure, sizeof failure, format, args);
    va_end(args);
}

const char *bench_failure(void)
{
    return failure;
}

int bench_hal_ok(halError_t st)
{
    if (st == halSuccess)
        return 0;
    bench_fail("%s: %s", halGetErrorName(st), halGetErrorDetail());
    return -1;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

double bench_median(double *values, unsigned n)
{
    qsort(values, n, sizeof *values, by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double bench_sample(bench_fn *fn, void *ctx, unsigned calls, unsigned settle_ms)
{
    struct timespec pause = { .tv_sec = 0,
                              .tv_nsec = (long)settle_ms * 1000000 };
    double start;

    if (settle_ms) {
        nanosleep(&pause, NULL);
        if (fn(ctx, 1) != 0) /* sleeping threads awake, caches warm */
            return -1;
    }
    start = bench_now();
    if (fn(ctx, calls) != 0)
        return -1;
    return bench_now() - start;
}

unsigned bench_calibrate(bench_fn *fn, void *ctx, double target_s)
{
    unsigned calls = 1;

    if (bench_sample(fn, ctx, 1, 0) < 0)
        return 0;
    for (;;) {
        double s = 0;

        /* The best of three: one that was interrupted says nothing. */
        for (unsigned i = 0; i < 3; i++) {
            double one = bench_sample(fn, ctx, calls, 0);

            if (one < 0)
                return 0;
            if (!i || one < s)
                s = one;
            if (one > 20 * target_s) /* long anyhow */
                break;
        }
        if (s >= target_s || calls >= CALLS_MAX)
            return calls;
        calls *= s > 0 && target_s / s < 8 ? 2 : 8;
    }
}

static double in_unit(const struct bench_case *bc, double seconds)
{
    return bc->unit == BENCH_TIME ? seconds : bc->work / seconds;
}

/* How `x` reads: "12.3 us", "4.56 GB/s". */
static void spell(char *text, size_t size, enum bench_unit unit, double x)
{
    if (unit == BENCH_BYTES)
        snprintf(text, size, "%.3g GB/s", x * 1e-9);
    else if (unit == BENCH_FLOPS)
        snprintf(text, size, "%.4g GFLOP/s", x * 1e-9);
    else if (x < 1e-3)
        snprintf(text, size, "%.3g us", x * 1e6);
    else
        snprintf(text, size, "%.4g ms", x * 1e3);
}

static bool goal_met(const struct bench_result *r)
{
    return r->unit == BENCH_TIME ? r->ratio <= r->goal : r->ratio >= r->goal;
}

static void print_result(const struct bench_result *r)
{
    char hal[32], raw[32], goal[48] = "";

    spell(hal, sizeof hal, r->unit, r->hal);
    spell(raw, sizeof raw, r->unit, r->raw);
    if (r->goal > 0)
        snprintf(goal, sizeof goal, "  goal %s %.2f: %s",
                 r->unit == BENCH_TIME ? "<=" : ">=", r->goal,
                 goal_met(r) ? "met" : "MISSED");
    printf("%-7s %-10s %-24s %13s  %s %s\n", r->section, r->device, r->name,
           hal, r->raw_name, raw);
    printf("%-43s x%.3g (8 of 10: %.3g..%.3g of %u pairs; best x%.3g)%s\n", "",
           r->ratio, r->p10, r->p90, r->n_pairs, r->best, goal);
    fflush(stdout);
}

static void keep_result(struct bench *b, const struct bench_result *r)
{
    void *more = realloc(b->results, (b->n_results + 1) * sizeof *r);

    if (!more)
        return;
    b->results = more;
    b->results[b->n_results++] = *r;
}

/* Fills hal[], raw[] (seconds a call) and ratio[]; how many, or 0. */
static unsigned take_pairs(const struct bench_case *bc, bool quick,
                           unsigned hal_calls, unsigned raw_calls, double *hal,
                           double *raw, double *ratio)
{
    double start = bench_now();
    unsigned i;

    for (i = 0; i < plans[quick].n_pairs_max; i++) {
        double a = 0, b = 0;

        for (unsigned half = 0; half < 2; half++) {
            bool is_hal = half == i % 2;

            if (is_hal)
                a = bench_sample(bc->hal, bc->hal_ctx, hal_calls,
                                 bc->settle_ms);
            else
                b = bench_sample(bc->raw, bc->raw_ctx, raw_calls,
                                 bc->settle_ms);
        }
        if (a < 0 || b < 0)
            return 0;
        hal[i] = a / hal_calls;
        raw[i] = b / raw_calls;
        ratio[i] = bc->unit == BENCH_TIME ? hal[i] / raw[i] : raw[i] / hal[i];
        if (i + 1 >= plans[quick].n_pairs_min &&
            bench_now() - start > plans[quick].total_s) {
            i++;
            break;
        }
    }
    return i;
}

void bench_run(struct bench *b, const struct bench_case *bc)
{
    double hal[PAIRS_MAX], raw[PAIRS_MAX], ratio[PAIRS_MAX];
    double target = plans[b->quick].sample_s;
    unsigned hal_calls = bench_calibrate(bc->hal, bc->hal_ctx, target);
    unsigned raw_calls =
        hal_calls ? bench_calibrate(bc->raw, bc->raw_ctx, target) : 0;
    unsigned n_pairs = raw_calls ? take_pairs(bc, b->quick, hal_calls,
                                              raw_calls, hal, raw, ratio)
                                 : 0;
    struct bench_result r = { .unit = bc->unit,
                              .goal = bc->goal,
                              .n_pairs = n_pairs,
                              .n_calls = hal_calls };

    if (!n_pairs) {
        bench_broken(b, bc->section, bc->device, bc->name);
        return;
    }
    snprintf(r.section, sizeof r.section, "%s", bc->section);
    snprintf(r.device, sizeof r.device, "%s", bc->device);
    snprintf(r.name, sizeof r.name, "%s", bc->name);
    snprintf(r.raw_name, sizeof r.raw_name, "%s", bc->raw_name);
    r.hal = in_unit(bc, bench_median(hal, n_pairs));
    r.raw = in_unit(bc, bench_median(raw, n_pairs));
    r.ratio = bench_median(ratio, n_pairs); /* sorts */
    r.low = ratio[0];
    r.high = ratio[n_pairs - 1];
    r.p10 = ratio[n_pairs / 10];
    r.p90 = ratio[n_pairs - 1 - n_pairs / 10];
    /* bench_median() sorted both */
    r.best = bc->unit == BENCH_TIME ? hal[0] / raw[0] : raw[0] / hal[0];
    print_result(&r);
    keep_result(b, &r);
}

void bench_note(const struct bench *b, const char *section, const char *device,
                const char *format, ...)
{
    va_list args;

    (void)b;
    printf("%-7s %-10s ", section, device);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
}

void bench_broken(struct bench *b, const char *section, const char *device,
                  const char *what)
{
    bench_note(b, section, device, "%s FAILED: %s", what, failure);
    b->n_failures++;
}

void bench_first(struct bench *b, const char *device, const char *name,
                 double seconds)
{
    void *more = realloc(b->firsts, (b->n_firsts + 1) * sizeof *b->firsts);
    struct bench_first *f;

    if (!more)
        return;
    b->firsts = more;
    f = &b->firsts[b->n_firsts++];
    memset(f, 0, sizeof *f);
    snprintf(f->device, sizeof f->device, "%s", device);
    snprintf(f->name, sizeof f->name, "%s", name);
    f->ms = seconds * 1e3;
}
