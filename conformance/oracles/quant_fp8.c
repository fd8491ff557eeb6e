/* SPDX-License-Identifier: Apache-2.0 */
/* quant_fp8.c - oracles of 8-bit floats with scales of blocks of 128. */
#include <math.h>

#include "conformance/oracles/quant.h"

static int64_t blocks_of(int64_t n)
{
    return (n + 127) / 128;
}

void oracle_fp8_scales(double *scale, const double *x, int64_t m, int64_t k,
                       int power_of_two)
{
    for (int64_t r = 0; r < m; r++)
        for (int64_t b = 0; b < blocks_of(k); b++) {
            double largest = (double)1.0e-4f, s;

            for (int64_t i = b * 128; i < k && i < (b + 1) * 128; i++)
                if (fabs(x[r * k + i]) > largest)
                    largest = fabs(x[r * k + i]);
            s = fmin(largest, 0x1.FFFFFEp127) / 448;
            if (power_of_two) {
                int e;

                if (frexp(s, &e) == 0.5)
                    e -= 1; /* it is one */
                s = ldexp(1, e);
            }
            scale[r * blocks_of(k) + b] = s;
        }
}

void oracle_fp8_dequantise(double *y, const double *w, const double *scale,
                           int64_t n, int64_t k)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < k; i++)
            y[r * k + i] =
                w[r * k + i] * scale[r / 128 * blocks_of(k) + i / 128];
}

void oracle_fp8_gemm(double *y, double *mag, const double *x,
                     const double *x_scale, const double *w,
                     const double *w_scale, const double *bias, int64_t m,
                     int64_t n, int64_t k)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0, size = 0;

            for (int64_t l = 0; l < k; l++) {
                double a = x[i * k + l] * x_scale[i * blocks_of(k) + l / 128];
                double b =
                    w[j * k + l] * w_scale[j / 128 * blocks_of(k) + l / 128];

                sum += a * b;
                size += fabs(a * b);
            }
            if (bias) {
                sum += bias[j];
                size += fabs(bias[j]);
            }
            y[i * n + j] = sum;
            mag[i * n + j] = size;
        }
}
