/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_onnx.c - ONNX operators, positional inputs and attributes as the
 * node tests have them, composed of ours.
 */
#include <math.h>
#include <string.h>

#include "conformance/golden_quant.h"

static const struct golden_value *need_slot(struct golden_run *r, int slot)
{
    const struct golden_value *v = golden_slot(r, slot);

    if (!v)
        golden_cannot(r, "attrs.input_slots names no input %d", slot);
    return v;
}

static const struct golden_value *need_result(struct golden_run *r, int slot)
{
    const struct golden_value *v = golden_result(r, slot);

    if (!v)
        golden_cannot(r, "the node has no output %d", slot);
    return v;
}

/* An axis counted from the front. */
static int axis_of(struct golden_run *r, double axis, int rank)
{
    if (axis < 0)
        axis += rank;
    if (!(axis >= 0 && axis < rank))
        golden_cannot(r, "attrs.axis lies outside the tensor");
    return (int)axis;
}

static int same_shape(const struct gt *a, const struct gt *b)
{
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, sizeof a->shape[0] * (size_t)a->rank) ==
               0;
}

static int64_t product(const int64_t *dims, int from, int to)
{
    int64_t n = 1;

    for (int i = from; i < to; i++)
        n *= dims[i];
    return n;
}

/* Moves `axis` to the end, and back. */
static struct gt axis_last(struct golden_run *r, const struct gt *x, int axis,
                           int back)
{
    int perm[GOLDEN_RANK_MAX], n = 0, last = x->rank - 1;

    for (int i = 0; i < x->rank; i++)
        if (back)
            perm[i] = i < axis ? i : i == axis ? last : i - 1;
        else if (i != axis)
            perm[n++] = i;
    if (!back)
        perm[last] = axis;
    return gt_permute(r, x, perm);
}

/* ---- elements --------------------------------------------------------- */

static void run_add(struct golden_run *r)
{
    struct gt a = gt_load(r, need_slot(r, 0));
    struct gt b = gt_load(r, need_slot(r, 1));
    struct gt y = gt_new(r, a.dtype, a.rank, a.shape);

    if (!same_shape(&a, &b) || a.dtype != b.dtype)
        golden_cannot(r, "inputs of two shapes");
    CONF_OK(r->c,
            halopAdd(a.dtype, y.buf.mem, a.buf.mem, b.buf.mem, a.n, NULL));
    golden_judge(r, need_result(r, 0), &y, NULL);
}

static void run_cast(struct golden_run *r)
{
    static const struct {
        int onnx;
        halDtype dtype;
    } types[] = { { 1, halF32 },
                  { 10, halF16 },
                  { 16, halBF16 },
                  { 17, halE4M3 },
                  { 19, halE5M2 } };
    const struct golden_value *v = need_slot(r, 0);
    double to = golden_number(r, "to", 0);

    for (int i = 0; i < 5 && !v->logical; i++) {
        halDtype from = v->t->type->dtype;
        int narrow = types[i].dtype == halE4M3 || types[i].dtype == halE5M2;

        if (to != types[i].onnx ||
            (from != halF32 && from != halF16 && from != halBF16 &&
             from != halE4M3 && from != halE5M2))
            continue;
        if (narrow && golden_number(r, "saturate", 1) == 0)
            golden_cannot(r, "casts to fp8 saturate (kernels/ops.h)");
        struct gt x = gq_load(r, v, from), y = gt_cast(r, &x, types[i].dtype);

        if (narrow)
            gq_judge_codes(r, need_result(r, 0), &y);
        else
            golden_judge_exact(r, need_result(r, 0), &y);
        return;
    }
    golden_cannot(r, "no kernel converts %.40s to ONNX type %g",
                  v->logical ? v->logical : v->t->type->name, to);
}

