/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample.c - kernel.topk.* and kernel.sample.*.
 *
 * A token is right if u lies in its share of the cumulative probability, within
 * what the weights' rounding moves; where every weight is a power of two it
 * must be the very token.  same_everywhere holds devices to one list.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/cases.h"
#include "conformance/oracles/sample.h"

/* ---- top-k --------------------------------------------------------------- */

enum fill { NORMAL, TIES, EQUAL, SPECIAL, RISING };

struct top {
    const char *name;
    int64_t rows, n, k;
    enum fill fill;
    int no_values, odd;
};

struct top_param {
    halDtype dtype;
    struct top s;
};

static const struct top tops[] = {
    { "one", 1, 1, 1, NORMAL, 0, 0 },
    { "primes", 13, 101, 7, NORMAL, 0, 0 },
    { "n15_all", 3, 15, 15, NORMAL, 0, 0 },
    { "n16", 3, 16, 4, RISING, 0, 0 },
    { "n17", 3, 17, 5, RISING, 0, 0 },
    { "n63_k63", 2, 63, 63, TIES, 0, 0 },
    { "n65_k64", 2, 65, 64, TIES, 0, 0 },
    { "k256", 2, 1000, 256, NORMAL, 0, 0 },
    { "ties", 9, 700, 33, TIES, 0, 0 },
    { "equal", 3, 257, 100, EQUAL, 0, 0 },
    { "n256_k256", 2, 256, 256, TIES, 0, 0 },
    { "special", 4, 90, 20, SPECIAL, 0, 0 },
    { "special_n700", 4, 700, 90, SPECIAL, 0, 0 },
    { "vocab", 2, 129280, 8, NORMAL, 0, 0 },
    { "vocab_ties", 1, 129280, 256, TIES, 0, 0 },
    { "rows70001", 70001, 3, 2, NORMAL, 1, 0 },
    { "misaligned", 5, 37, 6, NORMAL, 0, 1 },
};

static double number(struct conf *c, enum fill fill, int64_t i)
{
    switch (fill) {
    case NORMAL:
        return conf_normal(c);
    case TIES:
        return (double)(conf_random(c) % 5) - 2;
    case EQUAL:
        return i % 2 ? 0.0 : -0.0;
    case SPECIAL:
        return i % 11 == 7   ? NAN
               : i % 13 == 5 ? -INFINITY
               : i % 17 == 2 ? INFINITY
                             : conf_normal(c);
    case RISING:
        return (double)i;
    }
    return 0;
}

static void run_top(struct conf *c)
{
    const struct top_param *p = conf_param(c);
    const struct top *s = &p->s;
    int64_t all = s->rows * s->n, some = s->rows * s->k;
    double *val = kx_doubles(c, all), *want = kx_doubles(c, some);
    double *want_at = kx_doubles(c, some);
    int32_t *at = conf_host(c, (size_t)some * 4);
    struct kx_tensor x, values = kx_output(c, p->dtype, some, s->odd);
    struct kx_tensor indices = kx_output(c, halI32, some, s->odd);

    for (int64_t i = 0; i < all; i++)
        val[i] = number(c, s->fill, i % s->n);
    x = kx_input(c, p->dtype, val, all, s->odd);
    CONF_OK(c,
            halopTopK(p->dtype, s->no_values ? NULL : values.buf.mem,
                      indices.buf.mem, x.buf.mem, s->rows, s->n, s->k, NULL));
    oracle_topk(want, at, x.val, s->rows, s->n, s->k);
    for (int64_t i = 0; i < some; i++)
        want_at[i] = at[i];
    kx_expect_exact(c, "indices", &indices, want_at);
    if (!s->no_values)
        kx_expect_exact(c, "values", &values, want);
    kx_intact(c, &x);
}

/* ---- sampling ------------------------------------------------------------ */

enum {
    POWERS = 1, /* weights are powers of two: exact */
    LEVELS = 2, /* few different logits */
    HOLES = 4,  /* NaN and -inf */
    NOTHING = 8,
    ODD = 16,
    ODD_PAST = 32, /* ids of the past outside the vocabulary */
    BELOW_0 = 64,  /* negative logits, which a penalty multiplies */
};

struct draw {
    const char *name;
    int64_t rows, vocab, n_past, top_k;
    double penalty, temperature, top_p, min_p;
    unsigned flags;
};

