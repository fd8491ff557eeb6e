/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - api.event.*: create, record, query, synchronise, elapsed time. */
#include <stdatomic.h>
#include <unistd.h>

#include "conformance/api/api.h"
#include "conformance/families.h"

static void lifetime(struct conf *c)
{
    halEvent_t e[100];

    for (int i = 0; i < 100; i++)
        CONF_OK(c,
                halEventCreateWithFlags(&e[i], i % 2 ? halEventDisableTiming
                                                     : halEventBlockingSync));
    for (int i = 0; i < 100; i++) {
        CONF_OK(c, halEventRecord(e[i], NULL));
        CONF_OK(c, halEventDestroy(e[i]));
    }
    CONF_FAILS(c, halErrorInvalidHandle, halEventDestroy(e[0]));
}

static void bad(struct conf *c)
{
    halStream_t s = NULL;
    halEvent_t e = NULL;
    float ms = 0;

    CONF_FAILS(c, halErrorInvalidValue, halEventCreate(NULL));
    CONF_FAILS(c, halErrorInvalidValue, halEventCreateWithFlags(&e, 0x100));
    CONF_FAILS(c, halErrorInvalidHandle, halEventDestroy(NULL));
    CONF_FAILS(c, halErrorInvalidHandle, halEventQuery(NULL));
    CONF_FAILS(c, halErrorInvalidHandle, halEventSynchronize(NULL));
    CONF_FAILS(c, halErrorInvalidHandle, halEventRecord(NULL, NULL));
    CONF_OK(c, halStreamCreate(&s));
    CONF_FAILS(c, halErrorInvalidHandle, halEventQuery((halEvent_t)s));
    CONF_OK(c, halEventCreate(&e));
    CONF_FAILS(c, halErrorInvalidValue, halEventElapsedTime(NULL, e, e));
    CONF_OK(c, halEventDestroy(e));
    CONF_FAILS(c, halErrorInvalidHandle, halEventQuery(e));
    CONF_FAILS(c, halErrorInvalidHandle, halEventElapsedTime(&ms, e, e));
    CONF_OK(c, halStreamDestroy(s));
}

static void unrecorded(struct conf *c)
{
    halEvent_t e = NULL, f = NULL;
    float ms = 0;

    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halEventCreate(&f));
    CONF_OK(c, halEventQuery(e));
    CONF_OK(c, halEventSynchronize(e));
    CONF_FAILS(c, halErrorBadState, halEventElapsedTime(&ms, e, f));
}

/* An event is not done before the work ahead of it, and is after. */
static void not_early(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t s = NULL;
    halEvent_t e = NULL;
    void *h = NULL;

    CONF_OK(c, halStreamCreateWithFlags(&s, halStreamNonBlocking));
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halMallocHost(&h, 4));
    *(uint32_t *)h = 0;
    api_slow_make(c, module, 60, &slow);
    api_slow_launch(c, &slow, 21, s);
    CONF_OK(c, halMemcpyAsync(h, slow.words, 4, halMemcpyDeviceToHost, s));
    CONF_OK(c, halEventRecord(e, s));
    CONF_OK(c, halEventSynchronize(e));
    conf_check(c, *(volatile uint32_t *)h == 21,
               "the event was early: the copy before it is not done");
    CONF_OK(c, halEventQuery(e));
}

static void query_not_ready(struct conf *c)
{
    atomic_int *gate = conf_host(c, sizeof *gate);
    halStream_t s = NULL;
    halEvent_t e = NULL;

    atomic_store(gate, 0);
    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halLaunchHostFunc(s, api_wait_gate, gate));
    CONF_OK(c, halEventRecord(e, s));
    usleep(10000);
    halError_t st = halEventQuery(e), sticky = halPeekAtLastError();
    atomic_store(gate, 1);
    CONF_OK(c, halEventSynchronize(e));
    CONF_TRUE(c, st == halErrorNotReady);
    CONF_TRUE(c, sticky == halSuccess); /* "not ready" is no failure */
    CONF_OK(c, halEventQuery(e));
}

