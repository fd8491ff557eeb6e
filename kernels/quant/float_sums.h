/* SPDX-License-Identifier: Apache-2.0 */
/*
 * float_sums.h - sums in f32, for gemv.h and gemm.h: nothing happens between
 * blocks, unless the kernel replaces Q_BLOCK and Q_ADD, or Q_SPLIT, Q_MERGE and
 * Q_TERM.
 */
#define Q_SUM float
#define Q_PUT(at, sum, row, col)     \
    {                                \
        float v = sum;               \
        if (Q_BIAS)                  \
            v += LD(f32, bias, col); \
        Q_STORE(at, v)               \
    }

/* gemv.h */
#define Q_BLOCK                        KX
#define Q_ACC                          vec
#define Q_ZERO                         vec_set(0.0f)
#define Q_ADD(acc, part, row, col, k0) vec_add(acc, part)
#define Q_END(acc, at, row, col)    \
    {                               \
        float s = vec_sum(acc);     \
        GROUP_SUM(s);               \
        ONCE Q_PUT(at, s, row, col) \
    }

/* gemm.h */
#define Q_SPLIT   256
#define Q_TERM(f) (f)
#define Q_MERGE(at, v, first, row, col, k0) \
    {                                       \
        if (!(first))                       \
            v = v16_add(v, LDL16(cs, at));  \
        STL16(cs, at, v);                   \
    }
