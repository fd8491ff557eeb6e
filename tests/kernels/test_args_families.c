/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_args_families.c - what the operators of mixtures of experts, paged
 * caches and sampling refuse: see args_test.h.
 */
#include "tests/kernels/args_test.h"

static struct halopKvAppendArgs kv_append_args(void *const *p)
{
    return (struct halopKvAppendArgs){
        .cache = p[0],
        .x = p[1],
        .slots = p[2],
        .cos = p[3],
        .sin = p[4],
        .positions = p[5],
        .n_tokens = 2,
        .n_heads = 1,
        .head_dim = 4,
        .n_slots = 2,
        .token_stride = 4,
        .slot_stride = 4,
        .rope_dim = 2,
        .n_positions = 2,
    };
}
static halError_t kv_append(const struct row *r, void *const *p)
{
    struct halopKvAppendArgs args = kv_append_args(p);

    (void)r;
    return halopKvAppend(&args, 0);
}

static struct halopMlaFp8AppendArgs mla_append_args(void *const *p)
{
    return (struct halopMlaFp8AppendArgs){
        .cache = p[0],
        .latent = p[1],
        .pe = p[2],
        .slots = p[3],
        .n_tokens = 2,
        .n_slots = 2,
        .token_stride = 512,
        .pe_stride = 64,
    };
}
static halError_t mla_append(const struct row *r, void *const *p)
{
    struct halopMlaFp8AppendArgs args = mla_append_args(p);

    (void)r;
    return halopMlaFp8Append(&args, 0);
}

static halError_t mla_decode(const struct row *r, void *const *p)
{
    struct halopMlaFp8Args args = {
        .o = p[0],
        .lse = p[1],
        .q = p[2],
        .cache = p[3],
        .kv_lens = p[4],
        .block_table = p[5],
        .q_starts = p[6],
        .batch = 2,
        .n_tokens = 2,
        .max_q = 1,
        .n_heads = 1,
        .n_blocks = 2,
        .block = 1,
        .table_width = 1,
        .scale = 1,
    };

    (void)r;
    return halopMlaFp8Decode(&args, 0);
}

static halError_t paged(const struct row *r, void *const *p)
{
    struct halopPagedAttentionArgs args = {
        .o = p[0],
        .lse = p[1],
        .q = p[2],
        .k = p[3],
        .v = p[4],
        .kv_lens = p[5],
        .block_table = p[6],
        .q_starts = p[7],
        .batch = 2,
        .n_tokens = 2,
        .max_q = 1,
        .n_heads = 1,
        .n_kv_heads = 1,
        .qk_dim = 4,
        .v_dim = 4,
        .n_blocks = 2,
        .block = 1,
        .table_width = 1,
        .k_slot_stride = 4,
        .v_slot_stride = 4,
        .scale = 1,
    };

    (void)r;
    return halopPagedAttention(&args, 0);
}

static halError_t join(const struct row *r, void *const *p)
{
    (void)r;
    return halopAttentionCombine(halF32, p[0], p[1], p[2], p[3], 2, 2, 4, 0);
}

static halError_t router(const struct row *r, void *const *p)
{
    struct halopRouterArgs args = {
        .ids = p[0],
        .weights = p[1],
        .logits = p[2],
        .bias = p[3],
        .n_tokens = 2,
        .n_experts = 4,
        .n_group = 1,
        .topk_group = 1,
        .top_k = 2,
        .group_top = 1,
        .scale = 1,
    };

    (void)r;
    return halopRouter(&args, 0);
}

static halError_t permute(const struct row *r, void *const *p)
{
    struct halopMoePermuteArgs args = {
        .counts = p[0],
        .offsets = p[1],
        .perm = p[2],
        .place = p[3],
        .ids = p[4],
        .n_tokens = 2,
        .top_k = 1,
        .n_experts = 2,
    };

    (void)r;
    return halopMoePermute(&args, 0);
}

static struct halopGroupedGemmArgs grouped_args(void *const *p)
{
    return (struct halopGroupedGemmArgs){
        .y = p[0],
        .x = p[1],
        .w = p[2],
        .offsets = p[3],
        .gather = p[4],
        .rows = 2,
        .x_rows = 2,
        .n_experts = 2,
        .n = 4,
        .k = 4,
        .w_expert_stride = 16,
        .gather_div = 1,
    };
}
static halError_t grouped(const struct row *r, void *const *p)
{
    struct halopGroupedGemmArgs args = grouped_args(p);

    (void)r;
    return halopGroupedGemm(&args, 0);
}

