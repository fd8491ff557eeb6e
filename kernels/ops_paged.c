/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_paged.c - attention over paged caches (ops_paged.h), split into parts of
 * the keys where the queries alone would leave the device idle.
 */
#include "kernels/ops_attention_internal.h"

#include <math.h>
#include <string.h>

/* flags of attention_paged.k */
enum { CAUSAL = 1, HAS_STARTS = 2, HAS_LSE = 4 };

static halError_t check_dims(const char *op,
                             const struct halopPagedAttentionArgs *a)
{
    const struct ops_size sizes[] = {
        { "batch", a->batch },
        { "n_tokens", a->n_tokens },
        { "max_q", a->max_q },
        { "n_heads", a->n_heads },
        { "n_kv_heads", a->n_kv_heads },
        { "n_blocks", a->n_blocks },
        { "block", a->block },
        { "table_width", a->table_width },
        { "k_slot_stride", a->k_slot_stride },
        { "v_slot_stride", a->v_slot_stride },
        { "window", a->window },
        { "part", a->part },
    };
    halError_t st = ops_check_sizes(op, sizes, sizeof sizes / sizeof *sizes);

    if (st == halSuccess)
        st =
            ops_check_heads(op, a->n_heads, a->n_kv_heads, a->qk_dim, a->v_dim);
    if (st != halSuccess)
        return st;
    if (a->block < 1)
        return ops_fail(op, halErrorInvalidValue,
                        "block is 0; a block holds at least one token");
    return ops_check_tokens(op, a->q_starts, a->batch, a->max_q, a->n_tokens);
}

