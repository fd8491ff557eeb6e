/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/golden.md against a run of the pack: the list of the cases that no
 * operator expresses is complete, holds no other, and gives the reason that
 * the run gives.
 */
#include "tests/tools/shell.h"

#define PAGE "docs/golden.md"
#define PACK "golden."

static char page[64 << 10];

static void read_page(void)
{
    FILE *f = fopen(PAGE, "re");
    size_t n;

    assert_non_null(f);
    n = fread(page, 1, sizeof page - 1, f);
    page[n] = 0;
    assert_true(n > 0 && feof(f));
    assert_int_equal(fclose(f), 0);
}

/* Whether a row of the page has this reason and, among its cases, this one. */
static int has(const char *reason, const char *name)
{
    for (const char *line = strstr(page, "\n| "); line;
         line = strstr(line + 1, "\n| ")) {
        const char *end = strchr(line + 1, '\n'), *at = line;
        size_t size = strlen(name);

        if (strncmp(line + 3, reason, strlen(reason)) ||
            strncmp(line + 3 + strlen(reason), " | ", 3))
            continue;
        while ((at = strstr(at + 1, name)) && end && at < end)
            if (at[-1] == ' ' && at[size] == ' ')
                return 1;
    }
    return 0;
}

static unsigned words_of_page(void)
{
    const char *p = strstr(page, "|---|---|\n");
    unsigned n = 0;

    assert_non_null(p);
    for (p += 10; *p == '|'; p = strchr(p, '\n') + 1) {
        const char *end = strchr(p, '\n');

        assert_non_null(end);
        p = strstr(p, " | ");
        assert_true(p && p < end);
        for (p += 3; p < end; p++)
            n += p[0] == ' ' && p[-1] != ' ';
    }
    return n;
}

static void the_list_is_the_run(void **state)
{
    cJSON *o = json_of("$H conform --device cpu:0 --case 'golden.*' "
                       "--golden conformance/golden --json - 2>$D/err");
    const cJSON *c;
    unsigned n = 0, passed = 0;

    (void)state;
    read_page();
    has_keys(o, "planned:n cases:a");
    for (c = first_of(o, "cases"); c; c = c->next) {
        const char *name = text_of(c, "name");

        assert_memory_equal(name, PACK, strlen(PACK));
        if (strcmp(text_of(c, "verdict"), "unsupported")) {
            passed++;
            continue;
        }
        n++;
        if (!has(text_of(c, "message"), name + strlen(PACK)))
            fail_msg("%s lacks %s: %s", PAGE, name, text_of(c, "message"));
    }
    assert_true(passed >= 250);
    assert_int_equal(words_of_page(), n); /* each of them is in it once */
    cJSON_Delete(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_list_is_the_run) };

    return cmocka_run_group_tests(tests, shell_begin, shell_end);
}
