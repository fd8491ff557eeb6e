/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusals.c - kernel.refuse.*: arguments that an operator must not accept.
 * Each call fails with a sentence and leaves its output poisoned.
 */
#include <stdint.h>
#include <string.h>

#include "conformance/kernels/cases.h"

enum { ELEMENTS = 256 };

/* Buffers of ELEMENTS f32, and what the output held before. */
struct bench {
    struct conf_buf a, b, out;
    void *before;
};

static struct bench bench(struct conf *c)
{
    float *zero = conf_host(c, ELEMENTS * sizeof *zero);
    struct bench t;

    memset(zero, 0, ELEMENTS * sizeof *zero);
    t.a = conf_upload(c, zero, ELEMENTS * sizeof *zero, 0);
    t.b = conf_upload(c, zero, ELEMENTS * sizeof *zero, 0);
    t.out = conf_alloc(c, ELEMENTS * sizeof *zero, 0);
    t.before = kx_snapshot(c, &t.out);
    return t;
}

static void finish(struct conf *c, struct bench *t)
{
    kx_untouched(c, &t->out, t->before);
    conf_check_zones(c, &t->a);
    conf_check_zones(c, &t->b);
}

/* Off the alignment of any element. */
#define OFF(p) ((void *)((char *)(p) + 1))

#define BAD(c, call)   CONF_FAILS((c), halErrorInvalidValue, (call))
#define DTYPE(c, call) CONF_FAILS((c), halErrorNotSupported, (call))

/* Larger than any allocation of the case: zones included. */
#define BEYOND ((int64_t)1 << 20)

static void embedding(struct conf *c)
{
    struct bench t = bench(c);
    void *o = t.out.mem, *a = t.a.mem;
    const int32_t *ids = t.b.mem;

    BAD(c, halopEmbedding(halF32, NULL, a, ids, 4, 4, 4, NULL));
    BAD(c, halopEmbedding(halF32, o, NULL, ids, 4, 4, 4, NULL));
    BAD(c, halopEmbedding(halF32, o, a, NULL, 4, 4, 4, NULL));
    BAD(c, halopEmbedding(halF32, o, a, ids, -1, 4, 4, NULL));
    BAD(c, halopEmbedding(halF32, o, a, ids, 4, -4, 4, NULL));
    BAD(c, halopEmbedding(halF32, o, a, ids, 4, 4, INT64_MAX, NULL));
    BAD(c, halopEmbedding(halF32, o, a, ids, 4, BEYOND, 4, NULL));
    BAD(c, halopEmbedding(halF32, a, a, ids, 4, 4, 4, NULL));
    BAD(c, halopEmbedding(halBF16, OFF(o), a, ids, 4, 4, 4, NULL));
    BAD(c, halopEmbedding(halF32, o, a, OFF(ids), 4, 4, 4, NULL));
    DTYPE(c, halopEmbedding(halF64, o, a, ids, 4, 4, 4, NULL));
    DTYPE(c, halopEmbedding((halDtype)99, o, a, ids, 4, 4, 4, NULL));
    CONF_OK(c, halopEmbedding(halF32, o, a, ids, 0, 4, 4, NULL));
    finish(c, &t);
}

