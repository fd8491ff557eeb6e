/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules.c - what a source must keep so that it means the same on every device.
 * A barrier inside of ITEMS runs on a CPU, where it is nothing, and hangs a
 * GPU; a variable named `sample` is a reserved word in GLSL alone.  Both are
 * refused here, whatever the target.
 *
 * It reads a meta expansion: the author's macros are gone from it, and the
 * dialect's statements stand as they were written.  Words that some languages
 * lack are looked for in two views of the source, as C and as GLSL see it,
 * whatever the target; what only other targets see may be in their words.
 * Invariant: text that it does not understand is let through; the target's
 * compiler has the last word.
 */
#include "compiler/expand.h"

#include <ctype.h>
#include <string.h>

/* Statements and brackets within each other; keeps the recursion short. */
#define DEPTH_MAX 400

enum kind { END, WORD, OTHER }; /* OTHER: numbers, strings, punctuation */

struct token {
    enum kind kind;
    const char *at;
    size_t size;
};

struct scan {
    struct meta_text *meta;
    struct hal_message *msg;
    enum rules_view view;
    const char *rest; /* behind `now` */
    struct token now;
    int failed;
    int in_kernel; /* the text at hand is a KERNEL's body */
    unsigned depth;
};

/* What a statement stands in. */
struct place {
    struct token spread; /* ITEMS, EACH, ONCE ...; kind END: none */
    int loops;           /* around it, within the spread: break leaves them */
    int has_t;           /* the spread is EACH(t) */
};

/* ---- tokens -------------------------------------------------------------- */

static int is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static struct token token_at(const char *p)
{
    struct token t = { .at = p };

    p += strspn(p, " \t\r\n\v\f");
    t.at = p;
    if (!*p)
        return t;
    t.kind = OTHER;
    t.size = 1;
    if (isalpha((unsigned char)*p) || *p == '_')
        t.kind = WORD;
    if (is_word_char(*p)) {
        while (is_word_char(p[t.size]))
            t.size++;
    } else if (*p == '"' || *p == '\'') {
        while (p[t.size] && p[t.size] != *p && p[t.size] != '\n')
            t.size += p[t.size] == '\\' && p[t.size + 1] ? 2 : 1;
        t.size += p[t.size] == *p;
    }
    return t;
}

static void advance(struct scan *s)
{
    s->now = token_at(s->rest);
    s->rest = s->now.at + s->now.size;
}

static int is(const struct token *t, const char *text)
{
    return t->kind != END && t->size == strlen(text) &&
           !memcmp(t->at, text, t->size);
}

static int is_any(const struct token *t, const char *const *list)
{
    for (; t->kind == WORD && *list; list++)
        if (is(t, *list))
            return 1;
    return 0;
}

static int take(struct scan *s, const char *text)
{
    if (!is(&s->now, text))
        return 0;
    advance(s);
    return 1;
}

#define COMPLAIN(s, at, ...)                                       \
    do {                                                           \
        if (!(s)->failed)                                          \
            meta_complain((s)->meta, (at), (s)->msg, __VA_ARGS__); \
        (s)->failed = 1;                                           \
    } while (0)

static int enter(struct scan *s)
{
    if (++s->depth > DEPTH_MAX)
        COMPLAIN(s, s->now.at, "nested deeper than %d", DEPTH_MAX);
    return !s->failed;
}

/* ---- names --------------------------------------------------------------- */

static int shown(const struct token *t)
{
    return (int)(t->size > 60 ? 60 : t->size);
}

static void used_in_c(struct scan *s, const struct token *t)
{
    /* a variable may hide a function, but is not called */
    int as_function = is(&s->now, "(") || s->now.kind == WORD;
    const char *what = words_not_c(t->at, t->size, as_function);

    if (what)
        COMPLAIN(s, t->at,
                 "'%.*s' %s; every device compiles this source, and not all "
                 "have it",
                 shown(t), t->at, what);
}

static void used_in_glsl(struct scan *s, const struct token *t)
{
    const char *hint, *what = words_not_glsl(t->at, t->size, &hint);
    struct token next;

    if (what)
        COMPLAIN(s, t->at,
                 "'%.*s' %s that not all devices have; every device compiles "
                 "this source%s",
                 shown(t), t->at, what, hint);
    if (is(t, "struct") && s->now.kind == WORD) {
        next = token_at(s->rest);
        if (!is(&next, "{"))
            COMPLAIN(s, t->at,
                     "'struct' without members: C wants the word here and "
                     "GLSL does not; declare variables behind the members");
    }
}

