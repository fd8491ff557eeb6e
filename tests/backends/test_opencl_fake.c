/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_opencl_fake.c - the OpenCL backend over a fake driver: every error path,
 * and drivers that are absent, broken or lost.  Invariant: each test runs in a
 * process of its own, since a driver is loaded once a process.
 */
#include "tests/backends/opencl_fake.h"

static int absent_body(void)
{
    unsigned n = 77;

    setenv("HALCYON_OPENCL_LIB", "/nonexistent/libOpenCL.so.1", 1);
    CHECK(hal_backend_opencl.probe(&n) == halErrorNoDriver);
    CHECK(n == 77);
    CHECK(strstr(halGetErrorDetail(), "/nonexistent/libOpenCL.so.1"));
    CHECK(strstr(halGetErrorDetail(), "ocl-icd-libopencl1"));
    CHECK(strstr(halGetErrorDetail(), "pocl-opencl-icd"));
    return 0;
}

static int broken_body(void)
{
    unsigned n = 77;

    setenv("HALCYON_OPENCL_LIB", "libm.so.6", 1);
    CHECK(hal_backend_opencl.probe(&n) == halErrorNoDriver);
    CHECK(n == 77);
    CHECK(strstr(halGetErrorDetail(), "libm.so.6"));
    CHECK(strstr(halGetErrorDetail(), "clBuildProgram"));
    return 0;
}

static int empty_body(void)
{
    struct fake_opencl *fake = fake_load();
    unsigned n = 77;

    CHECK(fake);
    fake->n_platforms = 0;
    CHECK(hal_backend_opencl.probe(&n) == halErrorNoDriver);
    CHECK(n == 77);
    CHECK(strstr(halGetErrorDetail(), "CL_PLATFORM_NOT_FOUND_KHR"));
    CHECK(strstr(halGetErrorDetail(), "pocl-opencl-icd"));
    return 0;
}

static int order_body(void)
{
    static const char *const want[] = { "fake device of Alpha",
                                        "fake device of Mid",
                                        "fake device of Zeta" };
    struct fake_opencl *fake = fake_load();
    char name[256], driver[256];
    unsigned n = 0;

    CHECK(fake);
    fake->n_platforms = 4;
    for (int reverse = 0; reverse < 2; reverse++) {
        fake->reverse = reverse;
        unsetenv("HALCYON_OPENCL_PLATFORMS");
        CHECK(hal_backend_opencl.probe(&n) == halSuccess);
        CHECK(n == 3); /* Oclgrind is left out */
        for (unsigned i = 0; i < n; i++) {
            CHECK(!hal_backend_opencl.describe(i, name, driver));
            CHECK(!strcmp(name, want[i]));
        }
        setenv("HALCYON_OPENCL_PLATFORMS", "nothing,oclGRIND", 1);
        CHECK(hal_backend_opencl.probe(&n) == halSuccess);
        CHECK(n == 1);
        CHECK(!hal_backend_opencl.describe(0, name, driver));
        CHECK(!strcmp(name, "fake device of Oclgrind"));
    }
    setenv("HALCYON_OPENCL_PLATFORMS", "nothing", 1);
    n = 77;
    CHECK(hal_backend_opencl.probe(&n) == halErrorNoDriver);
    CHECK(n == 77);
    return 0;
}

static int properties_body(void)
{
    struct fake_opencl *fake = fake_load();
    struct hal_dev *dev = NULL;
    const struct halDeviceProp *p;
    unsigned n = 0;

    CHECK(fake);
    CHECK(!hal_backend_opencl.probe(&n) && n == 1);
    CHECK(!hal_backend_opencl.device_open(0, &dev));
    p = &dev->info.prop;
    CHECK(dev->info.version == 7030);
    CHECK(p->major == 1 && p->minor == 2);
    CHECK(p->memAlign == 256);
    CHECK(p->maxThreadsDim[0] == 256 && p->maxThreadsDim[1] == 128);
    /* 32 address bits: global sizes must not overflow */
    CHECK(p->maxGridSize[0] == UINT32_MAX / 256);
    CHECK(p->multiProcessorCount == 3);
    CHECK(!(dev->info.caps & HAL_CAP_SMALL_GROUPS));
    CHECK(dev->info.caps & HAL_CAP_FP16);
    CHECK(!(dev->info.caps & HAL_CAP_FP64)); /* "cl_khr_fp64x" is another */
    CHECK(!p->managedMemory);
    dev->ops->device_close(dev);
    CHECK(fake->n_live == 0);
    return 0;
}

