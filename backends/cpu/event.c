/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - events.  Each record of an event is an object of its own, counted
 * by those who refer to it (the event, the command that completes it, the
 * commands that wait for it), so that recording again or destroying the event
 * leaves waits on the earlier record as they were.
 *
 * A stream whose head waits for a record is parked in the record's list: no
 * thread waits for it.
 */
#include <stdlib.h>

#include "backends/cpu/cpu.h"

struct cpu_record {
    atomic_uint refs;
    struct cpu_stream *stream; /* a reference: syncs run its commands */
    uint64_t target;           /* commands of the stream up to the record */
    uint64_t time_ns;          /* valid once done */
    _Atomic bool done;
    pthread_mutex_t lock; /* of parked, and of done's change */
    struct cpu_stream *parked;
};

struct cpu_event {
    pthread_mutex_t lock;
    struct cpu_record *latest; /* under lock; NULL: never recorded */
};

void cpu_record_release(struct cpu_record *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    cpu_stream_release(r->stream);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void cpu_record_complete(struct cpu_record *r)
{
    struct cpu_stream *parked, *next;

    r->time_ns = cpu_now_ns();
    pthread_mutex_lock(&r->lock);
    atomic_store_explicit(&r->done, true, memory_order_release);
    parked = r->parked;
    r->parked = NULL;
    pthread_mutex_unlock(&r->lock);
    for (; parked; parked = next) {
        next = parked->next_parked;
        cpu_stream_unpark(parked);
    }
}

bool cpu_record_pass(struct cpu_record *r, struct cpu_stream *s)
{
    bool done;

    pthread_mutex_lock(&r->lock);
    done = atomic_load_explicit(&r->done, memory_order_acquire);
    if (!done) {
        cpu_stream_retain(s);
        s->parked = true;
        s->next_parked = r->parked;
        r->parked = s;
    }
    pthread_mutex_unlock(&r->lock);
    return done;
}

/* The event's latest record with a reference for the caller, or NULL. */
static struct cpu_record *event_latest(struct cpu_event *e)
{
    struct cpu_record *r;

    pthread_mutex_lock(&e->lock);
    r = e->latest;
    if (r)
        atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&e->lock);
    return r;
}

halError_t cpu_event_create(struct hal_dev *dev, int timing, void **out_event)
{
    struct cpu_event *e = calloc(1, sizeof *e);

    (void)dev;
    (void)timing; /* a time stamp costs nothing here */
    if (!e)
        return hal_fail(halErrorHostMemory, "cpu: an event of %zu bytes",
                        sizeof *e);
    pthread_mutex_init(&e->lock, NULL);
    *out_event = e;
    return halSuccess;
}

void cpu_event_destroy(struct hal_dev *dev, void *event)
{
    struct cpu_event *e = event;

    (void)dev;
    if (!e)
        return;
    cpu_record_release(e->latest);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

halError_t cpu_event_record(struct hal_dev *dev, void *stream, void *event)
{
    struct cpu_stream *s = stream;
    struct cpu_event *e = event;
    struct cpu_command *command = cpu_command_take(s);
    struct cpu_record *r, *old;

    (void)dev;
    if (!command)
        return halErrorHostMemory;
    r = calloc(1, sizeof *r);
    if (!r) {
        free(command);
        return hal_fail(halErrorHostMemory, "cpu: an event record of %zu bytes",
                        sizeof *r);
    }
    atomic_init(&r->refs, 2); /* the event's and the command's */
    pthread_mutex_init(&r->lock, NULL);
    cpu_stream_retain(s);
    r->stream = s;
    r->target = atomic_load(&s->submitted) + 1; /* [stream locked] */

    command->kind = CPU_COMMAND_RECORD;
    command->u.record = r;
    cpu_stream_submit(s, command);

    pthread_mutex_lock(&e->lock);
    old = e->latest;
    e->latest = r;
    pthread_mutex_unlock(&e->lock);
    cpu_record_release(old);
    return halSuccess;
}

halError_t cpu_event_query(struct hal_dev *dev, void *event)
{
    struct cpu_record *r = event_latest(event);
    halError_t st = halSuccess;

    if (r && !atomic_load_explicit(&r->done, memory_order_acquire)) {
        cpu_runner_kick(cpu_device_of(dev));
        st = halErrorNotReady;
    }
    cpu_record_release(r);
    return st;
}

halError_t cpu_event_sync(struct hal_dev *dev, void *event)
{
    struct cpu_record *r = event_latest(event);
    halError_t st = halSuccess;

    (void)dev;
    if (r) {
        cpu_stream_finish(r->stream, r->target);
        st = cpu_stream_error(r->stream);
    }
    cpu_record_release(r);
    return st;
}

halError_t cpu_event_elapsed(struct hal_dev *dev, void *start, void *end,
                             float *out_ms)
{
    struct cpu_record *a = event_latest(start), *b = event_latest(end);
    halError_t st = halSuccess;

    (void)dev;
    if (!a || !b || !atomic_load_explicit(&a->done, memory_order_acquire) ||
        !atomic_load_explicit(&b->done, memory_order_acquire))
        st = hal_fail(halErrorNotReady,
                      "cpu: an event has not been recorded or reached yet");
    else
        *out_ms = (float)(((double)b->time_ns - (double)a->time_ns) * 1e-6);
    cpu_record_release(a);
    cpu_record_release(b);
    return st;
}

halError_t cpu_stream_wait(struct hal_dev *dev, void *stream, void *event)
{
    struct cpu_record *r = event_latest(event);
    struct cpu_command *command;

    (void)dev;
    if (!r || atomic_load_explicit(&r->done, memory_order_acquire)) {
        cpu_record_release(r);
        return halSuccess;
    }
    command = cpu_command_take(stream);
    if (!command) {
        cpu_record_release(r);
        return halErrorHostMemory;
    }
    command->kind = CPU_COMMAND_WAIT;
    command->u.record = r; /* the reference goes with it */
    cpu_stream_submit(stream, command);
    return halSuccess;
}
