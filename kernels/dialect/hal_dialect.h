/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_dialect.h - the manual for kernel authors: one source, every device.
 *
 * The shape of a kernel
 *
 *     #pragma hal instance T=f32
 *     #pragma hal instance T=bf16
 *     #include "hal_dialect.h"
 *
 *     KERNEL(HAL_CAT(scale_, T), IN(T, x), OUT(T, y), ARG(uint, rows),
 *            ARG(uint, n), ARG(float, s))
 *     {
 *         for (idx row = GROUP_X; row < rows; row += GRID_X)
 *             VITEMS(i, k, n)
 *                 VST(T, y, row * n + i, k,
 *                     vec_scale(VLD(T, x, row * n + i, k), s));
 *     }
 *
 * The body is the code of one GROUP of threads, written once per group; what
 * is parallel lies in the statements below.  A group is GROUP threads on a GPU
 * and one call on a CPU.  Groups run in any order, at any time; a grid may
 * have any number of them, so loop over the work with stride GRID_X.
 *
 * The file is expanded once per instance line with its macros defined; each
 * instance gives its kernel another name.  `#pragma hal skip cuda` leaves a
 * variant of compiler/variants.def out.
 *
 * Parameters: launch arguments first (at most 32), then LOCAL and PRIV
 *     IN(T, n) OUT(T, n) INOUT(T, n)  device buffer of storage format T; no
 *         two may overlap, save that an INOUT may be the same as another
 *     IN16(T, n) OUT16(T, n)  the same, 16-byte aligned, touched with LD16 and
 *         ST16 only
 *     ARG(type, n)            scalar: float, int or uint
 *     LOCAL(type, n, count)   memory of the group: float, int or uint; for
 *         LDL16 and STL16 let count be a multiple of 16.  Keep the sum of all
 *         below 28 KiB for devices that have no more (256 KiB: HAL_LARGE)
 *     PRIV(type, n, count)    memory of each thread that outlives SYNC, named
 *         MY(n)[j] inside EACH(t), the index called t: float, int, uint or v16
 *
 * Storage formats: f32 bf16 f16 e4m3, read as float; i8 i16 i32, read as int;
 * u8 u16 u32, read as uint.  (e4m3 is read only.)
 *     LD(T, b, i)  ST(T, b, i, v)   element i; stores round to nearest even
 *     LDBITS(T, b, i)  STBITS(T, b, i, u)   a float format as the bits of the
 *         equal f32 (never flushed, NaN stays NaN); STBITS rounds
 *
 * Statements that spread work over the group's threads (stmt: one statement)
 *     ITEMS(i, n) stmt        i in [0, n), each by some thread
 *     ITEMS2(i, ni, j, nj)    the same over a rectangle, j fastest
 *     BLOCKS(b, n) stmt       ITEMS whose body has loops of its own
 *     VITEMS(i, k, n) stmt    [0, n) by vectors: i is the first of k elements,
 *         1 <= k <= VW
 *     EACH(t) stmt            once per thread, t in [0, GROUP)
 *     ONCE stmt               by one thread
 *     GRID(i, n) stmt         i in [0, n) spread over the whole grid
 *     VGRID(i, k, n) stmt     VITEMS over the whole grid
 * One thread alone walks with VSTEPS(i, k, n) stmt.
 * In their bodies: no SYNC, break, return or GROUP_ operation, and no second
 * statement of this list.  All of it stands in the KERNEL's own body, not in
 * a helper.  The compiler refuses the rest, on every target.
 *     SYNC      barrier: LOCAL and buffer writes before it are seen after it.
 *         All threads must get there: only under conditions that are the same
 *         for the whole group
 *     GROUP_SUM(f) GROUP_MAX(f)  float variable f becomes the group's sum or
 *         maximum, the same in every thread.  A NaN makes the sum NaN; the
 *         maximum may drop it.  Barriers, as SYNC.
 *     GROUP_UMAX(u) GROUP_UMIN(u)  the same for a uint
 *     A variable that is added to in ITEMS or VITEMS holds a thread's share:
 *     GROUP_SUM it before use.  (On a CPU, SUM_ITEMS(f, i, n) stmt and
 *     MAX_ITEMS(f, i, n) stmt are an ITEMS that vectorises such sums.)
 *
 * vec: VW floats.  VW is 16 where a group has one thread with vector
 * registers (CPUs), 1 where it has many, so that the same lines are fast on
 * both.
 *     VLD(T, b, i, k)  VST(T, b, i, k, v)   k elements from i, any alignment;
 *         the lanes past k read 0 and are not written.  VLD also of i8 e4m3
 *     VBITS(T, b, i, k, s, m)  (element >> s) & m of k elements of a u8 or u32
 *         buffer, as floats; m below 2^24
 *     VLDL(m, i)  VSTL(m, i, v)   all VW lanes of LOCAL float memory
 *     vec_set(f) vec_add vec_sub vec_mul vec_div vec_min vec_max(a, b)
 *     vec_scale(a, f) vec_fma(a, x, y): a + x y   vec_fmas(a, x, f): a + x f
 *     vec_abs vec_exp(a)   vec_fill(a, k, f): lanes from k on become f
 *     vec_sum(a) vec_hmax(a): over the lanes, a float
 * v16: 16 floats in one thread, on every device (register tiles).
 *     v16_zero() v16_set(f) v16_add(a, b) v16_fma(a, x, y) v16_fmas(a, x, f)
 *     v16_sum(a)   v16_get(a, j): lane j, known once loops are unrolled
 *     LD16(T, b, j)  ST16(T, b, j, v)  elements 16 j .. 16 j + 15 of an IN16
 *         or OUT16 buffer: f32 bf16 f16; IN16 also i8 e4m3
 *     LDL16(m, i)  STL16(m, i, v)  LOCAL float memory from element i, a
 *         multiple of 16
 *
 * Index and size: idx is the type of indices (signed on CPUs, unsigned 32 bits
 * on GPUs: do not count down below 0).  FLOAT(x) INT(x) UINT(x) IDX(x) cast;
 * FN(type) name(...) declares a helper.  GROUP, GROUP_X _Y _Z, GRID_X _Y _Z.
 * UNROLL before a for with constant bounds.  MIN MAX ABS of scalars.
 * as_float(u), as_uint(f), INF.
 * Mathematics, the same numbers (within 2 ulp) on every device, infinities and
 * NaN kept: EXP(x) LOG(x) SQRT(x) RSQRT(x) IS_NAN(x).
 *
 * Targets: HAL_CPU HAL_OPENCL HAL_GLSL HAL_CUDA, and HAL_WIDE where VW is 16.
 * Names that one of the targets reserves are refused on every target: GLSL's
 * (input, output, sample, half, filter, common, active, buffer, shared),
 * OpenCL's (global, local, kernel), C++'s (new, this), for kernels and helpers
 * the built-in functions' too (step, mix, dot, clamp), and whatever begins with
 * hal_ or gl_.  compiler/reserved.def is the list.  compiler/keywords.def lists
 * C's words, with what to write for those that not all targets have.
 *
 * Traps
 * - llvmpipe silently ends every loop after 65,535 iterations, summed over a
 *   thread's whole life: stay below 32,000; UNROLL inner loops.
 * - Compilers take minutes over more than 128 accumulators a thread.
 * - No goto, no pointers, no recursion, no switch fall-through (GLSL).
 */
