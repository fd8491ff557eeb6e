/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta.c - kernel.meta.*: an operator against itself instead of an oracle.
 * What it makes of a row may depend neither on the other rows, nor on where the
 * row lies, nor on the run.
 *
 * The invariant: two results of one row differ by at most twice the operator's
 * bound (docs/numerics.md), integers and what has one rounding not at all.
 * Equality of all bits is not promised; how many rows lack it is a metric.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/quant.h"

#define INPUTS_MAX 3
#define ROWS       13
#define GAP        5 /* elements between strided rows */
#define KEYS       37
#define HEADS      4
#define DIM        24

enum { STRIDED = 1, EXACT = 2 };

/* A row input or the output. */
struct side {
    halDtype dtype;
    int64_t cols;
    char *bytes; /* of all rows, on the host */
};

struct meta {
    const struct meta_op *op;
    halDtype dtype;
    int n_in;
    struct side in[INPUTS_MAX], out;
    struct kx_tensor shared[2]; /* the same for all rows */
    double *mag, factor;        /* a sum's bound, else: */
    struct conf_bound bound;
};

/* Rows on the device, `stride` elements apart. */
struct rows {
    void *y;
    const void *in[INPUTS_MAX];
    int64_t n, stride[INPUTS_MAX], y_stride;
};

struct meta_op {
    const char *name;
    const char *level; /* NULL: those of f32, bf16 and f16 */
    unsigned flags;
    void (*make)(struct conf *c, struct meta *m);
    halError_t (*call)(const struct meta *m, const struct rows *r);
};

/* ---- operators ---------------------------------------------------------- */

/* The next row input: its values are on the host only. */
static const double *add_input(struct conf *c, struct meta *m, halDtype dtype,
                               int64_t cols, double size)
{
    struct side *s = &m->in[m->n_in++];
    struct kx_tensor t = dtype == halE4M3 || dtype == halI8
                             ? kq_random(c, dtype, ROWS * cols, 0)
                             : kx_normal(c, dtype, ROWS * cols, size, 0);

    *s = (struct side){ dtype, cols, conf_host(c, t.buf.size) };
    conf_download(c, s->bytes, &t.buf);
    return t.val;
}

static void set_output(struct meta *m, halDtype dtype, int64_t cols)
{
    m->out = (struct side){ .dtype = dtype, .cols = cols };
}

static void make_rmsnorm(struct conf *c, struct meta *m)
{
    enum { N = 131 };

    add_input(c, m, m->dtype, N, 1);
    m->shared[0] = kx_normal(c, m->dtype, N, 1, 0);
    set_output(m, m->dtype, N);
    m->bound = kx_bound(m->dtype, 12 + sqrt(N));
}

static halError_t call_rmsnorm(const struct meta *m, const struct rows *r)
{
    return halopRmsNorm(m->dtype, r->y, r->in[0], m->shared[0].buf.mem, r->n,
                        m->out.cols, 1e-6f, NULL);
}

static void make_softmax(struct conf *c, struct meta *m)
{
    enum { N = 131 };
    const double *x = add_input(c, m, m->dtype, N, 2);
    double largest = 0;

    for (int64_t i = 0; i < ROWS * N; i++)
        largest = fmax(largest, fabs(x[i]));
    set_output(m, m->dtype, N);
    m->bound = kx_bound(m->dtype, 16 + sqrt(N) + 2 * largest);
    m->bound.row = 16 * KX_U32;
}

static halError_t call_softmax(const struct meta *m, const struct rows *r)
{
    return halopSoftmax(m->dtype, r->y, r->in[0], r->n, m->out.cols, 1, NULL);
}

static void make_swiglu(struct conf *c, struct meta *m)
{
    enum { N = 67 };
    const double *gate = add_input(c, m, m->dtype, N, 2);
    double largest = 0;

    add_input(c, m, m->dtype, N, 1);
    for (int64_t i = 0; i < ROWS * N; i++)
        largest = fmax(largest, fabs(gate[i]));
    set_output(m, m->dtype, N);
    m->bound = kx_bound(m->dtype, 16 + 4 * largest);
}

