/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner_test.h - what the tests of the runner share.  A program that includes
 * it is its own worker: called as `PROGRAM conform ...` it is the conformance
 * command with the planted family added.
 */
#ifndef TESTS_CONFORMANCE_RUNNER_TEST_H
#define TESTS_CONFORMANCE_RUNNER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conformance/run.h"
#include "tests/conformance/planted.h"

/* ---- running ---------------------------------------------------------------
 */

struct outcome {
    int status;
    char *out; /* stdout and stderr */
    cJSON *json;
};

static char json_path[64], junit_path[64];

static inline char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    size_t n;

    if (!f) {
        free(text);
        return NULL;
    }
    n = fread(text, 1, (1 << 20) - 1, f);
    text[n] = 0;
    fclose(f);
    return text;
}

static inline void run(struct outcome *o, const char *const *args)
{
    const char *argv[40] = { "/proc/self/exe", "conform" };
    size_t n = 2, got = 0;
    int pipe_fds[2], status;
    ssize_t k;
    pid_t pid;
    char *text;

    while (*args)
        argv[n++] = *args++;
    assert_int_equal(pipe(pipe_fds), 0);
    pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], 1);
        dup2(pipe_fds[1], 2);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(pipe_fds[1]);
    o->out = calloc(1, 1 << 20);
    while ((k = read(pipe_fds[0], o->out + got, (1 << 20) - 1 - got)) > 0)
        got += (size_t)k;
    close(pipe_fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    o->status = WEXITSTATUS(status);
    text = read_file(json_path);
    o->json = text ? cJSON_Parse(text) : NULL;
    free(text);
    unlink(json_path);
}
#define RUN(o, ...) run((o), (const char *const[]){ __VA_ARGS__, NULL })

static inline void done(struct outcome *o)
{
    free(o->out);
    cJSON_Delete(o->json);
}

static inline const cJSON *case_of(const struct outcome *o, const char *name)
{
    const cJSON *item;

    cJSON_ArrayForEach(
        item,
        cJSON_GetObjectItem(
            o->json, "cases")) if (!strcmp(cJSON_GetObjectItem(item, "name")
                                               ->valuestring,
                                           name)) return item;
    return NULL;
}

static inline const char *field(const struct outcome *o, const char *name,
                                const char *key)
{
    const cJSON *item = case_of(o, name);

    if (!item) {
        print_error("no result of %s in:\n%s\n", name, o->out ? o->out : "");
        fail();
    }
    return cJSON_GetObjectItem(item, key)->valuestring;
}

static inline void is(const struct outcome *o, const char *name,
                      const char *verdict, const char *words)
{
    const char *message = field(o, name, "message");

    if (strcmp(field(o, name, "verdict"), verdict) || !strstr(message, words)) {
        print_error("%s: want %s '%s', got %s '%s'\n", name, verdict, words,
                    field(o, name, "verdict"), message);
        fail();
    }
}

/* Every device's counts add up to what was planned, and to its cases. */
static inline void adds_up(const struct outcome *o)
{
    const cJSON *device, *count;

    cJSON_ArrayForEach(device, cJSON_GetObjectItem(o->json, "summary"))
    {
        int sum = 0, planned = 0, cases = 0;
        const cJSON *item;

        cJSON_ArrayForEach(count, device)
        {
            if (!strcmp(count->string, "planned"))
                planned = count->valueint;
            else
                sum += count->valueint;
        }
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(o->json, "cases")) cases +=
            !strcmp(cJSON_GetObjectItem(item, "device")->valuestring,
                    device->string);
        assert_int_equal(sum, planned);
        assert_int_equal(cases, planned);
        assert_true(planned > 0);
    }
}

static inline int runner_test_main(int argc, char **argv,
                                   const struct CMUnitTest *tests, size_t n)
{
    if (argc > 1 && !strcmp(argv[1], "conform")) {
        conf_extra_family = planted_family;
        return conf_command(argc - 1, argv + 1);
    }
    snprintf(json_path, sizeof json_path, "/tmp/test_runner.%ld.json",
             (long)getpid());
    snprintf(junit_path, sizeof junit_path, "/tmp/test_runner.%ld.xml",
             (long)getpid());
    return _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
}

#endif
