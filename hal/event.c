/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - events, and streams that wait for them, on one device or across.
 *
 * Across devices the core waits on the host, in a host function of the waiting
 * stream: correct on every pair of drivers.  A driver-level wait (external
 * semaphores) would need both drivers to agree on a handle type; none of the
 * pairs that we can test does.
 */
#include "hal/internal.h"

#include <stdlib.h>

struct hal_event {
    struct hal_object obj;
    pthread_mutex_t lock;
    unsigned flags;
    struct hal_record *record;
    int is_recorded;
};

static void event_close(struct hal_object *obj)
{
    struct hal_event *e = HAL_ITEM(obj, struct hal_event, obj);

    hal__record_release(e->record);
    e->record = NULL;
}

static void event_free(struct hal_object *obj)
{
    struct hal_event *e = HAL_ITEM(obj, struct hal_event, obj);

    pthread_mutex_destroy(&e->lock);
    free(e);
}

static halError_t event_get(halEvent_t handle, struct hal_event **out_event)
{
    struct hal_object *obj;
    halError_t st = hal__object_get(handle, HAL_KIND_EVENT, &obj);

    if (st == halSuccess)
        *out_event = HAL_ITEM(obj, struct hal_event, obj);
    return st;
}

static halError_t event_create(halEvent_t *event, unsigned flags)
{
    struct hal_event *e = NULL;
    struct hal_device *d;
    halError_t st;

    if (!event)
        return hal_fail(halErrorInvalidValue, "halEventCreate: event is NULL");
    if (flags & ~(unsigned)(halEventBlockingSync | halEventDisableTiming))
        return hal_fail(halErrorInvalidValue,
                        "halEventCreate: flags %#x; halEventBlockingSync and "
                        "halEventDisableTiming exist",
                        flags);
    st = hal__device_current(&d);
    if (st == halSuccess)
        st = hal__device_alive(d);
    if (st != halSuccess)
        return st;
    e = calloc(1, sizeof *e);
    if (!e)
        return hal_fail(halErrorHostMemory, "an event of %zu bytes", sizeof *e);
    pthread_mutex_init(&e->lock, NULL);
    e->flags = flags;
    st = hal__record_create(d, !(flags & halEventDisableTiming), &e->record);
    if (st != halSuccess)
        goto out;
    st =
        hal__object_create(&e->obj, d, HAL_KIND_EVENT, event_close, event_free);
    if (st != halSuccess)
        goto out;
    *event = hal__object_handle(&e->obj);
    e = NULL;
out:
    if (e) {
        hal__record_release(e->record);
        pthread_mutex_destroy(&e->lock);
        free(e);
    }
    return st;
}

halError_t halEventCreate(halEvent_t *event)
{
    return hal__done(event_create(event, halEventDefault));
}

halError_t halEventCreateWithFlags(halEvent_t *event, unsigned flags)
{
    return hal__done(event_create(event, flags));
}

halError_t halEventDestroy(halEvent_t event)
{
    struct hal_object *obj;
    halError_t st = hal__object_get(event, HAL_KIND_EVENT, &obj);

    if (st != halSuccess)
        return hal__done(st);
    if (hal__object_kill(obj))
        hal__object_release(obj);
    hal__object_release(obj);
    return halSuccess;
}

/* Records; the event's lock is held. */
static halError_t record_locked(struct hal_event *e, struct hal_stream *s)
{
    struct hal_device *d = e->obj.dev;
    struct hal_record *fresh = NULL;
    unsigned refs;
    halError_t st;

    pthread_mutex_lock(&d->record_lock);
    refs = e->record->refs;
    pthread_mutex_unlock(&d->record_lock);
    /* Only this event hands out references, and its lock is held: 1 stays 1. */
    if (refs > 1) {
        st = hal__record_create(d, !(e->flags & halEventDisableTiming), &fresh);
        if (st != halSuccess)
            return st;
    }
    st = hal__stream_begin(s);
    if (st == halSuccess) {
        void *impl = fresh ? fresh->impl : e->record->impl;

        st = hal__device_check(d, d->ops->event_record(d->dev, s->impl, impl));
        hal__stream_end(s);
    }
    if (st == halSuccess) {
        e->is_recorded = 1;
        if (fresh) {
            hal__record_release(e->record);
            e->record = fresh;
            fresh = NULL;
        }
    }
    hal__record_release(fresh);
    return st;
}

