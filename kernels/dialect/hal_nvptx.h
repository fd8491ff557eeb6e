/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_nvptx.h - the CUDA C++ that hal_cuda.h uses, for clang alone: its NVPTX
 * target knows the machine, the names are the toolkit's, which need not be
 * installed.  What is not here does not compile.
 */
#define __device__           __attribute__((device))
#define __global__           __attribute__((global))
#define __shared__           __attribute__((shared))
#define __launch_bounds__(n) __attribute__((launch_bounds(n)))
#define __align__(n)         __attribute__((aligned(n)))

struct hal_dim {
    unsigned int x, y, z;
};
#define HAL_SREGS(name, reg)                                  \
    __device__ static inline hal_dim name()                   \
    {                                                         \
        hal_dim d;                                            \
        d.x = (unsigned int)__nvvm_read_ptx_sreg_##reg##_x(); \
        d.y = (unsigned int)__nvvm_read_ptx_sreg_##reg##_y(); \
        d.z = (unsigned int)__nvvm_read_ptx_sreg_##reg##_z(); \
        return d;                                             \
    }
HAL_SREGS(hal_thread_idx, tid)
HAL_SREGS(hal_block_idx, ctaid)
HAL_SREGS(hal_block_dim, ntid)
HAL_SREGS(hal_grid_dim, nctaid)
#define threadIdx hal_thread_idx()
#define blockIdx  hal_block_idx()
#define blockDim  hal_block_dim()
#define gridDim   hal_grid_dim()

struct __align__(16) uint4
{
    unsigned int x, y, z, w;
};
struct __align__(16) float4
{
    float x, y, z, w;
};
__device__ static inline uint4 make_uint4(unsigned int x, unsigned int y,
                                          unsigned int z, unsigned int w)
{
    uint4 r = { x, y, z, w };
    return r;
}
__device__ static inline float4 make_float4(float x, float y, float z, float w)
{
    float4 r = { x, y, z, w };
    return r;
}
__device__ static inline unsigned int __float_as_uint(float f)
{
    return __builtin_bit_cast(unsigned int, f);
}
__device__ static inline float __uint_as_float(unsigned int u)
{
    return __builtin_bit_cast(float, u);
}
__device__ static inline float __fsqrt_rn(float f)
{
    return __nvvm_sqrt_rn_f(f);
}
#define rintf __builtin_rintf

__device__ static inline void __syncwarp()
{
    __nvvm_bar_warp_sync(0xffffffffu);
}
__device__ static inline float __shfl_xor_sync(unsigned int mask, float v,
                                               int bits)
{
    return __nvvm_shfl_sync_bfly_f32(mask, v, bits, 31);
}
__device__ static inline unsigned int __shfl_xor_sync(unsigned int mask,
                                                      unsigned int v, int bits)
{
    return (unsigned int)__nvvm_shfl_sync_bfly_i32(mask, (int)v, bits, 31);
}
