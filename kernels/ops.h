/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops.h - the operators of DeepSeek-V3/R1 inference as typed launches, for
 * programs that never write a kernel.
 *
 * Each op checks its arguments, picks the kernel variant by capability and
 * enqueues it on `stream` of the current device; it does not wait.  Tensors
 * are device pointers, row-major and contiguous unless strides are given
 * (strides and dims count elements).  Pointers need the alignment of their
 * element only.  A dim of 0 is success and does nothing, unless an op says
 * otherwise.
 *
 * Overlap.  An output shares no byte with another tensor of its op, and no two
 * of its elements are one; inputs may share memory with each other.  In place
 * are only halopRope's x and what halopAdd allows.  Tensors with strides may
 * lie in each other's gaps where they keep to places of their own in each
 * period of some stride, as columns of one matrix or heads of one buffer do.
 * All else is refused.
 *
 * Arithmetic is f32 whatever the dtype, with one rounding (nearest, ties to
 * even) at the store.
 *
 * Errors: halErrorInvalidValue with the op, the argument and the rule;
 * halErrorNotSupported for a dtype that the op does not take; else what the
 * launch returns.  As with every hal call, a failure becomes the thread's
 * halGetLastError() and its sentence halGetErrorDetail().  Thread-safe.
 */
#ifndef KERNELS_OPS_H
#define KERNELS_OPS_H

#include "hal/hal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out[t][0..dim) = table[ids[t]][0..dim).  dtype F32, BF16, F16; ids I32.
 * An id outside [0, vocab) gives a row of zeros. */
HAL_API halError_t halopEmbedding(halDtype dtype, void *out, const void *table,
                                  const int32_t *ids, int64_t n_tokens,
                                  int64_t vocab, int64_t dim,
                                  halStream_t stream);

/* y[r] = x[r] / sqrt(mean(x[r]^2) + eps) * w; x, y [rows][n], w [n]; one
 * dtype F32, BF16, F16.  Rows are scaled first, so that squares neither
 * overflow nor vanish in f32. */
HAL_API halError_t halopRmsNorm(halDtype dtype, void *y, const void *x,
                                const void *w, int64_t rows, int64_t n,
                                float eps, halStream_t stream);

/* sum = round(residual + x), y = rmsnorm(sum) * w; sum is the new residual. */
HAL_API halError_t halopAddRmsNorm(halDtype dtype, void *y, void *sum,
                                   const void *x, const void *residual,
                                   const void *w, int64_t rows, int64_t n,
                                   float eps, halStream_t stream);

typedef enum halopRopeLayout {
    halopRopeInterleaved = 0, /* pairs (2i, 2i+1): DeepSeek */
    halopRopeHalf = 1         /* pairs (i, i + dim/2): Llama, Qwen */
} halopRopeLayout;

typedef enum halopRopeScaling {
    halopRopePlain = 0,
    halopRopeYarn = 1,
    halopRopeLlama3 = 2
} halopRopeScaling;

/* As in config.json's rope_scaling; fields that a scaling does not use are
 * ignored. */
struct halopRopeConfig {
    halopRopeScaling scaling;
    int dim;      /* rotated elements of a head, even */
    double theta; /* rope_theta */
    double factor;
    double original_max_position;             /* L0 */
    double beta_fast, beta_slow;              /* YaRN; 0: 32 and 1 */
    double mscale, mscale_all_dim;            /* YaRN; 0: absent */
    double low_freq_factor, high_freq_factor; /* llama3; 0: 1 and 4 */
};

/* Host: inv_freq[dim/2] in double, and the factor on cos and sin. */
HAL_API halError_t halopRopeFrequencies(const struct halopRopeConfig *config,
                                        double *inv_freq, double *factor);
/* Host: cos and sin [n][dim/2] of positions first..first+n, computed in double
 * and rounded once. */
HAL_API halError_t halopRopeTable(const struct halopRopeConfig *config,
                                  int64_t first, int64_t n, float *cos,
                                  float *sin);
/* Softmax scale of DeepSeek's attention: qk_dim^-1/2 * m^2. */
HAL_API halError_t halopRopeSoftmaxScale(const struct halopRopeConfig *config,
                                         int qk_dim, float *scale);

/* Rotates in place x[t][h][0..dim) at x + t * token_stride + h * head_stride;
 * cos, sin F32 [n_positions][dim/2] on the device; positions I32 [n_tokens],
 * clamped to [0, n_positions).  dtype F32, BF16, F16. */
struct halopRopeArgs {
    halDtype dtype;
    halopRopeLayout layout;
    void *x;
    const float *cos, *sin;
    const int32_t *positions;
    int64_t n_tokens, n_heads, dim, n_positions;
    int64_t token_stride, head_stride;
};
HAL_API halError_t halopRope(const struct halopRopeArgs *args,
                             halStream_t stream);

/* y[r] = softmax(x[r] * scale) over n columns.  A row of -inf gives zeros; a
 * NaN or +inf gives NaN in its row.  dtype F32, BF16, F16. */
HAL_API halError_t halopSoftmax(halDtype dtype, void *y, const void *x,
                                int64_t rows, int64_t n, float scale,
                                halStream_t stream);

/* y = gate / (1 + exp(-gate)) * up over n elements. */
HAL_API halError_t halopSwiGLU(halDtype dtype, void *y, const void *gate,
                               const void *up, int64_t n, halStream_t stream);

/* y = a + b over n elements; y may be a or b or both, exactly. */
HAL_API halError_t halopAdd(halDtype dtype, void *y, const void *a,
                            const void *b, int64_t n, halStream_t stream);

