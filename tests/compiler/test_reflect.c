/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of a source: each names the file and the line of what is wrong, on
 * every target.  What the rules refuse is in test_rules.c.
 */
#include "tests/compiler/compile_test.h"

/* A fault in line 8 is reported as t.k:8 by every compiler that we call. */
static void test_error_lines(void **state)
{
    static const struct {
        uint8_t target;
        const char *what;
    } tools[] = { { HAL_TARGET_CPU, "cc" }, { HAL_TARGET_VULKAN, "GLSL" } };
    char bad[sizeof source + 100];
    struct halbin bin = { .n_kernels = 9 };
    char *at;

    (void)state;
    strcpy(bad, source);
    at = strstr(bad, "LD(T, x, i)");
    assert_non_null(at);
    memcpy(at, "nonsense   ", 11);
    for (size_t i = 0; i < 2; i++) {
        struct compile_target t = { tools[i].target, ~0ull, 0, 0 };

        assert_int_equal(compile(bad, &t, 1, &bin), COMPILE_ERROR);
        if (strncmp(msg.text, "t.k:8:", 6) != 0 ||
            !strstr(msg.text, "nonsense"))
            fail_msg("%s: %s", tools[i].what, msg.text);
        assert_int_equal(bin.n_kernels, 9);
    }
}

#define KERNEL_WITH(params) \
    "#include \"hal_dialect.h\"\nKERNEL(k, " params ") { }\n"

static void test_source_errors(void **state)
{
    (void)state;
    expect_error("int x;\n", "no KERNEL");
    expect_error("", "no KERNEL");
    expect_error("#include \"nowhere.h\"\n", "t.k:1: #include");
    expect_error("#pragma hal instance T=f32\n#pragma hal instance T=f16\n"
                 "#include \"hal_dialect.h\"\nKERNEL(k, IN(T, x)) { }\n",
                 "t.k:2: kernel 'k' twice: by this instance and by the one of "
                 "line 1");
    expect_error(KERNEL_WITH("IN(f31, x)"), "parameter 'x': 'f31' is no stor");
    expect_error(KERNEL_WITH("ARG(f32, x)"), "parameter 'x': 'f32' is no sca");
    expect_error(KERNEL_WITH("IN(f32, x), IN(f32, x)"), "parameter 'x' twice");
    expect_error(KERNEL_WITH("LOCAL(float, m, N)"), "a name that is no const");
    expect_error(KERNEL_WITH("LOCAL(float, m, 0)"), "a count is 0");
    expect_error(KERNEL_WITH("LOCAL(float, m, 4), OUT(f32, y)"),
                 "parameter 'y' stands after LOCAL");
    expect_error(KERNEL_WITH("LOCAL(float, m, 4 / 0)"), "division by zero");
    expect_error(KERNEL_WITH("LOCAL(frob, m, 4)"), "unknown type 'frob'");
    expect_error(KERNEL_WITH("LOCAL(float, m, 1 << 29)"), "LOCAL memory");
    expect_error("#define GROUP 0\n" KERNEL_WITH("IN(f32, x)"), "GROUP is 0");
}

/* The line is the parameter's or the kernel's, not the file's first. */
static void test_lines(void **state)
{
    struct compile_target tiny = { HAL_TARGET_OPENCL, ~0ull, 16, 64 };
    struct halbin bin = { 0 };

    (void)state;
    expect_error("#include \"hal_dialect.h\"\n"
                 "KERNEL(k, OUT(f32, y),\n"
                 "       /* a comment\n\n\n\n\n\n\n\n\n\n */\n"
                 "       IN(f31, x), ARG(uint, n))\n{\n}\n",
                 "t.k:14: kernel 'k': parameter 'x': 'f31' is no storage");
    expect_error("#include \"hal_dialect.h\"\nKERNEL(k,\nOUT(f64, y)) { }\n",
                 "t.k:3: kernel 'k': parameter 'y': 'f64' is no storage");
    expect_error("#include \"hal_dialect.h\"\n"
                 "KERNEL(one, OUT(f32, y)) { }\n\n"
                 "KERNEL(two, OUT(f32, y),\n"
                 "       LOCAL(float, m,\n"
                 "             4 * N))\n{\n}\n",
                 "t.k:6: kernel 'two': a count: a name that is no constant, at "
                 "'4 * N'");
    expect_error("#include \"hal_dialect.h\"\n\n"
                 "KERNEL(k, OUT(f32, y), LOCAL(float, m, 4),\n"
                 "       ARG(uint, n)) { }\n",
                 "t.k:4: kernel 'k': parameter 'n' stands after LOCAL");
    /* what the device has not */
    assert_int_equal(compile("\n#define GROUP 64\n#include \"hal_dialect.h\"\n"
                             "KERNEL(k, OUT(f32, y)) { }\n",
                             &tiny, 1, &bin),
                     COMPILE_ERROR);
    assert_int_equal(strncmp(msg.text, "t.k:4: kernel 'k' (opencl", 25), 0);
    assert_int_equal(compile("#include \"hal_dialect.h\"\n\n\n\n"
                             "KERNEL(k, LOCAL(float, m, 1000)) { }\n",
                             &tiny, 1, &bin),
                     COMPILE_ERROR);
    assert_int_equal(strncmp(msg.text, "t.k:5: kernel 'k' (opencl", 25), 0);
}

