/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.c - finds libcuda.so.1 and its functions.  Invariant: cuda_cu is
 * either empty or complete (all of symbols.def's X).
 */
#include "backends/cuda/cuda.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct cuda_api cuda_cu;
int cuda_version;

static const struct {
    const char *name;
    size_t offset;
    bool required;
} symbols[] = {
#define X(name, parameters) \
    { "cu" #name, offsetof(struct cuda_api, name), true },
#define O(name, parameters) \
    { "cu" #name, offsetof(struct cuda_api, name), false },
#include "backends/cuda/symbols.def"
#undef X
#undef O
};

static halError_t too_old(int version)
{
    return hal_fail(halErrorNoDriver,
                    "cuda: the NVIDIA driver is for CUDA %d.%d; Halcyon needs "
                    "CUDA %d.%d or newer (driver 525): update the driver",
                    version / 1000, version % 1000 / 10,
                    CUDA_VERSION_MIN / 1000, CUDA_VERSION_MIN % 1000 / 10);
}

/* An old driver lacks cuGetProcAddress_v2, but knows its own version. */
static halError_t check_version(void *lib, const char *path)
{
    unsigned (*get_version)(int *) = NULL;
    void *f = dlsym(lib, "cuDriverGetVersion");
    int version = 0;

    memcpy(&get_version, &f, sizeof f);
    if (!get_version)
        return hal_fail(halErrorNoDriver,
                        "cuda: %s is broken: it lacks cuDriverGetVersion; "
                        "reinstall the NVIDIA driver",
                        path);
    if (get_version(&version) == CUDA_STUB_LIBRARY)
        return hal_fail(halErrorNoDriver,
                        "cuda: %s is the toolkit's stub for linking, not a "
                        "driver: take its folder out of LD_LIBRARY_PATH",
                        path);
    if (version < CUDA_VERSION_MIN)
        return too_old(version);
    cuda_version = version;
    return halSuccess;
}

static halError_t resolve(void *lib, const char *path)
{
    void *f = dlsym(lib, "cuGetProcAddress_v2");
    cuda_get_proc *get = NULL;
    struct cuda_api api;

    memset(&api, 0, sizeof api);
    memcpy(&get, &f, sizeof f);
    if (!get)
        return hal_fail(halErrorNoDriver,
                        "cuda: %s is broken: it lacks cuGetProcAddress_v2; "
                        "reinstall the NVIDIA driver",
                        path);
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        /* What came after the minimum is asked for as of this driver. */
        int version = symbols[i].required ? CUDA_VERSION_MIN : cuda_version;
        unsigned status = 0, code;

        f = NULL;
        code =
            get(symbols[i].name, &f, version, CUDA_PROC_LEGACY_STREAM, &status);
        if (code != CUDA_OK || status)
            f = NULL;
        if (!f && symbols[i].required)
            return hal_fail(halErrorNoDriver,
                            "cuda: %s is broken: it lacks %s; reinstall the "
                            "NVIDIA driver",
                            path, symbols[i].name);
        memcpy((char *)&api + symbols[i].offset, &f, sizeof f);
    }
    cuda_cu = api;
    return halSuccess;
}

halError_t cuda_load(void)
{
    const char *path = getenv("HALCYON_CUDA_LIB");
    void *lib;
    halError_t st;

    if (cuda_cu.Init)
        return halSuccess;
    if (!path || !*path)
        path = "libcuda.so.1";
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return hal_fail(halErrorNoDriver,
                        "cuda: cannot load %s (%s); install the NVIDIA driver "
                        "(Debian: libcuda1), in a container start it with "
                        "--gpus all",
                        path, dlerror());
    st = check_version(lib, path);
    if (st == halSuccess)
        st = resolve(lib, path);
    if (st != halSuccess)
        dlclose(lib);
    return st;
}
