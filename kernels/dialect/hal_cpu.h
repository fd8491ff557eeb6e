/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_cpu.h - plain C with gcc's and clang's vector extensions; no system
 * header and no libm.  A group is one call; ITEMS is a simd loop; SYNC is
 * nothing; a vec is 1 zmm, 2 ymm or 4 xmm registers, because compilers lower
 * vectors that are wider than the machine's to scalar code.
 */
typedef unsigned int uint;
typedef __PTRDIFF_TYPE__ idx;
typedef unsigned long long hal_u64;
typedef struct {
    uint x, y, z;
} hal_u3;

typedef float hal_T_f32;
typedef unsigned short hal_T_bf16, hal_T_f16, hal_T_u16;
typedef short hal_T_i16;
typedef signed char hal_T_i8;
typedef unsigned char hal_T_u8, hal_T_e4m3;
typedef int hal_T_i32;
typedef uint hal_T_u32;

#if defined(HAL_V4)
#define HAL_W 16
#elif defined(HAL_V3)
#define HAL_W 8
#else
#define HAL_W 4
#endif
typedef float hal_vf __attribute__((vector_size(4 * HAL_W)));
typedef int hal_vi __attribute__((vector_size(4 * HAL_W)));
typedef uint hal_vu __attribute__((vector_size(4 * HAL_W)));
typedef hal_vf hal_vf_any __attribute__((aligned(4), may_alias));
typedef unsigned short hal_vh
    __attribute__((vector_size(2 * HAL_W), aligned(2), may_alias));
typedef signed char hal_vb
    __attribute__((vector_size(HAL_W), aligned(1), may_alias));
typedef unsigned char hal_vub
    __attribute__((vector_size(HAL_W), aligned(1), may_alias));
typedef hal_vu hal_vu_any __attribute__((aligned(4), may_alias));
#define HAL_PARTS (16 / HAL_W)
typedef struct {
    hal_vf p[HAL_PARTS];
} v16;
typedef v16 vec;

#define FN(T)           static inline __attribute__((always_inline, unused)) T
#define HAL_PRAGMA(...) _Pragma(#__VA_ARGS__)
#define UNROLL          HAL_PRAGMA(GCC unroll 16)
#define HAL_SIMD        HAL_PRAGMA(omp simd)

#define FLOAT(x) ((float)(x))
#define INT(x)   ((int)(x))
#define UINT(x)  ((uint)(x))
#define IDX(x)   ((idx)(x))
#define HAL_EXACT
/* |x| < 2^22 */
#define HAL_RINT(x) (((x) + 12582912.0f) - 12582912.0f)

FN(float) as_float(uint u)
{
    float f;
    __builtin_memcpy(&f, &u, 4);
    return f;
}
FN(uint) as_uint(float f)
{
    uint u;
    __builtin_memcpy(&u, &f, 4);
    return u;
}

#include "hal_math.h"

FN(float) hal_sqrt(float x)
{
#if defined(HAL_V3) || defined(HAL_V4)
    float r;
    __asm__("vsqrtss %1, %1, %0" : "=x"(r) : "x"(x));
    return r;
#else
    return __builtin_sqrtf(x);
#endif
}
#define EXP(x)   hal_exp(x)
#define LOG(x)   hal_log(x)
#define SQRT(x)  hal_sqrt(x)
#define RSQRT(x) (1.0f / hal_sqrt(x))

/* ---- statements -------------------------------------------------------- */

#define ITEMS(i, n) HAL_SIMD for (idx i = 0; i < (idx)(n); i++)
#define ITEMS2(i, ni, j, nj)            \
    for (idx i = 0; i < (idx)(ni); i++) \
    HAL_SIMD for (idx j = 0; j < (idx)(nj); j++)
#define BLOCKS(b, n) for (idx b = 0; b < (idx)(n); b++)
#define SUM_ITEMS(a, i, n)                \
    HAL_PRAGMA(omp simd reduction(+ : a)) \
    for (idx i = 0; i < (idx)(n); i++)
#define MAX_ITEMS(a, i, n)                  \
    HAL_PRAGMA(omp simd reduction(max : a)) \
    for (idx i = 0; i < (idx)(n); i++)
#define HAL_STEPS(i, k, from, to)                                           \
    for (idx i = (from), k; i < (to) && (k = (to)-i < VW ? (to)-i : VW, 1); \
         i += VW)
