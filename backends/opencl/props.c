/* SPDX-License-Identifier: Apache-2.0 */
/*
 * props.c - what a device can do, in the words of hal.h.  Invariant: what the
 * driver does not tell stays 0, save limits that callers divide by.
 */
#include "backends/opencl/opencl.h"

#include <stdio.h>
#include <string.h>

/* Vendors' extensions, absent from some CL/cl_ext.h. */
#define DEVICE_UUID_KHR         0x106A
#define DEVICE_WARP_SIZE_NV     0x4003
#define DEVICE_WAVEFRONT_AMD    0x4043
#define DEVICE_SVM_CAPABILITIES 0x1053

/* Groups along x: CUDA's own limit.  Drivers compute global sizes in size_t;
 * with 32 address bits they would overflow. */
#define GRID_X_MAX  0x7fffffffu
#define GRID_YZ_MAX 65535u
#define LOOP_STEPS  65535u /* see OPENCL_QUIRK_LOOPS */

/* The largest alignment that clSVMAlloc must grant (cl_long16). */
#define SVM_ALIGN_MAX 128u

static uint64_t get(cl_device_id id, cl_device_info what, size_t size)
{
    uint64_t value = 0;

    if (opencl_cl.GetDeviceInfo(id, what, size, &value, NULL) != CL_SUCCESS)
        return 0;
    return value;
}

static uint32_t get_uint(cl_device_id id, cl_device_info what)
{
    return (uint32_t)get(id, what, sizeof(cl_uint));
}

static uint32_t at_most(uint64_t value, uint32_t limit)
{
    return value > limit ? limit : (uint32_t)value;
}

static bool has_extension(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = strstr(list, name); at; at = strstr(at + n, name))
        if ((at == list || at[-1] == ' ') && (!at[n] || at[n] == ' '))
            return true;
    return false;
}

static uint32_t warp_size(cl_device_id id, const char *extensions)
{
    uint32_t size = 0;

    if (has_extension(extensions, "cl_nv_device_attribute_query"))
        size = get_uint(id, DEVICE_WARP_SIZE_NV);
    else if (has_extension(extensions, "cl_amd_device_attribute_query"))
        size = get_uint(id, DEVICE_WAVEFRONT_AMD);
    return size ? size : 1;
}

