/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_opencl.h - OpenCL C 1.2, no optional feature.  Each buffer argument is
 * followed by a byte offset (docs/dialect.md).  With HAL_SMALL a group is one
 * thread and a vec is a float16.
 */
#pragma OPENCL FP_CONTRACT ON
typedef uint idx;
typedef float hal_T_f32;
typedef ushort hal_T_bf16, hal_T_f16, hal_T_u16;
typedef short hal_T_i16;
typedef char hal_T_i8;
typedef uchar hal_T_u8, hal_T_e4m3;
typedef int hal_T_i32;
typedef uint hal_T_u32;
typedef float16 v16;

#define FN(T)         static inline T
#define UNROLL        __attribute__((opencl_unroll_hint))
#define FLOAT(x)      ((float)(x))
#define INT(x)        ((int)(x))
#define UINT(x)       ((uint)(x))
#define IDX(x)        ((idx)(x))
#define HAL_TO_i8(v)  ((char)(v))
#define HAL_TO_u8(v)  ((uchar)(v))
#define HAL_TO_i16(v) ((short)(v))
#define HAL_TO_u16(v) ((ushort)(v))
#define HAL_EXACT
#define HAL_RINT(x) rint(x)
#define SQRT(x)     sqrt(x)

#define GROUP_X ((uint)get_group_id(0))
#define GROUP_Y ((uint)get_group_id(1))
#define GROUP_Z ((uint)get_group_id(2))
#define GRID_X  ((uint)get_num_groups(0))
#define GRID_Y  ((uint)get_num_groups(1))
#define GRID_Z  ((uint)get_num_groups(2))
#if GROUP == 1
#define hal_lid 0u
#define SYNC    ((void)0)
#else
#define hal_lid ((uint)get_local_id(0))
#define SYNC    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#endif
#define HAL_SCRATCH  , hal_scratch
#define HAL_AT(b, i) (b)[i]

#include "hal_gpu.h"
#include "hal_math.h"

/* ---- group operations: 16 partial results, so that few threads wait ---- */

#if GROUP == 1
#define HAL_GROUP_OP(name, T, IN_, OUT_, init, OP) \
    FN(T) name(T v, __local uint *s)               \
    {                                              \
        return v;                                  \
    }
#define HAL_SCRATCH_SIZE 1
#else
#define HAL_GROUP_OP(name, T, IN_, OUT_, init, OP) \
    FN(T) name(T v, __local uint *s)               \
    {                                              \
        uint l = hal_lid;                          \
        s[l] = IN_(v);                             \
        barrier(CLK_LOCAL_MEM_FENCE);              \
        if (l < 16) {                              \
            T p = init;                            \
            for (uint j = l; j < GROUP; j += 16)   \
                p = OP(OUT_(s[j]), p);             \
            s[GROUP + l] = IN_(p);                 \
        }                                          \
        barrier(CLK_LOCAL_MEM_FENCE);              \
        T r = init;                                \
        for (uint j = 0; j < 16 && j < GROUP; j++) \
            r = OP(OUT_(s[GROUP + j]), r);         \
        return r;                                  \
    }
#define HAL_SCRATCH_SIZE (GROUP + 16)
#endif
HAL_GROUP_OP(hal_group_sum, float, as_uint, as_float, 0.0f, HAL_ADD)
HAL_GROUP_OP(hal_group_max, float, as_uint, as_float, -INF, MAX)
HAL_GROUP_OP(hal_group_umax, uint, UINT, UINT, 0u, MAX)
HAL_GROUP_OP(hal_group_umin, uint, UINT, UINT, 0xffffffffu, MIN)

/* ---- v16 --------------------------------------------------------------- */

