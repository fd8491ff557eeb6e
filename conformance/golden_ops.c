/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_ops.c - operations of packs that name ours: norms, rotations, sums,
 * products, moves.  A case whose inputs are 16-bit runs twice, in its own
 * format and widened to f32, which holds the kernel to f32's bounds.
 */
#include <math.h>
#include <string.h>

#include "conformance/golden_run.h"
#include "conformance/oracles/oracles.h"

/* 1 or 2: f32 inputs have one form only. */
static int forms(const struct golden_value *v)
{
    return v->t->type->dtype == halF32 ? 1 : 2;
}

static struct gt in_form(struct golden_run *r, const char *name, int wide)
{
    const struct golden_value *v = golden_input(r, name);

    return wide ? gt_load_f32(r, v) : gt_load(r, v);
}

static int64_t cols(const struct gt *t)
{
    return t->rank ? t->shape[t->rank - 1] : 1;
}

static int64_t rows(const struct gt *t)
{
    return cols(t) ? t->n / cols(t) : 0;
}

static double largest(const double *v, int64_t n)
{
    double max = 0;

    for (int64_t i = 0; i < n; i++)
        if (isfinite(v[i]))
            max = fmax(max, fabs(v[i]));
    return max;
}

/* ---- rows ------------------------------------------------------------- */

static void run_rmsnorm(struct golden_run *r)
{
    const struct golden_value *w = golden_input(r, "weight");
    double eps = golden_number(r, "eps", 1e-6);

    for (int wide = 0; wide < forms(golden_input(r, "x")); wide++) {
        struct gt x = in_form(r, "x", wide);
        struct gt weight = in_form(r, "weight", wide);
        struct gt y = gt_new(r, x.dtype, x.rank, x.shape);
        /* A subnormal that is read as 0 costs what the norm makes of it. */
        struct golden_slack slack = {
            .terms = 12 + sqrt((double)cols(&x)),
            .abs =
                0x1p-126 / sqrt(eps) * largest(golden_doubles(r, w), weight.n),
        };

        if (weight.n != cols(&x))
            golden_cannot(r, "weight does not match the last dimension");
        CONF_OK(r->c,
                halopRmsNorm(x.dtype, y.buf.mem, x.buf.mem, weight.buf.mem,
                             rows(&x), cols(&x), (float)eps, NULL));
        golden_judge(r, golden_output(r, "y"), &y, &slack);
    }
}

/* In f32 the sum is not rounded, as the pack's y is not; in bf16 the sum is
 * what the kernel must store, and y is the norm of that. */
static void run_add_rmsnorm(struct golden_run *r)
{
    float eps = (float)golden_number(r, "eps", 1e-6);

    for (int wide = 0; wide < forms(golden_input(r, "x")); wide++) {
        struct gt x = in_form(r, "x", wide), w = in_form(r, "weight", wide);
        struct gt residual = in_form(r, "residual", wide);
        struct gt y = gt_new(r, x.dtype, x.rank, x.shape);
        struct gt sum = gt_new(r, x.dtype, x.rank, x.shape);
        const struct golden_value *rounded =
            golden_output_or_null(r, "sum_bf16");
        struct golden_slack slack = { .terms = 12 + sqrt((double)cols(&x)) };

        CONF_OK(r->c, halopAddRmsNorm(x.dtype, y.buf.mem, sum.buf.mem,
                                      x.buf.mem, residual.buf.mem, w.buf.mem,
                                      rows(&x), cols(&x), eps, NULL));
        if (x.dtype == halF32) {
            golden_judge(r, golden_output(r, "sum"), &sum, NULL);
            golden_judge(r, golden_output(r, "y"), &y, &slack);
            continue;
        }
        if (x.dtype == halBF16 && rounded)
            golden_judge_exact(r, rounded, &sum);
        else
            golden_judge(r, golden_output(r, "sum"), &sum, NULL);
        /* The sum's rounding (half a unit) shows in y a second time. */
        slack.terms += x.dtype == halBF16 ? 0x1p16 : 0x1p13;
        golden_judge(r, golden_output(r, "y"), &y, &slack);
    }
}

