/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_moe.c - rows of the mixture of experts and of the choice of tokens.
 * DeepSeek-V3: 256 experts in 8 groups, 8 of them a token; V2: 160 in 8, 6.
 * The vocabulary is 129,280 everywhere.
 */
#include "tools/bench/kernels.h"

/* ---- experts --------------------------------------------------------- */

/* dims tokens, experts, top_k; type 0: V3, 1: V2 */
static void make_router(struct bench_set *s)
{
    struct halopRouterArgs *a = &s->u.router;
    int64_t tokens = s->d[0], experts = s->d[1], top_k = s->d[2];
    bool v2 = s->row->type == 1;

    *a = (struct halopRouterArgs){ .dtype = s->row->in,
                                   .scoring = v2 ? halopScoreSoftmax
                                                 : halopScoreSigmoid,
                                   .n_tokens = tokens,
                                   .n_experts = experts,
                                   .n_group = 8,
                                   .topk_group = v2 ? 3 : 4,
                                   .top_k = top_k,
                                   .group_top = v2 ? 1 : 2,
                                   .normalise = !v2,
                                   .scale = v2 ? 16.0f : 2.5f };
    a->logits = bench_in(s, s->row->in, tokens * experts);
    if (!v2)
        a->bias = bench_in(s, halF32, experts);
    a->ids = bench_out(s, halI32, tokens * top_k);
    a->weights = bench_out(s, halF32, tokens * top_k);
}

static halError_t run_router(const struct bench_set *s)
{
    return halopRouter(&s->u.router, NULL);
}

static void make_permute(struct bench_set *s)
{
    struct halopMoePermuteArgs *a = &s->u.permute;
    int64_t tokens = s->d[0], experts = s->d[1], top_k = s->d[2];

    *a = (struct halopMoePermuteArgs){ .n_tokens = tokens,
                                       .top_k = top_k,
                                       .n_experts = experts };
    a->ids = bench_ids(s, tokens * top_k, experts, bench_at_spread);
    a->counts = bench_out(s, halI32, experts);
    a->offsets = bench_out(s, halI32, experts + 1);
    a->perm = bench_out(s, halI32, tokens * top_k);
    a->place = bench_out(s, halI32, tokens * top_k);
}

static halError_t run_permute(const struct bench_set *s)
{
    return halopMoePermute(&s->u.permute, NULL);
}

/* dims: rows of each expert, experts, n, k */
static void make_grouped(struct bench_set *s)
{
    struct halopGroupedGemmArgs *a = &s->u.grouped;
    int64_t each = s->d[0], experts = s->d[1], n = s->d[2], k = s->d[3];
    int64_t rows = each * experts;

    *a = (struct halopGroupedGemmArgs){ .in = s->row->in,
                                        .out = s->row->out,
                                        .rows = rows,
                                        .x_rows = rows,
                                        .n_experts = experts,
                                        .n = n,
                                        .k = k,
                                        .w_expert_stride = n * k,
                                        .gather_div = 1 };
    a->y = bench_out(s, s->row->out, rows * n);
    a->x = bench_in(s, s->row->in, rows * k);
    a->w = bench_in(s, s->row->in, experts * n * k);
    a->offsets = bench_ids(s, experts + 1, each, bench_at_step);
    s->flops = 2.0 * (double)rows * (double)n * (double)k;
}

static halError_t run_grouped(const struct bench_set *s)
{
    return halopGroupedGemm(&s->u.grouped, NULL);
}

