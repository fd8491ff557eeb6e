/* SPDX-License-Identifier: Apache-2.0 */
/*
 * real_test.h - what tests of the whole library on real drivers share: a
 * .halbin with the kernel scale(inout f32 x, arg f32 a, arg u32 n), compiled
 * for every device.
 */
#ifndef TESTS_BACKENDS_REAL_TEST_H
#define TESTS_BACKENDS_REAL_TEST_H

#include "tests/hal/hal_test.h"

#include "compiler/compile.h"

/* free() the image; -1, after saying why. */
static inline int real_image(void **image, size_t *size)
{
    static const struct compile_target all[] = {
        { .target = HAL_TARGET_CPU, .caps = ~(uint64_t)0 },
        { .target = HAL_TARGET_OPENCL, .caps = ~(uint64_t)0 },
        { .target = HAL_TARGET_VULKAN, .caps = ~(uint64_t)0 },
    };
    const struct compile_request req = {
        .source = "#include \"hal_dialect.h\"\n"
                  "KERNEL(scale, INOUT(f32, x), ARG(float, a), ARG(uint, n))\n"
                  "{ GRID(i, n) ST(f32, x, i, LD(f32, x, i) * a); }\n",
        .name = "scale.k",
        .targets = all,
        .n_targets = 3,
    };
    struct hal_message msg = { "" };
    struct halbin bin;
    int bad;

    bad = compile_source(&req, &bin, &msg) != COMPILE_OK;
    if (!bad) {
        bad = halbin_write(bin.kernels, bin.n_kernels, image, size, &msg) !=
              HALBIN_OK;
        halbin_close(&bin);
    }
    if (bad)
        print_error("%s\n", msg.text);
    return bad ? -1 : 0;
}

#endif