static void fill_uuid(struct opencl_dev *dev, const char *extensions)
{
    struct halDeviceProp *p = &dev->hal.info.prop;
    uint64_t hash = 14695981039346656037ull;

    if (has_extension(extensions, "cl_khr_device_uuid") &&
        opencl_cl.GetDeviceInfo(dev->id, DEVICE_UUID_KHR, sizeof p->uuid,
                                p->uuid, NULL) == CL_SUCCESS)
        return;
    /* FNV-1a of its name: the same from run to run. */
    for (const char *c = p->name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ull;
    memcpy(p->uuid, &hash, 8);
    for (const char *c = p->driver; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ull;
    memcpy(p->uuid + 8, &hash, 8);
}

static void fill_formats(struct opencl_dev *dev, const char *extensions,
                         cl_device_type type)
{
    struct hal_dev_info *info = &dev->hal.info;
    const uint32_t integers = 1u << halI8 | 1u << halU8 | 1u << halI16 |
                              1u << halU16 | 1u << halI32 | 1u << halU32 |
                              1u << halI64 | 1u << halU64;

    info->caps =
        HAL_CAP_STORAGE_8_16 | HAL_CAP_INT64 | HAL_CAP_ATOMICS | HAL_CAP_SSBO;
    info->prop.dtypes = integers | 1u << halF32 | 1u << halF16 | 1u << halBF16 |
                        1u << halE4M3 | 1u << halE5M2;
    info->prop.dtypesNative = integers | 1u << halF32;
    if (has_extension(extensions, "cl_khr_fp64")) {
        info->caps |= HAL_CAP_FP64;
        info->prop.dtypes |= 1u << halF64;
        info->prop.dtypesNative |= 1u << halF64;
    }
    if (has_extension(extensions, "cl_khr_fp16")) {
        info->caps |= HAL_CAP_FP16;
        info->prop.dtypesNative |= 1u << halF16;
    }
    dev->svm_first = type & CL_DEVICE_TYPE_CPU;
    if (dev->svm_first && !(dev->quirks & OPENCL_QUIRK_LOOPS))
        info->caps |= HAL_CAP_SMALL_GROUPS;
}

static void fill_limits(struct opencl_dev *dev)
{
    struct halDeviceProp *p = &dev->hal.info.prop;
    cl_device_id id = dev->id;
    size_t sizes[3] = { 1, 1, 1 };
    uint32_t align = get_uint(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
    uint64_t group = get(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof(size_t));
    uint64_t svm = 0;

    if (opencl_cl.SVMAlloc && opencl_cl.SVMFree && opencl_cl.EnqueueSVMMemcpy &&
        opencl_cl.EnqueueSVMMemFill && opencl_cl.SetKernelArgSVMPointer)
        svm = get(id, DEVICE_SVM_CAPABILITIES, sizeof(cl_bitfield));
    p->maxLoopSteps = dev->quirks & OPENCL_QUIRK_LOOPS ? LOOP_STEPS : 0;
    dev->svm = svm & CL_DEVICE_SVM_FINE_GRAIN_BUFFER;
    dev->svm_first = dev->svm_first && dev->svm;
    p->managedMemory = dev->svm;
    p->canMapHostMemory = dev->svm;

    p->totalGlobalMem = get(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(cl_ulong));
    p->maxAllocBytes = get(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(cl_ulong));
    if (p->maxAllocBytes > p->totalGlobalMem)
        p->maxAllocBytes = p->totalGlobalMem;
    dev->total_bytes = p->totalGlobalMem;
    p->sharedMemPerBlock = get(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof(cl_ulong));
    if (p->sharedMemPerBlock >= HAL_LARGE_LOCAL_BYTES)
        dev->hal.info.caps |= HAL_CAP_LARGE_LOCAL;

    if (align < 64 || (align & (align - 1)))
        align = 64;
    if (dev->svm && align > SVM_ALIGN_MAX)
        align = SVM_ALIGN_MAX;
    p->memAlign = align;
    p->pitchAlign = align;
    p->memPitch = 0x7fffffff;

    p->maxThreadsPerBlock = at_most(group ? group : 1, 0x7fffffff);
    if (opencl_cl.GetDeviceInfo(id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof sizes,
                                sizes, NULL) != CL_SUCCESS)
        sizes[0] = p->maxThreadsPerBlock;
    for (int i = 0; i < 3; i++)
        p->maxThreadsDim[i] = at_most(sizes[i], p->maxThreadsPerBlock);
    p->maxGridSize[0] = get_uint(id, CL_DEVICE_ADDRESS_BITS) >= 64
                            ? GRID_X_MAX
                            : UINT32_MAX / p->maxThreadsPerBlock;
    p->maxGridSize[1] = at_most(p->maxGridSize[0], GRID_YZ_MAX);
    p->maxGridSize[2] = p->maxGridSize[1];
    p->maxThreadsPerMultiProcessor = p->maxThreadsPerBlock;
}

halError_t opencl_props_fill(struct opencl_dev *dev)
{
    const struct opencl_device *d = dev->device;
    struct hal_dev_info *info = &dev->hal.info;
    struct halDeviceProp *p = &info->prop;
    char extensions[16384], version[128];
    cl_device_type type = get(dev->id, CL_DEVICE_TYPE, sizeof(cl_device_type));
    unsigned major = 0, minor = 0;

    info->size = sizeof *info;
    info->target = HAL_TARGET_OPENCL;
    snprintf(p->name, sizeof p->name, "%s", d->name);
    snprintf(p->backend, sizeof p->backend, "opencl");
    snprintf(p->driver, sizeof p->driver, "%s", d->driver);

    /* "3.1+debian", "22.3.6", "Oclgrind 21.10": the first two numbers */
    if (sscanf(d->driver_version, "%*[^0-9]%u.%u", &major, &minor) < 1)
        (void)sscanf(d->driver_version, "%u.%u", &major, &minor);
    info->version = at_most(major, 2000000) * 1000 + at_most(minor, 99) * 10;
    opencl_device_string(dev->id, CL_DEVICE_VERSION, version, sizeof version);
    (void)sscanf(version, "OpenCL %u.%u", &p->major, &p->minor);

    opencl_device_string(dev->id, CL_DEVICE_EXTENSIONS, extensions,
                         sizeof extensions);
    fill_formats(dev, extensions, type);
    fill_limits(dev);
    fill_uuid(dev, extensions);
    p->warpSize =
        type & CL_DEVICE_TYPE_CPU ? 1 : warp_size(dev->id, extensions);

    p->multiProcessorCount = get_uint(dev->id, CL_DEVICE_MAX_COMPUTE_UNITS);
    p->clockRate = at_most(
        get(dev->id, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof(cl_uint)) * 1000,
        UINT32_MAX);
    p->l2CacheSize =
        at_most(get(dev->id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, sizeof(cl_ulong)),
                UINT32_MAX);
    p->integrated = type & CL_DEVICE_TYPE_CPU ||
                    get_uint(dev->id, CL_DEVICE_HOST_UNIFIED_MEMORY);
    p->concurrentKernels = !(dev->quirks & OPENCL_QUIRK_INLINE);
    p->asyncEngineCount = 1;
    p->unifiedAddressing = 1;
    if (!p->totalGlobalMem || !p->maxAllocBytes)
        return hal_fail(halErrorNoDriver,
                        "opencl: %s reports no memory: its driver is broken",
                        p->name);
    return halSuccess;
}
