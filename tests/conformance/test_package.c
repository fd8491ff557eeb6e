/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_package.c - result packages: whole and unedited ones are good,
 * everything else is refused with its reason; and two runs compared.
 */
#include "tests/conformance/run_test.h"

#include <sys/stat.h>

#include "conformance/hash.h"
#include "conformance/list.h"

/* ---- cases --------------------------------------------------------------- */

/* Passes unless its name is in TEST_BREAK or TEST_LACKS. */
static void maybe(struct conf *c)
{
    const char *broken = getenv("TEST_BREAK"), *error = getenv("TEST_ERROR");
    const char *lacking = getenv("TEST_LACKS");

    if (lacking && !strcmp(lacking, conf_param(c)))
        conf_end(c, CONF_UNSUPPORTED, "no such thing");
    if (!error || *error)
        conf_metric(c, "y.of_bound", error ? atof(error) : 0.1);
    conf_check(c, !broken || strcmp(broken, conf_param(c)), "broken");
}

static void lacks(struct conf *c)
{
    conf_end(c, CONF_UNSUPPORTED, "no such thing");
}

static const struct conf_case cases[] = {
    { "pack.a", maybe, "a", .levels = "core" },
    { "pack.b", maybe, "b", .levels = "core" },
    { "pack.c", maybe, "c", .levels = "core" },
    { "pack.lacks", lacks, .levels = "core" },
    { "pack.lacks.too", lacks, .levels = "core" },
    { 0 },
};

static void family(struct conf_list *list, const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}

/* ---- helpers ------------------------------------------------------------- */

static void pack(const char *name, const char *glob, int status)
{
    must(
        CONFORM("--device", "cpu:0", "--case", glob, "--package", in_dir(name)),
        status, "");
}

static void fresh_copy_of(const char *name)
{
    char command[512];

    snprintf(command, sizeof command, "rm -rf %s; cp -R %s %s", in_dir("copy"),
             in_dir(name), in_dir("copy"));
    assert_int_equal(system(command), 0);
}

static void fresh_copy(void)
{
    fresh_copy_of("good");
}

/* Puts `to` for the first `from` of a file. */
static void edit(const char *name, const char *from, const char *to)
{
    char path[200], *text, *at, *out = NULL;

    snprintf(path, sizeof path, "%s", in_dir(name));
    text = read_text(path);
    assert_non_null(text);
    at = strstr(text, from);
    assert_non_null(at);
    *at = 0;
    assert_true(asprintf(&out, "%s%s%s", text, to, at + strlen(from)) > 0);
    write_text(path, out);
    free(out);
    free(text);
}

/* Makes the manifest fit an edited file, as a forger would. */
static void reseal_file(const char *name)
{
    char hash[CONF_HASH_TEXT], path[200];
    char *text, *manifest;
    cJSON *root, *entry;
    size_t size;

    snprintf(path, sizeof path, "%s/copy/%s", run_dir, name);
    text = read_text(path);
    assert_non_null(text);
    size = strlen(text);
    conf_hash(text, size, hash);
    free(text);
    root = read_json(in_dir("copy/manifest.json"));
    entry = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "files"), name);
    cJSON_ReplaceItemInObject(entry, "sha256", cJSON_CreateString(hash));
    cJSON_ReplaceItemInObject(entry, "bytes", cJSON_CreateNumber((double)size));
    manifest = cJSON_Print(root);
    snprintf(path, sizeof path, "%s", in_dir("copy/manifest.json"));
    write_text(path, manifest);
    cJSON_free(manifest);
    cJSON_Delete(root);
}

static void reseal(void)
{
    reseal_file("result.json");
}

#define VERIFY(name) RUN("verify", in_dir(name))

/* ---- tests --------------------------------------------------------------- */

static void a_good_package(void **state)
{
    static const char *const names[] = { "result.json", "manifest.json",
                                         "report.html", "report.tap",
                                         "junit.xml" };
    struct outcome o;
    cJSON *manifest;
    char seal[CONF_HASH_TEXT];

    (void)state;
    pack("good", "pack.*", CONF_EXIT_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];

        snprintf(name, sizeof name, "good/%s", names[i]);
        assert_int_equal(access(in_dir(name), R_OK), 0);
    }
    manifest = read_json(in_dir("good/manifest.json"));
    assert_int_equal(
        strlen(string_of(cJSON_GetObjectItem(manifest, "program"), "sha256")),
        64);
    assert_true(string_of(cJSON_GetObjectItem(manifest, "host"), "release")[0]);
    cJSON_Delete(manifest);
    o = VERIFY("good");
    assert_int_equal(o.status, 0);
    assert_int_equal(
        sscanf(o.out, "good: conformant, 5 cases; seal %64s", seal), 1);
    free(o.out);
    must(RUN("verify", "--seal", seal, in_dir("good")), 0, "good");
    seal[5] = seal[5] == '0' ? '1' : '0';
    must(RUN("verify", "--seal", seal, in_dir("good")), 1, "its seal is");
    /* A bad result is a good package. */
    setenv("TEST_BREAK", "b", 1);
    pack("bad", "pack.*", CONF_EXIT_NOT);
    unsetenv("TEST_BREAK");
    must(VERIFY("bad"), 0, "good: not conformant");
}

