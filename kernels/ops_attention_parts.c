/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_attention_parts.c - checks that the attention operators share, and keys
 * in parts: how many, their partial results, and the joining of those.
 */
#include "kernels/ops_attention_internal.h"

#include <math.h>

#define DIM_MAX  576 /* the kernels' LOCAL memory */
#define PART_MIN 256
/* llvmpipe ends loops after 65,535 iterations of a thread's life: 4096 keys of
 * 576 + 512 columns take about 19,000. */
#define PART_MAX  4096
#define PARTS_MAX 64
/* Whatever is wanted: a part is a group along y, of which a grid may have
 * 65535, and one thread joins them all, 2 + dim / 64 times over: 11 x 4096
 * steps is what llvmpipe's loops bear. */
#define PARTS_LIMIT 4096
#define HELD_MAX    8 /* HELD of the kernels on a CPU */

halError_t ops_check_heads(const char *op, int64_t n_heads, int64_t n_kv_heads,
                           int64_t qk_dim, int64_t v_dim)
{
    if (qk_dim < 1 || qk_dim > DIM_MAX || v_dim < 1 || v_dim > DIM_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "qk_dim is %lld and v_dim %lld; both must lie in "
                        "1..%d",
                        (long long)qk_dim, (long long)v_dim, DIM_MAX);
    if (n_heads > UINT16_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "n_heads is %lld; up to 65535 are possible",
                        (long long)n_heads);
    if (n_heads && (n_kv_heads < 1 || n_heads % n_kv_heads))
        return ops_fail(op, halErrorInvalidValue,
                        "n_heads, %lld, must be a multiple of "
                        "n_kv_heads, %lld",
                        (long long)n_heads, (long long)n_kv_heads);
    return halSuccess;
}

halError_t ops_check_scale(const char *op, float scale)
{
    if (!isfinite(scale))
        return ops_fail(op, halErrorInvalidValue,
                        "scale is %g; it must be finite", (double)scale);
    return halSuccess;
}

halError_t ops_check_tokens(const char *op, const int32_t *q_starts,
                            int64_t batch, int64_t max_q, int64_t n_tokens)
{
    if (!q_starts && (max_q ? n_tokens % max_q != 0 || n_tokens / max_q != batch
                            : n_tokens != 0))
        return ops_fail(op, halErrorInvalidValue,
                        "n_tokens is %lld; without q_starts it must be "
                        "batch x max_q, %lld x %lld",
                        (long long)n_tokens, (long long)batch,
                        (long long)max_q);
    return halSuccess;
}

int64_t ops_attention_groups(const struct ops_call *call, int64_t batch,
                             int64_t each, int64_t kv_max)
{
    int64_t parts = kv_max / PART_MIN + 1, hold = 1;
    double blocks = (double)batch * (double)each * (double)parts;

    /* Splitting the keys occupies the units as well as more groups do. */
    if (call->group == 1)
        hold = (int64_t)(blocks / (2.0 * call->device.units));
    hold = hold > HELD_MAX ? HELD_MAX : hold < 1 ? 1 : hold;
    return batch * ((each + hold - 1) / hold);
}

int64_t ops_part_keys(const struct ops_call *call, int64_t kv_max,
                      int64_t groups, int64_t wanted)
{
    int64_t idle = (int64_t)call->device.units * 2 / (groups ? groups : 1);
    int64_t parts = idle < 1 ? 1 : idle > PARTS_MAX ? PARTS_MAX : idle;
    int64_t part = (kv_max + parts - 1) / parts;

    if (wanted)
        part = wanted;
    else if (part < PART_MIN)
        part = PART_MIN;
    if (part > PART_MAX && call->group > 1)
        part = PART_MAX;
    if (kv_max / part >= PARTS_LIMIT)
        part = kv_max / PARTS_LIMIT + 1;
    /* one step of 64 keys is a tile */
    return wanted ? part : (part + 63) / 64 * 64;
}

halError_t ops_parts_take(struct ops_parts *parts, struct ops_call *call,
                          halStream_t stream)
{
    const size_t n_rows = (size_t)(parts->n * parts->rows);
    const size_t o_floats = n_rows * (size_t)parts->dim;
    const size_t bytes = (o_floats + n_rows) * sizeof(float);
    halError_t st =
        ops_result(call->op, halMallocAsync(&parts->memory, bytes, stream));

    if (st != halSuccess)
        return st;
    parts->o = parts->memory;
    parts->lse = parts->o + o_floats;
    ops_buffer(call, parts->o);
    ops_buffer(call, parts->lse);
    return halSuccess;
}

halError_t ops_parts_give(const struct ops_parts *parts, const char *op,
                          halError_t st, halStream_t stream)
{
    halError_t freed = ops_result(op, halFreeAsync(parts->memory, stream));

    return st != halSuccess ? st : freed;
}

halError_t ops_parts_join(const struct ops_parts *parts, const char *op,
                          halDtype out, void *o, float *lse, int64_t n_q,
                          int64_t n_heads, const int64_t strides[3],
                          halStream_t stream)
{
    struct ops_call call;
    halError_t st =
        ops_find(&call, op, "attention_combine_%s", ops_dtype_name(out));

    if (st != halSuccess)
        return st;
    if (ops_is_deep(&call, parts->n * (2 + (parts->dim + 63) / 64)))
        return ops_fail(op, halErrorNotSupported,
                        "%lld parts of %lld columns; this device ends a "
                        "thread's loops after %u steps, and so joins fewer",
                        (long long)parts->n, (long long)parts->dim,
                        call.device.loop_steps);
    ops_buffer(&call, o);
    ops_buffer(&call, lse);
    ops_buffer(&call, parts->o);
    ops_buffer(&call, parts->lse);
    ops_u32(&call, parts->rows);
    ops_u32(&call, parts->n);
    ops_u32(&call, n_q);
    ops_u32(&call, n_heads);
    ops_u32(&call, parts->dim);
    ops_u32(&call, lse != NULL);
    ops_u32(&call, strides[0]);
    ops_u32(&call, strides[1]);
    ops_u32(&call, strides[2]);
    return ops_run(&call, (uint64_t)parts->rows, 1, stream);
}

halError_t ops_parts_join_rows(const struct ops_parts *parts, const char *op,
                               halDtype out, void *o, float *lse,
                               halStream_t stream)
{
    /* Each row is a batch of its own. */
    const int64_t strides[3] = { parts->dim, parts->dim, parts->dim };

    return ops_parts_join(parts, op, out, o, lse, 1, 1, strides, stream);
}
