/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pp_lex.c - text to tokens.  Splices (backslash, newline) are removed first
 * and their newlines moved behind the joined line, so that later lines keep
 * their numbers; comments become white space.
 */
#include "compiler/pp_internal.h"

#include <ctype.h>
#include <string.h>

/* A copy of the text without splices and carriage returns. */
static const char *join_lines(struct pp *pp, const char *text)
{
    size_t n = strlen(text), owed = 0;
    char *copy = pp_alloc(pp, n + 2), *w = copy;

    for (const char *p = text; *p; p++) {
        if (p[0] == '\\' && (p[1] == '\n' || (p[1] == '\r' && p[2] == '\n'))) {
            p += p[1] == '\r' ? 2 : 1;
            owed++;
        } else if (p[0] == '\r' && p[1] == '\n') {
            continue;
        } else {
            *w++ = *p;
            if (*p == '\n')
                for (; owed; owed--)
                    *w++ = '\n';
        }
    }
    *w = 0;
    return copy;
}

static int is_ident(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t number_length(const char *p)
{
    size_t n = 1;

    for (;; n++) {
        if (is_ident(p[n]) || p[n] == '.')
            continue;
        if ((p[n] == '+' || p[n] == '-') && strchr("eEpP", p[n - 1]))
            continue;
        return n;
    }
}

/* 0: the quote has no partner on its line and stands for itself. */
static size_t quoted_length(const char *p)
{
    size_t n = 1;

    while (p[n] && p[n] != '\n' && p[n] != p[0])
        n += p[n] == '\\' && p[n + 1] && p[n + 1] != '\n' ? 2 : 1;
    return p[n] == p[0] ? n + 1 : 0;
}

static size_t punct_length(const char *p)
{
    static const char *const longer[] = {
        "<<=", ">>=", "...", "##", "<<", ">>", "<=", ">=",
        "==",  "!=",  "&&",  "||", "++", "--", "->", "+=",
        "-=",  "*=",  "/=",  "%=", "&=", "|=", "^=",
    };

    for (size_t i = 0; i < sizeof longer / sizeof *longer; i++)
        if (!strncmp(p, longer[i], strlen(longer[i])))
            return strlen(longer[i]);
    return 1;
}

struct lexer {
    const char *p;
    uint32_t line;
    uint8_t space, bol;
};

/* White space and comments; 0 at the end of the text. */
static int skip_blank(struct pp *pp, const struct pp_file *file,
                      struct lexer *lx)
{
    for (; *lx->p; lx->space = 1) {
        if (*lx->p == '\n') {
            lx->line++;
            lx->bol = 1;
            lx->p++;
        } else if (isspace((unsigned char)*lx->p)) {
            lx->p++;
        } else if (lx->p[0] == '/' && lx->p[1] == '/') {
            lx->p += strcspn(lx->p, "\n");
        } else if (lx->p[0] == '/' && lx->p[1] == '*') {
            const char *end = strstr(lx->p + 2, "*/");

            if (!end)
                pp_fail(pp, file, lx->line, "this comment never ends");
            for (; lx->p < end + 2; lx->p++)
                lx->line += *lx->p == '\n';
        } else {
            return 1;
        }
    }
    return 0;
}

const char *pp_text_start(const char *text)
{
    return strncmp(text, "\xef\xbb\xbf", 3) ? text : text + 3;
}

struct pp_token *pp_lex(struct pp *pp, const struct pp_file *file,
                        const char *text, uint32_t first_line)
{
    struct lexer lx = { NULL, first_line, 0, 1 };
    struct pp_token *list = NULL, **end = &list;

    pp->here_file = file;
    pp->here_line = first_line;
    lx.p = join_lines(pp, text);
    while (skip_blank(pp, file, &lx)) {
        struct pp_token *t = pp_alloc(pp, sizeof *t);
        const char *p = lx.p;
        size_t n;

        pp->here_line = lx.line;
        pp_step(pp, 1);
        if (isalpha((unsigned char)*p) || *p == '_') {
            for (n = 1; is_ident(p[n]); n++)
                ;
            t->kind = PP_IDENT;
            t->symbol = pp_symbol_of(pp, p, n);
        } else if (isdigit((unsigned char)*p) ||
                   (*p == '.' && isdigit((unsigned char)p[1]))) {
            n = number_length(p);
            t->kind = PP_NUMBER;
        } else if ((*p == '"' || *p == '\'') && (n = quoted_length(p)) > 0) {
            t->kind = PP_STRING;
        } else {
            n = punct_length(p);
            t->kind = PP_PUNCT;
        }
        t->text = p;
        t->length = (uint32_t)n;
        t->file = file;
        t->line = lx.line;
        t->space = lx.space;
        t->bol = lx.bol;
        *end = t;
        end = &t->next;
        lx.p += n;
        lx.space = lx.bol = 0;
    }
    return list;
}
