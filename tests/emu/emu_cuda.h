/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emu_cuda.h - the CUDA C++ that the dialect's expansion uses, for g++.  What
 * is not here does not compile.  `__shared__` and the list of kernels are not
 * the preprocessor's work: emu_text.c rewrites the one and writes the other.
 */
#ifndef TESTS_EMU_EMU_CUDA_H
#define TESTS_EMU_EMU_CUDA_H

#include "tests/emu/emu_internal.h"

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

#define threadIdx (emu_self->thread)
#define blockIdx  (emu_self->block)
#define blockDim  (emu_self->block_dim)
#define gridDim   (emu_self->grid_dim)

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w)
{
    return uint4{ x, y, z, w };
}
static inline float4 make_float4(float x, float y, float z, float w)
{
    return float4{ x, y, z, w };
}

template <class To, class From> static inline To emu_bits(From value)
{
    static_assert(sizeof(To) >= sizeof(From), "the value does not fit");
    To out = To();

    __builtin_memcpy(&out, &value, sizeof value);
    return out;
}

static inline unsigned __float_as_uint(float f)
{
    return emu_bits<unsigned>(f);
}
static inline float __uint_as_float(unsigned u)
{
    return emu_bits<float>(u);
}
static inline float __fsqrt_rn(float f)
{
    return __builtin_sqrtf(f);
}
static inline float rintf(float f)
{
    return __builtin_rintf(f);
}

static inline void __syncthreads()
{
    emu_block_barrier();
}
static inline void __syncwarp(unsigned mask = 0xffffffffu)
{
    emu_warp_barrier(mask);
}

template <class T>
static inline T emu_shuffle_of(unsigned mask, T value, unsigned lane)
{
    uint64_t got = emu_shuffle(mask, emu_bits<uint64_t>(value), lane);
    T out;

    __builtin_memcpy(&out, &got, sizeof out);
    return out;
}
template <class T> static inline T __shfl_sync(unsigned mask, T value, int lane)
{
    return emu_shuffle_of(mask, value, lane & 31);
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int bits)
{
    return emu_shuffle_of(mask, value, emu_lane() ^ bits);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned by)
{
    unsigned lane = emu_lane();

    return emu_shuffle_of(mask, value, by > lane ? lane : lane - by);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned by)
{
    unsigned lane = emu_lane();

    return emu_shuffle_of(mask, value, by > 31 - lane ? lane : lane + by);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate)
{
    return emu_ballot(mask, predicate);
}
static inline int __any_sync(unsigned mask, int predicate)
{
    return emu_ballot(mask, predicate) != 0;
}
static inline int __all_sync(unsigned mask, int predicate)
{
    return emu_ballot(mask, predicate) == mask;
}

/* ---- instructions of tensor cores (kernels/tuned/cuda/mma.h) --------------
 */

static inline void ptx_copy16(void *to, const void *from, unsigned bytes)
{
    emu_copy_async(to, from, bytes, 16);
}
static inline void ptx_copy_commit()
{
    emu_copy_commit();
}
static inline void ptx_copy_wait3()
{
    emu_copy_wait(3);
}

static inline void ptx_load_matrices(unsigned *to, const unsigned *row)
{
    const void *const *rows = emu_show(row);
    unsigned lane = emu_lane(), got[4];

    for (unsigned i = 0; i < 4; i++)
        got[i] = ((const unsigned *)rows[8 * i + lane / 4])[lane % 4];
    emu_warp_barrier(0xffffffffu);
    for (unsigned i = 0; i < 4; i++)
        to[i] = got[i];
}

static inline float emu_bf16(const unsigned *words, unsigned i)
{
    return emu_bits<float>((words[i / 2] >> 16 * (i % 2)) << 16);
}

static inline float emu_e4m3(const unsigned *words, unsigned i)
{
    unsigned code = words[i / 4] >> 8 * (i % 4) & 255u, m = code & 7u;
    int e = (int)(code >> 3 & 15u);
    float f = (code & 127u) == 127u ? __builtin_nanf("")
              : e                   ? __builtin_ldexpf((float)(8u + m), e - 10)
                                    : __builtin_ldexpf((float)m, -9);

    return code & 128u ? -f : f;
}

/* As the PTX manual spreads m16n8k16 and m16n8k32, with PER = 2 and 4 elements
 * in a word: a lane has of a the rows lane / 4 and 8 further, columns from PER
 * (lane % 4) on, and both 4 PER further; of b the column lane / 4 and such
 * rows; of d such rows, and columns 2 (lane % 4) and the next. */
