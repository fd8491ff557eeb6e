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

/* The group of k. */
#define G(k)                                                      \
    ((flags & 32u) != 0u                                          \
         ? IDX(MIN(UINT(MAX(LD(i32, g_idx, k), 0)), groups - 1u)) \
         : IDX(k) / IDX(per_group))

#ifdef AWQ
#define NIBBLE(col) ((UINT(col) % 8u / 2u + UINT(col) % 2u * 4u) * 4u)
#define CODE(k, col) \
    LD(u32, w, IDX(k) * (IDX(n) / 8) + (col) / 8) >> NIBBLE(col)
#else
#define NIBBLE(col)  (UINT(col) % 8u * 4u)
#define CODE(k, col) LD(u32, w, IDX(k) / 8 * IDX(n) + (col)) >> NIBBLE(k)
#endif
#define ZERO(g, col)                                                           \
    (((LD(u32, zeros, (g) * (IDX(n) / 8) + (col) / 8) >> NIBBLE(col)) & 15u) + \
     ((flags & 64u) != 0u ? 1u : 0u))

/* One weight; code and zero point are subtracted exactly. */
#define W1(col, k)                                            \
    ((FLOAT((CODE(k, col)) & 15u) - FLOAT(ZERO(G(k), col))) * \
     LD(f16, w_scale, G(k) * IDX(n) + (col)))