static void edits_are_refused(void **state)
{
    (void)state;
    fresh_copy();
    edit("copy/result.json", "\"pass\":\t3", "\"pass\":\t2");
    must(VERIFY("copy"), 1, "result.json: it was edited");
    reseal();
    must(VERIFY("copy"), 1, "summary of cpu:0: pass is not the 3");
    fresh_copy();
    edit("copy/result.json", "\"verdict\":\t\"unsupported\"",
         "\"verdict\":\t\"pass\"");
    reseal();
    must(VERIFY("copy"), 1, "summary of cpu:0: pass is not the 4");
    fresh_copy();
    edit("copy/manifest.json", "\"bytes\":\t", "\"bytes\":\t1");
    must(VERIFY("copy"), 1, "result.json: bytes: it has ");
    fresh_copy();
    edit("copy/report.html", "Halcyon", "Falcyon");
    must(VERIFY("copy"), 1, "report.html: it was edited");
    fresh_copy();
    assert_int_equal(unlink(in_dir("copy/junit.xml")), 0);
    must(VERIFY("copy"), 1, "junit.xml: No such file");
    fresh_copy();
    write_text(in_dir("copy/more.txt"), "x");
    must(VERIFY("copy"), 1, "more.txt is not in the manifest");
    fresh_copy();
    edit("copy/manifest.json", "\"junit.xml\"", "\"../good/junit.xml\"");
    must(VERIFY("copy"), 1, "is no plain name");
    fresh_copy();
    edit("copy/manifest.json", "halcyon.package/1", "halcyon.package/9");
    must(VERIFY("copy"), 1, "want halcyon.package/1");
    fresh_copy();
    edit("copy/manifest.json", "\"seed\":\t1", "\"seed\":\t2");
    must(VERIFY("copy"), 1, "of two runs");
    fresh_copy();
    write_text(in_dir("copy/manifest.json"), "{");
    must(VERIFY("copy"), 1, "no JSON");
    must(VERIFY("nowhere"), 1, "No such file");
    must(VERIFY("good/result.json"), 1, "result.json: Not a directory");
}

/* A case taken out, with every count and hash made to fit but the plan's. */
static void gaps_are_refused(void **state)
{
    cJSON *root, *counts;
    char path[200], *text;

    (void)state;
    fresh_copy();
    root = read_json(in_dir("copy/result.json"));
    cJSON_DeleteItemFromArray(cJSON_GetObjectItem(root, "cases"), 0);
    cJSON_SetNumberValue(cJSON_GetObjectItem(root, "planned"), 4);
    counts = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "summary"), "cpu:0");
    for (int i = 0; i < 2; i++) {
        cJSON_SetNumberValue(cJSON_GetObjectItem(counts, "planned"), 4);
        cJSON_SetNumberValue(cJSON_GetObjectItem(counts, "pass"), 2);
        counts = cJSON_GetObjectItem(
            cJSON_GetArrayItem(cJSON_GetObjectItem(root, "devices"), 0),
            "summary");
    }
    text = cJSON_Print(root);
    snprintf(path, sizeof path, "%s", in_dir("copy/result.json"));
    write_text(path, text);
    cJSON_free(text);
    reseal();
    must(VERIFY("copy"), 1, "cpu:0 has 4 of the plan's 5 cases");
    /* The plan's number too: then its hash. */
    cJSON_SetNumberValue(
        cJSON_GetObjectItem(cJSON_GetObjectItem(root, "plan"), "cases"), 4);
    text = cJSON_Print(root);
    write_text(path, text);
    cJSON_free(text);
    cJSON_Delete(root);
    reseal();
    must(VERIFY("copy"), 1, "the cases of cpu:0 are not the plan's");
}

