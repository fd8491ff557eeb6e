/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cast.c - kernel.cast.*: bit for bit.  From 16-bit formats every code is
 * tried; from f32 every value of the target, every midpoint between two, and
 * the f32 numbers on either side of both.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/cases.h"

struct param {
    halDtype from, to;
    int64_t n; /* 0: exhaustive */
    int odd;
};

static float next_f32(float v, int up)
{
    return nextafterf(v, up ? INFINITY : -INFINITY);
}

/* val: room for 6 * 65536 numbers; returns how many there are. */
static int64_t exhaustive(const struct param *p, double *val)
{
    halDtype codes = p->from == halF32 ? p->to : p->from;
    int64_t n = 0;

    for (int code = 0; code < 65536; code++) {
        uint16_t now = (uint16_t)code, then = (uint16_t)(code + 1);
        double v, middle;

        if (codes == halF32) { /* f32 to itself: the upper halves do */
            uint32_t bits = (uint32_t)code << 16 | 0x1234;
            float f;

            memcpy(&f, &bits, sizeof f);
            val[n++] = f;
            continue;
        }
        v = conf_decode(codes, &now, 0);
        val[n++] = v;
        if (p->from != halF32 || !isfinite(v))
            continue;
        middle = conf_decode(codes, &then, 0);
        if (!isfinite(middle)) /* past the largest: where overflow begins */
            middle =
                v + (v - conf_decode(codes, &(uint16_t){ (uint16_t)(code - 1) },
                                     0));
        middle = v / 2 + middle / 2;
        val[n++] = next_f32((float)v, 1);
        val[n++] = next_f32((float)v, 0);
        val[n++] = middle;
        val[n++] = next_f32((float)middle, 1);
        val[n++] = next_f32((float)middle, 0);
    }
    return n;
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    int64_t n = p->n;
    double *val = kx_doubles(c, n ? n : 6 * 65536);
    struct kx_tensor x, y;

    if (!n)
        n = exhaustive(p, val);
    else
        for (int64_t i = 0; i < n; i++)
            val[i] = conf_normal(c);
    x = kx_input(c, p->from, val, n, p->odd);
    kx_need(c, p->to);
    y = kx_output(c, p->to, n, p->odd);
    CONF_OK(c, halopCast(p->to, y.buf.mem, p->from, x.buf.mem, n, NULL));
    kx_expect_exact(c, "y", &y, x.val);
    kx_intact(c, &x);
}

void kx_cases_cast(struct conf_list *list)
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

    for (int f = 0; f < KX_COUNT(kx_floats); f++)
        for (int t = 0; t < KX_COUNT(kx_floats); t++)
            for (int i = 0; i < KX_COUNT(shapes); i++) {
                struct param p = { kx_floats[f], kx_floats[t], shapes[i].n,
                                   shapes[i].odd };
                /* The level of the 16-bit format where there is one. */
                halDtype level = p.to == halF32 ? p.from : p.to;

                kx_add(list, level, "", run, &p, sizeof p, "cast.%s_%s.%s",
                       conf_dtype_name(p.from), conf_dtype_name(p.to),
                       shapes[i].name);
            }
}
