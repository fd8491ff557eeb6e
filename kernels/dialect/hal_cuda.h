/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_cuda.h - CUDA C++ for nvcc, NVRTC and clang.  GROUP is a multiple of 32.
 */
#ifdef HAL_NVPTX
#include "hal_nvptx.h"
#endif
#if GROUP % 32 != 0
#error GROUP must be a multiple of 32
#endif
typedef unsigned int uint;
typedef uint idx;
typedef float hal_T_f32;
typedef unsigned short hal_T_bf16, hal_T_f16, hal_T_u16;
typedef short hal_T_i16;
typedef signed char hal_T_i8;
typedef unsigned char hal_T_u8, hal_T_e4m3;
typedef int hal_T_i32;
typedef uint hal_T_u32;

#define FN(T)         __device__ static inline T
#define UNROLL        _Pragma("unroll")
#define FLOAT(x)      ((float)(x))
#define INT(x)        ((int)(x))
#define UINT(x)       ((uint)(x))
#define IDX(x)        ((idx)(x))
#define HAL_TO_i8(v)  ((signed char)(v))
#define HAL_TO_u8(v)  ((unsigned char)(v))
#define HAL_TO_i16(v) ((short)(v))
#define HAL_TO_u16(v) ((unsigned short)(v))
#define as_uint       __float_as_uint
#define as_float      __uint_as_float
#define HAL_EXACT
#define HAL_RINT(x) rintf(x)
#define SQRT(x)     __fsqrt_rn(x)

#define SYNC         __syncthreads()
#define hal_lid      threadIdx.x
#define GROUP_X      blockIdx.x
#define GROUP_Y      blockIdx.y
#define GROUP_Z      blockIdx.z
#define GRID_X       gridDim.x
#define GRID_Y       gridDim.y
#define GRID_Z       gridDim.z
#define HAL_SCRATCH  , hal_scratch
#define HAL_AT(b, i) (b)[i]

#include "hal_gpu.h"
#include "hal_math.h"

/* ---- group operations: a warp by shuffles, the warps through memory ---- */

#define HAL_GROUP_OP(name, T, IN_, OUT_, init, OP)    \
    FN(T) name(T v, uint *s)                          \
    {                                                 \
        for (int m = 16; m > 0; m >>= 1) {            \
            T q = __shfl_xor_sync(0xffffffffu, v, m); \
            v = OP(q, v);                             \
        }                                             \
        if (GROUP == 32) {                            \
            __syncwarp();                             \
            return v;                                 \
        }                                             \
        if ((hal_lid & 31u) == 0u)                    \
            s[hal_lid >> 5] = IN_(v);                 \
        __syncthreads();                              \
        T r = init;                                   \
        for (uint j = 0; j < GROUP / 32; j++) {       \
            T q = OUT_(s[j]);                         \
            r = OP(q, r);                             \
        }                                             \
        __syncthreads();                              \
        return r;                                     \
    }
HAL_GROUP_OP(hal_group_sum, float, as_uint, as_float, 0.0f, HAL_ADD)
HAL_GROUP_OP(hal_group_max, float, as_uint, as_float, -INF, MAX)
HAL_GROUP_OP(hal_group_umax, uint, UINT, UINT, 0u, MAX)
HAL_GROUP_OP(hal_group_umin, uint, UINT, UINT, 0xffffffffu, MIN)

/* ---- v16 --------------------------------------------------------------- */

