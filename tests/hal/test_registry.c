/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which backends and devices there are.  The registry is filled once for a
 * process, so each test runs in a child with its own environment.
 */
#include "tests/hal/child_test.h"

#include <sys/stat.h>

static int n_absent, n_broken; /* probes */

static halError_t absent_probe(unsigned *out_count)
{
    (void)out_count;
    n_absent++;
    return hal_fail(halErrorNoDriver, "libabsent.so.1 is missing: install it");
}

static halError_t no_describe(unsigned index, char name[256], char driver[256])
{
    (void)index;
    (void)name;
    (void)driver;
    return hal_fail(halErrorInternal, "never described");
}

static halError_t broken_open(unsigned index, struct hal_dev **out_dev)
{
    (void)index;
    (void)out_dev;
    return hal_fail(halErrorNoDriver, "the device does not open");
}

static halError_t one_probe(unsigned *out_count)
{
    *out_count = 1;
    n_broken++;
    return halSuccess;
}

static halError_t one_describe(unsigned index, char name[256], char driver[256])
{
    (void)index;
    snprintf(name, 256, "Broken");
    snprintf(driver, 256, "broken driver");
    return halSuccess;
}

static const struct hal_backend absent_backend = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "absent",
    .probe = absent_probe,
    .describe = no_describe,
    .device_open = broken_open,
};

static const struct hal_backend broken_backend = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "broken",
    .probe = one_probe,
    .describe = one_describe,
    .device_open = broken_open,
};

static const struct hal_backend old_backend = {
    .size = sizeof(struct hal_backend) - 8,
    .abi = HAL_BACKEND_ABI,
    .name = "old",
    .probe = one_probe,
    .describe = one_describe,
    .device_open = broken_open,
};

const struct hal_backend *const hal_builtin_backends[] = {
    &fake_backend, &absent_backend, &broken_backend,
    &old_backend,  &bare_backend,   0
};

static int run_default(void)
{
    struct halBackendInfo info;
    struct halDeviceProp prop;
    char name[64], about[256];
    int n = -1, d = -1;

    CHECK(halGetDeviceCount(&n) == halSuccess && n == 5);
    CHECK(halDeviceGetByName(&d, "fake:1") == halSuccess && d == 1);
    CHECK(halDeviceGetByName(&d, "bare:0") == halSuccess && d == 3);
    CHECK(halDeviceGetByName(&d, "fake:7") == halErrorNotFound && d == 3);
    CHECK(detail_has("fake:0, fake:1, broken:0"));
    CHECK(halDeviceGetByName(&d, "ascend-910b") == halErrorNotFound);
    CHECK(detail_has("exists") && detail_has("HALCYON_DEVICES"));
    CHECK(halGetDeviceProperties(&prop, 3) == halSuccess);
    CHECK(!strcmp(prop.halName, "bare:0") && !strcmp(prop.backend, "bare"));
    CHECK(!strcmp(prop.standsOn, "") && prop.unifiedAddressing == 1);
    CHECK(halGetDeviceProperties(&prop, 5) == halErrorInvalidDevice);
    CHECK(detail_has("0 to 4"));
    CHECK(halGetDeviceProperties(&prop, -1) == halErrorInvalidDevice);
    CHECK(halSetDevice(5) == halErrorInvalidDevice);
    CHECK(halGetDevice(&d) == halSuccess && d == 0);
    /* One that does not open fails its own calls only. */
    CHECK(halSetDevice(2) == halSuccess);
    CHECK(halDeviceSynchronize() == halErrorNoDriver);
    CHECK(detail_has("does not open"));
    CHECK(halGetLastError() == halErrorNoDriver);
    CHECK(halSetDevice(3) == halSuccess);
    CHECK(halDeviceSynchronize() == halSuccess);
    CHECK(halBackendGetInfo(&info, 0) == halSuccess);
    CHECK(!strcmp(info.name, "fake") && info.deviceCount == 2);
    CHECK(info.status == halSuccess && !info.note[0]);
    CHECK(halBackendGetInfo(&info, 1) == halSuccess);
    CHECK(info.status == halErrorNoDriver && strstr(info.note, "install"));
    CHECK(halBackendGetInfo(&info, 3) == halSuccess);
    CHECK(info.status == halErrorAbiMismatch && strstr(info.note, "old"));
    CHECK(halBackendGetInfo(&info, 5) == halErrorInvalidValue);
    CHECK(halBackendGetInfo(&info, -1) == halErrorInvalidValue);
    CHECK(halDeviceGetKnownName(name, about, 0) == halSuccess);
    CHECK(!strcmp(name, "fake:0") && strstr(about, "fake driver"));
    CHECK(halDeviceGetKnownName(name, about, 99) == halErrorInvalidValue);
    return 0;
}

