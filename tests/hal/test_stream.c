/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, events, the default stream's order, and handles. */
#include "tests/hal/hal_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend,
                                                           &bare_backend, 0 };

/* A gate that a host function waits at. */
static atomic_int gate_open, trail_n;
static int trail[64];

static void at_gate(void *arg)
{
    (void)arg;
    while (!atomic_load(&gate_open))
        usleep(200);
}

static void leave_trail(void *arg)
{
    trail[atomic_fetch_add(&trail_n, 1)] = (int)(intptr_t)arg;
}

static int start(void **state)
{
    (void)state;
    atomic_store(&gate_open, 0);
    atomic_store(&trail_n, 0);
    return 0;
}

static int finish(void **state)
{
    atomic_store(&gate_open, 1);
    return reset_all(state);
}

static void mark(halStream_t s, int number)
{
    OK(halLaunchHostFunc(s, leave_trail, (void *)(intptr_t)number));
}

static void create(void **state)
{
    halStream_t s = (halStream_t)7;
    unsigned flags = 9;
    int priority = 9, least, greatest, device = 9;

    (void)state;
    OK(halSetDevice(1));
    OK(halDeviceGetStreamPriorityRange(&least, &greatest));
    assert_int_equal(least, 0);
    assert_int_equal(greatest, -2);
    OK(halStreamCreateWithPriority(&s, halStreamNonBlocking, -50));
    OK(halStreamGetPriority(s, &priority));
    assert_int_equal(priority, -2);
    OK(halStreamGetFlags(s, &flags));
    assert_int_equal(flags, halStreamNonBlocking);
    OK(halSetDevice(0));
    OK(halStreamGetDevice(s, &device));
    assert_int_equal(device, 1);
    OK(halStreamGetDevice(NULL, &device));
    assert_int_equal(device, 0);
    OK(halStreamDestroy(s));
    FAILS(halErrorInvalidValue, "flags", halStreamCreateWithFlags(&s, 8));
    FAILS(halErrorInvalidValue, "NULL", halStreamCreate(NULL));
    FAILS(halErrorInvalidHandle, "default", halStreamDestroy(NULL));
}

static void handles(void **state)
{
    halStream_t s, t;
    halEvent_t e;
    int local;

    (void)state;
    OK(halStreamCreate(&s));
    OK(halEventCreate(&e));
    FAILS(halErrorInvalidHandle, "a event's; a stream",
          halStreamSynchronize((halStream_t)e));
    FAILS(halErrorInvalidHandle, "a stream's; a event",
          halEventSynchronize((halEvent_t)s));
    FAILS(halErrorInvalidHandle, "no stream",
          halStreamQuery((halStream_t)&local));
    FAILS(halErrorInvalidHandle, "no stream", halStreamQuery((halStream_t)-1));
    FAILS(halErrorInvalidHandle, "NULL", halEventQuery(NULL));
    FAILS(halErrorInvalidHandle, "no module",
          halModuleUnload((halModule_t)&local));
    OK(halStreamDestroy(s));
    FAILS(halErrorInvalidHandle, "destroyed", halStreamSynchronize(s));
    FAILS(halErrorInvalidHandle, "destroyed", halStreamDestroy(s));
    OK(halStreamCreate(&t)); /* takes the slot, not the name */
    assert_ptr_not_equal(s, t);
    FAILS(halErrorInvalidHandle, "destroyed", halStreamDestroy(s));
    OK(halStreamDestroy(t));
    OK(halEventDestroy(e));
    FAILS(halErrorInvalidHandle, "destroyed", halEventDestroy(e));
    FAILS(halErrorInvalidHandle, "destroyed", halEventRecord(e, NULL));
}

static void query(void **state)
{
    halStream_t s;

    (void)state;
    OK(halStreamCreate(&s));
    (void)halGetLastError();
    OK(halLaunchHostFunc(s, at_gate, NULL));
    assert_int_equal(halStreamQuery(s), halErrorNotReady);
    assert_int_equal(halPeekAtLastError(), halSuccess); /* does not stick */
    atomic_store(&gate_open, 1);
    OK(halStreamSynchronize(s));
    OK(halStreamQuery(s));
    FAILS(halErrorInvalidValue, "NULL", halLaunchHostFunc(s, NULL, NULL));
    OK(halStreamDestroy(s));
}

