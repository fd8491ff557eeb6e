/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - api.launch.*: arguments by reflection, grids in three dimensions,
 * flat pointers with offsets, and every wrong launch refused by name.
 */
#include "conformance/api/api.h"
#include "conformance/families.h"

static const halDim3 own = { 0, 0, 0 };

static void add(struct conf *c)
{
    enum { N = 10007 };
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    float *host = conf_host(c, N * 4), *got = conf_host(c, N * 4);

    for (int i = 0; i < N; i++)
        host[i] = (float)i;
    struct conf_buf x = conf_upload(c, host, N * 4, 0);
    struct conf_buf y = conf_alloc(c, N * 4, 0);
    api_add(c, f, x.mem, y.mem, 0.5f, N, NULL);
    CONF_OK(c, halDeviceSynchronize());
    conf_download(c, got, &y);
    for (int i = 0; i < N; i++)
        if (got[i] != (float)i + 0.5f)
            conf_end(c, CONF_FAIL, "element %d is %g", i, (double)got[i]);
    conf_check(c, 1, "all elements");
    conf_check_zones(c, &y);
}

/* p + offset is a device pointer, on devices without addresses too. */
static void pointer_offsets(struct conf *c)
{
    enum { N = 64 };
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    float host[N], got[N];
    char *p = NULL, *q = NULL;

    CONF_OK(c, halMalloc((void **)&p, 8192));
    CONF_OK(c, halMalloc((void **)&q, 8192));
    for (size_t off = 4; off < 4096; off = off * 3 + 4) {
        for (int i = 0; i < N; i++)
            host[i] = (float)(i + (int)off);
        CONF_OK(c, halMemset(q, 0, 8192));
        CONF_OK(c,
                halMemcpy(p + off, host, sizeof host, halMemcpyHostToDevice));
        api_add(c, f, p + off, q + 2 * off / 8 * 4, 1, N, NULL);
        CONF_OK(c, halMemcpy(got, q + 2 * off / 8 * 4, sizeof got,
                             halMemcpyDeviceToHost));
        for (int i = 0; i < N; i++)
            conf_check(c, got[i] == host[i] + 1, "offset %zu, element %d: %g",
                       off, i, (double)got[i]);
        float edge[2];
        CONF_OK(c, halMemcpy(edge, q + 2 * off / 8 * 4 + sizeof got, 8,
                             halMemcpyDeviceToHost));
        CONF_TRUE(c, edge[0] == 0 && edge[1] == 0);
    }
    CONF_OK(c, halFree(p));
    CONF_OK(c, halFree(q));
}

struct grid {
    uint32_t x, y, z;
};

static void grids(struct conf *c)
{
    const struct grid *g = conf_param(c);
    size_t n = (size_t)g->x * g->y * g->z;
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_mark");
    struct conf_buf y = conf_alloc(c, n * 4, 0);
    uint32_t *got = conf_host(c, n * 4);
    uint32_t value = 100, gx = g->x, gy = g->y;
    int32_t sign = -1;
    float scale = 2.5f;
    void *args[] = { &y.mem, &value, &sign, &scale, &gx, &gy };

    CONF_OK(c, halLaunchKernel(f, (halDim3){ g->x, g->y, g->z }, own, args, 0,
                               NULL));
    CONF_OK(c, halDeviceSynchronize());
    conf_download(c, got, &y);
    for (size_t i = 0; i < n; i++)
        if (got[i] != 100 + i + 1000 + 5)
            conf_end(c, CONF_FAIL, "group %zu wrote %u, expected %zu", i,
                     got[i], 1105 + i);
    conf_check(c, 1, "all groups");
}

/* The arguments are read when the call is made, not when the kernel runs. */
static void args_copied(struct conf *c)
{
    halModule_t m = api_module(c);
    struct api_slow slow;
    halFunction_t f = api_function(c, m, "api_mark");
    struct conf_buf y = conf_alloc(c, 64, 0);
    uint32_t value = 7, one = 1, got = 0;
    int32_t sign = 1;
    float scale = 0;
    void *at = y.mem;
    void *args[] = { &at, &value, &sign, &scale, &one, &one };

    api_slow_make(c, m, 40, &slow);
    api_slow_launch(c, &slow, 1, NULL);
    CONF_OK(c, halLaunchKernel(f, (halDim3){ 1, 1, 1 }, own, args, 0, NULL));
    value = 999;
    at = NULL;
    CONF_OK(c, halMemcpy(&got, y.mem, 4, halMemcpyDeviceToHost));
    conf_check(c, got == 7, "the kernel saw %u", got);
}

