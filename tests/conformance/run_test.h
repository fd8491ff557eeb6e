/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_test.h - for tests that run the conformance command: the test program is
 * its own runner and worker, called as `PROGRAM conform ...`.
 *
 * make_dir and remove_dir, setup and teardown of the group, give it a folder of
 * its own.
 */
#ifndef TESTS_CONFORMANCE_RUN_TEST_H
#define TESTS_CONFORMANCE_RUN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/run.h"

struct outcome {
    int status; /* -1: ended by a signal */
    char *out;  /* stdout and stderr */
};

static char run_dir[64];

/* A path in run_dir; eight of them live at a time. */
static inline const char *in_dir(const char *name)
{
    static char paths[8][160];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", run_dir, name);
    return path;
}

static inline char *read_text(const char *path)
{
    FILE *f = fopen(path, "r");
    size_t n = 0, room = (size_t)1 << 24;
    char *text = f ? calloc(1, room) : NULL;

    if (text)
        n = fread(text, 1, room - 1, f);
    if (text)
        text[n] = 0;
    if (f)
        fclose(f);
    return text;
}

static inline void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static inline cJSON *read_json(const char *path)
{
    char *text = read_text(path);
    cJSON *json = text ? cJSON_Parse(text) : NULL;

    free(text);
    return json;
}

/* Starts a program; *out_fd: what it prints. */
static inline pid_t start_program(const char *path, const char *const *args,
                                  int *out_fd)
{
    const char *argv[64] = { path };
    int fds[2];
    size_t n = 1;
    pid_t pid;

    while (*args)
        argv[n++] = *args++;
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(fds[1]);
    *out_fd = fds[0];
    return pid;
}

/* This program. */
static inline pid_t run_start(const char *const *args, int *out_fd)
{
    return start_program("/proc/self/exe", args, out_fd);
}

static inline struct outcome run_end(pid_t pid, int fd)
{
    struct outcome o = { .out = calloc(1, 1 << 20) };
    size_t got = 0;
    int status;
    ssize_t k;

    while ((k = read(fd, o.out + got, (1 << 20) - 1 - got)) > 0)
        got += (size_t)k;
    close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    o.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return o;
}

static inline struct outcome run_args(const char *const *args)
{
    int fd;
    pid_t pid = run_start(args, &fd);

    return run_end(pid, fd);
}
static inline struct outcome run_program(const char *path,
                                         const char *const *args)
{
    int fd;
    pid_t pid = start_program(path, args, &fd);

    return run_end(pid, fd);
}
#define RUN(...)     run_args((const char *const[]){ __VA_ARGS__, NULL })
#define CONFORM(...) RUN("conform", __VA_ARGS__)

/* Demands the status and the words, and frees. */
static inline void must(struct outcome o, int status, const char *words)
{
    if (o.status != status || !strstr(o.out, words)) {
        print_error("status %d, want %d; want '%s' in:\n%s\n", o.status, status,
                    words, o.out);
        fail();
    }
    free(o.out);
}

static inline const char *string_of(const cJSON *item, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(item, key));

    return text ? text : "";
}

/* The result of a case in a report, on any device. */
static inline const cJSON *case_in(const cJSON *report, const char *name)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, cJSON_GetObjectItem(report, "cases"))
    {
        if (!strcmp(string_of(item, "name"), name))
            return item;
    }
    return NULL;
}

static inline int make_dir(void **state)
{
    (void)state;
    snprintf(run_dir, sizeof run_dir, "/tmp/halcyon-run-XXXXXX");
    return mkdtemp(run_dir) ? 0 : -1;
}

static inline int remove_dir(void **state)
{
    char command[192];

    (void)state;
    snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", run_dir,
             run_dir);
    return system(command);
}

#endif
