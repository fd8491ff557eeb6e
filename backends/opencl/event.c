/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - events.  An event points to its latest record; whoever waits for a
 * record holds a reference, so that recording anew or destroying the event does
 * not disturb it.  Invariant: a record leaves PENDING once.
 *
 * Callbacks run on a thread of the driver's that may hold the driver's locks:
 * they take none and call nothing.  A record whose last user is a callback is
 * left for the next thread that comes by, and a device that is closed waits for
 * the callbacks that the driver still owes.
 */
#include "backends/opencl/opencl.h"

#include <stdlib.h>
#include <time.h>

struct opencl_event {
    bool timing;
    struct opencl_record *latest; /* under dev->record_lock */
};

static int record_state(struct opencl_record *r)
{
    return atomic_load_explicit(&r->state, memory_order_acquire);
}

static void record_retain(struct opencl_record *r)
{
    atomic_fetch_add_explicit(&r->n_refs, 1, memory_order_relaxed);
}

/* How long after an event's completion its callback may come.  A thread that
 * is ready to run gets a processor within a fraction of this on any machine
 * that is of use. */
#define CALLBACK_MAX_NS ((uint64_t)2000000000)

static bool record_drop(struct opencl_record *r)
{
    return atomic_fetch_sub_explicit(&r->n_refs, 1, memory_order_acq_rel) == 1;
}

static void record_destroy(struct opencl_record *r)
{
    opencl_enter(r->dev);
    if (r->event)
        opencl_cl.ReleaseEvent(r->event);
    opencl_leave(r->dev);
    free(r);
}

void opencl_record_release(struct opencl_record *r)
{
    if (r && record_drop(r))
        record_destroy(r);
}

/* Destroys the records that callbacks have left. */
static void records_bury(struct opencl_dev *dev)
{
    struct opencl_record *r = atomic_exchange(&dev->dead, NULL), *next;

    for (; r; r = next) {
        next = r->next;
        record_destroy(r);
    }
}

bool opencl_records_close(struct opencl_dev *dev)
{
    const struct timespec pause = { .tv_nsec = 50000 };
    uint64_t start = opencl_now_ns();

    while (atomic_load_explicit(&dev->n_callbacks, memory_order_acquire) &&
           opencl_now_ns() - start < CALLBACK_MAX_NS)
        nanosleep(&pause, NULL);
    records_bury(dev);
    return !atomic_load(&dev->n_callbacks);
}

static void record_change(struct opencl_record *r, int state)
{
    pthread_mutex_lock(&r->dev->record_lock);
    atomic_store_explicit(&r->state, state, memory_order_release);
    pthread_cond_broadcast(&r->dev->record_changed);
    pthread_mutex_unlock(&r->dev->record_lock);
}

void opencl_record_publish(struct opencl_record *r)
{
    record_change(r, OPENCL_RECORD_SUBMITTED);
}

void opencl_record_fail(struct opencl_record *r, halError_t error)
{
    r->error = error;
    record_change(r, OPENCL_RECORD_FAILED);
}

void opencl_record_settle(struct opencl_record *r)
{
    if (record_state(r) != OPENCL_RECORD_PENDING)
        return;
    pthread_mutex_lock(&r->dev->record_lock);
    while (record_state(r) == OPENCL_RECORD_PENDING)
        pthread_cond_wait(&r->dev->record_changed, &r->dev->record_lock);
    pthread_mutex_unlock(&r->dev->record_lock);
}

/* On a thread of the driver's: no lock, no call. */
static void CL_CALLBACK completed(cl_event event, cl_int status, void *arg)
{
    struct opencl_record *r = arg;
    struct opencl_dev *dev = r->dev;

    (void)event;
    (void)status;
    atomic_store_explicit(&r->host_ns, opencl_now_ns(), memory_order_release);
    if (record_drop(r)) {
        r->next = atomic_load(&dev->dead);
        while (!atomic_compare_exchange_weak(&dev->dead, &r->next, r))
            ;
    }
    /* The last that it does with anything of ours. */
    atomic_fetch_sub_explicit(&dev->n_callbacks, 1, memory_order_release);
}

