/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_attention.c - grouped-query attention: choice of the kernel, and of the
 * parts that the keys are split into when the queries alone would leave the
 * device idle, or when one thread would walk too far.
 */
#include "kernels/ops_attention_internal.h"

#include <string.h>

/* flags of attention.k */
enum { CAUSAL = 1, HAS_LENS = 2, HAS_LSE = 4 };

/* Describes tensor t, [batch][seq][heads][dim] with these strides. */
static halError_t describe(const char *op, struct ops_tensor *t,
                           struct ops_view *view, const int64_t dims[4],
                           const int64_t strides[3])
{
    static const char *const names[] = { "batch", "seq", "head" };
    double span = 1.0;
    int i;

    for (i = 0; i < 4; i++) {
        view->dims[i] = dims[i];
        view->strides[i] = i < 3 ? strides[i] : 1;
        if (view->strides[i] < 0 || view->strides[i] > UINT32_MAX)
            return ops_fail(op, halErrorInvalidValue,
                            "%s_%s_stride is %lld; it must lie in 0..2^32 - 1",
                            t->name, names[i], (long long)strides[i]);
        span += (double)(dims[i] - 1) * (double)view->strides[i];
    }
    t->view = view;
    t->n_elems = 0;
    if (dims[1] == 0)
        return halSuccess;
    if (span > UINT32_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "%s spans %.0f elements; up to 2^32 - 1 are possible",
                        t->name, span);
    t->n_elems = (uint64_t)span;
    return halSuccess;
}

static halError_t check_numbers(const char *op,
                                const struct halopAttentionArgs *a)
{
    const struct ops_size sizes[] = {
        { "batch", a->batch },           { "n_q", a->n_q },
        { "kv_max", a->kv_max },         { "n_heads", a->n_heads },
        { "n_kv_heads", a->n_kv_heads },
    };
    halError_t st = ops_check_dtype(op, "dtype", a->dtype, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_dtype(op, "out", a->out,
                             OPS_DTYPE(a->dtype) | OPS_DTYPE(halF32));
    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 5);
    if (st == halSuccess)
        st =
            ops_check_heads(op, a->n_heads, a->n_kv_heads, a->qk_dim, a->v_dim);
    if (st == halSuccess)
        st = ops_check_scale(op, a->scale);
    if (st != halSuccess)
        return st;
    if ((double)a->batch * (double)a->n_heads * (double)a->n_q > INT32_MAX)
        return ops_fail(
            op, halErrorInvalidValue,
            "batch, %lld, x n_heads, %lld, x n_q, %lld, must lie below 2^31",
            (long long)a->batch, (long long)a->n_heads, (long long)a->n_q);
    return halSuccess;
}

/* The tensors in the order of attention.k's parameters. */
struct tensors {
    struct ops_tensor all[6];
    struct ops_view o, q, k, v;
};

static halError_t check_tensors(const char *op,
                                const struct halopAttentionArgs *a,
                                struct tensors *t)
{
    const int64_t o_dims[] = { a->batch, a->n_q, a->n_heads, a->v_dim };
    const int64_t q_dims[] = { a->batch, a->n_q, a->n_heads, a->qk_dim };
    const int64_t k_dims[] = { a->batch, a->kv_max, a->n_kv_heads, a->qk_dim };
    const int64_t v_dims[] = { a->batch, a->kv_max, a->n_kv_heads, a->v_dim };
    const int64_t o[] = { a->o_batch_stride, a->o_seq_stride,
                          a->o_head_stride };
    const int64_t q[] = { a->q_batch_stride, a->q_seq_stride,
                          a->q_head_stride };
    const int64_t k[] = { a->k_batch_stride, a->k_seq_stride,
                          a->k_head_stride };
    const int64_t v[] = { a->v_batch_stride, a->v_seq_stride,
                          a->v_head_stride };
    const uint64_t rows = ops_count(a->batch * a->n_heads, a->n_q);
    const struct ops_tensor all[] = {
        { "o", a->o, 0, a->out, OPS_OUT, NULL },
        { "lse", a->lse, a->lse ? rows : 0, halF32, OPS_OUT, NULL },
        { "q", a->q, 0, a->dtype, OPS_IN, NULL },
        { "k", a->k, 0, a->dtype, OPS_IN, NULL },
        { "v", a->v, 0, a->dtype, OPS_IN, NULL },
        { "kv_lens", a->kv_lens, a->kv_lens ? (uint64_t)a->batch : 0, halI32,
          OPS_IN, NULL },
    };
    halError_t st;