struct draw_param {
    halDtype dtype;
    struct draw s;
};

static const struct draw draws[] = {
    { "one", 3, 1, 0, 0, 0, 1, 0, 0, 0 },
    { "plain", 40, 33, 0, 0, 0, 1, 0, 0, 0 },
    { "v15", 9, 15, 0, 0, 0, 1, 0, 0, 0 },
    { "v16", 9, 16, 0, 0, 0, 1, 0, 0, 0 },
    { "v17", 9, 17, 0, 0, 0, 1, 0, 0, 0 },
    { "hot", 20, 257, 0, 0, 0, 5, 0, 0, 0 },
    { "cold", 20, 257, 0, 0, 0, 0.05, 0, 0, 0 },
    { "greedy", 20, 101, 5, 0, 1.3, 0, 0, 0, LEVELS },
    { "top_k", 20, 130, 0, 9, 0, 1, 0, 0, 0 },
    { "top_k_beyond", 5, 30, 0, 100, 0, 1, 0, 0, 0 },
    { "top_k_ties", 20, 130, 0, 9, 0, 1, 0, 0, LEVELS },
    { "top_p", 20, 130, 0, 0, 0, 1, 0.8, 0, 0 },
    { "top_p_tiny", 20, 130, 0, 0, 0, 1, 1e-9, 0, 0 },
    { "min_p", 20, 130, 0, 0, 0, 1, 0, 0.1, 0 },
    { "penalty", 20, 60, 30, 0, 1.4, 1, 0, 0, ODD_PAST },
    { "penalty_below_1", 20, 60, 30, 0, 0.7, 1, 0, 0, 0 },
    { "penalty_negative", 20, 60, 30, 0, 1.4, 1, 0, 0, BELOW_0 },
    { "chain", 40, 500, 40, 50, 1.1, 0.6, 0.95, 0.02, 0 },
    { "powers", 64, 100, 0, 0, 0, 1.44269504, 0, 0, POWERS },
    { "powers_top_p", 64, 100, 0, 0, 0, 1.44269504, 0.7, 0, POWERS },
    { "holes", 20, 77, 0, 0, 0, 1, 0.9, 0, HOLES },
    { "nothing", 3, 77, 0, 5, 0, 1, 0.9, 0, NOTHING },
    { "vocab", 3, 129280, 0, 0, 0, 1, 0, 0, 0 },
    { "vocab_r1", 3, 129280, 100, 0, 0, 0.6, 0.95, 0, 0 },
    { "vocab_chain", 2, 152064, 50, 1000, 1.2, 1, 0.9, 0.001, 0 },
    { "rows70001", 70001, 4, 0, 0, 0, 1, 0, 0, 0 },
    { "misaligned", 9, 61, 7, 20, 1.2, 1, 0.9, 0, ODD },
};

static double logit(struct conf *c, const struct draw *s, int64_t i)
{
    if (s->flags & NOTHING)
        return i % 2 ? NAN : -INFINITY;
    if (s->flags & HOLES && i % 3 == 1)
        return i % 2 ? NAN : -INFINITY;
    if (s->flags & POWERS)
        return (double)(conf_random(c) % 12);
    if (s->flags & LEVELS)
        return (double)(conf_random(c) % 7) / 2;
    if (s->flags & BELOW_0)
        return -1 - fabs(conf_normal(c));
    return 3 * conf_normal(c);
}

static void judge_row(struct conf *c, const struct draw *s, int64_t row,
                      struct oracle_sample *want, double u, int32_t token,
                      int32_t kept)
{
    double before = 0, slack = s->flags & POWERS ? 0x1p-40 : 0x1p-20;

    oracle_sample(want);
    if (!(s->temperature > 0) || want->kept == 0) {
        int64_t best = want->kept || !(s->flags & NOTHING) ? want->greedy : 0;

        conf_check(c, token == best, "row %lld: got token %d, want %lld",
                   (long long)row, (int)token, (long long)best);
        return;
    }
    conf_check(c, token >= 0 && token < s->vocab, "row %lld: token %d",
               (long long)row, (int)token);
    /* what hangs on less than rounding is not judged */
    if (!(s->flags & POWERS) && want->margin < 0x1p-20)
        return;
    conf_check(c, kept == want->kept, "row %lld: %d tokens left, want %lld",
               (long long)row, (int)kept, (long long)want->kept);
    for (int64_t i = 0; i < token; i++)
        before += want->p[i];
    conf_check(c, want->p[token] > 0, "row %lld: token %d was not left",
               (long long)row, (int)token);
    conf_check(c, u >= before - slack && u < before + want->p[token] + slack,
               "row %lld: u is %.9g, token %d has %.9g..%.9g", (long long)row,
               u, (int)token, before, before + want->p[token]);
}

