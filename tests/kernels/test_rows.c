/* SPDX-License-Identifier: Apache-2.0 */
/* test_rows.c - operators on rows against plain loops in double. */
#include "tests/kernels/ops_test.h"

static void softmax_rows(void **state)
{
    (void)state;
    EACH_DTYPE(t) for (unsigned l = 0; l < N_LENGTHS; l++)
    {
        const int64_t rows = 5, n = lengths[l];
        const float scale = l % 2 ? -0.7f : 1.3f;
        struct buf x =
            buf_random(t, (size_t)(rows * n), -20, 20, bytes_of(t) * (l % 2));
        struct buf y = buf_of(NULL, (size_t)(rows * n) * bytes_of(t), 0);

        OK(halopSoftmax(t, y.mem, x.mem, rows, n, scale, 0));
        FETCH(&y);
        for (int64_t r = 0; r < rows; r++) {
            double m = -INFINITY, s = 0;

            for (int64_t i = 0; i < n; i++)
                m = fmax(m, at(&x, t, (size_t)(r * n + i)) * scale);
            for (int64_t i = 0; i < n; i++)
                s += exp(at(&x, t, (size_t)(r * n + i)) * scale - m);
            for (int64_t i = 0; i < n; i++)
                EXPECT(&y, t, (size_t)(r * n + i),
                       exp(at(&x, t, (size_t)(r * n + i)) * scale - m) / s,
                       /* 40 * 2^-24 of the exponent, and exp itself */
                       5e-6, 1e-37);
        }
        buf_free(&x);
        buf_free(&y);
    }
}

static void softmax_special(void **state)
{
    enum { N = 37, ROWS = 7 };
    static float x[ROWS][N], want[ROWS][N];
    struct buf xb, yb;

    (void)state;
    for (int i = 0; i < N; i++) {
        x[0][i] = -INFINITY; /* all masked: zeros */
        x[1][i] = 3e38f;
        want[1][i] = 1.0f / N;
        x[2][i] = i == 20 ? NAN : 1.0f;
        want[2][i] = NAN;
        x[3][i] = i == 36 ? INFINITY : 1.0f;
        want[3][i] = NAN;
        x[4][i] = i == 17 ? 0.5f : -INFINITY;
        want[4][i] = i == 17;
        x[5][i] = i == 3 ? NAN : -INFINITY;
        want[5][i] = NAN;
        x[6][i] = i == 0 ? 3e38f : -3e38f;
        want[6][i] = i == 0;
    }
    xb = buf_of(x, sizeof x, 4);
    yb = buf_of(NULL, sizeof x, 4);
    OK(halopSoftmax(halF32, yb.mem, xb.mem, ROWS, N, 1.0f, 0));
    FETCH(&yb);
    for (size_t i = 0; i < (size_t)ROWS * N; i++)
        EXPECT(&yb, halF32, i, (&want[0][0])[i], 1e-6, 0);
    buf_free(&xb);
    buf_free(&yb);
}

static void rmsnorm_rows(void **state)
{
    (void)state;
    EACH_DTYPE(t) for (unsigned l = 0; l < N_LENGTHS; l++)
    {
        const int64_t rows = 3, n = lengths[l];
        const size_t all = (size_t)(rows * n), off = bytes_of(t) * (l % 2);
        struct buf x = buf_random(t, all, -3, 3, off);
        struct buf res = buf_random(t, all, -3, 3, 0);
        struct buf w = buf_random(t, (size_t)n, -2, 2, off);
        struct buf y = buf_of(NULL, all * bytes_of(t), off);
        struct buf sum = buf_of(NULL, all * bytes_of(t), 0);

        for (int with_add = 0; with_add < 2; with_add++) {
            if (with_add)
                OK(halopAddRmsNorm(t, y.mem, sum.mem, x.mem, res.mem, w.mem,
                                   rows, n, 1e-5f, 0));
            else
                OK(halopRmsNorm(t, y.mem, x.mem, w.mem, rows, n, 1e-5f, 0));
            FETCH(&y);
            FETCH(&sum);
            for (int64_t r = 0; r < rows; r++) {
                const struct buf *v = with_add ? &sum : &x;
                double ss = 0;

                for (int64_t i = 0; i < n; i++) {
                    size_t e = (size_t)(r * n + i);

                    if (with_add)
                        EXPECT(&sum, t, e, at(&x, t, e) + at(&res, t, e), 6e-8,
                               1e-30);
                    ss += at(v, t, e) * at(v, t, e);
                }
                for (int64_t i = 0; i < n; i++) {
                    size_t e = (size_t)(r * n + i);

                    EXPECT(&y, t, e,
                           at(v, t, e) / sqrt(ss / (double)n + 1e-5f) *
                               at(&w, t, (size_t)i),
                           2e-6, 1e-30);
                }
            }
        }
        buf_free(&x);
        buf_free(&res);
        buf_free(&w);
        buf_free(&y);
        buf_free(&sum);
    }
}

