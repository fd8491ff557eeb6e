/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ops_families.c - operators that belong together, together: a mixture of
 * experts against plain loops, a paged cache against a contiguous one, and
 * draws that repeat.
 */
#include "tests/kernels/ops_test.h"

static struct buf ints(const int32_t *v, size_t n)
{
    return buf_of(v, n * sizeof *v, 0);
}

static const int32_t *ints_of(struct buf *b)
{
    FETCH(b);
    return (const int32_t *)(b->host + ZONE);
}

/* ---- mixture of experts ---------------------------------------------------
 */

enum { TOKENS = 9, EXPERTS = 8, TOP = 3, HIDDEN = 20 };

/* y[t] = sum over its experts of weight * w_e x[t], + x[t] */
static void moe_layer(void **state)
{
    struct buf x = buf_random(halF32, TOKENS * HIDDEN, -1, 1, 0);
    struct buf logits = buf_random(halF32, TOKENS * EXPERTS, -2, 2, 0);
    struct buf w = buf_random(halF32, EXPERTS * HIDDEN * HIDDEN, -1, 1, 0);
    struct buf ids = buf_of(NULL, TOKENS * TOP * 4, 0);
    struct buf weights = buf_of(NULL, TOKENS * TOP * 4, 0);
    struct buf counts = buf_of(NULL, EXPERTS * 4, 0);
    struct buf offsets = buf_of(NULL, (EXPERTS + 1) * 4, 0);
    struct buf perm = buf_of(NULL, TOKENS * TOP * 4, 0);
    struct buf place = buf_of(NULL, TOKENS * TOP * 4, 0);
    struct buf parts = buf_of(NULL, TOKENS * TOP * HIDDEN * 4, 0);
    struct buf y = buf_of(NULL, TOKENS * HIDDEN * 4, 0);
    struct halopRouterArgs route = {
        .dtype = halF32,
        .logits = logits.mem,
        .ids = (int32_t *)ids.mem,
        .weights = (float *)weights.mem,
        .n_tokens = TOKENS,
        .n_experts = EXPERTS,
        .n_group = 4,
        .topk_group = 2,
        .top_k = TOP,
        .group_top = 2,
        .normalise = 1,
        .scale = 2.5f,
    };
    struct halopMoePermuteArgs permute = {
        .ids = (int32_t *)ids.mem,
        .counts = (int32_t *)counts.mem,
        .offsets = (int32_t *)offsets.mem,
        .perm = (int32_t *)perm.mem,
        .place = (int32_t *)place.mem,
        .n_tokens = TOKENS,
        .top_k = TOP,
        .n_experts = EXPERTS,
    };
    struct halopGroupedGemmArgs gemm = {
        .in = halF32,
        .out = halF32,
        .y = parts.mem,
        .x = x.mem,
        .w = w.mem,
        .offsets = (int32_t *)offsets.mem,
        .gather = (int32_t *)perm.mem,
        .rows = TOKENS * TOP,
        .x_rows = TOKENS,
        .n_experts = EXPERTS,
        .n = HIDDEN,
        .k = HIDDEN,
        .w_expert_stride = HIDDEN * HIDDEN,
        .gather_div = TOP,
    };
    struct halopMoeCombineArgs combine = {
        .in = halF32,
        .out = halF32,
        .y = y.mem,
        .parts = parts.mem,
        .weights = (float *)weights.mem,
        .place = (int32_t *)place.mem,
        .shared = x.mem,
        .n_tokens = TOKENS,
        .top_k = TOP,
        .rows = TOKENS * TOP,
        .n = HIDDEN,
    };
    const int32_t *id;

    (void)state;
    OK(halopRouter(&route, 0));
    OK(halopMoePermute(&permute, 0));
    OK(halopGroupedGemm(&gemm, 0));
    OK(halopMoeCombine(&combine, 0));
    id = ints_of(&ids);
    FETCH(&weights);
    FETCH(&y);
    for (size_t t = 0; t < TOKENS; t++) {
        double sum = 0;

        for (size_t s = 0; s < TOP; s++)
            sum += at(&weights, halF32, t * TOP + s);
        assert_true(fabs(sum - 2.5) < 1e-5); /* normalised, then scaled */
        for (size_t i = 0; i < HIDDEN; i++) {
            double want = at(&x, halF32, t * HIDDEN + i), mag = fabs(want);

            for (size_t s = 0; s < TOP; s++) {
                size_t e = (size_t)id[t * TOP + s];

                for (size_t j = 0; j < HIDDEN; j++) {
                    double term =
                        at(&weights, halF32, t * TOP + s) *
                        at(&w, halF32, (e * HIDDEN + i) * HIDDEN + j) *
                        at(&x, halF32, t * HIDDEN + j);

                    want += term;
                    mag += fabs(term);
                }
            }
            EXPECT(&y, halF32, t * HIDDEN + i, want, 0, 32 * 6e-8 * mag);
        }
    }
    struct buf *all[] = { &x,       &logits, &w,     &ids,   &weights, &counts,
                          &offsets, &perm,   &place, &parts, &y };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_free(all[i]);
}