static void admit_default(void **state)
{
    (void)state;
    in_child(run_default, NULL, NULL, NULL);
}

static int run_order(void)
{
    struct halDeviceProp prop;
    int n;

    CHECK(halGetDeviceCount(&n) == halSuccess && n == 3);
    CHECK(halGetDeviceProperties(&prop, 0) == halSuccess);
    CHECK(!strcmp(prop.halName, "bare:1"));
    CHECK(halGetDeviceProperties(&prop, 2) == halSuccess);
    CHECK(!strcmp(prop.halName, "fake:1"));
    return 0;
}

static int run_none(void)
{
    void *p;
    int n = -1;

    CHECK(halGetDeviceCount(&n) == halSuccess && n == 0);
    CHECK(halMalloc(&p, 1) == halErrorInvalidDevice);
    CHECK(halSetDevice(0) == halErrorInvalidDevice);
    CHECK(halDeviceReset() == halErrorInvalidDevice);
    CHECK(halFree(NULL) == halSuccess);
    return 0;
}

static int run_unknown(void)
{
    int n = -1;
    void *p;

    CHECK(halGetDeviceCount(&n) == halErrorInvalidDevice && n == -1);
    CHECK(detail_has("'cuda:0'") && detail_has("fake:0"));
    CHECK(halMalloc(&p, 1) == halErrorInvalidDevice && detail_has("cuda:0"));
    return 0;
}

static int run_absent(void)
{
    int n = -1;

    CHECK(halGetDeviceCount(&n) == halErrorInvalidDevice);
    CHECK(detail_has("absent:0") && detail_has("install"));
    return 0;
}

static int run_twice(void)
{
    int n = -1;

    CHECK(halGetDeviceCount(&n) == halErrorInvalidDevice);
    CHECK(detail_has("twice"));
    return 0;
}

static int run_all_of_backend(void)
{
    int n, d;

    CHECK(halGetDeviceCount(&n) == halSuccess && n == 3);
    CHECK(halDeviceGetByName(&d, "bare:1") == halSuccess && d == 1);
    CHECK(halDeviceGetByName(&d, "fake:0") == halSuccess && d == 2);
    return 0;
}

/* No driver is loaded that no name may mean, until somebody asks what there
 * is; the answer is the one that a process has which loads them all. */
static int run_narrow(void)
{
    static const char *const names[] = { "fake:0", "fake:1", "broken:0",
                                         "bare:0", "bare:1" };
    char name[64], about[256];
    int n, i, d;

    CHECK(halGetDeviceCount(&n) == halSuccess && n == 1);
    CHECK(halDeviceSynchronize() == halSuccess);
    CHECK(halDeviceGetByName(&d, "bare:1") == halSuccess && d == 0);
    CHECK(n_absent == 0 && n_broken == 0);
    for (i = 0; i < 5; i++) {
        CHECK(halDeviceGetKnownName(name, about, i) == halSuccess);
        CHECK(!strcmp(name, names[i]));
    }
    CHECK(n_absent == 1 && n_broken == 1);
    CHECK(info_of("fake")->deviceCount == 2);
    CHECK(strstr(info_of("absent")->note, "install"));
    CHECK(info_of("old")->status == halErrorAbiMismatch);
    CHECK(halDeviceGetByName(&d, "fake:1") == halErrorNotFound);
    CHECK(detail_has("exists") && detail_has("HALCYON_DEVICES"));
    CHECK(halGetDeviceCount(&n) == halSuccess && n == 1);
    CHECK(n_absent == 1 && n_broken == 1);
    return 0;
}

