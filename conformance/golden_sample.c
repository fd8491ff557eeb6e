/* SPDX-License-Identifier: Apache-2.0 */
/* golden_sample.c - operations of packs that choose tokens. */
#include <math.h>
#include <string.h>

#include "conformance/golden_run.h"

static void run_topk(struct golden_run *r)
{
    struct gt x = gt_load(r, golden_input(r, "x")), values, indices;
    int64_t shape[2];

    if (x.rank != 2)
        golden_cannot(r, "want rows");
    if (golden_number(r, "largest", 1) != 1)
        golden_cannot(r, "no kernel gives the smallest");
    shape[0] = x.shape[0];
    shape[1] = (int64_t)golden_number(r, "k", 1);
    values = gt_new(r, x.dtype, 2, shape);
    indices = gt_new(r, halI32, 2, shape);
    CONF_OK(r->c, halopTopK(x.dtype, values.buf.mem, indices.buf.mem, x.buf.mem,
                            x.shape[0], x.shape[1], shape[1], NULL));
    golden_judge_exact(r, golden_output(r, "values"), &values);
    golden_judge_exact(r, golden_output(r, "indices"), &indices);
}

struct drawn {
    struct gt logits, past, u, token, kept;
};

static void draw(struct golden_run *r, struct drawn *d, int64_t column,
                 int greedy)
{
    int64_t rows = d->logits.shape[0];
    double *u = conf_host(r->c, (size_t)(rows + 1) * sizeof *u);
    const struct golden_value *all = golden_input(r, "u");
    struct halopSampleArgs args = {
        .dtype = d->logits.dtype,
        .logits = d->logits.buf.mem,
        .token = d->token.buf.mem,
        .kept = d->kept.buf.mem,
        .past = d->past.n ? d->past.buf.mem : NULL,
        .rows = rows,
        .vocab = d->logits.shape[1],
        .n_past = d->past.n / rows,
        .top_k = (int64_t)golden_number(r, "top_k", 0),
        .repetition_penalty = (float)golden_number(r, "repetition_penalty", 1),
        .temperature = greedy ? 0 : (float)golden_number(r, "temperature", 1),
        .top_p = (float)golden_number(r, "top_p", 0),
        .min_p = (float)golden_number(r, "min_p", 0),
    };

    for (int64_t i = 0; i < rows; i++)
        u[i] = golden_doubles(r, all)[i * all->t->shape[1] + column];
    d->u = gt_from(r, 1, &rows, u);
    args.uniform = d->u.buf.mem;
    CONF_OK(r->c, halopSample(&args, NULL));
}

static void run_sampling(struct golden_run *r)
{
    const struct golden_value *past = golden_input_or_null(r, "input_ids");
    const struct golden_value *u = golden_input(r, "u");
    const struct golden_value *token = golden_output(r, "token");
    const struct golden_value *best = golden_output(r, "argmax");
    struct drawn d = { .logits = gt_load(r, golden_input(r, "logits")) };
    int64_t rows = d.logits.rank == 2 ? d.logits.shape[0] : 0, draws;
    const int32_t *got;

    if (rows < 1 || u->t->rank != 2 || u->t->shape[0] != rows ||
        token->t->count != u->t->count || best->t->count != rows)
        golden_cannot(r, "want logits [rows, vocab] and u [rows, draws]");
    if (past)
        d.past = gt_load_i32(r, past);
    if (d.past.n % rows)
        golden_cannot(r, "want input_ids for each row");
    draws = u->t->shape[1];
    d.token = gt_new(r, halI32, 1, &rows);
    d.kept = gt_new(r, halI32, 1, &rows);
    for (int64_t i = 0; i < draws; i++) {
        draw(r, &d, i, 0);
        got = gt_fetch(r, &d.token);
        /* which of equals top-p drops is unspecified; ours are the last, and
         * the pack's survivors may be others */
        if (!golden_flag(r, "not specified"))
            for (int64_t row = 0; row < rows; row++)
                conf_check(r->c,
                           got[row] == golden_int(r, token, row * draws + i),
                           "row %lld, u[%lld]: got token %d, want %lld",
                           (long long)row, (long long)i, (int)got[row],
                           (long long)golden_int(r, token, row * draws + i));
        golden_judge_exact(r, golden_output(r, "kept_count"), &d.kept);
    }
    draw(r, &d, 0, 1);
    if (!golden_flag(r, "not specified"))
        golden_judge_exact(r, best, &d.token);
}

/* ---- drafted tokens ------------------------------------------------------ */