static halError_t check_numbers(const char *op,
                                const struct halopPagedAttentionArgs *a)
{
    halError_t st = ops_check_dtype(op, "dtype", a->dtype, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_dtype(op, "out", a->out,
                             OPS_DTYPE(a->dtype) | OPS_DTYPE(halF32));
    if (st == halSuccess)
        st = check_dims(op, a);
    if (st == halSuccess)
        st = ops_check_scale(op, a->scale);
    if (st != halSuccess)
        return st;
    if (!isfinite(a->softcap) || a->softcap < 0)
        return ops_fail(op, halErrorInvalidValue,
                        "softcap is %g; it must be 0 (none) or more",
                        (double)a->softcap);
    if (a->window && !a->causal)
        return ops_fail(op, halErrorInvalidValue,
                        "window is %lld; a window needs causal",
                        (long long)a->window);
    if (a->k_slot_stride < a->n_kv_heads * a->qk_dim ||
        a->v_slot_stride < a->n_kv_heads * a->v_dim)
        return ops_fail(op, halErrorInvalidValue,
                        "k_slot_stride is %lld and v_slot_stride %lld; a "
                        "slot holds n_kv_heads x qk_dim (v_dim)",
                        (long long)a->k_slot_stride,
                        (long long)a->v_slot_stride);
    if ((double)a->batch * (double)a->n_heads * (double)a->max_q > INT32_MAX ||
        (double)a->n_tokens * (double)a->n_heads > INT32_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "batch x n_heads x max_q and n_tokens x n_heads "
                        "must lie below 2^31");
    if ((double)a->table_width * (double)a->block > INT32_MAX ||
        (double)a->n_blocks * (double)a->block > INT32_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "table_width x block and n_blocks x block must "
                        "lie below 2^31");
    return halSuccess;
}

static int has_keys(const struct halopPagedAttentionArgs *a)
{
    return a->n_blocks > 0 && a->table_width > 0;
}

/* The tensors in the order of attention_paged.k's parameters. */
struct tensors {
    struct ops_tensor all[8];
    struct ops_view k, v;
};

static halError_t check_tensors(const char *op,
                                const struct halopPagedAttentionArgs *a,
                                struct tensors *t)
{
    const int keys = has_keys(a);
    const int64_t rows = a->n_tokens * a->n_heads,
                  slots = a->n_blocks * a->block;
    const int64_t k_row = a->n_kv_heads * a->qk_dim;
    const int64_t v_row = a->n_kv_heads * a->v_dim;
    const uint64_t batch = (uint64_t)a->batch;
    /* the last slot ends with its last head */
    const uint64_t k_span =
        ops_count(slots - 1, a->k_slot_stride) + (uint64_t)k_row;
    const uint64_t v_span =
        ops_count(slots - 1, a->v_slot_stride) + (uint64_t)v_row;
    const struct ops_tensor all[] = {
        { "o", a->o, ops_count(rows, a->v_dim), a->out, OPS_OUT, NULL },
        { "lse", a->lse, a->lse ? (uint64_t)rows : 0, halF32, OPS_OUT, NULL },
        { "q", a->q, ops_count(rows, a->qk_dim), a->dtype, OPS_IN, NULL },
        { "k", a->k, keys ? k_span : 0, a->dtype, OPS_IN, &t->k },
        { "v", a->v, keys ? v_span : 0, a->dtype, OPS_IN, &t->v },
        { "kv_lens", a->kv_lens, batch, halI32, OPS_IN, NULL },
        { "block_table", a->block_table,
          keys ? ops_count(a->batch, a->table_width) : 0, halI32, OPS_IN,
          NULL },
        { "q_starts", a->q_starts, a->q_starts ? batch + 1 : 0, halI32, OPS_IN,
          NULL },
    };

    t->k = (struct ops_view){ { slots, k_row, 1, 1 },
                              { a->k_slot_stride, 1, 0, 0 } };
    t->v = (struct ops_view){ { slots, v_row, 1, 1 },
                              { a->v_slot_stride, 1, 0, 0 } };
    memcpy(t->all, all, sizeof all);
    return ops_check_tensors(op, t->all, 8);
}

/* Everything after the tensors. */
static void scalars(struct ops_call *call,
                    const struct halopPagedAttentionArgs *a, int64_t total,
                    int64_t part, int has_lse)
{
    int64_t per_kv = a->n_heads / a->n_kv_heads;

    ops_u32(call, total);
    ops_u32(call, a->max_q);
    ops_u32(call, a->n_tokens);
    ops_u32(call, a->qk_dim | a->v_dim << 16);
    ops_u32(call, a->n_heads | per_kv << 16);
    ops_u32(call, (a->causal ? CAUSAL : 0) | (a->q_starts ? HAS_STARTS : 0) |
                      (has_lse ? HAS_LSE : 0));
    ops_u32(call, part);
    ops_f32(call, a->scale);
    ops_u32(call, a->window);
    ops_f32(call, a->softcap);
    ops_u32(call, a->block);
    ops_u32(call, has_keys(a) ? a->table_width : 0);
    ops_u32(call, a->n_blocks);
    ops_u32(call, a->k_slot_stride);
    ops_u32(call, a->v_slot_stride);
}

/* The keys in parts, whose results are then joined. */
static halError_t run_parts(const char *op,
                            const struct halopPagedAttentionArgs *a,
                            const struct tensors *t, int together,
                            int64_t total, int64_t groups, int64_t part,
                            halStream_t stream)
{
    struct ops_parts parts = { .n = (a->table_width * a->block + part - 1) /
                                    part,
                               .rows = a->n_tokens * a->n_heads,
                               .dim = a->v_dim };
    struct ops_call call;
    halError_t st;

    st = ops_find(&call, op, "attention_paged_%s_f32_%d",
                  ops_dtype_name(a->dtype), together);
    if (st == halSuccess)
        st = ops_parts_take(&parts, &call, stream);
    if (st != halSuccess)
        return st;
    ops_tensors(&call, t->all + 2, 6);
    scalars(&call, a, total, part, 1);
    st = ops_run(&call, (uint64_t)groups, (uint64_t)parts.n, stream);
    if (st == halSuccess)
        st = ops_parts_join_rows(&parts, op, a->out, a->o, a->lse, stream);
    return ops_parts_give(&parts, op, st, stream);
}

halError_t halopPagedAttention(const struct halopPagedAttentionArgs *args,
                               halStream_t stream)
{
    const char *op = "halopPagedAttention";
    const struct halopPagedAttentionArgs *a = args;
    int64_t rows, each, total, groups, part, kv_max;
    struct tensors t;
    struct ops_call call;
    int together;
    halError_t st;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check_numbers(op, a);
    if (st != halSuccess || !a->batch || !a->n_tokens || !a->max_q ||
        !a->n_heads)
        return st;
    st = check_tensors(op, a, &t);
    if (st != halSuccess)
        return st;
    rows = a->max_q * (a->n_heads / a->n_kv_heads);
    together = rows > 1 ? OPS_QUERY_ROWS : 1;
    each = a->n_kv_heads * ((rows + together - 1) / together);
    total = a->batch * each;
    st = ops_find(&call, op, "attention_paged_%s_%s_%d",
                  ops_dtype_name(a->dtype), ops_dtype_name(a->out), together);
    if (st != halSuccess)
        return st;
    kv_max = has_keys(a) ? a->table_width * a->block : 0;
    groups = ops_attention_groups(&call, a->batch, each, kv_max);
    part = ops_part_keys(&call, kv_max, groups, a->part);
    if (part < kv_max && (double)a->n_tokens * (double)a->n_heads *
                                 (double)a->v_dim *
                                 (double)((kv_max + part - 1) / part) <
                             (double)UINT32_MAX)
        return run_parts(op, a, &t, together, total, groups, part, stream);
    ops_tensors(&call, t.all, 8);
    scalars(&call, a, total, kv_max, a->lse != NULL);
    return ops_run(&call, (uint64_t)groups, 1, stream);
}

halError_t halopAttentionCombine(halDtype out, void *o, float *lse,
                                 const float *part_o, const float *part_lse,
                                 int64_t parts, int64_t rows, int64_t dim,
                                 halStream_t stream)
{
    const char *op = "halopAttentionCombine";
    const struct ops_size sizes[] = {
        { "parts", parts },
        { "rows", rows },
        { "dim", dim },
    };
    /* Where o has few enough elements, part_o's do not wrap. */
    const uint64_t part_rows = ops_count(parts, rows);
    const struct ops_tensor tensors[] = {
        { "o", o, ops_count(rows, dim), out, OPS_OUT, NULL },
        { "lse", lse, lse ? (uint64_t)rows : 0, halF32, OPS_OUT, NULL },
        { "part_o", part_o, part_rows * (uint64_t)dim, halF32, OPS_IN, NULL },
        { "part_lse", part_lse, part_rows, halF32, OPS_IN, NULL },
    };
    const struct ops_parts all = { .n = parts,
                                   .rows = rows,
                                   .dim = dim,
                                   .o = parts ? part_o : NULL,
                                   .lse = parts ? part_lse : NULL };
    halError_t st = ops_check_dtype(op, "out", out, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 3);
    if (st != halSuccess || rows == 0 || dim == 0)
        return st;
    st = ops_check_tensors(op, tensors, 4);
    if (st != halSuccess)
        return st;
    return ops_parts_join_rows(&all, op, out, o, lse, stream);
}
