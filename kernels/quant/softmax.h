/* SPDX-License-Identifier: Apache-2.0 */
/*
 * softmax.h - whole vectors of a row on a CPU, for softmax.k: a piece at a
 * time, whose largest is found and whose terms are computed while it lies in
 * the first cache, so that a row is read from memory once.  A piece's terms are
 * less the largest element so far; when all are known, each piece is brought to
 * the largest of the row.
 *
 * The kernel defines T, X(i, k) of x, TERM(i) and KEEP(i, e), where terms wait.
 */
#define PIECES       1024
#define IS_F32_f32   1
#define IS_BF16_bf16 1

/* The exponent's factor as high + low, for powers of 2. */
typedef struct {
    float by, high, low;
} exponent;

FN(exponent) exponent_of(float by)
{
    const double most = 3.4028234663852886e38;
    double all = (double)by * 1.4426950408889634;
    exponent e = { .by = by };
    all = all > most ? most : (all < -most ? -most : all);
    e.high = (float)all;
    e.low = (float)(all - (double)e.high);
    return e;
}

/* exp(d by), where d by <= 0, in fewer operations than vec_exp: 2^-13 of it is
 * far below what bf16 keeps, 1.3 u what the others may be off by. */
#ifdef HAL_V4
FN(vec) powers(vec d, exponent e)
{
    const hal_vf high = (hal_vf){ 0 } + e.high, least = (hal_vf){ 0 } - 151.0f;
    hal_vf k = d.p[0] * high + 12582912.0f - 12582912.0f, r = k, p;
    unsigned short some;
    /* gcc would use the rounded product a second time */
    __asm__("vfmsub231ps %2, %1, %0" : "+v"(r) : "v"(d.p[0]), "v"(high));
#if HAL_CAT(IS_BF16_, T)
    p = r * 5.5171669075e-2f + 2.4261112219e-1f;
    p = p * r + 6.9326098546e-1f;
    p = p * r + 9.9992807354e-1f;
#else
#if HAL_CAT(IS_F32_, T)
    r = d.p[0] * e.low + r;
#endif
    p = r * 1.3276471979e-3f + 9.6755413342e-3f;
    p = p * r + 5.5507132735e-2f;
    p = p * r + 2.4022119724e-1f;
    p = p * r + 6.9314696706e-1f;
    p = p * r + 1.0000000717f;
#endif
    /* 0 where k is less, as for -inf; a NaN stays */
    __asm__("vcmpps $6, %2, %1, %0" : "=Yk"(some) : "v"(k), "v"(least));
    __asm__("vscalefps %1, %0, %0%{%2%}%{z%}" : "+v"(p) : "v"(k), "Yk"(some));
    return (vec){ { p } };
}
#else
FN(vec) powers(vec d, exponent e)
{
    return vec_exp(vec_scale(d, e.by));
}
#endif

/* What becomes of terms less `from` where they are to be less `to`.  Where
 * `from` is -inf there are none, or they are 0. */
FN(float) fall(float from, float to, float scale)
{
    float f = from == to ? 1.0f : EXP((from - to) * scale);
    return from > -INF ? f : 0.0f;
}

#if defined(HAL_V4) && !HAL_CAT(IS_F32_, T)
/* The largest of n elements, or with `least` the smallest: formats of 16 bits
 * are in the order of integers, once negative ones are turned around.  n is a
 * multiple of 16. */
typedef short shorts __attribute__((vector_size(64), may_alias, aligned(2)));
FN(shorts) in_order(shorts a)
{
    return a ^ ((a >> 15) & 0x7fff);
}
FN(shorts) larger(shorts a, shorts b)
{
    shorts r;
    __asm__("vpmaxsw %2, %1, %0" : "=v"(r) : "v"(a), "v"(b));
    return r;
}
FN(float) largest_of(const hal_T_u16 *x, idx n, float sign)
{
    /* the last 16 come twice */
    const short turn = sign < 0.0f ? -1 : 0;
    shorts a = (shorts){ 0 } + (short)-32768, b = a, last;
    short all[32], most = -32768;
    idx i = 0;
    for (; i + 64 <= n; i += 64) {
        a = larger(a, in_order(*(const shorts *)(x + i)) ^ turn);
        b = larger(b, in_order(*(const shorts *)(x + i + 32)) ^ turn);
    }
    for (; i < n; i += 16) {
        __builtin_memcpy(&last, x + i, 32);
        __builtin_memcpy((char *)&last + 32, x + i, 32);
        a = larger(a, in_order(last) ^ turn);
    }
    *(shorts *)all = larger(a, b);
    for (int l = 0; l < 32; l++)
        most = MAX(all[l], most);
    most ^= turn;
    hal_T_u16 bits = (hal_T_u16)(most ^ ((most >> 15) & 0x7fff));
    return sign * LD(T, &bits, 0);
}
#define LARGEST(mv, from, end) \
    mv = vec_max(vec_set(largest_of(x + row * n + from, end - from, sign)), mv);
#else
#define LARGEST(mv, from, end)                           \
    {                                                    \
        vec other = mv;                                  \
        idx i = from;                                    \
        if (sign > 0.0f)                                 \
            for (; i + 2 * VW <= end; i += 2 * VW) {     \
                mv = vec_max(X(i, VW), mv);              \
                other = vec_max(X(i + VW, VW), other);   \
            }                                            \
        for (; i < end; i += VW)                         \
            mv = vec_max(vec_scale(X(i, VW), sign), mv); \
        mv = vec_max(mv, other);                         \
    }
#endif

/* Two vectors at a time, whose sums need not wait for each other. */
#define ONE_TERM(sum, i)                            \
    {                                               \
        vec e = powers(vec_sub(X(i, VW), top), by); \
        sum = vec_add(sum, e);                      \
        KEEP(i, e)                                  \
    }
#define SUM_TERMS(sv, from, end)                 \
    {                                            \
        vec other = vec_set(0.0f);               \
        idx i = from;                            \
        for (; i + 2 * VW <= end; i += 2 * VW) { \
            SOON_READ(x, row *n + i + piece)     \
            SOON_WRITTEN(y, row *n + i + piece)  \
            ONE_TERM(sv, i)                      \
            ONE_TERM(other, i + VW)              \
        }                                        \
        for (; i < end; i += VW)                 \
            ONE_TERM(sv, i)                      \
        sv = vec_add(sv, other);                 \
    }

#if defined(HAL_V4) && HAL_CAT(IS_BF16_, T)
/* Subnormal numbers become 0. */
FN(void) put_two(hal_T_bf16 *to, vec a, vec b)
{
    hal_vf both;
    __asm__("vcvtne2ps2bf16 %1, %2, %0"
            : "=v"(both)
            : "v"(a.p[0]), "v"(b.p[0]));
    hal_st16_f32((float *)(void *)to, (vec){ { both } });
}
#else
FN(void) put_two(HAL_CAT(hal_T_, T) * to, vec a, vec b)
{
    HAL_CAT(hal_st16_, T)(to, a);
    HAL_CAT(hal_st16_, T)(to + VW, b);
}
#endif
#define PUT_TERMS(from, end, by)                               \
    {                                                          \
        idx i = from;                                          \
        for (; i + 2 * VW <= end; i += 2 * VW)                 \
            put_two(y + row * n + i, vec_scale(TERM(i), by),   \
                    vec_scale(TERM(i + VW), by));              \
        for (; i < end; i += VW)                               \
            VST(T, y, row *n + i, VW, vec_scale(TERM(i), by)); \
    }
