/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight threads on one device, one thread on four devices, threads that destroy
 * what others use, and resets side by side; meant for the thread sanitizer.
 */
#include "tests/hal/hal_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend,
                                                           &bare_backend, 0 };

enum { THREADS = 8, ROUNDS = 30, N = 300 };

static void *image;
static size_t image_size;
static halModule_t shared_module;
static halFunction_t shared_fn;
static halStream_t shared_stream;
static atomic_int n_errors;

/* cmocka's asserts belong to the main thread. */
#define WORK(call)                                                        \
    do {                                                                  \
        halError_t st_ = (call);                                          \
        if (st_ != halSuccess) {                                          \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, \
                    halGetErrorDetail());                                 \
            atomic_fetch_add(&n_errors, 1);                               \
        }                                                                 \
    } while (0)

static void one_round(int number, halStream_t s)
{
    float host[N], a = 3, *p = NULL, *q = NULL;
    unsigned n = N;
    void *args[] = { &q, &a, &n };
    halEvent_t e;
    int i;

    for (i = 0; i < N; i++)
        host[i] = (float)(i + number);
    WORK(halMalloc((void **)&p, sizeof host));
    WORK(halMallocAsync((void **)&q, sizeof host, s));
    WORK(halMemcpyAsync(p, host, sizeof host, halMemcpyDefault, s));
    WORK(halMemcpyAsync(q, p, sizeof host, halMemcpyDefault, s));
    WORK(halLaunchKernel(shared_fn, (halDim3){ 1, 1, 1 }, (halDim3){ 0, 0, 0 },
                         args, 0, s));
    WORK(halEventCreate(&e));
    WORK(halEventRecord(e, s));
    WORK(halEventSynchronize(e));
    WORK(halEventDestroy(e));
    memset(host, 0, sizeof host);
    WORK(halMemcpyAsync(host, q, sizeof host, halMemcpyDefault, s));
    WORK(halFreeAsync(q, s));
    for (i = 0; i < N; i++)
        if (host[i] != 3 * (float)(i + number))
            atomic_fetch_add(&n_errors, 1);
    WORK(halFree(p));
}

static void *own_stream(void *arg)
{
    int number = (int)(intptr_t)arg, i;
    halStream_t s;

    WORK(halStreamCreateWithFlags(&s, number % 2 ? halStreamNonBlocking
                                                 : halStreamDefault));
    for (i = 0; i < ROUNDS; i++)
        one_round(number * ROUNDS + i, s);
    WORK(halStreamDestroy(s));
    return NULL;
}

static void *one_stream(void *arg)
{
    int number = (int)(intptr_t)arg, i;

    for (i = 0; i < ROUNDS; i++)
        one_round(number * ROUNDS + i, number % 2 ? shared_stream : NULL);
    return NULL;
}

static void run_threads(void *(*fn)(void *))
{
    pthread_t threads[THREADS];
    int i;

    atomic_store(&n_errors, 0);
    for (i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, fn, (void *)(intptr_t)i), 0);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&n_errors), 0);
}

static void eight_on_one(void **state)
{
    (void)state;
    OK(halSetDevice(0));
    OK(halModuleLoadData(&shared_module, image, image_size));
    OK(halModuleGetFunction(&shared_fn, shared_module, "scale"));
    OK(halStreamCreate(&shared_stream));
    run_threads(own_stream);
    run_threads(one_stream);
    OK(halStreamDestroy(shared_stream));
    OK(halModuleUnload(shared_module));
}