static void make_grouped_fp8(struct bench_set *s)
{
    struct halopGroupedGemmFp8Args *a = &s->u.grouped_fp8;
    int64_t each = s->d[0], experts = s->d[1], n = s->d[2], k = s->d[3];
    int64_t rows = each * experts, blocks = (k + 127) / 128;
    int64_t scales = (n + 127) / 128 * blocks;

    *a = (struct halopGroupedGemmFp8Args){ .out = s->row->out,
                                           .rows = rows,
                                           .x_rows = rows,
                                           .n_experts = experts,
                                           .n = n,
                                           .k = k,
                                           .w_expert_stride = n * k,
                                           .w_scale_expert_stride = scales };
    a->y = bench_out(s, s->row->out, rows * n);
    a->x = bench_in(s, halE4M3, rows * k);
    a->x_scale = bench_in(s, halF32, rows * blocks);
    a->w = bench_in(s, halE4M3, experts * n * k);
    a->w_scale = bench_in(s, halF32, experts * scales);
    a->offsets = bench_ids(s, experts + 1, each, bench_at_step);
    s->flops = 2.0 * (double)rows * (double)n * (double)k;
}

static halError_t run_grouped_fp8(const struct bench_set *s)
{
    return halopGroupedGemmFp8(&s->u.grouped_fp8, NULL);
}

static void make_grouped_i8(struct bench_set *s)
{
    struct halopGroupedGemmI8Args *a = &s->u.grouped_i8;
    int64_t each = s->d[0], experts = s->d[1], n = s->d[2], k = s->d[3];
    int64_t rows = each * experts;

    *a = (struct halopGroupedGemmI8Args){ .out = s->row->out,
                                          .rows = rows,
                                          .x_rows = rows,
                                          .n_experts = experts,
                                          .n = n,
                                          .k = k,
                                          .w_expert_stride = n * k,
                                          .w_scale_expert_stride = n };
    a->y = bench_out(s, s->row->out, rows * n);
    a->x = bench_in(s, halI8, rows * k);
    a->x_scale = bench_in(s, halF32, rows);
    a->w = bench_in(s, halI8, experts * n * k);
    a->w_scale = bench_in(s, halF32, experts * n);
    a->offsets = bench_ids(s, experts + 1, each, bench_at_step);
    s->flops = 2.0 * (double)rows * (double)n * (double)k;
}

static halError_t run_grouped_i8(const struct bench_set *s)
{
    return halopGroupedGemmI8(&s->u.grouped_i8, NULL);
}

static void make_combine(struct bench_set *s)
{
    struct halopMoeCombineArgs *a = &s->u.combine;
    int64_t tokens = s->d[0], top_k = s->d[1], n = s->d[2];

    *a = (struct halopMoeCombineArgs){ .in = s->row->in,
                                       .out = s->row->out,
                                       .n_tokens = tokens,
                                       .top_k = top_k,
                                       .rows = tokens * top_k,
                                       .n = n };
    a->y = bench_out(s, s->row->out, tokens * n);
    a->parts = bench_in(s, s->row->in, tokens * top_k * n);
    a->weights = bench_in(s, halF32, tokens * top_k);
    a->place = bench_ids(s, tokens * top_k, tokens * top_k, bench_at_shuffled);
    a->shared = bench_in(s, s->row->out, tokens * n);
    s->flops = 2.0 * (double)(tokens * top_k * n);
}

static halError_t run_combine(const struct bench_set *s)
{
    return halopMoeCombine(&s->u.combine, NULL);
}

/* ---- the choice of tokens -------------------------------------------- */

static void make_argmax(struct bench_set *s)
{
    s->p[0] = bench_out(s, halI32, s->d[0]);
    s->p[1] = bench_in(s, s->row->in, s->d[0] * s->d[1]);
}

static halError_t run_argmax(const struct bench_set *s)
{
    return halopArgmax(s->row->in, s->p[0], s->p[1], s->d[0], s->d[1], NULL);
}

static void make_top_k(struct bench_set *s)
{
    int64_t rows = s->d[0], n = s->d[1], k = s->d[2];

    s->p[0] = bench_out(s, s->row->in, rows * k);
    s->p[1] = bench_out(s, halI32, rows * k);
    s->p[2] = bench_in(s, s->row->in, rows * n);
}

