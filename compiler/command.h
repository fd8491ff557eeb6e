/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h - a compiler's command line, and the cache's key of what it makes.
 * Private to this floor.
 */
#ifndef COMPILER_COMMAND_H
#define COMPILER_COMMAND_H

#include "compiler/compile.h"
#include "compiler/memory.h"

struct command {
    char **argv; /* ends with a NULL */
    size_t n, room;
    struct arena arena;
    int failed; /* out of memory: argv lacks something */
};

void command_add(struct command *c, const char *text, size_t size);
/* Separated by spaces. */
void command_add_words(struct command *c, const char *words);
void command_free(struct command *c);

/* Of the compiler (what `tool --version` says), the flags and the texts; 0 when
 * no key can be made: then nothing is cached. */
int command_key(const struct command *c, const char *tool,
                const char *const *texts, uint32_t n_texts,
                struct cache_key *out);

#endif
