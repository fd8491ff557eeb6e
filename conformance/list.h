/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.h - the list of cases as the runner sees it: sorted by name, every
 * name once, every level known.
 */
#ifndef CONFORMANCE_LIST_H
#define CONFORMANCE_LIST_H

#include "conformance/families.h"

/* Longest case name: it is an argument, a JSON string and a table cell. */
#define CONF_NAME_MAX 160

struct conf_list {
    struct conf_case *cases; /* names are the list's own */
    void **owned;            /* copied parameters, until the list is sorted
                                those of cases[i]; afterwards in any order */
    size_t n, room;
    char *error; /* the first thing that went wrong, or NULL */
    char **notes;
    size_t n_notes;
    size_t *by_name; /* hash table of index + 1, 0: empty */
    size_t slots;
};

/* A list that the tests add to the families of cases.def; NULL: none. */
extern void (*conf_extra_family)(struct conf_list *list,
                                 const struct conf_options *options);

/* Runs every family, sorts.  Returns 0, or -1 with list->error set; release
 * the list in either case. */
int conf_list_build(struct conf_list *list, const struct conf_options *options);
void conf_list_release(struct conf_list *list);

/* NULL if there is none. */
const struct conf_case *conf_list_find(const struct conf_list *list,
                                       const char *name);

/* What the command line selects: no globs, or no levels, means all. */
struct conf_filter {
    const char *const *globs;
    int n_globs;
    const char *const *levels;
    int n_levels;
};
int conf_filter_takes(const struct conf_filter *filter,
                      const struct conf_case *cc);
int conf_name_matches(const char *glob, const char *name);

/* nearest.c: the case that `glob`, which matches none, may have meant, of those
 * that `filter` (NULL: all) takes; or NULL.  The list's own. */
const char *conf_list_nearest(const struct conf_list *list, const char *glob,
                              const struct conf_filter *filter);

/* 1 if `level` is in the list of levels.def. */
int conf_level_known(const char *level, size_t length);
/* All of them, separated by ", ". */
const char *conf_level_names(void);

#endif
