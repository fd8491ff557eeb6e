/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_plain.c - rows of operators that are bound by memory: elementwise,
 * casts, copies, norms, rope, softmax, embedding.  Widths are DeepSeek-V3's:
 * hidden 7168, dense 18432, 128 heads of 128 + 64.
 */
#include "tools/bench/kernels.h"

#define EPS 1e-6f

/* ---- elementwise -------------------------------------------------------- */

static void make_two(struct bench_set *s)
{
    int64_t n = s->d[0] * s->d[1];

    s->p[0] = bench_out(s, s->row->in, n);
    s->p[1] = bench_in(s, s->row->in, n);
    s->p[2] = bench_in(s, s->row->in, n);
    s->flops = (double)s->row->type * (double)n;
}

static halError_t run_add(const struct bench_set *s)
{
    return halopAdd(s->row->in, s->p[0], s->p[1], s->p[2], s->d[0] * s->d[1],
                    NULL);
}

static halError_t run_swiglu(const struct bench_set *s)
{
    return halopSwiGLU(s->row->in, s->p[0], s->p[1], s->p[2], s->d[0] * s->d[1],
                       NULL);
}

static void make_one(struct bench_set *s)
{
    s->p[0] = bench_out(s, s->row->out, s->d[0] * s->d[1]);
    s->p[1] = bench_in(s, s->row->in, s->d[0] * s->d[1]);
}

static halError_t run_cast(const struct bench_set *s)
{
    return halopCast(s->row->out, s->p[0], s->row->in, s->p[1],
                     s->d[0] * s->d[1], NULL);
}

/* ---- copies ---------------------------------------------------------- */

/* type 0: as it is; 1: transposed; 2: [tokens][heads][dim] to [heads][tokens]
 * [dim], as attention over contiguous caches wants it. */
static halError_t run_copy(const struct bench_set *s)
{
    const int64_t a = s->d[0], b = s->d[1], c = s->d[2], size = s->d[3];
    const int64_t dims[4] = { 1, a, b, c };
    const int64_t plain[4] = { a * b * c, b * c, c, 1 };
    const int64_t transposed[4] = { a * b * c, 1, a, 1 };
    const int64_t heads[4] = { a * b * c, c, a * c, 1 };
    const int64_t *to = s->row->type == 0   ? plain
                        : s->row->type == 1 ? transposed
                                            : heads;

    return halopCopyStrided((int)size, s->p[0], to, s->p[1], plain, dims, NULL);
}

static void make_copy(struct bench_set *s)
{
    int64_t n = s->d[0] * s->d[1] * s->d[2] * s->d[3];

    s->p[0] = bench_out(s, halU8, n);
    s->p[1] = bench_in(s, halU8, n);
}

/* ---- rows ------------------------------------------------------------ */

static void make_norm(struct bench_set *s)
{
    int64_t n = s->d[0] * s->d[1];

    s->p[0] = bench_out(s, s->row->in, n);
    s->p[1] = bench_in(s, s->row->in, n);
    s->p[2] = bench_in(s, s->row->in, s->d[1]);
    s->flops = 4.0 * (double)n;
}

static halError_t run_norm(const struct bench_set *s)
{
    return halopRmsNorm(s->row->in, s->p[0], s->p[1], s->p[2], s->d[0], s->d[1],
                        EPS, NULL);
}

static void make_add_norm(struct bench_set *s)
{
    int64_t n = s->d[0] * s->d[1];

    make_norm(s);
    s->p[3] = bench_out(s, s->row->in, n);
    s->p[4] = bench_in(s, s->row->in, n);
    s->flops = 5.0 * (double)n;
}

static halError_t run_add_norm(const struct bench_set *s)
{
    return halopAddRmsNorm(s->row->in, s->p[0], s->p[3], s->p[1], s->p[4],
                           s->p[2], s->d[0], s->d[1], EPS, NULL);
}

static void make_mtp(struct bench_set *s)
{
    int64_t n = s->d[0] * s->d[1];

    s->p[0] = bench_out(s, s->row->in, 2 * n);
    s->p[1] = bench_in(s, s->row->in, n);
    s->p[2] = bench_in(s, s->row->in, n);
    s->p[3] = bench_in(s, s->row->in, s->d[1]);
    s->p[4] = bench_in(s, s->row->in, s->d[1]);
    s->flops = 8.0 * (double)n;
}

static halError_t run_mtp(const struct bench_set *s)
{
    return halopMtpCombine(s->row->in, s->p[0], s->p[1], s->p[2], s->p[3],
                           s->p[4], NULL, s->d[0], s->d[1], EPS, NULL);
}

