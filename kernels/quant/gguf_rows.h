/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf_rows.h - gguf_row(): a row of blocks times x with AVX-512, for gemv.h;
 * gguf_pairs.h has a faster way where x is bf16.
 * The same sums as through gguf.h, a block at a time: codes of 4 and 5 bits
 * choose from a register of the block's weights (vpermps, vpermi2ps), which
 * one multiplication makes for all 16 or 32 codes; scales are decoded once.
 */

/* One f16 number in all lanes. */
FN(hal_vf) half_all(const hal_T_u8 *p)
{
    typedef short shorts __attribute__((vector_size(32)));
    typedef unsigned short word __attribute__((aligned(1), may_alias));
    shorts h;
    hal_vf f;
    __asm__("vpbroadcastw %1, %0" : "=v"(h) : "m"(*(const word *)p));
    __asm__("vcvtph2ps %1, %0" : "=v"(f) : "v"(h));
    return f;
}

FN(hal_vu) bytes_of(const hal_T_u8 *p)
{
    hal_vu u;
    HAL_WIDEN_u8(u, *(const hal_vub *)p);
    return u;
}

FN(hal_vf) signed_of(const hal_T_u8 *p)
{
    hal_vi i;
    HAL_WIDEN_i8(i, *(const hal_vb *)p);
    return __builtin_convertvector(i, hal_vf);
}

/* table[low four bits of code] */
FN(hal_vf) choose(hal_vf table, hal_vu code)
{
    hal_vf f;
    __asm__("vpermps %1, %2, %0" : "=v"(f) : "v"(table), "v"(code));
    return f;
}

/* The same of 32: five bits. */
FN(hal_vf) choose_32(hal_vf low, hal_vf high, hal_vu code)
{
    __asm__("vpermi2ps %2, %1, %0" : "+v"(code) : "v"(low), "v"(high));
    return (hal_vf)code;
}

/* Scales stay in memory, from where an instruction takes one for all lanes:
 * left alone, gcc keeps the register and permutes it 16 times. */
#define IN_MEMORY(a) __asm__("" : "+m"(a))

/* code with the bits above the lowest four from high */
FN(hal_vu) with_high(hal_vu code, hal_vu high)
{
    return high ^ ((high ^ code) & 15);
}

FN(hal_vf) xs_of(const float *x, idx i)
{
    return *(const hal_vf_any *)(x + i);
}

#if IS(q8_0)
FN(void) block(hal_vf *s, const hal_T_u8 *w, const float *x, float d)
{
    hal_vf t = signed_of(w + 2) * xs_of(x, 0);
    t += signed_of(w + 18) * xs_of(x, 16);
    s[0] += t * d;
}

#elif IS(q4_0)
FN(void) block(hal_vf *s, const hal_T_u8 *w, const float *x, float d)
{
    hal_vf table = (hal_iota(0) - 8.0f) * d;
    hal_vu code = bytes_of(w + 2);
    s[0] += choose(table, code) * xs_of(x, 0);
    s[1] += choose(table, code >> 4) * xs_of(x, 16);
}

#elif IS(q5_0)
FN(void) block(hal_vf *s, const hal_T_u8 *w, const float *x, float d)
{
    hal_vf low = (hal_iota(0) - 16.0f) * d, high = hal_iota(0) * d;
    hal_vu lane = (hal_vu) __builtin_convertvector(hal_iota(0), hal_vi);
    hal_vu code = bytes_of(w + 6), bits, turn[2];
    uint word;
    __builtin_memcpy(&word, w + 2, 4);
    bits = (hal_vu){ 0 } + word;
    /* each lane's bit to the place above its code */
    UNROLL for (uint v = 0; v < 2; v++) __asm__("vprorvd %2, %1, %0" :
                                                "=v"(turn[v]) : "v"(bits),
                                                "v"(lane + 16 * v - 4));
    s[0] += choose_32(low, high, with_high(code, turn[0])) * xs_of(x, 0);
    s[1] += choose_32(low, high, with_high(code >> 4, turn[1])) * xs_of(x, 16);
}

#elif IS(q4_k) || IS(q5_k)
/* Scales, then minima, times their factors. */
FN(hal_vf) scales_of(const hal_T_u8 *w)
{
    typedef uint four __attribute__((vector_size(16), aligned(1), may_alias));
    const four upper = { 0, 0, 0, 4 },
               six = { 0x3f3f3f3fu, 0x0f0f0f0fu, 0x3f3f3f3fu, 0x0f0f0f0fu };
    four from = *(const four *)(w + 4);
    four low = __builtin_shufflevector(from, from, 0, 2, 1, 2) >> upper & six;
    four high = __builtin_shufflevector(from, from, 0, 0, 1, 1) >> 2 &
                (four){ 0, 0x30303030u, 0, 0x30303030u };
    hal_vi u;
    __asm__("vpmovzxbd %1, %0" : "=v"(u) : "v"(low | high));
    hal_vf by = hal_pick(hal_iota(0) < 8.0f, half_all(w), half_all(w + 2));
    return __builtin_convertvector(u, hal_vf) * by;
}

