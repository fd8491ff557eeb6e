/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rmsnorm.c - kernel.rmsnorm.* and kernel.add_rmsnorm.*, and by tuned kernels
 * kernel.rmsnorm_tuned.* and kernel.add_rmsnorm_tuned.*.
 */
#include <math.h>

#include "conformance/kernels/cases.h"

struct shape {
    const char *name;
    int64_t rows, n;
    double size, eps;
    int odd;
};

struct param {
    halDtype dtype;
    struct shape s;
    const char *way; /* for halopSelect(), or NULL */
};

static const struct shape shapes[] = {
    { "one", 1, 1, 1, 1e-6, 0 },
    { "primes", 13, 101, 1, 1e-6, 0 },
    { "n15", 3, 15, 1, 1e-6, 0 },
    { "n16", 3, 16, 1, 1e-6, 0 },
    { "n17", 3, 17, 1, 1e-6, 0 },
    { "n63", 5, 63, 1, 1e-6, 0 },
    { "n65", 5, 65, 1, 1e-6, 0 },
    { "n255", 4, 255, 1, 1e-6, 0 },
    { "n256", 4, 256, 1, 1e-6, 0 },
    { "n257", 4, 257, 1, 1e-6, 0 },
    { "n1025", 2, 1025, 1, 1e-6, 0 },
    { "one_row", 1, 7168, 1, 1e-6, 0 },
    { "model", 33, 1536, 2, 1e-6, 0 },
    { "n70001", 2, 70001, 1, 1e-6, 0 },
    { "rows70001", 70001, 3, 1, 1e-6, 0 },
    { "misaligned", 5, 37, 1, 1e-6, 1 },
    /* eps decides the result here, and must be inside the root. */
    { "eps_matters", 7, 50, 1e-3, 1e-5, 0 },
    { "eps_large", 3, 50, 1, 0.5, 0 },
};

/* A warp's rows and a group's, of f32 and of 16 bits; the longest of either,
 * one that a thread holds no part of, rows that are not aligned; more rows than
 * a group has warps. */
static const struct shape tuned_shapes[] = {
    { "one", 1, 1, 1, 1e-6, 0 },
    { "primes", 13, 101, 1, 1e-6, 0 },
    { "n8", 9, 8, 1, 1e-6, 0 },
    { "n264", 17, 264, 1, 1e-6, 0 },
    { "n1024", 3, 1024, 1, 1e-6, 0 },
    { "n1032", 3, 1032, 1, 1e-6, 0 },
    { "n2048", 3, 2048, 1, 1e-6, 0 },
    { "n2056", 3, 2056, 1, 1e-6, 0 },
    { "n7168", 2, 7168, 1, 1e-6, 0 },
    { "n8200", 2, 8200, 1, 1e-6, 0 },
    { "n16384", 1, 16384, 1, 1e-6, 0 },
    { "n16392", 1, 16392, 1, 1e-6, 0 },
    { "misaligned", 5, 2064, 1, 1e-6, 1 },
    { "eps_matters", 7, 48, 1e-3, 1e-5, 0 },
};

/* n squares added (half of their error survives the root), then a division, a
 * root, and the products. */
static double terms(int64_t n)
{
    return 12 + sqrt((double)n);
}

static void run_rmsnorm(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int64_t n = s->rows * s->n;
    struct kx_tensor x = kx_normal(c, p->dtype, n, s->size, s->odd);
    struct kx_tensor w = kx_normal(c, p->dtype, s->n, 1, s->odd);
    struct kx_tensor y = kx_output(c, p->dtype, n, s->odd);
    struct conf_bound bound = kx_bound(p->dtype, terms(s->n));
    double *want = kx_doubles(c, n);

    kx_way_begin(c, p->way);
    kx_way_end(c, p->way,
               halopRmsNorm(p->dtype, y.buf.mem, x.buf.mem, w.buf.mem, s->rows,
                            s->n, (float)s->eps, NULL));
    oracle_rmsnorm(want, x.val, w.val, s->rows, s->n, (float)s->eps);
    kx_expect(c, "y", &y, want, NULL, s->rows, s->n, &bound);
    kx_intact(c, &x);
    kx_intact(c, &w);
}