#define VITEMS(i, k, n) HAL_STEPS(i, k, 0, (idx)(n))
#define VSTEPS(i, k, n) HAL_STEPS(i, k, 0, (idx)(n))
/* One contiguous piece, a multiple of VW, for each group. */
#define HAL_PIECE(n) \
    (((idx)(n) + (idx)GRID_X * VW - 1) / ((idx)GRID_X * VW) * VW)
#define HAL_FROM(n) ((idx)GROUP_X * HAL_PIECE(n))
#define HAL_TO(n)   MIN((idx)(n), HAL_FROM(n) + HAL_PIECE(n))
#define HAL_OWN_PIECE(n)                                               \
    for (idx hal_from = HAL_FROM(n), hal_to = HAL_TO(n), hal_once = 1; \
         hal_once; hal_once = 0)
#define GRID(i, n)   \
    HAL_OWN_PIECE(n) \
    HAL_SIMD for (idx i = hal_from; i < hal_to; i++)
#define VGRID(i, k, n) \
    HAL_OWN_PIECE(n)   \
    HAL_STEPS(i, k, hal_from, hal_to)
#define EACH(t)       for (idx t = 0; t < GROUP; t++)
#define MY(n)         n[t]
#define ONCE          for (int hal_2 = 0; hal_2 == 0; hal_2++)
#define SYNC          ((void)0)
#define GROUP_SUM(f)  ((void)0)
#define GROUP_MAX(f)  ((void)0)
#define GROUP_UMAX(u) ((void)0)
#define GROUP_UMIN(u) ((void)0)
#define GROUP_X       hal_g.x
#define GROUP_Y       hal_g.y
#define GROUP_Z       hal_g.z
#define GRID_X        hal_n.x
#define GRID_Y        hal_n.y
#define GRID_Z        hal_n.z

/* ---- scalars in storage formats ---------------------------------------- */

#define HAL_LD_f32(b, i)    ((b)[i])
#define HAL_LD_bf16(b, i)   as_float((uint)(b)[i] << 16)
#define HAL_LD_f16(b, i)    as_float(hal_f16_widen((b)[i]))
#define HAL_LD_e4m3(b, i)   hal_e4m3_widen((b)[i])
#define HAL_LD_i8(b, i)     ((int)(b)[i])
#define HAL_LD_i16(b, i)    ((int)(b)[i])
#define HAL_LD_i32(b, i)    ((b)[i])
#define HAL_LD_u8(b, i)     ((uint)(b)[i])
#define HAL_LD_u16(b, i)    ((uint)(b)[i])
#define HAL_LD_u32(b, i)    ((b)[i])
#define HAL_ST_f32(b, i, v) ((b)[i] = (v))
#define HAL_ST_bf16(b, i, v) \
    ((b)[i] = (unsigned short)hal_bf16_round(as_uint(v)))
#define HAL_ST_f16(b, i, v)   ((b)[i] = (unsigned short)hal_f16_round(as_uint(v)))
#define HAL_ST_i8(b, i, v)    ((b)[i] = (signed char)(v))
#define HAL_ST_i16(b, i, v)   ((b)[i] = (short)(v))
#define HAL_ST_i32(b, i, v)   ((b)[i] = (v))
#define HAL_ST_u8(b, i, v)    ((b)[i] = (unsigned char)(v))
#define HAL_ST_u16(b, i, v)   ((b)[i] = (unsigned short)(v))
#define HAL_ST_u32(b, i, v)   ((b)[i] = (v))
#define HAL_LDB_f32(b, i)     as_uint((b)[i])
#define HAL_LDB_bf16(b, i)    ((uint)(b)[i] << 16)
#define HAL_LDB_f16(b, i)     hal_f16_widen((b)[i])
#define HAL_STB_f32(b, i, u)  ((b)[i] = as_float(u))
#define HAL_STB_bf16(b, i, u) ((b)[i] = (unsigned short)hal_bf16_round(u))
#define HAL_STB_f16(b, i, u)  ((b)[i] = (unsigned short)hal_f16_round(u))

/* ---- vectors ----------------------------------------------------------- */

#define HAL_V UNROLL for (int hal_i = 0; hal_i < HAL_PARTS; hal_i++)
#define HAL_P p[hal_i]

