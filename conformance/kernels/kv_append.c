/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kv_append.c - kernel.kv_append.* and kernel.kv_append_rope.*: rows into the
 * slots of a paged cache; what no row goes to stays as it was, slots outside
 * of the cache among them.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/cases.h"

enum { HALF = 1, PADDED = 2, WILD = 4, ODD = 8 };

struct shape {
    const char *name;
    int64_t tokens, heads, dim, slots, rope_at, rope_dim, positions;
    int flags;
};

struct param {
    halDtype dtype;
    struct shape s;
};

static const struct shape plain[] = {
    { "one", 1, 1, 1, 1, 0, 0, 0, 0 },
    { "latent_b64", 5, 1, 576, 128, 0, 0, 0, 0 },
    { "gqa_b16", 33, 8, 128, 80, 0, 0, 0, 0 },
    { "primes", 13, 3, 29, 37, 0, 0, 0, PADDED },
    { "width15", 7, 1, 15, 16, 0, 0, 0, 0 },
    { "width17", 7, 1, 17, 16, 0, 0, 0, 0 },
    { "wild", 31, 2, 9, 40, 0, 0, 0, WILD },
    { "tokens70001", 70001, 1, 2, 80000, 0, 0, 0, 0 },
    { "misaligned", 9, 2, 11, 20, 0, 0, 0, ODD },
};

static const struct shape rotated[] = {
    { "latent_b64", 5, 1, 576, 128, 512, 64, 9000, 0 },
    { "gqa_b16", 33, 8, 128, 80, 0, 128, 100, HALF },
    { "gqa_interleaved", 9, 2, 64, 80, 0, 64, 100, 0 },
    { "primes", 13, 3, 29, 37, 5, 14, 50, PADDED },
    { "half_part", 13, 3, 29, 37, 5, 14, 50, HALF | PADDED },
    { "pair", 3, 1, 2, 5, 0, 2, 4, 0 },
    { "wild", 31, 2, 20, 40, 3, 8, 7, WILD },
    { "wild_half", 31, 2, 20, 40, 3, 8, 7, WILD | HALF },
    { "misaligned", 9, 2, 12, 20, 4, 6, 30, ODD },
};

/* Slots in any order, each once; wild: some outside of the cache. */
static int32_t *make_slots(struct conf *c, const struct shape *s)
{
    int32_t *slot = conf_host(c, (size_t)(s->slots + s->tokens) * 4);
    static const int32_t bad[] = { -1, INT32_MIN, INT32_MAX };

    for (int64_t i = 0; i < s->slots; i++)
        slot[i] = (int32_t)i;
    for (int64_t i = s->slots - 1; i > 0; i--) {
        int64_t j = (int64_t)(conf_random(c) % (uint64_t)(i + 1));
        int32_t t = slot[i];

        slot[i] = slot[j];
        slot[j] = t;
    }
    for (int64_t i = 0; s->flags & WILD && i < s->tokens; i++)
        if (i % 4 == 0)
            slot[i] = i % 8 ? bad[i / 8 % 3] : (int32_t)s->slots;
    return slot;
}

static int32_t *make_positions(struct conf *c, const struct shape *s)
{
    int32_t *p = conf_host(c, (size_t)s->tokens * 4);

    for (int64_t i = 0; i < s->tokens; i++) {
        p[i] = s->positions ? (int32_t)(conf_random(c) % (uint64_t)s->positions)
                            : 0;
        if (s->flags & WILD && i % 5 == 1)
            p[i] = i % 10 == 1 ? -3 : INT32_MAX;
    }
    return p;
}

struct cache {
    struct kx_tensor x, cos, sin, fresh, old;
    double *want, *mag;
    int64_t row, from, to; /* elements of a row, of x's and the cache's step */
};

/* What a row becomes, where it goes. */
static void expect_row(const struct shape *s, struct cache *k, int64_t t,
                       int64_t slot, int64_t position)
{
    for (int64_t h = 0; h < s->heads; h++) {
        const double *x = k->x.val + t * k->from + h * s->dim;
        double *want = k->want + slot * k->to + h * s->dim;
        double *mag = k->mag + slot * k->to + h * s->dim;

        memcpy(want, x, (size_t)s->dim * sizeof *want);
        memset(mag, 0, (size_t)s->dim * sizeof *mag);
        if (s->rope_dim)
            oracle_rope_rotate(
                s->flags & HALF, want + s->rope_at, mag + s->rope_at,
                k->cos.val + position * (s->rope_dim / 2),
                k->sin.val + position * (s->rope_dim / 2), s->rope_dim);
    }
}

