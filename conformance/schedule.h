/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.h - what the files of the scheduler share: schedule.c hands out
 * cases, events.c hears what workers say, ends.c turns every way in which a
 * worker can end into the verdict of exactly one case.
 *
 * Invariant: a case is in its target's queue, or with one worker, or done.
 */
#ifndef CONFORMANCE_SCHEDULE_H
#define CONFORMANCE_SCHEDULE_H

#include <poll.h>

#include "conformance/runner.h"

/* A line holds a message, its escapes (six bytes at most for one) and the
 * metrics. */
#define LINE_MAX_BYTES ((size_t)6 * CONF_MESSAGE_MAX + 16384)
/* The last words of a worker. */
#define TAIL_BYTES ((size_t)2048)
#define NONE       ((size_t)-1)

enum worker_state { FREE, STARTING, IDLE, RUNNING };

struct worker {
    enum worker_state state;
    struct conf_child child;
    struct conf_target *target;
    size_t index; /* of the case that it was given, or NONE */
    int begun;    /* it has said so */
    double since_ms, deadline_ms;
    size_t n_line, n_tail;
    char line[LINE_MAX_BYTES];
    char tail[TAIL_BYTES];
};

struct schedule {
    struct conf_run *run;
    struct worker *workers;
    int n_workers;
    struct pollfd *fds;
    struct conf_running *running;
    const char **argv; /* with room for a mutant's name and the end */
    size_t n_argv;
    char seed[32];
};

/* ---- ends.c ---------------------------------------------------------------
 */

/* The verdict of a case; copies message, which may be NULL. */
void conf_sched_result(struct schedule *s, struct conf_target *t, size_t index,
                       enum conf_verdict verdict, double ms,
                       const char *message);
void conf_sched_give_back(struct conf_target *t, size_t index);
/* What still waits is missing. */
void conf_sched_drop(struct schedule *s, struct conf_target *t,
                     const char *why);

/* Keeps the end of what the worker has printed. */
void conf_worker_output(struct worker *w);
/* Ends the process, gives the case it had to out_index (NONE: none) and leaves
 * the slot free.  Returns the process's status. */
int conf_worker_stop(struct worker *w, int now, size_t *out_index);
/* A worker of this device did not start; after some of these, or when it is
 * for good, the device's cases are missing. */
void conf_worker_unstarted(struct schedule *s, struct conf_target *t,
                           const char *why, int for_good);
/* It has gone without a word; it says what it must not; it is too late. */
void conf_worker_died(struct schedule *s, struct worker *w);
void conf_worker_lied(struct schedule *s, struct worker *w, const char *what);
void conf_worker_late(struct schedule *s, struct worker *w, double now);
/* A case that has its verdict was answered again: neither answer counts. */
void conf_worker_unsay(struct schedule *s, struct conf_target *t,
                       const char *name);

/* ---- events.c --------------------------------------------------------------
 */

/* Reads what there is and acts on it; 0 at the end of the stream. */
int conf_worker_events(struct schedule *s, struct worker *w);

/* ---- schedule.c ------------------------------------------------------------
 */

/* Gives the worker its next case, or ends it when there is none. */
void conf_sched_give(struct schedule *s, struct worker *w);

#endif
