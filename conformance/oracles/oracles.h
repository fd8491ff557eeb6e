/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oracles.h - every operator as its formula says, in double.
 *
 * The oracles share no code with the kernels: plain loops over plain arrays,
 * one way to write each formula, no dtype.  A caller decodes the kernel's own
 * (already rounded) inputs, so that an oracle's result differs from the truth
 * by double's rounding only.  `mag` receives the sum of the terms' magnitudes
 * where cancellation makes a relative bound meaningless; it may be NULL.
 * Nothing fails; dims may be 0.
 */
#ifndef CONFORMANCE_ORACLES_H
#define CONFORMANCE_ORACLES_H

#include <stdint.h>

#include "conformance/conf.h"

/* The value of `v` once it has been stored as `dtype`. */
double oracle_round(halDtype dtype, double v);

/* ---- moves (move.c) --------------------------------------------------- */

/* A row of zeros for an id outside [0, vocab). */
void oracle_embedding(double *out, const double *table, const int32_t *ids,
                      int64_t n_tokens, int64_t vocab, int64_t dim);
/* Elements are bytes here: a copy must not look at values. */
void oracle_copy_strided(int elem_bytes, void *y, const int64_t y_strides[4],
                         const void *x, const int64_t x_strides[4],
                         const int64_t dims[4]);

/* ---- rows (rows.c) ---------------------------------------------------- */

/* y = x / sqrt(mean(x^2) + eps) * w */
void oracle_rmsnorm(double *y, const double *x, const double *w, int64_t rows,
                    int64_t n, double eps);
/* sum is rounded to `dtype` first: it is what the next layer reads. */
void oracle_add_rmsnorm(halDtype dtype, double *y, double *sum, const double *x,
                        const double *residual, const double *w, int64_t rows,
                        int64_t n, double eps);
/* A row of -inf gives zeros; a NaN or +inf makes its row NaN. */
void oracle_softmax(double *y, const double *x, int64_t rows, int64_t n,
                    double scale);
/* Lowest index of the largest; a NaN is larger than anything. */
void oracle_argmax(int32_t *index, const double *x, int64_t rows, int64_t n);

/* ---- elements (elements.c) -------------------------------------------- */

/* gate / (1 + exp(-gate)) * up; gate = -inf gives its limit, 0. */
void oracle_swiglu(double *y, const double *gate, const double *up, int64_t n);
void oracle_add(double *y, const double *a, const double *b, int64_t n);

/* ---- rope.c ----------------------------------------------------------- */

enum oracle_rope_kind {
    ORACLE_ROPE_PLAIN,
    ORACLE_ROPE_YARN,
    ORACLE_ROPE_LLAMA3
};

struct oracle_rope {
    enum oracle_rope_kind kind;
    int dim;
    double theta, factor, original_max;
    double beta_fast, beta_slow;   /* yarn */
    double mscale, mscale_all_dim; /* yarn; 0: absent */
    double low_freq, high_freq;    /* llama3 */
};

/* inv_freq[dim/2]; returns the factor on cos and sin. */
double oracle_rope_frequencies(const struct oracle_rope *r, double *inv_freq);
/* Scale of the softmax for keys of qk_dim elements. */
double oracle_rope_scale(const struct oracle_rope *r, int qk_dim);
/* Rotates x[0..dim) in place; half: pairs (i, i + dim/2), else (2i, 2i+1). */
void oracle_rope_rotate(int half, double *x, double *mag, const double *cos,
                        const double *sin, int64_t dim);

/* ---- gemm.c ----------------------------------------------------------- */

/* y[m][n] = x[m][k] . w[n][k]^T + bias[n]; bias may be NULL. */
void oracle_gemm(double *y, double *mag, const double *x, const double *w,
                 const double *bias, int64_t m, int64_t n, int64_t k);

/* ---- attention.c ------------------------------------------------------ */

/* q [b][n_q][heads][qk], k [b][kv_max][kv_heads][qk], v [b][kv_max][kv_heads]
 * [v_dim], o [b][n_q][heads][v_dim], lse [b][heads][n_q]; all contiguous. */
struct oracle_attention {
    double *o, *mag, *lse; /* mag, lse may be NULL */
    const double *q, *k, *v;
    const int32_t *kv_lens; /* clamped to [0, kv_max]; NULL: kv_max */
    int64_t batch, n_q, kv_max, heads, kv_heads, qk_dim, v_dim;
    double scale;
    int causal;
    /* Largest sum of |q_i * k_i| * scale over any visible pair: what the
     * scores' rounding error is proportional to. */
    double score_mag;
};
void oracle_attention(struct oracle_attention *a);

#endif
