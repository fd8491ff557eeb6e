/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rope.c - kernel.rope.* (the rotation, in place, on strided heads) and
 * kernel.rope_table.* (frequencies, tables and scale, made on the host).
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/cases.h"

enum {
    CLAMP = 1, /* positions outside the table */
    EXTREMES,  /* zeros, infinities, NaN, the largest, the smallest */
};

struct shape {
    const char *name;
    int64_t tokens, heads, dim, positions;
    int64_t head_gap;  /* elements between heads that stay as they are */
    int64_t token_gap; /* and between tokens */
    int odd;
    int kind;
};

struct param {
    halDtype dtype;
    halopRopeLayout layout;
    struct shape s;
};

static const struct shape shapes[] = {
    { "one", 1, 1, 2, 1, 0, 0, 0, 0 },
    { "primes", 13, 3, 22, 29, 0, 0, 0, 0 },
    { "dim4", 5, 2, 4, 9, 0, 0, 0, 0 },
    { "dim30", 5, 2, 30, 9, 0, 0, 0, 0 },
    { "dim32", 5, 2, 32, 9, 0, 0, 0, 0 },
    { "dim34", 5, 2, 34, 9, 0, 0, 0, 0 },
    { "deepseek_q", 3, 128, 64, 5, 128, 0, 0, 0 },
    { "deepseek_k", 33, 1, 64, 40, 0, 512, 0, 0 },
    { "llama", 7, 8, 128, 7, 0, 0, 0, 0 },
    { "gaps", 4, 3, 10, 6, 3, 5, 0, 0 },
    { "misaligned", 5, 3, 14, 8, 0, 0, 1, 0 },
    { "clamp", 8, 2, 12, 4, 0, 0, 0, CLAMP },
    { "tokens70001", 70001, 1, 2, 70001, 0, 0, 0, 0 },
    { "heads_tokens", 331, 211, 4, 331, 0, 0, 0, 0 },
    { "extremes", 5, 3, 22, 9, 0, 0, 0, EXTREMES },
};

/* Every third element is one of them. */
static struct kx_tensor make_extremes(struct conf *c, halDtype dtype, int64_t n)
{
    const double largest = dtype == halF16 ? 32768 : 0x1p126;
    const double special[] = { NAN,     INFINITY, -INFINITY, largest, -largest,
                               0x1p-24, 1e-40,    0,         -0.0 };
    double *val = kx_doubles(c, n);

    for (int64_t i = 0; i < n; i++)
        val[i] = i % 3 == 0 ? special[(size_t)(i / 3) % KX_COUNT(special)]
                            : conf_normal(c);
    return kx_input(c, dtype, val, n, 0);
}

static void make_positions(struct conf *c, const struct shape *s,
                           int32_t *positions)
{
    for (int64_t t = 0; t < s->tokens; t++) {
        positions[t] = (int32_t)(conf_random(c) % (uint64_t)s->positions);
        if (s->kind == CLAMP && t % 2)
            positions[t] = t % 4 == 1 ? -3 - (int32_t)t : 0x40000000;
    }
}

