/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_moe.c - permutation by expert, grouped products and their combination
 * (ops_moe.h).  How many rows an expert has is known on the device only: grids
 * are made for the worst case.
 */
#include "kernels/ops_moe_internal.h"
#include "kernels/ops_native.h"

/* moe_permute.k's LOCAL memory. */
#define EXPERTS_MAX 2048

/* Ids that one group sorts, and how many such chunks moe_scan walks: a thread
 * of 64 then stays below 20,000 steps (llvmpipe ends loops after 65,535). */
#define CHUNK_MIN  256
#define CHUNKS_MAX 512

/* The smallest tiles of moe_gemm.k, and the columns of moe_combine.k. */
#define TILE         32
#define COMBINE_COLS 1024

/* Up to this many rows an expert, devices with many threads multiply row by
 * row; tiles would be all but empty. */
#define GEMV_ROWS 2

/* Rows and columns of moe_gemm_mma.k's tiles. */
#define TUNED_TILE 128

/* ---- permutation -------------------------------------------------------- */

static halError_t check_permute_numbers(const char *op,
                                        const struct halopMoePermuteArgs *a)
{
    const struct ops_size sizes[] = {
        { "n_tokens", a->n_tokens },
        { "top_k", a->top_k },
    };
    halError_t st;

    if (a->n_experts < 1 || a->n_experts > EXPERTS_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "n_experts is %lld; it must lie in 1..%d",
                        (long long)a->n_experts, EXPERTS_MAX);
    st = ops_check_sizes(op, sizes, 2);
    if (st != halSuccess)
        return st;
    if (a->top_k && a->n_tokens > INT32_MAX / a->top_k)
        return ops_fail(op, halErrorInvalidValue,
                        "n_tokens, %lld, x top_k, %lld, must lie below 2^31",
                        (long long)a->n_tokens, (long long)a->top_k);
    return halSuccess;
}

static halError_t check_permute(const char *op,
                                const struct halopMoePermuteArgs *a)
{
    const uint64_t n = ops_count(a->n_tokens, a->top_k);
    const uint64_t experts = (uint64_t)a->n_experts;
    const struct ops_tensor tensors[] = {
        { "counts", a->counts, experts, halI32, OPS_OUT, NULL },
        { "offsets", a->offsets, experts + 1, halI32, OPS_OUT, NULL },
        { "perm", a->perm, n, halI32, OPS_OUT, NULL },
        { "place", a->place, n, halI32, OPS_OUT, NULL },
        { "ids", a->ids, n, halI32, OPS_IN, NULL },
    };

    return ops_check_tensors(op, tensors, 5);
}

static halError_t run_permute(const char *op,
                              const struct halopMoePermuteArgs *a, int64_t n,
                              int64_t chunk, void *part, halStream_t stream)
{
    int64_t chunks = (n + chunk - 1) / chunk;
    struct ops_call call;
    halError_t st = ops_find(&call, op, "moe_count");

    if (st != halSuccess)
        return st;
    ops_buffer(&call, part);
    ops_buffer(&call, a->ids);
    ops_u32(&call, n);
    ops_u32(&call, chunk);
    ops_u32(&call, a->n_experts);
    st = ops_run(&call, (uint64_t)chunks, 1, stream);
    if (st == halSuccess)
        st = ops_find(&call, op, "moe_scan");
    if (st != halSuccess)
        return st;
    ops_buffer(&call, a->counts);
    ops_buffer(&call, a->offsets);
    ops_buffer(&call, part);
    ops_u32(&call, chunks);
    ops_u32(&call, a->n_experts);
    st = ops_run(&call, 1, 1, stream);
    if (st == halSuccess)
        st = ops_find(&call, op, "moe_place");
    if (st != halSuccess)
        return st;
    ops_buffer(&call, a->perm);
    ops_buffer(&call, a->place);
    ops_buffer(&call, a->ids);
    ops_buffer(&call, a->offsets);
    ops_buffer(&call, part);
    ops_u32(&call, n);
    ops_u32(&call, chunk);
    ops_u32(&call, a->n_experts);
    return ops_run(&call, (uint64_t)chunks, 1, stream);
}

halError_t halopMoePermute(const struct halopMoePermuteArgs *args,
                           halStream_t stream)
{
    const char *op = "halopMoePermute";
    const struct halopMoePermuteArgs *a = args;
    int64_t n, chunk, chunks;
    void *part = NULL;
    halError_t st, freed;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check_permute_numbers(op, a);
    if (st != halSuccess)
        return st;
    n = a->n_tokens * a->top_k;
    if (n == 0)
        return halSuccess;
    st = check_permute(op, a);
    if (st != halSuccess)
        return st;
    chunk = (n + CHUNKS_MAX - 1) / CHUNKS_MAX;
    if (chunk < CHUNK_MIN)
        chunk = CHUNK_MIN;
    chunks = (n + chunk - 1) / chunk;
    st = ops_result(
        op, halMallocAsync(&part, (size_t)(chunks * a->n_experts) * 4, stream));
    if (st != halSuccess)
        return st;
    st = run_permute(op, a, n, chunk, part, stream);
    freed = ops_result(op, halFreeAsync(part, stream));
    return st != halSuccess ? st : freed;
}

