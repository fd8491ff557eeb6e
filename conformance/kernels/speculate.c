/* SPDX-License-Identifier: Apache-2.0 */
/* speculate.c - kernel.speculate.*: which drafted tokens stay, and the next. */
#include <math.h>
#include <string.h>

#include "conformance/kernels/cases.h"
#include "conformance/oracles/sample.h"

enum {
    NO_DRAFT = 1, /* no logits of the draft */
    SAME = 2,     /* the draft's are target's */
    LEVELS = 4,   /* few different logits */
    HOLES = 8,    /* NaN and -inf */
    NOTHING = 16, /* nothing else */
    ODD_IDS = 32, /* outside the vocabulary, one of each four */
    LIKELY = 64,  /* drafted tokens are target's largest, but for some */
    ODD = 128,
};

struct shape {
    const char *name;
    int64_t batch, n_draft, vocab;
    double temperature;
    unsigned flags;
};

struct param {
    halDtype dtype;
    struct shape s;
};

static const struct shape shapes[] = {
    { "one", 3, 1, 1, 1, 0 },
    { "plain", 60, 1, 33, 1, 0 },
    { "n4", 40, 4, 50, 1, 0 },
    { "no_tokens", 9, 0, 50, 1, 0 },
    { "v255", 20, 2, 255, 1, 0 },
    { "v257", 20, 2, 257, 0.6, LIKELY },
    { "same", 30, 5, 100, 1, SAME },
    { "no_draft", 40, 3, 64, 1, NO_DRAFT | LIKELY },
    { "cold", 20, 3, 90, 0.05, LIKELY },
    { "hot", 20, 3, 90, 8, 0 },
    { "holes", 30, 3, 77, 1, HOLES },
    { "nothing", 3, 2, 40, 1, NOTHING },
    { "odd_ids", 30, 3, 40, 1, ODD_IDS },
    { "greedy", 40, 4, 101, 0, LEVELS | LIKELY },
    { "greedy_holes", 40, 4, 101, 0, HOLES | LIKELY },
    { "greedy_odd_ids", 12, 4, 33, 0, LIKELY | ODD_IDS },
    { "n256", 2, 256, 9, 1, SAME },
    { "vocab", 2, 2, 129280, 1, SAME },
    { "vocab_r1", 2, 1, 152064, 0.6, LIKELY },
    { "batch70001", 70001, 0, 3, 1, 0 },
    { "misaligned", 9, 2, 61, 1, ODD },
};

static double logit(struct conf *c, const struct shape *s, int64_t i)
{
    if (s->flags & NOTHING)
        return i % 2 ? NAN : -INFINITY;
    if (s->flags & HOLES && i % 3 == 1)
        return i % 2 ? NAN : -INFINITY;
    if (s->flags & LEVELS)
        return (double)(conf_random(c) % 7) / 2;
    return 3 * conf_normal(c);
}

static int64_t largest(const double *z, int64_t n)
{
    int64_t best = -1;

    for (int64_t i = 0; i < n; i++)
        if (!isnan(z[i]) && (best < 0 || z[i] > z[best]))
            best = i;
    return best < 0 ? 0 : best;
}

struct data {
    struct kx_tensor target, draft, uniform;
    struct conf_buf dev_ids;
    int32_t *ids;
    double *u;
};

static void make_ids(struct conf *c, const struct shape *s, struct data *d)
{
    int64_t n = s->batch * s->n_draft;

    d->ids = conf_host(c, (size_t)(n + 1) * sizeof *d->ids);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = i / s->n_draft * (s->n_draft + 1) + i % s->n_draft;

        d->ids[i] = (int32_t)(conf_random(c) % (uint64_t)s->vocab);
        if (s->flags & LIKELY && conf_random(c) % 5)
            d->ids[i] =
                (int32_t)largest(d->target.val + row * s->vocab, s->vocab);
        if (s->flags & ODD_IDS && i % 4 == 1)
            d->ids[i] = i % 8 == 1 ? -1 : (int32_t)s->vocab;
    }
    d->dev_ids = conf_upload(c, d->ids, (size_t)n * 4, 0);
}

