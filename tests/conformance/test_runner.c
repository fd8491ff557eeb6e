/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_runner.c - the runner against planted bad cases: each way to be wrong
 * must give its own verdict, cost one case, and show in the exit status.
 *
 * This program is its own worker: called as `PROGRAM conform ...` it is the
 * conformance command with the planted family added.
 */
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

static char *read_file(const char *path)
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

static void run(struct outcome *o, const char *const *args)
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

static void done(struct outcome *o)
{
    free(o->out);
    cJSON_Delete(o->json);
}

static const cJSON *case_of(const struct outcome *o, const char *name)
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

static const char *field(const struct outcome *o, const char *name,
                         const char *key)
{
    const cJSON *item = case_of(o, name);

    if (!item) {
        print_error("no result of %s in:\n%s\n", name, o->out);
        fail();
    }
    return cJSON_GetObjectItem(item, key)->valuestring;
}

static void is(const struct outcome *o, const char *name, const char *verdict,
               const char *words)
{
    const char *message = field(o, name, "message");

    if (strcmp(field(o, name, "verdict"), verdict) || !strstr(message, words)) {
        print_error("%s: want %s '%s', got %s '%s'\n", name, verdict, words,
                    field(o, name, "verdict"), message);
        fail();
    }
}

/* Every device's counts add up to what was planned, and to its cases. */
static void adds_up(const struct outcome *o)
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

/* ---- verdicts --------------------------------------------------------------
 */

static void each_fault_has_its_verdict(void **state)
{
    struct outcome o;
    int n = 0;

    (void)state;
    RUN(&o, "--device", "cpu:0", "--case", "selftest.*", "--json", json_path,
        "--junit", junit_path, "--jobs", "2");
    assert_non_null(o.json);
    is(&o, "selftest.pass", "pass", "");
    is(&o, "selftest.param", "pass", "");
    is(&o, "selftest.writes_all", "pass", "");
    is(&o, "selftest.right_error", "pass", "");
    is(&o, "selftest.garbage", "pass", "");
    is(&o, "selftest.zeros", "fail", "first element 0 (row 0, col 0)");
    is(&o, "selftest.nan", "fail", "element 1 (row 0, col 1)");
    is(&o, "selftest.crash", "crash", "signal 11");
    is(&o, "selftest.crash", "crash", "about to crash");
    is(&o, "selftest.killed", "crash", "signal 9");
    is(&o, "selftest.exits", "crash", "exit status 0 in mid-case");
    is(&o, "selftest.hang", "timeout", "no verdict after 1.");
    is(&o, "selftest.hang_with_child", "timeout", "no verdict after 1.");
    is(&o, "selftest.no_check", "error", "made no check");
    is(&o, "selftest.nothing_compared", "error", "made no check");
    is(&o, "selftest.spoils_events", "missing", "internal error");
    is(&o, "selftest.answers_twice", "missing", "two verdicts");
    is(&o, "selftest.closes_events", "crash", "signal 9");
    is(&o, "selftest.writes_after", "fail", "red zone after it");
    is(&o, "selftest.writes_before", "fail", "first at offset -1 ");
    is(&o, "selftest.writes_input", "fail", "an input was written");
    is(&o, "selftest.never_writes", "fail", "never written");
    is(&o, "selftest.unsupported", "unsupported", "<b> & \"such\" thing");
    is(&o, "selftest.no_reason", "error", "without a reason");
    is(&o, "selftest.call_fails", "error", "halErrorInvalidValue");
    is(&o, "selftest.wrong_error", "fail", "want halErrorNotFound");
    is(&o, "selftest.thread_fails", "fail", "seen by another thread");
    is(&o, "selftest.says_much", "fail", "bad bytes  ?(?");
    is(&o, "selftest.random", "pass", "");
    while (planted[n].name)
        n++;
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(o.json, "cases")),
                     n + 1);
    adds_up(&o);
    /* A missing result and a second answer outweigh the failures. */
    assert_int_equal(o.status, CONF_EXIT_UNRUN);
    assert_string_equal(
        field(&o, "selftest.zeros", "rerun"),
        "halcyon conform --device cpu:0 --case selftest.zeros --seed 1");
    assert_non_null(strstr(o.out, "--case selftest.zeros --seed 1"));
    done(&o);
}

