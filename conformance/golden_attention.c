/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_attention.c - attention cases: by the attention kernel where its rule
 * of visibility says the same as the mask, else composed of products, an added
 * mask and a softmax.
 */
#include <math.h>
#include <string.h>

#include "conformance/golden_attention.h"
#include "conformance/oracles/oracles.h"

struct gt attention_fused(struct golden_run *r, const struct attention *a,
                          halDtype out, struct gt *lse)
{
    const struct gt *q = &a->q, *k = &a->k, *v = &a->v;
    int64_t b = q->shape[0], h = q->shape[1], sq = q->shape[2];
    int64_t d = q->shape[3], hkv = k->shape[1], s = k->shape[2];
    int64_t dv = v->shape[3];
    const int64_t shape[4] = { b, h, sq, dv }, lse_shape[3] = { b, h, sq };
    struct gt o = gt_new(r, out, 4, shape), l;
    struct conf_buf lens = { 0 };

    l = gt_new(r, halF32, 3, lse_shape);
    if (a->kv_lens)
        lens = conf_upload(r->c, a->kv_lens, (size_t)b * 4, 0);
    struct halopAttentionArgs args = {
        .dtype = q->dtype,
        .out = out,
        .o = o.buf.mem,
        .lse = l.buf.mem,
        .q = q->buf.mem,
        .k = k->buf.mem,
        .v = v->buf.mem,
        .kv_lens = lens.mem,
        .batch = b,
        .n_q = sq,
        .kv_max = s,
        .n_heads = h,
        .n_kv_heads = hkv,
        .qk_dim = d,
        .v_dim = dv,
        .q_batch_stride = h * sq * d,
        .q_seq_stride = d,
        .q_head_stride = sq * d,
        .k_batch_stride = hkv * s * d,
        .k_seq_stride = d,
        .k_head_stride = s * d,
        .v_batch_stride = hkv * s * dv,
        .v_seq_stride = dv,
        .v_head_stride = s * dv,
        .o_batch_stride = h * sq * dv,
        .o_seq_stride = dv,
        .o_head_stride = sq * dv,
        .scale = (float)a->scale,
        .causal = a->causal,
    };
    CONF_OK(r->c, halopAttention(&args, NULL));
    if (lse)
        *lse = l;
    return o;
}

static struct gt matrix(const struct gt *t, int64_t index)
{
    const int64_t shape[2] = { t->shape[2], t->shape[3] };

    return gt_view(*t, index * shape[0] * shape[1], 2, shape);
}

/* Keeps one stage of one head for the case's fourth output. */
static void keep(struct golden_run *r, struct gt *stages, int64_t head,
                 const struct gt *from)
{
    const int64_t step = 1;

    gt_move(r, stages, head * from->n, &step, from, 0, &step, 1, &from->n);
}

struct gt attention_composed(struct golden_run *r, const struct attention *a,
                             int stage, struct gt *stages)
{
    static const int swap[2] = { 1, 0 };
    int64_t b = a->q.shape[0], h = a->q.shape[1], sq = a->q.shape[2];
    int64_t hkv = a->k.shape[1], s = a->k.shape[2], dv = a->v.shape[3];
    const int64_t shape[4] = { b, h, sq, dv }, all[4] = { b, h, sq, s };
    const int64_t one[2] = { sq, s };
    struct gt o = gt_new(r, halF32, 4, shape), scaled;

    scaled = gt_scale(r, &a->q, a->scale);
    if (stages)
        *stages = gt_new(r, halF32, 4, all);
    for (int64_t i = 0; i < b * h; i++) {
        int64_t kv = i / h * hkv + i % h / (h / hkv);
        struct gt q = matrix(&scaled, i), k = matrix(&a->k, kv), masked;
        struct gt v = matrix(&a->v, kv), vt = gt_permute(r, &v, swap), part;
        struct gt score = gt_gemm(r, halF32, &q, &k, NULL);
        struct gt mask = gt_from(r, 2, one, a->mask + i * sq * s);
        struct gt p = gt_new(r, halF32, 2, one);

        masked = gt_new(r, halF32, 2, one);
        CONF_OK(r->c, halopAdd(halF32, masked.buf.mem, score.buf.mem,
                               mask.buf.mem, sq * s, NULL));
        CONF_OK(r->c, halopSoftmax(halF32, p.buf.mem, masked.buf.mem, sq, s,
                                   1.0f, NULL));
        part = gt_gemm(r, halF32, &p, &vt, NULL);
        keep(r, &o, i, &part);
        if (stages)
            keep(r, stages, i, stage == 0 ? &score : stage == 2 ? &masked : &p);
    }
    return o;
}

/* ---- the pack's own attention cases ------------------------------------ */

/* The kernel's rule: query i sees keys 0 .. s - sq + i. */
static int mask_is_causal(const double *mask, int64_t sq, int64_t s)
{
    for (int64_t i = 0; i < sq; i++)
        for (int64_t j = 0; j < s; j++)
            if (mask[i * s + j] != (j <= s - sq + i ? 0 : -INFINITY))
                return 0;
    return 1;
}

