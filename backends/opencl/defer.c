/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defer.c - operations whose time has not come, and the thread of a stream that
 * submits them.  Invariant: while n_deferred > 0 only this thread submits to
 * the stream's queue.
 *
 * Why not the driver's user events: PoCL's basic device deadlocks when one is
 * set, Oclgrind spins in clFlush until it is.
 */
#include "backends/opencl/opencl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The record's state and the stream's books change in one step, under the
 * stream's lock: who has seen the one must not find the other outdated. */
static void settle_locked(struct opencl_stream *s, struct opencl_node *n,
                          halError_t st)
{
    if (n->op.kind == OPENCL_OP_RECORD && st == halSuccess)
        opencl_record_publish(n->op.u.record);
    if (n->op.kind == OPENCL_OP_RECORD && st != halSuccess)
        opencl_record_fail(n->op.u.record, st);
    if (st != halSuccess && !s->error) {
        s->error = (int)st;
        snprintf(s->error_text, sizeof s->error_text, "%s",
                 halGetErrorDetail());
    }
    s->n_done++;
    atomic_fetch_sub_explicit(&s->n_deferred, 1, memory_order_release);
    pthread_cond_broadcast(&s->changed);
}

static void node_destroy(struct opencl_node *n)
{
    if (n->op.kind == OPENCL_OP_RECORD || n->op.kind == OPENCL_OP_WAIT)
        opencl_record_release(n->op.u.record);
    free(n);
}

static halError_t run_node(struct opencl_stream *s, struct opencl_node *n)
{
    if (n->op.kind == OPENCL_OP_WAIT)
        opencl_record_settle(n->op.u.record);
    return opencl_op_run(s, &n->op);
}

static void *defer_thread(void *arg)
{
    struct opencl_stream *s = arg;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct opencl_node *n = s->head;
        halError_t st;

        if (!n && s->quit)
            break;
        if (!n) {
            pthread_cond_wait(&s->changed, &s->lock);
            continue;
        }
        s->head = n->next;
        if (!s->head)
            s->tail = &s->head;
        pthread_mutex_unlock(&s->lock);

        st = run_node(s, n);

        pthread_mutex_lock(&s->lock);
        settle_locked(s, n, st);
        pthread_mutex_unlock(&s->lock);
        node_destroy(n);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* With all signals blocked: they are for the program's own threads. */
static halError_t start_locked(struct opencl_stream *s)
{
    sigset_t all, old;
    int code;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    code = pthread_create(&s->thread, NULL, defer_thread, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (code)
        return hal_fail(halErrorHostMemory, "opencl: a stream's thread: %s",
                        strerror(code));
    s->has_thread = true;
    return halSuccess;
}

halError_t opencl_defer_push(struct opencl_stream *s,
                             const struct opencl_op *op)
{
    size_t n_args =
        op->kind == OPENCL_OP_LAUNCH ? op->u.launch.launch.n_args : 0;
    struct opencl_node *n = malloc(sizeof *n + n_args * sizeof(union hal_arg));
    halError_t st = halSuccess;

    if (!n)
        return hal_fail(halErrorHostMemory, "opencl: a deferred operation");
    n->next = NULL;
    n->op = *op;
    if (n_args) {
        memcpy(n->args, op->u.launch.launch.args,
               n_args * sizeof(union hal_arg));
        n->op.u.launch.launch.args = n->args;
    }
    pthread_mutex_lock(&s->lock);
    if (!s->has_thread)
        st = start_locked(s);
    if (st == halSuccess) {
        *s->tail = n;
        s->tail = &n->next;
        s->n_pushed++;
        atomic_fetch_add_explicit(&s->n_deferred, 1, memory_order_relaxed);
        pthread_cond_broadcast(&s->changed);
        n = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    free(n);
    return st;
}

void opencl_defer_drain(struct opencl_stream *s)
{
    uint64_t ticket;

    pthread_mutex_lock(&s->lock);
    ticket = s->n_pushed;
    while (s->n_done < ticket)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void opencl_defer_stop(struct opencl_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->quit = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->has_thread)
        pthread_join(s->thread, NULL);
    s->has_thread = false;
}

halError_t opencl_defer_take_error(struct opencl_stream *s)
{
    char text[sizeof s->error_text];
    halError_t st;

    if (!atomic_load_explicit(&s->error, memory_order_acquire))
        return halSuccess;
    pthread_mutex_lock(&s->lock);
    st = (halError_t)s->error;
    s->error = halSuccess;
    memcpy(text, s->error_text, sizeof text);
    pthread_mutex_unlock(&s->lock);
    return st == halSuccess ? halSuccess : hal_fail(st, "%s", text);
}