halError_t opencl_run_record(struct opencl_stream *s, struct opencl_record *r)
{
    struct opencl_dev *dev = s->dev;
    cl_event event = NULL;
    halError_t st = halSuccess;

    if (r->timed && dev->device_timer) {
        st = opencl_stream_profile(s);
        if (st != halSuccess)
            return st;
    }
    OCL_OR_GOTO(out, st,
                opencl_cl.EnqueueMarkerWithWaitList(opencl_stream_queue(s), 0,
                                                    NULL, &event));
    if (r->timed && !dev->device_timer) {
        record_retain(r); /* the callback's */
        atomic_fetch_add(&dev->n_callbacks, 1);
        OCL_OR_GOTO(
            undo, st,
            opencl_cl.SetEventCallback(event, CL_COMPLETE, completed, r));
    }
    r->event = event;
    return halSuccess;
undo:
    atomic_fetch_sub(&dev->n_callbacks, 1);
    opencl_record_release(r);
out:
    if (event)
        opencl_cl.ReleaseEvent(event);
    return st;
}

halError_t opencl_run_wait(struct opencl_stream *s, struct opencl_record *r)
{
    cl_int code;

    /* A record that never reached the driver is nothing to wait for; its own
     * stream tells the error. */
    if (record_state(r) != OPENCL_RECORD_SUBMITTED)
        return halSuccess;
    code = opencl_cl.EnqueueBarrierWithWaitList(opencl_stream_queue(s), 1,
                                                &r->event, NULL);
    return code == CL_SUCCESS
               ? halSuccess
               : opencl_fail(code, "clEnqueueBarrierWithWaitList");
}

halError_t opencl_event_create(struct hal_dev *dev, int timing,
                               void **out_event)
{
    struct opencl_event *e = calloc(1, sizeof *e);

    (void)dev;
    if (!e)
        return hal_fail(halErrorHostMemory, "opencl: event_create: %zu bytes",
                        sizeof *e);
    e->timing = timing;
    *out_event = e;
    return halSuccess;
}

void opencl_event_destroy(struct hal_dev *hal, void *event)
{
    struct opencl_event *e = event;

    (void)hal;
    if (!e)
        return;
    opencl_record_release(e->latest);
    free(e);
}

/* The latest record with a reference, or NULL. */
static struct opencl_record *latest_of(struct opencl_dev *dev, void *event)
{
    struct opencl_event *e = event;
    struct opencl_record *r;

    pthread_mutex_lock(&dev->record_lock);
    r = e->latest;
    if (r)
        record_retain(r);
    pthread_mutex_unlock(&dev->record_lock);
    return r;
}

halError_t opencl_event_record(struct hal_dev *hal, void *stream, void *event)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_event *e = event;
    struct opencl_record *r = calloc(1, sizeof *r), *old;
    struct opencl_op op = { .kind = OPENCL_OP_RECORD, .u.record = r };
    struct opencl_stream *s = stream;
    bool direct = opencl_stream_direct(s);
    halError_t st;

    if (!r)
        return hal_fail(halErrorHostMemory, "opencl: event_record: %zu bytes",
                        sizeof *r);
    records_bury(dev);
    r->dev = dev;
    r->timed = e->timing;
    atomic_init(&r->n_refs, 2); /* the operation's and the event's */
    st = direct ? opencl_op_run(s, &op) : opencl_defer_push(s, &op);
    if (st == halSuccess && direct)
        opencl_record_publish(r);
    if (st != halSuccess || direct)
        opencl_record_release(r);
    if (st != halSuccess) {
        opencl_record_release(r);
        return st;
    }
    pthread_mutex_lock(&dev->record_lock);
    old = e->latest;
    e->latest = r;
    pthread_mutex_unlock(&dev->record_lock);
    opencl_record_release(old);
    return halSuccess;
}

static halError_t record_failure(struct opencl_record *r)
{
    return hal_fail(r->error, "opencl: the event could not be recorded: %s",
                    halGetErrorString(r->error));
}

