/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_attention.c - rows of attention and of its caches.  Dense: Llama's and
 * Qwen's 32 query and 8 key heads of 128.  MLA: DeepSeek-V3's, expanded (192
 * and 128 a head) for prefill, absorbed (576 and 512, one key head) for decode.
 *
 * Operations: 2 (qk_dim + v_dim) for each query, head and key that it sees.
 */
#include <math.h>

#include "tools/bench/kernels.h"

#define QK_DIM     192
#define LATENT     512
#define LATENT_ALL 576 /* with the rotated part */
#define ROPE_DIM   64

/* Keys that n_q queries see in all, the last of kv causal ones or each all. */
static double pairs(int64_t n_q, int64_t kv, int causal)
{
    double n = (double)n_q;

    return causal ? n * (double)(kv - n_q) + n * (n + 1) / 2 : n * (double)kv;
}

/* ---- contiguous caches ----------------------------------------------- */

/* dims: batch, n_q, kv, heads, kv_heads, qk_dim; type is v_dim. */
static void make_attention(struct bench_set *s)
{
    struct halopAttentionArgs *a = &s->u.attention;
    int64_t batch = s->d[0], n_q = s->d[1], kv = s->d[2], heads = s->d[3];
    int64_t kv_heads = s->d[4], qk = s->d[5], v = s->row->type;

    *a = (struct halopAttentionArgs){ .dtype = s->row->in,
                                      .out = s->row->out,
                                      .batch = batch,
                                      .n_q = n_q,
                                      .kv_max = kv,
                                      .n_heads = heads,
                                      .n_kv_heads = kv_heads,
                                      .qk_dim = qk,
                                      .v_dim = v,
                                      .q_batch_stride = n_q * heads * qk,
                                      .q_seq_stride = heads * qk,
                                      .q_head_stride = qk,
                                      .k_batch_stride = kv * kv_heads * qk,
                                      .k_seq_stride = kv_heads * qk,
                                      .k_head_stride = qk,
                                      .v_batch_stride = kv * kv_heads * v,
                                      .v_seq_stride = kv_heads * v,
                                      .v_head_stride = v,
                                      .o_batch_stride = n_q * heads * v,
                                      .o_seq_stride = heads * v,
                                      .o_head_stride = v,
                                      .scale = 1 / sqrtf((float)qk),
                                      .causal = 1 };
    a->o = bench_out(s, s->row->out, batch * n_q * heads * v);
    a->q = bench_in(s, s->row->in, batch * n_q * heads * qk);
    a->k = bench_in(s, s->row->in, batch * kv * kv_heads * qk);
    a->v = bench_in(s, s->row->in, batch * kv * kv_heads * v);
    s->flops =
        2.0 * (double)(qk + v) * (double)(batch * heads) * pairs(n_q, kv, 1);
}

static halError_t run_attention(const struct bench_set *s)
{
    return halopAttention(&s->u.attention, NULL);
}

/* ---- paged caches ---------------------------------------------------- */

/* What the paged operators' arguments have in common: every sequence has kv
 * keys in blocks of its own, in no order. */
struct pages {
    int32_t *q_starts, *kv_lens, *table;
    int64_t n_blocks, width;
};

static struct pages make_pages(struct bench_set *s, int64_t batch, int64_t n_q,
                               int64_t kv, int64_t block)
{
    struct pages p = { .width = (kv + block - 1) / block };

    p.n_blocks = p.width * batch;
    p.q_starts = bench_ids(s, batch + 1, n_q, bench_at_step);
    p.kv_lens = bench_ids(s, batch, kv, bench_at_same);
    p.table = bench_ids(s, p.n_blocks, p.n_blocks, bench_at_shuffled);
    return p;
}

