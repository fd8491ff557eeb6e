/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc.c - expanded C to a shared object, through the machine's C compiler
 * ($HALCYON_CC, else cc; $HALCYON_CFLAGS behind our own flags).  Invariant:
 * whatever way it ends, the temporary directory is gone and no process is
 * left.
 */
#include "compiler/expand.h"
#include "compiler/halbin.h"
#include "compiler/tool.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No -ffinite-math-only: NaN and infinity are results like others. */
#define COMMON_FLAGS                                                     \
    "-std=gnu11 -O3 -fPIC -fno-math-errno -fno-trapping-math "           \
    "-ffp-contract=fast -fopenmp-simd -fvisibility=hidden "              \
    "-Werror=implicit-function-declaration -shared -Wl,--build-id=none " \
    "-Wl,-z,noseparate-code "                                            \
    "-Wl,-s"

#define OBJECT_LIMIT ((size_t)256 << 20)

int cc_can_build(const struct variant *v)
{
#if defined(__x86_64__)
    const uint64_t own = HAL_CAP_X86_64 | HAL_CAP_X86_64_V3 | HAL_CAP_X86_64_V4;
#elif defined(__aarch64__)
    const uint64_t own = HAL_CAP_AARCH64;
#else
    const uint64_t own = HAL_CAP_CPU_OTHER;
#endif
    return v->target == HAL_TARGET_CPU && (v->caps & ~own) == 0;
}

/* ---- a command line ------------------------------------------------------ */

struct command {
    char **argv; /* ends with a NULL */
    size_t n, room;
    struct arena arena;
    int failed;
};

static void add_arg(struct command *c, const char *text, size_t size)
{
    char *copy = arena_copy(&c->arena, text, size);
    char **argv = c->argv;

    if (copy && c->n + 2 > c->room) {
        c->room = c->room * 2 + 32;
        argv = realloc(c->argv, c->room * sizeof *argv);
        if (argv)
            c->argv = argv;
    }
    if (!copy || !argv) {
        c->failed = 1;
        return;
    }
    c->argv[c->n++] = copy;
    c->argv[c->n] = NULL;
}

static void add_args(struct command *c, const char *words)
{
    for (size_t n; *words; words += n) {
        words += strspn(words, " \t\n");
        n = strcspn(words, " \t\n");
        if (n)
            add_arg(c, words, n);
    }
}

static void command_free(struct command *c)
{
    free(c->argv);
    arena_free(&c->arena);
}

static void add_flags(struct command *c, const struct variant *v)
{
    const char *extra = setting("HALCYON_CFLAGS", "");

    add_args(c, setting("HALCYON_CC", "cc"));
    add_args(c, COMMON_FLAGS);
    /* A sanitizer's functions come from the program, not from here. */
    if (!strstr(extra, "-fsanitize"))
        add_args(c, "-Wl,-z,defs");
    add_args(c, v->flags);
    add_args(c, extra);
}

/* ---- the compiler's identity, for the cache ------------------------------ */

static pthread_mutex_t identity_lock = PTHREAD_MUTEX_INITIALIZER;
static char identity_of[512], identity_text[512];

/* What `cc --version` says; asked once per process and compiler. */
static void cc_identity(char *out, size_t room)
{
    const char *cc = setting("HALCYON_CC", "cc");
    struct tool_result r = { 0 };
    struct command c = { 0 };

    pthread_mutex_lock(&identity_lock);
    if (strcmp(identity_of, cc) != 0 && strlen(cc) < sizeof identity_of) {
        add_args(&c, cc);
        add_args(&c, "--version");
        if (!c.failed && tool_run(c.argv, 20, &r) == 0 && !r.exit_status &&
            !r.output.failed) {
            snprintf(identity_text, sizeof identity_text, "%s", r.output.bytes);
            strcpy(identity_of, cc);
        }
        buffer_free(&r.output);
        command_free(&c);
    }
    snprintf(out, room, "%s", strcmp(identity_of, cc) ? "" : identity_text);
    pthread_mutex_unlock(&identity_lock);
}

/* 0 when no key can be made: then nothing is cached. */
static int make_key(const char *const *texts, uint32_t n_texts,
                    const struct command *flags, struct cache_key *out)
{
    uint32_t version = HALBIN_VERSION;
    char identity[512];
    size_t n = 0, total = flags->n + n_texts + 2;
    const void **parts = malloc(total * sizeof *parts);
    size_t *sizes = malloc(total * sizeof *sizes);
    int made = 0;

    cc_identity(identity, sizeof identity);
    if (!parts || !sizes || !identity[0])
        goto out;
    parts[n] = &version;
    sizes[n++] = sizeof version;
    parts[n] = identity;
    sizes[n++] = strlen(identity);
    for (size_t i = 0; i < flags->n; i++) {
        parts[n] = flags->argv[i];
        sizes[n++] = strlen(flags->argv[i]);
    }
    for (uint32_t i = 0; i < n_texts; i++) {
        parts[n] = texts[i];
        sizes[n++] = strlen(texts[i]);
    }
    *out = cache_key_of(parts, sizes, n);
    made = 1;
out:
    free(parts);
    free(sizes);
    return made;
}

/* ---- messages ------------------------------------------------------------ */

void first_complaint(const char *output, const char *name,
                     struct hal_message *msg)
{
    const char *line = strstr(output, "error:");
    size_t n;

