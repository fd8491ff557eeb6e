/* SPDX-License-Identifier: Apache-2.0 */
/*
 * int4_pairs.h - a strip of 128 columns of int4 weights times x with AVX-512
 * BF16, for int4_gemv.k.  Code less zero point is a small integer, which bf16
 * holds, so vdpbf16ps adds two exact products a lane; x is a bf16, or the sum
 * of two (f16) or three (f32).  Products of groups of k are summed in lanes
 * whose order the codes dictate: COLUMN_OF.  Include int4_order.h before.
 */
typedef unsigned char bytes __attribute__((vector_size(64), may_alias));
typedef unsigned short halves __attribute__((vector_size(64), may_alias));
typedef uint eight __attribute__((vector_size(32), aligned(4), may_alias));

/* Bits of the 16 numbers of v, and what they leave: three times is exact.  An
 * infinity leaves 0, a NaN stays one. */
FN(hal_vu) piece_of(hal_vf *v)
{
    hal_vu u = (hal_vu)*v, a = u & 0x7fffffffu, top = u & 0xffff0000u;
    hal_vu finite = (hal_vu)((hal_vi)a < 0x7f800000);

    *v = (hal_vf)((hal_vu)(*v - (hal_vf)top) & finite);
    return top | ((hal_vu)((hal_vi)a > 0x7f800000) & 0x7fc00000u);
}

/* 16 elements of x as pairs, `pieces` times, `stride` pairs from each other.
 * AWQ: k and its neighbour; GPTQ: k and k + 4. */
FN(void) pairs_of(uint *to, hal_vf v, uint pieces, idx stride)
{
    for (uint p = 0; p < pieces; p++, to += stride) {
        hal_vu u = piece_of(&v);
#ifdef AWQ
        eight low = __builtin_shufflevector(u, u, 0, 2, 4, 6, 8, 10, 12, 14);
        eight high = __builtin_shufflevector(u, u, 1, 3, 5, 7, 9, 11, 13, 15);
#else
        eight low = __builtin_shufflevector(u, u, 0, 1, 2, 3, 8, 9, 10, 11);
        eight high = __builtin_shufflevector(u, u, 4, 5, 6, 7, 12, 13, 14, 15);
#endif
        *(eight *)to = (low >> 16) | high;
    }
}

/* The low five bits of each half, -16..15, as bf16. */
FN(halves) small(halves code)
{
    const halves table = { 0x0000, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0,
                           0x40c0, 0x40e0, 0x4100, 0x4110, 0x4120, 0x4130,
                           0x4140, 0x4150, 0x4160, 0x4170, 0xc180, 0xc170,
                           0xc160, 0xc150, 0xc140, 0xc130, 0xc120, 0xc110,
                           0xc100, 0xc0e0, 0xc0c0, 0xc0a0, 0xc080, 0xc040,
                           0xc000, 0xbf80 };
    halves r;
    __asm__("vpermw %1, %2, %0" : "=v"(r) : "v"(table), "v"(code));
    return r;
}