/* ---- paged cache ----------------------------------------------------------
 */

enum { LEN = 45, BLOCK = 16, WIDTH = 3, HEADS = 4, KV = 2, DIM = 24 };

/* The same keys, appended to shuffled blocks, give what a contiguous cache
 * gives. */
static void paged_is_contiguous(void **state)
{
    const int32_t table[WIDTH] = { 2, 0, 3 }, len = LEN;
    int32_t slot[LEN];
    const size_t row = KV * DIM;
    struct buf q = buf_random(halF32, HEADS * DIM, -1, 1, 0);
    struct buf k = buf_random(halF32, LEN * row, -1, 1, 0);
    struct buf v = buf_random(halF32, LEN * row, -1, 1, 0);
    struct buf kc = buf_of(NULL, 4 * BLOCK * row * 4, 0);
    struct buf vc = buf_of(NULL, 4 * BLOCK * row * 4, 0);
    struct buf a = buf_of(NULL, HEADS * DIM * 4, 0);
    struct buf b = buf_of(NULL, HEADS * DIM * 4, 0);
    struct buf slots, tables = ints(table, WIDTH), lens = ints(&len, 1);

    (void)state;
    for (int i = 0; i < LEN; i++)
        slot[i] = table[i / BLOCK] * BLOCK + i % BLOCK;
    slots = ints(slot, LEN);
    struct halopKvAppendArgs append = {
        .dtype = halF32,
        .cache = kc.mem,
        .x = k.mem,
        .slots = (int32_t *)slots.mem,
        .n_tokens = LEN,
        .n_heads = KV,
        .head_dim = DIM,
        .n_slots = 4 * BLOCK,
        .token_stride = (int64_t)row,
        .slot_stride = (int64_t)row,
    };
    OK(halopKvAppend(&append, 0));
    append.cache = vc.mem;
    append.x = v.mem;
    OK(halopKvAppend(&append, 0));
    struct halopPagedAttentionArgs paged = {
        .dtype = halF32,
        .out = halF32,
        .o = a.mem,
        .q = q.mem,
        .k = kc.mem,
        .v = vc.mem,
        .kv_lens = (int32_t *)lens.mem,
        .block_table = (int32_t *)tables.mem,
        .batch = 1,
        .n_tokens = 1,
        .max_q = 1,
        .n_heads = HEADS,
        .n_kv_heads = KV,
        .qk_dim = DIM,
        .v_dim = DIM,
        .n_blocks = 4,
        .block = BLOCK,
        .table_width = WIDTH,
        .k_slot_stride = (int64_t)row,
        .v_slot_stride = (int64_t)row,
        .scale = 0.2f,
        .causal = 1,
    };
    OK(halopPagedAttention(&paged, 0));
    struct halopAttentionArgs flat = {
        .dtype = halF32,
        .out = halF32,
        .o = b.mem,
        .q = q.mem,
        .k = k.mem,
        .v = v.mem,
        .batch = 1,
        .n_q = 1,
        .kv_max = LEN,
        .n_heads = HEADS,
        .n_kv_heads = KV,
        .qk_dim = DIM,
        .v_dim = DIM,
        .q_batch_stride = HEADS * DIM,
        .q_seq_stride = HEADS * DIM,
        .q_head_stride = DIM,
        .k_batch_stride = LEN * KV * DIM,
        .k_seq_stride = KV * DIM,
        .k_head_stride = DIM,
        .v_batch_stride = LEN * KV * DIM,
        .v_seq_stride = KV * DIM,
        .v_head_stride = DIM,
        .o_batch_stride = HEADS * DIM,
        .o_seq_stride = HEADS * DIM,
        .o_head_stride = DIM,
        .scale = 0.2f,
        .causal = 1,
    };
    OK(halopAttention(&flat, 0));
    FETCH(&a);
    FETCH(&b);
    for (size_t i = 0; i < HEADS * DIM; i++)
        EXPECT(&a, halF32, i, at(&b, halF32, i), 0, 4e-6);
    struct buf *all[] = {
        &q, &k, &v, &kc, &vc, &a, &b, &slots, &tables, &lens
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_free(all[i]);
}

/* New rows may come from the gaps between a cache's slots. */
static void append_from_gaps(void **state)
{
    const float rows[] = { 0, 0, 1, 2, 0, 0, 3, 4 };
    const int32_t swapped[] = { 1, 0 };
    struct buf both = buf_of(rows, sizeof rows, 0), slots = ints(swapped, 2);
    struct halopKvAppendArgs args = {
        .cache = both.mem,
        .x = both.mem + 8,
        .slots = (int32_t *)slots.mem,
        .n_tokens = 2,
        .n_heads = 1,
        .head_dim = 2,
        .n_slots = 2,
        .token_stride = 4,
        .slot_stride = 4,
    };

    (void)state;
    OK(halopKvAppend(&args, 0));
    FETCH(&both);
    for (size_t i = 0; i < 8; i++) {
        static const double want[] = { 3, 4, 1, 2, 1, 2, 3, 4 };

        EXPECT(&both, halF32, i, want[i], 0, 0);
    }
    buf_free(&both);
    buf_free(&slots);
}

/* ---- draws ----------------------------------------------------------------
 */

/* One seed and counter give one token, another counter mostly another. */
static void draws_repeat(void **state)
{
    enum { ROWS = 50, VOCAB = 400 };
    struct buf logits = buf_random(halBF16, ROWS * VOCAB, -1, 1, 0);
    struct buf token[3];
    const int32_t *got[3];
    int differ = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct halopSampleArgs args = {
            .dtype = halBF16,
            .logits = logits.mem,
            .rows = ROWS,
            .vocab = VOCAB,
            .temperature = 0.8f,
            .top_p = 0.95f,
            .seed = 7,
            .counter = i < 2 ? 1 : 2,
        };

        token[i] = buf_of(NULL, ROWS * 4, 0);
        args.token = (int32_t *)token[i].mem;
        OK(halopSample(&args, 0));
        got[i] = ints_of(&token[i]);
    }
    for (int r = 0; r < ROWS; r++) {
        assert_int_equal(got[0][r], got[1][r]);
        assert_in_range(got[0][r], 0, VOCAB - 1);
        differ += got[0][r] != got[2][r];
    }
    assert_true(differ > ROWS / 2);
    for (int i = 0; i < 3; i++)
        buf_free(&token[i]);
    buf_free(&logits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moe_layer),
        cmocka_unit_test(paged_is_contiguous),
        cmocka_unit_test(append_from_gaps),
        cmocka_unit_test(draws_repeat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
