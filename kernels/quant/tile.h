/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tile.h - where HAL_WIDE: 16 vectors that lie along k become 16 columns of a
 * panel whose k runs slowest (SCATTER, PACK).
 */
#ifdef HAL_CPU
/* Transposes 16 x 16 floats in registers, by halves, quarters and so on. */
#define SWAP(s, lo, hi)                                            \
    UNROLL for (int i = 0; i < 16; i++)                            \
    {                                                              \
        if (!(i & s)) {                                            \
            UNROLL for (int q = 0; q < HAL_PARTS; q++)             \
            {                                                      \
                hal_vf a = r[i].p[q], b = r[i + s].p[q];           \
                r[i].p[q] = __builtin_shufflevector(a, b, lo);     \
                r[i + s].p[q] = __builtin_shufflevector(a, b, hi); \
            }                                                      \
        }                                                          \
    }
#define SWAP_PARTS(s)                                      \
    UNROLL for (int i = 0; i < 16; i++)                    \
    {                                                      \
        if (!(i & s)) {                                    \
            UNROLL for (int q = 0; q < HAL_PARTS; q++)     \
            {                                              \
                if (!(q * HAL_W & s)) {                    \
                    hal_vf a = r[i].p[q + s / HAL_W];      \
                    r[i].p[q + s / HAL_W] = r[i + s].p[q]; \
                    r[i + s].p[q] = a;                     \
                }                                          \
            }                                              \
        }                                                  \
    }
#define LIST(...) __VA_ARGS__
#if defined(HAL_V4)
#define LO8 LIST(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define HI8 LIST(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define LO4 LIST(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define HI4 LIST(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define LO2 LIST(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HI2 LIST(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define LO1 LIST(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define HI1 LIST(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#elif defined(HAL_V3)
#define LO4 LIST(0, 1, 2, 3, 8, 9, 10, 11)
#define HI4 LIST(4, 5, 6, 7, 12, 13, 14, 15)
#define LO2 LIST(0, 1, 8, 9, 4, 5, 12, 13)
#define HI2 LIST(2, 3, 10, 11, 6, 7, 14, 15)
#define LO1 LIST(0, 8, 2, 10, 4, 12, 6, 14)
#define HI1 LIST(1, 9, 3, 11, 5, 13, 7, 15)
#else
#define LO2 LIST(0, 1, 4, 5)
#define HI2 LIST(2, 3, 6, 7)
#define LO1 LIST(0, 4, 2, 6)
#define HI1 LIST(1, 5, 3, 7)
#endif

/* Column j of 16 rows goes to to[j * stride], ascending: a store may reach
 * into the next column's place, which is written after it. */
FN(void) scatter(v16 *r, float *to, idx stride)
{
#if defined(HAL_V4)
    SWAP(8, LO8, HI8)
    SWAP(4, LO4, HI4)
#elif defined(HAL_V3)
    SWAP_PARTS(8)
    SWAP(4, LO4, HI4)
#else
    SWAP_PARTS(8)
    SWAP_PARTS(4)
#endif
    SWAP(2, LO2, HI2)
    SWAP(1, LO1, HI1)
    UNROLL for (int j = 0; j < 16; j++) STL16(to, j * stride, r[j]);
}

/* 16 columns of ROWS rows, loaded by LOAD(row, k, count): unrolled where the
 * kernel defines TILE_UNROLL so, since what decodes a weight is long. */
#ifndef TILE_UNROLL
#define TILE_UNROLL
#endif
#define PACK(TO, ROWS, STRIDE, LOAD, first, limit, at, k) \
    {                                                     \
        v16 v_[16];                                       \
        TILE_UNROLL for (int i_ = 0; i_ < 16; i_++)       \
        {                                                 \
            v_[i_] = v16_zero();                          \
            if (i_ < (ROWS) && (first) + i_ < (limit))    \
                v_[i_] = LOAD((first) + i_, at, k);       \
        }                                                 \
        scatter(v_, &(TO), STRIDE);                       \
    }
#else
/* The same of 16 variables: PoCL crashes where v16 lie in an array. */
#define SWAP(a, b, lo, hi)        \
    {                             \
        v16 t_ = (v16)(lo(a, b)); \
        b = (v16)(hi(a, b));      \
        a = t_;                   \
    }
