/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_compare.c - two-part acceptance at its edges: what must not pass does
 * not, what must pass does, and messages name the element.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "conformance/case.h"

#define INF HUGE_VAL

static struct conf_difference d;

static int same(const float *got, const double *want, int64_t rows, int64_t n,
                struct conf_bound bound)
{
    return conf_compare_with(&d, "y", halF32, got, want, NULL, rows, n, &bound,
                             NULL);
}

static int one(float got, double want, struct conf_bound bound)
{
    return same(&got, &want, 1, 1, bound);
}

static const struct conf_bound exact = { 0 };
static const struct conf_bound loose = { .abs = 1e30, .rel_l2 = 1e30 };

static void exact_means_equal(void **state)
{
    (void)state;
    assert_true(one(1, 1, exact));
    assert_true(one(-0.0f, 0, exact));
    assert_false(one(1, nextafter(1, 2), exact));
    assert_false(one(nextafterf(1, 2), 1, exact));
    assert_true(one(0, 0, exact));
}

static void nan_never_passes(void **state)
{
    (void)state;
    assert_false(one(NAN, 1, loose));
    assert_false(one(NAN, INF, loose));
    assert_false(one(1, NAN, loose));
    assert_false(one(INFINITY, NAN, loose));
    assert_true(one(NAN, NAN, exact));
    /* Nor does it hide behind a bound that is none. */
    assert_false(one(1, 1, (struct conf_bound){ .abs = NAN, .rel_l2 = 1 }));
    assert_false(one(1, 2, (struct conf_bound){ .abs = 5, .rel_l2 = NAN }));
    assert_false(one(1, 1, (struct conf_bound){ .abs = -1, .rel_l2 = 1 }));
}

static void infinity_only_where_wanted(void **state)
{
    (void)state;
    assert_true(one(INFINITY, INF, exact));
    assert_false(one(-INFINITY, INF, loose));
    assert_false(one(FLT_MAX, INF, loose));
    assert_false(one(INFINITY, 1e30, exact));
    /* What rounds to infinity is infinity; just below it is not. */
    assert_true(one(INFINITY, 3.5e38, exact));
    assert_false(one(-INFINITY, 3.5e38, exact));
    assert_false(one(INFINITY, 3.4e38, exact));
    /* Nor what the bound lets round to it. */
    assert_true(one(INFINITY, 3.4e38, (struct conf_bound){ .rel = 0.01 }));
    assert_false(one(INFINITY, 3.4e38, (struct conf_bound){ .rel = 1e-6 }));
    assert_true(isinf(d.rel_l2));
}

static void overflow_of_each_format(void **state)
{
    const double f16_over = 65520, f16_under = 65519, bf16_over = 0x1.ffp127,
                 bf16_under = 0x1.fefp127, e5m2_over = 61440,
                 e5m2_under = 61439;
    const uint16_t f16_inf = 0x7C00, bf16_inf = 0x7F80;
    const uint8_t e5m2_inf = 0x7C;

    (void)state;
    assert_true(conf_compare_with(&d, "y", halF16, &f16_inf, &f16_over, NULL, 1,
                                  1, &exact, NULL));
    assert_false(conf_compare_with(&d, "y", halF16, &f16_inf, &f16_under, NULL,
                                   1, 1, &exact, NULL));
    assert_true(conf_compare_with(&d, "y", halBF16, &bf16_inf, &bf16_over, NULL,
                                  1, 1, &exact, NULL));
    assert_false(conf_compare_with(&d, "y", halBF16, &bf16_inf, &bf16_under,
                                   NULL, 1, 1, &exact, NULL));
    assert_true(conf_compare_with(&d, "y", halE5M2, &e5m2_inf, &e5m2_over, NULL,
                                  1, 1, &exact, NULL));
    assert_false(conf_compare_with(&d, "y", halE5M2, &e5m2_inf, &e5m2_under,
                                   NULL, 1, 1, &exact, NULL));
}

