/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reflect.c - reads what KERNEL expands to under HAL_META:
 *
 *   @group GROUP @end
 *   @kernel NAME GROUP CHUNK SHARED PRIV : KIND, TYPE, NAME, COUNT; ... @end
 *
 * The first is hal_dialect.h's, and without it there is nothing to check.
 * The four numbers and the counts are constant expressions.  SHARED and PRIV
 * are what the target adds to the LOCAL and PRIV parameters.  All else in the
 * text is ignored.
 */
#include "compiler/expand.h"
#include "compiler/halbin_internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KERNELS_MAX 256

/* More than any device has: a limit against overflow, not a promise. */
#define BYTES_MAX ((int64_t)1 << 30)

struct reader {
    struct meta_text meta;
    const char *at, *here; /* here: the word or number that was read last */
    struct reflection *k;  /* the current one */
    struct hal_message *msg;
    int failed;
    int seen_memory; /* a LOCAL or PRIV: no launch argument may follow */
    int64_t group;   /* where hal_dialect.h was included; 0: not known */
};

/* halDtype's values; the names are the dialect's storage formats. */
static const struct {
    const char *name;
    uint8_t dtype, is_scalar; /* scalar: an ARG may have it */
} dtypes[] = {
    { "f32", 0, 0 },   { "f16", 1, 0 },   { "bf16", 2, 0 },  { "f64", 3, 0 },
    { "i8", 4, 0 },    { "u8", 5, 0 },    { "i16", 6, 0 },   { "u16", 7, 0 },
    { "i32", 8, 0 },   { "u32", 9, 0 },   { "i64", 10, 0 },  { "u64", 11, 0 },
    { "e4m3", 12, 0 }, { "e5m2", 13, 0 }, { "float", 0, 1 }, { "int", 8, 1 },
    { "uint", 9, 1 },
};

__attribute__((format(printf, 2, 3))) static void
complain(struct reader *r, const char *format, ...)
{
    struct hal_message what;
    va_list args;

    if (r->failed)
        return;
    r->failed = 1;
    va_start(args, format);
    vsnprintf(what.text, sizeof what.text, format, args);
    va_end(args);
    meta_complain(&r->meta, r->here, r->msg, "kernel%s%.63s%s: %s",
                  r->k->name[0] ? " '" : "", r->k->name,
                  r->k->name[0] ? "'" : "", what.text);
}

static void skip_blank(struct reader *r)
{
    r->at += strspn(r->at, " \t\n");
    r->here = r->at;
}

static int take(struct reader *r, const char *text)
{
    size_t n = strlen(text);
    const char *p = r->at + strspn(r->at, " \t\n");

    if (strncmp(p, text, n) != 0)
        return 0;
    r->at = p + n;
    return 1;
}

/* How much of what comes is put into a message: up to the line's end. */
static int shown(const struct reader *r)
{
    size_t n = strcspn(r->at, ";\n");

    return n > 40 ? 40 : (int)n;
}

static void want(struct reader *r, const char *text)
{
    if (!r->failed && !take(r, text))
        complain(r, "the reflection record lacks '%s' at '%.*s'", text,
                 shown(r), r->at);
}

/* An identifier of less than `room` characters. */
static void word(struct reader *r, char *out, size_t room)
{
    size_t n = 0;

    skip_blank(r);
    while (isalnum((unsigned char)r->at[n]) || r->at[n] == '_')
        n++;
    if (!n)
        complain(r, "the reflection record lacks a name at '%.*s'", shown(r),
                 r->at);
    if (n >= room) {
        complain(r, "the name '%.20s...' has %zu characters; the limit is %zu",
                 r->at, n, room - 1);
        n = room - 1;
    }
    memcpy(out, r->at, n);
    out[n] = 0;
    r->at += n;
}

static uint32_t constant(struct reader *r, const char *what, int64_t least)
{
    const char *why = "it is no constant";
    int64_t v = 0;

    if (r->failed)
        return 0;
    skip_blank(r);
    if (pp_evaluate(r->at, &v, 1, &r->at, &why) != 1)
        complain(r, "%s: %s, at '%.*s'", what, why, shown(r), r->at);
    else if (v < least || v > BYTES_MAX)
        complain(r, "%s is %lld", what, (long long)v);
    return (uint32_t)v;
}

