/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_runner.c - the runner against planted bad cases: each way to be wrong
 * must give its own verdict, cost one case, and show in the exit status.
 */
#include "tests/conformance/runner_test.h"

/* ---- verdicts --------------------------------------------------------------
 */

static void each_fault_has_its_verdict(void **state)
{
    struct outcome o;
    const char *rerun;
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
    is(&o, "selftest.passes_with_words", "missing", "evidence says fail");
    is(&o, "selftest.passes_past_bound", "missing", "evidence says fail");
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
    /* Settings of this test's own surroundings may stand before it. */
    rerun = strstr(field(&o, "selftest.zeros", "rerun"), "halcyon conform");
    assert_non_null(rerun);
    assert_string_equal(
        rerun, "halcyon conform --device cpu:0 --case selftest.zeros --seed 1");
    assert_non_null(strstr(o.out, "--case selftest.zeros --seed 1"));
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
        { { "--case", "selftest.pass" }, 0, "conformant: 1 case on" },
        { { "--case", "selftest.unsupported" }, 3, "supports none" },
        { { "--case", "selftest.unsupported" }, 3, "that proves nothing" },
        { { "--case", "selftest.zeros" }, 1, "NOT conformant: 1 of 1" },
        { { "--case", "selftest.no_check" }, 1, "made no check" },
        { { "--case", "nothing.*" }, 3, "matches none" },
        { { "--case", "selftest.pass", "--case", "x" }, 3, "'x' matches" },
        { { "--case", "selftest.pass", "--level", "memory" },
          3,
          "of these levels; selftest.pass is of: core" },
        { { "--case", "selftset.pas" }, 3, "; nearest is selftest.pass\n" },
        { { "--case", "writes_aft" },
          3,
          "'*writes_aft*' would match selftest.writes_after\n" },
        { { "--case", "nothing.like.it" }, 3, "cases; --list prints them\n" },
        { { "--device", "cpu:77", "--case", "selftest.pass" },
          3,
          "no such device 'cpu:77'; there are: cpu:0" },
        { { "--case", "selftest.pass", "--json", "/nowhere/x.json" },
          3,
          "/nowhere/x.json: cannot write: No such file" },
        { { "--json", "/", "--case", "selftest.pass" }, 3, "cannot write" },
        { { "--level", "turbo" }, 2, "turbo" },
        { { "--level", "turbo" }, 2, "there are: core, memory," },
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

/* ---- processes and seeds ---------------------------------------------------
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
    const struct timespec nap = { .tv_nsec = 20000000 };
    struct outcome o;
    char path[96], *text, letter = '?';
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
    /* Gone, or dead and not yet collected by whoever inherited it.  On a busy
     * machine a signal that was sent takes its time to kill; without one the
     * child would be there for ever. */
    for (int i = 0; i < 500 && (f = fopen(path, "r")); i++) {
        assert_int_equal(fscanf(f, "%*d %*s %c", &letter), 1);
        fclose(f);
        if (letter == 'Z' || letter == 'X')
            return;
        nanosleep(&nap, NULL);
    }
    assert_int_not_equal(access(path, F_OK), 0);
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_verdict),
        cmocka_unit_test(exit_statuses),
        cmocka_unit_test(bad_lists_do_not_run),
        cmocka_unit_test(lists),
        cmocka_unit_test(no_process_is_left),
        cmocka_unit_test(seeds_repeat),
    };

    return runner_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