static void make_softmax(struct bench_set *s)
{
    make_one(s);
    s->flops = 5.0 * (double)(s->d[0] * s->d[1]);
}

static halError_t run_softmax(const struct bench_set *s)
{
    return halopSoftmax(s->row->in, s->p[0], s->p[1], s->d[0], s->d[1], 0.135f,
                        NULL);
}

/* Interleaved: the rope part of queries, 64 of 192; half: whole heads. */
static void make_rope(struct bench_set *s)
{
    struct halopRopeArgs *a = &s->u.rope;
    int64_t tokens = s->d[0], heads = s->d[1], dim = s->d[2];
    int64_t head = s->row->type == halopRopeInterleaved ? 3 * dim : dim;
    double bytes =
        (double)(tokens * heads * dim) * (s->row->in == halF32 ? 4 : 2);

    *a = (struct halopRopeArgs){ .dtype = s->row->in,
                                 .layout = (halopRopeLayout)s->row->type,
                                 .n_tokens = tokens,
                                 .n_heads = heads,
                                 .dim = dim,
                                 .n_positions = tokens,
                                 .token_stride = heads * head,
                                 .head_stride = head };
    a->x = bench_room(s, s->row->in, tokens * heads * head);
    a->cos = bench_in(s, halF32, tokens * dim / 2);
    a->sin = bench_in(s, halF32, tokens * dim / 2);
    a->positions = bench_ids(s, tokens, tokens, bench_at_each);
    s->read += bytes;
    s->written += bytes;
    s->flops = 3.0 * (double)(tokens * heads * dim);
}

static halError_t run_rope(const struct bench_set *s)
{
    return halopRope(&s->u.rope, NULL);
}

static void make_embedding(struct bench_set *s)
{
    int64_t tokens = s->d[0], vocab = s->d[1], dim = s->d[2];

    s->p[0] = bench_out(s, s->row->in, tokens * dim);
    s->p[1] = bench_room(s, s->row->in, vocab * dim);
    s->p[2] = bench_ids(s, tokens, vocab, bench_at_spread);
    s->read += s->written; /* the rows that are copied */
}

static halError_t run_embedding(const struct bench_set *s)
{
    return halopEmbedding(s->row->in, s->p[0], s->p[1], s->p[2], s->d[0],
                          s->d[1], s->d[2], NULL);
}

#define ELEMENTWISE(op_, api_, run_, flops_, dtype, name)                    \
    {                                                                        \
        .op = op_, .kind = name, .api = api_, .make = make_two, .run = run_, \
        .in = dtype, .type = flops_, .names = "tokens width",                \
        .dims = { 256, 18432 }, .full = {                                    \
            4096,                                                            \
            18432                                                            \
        }                                                                    \
    }
#define CAST(from, to, name)                                              \
    {                                                                     \
        .op = "cast", .kind = name, .api = "halopCast", .make = make_one, \
        .run = run_cast, .in = from, .out = to, .names = "tokens width",  \
        .dims = { 512, 7168 }, .full = {                                  \
            4096,                                                         \
            7168                                                          \
        }                                                                 \
    }
#define COPY(name, way, a, b, c, size)                                 \
    {                                                                  \
        .op = "copy_strided", .kind = name, .api = "halopCopyStrided", \
        .make = make_copy, .run = run_copy, .type = way,               \
        .names = "d1 d2 d3 bytes", .dims = {                           \
            a,                                                         \
            b,                                                         \
            c,                                                         \
            size                                                       \
        }                                                              \
    }
#define ROWS(op_, api_, make_, run_, dtype, name, rows, n, big)            \
    {                                                                      \
        .op = op_, .kind = name, .api = api_, .make = make_, .run = run_,  \
        .in = dtype, .out = dtype, .names = "rows n", .dims = { rows, n }, \
        .full = {                                                          \
            big,                                                           \
            n                                                              \
        }                                                                  \
    }
#define ROPE(dtype, name, layout, heads, dim)                               \
    {                                                                       \
        .op = "rope", .kind = name, .api = "halopRope", .make = make_rope,  \
        .run = run_rope, .in = dtype, .type = layout,                       \
        .names = "tokens heads dim", .dims = { 512, heads, dim }, .full = { \
            4096,                                                           \
            heads,                                                          \
            dim                                                             \
        }                                                                   \
    }
#define EMBEDDING(dtype, name)                                              \
    {                                                                       \
        .op = "embedding", .kind = name, .api = "halopEmbedding",           \
        .make = make_embedding, .run = run_embedding, .in = dtype,          \
        .names = "tokens vocab dim", .dims = { 512, 4096, 7168 }, .full = { \
            4096,                                                           \
            129280,                                                         \
            7168                                                            \
        }                                                                   \
    }

