/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_expect.c - expectation files, waivers and reruns: a bad result becomes a
 * good one only by an entry that is valid today, and a case that failed once is
 * never a pass.
 */
#include "tests/conformance/run_test.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "conformance/expect.h"

/* ---- cases --------------------------------------------------------------- */

static void passes(struct conf *c)
{
    CONF_TRUE(c, 1);
}

static void fails(struct conf *c)
{
    conf_check(c, 0, "as ever");
}

static void crashes(struct conf *c)
{
    (void)c;
    raise(SIGKILL);
}

static void errs(struct conf *c)
{
    conf_end(c, CONF_ERROR, "cannot tell");
}

static void hangs(struct conf *c)
{
    (void)c;
    for (;;)
        pause();
}

/* What a worker would say whose verdict was changed: none is taken from it. */
static void contradicts(struct conf *c)
{
    CONF_TRUE(c, 1);
    conf_metric(c, "y.of_bound", 1.5);
}

static void lacks(struct conf *c)
{
    conf_end(c, CONF_UNSUPPORTED, "no such thing");
}

/* Fails until it has run as often as the file TEST_RUNS says. */
static void flaky(struct conf *c)
{
    const char *path = getenv("TEST_RUNS");
    FILE *f = path ? fopen(path, "r+") : NULL;
    int left = 0;

    if (f && fscanf(f, "%d", &left) == 1) {
        rewind(f);
        fprintf(f, "%d ", left - 1);
    }
    if (f)
        fclose(f);
    conf_check(c, left <= 0, "%d more to fail", left);
}

static const struct conf_case cases[] = {
    { "known.good", passes, .levels = "core" },
    { "known.passes", passes, .levels = "core" },
    { "known.fails", fails, .levels = "core" },
    { "known.crashes", crashes, .levels = "core" },
    { "known.errs", errs, .levels = "core" },
    { "known.hangs", hangs, .levels = "core", .limit_s = 1 },
    { "known.contradicts", contradicts, .levels = "core" },
    { "known.lacks", lacks, .levels = "core" },
    { "known.flaky", flaky, .levels = "core" },
    { 0 },
};

static void family(struct conf_list *list, const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}

/* ---- helpers ------------------------------------------------------------- */

static void date(long days, char out[16])
{
    time_t then = time(NULL) + days * 86400;
    struct tm tm;

    gmtime_r(&then, &tm);
    strftime(out, 16, "%Y-%m-%d", &tm);
}

static void runs(const char *glob, const char *text, int status,
                 const char *verdict, const char *words)
{
    const cJSON *item;
    cJSON *json;

    write_text(in_dir("expect"), text);
    /* Beside a case that passes: excuses alone prove nothing. */
    must(CONFORM("--device", "cpu:0", "--case", glob, "--case", "known.good",
                 "--expect", in_dir("expect"), "--json", in_dir("e.json")),
         status, "");
    json = read_json(in_dir("e.json"));
    item = case_in(json, glob);
    assert_string_equal(string_of(item, "verdict"), verdict);
    if (!strstr(string_of(item, "message"), words)) {
        print_error("want '%s' in '%s'\n", words, string_of(item, "message"));
        fail();
    }
    cJSON_Delete(json);
}

/* ---- tests --------------------------------------------------------------- */

static void expected_failures(void **state)
{
    (void)state;
    runs("known.fails", "# why\n\nxfail known.fails cpu:* a driver bug\n",
         CONF_EXIT_OK, "xfail", "expected: a driver bug; was fail: as ever");
    runs("known.crashes", "xfail known.cr* * it dies", CONF_EXIT_OK, "xfail",
         "was crash");
    runs("known.passes", "xfail known.passes cpu:0 so they say\n",
         CONF_EXIT_NOT, "xpass", "expects a failure: so they say");
    runs("known.lacks", "xfail known.lacks cpu:0 x\n", CONF_EXIT_OK,
         "unsupported", "no such thing");
    /* Another device, another case. */
    runs("known.fails", "xfail known.fails opencl:* x\n", CONF_EXIT_NOT, "fail",
         "as ever");
    runs("known.fails", "xfail known.crashes * x\n", CONF_EXIT_NOT, "fail",
         "as ever");
}

