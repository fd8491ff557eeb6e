/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prop.c - whether a device says of itself what every device has.  A plug-in
 * that leaves its properties at zero would be a device of no memory that runs
 * nothing, and each call would say so in another way.
 */
#include "hal/internal.h"

#include <stdio.h>

/* The first field that cannot be, or NULL. */
static const char *bad_field(const struct halDeviceProp *p)
{
    if (!p->name[0])
        return "name";
    if (!p->totalGlobalMem)
        return "totalGlobalMem";
    if (p->memAlign && (p->memAlign < 64 || p->memAlign & (p->memAlign - 1)))
        return "memAlign"; /* 0: the core's default */
    if (!p->warpSize)
        return "warpSize";
    if (!p->maxThreadsPerBlock)
        return "maxThreadsPerBlock";
    for (int i = 0; i < 3; i++) {
        if (!p->maxThreadsDim[i])
            return "maxThreadsDim";
        if (!p->maxGridSize[i])
            return "maxGridSize";
    }
    return p->dtypes ? NULL : "dtypes";
}

halError_t hal__prop_check(const struct hal_backend *backend,
                           struct hal_dev *dev)
{
    const char *field = bad_field(&dev->info.prop);

    if (!field)
        return halSuccess;
    (void)hal_fail(halErrorAbiMismatch,
                   "%s: device_open leaves prop.%s without a value that a "
                   "device can have",
                   backend->name, field);
    dev->ops->device_close(dev);
    return halErrorAbiMismatch;
}
