/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paged.c - kernel.paged_attention.* and kernel.mla_decode.*: blocks in any
 * order, ragged queries and lengths, windows, soft caps, split keys, and tables
 * that point outside.  Slots that no query may see hold NaN.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "conformance/kernels/cases.h"
#include "conformance/oracles/paged.h"

enum {
    FULL = 1,   /* not causal */
    RAGGED = 2, /* numbers of queries differ */
    WILD = 4,   /* block indices, lengths and starts out of range */
    PADDED = 8, /* slots lie further apart than they are long */
    NO_LSE = 16,
    ODD = 32,
    SHARED = 64,  /* sequences share blocks */
    LATENT = 128, /* v is k */
    /* the values of the first key that the first query sees and of the last
     * one are NaN: other queries must not see them */
    EDGE_NAN = 256,
    REPEATED = 512 /* 41 blocks, again and again */
};

struct shape {
    const char *name;
    int64_t batch, max_q, heads, kv_heads, qk_dim, v_dim;
    int64_t block, width, window, part;
    double softcap;
    unsigned flags;
};

struct param {
    halDtype in, out;
    struct shape s;
};

static const struct shape grouped[] = {
    { "one", 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0 },
    { "decode_b16", 4, 1, 28, 4, 128, 128, 16, 10, 0, 0, 0, 0 },
    { "decode_b64", 3, 1, 32, 8, 128, 128, 64, 3, 0, 0, 0, 0 },
    { "verify4", 5, 4, 8, 2, 64, 64, 16, 5, 0, 0, 0, 0 },
    { "prefill", 1, 65, 4, 2, 64, 64, 16, 5, 0, 0, 0, 0 },
    { "prefill_ragged", 5, 19, 6, 3, 32, 32, 16, 4, 0, 0, 0, RAGGED },
    { "primes", 3, 5, 3, 1, 37, 29, 7, 11, 0, 0, 0, RAGGED },
    { "kv127", 1, 2, 2, 1, 15, 17, 127, 1, 0, 0, 0, 0 },
    { "kv129", 1, 3, 2, 2, 17, 15, 43, 3, 0, 0, 0, 0 },
    { "full", 2, 7, 2, 1, 16, 16, 16, 3, 0, 0, 0, FULL },
    { "window1", 3, 3, 2, 1, 16, 16, 16, 6, 1, 0, 0, 0 },
    { "window33", 4, 5, 4, 2, 24, 24, 16, 12, 33, 0, 0, RAGGED },
    { "edge_nan", 3, 4, 4, 2, 16, 16, 16, 6, 20, 0, 0, EDGE_NAN },
    { "window_beyond", 2, 3, 2, 1, 16, 16, 16, 3, 1000, 0, 0, 0 },
    { "softcap", 3, 3, 4, 2, 64, 64, 16, 6, 0, 0, 20, 0 },
    { "softcap_window", 3, 9, 4, 4, 16, 16, 16, 8, 40, 32, 0.5, 0 },
    { "split", 4, 1, 8, 2, 32, 32, 16, 9, 0, 33, 0, 0 },
    { "split_ragged", 5, 6, 4, 1, 20, 12, 16, 9, 50, 64, 0, RAGGED },
    { "shared_blocks", 6, 1, 2, 1, 16, 16, 16, 4, 0, 0, 0, SHARED },
    { "wild", 5, 4, 4, 2, 16, 16, 16, 6, 0, 0, 0, WILD | RAGGED },
    { "wild_split", 5, 4, 4, 2, 16, 16, 16, 6, 0, 32, 0, WILD | RAGGED },
    { "padded", 2, 3, 6, 3, 10, 14, 16, 3, 0, 0, 0, PADDED },
    { "no_lse", 2, 2, 4, 2, 16, 16, 16, 3, 0, 0, 0, NO_LSE },
    { "misaligned", 2, 3, 4, 2, 19, 23, 16, 3, 0, 0, 0, ODD },
    { "kv4097", 1, 1, 2, 1, 16, 16, 17, 241, 0, 0, 0, 0 },
    { "kv131072", 1, 1, 2, 1, 8, 8, 64, 2048, 0, 0, 0, 0 },
    { "batch3001", 3001, 1, 2, 1, 4, 4, 2, 2, 0, 0, 0, 0 },
};

