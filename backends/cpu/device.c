/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.c - the cpu backend and its one device: all CPUs that the process
 * may use, over all NUMA nodes.
 *
 *   HALCYON_CPU_THREADS  workers; default: a core each, within the affinity
 *                        mask and the cgroup's CPU quota (1.5 CPUs: 2)
 *   HALCYON_CPU_ISA      base, portable, v3 or v4; default: the best there is
 *
 * Both are read at device_open, as are the container's limits.  Threads start
 * with the first work, so that a process may fork before it.
 */
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "backends/cpu/cpu.h"

#define THREADS_MAX 4096u
/* A worker's scratch for LOCAL memory: bounded by nothing but the L2 cache,
 * which it should stay in. */
#define SHARED_BYTES ((uint64_t)4 << 20)
#define MEM_ALIGN    256u /* what CUDA promises */

static void cpu_device_close(struct hal_dev *dev)
{
    struct cpu_device *d = cpu_device_of(dev);

    if (!d)
        return;
    cpu_runner_stop(d);
    cpu_pool_destroy(d->pool);
    cpu_topology_close(d->topology);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static void cpu_priority_range(struct hal_dev *dev, int *out_least,
                               int *out_greatest)
{
    (void)dev;
    *out_least = 0;
    *out_greatest = CPU_PRIORITY_GREATEST;
}

static const struct hal_ops cpu_ops;

/* Another cpu device (a stand-in's) is the same memory. */
static halError_t cpu_peer_can_access(struct hal_dev *dev, struct hal_dev *peer,
                                      int *out_can)
{
    *out_can = peer != dev && peer->ops == &cpu_ops;
    return halSuccess;
}

static halError_t cpu_peer_switch(struct hal_dev *dev, struct hal_dev *peer)
{
    if (peer == dev || peer->ops != &cpu_ops)
        return hal_fail(halErrorPeerAccess,
                        "cpu: kernels reach no other backend's memory");
    return halSuccess;
}

static const struct hal_ops cpu_ops = {
    .size = sizeof(struct hal_ops),
    .device_close = cpu_device_close,
    .mem_info = cpu_mem_info,
    .mem_alloc = cpu_mem_alloc,
    .mem_free = cpu_mem_free,
    .stream_create = cpu_stream_create,
    .stream_destroy = cpu_stream_destroy,
    .stream_query = cpu_stream_query,
    .stream_sync = cpu_stream_sync,
    .copy_in = cpu_copy_in,
    .copy_out = cpu_copy_out,
    .copy = cpu_copy,
    .fill = cpu_fill,
    .host_func = cpu_host_func,
    .event_create = cpu_event_create,
    .event_destroy = cpu_event_destroy,
    .event_record = cpu_event_record,
    .event_query = cpu_event_query,
    .event_sync = cpu_event_sync,
    .event_elapsed = cpu_event_elapsed,
    .stream_wait = cpu_stream_wait,
    .kernel_create = cpu_kernel_create,
    .kernel_destroy = cpu_kernel_destroy,
    .launch = cpu_launch,
};

static const struct hal_opt_ops cpu_opt_ops = {
    .size = sizeof(struct hal_opt_ops),
    .host_alloc = cpu_host_alloc,
    .host_free = cpu_host_free,
    .host_register = cpu_host_register,
    .host_unregister = cpu_host_unregister,
    .priority_range = cpu_priority_range,
    .peer_can_access = cpu_peer_can_access,
    .peer_enable = cpu_peer_switch,
    .peer_disable = cpu_peer_switch,
    .copy_2d = cpu_copy_2d,
};

/* ---- opening ------------------------------------------------------------- */

static halError_t count_workers(const struct cpu_topology_info *topology,
                                const struct cpu_limits *limits,
                                unsigned *out_workers)
{
    const char *text = getenv("HALCYON_CPU_THREADS");
    unsigned n = topology->n_cores;
    char *end;
    long forced;

    if (text && *text) {
        forced = strtol(text, &end, 10);
        if (*end || forced < 1 || forced > (long)THREADS_MAX)
            return hal_fail(halErrorInvalidValue,
                            "HALCYON_CPU_THREADS=%s: want 1 to %u", text,
                            THREADS_MAX);
        *out_workers = (unsigned)forced;
        return halSuccess;
    }
    if (limits->cpus > 0 && limits->cpus < n) {
        n = (unsigned)limits->cpus;
        n += limits->cpus > n; /* part of a CPU is worth a thread */
    }
    *out_workers = n ? n : 1;
    return halSuccess;
}

static uint32_t clock_khz(void)
{
    FILE *f =
        fopen("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "re");
    unsigned khz = 0;

    if (!f)
        return 0;
    if (fscanf(f, "%u", &khz) != 1)
        khz = 0;
    fclose(f);
    return khz;
}

static void fill_uuid(uint8_t uuid[16], const char *model)
{
    char text[512], host[128] = "";
    XXH128_canonical_t canonical;

    (void)gethostname(host, sizeof host - 1);
    snprintf(text, sizeof text, "halcyon cpu:0 %s %s", host, model);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(text, strlen(text)));
    memcpy(uuid, canonical.digest, 16);
}

static void fill_driver(char driver[256], uint64_t caps)
{
    unsigned v = hwloc_get_api_version();

    snprintf(driver, 256, "Halcyon CPU backend %d.%d.%d, %s, hwloc %u.%u",
             HAL_VERSION_MAJOR, HAL_VERSION_MINOR, HAL_VERSION_PATCH,
             cpu_isa_name(caps), v >> 16, v >> 8 & 0xff);
}

static void fill_prop(struct halDeviceProp *p, uint64_t caps,
                      const struct cpu_topology_info *topology,
                      const struct cpu_limits *limits, unsigned workers)
{
    const uint32_t native = 1u << halF32 | 1u << halF64 | 1u << halI8 |
                            1u << halU8 | 1u << halI16 | 1u << halU16 |
                            1u << halI32 | 1u << halU32 | 1u << halI64 |
                            1u << halU64;

    cpu_limits_model("", p->name, sizeof p->name);
    snprintf(p->backend, sizeof p->backend, "cpu");
    fill_driver(p->driver, caps);
    fill_uuid(p->uuid, p->name);
    p->totalGlobalMem = limits->memory_total;
    p->maxAllocBytes = limits->memory_total;
    p->sharedMemPerBlock = SHARED_BYTES;
    p->memPitch = INT32_MAX;
    p->pitchAlign = 64;
    p->memAlign = MEM_ALIGN;
    p->warpSize = 1;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = INT32_MAX;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->maxThreadsPerMultiProcessor = 1024;
    p->multiProcessorCount = workers;
    p->clockRate = clock_khz();
    p->l2CacheSize = topology->l2_bytes;
    p->major = HAL_VERSION_MAJOR;
    p->minor = HAL_VERSION_MINOR;
    p->dtypes = (1u << halDtypeCount) - 1;
    p->dtypesNative = native | (caps & HAL_CAP_X86_64_V4 ? 1u << halBF16 : 0);
    p->asyncEngineCount = 1;
    p->integrated = 1;
    p->canMapHostMemory = 1;
    p->managedMemory = 1;
    p->concurrentKernels = 1;
    p->unifiedAddressing = 1;
    p->streamPrioritiesSupported = 1;
}

static void init_sync(struct cpu_device *d)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->wake, &attr);
    pthread_condattr_destroy(&attr);
}

