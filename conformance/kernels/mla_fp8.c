/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mla_fp8.c - kernel.mla_fp8.* and kernel.mla_fp8_append.*: the latent cache of
 * 656 bytes a token, written to the byte and read in any order of blocks.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "conformance/kernels/cases.h"
#include "conformance/oracles/paged.h"

enum { LATENT = 512, ROPE = 64, DIM = 576, BYTES = HALOP_MLA_FP8_BYTES };
enum {
    RAGGED = 1,
    WILD = 2,
    FULL = 4,
    ODD = 8,
    PADDED = 16,
    REPEATED = 32, /* 41 blocks, again and again */
};

/* ---- one token ----------------------------------------------------------- */

/* 2^ceil(log2(max(amax / 448, 1e-4))) */
static double scale_of(const double *x)
{
    double amax = 0, s = 0x1p-13;

    for (int i = 0; i < 128; i++)
        amax = fmax(amax, fabs(x[i]));
    while (s * 448 < amax)
        s *= 2;
    return s;
}

/* The bytes of a token, and the 576 numbers that they mean. */
static void encode(uint8_t *to, double *means, const double *latent,
                   const double *pe)
{
    for (int g = 0; g < 4; g++) {
        double s = scale_of(latent + g * 128);

        conf_encode(halF32, to + LATENT, g, s);
        for (int i = g * 128; i < (g + 1) * 128; i++) {
            conf_encode(halE4M3, to, i, latent[i] / s);
            means[i] = conf_decode(halE4M3, to, i) * s;
        }
    }
    for (int i = 0; i < ROPE; i++) {
        conf_encode(halBF16, to + LATENT + 16, i, pe[i]);
        means[LATENT + i] = conf_decode(halBF16, to + LATENT + 16, i);
    }
}

/* Magnitudes from far below the least scale to thousands; zeros. */
static double *numbers(struct conf *c, int64_t tokens, int64_t stride)
{
    double *v = kx_doubles(c, tokens * stride);

    for (int64_t i = 0; i < tokens * stride; i++) {
        int64_t group = i / 128;

        v[i] = group % 7 == 3
                   ? 0
                   : conf_normal(c) * ldexp(1, (int)(group % 5 * 6) - 18);
    }
    return v;
}

/* ---- append -------------------------------------------------------------- */

struct append {
    const char *name;
    int64_t tokens, slots;
    int flags;
};

struct append_param {
    halDtype dtype;
    struct append s;
};

static const struct append appends[] = {
    { "one", 1, 1, 0 },           { "b64", 33, 128, 0 },
    { "padded", 13, 29, PADDED }, { "wild", 31, 40, WILD },
    { "misaligned", 9, 16, ODD },
};

static int32_t slot_for(const struct append *s, int64_t t)
{
    static const int32_t bad[] = { -1, INT32_MIN, INT32_MAX };

    if (s->flags & WILD && t % 4 == 0)
        return t % 8 ? bad[t / 8 % 3] : (int32_t)s->slots;
    return (int32_t)((t * 7 + 3) % s->slots); /* 7 divides no number of slots */
}

static void run_append(struct conf *c)
{
    const struct append_param *p = conf_param(c);
    const struct append *s = &p->s;
    int odd = s->flags & ODD ? 1 : 0;
    int64_t row = LATENT + (s->flags & PADDED ? 3 : 0);
    int64_t pe_row = ROPE + (s->flags & PADDED ? 5 : 0);
    size_t size = (size_t)s->slots * BYTES;
    struct kx_tensor x =
        kx_input(c, p->dtype, numbers(c, s->tokens, row), s->tokens * row, odd);
    struct kx_tensor pe = kx_normal(c, p->dtype, s->tokens * pe_row, 1, odd);
    int32_t *slot = conf_host(c, (size_t)s->tokens * sizeof *slot);
    struct conf_buf cache = conf_alloc(c, size, odd ? 4 : 0), slots;
    uint8_t *want = kx_snapshot(c, &cache), *got = conf_host(c, size);
    double means[DIM];

    for (int64_t t = 0; t < s->tokens; t++)
        slot[t] = slot_for(s, t);
    slots = conf_upload(c, slot, (size_t)s->tokens * sizeof *slot, 0);
    struct halopMlaFp8AppendArgs args = {
        .dtype = p->dtype,
        .cache = cache.mem,
        .latent = x.buf.mem,
        .pe = pe.buf.mem,
        .slots = slots.mem,
        .n_tokens = s->tokens,
        .n_slots = s->slots,
        .token_stride = row,
        .pe_stride = pe_row,
    };
    CONF_OK(c, halopMlaFp8Append(&args, NULL));
    CONF_OK(c, halStreamSynchronize(NULL));
    conf_download(c, got, &cache);
    conf_check_zones(c, &cache);
    for (int64_t t = 0; t < s->tokens; t++)
        if (slot[t] >= 0 && slot[t] < s->slots)
            encode(want + (size_t)slot[t] * BYTES, means, x.val + t * row,
                   pe.val + t * pe_row);
    for (size_t i = 0; i < size; i++)
        if (got[i] != want[i])
            conf_check(c, 0, "slot %zu, byte %zu: got %02x, want %02x",
                       i / BYTES, i % BYTES, got[i], want[i]);
    conf_check(c, 1, "cache");
    kx_intact(c, &x);
    kx_intact(c, &pe);
}