static void run_softmax(struct golden_run *r)
{
    struct gt x = gt_load(r, golden_input(r, "x"));
    struct gt y = gt_new(r, x.dtype, x.rank, x.shape);
    struct golden_slack slack = { .terms = 16 + sqrt((double)cols(&x)) };

    if (golden_number(r, "axis", -1) != -1)
        golden_cannot(r, "softmax along another axis than the last");
    CONF_OK(r->c, halopSoftmax(x.dtype, y.buf.mem, x.buf.mem, rows(&x),
                               cols(&x), 1.0f, NULL));
    golden_judge(r, golden_output(r, "y"), &y, &slack);
}

static void run_argmax(struct golden_run *r)
{
    struct gt x = gt_load(r, golden_input(r, "x"));
    const int64_t shape[1] = { rows(&x) };
    struct gt index = gt_new(r, halI32, 1, shape);

    CONF_OK(r->c, halopArgmax(x.dtype, index.buf.mem, x.buf.mem, rows(&x),
                              cols(&x), NULL));
    golden_judge_exact(r, golden_output(r, "index"), &index);
}

/* ---- elements --------------------------------------------------------- */

static void judge_swiglu(struct golden_run *r, const struct gt *y,
                         const double *gate, const double *up)
{
    const struct golden_value *v = golden_output(r, "y");
    double *want = golden_doubles(r, v);
    double *mag = conf_host(r->c, (size_t)(y->n + 1) * sizeof *mag);
    struct golden_slack slack = { .mag = mag, .sum = 1 };
    const void *got = gt_fetch(r, y);

    if (v->t->count != y->n)
        golden_cannot(r, "output y has another size than the inputs");
    for (int64_t i = 0; i < y->n; i++) {
        /* exp's argument is rounded; see docs/numerics.md. */
        mag[i] = isfinite(want[i])
                     ? fabs(want[i]) * (16 + 4 * fmin(fabs(gate[i]), 128))
                     : 0;
        /* silu(-inf) is NaN by the letter, 0 in the limit: both will do. */
        if (gate[i] == -INFINITY)
            want[i] = isnan(conf_decode(y->dtype, got, i)) ? NAN : 0;
    }
    slack.abs = 0x1p-121 * fmax(1, up ? largest(up, y->n) : 1);
    golden_judge_values(r, v, y, want, &slack);
}

static void run_silu_mul(struct golden_run *r)
{
    for (int wide = 0; wide < forms(golden_input(r, "gate")); wide++) {
        struct gt gate = in_form(r, "gate", wide);
        struct gt up = in_form(r, "up", wide);
        struct gt y = gt_new(r, gate.dtype, gate.rank, gate.shape);

        CONF_OK(r->c, halopSwiGLU(gate.dtype, y.buf.mem, gate.buf.mem,
                                  up.buf.mem, gate.n, NULL));
        judge_swiglu(r, &y, golden_doubles(r, golden_input(r, "gate")),
                     golden_doubles(r, golden_input(r, "up")));
    }
}

/* silu is swiglu with an `up` of ones; there is no other activation. */
static void run_activation(struct golden_run *r)
{
    const cJSON *fn = golden_attr(r, "fn");
    struct gt x, up, y;
    double *one;

    if (!cJSON_IsString(fn) || strcmp(fn->valuestring, "silu") != 0)
        golden_cannot(r, "no kernel computes %.40s alone",
                      cJSON_IsString(fn) ? fn->valuestring : "this function");
    x = gt_load_f32(r, golden_input(r, "x"));
    one = conf_host(r->c, (size_t)(x.n + 1) * sizeof *one);
    for (int64_t i = 0; i < x.n; i++)
        one[i] = 1;
    up = gt_from(r, x.rank, x.shape, one);
    y = gt_new(r, halF32, x.rank, x.shape);
    CONF_OK(r->c,
            halopSwiGLU(halF32, y.buf.mem, x.buf.mem, up.buf.mem, x.n, NULL));
    judge_swiglu(r, &y, golden_doubles(r, golden_input(r, "x")), NULL);
}

