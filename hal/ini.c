/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ini.c - reads ini text line by line into fixed buffers.
 */
#include "hal/ini.h"

#include <stdio.h>
#include <string.h>

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Copies [from, to) without blanks around it; 0 if it does not fit. */
static int copy_trimmed(char *dst, size_t size, const char *from,
                        const char *to)
{
    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    if ((size_t)(to - from) >= size)
        return 0;
    memcpy(dst, from, (size_t)(to - from));
    dst[to - from] = 0;
    return 1;
}

static int all_words(const char *s)
{
    if (!*s)
        return 0;
    for (; *s; s++)
        if (!is_word(*s))
            return 0;
    return 1;
}

/* [from, to) is one line without its end; NULL or what is wrong. */
static const char *
read_line(const char *from, const char *to, struct ini_line *line,
          const char *(*take)(const struct ini_line *, void *), void *context)
{
    const char *eq, *semicolon;

    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    if (from == to || *from == ';' || *from == '#')
        return NULL;
    if (to - from >= INI_MAX_LINE)
        return "the line is too long";
    if (*from == '[') {
        if (to[-1] != ']' ||
            !copy_trimmed(line->section, sizeof line->section, from + 1,
                          to - 1) ||
            !all_words(line->section))
            return "a section is written [name]";
        return NULL;
    }
    eq = memchr(from, '=', (size_t)(to - from));
    if (!eq)
        return "neither a [section] nor key = value";
    if (!copy_trimmed(line->key, sizeof line->key, from, eq) ||
        !all_words(line->key))
        return "a key has 1 to 31 of a-z, 0-9 and _";
    if (!line->section[0])
        return "a key before the first [section]";
    semicolon = memchr(eq, ';', (size_t)(to - eq));
    copy_trimmed(line->value, sizeof line->value, eq + 1,
                 semicolon ? semicolon : to);
    line->note[0] = 0;
    if (semicolon)
        copy_trimmed(line->note, sizeof line->note, semicolon + 1, to);
    if (!line->value[0])
        return "the value is missing";
    return take(line, context);
}

int ini_read(const char *text, size_t size,
             const char *(*take)(const struct ini_line *line, void *context),
             void *context, char *error, size_t error_size)
{
    const char *end = text + size;
    struct ini_line line = { 0 };

    if (size > INI_MAX_BYTES) {
        snprintf(error, error_size, "1: more than %zu bytes", INI_MAX_BYTES);
        return 0;
    }
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text)), *what;

        if (!stop)
            stop = end;
        line.number++;
        if (memchr(text, 0, (size_t)(stop - text)))
            what = "a NUL byte";
        else
            what = read_line(text, stop, &line, take, context);
        if (what) {
            snprintf(error, error_size, "%u: %s", line.number, what);
            return 0;
        }
        text = stop < end ? stop + 1 : end;
    }
    return 1;
}
