/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.h - what the files of the runner share.  The parent process plans,
 * schedules and reports and never touches a device; workers and the probe are
 * processes of the same program that do.
 *
 *   settings.c  the command line        probe.c     which devices there are
 *   spawn.c     child processes         worker.c    the worker's side
 *   schedule.c, ends.c, events.c: the plan, carried out by workers
 *   command.c   all of it in order
 *   progress.c  what is seen meanwhile  report_*.c  what is seen afterwards
 */
#ifndef CONFORMANCE_RUNNER_H
#define CONFORMANCE_RUNNER_H

#include <signal.h>
#include <stdio.h>
#include <sys/types.h>

#include "conformance/case.h"
#include "conformance/list.h"
#include "conformance/run.h"
#include "conformance/verdict.h"

/* ---- settings.c ---------------------------------------------------------- */

struct conf_strings {
    const char **at;
    int n;
};

/* What a probe looks for: the devices that HALCYON_DEVICES admits, or what
 * there is besides, and what backends lack, too, which loads every driver. */
enum conf_probe { CONF_PROBE_NO, CONF_PROBE_ADMITTED, CONF_PROBE_ALL };

struct conf_settings {
    struct conf_strings devices, levels, globs;
    struct conf_strings golden; /* --golden, then Halcyon's own pack */
    int n_user_golden;
    int list, worker, quiet, verbose, help;
    enum conf_probe probe;
    const char *resume;         /* a folder with a journal, or NULL */
    int shard, shards;          /* shard of shards, from 1; shards 0: all */
    double budget_ms;           /* 0: none */
    struct conf_strings expect; /* files of --expect */
    int rerun;                  /* how often a case that is bad runs again */
    const char *history;        /* a report of an earlier run */
    int self_test;
    const char *mutant_glob;          /* of --mutant */
    const struct conf_mutant *mutant; /* the one planted in workers, or NULL */
    uint64_t seed;                    /* < 2^53: exact in JSON */
    int jobs;
    double timeout_scale;
    const char *json, *junit, *tap, *html, *package;
};

struct conf_mutant; /* mutant.h */

/* -1 and a line on stderr when the command line is wrong. */
int conf_settings_parse(struct conf_settings *s, int argc, char **argv);
void conf_settings_release(struct conf_settings *s);
void conf_usage(FILE *to);
int conf_strings_add(struct conf_strings *s, const char *text);
/* A line on stderr; -1. */
int conf_settings_complain(const char *option, const char *value,
                           const char *rule);

/* settings_more.c: options beyond those of a plain run. */
int conf_settings_more(struct conf_settings *s, int option, const char *value);
/* What does not go together. */
int conf_settings_check(struct conf_settings *s);
enum {
    CONF_OPT_SELF_TEST = 512,
    CONF_OPT_MUTANT,
    CONF_OPT_RESUME,
    CONF_OPT_SHARD,
    CONF_OPT_BUDGET,
    CONF_OPT_HISTORY,
    CONF_OPT_EXPECT,
    CONF_OPT_RERUN,
    CONF_OPT_TAP,
    CONF_OPT_HTML,
    CONF_OPT_PACKAGE
};

/* ---- signals.c ----------------------------------------------------------- */

/* SIGINT, SIGTERM and SIGHUP are noted, no more; between begin and end. */
void conf_signals_begin(void);
void conf_signals_end(void);
int conf_signal_caught(void); /* the last one, or 0 */
/* Holds them back, so that none comes between a look and a wait. */
void conf_signals_block(sigset_t *out_before);
/* A second SIGINT ends the process at once.  Which process groups it kills
 * then, and which files and empty folders it removes (a folder is added before
 * its files); paths are copied.  _keeps also forgets what is beneath the path.
 */
void conf_end_kills(pid_t pid);
void conf_end_spares(pid_t pid);
void conf_end_removes(const char *path);
void conf_end_keeps(const char *path);

/* ---- spawn.c ------------------------------------------------------------- */

/* A child: this program again, leader of its own process group. */
struct conf_child {
    pid_t pid;
    int commands; /* its stdin; -1: closed */
    int events;   /* its descriptor 3 */
    int output;   /* its stdout and stderr */
};

#define CONF_EVENTS_FD 3

/* argv after the program's name, NULL at the end; devices: HALCYON_DEVICES, or
 * NULL to leave it as it is.  Returns 0 or an errno. */
int conf_spawn(struct conf_child *child, const char *const *argv,
               const char *devices);
/* Kills the group if `now`, else gives it two seconds to end; closes what is
 * open and returns the status as waitpid gives it. */
int conf_reap(struct conf_child *child, int now);
/* The child's own first steps. */
void conf_child_begin(void);
/* Writes all of it; 0 or -1. */
int conf_write_all(int fd, const char *data, size_t size);