static void rmsnorm(struct conf *c)
{
    struct bench t = bench(c);
    void *o = t.out.mem, *a = t.a.mem, *b = t.b.mem;

    BAD(c, halopRmsNorm(halF32, NULL, a, b, 2, 8, 1e-6f, NULL));
    BAD(c, halopRmsNorm(halF32, o, NULL, b, 2, 8, 1e-6f, NULL));
    BAD(c, halopRmsNorm(halF32, o, a, NULL, 2, 8, 1e-6f, NULL));
    BAD(c, halopRmsNorm(halF32, o, a, b, -2, 8, 1e-6f, NULL));
    BAD(c, halopRmsNorm(halF32, o, a, b, 2, -8, 1e-6f, NULL));
    BAD(c, halopRmsNorm(halF32, o, a, b, INT64_MAX, INT64_MAX, 1e-6f, NULL));
    BAD(c, halopRmsNorm(halF32, o, a, b, 1, BEYOND, 1e-6f, NULL));
    BAD(c, halopRmsNorm(halF32, o, (char *)o + 4, b, 2, 8, 1e-6f, NULL));
    BAD(c, halopRmsNorm(halF32, o, o, b, 2, 8, 1e-6f, NULL));
    BAD(c, halopRmsNorm(halF16, o, a, OFF(b), 2, 8, 1e-6f, NULL));
    DTYPE(c, halopRmsNorm(halI32, o, a, b, 2, 8, 1e-6f, NULL));
    BAD(c, halopAddRmsNorm(halF32, o, NULL, a, b, b, 2, 8, 1e-6f, NULL));
    BAD(c, halopAddRmsNorm(halF32, o, o, a, b, b, 2, 8, 1e-6f, NULL));
    BAD(c, halopAddRmsNorm(halF32, o, (char *)o + 512, a, (char *)o + 508, b, 2,
                           8, 1e-6f, NULL));
    BAD(c, halopAddRmsNorm(halF32, NULL, o, a, b, b, 2, 8, 1e-6f, NULL));
    DTYPE(c, halopAddRmsNorm(halU8, o, (char *)o + 512, a, b, b, 2, 8, 1e-6f,
                             NULL));
    CONF_OK(c, halopRmsNorm(halF32, o, a, b, 0, 8, 1e-6f, NULL));
    finish(c, &t);
}

static void rope(struct conf *c)
{
    struct bench t = bench(c);
    struct halopRopeArgs good = {
        .dtype = halF32, .x = t.out.mem, .cos = t.a.mem, .sin = t.a.mem,
        .positions = t.b.mem, .n_tokens = 2, .n_heads = 2, .dim = 8,
        .n_positions = 4, .token_stride = 16, .head_stride = 8,
    }, bad;
    struct halopRopeConfig config = { .dim = 7, .theta = 1e4 };
    double freq[8], factor;
    float tab[8];

#define WITH(field, value)             \
    do {                               \
        bad = good;                    \
        bad.field = (value);           \
        BAD(c, halopRope(&bad, NULL)); \
    } while (0)
    BAD(c, halopRope(NULL, NULL));
    WITH(x, NULL);
    WITH(cos, NULL);
    WITH(sin, NULL);
    WITH(positions, NULL);
    WITH(dim, 7);
    WITH(dim, -2);
    WITH(n_tokens, -1);
    WITH(n_heads, -1);
    WITH(n_positions, 0);
    WITH(n_positions, BEYOND);
    WITH(token_stride, BEYOND);
    WITH(head_stride, INT64_MAX / 2);
    WITH(head_stride, 7);  /* heads share an element */
    WITH(token_stride, 8); /* as do a token's last head and the next's first */
    WITH(x, OFF(t.out.mem));
    WITH(cos, t.out.mem);
    WITH(layout, (halopRopeLayout)7);
#undef WITH
    bad = good;
    bad.dtype = halI8;
    DTYPE(c, halopRope(&bad, NULL));
    BAD(c, halopRopeFrequencies(&config, freq, &factor)); /* odd dim */
    BAD(c, halopRopeTable(NULL, 0, 1, tab, tab));
    finish(c, &t);
}

static void softmax(struct conf *c)
{
    struct bench t = bench(c);
    void *o = t.out.mem, *a = t.a.mem;

    BAD(c, halopSoftmax(halF32, NULL, a, 2, 8, 1, NULL));
    BAD(c, halopSoftmax(halF32, o, NULL, 2, 8, 1, NULL));
    BAD(c, halopSoftmax(halF32, o, a, -2, 8, 1, NULL));
    BAD(c, halopSoftmax(halF32, o, a, 2, -8, 1, NULL));
    BAD(c, halopSoftmax(halF32, o, a, BEYOND, 1, 1, NULL));
    BAD(c, halopSoftmax(halF32, o, (char *)o + 8, 2, 8, 1, NULL));
    BAD(c, halopSoftmax(halF32, o, o, 2, 8, 1, NULL));
    BAD(c, halopSoftmax(halF32, OFF(o), a, 2, 8, 1, NULL));
    DTYPE(c, halopSoftmax(halE4M3, o, a, 2, 8, 1, NULL));
    CONF_OK(c, halopSoftmax(halF32, o, a, 0, 8, 1, NULL));
    finish(c, &t);
}

