/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - streams: queues, what runs an operation, and waiting.  Deferred
 * operations live in defer.c.  Invariant: whatever reached the queue has been
 * flushed, so that it starts without anybody waiting for it.
 */
#include "backends/opencl/opencl.h"

#include <stdlib.h>
#include <time.h>

halError_t opencl_event_status(cl_event event)
{
    cl_int status = CL_QUEUED;
    cl_int code = opencl_cl.GetEventInfo(
        event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);

    if (code != CL_SUCCESS)
        return opencl_fail(code, "clGetEventInfo");
    if (status < 0)
        return opencl_fail(status, "work on the device");
    return status == CL_COMPLETE ? halSuccess : halErrorNotReady;
}

/* Longest sleep between two looks at an event that the driver does not wait
 * for: well under what a caller of a synchronisation notices. */
#define POLL_MAX_NS 1000000L

halError_t opencl_event_wait(struct opencl_dev *dev, cl_event event)
{
    struct timespec pause = { .tv_nsec = 20000 };
    cl_int code = opencl_cl.WaitForEvents(1, &event);
    halError_t st;

    (void)dev;
    if (code != CL_SUCCESS &&
        code != CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
        return opencl_fail(code, "clWaitForEvents");
    /* Believe the status, not the return: both PoCL's basic device and
     * rusticl's clFinish have been seen to come back early. */
    while ((st = opencl_event_status(event)) == halErrorNotReady) {
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < POLL_MAX_NS)
            pause.tv_nsec *= 2;
    }
    return st;
}

halError_t opencl_queue_wait(struct opencl_dev *dev, cl_command_queue queue)
{
    cl_event marker = NULL;
    halError_t st = halSuccess;

    if (!(dev->quirks & OPENCL_QUIRK_EARLY_FINISH)) {
        cl_int code = opencl_cl.Finish(queue);

        return code == CL_SUCCESS ? halSuccess : opencl_fail(code, "clFinish");
    }
    OCL_OR_GOTO(out, st,
                opencl_cl.EnqueueMarkerWithWaitList(queue, 0, NULL, &marker));
    OCL_OR_GOTO(out, st, opencl_flush(dev, queue));
    st = opencl_event_wait(dev, marker);
out:
    if (marker)
        opencl_cl.ReleaseEvent(marker);
    return st;
}

halError_t opencl_stream_create(struct hal_dev *hal, int priority,
                                void **out_stream)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_stream *s = calloc(1, sizeof *s);
    cl_command_queue queue;
    cl_int code;

    (void)priority; /* the range is 0..0 */
    if (!s)
        return hal_fail(halErrorHostMemory, "opencl: stream_create: %zu bytes",
                        sizeof *s);
    /* Without profiling: it costs 10 % of a launch on PoCL's basic device.
     * The first event that needs times changes the queue. */
    opencl_enter(dev);
    queue = opencl_cl.CreateCommandQueue(dev->context, dev->id, 0, &code);
    opencl_leave(dev);
    if (code != CL_SUCCESS) {
        free(s);
        return opencl_fail(code, "clCreateCommandQueue");
    }
    s->dev = dev;
    atomic_init(&s->queue, queue);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->tail = &s->head;
    *out_stream = s;
    return halSuccess;
}

void opencl_stream_destroy(struct hal_dev *hal, void *stream)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_stream *s = stream;

    if (!s)
        return;
    opencl_defer_stop(s);
    opencl_enter(dev);
    (void)opencl_queue_wait(dev, opencl_stream_queue(s));
    if (s->probe)
        opencl_cl.ReleaseEvent(s->probe);
    opencl_cl.ReleaseCommandQueue(opencl_stream_queue(s));
    if (s->plain)
        opencl_cl.ReleaseCommandQueue(s->plain);
    opencl_leave(dev);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

halError_t opencl_stream_profile(struct opencl_stream *s)
{
    struct opencl_dev *dev = s->dev;
    cl_command_queue old = opencl_stream_queue(s), queue = NULL;
    cl_event marker = NULL;
    halError_t st = halSuccess;
    cl_int code;

    if (s->plain)
        return halSuccess;
    queue = opencl_cl.CreateCommandQueue(dev->context, dev->id,
                                         CL_QUEUE_PROFILING_ENABLE, &code);
    if (code != CL_SUCCESS)
        return opencl_fail(code, "clCreateCommandQueue");
    OCL_OR_GOTO(out, st,
                opencl_cl.EnqueueMarkerWithWaitList(old, 0, NULL, &marker));
    OCL_OR_GOTO(out, st, opencl_flush(dev, old));
    OCL_OR_GOTO(out, st,
                opencl_cl.EnqueueBarrierWithWaitList(queue, 1, &marker, NULL));
    s->plain = old;
    atomic_store_explicit(&s->queue, queue, memory_order_release);
    queue = NULL;
out:
    if (marker)
        opencl_cl.ReleaseEvent(marker);
    if (queue)
        opencl_cl.ReleaseCommandQueue(queue);
    return st;
}

/* On the path of every synchronisation: no lock.  A probe that it overtakes
 * goes with the next one. */
void opencl_stream_settle(struct opencl_stream *s, uint64_t n_done)
{
    uint64_t old = atomic_load(&s->n_settled);

    while (old < n_done &&
           !atomic_compare_exchange_weak(&s->n_settled, &old, n_done))
        ;
}

