/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf.h - weights in GGUF blocks, read as floats.  A row of w is a row of
 * blocks, QK elements in BYTES bytes; Q_WLD(row, i, k) decodes k of them from
 * element i.  The kernel's instance defines FORMAT.  Every format keeps runs of
 * 16 elements, from a multiple of 16, in consecutive bytes: one expression
 * serves vectors and single elements.
 */
#define FORMAT_IS_q8_0 1
#define FORMAT_IS_q4_0 2
#define FORMAT_IS_q5_0 3
#define FORMAT_IS_q4_k 4
#define FORMAT_IS_q5_k 5
#define FORMAT_IS_q6_k 6
#define IS(format)     (HAL_CAT(FORMAT_IS_, FORMAT) == HAL_CAT(FORMAT_IS_, format))

#if IS(q8_0)
#define WT i8
#else
#define WT u8
#endif
#define Q_WS IN(WT, w)

FN(float) half_of(uint bits)
{
#if defined(HAL_V3) || defined(HAL_V4)
    typedef int words __attribute__((vector_size(16)));
    typedef float floats __attribute__((vector_size(16)));
    words from = { (int)bits };
    floats to;
    __asm__("vcvtph2ps %1, %0" : "=x"(to) : "x"(from));
    return to[0];
#else
    return as_float(hal_f16_widen(bits));
#endif
}

/* Bytes, f16 numbers and signed bytes at byte o of w. */
#define BYTE(o)   (UINT(LD(WT, w, o)) & 255u)
#define HALF(o)   half_of(BYTE(o) | (BYTE((o) + 1) << 8))
#define SIGNED(o) FLOAT(INT(BYTE(o) << 24) >> 24)

/* First byte of the block of element i. */
#define AT(row, i) \
    ((row) * (IDX(depth) / QK * BYTES) + IDX(UINT(i) / QK * BYTES))

#if IS(q8_0)
#define QK    32u
#define BYTES 34u
#define Q_WLD(row, i, k) \
    vec_scale(VLD(i8, w, AT(row, i) + 2 + UINT(i) % 32u, k), HALF(AT(row, i)))

#elif IS(q4_0)
#define QK    32u
#define BYTES 18u
#define Q_WLD(row, i, k)                                              \
    vec_scale(vec_sub(VBITS(u8, w, AT(row, i) + 2 + UINT(i) % 16u, k, \
                            UINT(i) % 32u / 16u * 4u, 15u),           \
                      vec_set(8.0f)),                                 \
              HALF(AT(row, i)))

#elif IS(q5_0)
#define QK    32u
#define BYTES 22u
/* 16 bits, from the lowest, as floats; where a vec is a float, bit `from`. */
#if defined(HAL_CPU)
FN(vec) bits_of(uint word, uint from)
{
    v16 r;
    HAL_V
    {
        hal_vi lane = __builtin_convertvector(hal_iota(hal_i), hal_vi);
        hal_vi bit = ((hal_vi){ 0 } + (int)(word >> from)) >> lane;
        r.HAL_P = __builtin_convertvector(bit & 1, hal_vf);
    }
    return r;
}
#elif defined(HAL_WIDE)
FN(vec) bits_of(uint word, uint from)
{
    const uint16 lane =
        (uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return convert_float16(((uint16)(word >> from) >> lane) & 1u);
}
#else
FN(vec) bits_of(uint word, uint from)
{
    return FLOAT((word >> from) & 1u);
}
#endif
#define HIGH_BITS(o)                                          \
    (BYTE(o) | (BYTE((o) + 1) << 8) | (BYTE((o) + 2) << 16) | \
     (BYTE((o) + 3) << 24))
#define Q_WLD(row, i, k)                                                    \
    vec_scale(                                                              \
        vec_sub(vec_fmas(VBITS(u8, w, AT(row, i) + 6 + UINT(i) % 16u, k,    \
                               UINT(i) % 32u / 16u * 4u, 15u),              \
                         bits_of(HIGH_BITS(AT(row, i) + 2), UINT(i) % 32u), \
                         16.0f),                                            \
                vec_set(16.0f)),                                            \
        HALF(AT(row, i)))

#elif IS(q4_k) || IS(q5_k)
#define QK 256u
/* Sub-block j of 32: a scale and a minimum of 6 bits each in 12 bytes at o. */
#define SCALE(o, j)                   \
    FLOAT((j) < 4                     \
              ? BYTE((o) + (j)) & 63u \
              : (BYTE((o) + (j) + 4) & 15u) | ((BYTE((o) + (j)-4) >> 6) << 4))
#define LEAST(o, j)                       \
    FLOAT((j) < 4                         \
              ? BYTE((o) + (j) + 4) & 63u \
              : (BYTE((o) + (j) + 4) >> 4) | ((BYTE((o) + (j)) >> 6) << 4))
#define SUB(i) (UINT(i) % 256u / 32)
#define NIBBLE(from, row, i, k)                                              \
    VBITS(u8, w,                                                             \
          AT(row, i) + (from) + UINT(i) % 256u / 64 * 32 + UINT(i) % 32u, k, \
          SUB(i) % 2u * 4u, 15u)
#if IS(q4_k)
#define BYTES           144u
#define CODE(row, i, k) NIBBLE(16, row, i, k)
#else
#define BYTES 176u
#define CODE(row, i, k)                                                    \
    vec_fmas(NIBBLE(48, row, i, k),                                        \
             VBITS(u8, w, AT(row, i) + 16 + UINT(i) % 32u, k, SUB(i), 1u), \
             16.0f)
#endif
#define Q_WLD(row, i, k)                                                 \
    vec_sub(vec_scale(CODE(row, i, k),                                   \
                      HALF(AT(row, i)) * SCALE(AT(row, i) + 4, SUB(i))), \
            vec_set(HALF(AT(row, i) + 2) * LEAST(AT(row, i) + 4, SUB(i))))

#else /* q6_k: 128 bytes of 4 bits, 64 of 2, 16 scales, and the factor last */
#define QK         256u
#define BYTES      210u
#define QUARTER(i) (UINT(i) % 128u / 32)
#define Q_WLD(row, i, k)                                                      \
    vec_scale(                                                                \
        vec_sub(vec_fmas(VBITS(u8, w,                                         \
                               AT(row, i) + UINT(i) % 256u / 128 * 64 +       \
                                   QUARTER(i) % 2u * 32 + UINT(i) % 32u,      \
                               k, UINT(QUARTER(i) / 2 * 4), 15u),             \
                         VBITS(u8, w,                                         \
                               AT(row, i) + 128 + UINT(i) % 256u / 128 * 32 + \
                                   UINT(i) % 32u,                             \
                               k, UINT(QUARTER(i) * 2), 3u),                  \
                         16.0f),                                              \
                vec_set(32.0f)),                                              \
        HALF(AT(row, i) + 208) *                                              \
            SIGNED(AT(row, i) + 192 + UINT(i) % 256u / 16))
#endif