static void run_add_rmsnorm(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int64_t n = s->rows * s->n;
    struct kx_tensor x = kx_normal(c, p->dtype, n, s->size, s->odd);
    struct kx_tensor r = kx_normal(c, p->dtype, n, s->size, s->odd);
    struct kx_tensor w = kx_normal(c, p->dtype, s->n, 1, s->odd);
    struct kx_tensor sum = kx_output(c, p->dtype, n, s->odd);
    struct kx_tensor y = kx_output(c, p->dtype, n, s->odd);
    struct conf_bound bound = kx_bound(p->dtype, terms(s->n));
    double *want = kx_doubles(c, n), *want_sum = kx_doubles(c, n);

    kx_way_begin(c, p->way);
    kx_way_end(c, p->way,
               halopAddRmsNorm(p->dtype, y.buf.mem, sum.buf.mem, x.buf.mem,
                               r.buf.mem, w.buf.mem, s->rows, s->n,
                               (float)s->eps, NULL));
    oracle_add_rmsnorm(p->dtype, want, want_sum, x.val, r.val, w.val, s->rows,
                       s->n, (float)s->eps);
    kx_expect_exact(c, "sum", &sum, want_sum);
    kx_expect(c, "y", &y, want, NULL, s->rows, s->n, &bound);
    kx_intact(c, &x);
    kx_intact(c, &r);
}

/* Rows that break a norm whose squares overflow, vanish or meet no eps. */
static void run_extremes(struct conf *c)
{
    enum { ROWS = 10, N = 40 };
    const struct param *p = conf_param(c);
    double largest = p->dtype == halF16 ? 65504 : 3e38;
    double tiny = p->dtype == halF16 ? 0x1p-24 : 1e-20;
    double *val = kx_doubles(c, ROWS * N), *want = kx_doubles(c, ROWS * N);
    struct conf_bound bound = kx_bound(p->dtype, terms(N));
    struct kx_tensor x, w, y;

    for (int i = 0; i < N; i++) {
        double sign = i % 2 ? -1 : 1;

        val[0 * N + i] = 0;
        val[1 * N + i] = sign * largest;
        val[2 * N + i] = sign * largest / 16 * (1 + i);
        val[3 * N + i] = sign * tiny * (1 + i % 5);
        val[4 * N + i] = i == 7 ? NAN : conf_normal(c);
        val[5 * N + i] = i == N - 1 ? INFINITY : conf_normal(c);
        val[6 * N + i] = i == 3 ? largest : 1;
        val[7 * N + i] = i == N - 1 ? 1e-3 : 0;
        val[8 * N + i] = -0.0;
        /* The square of what scales this row up overflows. */
        val[9 * N + i] = sign * (p->dtype == halF16 ? tiny : 1e-30);
    }
    for (int i = 0; i < N; i++) /* stays finite */
        if (fabs(val[2 * N + i]) > largest)
            val[2 * N + i] = largest;
    x = kx_input(c, p->dtype, val, ROWS * N, 0);
    w = kx_normal(c, p->dtype, N, 1, 0);
    y = kx_output(c, p->dtype, ROWS * N, 0);
    kx_way_begin(c, p->way);
    kx_way_end(c, p->way,
               halopRmsNorm(p->dtype, y.buf.mem, x.buf.mem, w.buf.mem, ROWS, N,
                            1e-6f, NULL));
    oracle_rmsnorm(want, x.val, w.val, ROWS, N, 1e-6f);
    kx_expect(c, "y", &y, want, NULL, ROWS, N, &bound);
}

