/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rope.c - oracle of rotary embeddings: frequencies (plain, YaRN, llama3), the
 * factor on cos and sin, and the rotation.
 */
#include <math.h>

#include "conformance/oracles/oracles.h"

static const double two_pi = 6.283185307179586476925286766559;

static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

/* Which pair turns `turns` times within the original context. */
static double yarn_pair(const struct oracle_rope *r, double turns)
{
    return r->dim * log(r->original_max / (turns * two_pi)) /
           (2.0 * log(r->theta));
}

static double yarn_mscale(double factor, double mscale)
{
    return factor > 1 ? 0.1 * mscale * log(factor) + 1.0 : 1.0;
}

static double yarn(const struct oracle_rope *r, double *inv_freq)
{
    double low = fmax(floor(yarn_pair(r, r->beta_fast)), 0);
    double high = fmin(ceil(yarn_pair(r, r->beta_slow)), r->dim - 1);

    if (low == high)
        high += 0.001;
    for (int i = 0; i < r->dim / 2; i++) {
        double ramp = clamp((i - low) / (high - low), 0, 1);

        inv_freq[i] = inv_freq[i] / r->factor * ramp + inv_freq[i] * (1 - ramp);
    }
    if (r->mscale != 0 && r->mscale_all_dim != 0)
        return yarn_mscale(r->factor, r->mscale) /
               yarn_mscale(r->factor, r->mscale_all_dim);
    return yarn_mscale(r->factor, 1);
}

static void llama3(const struct oracle_rope *r, double *inv_freq)
{
    for (int i = 0; i < r->dim / 2; i++) {
        double f = inv_freq[i], wavelength = two_pi / f, t;

        if (wavelength < r->original_max / r->high_freq)
            continue;
        if (wavelength > r->original_max / r->low_freq) {
            inv_freq[i] = f / r->factor;
            continue;
        }
        t = (r->original_max / wavelength - r->low_freq) /
            (r->high_freq - r->low_freq);
        inv_freq[i] = (1 - t) * f / r->factor + t * f;
    }
}

double oracle_rope_frequencies(const struct oracle_rope *r, double *inv_freq)
{
    for (int i = 0; i < r->dim / 2; i++)
        inv_freq[i] = pow(r->theta, -2.0 * i / r->dim);
    if (r->kind == ORACLE_ROPE_YARN)
        return yarn(r, inv_freq);
    if (r->kind == ORACLE_ROPE_LLAMA3)
        llama3(r, inv_freq);
    return 1.0;
}

double oracle_rope_scale(const struct oracle_rope *r, int qk_dim)
{
    double m = 1;

    if (r->kind == ORACLE_ROPE_YARN && r->mscale_all_dim != 0)
        m = yarn_mscale(r->factor, r->mscale_all_dim);
    return m * m / sqrt(qk_dim);
}

void oracle_rope_rotate(int half, double *x, double *mag, const double *cos,
                        const double *sin, int64_t dim)
{
    for (int64_t i = 0; i < dim / 2; i++) {
        int64_t a = half ? i : 2 * i, b = half ? i + dim / 2 : 2 * i + 1;
        double xa = x[a], xb = x[b];

        x[a] = xa * cos[i] - xb * sin[i];
        x[b] = xa * sin[i] + xb * cos[i];
        if (mag) {
            mag[a] = fabs(xa * cos[i]) + fabs(xb * sin[i]);
            mag[b] = fabs(xa * sin[i]) + fabs(xb * cos[i]);
        }
    }
}
