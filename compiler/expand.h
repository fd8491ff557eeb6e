/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expand.h - one expansion of a source: which variant, which instance, which
 * of its kernels.  Private to this floor.
 */
#ifndef COMPILER_EXPAND_H
#define COMPILER_EXPAND_H

#include "compiler/preprocess.h"

struct variant {
    const char *name;
    uint8_t target; /* enum hal_target */
    uint64_t caps;
    uint32_t rank, group;
    const char *defines; /* separated by spaces */
    const char *flags;   /* of the native compiler */
};
extern const struct variant variants[]; /* compiler/variants.def, in order */
extern const uint32_t n_variants;

const struct variant *variant_find(const char *name); /* or NULL */

struct expansion {
    const struct compile_request *request;
    const struct variant *variant;
    const struct pp_instance *instance;
    int only_kernel;    /* -1: all */
    int meta;           /* the reflection, not the code */
    uint32_t max_group; /* of the device; 0: no limit known */
};

/* Whether the source's skip lines leave the variant out. */
int expansion_skipped(const struct expansion *e);

/* out->text is malloc'ed. */
enum compile_status expansion_run(const struct expansion *e,
                                  struct pp_result *out,
                                  struct hal_message *msg);

/* ---- meta_text.c --------------------------------------------------------- */

#define META_FILE_ROOM 201 /* a file's name in a message, with the NUL */

/* A meta expansion. */
struct meta_text {
    char *text; /* its directives blanked */
    /* private: the text as it was, and a cursor in it */
    const char *source_name, *original, *at, *file;
    size_t file_size;
    uint32_t line;
};

/* 0 without memory; `text` must outlive it. */
int meta_text_open(struct meta_text *m, const char *source_name,
                   const char *text);
void meta_text_close(struct meta_text *m);
/* The line, and the file's name, of a place in m->text.  Fast when places are
 * asked for in their order. */
uint32_t meta_where(struct meta_text *m, const char *at, char *out_file,
                    size_t room);
/* Writes "file:line: ..." about that place. */
void meta_complain(struct meta_text *m, const char *at, struct hal_message *msg,
                   const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- rules.c ------------------------------------------------------------- */

/* Whose view of the source a meta expansion is. */
enum rules_view {
    RULES_OWN, /* the target's that is compiled for: it may use its words */
    RULES_C,   /* what C sees is in no other language's words */
    RULES_GLSL /* what GLSL sees is in no words that C alone has */
};

/* Whether group statements, names and words are such that all targets agree. */
enum compile_status rules_check(struct meta_text *meta, enum rules_view view,
                                struct hal_message *msg);
/* Whether the rule for barriers knows this word. */
int rules_is_barrier(const char *name, size_t size);
/* ---- words.c ------------------------------------------------------------- */

/* Each returns the end of a sentence that begins with the word, or NULL. */

/* Why a kernel, parameter, function or variable cannot have this name. */
const char *words_name_fault(const char *name, size_t size, int is_function);
/* Why what C sees cannot have this word; as_function: as a call or type. */
const char *words_not_c(const char *word, size_t size, int as_function);
/* Why what GLSL sees cannot; *out_hint is what to write instead, or "". */
const char *words_not_glsl(const char *word, size_t size,
                           const char **out_hint);
/* A storage format of the dialect; WORDS_FORMATS lists them for messages. */
#define WORDS_FORMATS "f32 bf16 f16 e4m3 i8 i16 i32 u8 u16 u32"
int words_is_format(const char *word, size_t size);
int words_is_keyword(const char *word, size_t size);

/* ---- reflect.c ----------------------------------------------------------- */

struct reflection {
    char name[HAL_NAME_MAX + 1];
    char file[META_FILE_ROOM]; /* where the KERNEL is */
    uint32_t line;
    uint32_t n_params;
    struct hal_param params[HAL_PARAMS_MAX];
    uint32_t group, chunk, shared_bytes, priv_bytes;
};

/* Reads the @kernel records of a meta expansion, and checks what else is in it
 * by the rules; *out is malloc'ed. */
enum compile_status reflect(const char *source_name, const char *text,
                            struct reflection **out, uint32_t *out_n,
                            struct hal_message *msg);

/* ---- cc.c, spirv.c, ptx.c ----------------------------------------------- */

/* Expanded texts to one shared object; *out_bytes is malloc'ed. */
enum compile_status cc_compile(const char *const *texts, uint32_t n_texts,
                               const char *name, const struct variant *v,
                               int use_cache, void **out_bytes,
                               size_t *out_size, struct hal_message *msg);
/* Whether this build's processor is the variant's. */
int cc_can_build(const struct variant *v);

/* 0 for a variant that only nvcc makes, where there is none. */
int ptx_can_make(const struct variant *v);
/* *out_text is malloc'ed. */
enum compile_status ptx_compile(const char *text, const char *name,
                                const struct variant *v, int use_cache,
                                char **out_text, size_t *out_size,
                                struct hal_message *msg);

/* A GLSL text, and what comes of it. */
struct spirv {
    const char *text;
    void *bytes; /* NULL before; malloc'ed */
    size_t size;
};

/* All of the list: together where that saves starts of the compiler.  The
 * caller frees the bytes, after a failure too. */
enum compile_status spirv_compile(struct spirv *list, uint32_t n,
                                  const char *name, int use_cache,
                                  struct hal_message *msg);

/* The line of a compiler's output that says what is wrong, shortened into
 * msg; `name` is what to say where the output names no file. */
void first_complaint(const char *output, const char *name,
                     struct hal_message *msg);

#endif
