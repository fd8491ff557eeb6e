/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halDeviceReset beside threads that use the device: each call ends, with an
 * error where it must, and nothing of the backend's is left.
 */
#include "tests/hal/hal_test.h"

#include "tests/hal/reset_test.h"

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend,
                                                           &bare_backend, 0 };

enum { ROUNDS = 60 };

static void *image;
static size_t image_size;

static void beside_users(void **state)
{
    int d;

    (void)state;
    for (d = 0; d < 4; d += 2) /* of each backend, beside its other device */
        assert_int_equal(reset_stress(d, d + 1, image, image_size, ROUNDS), 0);
}

static void across_backends(void **state)
{
    (void)state;
    assert_int_equal(reset_stress(1, 2, image, image_size, ROUNDS), 0);
}

/* A call that is under way is waited for, and keeps its object; what begins
 * meanwhile is told so. */
static atomic_int is_back;

static void *sync_event(void *event)
{
    OK(halEventSynchronize(event));
    atomic_fetch_add(&is_back, 1);
    return NULL;
}

static void *reset_zero(void *arg)
{
    (void)arg;
    OK(halDeviceReset());
    atomic_fetch_add(&is_back, 1);
    return NULL;
}

static void under_way(void **state)
{
    pthread_t waiter, resetter;
    unsigned syncs;
    halEvent_t e;
    halError_t st;
    void *p, *q;

    (void)state;
    alarm(60);
    OK(halSetDevice(0));
    OK(halMalloc(&p, 64));
    OK(halEventCreate(&e));
    fake_hold(1);
    OK(halMemsetAsync(p, 1, 64, NULL));
    OK(halEventRecord(e, NULL));
    atomic_store(&is_back, 0);
    syncs = fake_count("event_sync");
    assert_int_equal(pthread_create(&waiter, NULL, sync_event, e), 0);
    while (fake_count("event_sync") == syncs)
        usleep(1000);
    syncs = fake_count("stream_sync");
    assert_int_equal(pthread_create(&resetter, NULL, reset_zero, NULL), 0);
    while (fake_count("stream_sync") == syncs)
        usleep(1000);
    /* The reset waits for the device, and refuses whoever comes. */
    st = halMalloc(&q, 64);
    assert_int_equal(st, halErrorBadState);
    assert_non_null(strstr(halGetErrorDetail(), "fake:0 is being reset"));
    FAILS(halErrorBadState, "fake:0", halFree(p));
    FAILS(halErrorBadState, "fake:0", halDeviceSynchronize());
    assert_int_equal(atomic_load(&is_back), 0);
    fake_hold(0);
    pthread_join(waiter, NULL);
    pthread_join(resetter, NULL);
    alarm(0);
    assert_int_equal(atomic_load(&is_back), 2);
    FAILS(halErrorInvalidHandle, "destroyed", halEventQuery(e));
    FAILS(halErrorInvalidPointer, "", halFree(p));
    OK(halMalloc(&p, 64)); /* opened anew */
    OK(halFree(p));
    (void)halGetLastError();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(under_way, reset_all),
        cmocka_unit_test_teardown(beside_users, reset_all),
        cmocka_unit_test_teardown(across_backends, reset_all),
    };
    int rc;

    image = fake_halbin(&image_size);
    if (!image)
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(image);
    return rc;
}