#ifndef HAL_DIALECT_H
#define HAL_DIALECT_H

#include "hal_pp.h"

#ifndef GROUP
#ifdef HAL_DEFAULT_GROUP
#define GROUP HAL_DEFAULT_GROUP
#else
#define GROUP 1
#endif
#endif

/* What the reflection record calls chunk: a GRID adapts to any grid. */
#ifndef CHUNK
#define CHUNK 0
#endif

#if defined(HAL_CPU) || defined(HAL_SMALL)
#define HAL_WIDE 1
#define VW       16
#else
#define VW 1
#endif

#define IN(T, n)       (in, T, n, 0)
#define OUT(T, n)      (out, T, n, 0)
#define INOUT(T, n)    (inout, T, n, 0)
#define IN16(T, n)     (in16, T, n, 0)
#define OUT16(T, n)    (out16, T, n, 0)
#define ARG(T, n)      (arg, T, n, 0)
#define LOCAL(T, n, c) (local, T, n, c)
#define PRIV(T, n, c)  (priv, T, n, c)

#define LD(T, b, i)             HAL_CAT(HAL_LD_, T)(b, i)
#define ST(T, b, i, v)          HAL_CAT(HAL_ST_, T)(b, i, v)
#define LDBITS(T, b, i)         HAL_CAT(HAL_LDB_, T)(b, i)
#define STBITS(T, b, i, u)      HAL_CAT(HAL_STB_, T)(b, i, u)
#define VLD(T, b, i, k)         HAL_CAT(HAL_VLD_, T)(b, i, k)
#define VST(T, b, i, k, v)      HAL_CAT(HAL_VST_, T)(b, i, k, v)
#define VBITS(T, b, i, k, s, m) HAL_CAT(HAL_BITS_, T)(b, i, k, s, m)
#define LD16(T, b, j)           HAL_CAT(HAL_LD16_, T)(b, j)
#define ST16(T, b, j, v)        HAL_CAT(HAL_ST16_, T)(b, j, v)

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define ABS(a)    as_float(as_uint(a) & 0x7fffffffu)
#define INF       as_float(0x7f800000u)
#define IS_NAN(x) ((as_uint(x) & 0x7fffffffu) > 0x7f800000u)

#if defined(HAL_META)
#include "hal_meta.h"
#elif defined(HAL_CPU)
#include "hal_cpu.h"
#elif defined(HAL_OPENCL)
#include "hal_opencl.h"
#elif defined(HAL_GLSL)
#include "hal_glsl.h"
#elif defined(HAL_CUDA)
#include "hal_cuda.h"
#else
#error define HAL_CPU, HAL_OPENCL, HAL_GLSL or HAL_CUDA
#endif

#endif
