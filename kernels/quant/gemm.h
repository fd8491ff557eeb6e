/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm.h - y[m][n] = x[m][k] . w[n][k]^T (+ bias[n]) with quantised weights, by
 * tiles of floats that are dequantised once.  Any shape: tiles are padded with
 * zeros when they are packed, and stored by what is inside.  The tiling is
 * gemm.k's: MB x NB a group on CPUs, BM x BN on GPUs.
 *
 * The including kernel defines NAME, Q_Y, Q_XS, Q_WS, Q_XLD, Q_WLD and Q_MORE
 * as for gemv.h, and:
 *
 * Q_SPLIT: products of so many k, a multiple of 16, are summed in f32 before
 * Q_MERGE and Q_TERM; at most 256.
 *
 * Q_PANEL(m, at, step, col, k0, len, kc): where HAL_WIDE, instead of Q_WLD for
 * weights whose rows lie along n: stores 16 columns of len k from k0, and zeros
 * up to kc, at m[at], m[at + step], ...
 *
 * Q_SUM: the type of the sum that waits, float or int.
 *
 * Q_MERGE(at, v, first, row, col, k0): where HAL_WIDE, adds the 16 sums v of a
 * row to cs[at]..., or sets them if `first`.
 *
 * Q_TERM(f): elsewhere, what one sum becomes, a Q_SUM; Q_OF_COLS(col, k0) and
 * Q_OF_ROW(row, k0) before it, where it needs them, declare what 16 columns and
 * what a row have in common.
 *
 * Q_PUT(at, sum, row, col): stores y[at].
 *
 * row and col may lie past the end in Q_MERGE and Q_OF_*, where nothing of it
 * is kept.  16 columns from a multiple of 16 have one k0 and one scale.
 *
 * An instance that defines GROUPED multiplies the rows of each expert by its
 * own weights (experts.h, which defines Q_MORE then); row is one of x there.
 * How many rows an expert has the device alone knows: its groups deal out the
 * tiles by walking the experts, each beginning where the last one ended.
 */
#include "quant/experts.h"

/* k elements of the tile's r-th row of x. */
#define Q_XTILE(r, i, k) Q_XLD(Q_FROM(r), i, k)

#ifndef Q_MORE
#define Q_MORE
#endif
#ifndef Q_OF_COLS
#define Q_OF_COLS(col, k0)
#define Q_OF_ROW(row, k0)
#endif
#define PARAMS                                                  \
    Q_Y, Q_XS, Q_WS, IN(f32, bias), ARG(uint, m), ARG(uint, n), \
        ARG(uint, depth), ARG(uint, flags), ARG(uint, units) Q_MORE

#ifdef HAL_WIDE
#include "quant/tile.h"

#if defined(HAL_V4)
#define MR 12
#define NV 2
#define MB 192
#define NB 256
#elif defined(HAL_V3)
#define MR 6
#define NV 1
#define MB 192
#define NB 256
#elif defined(HAL_CPU)
#define MR 2
#define NV 1
#define MB 128
#define NB 128
#elif defined(HAL_LARGE) /* OpenCL: 132 KiB of LOCAL memory in all */
#define MR 12
#define NV 2
#define MB 96
#define NB 96
#else /* 26 KiB */
#define MR 8
#define NV 2
#define MB 16
#define NB 32
#endif
#define NR (16 * NV)
#ifdef HAL_CPU
#define KC Q_SPLIT
#else
#define KC 128
#endif