/* A word that is no new name; s->now is what stands behind it. */
static void foreign(struct scan *s, const struct token *t)
{
    if (s->view == RULES_C)
        used_in_c(s, t);
    if (s->view == RULES_GLSL)
        used_in_glsl(s, t);
}

static void declared(struct scan *s, const struct token *name, int is_function)
{
    const char *why = words_name_fault(name->at, name->size, is_function);

    /* "(unsigned char)" declares nothing, though it looks like it */
    if (words_is_keyword(name->at, name->size) && !is(&s->now, "="))
        foreign(s, name);
    else if (why)
        COMPLAIN(s, name->at,
                 "the name '%.*s' %s; every device compiles this source: take "
                 "another name",
                 shown(name), name->at, why);
}

/* ---- the dialect's statements -------------------------------------------- */

struct statement_kind {
    const char *name;
    int8_t index, second; /* which arguments are new names; -1: none */
    uint8_t is_spread;    /* else one thread walks: a loop like others */
};

static const struct statement_kind statements[] = {
    { "ITEMS", 0, -1, 1 },     { "ITEMS2", 0, 2, 1 }, { "BLOCKS", 0, -1, 1 },
    { "VITEMS", 0, 1, 1 },     { "EACH", 0, -1, 1 },  { "ONCE", -1, -1, 1 },
    { "GRID", 0, -1, 1 },      { "VGRID", 0, 1, 1 },  { "SUM_ITEMS", 1, -1, 1 },
    { "MAX_ITEMS", 1, -1, 1 }, { "VSTEPS", 0, 1, 0 },
};

static const struct statement_kind *statement_kind(const struct token *t)
{
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (t->kind == WORD && is(t, statements[i].name))
            return &statements[i];
    return NULL;
}

/* The dialect's, then what they are in the targets' headers, where an author
 * writes for one target. */
static const char *const barriers[] = {
    "SYNC",           "GROUP_SUM",
    "GROUP_MAX",      "GROUP_UMAX",
    "GROUP_UMIN",     "barrier",
    "__syncthreads",  "work_group_barrier",
    "hal_sync",       "hal_group_sum",
    "hal_group_max",  "hal_group_umax",
    "hal_group_umin", NULL,
};

int rules_is_barrier(const char *name, size_t size)
{
    struct token t = { WORD, name, size };

    return is_any(&t, barriers);
}

static unsigned line_of(struct scan *s, const struct token *t)
{
    char file[META_FILE_ROOM];

    return meta_where(s->meta, t->at, file, sizeof file);
}

/* `t` spreads work or waits for the group: may it stand here? */
static void check_group_use(struct scan *s, const struct place *p,
                            const struct token *t, int is_barrier)
{
    const struct token *in = &p->spread;

    if (!s->in_kernel)
        COMPLAIN(s, t->at,
                 "%.*s outside of a KERNEL's body: what concerns the whole "
                 "group cannot stand in a helper function",
                 (int)t->size, t->at);
    else if (in->kind != END)
        COMPLAIN(s, t->at, "%.*s inside of %.*s (line %u): %s", (int)t->size,
                 t->at, (int)in->size, in->at, line_of(s, in),
                 is_barrier ? "there each thread has its own share, and not "
                              "all come by here; put it behind that statement"
                            : "what is one thread's share already cannot be "
                              "spread over the group again");
}

/* "HAL_LD_f33", which LD(f33, x, i) becomes: there would be no such macro. */
static void check_format(struct scan *s, const struct token *t)
{
    static const char *const of[] = { "HAL_LD_",   "HAL_ST_",   "HAL_LDB_",
                                      "HAL_STB_",  "HAL_VLD_",  "HAL_VST_",
                                      "HAL_LD16_", "HAL_ST16_", NULL };

    for (size_t i = 0; of[i]; i++) {
        size_t n = strlen(of[i]);

        if (t->size > n && !memcmp(t->at, of[i], n) &&
            !words_is_format(t->at + n, t->size - n))
            COMPLAIN(s, t->at, "%.*s is no storage format; there are %s",
                     shown(t) - (int)n, t->at + n, WORDS_FORMATS);
    }
}

