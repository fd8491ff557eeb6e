/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pp_macro.c - definitions and expansion, by Prosser's algorithm: a token
 * carries the set of macros that it came out of, and those do not expand in it
 * again.  Invariant: a token made by a macro has the line of the outermost
 * call; an argument's token keeps its own.
 */
#include "compiler/pp_internal.h"

#include <stdio.h>
#include <string.h>

/* ---- hide sets ----------------------------------------------------------- */

static int hidden(struct pp *pp, const struct pp_hide *h,
                  const struct pp_symbol *s)
{
    for (; h; h = h->next) {
        pp_step(pp, 1);
        if (h->symbol == s)
            return 1;
    }
    return 0;
}

static const struct pp_hide *hide_add(struct pp *pp, const struct pp_hide *set,
                                      const struct pp_symbol *s)
{
    struct pp_hide *h;

    if (hidden(pp, set, s))
        return set;
    h = pp_alloc(pp, sizeof *h);
    h->symbol = s;
    h->next = set;
    return h;
}

static const struct pp_hide *hide_union(struct pp *pp, const struct pp_hide *a,
                                        const struct pp_hide *b)
{
    if (!a || a == b)
        return b;
    for (; b; b = b->next)
        a = hide_add(pp, a, b->symbol);
    return a;
}

static const struct pp_hide *hide_common(struct pp *pp, const struct pp_hide *a,
                                         const struct pp_hide *b)
{
    const struct pp_hide *both = NULL;

    if (a == b)
        return a;
    for (; a; a = a->next)
        if (hidden(pp, b, a->symbol))
            both = hide_add(pp, both, a->symbol);
    return both;
}

/* ---- token lists --------------------------------------------------------- */

struct list {
    struct pp_token *head, **end;
    struct pp_token *last;
};

static void list_init(struct list *l)
{
    l->head = l->last = NULL;
    l->end = &l->head;
}

static void list_add(struct list *l, struct pp_token *t)
{
    t->next = NULL;
    *l->end = t;
    l->end = &t->next;
    l->last = t;
}

static struct pp_token *token_copy(struct pp *pp, const struct pp_token *t)
{
    struct pp_token *c = pp_alloc(pp, sizeof *c);

    pp_step(pp, 1);
    *c = *t;
    c->next = NULL;
    return c;
}

static void list_add_copies(struct pp *pp, struct list *l,
                            const struct pp_token *t)
{
    for (; t; t = t->next)
        list_add(l, token_copy(pp, t));
}

/* ---- #define ------------------------------------------------------------- */

static int param_index(const struct pp_macro *m, const struct pp_token *t)
{
    if (m->function && t && t->kind == PP_IDENT)
        for (uint32_t i = 0; i < m->n_params; i++)
            if (m->params[i] == t->symbol)
                return (int)i;
    return -1;
}

/* Reads "a, b, ...)"; returns the token behind it. */
static struct pp_token *read_params(struct pp *pp, struct pp_macro *m,
                                    struct pp_token *t,
                                    const struct pp_token *where)
{
    struct pp_symbol *params[PP_PARAMS_MAX];

    if (pp_is(t, ")"))
        return t->next;
    for (;;) {
        struct pp_symbol *s = NULL;

        if (pp_is(t, "...")) {
            s = pp->sym_va_args;
            m->variadic = 1;
        } else if (t && t->kind == PP_IDENT && t->symbol != pp->sym_va_args) {
            s = t->symbol;
            if (pp_is(t->next, "...")) { /* GNU: a named rest */
                m->variadic = 1;
                t = t->next;
            }
        }
        if (!s)
            pp_fail(pp, where->file, where->line,
                    "#define: a parameter's name is missing");
        for (uint32_t i = 0; i < m->n_params; i++)
            if (params[i] == s)
                pp_fail(pp, where->file, where->line,
                        "#define: parameter '%.60s' twice", s->name);
        if (m->n_params == PP_PARAMS_MAX)
            pp_fail(pp, where->file, where->line,
                    "#define: more than %d parameters", PP_PARAMS_MAX);
        params[m->n_params++] = s;
        t = t->next;
        if (pp_is(t, ")"))
            break;
        if (m->variadic || !pp_is(t, ","))
            pp_fail(pp, where->file, where->line,
                    "#define: expected %s after a parameter",
                    m->variadic ? "')'" : "',' or ')'");
        t = t->next;
    }
    m->params = pp_alloc(pp, m->n_params * sizeof *m->params);
    memcpy(m->params, params, m->n_params * sizeof *m->params);
    return t->next;
}

