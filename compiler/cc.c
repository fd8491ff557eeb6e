/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cc.c - expanded C to a shared object, through the machine's C compiler
 * ($HALCYON_CC, else cc; $HALCYON_CFLAGS behind our own flags).  Invariant:
 * whatever way it ends, the temporary directory is gone and no process is
 * left.
 */
#include "compiler/command.h"
#include "compiler/expand.h"
#include "compiler/tool.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No -ffinite-math-only: NaN and infinity are results like others.  gcc's -O3
 * needs a third more time, twice as much for attention, and what is faster by
 * it is what it vectorises.  clang takes these flags too. */
#define COMMON_FLAGS                                                     \
    "-std=gnu11 -O2 -ftree-vectorize -fPIC -fno-math-errno "             \
    "-fno-trapping-math "                                                \
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

static void add_flags(struct command *c, const struct variant *v)
{
    const char *extra = setting("HALCYON_CFLAGS", "");

    command_add_words(c, setting("HALCYON_CC", "cc"));
    command_add_words(c, COMMON_FLAGS);
    if (!compile_optimizes())
        command_add_words(c, "-O0");
    /* A sanitizer's functions come from the program, not from here. */
    if (!strstr(extra, "-fsanitize"))
        command_add_words(c, "-Wl,-z,defs");
    command_add_words(c, v->flags);
    command_add_words(c, extra);
}

/* ---- messages ------------------------------------------------------------ */

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
        command_add(c, path, strlen(path));
    }
    snprintf(path, sizeof path, "%s/out.so", dir);
    command_add_words(c, "-lm -o");
    command_add(c, path, strlen(path));
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
    keyed = use_cache &&
            command_key(&c, setting("HALCYON_CC", "cc"), texts, n_texts, &key);
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
