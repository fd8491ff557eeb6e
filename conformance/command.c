/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.c - `halcyon conform` from the first step to the exit status: the
 * list, the devices, the plan, the run, the reports.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conformance/mutant.h"
#include "conformance/origin.h"
#include "conformance/results.h"

static int cannot(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
static int cannot(const char *format, ...)
{
    va_list ap;

    fputs("halcyon conform: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    return CONF_EXIT_UNRUN;
}

/* ---- the cases ------------------------------------------------------- */

static int matches_any(const struct conf_list *list, const char *glob,
                       const struct conf_filter *filter)
{
    struct conf_filter one = *filter;

    one.globs = &glob;
    one.n_globs = 1;
    for (size_t i = 0; i < list->n; i++)
        if (conf_filter_takes(&one, &list->cases[i]))
            return 1;
    return 0;
}

/* A glob that selects nothing: what it may have meant. */
static int no_match(const struct conf_run *run, const char *glob)
{
    const struct conf_settings *set = run->set;
    const struct conf_filter levels = { NULL, 0, set->levels.at,
                                        set->levels.n };
    const char *name = conf_list_nearest(run->list, glob, &levels);
    const char *where = set->levels.n ? " of these levels" : "";

    for (size_t i = 0; i < run->list->n; i++) {
        const struct conf_case *cc = &run->list->cases[i];

        if (conf_name_matches(glob, cc->name))
            return cannot(
                "--case '%s' matches none of the cases%s; %s is of: %s", glob,
                where, cc->name, cc->levels);
        if (strstr(cc->name, glob) && *glob && conf_filter_takes(&levels, cc))
            return cannot(
                "--case '%s' matches none of the cases%s; '*%s*' would match "
                "%s",
                glob, where, glob, cc->name);
    }
    return cannot(
        "--case '%s' matches none of the %zu cases%s; %s%s", glob, run->list->n,
        where, name ? "nearest is " : "--list prints them", name ? name : "");
}

static int select_cases(struct conf_run *run)
{
    const struct conf_settings *set = run->set;
    const struct conf_filter filter = { set->globs.at, set->globs.n,
                                        set->levels.at, set->levels.n };
    const struct conf_list *list = run->list;

    for (int i = 0; i < set->levels.n; i++) {
        const struct conf_filter one = { NULL, 0, &set->levels.at[i], 1 };
        size_t k = 0;

        while (k < list->n && !conf_filter_takes(&one, &list->cases[k]))
            k++;
        if (k == list->n)
            return cannot("level %s has no cases%s", set->levels.at[i],
                          strcmp(set->levels.at[i], "golden")
                              ? ""
                              : ": name a pack with --golden DIR");
    }
    for (int i = 0; i < set->globs.n; i++)
        if (!matches_any(list, set->globs.at[i], &filter))
            return no_match(run, set->globs.at[i]);
    run->cases = calloc(list->n, sizeof *run->cases);
    if (!run->cases)
        return cannot("out of memory");
    for (size_t i = 0; i < list->n; i++)
        if (conf_filter_takes(&filter, &list->cases[i]))
            run->cases[run->n_cases++] = &list->cases[i];
    if (run->n_cases == 0)
        return cannot("no case is selected");
    if (conf_plan_fix(run))
        return cannot("out of memory");
    if (run->n_cases == 0)
        return cannot("shard %d/%d of %zu cases is empty", set->shard,
                      set->shards, run->plan_cases);
    return 0;
}

static int print_list(const struct conf_run *run, struct conf_outfile *json)
{
    const struct conf_settings *set = run->set;
    char *text;
    int st = 0;

    if (!json->file || json->file != stdout)
        for (size_t i = 0; i < run->n_cases; i++) {
            if (set->verbose)
                printf("%-60s %s\n", run->cases[i]->name,
                       run->cases[i]->levels);
            else
                puts(run->cases[i]->name);
        }
    if (json->file) {
        text = conf_list_json(run);
        st = conf_outfile_finish(json, text);
        free(text);
    }
    return st || fflush(stdout) ? CONF_EXIT_UNRUN : CONF_EXIT_OK;
}

static int print_mutants(const char *glob)
{
    for (size_t i = 0; i < conf_mutant_count(); i++) {
        const struct conf_mutant *m = conf_mutant_at(i);

        if (!glob || conf_name_matches(glob, m->name))
            printf("%-40s %s\n", m->name, m->what);
    }
    return fflush(stdout) ? CONF_EXIT_UNRUN : CONF_EXIT_OK;
}

/* ---- the devices ----------------------------------------------------- */

/* HALCYON_DEVICES of a worker: the device under test, then all the others, in
 * an order that does not depend on which ones are tested. */
static char *devices_for(const char *name, const struct conf_devices *found)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    if (!to)
        return NULL;
    fputs(name, to);
    for (int i = 0; i < found->n; i++)
        if (strcmp(found->at[i].name, name))
            fprintf(to, ",%s", found->at[i].name);
    if (fclose(to)) {
        free(text);
        return NULL;
    }
    return text;
}

static int add_target(struct conf_run *run, const struct conf_device *device,
                      const struct conf_devices *found)
{
    struct conf_target *t = &run->targets[run->n_targets];

    t->device = *device;
    t->devices = devices_for(device->name, found);
    t->results = calloc(run->n_cases, sizeof *t->results);
    t->queue = calloc(run->n_cases, sizeof *t->queue);
    run->n_targets++; /* released even when incomplete */
    if (!t->devices || !t->results || !t->queue)
        return cannot("out of memory");
    for (size_t i = 0; i < run->n_cases; i++)
        t->results[i].verdict = CONF_MISSING;
    run->n_planned += run->n_cases;
    return 0;
}

/* What the backends lack, each on a line of its own. */
static void say_notes(const char *notes)
{
    while (*notes) {
        size_t n = strcspn(notes, "\n");

        fprintf(stderr, "  %.*s\n", (int)n, notes);
        notes += n + (notes[n] == '\n');
    }
}

/* Whether `name` is one of the names in the list "a, b, c". */
static int is_known(const char *known, const char *name)
{
    size_t n = strlen(name);

    while (*known) {
        size_t length = strcspn(known, ",");

        if (length == n && !memcmp(known, name, n))
            return 1;
        known += length;
        known += strspn(known, ", ");
    }
    return 0;
}

static const struct conf_device *find_device(const struct conf_devices *found,
                                             const char *name)
{
    for (int i = 0; i < found->n; i++)
        if (!strcmp(found->at[i].name, name))
            return &found->at[i];
    return NULL;
}

/* A device that was named but is not among those found may be a stand-in, or
 * one that HALCYON_DEVICES leaves out. */
static int add_named(struct conf_run *run, const char *name,
                     const struct conf_devices *found)
{
    const struct conf_device *at = find_device(found, name);
    struct conf_devices own;
    char error[1024];
    int st = CONF_EXIT_UNRUN;

    if (at)
        return add_target(run, at, found);
    if (!is_known(found->known, name)) {
        cannot("no such device '%s'; there are: %s", name,
               found->known[0] ? found->known : "none");
        say_notes(found->notes);
        return st;
    }
    if (conf_probe_devices(&own, CONF_PROBE_ADMITTED, name,
                           run->set->timeout_scale, error, sizeof error)) {
        cannot("device '%s' cannot be opened: %s", name, error);
        return st;
    }
    if (own.n > 0 && !strcmp(own.at[0].name, name))
        st = add_target(run, &own.at[0], found);
    else
        cannot("device '%s' is known but does not come up", name);
    conf_devices_release(&own);
    return st;
}

/* Drivers that HALCYON_DEVICES leaves out are loaded where the devices that it
 * admits are not what is asked for, to say what there is. */
static int find_devices(const struct conf_run *run, struct conf_devices *found)
{
    const struct conf_strings *named = &run->set->devices;
    enum conf_probe what =
        run->outer_devices[0] ? CONF_PROBE_ADMITTED : CONF_PROBE_ALL;
    char error[1024];

    for (;; what = CONF_PROBE_ALL) {
        int is_enough;

        if (conf_probe_devices(found, what, NULL, run->set->timeout_scale,
                               error, sizeof error))
            return cannot("%s", error);
        is_enough = found->n > 0;
        for (int i = 0; i < named->n; i++)
            is_enough &= find_device(found, named->at[i]) != NULL;
        if (is_enough || what == CONF_PROBE_ALL)
            return 0;
        conf_devices_release(found);
    }
}

static int select_devices(struct conf_run *run)
{
    const struct conf_strings *named = &run->set->devices;
    struct conf_devices found;
    int st = find_devices(run, &found);

    if (st)
        return st;
    run->targets = calloc((size_t)(named->n  ? named->n
                                   : found.n ? found.n
                                             : 1),
                          sizeof *run->targets);
    if (!run->targets)
        st = cannot("out of memory");
    for (int i = 0; i < named->n && !st; i++)
        st = add_named(run, named->at[i], &found);
    for (int i = 0; i < found.n && !named->n && !st; i++)
        st = add_target(run, &found.at[i], &found);
    if (!st && run->n_targets == 0) {
        st = cannot("no device was found%s",
                    run->outer_devices[0] ? " (HALCYON_DEVICES is set)" : "");
        say_notes(found.notes);
    } else if (!st && !named->n && !run->set->quiet && found.notes[0]) {
        fputs("note: not every backend is here:\n", stderr);
        say_notes(found.notes);
    }
    conf_devices_release(&found);
    return st;
}

/* ---- the run --------------------------------------------------------- */

static void say_plan(const struct conf_run *run)
{
    FILE *out = conf_out();

    for (size_t i = 0; i < run->list->n_notes; i++)
        fprintf(out, "note: %s\n", run->list->notes[i]);
    fprintf(out, "halcyon conform: %zu case%s on", run->n_cases,
            run->n_cases == 1 ? "" : "s");
    for (int i = 0; i < run->n_targets; i++)
        fprintf(out, "%s %s", i ? "," : "", run->targets[i].device.name);
    if (run->set->shards)
        fprintf(out, "; shard %d/%d of %zu", run->set->shard, run->set->shards,
                run->plan_cases);
    if (run->n_resumed)
        fprintf(out, "; %zu verdicts from %s", run->n_resumed,
                run->set->resume);
    fprintf(out, "; seed %llu, %d job%s\n", (unsigned long long)run->set->seed,
            run->set->jobs, run->set->jobs == 1 ? "" : "s");
    fflush(out);
}

static void stamp(struct conf_run *run)
{
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(run->started, sizeof run->started, "%Y-%m-%dT%H:%M:%SZ", &tm);
    run->start_ms = conf_now_ms();
}

static int run_all(struct conf_run *run, struct conf_outputs *outputs)
{
    int st, lost, changed;

    stamp(run);
    if (conf_settle_open(run) || conf_origin_take(run) ||
        conf_journal_open(run))
        return CONF_EXIT_UNRUN;
    if (!run->set->quiet)
        say_plan(run);
    conf_progress_begin(run);
    conf_progress_resumed(run);
    st = conf_schedule(run);
    conf_progress_end(run);
    run->wall_ms = conf_now_ms() - run->start_ms;
    /* A journal that is lost, and packs that are others now, cost the status,
     * not the reports. */
    lost = conf_journal_close(run);
    changed = conf_origin_holds(run);
    if (changed)
        conf_journal_drop(run);
    if (st)
        return cannot("out of memory");
    conf_report_text(run);
    lost |= conf_outputs_write(outputs, run);
    if (!changed) /* a package tells where its verdicts come from */
        lost |= conf_package_write(run);
    return lost || changed ? CONF_EXIT_UNRUN : conf_exit_status(run);
}

static int read_history(struct conf_run *run)
{
    char error[CONF_RESULTS_ERROR];

    if (!run->set->history)
        return 0;
    run->history = calloc(1, sizeof *run->history);
    if (!run->history)
        return cannot("out of memory");
    if (conf_results_read(run->history, run->set->history, error))
        return cannot("--history: %s", error);
    return 0;
}

void conf_run_forget(struct conf_run *run)
{
    for (int i = 0; i < run->n_targets; i++) {
        struct conf_target *t = &run->targets[i];

        for (size_t k = 0; t->results && k < run->n_cases; k++) {
            free(t->results[k].message);
            free(t->results[k].metrics);
        }
        free(t->results);
        free(t->queue);
    }
    free(run->targets);
}

static void release(struct conf_run *run)
{
    if (run->history)
        conf_results_release(run->history);
    free(run->history);
    conf_settle_close(run);
    cJSON_Delete(run->origin);
    for (int i = 0; i < run->n_targets; i++)
        free(run->targets[i].devices);
    conf_run_forget(run);
    free(run->cases);
}

/* The default run does Halcyon's main job, on reference data that others'
 * code made; it must not shrink because a folder is not there. */
static int check_golden(const struct conf_settings *set)
{
    if (set->golden.n || set->levels.n || set->globs.n || set->self_test)
        return 0;
    if (set->list) {
        fputs("note: without the reference vectors (conformance/golden), which "
              "are not beside this program; --golden DIR names a pack\n",
              stderr);
        return 0;
    }
    return cannot("the reference vectors (conformance/golden) are not beside "
                  "this program: name a pack with --golden DIR, or choose "
                  "levels with --level");
}

static int conform(const struct conf_settings *set)
{
    const struct conf_options options = { set->golden.at, set->golden.n };
    const char *outer = getenv("HALCYON_DEVICES");
    struct conf_outputs outputs = { 0 };
    struct conf_list list = { 0 };
    struct conf_run run = { .set = set,
                            .list = &list,
                            .outer_devices = outer ? outer : "" };
    int st = check_golden(set);

    if (st)
        return st;
    if (conf_list_build(&list, &options)) {
        st = cannot("%s", list.error);
        goto out;
    }
    st = set->self_test ? conf_selftest_cases(&run) : select_cases(&run);
    if (st)
        goto out;
    if (conf_outputs_open(&outputs, set) || conf_package_open(set)) {
        st = CONF_EXIT_UNRUN;
        goto out;
    }
    if (set->list) {
        st = set->self_test ? print_mutants(set->mutant_glob)
                            : print_list(&run, &outputs.of[CONF_OUT_JSON]);
        goto out;
    }
    st = read_history(&run);
    if (st)
        goto out;
    st = select_devices(&run);
    if (!st && set->self_test)
        st = conf_selftest(&run, &outputs.of[CONF_OUT_JSON]);
    else if (!st)
        st = run_all(&run, &outputs);
out:
    conf_outputs_abandon(&outputs);
    release(&run);
    conf_list_release(&list);
    return st;
}

int conf_command(int argc, char **argv)
{
    struct conf_settings set;
    int st;

    if (conf_settings_parse(&set, argc, argv)) {
        conf_settings_release(&set);
        fputs("halcyon conform --help lists the options\n", stderr);
        return CONF_EXIT_USAGE;
    }
    if (set.help) {
        conf_usage(stdout);
        st = CONF_EXIT_OK;
    } else if (set.probe) {
        st = conf_probe_main(set.probe);
    } else if (set.worker) {
        st = conf_worker_main(&set);
    } else {
        conf_signals_begin();
        st = conform(&set);
        conf_signals_end();
    }
    conf_settings_release(&set);
    return st;
}