static void check_body(struct pp *pp, const struct pp_macro *m,
                       const struct pp_token *where)
{
    const struct pp_token *last = NULL;

    if (pp_is(m->body, "##"))
        last = m->body;
    for (const struct pp_token *t = m->body; t; t = t->next) {
        if (pp_is(t, "##") && !t->next)
            last = t;
        if (m->function && pp_is(t, "#") && param_index(m, t->next) < 0)
            pp_fail(pp, where->file, where->line,
                    "#define: '#' stands before no parameter");
    }
    if (last)
        pp_fail(pp, where->file, where->line,
                "#define: '##' at an end of the macro");
}

void pp_define(struct pp *pp, struct pp_token *line,
               const struct pp_token *where)
{
    struct pp_token *t = line;
    struct pp_symbol *s;
    struct pp_macro *m;

    if (!t || t->kind != PP_IDENT)
        pp_fail(pp, where->file, where->line, "#define: a name is missing");
    s = t->symbol;
    if (s == pp->sym_defined || s == pp->sym_va_args || s->builtin)
        pp_fail(pp, where->file, where->line, "#define: '%s' cannot be a macro",
                s->name);
    m = pp_alloc(pp, sizeof *m);
    t = t->next;
    if (pp_is(t, "(") && !t->space) {
        m->function = 1;
        t = read_params(pp, m, t->next, where);
    }
    m->body = t;
    if (t)
        t->space = 0;
    check_body(pp, m, where);
    s->macro = m;
}

/* ---- # and ## ------------------------------------------------------------ */

static struct pp_token *stringise(struct pp *pp, const struct pp_token *arg,
                                  const struct pp_token *hash)
{
    struct pp_token *r = token_copy(pp, hash);
    size_t size = 3;
    char *text, *p;

    for (const struct pp_token *t = arg; t; t = t->next)
        size += 1 + (t->kind == PP_STRING ? 2 : 1) * (size_t)t->length;
    p = text = pp_alloc(pp, size);
    *p++ = '"';
    for (const struct pp_token *t = arg; t; t = t->next) {
        pp_step(pp, 1 + t->length);
        if (t != arg && (t->space || t->bol))
            *p++ = ' ';
        for (uint32_t i = 0; i < t->length; i++) {
            char c = t->text[i];

            if (t->kind == PP_STRING && (c == '"' || c == '\\'))
                *p++ = '\\';
            *p++ = c;
        }
    }
    *p++ = '"';
    r->kind = PP_STRING;
    r->symbol = NULL;
    r->text = text;
    r->length = (uint32_t)(p - text);
    return r;
}

/* Joins b to a in place; they must make exactly one token. */
static void paste(struct pp *pp, struct pp_token *a, const struct pp_token *b)
{
    struct pp_token *t;
    size_t size = (size_t)a->length + b->length;
    char *text;

    if (b->kind == PP_PLACE)
        return;
    if (a->kind == PP_PLACE) {
        a->kind = b->kind;
        a->text = b->text;
        a->length = b->length;
        a->symbol = b->symbol;
        a->hide = b->hide;
        return;
    }
    pp_step(pp, size);
    text = pp_alloc(pp, size + 1);
    memcpy(text, a->text, a->length);
    memcpy(text + a->length, b->text, b->length);
    t = pp_lex(pp, a->file, text, a->line);
    if (!t || t->next || t->length != size)
        pp_fail(
            pp, a->file, a->line, "'%.60s' ## '%.60s' makes no token",
            pp_spell(pp,
                     &(struct pp_token){ .text = a->text, .length = a->length },
                     NULL),
            text + a->length);
    a->hide = hide_common(pp, a->hide, b->hide);
    a->kind = t->kind;
    a->text = t->text;
    a->length = t->length;
    a->symbol = t->symbol;
}

/* ---- substitution -------------------------------------------------------- */

struct call {
    const struct pp_macro *macro;
    const struct pp_token *name;
    struct pp_token **args;     /* as written */
    struct pp_token **expanded; /* made when first needed */
    uint8_t *have;
    uint32_t n_args; /* as written; the rest of a variadic is one */
    uint32_t depth;
};

static struct pp_token *expanded_arg(struct pp *pp, struct call *c, int i)
{
    if (!c->have[i]) {
        struct list l;

        list_init(&l);
        list_add_copies(pp, &l, c->args[i]);
        c->expanded[i] = pp_expand(pp, l.head, c->depth + 1);
        c->have[i] = 1;
    }
    return c->expanded[i];
}

