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

#include "hal_cpu_vec.h"

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
