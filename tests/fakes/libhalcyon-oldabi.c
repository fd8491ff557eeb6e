/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in backend of another ABI: nothing of it may be called. */
#include "hal/backend.h"

const struct hal_backend hal_backend_plugin = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI - 1,
    .name = "oldabi",
};
