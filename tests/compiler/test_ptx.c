/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ptx.c - PTX images: which variant a compute capability gets, what is in
 * it, and what is said where a compiler is missing or useless.
 */
#include "tests/compiler/compile_test.h"

#include <dirent.h>

static void needs_clang(void)
{
    if (compile_has_ptx())
        return;
    print_message("no clang with the NVPTX target here\n");
    skip();
}

static struct compile_target device(int major, int minor)
{
    return (struct compile_target){ .target = HAL_TARGET_PTX,
                                    .caps = compile_ptx_caps(major, minor) };
}

/* The image of the first kernel that a device of this capability gets. */
static void expect_variant(int major, int minor, const char *variant,
                           const char *target)
{
    struct compile_target t = device(major, minor);
    struct halbin bin;
    const char *text;

    if (compile(source, &t, 1, &bin) != COMPILE_OK)
        fail_msg("%d.%d: %s", major, minor, msg.text);
    assert_int_equal(bin.n_kernels, 2);
    for (uint32_t k = 0; k < 2; k++) {
        assert_int_equal(bin.kernels[k].n_images, 1);
        assert_int_equal(bin.kernels[k].images[0].target, HAL_TARGET_PTX);
        assert_int_equal(bin.kernels[k].images[0].group, 256);
        assert_string_equal(bin.kernels[k].images[0].variant, variant);
        assert_int_equal(bin.kernels[k].images[0].caps & ~t.caps, 0);
    }
    text = bin.kernels[1].images[0].blob;
    assert_non_null(strstr(text, target));
    assert_non_null(strstr(text, ".visible .entry twice_bf16("));
    assert_non_null(strstr(text, "twice_bf16_param_2"));
    assert_null(strstr(text, "twice_bf16_param_3"));
    assert_null(strstr(text, "//")); /* no path, no date, no version */
    halbin_close(&bin);
}

static void capabilities(void **state)
{
    static const struct {
        int major, minor;
        uint64_t caps;
    } of[] = {
        { 5, 2, 0 },
        { 6, 1, 0 },
        { 7, 0, HAL_CAP_SM_70 },
        { 7, 5, HAL_CAP_SM_70 },
        { 8, 0, HAL_CAP_SM_70 | HAL_CAP_SM_80 },
        { 8, 6, HAL_CAP_SM_70 | HAL_CAP_SM_80 },
        { 8, 9, HAL_CAP_SM_70 | HAL_CAP_SM_80 | HAL_CAP_SM_89 },
        { 9, 0,
          HAL_CAP_SM_70 | HAL_CAP_SM_80 | HAL_CAP_SM_89 | HAL_CAP_SM_90 |
              HAL_CAP_SM_90A },
        { 10, 0,
          HAL_CAP_SM_70 | HAL_CAP_SM_80 | HAL_CAP_SM_89 | HAL_CAP_SM_90 |
              HAL_CAP_SM_100 },
        { 12, 0,
          HAL_CAP_SM_70 | HAL_CAP_SM_80 | HAL_CAP_SM_89 | HAL_CAP_SM_90 |
              HAL_CAP_SM_100 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        assert_true(compile_ptx_caps(of[i].major, of[i].minor) == of[i].caps);
}

static void chosen_by_capability(void **state)
{
    struct compile_target old = device(6, 1);
    struct halbin bin;

    (void)state;
    needs_clang();
    setenv("HALCYON_NVCC", "/nonexistent/nvcc", 1);
    expect_variant(7, 5, "ptx.sm70", ".target sm_70");
    expect_variant(8, 6, "ptx.sm80", ".target sm_80");
    /* without a toolkit the next one serves; newer chips take it, too */
    expect_variant(8, 9, "ptx.sm89", ".version 8.4\n.target sm_89\n");
    expect_variant(9, 0, "ptx.sm89", ".target sm_89");
    expect_variant(10, 0, "ptx.sm89", ".target sm_89");
    unsetenv("HALCYON_NVCC");
    assert_int_equal(compile(source, &old, 1, &bin), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "no variant for PTX"));
}

static void nvcc_where_it_is(void **state)
{
    const struct compile_target exact = { .target = HAL_TARGET_PTX,
                                          .caps = HAL_CAP_SM_90A };
    struct halbin bin;

    (void)state;
    setenv("HALCYON_NVCC", "/nonexistent/nvcc", 1);
    assert_int_equal(compile(source, &exact, 1, &bin), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "can be made here"));
    unsetenv("HALCYON_NVCC");
    if (compile(source, &exact, 1, &bin) != COMPILE_OK) {
        print_message("no nvcc here\n");
        skip();
    }
    halbin_close(&bin);
    expect_variant(9, 0, "ptx.sm90a", ".target sm_90a");
}