static void swish(struct golden_run *r, const struct gt *gate,
                  const struct gt *up)
{
    struct gt y = gt_new(r, gate->dtype, gate->rank, gate->shape);
    struct golden_slack slack = { .terms = 24 };

    if (golden_number(r, "alpha", 1) != 1)
        golden_cannot(r, "needs a swish kernel with alpha");
    if (gate->n != up->n || gate->dtype != up->dtype)
        golden_cannot(r, "inputs of two shapes");
    CONF_OK(r->c, halopSwiGLU(gate->dtype, y.buf.mem, gate->buf.mem,
                              up->buf.mem, gate->n, NULL));
    golden_judge(r, need_result(r, 0), &y, &slack);
}

static void run_swiglu(struct golden_run *r)
{
    struct gt gate = gt_load(r, need_slot(r, 0));
    struct gt up = gt_load(r, need_slot(r, 1));

    swish(r, &gate, &up);
}

/* x * sigmoid(x): swiglu with an `up` of ones. */
static void run_swish(struct golden_run *r)
{
    struct gt x = gt_load_f32(r, need_slot(r, 0)), one;
    double *ones = conf_host(r->c, (size_t)(x.n + 1) * sizeof *ones);

    for (int64_t i = 0; i < x.n; i++)
        ones[i] = 1;
    one = gt_from(r, x.rank, x.shape, ones);
    swish(r, &x, &one);
}

/* ---- rows ------------------------------------------------------------- */

static void run_softmax(struct golden_run *r)
{
    struct gt x = gt_load(r, need_slot(r, 0)), turned, y;
    int axis = axis_of(r, golden_number(r, "axis", -1), x.rank);
    int64_t n = x.shape[axis];

    turned = axis_last(r, &x, axis, 0);
    y = gt_new(r, x.dtype, turned.rank, turned.shape);
    CONF_OK(r->c, halopSoftmax(x.dtype, y.buf.mem, turned.buf.mem,
                               n ? x.n / n : 0, n, 1.0f, NULL));
    y = axis_last(r, &y, axis, 1);
    golden_judge(r, need_result(r, 0), &y, NULL);
}

static void run_argmax(struct golden_run *r)
{
    struct gt x = gt_load(r, need_slot(r, 0)), turned, index;
    int axis = axis_of(r, golden_number(r, "axis", 0), x.rank);
    int64_t n = x.shape[axis], rows = n ? x.n / n : 0;

    if (golden_number(r, "select_last_index", 0) != 0)
        golden_cannot(r, "needs an argmax kernel that takes the last of "
                         "equals");
    turned = axis_last(r, &x, axis, 0);
    index = gt_new(r, halI32, 1, &rows);
    CONF_OK(r->c,
            halopArgmax(x.dtype, index.buf.mem, turned.buf.mem, rows, n, NULL));
    golden_judge_exact(r, need_result(r, 0), &index);
}

static void run_topk(struct golden_run *r)
{
    struct gt x = gt_load(r, need_slot(r, 0)), turned, values, indices;
    int axis = axis_of(r, golden_number(r, "axis", -1), x.rank);
    int64_t n = x.shape[axis], rows = n ? x.n / n : 0;
    int64_t k = golden_int(r, need_slot(r, 1), 0);
    int64_t shape[GOLDEN_RANK_MAX];

    if (x.dtype == halI32)
        golden_cannot(r, "needs a top-k kernel of integers");
    if (golden_number(r, "largest", 1) != 1)
        golden_cannot(r, "no kernel gives the smallest");
    turned = axis_last(r, &x, axis, 0);
    memcpy(shape, turned.shape, sizeof shape);
    shape[turned.rank - 1] = k;
    values = gt_new(r, x.dtype, turned.rank, shape);
    indices = gt_new(r, halI32, turned.rank, shape);
    CONF_OK(r->c, halopTopK(x.dtype, values.buf.mem, indices.buf.mem,
                            turned.buf.mem, rows, n, k, NULL));
    values = axis_last(r, &values, axis, 1);
    indices = axis_last(r, &indices, axis, 1);
    golden_judge_exact(r, need_result(r, 0), &values);
    golden_judge_exact(r, need_result(r, 1), &indices);
}

