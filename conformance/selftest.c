/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selftest.c - `halcyon conform --self-test`: plants one fault after the other
 * and demands that the cases which are named for it see it, on every device.
 *
 * Invariant: a mutant counts as caught only by a bad verdict of a case that it
 * names and that passes without it.  What could not be planted is no catch.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/json.h"
#include "conformance/mutant.h"

#define SCHEMA "halcyon.selftest/1"
/* Half a minute is long for a small case; a worker that lost a verdict on
 * purpose is waited for less.  An edited kernel is compiled in its first case,
 * by us and by a driver whose cache does not know it. */
#define SCALE         0.5
#define SCALE_LOST    0.04
#define SCALE_COMPILE 2.0
#define CASES_MAX     8

enum outcome { CAUGHT, LIVED, EQUAL, UNSUPPORTED, BROKEN, N_OUTCOMES };

static const char *const outcome_names[] = { "caught", "lived", "equal",
                                             "unsupported", "broken" };
_Static_assert(sizeof outcome_names / sizeof *outcome_names == N_OUTCOMES,
               "a name for each outcome");

/* One mutant on one device. */
struct finding {
    const struct conf_mutant *mutant;
    const char *device;
    enum outcome outcome;
    const char *by, *verdict; /* the case that caught it, or "" */
    char message[512];
};

struct selftest {
    struct conf_run *all; /* every case that a mutant names, without mutant */
    struct finding *findings;
    size_t n;
    unsigned *counts; /* [device][outcome] */
    FILE *out;
};

static int is_chosen(const struct conf_settings *set,
                     const struct conf_mutant *m)
{
    return !set->mutant_glob || conf_name_matches(set->mutant_glob, m->name);
}

/* ---- the cases ----------------------------------------------------------- */

/* The cases that the mutant names, of the list; -1 when one is not there. */
static int named_cases(const struct conf_list *list,
                       const struct conf_mutant *m,
                       const struct conf_case *out[CASES_MAX])
{
    const char *text = m->cases;
    char name[CONF_NAME_MAX + 1];
    int n = 0;

    while (*text) {
        size_t length = strcspn(text, " ");

        snprintf(name, sizeof name, "%.*s", (int)length, text);
        if (n == CASES_MAX || !(out[n++] = conf_list_find(list, name))) {
            fprintf(stderr, "halcyon conform: mutant %s names no case: %s\n",
                    m->name, name);
            return -1;
        }
        text += length;
        text += strspn(text, " ");
    }
    return n;
}

