/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.c - probe, describe, open, close, and the backend's tables.
 * Invariant: device_close leaves no Vulkan object of the device, on a lost
 * device too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/vulkan/vulkan.h"

static halError_t vulkan_probe(unsigned *out_count)
{
    halError_t st;

    if (atomic_load(&vulkan_inst.n_open))
        return hal_fail(halErrorBadState, "vulkan: probe with %u devices open",
                        atomic_load(&vulkan_inst.n_open));
    st = vulkan_inst_open();
    if (st == halSuccess)
        *out_count = vulkan_inst.n_gpus;
    return st;
}

static void driver_text(const struct vulkan_gpu *g, char driver[256])
{
    uint32_t v = g->props.apiVersion;

    snprintf(driver, 256, "%.80s%s%.120s, Vulkan %u.%u.%u",
             g->driver.driverName, g->driver.driverInfo[0] ? " " : "",
             g->driver.driverInfo, VK_API_VERSION_MAJOR(v),
             VK_API_VERSION_MINOR(v), VK_API_VERSION_PATCH(v));
}

static halError_t vulkan_describe(unsigned index, char name[256],
                                  char driver[256])
{
    if (index >= vulkan_inst.n_gpus)
        return hal_fail(halErrorInvalidDevice, "vulkan: device %u of %u", index,
                        vulkan_inst.n_gpus);
    snprintf(name, 256, "%s", vulkan_inst.gpus[index].props.deviceName);
    driver_text(&vulkan_inst.gpus[index], driver);
    return halSuccess;
}

/* ---- what the device can do ------------------------------------------ */

/* The features that are asked for: those of the list that the device has. */
struct features {
    VkPhysicalDeviceFeatures2 base;
    VkPhysicalDeviceVulkan11Features v11;
    VkPhysicalDeviceVulkan12Features v12;
};

static void features_chain(struct features *f)
{
    f->base.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    f->base.pNext = &f->v11;
    f->v11.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    f->v11.pNext = &f->v12;
    f->v12.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES;
}

/* What no kernel asks for stays off: robustBufferAccess, say, costs speed. */
static void features_pick(const struct vulkan_gpu *g, struct features *on)
{
    struct features has = { 0 };

    memset(on, 0, sizeof *on);
    features_chain(&has);
    features_chain(on);
    vulkan_inst.fn.GetPhysicalDeviceFeatures2(g->handle, &has.base);
#define BASE(name) on->base.features.name = has.base.features.name
#define V11(name)  on->v11.name = has.v11.name
#define V12(name)  on->v12.name = has.v12.name
    BASE(shaderInt16);
    BASE(shaderInt64);
    BASE(shaderFloat64);
    if (vulkan_inst.validation > 1) { /* GPU-assisted validation writes */
        BASE(fragmentStoresAndAtomics);
        BASE(vertexPipelineStoresAndAtomics);
    }
    V11(storageBuffer16BitAccess);
    V11(uniformAndStorageBuffer16BitAccess);
    V11(variablePointersStorageBuffer);
    V11(variablePointers);
    V12(storageBuffer8BitAccess);
    V12(uniformAndStorageBuffer8BitAccess);
    V12(shaderBufferInt64Atomics);
    V12(shaderFloat16);
    V12(shaderInt8);
    V12(scalarBlockLayout);
    V12(shaderSubgroupExtendedTypes);
    V12(timelineSemaphore);
    V12(bufferDeviceAddress);
    V12(vulkanMemoryModel);
    V12(vulkanMemoryModelDeviceScope);
#undef BASE
#undef V11
#undef V12
}

static uint64_t caps_of(const struct vulkan_gpu *g, const struct features *on)
{
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES
    };
    VkPhysicalDeviceProperties2 props = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &subgroup
    };
    const VkPhysicalDeviceFeatures *base = &on->base.features;
    uint64_t caps = HAL_CAP_SSBO | HAL_CAP_ATOMICS;

    vulkan_inst.fn.GetPhysicalDeviceProperties2(g->handle, &props);
    if (g->props.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU)
        caps |= HAL_CAP_SMALL_GROUPS;
    if (on->v11.storageBuffer16BitAccess && on->v12.storageBuffer8BitAccess &&
        on->v12.shaderInt8 && base->shaderInt16)
        caps |= HAL_CAP_STORAGE_8_16;
    if (on->v12.bufferDeviceAddress && base->shaderInt64)
        caps |= HAL_CAP_BDA;
    if (on->v12.shaderFloat16)
        caps |= HAL_CAP_FP16;
    if (base->shaderFloat64)
        caps |= HAL_CAP_FP64;
    if (base->shaderInt64)
        caps |= HAL_CAP_INT64;
    if (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT &&
        subgroup.supportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT)
        caps |= HAL_CAP_SUBGROUP;
    return caps;
}

