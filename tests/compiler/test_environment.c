/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docs/environment.md and the sources name the same HALCYON_ variables.  Runs
 * at the root of the tree; elsewhere it is skipped.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiler/tool.h"

#define PAGE      "docs/environment.md"
#define FILE_MAX  ((size_t)4 << 20)
#define NAMES_MAX 100
#define UPPER     "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"

struct names {
    char list[NAMES_MAX][48];
    int n;
};

/* The HALCYON_ variables of a text, each behind `quote` and ending there. */
static void collect(const char *text, char quote, struct names *names)
{
    static const char prefix[] = "HALCYON_";

    for (const char *p = text; (p = strstr(p, prefix)); p++) {
        size_t size = strspn(p, UPPER);
        int i = 0;

        if (p == text || p[-1] != quote || p[size] != quote ||
            size == strlen(prefix))
            continue;
        assert_true(size < sizeof names->list[0]);
        while (i < names->n && (strlen(names->list[i]) != size ||
                                memcmp(names->list[i], p, size) != 0))
            i++;
        if (i < names->n)
            continue;
        assert_true(i < NAMES_MAX);
        memcpy(names->list[i], p, size);
        names->n++;
    }
}

static void collect_file(const char *path, char quote, struct names *names)
{
    void *text;
    size_t size;

    if (file_read(path, FILE_MAX, &text, &size) != 0)
        fail_msg("%s cannot be read", path);
    collect(text, quote, names);
    free(text);
}

static void collect_folder(const char *folder, int depth, struct names *names)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    assert_non_null(d);
    while ((e = readdir(d))) {
        char path[1000];
        const char *dot = strrchr(e->d_name, '.');

        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_type == DT_DIR && depth < 5)
            collect_folder(path, depth + 1, names);
        else if (dot && (!strcmp(dot, ".c") || !strcmp(dot, ".h")))
            collect_file(path, '"', names);
    }
    closedir(d);
}

static int has(const struct names *names, const char *name)
{
    for (int i = 0; i < names->n; i++)
        if (!strcmp(names->list[i], name))
            return 1;
    return 0;
}

static void test_page(void **state)
{
    static const char *const folders[] = { "compiler",    "hal",
                                           "backends",    "kernels",
                                           "conformance", "tools",
                                           "tests" };
    static struct names read, told;

    (void)state;
    if (access(PAGE, R_OK) != 0)
        skip();
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        collect_folder(folders[i], 0, &read);
    collect_file(PAGE, '`', &told);
    assert_true(read.n > 10);
    for (int i = 0; i < read.n; i++)
        if (!has(&told, read.list[i]))
            fail_msg("%s is not on %s", read.list[i], PAGE);
    for (int i = 0; i < told.n; i++)
        if (!has(&read, told.list[i]))
            fail_msg("nobody reads %s", told.list[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_page) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