FN(hal_vf) hal_pick(hal_vi mask, hal_vf a, hal_vf b)
{
    return (hal_vf)((mask & (hal_vi)a) | (~mask & (hal_vi)b));
}
#define HAL_VEC2(name, expr)                 \
    FN(v16) name(v16 a, v16 b)               \
    {                                        \
        v16 r;                               \
        HAL_V                                \
        {                                    \
            hal_vf x = a.HAL_P, y = b.HAL_P; \
            r.HAL_P = expr;                  \
        }                                    \
        return r;                            \
    }
HAL_VEC2(vec_add, x + y)
HAL_VEC2(vec_sub, x - y)
HAL_VEC2(vec_mul, x *y)
HAL_VEC2(vec_div, x / y)
HAL_VEC2(vec_max, hal_pick(x > y, x, y))
HAL_VEC2(vec_min, hal_pick(x < y, x, y))
FN(v16) v16_zero(void)
{
    v16 r;
    HAL_V r.HAL_P = (hal_vf){ 0 };
    return r;
}
FN(v16) v16_set(float f)
{
    v16 r;
    HAL_V r.HAL_P = (hal_vf){ 0 } + f;
    return r;
}
FN(v16) v16_fma(v16 a, v16 x, v16 y)
{
    HAL_V a.HAL_P += x.HAL_P * y.HAL_P;
    return a;
}
FN(v16) v16_fmas(v16 a, v16 x, float f)
{
    HAL_V a.HAL_P += x.HAL_P * f;
    return a;
}
FN(v16) vec_scale(v16 a, float f)
{
    HAL_V a.HAL_P *= f;
    return a;
}
FN(v16) vec_abs(v16 a)
{
    HAL_V a.HAL_P = (hal_vf)((hal_vu)a.HAL_P & 0x7fffffffu);
    return a;
}
FN(hal_vf) hal_iota(int part)
{
    hal_vf r = { 0 };
    UNROLL for (int j = 0; j < HAL_W; j++) r[j] = (float)(part * HAL_W + j);
    return r;
}
FN(v16) vec_fill(v16 a, idx k, float f)
{
    if (k < 16) {
        hal_vf kv = (hal_vf){ 0 } + (float)k, fv = (hal_vf){ 0 } + f;
        HAL_V a.HAL_P = hal_pick(hal_iota(hal_i) < kv, a.HAL_P, fv);
    }
    return a;
}
FN(float) v16_sum(v16 v)
{
    hal_vf t = v.p[0];
    for (int i = 1; i < HAL_PARTS; i++)
        t += v.p[i];
    float s[4] = { 0 };
    UNROLL for (int i = 0; i < HAL_W; i += 4) UNROLL for (int j = 0; j < 4; j++)
        s[j] += t[i + j];
    return (s[0] + s[1]) + (s[2] + s[3]);
}
#define v16_get(v, j) ((v).p[(j) / HAL_W][(j) % HAL_W])
FN(float) vec_hmax(v16 v)
{
    float m = v.p[0][0];
    UNROLL for (int i = 0; i < HAL_PARTS; i++)
        UNROLL for (int j = 0; j < HAL_W; j++) m = MAX(v.p[i][j], m);
    return m;
}
FN(hal_vf) hal_vexp(hal_vf x)
{
    hal_vf lo = (hal_vf){ 0 } - 105.0f, hi = (hal_vf){ 0 } + 89.0f;
    hal_vf t = hal_pick(x < lo, lo, x);
    t = hal_pick(t > hi, hi, t); /* a NaN stays and makes p a NaN */
    hal_vf s = t * 1.44269504f + 12582912.0f, k = s - 12582912.0f;
    hal_vf r = t - k * 0.693145752f;
    r = r - k * 1.42860677e-6f;
    hal_vf p = (hal_vf){ 0 } + 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    hal_vi n = (hal_vi)s - 0x4b400000, h = n >> 1;
    p *= (hal_vf)((hal_vu)(h + 127) << 23);
    return p * (hal_vf)((hal_vu)(n - h + 127) << 23);
}
FN(v16) vec_exp(v16 a)
{
    HAL_V a.HAL_P = hal_vexp(a.HAL_P);
    return a;
}
#define v16_add(a, b)     vec_add(a, b)
#define vec_set(f)        v16_set(f)
#define vec_fma(a, x, y)  v16_fma(a, x, y)
#define vec_fmas(a, x, f) v16_fmas(a, x, f)
#define vec_sum(a)        v16_sum(a)

