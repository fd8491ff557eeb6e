/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ends.c - how a run ends before its time: signals, a closed terminal, a
 * reader that goes, a disk that is full, a device that is lost.  Always a clear
 * word, a valid partial result, the right status, and no temporary file.
 */
#include "tests/conformance/run_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>

#include "conformance/list.h"
#include "conformance/results.h"
#include "conformance/runner.h"

static void passes(struct conf *c)
{
    CONF_TRUE(c, 1);
}

static int there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Tells that it runs, and does not end before it may. */
static void waits(struct conf *c)
{
    const char *path = getenv("TEST_RUNS"), *may_end = getenv("TEST_MAY_END");

    if (!getenv("TEST_ENDS")) {
        if (path)
            close(open(path, O_WRONLY | O_CREAT, 0666));
        while (!may_end || !there(may_end))
            usleep(1000);
    }
    CONF_TRUE(c, 1);
}

static const struct conf_case cases[] = {
    { "end.a", passes, .levels = "core" },
    { "end.b", passes, .levels = "core" },
    { "end.waits", waits, .levels = "core", .limit_s = 600 },
    { "end.z", passes, .levels = "core" },
    { 0 },
};

static void family(struct conf_list *list, const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}

/* ---- helpers ------------------------------------------------------------- */

static void wait_for(const char *path)
{
    for (int i = 0; i < 60000 && !there(path); i++)
        usleep(1000);
    assert_true(there(path));
}

static void no_temporary_files(void)
{
    DIR *d = opendir(run_dir);
    const struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d)))
        if (strstr(e->d_name, ".tmp")) {
            print_error("%s is left\n", e->d_name);
            fail();
        }
    closedir(d);
}

static int is_running(pid_t pid)
{
    char path[64], *text, state;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    text = read_text(path);
    state = text && strrchr(text, ')') ? strrchr(text, ')')[2] : 'X';
    free(text);
    return state != 'Z' && state != 'X';
}

static const char *verdict_in(const cJSON *json, const char *name)
{
    const cJSON *item = case_in(json, name);

    return item ? string_of(item, "verdict") : "(none)";
}

/* What is finished counts, what is not is missing, and it all adds up. */
static void is_partial(const char *path)
{
    char error[CONF_RESULTS_ERROR] = "";
    struct conf_results r;
    cJSON *json;

    if (conf_results_read(&r, path, error)) {
        print_error("%s\n", error);
        fail();
    }
    assert_int_equal(r.exit_status, CONF_EXIT_UNRUN);
    conf_results_release(&r);
    json = read_json(path);
    assert_string_equal(string_of(json, "result"), "incomplete");
    assert_string_equal(verdict_in(json, "end.a"), "pass");
    assert_string_equal(verdict_in(json, "end.b"), "pass");
    assert_string_equal(verdict_in(json, "end.waits"), "missing");
    assert_string_equal(verdict_in(json, "end.z"), "missing");
    cJSON_Delete(json);
}

/* ---- tests --------------------------------------------------------------- */

static void signals(void **state)
{
    static const int all[] = { SIGINT, SIGTERM, SIGHUP };

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *args[] = { "conform", "--device",  "cpu:0", "--case",
                               "end.*",   "--jobs",    "1",     "--json",
                               NULL,      "--tap",     NULL,    "--resume",
                               NULL,      "--package", NULL,    NULL };
        char json[160], runs[160], resume[160], package[160], tap[160];
        struct outcome o;
        char *text;
        int fd;
        pid_t pid;

        snprintf(json, sizeof json, "%s/i%zu.json", run_dir, i);
        snprintf(tap, sizeof tap, "%s/i%zu.tap", run_dir, i);
        snprintf(runs, sizeof runs, "%s/runs%zu", run_dir, i);
        snprintf(resume, sizeof resume, "%s/resume%zu", run_dir, i);
        snprintf(package, sizeof package, "%s/package%zu", run_dir, i);
        args[8] = json;
        args[10] = tap;
        args[12] = resume;
        args[14] = package;
        setenv("TEST_RUNS", runs, 1);
        pid = run_start(args, &fd);
        wait_for(runs);
        kill(pid, all[i]);
        o = run_end(pid, fd);
        must(o, CONF_EXIT_UNRUN, "INCOMPLETE (interrupted): 2 of 4");
        is_partial(json);
        text = read_text(tap);
        assert_non_null(strstr(text, "Bail out! interrupted"));
        free(text);
        must(RUN("verify", package), 1, "2 cases of cpu:0 have no result");
        no_temporary_files();
        unsetenv("TEST_RUNS");
    }
}