halError_t halEventRecord(halEvent_t event, halStream_t stream)
{
    struct hal_event *e;
    struct hal_stream *s;
    halError_t st;

    st = event_get(event, &e);
    if (st != halSuccess)
        return hal__done(st);
    st = hal__stream_get(stream, &s);
    if (st != halSuccess)
        goto out;
    if (s->obj.dev != e->obj.dev) {
        st = hal_fail(halErrorInvalidHandle,
                      "halEventRecord: the event is of %s, the stream of %s; "
                      "create the event on the stream's device",
                      e->obj.dev->name, s->obj.dev->name);
    } else {
        pthread_mutex_lock(&e->lock);
        st = record_locked(e, s);
        pthread_mutex_unlock(&e->lock);
    }
    hal__stream_release(s);
out:
    hal__object_release(&e->obj);
    return hal__done(st);
}

/* Runs op on the event behind a handle. */
static halError_t event_ask(halEvent_t handle,
                            halError_t (*op)(struct hal_event *e))
{
    struct hal_event *e;
    halError_t st = event_get(handle, &e);

    if (st == halSuccess) {
        st = op(e);
        hal__object_release(&e->obj);
    }
    return hal__done(st);
}

static halError_t ask_query(struct hal_event *e)
{
    struct hal_device *d = e->obj.dev;
    halError_t st = halSuccess;

    pthread_mutex_lock(&e->lock);
    if (e->is_recorded) {
        st = hal__device_alive(d);
        if (st == halSuccess)
            st = hal__device_check(
                d, d->ops->event_query(d->dev, e->record->impl));
    }
    pthread_mutex_unlock(&e->lock);
    return st;
}

static halError_t ask_sync(struct hal_event *e)
{
    struct hal_record *r = NULL;
    halError_t st;

    pthread_mutex_lock(&e->lock);
    if (e->is_recorded) {
        r = e->record;
        hal__record_retain(r);
    }
    pthread_mutex_unlock(&e->lock);
    if (!r)
        return halSuccess;
    st = hal__device_alive(e->obj.dev);
    if (st == halSuccess)
        st = hal__record_wait(r);
    hal__record_release(r);
    return st;
}

halError_t halEventQuery(halEvent_t event)
{
    return event_ask(event, ask_query);
}

halError_t halEventSynchronize(halEvent_t event)
{
    return event_ask(event, ask_sync);
}

static halError_t timed_record(struct hal_event *e, const char *which,
                               struct hal_record **out_record)
{
    struct hal_device *d = e->obj.dev;
    halError_t st = halSuccess;

    pthread_mutex_lock(&e->lock);
    if (e->flags & halEventDisableTiming)
        st = hal_fail(halErrorBadState,
                      "halEventElapsedTime: %s was created with "
                      "halEventDisableTiming",
                      which);
    else if (!e->is_recorded)
        st = hal_fail(halErrorBadState,
                      "halEventElapsedTime: %s was never recorded", which);
    else
        st = hal__device_check(d, d->ops->event_query(d->dev, e->record->impl));
    if (st == halSuccess) {
        hal__record_retain(e->record);
        *out_record = e->record;
    }
    pthread_mutex_unlock(&e->lock);
    return st;
}