/* One rounding of an exact sum, to the bit; but a device may flush subnormal
 * f32, coming or going, and so bf16. */
static void judge_sum(struct golden_run *r, const struct golden_value *v,
                      const struct gt *y)
{
    const struct conf_bound exact = { .abs = 0x1p-125 };

    if (y->dtype == halF16 || v->t->type->dtype != y->dtype) {
        golden_judge(r, v, y, NULL);
        return;
    }
    if (v->t->count != y->n)
        golden_cannot(r, "output of another size than the inputs");
    conf_compare(r->c, v->name, y->dtype, gt_fetch(r, y), golden_doubles(r, v),
                 NULL, rows(y), cols(y), &exact);
}

static void run_add(struct golden_run *r)
{
    for (int wide = 0; wide < forms(golden_input(r, "a")); wide++) {
        struct gt a = in_form(r, "a", wide), b = in_form(r, "b", wide);
        struct gt y = gt_new(r, a.dtype, a.rank, a.shape);
        const char *name = wide ? "y_f32" : "y_bf16";
        const struct golden_value *v = golden_output_or_null(r, name);

        CONF_OK(r->c,
                halopAdd(a.dtype, y.buf.mem, a.buf.mem, b.buf.mem, a.n, NULL));
        judge_sum(r, v ? v : golden_output(r, "y"), &y);
    }
}

/* ---- products --------------------------------------------------------- */

/* What sum |x w| is, for the bound: from the pack's own inputs. */
static double *magnitudes(struct golden_run *r, int64_t m, int64_t n, int64_t k)
{
    double *mag = conf_host(r->c, (size_t)(m * n + 1) * sizeof *mag);
    double *y = conf_host(r->c, (size_t)(m * n + 1) * sizeof *y);

    oracle_gemm(y, mag, golden_doubles(r, golden_input(r, "x")),
                golden_doubles(r, golden_input(r, "w")), NULL, m, n, k);
    for (int64_t i = 0; i < m * n; i++)
        if (!isfinite(mag[i]))
            mag[i] = 0;
    return mag;
}

static void judge_gemm(struct golden_run *r, const struct golden_value *v,
                       const struct gt *y, const double *mag, int64_t k)
{
    struct golden_slack slack = { .mag = mag,
                                  .sum = 8 + sqrt((double)k),
                                  .abs = 0x1p-126 };
    double *want = golden_doubles(r, v);
    const void *got = gt_fetch(r, y);

    /* A f32 accumulator may overflow where the double does not. */
    if (golden_flag(r, "accept inf"))
        for (int64_t i = 0; i < y->n && i < v->t->count; i++)
            if (isinf(conf_decode(y->dtype, got, i)) && mag[i] > 3e38)
                want[i] = copysign(INFINITY, want[i]);
    golden_judge_values(r, v, y, want, &slack);
}

static void run_gemm(struct golden_run *r)
{
    const struct golden_value *bias = golden_input_or_null(r, "bias");
    const struct golden_value *y = golden_output_or_null(r, "y");
    const struct golden_value *y_bias = golden_output_or_null(r, "y_bias");

    for (int wide = 0; wide < forms(golden_input(r, "x")); wide++) {
        struct gt x = in_form(r, "x", wide), w = in_form(r, "w", wide), b;
        int64_t k = cols(&x);
        double *mag;

        if (k == 0 || cols(&w) != k)
            golden_cannot(r, "x and w do not share their last dimension");
        mag = magnitudes(r, rows(&x), rows(&w), k);
        if (bias)
            b = in_form(r, "bias", wide);
        /* Both results that a 16-bit product may have. */
        for (int out = 0; out < (x.dtype == halF32 ? 1 : 2); out++) {
            halDtype dtype = out ? halF32 : x.dtype;
            struct gt got = gt_gemm(r, dtype, &x, &w, NULL);

            if (y)
                judge_gemm(r, y, &got, mag, k);
            if (!bias || !y_bias)
                continue;
            got = gt_gemm(r, dtype, &x, &w, &b);
            judge_gemm(r, y_bias, &got, mag, k);
        }
    }
    if (!y && !(bias && y_bias))
        golden_cannot(r, "the case has no output \"y\"");
}

