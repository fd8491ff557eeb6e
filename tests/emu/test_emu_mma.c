/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_emu_mma.c - the tensor cores' GEMMs on the emulator: what they compute
 * without one of their barriers, or without a wait for their copies, is wrong
 * in one of the two orders.  Their results are kernel.gemm_tuned.*'s,
 * kernel.grouped_gemm_tuned.*'s and kernel.fp8_gemm_tuned.*'s matter.
 */
#include "tests/emu/emu_mutant.h"

#include <math.h>

/* Two tiles of one group, and more steps than the ring has stages: the second
 * tile's first stage is the first one's last. */
enum { M = 130, N = 17, K = 96 };

/* Of fp8, whose steps are 32: a block of 128 k and half of one. */
enum { FP8_K = 192, BLOCKS = 2 };

/* The helpers are before. */
#define BODY "extern \"C\" __global__"

static _Alignas(16) uint16_t x[M * K], w[N * K], bias[N];
static _Alignas(16) uint8_t x8[M * FP8_K], w8[N * FP8_K];
static float x_scale[M * BLOCKS], w_scale[BLOCKS];
static float out[M * N], want[M * N];

static uint16_t bits_of(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return (uint16_t)(u >> 16);
}

/* A small integer's code: the upper half of an f16's with a smaller exponent
 * is an e4m3's, whose bias is 7. */
static uint8_t code_of(int i)
{
    unsigned a = (unsigned)abs(i), e = 0;

    if (!a)
        return 0;
    while (a >> (e + 1))
        e++;
    return (uint8_t)((i < 0 ? 128u : 0u) | (e + 7) << 3 | ((a << 3 >> e) & 7u));
}

/* Small integers: every sum is exact. */
static int x_at(int i)
{
    return i * 37 % 19 - 9;
}
static int w_at(int i)
{
    return i * 53 % 23 - 11;
}

static void fill(void)
{
    for (int i = 0; i < M * K; i++)
        x[i] = bits_of((float)x_at(i));
    for (int i = 0; i < N * K; i++)
        w[i] = bits_of((float)w_at(i));
    for (int r = 0; r < M; r++)
        for (int c = 0; c < N; c++) {
            int sum = 0;

            for (int k = 0; k < K; k++)
                sum += x_at(r * K + k) * w_at(c * K + k);
            want[r * N + c] = (float)sum;
        }
}

/* With powers of two for scales. */
static void fill_fp8(void)
{
    for (int i = 0; i < M * FP8_K; i++)
        x8[i] = code_of(x_at(i));
    for (int i = 0; i < N * FP8_K; i++)
        w8[i] = code_of(w_at(i));
    for (int i = 0; i < M * BLOCKS; i++)
        x_scale[i] = ldexpf(1, i % 5 - 2);
    for (int i = 0; i < BLOCKS; i++)
        w_scale[i] = ldexpf(1, 1 - 2 * i);
    for (int r = 0; r < M; r++)
        for (int c = 0; c < N; c++) {
            float sum = 0;

            for (int k = 0; k < FP8_K; k++)
                sum += (float)(x_at(r * FP8_K + k) * w_at(c * FP8_K + k)) *
                       x_scale[r * BLOCKS + k / 128] * w_scale[k / 128];
            want[r * N + c] = sum;
        }
}

static void bf16_needs_what_it_has(void **state)
{
    uint32_t m = M, n = N, depth = K, has_bias = 0;
    void *py = out, *px = x, *pw = w, *pb = bias;
    void *args[] = { &py, &px, &pw, &pb, &m, &n, &depth, &has_bias };
    const struct emu_subject s = {
        "gemm_mma.k", 1,    "gemm_mma_bf16_f32", 1, 256, args,
        out,          want, sizeof out,
    };

    (void)state;
    fill();
    assert_int_equal(emu_right_with(&s, BODY, "", "", 0), 1);
    emu_needs(&s, BODY, "__syncthreads()", "", 2);
    emu_needs(&s, BODY, "ptx_copy_wait3()", "", 1);
    emu_needs(&s, BODY, "ptx_copy_commit()", "", 2);
}