/* Of dims batch, n_q, kv, heads, kv_heads, block; v_dim 0: the absorbed MLA. */
static void make_paged_of(struct bench_set *s, int64_t qk, int64_t v)
{
    struct halopPagedAttentionArgs *a = &s->u.paged;
    int64_t batch = s->d[0], n_q = s->d[1], kv = s->d[2], heads = s->d[3];
    int64_t kv_heads = s->d[4], block = s->d[5], tokens = batch * n_q;
    struct pages p = make_pages(s, batch, n_q, kv, block);
    int64_t slots = p.n_blocks * block;
    bool is_mla = v == 0;

    if (is_mla)
        v = LATENT;
    *a = (struct halopPagedAttentionArgs){
        .dtype = s->row->in,
        .out = s->row->out,
        .q_starts = p.q_starts,
        .kv_lens = p.kv_lens,
        .block_table = p.table,
        .batch = batch,
        .n_tokens = tokens,
        .max_q = n_q,
        .n_heads = heads,
        .n_kv_heads = kv_heads,
        .qk_dim = qk,
        .v_dim = v,
        .n_blocks = p.n_blocks,
        .block = block,
        .table_width = p.width,
        .k_slot_stride = kv_heads * qk,
        .v_slot_stride = is_mla ? qk : kv_heads * v,
        .scale = is_mla ? 1 / sqrtf(QK_DIM) : 1 / sqrtf((float)qk),
        .causal = 1
    };
    a->o = bench_out(s, s->row->out, tokens * heads * v);
    a->q = bench_in(s, s->row->in, tokens * heads * qk);
    a->k = bench_in(s, s->row->in, slots * kv_heads * qk);
    a->v = is_mla ? a->k : bench_in(s, s->row->in, slots * kv_heads * v);
    s->flops =
        2.0 * (double)(qk + v) * (double)(batch * heads) * pairs(n_q, kv, 1);
}

static void make_paged(struct bench_set *s)
{
    make_paged_of(s, s->row->type, s->row->type);
}

static void make_absorbed(struct bench_set *s)
{
    make_paged_of(s, LATENT_ALL, 0);
}

static halError_t run_paged(const struct bench_set *s)
{
    return halopPagedAttention(&s->u.paged, NULL);
}

/* dims: batch, n_q, kv, heads, block */
static void make_mla_fp8(struct bench_set *s)
{
    struct halopMlaFp8Args *a = &s->u.mla;
    int64_t batch = s->d[0], n_q = s->d[1], kv = s->d[2], heads = s->d[3];
    int64_t block = s->d[4], tokens = batch * n_q;
    struct pages p = make_pages(s, batch, n_q, kv, block);

    *a = (struct halopMlaFp8Args){ .dtype = s->row->in,
                                   .out = s->row->out,
                                   .q_starts = p.q_starts,
                                   .kv_lens = p.kv_lens,
                                   .block_table = p.table,
                                   .batch = batch,
                                   .n_tokens = tokens,
                                   .max_q = n_q,
                                   .n_heads = heads,
                                   .n_blocks = p.n_blocks,
                                   .block = block,
                                   .table_width = p.width,
                                   .scale = 1 / sqrtf(QK_DIM),
                                   .causal = 1 };
    a->o = bench_out(s, s->row->out, tokens * heads * LATENT);
    a->q = bench_in(s, s->row->in, tokens * heads * LATENT_ALL);
    a->cache = bench_slots(s, p.n_blocks * block);
    s->flops = 2.0 * (LATENT_ALL + LATENT) * (double)(batch * heads) *
               pairs(n_q, kv, 1);
}

static halError_t run_mla_fp8(const struct bench_set *s)
{
    return halopMlaFp8Decode(&s->u.mla, NULL);
}

static void make_joined(struct bench_set *s)
{
    int64_t parts = s->d[0], rows = s->d[1], dim = s->d[2];

    s->p[0] = bench_out(s, s->row->out, rows * dim);
    s->p[1] = bench_in(s, halF32, parts * rows * dim);
    s->p[2] = bench_in(s, halF32, parts * rows);
    s->flops = 2.0 * (double)(parts * rows * dim);
}

static halError_t run_joined(const struct bench_set *s)
{
    return halopAttentionCombine(s->row->out, s->p[0], NULL, s->p[1], s->p[2],
                                 s->d[0], s->d[1], s->d[2], NULL);
}

/* ---- writing caches -------------------------------------------------- */