/* down(silu(gate x) * up x).  In bf16 the intermediates are rounded too, which
 * the source's own bf16 run measures. */
static void run_mlp(struct golden_run *r)
{
    struct gt x = in_form(r, "x", 1), gate = in_form(r, "w_gate", 1);
    struct gt up = in_form(r, "w_up", 1), down = in_form(r, "w_down", 1);
    struct gt g = gt_gemm(r, halF32, &x, &gate, NULL);
    struct gt u = gt_gemm(r, halF32, &x, &up, NULL);
    struct gt h = gt_new(r, halF32, g.rank, g.shape), y;
    const struct golden_value *v = golden_output_or_null(r, "h");

    CONF_OK(r->c,
            halopSwiGLU(halF32, h.buf.mem, g.buf.mem, u.buf.mem, g.n, NULL));
    y = gt_gemm(r, halF32, &h, &down, NULL);
    if (v)
        golden_judge(r, v, &h, NULL);
    golden_judge(r, golden_output(r, "y"), &y, NULL);
}

/* ---- rope ------------------------------------------------------------- */

/* x [b, h, t, d] in place, row t of the tables for token t. */
static void rotate(struct golden_run *r, halopRopeLayout layout, struct gt *x,
                   const struct gt *cos_t, const struct gt *sin_t)
{
    int64_t tokens = x->shape[2], dim = x->shape[3];
    int32_t *host = conf_host(r->c, (size_t)(tokens + 1) * sizeof *host);
    struct conf_buf positions;

    for (int64_t t = 0; t < tokens; t++)
        host[t] = (int32_t)t;
    positions = conf_upload(r->c, host, (size_t)tokens * sizeof *host, 0);
    for (int64_t b = 0; b < x->shape[0]; b++) {
        struct halopRopeArgs args = {
            .dtype = x->dtype,
            .layout = layout,
            .x = gt_at(x, b * x->shape[1] * tokens * dim),
            .cos = cos_t->buf.mem,
            .sin = sin_t->buf.mem,
            .positions = positions.mem,
            .n_tokens = tokens,
            .n_heads = x->shape[1],
            .dim = dim,
            .n_positions = tokens,
            .token_stride = dim,
            .head_stride = tokens * dim,
        };

        CONF_OK(r->c, halopRope(&args, NULL));
    }
}

static void run_rope(struct golden_run *r, halopRopeLayout layout)
{
    static const char *const names[] = { "q", "k" };
    struct gt cos_t = gt_load_f32(r, golden_input(r, "cos"));
    struct gt sin_t = gt_load_f32(r, golden_input(r, "sin"));
    /* The pack's tables are rounded to f32, its results are not: one rounding
     * of the angle's functions beside the three of the rotation. */
    struct golden_slack slack = { .terms = 8 };

    for (int i = 0; i < 2; i++) {
        const struct golden_value *v = golden_input(r, names[i]);

        for (int wide = 0; wide < forms(v); wide++) {
            struct gt in = in_form(r, names[i], wide), x = gt_clone(r, &in);

            if (x.rank != 4 || cos_t.rank != 2 || x.shape[3] % 2 ||
                cos_t.shape[0] != x.shape[2] ||
                cos_t.shape[1] != x.shape[3] / 2 || sin_t.n != cos_t.n)
                golden_cannot(r, "want %s [b, h, t, d] and tables [t, d/2]",
                              names[i]);
            rotate(r, layout, &x, &cos_t, &sin_t);
            golden_judge(r, golden_output(r, names[i]), &x, &slack);
        }
    }
}

