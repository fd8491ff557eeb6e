/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pp_expr.c - constant expressions, for #if and for the counts in reflection.
 * Arithmetic is C's on 64 bits, signed or unsigned; what C leaves undefined
 * (overflow, long shifts) wraps here, and division by zero is an error unless
 * it is not evaluated.
 */
#include "compiler/pp_internal.h"

#include <ctype.h>
#include <string.h>

struct value {
    int64_t v;
    int is_unsigned;
};

/* Reads tokens from a list (#if) or straight from text (reflection). */
struct expr {
    const struct pp_token *token; /* or NULL, and then: */
    const char *text;
    char here[64]; /* the current token's spelling; "" at the end */
    size_t length;
    int names_are_zero; /* #if; else a name is an error */
    uint32_t depth;
    int dead;          /* > 0: this side is not evaluated */
    const char *error; /* static; the first one */
};

static struct value expr_any(struct expr *x);

static void fail(struct expr *x, const char *why)
{
    if (!x->error)
        x->error = why;
}

/* ---- reading ------------------------------------------------------------- */

static void load_text(struct expr *x)
{
    static const char *const two[] = { "<<", ">>", "<=", ">=",
                                       "==", "!=", "&&", "||" };
    const char *p;

    while (isspace((unsigned char)*x->text))
        x->text++;
    p = x->text;
    if (isalnum((unsigned char)*p) || *p == '_') {
        while (isalnum((unsigned char)*p) || *p == '_' || *p == '.')
            p++;
    } else if (*p) {
        p++;
        for (size_t i = 0; i < sizeof two / sizeof *two; i++)
            if (!strncmp(x->text, two[i], 2))
                p = x->text + 2;
    }
    x->length = (size_t)(p - x->text);
    if (x->length >= sizeof x->here) {
        fail(x, "a number or name is too long");
        x->length = sizeof x->here - 1;
    }
    memcpy(x->here, x->text, x->length);
    x->here[x->length] = 0;
}

static void load(struct expr *x)
{
    if (x->text) {
        load_text(x);
        return;
    }
    x->here[0] = 0;
    if (!x->token)
        return;
    if (x->token->length >= sizeof x->here) {
        if (x->token->kind != PP_IDENT)
            fail(x, "a number is too long");
        strcpy(x->here, "_");
        return;
    }
    memcpy(x->here, x->token->text, x->token->length);
    x->here[x->token->length] = 0;
}

static void advance(struct expr *x)
{
    if (x->text)
        x->text += x->length;
    else if (x->token)
        x->token = x->token->next;
    load(x);
}

static int take(struct expr *x, const char *op)
{
    if (strcmp(x->here, op) != 0)
        return 0;
    advance(x);
    return 1;
}

/* ---- primaries ----------------------------------------------------------- */

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

static struct value number(struct expr *x)
{
    const char *p = x->here;
    uint64_t v = 0;
    int base = 10, is_unsigned = 0, over = 0, digits = 0;

    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
        base = 16;
        p += 2;
    } else if (p[0] == '0' && (p[1] == 'b' || p[1] == 'B')) {
        base = 2;
        p += 2;
    } else if (p[0] == '0') {
        base = 8;
    }
    for (; digit_of(*p) < base; p++, digits++) {
        over |= __builtin_mul_overflow(v, (uint64_t)base, &v);
        over |= __builtin_add_overflow(v, (uint64_t)digit_of(*p), &v);
    }
    for (; *p == 'u' || *p == 'U' || *p == 'l' || *p == 'L'; p++)
        is_unsigned |= *p == 'u' || *p == 'U';
    if (*p || !digits)
        fail(x, "a number is not an integer constant");
    else if (over)
        fail(x, "a number does not fit 64 bits");
    if (v > INT64_MAX)
        is_unsigned = 1;
    advance(x);
    return (struct value){ (int64_t)v, is_unsigned };
}

static struct value character(struct expr *x)
{
    static const char from[] = "ntr0abfv\\'\"?",
                      to[] = "\n\t\r\0\a\b\f\v\\'\"?";
    const char *p = x->here + 1;
    struct value r = { 0, 0 };

    if (*p == '\\') {
        const char *at = p[1] ? strchr(from, p[1]) : NULL;

        if (at)
            r.v = to[at - from];
        else
            fail(x, "an escape that is not known here");
        p++;
    } else {
        r.v = (signed char)*p;
    }
    if (!*p || p[1] != '\'' || p[2])
        fail(x, "a character constant must have one character");
    advance(x);
    return r;
}

static struct value size_of(struct expr *x)
{
    struct value r = { 0, 1 };
    int paren = take(x, "(");

    r.v = pp_type_bytes(x->here, strlen(x->here));
    if (!r.v)
        fail(x, "sizeof: a type that is not known");
    advance(x);
    if (paren && !take(x, ")"))
        fail(x, "')' is missing");
    return r;
}

static struct value primary(struct expr *x)
{
    struct value r = { 0, 0 };
    char c = x->here[0];