/* type: the rotated part's start, or -1 for none; dims tokens, heads, dim. */
static void make_append(struct bench_set *s)
{
    struct halopKvAppendArgs *a = &s->u.append;
    int64_t tokens = s->d[0], heads = s->d[1], dim = s->d[2];
    int64_t at = s->row->type, rope = at < 0 ? 0 : dim - at;

    *a = (struct halopKvAppendArgs){ .dtype = s->row->in,
                                     .layout = at > 0 ? halopRopeInterleaved
                                                      : halopRopeHalf,
                                     .n_tokens = tokens,
                                     .n_heads = heads,
                                     .head_dim = dim,
                                     .n_slots = tokens,
                                     .token_stride = heads * dim,
                                     .slot_stride = heads * dim,
                                     .rope_at = at < 0 ? 0 : at,
                                     .rope_dim = rope,
                                     .n_positions = tokens };
    a->cache = bench_out(s, s->row->in, tokens * heads * dim);
    a->x = bench_in(s, s->row->in, tokens * heads * dim);
    a->slots = bench_ids(s, tokens, tokens, bench_at_shuffled);
    if (rope) {
        a->cos = bench_in(s, halF32, tokens * rope / 2);
        a->sin = bench_in(s, halF32, tokens * rope / 2);
        a->positions = bench_ids(s, tokens, tokens, bench_at_each);
    }
    s->flops = 3.0 * (double)(tokens * heads * rope);
}

static halError_t run_append(const struct bench_set *s)
{
    return halopKvAppend(&s->u.append, NULL);
}

static void make_append_fp8(struct bench_set *s)
{
    struct halopMlaFp8AppendArgs *a = &s->u.mla_append;
    int64_t tokens = s->d[0];

    *a = (struct halopMlaFp8AppendArgs){ .dtype = s->row->in,
                                         .n_tokens = tokens,
                                         .n_slots = tokens,
                                         .token_stride = LATENT,
                                         .pe_stride = ROPE_DIM };
    a->cache = bench_out(s, halU8, tokens * HALOP_MLA_FP8_BYTES);
    a->latent = bench_in(s, s->row->in, tokens * LATENT);
    a->pe = bench_in(s, s->row->in, tokens * ROPE_DIM);
    a->slots = bench_ids(s, tokens, tokens, bench_at_shuffled);
    s->flops = 2.0 * (double)(tokens * LATENT);
}

static halError_t run_append_fp8(const struct bench_set *s)
{
    return halopMlaFp8Append(&s->u.mla_append, NULL);
}

/* ---- the table ------------------------------------------------------- */

#define DENSE(name, in_, out_, v, n_q, kv, h, hk, qk, NQ, KV, H, HK)          \
    {                                                                         \
        .op = "attention", .kind = name, .api = "halopAttention",             \
        .make = make_attention, .run = run_attention, .in = in_, .out = out_, \
        .type = v, .names = "batch n_q kv heads kv_heads qk",                 \
        .dims = { 1, n_q, kv, h, hk, qk }, .full = {                          \
            1,                                                                \
            NQ,                                                               \
            KV,                                                               \
            H,                                                                \
            HK,                                                               \
            qk                                                                \
        }                                                                     \
    }
#define PREFILL(name, in, out) \
    DENSE(name, in, out, 128, 128, 256, 16, 4, 128, 1024, 1024, 32, 8)
#define DECODE(name, in, out) \
    DENSE(name, in, out, 128, 1, 8192, 32, 8, 128, 1, 32768, 32, 8)
#define EXPANDED(name, in, out) \
    DENSE(name, in, out, 128, 128, 256, 8, 8, 192, 1024, 1024, 128, 128)
#define PAGED_OF(op_, name, make_, in_, out_, v, ...)                         \
    {                                                                         \
        .op = op_, .kind = name, .api = "halopPagedAttention", .make = make_, \
        .run = run_paged, .in = in_, .out = out_, .type = v,                  \
        .names = "batch n_q kv heads kv_heads block", __VA_ARGS__             \
    }
#define PAGED_DECODE(name, in, out, block)                      \
    PAGED_OF("paged_attention", name, make_paged, in, out, 128, \
             .dims = { 4, 1, 2048, 32, 8, block },              \
             .full = { 16, 1, 8192, 32, 8, block })
#define PAGED_PREFILL(name, in, out)                            \
    PAGED_OF("paged_attention", name, make_paged, in, out, 128, \
             .dims = { 1, 128, 384, 16, 4, 64 },                \
             .full = { 1, 1024, 2048, 32, 8, 64 })
