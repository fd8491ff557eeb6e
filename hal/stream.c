/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - streams: creation, destruction, waiting, and who may submit.
 * Invariant: submissions to one stream are made with its lock held, between
 * hal__stream_begin() and hal__stream_end() (order.c).
 */
#include "hal/internal.h"

#include <stdlib.h>

static void stream_close(struct hal_object *obj)
{
    struct hal_stream *s = HAL_ITEM(obj, struct hal_stream, obj);
    struct hal_device *d = obj->dev;
    halError_t st;

    hal__order_forget(s);
    if (!s->impl)
        return;
    hal__stream_settle(s);
    /* Nobody can ask this stream any more: the device keeps its error. */
    st = hal__deferred_take(&s->deferred);
    if (st != halSuccess)
        hal__deferred_set(&d->deferred, st);
    if (s->order_event)
        d->ops->event_destroy(d->dev, s->order_event);
    d->ops->stream_destroy(d->dev, s->impl);
    s->impl = NULL;
}

static void stream_free(struct hal_object *obj)
{
    struct hal_stream *s = HAL_ITEM(obj, struct hal_stream, obj);

    pthread_mutex_destroy(&s->side_lock);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

halError_t hal__stream_open(struct hal_device *d, unsigned flags, int priority,
                            int is_blocking, struct hal_stream **out_stream)
{
    struct hal_stream *s = NULL;
    void *impl = NULL;
    halError_t st;

    s = calloc(1, sizeof *s);
    if (!s)
        return hal_fail(halErrorHostMemory, "a stream of %zu bytes", sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->side_lock, NULL);
    s->flags = flags;
    s->priority = priority;
    s->is_blocking = is_blocking;
    hal__list_init(&s->blocking_link);
    st = hal__device_check(d, d->ops->stream_create(d->dev, priority, &impl));
    if (st != halSuccess)
        goto out;
    /* Before it is listed: whoever walks the device's streams uses it. */
    s->impl = impl;
    st = hal__object_create(&s->obj, d, HAL_KIND_STREAM, stream_close,
                            stream_free);
    if (st != halSuccess)
        goto out;
    impl = NULL;
    if (is_blocking) {
        pthread_mutex_lock(&d->null_stream->lock);
        /* Work of the default stream from before is ordered before this
         * stream's: it has to wait for it like any other. */
        hal__list_add(&d->blocking, &s->blocking_link);
        pthread_mutex_unlock(&d->null_stream->lock);
    }
    *out_stream = s;
    s = NULL;
out:
    if (impl)
        d->ops->stream_destroy(d->dev, impl);
    if (s) {
        pthread_mutex_destroy(&s->side_lock);
        pthread_mutex_destroy(&s->lock);
        free(s);
    }
    return st;
}

halError_t hal__stream_side(struct hal_device *d, struct hal_stream **out)
{
    struct hal_stream *mine = NULL;
    halError_t st = halSuccess;

    pthread_mutex_lock(&d->lock);
    *out = d->side_stream;
    pthread_mutex_unlock(&d->lock);
    if (*out)
        return halSuccess;
    st = hal__stream_open(d, halStreamNonBlocking, 0, 0, &mine);
    if (st != halSuccess)
        return st;
    pthread_mutex_lock(&d->lock);
    if (!d->side_stream) {
        atomic_store(&mine->is_side, 1);
        d->side_stream = mine;
        pthread_cond_broadcast(&d->changed); /* a reset keeps it for later */
        mine = NULL;
    }
    *out = d->side_stream;
    pthread_mutex_unlock(&d->lock);
    if (mine) { /* another thread was first */
        hal__object_kill(&mine->obj);
        hal__stream_release(mine);
    }
    return halSuccess;
}

halError_t hal__stream_get(halStream_t handle, struct hal_stream **out_stream)
{
    struct hal_device *d;
    struct hal_object *obj;
    halError_t st;

    if (!handle) {
        st = hal__device_current(&d);
        if (st != halSuccess)
            return st;
        hal__object_retain(&d->null_stream->obj);
        *out_stream = d->null_stream;
        return halSuccess;
    }
    st = hal__object_get(handle, HAL_KIND_STREAM, &obj);
    if (st == halSuccess)
        *out_stream = HAL_ITEM(obj, struct hal_stream, obj);
    return st;
}

halError_t hal__stream_await(struct hal_stream *s)
{
    struct hal_device *d = s->obj.dev;
    halError_t st = hal__device_check(d, d->ops->stream_sync(d->dev, s->impl));

    /* One error a time: the other one waits, with its words. */
    return st != halSuccess ? st : hal__deferred_take(&s->deferred);
}

halError_t hal__stream_sync(struct hal_stream *s)
{
    struct hal_device *d = s->obj.dev;
    halError_t st;

    if (s == d->null_stream) {
        pthread_mutex_lock(&s->lock);
        st = hal__order_null_locked(d);
        pthread_mutex_unlock(&s->lock);
        if (st != halSuccess)
            return st;
    }
    return hal__stream_await(s);
}

halError_t hal__stream_call(struct hal_stream *s, void (*fn)(void *), void *arg)
{
    struct hal_device *d = s->obj.dev;

    return hal__device_check(d, d->ops->host_func(d->dev, s->impl, fn, arg));
}

/* ---- the public functions ---------------------------------------------- */

static halError_t stream_create(halStream_t *stream, unsigned flags,
                                int priority)
{
    struct hal_device *d;
    struct hal_stream *s;
    int least = 0, greatest = 0;
    halError_t st;

    if (!stream)
        return hal_fail(halErrorInvalidValue, "halStreamCreate: stream is "
                                              "NULL");
    if (flags & ~(unsigned)halStreamNonBlocking)
        return hal_fail(halErrorInvalidValue,
                        "halStreamCreate: flags %#x; halStreamDefault or "
                        "halStreamNonBlocking",
                        flags);
    st = hal__device_current(&d);
    if (st == halSuccess)
        st = hal__device_alive(d);
    if (st != halSuccess)
        return st;
    if (d->opt.priority_range)
        d->opt.priority_range(d->dev, &least, &greatest);
    /* Lower numbers are more urgent: greatest <= least. */
    if (priority > least)
        priority = least;
    if (priority < greatest)
        priority = greatest;
    st = hal__stream_open(d, flags, priority, !(flags & halStreamNonBlocking),
                          &s);
    if (st == halSuccess)
        *stream = hal__object_handle(&s->obj);
    return st;
}

halError_t halStreamCreate(halStream_t *stream)
{
    return hal__done(stream_create(stream, halStreamDefault, 0));
}

halError_t halStreamCreateWithFlags(halStream_t *stream, unsigned flags)
{
    return hal__done(stream_create(stream, flags, 0));
}

halError_t halStreamCreateWithPriority(halStream_t *stream, unsigned flags,
                                       int priority)
{
    return hal__done(stream_create(stream, flags, priority));
}

halError_t halStreamDestroy(halStream_t stream)
{
    struct hal_object *obj;
    halError_t st;

    if (!stream)
        return hal__done(hal_fail(halErrorInvalidHandle,
                                  "halStreamDestroy: the default stream "
                                  "cannot be destroyed"));
    st = hal__object_get(stream, HAL_KIND_STREAM, &obj);
    if (st != halSuccess)
        return hal__done(st);
    if (hal__object_retire(obj)) {
        struct hal_stream *s = HAL_ITEM(obj, struct hal_stream, obj);
        halError_t late;

        /* No work after this.  What there is, whoever waits for the device
         * must find until it is done: halFree gives its memory away. */
        pthread_mutex_lock(&s->lock);
        s->is_closing = 1;
        pthread_mutex_unlock(&s->lock);
        late = hal__stream_sync(s);
        if (late != halSuccess)
            hal__deferred_set(&obj->dev->deferred, late);
        hal__stream_settle(s);
        hal__object_unlist(obj);
        hal__object_release(obj);
    } else {
        st = hal_fail(halErrorInvalidHandle,
                      "halStreamDestroy: another thread destroys the stream");
    }
    hal__object_release(obj);
    return hal__done(st);
}

/* Runs op on the stream behind a handle: every call that asks one stream. */
static halError_t stream_ask(halStream_t handle,
                             halError_t (*op)(struct hal_stream *s, void *out),
                             void *out)
{
    struct hal_stream *s;
    halError_t st = hal__stream_get(handle, &s);

    if (st == halSuccess) {
        st = op(s, out);
        hal__stream_release(s);
    }
    return hal__done(st);
}

static halError_t ask_query(struct hal_stream *s, void *out)
{
    struct hal_device *d = s->obj.dev;
    halError_t st = hal__device_alive(d);

    (void)out;
    if (st == halSuccess && s == d->null_stream) {
        pthread_mutex_lock(&s->lock);
        st = hal__order_null_locked(d);
        pthread_mutex_unlock(&s->lock);
    }
    if (st == halSuccess)
        st = hal__device_check(d, d->ops->stream_query(d->dev, s->impl));
    return st == halSuccess ? hal__deferred_take(&s->deferred) : st;
}

static halError_t ask_sync(struct hal_stream *s, void *out)
{
    halError_t st = hal__device_alive(s->obj.dev);

    (void)out;
    return st == halSuccess ? hal__stream_sync(s) : st;
}

static halError_t ask_flags(struct hal_stream *s, void *out)
{
    *(unsigned *)out = s->flags;
    return halSuccess;
}

static halError_t ask_priority(struct hal_stream *s, void *out)
{
    *(int *)out = s->priority;
    return halSuccess;
}

static halError_t ask_device(struct hal_stream *s, void *out)
{
    *(int *)out = s->obj.dev->ordinal;
    return halSuccess;
}

halError_t halStreamQuery(halStream_t stream)
{
    return stream_ask(stream, ask_query, NULL);
}

halError_t halStreamSynchronize(halStream_t stream)
{
    return stream_ask(stream, ask_sync, NULL);
}

halError_t halStreamGetFlags(halStream_t stream, unsigned *flags)
{
    if (!flags)
        return hal__done(
            hal_fail(halErrorInvalidValue, "halStreamGetFlags: flags is NULL"));
    return stream_ask(stream, ask_flags, flags);
}

halError_t halStreamGetPriority(halStream_t stream, int *priority)
{
    if (!priority)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halStreamGetPriority: priority is NULL"));
    return stream_ask(stream, ask_priority, priority);
}

halError_t halStreamGetDevice(halStream_t stream, int *device)
{
    if (!device)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halStreamGetDevice: device is NULL"));
    return stream_ask(stream, ask_device, device);
}
