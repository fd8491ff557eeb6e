/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - events as (timeline, value) pairs, their time stamps, and waits of
 * one stream for another.  Invariant: a record never changes what an earlier
 * wait refers to, since a wait takes the pair along.
 */
#include <stdlib.h>
#include <time.h>

#include "backends/vulkan/vulkan.h"

/* Queries of one pool. */
#define STAMPS_PER_POOL 64u

struct vulkan_stamp_pool {
    struct vulkan_stamp_pool *next;
    VkQueryPool handle;
    struct vulkan_stamp stamps[STAMPS_PER_POOL];
};

struct vulkan_event {
    int timing;
    pthread_mutex_t lock;             /* of everything below */
    struct vulkan_timeline *timeline; /* NULL: never recorded */
    uint64_t value;
    struct vulkan_stamp *stamp;
};

/* ---- stamps ---------------------------------------------------------- */

static halError_t stamp_pool_create(struct vulkan_dev *d)
{
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = STAMPS_PER_POOL,
    };
    struct vulkan_stamp_pool *pool = calloc(1, sizeof *pool);
    halError_t st = halSuccess;
    uint32_t i;

    if (!pool)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *pool);
    if (!(d->gpu->quirks & VULKAN_QUIRK_HOST_TIME))
        VULKAN_OR_GOTO(
            out, st, d,
            d->fn.CreateQueryPool(d->handle, &info, NULL, &pool->handle));
    for (i = 0; i < STAMPS_PER_POOL; i++) {
        pool->stamps[i].pool = pool;
        pool->stamps[i].index = i;
        pool->stamps[i].next = d->stamps_free;
        d->stamps_free = &pool->stamps[i];
    }
    pool->next = d->stamp_pools;
    d->stamp_pools = pool;
    pool = NULL;
out:
    free(pool);
    return st;
}

static halError_t stamp_take(struct vulkan_dev *d,
                             struct vulkan_stamp **out_stamp)
{
    halError_t st = halSuccess;
    struct vulkan_stamp *stamp;

    pthread_mutex_lock(&d->spare_lock);
    if (!d->stamps_free)
        st = stamp_pool_create(d);
    if (st == halSuccess) {
        stamp = d->stamps_free;
        d->stamps_free = stamp->next;
        atomic_store(&stamp->refs, 1);
        atomic_store(&stamp->host_ns, 0);
        *out_stamp = stamp;
    }
    pthread_mutex_unlock(&d->spare_lock);
    return st;
}

void vulkan_stamp_release(struct vulkan_dev *d, struct vulkan_stamp *stamp)
{
    if (!stamp || atomic_fetch_sub(&stamp->refs, 1) != 1)
        return;
    pthread_mutex_lock(&d->spare_lock);
    stamp->next = d->stamps_free;
    d->stamps_free = stamp;
    pthread_mutex_unlock(&d->spare_lock);
}

void vulkan_stamps_close(struct vulkan_dev *d)
{
    while (d->stamp_pools) {
        struct vulkan_stamp_pool *pool = d->stamp_pools;

        d->stamp_pools = pool->next;
        if (pool->handle)
            d->fn.DestroyQueryPool(d->handle, pool->handle, NULL);
        free(pool);
    }
    d->stamps_free = NULL;
}

/* Two references to a host's stamp: the event's and this call's. */
struct host_stamp {
    struct vulkan_dev *d;
    struct vulkan_stamp *stamp;
};

