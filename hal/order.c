/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order.c - the legacy default stream: its work waits for all earlier work on
 * the device's blocking streams, and their later work waits for it.
 *
 * Invariant: a blocking stream whose seen_null equals the device's null_epoch
 * has waited for all work of the default stream; one that is not dirty has no
 * work that the default stream has not waited for.  So a program that uses one
 * stream, or only one kind, never records or waits for an event here.
 *
 * The default stream's lock guards its epoch and the list of blocking streams
 * and is taken before another stream's.
 */
#include "hal/internal.h"

/* Records the stream's order event, made at first need. */
static halError_t mark_locked(struct hal_device *d, struct hal_stream *s)
{
    halError_t st = halSuccess;

    if (!s->order_event)
        st = d->ops->event_create(d->dev, 0, &s->order_event);
    if (st == halSuccess)
        st = d->ops->event_record(d->dev, s->impl, s->order_event);
    return hal__device_check(d, st);
}

halError_t hal__order_null_locked(struct hal_device *d)
{
    struct hal_link *l;

    for (l = d->blocking.next; l != &d->blocking; l = l->next) {
        struct hal_stream *s = HAL_ITEM(l, struct hal_stream, blocking_link);
        halError_t st;

        if (!atomic_load_explicit(&s->dirty, memory_order_acquire))
            continue;
        pthread_mutex_lock(&s->lock);
        st = mark_locked(d, s);
        if (st == halSuccess)
            st = hal__device_check(d, d->ops->stream_wait(d->dev,
                                                          d->null_stream->impl,
                                                          s->order_event));
        if (st == halSuccess)
            atomic_store(&s->dirty, 0);
        pthread_mutex_unlock(&s->lock);
        if (st != halSuccess)
            return st;
    }
    return halSuccess;
}

/* Another thread may be destroying the stream that this one still holds. */
static halError_t check_open_locked(const struct hal_stream *s)
{
    if (s->is_closing)
        return hal_fail(halErrorInvalidHandle,
                        "the stream is being destroyed by another thread");
    return halSuccess;
}

/* Leaves with s's lock held on success. */
static halError_t begin_behind_null(struct hal_device *d, struct hal_stream *s)
{
    struct hal_stream *null = d->null_stream;
    halError_t st = halSuccess;
    uint64_t epoch;

    pthread_mutex_lock(&null->lock);
    epoch = atomic_load(&d->null_epoch);
    if (d->null_recorded != epoch) {
        st = mark_locked(d, null);
        if (st == halSuccess)
            d->null_recorded = epoch;
    }
    pthread_mutex_lock(&s->lock);
    if (st == halSuccess)
        st = check_open_locked(s);
    if (st == halSuccess)
        st = hal__device_check(
            d, d->ops->stream_wait(d->dev, s->impl, null->order_event));
    if (st == halSuccess)
        atomic_store(&s->seen_null, epoch);
    else
        pthread_mutex_unlock(&s->lock);
    pthread_mutex_unlock(&null->lock);
    return st;
}

halError_t hal__stream_begin(struct hal_stream *s)
{
    struct hal_device *d = s->obj.dev;
    halError_t st;

    st = hal__device_alive(d);
    if (st != halSuccess)
        return st;
    if (s->is_blocking &&
        atomic_load(&d->null_epoch) != atomic_load(&s->seen_null))
        return begin_behind_null(d, s);
    pthread_mutex_lock(&s->lock);
    st = s == d->null_stream ? hal__order_null_locked(d) : check_open_locked(s);
    if (st != halSuccess)
        pthread_mutex_unlock(&s->lock);
    return st;
}

void hal__stream_end(struct hal_stream *s)
{
    struct hal_device *d = s->obj.dev;

    if (s == d->null_stream)
        atomic_fetch_add(&d->null_epoch, 1);
    else if (s->is_blocking &&
             !atomic_load_explicit(&s->dirty, memory_order_relaxed))
        atomic_store_explicit(&s->dirty, 1, memory_order_release);
    pthread_mutex_unlock(&s->lock);
}

void hal__order_forget(struct hal_stream *s)
{
    struct hal_stream *null = s->obj.dev->null_stream;

    if (!s->is_blocking || !null)
        return;
    pthread_mutex_lock(&null->lock);
    hal__list_remove(&s->blocking_link);
    pthread_mutex_unlock(&null->lock);
}
