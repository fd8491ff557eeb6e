/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ends.c - how cases and workers end.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/schedule.h"

#define START_FAILURES_MAX 3
#define LOST_MAX           2

/* ---- results ------------------------------------------------------------- */

void conf_sched_result(struct schedule *s, struct conf_target *t, size_t index,
                       enum conf_verdict verdict, double ms,
                       const char *message)
{
    struct conf_result *r = &t->results[index];
    char *text = message && message[0] ? strdup(message) : NULL;

    if (r->done) {
        s->run->internal_errors++;
        free(text);
        return;
    }
    if (conf_settle_again(s->run, r, &verdict, &text)) {
        free(text);
        conf_sched_give_back(t, index);
        return;
    }
    conf_settle_expected(s->run, t, s->run->cases[index]->name, &verdict,
                         &text);
    if (verdict != CONF_PASS && !text)
        text = strdup("no reason was given"); /* readers ask for one */
    r->done = 1;
    r->verdict = verdict;
    r->ms = ms;
    r->message = text;
    if (text)
        conf_clean(text);
    t->counts.of[verdict]++;
    s->run->n_done++;
    if (verdict != CONF_MISSING)
        conf_journal_add(s->run, t, index);
    conf_progress_result(s->run, t, index);
    if (s->run->heard)
        s->run->heard(s->run->hearer);
}

void conf_sched_give_back(struct conf_target *t, size_t index)
{
    t->queue[t->n_queue++] = index;
}

void conf_sched_drop(struct schedule *s, struct conf_target *t, const char *why)
{
    while (t->n_queue > 0)
        conf_sched_result(s, t, t->queue[--t->n_queue], CONF_MISSING, 0, why);
}

/* ---- the end of a worker ---------------------------------------------------
 */

/* What the worker printed last, at most a few lines: " Last output: ..." */
static void last_words(const struct worker *w, char *text, size_t room)
{
    size_t from = w->n_tail;
    int lines = 0;

    while (from > 0 && w->n_tail - from < 700) {
        if (w->tail[from - 1] == '\n' && from < w->n_tail && ++lines == 6)
            break;
        from--;
    }
    if (from < w->n_tail)
        snprintf(text, room, "; last output: %.*s", (int)(w->n_tail - from),
                 w->tail + from);
    else
        text[0] = 0;
    while (text[0] && text[strlen(text) - 1] == '\n')
        text[strlen(text) - 1] = 0;
}

void conf_worker_output(struct worker *w)
{
    char chunk[4096];
    ssize_t n;

    while ((n = read(w->child.output, chunk, sizeof chunk)) > 0) {
        size_t got = (size_t)n;
        size_t from = got > TAIL_BYTES ? got - TAIL_BYTES : 0;
        size_t add = got - from;

        if (w->n_tail + add > TAIL_BYTES) {
            size_t drop = w->n_tail + add - TAIL_BYTES;

            memmove(w->tail, w->tail + drop, w->n_tail - drop);
            w->n_tail -= drop;
        }
        memcpy(w->tail + w->n_tail, chunk + from, add);
        w->n_tail += add;
    }
}

int conf_worker_stop(struct worker *w, int now, size_t *out_index)
{
    int status;

    if (!now)
        conf_worker_output(w);
    *out_index = w->index;
    status = conf_reap(&w->child, now);
    w->target->n_workers--;
    w->state = FREE;
    w->index = NONE;
    return status;
}

void conf_worker_unstarted(struct schedule *s, struct conf_target *t,
                           const char *why, int for_good)
{
    char text[2048];

    if (++t->start_failures < START_FAILURES_MAX && !for_good)
        return;
    snprintf(text, sizeof text, "the device did not start: %s", why);
    conf_sched_drop(s, t, text);
}

void conf_worker_died(struct schedule *s, struct worker *w)
{
    struct conf_target *t = w->target;
    int starting = w->state == STARTING;
    double ms = conf_now_ms() - w->since_ms;
    char why[128], words[1024], text[1536];
    int begun = w->begun;
    size_t index;

    conf_worker_output(w);
    conf_status_text(conf_worker_stop(w, 0, &index), why, sizeof why);
    last_words(w, words, sizeof words);
    snprintf(text, sizeof text, "the process %s%s", why, words);
    if (starting) {
        conf_worker_unstarted(s, t, text, 0);
        return;
    }
    if (index == NONE)
        return; /* it was done and had nothing to do */
    if (begun) {
        snprintf(text, sizeof text, "the process %s in mid-case%s", why, words);
        conf_sched_result(s, t, index, CONF_CRASH, ms, text);
    } else if (++t->results[index].lost < LOST_MAX) {
        conf_sched_give_back(t, index);
    } else {
        conf_sched_result(s, t, index, CONF_MISSING, 0,
                          "workers died before the case began");
    }
}

void conf_worker_lied(struct schedule *s, struct worker *w, const char *what)
{
    struct conf_target *t = w->target;
    int starting = w->state == STARTING;
    int begun = w->begun;
    char text[512];
    size_t index;

    s->run->internal_errors++;
    snprintf(text, sizeof text, "internal error of the runner: %s", what);
    conf_worker_stop(w, 1, &index);
    if (starting)
        conf_worker_unstarted(s, t, text, 0);
    else if (index != NONE && !begun && ++t->results[index].lost < LOST_MAX)
        conf_sched_give_back(t, index);
    else if (index != NONE)
        conf_sched_result(s, t, index, CONF_MISSING, 0, text);
}

void conf_worker_unsay(struct schedule *s, struct conf_target *t,
                       const char *name)
{
    for (size_t i = 0; i < s->run->n_cases; i++) {
        struct conf_result *r = &t->results[i];

        if (!r->done || strcmp(s->run->cases[i]->name, name))
            continue;
        t->counts.of[r->verdict]--;
        t->counts.of[CONF_MISSING]++;
        r->verdict = CONF_MISSING;
        free(r->message);
        r->message = strdup("internal error of the runner: two verdicts");
        conf_journal_add(s->run, t, i);
    }
}

void conf_worker_late(struct schedule *s, struct worker *w, double now)
{
    struct conf_target *t = w->target;
    double seconds = (now - w->since_ms) / 1e3;
    int starting = w->state == STARTING;
    char text[1536], words[1024];
    size_t index;

    conf_worker_output(w);
    last_words(w, words, sizeof words);
    conf_worker_stop(w, 1, &index);
    snprintf(text, sizeof text, "no %s after %.1f s; killed%s",
             starting ? "sign of life" : "verdict", seconds, words);
    if (starting)
        conf_worker_unstarted(s, t, text, 0);
    else if (index != NONE)
        conf_sched_result(s, t, index, CONF_TIMEOUT, now - w->since_ms, text);
}
