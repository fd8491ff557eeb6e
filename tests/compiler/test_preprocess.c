/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The preprocessor: what C says it does, and the line numbers that it keeps.
 * Hostile text is in test_pp_limits.c, comparing with gcc in test_gcc_equal.c.
 */
#include "tests/compiler/preprocess_test.h"

#include <sys/stat.h>
#include <unistd.h>

/* The expansion without white space at its ends. */
static void expect(const char *text, const char *want)
{
    struct pp_result r;
    char *start;
    size_t n;

    if (run_with(plain, text, &r) != COMPILE_OK)
        fail_msg("%s\n-> %s", text, msg.text);
    start = r.text + strspn(r.text, " \n");
    for (n = strlen(start); n && strchr(" \n", start[n - 1]); n--)
        start[n - 1] = 0;
    if (strcmp(start, want) != 0)
        fail_msg("%s\n-> %s\nnot %s", text, start, want);
    free(r.text);
}

static void test_objects_and_functions(void **state)
{
    (void)state;
    expect("#define A 1\nA B A", "1 B 1");
    expect("#define A B\n#define B A\nA B", "A B");
    expect("#define F(x) [x]\nF(1) F (2) F", "[1] [2] F");
    expect("#define F(x,y) x-y\nF((1,2),3)", "(1,2)-3");
    expect("#define F() z\nF() F( )", "z z");
    expect("#define F(x) <x>\nF()", "<>");
    expect("#define F(x) x\nF(a\nb)\nc", "a b c");
    expect("#define A 1\n#undef A\nA", "A");
    expect("#define f(a) a*g\n#define g(a) f(a)\nf(2)(9)", "2*9*g");
    expect("a/* c */b // d\ne", "a b e");
    expect("#define X a\\\nb\nX", "ab");
    expect("#define A(x) B(x)\n#define B(x) A(x)\nA(1)", "A(1)");
    expect("\"a A /* no */\" 'A' #A\n", "\"a A /* no */\" 'A' #A");
    expect("__LINE__\n__LINE__ __COUNTER__ __COUNTER__", "1 2 0 1");
    expect("#define L __LINE__\n\nL __FILE__", "3 \"t.k\"");
}

/* The examples of C11 6.10.3.5. */
static void test_standard_examples(void **state)
{
    (void)state;
    expect("#define x 3\n#define f(a) f(x * (a))\n#undef x\n#define x 2\n"
           "#define g f\n#define z z[0]\n#define h g(~\n#define m(a) a(w)\n"
           "#define w 0,1\n#define t(a) a\n#define p() int\n#define q(x) x\n"
           "#define r(x,y) x ## y\n#define str(x) # x\n"
           "f(y+1) + f(f(z)) % t(t(g)(0) + t)(1);\n",
           "f(2 * (y+1)) + f(2 * (f(2 * (z[0])))) % f(2 * (0)) + t(1);");
    expect("#define r(x,y) x ## y\n"
           "{ r(2,3), r(4,), r(,5), r(,) };",
           "{ 23, 4, 5, };");
    expect("#define t(x,y,z) x ## y ## z\n"
           "t(1,2,3), t(,4,5), t(6,,7), t(8,9,), t(10,,), t(,11,), t(,,12), "
           "t(,,)",
           "123, 45, 67, 89, 10, 11, 12,");
    expect("#define hash_hash # ## #\n#define mkstr(a) # a\n"
           "#define in_between(a) mkstr(a)\n"
           "#define join(c, d) in_between(c hash_hash d)\njoin(x, y)",
           "\"x ## y\"");
    expect("#define str(s) # s\n#define xstr(s) str(s)\n"
           "#define debug(s, t) printf(\"x\" # s \"= %d\", x ## s, x ## t)\n"
           "debug(1, 2); str(\"\\n\" 'a' \"q\")",
           "printf(\"x\" \"1\" \"= %d\", x1, x2); "
           "\"\\\"\\\\n\\\" 'a' \\\"q\\\"\"");
    expect("#define showlist(...) puts(#__VA_ARGS__)\n"
           "#define report(test, ...) ((test)?puts(#test): "
           "printf(__VA_ARGS__))\n"
           "showlist(The first, second,  and third items.);\n"
           "report(x>y, \"x is %d but y is %d\", x, y);",
           "puts(\"The first, second, and third items.\"); "
           "((x>y)?puts(\"x>y\"): printf(\"x is %d but y is %d\", x, y));");
}

