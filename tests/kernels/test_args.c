/* SPDX-License-Identifier: Apache-2.0 */
/* test_args.c - every refused argument is named, and nothing is written. */
#include "tests/kernels/ops_test.h"

static void refuses(halError_t want, halError_t st, const char *op,
                    const char *words, int line)
{
    const char *detail = halGetErrorDetail();

    if (st != want || strncmp(detail, op, strlen(op)) || !strstr(detail, words))
        fail_msg("line %d: %s: \"%s\" is not \"%s: ... %s\"", line,
                 halGetErrorName(st), detail, op, words);
}
#define BAD(op, words, args) \
    refuses(halErrorInvalidValue, op args, #op, words, __LINE__)
#define UNSUPPORTED(op, words, args) \
    refuses(halErrorNotSupported, op args, #op, words, __LINE__)

static char *a, *b, *y; /* 4096 bytes each */

static void elementwise(void **state)
{
    char host[64];

    (void)state;
    BAD(halopAdd, "y is NULL", (halF32, NULL, a, b, 4, 0));
    BAD(halopAdd, "b is NULL", (halF32, y, a, NULL, 4, 0));
    BAD(halopAdd, "n is -1", (halF32, y, a, b, -1, 0));
    BAD(halopAdd, "a needs 4100 bytes", (halF32, y, a, b, 1025, 0));
    BAD(halopAdd, "aligned", (halF32, y + 2, a, b, 4, 0));
    BAD(halopAdd, "no live device pointer", (halF32, y, host, b, 4, 0));
    BAD(halopAdd, "y overlaps a", (halF32, a + 4, a, b, 4, 0));
    BAD(halopSwiGLU, "y overlaps gate", (halF32, a, a, b, 4, 0));
    BAD(halopCast, "y overlaps x", (halF32, a, halBF16, a, 4, 0));
    UNSUPPORTED(halopAdd, "dtype is dtype 3", (halF64, y, a, b, 4, 0));
    UNSUPPORTED(halopCast, "from", (halF32, y, halI8, b, 4, 0));
    OK(halopAdd(halF32, NULL, NULL, NULL, 0, 0));
    OK(halopAdd(halBF16, y + 2, a + 6, b, 4, 0));
}

static void rows(void **state)
{
    int32_t *index = (int32_t *)y;

    (void)state;
    BAD(halopRmsNorm, "w is NULL", (halF32, y, a, NULL, 2, 4, 1e-6f, 0));
    BAD(halopRmsNorm, "eps", (halF32, y, a, b, 2, 4, -1.0f, 0));
    BAD(halopRmsNorm, "eps", (halF32, y, a, b, 2, 4, NAN, 0));
    BAD(halopRmsNorm, "rows", (halF32, y, a, b, -2, 4, 1e-6f, 0));
    BAD(halopRmsNorm, "rows x n",
        (halF32, y, a, b, 1 << 20, 1 << 20, 1e-6f, 0));
    BAD(halopAddRmsNorm, "y overlaps sum",
        (halF32, y, y, a, a, b, 2, 4, 1e-6f, 0));
    BAD(halopSoftmax, "scale", (halF32, y, a, 2, 4, INFINITY, 0));
    BAD(halopSoftmax, "x needs", (halF32, y, a + 4092, 1, 2, 1, 0));
    BAD(halopArgmax, "n is 0", (halF32, index, a, 2, 0, 0));
    BAD(halopEmbedding, "ids is NULL", (halF32, y, a, NULL, 2, 2, 2, 0));
    BAD(halopEmbedding, "table", (halF32, y, a, (int32_t *)b, 2, 9999, 2, 0));
    OK(halopRmsNorm(halF32, NULL, NULL, NULL, 0, 4, 1e-6f, 0));
}

static void gemm(void **state)
{
    (void)state;
    BAD(halopGemm, "w is NULL", (halF32, halF32, y, a, NULL, 0, 2, 2, 2, 0));
    BAD(halopGemm, "k is -1", (halF32, halF32, y, a, b, 0, 2, 2, -1, 0));
    BAD(halopGemm, "bias needs",
        (halF32, halF32, y, a, b, b + 4092, 2, 2, 2, 0));
    BAD(halopGemv, "y overlaps x", (halF32, halF32, a, a, b, 0, 2, 2, 2, 0));
    UNSUPPORTED(halopGemm, "out is bf16",
                (halF16, halBF16, y, a, b, 0, 2, 2, 2, 0));
    UNSUPPORTED(halopGemm, "out is bf16",
                (halF32, halBF16, y, a, b, 0, 2, 2, 2, 0));
    OK(halopGemm(halF32, halF32, NULL, a, b, NULL, 0, 2, 2, 0));
}

static void strided(void **state)
{
    const int64_t dims[4] = { 1, 2, 3, 4 }, ys[4] = { 24, 12, 4, 1 };
    const int64_t meets[4] = { 24, 12, 3, 1 }, back[4] = { 24, 12, -4, 1 };
    const int64_t empty[4] = { 1, 0, 3, 4 }, minus[4] = { 1, -1, 3, 4 };

    (void)state;
    BAD(halopCopyStrided, "dims is NULL", (4, y, ys, a, ys, NULL, 0));
    BAD(halopCopyStrided, "meet", (4, y, meets, a, ys, dims, 0));
    BAD(halopCopyStrided, "x is", (4, y, ys, a, back, dims, 0));
    BAD(halopCopyStrided, "dims[1] is -1", (4, y, ys, a, ys, minus, 0));
    BAD(halopCopyStrided, "y overlaps x", (4, a, ys, a, ys, dims, 0));
    UNSUPPORTED(halopCopyStrided, "elem_bytes is 3",
                (3, y, ys, a, ys, dims, 0));
    OK(halopCopyStrided(4, NULL, ys, NULL, ys, empty, 0));
}

static void attention(void **state)
{
    struct halopAttentionArgs good = {
        .dtype = halF32, .out = halF32, .o = y, .q = a, .k = b, .v = b,
        .batch = 1, .n_q = 2, .kv_max = 2, .n_heads = 2, .n_kv_heads = 1,
        .qk_dim = 4, .v_dim = 4, .q_seq_stride = 8, .q_head_stride = 4,
        .k_seq_stride = 4, .v_seq_stride = 4, .o_seq_stride = 8,
        .o_head_stride = 4, .scale = 1,
    }, t;

    (void)state;
    BAD(halopAttention, "args is NULL", (NULL, 0));
    OK(halopAttention(&good, 0));
    t = good;
    t.n_kv_heads = 3;
    BAD(halopAttention, "n_kv_heads", (&t, 0));
    t = good;
    t.v_dim = 577;
    BAD(halopAttention, "v_dim", (&t, 0));
    t = good;
    t.k_seq_stride = -4;
    BAD(halopAttention, "stride of k", (&t, 0));
    t = good;
    t.k_seq_stride = 4096;
    BAD(halopAttention, "k needs", (&t, 0));
    t = good;
    t.o = a;
    BAD(halopAttention, "o overlaps q", (&t, 0));
    t = good;
    t.scale = NAN;
    BAD(halopAttention, "scale", (&t, 0));
    t = good;
    t.out = halF16;
    UNSUPPORTED(halopAttention, "out is f16", (&t, 0));
}

static void rope(void **state)
{
    struct halopRopeArgs good = {
        .dtype = halF32, .x = y, .cos = (float *)a, .sin = (float *)a,
        .positions = (int32_t *)b, .n_tokens = 2, .n_heads = 2, .dim = 4,
        .n_positions = 3, .token_stride = 8, .head_stride = 4,
    }, t;

    (void)state;
    BAD(halopRope, "args is NULL", (NULL, 0));
    OK(halopRope(&good, 0));
    t = good;
    t.dim = 3;
    BAD(halopRope, "dim is 3", (&t, 0));
    t = good;
    t.head_stride = 2;
    BAD(halopRope, "head_stride", (&t, 0));
    t = good;
    t.n_positions = 0;
    BAD(halopRope, "n_positions", (&t, 0));
    t = good;
    t.x = a;
    BAD(halopRope, "x overlaps cos", (&t, 0));
}

static void freed_memory(void **state)
{
    void *p;

    (void)state;
    OK(halMalloc(&p, 64));
    OK(halFree(p));
    BAD(halopAdd, "a is", (halF32, y, p, b, 4, 0));
}

static int setup(void **state)
{
    (void)state;
    OK(halMalloc((void **)&a, 4096));
    OK(halMalloc((void **)&b, 4096));
    OK(halMalloc((void **)&y, 8192));
    OK(halMemset(b, 0, 4096));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elementwise),  cmocka_unit_test(rows),
        cmocka_unit_test(gemm),         cmocka_unit_test(strided),
        cmocka_unit_test(attention),    cmocka_unit_test(rope),
        cmocka_unit_test(freed_memory),
    };

    return cmocka_run_group_tests_name("kernels.args", tests, setup, NULL);
}