/* ---- probe.c ------------------------------------------------------------- */

struct conf_device {
    char name[64]; /* stable: "opencl:0" */
    char product[256], backend[16], driver[256], stands_on[64];
};

struct conf_devices {
    struct conf_device *at;
    int n;
    /* CONF_PROBE_ALL: */
    char notes[2048]; /* what backends lack, a line each */
    char known[2048]; /* names that a device could have */
};

/* Asks a child.  devices: as for conf_spawn.  0, or -1 and `error`. */
int conf_probe_devices(struct conf_devices *out, enum conf_probe what,
                       const char *devices, double timeout_scale, char *error,
                       size_t room);
void conf_devices_release(struct conf_devices *d);
int conf_probe_main(enum conf_probe what); /* the child */

/* ---- worker.c ------------------------------------------------------------ */

int conf_worker_main(const struct conf_settings *s);

/* ---- the run ------------------------------------------------------------- */

struct conf_result {
    enum conf_verdict verdict;
    int done;
    int lost;                /* how often a worker died before the case began */
    int mandatory, left_out; /* of a run with a budget */
    int n_runs;              /* bad ones that do not count yet; of these: */
    enum conf_verdict first;
    char *first_message;
    double ms;
    char *message; /* NULL: none */
    struct conf_metric *metrics;
    int n_metrics;
};

/* One device and what it owes: every planned case. */
struct conf_target {
    struct conf_device device;
    char *devices; /* HALCYON_DEVICES of its workers */
    struct conf_result *results;
    size_t *queue; /* indices of cases that wait, last one first */
    size_t n_queue;
    int n_workers;
    int start_failures;
    size_t n_left_out; /* of a run with a budget: not in the counts */
    const struct conf_mutant *mutant; /* in its workers; NULL: the settings' */
    double patience; /* its limits are so many times longer; 0: once */
    struct conf_counts counts;
};

struct conf_outfile;
struct conf_journal;
struct conf_results; /* results.h */
struct conf_expects; /* expect.h */

struct conf_run {
    const struct conf_settings *set;
    const struct conf_list *list;
    const struct conf_case **cases; /* the plan's, of this shard */
    size_t n_cases;
    char plan_hash[33]; /* of the names of all shards' cases */
    size_t plan_cases;
    struct conf_journal *journal; /* NULL: none */
    size_t n_resumed;             /* verdicts that came out of it */
    struct conf_results *history; /* NULL: none */
    struct conf_expects *expects; /* NULL: none */
    struct conf_target *targets;
    int n_targets;
    size_t n_done, n_planned;
    double start_ms, wall_ms;
    int interrupted; /* by this signal */
    unsigned internal_errors;
    struct cJSON *origin;        /* origin.h; NULL: nobody asks */
    void (*heard)(void *hearer); /* after each verdict; NULL: nobody */
    void *hearer;
    const char *outer_devices; /* HALCYON_DEVICES as the user set it, or "" */
    char started[32];          /* ISO 8601, UTC */
};

/* selftest.c: cases of run are replaced by those that see mutants; then, with
 * devices, each mutant runs on each.  The exit status. */
int conf_selftest_cases(struct conf_run *run);
int conf_selftest(struct conf_run *run, struct conf_outfile *json);

/* ---- plan.c: what the run owes, and in which order --------------------- */

/* The hash of the selected cases; then only those of the shard.  0 or -1. */
int conf_plan_fix(struct conf_run *run);
/* How many of the cases belong to each level: { "core": 12 }. */
struct cJSON *conf_plan_levels(const struct conf_case *const *cases, size_t n);
/* Fills the queue of a device with what is not done.  0 or -1. */
int conf_plan_queue(const struct conf_run *run, struct conf_target *t);
/* The budget is spent: what waits and is not mandatory is no longer owed. */
void conf_plan_leave_out(struct conf_run *run, struct conf_target *t);

/* ---- settle.c: the verdict that counts ----------------------------------- */

/* Reads the files of --expect.  0, or -1 and a line on stderr. */
int conf_settle_open(struct conf_run *run);
void conf_settle_close(struct conf_run *run);
/* 1: the case shall run again.  *message is malloc'ed, or NULL; both may
 * change. */
int conf_settle_again(const struct conf_run *run, struct conf_result *r,
                      enum conf_verdict *verdict, char **message);
void conf_settle_expected(const struct conf_run *run,
                          const struct conf_target *t, const char *name,
                          enum conf_verdict *verdict, char **message);

/* ---- journal.c ----------------------------------------------------------- */

/* Takes what the journal of --resume holds into the results and opens it for
 * more.  0, or -1 and a line on stderr. */