static void fill(struct conf *c, const struct param *p, struct cache *k)
{
    const struct shape *s = &p->s;
    int odd = s->flags & ODD ? 1 : 0;
    int64_t table = s->positions * (s->rope_dim / 2);
    double *a = kx_doubles(c, table), *b = kx_doubles(c, table);

    k->row = s->heads * s->dim;
    k->from = k->row + (s->flags & PADDED ? 7 : 0);
    k->to = k->row + (s->flags & PADDED ? 3 : 0);
    k->x = kx_normal(c, p->dtype, s->tokens * k->from, 1, odd);
    k->old = kx_normal(c, p->dtype, s->slots * k->to, 1, 0);
    k->fresh = kx_in_place(c, &k->old, odd);
    for (int64_t i = 0; i < table; i++) {
        double angle = conf_uniform(c, 0, 6.3);

        a[i] = cos(angle);
        b[i] = sin(angle);
    }
    k->cos = kx_input(c, halF32, a, table, odd);
    k->sin = kx_input(c, halF32, b, table, odd);
    k->want = kx_doubles(c, s->slots * k->to);
    k->mag = kx_doubles(c, s->slots * k->to);
    memcpy(k->want, k->old.val, (size_t)(s->slots * k->to) * sizeof *k->want);
    memset(k->mag, 0, (size_t)(s->slots * k->to) * sizeof *k->mag);
}

static void judge(struct conf *c, const struct param *p, struct cache *k)
{
    const struct shape *s = &p->s;
    int64_t n = s->slots * k->to;
    struct conf_bound bound;

    if (!s->rope_dim) {
        kx_expect_exact(c, "cache", &k->fresh, k->want);
        return;
    }
    /* three roundings of what a rotation adds up; the rest has mag 0 and must
     * be what it was */
    bound = kx_bound_sum(p->dtype, 3, k->mag, k->want, n);
    kx_expect(c, "cache", &k->fresh, k->want, k->mag, s->slots, k->to, &bound);
    const void *got = kx_fetch(c, &k->fresh);

    for (int64_t i = 0; i < n; i++)
        if (k->mag[i] == 0 && conf_decode(p->dtype, got, i) != k->want[i])
            conf_check(c, 0, "cache[%lld] is not the element that came in",
                       (long long)i);
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int32_t *slot = make_slots(c, s), *position = make_positions(c, s);
    struct conf_buf slots = conf_upload(c, slot, (size_t)s->tokens * 4, 0);
    struct conf_buf where = conf_upload(c, position, (size_t)s->tokens * 4, 0);
    struct cache k;

    fill(c, p, &k);
    struct halopKvAppendArgs args = {
        .dtype = p->dtype,
        .layout = s->flags & HALF ? halopRopeHalf : halopRopeInterleaved,
        .cache = k.fresh.buf.mem,
        .x = k.x.buf.mem,
        .slots = slots.mem,
        .cos = k.cos.buf.mem,
        .sin = k.sin.buf.mem,
        .positions = where.mem,
        .n_tokens = s->tokens,
        .n_heads = s->heads,
        .head_dim = s->dim,
        .n_slots = s->slots,
        .token_stride = k.from,
        .slot_stride = k.to,
        .rope_at = s->rope_at,
        .rope_dim = s->rope_dim,
        .n_positions = s->positions,
    };
    CONF_OK(c, halopKvAppend(&args, NULL));
    for (int64_t t = 0; t < s->tokens; t++) {
        int64_t at = position[t] < 0 ? 0 : position[t];

        if (s->positions && at >= s->positions)
            at = s->positions - 1;
        if (slot[t] >= 0 && slot[t] < s->slots)
            expect_row(s, &k, t, slot[t], at);
    }
    judge(c, p, &k);
    kx_intact(c, &k.x);
}

void kx_cases_kv_append(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(kx_floats); d++) {
        struct param p = { .dtype = kx_floats[d] };

        for (int i = 0; i < KX_COUNT(plain); i++) {
            p.s = plain[i];
            kx_add(list, p.dtype, " mla", run, &p, sizeof p, "kv_append.%s.%s",
                   conf_dtype_name(p.dtype), p.s.name);
        }
        for (int i = 0; i < KX_COUNT(rotated); i++) {
            p.s = rotated[i];
            kx_add(list, p.dtype, " mla", run, &p, sizeof p,
                   "kv_append_rope.%s.%s", conf_dtype_name(p.dtype), p.s.name);
        }
    }
}
