/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.c - oracle of the matrix product, with sum |x * w| for its bound. */
#include <math.h>

#include "conformance/oracles/oracles.h"

void oracle_gemm(double *y, double *mag, const double *x, const double *w,
                 const double *bias, int64_t m, int64_t n, int64_t k)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            const double *xi = x + i * k, *wj = w + j * k;
            double sum = 0, size = 0;

            for (int64_t l = 0; l < k; l++) {
                double term = xi[l] * wj[l];

                sum += term;
                size += fabs(term);
            }
            if (bias) {
                sum += bias[j];
                size += fabs(bias[j]);
            }
            y[i * n + j] = sum;
            if (mag)
                mag[i * n + j] = size;
        }
}
