/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptx.c - CUDA text to PTX: by clang's NVPTX target ($HALCYON_CLANG, else
 * clang), which needs nothing of NVIDIA's, or by nvcc ($HALCYON_NVCC, else
 * nvcc) for what clang does not know.  Invariant: the PTX depends on the text,
 * the variant and the compiler, and on no path.
 */
#include "compiler/command.h"
#include "compiler/expand.h"
#include "compiler/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A toolkit that happens to be there must not choose the PTX version, hence
 * the path where none is; -w: the host's compilers have warned already. */
#define CLANG_FLAGS                                              \
    "-x cuda --cuda-device-only -nocudainc -nocudalib "          \
    "--cuda-path=/nonexistent -Wno-unknown-cuda-version -w -O3 " \
    "-ffp-contract=fast -S"
#define NVCC_FLAGS "-w -ptx -x cu"
#define NVCC_HOME  "/usr/local/cuda/bin/nvcc"

#define PTX_LIMIT ((size_t)64 << 20)

uint64_t compile_ptx_caps(int major, int minor)
{
    int cc = major * 10 + minor;

    return (cc >= 70 ? HAL_CAP_SM_70 : 0) | (cc >= 80 ? HAL_CAP_SM_80 : 0) |
           (cc >= 89 ? HAL_CAP_SM_89 : 0) | (cc >= 90 ? HAL_CAP_SM_90 : 0) |
           (cc == 90 ? HAL_CAP_SM_90A : 0) | (cc >= 100 ? HAL_CAP_SM_100 : 0);
}

/* Whether there is a program of this name, or in PATH. */
static int is_program(const char *tool)
{
    const char *path = setting("PATH", "/usr/bin:/bin");
    char file[4200];

    if (strchr(tool, '/'))
        return access(tool, X_OK) == 0;
    for (size_t n; *path; path += n + (path[n] != 0)) {
        n = strcspn(path, ":");
        snprintf(file, sizeof file, "%.*s/%.100s", (int)(n < 4000 ? n : 4000),
                 path, tool);
        if (access(file, X_OK) == 0)
            return 1;
    }
    return 0;
}

static int is_clangs(const struct variant *v)
{
    return strstr(v->defines, "HAL_NVPTX") != NULL;
}

static const char *tool_of(const struct variant *v)
{
    if (is_clangs(v))
        return setting("HALCYON_CLANG", "clang");
    /* The toolkit is seldom in PATH. */
    return setting("HALCYON_NVCC",
                   access(NVCC_HOME, X_OK) == 0 ? NVCC_HOME : "nvcc");
}

/* clang is a package of this system's, and its lack an error; the toolkit is
 * not, and its variants are there for those who have it. */
int ptx_can_make(const struct variant *v)
{
    return is_clangs(v) || is_program(tool_of(v));
}

int compile_has_ptx(void)
{
    struct tool_result r = { 0 };
    struct command c = { 0 };
    int has;

    command_add_words(&c, setting("HALCYON_CLANG", "clang"));
    command_add_words(&c, "--print-targets");
    has = !c.failed && tool_run(c.argv, 20, &r) == 0 && !r.exit_status &&
          r.output.size && strstr(r.output.bytes, "nvptx64");
    buffer_free(&r.output);
    command_free(&c);
    return has;
}

/* ---- text ---------------------------------------------------------------- */

/* Whether a line says nothing to an assembler. */
static int is_idle(const char *line, size_t size)
{
    size_t blank = strspn(line, " \t");

    return blank >= size || !strncmp(line + blank, "//", 2);
}

/* Comments, blank lines and indentation are a tenth of it. */
static size_t squeeze(char *text)
{
    char *to = text;

    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n"), skip;

        if (!is_idle(p, n)) {
            skip = strspn(p, " \t");
            memmove(to, p + skip, n - skip);
            to += n - skip;
            if (p[n])
                *to++ = '\n';
        }
        p += n + (p[n] != 0);
    }
    *to = '\0';
    return (size_t)(to - text);
}

static int is_ptx(const char *text)
{
    return strstr(text, ".version") && strstr(text, ".visible .entry");
}

/* PTX of an older chip and version is PTX of a newer one, which lets asm
 * statements have what this clang has no name for: mma of e4m3 came with 8.4,
 * for sm_89.  Equal in length. */
static const struct {
    const char *variant, *from[2], *to[2];
} raised[] = {
    { "ptx.sm89",
      { ".version 7.5\n", ".target sm_86\n" },
      { ".version 8.4\n", ".target sm_89\n" } },
};

/* 0: the head is not the one that is known. */
static int raise_head(const struct variant *v, char *text)
{
    for (size_t i = 0; i < sizeof raised / sizeof *raised; i++)
        for (int line = 0; line < 2; line++) {
            const char *from = raised[i].from[line];
            char *at;

            if (strcmp(raised[i].variant, v->name) != 0)
                continue;
            at = strstr(text, from);
            if (!at)
                return 0;
            memcpy(at, raised[i].to[line], strlen(from));
        }
    return 1;
}

/* ---- compiling ----------------------------------------------------------- */

