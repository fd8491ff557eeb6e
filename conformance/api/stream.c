/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - api.stream.*: asynchrony, order, the legacy default stream; waits
 * and host functions are in stream_wait.c.  "Late" work is a kernel that runs
 * for many milliseconds (api_slow); nothing here depends on a fixed speed.
 */
#include <stdatomic.h>
#include <unistd.h>

#include "conformance/api/api.h"
#include "conformance/families.h"

static void create_destroy(struct conf *c)
{
    halStream_t s[64];
    unsigned flags = 9;
    int device = -1;

    for (int i = 0; i < 64; i++)
        CONF_OK(c, halStreamCreateWithFlags(&s[i], i % 2));
    for (int i = 0; i < 64; i++) {
        CONF_OK(c, halStreamGetFlags(s[i], &flags));
        CONF_TRUE(c, flags == (unsigned)(i % 2));
        CONF_OK(c, halStreamGetDevice(s[i], &device));
        CONF_TRUE(c, device == conf_device(c));
        CONF_OK(c, halStreamQuery(s[i]));
        CONF_OK(c, halStreamDestroy(s[i]));
    }
}

static void destroyed_handle(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);
    halStream_t s = NULL;
    halEvent_t e = NULL;
    unsigned flags;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halStreamDestroy(s));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamDestroy(s));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamSynchronize(s));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamQuery(s));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamGetFlags(s, &flags));
    CONF_FAILS(c, halErrorInvalidHandle, halMemsetAsync(b.mem, 0, 64, s));
    CONF_FAILS(c, halErrorInvalidHandle, halEventRecord(e, s));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamWaitEvent(s, e, 0));
    CONF_OK(c, halEventDestroy(e));
    conf_check_zones(c, &b);
}

/* A destroyed handle stays one when others take its place. */
static void stale_handle(struct conf *c)
{
    halStream_t old = NULL, s[16];
    halEvent_t old_event = NULL, e[16];

    CONF_OK(c, halStreamCreate(&old));
    CONF_OK(c, halStreamDestroy(old));
    for (int i = 0; i < 16; i++)
        CONF_OK(c, halStreamCreate(&s[i]));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamSynchronize(old));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamDestroy(old));
    CONF_OK(c, halEventCreate(&old_event));
    CONF_OK(c, halEventDestroy(old_event));
    for (int i = 0; i < 16; i++)
        CONF_OK(c, halEventCreate(&e[i]));
    CONF_FAILS(c, halErrorInvalidHandle, halEventRecord(old_event, NULL));
    for (int i = 0; i < 16; i++) {
        CONF_OK(c, halStreamDestroy(s[i]));
        CONF_OK(c, halEventDestroy(e[i]));
    }
}

static void foreign_handle(struct conf *c)
{
    int not_a_stream = 0;
    halEvent_t e = NULL;

    CONF_FAILS(c, halErrorInvalidHandle,
               halStreamSynchronize((halStream_t)&not_a_stream));
    CONF_FAILS(c, halErrorInvalidHandle,
               halStreamSynchronize((halStream_t)(uintptr_t)0xdead0000u));
    CONF_OK(c, halEventCreate(&e));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamSynchronize((halStream_t)e));
    CONF_OK(c, halEventDestroy(e));
}

static void bad_arguments(struct conf *c)
{
    halStream_t s = NULL;

    CONF_FAILS(c, halErrorInvalidValue, halStreamCreate(NULL));
    CONF_FAILS(c, halErrorInvalidValue, halStreamCreateWithFlags(&s, 0x40));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamDestroy(NULL));
    CONF_FAILS(c, halErrorInvalidValue, halStreamGetFlags(NULL, NULL));
    CONF_FAILS(c, halErrorInvalidValue, halLaunchHostFunc(NULL, NULL, NULL));
}

static void priority(struct conf *c)
{
    int least = -9, greatest = 9, got = 99;
    halStream_t s = NULL;

    CONF_OK(c, halDeviceGetStreamPriorityRange(&least, &greatest));
    CONF_TRUE(c, greatest <= least);
    CONF_OK(c, halStreamCreateWithPriority(&s, halStreamDefault, -1000));
    CONF_OK(c, halStreamGetPriority(s, &got));
    CONF_TRUE(c, got == greatest);
    CONF_OK(c, halStreamDestroy(s));
    CONF_OK(c, halStreamCreateWithPriority(&s, halStreamDefault, 1000));
    CONF_OK(c, halStreamGetPriority(s, &got));
    CONF_TRUE(c, got == least);
    CONF_OK(c, halStreamDestroy(s));
}

