/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_resume.c - runs in parts: killed and resumed, dealt out in shards and
 * joined, cut short by a budget.  Nothing that was finished is lost, and
 * nothing is counted twice.
 */
#include "tests/conformance/run_test.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

#include "conformance/conf.h"
#include "conformance/list.h"
#include "conformance/results.h"

/* Seventy quick cases. */
#define SOME "--device", "cpu:0", "--case", "kernel.a[dr]*.f32.*"

/* Cases of one family; each adds its letter to TEST_RUNS, and those that
 * TEST_FAILS names fail. */
static void tells(struct conf *c)
{
    const char *name = conf_param(c), *path = getenv("TEST_RUNS");
    const char *bad = getenv("TEST_FAILS");
    FILE *f = path ? fopen(path, "a") : NULL;

    if (f) {
        fputs(name, f);
        fclose(f);
    }
    conf_check(c, !bad || !strstr(bad, name), "%s fails", name);
}

static void family(struct conf_list *list, const struct conf_options *options)
{
    (void)options;
    for (char letter[2] = "a"; *letter < 'k'; ++*letter) {
        struct conf_case cc = { .run = tells, .levels = "kernels-f32" };
        char name[32];

        snprintf(name, sizeof name, "past.of.all.%s", letter);
        cc.name = name;
        cc.param = letter;
        conf_list_add(list, &cc, sizeof letter);
    }
}

static int count_lines(const char *path)
{
    char *text = read_text(path);
    int n = 0;

    for (char *p = text; p && *p; p++)
        n += *p == '\n';
    free(text);
    return n;
}

static void good(const char *path, size_t *out_n)
{
    struct conf_results r;
    char error[CONF_RESULTS_ERROR] = "";

    if (conf_results_read(&r, path, error) || conf_results_whole(&r, error)) {
        print_error("%s\n", error);
        fail();
    }
    *out_n = r.n;
    conf_results_release(&r);
}

/* ---- resuming ------------------------------------------------------------ */

/* Kills a run as soon as it has `more` verdicts more than it began with, or
 * somewhat later. */
static void kill_at(int more, long later_us)
{
    const char *args[] = { "conform", SOME,       "--quiet", "--jobs",
                           "1",       "--resume", NULL,      NULL };
    const char *path = in_dir("journal/journal.jsonl");
    int begun = count_lines(path), fd;
    pid_t pid;

    args[sizeof args / sizeof *args - 2] = in_dir("journal");
    pid = run_start(args, &fd);
    for (int i = 0; i < 20000 && count_lines(path) < begun + more; i++)
        usleep(1000);
    usleep((useconds_t)later_us);
    kill(pid, SIGKILL);
    free(run_end(pid, fd).out);
}

static void kills_lose_nothing(void **state)
{
    char path[160];
    unsigned seed = (unsigned)time(NULL);
    int before = 0, after;
    size_t n_plan, n;
    cJSON *json;

    (void)state;
    snprintf(path, sizeof path, "%s", in_dir("journal/journal.jsonl"));
    print_message("kills at times of seed %u\n", seed);
    must(CONFORM(SOME, "--json", in_dir("whole.json")), CONF_EXIT_OK,
         "conformant");
    good(in_dir("whole.json"), &n_plan);
    assert_true(n_plan > 60);
    for (int i = 0; i < 8; i++) {
        kill_at(1 + (int)(rand_r(&seed) % 4), (long)(rand_r(&seed) % 3000));
        after = count_lines(path);
        assert_true(after > before); /* finished verdicts stay */
        before = after;
        if (before == (int)n_plan + 1) {
            assert_true(i >= 2); /* else no kill came in mid-run */
            break;
        }
    }
    must(CONFORM(SOME, "--resume", in_dir("journal"), "--json",
                 in_dir("resumed.json")),
         CONF_EXIT_OK, "conformant");
    good(in_dir("resumed.json"), &n);
    assert_int_equal(n, n_plan);
    json = read_json(in_dir("resumed.json"));
    /* The head is no verdict. */
    assert_int_equal(cJSON_GetObjectItem(json, "resumed")->valueint,
                     before - 1);
    cJSON_Delete(json);
    /* Each case once: what was finished did not run again. */
    assert_int_equal(count_lines(path), (int)n_plan + 1);
    /* And a finished run has nothing left to do. */
    must(CONFORM(SOME, "--resume", in_dir("journal")), CONF_EXIT_OK,
         "verdicts from");
    assert_int_equal(count_lines(path), (int)n_plan + 1);
}

