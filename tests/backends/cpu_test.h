/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu_test.h - what the tests of the cpu backend share: kernels from C text,
 * compiled by cc when the test runs, and an open device.
 */
#ifndef TESTS_BACKENDS_CPU_TEST_H
#define TESTS_BACKENDS_CPU_TEST_H

#include "backends/cpu/cpu.h"
#include "tests/backends/backend_test.h"

extern const struct hal_backend hal_backend_cpu;

/* A shared object made of C text; free(*out_blob). */
static inline void cpu_test_compile(const char *text, void **out_blob,
                                    size_t *out_size)
{
    static const char head[] =
        "typedef unsigned long long u64; typedef unsigned u32;\n"
        "#define K(n) void hal_kernel_##n(const u64 *args, const u32 g[3], "
        "u64 first, u64 last, void *scratch)\n"
        "#define IDS(x) (void)g, (void)scratch, (void)args, (void)(x)\n";
    char *whole = malloc(sizeof head + strlen(text));

    assert_non_null(whole);
    strcpy(whole, head);
    strcat(whole, text);
    test_compile("cc -shared -fPIC -O2 -x c -o", whole, out_blob, out_size);
    free(whole);
}

struct cpu_test_kernel {
    struct hal_kernel_desc desc;
    struct hal_image image;
    void *kernel;
};

/* A kernel `name` whose params are "b" (buffer) or "s" (scalar) each. */
static inline halError_t cpu_test_kernel(struct hal_dev *dev, const char *name,
                                         const char *params, const void *blob,
                                         size_t size, uint32_t shared_bytes,
                                         struct cpu_test_kernel *k)
{
    const struct hal_image *images[1] = { &k->image };
    struct hal_kernel_info info;

    memset(k, 0, sizeof *k);
    snprintf(k->desc.name, sizeof k->desc.name, "%s", name);
    k->desc.n_params = (uint32_t)strlen(params);
    for (size_t i = 0; params[i]; i++)
        k->desc.params[i].kind =
            params[i] == 's' ? HAL_PARAM_ARG : HAL_PARAM_INOUT;
    k->image = (struct hal_image){ .target = HAL_TARGET_CPU,
                                   .group = 1,
                                   .chunk = 1,
                                   .shared_bytes = shared_bytes,
                                   .blob = blob,
                                   .blob_bytes = size,
                                   .variant = "cpu.test" };
    k->desc.n_images = 1;
    k->desc.images = &k->image;
    return dev->ops->kernel_create(dev, &k->desc, images, 1, &k->kernel, &info);
}

static inline union hal_arg cpu_test_buffer(struct hal_mem *mem,
                                            uint64_t offset)
{
    union hal_arg arg = { .buffer = { mem->impl, (char *)mem->addr + offset,
                                      offset, 0 } };

    return arg;
}

static inline halError_t cpu_test_launch(struct hal_dev *dev, void *stream,
                                         struct cpu_test_kernel *k,
                                         const union hal_arg *args,
                                         uint32_t groups)
{
    return test_run(dev, stream, k->kernel, groups, args, k->desc.n_params);
}

#endif
