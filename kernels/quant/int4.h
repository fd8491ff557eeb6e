/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int4.h - 4-bit weights in words of eight codes, with scales and zero points
 * of groups of k: w[k][n] = (code - zero) * scale.  An instance defines AWQ or
 * GPTQ.
 * AWQ: qweight [depth][n / 8]; column 8 c + i lies in nibble 0 4 1 5 2 6 3 7 of
 * word c.  GPTQ: qweight [depth / 8][n], k = 8 r + i in nibble i of word r;
 * zeros in plain order; g_idx may name the group of each k (held within
 * the groups that there are).
 * flags: 32 there is a g_idx, 64 a stored zero point is one too small.
 */
#define Q_WS       IN(u32, w), IN(u32, zeros), IN(f16, w_scale), IN(i32, g_idx)
#define GROUP_ARGS ARG(uint, per_group), ARG(uint, groups)

/* The group of k, and where its run from k to `end` ends at the latest. */
#define G(k)                                                      \
    ((flags & 32u) != 0u                                          \
         ? IDX(MIN(UINT(MAX(LD(i32, g_idx, k), 0)), groups - 1u)) \
         : IDX(k) / IDX(per_group))

#define GROUP_END(k, g, end) \
    ((flags & 32u) != 0u ? (k) + 1 : MIN(IDX(end), ((g) + 1) * IDX(per_group)))

/* Where column `at`, 0..7, of a word of eight begins. */
#ifdef AWQ
#define SHIFT_OF(at) (((at) / 2u + (at) % 2u * 4u) * 4u)
#define NIBBLE(col)  SHIFT_OF(UINT(col) % 8u)
#define CODE(k, col) \
    LD(u32, w, IDX(k) * (IDX(n) / 8) + (col) / 8) >> NIBBLE(col)
#else
#define SHIFT_OF(at) ((at)*4u)
#define NIBBLE(col)  SHIFT_OF(UINT(col) % 8u)
#define CODE(k, col) LD(u32, w, IDX(k) / 8 * IDX(n) + (col)) >> NIBBLE(k)
#endif
#define ZERO(g, col)                                                           \
    (((LD(u32, zeros, (g) * (IDX(n) / 8) + (col) / 8) >> NIBBLE(col)) & 15u) + \
     ((flags & 64u) != 0u ? 1u : 0u))

/* One weight; code and zero point are subtracted exactly. */
#define W1(col, k)                                            \
    ((FLOAT((CODE(k, col)) & 15u) - FLOAT(ZERO(G(k), col))) * \
     LD(f16, w_scale, G(k) * IDX(n) + (col)))

/* The same of sixteen columns from a multiple of 8, for groups of one thread;
 * what lies past n is 0. */
#ifdef HAL_WIDE
#define INSIDE(col) ((col) < IDX(n) ? MIN(IDX(n) - (col), IDX(16)) : IDX(0))

/* Two words that hold eight columns each. */
FN(vec) spread(uint low, uint high)
{
#ifdef HAL_CPU
    v16 r;
    HAL_V
    {
        hal_vi lane = __builtin_convertvector(hal_iota(hal_i), hal_vi);
        hal_vu at = (hal_vu)lane % 8, upper = (hal_vu)(lane > 7);
        hal_vu u =
            (((hal_vu){ 0 } + low) & ~upper) | (((hal_vu){ 0 } + high) & upper);
        u = u >> SHIFT_OF(at) & 15u;
        r.HAL_P = __builtin_convertvector((hal_vi)u, hal_vf);
    }
    return r;
#else
    uint8 at = (uint8)(0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u);
    uint16 u =
        (uint16)((uint8)low >> SHIFT_OF(at), (uint8)high >> SHIFT_OF(at));
    return convert_float16(u & 15u);
#endif
}
#define WORD_OF(b, at, col) ((col) < IDX(n) ? LD(u32, b, (at) + (col) / 8) : 0u)
#define SPREAD(b, at, col) \
    spread(WORD_OF(b, at, col), WORD_OF(b, at, (col) + 8))

#ifdef AWQ
#define CODE16(k, col) SPREAD(w, IDX(k) * (IDX(n) / 8), col)
#else
#define CODE16(k, col)                                                         \
    VBITS(u32, w, IDX(k) / 8 * IDX(n) + (col), INSIDE(col), UINT((k) % 8 * 4), \
          15u)
#endif
#define ZERO16(g, col)                              \
    vec_add(SPREAD(zeros, (g) * (IDX(n) / 8), col), \
            vec_set((flags & 64u) != 0u ? 1.0f : 0.0f))
#define SCALE16(g, col) VLD(f16, w_scale, (g)*IDX(n) + (col), INSIDE(col))

/* Sixteen columns from col, k0 .. k0 + len - 1, and 0 up to kc: at `at` of the
 * LOCAL memory m, `step` from a k to the next. */
#define W16_PANEL(m, at, step, col, k0, len, kc)                       \
    {                                                                  \
        for (idx kk = 0; kk < (len);) {                                \
            idx g = G((k0) + kk), end = (k0) + (len);                  \
            idx stop = GROUP_END((k0) + kk, g, end) - (k0);            \
            vec z = ZERO16(g, col), s = SCALE16(g, col);               \
            for (; kk < stop; kk++)                                    \
                STL16(m, (at) + kk * (step),                           \
                      vec_mul(vec_sub(CODE16((k0) + kk, col), z), s)); \
        }                                                              \
        for (idx kk = len; kk < (kc); kk++)                            \
            STL16(m, (at) + kk * (step), vec_set(0.0f));               \
    }
#endif
