/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ini.h - a small strict reader of "[section]" and "key = value ; note" lines.
 * Text comes from outside: lengths are bounded, and whatever is not understood
 * is an error with its line.
 */
#ifndef HAL_INI_H
#define HAL_INI_H

#include <stddef.h>

#define INI_MAX_BYTES ((size_t)64 << 10)
#define INI_MAX_LINE  512

struct ini_line {
    unsigned number; /* from 1 */
    char section[32];
    char key[32];
    char value[INI_MAX_LINE];
    char note[INI_MAX_LINE]; /* after the ';', or "" */
};

/* Calls take for each key.  It returns NULL, or says what is wrong.  ini_read
 * returns 1, or 0 with "line: what" in error. */
int ini_read(const char *text, size_t size,
             const char *(*take)(const struct ini_line *line, void *context),
             void *context, char *error, size_t error_size);

#endif