static void waivers(void **state)
{
    char before[16], yesterday[16], today[16], later[16], text[256];

    (void)state;
    date(-30, before);
    date(-1, yesterday);
    date(0, today);
    date(30, later);
    snprintf(text, sizeof text,
             "waive known.fails cpu:0 by=J.Doe on=%s until=%s fixed soon\n",
             before, later);
    runs("known.fails", text, CONF_EXIT_OK, "waived", "waived by J.Doe until ");
    runs("known.fails", text, CONF_EXIT_OK, "waived",
         ": fixed soon; was fail: as ever");
    /* Whatever was found; what has no verdict was not found. */
    snprintf(text, sizeof text,
             "waive known.* cpu:0 by=J.Doe on=%s until=%s x\n", before, later);
    runs("known.errs", text, CONF_EXIT_OK, "waived", "was error");
    runs("known.crashes", text, CONF_EXIT_OK, "waived", "was crash");
    runs("known.hangs", text, CONF_EXIT_OK, "waived", "was timeout");
    runs("known.contradicts", text, CONF_EXIT_UNRUN, "missing",
         "evidence says fail");
    snprintf(text, sizeof text,
             "waive known.fails cpu:0 by=J.Doe on=%s until=%s fixed soon\n",
             before, today);
    runs("known.fails", text, CONF_EXIT_OK, "waived", "J.Doe");
    snprintf(text, sizeof text,
             "waive known.fails cpu:0 by=J.Doe on=%s until=%s fixed soon\n",
             before, yesterday);
    runs("known.fails", text, CONF_EXIT_NOT, "fail",
         "the waiver of J.Doe ended on ");
    /* One that has ended is to be removed, whatever became of the case. */
    snprintf(text, sizeof text,
             "waive known.passes cpu:0 by=J.Doe on=%s until=%s fixed soon\n",
             before, yesterday);
    runs("known.passes", text, CONF_EXIT_NOT, "xpass",
         "it passes; the waiver of J.Doe ended on ");
    runs("known.passes", text, CONF_EXIT_NOT, "xpass",
         "expect:1) and is to be removed");
    snprintf(text, sizeof text,
             "waive known.lacks cpu:0 by=J.Doe on=%s until=%s fixed soon\n",
             before, yesterday);
    runs("known.lacks", text, CONF_EXIT_NOT, "fail",
         "it is unsupported; the waiver of J.Doe ended on ");
    /* What is waived may pass. */
    snprintf(text, sizeof text,
             "waive known.passes cpu:0 by=J.Doe on=%s until=%s fixed soon\n",
             before, later);
    runs("known.passes", text, CONF_EXIT_OK, "pass", "");
}

static void bad_files(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        { "xfail known.fails\n", "expect:1: want a case, a device and" },
        { "xfail known.fails cpu:0\n", "expect:1: no reason" },
        { "xfail known.fails cpu:0 \t \n", "expect:1: no reason" },
        { "\n\nfail known.fails cpu:0 x\n", "expect:3: want xfail or waive" },
        { "xfail known.nothing cpu:0 x\n", "'known.nothing' is no case" },
        { "xfail known.fails * a\nxfail known.f* cpu:0 b\n",
          "both mean known.fails on cpu:0" },
        { "waive known.fails * x\n", "want by=..., got 'x'" },
        { "waive known.fails * by= on=2026-01-01 until=2026-02-01 x\n",
          "want by=" },
        { "waive known.fails * by=x on=2026-1-1 until=2026-02-01 x\n",
          "'2026-1-1' is no date" },
        { "waive known.fails * by=x on=2026-13-01 until=2027-02-01 x\n",
          "'2026-13-01' is no date" },
        { "waive known.fails * by=x on=2026-01-01 until=2026-02-30 x\n",
          "expect:1: '2026-02-30' is no date" },
        { "# two\nwaive known.fails * by=x on=2025-02-29 until=2026-02-01 x\n",
          "expect:2: '2025-02-29' is no date" },
        { "waive known.fails * by=x on=2020-02-29 until=2100-02-29 x\n",
          "expect:1: '2100-02-29' is no date" },
        { "waive known.fails * by=x on=2020-02-29 until=2027-04-31 x\n",
          "expect:1: '2027-04-31' is no date" },
        { "waive known.fails * by=x on=2020-02-00 until=2027-04-01 x\n",
          "expect:1: '2020-02-00' is no date" },
        { "waive known.fails * by=x on=2000-02-29 until=1999-02-01 x\n",
          "is before on 2000-02-29" },
        { "waive known.fails * by=x on=2020-03-01 until=2020-02-01 x\n",
          "is before on" },
        { "waive known.fails * by=x on=2999-03-01 until=2999-04-01 x\n",
          "is after today" },
        { "waive known.fails * by=x on=2020-03-01 until=2999-04-01\n",
          "no reason" },
        { "", "no entry" },
        { "# nothing\n", "no entry" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(in_dir("expect"), bad[i].text);
        must(CONFORM("--device", "cpu:0", "--case", "known.fails", "--expect",
                     in_dir("expect")),
             CONF_EXIT_UNRUN, bad[i].words);
    }
    must(CONFORM("--device", "cpu:0", "--case", "known.fails", "--expect",
                 in_dir("nowhere")),
         CONF_EXIT_UNRUN, "nowhere: No such file");
    must(CONFORM("--device", "cpu:0", "--case", "known.fails", "--expect",
                 run_dir),
         CONF_EXIT_UNRUN, "no regular file");
}