/* An argument beside ##: as written, a placemarker when empty. */
static void add_raw_arg(struct pp *pp, struct list *l, struct call *c, int i,
                        const struct pp_token *param)
{
    struct pp_token *first = *l->end;

    if (c->args[i]) {
        struct pp_token **start = l->end;

        list_add_copies(pp, l, c->args[i]);
        first = *start;
        first->space = param->space;
        first->bol = 0;
    } else {
        first = token_copy(pp, param);
        first->kind = PP_PLACE;
        first->symbol = NULL;
        first->length = 0;
        list_add(l, first);
    }
}

static struct pp_token *body_token(struct pp *pp, const struct call *c,
                                   const struct pp_token *t)
{
    struct pp_token *r = token_copy(pp, t);

    r->file = c->name->file;
    r->line = c->name->line;
    r->bol = 0;
    return r;
}

/* The right side of ##; returns the last body token that it used. */
static const struct pp_token *substitute_paste(struct pp *pp, struct list *l,
                                               struct call *c,
                                               const struct pp_token *rhs)
{
    int i = param_index(c->macro, rhs);
    struct list right;

    list_init(&right);
    if (i >= 0 && c->macro->variadic && i == (int)c->macro->n_params - 1 &&
        pp_is(l->last, ",")) {
        /* GNU: ", ## rest" drops the comma when the rest is empty */
        if (!c->args[i]) {
            l->last->kind = PP_PLACE;
            l->last->length = 0;
        } else {
            struct pp_token *from = expanded_arg(pp, c, i);

            list_add_copies(pp, l, from);
        }
        return rhs;
    }
    if (c->macro->function && pp_is(rhs, "#")) {
        rhs = rhs->next;
        list_add(&right, stringise(pp, c->args[param_index(c->macro, rhs)],
                                   body_token(pp, c, rhs)));
    } else if (i >= 0) {
        add_raw_arg(pp, &right, c, i, rhs);
    } else {
        list_add(&right, body_token(pp, c, rhs));
    }
    if (!l->last) {
        *l = right;
        if (!l->head)
            l->end = &l->head;
        return rhs;
    }
    paste(pp, l->last, right.head);
    if (right.head->next) {
        *l->end = right.head->next;
        l->end = right.end;
        l->last = right.last;
    }
    return rhs;
}

/* The macro's body with arguments put in, all hiding `hide`. */
static struct pp_token *substitute(struct pp *pp, struct call *c,
                                   const struct pp_hide *hide)
{
    const struct pp_macro *m = c->macro;
    struct list l;

    list_init(&l);
    for (const struct pp_token *t = m->body; t; t = t->next) {
        int i = param_index(m, t);

        if (m->function && pp_is(t, "#")) {
            const struct pp_token *hash = t;
            struct pp_token *s;

            t = t->next;
            s = stringise(pp, c->args[param_index(m, t)],
                          body_token(pp, c, hash));
            list_add(&l, s);
        } else if (pp_is(t, "##") && t != m->body) {
            t = substitute_paste(pp, &l, c, t->next);
        } else if (i >= 0 && pp_is(t->next, "##")) {
            add_raw_arg(pp, &l, c, i, t);
        } else if (i >= 0) {
            struct pp_token **start = l.end;

            list_add_copies(pp, &l, expanded_arg(pp, c, i));
            if (*start) {
                (*start)->space = t->space;
                (*start)->bol = 0;
            }
        } else {
            list_add(&l, body_token(pp, c, t));
        }
    }
    for (struct pp_token *t = l.head; t; t = t->next)
        t->hide = hide_union(pp, t->hide, hide);
    return l.head;
}

/* ---- calls --------------------------------------------------------------- */

static void count_args(struct pp *pp, const struct call *c, uint32_t n,
                       int empty)
{
    const struct pp_macro *m = c->macro;
    uint32_t least = m->variadic ? m->n_params - 1 : m->n_params;

    if (m->n_params == 0 && n == 1 && empty)
        return;
    if (n < least || n > m->n_params)
        pp_fail(pp, c->name->file, c->name->line,
                "macro '%.60s' takes %s%u argument%s, not %u",
                c->name->symbol->name, m->variadic ? "at least " : "", least,
                least == 1 ? "" : "s", m->n_params == 0 && empty ? 0 : n);
}

/* Takes the arguments apart; returns the closing parenthesis. */
static struct pp_token *read_args(struct pp *pp, struct call *c,
                                  struct pp_token *open)
{
    const struct pp_macro *m = c->macro;
    uint32_t n = 0, depth = 0, room = m->n_params ? m->n_params : 1;
    struct pp_token **end, *t;

