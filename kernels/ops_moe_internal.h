/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_moe_internal.h - what the grouped products of all formats check alike,
 * whatever their elements are (ops_moe.c).
 */
#ifndef KERNELS_OPS_MOE_INTERNAL_H
#define KERNELS_OPS_MOE_INTERNAL_H

#include "kernels/ops_internal.h"

struct moe_shape {
    int64_t rows, x_rows, n_experts, n, k;
    int64_t w_expert_stride;
    const int32_t *gather;
    int64_t gather_div;
};
/* Every number of the shape, and that there is a row of x where there is one
 * of y. */
halError_t moe_check_shape(const char *op, const struct moe_shape *s);

/* A stride between experts: no less than what one has, and 32 bits. */
halError_t moe_check_stride(const char *op, const char *name, int64_t stride,
                            const char *what, int64_t elems);

/* Elements from the first expert's to the end of the last one's. */
static inline uint64_t moe_span(int64_t n_experts, int64_t stride,
                                uint64_t elems)
{
    return elems ? ops_count(n_experts - 1, stride) + elems : 0;
}

#endif
