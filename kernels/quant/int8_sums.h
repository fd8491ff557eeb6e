/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int8_sums.h - int8 by int8 with exact 32-bit sums, for gemv.h and gemm.h.
 * Products are at most 2^14, so that a float holds the sum of 1024 exactly:
 * they are added as floats, and every block of fewer becomes an int.
 * flags: 32 x has scales, 64 w has, 128 there is an integer bias.
 */
#define Q_XS             IN(i8, x), IN(f32, x_scale)
#define Q_WS             IN(i8, w), IN(f32, w_scale), IN(i32, i_bias) Q_TABLES
#define Q_XLD(row, i, k) VLD(i8, x, (row)*IDX(depth) + (i), k)
#define Q_WLD(row, i, k) VLD(i8, w, Q_W(w_stride) + (row)*IDX(depth) + (i), k)

#define Q_SUM int
#define Q_PUT(at, sum, row, col)                                 \
    {                                                            \
        int i_ = sum;                                            \
        if ((flags & 128u) != 0u)                                \
            i_ += LD(i32, i_bias, col);                          \
        if (Q_Y_FORMAT == 3u) {                                  \
            ST(u32, y32, at, UINT(i_));                          \
        } else {                                                 \
            float v = FLOAT(i_);                                 \
            if ((flags & 64u) != 0u)                             \
                v = v * LD(f32, w_scale, Q_W(s_stride) + (col)); \
            if ((flags & 32u) != 0u)                             \
                v = v * LD(f32, x_scale, row);                   \
            if (Q_BIAS)                                          \
                v += LD(f32, bias, col);                         \
            Q_STORE(at, v)                                       \
        }                                                        \
    }

/* The lanes' sum: each is exact. */
FN(int) int_sum(vec v)
{
#if defined(HAL_CPU)
    int s = 0;
    UNROLL for (int j = 0; j < 16; j++) s += INT(v16_get(v, j));
    return s;
#elif defined(HAL_WIDE)
    int16 a = convert_int16(v);
    int8 b = a.lo + a.hi;
    int4 c = b.lo + b.hi;
    return (c.x + c.y) + (c.z + c.w);
#else
    return INT(v);
#endif
}

/* gemv.h: 128 products a lane, fewer a thread.  The group's sum goes by halves
 * that floats hold exactly. */
#define Q_BLOCK                        2048
#define Q_ACC                          int
#define Q_ZERO                         0
#define Q_ADD(acc, part, row, col, k0) ((acc) + int_sum(part))
#define Q_END(acc, at, row, col)                                \
    {                                                           \
        int all = acc;                                          \
        float high = FLOAT(all >> 12), low = FLOAT(all & 4095); \
        GROUP_SUM(high);                                        \
        GROUP_SUM(low);                                         \
        all = INT(high) * 4096 + INT(low);                      \
        ONCE Q_PUT(at, all, row, col)                           \
    }

#if defined(HAL_V4)
typedef int int8_sum __attribute__((vector_size(64)));
typedef char int8_64 __attribute__((vector_size(64), aligned(1), may_alias));

/* sum + the products of four unsigned and four signed bytes in each lane */
FN(int8_sum) int8_add(int8_sum sum, int8_64 bytes, int8_64 signs)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(signs));
    return sum;
}

/* sum of x w over n, exact.  One side of vpdpbusd has no sign: w + 128 takes
 * w's place, and 128 times the sum of x is subtracted. */
FN(int) int8_dot(const hal_T_i8 *x, const hal_T_i8 *w, idx n)
{
    const int8_64 top = (int8_64){ 0 } + (char)-128, one = (int8_64){ 0 } + 1;
    int8_sum s[2] = { 0 }, t[2] = { 0 };
    idx i = 0;
    uint all = 0, xs = 0;

    for (; i + 128 <= n; i += 128)
        UNROLL for (int u = 0; u < 2; u++)
        {
            int8_64 xv = *(const int8_64 *)(x + i + 64 * u);
            s[u] = int8_add(s[u], *(const int8_64 *)(w + i + 64 * u) ^ top, xv);
            t[u] = int8_add(t[u], one, xv);
        }
    for (; i < n; i += 64) {
        int8_64 xv = { 0 }, wv = { 0 };
        __builtin_memcpy(&xv, x + i, (hal_u64)MIN(n - i, 64));
        __builtin_memcpy(&wv, w + i, (hal_u64)MIN(n - i, 64));
        s[0] = int8_add(s[0], wv ^ top, xv);
        t[0] = int8_add(t[0], one, xv);
    }
    s[0] += s[1];
    t[0] += t[1];
    UNROLL for (int j = 0; j < 16; j++)
    {
        all += (uint)s[0][j];
        xs += (uint)t[0][j];
    }
    return (int)(all - 128u * xs);
}
#define Q_RAW_X
#define Q_ROW(acc, row, col, k0, len)              \
    ((acc) + int8_dot(x + (row)*IDX(depth) + (k0), \
                      w + Q_W(w_stride) + (col)*IDX(depth) + (k0), len))
#endif

/* gemm.h */
#define Q_SPLIT   256
#define Q_TERM(f) INT(f)
#if defined(HAL_CPU)
#define Q_MERGE(at, v, first, row, col, k0)                       \
    HAL_V                                                         \
    {                                                             \
        hal_vi *to_ = (hal_vi *)(cs + (at)) + hal_i;              \
        hal_vi add_ = __builtin_convertvector((v).HAL_P, hal_vi); \
        *to_ = (first) ? add_ : *to_ + add_;                      \
    }
#else
#define Q_MERGE(at, v, first, row, col, k0) \
    {                                       \
        int16 add_ = convert_int16(v);      \
        if (!(first))                       \
            add_ += vload16(0, cs + (at));  \
        vstore16(add_, 0, cs + (at));       \
    }
#endif
