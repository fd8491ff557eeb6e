/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_args.c - what the operators of a plain transformer refuse: see
 * args_test.h.
 */
#include "tests/kernels/args_test.h"

/* ---- the ops ------------------------------------------------------------- */

static halError_t call_add(const struct row *r, void *const *p)
{
    return halopAdd(r->t, p[0], p[1], p[2], r->n[0], 0);
}
static halError_t call_swiglu(const struct row *r, void *const *p)
{
    return halopSwiGLU(r->t, p[0], p[1], p[2], r->n[0], 0);
}
static halError_t call_cast(const struct row *r, void *const *p)
{
    return halopCast(r->t, p[0], r->u, p[1], r->n[0], 0);
}
static halError_t call_rmsnorm(const struct row *r, void *const *p)
{
    return halopRmsNorm(r->t, p[0], p[1], p[2], r->n[0], r->n[1], r->f, 0);
}
static halError_t call_add_rmsnorm(const struct row *r, void *const *p)
{
    return halopAddRmsNorm(r->t, p[0], p[1], p[2], p[3], p[4], r->n[0], r->n[1],
                           r->f, 0);
}
static halError_t call_softmax(const struct row *r, void *const *p)
{
    return halopSoftmax(r->t, p[0], p[1], r->n[0], r->n[1], r->f, 0);
}
static halError_t call_argmax(const struct row *r, void *const *p)
{
    return halopArgmax(r->t, p[0], p[1], r->n[0], r->n[1], 0);
}
static halError_t call_embedding(const struct row *r, void *const *p)
{
    return halopEmbedding(r->t, p[0], p[1], p[2], r->n[0], r->n[1], r->n[2], 0);
}
static halError_t call_gemm(const struct row *r, void *const *p)
{
    return halopGemm(r->t, r->u, p[0], p[1], p[2], p[3], r->n[0], r->n[1],
                     r->n[2], 0);
}
static halError_t call_gemv(const struct row *r, void *const *p)
{
    return halopGemv(r->t, r->u, p[0], p[1], p[2], p[3], r->n[0], r->n[1],
                     r->n[2], 0);
}
static halError_t call_copy(const struct row *r, void *const *p)
{
    const int64_t dims[4] = { 1, 2, 3, 4 }, dense[4] = { 24, 12, 4, 1 };

    (void)r;
    return halopCopyStrided(4, p[0], dense, p[1], dense, dims, 0);
}

static struct halopRopeArgs good_rope(void *const *p)
{
    return (struct halopRopeArgs){
        .dtype = halF32,
        .x = p[0],
        .cos = p[1],
        .sin = p[2],
        .positions = p[3],
        .n_tokens = 2,
        .n_heads = 2,
        .dim = 4,
        .n_positions = 3,
        .token_stride = 8,
        .head_stride = 4,
    };
}
static halError_t call_rope(const struct row *r, void *const *p)
{
    struct halopRopeArgs args = good_rope(p);

    (void)r;
    return halopRope(&args, 0);
}

static struct halopAttentionArgs good_attention(void *const *p)
{
    return (struct halopAttentionArgs){
        .dtype = halF32,
        .out = halF32,
        .o = p[0],
        .lse = p[1],
        .q = p[2],
        .k = p[3],
        .v = p[4],
        .kv_lens = p[5],
        .batch = 2,
        .n_q = 2,
        .kv_max = 2,
        .n_heads = 2,
        .n_kv_heads = 1,
        .qk_dim = 4,
        .v_dim = 4,
        .q_batch_stride = 16,
        .q_seq_stride = 8,
        .q_head_stride = 4,
        .k_batch_stride = 8,
        .k_seq_stride = 4,
        .v_batch_stride = 8,
        .v_seq_stride = 4,
        .o_batch_stride = 16,
        .o_seq_stride = 8,
        .o_head_stride = 4,
        .scale = 1,
    };
}
static halError_t call_attention(const struct row *r, void *const *p)
{
    struct halopAttentionArgs args = good_attention(p);

    (void)r;
    return halopAttention(&args, 0);
}

static const struct op add = { "halopAdd", call_add, { "*y", "=a", "=b" } };
static const struct op swiglu = { "halopSwiGLU",
                                  call_swiglu,
                                  { "*y", "gate", "up" } };
static const struct op cast = { "halopCast", call_cast, { "*y", "x" } };
static const struct op rmsnorm = { "halopRmsNorm",
                                   call_rmsnorm,
                                   { "*y", "x", "w" } };
static const struct op add_rmsnorm = { "halopAddRmsNorm",
                                       call_add_rmsnorm,
                                       { "*y", "*sum", "x", "residual", "w" } };
static const struct op softmax = { "halopSoftmax",
                                   call_softmax,
                                   { "*y", "x" } };
