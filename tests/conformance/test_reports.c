/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reports.c - TAP, JUnit and the page, of a run that has every kind of
 * verdict and a message made to break them.
 */
#include "tests/conformance/run_test.h"

#include <signal.h>
#include <sys/stat.h>

#include "conformance/list.h"
#include "conformance/runner.h"

#define HOSTILE "</script><!-- <b> & \"q\" 'q' \\ # \xc3\xa9 -->\nsecond line"

static void passes(struct conf *c)
{
    conf_metric(c, "y.of_bound", 0.25);
    CONF_TRUE(c, 1);
}

static void fails(struct conf *c)
{
    conf_metric(c, "y.of_bound", 4);
    conf_check(c, 0, "%s", HOSTILE);
}

static void errs(struct conf *c)
{
    (void)c; /* no check */
}

static void crashes(struct conf *c)
{
    (void)c;
    raise(SIGKILL);
}

static void lacks(struct conf *c)
{
    conf_end(c, CONF_UNSUPPORTED, "%s", HOSTILE);
}

static const struct conf_case cases[] = {
    { "shown.a.passes", passes, .levels = "core" },
    { "shown.a.fails", fails, .levels = "core" },
    { "shown.a.known", fails, .levels = "core" },
    { "shown.b.errs", errs, .levels = "core" },
    { "shown.b.crashes", crashes, .levels = "core" },
    { "shown.b.lacks", lacks, .levels = "core" },
    { "golden.shown", fails, .levels = "golden" },
    { 0 },
};

static void family(struct conf_list *list, const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}

static void make_reports(void **state)
{
    (void)state;
    write_text(in_dir("expect"), "xfail shown.a.known * a # known bug\n");
    must(CONFORM("--device", "cpu:0", "--case", "shown.*", "--expect",
                 in_dir("expect"), "--tap", in_dir("r.tap"), "--junit",
                 in_dir("r.xml"), "--html", in_dir("r.html"), "--json",
                 in_dir("r.json")),
         CONF_EXIT_NOT, "NOT conformant: 3 of 6");
}

static int has_program(const char *name)
{
    char command[128];

    snprintf(command, sizeof command, "command -v %s >/dev/null", name);
    return system(command) == 0;
}

static void junit_fits_its_schema(void **state)
{
    static const char *const spoilt[] = {
        "s/ errors=/ faults=/",
        "s/<failure type/<failure kind/",
        "s/ time=\"/ time=\"-/",
        "s/ classname=/ package=/",
        "s/ time=\"/ time=\"1e/",
        "s/<testsuites/<testsuites id=\"1\"/",
        "s/property name=/property key=/",
    };
    const char *published = getenv("HALCYON_JUNIT_XSD");
    char command[1024];

    (void)state;
    if (!has_program("xmllint"))
        skip();
    snprintf(command, sizeof command,
             "xmllint --noout --schema tests/conformance/junit.xsd %s 2>&1",
             in_dir("r.xml"));
    assert_int_equal(system(command), 0);
    if (published) {
        snprintf(command, sizeof command,
                 "xmllint --noout --schema '%s' %s 2>&1", published,
                 in_dir("r.xml"));
        assert_int_equal(system(command), 0);
    }
    /* The schema does refuse. */
    for (size_t i = 0; i < sizeof spoilt / sizeof *spoilt; i++) {
        snprintf(command, sizeof command,
                 "sed '%s' %s > %s; ! cmp -s %s %s && xmllint --noout "
                 "--schema tests/conformance/junit.xsd %s 2>/dev/null",
                 spoilt[i], in_dir("r.xml"), in_dir("bad.xml"), in_dir("r.xml"),
                 in_dir("bad.xml"), in_dir("bad.xml"));
        assert_int_equal(WEXITSTATUS(system(command)), 3);
    }
}

