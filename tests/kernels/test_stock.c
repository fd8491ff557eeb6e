/* SPDX-License-Identifier: Apache-2.0 */
/* test_stock.c - the stock module behind the operators. */
#include "tests/kernels/ops_test.h"

/* The stock module comes back after a reset, and the failure by which that was
 * noticed is nobody's last error: an earlier one stays. */
static void survives_reset(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct buf a = buf_random(halF32, 100, -1, 1, 0);
        struct buf y = buf_of(NULL, 400, 0);

        halError_t earlier = i == 2 ? halErrorInvalidValue : halSuccess;

        if (earlier)
            assert_int_equal(halopAdd(halF32, NULL, a.mem, a.mem, 100, 0),
                             earlier);
        OK(halopAdd(halF32, y.mem, a.mem, a.mem, 100, 0));
        assert_int_equal(halGetLastError(), earlier);
        FETCH(&y);
        for (size_t k = 0; k < 100; k++)
            EXPECT(&y, halF32, k, 2 * at(&a, halF32, k), 0, 0);
        free(a.host);
        free(y.host);
        OK(halDeviceReset());
    }
}

/* A kernel that a reset device has not seen yet: the module is found dead when
 * the kernel is looked up, not when it is launched. */
static void reset_before_lookup(void **state)
{
    struct buf a, y;

    (void)state;
    a = buf_random(halF32, 100, -1, 1, 0);
    y = buf_of(NULL, 400, 0);
    OK(halopAdd(halF32, y.mem, a.mem, a.mem, 100, 0));
    free(a.host);
    free(y.host);
    OK(halDeviceReset());
    a = buf_random(halF32, 100, -1, 1, 0);
    y = buf_of(NULL, 400, 0);
    OK(halopSwiGLU(halF32, y.mem, a.mem, a.mem, 100, 0));
    assert_int_equal(halGetLastError(), halSuccess);
    FETCH(&y);
    for (size_t k = 0; k < 100; k++)
        EXPECT(&y, halF32, k,
               at(&a, halF32, k) * at(&a, halF32, k) /
                   (1 + exp(-at(&a, halF32, k))),
               1e-6, 1e-30);
    buf_free(&a);
    buf_free(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_reset),
        cmocka_unit_test(reset_before_lookup),
    };

    return cmocka_run_group_tests_name("kernels.stock", tests, NULL, NULL);
}
