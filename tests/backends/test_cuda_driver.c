/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cuda_driver.c - what a user may meet: no driver, an old one, GPUs that
 * are hidden, taken or lost, PTX that is too new, no memory, no compiler.
 * Invariant: each has an error and a sentence that says what to do.
 */
#include "tests/backends/cuda_test.h"

static int absent_body(void)
{
    unsigned n = 77;

    setenv("HALCYON_CUDA_LIB", "/nonexistent/libcuda.so.1", 1);
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.probe(&n),
                "/nonexistent/libcuda.so.1");
    CHECK(strstr(halGetErrorDetail(), "install the NVIDIA driver"));
    CHECK(n == 77);
    return 0;
}

static int broken_body(void)
{
    unsigned n = 77;

    setenv("HALCYON_CUDA_LIB", "libm.so.6", 1);
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.probe(&n),
                "libm.so.6 is broken: it lacks cuDriverGetVersion");
    CHECK(n == 77);
    return 0;
}

static int old_body(void)
{
    struct fake_cuda *fake = fake_load();
    unsigned n = 77;

    CHECK(fake);
    fake->version = 11080;
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.probe(&n),
                "driver is for CUDA 11.8; Halcyon needs CUDA 12.0 or newer");
    CHECK(n == 77);
    /* The oldest that will do, which lacks what came later. */
    fake->version = 12000;
    CHECK(!hal_backend_cuda.probe(&n) && n == 1);
    return clean(fake);
}

/* cuInit's own failures, each with what to do. */
static int init_body(void)
{
    static const struct {
        int code;
        const char *word;
    } table[] = {
        { 100, "the driver finds no GPU; with MIG on" },
        { 34, "toolkit's stub library" },
        { 802, "start nvidia-fabricmanager" },
        { 803, "of different driver versions" },
        { 804, "cuda-compat" },
        { 999, "`dmesg` may" },
        { 12345, "an unknown code (12345)" },
    };
    struct fake_cuda *fake = fake_load();
    unsigned n = 77;

    CHECK(fake);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fake->init_code = table[i].code;
        CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.probe(&n),
                    table[i].word);
        CHECK(n == 77);
    }
    return 0;
}

static int hidden_body(void)
{
    struct fake_cuda *fake = fake_load();
    unsigned n = 77;

    CHECK(fake);
    setenv("CUDA_VISIBLE_DEVICES", "7", 1);
    fake->init_code = 100;
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.probe(&n),
                "CUDA_VISIBLE_DEVICES is '7'");
    fake->init_code = 0;
    fake->n_devices = 0;
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.probe(&n),
                "CUDA_VISIBLE_DEVICES is '7'");
    fake->init_code = 803; /* not the variable's doing */
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.probe(&n), "803");
    fake->init_code = 0;
    unsetenv("CUDA_VISIBLE_DEVICES");
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.probe(&n), "finds no GPU");
    CHECK(n == 77);
    return 0;
}

static int mig_body(void)
{
    struct fake_cuda *fake = fake_load();
    char name[256], driver[256];
    unsigned n;

    CHECK(fake);
    fake->is_mig = 1;
    CHECK(!hal_backend_cuda.probe(&n) && n == 1);
    CHECK(!hal_backend_cuda.describe(0, name, driver));
    CHECK(!strcmp(name, "Fake GPU 0 MIG 1g.18gb"));
    CHECK(strstr(driver, "one MIG instance a process"));
    CHECK(hal_backend_cuda.describe(1, name, driver) == halErrorInvalidDevice);
    return 0;
}

/* GPUs that give no context. */
static int closed_body(void)
{
    struct fake_cuda *fake = fake_load();
    struct hal_dev *dev = SAME;
    char name[256], driver[256];
    unsigned n;

    CHECK(fake);
    fake->compute_mode = 3;
    CHECK(!hal_backend_cuda.probe(&n));
    CHECK(!hal_backend_cuda.describe(0, name, driver));
    CHECK(strstr(driver, "exclusive to one process"));
    fake->retain_code = 46; /* CUDA_ERROR_DEVICE_UNAVAILABLE */
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.device_open(0, &dev),
                "another process has Fake GPU 0");
    CHECK(strstr(halGetErrorDetail(), "nvidia-smi -i 0 -c DEFAULT"));
    fake->compute_mode = 2;
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.device_open(0, &dev),
                "closed to compute");
    fake->compute_mode = 0;
    fake->retain_code = 2;
    CHECK_FAILS(halErrorMemoryAllocation, hal_backend_cuda.device_open(0, &dev),
                "no memory left for a context");
    fake->retain_code = 0;
    fake->no_mem_ops = 1;
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.device_open(0, &dev),
                "no stream memory operations");
    CHECK(dev == SAME);
    return clean(fake);
}