static uint32_t dtypes_native(uint64_t caps, const struct features *on)
{
    uint32_t bits = 1u << halF32 | 1u << halI32 | 1u << halU32;

    if (caps & HAL_CAP_FP16)
        bits |= 1u << halF16;
    if (caps & HAL_CAP_FP64)
        bits |= 1u << halF64;
    if (caps & HAL_CAP_INT64)
        bits |= 1u << halI64 | 1u << halU64;
    if (on->v12.shaderInt8)
        bits |= 1u << halI8 | 1u << halU8;
    if (on->base.features.shaderInt16)
        bits |= 1u << halI16 | 1u << halU16;
    return bits;
}

/* Small types are storage formats everywhere: the packed kernels take them
 * from words. */
static uint32_t dtypes_storage(uint32_t native)
{
    return native | 1u << halF16 | 1u << halBF16 | 1u << halI8 | 1u << halU8 |
           1u << halI16 | 1u << halU16 | 1u << halE4M3 | 1u << halE5M2;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void prop_fill(struct vulkan_dev *d, const struct features *on)
{
    VkPhysicalDeviceMaintenance3Properties m3 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES
    };
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
        .pNext = &m3
    };
    VkPhysicalDeviceProperties2 props = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &subgroup
    };
    const struct vulkan_gpu *g = d->gpu;
    const VkPhysicalDeviceLimits *lim = &g->props.limits;
    struct halDeviceProp *p = &d->dev.info.prop;
    const uint64_t heap = d->mem_props.memoryHeaps[d->device_pool.heap].size;
    int i;

    vulkan_inst.fn.GetPhysicalDeviceProperties2(g->handle, &props);
    snprintf(p->name, sizeof p->name, "%s", g->props.deviceName);
    snprintf(p->backend, sizeof p->backend, "vulkan");
    driver_text(g, p->driver);
    memcpy(p->uuid, g->uuid, sizeof p->uuid);
    p->totalGlobalMem = heap;
    p->maxAllocBytes = min_u64(m3.maxMemoryAllocationSize, heap) &
                       ~(uint64_t)(VULKAN_MEM_ALIGN - 1);
    p->sharedMemPerBlock = lim->maxComputeSharedMemorySize;
    p->memPitch = INT32_MAX;
    p->pitchAlign = VULKAN_MEM_ALIGN;
    p->memAlign = VULKAN_MEM_ALIGN;
    p->warpSize = subgroup.subgroupSize ? subgroup.subgroupSize : 1;
    p->maxThreadsPerBlock = lim->maxComputeWorkGroupInvocations;
    for (i = 0; i < 3; i++) {
        p->maxThreadsDim[i] = lim->maxComputeWorkGroupSize[i];
        p->maxGridSize[i] = lim->maxComputeWorkGroupCount[i];
    }
    if (g->props.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU) {
        long n = sysconf(_SC_NPROCESSORS_ONLN);

        p->multiProcessorCount = n > 0 ? (uint32_t)n : 1;
    }
    p->major = VK_API_VERSION_MAJOR(g->props.apiVersion);
    p->minor = VK_API_VERSION_MINOR(g->props.apiVersion);
    p->dtypesNative = dtypes_native(d->dev.info.caps, on);
    p->dtypes = dtypes_storage(p->dtypesNative);
    p->maxLoopSteps = g->quirks & VULKAN_QUIRK_LOOPS ? 65535 : 0;
    p->asyncEngineCount = 1;
    p->integrated =
        g->props.deviceType == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ||
        g->props.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    p->canMapHostMemory = d->host_pool.mapped;
    p->managedMemory = d->host_pool.mapped;
    p->concurrentKernels = d->n_queues > 1;
    p->unifiedAddressing = 1;
    p->streamPrioritiesSupported = 0;
}

/* ---- open ------------------------------------------------------------ */