/* A stack of open elements: enough to see that the XML is well formed. */
static void is_well_formed(const char *xml)
{
    char stack[16][32];
    int depth = 0;

    assert_memory_equal(xml, "<?xml ", 6);
    for (const char *p = strstr(xml, "?>") + 2; *p; p++) {
        char name[32];
        const char *end;

        if (*p == '&') {
            assert_true(!strncmp(p, "&amp;", 5) || !strncmp(p, "&lt;", 4) ||
                        !strncmp(p, "&gt;", 4) || !strncmp(p, "&quot;", 6) ||
                        !strncmp(p, "&apos;", 6) || !strncmp(p, "&#10;", 5));
        }
        if ((unsigned char)*p < 0x20)
            assert_int_equal(*p, '\n');
        if (*p != '<')
            continue;
        end = strchr(p, '>');
        assert_non_null(end);
        assert_null(memchr(p + 1, '<', (size_t)(end - p - 1)));
        if (p[1] == '/') {
            assert_true(depth > 0);
            depth--;
            assert_memory_equal(p + 2, stack[depth], strlen(stack[depth]));
        } else if (end[-1] != '/') {
            assert_int_equal(sscanf(p + 1, "%31[a-z]", name), 1);
            assert_true(depth < 16);
            strcpy(stack[depth++], name);
        }
        for (const char *q = p; q < end; q++)
            if (*q == '&')
                assert_non_null(memchr(q, ';', (size_t)(end - q)));
        p = end;
    }
    assert_int_equal(depth, 0);
}

static void junit_is_well_formed(void **state)
{
    struct outcome o;
    char *xml;

    (void)state;
    RUN(&o, "--device", "cpu:0", "--case", "selftest.[nuspw]*", "--case",
        "selftest.zeros", "--junit", junit_path);
    xml = read_file(junit_path);
    assert_non_null(xml);
    unlink(junit_path);
    is_well_formed(xml);
    assert_non_null(strstr(xml, "&lt;b&gt; &amp; &quot;such&quot; thing"));
    assert_non_null(strstr(xml, "<failure type=\"fail\""));
    assert_non_null(strstr(xml, "<error type=\"missing\""));
    assert_non_null(strstr(xml, "<skipped message=\"unsupported: "));
    free(xml);
    done(&o);
}

/* ---- exit statuses ---------------------------------------------------------
 */

static void exit_statuses(void **state)
{
    static const struct {
        const char *args[6];
        int status;
        const char *words;
    } runs[] = {
        { { "--case", "selftest.pass" }, 0, "conformant: 1 cases" },
        { { "--case", "selftest.unsupported" }, 0, "supports none" },
        { { "--case", "selftest.zeros" }, 1, "NOT conformant: 1 of 1" },
        { { "--case", "selftest.no_check" }, 1, "made no check" },
        { { "--case", "nothing.*" }, 3, "matches none" },
        { { "--case", "selftest.pass", "--case", "x" }, 3, "'x' matches" },
        { { "--case", "selftest.pass", "--level", "memory" },
          3,
          "of these levels" },
        { { "--device", "cpu:77", "--case", "selftest.pass" },
          3,
          "no such device 'cpu:77'" },
        { { "--case", "selftest.pass", "--json", "/nowhere/x.json" },
          3,
          "/nowhere/x.json: cannot write: No such file" },
        { { "--json", "/", "--case", "selftest.pass" }, 3, "cannot write" },
        { { "--level", "turbo" }, 2, "turbo" },
        { { "--seed", "x" }, 2, "--seed" },
        { { "--seed", "-1" }, 2, "--seed" },
        { { "--seed", "9007199254740992" }, 2, "2^53" },
        { { "--jobs", "0" }, 2, "--jobs" },
        { { "--timeout", "nan" }, 2, "--timeout" },
        { { "--frobnicate" }, 2, "frobnicate" },
        { { "extra" }, 2, "extra" },
        { { "--device" }, 2, "device" },
        { { "--quiet", "--verbose" }, 2, "one of the two" },
        { { "--help" }, 0, "usage: halcyon conform" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        const char *args[10];
        struct outcome o;
        size_t n = 0;

        for (; runs[i].args[n]; n++)
            args[n] = runs[i].args[n];
        if (n && strcmp(runs[i].args[0], "--device") &&
            !strncmp(runs[i].args[0], "--case", 6)) {
            args[n++] = "--device";
            args[n++] = "cpu:0";
        }
        args[n] = NULL;
        run(&o, args);
        if (o.status != runs[i].status || !strstr(o.out, runs[i].words)) {
            print_error("run %zu (%s %s): status %d, want %d, words '%s' "
                        "in:\n%s\n",
                        i, runs[i].args[0],
                        runs[i].args[1] ? runs[i].args[1] : "", o.status,
                        runs[i].status, runs[i].words, o.out);
            fail();
        }
        done(&o);
    }
}

static void bad_lists_do_not_run(void **state)
{
    struct outcome o;

    (void)state;
    setenv("TEST_TWICE", "1", 1);
    RUN(&o, "--case", "selftest.pass");
    unsetenv("TEST_TWICE");
    assert_int_equal(o.status, CONF_EXIT_UNRUN);
    assert_non_null(strstr(o.out, "selftest.pass is in the list twice"));
    done(&o);
    setenv("TEST_LIST_ERROR", "1", 1);
    RUN(&o, "--case", "selftest.pass");
    unsetenv("TEST_LIST_ERROR");
    assert_int_equal(o.status, CONF_EXIT_UNRUN);
    assert_non_null(strstr(o.out, "key y is damaged"));
    done(&o);
}

static void lists(void **state)
{
    struct outcome o;
    cJSON *list;

    (void)state;
    RUN(&o, "--list", "--case", "selftest.writes_*", "--level", "memory");
    assert_int_equal(o.status, 0);
    assert_string_equal(o.out, "selftest.writes_after\nselftest.writes_all\n"
                               "selftest.writes_before\n"
                               "selftest.writes_input\n");
    done(&o);
    RUN(&o, "--list", "--case", "selftest.pass", "--json", "-");
    list = cJSON_Parse(o.out);
    assert_non_null(list);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(list, "cases")), 1);
    cJSON_Delete(list);
    done(&o);
}