static void run_rmsnorm(struct golden_run *r)
{
    struct gt x = gt_load(r, need_slot(r, 0));
    struct gt w = gt_load(r, need_slot(r, 1));
    struct gt y = gt_new(r, x.dtype, x.rank, x.shape);
    int axis = axis_of(r, golden_number(r, "axis", -1), x.rank);
    int64_t n = product(x.shape, axis, x.rank);
    struct golden_slack slack = { .terms = 12 + sqrt((double)n) };

    if (w.n != n || w.dtype != x.dtype)
        golden_cannot(r, "a weight that is broadcast or of another type");
    CONF_OK(r->c, halopRmsNorm(x.dtype, y.buf.mem, x.buf.mem, w.buf.mem,
                               n ? x.n / n : 0, n,
                               (float)golden_number(r, "epsilon", 1e-5), NULL));
    golden_judge(r, need_result(r, 0), &y, &slack);
}

/* ---- products --------------------------------------------------------- */

static struct gt transposed(struct golden_run *r, const struct gt *x)
{
    static const int swap[2] = { 1, 0 };

    return gt_permute(r, x, swap);
}

/* alpha A' B' + beta C: our product takes B as [n, k]; the factors are
 * products with scaled unit matrices. */
static void run_gemm(struct golden_run *r)
{
    struct gt a = gt_load_f32(r, need_slot(r, 0));
    struct gt b = gt_load_f32(r, need_slot(r, 1)), c, y, wide;
    const struct golden_value *vc = golden_slot(r, 2);

    if (a.rank != 2 || b.rank != 2)
        golden_cannot(r, "want matrices");
    if (golden_number(r, "transA", 0) != 0)
        a = transposed(r, &a);
    if (golden_number(r, "transB", 0) == 0)
        b = transposed(r, &b);
    if (a.shape[1] != b.shape[1])
        golden_cannot(r, "A and B do not fit");
    a = gt_scale(r, &a, golden_number(r, "alpha", 1));
    if (vc) {
        int64_t m = a.shape[0], n = b.shape[0], from[2] = { 0, 0 };
        const int64_t shape[2] = { m, n }, to[2] = { n, 1 };
        struct gt sum = gt_new(r, halF32, 2, shape);

        c = gt_load_f32(r, vc);
        if (c.rank > 2 ||
            (c.rank && c.shape[c.rank - 1] != 1 && c.shape[c.rank - 1] != n) ||
            (c.rank == 2 && c.shape[0] != 1 && c.shape[0] != m))
            golden_cannot(r, "C does not broadcast");
        c = gt_scale(r, &c, golden_number(r, "beta", 1));
        from[1] = c.rank && c.shape[c.rank - 1] > 1 ? 1 : 0;
        from[0] = c.rank == 2 && c.shape[0] > 1 ? c.shape[1] : 0;
        wide = gt_new(r, halF32, 2, shape);
        gt_move(r, &wide, 0, to, &c, 0, from, 2, shape);
        y = gt_gemm(r, halF32, &a, &b, NULL);
        CONF_OK(r->c, halopAdd(halF32, sum.buf.mem, y.buf.mem, wide.buf.mem,
                               y.n, NULL));
        y = sum;
    } else {
        y = gt_gemm(r, halF32, &a, &b, NULL);
    }
    golden_judge(r, need_result(r, 0), &y, NULL);
}

/* Leading dimensions broadcast; a vector is a row on the left, a column on the
 * right. */