struct v16 {
    float f[16];
};
#define HAL_V UNROLL for (int hal_i = 0; hal_i < 16; hal_i++)
FN(v16) v16_set(float f)
{
    v16 r;
    HAL_V r.f[hal_i] = f;
    return r;
}
#define v16_zero() v16_set(0.0f)
FN(v16) v16_add(v16 a, v16 b)
{
    HAL_V a.f[hal_i] += b.f[hal_i];
    return a;
}
FN(v16) v16_fma(v16 a, v16 x, v16 y)
{
    HAL_V a.f[hal_i] += x.f[hal_i] * y.f[hal_i];
    return a;
}
FN(v16) v16_fmas(v16 a, v16 x, float f)
{
    HAL_V a.f[hal_i] += x.f[hal_i] * f;
    return a;
}
#define v16_get(v, j) (v).f[j]
FN(float) v16_sum(v16 v)
{
    float s[4] = { 0, 0, 0, 0 };
    HAL_V s[hal_i & 3] += v.f[hal_i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}
FN(uint) hal_word(uint4 q, int i)
{
    return i == 0 ? q.x : i == 1 ? q.y : i == 2 ? q.z : q.w;
}
FN(v16) hal_ld16_f32(const float *p)
{
    v16 r;
    UNROLL for (int j = 0; j < 4; j++)
    {
        uint4 q = ((const uint4 *)p)[j];
        UNROLL for (int i = 0; i < 4; i++) r.f[4 * j + i] =
            as_float(hal_word(q, i));
    }
    return r;
}
FN(v16) hal_ld16_bf16(const unsigned short *p)
{
    v16 r;
    UNROLL for (int j = 0; j < 2; j++)
    {
        uint4 q = ((const uint4 *)p)[j];
        UNROLL for (int i = 0; i < 4; i++)
        {
            r.f[8 * j + 2 * i] = as_float(hal_word(q, i) << 16);
            r.f[8 * j + 2 * i + 1] = as_float(hal_word(q, i) & 0xffff0000u);
        }
    }
    return r;
}
FN(v16) hal_ld16_f16(const unsigned short *p)
{
    v16 r;
    UNROLL for (int j = 0; j < 2; j++)
    {
        uint4 q = ((const uint4 *)p)[j];
        UNROLL for (int i = 0; i < 4; i++)
        {
            uint w = hal_word(q, i);
            r.f[8 * j + 2 * i] = as_float(hal_f16_widen(w & 0xffffu));
            r.f[8 * j + 2 * i + 1] = as_float(hal_f16_widen(w >> 16));
        }
    }
    return r;
}
FN(v16) hal_ld16_i8(const signed char *p)
{
    v16 r;
    uint4 q = *(const uint4 *)p;
    HAL_V r.f[hal_i] =
        (float)((int)(hal_word(q, hal_i / 4) << (24 - 8 * (hal_i % 4))) >> 24);
    return r;
}
FN(v16) hal_ld16_e4m3(const unsigned char *p)
{
    v16 r;
    uint4 q = *(const uint4 *)p;
    HAL_V r.f[hal_i] =
        hal_e4m3_widen((hal_word(q, hal_i / 4) >> (8 * (hal_i % 4))) & 255u);
    return r;
}
FN(void) hal_st16_f32(float *p, v16 v)
{
    UNROLL for (int j = 0; j < 4; j++)((float4 *)p)[j] =
        make_float4(v.f[4 * j], v.f[4 * j + 1], v.f[4 * j + 2], v.f[4 * j + 3]);
}
#define HAL_ST16_HALVES(name, ROUND)                                           \
    FN(void) name(unsigned short *p, v16 v)                                    \
    {                                                                          \
        uint w[8];                                                             \
        UNROLL for (int i = 0; i < 8; i++) w[i] =                              \
            ROUND(as_uint(v.f[2 * i])) | ROUND(as_uint(v.f[2 * i + 1])) << 16; \
        ((uint4 *)p)[0] = make_uint4(w[0], w[1], w[2], w[3]);                  \
        ((uint4 *)p)[1] = make_uint4(w[4], w[5], w[6], w[7]);                  \
    }
HAL_ST16_HALVES(hal_st16_bf16, hal_bf16_round)
HAL_ST16_HALVES(hal_st16_f16, hal_f16_round)
#define HAL_LD16_f32(b, j)     hal_ld16_f32((b) + 16 * (j))
#define HAL_LD16_bf16(b, j)    hal_ld16_bf16((b) + 16 * (j))
#define HAL_LD16_f16(b, j)     hal_ld16_f16((b) + 16 * (j))
#define HAL_LD16_i8(b, j)      hal_ld16_i8((b) + 16 * (j))
#define HAL_LD16_e4m3(b, j)    hal_ld16_e4m3((b) + 16 * (j))
#define HAL_ST16_f32(b, j, v)  hal_st16_f32((b) + 16 * (j), v)
#define HAL_ST16_bf16(b, j, v) hal_st16_bf16((b) + 16 * (j), v)
#define HAL_ST16_f16(b, j, v)  hal_st16_f16((b) + 16 * (j), v)
#define LDL16(m, i)            hal_ld16_f32((m) + (i))
#define STL16(m, i, v)         hal_st16_f32((m) + (i), v)

/* ---- KERNEL ------------------------------------------------------------ */

#define HAL_N_PARAM(i, k, T, n, c) HAL_N_PARAM_##k(i, T, n)
#define HAL_N_PARAM_in(i, T, n)    HAL_SEP(i) const hal_T_##T *__restrict__ n
#define HAL_N_PARAM_in16(i, T, n)  HAL_SEP(i) const hal_T_##T *__restrict__ n
#define HAL_N_PARAM_out(i, T, n)   HAL_SEP(i) hal_T_##T *__restrict__ n
#define HAL_N_PARAM_out16(i, T, n) HAL_SEP(i) hal_T_##T *__restrict__ n
#define HAL_N_PARAM_inout(i, T, n) HAL_SEP(i) hal_T_##T *n
#define HAL_N_PARAM_arg(i, T, n)   HAL_SEP(i) T n
#define HAL_N_PARAM_local(i, T, n)
#define HAL_N_PARAM_priv(i, T, n)
#define HAL_N_BODY(i, k, T, n, c) HAL_N_BODY_##k(T, n)
#define HAL_N_BODY_in(T, n)       const hal_T_##T *__restrict__ n,
#define HAL_N_BODY_in16(T, n)     const hal_T_##T *__restrict__ n,
#define HAL_N_BODY_out(T, n)      hal_T_##T *__restrict__ n,
#define HAL_N_BODY_out16(T, n)    hal_T_##T *__restrict__ n,
#define HAL_N_BODY_inout(T, n)    hal_T_##T *n,
#define HAL_N_BODY_arg(T, n)      const T n,
#define HAL_N_BODY_local(T, n)    T *n,
#define HAL_N_BODY_priv(T, n)     T *n,
#define HAL_N_MEM(i, k, T, n, c)  HAL_N_MEM_##k(T, n, c)
#define HAL_N_MEM_in(T, n, c)
#define HAL_N_MEM_in16(T, n, c)
#define HAL_N_MEM_out(T, n, c)
#define HAL_N_MEM_out16(T, n, c)
#define HAL_N_MEM_inout(T, n, c)
#define HAL_N_MEM_arg(T, n, c)
#define HAL_N_MEM_local(T, n, c)  __shared__ __align__(16) T n[c];
#define HAL_N_MEM_priv(T, n, c)   T n[c];
#define HAL_N_PASS(i, k, T, n, c) n,

#define KERNEL(name, ...) HAL_N_KERNEL(name, __VA_ARGS__)
#define HAL_N_KERNEL(name, ...)                                             \
    FN(void) hal_body(HAL_EACH(HAL_N_BODY, __VA_ARGS__) uint *hal_scratch); \
    extern "C" __global__ void __launch_bounds__(GROUP)                     \
        name(HAL_EACH(HAL_N_PARAM, __VA_ARGS__))                            \
    {                                                                       \
        __shared__ uint hal_scratch[32];                                    \
        HAL_EACH(HAL_N_MEM, __VA_ARGS__)                                    \
        hal_body(HAL_EACH(HAL_N_PASS, __VA_ARGS__) hal_scratch);            \
    }                                                                       \
    FN(void) hal_body(HAL_EACH(HAL_N_BODY, __VA_ARGS__) uint *hal_scratch)
