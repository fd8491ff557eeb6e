/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halcc.h - what the parts of halcc share.  Each function that can fail prints
 * what is wrong and returns an exit code, or says so in its comment.
 */
#ifndef TOOLS_HALCC_HALCC_H
#define TOOLS_HALCC_HALCC_H

#include "compiler/compile.h"

enum { EXIT_SOURCE = 1, EXIT_USAGE = 2, EXIT_TOOL = 3 };

struct options {
    const char *out, *include_dir, *target, *expand;
    uint32_t instance;
    int list, merge, json, cache;
    char *defines; /* "-DX=Y -DZ" */
    const char **files;
    uint32_t n_files;
};

/* ---- options.c ----------------------------------------------------------- */

/* Fills *o, which main frees.  0, an exit code, or -1: there is no more to do,
 * help or the version was printed. */
int options_parse(struct options *o, int argc, char **argv);

/* ---- files.c ------------------------------------------------------------- */

void *out_of_memory(void); /* NULL, after a message */
/* NUL-terminated; NULL after a message.  A pipe would be waited for. */
char *read_file(const char *path, size_t *out_size);
/* "-": stdout; 0 after a message. */
int write_file(const char *path, const void *bytes, size_t size);
/* Writes what was printed; the exit code. */
int finish_stdout(void);
const char *base_name(const char *path);
/* "a/b.k" -> "a", "b.k" -> "."; the caller frees it. */
char *dir_name(const char *path);

/* ---- build.c and list.c -------------------------------------------------- */

int do_compile(const struct options *o);
int do_expand(const struct options *o);
int do_merge(const struct options *o, const char *out);
int open_halbin(const char *path, struct halbin *out);
int do_list(const struct options *o);

#endif
