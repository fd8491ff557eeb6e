/* SPDX-License-Identifier: Apache-2.0 */
/*
 * occupancy.c - how many groups share a multiprocessor: an estimate from
 * threads and shared memory, since drivers tell no more.
 */
#include "hal/internal.h"

static int active_blocks(const struct hal_function *f, int block_size,
                         size_t dynamic)
{
    const struct halDeviceProp *p = &f->obj.dev->info.prop;
    uint64_t shared = hal__function_static(f) + dynamic, n;

    if (block_size <= 0 || (uint32_t)block_size != f->image->group ||
        (uint32_t)block_size > p->maxThreadsPerBlock ||
        dynamic > hal__function_dynamic(f))
        return 0;
    n = p->maxThreadsPerMultiProcessor / (uint32_t)block_size;
    /* The driver tells a group's share only: it is taken as the whole. */
    if (shared && p->sharedMemPerBlockOptin &&
        p->sharedMemPerBlockOptin / shared < n)
        n = p->sharedMemPerBlockOptin / shared;
    if (n > INT32_MAX)
        n = INT32_MAX;
    return n ? (int)n : 1;
}

halError_t halOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks,
                                                        halFunction_t function,
                                                        int blockSize,
                                                        size_t dynamicShared)
{
    struct hal_object *obj;
    halError_t st;

    if (!blocks || blockSize <= 0)
        return hal__done(hal_fail(
            halErrorInvalidValue,
            "halOccupancyMaxActiveBlocksPerMultiprocessor: %s",
            blocks ? "blockSize must be at least 1" : "blocks is NULL"));
    st = hal__object_get(function, HAL_KIND_FUNCTION, &obj);
    if (st != halSuccess)
        return hal__done(st);
    *blocks = active_blocks(HAL_ITEM(obj, struct hal_function, obj), blockSize,
                            dynamicShared);
    hal__object_release(obj);
    return halSuccess;
}

halError_t halOccupancyMaxPotentialBlockSize(int *minGridSize, int *blockSize,
                                             halFunction_t function,
                                             size_t dynamicShared,
                                             int blockSizeLimit)
{
    struct hal_function *f;
    struct hal_object *obj;
    int n, group;
    halError_t st;

    if (!minGridSize || !blockSize || blockSizeLimit < 0)
        return hal__done(hal_fail(
            halErrorInvalidValue, "halOccupancyMaxPotentialBlockSize: %s",
            blockSizeLimit < 0 ? "blockSizeLimit is negative"
                               : "an output is NULL"));
    st = hal__object_get(function, HAL_KIND_FUNCTION, &obj);
    if (st != halSuccess)
        return hal__done(st);
    f = HAL_ITEM(obj, struct hal_function, obj);
    group = (int)f->image->group;
    n = active_blocks(f, group, dynamicShared);
    if (!n || (blockSizeLimit && group > blockSizeLimit)) {
        st = hal_fail(halErrorInvalidConfiguration,
                      "kernel '%s' runs groups of %d threads with %u bytes of "
                      "shared memory; %d threads and %zu more bytes were "
                      "asked for",
                      f->desc->name, group, hal__function_static(f),
                      blockSizeLimit, dynamicShared);
    } else {
        uint64_t grid = (uint64_t)n * f->obj.dev->info.prop.multiProcessorCount;

        *blockSize = group;
        *minGridSize = grid > INT32_MAX ? INT32_MAX : grid ? (int)grid : n;
    }
    hal__object_release(obj);
    return hal__done(st);
}
