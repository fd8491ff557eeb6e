/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_emu_norm.c - the norms by 16-byte loads on the emulator: with an edit of
 * one of their steps, guards or barriers they compute something else, in one of
 * the two orders.  Their results are kernel.rmsnorm_tuned.*'s matter.
 */
#include "tests/emu/emu_mutant.h"

#include <math.h>

/* A row of up to 1024 f32 is a warp's, and a group has more than 8 of them; a
 * longer one is a group's.  Both leave the last chunks of 16 bytes to some of
 * the threads. */
enum { WARP_ROWS = 9, WARP_N = 260, GROUP_ROWS = 4, GROUP_N = 6148 };
enum { ROOM = (GROUP_ROWS + 1) * GROUP_N };

static _Alignas(16) float x[ROOM], w[ROOM], y[ROOM], want[ROOM];

/* The same number or its negative in all of a row, a power of two: the mean of
 * squares is exact, and the root is that number.  Some have squares that
 * overflow, or vanish. */
static void fill(int rows, int n)
{
    static const int powers[] = { 0, 70, 3, -80, 1 };

    for (int i = 0; i < n; i++)
        w[i] = (float)(i % 7 - 3);
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < n; i++) {
            float sign = (i * 5 + r) % 3 ? 1 : -1;

            x[r * n + i] = ldexpf(sign, powers[r % 5]);
            want[r * n + i] = sign * w[i];
        }
}

struct edit {
    const char *from, *word, *instead;
    int nth;
};

#define BODY   "extern \"C\" __global__"
#define SECOND "float m = 0.0f" /* where squares overflow or vanish */

static const struct edit of_warps[] = {
    { BODY, "first + c * width < chunks", "true", 0 },
    { BODY, "i >= chunks", "false", 0 },
    { BODY, "by = 16", "by = 8", 0 },
    { SECOND, "by = 16", "by = 8", 1 }, /* of the sum; the largest are equal */
    { BODY, "ss <= 1.0e38f", "true", 0 },
    { SECOND, "ss = 0.0f", "", 0 },
};
static const struct edit of_groups[] = {
    { BODY, "first + c * width < chunks", "true", 0 },
    { "hal_group_sum(float v", "__syncthreads()", "", 0 },
    { "hal_group_sum(float v", "__syncthreads()", "", 1 },
    { SECOND, "s = __uint_as_float", "m = __uint_as_float", 0 },
};

static void needs(int r, int k, const struct edit *edits, size_t n_edits)
{
    uint32_t rows = (uint32_t)r, n = (uint32_t)k;
    float eps = 0;
    void *py = y, *px = x, *pw = w;
    void *args[] = { &py, &px, &pw, &rows, &n, &eps };
    const struct emu_subject s = {
        .file = "rmsnorm_wide.k",
        .kernel = "rmsnorm_wide_f32",
        .grid = 1,
        .block = 256,
        .args = args,
        .out = y,
        .want = want,
        .bytes = (size_t)(r * k) * sizeof *y,
    };

    fill(r, k);
    assert_int_equal(emu_right_with(&s, "", "", "", 0), 1);
    for (size_t i = 0; i < n_edits; i++) {
        const struct edit *e = &edits[i];

        if (emu_right_with(&s, e->from, e->word, e->instead, e->nth) != 0)
            fail_msg("rows of %d: right with \"%s\" for \"%s\" number %d, or "
                     "there is none",
                     k, e->instead, e->word, e->nth);
    }
}

static void warps_need_what_they_have(void **state)
{
    (void)state;
    needs(WARP_ROWS, WARP_N, of_warps, sizeof of_warps / sizeof *of_warps);
}

static void groups_need_what_they_have(void **state)
{
    (void)state;
    needs(GROUP_ROWS, GROUP_N, of_groups, sizeof of_groups / sizeof *of_groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warps_need_what_they_have),
        cmocka_unit_test(groups_need_what_they_have),
    };

    return cmocka_run_group_tests_name("emu.norm", tests, NULL, NULL);
}
