/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quirks.c - everything that this backend knows about one driver by name.
 * Invariant: a quirk states driver, symptom and when it may go.  How to see
 * each: docs/drivers/vulkan.md.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/vulkan/vulkan.h"

/*
 * QUIRK(lavapipe, Mesa 22.3.6): the queue's thread still takes the lock of a
 * timeline semaphore that a batch has waited for after the batch's own
 * semaphore is signalled; destroying the first one then, as Vulkan allows, is a
 * use after free in the driver.  So semaphores are never destroyed before the
 * device is: dev.timelines keeps them for the next stream (stream.c), which is
 * also cheaper.  Remove when no Mesa below 23.1 is in use.
 */
uint32_t vulkan_quirks_of(const VkPhysicalDeviceProperties *props,
                          const VkPhysicalDeviceDriverProperties *driver,
                          uint32_t stamp_bits)
{
    uint32_t quirks = 0;

    /* Not of one driver: a queue that has no clock at all. */
    if (stamp_bits == 0 || props->limits.timestampPeriod <= 0.0f)
        quirks |= VULKAN_QUIRK_HOST_TIME;
    /* QUIRK(VK_LAYER_KHRONOS_validation 1.3.239): GPU-assisted validation takes
     * pushed descriptors for uninitialised ones.  Remove with a newer layer. */
    if (vulkan_inst.validation > 1)
        quirks |= VULKAN_QUIRK_NO_PUSH_DESC;
    /* QUIRK(llvmpipe): a thread's loops silently end after 65,535 iterations.
     * Remove when Mesa's gallivm has no such limit. */
    if (driver->driverID == VK_DRIVER_ID_MESA_LLVMPIPE)
        quirks |= VULKAN_QUIRK_LOOPS;
    return quirks;
}

/* QUIRK(lavapipe, SwiftShader): driverVersion is 0.0.1 or 5.0.0 for ever; what
 * people call the version stands in driverInfo ("Mesa 22.3.6 (LLVM 15)").
 * Remove when lavapipe encodes Mesa's version. */
static const char *version_text(const VkPhysicalDeviceDriverProperties *driver)
{
    const char *mesa = strstr(driver->driverInfo, "Mesa ");

    return mesa ? mesa + 5 : NULL;
}

uint32_t vulkan_driver_version(const VkPhysicalDeviceProperties *props,
                               const VkPhysicalDeviceDriverProperties *driver)
{
    const char *text = version_text(driver);
    uint32_t v = props->driverVersion;
    uint32_t major, minor;

    if (text) {
        char *end;

        major = (uint32_t)strtoul(text, &end, 10);
        minor = *end == '.' ? (uint32_t)strtoul(end + 1, NULL, 10) : 0;
    } else if (driver->driverID == VK_DRIVER_ID_NVIDIA_PROPRIETARY) {
        major = v >> 22; /* 10.8.8.6 bits, not Vulkan's own packing */
        minor = v >> 14 & 0xff;
    } else {
        major = VK_API_VERSION_MAJOR(v);
        minor = VK_API_VERSION_MINOR(v);
    }
    return major % 10000 * 1000 + minor % 100 * 10;
}

/*
 * QUIRK(VK_LAYER_KHRONOS_validation 1.3.239).  Remove each with the layer that
 * no longer says it.
 * - status-message, GPU-Assisted Validation Warning: its own housekeeping (that
 *   it is slow, that a device lacks what it would like).
 * - VkSemaphore-state-timeout: its thread has fallen behind; the text itself
 *   says "most likely a validation bug".
 */
int vulkan_quirk_ignores(const char *message_id)
{
    static const char *const ignored[] = {
        "UNASSIGNED-CreateInstance-status-message",
        "UNASSIGNED-GPU-Assisted Validation Warning",
        "UNASSIGNED-VkSemaphore-state-timeout",
    };
    size_t i;

    for (i = 0; message_id && i < sizeof ignored / sizeof *ignored; i++)
        if (!strncmp(message_id, ignored[i], strlen(ignored[i])))
            return 1;
    return 0;
}
