/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_results.c - reports that contradict themselves: each is a good one with
 * one thing changed, and is refused with its file and key.
 */
#include "tests/conformance/run_test.h"

#include "conformance/list.h"
#include "conformance/results.h"
#include "conformance/runner.h"

/* ---- cases --------------------------------------------------------------- */

static void passes(struct conf *c)
{
    conf_metric(c, "y.of_bound", 0.5);
    conf_metric(c, "y.rel_l2", 7);
    CONF_TRUE(c, 1);
}

static void fails(struct conf *c)
{
    conf_metric(c, "y.of_bound", 50);
    conf_check(c, 0, "as ever");
}

static void lacks(struct conf *c)
{
    conf_end(c, CONF_UNSUPPORTED, "no such thing");
}

static const struct conf_case cases[] = {
    { "report.a", passes, .levels = "core" },
    { "report.b", passes, .levels = "core" },
    { "report.fails", fails, .levels = "core" },
    { "report.lacks", lacks, .levels = "core" },
    { 0 },
};

static void family(struct conf_list *list, const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}

/* ---- helpers ------------------------------------------------------------- */

static char *good; /* a report with a pass, an xfail and an unsupported */

/* The good report with `to` for the first `from`; free it. */
static char *changed(const char *from, const char *to)
{
    const char *at = strstr(good, from);
    char *out = NULL;

    if (!at) {
        print_error("no %s in:\n%s\n", from, good);
        fail();
    }
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - good), good, to,
                         at + strlen(from)) > 0);
    return out;
}

static void reads(const char *text, const char *words)
{
    char error[CONF_RESULTS_ERROR] = "";
    struct conf_results r;
    int st = conf_results_parse(&r, "r.json", text, strlen(text), error);

    conf_results_release(&r);
    if (words ? !st || strncmp(error, "r.json: ", 8) || !strstr(error, words)
              : st) {
        print_error("want '%s', got '%s'\n", words ? words : "", error);
        fail();
    }
}

static int make_good(void **state)
{
    if (make_dir(state))
        return -1;
    write_text(in_dir("known"), "xfail report.fails * a bug\n");
    must(CONFORM("--device", "cpu:0", "--case", "report.*", "--expect",
                 in_dir("known"), "--json", in_dir("good.json")),
         CONF_EXIT_OK, "conformant");
    good = read_text(in_dir("good.json"));
    return good ? 0 : -1;
}

static int drop_good(void **state)
{
    free(good);
    return remove_dir(state);
}

/* ---- tests --------------------------------------------------------------- */