static void elements(struct conf *c)
{
    struct bench t = bench(c);
    void *o = t.out.mem, *a = t.a.mem, *b = t.b.mem;

    BAD(c, halopSwiGLU(halF32, NULL, a, b, 8, NULL));
    BAD(c, halopSwiGLU(halF32, o, NULL, b, 8, NULL));
    BAD(c, halopSwiGLU(halF32, o, a, NULL, 8, NULL));
    BAD(c, halopSwiGLU(halF32, o, a, b, -8, NULL));
    BAD(c, halopSwiGLU(halF32, o, a, b, BEYOND, NULL));
    BAD(c, halopSwiGLU(halF32, o, a, b, INT64_MAX, NULL));
    DTYPE(c, halopSwiGLU(halF64, o, a, b, 8, NULL));
    BAD(c, halopAdd(halF32, NULL, a, b, 8, NULL));
    BAD(c, halopAdd(halF32, o, a, NULL, 8, NULL));
    BAD(c, halopAdd(halF32, o, a, b, -1, NULL));
    BAD(c, halopAdd(halF32, o, a, b, BEYOND, NULL));
    BAD(c, halopAdd(halF32, o, (char *)o + 4, b, 8, NULL)); /* shifted */
    BAD(c, halopAdd(halF32, o, a, OFF(b), 8, NULL));
    BAD(c, halopSwiGLU(halF32, o, o, b, 8, NULL));
    BAD(c, halopSwiGLU(halF16, OFF(o), a, b, 8, NULL));
    BAD(c, halopCast(halF32, o, halF32, o, 8, NULL));
    BAD(c, halopCast(halF32, o, halBF16, OFF(a), 8, NULL));
    DTYPE(c, halopAdd(halU32, o, a, b, 8, NULL));
    BAD(c, halopCast(halF32, NULL, halF32, a, 8, NULL));
    BAD(c, halopCast(halF32, o, halBF16, NULL, 8, NULL));
    BAD(c, halopCast(halF32, o, halBF16, a, -8, NULL));
    BAD(c, halopCast(halF32, o, halBF16, a, BEYOND, NULL));
    DTYPE(c, halopCast(halU32, o, halBF16, a, 8, NULL));
    DTYPE(c, halopCast(halF32, o, halI64, a, 8, NULL));
    CONF_OK(c, halopAdd(halF32, o, a, b, 0, NULL));
    finish(c, &t);
}