static void add_bytes(struct reader *r, uint32_t *bytes, uint32_t element,
                      uint32_t count, const char *what)
{
    uint64_t align = element > 16 ? 16 : element, sum = *bytes;

    sum = (sum + align - 1) & ~(align - 1);
    sum += (uint64_t)element * count;
    if (sum > (uint64_t)BYTES_MAX)
        complain(r, "%s memory: %llu bytes", what, (unsigned long long)sum);
    else
        *bytes = (uint32_t)sum;
}

/* LOCAL and PRIV: memory, no launch argument. */
static void read_memory(struct reader *r, const char *kind, const char *type)
{
    uint32_t element = pp_type_bytes(type, strlen(type));
    uint32_t count = constant(r, "a count", 1);

    if (!element)
        complain(r, "a %s of the unknown type '%s'", kind, type);
    else if (!strcmp(kind, "local"))
        add_bytes(r, &r->k->shared_bytes, element, count, "LOCAL");
    else
        add_bytes(r, &r->k->priv_bytes, element, count, "PRIV");
}

static void read_argument(struct reader *r, const char *kind, const char *type,
                          const char *name)
{
    static const struct {
        const char *name;
        uint8_t kind, blocks;
    } kinds[] = {
        { "in", HAL_PARAM_IN, 0 },       { "in16", HAL_PARAM_IN, 1 },
        { "out", HAL_PARAM_OUT, 0 },     { "out16", HAL_PARAM_OUT, 1 },
        { "inout", HAL_PARAM_INOUT, 0 }, { "inout16", HAL_PARAM_INOUT, 1 },
        { "arg", HAL_PARAM_ARG, 0 },
    };
    size_t n_kinds = sizeof kinds / sizeof *kinds, i;
    size_t n_dtypes = sizeof dtypes / sizeof *dtypes, t;
    struct hal_param *p;

    for (i = 0; i < n_kinds && strcmp(kinds[i].name, kind) != 0; i++)
        ;
    for (t = 0; t < n_dtypes && strcmp(dtypes[t].name, type) != 0; t++)
        ;
    if (i == n_kinds) {
        complain(r, "parameter '%s': '%s' is no kind of parameter", name, kind);
        return;
    }
    if (t == n_dtypes ||
        (!dtypes[t].is_scalar && !words_is_format(type, strlen(type))) ||
        (dtypes[t].is_scalar != (kinds[i].kind == HAL_PARAM_ARG))) {
        complain(r, "parameter '%s': '%s' is no %s", name, type,
                 kinds[i].kind == HAL_PARAM_ARG
                     ? "scalar type (float, int or uint)"
                     : "storage format; there are " WORDS_FORMATS);
        return;
    }
    if (r->k->n_params == HAL_PARAMS_MAX) {
        complain(r, "more than %d launch arguments", HAL_PARAMS_MAX);
        return;
    }
    for (uint32_t k = 0; k < r->k->n_params; k++)
        if (!strcmp(r->k->params[k].name, name))
            complain(r, "parameter '%s' twice", name);
    p = &r->k->params[r->k->n_params++];
    p->kind = kinds[i].kind;
    p->dtype = dtypes[t].dtype;
    p->alignment =
        kinds[i].blocks ? 16 : (uint16_t)pp_type_bytes(type, strlen(type));
    strcpy(p->name, name);
    constant(r, "a count", 0);
}

static void check_name(struct reader *r, const char *name, int is_kernel)
{
    const char *why = words_name_fault(name, strlen(name), is_kernel);

    if (!r->failed && why)
        complain(r,
                 "the name '%s' %s; every device compiles this source: "
                 "take another name",
                 name, why);
}

static void read_param(struct reader *r)
{
    char kind[16], type[HAL_NAME_MAX + 1], name[HAL_SHORT_NAME_MAX + 1];

    word(r, kind, sizeof kind);
    if (!take(r, ","))
        complain(r, "a parameter is missing, or none of IN OUT INOUT IN16 "
                    "OUT16 ARG LOCAL PRIV");
    word(r, type, sizeof type);
    want(r, ",");
    word(r, name, sizeof name);
    check_name(r, name, 0);
    want(r, ",");
    if (r->failed)
        return;
    if (!strcmp(kind, "local") || !strcmp(kind, "priv")) {
        r->seen_memory = 1;
        read_memory(r, kind, type);
    } else if (r->seen_memory) {
        complain(r,
                 "parameter '%s' stands after LOCAL or PRIV; launch "
                 "arguments come first",
                 name);
    } else {
        read_argument(r, kind, type, name);
    }
    want(r, ";");
}