/* Room for the rounding of scores: see docs/numerics.md. */
static struct golden_slack slack_of(struct golden_run *r,
                                    const struct attention *a,
                                    const char *q_name, const char *k_name)
{
    double *q = golden_doubles(r, golden_input(r, q_name));
    double *k = golden_doubles(r, golden_input(r, k_name));
    double q2 = 0, k2 = 0, d = (double)a->q.shape[3];

    for (int64_t i = 0; i < a->q.n; i++)
        if (isfinite(q[i]))
            q2 += q[i] * q[i];
    for (int64_t i = 0; i < a->k.n; i++)
        if (isfinite(k[i]))
            k2 += k[i] * k[i];
    /* A typical score has sum |q k| of about the product of the norms. */
    return (struct golden_slack){
        .terms = 16 + sqrt((double)a->k.shape[2]) +
                 4 * a->scale * (sqrt(d) + 4) *
                     sqrt(q2 / fmax(1, (double)a->q.n) * d) *
                     sqrt(k2 / fmax(1, (double)a->k.n) * d),
    };
}

/* got is [b, h, sq, dv]; the pack's o is [b, sq, h, dv].  Where it offers a
 * second answer for kernels that skip masked keys, a NaN of the first is not
 * demanded. */
static void judge_o(struct golden_run *r, const struct gt *got,
                    const struct golden_slack *slack)
{
    static const int to_pack[4] = { 0, 2, 1, 3 };
    struct gt o = gt_permute(r, got, to_pack);
    const struct golden_value *v = golden_output(r, "o");
    const struct golden_value *skip = golden_output_or_null(r, "o_skip_masked");
    double *want = golden_doubles(r, v), *other;
    const void *bits;

    if (skip && skip->t->count == v->t->count && v->t->count == o.n) {
        other = golden_doubles(r, skip);
        bits = gt_fetch(r, &o);
        for (int64_t i = 0; i < o.n; i++)
            if (!(isnan(want[i]) && isnan(conf_decode(o.dtype, bits, i))))
                want[i] = other[i];
    }
    golden_judge_values(r, v, &o, want, slack);
}

/* An error of the scores is one of lse itself, however small that is. */
static void judge_lse(struct golden_run *r, const struct golden_value *v,
                      const struct gt *lse, struct golden_slack slack)
{
    double *want = golden_doubles(r, v);
    const float *got = gt_fetch(r, lse);

    slack.abs = slack.terms * 0x1p-24;
    /* With a second answer for o, the first's NaN are not demanded here. */
    if (golden_output_or_null(r, "o_skip_masked") && v->t->count == lse->n)
        for (int64_t i = 0; i < lse->n; i++)
            if (isnan(want[i]))
                want[i] = got[i];
    golden_judge_values(r, v, lse, want, &slack);
}

static void check_shapes(struct golden_run *r, const struct attention *a)
{
    const struct gt *q = &a->q, *k = &a->k, *v = &a->v;

    if (q->rank != 4 || k->rank != 4 || v->rank != 4 ||
        q->shape[0] != k->shape[0] || q->shape[3] != k->shape[3] ||
        k->shape[1] != v->shape[1] || k->shape[2] != v->shape[2] ||
        k->shape[1] == 0 || q->shape[1] % k->shape[1] ||
        q->shape[0] != v->shape[0])
        golden_cannot(r, "want q [b, h, sq, d], k and v [b, hkv, s, d]");
}

static void run_masked(struct golden_run *r, struct attention *a,
                       const double *mask, const struct golden_slack *slack)
{
    int64_t b = a->q.shape[0], h = a->q.shape[1], sq = a->q.shape[2];
    int64_t s = a->k.shape[2];
    double *wide = conf_host(r->c, (size_t)(b * h * sq * s + 1) * sizeof *wide);
    struct gt o;

    for (int64_t i = 0; i < b * h; i++)
        memcpy(wide + i * sq * s, mask, (size_t)(sq * s) * sizeof *wide);
    a->mask = wide;
    o = attention_composed(r, a, 0, NULL);
    judge_o(r, &o, slack);
}

void golden_run_attention(struct golden_run *r)
{
    const struct golden_value *mask = golden_input_or_null(r, "mask");
    const struct golden_value *lse = golden_output_or_null(r, "lse");
    double kv_len = golden_number(r, "kv_len", -1), *m = NULL;
    struct attention a = { .scale = golden_number(r, "scale", NAN) };

    if (!isfinite(a.scale))
        golden_cannot(r, "attrs.scale is missing");
    for (int wide = 0; wide < 2; wide++) {
        const struct golden_value *in = golden_input(r, "q");
        struct gt (*load)(struct golden_run *, const struct golden_value *) =
            wide ? gt_load_f32 : gt_load;
        struct golden_slack slack;
        struct gt o, got_lse;

        if (wide && in->t->type->dtype == halF32)
            break;
        a.q = load(r, in);
        a.k = load(r, golden_input(r, "k"));
        a.v = load(r, golden_input(r, "v"));
        check_shapes(r, &a);
        slack = slack_of(r, &a, "q", "k");
        a.causal = golden_number(r, "causal", 0) != 0;
        if (mask) {
            if (mask->t->count != a.q.shape[2] * a.k.shape[2])
                golden_cannot(r, "a mask for each head");
            m = golden_doubles(r, mask);
            a.causal = mask_is_causal(m, a.q.shape[2], a.k.shape[2]);
            if (!a.causal && !wide)
                continue; /* composed in f32 only */
            if (!a.causal) {
                run_masked(r, &a, m, &slack);
                continue;
            }
        }
        if (kv_len >= 0) {
            int32_t *lens = conf_host(r->c, (size_t)a.q.shape[0] * 4);

            for (int64_t b = 0; b < a.q.shape[0]; b++)
                lens[b] = (int32_t)kv_len;
            a.kv_lens = lens;
        }
        o = attention_fused(r, &a, a.q.dtype, &got_lse);
        judge_o(r, &o, &slack);
        if (lse)
            judge_lse(r, lse, &got_lse, slack);
    }
}
