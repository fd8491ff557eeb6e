/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in that wants something of the library which the program that loads
 * it does not show, as hal_fail in a program without -rdynamic. */
#include "hal/backend.h"

extern halError_t hal_not_there(halError_t error);

static halError_t probe(unsigned *out_count)
{
    (void)out_count;
    return hal_not_there(halErrorNoDriver);
}

const struct hal_backend hal_backend_plugin = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "unlinked",
    .probe = probe,
};