/* nohup: a hangup is nothing to it. */
static void nohup(void **state)
{
    const char *args[] = { "conform", "--device", "cpu:0",  "--case", "end.*",
                           "--jobs",  "1",        "--json", NULL,     NULL };
    char json[160], runs[160], may_end[160];
    struct outcome o;
    cJSON *report;
    int fd;
    pid_t pid;

    (void)state;
    snprintf(json, sizeof json, "%s/nohup.json", run_dir);
    snprintf(runs, sizeof runs, "%s/nohup.runs", run_dir);
    snprintf(may_end, sizeof may_end, "%s/nohup.may_end", run_dir);
    args[8] = json;
    setenv("TEST_RUNS", runs, 1);
    setenv("TEST_MAY_END", may_end, 1);
    signal(SIGHUP, SIG_IGN);
    pid = run_start(args, &fd);
    signal(SIGHUP, SIG_DFL);
    wait_for(runs);
    kill(pid, SIGHUP);
    usleep(100000); /* one that hears it has then begun to end */
    write_text(may_end, "");
    o = run_end(pid, fd);
    must(o, CONF_EXIT_OK, "conformant: 4 cases");
    report = read_json(json);
    assert_string_equal(verdict_in(report, "end.waits"), "pass");
    cJSON_Delete(report);
    unsetenv("TEST_RUNS");
    unsetenv("TEST_MAY_END");
}

/* A report that nobody reads holds the orderly end up; the second SIGINT does
 * not wait, and what was finished is in the journal. */
static void second_sigint(void **state)
{
    const char *args[] = { "conform", "--device", "cpu:0",  "--case", "end.*",
                           "--jobs",  "1",        "--json", NULL,     "--tap",
                           NULL,      "--resume", NULL,     NULL };
    char fifo[160], tap[160], runs[160], resume[160], junk[4096] = "";
    struct outcome o;
    cJSON *json;
    int fd, reader;
    pid_t pid;

    (void)state;
    snprintf(fifo, sizeof fifo, "%s/fifo", run_dir);
    snprintf(tap, sizeof tap, "%s/second.tap", run_dir);
    snprintf(runs, sizeof runs, "%s/second.runs", run_dir);
    snprintf(resume, sizeof resume, "%s/second.resume", run_dir);
    args[8] = fifo;
    args[10] = tap;
    args[12] = resume;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    reader = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    while (write(reader, junk, sizeof junk) > 0)
        ;
    setenv("TEST_RUNS", runs, 1);
    pid = run_start(args, &fd);
    wait_for(runs);
    kill(pid, SIGINT);
    kill(pid, SIGINT); /* at the same time: still the first */
    usleep(400000);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGINT);
    o = run_end(pid, fd);
    must(o, CONF_EXIT_UNRUN, "ended at once by the second SIGINT");
    assert_false(there(tap));
    no_temporary_files();
    unsetenv("TEST_RUNS");
    close(reader);
    setenv("TEST_ENDS", "1", 1);
    must(CONFORM("--device", "cpu:0", "--case", "end.*", "--resume", resume,
                 "--json", in_dir("second.json")),
         CONF_EXIT_OK, "2 verdicts from");
    unsetenv("TEST_ENDS");
    json = read_json(in_dir("second.json"));
    assert_int_equal(cJSON_GetObjectItem(json, "resumed")->valueint, 2);
    cJSON_Delete(json);
}