static const struct shape latent[] = {
    { "q1_b64", 2, 1, 16, 1, 576, 512, 64, 3, 0, 0, 0, LATENT },
    { "q1_b16", 2, 1, 16, 1, 576, 512, 16, 6, 0, 0, 0, LATENT },
    { "q2_b64", 2, 2, 16, 1, 576, 512, 64, 2, 0, 0, 0, LATENT },
    { "q3_ragged", 5, 3, 8, 1, 576, 512, 16, 4, 0, 0, 0, LATENT | RAGGED },
    { "q4_b64", 2, 4, 16, 1, 576, 512, 64, 2, 0, 0, 0, LATENT },
    { "h128", 1, 1, 128, 1, 576, 512, 64, 2, 0, 0, 0, LATENT },
    { "split_b64", 3, 2, 16, 1, 576, 512, 64, 5, 0, 64, 0, LATENT },
    { "split_b16", 3, 1, 7, 1, 576, 512, 16, 20, 0, 100, 0, LATENT | RAGGED },
    { "small", 4, 2, 3, 1, 60, 48, 16, 9, 0, 0, 0, LATENT },
    { "wild", 5, 2, 5, 1, 60, 48, 16, 5, 0, 0, 0, LATENT | WILD | RAGGED },
    { "misaligned", 2, 1, 5, 1, 61, 47, 16, 3, 0, 0, 0, LATENT | ODD },
};

/* One dtype: large. */
static const struct shape contexts[] = {
    { "kv32768", 1, 2, 4, 1, 576, 512, 64, 512, 0, 0, 0, LATENT },
    /* more keys than a thread's loops may have steps (docs/drivers) */
    { "kv131072", 1, 1, 1, 1, 60, 48, 64, 2048, 0, 0, 0, LATENT | REPEATED },
    { "kv131072_one_part", 1, 1, 1, 1, 60, 48, 64, 2048, 0, 131072, 0,
      LATENT | REPEATED },
    /* more parts than a grid has rows, and a thread's loop steps */
    { "kv70016_part1", 1, 1, 1, 1, 12, 8, 64, 1094, 0, 1, 0,
      LATENT | REPEATED },
    { "kv70016_part1_wide", 1, 1, 1, 1, 576, 512, 64, 1094, 0, 1, 0,
      LATENT | REPEATED },
};

static const halDtype dtypes[][2] = {
    { halF32, halF32 }, { halBF16, halBF16 }, { halBF16, halF32 },
    { halF16, halF16 }, { halF16, halF32 },
};

struct setup {
    int64_t tokens, n_blocks, k_stride, v_stride;
    int32_t *starts, *lens, *table;
};

static int32_t *host_ints(struct conf *c, int64_t n)
{
    return conf_host(c, (size_t)(n + 1) * sizeof(int32_t));
}

static void make_sequences(const struct shape *s, struct setup *u)
{
    int64_t kv_max = s->width * s->block;

    u->starts[0] = 0;
    for (int64_t b = 0; b < s->batch; b++) {
        const int64_t queries[] = { s->max_q, 1, 0, s->max_q, s->max_q / 2 };
        const int64_t lens[] = { kv_max, s->max_q, kv_max / 2 + 1, 0,
                                 kv_max - 1 };
        int64_t n = s->flags & RAGGED ? queries[b % 5] : s->max_q;

        u->starts[b + 1] = u->starts[b] + (int32_t)n;
        u->lens[b] = (int32_t)lens[b % 5];
    }
    u->tokens = u->starts[s->batch];
}