/* Blocking stream, default stream, blocking stream: in this order; one that
 * does not block goes its own way. */
static void legacy_order(void **state)
{
    halStream_t a, b, free_one;
    int i;

    (void)state;
    OK(halStreamCreate(&a));
    OK(halStreamCreate(&b));
    OK(halStreamCreateWithFlags(&free_one, halStreamNonBlocking));
    OK(halLaunchHostFunc(a, at_gate, NULL));
    mark(a, 1);
    mark(NULL, 2);
    mark(b, 3);
    mark(a, 3);
    mark(NULL, 4);
    mark(free_one, 0);
    OK(halStreamSynchronize(free_one));
    assert_int_equal(trail_n, 1);
    assert_int_equal(trail[0], 0);
    assert_int_equal(halStreamQuery(NULL), halErrorNotReady);
    assert_int_equal(halStreamQuery(b), halErrorNotReady);
    atomic_store(&gate_open, 1);
    OK(halStreamSynchronize(NULL));
    assert_int_equal(trail_n, 6);
    for (i = 1; i < 6; i++)
        assert_int_equal(trail[i], i < 4 ? i : i - 1);
    OK(halStreamDestroy(a));
    OK(halStreamDestroy(b));
    OK(halStreamDestroy(free_one));
}

/* A program with one stream pays for no order: no events, no waits. */
static void legacy_is_free(void **state)
{
    unsigned records, waits;
    halStream_t s;
    void *p;
    int i;

    (void)state;
    OK(halMalloc(&p, 64));
    records = fake_count("event_record");
    waits = fake_count("stream_wait");
    for (i = 0; i < 10; i++)
        OK(halMemset(p, i, 64));
    OK(halStreamSynchronize(NULL));
    OK(halDeviceReset());
    OK(halMalloc(&p, 64));
    OK(halStreamCreate(&s));
    for (i = 0; i < 10; i++)
        OK(halMemsetAsync(p, i, 64, s));
    OK(halStreamSynchronize(s));
    assert_int_equal(fake_count("event_record"), records);
    assert_int_equal(fake_count("stream_wait"), waits);
    OK(halMemset(p, 1, 64)); /* now there are two */
    OK(halMemset(p, 1, 64));
    OK(halMemsetAsync(p, 1, 64, s));
    OK(halMemsetAsync(p, 1, 64, s));
    assert_int_equal(fake_count("event_record"), records + 2);
    assert_int_equal(fake_count("stream_wait"), waits + 2);
    OK(halStreamDestroy(s));
    OK(halFree(p));
}

static void events(void **state)
{
    halStream_t s;
    halEvent_t e, f, untimed;
    float ms = -1;

    (void)state;
    OK(halStreamCreate(&s));
    OK(halEventCreate(&e));
    OK(halEventCreate(&f));
    OK(halEventCreateWithFlags(&untimed, halEventDisableTiming));
    OK(halEventQuery(e)); /* never recorded */
    OK(halEventSynchronize(e));
    FAILS(halErrorBadState, "start was never recorded",
          halEventElapsedTime(&ms, e, f));
    OK(halEventRecord(e, s));
    OK(halEventSynchronize(e));
    OK(halLaunchHostFunc(s, at_gate, NULL));
    OK(halEventRecord(f, s));
    OK(halEventRecord(untimed, s));
    assert_int_equal(halEventQuery(f), halErrorNotReady);
    assert_int_equal(halEventElapsedTime(&ms, e, f), halErrorNotReady);
    usleep(3000);
    atomic_store(&gate_open, 1);
    OK(halEventSynchronize(f));
    OK(halEventElapsedTime(&ms, e, f));
    assert_true(ms > 2.5f && ms < 5000.0f);
    FAILS(halErrorBadState, "DisableTiming",
          halEventElapsedTime(&ms, e, untimed));
    FAILS(halErrorInvalidValue, "flags", halEventCreateWithFlags(&e, 64));
    OK(halEventDestroy(untimed));
    OK(halSetDevice(1));
    FAILS(halErrorInvalidHandle, "event is of fake:0", halEventRecord(e, NULL));
    OK(halSetDevice(0));
    OK(halEventDestroy(e));
    OK(halEventDestroy(f));
    OK(halStreamDestroy(s));
}