static int has_extension(const VkExtensionProperties *list, uint32_t n,
                         const char *name)
{
    uint32_t i;

    for (i = 0; i < n; i++)
        if (!strcmp(list[i].extensionName, name))
            return 1;
    return 0;
}

/* Fills names[0..3) with the extensions to enable. */
static halError_t extensions_pick(struct vulkan_dev *d, const char **names,
                                  uint32_t *out_n)
{
    const struct vulkan_gpu *g = d->gpu;
    VkExtensionProperties *list = NULL;
    uint32_t n = 0, n_names = 0;
    halError_t st = halSuccess;

    VULKAN_OR_GOTO(out, st, d,
                   vulkan_inst.fn.EnumerateDeviceExtensionProperties(
                       g->handle, NULL, &n, NULL));
    list = calloc(n ? n : 1, sizeof *list);
    if (!list) {
        st = hal_fail(halErrorHostMemory, "vulkan: %u extensions", n);
        goto out;
    }
    VULKAN_OR_GOTO(out, st, d,
                   vulkan_inst.fn.EnumerateDeviceExtensionProperties(
                       g->handle, NULL, &n, list));
    d->push_desc = !(g->quirks & VULKAN_QUIRK_NO_PUSH_DESC) &&
                   has_extension(list, n, "VK_KHR_push_descriptor");
    d->import = !(g->quirks & VULKAN_QUIRK_NO_IMPORT) &&
                has_extension(list, n, "VK_EXT_external_memory_host");
    d->budget = has_extension(list, n, "VK_EXT_memory_budget");
    if (d->push_desc)
        names[n_names++] = "VK_KHR_push_descriptor";
    if (d->import)
        names[n_names++] = "VK_EXT_external_memory_host";
    if (d->budget)
        names[n_names++] = "VK_EXT_memory_budget";
    *out_n = n_names;
out:
    free(list);
    return st;
}

static void limits_read(struct vulkan_dev *d)
{
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT ext = {
        .sType =
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT
    };
    VkPhysicalDeviceProperties2 props = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = d->import ? &ext : NULL
    };
    const VkPhysicalDeviceLimits *lim = &d->gpu->props.limits;

    vulkan_inst.fn.GetPhysicalDeviceProperties2(d->gpu->handle, &props);
    d->import_align = ext.minImportedHostPointerAlignment
                          ? ext.minImportedHostPointerAlignment
                          : 4096;
    /* Never below 16: an element of IN16, and the words of packed kernels,
     * begin on such a boundary of what is bound. */
    d->offset_align = lim->minStorageBufferOffsetAlignment > 16
                          ? lim->minStorageBufferOffsetAlignment
                          : 16;
    d->range_max = lim->maxStorageBufferRange;
    d->push_max = lim->maxPushConstantsSize;
}

static halError_t logical_open(struct vulkan_dev *d, struct features *on)
{
    static const float priorities[VULKAN_QUEUES_MAX] = { 1, 1, 1, 1 };
    const struct vulkan_gpu *g = d->gpu;
    const char *names[3];
    uint32_t n_names = 0, i;
    halError_t st = extensions_pick(d, names, &n_names);

    if (st != halSuccess)
        return st;
    features_pick(g, on);
    d->n_queues = g->n_queues;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = g->family,
        .queueCount = d->n_queues,
        .pQueuePriorities = priorities,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &on->base,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = n_names,
        .ppEnabledExtensionNames = names,
    };
    VULKAN_OR_GOTO(
        out, st, d,
        vulkan_inst.fn.CreateDevice(g->handle, &info, NULL, &d->handle));
    st = vulkan_load_device(&vulkan_inst.fn, d->handle, &d->fn);
    if (st != halSuccess)
        goto out;
    d->push_desc = d->push_desc && d->fn.CmdPushDescriptorSetKHR;
    d->import = d->import && d->fn.GetMemoryHostPointerPropertiesEXT;
    for (i = 0; i < d->n_queues; i++)
        d->fn.GetDeviceQueue(d->handle, g->family, i, &d->queues[i].handle);
    limits_read(d);
out:
    return st;
}