static void damage(size_t at, const char *bytes, size_t cut)
{
    char *text = read_text(in_dir("journal/journal.jsonl"));
    const char *to = in_dir("damaged/journal.jsonl");

    assert_non_null(text);
    if (bytes)
        memcpy(text + at, bytes, strlen(bytes));
    if (cut)
        text[cut] = 0;
    mkdir(in_dir("damaged"), 0777);
    write_text(to, text);
    free(text);
}

/* A torn end is mended; anything else is refused, with its line. */
static void journals_are_checked(void **state)
{
    char *text = read_text(in_dir("journal/journal.jsonl"));
    size_t size = strlen(text),
           second = (size_t)(strchr(text, '\n') - text) + 1;
    size_t third = (size_t)(strchr(text + second, '\n') - text) + 1;
    struct stat info;
    FILE *f;

    (void)state;
    damage(0, NULL, size - 7);
    must(CONFORM(SOME, "--resume", in_dir("damaged")), CONF_EXIT_OK,
         "conformant");
    assert_int_equal(stat(in_dir("damaged/journal.jsonl"), &info), 0);
    damage(second + 40, "X", 0);
    must(CONFORM(SOME, "--resume", in_dir("damaged")), CONF_EXIT_UNRUN,
         "journal.jsonl:2: a line that is damaged");
    damage(0, *text == '0' ? "1" : "0", 0);
    must(CONFORM(SOME, "--resume", in_dir("damaged")), CONF_EXIT_UNRUN,
         "journal.jsonl:1: ");
    /* The second line again at the end. */
    damage(0, NULL, 0);
    f = fopen(in_dir("damaged/journal.jsonl"), "a");
    fwrite(text + second, 1, third - second, f);
    fclose(f);
    must(CONFORM(SOME, "--resume", in_dir("damaged")), CONF_EXIT_UNRUN,
         "a second verdict of one case");
    free(text);
}

static void other_runs_are_refused(void **state)
{
    int fd;
    FILE *f;

    (void)state;
    must(CONFORM(SOME, "--seed", "7", "--resume", in_dir("journal")),
         CONF_EXIT_UNRUN, "it is of another seed");
    must(CONFORM("--device", "cpu:0", "--case", "kernel.add.*", "--resume",
                 in_dir("journal")),
         CONF_EXIT_UNRUN, "it is of other cases");
    must(CONFORM(SOME, "--shard", "1/2", "--resume", in_dir("journal")),
         CONF_EXIT_UNRUN, "it is of another shard");
    must(CONFORM(SOME, "--resume", "/proc/nowhere"), CONF_EXIT_UNRUN,
         "/proc/nowhere");
    f = fopen(in_dir("journal/journal.jsonl"), "r");
    fd = fileno(f);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    must(CONFORM(SOME, "--resume", in_dir("journal")), CONF_EXIT_UNRUN,
         "another run is using it");
    fclose(f);
}

/* The sentence names what differs, and both values. */
static void resume_refused(const char *const *more, const char *words)
{
    const char *args[32] = { "conform", SOME, "--resume", in_dir("journal") };
    size_t n = 0;

    while (args[n])
        n++;
    while (*more)
        args[n++] = *more++;
    must(run_args(args), CONF_EXIT_UNRUN, words);
}

static void holds(const char *name, const char *words)
{
    char *text = read_text(in_dir(name));

    assert_non_null(text);
    if (!strstr(text, words))
        fail_msg("%s does not hold: %s\n%s", name, words, text);
    free(text);
}

/* A journal with a planted fault is of no use without it, and the other way. */
static void planted_faults_are_no_verdicts(void **state)
{
    static const char *const planted[] = { "--mutant", "kernel.add_subtracts",
                                           NULL };

    (void)state;
    resume_refused(planted, "journal.jsonl:1: a fault was planted, or is: "
                            "mutant is nothing there, "
                            "'kernel.add_subtracts' here");
    must(CONFORM("--device", "cpu:0", "--case", "kernel.argmax.f32.n1[5-7]",
                 "--mutant", "kernel.add_subtracts", "--resume",
                 in_dir("planted"), "--junit", in_dir("planted.xml"), "--tap",
                 in_dir("planted.tap")),
         CONF_EXIT_NOT,
         "a fault is planted, kernel.add_subtracts: this proves nothing");
    holds("planted.xml", "message=\"a fault is planted: that proves nothing");
    holds("planted.tap", "not ok 1 - cpu:0");
    must(CONFORM("--device", "cpu:0", "--case", "kernel.argmax.f32.n1[5-7]",
                 "--resume", in_dir("planted"), "--package",
                 in_dir("planted.pack")),
         CONF_EXIT_UNRUN,
         "mutant is 'kernel.add_subtracts' there, nothing here");
}

