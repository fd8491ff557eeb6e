/* SPDX-License-Identifier: Apache-2.0 */
/* test_elementwise.c - add, swiglu and cast against plain loops in double. */
#include "tests/kernels/ops_test.h"

static void add_and_swiglu(void **state)
{
    (void)state;
    EACH_DTYPE(t) for (unsigned l = 0; l < N_LENGTHS; l++)
    {
        size_t n = (size_t)lengths[l], off = bytes_of(t) * (l % 3);
        struct buf a = buf_random(t, n, -9, 9, off);
        struct buf b = buf_random(t, n, -2, 2, bytes_of(t));
        struct buf y = buf_of(NULL, n * bytes_of(t), off);

        OK(halopAdd(t, y.mem, a.mem, b.mem, (int64_t)n, 0));
        FETCH(&y);
        for (size_t i = 0; i < n; i++)
            EXPECT(&y, t, i, at(&a, t, i) + at(&b, t, i), 6e-8, 0);
        OK(halopSwiGLU(t, y.mem, a.mem, b.mem, (int64_t)n, 0));
        FETCH(&y);
        for (size_t i = 0; i < n; i++)
            EXPECT(&y, t, i,
                   at(&a, t, i) / (1 + exp(-at(&a, t, i))) * at(&b, t, i), 1e-6,
                   1e-30);
        /* in place */
        OK(halopAdd(t, a.mem, a.mem, b.mem, (int64_t)n, 0));
        struct buf before = a;
        before.host = malloc(a.bytes + 2 * ZONE + a.misalign);
        memcpy(before.host, a.host, a.bytes + 2 * ZONE + a.misalign);
        FETCH(&a);
        for (size_t i = 0; i < n; i++)
            EXPECT(&a, t, i, at(&before, t, i) + at(&b, t, i), 6e-8, 0);
        free(before.host);
        buf_free(&a);
        buf_free(&b);
        buf_free(&y);
    }
}

static void swiglu_extremes(void **state)
{
    const float gate[] = { 0, -0.0f, 100, -100, 1e30f, -1e30f, NAN, -88, 88 };
    const float up[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    struct buf g = buf_of(gate, sizeof gate, 0), u = buf_of(up, sizeof up, 0);
    struct buf y = buf_of(NULL, sizeof gate, 0);

    (void)state;
    OK(halopSwiGLU(halF32, y.mem, g.mem, u.mem, 9, 0));
    FETCH(&y);
    for (size_t i = 0; i < 9; i++)
        EXPECT(&y, halF32, i, gate[i] / (1 + exp(-(double)gate[i])), 1e-6,
               1e-36);
    buf_free(&g);
    buf_free(&u);
    buf_free(&y);
}

/* Every bf16 and f16 to f32 and back; and roundings at and beside each tie. */
static void cast_all(void **state)
{
    enum { N = 65536 };
    uint16_t *small = malloc(N * 2);
    float *wide = malloc(3 * N * 4);

    (void)state;
    for (int i = 0; i < N; i++)
        small[i] = (uint16_t)i;
    for (int f16 = 0; f16 < 2; f16++) {
        halDtype t = f16 ? halF16 : halBF16;
        struct buf s = buf_of(small, N * 2, 2);
        struct buf x = buf_of(NULL, N * 4, 4);
        struct buf back = buf_of(NULL, N * 2, 0);
        struct buf ties, narrow;

        OK(halopCast(halF32, x.mem, t, s.mem, N, 0));
        OK(halopCast(t, back.mem, halF32, x.mem, N, 0));
        FETCH(&x);
        FETCH(&back);
        for (size_t i = 0; i < N; i++) {
            double want = decode(t, small, i);
            uint32_t u;

            EXPECT(&x, halF32, i, want, 0, 0);
            if (!isnan(want))
                assert_int_equal(((uint16_t *)(back.host + ZONE))[i], i);
            else
                assert_true(isnan(decode(t, back.host + ZONE, i)));
            /* halfway to the next number, and one step beside */
            memcpy(&u, x.host + ZONE + 4 + 4 * i, 4);
            u += f16 ? 0x1000u : 0x8000u;
            wide[3 * i] = f32_of(u - 1);
            wide[3 * i + 1] = f32_of(u);
            wide[3 * i + 2] = f32_of(u + 1);
        }
        ties = buf_of(wide, 3 * N * 4, 0);
        narrow = buf_of(NULL, 3 * N * 2, 2);
        OK(halopCast(t, narrow.mem, halF32, ties.mem, 3 * N, 0));
        FETCH(&narrow);
        for (size_t i = 0; i < 3 * N; i++) {
            uint16_t want, got = ((uint16_t *)(narrow.host + ZONE + 2))[i];

            if (isnan(wide[i])) {
                assert_true(isnan(decode(t, &got, 0)));
                continue;
            }
            encode(t, &want, 0, wide[i]);
            if (want != got)
                fail_msg("%a became %04x, not %04x", wide[i], got, want);
        }
        buf_free(&s);
        buf_free(&x);
        buf_free(&back);
        buf_free(&ties);
        buf_free(&narrow);
    }
    free(small);
    free(wide);
}

static void cast_between_halves(void **state)
{
    enum { N = 65536 };
    uint16_t *small = malloc(N * 2);

    (void)state;
    for (int i = 0; i < N; i++)
        small[i] = (uint16_t)i;
    for (int f16 = 0; f16 < 2; f16++) {
        halDtype from = f16 ? halF16 : halBF16, to = f16 ? halBF16 : halF16;
        struct buf s = buf_of(small, N * 2, 0);
        struct buf y = buf_of(NULL, N * 2, 2);

        OK(halopCast(to, y.mem, from, s.mem, N, 0));
        FETCH(&y);
        for (size_t i = 0; i < N; i++) {
            double v = decode(from, small, i);
            uint16_t want, got = ((uint16_t *)(y.host + ZONE + 2))[i];

            encode(to, &want, 0, v);
            if (isnan(v))
                assert_true(isnan(decode(to, &got, 0)));
            else if (want != got)
                fail_msg("%a became %04x, not %04x", v, got, want);
        }
        buf_free(&s);
        buf_free(&y);
    }
    free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_and_swiglu),
        cmocka_unit_test(swiglu_extremes),
        cmocka_unit_test(cast_all),
        cmocka_unit_test(cast_between_halves),
    };

    return cmocka_run_group_tests_name("kernels.elementwise", tests, NULL,
                                       NULL);
}
