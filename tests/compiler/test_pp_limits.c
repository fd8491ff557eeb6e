/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The preprocessor with hostile text: each of its limits ends the run with a
 * message, and nothing else does.
 */
#include "tests/compiler/preprocess_test.h"

/* Text that wants to run forever, fill the memory or the stack. */
static void test_hostile(void **state)
{
    static const char *const repeat[] = {
        "(",
        "F(",
        "#if 1\n",
        "#if (((((((((((((((((((((\n",
        "#if !!!!!!",
        "F F(F(F(",
        "\\\n",
        "\"",
        "#",
        "##",
        "a ## b",
        "/*",
        "'\\",
        "\\",
        "#define A A A\n",
    };
    struct pp_options o = plain;
    struct pp_result r;
    char *text = malloc(1 << 20);
    char *p = text;

    (void)state;
    assert_non_null(text);
    p += sprintf(p, "#define A0 x x\n");
    for (int i = 1; i < 60; i++)
        p += sprintf(p, "#define A%d A%d A%d\n", i, i - 1, i - 1);
    strcpy(p, "A59");
    assert_int_equal(run_with(o, text, &r), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "t.k:61: the expansion takes"));

    /* nested calls: F(F(F(...))) */
    p = text + sprintf(text, "#define F(x) x\n");
    for (int i = 0; i < 1000; i++)
        p += sprintf(p, "F(");
    for (int i = 0; i < 1000; i++)
        p += sprintf(p, ")");
    assert_int_equal(run_with(o, text, &r), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "nested deeper"));

    p = text + sprintf(text, "#if ");
    for (int i = 0; i < 100000; i++)
        *p++ = '(';
    strcpy(p, "1\n");
    assert_int_equal(run_with(o, text, &r), COMPILE_ERROR);
    assert_non_null(strstr(msg.text, "nested too deeply"));

    o.memory_limit = 1 << 20;
    o.step_limit = 100000;
    for (size_t i = 0; i < sizeof repeat / sizeof *repeat; i++) {
        p = text + sprintf(text, "#define F(x,...) x #x __VA_ARGS__\n");
        while (p - text < 200000)
            p += sprintf(p, "%s", repeat[i]);
        if (run_with(o, text, &r) == COMPILE_OK)
            free(r.text);
        else
            assert_int_equal(strncmp(msg.text, "t.k:", 4), 0);
    }
    free(text);
}

static void test_limits_have_messages(void **state)
{
    struct pp_options o = plain;
    struct pp_result r;

    (void)state;
    o.step_limit = 10;
    assert_int_equal(run_with(o, "a b c d e f g h i j k l", &r), COMPILE_ERROR);
    assert_string_equal(msg.text, "t.k:1: the expansion takes too many steps");
    assert_int_equal(run_with(o, "\na b c\nd e f\ng h i j k l", &r),
                     COMPILE_ERROR);
    assert_string_equal(msg.text, "t.k:4: the expansion takes too many steps");
    o.step_limit = 40;
    assert_int_equal(run_with(o,
                              "#define A B B B B\n#define B C C C C\n"
                              "#define C x x x x\n\nA\n\n\nz",
                              &r),
                     COMPILE_ERROR);
    assert_string_equal(msg.text, "t.k:5: the expansion takes too many steps");
    o.step_limit = 0;
    o.memory_limit = 64 << 10;
    for (int depth = 10; depth < 1000; depth += 100) {
        char text[9000] = "";

        for (int i = 0; i < depth; i++)
            strcat(text, "abc(1) ");
        if (run_with(o, text, &r) == COMPILE_OK)
            free(r.text);
    }
    assert_non_null(strstr(msg.text, "takes more than"));
    assert_int_equal(strncmp(msg.text, "t.k:1: ", 7), 0);
    o.memory_limit = 100;
    assert_int_equal(run_with(o, "a", &r), COMPILE_ERROR);
    assert_true(strstr(msg.text, ":1: the expansion takes more than") != NULL);
}

/* Calls within calls, the innermost without any argument. */
static void test_deep_calls(void **state)
{
    char text[4000] = "#define F(x) x\n\n";
    int depth = 600;

    (void)state;
    for (int i = 0; i < depth; i++)
        strcat(text, "F(");
    for (int i = 0; i < depth; i++)
        strcat(text, ")");
    expect_error(text, "t.k:3: macro calls are nested deeper than");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_limits_have_messages),
        cmocka_unit_test(test_deep_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
