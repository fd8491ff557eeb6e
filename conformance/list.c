/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.c - builds the list of cases.  Once conf_list_build has succeeded the
 * list is sorted, holds each name once, and does not change.
 */
#include "conformance/list.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/runner.h"

void (*conf_extra_family)(struct conf_list *list,
                          const struct conf_options *options);

#define X(name, text) name,
static const char *const levels[] = {
#include "conformance/levels.def"
};
#undef X
#define N_LEVELS (sizeof levels / sizeof *levels)

int conf_level_known(const char *level, size_t length)
{
    for (size_t i = 0; i < N_LEVELS; i++)
        if (strlen(levels[i]) == length && !memcmp(levels[i], level, length))
            return 1;
    return 0;
}

const char *conf_level_names(void)
{
#define X(name, text) ", " name
    static const char names[] =
#include "conformance/levels.def"
        ;
#undef X
    return names + 2;
}

/* ---- messages ---------------------------------------------------------- */

void conf_list_error(struct conf_list *list, const char *format, ...)
{
    va_list ap;

    if (list->error)
        return; /* the first one is the cause */
    va_start(ap, format);
    if (vasprintf(&list->error, format, ap) < 0)
        list->error = NULL;
    va_end(ap);
    if (!list->error)
        list->error = strdup("out of memory");
    if (list->error)
        conf_clean(list->error); /* it may quote a pack */
}

void conf_list_note(struct conf_list *list, const char *format, ...)
{
    char **notes;
    char *text;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vasprintf(&text, format, ap);
    va_end(ap);
    if (n < 0)
        return;
    notes = realloc(list->notes, (list->n_notes + 1) * sizeof *notes);
    if (!notes) {
        free(text);
        return;
    }
    list->notes = notes;
    notes[list->n_notes++] = text;
}

/* ---- names ------------------------------------------------------------- */

static size_t hash(const char *s)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001B3u;
    return (size_t)(h ^ h >> 32);
}

/* The slot of `name`, or the empty one where it belongs. */
static size_t slot_of(const struct conf_list *list, const char *name)
{
    size_t i = hash(name) & (list->slots - 1);

    while (list->by_name[i] &&
           strcmp(list->cases[list->by_name[i] - 1].name, name))
        i = (i + 1) & (list->slots - 1);
    return i;
}

static int index_names(struct conf_list *list, size_t slots)
{
    size_t *table = calloc(slots, sizeof *table);

    if (!table)
        return -1;
    free(list->by_name);
    list->by_name = table;
    list->slots = slots;
    for (size_t i = 0; i < list->n; i++)
        table[slot_of(list, list->cases[i].name)] = i + 1;
    return 0;
}

int conf_list_has(const struct conf_list *list, const char *name)
{
    return list->slots && list->by_name[slot_of(list, name)] != 0;
}

const struct conf_case *conf_list_find(const struct conf_list *list,
                                       const char *name)
{
    size_t i;

    if (!list->slots)
        return NULL;
    i = list->by_name[slot_of(list, name)];
    return i ? &list->cases[i - 1] : NULL;
}

/* Names are arguments, table cells and file names: letters, digits and _-+
 * in parts that are joined by dots. */
static int name_is_good(const char *name)
{
    size_t n = strlen(name);

    if (!n || n > CONF_NAME_MAX || name[0] == '.' || name[n - 1] == '.')
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr("._-+", name[i]))
            return 0;
        if (name[i] == '.' && name[i + 1] == '.')
            return 0;
    }
    return 1;
}

static int levels_are_good(const char *text)
{
    int n = 0;

    for (; text && *text; n++) {
        size_t length = strcspn(text, " ");

        if (!conf_level_known(text, length))
            return 0;
        text += length;
        text += strspn(text, " ");
    }
    return n > 0;
}

/* ---- adding ------------------------------------------------------------ */