/* want, mag: the whole buffer, gaps included. */
static void oracle(const struct param *p, const int32_t *positions,
                   const double *cos, const double *sin, double *want,
                   double *mag)
{
    const struct shape *s = &p->s;
    int64_t head = s->dim + s->head_gap;
    int64_t token = s->heads * head + s->token_gap;

    for (int64_t t = 0; t < s->tokens; t++) {
        int64_t at = positions[t];

        at = at < 0 ? 0 : at >= s->positions ? s->positions - 1 : at;
        for (int64_t h = 0; h < s->heads; h++)
            oracle_rope_rotate(
                p->layout == halopRopeHalf, want + t * token + h * head,
                mag + t * token + h * head, cos + at * (s->dim / 2),
                sin + at * (s->dim / 2), s->dim);
    }
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int64_t half = s->dim / 2, head = s->dim + s->head_gap;
    int64_t token = s->heads * head + s->token_gap, n = s->tokens * token;
    int32_t *positions = conf_host(c, (size_t)s->tokens * sizeof *positions);
    double *angle = kx_doubles(c, s->positions * half);
    double *sines = kx_doubles(c, s->positions * half);
    double *want = kx_doubles(c, n), *mag = kx_doubles(c, n);
    struct kx_tensor x0 = s->kind == EXTREMES
                              ? make_extremes(c, p->dtype, n)
                              : kx_normal(c, p->dtype, n, 1, s->odd);
    struct kx_tensor x;
    struct kx_tensor cos_t, sin_t;
    struct conf_buf pos;
    struct halopRopeArgs args;
    struct conf_bound bound;

    for (int64_t i = 0; i < s->positions * half; i++) {
        double a = conf_uniform(c, -4, 4);

        angle[i] = cos(a);
        sines[i] = sin(a);
    }
    make_positions(c, s, positions);
    cos_t = kx_input(c, halF32, angle, s->positions * half, 0);
    sin_t = kx_input(c, halF32, sines, s->positions * half, 0);
    pos = conf_upload(c, positions, (size_t)s->tokens * sizeof *positions, 0);
    x = kx_in_place(c, &x0, s->odd);
    args = (struct halopRopeArgs){
        .dtype = p->dtype,
        .layout = p->layout,
        .x = x.buf.mem,
        .cos = cos_t.buf.mem,
        .sin = sin_t.buf.mem,
        .positions = pos.mem,
        .n_tokens = s->tokens,
        .n_heads = s->heads,
        .dim = s->dim,
        .n_positions = s->positions,
        .token_stride = token,
        .head_stride = head,
    };
    CONF_OK(c, halopRope(&args, NULL));
    memcpy(want, x0.val, (size_t)n * sizeof *want);
    oracle(p, positions, cos_t.val, sin_t.val, want, mag);
    /* Two products and their sum.  In the gaps mag is 0. */
    bound = kx_bound_sum(p->dtype, 3, mag, want, n);
    kx_expect(c, "x", &x, want, mag, s->tokens, token, &bound);
    if (s->head_gap || s->token_gap) { /* the gaps, to the bit */
        const void *got = kx_fetch(c, &x);

        for (int64_t i = 0; i < n; i++)
            if (mag[i] == 0)
                conf_check(c, conf_decode(p->dtype, got, i) == x0.val[i],
                           "element %lld lies between heads and was written",
                           (long long)i);
    }
    kx_intact(c, &cos_t);
    kx_intact(c, &sin_t);
}

/* ---- tables ------------------------------------------------------------ */

struct table {
    const char *name;
    struct oracle_rope r;
};

static const struct table tables[] = {
    { "plain_d128", { ORACLE_ROPE_PLAIN, 128, 1e6, 1, 0, 0, 0, 0, 0, 0, 0 } },
    { "plain_d2", { ORACLE_ROPE_PLAIN, 2, 1e4, 1, 0, 0, 0, 0, 0, 0, 0 } },
    { "deepseek_v3",
      { ORACLE_ROPE_YARN, 64, 1e4, 40, 4096, 32, 1, 1, 1, 0, 0 } },
    { "yarn_no_mscale",
      { ORACLE_ROPE_YARN, 128, 1e6, 4, 32768, 32, 1, 0, 0, 0, 0 } },
    { "yarn_mscale_0707",
      { ORACLE_ROPE_YARN, 64, 1e4, 40, 4096, 32, 1, 0.707, 0.707, 0, 0 } },
    { "yarn_two_mscales",
      { ORACLE_ROPE_YARN, 32, 1e4, 16, 2048, 32, 1, 0.8, 1.2, 0, 0 } },
    { "llama3", { ORACLE_ROPE_LLAMA3, 128, 5e5, 8, 8192, 0, 0, 0, 0, 1, 4 } },
};