/* Excuses alone are no conformance: the run says what verify says. */
static void nothing_proves_nothing(void **state)
{
    char *text;

    (void)state;
    pack("none", "pack.lacks", CONF_EXIT_UNRUN);
    must(VERIFY("none"), 1, "nothing passed on cpu:0");
    text = read_text(in_dir("none/report.tap"));
    assert_non_null(strstr(text, "\nnot ok 1 - cpu:0\n"));
    free(text);
    /* The report cannot say so either. */
    fresh_copy_of("none");
    edit("copy/result.json", "incomplete", "conformant");
    edit("copy/result.json", "\"exit_status\":\t3", "\"exit_status\":\t0");
    reseal();
    must(VERIFY("copy"), 1, "exit_status 0 contradicts the verdicts (3)");
    must(CONFORM("--device", "cpu:0", "--case", "pack.lacks"), CONF_EXIT_UNRUN,
         "nothing passed on cpu:0: that proves nothing");
    /* A failure is something to show. */
    setenv("TEST_BREAK", "a", 1);
    must(CONFORM("--device", "cpu:0", "--case", "pack.a", "--case",
                 "pack.lacks"),
         CONF_EXIT_NOT, "NOT conformant: 1 of 2");
    /* Waived, it is none. */
    write_text(in_dir("waive"), "waive pack.a * by=J.Doe on=2020-01-01 "
                                "until=2999-01-01 soon\n");
    must(CONFORM("--device", "cpu:0", "--case", "pack.a", "--case",
                 "pack.lacks", "--expect", in_dir("waive")),
         CONF_EXIT_UNRUN, "nothing passed on cpu:0");
    unsetenv("TEST_BREAK");
    /* A shard is but a part; what is joined is asked. */
    must(CONFORM("--device", "cpu:0", "--case", "pack.lacks", "--case",
                 "pack.a", "--shard", "2/2", "--json", in_dir("2.json")),
         CONF_EXIT_OK, "conformant: 1 case on");
    must(CONFORM("--device", "cpu:0", "--case", "pack.lacks", "--case",
                 "pack.a", "--shard", "1/2", "--json", in_dir("1.json")),
         CONF_EXIT_OK, "conformant: 1 case on");
    must(RUN("merge", in_dir("1.json"), in_dir("2.json")), CONF_EXIT_OK,
         "\"conformant\"");
    must(CONFORM("--device", "cpu:0", "--case", "pack.lack*", "--shard", "1/2",
                 "--json", in_dir("1.json")),
         CONF_EXIT_OK, "conformant: 1 case on");
    must(CONFORM("--device", "cpu:0", "--case", "pack.lack*", "--shard", "2/2",
                 "--json", in_dir("2.json")),
         CONF_EXIT_OK, "conformant: 1 case on");
    must(RUN("merge", in_dir("1.json"), in_dir("2.json")), CONF_EXIT_UNRUN,
         "\"incomplete\"");
}

/* Where the verdicts come from, in the manifest and as in the result. */
static void origins_are_told(void **state)
{
    static const char *const keys[][2] = {
        { "program", NULL },      { "host", NULL },
        { "golden", NULL },       { "program", "stock_kernels_sha256" },
        { "program", "version" }, { "host", "release" },
    };
    char path[160];

    (void)state;
    snprintf(path, sizeof path, "%s", in_dir("copy/manifest.json"));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        cJSON *root = read_json(in_dir("good/manifest.json"));
        char words[80], *text;

        if (keys[i][1])
            cJSON_DeleteItemFromObject(cJSON_GetObjectItem(root, keys[i][0]),
                                       keys[i][1]);
        else
            cJSON_DeleteItemFromObject(root, keys[i][0]);
        snprintf(words, sizeof words, "manifest: %s%s%s is missing", keys[i][0],
                 keys[i][1] ? "." : "", keys[i][1] ? keys[i][1] : "");
        text = cJSON_Print(root);
        fresh_copy();
        write_text(path, text);
        must(VERIFY("copy"), 1, words);
        cJSON_free(text);
        cJSON_Delete(root);
    }
    fresh_copy();
    edit("copy/manifest.json", "\"stock_kernels_sha256\":\t\"",
         "\"stock_kernels_sha256\":\t\"0123456789abcdef0123456789abcdef"
         "0123456789abcdef0123456789abcdef\",\"was\":\"");
    must(VERIFY("copy"), 1,
         "program.stock_kernels_sha256 is "
         "'0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef' "
         "in the manifest and '");
    fresh_copy();
    edit("copy/manifest.json", "\"sha256\"", "\"sha256\":\"\",\"sha256\"");
    must(VERIFY("copy"), 1, "manifest.json: program.sha256 is there twice");
}