static void make_table(struct conf *c, const struct shape *s, struct setup *u)
{
    int64_t n = s->batch * s->width;
    int any = s->flags & (SHARED | REPEATED) ? 1 : 0;

    u->n_blocks = s->flags & REPEATED ? 41 : (any ? s->width : n) + 1;
    for (int64_t i = 0; i < n; i++)
        u->table[i] = (int32_t)(any ? conf_random(c) % (uint64_t)u->n_blocks
                                    : (uint64_t)i);
    for (int64_t i = n - 1; i > 0 && !any; i--) {
        int64_t j = (int64_t)(conf_random(c) % (uint64_t)(i + 1));
        int32_t t = u->table[i];

        u->table[i] = u->table[j];
        u->table[j] = t;
    }
}

static void make_wild(const struct shape *s, struct setup *u)
{
    u->starts[0] = -3;
    u->starts[s->batch] = INT32_MAX;
    u->lens[0] = INT32_MAX;
    u->lens[3] = -2;
    u->table[1] = -1;
    u->table[s->width] = INT32_MAX;
    u->table[2 * s->width] = INT32_MIN;
    u->table[4 * s->width] = (int32_t)u->n_blocks;
}

static struct setup make_setup(struct conf *c, const struct shape *s)
{
    struct setup u = {
        .k_stride = s->kv_heads * s->qk_dim + (s->flags & PADDED ? 5 : 0),
        .starts = host_ints(c, s->batch + 1),
        .lens = host_ints(c, s->batch),
        .table = host_ints(c, s->batch * s->width),
    };

    u.v_stride = s->flags & LATENT
                     ? u.k_stride
                     : s->kv_heads * s->v_dim + (s->flags & PADDED ? 3 : 0);
    make_sequences(s, &u);
    make_table(c, s, &u);
    return u;
}

/* NaN where no sequence has a key. */
static struct kx_tensor make_cache(struct conf *c, halDtype dtype,
                                   const struct shape *s, const struct setup *u,
                                   int64_t stride, int64_t used)
{
    int64_t slots = u->n_blocks * s->block;
    double *val = kx_doubles(c, slots * stride);
    char *live = conf_host(c, (size_t)slots);

    memset(live, 0, (size_t)slots);
    for (int64_t b = 0; b < s->batch; b++)
        for (int64_t j = 0; j < u->lens[b]; j++)
            live[u->table[b * s->width + j / s->block] * s->block +
                 j % s->block] = 1;
    for (int64_t i = 0; i < slots * stride; i++) {
        int in = live[i / stride] && i % stride < used;

        val[i] = in || s->flags & WILD ? conf_normal(c) : NAN;
    }
    return kx_input(c, dtype, val, slots * stride, s->flags & ODD ? 1 : 0);
}

static void edge_nan(struct conf *c, const struct shape *s,
                     const struct setup *u, struct kx_tensor *v)
{
    for (int64_t b = 0; b < s->batch; b++) {
        int64_t n = u->starts[b + 1] - u->starts[b];
        const int64_t at[] = { u->lens[b] - n + 1 - s->window, u->lens[b] - 1 };

        for (int e = 0; e < 2; e++)
            for (int64_t i = 0; at[e] >= 0 && i < u->v_stride; i++)
                v->val[(u->table[b * s->width + at[e] / s->block] * s->block +
                        at[e] % s->block) *
                           u->v_stride +
                       i] = NAN;
    }
    *v = kx_input(c, v->dtype, v->val, v->n, 0);
}

static struct kx_tensor ints(struct conf *c, const int32_t *v, int64_t n)
{
    struct kx_tensor t = { .dtype = halI32, .n = n };

    t.buf = conf_upload(c, v, (size_t)n * 4, 0);
    return t;
}