static void other_surroundings_are_refused(void **state)
{
    static const char *const none[] = { NULL };
    static const struct {
        const char *name, *value;
    } set[] = {
        { "HALCYON_VARIANT", "cpu.base" },
        { "HALCYON_KERNEL", "gemm:native" },
        { "HALCYON_CPU_ISA", "base" },
        { "HALCYON_CPU_THREADS", "1" },
        { "LP_NATIVE_VECTOR_WIDTH", "128" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
        char words[128];

        if (getenv(set[i].name))
            continue; /* in force for all of this test */
        setenv(set[i].name, set[i].value, 1);
        snprintf(words, sizeof words,
                 "it is of another environment: environment.%s is nothing "
                 "there, '%s' here",
                 set[i].name, set[i].value);
        resume_refused(none, words);
        unsetenv(set[i].name);
    }
    /* Where a cache lies is no matter. */
    setenv("HALCYON_SHARED_GOLDEN", "/elsewhere", 1);
    must(CONFORM(SOME, "--resume", in_dir("journal")), CONF_EXIT_OK,
         "verdicts from");
}

/* A program, or a pack, that is another one by a byte. */
static void other_programs_are_refused(void **state)
{
    const char *args[] = { "conform", "--device",      "cpu:0",
                           "--case",  "golden.edge.*", "--golden",
                           NULL,      "--resume",      NULL,
                           NULL };
    char command[640], self[200];
    struct outcome o;

    (void)state;
    snprintf(command, sizeof command,
             "cp /proc/%ld/exe %s && echo >>%s && cp -R conformance/golden %s",
             (long)getpid(), in_dir("other"), in_dir("other"), in_dir("pack"));
    assert_int_equal(system(command), 0);
    snprintf(self, sizeof self, "%s", in_dir("other"));
    o = run_program(self, (const char *const[]){ "conform", SOME, "--resume",
                                                 in_dir("journal"), NULL });
    must(o, CONF_EXIT_UNRUN, "another program wrote it: program.sha256 is '");
    args[6] = in_dir("pack");
    args[8] = in_dir("golden");
    must(run_args(args), CONF_EXIT_OK, "conformant");
    must(run_args(args), CONF_EXIT_OK, "verdicts from");
    snprintf(command, sizeof command, "echo >>%s", in_dir("pack/index.json"));
    assert_int_equal(system(command), 0);
    must(run_args(args), CONF_EXIT_UNRUN,
         "it is of other reference vectors: golden[0].sha256 is '");
}

/* Verdicts in a journal need what they need in a report. */
static void journals_do_not_contradict(void **state)
{
    static const struct {
        const char *verdict, *words;
    } bad[] = {
        { "\"verdict\":\"fail\",\"ms\":1,\"message\":\"\",\"metrics\":{}",
          "journal.jsonl:2: message: fail without a reason" },
        { "\"verdict\":\"pass\",\"ms\":1,\"message\":\"\",\"metrics\":"
          "{\"y.of_bound\":50}",
          "journal.jsonl:2: metrics.y.of_bound: a pass beyond its bound" },
        { "\"verdict\":\"pass\",\"ms\":1e999,\"message\":\"\","
          "\"metrics\":{}",
          "journal.jsonl:2: no verdict" },
        { "\"verdict\":\"waived\",\"ms\":1,\"message\":\"x\","
          "\"metrics\":{}",
          "journal.jsonl:2: verdict: waived, and nothing is expected" },
        { "\"verdict\":\"fail\",\"verdict\":\"pass\",\"ms\":1,"
          "\"message\":\"\",\"metrics\":{}",
          "journal.jsonl:2: verdict is there twice" },
    };
    char *text = read_text(in_dir("journal/journal.jsonl"));

    (void)state;
    assert_non_null(strchr(text, '\n'));
    strchr(text, '\n')[1] = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *line = NULL, *all = NULL;

        assert_true(asprintf(&line,
                             "{\"device\":\"cpu:0\",\"case\":"
                             "\"kernel.add.f32.n17\",%s}",
                             bad[i].verdict) > 0);
        assert_true(
            asprintf(&all, "%s%016llx %s\n", text,
                     (unsigned long long)XXH3_64bits(line, strlen(line)),
                     line) > 0);
        write_text(in_dir("damaged/journal.jsonl"), all);
        must(CONFORM(SOME, "--resume", in_dir("damaged")), CONF_EXIT_UNRUN,
             bad[i].words);
        free(line);
        free(all);
    }
    free(text);
}

