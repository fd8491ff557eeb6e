/* SPDX-License-Identifier: Apache-2.0 */
/*
 * families.h - what a family of cases is given and how it says that it cannot
 * make its list.  conf.h has the rest.
 *
 * A family runs once in the parent (for the plan) and once in every worker, and
 * must add the same cases each time: they depend on the options alone, never on
 * a device, the environment or the time.
 */
#ifndef CONFORMANCE_FAMILIES_H
#define CONFORMANCE_FAMILIES_H

#include "conformance/conf.h"

struct conf_options {
    /* Directories of golden packs: those of --golden in their order, then the
     * one that belongs to Halcyon (conformance/golden). */
    const char *const *golden;
    int n_golden;
};

/* Planned work cannot be listed (a damaged pack: name the file and the key).
 * The run then ends before it starts, with exit status 3 and this sentence. */
void conf_list_error(struct conf_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A sentence that the reader of the run should see, such as how many cases of
 * a pack an earlier pack had already brought. */
void conf_list_note(struct conf_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether a case of this name was added already. */
int conf_list_has(const struct conf_list *list, const char *name);

#define X(family) \
    void family(struct conf_list *list, const struct conf_options *options);
#include "conformance/cases.def"
#undef X

#endif
