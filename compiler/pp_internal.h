/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pp_internal.h - the preprocessor's own structs.  Everything lives in one
 * arena; an error leaves through one longjmp to pp_run, so that nothing leaks
 * and no function has to pass failures on.
 */
#ifndef COMPILER_PP_INTERNAL_H
#define COMPILER_PP_INTERNAL_H

#include "compiler/memory.h"
#include "compiler/preprocess.h"

#include <setjmp.h>

#define PP_MEMORY_LIMIT      ((size_t)256 << 20)
#define PP_STEP_LIMIT        ((uint64_t)1 << 26) /* under a second or two */
#define PP_OUTPUT_LIMIT      ((size_t)64 << 20)
#define PP_FILE_LIMIT        ((size_t)16 << 20)
#define PP_INCLUDE_DEPTH     32
#define PP_COND_DEPTH        256
#define PP_EXPAND_DEPTH      200 /* calls within arguments of calls */
#define PP_EXPR_DEPTH        200
#define PP_PARAMS_MAX        128
#define PP_KERNEL_PARAMS_MAX 36 /* what hal_pp.h's HAL_EACH goes up to */
#define PP_BUCKETS           1024

enum pp_kind {
    PP_IDENT,
    PP_NUMBER,
    PP_STRING, /* and character constants */
    PP_PUNCT,
    PP_PLACE /* an empty argument beside ##; never printed */
};

struct pp_macro;

/* A name, once per run: names are compared by address. */
struct pp_symbol {
    struct pp_symbol *next;
    struct pp_macro *macro; /* or NULL */
    uint32_t length;
    uint8_t builtin; /* enum pp_builtin */
    const char *name;
};

enum pp_builtin { PP_NOT_BUILTIN, PP_LINE, PP_FILE, PP_COUNTER };

/* Prosser's hide set: macros that must not expand in a token again. */
struct pp_hide {
    const struct pp_symbol *symbol;
    const struct pp_hide *next;
};

struct pp_file {
    const char *name;
    int once; /* #pragma once was seen */
    struct pp_file *next;
};

struct pp_token {
    struct pp_token *next;
    const char *text;
    struct pp_symbol *symbol; /* of identifiers */
    const struct pp_hide *hide;
    const struct pp_file *file; /* where it was written or called */
    uint32_t length, line;
    uint8_t kind;  /* enum pp_kind */
    uint8_t space; /* white space before it */
    uint8_t bol;   /* first of its line */
};

struct pp_macro {
    int function, variadic;
    uint32_t n_params;
    struct pp_symbol **params; /* the last one takes the rest if variadic */
    struct pp_token *body;
};

struct pp {
    const struct pp_options *options;
    struct arena arena;
    struct buffer out;
    struct hal_message *msg;
    enum compile_status status;
    jmp_buf failed;

    struct pp_symbol *buckets[PP_BUCKETS];
    struct pp_symbol *sym_defined, *sym_va_args, *sym_kernel;
    struct pp_file *files;
    uint64_t steps_left;
    uint32_t counter;
    uint32_t include_depth;

    /* the token at hand, for messages about no token */
    const struct pp_file *here_file;
    uint32_t here_line;

    /* text between directives, expanded as one list so that calls may span
     * lines */
    struct pp_token *pending, **pending_end;

    /* the printer */
    const struct pp_file *out_file;
    uint32_t out_line;
    const struct pp_token *out_last;

    /* picking one KERNEL of the main file */
    int kernel_state, kernel_drop;
    uint32_t kernel_depth, n_kernels;

    int skipped;
    char skip_reason[128];
};

/* ---- pp_core.c: failing, allocating, names, the printer ---------------- */

/* Does not return: leaves the run with COMPILE_ERROR, "file:line: ...". */
_Noreturn void pp_fail(struct pp *pp, const struct pp_file *file, uint32_t line,
                       const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void *pp_alloc(struct pp *pp, size_t size_bytes); /* never NULL */
void pp_step(struct pp *pp, uint64_t n);
struct pp_symbol *pp_symbol_of(struct pp *pp, const char *name, size_t length);
int pp_is(const struct pp_token *t, const char *text);
void pp_print(struct pp *pp, struct pp_token *list);
/* A directive kept as it is: on a line of its own. */
void pp_print_line(struct pp *pp, const struct pp_token *hash);
/* The tokens as text, single spaces where there was white space. */
char *pp_spell(struct pp *pp, const struct pp_token *list, size_t *out_size);

/* ---- pp_lex.c ----------------------------------------------------------- */

/* Behind the byte order mark that some editors begin a file with. */
const char *pp_text_start(const char *text);

struct pp_token *pp_lex(struct pp *pp, const struct pp_file *file,
                        const char *text, uint32_t first_line);

/* ---- pp_macro.c --------------------------------------------------------- */

void pp_define(struct pp *pp, struct pp_token *line,
               const struct pp_token *where);
struct pp_token *pp_expand(struct pp *pp, struct pp_token *list,
                           uint32_t depth);

/* ---- pp_expr.c ---------------------------------------------------------- */

int pp_condition(struct pp *pp, struct pp_token *line,
                 const struct pp_token *where);

/* ---- pp_instances.c ------------------------------------------------------ */

/* Fails unless a variant, or a family of them, has the name. */
void pp_check_skip(struct pp *pp, const struct pp_token *at, const char *name);

#endif