/* A run that cannot write its journal says so. */
static void full_disk(void **state)
{
    (void)state;
    mkdir(in_dir("full"), 0777);
    assert_int_equal(symlink("/dev/full", in_dir("full/journal.jsonl")), 0);
    must(CONFORM(SOME, "--resume", in_dir("full")), CONF_EXIT_UNRUN,
         "journal.jsonl");
}

/* A journal of a verdict, and of so many that were taken back that no report is
 * as long; its length. */
static rlim_t long_journal(const char *path)
{
    static const char line[] = "{\"device\":\"cpu:0\",\"case\":"
                               "\"past.of.all.j\",\"verdict\":\"missing\","
                               "\"ms\":0,\"message\":\"\",\"metrics\":{}}";
    char *text = read_text(path), *end;
    FILE *f;
    long size;

    assert_non_null(text);
    end = strchr(strchr(text, '\n') + 1, '\n') + 1;
    f = fopen(path, "w");
    assert_non_null(f);
    fwrite(text, 1, (size_t)(end - text), f);
    for (int i = 0; i < 2000; i++)
        fprintf(f, "%016llx %s\n",
                (unsigned long long)XXH3_64bits(line, sizeof line - 1), line);
    size = ftell(f);
    assert_int_equal(fclose(f), 0);
    free(text);
    return (rlim_t)size;
}

/* A journal that finds no room in mid-run costs the status: the reports are
 * there, whole, and so is what the journal held before. */
static void full_disk_in_mid_run(void **state)
{
    static const char *const reports[] = { "f.xml", "f.html", "f.tap" };
    struct rlimit before, full;
    char path[300];
    size_t n;

    (void)state;
    must(CONFORM("--device", "cpu:0", "--case", "past.*", "--jobs", "1",
                 "--resume", in_dir("brim")),
         CONF_EXIT_OK, "conformant: 10 cases");
    snprintf(path, sizeof path, "%s", in_dir("brim/journal.jsonl"));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    full = before;
    full.rlim_cur = long_journal(path) + 40; /* a torn line fits */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    must(CONFORM("--device", "cpu:0", "--case", "past.*", "--resume",
                 in_dir("brim"), "--json", in_dir("f.json"), "--junit",
                 in_dir("f.xml"), "--html", in_dir("f.html"), "--tap",
                 in_dir("f.tap")),
         CONF_EXIT_UNRUN, "brim/journal.jsonl: File too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    good(in_dir("f.json"), &n);
    assert_int_equal(n, 10);
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++) {
        char *text = read_text(in_dir(reports[i]));

        assert_non_null(text);
        assert_non_null(strstr(text, "past.of.all.j"));
        free(text);
    }
    /* With room it goes on behind the last whole line. */
    must(CONFORM("--device", "cpu:0", "--case", "past.*", "--resume",
                 in_dir("brim")),
         CONF_EXIT_OK, "; 1 verdicts from ");
}

/* ---- shards -------------------------------------------------------------- */

