/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spirv.c - GLSL to SPIR-V: by libshaderc, which is opened when first needed,
 * or else by the program glslc.  $HALCYON_SHADERC names another library,
 * $HALCYON_GLSLC another program.
 *
 * QUIRK(Debian 12, libshaderc1 2023.2-1): the library lacks glslang and
 * SPIRV-Tools, which only glslc brings, so that dlopen refuses it.  glslc can
 * go when no supported distribution has such a library any more.
 */
#include "compiler/expand.h"
#include "compiler/tool.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <shaderc/shaderc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* X(function): all that we call. */
#define SHADERC_FUNCTIONS                     \
    X(compiler_initialize)                    \
    X(compile_options_initialize)             \
    X(compile_options_release)                \
    X(compile_options_set_optimization_level) \
    X(compile_options_set_target_env)         \
    X(compile_options_set_target_spirv)       \
    X(compile_options_set_suppress_warnings)  \
    X(compile_into_spv)                       \
    X(result_release)                         \
    X(result_get_length)                      \
    X(result_get_bytes)                       \
    X(result_get_compilation_status)          \
    X(result_get_error_message)               \
    X(get_spv_version)

static struct {
    pthread_mutex_t lock;
    enum { CLOSED, LIBRARY, PROGRAM } way;
    char glslc[256];
    shaderc_compiler_t compiler; /* shared: shaderc allows it */
    char identity[400];
#define X(f) __typeof__(&shaderc_##f) f;
    SHADERC_FUNCTIONS
#undef X
} sc = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void identify(void)
{
    unsigned version = 0, revision = 0;
    struct stat is = { 0 };
    Dl_info info;
    const char *path = "";

    sc.get_spv_version(&version, &revision);
    if (dladdr((void *)sc.compile_into_spv, &info) && info.dli_fname)
        path = info.dli_fname;
    if (*path)
        stat(path, &is);
    snprintf(sc.identity, sizeof sc.identity, "shaderc %u %u %.200s %lld %lld",
             version, revision, path, (long long)is.st_size,
             (long long)is.st_mtime);
}

