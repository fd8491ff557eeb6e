/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.h - probabilities of tokens as integers, so that every device chooses
 * the same ones.  The weight of a token is 2^-Y in units of 2^-46, Y = (largest
 * - z) * slope with a fraction of 24 bits; its two roundings are the only ones.
 * A weight has 46 bits (the largest token's is 2^46), a sum of them 64, in two
 * words.  Draws are Philox's, or the caller's.
 */

/* Floats as uints in the same order. */
#define NO_TOKEN 0x007fffffu /* the key of -inf */
FN(uint) order_of(uint u)
{
    u = u == 0x80000000u ? 0u : u; /* -0 equals 0 */
    return (u & 0x80000000u) != 0u ? ~u : u | 0x80000000u;
}
FN(uint) bits_of(uint key)
{
    return (key & 0x80000000u) != 0u ? key ^ 0x80000000u : ~key;
}

/* The upper half of a product. */
FN(uint) mul_high(uint a, uint b)
{
#ifdef HAL_CPU
    return (uint)((hal_u64)a * b >> 32);
#else
    uint al = a & 0xffffu, ah = a >> 16, bl = b & 0xffffu, bh = b >> 16;
    uint lh = al * bh, hl = ah * bl;
    uint mid = ((al * bl) >> 16) + (lh & 0xffffu) + (hl & 0xffffu);
    return ah * bh + (lh >> 16) + (hl >> 16) + (mid >> 16);
#endif
}

/* Y; 0xffffffff from 46 on, where nothing is left */
FN(uint) depth_of(float largest, float z, float slope)
{
    float d = z == largest ? 0.0f : largest - z;
    float y = d * slope;
    return y < 46.0f ? UINT(y * 16777216.0f) : 0xffffffffu;
}

/* 2^(-F / 2^24) in units of 2^-30, F below 2^24: the series of exp(-t) in
 * units of 2^-31, t in units of 2^-32 */
FN(uint) power(uint F)
{
    uint t = mul_high(F << 8, 2977044472u); /* ln 2 */
    uint p = 592u;                          /* 2^31 / 10! */
    p = 5918u - mul_high(t, p);
    p = 53261u - mul_high(t, p);
    p = 426088u - mul_high(t, p);
    p = 2982616u - mul_high(t, p);
    p = 17895697u - mul_high(t, p);
    p = 89478485u - mul_high(t, p);
    p = 357913941u - mul_high(t, p);
    p = 1073741824u - mul_high(t, p);
    p = 2147483648u - mul_high(t, p);
    p = 2147483648u - mul_high(t, p);
    return p >> 1;
}

#ifdef HAL_CPU
/* WEIGHT and SCALE in a form that vectorises. */
FN(hal_u64) weight_of(uint y)
{
    hal_u64 w = (hal_u64)power(y & 0xffffffu) << 16 >> (y >> 24 & 63u);
    return y == 0xffffffffu ? 0u : w;
}
FN(hal_u64) scaled(hal_u64 w, uint f)
{
    return (w >> 32) * f + ((w & 0xffffffffu) * f >> 32);
}
#endif

/* The two words of the weight of a Y that is not 0xffffffff. */
#define WEIGHT(high, low, Y)                                \
    uint high = 0u, low = 0u;                               \
    {                                                       \
        uint y_ = Y;                                        \
        if (y_ != 0xffffffffu) {                            \
            uint p_ = power(y_ & 0xffffffu), n_ = y_ >> 24; \
            high = p_ >> 16;                                \
            low = p_ << 16;                                 \
            if (n_ >= 32u) {                                \
                low = high >> (n_ - 32u);                   \
                high = 0u;                                  \
            } else if (n_ > 0u) {                           \
                low = (low >> n_) | (high << (32u - n_));   \
                high = high >> n_;                          \
            }                                               \
        }                                                   \
    }
#define ADD(high, low, h, l)                 \
    {                                        \
        low += (l);                          \
        high += (h) + (low < (l) ? 1u : 0u); \
    }
#define BELOW(ah, al, bh, bl) ((ah) < (bh) || ((ah) == (bh) && (al) < (bl)))

/* high:low becomes its product with f / 2^32 */
#define SCALE(high, low, f)                             \
    {                                                   \
        uint l_ = (high) * (f), h_ = mul_high(high, f); \
        uint c_ = mul_high(low, f);                     \
        l_ += c_;                                       \
        h_ += l_ < c_ ? 1u : 0u;                        \
        high = h_;                                      \
        low = l_;                                       \
    }

/* Philox 4x32-10 of the counter c under the key k: its first word. */
FN(uint) philox(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
{
    for (int i = 0; i < 10; i++) {
        uint h0 = mul_high(0xd2511f53u, c0), l0 = 0xd2511f53u * c0;
        uint h1 = mul_high(0xcd9e8d57u, c2), l1 = 0xcd9e8d57u * c2;
        c0 = h1 ^ c1 ^ k0;
        c1 = l1;
        c2 = h0 ^ c3 ^ k1;
        c3 = l0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return c0;
}

/* A number of [0, 1) in units of 2^-32; a NaN is 0. */
FN(uint) draw_of(float u)
{
    u = u >= 0.0f ? u : 0.0f;
    return u < 1.0f ? UINT(u * 4294967296.0f) : 0xffffffffu;
}