    if (take(x, "(")) {
        r = expr_any(x);
        if (!take(x, ")"))
            fail(x, "')' is missing");
        return r;
    }
    if (isdigit((unsigned char)c))
        return number(x);
    if (c == '\'')
        return character(x);
    if (isalpha((unsigned char)c) || c == '_') {
        if (!x->names_are_zero && take(x, "sizeof"))
            return size_of(x);
        if (!x->names_are_zero)
            fail(x, "a name that is no constant");
        advance(x);
        return r;
    }
    fail(x, c ? "an operand is missing" : "the expression ends too early");
    return r;
}

static struct value unary(struct expr *x)
{
    struct value r = { 0, 0 };

    if (x->depth++ >= PP_EXPR_DEPTH) {
        fail(x, "the expression is nested too deeply");
    } else if (x->error) {
        /* stop early: nothing below can matter */
    } else if (take(x, "!")) {
        r = unary(x);
        r = (struct value){ !r.v, 0 };
    } else if (take(x, "-")) {
        r = unary(x);
        r.v = (int64_t)(0 - (uint64_t)r.v);
    } else if (take(x, "+")) {
        r = unary(x);
    } else if (take(x, "~")) {
        r = unary(x);
        r.v = ~r.v;
    } else {
        r = primary(x);
    }
    x->depth--;
    return r;
}

/* ---- binary operators ---------------------------------------------------- */

enum op {
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_ADD,
    OP_SUB,
    OP_SHL,
    OP_SHR,
    OP_LT,
    OP_GT,
    OP_LE,
    OP_GE,
    OP_EQ,
    OP_NE,
    OP_AND,
    OP_XOR,
    OP_OR
};

static const struct {
    const char *spelling;
    int level; /* higher binds tighter */
} operators[] = {
    [OP_MUL] = { "*", 8 },  [OP_DIV] = { "/", 8 }, [OP_MOD] = { "%", 8 },
    [OP_ADD] = { "+", 7 },  [OP_SUB] = { "-", 7 }, [OP_SHL] = { "<<", 6 },
    [OP_SHR] = { ">>", 6 }, [OP_LT] = { "<", 5 },  [OP_GT] = { ">", 5 },
    [OP_LE] = { "<=", 5 },  [OP_GE] = { ">=", 5 }, [OP_EQ] = { "==", 4 },
    [OP_NE] = { "!=", 4 },  [OP_AND] = { "&", 3 }, [OP_XOR] = { "^", 2 },
    [OP_OR] = { "|", 1 },
};

static int64_t divide(struct expr *x, enum op op, struct value a,
                      struct value b, int is_unsigned)
{
    if (!b.v) {
        if (!x->dead)
            fail(x, "division by zero");
        return 0;
    }
    if (is_unsigned)
        return (int64_t)(op == OP_DIV ? (uint64_t)a.v / (uint64_t)b.v
                                      : (uint64_t)a.v % (uint64_t)b.v);
    if (b.v == -1) /* INT64_MIN / -1 would trap */
        return op == OP_DIV ? (int64_t)(0 - (uint64_t)a.v) : 0;
    return op == OP_DIV ? a.v / b.v : a.v % b.v;
}

static int64_t shift(enum op op, struct value a, struct value b)
{
    uint64_t by = (uint64_t)b.v;

    if (op == OP_SHL)
        return by > 63 ? 0 : (int64_t)((uint64_t)a.v << by);
    if (a.is_unsigned)
        return by > 63 ? 0 : (int64_t)((uint64_t)a.v >> by);
    return a.v >> (by > 63 ? 63 : by);
}

static struct value apply(struct expr *x, enum op op, struct value a,
                          struct value b)
{
    int u = a.is_unsigned || b.is_unsigned;
    int less = u ? (uint64_t)a.v < (uint64_t)b.v : a.v < b.v;
    int64_t v = 0;

    switch (op) {
    case OP_MUL:
        v = (int64_t)((uint64_t)a.v * (uint64_t)b.v);
        break;
    case OP_DIV:
    case OP_MOD:
        v = divide(x, op, a, b, u);
        break;
    case OP_ADD:
        v = (int64_t)((uint64_t)a.v + (uint64_t)b.v);
        break;
    case OP_SUB:
        v = (int64_t)((uint64_t)a.v - (uint64_t)b.v);
        break;
    case OP_SHL:
    case OP_SHR:
        return (struct value){ shift(op, a, b), a.is_unsigned };
    case OP_LT:
        return (struct value){ less, 0 };
    case OP_GT:
        return (struct value){ !less && a.v != b.v, 0 };
    case OP_LE:
        return (struct value){ less || a.v == b.v, 0 };
    case OP_GE:
        return (struct value){ !less, 0 };
    case OP_EQ:
        return (struct value){ a.v == b.v, 0 };
    case OP_NE:
        return (struct value){ a.v != b.v, 0 };
    case OP_AND:
        v = a.v & b.v;
        break;
    case OP_XOR:
        v = a.v ^ b.v;
        break;
    case OP_OR:
        v = a.v | b.v;
        break;
    }
    return (struct value){ v, u };
}

static struct value binary(struct expr *x, int level)
{
    struct value a = level > 8 ? unary(x) : binary(x, level + 1);

