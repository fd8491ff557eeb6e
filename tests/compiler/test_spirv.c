/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The GLSL compiler behind compile_source: missing, lying, hanging.  A program
 * of its own, because the tool that is found first stays.
 */
#include "tests/compiler/compile_test.h"

#include <sys/stat.h>
#include <time.h>

static char program[] = "/tmp/halcyon-test-XXXXXX";

static void test_missing_spirv_tools(void **state)
{
    struct halbin bin = { 0 };

    (void)state;
    setenv("HALCYON_SHADERC", "/nowhere/libshaderc.so", 1);
    setenv("HALCYON_GLSLC", "/nowhere/glslc", 1);
    assert_int_equal(compile(source, &everything[2], 1, &bin), COMPILE_NO_TOOL);
    assert_non_null(strstr(msg.text, "package glslc"));
    /* a library that is another one */
    setenv("HALCYON_SHADERC", "libm.so.6", 1);
    assert_int_equal(compile(source, &everything[2], 1, &bin), COMPILE_NO_TOOL);
    assert_non_null(strstr(msg.text, "it lacks shaderc_"));
    /* it comes later, and is found at the next call */
    write_script(program, "#!/bin/sh\nexec glslc \"$@\"\n");
    setenv("HALCYON_GLSLC", program, 1);
    assert_int_equal(compile(source, &everything[2], 1, &bin), COMPILE_OK);
    halbin_close(&bin);
}

/* A compiler that says yes, and what it made is none. */
static void test_lying_glslc(void **state)
{
    static const char *const makes[] = {
        ": > \"$2\"\n",
        "echo 'no SPIR-V' > \"$2\"\n",
        /* the magic number, and no more */
        "printf '\\003\\002\\043\\007' > \"$2\"\n",
        "head -c 4096 /dev/zero > \"$2\"\n",
    };
    struct halbin bin = { 0 };
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof makes / sizeof *makes; i++) {
        snprintf(text, sizeof text,
                 "#!/bin/sh\nwhile [ $# != 0 ] && [ \"$1\" != -o ]; do shift; "
                 "done\n[ $# != 0 ] || set -- -o 0.comp.spv\n%s",
                 makes[i]);
        write_script(program, text);
        assert_int_equal(compile(source, &everything[2], 1, &bin),
                         COMPILE_ERROR);
        if (!strstr(msg.text, "made no SPIR-V") || !strstr(msg.text, program))
            fail_msg("%zu: %s", i, msg.text);
    }
}

static size_t count_lines(const char *path)
{
    FILE *f = fopen(path, "r");
    size_t n = 0;
    int c;

    assert_non_null(f);
    while ((c = fgetc(f)) != EOF)
        n += c == '\n';
    fclose(f);
    return n;
}

/* The instances of one variant need one start of the compiler; and are the
 * same as by a compiler that takes one text only. */
static void test_together(void **state)
{
    struct halbin together = { 0 }, alone = { 0 };
    char starts[] = "/tmp/halcyon-test-XXXXXX", text[200];
    int fd = mkstemp(starts);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    snprintf(text, sizeof text, "#!/bin/sh\necho >> %s\nexec glslc \"$@\"\n",
             starts);
    write_script(program, text);
    assert_int_equal(compile(source, &everything[2], 1, &together), COMPILE_OK);
    assert_int_equal(together.n_kernels, 2);
    assert_int_equal(count_lines(starts), together.kernels[0].n_images);

    assert_int_equal(truncate(starts, 0), 0);
    snprintf(text, sizeof text,
             "#!/bin/sh\necho >> %s\ncase \" $* \" in *\" -c \"*) exit 1;; "
             "esac\nexec glslc \"$@\"\n",
             starts);
    write_script(program, text);
    assert_int_equal(compile(source, &everything[2], 1, &alone), COMPILE_OK);
    assert_int_equal(count_lines(starts), 3 * alone.kernels[0].n_images);
    unlink(starts);

    assert_int_equal(alone.n_kernels, together.n_kernels);
    for (uint32_t k = 0; k < alone.n_kernels; k++) {
        const struct hal_kernel_desc *a = &alone.kernels[k];
        const struct hal_kernel_desc *b = &together.kernels[k];

        assert_string_equal(a->name, b->name);
        assert_int_equal(a->n_images, b->n_images);
        for (uint32_t i = 0; i < a->n_images; i++) {
            assert_int_equal(a->images[i].blob_bytes, b->images[i].blob_bytes);
            assert_memory_equal(a->images[i].blob, b->images[i].blob,
                                a->images[i].blob_bytes);
        }
    }
    /* two names, two texts */
    assert_true(alone.kernels[0].images[0].hash !=
                alone.kernels[1].images[0].hash);
    halbin_close(&alone);
    halbin_close(&together);
}

