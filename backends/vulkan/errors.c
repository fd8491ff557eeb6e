/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errors.c - VkResult to halError_t.  Invariant: VK_ERROR_DEVICE_LOST, wherever
 * it is seen, marks the device, and every later wait ends at once.
 */
#include <string.h>

#include "backends/vulkan/vulkan.h"

#define RESULTS(X)                                             \
    X(VK_NOT_READY, halErrorNotReady)                          \
    X(VK_TIMEOUT, halErrorNotReady)                            \
    X(VK_INCOMPLETE, halErrorInternal)                         \
    X(VK_ERROR_OUT_OF_HOST_MEMORY, halErrorHostMemory)         \
    X(VK_ERROR_OUT_OF_DEVICE_MEMORY, halErrorMemoryAllocation) \
    X(VK_ERROR_INITIALIZATION_FAILED, halErrorNoDriver)        \
    X(VK_ERROR_DEVICE_LOST, halErrorDeviceLost)                \
    X(VK_ERROR_MEMORY_MAP_FAILED, halErrorMemoryAllocation)    \
    X(VK_ERROR_LAYER_NOT_PRESENT, halErrorNoDriver)            \
    X(VK_ERROR_EXTENSION_NOT_PRESENT, halErrorNotSupported)    \
    X(VK_ERROR_FEATURE_NOT_PRESENT, halErrorNotSupported)      \
    X(VK_ERROR_INCOMPATIBLE_DRIVER, halErrorNoDriver)          \
    X(VK_ERROR_TOO_MANY_OBJECTS, halErrorMemoryAllocation)     \
    X(VK_ERROR_FRAGMENTED_POOL, halErrorMemoryAllocation)      \
    X(VK_ERROR_OUT_OF_POOL_MEMORY, halErrorMemoryAllocation)   \
    X(VK_ERROR_FRAGMENTATION, halErrorMemoryAllocation)        \
    X(VK_ERROR_INVALID_EXTERNAL_HANDLE, halErrorNotSupported)  \
    X(VK_ERROR_INVALID_SHADER_NV, halErrorKernelBuild)         \
    X(VK_ERROR_UNKNOWN, halErrorLaunchFailure)

const char *vulkan_result_name(VkResult r)
{
    switch ((int)r) {
#define X(result, error) \
    case result:         \
        return #result;
        RESULTS(X)
#undef X
    }
    return "an unlisted VkResult";
}

halError_t vulkan_error_of(struct vulkan_dev *d, VkResult r)
{
    if (r == VK_ERROR_DEVICE_LOST && d)
        atomic_store(&d->lost, 1);
    switch ((int)r) {
#define X(result, error) \
    case result:         \
        return error;
        RESULTS(X)
#undef X
    }
    return halErrorInternal;
}

halError_t vulkan_fail(struct vulkan_dev *d, VkResult r, const char *call)
{
    const char *name = strchr(call, '.');
    const char *arrow = strstr(call, "fn->");

    /* "d->fn.QueueSubmit(...)": the function's name is what helps. */
    name = arrow ? arrow + 4 : name ? name + 1 : call;
    return hal_fail(vulkan_error_of(d, r), "vulkan: vk%.*s: %s (%d)",
                    (int)strcspn(name, "("), name, vulkan_result_name(r),
                    (int)r);
}

halError_t vulkan_fail_lost(void)
{
    return hal_fail(halErrorDeviceLost,
                    "vulkan: the device was lost; halDeviceReset() opens it "
                    "anew");
}