#define LO8(a, b) a.s01234567, b.s01234567
#define HI8(a, b) a.s89abcdef, b.s89abcdef
#define LO4(a, b) a.s0123, b.s0123, a.s89ab, b.s89ab
#define HI4(a, b) a.s4567, b.s4567, a.scdef, b.scdef
#define LO2(a, b) a.s01, b.s01, a.s45, b.s45, a.s89, b.s89, a.scd, b.scd
#define HI2(a, b) a.s23, b.s23, a.s67, b.s67, a.sab, b.sab, a.sef, b.sef
#define LO1(a, b)                                                           \
    a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6, a.s8, b.s8, a.sa, b.sa, \
        a.sc, b.sc, a.se, b.se
#define HI1(a, b)                                                           \
    a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7, a.s9, b.s9, a.sb, b.sb, \
        a.sd, b.sd, a.sf, b.sf
/* t: 16 x 16 floats. */
FN(void) scatter(const float *t, __local float *to, idx stride)
{
    v16 v0 = vload16(0, t), v1 = vload16(1, t), v2 = vload16(2, t),
        v3 = vload16(3, t), v4 = vload16(4, t), v5 = vload16(5, t),
        v6 = vload16(6, t), v7 = vload16(7, t), v8 = vload16(8, t),
        v9 = vload16(9, t), va = vload16(10, t), vb = vload16(11, t),
        vc = vload16(12, t), vd = vload16(13, t), ve = vload16(14, t),
        vf = vload16(15, t);
    SWAP(v0, v8, LO8, HI8)
    SWAP(v1, v9, LO8, HI8)
    SWAP(v2, va, LO8, HI8)
    SWAP(v3, vb, LO8, HI8)
    SWAP(v4, vc, LO8, HI8)
    SWAP(v5, vd, LO8, HI8)
    SWAP(v6, ve, LO8, HI8)
    SWAP(v7, vf, LO8, HI8)
    SWAP(v0, v4, LO4, HI4)
    SWAP(v1, v5, LO4, HI4)
    SWAP(v2, v6, LO4, HI4)
    SWAP(v3, v7, LO4, HI4)
    SWAP(v8, vc, LO4, HI4)
    SWAP(v9, vd, LO4, HI4)
    SWAP(va, ve, LO4, HI4)
    SWAP(vb, vf, LO4, HI4)
    SWAP(v0, v2, LO2, HI2)
    SWAP(v1, v3, LO2, HI2)
    SWAP(v4, v6, LO2, HI2)
    SWAP(v5, v7, LO2, HI2)
    SWAP(v8, va, LO2, HI2)
    SWAP(v9, vb, LO2, HI2)
    SWAP(vc, ve, LO2, HI2)
    SWAP(vd, vf, LO2, HI2)
    SWAP(v0, v1, LO1, HI1)
    SWAP(v2, v3, LO1, HI1)
    SWAP(v4, v5, LO1, HI1)
    SWAP(v6, v7, LO1, HI1)
    SWAP(v8, v9, LO1, HI1)
    SWAP(va, vb, LO1, HI1)
    SWAP(vc, vd, LO1, HI1)
    SWAP(ve, vf, LO1, HI1)
    STL16(to, 0 * stride, v0);
    STL16(to, 1 * stride, v1);
    STL16(to, 2 * stride, v2);
    STL16(to, 3 * stride, v3);
    STL16(to, 4 * stride, v4);
    STL16(to, 5 * stride, v5);
    STL16(to, 6 * stride, v6);
    STL16(to, 7 * stride, v7);
    STL16(to, 8 * stride, v8);
    STL16(to, 9 * stride, v9);
    STL16(to, 10 * stride, va);
    STL16(to, 11 * stride, vb);
    STL16(to, 12 * stride, vc);
    STL16(to, 13 * stride, vd);
    STL16(to, 14 * stride, ve);
    STL16(to, 15 * stride, vf);
}
#define PACK(TO, ROWS, STRIDE, LOAD, first, limit, at, k) \
    {                                                     \
        float t_[256];                                    \
        for (int i_ = 0; i_ < 16; i_++) {                 \
            v16 v_ = v16_zero();                          \
            if (i_ < (ROWS) && (first) + i_ < (limit))    \
                v_ = LOAD((first) + i_, at, k);           \
            vstore16(v_, i_, t_);                         \
        }                                                 \
        scatter(t_, &(TO), STRIDE);                       \
    }
#endif
