/* SPDX-License-Identifier: Apache-2.0 */
/* test_copy.c - strided copies against plain loops. */
#include "tests/kernels/ops_test.h"

static void copy_strided(void **state)
{
    static const int64_t dims[4] = { 2, 3, 5, 7 };
    static const int64_t plans[][8] = {
        /* y strides, x strides */
        { 105, 35, 7, 1, 105, 35, 7, 1 },
        { 105, 35, 7, 1, 1, 2, 6, 30 },      /* transposes */
        { 120, 40, 8, 1, 0, 0, 0, 1 },       /* broadcast */
        { 300, 90, 15, 2, 105, -35, 7, -1 }, /* reversed */
        { -105, 35, -7, 1, 105, 35, 7, 1 },
    };

    (void)state;
    for (int bytes = 1; bytes <= 8; bytes *= 2)
        for (unsigned p = 0; p < sizeof plans / sizeof plans[0]; p++) {
            const int64_t *ys = plans[p], *xs = plans[p] + 4;
            enum { N = 900 };
            static unsigned char src[N * 8];
            struct buf x, y;
            int64_t y0 = 0, x0 = 0;
            unsigned char *got, *want;

            for (size_t i = 0; i < sizeof src; i++)
                src[i] = (unsigned char)next_random();
            for (int i = 0; i < 4; i++) {
                y0 -= ys[i] < 0 ? ys[i] * (dims[i] - 1) : 0;
                x0 -= xs[i] < 0 ? xs[i] * (dims[i] - 1) : 0;
            }
            x = buf_of(src, (size_t)(N * bytes), (size_t)bytes);
            y = buf_of(NULL, (size_t)(N * bytes), 0);
            want = malloc((size_t)(N * bytes));
            memset(want, 0xA5, (size_t)(N * bytes));
            OK(halopCopyStrided(bytes, y.mem + y0 * bytes, ys,
                                x.mem + x0 * bytes, xs, dims, 0));
            FETCH(&y);
            for (int64_t i = 0; i < 2 * 3 * 5 * 7; i++) {
                int64_t d = i % 7, c = i / 7 % 5, b = i / 35 % 3, a = i / 105;

                memcpy(
                    want +
                        (y0 + a * ys[0] + b * ys[1] + c * ys[2] + d * ys[3]) *
                            bytes,
                    src + (x0 + a * xs[0] + b * xs[1] + c * xs[2] + d * xs[3]) *
                              bytes,
                    (size_t)bytes);
            }
            got = (unsigned char *)y.host + ZONE;
            assert_memory_equal(got, want, (size_t)(N * bytes));
            free(want);
            buf_free(&x);
            buf_free(&y);
        }
}

/* Two views of one buffer: whatever the op takes, no element of y is one of x,
 * so the result is that of a copy from an untouched x.  Dense views that meet
 * are refused, and the columns of one matrix are not. */
static void views_of_one_buffer(void **state)
{
    enum { N = 600 };
    int taken = 0, refused = 0, interleaved = 0;

    (void)state;
    for (int round = 0; round < 400; round++) {
        static unsigned char src[N], want[N], in_x[N], in_y[N];
        int64_t dims[4], xs[4], ys[4], x0 = 100, y0, low[2] = { 0 };
        int64_t high[2] = { 0 };
        int meet = 0, pitch = 9 + (int)(next_random() % 12);
        struct buf buf;
        halError_t st;

        /* rows of a matrix, cut into columns, forwards or backwards */
        for (int i = 0; i < 4; i++) {
            const int64_t plain[4] = { 5 * pitch, pitch, 4, 1 };
            const int64_t most[4] = { 2, 4, 2, 4 };

            dims[i] = 1 + next_random() % most[i];
            xs[i] = plain[i] * (next_random() % 8 ? 1 : -1);
            ys[i] = plain[i] * (next_random() % 8 ? 1 : -1);
        }
        y0 = x0 + next_random() % 40;
        memset(in_x, 0, N);
        memset(in_y, 0, N);
        for (size_t i = 0; i < N; i++)
            want[i] = src[i] = (unsigned char)next_random();
        for (int i = 0; i < 4; i++) {
            int64_t reach[2] = { (dims[i] - 1) * xs[i], (dims[i] - 1) * ys[i] };

            for (int k = 0; k < 2; k++) {
                low[k] += reach[k] < 0 ? reach[k] : 0;
                high[k] += reach[k] > 0 ? reach[k] : 0;
            }
        }
        x0 -= low[0];
        y0 -= low[1];
        for (int64_t i = 0; i < dims[0] * dims[1] * dims[2] * dims[3]; i++) {
            int64_t d = i % dims[3], c = i / dims[3] % dims[2];
            int64_t b = i / dims[3] / dims[2] % dims[1];
            int64_t a = i / dims[3] / dims[2] / dims[1];
            int64_t x = x0 + a * xs[0] + b * xs[1] + c * xs[2] + d * xs[3];
            int64_t y = y0 + a * ys[0] + b * ys[1] + c * ys[2] + d * ys[3];

            assert_in_range(x, 0, N - 1);
            assert_in_range(y, 0, N - 1);
            meet |= in_y[y];
            in_x[x] = in_y[y] = 1;
            want[y] = src[x];
        }
        for (int i = 0; i < N; i++)
            meet |= in_x[i] && in_y[i];
        buf = buf_of(src, N, 0);
        st = halopCopyStrided(1, buf.mem + y0, ys, buf.mem + x0, xs, dims, 0);
        FETCH(&buf);
        if (st == halSuccess) {
            assert_false(meet);
            assert_memory_equal(buf.host + ZONE, want, N);
            taken++;
            interleaved += y0 + low[1] <= x0 + high[0];
        } else {
            assert_int_equal(st, halErrorInvalidValue);
            assert_non_null(strstr(halGetErrorDetail(), "overlaps x"));
            assert_memory_equal(buf.host + ZONE, src, N);
            refused++;
        }
        buf_free(&buf);
    }
    print_message("%d taken (%d of them interleaved), %d refused\n", taken,
                  interleaved, refused);
    assert_true(interleaved > 10 && refused > 10);
}

/* The halves of the rows of one matrix, and one column too many. */
static void columns_of_one_matrix(void **state)
{
    static const int64_t strides[4] = { 0, 0, 10, 1 };
    const struct {
        int64_t to, columns;
        int fine;
    } cuts[] = {
        { 5, 5, 1 }, { 5, 4, 1 }, { 4, 5, 0 },  { 0, 5, 0 },
        { 9, 1, 1 }, { 6, 5, 0 }, { 15, 5, 1 }, { 70, 5, 1 },
    };
    struct buf buf = buf_of(NULL, 400, 0);

    (void)state;
    for (unsigned i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        const int64_t dims[4] = { 1, 1, 7, cuts[i].columns };
        halError_t st = halopCopyStrided(2, buf.mem + 2 * cuts[i].to, strides,
                                         buf.mem, strides, dims, 0);

        if (st != (cuts[i].fine ? halSuccess : halErrorInvalidValue))
            fail_msg("cut %u: %s: %s", i, halGetErrorName(st),
                     halGetErrorDetail());
    }
    OK(halDeviceSynchronize());
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_strided),
        cmocka_unit_test(views_of_one_buffer),
        cmocka_unit_test(columns_of_one_matrix),
    };

    return cmocka_run_group_tests_name("kernels.copy", tests, NULL, NULL);
}
