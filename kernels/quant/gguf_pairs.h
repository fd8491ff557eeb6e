/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gguf_pairs.h - pairs_row(): a row of blocks times x in bf16 with AVX-512
 * BF16, for gguf_rows.h.  Codes without their factors are small integers, which
 * bf16 holds: vdpbf16ps adds two exact products a lane, and the sums of what
 * shares a factor are multiplied by it.  Minima are multiplied by sums of x.
 */
typedef unsigned short halves
    __attribute__((vector_size(64), aligned(1), may_alias));

/* bf16 of 32 integers: i % period + from; from `wrap` on, less 64. */
FN(halves) integers(int from, int period, int wrap)
{
    halves t;
    HAL_PRAGMA(GCC unroll 32)
    for (int i = 0; i < 32; i++) {
        int v = i % period + from;
        t[i] = (unsigned short)(as_uint((float)(v >= wrap ? v - 64 : v)) >> 16);
    }
    return t;
}

/* table[low five bits] */
FN(halves) choose_half(halves table, halves code)
{
    halves r;
    __asm__("vpermw %1, %2, %0" : "=v"(r) : "v"(table), "v"(code));
    return r;
}

FN(hal_vf) pair_add(hal_vf acc, halves w, const hal_T_bf16 *x)
{
    __asm__("vdpbf16ps %2, %1, %0"
            : "+v"(acc)
            : "v"(w), "m"(*(const halves *)x));
    return acc;
}

FN(hal_vf) pair_product(halves w, const hal_T_bf16 *x)
{
    return pair_add((hal_vf){ 0 }, w, x);
}

/* 32 bytes, each in a half. */
FN(halves) halves_of(const hal_T_u8 *p)
{
    halves h;
    __asm__("vpmovzxbw %1, %0" : "=v"(h) : "m"(*(const hal_T_u8(*)[32])p));
    return h;
}

/* 2 i and 2 i + 1 of f, each in eight lanes */
FN(hal_vf) two_of(hal_vf f, int i)
{
    hal_vu at = (hal_vu)(hal_iota(0) > 7.5f) & 1u;
    return choose(f, at + (uint)(2 * i));
}

FN(void) put_16(hal_T_bf16 *to, v16 v)
{
    hal_vu u = (hal_vu)v.p[0] >> 16;
    __asm__("vpmovdw %1, %0" : "=m"(*(hal_vh *)to) : "v"(u));
}

#if IS(q4_0)
/* Four blocks at a time: their codes are 32 halves of four codes each.  The low
 * codes of half j are elements 2 j and 2 j + 16 of its block, the high codes
 * those after them. */
#define PAIRED(depth) 1

/* x in the order of the codes: of each nibble 32, eight a block. */
FN(void) put_pairs(hal_T_bf16 *x, float *sums, idx i, v16 v)
{
    hal_T_bf16 *to = x + i / 128 * 128 + i / 16 % 2 * 32 + i / 32 % 4 * 8;
    hal_T_bf16 dealt[16];
    hal_vu u = (hal_vu)v.p[0];
    (void)sums;
    u = __builtin_shufflevector(u, u, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9,
                                11, 13, 15);
    put_16(dealt, (v16){ { (hal_vf)u } });
    __builtin_memcpy(to, dealt, 16);
    __builtin_memcpy(to + 64, dealt + 8, 16);
}

typedef struct {
    halves table, codes, factors;
} orders;

/* Where halves lie in four blocks; from the 32nd on, in what gather() takes
 * from 8 bytes later. */
FN(orders) orders_of(void)
{
    orders o = { .table = integers(-8, 16, 32) };
    HAL_PRAGMA(GCC unroll 32)
    for (int l = 0; l < 32; l++) {
        int at = l / 8 * (int)(BYTES / 2) + 1 + l % 8;
        o.codes[l] = (unsigned short)(at < 32 ? at : at + 32 - 4);
        o.factors[l] = (unsigned short)(l / 4 % 4 * (int)(BYTES / 2));
    }
    return o;
}

FN(halves) gather(halves at, const hal_T_u8 *w)
{
    __asm__("vpermi2w %2, %1, %0"
            : "+v"(at)
            : "v"(*(const halves *)w), "m"(*(const halves *)(w + 8)));
    return at;
}

