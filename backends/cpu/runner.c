/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.c - the threads that run streams when nobody waits for them.
 *
 * Launch followed by sync is the common case, and there the caller runs the
 * work itself; waking a thread at each launch would only cost.  So a runner
 * that has nothing to do naps for short times first: while one naps, a push
 * needs no wake-up and work starts at its next look.  After a quiet while it
 * sleeps, and the next push wakes it.
 *
 * A runner inside a host function may block for ever; it is left out of the
 * count, so that another one takes its place.
 */
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "backends/cpu/cpu.h"

#define NAP_NS           50000u /* how late unattended work may start */
#define NAPS_UNTIL_SLEEP 40u    /* about 2 ms: an idle device costs nothing */
#define NAP_SLACK_NS     1000u  /* the default slack doubles the nap */
#define KEEP_IDLE        2u     /* more sleepers than this end */

struct cpu_runner {
    struct cpu_runner *next;
    struct cpu_device *dev;
    pthread_t thread;
};

static bool ready_any_locked(const struct cpu_device *dev)
{
    for (unsigned i = 0; i < CPU_PRIORITY_LEVELS; i++)
        if (dev->ready_head[i])
            return true;
    return false;
}

static struct cpu_stream *ready_pop_locked(struct cpu_device *dev)
{
    for (unsigned i = 0; i < CPU_PRIORITY_LEVELS; i++) {
        struct cpu_stream *s = dev->ready_head[i];

        if (!s)
            continue;
        dev->ready_head[i] = s->next_ready;
        if (!s->next_ready)
            dev->ready_tail[i] = NULL;
        s->next_ready = NULL;
        return s;
    }
    return NULL;
}

static void reap_locked(struct cpu_device *dev)
{
    struct cpu_runner *r;

    while ((r = dev->dead)) {
        dev->dead = r->next;
        pthread_join(r->thread, NULL); /* past its last use of the lock */
        free(r);
    }
}

static void *runner_main(void *arg);

/* Failure to start one delays work until another runner is free. */
static void spawn_locked(struct cpu_device *dev)
{
    struct cpu_runner *r = malloc(sizeof *r);

    reap_locked(dev);
    if (!r)
        return;
    r->dev = dev;
    r->next = dev->live;
    if (pthread_create(&r->thread, NULL, runner_main, r) != 0) {
        free(r);
        return;
    }
    dev->live = r;
    dev->n_runners++;
}

/* Sees to it that ready streams have someone who will look at them. */
static void cover_locked(struct cpu_device *dev)
{
    if (!ready_any_locked(dev) || dev->n_napping)
        return;
    if (dev->n_sleeping)
        pthread_cond_signal(&dev->wake);
    else if (dev->n_runners - dev->n_blocked < dev->max_active)
        spawn_locked(dev);
}

static void nap_locked(struct cpu_device *dev)
{
    uint64_t until = cpu_now_ns() + NAP_NS;
    struct timespec t = { .tv_sec = (time_t)(until / 1000000000u),
                          .tv_nsec = (long)(until % 1000000000u) };

    dev->n_napping++;
    (void)pthread_cond_timedwait(&dev->wake, &dev->lock, &t);
    dev->n_napping--;
}

static void unlink_locked(struct cpu_device *dev, struct cpu_runner *r)
{
    struct cpu_runner **link = &dev->live;

    while (*link != r)
        link = &(*link)->next;
    *link = r->next;
    r->next = dev->dead;
    dev->dead = r;
    dev->n_runners--;
}

static void *runner_main(void *arg)
{
    struct cpu_runner *r = arg;
    struct cpu_device *dev = r->dev;
    unsigned n_naps = 0;

    cpu_topology_bind(dev->topology, 0, 0);
    (void)prctl(PR_SET_TIMERSLACK, (unsigned long)NAP_SLACK_NS, 0, 0, 0);
    pthread_mutex_lock(&dev->lock);
    while (!dev->stop) {
        struct cpu_stream *s = ready_pop_locked(dev);

        if (s) {
            bool ran;

            cover_locked(dev); /* the rest of the list, while this one runs */
            pthread_mutex_unlock(&dev->lock);
            ran = cpu_stream_serve(s);
            cpu_stream_release(s);
            pthread_mutex_lock(&dev->lock);
            if (ran)
                n_naps = 0;
        } else if (n_naps < NAPS_UNTIL_SLEEP) {
            n_naps++;
            nap_locked(dev);
        } else if (dev->n_sleeping >= KEEP_IDLE) {
            break;
        } else {
            dev->n_sleeping++;
            pthread_cond_wait(&dev->wake, &dev->lock);
            dev->n_sleeping--;
            n_naps = 0;
        }
    }
    unlink_locked(dev, r);
    if (dev->stop)
        pthread_cond_broadcast(&dev->wake); /* cpu_runner_stop counts us */
    pthread_mutex_unlock(&dev->lock);
    return NULL;
}

void cpu_runner_push(struct cpu_device *dev, struct cpu_stream *s)
{
    pthread_mutex_lock(&dev->lock);
    if (dev->ready_tail[s->level])
        dev->ready_tail[s->level]->next_ready = s;
    else
        dev->ready_head[s->level] = s;
    dev->ready_tail[s->level] = s;
    cover_locked(dev);
    pthread_mutex_unlock(&dev->lock);
}

void cpu_runner_kick(struct cpu_device *dev)
{
    pthread_mutex_lock(&dev->lock);
    if (ready_any_locked(dev)) {
        if (dev->n_napping)
            pthread_cond_signal(&dev->wake);
        else
            cover_locked(dev);
    }
    pthread_mutex_unlock(&dev->lock);
}

void cpu_runner_block_begin(struct cpu_device *dev)
{
    pthread_mutex_lock(&dev->lock);
    dev->n_blocked++;
    cover_locked(dev);
    pthread_mutex_unlock(&dev->lock);
}

void cpu_runner_block_end(struct cpu_device *dev)
{
    pthread_mutex_lock(&dev->lock);
    dev->n_blocked--;
    pthread_mutex_unlock(&dev->lock);
}

void cpu_runner_stop(struct cpu_device *dev)
{
    struct cpu_stream *s;

    pthread_mutex_lock(&dev->lock);
    dev->stop = true;
    pthread_cond_broadcast(&dev->wake);
    while (dev->live)
        pthread_cond_wait(&dev->wake, &dev->lock);
    reap_locked(dev);
    while ((s = ready_pop_locked(dev)))
        cpu_stream_release(s); /* left there by streams that are finished */
    pthread_mutex_unlock(&dev->lock);
}