static void test_variadic(void **state)
{
    (void)state;
    expect("#define F(a, ...) a:__VA_ARGS__;\nF(1) F(1,2) F(1,2,(3,4))",
           "1:; 1:2; 1:2,(3,4);");
    expect("#define F(a, ...) g(a, ## __VA_ARGS__)\nF(1) F(1,2)",
           "g(1) g(1,2)");
    expect("#define F(rest...) <rest>\nF(1,2)", "<1,2>");
    expect("#define P(x) _Pragma(#x)\nP(omp simd)", "_Pragma(\"omp simd\")");
    expect("#define N(...) N_(__VA_ARGS__, 3, 2, 1)\n"
           "#define N_(a, b, c, n, ...) n\nN(x) N(x,y) N(x,y,z)",
           "1 2 3");
}

static void test_no_accidental_tokens(void **state)
{
    (void)state;
    expect("#define P +\n#define M -\nP+ P P -M", "+ + + + - -");
    expect("#define E\n#define D .\n1D D1 aE b", "1D D1 aE b");
    expect("#define F(x) x\nF(<)F(<)F(=) F(a)b F(1)F(.)", "< < = a b 1 .");
    expect("#define S(x) -x\nS(-1)", "- -1");
    expect("a::b a->b", "a::b a->b");
}

static void test_conditions(void **state)
{
    static const struct {
        const char *expression;
        int is;
    } table[] = {
        { "1", 1 },
        { "0", 0 },
        { "unknown", 0 },
        { "defined(__LINE__) && defined __FILE__ && !defined X", 1 },
        { "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9", 1 },
        { "10 / 3 == 3 && 10 % 3 == 1 && -7 / 2 == -3", 1 },
        { "1 << 4 == 16 && 256 >> 4 == 16 && -1 >> 1 == -1", 1 },
        { "1 ? 2 : 0", 1 },
        { "0 ? 1 / 0 : 1", 1 },
        { "0 && 1 / 0 || 1", 1 },
        { "1 || 1 / 0", 1 },
        { "1 ? 0 : 1 ? 1 : 1", 0 },
        { "-1 > 0u", 1 },
        { "-1 > 0", 0 },
        { "0x10 == 16 && 010 == 8 && 0b11 == 3 && 5ul == 5", 1 },
        { "'a' == 97 && '\\n' == 10 && '\\'' == 39", 1 },
        { "~0 == -1 && !0 == 1 && - -1 == +1", 1 },
        { "(5 & 3) == 1 && (5 | 3) == 7 && (5 ^ 3) == 6", 1 },
        { "5 & 3 == 3", 1 },
        { "0x7fffffffffffffff + 1 < 0", 1 },
        { "18446744073709551615u == -1", 1 },
        { "(-9223372036854775807 - 1) / -1 < 0", 1 },
        { "(-9223372036854775807 - 1) % -1 == 0", 1 },
        { "1 << 2 + 1 == 8 && 16 >> 1 + 1 == 4 && 8 - 4 - 2 == 2", 1 },
        { "2 + 6 / 2 * 3 % 5 == 6 && 1 < 2 == 2 > 1", 1 },
        { "1 << 64 == 0 && 1 << 200 == 0", 1 },
        { "3 != 3 || 2 <= 1 || 1 >= 2", 0 },
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        snprintf(text, sizeof text, "#if %s\n1\n#else\n0\n#endif\n",
                 table[i].expression);
        expect(text, table[i].is ? "1" : "0");
    }
    expect("#ifdef A\n1\n#elif 1\n2\n#elif 1\n3\n#else\n4\n#endif", "2");
    expect("#ifndef A\n1\n#elif 1 / 0\n2\n#endif", "1");
    expect("#if 0\n#if 1\n1\n#else\n2\n#endif\n#bad\n#error no\n#endif\n3",
           "3");
    expect("#define F(x) x > 1\n#if F(2)\nyes\n#endif", "yes");
    expect("#define F(x) x\nF(\n#if 1\n1\n#else\n2\n#endif\n)", "1");
}