static struct data make(struct conf *c, const struct param *p)
{
    const struct shape *s = &p->s;
    int64_t drafted = s->batch * s->n_draft, rows = drafted + s->batch;
    int odd = s->flags & ODD ? 1 : 0;
    double *t = kx_doubles(c, rows * s->vocab);
    double *q = kx_doubles(c, drafted * s->vocab);
    struct data d = { .u = kx_doubles(c, rows) };

    for (int64_t i = 0; i < rows * s->vocab; i++)
        t[i] = logit(c, s, i % s->vocab);
    for (int64_t i = 0; i < drafted * s->vocab; i++) {
        int64_t row = i / s->vocab;
        int64_t like = row / s->n_draft * (s->n_draft + 1) + row % s->n_draft;
        double v = t[like * s->vocab + i % s->vocab];

        /* near target's, so that some stay */
        q[i] = s->flags & SAME ? v : v + 0.7 * conf_normal(c);
    }
    for (int64_t i = 0; i < rows; i++)
        d.u[i] = i == 0 ? 0 : i == 1 ? 0x1.fffffep-1 : conf_uniform(c, 0, 1);
    d.target = kx_input(c, p->dtype, t, rows * s->vocab, odd);
    d.draft = kx_input(c, p->dtype, q, drafted * s->vocab, odd);
    d.uniform = kx_input(c, halF32, d.u, rows, odd);
    for (int64_t i = 0; i < rows; i++)
        d.u[i] = fmin(d.uniform.val[i], 0x1.fffffffep-1);
    make_ids(c, s, &d);
    return d;
}

/* A probability is off by Y 2^-23 of itself, Y below 46 (docs/numerics.md). */
#define NEAR 0x1p-16

static void judge(struct conf *c, int64_t b,
                  const struct oracle_speculate *want, double u,
                  int32_t accepted, int32_t token)
{
    double before = 0, slack = 0x1p-20 / want->mass;

    /* what hangs on less than rounding is not judged */
    if (want->margin < NEAR)
        return;
    conf_check(c, accepted == want->accepted,
               "sequence %lld: %d tokens stay, want %lld", (long long)b,
               (int)accepted, (long long)want->accepted);
    conf_check(c, token >= 0 && token < want->vocab, "sequence %lld: token %d",
               (long long)b, (int)token);
    if (!(want->mass > 0)) {
        conf_check(c, token == want->best,
                   "sequence %lld: got token %d, want %lld", (long long)b,
                   (int)token, (long long)want->best);
        return;
    }
    for (int64_t i = 0; i < token; i++)
        before += want->next[i];
    conf_check(c, u >= before - slack && u < before + want->next[token] + slack,
               "sequence %lld: u is %.9g, token %d has %.9g..%.9g",
               (long long)b, u, (int)token, before, before + want->next[token]);
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int odd = s->flags & ODD ? 1 : 0;
    struct data d = make(c, p);
    struct kx_tensor accepted = kx_output(c, halI32, s->batch, odd);
    struct kx_tensor token = kx_output(c, halI32, s->batch, odd);
    double *next = kx_doubles(c, s->vocab);
    struct halopSpeculativeVerifyArgs args = {
        .dtype = p->dtype,
        .accepted = accepted.buf.mem,
        .token = token.buf.mem,
        .target = d.target.buf.mem,
        .draft = s->flags & NO_DRAFT ? NULL : d.draft.buf.mem,
        .ids = d.dev_ids.mem,
        .uniform = d.uniform.buf.mem,
        .batch = s->batch,
        .n_draft = s->n_draft,
        .vocab = s->vocab,
        .temperature = (float)s->temperature,
    };
    const int32_t *stay, *got;

    CONF_OK(c, halopSpeculativeVerify(&args, NULL));
    stay = kx_fetch(c, &accepted);
    got = kx_fetch(c, &token);
    for (int64_t b = 0; b < s->batch; b++) {
        struct oracle_speculate want = {
            .target = d.target.val + b * (s->n_draft + 1) * s->vocab,
            .draft =
                args.draft ? d.draft.val + b * s->n_draft * s->vocab : NULL,
            .ids = d.ids + b * s->n_draft,
            .u = d.u + b * (s->n_draft + 1),
            .n_draft = s->n_draft,
            .vocab = s->vocab,
            .temperature = (double)args.temperature,
            .next = next,
        };

        oracle_speculate(&want);
        judge(c, b, &want, want.u[s->n_draft], stay[b], got[b]);
    }
    kx_intact(c, &d.target);
    kx_intact(c, &d.draft);
    conf_check_zones(c, &d.dev_ids);
}

