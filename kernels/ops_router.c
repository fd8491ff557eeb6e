/* SPDX-License-Identifier: Apache-2.0 */
/* ops_router.c - the experts of each token (ops_moe.h). */
#include "kernels/ops_internal.h"

#include <math.h>

/* What router.k's LOCAL memory holds. */
#define EXPERTS_MAX 2048
#define GROUPS_MAX  256
#define TOP_MAX     64

/* flags of router.k */
enum { SOFTMAX = 1, HAS_BIAS = 2, TOP_TWO = 4, NORMALISE = 8 };

static halError_t check_choice(const char *op, const struct halopRouterArgs *a)
{
    if (a->n_experts < 1 || a->n_experts > EXPERTS_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "n_experts is %lld; it must lie in 1..%d",
                        (long long)a->n_experts, EXPERTS_MAX);
    if (a->n_group < 1 || a->n_group > GROUPS_MAX || a->n_experts % a->n_group)
        return ops_fail(op, halErrorInvalidValue,
                        "n_group is %lld; it must lie in 1..%d and divide "
                        "n_experts, %lld",
                        (long long)a->n_group, GROUPS_MAX,
                        (long long)a->n_experts);
    if (a->topk_group < 1 || a->topk_group > a->n_group)
        return ops_fail(op, halErrorInvalidValue,
                        "topk_group is %lld; it must lie in 1..n_group, "
                        "%lld",
                        (long long)a->topk_group, (long long)a->n_group);
    if (a->top_k < 1 || a->top_k > TOP_MAX ||
        a->top_k > a->n_experts / a->n_group * a->topk_group)
        return ops_fail(op, halErrorInvalidValue,
                        "top_k is %lld; it must lie in 1..%d and be no "
                        "more than the experts of the kept groups, %lld",
                        (long long)a->top_k, TOP_MAX,
                        (long long)(a->n_experts / a->n_group * a->topk_group));
    if (a->group_top != 1 && a->group_top != 2)
        return ops_fail(op, halErrorInvalidValue,
                        "group_top is %d; it must be 1 or 2", a->group_top);
    return halSuccess;
}

static halError_t check_numbers(const char *op, const struct halopRouterArgs *a)
{
    const struct ops_size sizes[] = { { "n_tokens", a->n_tokens } };
    halError_t st = ops_check_dtype(op, "dtype", a->dtype, OPS_FLOATS);

    if (st != halSuccess)
        return st;
    if (a->scoring != halopScoreSigmoid && a->scoring != halopScoreSoftmax)
        return ops_fail(op, halErrorInvalidValue,
                        "scoring is %d; it must be halopScoreSigmoid or "
                        "halopScoreSoftmax",
                        (int)a->scoring);
    if (!isfinite(a->scale))
        return ops_fail(op, halErrorInvalidValue,
                        "scale is %g; it must be finite", (double)a->scale);
    st = check_choice(op, a);
    return st == halSuccess ? ops_check_sizes(op, sizes, 1) : st;
}

static halError_t run(const char *op, const struct halopRouterArgs *a,
                      halStream_t stream)
{
    const uint64_t chosen = ops_count(a->n_tokens, a->top_k);
    const struct ops_tensor tensors[] = {
        { "ids", a->ids, chosen, halI32, OPS_OUT, NULL },
        { "weights", a->weights, chosen, halF32, OPS_OUT, NULL },
        { "logits", a->logits, ops_count(a->n_tokens, a->n_experts), a->dtype,
          OPS_IN, NULL },
        { "bias", a->bias, a->bias ? (uint64_t)a->n_experts : 0, halF32, OPS_IN,
          NULL },
    };
    struct ops_call call;
    halError_t st =
        ops_begin(&call, op, tensors, 4, "router_%s", ops_dtype_name(a->dtype));

    if (st != halSuccess)
        return st;
    ops_u32(&call, a->n_tokens);
    ops_u32(&call, a->n_experts);
    ops_u32(&call, a->top_k);
    ops_u32(&call, a->n_group);
    ops_u32(&call, a->topk_group);
    ops_u32(&call, (a->scoring == halopScoreSoftmax ? SOFTMAX : 0) |
                       (a->bias ? HAS_BIAS : 0) |
                       (a->group_top == 2 ? TOP_TWO : 0) |
                       (a->normalise ? NORMALISE : 0));
    ops_f32(&call, a->scale);
    return ops_run(&call, (uint64_t)a->n_tokens, 1, stream);
}

halError_t halopRouter(const struct halopRouterArgs *args, halStream_t stream)
{
    const char *op = "halopRouter";
    halError_t st;

    if (!args)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check_numbers(op, args);
    if (st != halSuccess || args->n_tokens == 0)
        return st;
    return run(op, args, stream);
}