static halError_t run_top_k(const struct bench_set *s)
{
    return halopTopK(s->row->in, s->p[0], s->p[1], s->p[2], s->d[0], s->d[1],
                     s->d[2], NULL);
}

/* type 0: the largest; 1: temperature, top-k and top-p; 2: penalties too */
static void make_sample(struct bench_set *s)
{
    struct halopSampleArgs *a = &s->u.pick;
    int64_t rows = s->d[0], vocab = s->d[1], past = s->d[2];

    *a = (struct halopSampleArgs){
        .dtype = s->row->in, .rows = rows, .vocab = vocab, .seed = 7
    };
    if (s->row->type >= 1) {
        a->temperature = 0.6f;
        a->top_k = 50;
        a->top_p = 0.95f;
    }
    if (s->row->type >= 2) {
        a->repetition_penalty = 1.1f;
        a->n_past = past;
        a->past = bench_ids(s, rows * past, vocab, bench_at_spread);
    }
    a->logits = bench_in(s, s->row->in, rows * vocab);
    a->token = bench_out(s, halI32, rows);
}

static halError_t run_sample(const struct bench_set *s)
{
    return halopSample(&s->u.pick, NULL);
}

/* type 1: with the draft's logits, at a temperature; 0: greedy */
static void make_verify(struct bench_set *s)
{
    struct halopSpeculativeVerifyArgs *a = &s->u.verify;
    int64_t batch = s->d[0], vocab = s->d[1], n = s->d[2];

    *a = (struct halopSpeculativeVerifyArgs){ .dtype = s->row->in,
                                              .batch = batch,
                                              .n_draft = n,
                                              .vocab = vocab,
                                              .seed = 7 };
    a->target = bench_in(s, s->row->in, batch * (n + 1) * vocab);
    if (s->row->type) {
        a->temperature = 0.6f;
        a->draft = bench_in(s, s->row->in, batch * n * vocab);
    }
    a->ids = bench_ids(s, batch * n, vocab, bench_at_spread);
    a->accepted = bench_out(s, halI32, batch);
    a->token = bench_out(s, halI32, batch);
}

static halError_t run_verify(const struct bench_set *s)
{
    return halopSpeculativeVerify(&s->u.verify, NULL);
}

/* ---- the table ------------------------------------------------------- */

#define ROUTER(name, dtype, v2, experts, top_k)                            \
    {                                                                      \
        .op = "router", .kind = name, .api = "halopRouter",                \
        .make = make_router, .run = run_router, .in = dtype, .type = v2,   \
        .names = "tokens experts top_k", .dims = { 1024, experts, top_k }, \
        .full = {                                                          \
            8192,                                                          \
            experts,                                                       \
            top_k                                                          \
        }                                                                  \
    }
#define GROUPED(name, in_, out_, rows, experts) \
    PRODUCT("grouped_gemm", "", grouped, name, in_, out_, rows, experts)
#define GROUPED_FP8(name, out_, rows, experts)                                 \
    PRODUCT("grouped_gemm_fp8", "Fp8", grouped_fp8, name, halE4M3, out_, rows, \
            experts)
#define GROUPED_I8(name, out_, rows, experts)                             \
    PRODUCT("grouped_gemm_i8", "I8", grouped_i8, name, halI8, out_, rows, \
            experts)
#define PRODUCT(op_, api_, way, name, in_, out_, rows, experts)            \
    {                                                                      \
        .op = op_, .kind = name, .api = "halopGroupedGemm" api_,           \
        .make = make_##way, .run = run_##way, .in = in_, .out = out_,      \
        .names = "rows experts n k", .dims = { rows, experts, 512, 1792 }, \
        .full = {                                                          \
            rows,                                                          \
            experts,                                                       \
            2048,                                                          \
            7168                                                           \
        }                                                                  \
    }
