/* SPDX-License-Identifier: Apache-2.0 */
/* ops_sample.c - top-k, and the steps of sample.k (ops_sample.h). */
#include "kernels/ops_internal.h"

#include <math.h>

#define TOP_MAX 256 /* topk.k's LOCAL memory */
/* Above, the sum of all weights might not fit its 64 bits. */
#define VOCAB_MAX ((1 << 18) - 1)

#define STATE 4 /* words of a row's state in sample.k */

/* flags of sample_pick */
enum { HAS_UNIFORM = 1, HAS_KEPT = 2 };

halError_t halopTopK(halDtype dtype, void *values, int32_t *indices,
                     const void *x, int64_t rows, int64_t n, int64_t k,
                     halStream_t stream)
{
    const char *op = "halopTopK";
    const struct ops_size sizes[] = { { "rows", rows }, { "n", n } };
    const uint64_t found = ops_count(rows, k);
    const struct ops_tensor tensors[] = {
        { "values", values, values ? found : 0, dtype, OPS_OUT, NULL },
        { "indices", indices, found, halI32, OPS_OUT, NULL },
        { "x", x, ops_count(rows, n), dtype, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "dtype", dtype, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 2);
    if (st != halSuccess)
        return st;
    if (k < 1 || k > n || k > TOP_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "k is %lld; it must lie in 1..n, %lld, and up to "
                        "%d",
                        (long long)k, (long long)n, TOP_MAX);
    if (rows == 0)
        return halSuccess;
    st = ops_begin(&call, op, tensors, 3, "topk_%s", ops_dtype_name(dtype));
    if (st != halSuccess)
        return st;
    ops_u32(&call, rows);
    ops_u32(&call, n);
    ops_u32(&call, k);
    ops_u32(&call, values != NULL);
    return ops_run(&call, (uint64_t)rows, 1, stream);
}

/* ---- sampling ----------------------------------------------------------- */

static halError_t check_number(const char *op, const char *name, float value,
                               float most)
{
    if (value >= 0 && value <= most)
        return halSuccess;
    return ops_fail(op, halErrorInvalidValue, "%s is %g; it must lie in 0..%g",
                    name, (double)value, (double)most);
}

static halError_t check_sample(const char *op, const struct halopSampleArgs *a)
{
    const struct ops_size sizes[] = {
        { "rows", a->rows },
        { "n_past", a->n_past },
        { "top_k", a->top_k },
    };
    halError_t st = ops_check_dtype(op, "dtype", a->dtype, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 3);
    if (st == halSuccess)
        st = check_number(op, "temperature", a->temperature, 3e38f);
    if (st == halSuccess)
        st = check_number(op, "repetition_penalty", a->repetition_penalty,
                          3e38f);
    if (st == halSuccess)
        st = check_number(op, "top_p", a->top_p, 1);
    if (st == halSuccess)
        st = check_number(op, "min_p", a->min_p, 1);
    if (st != halSuccess)
        return st;
    if (a->vocab < 1 || a->vocab > VOCAB_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "vocab is %lld; it must lie in 1..%d",
                        (long long)a->vocab, VOCAB_MAX);
    return halSuccess;
}

static int penalises(const struct halopSampleArgs *a)
{
    return a->n_past > 0 && a->repetition_penalty > 0 &&
           (a->repetition_penalty < 1 || a->repetition_penalty > 1);
}

static halError_t check_sample_tensors(const char *op,
                                       const struct halopSampleArgs *a)
{
    const uint64_t rows = (uint64_t)a->rows;
    const struct ops_tensor tensors[] = {
        { "token", a->token, rows, halI32, OPS_OUT, NULL },
        { "kept", a->kept, a->kept ? rows : 0, halI32, OPS_OUT, NULL },
        { "logits", a->logits, ops_count(a->rows, a->vocab), a->dtype, OPS_IN,
          NULL },
        { "past", a->past, penalises(a) ? ops_count(a->rows, a->n_past) : 0,
          halI32, OPS_IN, NULL },
        { "uniform", a->uniform, a->uniform ? rows : 0, halF32, OPS_IN, NULL },
    };

    return ops_check_tensors(op, tensors, 5);
}

static halError_t prepare(const char *op, const struct halopSampleArgs *a,
                          float *z, halStream_t stream)
{
    struct ops_call call;
    double penalty = penalises(a) ? (double)a->repetition_penalty : 1;
    halError_t st =
        ops_find(&call, op, "sample_prepare_%s", ops_dtype_name(a->dtype));

    if (st != halSuccess)
        return st;
    ops_buffer(&call, z);
    ops_buffer(&call, a->logits);
    ops_buffer(&call, penalises(a) ? a->past : NULL);
    ops_u32(&call, a->rows);
    ops_u32(&call, a->vocab);
    ops_u32(&call, penalises(a) ? a->n_past : 0);
    ops_f32(&call, (float)penalty);
    ops_f32(&call, (float)(1 / penalty));
    return ops_run(&call, (uint64_t)a->rows, 1, stream);
}

static halError_t cut(const char *op, const struct halopSampleArgs *a,
                      const float *z, uint32_t *state, halStream_t stream)
{
    struct ops_call call;
    halError_t st = ops_find(&call, op, "sample_cut");

    if (st != halSuccess)
        return st;
    ops_buffer(&call, state);
    ops_buffer(&call, z);
    ops_u32(&call, a->rows);
    ops_u32(&call, a->vocab);
    ops_u32(&call, a->top_k && a->temperature > 0 ? a->top_k : a->vocab);
    ops_u32(&call, !(a->temperature > 0));
    return ops_run(&call, (uint64_t)a->rows, 1, stream);
}

/* Factor of a logit in powers of two. */
static float slope_of(const struct halopSampleArgs *a)
{
    double slope = a->temperature > 0 ? M_LOG2E / (double)a->temperature : 1;

    return (float)fmin(slope, 3e38);
}

static halError_t nucleus(const char *op, const struct halopSampleArgs *a,
                          const float *z, uint32_t *state, halStream_t stream)
{
    struct ops_call call;
    halError_t st = ops_find(&call, op, "sample_nucleus");

    if (st != halSuccess)
        return st;
    ops_buffer(&call, state);
    ops_buffer(&call, z);
    ops_u32(&call, a->rows);
    ops_u32(&call, a->vocab);
    ops_f32(&call, slope_of(a));
    ops_u32(&call, (int64_t)((double)a->top_p * 0x1p32));
    return ops_run(&call, (uint64_t)a->rows, 1, stream);
}

static halError_t pick(const char *op, const struct halopSampleArgs *a,
                       const float *z, const uint32_t *state,
                       halStream_t stream)
{
    uint64_t least = (uint64_t)ceil((double)a->min_p * 0x1p46);
    struct ops_call call;
    halError_t st = ops_find(&call, op, "sample_pick");

    if (st != halSuccess)
        return st;
    ops_buffer(&call, a->token);
    ops_buffer(&call, a->kept);
    ops_buffer(&call, state);
    ops_buffer(&call, z);
    ops_buffer(&call, a->uniform);
    ops_u32(&call, a->rows);
    ops_u32(&call, a->vocab);
    ops_f32(&call, slope_of(a));
    ops_u32(&call, (int64_t)(least >> 32));
    ops_u32(&call, (int64_t)(least & UINT32_MAX));
    ops_u32(&call, (a->uniform ? HAS_UNIFORM : 0) | (a->kept ? HAS_KEPT : 0));
    ops_u32(&call, (int64_t)(a->seed & UINT32_MAX));
    ops_u32(&call, (int64_t)(a->seed >> 32));
    ops_u32(&call, (int64_t)(a->counter & UINT32_MAX));
    ops_u32(&call, (int64_t)(a->counter >> 32));
    return ops_run(&call, (uint64_t)a->rows, 1, stream);
}

halError_t halopSample(const struct halopSampleArgs *args, halStream_t stream)
{
    const char *op = "halopSample";
    const struct halopSampleArgs *a = args;
    size_t numbers;
    uint32_t *state;
    void *memory = NULL;
    halError_t st, freed;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check_sample(op, a);
    if (st != halSuccess || a->rows == 0)
        return st;
    st = check_sample_tensors(op, a);
    if (st != halSuccess)
        return st;
    numbers = (size_t)a->rows * (size_t)a->vocab;
    st = ops_result(op, halMallocAsync(&memory,
                                       (numbers + (size_t)a->rows * STATE) * 4,
                                       stream));
    if (st != halSuccess)
        return st;
    state = (uint32_t *)memory + numbers;
    st = prepare(op, a, memory, stream);
    if (st == halSuccess)
        st = cut(op, a, memory, state, stream);
    if (st == halSuccess && a->temperature > 0 && a->top_p > 0 && a->top_p < 1)
        st = nucleus(op, a, memory, state, stream);
    if (st == halSuccess)
        st = pick(op, a, memory, state, stream);
    freed = ops_result(op, halFreeAsync(memory, stream));
    return st != halSuccess ? st : freed;
}
