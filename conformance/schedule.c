/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.c - carries the plan out: starts workers, hands them cases one at a
 * time, and watches their deadlines.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/mutant.h"
#include "conformance/schedule.h"

#define CASE_LIMIT_S 60u
/* Opening the devices of a machine and compiling what they need. */
#define START_LIMIT_MS 120000.0
/* A second worker for a device pays when this many cases wait for each. */
#define CASES_PER_WORKER 12
#define TICK_MS          100

/* ---- giving work -----------------------------------------------------------
 */

static double limit_ms(const struct schedule *s, const struct conf_target *t,
                       double limit)
{
    return limit * s->run->set->timeout_scale *
           (t->patience > 0 ? t->patience : 1);
}

void conf_sched_give(struct schedule *s, struct worker *w)
{
    struct conf_target *t = w->target;
    const struct conf_case *cc;
    char line[CONF_NAME_MAX + 2];
    unsigned limit_s;
    size_t index;
    int n;

    if (t->n_queue == 0 || conf_signal_caught()) {
        conf_worker_stop(w, 0, &index);
        return;
    }
    w->index = t->queue[--t->n_queue];
    cc = s->run->cases[w->index];
    limit_s = cc->limit_s ? cc->limit_s : CASE_LIMIT_S;
    w->state = RUNNING;
    w->begun = 0;
    w->n_tail = 0;
    w->since_ms = conf_now_ms();
    w->deadline_ms = w->since_ms + limit_ms(s, t, limit_s * 1e3);
    n = snprintf(line, sizeof line, "%s\n", cc->name);
    /* A pipe takes a name at once; a worker that is gone shows as the end of
     * its events. */
    (void)!conf_write_all(w->child.commands, line, (size_t)n);
}

static int start_worker(struct schedule *s, struct worker *w,
                        struct conf_target *t)
{
    const struct conf_mutant *mutant =
        t->mutant ? t->mutant : s->run->set->mutant;
    char text[256];
    int st;

    s->argv[s->n_argv] = mutant ? "--mutant" : NULL;
    s->argv[s->n_argv + 1] = mutant ? mutant->name : NULL;
    st = conf_spawn(&w->child, s->argv, t->devices);
    if (st) {
        snprintf(text, sizeof text, "cannot start a process: %s", strerror(st));
        conf_worker_unstarted(s, t, text, 1);
        return -1;
    }
    w->state = STARTING;
    w->target = t;
    w->index = NONE;
    w->begun = 0;
    w->n_line = w->n_tail = 0;
    w->since_ms = conf_now_ms();
    w->deadline_ms = w->since_ms + limit_ms(s, t, START_LIMIT_MS);
    t->n_workers++;
    return 0;
}

/* The device that a free slot serves best: first those that nobody serves,
 * then the one with the most cases for each of its workers. */
static struct conf_target *needs_worker(struct schedule *s)
{
    struct conf_target *best = NULL;
    size_t best_share = 0;

    for (int i = 0; i < s->run->n_targets; i++) {
        struct conf_target *t = &s->run->targets[i];
        size_t share;

        if (t->n_queue == 0)
            continue;
        if (t->n_workers == 0)
            return t;
        share = t->n_queue / (size_t)t->n_workers;
        if (share >= CASES_PER_WORKER && share > best_share) {
            best = t;
            best_share = share;
        }
    }
    return best;
}

static void start_workers(struct schedule *s)
{
    for (int i = 0; i < s->n_workers; i++) {
        struct conf_target *t;

        if (s->workers[i].state != FREE)
            continue;
        t = needs_worker(s);
        if (!t)
            return;
        start_worker(s, &s->workers[i], t);
    }
}

/* ---- the loop -------------------------------------------------------- */

static void stop_all(struct schedule *s)
{
    for (int i = 0; i < s->n_workers; i++) {
        struct worker *w = &s->workers[i];
        struct conf_target *t = w->target;
        size_t index;

        if (w->state == FREE)
            continue;
        conf_worker_stop(w, 1, &index);
        if (index != NONE)
            conf_sched_give_back(t, index);
    }
    for (int i = 0; i < s->run->n_targets; i++)
        conf_sched_drop(s, &s->run->targets[i],
                        "the run was interrupted before the case ended");
}

