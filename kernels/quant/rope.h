/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rope.h - ROTATE(y, to, x, from) turns the half_dim pairs of x that begin at
 * element `from`, (2i, 2i + 1) or with HALF (i, i + half_dim), by the angles of
 * the tables' elements from `tab` on, into y from `to` on; y may be x.
 */
#ifdef HALF
#define FIRST(j) (j)
#define APART    half_dim
#else
#define FIRST(j) (2 * (j))
#define APART    1
#endif

#define ROTATE_FROM(first, y, to, x, from)                \
    ITEMS(j, half_dim - (first))                          \
    {                                                     \
        idx f_ = (from) + FIRST((first) + j);             \
        idx t_ = (to) + FIRST((first) + j);               \
        float c = LD(f32, cosines, tab + (first) + j);    \
        float s = LD(f32, sines, tab + (first) + j);      \
        float a = LD(T, x, f_), b = LD(T, x, f_ + APART); \
        float u = a * c - b * s, v = a * s + b * c;       \
        ST(T, y, t_, u);                                  \
        ST(T, y, t_ + APART, v);                          \
    }
/* Elsewhere threads, or the compiler, are better at scalars of 16 bits. */
#ifndef HAL_CPU
#define ROTATE(y, to, x, from) ROTATE_FROM(IDX(0), y, to, x, from)
#else
#ifdef HALF
#define ROTATE(y, to, x, from)                                              \
    VITEMS(j, k, half_dim)                                                  \
    {                                                                       \
        idx f_ = (from) + j, t_ = (to) + j;                                 \
        vec c = VLD(f32, cosines, tab + j, k);                              \
        vec s = VLD(f32, sines, tab + j, k);                                \
        vec a = VLD(T, x, f_, k), b = VLD(T, x, f_ + half_dim, k);          \
        VST(T, y, t_, k, vec_sub(vec_mul(a, c), vec_mul(b, s)));            \
        VST(T, y, t_ + half_dim, k, vec_add(vec_mul(a, s), vec_mul(b, c))); \
    }
#else
#define ROTATE(y, to, x, from)                                 \
    idx whole_ = IDX(half_dim) / VW * VW;                      \
    for (idx j = 0; j < whole_; j += VW) {                     \
        idx f_ = (from) + 2 * j, t_ = (to) + 2 * j;            \
        vec c = VLD(f32, cosines, tab + j, VW);                \
        vec s = VLD(f32, sines, tab + j, VW);                  \
        vec u = VLD(T, x, f_, VW), v = VLD(T, x, f_ + VW, VW); \
        vec a = hal_even(u, v), b = hal_odd(u, v);             \
        u = vec_sub(vec_mul(a, c), vec_mul(b, s));             \
        v = vec_add(vec_mul(a, s), vec_mul(b, c));             \
        VST(T, y, t_, VW, hal_zip_low(u, v));                  \
        VST(T, y, t_ + VW, VW, hal_zip_high(u, v));            \
    }                                                          \
    ROTATE_FROM(whole_, y, to, x, from)
#endif
#endif
