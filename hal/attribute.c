/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attribute.c - device properties, whole and one by one.
 */
#include "hal/internal.h"

halError_t halGetDeviceProperties(struct halDeviceProp *prop, int device)
{
    struct hal_device *d;
    halError_t st;

    if (!prop)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halGetDeviceProperties: prop is NULL"));
    st = hal__device_at(device, &d);
    if (st == halSuccess)
        *prop = d->info.prop;
    return hal__done(st);
}

static uint64_t attribute_of(const struct halDeviceProp *p, halDeviceAttr attr,
                             int *out_known)
{
    *out_known = 1;
    switch (attr) {
    case halDevAttrMaxThreadsPerBlock:
        return p->maxThreadsPerBlock;
    case halDevAttrMaxBlockDimX:
        return p->maxThreadsDim[0];
    case halDevAttrMaxBlockDimY:
        return p->maxThreadsDim[1];
    case halDevAttrMaxBlockDimZ:
        return p->maxThreadsDim[2];
    case halDevAttrMaxGridDimX:
        return p->maxGridSize[0];
    case halDevAttrMaxGridDimY:
        return p->maxGridSize[1];
    case halDevAttrMaxGridDimZ:
        return p->maxGridSize[2];
    case halDevAttrMaxSharedMemoryPerBlock:
        return p->sharedMemPerBlock;
    case halDevAttrMaxSharedMemoryPerBlockOptin:
        return p->sharedMemPerBlockOptin;
    case halDevAttrWarpSize:
        return p->warpSize;
    case halDevAttrMaxPitch:
        return p->memPitch;
    case halDevAttrClockRate:
        return p->clockRate;
    case halDevAttrTextureAlignment:
        return p->memAlign;
    case halDevAttrMultiProcessorCount:
        return p->multiProcessorCount;
    case halDevAttrIntegrated:
        return (uint64_t)p->integrated;
    case halDevAttrCanMapHostMemory:
        return (uint64_t)p->canMapHostMemory;
    case halDevAttrConcurrentKernels:
        return (uint64_t)p->concurrentKernels;
    case halDevAttrMemoryClockRate:
        return p->memoryClockRate;
    case halDevAttrGlobalMemoryBusWidth:
        return p->memoryBusWidth;
    case halDevAttrL2CacheSize:
        return p->l2CacheSize;
    case halDevAttrMaxThreadsPerMultiProcessor:
        return p->maxThreadsPerMultiProcessor;
    case halDevAttrAsyncEngineCount:
        return p->asyncEngineCount;
    case halDevAttrUnifiedAddressing:
        return (uint64_t)p->unifiedAddressing;
    case halDevAttrComputeCapabilityMajor:
        return p->major;
    case halDevAttrComputeCapabilityMinor:
        return p->minor;
    case halDevAttrStreamPrioritiesSupported:
        return (uint64_t)p->streamPrioritiesSupported;
    case halDevAttrManagedMemory:
        return (uint64_t)p->managedMemory;
    }
    *out_known = 0;
    return 0;
}

halError_t halDeviceGetAttribute(int *value, halDeviceAttr attr, int device)
{
    struct hal_device *d;
    uint64_t number;
    int is_known;
    halError_t st;

    if (!value)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halDeviceGetAttribute: value is NULL"));
    st = hal__device_at(device, &d);
    if (st != halSuccess)
        return hal__done(st);
    number = attribute_of(&d->info.prop, attr, &is_known);
    if (!is_known)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halDeviceGetAttribute: no attribute %d",
                                  (int)attr));
    *value = number > INT32_MAX ? INT32_MAX : (int)number;
    return hal__done(halSuccess);
}
