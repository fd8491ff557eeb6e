/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.c - the list of GPUs, as the driver has it: CUDA_VISIBLE_DEVICES has
 * done its part already.  Invariant: no context is made for a listing.
 */
#include "backends/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GPUS 64

static struct cuda_gpu gpus[MAX_GPUS];
static unsigned n_gpus;

int cuda_attribute(int id, unsigned attribute)
{
    int value = 0;

    return cuda_cu.DeviceGetAttribute(&value, attribute, id) == CUDA_OK ? value
                                                                        : 0;
}

static const char *visible(void)
{
    return getenv("CUDA_VISIBLE_DEVICES");
}

static halError_t none(unsigned code)
{
    const char *list = visible();

    if (list && (code == CUDA_OK || code == CUDA_NO_DEVICE ||
                 code == CUDA_INVALID_DEVICE))
        return hal_fail(halErrorNoDriver,
                        "cuda: no GPU is visible: CUDA_VISIBLE_DEVICES is "
                        "'%.100s' (names of MIG devices are in `nvidia-smi "
                        "-L`)",
                        list);
    if (code == CUDA_OK || code == CUDA_NO_DEVICE)
        return hal_fail(halErrorNoDriver,
                        "cuda: the driver finds no GPU; with MIG on, a GPU "
                        "counts only once it has an instance (`nvidia-smi mig "
                        "-cgi ... -C`)");
    return hal_fail(
        halErrorNoDriver, "cuda: cuInit: %s (%u)%s%s", cuda_error_name(code),
        code, cuda_error_hint(code)[0] ? ": " : "", cuda_error_hint(code));
}

static void describe(struct cuda_gpu *g)
{
    int major = cuda_attribute(g->id, CUDA_ATTR_COMPUTE_CAPABILITY_MAJOR);
    int minor = cuda_attribute(g->id, CUDA_ATTR_COMPUTE_CAPABILITY_MINOR);
    int mode = cuda_attribute(g->id, CUDA_ATTR_COMPUTE_MODE);

    if (cuda_cu.DeviceGetName(g->name, (int)sizeof g->name, g->id) != CUDA_OK ||
        !g->name[0])
        snprintf(g->name, sizeof g->name, "an NVIDIA GPU");
    g->name[sizeof g->name - 1] = '\0';
    snprintf(g->driver, sizeof g->driver,
             "NVIDIA driver for CUDA %d.%d, compute capability %d.%d%s%s",
             cuda_version / 1000, cuda_version % 1000 / 10, major, minor,
             mode == CUDA_MODE_EXCLUSIVE_PROCESS ? ", exclusive to one process"
             : mode == CUDA_MODE_PROHIBITED      ? ", closed to compute"
                                                 : "",
             strstr(g->name, "MIG") ? ", one MIG instance a process" : "");
}

halError_t cuda_list(unsigned *out_count)
{
    unsigned code = cuda_cu.Init(0);
    int n = 0;

    if (code == CUDA_OK)
        code = cuda_cu.DeviceGetCount(&n);
    if (code != CUDA_OK || n <= 0)
        return none(code);
    n_gpus = 0;
    for (int i = 0; i < n && n_gpus < MAX_GPUS; i++) {
        struct cuda_gpu *g = &gpus[n_gpus];

        memset(g, 0, sizeof *g);
        code = cuda_cu.DeviceGet(&g->id, i);
        if (code != CUDA_OK)
            return cuda_fail(NULL, code, "cuda_cu.DeviceGet");
        describe(g);
        n_gpus++;
    }
    *out_count = n_gpus;
    return halSuccess;
}

const struct cuda_gpu *cuda_gpu_at(unsigned index)
{
    return index < n_gpus ? &gpus[index] : NULL;
}
