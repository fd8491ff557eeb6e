/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reset.c - real devices that are reset while threads use them, and the
 * device beside them.
 */
#include "tests/backends/real_test.h"

#include "tests/hal/reset_test.h"

enum { ROUNDS = 12 };

static void each_device(void **state)
{
    void *image;
    size_t size;
    int n = 0;

    (void)state;
    OK(halGetDeviceCount(&n));
    assert_true(n > 0);
    assert_int_equal(real_image(&image, &size), 0);
    for (int d = 0; d < n; d++)
        assert_int_equal(
            reset_stress(d, n > 1 ? (d + 1) % n : -1, image, size, ROUNDS), 0);
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