#define v16_zero()        ((float16)(0.0f))
#define v16_set(f)        ((float16)(f))
#define v16_add(a, b)     ((a) + (b))
#define v16_fma(a, x, y)  ((a) + (x) * (y))
#define v16_fmas(a, x, f) ((a) + (x) * (float16)(f))
/* j is a constant once loops are unrolled */
FN(float) v16_get(float16 v, int j)
{
    float t[16];
    vstore16(v, 0, t);
    return t[j];
}
FN(float) v16_sum(float16 v)
{
    float8 a = v.lo + v.hi;
    float4 b = a.lo + a.hi;
    return (b.x + b.z) + (b.y + b.w);
}
/* vload16 asks for the element's alignment only: float16 * would ask for 64. */
FN(float16) hal_bf16x16(__global const ushort *p)
{
    return as_float16(convert_uint16(vload16(0, p)) << 16);
}
FN(float16) hal_f16x16(__global const ushort *p)
{
    uint16 u = convert_uint16(vload16(0, p)), em = u & 0x7fffu;
    uint16 tiny = as_uint16(convert_float16(em) * 5.9604644775390625e-8f);
    uint16 r = select((em << 13) + 0x38000000u, tiny, em < 0x400u);
    r = select(r, r + 0x38000000u, em >= 0x7c00u);
    return as_float16(r | ((u & 0x8000u) << 16));
}
FN(float16) hal_e4m3x16(__global const uchar *p)
{
    uint16 u = convert_uint16(vload16(0, p)), m = u & 127u;
    uint16 tiny = as_uint16(convert_float16(m) * 0.001953125f);
    uint16 r = select((m << 20) + 0x3c000000u, tiny, m < 8u);
    r = select(r, (uint16)(0x7fc00000u), m == 127u);
    return as_float16(r | ((u & 128u) << 24));
}
FN(void) hal_st_bf16x16(__global ushort *p, float16 v)
{
    uint16 u = as_uint16(v), r = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    r = select(r, (u >> 16) | 64u, (u & 0x7fffffffu) > 0x7f800000u);
    vstore16(convert_ushort16(r), 0, p);
}
FN(void) hal_st_f16x16(__global ushort *p, float16 v)
{
    float t[16];
    vstore16(v, 0, t);
    for (int i = 0; i < 16; i++)
        p[i] = (ushort)hal_f16_round(as_uint(t[i]));
}
#define HAL_LD16_f32(b, j)     vload16(j, b)
#define HAL_LD16_bf16(b, j)    hal_bf16x16((b) + 16 * (j))
#define HAL_LD16_f16(b, j)     hal_f16x16((b) + 16 * (j))
#define HAL_LD16_i8(b, j)      convert_float16(vload16(j, b))
#define HAL_LD16_e4m3(b, j)    hal_e4m3x16((b) + 16 * (j))
#define HAL_ST16_f32(b, j, v)  vstore16(v, j, b)
#define HAL_ST16_bf16(b, j, v) hal_st_bf16x16((b) + 16 * (j), v)
#define HAL_ST16_f16(b, j, v)  hal_st_f16x16((b) + 16 * (j), v)
#define LDL16(m, i)            vload16(0, (m) + (i))
#define STL16(m, i, v)         vstore16(v, 0, (m) + (i))

/* ---- a vec is a v16 ---------------------------------------------------- */