static void rerun(const char *fails_left, const char *times, int status,
                  const char *verdict, const char *words)
{
    const cJSON *item;
    cJSON *json;

    write_text(in_dir("runs"), fails_left);
    setenv("TEST_RUNS", in_dir("runs"), 1);
    must(CONFORM("--device", "cpu:0", "--case", "known.flaky", "--rerun", times,
                 "--json", in_dir("f.json")),
         status, "");
    unsetenv("TEST_RUNS");
    json = read_json(in_dir("f.json"));
    item = case_in(json, "known.flaky");
    assert_string_equal(string_of(item, "verdict"), verdict);
    if (!strstr(string_of(item, "message"), words)) {
        print_error("want '%s' in '%s'\n", words, string_of(item, "message"));
        fail();
    }
    cJSON_Delete(json);
}

static void flaky_is_no_pass(void **state)
{
    (void)state;
    rerun("0", "3", CONF_EXIT_OK, "pass", "");
    rerun("1", "0", CONF_EXIT_NOT, "fail", "1 more to fail");
    rerun("1", "3", CONF_EXIT_NOT, "flaky",
          "fail the first time, pass when run again (1): 1 more to fail");
    rerun("3", "3", CONF_EXIT_NOT, "flaky", "pass when run again (3)");
    rerun("4", "3", CONF_EXIT_NOT, "fail", "4 times not ok, at first fail");
    /* A flaky case is no expected failure either. */
    write_text(in_dir("runs"), "1");
    write_text(in_dir("expect"), "xfail known.flaky * x\n");
    setenv("TEST_RUNS", in_dir("runs"), 1);
    must(CONFORM("--device", "cpu:0", "--case", "known.flaky", "--rerun", "1",
                 "--expect", in_dir("expect")),
         CONF_EXIT_NOT, "flaky");
    unsetenv("TEST_RUNS");
    must(CONFORM("--case", "known.passes", "--rerun", "-1"), CONF_EXIT_USAGE,
         "--rerun");
}

/* The list tells what each device owes. */
static void lists_count(void **state)
{
    struct outcome o;
    cJSON *json, *device;

    (void)state;
    o = CONFORM("--list", "--json", "-", "--case", "known.*", "--device",
                "cpu:0", "--device", "ascend-910b");
    assert_int_equal(o.status, 0);
    json = cJSON_Parse(o.out);
    free(o.out);
    assert_int_equal(cJSON_GetObjectItem(json, "planned")->valueint,
                     (int)(sizeof cases / sizeof *cases) - 1);
    device = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "devices"),
                                 "ascend-910b");
    assert_int_equal(cJSON_GetObjectItem(device, "planned")->valueint,
                     (int)(sizeof cases / sizeof *cases) - 1);
    device = cJSON_GetObjectItem(device, "levels");
    assert_int_equal(cJSON_GetObjectItem(device, "core")->valueint,
                     (int)(sizeof cases / sizeof *cases) - 1);
    assert_int_equal(cJSON_GetObjectItem(device, "memory")->valueint, 0);
    cJSON_Delete(json);
}

