/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - streams: lists of commands that run in order, one at a time.
 *
 * Whoever sets `busy` under the lock runs the head, outside the lock, and then
 * counts it in `done`.  The invariant that guarantees progress: a stream with
 * commands is busy, parked on an event, in the device's ready list, or about to
 * be waited for by the thread that submitted the last one.
 */
#include <limits.h>
#include <sched.h>
#include <stdlib.h>

#include "backends/cpu/cpu.h"

/* Blank commands kept for reuse; a deeper queue goes back to malloc. */
#define SPARE_MAX 64u
/* A runner serves others after this long on one stream. */
#define SERVE_NS 2000000u

enum step {
    STEP_RAN,
    STEP_EMPTY,
    STEP_BUSY,
    STEP_PARKED,
    STEP_HOST, /* the head is a host function and this is no runner */
};

/* ---- commands ------------------------------------------------------------ */

struct cpu_command *cpu_command_take(struct cpu_stream *s)
{
    struct cpu_command *command;

    pthread_mutex_lock(&s->lock);
    command = s->spare;
    if (command) {
        s->spare = command->next;
        s->n_spare--;
    }
    pthread_mutex_unlock(&s->lock);
    if (!command)
        command = malloc(sizeof *command);
    if (!command)
        (void)hal_fail(halErrorHostMemory, "cpu: a command of %zu bytes",
                       sizeof *command);
    return command;
}

static void command_give_locked(struct cpu_stream *s,
                                struct cpu_command *command)
{
    if (s->n_spare >= SPARE_MAX) {
        free(command);
        return;
    }
    command->next = s->spare;
    s->spare = command;
    s->n_spare++;
}

static halError_t command_run(struct cpu_stream *s, struct cpu_command *command)
{
    halError_t st = halSuccess;

    switch (command->kind) {
    case CPU_COMMAND_LAUNCH:
        st = cpu_launch_run(s->dev, &command->u.launch);
        break;
    case CPU_COMMAND_COPY:
        cpu_copy_run(s->dev, &command->u.copy);
        break;
    case CPU_COMMAND_COPY_2D:
        cpu_copy_2d_run(s->dev, &command->u.copy);
        break;
    case CPU_COMMAND_FILL:
        cpu_fill_run(s->dev, &command->u.fill);
        break;
    case CPU_COMMAND_HOST:
        cpu_runner_block_begin(s->dev);
        command->u.host.fn(command->u.host.arg);
        cpu_runner_block_end(s->dev);
        break;
    case CPU_COMMAND_RECORD:
        atomic_store(&s->recording, true);
        cpu_record_complete(command->u.record);
        cpu_record_release(command->u.record);
        break;
    case CPU_COMMAND_WAIT:
        cpu_record_release(command->u.record);
        break;
    }
    return st;
}

/* ---- running ------------------------------------------------------------- */

/* Counts one command as done and wakes those who wait for it. */
static void stream_advance(struct cpu_stream *s)
{
    uint64_t done = atomic_load_explicit(&s->done, memory_order_relaxed) + 1;

    atomic_store_explicit(&s->done, done, memory_order_release);
    atomic_store(&s->done_word, (uint32_t)done);
    if (atomic_load(&s->n_waiters))
        cpu_futex_wake(&s->done_word, INT_MAX);
}

/* Runs the head if this thread may.  The lock is dropped meanwhile. */
static enum step stream_step_locked(struct cpu_stream *s, bool is_runner)
{
    struct cpu_command *command = s->head;
    halError_t st;

    if (s->busy)
        return STEP_BUSY;
    if (!command)
        return STEP_EMPTY;
    if (s->parked)
        return STEP_PARKED;
    if (command->kind == CPU_COMMAND_HOST && !is_runner)
        return STEP_HOST;
    if (command->kind == CPU_COMMAND_WAIT &&
        !cpu_record_pass(command->u.record, s))
        return STEP_PARKED;

    s->busy = true;
    s->head = command->next;
    if (!s->head)
        s->tail = NULL;
    pthread_mutex_unlock(&s->lock);

    st = command_run(s, command);

    pthread_mutex_lock(&s->lock);
    s->busy = false;
    if (st != halSuccess && s->error == halSuccess)
        s->error = st;
    command_give_locked(s, command);
    stream_advance(s);
    atomic_store(&s->recording, false);
    return STEP_RAN;
}

/* Restores the invariant for a stream that this thread leaves. */
static void stream_offer_locked(struct cpu_stream *s)
{
    if (!s->head || s->busy || s->queued || s->parked)
        return;
    s->queued = true;
    cpu_stream_retain(s);
    cpu_runner_push(s->dev, s);
}

static void stream_append_locked(struct cpu_stream *s,
                                 struct cpu_command *command)
{
    command->next = NULL;
    if (s->tail)
        s->tail->next = command;
    else
        s->head = command;
    s->tail = command;
    atomic_fetch_add_explicit(&s->submitted, 1, memory_order_release);
}

void cpu_stream_submit(struct cpu_stream *s, struct cpu_command *command)
{
    pthread_mutex_lock(&s->lock);
    stream_append_locked(s, command);
    stream_offer_locked(s);
    pthread_mutex_unlock(&s->lock);
}

