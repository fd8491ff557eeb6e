/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.c - command lines of compilers.  Invariant: two commands have one key
 * only if the same compiler gets the same flags and texts.
 */
#include "compiler/command.h"
#include "compiler/tool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void command_add(struct command *c, const char *text, size_t size)
{
    char *copy = arena_copy(&c->arena, text, size);
    char **argv = c->argv;

    if (copy && c->n + 2 > c->room) {
        c->room = c->room * 2 + 32;
        argv = realloc(c->argv, c->room * sizeof *argv);
        if (argv)
            c->argv = argv;
    }
    if (!copy || !argv) {
        c->failed = 1;
        return;
    }
    c->argv[c->n++] = copy;
    c->argv[c->n] = NULL;
}

void command_add_words(struct command *c, const char *words)
{
    for (size_t n; *words; words += n) {
        words += strspn(words, " \t\n");
        n = strcspn(words, " \t\n");
        if (n)
            command_add(c, words, n);
    }
}

void command_free(struct command *c)
{
    free(c->argv);
    arena_free(&c->arena);
}

/* ---- the compiler's identity, for the cache ------------------------------ */

/* One of each kind is usual; a fourth takes the place of the first. */
#define IDENTITIES 3
static pthread_mutex_t identity_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char tool[512], text[512];
} identities[IDENTITIES];
static unsigned next_identity;

/* What `TOOL --version` says; asked once per process and compiler. */
static void identity_of(const char *tool, char *out, size_t room)
{
    struct tool_result r = { 0 };
    struct command c = { 0 };
    unsigned i, k;

    out[0] = '\0';
    if (strlen(tool) >= sizeof identities[0].tool)
        return;
    pthread_mutex_lock(&identity_lock);
    for (i = 0; i < IDENTITIES; i++)
        if (!strcmp(identities[i].tool, tool))
            break;
    if (i == IDENTITIES) {
        command_add_words(&c, tool);
        command_add_words(&c, "--version");
        if (!c.failed && tool_run(c.argv, 20, &r) == 0 && !r.exit_status &&
            !r.output.failed && r.output.size) {
            k = next_identity++ % IDENTITIES;
            snprintf(identities[k].text, sizeof identities[k].text, "%s",
                     r.output.bytes);
            strcpy(identities[k].tool, tool);
            i = k;
        }
        buffer_free(&r.output);
        command_free(&c);
    }
    if (i < IDENTITIES)
        snprintf(out, room, "%s", identities[i].text);
    pthread_mutex_unlock(&identity_lock);
}

int command_key(const struct command *c, const char *tool,
                const char *const *texts, uint32_t n_texts,
                struct cache_key *out)
{
    uint32_t version = HALBIN_VERSION;
    char identity[512];
    size_t n = 0, total = c->n + n_texts + 2;
    const void **parts = malloc(total * sizeof *parts);
    size_t *sizes = malloc(total * sizeof *sizes);
    int made = 0;

    identity_of(tool, identity, sizeof identity);
    if (!parts || !sizes || !identity[0])
        goto out;
    parts[n] = &version;
    sizes[n++] = sizeof version;
    parts[n] = identity;
    sizes[n++] = strlen(identity);
    for (size_t i = 0; i < c->n; i++) {
        parts[n] = c->argv[i];
        sizes[n++] = strlen(c->argv[i]);
    }
    for (uint32_t i = 0; i < n_texts; i++) {
        parts[n] = texts[i];
        sizes[n++] = strlen(texts[i]);
    }
    *out = cache_key_of(parts, sizes, n);
    made = 1;
out:
    free(parts);
    free(sizes);
    return made;
}
