/* SPDX-License-Identifier: Apache-2.0 */
/* softmax.c - kernel.softmax.*. */
#include <math.h>

#include "conformance/kernels/cases.h"

struct shape {
    const char *name;
    int64_t rows, n;
    double size;
    float scale;
    int odd;
};

struct param {
    halDtype dtype;
    struct shape s;
};

static const struct shape shapes[] = {
    { "one", 1, 1, 1, 1, 0 },
    { "n2", 5, 2, 3, 1, 0 },
    { "primes", 13, 101, 3, 0.125f, 0 },
    { "n15", 3, 15, 2, 1, 0 },
    { "n16", 3, 16, 2, 1, 0 },
    { "n17", 3, 17, 2, 1, 0 },
    { "n63", 5, 63, 2, 1, 0 },
    { "n65", 5, 65, 2, 1, 0 },
    { "n255", 4, 255, 4, 0.5f, 0 },
    { "n256", 4, 256, 4, 0.5f, 0 },
    { "n257", 4, 257, 4, 0.5f, 0 },
    { "n4097", 3, 4097, 2, 1, 0 },
    { "n65537", 1, 65537, 1, 1, 0 },
    { "vocab", 2, 129280, 2, 1, 0 },
    { "rows70001", 70001, 3, 2, 1, 0 },
    { "misaligned", 5, 37, 2, 1, 1 },
    { "sharp", 4, 77, 100, 1, 0 },
    { "scale_zero", 2, 29, 2, 0, 0 },
    { "scale_negative", 3, 77, 20, -0.5f, 0 },
};

/* The exponent's argument carries the rounding of x * scale, which becomes a
 * relative error of each term; the rest is the sum, exp and the division. */
static struct conf_bound bound_of(const struct param *p, const double *x,
                                  int64_t count, int64_t n)
{
    double largest = 0, t;
    struct conf_bound b;

    for (int64_t i = 0; i < count; i++)
        if (isfinite(x[i]) && fabs(x[i] * p->s.scale) > largest)
            largest = fabs(x[i] * p->s.scale);
    t = 16 + sqrt((double)n) + 2 * fmin(largest, 512);
    b = kx_bound(p->dtype, t);
    /* Far below the maximum exp is less exact, and matters less. */
    b.row = 16 * KX_U32;
    return b;
}

static void judge(struct conf *c, const struct param *p, struct kx_tensor *x,
                  int64_t rows, int64_t n)
{
    struct kx_tensor y = kx_output(c, p->dtype, rows * n, p->s.odd);
    struct conf_bound bound = bound_of(p, x->val, rows * n, n);
    double *want = kx_doubles(c, rows * n);

    CONF_OK(c, halopSoftmax(p->dtype, y.buf.mem, x->buf.mem, rows, n,
                            p->s.scale, NULL));
    oracle_softmax(want, x->val, rows, n, p->s.scale);
    kx_expect(c, "y", &y, want, NULL, rows, n, &bound);
    kx_intact(c, x);
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    struct kx_tensor x =
        kx_normal(c, p->dtype, p->s.rows * p->s.n, p->s.size, p->s.odd);

    judge(c, p, &x, p->s.rows, p->s.n);
}

static void run_extremes(struct conf *c)
{
    enum { ROWS = 11, N = 37 };
    const struct param *p = conf_param(c);
    double largest = p->dtype == halF16 ? 65504 : 3e38;
    double *val = kx_doubles(c, ROWS * N);
    struct kx_tensor x;

    for (int i = 0; i < N; i++) {
        val[0 * N + i] = -INFINITY;
        val[1 * N + i] = i == 5 ? -1 : -INFINITY;
        val[2 * N + i] = i % 3 ? -INFINITY : conf_normal(c);
        val[3 * N + i] = i == 20 ? NAN : conf_normal(c);
        val[4 * N + i] = i == N - 1 ? INFINITY : conf_normal(c);
        val[5 * N + i] = largest;
        val[6 * N + i] = i == 0 ? largest : -largest;
        val[7 * N + i] = -largest;
        val[8 * N + i] = 0;
        val[9 * N + i] = i == N - 1 ? NAN : -INFINITY;
        val[10 * N + i] = i == 30 ? 0 : -1e4;
    }
    x = kx_input(c, p->dtype, val, ROWS * N, 0);
    judge(c, p, &x, ROWS, N);
}

/* Rows that kernels may take in pieces: the largest of a piece, of those before
 * it and of the row differ, or are none. */
static void run_pieces(struct conf *c)
{
    enum { ROWS = 8, N = 2 * 4096 + 37 };
    struct param p = *(const struct param *)conf_param(c);
    double *val = kx_doubles(c, ROWS * N);

    for (int i = 0; i < N; i++) {
        val[0 * N + i] = i / 1000.0;
        val[1 * N + i] = -i / 1000.0;
        val[2 * N + i] = i < 4096 ? -INFINITY : conf_normal(c);
        val[3 * N + i] = i < 4096 ? conf_normal(c) : -INFINITY;
        val[4 * N + i] = i == 5000 ? INFINITY : conf_normal(c);
        val[5 * N + i] = i == N - 1 ? NAN : conf_normal(c);
        val[6 * N + i] = -INFINITY;
        val[7 * N + i] = i < 4096 ? -200 : i < 8192 ? 30 : 60;
    }
    for (p.s.scale = 1; p.s.scale > -2; p.s.scale -= 2) {
        struct kx_tensor x = kx_input(c, p.dtype, val, ROWS * N, 0);

        judge(c, &p, &x, ROWS, N);
        for (int i = 0; i < ROWS * N; i++)
            val[i] = -val[i];
    }
}

void kx_cases_softmax(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(kx_floats); d++) {
        struct param p = { .dtype = kx_floats[d] };
        const char *dtype = conf_dtype_name(p.dtype);

        for (int i = 0; i < KX_COUNT(shapes); i++) {
            p.s = shapes[i];
            if (d && p.s.rows > KX_GRID)
                continue;
            kx_add(list, p.dtype, i == 2 ? " core" : "", run, &p, sizeof p,
                   "softmax.%s.%s", dtype, p.s.name);
        }
        p.s = (struct shape){ .scale = 1 };
        kx_add(list, p.dtype, "", run_extremes, &p, sizeof p,
               "softmax.%s.extremes", dtype);
        kx_add(list, p.dtype, "", run_pieces, &p, sizeof p, "softmax.%s.pieces",
               dtype);
    }
}
