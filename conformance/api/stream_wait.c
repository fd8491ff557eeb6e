/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_wait.c - api.stream.wait_event.* and api.stream.host_func.*: waits
 * across streams, devices and backends, and host functions in stream order.
 */
#include <stdatomic.h>
#include <unistd.h>

#include "conformance/api/api.h"
#include "conformance/families.h"

static void wait_event(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t a = NULL, b = NULL;
    halEvent_t e = NULL;
    void *h = NULL;

    CONF_OK(c, halStreamCreateWithFlags(&a, halStreamNonBlocking));
    CONF_OK(c, halStreamCreateWithFlags(&b, halStreamNonBlocking));
    CONF_OK(c, halEventCreateWithFlags(&e, halEventDisableTiming));
    CONF_OK(c, halMallocHost(&h, 4));
    api_slow_make(c, module, 60, &slow);
    api_slow_launch(c, &slow, 51, a);
    CONF_OK(c, halEventRecord(e, a));
    CONF_OK(c, halStreamWaitEvent(b, e, 0));
    CONF_OK(c, halEventDestroy(e)); /* the wait keeps its meaning */
    CONF_OK(c, halMemcpyAsync(h, slow.words, 4, halMemcpyDeviceToHost, b));
    CONF_OK(c, halStreamSynchronize(b));
    conf_check(c, *(uint32_t *)h == 51, "the wait was lost: read %u",
               *(uint32_t *)h);
}

static void wait_unrecorded(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);
    halStream_t s = NULL;
    halEvent_t e = NULL;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halStreamWaitEvent(s, e, 0));
    CONF_OK(c, halMemsetAsync(b.mem, 9, 64, s));
    CONF_OK(c, halStreamSynchronize(s));
    conf_expect_bytes(c, &b, 9);
    CONF_FAILS(c, halErrorInvalidValue, halStreamWaitEvent(s, e, 7));
    CONF_FAILS(c, halErrorInvalidHandle, halStreamWaitEvent(s, NULL, 0));
}

/* The wait is for the record that was the latest when it was made. */
static void wait_then_rerecord(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);
    halStream_t a = NULL, s = NULL;
    halEvent_t e = NULL;
    atomic_int *gate = conf_host(c, sizeof *gate);
    double deadline = api_now_ms() + 20000;

    atomic_store(gate, 0);
    CONF_OK(c, halStreamCreateWithFlags(&a, halStreamNonBlocking));
    CONF_OK(c, halStreamCreateWithFlags(&s, halStreamNonBlocking));
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halEventRecord(e, a)); /* done at once */
    CONF_OK(c, halStreamWaitEvent(s, e, 0));
    CONF_OK(c, halLaunchHostFunc(a, api_wait_gate, gate));
    CONF_OK(c, halEventRecord(e, a)); /* not until the gate opens */
    CONF_OK(c, halMemsetAsync(b.mem, 7, 64, s));
    while (halStreamQuery(s) == halErrorNotReady && api_now_ms() < deadline)
        usleep(500);
    halError_t st = halStreamQuery(s);
    atomic_store(gate, 1);
    CONF_OK(c, halStreamSynchronize(a));
    conf_check(c, st == halSuccess, "the wait followed a later record");
    CONF_OK(c, halStreamSynchronize(s));
    conf_expect_bytes(c, &b, 7);
}