static const struct op argmax = { "halopArgmax",
                                  call_argmax,
                                  { "*index", "x" } };
static const struct op embedding = { "halopEmbedding",
                                     call_embedding,
                                     { "*out", "table", "ids" } };
static const struct op gemm = { "halopGemm",
                                call_gemm,
                                { "*y", "x", "w", "?bias" } };
static const struct op gemv = { "halopGemv",
                                call_gemv,
                                { "*y", "x", "w", "?bias" } };
static const struct op copy = { "halopCopyStrided", call_copy, { "*y", "x" } };
static const struct op rope = { "halopRope",
                                call_rope,
                                { "*x", "cos", "sin", "positions" } };
static const struct op attention = { "halopAttention",
                                     call_attention,
                                     { "*o", "?*lse", "q", "k", "v",
                                       "?kv_lens" } };

static const struct row good[] = {
    { .op = &add, .n = { 4 } },
    { .op = &swiglu, .n = { 4 } },
    { .op = &cast, .n = { 4 } },
    { .op = &rmsnorm, .n = { 2, 4 }, .f = 1e-6f },
    { .op = &add_rmsnorm, .n = { 2, 4 }, .f = 1e-6f },
    { .op = &softmax, .n = { 2, 4 }, .f = 1 },
    { .op = &argmax, .n = { 2, 4 } },
    { .op = &embedding, .n = { 2, 3, 4 } },
    { .op = &gemm, .n = { 5, 2, 3 } },
    { .op = &gemm, .n = { 1, 2, 3 } },
    { .op = &gemv, .n = { 2, 2, 3 } },
    { .op = &copy },
    { .op = &rope },
    { .op = &attention },
};
#define N_GOOD (sizeof good / sizeof good[0])

static void each_tensor(void **state)
{
    (void)state;
    args_each_tensor(good, N_GOOD);
}

static void each_overlap(void **state)
{
    (void)state;
    args_each_overlap(good, N_GOOD);
}

/* One memory under two addresses is still one memory. */
static void two_addresses(void **state)
{
    void *host, *device;
    halError_t st;

    (void)state;
    st = halHostAlloc(&host, 64, halHostAllocMapped);
    if (st == halErrorNotSupported)
        skip();
    OK(st);
    st = halHostGetDevicePointer(&device, host, 0);
    if (st == halErrorNotSupported) {
        OK(halFreeHost(host));
        skip();
    }
    OK(st);
    (void)halGetLastError();
    refused(halErrorInvalidValue,
            halopSwiGLU(halF32, host, device, buffers[0], 4, 0), "halopSwiGLU",
            "y overlaps gate", "", __LINE__);
    OK(halFreeHost(host));
}

/* ---- what one op refuses ------------------------------------------------- */

#define UNKNOWN halErrorNotSupported /* dtype */
static const struct row bad[] = {
    { &add, "n is -1", .n = { -1 } },
    { &add, "y needs 8196 bytes", .n = { 2049 } },
    { &add, "dtype is halF64 (3); it must be halF32, halF16 or halBF16",
      .n = { 4 }, .t = halF64, .want = UNKNOWN },
    { &add, "dtype is no halDtype (99)", .n = { 4 }, .t = (halDtype)99,
      .want = UNKNOWN },
    { &add, "dtype is no halDtype (-1)", .n = { 4 }, .t = (halDtype)-1,
      .want = UNKNOWN },
    { &cast, "from is halF64 (3); it must be", .n = { 4 }, .u = halF64,
      .want = UNKNOWN },
    { &cast, "to is halU32 (9); it must be", .n = { 4 }, .t = halU32,
      .want = UNKNOWN },
    { &cast, "from is halE4M3 and to is halI8", .n = { 4 }, .t = halI8,
      .u = halE4M3, .want = UNKNOWN },
    { &rmsnorm, "eps is -1", .n = { 2, 4 }, .f = -1 },
    { &rmsnorm, "eps is nan", .n = { 2, 4 }, .f = NAN },
    { &rmsnorm, "eps is inf", .n = { 2, 4 }, .f = INFINITY },
    { &rmsnorm, "rows is -2", .n = { -2, 4 } },
    { &rmsnorm, "y has 1099511627776 elements", .n = { 1 << 20, 1 << 20 } },
    { &rmsnorm, "rows is 9223372036854775807", .n = { INT64_MAX, INT64_MAX },
      .want = halErrorInvalidValue },
    { &softmax, "scale is inf", .n = { 2, 4 }, .f = INFINITY },
    { &argmax, "n is 0", .n = { 2, 0 } },
    { &embedding, "table needs", .n = { 2, 9999, 2 } },
    { &gemm, "k is -1", .n = { 2, 2, -1 } },
    { &gemm, "out is halBF16 (2); it must be halF32 or halF16",
      .n = { 2, 2, 2 }, .t = halF16, .u = halBF16, .want = UNKNOWN },
    { &gemm, "out is halBF16 (2); it must be halF32", .n = { 2, 2, 2 },
      .u = halBF16, .want = UNKNOWN },
};