/* NULL, or why the library cannot be used. */
static const char *open_library(void)
{
    void *lib = dlopen(setting("HALCYON_SHADERC", "libshaderc.so.1"),
                       RTLD_NOW | RTLD_LOCAL);

    if (!lib)
        return dlerror();
#define X(f)                                            \
    sc.f = (__typeof__(sc.f))dlsym(lib, "shaderc_" #f); \
    if (!sc.f) {                                        \
        dlclose(lib);                                   \
        return "it lacks shaderc_" #f;                  \
    }
    SHADERC_FUNCTIONS
#undef X
    sc.compiler = sc.compiler_initialize();
    if (!sc.compiler) {
        dlclose(lib);
        return "it does not start";
    }
    identify();
    sc.way = LIBRARY;
    return NULL;
}

/* 1 if there is a glslc that answers. */
static int find_program(void)
{
    char version[] = "--version";
    char *argv[] = { sc.glslc, version, NULL };
    struct tool_result r = { 0 };
    int found;

    snprintf(sc.glslc, sizeof sc.glslc, "%s",
             setting("HALCYON_GLSLC", "glslc"));
    found =
        tool_run(argv, 20, &r) == 0 && r.exit_status == 0 && !r.output.failed;
    if (found) {
        snprintf(sc.identity, sizeof sc.identity, "%s", r.output.bytes);
        sc.way = PROGRAM;
    }
    buffer_free(&r.output);
    return found;
}

/* Tries again at each call until it succeeds: the package may come later. */
static enum compile_status open_tool(struct hal_message *msg)
{
    enum compile_status st = COMPILE_OK;
    const char *why;

    pthread_mutex_lock(&sc.lock);
    if (sc.way == CLOSED) {
        why = open_library();
        if (why && !find_program()) {
            snprintf(msg->text, sizeof msg->text,
                     "GLSL to SPIR-V needs the program glslc: install the "
                     "Debian package glslc (libshaderc1 alone: %.250s)",
                     why);
            st = COMPILE_NO_TOOL;
        }
    }
    pthread_mutex_unlock(&sc.lock);
    return st;
}

/* A header of five words that begins with SPIR-V's magic number. */
static int is_spirv(const void *bytes, size_t size)
{
    static const uint32_t magic = 0x07230203; /* this machine's byte order */

    return size >= 20 && size % 4 == 0 && !memcmp(bytes, &magic, 4);
}

/* ---- by the library ------------------------------------------------------ */

static enum compile_status take_result(shaderc_compilation_result_t result,
                                       const char *name, void **out_bytes,
                                       size_t *out_size,
                                       struct hal_message *msg)
{
    size_t size;
    void *copy;

    if (!result) {
        snprintf(msg->text, sizeof msg->text, "%.200s: no memory for shaderc",
                 name);
        return COMPILE_NO_MEMORY;
    }
    if (sc.result_get_compilation_status(result) !=
        shaderc_compilation_status_success) {
        const char *text = sc.result_get_error_message(result);

        first_complaint(text ? text : "", name, msg);
        return COMPILE_ERROR;
    }
    size = sc.result_get_length(result);
    copy = malloc(size ? size : 1);
    if (!copy) {
        snprintf(msg->text, sizeof msg->text, "%.200s: no memory", name);
        return COMPILE_NO_MEMORY;
    }
    memcpy(copy, sc.result_get_bytes(result), size);
    *out_bytes = copy;
    *out_size = size;
    return COMPILE_OK;
}

static enum compile_status run_library(const char *text, const char *name,
                                       void **out_bytes, size_t *out_size,
                                       struct hal_message *msg)
{
    shaderc_compile_options_t options = sc.compile_options_initialize();
    shaderc_compilation_result_t result = NULL;
    enum compile_status st;

    if (options) {
        sc.compile_options_set_optimization_level(
            options, compile_optimizes()
                         ? shaderc_optimization_level_performance
                         : shaderc_optimization_level_zero);
        /* Rules of Vulkan 1.2, yet SPIR-V 1.3: Vulkan 1.1 drivers with the
         * storage extensions take it too. */
        sc.compile_options_set_target_env(options, shaderc_target_env_vulkan,
                                          shaderc_env_version_vulkan_1_2);
        sc.compile_options_set_target_spirv(options, shaderc_spirv_version_1_3);
        sc.compile_options_set_suppress_warnings(options);
        result =
            sc.compile_into_spv(sc.compiler, text, strlen(text),
                                shaderc_compute_shader, name, "main", options);
    }
    st = take_result(result, name, out_bytes, out_size, msg);
    if (result)
        sc.result_release(result);
    if (options)
        sc.compile_options_release(options);
    return st;
}

/* ---- by the program ------------------------------------------------------ */

#define SPIRV_LIMIT ((size_t)64 << 20)

#define FLAGS \
    "-w", "--target-env=vulkan1.2", "--target-spv=spv1.3", "-fshader-stage=comp"
#define LIMIT_MAX_S (24u * 3600u)
#define N_FLAGS     7 /* the program, those, and one more */

static size_t begin_argv(char **argv, const char *flag)
{
    const char *const begin[N_FLAGS] = { sc.glslc,
                                         compile_optimizes() ? "-O" : "-O0",
                                         FLAGS, flag };

    for (size_t i = 0; i < N_FLAGS; i++)
        argv[i] = (char *)begin[i]; /* execv's type; nobody writes there */
    return N_FLAGS;
}

static enum compile_status took_too_long(const char *name, unsigned limit_s,
                                         struct hal_message *msg)
{
    snprintf(msg->text, sizeof msg->text, "%.200s:1: glslc took more than %u s",
             name, limit_s);
    return COMPILE_ERROR;
}

static enum compile_status run_in(const char *dir, const char *text,
                                  const char *name, void **out_bytes,
                                  size_t *out_size, struct hal_message *msg)
{
    char *argv[16], in[TEMP_DIR_ROOM + 16], out[TEMP_DIR_ROOM + 16];
    unsigned limit_s = tool_limit_s(name, msg);
    struct tool_result r = { 0 };
    enum compile_status st = COMPILE_OK;
    size_t n;
    int e;

    if (!limit_s)
        return COMPILE_ERROR;
    snprintf(in, sizeof in, "%s/in.comp", dir);
    snprintf(out, sizeof out, "%s/out.spv", dir);
    n = begin_argv(argv, "-o");
    argv[n++] = out;
    argv[n++] = in;
    argv[n] = NULL;
    e = file_write_new(in, text, strlen(text));
    if (!e)
        e = tool_run(argv, limit_s, &r);
    if (!e && r.timed_out) {
        st = took_too_long(name, limit_s, msg);
    } else if (!e && r.exit_status != 0) {
        first_complaint(r.output.bytes ? r.output.bytes : "", name, msg);
        st = COMPILE_ERROR;
    } else if (!e) {
        e = file_read(out, SPIRV_LIMIT, out_bytes, out_size);
    }
    buffer_free(&r.output);
    if (!e)
        return st;
    snprintf(msg->text, sizeof msg->text, "%.200s:1: glslc in %.200s: %s", name,
             dir, strerror(e));
    return e == ENOMEM ? COMPILE_NO_MEMORY : COMPILE_IO;
}

static enum compile_status run_program(const char *text, const char *name,
                                       void **out_bytes, size_t *out_size,
                                       struct hal_message *msg)
{
    char dir[TEMP_DIR_ROOM];
    enum compile_status st;
    int e = temp_dir_make(dir);

    if (e) {
        snprintf(msg->text, sizeof msg->text,
                 "cannot make the directory %.300s: %s", dir, strerror(e));
        return COMPILE_IO;
    }
    st = run_in(dir, text, name, out_bytes, out_size, msg);
    temp_dir_remove(dir);
    return st;
}

/* ---- many texts at once -------------------------------------------------- */

/* Most of a short text's time is glslc's start. */
struct batch {
    struct spirv *list;
    uint32_t n;
    char dir[TEMP_DIR_ROOM];
    char (*names)[16]; /* of files in dir */
    char **argv;
};

static int write_texts(struct batch *b)
{
    size_t n = begin_argv(b->argv, "-c");
    char path[TEMP_DIR_ROOM + 16];

    for (uint32_t i = 0; i < b->n; i++) {
        if (b->list[i].bytes)
            continue;
        snprintf(b->names[i], sizeof *b->names, "%u.comp", i);
        snprintf(path, sizeof path, "%s/%s", b->dir, b->names[i]);
        if (file_write_new(path, b->list[i].text, strlen(b->list[i].text)))
            return 0;
        b->argv[n++] = b->names[i];
    }
    b->argv[n] = NULL;
    return 1;
}

static void read_results(struct batch *b)
{
    char path[TEMP_DIR_ROOM + 32];
    struct spirv *s;

    for (uint32_t i = 0; i < b->n; i++) {
        s = &b->list[i];
        if (s->bytes)
            continue;
        snprintf(path, sizeof path, "%s/%s.spv", b->dir, b->names[i]);
        if (file_read(path, SPIRV_LIMIT, &s->bytes, &s->size) == 0 &&
            !is_spirv(s->bytes, s->size)) {
            free(s->bytes);
            s->bytes = NULL;
        }
    }
}

/* What is not there yet, by one glslc.  It may leave any of them out: each is
 * then tried alone, and says what is wrong with it.  Only a compiler that
 * hangs is not asked again. */
static enum compile_status run_together(struct spirv *list, uint32_t n,
                                        const char *name,
                                        struct hal_message *msg)
{
    struct batch b = { .list = list, .n = n };
    unsigned limit_s = tool_limit_s(name, msg);
    enum compile_status st = COMPILE_OK;
    struct tool_result r = { 0 };

    if (!limit_s)
        return COMPILE_ERROR;
    /* As long as they might take one by one. */
    limit_s = limit_s > LIMIT_MAX_S / n ? LIMIT_MAX_S : limit_s * n;
    b.names = calloc(n, sizeof *b.names);
    b.argv = malloc((N_FLAGS + n + 1u) * sizeof *b.argv);
    if (b.names && b.argv && temp_dir_make(b.dir) == 0) {
        if (write_texts(&b) && tool_run_in(b.dir, b.argv, limit_s, &r) == 0 &&
            r.exit_status == 0)
            read_results(&b);
        temp_dir_remove(b.dir);
    }
    if (r.timed_out)
        st = took_too_long(name, limit_s, msg);
    buffer_free(&r.output);
    free(b.argv);
    free(b.names);
    return st;
}

static struct cache_key key_of(const char *text)
{
    uint32_t version = HALBIN_VERSION;
    const char *flags = compile_optimizes() ? "-O" : "-O0";
    const void *parts[] = { &version, sc.identity, flags, text };
    size_t sizes[] = { sizeof version, strlen(sc.identity), strlen(flags) + 1,
                       strlen(text) };

    return cache_key_of(parts, sizes, sizeof parts / sizeof *parts);
}

/* Fills those that the cache has; how many it has not. */
static uint32_t take_cached(struct spirv *list, uint32_t n)
{
    struct cache_key key;
    uint32_t missing = 0;

    for (uint32_t i = 0; i < n; i++) {
        key = key_of(list[i].text);
        if (cache_get(&key, "spv", &list[i].bytes, &list[i].size) &&
            !is_spirv(list[i].bytes, list[i].size)) {
            free(list[i].bytes);
            list[i].bytes = NULL;
        }
        missing += !list[i].bytes;
    }
    return missing;
}

static enum compile_status run_alone(struct spirv *s, const char *name,
                                     struct hal_message *msg)
{
    enum compile_status st = (sc.way == LIBRARY ? run_library : run_program)(
        s->text, name, &s->bytes, &s->size, msg);

    if (st == COMPILE_OK && !is_spirv(s->bytes, s->size)) {
        snprintf(msg->text, sizeof msg->text,
                 "%.200s:1: the GLSL compiler (%.100s) made no SPIR-V", name,
                 sc.way == LIBRARY ? "libshaderc" : sc.glslc);
        st = COMPILE_ERROR;
    }
    return st;
}

enum compile_status spirv_compile(struct spirv *list, uint32_t n,
                                  const char *name, int use_cache,
                                  struct hal_message *msg)
{
    enum compile_status st = open_tool(msg);
    uint8_t *cached = calloc(n + 1u, 1);
    uint32_t missing = n;
    struct cache_key key;

    if (st == COMPILE_OK && !cached) {
        snprintf(msg->text, sizeof msg->text, "%.200s: no memory", name);
        st = COMPILE_NO_MEMORY;
    }
    if (st == COMPILE_OK && use_cache) {
        missing = take_cached(list, n);
        for (uint32_t i = 0; i < n; i++)
            cached[i] = list[i].bytes != NULL;
    }
    if (st == COMPILE_OK && sc.way == PROGRAM && missing > 1)
        st = run_together(list, n, name, msg);
    for (uint32_t i = 0; i < n && st == COMPILE_OK; i++) {
        if (!list[i].bytes)
            st = run_alone(&list[i], name, msg);
        if (st == COMPILE_OK && use_cache && !cached[i]) {
            key = key_of(list[i].text);
            cache_put(&key, "spv", list[i].bytes, list[i].size);
        }
    }
    free(cached);
    return st;
}