static halError_t call_swiglu(const struct meta *m, const struct rows *r)
{
    return halopSwiGLU(m->dtype, r->y, r->in[0], r->in[1], r->n * m->out.cols,
                       NULL);
}

static void make_add(struct conf *c, struct meta *m)
{
    enum { N = 67 };

    add_input(c, m, m->dtype, N, 1);
    add_input(c, m, m->dtype, N, 1);
    set_output(m, m->dtype, N);
}

static halError_t call_add(const struct meta *m, const struct rows *r)
{
    return halopAdd(m->dtype, r->y, r->in[0], r->in[1], r->n * m->out.cols,
                    NULL);
}

static void make_gemm(struct conf *c, struct meta *m)
{
    enum { N = 70, K = 257 };
    const double *x = add_input(c, m, m->dtype, K, 1);
    double *y = kx_doubles(c, ROWS * N);

    m->shared[0] = kx_normal(c, m->dtype, N * K, 0.25, 0);
    m->mag = kx_doubles(c, ROWS * N);
    m->factor = 8 + sqrt(K);
    set_output(m, m->dtype, N);
    oracle_gemm(y, m->mag, x, m->shared[0].val, NULL, ROWS, N, K);
}

static halError_t call_gemm(const struct meta *m, const struct rows *r)
{
    return halopGemm(m->dtype, m->dtype, r->y, r->in[0], m->shared[0].buf.mem,
                     NULL, r->n, m->out.cols, m->in[0].cols, NULL);
}

static halError_t call_gemv(const struct meta *m, const struct rows *r)
{
    return halopGemv(m->dtype, m->dtype, r->y, r->in[0], m->shared[0].buf.mem,
                     NULL, r->n, m->out.cols, m->in[0].cols, NULL);
}

static void make_fp8_gemm(struct conf *c, struct meta *m)
{
    enum { N = 140, K = 300, BLOCKS = 3 };
    const double *x = add_input(c, m, halE4M3, K, 1);
    const double *scale = add_input(c, m, halF32, BLOCKS, 0.01);
    double *y = kx_doubles(c, ROWS * N);

    m->shared[0] = kq_random(c, halE4M3, N * K, 0);
    m->shared[1] = kx_normal(c, halF32, 2 * BLOCKS, 0.01, 0);
    m->mag = kx_doubles(c, ROWS * N);
    m->factor = 11 + sqrt(K);
    set_output(m, halF32, N);
    oracle_fp8_gemm(y, m->mag, x, scale, m->shared[0].val, m->shared[1].val,
                    NULL, ROWS, N, K);
}

static halError_t call_fp8_gemm(const struct meta *m, const struct rows *r)
{
    const struct halopGemmFp8Args a = { .out = halF32,
                                        .y = r->y,
                                        .x = r->in[0],
                                        .x_scale = r->in[1],
                                        .w = m->shared[0].buf.mem,
                                        .w_scale = m->shared[1].buf.mem,
                                        .m = r->n,
                                        .n = m->out.cols,
                                        .k = m->in[0].cols };

    return halopGemmFp8(&a, NULL);
}

static void make_int8_gemm(struct conf *c, struct meta *m)
{
    enum { N = 70, K = 257 };

    add_input(c, m, halI8, K, 1);
    m->shared[0] = kq_random(c, halI8, N * K, 0);
    set_output(m, halI32, N);
}

static halError_t call_int8_gemm(const struct meta *m, const struct rows *r)
{
    const struct halopGemmI8Args a = { .out = halI32,
                                       .y = r->y,
                                       .x = r->in[0],
                                       .w = m->shared[0].buf.mem,
                                       .m = r->n,
                                       .n = m->out.cols,
                                       .k = m->in[0].cols };

    return halopGemmI8(&a, NULL);
}

static double longest(const double *v, int64_t n, int64_t dim)
{
    double most = 0;

    for (int64_t i = 0; i < n; i++) {
        double squares = 0;

        for (int64_t d = 0; d < dim; d++)
            squares += v[i * dim + d] * v[i * dim + d];
        most = fmax(most, sqrt(squares));
    }
    return most;
}

