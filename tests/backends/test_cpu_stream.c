/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cpu_stream.c - streams and events: order, progress that nobody waits
 * for, host functions that block, waits across streams, many threads at once.
 */
#include <time.h>

#include "tests/backends/cpu_test.h"

static struct hal_dev *dev;

static int setup(void **state)
{
    (void)state;
    return hal_backend_cpu.device_open(0, &dev) == halSuccess ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    dev->ops->device_close(dev);
    return 0;
}

static void *new_stream(int priority)
{
    void *s = NULL;

    OK(dev->ops->stream_create(dev, priority, &s));
    return s;
}

/* A host function that holds its stream until the gate opens. */
struct gate {
    atomic_int open, entered;
};

static void pass_gate(void *arg)
{
    struct gate *gate = arg;

    atomic_store(&gate->entered, 1);
    while (!atomic_load(&gate->open))
        usleep(100);
}

static void count_up(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* Waits up to five seconds without helping the device along. */
static int within_time(atomic_int *value, int want)
{
    for (int i = 0; i < 50000 && atomic_load(value) != want; i++)
        usleep(100);
    return atomic_load(value) == want;
}

static void work_goes_on_unattended(void **state)
{
    void *s = new_stream(0);
    struct hal_mem m = { 0 };
    atomic_int done = 0;

    (void)state;
    OK(dev->ops->mem_alloc(dev, 64, 0, &m));
    for (int i = 1; i <= 20; i++) {
        OK(dev->ops->fill(dev, s, m.impl, 0, 64, (uint32_t)i, 4));
        OK(dev->ops->host_func(dev, s, count_up, &done));
        assert_true(within_time(&done, i));
        assert_int_equal(*(int *)m.addr, i);
        usleep((unsigned)(i % 4 * 1500)); /* runners napping, and asleep */
    }
    dev->ops->stream_destroy(dev, s);
    dev->ops->mem_free(dev, m.impl);
}

static void blocked_hosts_hold_nobody(void **state)
{
    enum { N = 12 };
    struct gate gate = { 0 };
    atomic_int done = 0;
    void *held[N], *s = new_stream(0);

    (void)state;
    for (int i = 0; i < N; i++) {
        held[i] = new_stream(0);
        OK(dev->ops->host_func(dev, held[i], pass_gate, &gate));
    }
    OK(dev->ops->host_func(dev, s, count_up, &done));
    assert_true(within_time(&done, 1));
    OK(dev->ops->stream_sync(dev, s));
    assert_int_equal(dev->ops->stream_query(dev, held[0]), halErrorNotReady);
    atomic_store(&gate.open, 1);
    for (int i = 0; i < N; i++) {
        OK(dev->ops->stream_sync(dev, held[i]));
        OK(dev->ops->stream_query(dev, held[i]));
        dev->ops->stream_destroy(dev, held[i]);
    }
    dev->ops->stream_destroy(dev, s);
}

/* Who waits for an event hears of the stream's work that failed, once. */
static void an_events_wait_tells_errors(void **state)
{
    void *s = new_stream(0), *e = NULL;
    struct cpu_stream *stream = s;

    (void)state;
    OK(dev->ops->event_create(dev, 0, &e));
    OK(dev->ops->event_record(dev, s, e));
    OK(dev->ops->event_sync(dev, e));
    pthread_mutex_lock(&stream->lock);
    stream->error = halErrorHostMemory; /* as a launch without scratch does */
    pthread_mutex_unlock(&stream->lock);
    assert_int_equal(dev->ops->event_sync(dev, e), halErrorHostMemory);
    assert_non_null(strstr(halGetErrorDetail(), "scratch"));
    OK(dev->ops->event_sync(dev, e));
    OK(dev->ops->stream_sync(dev, s));
    dev->ops->event_destroy(dev, e);
    dev->ops->stream_destroy(dev, s);
}

static void note_thread(void *arg)
{
    *(pthread_t *)arg = pthread_self();
}

/* hal.h promises a thread of Halcyon's, even to a caller that waits. */
static void hosts_run_elsewhere(void **state)
{
    void *s = new_stream(0);
    pthread_t ran_on = pthread_self();

    (void)state;
    for (int i = 0; i < 20; i++) {
        ran_on = pthread_self();
        OK(dev->ops->host_func(dev, s, note_thread, &ran_on));
        OK(dev->ops->stream_sync(dev, s));
        assert_false(pthread_equal(ran_on, pthread_self()));
    }
    dev->ops->stream_destroy(dev, s);
}

static void submitting_never_waits(void **state)
{
    struct gate gate = { 0 };
    atomic_int done = 0;
    void *s = new_stream(0);
    struct hal_mem m = { 0 };
    char small[100];

    (void)state;
    memset(small, 5, sizeof small);
    OK(dev->ops->mem_alloc(dev, 1 << 20, 0, &m));
    OK(dev->ops->host_func(dev, s, pass_gate, &gate));
    for (int i = 0; i < 5000; i++) /* far more than are kept for reuse */
        OK(dev->ops->host_func(dev, s, count_up, &done));
    OK(dev->ops->copy_in(dev, s, m.impl, 0, small, sizeof small, 0));
    memset(small, 6, sizeof small); /* it has been read */
    OK(dev->ops->copy(dev, s, m.impl, 1000, m.impl, 0, 100));
    assert_int_equal(atomic_load(&done), 0);
    atomic_store(&gate.open, 1);
    OK(dev->ops->stream_sync(dev, s));
    assert_int_equal(atomic_load(&done), 5000);
    assert_int_equal(((char *)m.addr)[1099], 5);
    dev->ops->stream_destroy(dev, s);
    dev->ops->mem_free(dev, m.impl);
}

static void events_order_streams(void **state)
{
    struct gate gate = { 0 };
    atomic_int first = 0, second = 0;
    void *a = new_stream(0), *b = new_stream(-1), *e = NULL;

    (void)state;
    OK(dev->ops->event_create(dev, 1, &e));
    OK(dev->ops->event_query(dev, e)); /* never recorded: done */
    OK(dev->ops->event_sync(dev, e));
    OK(dev->ops->stream_wait(dev, b, e));

    OK(dev->ops->host_func(dev, a, pass_gate, &gate));
    OK(dev->ops->host_func(dev, a, count_up, &first));
    OK(dev->ops->event_record(dev, a, e));
    OK(dev->ops->stream_wait(dev, b, e));
    OK(dev->ops->host_func(dev, b, count_up, &second));
    assert_int_equal(dev->ops->event_query(dev, e), halErrorNotReady);

    /* The wait keeps its record although the event moves on and dies. */
    OK(dev->ops->event_record(dev, b, e));
    dev->ops->event_destroy(dev, e);
    usleep(20000);
    assert_int_equal(atomic_load(&second), 0);
    atomic_store(&gate.open, 1);
    OK(dev->ops->stream_sync(dev, b));
    assert_int_equal(atomic_load(&first), 1);
    assert_int_equal(atomic_load(&second), 1);
    dev->ops->stream_destroy(dev, a);
    dev->ops->stream_destroy(dev, b);
}

static void sleep_a_little(void *arg)
{
    (void)arg;
    usleep(30000);
}

static void events_tell_the_time(void **state)
{
    void *s = new_stream(0), *e[2] = { NULL, NULL };
    float ms = -1;

    (void)state;
    OK(dev->ops->event_create(dev, 1, &e[0]));
    OK(dev->ops->event_create(dev, 1, &e[1]));
    OK(dev->ops->event_record(dev, s, e[0]));
    OK(dev->ops->host_func(dev, s, sleep_a_little, NULL));
    OK(dev->ops->event_record(dev, s, e[1]));
    OK(dev->ops->event_sync(dev, e[1]));
    OK(dev->ops->event_query(dev, e[0]));
    OK(dev->ops->event_elapsed(dev, e[0], e[1], &ms));
    assert_true(ms >= 29.0f && ms < 5000.0f);
    OK(dev->ops->event_elapsed(dev, e[1], e[0], &ms));
    assert_true(ms <= -29.0f);
    dev->ops->event_destroy(dev, e[0]);
    dev->ops->stream_destroy(dev, s); /* before an event recorded on it */
    OK(dev->ops->event_sync(dev, e[1]));
    dev->ops->event_destroy(dev, e[1]);
}

/* A chain over many streams, each link waiting for the one before. */
static void long_chains_of_waits(void **state)
{
    enum { N = 200 };
    struct gate gate = { 0 };
    void *s[N], *e[N];
    struct hal_mem m = { 0 };

    (void)state;
    OK(dev->ops->mem_alloc(dev, N + 1, 0, &m));
    memset(m.addr, 0, N + 1);
    ((char *)m.addr)[0] = 42;
    for (int i = 0; i < N; i++) {
        s[i] = new_stream(0);
        OK(dev->ops->event_create(dev, 0, &e[i]));
        if (i)
            OK(dev->ops->stream_wait(dev, s[i], e[i - 1]));
        else
            OK(dev->ops->host_func(dev, s[i], pass_gate, &gate));
        OK(dev->ops->copy(dev, s[i], m.impl, (uint64_t)i + 1, m.impl,
                          (uint64_t)i, 1));
        OK(dev->ops->event_record(dev, s[i], e[i]));
    }
    atomic_store(&gate.open, 1);
    OK(dev->ops->event_sync(dev, e[N - 1]));
    assert_int_equal(((char *)m.addr)[N], 42);
    for (int i = 0; i < N; i++) {
        dev->ops->event_destroy(dev, e[i]);
        dev->ops->stream_destroy(dev, s[i]);
    }
    dev->ops->mem_free(dev, m.impl);
}

/* One stream of its own for each thread, and one event that all use. */
struct worker {
    void *shared_event;
    pthread_mutex_t *lock; /* the core's: submissions to one stream */
    void *shared_stream;
    atomic_int *total;
};

static void *hammer(void *arg)
{
    struct worker *w = arg;
    atomic_int mine = 0;
    void *s = new_stream(0);

    for (int i = 1; i <= 300; i++) {
        OK(dev->ops->host_func(dev, s, count_up, &mine));
        OK(dev->ops->stream_wait(dev, s, w->shared_event));
        pthread_mutex_lock(w->lock);
        OK(dev->ops->host_func(dev, w->shared_stream, count_up, w->total));
        OK(dev->ops->event_record(dev, w->shared_stream, w->shared_event));
        pthread_mutex_unlock(w->lock);
        if (i % 7 == 0)
            OK(dev->ops->event_sync(dev, w->shared_event));
        if (i % 3 == 0) {
            OK(dev->ops->stream_sync(dev, s));
            assert_int_equal(atomic_load(&mine), i);
        }
        (void)dev->ops->event_query(dev, w->shared_event);
    }
    dev->ops->stream_destroy(dev, s);
    return NULL;
}

static void eight_threads_at_once(void **state)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    atomic_int total = 0;
    struct worker w = { .lock = &lock, .total = &total };
    pthread_t threads[8];

    (void)state;
    OK(dev->ops->event_create(dev, 0, &w.shared_event));
    w.shared_stream = new_stream(0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &w), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    OK(dev->ops->stream_sync(dev, w.shared_stream));
    assert_int_equal(atomic_load(&total), 8 * 300);
    dev->ops->stream_destroy(dev, w.shared_stream);
    dev->ops->event_destroy(dev, w.shared_event);
}