static struct halopGroupedGemmFp8Args grouped_fp8_args(void *const *p)
{
    return (struct halopGroupedGemmFp8Args){
        .y = p[0],
        .x = p[1],
        .x_scale = p[2],
        .w = p[3],
        .w_scale = p[4],
        .offsets = p[5],
        .gather = p[6],
        .rows = 2,
        .x_rows = 2,
        .n_experts = 2,
        .n = 4,
        .k = 4,
        .w_expert_stride = 16,
        .w_scale_expert_stride = 1,
        .gather_div = 1,
    };
}
static halError_t grouped_fp8(const struct row *r, void *const *p)
{
    struct halopGroupedGemmFp8Args args = grouped_fp8_args(p);

    (void)r;
    return halopGroupedGemmFp8(&args, 0);
}

static struct halopGroupedGemmI8Args grouped_i8_args(void *const *p)
{
    return (struct halopGroupedGemmI8Args){
        .y = p[0],
        .x = p[1],
        .x_scale = p[2],
        .w = p[3],
        .w_scale = p[4],
        .offsets = p[5],
        .gather = p[6],
        .rows = 2,
        .x_rows = 2,
        .n_experts = 2,
        .n = 4,
        .k = 4,
        .w_expert_stride = 16,
        .w_scale_expert_stride = 4,
        .gather_div = 1,
    };
}
static halError_t grouped_i8(const struct row *r, void *const *p)
{
    struct halopGroupedGemmI8Args args = grouped_i8_args(p);

    (void)r;
    return halopGroupedGemmI8(&args, 0);
}

static halError_t combine(const struct row *r, void *const *p)
{
    struct halopMoeCombineArgs args = {
        .y = p[0],
        .parts = p[1],
        .weights = p[2],
        .place = p[3],
        .shared = p[4],
        .n_tokens = 2,
        .top_k = 1,
        .rows = 2,
        .n = 4,
    };

    (void)r;
    return halopMoeCombine(&args, 0);
}

static halError_t mtp(const struct row *r, void *const *p)
{
    (void)r;
    return halopMtpCombine(halF32, p[0], p[1], p[2], p[3], p[4], p[5], 2, 4,
                           1e-6f, 0);
}

static halError_t top(const struct row *r, void *const *p)
{
    (void)r;
    return halopTopK(halF32, p[0], p[1], p[2], 2, 4, 2, 0);
}

static halError_t draw(const struct row *r, void *const *p)
{
    struct halopSampleArgs args = {
        .token = p[0],
        .kept = p[1],
        .logits = p[2],
        .past = p[3],
        .uniform = p[4],
        .rows = 2,
        .vocab = 4,
        .n_past = 2,
        .repetition_penalty = 1.5f,
        .temperature = 1,
    };

    (void)r;
    return halopSample(&args, 0);
}

static halError_t verify(const struct row *r, void *const *p)
{
    struct halopSpeculativeVerifyArgs args = {
        .accepted = p[0],
        .token = p[1],
        .target = p[2],
        .draft = p[3],
        .ids = p[4],
        .uniform = p[5],
        .batch = 2,
        .n_draft = 1,
        .vocab = 4,
        .temperature = 1,
    };

    (void)r;
    return halopSpeculativeVerify(&args, 0);
}

static const struct op ops[] = {
    { "halopKvAppend",
      kv_append,
      { "*cache", "x", "slots", "cos", "sin", "positions" } },
    { "halopMlaFp8Append", mla_append, { "*cache", "latent", "pe", "slots" } },
    { "halopMlaFp8Decode",
      mla_decode,
      { "*o", "?*lse", "q", "cache", "kv_lens", "block_table", "?q_starts" } },
    { "halopPagedAttention",
      paged,
      { "*o", "?*lse", "q", "k", "v", "kv_lens", "block_table", "?q_starts" } },
    { "halopAttentionCombine", join, { "*o", "?*lse", "part_o", "part_lse" } },
    { "halopRouter", router, { "*ids", "*weights", "logits", "?bias" } },
    { "halopMoePermute",
      permute,
      { "*counts", "*offsets", "*perm", "*place", "ids" } },
    { "halopGroupedGemm", grouped, { "*y", "x", "w", "offsets", "?gather" } },
    { "halopGroupedGemmFp8",
      grouped_fp8,
      { "*y", ".x", "x_scale", ".w", "w_scale", "offsets", "?gather" } },
    { "halopGroupedGemmI8",
      grouped_i8,
      { "*y", ".x", "?x_scale", ".w", "?w_scale", "offsets", "?gather" } },
    { "halopMoeCombine",
      combine,
      { "*y", "parts", "weights", "place", "?shared" } },
    { "halopMtpCombine",
      mtp,
      { "*y", "embedding", "hidden", "w_embedding", "w_hidden",
        "?positions" } },
    { "halopTopK", top, { "?*values", "*indices", "x" } },
    { "halopSample",
      draw,
      { "*token", "?*kept", "logits", "past", "?uniform" } },
    { "halopSpeculativeVerify",
      verify,
      { "*accepted", "*token", "target", "?draft", "ids", "?uniform" } },
};
#define N_OPS (sizeof ops / sizeof ops[0])

