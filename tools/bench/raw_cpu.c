/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_cpu.c - what the cpu backend is held against: a plain function call and
 * memcpy.  Also picks the raw API of a device.
 */
#include <string.h>

#include "tools/bench/bench.h"

static void __attribute__((noinline)) empty(uint32_t *x)
{
    __asm__ volatile("" : : "r"(x) : "memory");
}

static int cpu_open(const struct halDeviceProp *prop, unsigned group,
                    size_t bytes, void **out_raw)
{
    (void)prop;
    (void)group;
    (void)bytes;
    *out_raw = NULL;
    return 0;
}

static void cpu_close(void *raw)
{
    (void)raw;
}

static int cpu_launch(void *ctx, unsigned calls)
{
    void (*volatile call)(uint32_t *) = empty;

    (void)ctx;
    for (unsigned i = 0; i < calls; i++)
        call(NULL);
    return 0;
}

static int cpu_copy(void *ctx, unsigned calls)
{
    const struct bench_raw_copy *copy = ctx;
    void *dst = copy->way == BENCH_D2H ? copy->host : copy->dst;
    const void *src = copy->way == BENCH_H2D ? copy->host : copy->src;

    for (unsigned i = 0; i < calls; i++) {
        memcpy(dst, src, copy->size);
        __asm__ volatile("" : : "r"(dst) : "memory");
    }
    return 0;
}

const struct bench_raw_api bench_raw_cpu = {
    .launch_name = "function call",
    .copy_name = "memcpy",
    .open = cpu_open,
    .close = cpu_close,
    .launch = cpu_launch,
    .burst = cpu_launch,
    .copy = cpu_copy,
};

const struct bench_raw_api *bench_raw_of(const struct halDeviceProp *prop)
{
    static const struct {
        const char *backend;
        const struct bench_raw_api *api;
    } apis[] = {
        { "cpu", &bench_raw_cpu },
        { "opencl", &bench_raw_opencl },
        { "vulkan", &bench_raw_vulkan },
    };

    for (size_t i = 0; i < sizeof apis / sizeof *apis; i++)
        if (strcmp(prop->backend, apis[i].backend) == 0)
            return apis[i].api;
    return NULL;
}