/* w2.json with `to` for the first `from`, beside w1.json, joined. */
static void joins(const char *from, const char *to, int status,
                  const char *words)
{
    char *text = read_text(in_dir("w2.json")), *out = NULL, *at;

    assert_non_null(text);
    at = strstr(text, from);
    assert_non_null(at);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to,
                         at + strlen(from)) > 0);
    write_text(in_dir("w2x.json"), out);
    must(RUN("merge", "--json", in_dir("joint.json"), in_dir("w1.json"),
             in_dir("w2x.json")),
         status, words);
    free(out);
    free(text);
}

/* What was waived when a shard ran is waived no more in a later merge. */
static void merged_waivers_end(void **state)
{
    char before[16], today[16], text[160], until[64];
    cJSON *json;

    (void)state;
    date(-30, before);
    date(0, today);
    snprintf(text, sizeof text,
             "waive known.crashes * by=me on=%s until=%s x; was fail: y\n",
             before, today);
    snprintf(until, sizeof until, "\"until\":\t\"%s\"", today);
    write_text(in_dir("expect"), text);
    for (int i = 1; i <= 2; i++) {
        char name[16];

        snprintf(text, sizeof text, "%d/2", i);
        snprintf(name, sizeof name, "w%d.json", i);
        must(CONFORM("--device", "cpu:0", "--case", "known.crashes", "--case",
                     "known.good", "--expect", in_dir("expect"), "--shard",
                     text, "--json", in_dir(name)),
             CONF_EXIT_OK, "");
    }
    /* Sorted by name: known.crashes is the first shard's or the second's. */
    json = read_json(in_dir("w2.json"));
    if (!case_in(json, "known.crashes")) {
        assert_int_equal(rename(in_dir("w2.json"), in_dir("w3.json")), 0);
        assert_int_equal(rename(in_dir("w1.json"), in_dir("w2.json")), 0);
        assert_int_equal(rename(in_dir("w3.json"), in_dir("w1.json")), 0);
    }
    cJSON_Delete(json);
    joins(until, until, CONF_EXIT_OK, "");
    joins(until, "\"until\":\"2001-01-02\"", CONF_EXIT_NOT,
          "cpu:0 known.crashes: the waiver ended on 2001-01-02");
    json = read_json(in_dir("joint.json"));
    assert_string_equal(string_of(case_in(json, "known.crashes"), "verdict"),
                        "crash");
    assert_non_null(
        strstr(string_of(case_in(json, "known.crashes"), "message"),
               "the waiver has ended since, on 2001-01-02: waived by me"));
    cJSON_Delete(json);
    joins(until, "\"until\":\"2001-02-30\"", CONF_EXIT_UNRUN,
          "known.crashes is waived, and until holds no day");
    /* A report's name may hold any byte; what names it is text. */
    assert_int_equal(rename(in_dir("w2.json"), in_dir("w2\xff.json")), 0);
    must(RUN("merge", "--json", in_dir("joint.json"), in_dir("w1.json"),
             in_dir("w2\xff.json")),
         CONF_EXIT_OK, "");
    json = read_json(in_dir("joint.json"));
    assert_non_null(
        strstr(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "merged_from"), 1)
                   ->valuestring,
               "w2?.json"));
    cJSON_Delete(json);
    assert_int_equal(rename(in_dir("w2\xff.json"), in_dir("w2.json")), 0);
    joins("\"until\":", "\"upto\":", CONF_EXIT_UNRUN,
          "known.crashes is waived, and until holds no day");
    joins("\"was\":\t\"crash\"", "\"was\":\"pass\"", CONF_EXIT_UNRUN,
          "known.crashes is waived, and was holds no verdict that can be");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expected_failures),
        cmocka_unit_test(waivers),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(flaky_is_no_pass),
        cmocka_unit_test(lists_count),
        cmocka_unit_test(merged_waivers_end),
    };

    if (argc > 1 && !strcmp(argv[1], "conform")) {
        conf_extra_family = family;
        return conf_command(argc - 1, argv + 1);
    }
    if (argc > 1 && !strcmp(argv[1], "merge"))
        return conf_merge_command(argc - 1, argv + 1);
    setenv("HALCYON_DEVICES", "cpu", 1); /* no run looks for drivers */
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
