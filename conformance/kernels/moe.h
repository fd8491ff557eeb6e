/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moe.h - what the cases of grouped products share, whatever their elements
 * are: how tokens fall on experts, and the tables that say so (moe.c).
 */
#ifndef CONFORMANCE_KERNEL_MOE_H
#define CONFORMANCE_KERNEL_MOE_H

#include "conformance/kernels/cases.h"
#include "conformance/oracles/moe.h"

enum moe_fill {
    MOE_RANDOM,
    MOE_ONE,     /* all tokens to one expert, not the first */
    MOE_FEW,     /* to three experts: the others have none */
    MOE_OUTSIDE, /* every third id names no expert */
    MOE_NOBODY,  /* all ids do */
};

enum {
    MOE_GATHER = 1,    /* rows of x by a table */
    MOE_PADDED = 2,    /* more between experts than they have */
    MOE_WILD = 4,      /* tables with entries out of range */
    MOE_ODD = 8,       /* off the alignment */
    MOE_EXTREMES = 16, /* rows of NaN, infinity, zeros, and of all sizes */
};

struct moe_shape {
    const char *name;
    int64_t rows, experts, n, k;
    enum moe_fill fill;
    int flags;
};

/* An id of an expert, or of none, as `fill` has it. */
int32_t moe_id(struct conf *c, enum moe_fill fill, int64_t i, int64_t experts);
struct kx_tensor moe_ints(struct conf *c, const int32_t *v, int64_t n, int odd);
int32_t *moe_host_ints(struct conf *c, int64_t n);
/* Rows in order of their experts; of a wild shape they begin below 0 and end
 * past the rows. */
int32_t *moe_offsets(struct conf *c, const struct moe_shape *s);
/* Rows of x times 3, the divisor. */
int32_t *moe_gather(struct conf *c, const struct moe_shape *s, int64_t x_rows);

#endif
