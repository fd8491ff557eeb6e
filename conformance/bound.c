/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bound.c - the bound of an operation, derived from its arithmetic alone: one
 * number for all devices.  docs/numerics.md has the derivation at length.
 */
#include <math.h>

#include "conformance/conf.h"

/* Half the distance from 1 to the next value: the error of one rounding. */
#define UNIT_F32 0x1p-24

/* Error of one rounding to the format, relative; and the largest absolute
 * error near zero, where there are no more normal numbers.  A device may flush
 * f32 (and so bf16) subnormals to zero; those of f16 are kept by all. */
static void rounding_of(halDtype dtype, double *unit, double *floor)
{
    *floor = 0x1p-126;
    switch (dtype) {
    case halF32:
        *unit = UNIT_F32;
        return;
    case halBF16:
        *unit = 0x1p-8; /* 8 bits of significand */
        return;
    case halF16:
        *unit = 0x1p-11;
        *floor = 0x1p-25;
        return;
    case halE4M3:
        *unit = 0x1p-4;
        *floor = 0x1p-10;
        return;
    case halE5M2:
        *unit = 0x1p-3;
        *floor = 0x1p-17;
        return;
    case halF64: /* computed in f32, then widened */
        *unit = 0;
        return;
    case halI8:
    case halU8:
    case halI16:
    case halU16:
    case halI32:
    case halU32:
    case halI64:
    case halU64:
    case halDtypeCount:
        break;
    }
    *unit = 0; /* rounding to an integer: at most one half, half to even */
    *floor = 0.5;
}

/*
 * t rounded operations in sequence have a relative error of at most
 * g(t) = t u / (1 - t u) (Higham, Accuracy and Stability, lemma 3.1) of the
 * sum of the magnitudes of what they combine: `sum` where the case knows that
 * sum, and `rel` for operations without cancellation, where it is |want|.  The
 * rounding to the format adds its unit, of the result.
 *
 * The aggregate expects the t errors to be independent, so that they add up as
 * sqrt(t): twice that, and the full unit of the last rounding, of which a
 * correct one uses 0.4 (uniform errors over uniform significands).
 */
struct conf_bound conf_bound_of(halDtype dtype, double terms)
{
    double unit, floor, g;
    struct conf_bound b = { 0 };

    rounding_of(dtype, &unit, &floor);
    if (!(terms > 0))
        terms = 0;
    /* Beyond 2^22 terms the formula says nothing; sums that long are made of
     * shorter ones. */
    if (terms > 0x1p22)
        terms = 0x1p22;
    g = terms * UNIT_F32 / (1 - terms * UNIT_F32);
    b.rel = unit + g * (1 + unit);
    b.sum = g * (1 + unit);
    b.abs = terms > 0 || unit > 0 ? floor : 0;
    b.rel_l2 = unit + 2 * sqrt(terms) * UNIT_F32;
    return b;
}