/* as: MB / MR panels of KC x MR, and the 16 floats that scatter may overrun */
KERNEL(NAME, PARAMS, LOCAL(float, as, MB *KC + 16), LOCAL(float, bs, NB *KC),
       LOCAL(Q_SUM, cs, MB *NB))
{
    /* Tiles as large as fit, smaller while that leaves units idle. */
    idx mb = MB, nb = NB;
    for (int i = 0; i < 4; i++) {
        idx tiles = Q_MANY * ((Q_TYPICAL + mb - 1) / mb) * ((n + nb - 1) / nb);
        if (tiles >= 3 * IDX(units))
            break;
        if (nb > 2 * NR && (nb >= mb || Q_TYPICAL <= mb / 2))
            nb = nb / 2;
        else if (mb > 4 * MR)
            mb = mb / 2;
    }
    mb = (mb + MR - 1) / MR * MR;
    idx tn = (n + nb - 1) / nb, turn = 0;
    Q_EACH_EXPERT
    {
        idx first = Q_FIRST, past = Q_PAST;
        idx tm = past > first ? (past - first + mb - 1) / mb : 0;
        /* Group g's share of the tiles, for any number of groups. */
        idx base = tm * tn / GRID_X, rest = tm * tn % GRID_X;
        idx g = (IDX(GROUP_X) + GRID_X - turn) % GRID_X;
        idx t0 = base * g + MIN(g, rest);
        idx t1 = t0 + base + (g < rest ? 1 : 0);
        turn = (turn + rest) % GRID_X;

        for (idx tile = t0; tile < t1; tile++) {
            idx row0 = first + tile % tm * mb, col0 = tile / tm * nb;
            idx rows = MIN(past - row0, mb), cols = MIN(IDX(n) - col0, nb);
            Q_LOOK_UP(MB)
            for (idx k0 = 0; k0 < depth; k0 += KC) {
                idx len = MIN(IDX(depth) - k0, IDX(KC));
                idx kc = (len + 15) / 16 * 16;
#ifdef Q_PANEL
                for (idx c = 0; c < (cols + NR - 1) / NR * NR; c += 16)
                    Q_PANEL(bs, c / NR * NR * KC + c % NR, NR, col0 + c, k0,
                            len, kc)
#else
                for (idx c = 0; c < cols; c += NR)
                    VSTEPS(kk, k, len)
                UNROLL for (int j = 0; j < NV; j++)
                            PACK(bs[c * KC + kk * NR + 16 * j], 16, NR, Q_WLD,
                                 col0 + c + 16 * j, n, k0 + kk, k)
#endif
                for (idx r1 = 0; r1 < rows; r1 += MR)
                    VSTEPS(kk, k, len)
                PACK(as[r1 * KC + kk * MR], MR, MR, Q_XTILE, r1, rows, k0 + kk,
                     k)
                for (idx c = 0; c < cols; c += NR)
                    for (idx r1 = 0; r1 < rows; r1 += MR) {
                        v16 acc[MR][NV];
                        UNROLL for (int r = 0; r < MR; r++)
                            UNROLL for (int j = 0; j < NV; j++) acc[r][j] =
                                v16_zero();
                        for (idx kk = 0; kk < kc; kk++) {
                            v16 bv[NV];
                            UNROLL for (int j = 0; j < NV; j++) bv[j] =
                                LDL16(bs, c * KC + kk * NR + 16 * j);
                            UNROLL for (int r = 0; r < MR; r++)
                            {
                                float av = as[r1 * KC + kk * MR + r];
                                UNROLL for (int j = 0; j < NV; j++) acc[r][j] =
                                    v16_fmas(acc[r][j], bv[j], av);
                            }
                        }
                        UNROLL for (int r = 0; r < MR; r++)
                            UNROLL for (int j = 0; j < NV; j++)
                                Q_MERGE((r1 + r) * NB + c + 16 * j, acc[r][j],
                                        k0 == 0, Q_FROM(r1 + r),
                                        col0 + c + 16 * j, k0)
                    }
            }
            for (idx r = 0; r < rows; r++)
                for (idx c = 0; c < cols; c++) {
                    Q_SUM sum = 0;
                    if (depth != 0u)
                        sum = cs[r * NB + c];
                    Q_PUT((row0 + r) * n + col0 + c, sum, Q_FROM(r), col0 + c)
                }
        }
    }
}

#else

/* TM x 16 sums a thread; BK divides a tile's loads evenly. */
#define TM 4
#define BK 16
#if GROUP >= 256
#define BM 128
#define BN 128
#else
#define BM 64
#define BN 64
#endif
#define COLS (BN / 16)
#if GROUP != BM / TM * COLS
#error GROUP must be BM / TM * BN / 16
#endif