/* acc + the products of both halves of each lane and of the pair at x */
FN(hal_vf) pair_add(hal_vf acc, halves w, const uint *x)
{
    __asm__("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(w), "m"(*x));
    return acc;
}

/* Even and odd nibbles of 64 bytes. */
FN(bytes) even_of(hal_vu u)
{
    return (bytes)(u & 0x0f0f0f0fu);
}
FN(bytes) odd_of(hal_vu u)
{
    return (bytes)(u >> 4 & 0x0f0f0f0fu);
}

FN(hal_vu) words_of(const uint *p)
{
    return *(const hal_vu_any *)p;
}

#ifdef AWQ
/* Lane l of sum t, of words that vpunpck[lh]wd took: half h of word l / 4 * 4 +
 * t / 4 * 2 + l / 2 % 2, whose nibbles are columns h, h + 2, h + 4, h + 6. */
#define COLUMN_OF(t, l)                                                    \
    (32 * ((l) / 4) + 16 * ((t) / 4) + 8 * ((l) / 2 % 2) + 2 * ((t) % 4) + \
     (l) % 2)
#define KS          2         /* k that a step takes */
#define LINES       2         /* of w in a step */
#define ROW_LINES   1         /* of a strip in a row of w */
#define ROW_OF(n)   ((n) / 8) /* words from a row of w to the next */
#define CODES_AT(c) (c) / 8

/* Halves of two rows, in pairs: of the lower (0) or upper words of lanes. */
FN(hal_vu) pair_rows(hal_vu a, hal_vu b, int upper)
{
    hal_vu r;
    if (upper)
        __asm__("vpunpckhwd %2, %1, %0" : "=v"(r) : "v"(a), "v"(b));
    else
        __asm__("vpunpcklwd %2, %1, %0" : "=v"(r) : "v"(a), "v"(b));
    return r;
}

/* Zero points in the order of the codes: even and odd nibbles of t. */
FN(void) zeros_of(bytes *z, const uint *from, idx n, uint more)
{
    hal_vu u = words_of(from);
    UNROLL for (int h = 0; h < 2; h++)
    {
        hal_vu both = pair_rows(u, u, h);
        z[2 * h] = even_of(both) + (unsigned char)more;
        z[2 * h + 1] = odd_of(both) + (unsigned char)more;
    }
}

FN(void)
add_step(hal_vf *acc, const bytes *z, const uint *w, idx n, const uint *x,
         uint pieces, idx stride)
{
    hal_vu a = words_of(w), b = words_of(w + n / 8);
    UNROLL for (int h = 0; h < 2; h++)
    {
        hal_vu both = pair_rows(a, b, h);
        halves e = (halves)(even_of(both) - z[2 * h]);
        halves o = (halves)(odd_of(both) - z[2 * h + 1]);
        halves c[4] = { small(e), small(o), small(e >> 8), small(o >> 8) };
        for (uint p = 0; p < pieces; p++)
            UNROLL for (int i = 0; i < 4; i++) acc[4 * h + i] =
                pair_add(acc[4 * h + i], c[i], x + p * stride);
    }
}
#else
#define COLUMN_OF(t, l) (16 * (t) + (l))
#define KS              8
#define LINES           8
#define ROW_LINES       8
#define ROW_OF(n)       (n)
#define CODES_AT(c)     (c)

/* A column's zero point in each byte of its lane. */
FN(void) zeros_of(bytes *z, const uint *from, idx n, uint more)
{
    const hal_vu lane = (hal_vu) __builtin_convertvector(hal_iota(0), hal_vi);
    UNROLL for (int t = 0; t < 8; t++)
    {
        hal_vu low = (hal_vu){ 0 } + from[2 * t];
        hal_vu high = (hal_vu){ 0 } + from[2 * t + 1];
        hal_vu upper = (hal_vu)((hal_vi)lane > 7);
        hal_vu u = (low & ~upper) | (high & upper);
        u = (u >> (lane % 8 * 4) & 15u) + more;
        z[t] = (bytes)(u * 0x01010101u);
    }
}

FN(void)
add_step(hal_vf *acc, const bytes *z, const uint *w, idx n, const uint *x,
         uint pieces, idx stride)
{
    UNROLL for (int t = 0; t < 8; t++)
    {
        hal_vu u = words_of(w + 16 * t);
        halves e = (halves)(even_of(u) - z[t]), o = (halves)(odd_of(u) - z[t]);
        halves c[4] = { small(e), small(o), small(e >> 8), small(o >> 8) };
        for (uint p = 0; p < pieces; p++)
            UNROLL for (int i = 0; i < 4; i++) acc[t] =
                pair_add(acc[t], c[i], x + p * stride + i);
    }
}
#endif

/* sums += the products of k from..to, of one group, whole steps: w, zeros and
 * scales are those of the strip's first column, x the pairs. */
FN(void)
strip(hal_vf *sums, const uint *w, const uint *zeros, const hal_T_f16 *scales,
      idx n, uint more, idx from, idx to, const uint *x, uint pieces,
      idx stride, fetches *ahead)
{
    hal_vf acc[8] = { 0 };
    bytes z[8];
    hal_T_f16 by[128];

    /* the next group's */
    __builtin_prefetch(zeros + n / 8);
    UNROLL for (int i = 0; i < 4; i++) __builtin_prefetch(scales + n + 32 * i);
    zeros_of(z, zeros, n, more);
    for (idx k = from; k < to; k += KS, x += KS / 2) {
        UNROLL for (int i = 0; i < LINES; i++) fetch_line(ahead);
        add_step(acc, z, w + k * n / 8, n, x, pieces, stride);
    }
#ifdef AWQ
    for (int l = 0; l < 16; l++)
        UNROLL for (int t = 0; t < 8; t++) by[16 * t + l] =
            scales[COLUMN_OF(t, l)];
    scales = by;
#else
    (void)by;
#endif
    UNROLL for (int t = 0; t < 8; t++) sums[t] +=
        acc[t] * hal_ld16_f16(scales + 16 * t).p[0];
}