static void one_on_four(void **state)
{
    unsigned char in[N], out[N];
    halStream_t s[4];
    halEvent_t e[4];
    char *p[4];
    int d, round, i;

    (void)state;
    for (d = 0; d < 4; d++) {
        OK(halSetDevice(d));
        OK(halMalloc((void **)&p[d], N));
        OK(halStreamCreate(&s[d]));
        OK(halEventCreate(&e[d]));
    }
    for (round = 0; round < 20; round++) {
        for (i = 0; i < N; i++)
            in[i] = (unsigned char)(i + round);
        /* Round the devices, each waiting for the one before. */
        OK(halMemcpyAsync(p[0], in, N, halMemcpyDefault, s[0]));
        for (d = 0; d < 4; d++) {
            OK(halSetDevice(d));
            if (d) {
                OK(halStreamWaitEvent(s[d], e[d - 1], 0));
                OK(halMemcpyPeerAsync(p[d], d, p[d - 1], d - 1, N, s[d]));
            }
            OK(halEventRecord(e[d], s[d]));
        }
        memset(out, 0, N);
        OK(halMemcpyAsync(out, p[3], N, halMemcpyDefault, s[3]));
        assert_memory_equal(in, out, N);
        OK(halStreamWaitEvent(s[0], e[3], 0));
    }
    for (d = 0; d < 4; d++) {
        OK(halStreamDestroy(s[d]));
        OK(halEventDestroy(e[d]));
        OK(halFree(p[d]));
    }
}

/* A thread destroys and frees what others use: some calls fail, none does harm.
 * Memory goes with its stream, whose order keeps its uses apart. */
static struct victims {
    void *mem;
    halStream_t stream;
    halEvent_t event;
} rounds[61];
static _Atomic(struct victims *) victims;
static atomic_int is_over;

static void *user(void *arg)
{
    static _Thread_local char host[256];

    (void)arg;
    while (!atomic_load(&is_over)) {
        const struct victims *v = atomic_load(&victims);
        halStream_t s = v->stream;
        halEvent_t e = v->event;
        void *p = v->mem;

        if (halMemsetAsync(p, 1, 256, s) == halSuccess &&
            halEventRecord(e, s) == halSuccess &&
            halStreamWaitEvent(s, e, 0) == halSuccess)
            (void)!halEventSynchronize(e);
        /* As host memory a stale address would be read: say what it is. */
        (void)!halMemcpyAsync(host, p, 256, halMemcpyDeviceToHost, s);
        (void)!halStreamSynchronize(s);
    }
    return NULL;
}

static void destroyed_in_use(void **state)
{
    pthread_t threads[4];
    int i, round;

    (void)state;
    OK(halSetDevice(0));
    atomic_store(&is_over, 0);
    for (round = 0; round <= 60; round++) {
        struct victims *v = &rounds[round];

        OK(halMalloc(&v->mem, 256));
        OK(halStreamCreate(&v->stream));
        OK(halEventCreate(&v->event));
        atomic_store(&victims, v);
        if (!round) {
            for (i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, user, NULL),
                                 0);
            continue;
        }
        OK(halFree(v[-1].mem));
        OK(halEventDestroy(v[-1].event));
        OK(halStreamDestroy(v[-1].stream));
    }
    atomic_store(&is_over, 1);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* Two devices that use each other's memory are reset at the same time, while
 * a third thread frees memory that concerns them all. */
static pthread_barrier_t start;
static atomic_int n_left;

static void *resetter(void *arg)
{
    WORK(halSetDevice((int)(intptr_t)arg));
    pthread_barrier_wait(&start);
    WORK(halDeviceReset());
    atomic_fetch_sub(&n_left, 1);
    return NULL;
}

static void *freer(void *arg)
{
    void *p;

    (void)arg;
    WORK(halSetDevice(2));
    pthread_barrier_wait(&start);
    do {
        WORK(halHostAlloc(&p, 100, halHostAllocPortable));
        WORK(halFreeHost(p));
    } while (atomic_load(&n_left));
    return NULL;
}

