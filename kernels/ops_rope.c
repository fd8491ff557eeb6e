/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_rope.c - rotary position embedding: frequencies and tables on the host
 * (in double, rounded once), the rotation on the device.
 */
#include "kernels/ops_internal.h"

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846

/* 0 stands for "absent": then the value that config.json may leave out. */
static double or_default(double value, double fallback)
{
    return value == 0.0 ? fallback : value;
}

static halError_t config_check(const char *op,
                               const struct halopRopeConfig *config)
{
    if (!config)
        return hal_fail(halErrorInvalidValue, "%s: config is NULL", op);
    if (config->dim <= 0 || config->dim % 2)
        return hal_fail(halErrorInvalidValue,
                        "%s: config->dim is %d; it must be even and positive",
                        op, config->dim);
    if (!(config->theta > 0.0) || isinf(config->theta))
        return hal_fail(halErrorInvalidValue,
                        "%s: config->theta is %g; it must be positive", op,
                        config->theta);
    switch (config->scaling) {
    case halopRopePlain:
        return halSuccess;
    case halopRopeYarn:
    case halopRopeLlama3:
        break;
    default:
        return hal_fail(halErrorInvalidValue,
                        "%s: config->scaling is %d; it must be plain, yarn or "
                        "llama3",
                        op, (int)config->scaling);
    }
    if (!(config->factor > 0.0) || isinf(config->factor))
        return hal_fail(halErrorInvalidValue,
                        "%s: config->factor is %g; it must be positive", op,
                        config->factor);
    if (!(config->original_max_position > 0.0))
        return hal_fail(halErrorInvalidValue,
                        "%s: config->original_max_position is %g; it must be "
                        "positive",
                        op, config->original_max_position);
    if (config->scaling == halopRopeYarn && config->theta == 1.0)
        return hal_fail(halErrorInvalidValue,
                        "%s: config->theta is 1; YaRN divides by its "
                        "logarithm",
                        op);
    if (config->scaling == halopRopeLlama3 &&
        or_default(config->low_freq_factor, 1.0) >=
            or_default(config->high_freq_factor, 4.0))
        return hal_fail(halErrorInvalidValue,
                        "%s: config->low_freq_factor must be below "
                        "high_freq_factor",
                        op);
    return halSuccess;
}

/* YaRN's m(s, a). */
static double yarn_m(double s, double a)
{
    return s > 1.0 ? 0.1 * a * log(s) + 1.0 : 1.0;
}

/* The dimension whose wave turns n times within the original context. */
static double yarn_dim(const struct halopRopeConfig *c, double n)
{
    return c->dim * log(c->original_max_position / (n * 2.0 * PI)) /
           (2.0 * log(c->theta));
}

static double yarn_frequency(const struct halopRopeConfig *c, int i, double f)
{
    double low = floor(yarn_dim(c, or_default(c->beta_fast, 32.0)));
    double high = ceil(yarn_dim(c, or_default(c->beta_slow, 1.0)));
    double ramp;

    low = low < 0.0 ? 0.0 : low;
    high = high > c->dim - 1 ? c->dim - 1 : high;
    if (low == high)
        high += 0.001;
    ramp = (i - low) / (high - low);
    ramp = ramp < 0.0 ? 0.0 : ramp > 1.0 ? 1.0 : ramp;
    return f / c->factor * ramp + f * (1.0 - ramp);
}

static double llama3_frequency(const struct halopRopeConfig *c, double f)
{
    double low = or_default(c->low_freq_factor, 1.0);
    double high = or_default(c->high_freq_factor, 4.0);
    double wave = 2.0 * PI / f, t;

    if (wave < c->original_max_position / high)
        return f;
    if (wave > c->original_max_position / low)
        return f / c->factor;
    t = (c->original_max_position / wave - low) / (high - low);
    return (1.0 - t) * f / c->factor + t * f;
}

halError_t halopRopeFrequencies(const struct halopRopeConfig *config,
                                double *inv_freq, double *factor)
{
    const char *op = "halopRopeFrequencies";
    halError_t st = config_check(op, config);
    int i;

    if (st != halSuccess)
        return st;
    if (!inv_freq || !factor)
        return hal_fail(halErrorInvalidValue, "%s: %s is NULL", op,
                        inv_freq ? "factor" : "inv_freq");
    for (i = 0; i < config->dim / 2; i++) {
        double f = pow(config->theta, -2.0 * i / config->dim);

        if (config->scaling == halopRopeYarn)
            f = yarn_frequency(config, i, f);
        else if (config->scaling == halopRopeLlama3)
            f = llama3_frequency(config, f);
        inv_freq[i] = f;
    }
    *factor = 1.0;
    if (config->scaling == halopRopeYarn) {
        if (config->mscale != 0.0 && config->mscale_all_dim != 0.0)
            *factor = yarn_m(config->factor, config->mscale) /
                      yarn_m(config->factor, config->mscale_all_dim);
        else
            *factor = yarn_m(config->factor, 1.0);
    }
    return halSuccess;
}

