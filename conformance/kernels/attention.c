/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention.c - kernel.attention.*: prefill, cached decode, shared heads,
 * ragged lengths, rows without a key, caches with garbage past their end.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "conformance/kernels/cases.h"

enum {
    CAUSAL = 1,
    LENGTHS = 2,     /* kv_lens of 0, past kv_max, negative and in between */
    HEADS_FIRST = 4, /* k, v stored [b][h][s][d] */
    NO_LSE = 8,
    STALE_NAN = 16,   /* past kv_len the cache holds NaN */
    SHARP = 32,       /* scores of hundreds */
    ODD = 64,         /* pointers off their alignment */
    PADDED = 128,     /* rows lie further apart than they are long */
    FUTURE_NAN = 256, /* the last value is NaN: earlier queries must not see */
};

struct shape {
    const char *name;
    int64_t batch, n_q, kv_max, heads, kv_heads, qk_dim, v_dim;
    unsigned flags;
};

struct param {
    halDtype in, out;
    struct shape s;
};

static const struct shape shapes[] = {
    { "one", 1, 1, 1, 1, 1, 1, 1, CAUSAL },
    { "d8", 1, 5, 5, 2, 1, 8, 8, CAUSAL },
    { "primes", 2, 13, 17, 3, 1, 37, 29, CAUSAL },
    { "prefill_d64", 1, 65, 65, 4, 2, 64, 64, CAUSAL },
    { "prefill_d128", 1, 33, 33, 8, 2, 128, 128, CAUSAL },
    { "prefill_full", 1, 31, 47, 2, 2, 64, 64, 0 },
    { "q15", 1, 15, 15, 2, 2, 16, 16, CAUSAL },
    { "q16", 1, 16, 16, 2, 2, 16, 16, CAUSAL },
    { "q17", 1, 17, 17, 2, 2, 16, 16, CAUSAL },
    { "kv255", 1, 3, 255, 2, 1, 33, 33, CAUSAL },
    { "kv256", 1, 3, 256, 2, 1, 32, 32, CAUSAL },
    { "kv257", 1, 3, 257, 2, 1, 31, 31, CAUSAL },
    { "decode", 3, 1, 150, 28, 4, 128, 128, CAUSAL | LENGTHS },
    { "decode_heads_first", 2, 1, 77, 32, 8, 128, 128,
      CAUSAL | LENGTHS | HEADS_FIRST },
    { "decode_stale_nan", 4, 1, 61, 4, 2, 64, 64,
      CAUSAL | LENGTHS | STALE_NAN },
    { "verify3", 4, 3, 40, 7, 1, 20, 20, CAUSAL | LENGTHS | STALE_NAN },
    { "lengths_full", 6, 2, 9, 2, 1, 12, 12, LENGTHS | STALE_NAN },
    { "more_queries_than_keys", 1, 9, 4, 2, 2, 8, 8, CAUSAL },
    { "mla_expanded", 1, 9, 9, 4, 4, 192, 128, CAUSAL },
    { "mla_chunk", 2, 7, 40, 4, 4, 192, 128, CAUSAL | LENGTHS | STALE_NAN },
    { "mla_absorbed", 1, 2, 35, 16, 1, 576, 512, CAUSAL },
    { "no_lse", 1, 7, 7, 2, 1, 24, 24, CAUSAL | NO_LSE },
    { "sharp", 1, 8, 30, 2, 1, 64, 64, CAUSAL | SHARP },
    { "padded", 2, 5, 7, 3, 3, 10, 14, CAUSAL | PADDED },
    { "misaligned", 1, 5, 11, 2, 1, 19, 23, CAUSAL | ODD },
    { "kv4097", 1, 1, 4097, 2, 1, 16, 16, CAUSAL },
    { "kv70001", 1, 1, 70001, 1, 1, 4, 4, 0 },
    { "q70001", 1, 70001, 3, 1, 1, 2, 2, 0 },
    { "kv131072", 1, 1, 131072, 1, 1, 4, 4, CAUSAL }, /* 128 k context */
    { "heads_batch", 37, 2, 3, 128, 16, 4, 4, CAUSAL },
    { "future_nan", 2, 8, 8, 2, 2, 16, 16, CAUSAL | FUTURE_NAN },
};

static const halDtype dtypes[][2] = {
    { halF32, halF32 }, { halBF16, halBF16 }, { halBF16, halF32 },
    { halF16, halF16 }, { halF16, halF32 },
};

