/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_attention.c - grouped-query attention: choice of the kernel, and of the
 * parts that the keys are split into when the queries alone would leave the
 * device idle, or when one thread would walk too far.
 */
#include "kernels/ops_internal.h"

#include <math.h>

#define DIM_MAX  576 /* attention.k's LOCAL memory */
#define QB       4   /* query rows a group takes together */
#define PART_MIN 256
/* llvmpipe ends loops after 65,535 iterations of a thread's life: 4096 keys of
 * 576 + 512 columns take about 18,000. */
#define PART_MAX  4096
#define PARTS_MAX 64

/* flags of attention.k */
enum { CAUSAL = 1, HAS_LENS = 2, HAS_LSE = 4 };

static halError_t span_of(const char *op, const char *name, int64_t batch,
                          int64_t batch_stride, int64_t seq, int64_t seq_stride,
                          int64_t heads, int64_t head_stride, int64_t dim,
                          uint64_t *out_span)
{
    const int64_t strides[] = { batch_stride, seq_stride, head_stride };
    double span = (double)(batch - 1) * (double)batch_stride +
                  (double)(seq - 1) * (double)seq_stride +
                  (double)(heads - 1) * (double)head_stride + (double)dim;
    int i;

    *out_span = 0;
    for (i = 0; i < 3; i++)
        if (strides[i] < 0 || strides[i] > UINT32_MAX)
            return hal_fail(halErrorInvalidValue,
                            "%s: a stride of %s is %lld; it must lie in "
                            "0..2^32 - 1",
                            op, name, (long long)strides[i]);
    if (seq == 0)
        return halSuccess;
    if (span > UINT32_MAX)
        return hal_fail(halErrorInvalidValue,
                        "%s: %s spans %.0f elements; up to 2^32 - 1 are "
                        "possible",
                        op, name, span);
    *out_span = (uint64_t)span;
    return halSuccess;
}

static halError_t check_numbers(const char *op,
                                const struct halopAttentionArgs *a)
{
    const struct {
        const char *name;
        int64_t value;
    } sizes[] = {
        { "batch", a->batch },           { "n_q", a->n_q },
        { "kv_max", a->kv_max },         { "n_heads", a->n_heads },
        { "n_kv_heads", a->n_kv_heads },
    };
    unsigned i;
    halError_t st = ops_check_dtype(op, "dtype", a->dtype);

    if (st == halSuccess)
        st = ops_check_dtype(op, "out", a->out);
    if (st != halSuccess)
        return st;
    if (a->out != a->dtype && a->out != halF32)
        return hal_fail(halErrorNotSupported,
                        "%s: out is %s; it must be dtype (%s) or halF32", op,
                        ops_dtype_name(a->out), ops_dtype_name(a->dtype));
    for (i = 0; st == halSuccess && i < sizeof sizes / sizeof *sizes; i++)
        st = ops_check_dim(op, sizes[i].name, sizes[i].value);
    if (st != halSuccess)
        return st;
    if (a->qk_dim < 1 || a->qk_dim > DIM_MAX || a->v_dim < 1 ||
        a->v_dim > DIM_MAX)
        return hal_fail(halErrorInvalidValue,
                        "%s: qk_dim is %lld and v_dim %lld; both must lie in "
                        "1..%d",
                        op, (long long)a->qk_dim, (long long)a->v_dim, DIM_MAX);
    if (a->n_heads > UINT16_MAX)
        return hal_fail(halErrorInvalidValue,
                        "%s: n_heads is %lld; up to 65535 are possible", op,
                        (long long)a->n_heads);
    if (a->n_heads && (a->n_kv_heads < 1 || a->n_heads % a->n_kv_heads))
        return hal_fail(halErrorInvalidValue,
                        "%s: n_heads, %lld, must be a multiple of "
                        "n_kv_heads, %lld",
                        op, (long long)a->n_heads, (long long)a->n_kv_heads);
    if (!isfinite(a->scale))
        return hal_fail(halErrorInvalidValue,
                        "%s: scale is %g; it must be finite", op,
                        (double)a->scale);
    if ((double)a->batch * (double)a->n_heads * (double)a->n_q > INT32_MAX)
        return hal_fail(halErrorInvalidValue,
                        "%s: batch x n_heads x n_q must lie below 2^31", op);
    return halSuccess;
}