static void test_includes(void **state)
{
    char dir[] = "/tmp/halcyon-test-XXXXXX", path[128];
    struct pp_options o = plain;
    struct pp_result r;
    FILE *f;

    (void)state;
    expect("#include \"a.h\"\n#include \"a.h\"\nFROM_A", "int a; 1");
    expect("#define H \"a.h\"\n#include H\n", "int a;");
    expect("#include \"twice.h\"\n", "two");
    expect("#include <math.h>\nx", "#include <math.h>\nx");
    expect_error("\n#include \"self.h\"", "self.h:1: #include");
    expect_error("\n#include \"no.h\"", "t.k:2: #include \"no.h\": no such");
    expect_error("#include \"../a.h\"", "t.k:1: #include \"../a.h\": the name");
    expect_error("#include \"/etc/passwd\"", "t.k:1: #include \"/etc");
    expect_error("#include \"x/../../a\"", "t.k:1: #include");
    expect_error("#include \"\"", "t.k:1: #include");
    expect_error("#include", "t.k:1: #include wants");
    expect_error("#include \"a.h", "t.k:1: #include wants");
    expect_error("#include \"open_if.h\"", "open_if.h:1: this #if has no");

    assert_non_null(mkdtemp(dir));
    o.include_dir = dir;
    snprintf(path, sizeof path, "%s/mine.h", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("mine\n", f);
    fclose(f);
    assert_int_equal(run_with(o, "#include \"mine.h\"\n", &r), COMPILE_OK);
    assert_non_null(strstr(r.text, "mine"));
    free(r.text);
    f = fopen(path, "w");
    assert_non_null(f);
    fwrite("a\0b", 1, 3, f);
    fclose(f);
    assert_int_equal(run_with(o, "#include \"mine.h\"\n", &r), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "NUL"));
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
    assert_int_equal(run_with(o, "#include \"mine.h\"\n", &r), COMPILE_ERROR);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(run_with(o, "#include \"mine.h\"\n", &r), COMPILE_ERROR);
    rmdir(path);
    rmdir(dir);
}