/* A row is a sequence of its own: one query, KEYS keys.  No score's terms sum
 * up to more than the vectors' lengths allow, no value's to more than the
 * largest. */
static void make_attention(struct conf *c, struct meta *m)
{
    const double *q = add_input(c, m, m->dtype, HEADS * DIM, 1);
    const double *k = add_input(c, m, m->dtype, (int64_t)KEYS * DIM, 1);
    const double *v = add_input(c, m, m->dtype, (int64_t)KEYS * DIM, 1);
    double score = longest(q, ROWS * HEADS, DIM) *
                   longest(k, (int64_t)ROWS * KEYS, DIM) / sqrt(DIM);
    double largest = longest(v, (int64_t)ROWS * KEYS * DIM, 1);

    set_output(m, m->dtype, HEADS * DIM);
    m->mag = kx_doubles(c, ROWS * m->out.cols);
    for (int64_t i = 0; i < ROWS * m->out.cols; i++)
        m->mag[i] = largest;
    m->factor = 16 + sqrt(KEYS) + 2 * (sqrt(DIM) + 4) * score;
}

static halError_t call_attention(const struct meta *m, const struct rows *r)
{
    const struct halopAttentionArgs a = { .dtype = m->dtype,
                                          .out = m->dtype,
                                          .o = r->y,
                                          .q = r->in[0],
                                          .k = r->in[1],
                                          .v = r->in[2],
                                          .batch = r->n,
                                          .n_q = 1,
                                          .kv_max = KEYS,
                                          .n_heads = HEADS,
                                          .n_kv_heads = 1,
                                          .qk_dim = DIM,
                                          .v_dim = DIM,
                                          .q_batch_stride = r->stride[0],
                                          .q_seq_stride = HEADS * DIM,
                                          .q_head_stride = DIM,
                                          .k_batch_stride = r->stride[1],
                                          .k_seq_stride = DIM,
                                          .k_head_stride = DIM,
                                          .v_batch_stride = r->stride[2],
                                          .v_seq_stride = DIM,
                                          .v_head_stride = DIM,
                                          .o_batch_stride = r->y_stride,
                                          .o_seq_stride = HEADS * DIM,
                                          .o_head_stride = DIM,
                                          .scale = (float)(1 / sqrt(DIM)) };

    return halopAttention(&a, NULL);
}

static void make_argmax(struct conf *c, struct meta *m)
{
    add_input(c, m, m->dtype, 131, 1);
    set_output(m, halI32, 1);
}

static halError_t call_argmax(const struct meta *m, const struct rows *r)
{
    return halopArgmax(m->dtype, r->y, r->in[0], r->n, m->in[0].cols, NULL);
}

static void make_topk(struct conf *c, struct meta *m)
{
    add_input(c, m, m->dtype, 131, 1);
    set_output(m, halI32, 9);
}

static halError_t call_topk(const struct meta *m, const struct rows *r)
{
    return halopTopK(m->dtype, NULL, r->y, r->in[0], r->n, m->in[0].cols,
                     m->out.cols, NULL);
}

static void make_copy(struct conf *c, struct meta *m)
{
    add_input(c, m, m->dtype, 29, 1);
    set_output(m, m->dtype, 29);
}

static halError_t call_copy(const struct meta *m, const struct rows *r)
{
    const int64_t ys[4] = { 0, 0, r->y_stride, 1 };
    const int64_t xs[4] = { 0, 0, r->stride[0], 1 };
    const int64_t dims[4] = { 1, 1, r->n, m->out.cols };

    return halopCopyStrided((int)conf_dtype_bytes(m->dtype), r->y, ys, r->in[0],
                            xs, dims, NULL);
}