/* A long kernel's launch returns before the kernel ends. */
static void launch_is_async(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t s = NULL;
    double start, launched, done;

    CONF_OK(c, halStreamCreate(&s));
    api_slow_make(c, module, 250, &slow);
    start = api_now_ms();
    api_slow_launch(c, &slow, 3, s);
    launched = api_now_ms() - start;
    halError_t query = halStreamQuery(s);
    CONF_OK(c, halStreamSynchronize(s));
    done = api_now_ms() - start;
    conf_metric(c, "launch_ms", launched);
    conf_metric(c, "kernel_ms", done);
    CONF_TRUE(c, api_slow_value(c, &slow) == 3);
    conf_check(c, launched < done / 2,
               "launch returned after %.1f ms of a kernel of %.1f ms", launched,
               done);
    conf_check(c, query == halErrorNotReady,
               "halStreamQuery said %s while the kernel ran",
               halGetErrorName(query));
    CONF_TRUE(c, halPeekAtLastError() == halSuccess);
    CONF_OK(c, halStreamQuery(s));
}

/* It also goes on by itself: nobody synchronises, yet the work gets done. */
static void progress(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 4096, 0);
    halEvent_t e = NULL;
    halStream_t s = NULL;
    double deadline = api_now_ms() + 20000;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halMemsetAsync(b.mem, 8, 4096, s));
    CONF_OK(c, halEventRecord(e, s));
    while (halEventQuery(e) == halErrorNotReady) {
        conf_check(c, api_now_ms() < deadline, "no progress in 20 s");
        usleep(1000);
    }
    CONF_OK(c, halEventQuery(e));
    conf_expect_bytes(c, &b, 8);
}

static void order_in_stream(struct conf *c)
{
    halModule_t module = api_module(c);
    halFunction_t add = api_function(c, module, "api_add");
    enum { N = 1000, STEPS = 40 };
    float *host = conf_host(c, N * sizeof *host);
    struct conf_buf a = conf_alloc(c, N * 4, 0), b = conf_alloc(c, N * 4, 0);
    halStream_t s = NULL;

    CONF_OK(c, halStreamCreateWithFlags(&s, halStreamNonBlocking));
    CONF_OK(c, halMemsetAsync(a.mem, 0, N * 4, s));
    for (int i = 0; i < STEPS; i++)
        api_add(c, add, i % 2 ? b.mem : a.mem, i % 2 ? a.mem : b.mem, 1, N, s);
    CONF_OK(c, halStreamSynchronize(s));
    conf_download(c, host, &a);
    for (int i = 0; i < N; i++)
        if (host[i] != STEPS)
            conf_end(c, CONF_FAIL, "element %d is %g after %d additions", i,
                     host[i], STEPS);
    conf_check(c, 1, "in order");
}

/* Default stream work waits for blocking streams... */
static void default_waits(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t s = NULL;
    uint32_t got = 0;
    void *h = NULL;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halMallocHost(&h, 4));
    api_slow_make(c, module, 60, &slow);
    api_slow_launch(c, &slow, 41, s);
    CONF_OK(c, halMemcpyAsync(h, slow.words, 4, halMemcpyDeviceToHost, NULL));
    CONF_OK(c, halStreamSynchronize(NULL));
    got = *(uint32_t *)h;
    conf_check(c, got == 41, "the default stream overtook: it read %u", got);
}

/* ... and they wait for it ... */
static void blocking_waits(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t s = NULL;
    void *h = NULL;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halMallocHost(&h, 4));
    api_slow_make(c, module, 60, &slow);
    api_slow_launch(c, &slow, 42, NULL);
    CONF_OK(c, halMemcpyAsync(h, slow.words, 4, halMemcpyDeviceToHost, s));
    CONF_OK(c, halStreamSynchronize(s));
    conf_check(c, *(uint32_t *)h == 42,
               "the blocking stream overtook: it read %u", *(uint32_t *)h);
}

/* ... through a third party: A, then default, then B: B waits for A. */
static void through_default(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    struct conf_buf other = conf_alloc(c, 64, 0);
    halStream_t a = NULL, b = NULL;
    void *h = NULL;

    CONF_OK(c, halStreamCreate(&a));
    CONF_OK(c, halStreamCreate(&b));
    CONF_OK(c, halMallocHost(&h, 4));
    api_slow_make(c, module, 60, &slow);
    api_slow_launch(c, &slow, 43, a);
    CONF_OK(c, halMemsetAsync(other.mem, 1, 64, NULL));
    CONF_OK(c, halMemcpyAsync(h, slow.words, 4, halMemcpyDeviceToHost, b));
    CONF_OK(c, halStreamSynchronize(b));
    conf_check(c, *(uint32_t *)h == 43, "stream b overtook: it read %u",
               *(uint32_t *)h);
}