/* Sixteen elements in memory, at any alignment. */
FN(v16) hal_ld16_f32(const float *p)
{
    v16 r;
    HAL_V r.HAL_P = *(const hal_vf_any *)(p + hal_i * HAL_W);
    return r;
}
FN(void) hal_st16_f32(float *p, v16 v)
{
    HAL_V *(hal_vf_any *)(p + hal_i * HAL_W) = v.HAL_P;
}
FN(v16) hal_ld16_bf16(const unsigned short *p)
{
    v16 r;
    HAL_V
    {
        hal_vu u;
        /* gcc 12 makes six instructions of the conversion of 16 lanes */
#if defined(HAL_V4)
        __asm__("vpmovzxwd %1, %0"
                : "=v"(u)
                : "m"(*(const hal_vh *)(p + hal_i * HAL_W)));
#else
        u = __builtin_convertvector(*(const hal_vh *)(p + hal_i * HAL_W),
                                    hal_vu);
#endif
        r.HAL_P = (hal_vf)(u << 16);
    }
    return r;
}
FN(void) hal_st16_bf16(unsigned short *p, v16 v)
{
    HAL_V
    {
        hal_vu u = (hal_vu)v.HAL_P;
        hal_vu q = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
        hal_vu nan = (hal_vu)((hal_vi)(u & 0x7fffffffu) > 0x7f800000);
        q = (nan & ((u >> 16) | 64u)) | (~nan & q);
        *(hal_vh *)(p + hal_i * HAL_W) = __builtin_convertvector(q, hal_vh);
    }
}
FN(v16) hal_ld16_f16(const unsigned short *p)
{
    v16 r;
    HAL_V
    {
        hal_vh h = *(const hal_vh *)(p + hal_i * HAL_W);
#if defined(HAL_V4)
        __asm__("vcvtph2ps %1, %0" : "=v"(r.HAL_P) : "v"(h));
#elif defined(HAL_V3)
        __asm__("vcvtph2ps %1, %0" : "=x"(r.HAL_P) : "x"(h));
#else
        hal_vu u = __builtin_convertvector(h, hal_vu), em = u & 0x7fffu;
        hal_vu tiny = (hal_vu)(em < 0x400u), huge = (hal_vu)(em >= 0x7c00u);
        hal_vf s = __builtin_convertvector((hal_vi)em, hal_vf) *
                   5.9604644775390625e-8f;
        hal_vu q = (tiny & (hal_vu)s) | (~tiny & ((em << 13) + 0x38000000u));
        q += huge & 0x38000000u;
        r.HAL_P = (hal_vf)(q | (u & 0x8000u) << 16);
#endif
    }
    return r;
}
FN(void) hal_st16_f16(unsigned short *p, v16 v)
{
#if defined(HAL_V3) || defined(HAL_V4)
    HAL_V
    {
        hal_vh h;
#if defined(HAL_V4)
        __asm__("vcvtps2ph $0, %1, %0" : "=v"(h) : "v"(v.HAL_P));
#else
        __asm__("vcvtps2ph $0, %1, %0" : "=x"(h) : "x"(v.HAL_P));
#endif
        *(hal_vh *)(p + hal_i * HAL_W) = h;
    }
#else
    float t[16];
    hal_st16_f32(t, v);
    for (int i = 0; i < 16; i++)
        p[i] = (unsigned short)hal_f16_round(as_uint(t[i]));
#endif
}
/* gcc 12 makes many instructions of the widening of 16 bytes. */
#if defined(HAL_V4)
#define HAL_WIDEN(op, to, from) __asm__(op " %1, %0" : "=v"(to) : "m"(from))
#define HAL_WIDEN_i8(to, from)  HAL_WIDEN("vpmovsxbd", to, from)
#define HAL_WIDEN_u8(to, from)  HAL_WIDEN("vpmovzxbd", to, from)
#else
#define HAL_WIDEN_i8(to, from) to = __builtin_convertvector(from, hal_vi)
#define HAL_WIDEN_u8(to, from) to = __builtin_convertvector(from, hal_vu)
#endif
FN(v16) hal_ld16_i8(const signed char *p)
{
    v16 r;
    HAL_V
    {
        hal_vi i;
        HAL_WIDEN_i8(i, *(const hal_vb *)(p + hal_i * HAL_W));
        r.HAL_P = __builtin_convertvector(i, hal_vf);
    }
    return r;
}
FN(v16) hal_bits16_u8(const unsigned char *p, uint s, uint m)
{
    v16 r;
    HAL_V
    {
        hal_vu u;
        HAL_WIDEN_u8(u, *(const hal_vub *)(p + hal_i * HAL_W));
        r.HAL_P = __builtin_convertvector((hal_vi)((u >> s) & m), hal_vf);
    }
    return r;
}
FN(v16) hal_bits16_u32(const uint *p, uint s, uint m)
{
    v16 r;
    HAL_V
    {
        hal_vu u = *(const hal_vu_any *)(p + hal_i * HAL_W);
        r.HAL_P = __builtin_convertvector((hal_vi)((u >> s) & m), hal_vf);
    }
    return r;
}
FN(v16) hal_ld16_e4m3(const unsigned char *p)
{
    v16 r;
#if defined(HAL_V4)
    /* As the f16 of the same bits, which is 2^-8 of it: subnormals come out
     * right; 480 must be a NaN. */
    typedef short hal_vs __attribute__((vector_size(32)));
    hal_vb c = *(const hal_vb *)p, top = (c & 127) == 127;
    hal_vs h;
    hal_vi nan;
    HAL_WIDEN("vpmovsxbw", h, *(const hal_vb *)p);
    h = (h << 7) & (short)0xbf80;
    __asm__("vcvtph2ps %1, %0" : "=v"(r.p[0]) : "v"(h));
    __asm__("vpmovsxbd %1, %0" : "=v"(nan) : "v"(top));
    r.p[0] = (hal_vf)((hal_vi)(r.p[0] * 256.0f) | nan);
#else
    HAL_V
    {
        hal_vu u, m;
        HAL_WIDEN_u8(u, *(const hal_vub *)(p + hal_i * HAL_W));
        m = u & 127u;
        hal_vu tiny = (hal_vu)(m < 8u), nan = (hal_vu)(m == 127u);
        hal_vf s = __builtin_convertvector((hal_vi)m, hal_vf) * 0.001953125f;
        hal_vu q = (tiny & (hal_vu)s) | (~tiny & ((m << 20) + 0x3c000000u));
        q = (nan & 0x7fc00000u) | (~nan & q);
        r.HAL_P = (hal_vf)(q | (u & 128u) << 24);
    }
#endif
    return r;
}

