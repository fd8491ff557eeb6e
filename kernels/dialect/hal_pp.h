/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_pp.h - preprocessor plumbing.
 * HAL_EACH(M, p0, p1, ...) -> M(0, kind, T, name, count) M(1, ...) ..., for 1
 * to 36 parameters; HAL_SEP(i) is a comma for all but parameter 0.
 */
#ifndef HAL_PP_H
#define HAL_PP_H

#define HAL_CAT(a, b)     HAL_CAT_(a, b)
#define HAL_CAT_(a, b)    a##b
#define HAL_UNPACK(...)   __VA_ARGS__
#define HAL_CALL(m, args) m args
#define HAL_AP(M, i, p)   HAL_CALL(M, (i, HAL_UNPACK p))

#define HAL_SEP(i) HAL_SEP_##i
#define HAL_SEP_0
#define HAL_SEP_1  ,
#define HAL_SEP_2  ,
#define HAL_SEP_3  ,
#define HAL_SEP_4  ,
#define HAL_SEP_5  ,
#define HAL_SEP_6  ,
#define HAL_SEP_7  ,
#define HAL_SEP_8  ,
#define HAL_SEP_9  ,
#define HAL_SEP_10 ,
#define HAL_SEP_11 ,
#define HAL_SEP_12 ,
#define HAL_SEP_13 ,
#define HAL_SEP_14 ,
#define HAL_SEP_15 ,
#define HAL_SEP_16 ,
#define HAL_SEP_17 ,
#define HAL_SEP_18 ,
#define HAL_SEP_19 ,
#define HAL_SEP_20 ,
#define HAL_SEP_21 ,
#define HAL_SEP_22 ,
#define HAL_SEP_23 ,
#define HAL_SEP_24 ,
#define HAL_SEP_25 ,
#define HAL_SEP_26 ,
#define HAL_SEP_27 ,
#define HAL_SEP_28 ,
#define HAL_SEP_29 ,
#define HAL_SEP_30 ,
#define HAL_SEP_31 ,
#define HAL_SEP_32 ,
#define HAL_SEP_33 ,
#define HAL_SEP_34 ,
#define HAL_SEP_35 ,

#define HAL_NARG(...)                                                         \
    HAL_NARG_(__VA_ARGS__, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY,    \
              MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY,     \
              MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY,     \
              MANY, MANY, MANY, MANY, MANY, MANY, MANY, MANY, 36, 35, 34, 33, \
              32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, \
              16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define HAL_NARG_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                  u, v, w, x, y, z, aa, ab, ac, ad, ae, af, ag, ah, ai, aj,   \
                  ak, al, am, an, ao, ap, aq, ar, as, at, au, av, aw, ax, ay, \
                  az, ba, bb, bc, bd, be, bf, bg, bh, bi, bj, bk, bl, bm, bn, \
                  bo, bp, bq, br, bs, bt, N, ...)                             \
    N

/* 37 to 72 of them: what the reflection refuses. */
#define HAL_EMANY(M, ...)           M(0, too, many, parameters, 0)
#define HAL_EACH(M, ...)            HAL_CAT(HAL_E, HAL_NARG(__VA_ARGS__))(M, __VA_ARGS__)
#define HAL_E1(M, a)                HAL_AP(M, 0, a)
#define HAL_E2(M, a, b)             HAL_E1(M, a) HAL_AP(M, 1, b)
#define HAL_E3(M, a, b, c)          HAL_E2(M, a, b) HAL_AP(M, 2, c)
#define HAL_E4(M, a, b, c, d)       HAL_E3(M, a, b, c) HAL_AP(M, 3, d)
#define HAL_E5(M, a, b, c, d, e)    HAL_E4(M, a, b, c, d) HAL_AP(M, 4, e)
#define HAL_E6(M, a, b, c, d, e, f) HAL_E5(M, a, b, c, d, e) HAL_AP(M, 5, f)
#define HAL_E7(M, a, b, c, d, e, f, g) \
    HAL_E6(M, a, b, c, d, e, f) HAL_AP(M, 6, g)
#define HAL_E8(M, a, b, c, d, e, f, g, h) \
    HAL_E7(M, a, b, c, d, e, f, g)        \
    HAL_AP(M, 7, h)
#define HAL_E9(M, a, b, c, d, e, f, g, h, i) \
    HAL_E8(M, a, b, c, d, e, f, g, h) HAL_AP(M, 8, i)
