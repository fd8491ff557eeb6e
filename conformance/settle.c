/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle.c - from what a worker found to the verdict that counts: runs again
 * (--rerun), then what is expected of the case (--expect).
 *
 * Invariant: nothing here makes a bad result good but an entry that somebody
 * wrote for it; a case that once failed is never a pass.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/expect.h"
#include "conformance/runner.h"

/* Puts words before the message. */
static void preface(char **message, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void preface(char **message, const char *format, ...)
{
    char *head = NULL, *whole = NULL;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vasprintf(&head, format, ap);
    va_end(ap);
    if (n < 0)
        return;
    if (asprintf(&whole, "%s%s%s", head, *message ? ": " : "",
                 *message ? *message : "") >= 0) {
        free(*message);
        *message = whole;
    }
    free(head);
}

int conf_settle_again(const struct conf_run *run, struct conf_result *r,
                      enum conf_verdict *verdict, char **message)
{
    if (conf_verdict_found_bad(*verdict) && r->n_runs < run->set->rerun) {
        if (r->n_runs++ == 0) {
            r->first = *verdict;
            r->first_message = *message;
            *message = NULL;
        }
        free(r->metrics);
        r->metrics = NULL;
        r->n_metrics = 0;
        return 1;
    }
    if (!r->n_runs)
        return 0;
    if (conf_verdict_found_bad(*verdict)) {
        preface(message, "%d times not ok, at first %s", r->n_runs + 1,
                conf_verdict_name(r->first));
    } else if (*verdict == CONF_MISSING) {
        *verdict = r->first; /* it was not waited for, but it was found */
        free(*message);
        *message = r->first_message;
        r->first_message = NULL;
    } else {
        free(*message);
        *message = r->first_message;
        r->first_message = NULL;
        preface(message, "%s the first time, %s when run again (%d)",
                conf_verdict_name(r->first), conf_verdict_name(*verdict),
                r->n_runs);
        *verdict = CONF_FLAKY;
    }
    free(r->first_message);
    r->first_message = NULL;
    return 0;
}

void conf_settle_expected(const struct conf_run *run,
                          const struct conf_target *t, const char *name,
                          enum conf_verdict *verdict, char **message)
{
    const struct conf_expect *e, *two;

    if (!run->expects)
        return;
    e = conf_expects_find(run->expects, t->device.name, name, &two);
    if (!e)
        return;
    if (e->kind == CONF_EXPECT_XFAIL && conf_verdict_found_bad(*verdict)) {
        preface(message, "expected: %s; was %s", e->why,
                conf_verdict_name(*verdict));
        *verdict = CONF_XFAIL;
    } else if (e->kind == CONF_EXPECT_XFAIL && *verdict == CONF_PASS) {
        preface(message, "%s:%zu expects a failure: %s", e->file, e->line,
                e->why);
        *verdict = CONF_XPASS;
    } else if (e->kind == CONF_EXPECT_WAIVE && e->is_expired &&
               (*verdict == CONF_PASS || *verdict == CONF_UNSUPPORTED)) {
        /* Else it would lie there for good, and nobody would be asked. */
        preface(message,
                "it %s; the waiver of %s ended on %s (%s:%zu) and is to be "
                "removed",
                *verdict == CONF_PASS ? "passes" : "is unsupported", e->by,
                e->until, e->file, e->line);
        *verdict = *verdict == CONF_PASS ? CONF_XPASS : CONF_FAIL;
    } else if (e->kind == CONF_EXPECT_WAIVE &&
               conf_verdict_found_bad(*verdict)) {
        if (e->is_expired) {
            preface(message, "the waiver of %s ended on %s (%s:%zu)", e->by,
                    e->until, e->file, e->line);
            return;
        }
        preface(message, CONF_WAIVED_WORDS, e->by, e->until, e->why,
                conf_verdict_name(*verdict));
        *verdict = CONF_WAIVED;
    }
}

static int complain(const char *text)
{
    fprintf(stderr, "halcyon conform: %s\n", text);
    return -1;
}

/* Two entries for one case contradict each other, even where they agree. */
static int check_pairs(const struct conf_run *run)
{
    for (int i = 0; i < run->n_targets; i++) {
        for (size_t k = 0; k < run->n_cases; k++) {
            const char *device = run->targets[i].device.name;
            const struct conf_expect *a, *b;
            char text[512];

            a = conf_expects_find(run->expects, device, run->cases[k]->name,
                                  &b);
            if (!a || !b)
                continue;
            snprintf(text, sizeof text,
                     "%.100s:%zu and %.100s:%zu both mean %.160s on %.63s",
                     a->file, a->line, b->file, b->line, run->cases[k]->name,
                     device);
            return complain(text);
        }
    }
    return 0;
}

int conf_settle_open(struct conf_run *run)
{
    const struct conf_strings *files = &run->set->expect;
    char error[CONF_EXPECT_ERROR] = "", today[16];

    if (!files->n)
        return 0;
    conf_expect_today(today);
    run->expects = calloc(1, sizeof *run->expects);
    if (!run->expects)
        return complain("out of memory");
    for (int i = 0; i < files->n; i++)
        if (conf_expects_read(run->expects, files->at[i], today, error))
            return complain(error);
    if (conf_expects_check(run->expects, run->list, error))
        return complain(error);
    for (size_t i = 0; i < run->expects->n; i++) {
        const struct conf_expect *e = &run->expects->at[i];

        if (e->is_expired)
            fprintf(stderr,
                    "note: %s:%zu: the waiver of %s for %s ended on %s\n",
                    e->file, e->line, e->by, e->name, e->until);
    }
    return check_pairs(run);
}

void conf_settle_close(struct conf_run *run)
{
    if (run->expects)
        conf_expects_release(run->expects);
    free(run->expects);
    run->expects = NULL;
}