FN(hal_vf)
four_products(const orders *o, const hal_T_u8 *w, const hal_T_bf16 *x)
{
    halves c = gather(o->codes, w);
    halves d = choose_half(*(const halves *)w, o->factors);
    hal_vf by, t = pair_product(choose_half(o->table, c), x);
    UNROLL for (int q = 1; q < 4; q++)
    {
        halves more = c >> (unsigned short)(4 * q);
        t = pair_add(t, choose_half(o->table, more), x + 32 * q);
    }
    __asm__("vcvtph2ps %t1, %0" : "=v"(by) : "v"(d));
    return t * by;
}

FN(vec)
pairs_row(vec acc, const hal_T_u8 *w, const hal_T_bf16 *x, const float *sums,
          idx len)
{
    const orders o = orders_of();
    hal_vf s = { 0 }, t = { 0 };
    idx n = len / QK;
    (void)sums;
    for (; n >= 8; n -= 8, w += 8 * BYTES, x += 8 * QK) {
        fetch_ahead(w, 8 * BYTES);
        s += four_products(&o, w, x);
        t += four_products(&o, w + 4 * BYTES, x + 4 * QK);
    }
    /* what is left, with zeros to four blocks */
    for (; n > 0; n -= 4, w += 4 * BYTES, x += 4 * QK) {
        hal_T_u8 some_w[4 * BYTES] = { 0 };
        hal_T_bf16 some_x[4 * QK] = { 0 };
        const idx blocks = MIN(n, 4);
        __builtin_memcpy(some_w, w, (hal_u64)blocks * BYTES);
        for (idx q = 0; q < 4; q++)
            __builtin_memcpy(some_x + 32 * q, x + 32 * q, (hal_u64)blocks * 16);
        s += four_products(&o, some_w, some_x);
    }
    acc.p[0] += s + t;
    return acc;
}

#elif IS(q5_0)
/* Two blocks at a time; their halves change places: low codes, then high. */
#define PAIRED(depth) ((depth) % 64u == 0u)

/* 16 bytes each of two blocks, each in a half. */
FN(halves) two_blocks(const hal_T_u8 *a, const hal_T_u8 *b)
{
    typedef char bytes __attribute__((vector_size(32)));
    bytes both;
    halves h;
    __asm__("vmovdqu8 %1, %x0" : "=v"(both) : "m"(*(const hal_T_u8(*)[16])a));
    __asm__("vinserti32x4 $1, %1, %0, %0"
            : "+v"(both)
            : "m"(*(const hal_T_u8(*)[16])b));
    __asm__("vpmovzxbw %1, %0" : "=v"(h) : "v"(both));
    return h;
}

/* code + 16 where the bit is set */
FN(halves) add_bit(halves code, uint bits)
{
    __asm__("vpaddw %2, %0, %0%{%1%}"
            : "+v"(code)
            : "Yk"(bits), "v"((halves){ 0 } + (unsigned short)16));
    return code;
}

/* The fifth bits: of each block's first 16 codes, then of the others. */
FN(void) add_high(halves *low, halves *high, const hal_T_u8 *w)
{
    uint a, b;
    __builtin_memcpy(&a, w + 2, 4);
    __builtin_memcpy(&b, w + 2 + BYTES, 4);
    *low = add_bit(*low & 15, (a & 0xffffu) | b << 16);
    *high = add_bit(*high, a >> 16 | (b & 0xffff0000u));
}

FN(void) put_pairs(hal_T_bf16 *x, float *sums, idx i, v16 v)
{
    idx c = i / 16 % 4;
    (void)sums;
    put_16(x + i + (c == 1 ? 16 : (c == 2 ? -16 : 0)), v);
}

/* The products of two blocks, of which `by` has the factors i and i + 1. */
FN(hal_vf)
two_products(halves table, const hal_T_u8 *w, const hal_T_bf16 *x, hal_vf by,
             int i)
{
    halves low = two_blocks(w + 6, w + 6 + BYTES), high = low >> 4;
    fetch_ahead(w, BYTES);
    add_high(&low, &high, w);
    hal_vf t = pair_product(choose_half(table, low), x);
    t = pair_add(t, choose_half(table, high), x + 32);
    return t * two_of(by, i / 2);
}