    memcpy(t->all, all, sizeof all);
    st = describe(op, &t->all[0], &t->o, o_dims, o);
    if (st == halSuccess)
        st = describe(op, &t->all[2], &t->q, q_dims, q);
    if (st == halSuccess)
        st = describe(op, &t->all[3], &t->k, k_dims, k);
    if (st == halSuccess)
        st = describe(op, &t->all[4], &t->v, v_dims, v);
    return st == halSuccess ? ops_check_tensors(op, t->all, 6) : st;
}

/* Everything after the tensors. */
static void scalars(struct ops_call *call, const struct halopAttentionArgs *a,
                    int64_t total, int64_t part, int has_lse,
                    const int64_t o_strides[3])
{
    int64_t per_kv = a->n_heads / a->n_kv_heads;

    ops_u32(call, total);
    ops_u32(call, a->n_q);
    ops_u32(call, a->kv_max);
    ops_u32(call, a->qk_dim | a->v_dim << 16);
    ops_u32(call, a->n_heads | per_kv << 16);
    ops_u32(call, (a->causal ? CAUSAL : 0) | (a->kv_lens ? HAS_LENS : 0) |
                      (has_lse ? HAS_LSE : 0));
    ops_u32(call, part);
    ops_f32(call, a->scale);
    ops_u32(call, a->q_batch_stride);
    ops_u32(call, a->q_seq_stride);
    ops_u32(call, a->q_head_stride);
    ops_u32(call, a->k_batch_stride);
    ops_u32(call, a->k_seq_stride);
    ops_u32(call, a->k_head_stride);
    ops_u32(call, a->v_batch_stride);
    ops_u32(call, a->v_seq_stride);
    ops_u32(call, a->v_head_stride);
    ops_u32(call, o_strides[0]);
    ops_u32(call, o_strides[1]);
    ops_u32(call, o_strides[2]);
}

/* The keys in parts, whose results are then joined. */
static halError_t run_parts(const char *op, const struct halopAttentionArgs *a,
                            struct tensors *t, int64_t rows_together,
                            int64_t total, int64_t groups, int64_t part,
                            halStream_t stream)
{
    struct ops_parts parts = { .n = (a->kv_max + part - 1) / part,
                               .rows = a->batch * a->n_heads * a->n_q,
                               .dim = a->v_dim };
    const int64_t part_strides[3] = { a->n_heads * a->n_q * a->v_dim, a->v_dim,
                                      a->n_q * a->v_dim };
    struct ops_call call;
    halError_t st;

    st = ops_find(&call, op, "attention_%s_f32_%d", ops_dtype_name(a->dtype),
                  (int)rows_together);
    if (st == halSuccess)
        st = ops_parts_take(&parts, &call, stream);
    if (st != halSuccess)
        return st;
    ops_tensors(&call, t->all + 2, 4);
    scalars(&call, a, total, part, 1, part_strides);
    st = ops_run(&call, (uint64_t)groups, (uint64_t)parts.n, stream);
    if (st == halSuccess)
        st = ops_parts_join(&parts, op, a->out, a->o, a->lse, a->n_q,
                            a->n_heads, t->o.strides, stream);
    return ops_parts_give(&parts, op, st, stream);
}

halError_t halopAttention(const struct halopAttentionArgs *args,
                          halStream_t stream)
{
    const char *op = "halopAttention";
    const struct halopAttentionArgs *a = args;
    int64_t rows, together, each, total, groups, part;
    struct tensors t;
    struct ops_call call;
    halError_t st;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check_numbers(op, a);
    if (st != halSuccess || !a->batch || !a->n_q || !a->n_heads)
        return st;
    st = check_tensors(op, a, &t);
    if (st != halSuccess)
        return st;
    rows = a->n_q * (a->n_heads / a->n_kv_heads);
    together = rows > 1 ? OPS_QUERY_ROWS : 1;
    each = a->n_kv_heads * ((rows + together - 1) / together);
    total = a->batch * each;
    st = ops_find(&call, op, "attention_%s_%s_%d", ops_dtype_name(a->dtype),
                  ops_dtype_name(a->out), (int)together);
    if (st != halSuccess)
        return st;
    groups = ops_attention_groups(&call, a->batch, each, a->kv_max);
    part = ops_part_keys(&call, a->kv_max, groups, 0);
    if (part < a->kv_max && (double)a->batch * (double)a->n_heads *
                                    (double)a->n_q * (double)a->v_dim *
                                    (double)((a->kv_max + part - 1) / part) <
                                (double)UINT32_MAX)
        return run_parts(op, a, &t, together, total, groups, part, stream);
    ops_tensors(&call, t.all, 6);
    scalars(&call, a, total, a->kv_max, a->lse != NULL, t.o.strides);
    return ops_run(&call, (uint64_t)groups, 1, stream);
}
