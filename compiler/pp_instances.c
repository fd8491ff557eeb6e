/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pp_instances.c - reads `#pragma hal instance T=f32 NAME=x` and `#pragma hal
 * skip cuda` out of a source before it is expanded.  A skip applies to the
 * instances behind it, or to the only one if there is no instance line.
 */
#include "compiler/pp_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSTANCES_MAX 1024
#define DEFINES_MAX   64

struct reader {
    struct pp *pp;
    struct pp_instance *list;
    size_t n, room;
    char *skips[64];
    size_t n_skips;
    uint32_t cond_depth;
};

static char *next_word(struct pp *pp, const char **at)
{
    const char *p = *at + strspn(*at, " \t");
    size_t n = strcspn(p, " \t");

    *at = p + n;
    return n ? memcpy(pp_alloc(pp, n + 1), p, n) : NULL;
}

static struct pp_instance *next_instance(struct reader *r)
{
    if (r->n == r->room) {
        size_t room = r->room ? r->room * 2 : 4;
        struct pp_instance *list = pp_alloc(r->pp, room * sizeof *list);

        if (r->n)
            memcpy(list, r->list, r->n * sizeof *list);
        r->list = list;
        r->room = room;
    }
    return &r->list[r->n++];
}

static void add_instance(struct reader *r, const struct pp_token *hash,
                         const char *rest)
{
    struct pp *pp = r->pp;
    struct pp_instance *i;
    char *word;

    if (r->cond_depth)
        pp_fail(pp, hash->file, hash->line,
                "#pragma hal instance must stand outside of #if");
    if (r->n == INSTANCES_MAX)
        pp_fail(pp, hash->file, hash->line, "more than %d instances",
                INSTANCES_MAX);
    i = next_instance(r);
    i->line = hash->line;
    i->defines = pp_alloc(pp, DEFINES_MAX * sizeof *i->defines);
    while ((word = next_word(pp, &rest))) {
        if (i->n_defines == DEFINES_MAX)
            pp_fail(pp, hash->file, hash->line,
                    "#pragma hal instance: more than %d macros", DEFINES_MAX);
        i->defines[i->n_defines++] = word;
    }
    i->n_skips = r->n_skips;
    i->skips = pp_alloc(pp, (r->n_skips + 1) * sizeof *i->skips);
    memcpy(i->skips, r->skips, r->n_skips * sizeof *i->skips);
}

/* "cpu cpu.base ... opencl opencl.small ...": families before their members,
 * as they stand in variants.def. */
static void list_names(char *out, size_t room)
{
    uint32_t n;
    const struct compile_variant *v = compile_variants(&n);
    size_t used = 0, family;

    out[0] = 0;
    for (uint32_t i = 0; i < n && used < room; i++) {
        family = strcspn(v[i].name, ".");
        if ((!i || strncmp(v[i].name, v[i - 1].name, family)) &&
            v[i].name[family])
            used += (size_t)snprintf(out + used, room - used, " %.*s",
                                     (int)family, v[i].name);
        if (used < room)
            used += (size_t)snprintf(out + used, room - used, " %s", v[i].name);
    }
}

void pp_check_skip(struct pp *pp, const struct pp_token *at, const char *name)
{
    uint32_t n;
    const struct compile_variant *v = compile_variants(&n);
    char names[200];

    for (uint32_t i = 0; i < n; i++)
        if (pp_skip_covers(name, v[i].name))
            return;
    list_names(names, sizeof names);
    pp_fail(pp, at->file, at->line,
            "#pragma hal skip %.60s: there is no such variant; there are%s",
            name, names);
}

static void add_skip(struct reader *r, const struct pp_token *hash,
                     const char *rest)
{
    char *word = next_word(r->pp, &rest);

    if (word)
        pp_check_skip(r->pp, hash, word);
    if (r->cond_depth) /* counts when it is expanded */
        return;
    if (!word)
        pp_fail(r->pp, hash->file, hash->line,
                "#pragma hal skip wants the name of a variant");
    if (r->n_skips == sizeof r->skips / sizeof *r->skips)
        pp_fail(r->pp, hash->file, hash->line, "too many #pragma hal skip");
    r->skips[r->n_skips++] = word;
}

static void read_directive(struct reader *r, const struct pp_token *hash)
{
    const struct pp_token *word = hash->next, *what;

    if (pp_is(word, "if") || pp_is(word, "ifdef") || pp_is(word, "ifndef"))
        r->cond_depth++;
    if (pp_is(word, "endif") && r->cond_depth)
        r->cond_depth--;
    if (!pp_is(word, "pragma") || !pp_is(word->next, "hal"))
        return;
    what = word->next->next;
    if (pp_is(what, "instance"))
        add_instance(r, hash, pp_spell(r->pp, what->next, NULL));
    else if (pp_is(what, "skip"))
        add_skip(r, hash, pp_spell(r->pp, what->next, NULL));
}

static void read_all(struct reader *r, const char *name, const char *text)
{
    struct pp_file *file = pp_alloc(r->pp, sizeof *file);
    struct pp_token *t, *last, *next;

    file->name = memcpy(pp_alloc(r->pp, strlen(name) + 1), name, strlen(name));
    t = pp_lex(r->pp, file, pp_text_start(text), 1);
    for (; t; t = next) {
        next = t->next;
        if (!t->bol || !pp_is(t, "#"))
            continue;
        for (last = t; last->next && !last->next->bol; last = last->next)
            ;
        next = last->next;
        last->next = NULL;
        read_directive(r, t);
    }
    if (!r->n) { /* one, without macros, with all skips */
        struct pp_instance *only = next_instance(r);

        only->skips = pp_alloc(r->pp, sizeof r->skips);
        memcpy(only->skips, r->skips, sizeof r->skips);
        only->n_skips = r->n_skips;
    }
}

/* Apart from its caller, whose variables a longjmp would spoil. */
static void read_or_fail(struct reader *r, const char *name, const char *text)
{
    if (!setjmp(r->pp->failed))
        read_all(r, name, text);
}

enum compile_status pp_instances_read(const char *name, const char *text,
                                      struct pp_instances *out,
                                      struct hal_message *msg)
{
    struct pp_options options = { .name = name };
    struct pp *pp = calloc(1, sizeof *pp);
    struct reader *r = calloc(1, sizeof *r);
    enum compile_status st = COMPILE_NO_MEMORY;

    if (!pp || !r) {
        snprintf(msg->text, sizeof msg->text, "%s: no memory to read it", name);
        goto out;
    }
    pp->options = &options;
    pp->msg = msg;
    pp->arena.limit_bytes = PP_MEMORY_LIMIT;
    pp->steps_left = PP_STEP_LIMIT;
    pp->here_line = 1;
    r->pp = pp;
    read_or_fail(r, name, text);
    st = pp->status;
    if (st != COMPILE_OK)
        goto out;
    pp->options = NULL;
    out->list = r->list;
    out->n = r->n;
    out->storage = pp;
    pp = NULL; /* the arena goes with it */
out:
    if (pp)
        arena_free(&pp->arena);
    free(pp);
    free(r);
    return st;
}

void pp_instances_free(struct pp_instances *instances)
{
    struct pp *pp = instances->storage;

    if (pp)
        arena_free(&pp->arena);
    free(pp);
    *instances = (struct pp_instances){ 0 };
}