static void wait_events(struct schedule *s, const sigset_t *unblocked)
{
    struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
    double now = conf_now_ms();

    for (int i = 0; i < s->n_workers; i++) {
        struct worker *w = &s->workers[i];
        int live = w->state != FREE;

        s->fds[2 * i] = (struct pollfd){ .fd = live ? w->child.events : -1,
                                         .events = POLLIN };
        s->fds[2 * i + 1] = (struct pollfd){ .fd = live ? w->child.output : -1,
                                             .events = POLLIN };
        if (live && w->deadline_ms - now < TICK_MS)
            tick.tv_nsec = 5000000;
    }
    if (ppoll(s->fds, 2 * (nfds_t)s->n_workers, &tick, unblocked) < 0)
        return;
    for (int i = 0; i < s->n_workers; i++) {
        struct worker *w = &s->workers[i];

        if (s->fds[2 * i + 1].revents && w->state != FREE)
            conf_worker_output(w);
        if (s->fds[2 * i].revents && w->state != FREE &&
            !conf_worker_events(s, w))
            conf_worker_died(s, w);
    }
}

static void show(struct schedule *s)
{
    double now = conf_now_ms();
    int n = 0;

    for (int i = 0; i < s->n_workers; i++) {
        struct worker *w = &s->workers[i];

        if (w->state == FREE)
            continue;
        s->running[n++] = (struct conf_running){
            .device = w->target->device.name,
            .name = w->index == NONE ? NULL : s->run->cases[w->index]->name,
            .ms = now - w->since_ms,
        };
    }
    conf_progress_tick(s->run, s->running, n);
}

static void loop(struct schedule *s, const sigset_t *unblocked)
{
    while (s->run->n_done < s->run->n_planned) {
        double now;

        start_workers(s);
        wait_events(s, unblocked);
        if (conf_signal_caught()) {
            s->run->interrupted = conf_signal_caught();
            /* A worker may be long in dying: the second one must come. */
            sigprocmask(SIG_SETMASK, unblocked, NULL);
            stop_all(s);
            return;
        }
        now = conf_now_ms();
        if (s->run->set->budget_ms > 0 &&
            now - s->run->start_ms > s->run->set->budget_ms)
            for (int i = 0; i < s->run->n_targets; i++)
                conf_plan_leave_out(s->run, &s->run->targets[i]);
        for (int i = 0; i < s->n_workers; i++)
            if (s->workers[i].state != FREE && now >= s->workers[i].deadline_ms)
                conf_worker_late(s, &s->workers[i], now);
        show(s);
    }
    for (int i = 0; i < s->n_workers; i++) {
        size_t index;

        if (s->workers[i].state != FREE)
            conf_worker_stop(&s->workers[i], 0, &index);
    }
}

static int prepare(struct schedule *s, struct conf_run *run)
{
    const struct conf_settings *set = run->set;
    size_t n = (size_t)set->jobs, a = 0;

    s->run = run;
    s->n_workers = set->jobs;
    s->workers = calloc(n, sizeof *s->workers);
    s->fds = calloc(2 * n, sizeof *s->fds);
    s->running = calloc(n, sizeof *s->running);
    s->argv = calloc(10 + 2 * (size_t)set->golden.n, sizeof *s->argv);
    if (!s->workers || !s->fds || !s->running || !s->argv)
        return -1;
    snprintf(s->seed, sizeof s->seed, "%llu", (unsigned long long)set->seed);
    s->argv[a++] = "conform";
    s->argv[a++] = "--worker";
    s->argv[a++] = "--seed";
    s->argv[a++] = s->seed;
    for (int i = 0; i < set->golden.n; i++) {
        s->argv[a++] = "--golden";
        s->argv[a++] = set->golden.at[i];
    }
    s->n_argv = a;
    for (int i = 0; i < run->n_targets; i++) {
        struct conf_target *t = &run->targets[i];

        t->counts.planned = (unsigned)run->n_cases;
        if (conf_plan_queue(run, t))
            return -1;
    }
    return 0;
}

int conf_schedule(struct conf_run *run)
{
    struct schedule s = { 0 };
    sigset_t before;
    int st = prepare(&s, run);

    if (st)
        goto out;
    conf_signals_block(&before);
    loop(&s, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
out:
    free(s.workers);
    free(s.fds);
    free(s.running);
    free(s.argv);
    return st;
}
