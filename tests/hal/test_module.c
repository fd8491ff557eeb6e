/* SPDX-License-Identifier: Apache-2.0 */
/* Modules, functions, launches and occupancy. */
#include "tests/hal/hal_test.h"

#include <unistd.h>

const struct hal_backend *const hal_builtin_backends[] = { &fake_backend,
                                                           &bare_backend, 0 };

static const halDim3 one = { 1, 1, 1 }, any = { 0, 0, 0 };
static void *image;
static size_t image_size;

static int group_setup(void **state)
{
    (void)state;
    image = fake_halbin(&image_size);
    return image ? 0 : 1;
}

static int group_teardown(void **state)
{
    (void)state;
    free(image);
    return 0;
}

static void load(halModule_t *m)
{
    OK(halModuleLoadData(m, image, image_size));
}

static void reflection(void **state)
{
    struct halFuncAttributes a;
    struct halParamInfo info;
    halModule_t m;
    halFunction_t f, g;
    const char *name;

    (void)state;
    load(&m);
    OK(halModuleGetKernelName(&name, m, 0));
    assert_non_null(name);
    FAILS(halErrorInvalidValue, "kernels", halModuleGetKernelName(&name, m, 5));
    FAILS(halErrorInvalidValue, "kernels",
          halModuleGetKernelName(&name, m, -1));
    OK(halModuleGetFunction(&f, m, "add"));
    OK(halModuleGetFunction(&g, m, "add"));
    assert_ptr_equal(f, g);
    OK(halFuncGetAttributes(&a, f));
    assert_string_equal(a.variant, "opencl.f1"); /* f2 wants fp64 */
    assert_int_equal(a.blockDim.x, 4);
    assert_int_equal(a.sharedSizeBytes, 2048);
    assert_int_equal(a.localSizeBytes, 16);
    assert_int_equal(a.numParams, 4);
    assert_int_equal(a.maxDynamicSharedSizeBytes, 32768 - 2048);
    OK(halFuncGetParam(&info, f, 0));
    assert_string_equal(info.name, "z");
    assert_int_equal(info.kind, halParamOut);
    assert_int_equal(info.dtype, halF32);
    assert_int_equal(info.alignment, 16);
    OK(halFuncGetParam(&info, f, 3));
    assert_int_equal(info.kind, halParamScalar);
    assert_int_equal(info.dtype, halU32);
    FAILS(halErrorInvalidValue, "no number 4", halFuncGetParam(&info, f, 4));
    FAILS(halErrorNotFound, "'sub'", halModuleGetFunction(&f, m, "sub"));
    FAILS(halErrorKernelBuild, "fake.k:7",
          halModuleGetFunction(&f, m, "unbuildable"));
    FAILS(halErrorNoImageForDevice, "fp64",
          halModuleGetFunction(&f, m, "misfit"));
    OK(halModuleUnload(m));
    FAILS(halErrorInvalidHandle, "destroyed", halFuncGetAttributes(&a, g));
    FAILS(halErrorInvalidHandle, "destroyed", halModuleUnload(m));
    FAILS(halErrorInvalidHandle, "destroyed",
          halModuleGetFunction(&f, m, "add"));
}

static void bad_images(void **state)
{
    halModule_t m = (halModule_t)7;
    char *copy = malloc(image_size);
    size_t n;

    (void)state;
    FAILS(halErrorInvalidValue, "NULL", halModuleLoadData(&m, NULL, 10));
    for (n = 0; n < image_size; n += n < 64 ? 1 : 101)
        FAILS(halErrorInvalidImage, "", halModuleLoadData(&m, image, n));
    memcpy(copy, image, image_size);
    copy[image_size / 2] ^= 0x40;
    FAILS(halErrorInvalidImage, "", halModuleLoadData(&m, copy, image_size));
    assert_ptr_equal(m, (halModule_t)7);
    FAILS(halErrorFileIo, "/nowhere", halModuleLoad(&m, "/nowhere/x.halbin"));
    FAILS(halErrorFileIo, "", halModuleLoad(&m, "/"));
    free(copy);
}

