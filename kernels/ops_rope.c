/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_rope.c - rotary position embedding: frequencies and tables on the host
 * (in double, rounded once), the rotation on the device.
 */
#include "kernels/ops_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
        return ops_fail(op, halErrorInvalidValue, "config is NULL");
    if (config->dim <= 0 || config->dim % 2)
        return ops_fail(op, halErrorInvalidValue,
                        "config->dim is %d; it must be even and positive",
                        config->dim);
    if (!(config->theta > 0.0) || isinf(config->theta))
        return ops_fail(op, halErrorInvalidValue,
                        "config->theta is %g; it must be positive",
                        config->theta);
    switch (config->scaling) {
    case halopRopePlain:
        return halSuccess;
    case halopRopeYarn:
    case halopRopeLlama3:
        break;
    default:
        return ops_fail(op, halErrorInvalidValue,
                        "config->scaling is %d; it must be halopRopePlain, "
                        "halopRopeYarn or halopRopeLlama3",
                        (int)config->scaling);
    }
    if (!(config->factor > 0.0) || isinf(config->factor))
        return ops_fail(op, halErrorInvalidValue,
                        "config->factor is %g; it must be positive",
                        config->factor);
    if (!(config->original_max_position > 0.0))
        return ops_fail(op, halErrorInvalidValue,
                        "config->original_max_position is %g; it must be "
                        "positive",
                        config->original_max_position);
    if (config->scaling == halopRopeYarn && config->theta == 1.0)
        return ops_fail(op, halErrorInvalidValue,
                        "config->theta is 1; YaRN divides by its logarithm, so "
                        "it must be another");
    if (config->scaling == halopRopeLlama3 &&
        or_default(config->low_freq_factor, 1.0) >=
            or_default(config->high_freq_factor, 4.0))
        return ops_fail(op, halErrorInvalidValue,
                        "config->low_freq_factor is %g and high_freq_factor "
                        "%g; the first must be smaller",
                        or_default(config->low_freq_factor, 1.0),
                        or_default(config->high_freq_factor, 4.0));
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
        return ops_fail(op, halErrorInvalidValue, "%s is NULL",
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
        return ops_fail(op, halErrorInvalidValue,
                        "first is %lld and n %lld; both must be 0 or more",
                        (long long)first, (long long)n);
    if (n == 0)
        return halSuccess;
    if (!cosines || !sines)
        return ops_fail(op, halErrorInvalidValue, "%s is NULL",
                        cosines ? "sin" : "cos");
    half = config->dim / 2;
    inv_freq = malloc((size_t)half * sizeof *inv_freq);
    if (!inv_freq)
        return ops_fail(op, halErrorHostMemory, "no memory for %d frequencies",
                        half);
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
        return ops_fail(op, halErrorInvalidValue,
                        qk_dim <= 0 ? "qk_dim is %d; it must be positive"
                                    : "scale is NULL (qk_dim is %d)",
                        qk_dim);
    if (config->scaling == halopRopeYarn && config->mscale_all_dim != 0.0)
        m = yarn_m(config->factor, config->mscale_all_dim);
    *scale = (float)(m * m / sqrt(qk_dim));
    return halSuccess;
}

/* The tensors; x is rotated in place, so that its elements must not meet. */
static void describe(const struct halopRopeArgs *a,
                     struct ops_tensor tensors[4], struct ops_view *view)
{
    const uint64_t table = ops_count(a->n_positions, a->dim / 2);
    const uint64_t span = ops_count(a->n_tokens - 1, a->token_stride) +
                          ops_count(a->n_heads - 1, a->head_stride) +
                          (uint64_t)a->dim;
    const struct ops_tensor all[4] = {
        { "x", a->x, span, a->dtype, OPS_OUT, view },
        { "cos", a->cos, table, halF32, OPS_IN, NULL },
        { "sin", a->sin, table, halF32, OPS_IN, NULL },
        { "positions", a->positions, (uint64_t)a->n_tokens, halI32, OPS_IN,
          NULL },
    };

    *view = (struct ops_view){
        .dims = { a->n_tokens, a->n_heads, a->dim, 1 },
        .strides = { a->token_stride, a->head_stride, 1, 1 },
    };
    memcpy(tensors, all, sizeof all);
}

static halError_t args_check(const char *op, const struct halopRopeArgs *a)
{
    const struct ops_size sizes[] = {
        { "n_tokens", a->n_tokens },
        { "n_heads", a->n_heads },
        { "dim", a->dim },
        { "n_positions", a->n_positions },
        { "token_stride", a->token_stride },
        { "head_stride", a->head_stride },
    };
    halError_t st = ops_check_dtype(op, "dtype", a->dtype, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 6);
    if (st != halSuccess)
        return st;
    if (a->layout != halopRopeInterleaved && a->layout != halopRopeHalf)
        return ops_fail(
            op, halErrorInvalidValue,
            "layout is %d; it must be halopRopeInterleaved or halopRopeHalf",
            (int)a->layout);
    if (a->dim % 2)
        return ops_fail(op, halErrorInvalidValue,
                        "dim is %lld; it must be even", (long long)a->dim);
    if (!a->n_tokens || !a->n_heads || !a->dim)
        return halSuccess;
    if (!a->n_positions)
        return ops_fail(op, halErrorInvalidValue,
                        "n_positions is 0; the tables must have a row");
    if (a->n_tokens * a->n_heads > INT32_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "n_tokens, %lld, x n_heads, %lld, must lie below 2^31",
                        (long long)a->n_tokens, (long long)a->n_heads);
    return halSuccess;
}

halError_t halopRope(const struct halopRopeArgs *args, halStream_t stream)
{
    const char *op = "halopRope";
    const struct halopRopeArgs *a = args;
    struct ops_tensor tensors[4];
    struct ops_view view;
    struct ops_call call;
    halError_t st;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = args_check(op, a);
    if (st != halSuccess || !a->n_tokens || !a->n_heads || !a->dim)
        return st;
    describe(a, tensors, &view);
    st = ops_begin(&call, op, tensors, 4, "rope_%s%s",
                   a->layout == halopRopeHalf ? "half_" : "",
                   ops_dtype_name(a->dtype));
    if (st != halSuccess)
        return st;
    ops_u32(&call, a->n_tokens);
    ops_u32(&call, a->n_heads);
    ops_u32(&call, a->dim / 2);
    ops_u32(&call, a->n_positions);
    ops_u32(&call, a->token_stride);
    ops_u32(&call, a->head_stride);
    return ops_run(&call, (uint64_t)(a->n_tokens * a->n_heads), 1, stream);
}
