/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta_text.c - a meta expansion as the reflection and the rules read it: the
 * text without its directives, and the file and line of every place in it.
 * Invariant: text and original have the same length, so that a place in one is
 * a place in the other.
 */
#include "compiler/expand.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void rewind_to_start(struct meta_text *m)
{
    m->at = m->original;
    m->file = m->source_name;
    m->file_size = strlen(m->source_name);
    m->line = 1;
}

int meta_text_open(struct meta_text *m, const char *source_name,
                   const char *text)
{
    *m = (struct meta_text){ .source_name = source_name, .original = text };
    rewind_to_start(m);
    m->text = strdup(text);
    for (char *p = m->text; p && *p; p += *p == '\n') {
        size_t n = strcspn(p, "\n");

        if (*p == '#')
            memset(p, ' ', n);
        p += n;
    }
    return m->text != NULL;
}

void meta_text_close(struct meta_text *m)
{
    free(m->text);
    m->text = NULL;
}

/* What #line LINE "FILE" says of the line behind it; 0: it is no such line. */
static int read_marker(struct meta_text *m, const char *p)
{
    char *end;
    unsigned long line;
    size_t n = 0;

    if (strncmp(p, "#line ", 6) != 0)
        return 0;
    line = strtoul(p + 6, &end, 10);
    if (end[0] != ' ' || end[1] != '"')
        return 0;
    end += 2;
    while (end[n] && end[n] != '\n' && end[n] != '"')
        n += end[n] == '\\' && end[n + 1] && end[n + 1] != '\n' ? 2 : 1;
    m->file = end;
    m->file_size = n;
    m->line = (uint32_t)line;
    return 1;
}

/* Moves the cursor to the line that holds `place`. */
static void go_to(struct meta_text *m, size_t offset)
{
    const char *place = m->original + offset;

    if (place < m->at)
        rewind_to_start(m);
    for (;;) {
        const char *end = m->at + strcspn(m->at, "\n");

        if (place <= end || !*end)
            return;
        if (!read_marker(m, m->at))
            m->line++;
        m->at = end + 1;
    }
}

uint32_t meta_where(struct meta_text *m, const char *at, char *out_file,
                    size_t room)
{
    size_t n = 0;

    go_to(m, (size_t)(at - m->text));
    for (size_t i = 0; i < m->file_size && n + 1 < room; i++) {
        if (m->file != m->source_name && m->file[i] == '\\' &&
            i + 1 < m->file_size)
            i++; /* the marker escapes quotes and backslashes */
        out_file[n++] = m->file[i];
    }
    out_file[n] = 0;
    return m->line;
}

void meta_complain(struct meta_text *m, const char *at, struct hal_message *msg,
                   const char *format, ...)
{
    char file[META_FILE_ROOM];
    uint32_t line = meta_where(m, at, file, sizeof file);
    va_list args;
    int n = snprintf(msg->text, sizeof msg->text, "%s:%u: ", file, line);

    va_start(args, format);
    vsnprintf(msg->text + n, sizeof msg->text - (size_t)n, format, args);
    va_end(args);
}
