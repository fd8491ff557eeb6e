/* SPDX-License-Identifier: Apache-2.0 */
/*
 * experts.h - the rows that a product's weights meet: all of them, or, in an
 * instance that defines GROUPED, row r with the weights of the expert e whose
 * offsets[e] <= r < offsets[e + 1] (ops_moe.h).  Included by gemm.h and gemv.h.
 *
 * divisor 0: row r of x; else row gather[r] / divisor.  Both tables come from
 * the device and are clamped here: whatever they hold, nothing outside y, x and
 * w is touched.
 *
 * Q_EACH_EXPERT: before a block, once for each `expert`, or once.
 *
 * Q_FIRST, Q_PAST: it has the rows first..past, which may be none (past below
 * first too).
 *
 * Q_MANY, Q_TYPICAL: how many experts there are rows for, and how many a piece.
 *
 * Q_LOOK_UP(ROWS): in a tile of ROWS rows from row0, finds the rows of x;
 * Q_FROM(r) is the one of its r-th row.  Q_LOCAL: LOCAL memory for that.
 *
 * Q_FIND(row): declares `expert`, the row's, `from`, its row of x, and `width`,
 * the columns of y that it has: 0 where no expert has the row.
 *
 * Q_W(elements): where an expert's weights or scales begin, of those elements
 * each.
 */
#ifdef GROUPED

#define Q_TABLES , IN(i32, offsets), IN(i32, gather)
#define Q_MORE                                                    \
    , ARG(uint, experts), ARG(uint, x_rows), ARG(uint, w_stride), \
        ARG(uint, s_stride), ARG(uint, divisor)
#define Q_X_ROWS IDX(x_rows)

#define Q_EACH_EXPERT for (idx expert = 0; expert < experts; expert++)
#define Q_EDGE(e)     IDX(MIN(MAX(LD(i32, offsets, e), 0), INT(m)))
#define Q_FIRST       Q_EDGE(expert)
#define Q_PAST        Q_EDGE(expert + 1)
#define Q_MANY        MIN(IDX(experts), IDX(m))
#define Q_TYPICAL     ((IDX(m) + IDX(experts) - 1) / IDX(experts))

FN(idx) row_of(int given, idx limit, idx by)
{
    idx r = given < 0 ? 0 : IDX(given) / by;
    return MIN(r, limit - 1);
}
#define X_ROW(r)                               \
    (divisor == 0u ? MIN(IDX(r), Q_X_ROWS - 1) \
                   : row_of(LD(i32, gather, r), Q_X_ROWS, IDX(divisor)))

#define Q_FROM(r) IDX(xrow[r])
#ifdef HAL_WIDE
#define Q_LOCAL
#define Q_LOOK_UP(ROWS)              \
    idx xrow[ROWS];                  \
    for (idx r = 0; r < (ROWS); r++) \
        xrow[r] = X_ROW(row0 + MIN(r, rows - 1));
#else
/* Each tile ends with a barrier. */
#define Q_LOCAL , LOCAL(uint, xrow, BM)
#define Q_LOOK_UP(ROWS)                                            \
    ITEMS(r, ROWS) xrow[r] = UINT(X_ROW(row0 + MIN(r, rows - 1))); \
    SYNC;
#endif

/* The last expert that begins at or before the row. */
#define Q_FIND(row)                              \
    idx expert = 0, end_ = IDX(experts);         \
    while (end_ - expert > 1) {                  \
        idx mid_ = (expert + end_) / 2;          \
        if (LD(i32, offsets, mid_) <= INT(row))  \
            expert = mid_;                       \
        else                                     \
            end_ = mid_;                         \
    }                                            \
    idx width = 0, from = X_ROW(row);            \
    if (LD(i32, offsets, expert) <= INT(row) &&  \
        LD(i32, offsets, expert + 1) > INT(row)) \
        width = IDX(n);

#define Q_W(elements) (expert * IDX(elements))

#else

#define Q_TABLES
#define Q_EACH_EXPERT
#define Q_X_ROWS  IDX(m)
#define Q_FIRST   IDX(0)
#define Q_PAST    IDX(m)
#define Q_MANY    IDX(1)
#define Q_TYPICAL IDX(m)
#define Q_LOCAL
#define Q_LOOK_UP(ROWS)
#define Q_FROM(r)     (row0 + (r))
#define Q_FIND(row)   idx from = row, width = IDX(n);
#define Q_W(elements) IDX(0)

#endif