static void rerecord(struct conf *c)
{
    atomic_int *gate = conf_host(c, sizeof *gate);
    halStream_t s = NULL;
    halEvent_t e = NULL;

    atomic_store(gate, 0);
    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halEventRecord(e, s));
    CONF_OK(c, halEventSynchronize(e));
    CONF_OK(c, halLaunchHostFunc(s, api_wait_gate, gate));
    CONF_OK(c, halEventRecord(e, s));
    usleep(5000);
    halError_t st = halEventQuery(e);
    atomic_store(gate, 1);
    CONF_OK(c, halEventSynchronize(e));
    CONF_TRUE(c, st == halErrorNotReady);
}

/* A host function of the stream: how long it held the stream, by the host. */
struct hold {
    double from, to;
};

static void hold(void *data)
{
    struct hold *h = data;

    h->from = api_now_ms();
    do
        usleep(1000);
    while (api_now_ms() - h->from < 60);
    h->to = api_now_ms();
}

/* Two records and what lies between them, in ms by the device, which is never
 * more than the host sees around them, however slow the machine is. */
static double bracket(struct conf *c, halEvent_t a, halEvent_t b, double from)
{
    double host;
    float ms = -1;

    CONF_OK(c, halEventSynchronize(b));
    host = api_now_ms() - from;
    CONF_OK(c, halEventElapsedTime(&ms, a, b));
    conf_check(c, (double)ms >= 0 && (double)ms <= host * 1.02 + 1,
               "device says %.2f ms, the host saw only %.2f", (double)ms, host);
    conf_metric(c, "device_ms", (double)ms);
    conf_metric(c, "host_ms", host);
    return (double)ms;
}

/* A kernel between two records: between the host's seeing the first done and
 * its last look at which the second was not yet, it ran.  A tenth of that, in
 * one of three attempts: a driver may be held up between its stamp and its
 * word, but a wrong clock is wrong each time. */
static void elapsed_kernel(struct conf *c, halStream_t s, halEvent_t a,
                           halEvent_t b)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    double ms = 0, ran = 0;

    api_slow_make(c, module, 80, &slow);
    for (int i = 0; i < 3; i++) {
        double from = api_now_ms(), begun, now, last = 0;

        CONF_OK(c, halEventRecord(a, s));
        api_slow_launch(c, &slow, 1, s);
        CONF_OK(c, halEventRecord(b, s));
        CONF_OK(c, halEventSynchronize(a));
        begun = last = api_now_ms();
        while (now = api_now_ms(), halEventQuery(b) == halErrorNotReady) {
            last = now;
            usleep(200);
        }
        ms = bracket(c, a, b, from);
        ran = last - begun;
        if (ms > 0 && ms >= ran / 10)
            break;
    }
    conf_check(c, ms > 0 && ms >= ran / 10,
               "device says %.2f ms for a kernel that the host saw run for "
               "%.2f",
               ms, ran);
}

/* Elapsed time against the host's clock, both ways: bounds that hold on any
 * machine, under any load. */
static void elapsed(struct conf *c)
{
    struct hold *h = conf_host(c, sizeof *h);
    halStream_t s = NULL;
    halEvent_t a = NULL, b = NULL;
    double ms, from;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halEventCreate(&a));
    CONF_OK(c, halEventCreate(&b));
    from = api_now_ms();
    CONF_OK(c, halEventRecord(a, s));
    CONF_OK(c, halEventRecord(b, s));
    (void)bracket(c, a, b, from);

    /* All of the function lies between the records. */
    from = api_now_ms();
    CONF_OK(c, halEventRecord(a, s));
    CONF_OK(c, halLaunchHostFunc(s, hold, h));
    CONF_OK(c, halEventRecord(b, s));
    ms = bracket(c, a, b, from);
    conf_check(c, ms * 1.02 + 1 >= h->to - h->from,
               "device says %.2f ms around what took the host %.2f", ms,
               h->to - h->from);
    elapsed_kernel(c, s, a, b);
}