static void shards_join(void **state)
{
    cJSON *a, *b;
    const cJSON *item;
    size_t n, n_plan;

    (void)state;
    good(in_dir("whole.json"), &n_plan);
    for (int i = 1; i <= 3; i++) {
        char shard[32], name[32];

        snprintf(shard, sizeof shard, "%d/3", i);
        snprintf(name, sizeof name, "s%d.json", i);
        must(CONFORM(SOME, "--shard", shard, "--json", in_dir(name)),
             CONF_EXIT_OK, shard);
    }
    must(RUN("merge", "--json", in_dir("joint.json"), in_dir("s3.json"),
             in_dir("s1.json"), in_dir("s2.json")),
         CONF_EXIT_OK, "");
    good(in_dir("joint.json"), &n);
    assert_int_equal(n, n_plan);
    /* The same verdicts as of the undivided run. */
    a = read_json(in_dir("whole.json"));
    b = read_json(in_dir("joint.json"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(a, "cases"))
        assert_string_equal(
            string_of(item, "verdict"),
            string_of(case_in(b, string_of(item, "name")), "verdict"));
    cJSON_Delete(a);
    cJSON_Delete(b);
}

static void gaps_and_overlaps_are_refused(void **state)
{
    (void)state;
    must(RUN("merge", in_dir("s1.json"), in_dir("s2.json")), CONF_EXIT_UNRUN,
         "of the plan's");
    must(RUN("merge", in_dir("s1.json"), in_dir("s2.json"), in_dir("s3.json"),
             in_dir("s2.json")),
         CONF_EXIT_UNRUN, "has two verdicts: ");
    must(RUN("merge", in_dir("s1.json"), in_dir("whole.json")), CONF_EXIT_UNRUN,
         "has two verdicts: ");
    must(CONFORM(SOME, "--seed", "2", "--shard", "3/3", "--json",
                 in_dir("seed2.json")),
         CONF_EXIT_OK, "conformant");
    must(RUN("merge", in_dir("s1.json"), in_dir("s2.json"),
             in_dir("seed2.json")),
         CONF_EXIT_UNRUN, "different seeds");
    must(CONFORM("--device", "cpu:0", "--case", "kernel.add.*", "--json",
                 in_dir("other.json")),
         CONF_EXIT_OK, "conformant");
    must(RUN("merge", in_dir("s1.json"), in_dir("other.json")), CONF_EXIT_UNRUN,
         "different plans");
    must(RUN("merge", in_dir("none.json")), CONF_EXIT_UNRUN, "none.json");
    must(RUN("merge"), CONF_EXIT_USAGE, "usage");
}

/* s2.json with `to` for the first `from`, beside the other two. */
static void other_is_refused(const char *from, const char *to,
                             const char *words)
{
    char *text = read_text(in_dir("s2.json")), *out = NULL, *at;

    assert_non_null(text);
    at = strstr(text, from);
    assert_non_null(at);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to,
                         at + strlen(from)) > 0);
    write_text(in_dir("s2x.json"), out);
    must(RUN("merge", in_dir("s1.json"), in_dir("s2x.json"), in_dir("s3.json")),
         words ? CONF_EXIT_UNRUN : CONF_EXIT_OK, words ? words : "");
    free(out);
    free(text);
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

/* Shards of one run come from one program, in one environment. */
static void other_shards_are_refused(void **state)
{
    (void)state;
    other_is_refused("", "", NULL);
    other_is_refused("\"program\":\t{", "\"program\":{\"more\":1,",
                     "they are of different programs: program.more is nothing "
                     "in ");
    other_is_refused("\"stock_kernels_sha256\":\t\"",
                     "\"stock_kernels_sha256\":\"" ZEROS "\",\"was\":\"",
                     "program.stock_kernels_sha256 is '");
    other_is_refused("\"program\":\t{\n\t\t\"version\":\t\"",
                     "\"program\":{\"version\":\"9.", "program.version is '");
    other_is_refused("\"program\"", "\"programme\"",
                     "program: it does not tell which one wrote it: ");
    other_is_refused("\"golden\"", "\"silver\"",
                     "golden: it does not tell its reference vectors");
    other_is_refused("\"golden\":\t[{",
                     "\"golden\":[{\"sha256\":\"" ZEROS "\"},{",
                     "they are of different reference vectors: "
                     "golden[0].sha256 is '");
    other_is_refused("\"environment\":\t{",
                     "\"environment\":{\"HALCYON_VARIANT\":\"cpu.base\",",
                     "they are of different environments: "
                     "environment.HALCYON_VARIANT is nothing in ");
    other_is_refused("\"HALCYON_DEVICES\":\t\"cpu\"",
                     "\"HALCYON_DEVICES\":\t\"cpu:0\"", NULL);
    other_is_refused("\"environment\"", "\"surroundings\"",
                     "environment: it does not tell it");
    other_is_refused("\"planned\":", "\"mutant\":\"x\",\"planned\":",
                     "a fault was planted in that run");
    other_is_refused("\"planned\":", "\"expect\":[\"" ZEROS "\"],\"planned\":",
                     "they are of different expectations: expect is nothing "
                     "in ");
    other_is_refused("\"driver\":\t\"", "\"driver\":\t\"x",
                     "one device with two drivers: driver is '");
    other_is_refused("\"visible\":\t\"cpu:0", "\"visible\":\t\"cpu:0,cuda:0",
                     "one device beside other devices: visible is 'cpu:0");
}

