/* SPDX-License-Identifier: Apache-2.0 */
/*
 * props.c - what a GPU can do, as hal_dev_info has it.  Invariant: every limit
 * is the driver's word.
 */
#include "backends/cuda/cuda.h"

#include <stdio.h>

#include "compiler/compile.h"

/* cuMemAlloc's results are aligned to 256 bytes and more. */
#define MEM_ALIGN 256

static uint32_t number(const struct cuda_dev *dev, unsigned attribute)
{
    int value = cuda_attribute(dev->id, attribute);

    return value > 0 ? (uint32_t)value : 0;
}

static void fill_formats(struct hal_dev_info *info)
{
    const uint32_t integers = 1u << halI8 | 1u << halU8 | 1u << halI16 |
                              1u << halU16 | 1u << halI32 | 1u << halU32 |
                              1u << halI64 | 1u << halU64;

    info->caps = HAL_CAP_STORAGE_8_16 | HAL_CAP_INT64 | HAL_CAP_ATOMICS |
                 HAL_CAP_FP64 | HAL_CAP_FP16 | HAL_CAP_SUBGROUP | HAL_CAP_BDA |
                 compile_ptx_caps(info->prop.major, info->prop.minor);
    info->prop.dtypesNative =
        integers | 1u << halF32 | 1u << halF64 | 1u << halF16;
    if (info->prop.major >= 8)
        info->prop.dtypesNative |= 1u << halBF16;
    info->prop.dtypes =
        info->prop.dtypesNative | 1u << halBF16 | 1u << halE4M3 | 1u << halE5M2;
}

static void fill_limits(struct cuda_dev *dev)
{
    struct halDeviceProp *p = &dev->hal.info.prop;
    size_t total = 0;

    if (cuda_cu.DeviceTotalMem(&total, dev->id) != CUDA_OK)
        total = 0;
    p->totalGlobalMem = total;
    p->maxAllocBytes = total;
    p->sharedMemPerBlock = number(dev, CUDA_ATTR_MAX_SHARED_MEMORY_PER_BLOCK);
    p->sharedMemPerBlockOptin =
        number(dev, CUDA_ATTR_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
    if (p->sharedMemPerBlockOptin < p->sharedMemPerBlock)
        p->sharedMemPerBlockOptin = p->sharedMemPerBlock;
    p->memPitch = number(dev, CUDA_ATTR_MAX_PITCH);
    p->memAlign = MEM_ALIGN;
    p->pitchAlign = MEM_ALIGN;
    p->warpSize = number(dev, CUDA_ATTR_WARP_SIZE);
    p->maxThreadsPerBlock = number(dev, CUDA_ATTR_MAX_THREADS_PER_BLOCK);
    for (unsigned i = 0; i < 3; i++) {
        p->maxThreadsDim[i] = number(dev, CUDA_ATTR_MAX_BLOCK_DIM_X + i);
        p->maxGridSize[i] = number(dev, CUDA_ATTR_MAX_GRID_DIM_X + i);
    }
    p->maxThreadsPerMultiProcessor =
        number(dev, CUDA_ATTR_MAX_THREADS_PER_MULTIPROCESSOR);
    p->multiProcessorCount = number(dev, CUDA_ATTR_MULTIPROCESSOR_COUNT);
    p->clockRate = number(dev, CUDA_ATTR_CLOCK_RATE);
    p->memoryClockRate = number(dev, CUDA_ATTR_MEMORY_CLOCK_RATE);
    p->memoryBusWidth = number(dev, CUDA_ATTR_GLOBAL_MEMORY_BUS_WIDTH);
    p->l2CacheSize = number(dev, CUDA_ATTR_L2_CACHE_SIZE);
    p->asyncEngineCount = number(dev, CUDA_ATTR_ASYNC_ENGINE_COUNT);
}

void cuda_props_fill(struct cuda_dev *dev)
{
    struct hal_dev_info *info = &dev->hal.info;
    struct halDeviceProp *p = &info->prop;
    _Static_assert(sizeof p->uuid == 16, "a CUuuid");

    info->size = sizeof *info;
    info->target = HAL_TARGET_PTX;
    info->text_target = HAL_TARGET_CUDA;
    info->version = (uint32_t)cuda_version;
    snprintf(p->name, sizeof p->name, "%s", dev->gpu->name);
    snprintf(p->backend, sizeof p->backend, "cuda");
    snprintf(p->driver, sizeof p->driver, "%s", dev->gpu->driver);
    (void)cuda_cu.DeviceGetUuid((void *)p->uuid, dev->id);
    p->major = number(dev, CUDA_ATTR_COMPUTE_CAPABILITY_MAJOR);
    p->minor = number(dev, CUDA_ATTR_COMPUTE_CAPABILITY_MINOR);
    fill_formats(info);
    fill_limits(dev);
    p->integrated = cuda_attribute(dev->id, CUDA_ATTR_INTEGRATED);
    p->canMapHostMemory = 1;
    /* The host may touch it while kernels run, as hal.h promises. */
    p->managedMemory =
        cuda_attribute(dev->id, CUDA_ATTR_MANAGED_MEMORY) &&
        cuda_attribute(dev->id, CUDA_ATTR_CONCURRENT_MANAGED_ACCESS);
    p->concurrentKernels =
        cuda_attribute(dev->id, CUDA_ATTR_CONCURRENT_KERNELS);
    p->unifiedAddressing = 1;
    p->streamPrioritiesSupported =
        cuda_attribute(dev->id, CUDA_ATTR_STREAM_PRIORITIES_SUPPORTED);
}
