/* SPDX-License-Identifier: Apache-2.0 */
/* mtp.c - kernel.mtp_combine.*: two norms side by side. */
#include <math.h>

#include "conformance/kernels/cases.h"

enum { POSITIONS = 1, ODD = 2, EXTREMES = 4 };

struct shape {
    const char *name;
    int64_t rows, n;
    int flags;
};

struct param {
    halDtype dtype;
    struct shape s;
};

static const struct shape shapes[] = {
    { "one", 1, 1, 0 },
    { "primes", 13, 101, POSITIONS },
    { "n15", 3, 15, 0 },
    { "n16", 3, 16, POSITIONS },
    { "n17", 3, 17, 0 },
    { "model", 3, 7168, POSITIONS },
    { "rows70001", 70001, 2, 0 },
    { "extremes", 6, 40, EXTREMES },
    { "misaligned", 5, 37, POSITIONS | ODD },
};

/* Rows whose squares would overflow or vanish. */
static struct kx_tensor numbers(struct conf *c, const struct param *p)
{
    const struct shape *s = &p->s;
    double *v = kx_doubles(c, s->rows * s->n);
    const double size[] = { p->dtype == halF16 ? 6e4 : 1e38,
                            p->dtype == halF16 ? 0x1p-23 : 1e-25, 0 };

    for (int64_t i = 0; i < s->rows * s->n; i++)
        v[i] = s->flags & EXTREMES ? size[i / s->n % 3] * conf_uniform(c, -1, 1)
                                   : conf_normal(c);
    return kx_input(c, p->dtype, v, s->rows * s->n, s->flags & ODD ? 1 : 0);
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int odd = s->flags & ODD ? 1 : 0;
    int64_t all = s->rows * s->n;
    struct kx_tensor e = numbers(c, p), h = numbers(c, p);
    struct kx_tensor we = kx_normal(c, p->dtype, s->n, 1, odd);
    struct kx_tensor wh = kx_normal(c, p->dtype, s->n, 1, odd);
    struct kx_tensor y = kx_output(c, p->dtype, 2 * all, odd);
    double *a = kx_doubles(c, all), *b = kx_doubles(c, all);
    double *want = kx_doubles(c, 2 * all);
    int32_t *at = conf_host(c, (size_t)s->rows * sizeof *at);
    struct conf_buf positions;
    struct conf_bound bound = kx_bound(p->dtype, 12 + sqrt((double)s->n));

    for (int64_t r = 0; r < s->rows; r++)
        at[r] = r % 3 == 1 ? 0 : (int32_t)(conf_random(c) % 9) + 1;
    positions = conf_upload(c, at, (size_t)s->rows * sizeof *at, 0);
    CONF_OK(c, halopMtpCombine(p->dtype, y.buf.mem, e.buf.mem, h.buf.mem,
                               we.buf.mem, wh.buf.mem,
                               s->flags & POSITIONS ? positions.mem : NULL,
                               s->rows, s->n, 1e-6f, NULL));
    oracle_rmsnorm(a, e.val, we.val, s->rows, s->n, 1e-6f);
    oracle_rmsnorm(b, h.val, wh.val, s->rows, s->n, 1e-6f);
    for (int64_t i = 0; i < 2 * all; i++) {
        int64_t r = i / (2 * s->n), j = i % (2 * s->n);
        int first = s->flags & POSITIONS && at[r] == 0;

        want[i] = j >= s->n ? b[r * s->n + j - s->n]
                  : first   ? 0
                            : a[r * s->n + j];
    }
    kx_expect(c, "y", &y, want, NULL, 2 * s->rows, s->n, &bound);
    kx_intact(c, &e);
    kx_intact(c, &h);
}

static void refuse(struct conf *c)
{
    struct conf_buf in = conf_alloc(c, 4096, 0), out = conf_alloc(c, 4096, 0);
    void *before = kx_snapshot(c, &out), *o = out.mem, *x = in.mem;
    const int32_t *at = in.mem;
    const halError_t bad = halErrorInvalidValue;

#define FAILS(error, ...) CONF_FAILS(c, error, halopMtpCombine(__VA_ARGS__))
    FAILS(bad, halF32, NULL, x, x, x, x, at, 2, 8, 1e-6f, NULL);
    FAILS(bad, halF32, o, NULL, x, x, x, at, 2, 8, 1e-6f, NULL);
    FAILS(bad, halF32, o, x, NULL, x, x, at, 2, 8, 1e-6f, NULL);
    FAILS(bad, halF32, o, x, x, NULL, x, at, 2, 8, 1e-6f, NULL);
    FAILS(bad, halF32, o, x, x, x, NULL, at, 2, 8, 1e-6f, NULL);
    FAILS(bad, halF32, o, x, x, x, x, at, -2, 8, 1e-6f, NULL);
    FAILS(bad, halF32, o, x, x, x, x, at, 2, INT64_MAX, 1e-6f, NULL);
    FAILS(bad, halF32, o, x, x, x, x, at, 1 << 20, 8, 1e-6f, NULL);
    FAILS(bad, halF32, o, x, x, x, x, at, 2, 8, -1.0f, NULL);
    FAILS(bad, halF32, o, x, x, x, x, at, 2, 8, NAN, NULL);
    FAILS(bad, halF32, x, x, x, x, x, at, 2, 8, 1e-6f, NULL);
    FAILS(bad, halF32, o, (char *)x + 2, x, x, x, at, 2, 8, 1e-6f, NULL);
    FAILS(halErrorNotSupported, halI8, o, x, x, x, x, at, 2, 8, 1e-6f, NULL);
#undef FAILS
    CONF_OK(c, halopMtpCombine(halF32, o, x, x, x, x, at, 0, 8, 1e-6f, NULL));
    kx_untouched(c, &out, before);
    conf_check_zones(c, &in);
}

void kx_cases_mtp(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct param p = { kx_floats[d], shapes[i] };

            if (d && p.s.rows > KX_GRID)
                continue;
            kx_add(list, p.dtype, "", run, &p, sizeof p, "mtp_combine.%s.%s",
                   conf_dtype_name(p.dtype), p.s.name);
        }
    kx_add(list, halF32, "", refuse, NULL, 0, "refuse.mtp_combine");
}
