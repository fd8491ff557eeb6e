/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fp8_row.h - a row of e4m3 codes times x with AVX-512 BF16, for gemv.h: bf16
 * holds every e4m3 number, and vdpbf16ps adds two exact products a lane.  The
 * codes' values come from tables; blocks and their scales are those of
 * fp8_sums.h.
 */
typedef unsigned short halves
    __attribute__((vector_size(64), aligned(2), may_alias));

/* bf16 of the codes from..from+31: subnormals are multiples of 2^-9, the last
 * is a NaN. */
FN(halves) fp8_table(int from)
{
    const int tiny[8] = { 0,      0x3b00, 0x3b80, 0x3bc0,
                          0x3c00, 0x3c20, 0x3c40, 0x3c60 };
    halves t;
    HAL_PRAGMA(GCC unroll 32)
    for (int i = 0; i < 32; i++) {
        int v = from + i;
        t[i] = (unsigned short)(v < 8 ? tiny[v % 8]
                                      : (v == 127 ? 0x7fc0 : 0x3c00 + 16 * v));
    }
    return t;
}

typedef struct {
    halves part[4];
} fp8_tables;

FN(halves) fp8_choose(halves code, halves low, halves high)
{
    __asm__("vpermi2w %2, %1, %0" : "+v"(code) : "v"(low), "v"(high));
    return code;
}

/* 32 codes as bf16: seven bits choose, the eighth is the sign. */
FN(halves) fp8_halves(const hal_T_e4m3 *p, const fp8_tables *t)
{
    const halves sign = (halves){ 0 } + (unsigned short)0x8000;
    const halves upper = (halves){ 0 } + (unsigned short)64;
    halves code, low, high;
    uint mask;
    __asm__("vpmovsxbw %1, %0" : "=v"(code) : "m"(*(const hal_T_e4m3(*)[32])p));
    __asm__("vptestmw %2, %1, %0" : "=k"(mask) : "v"(code), "v"(upper));
    low = fp8_choose(code, t->part[0], t->part[1]);
    high = fp8_choose(code, t->part[2], t->part[3]);
    __asm__("vmovdqu16 %1, %0%{%2%}" : "+v"(low) : "v"(high), "Yk"(mask));
    return low | (code & sign);
}

FN(hal_vf) fp8_add(hal_vf acc, halves w, const hal_T_bf16 *x)
{
    __asm__("vdpbf16ps %2, %1, %0"
            : "+v"(acc)
            : "v"(w), "m"(*(const halves *)x));
    return acc;
}

/* The sum of up to 128 products. */
FN(vec)
fp8_block(const hal_T_e4m3 *w, const hal_T_bf16 *x, idx len,
          const fp8_tables *t)
{
    hal_vf s[2] = { 0 };
    vec r;
    if (len == 128) {
        UNROLL for (int i = 0; i < 4; i++) s[i % 2] =
            fp8_add(s[i % 2], fp8_halves(w + 32 * i, t), x + 32 * i);
    } else {
        for (; len > 0; len -= 32, w += 32, x += 32) {
            hal_T_e4m3 codes[32] = { 0 };
            hal_T_bf16 xs[32] = { 0 };
            __builtin_memcpy(codes, w, (hal_u64)MIN(len, 32));
            __builtin_memcpy(xs, x, (hal_u64)MIN(len, 32) * 2);
            s[0] = fp8_add(s[0], fp8_halves(codes, t), xs);
        }
    }
    r.p[0] = s[0] + s[1];
    return r;
}

/* acc + the products of len elements; the scales are those of the blocks. */
FN(vec)
fp8_row(vec acc, const hal_T_e4m3 *w, const hal_T_bf16 *x, idx len,
        const float *x_scale, const float *w_scale)
{
    fp8_tables t;
    UNROLL for (int i = 0; i < 4; i++) t.part[i] = fp8_table(32 * i);
    for (idx b = 0; b < len; b += 128, x_scale++, w_scale++) {
        UNROLL for (int i = 0; i < 2; i++)
            __builtin_prefetch(w + b + 8192 + 64 * i, 0, 2);
        vec part = fp8_block(w + b, x + b, MIN(len - b, 128), &t);
        acc = vec_fmas(acc, vec_scale(part, *x_scale), *w_scale);
    }
    return acc;
}

/* x as bf16, exactly. */
#define Q_XPUT(i, v)                                                      \
    *(unsigned short __attribute__((                                      \
        vector_size(32), may_alias)) *)((hal_T_bf16 *)(void *)xs + (i)) = \
        __builtin_convertvector((hal_vu)(v).p[0] >> 16, unsigned short    \
                                __attribute__((vector_size(32))));
#define Q_ROW(acc, row, col, k0, len)                               \
    fp8_row(acc, w + Q_W(w_stride) + (col)*IDX(depth) + (k0),       \
            (const hal_T_bf16 *)(void *)xs, len, &X_SCALE(row, k0), \
            &W_SCALE(col, k0))