static void run_rope_interleaved(struct golden_run *r)
{
    run_rope(r, halopRopeInterleaved);
}

static void run_rope_half(struct golden_run *r)
{
    run_rope(r, halopRopeHalf);
}

/* ---- moves ------------------------------------------------------------ */

static void run_embedding(struct golden_run *r)
{
    struct gt table = gt_load(r, golden_input(r, "table"));
    const struct golden_value *ids = golden_input(r, "ids");
    int64_t start = (int64_t)golden_number(r, "start", 0);
    int32_t *host = conf_host(r->c, (size_t)(ids->t->count + 1) * 4);
    const int64_t shape[2] = { ids->t->count, cols(&table) };
    struct gt y = gt_new(r, table.dtype, 2, shape);
    struct conf_buf dev;

    for (int64_t i = 0; i < ids->t->count; i++)
        host[i] = (int32_t)(golden_int(r, ids, i) - start);
    dev = conf_upload(r->c, host, (size_t)ids->t->count * 4, 0);
    CONF_OK(r->c, halopEmbedding(table.dtype, y.buf.mem, table.buf.mem, dev.mem,
                                 shape[0], rows(&table), shape[1], NULL));
    golden_judge_exact(r, golden_output(r, "y"), &y);
}

static void run_transpose(struct golden_run *r)
{
    const cJSON *perm = golden_attr(r, "perm");
    struct gt x = gt_load(r, golden_input(r, "x")), y;
    int order[GOLDEN_RANK_MAX] = { 0 }, seen = 0;

    if (cJSON_GetArraySize(perm) != x.rank)
        golden_cannot(r, "attrs.perm does not match x");
    for (int i = 0; i < x.rank; i++) {
        uint64_t d;

        if (golden_whole(cJSON_GetArrayItem(perm, i), (uint64_t)x.rank - 1,
                         &d) ||
            seen >> d & 1)
            golden_cannot(r, "attrs.perm is no permutation");
        seen |= 1 << d;
        order[i] = (int)d;
    }
    y = gt_permute(r, &x, order);
    golden_judge_exact(r, golden_output(r, "y"), &y);
}

/* [first, past, step] */
static int64_t range(struct golden_run *r, const char *name, int64_t size,
                     int64_t *first, int64_t *step)
{
    const cJSON *v = golden_attr(r, name);
    uint64_t n[3];

    for (int i = 0; i < 3; i++)
        if (golden_whole(cJSON_GetArrayItem(v, i), (uint64_t)size, &n[i]))
            golden_cannot(r, "attrs.%s is no range within x", name);
    if (n[2] == 0 || n[1] < n[0])
        golden_cannot(r, "attrs.%s is no range", name);
    *first = (int64_t)n[0];
    *step = (int64_t)n[2];
    return (int64_t)((n[1] - n[0] + n[2] - 1) / n[2]);
}

static void run_copy(struct golden_run *r)
{
    struct gt x = gt_load(r, golden_input(r, "x")), y;
    int64_t row, row_step, col, col_step, shape[2], from[2], to[2];

    if (x.rank != 2)
        golden_cannot(r, "want a matrix");
    shape[0] = range(r, "row", x.shape[0], &row, &row_step);
    shape[1] = range(r, "col", x.shape[1], &col, &col_step);
    y = gt_new(r, x.dtype, 2, shape);
    gt_strides(&y, to);
    from[0] = row_step * x.shape[1];
    from[1] = col_step;
    gt_move(r, &y, 0, to, &x, row * x.shape[1] + col, from, 2, shape);
    golden_judge_exact(r, golden_output(r, "y"), &y);
}