    c->args = pp_alloc(pp, room * sizeof *c->args);
    c->expanded = pp_alloc(pp, room * sizeof *c->expanded);
    c->have = pp_alloc(pp, room);
    end = &c->args[0];
    for (t = open->next; t; t = t->next) {
        if (!depth && pp_is(t, ")"))
            break;
        if (!depth && pp_is(t, ",") && !(m->variadic && n + 1 == m->n_params)) {
            n++;
            end = n < room ? &c->args[n] : NULL;
            continue;
        }
        if (pp_is(t, "("))
            depth++;
        if (pp_is(t, ")"))
            depth--;
        if (end) { /* beyond the last parameter: counted only */
            *end = token_copy(pp, t);
            (*end)->space |= (*end)->bol;
            end = &(*end)->next;
        }
    }
    if (!t)
        pp_fail(pp, c->name->file, c->name->line,
                "the call of macro '%.60s' never ends: ')' is missing",
                c->name->symbol->name);
    c->n_args = n + 1;
    count_args(pp, c, n + 1, n == 0 && !c->args[0]);
    return t;
}

/* The dialect's macros count so far and no further; past that they would fail
 * at some token of theirs that tells an author nothing. */
static void check_kernel_params(struct pp *pp, struct call *c)
{
    const struct pp_macro *m = c->macro;
    uint32_t n = 1, depth = 0;
    char name[64];

    if (c->name->symbol != pp->sym_kernel || !m->variadic || m->n_params != 2)
        return;
    for (const struct pp_token *t = expanded_arg(pp, c, 1); t; t = t->next) {
        depth += pp_is(t, "(");
        depth -= depth && pp_is(t, ")");
        n += !depth && pp_is(t, ",");
    }
    if (n <= PP_KERNEL_PARAMS_MAX)
        return;
    snprintf(name, sizeof name, "%.63s",
             pp_spell(pp, expanded_arg(pp, c, 0), NULL));
    pp_fail(pp, c->name->file, c->name->line,
            "kernel '%s': more than %d parameters: it has %u", name,
            PP_KERNEL_PARAMS_MAX, n);
}

static struct pp_token *builtin(struct pp *pp, struct pp_token *t)
{
    struct pp_token *r = token_copy(pp, t);
    char text[300];

    switch ((enum pp_builtin)t->symbol->builtin) {
    case PP_LINE:
        snprintf(text, sizeof text, "%u", t->line);
        r->kind = PP_NUMBER;
        break;
    case PP_COUNTER:
        snprintf(text, sizeof text, "%u", pp->counter++);
        r->kind = PP_NUMBER;
        break;
    case PP_FILE:
    case PP_NOT_BUILTIN:
        snprintf(text, sizeof text, "\"%.250s\"", t->file->name);
        r->kind = PP_STRING;
        break;
    }
    r->symbol = NULL;
    r->length = (uint32_t)strlen(text);
    r->text = memcpy(pp_alloc(pp, r->length + 1), text, r->length);
    return r;
}

/* Puts `result` before `rest`; the first token takes the name's place. */
static struct pp_token *prepend(struct pp_token *result,
                                const struct pp_token *name,
                                struct pp_token *rest)
{
    struct pp_token *t = result;

    if (!result)
        return rest;
    result->space = name->space;
    result->bol = name->bol;
    while (t->next)
        t = t->next;
    t->next = rest;
    return result;
}

struct pp_token *pp_expand(struct pp *pp, struct pp_token *list, uint32_t depth)
{
    struct list out;
    struct pp_token *t = list, *next;

    list_init(&out);
    if (depth > PP_EXPAND_DEPTH)
        pp_fail(pp, pp->here_file, pp->here_line,
                "macro calls are nested deeper than %d", PP_EXPAND_DEPTH);
    for (; t; t = next) {
        struct call c = { .name = t, .depth = depth };

        next = t->next;
        pp->here_file = t->file;
        pp->here_line = t->line;
        pp_step(pp, 1);
        if (t->kind == PP_IDENT && t->symbol->builtin) {
            list_add(&out, builtin(pp, t));
        } else if (t->kind != PP_IDENT || !t->symbol->macro ||
                   hidden(pp, t->hide, t->symbol)) {
            if (t->kind != PP_PLACE)
                list_add(&out, t);
        } else if (!t->symbol->macro->function) {
            c.macro = t->symbol->macro;
            next = prepend(substitute(pp, &c, hide_add(pp, t->hide, t->symbol)),
                           t, next);
        } else if (pp_is(next, "(")) {
            struct pp_token *close;

            c.macro = t->symbol->macro;
            close = read_args(pp, &c, next);
            check_kernel_params(pp, &c);
            next = prepend(
                substitute(pp, &c,
                           hide_add(pp, hide_common(pp, t->hide, close->hide),
                                    t->symbol)),
                t, close->next);
        } else {
            list_add(&out, t);
        }
    }
    return out.head;
}