static void tap_is_tap(void **state)
{
    static const char *const lines[] = {
        "TAP version 14\n1..1\n# Subtest: cpu:0\n    1..6\n",
        "\n    not ok 1 - shown.a.fails\n      ---\n      verdict: \"fail\"\n",
        "\n    not ok 2 - shown.a.known # TODO xfail: expected: a \\# known",
        "\n    ok 3 - shown.a.passes\n",
        "\n    not ok 4 - shown.b.crashes\n",
        "\n    not ok 5 - shown.b.errs\n",
        "\n    ok 6 - shown.b.lacks # SKIP unsupported: ",
        "\nnot ok 1 - cpu:0\n",
        "halcyon conform --device cpu:0 --case shown.b.errs ",
        "\\nsecond line\"\n",
    };
    char *tap = read_text(in_dir("r.tap"));

    (void)state;
    assert_non_null(tap);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (!strstr(tap, lines[i])) {
            print_error("no '%s' in:\n%s\n", lines[i], tap);
            fail();
        }
    }
    free(tap);
}

/* What chromium makes of the page, with a filter in its address. */
static char *opened(const char *filter)
{
    char command[1024];

    snprintf(command, sizeof command,
             "timeout 100 chromium --headless --no-sandbox --disable-gpu "
             "--user-data-dir=%s --enable-logging=stderr "
             "--virtual-time-budget=5000 --dump-dom 'file://%s#%s' > %s "
             "2> %s",
             in_dir("chromium"), in_dir("r.html"), filter, in_dir("dom"),
             in_dir("log"));
    assert_int_equal(system(command), 0);
    return read_text(in_dir("dom"));
}

static void the_page_works(void **state)
{
    char *page = read_text(in_dir("r.html")), *dom, *log;

    (void)state;
    assert_non_null(page);
    /* All of it is inside: nothing is fetched, and no message gets out of its
     * element. */
    assert_null(strstr(page, " src="));
    assert_null(strstr(page, "https:"));
    assert_null(strstr(page, "@REPORT@"));
    assert_null(strstr(page, "</script><!--"));
    free(page);
    if (!has_program("chromium"))
        skip();
    dom = opened("");
    assert_non_null(strstr(dom, "data-ready=\"1\""));
    assert_non_null(strstr(dom, "data-shown=\"6\""));
    assert_non_null(strstr(dom, " cases on 1 device, seed 1"));
    /* The matrix: 2 of 3 ok, 1 of 3. */
    assert_non_null(strstr(dom, ">2/3</td>"));
    assert_non_null(strstr(dom, ">1/3</td>"));
    assert_non_null(strstr(dom, "shown.a.fails: 4, fail"));
    assert_non_null(
        strstr(dom, "halcyon conform --device cpu:0 --case shown.b.errs"));
    free(dom);
    log = read_text(in_dir("log"));
    if (strstr(log, "CONSOLE")) {
        print_error("%s\n", log);
        fail();
    }
    free(log);
    dom = opened("shown.b");
    assert_non_null(strstr(dom, "data-shown=\"3\""));
    free(dom);
}

static void usage(void **state)
{
    (void)state;
    must(CONFORM("--tap", "x", "--html", "x"), CONF_EXIT_USAGE,
         "--tap names the same file");
    must(CONFORM("--list", "--html", "x"), CONF_EXIT_USAGE,
         "--list has no verdicts");
    must(CONFORM("--case", "shown.a.passes", "--html", "/nowhere/x.html"),
         CONF_EXIT_UNRUN, "/nowhere/x.html: cannot write");
}

/* What a run that is resumed found before is said as if it were found now. */
static void resumed_failures_are_named(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        must(CONFORM("--device", "cpu:0", "--case", "shown.a.fails", "--resume",
                     in_dir("again")),
             CONF_EXIT_NOT,
             "halcyon conform --device cpu:0 --case shown.a.fails --seed 1");
}

/* A pipe has no name of its own. */
static void a_report_into_a_pipe(void **state)
{
    (void)state;
    must(CONFORM("--device", "cpu:0", "--case", "shown.a.passes", "--quiet",
                 "--json", "/dev/stdout"),
         CONF_EXIT_OK, "\"schema\":\t\"halcyon.conform/1\"");
}

