/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvrtc.c - CUDA C++ text to a cubin or to PTX by NVIDIA's run-time compiler,
 * opened at the first text that wants it, through the disk cache.  Invariant: a
 * cached result belongs to this text, compiler, driver and architecture.
 */
#include "backends/cuda/cuda.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/compile.h"

#define ARCHS_MAX 64
/* Major versions beyond the driver's that are looked for. */
#define NEWER_MAX 2

static struct {
    pthread_mutex_t lock;
    bool is_loaded;
#define X(name, parameters) unsigned(*name) parameters;
    CUDA_NVRTC_LIST(X)
#undef X
    int major, minor;
    int archs[ARCHS_MAX], n_archs; /* 75, 80, ... */
} nvrtc = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- the library -----------------------------------------------------------
 */

/* The names in their order; false beyond the last: the driver's own version,
 * what the machine has by default, older ones, newer ones. */
static bool library_name(unsigned index, char *name, size_t size)
{
    static const char *const defaults[] = {
        "libnvrtc.so",
        "/usr/local/cuda/lib64/libnvrtc.so",
        "/usr/local/cuda/lib/libnvrtc.so",
    };
    const unsigned own = (unsigned)cuda_version / 1000, oldest = 12;
    const unsigned n_defaults = sizeof defaults / sizeof defaults[0];
    const unsigned n_older = own > oldest ? own - oldest : 0;

    if (index == 0)
        snprintf(name, size, "libnvrtc.so.%u", own);
    else if (index == 1)
        snprintf(name, size, "/usr/local/cuda-%u/lib64/libnvrtc.so", own);
    else if (index < 2 + n_defaults)
        snprintf(name, size, "%s", defaults[index - 2]);
    else if (index < 2 + n_defaults + n_older)
        snprintf(name, size, "libnvrtc.so.%u",
                 own - 1 - (index - 2 - n_defaults));
    else if (index == 2 + n_defaults + n_older)
        snprintf(name, size, "libnvrtc.so.11.2"); /* 11.2 to 11.8 */
    else if (index <= 2 + n_defaults + n_older + NEWER_MAX)
        snprintf(name, size, "libnvrtc.so.%u",
                 own + index - (2 + n_defaults + n_older));
    else
        return false;
    return true;
}