static halError_t device_open(unsigned index, struct hal_dev **out_dev)
{
    struct cpu_topology_info topology;
    struct cpu_limits limits;
    struct cpu_device *d;
    unsigned workers = 1;
    uint64_t caps;
    halError_t st;

    if (index != 0)
        return hal_fail(halErrorInvalidDevice, "cpu:%u: there is only cpu:0",
                        index);
    st = cpu_isa_select(getenv("HALCYON_CPU_ISA"), cpu_isa_detect(), &caps);
    if (st != halSuccess)
        return st;
    d = calloc(1, sizeof *d);
    if (!d)
        return hal_fail(halErrorHostMemory, "cpu: %zu bytes", sizeof *d);
    init_sync(d);

    st = cpu_topology_open(&d->topology, &topology);
    if (st != halSuccess)
        goto out;
    cpu_limits_read("", &limits);
    if (!limits.memory_total)
        limits.memory_total =
            (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    st = count_workers(&topology, &limits, &workers);
    if (st != halSuccess)
        goto out;
    st = cpu_pool_create(workers, d->topology, &d->pool);
    if (st != halSuccess)
        goto out;

    /* One stream each for the workers, and one that only copies or waits. */
    d->max_active = workers + 1;
    d->dev.size = sizeof d->dev;
    d->dev.ops = &cpu_ops;
    d->dev.opt = &cpu_opt_ops;
    d->dev.info.size = sizeof d->dev.info;
    d->dev.info.target = HAL_TARGET_CPU;
    d->dev.info.caps = caps | HAL_CAP_SMALL_GROUPS | HAL_CAP_STORAGE_8_16 |
                       HAL_CAP_BDA | HAL_CAP_FP64 | HAL_CAP_INT64 |
                       HAL_CAP_ATOMICS;
    d->dev.info.version = HAL_VERSION_MAJOR * 1000 + HAL_VERSION_MINOR * 10;
    fill_prop(&d->dev.info.prop, caps, &topology, &limits, workers);

    *out_dev = &d->dev;
    d = NULL;
out:
    if (d)
        cpu_device_close(&d->dev);
    return st;
}

static halError_t probe(unsigned *out_count)
{
    *out_count = 1;
    return halSuccess;
}

static halError_t describe(unsigned index, char name[256], char driver[256])
{
    if (index != 0)
        return hal_fail(halErrorInvalidDevice, "cpu:%u: there is only cpu:0",
                        index);
    cpu_limits_model("", name, 256);
    fill_driver(driver, cpu_isa_detect());
    return halSuccess;
}

const struct hal_backend hal_backend_cpu = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "cpu",
    .probe = probe,
    .describe = describe,
    .device_open = device_open,
};