halError_t halopRopeTable(const struct halopRopeConfig *config, int64_t first,
                          int64_t n, float *cosines, float *sines)
{
    const char *op = "halopRopeTable";
    double *inv_freq = NULL, factor;
    int64_t p;
    int i, half;
    halError_t st = config_check(op, config);

    if (st != halSuccess)
        return st;
    if (n < 0 || first < 0 || first > INT64_MAX / 2 - n)
        return hal_fail(halErrorInvalidValue,
                        "%s: first is %lld and n %lld; both must be 0 or more",
                        op, (long long)first, (long long)n);
    if (n == 0)
        return halSuccess;
    if (!cosines || !sines)
        return hal_fail(halErrorInvalidValue, "%s: %s is NULL", op,
                        cosines ? "sin" : "cos");
    half = config->dim / 2;
    inv_freq = malloc((size_t)half * sizeof *inv_freq);
    if (!inv_freq)
        return hal_fail(halErrorHostMemory, "%s: %d frequencies", op, half);
    st = halopRopeFrequencies(config, inv_freq, &factor);
    for (p = 0; st == halSuccess && p < n; p++) {
        for (i = 0; i < half; i++) {
            double angle = (double)(first + p) * inv_freq[i];

            cosines[p * half + i] = (float)(cos(angle) * factor);
            sines[p * half + i] = (float)(sin(angle) * factor);
        }
    }
    free(inv_freq);
    return st;
}

halError_t halopRopeSoftmaxScale(const struct halopRopeConfig *config,
                                 int qk_dim, float *scale)
{
    const char *op = "halopRopeSoftmaxScale";
    halError_t st = config_check(op, config);
    double m = 1.0;

    if (st != halSuccess)
        return st;
    if (qk_dim <= 0 || !scale)
        return hal_fail(halErrorInvalidValue,
                        qk_dim <= 0 ? "%s: qk_dim must be positive"
                                    : "%s: scale is NULL",
                        op);
    if (config->scaling == halopRopeYarn && config->mscale_all_dim != 0.0)
        m = yarn_m(config->factor, config->mscale_all_dim);
    *scale = (float)(m * m / sqrt(qk_dim));
    return halSuccess;
}

static halError_t args_check(const char *op, const struct halopRopeArgs *a,
                             uint64_t *out_span)
{
    const struct {
        const char *name;
        int64_t value;
    } sizes[] = {
        { "n_tokens", a->n_tokens },
        { "n_heads", a->n_heads },
        { "dim", a->dim },
        { "n_positions", a->n_positions },
        { "token_stride", a->token_stride },
        { "head_stride", a->head_stride },
    };
    uint64_t span;
    unsigned i;
    halError_t st = ops_check_dtype(op, "dtype", a->dtype);

    for (i = 0; st == halSuccess && i < sizeof sizes / sizeof *sizes; i++)
        st = ops_check_dim(op, sizes[i].name, sizes[i].value);
    if (st != halSuccess)
        return st;
    if (a->layout != halopRopeInterleaved && a->layout != halopRopeHalf)
        return hal_fail(halErrorInvalidValue,
                        "%s: layout is %d; it must be interleaved or half", op,
                        (int)a->layout);
    if (a->dim % 2)
        return hal_fail(halErrorInvalidValue,
                        "%s: dim is %lld; it must be even", op,
                        (long long)a->dim);
    *out_span = 0;
    if (!a->n_tokens || !a->n_heads || !a->dim)
        return halSuccess;
    if (!a->n_positions)
        return hal_fail(halErrorInvalidValue,
                        "%s: n_positions is 0; the tables must have a row", op);
    /* In place: an element that two heads share would be rotated twice. */
    if ((a->n_heads > 1 && a->head_stride < a->dim) ||
        (a->n_tokens > 1 && a->token_stride < a->dim))
        return hal_fail(halErrorInvalidValue,
                        "%s: head_stride %lld and token_stride %lld must be "
                        "at least dim, %lld",
                        op, (long long)a->head_stride,
                        (long long)a->token_stride, (long long)a->dim);
    span = (uint64_t)(a->n_tokens - 1) * (uint64_t)a->token_stride +
           (uint64_t)(a->n_heads - 1) * (uint64_t)a->head_stride +
           (uint64_t)a->dim;
    if (span > UINT32_MAX || a->n_tokens * a->n_heads > INT32_MAX)
        return hal_fail(halErrorInvalidValue,
                        "%s: x spans %llu elements; up to 2^32 - 1 are "
                        "possible",
                        op, (unsigned long long)span);
    *out_span = span;
    return ops_check_product(op, "cos", a->n_positions, a->dim);
}

halError_t halopRope(const struct halopRopeArgs *args, halStream_t stream)
{
    const char *op = "halopRope";
    struct ops_call call;
    uint64_t span = 0, table;
    halError_t st;

    if (!args)
        return hal_fail(halErrorInvalidValue, "%s: args is NULL", op);
    st = args_check(op, args, &span);
    if (st != halSuccess || span == 0)
        return st;
    table = (uint64_t)args->n_positions * (uint64_t)args->dim / 2;
    {
        const struct ops_tensor tensors[] = {
            { "x", args->x, span, ops_dtype_bytes(args->dtype), 1, 0 },
            { "cos", args->cos, table, 4, 0, 0 },
            { "sin", args->sin, table, 4, 0, 0 },
            { "positions", args->positions, (uint64_t)args->n_tokens, 4, 0, 0 },
        };

        st = ops_check_tensors(op, tensors, 4);
    }
    if (st == halSuccess)
        st = ops_begin(&call, op, "rope_%s%s",
                       args->layout == halopRopeHalf ? "half_" : "",
                       ops_dtype_name(args->dtype));
    if (st != halSuccess)
        return st;
    ops_buffer(&call, args->x);
    ops_buffer(&call, args->cos);
    ops_buffer(&call, args->sin);
    ops_buffer(&call, args->positions);
    ops_u32(&call, args->n_tokens);
    ops_u32(&call, args->n_heads);
    ops_u32(&call, args->dim / 2);
    ops_u32(&call, args->n_positions);
    ops_u32(&call, args->token_stride);
    ops_u32(&call, args->head_stride);
    return ops_run(&call, (uint64_t)(args->n_tokens * args->n_heads), 1,
                   stream);
}
