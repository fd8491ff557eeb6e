/* SPDX-License-Identifier: Apache-2.0 */
/* test_gemm.c - gemm and gemv against plain loops in double. */
#include "tests/kernels/ops_test.h"

static void gemm_case(halDtype t, halDtype out, int64_t m, int64_t n, int64_t k,
                      int with_bias, int gemv, size_t off)
{
    struct buf x = buf_random(t, (size_t)(m * k), -1, 1, off * bytes_of(t));
    struct buf w = buf_random(t, (size_t)(n * k), -1, 1, 0);
    struct buf bias = buf_random(t, (size_t)n, -1, 1, off * bytes_of(t));
    struct buf y =
        buf_of(NULL, (size_t)(m * n) * bytes_of(out), off * bytes_of(out));

    OK((gemv ? halopGemv : halopGemm)(t, out, y.mem, x.mem, w.mem,
                                      with_bias ? bias.mem : NULL, m, n, k, 0));
    FETCH(&y);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double s = 0, mag = 0;

            for (int64_t d = 0; d < k; d++) {
                double p = at(&x, t, (size_t)(i * k + d)) *
                           at(&w, t, (size_t)(j * k + d));
                s += p;
                mag += fabs(p);
            }
            s += with_bias ? at(&bias, t, (size_t)j) : 0;
            EXPECT(&y, out, (size_t)(i * n + j), s, 1e-6, mag * 3e-7);
        }
    buf_free(&x);
    buf_free(&w);
    buf_free(&bias);
    buf_free(&y);
}

static void gemm_shapes(void **state)
{
    static const int64_t shapes[][3] = {
        { 1, 1, 1 },     { 1, 67, 33 },  { 2, 5, 16 },     { 3, 31, 17 },
        { 5, 64, 129 },  { 13, 33, 47 }, { 64, 64, 64 },   { 65, 129, 31 },
        { 100, 101, 7 }, { 4, 3, 1031 }, { 197, 61, 300 }, { 3, 4, 0 },
    };

    (void)state;
    for (unsigned s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        EACH_DTYPE(t) for (int f = 0; f < 2; f++)
        {
            halDtype out = f ? halF32 : (halDtype)t;

            gemm_case(t, out, shapes[s][0], shapes[s][1], shapes[s][2],
                      (int)(s + (unsigned)f) % 2, 0, s % 2);
            if (shapes[s][0] < 20)
                gemm_case(t, out, shapes[s][0], shapes[s][1], shapes[s][2], f,
                          1, (s + 1) % 2);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gemm_shapes),
    };

    return cmocka_run_group_tests_name("kernels.gemm", tests, NULL, NULL);
}