FN(vec)
pairs_row(vec acc, const hal_T_u8 *w, const hal_T_bf16 *x, const float *sums,
          idx len)
{
    const halves table = integers(-16, 32, 32);
    hal_vf s = { 0 }, t = { 0 };
    factors next;
    (void)sums;
    factors_of(&next, w, len / QK);
    for (idx n = len / QK; n > 0; n -= 16, w += 16 * BYTES, x += 16 * QK) {
        hal_vf by = hal_ld16_f16(next.from).p[0];
        factors_of(&next, w + 16 * BYTES, n - 16);
        /* sums that a loop indexed would lie in memory, and wait for it */
        if (n >= 16)
            UNROLL for (int b = 0; b < 16; b += 4)
            {
                const hal_T_u8 *v = w + b * BYTES;
                s += two_products(table, v, x + b * QK, by, b);
                t += two_products(table, v + 2 * BYTES, x + b * QK + 64, by,
                                  b + 2);
            }
        else
            for (int b = 0; b < n; b += 2)
                s += two_products(table, w + b * BYTES, x + b * QK, by, b);
    }
    acc.p[0] += s + t;
    return acc;
}

#else
#define PAIRED(depth) 1

FN(void) put_pairs(hal_T_bf16 *x, float *sums, idx i, v16 v)
{
    put_16(x + i, v);
    sums[i / 16] = vec_sum(v);
}

#if IS(q6_k)
FN(void)
block_of(hal_vf *s, const hal_T_u8 *w, const hal_T_bf16 *x, const float *sums)
{
    const halves low = integers(0, 32, 64), high = integers(32, 32, 0);
    hal_T_u8 code[256];
    hal_vf by = signed_of(w + 192) * half_all(w + 208);
    (void)sums;
    codes_of(code, w);
    UNROLL for (int v = 0; v < 8; v++)
    {
        halves c = halves_of(code + 32 * v);
        __asm__("vpermi2w %2, %1, %0" : "+v"(c) : "v"(low), "v"(high));
        s[v % 2] += pair_product(c, x + 32 * v) * two_of(by, v);
    }
}

#else /* q4_k, q5_k */
/* A number that is none would meet a minimum that it has not: its block goes
 * by weights. */
static __attribute__((noinline)) hal_vf whole_block(const hal_T_u8 *w,
                                                    const hal_T_bf16 *x)
{
    float f[256];
    hal_vf s[2] = { 0 };
    for (idx i = 0; i < 256; i += 16)
        hal_st16_f32(f + i, hal_ld16_bf16(x + i));
    block(s, w, f);
    return s[0] + s[1];
}

FN(void)
block_of(hal_vf *s, const hal_T_u8 *w, const hal_T_bf16 *x, const float *sums)
{
    const halves table = integers(0, IS(q4_k) ? 16 : 32, 32);
    hal_vu twice = (hal_vu) __builtin_convertvector(hal_iota(0), hal_vi) / 2;
    hal_vf xs = xs_of(sums, 0);
    float by[16];
    uint wild;
    __asm__("vfpclassps $0x99, %1, %0" : "=k"(wild) : "v"(xs));
    if (wild != 0u) {
        s[0] += whole_block(w, x);
        return;
    }
    hal_vf scales = scales_of(w);
    s[0] -= xs * choose(scales, twice + 8u);
    *(hal_vf_any *)by = scales;
    IN_MEMORY(by);
#if IS(q5_k)
    halves more = halves_of(w + 16);
#endif
    UNROLL for (int j = 0; j < 4; j++)
    {
        halves c[2] = { halves_of(w + BYTES - 128 + 32 * j) };
        c[1] = c[0] >> 4;
        UNROLL for (int h = 0; h < 2; h++)
        {
            int t = 2 * j + h;
#if IS(q5_k)
            halves high = t < 4 ? more << (4 - t) : more >> (t - 4);
            c[h] = high ^ ((high ^ c[h]) & 15);
#endif
            s[h] += pair_product(choose_half(table, c[h]), x + 32 * t) * by[t];
        }
    }
}
#endif

FN(vec)
pairs_row(vec acc, const hal_T_u8 *w, const hal_T_bf16 *x, const float *sums,
          idx len)
{
    hal_vf s[2] = { 0 };
    for (idx i = 0; i < len; i += QK, w += BYTES) {
        fetch_ahead(w, BYTES);
        block_of(s, w, x + i, sums + i / 16);
    }
    acc.p[0] += s[0] + s[1];
    return acc;
}
#endif
