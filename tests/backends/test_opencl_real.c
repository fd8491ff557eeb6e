/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_opencl_real.c - the ops table on every real OpenCL device of this
 * machine: devices, memory and kernels; test_opencl_order.c has the rest.
 * Invariant: a test that cannot run says so as skipped.
 */
#include "tests/backends/opencl_rig.h"

static const char text_wrong[] =
    "#line 7 \"wrong.k\"\n"
    "__kernel void wrong(__global uint *x, ulong x_off)\n"
    "{\n"
    "    x[0] = undeclared_thing;\n"
    "}\n";

static void props(void **state)
{
    struct rig r;
    char name[256], driver[256];
    const struct halDeviceProp *p;
    uint64_t free_bytes = 0, total = 0;

    rig_open(&r, state);
    p = &r.dev->info.prop;
    OK(hal_backend_opencl.describe((unsigned)(uintptr_t)*state, name, driver));
    assert_string_equal(name, p->name);
    assert_string_equal(driver, p->driver);
    assert_string_equal(p->backend, "opencl");
    assert_true(strlen(driver) > 8);
    assert_true(r.dev->info.version >= 1000);
    assert_true(p->memAlign >= 64 && !(p->memAlign & (p->memAlign - 1)));
    assert_true(p->maxAllocBytes && p->maxAllocBytes <= p->totalGlobalMem);
    assert_true(p->sharedMemPerBlock >= 16384);
    assert_int_equal(!!(r.dev->info.caps & HAL_CAP_LARGE_LOCAL),
                     p->sharedMemPerBlock >= HAL_LARGE_LOCAL_BYTES);
    assert_true(p->maxThreadsPerBlock >= 1 && p->maxThreadsDim[0] >= 1);
    assert_true(p->maxGridSize[0] >= 65535 && p->maxGridSize[2] >= 1);
    assert_true(p->warpSize >= 1 && p->multiProcessorCount >= 1);
    assert_true(p->dtypes & 1u << halBF16);
    assert_int_equal(r.dev->info.target, HAL_TARGET_OPENCL);
    OK(r.dev->ops->mem_info(r.dev, &free_bytes, &total));
    assert_int_equal(total, p->totalGlobalMem);
    rig_close(&r);
}

static void no_such_device(void **state)
{
    struct hal_dev *dev = (void *)1;
    char name[256] = "same", driver[256];

    (void)state;
    assert_int_equal(hal_backend_opencl.device_open(4711, &dev),
                     halErrorInvalidDevice);
    assert_ptr_equal(dev, (void *)1);
    assert_int_equal(hal_backend_opencl.describe(4711, name, driver),
                     halErrorInvalidDevice);
    assert_string_equal(name, "same");
}

/* Beyond the device's memory is an error at once, and memory comes back. */
static void memory_limits(void **state)
{
    struct rig r;
    struct hal_mem m = { (void *)1, (void *)2 }, half[64];
    uint64_t before, after, total;
    unsigned n = 0;

#ifdef __SANITIZE_THREAD__
    /* One thread, and half a minute of pages where a driver touches them. */
    skip();
#endif
    rig_open(&r, state);
    OK(r.dev->ops->mem_info(r.dev, &before, &total));
    /* 1/4 of the device a time; rusticl and Oclgrind touch all of it. */
    while (n < 64 && r.dev->ops->mem_alloc(r.dev, total / 4, HAL_MEM_DEVICE,
                                           &half[n]) == halSuccess)
        n++;
    assert_true(n >= 1 && n <= 4);
    assert_int_equal(
        r.dev->ops->mem_alloc(r.dev, total / 4, HAL_MEM_DEVICE, &m),
        halErrorMemoryAllocation);
    assert_ptr_equal(m.impl, (void *)1);
    assert_ptr_equal(m.addr, (void *)2);
    while (n)
        r.dev->ops->mem_free(r.dev, half[--n].impl);
    OK(r.dev->ops->mem_info(r.dev, &after, &total));
    assert_int_equal(before, after);
    m = alloc(&r, 1);
    r.dev->ops->mem_free(r.dev, m.impl);
    r.dev->ops->mem_free(r.dev, NULL);
    rig_close(&r);
}

