/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fp8.h - 8-bit floats in kernels: codes are bytes in a u8 buffer, so that any
 * device can hold them, and all conversions are integer arithmetic on the bits
 * of the equal f32.  Rounding is to nearest even and saturates: what is beyond
 * the largest finite number, infinity included, becomes that number; a NaN
 * stays one (code 0x7F).
 */

/* f32 bits to a code of M mantissa bits whose exponents are BIAS below f32's,
 * largest finite code MAX.  Numbers below the smallest normal one are counted
 * in units of 2^(1 - M) of it. */
#define FP8_ROUND(name, M, BIAS, MAX)                                          \
    FN(uint) name(uint u)                                                      \
    {                                                                          \
        uint a = u & 0x7fffffffu, sign = (u >> 24) & 128u, e = a >> 23;        \
        uint r = a - (BIAS##u << 23);                                          \
        r = (r + ((1u << (22 - M)) - 1u) + ((r >> (23 - M)) & 1u)) >>          \
            (23 - M);                                                          \
        uint sh = e < BIAS##u - M##u ? 25u : BIAS##u + 24u - M##u - e;         \
        uint m = (a & 0x7fffffu) | 0x800000u;                                  \
        sh = sh > 25u ? 25u : sh;                                              \
        uint rest = m & ((1u << sh) - 1u), tie = 1u << (sh - 1u), s = m >> sh; \
        s = rest > tie || (rest == tie && (s & 1u) != 0u) ? s + 1u : s;        \
        r = e <= BIAS##u ? s : r;                                              \
        r = r > MAX##u ? MAX##u : r;                                           \
        r = a > 0x7f800000u ? 127u : r;                                        \
        return r | (a > 0x7f800000u ? 0u : sign);                              \
    }
FP8_ROUND(fp8_e4m3_round, 3, 120, 126)
FP8_ROUND(fp8_e5m2_round, 2, 112, 123)

/* e5m2 is the upper half of an f16. */
#define FP8_BITS_e4m3(v) as_uint(hal_e4m3_widen(v))
#define FP8_BITS_e5m2(v) hal_f16_widen((v) << 8)

/* An element of any float format as the bits of the equal f32. */
#define FP8_GET_f32(b, i)     LDBITS(f32, b, i)
#define FP8_GET_bf16(b, i)    LDBITS(bf16, b, i)
#define FP8_GET_f16(b, i)     LDBITS(f16, b, i)
#define FP8_GET_e4m3(b, i)    FP8_BITS_e4m3(LD(u8, b, i))
#define FP8_GET_e5m2(b, i)    FP8_BITS_e5m2(LD(u8, b, i))
#define FP8_PUT_f32(b, i, u)  STBITS(f32, b, i, u)
#define FP8_PUT_bf16(b, i, u) STBITS(bf16, b, i, u)
#define FP8_PUT_f16(b, i, u)  STBITS(f16, b, i, u)
#define FP8_PUT_e4m3(b, i, u) ST(u8, b, i, fp8_e4m3_round(u))
#define FP8_PUT_e5m2(b, i, u) ST(u8, b, i, fp8_e5m2_round(u))
