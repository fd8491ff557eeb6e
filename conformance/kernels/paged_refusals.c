/* SPDX-License-Identifier: Apache-2.0 */
/* paged_refusals.c - kernel.refuse.*: what ops_paged.h does not accept. */
#include <math.h>

#include "conformance/kernels/cases.h"

static void attention(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    struct halopPagedAttentionArgs good = {
        .dtype = halF32,
        .out = halF32,
        .o = b.out.mem,
        .lse = kx_at(&b.out, 2048),
        .q = b.in.mem,
        .k = b.in.mem,
        .v = b.in.mem,
        .q_starts = b.in.mem,
        .kv_lens = b.in.mem,
        .block_table = b.in.mem,
        .batch = 2,
        .n_tokens = 4,
        .max_q = 2,
        .n_heads = 4,
        .n_kv_heads = 2,
        .qk_dim = 8,
        .v_dim = 8,
        .n_blocks = 3,
        .block = 16,
        .table_width = 2,
        .k_slot_stride = 16,
        .v_slot_stride = 16,
        .scale = 1,
        .causal = 1,
    }, bad;

#define BAD(field, value) \
    KX_WITH(halErrorInvalidValue, halopPagedAttention, field, value)
    BAD(o, NULL);
    BAD(q, NULL);
    BAD(k, NULL);
    BAD(v, NULL);
    BAD(kv_lens, NULL);
    BAD(block_table, NULL);
    BAD(batch, -1);
    BAD(batch, 1 << 20);
    BAD(n_tokens, 1 << 20);
    BAD(max_q, -2);
    BAD(n_heads, 3);
    BAD(n_heads, 1 << 16);
    BAD(n_kv_heads, 0);
    BAD(qk_dim, 0);
    BAD(qk_dim, 577);
    BAD(v_dim, 577);
    BAD(block, 0);
    BAD(block, -16);
    BAD(n_blocks, 1 << 20);
    BAD(n_blocks, INT32_MAX);
    BAD(table_width, 1 << 20);
    BAD(table_width, INT32_MAX);
    BAD(k_slot_stride, 15);
    BAD(v_slot_stride, 15);
    BAD(k_slot_stride, INT64_MAX);
    BAD(window, -1);
    BAD(part, -1);
    BAD(scale, NAN);
    BAD(softcap, -1);
    BAD(softcap, INFINITY);
    BAD(o, b.in.mem);
    BAD(lse, b.out.mem);
    BAD(q, kx_at(&b.in, 2));
    BAD(kv_lens, kx_at(&b.in, 2));
    BAD(block_table, kx_at(&b.in, 1));
    BAD(q_starts, kx_at(&b.in, 3));
    bad = good;
    bad.q_starts = NULL;
    bad.n_tokens = 3; /* is not batch x max_q */
    CONF_FAILS(c, halErrorInvalidValue, halopPagedAttention(&bad, NULL));
    bad = good;
    bad.causal = 0;
    bad.window = 4;
    CONF_FAILS(c, halErrorInvalidValue, halopPagedAttention(&bad, NULL));
#undef BAD
    KX_WITH(halErrorNotSupported, halopPagedAttention, dtype, halI8);
    KX_WITH(halErrorNotSupported, halopPagedAttention, out, halF16);
    CONF_FAILS(c, halErrorInvalidValue, halopPagedAttention(NULL, NULL));
    bad = good;
    bad.batch = bad.n_tokens = 0;
    CONF_OK(c, halopPagedAttention(&bad, NULL));
    kx_bench_finish(c, &b);
}

static void append(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    struct halopKvAppendArgs good = {
        .dtype = halF32,
        .cache = b.out.mem,
        .x = b.in.mem,
        .slots = b.in.mem,
        .cos = b.in.mem,
        .sin = b.in.mem,
        .positions = b.in.mem,
        .n_tokens = 4,
        .n_heads = 2,
        .head_dim = 8,
        .n_slots = 16,
        .token_stride = 16,
        .slot_stride = 16,
        .rope_at = 2,
        .rope_dim = 4,
        .n_positions = 9,
    }, bad;

#define BAD(field, value) \
    KX_WITH(halErrorInvalidValue, halopKvAppend, field, value)
    BAD(cache, NULL);
    BAD(x, NULL);
    BAD(slots, NULL);
    BAD(cos, NULL);
    BAD(sin, NULL);
    BAD(positions, NULL);
    BAD(layout, (halopRopeLayout)5);
    BAD(n_tokens, -1);
    BAD(n_tokens, 1 << 20);
    BAD(n_heads, -2);
    BAD(head_dim, INT64_MAX);
    BAD(n_slots, 1 << 20);
    BAD(token_stride, 15);
    BAD(slot_stride, 15);
    BAD(rope_at, -2);
    BAD(rope_at, 5);
    BAD(rope_dim, 3);
    BAD(rope_dim, 8);
    BAD(n_positions, 0);
    BAD(n_positions, 1 << 20);
    BAD(cache, b.in.mem);
    BAD(slots, kx_at(&b.in, 2));
    BAD(cache, kx_at(&b.out, 2));
#undef BAD
    KX_WITH(halErrorNotSupported, halopKvAppend, dtype, halI32);
    CONF_FAILS(c, halErrorInvalidValue, halopKvAppend(NULL, NULL));
    bad = good;
    bad.n_tokens = 0;
    CONF_OK(c, halopKvAppend(&bad, NULL));
    kx_bench_finish(c, &b);
}

static void join(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    void *o = b.out.mem;
    float *lse = kx_at(&b.out, 2048), *in = b.in.mem;
    const halError_t bad = halErrorInvalidValue;

    CONF_FAILS(c, bad,
               halopAttentionCombine(halF32, NULL, lse, in, in, 2, 4, 8, NULL));
    CONF_FAILS(c, bad,
               halopAttentionCombine(halF32, o, lse, NULL, in, 2, 4, 8, NULL));
    CONF_FAILS(c, bad,
               halopAttentionCombine(halF32, o, lse, in, NULL, 2, 4, 8, NULL));
    CONF_FAILS(c, bad,
               halopAttentionCombine(halF32, o, lse, in, in, -2, 4, 8, NULL));
    CONF_FAILS(
        c, bad,
        halopAttentionCombine(halF32, o, lse, in, in, 2, 1 << 20, 8, NULL));
    CONF_FAILS(c, bad,
               halopAttentionCombine(halF32, in, lse, in, in, 2, 4, 8, NULL));
    CONF_FAILS(c, bad,
               halopAttentionCombine(halF32, o, o, in, in, 2, 4, 8, NULL));
    CONF_FAILS(c, halErrorNotSupported,
               halopAttentionCombine(halI8, o, lse, in, in, 2, 4, 8, NULL));
    CONF_OK(c, halopAttentionCombine(halF32, o, lse, in, in, 2, 0, 8, NULL));
    kx_bench_finish(c, &b);
}

void kx_cases_paged_refusals(struct conf_list *list)
{
    kx_add(list, halF32, " mla", attention, NULL, 0, "refuse.paged_attention");
    kx_add(list, halF32, " mla", append, NULL, 0, "refuse.kv_append");
    kx_add(list, halF32, " mla", join, NULL, 0, "refuse.attention_combine");
}