static enum compile_status compile_cached(struct halbin *out)
{
    struct compile_request req = { .source = source,
                                   .name = "t.k",
                                   .targets = &everything[2],
                                   .n_targets = 1,
                                   .use_cache = 1 };

    return compile_source(&req, out, &msg);
}

/* Whether a line of the file holds the word. */
static int file_has(const char *path, const char *word)
{
    char command[200];

    snprintf(command, sizeof command, "grep -qE '(^| )%s ' '%s'", word, path);
    return system(command) == 0;
}

/* HALCYON_OPTIMIZE=0 reaches the program, and an optimised text in the cache
 * does not stand for one that is not. */
static void test_not_optimised(void **state)
{
    struct halbin bin = { 0 };
    char dir[] = "/tmp/halcyon-test-XXXXXX", args[64], text[200];

    (void)state;
    assert_non_null(mkdtemp(dir));
    setenv("HALCYON_CACHE_DIR", dir, 1);
    snprintf(args, sizeof args, "%s/args", dir);
    snprintf(text, sizeof text,
             "#!/bin/sh\necho \"$*\" >> %s\nexec glslc \"$@\"\n", args);
    write_script(program, text);
    assert_int_equal(compile_cached(&bin), COMPILE_OK);
    halbin_close(&bin);
    assert_true(file_has(args, "-O"));
    assert_false(file_has(args, "-O0"));

    assert_int_equal(unlink(args), 0);
    setenv("HALCYON_OPTIMIZE", "0", 1);
    assert_int_equal(compile_cached(&bin), COMPILE_OK);
    halbin_close(&bin);
    unsetenv("HALCYON_OPTIMIZE");
    assert_false(file_has(args, "-O"));
    assert_true(file_has(args, "-O0"));

    /* and now both are there */
    assert_int_equal(unlink(args), 0);
    assert_int_equal(compile_cached(&bin), COMPILE_OK);
    halbin_close(&bin);
    assert_int_equal(access(args, F_OK), -1);
    unsetenv("HALCYON_CACHE_DIR");
    snprintf(text, sizeof text, "rm -rf '%s'", dir);
    assert_int_equal(system(text), 0);
}

static void test_limits(void **state)
{
    struct halbin bin = { 0 };
    time_t begin = time(NULL);

    (void)state;
    write_script(program, "#!/bin/sh\nsleep 100\n");
    setenv("HALCYON_CC_TIMEOUT", "1", 1);
    assert_int_equal(compile(source, &everything[2], 1, &bin), COMPILE_ERROR);
    /* a second for each of the two texts that it was given */
    assert_string_equal(msg.text, "t.k:1: glslc took more than 2 s");
    assert_true(time(NULL) - begin < 20); /* and is not asked again */
    setenv("HALCYON_CC_TIMEOUT", "soon", 1);
    assert_int_equal(compile(source, &everything[2], 1, &bin), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "t.k:1: HALCYON_CC_TIMEOUT is 'soon'"));
    unsetenv("HALCYON_CC_TIMEOUT");
}

static int setup(void **state)
{
    int fd = mkstemp(program);

    (void)state;
    return fd < 0 || fchmod(fd, 0700) ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(program);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_spirv_tools), /* first */
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_lying_glslc),
        cmocka_unit_test(test_not_optimised),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