static int run_narrow_backend(void)
{
    int n;

    CHECK(halGetDeviceCount(&n) == halSuccess && n == 1);
    CHECK(n_absent == 0 && n_broken == 1);
    return 0;
}

static void admit_list(void **state)
{
    (void)state;
    in_child(run_narrow, "bare:1", NULL, NULL);
    in_child(run_narrow_backend, "broken", NULL, NULL);
    in_child(run_order, " bare:1, fake:0 ,fake:1,", NULL, NULL);
    in_child(run_none, "", NULL, NULL);
    in_child(run_none, "none", NULL, NULL);
    in_child(run_unknown, "fake:0,cuda:0", NULL, NULL);
    in_child(run_absent, "absent:0", NULL, NULL);
    in_child(run_twice, "fake:0,fake:0", NULL, NULL);
    in_child(run_twice, "fake,fake:0", NULL, NULL);
    in_child(run_all_of_backend, "bare,fake:0", NULL, NULL);
}

/* ---- stand-ins ------------------------------------------------------------
 */

static const char chip_a[] =
    "[chip]\nname = Chip A\nvendor = Test\n"
    "[device]\nstand_on = nothing:x, bare:unit 1, fake\n"
    "[limits]\nmemory = 4 MiB ; ? test\nthreads_per_block = 2 ; ? test\n"
    "warp = 128 ; ? test\ngrid = 100 2000 7 ; ? test\n"
    "shared_per_block = 1 KiB ; ? test\ndtypes = f32 bf16 ; ? test\n"
    "without = fp64 int64 managed ; ? test\nmax_alloc = 2 MiB ; ? test\n";
static const char chip_b[] =
    "[chip]\nname = Chip B\n[device]\nstand_on = fake\n"
    "[limits]\nmemory = 64 GiB ; ? test\nmistake = 5 ; ? test\n";
static const char chip_c[] =
    "[chip]\nname = Chip C\n[device]\nstand_on = fake:no such driver\n"
    "[limits]\nmemory = 64 GiB ; ? test\n";