/* A word of an expression or at the head of a jump. */
static void used(struct scan *s, const struct place *p, const struct token *t)
{
    int is_break = is(t, "break");

    const struct statement_kind *k = statement_kind(t);

    check_format(s, t);
    if (is(t, "KERNEL") && is(&s->now, "(") && !s->in_kernel)
        COMPLAIN(s, t->at,
                 "KERNEL is not known here: `#include \"hal_dialect.h\"` is "
                 "missing before it");
    if (is_any(t, barriers) || (k && k->is_spread))
        check_group_use(s, p, t, !k);
    else if (p->spread.kind != END &&
             (is(t, "return") || (is_break && !p->loops)))
        COMPLAIN(s, t->at,
                 "%.*s inside of %.*s (line %u): it would end one thread's "
                 "share on a GPU and everybody's on a CPU",
                 (int)t->size, t->at, (int)p->spread.size, p->spread.at,
                 line_of(s, &p->spread));
    else if (is(t, "MY") && is(&s->now, "(") && !p->has_t)
        COMPLAIN(s, t->at,
                 "MY(...) outside of EACH(t): only there is one "
                 "thread's memory at hand");
}

/* ---- declarations -------------------------------------------------------- */

/* Behind these a word is no new name. */
static const char *const no_types[] = {
    "return", "else",    "case",     "goto",      "do",
    "const",  "extern",  "volatile", "restrict",  "inline",
    "static", "typedef", "sizeof",   "HAL_EXACT", NULL,
};

/* Behind these a `*` declares; behind other words it multiplies. */
static const char *const pointed[] = {
    "float", "int",   "uint",   "idx",      "vec",  "v16", "char",
    "uchar", "short", "ushort", "unsigned", "void", NULL,
};

static void statement(struct scan *s, struct place p);
static void compound(struct scan *s, struct place p);

/* One list of tokens between brackets, or a statement up to its `;`. */
struct run {
    char closer;       /* ')', ']' or ';'; 0: to the end of the text */
    struct token type; /* the word before, if it may be a type */
    int declares;      /* since the last `;` a name was declared */
    int expects_name;  /* behind a comma between declarators */
    int n;             /* words and brackets so far */
    int label;         /* the token before is a `:` */
};

static void run_tokens(struct scan *s, struct place p, char closer);

static void forget(struct run *r)
{
    r->type.kind = END;
    r->expects_name = 0;
    r->label = 0;
}

static void read_word(struct scan *s, const struct place *p, struct run *r)
{
    struct token t = s->now, type = r->type;
    int after_comma = r->expects_name;

    advance(s);
    r->n++;
    forget(r);
    used(s, p, &t);
    if (is(&t, "FN") && take(s, "(")) {
        run_tokens(s, *p, ')');
        if (s->now.kind == WORD)
            declared(s, &s->now, 1);
        return;
    }
    r->type = t;
    if (s->now.kind == WORD || is(&s->now, "*") ||
        !(after_comma || (type.kind == WORD && !is_any(&type, no_types)))) {
        foreign(s, &t);
        return;
    }
    r->declares = 1;
    /* in a body: a call behind a macro that is not ours; and "(float, int)"
     * declares nothing, though it looks like it */
    if ((is(&s->now, "(") && r->closer) ||
        (is_any(&t, pointed) && after_comma && !is(&s->now, "=")))
        foreign(s, &t);
    else
        declared(s, &t, is(&s->now, "("));
}

/* `{`; 1 if the statement ends with it. */
static int read_block(struct scan *s, const struct place *p, struct run *r)
{
    int ends = r->closer == ';' && (r->label || r->n == 2);

    compound(s, *p);
    if (!r->closer)
        s->in_kernel = 0;
    forget(r);
    return ends;
}

/* "@kernel NAME ... @end": the next block is a kernel's body; or "@group". */
static void read_record(struct scan *s)
{
    int is_kernel;

    advance(s);
    is_kernel = is(&s->now, "kernel");
    if (!is_kernel && !is(&s->now, "group"))
        return;
    while (s->now.kind != END) {
        if (take(s, "@") && is(&s->now, "end")) {
            advance(s);
            break;
        }
        advance(s);
    }
    s->in_kernel |= is_kernel;
}

