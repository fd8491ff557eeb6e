/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selftest.c - `halcyon conform --self-test`: plants one fault after the other
 * and demands that the cases which are named for it see it, on every device.
 *
 * Invariant: a mutant counts as caught only by a bad verdict of a case that it
 * names and that passes without it.  What could not be planted is no catch,
 * what ran out of time stands apart, and what shows nowhere is no proof.
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
#define PATIENCE         0.5
#define PATIENCE_LOST    0.04
#define PATIENCE_COMPILE 2.0
#define CASES_MAX        8

/* TIMED_OUT: a broken backend that was seen by the limit alone. */
enum outcome {
    CAUGHT,
    TIMED_OUT,
    LIVED,
    EQUAL,
    UNSUPPORTED,
    BROKEN,
    N_OUTCOMES
};

static const char *const outcome_names[] = {
    "caught", "timeout", "lived", "equal", "unsupported", "broken",
};
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
    const struct conf_run *all; /* the cases that mutants name, the devices */
    /* One schedule, so that no worker waits for another mutant's: its targets
     * are the devices without a mutant, then each mutant on each device. */
    struct conf_run pool;
    const struct conf_mutant **chosen;
    int *at; /* of each: the first of its targets, or 0: it has none */
    size_t n_chosen, n_judged;
    int is_controlled, bad_control;
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

/* ---- one mutant on one device ---------------------------------------------
 */

static int is_catch(enum outcome outcome)
{
    return outcome == CAUGHT || outcome == TIMED_OUT;
}

static int has(const struct conf_result *r, const char *words)
{
    return r->message && strstr(r->message, words);
}

static size_t index_of(const struct conf_run *run, const struct conf_case *cc)
{
    const struct conf_case **at =
        bsearch(&cc, run->cases, run->n_cases, sizeof *run->cases, by_name);

    return (size_t)(at - run->cases);
}

/* What the results of a target say about its mutant. */
static void judge(struct finding *f, const struct conf_run *run,
                  const struct conf_target *t)
{
    int runner = f->mutant->kind == CONF_MUTANT_RUNNER;
    const struct conf_case *cases[CASES_MAX];
    int n = named_cases(run->list, f->mutant, cases), n_unsupported = 0;

    f->outcome = LIVED;
    f->by = f->verdict = "";
    for (int k = 0; k < n; k++) {
        const struct conf_result *r = &t->results[index_of(run, cases[k])];
        enum outcome outcome = CAUGHT;

        n_unsupported += r->verdict == CONF_UNSUPPORTED;
        if (r->verdict == CONF_UNSUPPORTED && f->outcome == LIVED)
            snprintf(f->message, sizeof f->message, "%.500s",
                     r->message ? r->message : "");
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
        else if (r->verdict == CONF_TIMEOUT && !runner)
            outcome = TIMED_OUT;
        if (f->outcome == CAUGHT)
            continue;
        f->outcome = outcome;
        f->by = is_catch(outcome) ? cases[k]->name : "";
        f->verdict = is_catch(outcome) ? conf_verdict_name(r->verdict) : "";
        snprintf(f->message, sizeof f->message, "%.500s",
                 r->message ? r->message : "");
    }
    if (f->outcome == LIVED && n_unsupported == n)
        f->outcome = UNSUPPORTED;
    conf_clean(f->message);
}