/* ---- every call fails once ---------------------------------------------- */

static halError_t use(struct held *h)
{
    const struct hal_ops *ops = h->dev->ops;
    union hal_arg args[] = { arg_buffer(&h->a, 4), arg_scalar(1),
                             arg_scalar(2) };
    uint32_t v = 5;
    halError_t st;

    TRY(ops->fill(h->dev, h->stream, h->a.impl, 0, 64, 0, 4));
    TRY(ops->copy_in(h->dev, h->stream, h->a.impl, 4, &v, 4, 0));
    TRY(ops->event_record(h->dev, h->stream, h->start));
    TRY(test_run(h->dev, h->stream, h->kernel, 1, args, 3));
    TRY(ops->host_func(h->dev, h->stream, count_run, &h->ran));
    TRY(test_run(h->dev, h->stream, h->kernel, 1, args, 3));
    TRY(ops->event_record(h->dev, h->stream, h->end));
    TRY(ops->stream_wait(h->dev, h->second, h->end));
    TRY(ops->copy(h->dev, h->second, h->b.impl, 0, h->a.impl, 4, 4));
    TRY(ops->event_sync(h->dev, h->end));
    TRY(ops->event_elapsed(h->dev, h->start, h->end, &h->ms));
    while ((st = ops->stream_query(h->dev, h->second)) == halErrorNotReady)
        usleep(100);
    TRY(st); /* an error of deferred work is told once: here */
    TRY(ops->stream_sync(h->dev, h->second));
    TRY(ops->copy_out(h->dev, h->second, &h->out, h->b.impl, 0, 4, 0));
    TRY(ops->stream_sync(h->dev, h->stream));
    return ops->stream_query(h->dev, h->stream);
}

static int sweep(int code, int lost)
{
    struct fake_opencl *fake = fake_load();
    struct test_kernel k;
    unsigned n_devices;
    int n, n_failed = 0;

    CHECK(fake);
    test_kernel_init(&k, "advance", text, "bss", 1);
    CHECK(!hal_backend_opencl.probe(&n_devices));
    for (n = 1;; n++) {
        struct held h = { .dev = SAME,
                          .a = { SAME, SAME },
                          .b = { SAME, SAME },
                          .stream = SAME,
                          .second = SAME,
                          .start = SAME,
                          .end = SAME,
                          .kernel = SAME };
        halError_t st;
        bool consumed;

        fake->n_calls = 0;
        fake->fail_at = n;
        fake->fail_code = code;
        fake->lost = lost;
        fake->failed[0] = '\0';
        st = acquire(&h, &k);
        if (st == halSuccess)
            st = use(&h);
        consumed = fake->n_calls >= n;
        give_back(&h);
        fake->fail_at = 0;
        if (st != halSuccess) {
            n_failed++;
            if (!strlen(halGetErrorDetail())) {
                printf("call %d (%s): error %d without a word\n", n,
                       fake->failed, st);
                return 1;
            }
        } else if (h.out != (5 * 3 + 2) * 3 + 2 || h.ran != 1) {
            printf("call %d (%s): success, but %u, %u\n", n, fake->failed,
                   h.out, h.ran);
            return 1;
        }
        if (fake->n_live || fake->n_bad_handles) {
            printf("call %d (%s): %d objects left, %d bad handles\n", n,
                   fake->failed, fake->n_live, fake->n_bad_handles);
            return 1;
        }
        if (!consumed)
            break;
    }
    printf("%d calls, %d of their failures reached the caller\n", n - 1,
           n_failed);
    /* Those that need not: optional properties and the binary's cache. */
    return n_failed < (n - 1) / 2;
}

static int sweep_memory_body(void)
{
    return sweep(CL_OUT_OF_HOST_MEMORY, 0);
}