static int by_name(const void *a, const void *b)
{
    const struct conf_case *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

int conf_selftest_cases(struct conf_run *run)
{
    size_t chosen = 0;

    run->cases = calloc(conf_mutant_count() * CASES_MAX, sizeof *run->cases);
    if (!run->cases)
        return CONF_EXIT_UNRUN;
    for (size_t i = 0; i < conf_mutant_count(); i++) {
        const struct conf_case *of[CASES_MAX];
        int n;

        if (!is_chosen(run->set, conf_mutant_at(i)))
            continue;
        chosen++;
        n = named_cases(run->list, conf_mutant_at(i), of);
        if (n < 0)
            return CONF_EXIT_UNRUN;
        for (int k = 0; k < n; k++) {
            size_t j = 0;

            while (j < run->n_cases && run->cases[j] != of[k])
                j++;
            run->cases[j] = of[k];
            run->n_cases += j == run->n_cases;
        }
    }
    if (!chosen || !run->n_cases) {
        fprintf(stderr, "halcyon conform: --mutant '%s' chooses %s\n",
                run->set->mutant_glob ? run->set->mutant_glob : "*",
                chosen ? "no mutant that cases see" : "none of the mutants");
        return CONF_EXIT_UNRUN;
    }
    qsort(run->cases, run->n_cases, sizeof *run->cases, by_name);
    return 0;
}

/* ---- one mutant ---------------------------------------------------------- */

/* A run of some cases on all devices of `all`, unheard. */
static int run_cases(const struct conf_run *all, struct conf_settings *set,
                     const struct conf_case **cases, size_t n,
                     struct conf_run *run)
{
    FILE *before = conf_out(), *null = fopen("/dev/null", "we");
    int st = -1;

    *run = (struct conf_run){ .set = set,
                              .list = all->list,
                              .cases = cases,
                              .n_cases = n,
                              .outer_devices = all->outer_devices };
    run->targets = calloc((size_t)all->n_targets, sizeof *run->targets);
    if (!run->targets || !null)
        goto out;
    for (int i = 0; i < all->n_targets; i++) {
        struct conf_target *t = &run->targets[run->n_targets++];

        t->device = all->targets[i].device;
        t->devices = all->targets[i].devices;
        t->results = calloc(n, sizeof *t->results);
        t->queue = calloc(n, sizeof *t->queue);
        if (!t->results || !t->queue)
            goto out;
        for (size_t k = 0; k < n; k++)
            t->results[k].verdict = CONF_MISSING;
        run->n_planned += n;
    }
    conf_out_set(null);
    run->start_ms = conf_now_ms();
    st = conf_schedule(run);
    conf_out_set(before);
out:
    if (null)
        fclose(null);
    return st;
}

static int has(const struct conf_result *r, const char *words)
{
    return r->message && strstr(r->message, words);
}

/* What the results of one device say about the mutant. */
static void judge(struct finding *f, const struct conf_run *run,
                  const struct conf_target *t)
{
    int runner = f->mutant->kind == CONF_MUTANT_RUNNER;
    size_t n_unsupported = 0;

    f->outcome = LIVED;
    f->by = f->verdict = "";
    for (size_t k = 0; k < run->n_cases; k++) {
        const struct conf_result *r = &t->results[k];
        enum outcome outcome = CAUGHT;

        n_unsupported += r->verdict == CONF_UNSUPPORTED;
        if (conf_verdict_ok(r->verdict))
            continue;
        if (has(r, CONF_MUTANT_EQUAL))
            outcome = EQUAL;
        else if (has(r, CONF_MUTANT_BROKEN) ||
                 (r->verdict == CONF_MISSING && !runner))
            outcome = BROKEN;
        else if (r->verdict == CONF_TIMEOUT &&
                 f->mutant->kind == CONF_MUTANT_KERNEL)
            outcome = BROKEN; /* a compiler's time is no catch */
        if (f->outcome == CAUGHT)
            continue;
        f->outcome = outcome;
        f->by = outcome == CAUGHT ? run->cases[k]->name : "";
        f->verdict = outcome == CAUGHT ? conf_verdict_name(r->verdict) : "";
        snprintf(f->message, sizeof f->message, "%.500s",
                 r->message ? r->message : "");
    }
    if (f->outcome == LIVED && n_unsupported == run->n_cases) {
        f->outcome = UNSUPPORTED;
        snprintf(f->message, sizeof f->message, "%.500s",
                 t->results[0].message ? t->results[0].message : "");
    }
    /* A lie in a verdict shows in nothing else but that a planted fault
     * lives, which is what is asked for here. */
    if (runner && f->mutant->fault == CONF_RUNNER_FLIPPED_VERDICT &&
        (f->outcome == LIVED || f->outcome == CAUGHT)) {
        f->outcome = f->outcome == LIVED ? CAUGHT : LIVED;
        f->by = f->outcome == CAUGHT ? "backend.fill_lost lives" : "";
        f->verdict = f->outcome == CAUGHT ? "lived" : "";
    }
    conf_clean(f->message);
}

static void say(struct selftest *s, const struct finding *f)
{
    int bad = f->outcome == LIVED || f->outcome == BROKEN;

    if (!bad && s->all->set->quiet)
        return;
    fprintf(s->out, "%-11s %-34s %-12s %s%s%s%s\n", outcome_names[f->outcome],
            f->mutant->name, f->device, f->by, *f->by ? " (" : "", f->verdict,
            *f->by ? ")" : "");
    if (f->outcome != CAUGHT || s->all->set->verbose)
        fprintf(s->out, "     %s%s%.300s\n", f->mutant->what,
                f->message[0] ? ": " : "", f->message);
    if (f->outcome == LIVED)
        fprintf(s->out, "     seen by none of: %s\n", f->mutant->cases);
    fflush(s->out);
}

static void take(struct selftest *s, const struct finding *f, int device)
{
    s->findings[s->n++] = *f;
    s->counts[device * N_OUTCOMES + (int)f->outcome]++;
    say(s, f);
}

/* ---- lists that must not run --------------------------------------------- */

static void spoil_list(struct conf_list *list,
                       const struct conf_options *options)
{
    (void)options;
    if (conf_runner_fault() == CONF_RUNNER_DUPLICATED_CASE)
        conf_list_add(list, &list->cases[0], 0);
    if (conf_runner_fault() != CONF_RUNNER_EMPTY_LIST)
        return;
    for (size_t i = 0; i < list->n; i++) {
        free((char *)list->cases[i].name);
        free(list->owned[i]);
    }
    list->n = 0;
}

/* Both faults of lists are seen before any device. */
static void spoilt_list(struct selftest *s, const struct conf_mutant *m)
{
    const struct conf_options options = { NULL, 0 };
    void (*before)(struct conf_list *, const struct conf_options *) =
        conf_extra_family;
    struct finding f = {
        .mutant = m, .outcome = LIVED, .by = "", .verdict = ""
    };
    struct conf_list list;

    conf_runner_fault_set(m->fault);
    conf_extra_family = spoil_list;
    if (conf_list_build(&list, &options)) {
        f.outcome = CAUGHT;
        f.by = "the list of cases is refused";
        f.verdict = "error";
        snprintf(f.message, sizeof f.message, "%.500s", list.error);
    }
    conf_list_release(&list);
    conf_extra_family = before;
    conf_runner_fault_set(CONF_RUNNER_FAULTS);
    for (int i = 0; i < s->all->n_targets; i++) {
        f.device = s->all->targets[i].device.name;
        take(s, &f, i);
    }
}

/* A report that is spoilt after a good run; whoever reads it refuses it. */
static void spoilt_report(struct selftest *s, const struct conf_mutant *m,
                          const struct conf_run *run)
{
    struct finding f = { .mutant = m, .by = "", .verdict = "" };
    char error[CONF_RESULTS_ERROR] = "", *good, *bad = NULL;
    struct conf_results r = { 0 };

    good = conf_report_json(run);
    if (good)
        bad = conf_mutant_report(m->fault, good);
    f.outcome = BROKEN;
    if (bad && !conf_results_parse(&r, "report", good, strlen(good), error) &&
        !conf_results_whole(&r, error)) {
        conf_results_release(&r);
        f.outcome = LIVED;
        if (conf_results_parse(&r, "report", bad, strlen(bad), error) ||
            conf_results_whole(&r, error)) {
            f.outcome = CAUGHT;
            f.by = "the report is refused";
            f.verdict = "error";
        }
    }
    conf_results_release(&r);
    snprintf(f.message, sizeof f.message, "%.500s", error);
    free(good);
    free(bad);
    for (int i = 0; i < s->all->n_targets; i++) {
        f.device = s->all->targets[i].device.name;
        take(s, &f, i);
    }
}

static int is_of_report(const struct conf_mutant *m)
{
    return m->kind == CONF_MUTANT_RUNNER &&
           m->fault >= CONF_RUNNER_REPORT_TRUNCATED;
}

static double scale_of(const struct conf_mutant *m)
{
    if (m->kind == CONF_MUTANT_KERNEL)
        return SCALE_COMPILE;
    return m->kind == CONF_MUTANT_RUNNER &&
                   m->fault == CONF_RUNNER_DROPPED_RESULT
               ? SCALE_LOST
               : SCALE;
}

static int try_mutant(struct selftest *s, const struct conf_mutant *m)
{
    const struct conf_case *cases[CASES_MAX];
    struct conf_settings set = *s->all->set;
    struct conf_run run;
    int n = named_cases(s->all->list, m, cases), st;

    if (n == 0) {
        spoilt_list(s, m);
        return 0;
    }
    qsort(cases, (size_t)n, sizeof *cases, by_name);
    set.mutant = is_of_report(m) ? NULL : m;
    set.quiet = 1;
    set.verbose = 0;
    set.timeout_scale *= scale_of(m);
    st = run_cases(s->all, &set, cases, (size_t)n, &run);
    s->all->interrupted = run.interrupted;
    if (is_of_report(m) && !st && !run.interrupted) {
        st = conf_plan_fix(&run);
        spoilt_report(s, m, &run);
        conf_run_forget(&run);
        return st;
    }
    for (int i = 0; i < run.n_targets && !st && !run.interrupted; i++) {
        struct finding f = { .mutant = m,
                             .device = s->all->targets[i].device.name };

        judge(&f, &run, &run.targets[i]);
        take(s, &f, i);
    }
    conf_run_forget(&run);
    return st;
}

/* ---- the whole ----------------------------------------------------------- */

/* Without a mutant every case passes, or no catch means anything. */
static int control(struct selftest *s)
{
    struct conf_settings set = *s->all->set;
    struct conf_run run;
    int bad = 0;

    set.quiet = 1;
    set.verbose = 0;
    if (run_cases(s->all, &set, s->all->cases, s->all->n_cases, &run)) {
        conf_run_forget(&run);
        return -1;
    }
    s->all->interrupted = run.interrupted;
    for (int i = 0; i < run.n_targets && !run.interrupted; i++) {
        for (size_t k = 0; k < run.n_cases; k++) {
            const struct conf_result *r = &run.targets[i].results[k];

            if (conf_verdict_ok(r->verdict))
                continue;
            fprintf(s->out, "%s %s %s without any mutant: %s\n",
                    conf_verdict_name(r->verdict), run.targets[i].device.name,
                    run.cases[k]->name, r->message ? r->message : "");
            bad++;
        }
    }
    conf_run_forget(&run);
    return bad;
}

static cJSON *finding_json(const struct selftest *s, const struct finding *f)
{
    cJSON *o = cJSON_CreateObject();
    char rerun[512] = "";

    if (*f->mutant->cases)
        snprintf(rerun, sizeof rerun,
                 "halcyon conform --mutant %s --device %s --case %.*s",
                 f->mutant->name, f->device,
                 (int)strcspn(f->mutant->cases, " "), f->mutant->cases);
    (void)s;
    cJSON_AddStringToObject(o, "mutant", f->mutant->name);
    cJSON_AddStringToObject(o, "what", f->mutant->what);
    cJSON_AddStringToObject(o, "device", f->device);
    cJSON_AddStringToObject(o, "outcome", outcome_names[f->outcome]);
    cJSON_AddStringToObject(o, "caught_by", f->by);
    cJSON_AddStringToObject(o, "verdict", f->verdict);
    cJSON_AddStringToObject(o, "message", f->message);
    cJSON_AddStringToObject(o, "rerun", rerun);
    return o;
}

static char *report(const struct selftest *s, int status)
{
    cJSON *root = cJSON_CreateObject(), *summary, *list;

    cJSON_AddStringToObject(root, "schema", SCHEMA);
    cJSON_AddNumberToObject(root, "exit_status", status);
    cJSON_AddNumberToObject(root, "seed", (double)s->all->set->seed);
    summary = cJSON_AddObjectToObject(root, "summary");
    for (int i = 0; i < s->all->n_targets; i++) {
        cJSON *o =
            cJSON_AddObjectToObject(summary, s->all->targets[i].device.name);

        for (int k = 0; k < N_OUTCOMES; k++)
            cJSON_AddNumberToObject(o, outcome_names[k],
                                    s->counts[i * N_OUTCOMES + k]);
    }
    list = cJSON_AddArrayToObject(root, "mutants");
    for (size_t i = 0; i < s->n; i++)
        cJSON_AddItemToArray(list, finding_json(s, &s->findings[i]));
    return conf_json_line(root);
}

static int summary(const struct selftest *s, size_t chosen, int bad_control)
{
    unsigned lived = 0, caught = 0;
    int status = CONF_EXIT_OK;

    fprintf(s->out, "\n%-14s", "device");
    for (int k = 0; k < N_OUTCOMES; k++)
        fprintf(s->out, "%12s", outcome_names[k]);
    fputc('\n', s->out);
    for (int i = 0; i < s->all->n_targets; i++) {
        const unsigned *c = &s->counts[i * N_OUTCOMES];

        fprintf(s->out, "%-14s", s->all->targets[i].device.name);
        for (int k = 0; k < N_OUTCOMES; k++)
            fprintf(s->out, "%12u", c[k]);
        fputc('\n', s->out);
        lived += c[LIVED] + c[BROKEN];
        caught += c[CAUGHT];
        /* A device on which nothing was caught has proved nothing. */
        if (!c[CAUGHT])
            status = CONF_EXIT_NOT;
    }
    if (lived || bad_control)
        status = CONF_EXIT_NOT;
    if (s->all->interrupted || s->n != chosen * (size_t)s->all->n_targets)
        status = CONF_EXIT_UNRUN;
    if (bad_control)
        fprintf(s->out, "%d cases are bad without any mutant\n", bad_control);
    fprintf(s->out,
            "%s: %zu mutants on %d device%s, %u caught, %u lived, %.1f s\n",
            status == CONF_EXIT_OK    ? "every planted fault is caught"
            : status == CONF_EXIT_NOT ? "THE SELF-TEST FAILS"
                                      : "INCOMPLETE",
            chosen, s->all->n_targets, s->all->n_targets == 1 ? "" : "s",
            caught, lived, (conf_now_ms() - s->all->start_ms) / 1e3);
    return status;
}

int conf_selftest(struct conf_run *run, struct conf_outfile *json)
{
    struct selftest s = { .all = run, .out = conf_out() };
    int st = CONF_EXIT_UNRUN, bad_control;
    size_t chosen = 0;
    char *text;

    run->start_ms = conf_now_ms();
    s.findings = calloc(conf_mutant_count() * (size_t)run->n_targets,
                        sizeof *s.findings);
    s.counts = calloc((size_t)run->n_targets * N_OUTCOMES, sizeof *s.counts);
    if (!s.findings || !s.counts)
        goto out;
    bad_control = control(&s);
    if (bad_control < 0)
        goto out;
    for (size_t i = 0; i < conf_mutant_count() && !run->interrupted; i++) {
        if (!is_chosen(run->set, conf_mutant_at(i)))
            continue;
        chosen++;
        if (try_mutant(&s, conf_mutant_at(i)))
            goto out;
    }
    st = summary(&s, chosen, bad_control);
    text = report(&s, st);
    if (json->file && conf_outfile_finish(json, text))
        st = CONF_EXIT_UNRUN;
    free(text);
out:
    free(s.findings);
    free(s.counts);
    return st;
}