/* Punctuation; 1 at the end of the run. */
static int read_other(struct scan *s, const struct place *p, struct run *r)
{
    struct token t = s->now;
    int is_pointer = is(&t, "*") && is_any(&r->type, pointed);

    if (is(&t, "{"))
        return read_block(s, p, r);
    if (is(&t, "}") && r->closer)
        return 1; /* whoever opened it takes it */
    if (is(&t, "@") && !r->closer) {
        read_record(s);
        return 0;
    }
    advance(s);
    if (is(&t, "(") || is(&t, "[")) {
        run_tokens(s, *p, is(&t, "(") ? ')' : ']');
        r->n++;
        forget(r);
    } else if (t.size == 1 && *t.at == r->closer) {
        return 1;
    } else if (is(&t, ";")) {
        forget(r);
        r->declares = 0;
    } else if (is(&t, ",")) {
        forget(r);
        r->expects_name = r->declares;
    } else if (!is_pointer && !(is(&t, "*") && r->expects_name)) {
        forget(r);
        r->label = is(&t, ":");
        r->n += 3; /* an expression: a block ends nothing */
    }
    return 0;
}

static const char *const openers[] = { "if",     "for",  "while",  "do",
                                       "switch", "else", "UNROLL", NULL };

/* A statement begins here, and it is not "float if = 1.0f". */
static int opens_statement(const struct scan *s)
{
    struct token next = token_at(s->rest);

    return (is_any(&s->now, openers) || statement_kind(&s->now)) &&
           !is(&next, "=");
}

static void run_tokens(struct scan *s, struct place p, char closer)
{
    struct run r = { .closer = closer };
    int done = 0;

    if (enter(s))
        while (!done && !s->failed && s->now.kind != END) {
            if (s->now.kind == OTHER) {
                done = read_other(s, &p, &r);
            } else if (closer == ';' && opens_statement(s)) {
                statement(s, p);
                done = 1;
            } else {
                read_word(s, &p, &r);
            }
        }
    s->depth--;
}

/* ---- statements ---------------------------------------------------------- */

static void compound(struct scan *s, struct place p)
{
    advance(s); /* { */
    if (enter(s))
        while (!s->failed && s->now.kind != END && !is(&s->now, "}"))
            statement(s, p);
    take(s, "}");
    s->depth--;
}

/* "(i, k, n)": the new names among the arguments; 1 if the first is `t`. */
static int read_indices(struct scan *s, const struct place *p,
                        const struct statement_kind *k)
{
    struct token first = s->now;
    int depth = 1, n = 0;

    if (!take(s, "("))
        return 0;
    first = s->now;
    while (!s->failed && s->now.kind != END && depth) {
        struct token t = s->now;

        advance(s);
        if (t.kind == WORD) {
            if (depth == 1 && (n == k->index || n == k->second))
                declared(s, &t, 0);
            else
                foreign(s, &t);
            used(s, p, &t);
        }
        depth += is(&t, "(") - is(&t, ")");
        n += depth == 1 && is(&t, ",");
    }
    return is(&first, "t");
}

static void spread_statement(struct scan *s, struct place p,
                             const struct statement_kind *k)
{
    struct token t = s->now;
    int t_first = 0;

    if (k->is_spread)
        check_group_use(s, &p, &t, 0);
    advance(s);
    if (k->index >= 0)
        t_first = read_indices(s, &p, k);
    if (k->is_spread) {
        p.spread = t;
        p.loops = 0;
        p.has_t = t_first && is(&t, "EACH");
    } else {
        p.loops++;
    }
    statement(s, p);
}

static void condition(struct scan *s, const struct place *p)
{
    if (take(s, "("))
        run_tokens(s, *p, ')');
}

static void statement(struct scan *s, struct place p)
{
    const struct statement_kind *k = statement_kind(&s->now);
    struct place inner = p;

    if (!enter(s))
        goto out;
    inner.loops++;
    if (k) {
        spread_statement(s, p, k);
    } else if (is(&s->now, "{")) {
        compound(s, p);
    } else if (take(s, "for") || take(s, "while") || take(s, "switch")) {
        condition(s, &p);
        statement(s, inner);
    } else if (take(s, "if")) {
        condition(s, &p);
        statement(s, p);
        if (take(s, "else"))
            statement(s, p);
    } else if (take(s, "do")) {
        statement(s, inner);
        if (take(s, "while"))
            condition(s, &p);
        take(s, ";");
    } else if (take(s, "else") || take(s, "UNROLL")) {
        statement(s, p);
    } else {
        run_tokens(s, p, ';');
    }
out:
    s->depth--;
}

enum compile_status rules_check(struct meta_text *meta, enum rules_view view,
                                struct hal_message *msg)
{
    struct scan s = {
        .meta = meta, .view = view, .msg = msg, .rest = meta->text
    };
    struct place outside = { .spread = { .kind = END } };

    advance(&s);
    run_tokens(&s, outside, 0);
    return s.failed ? COMPILE_ERROR : COMPILE_OK;
}