static int32_t *make_past(struct conf *c, const struct draw *s)
{
    int64_t n = s->rows * s->n_past;
    int32_t *past = conf_host(c, (size_t)(n + 1) * sizeof *past);

    for (int64_t i = 0; i < n; i++) {
        past[i] = (int32_t)(conf_random(c) % (uint64_t)s->vocab);
        if (s->flags & ODD_PAST && i % 4 == 1)
            past[i] = i % 8 == 1 ? -1 : (int32_t)s->vocab;
    }
    return past;
}

static void run_draw(struct conf *c)
{
    const struct draw_param *p = conf_param(c);
    const struct draw *s = &p->s;
    int odd = s->flags & ODD ? 1 : 0;
    int64_t n = s->rows * s->vocab;
    double *val = kx_doubles(c, n), *u = kx_doubles(c, s->rows);
    double *p_left = kx_doubles(c, s->vocab);
    int32_t *past = make_past(c, s);
    struct conf_buf dev_past =
        conf_upload(c, past, (size_t)(s->rows * s->n_past) * 4, 0);
    struct kx_tensor logits, uniform;
    struct kx_tensor token = kx_output(c, halI32, s->rows, odd);
    struct kx_tensor kept = kx_output(c, halI32, s->rows, odd);
    const int32_t *got, *left;

    for (int64_t i = 0; i < n; i++)
        val[i] = logit(c, s, i % s->vocab);
    for (int64_t r = 0; r < s->rows; r++)
        u[r] = r == 0 ? 0 : r == 1 ? 0x1.fffffep-1 : conf_uniform(c, 0, 1);
    logits = kx_input(c, p->dtype, val, n, odd);
    uniform = kx_input(c, halF32, u, s->rows, odd);
    for (int64_t r = 0; r < s->rows; r++)
        u[r] = fmin(uniform.val[r], 0x1.fffffffep-1);
    struct halopSampleArgs args = {
        .dtype = p->dtype,
        .logits = logits.buf.mem,
        .token = token.buf.mem,
        .kept = kept.buf.mem,
        .uniform = uniform.buf.mem,
        .past = s->n_past ? dev_past.mem : NULL,
        .rows = s->rows,
        .vocab = s->vocab,
        .n_past = s->n_past,
        .top_k = s->top_k,
        .repetition_penalty = (float)s->penalty,
        .temperature = (float)s->temperature,
        .top_p = (float)s->top_p,
        .min_p = (float)s->min_p,
    };
    CONF_OK(c, halopSample(&args, NULL));
    got = kx_fetch(c, &token);
    left = kx_fetch(c, &kept);
    for (int64_t r = 0; r < s->rows; r++) {
        struct oracle_sample want = {
            .logits = logits.val + r * s->vocab,
            .past = past + r * s->n_past,
            .vocab = s->vocab,
            .n_past = s->penalty > 0 ? s->n_past : 0,
            .top_k = s->top_k,
            .penalty = (double)args.repetition_penalty,
            .temperature = (double)args.temperature,
            .top_p = (double)args.top_p,
            .min_p = (double)args.min_p,
            .p = p_left,
        };

        judge_row(c, s, r, &want, u[r], got[r], left[r]);
    }
    kx_intact(c, &logits);
}

/* ---- the generator ------------------------------------------------------- */

