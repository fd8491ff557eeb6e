/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - streams, and the flusher: the device's thread that submits what
 * nobody asks about.  Invariant: a stream's work is submitted at the latest
 * FLUSH_AFTER_NS after it was enqueued, or as soon as what it waits for is.
 */
#include <stdlib.h>
#include <time.h>

#include "backends/vulkan/vulkan.h"

/* How long a batch may stay open when nobody asks. */
#define FLUSH_AFTER_NS 200000L

/* ---- the flusher ----------------------------------------------------- */

static int flush_armed(struct vulkan_dev *d)
{
    struct vulkan_stream *s;
    int left = 0;

    pthread_mutex_lock(&d->list_lock);
    for (s = d->streams; s; s = s->next) {
        /* Whoever holds the lock is about to submit, or is copying. */
        if (pthread_mutex_trylock(&s->lock)) {
            left = 1;
            continue;
        }
        if (s->armed) {
            halError_t st = vulkan_stream_flush_locked(s);

            if (st != halSuccess)
                vulkan_timeline_blame(s->timeline, st,
                                      "vulkan: queued commands could not be "
                                      "submitted");
        }
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&d->list_lock);
    return left;
}

static void *flusher_main(void *arg)
{
    struct vulkan_dev *d = arg;

    pthread_mutex_lock(&d->flush_lock);
    while (!d->flush_stop) {
        struct timespec until;

        if (!d->flush_wanted) {
            pthread_cond_wait(&d->flush_cond, &d->flush_lock);
            continue;
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += FLUSH_AFTER_NS;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        (void)pthread_cond_timedwait(&d->flush_cond, &d->flush_lock, &until);
        d->flush_wanted = 0;
        pthread_mutex_unlock(&d->flush_lock);
        int left = flush_armed(d);
        pthread_mutex_lock(&d->flush_lock);
        if (left)
            d->flush_wanted = 1;
    }
    pthread_mutex_unlock(&d->flush_lock);
    return NULL;
}

void vulkan_flusher_wake(struct vulkan_dev *d)
{
    pthread_mutex_lock(&d->flush_lock);
    /* Without a thread, batches wait for their limit or for a question. */
    if (!d->has_flusher)
        d->has_flusher =
            pthread_create(&d->flusher, NULL, flusher_main, d) == 0;
    if (!d->flush_wanted) {
        d->flush_wanted = 1;
        pthread_cond_signal(&d->flush_cond);
    }
    pthread_mutex_unlock(&d->flush_lock);
}

void vulkan_flusher_stop(struct vulkan_dev *d)
{
    pthread_mutex_lock(&d->flush_lock);
    d->flush_stop = 1;
    pthread_cond_signal(&d->flush_cond);
    pthread_mutex_unlock(&d->flush_lock);
    if (d->has_flusher)
        pthread_join(d->flusher, NULL);
    d->has_flusher = 0;
}

/* ---- ops ------------------------------------------------------------- */

static void stream_free(struct vulkan_stream *s)
{
    struct vulkan_dev *d = s->d;

    while (s->idle) {
        struct vulkan_batch *b = s->idle;

        s->idle = b->next;
        vulkan_batch_destroy(s, b);
    }
    if (s->pool)
        d->fn.DestroyCommandPool(d->handle, s->pool, NULL);
    vulkan_timeline_release(d, s->timeline);
    pthread_mutex_destroy(&s->carry_lock);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->held_cond);
    free(s);
}

