/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_queue.c - streams of the fake backends: a thread each, with a queue.
 */
#include "tests/support/fake_internal.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void fake_point_release_locked(struct point *p)
{
    if (p && --p->refs == 0)
        free(p);
}

static void op_free_locked(struct op *op)
{
    fake_point_release_locked(op->point);
    free(op->owned);
    free(op);
}

void fake_run_host(struct op *op)
{
    op->fn(op->arg);
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

void fake_run_wait(struct op *op)
{
    pthread_mutex_lock(&fake_state.lock);
    while (!op->point->is_done)
        pthread_cond_wait(&fake_state.changed, &fake_state.lock);
    pthread_mutex_unlock(&fake_state.lock);
}

void fake_run_record(struct op *op)
{
    (void)op; /* the loop below marks it */
}

void *fake_stream_loop(void *arg)
{
    struct fake_stream *s = arg;

    pthread_mutex_lock(&fake_state.lock);
    for (;;) {
        struct op *op = s->head;
        unsigned us = fake_state.delay_us;
        int is_lost = s->dev->is_lost;

        if (!op && s->is_closing)
            break;
        if (!op || (fake_state.is_held && !s->is_closing)) {
            pthread_cond_wait(&fake_state.changed, &fake_state.lock);
            continue;
        }
        s->is_busy = 1;
        if (fake_state.async_at && --fake_state.async_at == 0)
            op->error = fake_state.async_error;
        pthread_mutex_unlock(&fake_state.lock);
        if (us)
            usleep(us);
        /* A device that is lost computes nothing any more; the core's own
         * host functions run all the same. */
        if (op->run == fake_run_host || op->run == fake_run_wait ||
            (op->error == halSuccess && !is_lost))
            op->run(op);
        pthread_mutex_lock(&fake_state.lock);
        if (op->error != halSuccess && s->error == halSuccess)
            s->error = op->error;
        if (op->error == halErrorDeviceLost)
            s->dev->is_lost = 1;
        if (op->run == fake_run_record) {
            op->point->time = now_ms();
            op->point->is_done = 1;
        }
        s->head = op->next;
        if (!s->head)
            s->tail = &s->head;
        op_free_locked(op);
        s->is_busy = 0;
        pthread_cond_broadcast(&fake_state.changed);
    }
    pthread_mutex_unlock(&fake_state.lock);
    return NULL;
}

struct op *fake_op_new(void (*run)(struct op *))
{
    struct op *op = fake_alloc(0, sizeof *op);

    if (op)
        op->run = run;
    return op;
}

void fake_push_locked(struct fake_stream *s, struct op *op)
{
    *s->tail = op;
    s->tail = &op->next;
    pthread_cond_broadcast(&fake_state.changed);
}

void fake_push(struct fake_stream *s, struct op *op)
{
    pthread_mutex_lock(&fake_state.lock);
    fake_push_locked(s, op);
    pthread_mutex_unlock(&fake_state.lock);
}

halError_t fake_drain_locked(struct fake_stream *s)
{
    halError_t st;

    while (s->head || s->is_busy)
        pthread_cond_wait(&fake_state.changed, &fake_state.lock);
    st = s->error;
    s->error = halSuccess;
    return st;
}

halError_t fake_late(halError_t st)
{
    return st == halSuccess ? st
                            : hal_fail(st, "fake: work on a stream failed");
}
