/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copies.c - halMemcpy against the driver's own copies; on the CPU against
 * memcpy between the very same buffers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"

#define COPY_GOAL 0.95

static const char *const way_names[] = {
    [BENCH_H2D] = "H2D", [BENCH_D2H] = "D2H", [BENCH_D2D] = "D2D"
};

/* The caller's side: one buffer of the host's, two of the device's. */
struct buffers {
    void *host, *dst, *src;
    size_t size;
};

static int hal_copy(void *ctx, unsigned calls)
{
    const struct bench_raw_copy *copy = ctx;

    for (unsigned i = 0; i < calls; i++) {
        halError_t st = halSuccess;

        switch (copy->way) {
        case BENCH_H2D:
            st = halMemcpy(copy->dst, copy->host, copy->size,
                           halMemcpyHostToDevice);
            break;
        case BENCH_D2H:
            st = halMemcpy(copy->host, copy->src, copy->size,
                           halMemcpyDeviceToHost);
            break;
        case BENCH_D2D:
            st = halMemcpy(copy->dst, copy->src, copy->size,
                           halMemcpyDeviceToDevice);
            break;
        }
        if (st != halSuccess)
            return bench_hal_ok(st);
    }
    return 0;
}

static int buffers_open(struct buffers *bufs, size_t size)
{
    bufs->size = size;
    bufs->host = aligned_alloc(4096, size);
    if (!bufs->host) {
        bench_fail("no %zu bytes of host memory", size);
        return -1;
    }
    memset(bufs->host, 1, size);
    if (bench_hal_ok(halMalloc(&bufs->dst, size)) ||
        bench_hal_ok(halMalloc(&bufs->src, size)) ||
        bench_hal_ok(halMemset(bufs->dst, 1, size)) ||
        bench_hal_ok(halMemset(bufs->src, 2, size)) ||
        bench_hal_ok(halDeviceSynchronize()))
        return -1;
    return 0;
}

static void buffers_close(struct buffers *bufs)
{
    free(bufs->host);
    if (bufs->dst)
        (void)bench_hal_ok(halFree(bufs->dst));
    if (bufs->src)
        (void)bench_hal_ok(halFree(bufs->src));
}

static void one_size(struct bench *b, const struct halDeviceProp *prop,
                     const struct bench_raw_api *api, void *raw,
                     const struct buffers *bufs, size_t size)
{
    for (enum bench_way way = BENCH_H2D; way <= BENCH_D2D; way++) {
        struct bench_raw_copy copy = { .raw = raw,
                                       .way = way,
                                       .size = size,
                                       .host = bufs->host,
                                       .dst = bufs->dst,
                                       .src = bufs->src };
        char name[64];
        struct bench_case bc = { .section = "copies",
                                 .device = prop->halName,
                                 .name = name,
                                 .raw_name = api->copy_name,
                                 .hal = hal_copy,
                                 .raw = api->copy,
                                 .hal_ctx = &copy,
                                 .raw_ctx = &copy,
                                 .unit = BENCH_BYTES,
                                 .work = (double)size,
                                 .goal = COPY_GOAL };

        snprintf(name, sizeof name, "%s %zu KiB", way_names[way], size >> 10);
        /* Small copies are all call; the goal is about moving bytes. */
        if (size < (size_t)1 << 20)
            bc.goal = 0;
        bench_run(b, &bc);
    }
}

void bench_copies(struct bench *b, const struct halDeviceProp *prop)
{
    static const size_t full[] = { 4u << 10, 1u << 20, 64u << 20 };
    static const size_t quick[] = { 1u << 20, 16u << 20 };
    const size_t *sizes = b->quick ? quick : full;
    size_t n_sizes = b->quick ? 2 : 3;
    const struct bench_raw_api *api = bench_raw_of(prop);
    struct buffers bufs = { 0 };
    void *raw = NULL;
    int beneath = 0;

    if (!api)
        bench_note(b, "copies", prop->halName, "no raw API to compare with");
    else if (buffers_open(&bufs, sizes[n_sizes - 1]) != 0 ||
             (beneath =
                  bench_raw_open(api, prop, 1, sizes[n_sizes - 1], &raw)) < 0)
        bench_broken(b, "copies", prop->halName, "setting up");
    else if (beneath)
        bench_note(b, "copies", prop->halName, "no comparison with %s: %s",
                   prop->standsOn, bench_failure());
    else
        for (size_t i = 0; i < n_sizes; i++)
            one_size(b, prop, api, raw, &bufs, sizes[i]);
    if (raw)
        api->close(raw);
    buffers_close(&bufs);
}