static void host_stamp_now(void *arg)
{
    struct host_stamp *h = arg;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    atomic_store(&h->stamp->host_ns,
                 (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    vulkan_stamp_release(h->d, h->stamp);
    free(h);
}

static halError_t host_spare_locked(struct vulkan_stream *s,
                                    struct vulkan_stamp *stamp)
{
    struct host_stamp *h = malloc(sizeof *h);
    halError_t st;

    if (!h)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *h);
    h->d = s->d;
    h->stamp = stamp;
    atomic_fetch_add(&stamp->refs, 1);
    st = vulkan_host_func_locked(s, host_stamp_now, h);
    if (st != halSuccess) {
        atomic_fetch_sub(&stamp->refs, 1);
        free(h);
    }
    return st;
}

static halError_t queue_spare_locked(struct vulkan_stream *s,
                                     struct vulkan_stamp *stamp)
{
    struct vulkan_dev *d = s->d;
    struct vulkan_batch *b;
    halError_t st = vulkan_batch_begin_locked(s, &b);

    if (st != halSuccess)
        return st;
    vulkan_batch_barrier(s, b);
    d->fn.CmdResetQueryPool(b->cmd, stamp->pool->handle, stamp->index, 1);
    d->fn.CmdWriteTimestamp(b->cmd, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                            stamp->pool->handle, stamp->index);
    atomic_fetch_add(&stamp->refs, 1);
    b->stamps[b->n_stamps++] = stamp;
    b->n_cmds++;
    return halSuccess;
}

/* ---- ops ------------------------------------------------------------- */

halError_t vulkan_event_create(struct hal_dev *dev, int timing,
                               void **out_event)
{
    struct vulkan_event *e;

    if (atomic_load(&vulkan_dev_of(dev)->lost))
        return vulkan_fail_lost();
    e = calloc(1, sizeof *e);
    if (!e)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *e);
    e->timing = timing;
    pthread_mutex_init(&e->lock, NULL);
    *out_event = e;
    return halSuccess;
}

void vulkan_event_destroy(struct hal_dev *dev, void *event)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_event *e = event;

    if (!e)
        return;
    vulkan_timeline_release(d, e->timeline);
    vulkan_stamp_release(d, e->stamp);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

halError_t vulkan_event_record(struct hal_dev *dev, void *stream, void *event)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_stream *s = stream;
    struct vulkan_event *e = event;
    struct vulkan_timeline *old_timeline;
    struct vulkan_stamp *stamp = NULL, *old_stamp;
    uint64_t value;
    halError_t st = halSuccess;

    if (e->timing) {
        st = stamp_take(d, &stamp);
        if (st != halSuccess)
            return st;
    }
    pthread_mutex_lock(&s->lock);
    if (atomic_load(&d->lost))
        st = vulkan_fail_lost();
    else if (stamp && d->gpu->quirks & VULKAN_QUIRK_HOST_TIME)
        st = host_spare_locked(s, stamp);
    else if (stamp)
        st = queue_spare_locked(s, stamp);
    if (st == halSuccess)
        st = vulkan_stream_flush_locked(s);
    value = s->value;
    pthread_mutex_unlock(&s->lock);
    if (st != halSuccess)
        goto out;

    vulkan_timeline_retain(s->timeline);
    pthread_mutex_lock(&e->lock);
    old_timeline = e->timeline;
    old_stamp = e->stamp;
    e->timeline = s->timeline;
    e->value = value;
    e->stamp = stamp;
    pthread_mutex_unlock(&e->lock);
    vulkan_timeline_release(d, old_timeline);
    stamp = old_stamp;
out:
    vulkan_stamp_release(d, stamp);
    return st;
}

/* The latest record, with a reference; NULL if there is none. */
static struct vulkan_timeline *event_pair(struct vulkan_event *e,
                                          uint64_t *out_value)
{
    struct vulkan_timeline *t;

    pthread_mutex_lock(&e->lock);
    t = e->timeline;
    *out_value = e->value;
    if (t)
        vulkan_timeline_retain(t);
    pthread_mutex_unlock(&e->lock);
    return t;
}

halError_t vulkan_event_query(struct hal_dev *dev, void *event)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    uint64_t value;
    struct vulkan_timeline *t = event_pair(event, &value);
    halError_t st = halSuccess;

    if (!t)
        return halSuccess;
    if (!vulkan_timeline_reached(d, t, value))
        st = halErrorNotReady;
    else if (atomic_load(&d->lost))
        st = vulkan_fail_lost();
    vulkan_timeline_release(d, t);
    return st;
}

halError_t vulkan_event_sync(struct hal_dev *dev, void *event)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    uint64_t value;
    struct vulkan_timeline *t = event_pair(event, &value);
    halError_t st;

    if (!t)
        return halSuccess;
    st = vulkan_timeline_wait(d, t, value);
    if (st == halSuccess)
        st = vulkan_timeline_take(t);
    if (st == halSuccess)
        st = vulkan_complaints_take();
    vulkan_timeline_release(d, t);
    return st;
}