/* One tensor [batch][seq][heads][dim] for the oracle, and where its elements
 * lie on the device. */
struct part {
    int64_t batch, seq, heads, dim;
    int64_t batch_stride, seq_stride, head_stride, span;
    double *val; /* contiguous */
    struct kx_tensor t;
};

static struct part part_of(const struct shape *s, int64_t seq, int64_t heads,
                           int64_t dim, int heads_first)
{
    struct part p = {
        .batch = s->batch, .seq = seq, .heads = heads, .dim = dim
    };
    int64_t row = dim + (s->flags & PADDED ? 3 : 0);

    p.head_stride = heads_first ? seq * row : row;
    p.seq_stride = heads_first ? row : heads * row;
    p.batch_stride = seq * heads * row + (s->flags & PADDED ? 5 : 0);
    p.span = (p.batch - 1) * p.batch_stride + (seq - 1) * p.seq_stride +
             (heads - 1) * p.head_stride + dim;
    return p;
}

static int64_t place(const struct part *p, int64_t b, int64_t s, int64_t h,
                     int64_t i)
{
    return b * p->batch_stride + s * p->seq_stride + h * p->head_stride + i;
}

/* Normal numbers; NaN past stale[b], if given. */
static void fill(struct conf *c, struct part *p, halDtype dtype, double size,
                 const int32_t *stale, int odd)
{
    double *laid = kx_doubles(c, p->span);
    double *flat = p->val =
        kx_doubles(c, p->batch * p->seq * p->heads * p->dim);

    for (int64_t i = 0; i < p->span; i++)
        laid[i] = NAN; /* gaps must not be read into anything */
    for (int64_t b = 0; b < p->batch; b++)
        for (int64_t s = 0; s < p->seq; s++)
            for (int64_t h = 0; h < p->heads; h++)
                for (int64_t i = 0; i < p->dim; i++, flat++) {
                    *flat = stale && s >= stale[b]
                                ? NAN
                                : oracle_round(dtype, size * conf_normal(c));
                    laid[place(p, b, s, h, i)] = *flat;
                }
    p->t = kx_input(c, dtype, laid, p->span, odd);
}

/* Score error, the softmax's own terms, then the sum over the keys. */
static double factor(const struct oracle_attention *a)
{
    double dot = (sqrt((double)a->qk_dim) + 4) * a->score_mag;

    return 16 + sqrt((double)a->kv_max) + 2 * dot;
}

static void judge(struct conf *c, const struct param *p, struct part *o,
                  struct kx_tensor *lse, struct oracle_attention *a)
{
    int64_t rows = a->batch * a->n_q * a->heads, n = rows * a->v_dim;
    size_t size = conf_dtype_bytes(p->out);
    char *got, *flat = conf_host(c, (size_t)n * size), *to = flat;
    struct conf_bound bound;

    a->o = kx_doubles(c, n);
    a->mag = kx_doubles(c, n);
    a->lse = kx_doubles(c, rows);
    oracle_attention(a);
    got = kx_fetch(c, &o->t);
    for (int64_t b = 0; b < o->batch; b++)
        for (int64_t s = 0; s < o->seq; s++)
            for (int64_t h = 0; h < o->heads; h++) {
                memcpy(to, got + (size_t)place(o, b, s, h, 0) * size,
                       (size_t)o->dim * size);
                to += (size_t)o->dim * size;
            }
    bound = kx_bound_sum(p->out, factor(a), a->mag, a->o, n);
    conf_compare(c, "o", p->out, flat, a->o, a->mag, rows, a->v_dim, &bound);
    if (!lse)
        return;
    bound = kx_bound(halF32, 8);
    bound.abs = (factor(a) + 8) * KX_U32;
    bound.rel_l2 += bound.abs;
    kx_expect(c, "lse", lse, a->lse, NULL, a->batch * a->heads, a->n_q, &bound);
}

