/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_device.c - tensors of a pack on the device, the few compositions that
 * operations share, and the judging of results.
 */
#include <math.h>
#include <string.h>

#include "conformance/golden_run.h"

#define UNIT_F32 0x1p-24

/* Rows, columns: all but the last dimension, and the last. */
static int64_t last_dim(const struct gt *t)
{
    return t->rank ? t->shape[t->rank - 1] : 1;
}

struct gt gt_new(struct golden_run *r, halDtype dtype, int rank,
                 const int64_t *shape)
{
    struct gt t = { .dtype = dtype, .rank = rank, .n = 1 };

    for (int i = 0; i < rank; i++) {
        t.shape[i] = shape[i];
        if (shape[i] < 0 || __builtin_mul_overflow(t.n, shape[i], &t.n) ||
            t.n > (int64_t)1 << 32)
            golden_cannot(r, "a tensor of the case is too large");
    }
    t.buf = conf_alloc(r->c, (size_t)t.n * conf_dtype_bytes(dtype), 0);
    return t;
}

static struct gt load(struct golden_run *r, const struct golden_value *v,
                      halDtype dtype)
{
    struct gt t = { .dtype = dtype, .rank = v->t->rank, .n = v->t->count };
    size_t bytes = (size_t)t.n * conf_dtype_bytes(dtype);
    double *val = golden_doubles(r, v);
    void *host = conf_host(r->c, bytes + 8);

    memcpy(t.shape, v->t->shape, sizeof t.shape);
    for (int64_t i = 0; i < t.n; i++)
        conf_encode(dtype, host, i, val[i]);
    t.buf = conf_upload(r->c, host, bytes, 0);
    return t;
}

static void need_float(struct golden_run *r, const struct golden_value *v)
{
    halDtype dtype = v->t->type->dtype;

    if (dtype != halF32 && dtype != halF16 && dtype != halBF16)
        golden_cannot(r, "no kernel of %s takes %s", r->g->op,
                      v->t->type->name);
    if (dtype != halF32 && !(conf_prop(r->c)->dtypes >> dtype & 1))
        golden_cannot(r, "the device stores no %s", conf_dtype_name(dtype));
}

struct gt gt_load(struct golden_run *r, const struct golden_value *v)
{
    need_float(r, v);
    return load(r, v, v->t->type->dtype);
}

struct gt gt_load_f32(struct golden_run *r, const struct golden_value *v)
{
    need_float(r, v);
    return load(r, v, halF32);
}

struct gt gt_load_i32(struct golden_run *r, const struct golden_value *v)
{
    for (int64_t i = 0; i < v->t->count; i++) {
        int64_t n = golden_int(r, v, i);

        if (n != (int32_t)n)
            golden_cannot(r, "input \"%s\" holds more than 32 bits", v->name);
    }
    return load(r, v, halI32);
}

struct gt gt_from(struct golden_run *r, int rank, const int64_t *shape,
                  const double *values)
{
    struct gt t = { .dtype = halF32, .rank = rank, .n = 1 };
    float *host;

    for (int i = 0; i < rank; i++) {
        t.shape[i] = shape[i];
        t.n *= shape[i];
    }
    host = conf_host(r->c, (size_t)(t.n + 1) * sizeof *host);
    for (int64_t i = 0; i < t.n; i++)
        conf_encode(halF32, host, i, values[i]);
    t.buf = conf_upload(r->c, host, (size_t)t.n * sizeof *host, 0);
    return t;
}

void *gt_at(const struct gt *t, int64_t element)
{
    return (char *)t->buf.mem + element * (int64_t)conf_dtype_bytes(t->dtype);
}

struct gt gt_view(struct gt t, int64_t at, int rank, const int64_t *shape)
{
    t.buf.mem = gt_at(&t, at);
    t.rank = rank;
    t.n = 1;
    for (int i = 0; i < rank; i++) {
        t.shape[i] = shape[i];
        t.n *= shape[i];
    }
    return t;
}

void gt_strides(const struct gt *t, int64_t *strides)
{
    int64_t step = 1;

    for (int i = t->rank - 1; i >= 0; i--) {
        strides[i] = step;
        step *= t->shape[i];
    }
}