static halError_t stamp_read(struct vulkan_dev *d, struct vulkan_event *e,
                             uint64_t *out_ticks)
{
    halError_t st = halSuccess;

    pthread_mutex_lock(&e->lock);
    if (!e->stamp) {
        st = hal_fail(halErrorBadState,
                      "vulkan: an event without a recorded time");
        goto out;
    }
    if (d->gpu->quirks & VULKAN_QUIRK_HOST_TIME) {
        *out_ticks = atomic_load(&e->stamp->host_ns);
        goto out;
    }
    VULKAN_OR_GOTO(out, st, d,
                   d->fn.GetQueryPoolResults(
                       d->handle, e->stamp->pool->handle, e->stamp->index, 1,
                       sizeof *out_ticks, out_ticks, sizeof *out_ticks,
                       VK_QUERY_RESULT_64_BIT));
out:
    pthread_mutex_unlock(&e->lock);
    return st;
}

halError_t vulkan_event_elapsed(struct hal_dev *dev, void *start, void *end,
                                float *out_ms)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    const uint32_t bits = d->gpu->stamp_bits;
    double period = (double)d->gpu->props.limits.timestampPeriod;
    uint64_t mask = bits && bits < 64 ? ((uint64_t)1 << bits) - 1 : UINT64_MAX;
    uint64_t from = 0, to = 0, ticks;
    halError_t st;

    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    st = stamp_read(d, start, &from);
    if (st == halSuccess)
        st = stamp_read(d, end, &to);
    if (st != halSuccess)
        return st;
    if (d->gpu->quirks & VULKAN_QUIRK_HOST_TIME) {
        period = 1.0;
        mask = UINT64_MAX;
    }
    /* The counter wraps; a difference in its upper half is a negative one. */
    ticks = (to - from) & mask;
    if (ticks > mask / 2)
        *out_ms = (float)(-(double)((from - to) & mask) * period * 1e-6);
    else
        *out_ms = (float)((double)ticks * period * 1e-6);
    return halSuccess;
}

/* Makes the stream's next batch wait; it gets a reference of its own. */
static halError_t wait_add_locked(struct vulkan_stream *s,
                                  struct vulkan_timeline *t, uint64_t value)
{
    struct vulkan_batch *b = s->open;
    halError_t st = halSuccess;

    /* Earlier work does not wait, and a batch has only so much room. */
    if (b && (b->n_cmds || b->n_waits == VULKAN_BATCH_WAITS))
        st = vulkan_stream_flush_locked(s);
    if (st == halSuccess)
        st = vulkan_batch_begin_locked(s, &b);
    if (st != halSuccess)
        return st;
    vulkan_timeline_retain(t);
    b->waits[b->n_waits] = t;
    b->wait_values[b->n_waits++] = value;
    return halSuccess;
}

/* Makes the stream's thread wait before anything that follows is submitted. */
static halError_t wait_hold_locked(struct vulkan_stream *s,
                                   struct vulkan_timeline *t, uint64_t value)
{
    struct vulkan_held *h = NULL;
    halError_t st = vulkan_held_open_locked(s);

    if (st != halSuccess)
        return st;
    h = calloc(1, sizeof *h);
    if (!h)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *h);
    st = vulkan_stream_flush_locked(s);
    if (st == halSuccess)
        st = wait_add_locked(s, t, value);
    if (st != halSuccess) {
        free(h);
        return st;
    }
    vulkan_timeline_retain(t);
    h->kind = VULKAN_HELD_WAIT;
    h->timeline = t;
    h->value = value;
    vulkan_held_push_locked(s, h);
    return halSuccess;
}

halError_t vulkan_stream_wait(struct hal_dev *dev, void *stream, void *event)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_stream *s = stream;
    uint64_t value;
    struct vulkan_timeline *t = event_pair(event, &value);
    halError_t st = halSuccess;

    if (!t)
        return halSuccess;
    pthread_mutex_lock(&s->lock);
    if (atomic_load(&d->lost))
        st = vulkan_fail_lost();
    else if (t == s->timeline || vulkan_timeline_reached(d, t, value))
        st = halSuccess;
    else if (atomic_load(&t->submitted) >= value)
        st = wait_add_locked(s, t, value);
    else
        st = wait_hold_locked(s, t, value);
    pthread_mutex_unlock(&s->lock);
    vulkan_timeline_release(d, t);
    return st;
}
