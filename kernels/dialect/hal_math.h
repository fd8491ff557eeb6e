/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_math.h - scalar formats and functions in the language that C, OpenCL C,
 * GLSL and CUDA have in common, so that every device computes the same.
 * Formats are converted with integers: no device flushes, truncates or drops
 * a NaN there.  A target defines FN, HAL_EXACT (what keeps its compiler from
 * reassociating) and HAL_RINT before.
 */

/* f32 bits, rounded to bf16: the bits of the result's 16 in the low half. */
FN(uint) hal_bf16_round(uint u)
{
    uint r = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    return (u & 0x7fffffffu) > 0x7f800000u ? (u >> 16) | 64u : r;
}

/* f16 bits to the f32 bits of the same number. */
FN(uint) hal_f16_widen(uint h)
{
    uint em = h & 0x7fffu;
    uint small = as_uint(FLOAT(em) * 5.9604644775390625e-8f);
    uint r = em < 0x400u ? small : (em << 13) + 0x38000000u;
    r = em >= 0x7c00u ? r + 0x38000000u : r;
    return r | ((h & 0x8000u) << 16);
}

/* f32 bits, rounded to f16. */
FN(uint) hal_f16_round(uint u)
{
    uint a = u & 0x7fffffffu, sign = (u >> 16) & 0x8000u;
    uint r = a - 0x38000000u;
    r = (r + 0xfffu + ((r >> 13) & 1u)) >> 13;
    if (a < 0x38800000u) {
        /* below 2^-14: units of 2^-24, ties to even */
        uint e = a >> 23, sh = e < 102u ? 25u : 126u - e;
        uint m = (a & 0x7fffffu) | 0x800000u;
        uint rest = m & ((1u << sh) - 1u), tie = 1u << (sh - 1u);
        r = m >> sh;
        r = rest > tie || (rest == tie && (r & 1u) != 0u) ? r + 1u : r;
        r = e < 102u ? 0u : r;
    }
    r = a >= 0x477ff000u ? 0x7c00u : r; /* 65520 and above */
    r = a > 0x7f800000u ? 0x7e00u | ((a >> 13) & 0x1ffu) : r;
    return r | sign;
}

FN(float) hal_e4m3_widen(uint v)
{
    uint m = v & 127u;
    uint small = as_uint(FLOAT(m) * 0.001953125f);
    uint r = m < 8u ? small : (m << 20) + 0x3c000000u;
    r = m == 127u ? 0x7fc00000u : r;
    return as_float(r | ((v & 128u) << 24));
}

/* 2^n for -252 <= n <= 254 takes two factors: subnormal results are right. */
FN(float) hal_scale2(float x, int n)
{
    int h = n >> 1;
    return x * as_float(UINT(h + 127) << 23) *
           as_float(UINT(n - h + 127) << 23);
}

FN(float) hal_exp(float x)
{
    HAL_EXACT float t = x < -105.0f ? -105.0f : (x > 89.0f ? 89.0f : x);
    t = IS_NAN(x) ? 0.0f : t;
    HAL_EXACT float k = HAL_RINT(t * 1.44269504f);
    HAL_EXACT float r = t - k * 0.693145752f;
    r = r - k * 1.42860677e-6f;
    HAL_EXACT float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    float y = hal_scale2(p, INT(k));
    return IS_NAN(x) ? x : y;
}

FN(float) hal_log(float x)
{
    uint u = as_uint(x), bits = u;
    float y = as_float(0x7fc00000u);
    if (u - 1u < 0x7f7fffffu) {
        /* a subnormal is its bits times 2^-149, and those make a normal */
        int e = u < 0x800000u ? -149 : 0;
        u = u < 0x800000u ? as_uint(FLOAT(u)) : u;
        e = e + INT(u >> 23) - 126;
        HAL_EXACT float m = as_float((u & 0x7fffffu) | 0x3f000000u);
        e = m < 0.707106781f ? e - 1 : e;
        m = m < 0.707106781f ? (m + m) - 1.0f : m - 1.0f;
        HAL_EXACT float z = m * m;
        HAL_EXACT float p = 7.0376836292e-2f;
        p = p * m - 1.1514610310e-1f;
        p = p * m + 1.1676998740e-1f;
        p = p * m - 1.2420140846e-1f;
        p = p * m + 1.4249322787e-1f;
        p = p * m - 1.6668057665e-1f;
        p = p * m + 2.0000714765e-1f;
        p = p * m - 2.4999993993e-1f;
        p = p * m + 3.3333331174e-1f;
        p = p * m * z;
        HAL_EXACT float f = FLOAT(e);
        p = p + f * -2.12194440e-4f;
        p = p - 0.5f * z;
        y = (m + p) + f * 0.693359375f;
    }
    y = (bits & 0x7fffffffu) == 0u ? as_float(0xff800000u) : y;
    y = bits == 0x7f800000u ? x : y;
    return y;
}