/* ... and so each time, not the first time alone. */
static void default_repeated(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t s = NULL;
    uint32_t *h = NULL;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halMallocHost((void **)&h, 8));
    api_slow_make(c, module, 30, &slow);
    for (uint32_t i = 1; i < 7; i++) {
        api_slow_launch(c, &slow, i, i % 2 ? s : NULL);
        CONF_OK(c, halMemcpyAsync(h, slow.words, 4, halMemcpyDeviceToHost,
                                  i % 2 ? NULL : s));
        CONF_OK(c, halStreamSynchronize(i % 2 ? NULL : s));
        conf_check(c, h[0] == i, "round %u: the %s stream overtook: it read %u",
                   i, i % 2 ? "default" : "blocking", h[0]);
    }
    CONF_OK(c, halStreamDestroy(s));
}

/* To wait for the default stream is to wait for the blocking ones. */
static void default_sync(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t s = NULL;

    CONF_OK(c, halStreamCreate(&s));
    api_slow_make(c, module, 60, &slow);
    api_slow_launch(c, &slow, 44, s);
    CONF_OK(c, halStreamSynchronize(NULL));
    halError_t left = halStreamQuery(s);
    conf_check(c, left == halSuccess,
               "the default stream is done, the blocking one: %s",
               halGetErrorName(left));
    api_slow_launch(c, &slow, 45, s);
    usleep(2000); /* what the launch asked of the default stream is done */
    halError_t early = halStreamQuery(NULL);
    CONF_OK(c, halStreamSynchronize(NULL));
    conf_check(c, early == halErrorNotReady,
               "halStreamQuery(NULL) said %s while a blocking stream ran",
               halGetErrorName(early));
    CONF_OK(c, halStreamDestroy(s));
}

/* A non-blocking stream does not wait for the default stream. */
static void non_blocking(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);
    halStream_t s = NULL;
    halEvent_t e = NULL;
    atomic_int *gate = conf_host(c, sizeof *gate);
    double deadline = api_now_ms() + 20000;

    atomic_store(gate, 0);
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halStreamCreateWithFlags(&s, halStreamNonBlocking));
    CONF_OK(c, halLaunchHostFunc(NULL, api_wait_gate, gate));
    CONF_OK(c, halMemsetAsync(b.mem, 6, 64, s));
    CONF_OK(c, halEventRecord(e, s));
    while (halEventQuery(e) == halErrorNotReady && api_now_ms() < deadline)
        usleep(500);
    halError_t st = halEventQuery(e);
    atomic_store(gate, 1);
    CONF_OK(c, halDeviceSynchronize());
    conf_check(c, st == halSuccess,
               "a non-blocking stream waited for the default stream");
    conf_expect_bytes(c, &b, 6);
}

static void destroy_waits(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t s = NULL;

    api_slow_make(c, module, 60, &slow);
    CONF_OK(c, halStreamCreate(&s));
    api_slow_launch(c, &slow, 81, s);
    CONF_OK(c, halStreamDestroy(s));
    CONF_TRUE(c, api_slow_value(c, &slow) == 81);
}

static void device_sync(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t s[4];

    api_slow_make(c, module, 40, &slow);
    for (int i = 0; i < 4; i++) {
        CONF_OK(c, halStreamCreateWithFlags(&s[i], halStreamNonBlocking));
        api_slow_launch(c, &slow, 90, s[i]);
    }
    CONF_OK(c, halDeviceSynchronize());
    for (int i = 0; i < 4; i++)
        CONF_OK(c, halStreamQuery(s[i]));
    CONF_TRUE(c, api_slow_value(c, &slow) == 90);
}

static const struct conf_case cases[] = {
    { "api.stream.create_destroy", create_destroy, .levels = CORE },
    { "api.stream.stale_handle", stale_handle, .levels = CORE },
    { "api.stream.destroyed_handle", destroyed_handle, .levels = CORE },
    { "api.stream.foreign_handle", foreign_handle, .levels = CORE },
    { "api.stream.bad_arguments", bad_arguments, .levels = CORE },
    { "api.stream.priority", priority, .levels = CORE },
    { "api.stream.launch_is_async", launch_is_async, .levels = CORE },
    { "api.stream.progress", progress, .levels = CORE },
    { "api.stream.order", order_in_stream, .levels = CORE },
    { "api.stream.default.waits_for_blocking", default_waits, .levels = CORE },
    { "api.stream.default.blocking_waits", blocking_waits, .levels = CORE },
    { "api.stream.default.transitive", through_default, .levels = CORE },
    { "api.stream.default.repeated", default_repeated, .levels = CORE },
    { "api.stream.default.synchronize", default_sync, .levels = CORE },
    { "api.stream.default.non_blocking", non_blocking, .levels = CORE },
    { "api.stream.destroy_waits", destroy_waits, .levels = CORE },
    { "api.stream.device_sync", device_sync, .levels = CORE },
    { 0 },
};

void conf_cases_api_stream(struct conf_list *list,
                           const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}
