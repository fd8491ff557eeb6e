/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_moe.h - the mixture of experts: routing, permutation, grouped products,
 * combination.  The rules of ops.h hold; include that.
 */
#ifndef KERNELS_OPS_MOE_H
#define KERNELS_OPS_MOE_H

#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum halopScoring {
    halopScoreSigmoid = 0, /* DeepSeek-V3, R1 */
    halopScoreSoftmax = 1  /* DeepSeek-V2 */
} halopScoring;

/*
 * The top_k experts of each token.  A score is sigmoid(logit) or the softmax
 * over the experts; bias, F32 [n_experts], is added for the choice only and
 * may be NULL.  Experts lie in n_group groups of consecutive ids; only those of
 * the topk_group best groups are candidates.  A group is as good as the sum of
 * its group_top (1 or 2) largest choice scores.  Equals, groups and experts:
 * the lowest index.  ids I32 [n_tokens][top_k], by descending choice score;
 * weights F32, the scores without bias, divided by their sum + 1e-20 if
 * normalise, times scale.  A NaN counts as the largest.
 *
 * DeepSeek-V3: sigmoid, n_group 8, topk_group 4, group_top 2, top_k 8,
 * normalise, scale 2.5.  n_experts to 2048, n_group to 256, top_k to 64 and no
 * more than the kept groups have experts.
 */
struct halopRouterArgs {
    halDtype dtype; /* of logits: F32, BF16, F16 */
    halopScoring scoring;
    const void *logits; /* [n_tokens][n_experts] */
    const float *bias;
    int32_t *ids;
    float *weights;
    int64_t n_tokens, n_experts, n_group, topk_group, top_k;
    int group_top;
    int normalise;
    float scale;
};
HAL_API halError_t halopRouter(const struct halopRouterArgs *args,
                               halStream_t stream);

/*
 * Sorts the (token, slot) pairs of ids, I32 [n_tokens][top_k], by expert, each
 * expert's in ascending order of token * top_k + slot.  All outputs are I32:
 *   counts [n_experts], offsets [n_experts + 1]: expert e has the sorted rows
 *     offsets[e] .. offsets[e + 1]
 *   perm [n_tokens * top_k]: row -> token * top_k + slot
 *   place [n_tokens * top_k]: token * top_k + slot -> row
 * An id outside [0, n_experts) has no row: its place is -1, and perm ends with
 * as many -1.  The same order on every device, every time.  n_experts to 2048.
 */
struct halopMoePermuteArgs {
    const int32_t *ids;
    int32_t *counts, *offsets, *perm, *place;
    int64_t n_tokens, top_k, n_experts;
};
HAL_API halError_t halopMoePermute(const struct halopMoePermuteArgs *args,
                                   halStream_t stream);

/*
 * y[r][n] = x row . w_e[n][k]^T for the rows offsets[e] <= r < offsets[e + 1]
 * of each expert e, which may have none, or all.  Row r of y takes row r of x;
 * with gather, I32 [rows], row gather[r] / gather_div of x (perm and top_k for
 * unsorted tokens).  w_e begins w_expert_stride elements after w_(e - 1).  Rows
 * that no expert has are left as they are; what the device finds out of range
 * is clamped: offsets to [0, rows], rows of x to [0, x_rows).  in: F32, BF16,
 * F16; out: in or F32.
 */
struct halopGroupedGemmArgs {
    halDtype in, out;
    void *y;                /* [rows][n] */
    const void *x;          /* [x_rows][k] */
    const void *w;          /* n_experts times [n][k] */
    const int32_t *offsets; /* I32 [n_experts + 1] */
    const int32_t *gather;  /* or NULL */
    int64_t rows, x_rows, n_experts, n, k;
    int64_t w_expert_stride; /* at least n * k, below 2^32 */
    int64_t gather_div;      /* at least 1 with gather */
};
HAL_API halError_t halopGroupedGemm(const struct halopGroupedGemmArgs *args,
                                    halStream_t stream);

/*
 * The same rows by quantised weights: what a row gets is halopGemmFp8's of its
 * row of x and its expert's weights, to the last bit of the rules there: each
 * block of 128 k summed in f32, times x_scale, times w_scale, added in f32, and
 * one rounding to `out` (F32, BF16, F16).  Scales are taken as they are: one
 * that is NaN or infinite gives NaN or infinities where it scales, nowhere
 * else.  Expert e's scales begin w_scale_expert_stride after those of e - 1.
 * k == 0 gives 0.
 */
struct halopGroupedGemmFp8Args {
    halDtype out;
    void *y;                /* [rows][n] */
    const uint8_t *x;       /* E4M3 [x_rows][k] */
    const float *x_scale;   /* [x_rows][ceil(k / 128)] */
    const uint8_t *w;       /* E4M3, n_experts times [n][k] */
    const float *w_scale;   /* n_experts times [ceil(n / 128)][ceil(k / 128)] */
    const int32_t *offsets; /* I32 [n_experts + 1] */
    const int32_t *gather;  /* or NULL */
    int64_t rows, x_rows, n_experts, n, k;
    int64_t w_expert_stride;       /* at least n * k, below 2^32 */
    int64_t w_scale_expert_stride; /* at least an expert's, below 2^32 */
    int64_t gather_div;            /* at least 1 with gather */
};
HAL_API halError_t halopGroupedGemmFp8(
    const struct halopGroupedGemmFp8Args *args, halStream_t stream);

/*
 * And by 8-bit integers, W8A8: halopGemmI8's exact sums (k <= 131071) times
 * w_scale of the expert and column, then x_scale of the row of x.  Each may be
 * NULL (1); with `out` I32, the sums themselves, both must be.
 */
struct halopGroupedGemmI8Args {
    halDtype out;           /* F32, BF16, F16, I32 */
    void *y;                /* [rows][n] */
    const int8_t *x;        /* [x_rows][k] */
    const float *x_scale;   /* [x_rows] or NULL */
    const int8_t *w;        /* n_experts times [n][k] */
    const float *w_scale;   /* n_experts times [n], or NULL */
    const int32_t *offsets; /* I32 [n_experts + 1] */
    const int32_t *gather;  /* or NULL */
    int64_t rows, x_rows, n_experts, n, k;
    int64_t w_expert_stride;       /* at least n * k, below 2^32 */
    int64_t w_scale_expert_stride; /* at least n with w_scale, below 2^32 */
    int64_t gather_div;            /* at least 1 with gather */
};
HAL_API halError_t halopGroupedGemmI8(const struct halopGroupedGemmI8Args *args,
                                      halStream_t stream);

/*
 * y[t] = sum over s, in its order, of weights[t][s] * parts[place[t][s]]
 * (+ shared[t]), in f32 with one rounding at the end; a place outside
 * [0, rows) adds nothing.  parts [rows][n] of dtype `in`: F32 or `out`; weights
 * F32 and place I32 [n_tokens][top_k]; y and shared (may be NULL) [n_tokens][n]
 * of `out`: F32, BF16, F16.  top_k == 0 gives shared, or 0.
 */
struct halopMoeCombineArgs {
    halDtype in, out;
    void *y;
    const void *parts;
    const float *weights;
    const int32_t *place;
    const void *shared;
    int64_t n_tokens, top_k, rows, n;
};
HAL_API halError_t halopMoeCombine(const struct halopMoeCombineArgs *args,
                                   halStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