static void from_file(void **state)
{
    char path[] = "/tmp/halcyon-test-XXXXXX";
    int fd = mkstemp(path);
    halModule_t m;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, image, image_size), image_size);
    close(fd);
    OK(halModuleLoad(&m, path));
    OK(halModuleUnload(m));
    unlink(path);
}

static void launch_on(int device)
{
    float host[64], a = 3;
    halModule_t m;
    halFunction_t scale, add;
    halStream_t s;
    unsigned n = 16;
    float *p, *y, *z;
    int i;

    OK(halSetDevice(device));
    load(&m);
    OK(halModuleGetFunction(&scale, m, "scale"));
    OK(halModuleGetFunction(&add, m, "add"));
    OK(halStreamCreate(&s));
    OK(halMalloc((void **)&p, sizeof host));
    for (i = 0; i < 64; i++)
        host[i] = (float)i;
    OK(halMemcpy(p, host, sizeof host, halMemcpyDefault));
    y = p + 5;
    z = p + 32;
    {
        void *args[] = { &y, &a, &n };

        OK(halLaunchKernel(scale, one, any, args, 0, s));
        a = 0; /* copied already */
        n = 0;
    }
    n = 16;
    {
        void *args[] = { &z, &y, &y, &n };

        OK(halLaunchKernel(add, one, (halDim3){ 4, 1, 1 }, args, 64, s));
    }
    OK(halMemcpyAsync(host, p, sizeof host, halMemcpyDefault, s));
    assert_true(host[4] == 4 && host[5] == 15 && host[20] == 60 &&
                host[21] == 21 && host[31] == 31 && host[32] == 30 &&
                host[47] == 120 && host[48] == 48);
    OK(halStreamDestroy(s));
    OK(halFree(p));
    OK(halModuleUnload(m));
}

static void launch(void **state)
{
    (void)state;
    launch_on(0);
    launch_on(2);
}

/* Grids, blocks and shared memory that "add" cannot have. */
static void launch_shapes(halFunction_t f, void **args)
{
    FAILS(halErrorInvalidConfiguration, "zero",
          halLaunchKernel(f, (halDim3){ 1, 0, 1 }, any, args, 0, NULL));
    FAILS(halErrorInvalidConfiguration, "65535",
          halLaunchKernel(f, (halDim3){ 65536, 1, 1 }, any, args, 0, NULL));
    FAILS(halErrorInvalidConfiguration, "1024",
          halLaunchKernel(f, (halDim3){ 1, 1, 1025 }, any, args, 0, NULL));
    FAILS(halErrorInvalidConfiguration, "(4, 1, 1)",
          halLaunchKernel(f, one, (halDim3){ 8, 1, 1 }, args, 0, NULL));
    FAILS(halErrorInvalidConfiguration, "(4, 1, 1)",
          halLaunchKernel(f, one, (halDim3){ 4, 0, 1 }, args, 0, NULL));
    FAILS(halErrorInvalidConfiguration, "30720",
          halLaunchKernel(f, one, any, args, 30721, NULL));
    FAILS(halErrorInvalidConfiguration, "dynamic",
          halLaunchKernel(f, one, any, args, SIZE_MAX - 5, NULL));
    OK(halLaunchKernel(f, one, any, args, 30720, NULL));
    OK(halFuncSetAttribute(f, halFuncAttributeMaxDynamicSharedMemorySize, 100));
    FAILS(halErrorInvalidConfiguration, "100",
          halLaunchKernel(f, one, any, args, 101, NULL));
    FAILS(halErrorInvalidValue, "30720",
          halFuncSetAttribute(f, halFuncAttributeMaxDynamicSharedMemorySize,
                              30721));
    OK(halFuncSetAttribute(f, halFuncAttributeMaxDynamicSharedMemorySize,
                           30720));
    FAILS(halErrorInvalidValue, "attribute",
          halFuncSetAttribute(f, (halFuncAttribute)3, 1));
}