/* ---- grouped product ---------------------------------------------------- */

halError_t moe_check_stride(const char *op, const char *name, int64_t stride,
                            const char *what, int64_t elems)
{
    if (stride < elems)
        return ops_fail(op, halErrorInvalidValue,
                        "%s is %lld; an expert has %s, %lld elements", name,
                        (long long)stride, what, (long long)elems);
    if (stride > UINT32_MAX)
        return ops_fail(op, halErrorInvalidValue,
                        "%s is %lld; up to 2^32 - 1 is possible", name,
                        (long long)stride);
    return halSuccess;
}

halError_t moe_check_shape(const char *op, const struct moe_shape *s)
{
    const struct ops_size sizes[] = {
        { "rows", s->rows }, { "x_rows", s->x_rows },       { "n", s->n },
        { "k", s->k },       { "n_experts", s->n_experts },
    };
    halError_t st = ops_check_sizes(op, sizes, 5);

    if (st != halSuccess)
        return st;
    if (s->n_experts < 1)
        return ops_fail(op, halErrorInvalidValue,
                        "n_experts is 0; offsets need at least one");
    st = moe_check_stride(op, "w_expert_stride", s->w_expert_stride, "n x k",
                          s->n * s->k);
    if (st != halSuccess)
        return st;
    if (s->gather && (s->gather_div < 1 || s->gather_div > INT32_MAX))
        return ops_fail(op, halErrorInvalidValue,
                        "gather_div is %lld; it must lie in 1..%d",
                        (long long)s->gather_div, INT32_MAX);
    if (s->x_rows == 0 && s->rows)
        return ops_fail(op, halErrorInvalidValue,
                        "x_rows is 0 and rows is %lld", (long long)s->rows);
    return halSuccess;
}

