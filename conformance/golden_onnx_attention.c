/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_onnx_attention.c - ONNX Attention.
 *
 * A causal mask is aligned to the top left plus the length of the past (or to
 * nonpad_kv_seqlen - sq), ours to the bottom right; where no other mask is
 * given, the attention kernel with kv_lens says the same.  Everything else is
 * composed, its masks laid on the host out of what the case gives, 0 and -inf.
 */
#include <math.h>
#include <string.h>

#include "conformance/golden_attention.h"

struct node {
    struct attention a;
    const struct golden_value *mask, *past_k, *past_v, *nonpad;
    int64_t past;
    int causal, left, right, stage; /* windows: -1 none */
    int three;                      /* inputs and Y are [b, s, h * d] */
};

/* [b, s, h * d] -> [b, h, s, d]; [b, h, s, d] stays. */
static struct gt heads_first(struct golden_run *r, struct gt x, double heads)
{
    static const int perm[4] = { 0, 2, 1, 3 };

    if (x.rank == 4)
        return x;
    if (x.rank != 3 || !(heads >= 1 && heads <= (double)x.shape[2]) ||
        x.shape[2] % (int64_t)heads)
        golden_cannot(r, "inputs of neither 3 nor 4 dimensions");
    const int64_t shape[4] = { x.shape[0], x.shape[1], (int64_t)heads,
                               x.shape[2] / (int64_t)heads };
    x = gt_view(x, 0, 4, shape);
    return gt_permute(r, &x, perm);
}

/* The past's rows, then the new ones: [b, h, past + s, d]. */
static struct gt joined(struct golden_run *r, const struct golden_value *past,
                        const struct gt *fresh)
{
    struct gt old = gt_load(r, past), y;
    int64_t shape[4], from[4], to[4];

    if (old.rank != 4 || old.shape[0] != fresh->shape[0] ||
        old.shape[1] != fresh->shape[1] || old.shape[3] != fresh->shape[3] ||
        old.dtype != fresh->dtype)
        golden_cannot(r, "a past of another shape");
    memcpy(shape, old.shape, sizeof shape);
    shape[2] += fresh->shape[2];
    y = gt_new(r, old.dtype, 4, shape);
    gt_strides(&y, to);
    gt_strides(&old, from);
    gt_move(r, &y, 0, to, &old, 0, from, 4, old.shape);
    gt_strides(fresh, from);
    gt_move(r, &y, old.shape[2] * to[2], to, fresh, 0, from, 4, fresh->shape);
    return y;
}

static void read_node(struct golden_run *r, struct node *n)
{
    const struct golden_value *v[3];
    double d;

    for (int i = 0; i < 3; i++)
        if (!(v[i] = golden_slot(r, i)))
            golden_cannot(r, "Q, K or V is missing");
    n->mask = golden_slot(r, 3);
    n->past_k = golden_slot(r, 4);
    n->past_v = golden_slot(r, 5);
    n->nonpad = golden_slot(r, 6);
    n->causal = golden_number(r, "is_causal", 0) != 0;
    n->left = (int)golden_number(r, "left_window_size", -1);
    n->right = (int)golden_number(r, "right_window_size", -1);
    n->stage = (int)golden_number(r, "qk_matmul_output_mode", 0);
    if (golden_number(r, "softcap", 0) != 0)
        golden_cannot(r, "needs attention with a soft cap (tanh)");
    n->three = v[0]->t->rank == 3;
    n->a.q =
        heads_first(r, gt_load(r, v[0]), golden_number(r, "q_num_heads", 0));
    n->a.k =
        heads_first(r, gt_load(r, v[1]), golden_number(r, "kv_num_heads", 0));
    n->a.v =
        heads_first(r, gt_load(r, v[2]), golden_number(r, "kv_num_heads", 0));
    if (n->past_k && n->past_v) {
        n->past = n->past_k->t->rank == 4 ? n->past_k->t->shape[2] : 0;
        n->a.k = joined(r, n->past_k, &n->a.k);
        n->a.v = joined(r, n->past_v, &n->a.v);
    }
    d = (double)n->a.q.shape[3];
    n->a.scale = golden_number(r, "scale", 1 / sqrt(d));
    if (n->a.q.shape[0] != n->a.k.shape[0] ||
        n->a.q.shape[0] != n->a.v.shape[0] ||
        n->a.q.shape[3] != n->a.k.shape[3] ||
        n->a.k.shape[1] != n->a.v.shape[1] ||
        n->a.k.shape[2] != n->a.v.shape[2] || n->a.k.shape[1] == 0 ||
        n->a.q.shape[1] % n->a.k.shape[1] ||
        (n->nonpad && n->nonpad->t->count != n->a.q.shape[0]))
        golden_cannot(r, "Q, K and V do not fit");
}

/* The position of query i of sequence b among the keys, and how many count. */
static int64_t offset_of(struct golden_run *r, const struct node *n, int64_t b,
                         int64_t *keys)
{
    int64_t s = n->a.k.shape[2];

    *keys = n->nonpad ? golden_int(r, n->nonpad, b) : s;
    if (*keys > s || *keys < 0)
        golden_cannot(r, "nonpad_kv_seqlen lies outside the keys");
    return n->nonpad ? *keys - n->a.q.shape[2] : n->past;
}

