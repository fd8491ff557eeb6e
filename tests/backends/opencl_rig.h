/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opencl_rig.h - what the tests on real OpenCL devices share: an open device
 * with a stream, a short kernel and a long one, and a walk over all devices.
 */
#ifndef TESTS_BACKENDS_OPENCL_RIG_H
#define TESTS_BACKENDS_OPENCL_RIG_H

#include "tests/backends/opencl_test.h"

#define RIG_TESTS_MAX 32

/* Not called "step": PoCL finds no kernel that is named like a built-in. */
static const char text_step[] =
    "__kernel __attribute__((reqd_work_group_size(4, 1, 1)))\n"
    "void advance(__global uint *x, ulong x_off, uint n, uint add)\n"
    "{\n"
    "    __global uint *p = (__global uint *)((__global char *)x + x_off);\n"
    "    uint i = get_global_id(0);\n"
    "    if (i < n) p[i] = p[i] * 3u + add;\n"
    "}\n";

/* Nested loops of 1000: llvmpipe ends loops after 65535 iterations a thread,
 * so that work comes from groups. */
static const char text_burn[] =
    "__kernel __attribute__((reqd_work_group_size(1, 1, 1)))\n"
    "void burn(__global uint *x, ulong x_off, uint n)\n"
    "{\n"
    "    __global uint *p = (__global uint *)((__global char *)x + x_off);\n"
    "    uint v = p[0] + get_group_id(0);\n"
    "    for (uint i = 0; i < n; i++)\n"
    "        v = v * 1664525u + 1013904223u + (v >> 7);\n"
    "    p[1 + (get_group_id(0) & 15u)] = v;\n"
    "}\n";

struct rig {
    struct hal_dev *dev;
    void *stream;
    void *step, *burn; /* kernels */
    struct test_kernel step_desc, burn_desc;
};

static inline void rig_open(struct rig *r, void **state)
{
    memset(r, 0, sizeof *r);
    OK(hal_backend_opencl.device_open((unsigned)(uintptr_t)*state, &r->dev));
    OK(r->dev->ops->stream_create(r->dev, 0, &r->stream));
    test_kernel_init(&r->step_desc, "advance", text_step, "bss", 4);
    OK(test_kernel_create(r->dev, &r->step_desc, &r->step));
    test_kernel_init(&r->burn_desc, "burn", text_burn, "bs", 1);
    OK(test_kernel_create(r->dev, &r->burn_desc, &r->burn));
}

static inline void rig_close(struct rig *r)
{
    r->dev->ops->kernel_destroy(r->dev, r->step);
    r->dev->ops->kernel_destroy(r->dev, r->burn);
    r->dev->ops->stream_destroy(r->dev, r->stream);
    r->dev->ops->device_close(r->dev);
}

static inline struct hal_mem alloc(struct rig *r, uint64_t size)
{
    struct hal_mem m = { NULL, NULL };

    OK(r->dev->ops->mem_alloc(r->dev, size, HAL_MEM_DEVICE, &m));
    return m;
}

static inline void put(struct rig *r, struct hal_mem *m, uint64_t offset,
                       const void *bytes, uint64_t size)
{
    OK(r->dev->ops->copy_in(r->dev, r->stream, m->impl, offset, bytes, size,
                            0));
}

static inline void take(struct rig *r, struct hal_mem *m, uint64_t offset,
                        void *bytes, uint64_t size)
{
    OK(r->dev->ops->copy_out(r->dev, r->stream, bytes, m->impl, offset, size,
                             0));
}

static inline halError_t step(struct rig *r, void *stream, struct hal_mem *m,
                              uint64_t offset, uint32_t n, uint32_t add)
{
    union hal_arg args[] = { arg_buffer(m, offset), arg_scalar(n),
                             arg_scalar(add) };

    return test_run(r->dev, stream, r->step, (n + 3) / 4, args, 3);
}

/* Work for about this long, found by doubling. */
static inline uint32_t burn_groups(struct rig *r, struct hal_mem *m, double ms)
{
    union hal_arg args[] = { arg_buffer(m, 0), arg_scalar(20000) };
    uint32_t groups = 1;

    OK(test_run(r->dev, r->stream, r->burn, 1, args, 2));
    OK(r->dev->ops->stream_sync(r->dev, r->stream)); /* compiled now */
    for (;; groups *= 2) {
        double t = now_ms();

        OK(test_run(r->dev, r->stream, r->burn, groups, args, 2));
        OK(r->dev->ops->stream_sync(r->dev, r->stream));
        if (now_ms() - t >= ms || groups > 1u << 24)
            return groups;
    }
}

static inline halError_t burn(struct rig *r, void *stream, struct hal_mem *m,
                              uint32_t groups)
{
    union hal_arg args[] = { arg_buffer(m, 0), arg_scalar(20000) };

    return test_run(r->dev, stream, r->burn, groups, args, 2);
}

/* Runs the tests on every device that is there. */
static inline int rig_main(const struct CMUnitTest *tests, size_t n_tests)
{
    char cache[] = "/tmp/test_opencl_XXXXXX", command[64];
    unsigned n = 0;
    int failed = 0;

    assert_true(n_tests <= RIG_TESTS_MAX);
    /* The software device that Mesa brings, where nobody chose another. */
    setenv("RUSTICL_ENABLE", "llvmpipe", 0);
    if (mkdtemp(cache))
        setenv("HALCYON_CACHE_DIR", cache, 1);
    if (hal_backend_opencl.probe(&n) != halSuccess) {
        printf("1..0 # skipped: %s\n", halGetErrorDetail());
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        struct CMUnitTest of_device[RIG_TESTS_MAX];
        char name[256], driver[256], group[600];

        OK(hal_backend_opencl.describe(i, name, driver));
        snprintf(group, sizeof group, "opencl:%u %s", i, driver);
        memcpy(of_device, tests, n_tests * sizeof *tests);
        for (size_t t = 0; t < n_tests; t++)
            of_device[t].initial_state = (void *)(uintptr_t)i;
        failed +=
            _cmocka_run_group_tests(group, of_device, n_tests, NULL, NULL);
    }
    snprintf(command, sizeof command, "rm -rf %s", cache);
    if (system(command))
        failed++;
    return failed;
}

#endif