static halError_t check_gemm(const char *op,
                             const struct halopGroupedGemmArgs *a)
{
    const struct moe_shape shape = {
        .rows = a->rows,
        .x_rows = a->x_rows,
        .n_experts = a->n_experts,
        .n = a->n,
        .k = a->k,
        .w_expert_stride = a->w_expert_stride,
        .gather = a->gather,
        .gather_div = a->gather_div,
    };
    halError_t st = ops_check_dtype(op, "in", a->in, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_dtype(op, "out", a->out,
                             OPS_DTYPE(a->in) | OPS_DTYPE(halF32));
    return st == halSuccess ? moe_check_shape(op, &shape) : st;
}

/* Of side x side. */
static uint64_t tiles_of(const struct ops_call *call,
                         const struct halopGroupedGemmArgs *a, int64_t side)
{
    uint64_t high = (uint64_t)((a->rows + side - 1) / side);
    uint64_t wide = (uint64_t)((a->n + side - 1) / side), tiles;

    /* each expert with rows may leave one tile unfilled */
    high += (uint64_t)(a->rows < a->n_experts ? a->rows : a->n_experts);
    tiles = high * wide;
    if (call->group == 1 && tiles > 16ull * call->device.units)
        tiles = 16ull * call->device.units;
    return tiles;
}

/* Puts the tuned kernel in the place of the one that was found. */
static halError_t choose_tuned(struct ops_call *call, const char *op,
                               const struct halopGroupedGemmArgs *a)
{
    halError_t st;

    if (a->in != halBF16)
        return ops_fail(op, halErrorNotSupported,
                        "moe_gemm:tuned is asked for, and it multiplies bf16, "
                        "not %s",
                        ops_dtype_label(a->in));
    st = ops_tuned_here(call, "moe_gemm:tuned", 80);
    return st != halSuccess
               ? st
               : ops_find(call, op, "moe_gemm_mma_%s_%s", ops_dtype_name(a->in),
                          ops_dtype_name(a->out));
}

/* Finds the kernel; whether it is the one that goes row by row. */
static halError_t choose(struct ops_call *call, const char *op,
                         const struct halopGroupedGemmArgs *a,
                         enum ops_way *out_way, int *out_by_row)
{
    const char *in = ops_dtype_name(a->in), *out = ops_dtype_name(a->out);
    halError_t st = ops_find(call, op, "moe_gemm_%s_%s", in, out);

    if (st == halSuccess)
        st = ops_way_wanted(op, OPS_MOE_GEMM, out_way);
    if (st != halSuccess)
        return st;
    if (*out_way == OPS_TUNED)
        return choose_tuned(call, op, a);
    *out_by_row =
        ops_is_deep(call, ops_tile_steps(call, a->rows + 64 * a->n_experts,
                                         a->n, a->k)) ||
        (call->group > 1 && a->rows <= GEMV_ROWS * a->n_experts);
    return *out_by_row ? ops_find(call, op, "moe_gemv_%s_%s", in, out) : st;
}

static halError_t run_gemm(const char *op, const struct halopGroupedGemmArgs *a,
                           halStream_t stream)
{
    const struct ops_view w = { { a->n_experts, a->n * a->k, 1, 1 },
                                { a->w_expert_stride, 1, 0, 0 } };
    const uint64_t w_span =
        moe_span(a->n_experts, a->w_expert_stride, ops_count(a->n, a->k));
    /* Without depth (k == 0) x and w are not read. */
    const struct ops_tensor tensors[] = {
        { "y", a->y, ops_count(a->rows, a->n), a->out, OPS_OUT, NULL },
        { "x", a->x, ops_count(a->x_rows, a->k), a->in, OPS_IN, NULL },
        { "w", a->w, w_span, a->in, OPS_IN, &w },
        { "offsets", a->offsets, (uint64_t)a->n_experts + 1, halI32, OPS_IN,
          NULL },
        { "gather", a->gather, a->gather ? (uint64_t)a->rows : 0, halI32,
          OPS_IN, NULL },
    };
    struct ops_call call;
    enum ops_way way = OPS_PORTABLE;
    int by_row = 0;
    halError_t st = ops_check_tensors(op, tensors, 5);

    if (st == halSuccess)
        st = choose(&call, op, a, &way, &by_row);
    if (st == halSuccess)
        st = ops_check_depth(&call, a->k);
    if (st != halSuccess)
        return st;
    ops_tensors(&call, tensors, 5);
    ops_u32(&call, a->rows);
    ops_u32(&call, a->x_rows);
    ops_u32(&call, a->n_experts);
    ops_u32(&call, a->n);
    ops_u32(&call, a->k);
    ops_u32(&call, a->w_expert_stride);
    ops_u32(&call, a->gather ? a->gather_div : 0);
    if (by_row)
        return ops_run(&call, (uint64_t)(a->n + 1) / 2, (uint64_t)a->rows,
                       stream);
    return ops_run(&call,
                   tiles_of(&call, a, way == OPS_TUNED ? TUNED_TILE : TILE), 1,
                   stream);
}

halError_t halopGroupedGemm(const struct halopGroupedGemmArgs *args,
                            halStream_t stream)
{
    const char *op = "halopGroupedGemm";
    halError_t st;

    if (!args)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check_gemm(op, args);
    if (st != halSuccess || args->rows == 0 || args->n == 0)
        return st;
    return run_gemm(op, args, stream);
}

/* ---- combination -------------------------------------------------------- */

static halError_t check_combine(const char *op,
                                const struct halopMoeCombineArgs *a)
{
    const struct ops_size sizes[] = {
        { "n_tokens", a->n_tokens },
        { "top_k", a->top_k },
        { "rows", a->rows },
        { "n", a->n },
    };
    halError_t st = ops_check_dtype(op, "out", a->out, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_dtype(op, "in", a->in,
                             OPS_DTYPE(a->out) | OPS_DTYPE(halF32));
    return st == halSuccess ? ops_check_sizes(op, sizes, 4) : st;
}

static halError_t run_combine(const char *op,
                              const struct halopMoeCombineArgs *a,
                              halStream_t stream)
{
    const uint64_t all = ops_count(a->n_tokens, a->n);
    const uint64_t slots = ops_count(a->n_tokens, a->top_k);
    /* Without slots the parts are not read. */
    const struct ops_tensor tensors[] = {
        { "y", a->y, all, a->out, OPS_OUT, NULL },
        { "parts", a->parts, slots ? ops_count(a->rows, a->n) : 0, a->in,
          OPS_IN, NULL },
        { "weights", a->weights, slots, halF32, OPS_IN, NULL },
        { "place", a->place, slots, halI32, OPS_IN, NULL },
        { "shared", a->shared, a->shared ? all : 0, a->out, OPS_IN, NULL },
    };
    struct ops_call call;
    halError_t st = ops_begin(&call, op, tensors, 5, "moe_combine_%s_%s",
                              ops_dtype_name(a->in), ops_dtype_name(a->out));

    if (st != halSuccess)
        return st;
    ops_u32(&call, a->n_tokens);
    ops_u32(&call, a->top_k);
    ops_u32(&call, a->n);
    ops_u32(&call, a->rows);
    ops_u32(&call, a->shared != NULL);
    return ops_run(&call,
                   (uint64_t)a->n_tokens *
                       (((uint64_t)a->n + COMBINE_COLS - 1) / COMBINE_COLS),
                   1, stream);
}

halError_t halopMoeCombine(const struct halopMoeCombineArgs *args,
                           halStream_t stream)
{
    const char *op = "halopMoeCombine";
    halError_t st;

    if (!args)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    st = check_combine(op, args);
    if (st != halSuccess || args->n_tokens == 0 || args->n == 0)
        return st;
    return run_combine(op, args, stream);
}
