/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutant.c - the list of mutants, from the three .def files.
 */
#include "conformance/mutant.h"

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

void conf_mutant_plant(const struct conf_mutant *m)
{
    const struct conf_mutant *over = m;

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
