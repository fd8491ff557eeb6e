/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_report.c - what a run shows and leaves: JUnit, JSON, whole files, the
 * report of an interrupted run, and the matrix on a terminal.
 */
#include "tests/conformance/runner_test.h"

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

/* What decides which device and which code ran stands in the rerun line. */
static void rerun_has_its_settings(void **state)
{
    static const char *const pairs[][2] = {
        { "HALCYON_BACKEND_PATH", "/nowhere/it's" },
        { "HALCYON_PROFILE_PATH", "/nowhere/profiles" },
        { "HALCYON_CPU_THREADS", "2" },
        { "HALCYON_CC", "cc" },
        { "POCL_DEVICES", "basic" },
        { "VK_ADD_DRIVER_FILES", "/nowhere/x.json" },
    };
    const char *rerun;
    struct outcome o;

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        setenv(pairs[i][0], pairs[i][1], 1);
    RUN(&o, "--device", "cpu:0", "--case", "selftest.zeros", "--json",
        json_path);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        unsetenv(pairs[i][0]);
    rerun = field(&o, "selftest.zeros", "rerun");
    assert_non_null(strstr(rerun, "HALCYON_BACKEND_PATH='/nowhere/it'\\''s' "
                                  "HALCYON_PROFILE_PATH=/nowhere/profiles "));
    for (size_t i = 1; i < sizeof pairs / sizeof *pairs; i++) {
        char pair[128];

        snprintf(pair, sizeof pair, "%s=%s ", pairs[i][0], pairs[i][1]);
        if (!strstr(rerun, pair))
            fail_msg("no %sin: %s", pair, rerun);
    }
    done(&o);
}

static void words_count(void **state)
{
    struct outcome o;

    (void)state;
    RUN(&o, "--device", "cpu:0", "--case", "selftest.pass");
    assert_non_null(strstr(o.out, "halcyon conform: 1 case on cpu:0"));
    assert_non_null(strstr(o.out, "conformant: 1 case on 1 device in"));
    assert_null(strstr(o.out, "why cases are unsupported"));
    done(&o);
    RUN(&o, "--device", "cpu:0", "--case", "selftest.unsupported");
    assert_non_null(strstr(o.out, "why cases are unsupported: --verbose"));
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
              "--case", "selftest.hang*", "--case", "selftest.param", "--case",
              "selftest.pass", "--case", "selftest.zeros", NULL);
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
        cmocka_unit_test(junit_is_well_formed),
        cmocka_unit_test(json_has_its_fields),
        cmocka_unit_test(reports_replace_whole_files),
        cmocka_unit_test(rerun_has_its_settings),
        cmocka_unit_test(words_count),
        cmocka_unit_test(interruption_leaves_a_report),
        cmocka_unit_test(terminal_shows_a_matrix),
    };

    return runner_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