#define COMBINE(name, in_, out_)                                          \
    {                                                                     \
        .op = "moe_combine", .kind = name, .api = "halopMoeCombine",      \
        .make = make_combine, .run = run_combine, .in = in_, .out = out_, \
        .names = "tokens top_k n", .dims = { 128, 8, 7168 }, .full = {    \
            1024,                                                         \
            8,                                                            \
            7168                                                          \
        }                                                                 \
    }
#define CHOICE(op_, api_, way, name, dtype, type_, third, rows, extra) \
    {                                                                  \
        .op = op_, .kind = name, .api = api_, .make = make_##way,      \
        .run = run_##way, .in = dtype, .type = type_,                  \
        .names = "rows vocab" third, .dims = { rows, 129280, extra },  \
        .full = {                                                      \
            64,                                                        \
            129280,                                                    \
            extra                                                      \
        }                                                              \
    }
#define ARGMAX(name, dtype) \
    CHOICE("argmax", "halopArgmax", argmax, name, dtype, 0, "", 8, 0)
#define TOP_K(name, dtype, k) \
    CHOICE("topk", "halopTopK", top_k, name, dtype, 0, " k", 4, k)
#define SAMPLE(name, dtype, type, past) \
    CHOICE("sample", "halopSample", sample, name, dtype, type, " past", 4, past)
#define VERIFY(name, dtype, type)                                        \
    CHOICE("speculative_verify", "halopSpeculativeVerify", verify, name, \
           dtype, type, " n_draft", 2, 2)

const struct bench_row bench_rows_moe[] = {
    ROUTER("v3.f32", halF32, 0, 256, 8),
    ROUTER("v3.bf16", halBF16, 0, 256, 8),
    ROUTER("v3.f16", halF16, 0, 256, 8),
    ROUTER("v2.f32", halF32, 1, 160, 6),
    {
        .op = "moe_permute",
        .kind = "i32",
        .api = "halopMoePermute",
        .make = make_permute,
        .run = run_permute,
        .names = "tokens experts top_k",
        .dims = { 1024, 256, 8 },
        .full = { 8192, 256, 8 },
    },
    GROUPED("f32.f32", halF32, halF32, 16, 8),
    GROUPED("bf16.bf16", halBF16, halBF16, 1, 16),
    GROUPED("bf16.bf16", halBF16, halBF16, 16, 8),
    GROUPED("bf16.f32", halBF16, halF32, 16, 8),
    GROUPED("f16.f16", halF16, halF16, 16, 8),
    GROUPED("f16.f32", halF16, halF32, 16, 8),
    GROUPED_FP8("bf16", halBF16, 1, 16),
    GROUPED_FP8("bf16", halBF16, 16, 8),
    GROUPED_FP8("f32", halF32, 16, 8),
    GROUPED_I8("bf16", halBF16, 1, 16),
    GROUPED_I8("bf16", halBF16, 16, 8),
    GROUPED_I8("f32", halF32, 16, 8),
    COMBINE("f32.f32", halF32, halF32),
    COMBINE("bf16.bf16", halBF16, halBF16),
    COMBINE("f32.bf16", halF32, halBF16),
    COMBINE("f16.f16", halF16, halF16),
    ARGMAX("f32", halF32),
    ARGMAX("bf16", halBF16),
    ARGMAX("f16", halF16),
    TOP_K("f32", halF32, 8),
    TOP_K("f32", halF32, 64),
    TOP_K("bf16", halBF16, 64),
    TOP_K("f16", halF16, 64),
    SAMPLE("greedy.f32", halF32, 0, 0),
    SAMPLE("top.f32", halF32, 1, 0),
    SAMPLE("top.bf16", halBF16, 1, 0),
    SAMPLE("penalties.f32", halF32, 2, 256),
    VERIFY("greedy.f32", halF32, 0),
    VERIFY("drawn.f32", halF32, 1),
    VERIFY("drawn.bf16", halBF16, 1),
    { 0 },
};
