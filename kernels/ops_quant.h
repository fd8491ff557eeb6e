/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_quant.h - the operators on quantised tensors: FP8, INT8, INT4 and GGUF
 * blocks.  Included by ops.h, whose rules hold here too.
 *
 * Codes are bytes and words that any device can store; arithmetic on them is
 * f32 (int32 for INT8 products).  What a product's weights need to be read is
 * checked before any launch; scales come from device memory and are taken as
 * they are (a NaN scale gives NaN in what it scales).
 */
#ifndef KERNELS_OPS_QUANT_H
#define KERNELS_OPS_QUANT_H

#include "hal/hal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- scales ------------------------------------------------------------ */

/* How a power-of-two scale is stored, and whether scales are ones. */
typedef enum halopScale {
    halopScaleF32 = 0,  /* any f32 */
    halopScalePow2 = 1, /* f32, rounded up to a power of two (ue8m0) */
    halopScaleE8M0 = 2  /* the same as one byte, the biased exponent */
} halopScale;

/* y = 2^(code - 127) of n codes; 255 is NaN.  Code 0 is an f32 subnormal and
 * exact. */
HAL_API halError_t halopScaleFromE8M0(float *y, const uint8_t *code, int64_t n,
                                      halStream_t stream);
/* The code of the smallest power of two that is not below |x|, held in 1..254;
 * NaN gives 255. */
HAL_API halError_t halopScaleToE8M0(uint8_t *code, const float *x, int64_t n,
                                    halStream_t stream);

/* ---- FP8: e4m3 codes with scales of blocks ------------------------------ */

/* Blocks of 128 k of each row x[m][k]: scale = max(|x|, 1e-4) / 448 as `format`
 * says, F32 or one byte [m][ceil(k / 128)]; q = e4m3(x / scale), E4M3 [m][k].
 * `in`: F32, BF16, F16.  A NaN gives a NaN code and does not count for the
 * scale; an infinity gives the largest code and a scale of f32's largest
 * / 448.  A last block may be short. */
HAL_API halError_t halopQuantiseFp8(halDtype in, uint8_t *q, void *scale,
                                    halopScale format, const void *x, int64_t m,
                                    int64_t k, halStream_t stream);

/* y[n][k] = w * scale[n / 128][k / 128], one f32 product, then one rounding to
 * `out` (F32, BF16, F16); scale F32 [ceil(n / 128)][ceil(k / 128)], what
 * checkpoints call weight_scale_inv. */
HAL_API halError_t halopDequantiseFp8(halDtype out, void *y, const uint8_t *w,
                                      const float *scale, int64_t n, int64_t k,
                                      halStream_t stream);

/* y[m][n] = sum over blocks of 128 k of (sum x w) * x_scale * w_scale, all in
 * f32 (+ bias[n]), then one rounding to `out` (F32, BF16, F16).  x, w E4M3
 * [m][k], [n][k]; x_scale F32 [m][ceil(k / 128)], w_scale F32 [ceil(n / 128)]
 * [ceil(k / 128)]; bias F32 or NULL.  k == 0 gives the bias or 0. */
struct halopGemmFp8Args {
    halDtype out;
    void *y;
    const uint8_t *x;
    const float *x_scale;
    const uint8_t *w;
    const float *w_scale;
    const float *bias;
    int64_t m, n, k;
};
HAL_API halError_t halopGemmFp8(const struct halopGemmFp8Args *args,
                                halStream_t stream);
/* The GEMV kernel itself, whatever m is: one pass over w per row of x. */
HAL_API halError_t halopGemvFp8(const struct halopGemmFp8Args *args,
                                halStream_t stream);

/* ---- INT8: W8A8, exact 32-bit sums --------------------------------------- */

/* scale[m] = max|x| of the row / 127 (1 where that is 0 or subnormal), q =
 * x / scale to nearest even within -127..127.  `in`: F32, BF16, F16.  factor,
 * F32 [k] or NULL, multiplies x first (smoothing).  A NaN becomes 0 and does
 * not count; an infinity is f32's largest number. */
HAL_API halError_t halopQuantiseI8(halDtype in, int8_t *q, float *scale,
                                   const void *x, const float *factor,
                                   int64_t m, int64_t k, halStream_t stream);
/* q = x / scale to nearest even, plus offset, within -128..127; NaN counts as
 * 0.  scale > 0, -128 <= offset <= 127. */
HAL_API halError_t halopQuantiseI8Static(halDtype in, int8_t *q, const void *x,
                                         float scale, int offset, int64_t n,
                                         halStream_t stream);

/* y[m][n] = (sum x w + int_bias[n]) * w_scale[n] * x_scale[m] + bias[n], then
 * one rounding to `out`.  x, w I8 [m][k], [n][k], k <= 131071: the sum is
 * exact. x_scale, w_scale, bias F32, int_bias I32; each may be NULL (1, 1, 0,
 * 0). out: F32, BF16, F16, or I32 for the sum with int_bias alone.  A static
 * scheme gives its deq_scale as w_scale. */