static int ptx_body(void)
{
    static const char newer[] = PTX("9.5", "90", "advance");
    static const char other[] = PTX("7.0", "120", "advance");
    struct fake_cuda *fake;
    struct test_kernel k, bad;
    struct hal_kernel_info info = { 0 };
    struct hal_image images[3];
    const struct hal_image *list[3] = { &images[0], &images[1], &images[2] };
    struct held h;
    void *out = SAME;

    if (prepare(&fake, &h, &k))
        return 1;
    test_kernel_init(&bad, "advance", newer, "bss");
    CHECK_FAILS(halErrorNoImageForDevice, test_kernel_create(h.dev, &bad, &out),
                "its PTX is newer than the driver, which is for CUDA 13.0: "
                "update");
    images[0] = bad.image;
    test_kernel_init(&bad, "advance", other, "bss");
    CHECK_FAILS(halErrorNoImageForDevice, test_kernel_create(h.dev, &bad, &out),
                "not for compute capability 9.0");
    CHECK(out == SAME);
    /* What does not fit makes way for the next. */
    images[1] = bad.image;
    images[2] = k.image;
    CHECK(!h.dev->ops->kernel_create(h.dev, &k.desc, list, 3, &out, &info));
    CHECK(info.image == 2);
    h.dev->ops->kernel_destroy(h.dev, out);
    give_back(&h);
    return clean(fake);
}

static int memory_body(void)
{
    struct fake_cuda *fake;
    struct test_kernel k;
    struct held h;
    struct hal_mem m = { SAME, SAME };
    uint64_t left, total, after;

    if (prepare(&fake, &h, &k))
        return 1;
    CHECK(!h.dev->ops->mem_info(h.dev, &left, &total));
    CHECK(total == fake->total_bytes && left < total);
    CHECK_FAILS(halErrorMemoryAllocation,
                h.dev->ops->mem_alloc(h.dev, left + 1, HAL_MEM_DEVICE, &m),
                "bytes asked for");
    CHECK(strstr(halGetErrorDetail(), "are free on Fake GPU 0"));
    CHECK(m.impl == SAME);
    CHECK(!h.dev->ops->mem_alloc(h.dev, 1 << 20, HAL_MEM_DEVICE, &m));
    CHECK(!h.dev->ops->mem_info(h.dev, &after, &total));
    CHECK(after == left - (1 << 20));
    h.dev->ops->mem_free(h.dev, m.impl);
    CHECK(!h.dev->ops->mem_info(h.dev, &after, &total) && after == left);
    give_back(&h);
    return clean(fake);
}

/* ---- an illegal address ---------------------------------------------------
 */

static int fault_run(struct held *h, void *fault, int n_others)
{
    union hal_arg args[] = { arg_buffer(&h->a, 0), arg_scalar(1),
                             arg_scalar(2) };

    for (int i = 0; i < n_others; i++)
        CHECK(!advance(h->dev, h->stream, h->kernel, &h->b, 0));
    CHECK(!test_run(h->dev, h->stream, fault, 1, args, 3));
    return 0;
}

static void note(void *arg)
{
    atomic_store((atomic_int *)arg, 1);
}

/* The kernel is named, the device lost, another one goes on; opened anew it
 * works again, and host functions that waited behind have run. */
static int fault_body(void)
{
    static const char text[] = PTX("7.0", "70", "fault");
    struct fake_cuda *fake = fake_load();
    struct held h = HELD_NONE, g = HELD_NONE;
    const struct held none = HELD_NONE;
    struct test_kernel k, bad;
    atomic_int ran = 0;
    void *fault;
    unsigned n;

    CHECK(fake);
    fake->n_devices = 2;
    CHECK(!hal_backend_cuda.probe(&n) && n == 2);
    test_kernel_init(&k, "advance", text_advance, "bss");
    test_kernel_init(&bad, "fault", text, "bss");
    CHECK(!acquire(&h, &k, 0) && !acquire(&g, &k, 1));
    CHECK(!test_kernel_create(h.dev, &bad, &fault));

    /* What ran before a synchronisation is not suspected. */
    CHECK(!advance(h.dev, h.second, h.kernel, &h.b, 0));
    CHECK(!h.dev->ops->stream_sync(h.dev, h.second));
    if (fault_run(&h, fault, 0))
        return 1;
    CHECK_FAILS(halErrorDeviceLost, h.dev->ops->stream_sync(h.dev, h.stream),
                "Fake GPU 0 is lost: CUDA_ERROR_ILLEGAL_ADDRESS (700): a "
                "kernel read or wrote outside of its buffers, told by "
                "cuStreamSynchronize; it was the kernel 'fault'");
    CHECK(!strstr(halGetErrorDetail(), "advance"));
    CHECK(h.dev->ops->stream_query(h.dev, h.second) == halErrorDeviceLost);
    CHECK(h.dev->ops->event_record(h.dev, h.second, h.start) ==
          halErrorDeviceLost);

    CHECK(!advance(g.dev, g.stream, g.kernel, &g.a, 0));
    CHECK(!g.dev->ops->stream_sync(g.dev, g.stream));

    h.dev->ops->kernel_destroy(h.dev, fault);
    give_back(&h);
    h = none;
    CHECK(!acquire(&h, &k, 0));
    CHECK(!test_kernel_create(h.dev, &bad, &fault));
    if (fault_run(&h, fault, 2))
        return 1;
    (void)h.dev->ops->host_func(h.dev, h.stream, note, &ran);
    CHECK_FAILS(halErrorDeviceLost, h.dev->ops->stream_sync(h.dev, h.stream),
                "it was one of the kernels 'fault', 'advance'");
    CHECK(strstr(halGetErrorDetail(), "CUDA_LAUNCH_BLOCKING=1"));
    h.dev->ops->kernel_destroy(h.dev, fault);
    give_back(&h);
    give_back(&g);
    return clean(fake);
}