/* The mask's own value for (b, h, i, j), right-aligned and broadcast. */
static double mask_at(const struct golden_value *mask, const double *values,
                      const int64_t index[4])
{
    int64_t at = 0, step = 1;
    int rank = mask->t->rank;
    double v;

    for (int d = rank - 1; d >= 0; d--) {
        int64_t size = mask->t->shape[d], i = index[4 - rank + d];

        if (d == rank - 1 && i >= size && size > 1)
            return -INFINITY; /* a short mask is padded so */
        at += size == 1 ? 0 : i * step;
        step *= size;
    }
    v = values[at];
    if (strcmp(mask->t->type->name, "BOOL") == 0)
        return v != 0 ? 0 : -INFINITY;
    return v;
}

static double *lay_mask(struct golden_run *r, const struct node *n)
{
    int64_t b = n->a.q.shape[0], h = n->a.q.shape[1], sq = n->a.q.shape[2];
    int64_t s = n->a.k.shape[2];
    double *out = conf_host(r->c, (size_t)(b * h * sq * s + 1) * sizeof *out);
    double *values = n->mask ? golden_doubles(r, n->mask) : NULL, *to = out;

    if (n->mask) {
        const int64_t full[4] = { b, h, sq, s };
        int rank = n->mask->t->rank;

        for (int d = 0; d < rank && rank <= 4; d++) {
            int64_t size = n->mask->t->shape[d];

            if (size != 1 && size != full[4 - rank + d] &&
                !(d == rank - 1 && size < s))
                golden_cannot(r, "a mask that does not broadcast");
        }
        if (rank > 4)
            golden_cannot(r, "a mask of more than 4 dimensions");
    }
    for (int64_t i = 0; i < b * h * sq * s; i++) {
        const int64_t at[4] = { i / (h * sq * s), i / (sq * s) % h, i / s % sq,
                                i % s };
        int64_t keys, where = offset_of(r, n, at[0], &keys) + at[2];
        int hidden = at[3] >= keys || (n->causal && at[3] > where) ||
                     (n->left >= 0 && at[3] < where - n->left) ||
                     (n->right >= 0 && at[3] > where + n->right);
        double v = n->mask ? mask_at(n->mask, values, at) : 0;

        *to++ = hidden ? -INFINITY : v;
    }
    return out;
}

/* The kernel's own rule can say it: lengths, if causal then aligned by them. */
static int fusable(struct golden_run *r, struct node *n)
{
    int64_t b = n->a.q.shape[0], sq = n->a.q.shape[2], keys;
    int32_t *lens = conf_host(r->c, (size_t)b * 4);

    if (n->mask || n->left >= 0 || n->right >= 0 || golden_result(r, 3))
        return 0;
    for (int64_t i = 0; i < b; i++) {
        int64_t offset = offset_of(r, n, i, &keys);

        if (n->causal)
            keys = offset + sq;
        if (keys > n->a.k.shape[2])
            return 0;
        lens[i] = (int32_t)keys;
    }
    n->a.kv_lens = lens;
    n->a.causal = n->causal;
    return 1;
}

static void judge(struct golden_run *r, const struct node *n, struct gt o)
{
    static const int perm[4] = { 0, 2, 1, 3 };
    const struct golden_value *y = golden_result(r, 0);
    struct golden_slack slack = { .terms = 32 + sqrt((double)n->a.k.shape[2]) };

    if (!y)
        golden_cannot(r, "the node has no output");
    if (n->three)
        o = gt_permute(r, &o, perm);
    golden_judge(r, y, &o, &slack);
}

static void judge_present(struct golden_run *r, const struct node *n)
{
    const struct golden_value *k = golden_result(r, 1);
    const struct golden_value *v = golden_result(r, 2);

    if (k)
        golden_judge_exact(r, k, &n->a.k);
    if (v)
        golden_judge_exact(r, v, &n->a.v);
}

void golden_run_onnx_attention(struct golden_run *r)
{
    const struct golden_value *scores;
    struct node n = { 0 };
    struct gt stages = { 0 }, o;

    read_node(r, &n);
    judge_present(r, &n);
    if (fusable(r, &n)) {
        o = attention_fused(r, &n.a, n.a.q.dtype, NULL);
        judge(r, &n, o);
        return;
    }
    n.a.mask = lay_mask(r, &n);
    if (n.a.q.dtype != halF32) {
        n.a.q = gt_cast(r, &n.a.q, halF32);
        n.a.k = gt_cast(r, &n.a.k, halF32);
        n.a.v = gt_cast(r, &n.a.v, halF32);
    }
    scores = golden_result(r, 3);
    if (scores && n.stage == 1)
        n.stage = 0; /* after a soft cap that there is not */
    o = attention_composed(r, &n.a, n.stage, scores ? &stages : NULL);
    judge(r, &n, o);
    if (scores)
        golden_judge(r, scores, &stages, NULL);
}
