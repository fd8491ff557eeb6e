/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_emu_mma.c - the tensor cores' GEMM on the emulator: what it computes
 * without one of its barriers, or without a wait for its copies, is wrong in
 * one of the two orders.  Its results are kernel.gemm_tuned.*'s matter.
 */
#include "tests/emu/emu_test.h"

#include <math.h>

#include "compiler/compile.h"

/* Two tiles of one group, and more steps than the ring has stages: the second
 * tile's first stage is the first one's last. */
enum { M = 130, N = 17, K = 96 };

static _Alignas(16) uint16_t x[M * K], w[N * K], bias[N];
static float out[M * N], want[M * N];

static uint16_t bits_of(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return (uint16_t)(u >> 16);
}

/* Small integers: every sum is exact. */
static void fill(void)
{
    static float fx[M * K], fw[N * K];

    for (int i = 0; i < M * K; i++)
        x[i] = bits_of(fx[i] = (float)(i * 37 % 19 - 9));
    for (int i = 0; i < N * K; i++)
        w[i] = bits_of(fw[i] = (float)(i * 53 % 23 - 11));
    for (int r = 0; r < M; r++)
        for (int c = 0; c < N; c++) {
            float sum = 0;

            for (int k = 0; k < K; k++)
                sum += fx[r * K + k] * fw[c * K + k];
            want[r * N + c] = sum;
        }
}

static char text[65536]; /* the kernel's, in CUDA C++ */

static void expand(void)
{
    static char source[32768];
    const struct compile_request req = { .source = source,
                                         .name = "gemm_mma.k",
                                         .include_dir = "kernels/tuned/cuda" };
    struct hal_message msg = { "" };
    char *expanded = NULL;
    FILE *f = fopen("kernels/tuned/cuda/gemm_mma.k", "r");

    assert_non_null(f);
    source[fread(source, 1, sizeof source - 1, f)] = '\0';
    fclose(f);
    if (compile_expand(&req, "cuda", 1, &expanded, &msg) != COMPILE_OK)
        fail_msg("%s", msg.text);
    assert_true(strlen(expanded) < sizeof text);
    strcpy(text, expanded);
    free(expanded);
}

/* Whether the kernel is right without the nth of the calls in its body; -1:
 * there is no nth.  An empty word: as it is. */
static int right_without(const char *word, int nth)
{
    uint32_t m = M, n = N, depth = K, has_bias = 0;
    void *py = out, *px = x, *pw = w, *pb = bias;
    void *args[] = { &py, &px, &pw, &pb, &m, &n, &depth, &has_bias };
    const unsigned grid[3] = { 1, 1, 1 }, block[3] = { 256, 1, 1 };
    struct emu_library e;
    int good = 1;
    char *at;

    expand();
    at = strstr(text, "extern \"C\" __global__"); /* the helpers are before */
    assert_non_null(at);
    for (int i = 0; i <= nth && at && *word; i++)
        at = strstr(at + 1, word);
    if (!at)
        return -1;
    memset(at, ' ', strlen(word));
    e = emu_make_text(text);
    for (int reverse = 0; reverse < 2; reverse++) {
        setenv("HALCYON_EMU_ORDER", reverse ? "reversed" : "forward", 1);
        memset(out, 0xff, sizeof out);
        if (e.launch(e.find("gemm_mma_bf16_f32"), grid, block, 0, args))
            fail_msg("%s", e.error());
        good &= memcmp(out, want, sizeof out) == 0;
    }
    unsetenv("HALCYON_EMU_ORDER");
    dlclose(e.handle);
    return good;
}

static void needs(const char *word, int times)
{
    int n = 0, is;

    while ((is = right_without(word, n)) >= 0) {
        if (is)
            fail_msg("right without %s number %d", word, n);
        n++;
    }
    assert_int_equal(n, times);
}

static void needs_what_it_has(void **state)
{
    (void)state;
    fill();
    assert_int_equal(right_without("", 0), 1);
    needs("__syncthreads()", 2);
    needs("ptx_copy_wait3()", 1);
    needs("ptx_copy_commit()", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(needs_what_it_has) };

    return cmocka_run_group_tests_name("emu.mma", tests, NULL, NULL);
}
