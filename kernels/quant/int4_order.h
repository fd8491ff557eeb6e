/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int4_order.h - 16 columns of GPTQ weights with a g_idx times x on CPUs with
 * AVX2, for int4_gemv.k, which defines words_at() and codes().  Each k has a
 * group of its own, so scales, and scales times zero points, are put into a
 * table that stays in the first cache.  A scale has 11 bits and code less zero
 * point 5: scale * code - scale * zero is exact.
 */
#define ORDER_GROUPS 256  /* that the table holds */
#define ORDER_K      1024 /* k whose words stay in the second cache */

/* `lines` of 64 bytes of each row of w, to be fetched from `next` on. */
typedef struct {
    const uint *next;
    idx lines, left, row;
} fetches;

FN(void) fetch_line(fetches *a)
{
    __builtin_prefetch(a->next, 0, 2);
    a->next += 16;
    if (--a->left == 0) {
        a->next += a->row - 16 * a->lines;
        a->left = a->lines;
    }
}

#ifndef AWQ
/* Codes in the lowest bits: `more` is added to zero points. */
FN(void)
order_table(float *table, const uint *zeros, const hal_T_f16 *scales, idx n,
            idx groups, uint more)
{
    for (idx g = 0; g < groups; g++, zeros += n / 8, scales += n) {
        v16 s = hal_ld16_f16(scales), z = spread(zeros[0], zeros[1]);
        z = vec_mul(s, vec_add(z, vec_set((float)more)));
        hal_st16_f32(table + 32 * g, s);
        hal_st16_f32(table + 32 * g + 16, z);
    }
}

#ifdef HAL_V4
#define ROW_UNROLL UNROLL
#else
#define ROW_UNROLL HAL_PRAGMA(GCC unroll 1)
#endif

/* sum + the products of `rows` rows of w, eight k each: at[] has each k's place
 * in the table. */
FN(v16)
order_rows(v16 sum, const uint *w, idx n, idx rows, const float *table,
           const int *at, const float *x, fetches *ahead)
{
    v16 other = v16_zero();
    for (idx r = 0; r < rows; r++, w += n, at += 8, x += 8) {
        words16 u = words_at(w);
        fetch_line(ahead);
        ROW_UNROLL for (uint i = 0; i < 8; i += 2)
        {
            UNROLL for (uint j = i; j < i + 2; j++)
            {
                const float *t = table + at[j];
                v16 c = codes(u, 4 * j), s = hal_ld16_f32(t);
                v16 z = hal_ld16_f32(t + 16), *to = j % 2 ? &other : &sum;
                HAL_V to->HAL_P += (c.HAL_P * s.HAL_P - z.HAL_P) * x[j];
            }
        }
    }
    return vec_add(sum, other);
}
#endif
