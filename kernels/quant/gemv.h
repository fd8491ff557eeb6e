/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemv.h - y[m][n] = x[m][k] . w[n][k]^T (+ bias[n]) with quantised weights
 * whose rows lie along k, a pass over w for each row of x.  A group takes
 * `share` rows of w: it turns KX elements of a row of x into floats in LOCAL
 * memory, which then meet each of these rows.
 *
 * The including kernel defines:
 *
 * NAME, Q_Y, Q_XS, Q_WS: its name; parameters of y, x, w and their scales.
 *
 * Q_XLD(row, i, k), Q_WLD(row, i, k): k elements of x or w from element i of a
 * row, a vec; i is a multiple of 16 where HAL_WIDE.
 *
 * Q_BLOCK: so many k are summed before Q_ADD; divides KX, or is KX where
 * nothing is done between.
 *
 * Q_ACC, Q_ZERO: the type of a row's running sum, and its beginning.
 *
 * Q_ADD(acc, part, row, col, k0): the sum after the block from k0, whose own
 * sum is the vec `part`.
 *
 * Q_END(acc, at, row, col): sums up over the group and stores y[at].
 *
 * Q_ROW(acc, row, col, k0, len): instead of Q_BLOCK and Q_ADD, the sum after
 * the len elements from k0; x's are xs[0..len).  With Q_RAW_X it reads x itself
 * and nothing is put into xs.  Q_XPUT(i, v): the statement that puts 16 there.
 *
 * Q_MORE: further scalars after a comma, or nothing.
 *
 * An instance that defines GROUPED has a row meet its expert's weights alone
 * (experts.h, which defines Q_MORE then).
 */
#include "quant/experts.h"

#if defined(HAL_CPU)
#define KX    16384
#define SHARE 64
#elif defined(HAL_WIDE)
#define KX    4096
#define SHARE 64
#else
#define KX    2048
#define SHARE 4
#endif

#ifndef Q_MORE
#define Q_MORE
#endif
#ifndef Q_XPUT
#define Q_XPUT(i, v) VSTL(xs, i, v);
#endif

KERNEL(NAME, Q_Y, Q_XS, Q_WS, IN(f32, bias), ARG(uint, m), ARG(uint, n),
       ARG(uint, depth), ARG(uint, flags), ARG(uint, share) Q_MORE,
       LOCAL(float, xs, KX))
{
    idx per = MIN(IDX(share), IDX(SHARE));
    for (idx row = GROUP_Y; row < m; row += GRID_Y) {
        Q_FIND(row)
        for (idx r0 = GROUP_X * per; r0 < width; r0 += GRID_X * per) {
            idx rows = MIN(IDX(n) - r0, per);
            Q_ACC tot[SHARE];
            for (idx r = 0; r < rows; r++)
                tot[r] = Q_ZERO;
            for (idx k0 = 0; k0 < depth; k0 += KX) {
                idx len = MIN(IDX(depth) - k0, IDX(KX));
#ifndef Q_RAW_X
                SYNC;
                VITEMS(i, k, len) Q_XPUT(i, Q_XLD(from, k0 + i, k)) SYNC;
#endif
#ifdef Q_ROW
                for (idx r = 0; r < rows; r++)
                    tot[r] = Q_ROW(tot[r], from, r0 + r, k0, len);
#else
                for (idx r = 0; r < rows; r++)
                    for (idx b = 0; b < len; b += Q_BLOCK) {
                        idx size = MIN(len - b, IDX(Q_BLOCK)), done = 0;
                        idx col = r0 + r, at = k0 + b;
                        vec part = vec_set(0.0f);
#ifdef HAL_WIDE
                        /* four chains, whole vectors */
                        vec p[4];
                        UNROLL for (int j = 0; j < 4; j++) p[j] = part;
                        for (; done + 64 <= size; done += 64) {
                            /* a multiple of 64, which the compiler is told */
                            uint whole = UINT(at + done) & ~63u;
                            UNROLL for (int j = 0; j < 4; j++) p[j] = vec_fma(
                                p[j], Q_WLD(col, IDX(whole | UINT(16 * j)), 16),
                                VLDL(xs, b + done + 16 * j));
                        }
                        part =
                            vec_add(vec_add(p[0], p[1]), vec_add(p[2], p[3]));
#endif
                        VITEMS(i, k, size - done)
                        part = vec_fma(part, Q_WLD(col, at + done + i, k),
                                       VLDL(xs, b + done + i));
                        tot[r] = Q_ADD(tot[r], part, from, col, at);
                    }
#endif
            }
            for (idx r = 0; r < rows; r++)
                Q_END(tot[r], row * n + r0 + r, from, r0 + r)
        }
    }
}