/* Equal logits over 4096 tokens: the token is the word's upper 12 bits. */
static void run_philox(struct conf *c)
{
    enum { ROWS = 5, VOCAB = 4096 };
    static const uint64_t seeds[] = { 0, 1, 0x123456789abcdef0 };
    static const uint64_t counters[] = { 0, 7, 0xfedcba9876543210 };
    struct kx_tensor token = kx_output(c, halI32, ROWS, 0);
    struct kx_tensor logits =
        kx_input(c, halF32, kx_doubles(c, ROWS * VOCAB), ROWS * VOCAB, 0);
    const uint32_t zero[4] = { 0 }, known[4] = { 0x6627e8d5, 0xe169c58d,
                                                 0xbc57ac4c, 0x9b00dbd8 };
    uint32_t word[4];

    oracle_philox(word, zero, zero); /* the paper's known answer */
    conf_check(c, memcmp(word, known, 16) == 0, "the oracle is wrong");
    for (int s = 0; s < 3; s++)
        for (int n = 0; n < 3; n++) {
            const uint32_t key[2] = { (uint32_t)seeds[s],
                                      (uint32_t)(seeds[s] >> 32) };
            struct halopSampleArgs args = {
                .dtype = halF32,
                .logits = logits.buf.mem,
                .token = token.buf.mem,
                .rows = ROWS,
                .vocab = VOCAB,
                .temperature = 1,
                .seed = seeds[s],
                .counter = counters[n],
            };
            const int32_t *got;

            CONF_OK(c, halopSample(&args, NULL));
            got = kx_fetch(c, &token);
            for (uint32_t r = 0; r < ROWS; r++) {
                const uint32_t at[4] = { (uint32_t)counters[n],
                                         (uint32_t)(counters[n] >> 32), r, 0 };

                oracle_philox(word, at, key);
                conf_check(c, got[r] == (int32_t)(word[0] >> 20),
                           "row %u: got token %d, want %u", r, (int)got[r],
                           word[0] >> 20);
            }
        }
}

/* Logits of its own generator, whatever the run's seed: the tokens' digest is
 * the same number on every device. */
/* What the first device gave; the others have to agree. */
#define SAME_DIGEST 0x4f394729fad27e7eu

static void run_same(struct conf *c)
{
    enum { ROWS = 256, VOCAB = 1500 };
    struct kx_tensor token = kx_output(c, halI32, ROWS, 0), logits;
    double *val = kx_doubles(c, ROWS * VOCAB);
    uint64_t state = 42, digest = 14695981039346656037u;

    for (int i = 0; i < ROWS * VOCAB; i++) {
        double sum = 0;

        for (int j = 0; j < 4; j++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(state >> 40) * 0x1p-24 - 0.5;
        }
        val[i] = 6 * sum;
    }
    logits = kx_input(c, halF32, val, ROWS * VOCAB, 0);
    for (int way = 0; way < 4; way++) {
        struct halopSampleArgs args = {
            .dtype = halF32,
            .logits = logits.buf.mem,
            .token = token.buf.mem,
            .rows = ROWS,
            .vocab = VOCAB,
            .temperature = way == 3 ? 3.0f : 0.9f,
            .top_k = way == 1 ? 40 : 0,
            .top_p = way == 2 ? 0.9f : 0,
            .seed = 2026,
            .counter = (uint64_t)way,
        };
        const int32_t *got;

        CONF_OK(c, halopSample(&args, NULL));
        got = kx_fetch(c, &token);
        for (int r = 0; r < ROWS; r++)
            digest = (digest ^ (uint64_t)got[r]) * 1099511628211u;
    }
    conf_check(c, digest == SAME_DIGEST,
               "the tokens' digest is %016llx; on every device it is %016llx",
               (unsigned long long)digest, (unsigned long long)SAME_DIGEST);
}

/* ---- refusals ------------------------------------------------------------ */

static void refuse_top(struct conf *c)
{
    struct conf_buf in = conf_alloc(c, 4096, 0), out = conf_alloc(c, 4096, 0);
    void *before = kx_snapshot(c, &out), *v = out.mem;
    int32_t *at = (int32_t *)((char *)out.mem + 2048);
    const halError_t bad = halErrorInvalidValue;

    CONF_FAILS(c, bad, halopTopK(halF32, v, NULL, in.mem, 2, 16, 3, NULL));
    CONF_FAILS(c, bad, halopTopK(halF32, v, at, NULL, 2, 16, 3, NULL));
    CONF_FAILS(c, bad, halopTopK(halF32, v, at, in.mem, -2, 16, 3, NULL));
    CONF_FAILS(c, bad, halopTopK(halF32, v, at, in.mem, 2, 0, 3, NULL));
    CONF_FAILS(c, bad, halopTopK(halF32, v, at, in.mem, 2, 16, 0, NULL));
    CONF_FAILS(c, bad, halopTopK(halF32, v, at, in.mem, 2, 16, 17, NULL));
    CONF_FAILS(c, bad, halopTopK(halF32, v, at, in.mem, 2, 500, 257, NULL));
    CONF_FAILS(c, bad, halopTopK(halF32, v, at, in.mem, 1 << 20, 16, 3, NULL));
    CONF_FAILS(c, bad, halopTopK(halF32, v, v, in.mem, 2, 16, 3, NULL));
    CONF_FAILS(c, bad, halopTopK(halF32, v, at, at, 2, 16, 3, NULL));
    CONF_FAILS(c, bad,
               halopTopK(halF32, v, at, (char *)in.mem + 1, 2, 16, 3, NULL));
    CONF_FAILS(c, halErrorNotSupported,
               halopTopK(halI32, v, at, in.mem, 2, 16, 3, NULL));
    CONF_OK(c, halopTopK(halF32, v, at, in.mem, 0, 16, 3, NULL));
    kx_untouched(c, &out, before);
    conf_check_zones(c, &in);
}