void gt_move(struct golden_run *r, struct gt *y, int64_t y_at,
             const int64_t *y_strides, const struct gt *x, int64_t x_at,
             const int64_t *x_strides, int rank, const int64_t *dims)
{
    int64_t d[4] = { 1, 1, 1, 1 }, ys[4] = { 0 }, xs[4] = { 0 };

    for (int i = 0; i < rank; i++)
        if (dims[i] == 0)
            return;
    if (rank > 4) { /* peel the first dimension */
        for (int64_t i = 0; i < dims[0]; i++)
            gt_move(r, y, y_at + i * y_strides[0], y_strides + 1, x,
                    x_at + i * x_strides[0], x_strides + 1, rank - 1, dims + 1);
        return;
    }
    for (int i = 0; i < rank; i++) {
        d[4 - rank + i] = dims[i];
        ys[4 - rank + i] = y_strides[i];
        xs[4 - rank + i] = x_strides[i];
    }
    CONF_OK(r->c,
            halopCopyStrided((int)conf_dtype_bytes(x->dtype), gt_at(y, y_at),
                             ys, gt_at(x, x_at), xs, d, NULL));
}

struct gt gt_permute(struct golden_run *r, const struct gt *x, const int *perm)
{
    int64_t shape[GOLDEN_RANK_MAX], from[GOLDEN_RANK_MAX];
    int64_t strides[GOLDEN_RANK_MAX], to[GOLDEN_RANK_MAX];
    struct gt y;

    gt_strides(x, from);
    for (int i = 0; i < x->rank; i++) {
        shape[i] = x->shape[perm[i]];
        strides[i] = from[perm[i]];
    }
    y = gt_new(r, x->dtype, x->rank, shape);
    gt_strides(&y, to);
    gt_move(r, &y, 0, to, x, 0, strides, x->rank, shape);
    return y;
}

struct gt gt_clone(struct golden_run *r, const struct gt *x)
{
    struct gt y = gt_new(r, x->dtype, x->rank, x->shape);

    CONF_OK(r->c, halMemcpy(y.buf.mem, x->buf.mem,
                            (size_t)x->n * conf_dtype_bytes(x->dtype),
                            halMemcpyDeviceToDevice));
    return y;
}

struct gt gt_cast(struct golden_run *r, const struct gt *x, halDtype to)
{
    struct gt y = gt_new(r, to, x->rank, x->shape);

    CONF_OK(r->c, halopCast(to, y.buf.mem, x->dtype, x->buf.mem, x->n, NULL));
    return y;
}

struct gt gt_gemm(struct golden_run *r, halDtype out, const struct gt *x,
                  const struct gt *w, const struct gt *bias)
{
    int64_t k = last_dim(x), n = k ? w->n / k : 0, m = k ? x->n / k : 0;
    const int64_t shape[2] = { m, n };
    struct gt y = gt_new(r, out, 2, shape);

    CONF_OK(r->c, halopGemm(x->dtype, out, y.buf.mem, x->buf.mem, w->buf.mem,
                            bias ? bias->buf.mem : NULL, m, n, k, NULL));
    return y;
}

struct gt gt_scale(struct golden_run *r, const struct gt *x, double factor)
{
    int64_t k = last_dim(x);
    const int64_t square[2] = { k, k };
    double *unit = conf_host(r->c, (size_t)(k * k + 1) * sizeof *unit);
    struct gt w;

    if (factor == 1)
        return *x;
    for (int64_t i = 0; i < k * k; i++)
        unit[i] = i / k == i % k ? factor : 0;
    w = gt_from(r, 2, square, unit);
    w = gt_gemm(r, halF32, x, &w, NULL);
    return gt_view(w, 0, x->rank, x->shape);
}

/* ---- judging ---------------------------------------------------------- */

void *gt_fetch(struct golden_run *r, const struct gt *t)
{
    struct conf_buf part = t->buf;
    void *host;

    part.size = (size_t)t->n * conf_dtype_bytes(t->dtype);
    host = conf_host(r->c, part.size + 8);
    CONF_OK(r->c, halStreamSynchronize(NULL));
    if (part.size == t->buf.size)
        conf_download(r->c, host, &part);
    else /* a view */
        CONF_OK(r->c,
                halMemcpy(host, part.mem, part.size, halMemcpyDeviceToHost));
    return host;
}

/* tolerance_hint.<how>.<output>.<what>, or 0. */
static double hint(struct golden_run *r, const char *output, const char *what)
{
    static const char *const how[] = { "f32", "f32_accumulate",
                                       "error_vs_f64" };
    char base[128];
    char *twin;

    strncpy(base, output, sizeof base - 1);
    base[sizeof base - 1] = 0;
    twin = strstr(base, "__f64");
    if (twin)
        *twin = 0;
    for (int i = 0; i < 3; i++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(
                cJSON_GetObjectItemCaseSensitive(r->g->hint, how[i]), base),
            what);

        if (cJSON_IsNumber(v) && v->valuedouble >= 0)
            return v->valuedouble;
    }
    return 0;
}

