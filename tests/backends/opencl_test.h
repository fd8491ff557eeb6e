/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opencl_test.h - what the tests of the OpenCL backend share: kernels as OpenCL
 * C text with the ABI of docs/dialect.md, and shorthands over the ops table.
 * The tests drive the table directly: no core, no dialect.
 */
#ifndef TESTS_BACKENDS_OPENCL_TEST_H
#define TESTS_BACKENDS_OPENCL_TEST_H

#include "tests/backends/text_kernel.h"

extern const struct hal_backend hal_backend_opencl;

static inline void test_kernel_init(struct test_kernel *k, const char *name,
                                    const char *text, const char *kinds,
                                    uint32_t group)
{
    text_kernel_init(k, HAL_TARGET_OPENCL, "opencl", name, text, kinds, group);
}

static inline union hal_arg arg_buffer(const struct hal_mem *m, uint64_t offset)
{
    union hal_arg a = { .buffer = { .mem = m->impl, .offset = offset } };

    return a;
}

#endif