/* The package holds the expectations that its verdicts were made with. */
static void expectations_are_kept(void **state)
{
    (void)state;
    write_text(in_dir("known"), "xfail pack.b * a bug\n");
    setenv("TEST_BREAK", "b", 1);
    must(CONFORM("--device", "cpu:0", "--case", "pack.*", "--expect",
                 in_dir("known"), "--package", in_dir("known.pack")),
         CONF_EXIT_OK, "conformant");
    unsetenv("TEST_BREAK");
    must(VERIFY("known.pack"), 0, "good");
    fresh_copy_of("known.pack");
    edit("copy/expect-1.txt", "a bug", "a feature");
    reseal_file("expect-1.txt");
    must(VERIFY("copy"), 1, "expect-1.txt is not the one of the run");
    fresh_copy_of("known.pack");
    assert_int_equal(
        rename(in_dir("copy/expect-1.txt"), in_dir("copy/expect-2.txt")), 0);
    edit("copy/manifest.json", "expect-1.txt", "expect-2.txt");
    must(VERIFY("copy"), 1, "expect-1.txt is not the one of the run");
}

/* A file of a package is in the package, whatever the link says. */
static void links_out_are_refused(void **state)
{
    (void)state;
    fresh_copy();
    assert_int_equal(unlink(in_dir("copy/junit.xml")), 0);
    assert_int_equal(symlink("../good/junit.xml", in_dir("copy/junit.xml")), 0);
    must(VERIFY("copy"), 1, "junit.xml: a link that leads out of");
    fresh_copy();
    assert_int_equal(unlink(in_dir("copy/manifest.json")), 0);
    assert_int_equal(
        symlink(in_dir("good/manifest.json"), in_dir("copy/manifest.json")), 0);
    must(VERIFY("copy"), 1, "manifest.json: a link that leads out of");
    must(RUN("compare", in_dir("good"), in_dir("copy")), CONF_EXIT_UNRUN,
         "manifest.json: a link that leads out of");
    /* The folder itself may be one. */
    assert_int_equal(symlink("good", in_dir("link")), 0);
    must(VERIFY("link"), 0, "good");
}

static void compares(void **state)
{
    (void)state;
    must(RUN("compare", in_dir("good"), in_dir("good")), CONF_EXIT_OK,
         "0 worse, 0 gone, 0 better");
    must(RUN("compare", in_dir("good"), in_dir("bad")), CONF_EXIT_NOT,
         "worse   cpu:0 pack.b: fail, was pass");
    must(RUN("compare", in_dir("bad"), in_dir("good")), CONF_EXIT_OK,
         "better  cpu:0 pack.b: pass, was fail");
    pack("less", "pack.[ab]", CONF_EXIT_OK);
    must(RUN("compare", in_dir("good"), in_dir("less")), CONF_EXIT_NOT,
         "gone    cpu:0 pack.c: was pass");
    must(RUN("compare", in_dir("less"), in_dir("good/result.json")),
         CONF_EXIT_OK, "3 new");
    setenv("TEST_ERROR", "0.9", 1);
    pack("coarse", "pack.*", CONF_EXIT_OK);
    unsetenv("TEST_ERROR");
    must(RUN("compare", in_dir("good"), in_dir("coarse")), CONF_EXIT_OK,
         "inexact cpu:0 pack.a: error at 0.90 of the bound, was 0.10");
    /* A tenth more is noise, and so is the half of a bound. */
    setenv("TEST_ERROR", "0.95", 1);
    pack("as_coarse", "pack.*", CONF_EXIT_OK);
    setenv("TEST_ERROR", "0.4", 1);
    pack("fine", "pack.*", CONF_EXIT_OK);
    unsetenv("TEST_ERROR");
    must(RUN("compare", in_dir("coarse"), in_dir("as_coarse")), CONF_EXIT_OK,
         " 0 less exact");
    must(RUN("compare", in_dir("good"), in_dir("fine")), CONF_EXIT_OK,
         " 0 less exact");
    /* Nor is an error where there was none before. */
    setenv("TEST_ERROR", "", 1);
    pack("unmeasured", "pack.*", CONF_EXIT_OK);
    unsetenv("TEST_ERROR");
    must(RUN("compare", in_dir("unmeasured"), in_dir("coarse")), CONF_EXIT_OK,
         " 0 less exact");
    /* Neither an excuse for a pass nor a new case that fails goes unseen. */
    setenv("TEST_LACKS", "b", 1);
    pack("excused", "pack.*", CONF_EXIT_OK);
    unsetenv("TEST_LACKS");
    must(RUN("compare", in_dir("good"), in_dir("excused")), CONF_EXIT_NOT,
         "worse   cpu:0 pack.b: unsupported, was pass");
    pack("first", "pack.a", CONF_EXIT_OK);
    must(RUN("compare", in_dir("first"), in_dir("bad")), CONF_EXIT_NOT,
         "worse   cpu:0 pack.b: fail, is new");
    fresh_copy();
    edit("copy/result.json", "\"pass\"", "\"fail\"");
    must(RUN("compare", in_dir("good"), in_dir("copy")), CONF_EXIT_UNRUN,
         "it was edited");
    must(RUN("compare", in_dir("good")), CONF_EXIT_USAGE, "usage");
}

