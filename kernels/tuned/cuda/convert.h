/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert.h - conversions that are one instruction of sm_80 and newer, where
 * the dialect's take ten of integers.  As in mma.h a function named ptx_... is
 * one instruction, in whose place the emulator has its own.
 */

/* Two numbers rounded to nearest even, `low` in the low half; NaN: 0x7fff. */
FN(uint) ptx_pack_bf16(float low, float high)
{
    uint both;

    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

FN(uint) ptx_pack_f16(float low, float high)
{
    uint both;

    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

FN(float) ptx_widen_f16(unsigned short bits)
{
    float f;

    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(bits));
    return f;
}