/* ---- attention ----------------------------------------------------------- */

struct shape {
    const char *name;
    int64_t batch, max_q, heads, block, width, part;
    int flags;
};

struct param {
    halDtype in, out;
    struct shape s;
};

static const struct shape shapes[] = {
    { "one", 1, 1, 1, 1, 1, 0, 0 },
    { "q1_b64", 2, 1, 16, 64, 3, 0, 0 },
    { "q1_b16", 2, 1, 16, 16, 6, 0, 0 },
    { "q2_b64", 2, 2, 8, 64, 2, 0, 0 },
    { "q4_ragged", 5, 4, 5, 16, 5, 0, RAGGED },
    { "h128", 1, 1, 128, 64, 2, 0, 0 },
    { "full", 2, 2, 3, 16, 3, 0, FULL },
    { "split", 3, 2, 7, 64, 3, 64, RAGGED },
    { "wild", 5, 2, 5, 16, 5, 0, WILD | RAGGED },
    { "misaligned", 2, 1, 5, 16, 3, 0, ODD },
};

/* One dtype: more keys than a thread's loops may have steps (docs/drivers). */
static const struct shape contexts[] = {
    { "kv131072", 1, 1, 1, 64, 2048, 0, REPEATED },
    { "kv131072_one_part", 1, 1, 1, 64, 2048, 131072, REPEATED },
};

static const halDtype dtypes[][2] = { { halF32, halF32 },
                                      { halBF16, halBF16 },
                                      { halBF16, halF32 } };

struct setup {
    int64_t tokens, n_blocks;
    int32_t *starts, *lens, *table;
    struct conf_buf dev_starts, dev_lens, dev_table, cache;
    double *means; /* [slots][DIM] */
};

static void make_sequences(struct conf *c, const struct shape *s,
                           struct setup *u)
{
    int64_t kv_max = s->width * s->block, n = s->batch * s->width;

    u->starts = conf_host(c, (size_t)(s->batch + 1) * 4);
    u->lens = conf_host(c, (size_t)s->batch * 4);
    u->table = conf_host(c, (size_t)n * 4);
    u->starts[0] = 0;
    u->n_blocks = (s->flags & REPEATED ? 41 : n) + 1;
    for (int64_t b = 0; b < s->batch; b++) {
        const int64_t queries[] = { s->max_q, 1, 0, s->max_q, 1 };
        const int64_t lens[] = { kv_max, s->max_q, kv_max / 2 + 1, 0,
                                 kv_max - 1 };

        u->starts[b + 1] =
            u->starts[b] +
            (int32_t)(s->flags & RAGGED ? queries[b % 5] : s->max_q);
        u->lens[b] = (int32_t)lens[b % 5];
    }
    u->tokens = u->starts[s->batch];
    for (int64_t i = 0; i < n; i++) /* a stride that visits each block once */
        u->table[i] = (int32_t)(s->flags & REPEATED ? 41 - i % 41 : n - i);
}

/* Slots without a key hold ones: NaN in each of the three formats. */
static void make_cache(struct conf *c, const struct shape *s, struct setup *u)
{
    size_t slots = (size_t)(u->n_blocks * s->block);
    uint8_t *bytes = conf_host(c, slots * BYTES);
    double *latent = kx_doubles(c, LATENT), *pe = kx_doubles(c, ROPE);

    u->means = kx_doubles(c, (int64_t)slots * DIM);
    memset(bytes, s->flags & WILD ? 0 : 0xFF, slots * BYTES);
    for (size_t i = 0; i < slots * DIM; i++)
        u->means[i] = s->flags & WILD ? 0 : NAN;
    for (int64_t b = 0; b < s->batch; b++)
        for (int64_t j = 0; j < u->lens[b]; j++) {
            size_t slot =
                (size_t)(u->table[b * s->width + j / s->block] * s->block +
                         j % s->block);

            if (s->flags & REPEATED && j >= 41 * s->block)
                break;
            for (int i = 0; i < LATENT; i++)
                latent[i] = conf_normal(c) * (1 + i / 128);
            for (int i = 0; i < ROPE; i++)
                pe[i] = conf_normal(c);
            encode(bytes + slot * BYTES, u->means + slot * DIM, latent, pe);
        }
    u->cache = conf_upload(c, bytes, slots * BYTES, s->flags & ODD ? 4 : 0);
}