static void launch_checks(void **state)
{
    halModule_t m;
    halFunction_t f, other;
    halStream_t foreign;
    float *z, *x, *elsewhere, *freed, *end, *null = NULL;
    float host[4];
    unsigned n = 4;
    void *args[] = { &z, &x, &x, &n };
    void *good[4];
    int device;

    (void)state;
    memcpy(good, args, sizeof args);
    for (device = 0; device < 4; device += 2) {
        void *plain = host;

        OK(halSetDevice(device + 1));
        OK(halMalloc((void **)&elsewhere, 64));
        OK(halStreamCreate(&foreign));
        OK(halSetDevice(device));
        load(&m);
        OK(halModuleGetFunction(&f, m, "add"));
        OK(halModuleGetFunction(&other, m, "fail"));
        OK(halMalloc((void **)&z, 64));
        OK(halMalloc((void **)&x, 64));
        OK(halMalloc((void **)&freed, 64));
        OK(halFree(freed));
        end = x + 16;
        OK(halLaunchKernel(f, one, any, args, 0, NULL));
#define ARG(i, value, words)                                \
    do {                                                    \
        args[i] = (value);                                  \
        FAILS(halErrorInvalidArgument, words,               \
              halLaunchKernel(f, one, any, args, 0, NULL)); \
        args[i] = good[i];                                  \
    } while (0)
        ARG(1, NULL, "'add', argument 1 'x': args[1] is NULL");
        ARG(1, &null, "argument 1 'x'");
        ARG(2, &plain, "argument 2 'y'");
        ARG(2, &freed, "no live device pointer");
        ARG(2, &end, "no live device pointer");
        ARG(1, &elsewhere, "is memory of");
        z++;
        FAILS(halErrorInvalidArgument, "aligned to 16",
              halLaunchKernel(f, one, any, args, 0, NULL));
        z--;
        FAILS(halErrorInvalidArgument, "args is NULL",
              halLaunchKernel(f, one, any, NULL, 0, NULL));
        launch_shapes(f, args);
        FAILS(halErrorInvalidHandle, "stream of",
              halLaunchKernel(f, one, any, args, 0, foreign));
        FAILS(halErrorInvalidHandle, "NULL",
              halLaunchKernel(NULL, one, any, args, 0, NULL));
        OK(halLaunchKernel(other, one, any, NULL, 0, NULL));
        FAILS(halErrorLaunchFailure, "failed", halDeviceSynchronize());
        OK(halDeviceSynchronize());
        OK(halModuleUnload(m));
        FAILS(halErrorInvalidHandle, "destroyed",
              halLaunchKernel(f, one, any, args, 0, NULL));
    }
}