FN(void) block(hal_vf *s, const hal_T_u8 *w, const float *x)
{
    float by[16];
    *(hal_vf_any *)by = scales_of(w);
    IN_MEMORY(by);
#if IS(q5_k)
    hal_vu high[2] = { bytes_of(w + 16), bytes_of(w + 32) };
#endif
    UNROLL for (int j = 0; j < 8; j++)
    {
        const hal_T_u8 *q = w + BYTES - 128 + j / 2 * 32;
        hal_vf table = hal_iota(0) * by[j] - by[8 + j];
#if IS(q5_k)
        hal_vf more = (hal_iota(0) + 16.0f) * by[j] - by[8 + j];
#endif
        UNROLL for (int v = 0; v < 2; v++)
        {
            hal_vu code = bytes_of(q + 16 * v) >> (j % 2 * 4);
#if IS(q5_k)
            code = with_high(code,
                             j < 4 ? high[v] << (4 - j) : high[v] >> (j - 4));
            s[v] += choose_32(table, more, code) * xs_of(x, 32 * j + 16 * v);
#else
            s[v] += choose(table, code) * xs_of(x, 32 * j + 16 * v);
#endif
        }
    }
}

#else /* q6_k */
typedef hal_T_u8 many __attribute__((vector_size(64), aligned(1), may_alias));
typedef unsigned short words
    __attribute__((vector_size(64), aligned(1), may_alias));

/* Codes less 32.  Halves of 128: 64 bytes with 4 low bits of two each, 32 with
 * 2 high bits of four.  Bits that a shift brings from the next byte go. */
FN(void) codes_of(hal_T_u8 *code, const hal_T_u8 *w)
{
    UNROLL for (int h = 0; h < 2; h++)
    {
        words low = *(const words *)(w + 64 * h), high;
        __builtin_memcpy(&high, w + 128 + 32 * h, 32);
        __builtin_memcpy((char *)&high + 32, w + 128 + 32 * h, 32);
        const words third =
            (words)((hal_vu){ 4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2, 2, 2 } *
                    0x10001u);
        const words four = (words)((hal_vu){ 0 } + 0x0f0f0f0fu);
        const words two = (words)((hal_vu){ 0 } + 0x30303030u);
        words a = (low & four) | (high << third & two);
        words b = (low >> (unsigned short)4 & four) |
                  (high >> ((unsigned short)4 - third) & two);
        *(many *)(code + 128 * h) = (many)a - 32;
        *(many *)(code + 128 * h + 64) = (many)b - 32;
    }
}

FN(void) block(hal_vf *s, const hal_T_u8 *w, const float *x)
{
    float by[16];
    hal_T_u8 code[256];
    *(hal_vf_any *)by = signed_of(w + 192) * half_all(w + 208);
    IN_MEMORY(by);
    codes_of(code, w);
    UNROLL for (int v = 0; v < 16; v++) s[v % 2] +=
        signed_of(code + 16 * v) * xs_of(x, 16 * v) * by[v];
}
#endif

/* The block 8 KiB ahead, into the second cache: blocks end anywhere in cache
 * lines, and the hardware's prefetcher alone leaves a third of the rate.  What
 * goes to the first cache is limited by that one's misses. */
FN(void) fetch_ahead(const hal_T_u8 *w, idx bytes)
{
    UNROLL for (idx i = 0; i < bytes; i += 64)
        __builtin_prefetch(w + 8192 + i, 0, 2);
}

#if QK == 32
/* The factors of 16 blocks are converted together, and collected one round
 * before: a load of what were sixteen stores waits for the last of them. */
typedef struct {
    hal_T_f16 from[16];
} factors;

FN(void) factors_of(factors *f, const hal_T_u8 *w, idx blocks)
{
    if (blocks >= 16)
        UNROLL for (idx b = 0; b < 16; b++)
            __builtin_memcpy(&f->from[b], w + b * BYTES, 2);
    else
        for (idx b = 0; b < blocks; b++)
            __builtin_memcpy(&f->from[b], w + b * BYTES, 2);
}
#endif

/* acc + the products of len elements, whole blocks. */
FN(vec) gguf_row(vec acc, const hal_T_u8 *w, const float *x, idx len)
{
    hal_vf s[2] = { 0 };
#if QK == 32
    factors next;
    factors_of(&next, w, len / QK);
    for (idx n = len / QK; n > 0; n -= 16) {
        float by[16];
        idx blocks = MIN(n, 16);
        *(hal_vf_any *)by = hal_ld16_f16(next.from).p[0];
        IN_MEMORY(by);
        factors_of(&next, w + 16 * BYTES, n - 16);
        for (idx b = 0; b < blocks; b++, w += BYTES, x += QK) {
            fetch_ahead(w, BYTES);
            block(s, w, x, by[b]);
        }
    }
#else
    for (idx i = 0; i < len; i += QK, w += BYTES) {
        fetch_ahead(w, BYTES);
        block(s, w, x + i);
    }
#endif
    acc.p[0] += s[0] + s[1];
    return acc;
}
#if IS(q8_0)
#define Q_ROW(acc, row, col, k0, len) \
    gguf_row(acc, (const hal_T_u8 *)w + AT(IDX(col), k0), xs, len)
#else
#include "quant/gguf_pairs.h"
/* x in bf16 stays so; what follows it are sums of 16. */
#define IN_PAIRS (Q_X_FORMAT == 1u && PAIRED(depth))
#define X_PAIRS  ((hal_T_bf16 *)(void *)xs)
#define X_SUMS   (xs + KX / 2)
#define Q_XPUT(i, v)                          \
    {                                         \
        if (IN_PAIRS)                         \
            put_pairs(X_PAIRS, X_SUMS, i, v); \
        else                                  \
            VSTL(xs, i, v);                   \
    }
#define Q_ROW(acc, row, col, k0, len)                                      \
    (IN_PAIRS                                                              \
         ? pairs_row(acc, (const hal_T_u8 *)w + AT(IDX(col), k0), X_PAIRS, \
                     X_SUMS, len)                                          \
         : gguf_row(acc, (const hal_T_u8 *)w + AT(IDX(col), k0), xs, len))
#endif