static void run_matmul(struct golden_run *r)
{
    struct gt a = gt_load_f32(r, need_slot(r, 0));
    struct gt b = gt_load_f32(r, need_slot(r, 1)), y;
    int ra = a.rank > 1 ? a.rank - 2 : 0, rb = b.rank > 1 ? b.rank - 2 : 0;
    int lead = ra > rb ? ra : rb;
    int64_t m = a.rank > 1 ? a.shape[a.rank - 2] : 1, batch = 1;
    int64_t n = b.rank > 1 ? b.shape[b.rank - 1] : 1;
    int64_t k = a.rank ? a.shape[a.rank - 1] : 1, dims[GOLDEN_RANK_MAX];
    const int64_t one = 1, part = m * n, flat[2] = { m, k };
    const int64_t column[2] = { k, n };

    for (int i = 0; i < lead; i++) {
        int64_t da = i - (lead - ra) >= 0 ? a.shape[i - (lead - ra)] : 1;
        int64_t db = i - (lead - rb) >= 0 ? b.shape[i - (lead - rb)] : 1;

        if (da != db && da != 1 && db != 1)
            golden_cannot(r, "dimensions that do not broadcast");
        dims[i] = da > db ? da : db;
        batch *= dims[i];
    }
    if (a.rank == 0 || b.rank == 0 || b.shape[b.rank > 1 ? b.rank - 2 : 0] != k)
        golden_cannot(r, "inner dimensions differ");
    const int64_t all = batch * part;
    y = gt_new(r, halF32, 1, &all);
    for (int64_t i = 0; i < batch; i++) {
        int64_t at_a = 0, at_b = 0, rest = i, step_a = 1, step_b = 1;

        for (int d = lead - 1; d >= 0; d--) { /* which matrix of each */
            int64_t index = rest % dims[d];
            int64_t da = d - (lead - ra) >= 0 ? a.shape[d - (lead - ra)] : 1;
            int64_t db = d - (lead - rb) >= 0 ? b.shape[d - (lead - rb)] : 1;

            rest /= dims[d];
            at_a += da > 1 ? index * step_a : 0;
            at_b += db > 1 ? index * step_b : 0;
            step_a *= da;
            step_b *= db;
        }
        struct gt ma = gt_view(a, at_a * m * k, 2, flat);
        struct gt mb = gt_view(b, at_b * k * n, 2, column), wt, got;

        wt = transposed(r, &mb);
        got = gt_gemm(r, halF32, &ma, &wt, NULL);
        gt_move(r, &y, i * part, &one, &got, 0, &one, 1, &part);
    }
    y = gt_view(y, 0, 2, (const int64_t[2]){ batch * m, n });
    golden_judge(r, need_result(r, 0), &y, NULL);
}

/* ---- moves ------------------------------------------------------------ */

/* A block of `y` from `at` along `axis`, `n` wide, from all of x, or back. */
static void along(struct golden_run *r, struct gt *y, const struct gt *x,
                  int axis, int64_t at, int into_y)
{
    const struct gt *wide = into_y ? y : x, *part = into_y ? x : y;
    int64_t big[GOLDEN_RANK_MAX], small[GOLDEN_RANK_MAX];

    gt_strides(wide, big);
    gt_strides(part, small);
    gt_move(r, y, into_y ? at * big[axis] : 0, into_y ? big : small, x,
            into_y ? 0 : at * big[axis], into_y ? small : big, x->rank,
            part->shape);
}

static void run_concat(struct golden_run *r)
{
    const struct golden_value *v = need_result(r, 0);
    struct gt first = gt_load(r, need_slot(r, 0)), y;
    int axis = axis_of(r, golden_number(r, "axis", 0), first.rank);
    int64_t at = 0;

    if (v->t->rank != first.rank)
        golden_cannot(r, "output of another rank");
    y = gt_new(r, first.dtype, v->t->rank, v->t->shape);
    for (int i = 0; golden_slot(r, i); i++) {
        struct gt x = gt_load(r, golden_slot(r, i));

        for (int d = 0; d < y.rank; d++)
            if (x.rank != y.rank || x.dtype != y.dtype ||
                (d == axis ? at + x.shape[d] > y.shape[d]
                           : x.shape[d] != y.shape[d]))
                golden_cannot(r, "inputs that do not fit the output");
        along(r, &y, &x, axis, at, 1);
        at += x.shape[axis];
    }
    golden_judge_exact(r, v, &y);
}

