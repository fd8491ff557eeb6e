/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - events, which are CUDA's own: the contract of backend.h is theirs.
 * Invariant: a wait sleeps.
 */
#include "backends/cuda/cuda.h"

halError_t cuda_event_create(struct hal_dev *hal, int timing, void **out_event)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct CUevent_st *event = NULL;
    halError_t st = halSuccess;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.EventCreate(
                     &event, CUDA_EVENT_BLOCKING_SYNC |
                                 (timing ? 0u : CUDA_EVENT_DISABLE_TIMING)));
    *out_event = event;
out:
    cuda_leave(pushed);
    return st;
}

void cuda_event_destroy(struct hal_dev *hal, void *event)
{
    bool pushed;

    if (!event)
        return;
    cuda_enter_patiently(cuda_dev_of(hal), &pushed);
    (void)cuda_cu.EventDestroy(event);
    cuda_leave(pushed);
}

halError_t cuda_event_record(struct hal_dev *hal, void *stream, void *event)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = stream;
    halError_t st = halSuccess;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    CUDA_OR_GOTO(out, st, dev, cuda_cu.EventRecord(event, s->stream));
out:
    cuda_leave(pushed);
    return st;
}

static halError_t ask(struct hal_dev *hal, struct CUevent_st *event,
                      unsigned (*call)(struct CUevent_st *), const char *what)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    halError_t st = halSuccess;
    unsigned code;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    code = call(event);
    if (code == CUDA_NOT_READY)
        st = halErrorNotReady;
    else if (code != CUDA_OK)
        st = cuda_fail(dev, code, what);
out:
    cuda_leave(pushed);
    return st;
}

halError_t cuda_event_query(struct hal_dev *dev, void *event)
{
    return ask(dev, event, cuda_cu.EventQuery, "cuda_cu.EventQuery");
}

halError_t cuda_event_sync(struct hal_dev *dev, void *event)
{
    return ask(dev, event, cuda_cu.EventSynchronize,
               "cuda_cu.EventSynchronize");
}

halError_t cuda_event_elapsed(struct hal_dev *hal, void *start, void *end,
                              float *out_ms)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    halError_t st = halSuccess;
    float ms = 0;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    CUDA_OR_GOTO(out, st, dev, cuda_cu.EventElapsedTime(&ms, start, end));
    *out_ms = ms;
out:
    cuda_leave(pushed);
    return st;
}

halError_t cuda_stream_wait(struct hal_dev *hal, void *stream, void *event)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = stream;
    halError_t st = halSuccess;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    CUDA_OR_GOTO(out, st, dev, cuda_cu.StreamWaitEvent(s->stream, event, 0));
out:
    cuda_leave(pushed);
    return st;
}