static void each_term_of_the_bound(void **state)
{
    const float got[4] = { 1.5f, 100, 2, 2 };
    const double want[4] = { 1, 100, 2, 2 };
    const double mag[4] = { 50, 0, 0, 0 };
    struct conf_bound b = { .abs = 0.5, .rel_l2 = 1 };

    (void)state;
    assert_true(same(got, want, 2, 2, b));
    b.abs = 0.49;
    assert_false(same(got, want, 2, 2, b));
    b = (struct conf_bound){ .rel = 0.5, .rel_l2 = 1 };
    assert_true(same(got, want, 2, 2, b));
    b.rel = 0.49;
    assert_false(same(got, want, 2, 2, b));
    b = (struct conf_bound){ .row = 0.005, .rel_l2 = 1 };
    assert_true(same(got, want, 2, 2, b));
    /* The largest of its own row, not of another. */
    assert_false(same(got, want, 4, 1, b));
    b = (struct conf_bound){ .sum = 0.01, .rel_l2 = 1 };
    assert_false(same(got, want, 2, 2, b));
    assert_true(
        conf_compare_with(&d, "y", halF32, got, want, mag, 2, 2, &b, NULL));
}

static void aggregate_is_a_part_of_its_own(void **state)
{
    float got[1000];
    double want[1000];
    struct conf_bound b = { .rel = 1e-3, .rel_l2 = 1e-4 };

    (void)state;
    for (int i = 0; i < 1000; i++) {
        want[i] = 1 + i % 7;
        got[i] = (float)want[i];
    }
    got[500] *= 1.0009f; /* one element near its bound is noise */
    assert_true(same(got, want, 10, 100, b));
    for (int i = 0; i < 1000; i++)
        got[i] = (float)want[i] * 1.0009f; /* all of them are a bias */
    assert_false(same(got, want, 10, 100, b));
    assert_non_null(strstr(d.text, "aggregate rel_l2 0.0009"));
    assert_non_null(strstr(d.text, ": outside"));
    /* The line is where the bound is. */
    b.rel_l2 = 0.00091;
    assert_true(same(got, want, 10, 100, b));
    b.rel_l2 = 0.00089;
    assert_false(same(got, want, 10, 100, b));
    /* The floor of a hundred elements is ten times one's: 1 here, and 1 of the
     * norm. */
    b = (struct conf_bound){ .abs = 0.1, .rel = 1e-2, .rel_l2 = 1e-3 };
    memset(got, 0, sizeof got);
    memset(want, 0, sizeof want);
    want[0] = 1000;
    got[0] = 1001.9f;
    assert_true(same(got, want, 1, 100, b));
    got[0] = 1002.1f;
    assert_false(same(got, want, 1, 100, b));
}

static void zeros_are_relative_to_nothing(void **state)
{
    const double want[2] = { 0, 0 };
    float got[2] = { 0x1p-100f, -0x1p-100f };

    (void)state;
    assert_true(same(got, want, 1, 2,
                     (struct conf_bound){ .abs = 0x1p-100, .rel_l2 = 0 }));
    assert_false(
        same(got, want, 1, 2, (struct conf_bound){ .rel = 1, .rel_l2 = 1 }));
    /* And a result of zeros is not near what is not zero. */
    got[0] = got[1] = 0;
    assert_false(same(got, (double[2]){ 1e-3, 1e-3 }, 1, 2,
                      conf_bound_of(halF32, 4096)));
}

static void messages_name_first_and_worst(void **state)
{
    float got[6] = { 1, 2, 3, 4, 5, 6 };
    const double want[6] = { 1, 2, 3.5, 4, 9, 6 };

    (void)state;
    assert_false(
        same(got, want, 2, 3, (struct conf_bound){ .abs = 0.1, .rel_l2 = 1 }));
    assert_non_null(strstr(d.text, "2 of 6 elements outside"));
    assert_non_null(strstr(d.text, "first element 2 (row 0, col 2): want 3.5, "
                                   "got 3, off by 0.5, bound 0.1"));
    assert_non_null(strstr(d.text, "worst element 4 (row 1, col 1): want 9, "
                                   "got 5"));
    assert_true(fabs(d.of_bound - 40) < 1e-9);
    got[5] = NAN;
    assert_false(
        same(got, want, 2, 3, (struct conf_bound){ .abs = 0.1, .rel_l2 = 1 }));
    assert_non_null(strstr(d.text, "worst element 5 (row 1, col 2): want 6, "
                                   "got nan"));
}