static void write_text(const char *folder, const char *name, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int run_standin(void)
{
    struct halDeviceProp p;
    size_t has, total;
    void *a, *b, *c;
    int n, d;

    CHECK(halGetDeviceCount(&n) == halSuccess && n == 2);
    CHECK(n_absent == 0 && n_broken == 0); /* it cannot stand on these */
    CHECK(halDeviceGetByName(&d, "chip-a") == halSuccess && d == 0);
    CHECK(halGetDeviceProperties(&p, 0) == halSuccess);
    CHECK(!strcmp(p.name, "Test Chip A") && !strcmp(p.halName, "chip-a"));
    CHECK(!strcmp(p.standsOn, "bare:1"));
    CHECK(p.totalGlobalMem == 4 << 20 && p.maxAllocBytes == 2 << 20);
    CHECK(p.maxThreadsPerBlock == 2 && p.maxThreadsDim[0] == 2);
    CHECK(p.maxGridSize[0] == 100 && p.maxGridSize[1] == 1024);
    CHECK(p.maxGridSize[2] == 7 && p.warpSize == 128);
    CHECK(p.sharedMemPerBlock == 1024 && p.managedMemory == 0);
    CHECK(p.sharedMemPerBlockOptin == 1024);
    CHECK(p.dtypes == 1u << halF32 && p.dtypesNative == 1u << halF32);
    /* The account is the chip's; the real device has its own. */
    CHECK(halMemGetInfo(&has, &total) == halSuccess);
    CHECK(has == 4 << 20 && total == 4 << 20);
    CHECK(halMalloc(&a, (2 << 20) + 1) == halErrorMemoryAllocation);
    CHECK(halMalloc(&a, 2 << 20) == halSuccess);
    CHECK(halMalloc(&b, 2 << 20) == halSuccess);
    CHECK(halMalloc(&c, 1) == halErrorMemoryAllocation);
    CHECK(detail_has("4194304"));
    CHECK(halSetDevice(1) == halSuccess);
    CHECK(halMalloc(&c, 8 << 20) == halSuccess);
    CHECK(halMemcpy(c, a, 2 << 20, halMemcpyDefault) == halSuccess);
    CHECK(halSetDevice(0) == halSuccess);
    CHECK(halFree(a) == halSuccess && halFree(b) == halSuccess);
    CHECK(halMemGetInfo(&has, &total) == halSuccess && has == 4 << 20);
    CHECK(halFree(c) == halSuccess);
    return 0;
}

static int run_fit(void)
{
    halModule_t m;
    size_t size;
    void *image = fake_halbin(&size);

    /* Groups of 4 do not fit 2 threads; groups of 1 do, in 1 KiB. */
    CHECK(image && halModuleLoadData(&m, image, size) == halSuccess);
    free(image);
    return halModuleUnload(m) != halSuccess;
}

static int run_mistake(void)
{
    int n;

    CHECK(halGetDeviceCount(&n) == halErrorInvalidDevice);
    CHECK(detail_has("chip-b.ini:7") && detail_has("mistake"));
    return 0;
}

/* Stand-ins come in the list in their files' order, whichever was first. */
static int run_listed(void)
{
    char name[64], about[256];
    int n, i, at_a = -1, at_100 = -1, at_910b = -1;

    CHECK(halGetDeviceCount(&n) == halSuccess && n == 1);
    for (i = 0; halDeviceGetKnownName(name, about, i) == halSuccess; i++) {
        at_a = strcmp(name, "chip-a") ? at_a : i;
        at_100 = strcmp(name, "a100") ? at_100 : i;
        at_910b = strcmp(name, "ascend-910b") ? at_910b : i;
    }
    CHECK(4 < at_a && at_a < at_100 && at_100 < at_910b);
    return 0;
}

static int run_homeless(void)
{
    int n;

    CHECK(halGetDeviceCount(&n) == halErrorInvalidDevice);
    CHECK(detail_has("Chip C") && detail_has("stand on"));
    return 0;
}

/* A pipe would be waited for. */
static int run_pipe(void)
{
    int n;

    alarm(20);
    CHECK(halGetDeviceCount(&n) == halErrorInvalidDevice);
    CHECK(detail_has("pipe.ini: no regular file"));
    return 0;
}

/* A profile of the same name in the path replaces the built-in one. */
static int run_replaced(void)
{
    struct halDeviceProp p;

    CHECK(halGetDeviceProperties(&p, 0) == halSuccess);
    CHECK(!strcmp(p.name, "Test Chip A") && !strcmp(p.halName, "biren-br100"));
    return 0;
}

static void standins(void **state)
{
    char folder[] = "/tmp/halcyon-test-XXXXXX", command[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    write_text(folder, "chip-a.ini", chip_a);
    write_text(folder, "chip-b.ini", chip_b);
    write_text(folder, "chip-c.ini", chip_c);
    write_text(folder, "biren-br100.ini", chip_a);
    write_text(folder, "bad name.ini", chip_a);
    snprintf(command, sizeof command, "%s/pipe.ini", folder);
    assert_int_equal(mkfifo(command, 0600), 0);
    in_child(run_pipe, "pipe", NULL, folder);
    in_child(run_standin, "chip-a,bare:1", NULL, folder);
    in_child(run_fit, "chip-a", NULL, folder);
    in_child(run_listed, "chip-a", NULL, folder);
    in_child(run_mistake, "chip-b", NULL, folder);
    in_child(run_homeless, "chip-c", NULL, folder);
    in_child(run_replaced, "biren-br100", NULL, folder);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admit_default),
        cmocka_unit_test(admit_list),
        cmocka_unit_test(standins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
