/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nearest.c - what somebody may have meant whose --case matches nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/list.h"

/* Longer globs were not typed by anybody. */
#define GLOB_MAX CONF_NAME_MAX

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters must be added, dropped or changed until `glob` matches;
 * '*' stands for any letters and '?' for any one.  A row of the usual table
 * for each letter of the glob. */
static unsigned distance(const char *glob, const char *name)
{
    unsigned row[CONF_NAME_MAX + 1];
    size_t n = strlen(name);

    for (size_t i = 0; i <= n; i++)
        row[i] = (unsigned)i;
    for (; *glob; glob++) {
        unsigned corner = row[0]; /* of the row before */

        row[0] += *glob != '*';
        for (size_t i = 1; i <= n; i++) {
            int same = *glob == '?' || *glob == name[i - 1];
            unsigned above = row[i];

            if (*glob == '*')
                row[i] = least(above, row[i - 1]);
            else
                row[i] = least(corner + !same, least(above, row[i - 1]) + 1);
            corner = above;
        }
    }
    return row[n];
}

const char *conf_list_nearest(const struct conf_list *list, const char *glob,
                              const struct conf_filter *filter)
{
    const char *best = NULL;
    size_t n = strlen(glob);
    /* A third of the letters wrong is another word. */
    unsigned limit = (unsigned)n / 3;

    if (n == 0 || n > GLOB_MAX)
        return NULL;
    for (size_t i = 0; i < list->n; i++) {
        unsigned d;

        if (filter && !conf_filter_takes(filter, &list->cases[i]))
            continue;
        d = distance(glob, list->cases[i].name);
        if (d <= limit && (d < limit || !best)) {
            best = list->cases[i].name;
            limit = d;
        }
    }
    return best;
}
