/* SPDX-License-Identifier: Apache-2.0 */
/* golden_moe.c - operations of packs that route tokens to experts. */
#include <math.h>

#include "conformance/golden_run.h"

static int64_t whole(struct golden_run *r, const char *name, int64_t absent)
{
    double v = golden_number(r, name, (double)absent);

    return v >= 0 && v < 0x1p31 ? (int64_t)v : absent;
}

struct routed {
    struct gt ids, weights;
};

static struct routed route(struct golden_run *r, const struct gt *logits,
                           const struct gt *bias)
{
    int64_t experts = logits->shape[1], tokens = logits->shape[0];
    const int64_t shape[2] = { tokens, whole(r, "top_k", 0) };
    struct routed out = { gt_new(r, halI32, 2, shape),
                          gt_new(r, halF32, 2, shape) };
    struct halopRouterArgs args = {
        .dtype = logits->dtype,
        .scoring = halopScoreSigmoid,
        .logits = logits->buf.mem,
        .bias = bias->buf.mem,
        .ids = out.ids.buf.mem,
        .weights = out.weights.buf.mem,
        .n_tokens = tokens,
        .n_experts = experts,
        .n_group = whole(r, "n_group", 1),
        .topk_group = whole(r, "topk_group", 1),
        .top_k = shape[1],
        .group_top = 2,
        .normalise = golden_number(r, "norm_topk_prob", 0) != 0,
        .scale = (float)golden_number(r, "routed_scaling_factor", 1),
    };

    if (bias->n != experts)
        golden_cannot(r, "the bias does not match the logits");
    CONF_OK(r->c, halopRouter(&args, NULL));
    return out;
}

/* Tokens whose choice hangs on less than f32 tells are left out (the packs'
 * README); a margin of 0 is a tie, which the index decides. */
static void judge_routed(struct golden_run *r, const struct routed *got,
                         const char *ids_name, const char *weights_name)
{
    const struct golden_value *ids = golden_output(r, ids_name);
    const struct golden_value *weights = golden_output(r, weights_name);
    const struct golden_value *margin = golden_output_or_null(r, "margin");
    const double *gap = margin ? golden_doubles(r, margin) : NULL;
    double *want = golden_doubles(r, weights);
    const int32_t *id = gt_fetch(r, &got->ids);
    const float *w = gt_fetch(r, &got->weights);
    int64_t k = got->ids.shape[1], left_out = 0;
    struct golden_slack slack = { .terms = 24 + (double)k, .abs = 0x1p-120 };

    if (ids->t->count != got->ids.n || weights->t->count != got->ids.n ||
        (gap && margin->t->count != got->ids.shape[0]))
        golden_cannot(r, "outputs of other shapes than the router gives");
    for (int64_t i = 0; i < got->ids.n; i++) {
        if (gap && gap[i / k] > 0 && gap[i / k] < 0x1p-20) {
            want[i] = w[i];
            left_out++;
            continue;
        }
        conf_check(r->c, id[i] == golden_int(r, ids, i),
                   "token %lld, choice %lld: got expert %d, want %lld",
                   (long long)(i / k), (long long)(i % k), (int)id[i],
                   (long long)golden_int(r, ids, i));
    }
    conf_check(r->c, left_out < got->ids.n || got->ids.n == 0,
               "no token can be told");
    golden_judge_values(r, weights, &got->weights, want, &slack);
}

static void run_router(struct golden_run *r)
{
    const struct golden_value *given = golden_input_or_null(r, "logits");
    struct gt bias = gt_load_f32(r, golden_input(r, "bias"));
    int lowest = golden_output_or_null(r, "topk_ids_lowest_index") != NULL;

    for (int wide = 0; wide < 2; wide++) {
        struct gt logits, x, w;
        struct routed got;

        if (given) {
            logits = wide ? gt_load_f32(r, given) : gt_load(r, given);
        } else {
            const struct golden_value *vx = golden_input(r, "x");
            const struct golden_value *vw = golden_input(r, "weight");

            x = wide ? gt_load_f32(r, vx) : gt_load(r, vx);
            w = wide ? gt_load_f32(r, vw) : gt_load(r, vw);
            logits = gt_gemm(r, halF32, &x, &w, NULL);
            golden_judge(r, golden_output(r, "logits"), &logits, NULL);
        }
        if (logits.rank != 2)
            golden_cannot(r, "want logits [tokens, experts]");
        got = route(r, &logits, &bias);
        if (lowest)
            judge_routed(r, &got, "topk_ids_lowest_index",
                         "topk_weights_lowest_index");
        else
            judge_routed(r, &got, "topk_ids", "topk_weights");
    }
}

/* ---- the whole layer ---------------------------------------------------- */

struct sorted {
    struct gt counts, offsets, perm, place;
};

static struct gt new_ints(struct golden_run *r, int64_t n)
{
    return gt_new(r, halI32, 1, &n);
}

static struct sorted permute(struct golden_run *r, const struct gt *ids,
                             int64_t experts)
{
    struct sorted s = { new_ints(r, experts), new_ints(r, experts + 1),
                        new_ints(r, ids->n), new_ints(r, ids->n) };
    struct halopMoePermuteArgs args = {
        .ids = ids->buf.mem,
        .counts = s.counts.buf.mem,
        .offsets = s.offsets.buf.mem,
        .perm = s.perm.buf.mem,
        .place = s.place.buf.mem,
        .n_tokens = ids->shape[0],
        .top_k = ids->shape[1],
        .n_experts = experts,
    };

    CONF_OK(r->c, halopMoePermute(&args, NULL));
    return s;
}