/* What a file from outside says is quoted without what would steer a terminal;
 * names that could are none. */
static void quiet_on_a_terminal(void **state)
{
    static const char *const files[][2] = {
        { "cases.json", "{\"schema\":\"halcyon.conform/1\\u001b[2J\"}" },
        { "manifest.json", "{\"schema\":\"\\u001b[2J\"}" },
        { "index.json", "[{\"name\":\"\\u001b[2J\",\"op\":\"x\"}]" },
        { "expect.txt", "xfail \033[2J cpu:0 a reason\n" },
    };
    char *report = read_text(in_dir("good/result.json"));
    char *at, all[4][160];
    struct outcome o[6];

    (void)state;
    mkdir(in_dir("hostile"), 0777);
    for (int i = 0; i < 4; i++) {
        snprintf(all[i], sizeof all[i], "%s/hostile/%s", run_dir, files[i][0]);
        write_text(all[i], files[i][1]);
    }
    o[0] = RUN("compare", all[0], all[0]);
    o[1] = VERIFY("hostile");
    o[2] = CONFORM("--case", "pack.a", "--golden", in_dir("hostile"));
    o[3] = CONFORM("--device", "cpu:0", "--case", "pack.a", "--expect", all[3]);
    /* A name of a case; of a device. */
    assert_non_null(report);
    while ((at = strstr(report, "pack.a")))
        at[4] = 0x7f;
    write_text(in_dir("case.json"), report);
    o[4] = RUN("compare", in_dir("good"), in_dir("case.json"));
    free(report);
    report = read_text(in_dir("good/result.json"));
    while ((at = strstr(report, "cpu:0")))
        at[3] = 0x7f;
    write_text(in_dir("device.json"), report);
    o[5] = RUN("compare", in_dir("good"), in_dir("device.json"));
    free(report);
    for (int i = 0; i < 6; i++) {
        if (strchr(o[i].out, 033) || strchr(o[i].out, 0x7f)) {
            print_error("%d: %s\n", i, o[i].out);
            fail();
        }
        must(o[i], i == 1 ? 1 : CONF_EXIT_UNRUN,
             i < 4 ? "[2J" : "no good name or device");
    }
}

/* Whole or not at all, and known before anything runs. */
static void places(void **state)
{
    (void)state;
    must(CONFORM("--device", "cpu:0", "--case", "pack.a", "--package",
                 in_dir("good")),
         CONF_EXIT_UNRUN, "wants a new or an empty folder");
    must(CONFORM("--device", "cpu:0", "--case", "pack.a", "--package",
                 "/proc/nowhere/x"),
         CONF_EXIT_UNRUN, "/proc/nowhere/x");
    mkdir(in_dir("empty"), 0777);
    pack("empty", "pack.a", CONF_EXIT_OK);
    must(VERIFY("empty"), 0, "good");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_package),
        cmocka_unit_test(edits_are_refused),
        cmocka_unit_test(gaps_are_refused),
        cmocka_unit_test(nothing_proves_nothing),
        cmocka_unit_test(origins_are_told),
        cmocka_unit_test(expectations_are_kept),
        cmocka_unit_test(links_out_are_refused),
        cmocka_unit_test(compares),
        cmocka_unit_test(quiet_on_a_terminal),
        cmocka_unit_test(places),
    };

    if (argc > 1 && !strcmp(argv[1], "conform")) {
        conf_extra_family = family;
        return conf_command(argc - 1, argv + 1);
    }
    if (argc > 1 && !strcmp(argv[1], "verify"))
        return conf_verify_command(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "merge"))
        return conf_merge_command(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "compare"))
        return conf_compare_command(argc - 1, argv + 1);
    setenv("HALCYON_DEVICES", "cpu", 1); /* no run looks for drivers */
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
