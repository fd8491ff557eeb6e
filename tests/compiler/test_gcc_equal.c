/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our preprocessor against gcc's: every kernel of the tree must give the same
 * tokens as gcc -E, its first instance in every variant, the others in two each
 * that are not the same two from instance to instance (all pairs would take a
 * minute).  Runs in the root of the tree; skipped where there is no gcc.
 */
#include "compiler/expand.h"
#include "compiler/tool.h"

#include <ctype.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The next token of preprocessed text, as its length; 0 at the end. */
static size_t next_token(const char *start, const char **at)
{
    static const char *const longer[] = { "<<=", ">>=", "...", "<<", ">>", "<=",
                                          ">=",  "==",  "!=",  "&&", "||", "++",
                                          "--",  "->",  "+=",  "-=", "*=", "/=",
                                          "%=",  "&=",  "|=",  "^=", "##" };
    const char *p = *at;
    size_t n = 0;

    for (;;) {
        int line_start = p == start;

        while (isspace((unsigned char)*p))
            line_start |= *p++ == '\n';
        if (!line_start || (strncmp(p, "#line", 5) != 0 &&
                            strncmp(p, "#pragma hal", 11) != 0 &&
                            strncmp(p, "#version", 8) != 0 &&
                            strncmp(p, "#extension", 10) != 0))
            break;
        p += strcspn(p, "\n");
    }
    *at = p;
    if (isalnum((unsigned char)*p) || *p == '_') {
        while (isalnum((unsigned char)p[n]) || p[n] == '_' ||
               (p[n] == '.' && isdigit((unsigned char)*p)))
            n++;
        return n;
    }
    if (*p == '"') {
        for (n = 1; p[n] && p[n] != '"'; n++)
            n += p[n] == '\\' && p[n + 1];
        return n + (p[n] != 0);
    }
    for (size_t i = 0; i < sizeof longer / sizeof *longer; i++)
        if (!strncmp(p, longer[i], strlen(longer[i])))
            return strlen(longer[i]);
    return *p != 0;
}

/* gcc -E prints _Pragma("x y") as a line #pragma x y; undo that in ours. */
static char *with_pragma_lines(const char *text)
{
    struct buffer b = { 0 };

    for (const char *p = text; *p;) {
        const char *end;

        if (!strncmp(p, "_Pragma(\"", 9) && (end = strstr(p, "\")"))) {
            buffer_text(&b, "\n#pragma ");
            buffer_add(&b, p + 9, (size_t)(end - p - 9));
            buffer_text(&b, "\n");
            p = end + 2;
        } else {
            buffer_add(&b, p++, 1);
        }
    }
    buffer_text(&b, "");
    assert_false(b.failed);
    return b.bytes;
}

static void compare(const char *what, const char *ours, const char *theirs)
{
    const char *a = ours, *b = theirs;
    size_t n, m, count = 0;

    do {
        n = next_token(ours, &a);
        m = next_token(theirs, &b);
        if (n != m || memcmp(a, b, n) != 0)
            fail_msg("%s: token %zu: ours %.60s\n gcc's %.60s", what, count, a,
                     b);
        a += n;
        b += m;
        count++;
    } while (n);
    assert_true(count > 100); /* an empty comparison proves nothing */
}

static char *gcc_expands(const char *path, const struct variant *v,
                         const struct pp_instance *instance)
{
    char words[512], group[64], *save = NULL, *argv[200];
    char define[64][160];
    struct tool_result r = { 0 };
    size_t n = 0, d = 0;

    snprintf(words, sizeof words, "%s", v->defines);
    snprintf(group, sizeof group, "-DHAL_DEFAULT_GROUP=%u", v->group);
    for (char *w = strtok_r(words, " ", &save); w;
         w = strtok_r(NULL, " ", &save))
        snprintf(define[d++], sizeof define[0], "-D%s", w);
    for (size_t i = 0; i < instance->n_defines; i++)
        snprintf(define[d++], sizeof define[0], "-D%s", instance->defines[i]);
    for (const char *const *f =
             (const char *const[]){ "gcc", "-E", "-P", "-undef", "-nostdinc",
                                    "-w", "-x", "c", "-Ikernels/dialect",
                                    "-Ikernels", NULL };
         *f; f++)
        argv[n++] = (char *)*f;
    argv[n++] = group;
    for (size_t i = 0; i < d; i++)
        argv[n++] = define[i];
    argv[n++] = (char *)path;
    argv[n] = NULL;
    if (tool_run(argv, 60, &r) != 0 || r.exit_status != 0)
        fail_msg("gcc -E %s: %s", path, r.output.bytes ? r.output.bytes : "");
    return r.output.bytes;
}

/* Whether this pair of instance and variant is compared. */
static int is_chosen(uint32_t instance, uint32_t variant)
{
    /* Newer PTX is made of the macros of CUDA's text. */
    if (variants[variant].target == HAL_TARGET_PTX &&
        strcmp(variants[variant].name, "ptx.sm70") != 0)
        return 0;
    return instance == 0 || (instance + variant) % (n_variants / 2) == 0;
}

static size_t compare_kernel(const char *path, const char *text)
{
    const char *base = strrchr(path, '/') + 1;
    struct pp_instances instances = { 0 };
    struct compile_request req = { .source = text,
                                   .name = base,
                                   .include_dir = "kernels" };
    struct hal_message msg;
    size_t n = 0;

    assert_int_equal(pp_instances_read(base, text, &instances, &msg),
                     COMPILE_OK);
    for (uint32_t i = 0; i < instances.n; i++)
        for (uint32_t v = 0; v < n_variants; v++) {
            struct expansion e = { .request = &req,
                                   .variant = &variants[v],
                                   .instance = &instances.list[i],
                                   .only_kernel = -1 };
            char what[200], *ours, *theirs, *lines;

            if (!is_chosen(i, v) || expansion_skipped(&e))
                continue;
            snprintf(what, sizeof what, "%s %s %u", path, variants[v].name, i);
            if (compile_expand(&req, variants[v].name, i, &ours, &msg) !=
                COMPILE_OK)
                fail_msg("%s: %s", what, msg.text);
            theirs = gcc_expands(path, &variants[v], &instances.list[i]);
            lines = with_pragma_lines(ours);
            compare(what, lines, theirs);
            free(lines);
            free(ours);
            free(theirs);
            n++;
        }
    pp_instances_free(&instances);
    return n;
}

static void test_all_kernels(void **state)
{
    char *argv[] = { (char *)"gcc", (char *)"--version", NULL };
    struct tool_result r = { 0 };
    size_t compared = 0;
    glob_t g = { 0 };
    int found = tool_run(argv, 20, &r) == 0 && r.exit_status == 0;

    (void)state;
    buffer_free(&r.output);
    if (!found)
        skip();
    if (glob("kernels/*.k", 0, NULL, &g) != 0)
        fail_msg("no kernels/*.k: run this in the root of the tree");
    for (size_t i = 0; i < g.gl_pathc; i++) {
        void *text;
        size_t size;

        assert_int_equal(file_read(g.gl_pathv[i], 1 << 20, &text, &size), 0);
        compared += compare_kernel(g.gl_pathv[i], text);
        free(text);
    }
    globfree(&g);
    print_message("%zu expansions are gcc's, token by token\n", compared);
    assert_true(compared > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kernels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