static const struct meta_op ops[] = {
    { "rmsnorm", NULL, 0, make_rmsnorm, call_rmsnorm },
    { "softmax", NULL, 0, make_softmax, call_softmax },
    { "swiglu", NULL, 0, make_swiglu, call_swiglu },
    { "add", NULL, EXACT, make_add, call_add },
    { "gemm", NULL, 0, make_gemm, call_gemm },
    { "gemv", NULL, 0, make_gemm, call_gemv },
    { "attention", NULL, STRIDED, make_attention, call_attention },
    { "argmax", NULL, EXACT, make_argmax, call_argmax },
    { "topk", NULL, EXACT, make_topk, call_topk },
    { "copy_strided", NULL, EXACT | STRIDED, make_copy, call_copy },
    { "fp8_gemm", "kernels-fp8", 0, make_fp8_gemm, call_fp8_gemm },
    { "int8_gemm", "kernels-int8", EXACT, make_int8_gemm, call_int8_gemm },
};

/* ---- running ------------------------------------------------------------ */

/* The bytes of row `from[i]` at place i, NaN where that is negative and
 * between rows. */
static struct conf_buf lay_out(struct conf *c, const struct side *s,
                               const int *from, int64_t n, int64_t stride)
{
    size_t bytes = conf_dtype_bytes(s->dtype);
    size_t row = (size_t)s->cols * bytes, step = (size_t)stride * bytes;
    char *all = conf_host(c, (size_t)n * step);

    memset(all, 0xff, (size_t)n * step);
    for (int64_t i = 0; i < n; i++)
        if (from[i] >= 0)
            memcpy(all + (size_t)i * step, s->bytes + (size_t)from[i] * row,
                   row);
    return conf_upload(c, all, (size_t)(n - 1) * step + row, 0);
}

/* Runs the operator on rows of the inputs; the rows of the result, without
 * what lies between them, which must not have been written. */
static char *run_rows(struct conf *c, const struct meta *m, const int *from,
                      int64_t n, int64_t gap)
{
    size_t bytes = conf_dtype_bytes(m->out.dtype);
    size_t row = (size_t)m->out.cols * bytes, step = row + (size_t)gap * bytes;
    struct rows r = { .n = n, .y_stride = m->out.cols + gap };
    struct conf_buf y = conf_alloc(c, (size_t)(n - 1) * step + row, 0);
    char *before, *after, *out = conf_host(c, (size_t)n * row);
    int64_t unwritten = 0;

    for (int i = 0; i < m->n_in; i++) {
        r.stride[i] = m->in[i].cols + gap;
        r.in[i] = lay_out(c, &m->in[i], from, n, r.stride[i]).mem;
    }
    r.y = y.mem;
    before = kx_snapshot(c, &y);
    CONF_OK(c, m->op->call(m, &r));
    CONF_OK(c, halStreamSynchronize(NULL));
    after = kx_snapshot(c, &y);
    conf_check_zones(c, &y);
    for (int64_t i = 0; i < n; i++) {
        size_t at = (size_t)i * step, to = i + 1 < n ? at + step : at + row;

        memcpy(out + (size_t)i * row, after + at, row);
        for (size_t j = 0; j < row; j += bytes)
            unwritten += !memcmp(before + at + j, after + at + j, bytes);
        conf_check(c,
                   !memcmp(before + at + row, after + at + row, to - at - row),
                   "what lies after row %lld was written", (long long)i);
    }
    /* A result of two bytes may be what was there by chance. */
    conf_check(c, unwritten <= (bytes < 4 ? 2 : 0),
               "%lld elements of %lld rows were never written",
               (long long)unwritten, (long long)n);
    return out;
}

/* Whether the rows are those of `all`, the result of all rows in order; how
 * many are not so bit for bit. */
