/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C compiler behind compile_source: missing, lying, hanging, and not run
 * at all where the cache has what it made.
 */
#include "compiler/halbin_internal.h"
#include "compiler/tool.h"
#include "tests/compiler/compile_test.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

static void test_missing_tools(void **state)
{
    struct compile_target cpu = { HAL_TARGET_CPU, ~0ull, 0, 0 };
    struct halbin bin = { 0 };

    (void)state;
    setenv("HALCYON_CC", "/nowhere/cc", 1);
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_NO_TOOL);
    assert_non_null(strstr(msg.text, "/nowhere/cc"));
    assert_non_null(strstr(msg.text, "package gcc"));
    unsetenv("HALCYON_CC");
}

/* The line that matters, without the column. */
static void test_complaints(void **state)
{
    static const struct {
        const char *output, *text;
    } lines[] = {
        { "k.k: In function 'k':\nk.k:5:23: error: 'b' undeclared\n 5 | b\n",
          "k.k:5: error: 'b' undeclared" },
        { "error: k.k:5:21: use of 'b'\n1 error generated.\n",
          "error: k.k:5: use of 'b'" },
        { "k.k:5: error: 'b' : undeclared", "k.k:5: error: 'b' : undeclared" },
        { "k.k(5): error: expected a ';'\n", "k.k(5): error: expected a ';'" },
        { "k.k:12: 3:4 and 5:6:7 error", "k.k:12: 3:4 and 5:6:7 error" },
        { "\n  warned: of nothing\n", "  warned: of nothing" },
        { "", "" },
        { "a:1:2:", "a:1:" },
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        compile_complaint(lines[i].output, text, sizeof text);
        assert_string_equal(text, lines[i].text);
    }
    compile_complaint("k.k:5:23: error: a long story", text, 10);
    assert_string_equal(text, "k.k:5: er");
}

/* clang in place of gcc, which may be what a machine has. */
static void test_other_compiler(void **state)
{
    struct compile_target cpu = { HAL_TARGET_CPU, ~0ull, 0, 0 };
    struct halbin bin = { 0 };

    (void)state;
    if (system("command -v clang >/dev/null") != 0)
        skip();
    setenv("HALCYON_CC", "clang", 1);
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_OK);
    halbin_close(&bin);
    unsetenv("HALCYON_CC");
}

/* HALCYON_OPTIMIZE=0 stands behind our own flags, before HALCYON_CFLAGS. */
static void test_not_optimised(void **state)
{
    struct compile_target cpu = { HAL_TARGET_CPU, ~0ull, 0, 0 };
    struct halbin bin = { 0 };
    char dir[] = "/tmp/halcyon-test-XXXXXX", cc[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(cc, sizeof cc, "%s/cc", dir);
    write_script(cc, "#!/bin/sh\ncase \"$*\" in\n"
                     "*-O2*-O0*-DLAST*) exec cc \"$@\";;\nesac\nexit 1\n");
    setenv("HALCYON_CC", cc, 1);
    setenv("HALCYON_CFLAGS", "-DLAST", 1);
    assert_int_not_equal(compile(source, &cpu, 1, &bin), COMPILE_OK);
    setenv("HALCYON_OPTIMIZE", "0", 1);
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_OK);
    halbin_close(&bin);
    unsetenv("HALCYON_OPTIMIZE");
    unsetenv("HALCYON_CFLAGS");
    unsetenv("HALCYON_CC");
    unlink(cc);
    rmdir(dir);
}

/* The state letter in a /proc/PID/stat; 0: no such process. */
static int file_state(const char *path)
{
    char line[300] = "";
    FILE *f = fopen(path, "r");
    const char *end;

    if (!f)
        return 0;
    if (!fgets(line, sizeof line, f))
        line[0] = 0;
    fclose(f);
    end = strrchr(line, ')');
    return end ? end[2] : 0;
}

/* Whether the process whose id is in the file "pid" ends soon. */
static int is_gone(const char *dir)
{
    char path[64], name[32];
    void *text;
    size_t size;
    int gone = 0;

    snprintf(path, sizeof path, "%s/pid", dir);
    assert_int_equal(file_read(path, 100, &text, &size), 0);
    snprintf(name, sizeof name, "/proc/%d/stat", atoi(text));
    free(text);
    unlink(path);
    for (int i = 0; i < 100 && !gone; i++) {
        /* gone, or a zombie whose new parent has not looked yet */
        gone = file_state(name) == 'Z' || file_state(name) == 0;
        usleep(20000);
    }
    return gone;
}

/* A compiler that says yes, and what it made is none. */
static void test_lying_compiler(void **state)
{
    static const char *const makes[] = {
        "",               /* no file */
        ": > \"$out\"\n", /* an empty one */
        "printf '\\177EL' > \"$out\"\n",
        "echo 'no shared object' > \"$out\"\n",
        "mkfifo \"$out\"\n",
    };
    char path[] = "/tmp/halcyon-test-XXXXXX", text[200], says[100];
    struct compile_target cpu = { HAL_TARGET_CPU, ~0ull, 0, 0 };
    struct halbin bin = { 0 };
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chmod(path, 0700), 0);
    setenv("HALCYON_CC", path, 1);
    snprintf(says, sizeof says, "the compiler (%s) wrote no shared object",
             path);
    for (size_t i = 0; i < sizeof makes / sizeof makes[0]; i++) {
        snprintf(text, sizeof text,
                 "#!/bin/sh\nfor out; do :; done\n%sexit 0\n", makes[i]);
        write_script(path, text);
        assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_ERROR);
        if (!strstr(msg.text, says))
            fail_msg("%zu: \"%s\"", i, msg.text);
    }
    unsetenv("HALCYON_CC");
    unlink(path);
}

