/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.c - the verdicts of conf.h as names and counts.
 */
#include "conformance/verdict.h"

#include <string.h>

#define X(NAME, name, ok) [CONF_##NAME] = name,
static const char *const names[] = { CONF_VERDICTS(X) };
#undef X
#define X(NAME, name, ok) [CONF_##NAME] = ok,
static const unsigned char oks[] = { CONF_VERDICTS(X) };
#undef X

_Static_assert(sizeof names / sizeof *names == CONF_VERDICT_COUNT,
               "a name for each verdict");

const char *conf_verdict_name(enum conf_verdict verdict)
{
    return (unsigned)verdict < CONF_VERDICT_COUNT ? names[verdict] : "unknown";
}

enum conf_verdict conf_verdict_of(const char *name)
{
    for (int i = 0; i < CONF_VERDICT_COUNT; i++)
        if (!strcmp(names[i], name))
            return (enum conf_verdict)i;
    return CONF_VERDICT_COUNT;
}

int conf_verdict_ok(enum conf_verdict verdict)
{
    return (unsigned)verdict < CONF_VERDICT_COUNT && oks[verdict];
}

int conf_is_of_bound(const char *metric)
{
    static const char end[] = ".of_bound";
    size_t n = strlen(metric);

    return n >= sizeof end && !strcmp(metric + n - (sizeof end - 1), end);
}

const char *conf_result_name(int exit_status)
{
    static const char *const results[] = { "conformant", "not conformant",
                                           "usage", "incomplete" };

    return results[exit_status];
}

unsigned conf_counts_total(const struct conf_counts *counts)
{
    unsigned total = 0;

    for (int i = 0; i < CONF_VERDICT_COUNT; i++)
        total += counts->of[i];
    return total;
}

int conf_counts_prove(const struct conf_counts *counts)
{
    for (int i = 0; i < CONF_VERDICT_COUNT; i++)
        if (counts->of[i] &&
            (i == CONF_PASS || !conf_verdict_ok((enum conf_verdict)i)))
            return 1;
    return 0;
}

int conf_verdict_found_bad(enum conf_verdict verdict)
{
    return verdict == CONF_FAIL || verdict == CONF_ERROR ||
           verdict == CONF_CRASH || verdict == CONF_TIMEOUT;
}