#ifdef HAL_WIDE
typedef float16 vec;
#define VLDL(m, i)        vload16(0, (m) + (i))
#define VSTL(m, i, v)     vstore16(v, 0, (m) + (i))
#define vec_set(f)        ((float16)(f))
#define vec_add(a, b)     ((a) + (b))
#define vec_sub(a, b)     ((a) - (b))
#define vec_mul(a, b)     ((a) * (b))
#define vec_div(a, b)     ((a) / (b))
#define vec_scale(a, f)   ((a) * (float16)(f))
#define vec_fma(a, x, y)  v16_fma(a, x, y)
#define vec_fmas(a, x, f) v16_fmas(a, x, f)
#define vec_sum(a)        v16_sum(a)
FN(float16) vec_max(float16 a, float16 b)
{
    return select(b, a, a > b);
}
FN(float16) vec_min(float16 a, float16 b)
{
    return select(b, a, a < b);
}
FN(float16) vec_abs(float16 a)
{
    return as_float16(as_uint16(a) & 0x7fffffffu);
}
FN(float16) vec_fill(float16 a, idx k, float f)
{
    const int16 lane =
        (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return k == 16 ? a : select((float16)(f), a, lane < (int16)((int)k));
}
FN(float) vec_hmax(float16 v)
{
    float t[16], m;
    vstore16(v, 0, t);
    m = t[0];
    for (int i = 1; i < 16; i++)
        m = MAX(t[i], m);
    return m;
}
FN(float16) vec_exp(float16 x)
{
    float16 t = select(x, (float16)(-105.0f), x < -105.0f);
    t = select(t, (float16)(89.0f), t > 89.0f);
    float16 s = t * 1.44269504f + 12582912.0f, k = s - 12582912.0f;
    float16 r = t - k * 0.693145752f;
    r = r - k * 1.42860677e-6f;
    float16 p = (float16)(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    int16 n = as_int16(s) - 0x4b400000, h = n >> 1;
    p = p * as_float16(as_uint16(h + 127) << 23);
    return p * as_float16(as_uint16(n - h + 127) << 23);
}
#define HAL_PARTIAL(T, LOAD, STORE)                               \
    FN(float16) hal_vld_##T(__global const hal_T_##T *p, idx k)   \
    {                                                             \
        if (k == 16)                                              \
            return LOAD;                                          \
        float t[16] = { 0 };                                      \
        for (idx i = 0; i < k; i++)                               \
            t[i] = HAL_LD_##T(p, i);                              \
        return vload16(0, t);                                     \
    }                                                             \
    FN(void) hal_vst_##T(__global hal_T_##T *p, idx k, float16 v) \
    {                                                             \
        if (k == 16) {                                            \
            STORE;                                                \
        } else {                                                  \
            float t[16];                                          \
            vstore16(v, 0, t);                                    \
            for (idx i = 0; i < k; i++)                           \
                HAL_ST_##T(p, i, t[i]);                           \
        }                                                         \
    }
HAL_PARTIAL(f32, vload16(0, p), vstore16(v, 0, p))
HAL_PARTIAL(bf16, hal_bf16x16(p), hal_st_bf16x16(p, v))
HAL_PARTIAL(f16, hal_f16x16(p), hal_st_f16x16(p, v))
#define HAL_VLD_f32(b, i, k)  hal_vld_f32((b) + (i), k)
#define HAL_VLD_bf16(b, i, k) hal_vld_bf16((b) + (i), k)
#define HAL_VLD_f16(b, i, k)  hal_vld_f16((b) + (i), k)
#define HAL_PARTIAL_LD(name, T, LOAD, ONE, PARAMS)              \
    FN(float16) name(__global const hal_T_##T *p, idx k PARAMS) \
    {                                                           \
        if (k == 16)                                            \
            return LOAD;                                        \
        float t[16] = { 0 };                                    \
        for (idx i = 0; i < k; i++)                             \
            t[i] = ONE;                                         \
        return vload16(0, t);                                   \
    }
HAL_PARTIAL_LD(hal_vld_i8, i8, convert_float16(vload16(0, p)), FLOAT(p[i]), )
HAL_PARTIAL_LD(hal_vld_e4m3, e4m3, hal_e4m3x16(p), HAL_LD_e4m3(p, i), )
#define HAL_COMMA_SM , uint s, uint m
HAL_PARTIAL_LD(hal_bits_u8, u8,
               convert_float16((convert_uint16(vload16(0, p)) >> s) & m),
               FLOAT((UINT(p[i]) >> s) & m), HAL_COMMA_SM)
HAL_PARTIAL_LD(hal_bits_u32, u32, convert_float16((vload16(0, p) >> s) & m),
               FLOAT((p[i] >> s) & m), HAL_COMMA_SM)
#define HAL_VLD_i8(b, i, k)         hal_vld_i8((b) + (i), k)
#define HAL_VLD_e4m3(b, i, k)       hal_vld_e4m3((b) + (i), k)
#define HAL_BITS_u8(b, i, k, s, m)  hal_bits_u8((b) + (i), k, s, m)
#define HAL_BITS_u32(b, i, k, s, m) hal_bits_u32((b) + (i), k, s, m)
#define HAL_VST_f32(b, i, k, v)     hal_vst_f32((b) + (i), k, v)
#define HAL_VST_bf16(b, i, k, v)    hal_vst_bf16((b) + (i), k, v)
#define HAL_VST_f16(b, i, k, v)     hal_vst_f16((b) + (i), k, v)
#endif

/* ---- KERNEL: the entry adds the offsets and owns the LOCAL memory ------ */

/* `restrict` on the entry only: Oclgrind dies of it in inlined functions. */
#define HAL_O_PARAM(i, k, T, n, c) HAL_O_PARAM_##k(i, T, n)
#define HAL_O_PARAM_in(i, T, n) \
    HAL_SEP(i) __global const hal_T_##T *restrict hal_buf_##n, ulong hal_off_##n
#define HAL_O_PARAM_in16 HAL_O_PARAM_in
#define HAL_O_PARAM_out(i, T, n) \
    HAL_SEP(i) __global hal_T_##T *restrict hal_buf_##n, ulong hal_off_##n
#define HAL_O_PARAM_out16 HAL_O_PARAM_out
#define HAL_O_PARAM_inout(i, T, n) \
    HAL_SEP(i) __global hal_T_##T *hal_buf_##n, ulong hal_off_##n
#define HAL_O_PARAM_arg(i, T, n) HAL_SEP(i) T n
#define HAL_O_PARAM_local(i, T, n)
#define HAL_O_PARAM_priv(i, T, n)
#define HAL_O_BODY(i, k, T, n, c) HAL_O_BODY_##k(T, n)
#define HAL_O_BODY_in(T, n)       __global const hal_T_##T *n,
#define HAL_O_BODY_in16(T, n)     __global const hal_T_##T *n,
#define HAL_O_BODY_out(T, n)      __global hal_T_##T *n,
#define HAL_O_BODY_out16(T, n)    __global hal_T_##T *n,
#define HAL_O_BODY_inout(T, n)    __global hal_T_##T *n,
#define HAL_O_BODY_arg(T, n)      const T n,
#define HAL_O_BODY_local(T, n)    __local T *n,
#define HAL_O_BODY_priv(T, n)     T *n,
#define HAL_O_MEM(i, k, T, n, c)  HAL_O_MEM_##k(T, n, c)
#define HAL_O_MEM_in(T, n, c)
#define HAL_O_MEM_in16(T, n, c)
#define HAL_O_MEM_out(T, n, c)
#define HAL_O_MEM_out16(T, n, c)
#define HAL_O_MEM_inout(T, n, c)
#define HAL_O_MEM_arg(T, n, c)
#define HAL_O_MEM_local(T, n, c)  __local T n[c];
#define HAL_O_MEM_priv(T, n, c)   T n[c];
#define HAL_O_PASS(i, k, T, n, c) HAL_O_PASS_##k(T, n)
#define HAL_O_PASS_in(T, n)                                           \
    (__global const hal_T_##T *)((__global const char *)hal_buf_##n + \
                                 hal_off_##n),
#define HAL_O_PASS_in16 HAL_O_PASS_in
#define HAL_O_PASS_out(T, n) \
    (__global hal_T_##T *)((__global char *)hal_buf_##n + hal_off_##n),
#define HAL_O_PASS_out16       HAL_O_PASS_out
#define HAL_O_PASS_inout       HAL_O_PASS_out
#define HAL_O_PASS_arg(T, n)   n,
#define HAL_O_PASS_local(T, n) n,
#define HAL_O_PASS_priv(T, n)  n,

#define KERNEL(name, ...) HAL_O_KERNEL(name, __VA_ARGS__)
#define HAL_O_KERNEL(name, ...)                                            \
    FN(void)                                                               \
    hal_body(HAL_EACH(HAL_O_BODY, __VA_ARGS__) __local uint *hal_scratch); \
    __kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void name( \
        HAL_EACH(HAL_O_PARAM, __VA_ARGS__))                                \
    {                                                                      \
        __local uint hal_scratch[HAL_SCRATCH_SIZE];                        \
        HAL_EACH(HAL_O_MEM, __VA_ARGS__)                                   \
        hal_body(HAL_EACH(HAL_O_PASS, __VA_ARGS__) hal_scratch);           \
    }                                                                      \
    FN(void)                                                               \
    hal_body(HAL_EACH(HAL_O_BODY, __VA_ARGS__) __local uint *hal_scratch)
