/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in backend whose table of ops has a hole. */
#include "hal/backend.h"

#include <stdlib.h>

static void device_close(struct hal_dev *dev)
{
    free(dev);
}

static const struct hal_ops ops = {
    .size = sizeof(struct hal_ops),
    .device_close = device_close,
};

static halError_t probe(unsigned *out_count)
{
    *out_count = 1;
    return halSuccess;
}

static halError_t describe(unsigned index, char name[256], char driver[256])
{
    (void)index;
    name[0] = driver[0] = 'x';
    name[1] = driver[1] = 0;
    return halSuccess;
}

static halError_t device_open(unsigned index, struct hal_dev **out_dev)
{
    struct hal_dev *dev = calloc(1, sizeof *dev);

    (void)index;
    dev->size = sizeof *dev;
    dev->info.size = sizeof dev->info;
    dev->ops = &ops;
    *out_dev = dev;
    return halSuccess;
}

const struct hal_backend hal_backend_plugin = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "hole",
    .probe = probe,
    .describe = describe,
    .device_open = device_open,
};