static void judge(struct conf *c, const struct param *p, struct oracle_paged *a,
                  const struct kx_tensor *o, const struct kx_tensor *lse)
{
    const struct shape *s = &p->s;
    int64_t rows = a->tokens * a->heads, n = rows * a->v_dim;
    struct conf_bound bound;
    double factor;

    a->o = kx_doubles(c, n);
    a->mag = kx_doubles(c, n);
    a->lse = kx_doubles(c, rows);
    oracle_paged(a);
    factor = 16 + sqrt((double)(s->width * s->block)) +
             2 * (sqrt((double)s->qk_dim) + 4) * a->score_mag + 16 * s->softcap;
    bound = kx_bound_sum(p->out, factor, a->mag, a->o, n);
    kx_expect(c, "o", o, a->o, a->mag, rows, a->v_dim, &bound);
    if (!lse)
        return;
    bound = kx_bound(halF32, 8);
    bound.abs = (factor + 8) * KX_U32;
    bound.rel_l2 += bound.abs;
    kx_expect(c, "lse", lse, a->lse, NULL, a->tokens, a->heads, &bound);
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int odd = s->flags & ODD ? 1 : 0, has_lse = !(s->flags & NO_LSE);
    int uneven = s->flags & RAGGED ? 1 : 0;
    struct setup u = make_setup(c, s);
    int64_t rows = u.tokens * s->heads;
    struct kx_tensor q = kx_normal(c, p->in, rows * s->qk_dim, 1, odd);
    struct kx_tensor k =
        make_cache(c, p->in, s, &u, u.k_stride, s->kv_heads * s->qk_dim);
    struct kx_tensor v =
        s->flags & LATENT
            ? k
            : make_cache(c, p->in, s, &u, u.v_stride, s->kv_heads * s->v_dim);
    struct kx_tensor o = kx_output(c, p->out, rows * s->v_dim, odd);
    struct kx_tensor lse = kx_output(c, halF32, rows, odd);
    struct kx_tensor starts, lens, table;
    struct oracle_paged a = {
        .q = q.val,
        .k = k.val,
        .v = v.val,
        .starts = u.starts,
        .lens = u.lens,
        .table = u.table,
        .batch = s->batch,
        .tokens = u.tokens,
        .heads = s->heads,
        .kv_heads = s->kv_heads,
        .qk_dim = s->qk_dim,
        .v_dim = s->v_dim,
        .n_blocks = u.n_blocks,
        .block = s->block,
        .width = s->width,
        .k_stride = u.k_stride,
        .v_stride = u.v_stride,
        .window = s->window,
        .scale = (float)(1 / sqrt((double)s->qk_dim)),
        .softcap = s->softcap,
        .causal = !(s->flags & FULL),
    };

    if (s->flags & EDGE_NAN)
        edge_nan(c, s, &u, &v);
    if (s->flags & WILD)
        make_wild(s, &u);
    starts = ints(c, u.starts, s->batch + 1);
    lens = ints(c, u.lens, s->batch);
    table = ints(c, u.table, s->batch * s->width);
    struct halopPagedAttentionArgs args = {
        .dtype = p->in,
        .out = p->out,
        .o = o.buf.mem,
        .lse = has_lse ? lse.buf.mem : NULL,
        .q = q.buf.mem,
        .k = k.buf.mem,
        .v = v.buf.mem,
        .q_starts = uneven ? starts.buf.mem : NULL,
        .kv_lens = lens.buf.mem,
        .block_table = table.buf.mem,
        .batch = s->batch,
        .n_tokens = u.tokens,
        .max_q = s->max_q,
        .n_heads = s->heads,
        .n_kv_heads = s->kv_heads,
        .qk_dim = s->qk_dim,
        .v_dim = s->v_dim,
        .n_blocks = u.n_blocks,
        .block = s->block,
        .table_width = s->width,
        .k_slot_stride = u.k_stride,
        .v_slot_stride = u.v_stride,
        .window = s->window,
        .scale = (float)a.scale,
        .softcap = (float)s->softcap,
        .causal = a.causal,
        .part = s->part,
    };
    CONF_OK(c, halopPagedAttention(&args, NULL));
    judge(c, p, &a, &o, has_lse ? &lse : NULL);
    kx_intact(c, &q);
    kx_intact(c, &k);
    kx_intact(c, &table);
}