static void test_errors(void **state)
{
    static const struct {
        const char *text, *want;
    } table[] = {
        { "\n\n#error it's wrong", "t.k:3: #error it's wrong" },
        { "#if 1\n", "t.k:1: this #if has no #endif" },
        { "#endif", "t.k:1: #endif without #if" },
        { "#else", "t.k:1: #else without #if" },
        { "#if 1\n#else\n#else\n#endif", "t.k:3: #else without" },
        { "#if 1\n#else\n#elif 1\n#endif", "t.k:3: #elif without" },
        { "x\n/* never", "t.k:2: this comment never ends" },
        { "#define F(x) x\n\nF(1", "t.k:3: the call of macro 'F' never" },
        { "#define F(x) x\nF(1,2)",
          "t.k:2: macro 'F' takes 1 argument, not 2" },
        { "#define F(x,y) x\nF(1)", "t.k:2: macro 'F' takes 2 arguments" },
        { "#define F() x\nF(1)", "t.k:2: macro 'F' takes 0 arguments, not 1" },
        { "#define F(x, ...) x\n#define G F\nG()" /* one empty argument */,
          "" },
        { "#define F(x,y,...) x\nF(1)", "t.k:2: macro 'F' takes at least 2" },
        { "#define", "t.k:1: #define: a name" },
        { "#define 1", "t.k:1: #define: a name" },
        { "#define defined", "t.k:1: #define: 'defined'" },
        { "#define __LINE__ 3", "t.k:1: #define: '__LINE__'" },
        { "#define F(x", "t.k:1: #define: expected" },
        { "#define F(x,", "t.k:1: #define: a parameter's name" },
        { "#define F(x,x) 1", "t.k:1: #define: parameter 'x' twice" },
        { "#define F(..., x) 1", "t.k:1: #define: expected ')'" },
        { "#define F(x) #y", "t.k:1: #define: '#'" },
        { "#define F ## x", "t.k:1: #define: '##'" },
        { "#define F x ##", "t.k:1: #define: '##'" },
        { "#define F(a,b) a##b\nF(+,x)", "t.k:2: '+' ## 'x' makes no token" },
        { "#if\n#endif", "t.k:1: #if without an expression" },
        { "#if 1 +\n#endif", "t.k:1: #if: the expression ends" },
        { "#if (1\n#endif", "t.k:1: #if: ')'" },
        { "#if 1 2\n#endif", "t.k:1: #if: '2' is one too many" },
        { "#if 1 / 0\n#endif", "t.k:1: #if: division by zero" },
        { "#if 1 % 0\n#endif", "t.k:1: #if: division by zero" },
        { "#if 1 ? 2\n#endif", "t.k:1: #if: '?' without" },
        { "#if 1.5\n#endif", "t.k:1: #if: a number is not" },
        { "#if 99999999999999999999\n#endif", "t.k:1: #if: a number does" },
        { "#if defined\n#endif", "t.k:1: 'defined' wants" },
        { "#if defined(X\n#endif", "t.k:1: 'defined' wants" },
        { "#if 'ab'\n#endif", "t.k:1: #if: a character" },
        { "#ifdef\n#endif", "t.k:1: #ifdef wants a name" },
        { "#undef", "t.k:1: #undef wants a name" },
        { "#frob", "t.k:1: #frob is no directive" },
        { "#pragma hal frob", "t.k:1: #pragma hal: 'frob'" },
        { "#pragma hal", "t.k:1: #pragma hal: ''" },
        { "#if 1\n#pragma hal skip\n#endif", "t.k:2: #pragma hal skip wants" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (*table[i].want) {
            expect_error(table[i].text, table[i].want);
        } else {
            expect(table[i].text, "");
        }
    }
}

/* What some editors begin a file with. */
static void test_byte_order_mark(void **state)
{
    struct pp_instances list;

    (void)state;
    expect("\xef\xbb\xbf#define A 1\nA", "1");
    expect("\xef\xbb\xbf", "");
    expect("#include \"bom.h\"\nBOM", "2");
    expect("a \xef\xbb\xbf", "a \xef\xbb\xbf"); /* only there */
    assert_int_equal(pp_instances_read("t.k",
                                       "\xef\xbb\xbf#pragma hal instance A=1\n"
                                       "#pragma hal instance A=2\n",
                                       &list, &msg),
                     COMPILE_OK);
    assert_int_equal(list.n, 2);
    pp_instances_free(&list);
}

static void expect_lines(const char *text, const char *want)
{
    struct pp_options o = { .only_kernel = -1 };
    struct pp_result r;

    if (run_with(o, text, &r) != COMPILE_OK)
        fail_msg("%s", msg.text);
    assert_string_equal(r.text, want);
    free(r.text);
}

static void test_lines(void **state)
{
    (void)state;
    expect_lines("a\nb\n\nc\n", "#line 1 \"t.k\"\na\nb\n\nc\n");
    expect_lines("\n\n\na", "#line 4 \"t.k\"\na\n");
    expect_lines("a\n\n\n\n\n\n\n\n\n\n\n\nb",
                 "#line 1 \"t.k\"\na\n#line 13 \"t.k\"\nb\n");
    /* a call over lines: what it made is on them, what follows is right */
    expect_lines("#define F(x, y) { x; y; }\nF(1,\n2)\nz\n",
                 "#line 2 \"t.k\"\n{ 1;\n2; }\nz\n");
    expect_lines("#include \"a.h\"\nb\n",
                 "#line 3 \"a.h\"\nint a;\n#line 2 \"t.k\"\nb\n");
    expect_lines("a\n#pragma omp simd\nb\n",
                 "#line 1 \"t.k\"\na\n#pragma omp simd\nb\n");
    expect_lines("a /* 1\n2 */ b\nc\n", "#line 1 \"t.k\"\na\nb\nc\n");
    expect_lines("a \\\n b\nc\n", "#line 1 \"t.k\"\na b\n\nc\n");
    expect_lines("#define F(x) x x\nF(\n1\n2\n) e\nf",
                 "#line 3 \"t.k\"\n1\n2 1 2\ne\nf\n");
}

static void test_kernels(void **state)
{
    const char *text = "#define KERNEL(n, ...) void n()\n"
                       "int h;\nKERNEL(a, (x))\n{ { } }\nint m;\n"
                       "KERNEL(b, (x))\n{ if }\nint z;\n";
    struct pp_options o = plain;
    struct pp_result r;

    (void)state;
    o.only_kernel = 0;
    assert_int_equal(run_with(o, text, &r), COMPILE_OK);
    assert_string_equal(r.text, "int h; void a() { { } } int m; int z;\n");
    assert_int_equal(r.n_kernels, 2);
    free(r.text);
    o.only_kernel = 1;
    assert_int_equal(run_with(o, text, &r), COMPILE_OK);
    assert_string_equal(r.text, "int h; int m; void b() { if } int z;\n");
    free(r.text);
}

static void test_instances(void **state)
{
    const char *text = "/* #pragma hal instance NO=1 */\n"
                       "#pragma hal skip cuda because\n"
                       "#pragma hal instance T=f32 NAME=a_f32\n"
                       "#pragma hal skip vulkan.packed\n"
                       "#pragma hal instance T=bf16 FLAG\n"
                       "#if 0\n#pragma hal skip cpu\n#endif\n";
    struct pp_instances i = { 0 };
    struct pp_options o = plain;
    struct pp_result r;

    (void)state;
    assert_int_equal(pp_instances_read("t.k", text, &i, &msg), COMPILE_OK);
    assert_int_equal(i.n, 2);
    assert_int_equal(i.list[0].n_defines, 2);
    assert_string_equal(i.list[0].defines[1], "NAME=a_f32");
    assert_int_equal(i.list[0].line, 3);
    assert_int_equal(i.list[0].n_skips, 1);
    assert_string_equal(i.list[0].skips[0], "cuda");
    assert_int_equal(i.list[1].n_skips, 2);
    assert_string_equal(i.list[1].defines[1], "FLAG");
    pp_instances_free(&i);
    pp_instances_free(&i);

    assert_int_equal(pp_instances_read("t.k", "x", &i, &msg), COMPILE_OK);
    assert_int_equal(i.n, 1);
    assert_int_equal(i.list[0].n_defines, 0);
    pp_instances_free(&i);
    assert_int_equal(pp_instances_read("t.k",
                                       "\n#if 1\n#pragma hal instance A\n"
                                       "#endif",
                                       &i, &msg),
                     COMPILE_ERROR);
    assert_int_equal(strncmp(msg.text, "t.k:3: ", 7), 0);

    assert_true(pp_skip_covers("vulkan", "vulkan.bda"));
    assert_true(pp_skip_covers("vulkan.bda", "vulkan.bda"));
    assert_false(pp_skip_covers("vulkan.b", "vulkan.bda"));
    assert_false(pp_skip_covers("vulkan.bda", "vulkan"));

    /* a skip in a live conditional counts for the variant it names */
    o.variant = "vulkan.bda";
    text = "#if 1\n#pragma hal skip vulkan no such thing\n#endif\n"
           "#if 0\n#pragma hal skip vulkan never\n#endif\nx";
    assert_int_equal(run_with(o, text, &r), COMPILE_OK);
    assert_true(r.skipped);
    assert_string_equal(r.skip_reason, "no such thing");
    free(r.text);
    o.variant = "cuda";
    assert_int_equal(run_with(o, text, &r), COMPILE_OK);
    assert_false(r.skipped);
    free(r.text);
}

static void test_defines(void **state)
{
    static const char *const list[] = { "A", "B=2 + 3", "F(x)=[x]", "E=" };
    static const char *const bad[] = { "1=2" };
    struct pp_options o = plain;
    struct pp_result r;

    (void)state;
    o.defines = list;
    o.n_defines = 4;
    assert_int_equal(run_with(o, "A B F(7) E x", &r), COMPILE_OK);
    assert_string_equal(r.text, "1 2 + 3 [7] x\n");
    free(r.text);
    o.defines = bad;
    o.n_defines = 1;
    assert_int_equal(run_with(o, "A", &r), COMPILE_ERROR);
}

static void test_evaluate(void **state)
{
    const char *end, *why = NULL;
    int64_t v[4] = { 0 };

    (void)state;
    assert_int_equal(
        pp_evaluate("64 (2*(8+1)) 0 1 ? 5 : 6 : rest", v, 4, &end, &why), 4);
    assert_int_equal(v[0], 64);
    assert_int_equal(v[1], 18);
    assert_int_equal(v[2], 0);
    assert_int_equal(v[3], 5);
    assert_string_equal(end, ": rest");
    assert_int_equal(pp_evaluate("sizeof(float4) * 4u", v, 1, &end, &why), 1);
    assert_int_equal(v[0], 64);
    assert_int_equal(pp_evaluate("BM * 3", v, 1, &end, &why), -1);
    assert_string_equal(why, "a name that is no constant");
    assert_int_equal(pp_evaluate("sizeof(frob)", v, 1, &end, &why), -1);
    assert_int_equal(pp_type_bytes("v16", 3), 64);
    assert_int_equal(pp_type_bytes("v1", 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_and_functions),
        cmocka_unit_test(test_standard_examples),
        cmocka_unit_test(test_variadic),
        cmocka_unit_test(test_no_accidental_tokens),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_includes),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_defines),
        cmocka_unit_test(test_evaluate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