halError_t halEventElapsedTime(float *ms, halEvent_t start, halEvent_t end)
{
    struct hal_event *a = NULL, *b = NULL;
    struct hal_record *ra = NULL, *rb = NULL;
    struct hal_device *d;
    halError_t st;

    if (!ms)
        return hal__done(
            hal_fail(halErrorInvalidValue, "halEventElapsedTime: ms is NULL"));
    st = event_get(start, &a);
    if (st != halSuccess)
        return hal__done(st);
    st = event_get(end, &b);
    if (st != halSuccess)
        goto out;
    d = a->obj.dev;
    if (b->obj.dev != d) {
        st = hal_fail(halErrorInvalidHandle,
                      "halEventElapsedTime: start is of %s, end of %s; their "
                      "clocks are not the same",
                      d->name, b->obj.dev->name);
        goto out;
    }
    st = hal__device_alive(d);
    if (st == halSuccess)
        st = timed_record(a, "start", &ra);
    if (st == halSuccess)
        st = timed_record(b, "end", &rb);
    if (st == halSuccess)
        st = hal__device_check(
            d, d->ops->event_elapsed(d->dev, ra->impl, rb->impl, ms));
out:
    hal__record_release(ra);
    hal__record_release(rb);
    hal__object_release(&a->obj);
    if (b)
        hal__object_release(&b->obj);
    return hal__done(st);
}

/* ---- a stream waits for an event ---------------------------------------- */

struct wait_call {
    struct hal_record *record;
    /* Of the stream that waits; it lives on, for destroying a stream waits
     * for its work first. */
    struct hal_deferred *deferred;
};

static void wait_on_host(void *arg)
{
    struct wait_call *call = arg;
    int i;

    /* A wait that hands out an error need not have waited: what follows on
     * this stream must not overtake, so it is asked until it is content. */
    for (i = 0; i < HAL_SETTLE_TRIES; i++) {
        halError_t st = hal__record_wait(call->record);

        if (st == halSuccess)
            break;
        hal__deferred_set(call->deferred, st);
        if (st == halErrorDeviceLost)
            break;
    }
    hal__record_release(call->record);
    free(call);
}

static halError_t wait_across(struct hal_stream *s, struct hal_record *record)
{
    struct wait_call *call = malloc(sizeof *call);
    halError_t st;

    if (!call)
        return hal_fail(halErrorHostMemory, "a wait of %zu bytes",
                        sizeof *call);
    call->record = record;
    call->deferred = &s->deferred;
    hal__record_retain(record);
    st = hal__stream_begin(s);
    if (st == halSuccess) {
        st = hal__stream_call(s, wait_on_host, call);
        hal__stream_end(s);
    }
    if (st != halSuccess) {
        hal__record_release(record);
        free(call);
    }
    return st;
}

halError_t halStreamWaitEvent(halStream_t stream, halEvent_t event,
                              unsigned flags)
{
    struct hal_stream *s = NULL;
    struct hal_event *e;
    struct hal_device *d;
    halError_t st;

    if (flags)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halStreamWaitEvent: flags %#x, must be 0",
                                  flags));
    st = event_get(event, &e);
    if (st != halSuccess)
        return hal__done(st);
    st = hal__stream_get(stream, &s);
    if (st != halSuccess)
        goto out;
    d = e->obj.dev;
    pthread_mutex_lock(&e->lock);
    if (!e->is_recorded) {
        st = halSuccess;
    } else if (s->obj.dev == d) {
        st = hal__stream_begin(s);
        if (st == halSuccess) {
            st = hal__device_check(
                d, d->ops->stream_wait(d->dev, s->impl, e->record->impl));
            hal__stream_end(s);
        }
    } else {
        st = hal__device_alive(d);
        if (st == halSuccess)
            st = hal__device_check(
                d, d->ops->event_query(d->dev, e->record->impl));
        if (st == halErrorNotReady)
            st = wait_across(s, e->record);
    }
    pthread_mutex_unlock(&e->lock);
    hal__stream_release(s);
out:
    hal__object_release(&e->obj);
    return hal__done(st);
}
