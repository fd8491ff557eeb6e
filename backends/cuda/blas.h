/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blas.h - what this backend uses of cuBLASLt, declared here so that no toolkit
 * is needed to build it.  Invariant: values and layouts are those of NVIDIA's
 * cublasLt.h; tests/backends/test_cuda_blas.c compares them where it is
 * installed.  blas.def has the functions.
 */
#ifndef BACKENDS_CUDA_BLAS_H
#define BACKENDS_CUDA_BLAS_H

#include <stddef.h>
#include <stdint.h>

/* cublasStatus_t */
enum {
    BLAS_OK = 0,
    BLAS_NOT_INITIALIZED = 1,
    BLAS_ALLOC_FAILED = 3,
    BLAS_INVALID_VALUE = 7,
    BLAS_ARCH_MISMATCH = 8,
    BLAS_EXECUTION_FAILED = 13,
    BLAS_INTERNAL_ERROR = 14,
    BLAS_NOT_SUPPORTED = 15
};

enum {
    BLAS_F32 = 0, /* cudaDataType */
    BLAS_F16 = 2,
    BLAS_BF16 = 14,
    BLAS_COMPUTE_F32 = 68, /* cublasComputeType_t: not TF32 */
    BLAS_OP_T = 1,         /* cublasOperation_t */
    BLAS_EPILOGUE_BIAS = 4,
    BLAS_REDUCTION_COMPUTE_TYPE = 2, /* partial sums in f32 */
    /* cublasLtMatmulDescAttributes_t */
    BLAS_DESC_TRANS_A = 3,
    BLAS_DESC_EPILOGUE = 7,
    BLAS_DESC_BIAS_POINTER = 8,
    /* cublasLtMatmulPreferenceAttributes_t */
    BLAS_PREF_WORKSPACE_BYTES = 1,
    BLAS_PREF_REDUCTION_MASK = 3,
    BLAS_PREF_ALIGNMENT_A = 5, /* B, C and D follow */
    BLAS_PREF_ALIGNMENT_D = 8
};

struct blas_algo { /* cublasLtMatmulAlgo_t */
    uint64_t data[8];
};

struct blas_result { /* cublasLtMatmulHeuristicResult_t */
    struct blas_algo algo;
    size_t workspace_bytes;
    unsigned state;
    float waves;
    int reserved[4];
};

struct CUstream_st;

typedef struct blas_handle_st *blas_handle;
typedef struct blas_desc_st *blas_desc;
typedef struct blas_layout_st *blas_layout;
typedef struct blas_preference_st *blas_preference;
typedef struct blas_algo blas_algo;
typedef struct blas_result blas_result;

#endif