    if (level > 8)
        return a;
    while (!x->error) {
        size_t i, n = sizeof operators / sizeof *operators;

        for (i = 0; i < n; i++)
            if (operators[i].level == level &&
                !strcmp(x->here, operators[i].spelling))
                break;
        if (i == n)
            break;
        advance(x);
        a = apply(x, (enum op)i, a, binary(x, level + 1));
    }
    return a;
}

static struct value logic_and(struct expr *x)
{
    struct value a = binary(x, 1), b;

    while (!x->error && take(x, "&&")) {
        x->dead += !a.v;
        b = binary(x, 1);
        x->dead -= !a.v;
        a = (struct value){ a.v && b.v, 0 };
    }
    return a;
}

static struct value logic_or(struct expr *x)
{
    struct value a = logic_and(x), b;

    while (!x->error && take(x, "||")) {
        x->dead += !!a.v;
        b = logic_and(x);
        x->dead -= !!a.v;
        a = (struct value){ a.v || b.v, 0 };
    }
    return a;
}

static struct value expr_any(struct expr *x)
{
    struct value r = { 0, 0 }, yes, no;

    if (x->depth++ >= PP_EXPR_DEPTH) {
        fail(x, "the expression is nested too deeply");
    } else {
        r = logic_or(x);
        if (!x->error && take(x, "?")) {
            x->dead += !r.v;
            yes = expr_any(x);
            x->dead -= !r.v;
            if (!take(x, ":"))
                fail(x, "'?' without ':'");
            x->dead += !!r.v;
            no = expr_any(x);
            x->dead -= !!r.v;
            yes.is_unsigned = no.is_unsigned =
                yes.is_unsigned || no.is_unsigned;
            r = r.v ? yes : no;
        }
    }
    x->depth--;
    return r;
}

/* ---- #if ----------------------------------------------------------------- */

/* Replaces `defined X` and `defined(X)` by 1 or 0. */
static void answer_defined(struct pp *pp, struct pp_token *line,
                           const struct pp_token *where)
{
    for (struct pp_token *t = line; t; t = t->next) {
        struct pp_token *name;
        int paren;

        if (t->symbol != pp->sym_defined || t->kind != PP_IDENT)
            continue;
        paren = pp_is(t->next, "(");
        name = paren ? t->next->next : t->next;
        if (!name || name->kind != PP_IDENT ||
            (paren && !pp_is(name->next, ")")))
            pp_fail(pp, where->file, where->line,
                    "'defined' wants a name behind it");
        t->kind = PP_NUMBER;
        t->text = name->symbol->macro || name->symbol->builtin ? "1" : "0";
        t->length = 1;
        t->next = paren ? name->next->next : name->next;
    }
}

int pp_condition(struct pp *pp, struct pp_token *line,
                 const struct pp_token *where)
{
    struct expr x = { .names_are_zero = 1 };
    struct value v;

    answer_defined(pp, line, where);
    x.token = pp_expand(pp, line, 0);
    if (!x.token)
        pp_fail(pp, where->file, where->line, "#if without an expression");
    load(&x);
    v = expr_any(&x);
    if (x.error)
        pp_fail(pp, where->file, where->line, "#if: %s", x.error);
    if (x.here[0])
        pp_fail(pp, where->file, where->line, "#if: '%.60s' is one too many",
                x.here);
    return v.v != 0;
}

/* ---- reflection ---------------------------------------------------------- */

uint32_t pp_type_bytes(const char *name, size_t length)
{
    static const struct {
        const char *name;
        uint32_t bytes;
    } types[] = {
        { "float", 4 },  { "uint", 4 },    { "int", 4 },   { "idx", 4 },
        { "float2", 8 }, { "float4", 16 }, { "uint2", 8 }, { "uint4", 16 },
        { "int2", 8 },   { "int4", 16 },   { "v16", 64 },  { "double", 8 },
        { "half", 2 },   { "char", 1 },    { "uchar", 1 }, { "short", 2 },
        { "ushort", 2 }, { "long", 8 },    { "ulong", 8 }, { "f32", 4 },
        { "f16", 2 },    { "bf16", 2 },    { "f64", 8 },   { "i8", 1 },
        { "u8", 1 },     { "i16", 2 },     { "u16", 2 },   { "i32", 4 },
        { "u32", 4 },    { "i64", 8 },     { "u64", 8 },   { "e4m3", 1 },
        { "e5m2", 1 },
    };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].name) == length &&
            !memcmp(types[i].name, name, length))
            return types[i].bytes;
    return 0;
}

int pp_evaluate(const char *text, int64_t *values, int max,
                const char **out_end, const char **out_why)
{
    struct expr x = { .text = text };
    int n = 0;

    load(&x);
    while (n < max && !x.error &&
           (isalnum((unsigned char)x.here[0]) || x.here[0] == '_' ||
            x.here[0] == '(' || x.here[0] == '-' || x.here[0] == '!' ||
            x.here[0] == '+' || x.here[0] == '~'))
        values[n++] = expr_any(&x).v;
    if (x.error) {
        *out_why = x.error;
        return -1;
    }
    *out_end = x.text;
    return n;
}