static void contradictions(void **state)
{
    static const struct {
        const char *from, *to, *words;
    } bad[] = {
        /* The seed of the run, and of each case. */
        { "\"seed\":\t1", "\"seed\":\t7", "seed is not the 7 of the run" },
        /* The plan against the cases. */
        { "\"cases\":\t4", "\"cases\":\t5", "cpu:0 has 4 of the plan's 5" },
        { "\"cases\":\t4", "\"cases\":\t3", "cpu:0 has 4 of the plan's 3" },
        { "\"hash\":\t\"",
          "\"hash\":\"0123456789abcdef0123456789abcdef\",\"h\":\"",
          "the cases of cpu:0 are not the plan's" },
        { "\"plan\":", "\"plam\":", "plan: no hash" },
        /* Shards that are none, and one that has too much. */
        { "\"planned\":", "\"shard\":\"7/2\",\"planned\":", "shard: '7/2'" },
        { "\"planned\":", "\"shard\":\"0/2\",\"planned\":", "shard: '0/2'" },
        { "\"planned\":", "\"shard\":\"1/2x\",\"planned\":", "shard: '1/2x'" },
        { "\"planned\":", "\"shard\":2,\"planned\":", "shard: ''" },
        { "\"planned\":", "\"shard\":\"1/2\",\"planned\":",
          "shard 1/2: cpu:0 has 4 cases; of the plan's 4 that are 2" },
        { "\"planned\":", "\"resumed\":5,\"planned\":", "resumed: not within" },
        { "\"planned\":", "\"resumed\":-1,\"planned\":",
          "resumed: not within" },
        { "\"planned\":", "\"resumed\":1.5,\"planned\":",
          "resumed: not within" },
        /* Times that are none. */
        { "\"seconds\":\t", "\"seconds\":\t-", "seconds: no time" },
        { "\"seconds\":\t", "\"seconds\":1e999,\"s\":\t", "seconds: no time" },
        { "\"seconds\":\t", "\"s\":\t", "seconds: no time" },
        { "\"planned\":", "\"budget_s\":-1,\"planned\":", "budget_s: no time" },
        { "\"ms\":\t", "\"ms\":-1,\"m\":", "report.a: ms is no time" },
        /* A pass is within its bounds. */
        { "\"y.of_bound\":\t0.5", "\"y.of_bound\":\t50",
          "cpu:0 report.a: metrics.y.of_bound: a pass beyond its bound" },
        { "\"y.of_bound\":\t0.5", "\"y.of_bound\":\t1.0000001",
          "report.a: metrics.y.of_bound: a pass beyond its bound" },
        { "\"y.of_bound\":\t0.5", "\"y.of_bound\":\t1e999",
          "report.a: metrics.y.of_bound: no number" },
        { "\"y.of_bound\":\t0.5", "\"y.of_bound\":\tnull",
          "report.a: metrics.y.of_bound: a pass beyond its bound" },
        { "\"y.of_bound\":\t0.5", "\"y.of_bound\":\t-1",
          "report.a: metrics.y.of_bound: a pass beyond its bound" },
        { "\"metrics\":\t{", "\"metrics\":[1],\"m\":\t{",
          "report.a: metrics: no object" },
        /* What is no pass has a reason; an excuse, a file. */
        { "\"message\":\t\"no such thing\"", "\"message\":\t\"\"",
          "report.lacks: message: unsupported without a reason" },
        { "\"expect\":", "\"exqect\":", "expect: cases are excused" },
        { "\"expect\":\t[\"", "\"expect\":[],\"x\":[\"",
          "expect: cases are excused" },
        { "\"expect\":\t[\"", "\"expect\":[\"x", "expect: no SHA-256" },
        /* Counts against cases. */
        { "\"pass\":\t2", "\"pass\":\t3", "summary of cpu:0: pass is not" },
        { "\"planned\":\t4", "\"planned\":\t3", "planned is not 4" },
        { "\"planned\":",
          "\"left_out\":{\"cpu:0\":[\"report.z\"]},\"planned\":",
          "left_out: without budget_s" },
        { "\"planned\":",
          "\"budget_s\":1,\"left_out\":{\"cpu:1\":[\"report.z\"]},\"planned\":",
          "left_out: no device cpu:1" },
        { "\"planned\":", "\"mutant\":\"x\",\"planned\":",
          "mutant: a fault was planted" },
    };

    (void)state;
    reads(good, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text = changed(bad[i].from, bad[i].to);

        reads(text, bad[i].words);
        free(text);
    }
}

/* Every verdict but a pass tells why. */
static void every_verdict_has_a_reason(void **state)
{
    char why[CONF_RESULTS_WHY];

    (void)state;
    for (int v = 0; v < CONF_VERDICT_COUNT; v++) {
        enum conf_verdict verdict = (enum conf_verdict)v;

        assert_int_equal(conf_results_verdict(verdict, "", NULL, why),
                         v == CONF_PASS ? 0 : -1);
        assert_int_equal(conf_results_verdict(verdict, "why", NULL, why), 0);
    }
    assert_int_equal(conf_results_verdict(CONF_FAIL, "", NULL, why), -1);
    assert_string_equal(why, "message: fail without a reason");
}