static void each_row(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        void *p[TENSORS];

        places(p);
        refused(bad[i].want ? bad[i].want : halErrorInvalidValue,
                bad[i].op->call(&bad[i], p), bad[i].op->name, bad[i].words, "",
                (int)i);
    }
}

/* One field of an op's struct, and what is said of its value. */
struct field {
    size_t offset;
    int64_t value;
    const char *words;
    halError_t want;
};
#define AT(type, field) offsetof(struct type, field)

static void attention_fields(void **state)
{
    static const struct field fields[] = {
        { AT(halopAttentionArgs, n_kv_heads), 3, "n_kv_heads, 3", 0 },
        { AT(halopAttentionArgs, n_kv_heads), 0, "n_kv_heads, 0", 0 },
        { AT(halopAttentionArgs, v_dim), 577, "v_dim 577", 0 },
        { AT(halopAttentionArgs, qk_dim), 0, "qk_dim is 0", 0 },
        { AT(halopAttentionArgs, batch), -1, "batch is -1", 0 },
        { AT(halopAttentionArgs, n_heads), 65536, "n_heads is 65536", 0 },
        { AT(halopAttentionArgs, n_q), INT32_MAX, "must lie below 2^31", 0 },
        { AT(halopAttentionArgs, k_seq_stride), -4, "k_seq_stride is -4", 0 },
        { AT(halopAttentionArgs, k_seq_stride), 4096, "k needs", 0 },
        { AT(halopAttentionArgs, q_batch_stride), UINT32_MAX, "q spans", 0 },
        /* elements of o that two rows share */
        { AT(halopAttentionArgs, o_head_stride), 3, "strides of o", 0 },
        { AT(halopAttentionArgs, o_seq_stride), 0, "strides of o", 0 },
        { AT(halopAttentionArgs, o_batch_stride), 8, "strides of o", 0 },
    };
    struct halopAttentionArgs t;
    void *p[TENSORS];

    (void)state;
    places(p);
    refused(halErrorInvalidValue, halopAttention(NULL, 0), "halopAttention",
            "args is NULL", "", __LINE__);
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        t = good_attention(p);
        memcpy((char *)&t + fields[i].offset, &fields[i].value, 8);
        refused(halErrorInvalidValue, halopAttention(&t, 0), "halopAttention",
                fields[i].words, "", (int)i);
    }
    t = good_attention(p);
    t.scale = NAN;
    refused(halErrorInvalidValue, halopAttention(&t, 0), "halopAttention",
            "scale is nan", "", __LINE__);
    t = good_attention(p);
    t.out = halF16;
    refused(halErrorNotSupported, halopAttention(&t, 0), "halopAttention",
            "out is halF16 (1); it must be halF32", "", __LINE__);
}

static void rope_fields(void **state)
{
    static const struct field fields[] = {
        { AT(halopRopeArgs, dim), 3, "dim is 3", 0 },
        { AT(halopRopeArgs, n_positions), 0, "n_positions is 0", 0 },
        { AT(halopRopeArgs, n_tokens), INT32_MAX, "must lie below 2^31", 0 },
        { AT(halopRopeArgs, token_stride), 4000, "x needs", 0 },
        { AT(halopRopeArgs, n_positions), 3000, "cos needs", 0 },
        /* elements of x that would be rotated twice */
        { AT(halopRopeArgs, head_stride), 2, "strides of x", 0 },
        { AT(halopRopeArgs, head_stride), 8, "strides of x", 0 },
        { AT(halopRopeArgs, token_stride), 4, "strides of x", 0 },
        { AT(halopRopeArgs, token_stride), 0, "strides of x", 0 },
    };
    struct halopRopeArgs t;
    void *p[TENSORS];

    (void)state;
    places(p);
    refused(halErrorInvalidValue, halopRope(NULL, 0), "halopRope",
            "args is NULL", "", __LINE__);
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        t = good_rope(p);
        memcpy((char *)&t + fields[i].offset, &fields[i].value, 8);
        refused(halErrorInvalidValue, halopRope(&t, 0), "halopRope",
                fields[i].words, "", (int)i);
    }
    t = good_rope(p);
    t.layout = (halopRopeLayout)7;
    refused(halErrorInvalidValue, halopRope(&t, 0), "halopRope", "layout is 7",
            "", __LINE__);
}