static halError_t library_fill(void *lib, const char *path)
{
    const char *missing = NULL;
    void *f;
    int n = 0;

#define X(name, parameters)            \
    f = dlsym(lib, "nvrtc" #name);     \
    memcpy(&nvrtc.name, &f, sizeof f); \
    missing = f ? missing : "nvrtc" #name;
    CUDA_NVRTC_LIST(X)
#undef X
    if (missing)
        return hal_fail(halErrorKernelBuild,
                        "cuda: %.200s is broken: it lacks %s", path, missing);
    if (nvrtc.Version(&nvrtc.major, &nvrtc.minor) ||
        nvrtc.GetNumSupportedArchs(&n) || n < 1 || n > ARCHS_MAX ||
        nvrtc.GetSupportedArchs(nvrtc.archs))
        return hal_fail(halErrorKernelBuild,
                        "cuda: %s does not say what it compiles for", path);
    nvrtc.n_archs = n;
    return halSuccess;
}

/* halErrorNotFound: there is none, or it is of a later version than `most`;
 * *out_broken: there is one that cannot be used. */
static halError_t library_try(const char *name, int most, bool *out_broken)
{
    void *lib = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    halError_t st;

    if (!lib)
        return halErrorNotFound;
    st = library_fill(lib, name);
    *out_broken |= st != halSuccess;
    if (st == halSuccess && nvrtc.major > most)
        st = halErrorNotFound;
    if (st != halSuccess)
        dlclose(lib);
    return st;
}

static halError_t not_found(const char *name)
{
    return hal_fail(halErrorKernelBuild,
                    "cuda: CUDA C++ text needs NVRTC and %.200s is not found; "
                    "install it (cuda-nvrtc-%d-%d, or pip's "
                    "nvidia-cuda-nvrtc with its folder in LD_LIBRARY_PATH); "
                    "kernels with a PTX image need none",
                    name, cuda_version / 1000, cuda_version % 1000 / 10);
}

/* The first of the names that is whole and not of a later major version than
 * `most`. */
static halError_t library_search(int most, bool *out_broken)
{
    halError_t st = halErrorNotFound;
    char name[64];

    for (unsigned i = 0; st != halSuccess && library_name(i, name, sizeof name);
         i++)
        st = library_try(name, most, out_broken);
    return st;
}

/* A driver takes what its own NVRTC and older ones make; what a newer one makes
 * it may refuse, so that comes last.  Where all are broken, the sentence is
 * about the last, which library_fill has written. */
static halError_t library_load(void)
{
    const char *path = getenv("HALCYON_NVRTC_LIB");
    halError_t st = halErrorNotFound;
    bool broken = false;
    char name[64];

    pthread_mutex_lock(&nvrtc.lock);
    if (nvrtc.is_loaded) {
        st = halSuccess;
    } else if (path && *path) {
        st = library_try(path, INT_MAX, &broken);
    } else {
        st = library_search(cuda_version / 1000, &broken);
        if (st != halSuccess)
            st = library_search(INT_MAX, &broken);
    }
    nvrtc.is_loaded = st == halSuccess;
    if (st != halSuccess) {
        (void)library_name(0, name, sizeof name);
        st = broken ? halErrorKernelBuild
                    : not_found(path && *path ? path : name);
    }
    pthread_mutex_unlock(&nvrtc.lock);
    return st;
}

/* ---- the compilation
 * --------------------------------------------------------- */

struct build {
    const char *name;
    const char *source; /* with its NUL */
    char arch[48];      /* the option */
    bool is_cubin;
};

/* The newest that the device runs: the same gives a cubin. */
static halError_t choose_arch(const struct cuda_dev *dev, struct build *b)
{
    const struct halDeviceProp *p = &dev->hal.info.prop;
    int own = (int)(p->major * 10 + p->minor), best = 0;

    for (int i = 0; i < nvrtc.n_archs; i++)
        if (nvrtc.archs[i] <= own && nvrtc.archs[i] > best)
            best = nvrtc.archs[i];
    if (!best)
        return hal_fail(halErrorKernelBuild,
                        "kernel %s: NVRTC %d.%d compiles for compute "
                        "capability %d.%d and newer, this GPU has %u.%u: use "
                        "an older NVRTC",
                        b->name, nvrtc.major, nvrtc.minor, nvrtc.archs[0] / 10,
                        nvrtc.archs[0] % 10, p->major, p->minor);
    b->is_cubin = best == own;
    snprintf(b->arch, sizeof b->arch, "--gpu-architecture=%s_%d",
             b->is_cubin ? "sm" : "compute", best);
    return halSuccess;
}

static const char *const more_options[] = { "--std=c++17" };

static struct cache_key key_of(const struct cuda_dev *dev,
                               const struct build *b)
{
    char version[64];
    const void *parts[] = { "cuda", b->source, b->arch, version,
                            dev->hal.info.prop.driver };
    size_t sizes[] = { 5, strlen(b->source) + 1, strlen(b->arch) + 1, 0,
                       strlen(dev->hal.info.prop.driver) + 1 };

    sizes[3] = (size_t)snprintf(version, sizeof version, "nvrtc %d.%d",
                                nvrtc.major, nvrtc.minor);
    return cache_key_of(parts, sizes, sizeof parts / sizeof parts[0]);
}

static halError_t complain(const struct build *b, struct _nvrtcProgram *program)
{
    char text[320] = "the compiler says nothing";
    size_t size = 0;
    char *log = NULL;

    if (nvrtc.GetProgramLogSize(program, &size) == 0 && size > 1)
        log = calloc(1, size + 1);
    if (log && nvrtc.GetProgramLog(program, log) == 0)
        compile_complaint(log, text, sizeof text);
    free(log);
    return hal_fail(halErrorKernelBuild, "kernel %s on NVRTC %d.%d: %s",
                    b->name, nvrtc.major, nvrtc.minor, text);
}

static halError_t take(const struct build *b, struct _nvrtcProgram *program,
                       void **out_blob, size_t *out_size)
{
    size_t size = 0;
    char *blob;
    unsigned code = b->is_cubin ? nvrtc.GetCUBINSize(program, &size)
                                : nvrtc.GetPTXSize(program, &size);

    if (code || !size)
        return hal_fail(halErrorKernelBuild, "kernel %s: NVRTC made nothing",
                        b->name);
    blob = calloc(1, size + 1);
    if (!blob)
        return hal_fail(halErrorHostMemory, "kernel %s: %zu bytes of code",
                        b->name, size);
    code = b->is_cubin ? nvrtc.GetCUBIN(program, blob)
                       : nvrtc.GetPTX(program, blob);
    if (code) {
        free(blob);
        return hal_fail(halErrorKernelBuild, "kernel %s: NVRTC fails with %u",
                        b->name, code);
    }
    *out_blob = blob;
    *out_size = size;
    return halSuccess;
}

static halError_t compile(const struct build *b, void **out_blob,
                          size_t *out_size)
{
    const char *options[] = { b->arch, more_options[0] };
    struct _nvrtcProgram *program = NULL;
    char file[HAL_NAME_MAX + 8];
    halError_t st;

    snprintf(file, sizeof file, "%s.cu", b->name);
    if (nvrtc.CreateProgram(&program, b->source, file, 0, NULL, NULL))
        return hal_fail(halErrorHostMemory,
                        "kernel %s: nvrtcCreateProgram fails", b->name);
    if (nvrtc.CompileProgram(program, 2, options))
        st = complain(b, program);
    else
        st = take(b, program, out_blob, out_size);
    (void)nvrtc.DestroyProgram(&program);
    return st;
}

halError_t cuda_nvrtc_build(struct cuda_dev *dev, const char *name,
                            const void *text, size_t text_bytes,
                            void **out_blob)
{
    struct build b = { .name = name };
    struct cache_key key;
    char *source = NULL;
    void *bytes = NULL;
    size_t size = 0;
    halError_t st = library_load();

    if (st == halSuccess)
        st = choose_arch(dev, &b);
    if (st != halSuccess)
        return st;
    source = calloc(1, text_bytes + 1);
    if (!source)
        return hal_fail(halErrorHostMemory, "kernel %s: %zu bytes of text",
                        name, text_bytes);
    memcpy(source, text, text_bytes);
    b.source = source;
    key = key_of(dev, &b);
    if (cache_get(&key, "cubin", &bytes, &size)) {
        char *blob = realloc(bytes, size + 1);

        if (!blob) {
            free(bytes);
            st = hal_fail(halErrorHostMemory, "kernel %s: %zu bytes of code",
                          name, size);
            goto out;
        }
        blob[size] = '\0';
        *out_blob = blob;
        goto out;
    }
    st = compile(&b, out_blob, &size);
    if (st == halSuccess)
        cache_put(&key, "cubin", *out_blob, size);
out:
    free(source);
    return st;
}