/* Device 0's slow kernel, an event, and another device's stream that waits. */
static void wait_across(struct conf *c)
{
    int here = conf_device(c), there = conf_other_device(c, 0);
    halModule_t module;
    struct api_slow slow;
    halStream_t a = NULL, b = NULL;
    halEvent_t e = NULL;
    void *h = NULL, *far = NULL;
    double start;

    if (there < 0)
        conf_end(c, CONF_UNSUPPORTED, "no other device in this process");
    module = api_module(c);
    CONF_OK(c, halStreamCreateWithFlags(&a, halStreamNonBlocking));
    CONF_OK(c, halEventCreate(&e));
    CONF_OK(c, halHostAlloc(&h, 4, halHostAllocPortable));
    *(uint32_t *)h = 0;
    api_slow_make(c, module, 120, &slow);
    CONF_OK(c, halSetDevice(there));
    CONF_OK(c, halMalloc(&far, 4));
    CONF_OK(c, halStreamCreateWithFlags(&b, halStreamNonBlocking));
    CONF_OK(c, halSetDevice(here));
    start = api_now_ms();
    api_slow_launch(c, &slow, 61, a);
    CONF_OK(c, halMemcpyAsync(h, slow.words, 4, halMemcpyDeviceToHost, a));
    CONF_OK(c, halEventRecord(e, a));
    CONF_OK(c, halStreamWaitEvent(b, e, 0));
    double asked = api_now_ms() - start;
    /* The other device reads the pinned word that the first one writes. */
    CONF_OK(c, halMemcpyAsync(far, h, 4, halMemcpyHostToDevice, b));
    CONF_OK(c, halStreamSynchronize(b));
    double done = api_now_ms() - start;
    uint32_t got = 0;
    CONF_OK(c, halMemcpy(&got, far, 4, halMemcpyDeviceToHost));
    conf_check(c, got == 61, "the other device did not wait: it read %u", got);
    conf_check(c, asked < done * 0.75,
               "halStreamWaitEvent blocked: %.1f of %.1f ms", asked, done);
    CONF_OK(c, halStreamSynchronize(a));
}

/* Across devices too, a wait is for the record that was the latest. */
static void wait_across_rerecord(struct conf *c)
{
    int here = conf_device(c), there = conf_other_device(c, 0);
    atomic_int *gate = conf_host(c, 2 * sizeof *gate);
    double deadline = api_now_ms() + 20000;
    halStream_t a = NULL, b = NULL;
    halEvent_t e = NULL;

    if (there < 0)
        conf_end(c, CONF_UNSUPPORTED, "no other device in this process");
    atomic_store(&gate[0], 0);
    atomic_store(&gate[1], 0);
    CONF_OK(c, halSetDevice(there));
    CONF_OK(c, halStreamCreateWithFlags(&b, halStreamNonBlocking));
    CONF_OK(c, halSetDevice(here));
    CONF_OK(c, halStreamCreateWithFlags(&a, halStreamNonBlocking));
    CONF_OK(c, halEventCreateWithFlags(&e, halEventDisableTiming));
    CONF_OK(c, halLaunchHostFunc(a, api_wait_gate, &gate[0]));
    CONF_OK(c, halEventRecord(e, a));
    CONF_OK(c, halStreamWaitEvent(b, e, 0));
    CONF_OK(c, halLaunchHostFunc(a, api_wait_gate, &gate[1]));
    CONF_OK(c, halEventRecord(e, a));
    usleep(20000);
    halError_t early = halStreamQuery(b);
    atomic_store(&gate[0], 1);
    while (halStreamQuery(b) == halErrorNotReady && api_now_ms() < deadline)
        usleep(500);
    halError_t st = halStreamQuery(b);
    atomic_store(&gate[1], 1);
    CONF_OK(c, halStreamSynchronize(a));
    CONF_OK(c, halStreamSynchronize(b));
    conf_check(c, early == halErrorNotReady, "the wait was lost");
    conf_check(c, st == halSuccess, "the wait followed a later record");
}

struct trail {
    atomic_int n;
    int order[16];
};

static struct trail trail;

static void leave_mark(void *arg)
{
    int at = atomic_fetch_add(&trail.n, 1);

    if (at < 16)
        trail.order[at] = (int)(intptr_t)arg;
}

static void host_func_order(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);
    halStream_t s = NULL;

    memset(&trail, 0, sizeof trail);
    CONF_OK(c, halStreamCreate(&s));
    for (intptr_t i = 0; i < 10; i++) {
        CONF_OK(c, halMemsetAsync(b.mem, (int)i, 64, s));
        CONF_OK(c, halLaunchHostFunc(s, leave_mark, (void *)i));
    }
    CONF_OK(c, halStreamSynchronize(s));
    CONF_TRUE(c, atomic_load(&trail.n) == 10);
    for (int i = 0; i < 10; i++)
        CONF_TRUE(c, trail.order[i] == i);
    conf_expect_bytes(c, &b, 9);
}

struct caller {
    void *mem;
    halError_t copy, free, wait;
};