static double norm(const double *v, int64_t n)
{
    double squares = 0;

    for (int64_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            squares += v[i] * v[i];
    return sqrt(squares);
}

/* docs/numerics.md, "Golden packs": eight times the measured error of the
 * source's own f32 run, never less than 2^-22 of the row's largest; on top of
 * it the output's rounding. */
static struct conf_bound bound_of(struct golden_run *r,
                                  const struct golden_value *v,
                                  const struct gt *t, const double *want,
                                  const struct golden_slack *slack)
{
    double floor = fmax(0x1p-22, slack->terms * UNIT_F32), size;
    /* Hints of a 16-bit source tell of that format, not of f32. */
    int use = v->t->type->dtype == halF32 || v->t->type->dtype == halF64;
    struct conf_bound b = { .abs = 0x1p-126 };

    if (r->g->dtype && strstr(r->g->dtype, "16") &&
        cJSON_GetObjectItemCaseSensitive(r->g->hint, "error_vs_f64"))
        use = 0;
    b.row = fmax(floor, use ? 8 * hint(r, v->name, "max_over_rowmax") : 0);
    b.rel_l2 = fmax(floor, use ? 8 * hint(r, v->name, "rel_l2") : 0);
    if (t->dtype == halBF16) {
        b.rel = 0x1p-8;
        b.row += 0x1p-9;
        b.rel_l2 += t->n < 64 ? 0x1p-8 : 2.5e-3;
    } else if (t->dtype == halF16) {
        b.rel = 0x1p-11;
        b.row += 0x1p-12;
        b.rel_l2 += t->n < 64 ? 0x1p-11 : 3.2e-4;
        b.abs = 0x1p-25;
    }
    /* An expected value that its source computed in 16 bits, step by step. */
    if (v->t->type->dtype == halBF16 || v->t->type->dtype == halF16) {
        double unit = v->t->type->dtype == halBF16 ? 0x1p-8 : 0x1p-11;

        b.rel += 2 * unit;
        b.row += unit;
        b.rel_l2 += 2 * unit;
    }
    b.abs += slack->abs;
    if (slack->mag) {
        b.sum = slack->sum * UNIT_F32;
        size = norm(want, t->n);
        b.rel_l2 += size > 0 ? b.sum * norm(slack->mag, t->n) / size : 1;
    }
    return b;
}

static void need_same_count(struct golden_run *r, const struct golden_value *v,
                            const struct gt *t)
{
    if (v->t->count != t->n)
        golden_cannot(r, "output \"%s\" has %lld elements where %s gives %lld",
                      v->name, (long long)v->t->count, r->g->op,
                      (long long)t->n);
}

void golden_judge_values(struct golden_run *r, const struct golden_value *v,
                         const struct gt *t, const double *want,
                         const struct golden_slack *slack)
{
    static const struct golden_slack none = { .terms = 16 };
    int64_t n = last_dim(t);
    struct conf_bound b;

    need_same_count(r, v, t);
    b = bound_of(r, v, t, want, slack ? slack : &none);
    if (t->n == 0) {
        conf_check(r->c, 1, "%s is empty", v->name);
        return;
    }
    conf_compare(r->c, v->name, t->dtype, gt_fetch(r, t), want,
                 slack ? slack->mag : NULL, t->n / n, n, &b);
}

void golden_judge_codes(struct golden_run *r, const struct golden_value *v,
                        const struct gt *t, const double *want)
{
    const void *got = gt_fetch(r, t);

    need_same_count(r, v, t);
    for (int64_t i = 0; i < t->n; i++) {
        double g = conf_decode(t->dtype, got, i);

        if (isnan(want[i]) && isnan(g))
            continue;
        if (!(g == want[i]) || signbit(g) != signbit(want[i]))
            conf_check(r->c, 0, "%s[%lld]: got %.9g, want exactly %.9g",
                       v->name, (long long)i, g, want[i]);
    }
    conf_check(r->c, 1, "%s", v->name);
}

void golden_judge_exact(struct golden_run *r, const struct golden_value *v,
                        const struct gt *t)
{
    golden_judge_codes(r, v, t, golden_doubles(r, v));
}

void golden_judge(struct golden_run *r, const struct golden_value *v,
                  const struct gt *t, const struct golden_slack *slack)
{
    const cJSON *exact = cJSON_GetObjectItemCaseSensitive(r->g->hint, "exact");

    if (cJSON_IsTrue(exact))
        golden_judge_exact(r, v, t);
    else
        golden_judge_values(r, v, t, golden_doubles(r, v), slack);
}