halError_t opencl_event_query(struct hal_dev *hal, void *event)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_record *r = latest_of(dev, event);
    halError_t st = halErrorNotReady;
    int state;

    if (!r)
        return halSuccess;
    state = record_state(r);
    if (state == OPENCL_RECORD_FAILED)
        st = record_failure(r);
    if (state == OPENCL_RECORD_SUBMITTED) {
        opencl_enter(dev);
        st = opencl_event_status(r->event);
        opencl_leave(dev);
    }
    opencl_record_release(r);
    return st;
}

halError_t opencl_event_sync(struct hal_dev *hal, void *event)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_record *r = latest_of(dev, event);
    halError_t st;

    if (!r)
        return halSuccess;
    opencl_record_settle(r);
    if (record_state(r) == OPENCL_RECORD_FAILED) {
        st = record_failure(r);
    } else {
        opencl_enter(dev);
        st = opencl_event_wait(dev, r->event);
        opencl_leave(dev);
    }
    opencl_record_release(r);
    return st;
}

/* By the callback, which may come a moment after the status.  A driver that
 * never calls back must not keep the caller for ever. */
static uint64_t callback_time(struct opencl_record *r, halError_t *st)
{
    const struct timespec pause = { .tv_nsec = 50000 };
    uint64_t start = opencl_now_ns(), ns;

    opencl_enter(r->dev);
    *st = opencl_event_status(r->event);
    opencl_leave(r->dev);
    if (*st == halErrorNotReady)
        *st = hal_fail(halErrorNotReady,
                       "opencl: event_elapsed: an event has not been reached");
    if (*st != halSuccess)
        return 0;
    while (!(ns = atomic_load_explicit(&r->host_ns, memory_order_acquire))) {
        if (opencl_now_ns() - start > CALLBACK_MAX_NS) {
            *st = hal_fail(halErrorInternal,
                           "opencl: event_elapsed: the driver does not tell "
                           "when an event completed");
            return 0;
        }
        nanosleep(&pause, NULL);
    }
    return ns;
}

/* When the record completed; 0 and a failure if that is not known. */
static uint64_t record_time(struct opencl_record *r, halError_t *st)
{
    cl_ulong ns = 0;
    cl_int code;

    if (!r || record_state(r) != OPENCL_RECORD_SUBMITTED || !r->timed) {
        *st = hal_fail(halErrorBadState,
                       "opencl: event_elapsed: an event has no time");
        return 0;
    }
    if (!r->dev->device_timer)
        return callback_time(r, st);
    opencl_enter(r->dev);
    code = opencl_cl.GetEventProfilingInfo(r->event, CL_PROFILING_COMMAND_END,
                                           sizeof ns, &ns, NULL);
    opencl_leave(r->dev);
    if (code != CL_SUCCESS)
        *st = opencl_fail(code, "clGetEventProfilingInfo");
    return ns;
}

halError_t opencl_event_elapsed(struct hal_dev *hal, void *start, void *end,
                                float *out_ms)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_record *a = latest_of(dev, start), *b = latest_of(dev, end);
    halError_t st = halSuccess;
    uint64_t from = record_time(a, &st);
    uint64_t to = st == halSuccess ? record_time(b, &st) : 0;

    if (st == halSuccess)
        *out_ms = (float)((double)(int64_t)(to - from) * 1e-6);
    opencl_record_release(a);
    opencl_record_release(b);
    return st;
}

halError_t opencl_stream_wait(struct hal_dev *hal, void *stream, void *event)
{
    struct opencl_stream *s = stream;
    struct opencl_record *r = latest_of(opencl_dev_of(hal), event);
    struct opencl_op op = { .kind = OPENCL_OP_WAIT, .u.record = r };
    halError_t st;

    if (!r)
        return halSuccess;
    if (opencl_stream_direct(s) && record_state(r) != OPENCL_RECORD_PENDING) {
        st = opencl_op_run(s, &op);
        opencl_record_release(r);
        return st;
    }
    st = opencl_defer_push(s, &op);
    if (st != halSuccess)
        opencl_record_release(r);
    return st;
}