struct halopGemmI8Args {
    halDtype out;
    void *y;
    const int8_t *x, *w;
    const float *x_scale, *w_scale;
    const int32_t *int_bias;
    const float *bias;
    int64_t m, n, k;
};
HAL_API halError_t halopGemmI8(const struct halopGemmI8Args *args,
                               halStream_t stream);
/* The GEMV kernel itself, whatever m is. */
HAL_API halError_t halopGemvI8(const struct halopGemmI8Args *args,
                               halStream_t stream);

/* ---- SwiGLU and the quantisation of its result, in one pass -------------- */

/* h = gate / (1 + exp(-gate)) * up, then q and scale of h as above; gate and up
 * `in` (F32, BF16, F16) [m][k].  h is f32 and is not rounded to `in`: the same
 * bits come from halopSwiGLU of F32 with the inputs widened, followed by
 * halopQuantiseFp8 or halopQuantiseI8 (without factor) of F32.  Those roundings
 * that are left are f32's in h, the scale's and, last, the code's. */
HAL_API halError_t halopSwiGLUQuantiseFp8(halDtype in, uint8_t *q, void *scale,
                                          halopScale format, const void *gate,
                                          const void *up, int64_t m, int64_t k,
                                          halStream_t stream);
HAL_API halError_t halopSwiGLUQuantiseI8(halDtype in, int8_t *q, float *scale,
                                         const void *gate, const void *up,
                                         int64_t m, int64_t k,
                                         halStream_t stream);

/* ---- GGUF blocks -------------------------------------------------------- */

/* Types by ggml's numbers. */
typedef enum halopGguf {
    halopGgufQ4_0 = 2,
    halopGgufQ5_0 = 6,
    halopGgufQ8_0 = 8,
    halopGgufQ4_K = 12,
    halopGgufQ5_K = 13,
    halopGgufQ6_K = 14
} halopGguf;

/* y[n][k] of n rows of blocks, rounded to `out` (F32, BF16, F16).  w is as
 * files hold it, at any alignment; k is a multiple of the block, 32 or 256. */
HAL_API halError_t halopDequantiseGguf(halopGguf type, halDtype out, void *y,
                                       const void *w, int64_t n, int64_t k,
                                       halStream_t stream);

/* y[m][n] = x[m][k] . w[n][k]^T (+ bias[n]): w dequantised in f32, sums in f32,
 * one rounding to `out`.  x `in`, y `out`: F32, BF16, F16 each; bias F32 or
 * NULL. */
struct halopGemmGgufArgs {
    halopGguf type;
    halDtype in, out;
    void *y;
    const void *x, *w;
    const float *bias;
    int64_t m, n, k;
};
HAL_API halError_t halopGemmGguf(const struct halopGemmGgufArgs *args,
                                 halStream_t stream);
/* The GEMV kernel itself, whatever m is. */
HAL_API halError_t halopGemvGguf(const struct halopGemmGgufArgs *args,
                                 halStream_t stream);

/* ---- INT4: AWQ and GPTQ ------------------------------------------------- */

typedef enum halopInt4 {
    halopInt4Awq = 0,   /* qweight [k][n / 8], nibbles 0 4 1 5 2 6 3 7 */
    halopInt4Gptq = 1,  /* qweight [k / 8][n]; zero points stored less one */
    halopInt4GptqV2 = 2 /* zero points as they are */
} halopInt4;

/* w[k][n] = (code - zero point) * scale of its group and column.  qzeros
 * [groups][n / 8], scales F16 [groups][n], groups = ceil(k / group_size);
 * group_size -1: one group.  g_idx I32 [k] on the device (GPTQ with act-order;
 * else NULL) names the group of each k; one outside is held to the nearest.
 * n, and with GPTQ k, are multiples of 8. */
struct halopInt4Weights {
    halopInt4 layout;
    const uint32_t *qweight, *qzeros;
    const void *scales;
    const int32_t *g_idx;
    int64_t n, k, group_size;
};

/* y[k][n], as the weights are stored; `out` F32, BF16, F16. */
HAL_API halError_t halopDequantiseInt4(halDtype out, void *y,
                                       const struct halopInt4Weights *w,
                                       halStream_t stream);

/* y[m][n] = x[m][k] . w[k][n] (+ bias[n]), w dequantised in f32, sums in f32,
 * one rounding to `out`.  x `in`, y `out`: F32, BF16, F16 each; bias F32 or
 * NULL. */
struct halopGemmInt4Args {
    halDtype in, out;
    void *y;
    const void *x;
    const struct halopInt4Weights *w;
    const float *bias;
    int64_t m;
};
HAL_API halError_t halopGemmInt4(const struct halopGemmInt4Args *args,
                                 halStream_t stream);
/* The GEMV kernel itself, whatever m is. */
HAL_API halError_t halopGemvInt4(const struct halopGemmInt4Args *args,
                                 halStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
