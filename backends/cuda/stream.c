/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - streams, waiting for them, and which kernels they may still run.
 * Invariant: every live stream is in dev->streams.
 */
#include "backends/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>

void cuda_priority_range(struct hal_dev *hal, int *out_least, int *out_greatest)
{
    int least = 0, greatest = 0;
    bool pushed;

    if (cuda_enter(cuda_dev_of(hal), &pushed) == CUDA_OK &&
        cuda_cu.CtxGetStreamPriorityRange(&least, &greatest) != CUDA_OK)
        least = greatest = 0;
    cuda_leave(pushed);
    *out_least = least;
    *out_greatest = greatest;
}

halError_t cuda_stream_create(struct hal_dev *hal, int priority,
                              void **out_stream)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = calloc(1, sizeof *s);
    halError_t st = halSuccess;
    bool pushed = false;

    if (!s)
        return hal_fail(halErrorHostMemory, "cuda: stream_create: %zu bytes",
                        sizeof *s);
    s->dev = dev;
    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    /* The order with the default stream is the core's business. */
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.StreamCreateWithPriority(
                     &s->stream, CUDA_STREAM_NON_BLOCKING, priority));
    pthread_mutex_lock(&dev->lock);
    s->next = dev->streams;
    dev->streams = s;
    pthread_mutex_unlock(&dev->lock);
    *out_stream = s;
    s = NULL;
out:
    cuda_leave(pushed);
    free(s);
    return st;
}

static void unlist(struct cuda_stream *s)
{
    struct cuda_stream **at;

    pthread_mutex_lock(&s->dev->lock);
    for (at = &s->dev->streams; *at != s;)
        at = &(*at)->next;
    *at = s->next;
    pthread_mutex_unlock(&s->dev->lock);
}

void cuda_stream_destroy(struct hal_dev *hal, void *stream)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = stream;
    bool pushed;

    if (!s)
        return;
    cuda_enter_patiently(dev, &pushed);
    (void)cuda_cu.StreamSynchronize(s->stream);
    cuda_worker_stop(s->worker);
    unlist(s);
    (void)cuda_cu.StreamDestroy(s->stream);
    cuda_leave(pushed);
    free(s);
}

/* The first n launches have ended. */
static void settle(struct cuda_stream *s, uint64_t n)
{
    uint64_t old = atomic_load(&s->n_done);

    while (old < n && !atomic_compare_exchange_weak(&s->n_done, &old, n))
        ;
}

static halError_t ask(struct cuda_stream *s,
                      unsigned (*call)(struct CUstream_st *), const char *what)
{
    uint64_t before = atomic_load(&s->n_launched);
    halError_t st = halSuccess;
    unsigned code;
    bool pushed;

    CUDA_OR_GOTO(out, st, s->dev, cuda_enter(s->dev, &pushed));
    code = call(s->stream);
    if (code == CUDA_NOT_READY)
        st = halErrorNotReady;
    else if (code != CUDA_OK)
        st = cuda_fail(s->dev, code, what);
    else
        settle(s, before);
out:
    cuda_leave(pushed);
    return st;
}

halError_t cuda_stream_query(struct hal_dev *dev, void *stream)
{
    (void)dev;
    return ask(stream, cuda_cu.StreamQuery, "cuda_cu.StreamQuery");
}

halError_t cuda_stream_sync(struct hal_dev *dev, void *stream)
{
    (void)dev;
    return ask(stream, cuda_cu.StreamSynchronize, "cuda_cu.StreamSynchronize");
}

/* ---- which kernels ------------------------------------------------------- */

/* Appends the names of a stream's, newest first, each once. */
static void suspects_of(const struct cuda_stream *s, const char **names,
                        unsigned *n, unsigned most)
{
    uint64_t to = atomic_load(&s->n_launched), from = atomic_load(&s->n_done);

    if (to - from > CUDA_RECENT)
        from = to - CUDA_RECENT;
    for (uint64_t i = to; i > from; i--) {
        const struct cuda_kernel *k =
            atomic_load(&s->recent[(i - 1) & (CUDA_RECENT - 1)]);
        unsigned seen = 0;

        while (k && seen < *n && names[seen] != k->name)
            seen++;
        if (k && seen == *n && *n < most)
            names[(*n)++] = k->name;
    }
}

void cuda_streams_suspects(struct cuda_dev *dev, char *text, size_t size)
{
    const char *names[4];
    unsigned n = 0;
    size_t at = 0;

    pthread_mutex_lock(&dev->lock);
    for (struct cuda_stream *s = dev->streams; s; s = s->next)
        suspects_of(s, names, &n, sizeof names / sizeof names[0]);
    text[0] = '\0';
    for (unsigned i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s'%s'",
                               i       ? ", "
                               : n > 1 ? "it was one of the kernels "
                                       : "it was the kernel ",
                               names[i]);
    if (n > 1 && at < size)
        snprintf(text + at, size - at, " (CUDA_LAUNCH_BLOCKING=1 tells which)");
    pthread_mutex_unlock(&dev->lock);
}

void cuda_streams_forget(struct cuda_dev *dev, const struct cuda_kernel *k)
{
    pthread_mutex_lock(&dev->lock);
    for (struct cuda_stream *s = dev->streams; s; s = s->next)
        for (unsigned i = 0; i < CUDA_RECENT; i++) {
            const struct cuda_kernel *old = k;

            (void)atomic_compare_exchange_strong(&s->recent[i], &old, NULL);
        }
    pthread_mutex_unlock(&dev->lock);
}
