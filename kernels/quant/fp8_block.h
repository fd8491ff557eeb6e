/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fp8_block.h - e4m3 codes of a block and its scale, max(|x|, 1e-4) / 448.  A
 * power of two is rounded up, by the exponent's bits: 448 is 1.75 * 2^8, so
 * that the scale's exponent is the largest element's less 8, or 7 where its
 * significand lies above 1.75; no division's rounding can tip it.  Include
 * fp8.h before.
 */

/* a / b to nearest, for 1 <= b < 2: a device's division may be 2.5 units off,
 * which would move codes whose quotient is a tie.  The remainder of the first
 * quotient is exact, and what it adds is rounded once.  -0 stays. */
FN(float) fp8_divide(float a, float b)
{
    HAL_EXACT float q = a / b;
#if defined(HAL_OPENCL)
    if (ABS(q) < 1.0e30f && q != 0.0f)
        q = q + fma(-q, b, a) / b;
#elif defined(HAL_GLSL)
    /* halves of 12 bits, whose products are exact; no fma that is sure */
    HAL_EXACT float c = 4097.0f * q;
    HAL_EXACT float qh = c - (c - q);
    HAL_EXACT float ql = q - qh;
    float bh = as_float(as_uint(b) & 0xfffff000u);
    HAL_EXACT float bl = b - bh;
    HAL_EXACT float r = a - qh * bh;
    r = r - qh * bl;
    r = r - ql * bh;
    r = r - ql * bl;
    HAL_EXACT float more = q + r / b;
    if (ABS(q) < 1.0e30f && q != 0.0f)
        q = more;
#endif
    return q;
}

/* What counts as a block's largest element: within 1e-4 and f32's largest. */
FN(float) fp8_block_limit(float largest)
{
    return MIN(MAX(largest, 1.0e-4f), 3.4028235e38f);
}

/* The biased exponent of a power-of-two scale. */
FN(uint) fp8_block_exponent(float limit)
{
    uint u = as_uint(limit);
    return (u >> 23) - ((u & 0x7fffffu) > 0x600000u ? 7u : 8u);
}

/* fmt: 0 any f32, else a power of two */
FN(float) fp8_block_scale(float limit, uint fmt)
{
    float s = fp8_divide(limit / 256.0f, 1.75f);
    return fmt != 0u ? as_float(fp8_block_exponent(limit) << 23) : s;
}

/* The code of x over the scale s, taken as 1 <= f < 2 times a power of two,
 * which divides exactly. */
FN(uint) fp8_block_code(float x, float s)
{
    float f = as_float((as_uint(s) & 0x7fffffu) | 0x3f800000u);
    float p = as_float((254u - (as_uint(s) >> 23)) << 23);
    return fp8_e4m3_round(as_uint(fp8_divide(x * p, f)));
}

/* A scale as fmt stores it: 0, 1 as f32, 2 the exponent's byte. */
#define FP8_BLOCK_STORE(scale, code, i, s, fmt) \
    {                                           \
        if (fmt == 2u) {                        \
            ST(u8, code, i, as_uint(s) >> 23);  \
        } else {                                \
            ST(f32, scale, i, s);               \
        }                                       \
    }
