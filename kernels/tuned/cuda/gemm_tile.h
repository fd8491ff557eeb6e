/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm_tile.h - a tile of 128 x 128 of x . w^T in bf16 by mma.sync, for the
 * product of two matrices and that of many experts: rows of x and w come from
 * wherever the kernel says.
 *
 * A group's 8 warps have 64 x 32 each, in 64 registers of sums a thread.  x and
 * w come in steps of 16 along k through a ring of 5 stages in shared memory,
 * filled 4 steps ahead by copies that no thread waits for.  Where rows are not
 * aligned to 16 bytes, the threads copy element by element.  What lies outside
 * of x and w is 0.
 *
 * A row of a stage is 32 bytes, two chunks of 16; rows in which bit 2 is set
 * have theirs exchanged, so that the 8 rows that are loaded together lie in
 * different banks.
 */

#define TILE       128
#define STEP       16
#define STAGES     5
#define ROW_UINTS  8 /* of a stage's row */
#define SIDE_UINTS (TILE * ROW_UINTS)
#define RING_UINTS (STAGES * 2 * SIDE_UINTS)

#ifdef HAL_CUDA
#include "mma.h"

/* Where a chunk of a row lies in a side of a stage. */
FN(uint) chunk_at(uint row, uint chunk)
{
    return row * ROW_UINTS + ((chunk ^ (row >> 2 & 1u)) << 2);
}

/* One chunk of 8 elements of row `row`, from column k on. */
FN(void)
fill_chunk(uint *to, const unsigned short *from, uint row, uint rows, uint k,
           uint depth, bool is_aligned)
{
    const unsigned short *at = from + row * depth + k;
    uint n = row < rows && k < depth ? depth - k : 0u;

    if (is_aligned) {
        ptx_copy16(to, n ? at : from, n ? 16u : 0u);
        return;
    }
    UNROLL for (uint i = 0; i < 4u; i++)
    {
        uint low = 2u * i < n ? at[2u * i] : 0u;
        uint high = 2u * i + 1u < n ? at[2u * i + 1u] : 0u;

        to[i] = high << 16 | low;
    }
}

/* 256 threads, 256 chunks of either side: this thread's are of x_row and
 * w_row. */
FN(void)
fill_stage(uint *stage, const unsigned short *x, const unsigned short *w,
           uint x_row, uint x_rows, uint w_row, uint w_rows, uint k0,
           uint depth, bool is_aligned)
{
    uint chunk = threadIdx.x & 1u, at = chunk_at(threadIdx.x >> 1, chunk);
    uint k = k0 + 8u * chunk;

    fill_chunk(stage + at, x, x_row, x_rows, k, depth, is_aligned);
    fill_chunk(stage + SIDE_UINTS + at, w, w_row, w_rows, k, depth, is_aligned);
}

/* The warp's 64 x 32 of one step. */
FN(void)
multiply_stage(float acc[4][4][4], const uint *stage, uint warp_m, uint warp_n)
{
    uint lane = threadIdx.x & 31u, r = lane & 7u, j = lane >> 3;
    const uint *side = stage + SIDE_UINTS;
    uint a[4][4], b[4][2];

    UNROLL for (uint i = 0; i < 4u; i++)
    {
        uint row = warp_m * 64u + i * 16u + (j & 1u) * 8u + r;

        ptx_load_matrices(a[i], stage + chunk_at(row, j >> 1));
    }
    UNROLL for (uint i = 0; i < 4u; i += 2u)
    {
        uint row = warp_n * 32u + i * 8u + (j >> 1) * 8u + r, four[4];

        ptx_load_matrices(four, side + chunk_at(row, j & 1u));
        b[i][0] = four[0];
        b[i][1] = four[1];
        b[i + 1u][0] = four[2];
        b[i + 1u][1] = four[3];
    }
    UNROLL for (uint i = 0; i < 4u; i++) UNROLL for (uint c = 0; c < 4u; c++)
        ptx_mma_bf16(acc[i][c], a[i], b[c]);
}

/* All steps of a tile: acc becomes the warp's part of x . w^T.  A thread fills
 * row threadIdx.x / 2 of either side, which is x_row of x and w_row of w; rows
 * at x_rows, w_rows and beyond are 0.  For a kernel's body, as it has barriers:
 * at the first the tile before has been read, at the second this stage is full
 * and the one before has been read. */
#define MAKE_TILE(acc, ring, x, w, x_row, x_rows, w_row, w_rows, depth,        \
                  is_aligned)                                                  \
    {                                                                          \
        const unsigned short *w_ = (w);                                        \
        const uint steps_ = ((depth) + STEP - 1u) / STEP;                      \
        const uint x_row_ = (x_row), w_row_ = (w_row);                         \
        UNROLL for (uint i_ = 0; i_ < 64u; i_++)                               \
            acc[i_ >> 4][i_ >> 2 & 3u][i_ & 3u] = 0.0f;                        \
        __syncthreads();                                                       \
        for (uint s_ = 0; s_ < STAGES - 1u; s_++) {                            \
            if (s_ < steps_)                                                   \
                fill_stage(ring + s_ * 2u * SIDE_UINTS, x, w_, x_row_, x_rows, \
                           w_row_, w_rows, s_ * STEP, depth, is_aligned);      \
            ptx_copy_commit();                                                 \
        }                                                                      \
        for (uint s_ = 0; s_ < steps_; s_++) {                                 \
            const uint next_ = s_ + STAGES - 1u;                               \
            ptx_copy_wait3();                                                  \
            __syncthreads();                                                   \
            if (next_ < steps_)                                                \
                fill_stage(ring + next_ % STAGES * 2u * SIDE_UINTS, x, w_,     \
                           x_row_, x_rows, w_row_, w_rows, next_ * STEP,       \
                           depth, is_aligned);                                 \
            ptx_copy_commit();                                                 \
            multiply_stage(acc, ring + s_ % STAGES * 2u * SIDE_UINTS,          \
                           threadIdx.x >> 5 & 1u, threadIdx.x >> 6);           \
        }                                                                      \
    }

/* Where number i of acc's 64 lies in the tile. */
FN(uint) tile_row(uint i)
{
    return (threadIdx.x >> 5 & 1u) * 64u + (i >> 4) * 16u + (i >> 1 & 1u) * 8u +
           (threadIdx.x >> 2 & 7u);
}

FN(uint) tile_column(uint i)
{
    return (threadIdx.x >> 6) * 32u + (i >> 2 & 3u) * 8u +
           (threadIdx.x & 3u) * 2u + (i & 1u);
}
#endif
