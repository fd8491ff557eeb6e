/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_glsl.h - GLSL 4.50 for Vulkan, three flavours of memory
 * (docs/dialect.md): storage buffers with hidden element offsets; HAL_BDA,
 * addresses in the push constants; HAL_PACKED, for devices without 8 and
 * 16-bit storage, where small formats live in words of 32 bits.
 */
#define idx           uint
#define FN(T)         T
#define UNROLL        [[unroll]]
#define FLOAT(x)      float(x)
#define INT(x)        int(x)
#define UINT(x)       uint(x)
#define IDX(x)        uint(x)
#define HAL_TO_i8(v)  int8_t(int(v))
#define HAL_TO_u8(v)  uint8_t(uint(v))
#define HAL_TO_i16(v) int16_t(int(v))
#define HAL_TO_u16(v) uint16_t(uint(v))
#define as_float      uintBitsToFloat
#define as_uint       floatBitsToUint
/* Without it Mesa folds (t * a) - k * b into something less exact. */
#define HAL_EXACT   precise
#define HAL_RINT(x) roundEven(x)
#define SQRT(x)     sqrt(x)

/* A function, so that it is one statement: if (c) SYNC; else ... */
void hal_sync()
{
    memoryBarrierBuffer();
    barrier();
}
#define SYNC    hal_sync()
#define hal_lid gl_LocalInvocationIndex
#define GROUP_X gl_WorkGroupID.x
#define GROUP_Y gl_WorkGroupID.y
#define GROUP_Z gl_WorkGroupID.z
#define GRID_X  gl_NumWorkGroups.x
#define GRID_Y  gl_NumWorkGroups.y
#define GRID_Z  gl_NumWorkGroups.z
#define HAL_SCRATCH

#include "hal_gpu.h"
#include "hal_math.h"

/* ---- group operations -------------------------------------------------- */

shared uint hal_scratch[GROUP + 16];
#define HAL_GROUP_OP(name, T, IN_, OUT_, init, OP)  \
    T name(T v)                                     \
    {                                               \
        uint l = hal_lid;                           \
        hal_scratch[l] = IN_(v);                    \
        barrier();                                  \
        if (l < 16u) {                              \
            T p = init;                             \
            for (uint j = l; j < GROUP; j += 16u) { \
                T q = OUT_(hal_scratch[j]);         \
                p = OP(q, p);                       \
            }                                       \
            hal_scratch[GROUP + l] = IN_(p);        \
        }                                           \
        barrier();                                  \
        T r = init;                                 \
        UNROLL for (uint j = 0u; j < 16u; j++)      \
        {                                           \
            T q = OUT_(hal_scratch[GROUP + j]);     \
            r = OP(q, r);                           \
        }                                           \
        return r;                                   \
    }
HAL_GROUP_OP(hal_group_sum, float, as_uint, as_float, 0.0f, HAL_ADD)
HAL_GROUP_OP(hal_group_max, float, as_uint, as_float, -INF, MAX)
HAL_GROUP_OP(hal_group_umax, uint, UINT, UINT, 0u, MAX)
HAL_GROUP_OP(hal_group_umin, uint, UINT, UINT, 0xffffffffu, MIN)

/* ---- v16 --------------------------------------------------------------- */