static int grow(struct conf_list *list)
{
    size_t room = list->room ? 2 * list->room : 256;
    struct conf_case *cases;
    void **owned;

    if (list->n < list->room)
        return 0;
    cases = realloc(list->cases, room * sizeof *cases);
    if (!cases)
        return -1;
    list->cases = cases;
    owned = realloc(list->owned, room * sizeof *owned);
    if (!owned)
        return -1;
    list->owned = owned;
    list->room = room;
    return index_names(list, 4 * room); /* a power of two */
}

void conf_list_add(struct conf_list *list, const struct conf_case *cc,
                   size_t param_bytes)
{
    struct conf_case copy = *cc;
    void *param = NULL;

    if (!cc->name || !name_is_good(cc->name)) {
        conf_list_error(list,
                        "case '%s': not a dotted name of at most %d "
                        "letters, digits and _-+",
                        cc->name ? cc->name : "(null)", CONF_NAME_MAX);
        return;
    }
    if (!cc->run || !levels_are_good(cc->levels)) {
        conf_list_error(list, "case %s: %s '%s'", cc->name,
                        cc->run ? "unknown level in" : "no function, levels",
                        cc->levels ? cc->levels : "(null)");
        return;
    }
    if (conf_list_has(list, cc->name)) {
        conf_list_error(list, "case %s is in the list twice", cc->name);
        return;
    }
    if (grow(list))
        goto out_of_memory;
    copy.name = strdup(cc->name);
    if (param_bytes) {
        param = malloc(param_bytes);
        if (param)
            memcpy(param, cc->param, param_bytes);
        copy.param = param;
    }
    if (!copy.name || (param_bytes && !param))
        goto out_of_memory;
    list->owned[list->n] = param;
    list->cases[list->n++] = copy;
    list->by_name[slot_of(list, copy.name)] = list->n;
    return;
out_of_memory:
    conf_list_error(list, "out of memory at case %s", cc->name);
    if (copy.name != cc->name)
        free((char *)copy.name);
    free(param);
}

void conf_list_add_table(struct conf_list *list, const struct conf_case *cc)
{
    for (; cc->name; cc++)
        conf_list_add(list, cc, 0);
}

/* ---- the whole --------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct conf_case *)a)->name,
                  ((const struct conf_case *)b)->name);
}

int conf_list_build(struct conf_list *list, const struct conf_options *options)
{
    memset(list, 0, sizeof *list);
#define X(family) family(list, options);
#include "conformance/cases.def"
#undef X
    if (conf_extra_family)
        conf_extra_family(list, options);
    if (list->error)
        return -1;
    if (!list->n) {
        conf_list_error(list, "the list of cases is empty");
        return -1;
    }
    qsort(list->cases, list->n, sizeof *list->cases, compare_names);
    if (index_names(list, list->slots)) {
        conf_list_error(list, "out of memory");
        return -1;
    }
    return 0;
}

void conf_list_release(struct conf_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free((char *)list->cases[i].name);
        free(list->owned[i]);
    }
    for (size_t i = 0; i < list->n_notes; i++)
        free(list->notes[i]);
    free(list->cases);
    free(list->owned);
    free(list->notes);
    free(list->error);
    free(list->by_name);
    memset(list, 0, sizeof *list);
}

/* ---- selecting --------------------------------------------------------- */

int conf_name_matches(const char *glob, const char *name)
{
    return fnmatch(glob, name, 0) == 0;
}

static int has_level(const char *text, const char *level)
{
    size_t want = strlen(level);

    while (*text) {
        size_t length = strcspn(text, " ");

        if (length == want && !memcmp(text, level, want))
            return 1;
        text += length;
        text += strspn(text, " ");
    }
    return 0;
}

int conf_filter_takes(const struct conf_filter *filter,
                      const struct conf_case *cc)
{
    int takes = filter->n_levels == 0;

    for (int i = 0; i < filter->n_levels && !takes; i++)
        takes = has_level(cc->levels, filter->levels[i]);
    if (!takes)
        return 0;
    if (filter->n_globs == 0)
        return 1;
    for (int i = 0; i < filter->n_globs; i++)
        if (conf_name_matches(filter->globs[i], cc->name))
            return 1;
    return 0;
}