/* ---- a budget ------------------------------------------------------------ */

static void expect_in(const char *path, const char *part)
{
    char *text = read_text(path);

    assert_non_null(text);
    if (!strstr(text, part))
        fail_msg("%s lacks %s", path, part);
    free(text);
}

static void a_budget_says_what_it_left_out(void **state)
{
    struct conf_results r;
    char error[CONF_RESULTS_ERROR] = "", tap[80], xml[80];
    cJSON *json;
    size_t n;

    (void)state;
    /* Of all kernels there is time for the mandatory ones alone. */
    must(CONFORM("--device", "cpu:0", "--case", "kernel.[a-f]*", "--case",
                 "api.[fl]*", "--budget", "0.001s", "--tap",
                 in_dir("budget.tap"), "--junit", in_dir("budget.xml"),
                 "--json", in_dir("budget.json")),
         CONF_EXIT_OK, "left out: cpu:0: ");
    good(in_dir("budget.json"), &n);
    assert_int_equal(conf_results_read(&r, in_dir("budget.json"), error), 0);
    assert_true(r.n_left_out > 0);
    assert_int_equal(r.n + r.n_left_out, r.plan_cases);
    snprintf(tap, sizeof tap, "\n    # left out: %zu of %zu cases",
             r.n_left_out, r.plan_cases);
    expect_in(in_dir("budget.tap"), tap);
    snprintf(xml, sizeof xml, "<property name=\"left_out\" value=\"%zu\"/>",
             r.n_left_out);
    expect_in(in_dir("budget.xml"), xml);
    assert_non_null(conf_results_find(&r, "cpu:0", "api.fill.low_byte"));
    /* All of core, and one of each kernel and format. */
    for (size_t i = 0; i < r.n_left_out; i++) {
        const char *name = r.left_out[i].name;
        size_t length = (size_t)(strrchr(name, '.') - name) + 1, k = 0;

        assert_int_equal(strncmp(name, "kernel.", 7), 0);
        while (k < r.n && strncmp(r.at[k].name, name, length))
            k++;
        if (k == r.n) {
            print_error("nothing of %s ran\n", name);
            fail();
        }
    }
    conf_results_release(&r);
    json = read_json(in_dir("budget.json"));
    assert_string_equal(string_of(json, "result"), "conformant");
    cJSON_Delete(json);
    /* The rest can be made up for; what is done is not done again. */
    must(CONFORM("--device", "cpu:0", "--case", "kernel.add.*", "--budget",
                 "0.001s", "--resume", in_dir("r.budget")),
         CONF_EXIT_OK, "left out: cpu:0: ");
    must(CONFORM("--device", "cpu:0", "--case", "kernel.add.*", "--budget",
                 "1h", "--resume", in_dir("r.budget"), "--json",
                 in_dir("rest.json")),
         CONF_EXIT_OK, "conformant: ");
    good(in_dir("rest.json"), &n);
    /* With time enough nothing is left out. */
    must(CONFORM(SOME, "--budget", "1h", "--history", in_dir("whole.json"),
                 "--json", in_dir("hour.json")),
         CONF_EXIT_OK, "conformant");
    good(in_dir("hour.json"), &n);
    json = read_json(in_dir("hour.json"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(
                         cJSON_GetObjectItem(json, "left_out"), "cpu:0")),
                     0);
    cJSON_Delete(json);
}