static void test_hanging_compiler(void **state)
{
    char dir[] = "/tmp/halcyon-test-XXXXXX", path[64];
    struct compile_target cpu = { HAL_TARGET_CPU, ~0ull, 0, 0 };
    struct halbin bin = { 0 };
    time_t begin = time(NULL);

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/cc", dir);
    /* with a child that keeps the pipe open */
    write_script(path, "#!/bin/sh\nsleep 100 &\necho $! >$TMPDIR/pid\n"
                       "sleep 100\n");
    setenv("HALCYON_CC", path, 1);
    setenv("HALCYON_CC_TIMEOUT", "1", 1);
    setenv("TMPDIR", dir, 1);
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "more than 1 s"));
    assert_true(time(NULL) - begin < 20);
    assert_true(is_gone(dir)); /* the child's child too */

    write_script(path, "#!/bin/sh\nyes 'x: error: oh' | head -c 9000000\n"
                       "exit 1\n");
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_ERROR);
    assert_string_equal(msg.text, "x: error: oh");

    write_script(path, "#!/bin/sh\nkill -9 $$\n");
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_ERROR);

    unsetenv("HALCYON_CC");
    unsetenv("HALCYON_CC_TIMEOUT");
    setenv("TMPDIR", "/nowhere", 1);
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_IO);
    unsetenv("TMPDIR");
    unlink(path);
    assert_int_equal(rmdir(dir), 0); /* nothing was left in it */
}

/* Every entry is whole, with a right hash, and holds no compiled code. */
static void spoil_entries(const char *dir)
{
    static const char junk[] = "neither an object nor SPIR-V";
    DIR *d = opendir(dir);
    struct dirent *e;
    int n = 0;

    assert_non_null(d);
    while ((e = readdir(d))) {
        char path[400];
        uint8_t header[40];
        int fd;

        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%.255s", dir, e->d_name);
        fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, header, sizeof header), sizeof header);
        halbin_put64(header + 24, sizeof junk);
        halbin_put64(header + 32, XXH3_64bits(junk, sizeof junk));
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, header, sizeof header, 0), sizeof header);
        assert_int_equal(pwrite(fd, junk, sizeof junk, sizeof header),
                         sizeof junk);
        close(fd);
        n++;
    }
    closedir(d);
    assert_true(n >= 2);
}

static void expect_same(const struct halbin *a, const struct halbin *b)
{
    for (uint32_t i = 0; i < a->kernels[0].n_images; i++)
        assert_true(a->kernels[0].images[i].hash ==
                    b->kernels[0].images[i].hash);
}

static void test_cached(void **state)
{
    char dir[] = "/tmp/halcyon-test-XXXXXX", command[100];
    struct compile_request req = { .source = source,
                                   .name = "t.k",
                                   .targets = everything,
                                   .n_targets = 4,
                                   .use_cache = 1 };
    struct halbin first = { 0 }, second = { 0 };

    (void)state;
    assert_non_null(mkdtemp(dir));
    setenv("HALCYON_CACHE_DIR", dir, 1);
    if (compile_source(&req, &first, &msg) != COMPILE_OK)
        fail_msg("%s", msg.text);
    /* without a place for temporary files nothing can be compiled */
    setenv("TMPDIR", "/nowhere", 1);
    if (compile_source(&req, &second, &msg) != COMPILE_OK)
        fail_msg("not from the cache: %s", msg.text);
    expect_same(&first, &second);
    halbin_close(&second);
    req.options = "-DGROUP=2"; /* other text, other entry */
    assert_int_equal(compile_source(&req, &second, &msg), COMPILE_IO);
    unsetenv("TMPDIR");

    /* what a liar left there is made again, and replaced */
    req.options = NULL;
    spoil_entries(dir);
    if (compile_source(&req, &second, &msg) != COMPILE_OK)
        fail_msg("%s", msg.text);
    expect_same(&first, &second);
    halbin_close(&second);
    setenv("TMPDIR", "/nowhere", 1);
    assert_int_equal(compile_source(&req, &second, &msg), COMPILE_OK);
    expect_same(&first, &second);
    halbin_close(&second);
    halbin_close(&first);
    unsetenv("TMPDIR");
    unsetenv("HALCYON_CACHE_DIR");
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

/* A limit that is no number is an error that says what is expected. */
static void test_limit(void **state)
{
    static const char *const bad[] = {
        "abc", "0", "-1", "1.5", "10s", " 5", "86401", "99999999999999999999",
    };
    struct compile_target cpu = { HAL_TARGET_CPU, ~0ull, 0, 0 };
    struct halbin bin = { 0 };
    char want[100];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("HALCYON_CC_TIMEOUT", bad[i], 1);
        snprintf(want, sizeof want,
                 "t.k:1: HALCYON_CC_TIMEOUT is '%s'; it takes the seconds",
                 bad[i]);
        assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_ERROR);
        if (strncmp(msg.text, want, strlen(want)) != 0)
            fail_msg("%s, not %s", msg.text, want);
    }
    setenv("HALCYON_CC_TIMEOUT", "86400", 1);
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_OK);
    halbin_close(&bin);
    setenv("HALCYON_CC_TIMEOUT", "", 1); /* as if unset */
    assert_int_equal(compile(source, &cpu, 1, &bin), COMPILE_OK);
    halbin_close(&bin);
    unsetenv("HALCYON_CC_TIMEOUT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_tools),
        cmocka_unit_test(test_not_optimised),
        cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_other_compiler),
        cmocka_unit_test(test_lying_compiler),
        cmocka_unit_test(test_hanging_compiler),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_cached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