/* What two readers could read in two ways. */
static void two_readings(void **state)
{
    static const struct {
        const char *from, *to, *words;
    } bad[] = {
        { "\"seed\":\t1", "\"seed\":1,\"seed\":1", "seed is there twice" },
        { "\"result\":\t", "\"result\":\"incomplete\",\"result\":\t",
          "result is there twice" },
        { "\"verdict\":\t\"pass\"", "\"verdict\":\"pass\",\"verdict\":\"fail\"",
          "cases[0].verdict is there twice" },
        { "\"y.of_bound\":\t0.5", "\"y.of_bound\":0.5,\"y.of_bound\":50",
          "cases[0].metrics.y.of_bound is there twice" },
        { "\"started\":\t\"", "\"started\":\t\"\\u0000",
          "started: a string with \\u0000" },
        { "\"message\":\t\"no such thing\"", "\"message\":\"no\\u0000\"",
          "message: a string with \\u0000" },
        { "\"started\":", "\"start\\u0000ed\":1,\"started\":",
          "start\\u0000ed: a string with \\u0000" },
        { "\"seed\":\t1", "\"seed\":\v1", "a control character, 0x0b" },
    };
    char *text;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        text = changed(bad[i].from, bad[i].to);
        reads(text, bad[i].words);
        free(text);
    }
    /* A backslash before it, and one more zero: neither is a zero. */
    text = changed("\"no such thing\"", "\"\\\\u0000 \\u00001\"");
    reads(text, "\\u0000");
    free(text);
    text = changed("\"no such thing\"", "\"\\\\u0000 \\u0030\"");
    reads(text, NULL);
    free(text);
    reads("{} {}", "more than one JSON value");
    reads("[1,2", "no JSON from byte");
    reads("[1,2]", "schema: want");
}

/* Whoever reads reports does it with the same eyes. */
static void every_command(void **state)
{
    char *text = changed("\"y.of_bound\":\t0.5", "\"y.of_bound\":\t50");
    static const char words[] =
        "bad.json: cpu:0 report.a: metrics.y.of_bound: a pass beyond";

    (void)state;
    write_text(in_dir("bad.json"), text);
    free(text);
    must(RUN("compare", in_dir("good.json"), in_dir("bad.json")),
         CONF_EXIT_UNRUN, words);
    must(RUN("merge", in_dir("bad.json")), CONF_EXIT_UNRUN, words);
    must(CONFORM("--device", "cpu:0", "--case", "report.*", "--budget", "1m",
                 "--history", in_dir("bad.json")),
         CONF_EXIT_UNRUN, words);
}

/* Each device has something to show, or the run is no proof. */
static void each_device_proves(void **state)
{
    struct conf_settings set = { 0 };
    struct conf_target targets[2] = {
        { .counts = { .of = { [CONF_PASS] = 1, [CONF_UNSUPPORTED] = 1 },
                      .planned = 2 } },
        { .counts = { .of = { [CONF_PASS] = 1, [CONF_WAIVED] = 1 },
                      .planned = 2 } },
    };
    struct conf_run run = {
        .set = &set, .targets = targets, .n_targets = 2, .n_planned = 4
    };
    unsigned *second = targets[1].counts.of;

    (void)state;
    assert_int_equal(conf_exit_status(&run), CONF_EXIT_OK);
    second[CONF_PASS] = 0;
    second[CONF_XFAIL] = 1;
    assert_int_equal(conf_exit_status(&run), CONF_EXIT_UNRUN);
    second[CONF_XFAIL] = 0;
    second[CONF_FAIL] = 1;
    assert_int_equal(conf_exit_status(&run), CONF_EXIT_NOT);
    /* A bad device does not make up for an empty one. */
    targets[0].counts.of[CONF_PASS] = 0;
    targets[0].counts.of[CONF_UNSUPPORTED] = 2;
    assert_int_equal(conf_exit_status(&run), CONF_EXIT_UNRUN);
    set.shards = 2;
    assert_int_equal(conf_exit_status(&run), CONF_EXIT_NOT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contradictions),
        cmocka_unit_test(every_verdict_has_a_reason),
        cmocka_unit_test(two_readings),
        cmocka_unit_test(every_command),
        cmocka_unit_test(each_device_proves),
    };

    if (argc > 1 && !strcmp(argv[1], "conform")) {
        conf_extra_family = family;
        return conf_command(argc - 1, argv + 1);
    }
    if (argc > 1 && !strcmp(argv[1], "merge"))
        return conf_merge_command(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "compare"))
        return conf_compare_command(argc - 1, argv + 1);
    return cmocka_run_group_tests(tests, make_good, drop_good);
}