static void say(struct selftest *s, const struct finding *f)
{
    int loud =
        f->outcome == LIVED || f->outcome == BROKEN || f->outcome == TIMED_OUT;

    if (!loud && s->all->set->quiet)
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
static void spoilt_report(struct selftest *s, const struct conf_mutant *m)
{
    struct conf_run control = s->pool;
    struct finding f = { .mutant = m, .by = "", .verdict = "" };
    char error[CONF_RESULTS_ERROR] = "", *good, *bad = NULL;
    struct conf_results r = { 0 };

    control.n_targets = s->all->n_targets;
    control.n_planned = control.n_done =
        control.n_cases * (size_t)control.n_targets;
    good = conf_plan_fix(&control) ? NULL : conf_report_json(&control);
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

static double patience_with(const struct conf_mutant *m)
{
    if (m->kind == CONF_MUTANT_KERNEL)
        return PATIENCE_COMPILE;
    return m->kind == CONF_MUTANT_RUNNER &&
                   m->fault == CONF_RUNNER_DROPPED_RESULT
               ? PATIENCE_LOST
               : PATIENCE;
}

/* ---- all of them --------------------------------------------------------- */

static int is_done(const struct conf_run *run, const struct conf_target *t)
{
    for (size_t k = 0; k < run->n_cases; k++)
        if (!t->results[k].done)
            return 0;
    return 1;
}

/* Without a mutant every case passes, or no catch means anything. */
static void control(struct selftest *s)
{
    for (int i = 0; i < s->all->n_targets; i++) {
        for (size_t k = 0; k < s->pool.n_cases; k++) {
            const struct conf_result *r = &s->pool.targets[i].results[k];

            if (conf_verdict_ok(r->verdict))
                continue;
            fprintf(s->out, "%s %s %s without any mutant: %s\n",
                    conf_verdict_name(r->verdict),
                    s->pool.targets[i].device.name, s->pool.cases[k]->name,
                    r->message ? r->message : "");
            s->bad_control++;
        }
    }
}

/* What can be judged now, in the order of the list. */
static void heard(void *hearer)
{
    struct selftest *s = hearer;
    int n = s->all->n_targets;

    if (s->pool.interrupted)
        return;
    if (!s->is_controlled) {
        for (int i = 0; i < n; i++)
            if (!is_done(&s->pool, &s->pool.targets[i]))
                return;
        s->is_controlled = 1;
        control(s);
    }
    for (; s->n_judged < s->n_chosen; s->n_judged++) {
        const struct conf_mutant *m = s->chosen[s->n_judged];
        const struct conf_target *of = &s->pool.targets[s->at[s->n_judged]];

        if (is_of_report(m)) {
            spoilt_report(s, m);
            continue;
        }
        if (!*m->cases) {
            spoilt_list(s, m);
            continue;
        }
        for (int i = 0; i < n; i++)
            if (!is_done(&s->pool, &of[i]))
                return;
        for (int i = 0; i < n; i++) {
            struct finding f = { .mutant = m,
                                 .device = s->all->targets[i].device.name };

            judge(&f, &s->pool, &of[i]);
            take(s, &f, i);
        }
    }
}

/* The device with a mutant, or without (NULL), and what it owes. */
static int add_target(struct selftest *s, const struct conf_target *device,
                      const struct conf_mutant *m)
{
    struct conf_run *run = &s->pool;
    struct conf_target *t = &run->targets[run->n_targets++];
    size_t n = run->n_cases;

    t->device = device->device;
    t->devices = device->devices;
    t->mutant = m;
    t->results = calloc(n, sizeof *t->results);
    t->queue = calloc(n, sizeof *t->queue);
    if (!t->results || !t->queue)
        return -1;
    for (size_t k = 0; k < n; k++)
        t->results[k] =
            (struct conf_result){ .verdict = CONF_MISSING, .done = m != NULL };
    if (m) {
        const struct conf_case *cases[CASES_MAX];

        n = (size_t)named_cases(run->list, m, cases);
        for (size_t k = 0; k < n; k++)
            t->results[index_of(run, cases[k])].done = 0;
        t->patience = patience_with(m);
        if (m->kind == CONF_MUTANT_KERNEL) /* whose cases need no other */
            t->devices = t->device.name;
    }
    run->n_planned += n;
    return 0;
}

static int add_targets(struct selftest *s)
{
    const struct conf_run *all = s->all;
    struct conf_run *run = &s->pool;

    run->targets = calloc((s->n_chosen + 1) * (size_t)all->n_targets,
                          sizeof *run->targets);
    if (!run->targets)
        return -1;
    for (int i = 0; i < all->n_targets; i++)
        if (add_target(s, &all->targets[i], NULL))
            return -1;
    for (size_t k = 0; k < s->n_chosen; k++) {
        if (!*s->chosen[k]->cases || is_of_report(s->chosen[k]))
            continue;
        s->at[k] = run->n_targets;
        for (int i = 0; i < all->n_targets; i++)
            if (add_target(s, &all->targets[i], s->chosen[k]))
                return -1;
    }
    return 0;
}

static int run_pool(struct selftest *s, struct conf_settings *set)
{
    FILE *null = fopen("/dev/null", "we");
    int st;

    set->quiet = 1;
    set->verbose = 0;
    s->pool = (struct conf_run){ .set = set,
                                 .list = s->all->list,
                                 .cases = s->all->cases,
                                 .n_cases = s->all->n_cases,
                                 .outer_devices = s->all->outer_devices,
                                 .heard = heard,
                                 .hearer = s };
    st = !null || add_targets(s) ? -1 : 0;
    if (!st) {
        conf_out_set(null);
        s->pool.start_ms = conf_now_ms();
        st = conf_schedule(&s->pool);
        conf_out_set(s->out);
    }
    if (null)
        fclose(null);
    return st;
}

/* ---- the report ---------------------------------------------------------- */

/* On no device of the run is the mutant other than the original: nothing has
 * shown that it would be seen. */
static int is_unproven(const struct selftest *s, size_t k)
{
    size_t n = (size_t)s->all->n_targets;

    for (size_t i = k * n; i < (k + 1) * n; i++)
        if (i >= s->n || (s->findings[i].outcome != EQUAL &&
                          s->findings[i].outcome != UNSUPPORTED))
            return 0;
    return 1;
}

static cJSON *finding_json(const struct finding *f)
{
    cJSON *o = cJSON_CreateObject();
    char rerun[512] = "";

    if (*f->mutant->cases)
        snprintf(rerun, sizeof rerun,
                 "halcyon conform --mutant %s --device %s --case %.*s",
                 f->mutant->name, f->device,
                 (int)strcspn(f->mutant->cases, " "), f->mutant->cases);
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
    list = cJSON_AddArrayToObject(root, "unproven");
    for (size_t k = 0; k < s->n_chosen; k++)
        if (is_unproven(s, k))
            cJSON_AddItemToArray(list, cJSON_CreateString(s->chosen[k]->name));
    list = cJSON_AddArrayToObject(root, "mutants");
    for (size_t i = 0; i < s->n; i++)
        cJSON_AddItemToArray(list, finding_json(&s->findings[i]));
    return conf_json_line(root);
}

static int summary(const struct selftest *s)
{
    unsigned lived = 0, caught = 0, timed_out = 0, unproven = 0;
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
        timed_out += c[TIMED_OUT];
        /* A device on which nothing was caught has proved nothing. */
        if (!c[CAUGHT])
            status = CONF_EXIT_NOT;
    }
    for (size_t k = 0; k < s->n_chosen; k++) {
        if (!is_unproven(s, k))
            continue;
        unproven++;
        fprintf(s->out, "unproven    %s: on no device of this run\n",
                s->chosen[k]->name);
    }
    if (lived || s->bad_control)
        status = CONF_EXIT_NOT;
    if (s->pool.interrupted || s->n != s->n_chosen * (size_t)s->all->n_targets)
        status = CONF_EXIT_UNRUN;
    if (s->bad_control)
        fprintf(s->out, "%d cases are bad without any mutant\n",
                s->bad_control);
    fprintf(
        s->out,
        "%s: %zu mutants on %d device%s, %u caught, %u by their time alone, "
        "%u lived, %u unproven, %.1f s\n",
        status == CONF_EXIT_OK
            ? unproven ? "every planted fault that shows here is caught"
                       : "every planted fault is caught"
        : status == CONF_EXIT_NOT ? "THE SELF-TEST FAILS"
                                  : "INCOMPLETE",
        s->n_chosen, s->all->n_targets, s->all->n_targets == 1 ? "" : "s",
        caught, timed_out, lived, unproven,
        (conf_now_ms() - s->pool.start_ms) / 1e3);
    return status;
}

int conf_selftest(struct conf_run *run, struct conf_outfile *json)
{
    struct selftest s = { .all = run, .out = conf_out() };
    struct conf_settings set = *run->set;
    size_t n = conf_mutant_count(), n_devices = (size_t)run->n_targets;
    int st = CONF_EXIT_UNRUN;
    char *text;

    s.findings = calloc(n * n_devices, sizeof *s.findings);
    s.counts = calloc(n_devices * N_OUTCOMES, sizeof *s.counts);
    s.chosen = calloc(n, sizeof *s.chosen);
    s.at = calloc(n, sizeof *s.at);
    if (!s.findings || !s.counts || !s.chosen || !s.at)
        goto out;
    for (size_t i = 0; i < n; i++)
        if (is_chosen(run->set, conf_mutant_at(i)))
            s.chosen[s.n_chosen++] = conf_mutant_at(i);
    if (run_pool(&s, &set))
        goto out;
    st = summary(&s);
    text = report(&s, st);
    if (json->file && conf_outfile_finish(json, text))
        st = CONF_EXIT_UNRUN;
    free(text);
out:
    conf_run_forget(&s.pool);
    free(s.findings);
    free(s.counts);
    free(s.chosen);
    free(s.at);
    return st;
}
