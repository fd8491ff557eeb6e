/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - host functions.  A call enqueues an event, then a wait of the
 * GPU's for a word in host memory.  The stream's thread waits for the event,
 * runs the function and counts the word up.  Invariant: every function that was
 * accepted runs, once and in order, whatever became of the context.
 *
 * The words are never given back to the driver before the device is closed:
 * cuMemFreeHost waits for the context.
 */
#include "backends/cuda/cuda.h"

#include <stdlib.h>

#define PAGE_BYTES  4096
#define FLAG_STRIDE 64 /* a cache line each */

struct cuda_page {
    struct cuda_page *next;
    char *host;
    struct cuda_flag flags[PAGE_BYTES / FLAG_STRIDE];
};

struct call {
    struct call *next;
    struct CUevent_st *before; /* completes when it is its turn */
    void (*fn)(void *arg);
    void *arg;
};

struct cuda_worker {
    struct cuda_stream *s;
    struct cuda_flag *flag;
    uint32_t n_enqueued; /* under the core's stream lock */
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    struct call *head, **tail;
    bool quit;
};

/* ---- words ----------------------------------------------------------------
 */

static halError_t page_add(struct cuda_dev *dev)
{
    struct cuda_page *page = calloc(1, sizeof *page);
    unsigned long long address = 0;
    void *host = NULL;
    halError_t st = halSuccess;

    if (!page)
        return hal_fail(halErrorHostMemory, "cuda: host_func: %zu bytes",
                        sizeof *page);
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.MemHostAlloc(&host, PAGE_BYTES,
                                      CUDA_HOST_ALLOC_PORTABLE |
                                          CUDA_HOST_ALLOC_DEVICEMAP));
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.MemHostGetDevicePointer(&address, host, 0));
    page->host = host;
    host = NULL;
    pthread_mutex_lock(&dev->lock);
    for (unsigned i = 0; i < PAGE_BYTES / FLAG_STRIDE; i++) {
        struct cuda_flag *f = &page->flags[i];

        f->host = (void *)(page->host + (size_t)i * FLAG_STRIDE);
        f->address = address + (uint64_t)i * FLAG_STRIDE;
        f->next = dev->flags;
        dev->flags = f;
    }
    page->next = dev->pages;
    dev->pages = page;
    pthread_mutex_unlock(&dev->lock);
    page = NULL;
out:
    if (host)
        (void)cuda_cu.MemFreeHost(host);
    free(page);
    return st;
}

static struct cuda_flag *flag_pop(struct cuda_dev *dev)
{
    struct cuda_flag *f;

    pthread_mutex_lock(&dev->lock);
    f = dev->flags;
    if (f)
        dev->flags = f->next;
    pthread_mutex_unlock(&dev->lock);
    return f;
}

static void flag_push(struct cuda_dev *dev, struct cuda_flag *f)
{
    pthread_mutex_lock(&dev->lock);
    f->next = dev->flags;
    dev->flags = f;
    pthread_mutex_unlock(&dev->lock);
}

void cuda_flags_close(struct cuda_dev *dev)
{
    struct cuda_page *page = dev->pages, *next;

    dev->pages = NULL;
    dev->flags = NULL;
    for (; page; page = next) {
        next = page->next;
        (void)cuda_cu.MemFreeHost(page->host);
        free(page);
    }
}

/* ---- the thread ------------------------------------------------------------
 */

static void run(struct cuda_worker *w, struct call *c)
{
    struct cuda_dev *dev = w->s->dev;
    bool pushed;

    cuda_enter_patiently(dev, &pushed);
    /* If it fails the context is dead, and somebody may wait for what the
     * function does all the same. */
    (void)cuda_cu.EventSynchronize(c->before);
    (void)cuda_cu.EventDestroy(c->before);
    cuda_leave(pushed);
    c->fn(c->arg);
    atomic_fetch_add_explicit(w->flag->host, 1, memory_order_release);
    free(c);
}

static void *work(void *arg)
{
    struct cuda_worker *w = arg;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct call *c = w->head;

        if (!c) {
            if (w->quit)
                break;
            pthread_cond_wait(&w->changed, &w->lock);
            continue;
        }
        w->head = c->next;
        if (!w->head)
            w->tail = &w->head;
        pthread_mutex_unlock(&w->lock);
        run(w, c);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static halError_t worker_start(struct cuda_stream *s)
{
    struct cuda_worker *w = calloc(1, sizeof *w);
    halError_t st = halSuccess;

    if (!w)
        return hal_fail(halErrorHostMemory, "cuda: host_func: %zu bytes",
                        sizeof *w);
    while (!(w->flag = flag_pop(s->dev))) {
        st = page_add(s->dev);
        if (st != halSuccess)
            goto out;
    }
    w->s = s;
    w->n_enqueued = atomic_load_explicit(w->flag->host, memory_order_relaxed);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    w->tail = &w->head;
    if (pthread_create(&w->thread, NULL, work, w) != 0) {
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->lock);
        flag_push(s->dev, w->flag);
        st = hal_fail(halErrorHostMemory,
                      "cuda: no thread for a stream's host functions");
        goto out;
    }
    s->worker = w;
    w = NULL;
out:
    free(w);
    return st;
}

void cuda_worker_stop(struct cuda_worker *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->quit = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    flag_push(w->s->dev, w->flag);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* ---- the call ---------------------------------------------------------------
 */

static void push(struct cuda_worker *w, struct call *c)
{
    pthread_mutex_lock(&w->lock);
    *w->tail = c;
    w->tail = &c->next;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static halError_t enqueue(struct cuda_stream *s, struct call *c)
{
    struct cuda_worker *w = s->worker;
    halError_t st = halSuccess;

    CUDA_OR_GOTO(
        out, st, s->dev,
        cuda_cu.EventCreate(&c->before, CUDA_EVENT_BLOCKING_SYNC |
                                            CUDA_EVENT_DISABLE_TIMING));
    CUDA_OR_GOTO(out, st, s->dev, cuda_cu.EventRecord(c->before, s->stream));
    CUDA_OR_GOTO(out, st, s->dev,
                 cuda_cu.StreamWaitValue32(s->stream, w->flag->address,
                                           w->n_enqueued + 1,
                                           CUDA_STREAM_WAIT_VALUE_GEQ));
    w->n_enqueued++;
out:
    if (st != halSuccess && c->before)
        (void)cuda_cu.EventDestroy(c->before);
    return st;
}

halError_t cuda_host_func(struct hal_dev *hal, void *stream,
                          void (*fn)(void *arg), void *arg)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = stream;
    struct call *c = calloc(1, sizeof *c);
    halError_t st = halSuccess;
    bool pushed = false;

    if (!c)
        return hal_fail(halErrorHostMemory, "cuda: host_func: %zu bytes",
                        sizeof *c);
    c->fn = fn;
    c->arg = arg;
    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    if (!s->worker)
        st = worker_start(s);
    if (st == halSuccess)
        st = enqueue(s, c);
    if (st == halSuccess) {
        push(s->worker, c);
        c = NULL;
    }
out:
    cuda_leave(pushed);
    free(c);
    return st;
}
