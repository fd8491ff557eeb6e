/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - what the products with quantised weights read and write beside the
 * weights.  An activation is touched once a tile and a result once, so their
 * formats are chosen at run time: one kernel for each format of weights.
 * x32, y32 hold 32-bit elements and x16, y16 16-bit ones of either kind; the
 * buffer that is not meant is not touched.
 */
#define Q_Y OUT(u32, y32), OUT(bf16, y16)
#define Q_X IN(f32, x32), IN(bf16, x16)

/* flags: format of y in bits 0..1 (0 f32, 1 bf16, 2 f16, 3 i32), of x in bits
 * 2..3 (0..2), bit 4: there is a bias */
#define Q_Y_FORMAT (flags & 3u)
#define Q_X_FORMAT ((flags >> 2) & 3u)
#define Q_BIAS     ((flags & 16u) != 0u)

/* k elements of x from element i */
#ifdef HAL_WIDE
#define Q_LOAD(i, k)           \
    (Q_X_FORMAT == 0u          \
         ? VLD(f32, x32, i, k) \
         : (Q_X_FORMAT == 1u ? VLD(bf16, x16, i, k) : VLD(f16, x16, i, k)))
#else
#define Q_LOAD(i, k)       \
    (Q_X_FORMAT == 0u      \
         ? LD(f32, x32, i) \
         : (Q_X_FORMAT == 1u ? LD(bf16, x16, i) : LD(f16, x16, i)))
#endif

/* y[i] = v */
#define Q_STORE(i, v)                    \
    {                                    \
        if (Q_Y_FORMAT == 0u) {          \
            ST(u32, y32, i, as_uint(v)); \
        } else if (Q_Y_FORMAT == 1u) {   \
            ST(bf16, y16, i, v);         \
        } else {                         \
            ST(f16, y16, i, v);          \
        }                                \
    }

/* k elements of y from element i */
#ifdef HAL_WIDE
#define Q_STORE16(i, k, v)             \
    {                                  \
        if (Q_Y_FORMAT == 0u) {        \
            VST(f32, y32, i, k, v);    \
        } else if (Q_Y_FORMAT == 1u) { \
            VST(bf16, y16, i, k, v);   \
        } else {                       \
            VST(f16, y16, i, k, v);    \
        }                              \
    }
#endif
