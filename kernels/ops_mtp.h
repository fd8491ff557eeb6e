/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_mtp.h - the input of a multi-token prediction layer.  The rules of ops.h
 * hold; include that.
 */
#ifndef KERNELS_OPS_MTP_H
#define KERNELS_OPS_MTP_H

#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y[t] = [rmsnorm(embedding[t]) * w_embedding | rmsnorm(hidden[t]) * w_hidden],
 * which eh_proj multiplies next.  embedding is that of token t + 1, hidden the
 * model's state after its last norm; both [rows][n], w_ [n], y [rows][2 n]; one
 * dtype F32, BF16, F16.  positions, I32 [rows], may be NULL: a row whose
 * position is 0 gets zeros for its embedding. */
HAL_API halError_t halopMtpCombine(halDtype dtype, void *y,
                                   const void *embedding, const void *hidden,
                                   const void *w_embedding,
                                   const void *w_hidden,
                                   const int32_t *positions, int64_t rows,
                                   int64_t n, float eps, halStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