static int sweep_resources_body(void)
{
    return sweep(CL_OUT_OF_RESOURCES, 0);
}

static int sweep_lost_body(void)
{
    return sweep(CL_DEVICE_NOT_AVAILABLE, 1);
}

/* ---- single paths ------------------------------------------------------- */

static int codes_body(void)
{
    static const struct {
        int code;
        halError_t error;
        const char *word;
    } table[] = {
        { CL_DEVICE_NOT_AVAILABLE, halErrorDeviceLost,
          "CL_DEVICE_NOT_AVAILABLE" },
        { CL_OUT_OF_RESOURCES, halErrorLaunchFailure, "CL_OUT_OF_RESOURCES" },
        { CL_MEM_OBJECT_ALLOCATION_FAILURE, halErrorMemoryAllocation,
          "clFlush" },
        { -12345, halErrorInternal, "-12345" },
    };
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };
    struct hal_mem m = { SAME, SAME };

    if (prepare(&fake, &h, &k))
        return 1;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fake->n_calls = 0;
        fake->fail_at = 2; /* enqueue, then flush */
        fake->fail_code = table[i].code;
        CHECK(h.dev->ops->fill(h.dev, h.stream, h.a.impl, 0, 4, 0, 4) ==
              table[i].error);
        CHECK(strstr(halGetErrorDetail(), table[i].word));
    }
    /* An allocation that "lacks resources" lacks memory. */
    fake->n_calls = 0;
    fake->fail_at = 1;
    fake->fail_code = CL_OUT_OF_RESOURCES;
    CHECK(h.dev->ops->mem_alloc(h.dev, 64, HAL_MEM_DEVICE, &m) ==
          halErrorMemoryAllocation);
    CHECK(m.impl == SAME);
    fake->fail_at = 0;
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

/* Work that fails later: told once by query, by sync's marker, by events. */
static int late_failure_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };

    if (prepare(&fake, &h, &k))
        return 1;
    CHECK(!h.dev->ops->fill(h.dev, h.stream, h.a.impl, 0, 4, 0, 4));
    CHECK(!h.dev->ops->event_record(h.dev, h.stream, h.start));
    fake->event_status = 1; /* running */
    CHECK(h.dev->ops->stream_query(h.dev, h.stream) == halErrorNotReady);
    CHECK(h.dev->ops->event_query(h.dev, h.start) == halErrorNotReady);
    fake->event_status = CL_DEVICE_NOT_AVAILABLE;
    CHECK(h.dev->ops->event_sync(h.dev, h.start) == halErrorDeviceLost);
    CHECK(h.dev->ops->event_query(h.dev, h.start) == halErrorDeviceLost);
    CHECK(h.dev->ops->stream_query(h.dev, h.stream) == halErrorDeviceLost);
    fake->event_status = 0;
    CHECK(h.dev->ops->stream_query(h.dev, h.stream) == halSuccess);
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

static void wait_open(void *arg)
{
    atomic_int *open = arg;

    atomic_store(open, 1);
    while (atomic_load(open) != 2)
        usleep(100);
}

/* A deferred operation that fails is told by the next synchronisation, once. */
static int deferred_failure_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };
    atomic_int open = 0;

    if (prepare(&fake, &h, &k))
        return 1;
    CHECK(!h.dev->ops->host_func(h.dev, h.stream, wait_open, &open));
    CHECK(!h.dev->ops->fill(h.dev, h.stream, h.a.impl, 0, 4, 0, 4));
    CHECK(!h.dev->ops->event_record(h.dev, h.stream, h.start));
    CHECK(!h.dev->ops->host_func(h.dev, h.stream, count_run, &h.ran));
    while (atomic_load(&open) != 1)
        usleep(100); /* the thread is inside wait_open */
    fake->n_calls = 0;
    fake->fail_at = 1; /* the fill */
    fake->fail_code = CL_DEVICE_NOT_AVAILABLE;
    atomic_store(&open, 2);
    CHECK(h.dev->ops->stream_sync(h.dev, h.stream) == halErrorDeviceLost);
    CHECK(strstr(halGetErrorDetail(), "fill"));
    CHECK(h.ran == 1); /* host functions run whatever happened before */
    CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
    CHECK(!h.dev->ops->event_sync(h.dev, h.start));
    fake->fail_at = 0;
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

