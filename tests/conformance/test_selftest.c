/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_selftest.c - whether the self-test itself can fail: with mutants that
 * change nothing, that cannot be made, and that name no case.
 */
#include "tests/conformance/run_test.h"

#include <sys/wait.h>

#include "conformance/conf.h"
#include "conformance/mutant_backend.h"

struct hal_text_file {
    const char *name, *text;
};
extern const struct hal_text_file hal_kernel_files[];

static const struct conf_mutant planted[] = {
    { .kind = CONF_MUTANT_KERNEL,
      .name = "test.lives",
      .what = "an edit that changes nothing",
      .cases = "kernel.add.f32.n17",
      .file = "add.k",
      .kernel = "add_f32",
      .keep = "T=f32",
      .edits = { { "vec_add(VLD", "vec_add( VLD" } } },
    { .kind = CONF_MUTANT_KERNEL,
      .name = "test.not_found",
      .what = "a text that is not there",
      .cases = "kernel.add.f32.n17",
      .file = "add.k",
      .kernel = "add_f32",
      .keep = "T=f32",
      .edits = { { "no such text", "" } } },
    { .kind = CONF_MUTANT_KERNEL,
      .name = "test.no_instance",
      .what = "an instance that is not there",
      .cases = "kernel.add.f32.n17",
      .file = "add.k",
      .kernel = "add_f32",
      .keep = "T=f99",
      .edits = { { "vec_add(VLD", "vec_sub(VLD" } } },
    { .kind = CONF_MUTANT_KERNEL,
      .name = "test.no_compile",
      .what = "an edit that no compiler takes",
      .cases = "kernel.add.f32.n17",
      .file = "add.k",
      .kernel = "add_f32",
      .keep = "T=f32",
      .edits = { { "vec_add(VLD", "no_such_function(VLD" } } },
    { .kind = CONF_MUTANT_KERNEL,
      .name = "test.hangs",
      .what = "a kernel that does not end",
      .cases = "kernel.add.f32.n17",
      .file = "add.k",
      .kernel = "add_f32",
      .keep = "T=f32",
      .edits = { { "VGRID(i, k, n)", "for (;;) {}\n    VGRID(i, k, n)" } } },
    { .kind = CONF_MUTANT_KERNEL,
      .name = "test.no_case",
      .what = "a case that is not there",
      .cases = "kernel.no.such",
      .file = "add.k",
      .kernel = "add_f32",
      .keep = "T=f32",
      .edits = { { "vec_add(VLD", "vec_sub(VLD" } } },
    { .kind = CONF_MUTANT_BACKEND,
      .name = "test.slow",
      .what = "what its case can only wait for",
      .cases = "selftest.polls",
      .fault = BACKEND_QUERY_NEVER_DONE },
    { .kind = CONF_MUTANT_BACKEND,
      .name = "test.slow_and_seen",
      .what = "what one case waits for and the other sees",
      .cases = "selftest.polls api.stream.create_destroy",
      .fault = BACKEND_QUERY_NEVER_DONE },
    { .kind = CONF_MUTANT_BACKEND,
      .name = "test.unshown",
      .what = "a fault that no device can show",
      .cases = "selftest.lacks",
      .fault = BACKEND_FILL_LOST },
    { 0 },
};

/* ---- cases of this program alone ----------------------------------------- */

static void polls(struct conf *c)
{
    CONF_TRUE(c, 1);
    while (halStreamQuery(NULL) != halSuccess)
        usleep(1000);
}

static void lacks(struct conf *c)
{
    conf_end(c, CONF_UNSUPPORTED, "no device has it");
}

static const struct conf_case cases[] = {
    { "selftest.polls", polls, .levels = "core", .limit_s = 1 },
    { "selftest.lacks", lacks, .levels = "core" },
    { 0 },
};

static void family(struct conf_list *list, const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}

static void every_edit_is_found(void **state)
{
    size_t kinds[3] = { 0 };

    (void)state;
    conf_extra_mutants = NULL;
    for (size_t i = 0; i < conf_mutant_count(); i++) {
        const struct conf_mutant *m = conf_mutant_at(i);
        char why[256] = "", *text;

        kinds[m->kind]++;
        assert_ptr_equal(conf_mutant_find(m->name), m); /* no name twice */
        assert_true(m->what[0]);
        if (m->kind != CONF_MUTANT_KERNEL)
            continue;
        text = conf_mutant_text(m, why, sizeof why);
        if (!text) {
            print_error("%s: %s\n", m->name, why);
            fail();
        }
        free(text);
    }
    assert_true(conf_mutant_count() >= 60);
    assert_true(kinds[CONF_MUTANT_BACKEND] >= 20);
    assert_true(kinds[CONF_MUTANT_KERNEL] >= 20);
    assert_true(kinds[CONF_MUTANT_RUNNER] >= 10);
}