static int64_t compare(struct conf *c, const struct meta *m, const char *all,
                       const char *got, const int *from, int64_t n)
{
    size_t row = (size_t)m->out.cols * conf_dtype_bytes(m->out.dtype);
    int64_t cols = m->out.cols, used = 0, changed = 0;
    double *want = kx_doubles(c, n * cols), *mag = NULL;
    char *rows = conf_host(c, (size_t)n * row);
    struct conf_bound b = m->bound;

    if (m->mag)
        mag = kx_doubles(c, n * cols);
    for (int64_t i = 0; i < n; i++) {
        if (from[i] < 0)
            continue;
        int differs = memcmp(all + (size_t)from[i] * row, got + (size_t)i * row,
                             row) != 0;

        changed += differs;
        conf_check(c, !differs || !(m->op->flags & EXACT),
                   "row %d is another at place %lld of %lld", from[i],
                   (long long)i, (long long)n);
        memcpy(rows + (size_t)used * row, got + (size_t)i * row, row);
        for (int64_t j = 0; j < cols; j++) {
            want[used * cols + j] =
                conf_decode(m->out.dtype, all, from[i] * cols + j);
            if (mag)
                mag[used * cols + j] = m->mag[from[i] * cols + j];
        }
        used++;
    }
    if (m->op->flags & EXACT)
        return changed;
    if (mag)
        b = kx_bound_sum(m->out.dtype, m->factor, mag, want, used * cols);
    b.abs *= 2; /* both have an error */
    b.rel *= 2;
    b.row *= 2;
    b.sum *= 2;
    b.rel_l2 *= 2;
    conf_compare(c, "y", m->out.dtype, rows, want, mag, used, cols, &b);
    return changed;
}

/* ---- relations ---------------------------------------------------------- */

enum relation { PERMUTE, BATCH, REPEAT, NEIGHBOURS, STRIDE, N_RELATIONS };

static const char *const relations[N_RELATIONS] = { "permute", "batch",
                                                    "repeat", "neighbours",
                                                    "stride" };

struct param {
    const struct meta_op *op;
    halDtype dtype;
    enum relation relation;
};

static int64_t relate(struct conf *c, const struct meta *m, enum relation how,
                      const char *all, const int *in_order)
{
    static const int apart[] = { -1, -1, 0, 1, 2,  3,  4,  5,
                                 6,  7,  8, 9, 10, 11, 12, -1 };
    int order[ROWS];
    int64_t changed = 0;

    memcpy(order, in_order, sizeof order);
    switch (how) {
    case PERMUTE:
        for (int i = ROWS - 1; i > 0; i--) {
            int j = (int)(conf_random(c) % (uint64_t)(i + 1)), t = order[i];

            order[i] = order[j];
            order[j] = t;
        }
        return compare(c, m, all, run_rows(c, m, order, ROWS, 0), order, ROWS);
    case BATCH: /* each row alone */
        for (int i = 0; i < ROWS; i++)
            changed += compare(c, m, all, run_rows(c, m, order + i, 1, 0),
                               order + i, 1);
        return changed;
    case REPEAT:
        for (int i = 0; i < 4; i++)
            changed +=
                compare(c, m, all, run_rows(c, m, order, ROWS, 0), order, ROWS);
        return changed;
    case NEIGHBOURS: /* rows of NaN before and after */
        return compare(c, m, all, run_rows(c, m, apart, ROWS + 3, 0), apart,
                       ROWS + 3);
    case STRIDE: /* NaN between rows */
        return compare(c, m, all, run_rows(c, m, order, ROWS, GAP), order,
                       ROWS);
    case N_RELATIONS:
        break;
    }
    return 0;
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    struct meta m = { .op = p->op, .dtype = p->dtype };
    int in_order[ROWS];
    int64_t changed;

    kx_need(c, p->dtype);
    p->op->make(c, &m);
    for (int i = 0; i < ROWS; i++)
        in_order[i] = i;
    changed = relate(c, &m, p->relation, run_rows(c, &m, in_order, ROWS, 0),
                     in_order);
    conf_metric(c, "rows_changed", (double)changed);
}