/* [rows of s][n]: x's rows times a part of each expert's matrix, which begins
 * at `first` and has n rows. */
static struct gt grouped(struct golden_run *r, const struct sorted *s,
                         const struct gt *x, const struct gt *w, int64_t first,
                         int64_t n, const struct gt *gather, int64_t divisor)
{
    int64_t k = x->shape[1];
    const int64_t shape[2] = { s->perm.n, n };
    struct gt y = gt_new(r, halF32, 2, shape);
    struct halopGroupedGemmArgs args = {
        .in = halF32,
        .out = halF32,
        .y = y.buf.mem,
        .x = x->buf.mem,
        .w = gt_at(w, first * k),
        .offsets = s->offsets.buf.mem,
        .gather = gather ? gather->buf.mem : NULL,
        .rows = shape[0],
        .x_rows = x->shape[0],
        .n_experts = s->counts.n,
        .n = n,
        .k = k,
        .w_expert_stride = w->shape[1] * k,
        .gather_div = divisor,
    };

    CONF_OK(r->c, halopGroupedGemm(&args, NULL));
    return y;
}

static struct gt swiglu(struct golden_run *r, const struct gt *gate,
                        const struct gt *up)
{
    struct gt h = gt_new(r, halF32, gate->rank, gate->shape);

    CONF_OK(r->c, halopSwiGLU(halF32, h.buf.mem, gate->buf.mem, up->buf.mem,
                              gate->n, NULL));
    return h;
}

static struct gt combine(struct golden_run *r, const struct sorted *s,
                         const struct routed *to, const struct gt *parts,
                         const struct gt *shared)
{
    const int64_t shape[2] = { to->ids.shape[0], parts->shape[1] };
    struct gt y = gt_new(r, halF32, 2, shape);
    struct halopMoeCombineArgs args = {
        .in = halF32,
        .out = halF32,
        .y = y.buf.mem,
        .parts = parts->buf.mem,
        .weights = to->weights.buf.mem,
        .place = s->place.buf.mem,
        .shared = shared ? shared->buf.mem : NULL,
        .n_tokens = shape[0],
        .top_k = to->ids.shape[1],
        .rows = parts->shape[0],
        .n = shape[1],
    };

    CONF_OK(r->c, halopMoeCombine(&args, NULL));
    return y;
}

static struct gt shared_expert(struct golden_run *r, const struct gt *x)
{
    struct gt gate = gt_load_f32(r, golden_input(r, "shared_gate"));
    struct gt up = gt_load_f32(r, golden_input(r, "shared_up"));
    struct gt down = gt_load_f32(r, golden_input(r, "shared_down"));
    struct gt g = gt_gemm(r, halF32, x, &gate, NULL);
    struct gt u = gt_gemm(r, halF32, x, &up, NULL);
    struct gt h = swiglu(r, &g, &u);

    return gt_gemm(r, halF32, &h, &down, NULL);
}

static void run_moe(struct golden_run *r)
{
    struct gt x = gt_load_f32(r, golden_input(r, "x"));
    struct gt w = gt_load_f32(r, golden_input(r, "router_weight"));
    struct gt bias = gt_load_f32(r, golden_input(r, "router_bias"));
    struct gt both = gt_load_f32(r, golden_input(r, "experts_gate_up"));
    struct gt down = gt_load_f32(r, golden_input(r, "experts_down"));
    struct gt logits, gate, up, h, parts, shared, routed, y;
    struct routed to;
    struct sorted s;
    int64_t width;

    if (x.rank != 2 || w.rank != 2 || both.rank != 3 || down.rank != 3 ||
        both.shape[0] != w.shape[0] || both.shape[2] != x.shape[1] ||
        both.shape[1] != 2 * down.shape[2] || down.shape[1] != x.shape[1] ||
        down.shape[0] != w.shape[0] || w.shape[1] != x.shape[1])
        golden_cannot(r, "want experts [e, 2 inter, hidden] and "
                         "[e, hidden, inter]");
    width = down.shape[2];
    logits = gt_gemm(r, halF32, &x, &w, NULL);
    to = route(r, &logits, &bias);
    judge_routed(r, &to, "topk_ids", "topk_weights");
    s = permute(r, &to.ids, w.shape[0]);
    golden_judge_exact(r, golden_output(r, "counts"), &s.counts);
    golden_judge_exact(r, golden_output(r, "offsets"), &s.offsets);
    golden_judge_exact(r, golden_output(r, "perm"), &s.perm);
    gate = grouped(r, &s, &x, &both, 0, width, &s.perm, to.ids.shape[1]);
    up = grouped(r, &s, &x, &both, width, width, &s.perm, to.ids.shape[1]);
    h = swiglu(r, &gate, &up);
    parts = grouped(r, &s, &h, &down, 0, x.shape[1], NULL, 1);
    routed = combine(r, &s, &to, &parts, NULL);
    golden_judge(r, golden_output(r, "routed"), &routed, NULL);
    shared = shared_expert(r, &x);
    golden_judge(r, golden_output(r, "shared"), &shared, NULL);
    y = combine(r, &s, &to, &parts, &shared);
    golden_judge(r, golden_output(r, "y"), &y, NULL);
}

const struct golden_op golden_ops_moe[] = {
    { "Router", run_router, NULL },
    { "MoE", run_moe, NULL },
    { 0 },
};