static void reset_peers(void **state)
{
    pthread_t threads[3];
    int round, d;

    (void)state;
    atomic_store(&n_errors, 0);
    pthread_barrier_init(&start, NULL, 3);
    for (round = 0; round < 50; round++) {
        for (d = 0; d < 2; d++) {
            halStream_t s;
            void *p;

            OK(halSetDevice(d));
            OK(halDeviceEnablePeerAccess(1 - d, 0));
            OK(halStreamCreate(&s));
            OK(halMalloc(&p, 1000));
            OK(halMemsetAsync(p, 1, 1000, s));
        }
        atomic_store(&n_left, 2);
        for (d = 0; d < 3; d++)
            assert_int_equal(pthread_create(&threads[d], NULL,
                                            d < 2 ? resetter : freer,
                                            (void *)(intptr_t)d),
                             0);
        for (d = 0; d < 3; d++)
            pthread_join(threads[d], NULL);
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(atomic_load(&n_errors), 0);
}

/* Whoever waits for one device keeps nobody from resetting another: here the
 * end of the wait depends on it. */
static atomic_int is_released;

static void until_released(void *arg)
{
    int ms;

    (void)arg;
    for (ms = 0; ms < 5000 && !atomic_load(&is_released); ms++)
        usleep(1000);
    if (!atomic_load(&is_released))
        atomic_fetch_add(&n_errors, 1);
}

static void *free_shared(void *p)
{
    WORK(halFreeHost(p));
    return NULL;
}

static void *reset_first(void *unused)
{
    (void)unused;
    WORK(halDeviceReset());
    return NULL;
}

static void reset_beside(void *(*waiter)(void *))
{
    pthread_t thread;
    void *p;

    atomic_store(&n_errors, 0);
    atomic_store(&is_released, 0);
    OK(halSetDevice(1));
    OK(halMalloc(&p, 64));
    OK(halSetDevice(0));
    OK(halHostAlloc(&p, 64, halHostAllocPortable));
    OK(halLaunchHostFunc(NULL, until_released, NULL));
    assert_int_equal(pthread_create(&thread, NULL, waiter, p), 0);
    usleep(50000); /* it waits */
    OK(halSetDevice(1));
    OK(halDeviceReset());
    atomic_store(&is_released, 1);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&n_errors), 0);
}

static void reset_beside_waiter(void **state)
{
    (void)state;
    reset_beside(free_shared);
    reset_beside(reset_first);
}

/* A copy to pageable memory that waits for earlier work of the default stream
 * keeps nobody from opening, using and ending another stream; and it stays one
 * copy at one place in its stream. */
static unsigned char pageable[N];

static void *copy_out_pageable(void *p)
{
    WORK(halMemcpy(pageable, p, N, halMemcpyDeviceToHost));
    return NULL;
}

static void copy_beside_streams(void **state)
{
    int d;

    (void)state;
    alarm(60); /* who waits for the copy here waits for ever */
    atomic_store(&n_errors, 0);
    for (d = 0; d < 4; d += 2) {
        unsigned before = fake_count("copy_out");
        halStream_t s, unused;
        pthread_t thread;
        char *p;
        int i;

        OK(halSetDevice(d));
        OK(halMalloc((void **)&p, N));
        memset(pageable, 0, N);
        fake_hold(1);
        OK(halMemsetAsync(p, 1, N, NULL));
        assert_int_equal(pthread_create(&thread, NULL, copy_out_pageable, p),
                         0);
        while (fake_count("copy_out") == before)
            usleep(1000);
        OK(halStreamCreate(&unused));
        OK(halStreamCreate(&s));
        OK(halMemsetAsync(p, 2, N, s));
        OK(halStreamDestroy(unused));
        fake_hold(0);
        pthread_join(thread, NULL);
        OK(halStreamDestroy(s));
        OK(halMemcpy(&i, p, sizeof i, halMemcpyDefault));
        assert_int_equal(i, 0x02020202);
        /* The copy that was submitted came first; one that was to be asked
         * for again may have come second. */
        assert_in_range(pageable[0], 1, d ? 2 : 1);
        for (i = 1; i < N; i++)
            assert_int_equal(pageable[i], pageable[0]);
    }
    alarm(0);
    assert_int_equal(atomic_load(&n_errors), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(eight_on_one, reset_all),
        cmocka_unit_test_teardown(one_on_four, reset_all),
        cmocka_unit_test_teardown(destroyed_in_use, reset_all),
        cmocka_unit_test_teardown(reset_peers, reset_all),
        cmocka_unit_test_teardown(reset_beside_waiter, reset_all),
        cmocka_unit_test_teardown(copy_beside_streams, reset_all),
    };
    int rc;

    image = fake_halbin(&image_size);
    if (!image)
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(image);
    return rc;
}
