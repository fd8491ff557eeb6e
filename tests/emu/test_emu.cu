// SPDX-License-Identifier: Apache-2.0
//
// test_emu.cu - kernels of test_emu.c: what threads see and do together, and
// the mistakes that the emulator must show.
typedef unsigned int uint;

#define LANES 0xffffffffu

/* Threads read what their neighbours wrote. */
extern "C" __global__ void __launch_bounds__(256) rotate_good(uint *y)
{
    __shared__ __align__(16) uint s[16 * 16];

    s[threadIdx.x] = threadIdx.x;
    __syncthreads();
    y[threadIdx.x] = s[(threadIdx.x + 1) % 256];
}
extern "C" __global__ void __launch_bounds__(256) rotate_next(uint *y)
{
    __shared__ uint s[256];

    s[threadIdx.x] = threadIdx.x;
    if (threadIdx.x < 255)
        y[threadIdx.x] = s[threadIdx.x + 1];
}
extern "C" __global__ void __launch_bounds__(256) rotate_last(uint *y)
{
    __shared__ uint s[256];

    s[threadIdx.x] = threadIdx.x;
    if (threadIdx.x)
        y[threadIdx.x - 1] = s[threadIdx.x - 1];
}

extern "C" __global__ void __launch_bounds__(256) dynamic(uint *y, uint n)
{
    __shared__ uint before[4];
    extern __shared__ uint d[];

    before[threadIdx.x & 3] = 7;
    d[threadIdx.x] = threadIdx.x * n;
    __syncthreads();
    y[threadIdx.x] = d[blockDim.x - 1 - threadIdx.x] + before[0];
}

/* Read before anything has been written, in the second block too. */
extern "C" __global__ void __launch_bounds__(256) stale(float *y)
{
    __shared__ float s[256];

    y[blockIdx.x * 256 + threadIdx.x] = s[threadIdx.x];
    __syncthreads();
    s[threadIdx.x] = 1.0f;
}

extern "C" __global__ void __launch_bounds__(256) where(uint *y)
{
    uint b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    uint t = threadIdx.x +
             blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    uint n = blockDim.x * blockDim.y * blockDim.z;

    y[b * n + t] = y[b * n + t] + b * 1000 + t;
}

extern "C" __global__ void __launch_bounds__(256) warps(uint *y)
{
    uint t = threadIdx.x, half = t & 16 ? 0xffff0000u : 0x0000ffffu, sum = t;
    unsigned long long wide = t * 4294967297ull;

    y[t] = __shfl_xor_sync(LANES, t, 5);
    y[256 + t] = __shfl_down_sync(LANES, t, 3);
    y[512 + t] = __shfl_up_sync(LANES, t, 3);
    y[768 + t] = __shfl_sync(LANES, wide, 9) >> 32;
    y[1024 + t] = __ballot_sync(LANES, t % 3 == 0);
    /* halves of a warp on their own, the upper one more often */
    for (uint i = 0; i < (t & 16 ? 2u : 1u); i++)
        sum += __shfl_xor_sync(half, sum, 1);
    __syncwarp();
    y[1280 + t] = sum;
}

extern "C" __global__ void __launch_bounds__(256) behind(uint *y)
{
    __shared__ uint s[8];

    s[threadIdx.x] = 1;
    __syncthreads();
    y[0] = s[0];
}
extern "C" __global__ void __launch_bounds__(256) half_barrier(uint *y)
{
    if (threadIdx.x < 128)
        __syncthreads();
    y[threadIdx.x] = 1;
}
extern "C" __global__ void __launch_bounds__(256) half_shuffle(uint *y)
{
    if (threadIdx.x & 1)
        y[threadIdx.x] = __shfl_xor_sync(LANES, 1u, 1);
}
extern "C" __global__ void __launch_bounds__(256) outside(uint *y)
{
    y[threadIdx.x] = __shfl_sync(0xfffffff0u, 1u, 5);
}
extern "C" __global__ void __launch_bounds__(256) large(uint *y)
{
    __shared__ uint s[12289];

    s[threadIdx.x] = 1;
    y[0] = s[0];
}
extern "C" __global__ void __launch_bounds__(256) deep(uint *y)
{
    volatile char far[130 * 1024];

    for (uint i = 0; i < sizeof far; i++)
        far[i] = (char)i;
    y[0] = far[y[0] % 1000];
}
extern "C" __global__ void nothing()
{
}