/* Two experts of more than a tile and of less, then one without rows; rows of
 * x by another order. */
static void moe_needs_what_it_has(void **state)
{
    enum { ROWS = M + 20, EXPERTS = 3, PAST = 4 };
    static const int32_t offsets[] = { 0, M, ROWS - PAST, ROWS - PAST };
    static int32_t gather[ROWS];
    static uint16_t we[EXPERTS * N * K];
    static float y[ROWS * N], right[ROWS * N];
    uint32_t rows = ROWS, x_rows = M, experts = EXPERTS, n = N, depth = K;
    uint32_t stride = N * K, divisor = 2;
    void *py = y, *px = x, *pw = we, *po = (void *)(uintptr_t)offsets,
         *pg = gather;
    void *args[] = { &py,     &px,      &pw, &po,    &pg,     &rows,
                     &x_rows, &experts, &n,  &depth, &stride, &divisor };
    const struct emu_subject s = {
        .file = "moe_gemm_mma.k",
        .instance = 1,
        .kernel = "moe_gemm_mma_bf16_f32",
        .grid = 1,
        .block = 256,
        .args = args,
        .out = y,
        .want = right,
        .bytes = sizeof y,
    };

    (void)state;
    fill();
    for (int i = 0; i < EXPERTS * N * K; i++)
        we[i] = bits_of((float)w_at(i));
    memset(right, 0xff, sizeof right); /* rows of nobody stay */
    for (int r = 0; r < ROWS; r++)
        gather[r] = r * 89 % M * 2 + r % 2;
    for (int r = 0; r < ROWS - PAST; r++)
        for (int c = 0; c < N; c++) {
            int sum = 0;

            for (int k = 0; k < K; k++)
                sum += x_at(gather[r] / 2 * K + k) *
                       w_at(((r >= M) * N + c) * K + k);
            right[r * N + c] = (float)sum;
        }
    assert_int_equal(emu_right_with(&s, BODY, "", "", 0), 1);
    emu_needs(&s, BODY, "__syncthreads()", "", 2);
    emu_needs(&s, BODY, "ptx_copy_wait3()", "", 1);
    emu_needs(&s, BODY, "ptx_copy_commit()", "", 2);
    emu_needs(&s, BODY, "row < past", "row < rows", 1);
    emu_needs(&s, BODY, "e * w_stride", "0u", 1);
    emu_needs(&s, "source_row", "/ divisor", "", 1);
}

static void fp8_needs_what_it_has(void **state)
{
    uint32_t m = M, n = N, depth = FP8_K, flags = 0, units = 1;
    void *py = out, *none = NULL, *px = x8, *pw = w8, *pxs = x_scale,
         *pws = w_scale;
    void *args[] = { &py,   &none, &px, &pxs,   &pw,    &pws,
                     &none, &m,    &n,  &depth, &flags, &units };
    const struct emu_subject s = {
        "fp8_gemm_mma.k", 0, "fp8_gemm_mma", 1, 128, args, out, want,
        sizeof out,
    };

    (void)state;
    fill_fp8();
    assert_int_equal(emu_right_with(&s, BODY, "", "", 0), 1);
    emu_needs(&s, BODY, "__syncthreads()", "", 2);
    emu_needs(&s, BODY, "ptx_copy_wait3()", "", 1);
    emu_needs(&s, BODY, "ptx_copy_commit()", "", 2);
    /* the sums of a block are of it alone, and the last may be short */
    emu_needs(&s, BODY, "acc[i >> 4][i >> 2 & 3u][i & 3u] = 0.0f", "", 1);
    emu_needs(&s, BODY, "|| s + 1u == steps", "", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_needs_what_it_has),
        cmocka_unit_test(moe_needs_what_it_has),
        cmocka_unit_test(fp8_needs_what_it_has),
    };

    return cmocka_run_group_tests_name("emu.mma", tests, NULL, NULL);
}