/* A wait holds for the record that was there, across devices and backends. */
static void wait_event(void **state)
{
    int from, to;

    (void)state;
    for (from = 0; from < 4; from++) {
        for (to = 0; to < 4; to++) {
            halStream_t a, b;
            halEvent_t e;

            start(NULL);
            OK(halSetDevice(from));
            OK(halStreamCreateWithFlags(&a, halStreamNonBlocking));
            OK(halEventCreateWithFlags(&e, halEventDisableTiming));
            OK(halSetDevice(to));
            OK(halStreamCreateWithFlags(&b, halStreamNonBlocking));
            OK(halStreamWaitEvent(b, e, 0)); /* never recorded: no wait */
            OK(halStreamSynchronize(b));
            OK(halLaunchHostFunc(a, at_gate, NULL));
            mark(a, 1);
            OK(halEventRecord(e, a));
            OK(halStreamWaitEvent(b, e, 0));
            mark(b, 2);
            assert_int_equal(halStreamQuery(b), halErrorNotReady);
            usleep(1000);
            assert_int_equal(trail_n, 0);
            atomic_store(&gate_open, 1);
            OK(halStreamSynchronize(b));
            assert_int_equal(trail_n, 2);
            assert_int_equal(trail[0], 1);
            assert_int_equal(trail[1], 2);
            FAILS(halErrorInvalidValue, "flags", halStreamWaitEvent(b, e, 1));
            OK(halStreamDestroy(a));
            OK(halStreamDestroy(b));
            OK(halEventDestroy(e));
        }
    }
}

/* The event is recorded again, and destroyed, while another device waits for
 * its first record: that wait must end with the first record. */
static void wait_keeps_record(void **state)
{
    halStream_t a, b;
    halEvent_t e;
    int i;

    (void)state;
    OK(halSetDevice(0));
    OK(halStreamCreate(&a));
    OK(halEventCreate(&e));
    OK(halSetDevice(3));
    OK(halStreamCreate(&b));
    fake_delay_us(2000);
    mark(a, 1);
    OK(halEventRecord(e, a));
    OK(halStreamWaitEvent(b, e, 0));
    OK(halLaunchHostFunc(a, at_gate, NULL));
    OK(halEventRecord(e, a)); /* behind the gate */
    mark(b, 2);
    for (i = 0; i < 5000 && halStreamQuery(b) == halErrorNotReady; i++)
        usleep(1000);
    OK(halStreamQuery(b)); /* ends, though the gate is shut */
    assert_int_equal(trail[1], 2);
    OK(halStreamWaitEvent(b, e, 0));
    OK(halEventDestroy(e));
    mark(b, 3);
    assert_int_equal(halStreamQuery(b), halErrorNotReady);
    atomic_store(&gate_open, 1);
    OK(halStreamSynchronize(b));
    assert_int_equal(trail[2], 3);
    OK(halStreamDestroy(a));
    OK(halStreamDestroy(b));
}

/* Reset of the device that another one waits for lets that one go. */
static void reset_while_waited(void **state)
{
    halStream_t a, b;
    halEvent_t e;

    (void)state;
    OK(halSetDevice(2));
    OK(halStreamCreate(&a));
    OK(halEventCreate(&e));
    OK(halSetDevice(0));
    OK(halStreamCreate(&b));
    fake_delay_us(1000);
    mark(a, 1);
    OK(halEventRecord(e, a));
    OK(halStreamWaitEvent(b, e, 0));
    mark(b, 2);
    OK(halSetDevice(2));
    OK(halDeviceReset());
    FAILS(halErrorInvalidHandle, "destroyed", halEventQuery(e));
    FAILS(halErrorInvalidHandle, "destroyed", halStreamQuery(a));
    OK(halStreamSynchronize(b));
    assert_int_equal(trail_n, 2);
    OK(halStreamDestroy(b));
}