#define ABSORBED(name, in, out, n_q)                          \
    PAGED_OF("mla_absorbed", name, make_absorbed, in, out, 0, \
             .dims = { 1, n_q, 512, 128, 1, 64 },             \
             .full = { 8, n_q, 4096, 128, 1, 64 })
#define MLA_FP8(name, in_, out_)                                             \
    {                                                                        \
        .op = "mla_fp8", .kind = name, .api = "halopMlaFp8Decode",           \
        .make = make_mla_fp8, .run = run_mla_fp8, .in = in_, .out = out_,    \
        .names = "batch n_q kv heads block", .dims = { 1, 1, 512, 128, 64 }, \
        .full = {                                                            \
            8,                                                               \
            1,                                                               \
            4096,                                                            \
            128,                                                             \
            64                                                               \
        }                                                                    \
    }
#define JOINED(name, out_)                                         \
    {                                                              \
        .op = "attention_combine", .kind = name,                   \
        .api = "halopAttentionCombine", .make = make_joined,       \
        .run = run_joined, .out = out_, .names = "parts rows dim", \
        .dims = { 16, 256, 512 }, .full = {                        \
            32,                                                    \
            1024,                                                  \
            512                                                    \
        }                                                          \
    }
#define APPEND(name, dtype, at, heads, dim)                                  \
    {                                                                        \
        .op = "kv_append", .kind = name, .api = "halopKvAppend",             \
        .make = make_append, .run = run_append, .in = dtype, .type = at,     \
        .names = "tokens heads dim", .dims = { 1024, heads, dim }, .full = { \
            8192,                                                            \
            heads,                                                           \
            dim                                                              \
        }                                                                    \
    }
#define APPEND_FP8(name, dtype)                                           \
    {                                                                     \
        .op = "mla_fp8_append", .kind = name, .api = "halopMlaFp8Append", \
        .make = make_append_fp8, .run = run_append_fp8, .in = dtype,      \
        .names = "tokens", .dims = { 2048 }, .full = {                    \
            16384                                                         \
        }                                                                 \
    }

const struct bench_row bench_rows_attention[] = {
    PREFILL("f32.f32", halF32, halF32),
    PREFILL("bf16.bf16", halBF16, halBF16),
    PREFILL("bf16.f32", halBF16, halF32),
    PREFILL("f16.f16", halF16, halF16),
    PREFILL("f16.f32", halF16, halF32),
    DECODE("f32.f32", halF32, halF32),
    DECODE("bf16.bf16", halBF16, halBF16),
    DECODE("f16.f16", halF16, halF16),
    EXPANDED("mla_expanded.bf16.bf16", halBF16, halBF16),
    EXPANDED("mla_expanded.f32.f32", halF32, halF32),
    PAGED_DECODE("f32.f32", halF32, halF32, 64),
    PAGED_DECODE("bf16.bf16", halBF16, halBF16, 64),
    PAGED_DECODE("bf16.bf16", halBF16, halBF16, 16),
    PAGED_DECODE("f16.f16", halF16, halF16, 64),
    PAGED_PREFILL("f32.f32", halF32, halF32),
    PAGED_PREFILL("bf16.bf16", halBF16, halBF16),
    PAGED_PREFILL("f16.f32", halF16, halF32),
    ABSORBED("bf16.bf16", halBF16, halBF16, 1),
    ABSORBED("bf16.bf16", halBF16, halBF16, 4),
    ABSORBED("f32.f32", halF32, halF32, 1),
    MLA_FP8("bf16.bf16", halBF16, halBF16),
    MLA_FP8("f32.f32", halF32, halF32),
    JOINED("f32", halF32),
    JOINED("bf16", halBF16),
    JOINED("f16", halF16),
    APPEND("f32", halF32, -1, 8, 128),
    APPEND("bf16", halBF16, -1, 8, 128),
    APPEND("rope.bf16", halBF16, 0, 8, 128),
    APPEND("rope.f32", halF32, 0, 8, 128),
    APPEND("rope.f16", halF16, 0, 8, 128),
    APPEND("mla_rope.bf16", halBF16, 512, 1, 576),
    APPEND("mla_rope.f32", halF32, 512, 1, 576),
    APPEND_FP8("bf16", halBF16),
    APPEND_FP8("f32", halF32),
    { 0 },
};