/* A cached binary that the driver refuses is no failure. */
static int stale_binary_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };
    void *again;

    if (prepare(&fake, &h, &k))
        return 1;
    for (int bad = 0; bad <= 2; bad++) {
        fake->bad_binaries = bad;
        CHECK(!test_kernel_create(h.dev, &k, &again));
        h.dev->ops->kernel_destroy(h.dev, again);
    }
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

/* What HALCYON_OPTIMIZE=0 built is not taken for the other, nor the reverse. */
static int not_optimised_body(void)
{
    static const char *const value[] = { "1", "0", "1", "0" };
    struct fake_opencl *fake;
    struct test_kernel k;
    struct held h = { 0 };
    void *again;

    if (prepare(&fake, &h, &k))
        return 1;
    for (int i = 0; i < 4; i++) {
        fake->n_plain = 0;
        setenv("HALCYON_OPTIMIZE", value[i], 1);
        CHECK(!test_kernel_create(h.dev, &k, &again));
        h.dev->ops->kernel_destroy(h.dev, again);
        CHECK(fake->n_plain == i % 2);
    }
    give_back(&h);
    return 0;
}

/* How often building a text asks for the program's binary; -1 on failure. */
static int count_exports(int is_inline)
{
    struct fake_opencl *fake = fake_load();
    struct test_kernel k;
    struct held h = { 0 };
    void *again;
    int n = -1;

    if (!fake)
        return -1;
    fake->is_inline = is_inline;
    if (prepare(&fake, &h, &k))
        return -1;
    fake->n_exports = 0;
    fake->bad_binaries = 1; /* so that the text is built */
    if (test_kernel_create(h.dev, &k, &again) == halSuccess) {
        n = fake->n_exports;
        h.dev->ops->kernel_destroy(h.dev, again);
    }
    give_back(&h);
    return fake->n_live ? -1 : n;
}

static int export_body(void)
{
    CHECK(count_exports(0) == 1);
    return 0;
}

/* PoCL has a cache, and compiles everything again when asked for it. */
static int no_export_body(void)
{
    CHECK(count_exports(1) == 0);
    return 0;
}

static int build_log_body(void)
{
    struct fake_opencl *fake;
    struct test_kernel k, bad;
    struct held h = { 0 };
    void *kernel = SAME;

    if (prepare(&fake, &h, &k))
        return 1;
    test_kernel_init(&bad, "bad", "nothing here", "b", 1);
    CHECK(test_kernel_create(h.dev, &bad, &kernel) == halErrorKernelBuild);
    CHECK(strstr(halGetErrorDetail(), "bad.k:3: error: no kernel"));
    CHECK(!strstr(halGetErrorDetail(), "warning"));
    CHECK(kernel == SAME);
    give_back(&h);
    CHECK(fake->n_live == 0);
    return 0;
}

IN_CHILD(absent)
IN_CHILD(broken)
IN_CHILD(empty)
IN_CHILD(order)
IN_CHILD(properties)
IN_CHILD(sweep_memory)
IN_CHILD(sweep_resources)
IN_CHILD(sweep_lost)
IN_CHILD(codes)
IN_CHILD(late_failure)
IN_CHILD(deferred_failure)
IN_CHILD(stale_binary)
IN_CHILD(not_optimised)
IN_CHILD(export)
IN_CHILD(no_export)
IN_CHILD(build_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent),
        cmocka_unit_test(broken),
        cmocka_unit_test(empty),
        cmocka_unit_test(order),
        cmocka_unit_test(properties),
        cmocka_unit_test(sweep_memory),
        cmocka_unit_test(sweep_resources),
        cmocka_unit_test(sweep_lost),
        cmocka_unit_test(codes),
        cmocka_unit_test(late_failure),
        cmocka_unit_test(deferred_failure),
        cmocka_unit_test(stale_binary),
        cmocka_unit_test(not_optimised),
        cmocka_unit_test(export),
        cmocka_unit_test(no_export),
        cmocka_unit_test(build_log),
    };

    return fake_main(tests, sizeof tests / sizeof tests[0]);
}
