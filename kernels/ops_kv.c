/* SPDX-License-Identifier: Apache-2.0 */
/* ops_kv.c - new rows of a paged cache, rotated on the way (ops_paged.h). */
#include "kernels/ops_internal.h"

static halError_t check_rope(const char *op, const struct halopKvAppendArgs *a)
{
    if (a->rope_dim < 0 || a->rope_dim % 2 || a->rope_at < 0 ||
        a->rope_at > a->head_dim || a->rope_dim > a->head_dim - a->rope_at)
        return ops_fail(op, halErrorInvalidValue,
                        "rope_at is %lld and rope_dim %lld; the rotated "
                        "part must be even and lie within head_dim, %lld",
                        (long long)a->rope_at, (long long)a->rope_dim,
                        (long long)a->head_dim);
    if (a->rope_dim == 0)
        return halSuccess;
    if (a->layout != halopRopeInterleaved && a->layout != halopRopeHalf)
        return ops_fail(op, halErrorInvalidValue,
                        "layout is %d; it must be halopRopeInterleaved or "
                        "halopRopeHalf",
                        (int)a->layout);
    if (a->n_positions < 1)
        return ops_fail(op, halErrorInvalidValue,
                        "n_positions is %lld; the tables need a row",
                        (long long)a->n_positions);
    return halSuccess;
}

static halError_t check_numbers(const char *op,
                                const struct halopKvAppendArgs *a)
{
    const struct ops_size sizes[] = {
        { "n_tokens", a->n_tokens },         { "n_heads", a->n_heads },
        { "head_dim", a->head_dim },         { "n_slots", a->n_slots },
        { "token_stride", a->token_stride }, { "slot_stride", a->slot_stride },
        { "n_positions", a->n_positions },
    };
    halError_t st = ops_check_dtype(op, "dtype", a->dtype, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 7);
    if (st != halSuccess)
        return st;
    if (a->token_stride < a->n_heads * a->head_dim ||
        a->slot_stride < a->n_heads * a->head_dim)
        return ops_fail(op, halErrorInvalidValue,
                        "token_stride is %lld and slot_stride %lld; a row "
                        "has n_heads x head_dim, %lld elements",
                        (long long)a->token_stride, (long long)a->slot_stride,
                        (long long)(a->n_heads * a->head_dim));
    return check_rope(op, a);
}

static halError_t run(const char *op, const struct halopKvAppendArgs *a,
                      halStream_t stream)
{
    const int64_t row = a->n_heads * a->head_dim;
    const struct ops_view cache = { { a->n_slots, row, 1, 1 },
                                    { a->slot_stride, 1, 0, 0 } };
    const struct ops_view x = { { a->n_tokens, row, 1, 1 },
                                { a->token_stride, 1, 0, 0 } };
    const uint64_t tokens = (uint64_t)a->n_tokens;
    const uint64_t table = ops_count(a->n_positions, a->rope_dim / 2);
    /* Without a part to rotate the last three are neither read nor passed. */
    const struct ops_tensor tensors[] = {
        { "cache", a->cache,
          ops_count(a->n_slots - 1, a->slot_stride) + (uint64_t)row, a->dtype,
          OPS_OUT, &cache },
        { "x", a->x,
          ops_count(a->n_tokens - 1, a->token_stride) + (uint64_t)row, a->dtype,
          OPS_IN, &x },
        { "slots", a->slots, tokens, halI32, OPS_IN, NULL },
        { "cos", a->cos, table, halF32, OPS_IN, NULL },
        { "sin", a->sin, table, halF32, OPS_IN, NULL },
        { "positions", a->positions, tokens, halI32, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st;

    if (!a->rope_dim) {
        st = ops_begin(&call, op, tensors, 3, "kv_append_u%u",
                       8 * ops_dtype_bytes(a->dtype));
        if (st != halSuccess)
            return st;
        ops_u32(&call, a->n_tokens);
        ops_u32(&call, row);
        ops_u32(&call, a->n_slots);
        ops_u32(&call, a->token_stride);
        ops_u32(&call, a->slot_stride);
        return ops_run(&call, tokens, 1, stream);
    }
    st = ops_begin(&call, op, tensors, 6,
                   a->layout == halopRopeHalf ? "kv_append_rope_half_%s"
                                              : "kv_append_rope_%s",
                   ops_dtype_name(a->dtype));
    if (st != halSuccess)
        return st;
    ops_u32(&call, a->n_tokens);
    ops_u32(&call, a->n_heads);
    ops_u32(&call, a->head_dim);
    ops_u32(&call, a->rope_at);
    ops_u32(&call, a->rope_dim / 2);
    ops_u32(&call, a->n_positions);
    ops_u32(&call, a->n_slots);
    ops_u32(&call, a->token_stride);
    ops_u32(&call, a->slot_stride);
    return ops_run(&call, ops_count(a->n_tokens, a->n_heads), 1, stream);
}

halError_t halopKvAppend(const struct halopKvAppendArgs *args,
                         halStream_t stream)
{
    const char *op = "halopKvAppend";
    const struct halopKvAppendArgs *a = args;
    halError_t st;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check_numbers(op, a);
    if (st != halSuccess || !a->n_tokens || !a->n_heads || !a->head_dim ||
        !a->n_slots)
        return st;
    return run(op, a, stream);
}
