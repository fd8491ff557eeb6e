/* SPDX-License-Identifier: Apache-2.0 */
/* elements.c - kernel.swiglu.* and kernel.add.*. */
#include <math.h>

#include "conformance/kernels/cases.h"

struct shape {
    const char *name;
    int64_t n;
    int odd;
};

struct param {
    halDtype dtype;
    struct shape s;
    int alias; /* add: y is a (1) or b (2) */
};

static const struct shape shapes[] = {
    { "one", 1, 0 },        { "n15", 15, 0 },         { "n16", 16, 0 },
    { "n17", 17, 0 },       { "prime", 101, 0 },      { "n255", 255, 0 },
    { "n256", 256, 0 },     { "n257", 257, 0 },       { "n1023", 1023, 0 },
    { "n4099", 4099, 0 },   { "n65535", 65535, 0 },   { "n65536", 65536, 0 },
    { "n65537", 65537, 0 }, { "n300007", 300007, 0 }, { "misaligned", 1001, 1 },
};

/* exp(-gate) carries 3 + 2|gate| units in the last place on Vulkan, and so
 * does a good 2^(x log2 e) anywhere; where it overflows (gate < -88.7) the
 * quotient is 0 instead of at most 88.8 * 2^-128 of `up`. */
static void judge_swiglu(struct conf *c, const struct param *p,
                         struct kx_tensor *gate, struct kx_tensor *up)
{
    int64_t n = gate->n;
    struct kx_tensor y = kx_output(c, p->dtype, n, p->s.odd);
    double *want = kx_doubles(c, n), *mag = kx_doubles(c, n);
    struct conf_bound bound;
    double widest = 1;

    CONF_OK(c, halopSwiGLU(p->dtype, y.buf.mem, gate->buf.mem, up->buf.mem, n,
                           NULL));
    oracle_swiglu(want, gate->val, up->val, n);
    for (int64_t i = 0; i < n; i++) {
        mag[i] = isfinite(want[i])
                     ? fabs(want[i]) * (16 + 4 * fabs(gate->val[i]))
                     : 0;
        if (isfinite(up->val[i]) && fabs(up->val[i]) > widest)
            widest = fabs(up->val[i]);
    }
    bound = kx_bound_sum(p->dtype, 1, mag, want, n);
    bound.abs += 0x1p-121 * widest;
    kx_expect(c, "y", &y, want, mag, 1, n, &bound);
    kx_intact(c, gate);
    kx_intact(c, up);
}

static void run_swiglu(struct conf *c)
{
    const struct param *p = conf_param(c);
    struct kx_tensor gate = kx_normal(c, p->dtype, p->s.n, 3, p->s.odd);
    struct kx_tensor up = kx_normal(c, p->dtype, p->s.n, 1, p->s.odd);

    judge_swiglu(c, p, &gate, &up);
}

static void run_swiglu_extremes(struct conf *c)
{
    static const double gates[] = { 0.0,  -0.0,   1e-30, -1e-30, 20,   -20,
                                    60,   -60,    87,    -87,    88.5, -88.5,
                                    89,   -89,    104,   -104,   1e4,  -1e4,
                                    6e4,  -6e4,   3e38,  -3e38,  NAN,  INFINITY,
                                    -1.5, 0x1p-20 };
    static const double ups[] = { 1, -2, 0.0, 1000, NAN };
    enum { G = KX_COUNT(gates), U = KX_COUNT(ups) };
    const struct param *p = conf_param(c);
    double *g = kx_doubles(c, G * U), *u = kx_doubles(c, G * U);
    struct kx_tensor gate, up;

    for (int i = 0; i < G * U; i++) {
        g[i] = gates[i / U];
        u[i] = ups[i % U];
        if (p->dtype == halF16 && isfinite(g[i]) && fabs(g[i]) > 65504)
            g[i] = g[i] < 0 ? -65504 : 65504;
        /* An infinite gate times nothing is not asked for. */
        if (g[i] == INFINITY && u[i] == 0)
            u[i] = 1;
        /* Near the largest number the product overflows on either side. */
        if (fabs(g[i]) > 1e30 && fabs(u[i]) > 1)
            u[i] = 0.5;
    }
    gate = kx_input(c, p->dtype, g, G * U, 0);
    up = kx_input(c, p->dtype, u, G * U, 0);
    judge_swiglu(c, p, &gate, &up);
}

