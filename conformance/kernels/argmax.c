/* SPDX-License-Identifier: Apache-2.0 */
/* argmax.c - kernel.argmax.*: exact, lowest index among equals. */
#include <math.h>

#include "conformance/kernels/cases.h"

enum fill {
    NORMAL,
    TIES,        /* few distinct values */
    ALL_EQUAL,   /* index 0 */
    LAST,        /* the largest is the last one */
    NANS,        /* a NaN wins, the first of several */
    NEG_INF,     /* nothing but -inf */
    SIGNED_ZERO, /* -0 and 0 are equal */
};

struct shape {
    const char *name;
    int64_t rows, n;
    enum fill fill;
    int odd;
};

struct param {
    halDtype dtype;
    struct shape s;
};

static const struct shape shapes[] = {
    { "one", 1, 1, NORMAL, 0 },
    { "primes", 13, 101, NORMAL, 0 },
    { "n2", 7, 2, NORMAL, 0 },
    { "n15", 3, 15, NORMAL, 0 },
    { "n16", 3, 16, LAST, 0 },
    { "n17", 3, 17, LAST, 0 },
    { "n255", 4, 255, LAST, 0 },
    { "n256", 4, 256, LAST, 0 },
    { "n257", 4, 257, LAST, 0 },
    { "vocab", 3, 129280, NORMAL, 0 },
    { "vocab_last", 2, 129280, LAST, 0 },
    { "vocab_ties", 2, 129280, TIES, 0 },
    { "rows70001", 70001, 3, NORMAL, 0 },
    { "misaligned", 5, 37, NORMAL, 1 },
    { "ties", 9, 1000, TIES, 0 },
    { "all_equal", 3, 513, ALL_EQUAL, 0 },
    { "nan", 8, 300, NANS, 0 },
    { "neg_inf", 3, 65, NEG_INF, 0 },
    { "signed_zero", 3, 7, SIGNED_ZERO, 0 },
};

static double value(struct conf *c, const struct shape *s, int64_t r, int64_t i)
{
    switch (s->fill) {
    case NORMAL:
        return conf_normal(c);
    case TIES:
        return (double)(conf_random(c) % 5);
    case ALL_EQUAL:
        return -3;
    case LAST:
        return i == s->n - 1 ? 100 : conf_normal(c);
    case NANS: /* row 0 has none, row r one at every 37r-th place */
        return r && i % (37 * r) == 36 * r ? NAN
               : i == 5                    ? INFINITY
                                           : conf_normal(c);
    case NEG_INF:
        return -INFINITY;
    case SIGNED_ZERO:
        return i == 0 && r == 0 ? -1 : (i + r) % 2 ? 0.0 : -0.0;
    }
    return 0;
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    double *val = kx_doubles(c, s->rows * s->n);
    double *wanted = kx_doubles(c, s->rows);
    int32_t *want = conf_host(c, (size_t)s->rows * sizeof *want);
    struct kx_tensor x, index;

    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t i = 0; i < s->n; i++)
            val[r * s->n + i] = value(c, s, r, i);
    x = kx_input(c, p->dtype, val, s->rows * s->n, s->odd);
    index = kx_output(c, halI32, s->rows, s->odd);
    CONF_OK(c, halopArgmax(p->dtype, index.buf.mem, x.buf.mem, s->rows, s->n,
                           NULL));
    oracle_argmax(want, x.val, s->rows, s->n);
    for (int64_t r = 0; r < s->rows; r++)
        wanted[r] = want[r];
    kx_expect_exact(c, "index", &index, wanted);
    kx_intact(c, &x);
}

void kx_cases_argmax(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct param p = { kx_floats[d], shapes[i] };

            if (d && p.s.rows > KX_GRID)
                continue;
            kx_add(list, p.dtype, i == 1 ? " core" : "", run, &p, sizeof p,
                   "argmax.%s.%s", conf_dtype_name(p.dtype), p.s.name);
        }
}