static void copies(void **state)
{
    struct rig r;
    struct hal_mem a, b;
    unsigned char in[4099], out[4099];

    rig_open(&r, state);
    a = alloc(&r, sizeof in);
    b = alloc(&r, sizeof in);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)(i * 7 + i / 256);
    memset(out, 0, sizeof out);
    put(&r, &a, 0, in, sizeof in);
    OK(r.dev->ops->fill(r.dev, r.stream, b.impl, 0, sizeof in, 0xee, 1));
    OK(r.dev->ops->copy(r.dev, r.stream, b.impl, 13, a.impl, 5, 4001));
    take(&r, &b, 0, out, sizeof out);
    assert_memory_equal(out + 13, in + 5, 4001);
    for (size_t i = 0; i < 13; i++)
        assert_int_equal(out[i], 0xee);
    for (size_t i = 13 + 4001; i < sizeof out; i++)
        assert_int_equal(out[i], 0xee);
    /* within one buffer */
    OK(r.dev->ops->copy(r.dev, r.stream, a.impl, 3001, a.impl, 1, 1001));
    take(&r, &a, 3001, out, 1001);
    assert_memory_equal(out, in + 1, 1001);
    /* pinned: done by the time the stream is */
    memset(out, 0, sizeof out);
    OK(r.dev->ops->copy_in(r.dev, r.stream, b.impl, 0, in, sizeof in,
                           HAL_COPY_PINNED));
    OK(r.dev->ops->copy_out(r.dev, r.stream, out, b.impl, 0, sizeof in,
                            HAL_COPY_PINNED));
    OK(r.dev->ops->stream_sync(r.dev, r.stream));
    assert_memory_equal(out, in, sizeof in);
    r.dev->ops->mem_free(r.dev, a.impl);
    r.dev->ops->mem_free(r.dev, b.impl);
    rig_close(&r);
}

static void copies_waited_for(void **state)
{
    struct rig r;

    rig_open(&r, state);
    test_waited(r.dev, 100);
    test_waited(r.dev, 70000); /* the thread sanitizer tells of each word */
    rig_close(&r);
}

static void fills(void **state)
{
    static const uint32_t pattern = 0x81C3F5A7;
    struct rig r;
    struct hal_mem m;
    unsigned char out[2048];

    rig_open(&r, state);
    m = alloc(&r, sizeof out);
    for (unsigned width = 1; width <= 4; width *= 2)
        for (unsigned at = 0; at <= 5 * width; at += width)
            for (unsigned n = 1; n <= 1021; n += 170) {
                unsigned size = n * width;

                if (at + size > sizeof out)
                    continue;
                OK(r.dev->ops->fill(r.dev, r.stream, m.impl, 0, sizeof out,
                                    0xbb, 1));
                OK(r.dev->ops->fill(r.dev, r.stream, m.impl, at, size, pattern,
                                    width));
                take(&r, &m, 0, out, sizeof out);
                for (unsigned i = 0; i < sizeof out; i++) {
                    unsigned want =
                        i < at || i >= at + size
                            ? 0xbb
                            : pattern >> 8 * ((i - at) % width) & 0xff;

                    if (out[i] != want)
                        fail_msg("width %u at %u size %u: byte %u is %02x, "
                                 "not %02x",
                                 width, at, size, i, out[i], want);
                }
            }
    r.dev->ops->mem_free(r.dev, m.impl);
    rig_close(&r);
}

/* A hundred dependent steps at an offset that no sub-buffer could have. */
static void launches(void **state)
{
    struct rig r;
    struct hal_mem m;
    uint32_t data[64], want[64];

    rig_open(&r, state);
    m = alloc(&r, sizeof data);
    for (uint32_t i = 0; i < 64; i++)
        data[i] = want[i] = i;
    put(&r, &m, 0, data, sizeof data);
    for (uint32_t s = 0; s < 100; s++) {
        OK(step(&r, r.stream, &m, 4 * (s % 7), 41, s));
        for (uint32_t i = 0; i < 41; i++)
            want[s % 7 + i] = want[s % 7 + i] * 3 + s;
    }
    take(&r, &m, 0, data, sizeof data);
    assert_memory_equal(data, want, sizeof data);
    r.dev->ops->mem_free(r.dev, m.impl);
    rig_close(&r);
}

/* A driver may give a freed buffer's handle to a new one: the kernel must see
 * the new one all the same. */
static void buffer_comes_back(void **state)
{
    struct rig r;

    rig_open(&r, state);
    for (uint32_t i = 0; i < 20; i++) {
        struct hal_mem m = alloc(&r, 64);
        uint32_t v = i;

        put(&r, &m, 0, &v, 4);
        OK(step(&r, r.stream, &m, 0, 1, 5));
        take(&r, &m, 0, &v, 4);
        assert_int_equal(v, i * 3 + 5);
        r.dev->ops->mem_free(r.dev, m.impl);
    }
    rig_close(&r);
}