static void upload(struct conf *c, const struct shape *s, struct setup *u)
{
    if (s->flags & WILD) {
        u->starts[0] = -3;
        u->starts[s->batch] = INT32_MAX;
        u->lens[0] = INT32_MAX;
        u->lens[3] = -2;
        u->table[1] = -1;
        u->table[s->width] = INT32_MAX;
        u->table[4 * s->width] = (int32_t)u->n_blocks;
    }
    u->dev_starts = conf_upload(c, u->starts, (size_t)(s->batch + 1) * 4, 0);
    u->dev_lens = conf_upload(c, u->lens, (size_t)s->batch * 4, 0);
    u->dev_table =
        conf_upload(c, u->table, (size_t)(s->batch * s->width) * 4, 0);
}

static void judge(struct conf *c, const struct param *p, struct oracle_paged *a,
                  const struct kx_tensor *o, const struct kx_tensor *lse)
{
    int64_t rows = a->tokens * a->heads, n = rows * LATENT;
    struct conf_bound bound;
    double factor;

    a->o = kx_doubles(c, n);
    a->mag = kx_doubles(c, n);
    a->lse = kx_doubles(c, rows);
    oracle_paged(a);
    /* as attention; the product with a scale, a power of two, is exact */
    factor = 16 + sqrt((double)(p->s.width * p->s.block)) +
             2 * (sqrt((double)DIM) + 4) * a->score_mag;
    bound = kx_bound_sum(p->out, factor, a->mag, a->o, n);
    kx_expect(c, "o", o, a->o, a->mag, rows, LATENT, &bound);
    bound = kx_bound(halF32, 8);
    bound.abs = (factor + 8) * KX_U32;
    bound.rel_l2 += bound.abs;
    kx_expect(c, "lse", lse, a->lse, NULL, a->tokens, a->heads, &bound);
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int odd = s->flags & ODD ? 1 : 0;
    struct kx_tensor q, o, lse;
    struct setup u;
    int64_t rows;

    make_sequences(c, s, &u);
    rows = u.tokens * s->heads;
    q = kx_normal(c, p->in, rows * DIM, 0.5, odd);
    o = kx_output(c, p->out, rows * LATENT, odd);
    lse = kx_output(c, halF32, rows, odd);
    make_cache(c, s, &u);
    upload(c, s, &u);
    struct halopMlaFp8Args args = {
        .dtype = p->in,
        .out = p->out,
        .o = o.buf.mem,
        .lse = lse.buf.mem,
        .q = q.buf.mem,
        .cache = u.cache.mem,
        .q_starts = s->flags & RAGGED ? u.dev_starts.mem : NULL,
        .kv_lens = u.dev_lens.mem,
        .block_table = u.dev_table.mem,
        .batch = s->batch,
        .n_tokens = u.tokens,
        .max_q = s->max_q,
        .n_heads = s->heads,
        .n_blocks = u.n_blocks,
        .block = s->block,
        .table_width = s->width,
        .scale = 0.0625f,
        .causal = !(s->flags & FULL),
        .part = s->part,
    };
    struct oracle_paged a = {
        .q = q.val,
        .k = u.means,
        .v = u.means,
        .starts = u.starts,
        .lens = u.lens,
        .table = u.table,
        .batch = s->batch,
        .tokens = u.tokens,
        .heads = s->heads,
        .kv_heads = 1,
        .qk_dim = DIM,
        .v_dim = LATENT,
        .n_blocks = u.n_blocks,
        .block = s->block,
        .width = s->width,
        .k_stride = DIM,
        .v_stride = DIM,
        .scale = 0.0625,
        .causal = !(s->flags & FULL),
    };
    CONF_OK(c, halopMlaFp8Decode(&args, NULL));
    judge(c, p, &a, &o, &lse);
    kx_intact(c, &q);
    conf_check_zones(c, &u.cache);
}

/* ---- refusals ------------------------------------------------------------ */

