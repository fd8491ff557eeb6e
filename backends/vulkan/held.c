/* SPDX-License-Identifier: Apache-2.0 */
/*
 * held.c - what a stream holds back on the host: host functions, waits for
 * work that is not submitted yet, and all that follows them.  A driver may run
 * the batches of a queue in order of submission (lavapipe does), so that one
 * batch that waits for a host function would stop every stream of the device.
 * Invariant: the stream's thread, made at the first need, does the items in
 * order, and an item stays in the list until it is done.
 */
#include <stdlib.h>

#include "backends/vulkan/vulkan.h"

/* The value is reached, whatever happened: nobody may wait for ever. */
static void value_signal(struct vulkan_stream *s, uint64_t value)
{
    struct vulkan_dev *d = s->d;
    const VkSemaphoreSignalInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
        .semaphore = s->timeline->sem,
        .value = value,
    };
    VkResult r;

    atomic_store(&s->timeline->hosted, value);
    if (atomic_load(&d->lost))
        return;
    r = d->fn.SignalSemaphore(d->handle, &info);
    if (r != VK_SUCCESS) /* once more: it fails for want of memory alone */
        r = d->fn.SignalSemaphore(d->handle, &info);
    if (r != VK_SUCCESS)
        vulkan_timeline_blame(s->timeline, vulkan_error_of(d, r),
                              "vulkan: a host function's end could not be "
                              "signalled");
    atomic_store(&s->timeline->submitted, value);
}

static void wait_or_blame(struct vulkan_stream *s, struct vulkan_timeline *t,
                          uint64_t value)
{
    halError_t st = vulkan_timeline_wait(s->d, t, value);

    if (st != halSuccess && !atomic_load(&s->d->lost)) {
        st = vulkan_timeline_wait(s->d, t, value); /* out of memory, once */
        if (st != halSuccess)
            vulkan_timeline_blame(s->timeline, st,
                                  "vulkan: a wait of the stream failed");
    }
}

/* Not under the lock.  1 when the batch is in flight. */
static int batch_run(struct vulkan_stream *s, struct vulkan_batch *b)
{
    halError_t st = vulkan_batch_submit(s, b);

    if (st == halSuccess)
        return 1;
    if (st != halErrorDeviceLost)
        vulkan_timeline_blame(s->timeline, st,
                              "vulkan: queued commands could not be "
                              "submitted");
    /* Its value was given out when it was held back. */
    wait_or_blame(s, s->timeline, b->value - 1);
    value_signal(s, b->value);
    return 0;
}

/* Not under the lock.  On a lost device functions still run: whoever handed
 * them in counts on it. */
static void call_run(struct vulkan_stream *s, struct vulkan_held *h)
{
    wait_or_blame(s, s->timeline, h->value - 1);
    h->fn(h->arg);
    value_signal(s, h->value);
}

static void held_free(struct vulkan_dev *d, struct vulkan_held *h)
{
    if (h->kind == VULKAN_HELD_WAIT)
        vulkan_timeline_release(d, h->timeline);
    free(h);
}

static void *held_main(void *arg)
{
    struct vulkan_stream *s = arg;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct vulkan_held *h = s->held;
        int flying = 0;

        if (!h && s->stop)
            break;
        if (!h) {
            pthread_cond_wait(&s->held_cond, &s->lock);
            continue;
        }
        pthread_mutex_unlock(&s->lock);
        switch (h->kind) {
        case VULKAN_HELD_BATCH:
            flying = batch_run(s, (struct vulkan_batch *)h);
            break;
        case VULKAN_HELD_WAIT:
            wait_or_blame(s, h->timeline, h->value);
            break;
        case VULKAN_HELD_CALL:
            call_run(s, h);
            break;
        }
        pthread_mutex_lock(&s->lock);
        s->held = h->next;
        s->n_held--;
        if (h->kind != VULKAN_HELD_BATCH)
            held_free(s->d, h);
        else if (flying)
            vulkan_batch_flying_locked(s, (struct vulkan_batch *)h);
        else
            vulkan_batch_recycle_locked(s, (struct vulkan_batch *)h);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

halError_t vulkan_held_open_locked(struct vulkan_stream *s)
{
    if (s->has_thread)
        return halSuccess;
    if (pthread_create(&s->thread, NULL, held_main, s))
        return hal_fail(halErrorHostMemory,
                        "vulkan: no thread for a stream's host work");
    s->has_thread = 1;
    return halSuccess;
}

void vulkan_held_push_locked(struct vulkan_stream *s, struct vulkan_held *h)
{
    h->next = NULL;
    if (s->held)
        s->held_last->next = h;
    else
        s->held = h;
    s->held_last = h;
    s->n_held++;
    pthread_cond_signal(&s->held_cond);
}

void vulkan_held_close(struct vulkan_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = 1;
    pthread_cond_signal(&s->held_cond);
    pthread_mutex_unlock(&s->lock);
    if (s->has_thread)
        pthread_join(s->thread, NULL);
    s->has_thread = 0;
}

halError_t vulkan_host_func_locked(struct vulkan_stream *s,
                                   void (*fn)(void *arg), void *arg)
{
    struct vulkan_held *h = NULL;
    halError_t st;

    if (atomic_load(&s->d->lost))
        return vulkan_fail_lost();
    st = vulkan_held_open_locked(s);
    if (st != halSuccess)
        return st;
    h = calloc(1, sizeof *h);
    if (!h)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *h);
    st = vulkan_stream_flush_locked(s);
    if (st != halSuccess)
        goto out;
    h->kind = VULKAN_HELD_CALL;
    h->fn = fn;
    h->arg = arg;
    h->value = ++s->value;
    vulkan_held_push_locked(s, h);
    h = NULL;
out:
    free(h);
    return st;
}

halError_t vulkan_host_func(struct hal_dev *dev, void *stream,
                            void (*fn)(void *arg), void *arg)
{
    struct vulkan_stream *s = stream;
    halError_t st;

    (void)dev;
    pthread_mutex_lock(&s->lock);
    st = vulkan_host_func_locked(s, fn, arg);
    pthread_mutex_unlock(&s->lock);
    return st;
}