/* What the headers made of GROUP where they were included cannot change. */
static void test_group_redefined(void **state)
{
    struct halbin bin = { 0 };

    (void)state;
    expect_error("#include \"hal_dialect.h\"\n#undef GROUP\n"
                 "#define GROUP 32\n\nKERNEL(k, OUT(f32, y)) { }\n",
                 "t.k:5: kernel 'k': GROUP is 32, and was 64 where "
                 "hal_dialect.h is included");
    expect_error("#define GROUP 64\n#include \"hal_dialect.h\"\n"
                 "KERNEL(k, OUT(f32, y)) { }\n"
                 "#undef GROUP\n#define GROUP 1\n"
                 "KERNEL(l, OUT(f32, y)) { }\n",
                 "t.k:6: kernel 'l': GROUP is 1, and was 64");
    expect_error("#define GROUP (N)\n#include \"hal_dialect.h\"\n"
                 "#define N 64\nKERNEL(k, OUT(f32, y)) { }\n",
                 "t.k:4: kernel 'k': GROUP is no constant where");
    /* the same number in other words */
    assert_int_equal(compile("#define GROUP 64\n#include \"hal_dialect.h\"\n"
                             "#undef GROUP\n#define GROUP (2 * 32)\n"
                             "KERNEL(k, OUT(f32, y)) { }\n",
                             &everything[3], 1, &bin),
                     COMPILE_OK);
    assert_int_equal(bin.kernels[0].images[0].group, 64);
    halbin_close(&bin);
}

/* A parameter that lies in an included file is reported there. */
static void test_included_lines(void **state)
{
    char dir[] = "/tmp/halcyon-test-XXXXXX", path[64];
    struct compile_request req = { .source = "#include \"hal_dialect.h\"\n"
                                             "#include \"q\\uote.h\"\n",
                                   .name = "t.k",
                                   .targets = &everything[1],
                                   .n_targets = 1,
                                   .include_dir = dir };
    struct halbin bin = { 0 };
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/q\\uote.h", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("\nKERNEL(k,\n  IN(nope, x)) { }\n", f);
    fclose(f);
    assert_int_equal(compile_source(&req, &bin, &msg), COMPILE_ERROR);
    assert_string_equal(msg.text, "q\\uote.h:3: kernel 'k': parameter 'x': "
                                  "'nope' is no storage format; there are f32 "
                                  "bf16 f16 e4m3 i8 i16 i32 u8 u16 u32");
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

/* "KERNEL(k, ARG(uint, n0), ARG(uint, n1) ...)" */
static void expect_params(int n, const char *want)
{
    char text[3000] = "#include \"hal_dialect.h\"\nKERNEL(k";
    size_t at = strlen(text);

    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, ", ARG(uint, n%d)",
                               i);
    snprintf(text + at, sizeof text - at, ") { }\n");
    expect_error(text, want);
}

static void test_parameter_lists(void **state)
{
    char text[300], name[101];
    struct halbin bin = { 0 };

    (void)state;
    expect_error(KERNEL_WITH("float x"), "t.k:2: kernel 'k': a parameter is "
                                         "missing, or none of IN OUT");
    expect_error("#include \"hal_dialect.h\"\nKERNEL(k) { }\n",
                 "t.k:2: kernel 'k': a parameter is missing");
    expect_error(KERNEL_WITH("IN(f32)"), "takes 2 arguments, not 1");
    expect_error(KERNEL_WITH("(inny, f32, x, 0)"), "'inny' is no kind");
    expect_params(33, "t.k:2: kernel 'k': more than 32 launch arguments");
    expect_params(36, "t.k:2: kernel 'k': more than 32 launch arguments");
    expect_params(37, "t.k:2: kernel 'k': more than 36 parameters: it has 37");
    expect_params(73, "t.k:2: kernel 'k': more than 36 parameters: it has 73");
    expect_params(140, "t.k:2: kernel 'k': more than 36 parameters: it has "
                       "140");
    /* through a macro, in the line of the call */
    expect_error("#include \"hal_dialect.h\"\n#define A(n) ARG(int, n)\n"
                 "#define B(n) A(n##0), A(n##1), A(n##2), A(n##3), A(n##4)\n"
                 "#define C(n) B(n##0), B(n##1), B(n##2), B(n##3), B(n##4)\n"
                 "#define D C(a), C(b), C(c)\n\nKERNEL(k, D) { }\n",
                 "t.k:7: kernel 'k': more than 36 parameters: it has 75");
    memset(name, 'a', 100);
    name[100] = 0;
    snprintf(text, sizeof text,
             "#include \"hal_dialect.h\"\nKERNEL(k,\n OUT(f32, %s)) { }\n",
             name);
    expect_error(text, "t.k:3: kernel 'k': the name 'aaaaaaaaaaaaaaaaaaaa...' "
                       "has 100 characters; the limit is 47");
    snprintf(text, sizeof text,
             "#include \"hal_dialect.h\"\n\nKERNEL(%s, OUT(f32, x)) { }\n",
             name);
    expect_error(text, "t.k:3: kernel: the name 'aaaaaaaaaaaaaaaaaaaa...' has "
                       "100 characters; the limit is 47");
    name[48] = 0; /* one too many, and the longest */
    snprintf(text, sizeof text,
             "#include \"hal_dialect.h\"\nKERNEL(k, OUT(f32, %s)) { }\n", name);
    expect_error(text, "has 48 characters; the limit is 47");
    snprintf(text, sizeof text,
             "#include \"hal_dialect.h\"\nKERNEL(%s, OUT(f32, %s)) { }\n",
             name + 1, name + 1);
    assert_int_equal(compile(text, &everything[3], 1, &bin), COMPILE_OK);
    assert_string_equal(bin.kernels[0].name, name + 1);
    assert_string_equal(bin.kernels[0].params[0].name, name + 1);
    halbin_close(&bin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_lines),
        cmocka_unit_test(test_source_errors),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_group_redefined),
        cmocka_unit_test(test_included_lines),
        cmocka_unit_test(test_parameter_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
