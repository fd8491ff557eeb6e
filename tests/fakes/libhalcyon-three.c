/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in backend that counts three devices and knows two; its name is not
 * its file's.  TEST_PROP is what it says of its devices: unset, nothing; empty,
 * their name; else all, and "one" is one device. */
#include "hal/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void device_close(struct hal_dev *dev)
{
    free(dev);
}

/* Enough for the table to have no hole; none of it is called. */
static halError_t never(void)
{
    return halErrorInternal;
}

static struct hal_ops ops;

static halError_t probe(unsigned *out_count)
{
    const char *want = getenv("TEST_PROP");

    *out_count = want && !strcmp(want, "one") ? 1 : 3;
    return halSuccess;
}

static halError_t describe(unsigned index, char name[256], char driver[256])
{
    if (index == 1)
        return hal_fail(halErrorInvalidDevice, "the second is not plugged in");
    snprintf(name, 256, "Trio %u", index);
    snprintf(driver, 256, "trio");
    return halSuccess;
}

static void fill_prop(struct halDeviceProp *p, const char *want)
{
    if (!want)
        return;
    snprintf(p->name, sizeof p->name, "Trio");
    if (!*want)
        return;
    p->totalGlobalMem = 1 << 20;
    p->warpSize = p->maxThreadsPerBlock = p->dtypes = 1;
    for (int i = 0; i < 3; i++)
        p->maxThreadsDim[i] = p->maxGridSize[i] = 1;
}

static halError_t device_open(unsigned index, struct hal_dev **out_dev)
{
    struct hal_dev *dev = calloc(1, sizeof *dev);
    void (**slot)(void) = (void (**)(void))(void *)&ops.device_close;
    size_t n =
        (sizeof ops - offsetof(struct hal_ops, device_close)) / sizeof *slot;

    (void)index;
    for (size_t i = 0; i < n; i++)
        slot[i] = (void (*)(void))never;
    ops.size = sizeof ops;
    ops.device_close = device_close;
    dev->size = sizeof *dev;
    dev->info.size = sizeof dev->info;
    dev->ops = &ops;
    fill_prop(&dev->info.prop, getenv("TEST_PROP"));
    *out_dev = dev;
    return halSuccess;
}

const struct hal_backend hal_backend_plugin = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "trio",
    .probe = probe,
    .describe = describe,
    .device_open = device_open,
};