/* What has one value is there once; of a list there may be several. */
static void options_twice(void **state)
{
    static const char *const once[][2] = {
        { "--seed", "2" },   { "--shard", "1/2" }, { "--budget", "9s" },
        { "--resume", "r" }, { "--history", "h" }, { "--package", "p" },
        { "--json", "j" },   { "--junit", "x" },   { "--tap", "t" },
        { "--html", "w" },   { "--rerun", "1" },   { "--jobs", "1" },
        { "--timeout", "2" }
    };

    (void)state;
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        must(CONFORM("--list", once[i][0], once[i][1], once[i][0], once[i][1]),
             CONF_EXIT_USAGE, "it is there twice");
    must(CONFORM("-q", "--list", "--case", "shown.a.*", "--case", "shown.b*"),
         CONF_EXIT_OK, "shown.a.passes");
}

/* Said at the start, not by the cases that meet it. */
static void settings_without_meaning(void **state)
{
    (void)state;
    setenv("HALCYON_KERNEL", "gemm:fast", 1);
    must(CONFORM("--list"), CONF_EXIT_USAGE, "HALCYON_KERNEL 'gemm:fast'");
    setenv("HALCYON_KERNEL", "gemm:portable", 1);
    must(CONFORM("--list"), CONF_EXIT_OK, "shown.a.passes");
    unsetenv("HALCYON_KERNEL");
    setenv("HALCYON_VARIANT", "cpu.base, cpu.v9", 1);
    must(CONFORM("--list"), CONF_EXIT_USAGE, "HALCYON_VARIANT 'cpu.v9'");
    setenv("HALCYON_VARIANT", "cpu.base, opencl", 1);
    must(CONFORM("--list"), CONF_EXIT_OK, "shown.a.passes");
    unsetenv("HALCYON_VARIANT");
}

/* A link to nothing is replaced by the report; where it led, nothing is. */
static void links_to_nothing(void **state)
{
    struct stat info;

    (void)state;
    assert_int_equal(symlink("gone.json", in_dir("to_gone")), 0);
    must(CONFORM("--device", "cpu:0", "--case", "shown.a.passes", "--json",
                 in_dir("to_gone")),
         CONF_EXIT_OK, "conformant");
    assert_int_equal(lstat(in_dir("to_gone"), &info), 0);
    assert_true(S_ISREG(info.st_mode) && info.st_size > 0);
    assert_int_equal(access(in_dir("gone.json"), F_OK), -1);
}

/* Text that every reader takes: UTF-8 without control characters. */
static void is_text(const char *path)
{
    char *text = read_text(path), *clean;

    assert_non_null(text);
    for (char *p = text; *p; p++)
        if (*p == '\t')
            *p = ' ';
    clean = strdup(text);
    conf_clean(clean);
    assert_string_equal(text, clean);
    free(clean);
    free(text);
}

/* A path may hold any byte: the reports stay text, and the rerun line still
 * means that path. */
static void paths_of_any_bytes(void **state)
{
    static const char *const reports[] = { "b.json", "b.xml", "b.html",
                                           "b.tap" };
    char pack[300], *own = realpath("conformance/golden", NULL);
    char *script = NULL;
    const char *word;
    cJSON *json;

    (void)state;
    snprintf(pack, sizeof pack, "%s", in_dir("\x01\xff\n'\\ \xc3\xa9"));
    assert_non_null(own);
    assert_int_equal(symlink(own, pack), 0);
    free(own);
    write_text(in_dir("expect\xff"),
               "waive golden.shown * by=me on=2001-01-01 until=2001-01-02 x\n");
    must(CONFORM("--device", "cpu:0", "--case", "golden.shown", "--golden",
                 pack, "--expect", in_dir("expect\xff"), "--json",
                 in_dir("b.json"), "--junit", in_dir("b.xml"), "--html",
                 in_dir("b.html"), "--tap", in_dir("b.tap")),
         CONF_EXIT_NOT, "NOT conformant: 1 of 1");
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++)
        is_text(in_dir(reports[i]));
    json = read_json(in_dir("b.json"));
    word =
        strstr(string_of(case_in(json, "golden.shown"), "rerun"), " --golden ");
    assert_non_null(word);
    assert_true(asprintf(&script, "test -d %s\n", word + 10) > 0);
    write_text(in_dir("script"), script);
    free(script);
    cJSON_Delete(json);
    assert_true(asprintf(&script, "bash %s", in_dir("script")) > 0);
    assert_int_equal(system(script), 0);
    free(script);
}

