/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvrtc.c - CUDA C++ text to a cubin or to PTX by NVIDIA's run-time compiler,
 * opened at the first text that wants it, through the disk cache.  Invariant: a
 * cached result belongs to this text, compiler, driver and architecture.
 */
#include "backends/cuda/cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/compile.h"

#define ARCHS_MAX 64

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

static void *library_open(char *tried, size_t size)
{
    const char *path = getenv("HALCYON_NVRTC_LIB");
    char names[5][64];
    void *lib = NULL;

    if (path && *path) {
        snprintf(tried, size, "%s", path);
        return dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    /* The driver's own version first: it takes that one's results. */
    snprintf(names[0], sizeof names[0], "libnvrtc.so.%d", cuda_version / 1000);
    snprintf(names[1], sizeof names[1], "libnvrtc.so");
    snprintf(names[2], sizeof names[2], "/usr/local/cuda-%d/lib64/libnvrtc.so",
             cuda_version / 1000);
    snprintf(names[3], sizeof names[3], "/usr/local/cuda/lib64/libnvrtc.so");
    snprintf(names[4], sizeof names[4], "/usr/local/cuda/lib/libnvrtc.so");
    snprintf(tried, size, "%s", names[0]);
    for (int i = 0; i < 5 && !lib; i++)
        lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    return lib;
}

static halError_t library_fill(void *lib, const char *path)
{
    int n = 0;

#define X(name, parameters)                                                    \
    do {                                                                       \
        void *f = dlsym(lib, "nvrtc" #name);                                   \
                                                                               \
        if (!f)                                                                \
            return hal_fail(halErrorKernelBuild,                               \
                            "cuda: %s is broken: it lacks nvrtc" #name, path); \
        memcpy(&nvrtc.name, &f, sizeof f);                                     \
    } while (0);
    CUDA_NVRTC_LIST(X)
#undef X
    if (nvrtc.Version(&nvrtc.major, &nvrtc.minor) ||
        nvrtc.GetNumSupportedArchs(&n) || n < 1 || n > ARCHS_MAX ||
        nvrtc.GetSupportedArchs(nvrtc.archs))
        return hal_fail(halErrorKernelBuild,
                        "cuda: %s does not say what it compiles for", path);
    nvrtc.n_archs = n;
    return halSuccess;
}

static halError_t library_load(void)
{
    char tried[256];
    halError_t st = halSuccess;
    void *lib;

    pthread_mutex_lock(&nvrtc.lock);
    if (nvrtc.is_loaded)
        goto out;
    lib = library_open(tried, sizeof tried);
    if (!lib) {
        st = hal_fail(halErrorKernelBuild,
                      "cuda: CUDA C++ text needs NVRTC and %s is not found; "
                      "install it (cuda-nvrtc-%d-%d, or pip's "
                      "nvidia-cuda-nvrtc with its folder in LD_LIBRARY_PATH); "
                      "kernels with a PTX image need none",
                      tried, cuda_version / 1000, cuda_version % 1000 / 10);
        goto out;
    }
    st = library_fill(lib, tried);
    if (st != halSuccess)
        dlclose(lib);
    nvrtc.is_loaded = st == halSuccess;
out:
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

/* The first line that complains, else the first line at all. */
static halError_t complain(const struct build *b, struct _nvrtcProgram *program)
{
    char text[320] = "the compiler says nothing";
    size_t size = 0;
    char *log = NULL;

    if (nvrtc.GetProgramLogSize(program, &size) == 0 && size > 1)
        log = calloc(1, size + 1);
    if (log && nvrtc.GetProgramLog(program, log) == 0) {
        const char *at = strstr(log, "error");

        if (!at)
            at = log + strspn(log, "\n ");
        while (at > log && at[-1] != '\n')
            at--;
        snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "\n"), at);
    }
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