static void gemm(struct conf *c)
{
    struct bench t = bench(c);
    void *o = t.out.mem, *a = t.a.mem, *b = t.b.mem;

    BAD(c, halopGemm(halF32, halF32, NULL, a, b, NULL, 2, 3, 4, NULL));
    BAD(c, halopGemm(halF32, halF32, o, NULL, b, NULL, 2, 3, 4, NULL));
    BAD(c, halopGemm(halF32, halF32, o, a, NULL, NULL, 2, 3, 4, NULL));
    BAD(c, halopGemm(halF32, halF32, o, a, b, NULL, -2, 3, 4, NULL));
    BAD(c, halopGemm(halF32, halF32, o, a, b, NULL, 2, -3, 4, NULL));
    BAD(c, halopGemm(halF32, halF32, o, a, b, NULL, 2, 3, -4, NULL));
    BAD(c, halopGemm(halF32, halF32, o, a, b, NULL, 2, 3, BEYOND, NULL));
    BAD(c, halopGemm(halF32, halF32, o, a, b, NULL, BEYOND, 1, 1, NULL));
    BAD(c, halopGemm(halF32, halF32, o, o, b, NULL, 2, 3, 4, NULL));
    BAD(c, halopGemm(halF32, halF32, o, a, b, o, 2, 3, 4, NULL));
    BAD(c, halopGemm(halF32, halF32, o, a, b, OFF(a), 2, 3, 4, NULL));
    BAD(c, halopGemv(halBF16, halF32, o, OFF(a), b, NULL, 1, 3, 4, NULL));
    DTYPE(c, halopGemm(halF32, halBF16, o, a, b, NULL, 2, 3, 4, NULL));
    DTYPE(c, halopGemm(halI8, halI32, o, a, b, NULL, 2, 3, 4, NULL));
    BAD(c, halopGemv(halF32, halF32, NULL, a, b, NULL, 1, 3, 4, NULL));
    BAD(c, halopGemv(halF32, halF32, o, a, b, NULL, 1, BEYOND, 4, NULL));
    BAD(c, halopGemv(halF32, halF32, o, a, b, NULL, 1, 3, -1, NULL));
    DTYPE(c, halopGemv(halF64, halF64, o, a, b, NULL, 1, 3, 4, NULL));
    CONF_OK(c, halopGemm(halF32, halF32, o, a, b, NULL, 0, 3, 4, NULL));
    finish(c, &t);
}

static void attention(struct conf *c)
{
    struct bench t = bench(c);
    struct halopAttentionArgs good = {
        .dtype = halF32, .out = halF32, .o = t.out.mem, .q = t.a.mem,
        .k = t.b.mem, .v = t.b.mem, .batch = 1, .n_q = 2, .kv_max = 3,
        .n_heads = 4, .n_kv_heads = 2, .qk_dim = 8, .v_dim = 8,
        .q_batch_stride = 64, .q_seq_stride = 32, .q_head_stride = 8,
        .k_batch_stride = 48, .k_seq_stride = 16, .k_head_stride = 8,
        .v_batch_stride = 48, .v_seq_stride = 16, .v_head_stride = 8,
        .o_batch_stride = 64, .o_seq_stride = 32, .o_head_stride = 8,
        .scale = 1, .causal = 1,
    }, bad;

#define WITH(field, value)                  \
    do {                                    \
        bad = good;                         \
        bad.field = (value);                \
        BAD(c, halopAttention(&bad, NULL)); \
    } while (0)
    BAD(c, halopAttention(NULL, NULL));
    WITH(o, NULL);
    WITH(q, NULL);
    WITH(k, NULL);
    WITH(v, NULL);
    WITH(batch, -1);
    WITH(n_q, -1);
    WITH(kv_max, -1);
    WITH(n_heads, 3); /* not a multiple of n_kv_heads */
    WITH(n_kv_heads, 0);
    WITH(qk_dim, 577);
    WITH(v_dim, 577);
    WITH(k_seq_stride, BEYOND);
    WITH(o_head_stride, BEYOND);
    WITH(q_batch_stride, INT64_MAX);
    WITH(o, t.a.mem);       /* the query */
    WITH(o_head_stride, 7); /* heads share an element */
    WITH(o_seq_stride, 0);
    WITH(lse, t.out.mem);
    WITH(q, OFF(t.a.mem));
    WITH(kv_lens, OFF(t.b.mem));
#undef WITH
    bad = good;
    bad.dtype = halI32;
    DTYPE(c, halopAttention(&bad, NULL));
    bad = good;
    bad.out = halF16;
    DTYPE(c, halopAttention(&bad, NULL));
    finish(c, &t);
}