void cpu_stream_submit_waited(struct cpu_stream *s, struct cpu_command *command)
{
    pthread_mutex_lock(&s->lock);
    stream_append_locked(s, command);
    pthread_mutex_unlock(&s->lock);
}

void cpu_stream_unpark(struct cpu_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->parked = false;
    stream_offer_locked(s);
    pthread_mutex_unlock(&s->lock);
    cpu_runner_kick(s->dev);
    cpu_stream_release(s);
}

bool cpu_stream_serve(struct cpu_stream *s)
{
    uint64_t until = cpu_now_ns() + SERVE_NS;
    bool ran = false;

    pthread_mutex_lock(&s->lock);
    s->queued = false;
    while (stream_step_locked(s, true) == STEP_RAN) {
        ran = true;
        if (cpu_now_ns() > until)
            break;
    }
    stream_offer_locked(s);
    pthread_mutex_unlock(&s->lock);
    return ran;
}

/* Waits for `done` to leave `seen`: spins, then sleeps. */
static void stream_await(struct cpu_stream *s, uint32_t seen)
{
    cpu_spin_while(&s->done_word, seen);
    if (atomic_load_explicit(&s->done_word, memory_order_acquire) != seen)
        return;
    atomic_fetch_add(&s->n_waiters, 1);
    while (atomic_load(&s->done_word) == seen)
        cpu_futex_wait(&s->done_word, seen);
    atomic_fetch_sub(&s->n_waiters, 1);
}

void cpu_stream_finish(struct cpu_stream *s, uint64_t target)
{
    if (atomic_load_explicit(&s->done, memory_order_acquire) >= target)
        return;
    pthread_mutex_lock(&s->lock);
    while (atomic_load_explicit(&s->done, memory_order_relaxed) < target) {
        enum step step = stream_step_locked(s, false);
        uint32_t seen;

        if (step == STEP_RAN)
            continue;
        seen = atomic_load(&s->done_word);
        stream_offer_locked(s);
        pthread_mutex_unlock(&s->lock);
        if (step != STEP_BUSY)
            cpu_runner_kick(s->dev);
        stream_await(s, seen);
        pthread_mutex_lock(&s->lock);
    }
    stream_offer_locked(s);
    pthread_mutex_unlock(&s->lock);
}

bool cpu_stream_idle(struct cpu_stream *s)
{
    uint64_t submitted =
        atomic_load_explicit(&s->submitted, memory_order_acquire);

    return atomic_load_explicit(&s->done, memory_order_acquire) >= submitted;
}

/* ---- ops ----------------------------------------------------------------- */

halError_t cpu_stream_create(struct hal_dev *dev, int priority,
                             void **out_stream)
{
    struct cpu_stream *s = calloc(1, sizeof *s);

    if (!s)
        return hal_fail(halErrorHostMemory, "cpu: a stream of %zu bytes",
                        sizeof *s);
    s->dev = cpu_device_of(dev);
    s->level = priority <= CPU_PRIORITY_GREATEST ? 0 : 1;
    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    *out_stream = s;
    return halSuccess;
}

void cpu_stream_retain(struct cpu_stream *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void cpu_stream_release(struct cpu_stream *s)
{
    struct cpu_command *next;

    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (struct cpu_command *c = s->spare; c; c = next) {
        next = c->next;
        free(c);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void cpu_stream_destroy(struct hal_dev *dev, void *stream)
{
    struct cpu_stream *s = stream;

    (void)dev;
    if (!s)
        return;
    cpu_stream_finish(s, atomic_load(&s->submitted));
    cpu_stream_release(s);
}

halError_t cpu_stream_error(struct cpu_stream *s)
{
    halError_t st;

    pthread_mutex_lock(&s->lock);
    st = s->error;
    s->error = halSuccess;
    pthread_mutex_unlock(&s->lock);
    if (st == halSuccess)
        return st;
    return hal_fail(st, "cpu: earlier work on the stream failed: %s",
                    st == halErrorHostMemory
                        ? "no memory for a kernel's scratch"
                        : halGetErrorString(st));
}

halError_t cpu_stream_query(struct hal_dev *dev, void *stream)
{
    struct cpu_stream *s = stream;

    /* An event completes a moment before its stream counts it.  Whoever has
     * seen the event must find the stream idle too. */
    while (!cpu_stream_idle(s) && atomic_load(&s->recording))
        sched_yield();
    if (cpu_stream_idle(s))
        return cpu_stream_error(s);
    cpu_runner_kick(cpu_device_of(dev));
    return halErrorNotReady;
}

halError_t cpu_stream_sync(struct hal_dev *dev, void *stream)
{
    struct cpu_stream *s = stream;

    (void)dev;
    cpu_stream_finish(s, atomic_load(&s->submitted));
    return cpu_stream_error(s);
}

halError_t cpu_host_func(struct hal_dev *dev, void *stream,
                         void (*fn)(void *arg), void *arg)
{
    struct cpu_command *command = cpu_command_take(stream);

    (void)dev;
    if (!command)
        return halErrorHostMemory;
    command->kind = CPU_COMMAND_HOST;
    command->u.host = (struct cpu_host){ fn, arg };
    cpu_stream_submit(stream, command);
    return halSuccess;
}