static void vulkan_device_close(struct hal_dev *dev)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    uint32_t i;

    if (!d)
        return;
    vulkan_flusher_stop(d);
    if (d->handle && d->fn.DestroyDevice) {
        if (d->fn.DeviceWaitIdle)
            (void)d->fn.DeviceWaitIdle(d->handle);
        vulkan_cache_close(d);
        vulkan_stamps_close(d);
        vulkan_timelines_close(d);
        vulkan_pools_close(d);
        d->fn.DestroyDevice(d->handle, NULL);
    }
    for (i = 0; i < VULKAN_QUEUES_MAX; i++)
        pthread_mutex_destroy(&d->queues[i].lock);
    pthread_mutex_destroy(&d->mem_lock);
    pthread_mutex_destroy(&d->spare_lock);
    pthread_mutex_destroy(&d->list_lock);
    pthread_mutex_destroy(&d->flush_lock);
    pthread_cond_destroy(&d->flush_cond);
    free(d);
    atomic_fetch_sub(&vulkan_inst.n_open, 1);
}

static const struct hal_ops vulkan_ops = {
    .size = sizeof(struct hal_ops),
    .device_close = vulkan_device_close,
    .mem_info = vulkan_mem_info,
    .mem_alloc = vulkan_mem_alloc,
    .mem_free = vulkan_mem_free,
    .stream_create = vulkan_stream_create,
    .stream_destroy = vulkan_stream_destroy,
    .stream_query = vulkan_stream_query,
    .stream_sync = vulkan_stream_sync,
    .copy_in = vulkan_copy_in,
    .copy_out = vulkan_copy_out,
    .copy = vulkan_copy,
    .fill = vulkan_fill,
    .host_func = vulkan_host_func,
    .event_create = vulkan_event_create,
    .event_destroy = vulkan_event_destroy,
    .event_record = vulkan_event_record,
    .event_query = vulkan_event_query,
    .event_sync = vulkan_event_sync,
    .event_elapsed = vulkan_event_elapsed,
    .stream_wait = vulkan_stream_wait,
    .kernel_create = vulkan_kernel_create,
    .kernel_destroy = vulkan_kernel_destroy,
    .launch = vulkan_launch,
};

static const struct hal_opt_ops vulkan_opt_ops = {
    .size = sizeof(struct hal_opt_ops),
    .host_alloc = vulkan_host_alloc,
    .host_free = vulkan_host_free,
    .host_register = vulkan_host_register,
    .host_unregister = vulkan_host_unregister,
};

static halError_t vulkan_device_open(unsigned index, struct hal_dev **out_dev)
{
    struct vulkan_dev *d = NULL;
    struct features on;
    pthread_condattr_t attr;
    halError_t st;
    uint32_t i;

    if (index >= vulkan_inst.n_gpus)
        return hal_fail(halErrorInvalidDevice, "vulkan: device %u of %u", index,
                        vulkan_inst.n_gpus);
    d = calloc(1, sizeof *d);
    if (!d)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *d);
    atomic_fetch_add(&vulkan_inst.n_open, 1);
    d->gpu = &vulkan_inst.gpus[index];
    for (i = 0; i < VULKAN_QUEUES_MAX; i++)
        pthread_mutex_init(&d->queues[i].lock, NULL);
    pthread_mutex_init(&d->mem_lock, NULL);
    pthread_mutex_init(&d->spare_lock, NULL);
    pthread_mutex_init(&d->list_lock, NULL);
    pthread_mutex_init(&d->flush_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->flush_cond, &attr);
    pthread_condattr_destroy(&attr);

    st = logical_open(d, &on);
    if (st != halSuccess)
        goto out;
    d->dev = (struct hal_dev){
        .size = sizeof(struct hal_dev),
        .ops = &vulkan_ops,
        .opt = &vulkan_opt_ops,
        .info = { .size = sizeof(struct hal_dev_info),
                  .target = HAL_TARGET_VULKAN,
                  .caps = caps_of(d->gpu, &on),
                  .version =
                      vulkan_driver_version(&d->gpu->props, &d->gpu->driver) },
    };
    d->bda = (d->dev.info.caps & HAL_CAP_BDA) != 0;
    st = vulkan_pools_open(d);
    if (st != halSuccess)
        goto out;
    prop_fill(d, &on);
    st = vulkan_cache_open(d);
    if (st != halSuccess)
        goto out;
    *out_dev = &d->dev;
    d = NULL;
out:
    if (d)
        vulkan_device_close(&d->dev);
    return st;
}

const struct hal_backend hal_backend_vulkan = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "vulkan",
    .probe = vulkan_probe,
    .describe = vulkan_describe,
    .device_open = vulkan_device_open,
};
