/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cpu_peer.c - kernels of one device that use the memory of another,
 * through the public API: a machine has one CPU device, so a stand-in on it is
 * the second.
 */
#include "tests/backends/backend_test.h"

#include "hal/hal.h"

static const char profile[] = "[chip]\nname = Peer Chip\n"
                              "[device]\nstand_on = cpu\n"
                              "[limits]\nmemory = 64 MiB ; ? test\n";

static const char source[] =
    "#include \"hal_dialect.h\"\n"
    "KERNEL(stir, INOUT(u32, y), ARG(uint, passes), ARG(uint, n))\n"
    "{\n"
    "    GRID(i, n) {\n"
    "        uint x = LD(u32, y, i);\n"
    "        for (uint p = 0u; p < passes; p++)\n"
    "            x = x * 1664525u + 1013904223u + (x >> 13);\n"
    "        ST(u32, y, i, x);\n"
    "    }\n"
    "}\n";

enum { N = 16, PASSES = 10000000 }; /* a few tenths of a second */

static int here, there;
static halFunction_t stir;

static uint32_t stirred(uint32_t x, uint32_t passes)
{
    while (passes--)
        x = x * 1664525u + 1013904223u + (x >> 13);
    return x;
}

static halError_t launch(void *y, uint32_t passes, halStream_t s)
{
    uint32_t n = N;
    void *args[] = { &y, &passes, &n };

    return halLaunchKernel(stir, (halDim3){ 1, 1, 1 }, (halDim3){ 0, 0, 0 },
                           args, 0, s);
}

static void launch_reaches_peer(void **state)
{
    uint32_t got[N], *y, *mapped;
    int can = 0, i;

    (void)state;
    OK(halDeviceCanAccessPeer(&can, here, there));
    assert_int_equal(can, 1);
    OK(halSetDevice(there));
    OK(halMalloc((void **)&y, sizeof got));
    OK(halMemsetD32(y, 7, N));
    OK(halHostAlloc((void **)&mapped, sizeof got, halHostAllocMapped));
    OK(halDeviceSynchronize());
    for (i = 0; i < N; i++)
        mapped[i] = (uint32_t)i;

    OK(halSetDevice(here));
    assert_int_equal(launch(y, 3, NULL), halErrorInvalidArgument);
    assert_non_null(strstr(halGetErrorDetail(), "peer-chip"));
    OK(halDeviceEnablePeerAccess(there, 0));
    OK(launch(y, 3, NULL));
    OK(launch(mapped, 3, NULL));
    OK(halDeviceSynchronize());
    OK(halMemcpy(got, y, sizeof got, halMemcpyDefault));
    for (i = 0; i < N; i++) {
        assert_int_equal(got[i], stirred(7, 3));
        assert_int_equal(mapped[i], stirred((uint32_t)i, 3));
    }
    OK(halDeviceDisablePeerAccess(there));
    assert_int_equal(launch(y, 3, NULL), halErrorInvalidArgument);
    OK(halSetDevice(there));
    OK(halFree(y));
    OK(halFreeHost(mapped));
}

/* Whoever takes the memory away waits for the other device's kernel. */
static void free_waits_for_peer(void **state)
{
    static uint32_t area[1024];
    halStream_t s;
    void *y = area;
    int how;

    (void)state;
    OK(halSetDevice(here));
    OK(halStreamCreateWithFlags(&s, halStreamNonBlocking));
    for (how = 0; how < 4; how++) {
        OK(halSetDevice(there));
        if (how == 0)
            OK(halHostAlloc(&y, N * 4, halHostAllocMapped));
        else if (how == 1)
            OK(halHostRegister(y = area, sizeof area, halHostRegisterMapped));
        else
            OK(halMalloc(&y, N * 4));
        OK(halSetDevice(here));
        OK(halDeviceEnablePeerAccess(there, 0));
        OK(launch(y, PASSES, s));
        OK(halSetDevice(there));
        OK(how == 0   ? halFreeHost(y)
           : how == 1 ? halHostUnregister(y)
           : how == 2 ? halFree(y)
                      : halDeviceReset());
        OK(halStreamQuery(s));
        OK(halSetDevice(here));
        if (how < 3)
            OK(halDeviceDisablePeerAccess(there));
    }
    OK(halStreamDestroy(s));
}

static int setup(void **state)
{
    char folder[] = "/tmp/halcyon-peer-XXXXXX", path[80];
    halModule_t module;
    FILE *to;
    int st = 0;

    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/peer-chip.ini", folder);
    to = fopen(path, "w");
    if (!to || fputs(profile, to) < 0)
        st = 1;
    if (to && fclose(to))
        st = 1;
    setenv("HALCYON_PROFILE_PATH", folder, 1);
    setenv("HALCYON_DEVICES", "cpu:0,peer-chip", 1);
    if (halDeviceGetByName(&here, "cpu:0") != halSuccess ||
        halDeviceGetByName(&there, "peer-chip") != halSuccess ||
        halSetDevice(here) != halSuccess ||
        halModuleLoadSource(&module, source, "stir.k", NULL) != halSuccess ||
        halModuleGetFunction(&stir, module, "stir") != halSuccess) {
        print_error("%s\n", halGetErrorDetail());
        st = 1;
    }
    unlink(path);
    rmdir(folder);
    return st;
}

static int teardown(void **state)
{
    (void)state;
    return halSetDevice(here) != halSuccess || halDeviceReset() != halSuccess;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launch_reaches_peer),
        cmocka_unit_test(free_waits_for_peer),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
