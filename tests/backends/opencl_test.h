/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opencl_test.h - what the tests of the OpenCL backend share: kernels as OpenCL
 * C text with the ABI of docs/dialect.md, and shorthands over the ops table.
 * The tests drive the table directly: no core, no dialect.
 */
#ifndef TESTS_BACKENDS_OPENCL_TEST_H
#define TESTS_BACKENDS_OPENCL_TEST_H

#include "tests/backends/backend_test.h"

extern const struct hal_backend hal_backend_opencl;

/* A kernel of one image.  `kinds`: 'b' a buffer, 's' a scalar. */
struct test_kernel {
    struct hal_image image;
    struct hal_kernel_desc desc;
};

static inline void test_kernel_init(struct test_kernel *k, const char *name,
                                    const char *text, const char *kinds,
                                    uint32_t group)
{
    memset(k, 0, sizeof *k);
    k->image.target = HAL_TARGET_OPENCL;
    k->image.group = group;
    k->image.blob = text;
    k->image.blob_bytes = strlen(text);
    snprintf(k->image.variant, sizeof k->image.variant, "opencl");
    snprintf(k->desc.name, sizeof k->desc.name, "%s", name);
    k->desc.n_params = (uint32_t)strlen(kinds);
    for (uint32_t i = 0; kinds[i]; i++) {
        k->desc.params[i].kind =
            kinds[i] == 's' ? HAL_PARAM_ARG : HAL_PARAM_INOUT;
        k->desc.params[i].dtype = halU32;
    }
    k->desc.n_images = 1;
    k->desc.images = &k->image;
}

static inline halError_t test_kernel_create(struct hal_dev *dev,
                                            struct test_kernel *k, void **out)
{
    const struct hal_image *images[] = { &k->image };
    struct hal_kernel_info info;

    return dev->ops->kernel_create(dev, &k->desc, images, 1, out, &info);
}

static inline union hal_arg arg_buffer(const struct hal_mem *m, uint64_t offset)
{
    union hal_arg a = { .buffer = { .mem = m->impl, .offset = offset } };

    return a;
}

#endif