/* A thread's share of a tile of ROWS x BK, k slowest in LOCAL memory: by fours,
 * since what a compiler takes grows faster than what is unrolled. */
#define FILL(TO, ROWS, LOAD, first, limit)                           \
    EACH(t)                                                          \
    for (uint e = 0u; e < UINT(ROWS * BK / GROUP); e += 4u)          \
        UNROLL for (uint u = 0u; u < 4u; u++)                        \
        {                                                            \
            idx at = t + (e + u) * GROUP, r = at / BK, kk = at % BK; \
            float v = 0.0f;                                          \
            if ((first) + r < limit && k0 + kk < depth)              \
                v = LOAD((first) + r, k0 + kk, 1);                   \
            TO[kk * ROWS + r] = v;                                   \
        }

KERNEL(NAME, PARAMS, LOCAL(float, as, BK *BM), LOCAL(float, bs, BK *BN),
       LOCAL(Q_SUM, cs, GROUP * 16) Q_LOCAL, PRIV(v16, acc, TM),
       PRIV(Q_SUM, tot, TM * 16))
{
    idx tn = (n + BN - 1) / BN, turn = 0;
    Q_EACH_EXPERT
    {
        idx first = Q_FIRST, past = Q_PAST;
        idx tm = past > first ? (past - first + BM - 1) / BM : 0;
        idx tile = (IDX(GROUP_X) + GRID_X - turn) % GRID_X;
        turn = (turn + tm * tn) % GRID_X;
        for (; tile < tm * tn; tile += GRID_X) {
            idx row0 = first + tile % tm * BM, col0 = tile / tm * BN;
            idx rows = MIN(past - row0, IDX(BM));
            Q_LOOK_UP(BM)
            EACH(t)
            {
                UNROLL for (int r = 0; r < TM; r++) MY(acc)[r] = v16_zero();
                UNROLL for (int r = 0; r < TM * 16; r++) MY(tot)[r] = 0;
            }
            for (idx k0 = 0; k0 < depth; k0 += BK) {
                FILL(as, BM, Q_XTILE, 0, rows)
                FILL(bs, BN, Q_WLD, col0, n)
                SYNC;
                EACH(t)
                {
                    idx r0 = t / COLS * TM, c0 = t % COLS * 16;
                    for (idx kk = 0; kk < BK; kk++) {
                        v16 bv = LDL16(bs, kk * BN + c0);
                        UNROLL for (int r = 0; r < TM; r++) MY(acc)[r] =
                            v16_fmas(MY(acc)[r], bv, as[kk * BM + r0 + r]);
                    }
                    if ((k0 + BK) % Q_SPLIT == 0 || k0 + BK >= depth) {
                        idx block = k0 / Q_SPLIT * Q_SPLIT;
                        Q_OF_COLS(col0 + c0, block)
                        UNROLL for (int r = 0; r < TM; r++)
                        {
                            Q_OF_ROW(Q_FROM(r0 + r), block)
                            UNROLL for (int j = 0; j < 16; j++)
                                MY(tot)[r * 16 + j] +=
                                Q_TERM(v16_get(MY(acc)[r], j));
                            MY(acc)[r] = v16_zero();
                        }
                    }
                }
                SYNC;
            }
            /* Every TMth row at a time: a thread's 16 sums to LOCAL memory, and
             * from there in the order of y, which is one store in the text for
             * 16. */
            UNROLL for (int r = 0; r < TM; r++)
            {
                EACH(t)
                UNROLL for (int j = 0; j < 16; j++) cs[t * 16 + j] =
                    MY(tot)[r * 16 + j];
                SYNC;
                ITEMS(e, BM / TM * BN)
                {
                    idx at = e / BN * TM + r, col = col0 + e % BN;
                    if (at < rows && col < n)
                        Q_PUT((row0 + at) * n + col, cs[e], Q_FROM(at), col)
                }
                SYNC;
            }
        }
    }
}

#endif