static void compilers_that_fail(void **state)
{
    struct compile_target t = device(7, 0);
    struct halbin bin;

    (void)state;
    setenv("HALCYON_CLANG", "/nonexistent/clang", 1);
    assert_int_equal(compile(source, &t, 1, &bin), COMPILE_NO_TOOL);
    assert_non_null(strstr(msg.text, "HALCYON_CLANG"));
    assert_false(compile_has_ptx());
    setenv("HALCYON_CLANG", "true", 1);
    assert_int_equal(compile(source, &t, 1, &bin), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "true wrote no PTX"));
    assert_false(compile_has_ptx());
    unsetenv("HALCYON_CLANG");
    needs_clang();
    assert_int_equal(compile("#include \"hal_dialect.h\"\n"
                             "KERNEL(k, OUT(f32, y), ARG(uint, n))\n"
                             "{\n    y[0] = nothing_like_it;\n}\n",
                             &t, 1, &bin),
                     COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "t.k:4"));
    assert_non_null(strstr(msg.text, "nothing_like_it"));
}

/* The first kernel's PTX through the cache. */
static char *cached_text(void)
{
    struct compile_target t = device(7, 0);
    struct compile_request req = { .source = source,
                                   .name = "t.k",
                                   .targets = &t,
                                   .n_targets = 1,
                                   .use_cache = 1 };
    struct halbin bin;
    char *text;

    assert_int_equal(compile_source(&req, &bin, &msg), COMPILE_OK);
    text = strdup(bin.kernels[0].images[0].blob);
    assert_non_null(text);
    assert_int_equal(strlen(text), bin.kernels[0].images[0].blob_bytes);
    halbin_close(&bin);
    return text;
}

static int ptx_files(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int n = 0;

    assert_non_null(d);
    while ((e = readdir(d)))
        n += strstr(e->d_name, ".ptx") != NULL;
    closedir(d);
    return n;
}

static void cached(void **state)
{
    char dir[] = "/tmp/hal-ptx-XXXXXX", line[64], *first, *second, *third;

    (void)state;
    needs_clang();
    assert_non_null(mkdtemp(dir));
    setenv("HALCYON_CACHE_DIR", dir, 1);
    first = cached_text();
    assert_int_equal(ptx_files(dir), 2); /* one for each kernel */
    second = cached_text();
    assert_int_equal(ptx_files(dir), 2);
    assert_string_equal(first, second);
    /* damage is a miss */
    snprintf(line, sizeof line, "for f in %s/*.ptx; do echo >$f; done", dir);
    assert_int_equal(system(line), 0);
    third = cached_text();
    assert_string_equal(first, third);
    free(first);
    free(second);
    free(third);
    snprintf(line, sizeof line, "rm -rf %s", dir);
    assert_int_equal(system(line), 0);
    unsetenv("HALCYON_CACHE_DIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capabilities),
        cmocka_unit_test(chosen_by_capability),
        cmocka_unit_test(nvcc_where_it_is),
        cmocka_unit_test(compilers_that_fail),
        cmocka_unit_test(cached),
    };

    return cmocka_run_group_tests_name("ptx", tests, NULL, NULL);
}
