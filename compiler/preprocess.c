/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preprocess.c - directives, files and the run as a whole.  Invariant: all of
 * a run's memory is in pp->arena and pp->out, which pp_run frees whatever way
 * the run ends.  Lexing, macros and expressions are in pp_*.c.
 */
#include "compiler/pp_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- text ---------------------------------------------------------------- */

static void flush(struct pp *pp)
{
    struct pp_token *list = pp->pending;

    pp_print(pp, pp_expand(pp, list, 0));
    pp->pending = NULL;
    pp->pending_end = &pp->pending;
}

/* Follows KERNEL(...) { } in the main file, so that one can be kept and the
 * others dropped: GLSL has one entry point in a text. */
static int kernel_keeps(struct pp *pp, const struct pp_token *t)
{
    int drop;

    switch (pp->kernel_state) {
    case 0: /* outside */
        if (t->kind != PP_IDENT || t->symbol != pp->sym_kernel)
            return 1;
        pp->kernel_drop = pp->options->only_kernel >= 0 &&
                          pp->n_kernels != (uint32_t)pp->options->only_kernel;
        pp->n_kernels++;
        pp->kernel_state = 1;
        pp->kernel_depth = 0;
        return !pp->kernel_drop;
    case 1: /* in the parameters */
        if (pp_is(t, "("))
            pp->kernel_depth++;
        else if (pp_is(t, ")"))
            pp->kernel_depth--;
        if (!pp->kernel_depth)
            pp->kernel_state = 2;
        return !pp->kernel_drop;
    case 2: /* between them and the body */
        drop = pp->kernel_drop;
        pp->kernel_state = pp_is(t, "{") ? 3 : 0;
        pp->kernel_depth = 1;
        return !drop;
    default: /* in the body */
        if (pp_is(t, "{"))
            pp->kernel_depth++;
        else if (pp_is(t, "}") && --pp->kernel_depth == 0)
            pp->kernel_state = 0;
        return !pp->kernel_drop;
    }
}

static void add_text(struct pp *pp, struct pp_token *t)
{
    if (pp->include_depth == 1 && !kernel_keeps(pp, t))
        return;
    t->next = NULL;
    *pp->pending_end = t;
    pp->pending_end = &t->next;
}

/* ---- #include ------------------------------------------------------------ */

/* A name that stays inside of the directory it is looked up in. */
static int stays_inside(const char *name)
{
    if (!*name || *name == '/')
        return 0;
    for (const char *p = name; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2]))
            return 0;
    }
    return 1;
}

