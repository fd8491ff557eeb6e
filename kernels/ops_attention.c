/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_attention.c - grouped-query attention: choice of the kernel, and of the
 * parts that the keys are split into when the queries alone would leave the
 * device idle, or when one thread would walk too far.
 */
#include "kernels/ops_internal.h"

#include <math.h>
#include <string.h>

#define DIM_MAX  576 /* attention.k's LOCAL memory */
#define QB       4   /* query rows a group takes together */
#define PART_MIN 256
/* llvmpipe ends loops after 65,535 iterations of a thread's life: 4096 keys of
 * 576 + 512 columns take about 18,000. */
#define PART_MAX  4096
#define PARTS_MAX 64

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
    if (st != halSuccess)
        return st;
    if (a->qk_dim < 1 || a->qk_dim > DIM_MAX || a->v_dim < 1 ||
        a->v_dim > DIM_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "qk_dim is %lld and v_dim %lld; both must lie in "
                        "1..%d",
                        (long long)a->qk_dim, (long long)a->v_dim, DIM_MAX);
    if (a->n_heads > UINT16_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "n_heads is %lld; up to 65535 are possible",
                        (long long)a->n_heads);
    if (a->n_heads && (a->n_kv_heads < 1 || a->n_heads % a->n_kv_heads))
        return ops_fail(op, halErrorInvalidValue,
                        "n_heads, %lld, must be a multiple of "
                        "n_kv_heads, %lld",
                        (long long)a->n_heads, (long long)a->n_kv_heads);
    if (!isfinite(a->scale))
        return ops_fail(op, halErrorInvalidValue,
                        "scale is %g; it must be finite", (double)a->scale);
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

/* Parts of how many keys. */
static int64_t choose_part(const struct ops_call *call, int64_t kv_max,
                           int64_t total)
{
    int64_t idle = (int64_t)call->device.units * 2 / (total ? total : 1);
    int64_t parts = idle < 1 ? 1 : idle > PARTS_MAX ? PARTS_MAX : idle;
    int64_t part = (kv_max + parts - 1) / parts;

    if (part < PART_MIN)
        part = PART_MIN;
    if (part > PART_MAX && call->group > 1)
        part = PART_MAX;
    /* one step of 64 keys is a tile */
    return (part + 63) / 64 * 64;
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

/* The parts' results are joined from stream-ordered memory. */
static halError_t run_parts(const char *op, const struct halopAttentionArgs *a,
                            struct tensors *t, int64_t rows_together,
                            int64_t total, int64_t part, halStream_t stream)
{
    int64_t rows = a->batch * a->n_heads * a->n_q;
    int64_t parts = (a->kv_max + part - 1) / part;
    const int64_t strides[3] = { a->n_heads * a->n_q * a->v_dim, a->v_dim,
                                 a->n_q * a->v_dim };
    size_t o_floats = (size_t)(parts * rows * a->v_dim);
    struct ops_call call;
    void *memory = NULL;
    float *part_lse;
    halError_t st, freed;

    st = ops_find(&call, op, "attention_%s_f32_%d", ops_dtype_name(a->dtype),
                  (int)rows_together);
    if (st == halSuccess)
        st = ops_result(op, halMallocAsync(&memory,
                                           (o_floats + (size_t)(parts * rows)) *
                                               sizeof(float),
                                           stream));
    if (st != halSuccess)
        return st;
    part_lse = (float *)memory + o_floats;
    ops_buffer(&call, memory);
    ops_buffer(&call, part_lse);
    ops_tensors(&call, t->all + 2, 4);
    scalars(&call, a, total, part, 1, strides);
    st = ops_run(&call, (uint64_t)total, (uint64_t)parts, stream);
    if (st != halSuccess)
        goto out;
    st = ops_find(&call, op, "attention_combine_%s", ops_dtype_name(a->out));
    if (st != halSuccess)
        goto out;
    ops_tensors(&call, t->all, 2);
    ops_buffer(&call, memory);
    ops_buffer(&call, part_lse);
    ops_u32(&call, rows);
    ops_u32(&call, parts);
    ops_u32(&call, a->n_q);
    ops_u32(&call, a->n_heads);
    ops_u32(&call, a->v_dim);
    ops_u32(&call, a->lse != NULL);
    ops_u32(&call, a->o_batch_stride);
    ops_u32(&call, a->o_seq_stride);
    ops_u32(&call, a->o_head_stride);
    st = ops_run(&call, (uint64_t)rows, 1, stream);
out:
    freed = ops_result(op, halFreeAsync(memory, stream));
    return st != halSuccess ? st : freed;
}

halError_t halopAttention(const struct halopAttentionArgs *args,
                          halStream_t stream)
{
    const char *op = "halopAttention";
    const struct halopAttentionArgs *a = args;
    int64_t rows, together, total, part;
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
    together = rows > 1 ? QB : 1;
    total = a->batch * a->n_kv_heads * ((rows + together - 1) / together);
    st = ops_find(&call, op, "attention_%s_%s_%d", ops_dtype_name(a->dtype),
                  ops_dtype_name(a->out), (int)together);
    if (st != halSuccess)
        return st;
    part = choose_part(&call, a->kv_max, total);
    if (part < a->kv_max && (double)a->batch * (double)a->n_heads *
                                    (double)a->n_q * (double)a->v_dim *
                                    (double)((a->kv_max + part - 1) / part) <
                                (double)UINT32_MAX)
        return run_parts(op, a, &t, together, total, part, stream);
    ops_tensors(&call, t.all, 6);
    scalars(&call, a, total, a->kv_max, a->lse != NULL, t.o.strides);
    return ops_run(&call, (uint64_t)total, 1, stream);
}