/* Wrong arguments name kernel and argument and touch nothing. */
static void bad_arguments(struct conf *c)
{
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    struct conf_buf b = conf_alloc(c, 4096, 0);
    void *freed = NULL, *null = NULL, *odd = (char *)b.mem + 2;
    int on_stack = 0;
    void *host = &on_stack;
    float a = 1;
    uint32_t n = 16;
    halDim3 one = { 1, 1, 1 };

    CONF_OK(c, halMalloc(&freed, 64));
    CONF_OK(c, halFree(freed));
    void *null_entry[] = { &b.mem, NULL, &a, &n };
    CONF_FAILS(c, halErrorInvalidArgument,
               halLaunchKernel(f, one, own, null_entry, 0, NULL));
    CONF_TRUE(c, strstr(halGetErrorDetail(), "api_add") != NULL);
    conf_check(c,
               strstr(halGetErrorDetail(), "'y'") ||
                   strstr(halGetErrorDetail(), "\"y\"") ||
                   strstr(halGetErrorDetail(), " y"),
               "the message does not name the argument y: %s",
               halGetErrorDetail());
    void *null_scalar[] = { &b.mem, &b.mem, NULL, &n };
    CONF_FAILS(c, halErrorInvalidArgument,
               halLaunchKernel(f, one, own, null_scalar, 0, NULL));
    void *null_buffer[] = { &null, &b.mem, &a, &n };
    CONF_FAILS(c, halErrorInvalidArgument,
               halLaunchKernel(f, one, own, null_buffer, 0, NULL));
    void *freed_buffer[] = { &b.mem, &freed, &a, &n };
    CONF_FAILS(c, halErrorInvalidArgument,
               halLaunchKernel(f, one, own, freed_buffer, 0, NULL));
    void *host_buffer[] = { &host, &b.mem, &a, &n };
    CONF_FAILS(c, halErrorInvalidArgument,
               halLaunchKernel(f, one, own, host_buffer, 0, NULL));
    void *misaligned[] = { &odd, &b.mem, &a, &n };
    CONF_FAILS(c, halErrorInvalidArgument,
               halLaunchKernel(f, one, own, misaligned, 0, NULL));
    CONF_FAILS(c, halErrorInvalidArgument,
               halLaunchKernel(f, one, own, NULL, 0, NULL));
    CONF_OK(c, halDeviceSynchronize());
    conf_check_zones(c, &b);
}

static void foreign_buffer(struct conf *c)
{
    int here = conf_device(c), there = conf_other_device(c, 0);
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    struct conf_buf b = conf_alloc(c, 64, 0);
    void *far = NULL;
    float a = 1;
    uint32_t n = 4;

    if (there < 0)
        conf_end(c, CONF_UNSUPPORTED, "no other device in this process");
    CONF_OK(c, halSetDevice(there));
    CONF_OK(c, halMalloc(&far, 64));
    CONF_OK(c, halSetDevice(here));
    void *args[] = { &far, &b.mem, &a, &n };
    CONF_FAILS(c, halErrorInvalidArgument,
               halLaunchKernel(f, (halDim3){ 1, 1, 1 }, own, args, 0, NULL));
    CONF_OK(c, halFree(far));
    conf_check_zones(c, &b);
}

static void bad_configuration(struct conf *c)
{
    const struct halDeviceProp *p = conf_prop(c);
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    struct halFuncAttributes attr;
    struct conf_buf b = conf_alloc(c, 64, 0);
    float a = 1;
    uint32_t n = 4;
    void *args[] = { &b.mem, &b.mem, &a, &n };
    halError_t bad = halErrorInvalidConfiguration;
    halDim3 one = { 1, 1, 1 };

    CONF_OK(c, halFuncGetAttributes(&attr, f));
    CONF_FAILS(c, bad,
               halLaunchKernel(f, (halDim3){ 0, 1, 1 }, own, args, 0, NULL));
    CONF_FAILS(c, bad,
               halLaunchKernel(f, (halDim3){ 1, 0, 1 }, own, args, 0, NULL));
    CONF_FAILS(c, bad,
               halLaunchKernel(f, (halDim3){ 1, 1, 0 }, own, args, 0, NULL));
    if (p->maxGridSize[1] < UINT32_MAX)
        CONF_FAILS(c, bad,
                   halLaunchKernel(f, (halDim3){ 1, p->maxGridSize[1] + 1, 1 },
                                   own, args, 0, NULL));
    if (p->maxGridSize[0] < UINT32_MAX)
        CONF_FAILS(c, bad,
                   halLaunchKernel(f, (halDim3){ p->maxGridSize[0] + 1, 1, 1 },
                                   own, args, 0, NULL));
    CONF_FAILS(c, bad,
               halLaunchKernel(f, one, (halDim3){ attr.blockDim.x + 1, 1, 1 },
                               args, 0, NULL));
    CONF_FAILS(c, bad,
               halLaunchKernel(f, one, (halDim3){ attr.blockDim.x, 2, 1 }, args,
                               0, NULL));
    CONF_FAILS(c, bad,
               halLaunchKernel(f, one, own, args,
                               (size_t)p->sharedMemPerBlockOptin + 1, NULL));
    CONF_FAILS(c, bad, halLaunchKernel(f, one, own, args, SIZE_MAX, NULL));
    CONF_OK(c, halDeviceSynchronize());
    conf_check_zones(c, &b);
    CONF_OK(c, halLaunchKernel(f, one, attr.blockDim, args, 0, NULL));
    CONF_OK(c, halDeviceSynchronize());
}