static void an_idle_device_sleeps(void **state)
{
    struct timespec before, after;
    atomic_int done = 0;
    void *s = new_stream(0);
    double used;

    (void)state;
    OK(dev->ops->host_func(dev, s, count_up, &done));
    OK(dev->ops->stream_sync(dev, s));
    usleep(50000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    usleep(200000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    used = (double)(after.tv_sec - before.tv_sec) +
           1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    assert_true(used < 0.02);
    dev->ops->stream_destroy(dev, s);
}

/* Who has seen a stream's last event finds the stream idle. */
static void events_never_precede_streams(void **state)
{
    void *s = new_stream(0), *e = NULL;
    int early = 0;

    (void)state;
    OK(dev->ops->event_create(dev, 0, &e));
    for (int i = 0; i < 20000; i++) {
        OK(dev->ops->event_record(dev, s, e));
        while (dev->ops->event_query(dev, e) == halErrorNotReady)
            ;
        early += dev->ops->stream_query(dev, s) != halSuccess;
        OK(dev->ops->stream_sync(dev, s));
    }
    assert_int_equal(early, 0);
    dev->ops->event_destroy(dev, e);
    dev->ops->stream_destroy(dev, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_goes_on_unattended),
        cmocka_unit_test(blocked_hosts_hold_nobody),
        cmocka_unit_test(an_events_wait_tells_errors),
        cmocka_unit_test(hosts_run_elsewhere),
        cmocka_unit_test(submitting_never_waits),
        cmocka_unit_test(events_order_streams),
        cmocka_unit_test(events_tell_the_time),
        cmocka_unit_test(events_never_precede_streams),
        cmocka_unit_test(long_chains_of_waits),
        cmocka_unit_test(eight_threads_at_once),
        cmocka_unit_test(an_idle_device_sleeps),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