#define HAL_E10(M, a, b, c, d, e, f, g, h, i, j) \
    HAL_E9(M, a, b, c, d, e, f, g, h, i) HAL_AP(M, 9, j)
#define HAL_E11(M, a, b, c, d, e, f, g, h, i, j, k) \
    HAL_E10(M, a, b, c, d, e, f, g, h, i, j) HAL_AP(M, 10, k)
#define HAL_E12(M, a, b, c, d, e, f, g, h, i, j, k, l) \
    HAL_E11(M, a, b, c, d, e, f, g, h, i, j, k) HAL_AP(M, 11, l)
#define HAL_E13(M, a, b, c, d, e, f, g, h, i, j, k, l, m) \
    HAL_E12(M, a, b, c, d, e, f, g, h, i, j, k, l) HAL_AP(M, 12, m)
#define HAL_E14(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n) \
    HAL_E13(M, a, b, c, d, e, f, g, h, i, j, k, l, m) HAL_AP(M, 13, n)
#define HAL_E15(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o) \
    HAL_E14(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n) HAL_AP(M, 14, o)
#define HAL_E16(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) \
    HAL_E15(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o) HAL_AP(M, 15, p)
#define HAL_E17(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q) \
    HAL_E16(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) HAL_AP(M, 16, q)
#define HAL_E18(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r) \
    HAL_E17(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q)        \
    HAL_AP(M, 17, r)
#define HAL_E19(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s) \
    HAL_E18(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r)        \
    HAL_AP(M, 18, s)
#define HAL_E20(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t) \
    HAL_E19(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s)        \
    HAL_AP(M, 19, t)
#define HAL_E21(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u)                                                             \
    HAL_E20(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)     \
    HAL_AP(M, 20, u)
#define HAL_E22(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v)                                                          \
    HAL_E21(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u)  \
    HAL_AP(M, 21, v)
#define HAL_E23(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w)                                                       \
    HAL_E22(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v)                                                                 \
    HAL_AP(M, 22, w)
#define HAL_E24(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x)                                                    \
    HAL_E23(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w)                                                              \
    HAL_AP(M, 23, x)
#define HAL_E25(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y)                                                 \
    HAL_E24(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x)                                                           \
    HAL_AP(M, 24, y)
#define HAL_E26(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z)                                              \
    HAL_E25(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y)                                                        \
    HAL_AP(M, 25, z)
#define HAL_E27(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z, aa)                                          \
    HAL_E26(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y, z)                                                     \
    HAL_AP(M, 26, aa)
#define HAL_E28(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z, aa, ab)                                      \
    HAL_E27(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y, z, aa)                                                 \
    HAL_AP(M, 27, ab)
#define HAL_E29(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z, aa, ab, ac)                                  \
    HAL_E28(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y, z, aa, ab)                                             \
    HAL_AP(M, 28, ac)
#define HAL_E30(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z, aa, ab, ac, ad)                              \
    HAL_E29(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y, z, aa, ab, ac)                                         \
    HAL_AP(M, 29, ad)
#define HAL_E31(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z, aa, ab, ac, ad, ae)                          \
    HAL_E30(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y, z, aa, ab, ac, ad)                                     \
    HAL_AP(M, 30, ae)
#define HAL_E32(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z, aa, ab, ac, ad, ae, af)                      \
    HAL_E31(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y, z, aa, ab, ac, ad, ae)                                 \
    HAL_AP(M, 31, af)
#define HAL_E33(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z, aa, ab, ac, ad, ae, af, ag)                  \
    HAL_E32(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y, z, aa, ab, ac, ad, ae, af)                             \
    HAL_AP(M, 32, ag)
#define HAL_E34(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z, aa, ab, ac, ad, ae, af, ag, ah)              \
    HAL_E33(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y, z, aa, ab, ac, ad, ae, af, ag)                         \
    HAL_AP(M, 33, ah)
#define HAL_E35(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z, aa, ab, ac, ad, ae, af, ag, ah, ai)          \
    HAL_E34(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y, z, aa, ab, ac, ad, ae, af, ag, ah)                     \
    HAL_AP(M, 34, ai)
#define HAL_E36(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, \
                u, v, w, x, y, z, aa, ab, ac, ad, ae, af, ag, ah, ai, aj)      \
    HAL_E35(M, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u,  \
            v, w, x, y, z, aa, ab, ac, ad, ae, af, ag, ah, ai)                 \
    HAL_AP(M, 35, aj)

#endif
