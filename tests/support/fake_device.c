/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_device.c - the fake backends' devices, with and without the optional
 * ops.
 */
#include "tests/support/fake_internal.h"

#include <stdio.h>
#include <stdlib.h>

static halError_t device_open(unsigned index, const struct hal_opt_ops *table,
                              struct hal_dev **out_dev)
{
    struct fake_dev *d = fake_alloc(0, sizeof *d);
    struct hal_dev_info *info = &d->base.info;
    struct halDeviceProp *p = &info->prop;

    d->index = index;
    d->base.size = sizeof d->base;
    d->base.ops = &fake_ops;
    d->base.opt = table;
    info->size = sizeof *info;
    info->target = HAL_TARGET_OPENCL;
    info->caps = HAL_CAP_STORAGE_8_16 | HAL_CAP_INT64;
    info->version = 1010;
    snprintf(p->name, sizeof p->name, "Fake %u", index);
    snprintf(p->driver, sizeof p->driver, "fake driver 1.1");
    p->totalGlobalMem = FAKE_MEMORY;
    p->maxAllocBytes = FAKE_MEMORY / 2;
    p->sharedMemPerBlock = 32768;
    p->memPitch = 8 << 20;
    p->pitchAlign = 128;
    p->memAlign = 256;
    p->warpSize = 8;
    p->maxThreadsPerBlock = 256;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = p->maxThreadsDim[2] = 256;
    p->maxGridSize[0] = 65535;
    p->maxGridSize[1] = p->maxGridSize[2] = 1024;
    p->maxThreadsPerMultiProcessor = 1024;
    p->multiProcessorCount = 4;
    p->dtypes = (1u << halF32) | (1u << halF64) | (1u << halI32);
    p->dtypesNative = 1u << halF32;
    p->managedMemory = p->canMapHostMemory = table != NULL;
    p->streamPrioritiesSupported = table != NULL;
    fake_live_add(1);
    *out_dev = &d->base;
    return halSuccess;
}

static halError_t fake_open(unsigned index, struct hal_dev **out_dev)
{
    return device_open(index, &fake_opt, out_dev);
}

static halError_t bare_open(unsigned index, struct hal_dev **out_dev)
{
    return device_open(index, NULL, out_dev);
}

static halError_t probe(unsigned *out_count)
{
    *out_count = FAKE_DEVICES;
    return halSuccess;
}

static halError_t describe(unsigned index, char name[256], char driver[256])
{
    snprintf(name, 256, "Fake %u", index);
    snprintf(driver, 256, "fake driver 1.1, unit %u", index);
    return halSuccess;
}

const struct hal_backend fake_backend = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "fake",
    .probe = probe,
    .describe = describe,
    .device_open = fake_open,
};

const struct hal_backend bare_backend = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "bare",
    .probe = probe,
    .describe = describe,
    .device_open = bare_open,
};
