/* SPDX-License-Identifier: Apache-2.0 */
/* elements.c - oracles of element-wise operators. */
#include <math.h>

#include "conformance/oracles/oracles.h"

void oracle_swiglu(double *y, const double *gate, const double *up, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double silu =
            gate[i] == -INFINITY ? -0.0 : gate[i] / (1.0 + exp(-gate[i]));

        y[i] = silu * up[i];
    }
}

void oracle_add(double *y, const double *a, const double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}