/* k elements: through a copy, so that nothing past them is touched. */
#define HAL_PARTIAL(T)                                             \
    static __attribute__((noinline, unused))                       \
    v16 hal_part_ld_##T(const hal_T_##T *p, idx k)                 \
    {                                                              \
        hal_T_##T t[16] = { 0 };                                   \
        for (idx i = 0; i < k; i++)                                \
            t[i] = p[i];                                           \
        return hal_ld16_##T(t);                                    \
    }                                                              \
    static __attribute__((noinline, unused)) void hal_part_st_##T( \
        hal_T_##T *p, idx k, v16 v)                                \
    {                                                              \
        hal_T_##T t[16];                                           \
        hal_st16_##T(t, v);                                        \
        for (idx i = 0; i < k; i++)                                \
            p[i] = t[i];                                           \
    }                                                              \
    FN(v16) hal_vld_##T(const hal_T_##T *p, idx k)                 \
    {                                                              \
        return k == 16 ? hal_ld16_##T(p) : hal_part_ld_##T(p, k);  \
    }                                                              \
    FN(void) hal_vst_##T(hal_T_##T *p, idx k, v16 v)               \
    {                                                              \
        if (k == 16)                                               \
            hal_st16_##T(p, v);                                    \
        else                                                       \
            hal_part_st_##T(p, k, v);                              \
    }
