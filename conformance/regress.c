/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regress.c - `halcyon compare A B`: what became worse from one run to another.
 * A and B are packages or reports.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conformance/package.h"
#include "conformance/runner.h"

/* An error that grew this much, and is no longer small against its bound. */
#define GROWTH     2.0
#define NOTABLE_OF 0.5

struct changes {
    unsigned worse, better, other, added, gone, less_exact;
};

static int read_side(struct conf_results *r, const char *path)
{
    char error[CONF_RESULTS_ERROR] = "", seal[CONF_HASH_TEXT];
    struct stat info;
    int st;

    if (!stat(path, &info) && S_ISDIR(info.st_mode))
        st = conf_package_check(path, r, seal, error);
    else
        st = conf_results_read(r, path, error);
    if (st)
        fprintf(stderr, "halcyon compare: %s\n", error);
    return st;
}

/* The worst error over its bound; -1: the case has none. */
static double of_bound(const struct conf_past *p)
{
    const cJSON *item;
    double worst = -1;

    cJSON_ArrayForEach(item,
                       cJSON_GetObjectItemCaseSensitive(p->item, "metrics"))
    {
        if (item->string && conf_is_of_bound(item->string) &&
            cJSON_IsNumber(item) && item->valuedouble > worst)
            worst = item->valuedouble;
    }
    return worst;
}

static void compare_case(const struct conf_past *a, const struct conf_past *b,
                         struct changes *c)
{
    int was = conf_verdict_ok(a->verdict), is = conf_verdict_ok(b->verdict);
    double before = of_bound(a), after = of_bound(b);
    const char *word = NULL;

    if (was && !is) {
        word = "worse";
        c->worse++;
    } else if (!was && is) {
        word = "better";
        c->better++;
    } else if (a->verdict == CONF_PASS && b->verdict != CONF_PASS) {
        /* Still ok, but a pass is more than an excuse. */
        word = "worse";
        c->worse++;
    } else if (a->verdict != b->verdict) {
        word = "other";
        c->other++;
    }
    if (word)
        printf("%-7s %s %s: %s, was %s\n", word, b->device, b->name,
               conf_verdict_name(b->verdict), conf_verdict_name(a->verdict));
    if (is && before >= 0 && after > NOTABLE_OF && after > GROWTH * before) {
        printf("%-7s %s %s: error at %.2f of the bound, was %.2f\n", "inexact",
               b->device, b->name, after, before);
        c->less_exact++;
    }
}

static void compare_all(const struct conf_results *a,
                        const struct conf_results *b, struct changes *c)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct conf_past *p =
            conf_results_find(b, a->at[i].device, a->at[i].name);

        if (p) {
            compare_case(&a->at[i], p, c);
        } else {
            printf("%-7s %s %s: was %s\n", "gone", a->at[i].device,
                   a->at[i].name, conf_verdict_name(a->at[i].verdict));
            c->gone++;
        }
    }
    for (size_t i = 0; i < b->n; i++) {
        if (conf_results_find(a, b->at[i].device, b->at[i].name))
            continue;
        c->added++;
        if (conf_verdict_ok(b->at[i].verdict))
            continue;
        printf("%-7s %s %s: %s, is new\n", "worse", b->at[i].device,
               b->at[i].name, conf_verdict_name(b->at[i].verdict));
        c->worse++;
    }
}

static void usage(FILE *to)
{
    fputs("usage: halcyon compare A B\n"
          "\n"
          "Shows what changed from A to B, packages or JSON reports.  Worse:\n"
          "no longer ok, or no longer a pass; gone: not in B at all.\n"
          "\n"
          "Exit status: 0 nothing is worse or gone, 1 something is, 2 usage,\n"
          "3 one of them cannot be read.\n",
          to);
}

int conf_compare_command(int argc, char **argv)
{
    struct conf_results a = { 0 }, b = { 0 };
    struct changes c = { 0 };
    int st = CONF_EXIT_UNRUN;

    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        usage(stdout);
        return CONF_EXIT_OK;
    }
    if (argc != 3 || argv[1][0] == '-' || argv[2][0] == '-') {
        usage(stderr);
        return CONF_EXIT_USAGE;
    }
    if (!read_side(&a, argv[1]) && !read_side(&b, argv[2])) {
        if (a.seed != b.seed)
            printf("note: seeds %llu and %llu: other data\n",
                   (unsigned long long)a.seed, (unsigned long long)b.seed);
        compare_all(&a, &b, &c);
        printf(
            "%u worse, %u gone, %u better, %u other, %u new, %u less exact\n",
            c.worse, c.gone, c.better, c.other, c.added, c.less_exact);
        st = c.worse || c.gone ? CONF_EXIT_NOT : CONF_EXIT_OK;
    }
    conf_results_release(&a);
    conf_results_release(&b);
    return st;
}