static struct halopRopeConfig config_of(const struct oracle_rope *r)
{
    static const halopRopeScaling scaling[] = {
        [ORACLE_ROPE_PLAIN] = halopRopePlain,
        [ORACLE_ROPE_YARN] = halopRopeYarn,
        [ORACLE_ROPE_LLAMA3] = halopRopeLlama3,
    };

    return (struct halopRopeConfig){
        .scaling = scaling[r->kind],
        .dim = r->dim,
        .theta = r->theta,
        .factor = r->factor,
        .original_max_position = r->original_max,
        .beta_fast = r->beta_fast,
        .beta_slow = r->beta_slow,
        .mscale = r->mscale,
        .mscale_all_dim = r->mscale_all_dim,
        .low_freq_factor = r->low_freq,
        .high_freq_factor = r->high_freq,
    };
}

/* Doubles differ by rounding only; tables by that of the angle, then one f32
 * rounding. */
static void run_table(struct conf *c)
{
    enum { N = 5 };
    static const int64_t firsts[] = { 0, 1, 4095, 8191, 163830 };
    const struct table *t = conf_param(c);
    struct halopRopeConfig config = config_of(&t->r);
    int half = t->r.dim / 2;
    double *freq = kx_doubles(c, half), *want = kx_doubles(c, half);
    float *cos_t = conf_host(c, (size_t)half * N * sizeof *cos_t);
    float *sin_t = conf_host(c, (size_t)half * N * sizeof *sin_t);
    double factor = 0, wanted = oracle_rope_frequencies(&t->r, want);
    float scale = 0;

    CONF_OK(c, halopRopeFrequencies(&config, freq, &factor));
    conf_check(c, fabs(factor - wanted) <= 1e-14 * wanted,
               "factor: want %.17g, got %.17g", wanted, factor);
    for (int i = 0; i < half; i++)
        conf_check(c, fabs(freq[i] - want[i]) <= 1e-13 * want[i],
                   "inv_freq[%d]: want %.17g, got %.17g", i, want[i], freq[i]);
    for (int f = 0; f < KX_COUNT(firsts); f++) {
        CONF_OK(c, halopRopeTable(&config, firsts[f], N, cos_t, sin_t));
        for (int i = 0; i < half * N; i++) {
            double a = (double)(firsts[f] + i / half) * want[i % half];
            double slack = 0x1.01p-24 * wanted + a * 1e-12;

            conf_check(c,
                       fabs(cos_t[i] - cos(a) * wanted) <= slack &&
                           fabs(sin_t[i] - sin(a) * wanted) <= slack,
                       "position %lld, pair %d: want %.9g %.9g, got %.9g %.9g",
                       (long long)(firsts[f] + i / half), i % half,
                       cos(a) * wanted, sin(a) * wanted, (double)cos_t[i],
                       (double)sin_t[i]);
        }
    }
    wanted = oracle_rope_scale(&t->r, 192);
    CONF_OK(c, halopRopeSoftmaxScale(&config, 192, &scale));
    conf_check(c, fabs(scale - wanted) <= 0x1.01p-24 * wanted,
               "softmax scale: want %.9g, got %.9g", wanted, (double)scale);
}

void kx_cases_rope(struct conf_list *list)
{
    static const char *const layouts[] = { "interleaved", "half" };

    for (int i = 0; i < KX_COUNT(tables); i++)
        kx_add(list, halF32, i == 2 ? " core" : "", run_table, &tables[i],
               sizeof tables[i], "rope_table.%s", tables[i].name);
    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        for (int l = 0; l < 2; l++)
            for (int i = 0; i < KX_COUNT(shapes); i++) {
                struct param p = { kx_floats[d],
                                   l ? halopRopeHalf : halopRopeInterleaved,
                                   shapes[i] };

                kx_add(list, p.dtype, i == 1 ? " core" : "", run, &p, sizeof p,
                       "rope_%s.%s.%s", layouts[l], conf_dtype_name(p.dtype),
                       p.s.name);
            }
}