#define NORM         "rmsnorm", "halopRmsNorm", make_norm, run_norm
#define ADD_NORM     "add_rmsnorm", "halopAddRmsNorm", make_add_norm, run_add_norm
#define SOFTMAX      "softmax", "halopSoftmax", make_softmax, run_softmax
#define ROWS_OF(...) ROWS(__VA_ARGS__)

const struct bench_row bench_rows_plain[] = {
    ELEMENTWISE("add", "halopAdd", run_add, 1, halF32, "f32"),
    ELEMENTWISE("add", "halopAdd", run_add, 1, halBF16, "bf16"),
    ELEMENTWISE("add", "halopAdd", run_add, 1, halF16, "f16"),
    ELEMENTWISE("swiglu", "halopSwiGLU", run_swiglu, 5, halF32, "f32"),
    ELEMENTWISE("swiglu", "halopSwiGLU", run_swiglu, 5, halBF16, "bf16"),
    ELEMENTWISE("swiglu", "halopSwiGLU", run_swiglu, 5, halF16, "f16"),
    ROWS_OF(NORM, halF32, "f32", 512, 7168, 4096),
    ROWS_OF(NORM, halBF16, "bf16", 512, 7168, 4096),
    ROWS_OF(NORM, halF16, "f16", 512, 7168, 4096),
    ROWS_OF(NORM, halBF16, "bf16", 1, 7168, 1),
    ROWS_OF(ADD_NORM, halF32, "f32", 512, 7168, 4096),
    ROWS_OF(ADD_NORM, halBF16, "bf16", 512, 7168, 4096),
    ROWS_OF(ADD_NORM, halF16, "f16", 512, 7168, 4096),
    ROWS("mtp_combine", "halopMtpCombine", make_mtp, run_mtp, halF32, "f32",
         256, 7168, 4096),
    ROWS("mtp_combine", "halopMtpCombine", make_mtp, run_mtp, halBF16, "bf16",
         256, 7168, 4096),
    ROWS("mtp_combine", "halopMtpCombine", make_mtp, run_mtp, halF16, "f16",
         256, 7168, 4096),
    ROPE(halF32, "interleaved.f32", halopRopeInterleaved, 32, 64),
    ROPE(halBF16, "interleaved.bf16", halopRopeInterleaved, 128, 64),
    ROPE(halF16, "interleaved.f16", halopRopeInterleaved, 32, 64),
    ROPE(halF32, "half.f32", halopRopeHalf, 32, 128),
    ROPE(halBF16, "half.bf16", halopRopeHalf, 32, 128),
    ROPE(halF16, "half.f16", halopRopeHalf, 32, 128),
    ROWS_OF(SOFTMAX, halF32, "f32", 512, 4096, 4096),
    ROWS_OF(SOFTMAX, halBF16, "bf16", 512, 4096, 4096),
    ROWS_OF(SOFTMAX, halF16, "f16", 512, 4096, 4096),
    ROWS_OF(SOFTMAX, halF32, "f32", 8, 129280, 64),
    EMBEDDING(halF32, "f32"),
    EMBEDDING(halBF16, "bf16"),
    EMBEDDING(halF16, "f16"),
    CAST(halF32, halBF16, "f32.bf16"),
    CAST(halF32, halF16, "f32.f16"),
    CAST(halBF16, halF32, "bf16.f32"),
    CAST(halF16, halF32, "f16.f32"),
    CAST(halBF16, halF16, "bf16.f16"),
    CAST(halF32, halE4M3, "f32.e4m3"),
    CAST(halBF16, halE4M3, "bf16.e4m3"),
    CAST(halE4M3, halBF16, "e4m3.bf16"),
    CAST(halBF16, halE5M2, "bf16.e5m2"),
    CAST(halE5M2, halBF16, "e5m2.bf16"),
    CAST(halF32, halI8, "f32.i8"),
    CAST(halBF16, halU8, "bf16.u8"),
    CAST(halI8, halBF16, "i8.bf16"),
    CAST(halU8, halF32, "u8.f32"),
    COPY("plain", 0, 1, 1024, 8192, 1),
    COPY("plain", 0, 1, 1024, 8192, 2),
    COPY("plain", 0, 1, 1024, 4096, 4),
    COPY("plain", 0, 1, 1024, 2048, 8),
    COPY("transposed", 1, 2048, 2048, 1, 2),
    COPY("transposed", 1, 2048, 2048, 1, 4),
    COPY("heads", 2, 1024, 32, 128, 2),
    { 0 },
};
