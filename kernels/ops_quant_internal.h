/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_quant_internal.h - what the operators on quantised tensors share: a
 * product in the making, checked and launched here (ops_quant.c).  The order
 * of the kernels' parameters is quant/gemv.h's.
 */
#ifndef KERNELS_OPS_QUANT_INTERNAL_H
#define KERNELS_OPS_QUANT_INTERNAL_H

#include "kernels/ops_internal.h"

#define QUANT_TENSORS_MAX 10

/* A kernel of kernels/tuned/, which takes the portable GEMM's arguments. */
struct quant_tuned {
    const char *way; /* "fp8_gemm:tuned" */
    const char *kernel;
    int wants;              /* as ops_tuned_here()'s */
    int64_t tile_m, tile_n; /* of y, that a group makes at a time */
};

struct quant_product {
    const char *op;
    const char *family; /* kernels "<family>_gemv<suffix>", "..._gemm..." */
    const char *suffix;
    int gemv;                        /* 1: the GEMV kernel whatever m is */
    const struct quant_tuned *tuned; /* instead of the portable one, or NULL */
    halDtype out;
    halDtype x_dtype; /* of unquantised activations; else halF32 */
    int64_t m, n, k;
    int64_t experts;  /* the kernels that have tables of rows; else 0 */
    uint32_t flags;   /* beyond those of quant/io.h */
    int64_t extra[5]; /* scalars after the common ones */
    unsigned n_extra;
    int64_t strip; /* a group of one thread takes so many columns, or 0 */
    /* As the kernels take them: quant_start()'s, the family's, the bias. */
    struct ops_tensor tensors[QUANT_TENSORS_MAX];
    unsigned n_tensors;
};

/* quant/int8_sums.h's flags, of what is given. */
#define QUANT_I8_XS   32u
#define QUANT_I8_WS   64u
#define QUANT_I8_BIAS 128u
/* Sums of k products of two int8 fit an int32. */
halError_t quant_check_i8_depth(const char *op, int64_t k);

/* m, n and k. */
halError_t quant_check_shape(const struct quant_product *p);
/* in, m and k of what quantises rows; and of the format of its scales. */
halError_t quant_check_rows(const char *op, halDtype in, int64_t m, int64_t k);
halError_t quant_check_scale(const char *op, halopScale format);

void quant_tensor(struct quant_product *p, const char *name, const void *ptr,
                  uint64_t n_elems, halDtype dtype);
/* y, as the first tensors of a product whose shape was checked. */
void quant_start(struct quant_product *p, void *y);
/* Checks the tensors and launches; not where m or n is 0.  bias: F32 or NULL.
 */
halError_t quant_run(struct quant_product *p, const float *bias,
                     halStream_t stream);

/* A float or halI32 tensor as the two parameters of quant/io.h, one of 32-bit
 * and one of 16-bit elements: the other of the pair is absent. */
void quant_pair(struct ops_tensor pair[2], const char *name, const void *ptr,
                uint64_t n_elems, halDtype dtype, unsigned flags);
/* quant/io.h's number of the format. */
uint32_t quant_format(halDtype dtype);

static inline int64_t quant_blocks(int64_t n, int64_t size)
{
    return n / size + (n % size != 0);
}

#endif
