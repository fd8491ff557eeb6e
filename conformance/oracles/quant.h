/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant.h - oracles of quantised operators, in double, as oracles.h has them:
 * plain loops from the published layouts, no code shared with the kernels.
 */
#ifndef CONFORMANCE_ORACLES_QUANT_H
#define CONFORMANCE_ORACLES_QUANT_H

#include "conformance/oracles/oracles.h"
#include "kernels/ops.h"

/* ---- quant_fp8.c: blocks of 128 along k, and of 128 rows of w ----------- */

/* max(|x|, 1e-4) / 448 of each block, or the next power of two; a NaN does not
 * count and an infinity is f32's largest. */
void oracle_fp8_scales(double *scale, const double *x, int64_t m, int64_t k,
                       int power_of_two);
void oracle_fp8_dequantise(double *y, const double *w, const double *scale,
                           int64_t n, int64_t k);
/* bias may be NULL. */
void oracle_fp8_gemm(double *y, double *mag, const double *x,
                     const double *x_scale, const double *w,
                     const double *w_scale, const double *bias, int64_t m,
                     int64_t n, int64_t k);

/* ---- quant_int8.c ------------------------------------------------------ */

/* max|x| / 127 of each row; 1 where that is 0 or subnormal.  NaN and infinity
 * as above. */
void oracle_int8_scales(double *scale, const double *x, int64_t m, int64_t k);
/* Exact; int_bias may be NULL. */
void oracle_int8_sums(int64_t *sum, const double *x, const double *w,
                      const double *int_bias, int64_t m, int64_t n, int64_t k);

/* ---- quant_gguf.c ------------------------------------------------------ */

int64_t oracle_gguf_row_bytes(halopGguf type, int64_t k);
/* y[n][k] of n rows of blocks. */
void oracle_gguf(halopGguf type, double *y, const uint8_t *w, int64_t n,
                 int64_t k);

/* ---- quant_int4.c ------------------------------------------------------ */

struct oracle_int4 {
    int awq;      /* else GPTQ */
    int zero_add; /* to every stored zero point */
    const uint32_t *qweight, *qzeros;
    const double *scales;
    const int32_t *g_idx; /* held within the groups; NULL: k / group_size */
    int64_t n, k, group_size;
};
/* y[k][n] */
void oracle_int4(const struct oracle_int4 *w, double *y);

#endif