HAL_PARTIAL(f32)
HAL_PARTIAL(bf16)
HAL_PARTIAL(f16)
#define HAL_PARTIAL_LD(name, load, T, PARAMS, ARGS)                 \
    static __attribute__((noinline, unused))                        \
    v16 hal_part_##name(const hal_T_##T *p, idx k PARAMS)           \
    {                                                               \
        hal_T_##T t[16] = { 0 };                                    \
        for (idx i = 0; i < k; i++)                                 \
            t[i] = p[i];                                            \
        return load(t ARGS);                                        \
    }                                                               \
    FN(v16) hal_##name(const hal_T_##T *p, idx k PARAMS)            \
    {                                                               \
        return k == 16 ? load(p ARGS) : hal_part_##name(p, k ARGS); \
    }
#define HAL_SM_PARAMS , uint s, uint m
#define HAL_SM        , s, m
HAL_PARTIAL_LD(vld_i8, hal_ld16_i8, i8, , )
HAL_PARTIAL_LD(vld_e4m3, hal_ld16_e4m3, e4m3, , )
HAL_PARTIAL_LD(bits_u8, hal_bits16_u8, u8, HAL_SM_PARAMS, HAL_SM)
HAL_PARTIAL_LD(bits_u32, hal_bits16_u32, u32, HAL_SM_PARAMS, HAL_SM)
#define HAL_VLD_i8(b, i, k)         hal_vld_i8((b) + (i), k)
#define HAL_VLD_e4m3(b, i, k)       hal_vld_e4m3((b) + (i), k)
#define HAL_BITS_u8(b, i, k, s, m)  hal_bits_u8((b) + (i), k, s, m)
#define HAL_BITS_u32(b, i, k, s, m) hal_bits_u32((b) + (i), k, s, m)
#define HAL_VLD_f32(b, i, k)        hal_vld_f32((b) + (i), k)
#define HAL_VLD_bf16(b, i, k)       hal_vld_bf16((b) + (i), k)
#define HAL_VLD_f16(b, i, k)        hal_vld_f16((b) + (i), k)
#define HAL_VST_f32(b, i, k, v)     hal_vst_f32((b) + (i), k, v)
#define HAL_VST_bf16(b, i, k, v)    hal_vst_bf16((b) + (i), k, v)
#define HAL_VST_f16(b, i, k, v)     hal_vst_f16((b) + (i), k, v)
#define HAL_LD16_f32(b, j)          hal_ld16_f32((b) + 16 * (idx)(j))
#define HAL_LD16_bf16(b, j)         hal_ld16_bf16((b) + 16 * (idx)(j))
#define HAL_LD16_f16(b, j)          hal_ld16_f16((b) + 16 * (idx)(j))
#define HAL_LD16_i8(b, j)           hal_ld16_i8((b) + 16 * (idx)(j))
#define HAL_LD16_e4m3(b, j)         hal_ld16_e4m3((b) + 16 * (idx)(j))
#define HAL_ST16_f32(b, j, v)       hal_st16_f32((b) + 16 * (idx)(j), v)
#define HAL_ST16_bf16(b, j, v)      hal_st16_bf16((b) + 16 * (idx)(j), v)
#define HAL_ST16_f16(b, j, v)       hal_st16_f16((b) + 16 * (idx)(j), v)
#define LDL16(m, i)                 hal_ld16_f32((m) + (i))
#define STL16(m, i, v)              hal_st16_f32((m) + (i), v)
#define VLDL(m, i)                  hal_ld16_f32((m) + (i))
#define VSTL(m, i, v)               hal_st16_f32((m) + (i), v)

/* ---- KERNEL: the body, and the entry that runs a range of groups ------- */

