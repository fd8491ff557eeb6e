/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_journal.c - lines of a journal whose hash is right, as whoever writes to
 * the folder can make them: each is one JSON value that says one thing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "conformance/runner.h"

#define VERDICT \
    "{\"device\":\"cpu:0\",\"case\":\"a.x\",\"verdict\":\"pass\",\"ms\":1"

static size_t put_line(char *to, size_t room, const char *text)
{
    int n = snprintf(to, room, "%016llx %s\n",
                     (unsigned long long)XXH3_64bits(text, strlen(text)), text);

    assert_true(n > 0 && (size_t)n < room);
    return (size_t)n;
}

/* What is said of a journal of a good head and that line; "" if it is taken. */
static void takes(const char *line, const char *words)
{
    static const struct conf_settings set = { .seed = 1 };
    const struct conf_case one = { .name = "a.x" };
    const struct conf_case *cases[] = { &one };
    struct conf_result result = { 0 };
    struct conf_target target = { .device = { .name = "cpu:0" },
                                  .results = &result };
    struct conf_run run = { .set = &set,
                            .cases = cases,
                            .n_cases = 1,
                            .plan_hash = "p",
                            .targets = &target,
                            .n_targets = 1 };
    cJSON *json = conf_journal_head(&run);
    char *head = cJSON_PrintUnformatted(json);
    char text[2000], error[512] = "";
    size_t n = put_line(text, sizeof text, head), good = 0;

    n += put_line(text + n, sizeof text - n, line);
    assert_int_equal(
        conf_journal_take(&run, "j", text, n, &good, error, sizeof error),
        *words ? -1 : 0);
    if (*words ? !strstr(error, words) : *error != 0) {
        print_error("want '%s' in '%s'\n", words, error);
        fail();
    }
    assert_int_equal(result.done, !*words);
    free(result.message);
    free(result.metrics);
    cJSON_free(head);
    cJSON_Delete(json);
}

static void one_value_a_line(void **state)
{
    (void)state;
    takes(VERDICT "}", "");
    takes(VERDICT "} \t", "");
    takes(VERDICT "} {}", "j:2: more than one JSON value");
    takes(VERDICT "},", "j:2: more than one JSON value");
    takes(VERDICT ",\"ms\":2}", "j:2: ms is there twice");
    takes(VERDICT ",\"message\":\"a\\u0000b\"}", "j:2: message: a string with");
    takes("[]", "j:2: a device that is not of this run");
    takes("x}", "j:2: no JSON from byte 0 on");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(one_value_a_line) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
