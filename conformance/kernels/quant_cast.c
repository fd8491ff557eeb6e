/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant_cast.c - kernel.cast.* to and from 8 bits and 32-bit integers, bit for
 * bit: every code of an 8 or 16-bit source; from f32 every value of the target,
 * every midpoint between two, the f32 numbers beside both, and every upper half
 * of an f32; from i32 every upper half, and what lies around each power of two
 * and each tie of a narrower format.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/quant.h"

#define HARD 600000 /* more than any list of hard numbers */

struct param {
    halDtype from, to;
    int64_t n; /* 0: exhaustive */
    int odd;
};

static float f32_of(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of(double v)
{
    float f = (float)v;
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

/* Every upper half of an f32, with lower halves that decide. */
static int64_t every_upper(float *out)
{
    static const uint32_t lows[7] = { 0,      1,      0x7FFF, 0x8000,
                                      0x8001, 0xFFFF, 0x1234 };
    int64_t n = 0;

    for (uint32_t upper = 0; upper < 65536; upper++)
        for (uint32_t low = 0; low < 7; low++)
            out[n++] = f32_of(upper << 16 | lows[low]);
    return n;
}

/* f32 numbers around every decision of a rounding to `to`; returns how many */
static int64_t hard_f32(halDtype to, float *out)
{
    int64_t n = 0;

    for (int code = 0; code < 256; code++) {
        uint8_t now = (uint8_t)code, then = (uint8_t)(code + 1);
        double v = conf_decode(to, &now, 0), w = conf_decode(to, &then, 0);
        double points[3] = { v, (v + w) / 2, v + (v + w) / 2 };

        for (int p = 0; p < 3; p++) {
            uint32_t u = bits_of(points[p]);

            for (uint32_t d = 0; d < 5; d++)
                out[n++] = f32_of(u + d - 2); /* -2 .. 2 steps */
        }
    }
    return n + every_upper(out + n);
}

/* f32 numbers around every decision of a rounding to i32: integers and halves
 * next to each power of two, with the numbers beside them. */
static int64_t hard_for_i32(float *out)
{
    int64_t n = 0;

    for (int e = -3; e <= 33; e++)
        for (int half = -9; half <= 9; half++)
            for (uint32_t step = 0; step < 5; step++) {
                double v = ldexp(1, e) + half * 0.5;
                uint32_t u = bits_of(v) + step - 2;

                out[n++] = f32_of(u);
                out[n++] = f32_of(u ^ 0x80000000u);
            }
    return n + every_upper(out + n);
}

/* Integers whose rounding to a float is decided by any of their bits. */
static int64_t hard_i32(int32_t *out)
{
    int64_t n = 0;

    for (int top = 0; top < 32; top++)
        for (int bit = 0; bit <= top; bit++)
            for (int64_t off = -2; off <= 2; off++) {
                int64_t v = ((int64_t)1 << top) + ((int64_t)1 << bit) + off;

                out[n++] = (int32_t)(uint32_t)v;
                out[n++] = (int32_t)(uint32_t)-v;
            }
    for (uint32_t upper = 0; upper < 65536; upper++)
        for (uint32_t low = 0; low < 7; low++) {
            static const uint32_t lows[7] = { 0,      1,      0x7FFF, 0x8000,
                                              0x8001, 0xFFFF, 0x1234 };

            out[n++] = (int32_t)(upper << 16 | lows[low]);
        }
    return n;
}

static struct kx_tensor exhaustive(struct conf *c, const struct param *p)
{
    uint16_t *codes;
    float *hard;

    if (p->from == halF32) {
        hard = conf_host(c, HARD * sizeof *hard);
        return kq_codes(c, halF32, hard,
                        p->to == halI32 ? hard_for_i32(hard)
                                        : hard_f32(p->to, hard),
                        p->odd);
    }
    if (p->from == halI32) {
        int32_t *whole = conf_host(c, HARD * sizeof *whole);

        return kq_codes(c, halI32, whole, hard_i32(whole), p->odd);
    }
    codes = conf_host(c, 65536 * sizeof *codes);
    if (conf_dtype_bytes(p->from) == 1) {
        for (int i = 0; i < 256; i++)
            ((uint8_t *)codes)[i] = (uint8_t)i;
        return kq_codes(c, p->from, codes, 256, p->odd);
    }
    for (int i = 0; i < 65536; i++)
        codes[i] = (uint16_t)i;
    return kq_codes(c, p->from, codes, 65536, p->odd);
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    struct kx_tensor x, y;

    if (!p->n)
        x = exhaustive(c, p);
    else if (conf_dtype_bytes(p->from) == 1)
        x = kq_random(c, p->from, p->n, p->odd);
    else
        x = kx_normal(c, p->from, p->n, p->to == halI32 ? 1e9 : 100, p->odd);
    kx_need(c, p->to);
    y = kx_output(c, p->to, x.n, p->odd);
    CONF_OK(c, halopCast(p->to, y.buf.mem, p->from, x.buf.mem, x.n, NULL));
    kx_expect_exact(c, "y", &y, x.val);
    kx_intact(c, &x);
}

/* Codes 0..255 to f32 and back; then f32 numbers that must be rounded up. */
static void run_e8m0(struct conf *c)
{
    uint8_t codes[256], *got;
    float up[2 * 254 + 6];
    struct kx_tensor x, y, back, z;
    struct conf_buf raw;

    for (int i = 0; i < 256; i++)
        codes[i] = (uint8_t)i;
    raw = conf_upload(c, codes, sizeof codes, 1);
    y = kx_output(c, halF32, 256, 0);
    CONF_OK(c, halopScaleFromE8M0(y.buf.mem, raw.mem, 256, NULL));
    x.val = kx_doubles(c, 256);
    for (int i = 0; i < 256; i++)
        x.val[i] = i == 255 ? NAN : ldexp(1, i - 127);
    kx_expect_exact(c, "from e8m0", &y, x.val);

    back = kx_output(c, halU8, 256, 3);
    CONF_OK(c, halopScaleToE8M0(back.buf.mem, y.buf.mem, 256, NULL));
    got = kx_fetch(c, &back);
    for (int i = 0; i < 256; i++) /* 2^-127 is raised to code 1 */
        conf_check(c, got[i] == (i == 0 ? 1 : i), "code %d came back as %d", i,
                   got[i]);

    for (int e = 1; e <= 254; e++) {
        up[2 * e - 2] = f32_of((uint32_t)e << 23 | 1);
        up[2 * e - 1] = f32_of((uint32_t)e << 23 | 0x7FFFFF);
    }
    up[508] = 0;
    up[509] = f32_of(1);
    up[510] = INFINITY;
    up[511] = NAN;
    up[512] = -4;
    up[513] = -5;
    x = kq_codes(c, halF32, up, KX_COUNT(up), 0);
    z = kx_output(c, halU8, x.n, 0);
    CONF_OK(c, halopScaleToE8M0(z.buf.mem, x.buf.mem, x.n, NULL));
    got = kx_fetch(c, &z);
    for (int i = 0; i < 508; i++)
        conf_check(c, got[i] == (i / 2 == 253 ? 254 : i / 2 + 2),
                   "%a became code %d", (double)up[i], got[i]);
    conf_check(c,
               got[508] == 1 && got[509] == 1 && got[510] == 254 &&
                   got[511] == 255 && got[512] == 129 && got[513] == 130,
               "0, 2^-149, inf, NaN, -4, -5 became %d %d %d %d %d %d", got[508],
               got[509], got[510], got[511], got[512], got[513]);
    kx_intact(c, &x);
}

static void refuse(struct conf *c)
{
    struct kx_tensor x = kx_normal(c, halF32, 64, 1, 0);
    struct kx_tensor y = kx_output(c, halF32, 64, 0);
    void *before = kx_snapshot(c, &y.buf), *o = y.buf.mem, *a = x.buf.mem;

    KQ_DTYPE(halopCast(halI8, o, halE4M3, a, 8, NULL));
    KQ_DTYPE(halopCast(halE5M2, o, halU8, a, 8, NULL));
    KQ_DTYPE(halopCast(halI8, o, halU8, a, 8, NULL));
    KQ_DTYPE(halopCast(halE4M3, o, halI32, a, 8, NULL));
    KQ_DTYPE(halopCast(halI32, o, halE5M2, a, 8, NULL));
    KQ_DTYPE(halopCast(halI32, o, halU32, a, 8, NULL));
    KQ_DTYPE(halopCast(halI64, o, halI32, a, 8, NULL));
    KQ_BAD(halopCast(halI32, NULL, halF32, a, 8, NULL));
    KQ_BAD(halopCast(halI32, o, halF32, NULL, 8, NULL));
    KQ_BAD(halopCast(halI32, (char *)o + 2, halF32, a, 8, NULL));
    KQ_BAD(halopCast(halI8, o, halI32, (char *)a + 1, 8, NULL));
    KQ_BAD(halopCast(halI32, o, halI8, a, 1 << 20, NULL));
    KQ_BAD(halopCast(halI32, o, halI8, (char *)o + 3, 8, NULL));
    KQ_BAD(halopCast(halI32, o, halI32, (char *)o + 4, 8, NULL));
    KQ_BAD(halopCast(halF32, o, halI32, a, -1, NULL));
    KQ_DTYPE(halopCast((halDtype)77, o, halE4M3, a, 8, NULL));
    KQ_BAD(halopCast(halE4M3, NULL, halF32, a, 8, NULL));
    KQ_BAD(halopCast(halE4M3, o, halF32, NULL, 8, NULL));
    KQ_BAD(halopCast(halE4M3, o, halF32, (char *)a + 2, 8, NULL));
    KQ_BAD(halopCast(halE4M3, o, halF32, a, 1 << 20, NULL));
    KQ_BAD(halopCast(halF32, o, halE4M3, (char *)o + 3, 8, NULL));
    KQ_BAD(halopCast(halE4M3, o, halF32, a, -1, NULL));
    KQ_BAD(halopScaleFromE8M0(NULL, a, 8, NULL));
    KQ_BAD(halopScaleFromE8M0(o, NULL, 8, NULL));
    KQ_BAD(halopScaleFromE8M0(o, a, -8, NULL));
    KQ_BAD(halopScaleToE8M0(NULL, a, 8, NULL));
    KQ_BAD(halopScaleToE8M0(o, o, 8, NULL));
    KQ_BAD(halopScaleToE8M0(o, a, INT64_MAX, NULL));
    CONF_OK(c, halopCast(halE4M3, o, halF32, a, 0, NULL));
    kx_untouched(c, &y.buf, before);
    kx_intact(c, &x);
}

static void add_pair(struct conf_list *list, halDtype from, halDtype to)
{
    static const struct {
        const char *name;
        int64_t n;
        int odd;
    } shapes[] = {
        { "one", 1, 0 },          { "n15", 15, 0 },
        { "n16", 16, 0 },         { "n17", 17, 0 },
        { "prime", 1009, 0 },     { "n65537", 65537, 0 },
        { "misaligned", 333, 1 }, { "exhaustive", 0, 0 },
    };
    int integer = from == halI8 || from == halU8 || from == halI32 ||
                  to == halI8 || to == halU8 || to == halI32;

    for (int i = 0; i < KX_COUNT(shapes); i++) {
        struct param p = { from, to, shapes[i].n, shapes[i].odd };

        kq_add(list, integer ? "kernels-int8" : "kernels-fp8", run, &p,
               sizeof p, "cast.%s_%s.%s", conf_dtype_name(from),
               conf_dtype_name(to), shapes[i].name);
    }
}

void kq_cases_cast(struct conf_list *list)
{
    static const halDtype small[] = { halE4M3, halE5M2, halI8, halU8 };
    static const halDtype whole[] = { halF32, halBF16, halF16, halI8, halU8 };

    for (int s = 0; s < KX_COUNT(small); s++)
        for (int f = 0; f < KX_COUNT(kx_floats); f++) {
            add_pair(list, small[s], kx_floats[f]);
            add_pair(list, kx_floats[f], small[s]);
        }
    for (int f = 0; f < KX_COUNT(whole); f++) {
        add_pair(list, halI32, whole[f]);
        add_pair(list, whole[f], halI32);
    }
    add_pair(list, halE4M3, halE5M2);
    add_pair(list, halE5M2, halE4M3);
    kq_add(list, "kernels-fp8", run_e8m0, NULL, 0, "scale.e8m0.exhaustive");
    kq_add(list, "kernels-fp8", refuse, NULL, 0, "refuse.quant_cast");
}
