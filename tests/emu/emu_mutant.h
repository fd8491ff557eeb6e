/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emu_mutant.h - a tuned kernel on the emulator as it is and with one edit of
 * its CUDA text, in both orders of threads: whether its results are exactly
 * those that a test wants.
 */
#ifndef TESTS_EMU_EMU_MUTANT_H
#define TESTS_EMU_EMU_MUTANT_H

#include "tests/emu/emu_test.h"

#include "compiler/compile.h"

struct emu_subject {
    const char *file; /* in kernels/tuned/cuda */
    int instance;
    const char *kernel;
    unsigned grid, block;
    void **args;
    void *out;
    const void *want;
    size_t bytes;
};

static inline char *emu_expand(const struct emu_subject *s)
{
    static char source[32768];
    char path[128];
    const struct compile_request req = { .source = source,
                                         .name = s->file,
                                         .include_dir = "kernels/tuned/cuda" };
    struct hal_message msg = { "" };
    char *expanded = NULL;
    FILE *f;

    snprintf(path, sizeof path, "kernels/tuned/cuda/%s", s->file);
    f = fopen(path, "r");
    assert_non_null(f);
    source[fread(source, 1, sizeof source - 1, f)] = '\0';
    fclose(f);
    if (compile_expand(&req, "cuda", (uint32_t)s->instance, &expanded, &msg) !=
        COMPILE_OK)
        fail_msg("%s", msg.text);
    return expanded;
}

/* Whether the kernel is right with `instead` in the place of the nth `word` at
 * or after the first `from`; -1: there is no nth.  An empty word: as it is. */
static inline int emu_right_with(const struct emu_subject *s, const char *from,
                                 const char *word, const char *instead, int nth)
{
    const unsigned grid[3] = { s->grid, 1, 1 }, block[3] = { s->block, 1, 1 };
    char *expanded = emu_expand(s), *at = strstr(expanded, from), *text = NULL;
    struct emu_library e;
    int good = 1;

    assert_non_null(at);
    for (int i = 0; i <= nth && at && *word; i++)
        at = strstr(at + 1, word);
    if (at)
        assert_true(asprintf(&text, "%.*s%s%s", (int)(at - expanded), expanded,
                             instead, at + strlen(word)) > 0);
    free(expanded);
    if (!at)
        return -1;
    e = emu_make_text(text);
    free(text);
    for (int reverse = 0; reverse < 2; reverse++) {
        setenv("HALCYON_EMU_ORDER", reverse ? "reversed" : "forward", 1);
        memset(s->out, 0xff, s->bytes);
        /* an edit may be one that the emulator itself complains of */
        if (e.launch(e.find(s->kernel), grid, block, 0, s->args)) {
            if (!*word)
                fail_msg("%s", e.error());
            good = 0;
        }
        good &= memcmp(s->out, s->want, s->bytes) == 0;
    }
    unsetenv("HALCYON_EMU_ORDER");
    dlclose(e.handle);
    return good;
}

/* Each of the words, `times` of them, is needed. */
static inline void emu_needs(const struct emu_subject *s, const char *from,
                             const char *word, const char *instead, int times)
{
    int n = 0, is;

    while ((is = emu_right_with(s, from, word, instead, n)) >= 0) {
        if (is)
            fail_msg("right with \"%s\" for %s number %d", instead, word, n);
        n++;
    }
    assert_int_equal(n, times);
}

#endif
