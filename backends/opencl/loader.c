/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.c - finds libOpenCL.so.1 and its functions.  Invariant: opencl_cl is
 * either empty or complete (all of symbols.def's X).
 */
#include "backends/opencl/opencl.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct opencl_api opencl_cl;

static const struct {
    const char *name;
    size_t offset;
    bool required;
} symbols[] = {
#define X(name) { "cl" #name, offsetof(struct opencl_api, name), true },
#define O(name) { "cl" #name, offsetof(struct opencl_api, name), false },
#include "backends/opencl/symbols.def"
#undef X
#undef O
};

static halError_t resolve(void *lib, const char *path)
{
    struct opencl_api api;

    memset(&api, 0, sizeof api);
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        void *f = dlsym(lib, symbols[i].name);

        if (!f && symbols[i].required)
            return hal_fail(halErrorNoDriver,
                            "opencl: %s is broken: it lacks %s; reinstall "
                            "ocl-icd-libopencl1",
                            path, symbols[i].name);
        memcpy((char *)&api + symbols[i].offset, &f, sizeof f);
    }
    opencl_cl = api;
    return halSuccess;
}

halError_t opencl_load(void)
{
    const char *path = getenv("HALCYON_OPENCL_LIB");
    void *lib;
    halError_t st;

    if (opencl_cl.Finish)
        return halSuccess;
    if (!path || !*path) {
        /* An OpenCL that was preloaded (`oclgrind command`, a tracer) is meant
         * to stand in the way. */
        if (dlsym(RTLD_DEFAULT, "clGetPlatformIDs"))
            return resolve(RTLD_DEFAULT, "the preloaded OpenCL library");
        path = "libOpenCL.so.1";
    }
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return hal_fail(halErrorNoDriver,
                        "opencl: cannot load %s (%s); install "
                        "ocl-icd-libopencl1 and a driver, such as "
                        "pocl-opencl-icd",
                        path, dlerror());
    st = resolve(lib, path);
    if (st != halSuccess)
        dlclose(lib);
    return st;
}