static void argmax(struct conf *c)
{
    struct bench t = bench(c);
    int32_t *o = t.out.mem;
    void *a = t.a.mem;

    BAD(c, halopArgmax(halF32, NULL, a, 2, 8, NULL));
    BAD(c, halopArgmax(halF32, o, NULL, 2, 8, NULL));
    BAD(c, halopArgmax(halF32, o, a, -2, 8, NULL));
    BAD(c, halopArgmax(halF32, o, a, 2, 0, NULL));
    BAD(c, halopArgmax(halF32, o, a, 2, -8, NULL));
    BAD(c, halopArgmax(halF32, o, a, 1, BEYOND, NULL));
    BAD(c, halopArgmax(halF32, OFF(o), a, 2, 8, NULL));
    BAD(c, halopArgmax(halF32, o, o, 2, 8, NULL));
    DTYPE(c, halopArgmax(halI64, o, a, 2, 8, NULL));
    CONF_OK(c, halopArgmax(halF32, o, a, 0, 8, NULL));
    finish(c, &t);
}

static void copy_strided(struct conf *c)
{
    static const int64_t dims[4] = { 1, 1, 4, 8 };
    static const int64_t negative[4] = { 1, 1, -4, 8 };
    static const int64_t empty[4] = { 1, 0, 4, 8 };
    static const int64_t dense[4] = { 0, 0, 8, 1 };
    static const int64_t meet[4] = { 0, 0, 0, 1 };
    static const int64_t overlap[4] = { 0, 0, 7, 1 };
    static const int64_t far[4] = { 0, 0, BEYOND, 1 };
    static const int64_t back[4] = { 0, 0, -BEYOND, 1 };
    static const int64_t pitch[4] = { 0, 0, 12, 1 }; /* columns 0-7, 7-14 */
    struct bench t = bench(c);
    void *o = t.out.mem, *a = t.a.mem;

    BAD(c, halopCopyStrided(4, NULL, dense, a, dense, dims, NULL));
    BAD(c, halopCopyStrided(4, o, dense, NULL, dense, dims, NULL));
    BAD(c, halopCopyStrided(4, o, NULL, a, dense, dims, NULL));
    BAD(c, halopCopyStrided(4, o, dense, a, NULL, dims, NULL));
    BAD(c, halopCopyStrided(4, o, dense, a, dense, NULL, NULL));
    DTYPE(c, halopCopyStrided(3, o, dense, a, dense, dims, NULL));
    DTYPE(c, halopCopyStrided(16, o, dense, a, dense, dims, NULL));
    BAD(c, halopCopyStrided(4, o, dense, a, dense, negative, NULL));
    BAD(c, halopCopyStrided(4, o, meet, a, dense, dims, NULL));
    BAD(c, halopCopyStrided(4, o, overlap, a, dense, dims, NULL));
    BAD(c, halopCopyStrided(4, o, far, a, dense, dims, NULL));
    BAD(c, halopCopyStrided(4, o, dense, a, far, dims, NULL));
    BAD(c, halopCopyStrided(4, o, dense, a, back, dims, NULL));
    BAD(c, halopCopyStrided(4, o, dense, (char *)o + 4, dense, dims, NULL));
    BAD(c, halopCopyStrided(4, o, dense, o, dense, dims, NULL));
    BAD(c, halopCopyStrided(4, OFF(o), dense, a, dense, dims, NULL));
    BAD(c, halopCopyStrided(2, o, pitch, (char *)o + 14, pitch, dims, NULL));
    CONF_OK(c, halopCopyStrided(4, o, dense, a, dense, empty, NULL));
    finish(c, &t);
}

void kx_cases_refusals(struct conf_list *list)
{
    static const struct {
        const char *op;
        void (*run)(struct conf *c);
    } cases[] = {
        { "embedding", embedding },
        { "rmsnorm", rmsnorm },
        { "rope", rope },
        { "softmax", softmax },
        { "elements", elements },
        { "gemm", gemm },
        { "attention", attention },
        { "argmax", argmax },
        { "copy_strided", copy_strided },
    };

    for (int i = 0; i < KX_COUNT(cases); i++)
        kx_add(list, halF32, " core", cases[i].run, NULL, 0, "refuse.%s",
               cases[i].op);
}