/* Whatever still runs then dies with it, and files that are half written go. */
static void nothing_outlives(void **state)
{
    char dir[160], file[200], kept[200];
    int status, fds[2];
    pid_t pid, worker = 0;

    (void)state;
    snprintf(dir, sizeof dir, "%s/half", run_dir);
    snprintf(file, sizeof file, "%s/half/file", run_dir);
    snprintf(kept, sizeof kept, "%s/half.kept", run_dir);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        worker = fork();
        if (worker == 0) {
            setpgid(0, 0);
            alarm(60); /* should nobody kill it */
            while (1)
                pause();
        }
        setpgid(worker, worker);
        conf_signals_begin();
        conf_end_kills(worker);
        if (mkdir(dir, 0700) || close(open(file, O_CREAT | O_WRONLY, 0600)) ||
            close(open(kept, O_CREAT | O_WRONLY, 0600)) ||
            write(fds[1], &worker, sizeof worker) != sizeof worker)
            _exit(1);
        conf_end_removes(kept);
        conf_end_keeps(kept);
        conf_end_removes(dir);
        conf_end_removes(file);
        raise(SIGTERM);
        raise(SIGINT);
        usleep(300000);
        raise(SIGTERM); /* only Ctrl-C is in a hurry */
        raise(SIGINT);
        _exit(1);
    }
    close(fds[1]);
    assert_int_equal(read(fds[0], &worker, sizeof worker), sizeof worker);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CONF_EXIT_UNRUN);
    assert_true(there(kept));
    assert_false(there(file));
    assert_false(there(dir));
    /* gone, or a zombie that its new parent has still to fetch */
    for (int i = 0; i < 1000 && is_running(worker); i++)
        usleep(1000);
    assert_false(is_running(worker));
}

/* Before there is anything to run. */
static void signal_while_looking(void **state)
{
    const char *args[] = { "conform", "--device", "cpu:0", "--case",
                           "end.a",   "--json",   NULL,    NULL };
    char json[160];

    (void)state;
    snprintf(json, sizeof json, "%s/early.json", run_dir);
    args[6] = json;
    for (int i = 0; i < 20; i++) {
        struct outcome o;
        int fd;
        pid_t pid = run_start(args, &fd);

        usleep((useconds_t)(20000 + 15000 * i));
        kill(pid, SIGTERM);
        o = run_end(pid, fd);
        /* Unless it came before the first step, or after the last. */
        if (o.status != -1 && o.status != CONF_EXIT_OK)
            assert_int_equal(o.status, CONF_EXIT_UNRUN);
        free(o.out);
        no_temporary_files();
    }
}

static void closed_terminal(void **state)
{
    char json[160], runs[160];
    int master, status;
    pid_t pid;

    (void)state;
    snprintf(json, sizeof json, "%s/tty.json", run_dir);
    snprintf(runs, sizeof runs, "%s/tty.runs", run_dir);
    setenv("TEST_RUNS", runs, 1);
    pid = forkpty(&master, NULL, NULL, NULL);
    if (pid == 0) {
        execl("/proc/self/exe", "test_ends", "conform", "--device", "cpu:0",
              "--case", "end.*", "--jobs", "1", "--json", json, NULL);
        _exit(127);
    }
    wait_for(runs);
    close(master);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CONF_EXIT_UNRUN);
    is_partial(json);
    unsetenv("TEST_RUNS");
}

/* `halcyon conform | head -1` still leaves its report. */
static void a_reader_that_goes(void **state)
{
    const char *args[] = { "conform", "--device",  "cpu:0",
                           "--case",  "end.[ab]",  "--json",
                           NULL,      "--verbose", NULL };
    char json[160], error[CONF_RESULTS_ERROR] = "";
    struct conf_results r;
    int fd, status;
    pid_t pid;

    (void)state;
    snprintf(json, sizeof json, "%s/pipe.json", run_dir);
    args[6] = json;
    pid = run_start(args, &fd);
    close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(conf_results_read(&r, json, error), 0);
    assert_int_equal(r.n, 2);
    conf_results_release(&r);
}