/* The same through a sum, which may also cancel, overflow and be NaN. */
static void run_add_extremes(struct conf *c)
{
    enum { ROWS = 9, N = 40 };
    const struct param *p = conf_param(c);
    double largest = p->dtype == halF16 ? 65504 : 3e38;
    double tiny = p->dtype == halF16 ? 0x1p-24 : 1e-20;
    double *val = kx_doubles(c, ROWS * N), *res = kx_doubles(c, ROWS * N);
    double *want = kx_doubles(c, ROWS * N), *sums = kx_doubles(c, ROWS * N);
    struct conf_bound bound = kx_bound(p->dtype, terms(N));
    struct kx_tensor x, r, w, sum, y;

    for (int i = 0; i < ROWS * N; i++) {
        val[i] = conf_normal(c);
        res[i] = -0.0; /* adds nothing, not even to a zero's sign */
    }
    for (int i = 0; i < N; i++) {
        double sign = i % 2 ? -1 : 1;

        val[0 * N + i] = 0;
        val[1 * N + i] = sign * largest;
        val[2 * N + i] = sign * tiny * (1 + i % 5);
        val[3 * N + i] = -0.0;
        res[4 * N + i] = i == 11 ? 1 : -val[4 * N + i]; /* all but one cancel */
        val[5 * N + i] = sign * largest;
        res[5 * N + i] = -sign * largest / 2;
    }
    val[6 * N + 7] = NAN;
    val[7 * N + N - 1] = res[7 * N + N - 1] = largest;
    val[8 * N] = INFINITY;
    res[8 * N] = -INFINITY;
    x = kx_input(c, p->dtype, val, ROWS * N, 0);
    r = kx_input(c, p->dtype, res, ROWS * N, 0);
    w = kx_normal(c, p->dtype, N, 1, 0);
    sum = kx_output(c, p->dtype, ROWS * N, 0);
    y = kx_output(c, p->dtype, ROWS * N, 0);
    kx_way_begin(c, p->way);
    kx_way_end(c, p->way,
               halopAddRmsNorm(p->dtype, y.buf.mem, sum.buf.mem, x.buf.mem,
                               r.buf.mem, w.buf.mem, ROWS, N, 1e-6f, NULL));
    oracle_add_rmsnorm(p->dtype, want, sums, x.val, r.val, w.val, ROWS, N,
                       1e-6f);
    kx_expect_exact(c, "sum", &sum, sums);
    kx_expect(c, "y", &y, want, NULL, ROWS, N, &bound);
}

static void add_shapes(struct conf_list *list, struct param p, int is_first,
                       const struct shape *of, int count)
{
    const char *dtype = conf_dtype_name(p.dtype);
    const char *tuned = p.way ? "_tuned" : "";

    for (int i = 0; i < count; i++) {
        const char *extra = i == 1 && !p.way ? " core" : "";

        p.s = of[i];
        if (!is_first && p.s.rows > KX_GRID)
            continue;
        kx_add(list, p.dtype, extra, run_rmsnorm, &p, sizeof p,
               "rmsnorm%s.%s.%s", tuned, dtype, p.s.name);
        kx_add(list, p.dtype, extra, run_add_rmsnorm, &p, sizeof p,
               "add_rmsnorm%s.%s.%s", tuned, dtype, p.s.name);
    }
    kx_add(list, p.dtype, "", run_extremes, &p, sizeof p,
           "rmsnorm%s.%s.extremes", tuned, dtype);
    kx_add(list, p.dtype, "", run_add_extremes, &p, sizeof p,
           "add_rmsnorm%s.%s.extremes", tuned, dtype);
}

void kx_cases_rmsnorm(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(kx_floats); d++) {
        struct param p = { .dtype = kx_floats[d] };

        add_shapes(list, p, d == 0, shapes, KX_COUNT(shapes));
        p.way = "rmsnorm:tuned";
        add_shapes(list, p, 0, tuned_shapes, KX_COUNT(tuned_shapes));
    }
}
