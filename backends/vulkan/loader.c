/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.c - libvulkan.so.1 by dlopen, and its functions by symbols.def.
 * Invariant: a table is complete or refused.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "backends/vulkan/vulkan.h"

#define PACKAGES "install libvulkan1 and mesa-vulkan-drivers (or the GPU's)"

halError_t vulkan_lib_open(struct vulkan_inst_fn *fn, void **out_lib)
{
    const char *path = getenv("HALCYON_VULKAN_LIB");
    struct vulkan_inst_fn f = { 0 };
    halError_t st = halSuccess;
    void *lib, *sym;

    if (!path || !*path)
        path = "libvulkan.so.1";
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return hal_fail(halErrorNoDriver, "vulkan: %s; " PACKAGES, dlerror());
    sym = dlsym(lib, "vkGetInstanceProcAddr");
    if (!sym) {
        st = hal_fail(halErrorNoDriver,
                      "vulkan: %s has no vkGetInstanceProcAddr; " PACKAGES,
                      path);
        goto out;
    }
    memcpy(&f.GetInstanceProcAddr, &sym, sizeof sym);
#define GLOBAL(name)                                                        \
    f.name = (PFN_vk##name)(void *)f.GetInstanceProcAddr(NULL, "vk" #name); \
    if (!f.name) {                                                          \
        st = hal_fail(halErrorNoDriver,                                     \
                      "vulkan: %s has no vk" #name "; " PACKAGES, path);    \
        goto out;                                                           \
    }
#include "backends/vulkan/symbols.def"
    *fn = f;
    *out_lib = lib;
    lib = NULL;
out:
    vulkan_lib_close(lib);
    return st;
}

void vulkan_lib_close(void *lib)
{
    if (lib)
        dlclose(lib);
}

halError_t vulkan_load_instance(struct vulkan_inst_fn *fn, VkInstance inst)
{
#define INSTANCE_OPT(name)                                             \
    fn->name = (PFN_vk##name)(void *)fn->GetInstanceProcAddr(inst, "v" \
                                                                   "k" #name);
#define INSTANCE(name)                    \
    INSTANCE_OPT(name)                    \
    if (!fn->name)                        \
        return hal_fail(halErrorNoDriver, \
                        "vulkan: the driver has no vk" #name "; " PACKAGES);
#include "backends/vulkan/symbols.def"
    return halSuccess;
}

halError_t vulkan_load_device(const struct vulkan_inst_fn *inst_fn,
                              VkDevice handle, struct vulkan_dev_fn *fn)
{
#define DEVICE_OPT(name) \
    fn->name =           \
        (PFN_vk##name)(void *)inst_fn->GetDeviceProcAddr(handle, "vk" #name);
#define DEVICE(name)                      \
    DEVICE_OPT(name)                      \
    if (!fn->name)                        \
        return hal_fail(halErrorNoDriver, \
                        "vulkan: the driver has no vk" #name "; update it");
#include "backends/vulkan/symbols.def"
    return halSuccess;
}
