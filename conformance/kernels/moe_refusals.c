/* SPDX-License-Identifier: Apache-2.0 */
/* moe_refusals.c - kernel.refuse.moe_*: what ops_moe.h does not accept. */
#include <math.h>

#include "conformance/kernels/cases.h"

static void permute(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    struct halopMoePermuteArgs good = {
        .ids = b.in.mem,
        .counts = b.out.mem,
        .offsets = kx_at(&b.out, 512),
        .perm = kx_at(&b.out, 1024),
        .place = kx_at(&b.out, 2048),
        .n_tokens = 10,
        .top_k = 3,
        .n_experts = 8,
    }, bad;

#define BAD(field, value) \
    KX_WITH(halErrorInvalidValue, halopMoePermute, field, value)
    BAD(ids, NULL);
    BAD(counts, NULL);
    BAD(offsets, NULL);
    BAD(perm, NULL);
    BAD(place, NULL);
    BAD(n_tokens, -1);
    BAD(n_tokens, INT32_MAX);
    BAD(n_tokens, 5000); /* beyond the allocations */
    BAD(top_k, -3);
    BAD(n_experts, 0);
    BAD(n_experts, 2049);
    BAD(ids, kx_at(&b.in, 2));
    BAD(perm, kx_at(&b.out, 1023));
    BAD(place, kx_at(&b.out, 1024));
    BAD(counts, kx_at(&b.out, 512));
    BAD(ids, kx_at(&b.out, 2048));
#undef BAD
    CONF_FAILS(c, halErrorInvalidValue, halopMoePermute(NULL, NULL));
    bad = good;
    bad.n_tokens = 0;
    CONF_OK(c, halopMoePermute(&bad, NULL));
    kx_bench_finish(c, &b);
}

static void grouped(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    struct halopGroupedGemmArgs good = {
        .in = halF32,
        .out = halF32,
        .y = b.out.mem,
        .x = b.in.mem,
        .w = b.in.mem,
        .offsets = b.in.mem,
        .gather = b.in.mem,
        .rows = 6,
        .x_rows = 4,
        .n_experts = 3,
        .n = 8,
        .k = 8,
        .w_expert_stride = 64,
        .gather_div = 2,
    }, bad;

#define BAD(field, value) \
    KX_WITH(halErrorInvalidValue, halopGroupedGemm, field, value)
    BAD(y, NULL);
    BAD(x, NULL);
    BAD(w, NULL);
    BAD(offsets, NULL);
    BAD(rows, -1);
    BAD(rows, 1 << 20);
    BAD(x_rows, 0);
    BAD(x_rows, 1 << 20);
    BAD(n_experts, 0);
    BAD(n_experts, -3);
    BAD(n_experts, 1 << 20);
    BAD(n, -8);
    BAD(k, INT64_MAX);
    BAD(w_expert_stride, 63);
    BAD(w_expert_stride, INT64_MAX);
    BAD(gather_div, 0);
    BAD(gather_div, (int64_t)1 << 31);
    BAD(y, b.in.mem);
    BAD(offsets, kx_at(&b.in, 2));
    BAD(gather, kx_at(&b.in, 1));
    BAD(x, kx_at(&b.in, 1));
#undef BAD
    KX_WITH(halErrorNotSupported, halopGroupedGemm, in, halI8);
    KX_WITH(halErrorNotSupported, halopGroupedGemm, out, halBF16);
    CONF_FAILS(c, halErrorInvalidValue, halopGroupedGemm(NULL, NULL));
    bad = good;
    bad.rows = 0;
    CONF_OK(c, halopGroupedGemm(&bad, NULL));
    kx_bench_finish(c, &b);
}

/* Two blocks of k and one of n. */
static void grouped_fp8(struct conf *c)
{
    enum { SCALES = 2 };
    struct kx_bench b = kx_bench(c);
    struct halopGroupedGemmFp8Args good = {
        .out = halF32,
        .y = b.out.mem,
        .x = b.in.mem,
        .x_scale = b.in.mem,
        .w = b.in.mem,
        .w_scale = b.in.mem,
        .offsets = b.in.mem,
        .gather = b.in.mem,
        .rows = 6,
        .x_rows = 4,
        .n_experts = 3,
        .n = 8,
        .k = 130,
        .w_expert_stride = 1040,
        .w_scale_expert_stride = SCALES,
        .gather_div = 2,
    }, bad;

#define BAD(field, value) \
    KX_WITH(halErrorInvalidValue, halopGroupedGemmFp8, field, value)
    BAD(x_scale, NULL);
    BAD(w_scale, NULL);
    BAD(y, NULL);
    BAD(x, NULL);
    BAD(w, NULL);
    BAD(offsets, NULL);
    BAD(rows, -1);
    BAD(rows, 1 << 20);
    BAD(x_rows, 0);
    BAD(x_rows, 1 << 20);
    BAD(n_experts, 0);
    BAD(n_experts, -3);
    BAD(n_experts, 1 << 20);
    BAD(n, -8);
    BAD(n, 1 << 20);
    BAD(k, -1);
    BAD(k, INT64_MAX);
    BAD(w_expert_stride, 1039);
    BAD(w_expert_stride, 1 << 20);
    BAD(w_expert_stride, INT64_MAX);
    BAD(w_scale_expert_stride, SCALES - 1);
    BAD(w_scale_expert_stride, 1 << 20);
    BAD(w_scale_expert_stride, INT64_MAX);
    BAD(gather_div, 0);
    BAD(gather_div, (int64_t)1 << 31);
    BAD(y, b.in.mem);
    BAD(y, kx_at(&b.out, 2));
    BAD(offsets, kx_at(&b.in, 2));
    BAD(gather, kx_at(&b.in, 1));
    BAD(x_scale, kx_at(&b.in, 2));
    BAD(w_scale, kx_at(&b.in, 2));
#undef BAD
    KX_WITH(halErrorNotSupported, halopGroupedGemmFp8, out, halE4M3);
    KX_WITH(halErrorNotSupported, halopGroupedGemmFp8, out, halI32);
    CONF_FAILS(c, halErrorInvalidValue, halopGroupedGemmFp8(NULL, NULL));
    bad = good;
    bad.rows = 0;
    CONF_OK(c, halopGroupedGemmFp8(&bad, NULL));
    kx_bench_finish(c, &b);
}