struct v16 {
    vec4 a, b, c, d;
};
v16 v16_set(float f)
{
    return v16(vec4(f), vec4(f), vec4(f), vec4(f));
}
#define v16_zero() v16_set(0.0f)
v16 v16_add(v16 x, v16 y)
{
    return v16(x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d);
}
v16 v16_fma(v16 s, v16 x, v16 y)
{
    return v16(s.a + x.a * y.a, s.b + x.b * y.b, s.c + x.c * y.c,
               s.d + x.d * y.d);
}
v16 v16_fmas(v16 s, v16 x, float f)
{
    return v16(s.a + x.a * f, s.b + x.b * f, s.c + x.c * f, s.d + x.d * f);
}
float v16_sum(v16 v)
{
    vec4 t = (v.a + v.b) + (v.c + v.d);
    return (t.x + t.y) + (t.z + t.w);
}
float v16_get(v16 v, uint j)
{
    vec4 q = j < 4u ? v.a : j < 8u ? v.b : j < 12u ? v.c : v.d;
    return q[j & 3u];
}
vec4 hal_i8x4(uint q)
{
    return vec4(int(q << 24) >> 24, int(q << 16) >> 24, int(q << 8) >> 24,
                int(q) >> 24);
}
v16 hal_i8x16(uvec4 q)
{
    return v16(hal_i8x4(q.x), hal_i8x4(q.y), hal_i8x4(q.z), hal_i8x4(q.w));
}
vec4 hal_e4m3x4(uint q)
{
    return vec4(hal_e4m3_widen(q & 255u), hal_e4m3_widen((q >> 8) & 255u),
                hal_e4m3_widen((q >> 16) & 255u), hal_e4m3_widen(q >> 24));
}
v16 hal_e4m3x16(uvec4 q)
{
    return v16(hal_e4m3x4(q.x), hal_e4m3x4(q.y), hal_e4m3x4(q.z),
               hal_e4m3x4(q.w));
}
vec4 hal_bf16x4(uint a, uint b)
{
    return uintBitsToFloat(
        uvec4(a << 16, a & 0xffff0000u, b << 16, b & 0xffff0000u));
}
v16 hal_bf16x16(uvec4 p, uvec4 q)
{
    return v16(hal_bf16x4(p.x, p.y), hal_bf16x4(p.z, p.w), hal_bf16x4(q.x, q.y),
               hal_bf16x4(q.z, q.w));
}
vec4 hal_f16x4(uint a, uint b)
{
    return uintBitsToFloat(
        uvec4(hal_f16_widen(a & 0xffffu), hal_f16_widen(a >> 16),
              hal_f16_widen(b & 0xffffu), hal_f16_widen(b >> 16)));
}
v16 hal_f16x16(uvec4 p, uvec4 q)
{
    return v16(hal_f16x4(p.x, p.y), hal_f16x4(p.z, p.w), hal_f16x4(q.x, q.y),
               hal_f16x4(q.z, q.w));
}
v16 hal_f32x16(uvec4 p, uvec4 q, uvec4 r, uvec4 s)
{
    return v16(uintBitsToFloat(p), uintBitsToFloat(q), uintBitsToFloat(r),
               uintBitsToFloat(s));
}
uint hal_bf16x2(float x, float y)
{
    return hal_bf16_round(as_uint(x)) | (hal_bf16_round(as_uint(y)) << 16);
}
uint hal_f16x2(float x, float y)
{
    return hal_f16_round(as_uint(x)) | (hal_f16_round(as_uint(y)) << 16);
}
#define HAL_LD16_f32(b, j)                                    \
    hal_f32x16(HAL_AT(b, 4u * (j)), HAL_AT(b, 4u * (j) + 1u), \
               HAL_AT(b, 4u * (j) + 2u), HAL_AT(b, 4u * (j) + 3u))
#define HAL_LD16_bf16(b, j) \
    hal_bf16x16(HAL_AT(b, 2u * (j)), HAL_AT(b, 2u * (j) + 1u))
#define HAL_LD16_f16(b, j) \
    hal_f16x16(HAL_AT(b, 2u * (j)), HAL_AT(b, 2u * (j) + 1u))
#define HAL_LD16_i8(b, j)   hal_i8x16(HAL_AT(b, j))
#define HAL_LD16_e4m3(b, j) hal_e4m3x16(HAL_AT(b, j))
#define HAL_ST16_f32(b_, j_, v_)                           \
    {                                                      \
        v16 hal_v = v_;                                    \
        uint hal_o = 4u * (j_);                            \
        HAL_AT(b_, hal_o) = floatBitsToUint(hal_v.a);      \
        HAL_AT(b_, hal_o + 1u) = floatBitsToUint(hal_v.b); \
        HAL_AT(b_, hal_o + 2u) = floatBitsToUint(hal_v.c); \
        HAL_AT(b_, hal_o + 3u) = floatBitsToUint(hal_v.d); \
    }
#define HAL_PAIRS(F, x, y) \
    uvec4(F(x.x, x.y), F(x.z, x.w), F(y.x, y.y), F(y.z, y.w))
#define HAL_ST16_HALVES(F, b_, j_, v_)                           \
    {                                                            \
        v16 hal_v = v_;                                          \
        uint hal_o = 2u * (j_);                                  \
        HAL_AT(b_, hal_o) = HAL_PAIRS(F, hal_v.a, hal_v.b);      \
        HAL_AT(b_, hal_o + 1u) = HAL_PAIRS(F, hal_v.c, hal_v.d); \
    }
#define HAL_ST16_bf16(b, j, v) HAL_ST16_HALVES(hal_bf16x2, b, j, v)
#define HAL_ST16_f16(b, j, v)  HAL_ST16_HALVES(hal_f16x2, b, j, v)
#define hal_l4(m, i)           vec4(m[i], m[(i) + 1u], m[(i) + 2u], m[(i) + 3u])
#define LDL16(m, i)                                             \
    v16(hal_l4(m, i), hal_l4(m, (i) + 4u), hal_l4(m, (i) + 8u), \
        hal_l4(m, (i) + 12u))