/* A host function behind a fault runs: somebody may wait for it. */
static int fault_behind_body(void)
{
    static const char text[] = PTX("7.0", "70", "fault");
    struct fake_cuda *fake;
    struct test_kernel k, bad;
    atomic_int ran = 0, open = 0;
    struct held h;
    void *fault;

    if (prepare(&fake, &h, &k))
        return 1;
    test_kernel_init(&bad, "fault", text, "bss");
    CHECK(!test_kernel_create(h.dev, &bad, &fault));
    CHECK(!h.dev->ops->host_func(h.dev, h.stream, test_gate, &open));
    if (fault_run(&h, fault, 0))
        return 1;
    CHECK(!h.dev->ops->host_func(h.dev, h.stream, note, &ran));
    atomic_store(&open, 1);
    for (int i = 0; i < 5000 && !atomic_load(&ran); i++)
        sleep_ms(1);
    CHECK(atomic_load(&ran));
    CHECK(h.dev->ops->stream_sync(h.dev, h.stream) == halErrorDeviceLost);
    h.dev->ops->kernel_destroy(h.dev, fault);
    give_back(&h);
    return clean(fake);
}

/* Somebody else holds the dead context: it cannot be opened anew. */
static int held_dead_body(void)
{
    unsigned (*retain)(void **, int) = NULL, (*release)(int) = NULL;
    static const char text[] = PTX("7.0", "70", "fault");
    struct hal_dev *dev = SAME;
    struct fake_cuda *fake;
    struct test_kernel k, bad;
    struct held h;
    void *fault, *context, *lib, *at;

    if (prepare(&fake, &h, &k))
        return 1;
    lib = dlopen(getenv("HALCYON_CUDA_LIB"), RTLD_NOW);
    at = dlsym(lib, "cuDevicePrimaryCtxRetain");
    memcpy(&retain, &at, sizeof at);
    at = dlsym(lib, "cuDevicePrimaryCtxRelease_v2");
    memcpy(&release, &at, sizeof at);
    CHECK(!retain(&context, 0));
    test_kernel_init(&bad, "fault", text, "bss");
    CHECK(!test_kernel_create(h.dev, &bad, &fault));
    if (fault_run(&h, fault, 0))
        return 1;
    CHECK(h.dev->ops->stream_sync(h.dev, h.stream) == halErrorDeviceLost);
    h.dev->ops->kernel_destroy(h.dev, fault);
    give_back(&h);
    CHECK_FAILS(halErrorNoDriver, hal_backend_cuda.device_open(0, &dev),
                "something else in this process still holds its context");
    CHECK(!release(0));
    CHECK(!hal_backend_cuda.device_open(0, &dev));
    dev->ops->device_close(dev);
    return clean(fake);
}

IN_CHILD(absent)
IN_CHILD(broken)
IN_CHILD(old)
IN_CHILD(init)
IN_CHILD(hidden)
IN_CHILD(mig)
IN_CHILD(closed)
IN_CHILD(ptx)
IN_CHILD(memory)
IN_CHILD(fault)
IN_CHILD(fault_behind)
IN_CHILD(held_dead)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent),       cmocka_unit_test(broken),
        cmocka_unit_test(old),          cmocka_unit_test(init),
        cmocka_unit_test(hidden),       cmocka_unit_test(mig),
        cmocka_unit_test(closed),       cmocka_unit_test(ptx),
        cmocka_unit_test(memory),       cmocka_unit_test(fault),
        cmocka_unit_test(fault_behind), cmocka_unit_test(held_dead),
    };

    return cuda_main("cuda driver", tests, sizeof tests / sizeof tests[0]);
}
