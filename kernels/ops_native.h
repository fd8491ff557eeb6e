/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_native.h - the CPU's BLAS libraries behind an op, and which of the ways
 * an op goes.  Private to kernels/.
 *
 * Invariant: a library is opened at the first op that may use it, never
 * closed, and a product that is found computes on the calling thread alone or
 * says that it does not.
 */
#ifndef KERNELS_OPS_NATIVE_H
#define KERNELS_OPS_NATIVE_H

#include "kernels/ops_internal.h"

/* Floats of a tile: TILE in gemm_native.k. */
#define OPS_NATIVE_TILE 65536u

/* y[m][stride] = x[m][k] . w[n][k]^T; sizes are not 0.  On threads of the
 * device's.  Cannot fail. */
typedef void ops_native_fn(float *y, uint32_t stride, const void *x,
                           const void *w, uint32_t m, uint32_t n, uint32_t k);

/* What multiplies two matrices of one dtype. */
struct ops_native {
    ops_native_fn *product;
    int own_threads; /* it spreads over threads of its own: one call a time */
};

/* What halopSelect() or HALCYON_KERNEL asks for. */
enum ops_way {
    OPS_PORTABLE, /* gemm.k, gemv.k, rmsnorm.k, fp8_gemm.k, moe_gemm.k ... */
    OPS_NATIVE,   /* the library */
    OPS_TUNED     /* kernels/tuned/ */
};

/* What has more than one way. */
enum ops_choice {
    OPS_GEMM,
    OPS_RMSNORM,
    OPS_FP8_GEMM,
    OPS_MOE_GEMM,
    OPS_CHOICES
};

/* The error is of a value that cannot be read. */
halError_t ops_way_wanted(const char *op, enum ops_choice what,
                          enum ops_way *out_way);
/* Whether a function of these attributes runs on one of NVIDIA's devices. */
int ops_is_cuda(const struct halFuncAttributes *attr);
/* Whether the device of the call's portable kernel has tuned ones:
 * halErrorNotSupported says what they want.  `way` is "gemm:tuned", say,
 * `wanted` ten times the compute capability, 80. */
halError_t ops_tuned_here(struct ops_call *call, const char *way, int wanted);
/* What multiplies `in` here.  halErrorNotSupported names the package that
 * brings it; *out_native is then untouched. */
halError_t ops_native_find(const char *op, halDtype in,
                           struct ops_native *out_native);

#endif
