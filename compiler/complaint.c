/* SPDX-License-Identifier: Apache-2.0 */
/* complaint.c - what a compiler says, in one line that names the .k's line. */
#include "compiler/compile.h"
#include "compiler/expand.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *after_digits(const char *at)
{
    while (isdigit((unsigned char)*at))
        at++;
    return at;
}

/* In ":LINE:COLUMN:" the colon before the column; NULL if there is none. */
static const char *column_of(const char *line, const char *end)
{
    for (const char *at = line; at < end; at++) {
        const char *second, *third;

        if (*at != ':' || !isdigit((unsigned char)at[1]))
            continue;
        second = after_digits(at + 1);
        if (*second != ':' || !isdigit((unsigned char)second[1]))
            continue;
        third = after_digits(second + 1);
        if (*third == ':')
            return second;
    }
    return NULL;
}

void compile_complaint(const char *output, char *text, size_t size)
{
    const char *line = strstr(output, "error:"), *end, *column;

    if (!line)
        line = strstr(output, "error");
    if (!line)
        line = output + strspn(output, " \t\n");
    while (line > output && line[-1] != '\n')
        line--;
    end = line + strcspn(line, "\n");
    column = column_of(line, end);
    if (column) {
        const char *rest = after_digits(column + 1);

        snprintf(text, size, "%.*s%.*s", (int)(column - line), line,
                 (int)(end - rest), rest);
    } else {
        snprintf(text, size, "%.*s", (int)(end - line), line);
    }
}

void first_complaint(const char *output, const char *name,
                     struct hal_message *msg)
{
    char line[381];

    compile_complaint(output, line, sizeof line);
    if (!*line)
        snprintf(msg->text, sizeof msg->text,
                 "%.200s:1: the compiler failed without a word", name);
    else if (line[0] == '/' || !strchr(line, ':'))
        snprintf(msg->text, sizeof msg->text, "%.100s:1: %s", name, line);
    else
        snprintf(msg->text, sizeof msg->text, "%s", line);
}