static void refuse_draw(struct conf *c)
{
    struct conf_buf in = conf_alloc(c, 4096, 0), out = conf_alloc(c, 4096, 0);
    void *before = kx_snapshot(c, &out);
    struct halopSampleArgs good = {
        .dtype = halF32,
        .logits = in.mem,
        .token = out.mem,
        .kept = (int32_t *)((char *)out.mem + 2048),
        .uniform = in.mem,
        .past = in.mem,
        .rows = 4,
        .vocab = 16,
        .n_past = 3,
        .top_k = 5,
        .repetition_penalty = 1.1f,
        .temperature = 1,
        .top_p = 0.9f,
    }, bad;

#define WITH(error, field, value)                      \
    do {                                               \
        bad = good;                                    \
        bad.field = (value);                           \
        CONF_FAILS(c, error, halopSample(&bad, NULL)); \
    } while (0)
#define BAD(field, value) WITH(halErrorInvalidValue, field, value)
    BAD(logits, NULL);
    BAD(token, NULL);
    BAD(past, NULL);
    BAD(rows, -1);
    BAD(rows, 1 << 20);
    BAD(vocab, 0);
    BAD(vocab, 1 << 18);
    BAD(n_past, -1);
    BAD(n_past, 1 << 20);
    BAD(top_k, -1);
    BAD(temperature, -1);
    BAD(temperature, NAN);
    BAD(temperature, INFINITY);
    BAD(top_p, 1.5f);
    BAD(top_p, -0.5f);
    BAD(min_p, NAN);
    BAD(min_p, 2);
    BAD(repetition_penalty, -1);
    BAD(kept, out.mem);
    BAD(token, in.mem);
    BAD(logits, (char *)in.mem + 2);
    BAD(uniform, (const float *)((char *)in.mem + 1));
    WITH(halErrorNotSupported, dtype, halI32);
#undef BAD
#undef WITH
    CONF_FAILS(c, halErrorInvalidValue, halopSample(NULL, NULL));
    bad = good;
    bad.rows = 0;
    CONF_OK(c, halopSample(&bad, NULL));
    kx_untouched(c, &out, before);
    conf_check_zones(c, &in);
}

void kx_cases_sample(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(kx_floats); d++) {
        const char *dtype = conf_dtype_name(kx_floats[d]);

        for (int i = 0; i < KX_COUNT(tops); i++) {
            struct top_param p = { kx_floats[d], tops[i] };

            if (d && p.s.rows > KX_GRID)
                continue;
            kx_add(list, p.dtype, "", run_top, &p, sizeof p, "topk.%s.%s",
                   dtype, p.s.name);
        }
        for (int i = 0; i < KX_COUNT(draws); i++) {
            struct draw_param p = { kx_floats[d], draws[i] };

            if (d && p.s.rows > KX_GRID)
                continue;
            kx_add(list, p.dtype, "", run_draw, &p, sizeof p, "sample.%s.%s",
                   dtype, p.s.name);
        }
    }
    kx_add(list, halF32, "", run_philox, NULL, 0, "sample.f32.philox");
    kx_add(list, halF32, "", run_same, NULL, 0, "sample.f32.same_everywhere");
    kx_add(list, halF32, "", refuse_top, NULL, 0, "refuse.topk");
    kx_add(list, halF32, "", refuse_draw, NULL, 0, "refuse.sample");
}