static void append_contiguous(struct golden_run *r, struct gt *cache,
                              const struct gt *fresh)
{
    const struct golden_value *pos = golden_input(r, "pos");
    int64_t heads = fresh->shape[1], len = fresh->shape[2];
    int64_t dim = fresh->shape[3], max = cache->shape[2];
    const int64_t dims[3] = { heads, len, dim };
    const int64_t from[3] = { len * dim, dim, 1 };
    const int64_t to[3] = { max * dim, dim, 1 };

    for (int64_t b = 0; b < fresh->shape[0]; b++) {
        int64_t at = golden_int(r, pos, b);

        if (at < 0 || at + len > max)
            golden_cannot(r, "pos lies outside the cache");
        gt_move(r, cache, (b * heads * max + at) * dim, to, fresh,
                b * heads * len * dim, from, 3, dims);
    }
}

static void append_paged(struct golden_run *r, struct gt *cache,
                         const struct gt *fresh)
{
    struct gt slots = gt_load_i32(r, golden_input(r, "slots"));
    int64_t dim = fresh->shape[1];
    struct halopKvAppendArgs args = {
        .dtype = cache->dtype,
        .cache = cache->buf.mem,
        .x = fresh->buf.mem,
        .slots = slots.buf.mem,
        .n_tokens = fresh->shape[0],
        .n_heads = 1,
        .head_dim = dim,
        .n_slots = cache->n / dim,
        .token_stride = dim,
        .slot_stride = dim,
    };

    if (slots.n != fresh->shape[0])
        golden_cannot(r, "want a slot for each row");
    CONF_OK(r->c, halopKvAppend(&args, NULL));
}

static void run_kv_append(struct golden_run *r)
{
    struct gt old = gt_load(r, golden_input(r, "cache"));
    struct gt fresh = gt_load(r, golden_input(r, "new"));
    struct gt cache = gt_clone(r, &old);

    if (golden_input_or_null(r, "pos") && old.rank == 4 && fresh.rank == 4 &&
        old.shape[0] == fresh.shape[0] && old.shape[1] == fresh.shape[1] &&
        old.shape[3] == fresh.shape[3])
        append_contiguous(r, &cache, &fresh);
    else if (golden_input_or_null(r, "slots") && fresh.rank == 2 &&
             fresh.shape[1] > 0 && cols(&old) == fresh.shape[1])
        append_paged(r, &cache, &fresh);
    else
        golden_cannot(r, "a cache of another layout");
    golden_judge_exact(r, golden_output(r, "cache"), &cache);
}

/* ---- the list --------------------------------------------------------- */

const struct golden_op golden_ops_native[] = {
    { "RMSNorm", run_rmsnorm, NULL },
    { "AddRMSNorm", run_add_rmsnorm, NULL },
    { "Softmax", run_softmax, NULL },
    { "ArgMax", run_argmax, NULL },
    { "SiluMul", run_silu_mul, NULL },
    { "Activation", run_activation, NULL },
    { "Add", run_add, NULL },
    { "GEMM", run_gemm, NULL },
    { "SwiGLU_MLP", run_mlp, NULL },
    { "RopeTable", golden_run_rope_table, NULL },
    { "RopeInterleaved", run_rope_interleaved, NULL },
    { "RopeHalf", run_rope_half, NULL },
    { "Attention", golden_run_attention, NULL },
    { "GQA", golden_run_attention, NULL },
    { "GQABlock", golden_run_gqa_block, NULL },
    { "MLA", golden_run_mla, NULL },
    { "MTPInput", golden_run_mtp_input, NULL },
    { "Embedding", run_embedding, NULL },
    { "Transpose", run_transpose, NULL },
    { "Copy", run_copy, NULL },
    { "KVAppend", run_kv_append, NULL },
    { "Unpack4", NULL, "needs a kernel that unpacks 4-bit integers" },
    { 0 },
};
