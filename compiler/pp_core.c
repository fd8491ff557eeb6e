/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pp_core.c - what all parts of the preprocessor use: failing, allocation
 * under the limits, names, and the printer.  Invariant of the printer: the
 * line that a target compiler sees for a token is the token's own, or, inside
 * one macro call, a later line of the same call.
 */
#include "compiler/pp_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* A short gap is printed as newlines, which keeps the text readable. */
#define GAP_LINES 8

_Noreturn void pp_fail(struct pp *pp, const struct pp_file *file, uint32_t line,
                       const char *format, ...)
{
    va_list args;
    int n;

    n = snprintf(pp->msg->text, sizeof pp->msg->text,
                 "%.200s:%u: ", file ? file->name : pp->options->name, line);
    va_start(args, format);
    if (n >= 0 && (size_t)n < sizeof pp->msg->text)
        vsnprintf(pp->msg->text + n, sizeof pp->msg->text - (size_t)n, format,
                  args);
    va_end(args);
    if (pp->status == COMPILE_OK)
        pp->status = COMPILE_ERROR;
    longjmp(pp->failed, 1);
}

void *pp_alloc(struct pp *pp, size_t size_bytes)
{
    void *p = arena_alloc(&pp->arena, size_bytes);

    if (!p) {
        if (pp->arena.limit_bytes - pp->arena.used_bytes > size_bytes + 16)
            pp->status = COMPILE_NO_MEMORY;
        pp_fail(pp, pp->here_file, pp->here_line,
                "the expansion takes more than %zu MiB (a macro that doubles "
                "itself, or an #include of itself?)",
                pp->arena.limit_bytes >> 20);
    }
    return p;
}

void pp_step(struct pp *pp, uint64_t n)
{
    if (pp->steps_left < n)
        pp_fail(pp, pp->here_file, pp->here_line,
                "the expansion takes too many steps");
    pp->steps_left -= n;
}

struct pp_symbol *pp_symbol_of(struct pp *pp, const char *name, size_t length)
{
    uint32_t hash = 2166136261u;
    struct pp_symbol **slot, *s;
    char *copy;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    slot = &pp->buckets[hash % PP_BUCKETS];
    for (s = *slot; s; s = s->next) {
        if (s->length == length && !memcmp(s->name, name, length))
            return s;
        pp_step(pp, 1); /* many names in one bucket cost steps */
    }
    s = pp_alloc(pp, sizeof *s);
    copy = pp_alloc(pp, length + 1);
    memcpy(copy, name, length);
    s->name = copy;
    s->length = (uint32_t)length;
    s->next = *slot;
    *slot = s;
    return s;
}

int pp_is(const struct pp_token *t, const char *text)
{
    return t && t->length == strlen(text) && !memcmp(t->text, text, t->length);
}

/* ---- the printer --------------------------------------------------------- */

static void newline(struct pp *pp)
{
    buffer_text(&pp->out, "\n");
    pp->out_line++;
    pp->out_last = NULL;
}

/* Brings the output to a token's line; same_call: do not go back. */
static void go_to(struct pp *pp, const struct pp_file *file, uint32_t line,
                  int fresh_line)
{
    if (pp->options->no_markers) {
        if (fresh_line && pp->out_last)
            newline(pp);
        return;
    }
    if (file == pp->out_file && fresh_line && pp->out_last &&
        line <= pp->out_line)
        newline(pp);
    if (file == pp->out_file &&
        (line == pp->out_line || (line < pp->out_line && !fresh_line)))
        return;
    if (file == pp->out_file && line > pp->out_line &&
        line - pp->out_line <= GAP_LINES) {
        while (pp->out_line < line)
            newline(pp);
        return;
    }
    if (pp->out.size && pp->out.bytes[pp->out.size - 1] != '\n')
        buffer_text(&pp->out, "\n");
    buffer_format(&pp->out, "#line %u \"", line);
    for (const char *c = file->name; *c; c++) {
        if (*c == '"' || *c == '\\')
            buffer_text(&pp->out, "\\");
        if ((unsigned char)*c >= 32)
            buffer_add(&pp->out, c, 1);
    }
    buffer_text(&pp->out, "\"\n");
    pp->out_file = file;
    pp->out_line = line;
    pp->out_last = NULL;
}

static int is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Whether printing b right behind a would make other tokens of them. */
static int would_join(const struct pp_token *a, const struct pp_token *b)
{
    char x = a->text[a->length - 1], y = b->text[0];

    if (a->text + a->length == b->text)
        return 0; /* they stood like this in the source */
    if (is_word(x) && (is_word(y) || y == '"' || y == '\''))
        return 1;
    if (a->kind == PP_NUMBER && (y == '+' || y == '-' || y == '.'))
        return 1;
    if (x == '.' && b->kind == PP_NUMBER)
        return 1;
    if (a->kind != PP_PUNCT || b->kind != PP_PUNCT)
        return 0;
    return y == '=' || (y == x && strchr("+-<>&|#.:", x)) ||
           (x == '-' && y == '>') || (x == '/' && y == '*') ||
           (x == '<' && y == ':') || (x == '%' && y == ':');
}

static void print_token(struct pp *pp, const struct pp_token *t)
{
    if (pp->out_last && (t->space || t->bol || would_join(pp->out_last, t)))
        buffer_text(&pp->out, " ");
    buffer_add(&pp->out, t->text, t->length);
    pp->out_last = t;
}

static void check_output(struct pp *pp)
{
    if (!pp->out.failed)
        return;
    if (pp->out.size < PP_OUTPUT_LIMIT / 2)
        pp->status = COMPILE_NO_MEMORY;
    pp_fail(pp, pp->here_file, pp->here_line,
            "the expansion is longer than %zu MiB", PP_OUTPUT_LIMIT >> 20);
}

void pp_print(struct pp *pp, struct pp_token *list)
{
    for (struct pp_token *t = list; t; t = t->next) {
        if (t->kind == PP_PLACE || !t->length)
            continue;
        pp->here_file = t->file;
        pp->here_line = t->line;
        go_to(pp, t->file, t->line, 0);
        print_token(pp, t);
        check_output(pp);
    }
}

void pp_print_line(struct pp *pp, const struct pp_token *hash)
{
    go_to(pp, hash->file, hash->line, 1);
    for (const struct pp_token *t = hash; t; t = t->next)
        print_token(pp, t);
    newline(pp);
    check_output(pp);
}

char *pp_spell(struct pp *pp, const struct pp_token *list, size_t *out_size)
{
    size_t size = 0;
    char *text, *p;

    for (const struct pp_token *t = list; t; t = t->next)
        size += t->length + 1;
    p = text = pp_alloc(pp, size + 1);
    for (const struct pp_token *t = list; t; t = t->next) {
        if (t != list && t->space)
            *p++ = ' ';
        memcpy(p, t->text, t->length);
        p += t->length;
    }
    if (out_size)
        *out_size = (size_t)(p - text);
    return text;
}