/* Failed work is reported once, where somebody waits for it. */
static void late_errors(void **state)
{
    halStream_t s, t;
    void *p;

    (void)state;
    OK(halMalloc(&p, 64));
    OK(halStreamCreateWithFlags(&s, halStreamNonBlocking));
    OK(halStreamCreateWithFlags(&t, halStreamNonBlocking));
    fake_fail_async(1, halErrorLaunchFailure);
    OK(halMemsetAsync(p, 0, 64, s));
    FAILS(halErrorLaunchFailure, "failed", halStreamSynchronize(s));
    OK(halStreamSynchronize(s));
    fake_fail_async(1, halErrorLaunchFailure);
    OK(halMemsetAsync(p, 0, 64, s));
    FAILS(halErrorLaunchFailure, "failed", halDeviceSynchronize());
    OK(halDeviceSynchronize());
    /* Freeing waits, but does not swallow it. */
    fake_fail_async(1, halErrorLaunchFailure);
    OK(halMemsetAsync(p, 0, 64, s));
    OK(halFree(p));
    FAILS(halErrorLaunchFailure, "failed", halStreamSynchronize(s));
    /* Nor does the stream's end. */
    fake_fail_async(1, halErrorLaunchFailure);
    OK(halLaunchHostFunc(t, leave_trail, NULL));
    OK(halStreamDestroy(t));
    FAILS(halErrorLaunchFailure, "failed", halDeviceSynchronize());
    OK(halDeviceSynchronize());
    OK(halStreamDestroy(s));
}

/* A sync that fails by itself does not take the stored error with it. */
static void one_error_a_time(void **state)
{
    halStream_t s;
    void *p;
    int i;

    (void)state;
    OK(halStreamCreate(&s));
    for (i = 0; i < 2; i++) {
        OK(halMalloc(&p, 64));
        fake_fail_async(1, halErrorLaunchFailure);
        OK(halMemsetAsync(p, 0, 64, s));
        OK(halFree(p));
        /* The device asks its default stream first. */
        fake_fail_at(i ? 2 : 1, halErrorMemoryAllocation);
        FAILS(halErrorMemoryAllocation, "stream_sync",
              i ? halDeviceSynchronize() : halStreamSynchronize(s));
        assert_true(fake_has_failed());
        fake_fail_at(0, halSuccess);
        FAILS(halErrorLaunchFailure, "failed",
              i ? halDeviceSynchronize() : halStreamSynchronize(s));
        OK(halDeviceSynchronize());
    }
    OK(halStreamDestroy(s));
}

static void lost(void **state)
{
    halStream_t s;
    halEvent_t e;
    void *p, *q = (void *)7;

    (void)state;
    OK(halSetDevice(1));
    OK(halMalloc(&p, 64));
    OK(halStreamCreate(&s));
    OK(halEventCreate(&e));
    fake_fail_async(1, halErrorDeviceLost);
    OK(halMemsetAsync(p, 0, 64, s));
    FAILS(halErrorDeviceLost, "fake: ", halStreamSynchronize(s));
    FAILS(halErrorDeviceLost, "halDeviceReset", halStreamSynchronize(s));
    FAILS(halErrorDeviceLost, "halDeviceReset", halMemset(p, 0, 64));
    FAILS(halErrorDeviceLost, "halDeviceReset", halMalloc(&q, 64));
    assert_ptr_equal(q, (void *)7);
    FAILS(halErrorDeviceLost, "halDeviceReset", halEventRecord(e, s));
    OK(halSetDevice(0)); /* the others live */
    OK(halMalloc(&q, 64));
    OK(halMemset(q, 0, 64));
    OK(halFree(q));
    OK(halSetDevice(1));
    OK(halFree(p)); /* frees work on a lost device */
    OK(halEventDestroy(e));
    OK(halStreamDestroy(s));
    OK(halDeviceReset());
    OK(halMalloc(&p, 64));
    OK(halMemset(p, 0, 64));
    OK(halDeviceSynchronize());
    OK(halFree(p));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, finish)
    const struct CMUnitTest tests[] = {
        T(create),       T(handles),           T(query),
        T(legacy_order), T(legacy_is_free),    T(events),
        T(wait_event),   T(wait_keeps_record), T(reset_while_waited),
        T(late_errors),  T(one_error_a_time),  T(lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
