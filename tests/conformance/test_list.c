/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_list.c - the list of cases: names, levels, duplicates, selection; and
 * the words that reports are made of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/runner.h"

static void nothing(struct conf *c)
{
    (void)c;
}

static struct conf_list list;

static void add(const char *name, const char *levels)
{
    const struct conf_case cc = { name, nothing, .levels = levels };

    conf_list_add(&list, &cc, 0);
}

static void refuses(const char *name, const char *levels, const char *words)
{
    memset(&list, 0, sizeof list);
    add(name, levels);
    assert_non_null(list.error);
    assert_non_null(strstr(list.error, words));
    assert_int_equal(list.n, 0);
    conf_list_release(&list);
}

static void bad_cases_are_refused(void **state)
{
    char name[CONF_NAME_MAX + 2];

    (void)state;
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = 0;
    refuses(name, "core", "not a dotted name");
    refuses("", "core", "not a dotted name");
    refuses(".a", "core", "not a dotted name");
    refuses("a.", "core", "not a dotted name");
    refuses("a..b", "core", "not a dotted name");
    refuses("a b", "core", "not a dotted name");
    refuses("a\nb", "core", "not a dotted name");
    refuses("a*", "core", "not a dotted name");
    refuses("a.b", "", "a.b");
    refuses("a.b", NULL, "a.b");
    refuses("a.b", "core cores", "unknown level");
}

static void thousands_are_found(void **state)
{
    char name[32];

    (void)state;
    memset(&list, 0, sizeof list);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "kernel.x.n%d", i);
        add(name, "core  memory");
    }
    assert_null(list.error);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "kernel.x.n%d", i);
        assert_true(conf_list_has(&list, name));
        assert_string_equal(conf_list_find(&list, name)->name, name);
    }
    assert_false(conf_list_has(&list, "kernel.x.n5000"));
    add("kernel.x.n77", "core");
    assert_string_equal(list.error, "case kernel.x.n77 is in the list twice");
    conf_list_release(&list);
}

static void parameters_are_copied(void **state)
{
    int value = 7;
    struct conf_case cc = { "a.b", nothing, &value, .levels = "core" };

    (void)state;
    memset(&list, 0, sizeof list);
    conf_list_add(&list, &cc, sizeof value);
    value = 8;
    assert_int_equal(*(const int *)list.cases[0].param, 7);
    cc.name = "a.c";
    conf_list_add(&list, &cc, 0);
    assert_ptr_equal(list.cases[1].param, &value);
    conf_list_release(&list);
}

static void filters_select(void **state)
{
    const struct conf_case cc = { "api.memory.fill", nothing,
                                  .levels = "core memory" };
    const char *globs[] = { "kernel.*", "api.*" };
    const char *levels[] = { "memory" }, *other[] = { "golden", "mem" };
    struct conf_filter f = { 0 };

    (void)state;
    assert_true(conf_filter_takes(&f, &cc));
    f = (struct conf_filter){ globs, 1, NULL, 0 };
    assert_false(conf_filter_takes(&f, &cc));
    f.n_globs = 2;
    assert_true(conf_filter_takes(&f, &cc));
    f = (struct conf_filter){ globs, 2, levels, 1 };
    assert_true(conf_filter_takes(&f, &cc));
    f = (struct conf_filter){ globs, 2, other, 2 };
    assert_false(conf_filter_takes(&f, &cc));
}

static void nearest_is(const char *glob, const char *want)
{
    const char *is = conf_list_nearest(&list, glob, NULL);

    if (strcmp(is ? is : "(none)", want)) {
        print_error("nearest to '%s': %s, not %s\n", glob, is ? is : "(none)",
                    want);
        fail();
    }
}

