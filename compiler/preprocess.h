/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preprocess.h - our C preprocessor, as the rest of the compiler sees it.
 * Ours because GLSL's has no variadic macros and because text is expanded at
 * run time on machines without a C compiler.  Every input is bounded: hostile
 * text gets "file:line: message", never a crash or a hang.
 */
#ifndef COMPILER_PREPROCESS_H
#define COMPILER_PREPROCESS_H

#include "compiler/compile.h"

struct hal_text_file {
    const char *name, *text;
};
/* What #include "..." finds first; made by mk/embed.sh, ends with NULLs. */
extern const struct hal_text_file hal_dialect_files[];

struct pp_options {
    const char *name; /* for messages and line markers */
    const char *text;
    const char *const *defines; /* "NAME" (then 1) or "NAME=VALUE" */
    size_t n_defines;
    const struct hal_text_file *files; /* for #include "..."; or NULL */
    const char *include_dir;           /* then here; or NULL */
    const char *variant; /* whose `#pragma hal skip` counts; or NULL */
    int only_kernel;     /* keep that KERNEL(...) { } of the file; -1: all */
    int no_markers;      /* no #line, no newlines kept */
    size_t memory_limit; /* bytes; 0: the default */
    uint64_t step_limit; /* work; 0: the default */
};

struct pp_result {
    char *text; /* malloc'ed, NUL-terminated */
    size_t size;
    uint32_t n_kernels; /* KERNEL(...) { } seen in the file itself */
    int skipped;        /* a live `#pragma hal skip` named the variant */
    char skip_reason[128];
};

/* On failure *out is untouched. */
enum compile_status pp_run(const struct pp_options *options,
                           struct pp_result *out, struct hal_message *msg);

/* ---- what `#pragma hal instance` and `#pragma hal skip` say ------------ */

struct pp_instance {
    char **defines; /* "NAME=VALUE" */
    size_t n_defines;
    char **skips; /* variants, or their first word */
    size_t n_skips;
    uint32_t line;
};

struct pp_instances {
    struct pp_instance *list; /* at least one */
    size_t n;
    void *storage;
};

/* Reads the instance and skip lines of a source, which must stand outside of
 * conditionals (a skip inside of one counts when it is expanded). */
enum compile_status pp_instances_read(const char *name, const char *text,
                                      struct pp_instances *out,
                                      struct hal_message *msg);
void pp_instances_free(struct pp_instances *instances);

/* Whether a skip's name ("vulkan", "vulkan.packed") covers a variant. */
int pp_skip_covers(const char *skip, const char *variant);

/* ---- constant expressions, for reflection ------------------------------ */

/*
 * Evaluates the constant expressions at the start of `text`, up to `max` of
 * them, one after the other; sizeof (T) knows the dialect's types.
 * Returns how many; *out_end is where reading stopped.  On failure -1 and
 * *out_why is a static sentence.
 */
int pp_evaluate(const char *text, int64_t *values, int max,
                const char **out_end, const char **out_why);

/* Bytes of a dialect type (float, uint, v16, bf16 ...); 0: unknown. */
uint32_t pp_type_bytes(const char *name, size_t length);

#endif