halError_t vulkan_stream_create(struct hal_dev *dev, int priority,
                                void **out_stream)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT |
                 VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = d->gpu->family,
    };
    struct vulkan_stream *s = NULL;
    halError_t st = halSuccess;

    (void)priority; /* Vulkan fixes priorities when the device is opened */
    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    s = calloc(1, sizeof *s);
    if (!s)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *s);
    s->d = d;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->carry_lock, NULL);
    pthread_cond_init(&s->held_cond, NULL);
    s->queue = &d->queues[atomic_fetch_add(&d->next_queue, 1) % d->n_queues];
    st = vulkan_timeline_create(d, &s->timeline);
    if (st != halSuccess)
        goto out;
    s->value = atomic_load(&s->timeline->submitted);
    VULKAN_OR_GOTO(out, st, d,
                   d->fn.CreateCommandPool(d->handle, &pool, NULL, &s->pool));
    pthread_mutex_lock(&d->list_lock);
    s->next = d->streams;
    if (s->next)
        s->next->prev = s;
    d->streams = s;
    pthread_mutex_unlock(&d->list_lock);
    *out_stream = s;
    s = NULL;
out:
    if (s)
        stream_free(s);
    return st;
}

void vulkan_stream_drain(struct vulkan_stream *s)
{
    const struct timespec pause = { 0, 1000000 };
    uint64_t value;
    halError_t st;

    pthread_mutex_lock(&s->lock);
    (void)vulkan_stream_flush_locked(s);
    value = s->value;
    pthread_mutex_unlock(&s->lock);
    do {
        st = vulkan_timeline_wait(s->d, s->timeline, value);
        if (st != halSuccess && !atomic_load(&s->d->lost))
            nanosleep(&pause, NULL);
    } while (st != halSuccess && !atomic_load(&s->d->lost));
    vulkan_stream_let_go(s);
}

void vulkan_stream_destroy(struct hal_dev *dev, void *stream)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_stream *s = stream;

    if (!s)
        return;
    pthread_mutex_lock(&d->list_lock);
    if (s->prev)
        s->prev->next = s->next;
    else
        d->streams = s->next;
    if (s->next)
        s->next->prev = s->prev;
    pthread_mutex_unlock(&d->list_lock);

    pthread_mutex_lock(&s->lock);
    (void)vulkan_stream_flush_locked(s);
    pthread_mutex_unlock(&s->lock);
    vulkan_held_close(s);
    vulkan_stream_drain(s);
    pthread_mutex_lock(&s->lock);
    while (s->flight) {
        struct vulkan_batch *b = s->flight;

        s->flight = b->next;
        vulkan_batch_recycle_locked(s, b);
    }
    if (s->open)
        vulkan_batch_recycle_locked(s, s->open);
    pthread_mutex_unlock(&s->lock);
    stream_free(s);
}

halError_t vulkan_stream_query(struct hal_dev *dev, void *stream)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_stream *s = stream;
    halError_t st;
    int idle;

    pthread_mutex_lock(&s->lock);
    st = vulkan_stream_flush_locked(s);
    idle = vulkan_stream_idle_locked(s);
    pthread_mutex_unlock(&s->lock);
    if (st != halSuccess)
        return st;
    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    st = vulkan_timeline_take(s->timeline);
    if (st != halSuccess)
        return st;
    return idle ? halSuccess : halErrorNotReady;
}

void vulkan_stream_let_go(struct vulkan_stream *s)
{
    pthread_mutex_lock(&s->carry_lock);
    pthread_mutex_unlock(&s->carry_lock);
}

halError_t vulkan_stream_finish(struct vulkan_stream *s)
{
    uint64_t value;
    halError_t st;

    pthread_mutex_lock(&s->lock);
    st = vulkan_stream_flush_locked(s);
    value = s->value;
    pthread_mutex_unlock(&s->lock);
    if (st == halSuccess)
        st = vulkan_timeline_wait(s->d, s->timeline, value);
    if (st != halSuccess) {
        vulkan_stream_let_go(s);
        return st;
    }
    pthread_mutex_lock(&s->lock);
    vulkan_stream_retire_locked(s);
    pthread_mutex_unlock(&s->lock);
    return halSuccess;
}

halError_t vulkan_stream_sync(struct hal_dev *dev, void *stream)
{
    struct vulkan_stream *s = stream;
    halError_t st = vulkan_stream_finish(s);

    (void)dev;
    if (st == halSuccess)
        st = vulkan_timeline_take(s->timeline);
    return st != halSuccess ? st : vulkan_complaints_take();
}
