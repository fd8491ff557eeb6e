/* SPDX-License-Identifier: Apache-2.0 */
/* golden_sample.c - operations of packs that choose tokens. */
#include <math.h>

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

const struct golden_op golden_ops_sample[] = {
    { "TopK", run_topk, NULL },
    { "Sampling", run_sampling, NULL },
    { 0 },
};
