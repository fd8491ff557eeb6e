/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - what a launch costs: an empty kernel through halLaunchKernel and
 * through the driver's own API on the same device.  halLaunchKernel is given
 * its arguments each time, and so is the driver; a second line holds it against
 * the least that the driver can do, with the arguments of before.  (On Vulkan,
 * where they are part of the recorded commands, both are the least.)
 */
#include <stdio.h>
#include <string.h>

#include "tools/bench/bench.h"

#define LAUNCH_GOAL 1.3

static const char source[] = "#include \"hal_dialect.h\"\n"
                             "KERNEL(bench_empty, INOUT(u32, x))\n"
                             "{\n"
                             "    ONCE if (GRID_X > 1000000u)\n"
                             "        ST(u32, x, 0, 1u);\n"
                             "}\n";

struct hal_side {
    halModule_t module;
    halFunction_t function;
    halStream_t stream;
    void *buffer;
};

static int hal_launch(void *ctx, unsigned calls)
{
    struct hal_side *s = ctx;
    void *args[] = { &s->buffer };
    halDim3 one = { 1, 1, 1 }, own = { 0, 0, 0 };

    for (unsigned i = 0; i < calls; i++) {
        halError_t st =
            halLaunchKernel(s->function, one, own, args, 0, s->stream);

        if (st == halSuccess)
            st = halStreamSynchronize(s->stream);
        if (st != halSuccess)
            return bench_hal_ok(st);
    }
    return 0;
}

static int hal_burst(void *ctx, unsigned calls)
{
    struct hal_side *s = ctx;
    void *args[] = { &s->buffer };
    halDim3 one = { 1, 1, 1 }, own = { 0, 0, 0 };

    for (unsigned i = 0; i < calls; i++) {
        halError_t st =
            halLaunchKernel(s->function, one, own, args, 0, s->stream);

        if (st != halSuccess)
            return bench_hal_ok(st);
    }
    return bench_hal_ok(halStreamSynchronize(s->stream));
}

static void side_close(struct hal_side *s)
{
    /* Whatever failed has been reported; these only give back. */
    if (s->stream)
        (void)bench_hal_ok(halStreamDestroy(s->stream));
    if (s->module)
        (void)bench_hal_ok(halModuleUnload(s->module));
    if (s->buffer)
        (void)bench_hal_ok(halFree(s->buffer));
}

static int side_open(struct bench *b, const char *device, struct hal_side *s)
{
    double start = bench_now();

    if (bench_hal_ok(
            halModuleLoadSource(&s->module, source, "bench.k", NULL)) ||
        bench_hal_ok(
            halModuleGetFunction(&s->function, s->module, "bench_empty")) ||
        bench_hal_ok(
            halStreamCreateWithFlags(&s->stream, halStreamNonBlocking)) ||
        bench_hal_ok(halMalloc(&s->buffer, 256)) || hal_launch(s, 1))
        return -1;
    bench_first(b, device, "empty kernel from source", bench_now() - start);
    return 0;
}

void bench_launch(struct bench *b, const struct halDeviceProp *prop)
{
    const struct bench_raw_api *api = bench_raw_of(prop);
    bool is_cpu = api == &bench_raw_cpu;
    struct hal_side side = { 0 };
    struct halFuncAttributes attr;
    void *raw = NULL;
    int beneath = 0;

    if (side_open(b, prop->halName, &side) != 0 ||
        bench_hal_ok(halFuncGetAttributes(&attr, side.function)) ||
        (api && (beneath = bench_raw_open(api, prop, attr.blockDim.x, 1 << 16,
                                          &raw)) < 0)) {
        bench_broken(b, "launch", prop->halName, "setting up");
    } else if (beneath) {
        bench_note(b, "launch", prop->halName, "no comparison with %s: %s",
                   prop->standsOn, bench_failure());
    } else if (!api) {
        bench_note(b, "launch", prop->halName, "no raw API to compare with");
    } else {
        struct bench_case bc = { .section = "launch",
                                 .device = prop->halName,
                                 .name = "launch + sync",
                                 .raw_name = api->launch_name,
                                 .hal = hal_launch,
                                 .raw = api->launch,
                                 .hal_ctx = &side,
                                 .raw_ctx = raw,
                                 .unit = BENCH_TIME,
                                 .goal = is_cpu ? 0 : LAUNCH_GOAL };

        bench_run(b, &bc);
        bc.goal = 0;
        if (api->least) {
            bc.name = "launch + sync, same args";
            bc.raw = api->least;
            bench_run(b, &bc);
        }
        bc.name = "launches, one sync";
        bc.hal = hal_burst;
        bc.raw = api->burst;
        bench_run(b, &bc);
    }
    if (raw)
        api->close(raw);
    side_close(&side);
}
