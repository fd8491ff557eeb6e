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

struct conf_settings {
    struct conf_strings devices, levels, globs;
    struct conf_strings golden; /* --golden, then Halcyon's own pack */
    int n_user_golden;
    int list, worker, probe, quiet, verbose, help;
    uint64_t seed; /* < 2^53: exact in JSON */
    int jobs;
    double timeout_scale;
    const char *json, *junit;
};

/* -1 and a line on stderr when the command line is wrong. */
int conf_settings_parse(struct conf_settings *s, int argc, char **argv);
void conf_settings_release(struct conf_settings *s);
void conf_usage(FILE *to);
int conf_strings_add(struct conf_strings *s, const char *text);

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
    char notes[2048]; /* what backends lack, a line each */
    char known[2048]; /* names that a device could have */
};

/* Asks a child.  devices: as for conf_spawn.  0, or -1 and `error`. */
int conf_probe(struct conf_devices *out, const char *devices,
               double timeout_scale, char *error, size_t room);
void conf_devices_release(struct conf_devices *d);
int conf_probe_main(void); /* the child */

/* ---- worker.c ------------------------------------------------------------ */

int conf_worker_main(const struct conf_settings *s);

/* ---- the run ------------------------------------------------------------- */

struct conf_result {
    enum conf_verdict verdict;
    int done;
    int lost; /* how often a worker died before the case began */
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
    struct conf_counts counts;
};

struct conf_run {
    const struct conf_settings *set;
    const struct conf_list *list;
    const struct conf_case **cases; /* the plan's */
    size_t n_cases;
    struct conf_target *targets;
    int n_targets;
    size_t n_done, n_planned;
    double start_ms, wall_ms;
    int interrupted; /* by this signal */
    unsigned internal_errors;
    const char *outer_devices; /* HALCYON_DEVICES as the user set it, or "" */
    char started[32];          /* ISO 8601, UTC */
};

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
int conf_exit_status(const struct conf_run *run);
char *conf_report_json(const struct conf_run *run);
char *conf_list_json(const struct conf_case *const *cases, size_t n);
char *conf_report_junit(const struct conf_run *run);

/* ---- outfile.c: a file that is there whole or not at all ----------------- */

struct conf_outfile {
    char *path, *temporary; /* temporary NULL: written in place */
    FILE *file;
};
/* Opens for writing, so that an unwritable path is known before the run; "-" is
 * stdout.  0, or -1 and a line on stderr. */
int conf_outfile_open(struct conf_outfile *o, const char *path);
/* Writes and puts it in place.  0, or -1 and a line on stderr. */
int conf_outfile_finish(struct conf_outfile *o, const char *text);
void conf_outfile_abandon(struct conf_outfile *o);

/* ---- text.c -------------------------------------------------------------- */

/* Makes valid UTF-8 without control characters but newlines, in place. */
void conf_clean(char *text);
/* "api.memory" of "api.memory.fill.odd_tail", of at most `parts` parts. */
size_t conf_family_length(const char *name, int parts);
/* The reason why a process ended, in words. */
void conf_status_text(int status, char *text, size_t room);

#endif
