/* SPDX-License-Identifier: Apache-2.0 */
/* ops_mla.c - the fp8 latent cache: append and absorbed attention
 * (ops_paged.h). */
#include "kernels/ops_attention_internal.h"

#include <string.h>

#define LATENT 512
#define ROPE   64
#define DIM    (LATENT + ROPE)
#define WORDS  (HALOP_MLA_FP8_BYTES / 4)

/* flags of mla_fp8.k */
enum { CAUSAL = 1, HAS_STARTS = 2, HAS_LSE = 4 };

#define DTYPES (OPS_DTYPE(halF32) | OPS_DTYPE(halBF16))

/* Bytes, too, have 32-bit indices. */
static halError_t check_cache(const char *op, int64_t slots)
{
    if (slots > UINT32_MAX / HALOP_MLA_FP8_BYTES)
        return ops_fail(op, halErrorInvalidValue,
                        "cache has %lld slots; up to %u of %d bytes are "
                        "possible",
                        (long long)slots, UINT32_MAX / HALOP_MLA_FP8_BYTES,
                        HALOP_MLA_FP8_BYTES);
    return halSuccess;
}

/* ---- append ------------------------------------------------------------- */

static halError_t check_append(const char *op,
                               const struct halopMlaFp8AppendArgs *a)
{
    const struct ops_size sizes[] = {
        { "n_tokens", a->n_tokens },
        { "n_slots", a->n_slots },
        { "token_stride", a->token_stride },
        { "pe_stride", a->pe_stride },
    };
    halError_t st = ops_check_dtype(op, "dtype", a->dtype, DTYPES);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 4);
    if (st == halSuccess)
        st = check_cache(op, a->n_slots);
    if (st != halSuccess)
        return st;
    if (a->token_stride < LATENT || a->pe_stride < ROPE)
        return ops_fail(op, halErrorInvalidValue,
                        "token_stride is %lld and pe_stride %lld; a token has "
                        "%d and %d elements",
                        (long long)a->token_stride, (long long)a->pe_stride,
                        LATENT, ROPE);
    return halSuccess;
}