/* ---- the generator ------------------------------------------------------- */

/* Equal logits over 16 tokens and a draft without logits: which stay and what
 * follows them comes from the words themselves. */
static void run_philox(struct conf *c)
{
    enum { BATCH = 64, DRAFT = 3, VOCAB = 16 };
    static const uint64_t seed = 0x123456789abcdef0, counter = 77;
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    struct kx_tensor accepted = kx_output(c, halI32, BATCH, 0);
    struct kx_tensor token = kx_output(c, halI32, BATCH, 0);
    int64_t rows = BATCH * (DRAFT + 1);
    struct kx_tensor target =
        kx_input(c, halF32, kx_doubles(c, rows * VOCAB), rows * VOCAB, 0);
    int32_t ids[BATCH * DRAFT];
    struct conf_buf dev;
    const int32_t *stay, *got;

    for (int i = 0; i < BATCH * DRAFT; i++)
        ids[i] = 3;
    dev = conf_upload(c, ids, sizeof ids, 0);
    struct halopSpeculativeVerifyArgs args = {
        .dtype = halF32,
        .accepted = accepted.buf.mem,
        .token = token.buf.mem,
        .target = target.buf.mem,
        .ids = dev.mem,
        .batch = BATCH,
        .n_draft = DRAFT,
        .vocab = VOCAB,
        .temperature = 1,
        .seed = seed,
        .counter = counter,
    };
    CONF_OK(c, halopSpeculativeVerify(&args, NULL));
    stay = kx_fetch(c, &accepted);
    got = kx_fetch(c, &token);
    for (uint32_t b = 0; b < BATCH; b++) {
        uint32_t word[4] = { 0 };
        int n = 0;
        int64_t want;

        for (uint32_t i = 0; i <= DRAFT; i++) {
            const uint32_t at[4] = { (uint32_t)counter, 0, b, i + 1 };

            oracle_philox(word, at, key);
            /* p is 1/16 and q 1 */
            if (i == DRAFT || word[0] > 1u << 28)
                break;
            n++;
        }
        const uint32_t at[4] = { (uint32_t)counter, 0, b, DRAFT + 1 };

        oracle_philox(word, at, key);
        want = (int64_t)word[0] * (n < DRAFT ? 15 : 16) >> 32;
        want += n < DRAFT && want >= 3;
        conf_check(c, stay[b] == n && got[b] == want,
                   "sequence %u: %d stay and then %d, want %d and %d", b,
                   (int)stay[b], (int)got[b], n, (int)want);
    }
}

/* What the first device gave; the others have to agree. */
#define SAME_DIGEST 0xfeb0e63e640bafd4u

/* Logits of its own generator, whatever the run's seed. */
static void run_same(struct conf *c)
{
    enum { BATCH = 64, DRAFT = 3, VOCAB = 700 };
    const int64_t rows = BATCH * (DRAFT + 1), drafted = BATCH * DRAFT;
    struct kx_tensor accepted = kx_output(c, halI32, BATCH, 0);
    struct kx_tensor token = kx_output(c, halI32, BATCH, 0), target, draft;
    double *t = kx_doubles(c, rows * VOCAB), *q = kx_doubles(c, rows * VOCAB);
    uint64_t state = 43, digest = 14695981039346656037u;
    int32_t ids[BATCH * DRAFT];
    struct conf_buf dev;

    for (int64_t i = 0; i < 2 * rows * VOCAB; i++) {
        double sum = 0;

        for (int j = 0; j < 4; j++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(state >> 40) * 0x1p-24 - 0.5;
        }
        if (i % 2)
            q[i / 2] = sum;
        else
            t[i / 2] = 6 * sum;
    }
    for (int64_t i = 0; i < drafted; i++) {
        const double *row = t + (i / DRAFT * (DRAFT + 1) + i % DRAFT) * VOCAB;

        for (int64_t j = 0; j < VOCAB; j++)
            q[i * VOCAB + j] += row[j];
        ids[i] = (int32_t)largest(q + i * VOCAB, VOCAB);
    }
    target = kx_input(c, halF32, t, rows * VOCAB, 0);
    draft = kx_input(c, halF32, q, drafted * VOCAB, 0);
    dev = conf_upload(c, ids, sizeof ids, 0);
    for (int way = 0; way < 4; way++) {
        struct halopSpeculativeVerifyArgs args = {
            .dtype = halF32,
            .accepted = accepted.buf.mem,
            .token = token.buf.mem,
            .target = target.buf.mem,
            .draft = way == 1 ? NULL : draft.buf.mem,
            .ids = dev.mem,
            .batch = BATCH,
            .n_draft = DRAFT,
            .vocab = VOCAB,
            .temperature = way == 3 ? 3.0f : 0.9f,
            .seed = 2026,
            .counter = (uint64_t)way,
        };
        const int32_t *stay, *got;

        CONF_OK(c, halopSpeculativeVerify(&args, NULL));
        stay = kx_fetch(c, &accepted);
        got = kx_fetch(c, &token);
        for (int b = 0; b < BATCH; b++) {
            digest = (digest ^ (uint64_t)stay[b]) * 1099511628211u;
            digest = (digest ^ (uint64_t)got[b]) * 1099511628211u;
        }
    }
    conf_check(c, digest == SAME_DIGEST,
               "the tokens' digest is %016llx; on every device it is %016llx",
               (unsigned long long)digest, (unsigned long long)SAME_DIGEST);
}

