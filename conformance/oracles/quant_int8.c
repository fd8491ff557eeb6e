/* SPDX-License-Identifier: Apache-2.0 */
/* quant_int8.c - oracles of 8-bit integers. */
#include <math.h>

#include "conformance/oracles/quant.h"

void oracle_int8_scales(double *scale, const double *x, int64_t m, int64_t k)
{
    for (int64_t r = 0; r < m; r++) {
        double largest = 0;

        for (int64_t i = 0; i < k; i++)
            if (fabs(x[r * k + i]) > largest)
                largest = fabs(x[r * k + i]);
        scale[r] = fmin(largest, 0x1.FFFFFEp127) / 127;
        if (scale[r] < 0x1p-126)
            scale[r] = 1;
    }
}

void oracle_int8_sums(int64_t *sum, const double *x, const double *w,
                      const double *int_bias, int64_t m, int64_t n, int64_t k)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            int64_t s = int_bias ? (int64_t)int_bias[j] : 0;

            for (int64_t l = 0; l < k; l++)
                s += (int64_t)x[i * k + l] * (int64_t)w[j * k + l];
            sum[i * n + j] = s;
        }
}
