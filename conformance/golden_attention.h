/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_attention.h - two ways to compute attention for cases of a pack, both
 * over q [b, h, sq, d], k and v [b, hkv, s, d], contiguous.
 */
#ifndef CONFORMANCE_GOLDEN_ATTENTION_H
#define CONFORMANCE_GOLDEN_ATTENTION_H

#include "conformance/golden_run.h"

struct attention {
    struct gt q, k, v;
    double scale;
    int causal;             /* fused: the kernel's rule */
    const int32_t *kv_lens; /* fused, host; NULL: all */
    const double *mask;     /* composed: additive, [b, h, sq, s] */
};

/* o [b, h, sq, dv] of dtype `out`; lse [b, h, sq] where asked for. */
struct gt attention_fused(struct golden_run *r, const struct attention *a,
                          halDtype out, struct gt *lse);

/* o in f32, of f32 inputs.  Of the stages 0 (scaled scores), 2 (with mask) and
 * 3 (after softmax) `stages` keeps the one asked for, [b, h, sq, s]. */
struct gt attention_composed(struct golden_run *r, const struct attention *a,
                             int stage, struct gt *stages);

#endif
