/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_halbin.c - a container of the kernels that the fake backends run.
 */
#include "tests/support/fake_backend.h"

#include <stdio.h>
#include <string.h>

#include "compiler/halbin.h"

#pragma weak halbin_write

static const struct {
    const char *name;
    unsigned n;
    struct hal_param params[4];
} kernels[] = {
    { "scale",
      3,
      { { HAL_PARAM_INOUT, halF32, 4, "y" },
        { HAL_PARAM_ARG, halF32, 4, "a" },
        { HAL_PARAM_ARG, halU32, 4, "n" } } },
    { "add",
      4,
      { { HAL_PARAM_OUT, halF32, 16, "z" },
        { HAL_PARAM_IN, halF32, 4, "x" },
        { HAL_PARAM_IN, halF32, 4, "y" },
        { HAL_PARAM_ARG, halU32, 4, "n" } } },
    { "fail", 0, { { 0 } } },
    { "unbuildable", 0, { { 0 } } },
    { "misfit", 0, { { 0 } } },
};

#define N_KERNELS (sizeof kernels / sizeof kernels[0])

void *fake_halbin(size_t *out_size)
{
    static const char blob[] = "fake code, eight bytes at least";
    struct hal_kernel_desc descs[N_KERNELS];
    struct hal_image images[N_KERNELS][3];
    struct hal_message msg;
    void *bytes = NULL;
    size_t i, k;

    if (!halbin_write)
        return NULL;
    memset(descs, 0, sizeof descs);
    memset(images, 0, sizeof images);
    for (i = 0; i < N_KERNELS; i++) {
        for (k = 0; k < 3; k++) {
            struct hal_image *image = &images[i][k];

            image->target = HAL_TARGET_OPENCL;
            image->rank = (uint32_t)k + 1;
            image->group = 1u << (2 * k);
            image->chunk = 1;
            image->shared_bytes = 1024 * ((uint32_t)k + 1);
            image->blob = blob;
            image->blob_bytes = sizeof blob;
            snprintf(image->variant, sizeof image->variant, "opencl.f%zu", k);
        }
        /* The best needs what the fake lacks; "misfit" has nothing else. */
        images[i][2].caps = HAL_CAP_FP64;
        snprintf(descs[i].name, sizeof descs[i].name, "%s", kernels[i].name);
        descs[i].n_params = kernels[i].n;
        memcpy(descs[i].params, kernels[i].params, sizeof kernels[i].params);
        descs[i].images = images[i];
        descs[i].n_images = 3;
        if (!strcmp(kernels[i].name, "misfit")) {
            descs[i].images = &images[i][2];
            descs[i].n_images = 1;
        }
    }
    if (halbin_write(descs, N_KERNELS, &bytes, out_size, &msg) != HALBIN_OK) {
        fprintf(stderr, "fake_halbin: %s\n", msg.text);
        return NULL;
    }
    return bytes;
}
