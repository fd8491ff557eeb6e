/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tile.h - where HAL_WIDE: 16 vectors that lie along k become 16 columns of a
 * panel whose k runs slowest (PACK).
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

/* 16 columns of ROWS rows, loaded by LOAD(row, k, count): not unrolled, since
 * what decodes a weight is long. */
#define PACK(TO, ROWS, STRIDE, LOAD, first, limit, at, k) \
    {                                                     \
        v16 v_[16];                                       \
        for (int i_ = 0; i_ < 16; i_++) {                 \
            v_[i_] = v16_zero();                          \
            if (i_ < (ROWS) && (first) + i_ < (limit))    \
                v_[i_] = LOAD((first) + i_, at, k);       \
        }                                                 \
        scatter(v_, &(TO), STRIDE);                       \
    }
#else
#define PACK(TO, ROWS, STRIDE, LOAD, first, limit, at, k) \
    for (idx r_ = 0; r_ < (ROWS) && r_ < 16; r_++) {      \
        float t_[16];                                     \
        v16 v_ = v16_zero();                              \
        if ((first) + r_ < (limit))                       \
            v_ = LOAD((first) + r_, at, k);               \
        vstore16(v_, 0, t_);                              \
        for (idx j_ = 0; j_ < 16; j_++)                   \
            (&(TO))[j_ * (STRIDE) + r_] = t_[j_];         \
    }
#endif