static void poison_is_recognised(void **state)
{
    uint16_t poison[16], got[16];
    double want[16];

    (void)state;
    for (int i = 0; i < 16; i++) {
        poison[i] = 0x7FFE; /* a NaN in bf16 */
        got[i] = 0x7FC0;
        want[i] = NAN;
    }
    assert_true(conf_compare_with(&d, "y", halBF16, got, want, NULL, 1, 16,
                                  &exact, (uint8_t *)poison));
    memcpy(got + 8, poison + 8, 8); /* four NaN that nobody wrote */
    assert_false(conf_compare_with(&d, "y", halBF16, got, want, NULL, 1, 16,
                                   &exact, (uint8_t *)poison));
    assert_non_null(strstr(d.text, "never written: 4 hold poison, first 8"));
    got[8] = 0x7FC0; /* three may be chance */
    assert_true(conf_compare_with(&d, "y", halBF16, got, want, NULL, 1, 16,
                                  &exact, (uint8_t *)poison));
    /* So may four that are not beside each other. */
    memcpy(got + 2, poison + 2, 2);
    assert_true(conf_compare_with(&d, "y", halBF16, got, want, NULL, 1, 16,
                                  &exact, (uint8_t *)poison));
    got[2] = 0x7FC0;
    /* One that is wrong as well is named at once. */
    want[9] = 1;
    assert_false(conf_compare_with(&d, "y", halBF16, got, want, NULL, 1, 16,
                                   &exact, (uint8_t *)poison));
    assert_non_null(strstr(d.text, "element 9 (row 0, col 9)"));
    assert_non_null(strstr(d.text, "never written"));
}

static void integers_are_exact(void **state)
{
    const int32_t got[2] = { 7, -1 };

    (void)state;
    assert_true(conf_compare_with(&d, "i", halI32, got, (double[2]){ 7, -1 },
                                  NULL, 1, 2, &exact, NULL));
    assert_false(conf_compare_with(&d, "i", halI32, got, (double[2]){ 7, 0 },
                                   NULL, 1, 2, &exact, NULL));
}

static void bounds_are_what_arithmetic_gives(void **state)
{
    struct conf_bound b = conf_bound_of(halF32, 0);

    (void)state;
    assert_true(b.rel == 0x1p-24 && b.sum == 0);
    b = conf_bound_of(halBF16, 0);
    assert_true(b.rel == 0x1p-8 && b.rel_l2 == 0x1p-8);
    b = conf_bound_of(halF16, 0);
    assert_true(b.rel == 0x1p-11 && b.abs == 0x1p-25);
    b = conf_bound_of(halF32, 1000);
    assert_true(b.sum >= 1000 * 0x1p-24 && b.sum < 1001 * 0x1p-24);
    /* More work, more room; NaN and negative counts give none. */
    assert_true(conf_bound_of(halF32, 2000).rel > b.rel);
    assert_true(conf_bound_of(halF32, 2000).rel_l2 > b.rel_l2);
    assert_true(conf_bound_of(halF32, NAN).rel == 0x1p-24);
    assert_true(conf_bound_of(halF32, -5).rel == 0x1p-24);
    assert_true(isfinite(conf_bound_of(halF32, 1e30).rel));
    b = conf_bound_of(halI32, 0);
    assert_true(b.abs == 0 && b.rel == 0 && b.rel_l2 == 0);
}

/* One correct rounding of anything must pass, one step further must not. */
static void one_rounding_fits_exactly(void **state)
{
    static const halDtype dtypes[] = { halF32, halBF16, halF16 };
    uint64_t x = 1;

    (void)state;
    for (int k = 0; k < 3; k++) {
        struct conf_bound b = conf_bound_of(dtypes[k], 0);

        b.abs = 0;
        for (int i = 0; i < 2000; i++) {
            double want;
            uint8_t got[4];

            x = conf_mix(x);
            want = 0.01 + (double)(x >> 11) * 0x1p-50;
            conf_encode(dtypes[k], got, 0, want);
            assert_true(conf_compare_with(&d, "y", dtypes[k], got, &want, NULL,
                                          1, 1, &b, NULL));
            if (dtypes[k] == halF32)
                ++*(uint32_t *)(void *)got;
            else
                ++*(uint16_t *)(void *)got;
            /* The next value is off by more than half a step. */
            want = conf_decode(dtypes[k], got, 0) * (1 - 2.5 * b.rel);
            assert_false(conf_compare_with(&d, "y", dtypes[k], got, &want, NULL,
                                           1, 1, &b, NULL));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_means_equal),
        cmocka_unit_test(nan_never_passes),
        cmocka_unit_test(infinity_only_where_wanted),
        cmocka_unit_test(overflow_of_each_format),
        cmocka_unit_test(each_term_of_the_bound),
        cmocka_unit_test(aggregate_is_a_part_of_its_own),
        cmocka_unit_test(zeros_are_relative_to_nothing),
        cmocka_unit_test(messages_name_first_and_worst),
        cmocka_unit_test(poison_is_recognised),
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(bounds_are_what_arithmetic_gives),
        cmocka_unit_test(one_rounding_fits_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