/* The dialect's own functions are made for one GROUP: with another their sums
 * would leave threads out, without a word from any compiler. */
static void check_group(struct reader *r)
{
    if (r->group < 0)
        complain(r, "GROUP is no constant where hal_dialect.h is included; "
                    "define it, and what it is made of, before");
    else if (r->group && r->group != r->k->group)
        complain(r,
                 "GROUP is %u, and was %lld where hal_dialect.h is included; "
                 "define it before the include, once for the whole file",
                 r->k->group, (long long)r->group);
}

static void read_kernel(struct reader *r)
{
    uint32_t shared, priv;

    word(r, r->k->name, HAL_SHORT_NAME_MAX + 1);
    r->k->line = meta_where(&r->meta, r->here, r->k->file, sizeof r->k->file);
    check_name(r, r->k->name, 1);
    if (!r->failed && isdigit((unsigned char)r->k->name[0]))
        complain(r, "a name must not begin with a digit");
    r->k->group = constant(r, "GROUP", 1);
    check_group(r);
    r->k->chunk = constant(r, "CHUNK", 0);
    shared = constant(r, "the target's shared memory", 0);
    priv = constant(r, "the target's private memory", 0);
    if (!r->failed && r->k->group > 65536)
        complain(r, "GROUP is %u", r->k->group);
    want(r, ":");
    r->seen_memory = 0;
    while (!r->failed && !take(r, "@end"))
        read_param(r);
    if (r->failed)
        return;
    add_bytes(r, &r->k->shared_bytes, 1, shared, "LOCAL");
    add_bytes(r, &r->k->priv_bytes, 1, priv, "PRIV");
}

/* "@kernel", which the preprocessor prints as one or two tokens. */
static const char *next_record(const char *text, const char *kind)
{
    size_t n = strlen(kind);

    while ((text = strchr(text, '@'))) {
        const char *p = text + 1 + strspn(text + 1, " ");

        if (!strncmp(p, kind, n) && isspace((unsigned char)p[n]))
            return p + n;
        text++;
    }
    return NULL;
}

static void read_group(struct reader *r)
{
    const char *at = next_record(r->at, "group"), *why;

    if (at && pp_evaluate(at, &r->group, 1, &at, &why) != 1)
        r->group = -1;
}

/* Reads all records; *out is malloc'ed even when it fails. */
static enum compile_status
read_records(struct reader *r, struct reflection **out, uint32_t *out_n)
{
    uint32_t room = 0;

    read_group(r);
    while (!r->failed && (r->at = next_record(r->at, "kernel"))) {
        if (*out_n == KERNELS_MAX) {
            r->here = r->at;
            complain(r, "it and %d others are too many for one file",
                     KERNELS_MAX);
            break;
        }
        if (*out_n == room) {
            struct reflection *more;

            room = room ? room * 2 : 4;
            more = realloc(*out, room * sizeof **out);
            if (!more)
                return COMPILE_NO_MEMORY;
            *out = more;
        }
        r->k = &(*out)[(*out_n)++];
        memset(r->k, 0, sizeof *r->k);
        read_kernel(r);
    }
    return r->failed ? COMPILE_ERROR : rules_check(&r->meta, RULES_OWN, r->msg);
}

enum compile_status reflect(const char *source_name, const char *text,
                            struct reflection **out, uint32_t *out_n,
                            struct hal_message *msg)
{
    struct reader r = { .msg = msg };
    struct reflection *list = NULL;
    enum compile_status st = COMPILE_NO_MEMORY;
    uint32_t n = 0;

    if (meta_text_open(&r.meta, source_name, text)) {
        r.at = r.here = r.meta.text;
        st = read_records(&r, &list, &n);
    }
    if (st == COMPILE_NO_MEMORY)
        snprintf(msg->text, sizeof msg->text, "%.200s: no memory", source_name);
    meta_text_close(&r.meta);
    if (st != COMPILE_OK) {
        free(list);
        return st;
    }
    *out = list;
    *out_n = n;
    return COMPILE_OK;
}