/* All the dynamic shared memory that the function is said to have. */
static void shared_most(struct conf *c)
{
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    float host[4] = { 1, 2, 3, 4 }, got[4], a = 1;
    struct conf_buf x = conf_upload(c, host, sizeof host, 0);
    struct conf_buf y = conf_alloc(c, sizeof host, 0);
    uint32_t n = 4;
    void *args[] = { &x.mem, &y.mem, &a, &n };
    const halDim3 one = { 1, 1, 1 };
    struct halFuncAttributes attr;
    int most;

    CONF_OK(c, halFuncGetAttributes(&attr, f));
    most = attr.maxDynamicSharedSizeBytes;
    CONF_OK(c, halFuncSetAttribute(
                   f, halFuncAttributeMaxDynamicSharedMemorySize, most));
    CONF_OK(c, halLaunchKernel(f, one, own, args, (size_t)most, NULL));
    CONF_OK(c, halDeviceSynchronize());
    conf_download(c, got, &y);
    for (int i = 0; i < 4; i++)
        conf_check(c, got[i] == host[i] + 1, "element %d: %g", i,
                   (double)got[i]);
    conf_check_zones(c, &y);
    CONF_OK(c, halFuncSetAttribute(
                   f, halFuncAttributeMaxDynamicSharedMemorySize, most / 2));
    CONF_FAILS(c, halErrorInvalidConfiguration,
               halLaunchKernel(f, one, own, args, (size_t)most, NULL));
}

static void bad_handles(struct conf *c)
{
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    struct conf_buf b = conf_alloc(c, 64, 0);
    halStream_t s = NULL;
    float a = 1;
    uint32_t n = 4;
    void *args[] = { &b.mem, &b.mem, &a, &n };
    halDim3 one = { 1, 1, 1 };

    CONF_FAILS(c, halErrorInvalidHandle,
               halLaunchKernel(NULL, one, own, args, 0, NULL));
    CONF_FAILS(c, halErrorInvalidHandle,
               halLaunchKernel((halFunction_t)m, one, own, args, 0, NULL));
    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halStreamDestroy(s));
    CONF_FAILS(c, halErrorInvalidHandle,
               halLaunchKernel(f, one, own, args, 0, s));
    conf_check_zones(c, &b);
}

/* Thousands of launches, each adding one: none lost, none twice. */
static void many(struct conf *c)
{
    enum { LAUNCHES = 3000 };
    halModule_t m = api_module(c);
    halFunction_t f = api_function(c, m, "api_add");
    struct conf_buf a = conf_alloc(c, 64, 0), b = conf_alloc(c, 64, 0);
    float got[16];

    CONF_OK(c, halMemset(a.mem, 0, 64));
    for (int i = 0; i < LAUNCHES; i++)
        api_add(c, f, i % 2 ? b.mem : a.mem, i % 2 ? a.mem : b.mem, 1, 16,
                NULL);
    CONF_OK(c, halMemcpy(got, a.mem, 64, halMemcpyDeviceToHost));
    for (int i = 0; i < 16; i++)
        conf_check(c, got[i] == LAUNCHES, "%d launches counted %g", LAUNCHES,
                   (double)got[i]);
}

static const struct conf_case cases[] = {
    { "api.launch.add", add, .levels = CORE },
    { "api.launch.pointer_offsets", pointer_offsets, .levels = CORE },
    { "api.launch.args_copied", args_copied, .levels = CORE },
    { "api.launch.bad_arguments", bad_arguments, .levels = CORE },
    { "api.launch.foreign_buffer", foreign_buffer, .levels = CORE },
    { "api.launch.bad_configuration", bad_configuration, .levels = CORE },
    { "api.launch.shared_most", shared_most, .levels = CORE },
    { "api.launch.bad_handles", bad_handles, .levels = CORE },
    { "api.launch.many", many, .levels = CORE },
    { 0 },
};

void conf_cases_api_launch(struct conf_list *list,
                           const struct conf_options *options)
{
    static const struct grid grids_of[] = {
        { 1, 1, 1 }, { 7, 1, 1 },     { 1, 13, 1 },   { 1, 1, 5 },
        { 3, 4, 5 }, { 65535, 1, 1 }, { 1, 4096, 2 }, { 257, 129, 3 },
    };

    (void)options;
    conf_list_add_table(list, cases);
    for (size_t i = 0; i < sizeof grids_of / sizeof *grids_of; i++) {
        const struct grid *g = &grids_of[i];
        char name[96];

        snprintf(name, sizeof name, "api.launch.grid.%ux%ux%u", g->x, g->y,
                 g->z);
        conf_list_add(
            list,
            &(struct conf_case){
                .name = name, .run = grids, .param = g, .levels = CORE },
            sizeof *g);
    }
}
