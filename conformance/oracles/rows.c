/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c - oracles of operators that reduce a row. */
#include <math.h>

#include "conformance/oracles/oracles.h"

void oracle_rmsnorm(double *y, const double *x, const double *w, int64_t rows,
                    int64_t n, double eps)
{
    for (int64_t r = 0; r < rows; r++) {
        const double *xr = x + r * n;
        double squares = 0, inverse;

        for (int64_t i = 0; i < n; i++)
            squares += xr[i] * xr[i];
        inverse = 1.0 / sqrt(squares / (double)n + eps);
        for (int64_t i = 0; i < n; i++)
            y[r * n + i] = xr[i] * inverse * w[i];
    }
}

void oracle_add_rmsnorm(halDtype dtype, double *y, double *sum, const double *x,
                        const double *residual, const double *w, int64_t rows,
                        int64_t n, double eps)
{
    for (int64_t i = 0; i < rows * n; i++)
        sum[i] = oracle_round(dtype, residual[i] + x[i]);
    oracle_rmsnorm(y, sum, w, rows, n, eps);
}

static void softmax_row(double *y, const double *x, int64_t n, double scale)
{
    double largest = -INFINITY, total = 0;
    int bad = 0;

    for (int64_t i = 0; i < n; i++) {
        double s = x[i] * scale;

        bad |= isnan(s) || s == INFINITY;
        if (s > largest)
            largest = s;
    }
    for (int64_t i = 0; i < n; i++) {
        if (bad)
            y[i] = NAN;
        else if (largest == -INFINITY)
            y[i] = 0;
        else
            y[i] = exp(x[i] * scale - largest);
        total += y[i];
    }
    if (bad || largest == -INFINITY)
        return;
    for (int64_t i = 0; i < n; i++)
        y[i] /= total;
}

void oracle_softmax(double *y, const double *x, int64_t rows, int64_t n,
                    double scale)
{
    for (int64_t r = 0; r < rows; r++)
        softmax_row(y + r * n, x + r * n, n, scale);
}

void oracle_argmax(int32_t *index, const double *x, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++) {
        const double *xr = x + r * n;
        int64_t best = 0;

        for (int64_t i = 1; i < n && !isnan(xr[best]); i++)
            if (isnan(xr[i]) || xr[i] > xr[best])
                best = i;
        index[r] = (int32_t)best;
    }
}