/* Kernels reach mapped host memory, and a peer's once access is on. */
static void reach(void **state)
{
    float *mapped, *peer, *far, a = 2;
    halModule_t m;
    halFunction_t f;
    unsigned n = 4;
    void *args[] = { &mapped, &a, &n };
    int can = 9, i;

    (void)state;
    OK(halSetDevice(1));
    OK(halMalloc((void **)&peer, 64));
    OK(halMemsetD32(peer, 0x3f800000, 16));
    OK(halDeviceSynchronize());
    OK(halSetDevice(0));
    load(&m);
    OK(halModuleGetFunction(&f, m, "scale"));
    OK(halHostAlloc((void **)&mapped, 64, halHostAllocMapped));
    for (i = 0; i < 16; i++)
        mapped[i] = 1;
    OK(halLaunchKernel(f, one, any, args, 0, NULL));
    OK(halDeviceSynchronize());
    assert_true(mapped[3] == 2 && mapped[4] == 1);

    args[0] = &peer;
    FAILS(halErrorInvalidArgument, "fake:1",
          halLaunchKernel(f, one, any, args, 0, NULL));
    OK(halDeviceCanAccessPeer(&can, 0, 1));
    assert_int_equal(can, 1);
    OK(halDeviceCanAccessPeer(&can, 0, 2)); /* another backend */
    assert_int_equal(can, 0);
    FAILS(halErrorPeerAccess, "halMemcpyPeer", halDeviceEnablePeerAccess(2, 0));
    FAILS(halErrorPeerAccess, "not on", halDeviceDisablePeerAccess(1));
    FAILS(halErrorInvalidDevice, "current", halDeviceEnablePeerAccess(0, 0));
    fake_fail_at(2, halErrorNotSupported); /* asked whether, then to */
    FAILS(halErrorNotSupported, "", halDeviceEnablePeerAccess(1, 0));
    assert_true(fake_has_failed());
    FAILS(halErrorPeerAccess, "not on", halDeviceDisablePeerAccess(1));
    OK(halDeviceEnablePeerAccess(1, 0));
    FAILS(halErrorPeerAccess, "already", halDeviceEnablePeerAccess(1, 0));
    OK(halLaunchKernel(f, one, any, args, 0, NULL));
    OK(halDeviceSynchronize());
    OK(halDeviceDisablePeerAccess(1));
    OK(halMemcpy(mapped, peer, 64, halMemcpyDefault));
    assert_true(mapped[3] == 2 && mapped[4] == 1);
    OK(halFreeHost(mapped));

    /* Ending the access waits for who uses it, for free will not. */
    OK(halDeviceEnablePeerAccess(1, 0));
    fake_delay_us(20000);
    OK(halLaunchKernel(f, one, any, args, 0, NULL));
    OK(halDeviceDisablePeerAccess(1));
    OK(halStreamQuery(NULL));

    /* Freeing host memory that the peer mapped waits for it, too. */
    OK(halSetDevice(1));
    OK(halHostAlloc((void **)&far, 64, halHostAllocMapped));
    memset(far, 0, 64);
    OK(halSetDevice(0));
    OK(halDeviceEnablePeerAccess(1, 0));
    args[0] = &far;
    OK(halLaunchKernel(f, one, any, args, 0, NULL));
    OK(halSetDevice(1));
    OK(halFreeHost(far));
    OK(halSetDevice(0));
    OK(halStreamQuery(NULL));
    OK(halDeviceDisablePeerAccess(1));
    args[0] = &peer;

    /* A reset of the peer waits, too, and ends the access. */
    OK(halDeviceEnablePeerAccess(1, 0));
    OK(halLaunchKernel(f, one, any, args, 0, NULL));
    OK(halSetDevice(1));
    OK(halDeviceReset());
    OK(halSetDevice(0));
    OK(halStreamQuery(NULL));
    fake_delay_us(0);
    FAILS(halErrorPeerAccess, "not on", halDeviceDisablePeerAccess(1));
    OK(halDeviceEnablePeerAccess(1, 0));
    OK(halDeviceDisablePeerAccess(1));
}

static void occupancy(void **state)
{
    halModule_t m;
    halFunction_t f;
    int blocks = 9, size = 9, grid = 9;

    (void)state;
    load(&m);
    OK(halModuleGetFunction(&f, m, "scale"));
    OK(halOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 4, 0));
    assert_int_equal(blocks, 16); /* 32 KiB of 2 each */
    OK(halOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 4, 30720));
    assert_int_equal(blocks, 1);
    OK(halOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 4, 8192));
    assert_int_equal(blocks, 3); /* of 10 each: the rest is no fourth */
    OK(halOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 4, 30721));
    assert_int_equal(blocks, 0);
    OK(halOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 8, 0));
    assert_int_equal(blocks, 0);
    FAILS(halErrorInvalidValue, "blockSize",
          halOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 0, 0));
    OK(halOccupancyMaxPotentialBlockSize(&grid, &size, f, 0, 0));
    assert_int_equal(size, 4);
    assert_int_equal(grid, 64);
    FAILS(halErrorInvalidConfiguration, "4 threads",
          halOccupancyMaxPotentialBlockSize(&grid, &size, f, 0, 2));
}

static const char one_kernel[] =
    "#include \"hal_dialect.h\"\n"
    "KERNEL(one, INOUT(f32, x), ARG(uint, n))\n"
    "{ GRID(i, n) ST(f32, x, i, LD(f32, x, i) + 1.0f); }\n";

