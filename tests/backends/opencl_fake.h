/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opencl_fake.h - what the tests over tests/fakes/fake_opencl.c share: loading
 * it, a process for each test, and a scenario that can be given back after any
 * failure.
 */
#ifndef TESTS_BACKENDS_OPENCL_FAKE_H
#define TESTS_BACKENDS_OPENCL_FAKE_H

#include "tests/backends/opencl_test.h"

#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fakes/fake_opencl.h"

static const char text[] = "__kernel void advance(__global uint *x, ulong off, "
                           "uint n, uint add) {}";

static char fake_path[PATH_MAX];

/* Loads the fake, as the backend will; NULL if it was not built. */
static inline struct fake_opencl *fake_load(void)
{
    struct fake_opencl *(*control)(void);
    void *lib = dlopen(fake_path, RTLD_NOW | RTLD_LOCAL);

    if (!lib)
        return NULL;
    control = (struct fake_opencl * (*)(void)) dlsym(lib, "fake_opencl");
    setenv("HALCYON_OPENCL_LIB", fake_path, 1);
    return control ? control() : NULL;
}

/* Runs body in a child; what it prints explains its failure. */
static inline void in_child(int (*body)(void))
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        int rc = body();

        fflush(stdout);
        exit(rc);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            printf("%s:%d: %s (detail: %s)\n", __FILE__, __LINE__, #condition, \
                   halGetErrorDetail());                                       \
            return 1;                                                          \
        }                                                                      \
    } while (0)

/* What a scenario holds, so that it can be given back after any failure. */
struct held {
    struct hal_dev *dev;
    struct hal_mem a, b;
    void *stream, *second, *start, *end, *kernel;
    uint32_t out, ran;
    float ms;
};

static inline void count_run(void *arg)
{
    ++*(uint32_t *)arg;
}

static inline halError_t acquire(struct held *h, struct test_kernel *k)
{
    TRY(hal_backend_opencl.device_open(0, &h->dev));
    TRY(h->dev->ops->mem_alloc(h->dev, 64, HAL_MEM_DEVICE, &h->a));
    TRY(h->dev->ops->mem_alloc(h->dev, 64, HAL_MEM_DEVICE, &h->b));
    TRY(h->dev->ops->stream_create(h->dev, 0, &h->stream));
    TRY(h->dev->ops->stream_create(h->dev, 0, &h->second));
    TRY(h->dev->ops->event_create(h->dev, 1, &h->start));
    TRY(h->dev->ops->event_create(h->dev, 1, &h->end));
    TRY(test_kernel_create(h->dev, k, &h->kernel));
    return halSuccess;
}

/* Untouched out-parameters are still SAME; the rest is given back. */
static inline void give_back(struct held *h)
{
    const struct hal_ops *ops;

    if (h->dev == SAME)
        return;
    ops = h->dev->ops;
    if (h->kernel != SAME)
        ops->kernel_destroy(h->dev, h->kernel);
    if (h->start != SAME)
        ops->event_destroy(h->dev, h->start);
    if (h->end != SAME)
        ops->event_destroy(h->dev, h->end);
    if (h->stream != SAME)
        ops->stream_destroy(h->dev, h->stream);
    if (h->second != SAME)
        ops->stream_destroy(h->dev, h->second);
    if (h->a.impl != SAME)
        ops->mem_free(h->dev, h->a.impl);
    if (h->b.impl != SAME)
        ops->mem_free(h->dev, h->b.impl);
    ops->device_close(h->dev);
}

/* Opens everything; the caller then breaks the driver. */
static inline int prepare(struct fake_opencl **fake, struct held *h,
                          struct test_kernel *k)
{
    unsigned n;

    *fake = fake_load();
    CHECK(*fake);
    CHECK(!hal_backend_opencl.probe(&n));
    test_kernel_init(k, "advance", text, "bss", 1);
    CHECK(acquire(h, k) == halSuccess);
    return 0;
}

#define IN_CHILD(name)             \
    static void name(void **state) \
    {                              \
        (void)state;               \
        in_child(name##_body);     \
    }
/* Runs them with the fake found and a cache of their own. */
static inline int fake_main(const struct CMUnitTest *tests, size_t n_tests)
{
    char cache[] = "/tmp/test_opencl_XXXXXX", command[64], exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    int failed;

    if (n < 0)
        return 1;
    exe[n] = '\0';
    /* beside the tests: .../tests/backends/x -> .../tests/fakes */
    snprintf(fake_path, sizeof fake_path, "%.3000s/../fakes/fake_opencl.so",
             dirname(exe));
    if (mkdtemp(cache))
        setenv("HALCYON_CACHE_DIR", cache, 1);
    failed = _cmocka_run_group_tests("opencl fake", tests, n_tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf %s", cache);
    if (system(command))
        failed++;
    return failed;
}

#endif