/* The product is the sum of those of k's two parts. */
static void run_split(struct conf *c)
{
    enum { M = 9, N = 70, K = 300, FIRST = 131 };
    const halDtype dtype = *(const halDtype *)conf_param(c);
    const int64_t depth[2] = { FIRST, K - FIRST };
    struct kx_tensor x = kx_normal(c, dtype, M * K, 1, 0);
    struct kx_tensor w = kx_normal(c, dtype, N * K, 0.25, 0);
    double *want = kx_doubles(c, M * N), *mag = kx_doubles(c, M * N);
    struct kx_tensor y = kx_output(c, halF32, M * N, 0);
    struct conf_bound b;

    CONF_OK(c, halopGemm(dtype, halF32, y.buf.mem, x.buf.mem, w.buf.mem, NULL,
                         M, N, K, NULL));
    oracle_gemm(want, mag, x.val, w.val, NULL, M, N, K); /* for mag */
    memset(want, 0, M * N * sizeof *want);
    for (int part = 0; part < 2; part++) {
        int64_t k = depth[part], k0 = part ? FIRST : 0;
        double *xp = kx_doubles(c, M * k), *wp = kx_doubles(c, N * k);
        struct kx_tensor tx, tw, ty = kx_output(c, halF32, M * N, 0);
        const float *got;

        for (int64_t i = 0; i < M * k; i++)
            xp[i] = x.val[i / k * K + k0 + i % k];
        for (int64_t i = 0; i < N * k; i++)
            wp[i] = w.val[i / k * K + k0 + i % k];
        tx = kx_input(c, dtype, xp, M * k, 0);
        tw = kx_input(c, dtype, wp, N * k, 0);
        CONF_OK(c, halopGemm(dtype, halF32, ty.buf.mem, tx.buf.mem, tw.buf.mem,
                             NULL, M, N, k, NULL));
        got = kx_fetch(c, &ty);
        for (int64_t i = 0; i < M * N; i++)
            want[i] += (double)got[i];
    }
    b = kx_bound_sum(halF32, 2 * (8 + sqrt(K)), mag, want, M * N);
    kx_expect(c, "y", &y, want, mag, M, N, &b);
}

/* y = a + a onto a itself, as ops.h allows, is y = a + a elsewhere. */
static void run_alias(struct conf *c)
{
    enum { N = 1031 };
    const halDtype dtype = *(const halDtype *)conf_param(c);
    struct kx_tensor a = kx_normal(c, dtype, N, 1, 0);
    struct kx_tensor y = kx_output(c, dtype, N, 0);
    struct kx_tensor on = kx_in_place(c, &a, 0);
    const char *apart, *same;

    CONF_OK(c, halopAdd(dtype, y.buf.mem, a.buf.mem, a.buf.mem, N, NULL));
    CONF_OK(c, halopAdd(dtype, on.buf.mem, on.buf.mem, on.buf.mem, N, NULL));
    apart = kx_fetch(c, &y);
    same = kx_fetch(c, &on);
    conf_check(c, !memcmp(apart, same, y.buf.size),
               "onto its own operand the sum is another");
    kx_intact(c, &a);
}

/* ---- the list ----------------------------------------------------------- */

static void add(struct conf_list *list, struct param p)
{
    const char *name = relations[p.relation];

    if (p.op->level)
        kq_add(list, p.op->level, run, &p, sizeof p, "meta.%s.%s", name,
               p.op->name);
    else
        kx_add(list, p.dtype, "", run, &p, sizeof p, "meta.%s.%s.%s", name,
               p.op->name, conf_dtype_name(p.dtype));
}

void kx_cases_meta(struct conf_list *list)
{
    for (int o = 0; o < KX_COUNT(ops); o++)
        for (int d = 0; d < (ops[o].level ? 1 : 3); d++)
            for (int r = 0; r < N_RELATIONS; r++)
                if (r != STRIDE || (ops[o].flags & STRIDED))
                    add(list, (struct param){ &ops[o], kx_floats[d],
                                              (enum relation)r });
    for (int d = 0; d < 3; d++) {
        kx_add(list, kx_floats[d], "", run_split, &kx_floats[d],
               sizeof kx_floats[d], "meta.split_k.gemm.%s",
               conf_dtype_name(kx_floats[d]));
        kx_add(list, kx_floats[d], "", run_alias, &kx_floats[d],
               sizeof kx_floats[d], "meta.alias.add.%s",
               conf_dtype_name(kx_floats[d]));
    }
}