static struct row good[N_OPS];

static int setup(void **state)
{
    for (unsigned i = 0; i < N_OPS; i++)
        good[i].op = &ops[i];
    return args_setup(state);
}

static void each_tensor(void **state)
{
    (void)state;
    args_each_tensor(good, N_OPS);
}

static void each_overlap(void **state)
{
    (void)state;
    args_each_overlap(good, N_OPS);
}

static void good_calls(void **state)
{
    (void)state;
    args_good_calls(good, N_OPS);
}

/* Sizes whose products 32 or 64 bits do not hold. */
static void large_sizes(void **state)
{
    const int64_t most = INT32_MAX;
    struct halopKvAppendArgs kv;
    struct halopMlaFp8AppendArgs mla;
    struct halopGroupedGemmArgs gemm;
    struct halopGroupedGemmFp8Args fp8;
    struct halopGroupedGemmI8Args i8;
    void *p[TENSORS];

    (void)state;
    places(p);
    kv = kv_append_args(p);
    kv.n_slots = kv.slot_stride = most;
    refused(halErrorInvalidValue, halopKvAppend(&kv, 0), "halopKvAppend",
            "cache", " elements; up to 2^32 - 1", __LINE__);
    mla = mla_append_args(p);
    mla.n_slots = UINT32_MAX / HALOP_MLA_FP8_BYTES + 1;
    refused(halErrorInvalidValue, halopMlaFp8Append(&mla, 0),
            "halopMlaFp8Append", "cache", "6547207 slots", __LINE__);
    gemm = grouped_args(p);
    gemm.w_expert_stride = (int64_t)UINT32_MAX + 1;
    refused(halErrorInvalidValue, halopGroupedGemm(&gemm, 0),
            "halopGroupedGemm", "w_expert_stride", " is 4294967296", __LINE__);
    fp8 = grouped_fp8_args(p);
    fp8.w_scale_expert_stride = (int64_t)UINT32_MAX + 1;
    refused(halErrorInvalidValue, halopGroupedGemmFp8(&fp8, 0),
            "halopGroupedGemmFp8", "w_scale_expert_stride", " is 4294967296",
            __LINE__);
    fp8 = grouped_fp8_args(p);
    fp8.n_experts = most;
    fp8.w_expert_stride = UINT32_MAX; /* 2^63 elements */
    refused(halErrorInvalidValue, halopGroupedGemmFp8(&fp8, 0),
            "halopGroupedGemmFp8", "w has ", "elements", __LINE__);
    i8 = grouped_i8_args(p);
    i8.k = i8.w_expert_stride = 131072;
    i8.n = 1;
    refused(halErrorInvalidValue, halopGroupedGemmI8(&i8, 0),
            "halopGroupedGemmI8", "k is 131072", "", __LINE__);
    refused(
        halErrorInvalidValue,
        halopAttentionCombine(halF32, p[0], NULL, p[1], p[2], most, 2, 4, 0),
        "halopAttentionCombine", "part_o has 17179869176 elements", "",
        __LINE__);
    /* the elements of part_o wrap to 0 */
    refused(halErrorInvalidValue,
            halopAttentionCombine(halF32, p[0], NULL, p[1], p[2], 1 << 30,
                                  1 << 30, 16, 0),
            "halopAttentionCombine", "o has 17179869184 elements", "",
            __LINE__);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tensor),
        cmocka_unit_test(each_overlap),
        cmocka_unit_test(good_calls),
        cmocka_unit_test(large_sizes),
    };

    return cmocka_run_group_tests_name("kernels.args_families", tests, setup,
                                       args_teardown);
}
