/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in backend that crashes in its probe. */
#include "hal/backend.h"

#include <signal.h>

static halError_t probe(unsigned *out_count)
{
    (void)out_count;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return halSuccess;
}

static halError_t describe(unsigned index, char name[256], char driver[256])
{
    (void)index;
    (void)name;
    (void)driver;
    return halErrorInternal;
}

static halError_t device_open(unsigned index, struct hal_dev **out_dev)
{
    (void)index;
    (void)out_dev;
    return halErrorInternal;
}

const struct hal_backend hal_backend_plugin = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "crash",
    .probe = probe,
    .describe = describe,
    .device_open = device_open,
};