template <unsigned PER, float element(const unsigned *, unsigned)>
static inline void emu_mma(float *d, const unsigned *a, const unsigned *b)
{
    struct fragments {
        unsigned a[4], b[2];
    } mine = { { a[0], a[1], a[2], a[3] }, { b[0], b[1] } };
    const void *const *all = emu_show(&mine);
    unsigned lane = emu_lane();

    for (unsigned e = 0; e < 4; e++) {
        unsigned row = lane / 4, column = lane % 4 * 2 + e % 2;

        for (unsigned k = 0; k < 8 * PER; k++) {
            unsigned four = k % (4 * PER) / PER, half = k / (4 * PER);
            const fragments *of_a = (const fragments *)all[row * 4 + four];
            const fragments *of_b = (const fragments *)all[column * 4 + four];

            d[e] += element(&of_a->a[half * 2 + e / 2], k % PER) *
                    element(&of_b->b[half], k % PER);
        }
    }
    emu_warp_barrier(0xffffffffu);
}

static inline void ptx_mma_bf16(float *d, const unsigned *a, const unsigned *b)
{
    emu_mma<2, emu_bf16>(d, a, b);
}

static inline void ptx_mma_e4m3(float *d, const unsigned *a, const unsigned *b)
{
    emu_mma<4, emu_e4m3>(d, a, b);
}

/* ---- conversions (kernels/tuned/cuda/convert.h) -------------------------- */

/* f32 to bf16 of either, low first; every NaN is 0x7fff. */
static inline unsigned ptx_pack_bf16(float low, float high)
{
    unsigned bits[2] = { emu_bits<unsigned>(low), emu_bits<unsigned>(high) };

    for (unsigned &u : bits)
        u = (u & 0x7fffffffu) > 0x7f800000u
                ? 0x7fffu
                : (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
    return bits[1] << 16 | bits[0];
}

/* To units of 2^-24, or of the 11th bit where that is more. */
static inline unsigned emu_f16(float f)
{
    unsigned sign = emu_bits<unsigned>(f) >> 16 & 0x8000u;
    float a = __builtin_fabsf(f);
    int e = a < 0x1p-14f ? -14 : a >= 65520.0f ? 16 : __builtin_ilogbf(a);

    if (f != f)
        return 0x7fffu;
    if (e > 15)
        return sign | 0x7c00u;
    return sign | (((unsigned)(e + 14) << 10) +
                   (unsigned)__builtin_rintf(__builtin_ldexpf(a, 10 - e)));
}

static inline unsigned ptx_pack_f16(float low, float high)
{
    return emu_f16(high) << 16 | emu_f16(low);
}

static inline float ptx_widen_f16(unsigned short bits)
{
    int e = bits >> 10 & 31, m = bits & 1023;
    float f = e == 31 ? (m ? __builtin_nanf("") : __builtin_inff())
              : e     ? __builtin_ldexpf((float)(1024 + m), e - 25)
                      : __builtin_ldexpf((float)m, -24);

    return bits & 0x8000 ? -f : f;
}

/* ---- entries ------------------------------------------------------------- */

template <unsigned... I> struct emu_indices {
};
template <unsigned n, unsigned... I>
struct emu_range : emu_range<n - 1, n - 1, I...> {
};
template <unsigned... I> struct emu_range<0, I...> {
    typedef emu_indices<I...> type;
};

template <class... A, unsigned... I>
static inline void emu_apply(void (*f)(A...), void **args, emu_indices<I...>)
{
    (void)args; /* of a kernel without any */
    f(*static_cast<A *>(args[I])...);
}

template <class... A> static constexpr unsigned emu_count(void (*)(A...))
{
    return sizeof...(A);
}

#define EMU_KERNEL(name, bounds)                                               \
    static void emu_call_##name(void **args)                                   \
    {                                                                          \
        emu_apply(name, args, emu_range<emu_count(name)>::type{});             \
    }                                                                          \
    static struct emu_kernel emu_kernel_##name = { #name, bounds,              \
                                                   emu_count(name),            \
                                                   emu_call_##name, nullptr }; \
    __attribute__((constructor)) static void emu_add_##name()                  \
    {                                                                          \
        emu_register(&emu_kernel_##name);                                      \
    }

#endif
