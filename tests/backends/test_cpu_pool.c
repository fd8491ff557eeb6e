/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cpu_pool.c - every index is worked on exactly once, by however many
 * threads, whoever sleeps or spins, and whoever else uses the pool.
 */
#include <time.h>

#include "tests/backends/cpu_test.h"

struct range {
    atomic_uint *hits;
    unsigned slow_us;
};

static void hit(void *ctx, uint64_t first, uint64_t last)
{
    struct range *range = ctx;

    for (uint64_t i = first; i < last; i++)
        atomic_fetch_add(&range->hits[i], 1);
    if (range->slow_us)
        usleep(range->slow_us);
}

static void check_once(struct cpu_pool *pool, uint64_t total, uint64_t chunk)
{
    struct range range = { calloc(total + 1, sizeof(atomic_uint)), 0 };

    cpu_pool_run(pool, total, chunk, hit, &range);
    for (uint64_t i = 0; i < total; i++)
        assert_int_equal(range.hits[i], 1);
    assert_int_equal(range.hits[total], 0);
    free(range.hits);
}

static void each_index_once(void **state)
{
    static const unsigned workers[] = { 1, 2, 3, 16 };
    static const uint64_t totals[] = { 0, 1, 2, 7, 64, 1021 };
    static const uint64_t chunks[] = { 1, 3, 64, 5000 };

    (void)state;
    for (unsigned w = 0; w < 4; w++) {
        struct cpu_pool *pool = NULL;

        OK(cpu_pool_create(workers[w], NULL, &pool));
        assert_int_equal(cpu_pool_workers(pool), workers[w]);
        for (unsigned t = 0; t < 6; t++)
            for (unsigned c = 0; c < 4; c++)
                check_once(pool, totals[t], chunks[c]);
        cpu_pool_destroy(pool);
    }
}

static void sleepers_are_woken(void **state)
{
    struct cpu_pool *pool = NULL;
    struct range range = { calloc(4, sizeof(atomic_uint)), 20000 };

    (void)state;
    OK(cpu_pool_create(2, NULL, &pool));
    for (int i = 0; i < 5; i++) {
        usleep(2000); /* well past the spin */
        /* two slow pieces: both threads have to take one */
        assert_int_equal(cpu_pool_run(pool, 2, 1, hit, &range), 2);
    }
    assert_int_equal(range.hits[0], 5);
    assert_int_equal(range.hits[1], 5);
    cpu_pool_destroy(pool);
    free(range.hits);
}

static void *many_runs(void *arg)
{
    for (int i = 0; i < 300; i++)
        check_once(arg, (uint64_t)(i % 50) + 1, 1);
    return NULL;
}

static void shared_by_several_threads(void **state)
{
    struct cpu_pool *pool = NULL;
    pthread_t threads[4];

    (void)state;
    OK(cpu_pool_create(3, NULL, &pool));
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_runs, pool), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cpu_pool_destroy(pool);
}

/* CPU time of the process while a pool that has worked does nothing. */
static void idle_workers_sleep(void **state)
{
    struct cpu_pool *pool = NULL;
    struct timespec before, after;
    double used;

    (void)state;
    OK(cpu_pool_create(4, NULL, &pool));
    check_once(pool, 100, 1);
    usleep(20000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    usleep(200000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    used = (double)(after.tv_sec - before.tv_sec) +
           1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    assert_true(used < 0.02); /* three spinning workers would use 0.4 or more */
    cpu_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_index_once),
        cmocka_unit_test(sleepers_are_woken),
        cmocka_unit_test(shared_by_several_threads),
        cmocka_unit_test(idle_workers_sleep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
