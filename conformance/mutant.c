/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutant.c - the list of mutants, from the three .def files.
 */
#include "conformance/mutant.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/mutant_backend.h"

const struct conf_mutant *conf_extra_mutants;

static const struct conf_mutant mutants[] = {
#define X(NAME, text, says, seen_by) \
    { .kind = CONF_MUTANT_BACKEND,   \
      .name = "backend." text,       \
      .what = says,                  \
      .cases = seen_by,              \
      .fault = BACKEND_##NAME },
#include "conformance/mutants_backend.def"
#undef X
#define X(text, says, seen_by, source, begin, kept, groups, f0, r0, f1, r1) \
    { .kind = CONF_MUTANT_KERNEL,                                           \
      .name = "kernel." text,                                               \
      .what = says,                                                         \
      .cases = seen_by,                                                     \
      .file = source,                                                       \
      .kernel = begin,                                                      \
      .keep = kept,                                                         \
      .needs_groups = groups,                                               \
      .edits = { { f0, r0 }, { f1, r1 } } },
#include "conformance/mutants_kernel.def"
#undef X
#define X(NAME, text, says, seen_by) \
    { .kind = CONF_MUTANT_RUNNER,    \
      .name = "runner." text,        \
      .what = says,                  \
      .cases = seen_by,              \
      .fault = CONF_RUNNER_##NAME },
#include "conformance/mutants_runner.def"
#undef X
};
#define N_MUTANTS (sizeof mutants / sizeof *mutants)

size_t conf_mutant_count(void)
{
    size_t n = 0;

    while (conf_extra_mutants && conf_extra_mutants[n].name)
        n++;
    return N_MUTANTS + n;
}

const struct conf_mutant *conf_mutant_at(size_t i)
{
    return i < N_MUTANTS ? &mutants[i] : &conf_extra_mutants[i - N_MUTANTS];
}

const struct conf_mutant *conf_mutant_find(const char *name)
{
    for (size_t i = 0; i < conf_mutant_count(); i++)
        if (!strcmp(conf_mutant_at(i)->name, name))
            return conf_mutant_at(i);
    return NULL;
}

static int is_of_backend(const char *device, const char *backend)
{
    size_t n = strlen(backend);

    return !strncmp(device, backend, n) && device[n] == ':';
}

/* Loading a driver takes longer than a small case: where HALCYON_DEVICES names
 * devices of built-in backends alone, the others' drivers are not looked for.
 */
static void leave_drivers(void)
{
    const char *names = getenv("HALCYON_DEVICES");
    unsigned is_named = 0; /* a bit for each built-in backend */

    for (size_t i; names && *names; names += strspn(names, ",")) {
        for (i = 0; hal_builtin_backends[i]; i++)
            if (is_of_backend(names, hal_builtin_backends[i]->name))
                break;
        if (!hal_builtin_backends[i])
            return; /* a stand-in, or of a plug-in: it may stand on any */
        is_named |= 1u << i;
        names += strcspn(names, ",");
    }
    for (size_t i = 0; names && hal_builtin_backends[i]; i++) {
        const char *backend = hal_builtin_backends[i]->name;
        char variable[64];

        if (is_named & 1u << i)
            continue;
        (void)snprintf(variable, sizeof variable, "HALCYON_%.40s_LIB", backend);
        for (char *c = variable; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        setenv(variable, "/dev/null", 1);
    }
}

void conf_mutant_plant(const struct conf_mutant *m)
{
    const struct conf_mutant *over = m;

    if (m->kind == CONF_MUTANT_KERNEL)
        leave_drivers();
    if (m->kind == CONF_MUTANT_RUNNER) {
        conf_runner_fault_set(m->fault);
        /* A lie needs something to lie about. */
        over = m->fault == CONF_RUNNER_FLIPPED_VERDICT
                   ? conf_mutant_find("backend.fill_lost")
                   : NULL;
    }
    if (over)
        mutant_layer_plant(over);
}
