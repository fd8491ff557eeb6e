/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.c - which words a kernel cannot use, and which it cannot take as
 * names: reserved.def and keywords.def, searched.  Both are sorted by strcmp.
 */
#include "compiler/expand.h"

#include <stdlib.h>
#include <string.h>

struct reserved {
    const char *word;
    int functions_only; /* a variable may have this name */
    const char *what;
};

static const struct reserved reserved[] = {
#define X(word, functions_only, what) { #word, functions_only, what },
#include "compiler/reserved.def"
#undef X
};

struct keyword {
    const char *word;
    int allowed; /* all targets have it */
    const char *hint;
};

static const struct keyword keywords[] = {
#define X(word, allowed, hint) { #word, allowed, hint },
#include "compiler/keywords.def"
#undef X
};

struct key {
    const char *at;
    size_t size;
};

/* Both lists' elements begin with the word. */
static int compare(const void *key, const void *element)
{
    const struct key *k = key;
    const char *word = *(const char *const *)element;
    int c = strncmp(k->at, word, k->size);

    return c ? c : -(word[k->size] != 0);
}

static const struct reserved *reserved_find(const char *word, size_t size)
{
    return bsearch(&(struct key){ word, size }, reserved,
                   sizeof reserved / sizeof *reserved, sizeof *reserved,
                   compare);
}

static const struct keyword *keyword_find(const char *word, size_t size)
{
    return bsearch(&(struct key){ word, size }, keywords,
                   sizeof keywords / sizeof *keywords, sizeof *keywords,
                   compare);
}

static int begins(const char *word, size_t size, const char *with)
{
    size_t n = strlen(with);

    return size > n && !memcmp(word, with, n);
}

int words_is_format(const char *word, size_t size)
{
    for (const char *p = WORDS_FORMATS; *p; p += *p == ' ') {
        size_t n = strcspn(p, " ");

        if (n == size && !memcmp(p, word, n))
            return 1;
        p += n;
    }
    return 0;
}

int words_is_keyword(const char *word, size_t size)
{
    return keyword_find(word, size) != NULL;
}

const char *words_name_fault(const char *name, size_t size, int is_function)
{
    const struct reserved *r = reserved_find(name, size);

    if (begins(name, size, "hal_"))
        return "begins with hal_, as the dialect's own names do";
    if (begins(name, size, "gl_"))
        return "begins with gl_, as GLSL's own names do";
    if (keyword_find(name, size))
        return "is a word of C";
    return r && (is_function || !r->functions_only) ? r->what : NULL;
}

const char *words_not_c(const char *word, size_t size, int as_function)
{
    const struct reserved *r = reserved_find(word, size);

    if (begins(word, size, "gl_"))
        return "is a word of GLSL";
    if (!r || (r->functions_only && !as_function) ||
        strstr(r->what, "the dialect's own") || strstr(r->what, "of C comp"))
        return NULL;
    return r->what;
}

const char *words_not_glsl(const char *word, size_t size, const char **out_hint)
{
    const struct keyword *k = keyword_find(word, size);

    *out_hint = k ? k->hint : "";
    if (begins(word, size, "__"))
        return "is a word of one compiler";
    return k && !k->allowed ? "is a word of C" : NULL;
}
