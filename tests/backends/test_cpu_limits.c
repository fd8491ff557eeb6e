/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cpu_limits.c - the limits of machines and containers in jars: /proc and
 * /sys trees written to a temporary directory.
 */
#include <sys/stat.h>

#include "tests/backends/cpu_test.h"

static char root[64];

static void put(const char *path, const char *text)
{
    char full[512], command[640];
    FILE *f;

    snprintf(full, sizeof full, "%s%s", root, path);
    snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s')\"", full);
    assert_int_equal(system(command), 0);
    f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/halcyon-jar-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    put("/proc/meminfo", "MemTotal:       8388608 kB\n"
                         "MemFree:         100 kB\n"
                         "MemAvailable:   6291456 kB\n");
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

#define GIB ((uint64_t)1 << 30)

static void a_bare_machine(void **state)
{
    struct cpu_limits limits;

    (void)state;
    cpu_limits_read(root, &limits);
    assert_true(limits.cpus == 0);
    assert_int_equal(limits.memory_total, 8 * GIB);
    assert_int_equal(limits.memory_free, 6 * GIB);
}

static void v2_takes_the_tightest_level(void **state)
{
    struct cpu_limits limits;

    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/memory.max", "4294967296\n");
    put("/sys/fs/cgroup/a/memory.current", "3221225472\n");
    put("/sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 1073741824\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    cpu_limits_read(root, &limits);
    assert_true(limits.cpus == 1.5);
    assert_int_equal(limits.memory_total, 4 * GIB);
    assert_int_equal(limits.memory_free, 2 * GIB); /* 4 - (3 - 1 of cache) */
}

static void v2_path_of_another_namespace(void **state)
{
    struct cpu_limits limits;

    (void)state;
    put("/proc/self/cgroup", "0::/docker/0123/absent\n");
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    cpu_limits_read(root, &limits);
    assert_true(limits.cpus == 0.5);
    assert_int_equal(limits.memory_total, GIB);
}

static void v1_controllers(void **state)
{
    struct cpu_limits limits;

    (void)state;
    put("/proc/self/cgroup", "7:cpu,cpuacct:/box\n4:memory:/box\n0::/\n");
    put("/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "300000\n");
    put("/sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "2147483648\n");
    put("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "1073741824\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    cpu_limits_read(root, &limits);
    assert_true(limits.cpus == 3.0);
    assert_int_equal(limits.memory_total, 2 * GIB);
    assert_int_equal(limits.memory_free, GIB);
}

static void nonsense_limits_nothing(void **state)
{
    struct cpu_limits limits;

    (void)state;
    put("/proc/self/cgroup", "\n::\nabc\n0:\n0::relative\n9:cpu\n0::/x\n");
    put("/sys/fs/cgroup/x/cpu.max", "100 0\n");
    put("/sys/fs/cgroup/x/memory.max", "lots\n");
    cpu_limits_read(root, &limits);
    assert_true(limits.cpus == 0);
    assert_int_equal(limits.memory_total, 8 * GIB);
    cpu_limits_read("/nonexistent", &limits);
    assert_int_equal(limits.memory_total, 0);
    assert_true(limits.memory_free == UINT64_MAX);
}

/* A sandbox without /proc/meminfo has its group's limits all the same. */
static void groups_without_meminfo(void **state)
{
    struct cpu_limits limits;
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    assert_int_equal(remove(path), 0);
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/memory.current", "268435456\n");
    cpu_limits_read(root, &limits);
    assert_int_equal(limits.memory_total, GIB);
    assert_int_equal(limits.memory_free, GIB - GIB / 4);
}

/* ---- memory in a container ------------------------------------------------
 */

#define MIB ((uint64_t)1 << 20)

/* How many blocks of `size` a device in the jar gives, of at most 64. */
static unsigned blocks_of(uint64_t size)
{
    struct hal_dev *dev = NULL;
    struct hal_mem held[64];
    unsigned n = 0, got;
    halError_t st = halSuccess;

    OK(hal_backend_cpu.device_open(0, &dev));
    dev->info.prop.totalGlobalMem = GIB;
    cpu_memory_root = root;
    while (n < 64 && st == halSuccess) {
        st = dev->ops->mem_alloc(dev, size, HAL_MEM_DEVICE, &held[n]);
        n += st == halSuccess;
    }
    if (st != halSuccess)
        assert_int_equal(st, halErrorMemoryAllocation);
    for (got = n; n; n--)
        dev->ops->mem_free(dev, held[n - 1].impl);
    cpu_memory_root = "";
    dev->ops->device_close(dev);
    return got;
}

static void full_groups_give_nothing(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/memory.current", "1073741824\n");
    assert_int_equal(blocks_of(16 * MIB), 0);
    /* Small blocks ask for every 16 MiB together. */
    assert_in_range(blocks_of(MIB), 0, 16);
}

/* What is kept for the process is not all that a small container has. */
static void small_groups_give_some(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/memory.current", "872415232\n"); /* 192 MiB left */
    assert_int_equal(blocks_of(64 * MIB), 14); /* an eighth of 1 GiB is kept */
    put("/sys/fs/cgroup/memory.current", "973078528\n"); /* 96 MiB left */
    assert_int_equal(blocks_of(64 * MIB), 0);
}

static void the_model_has_a_name(void **state)
{
    char name[64];

    (void)state;
    put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU 9000\n"
                         "stepping\t: 1\n");
    cpu_limits_model(root, name, sizeof name);
    assert_string_equal(name, "Some CPU 9000");
    cpu_limits_model("/nonexistent", name, sizeof name);
    assert_non_null(strstr(name, "processor"));
}

#define JAR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JAR(a_bare_machine),
        JAR(v2_takes_the_tightest_level),
        JAR(v2_path_of_another_namespace),
        JAR(v1_controllers),
        JAR(nonsense_limits_nothing),
        JAR(groups_without_meminfo),
        JAR(full_groups_give_nothing),
        JAR(small_groups_give_some),
        JAR(the_model_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