static enum compile_status tool_missing(const struct variant *v, int error,
                                        struct hal_message *msg)
{
    snprintf(msg->text, sizeof msg->text,
             "cannot start %.100s for the variant %s: %s; %s", tool_of(v),
             v->name, strerror(error),
             is_clangs(v) ? "install the Debian package clang, or let "
                            "HALCYON_CLANG name one"
                          : "it is in NVIDIA's CUDA toolkit; HALCYON_NVCC "
                            "names one");
    return error == ENOMEM || error == EAGAIN ? COMPILE_NO_MEMORY
                                              : COMPILE_NO_TOOL;
}

static enum compile_status io_error(struct hal_message *msg, const char *what,
                                    const char *path, int error)
{
    snprintf(msg->text, sizeof msg->text, "cannot %s %.300s: %s", what, path,
             strerror(error));
    return error == ENOMEM ? COMPILE_NO_MEMORY : COMPILE_IO;
}

/* What a compiler that said yes has written. */
static enum compile_status read_ptx(const char *path, const char *name,
                                    const struct variant *v, char **out_text,
                                    size_t *out_size, struct hal_message *msg)
{
    void *bytes = NULL;
    size_t size = 0;
    int e = file_read(path, PTX_LIMIT, &bytes, &size);

    if (!e && strlen(bytes) == size && is_ptx(bytes) && raise_head(v, bytes)) {
        *out_text = bytes;
        *out_size = squeeze(bytes);
        return COMPILE_OK;
    }
    free(bytes);
    if (e == ENOMEM)
        return io_error(msg, "read", path, e);
    snprintf(msg->text, sizeof msg->text,
             "%.200s:1: %.100s wrote no PTX for the variant %s", name,
             tool_of(v), v->name);
    return COMPILE_ERROR;
}

static enum compile_status compile_in(const char *dir, struct command *c,
                                      const char *text, const char *name,
                                      const struct variant *v, char **out_text,
                                      size_t *out_size, struct hal_message *msg)
{
    struct tool_result r = { 0 };
    unsigned limit_s = tool_limit_s(name, msg);
    enum compile_status st;
    char path[TEMP_DIR_ROOM + 16];
    int e;

    if (!limit_s)
        return COMPILE_ERROR;
    snprintf(path, sizeof path, "%s/k.cu", dir);
    e = file_write_new(path, text, strlen(text));
    if (e)
        return io_error(msg, "write", path, e);
    command_add(c, path, strlen(path));
    command_add_words(c, "-o");
    snprintf(path, sizeof path, "%s/k.ptx", dir);
    command_add(c, path, strlen(path));
    if (c->failed)
        return io_error(msg, "compile", name, ENOMEM);
    e = tool_run(c->argv, limit_s, &r);
    if (e || (r.exit_status == 127 && r.output.size == 0)) {
        st = tool_missing(v, e ? e : ENOENT, msg);
    } else if (r.timed_out) {
        snprintf(msg->text, sizeof msg->text,
                 "%.200s:1: %.100s took more "
                 "than %u s",
                 name, tool_of(v), limit_s);
        st = COMPILE_ERROR;
    } else if (r.exit_status != 0) {
        first_complaint(r.output.bytes ? r.output.bytes : "", name, msg);
        st = COMPILE_ERROR;
    } else {
        st = read_ptx(path, name, v, out_text, out_size, msg);
    }
    buffer_free(&r.output);
    return st;
}

/* 1 on a hit that is whole, and PTX. */
static int read_cached(const struct cache_key *key, char **out_text,
                       size_t *out_size)
{
    void *bytes = NULL;
    size_t size = 0;
    char *text;

    if (!cache_get(key, "ptx", &bytes, &size))
        return 0;
    text = malloc(size + 1);
    if (text) {
        memcpy(text, bytes, size);
        text[size] = '\0';
    }
    free(bytes);
    if (!text || strlen(text) != size || !is_ptx(text)) {
        free(text);
        return 0;
    }
    *out_text = text;
    *out_size = size;
    return 1;
}

enum compile_status ptx_compile(const char *text, const char *name,
                                const struct variant *v, int use_cache,
                                char **out_text, size_t *out_size,
                                struct hal_message *msg)
{
    struct command c = { 0 };
    struct cache_key key;
    enum compile_status st;
    char dir[TEMP_DIR_ROOM];
    int keyed = 0, e;

    command_add_words(&c, tool_of(v));
    command_add_words(&c, is_clangs(v) ? CLANG_FLAGS : NVCC_FLAGS);
    command_add_words(&c, v->flags);
    if (c.failed) {
        st = io_error(msg, "compile", name, ENOMEM);
        goto out;
    }
    keyed = use_cache && command_key(&c, tool_of(v), &text, 1, &key);
    if (keyed && read_cached(&key, out_text, out_size)) {
        st = COMPILE_OK;
        goto out;
    }
    e = temp_dir_make(dir);
    if (e) {
        st = io_error(msg, "make the directory", dir, e);
        goto out;
    }
    st = compile_in(dir, &c, text, name, v, out_text, out_size, msg);
    temp_dir_remove(dir);
    if (st == COMPILE_OK && keyed)
        cache_put(&key, "ptx", *out_text, *out_size);
out:
    command_free(&c);
    return st;
}
