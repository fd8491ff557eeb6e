/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_kernel.h - what the tests of backends that take kernels as text share: a
 * kernel of one image, and shorthands for scenarios that stop at a failure.
 */
#ifndef TESTS_BACKENDS_TEXT_KERNEL_H
#define TESTS_BACKENDS_TEXT_KERNEL_H

#include "tests/backends/backend_test.h"

/* An out-parameter that nobody has written. */
#define SAME ((void *)(uintptr_t)0x5a5a)

#define TRY(call)                 \
    do {                          \
        halError_t try_ = (call); \
        if (try_ != halSuccess)   \
            return try_;          \
    } while (0)

struct test_kernel {
    struct hal_image image;
    struct hal_kernel_desc desc;
};

/* `kinds`: 'b' a buffer, 's' a scalar. */
static inline void text_kernel_init(struct test_kernel *k, uint8_t target,
                                    const char *variant, const char *name,
                                    const char *text, const char *kinds,
                                    uint32_t group)
{
    memset(k, 0, sizeof *k);
    k->image.target = target;
    k->image.group = group;
    k->image.blob = text;
    k->image.blob_bytes = strlen(text);
    snprintf(k->image.variant, sizeof k->image.variant, "%s", variant);
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

#endif