static halError_t check_tensors(const char *op,
                                const struct halopAttentionArgs *a)
{
    uint32_t bytes = ops_dtype_bytes(a->dtype);
    uint64_t rows = (uint64_t)(a->batch * a->n_heads * a->n_q);
    uint64_t o_span, q_span, k_span, v_span;
    struct ops_tensor tensors[6];
    unsigned n = 0;
    halError_t st;

    st = span_of(op, "o", a->batch, a->o_batch_stride, a->n_q, a->o_seq_stride,
                 a->n_heads, a->o_head_stride, a->v_dim, &o_span);
    if (st == halSuccess)
        st = span_of(op, "q", a->batch, a->q_batch_stride, a->n_q,
                     a->q_seq_stride, a->n_heads, a->q_head_stride, a->qk_dim,
                     &q_span);
    if (st == halSuccess)
        st = span_of(op, "k", a->batch, a->k_batch_stride, a->kv_max,
                     a->k_seq_stride, a->n_kv_heads, a->k_head_stride,
                     a->qk_dim, &k_span);
    if (st == halSuccess)
        st = span_of(op, "v", a->batch, a->v_batch_stride, a->kv_max,
                     a->v_seq_stride, a->n_kv_heads, a->v_head_stride, a->v_dim,
                     &v_span);
    if (st != halSuccess)
        return st;
    /* An o with gaps may interleave with the inputs, which spans cannot
     * tell. */
    tensors[n++] =
        (struct ops_tensor){ "o",    a->o,
                             o_span, ops_dtype_bytes(a->out),
                             1,      o_span != rows * (uint64_t)a->v_dim };
    tensors[n++] = (struct ops_tensor){ "q", a->q, q_span, bytes, 0, 0 };
    if (a->kv_max) {
        tensors[n++] = (struct ops_tensor){ "k", a->k, k_span, bytes, 0, 0 };
        tensors[n++] = (struct ops_tensor){ "v", a->v, v_span, bytes, 0, 0 };
    }
    if (a->lse)
        tensors[n++] = (struct ops_tensor){ "lse", a->lse, rows, 4, 1, 0 };
    if (a->kv_lens)
        tensors[n++] =
            (struct ops_tensor){ "kv_lens", a->kv_lens, (uint64_t)a->batch,
                                 4,         0,          0 };
    return ops_check_tensors(op, tensors, n);
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

static void arguments(struct ops_call *call, const struct halopAttentionArgs *a,
                      int64_t total, int64_t part, void *o, float *lse,
                      const int64_t o_strides[3])
{
    int64_t per_kv = a->n_heads / a->n_kv_heads;

    ops_buffer(call, o);
    ops_buffer(call, lse);
    ops_buffer(call, a->q);
    ops_buffer(call, a->kv_max ? a->k : NULL);
    ops_buffer(call, a->kv_max ? a->v : NULL);
    ops_buffer(call, a->kv_lens);
    ops_u32(call, total);
    ops_u32(call, a->n_q);
    ops_u32(call, a->kv_max);
    ops_u32(call, a->qk_dim | a->v_dim << 16);
    ops_u32(call, a->n_heads | per_kv << 16);
    ops_u32(call, (a->causal ? CAUSAL : 0) | (a->kv_lens ? HAS_LENS : 0) |
                      (lse ? HAS_LSE : 0));
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
                            int64_t rows_together, int64_t total, int64_t part,
                            halStream_t stream)
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

    st = ops_begin(&call, op, "attention_%s_f32_%d", ops_dtype_name(a->dtype),
                   (int)rows_together);
    if (st == halSuccess)
        st = halMallocAsync(&memory,
                            (o_floats + (size_t)(parts * rows)) * sizeof(float),
                            stream);
    if (st != halSuccess)
        return st;
    part_lse = (float *)memory + o_floats;
    arguments(&call, a, total, part, memory, part_lse, strides);
    st = ops_run(&call, (uint64_t)total, (uint64_t)parts, stream);
    if (st != halSuccess)
        goto out;
    st = ops_begin(&call, op, "attention_combine_%s", ops_dtype_name(a->out));
    if (st != halSuccess)
        goto out;
    ops_buffer(&call, a->o);
    ops_buffer(&call, a->lse);
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
    freed = halFreeAsync(memory, stream);
    return st != halSuccess ? st : freed;
}

halError_t halopAttention(const struct halopAttentionArgs *args,
                          halStream_t stream)
{
    const char *op = "halopAttention";
    const struct halopAttentionArgs *a = args;
    int64_t rows, together, total, part;
    struct ops_call call;
    halError_t st;

    if (!a)
        return hal_fail(halErrorInvalidValue, "%s: args is NULL", op);
    st = check_numbers(op, a);
    if (st != halSuccess || !a->batch || !a->n_q || !a->n_heads)
        return st;
    st = check_tensors(op, a);
    if (st != halSuccess)
        return st;
    rows = a->n_q * (a->n_heads / a->n_kv_heads);
    together = rows > 1 ? QB : 1;
    total = a->batch * a->n_kv_heads * ((rows + together - 1) / together);
    st = ops_begin(&call, op, "attention_%s_%s_%d", ops_dtype_name(a->dtype),
                   ops_dtype_name(a->out), (int)together);
    if (st != halSuccess)
        return st;
    part = choose_part(&call, a->kv_max, total);
    if (part < a->kv_max && (double)a->batch * (double)a->n_heads *
                                    (double)a->n_q * (double)a->v_dim *
                                    (double)((a->kv_max + part - 1) / part) <
                                (double)UINT32_MAX)
        return run_parts(op, a, together, total, part, stream);
    {
        const int64_t strides[3] = { a->o_batch_stride, a->o_seq_stride,
                                     a->o_head_stride };

        arguments(&call, a, total, a->kv_max, a->o, a->lse, strides);
    }
    return ops_run(&call, (uint64_t)total, 1, stream);
}
