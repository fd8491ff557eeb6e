/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - worker threads that share out one range of work at a time with the
 * thread that brings it.
 *
 * A job lives on its owner's stack and in the pool's list.  Workers join under
 * the lock (n_inside) and take pieces with one atomic add; the owner unlinks
 * the job, then waits for n_inside to fall to 0, after which nobody knows the
 * job any more.  An idle worker spins for a bounded time, yields, then sleeps
 * on the `posted` counter.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "backends/cpu/cpu.h"

/* Between looks at the clock while spinning; about 2 us of pauses. */
#define PAUSES_PER_LOOK 64u
/* After this a spinning thread also yields: a stolen core would otherwise
 * spin against the very thread that it waits for. */
#define YIELD_AFTER_NS 10000u

struct pool_job {
    struct pool_job *next;
    cpu_pool_fn *fn;
    void *ctx;
    uint64_t total, chunk;
    _Atomic uint64_t taken;
    _Atomic uint32_t n_inside; /* workers that may still touch it */
    unsigned n_joined;         /* under the pool's lock */
};

struct cpu_pool {
    struct cpu_topology *topology;
    unsigned n_workers;
    pthread_mutex_t lock;
    struct pool_job *jobs;   /* under lock */
    unsigned n_threads;      /* under lock */
    bool started;            /* under lock */
    _Atomic uint32_t posted; /* jobs ever posted; what workers wait on */
    _Atomic uint32_t n_asleep;
    _Atomic bool stop;
    pthread_t *threads;
};

struct pool_start {
    struct cpu_pool *pool;
    unsigned index;
};

uint64_t cpu_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void cpu_futex_wait(_Atomic uint32_t *word, uint32_t value)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void cpu_futex_wake(_Atomic uint32_t *word, unsigned count)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE,
                  count > INT_MAX ? INT_MAX : (int)count, NULL, NULL, 0);
}

static void job_work(struct pool_job *job)
{
    for (;;) {
        uint64_t first = atomic_fetch_add_explicit(&job->taken, job->chunk,
                                                   memory_order_relaxed);
        uint64_t left = first < job->total ? job->total - first : 0;

        if (!left)
            return;
        job->fn(job->ctx, first,
                first + (left < job->chunk ? left : job->chunk));
    }
}

/* A job that has pieces left, entered; NULL if there is none. */
static struct pool_job *pool_join(struct cpu_pool *pool)
{
    struct pool_job *job;

    pthread_mutex_lock(&pool->lock);
    for (job = pool->jobs; job; job = job->next)
        if (atomic_load_explicit(&job->taken, memory_order_relaxed) <
            job->total)
            break;
    if (job) {
        atomic_fetch_add_explicit(&job->n_inside, 1, memory_order_relaxed);
        job->n_joined++;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

void cpu_spin_while(_Atomic uint32_t *word, uint32_t value)
{
    uint64_t start = cpu_now_ns(), spent = 0;

    while (spent < CPU_SPIN_NS) {
        for (unsigned i = 0; i < PAUSES_PER_LOOK; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != value)
                return;
            cpu_relax();
        }
        if (spent > YIELD_AFTER_NS)
            sched_yield();
        spent = cpu_now_ns() - start;
    }
}

static void *pool_worker(void *arg)
{
    struct pool_start start = *(struct pool_start *)arg;
    struct cpu_pool *pool = start.pool;

    free(arg);
    cpu_topology_bind(pool->topology, start.index, pool->n_workers);
    while (!atomic_load(&pool->stop)) {
        uint32_t posted = atomic_load(&pool->posted);
        struct pool_job *job = pool_join(pool);

        if (job) {
            job_work(job);
            /* The last touch; the address alone is used by the wake. */
            if (atomic_fetch_sub(&job->n_inside, 1) == 1)
                cpu_futex_wake(&job->n_inside, 1);
            continue;
        }
        cpu_spin_while(&pool->posted, posted);
        if (atomic_load(&pool->posted) != posted)
            continue;
        atomic_fetch_add(&pool->n_asleep, 1);
        if (!atomic_load(&pool->stop))
            cpu_futex_wait(&pool->posted, posted);
        atomic_fetch_sub(&pool->n_asleep, 1);
    }
    return NULL;
}

/* As many as can be had: work gets done with fewer too. */
static void pool_start_locked(struct cpu_pool *pool)
{
    pool->started = true;
    while (pool->n_threads + 1 < pool->n_workers) {
        struct pool_start *start = malloc(sizeof *start);

        if (!start)
            return;
        *start = (struct pool_start){ pool, pool->n_threads + 1 };
        if (pthread_create(&pool->threads[pool->n_threads], NULL, pool_worker,
                           start) != 0) {
            free(start);
            return;
        }
        pool->n_threads++;
    }
}

halError_t cpu_pool_create(unsigned n_workers, struct cpu_topology *topology,
                           struct cpu_pool **out_pool)
{
    struct cpu_pool *pool = calloc(1, sizeof *pool);