/* One rounding of an exact sum: nothing to allow.  f32 subnormals may be
 * flushed, coming or going. */
static void judge_add(struct conf *c, const struct param *p,
                      struct kx_tensor *a, struct kx_tensor *b)
{
    int64_t n = a->n;
    struct conf_bound bound = { 0 };
    double *want = kx_doubles(c, n);
    struct kx_tensor y;

    if (p->dtype != halF16)
        bound.abs = 0x1p-125;
    if (p->alias)
        y = kx_in_place(c, p->alias == 1 ? a : b, p->s.odd);
    else
        y = kx_output(c, p->dtype, n, p->s.odd);
    CONF_OK(c, halopAdd(p->dtype, y.buf.mem,
                        p->alias == 1 ? y.buf.mem : a->buf.mem,
                        p->alias == 2 ? y.buf.mem : b->buf.mem, n, NULL));
    oracle_add(want, a->val, b->val, n);
    for (int64_t i = 0; i < n; i++)
        want[i] = oracle_round(p->dtype, want[i]);
    kx_expect(c, "y", &y, want, NULL, 1, n, &bound);
    kx_intact(c, a);
    kx_intact(c, b);
}

static void run_add(struct conf *c)
{
    const struct param *p = conf_param(c);
    struct kx_tensor a = kx_normal(c, p->dtype, p->s.n, 1, p->s.odd);
    struct kx_tensor b = kx_normal(c, p->dtype, p->s.n, 8, p->s.odd);

    judge_add(c, p, &a, &b);
}

static void run_add_extremes(struct conf *c)
{
    static const double v[] = { 0.0,      -0.0,     1,         -1,      256,
                                257,      0x1p-24,  3e38,      -3e38,   65504,
                                -65504,   INFINITY, -INFINITY, NAN,     0x1p-14,
                                0x1p-126, 2049,     16,        0x1.8p-9 };
    enum { V = KX_COUNT(v) };
    const struct param *p = conf_param(c);
    double *a = kx_doubles(c, V * V), *b = kx_doubles(c, V * V);
    struct kx_tensor ta, tb;

    for (int i = 0; i < V * V; i++) {
        a[i] = v[i / V];
        b[i] = v[i % V];
    }
    ta = kx_input(c, p->dtype, a, V * V, 0);
    tb = kx_input(c, p->dtype, b, V * V, 0);
    judge_add(c, p, &ta, &tb);
}

void kx_cases_elements(struct conf_list *list)
{
    static const char *const alias[] = { "", "in_place_a", "in_place_b" };

    for (int d = 0; d < KX_COUNT(kx_floats); d++) {
        struct param p = { .dtype = kx_floats[d] };
        const char *dtype = conf_dtype_name(p.dtype);

        for (int i = 0; i < KX_COUNT(shapes); i++) {
            const char *extra = i == 4 ? " core" : "";

            p.s = shapes[i];
            kx_add(list, p.dtype, extra, run_swiglu, &p, sizeof p,
                   "swiglu.%s.%s", dtype, p.s.name);
            kx_add(list, p.dtype, extra, run_add, &p, sizeof p, "add.%s.%s",
                   dtype, p.s.name);
        }
        p.s = (struct shape){ .n = 1003 };
        kx_add(list, p.dtype, "", run_swiglu_extremes, &p, sizeof p,
               "swiglu.%s.extremes", dtype);
        kx_add(list, p.dtype, "", run_add_extremes, &p, sizeof p,
               "add.%s.extremes", dtype);
        for (p.alias = 1; p.alias <= 2; p.alias++)
            kx_add(list, p.dtype, "", run_add, &p, sizeof p, "add.%s.%s", dtype,
                   alias[p.alias]);
    }
}