#define HAL_C_PARAM(i, k, T, n, c) HAL_C_PARAM_##k(T, n, c)
#define HAL_C_PARAM_in(T, n, c)    const hal_T_##T *restrict n,
#define HAL_C_PARAM_in16(T, n, c)  const hal_T_##T *restrict n,
#define HAL_C_PARAM_out(T, n, c)   hal_T_##T *restrict n,
#define HAL_C_PARAM_out16(T, n, c) hal_T_##T *restrict n,
#define HAL_C_PARAM_inout(T, n, c) hal_T_##T *n,
#define HAL_C_PARAM_arg(T, n, c)   const T n,
#define HAL_C_PARAM_local(T, n, c) T *restrict n,
#define HAL_C_PARAM_priv(T, n, c)  T(*restrict n)[c],
#define HAL_C_LOCAL(i, k, T, n, c) HAL_C_LOCAL_##k(T, n, c)
#define HAL_C_LOCAL_in(T, n, c)
#define HAL_C_LOCAL_in16(T, n, c)
#define HAL_C_LOCAL_out(T, n, c)
#define HAL_C_LOCAL_out16(T, n, c)
#define HAL_C_LOCAL_inout(T, n, c)
#define HAL_C_LOCAL_arg(T, n, c)
#define HAL_C_LOCAL_local(T, n, c) T n[c];
#define HAL_C_LOCAL_priv(T, n, c)
#define HAL_C_PRIV(i, k, T, n, c) HAL_C_PRIV_##k(T, n, c)
#define HAL_C_PRIV_in(T, n, c)
#define HAL_C_PRIV_in16(T, n, c)
#define HAL_C_PRIV_out(T, n, c)
#define HAL_C_PRIV_out16(T, n, c)
#define HAL_C_PRIV_inout(T, n, c)
#define HAL_C_PRIV_arg(T, n, c)
#define HAL_C_PRIV_local(T, n, c)
#define HAL_C_PRIV_priv(T, n, c)  T n[GROUP][c];
#define HAL_C_PASS(i, k, T, n, c) HAL_C_PASS_##k(i, T, n)
#define HAL_C_PASS_in(i, T, n)    (const hal_T_##T *)(__UINTPTR_TYPE__)hal_a[i],
#define HAL_C_PASS_in16(i, T, n)  (const hal_T_##T *)(__UINTPTR_TYPE__)hal_a[i],
#define HAL_C_PASS_out(i, T, n)   (hal_T_##T *)(__UINTPTR_TYPE__)hal_a[i],
#define HAL_C_PASS_out16(i, T, n) (hal_T_##T *)(__UINTPTR_TYPE__)hal_a[i],
#define HAL_C_PASS_inout(i, T, n) (hal_T_##T *)(__UINTPTR_TYPE__)hal_a[i],
#define HAL_C_PASS_arg(i, T, n)   hal_get_##T(&hal_a[i]),
#define HAL_C_PASS_local(i, T, n) hal_l->n,
#define HAL_C_PASS_priv(i, T, n)  n,
#define HAL_C_GET(T)                       \
    FN(T) hal_get_##T(const hal_u64 *slot) \
    {                                      \
        T v;                               \
        __builtin_memcpy(&v, slot, 4);     \
        return v;                          \
    }
HAL_C_GET(float)
HAL_C_GET(int)
HAL_C_GET(uint)

#define KERNEL(name, ...) HAL_C_KERNEL(name, __VA_ARGS__)
#define HAL_C_KERNEL(name, ...)                                           \
    struct hal_local {                                                    \
        HAL_EACH(HAL_C_LOCAL, __VA_ARGS__) char hal_none[0];              \
    };                                                                    \
    FN(void)                                                              \
    hal_body(HAL_EACH(HAL_C_PARAM, __VA_ARGS__) const hal_u3 hal_g,       \
             const hal_u3 hal_n);                                         \
    extern __attribute__((visibility("default"))) void hal_kernel_##name( \
        const hal_u64 *, const uint *, hal_u64, hal_u64, void *);         \
    void hal_kernel_##name(const hal_u64 *hal_a, const uint *hal_grid,    \
                           hal_u64 hal_i, hal_u64 hal_end, void *hal_mem) \
    {                                                                     \
        struct hal_local *hal_l = hal_mem;                                \
        const hal_u3 hal_n = { hal_grid[0], hal_grid[1], hal_grid[2] };   \
        HAL_EACH(HAL_C_PRIV, __VA_ARGS__)                                 \
        (void)hal_a, (void)hal_l;                                         \
        for (; hal_i < hal_end; hal_i++) {                                \
            const hal_u64 hal_yz = hal_i / hal_n.x;                       \
            const hal_u3 hal_g = { (uint)(hal_i % hal_n.x),               \
                                   (uint)(hal_yz % hal_n.y),              \
                                   (uint)(hal_yz / hal_n.y) };            \
            hal_body(HAL_EACH(HAL_C_PASS, __VA_ARGS__) hal_g, hal_n);     \
        }                                                                 \
    }                                                                     \
    FN(void)                                                              \
    hal_body(HAL_EACH(HAL_C_PARAM, __VA_ARGS__) const hal_u3 hal_g,       \
             const hal_u3 hal_n)