static void elapsed_bad(struct conf *c)
{
    halEvent_t a = NULL, b = NULL;
    float ms = 0;

    CONF_OK(c, halEventCreate(&a));
    CONF_OK(c, halEventCreateWithFlags(&b, halEventDisableTiming));
    CONF_OK(c, halEventRecord(a, NULL));
    CONF_OK(c, halEventRecord(b, NULL));
    CONF_OK(c, halDeviceSynchronize());
    CONF_FAILS(c, halErrorBadState, halEventElapsedTime(&ms, a, b));
    CONF_FAILS(c, halErrorBadState, halEventElapsedTime(&ms, b, a));
}

static void elapsed_not_ready(struct conf *c)
{
    atomic_int *gate = conf_host(c, sizeof *gate);
    halStream_t s = NULL;
    halEvent_t a = NULL, b = NULL;
    float ms = 0;

    atomic_store(gate, 0);
    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halEventCreate(&a));
    CONF_OK(c, halEventCreate(&b));
    CONF_OK(c, halEventRecord(a, s));
    CONF_OK(c, halLaunchHostFunc(s, api_wait_gate, gate));
    CONF_OK(c, halEventRecord(b, s));
    halError_t st = halEventElapsedTime(&ms, a, b);
    atomic_store(gate, 1);
    CONF_OK(c, halStreamSynchronize(s));
    CONF_TRUE(c, st == halErrorNotReady);
    CONF_OK(c, halEventElapsedTime(&ms, a, b));
}

static void other_device(struct conf *c)
{
    int here = conf_device(c), there = conf_other_device(c, 0);
    halStream_t s = NULL;
    halEvent_t e = NULL;

    if (there < 0)
        conf_end(c, CONF_UNSUPPORTED, "no other device in this process");
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halSetDevice(there));
    CONF_OK(c, halStreamCreate(&s));
    CONF_FAILS(c, halErrorInvalidHandle, halEventRecord(e, s));
    CONF_OK(c, halStreamDestroy(s));
    CONF_OK(c, halSetDevice(here));
    CONF_OK(c, halEventDestroy(e));
}

/* Whoever has seen a stream's last event finds the stream idle. */
static void stream_idle(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);
    double deadline = api_now_ms() + 20000;
    halStream_t s = NULL;
    halEvent_t e = NULL;

    CONF_OK(c, halStreamCreateWithFlags(&s, halStreamNonBlocking));
    CONF_OK(c, halEventCreateWithFlags(&e, halEventDisableTiming));
    for (int i = 0; i < 2000; i++) {
        halError_t seen, left;

        CONF_OK(c, halMemsetAsync(b.mem, i, 64, s));
        CONF_OK(c, halEventRecord(e, s));
        do
            seen = halEventQuery(e);
        while (seen == halErrorNotReady && api_now_ms() < deadline);
        CONF_OK(c, seen);
        left = halStreamQuery(s);
        conf_check(c, left == halSuccess,
                   "round %d: the event at the stream's end has happened, and "
                   "halStreamQuery says %s",
                   i, halGetErrorName(left));
    }
    CONF_OK(c, halEventDestroy(e));
    CONF_OK(c, halStreamDestroy(s));
}

static const struct conf_case cases[] = {
    { "api.event.lifetime", lifetime, .levels = CORE },
    { "api.event.bad", bad, .levels = CORE },
    { "api.event.unrecorded", unrecorded, .levels = CORE },
    { "api.event.not_early", not_early, .levels = CORE },
    { "api.event.query_not_ready", query_not_ready, .levels = CORE },
    { "api.event.rerecord", rerecord, .levels = CORE },
    { "api.event.elapsed", elapsed, .levels = CORE },
    { "api.event.elapsed_bad", elapsed_bad, .levels = CORE },
    { "api.event.elapsed_not_ready", elapsed_not_ready, .levels = CORE },
    { "api.event.stream_idle", stream_idle, .levels = CORE },
    { "api.event.other_device", other_device, .levels = CORE },
    { 0 },
};

void conf_cases_api_event(struct conf_list *list,
                          const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}