/* Whatever is written has a place of its own, however it is spelled; said
 * before anything runs. */
static void places(void **state)
{
    char dotted[300], linked[300];

    (void)state;
    snprintf(dotted, sizeof dotted, "%s/new.json", in_dir("."));
    must(CONFORM("--json", in_dir("new.json"), "--html", dotted),
         CONF_EXIT_USAGE, "--json names the same file");
    must(CONFORM("--json", "x", "--tap", "./x"), CONF_EXIT_USAGE,
         "--json names the same file");
    snprintf(linked, sizeof linked, "%s", in_dir("link.xml"));
    fclose(fopen(in_dir("real.xml"), "w"));
    assert_int_equal(symlink("real.xml", linked), 0);
    must(CONFORM("--junit", in_dir("real.xml"), "--html", linked),
         CONF_EXIT_USAGE, "--junit names the same file");
    snprintf(dotted, sizeof dotted, "%s/", in_dir("keep"));
    must(CONFORM("--resume", dotted, "--package", in_dir("keep")),
         CONF_EXIT_USAGE, "--resume names the same place");
    must(CONFORM("--resume", in_dir("keep"), "--json",
                 in_dir("keep/journal.jsonl")),
         CONF_EXIT_USAGE, "it is the journal of --resume");
    must(CONFORM("--expect", "e", "--tap", "./e"), CONF_EXIT_USAGE,
         "--expect reads it");
    must(CONFORM("--budget", "9s", "--history", "h", "--html", "./h"),
         CONF_EXIT_USAGE, "--history reads it");
    assert_int_equal(mkdir(in_dir("whole"), 0777), 0);
    must(CONFORM("--package", in_dir("whole"), "--tap", in_dir("whole/r.tap")),
         CONF_EXIT_USAGE, "it is in the folder of --package");
    must(CONFORM("--golden", in_dir("whole"), "--json",
                 in_dir("whole/index.json")),
         CONF_EXIT_USAGE, "it is in a pack that is read");
    must(CONFORM("--list", "--json", "conformance/golden/new.json"),
         CONF_EXIT_USAGE, "it is in a pack that is read");
    must(CONFORM("--json", ""), CONF_EXIT_USAGE, "a file, or - for stdout");
    must(CONFORM("--junit", ""), CONF_EXIT_USAGE, "a file, or - for stdout");
    must(CONFORM("--package", ""), CONF_EXIT_USAGE, "a folder");
    assert_int_equal(access(in_dir("new.json"), F_OK), -1);
    assert_int_equal(access(in_dir("keep"), F_OK), -1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(make_reports),
        cmocka_unit_test(tap_is_tap),
        cmocka_unit_test(usage),
        cmocka_unit_test(places),
        cmocka_unit_test(paths_of_any_bytes),
        cmocka_unit_test(options_twice),
        cmocka_unit_test(settings_without_meaning),
        cmocka_unit_test(links_to_nothing),
        cmocka_unit_test(resumed_failures_are_named),
        cmocka_unit_test(a_report_into_a_pipe),
        cmocka_unit_test(the_page_works),
        cmocka_unit_test(junit_fits_its_schema),
    };

    if (argc > 1 && !strcmp(argv[1], "conform")) {
        conf_extra_family = family;
        return conf_command(argc - 1, argv + 1);
    }
    setenv("HALCYON_DEVICES", "cpu", 1); /* no run looks for drivers */
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