/* ---- what a report holds ---------------------------------------------------
 */

static double random_metric(const struct outcome *o)
{
    return cJSON_GetObjectItem(
               cJSON_GetObjectItem(case_of(o, "selftest.random"), "metrics"),
               "random")
        ->valuedouble;
}

/* What a case has started dies with its worker. */
static void no_process_is_left(void **state)
{
    struct outcome o;
    char path[96], *text;
    FILE *f;

    (void)state;
    snprintf(path, sizeof path, "%s.child", json_path);
    setenv("TEST_CHILD_FILE", path, 1);
    RUN(&o, "--device", "cpu:0", "--case", "selftest.hang_with_child");
    unsetenv("TEST_CHILD_FILE");
    assert_int_equal(o.status, CONF_EXIT_NOT);
    done(&o);
    text = read_file(path);
    assert_non_null(text);
    unlink(path);
    snprintf(path, sizeof path, "/proc/%s/stat", text);
    free(text);
    /* Gone, or dead and not yet collected by whoever inherited it. */
    f = fopen(path, "r");
    if (f) {
        char state_letter = '?';

        assert_int_equal(fscanf(f, "%*d %*s %c", &state_letter), 1);
        fclose(f);
        assert_true(state_letter == 'Z' || state_letter == 'X');
    }
}

static void seeds_repeat(void **state)
{
    struct outcome a, b, other;

    (void)state;
    RUN(&a, "--device", "cpu:0", "--seed", "7", "--case", "selftest.random",
        "--json", json_path);
    /* In another order and another process: the same numbers. */
    RUN(&b, "--device", "cpu:0", "--seed", "7", "--case", "selftest.*s*",
        "--case", "selftest.random", "--json", json_path);
    RUN(&other, "--device", "cpu:0", "--seed", "8", "--case", "selftest.random",
        "--json", json_path);
    assert_true(random_metric(&a) == random_metric(&b));
    assert_true(random_metric(&a) != random_metric(&other));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(
        cJSON_GetObjectItem(case_of(&a, "selftest.random"), "metrics"),
        "nan")));
    assert_true(cJSON_GetObjectItem(case_of(&a, "selftest.random"), "seed")
                    ->valuedouble == 7);
    done(&a);
    done(&b);
    done(&other);
}

static void json_has_its_fields(void **state)
{
    static const char *const keys[] = { "schema",  "devices", "cases",
                                        "summary", "seed",    "result" };
    static const char *const case_keys[] = { "name",  "device", "verdict",
                                             "seed",  "ms",     "message",
                                             "rerun", "metrics" };
    struct outcome o;

    (void)state;
    RUN(&o, "--device", "cpu:0", "--case", "selftest.pass", "--json", "-",
        "--quiet");
    /* The words for people went to stderr, which is in o.out as well. */
    o.json = cJSON_Parse(strchr(o.out, '{'));
    assert_non_null(o.json);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(cJSON_GetObjectItem(o.json, keys[i]));
    for (size_t i = 0; i < sizeof case_keys / sizeof *case_keys; i++)
        assert_non_null(
            cJSON_GetObjectItem(case_of(&o, "selftest.pass"), case_keys[i]));
#define X(NAME, name, ok)                                                     \
    assert_non_null(cJSON_GetObjectItem(                                      \
        cJSON_GetObjectItem(cJSON_GetObjectItem(o.json, "summary"), "cpu:0"), \
        name));
    CONF_VERDICTS(X)
#undef X
    adds_up(&o);
    done(&o);
}