static void run_split(struct golden_run *r)
{
    struct gt x = gt_load(r, need_slot(r, 0));
    int axis = axis_of(r, golden_number(r, "axis", 0), x.rank);
    int64_t at = 0;

    for (int i = 0; golden_result(r, i); i++) {
        const struct golden_value *v = golden_result(r, i);
        struct gt y;

        if (v->t->rank != x.rank || at + v->t->shape[axis] > x.shape[axis])
            golden_cannot(r, "outputs that do not fit the input");
        y = gt_new(r, x.dtype, v->t->rank, v->t->shape);
        along(r, &y, &x, axis, at, 0);
        golden_judge_exact(r, v, &y);
        at += y.shape[axis];
    }
}

static void run_transpose(struct golden_run *r)
{
    struct gt x = gt_load(r, need_slot(r, 0)), y;
    const cJSON *perm = golden_attr(r, "perm");
    int order[GOLDEN_RANK_MAX], seen = 0;

    for (int i = 0; i < x.rank; i++) {
        uint64_t d = (uint64_t)(x.rank - 1 - i); /* the default: reversed */

        if (perm &&
            golden_whole(cJSON_GetArrayItem(perm, i), (uint64_t)x.rank - 1, &d))
            golden_cannot(r, "attrs.perm does not match the input");
        if (seen >> d & 1)
            golden_cannot(r, "attrs.perm is no permutation");
        seen |= 1 << d;
        order[i] = (int)d;
    }
    y = gt_permute(r, &x, order);
    golden_judge_exact(r, need_result(r, 0), &y);
}