static void refuse_append(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    struct halopMlaFp8AppendArgs good = {
        .dtype = halF32,
        .cache = b.out.mem,
        .latent = b.in.mem,
        .pe = b.in.mem,
        .slots = b.in.mem,
        .n_tokens = 2,
        .n_slots = 4,
        .token_stride = 512,
        .pe_stride = 64,
    }, bad;

#define BAD(field, value) \
    KX_WITH(halErrorInvalidValue, halopMlaFp8Append, field, value)
    BAD(cache, NULL);
    BAD(latent, NULL);
    BAD(pe, NULL);
    BAD(slots, NULL);
    BAD(n_tokens, -1);
    BAD(n_tokens, 1 << 20);
    BAD(n_slots, 1 << 20);
    BAD(token_stride, 511);
    BAD(pe_stride, 63);
    BAD(cache, b.in.mem);
    BAD(cache, kx_at(&b.out, 2));
    BAD(slots, kx_at(&b.in, 2));
#undef BAD
    KX_WITH(halErrorNotSupported, halopMlaFp8Append, dtype, halF16);
    CONF_FAILS(c, halErrorInvalidValue, halopMlaFp8Append(NULL, NULL));
    bad = good;
    bad.n_tokens = 0;
    CONF_OK(c, halopMlaFp8Append(&bad, NULL));
    kx_bench_finish(c, &b);
}

static void refuse_decode(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    struct halopMlaFp8Args good = {
        .dtype = halF32,
        .out = halF32,
        .o = b.out.mem,
        .lse = kx_at(&b.out, 6144),
        .q = b.in.mem,
        .cache = b.in.mem,
        .q_starts = b.in.mem,
        .kv_lens = b.in.mem,
        .block_table = b.in.mem,
        .batch = 2,
        .n_tokens = 3,
        .max_q = 2,
        .n_heads = 1,
        .n_blocks = 4,
        .block = 2,
        .table_width = 2,
        .scale = 1,
    }, bad;

#define BAD(field, value) \
    KX_WITH(halErrorInvalidValue, halopMlaFp8Decode, field, value)
    BAD(o, NULL);
    BAD(q, NULL);
    BAD(cache, NULL);
    BAD(kv_lens, NULL);
    BAD(block_table, NULL);
    BAD(batch, -1);
    BAD(n_tokens, 1 << 20);
    BAD(n_heads, -1);
    BAD(block, 0);
    BAD(n_blocks, 1 << 20);
    BAD(table_width, INT32_MAX);
    BAD(part, -1);
    BAD(scale, INFINITY);
    BAD(q_starts, NULL); /* 3 tokens are not 2 x 2 */
    BAD(o, b.in.mem);
    BAD(lse, b.out.mem);
    BAD(cache, kx_at(&b.in, 2));
#undef BAD
    KX_WITH(halErrorNotSupported, halopMlaFp8Decode, dtype, halF16);
    KX_WITH(halErrorNotSupported, halopMlaFp8Decode, out, halBF16);
    CONF_FAILS(c, halErrorInvalidValue, halopMlaFp8Decode(NULL, NULL));
    kx_bench_finish(c, &b);
}

void kx_cases_mla_fp8(struct conf_list *list)
{
    char name[16];

    for (int d = 0; d < KX_COUNT(dtypes); d++) {
        (void)snprintf(name, sizeof name, d == 2 ? "%s_%s" : "%s",
                       conf_dtype_name(dtypes[d][0]),
                       conf_dtype_name(dtypes[d][1]));
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct param p = { dtypes[d][0], dtypes[d][1], shapes[i] };

            kx_add(list, p.in, " mla", run, &p, sizeof p, "mla_fp8.%s.%s", name,
                   p.s.name);
        }
        for (int i = 0; d < 2 && i < KX_COUNT(appends); i++) {
            struct append_param p = { dtypes[d][0], appends[i] };

            kx_add(list, p.dtype, " mla", run_append, &p, sizeof p,
                   "mla_fp8_append.%s.%s", name, p.s.name);
        }
    }
    for (int i = 0; i < KX_COUNT(contexts); i++) {
        struct param p = { halBF16, halF32, contexts[i] };

        kx_add(list, p.in, " mla", run, &p, sizeof p, "mla_fp8.bf16_f32.%s",
               p.s.name);
    }
    kx_add(list, halF32, " mla", refuse_append, NULL, 0,
           "refuse.mla_fp8_append");
    kx_add(list, halF32, " mla", refuse_decode, NULL, 0, "refuse.mla_fp8");
}
