/* SPDX-License-Identifier: Apache-2.0 */
/* moe.h - the mixture of experts in double; see oracles.h for the rules. */
#ifndef CONFORMANCE_ORACLES_MOE_H
#define CONFORMANCE_ORACLES_MOE_H

#include <stdint.h>

struct oracle_router {
    const double *logits; /* [tokens][experts] */
    const double *bias;   /* [experts] or NULL */
    int64_t tokens, experts, groups, kept, top_k;
    int softmax, group_top, normalise;
    double scale;
    int32_t *ids;    /* [tokens][top_k] */
    double *weights; /* [tokens][top_k] */
    /* [tokens]: the smallest distance, other than 0, between two numbers whose
     * order decided something. */
    double *margin;
};
void oracle_router(const struct oracle_router *r);

/* ids [n]; counts [experts], offsets [experts + 1], perm [n], place [n] as in
 * kernels/ops_moe.h. */
void oracle_moe_permute(int32_t *counts, int32_t *offsets, int32_t *perm,
                        int32_t *place, const int32_t *ids, int64_t n,
                        int64_t experts);

struct oracle_grouped {
    double *y, *mag; /* [rows][n]; rows of no expert are not touched */
    const double *x, *w;
    const int32_t *offsets, *gather; /* gather may be NULL */
    int64_t rows, x_rows, experts, n, k, w_stride, gather_div;
};
void oracle_grouped_gemm(const struct oracle_grouped *g);

/* Quantised: x and w are what their codes mean.  Scales of x by row (and block
 * of 128 k), of w by column (and 128 x 128), s_stride from one expert's to the
 * next's. */
struct oracle_grouped_quant {
    struct oracle_grouped g;
    const double *x_scale, *w_scale;
    int64_t s_stride;
};
/* Each block's sum times x's and w's scale: what a scale that is NaN or
 * infinite does to the sum, it does here. */
void oracle_grouped_fp8(const struct oracle_grouped_quant *q);
/* NULL scales are 1; mag is |y|, for the sums are exact. */
void oracle_grouped_int8(const struct oracle_grouped_quant *q);

/* shared may be NULL. */
void oracle_moe_combine(double *y, double *mag, const double *parts,
                        const double *weights, const int32_t *place,
                        const double *shared, int64_t tokens, int64_t top_k,
                        int64_t rows, int64_t n);

#endif