/* HALCYON_VARIANT forces; what it does not speak of stays as it was. */
static void forced_variant(void **state)
{
    struct halFuncAttributes a;
    halModule_t m;
    halFunction_t f;

    (void)state;
    setenv("HALCYON_VARIANT", "vulkan.bda, opencl.f0", 1);
    load(&m);
    OK(halModuleGetFunction(&f, m, "scale"));
    OK(halFuncGetAttributes(&a, f));
    assert_string_equal(a.variant, "opencl.f0");
    OK(halModuleUnload(m));
    setenv("HALCYON_VARIANT", "vulkan.bda,cpu.v3", 1);
    load(&m);
    OK(halModuleGetFunction(&f, m, "scale"));
    OK(halFuncGetAttributes(&a, f));
    assert_string_equal(a.variant, "opencl.f1");
    OK(halModuleUnload(m));
    setenv("HALCYON_VARIANT", "opencl", 1); /* exists; the module has none */
    FAILS(halErrorNoImageForDevice, "HALCYON_VARIANT",
          halModuleLoadData(&m, image, image_size));
    unsetenv("HALCYON_VARIANT");
}

/* A name that nobody knows fails every load, and the detail lists the known
 * ones; no device's own family need be meant. */
static void misspelt_variant(void **state)
{
    static const char *const bad[] = { "opencl.f9", "vulkan.bad",
                                       "opencl.f0,cpu.v44", "cpu", "x" };
    halModule_t m;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *word = strrchr(bad[i], ',');
        char quoted[40];

        snprintf(quoted, sizeof quoted, "'%s'", word ? word + 1 : bad[i]);
        setenv("HALCYON_VARIANT", bad[i], 1);
        FAILS(halErrorNotFound, quoted,
              halModuleLoadData(&m, image, image_size));
        assert_non_null(strstr(halGetErrorDetail(), "cpu.base, cpu.v3"));
        assert_non_null(strstr(halGetErrorDetail(), "vulkan.ssbo, cuda"));
        if (!strstr(bad[i], "opencl.f")) /* known to that module alone */
            FAILS(halErrorNotFound, quoted,
                  halModuleLoadSource(&m, one_kernel, "one.k", NULL));
    }
    setenv("HALCYON_VARIANT", " ,", 1);
    load(&m);
    OK(halModuleUnload(m));
    unsetenv("HALCYON_VARIANT");
}

/* Source is compiled to what is forced, for devices that can run it; others
 * hear why not, or are not concerned. */
static void forced_source(void **state)
{
    static const struct {
        const char *setting, *variant;
    } forced[] = {
        { NULL, "opencl" },
        { "opencl", "opencl" },
        { "cpu.base,vulkan.bda", "opencl" },
        { "opencl.small,opencl", "opencl" },
    };
    struct halFuncAttributes a;
    halModule_t m;
    halFunction_t f;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof forced / sizeof *forced; i++) {
        if (forced[i].setting)
            setenv("HALCYON_VARIANT", forced[i].setting, 1);
        OK(halModuleLoadSource(&m, one_kernel, "one.k", NULL));
        OK(halModuleGetFunction(&f, m, "one"));
        OK(halFuncGetAttributes(&a, f));
        assert_string_equal(a.variant, forced[i].variant);
        OK(halModuleUnload(m));
    }
    setenv("HALCYON_VARIANT", "opencl.small", 1);
    FAILS(halErrorNoImageForDevice, "asks for opencl.small",
          halModuleLoadSource(&m, one_kernel, "one.k", NULL));
    assert_non_null(strstr(halGetErrorDetail(), "small groups"));
    unsetenv("HALCYON_VARIANT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reflection, reset_all),
        cmocka_unit_test_teardown(bad_images, reset_all),
        cmocka_unit_test_teardown(from_file, reset_all),
        cmocka_unit_test_teardown(launch, reset_all),
        cmocka_unit_test_teardown(launch_checks, reset_all),
        cmocka_unit_test_teardown(reach, reset_all),
        cmocka_unit_test_teardown(occupancy, reset_all),
        cmocka_unit_test_teardown(forced_variant, reset_all),
        cmocka_unit_test_teardown(misspelt_variant, reset_all),
        cmocka_unit_test_teardown(forced_source, reset_all),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