static void make_lengths(const struct shape *s, int32_t *lens, int32_t *seen)
{
    for (int64_t b = 0; b < s->batch; b++) {
        const int64_t choice[] = { s->kv_max / 2 + 1, 0, s->kv_max + 9, 1,
                                   s->kv_max,         -4 };

        lens[b] = (int32_t)choice[b % KX_COUNT(choice)];
        seen[b] = lens[b] < 0           ? 0
                  : lens[b] > s->kv_max ? (int32_t)s->kv_max
                                        : lens[b];
    }
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int odd = s->flags & ODD ? 1 : 0, first = s->flags & HEADS_FIRST ? 1 : 0;
    struct part q = part_of(s, s->n_q, s->heads, s->qk_dim, 0);
    struct part k = part_of(s, s->kv_max, s->kv_heads, s->qk_dim, first);
    struct part v = part_of(s, s->kv_max, s->kv_heads, s->v_dim, first);
    struct part o = part_of(s, s->n_q, s->heads, s->v_dim, 0);
    int32_t *lens = conf_host(c, (size_t)s->batch * sizeof *lens);
    int32_t *seen = conf_host(c, (size_t)s->batch * sizeof *seen);
    const int32_t *stale = s->flags & STALE_NAN ? seen : NULL;
    const int32_t last[] = { (int32_t)s->kv_max - 1, (int32_t)s->kv_max - 1 };
    struct conf_buf dev_lens = { 0 };
    struct kx_tensor lse = { 0 };
    struct oracle_attention a;

    make_lengths(s, lens, seen);
    fill(c, &q, p->in, s->flags & SHARP ? 30 : 1, NULL, odd);
    fill(c, &k, p->in, 1, stale, odd);
    fill(c, &v, p->in, 1, s->flags & FUTURE_NAN ? last : stale, odd);
    o.t = kx_output(c, p->out, o.span, odd);
    if (s->flags & LENGTHS)
        dev_lens = conf_upload(c, lens, (size_t)s->batch * sizeof *lens, 0);
    if (!(s->flags & NO_LSE))
        lse = kx_output(c, halF32, s->batch * s->heads * s->n_q, odd);
    struct halopAttentionArgs args = {
        .dtype = p->in,
        .out = p->out,
        .o = o.t.buf.mem,
        .lse = lse.buf.mem,
        .q = q.t.buf.mem,
        .k = k.t.buf.mem,
        .v = v.t.buf.mem,
        .kv_lens = dev_lens.mem,
        .batch = s->batch,
        .n_q = s->n_q,
        .kv_max = s->kv_max,
        .n_heads = s->heads,
        .n_kv_heads = s->kv_heads,
        .qk_dim = s->qk_dim,
        .v_dim = s->v_dim,
        .q_batch_stride = q.batch_stride,
        .q_seq_stride = q.seq_stride,
        .q_head_stride = q.head_stride,
        .k_batch_stride = k.batch_stride,
        .k_seq_stride = k.seq_stride,
        .k_head_stride = k.head_stride,
        .v_batch_stride = v.batch_stride,
        .v_seq_stride = v.seq_stride,
        .v_head_stride = v.head_stride,
        .o_batch_stride = o.batch_stride,
        .o_seq_stride = o.seq_stride,
        .o_head_stride = o.head_stride,
        .scale = (float)(1 / sqrt((double)s->qk_dim)),
        .causal = s->flags & CAUSAL ? 1 : 0,
    };
    CONF_OK(c, halopAttention(&args, NULL));
    a = (struct oracle_attention){
        .q = q.val,
        .k = k.val,
        .v = v.val,
        .kv_lens = s->flags & LENGTHS ? lens : NULL,
        .batch = s->batch,
        .n_q = s->n_q,
        .kv_max = s->kv_max,
        .heads = s->heads,
        .kv_heads = s->kv_heads,
        .qk_dim = s->qk_dim,
        .v_dim = s->v_dim,
        .scale = args.scale,
        .causal = args.causal,
    };
    judge(c, p, &o, s->flags & NO_LSE ? NULL : &lse, &a);
    kx_intact(c, &q.t);
    kx_intact(c, &k.t);
    kx_intact(c, &v.t);
}

void kx_cases_attention(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(dtypes); d++) {
        struct param p = { .in = dtypes[d][0], .out = dtypes[d][1] };
        char dtype[16];

        (void)snprintf(dtype, sizeof dtype, p.in == p.out ? "%s" : "%s_%s",
                       conf_dtype_name(p.in), conf_dtype_name(p.out));
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            p.s = shapes[i];
            if (d && (p.s.n_q > KX_GRID || p.s.kv_max > 2 * KX_GRID))
                continue;
            kx_add(list, p.in, i == 2 ? " core" : "", run, &p, sizeof p,
                   "attention.%s.%s", dtype, p.s.name);
        }
    }
}