    if (line)
        while (line > output && line[-1] != '\n')
            line--;
    else
        line = output + strspn(output, " \t\n");
    n = strcspn(line, "\n");
    if (!n)
        snprintf(msg->text, sizeof msg->text,
                 "%.200s:1: the compiler failed "
                 "without a word",
                 name);
    else if (line[0] == '/' || !memchr(line, ':', n))
        snprintf(msg->text, sizeof msg->text, "%.100s:1: %.*s", name,
                 (int)(n > 380 ? 380 : n), line);
    else
        snprintf(msg->text, sizeof msg->text, "%.*s", (int)(n > 480 ? 480 : n),
                 line);
}

static enum compile_status tool_missing(int error, struct hal_message *msg)
{
    const char *cc = setting("HALCYON_CC", "cc");

    if (error == ENOMEM || error == EAGAIN) {
        snprintf(msg->text, sizeof msg->text, "cannot start %.100s: %s", cc,
                 strerror(error));
        return COMPILE_NO_MEMORY;
    }
    snprintf(msg->text, sizeof msg->text,
             "cannot start the C compiler '%.100s': %s; install the Debian "
             "package gcc, or let HALCYON_CC name one",
             cc, strerror(error));
    return COMPILE_NO_TOOL;
}

/* ---- compiling ----------------------------------------------------------- */

static enum compile_status io_error(struct hal_message *msg, const char *what,
                                    const char *path, int error)
{
    snprintf(msg->text, sizeof msg->text, "cannot %s %.300s: %s", what, path,
             strerror(error));
    return error == ENOMEM ? COMPILE_NO_MEMORY : COMPILE_IO;
}

static int is_object(const void *bytes, size_t size)
{
    return size >= sizeof(Elf32_Ehdr) && !memcmp(bytes, ELFMAG, SELFMAG);
}

/* What a compiler that said yes has written. */
static enum compile_status read_object(const char *path, const char *name,
                                       void **out_bytes, size_t *out_size,
                                       struct hal_message *msg)
{
    void *bytes = NULL;
    size_t size = 0;
    int e = file_read(path, OBJECT_LIMIT, &bytes, &size);

    if (e && e != ENOENT && e != EINVAL && e != EISDIR)
        return io_error(msg, "read", path, e);
    if (e || !is_object(bytes, size)) {
        free(bytes);
        snprintf(msg->text, sizeof msg->text,
                 "%.200s:1: the compiler (%.100s) wrote no shared object", name,
                 setting("HALCYON_CC", "cc"));
        return COMPILE_ERROR;
    }
    *out_bytes = bytes;
    *out_size = size;
    return COMPILE_OK;
}

/* Writes the texts, runs the command, reads the object. */
static enum compile_status compile_in(const char *dir, struct command *c,
                                      const char *const *texts,
                                      uint32_t n_texts, const char *name,
                                      void **out_bytes, size_t *out_size,
                                      struct hal_message *msg)
{
    struct tool_result r = { 0 };
    enum compile_status st;
    unsigned limit_s = tool_limit_s(name, msg);
    char path[4200];
    int e;

    if (!limit_s)
        return COMPILE_ERROR;
    for (uint32_t i = 0; i < n_texts; i++) {
        snprintf(path, sizeof path, "%s/%u.c", dir, i);
        e = file_write_new(path, texts[i], strlen(texts[i]));
        if (e)
            return io_error(msg, "write", path, e);
        add_arg(c, path, strlen(path));
    }
    snprintf(path, sizeof path, "%s/out.so", dir);
    add_args(c, "-lm -o");
    add_arg(c, path, strlen(path));
    if (c->failed)
        return io_error(msg, "compile", name, ENOMEM);
    e = tool_run(c->argv, limit_s, &r);
    if (e) {
        st = tool_missing(e, msg);
    } else if (r.timed_out) {
        snprintf(msg->text, sizeof msg->text,
                 "%.200s:1: the C compiler took more than %u s", name, limit_s);
        st = COMPILE_ERROR;
    } else if (r.exit_status == 127 && r.output.size == 0) {
        st = tool_missing(ENOENT, msg); /* how old libcs say ENOENT */
    } else if (r.exit_status != 0) {
        first_complaint(r.output.bytes ? r.output.bytes : "", name, msg);
        st = COMPILE_ERROR;
    } else {
        st = read_object(path, name, out_bytes, out_size, msg);
    }
    buffer_free(&r.output);
    return st;
}

enum compile_status cc_compile(const char *const *texts, uint32_t n_texts,
                               const char *name, const struct variant *v,
                               int use_cache, void **out_bytes,
                               size_t *out_size, struct hal_message *msg)
{
    struct command c = { 0 };
    struct cache_key key;
    enum compile_status st;
    char dir[TEMP_DIR_ROOM];
    int keyed = 0, e;

    add_flags(&c, v);
    if (c.failed) {
        st = io_error(msg, "compile", name, ENOMEM);
        goto out;
    }
    keyed = use_cache && make_key(texts, n_texts, &c, &key);
    if (keyed && cache_get(&key, "so", out_bytes, out_size)) {
        st = COMPILE_OK;
        if (is_object(*out_bytes, *out_size))
            goto out;
        free(*out_bytes); /* whole, and yet nothing that a compiler made */
    }
    e = temp_dir_make(dir);
    if (e) {
        st = io_error(msg, "make the directory", dir, e);
        goto out;
    }
    st = compile_in(dir, &c, texts, n_texts, name, out_bytes, out_size, msg);
    temp_dir_remove(dir);
    if (st == COMPILE_OK && keyed)
        cache_put(&key, "so", *out_bytes, *out_size);
out:
    command_free(&c);
    return st;
}