/* What failed the last time goes first, right after the mandatory cases. */
static void history_goes_first(void **state)
{
    const char *name = "kernel.add.f32.n65536";
    char *text, *at;
    struct conf_results r;
    char error[CONF_RESULTS_ERROR] = "";

    (void)state;
    must(CONFORM("--device", "cpu:0", "--case", "kernel.add.*", "--json",
                 in_dir("past.json")),
         CONF_EXIT_OK, "conformant");
    /* A report in which that one case failed. */
    text = read_text(in_dir("past.json"));
    at = strstr(strstr(text, name), "\"pass\"");
    memcpy(at, "\"fail\"", 6);
    at = strstr(text, "\"result\":\t\"conformant\"");
    assert_non_null(at);
    write_text(in_dir("past.json"), text);
    must(CONFORM("--device", "cpu:0", "--case", "kernel.add.*", "--budget",
                 "1m", "--history", in_dir("past.json")),
         CONF_EXIT_UNRUN, "message: fail without a reason");
    free(text);
    /* An honest one: the case runs with a fault planted, elsewhere none. */
    must(CONFORM("--device", "cpu:0", "--case", name, "--json",
                 in_dir("bad.json"), "--timeout", "0.01", "--mutant",
                 "kernel.add_subtracts"),
         CONF_EXIT_NOT, "NOT conformant");
    must(CONFORM("--device", "cpu:0", "--case", "kernel.add.*", "--budget",
                 "1m", "--history", in_dir("bad.json")),
         CONF_EXIT_UNRUN, "a fault was planted in that run");
    assert_int_equal(conf_results_read(&r, in_dir("bad.json"), error), -1);
    conf_results_release(&r);
}

/* The letters of the cases in the order in which they ran. */
static char *ran(const char *history)
{
    char *text;

    (void)unlink(in_dir("runs"));
    if (history)
        must(CONFORM("--device", "cpu:0", "--case", "past.*", "--jobs", "1",
                     "--budget", "1m", "--history", history),
             CONF_EXIT_OK, "conformant: 10 cases");
    else
        must(CONFORM("--device", "cpu:0", "--case", "past.*", "--jobs", "1",
                     "--budget", "1m"),
             CONF_EXIT_OK, "conformant: 10 cases");
    text = read_text(in_dir("runs"));
    assert_non_null(text);
    assert_int_equal(strlen(text), 10);
    return text;
}

/* What was bad the last time goes first, and one of them stands for its family;
 * then the rest, in the order that it has without a history. */
static void history_s_order(void **state)
{
    char bad[3] = "", want[11] = "", *before, *after;
    size_t n = 2;

    (void)state;
    assert_int_equal(setenv("TEST_RUNS", in_dir("runs"), 1), 0);
    before = ran(NULL);
    bad[0] = want[0] = before[3];
    bad[1] = want[1] = before[9];
    for (size_t i = 0; i < 9; i++)
        if (i != 3)
            want[n++] = before[i];
    assert_int_equal(setenv("TEST_FAILS", bad, 1), 0);
    must(CONFORM("--device", "cpu:0", "--case", "past.*", "--json",
                 in_dir("was.json")),
         CONF_EXIT_NOT, "NOT conformant: 2 of 10");
    assert_int_equal(unsetenv("TEST_FAILS"), 0);
    after = ran(in_dir("was.json"));
    assert_string_equal(after, want);
    free(after);
    free(before);
    assert_int_equal(unsetenv("TEST_RUNS"), 0);
}

static void usage(void **state)
{
    static const char *const bad[][2] = {
        { "--shard", "0/3" },     { "--shard", "4/3" },  { "--shard", "1/3x" },
        { "--shard", "1" },       { "--budget", "0" },   { "--budget", "-1m" },
        { "--budget", "10 min" }, { "--budget", "nan" }, { "--resume", "" },
        { "--history", "x" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        must(CONFORM(SOME, bad[i][0], bad[i][1]), CONF_EXIT_USAGE, bad[i][0]);
    must(CONFORM("--device", "cpu:0", "--case", "kernel.add.f32.n17", "--shard",
                 "2/3"),
         CONF_EXIT_UNRUN, "shard 2/3 of 1 cases is empty");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kills_lose_nothing),
        cmocka_unit_test(journals_are_checked),
        cmocka_unit_test(other_runs_are_refused),
        cmocka_unit_test(planted_faults_are_no_verdicts),
        cmocka_unit_test(other_surroundings_are_refused),
        cmocka_unit_test(other_programs_are_refused),
        cmocka_unit_test(journals_do_not_contradict),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(full_disk_in_mid_run),
        cmocka_unit_test(shards_join),
        cmocka_unit_test(gaps_and_overlaps_are_refused),
        cmocka_unit_test(other_shards_are_refused),
        cmocka_unit_test(a_budget_says_what_it_left_out),
        cmocka_unit_test(history_goes_first),
        cmocka_unit_test(history_s_order),
        cmocka_unit_test(usage),
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
