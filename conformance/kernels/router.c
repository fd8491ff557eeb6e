/* SPDX-License-Identifier: Apache-2.0 */
/*
 * router.c - kernel.router.*: which experts, in which order, with which
 * weights.
 *
 * Where two numbers that decide are closer than f32 can tell, a token's
 * answer is not judged; equal numbers come from equal inputs and must be
 * decided by the index.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/cases.h"
#include "conformance/oracles/moe.h"

enum fill {
    NORMAL,
    LEVELS,    /* logits of five values, no bias: ties everywhere */
    ALL_EQUAL, /* the first experts of the first groups */
    NEGATIVE,  /* every choice score is negative */
    SATURATED, /* logits to +-150 */
    SPECIAL,   /* NaN and infinities */
};

struct shape {
    const char *name;
    int64_t tokens, experts, groups, kept, top_k;
    int softmax, group_top, normalise, bias;
    double scale;
    enum fill fill;
    int odd;
};

struct param {
    halDtype dtype;
    struct shape s;
};

static const struct shape shapes[] = {
    { "v3_t1", 1, 256, 8, 4, 8, 0, 2, 1, 1, 2.5, NORMAL, 0 },
    { "v3_t33", 33, 256, 8, 4, 8, 0, 2, 1, 1, 2.5, NORMAL, 0 },
    { "v2_t7", 7, 160, 8, 3, 6, 1, 1, 0, 0, 16, NORMAL, 0 },
    { "v2_lite_t13", 13, 64, 1, 1, 6, 1, 1, 0, 0, 1, NORMAL, 0 },
    { "e1", 3, 1, 1, 1, 1, 0, 2, 1, 1, 1, NORMAL, 0 },
    { "e2_all", 5, 2, 1, 1, 2, 0, 2, 1, 0, 1, NORMAL, 0 },
    { "primes", 13, 35, 7, 3, 5, 0, 2, 1, 1, 2.5, NORMAL, 0 },
    { "groups_of_one", 5, 16, 16, 5, 4, 0, 2, 1, 1, 1, NORMAL, 0 },
    { "e15_no_groups", 7, 15, 1, 1, 3, 0, 1, 0, 1, 1, NORMAL, 0 },
    { "e17_top1", 7, 17, 17, 17, 1, 0, 1, 0, 0, -2, NORMAL, 0 },
    { "e255_top64", 9, 255, 5, 4, 64, 0, 2, 1, 1, 2.5, NORMAL, 0 },
    { "e2048_g256", 2, 2048, 256, 100, 64, 1, 2, 1, 1, 1, NORMAL, 0 },
    { "t70001_e3", 70001, 3, 1, 1, 2, 0, 1, 1, 0, 1, LEVELS, 0 },
    { "v3_ties", 9, 256, 8, 4, 8, 0, 2, 1, 0, 2.5, LEVELS, 0 },
    { "v2_ties", 9, 160, 8, 3, 6, 1, 1, 0, 0, 16, LEVELS, 0 },
    { "all_equal", 3, 256, 8, 4, 8, 0, 2, 1, 0, 2.5, ALL_EQUAL, 0 },
    { "negative_bias", 7, 256, 8, 4, 8, 0, 2, 1, 1, 2.5, NEGATIVE, 0 },
    { "saturated", 11, 64, 4, 2, 6, 0, 2, 1, 1, 2.5, SATURATED, 0 },
    { "special", 8, 64, 4, 2, 6, 0, 2, 1, 1, 2.5, SPECIAL, 0 },
    { "special_softmax", 8, 64, 4, 2, 6, 1, 1, 1, 0, 2.5, SPECIAL, 0 },
    { "misaligned", 5, 37, 1, 1, 3, 0, 2, 1, 1, 1, NORMAL, 1 },
};

static double logit(struct conf *c, const struct shape *s, int64_t t, int64_t e)
{
    switch (s->fill) {
    case NORMAL:
    case NEGATIVE:
        return 1.5 * conf_normal(c);
    case LEVELS:
        return (double)(conf_random(c) % 5) - 2;
    case ALL_EQUAL:
        return 0.75;
    case SATURATED:
        return conf_uniform(c, -150, 150);
    case SPECIAL: /* row 0 is plain */
        if (t == 1 || (t > 3 && e % 13 == t))
            return e == 40 || t > 3 ? NAN : conf_normal(c);
        if (t == 2 && e % 7 == 3)
            return -INFINITY;
        if (t == 3 && e == 21)
            return INFINITY;
        return conf_normal(c);
    }
    return 0;
}

/* Sigmoid or softmax (16, and the row's own terms), the sum over top_k, a
 * division, a product: docs/numerics.md. */
static double terms(const struct shape *s, const double *logits)
{
    double spread = 0;

    if (s->softmax)
        for (int64_t i = 0; i < s->tokens * s->experts; i++)
            if (isfinite(logits[i]))
                spread = fmax(spread, 2 * fabs(logits[i]));
    return 24 + (double)s->top_k +
           (s->softmax ? sqrt((double)s->experts) + 2 * spread : 0);
}