static void reports_replace_whole_files(void **state)
{
    struct outcome o;
    struct stat before, after;
    char path[96];
    FILE *f = fopen(json_path, "w");

    (void)state;
    assert_non_null(f);
    fputs("old", f);
    fclose(f);
    assert_int_equal(stat(json_path, &before), 0);
    snprintf(path, sizeof path, "%s.link", json_path);
    assert_int_equal(symlink(json_path, path), 0);
    RUN(&o, "--device", "cpu:0", "--case", "selftest.pass", "--json", path);
    assert_int_equal(lstat(path, &after), 0);
    assert_true(S_ISLNK(after.st_mode));
    assert_non_null(o.json); /* read from json_path: the link's target */
    unlink(path);
    done(&o);
    /* What is no file stays what it is. */
    RUN(&o, "--device", "cpu:0", "--case", "selftest.pass", "--json",
        "/dev/null");
    assert_int_equal(o.status, 0);
    assert_int_equal(stat("/dev/null", &after), 0);
    assert_true(S_ISCHR(after.st_mode));
    done(&o);
}

/* ---- interruption, terminal ------------------------------------------------
 */

static void interruption_leaves_a_report(void **state)
{
    const struct timespec nap = { .tv_nsec = 800000000 };
    struct outcome o = { 0 };
    char *text, first;
    int status, out[2];
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(out[1], 1);
        dup2(null, 2);
        close(out[0]);
        close(out[1]);
        execl("/proc/self/exe", "test_runner", "conform", "--device", "cpu:0",
              "--case", "selftest.hang*", "--timeout", "100", "--jobs", "1",
              "--json", json_path, NULL);
        _exit(127);
    }
    close(out[1]);
    /* Its first word shows that it runs; the nap, that a worker does. */
    assert_int_equal(read(out[0], &first, 1), 1);
    nanosleep(&nap, NULL);
    kill(pid, SIGINT);
    waitpid(pid, &status, 0);
    close(out[0]);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CONF_EXIT_UNRUN);
    text = read_file(json_path);
    assert_non_null(text);
    o.json = cJSON_Parse(text);
    free(text);
    unlink(json_path);
    adds_up(&o);
    is(&o, "selftest.hang", "missing", "interrupted");
    is(&o, "selftest.hang_with_child", "missing", "interrupted");
    done(&o);
}

static char *run_on_terminal(void)
{
    char *text = calloc(1, 1 << 20);
    size_t n = 0;
    ssize_t k;
    int fd, status;
    struct winsize size = { .ws_row = 30, .ws_col = 100 };
    pid_t pid = forkpty(&fd, NULL, NULL, &size);

    if (pid == 0) {
        setenv("TERM", "xterm", 1);
        execl("/proc/self/exe", "test_runner", "conform", "--device", "cpu:0",
              "--case", "selftest.[ph]*", "--case", "selftest.zeros", NULL);
        _exit(127);
    }
    while ((k = read(fd, text + n, (1 << 20) - 1 - n)) > 0)
        n += (size_t)k;
    close(fd);
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CONF_EXIT_NOT);
    return text;
}

static void terminal_shows_a_matrix(void **state)
{
    char *text;

    (void)state;
    unsetenv("NO_COLOR");
    text = run_on_terminal();
    assert_non_null(strstr(text, "\033[?25l"));
    assert_non_null(strstr(text, "\033[?25h"));
    assert_non_null(strstr(text, "\033[31m"));
    assert_non_null(strstr(text, " of 5 done"));
    assert_non_null(strstr(text, "> cpu:0 selftest.hang"));
    free(text);
    setenv("NO_COLOR", "1", 1);
    text = run_on_terminal();
    unsetenv("NO_COLOR");
    assert_null(strstr(text, "\033[31m"));
    assert_non_null(strstr(text, "\033[?25l"));
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_verdict),
        cmocka_unit_test(junit_is_well_formed),
        cmocka_unit_test(exit_statuses),
        cmocka_unit_test(bad_lists_do_not_run),
        cmocka_unit_test(lists),
        cmocka_unit_test(no_process_is_left),
        cmocka_unit_test(seeds_repeat),
        cmocka_unit_test(json_has_its_fields),
        cmocka_unit_test(reports_replace_whole_files),
        cmocka_unit_test(interruption_leaves_a_report),
        cmocka_unit_test(terminal_shows_a_matrix),
    };

    if (argc > 1 && !strcmp(argv[1], "conform")) {
        conf_extra_family = planted_family;
        return conf_command(argc - 1, argv + 1);
    }
    snprintf(json_path, sizeof json_path, "/tmp/test_runner.%ld.json",
             (long)getpid());
    snprintf(junit_path, sizeof junit_path, "/tmp/test_runner.%ld.xml",
             (long)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