/* ---- refusals ------------------------------------------------------------ */

static void refuse(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    struct halopSpeculativeVerifyArgs good = {
        .dtype = halF32,
        .accepted = b.out.mem,
        .token = kx_at(&b.out, 4096),
        .target = b.in.mem,
        .draft = b.in.mem,
        .ids = b.in.mem,
        .uniform = b.in.mem,
        .batch = 4,
        .n_draft = 3,
        .vocab = 16,
        .temperature = 1,
    }, bad;

#define BAD(field, value) \
    KX_WITH(halErrorInvalidValue, halopSpeculativeVerify, field, value)
    BAD(accepted, NULL);
    BAD(token, NULL);
    BAD(target, NULL);
    BAD(ids, NULL);
    BAD(batch, -1);
    BAD(batch, 1 << 20);
    BAD(batch, INT64_MAX);
    BAD(n_draft, -1);
    BAD(n_draft, 257);
    BAD(n_draft, 256); /* beyond the allocations */
    BAD(vocab, 0);
    BAD(vocab, -16);
    BAD(vocab, 1 << 18);
    BAD(vocab, (1 << 18) - 1);
    BAD(temperature, -1);
    BAD(temperature, NAN);
    BAD(temperature, INFINITY);
    BAD(token, b.out.mem);
    BAD(token, b.in.mem);
    BAD(accepted, b.in.mem);
    BAD(target, kx_at(&b.in, 2));
    BAD(draft, kx_at(&b.in, 1));
    BAD(ids, kx_at(&b.in, 3));
    BAD(uniform, kx_at(&b.in, 2));
    BAD(accepted, kx_at(&b.out, 2));
    BAD(draft, kx_at(&b.in, 8192 + 4096 - 64));
    BAD(uniform, kx_at(&b.in, 8192 + 4096 - 16));
#undef BAD
    KX_WITH(halErrorNotSupported, halopSpeculativeVerify, dtype, halI32);
    KX_WITH(halErrorNotSupported, halopSpeculativeVerify, dtype, (halDtype)99);
    CONF_FAILS(c, halErrorInvalidValue, halopSpeculativeVerify(NULL, NULL));
    bad = good;
    bad.batch = 0;
    CONF_OK(c, halopSpeculativeVerify(&bad, NULL));
    kx_bench_finish(c, &b);
}

void kx_cases_speculate(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct param p = { kx_floats[d], shapes[i] };

            if (d && p.s.batch > KX_GRID)
                continue;
            kx_add(list, p.dtype, "", run, &p, sizeof p, "speculate.%s.%s",
                   conf_dtype_name(p.dtype), p.s.name);
        }
    kx_add(list, halF32, "", run_philox, NULL, 0, "speculate.f32.philox");
    kx_add(list, halF32, "", run_same, NULL, 0,
           "speculate.f32.same_everywhere");
    kx_add(list, halF32, "", refuse, NULL, 0, "refuse.speculate");
}