/* Rows whose squares overflow or vanish, and rows of specials. */
static void rmsnorm_special(void **state)
{
    enum { N = 40, ROWS = 7 };
    static float x[ROWS][N], w[N];
    struct buf xb, wb, yb;

    (void)state;
    for (int i = 0; i < N; i++) {
        float v = (float)(i % 7 - 3);

        w[i] = 1.5f;
        x[0][i] = 0;
        x[1][i] = v * 1e38f;
        x[2][i] = v * 1e-25f;
        x[3][i] = i == 5 ? NAN : v;
        x[4][i] = i == 5 ? INFINITY : v;
        x[5][i] = i == 5 ? 1e19f : 0;
        x[6][i] = -0.0f;
    }
    xb = buf_of(x, sizeof x, 0);
    wb = buf_of(w, sizeof w, 0);
    yb = buf_of(NULL, sizeof x, 0);
    for (int k = 0; k < 2; k++) {
        const float eps = k ? 1e-6f : 1e-30f;

        OK(halopRmsNorm(halF32, yb.mem, xb.mem, wb.mem, ROWS, N, eps, 0));
        FETCH(&yb);
        for (int r = 0; r < ROWS; r++) {
            double ss = 0;

            for (int i = 0; i < N; i++)
                ss += (double)x[r][i] * x[r][i];
            for (int i = 0; i < N; i++)
                EXPECT(&yb, halF32, (size_t)(r * N + i),
                       x[r][i] / sqrt(ss / N + eps) * w[i], 2e-6, 1e-36);
        }
    }
    buf_free(&xb);
    buf_free(&wb);
    buf_free(&yb);
}

static void argmax_rows(void **state)
{
    (void)state;
    EACH_DTYPE(t) for (unsigned l = 0; l < N_LENGTHS; l++)
    {
        const int64_t rows = 6, n = lengths[l];
        struct buf x = buf_random(t, (size_t)(rows * n), -4, -1, 0);
        struct buf y = buf_of(NULL, (size_t)rows * 4, 0);
        char *host = x.host + ZONE;

        for (int64_t i = 0; i < n; i++) {
            encode(t, host, (size_t)(1 * n + i), 2.0); /* all equal */
            encode(t, host, (size_t)(2 * n + i), -INFINITY);
            encode(t, host, (size_t)(3 * n + i), i % 2 ? 0.0 : -0.0);
            if (i == n / 2)
                encode(t, host, (size_t)(4 * n + i), NAN);
            if (i >= n / 3)
                encode(t, host, (size_t)(5 * n + i), 7.0);
        }
        OK(halMemcpy(x.base, x.host, x.bytes + 2 * ZONE,
                     halMemcpyHostToDevice));
        OK(halopArgmax(t, (int32_t *)y.mem, x.mem, rows, n, 0));
        FETCH(&y);
        for (int64_t r = 0; r < rows; r++) {
            int64_t best = 0;

            for (int64_t i = 1; i < n; i++) {
                double v = at(&x, t, (size_t)(r * n + i));
                double b = at(&x, t, (size_t)(r * n + best));

                if (!isnan(b) && (isnan(v) || v > b))
                    best = i;
            }
            assert_int_equal(((int32_t *)(y.host + ZONE))[r], best);
        }
        buf_free(&x);
        buf_free(&y);
    }
}

static void embedding_rows(void **state)
{
    enum { V = 11, D = 37, T = 6 };
    const int32_t ids[T] = { 0, 10, 3, -1, 11, 3 };

    (void)state;
    EACH_DTYPE(t)
    {
        struct buf table = buf_random(t, V * D, -5, 5, bytes_of(t));
        struct buf i = buf_of(ids, sizeof ids, 0);
        struct buf y = buf_of(NULL, T * D * bytes_of(t), bytes_of(t));

        OK(halopEmbedding(t, y.mem, table.mem, (const int32_t *)i.mem, T, V, D,
                          0));
        FETCH(&y);
        for (int k = 0; k < T; k++)
            for (int d = 0; d < D; d++)
                EXPECT(&y, t, (size_t)(k * D + d),
                       ids[k] < 0 || ids[k] >= V
                           ? 0
                           : at(&table, t, (size_t)(ids[k] * D + d)),
                       0, 0);
        buf_free(&table);
        buf_free(&i);
        buf_free(&y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_rows), cmocka_unit_test(softmax_special),
        cmocka_unit_test(rmsnorm_rows), cmocka_unit_test(rmsnorm_special),
        cmocka_unit_test(argmax_rows),  cmocka_unit_test(embedding_rows),
    };

    return cmocka_run_group_tests_name("kernels.rows", tests, NULL, NULL);
}