int conf_journal_open(struct conf_run *run);
/* The journal's first line: what else must be equal for its verdicts to be this
 * run's. */
struct cJSON *conf_journal_head(const struct conf_run *run);
void conf_journal_add(struct conf_run *run, const struct conf_target *t,
                      size_t index);
/* Takes the text of a journal into the results; *out_good: the bytes of its
 * whole lines.  0, or -1 and "path:line: what".  The fuzzer's entry. */
int conf_journal_take(struct conf_run *run, const char *path, const char *text,
                      size_t size, size_t *out_good, char *error, size_t room);
/* -1 and a line on stderr if not all of it could be written. */
int conf_journal_close(struct conf_run *run);
/* Of the folder of --resume. */
#define CONF_JOURNAL_PATH 4200
void conf_journal_path(const char *dir, char path[CONF_JOURNAL_PATH]);
/* Removes the journal of --resume: its verdicts may be of something else. */
void conf_journal_drop(const struct conf_run *run);

/* schedule.c: returns when every planned case has its verdict. */
int conf_schedule(struct conf_run *run);
/* The command that reruns a case; free it. */
char *conf_rerun(const struct conf_run *run, const struct conf_target *t,
                 const struct conf_case *cc);

/* What runs now, for progress. */
struct conf_running {
    const char *device, *name; /* name NULL: starting */
    double ms;
};

/* progress.c */
void conf_progress_begin(const struct conf_run *run);
void conf_progress_result(const struct conf_run *run,
                          const struct conf_target *t, size_t index);
/* What --resume found, said as if it had been run now. */
void conf_progress_resumed(const struct conf_run *run);
void conf_progress_say(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
/* Called often; draws when it is time. */
void conf_progress_tick(const struct conf_run *run,
                        const struct conf_running *running, int n_running);
void conf_progress_end(const struct conf_run *run);
/* The stream that people read: stdout, or stderr when a report goes there. */
FILE *conf_out(void);
void conf_out_set(FILE *to);

/* report_text.c, report_json.c, report_junit.c */
void conf_report_text(const struct conf_run *run);
/* 1 if the device's verdicts show something.  A shard need not by itself; merge
 * asks the whole. */
int conf_target_proves(const struct conf_run *run, const struct conf_target *t);
int conf_exit_status(const struct conf_run *run);
char *conf_report_json(const struct conf_run *run);
char *conf_list_json(const struct conf_run *run);
char *conf_report_junit(const struct conf_run *run);
char *conf_report_tap(const struct conf_run *run);  /* report_tap.c */
char *conf_report_html(const struct conf_run *run); /* report_html.c */

/* ---- outfile.c: a file that is there whole or not at all ----------------- */

struct conf_outfile {
    char *path, *temporary; /* temporary NULL: written in place */
    FILE *file;
};
/* 1 if both names are of one place, whether there is something or not. */
int conf_is_same_place(const char *a, const char *b);
/* 1 if the path is of something beneath the folder; links followed. */
int conf_is_within(const char *path, const char *dir);
/* Opens for writing, so that an unwritable path is known before the run; "-" is
 * stdout.  0, or -1 and a line on stderr. */
int conf_outfile_open(struct conf_outfile *o, const char *path);
/* Writes and puts it in place.  0, or -1 and a line on stderr. */
int conf_outfile_finish(struct conf_outfile *o, const char *text);
void conf_outfile_abandon(struct conf_outfile *o);

/* outputs.c: all reports that the command line asks for. */
enum { CONF_OUT_JSON, CONF_OUT_JUNIT, CONF_OUT_TAP, CONF_OUT_HTML, CONF_OUTS };
struct conf_outputs {
    struct conf_outfile of[CONF_OUTS];
};
int conf_outputs_open(struct conf_outputs *o, const struct conf_settings *set);
int conf_outputs_write(struct conf_outputs *o, const struct conf_run *run);
void conf_outputs_abandon(struct conf_outputs *o);

/* package.c: -1 and a line on stderr; no --package: nothing is done. */
int conf_package_open(const struct conf_settings *set);
int conf_package_write(const struct conf_run *run);

/* ---- command.c ----------------------------------------------------------- */

/* Frees the targets of a run and what became of its cases; not the devices'
 * names, which runs may share. */
void conf_run_forget(struct conf_run *run);

/* ---- text.c -------------------------------------------------------------- */

/* Makes valid UTF-8 without control characters but newlines, in place. */
void conf_clean(char *text);
/* "api.memory" of "api.memory.fill.odd_tail", of at most `parts` parts. */
size_t conf_family_length(const char *name, int parts);
/* The reason why a process ended, in words. */
void conf_status_text(int status, char *text, size_t room);

#endif
