/* SPDX-License-Identifier: Apache-2.0 */
/* ops_speculate.c - the steps of speculate.k (ops_sample.h). */
#include "kernels/ops_internal.h"

#include <math.h>

/* Above, the sum of all weights might not fit its 64 bits. */
#define VOCAB_MAX ((1 << 18) - 1)
/* One thread decides about a sequence's tokens in a row. */
#define DRAFT_MAX 256

#define STATE 4 /* words of a row's state in speculate.k */

/* flags of speculate_pick */
enum { HAS_UNIFORM = 1, HAS_DRAFT = 2, GREEDY = 4 };

/* Only sampling reads the draft's logits. */
static int has_draft(const struct halopSpeculativeVerifyArgs *a)
{
    return a->draft && a->temperature > 0;
}

static int has_uniform(const struct halopSpeculativeVerifyArgs *a)
{
    return a->uniform && a->temperature > 0;
}

static halError_t check(const char *op,
                        const struct halopSpeculativeVerifyArgs *a)
{
    const struct ops_size sizes[] = { { "batch", a->batch } };
    halError_t st = ops_check_dtype(op, "dtype", a->dtype, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 1);
    if (st != halSuccess)
        return st;
    if (a->n_draft < 0 || a->n_draft > DRAFT_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "n_draft is %lld; it must lie in 0..%d",
                        (long long)a->n_draft, DRAFT_MAX);
    if (a->vocab < 1 || a->vocab > VOCAB_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "vocab is %lld; it must lie in 1..%d",
                        (long long)a->vocab, VOCAB_MAX);
    if (!(a->temperature >= 0 && a->temperature <= 3e38f))
        return ops_fail(op, halErrorInvalidValue,
                        "temperature is %g; it must lie in 0..3e38",
                        (double)a->temperature);
    return halSuccess;
}

static halError_t check_tensors(const char *op,
                                const struct halopSpeculativeVerifyArgs *a)
{
    const uint64_t drafted = ops_count(a->batch, a->n_draft);
    const uint64_t rows = ops_count(a->batch, a->n_draft + 1);
    const uint64_t vocab = (uint64_t)a->vocab, batch = (uint64_t)a->batch;
    const struct ops_tensor tensors[] = {
        { "accepted", a->accepted, batch, halI32, OPS_OUT, NULL },
        { "token", a->token, batch, halI32, OPS_OUT, NULL },
        { "target", a->target, rows * vocab, a->dtype, OPS_IN, NULL },
        { "draft", a->draft, has_draft(a) ? drafted * vocab : 0, a->dtype,
          OPS_IN, NULL },
        { "ids", a->ids, drafted, halI32, OPS_IN, NULL },
        { "uniform", a->uniform, has_uniform(a) ? rows : 0, halF32, OPS_IN,
          NULL },
    };

    return ops_check_tensors(op, tensors, 6);
}

/* Factor of a logit in powers of two. */
static float slope_of(const struct halopSpeculativeVerifyArgs *a)
{
    double slope = a->temperature > 0 ? M_LOG2E / (double)a->temperature : 1;

    return (float)fmin(slope, 3e38);
}

/* The state of `rows` rows of logits, from the first-th on. */
static halError_t find_rows(const char *op,
                            const struct halopSpeculativeVerifyArgs *a,
                            uint32_t *state, const void *logits, int64_t rows,
                            int64_t first, halStream_t stream)
{
    struct ops_call call;
    halError_t st =
        ops_find(&call, op, "speculate_rows_%s", ops_dtype_name(a->dtype));

    if (st != halSuccess || rows == 0)
        return st;
    ops_buffer(&call, state);
    ops_buffer(&call, logits);
    ops_u32(&call, rows);
    ops_u32(&call, a->vocab);
    ops_u32(&call, first);
    ops_f32(&call, slope_of(a));
    return ops_run(&call, (uint64_t)rows, 1, stream);
}

static halError_t pick(const char *op,
                       const struct halopSpeculativeVerifyArgs *a,
                       const uint32_t *state, halStream_t stream)
{
    struct ops_call call;
    halError_t st =
        ops_find(&call, op, "speculate_pick_%s", ops_dtype_name(a->dtype));

    if (st != halSuccess)
        return st;
    ops_buffer(&call, a->accepted);
    ops_buffer(&call, a->token);
    ops_buffer(&call, a->target);
    ops_buffer(&call, has_draft(a) && a->n_draft ? a->draft : NULL);
    ops_buffer(&call, a->n_draft ? a->ids : NULL);
    ops_buffer(&call, state);
    ops_buffer(&call, has_uniform(a) ? a->uniform : NULL);
    ops_u32(&call, a->batch);
    ops_u32(&call, a->n_draft);
    ops_u32(&call, a->vocab);
    ops_f32(&call, slope_of(a));
    ops_u32(&call, (has_uniform(a) ? HAS_UNIFORM : 0) |
                       (has_draft(a) ? HAS_DRAFT : 0) |
                       (a->temperature > 0 ? 0 : GREEDY));
    ops_u32(&call, (int64_t)(a->seed & UINT32_MAX));
    ops_u32(&call, (int64_t)(a->seed >> 32));
    ops_u32(&call, (int64_t)(a->counter & UINT32_MAX));
    ops_u32(&call, (int64_t)(a->counter >> 32));
    return ops_run(&call, (uint64_t)a->batch, 1, stream);
}

halError_t halopSpeculativeVerify(const struct halopSpeculativeVerifyArgs *args,
                                  halStream_t stream)
{
    const char *op = "halopSpeculativeVerify";
    const struct halopSpeculativeVerifyArgs *a = args;
    int64_t rows, drafted;
    void *memory = NULL;
    halError_t st, freed;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check(op, a);
    if (st != halSuccess || a->batch == 0)
        return st;
    st = check_tensors(op, a);
    if (st != halSuccess)
        return st;
    rows = a->batch * (a->n_draft + 1);
    drafted = has_draft(a) ? a->batch * a->n_draft : 0;
    st = ops_result(
        op,
        halMallocAsync(&memory, (size_t)(rows + drafted) * STATE * 4, stream));
    if (st != halSuccess)
        return st;
    st = find_rows(op, a, memory, a->target, rows, 0, stream);
    if (st == halSuccess)
        st = find_rows(op, a, memory, a->draft, drafted, rows, stream);
    if (st == halSuccess)
        st = pick(op, a, memory, stream);
    freed = ops_result(op, halFreeAsync(memory, stream));
    return st != halSuccess ? st : freed;
}