static void call_back(void *arg)
{
    struct caller *call = arg;
    char word[4];

    call->copy = halMemcpy(word, call->mem, sizeof word, halMemcpyDefault);
    call->free = halFree(call->mem);
    call->wait = halDeviceSynchronize();
}

/* What would wait for the stream that waits for it is refused at once. */
static void host_func_calls(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);
    struct caller call = { b.mem, halSuccess, halSuccess, halSuccess };
    halStream_t s = NULL;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halLaunchHostFunc(s, call_back, &call));
    CONF_OK(c, halMemsetAsync(b.mem, 5, 64, s));
    CONF_OK(c, halStreamSynchronize(s));
    CONF_TRUE(c, call.copy == halErrorNotPermitted);
    CONF_TRUE(c, call.free == halErrorNotPermitted);
    CONF_TRUE(c, call.wait == halErrorNotPermitted);
    conf_expect_bytes(c, &b, 5);
}

struct peek {
    const uint32_t *word;
    uint32_t seen;
};

static void peek_word(void *arg)
{
    struct peek *p = arg;

    p->seen = *p->word;
}

/* The host function sees what ran before it, and later work waits for it. */
static void host_func_between(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    struct peek peek = { 0 };
    void *h = NULL;
    halStream_t s = NULL;
    atomic_int *gate = conf_host(c, sizeof *gate);

    atomic_store(gate, 0);
    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halMallocHost(&h, 4));
    *(uint32_t *)h = 0;
    peek.word = h;
    api_slow_make(c, module, 60, &slow);
    api_slow_launch(c, &slow, 71, s);
    CONF_OK(c, halMemcpyAsync(h, slow.words, 4, halMemcpyDeviceToHost, s));
    CONF_OK(c, halLaunchHostFunc(s, peek_word, &peek));
    CONF_OK(c, halLaunchHostFunc(s, api_wait_gate, gate));
    CONF_OK(c, halMemsetAsync(slow.words, 0, 4, s));
    usleep(20000);
    CONF_TRUE(c, halStreamQuery(s) == halErrorNotReady);
    atomic_store(gate, 1);
    CONF_OK(c, halStreamSynchronize(s));
    conf_check(c, peek.seen == 71, "the host function saw %u", peek.seen);
    CONF_TRUE(c, api_slow_value(c, &slow) == 0);
}

/* A host function that blocks one stream leaves the others alone. */
static void host_func_isolated(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);
    halStream_t a = NULL, s = NULL;
    atomic_int *gate = conf_host(c, sizeof *gate);
    double deadline = api_now_ms() + 20000;

    atomic_store(gate, 0);
    CONF_OK(c, halStreamCreateWithFlags(&a, halStreamNonBlocking));
    CONF_OK(c, halStreamCreateWithFlags(&s, halStreamNonBlocking));
    CONF_OK(c, halLaunchHostFunc(a, api_wait_gate, gate));
    CONF_OK(c, halMemsetAsync(b.mem, 4, 64, s));
    while (halStreamQuery(s) == halErrorNotReady && api_now_ms() < deadline)
        usleep(500);
    halError_t st = halStreamQuery(s);
    atomic_store(gate, 1);
    CONF_OK(c, halStreamSynchronize(a));
    conf_check(c, st == halSuccess, "one stream's host function held another");
    conf_expect_bytes(c, &b, 4);
}

static const struct conf_case cases[] = {
    { "api.stream.wait_event.same_device", wait_event, .levels = CORE },
    { "api.stream.wait_event.unrecorded", wait_unrecorded, .levels = CORE },
    { "api.stream.wait_event.rerecord", wait_then_rerecord, .levels = CORE },
    { "api.stream.wait_event.cross_rerecord", wait_across_rerecord,
      .levels = CORE },
    { "api.stream.wait_event.cross_device", wait_across, .levels = CORE },
    { "api.stream.host_func.order", host_func_order, .levels = CORE },
    { "api.stream.host_func.between", host_func_between, .levels = CORE },
    { "api.stream.host_func.calls", host_func_calls, .levels = CORE },
    { "api.stream.host_func.isolated", host_func_isolated, .levels = CORE },
    { 0 },
};

void conf_cases_api_stream_wait(struct conf_list *list,
                                const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}