/* ---- joining parts ------------------------------------------------------ */

struct join {
    const char *name;
    int parts, rows, dim;
    halDtype out;
};

static void run_join(struct conf *c)
{
    const struct join *j = conf_param(c);
    const int parts = j->parts, rows = j->rows, dim = j->dim;
    struct kx_tensor part_o =
        kx_normal(c, halF32, (int64_t)parts * rows * dim, 1, 1);
    double *val = kx_doubles(c, parts * rows), *mag, *want, *want_lse;
    struct kx_tensor part_lse, o = kx_output(c, j->out, rows * dim, 1);
    struct kx_tensor lse = kx_output(c, halF32, rows, 1);
    struct conf_bound bound;
    halError_t st;

    /* row 0 has no key at all, row r none in part r - 1 */
    for (int i = 0; i < parts * rows; i++)
        val[i] = i % rows == 0 || i % rows - 1 == i / rows
                     ? -INFINITY
                     : 30 * conf_normal(c);
    part_lse = kx_input(c, halF32, val, parts * rows, 1);
    st = halopAttentionCombine(j->out, o.buf.mem, lse.buf.mem, part_o.buf.mem,
                               part_lse.buf.mem, parts, rows, dim, NULL);
    if (st == halErrorNotSupported && conf_prop(c)->maxLoopSteps &&
        parts > 4096)
        conf_end(c, CONF_UNSUPPORTED, "%s", halGetErrorDetail());
    CONF_OK(c, st);
    want = kx_doubles(c, rows * dim);
    mag = kx_doubles(c, rows * dim);
    want_lse = kx_doubles(c, rows);
    oracle_attention_join(want, mag, want_lse, part_o.val, part_lse.val, parts,
                          rows, dim);
    /* exp of a difference of up to 200 carries that many roundings */
    bound = kx_bound_sum(j->out, 16 + parts + 2 * 200, mag, want, rows * dim);
    kx_expect(c, "o", &o, want, mag, rows, dim, &bound);
    bound = kx_bound(halF32, 8);
    bound.abs = (11 + parts) * KX_U32; /* those of the sum, in its log */
    kx_expect(c, "lse", &lse, want_lse, NULL, 1, rows, &bound);
    kx_intact(c, &part_o);
}

static const struct join joins[] = {
    { .name = "parts5", 5, 7, 19 },
    { .name = "parts4096", 4096, 2, 576 }, /* as many as an operator makes */
    { .name = "parts20001", 20001, 2, 65 },
};

/* ---- the list ----------------------------------------------------------- */

static void add(struct conf_list *list, const char *op, struct param p,
                const struct shape *shapes, int count)
{
    char dtype[16];

    (void)snprintf(dtype, sizeof dtype, p.in == p.out ? "%s" : "%s_%s",
                   conf_dtype_name(p.in), conf_dtype_name(p.out));
    for (int i = 0; i < count; i++) {
        p.s = shapes[i];
        kx_add(list, p.in, " mla", run, &p, sizeof p, "%s.%s.%s", op, dtype,
               p.s.name);
    }
}

void kx_cases_paged(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(dtypes); d++) {
        struct param p = { .in = dtypes[d][0], .out = dtypes[d][1] };

        add(list, "paged_attention", p, grouped, KX_COUNT(grouped));
        add(list, "mla_decode", p, latent, KX_COUNT(latent));
        if (p.in == halBF16 && p.out == halF32)
            add(list, "mla_decode", p, contexts, KX_COUNT(contexts));
    }
    for (int i = 0; i < KX_COUNT(kx_floats) * KX_COUNT(joins); i++) {
        struct join j = joins[i % KX_COUNT(joins)];

        j.out = kx_floats[i / KX_COUNT(joins)];
        kx_add(list, j.out, " mla", run_join, &j, sizeof j,
               "attention_combine.%s.%s", conf_dtype_name(j.out), j.name);
    }
}