static void typos_have_a_neighbour(void **state)
{
    static char longest[2 * CONF_NAME_MAX];
    const char *memory[] = { "memory" };
    const struct conf_filter only = { NULL, 0, memory, 1 };

    (void)state;
    memset(&list, 0, sizeof list);
    add("api.memory.fill", "memory");
    add("kernel.rmsnorm.bf16.one", "core");
    add("kernel.softmax.bf16.one", "core");
    nearest_is("kernel.rmsnrom.bf16.one", "kernel.rmsnorm.bf16.one");
    nearest_is("kernel.rmsnrom.*", "kernel.rmsnorm.bf16.one");
    nearest_is("*softmx*", "kernel.softmax.bf16.one");
    nearest_is("kernel.softmix.?f16.one", "kernel.softmax.bf16.one");
    nearest_is("api.memory.fil", "api.memory.fill");
    nearest_is("ap.memory.fills", "api.memory.fill");
    nearest_is("something.else", "(none)");
    nearest_is("", "(none)");
    memset(longest, 'a', sizeof longest - 1);
    nearest_is(longest, "(none)");
    assert_null(conf_list_nearest(&list, "kernel.rmsnrom.*", &only));
    conf_list_release(&list);
}

/* The families that the product has must make a list without a word. */
static void the_real_list_is_good(void **state)
{
    const struct conf_options options = { NULL, 0 };

    (void)state;
    if (conf_list_build(&list, &options)) {
        print_error("%s\n", list.error);
        fail();
    }
    for (size_t i = 1; i < list.n; i++)
        assert_true(strcmp(list.cases[i - 1].name, list.cases[i].name) < 0);
    for (size_t i = 0; i < list.n; i++)
        assert_ptr_equal(conf_list_find(&list, list.cases[i].name),
                         &list.cases[i]);
    conf_list_release(&list);
}

static void text_becomes_clean(void **state)
{
    static const char *const pairs[][2] = {
        { "plain\nlines", "plain\nlines" },
        { "tab\tbell\x07", "tab bell " },
        { "gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F" },
        { "\xC3", "?" },
        { "\xC0\xAF", "??" },
        { "\xED\xA0\x80", "???" },
        { "\xEF\xBF\xBE", "???" },
        { "\xF0\x9F\x98\x80!", "\xF0\x9F\x98\x80!" },
        { "\xF4\x90\x80\x80", "????" },
        { "\xF0\x9F", "??" },
        { "\033[31m", " [31m" },
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        strcpy(text, pairs[i][0]);
        conf_clean(text);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void families_are_parts_of_names(void **state)
{
    (void)state;
    assert_int_equal(conf_family_length("api.memory.fill.odd", 2), 10);
    assert_int_equal(conf_family_length("api.memory", 2), 3);
    assert_int_equal(conf_family_length("golden.x", 2), 6);
    assert_int_equal(conf_family_length("golden.x.y", 1), 6);
    assert_int_equal(conf_family_length("one", 2), 3);
}

static void ends_are_named(void **state)
{
    char text[128];

    (void)state;
    conf_status_text(0, text, sizeof text);
    assert_string_equal(text, "ended with exit status 0");
    conf_status_text(SIGSEGV, text, sizeof text);
    assert_non_null(strstr(text, "signal 11"));
}

static void verdicts_have_names(void **state)
{
    (void)state;
    for (int v = 0; v < CONF_VERDICT_COUNT; v++)
        assert_int_equal(conf_verdict_of(conf_verdict_name((unsigned)v)), v);
    assert_int_equal(conf_verdict_of("good"), CONF_VERDICT_COUNT);
    assert_true(conf_verdict_ok(CONF_UNSUPPORTED));
    assert_false(conf_verdict_ok(CONF_XPASS));
    assert_false(conf_verdict_ok(CONF_MISSING));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_cases_are_refused),
        cmocka_unit_test(thousands_are_found),
        cmocka_unit_test(parameters_are_copied),
        cmocka_unit_test(filters_select),
        cmocka_unit_test(typos_have_a_neighbour),
        cmocka_unit_test(the_real_list_is_good),
        cmocka_unit_test(text_becomes_clean),
        cmocka_unit_test(families_are_parts_of_names),
        cmocka_unit_test(ends_are_named),
        cmocka_unit_test(verdicts_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