/* y[m][n] = x[m][k] . w[n][k]^T (+ bias[n]); w as checkpoints store it.
 * x and w have dtype `in` (F32, BF16, F16), y has `out` (`in` or F32); bias,
 * of dtype `in`, may be NULL.  f32 accumulation.  k == 0 gives the bias or 0.
 * m small is a GEMV. */
HAL_API halError_t halopGemm(halDtype in, halDtype out, void *y, const void *x,
                             const void *w, const void *bias, int64_t m,
                             int64_t n, int64_t k, halStream_t stream);
/* How halopGemm computes from now on, in every thread: "gemm:native" by the
 * CPU's own library (OpenBLAS for F32, oneDNN for BF16), still in stream order
 * and on the device's threads, and on NVIDIA's devices by cuBLASLt, which no
 * GPU has run under it yet; where there is none halopGemm says
 * halErrorNotSupported and which package brings it.  "gemm:tuned", BF16 on
 * NVIDIA's tensor cores (compute capability 8.0), halErrorNotSupported
 * elsewhere: no GPU has run it yet.  "gemm:portable" by this library's kernels
 * for every device.  "rmsnorm:tuned" and "rmsnorm:portable" are the same for
 * halopRmsNorm and halopAddRmsNorm, "fp8_gemm:tuned" (compute capability 8.9)
 * and "fp8_gemm:portable" for halopGemmFp8, "moe_gemm:tuned" (as gemm's) and
 * "moe_gemm:portable" for halopGroupedGemm.  Several go with commas between;
 * what is not named stays as it was.  "": all portable.  NULL: as
 * HALCYON_KERNEL says, which is read once and is the default.  All ways keep
 * the bounds of docs/numerics.md; their last bits differ.
 * docs/decisions/0012-native-operators.md has the figures.
 * halErrorInvalidValue for another choice.  Thread-safe. */
HAL_API halError_t halopSelect(const char *choice);
/* The GEMV kernel itself, whatever m is: one pass over w per row of x. */
HAL_API halError_t halopGemv(halDtype in, halDtype out, void *y, const void *x,
                             const void *w, const void *bias, int64_t m,
                             int64_t n, int64_t k, halStream_t stream);

/*
 * Grouped-query attention, prefill and cached decode.  Query head h uses
 * key/value head h / (n_heads / n_kv_heads).  Element (b, s, h, i) of q is at
 * b * q_batch_stride + s * q_seq_stride + h * q_head_stride + i, and so on; o
 * has q's shape with v_dim columns.  kv_lens I32 [batch] on the device, clamped
 * to [0, kv_max]; NULL: all kv_max.  causal: query i of n_q sees key j iff
 * j <= kv_len - n_q + i; a query with no key gives 0 and lse -inf.  lse, F32
 * [batch][n_heads][n_q], may be NULL.  dims to 576.
 */
struct halopAttentionArgs {
    halDtype dtype; /* of q, k, v: F32, BF16, F16 */
    halDtype out;   /* of o: dtype or F32 */
    void *o;
    float *lse;
    const void *q, *k, *v;
    const int32_t *kv_lens;
    int64_t batch, n_q, kv_max, n_heads, n_kv_heads, qk_dim, v_dim;
    int64_t q_batch_stride, q_seq_stride, q_head_stride;
    int64_t k_batch_stride, k_seq_stride, k_head_stride;
    int64_t v_batch_stride, v_seq_stride, v_head_stride;
    int64_t o_batch_stride, o_seq_stride, o_head_stride;
    float scale;
    int causal;
};
HAL_API halError_t halopAttention(const struct halopAttentionArgs *args,
                                  halStream_t stream);

/* index[r] = lowest index of the largest x[r][0..n); n >= 1; a NaN counts as
 * largest.  index I32. */
HAL_API halError_t halopArgmax(halDtype dtype, int32_t *index, const void *x,
                               int64_t rows, int64_t n, halStream_t stream);

/* y = x converted: any pair of F32, BF16, F16, E4M3, E5M2; I8, U8 and I32 from
 * and to the first three; I8 and U8 from and to I32.  One rounding, to nearest
 * even, and an integer to nearest even, too.  Overflow goes to inf and NaN
 * stays NaN; fp8 saturates to its largest finite value, infinity included;
 * integers saturate, -2^31 and 2^31 - 1 for I32, and NaN becomes 0. */
HAL_API halError_t halopCast(halDtype to, void *y, halDtype from, const void *x,
                             int64_t n, halStream_t stream);

/* y[i0][i1][i2][i3] = x[i0][i1][i2][i3] for elements of elem_bytes (1, 2, 4,
 * 8); strides in elements.  x's may be 0, and all may be negative: x and y are
 * where element (0, 0, 0, 0) lies, and both spans are checked against their
 * allocations.  y's must be nested: by size, without sign, each is greater than
 * the sum of (size - 1) * stride of the smaller ones (where the size is 1 the
 * stride does not count).  So no two elements of y are one; that strides which
 * are not nested may do without too (2 and 3 over 2 x 2) is not looked for. */
HAL_API halError_t halopCopyStrided(int elem_bytes, void *y,
                                    const int64_t y_strides[4], const void *x,
                                    const int64_t x_strides[4],
                                    const int64_t dims[4], halStream_t stream);

#ifdef __cplusplus
}
#endif

#include "kernels/ops_moe.h"
#include "kernels/ops_mtp.h"
#include "kernels/ops_paged.h"
#include "kernels/ops_quant.h"
#include "kernels/ops_sample.h"

#endif