    if (pool)
        pool->threads = calloc(n_workers, sizeof *pool->threads);
    if (!pool || !pool->threads) {
        free(pool);
        return hal_fail(halErrorHostMemory, "cpu: a pool of %u workers",
                        n_workers);
    }
    pool->n_workers = n_workers;
    pool->topology = topology;
    pthread_mutex_init(&pool->lock, NULL);
    *out_pool = pool;
    return halSuccess;
}

void cpu_pool_destroy(struct cpu_pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    atomic_fetch_add(&pool->posted, 1);
    cpu_futex_wake(&pool->posted, INT_MAX);
    for (unsigned i = 0; i < pool->n_threads; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

unsigned cpu_pool_workers(const struct cpu_pool *pool)
{
    return pool->n_workers;
}

static void pool_post(struct cpu_pool *pool, struct pool_job *job)
{
    uint64_t n_pieces = (job->total - 1) / job->chunk + 1;
    uint32_t n_asleep;

    pthread_mutex_lock(&pool->lock);
    if (!pool->started)
        pool_start_locked(pool);
    job->next = pool->jobs;
    pool->jobs = job;
    pthread_mutex_unlock(&pool->lock);

    /* A worker counts itself asleep before it looks at `posted` again, and we
     * count up before we look for sleepers: one of us sees the other. */
    atomic_fetch_add(&pool->posted, 1);
    n_asleep = atomic_load(&pool->n_asleep);
    if (n_asleep)
        cpu_futex_wake(&pool->posted, n_pieces - 1 < n_asleep
                                          ? (unsigned)(n_pieces - 1)
                                          : n_asleep);
}

/* Unlinks the job and waits for those inside; returns how many joined. */
static unsigned pool_retire(struct cpu_pool *pool, struct pool_job *job)
{
    struct pool_job **link = &pool->jobs;
    uint32_t n_inside;

    pthread_mutex_lock(&pool->lock);
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    pthread_mutex_unlock(&pool->lock);

    while ((n_inside = atomic_load_explicit(&job->n_inside,
                                            memory_order_acquire)) != 0) {
        cpu_spin_while(&job->n_inside, n_inside);
        if (atomic_load(&job->n_inside) == n_inside)
            cpu_futex_wait(&job->n_inside, n_inside);
    }
    return job->n_joined;
}

unsigned cpu_pool_run(struct cpu_pool *pool, uint64_t total, uint64_t chunk,
                      cpu_pool_fn *fn, void *ctx)
{
    struct pool_job job = {
        .fn = fn, .ctx = ctx, .total = total, .chunk = chunk
    };

    if (!total)
        return 1;
    if (pool->n_workers == 1 || total <= chunk) {
        fn(ctx, 0, total);
        return 1;
    }
    pool_post(pool, &job);
    job_work(&job);
    return 1 + pool_retire(pool, &job);
}