#define STL16(m_, i_, v_)                              \
    {                                                  \
        v16 hal_v = v_;                                \
        uint hal_o = i_;                               \
        UNROLL for (int hal_j = 0; hal_j < 4; hal_j++) \
        {                                              \
            m_[hal_o + hal_j] = hal_v.a[hal_j];        \
            m_[hal_o + 4u + hal_j] = hal_v.b[hal_j];   \
            m_[hal_o + 8u + hal_j] = hal_v.c[hal_j];   \
            m_[hal_o + 12u + hal_j] = hal_v.d[hal_j];  \
        }                                              \
    }

/* ---- memory ------------------------------------------------------------ */

#define HAL_S_f32 float
#define HAL_S_i32 int
#define HAL_S_u32 uint
#ifdef HAL_PACKED
#define HAL_S_bf16 uint
#define HAL_S_f16  uint
#define HAL_S_i16  uint
#define HAL_S_u16  uint
#define HAL_S_i8   uint
#define HAL_S_u8   uint
#define HAL_S_e4m3 uint
#define HAL_HALF(b, i)                           \
    bitfieldExtract(b[(hal_off_##b + (i)) >> 1], \
                    int((hal_off_##b + (i)) & 1u) * 16, 16)
#define HAL_BYTE(b, i)                           \
    bitfieldExtract(b[(hal_off_##b + (i)) >> 2], \
                    int((hal_off_##b + (i)) & 3u) * 8, 8)
/* The word's other elements may belong to another group: two atomics change
 * our bits alone, and each is independent of what the neighbours do. */
#define HAL_PUT(b_, e_, mask_, per_, v_)                   \
    {                                                      \
        uint hal_e = (e_);                                 \
        uint hal_s = (hal_e & (per_ - 1u)) * (32u / per_); \
        uint hal_u = ((v_)&mask_) << hal_s;                \
        atomicAnd(b_[hal_e / per_], ~(mask_ << hal_s));    \
        atomicOr(b_[hal_e / per_], hal_u);                 \
    }
#define HAL_PUT16(b, i, v)    HAL_PUT(b, hal_off_##b + (i), 0xffffu, 2u, v)
#define HAL_PUT8(b, i, v)     HAL_PUT(b, hal_off_##b + (i), 0xffu, 4u, v)
#define HAL_LD_bf16(b, i)     as_float(HAL_HALF(b, i) << 16)
#define HAL_LD_f16(b, i)      as_float(hal_f16_widen(HAL_HALF(b, i)))
#define HAL_LD_i16(b, i)      (int(HAL_HALF(b, i) << 16) >> 16)
#define HAL_LD_u16(b, i)      HAL_HALF(b, i)
#define HAL_LD_i8(b, i)       (int(HAL_BYTE(b, i) << 24) >> 24)
#define HAL_LD_u8(b, i)       HAL_BYTE(b, i)
#define HAL_LD_e4m3(b, i)     hal_e4m3_widen(HAL_BYTE(b, i))
#define HAL_LDB_bf16(b, i)    (HAL_HALF(b, i) << 16)
#define HAL_LDB_f16(b, i)     hal_f16_widen(HAL_HALF(b, i))
#define HAL_ST_bf16(b, i, v)  HAL_PUT16(b, i, hal_bf16_round(as_uint(v)))
#define HAL_ST_f16(b, i, v)   HAL_PUT16(b, i, hal_f16_round(as_uint(v)))
#define HAL_ST_i16(b, i, v)   HAL_PUT16(b, i, uint(v))
#define HAL_ST_u16(b, i, v)   HAL_PUT16(b, i, uint(v))
#define HAL_ST_i8(b, i, v)    HAL_PUT8(b, i, uint(v))
#define HAL_ST_u8(b, i, v)    HAL_PUT8(b, i, uint(v))
#define HAL_STB_bf16(b, i, u) HAL_PUT16(b, i, hal_bf16_round(u))
#define HAL_STB_f16(b, i, u)  HAL_PUT16(b, i, hal_f16_round(u))
#else
#define HAL_S_bf16 uint16_t
#define HAL_S_f16  uint16_t
#define HAL_S_i16  int16_t
#define HAL_S_u16  uint16_t
#define HAL_S_i8   int8_t
#define HAL_S_u8   uint8_t
#define HAL_S_e4m3 uint8_t
#endif

/* ---- KERNEL ------------------------------------------------------------ */

#define HAL_G_ARG(i, k, T, n, c) HAL_G_ARG_##k(T, n)
#define HAL_G_ARG_arg(T, n)      T n;
#define HAL_G_ARG_local(T, n)
#define HAL_G_ARG_priv(T, n)
#define HAL_G_DECL(i, k, T, n, c) HAL_G_DECL_##k(i, T, n, c)
#define HAL_G_DECL_arg(i, T, n, c)
#define HAL_G_DECL_local(i, T, n, c) shared T n[c];
#define HAL_G_DECL_priv(i, T, n, c)  T n[c];
#define HAL_G_OFF(i, k, T, n, c)     HAL_G_OFF_##k(n)
#define HAL_G_OFF_arg(n)
#define HAL_G_OFF_local(n)
#define HAL_G_OFF_priv(n)
#ifdef HAL_BDA
#define HAL_AT(b, i)          b.v[i]
#define HAL_AL_f32            4
#define HAL_AL_i32            4
#define HAL_AL_u32            4
#define HAL_AL_bf16           2
#define HAL_AL_f16            2
#define HAL_AL_i16            2
#define HAL_AL_u16            2
#define HAL_AL_i8             1
#define HAL_AL_u8             1
#define HAL_AL_e4m3           1
#define HAL_G_ARG_in(T, n)    hal_r_##n n;
#define HAL_G_ARG_in16(T, n)  hal_r_##n n;
#define HAL_G_ARG_out(T, n)   hal_r_##n n;
#define HAL_G_ARG_out16(T, n) hal_r_##n n;
#define HAL_G_ARG_inout(T, n) hal_r_##n n;
#define HAL_G_REF(n, S, align, access)                               \
    layout(buffer_reference, std430, buffer_reference_align = align) \
        access buffer hal_r_##n                                      \
    {                                                                \
        S v[];                                                       \
    };
#define HAL_G_DECL_in(i, T, n, c)    HAL_G_REF(n, HAL_S_##T, HAL_AL_##T, readonly)
#define HAL_G_DECL_in16(i, T, n, c)  HAL_G_REF(n, uvec4, 16, readonly)
#define HAL_G_DECL_out(i, T, n, c)   HAL_G_REF(n, HAL_S_##T, HAL_AL_##T, )
#define HAL_G_DECL_out16(i, T, n, c) HAL_G_REF(n, uvec4, 16, )
#define HAL_G_DECL_inout(i, T, n, c) HAL_G_REF(n, HAL_S_##T, HAL_AL_##T, )
#define HAL_G_OFF_in(n)
#define HAL_G_OFF_in16(n)
#define HAL_G_OFF_out(n)
#define HAL_G_OFF_out16(n)
#define HAL_G_OFF_inout(n)
#else
#define HAL_AT(b, i) b[hal_off_##b + (i)]
#define HAL_G_ARG_in(T, n)
#define HAL_G_ARG_in16(T, n)
#define HAL_G_ARG_out(T, n)
#define HAL_G_ARG_out16(T, n)
#define HAL_G_ARG_inout(T, n)
#define HAL_G_BUF(i, n, S, access)                               \
    layout(std430, set = 0, binding = i) access buffer hal_b_##n \
    {                                                            \
        S n[];                                                   \
    };
#define HAL_G_DECL_in(i, T, n, c)    HAL_G_BUF(i, n, HAL_S_##T, readonly)
#define HAL_G_DECL_in16(i, T, n, c)  HAL_G_BUF(i, n, uvec4, readonly)
#define HAL_G_DECL_out(i, T, n, c)   HAL_G_BUF(i, n, HAL_S_##T, )
#define HAL_G_DECL_out16(i, T, n, c) HAL_G_BUF(i, n, uvec4, )
#define HAL_G_DECL_inout(i, T, n, c) HAL_G_BUF(i, n, HAL_S_##T, )
#define HAL_G_OFF_in(n)              uint hal_off_##n;
#define HAL_G_OFF_in16(n)            uint hal_off_##n;
#define HAL_G_OFF_out(n)             uint hal_off_##n;
#define HAL_G_OFF_out16(n)           uint hal_off_##n;
#define HAL_G_OFF_inout(n)           uint hal_off_##n;
#endif

#define KERNEL(name, ...)                                           \
    HAL_EACH(HAL_G_DECL, __VA_ARGS__)                               \
    layout(push_constant, std430) uniform hal_args{ HAL_EACH(       \
        HAL_G_ARG, __VA_ARGS__) HAL_EACH(HAL_G_OFF, __VA_ARGS__) }; \
    layout(local_size_x = GROUP) in;                                \
    void main()
