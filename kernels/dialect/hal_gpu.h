/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_gpu.h - what the GPU languages have in common: threads are real, hal_lid
 * is the thread's index in its group.  The language's header defines HAL_AT,
 * hal_lid, the group operations and the types before.
 */
#define HAL_STRIDE (GROUP * VW)

#define ITEMS(i, n)  for (idx i = hal_lid; i < IDX(n); i += GROUP)
#define BLOCKS(b, n) ITEMS(b, n)
#define ITEMS2(i, ni, j, nj)                                             \
    for (idx hal_k = hal_lid; hal_k < IDX(ni) * IDX(nj); hal_k += GROUP) \
        for (idx i = hal_k / IDX(nj), j = hal_k % IDX(nj), hal_1 = 0;    \
             hal_1 < 1; hal_1++)
#define SUM_ITEMS(a, i, n) ITEMS(i, n)
#define MAX_ITEMS(a, i, n) ITEMS(i, n)
#define GRID(i, n) \
    for (idx i = GROUP_X * GROUP + hal_lid; i < IDX(n); i += GRID_X * GROUP)
#ifdef HAL_WIDE
#define HAL_STEPS(i, k, from, to, step) \
    for (idx i = (from), k = 0;         \
         i < (to) && (k = (to)-i < VW ? (to)-i : VW, 1); i += (step))
#else
#define HAL_STEPS(i, k, from, to, step) \
    for (idx i = (from), k = 1; i < (to); i += (step))
#endif
#define VITEMS(i, k, n) HAL_STEPS(i, k, hal_lid *VW, IDX(n), HAL_STRIDE)
#define VSTEPS(i, k, n) HAL_STEPS(i, k, 0, IDX(n), VW)
#define VGRID(i, k, n)                                        \
    HAL_STEPS(i, k, (GROUP_X * GROUP + hal_lid) * VW, IDX(n), \
              GRID_X * HAL_STRIDE)
#define EACH(t) for (idx t = hal_lid, hal_1 = 0; hal_1 < 1; hal_1++)
#define MY(n)   n
/* A loop, so that no else of the author's binds to it. */
#define ONCE          for (uint hal_2 = hal_lid; hal_2 == 0u; hal_2++)
#define GROUP_SUM(f)  f = hal_group_sum(f HAL_SCRATCH)
#define GROUP_MAX(f)  f = hal_group_max(f HAL_SCRATCH)
#define GROUP_UMAX(u) u = hal_group_umax(u HAL_SCRATCH)
#define GROUP_UMIN(u) u = hal_group_umin(u HAL_SCRATCH)
#define HAL_ADD(a, b) ((a) + (b))

#define EXP(x)   hal_exp(x)
#define LOG(x)   hal_log(x)
#define RSQRT(x) (1.0f / SQRT(x))

/* ---- scalars in storage formats, where memory has 8 and 16 bits -------- */

#ifndef HAL_PACKED
#define HAL_LD_bf16(b, i)     as_float(UINT(HAL_AT(b, i)) << 16)
#define HAL_LD_f16(b, i)      as_float(hal_f16_widen(UINT(HAL_AT(b, i))))
#define HAL_LD_e4m3(b, i)     hal_e4m3_widen(UINT(HAL_AT(b, i)))
#define HAL_LD_i8(b, i)       INT(HAL_AT(b, i))
#define HAL_LD_i16(b, i)      INT(HAL_AT(b, i))
#define HAL_LD_u8(b, i)       UINT(HAL_AT(b, i))
#define HAL_LD_u16(b, i)      UINT(HAL_AT(b, i))
#define HAL_ST_bf16(b, i, v)  HAL_STB_bf16(b, i, as_uint(v))
#define HAL_ST_f16(b, i, v)   HAL_STB_f16(b, i, as_uint(v))
#define HAL_ST_i8(b, i, v)    (HAL_AT(b, i) = HAL_TO_i8(v))
#define HAL_ST_i16(b, i, v)   (HAL_AT(b, i) = HAL_TO_i16(v))
#define HAL_ST_u8(b, i, v)    (HAL_AT(b, i) = HAL_TO_u8(v))
#define HAL_ST_u16(b, i, v)   (HAL_AT(b, i) = HAL_TO_u16(v))
#define HAL_LDB_bf16(b, i)    (UINT(HAL_AT(b, i)) << 16)
#define HAL_LDB_f16(b, i)     hal_f16_widen(UINT(HAL_AT(b, i)))
#define HAL_STB_bf16(b, i, u) (HAL_AT(b, i) = HAL_TO_u16(hal_bf16_round(u)))
#define HAL_STB_f16(b, i, u)  (HAL_AT(b, i) = HAL_TO_u16(hal_f16_round(u)))
#endif
#define HAL_LD_f32(b, i)     HAL_AT(b, i)
#define HAL_LD_i32(b, i)     HAL_AT(b, i)
#define HAL_LD_u32(b, i)     HAL_AT(b, i)
#define HAL_ST_f32(b, i, v)  (HAL_AT(b, i) = (v))
#define HAL_ST_i32(b, i, v)  (HAL_AT(b, i) = (v))
#define HAL_ST_u32(b, i, v)  (HAL_AT(b, i) = (v))
#define HAL_LDB_f32(b, i)    as_uint(HAL_AT(b, i))
#define HAL_STB_f32(b, i, u) (HAL_AT(b, i) = as_float(u))

/* ---- a vec is a float -------------------------------------------------- */

#ifndef HAL_WIDE
#define vec                         float
#define HAL_VLD_f32(b, i, k)        HAL_LD_f32(b, i)
#define HAL_VLD_bf16(b, i, k)       HAL_LD_bf16(b, i)
#define HAL_VLD_f16(b, i, k)        HAL_LD_f16(b, i)
#define HAL_VLD_i8(b, i, k)         FLOAT(HAL_LD_i8(b, i))
#define HAL_VLD_e4m3(b, i, k)       HAL_LD_e4m3(b, i)
#define HAL_BITS_u8(b, i, k, s, m)  FLOAT((HAL_LD_u8(b, i) >> (s)) & (m))
#define HAL_BITS_u32(b, i, k, s, m) FLOAT((HAL_LD_u32(b, i) >> (s)) & (m))
#define HAL_VST_f32(b, i, k, v)     HAL_ST_f32(b, i, v)
#define HAL_VST_bf16(b, i, k, v)    HAL_ST_bf16(b, i, v)
#define HAL_VST_f16(b, i, k, v)     HAL_ST_f16(b, i, v)
#define VLDL(m, i)                  (m)[i]
#define VSTL(m, i, v)               ((m)[i] = (v))
#define vec_set(f)                  (f)
#define vec_add(a, b)               ((a) + (b))
#define vec_sub(a, b)               ((a) - (b))
#define vec_mul(a, b)               ((a) * (b))
#define vec_div(a, b)               ((a) / (b))
#define vec_max(a, b)               MAX(a, b)
#define vec_min(a, b)               MIN(a, b)
#define vec_scale(a, f)             ((a) * (f))
#define vec_fma(a, x, y)            ((a) + (x) * (y))
#define vec_fmas(a, x, f)           ((a) + (x) * (f))
#define vec_abs(a)                  ABS(a)
#define vec_exp(a)                  hal_exp(a)
#define vec_fill(a, k, f)           (a)
#define vec_sum(a)                  (a)
#define vec_hmax(a)                 (a)
#endif
