/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cuda_test.h - what the tests of the CUDA backend share: the fake driver, a
 * process for each test, kernels as PTX by hand, and a scenario that can be
 * given back after any failure.  The tests drive the ops table directly.
 */
#ifndef TESTS_BACKENDS_CUDA_TEST_H
#define TESTS_BACKENDS_CUDA_TEST_H

#include "tests/backends/text_kernel.h"

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "tests/fakes/fake_cuda.h"

extern const struct hal_backend hal_backend_cuda;

/* fake_cuda.c has the kernel; nothing else of the text is read. */
#define PTX(version, arch, name)                                             \
    ".version " version "\n.target sm_" arch "\n.visible .entry " name "(\n" \
    ".param .u64 p0,\n.param .u32 p1,\n.param .u32 p2\n)\n"
static const char text_advance[] = PTX("7.0", "70", "advance");

static char fakes[PATH_MAX]; /* their folder */

static inline void fake_path(char out[PATH_MAX + 32], const char *name)
{
    snprintf(out, PATH_MAX + 32, "%s/%s", fakes, name);
}

/* Loads the fake, as the backend will; NULL if it was not built. */
static inline struct fake_cuda *fake_load(void)
{
    struct fake_cuda *(*control)(void) = NULL;
    char path[PATH_MAX + 32];
    void *lib, *at;

    fake_path(path, "fake_cuda.so");
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return NULL;
    at = dlsym(lib, "fake_cuda");
    memcpy(&control, &at, sizeof at);
    setenv("HALCYON_CUDA_LIB", path, 1);
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
        int rc;

        alarm(100);
        rc = body();
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
/* The failure, and a word of its sentence. */
#define CHECK_FAILS(error, call, word)              \
    do {                                            \
        CHECK((call) == (error));                   \
        CHECK(strstr(halGetErrorDetail(), (word))); \
    } while (0)

static inline void test_kernel_init(struct test_kernel *k, const char *name,
                                    const char *text, const char *kinds)
{
    text_kernel_init(k, HAL_TARGET_PTX, "ptx", name, text, kinds, 32);
}

static inline union hal_arg arg_buffer(const struct hal_mem *m, uint64_t offset)
{
    union hal_arg a = { .buffer = { .mem = m->impl,
                                    .addr = (char *)m->addr + offset,
                                    .offset = offset } };

    return a;
}

/* x[index] = x[index] * 3 + 2 */
static inline halError_t advance(struct hal_dev *dev, void *stream,
                                 void *kernel, const struct hal_mem *m,
                                 uint64_t index)
{
    union hal_arg args[] = { arg_buffer(m, 4 * index), arg_scalar(1),
                             arg_scalar(2) };

    return test_run(dev, stream, kernel, 1, args, 3);
}

/* What a scenario holds, so that it can be given back after any failure. */
struct held {
    struct hal_dev *dev;
    struct hal_mem a, b, h;
    void *host;
    void *stream, *second, *start, *end, *kernel;
    uint32_t out;
    _Atomic uint32_t ran;
    float ms;
};
#define HELD_NONE                                                           \
    {                                                                       \
        .dev = SAME, .a = { SAME, SAME }, .b = { SAME, SAME },              \
        .h = { SAME, SAME }, .stream = SAME, .second = SAME, .start = SAME, \
        .end = SAME, .kernel = SAME                                         \
    }

static inline void count_run(void *arg)
{
    atomic_fetch_add((_Atomic uint32_t *)arg, 1);
}

static inline halError_t acquire(struct held *h, struct test_kernel *k,
                                 unsigned index)
{
    TRY(hal_backend_cuda.device_open(index, &h->dev));
    TRY(h->dev->ops->mem_alloc(h->dev, 64, HAL_MEM_DEVICE, &h->a));
    TRY(h->dev->ops->mem_alloc(h->dev, 64, HAL_MEM_DEVICE, &h->b));
    TRY(h->dev->opt->host_alloc(h->dev, 64, 0, &h->host, &h->h));
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
    if (h->stream != SAME)
        ops->stream_destroy(h->dev, h->stream);
    if (h->second != SAME)
        ops->stream_destroy(h->dev, h->second);
    if (h->kernel != SAME)
        ops->kernel_destroy(h->dev, h->kernel);
    if (h->start != SAME)
        ops->event_destroy(h->dev, h->start);
    if (h->end != SAME)
        ops->event_destroy(h->dev, h->end);
    if (h->h.impl != SAME)
        h->dev->opt->host_free(h->dev, h->host, h->h.impl);
    if (h->a.impl != SAME)
        ops->mem_free(h->dev, h->a.impl);
    if (h->b.impl != SAME)
        ops->mem_free(h->dev, h->b.impl);
    ops->device_close(h->dev);
}

/* Opens everything; the caller then breaks the driver. */
static inline int prepare(struct fake_cuda **fake, struct held *h,
                          struct test_kernel *k)
{
    const struct held none = HELD_NONE;
    unsigned n;

    *fake = fake_load();
    CHECK(*fake);
    CHECK(!hal_backend_cuda.probe(&n));
    test_kernel_init(k, "advance", text_advance, "bss");
    *h = none;
    CHECK(acquire(h, k, 0) == halSuccess);
    return 0;
}

/* Nothing is left, and no rule was broken on the way. */
static inline int clean(struct fake_cuda *fake)
{
    if (fake->n_live || fake->n_bad || fake->n_contexts) {
        printf("%d objects and %d contexts left, %d broken rules: %s\n",
               fake->n_live, fake->n_contexts, fake->n_bad, fake->bad);
        return 1;
    }
    return 0;
}

#define IN_CHILD(name)             \
    static void name(void **state) \
    {                              \
        (void)state;               \
        in_child(name##_body);     \
    }

/* Runs them with the fakes found and a cache of their own. */
static inline int cuda_main(const char *group, const struct CMUnitTest *tests,
                            size_t n_tests)
{
    char cache[] = "/tmp/test_cuda_XXXXXX", command[64], exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    int failed;

    if (n < 0)
        return 1;
    exe[n] = '\0';
    unsetenv("CUDA_VISIBLE_DEVICES");
    /* beside the tests: .../tests/backends/x -> .../tests/fakes */
    snprintf(fakes, sizeof fakes, "%.3000s/../fakes", dirname(exe));
    if (mkdtemp(cache))
        setenv("HALCYON_CACHE_DIR", cache, 1);
    failed = _cmocka_run_group_tests(group, tests, n_tests, NULL, NULL);
    snprintf(command, sizeof command, "rm -rf %s", cache);
    if (system(command))
        failed++;
    return failed;
}

#endif