static halError_t run_append(const char *op,
                             const struct halopMlaFp8AppendArgs *a,
                             halStream_t stream)
{
    const struct ops_view latent = { { a->n_tokens, LATENT, 1, 1 },
                                     { a->token_stride, 1, 0, 0 } };
    const struct ops_view pe = { { a->n_tokens, ROPE, 1, 1 },
                                 { a->pe_stride, 1, 0, 0 } };
    const struct ops_tensor tensors[] = {
        { "cache", a->cache, ops_count(a->n_slots, WORDS), halU32, OPS_OUT,
          NULL },
        { "latent", a->latent,
          ops_count(a->n_tokens - 1, a->token_stride) + LATENT, a->dtype,
          OPS_IN, &latent },
        { "pe", a->pe, ops_count(a->n_tokens - 1, a->pe_stride) + ROPE,
          a->dtype, OPS_IN, &pe },
        { "slots", a->slots, (uint64_t)a->n_tokens, halI32, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = ops_check_tensors(op, tensors, 4);

    if (st == halSuccess)
        st = ops_find(&call, op, "mla_fp8_append_%s", ops_dtype_name(a->dtype));
    if (st != halSuccess)
        return st;
    ops_buffer(&call, a->cache); /* by bytes, floats and halves */
    ops_buffer(&call, a->cache);
    ops_tensors(&call, tensors, 4);
    ops_u32(&call, a->n_tokens);
    ops_u32(&call, a->n_slots);
    ops_u32(&call, a->token_stride);
    ops_u32(&call, a->pe_stride);
    return ops_run(&call, 4 * (uint64_t)a->n_tokens, 1, stream);
}

halError_t halopMlaFp8Append(const struct halopMlaFp8AppendArgs *args,
                             halStream_t stream)
{
    const char *op = "halopMlaFp8Append";
    halError_t st;

    if (!args)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check_append(op, args);
    if (st != halSuccess || args->n_tokens == 0 || args->n_slots == 0)
        return st;
    return run_append(op, args, stream);
}

/* ---- attention ---------------------------------------------------------- */

static halError_t check_numbers(const char *op, const struct halopMlaFp8Args *a)
{
    const struct ops_size sizes[] = {
        { "batch", a->batch },       { "n_tokens", a->n_tokens },
        { "max_q", a->max_q },       { "n_heads", a->n_heads },
        { "n_blocks", a->n_blocks }, { "block", a->block },
        { "part", a->part },         { "table_width", a->table_width },
    };
    halError_t st = ops_check_dtype(op, "dtype", a->dtype, DTYPES);

    if (st == halSuccess)
        st = ops_check_dtype(op, "out", a->out,
                             OPS_DTYPE(a->dtype) | OPS_DTYPE(halF32));
    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, sizeof sizes / sizeof *sizes);
    if (st != halSuccess)
        return st;
    if (a->block < 1)
        return ops_fail(op, halErrorInvalidValue,
                        "block is 0; a block holds at least one token");
    st = ops_check_scale(op, a->scale);
    if (st == halSuccess)
        st = ops_check_tokens(op, a->q_starts, a->batch, a->max_q, a->n_tokens);
    if (st != halSuccess)
        return st;
    if ((double)a->batch * (double)a->n_heads * (double)a->max_q > INT32_MAX ||
        (double)a->n_tokens * (double)a->n_heads > INT32_MAX ||
        (double)a->table_width * (double)a->block > INT32_MAX ||
        (double)a->n_blocks * (double)a->block > INT32_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "batch x n_heads x max_q, n_tokens x n_heads, "
                        "table_width x block and n_blocks x block must lie "
                        "below 2^31");
    return check_cache(op, a->n_blocks * a->block);
}

static int has_keys(const struct halopMlaFp8Args *a)
{
    return a->n_blocks > 0 && a->table_width > 0;
}

static int64_t keys_of(const struct halopMlaFp8Args *a)
{
    return has_keys(a) ? a->table_width * a->block : 0;
}

static int64_t groups_of(const struct ops_call *call,
                         const struct halopMlaFp8Args *a, int64_t total)
{
    return ops_attention_groups(call, a->batch, total / a->batch, keys_of(a));
}

#define TENSORS 7

static halError_t check_tensors(const char *op, const struct halopMlaFp8Args *a,
                                struct ops_tensor tensors[TENSORS])
{
    const int keys = has_keys(a);
    const int64_t rows = a->n_tokens * a->n_heads;
    const uint64_t batch = (uint64_t)a->batch;
    const struct ops_tensor all[TENSORS] = {
        { "o", a->o, ops_count(rows, LATENT), a->out, OPS_OUT, NULL },
        { "lse", a->lse, a->lse ? (uint64_t)rows : 0, halF32, OPS_OUT, NULL },
        { "q", a->q, ops_count(rows, DIM), a->dtype, OPS_IN, NULL },
        { "cache", a->cache,
          keys ? ops_count(a->n_blocks * a->block, WORDS) : 0, halU32, OPS_IN,
          NULL },
        { "kv_lens", a->kv_lens, batch, halI32, OPS_IN, NULL },
        { "block_table", a->block_table,
          keys ? ops_count(a->batch, a->table_width) : 0, halI32, OPS_IN,
          NULL },
        { "q_starts", a->q_starts, a->q_starts ? batch + 1 : 0, halI32, OPS_IN,
          NULL },
    };

    memcpy(tensors, all, sizeof all);
    return ops_check_tensors(op, tensors, TENSORS);
}

/* With o and lse among the arguments already. */
static halError_t run(struct ops_call *call, const struct halopMlaFp8Args *a,
                      const struct ops_tensor tensors[TENSORS], int64_t total,
                      int64_t part, int64_t parts, int has_lse,
                      halStream_t stream)
{
    ops_tensors(call, tensors + 2, 2);
    ops_tensors(call, tensors + 3, 1); /* by bytes, floats and halves */
    ops_tensors(call, tensors + 3, 4);
    ops_u32(call, total);
    ops_u32(call, a->max_q);
    ops_u32(call, a->n_tokens);
    ops_u32(call, a->n_heads);
    ops_u32(call, (a->causal ? CAUSAL : 0) | (a->q_starts ? HAS_STARTS : 0) |
                      (has_lse ? HAS_LSE : 0));
    ops_u32(call, part);
    ops_f32(call, a->scale);
    ops_u32(call, a->block);
    ops_u32(call, has_keys(a) ? a->table_width : 0);
    ops_u32(call, a->n_blocks);
    return ops_run(call, (uint64_t)groups_of(call, a, total), (uint64_t)parts,
                   stream);
}

/* The keys in parts, whose results are then joined. */
static halError_t run_parts(const char *op, const struct halopMlaFp8Args *a,
                            const struct ops_tensor tensors[TENSORS],
                            int together, int64_t total, int64_t part,
                            int64_t n_parts, halStream_t stream)
{
    struct ops_parts parts = { .n = n_parts,
                               .rows = a->n_tokens * a->n_heads,
                               .dim = LATENT };
    struct ops_call call;
    halError_t st;

    st = ops_find(&call, op, "mla_fp8_%s_f32_%d", ops_dtype_name(a->dtype),
                  together);
    if (st == halSuccess)
        st = ops_parts_take(&parts, &call, stream);
    if (st != halSuccess)
        return st;
    st = run(&call, a, tensors, total, part, parts.n, 1, stream);
    if (st == halSuccess)
        st = ops_parts_join_rows(&parts, op, a->out, a->o, a->lse, stream);
    return ops_parts_give(&parts, op, st, stream);
}

halError_t halopMlaFp8Decode(const struct halopMlaFp8Args *args,
                             halStream_t stream)
{
    const char *op = "halopMlaFp8Decode";
    const struct halopMlaFp8Args *a = args;
    int64_t rows, total, part, parts, kv_max;
    struct ops_tensor tensors[TENSORS];
    struct ops_call call;
    int together;
    halError_t st;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check_numbers(op, a);
    if (st != halSuccess || !a->batch || !a->n_tokens || !a->max_q ||
        !a->n_heads)
        return st;
    st = check_tensors(op, a, tensors);
    if (st != halSuccess)
        return st;
    rows = a->max_q * a->n_heads;
    together = rows > 1 ? OPS_QUERY_ROWS : 1;
    total = a->batch * ((rows + together - 1) / together);
    st = ops_find(&call, op, "mla_fp8_%s_%s_%d", ops_dtype_name(a->dtype),
                  ops_dtype_name(a->out), together);
    if (st != halSuccess)
        return st;
    kv_max = keys_of(a);
    part = ops_part_keys(&call, kv_max, groups_of(&call, a, total), a->part);
    parts = (kv_max + part - 1) / part;
    if (parts > 1 &&
        (double)a->n_tokens * (double)a->n_heads * LATENT * (double)parts <
            (double)UINT32_MAX)
        return run_parts(op, a, tensors, together, total, part, parts, stream);
    ops_tensors(&call, tensors, 2);
    return run(&call, a, tensors, total, kv_max, 1, a->lse != NULL, stream);
}
