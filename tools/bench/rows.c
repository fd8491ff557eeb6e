/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.c - one row of `halcyon bench kernels`: first call, several sets of
 * operands so that caches are cold, samples in turns with the row's probe.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/kernels.h"

/* A model touches each of its weights once a token.  So successive calls take
 * successive sets, until these together fill the caches twice. */
#define SETS_MAX 16u

#define PAIRS_MAX 101u
static const struct {
    double sample_s, total_s;
    unsigned n_min;
} plans[] = { { 0.0005, 0.2, 7 }, { 0.0002, 0.02, 3 } /* --quick */ };

/* A call as long as this is a sample; rows of such calls end with a few. */
#define LONG_S     0.1
#define LONG_N_MIN 3u

struct sets {
    struct bench_set set[SETS_MAX];
    unsigned n, next;
};

static int run_sets(void *ctx, unsigned calls)
{
    struct sets *s = ctx;

    for (unsigned i = 0; i < calls; i++) {
        const struct bench_set *set = &s->set[s->next];
        halError_t st = set->row->run(set);

        if (st != halSuccess)
            return bench_hal_ok(st);
        s->next = (s->next + 1) % s->n;
    }
    return bench_hal_ok(halStreamSynchronize(NULL));
}

/* The first set and the first call; 0, -1, or 1: the device cannot. */
static int first_call(struct sets *s, const struct bench_row *row,
                      const int64_t *dims, struct bench_figure *out)
{
    double start;
    halError_t st;

    s->n = 1;
    if (bench_set_open(&s->set[0], row, dims) != 0 ||
        bench_hal_ok(halDeviceSynchronize()))
        return -1;
    start = bench_now();
    st = row->run(&s->set[0]);
    if (bench_hal_ok(st))
        return st == halErrorNotSupported || st == halErrorNoImageForDevice
                   ? 1
                   : -1;
    if (bench_hal_ok(halStreamSynchronize(NULL)))
        return -1;
    out->first_s = bench_now() - start;
    return 0;
}

static void more_sets(struct sets *s, const struct bench_row *row,
                      const int64_t *dims, double cold_bytes)
{
    double each = s->set[0].footprint;

    while (s->n < SETS_MAX && each * s->n < cold_bytes) {
        /* With less memory, fewer sets: warmer caches, but a figure. */
        if (bench_set_open(&s->set[s->n], row, dims) != 0) {
            bench_set_close(&s->set[s->n]);
            break;
        }
        s->n++;
    }
}

/* Calls that make a sample, or 0. */
static unsigned calls_of(struct sets *s, bool quick, double first_s)
{
    if (first_s > LONG_S) { /* or it was the compiler */
        double again = bench_sample(run_sets, s, 1, 0);

        if (again < 0)
            return 0;
        if (again > LONG_S)
            return 1;
    }
    return bench_calibrate(run_sets, s, plans[quick].sample_s);
}

/* Fills seconds of one call, and shares if there is a probe; how many, or 0. */
static unsigned take_pairs(struct sets *s, const struct bench_probe *probe,
                           double probe_s, bool quick, unsigned calls,
                           double *times, double *shares, double *out_best)
{
    double best = 0;
    double start = bench_now();
    unsigned n = 0;

    while (n < PAIRS_MAX) {
        double a = 0, b = 0, spent;

        for (unsigned half = 0; half < 2; half++) {
            if (half == n % 2)
                a = bench_sample(run_sets, s, calls, 0);
            else if (probe)
                b = bench_sample(probe->fn, probe->ctx, probe->n_calls, 0);
        }
        if (a <= 0 || b < 0)
            return 0;
        times[n] = a / calls;
        /* probe_s: this row's least at one call of the probe a second */
        shares[n] = probe ? b / probe->n_calls * probe_s / times[n] : 0;
        if (probe && (!n || b < best))
            best = b;
        n++;
        spent = bench_now() - start;
        if ((n >= plans[quick].n_min && spent > plans[quick].total_s) ||
            (n >= LONG_N_MIN && spent > 10 * LONG_S))
            break;
    }
    /* Still by the row's least; over the row's best it is a share. */
    *out_best = probe ? best / probe->n_calls * probe_s : 0;
    return n;
}

void bench_row_shape(const struct bench_row *row, const int64_t *dims,
                     char *text, size_t size)
{
    const char *name = row->names;
    size_t at = 0;

    text[0] = 0;
    for (unsigned i = 0; i < BENCH_DIMS && *name && at < size; i++) {
        int n = (int)strcspn(name, " ");

        at += (size_t)snprintf(text + at, size - at, "%s%.*s=%lld",
                               i ? " " : "", n, name, (long long)dims[i]);
        name += n + (name[n] == ' ');
    }
}

static int measure(struct sets *s, const struct bench_row *row,
                   const int64_t *dims, const struct bench_roofline *roof,
                   bool quick, struct bench_figure *out)
{
    double times[PAIRS_MAX], shares[PAIRS_MAX], least, per_call = 0, best = 0;
    const struct bench_probe *probe = NULL;
    int st = first_call(s, row, dims, out);
    unsigned n;

    if (st != 0)
        return st;
    more_sets(s, row, dims, roof->cold_bytes);
    out->read = s->set[0].read;
    out->written = s->set[0].written;
    out->flops = s->set[0].flops;
    least = bench_roofline_least(roof, &s->set[0], &out->bound);
    if (least > 0) {
        probe = &roof->probes[out->bound];
        per_call = least * probe->rate.median / probe->work;
    }
    out->n_calls = calls_of(s, quick, out->first_s);
    if (!out->n_calls)
        return -1;
    n = take_pairs(s, probe, per_call, quick, out->n_calls, times, shares,
                   &best);
    if (!n)
        return -1;
    out->n_samples = n;
    out->time = bench_spread_of(times, n);
    out->best_s = times[0]; /* sorted */
    out->has_share = probe != NULL;
    if (probe)
        out->share = bench_spread_of(shares, n);
    out->share_best = best / out->best_s;
    return 0;
}

int bench_row_measure(const struct bench_row *row, const int64_t *dims,
                      const struct bench_roofline *roof, bool quick,
                      struct bench_figure *out)
{
    struct sets *s = calloc(1, sizeof *s);
    int st;

    memset(out, 0, sizeof *out);
    out->row = row;
    bench_row_shape(row, dims, out->shape, sizeof out->shape);
    if (!s) {
        bench_fail("out of host memory");
        return -1;
    }
    st = measure(s, row, dims, roof, quick, out);
    for (unsigned i = 0; i < s->n; i++)
        bench_set_close(&s->set[i]);
    free(s);
    return st;
}