static void a_full_disk(void **state)
{
    static const char *const reports[] = { "--json", "--junit", "--tap",
                                           "--html" };

    (void)state;
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++)
        must(CONFORM("--device", "cpu:0", "--case", "end.a", reports[i],
                     "/dev/full"),
             CONF_EXIT_UNRUN, "/dev/full: cannot write: No space left");
}

/* In a process of its own, which gives up root, whom no permission holds back;
 * a process that changes its user is one that the leak check cannot look at. */
static void refused_everywhere(void)
{
    static const char *const reports[] = { "--json", "--junit", "--tap",
                                           "--html" };
    char path[200], words[256];

    if (geteuid() == 0 && setresuid(65534, 65534, 65534))
        _exit(2);
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++) {
        snprintf(path, sizeof path, "%s/fixed/r", run_dir);
        snprintf(words, sizeof words, "%s: cannot write: Permission denied",
                 path);
        must(CONFORM("--device", "cpu:0", "--timeout", "0.05", "--case",
                     "end.waits", reports[i], path),
             CONF_EXIT_UNRUN, words);
        assert_false(there(path));
    }
    snprintf(path, sizeof path, "%s/fixed/folder", run_dir);
    must(CONFORM("--device", "cpu:0", "--timeout", "0.05", "--case",
                 "end.waits", "--package", path),
         CONF_EXIT_UNRUN, "Permission denied");
    must(CONFORM("--device", "cpu:0", "--timeout", "0.05", "--case",
                 "end.waits", "--resume", path),
         CONF_EXIT_UNRUN, "Permission denied");
    assert_false(there(path));
    _exit(0);
}

/* Who may not write there is told before anything runs, and leaves nothing. */
static void a_read_only_folder(void **state)
{
    char path[200];
    int status;
    pid_t pid;

    (void)state;
    snprintf(path, sizeof path, "%s/fixed", run_dir);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chmod(path, 0555), 0);
    assert_int_equal(chmod(run_dir, 0755), 0);
    pid = fork();
    if (pid == 0)
        refused_everywhere();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(rmdir(path), 0);
}

/* Cases that lose the device are errors; the others go on. */
static void a_lost_device(void **state)
{
    cJSON *json;

    (void)state;
    must(CONFORM("--device", "cpu:0", "--case", "end.[ab]", "--case",
                 "api.launch.add", "--case", "api.fill.low_byte", "--mutant",
                 "backend.device_lost", "--json", in_dir("lost.json")),
         CONF_EXIT_NOT, "halErrorDeviceLost: planted: the device is lost");
    json = read_json(in_dir("lost.json"));
    assert_string_equal(verdict_in(json, "api.launch.add"), "error");
    assert_string_equal(verdict_in(json, "api.fill.low_byte"), "pass");
    assert_string_equal(verdict_in(json, "end.b"), "pass");
    cJSON_Delete(json);
    /* And one that does not come back. */
    must(CONFORM("--device", "cpu:0", "--case", "end.[ab]", "--mutant",
                 "runner.lost_at_start"),
         CONF_EXIT_UNRUN, "missing: cpu:0: 2 cases: the device did not start");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals),
        cmocka_unit_test(nohup),
        cmocka_unit_test(second_sigint),
        cmocka_unit_test(nothing_outlives),
        cmocka_unit_test(signal_while_looking),
        cmocka_unit_test(closed_terminal),
        cmocka_unit_test(a_reader_that_goes),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_read_only_folder),
        cmocka_unit_test(a_lost_device),
    };

    if (argc > 1 && !strcmp(argv[1], "conform")) {
        conf_extra_family = family;
        return conf_command(argc - 1, argv + 1);
    }
    if (argc > 1 && !strcmp(argv[1], "verify"))
        return conf_verify_command(argc - 1, argv + 1);
    setenv("HALCYON_DEVICES", "cpu", 1); /* no run looks for drivers */
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
