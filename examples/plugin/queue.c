/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.c - streams and events.  Invariant: a stream's tasks run in order on
 * its thread, outside the lock, and `done` counts those that have ended.  A
 * record's mark is done in the moment that counts it: whoever has seen the
 * event must find the stream idle too.
 */
#include "example.h"

#include <stdlib.h>
#include <time.h>

pthread_mutex_t example_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* A time that an event marks.  Recording again makes another mark, so that
 * waits on the earlier one keep their meaning. */
struct mark {
    unsigned refs;
    bool done;
    double ms;
};

struct stream {
    pthread_t thread;
    struct task *head, **tail;
    uint64_t submitted, done;
    bool quit;
};

struct event {
    struct mark *mark; /* the latest record, or NULL */
};

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void mark_release_locked(struct mark *m)
{
    if (m && --m->refs == 0)
        free(m);
}

static void run_record(struct task *t)
{
    t->mark->ms = now_ms();
}

static void *stream_main(void *arg)
{
    struct stream *s = arg;

    pthread_mutex_lock(&example_lock);
    for (;;) {
        struct task *t = s->head;

        if (!t && s->quit)
            break;
        if (!t) {
            pthread_cond_wait(&changed, &example_lock);
            continue;
        }
        pthread_mutex_unlock(&example_lock);
        t->run(t);
        pthread_mutex_lock(&example_lock);
        s->head = t->next;
        if (!s->head)
            s->tail = &s->head;
        s->done++;
        if (t->run == run_record)
            t->mark->done = true;
        mark_release_locked(t->mark);
        pthread_cond_broadcast(&changed);
        free(t->own);
        free(t);
    }
    pthread_mutex_unlock(&example_lock);
    return NULL;
}

struct task *example_task_create(void (*run)(struct task *t))
{
    struct task *t = calloc(1, sizeof *t);

    if (t)
        t->run = run;
    else
        (void)hal_fail(halErrorHostMemory, EXAMPLE_NAME ": a task of %zu bytes",
                       sizeof *t);
    return t;
}

/* The number by which `done` says that the task has ended. */
static uint64_t submit_locked(struct stream *s, struct task *t)
{
    *s->tail = t;
    s->tail = &t->next;
    pthread_cond_broadcast(&changed);
    return ++s->submitted;
}

uint64_t example_submit(struct stream *s, struct task *t)
{
    uint64_t ticket;

    pthread_mutex_lock(&example_lock);
    ticket = submit_locked(s, t);
    pthread_mutex_unlock(&example_lock);
    return ticket;
}

void example_wait_for(struct stream *s, uint64_t ticket)
{
    pthread_mutex_lock(&example_lock);
    while (s->done < ticket)
        pthread_cond_wait(&changed, &example_lock);
    pthread_mutex_unlock(&example_lock);
}

static void run_host(struct task *t)
{
    t->fn(t->arg);
}

static void run_wait(struct task *t)
{
    pthread_mutex_lock(&example_lock);
    while (!t->mark->done)
        pthread_cond_wait(&changed, &example_lock);
    pthread_mutex_unlock(&example_lock);
}

/* ---- ops ----------------------------------------------------------------- */

halError_t example_stream_create(struct hal_dev *dev, int priority,
                                 void **out_stream)
{
    struct stream *s = calloc(1, sizeof *s);

    (void)dev;
    (void)priority; /* one level; prop.streamPrioritiesSupported is 0 */
    if (!s)
        return hal_fail(halErrorHostMemory, EXAMPLE_NAME ": a stream");
    s->tail = &s->head;
    if (pthread_create(&s->thread, NULL, stream_main, s)) {
        free(s);
        return hal_fail(halErrorHostMemory,
                        EXAMPLE_NAME ": no thread for a stream");
    }
    *out_stream = s;
    return halSuccess;
}

void example_stream_destroy(struct hal_dev *dev, void *stream)
{
    struct stream *s = stream;

    (void)dev;
    if (!s)
        return;
    pthread_mutex_lock(&example_lock);
    s->quit = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&example_lock);
    pthread_join(s->thread, NULL);
    free(s);
}