static void judge(struct conf *c, const struct shape *s,
                  const struct kx_tensor *ids, const struct kx_tensor *weights,
                  const struct oracle_router *want)
{
    const int32_t *got = kx_fetch(c, ids);
    const float *w = kx_fetch(c, weights);
    struct conf_bound bound = kx_bound(halF32, terms(s, want->logits));
    int64_t k = s->top_k, close = 0;

    for (int64_t t = 0; t < s->tokens; t++) {
        /* choice scores of a few units are off by as many ulp */
        if (want->margin[t] < 0x1p-20) {
            for (int64_t i = t * k; i < (t + 1) * k; i++)
                want->weights[i] = w[i];
            close++;
            continue;
        }
        for (int64_t i = t * k; i < (t + 1) * k; i++)
            conf_check(c, got[i] == want->ids[i],
                       "token %lld, choice %lld: got expert %d, want %d",
                       (long long)t, (long long)(i - t * k), (int)got[i],
                       (int)want->ids[i]);
    }
    conf_check(c, close <= s->tokens / 4, "%lld of %lld tokens cannot be told",
               (long long)close, (long long)s->tokens);
    bound.abs = 0x1p-120;
    conf_compare(c, "weights", halF32, w, want->weights, NULL, s->tokens, k,
                 &bound);
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int64_t n = s->tokens * s->experts, chosen = s->tokens * s->top_k;
    double *val = kx_doubles(c, n), *shift = kx_doubles(c, s->experts);
    struct kx_tensor logits, bias = { 0 };
    struct kx_tensor ids = kx_output(c, halI32, chosen, s->odd);
    struct kx_tensor weights = kx_output(c, halF32, chosen, s->odd);

    for (int64_t i = 0; i < n; i++)
        val[i] = logit(c, s, i / s->experts, i % s->experts);
    for (int64_t e = 0; e < s->experts; e++)
        shift[e] = 0.1 * conf_normal(c) - (s->fill == NEGATIVE ? 3 : 0);
    logits = kx_input(c, p->dtype, val, n, s->odd);
    if (s->bias)
        bias = kx_input(c, halF32, shift, s->experts, s->odd);
    struct halopRouterArgs args = {
        .dtype = p->dtype,
        .scoring = s->softmax ? halopScoreSoftmax : halopScoreSigmoid,
        .logits = logits.buf.mem,
        .bias = bias.buf.mem,
        .ids = ids.buf.mem,
        .weights = weights.buf.mem,
        .n_tokens = s->tokens,
        .n_experts = s->experts,
        .n_group = s->groups,
        .topk_group = s->kept,
        .top_k = s->top_k,
        .group_top = s->group_top,
        .normalise = s->normalise,
        .scale = (float)s->scale,
    };
    struct oracle_router want = {
        .logits = logits.val,
        .bias = bias.val,
        .tokens = s->tokens,
        .experts = s->experts,
        .groups = s->groups,
        .kept = s->kept,
        .top_k = s->top_k,
        .softmax = s->softmax,
        .group_top = s->group_top,
        .normalise = s->normalise,
        .scale = s->scale,
        .ids = conf_host(c, (size_t)chosen * 4),
        .weights = kx_doubles(c, chosen),
        .margin = kx_doubles(c, s->tokens),
    };
    CONF_OK(c, halopRouter(&args, NULL));
    oracle_router(&want);
    judge(c, s, &ids, &weights, &want);
    kx_intact(c, &logits);
    if (s->bias)
        kx_intact(c, &bias);
}

static void refuse(struct conf *c)
{
    struct conf_buf in = conf_alloc(c, 4096, 0), out = conf_alloc(c, 4096, 0);
    void *before = kx_snapshot(c, &out);
    struct halopRouterArgs good = {
        .dtype = halF32,
        .logits = in.mem,
        .bias = in.mem,
        .ids = out.mem,
        .weights = (float *)((char *)out.mem + 2048),
        .n_tokens = 2,
        .n_experts = 16,
        .n_group = 4,
        .topk_group = 2,
        .top_k = 3,
        .group_top = 2,
        .scale = 1,
    }, bad;

#define WITH(error, field, value)                   \
    do {                                            \
        bad = good;                                 \
        bad.field = (value);                        \
        CONF_FAILS(c, error, halopRouter(&bad, 0)); \
    } while (0)
#define BAD(field, value) WITH(halErrorInvalidValue, field, value)
    BAD(logits, NULL);
    BAD(ids, NULL);
    BAD(weights, NULL);
    BAD(n_experts, 0);
    BAD(n_experts, -16);
    BAD(n_experts, 4096);
    BAD(n_group, 0);
    BAD(n_group, 3);
    BAD(topk_group, 0);
    BAD(topk_group, 5);
    BAD(top_k, 0);
    BAD(top_k, 9); /* two groups hold eight */
    BAD(group_top, 3);
    BAD(scoring, (halopScoring)7);
    BAD(n_tokens, -1);
    BAD(n_tokens, 1 << 20);
    BAD(scale, NAN);
    BAD(logits, (char *)in.mem + 2);
    BAD(bias, (const float *)((char *)in.mem + 1));
    BAD(ids, (int32_t *)in.mem);
    BAD(weights, (float *)out.mem);
    WITH(halErrorNotSupported, dtype, halI32);
    CONF_FAILS(c, halErrorInvalidValue, halopRouter(NULL, NULL));
#undef BAD
#undef WITH
    bad = good;
    bad.n_tokens = 0;
    CONF_OK(c, halopRouter(&bad, NULL));
    kx_untouched(c, &out, before);
    conf_check_zones(c, &in);
}

void kx_cases_router(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct param p = { kx_floats[d], shapes[i] };

            if (d && p.s.tokens > KX_GRID)
                continue;
            kx_add(list, p.dtype, " moe", run, &p, sizeof p, "router.%s.%s",
                   conf_dtype_name(p.dtype), p.s.name);
        }
    kx_add(list, halF32, " moe", refuse, NULL, 0, "refuse.router");
}