static void grouped_i8(struct conf *c)
{
    enum { SCALES = 8 };
    struct kx_bench b = kx_bench(c);
    struct halopGroupedGemmI8Args good = {
        .out = halF32,
        .y = b.out.mem,
        .x = b.in.mem,
        .x_scale = b.in.mem,
        .w = b.in.mem,
        .w_scale = b.in.mem,
        .offsets = b.in.mem,
        .gather = b.in.mem,
        .rows = 6,
        .x_rows = 4,
        .n_experts = 3,
        .n = 8,
        .k = 130,
        .w_expert_stride = 1040,
        .w_scale_expert_stride = SCALES,
        .gather_div = 2,
    }, bad;

#define BAD(field, value) \
    KX_WITH(halErrorInvalidValue, halopGroupedGemmI8, field, value)
    BAD(y, NULL);
    BAD(x, NULL);
    BAD(w, NULL);
    BAD(offsets, NULL);
    BAD(rows, -1);
    BAD(rows, 1 << 20);
    BAD(x_rows, 0);
    BAD(x_rows, 1 << 20);
    BAD(n_experts, 0);
    BAD(n_experts, -3);
    BAD(n_experts, 1 << 20);
    BAD(n, -8);
    BAD(n, 1 << 20);
    BAD(k, -1);
    BAD(k, INT64_MAX);
    BAD(w_expert_stride, 1039);
    BAD(w_expert_stride, 1 << 20);
    BAD(w_expert_stride, INT64_MAX);
    BAD(w_scale_expert_stride, SCALES - 1);
    BAD(w_scale_expert_stride, 1 << 20);
    BAD(w_scale_expert_stride, INT64_MAX);
    BAD(gather_div, 0);
    BAD(gather_div, (int64_t)1 << 31);
    BAD(y, b.in.mem);
    BAD(y, kx_at(&b.out, 2));
    BAD(offsets, kx_at(&b.in, 2));
    BAD(gather, kx_at(&b.in, 1));
    BAD(x_scale, kx_at(&b.in, 2));
    BAD(w_scale, kx_at(&b.in, 2));
    BAD(k, 131072);   /* whose sums may not fit */
    BAD(out, halI32); /* has no scales */
    good.x_scale = NULL;
    BAD(out, halI32);
#undef BAD
    KX_WITH(halErrorNotSupported, halopGroupedGemmI8, out, halI8);
    CONF_FAILS(c, halErrorInvalidValue, halopGroupedGemmI8(NULL, NULL));
    bad = good;
    bad.n = 0;
    CONF_OK(c, halopGroupedGemmI8(&bad, NULL));
    kx_bench_finish(c, &b);
}

static void combine(struct conf *c)
{
    struct kx_bench b = kx_bench(c);
    struct halopMoeCombineArgs good = {
        .in = halF32,
        .out = halF32,
        .y = b.out.mem,
        .parts = b.in.mem,
        .weights = b.in.mem,
        .place = b.in.mem,
        .shared = b.in.mem,
        .n_tokens = 4,
        .top_k = 2,
        .rows = 8,
        .n = 8,
    }, bad;

#define BAD(field, value) \
    KX_WITH(halErrorInvalidValue, halopMoeCombine, field, value)
    BAD(y, NULL);
    BAD(parts, NULL);
    BAD(weights, NULL);
    BAD(place, NULL);
    BAD(n_tokens, -1);
    BAD(n_tokens, 1 << 20);
    BAD(top_k, -1);
    BAD(top_k, 1 << 20);
    BAD(rows, -8);
    BAD(rows, 1 << 20);
    BAD(n, INT64_MAX);
    BAD(y, b.in.mem);
    BAD(place, kx_at(&b.in, 2));
    BAD(shared, kx_at(&b.in, 2));
#undef BAD
    KX_WITH(halErrorNotSupported, halopMoeCombine, in, halU8);
    KX_WITH(halErrorNotSupported, halopMoeCombine, in, halF16);
    CONF_FAILS(c, halErrorInvalidValue, halopMoeCombine(NULL, NULL));
    bad = good;
    bad.n = 0;
    CONF_OK(c, halopMoeCombine(&bad, NULL));
    kx_bench_finish(c, &b);
}

void kx_cases_moe_refusals(struct conf_list *list)
{
    kx_add(list, halF32, " moe", permute, NULL, 0, "refuse.moe_permute");
    kx_add(list, halF32, " moe", grouped, NULL, 0, "refuse.grouped_gemm");
    kx_add(list, halF32, " moe", grouped_fp8, NULL, 0,
           "refuse.grouped_gemm_fp8");
    kx_add(list, halF32, " moe", grouped_i8, NULL, 0, "refuse.grouped_gemm_i8");
    kx_add(list, halF32, " moe", combine, NULL, 0, "refuse.moe_combine");
}