static void copy_arguments(void **state)
{
    const int64_t dims[4] = { 1, 2, 3, 4 }, dense[4] = { 24, 12, 4, 1 };
    const int64_t far = (int64_t)1 << 31;
    const struct {
        const char *words;
        int bytes;
        int64_t ys[4], xs[4], dims[4];
        halError_t want;
    } rows[] = {
        { "strides of y are not nested: 3 must be more than 3,",
          4,
          { 24, 12, 3, 1 },
          { 24, 12, 4, 1 },
          { 1, 2, 3, 4 },
          halErrorInvalidValue },
        { "0 bytes into its allocation; its negative strides reach 32 bytes",
          4,
          { 24, 12, 4, 1 },
          { 24, 12, -4, 1 },
          { 1, 2, 3, 4 },
          halErrorInvalidValue },
        { "dims[1] is -1",
          4,
          { 24, 12, 4, 1 },
          { 24, 12, 4, 1 },
          { 1, -1, 3, 4 },
          halErrorInvalidValue },
        { "x_strides[2] is 2147483648",
          4,
          { 24, 12, 4, 1 },
          { 24, 12, far, 1 },
          { 1, 2, 3, 4 },
          halErrorInvalidValue },
        { "elem_bytes is 3; it must be 1, 2, 4 or 8",
          3,
          { 24, 12, 4, 1 },
          { 24, 12, 4, 1 },
          { 1, 2, 3, 4 },
          halErrorNotSupported },
        { "dims are",
          4,
          { 24, 12, 4, 1 },
          { 24, 12, 4, 1 },
          { 65536, 65536, 3, 4 },
          halErrorInvalidValue },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(rows[i].want,
                halopCopyStrided(rows[i].bytes, buffers[0], rows[i].ys,
                                 buffers[1], rows[i].xs, rows[i].dims, 0),
                "halopCopyStrided", rows[i].words, "", (int)i);
    refused(halErrorInvalidValue,
            halopCopyStrided(4, buffers[0], NULL, buffers[1], dense, dims, 0),
            "halopCopyStrided", "y_strides is NULL; it holds 4 strides", "",
            __LINE__);
    refused(halErrorInvalidValue,
            halopCopyStrided(4, buffers[0], dense, buffers[1], dense, NULL, 0),
            "halopCopyStrided", "dims is NULL; it holds 4 sizes", "", __LINE__);
}

/* The failure of a hal call beneath an op is told under the op's name. */
static void dead_stream(void **state)
{
    halStream_t stream;
    void *p[TENSORS];

    (void)state;
    OK(halStreamCreate(&stream));
    OK(halStreamDestroy(stream));
    places(p);
    refused(halErrorInvalidHandle,
            halopAdd(halF32, p[0], p[1], p[2], 4, stream), "halopAdd",
            "was destroyed", "", __LINE__);
}

/* ---- what is fine -------------------------------------------------------- */

static void good_calls(void **state)
{
    (void)state;
    args_good_calls(good, N_GOOD);
}

/* A size of 0 looks at no tensor. */
static void nothing_to_do(void **state)
{
    static const struct row rows[] = {
        { .op = &add },
        { .op = &swiglu },
        { .op = &cast },
        { .op = &rmsnorm, .n = { 0, 4 } },
        { .op = &rmsnorm, .n = { 4, 0 } },
        { .op = &add_rmsnorm, .n = { 0, 4 } },
        { .op = &softmax, .n = { 0, 4 } },
        { .op = &argmax, .n = { 0, 4 } },
        { .op = &embedding, .n = { 0, 3, 4 } },
        { .op = &embedding, .n = { 2, 3, 0 } },
        { .op = &gemm, .n = { 0, 2, 2 } },
        { .op = &gemv, .n = { 2, 0, 2 } },
    };
    const int64_t dims[4] = { 1, 0, 3, 4 }, dense[4] = { 24, 12, 4, 1 };
    void *const p[TENSORS] = { NULL };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        OK(rows[i].op->call(&rows[i], p));
    OK(halopCopyStrided(4, NULL, dense, NULL, dense, dims, 0));
    /* no depth, no vocabulary: what is not read may be NULL */
    OK(halopGemm(halF32, halF32, buffers[0], NULL, NULL, NULL, 2, 2, 0, 0));
    OK(halopEmbedding(halF32, buffers[0], NULL, (const int32_t *)buffers[1], 2,
                      0, 4, 0));
    OK(halDeviceSynchronize());
    unwritten(__LINE__); /* these two write zeros */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tensor),      cmocka_unit_test(each_overlap),
        cmocka_unit_test(two_addresses),    cmocka_unit_test(each_row),
        cmocka_unit_test(attention_fields), cmocka_unit_test(rope_fields),
        cmocka_unit_test(copy_arguments),   cmocka_unit_test(dead_stream),
        cmocka_unit_test(good_calls),       cmocka_unit_test(nothing_to_do),
    };

    return cmocka_run_group_tests_name("kernels.args", tests, args_setup,
                                       args_teardown);
}
