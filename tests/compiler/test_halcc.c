/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command halcc: what it makes, what it says and how it exits.  Runs the
 * one that was built beside this test; without it the tests are skipped.
 */
#include "compiler/compile.h"
#include "compiler/halbin.h"
#include "compiler/tool.h"
#include "hal/hal.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char halcc[4096], dir[] = "/tmp/halcyon-test-XXXXXX";
static char output[20000]; /* of the last run */

static const char source[] = "#include \"hal_dialect.h\"\n"
                             "#include \"extra.h\"\n"
                             "KERNEL(K, OUT(f32, y), ARG(uint, n))\n"
                             "{\n"
                             "    ONCE ST(f32, y, n, VALUE);\n"
                             "}\n";

static void put_file(const char *name, const char *text)
{
    char path[200];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Runs "halcc ARGS..." in the directory; the words are split at spaces. */
static int run(const char *args)
{
    char words[1000], *argv[40], *save = NULL;
    struct tool_result r = { 0 };
    size_t n = 0;
    int e;

    if (access(halcc, X_OK) != 0)
        skip();
    snprintf(words, sizeof words, "%s", args);
    argv[n++] = halcc;
    for (char *w = strtok_r(words, " ", &save); w;
         w = strtok_r(NULL, " ", &save))
        argv[n++] = w;
    argv[n] = NULL;
    e = tool_run(argv, 120, &r);
    if (e)
        fail_msg("%s: %s", halcc, strerror(e));
    snprintf(output, sizeof output, "%s", r.output.bytes);
    buffer_free(&r.output);
    return r.exit_status;
}

static void expect(const char *args, int code, const char *says)
{
    int is = run(args);

    if (is != code || !strstr(output, says))
        fail_msg("halcc %s: exit %d, not %d; or no '%s' in: %s", args, is, code,
                 says, output);
}

static void test_usage(void **state)
{
    char version[80];

    (void)state;
    snprintf(version, sizeof version, "halcc %d.%d.%d, .halbin version 1",
             HAL_VERSION_MAJOR, HAL_VERSION_MINOR, HAL_VERSION_PATCH);
    expect("--help", 0, "usage: halcc");
    expect("--help", 0, "vulkan.packed");
    expect("--version", 0, version);
    expect("", 2, "no file");
    expect("--frob", 2, "'--frob' is no option");
    expect("-o", 2, "-o wants a value");
    expect("--merge a.halbin", 2, "-o OUT.halbin");
    expect("--list --merge -o x y", 2, "exclude each other");
    expect("--json a.k", 2, "--list");
    expect("--expand cuda a.k k.k", 2, "one file");
    expect("--instance x a.k", 2, "no number");
    expect("-D1 a.k", 2, "-D wants");
    expect("--target frob a.k", 2, "'frob' is no target");
    expect("--target cpu, a.k", 2, "is no target");
    expect("a.k b.k", 2, "-o OUT.halbin");
}

static void test_compile_and_list(void **state)
{
    (void)state;
    expect("-o a.halbin -DK=first -DVALUE=1.0f a.k", 0, "");
    expect("--list a.halbin", 0, "first(out f32 y, arg u32 n)");
    assert_non_null(strstr(output, "cuda"));
    assert_non_null(strstr(output, "vulkan.bda"));
    if (compile_has_ptx())
        assert_non_null(strstr(output, "ptx.sm70"));
    assert_null(strstr(output, "ptx.sm80")); /* only if asked for */
    expect("--list --json a.halbin", 0,
           "{\"schema\":\"halbin-1\",\"file\":\"a."
           "halbin\",\"kernels\":[\n{\"name\":"
           "\"first\"");
    expect("--target opencl,vulkan.ssbo -DK=x -DVALUE=2.0f a.k", 0, "");
    expect("--list a.halbin", 0, "vulkan.ssbo"); /* a.k -> a.halbin */
    assert_non_null(strstr(output, "opencl.small"));
    assert_null(strstr(output, "vulkan.bda"));
    assert_null(strstr(output, "cpu"));
    expect("--expand opencl -DK=x -DVALUE=3.5f a.k", 0, "3.5f");
    expect("--expand cuda --instance 1 -DK=x a.k", 1, "there are 1 instances");
    expect("--expand frob a.k", 2, "'frob' is no variant");
    expect("--expand meta:nope a.k", 2, "'meta:nope' is no variant");
    expect("--expand meta: a.k", 2, "'meta:' is no variant");
    expect("--expand meta:opencl -DK=x -DVALUE=1.0f a.k", 0, "");
    expect("--expand meta -DK=x -DVALUE=1.0f a.k", 0, "");
}

static void test_merge(void **state)
{
    (void)state;
    expect("--target cuda -o 1.halbin -DK=one -DVALUE=1.0f a.k", 0, "");
    expect("--target=cuda -o 2.halbin -DK=two -DVALUE=1.0f a.k", 0, "");
    expect("--merge -o m.halbin 1.halbin 2.halbin", 0, "");
    expect("--list m.halbin", 0, "m.halbin: 2 kernels");
    expect("--merge -o n.halbin m.halbin 2.halbin", 1,
           "kernel 'two' is in m.halbin and in 2.halbin");
    assert_int_equal(access("n.halbin", F_OK), -1);
    expect("--merge -o e.halbin", 2, "no file");
    assert_int_equal(access("e.halbin", F_OK), -1);
}

/* An input is refused as the output, under whatever name. */
static void test_own_input(void **state)
{
    (void)state;
    put_file("own.k", source);
    assert_int_equal(link("own.k", "hard.k"), 0);
    assert_int_equal(symlink("own.k", "soft.k"), 0);
    expect("-o own.k --target opencl -DK=x -DVALUE=1.0f own.k", 2,
           "-o own.k is an input too");
    expect("-o hard.k --target opencl -DK=x -DVALUE=1.0f a.k ./own.k", 2,
           "is an input too");
    expect("-o soft.k --target opencl -DK=x -DVALUE=1.0f own.k", 2,
           "is an input too");
    expect("--expand opencl -o own.k -DK=x -DVALUE=1.0f own.k", 2,
           "is an input too");
    expect("--expand opencl -DK=x -DVALUE=1.0f own.k", 0, "1.0f");
    expect("--target cuda -o o1.halbin -DK=one -DVALUE=1.0f a.k", 0, "");
    expect("--target cuda -o o2.halbin -DK=two -DVALUE=1.0f a.k", 0, "");
    expect("--merge -o o1.halbin o1.halbin o2.halbin", 2, "is an input too");
    expect("--list o1.halbin", 0, "o1.halbin: 1 kernels");
    /* what an earlier run wrote is written anew */
    expect("--merge -o o3.halbin o1.halbin o2.halbin", 0, "");
    expect("--merge -o o3.halbin o1.halbin o2.halbin", 0, "");
}

/* A pipe without a writer would be waited for. */
static void test_no_plain_file(void **state)
{
    (void)state;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    expect("-o x.halbin fifo", 1, "fifo: no regular file");
    expect("--list fifo", 1, "fifo: no regular file");
    expect("--merge -o x.halbin fifo", 1, "fifo: no regular file");
    expect("--list /dev/null", 1, "/dev/null: no regular file");
    expect("--list .", 1, "halcc: .: ");
}

/* Nor is a file of any size read whole before it is looked at. */
static void test_no_such_size(void **state)
{
    (void)state;
    put_file("large", "x");
    assert_int_equal(truncate("large", (off_t)2 << 30), 0);
    expect("--list large", 1, "large: more than a GiB is neither");
    expect("--merge -o x.halbin large", 1, "large: more than a GiB is neither");
    expect("-o x.halbin large", 1, "large: more than a GiB is neither");
    assert_int_equal(remove("large"), 0);
}

static void test_errors(void **state)
{
    (void)state;
    expect("-o x.halbin none.k", 1, "none.k: No such file");
    put_file("skipped.k", "#pragma hal skip cuda\n#include \"hal_dialect.h\"\n"
                          "KERNEL(k, OUT(f32, y)) { }\n");
    expect("--target cuda -o x.halbin skipped.k", 1, "nothing is left to make");
    expect("--target cuda -o x.halbin -DK=x bad.k", 1, "bad.k:2: #error stop");
    expect("--target cpu -o x.halbin -DK=x -DVALUE=frob a.k", 1, "a.k:5:");
    expect("--list a.k", 1,
           "a.k: this is no .halbin (did you mean to compile it with halcc, or "
           "halModuleLoadSource?)");
    put_file("cut.halbin", "HALBIN");
    expect("--list cut.halbin", 1, "damaged .halbin: truncated in the header");
    expect("--target cuda -o /nowhere/x -DK=x -DVALUE=1.0f a.k", 1,
           "/nowhere/x");
    assert_int_equal(access("x.halbin", F_OK), -1);
    expect("--target cuda -o /dev/null -DK=x -DVALUE=1.0f a.k", 0, "");
    assert_int_equal(access("/dev/null.new", F_OK), -1);
    setenv("HALCYON_CC", "/nowhere/cc", 1);
    expect("--target cpu -o x.halbin -DK=x -DVALUE=1.0f a.k", 3, "package gcc");
    unsetenv("HALCYON_CC");
    setenv("HALCYON_CC_TIMEOUT", "abc", 1);
    expect("--target cpu -o x.halbin -DK=x -DVALUE=1.0f a.k", 1,
           "HALCYON_CC_TIMEOUT is 'abc'; it takes the seconds");
    unsetenv("HALCYON_CC_TIMEOUT");
    setenv("HALCYON_SHADERC", "/nowhere/lib.so", 1);
    setenv("HALCYON_GLSLC", "/nowhere/glslc", 1);
    expect("--target vulkan -o x.halbin -DK=x -DVALUE=1.0f a.k", 3,
           "package glslc");
    unsetenv("HALCYON_SHADERC");
    unsetenv("HALCYON_GLSLC");
}

/* Runs "halcc ARGS > /dev/full"; the exit code. */
static int run_full(const char *args)
{
    char command[5000];
    int status;

    if (access(halcc, X_OK) != 0)
        skip();
    snprintf(command, sizeof command, "'%s' %s > /dev/full 2> full.txt", halcc,
             args);
    status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Output that could not be written is an error, and says so. */
static void test_full_disk(void **state)
{
    static const char *const args[] = {
        "--help",
        "--version",
        "--list f.halbin",
        "--list --json f.halbin",
        "--expand opencl -DK=x -DVALUE=1.0f a.k",
        "--expand opencl -o - -DK=x -DVALUE=1.0f a.k",
        "-o /dev/full --target cuda -DK=x -DVALUE=1.0f a.k",
    };
    size_t size;
    void *says;

    (void)state;
    expect("--target cuda -o f.halbin -DK=x -DVALUE=1.0f a.k", 0, "");
    for (size_t i = 0; i < sizeof args / sizeof *args; i++) {
        assert_int_equal(run_full(args[i]), 1);
        assert_int_equal(file_read("full.txt", 1000, &says, &size), 0);
        if (!strstr(says, "No space left"))
            fail_msg("%s: %s", args[i], (char *)says);
        free(says);
    }
}

/* A result is written aside under a name of nobody else's. */
static void test_names_beside(void **state)
{
    struct stat is;
    size_t size;
    void *text;
    DIR *d;

    (void)state;
    put_file("b.halbin.new", "mine");
    umask(027);
    expect("-o b.halbin --target cuda -DK=x -DVALUE=1.0f a.k", 0, "");
    umask(022);
    assert_int_equal(stat("b.halbin", &is), 0);
    assert_int_equal(is.st_mode & 0777, 0640);
    assert_int_equal(file_read("b.halbin.new", 100, &text, &size), 0);
    assert_string_equal(text, "mine");
    free(text);
    /* an input with the name that the output was once written under */
    assert_int_equal(rename("b.halbin.new", "c.halbin.new"), 0);
    expect("-o c.halbin.new --target cuda -DK=y -DVALUE=1.0f a.k", 0, "");
    expect("--merge -o c.halbin c.halbin.new b.halbin", 0, "");
    expect("--list c.halbin", 0, "c.halbin: 2 kernels");
    expect("--list c.halbin.new", 0, "c.halbin.new: 1 kernels");
    /* and nothing is left aside, of failures neither */
    assert_int_equal(mkdir("d.halbin", 0700), 0);
    expect("-o d.halbin --target cuda -DK=x -DVALUE=1.0f a.k", 1, "d.halbin");
    d = opendir(".");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strstr(e->d_name, ".halbin."))
            assert_string_equal(e->d_name, "c.halbin.new");
    closedir(d);
    assert_int_equal(rmdir("d.halbin"), 0);
}

static int setup(void **state)
{
    char self[4000], *slash;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    (void)state;
    if (n < 0 || !mkdtemp(dir) || chdir(dir) != 0)
        return -1;
    self[n] = 0; /* B/tests/compiler/test_halcc -> B/halcc */
    for (int i = 0; i < 3; i++) {
        slash = strrchr(self, '/');
        if (!slash)
            return -1;
        *slash = 0;
    }
    snprintf(halcc, sizeof halcc, "%s/halcc", self);
    put_file("a.k", source);
    put_file("bad.k", "\n#error stop\n");
    put_file("extra.h", "#define UNUSED 1\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_compile_and_list),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_own_input),
        cmocka_unit_test(test_no_plain_file),
        cmocka_unit_test(test_no_such_size),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_names_beside),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