/* The case once for each token of the vocabulary, each with a number from the
 * middle of that token's share: n_accepted and the next token's distribution
 * are both seen. */
struct verified {
    struct gt target, draft, ids;
    double *uniform;
    int64_t n_draft, vocab;
};

static struct gt repeated(struct golden_run *r, const struct golden_value *v,
                          int64_t times)
{
    double *all = conf_host(r->c, (size_t)(v->t->count * times + 1) * 8);
    const double *one = golden_doubles(r, v);
    const int64_t shape[2] = { times, v->t->count };

    for (int64_t i = 0; i < times; i++)
        memcpy(all + i * v->t->count, one, (size_t)v->t->count * 8);
    return gt_from(r, 2, shape, all);
}

static struct verified load_verified(struct golden_run *r,
                                     const struct golden_value *next)
{
    const struct golden_value *target = golden_input(r, "target_logits");
    const struct golden_value *draft = golden_input(r, "draft_logits");
    const struct golden_value *ids = golden_input(r, "draft_ids");
    const struct golden_value *u = golden_input(r, "u");
    struct verified v = { .n_draft = ids->t->count, .vocab = next->t->count };
    double *share = golden_doubles(r, next), *given = golden_doubles(r, u);
    int64_t n = v.n_draft, rows = v.vocab * (n + 1);
    int32_t *tokens;
    double sum = 0;

    if (v.vocab < 1 || v.vocab > 1024 || n < 1 || n > 64 || u->t->count != n ||
        draft->t->count != n * v.vocab || target->t->count != (n + 1) * v.vocab)
        golden_cannot(r, "shapes that do not fit");
    v.target = repeated(r, target, v.vocab);
    v.draft = repeated(r, draft, v.vocab);
    tokens = conf_host(r->c, (size_t)(v.vocab * n) * sizeof *tokens);
    v.uniform = conf_host(r->c, (size_t)rows * sizeof *v.uniform);
    for (int64_t t = 0; t < v.vocab; t++) {
        for (int64_t i = 0; i < n; i++) {
            tokens[t * n + i] = (int32_t)golden_int(r, ids, i);
            v.uniform[t * (n + 1) + i] = given[i];
        }
        v.uniform[t * (n + 1) + n] = sum + share[t] / 2;
        sum += share[t];
    }
    v.ids = (struct gt){ .dtype = halI32, .n = v.vocab * n };
    v.ids.buf = conf_upload(r->c, tokens, (size_t)(v.vocab * n) * 4, 0);
    return v;
}

static void run_verify(struct golden_run *r)
{
    const struct golden_value *next = golden_output(r, "next_distribution");
    const struct golden_value *count = golden_output(r, "n_accepted");
    struct verified v = load_verified(r, next);
    const int64_t batch = v.vocab, rows = v.vocab * (v.n_draft + 1);
    struct gt accepted = gt_new(r, halI32, 1, &batch);
    struct gt token = gt_new(r, halI32, 1, &batch);
    struct gt uniform = gt_from(r, 1, &rows, v.uniform);
    double *share = golden_doubles(r, next);
    struct halopSpeculativeVerifyArgs args = {
        .dtype = halF32,
        .accepted = accepted.buf.mem,
        .token = token.buf.mem,
        .target = v.target.buf.mem,
        .draft = v.draft.buf.mem,
        .ids = v.ids.buf.mem,
        .uniform = uniform.buf.mem,
        .batch = batch,
        .n_draft = v.n_draft,
        .vocab = v.vocab,
        .temperature = 1,
    };
    const int32_t *got;

    CONF_OK(r->c, halopSpeculativeVerify(&args, NULL));
    got = gt_fetch(r, &accepted);
    for (int64_t t = 0; t < batch; t++)
        conf_check(r->c, got[t] == golden_int(r, count, 0),
                   "%d tokens stay, want %lld", (int)got[t],
                   (long long)golden_int(r, count, 0));
    got = gt_fetch(r, &token);
    for (int64_t t = 0; t < batch; t++) /* others' middles are too near */
        conf_check(r->c, got[t] == t || share[t] < 0x1p-19,
                   "u is %.9g, the middle of token %lld: got %d",
                   v.uniform[t * (v.n_draft + 1) + v.n_draft], (long long)t,
                   (int)got[t]);
}

const struct golden_op golden_ops_sample[] = {
    { "TopK", run_topk, NULL },
    { "Sampling", run_sampling, NULL },
    { "SpeculativeVerify", run_verify, NULL },
    { 0 },
};