halError_t example_stream_query(struct hal_dev *dev, void *stream)
{
    struct stream *s = stream;
    bool idle;

    (void)dev;
    pthread_mutex_lock(&example_lock);
    idle = s->done == s->submitted;
    pthread_mutex_unlock(&example_lock);
    return idle ? halSuccess : halErrorNotReady;
}

halError_t example_stream_sync(struct hal_dev *dev, void *stream)
{
    struct stream *s = stream;
    uint64_t ticket;

    (void)dev;
    pthread_mutex_lock(&example_lock);
    ticket = s->submitted;
    pthread_mutex_unlock(&example_lock);
    example_wait_for(s, ticket);
    return halSuccess;
}

halError_t example_host_func(struct hal_dev *dev, void *stream,
                             void (*fn)(void *arg), void *arg)
{
    struct task *t = example_task_create(run_host);

    (void)dev;
    if (!t)
        return halErrorHostMemory;
    t->fn = fn;
    t->arg = arg;
    example_submit(stream, t);
    return halSuccess;
}

halError_t example_event_create(struct hal_dev *dev, int timing,
                                void **out_event)
{
    struct event *e = calloc(1, sizeof *e);

    (void)dev;
    (void)timing; /* a time costs nothing here */
    if (!e)
        return hal_fail(halErrorHostMemory, EXAMPLE_NAME ": an event");
    *out_event = e;
    return halSuccess;
}

void example_event_destroy(struct hal_dev *dev, void *event)
{
    struct event *e = event;

    (void)dev;
    if (!e)
        return;
    pthread_mutex_lock(&example_lock);
    mark_release_locked(e->mark);
    pthread_mutex_unlock(&example_lock);
    free(e);
}

halError_t example_event_record(struct hal_dev *dev, void *stream, void *event)
{
    struct task *t = example_task_create(run_record);
    struct event *e = event;
    struct mark *m;

    (void)dev;
    if (!t)
        return halErrorHostMemory;
    m = calloc(1, sizeof *m);
    if (!m) {
        free(t);
        return hal_fail(halErrorHostMemory, EXAMPLE_NAME ": an event's record");
    }
    m->refs = 2; /* the event's and the task's */
    t->mark = m;
    pthread_mutex_lock(&example_lock);
    mark_release_locked(e->mark);
    e->mark = m;
    submit_locked(stream, t);
    pthread_mutex_unlock(&example_lock);
    return halSuccess;
}

halError_t example_event_query(struct hal_dev *dev, void *event)
{
    const struct event *e = event;
    bool done;

    (void)dev;
    pthread_mutex_lock(&example_lock);
    done = !e->mark || e->mark->done;
    pthread_mutex_unlock(&example_lock);
    return done ? halSuccess : halErrorNotReady;
}

halError_t example_event_sync(struct hal_dev *dev, void *event)
{
    struct mark *m;

    (void)dev;
    pthread_mutex_lock(&example_lock);
    m = ((struct event *)event)->mark;
    if (m) {
        m->refs++;
        while (!m->done)
            pthread_cond_wait(&changed, &example_lock);
        mark_release_locked(m);
    }
    pthread_mutex_unlock(&example_lock);
    return halSuccess;
}

halError_t example_event_elapsed(struct hal_dev *dev, void *start, void *end,
                                 float *out_ms)
{
    const struct mark *a, *b;
    halError_t st = halSuccess;

    (void)dev;
    pthread_mutex_lock(&example_lock);
    a = ((struct event *)start)->mark;
    b = ((struct event *)end)->mark;
    if (a && b && a->done && b->done)
        *out_ms = (float)(b->ms - a->ms);
    else
        st = hal_fail(halErrorNotReady,
                      EXAMPLE_NAME ": an event has not happened");
    pthread_mutex_unlock(&example_lock);
    return st;
}

halError_t example_stream_wait(struct hal_dev *dev, void *stream, void *event)
{
    struct task *t = example_task_create(run_wait);
    struct event *e = event;

    (void)dev;
    if (!t)
        return halErrorHostMemory;
    pthread_mutex_lock(&example_lock);
    if (e->mark) {
        e->mark->refs++;
        t->mark = e->mark;
        submit_locked(stream, t);
        t = NULL;
    }
    pthread_mutex_unlock(&example_lock);
    free(t); /* never recorded: nothing to wait for */
    return halSuccess;
}