/* Rows of `data` along an axis: an embedding, between two permutations. */
static void run_gather(struct golden_run *r)
{
    struct gt x = gt_load(r, need_slot(r, 0)), turned, y;
    struct gt ids = gt_load_i32(r, need_slot(r, 1));
    int axis = axis_of(r, golden_number(r, "axis", 0), x.rank);
    int64_t vocab = x.shape[axis], rest = vocab ? x.n / vocab : 0;
    int64_t outer = product(x.shape, 0, axis);
    int perm[GOLDEN_RANK_MAX], n = 0;

    for (int64_t i = 0; i < ids.n; i++)
        if (golden_int(r, need_slot(r, 1), i) < 0)
            golden_cannot(r, "indices from the end");
    perm[n++] = axis;
    for (int i = 0; i < x.rank; i++)
        if (i != axis)
            perm[n++] = i;
    turned = gt_permute(r, &x, perm); /* [axis, outer..., inner...] */
    const int64_t shape[3] = { ids.n, outer, outer ? rest / outer : 0 };
    static const int back[3] = { 1, 0, 2 };
    y = gt_new(r, x.dtype, 3, shape);
    CONF_OK(r->c, halopEmbedding(x.dtype, y.buf.mem, turned.buf.mem,
                                 ids.buf.mem, ids.n, vocab, rest, NULL));
    y = gt_permute(r, &y, back); /* [outer, ids, inner] */
    golden_judge_exact(r, need_result(r, 0), &y);
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static void run_slice(struct golden_run *r)
{
    struct gt x = gt_load(r, need_slot(r, 0)), y;
    const struct golden_value *starts = need_slot(r, 1);
    const struct golden_value *ends = need_slot(r, 2);
    const struct golden_value *axes = golden_slot(r, 3);
    const struct golden_value *steps = golden_slot(r, 4);
    int64_t shape[GOLDEN_RANK_MAX], from[GOLDEN_RANK_MAX], at = 0;
    int64_t to[GOLDEN_RANK_MAX];

    memcpy(shape, x.shape, sizeof shape);
    gt_strides(&x, from);
    for (int64_t i = 0; i < starts->t->count; i++) {
        int axis = axis_of(r, axes ? (double)golden_int(r, axes, i) : (double)i,
                           x.rank);
        int64_t size = x.shape[axis],
                step = steps ? golden_int(r, steps, i) : 1;
        int64_t start = golden_int(r, starts, i), end = golden_int(r, ends, i);

        if (step == 0 || step > size + 1 || step < -size - 1)
            step = step < 0 ? -size - 1 : size + 1;
        start += start < 0 ? size : 0;
        end += end < 0 ? size : 0;
        start = clamp(start, 0, step > 0 ? size : size - 1);
        end = clamp(end, step > 0 ? 0 : -1, size);
        shape[axis] = step > 0 ? (end - start + step - 1) / step
                               : (start - end - step - 1) / -step;
        shape[axis] = shape[axis] < 0 ? 0 : shape[axis];
        at += start * from[axis];
        from[axis] *= step;
    }
    y = gt_new(r, x.dtype, x.rank, shape);
    gt_strides(&y, to);
    gt_move(r, &y, 0, to, &x, at, from, x.rank, shape);
    golden_judge_exact(r, need_result(r, 0), &y);
}

/* A cache's rows replaced from write_indices on; circular wraps. */
static void run_tensor_scatter(struct golden_run *r)
{
    struct gt old = gt_load(r, need_slot(r, 0)), cache = gt_clone(r, &old);
    struct gt fresh = gt_load(r, need_slot(r, 1));
    const struct golden_value *at = golden_slot(r, 2);
    const cJSON *mode = golden_attr(r, "mode");
    int axis = axis_of(r, golden_number(r, "axis", -2), old.rank);
    int64_t max = old.shape[axis], len, inner, outer;

    if (fresh.rank != old.rank || axis == 0)
        golden_cannot(r, "an update of another rank, or along the batch");
    len = fresh.shape[axis];
    inner = product(old.shape, axis + 1, old.rank);
    outer = product(old.shape, 1, axis);
    for (int64_t b = 0; b < old.shape[0]; b++)
        for (int64_t i = 0; i < len; i++) {
            int64_t row = (at ? golden_int(r, at, b) : 0) + i;
            const int64_t dims[2] = { outer, inner };
            const int64_t to[2] = { max * inner, 1 };
            const int64_t from[2] = { len * inner, 1 };

            if (cJSON_IsString(mode) &&
                strcmp(mode->valuestring, "circular") == 0)
                row %= max;
            if (row < 0 || row >= max)
                golden_cannot(r, "rows outside the cache");
            gt_move(r, &cache, (b * outer * max + row) * inner, to, &fresh,
                    (b * outer * len + i) * inner, from, 2, dims);
        }
    golden_judge_exact(r, need_result(r, 0), &cache);
}

/* ---- rotation ---------------------------------------------------------- */

static void run_rotary(struct golden_run *r)
{
    struct gt in = gt_load(r, need_slot(r, 0)), x = gt_clone(r, &in);
    struct gt cos_t = gt_load_f32(r, need_slot(r, 1));
    struct gt sin_t = gt_load_f32(r, need_slot(r, 2));
    const struct golden_value *ids = golden_slot(r, 3);
    int64_t dim = (int64_t)golden_number(r, "rotary_embedding_dim", 0);
    struct golden_slack slack = { .terms = 8 };
    struct conf_buf positions;

    if (x.rank != 4)
        golden_cannot(r, "heads that are not a dimension of their own");
    int64_t b = x.shape[0], h = x.shape[1], s = x.shape[2], d = x.shape[3];
    int32_t *host = conf_host(r->c, (size_t)(b * s + 1) * 4);

    dim = dim ? dim : d;
    if (dim > d || dim % 2 || cos_t.shape[cos_t.rank - 1] != dim / 2)
        golden_cannot(r, "tables of another width");
    for (int64_t i = 0; i < b * s; i++)
        host[i] = ids ? (int32_t)golden_int(r, ids, i) : (int32_t)i;
    positions = conf_upload(r->c, host, (size_t)(b * s) * 4, 0);
    for (int64_t i = 0; i < b; i++) {
        struct halopRopeArgs args = {
            .dtype = x.dtype,
            .layout = golden_number(r, "interleaved", 0) != 0
                          ? halopRopeInterleaved
                          : halopRopeHalf,
            .x = gt_at(&x, i * h * s * d),
            .cos = cos_t.buf.mem,
            .sin = sin_t.buf.mem,
            .positions = (const int32_t *)positions.mem + i * s,
            .n_tokens = s,
            .n_heads = h,
            .dim = dim,
            .n_positions = cos_t.n / (dim / 2),
            .token_stride = d,
            .head_stride = s * d,
        };

        CONF_OK(r->c, halopRope(&args, NULL));
    }
    golden_judge(r, need_result(r, 0), &x, &slack);
}

/* ---- the list --------------------------------------------------------- */

const struct golden_op golden_ops_onnx[] = {
    { "onnx.Add", run_add, NULL },
    { "onnx.ArgMax", run_argmax, NULL },
    { "onnx.Attention", golden_run_onnx_attention, NULL },
    { "onnx.Cast", run_cast, NULL },
    { "onnx.Concat", run_concat, NULL },
    { "onnx.Gather", run_gather, NULL },
    { "onnx.Gemm", run_gemm, NULL },
    { "onnx.MatMul", run_matmul, NULL },
    { "onnx.RMSNormalization", run_rmsnorm, NULL },
    { "onnx.RotaryEmbedding", run_rotary, NULL },
    { "onnx.Slice", run_slice, NULL },
    { "onnx.Softmax", run_softmax, NULL },
    { "onnx.Split", run_split, NULL },
    { "onnx.SwiGLU", run_swiglu, NULL },
    { "onnx.Swish", run_swish, NULL },
    { "onnx.TensorScatter", run_tensor_scatter, NULL },
    { "onnx.TopK", run_topk, NULL },
    { "onnx.Transpose", run_transpose, NULL },
    { "onnx.Mul", NULL, "needs an element-wise product kernel" },
    { "onnx.CumSum", NULL, "needs a prefix sum kernel" },
    { "onnx.DequantizeLinear", NULL,
      "needs dequantisation by tensor, axis or ONNX block, with zero points" },
    { "onnx.DynamicQuantizeLinear", NULL,
      "needs quantisation to u8 with a zero point" },
    { "onnx.QuantizeLinear", NULL,
      "needs quantisation by tensor, axis or ONNX block, with zero points" },
    { "onnx.GatherElements", NULL, "needs an element-wise gather kernel" },
    { "onnx.Gelu", NULL, "needs a gelu kernel" },
    { "onnx.LayerNormalization", NULL, "needs a layer norm kernel" },
    { "onnx.LogSoftmax", NULL, "needs a log-softmax kernel" },
    { "onnx.MatMulInteger", NULL, "needs an int8 product with zero points" },
    { "onnx.QLinearMatMul", NULL, "needs an int8 product with zero points" },
    { "onnx.ReduceMax", NULL, "needs a reduction kernel (maximum)" },
    { "onnx.ReduceSum", NULL, "needs a reduction kernel (sum)" },
    { "onnx.ScatterElements", NULL, "needs a scatter kernel" },
    { "onnx.ScatterND", NULL, "needs a scatter kernel" },
    { "onnx.Sigmoid", NULL, "needs a sigmoid kernel" },
    { "onnx.Where", NULL, "needs a selection kernel" },
    { 0 },
};