/* Whoever adds a kernel shows that its cases can fail. */
static void every_kernel_has_a_mutant(void **state)
{
    size_t n_kernels = 0;

    (void)state;
    conf_extra_mutants = NULL;
    for (const struct hal_text_file *f = hal_kernel_files; f->name; f++) {
        size_t length = strlen(f->name), n = 0;

        if (length < 3 || strcmp(f->name + length - 2, ".k") != 0)
            continue; /* a header, which several kernels share */
        if (strstr(f->text, "#pragma hal skip cpu ") &&
            strstr(f->text, "#pragma hal skip opencl ") &&
            strstr(f->text, "#pragma hal skip vulkan "))
            continue; /* no device of the self-test runs it */
        n_kernels++;
        for (size_t i = 0; i < conf_mutant_count(); i++)
            n += conf_mutant_at(i)->file &&
                 !strcmp(conf_mutant_at(i)->file, f->name);
        if (n == 0) {
            print_error("kernels/%s has no mutant in "
                        "conformance/mutants_kernel.def\n",
                        f->name);
            fail();
        }
    }
    assert_true(n_kernels >= 47);
}

static void a_caught_mutant_passes(void **state)
{
    const cJSON *m;
    cJSON *json;

    (void)state;
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant",
                 "backend.fill_*", "--json", in_dir("a.json")),
         CONF_EXIT_OK, "every planted fault is caught: 5 mutants");
    json = read_json(in_dir("a.json"));
    assert_string_equal(string_of(json, "schema"), "halcyon.selftest/1");
    m = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "mutants"), 0);
    assert_string_equal(string_of(m, "mutant"), "backend.fill_lost");
    assert_string_equal(string_of(m, "device"), "cpu:0");
    assert_string_equal(string_of(m, "outcome"), "caught");
    assert_string_equal(string_of(m, "caught_by"), "api.fill.low_byte");
    assert_string_equal(string_of(m, "verdict"), "fail");
    cJSON_Delete(json);
}

/* Mutants run side by side; what is said of them keeps their order, and each
 * has seen its own fault alone. */
static void the_order_is_the_list_s(void **state)
{
    static const char *const want[][2] = {
        { "runner.dropped_result", NULL }, /* or it did not start in time */
        { "runner.duplicated_result", "missing" },
        { "runner.truncated_line", "missing" },
        { "runner.flipped_verdict", "missing" },
        { "runner.duplicated_case", "error" },
        { "runner.report_truncated", "error" },
        { "runner.report_dropped", "error" },
        { "runner.report_flipped", "error" },
        { "runner.report_duplicated", "error" },
    };
    cJSON *json;

    (void)state;
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant", "runner.*ed*",
                 "--json", in_dir("o.json")),
         CONF_EXIT_OK, "every planted fault is caught: 9 mutants");
    json = read_json(in_dir("o.json"));
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const cJSON *m =
            cJSON_GetArrayItem(cJSON_GetObjectItem(json, "mutants"), (int)i);

        assert_string_equal(string_of(m, "mutant"), want[i][0]);
        if (want[i][1])
            assert_string_equal(string_of(m, "verdict"), want[i][1]);
    }
    cJSON_Delete(json);
}

/* A worker that lies is caught by what it says, not by what we know. */
static void a_flipped_verdict_is_seen(void **state)
{
    const cJSON *m;
    cJSON *json;

    (void)state;
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant",
                 "runner.flipped_verdict", "--json", in_dir("f.json")),
         CONF_EXIT_OK, "1 caught");
    json = read_json(in_dir("f.json"));
    m = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "mutants"), 0);
    assert_string_equal(string_of(m, "caught_by"), "api.fill.low_byte");
    assert_string_equal(string_of(m, "verdict"), "missing");
    assert_non_null(strstr(string_of(m, "message"), "evidence says fail"));
    cJSON_Delete(json);
}

static void a_living_mutant_fails(void **state)
{
    (void)state;
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant", "test.lives"),
         CONF_EXIT_NOT, "seen by none of: kernel.add.f32.n17");
    /* Others that are caught do not make up for it. */
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant", "*.l[ia]*"),
         CONF_EXIT_NOT, "THE SELF-TEST FAILS");
}

static void what_cannot_be_planted_fails(void **state)
{
    (void)state;
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant",
                 "test.not_found"),
         CONF_EXIT_NOT, "add.k does not hold 'no such text'");
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant",
                 "test.no_instance"),
         CONF_EXIT_NOT, "add.k has no instance with 'T=f99'");
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant",
                 "test.no_compile"),
         CONF_EXIT_NOT, "no_such_function");
    /* It may have been a compiler that took the time. */
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant", "test.hangs",
                 "--timeout", "0.05"),
         CONF_EXIT_NOT, "broken      test.hangs");
    must(
        CONFORM("--self-test", "--device", "cpu:0", "--mutant", "test.no_case"),
        CONF_EXIT_UNRUN, "test.no_case names no case: kernel.no.such");
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant", "nothing"),
         CONF_EXIT_UNRUN, "chooses none of the mutants");
}

