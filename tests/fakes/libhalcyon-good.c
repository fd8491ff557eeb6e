/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in backend that is right, with no device. */
#include "hal/backend.h"

#include <stdio.h>

static halError_t probe(unsigned *out_count)
{
    *out_count = 0;
    return halSuccess;
}

static halError_t describe(unsigned index, char name[256], char driver[256])
{
    snprintf(name, 256, "Good %u", index);
    snprintf(driver, 256, "good");
    return halSuccess;
}

static halError_t device_open(unsigned index, struct hal_dev **out_dev)
{
    (void)index;
    (void)out_dev;
    return halErrorInvalidDevice;
}

const struct hal_backend hal_backend_plugin = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "good",
    .probe = probe,
    .describe = describe,
    .device_open = device_open,
};