/* Whether the queue is empty: by a marker behind the last operation. */
static halError_t probe_locked(struct opencl_stream *s)
{
    uint64_t now = atomic_load(&s->n_submitted);
    cl_command_queue queue = opencl_stream_queue(s);
    halError_t st = halSuccess;

    if (atomic_load(&s->n_settled) >= now)
        return halSuccess;
    if (s->probe && s->probe_at != now) {
        opencl_cl.ReleaseEvent(s->probe);
        s->probe = NULL;
    }
    if (!s->probe) {
        OCL_OR_GOTO(
            out, st,
            opencl_cl.EnqueueMarkerWithWaitList(queue, 0, NULL, &s->probe));
        s->probe_at = now;
        OCL_OR_GOTO(out, st, opencl_flush(s->dev, queue));
    }
    st = opencl_event_status(s->probe);
    if (st != halErrorNotReady) {
        opencl_cl.ReleaseEvent(s->probe);
        s->probe = NULL;
        opencl_stream_settle(s, s->probe_at); /* failures are told once */
    }
out:
    return st;
}

halError_t opencl_stream_query(struct hal_dev *hal, void *stream)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_stream *s = stream;
    halError_t st;

    if (!opencl_stream_direct(s)) {
        /* The thread may be about to say that it has done the last one. */
        pthread_mutex_lock(&s->lock);
        pthread_mutex_unlock(&s->lock);
        if (!opencl_stream_direct(s))
            return halErrorNotReady;
    }
    opencl_enter(dev);
    pthread_mutex_lock(&s->lock);
    st = probe_locked(s);
    pthread_mutex_unlock(&s->lock);
    opencl_leave(dev);
    return st == halSuccess ? opencl_defer_take_error(s) : st;
}

halError_t opencl_stream_sync(struct hal_dev *hal, void *stream)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_stream *s = stream;
    uint64_t before;
    halError_t st;

    if (!opencl_stream_direct(s))
        opencl_defer_drain(s);
    before = atomic_load(&s->n_submitted);
    if (atomic_load(&s->n_settled) >= before) /* behind a blocking copy, say */
        return opencl_defer_take_error(s);
    opencl_enter(dev);
    st = opencl_queue_wait(dev, opencl_stream_queue(s));
    opencl_leave(dev);
    if (st != halSuccess)
        return st;
    opencl_stream_settle(s, before);
    return opencl_defer_take_error(s);
}

/* A host function: after all that precedes it, on the stream's thread. */
static halError_t run_host_func(struct opencl_stream *s,
                                const struct opencl_op *op)
{
    halError_t st;

    opencl_enter(s->dev);
    st = opencl_queue_wait(s->dev, opencl_stream_queue(s));
    opencl_leave(s->dev);
    /* Even after a failure: somebody may wait for what it does. */
    op->u.host.fn(op->u.host.arg);
    return st;
}

static halError_t run_on_queue(struct opencl_stream *s,
                               const struct opencl_op *op)
{
    cl_command_queue queue = opencl_stream_queue(s);

    switch (op->kind) {
    case OPENCL_OP_COPY_IN:
        return opencl_run_copy_in(queue, op);
    case OPENCL_OP_COPY_OUT:
        return opencl_run_copy_out(queue, op);
    case OPENCL_OP_COPY:
        return opencl_run_copy(queue, op);
    case OPENCL_OP_FILL:
        return opencl_run_fill(queue, op);
    case OPENCL_OP_RECORD:
        return opencl_run_record(s, op->u.record);
    case OPENCL_OP_WAIT:
        return opencl_run_wait(s, op->u.record);
    case OPENCL_OP_LAUNCH:
    case OPENCL_OP_HOST_FUNC:
        break;
    }
    return hal_fail(halErrorInternal, "opencl: operation %d", op->kind);
}

/* A record is the last operation: its event answers the next query, which so
 * agrees with whoever has already waited for it. */
static void note_record(struct opencl_stream *s, cl_event event)
{
    cl_event old;

    if (opencl_cl.RetainEvent(event) != CL_SUCCESS)
        return;
    pthread_mutex_lock(&s->lock);
    old = s->probe;
    s->probe = event;
    s->probe_at = atomic_load(&s->n_submitted);
    pthread_mutex_unlock(&s->lock);
    if (old)
        opencl_cl.ReleaseEvent(old);
}

/* Has been done when its call returns; there is nothing to flush. */
static bool is_blocking(const struct opencl_op *op)
{
    return (op->kind == OPENCL_OP_COPY_IN || op->kind == OPENCL_OP_COPY_OUT) &&
           op->u.copy.blocking;
}

halError_t opencl_op_run(struct opencl_stream *s, const struct opencl_op *op)
{
    halError_t st;
    cl_int code;

    if (op->kind == OPENCL_OP_LAUNCH)
        return opencl_run_launch(s, op->u.launch.kernel, &op->u.launch.launch);
    if (op->kind == OPENCL_OP_HOST_FUNC)
        return run_host_func(s, op);

    opencl_enter(s->dev);
    st = run_on_queue(s, op);
    if (st == halSuccess) {
        opencl_stream_count(s);
        code = is_blocking(op) ? CL_SUCCESS
                               : opencl_flush(s->dev, opencl_stream_queue(s));
        if (code != CL_SUCCESS)
            st = opencl_fail(code, "clFlush");
    }
    if (st == halSuccess && op->kind == OPENCL_OP_RECORD)
        note_record(s, op->u.record->event);
    opencl_leave(s->dev);
    return st;
}

halError_t opencl_stream_submit(struct opencl_stream *s,
                                const struct opencl_op *op)
{
    if (op->kind == OPENCL_OP_HOST_FUNC || !opencl_stream_direct(s))
        return opencl_defer_push(s, op);
    return opencl_op_run(s, op);
}

halError_t opencl_host_func(struct hal_dev *dev, void *stream,
                            void (*fn)(void *arg), void *arg)
{
    struct opencl_op op = {
        .kind = OPENCL_OP_HOST_FUNC,
        .u.host = { .fn = fn, .arg = arg },
    };

    (void)dev;
    return opencl_stream_submit(stream, &op);
}