/* Whoever waits for a broken backend sees it at the limit, as it would see a
 * slow machine: that stands apart, and proves nothing by itself. */
static void time_stands_apart(void **state)
{
    cJSON *json;

    (void)state;
    must(CONFORM("--self-test", "--device", "cpu:0", "--quiet", "--mutant",
                 "test.slow", "--json", in_dir("t.json")),
         CONF_EXIT_NOT, "timeout     test.slow ");
    json = read_json(in_dir("t.json"));
    assert_string_equal(
        string_of(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "mutants"), 0),
                  "outcome"),
        "timeout");
    cJSON_Delete(json);
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant", "test.slow*"),
         CONF_EXIT_OK, "1 caught, 1 by their time alone, 0 lived");
}

/* A fault that no device of the run can show is no proof. */
static void what_shows_nowhere_is_no_proof(void **state)
{
    const cJSON *list;
    cJSON *json;

    (void)state;
    must(
        CONFORM("--self-test", "--device", "cpu:0", "--mutant", "test.unshown"),
        CONF_EXIT_NOT, "unproven    test.unshown");
    must(CONFORM("--self-test", "--device", "cpu:0", "--mutant",
                 "test.[su][ln]*[dn]", "--json", in_dir("u.json")),
         CONF_EXIT_OK, "every planted fault that shows here is caught: 2 ");
    json = read_json(in_dir("u.json"));
    list = cJSON_GetObjectItem(json, "unproven");
    assert_int_equal(cJSON_GetArraySize(list), 1);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetArrayItem(list, 0)),
                        "test.unshown");
    cJSON_Delete(json);
}

static void usage(void **state)
{
    (void)state;
    must(CONFORM("--self-test", "--case", "api.*"), CONF_EXIT_USAGE,
         "--self-test with --case: it has its own cases");
    must(CONFORM("--self-test", "--list", "--mutant", "backend.fill_*"),
         CONF_EXIT_OK, "backend.fill_lost  ");
    must(CONFORM("--self-test", "--list", "--mutant", "nope"), CONF_EXIT_UNRUN,
         "nope");
    must(CONFORM("--self-test", "--list", "--json", "-"), CONF_EXIT_USAGE,
         "the list of faults is text");
    must(CONFORM("--self-test", "--rerun", "1"), CONF_EXIT_USAGE,
         "--self-test with --rerun: that is of runs");
    must(CONFORM("--mutant", "backend.none"), CONF_EXIT_USAGE,
         "no such mutant");
}

/* An edit reaches what a kernel includes, in that kernel. */
static void headers_are_edited(void **state)
{
    const struct conf_mutant m = {
        .file = "fp8_gemm.k",
        .keep = "NAME=fp8_gemm",
        .edits = { { "#define Q_SUM float", "#define Q_SUM int" },
                   { "#define BM 128", "#define BM 256" } }
    };
    char why[256] = "", *text;

    (void)state;
    text = conf_mutant_text(&m, why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(strstr(text, "#define Q_SUM int\n"));
    assert_non_null(strstr(text, "#define BM 256\n"));
    assert_null(strstr(text, "#include \"quant/"));
    assert_non_null(strstr(text, "#include \"hal_dialect.h\"\n"));
    free(text);
}

/* By itself a mutant makes a plain run fail, and the report says so. */
static void a_mutant_in_a_plain_run(void **state)
{
    cJSON *json;

    (void)state;
    must(CONFORM("--mutant", "backend.fill_lost", "--device", "cpu:0", "--case",
                 "api.fill.low_byte", "--json", in_dir("m.json")),
         CONF_EXIT_NOT, "--seed 1 --mutant backend.fill_lost");
    json = read_json(in_dir("m.json"));
    assert_string_equal(string_of(json, "mutant"), "backend.fill_lost");
    cJSON_Delete(json);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_edit_is_found),
        cmocka_unit_test(every_kernel_has_a_mutant),
        cmocka_unit_test(headers_are_edited),
        cmocka_unit_test(a_caught_mutant_passes),
        cmocka_unit_test(the_order_is_the_list_s),
        cmocka_unit_test(a_flipped_verdict_is_seen),
        cmocka_unit_test(a_living_mutant_fails),
        cmocka_unit_test(what_cannot_be_planted_fails),
        cmocka_unit_test(time_stands_apart),
        cmocka_unit_test(what_shows_nowhere_is_no_proof),
        cmocka_unit_test(usage),
        cmocka_unit_test(a_mutant_in_a_plain_run),
    };

    if (argc > 1 && !strcmp(argv[1], "conform")) {
        conf_extra_mutants = planted;
        conf_extra_family = family;
        return conf_command(argc - 1, argv + 1);
    }
    setenv("HALCYON_DEVICES", "cpu", 1); /* no run looks for drivers */
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