static void bad_kernels(void **state)
{
    struct rig r;
    struct test_kernel k;
    void *kernel = (void *)1;

    rig_open(&r, state);
    test_kernel_init(&k, "wrong", text_wrong, "b", 1);
    assert_int_equal(test_kernel_create(r.dev, &k, &kernel),
                     halErrorKernelBuild);
    assert_non_null(strstr(halGetErrorDetail(), "undeclared_thing"));
    print_message("detail: %s\n", halGetErrorDetail());
    test_kernel_init(&k, "missing", text_step, "bss", 4);
    assert_int_equal(test_kernel_create(r.dev, &k, &kernel),
                     halErrorInvalidImage);
    test_kernel_init(&k, "advance", text_step, "bs", 4);
    assert_int_equal(test_kernel_create(r.dev, &k, &kernel),
                     halErrorInvalidImage);
    test_kernel_init(&k, "advance", text_step, "bss", 8);
    assert_int_equal(test_kernel_create(r.dev, &k, &kernel),
                     halErrorInvalidImage);
    test_kernel_init(&k, "advance", text_step, "bss", 1u << 30);
    assert_int_equal(test_kernel_create(r.dev, &k, &kernel),
                     halErrorNoImageForDevice);
    assert_ptr_equal(kernel, (void *)1);
    rig_close(&r);
}

static void managed(void **state)
{
    struct rig r;
    struct hal_mem m = { NULL, NULL }, host = { NULL, NULL }, d;
    uint32_t *p, v = 0;
    void *h = NULL;

    rig_open(&r, state);
    if (!r.dev->info.prop.managedMemory) {
        assert_int_equal(r.dev->ops->mem_alloc(r.dev, 64, HAL_MEM_MANAGED, &m),
                         halErrorNotSupported);
        assert_null(r.dev->opt);
        rig_close(&r);
        print_message("skipped: no fine-grain shared virtual memory\n");
        skip();
    }
    OK(r.dev->ops->mem_alloc(r.dev, 4096, HAL_MEM_MANAGED, &m));
    d = alloc(&r, 4096);
    p = m.addr;
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % r.dev->info.prop.memAlign, 0);
    p[3] = 5;
    OK(step(&r, r.stream, &m, 12, 1, 1));
    OK(r.dev->ops->stream_sync(r.dev, r.stream));
    assert_int_equal(p[3], 16);
    OK(r.dev->ops->fill(r.dev, r.stream, m.impl, 20, 6, 0xa1b2, 2));
    OK(r.dev->ops->copy(r.dev, r.stream, d.impl, 4, m.impl, 12, 4));
    OK(r.dev->ops->copy(r.dev, r.stream, m.impl, 40, d.impl, 4, 4));
    OK(r.dev->ops->copy(r.dev, r.stream, m.impl, 44, m.impl, 12, 4));
    OK(r.dev->ops->stream_sync(r.dev, r.stream));
    assert_int_equal(p[5], 0xa1b2a1b2);
    assert_int_equal(p[6] & 0xffff, 0xa1b2);
    assert_int_equal(p[10], 16);
    assert_int_equal(p[11], 16);
    v = 77;
    put(&r, &m, 48, &v, 4);
    assert_int_equal(p[12], 77);
    v = 0;
    take(&r, &m, 48, &v, 4);
    assert_int_equal(v, 77);
    /* host memory that kernels reach */
    OK(r.dev->opt->host_alloc(r.dev, 4096, halHostAllocMapped, &h, &host));
    *(uint32_t *)h = 2;
    OK(step(&r, r.stream, &host, 0, 1, 1));
    OK(r.dev->ops->stream_sync(r.dev, r.stream));
    assert_int_equal(*(uint32_t *)h, 7);
    r.dev->opt->host_free(r.dev, h, host.impl);
    r.dev->ops->mem_free(r.dev, m.impl);
    r.dev->ops->mem_free(r.dev, d.impl);
    rig_close(&r);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(props),
    cmocka_unit_test(no_such_device),
    cmocka_unit_test(memory_limits),
    cmocka_unit_test(copies),
    cmocka_unit_test(copies_waited_for),
    cmocka_unit_test(fills),
    cmocka_unit_test(launches),
    cmocka_unit_test(buffer_comes_back),
    cmocka_unit_test(bad_kernels),
    cmocka_unit_test(managed),
};

int main(void)
{
    return rig_main(tests, sizeof tests / sizeof tests[0]);
}