/* The file's text in the arena; NULL when there is none. */
static const char *read_include(struct pp *pp, const char *name,
                                const struct pp_token *where)
{
    char path[4096], *text = NULL;
    const char *why = NULL;
    struct stat is;
    size_t n = 0;
    FILE *f;
    int fd;

    if (!pp->options->include_dir ||
        snprintf(path, sizeof path, "%s/%s", pp->options->include_dir, name) >=
            (int)sizeof path)
        return NULL;
    fd = open(path,
              O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not wait */
    if (fd < 0)
        return NULL;
    f = fstat(fd, &is) == 0 && S_ISREG(is.st_mode) ? fdopen(fd, "rb") : NULL;
    if (!f) {
        close(fd);
        pp_fail(pp, where->file, where->line, "#include \"%.100s\": no file",
                name);
    }
    /* The arena may refuse; take memory that can be freed behind `f`. */
    text = malloc(PP_FILE_LIMIT + 1);
    if (text)
        n = fread(text, 1, PP_FILE_LIMIT + 1, f);
    if (!text)
        why = "no memory to read it";
    else if (ferror(f))
        why = "it cannot be read";
    else if (n > PP_FILE_LIMIT)
        why = "it is too long";
    else if (memchr(text, 0, n))
        why = "it is no text (it has a NUL byte)";
    fclose(f);
    if (!why) {
        char *copy = arena_copy(&pp->arena, text, n);

        free(text);
        if (!copy)
            pp_fail(pp, where->file, where->line,
                    "#include \"%.100s\": the expansion takes too much memory",
                    name);
        return copy;
    }
    free(text);
    pp_fail(pp, where->file, where->line, "#include \"%.100s\": %s", name, why);
}

static struct pp_file *file_of(struct pp *pp, const char *name)
{
    struct pp_file *f;

    for (f = pp->files; f; f = f->next)
        if (!strcmp(f->name, name))
            return f;
    f = pp_alloc(pp, sizeof *f);
    f->name = memcpy(pp_alloc(pp, strlen(name) + 1), name, strlen(name));
    f->next = pp->files;
    pp->files = f;
    return f;
}

static void do_file(struct pp *pp, struct pp_file *file, const char *text);

static void do_include(struct pp *pp, struct pp_token *hash,
                       struct pp_token *line)
{
    struct pp_token *t = pp_is(line, "<") ? line : pp_expand(pp, line, 0);
    const char *text = NULL;
    struct pp_file *file;
    char *name;

    flush(pp);
    if (pp_is(t, "<")) { /* the target's own: it shall read it */
        hash->next->next = t;
        pp_print_line(pp, hash);
        return;
    }
    if (!t || t->kind != PP_STRING || t->text[0] != '"' || t->next)
        pp_fail(pp, hash->file, hash->line,
                "#include wants \"name\" or <name>");
    name = pp_alloc(pp, t->length);
    memcpy(name, t->text + 1, t->length - 2);
    if (!stays_inside(name))
        pp_fail(pp, hash->file, hash->line,
                "#include \"%.100s\": the name must stay inside of the include "
                "directory",
                name);
    if (pp->include_depth >= PP_INCLUDE_DEPTH)
        pp_fail(pp, hash->file, hash->line,
                "#include \"%.100s\": nested deeper than %d (does it include "
                "itself?)",
                name, PP_INCLUDE_DEPTH);
    file = file_of(pp, name);
    if (file->once)
        return;
    for (const struct hal_text_file *f = pp->options->files; f && f->name; f++)
        if (!strcmp(f->name, name))
            text = f->text;
    if (!text)
        text = read_include(pp, name, hash);
    if (!text)
        pp_fail(pp, hash->file, hash->line,
                "#include \"%.100s\": no such file%s%.200s", name,
                pp->options->include_dir ? " in " : "",
                pp->options->include_dir ? pp->options->include_dir : "");
    do_file(pp, file, text);
}

/* ---- #pragma ------------------------------------------------------------- */

int pp_skip_covers(const char *skip, const char *variant)
{
    size_t n = strlen(skip);

    return !strncmp(skip, variant, n) && (!variant[n] || variant[n] == '.');
}

/* instance and skip lines at the top level are read beforehand, by
 * pp_instances_read; a skip inside of a conditional counts here. */
static void do_pragma_hal(struct pp *pp, const struct pp_token *hash,
                          const struct pp_token *line, uint32_t cond_depth)
{
    const char *rest, *end;
    char variant[64];

    if (pp_is(line, "instance")) {
        if (cond_depth || pp->include_depth > 1)
            pp_fail(pp, hash->file, hash->line,
                    "#pragma hal instance must stand in the .k itself, outside "
                    "of #if");
        return;
    }
    if (!pp_is(line, "skip"))
        pp_fail(pp, hash->file, hash->line,
                "#pragma hal: '%.60s' is neither 'instance' nor 'skip'",
                line ? pp_spell(pp, line, NULL) : "");
    if (!cond_depth && pp->include_depth <= 1)
        return;
    rest = line->next ? pp_spell(pp, line->next, NULL) : "";
    end = rest + strcspn(rest, " \t");
    if (end == rest || end - rest >= (int)sizeof variant)
        pp_fail(pp, hash->file, hash->line,
                "#pragma hal skip wants the name of a variant");
    memcpy(variant, rest, (size_t)(end - rest));
    variant[end - rest] = 0;
    pp_check_skip(pp, hash, variant);
    if (pp->options->variant && pp_skip_covers(variant, pp->options->variant)) {
        pp->skipped = 1;
        snprintf(pp->skip_reason, sizeof pp->skip_reason, "%s",
                 end + strspn(end, " \t"));
    }
}

static void do_pragma(struct pp *pp, struct pp_file *file,
                      struct pp_token *hash, struct pp_token *line,
                      uint32_t cond_depth)
{
    if (pp_is(line, "hal")) {
        do_pragma_hal(pp, hash, line->next, cond_depth);
    } else if (pp_is(line, "once")) {
        file->once = 1;
    } else {
        flush(pp);
        pp_print_line(pp, hash);
    }
}

/* ---- conditionals -------------------------------------------------------- */

struct cond {
    uint32_t line;
    uint8_t outer, taken, was_else;
};

struct conds {
    struct cond stack[PP_COND_DEPTH];
    uint32_t n;
    int live;
};

static int is_defined(struct pp *pp, const struct pp_token *hash,
                      const struct pp_token *line)
{
    if (!line || line->kind != PP_IDENT)
        pp_fail(pp, hash->file, hash->line, "#%.*s wants a name",
                (int)hash->next->length, hash->next->text);
    return line->symbol->macro || line->symbol->builtin;
}

static void cond_open(struct pp *pp, struct conds *c,
                      const struct pp_token *hash, struct pp_token *line)
{
    struct cond *top;
    int is = 0;

    if (c->n == PP_COND_DEPTH)
        pp_fail(pp, hash->file, hash->line, "#if nested deeper than %d",
                PP_COND_DEPTH);
    if (c->live) {
        if (pp_is(hash->next, "if"))
            is = pp_condition(pp, line, hash);
        else
            is = is_defined(pp, hash, line) == pp_is(hash->next, "ifdef");
    }
    top = &c->stack[c->n++];
    *top = (struct cond){ hash->line, (uint8_t)c->live, (uint8_t)is, 0 };
    c->live = c->live && is;
}

static void cond_turn(struct pp *pp, struct conds *c,
                      const struct pp_token *hash, struct pp_token *line)
{
    struct cond *top = c->n ? &c->stack[c->n - 1] : NULL;
    int is_else = pp_is(hash->next, "else"), is;

    if (!top || top->was_else)
        pp_fail(pp, hash->file, hash->line, "#%.*s without #if",
                (int)hash->next->length, hash->next->text);
    top->was_else = (uint8_t)is_else;
    if (!top->outer || top->taken) {
        c->live = 0;
        return;
    }
    is = is_else || pp_condition(pp, line, hash);
    top->taken = (uint8_t)is;
    c->live = is;
}

/* 1 if the directive was a conditional. */
static int do_conditional(struct pp *pp, struct conds *c,
                          const struct pp_token *hash, struct pp_token *line)
{
    const struct pp_token *word = hash->next;

    if (pp_is(word, "if") || pp_is(word, "ifdef") || pp_is(word, "ifndef")) {
        cond_open(pp, c, hash, line);
    } else if (pp_is(word, "elif") || pp_is(word, "else")) {
        cond_turn(pp, c, hash, line);
    } else if (pp_is(word, "endif")) {
        if (!c->n)
            pp_fail(pp, hash->file, hash->line, "#endif without #if");
        c->live = c->stack[--c->n].outer;
    } else {
        return 0;
    }
    return 1;
}

/* ---- directives ---------------------------------------------------------- */

static void do_directive(struct pp *pp, struct pp_file *file,
                         struct conds *conds, struct pp_token *hash)
{
    struct pp_token *word = hash->next, *line = word ? word->next : NULL;

    if (!word) /* a lone # is allowed and means nothing */
        return;
    if (do_conditional(pp, conds, hash, line) || !conds->live)
        return;
    if (pp_is(word, "define")) {
        flush(pp);
        pp_define(pp, line, hash);
    } else if (pp_is(word, "undef")) {
        flush(pp);
        is_defined(pp, hash, line);
        line->symbol->macro = NULL;
    } else if (pp_is(word, "include")) {
        do_include(pp, hash, line);
    } else if (pp_is(word, "pragma")) {
        do_pragma(pp, file, hash, line, conds->n);
    } else if (pp_is(word, "error")) {
        pp_fail(pp, hash->file, hash->line, "#error %.300s",
                line ? pp_spell(pp, line, NULL) : "");
    } else if (pp_is(word, "extension") || pp_is(word, "version")) {
        flush(pp); /* GLSL's own */
        pp_print_line(pp, hash);
    } else if (!pp_is(word, "warning")) {
        pp_fail(pp, hash->file, hash->line, "#%.*s is no directive",
                (int)(word->length > 60 ? 60 : word->length), word->text);
    }
}

static void do_file(struct pp *pp, struct pp_file *file, const char *text)
{
    struct conds *conds = pp_alloc(pp, sizeof *conds);
    struct pp_token *t = pp_lex(pp, file, pp_text_start(text), 1);
    struct pp_token *next, *last;

    conds->live = 1;
    pp->include_depth++;
    for (; t; t = next) {
        next = t->next;
        if (!t->bol || !pp_is(t, "#")) {
            if (conds->live)
                add_text(pp, t);
            continue;
        }
        for (last = t; last->next && !last->next->bol; last = last->next)
            ;
        next = last->next;
        last->next = NULL;
        do_directive(pp, file, conds, t);
    }
    if (conds->n)
        pp_fail(pp, file, conds->stack[conds->n - 1].line,
                "this #if has no #endif");
    flush(pp);
    pp->include_depth--;
}

/* ---- the run ------------------------------------------------------------- */

static void predefine(struct pp *pp)
{
    static const struct {
        const char *name;
        uint8_t builtin;
    } builtins[] = { { "__LINE__", PP_LINE },
                     { "__FILE__", PP_FILE },
                     { "__COUNTER__", PP_COUNTER } };
    struct pp_file *file = file_of(pp, "-D");

    pp->sym_defined = pp_symbol_of(pp, "defined", 7);
    pp->sym_va_args = pp_symbol_of(pp, "__VA_ARGS__", 11);
    pp->sym_kernel = pp_symbol_of(pp, "KERNEL", 6);
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        pp_symbol_of(pp, builtins[i].name, strlen(builtins[i].name))->builtin =
            builtins[i].builtin;
    for (size_t i = 0; i < pp->options->n_defines; i++) {
        const char *d = pp->options->defines[i], *eq = strchr(d, '=');
        size_t n = eq ? (size_t)(eq - d) : strlen(d);
        char *line = pp_alloc(pp, strlen(d) + 3);
        struct pp_token where = { .file = file, .line = 1 }, *t;

        /* "N=V" is `#define N V`, "N(a)=V" works too */
        memcpy(line, d, n);
        strcpy(line + n, " ");
        strcat(line, eq ? eq + 1 : "1");
        t = pp_lex(pp, file, line, 1);
        for (const struct pp_token *x = t ? t->next : NULL; x; x = x->next)
            if (x->bol)
                pp_fail(pp, file, 1, "-D%.100s: a newline", d);
        pp_define(pp, t, &where);
    }
}

static void run(struct pp *pp)
{
    predefine(pp);
    do_file(pp, file_of(pp, pp->options->name), pp->options->text);
    if (pp->out_last)
        buffer_text(&pp->out, "\n");
    buffer_text(&pp->out, ""); /* at least a NUL */
    if (pp->out.failed)
        pp->status = COMPILE_NO_MEMORY;
}

enum compile_status pp_run(const struct pp_options *options,
                           struct pp_result *out, struct hal_message *msg)
{
    struct pp *pp = calloc(1, sizeof *pp);
    enum compile_status st;

    if (!pp) {
        snprintf(msg->text, sizeof msg->text, "%s: no memory to expand it",
                 options->name);
        return COMPILE_NO_MEMORY;
    }
    pp->options = options;
    pp->msg = msg;
    pp->arena.limit_bytes =
        options->memory_limit ? options->memory_limit : PP_MEMORY_LIMIT;
    pp->steps_left = options->step_limit ? options->step_limit : PP_STEP_LIMIT;
    pp->out.limit_bytes = PP_OUTPUT_LIMIT;
    pp->here_line = 1;
    pp->pending_end = &pp->pending;
    if (!setjmp(pp->failed))
        run(pp);
    st = pp->status;
    if (st == COMPILE_OK) {
        *out = (struct pp_result){ .text = pp->out.bytes,
                                   .size = pp->out.size,
                                   .n_kernels = pp->n_kernels,
                                   .skipped = pp->skipped };
        memcpy(out->skip_reason, pp->skip_reason, sizeof out->skip_reason);
        pp->out.bytes = NULL; /* published */
    }
    buffer_free(&pp->out);
    arena_free(&pp->arena);
    free(pp);
    return st;
}
