/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_opencl_order.c - streams, events, host functions and threads on every
 * real OpenCL device of this machine.  Invariant: a test that cannot run says
 * so as skipped.
 */
#include "tests/backends/opencl_rig.h"

#include <pthread.h>
#include <stdatomic.h>

/* A long kernel returns from launch before it ends, and starts by itself. */
static void asynchronous(void **state)
{
    struct rig r;
    struct hal_mem m;
    uint32_t groups;
    double start, launched, ended;

    rig_open(&r, state);
    if (!r.dev->info.prop.asyncEngineCount) {
        rig_close(&r);
        print_message("skipped: this device works in the calling thread\n");
        skip();
    }
    m = alloc(&r, 128);
    OK(r.dev->ops->stream_query(r.dev, r.stream));
    groups = burn_groups(&r, &m, 120);
    start = now_ms();
    OK(burn(&r, r.stream, &m, groups));
    launched = now_ms() - start;
    assert_int_equal(r.dev->ops->stream_query(r.dev, r.stream),
                     halErrorNotReady);
    while (r.dev->ops->stream_query(r.dev, r.stream) == halErrorNotReady)
        usleep(1000);
    OK(r.dev->ops->stream_query(r.dev, r.stream));
    ended = now_ms() - start;
    if (launched > ended / 2)
        fail_msg("the launch took %.1f of %.1f ms", launched, ended);
    r.dev->ops->mem_free(r.dev, m.impl);
    rig_close(&r);
}

/* Its time is the product of its scalars, neither of which says much alone;
 * where one is negative there is nothing to do.  Inner loops below 65,535. */
static const char text_grind[] =
    "__kernel __attribute__((reqd_work_group_size(1, 1, 1)))\n"
    "void grind(__global uint *x, ulong x_off, int a, int b)\n"
    "{\n"
    "    __global uint *p = (__global uint *)((__global char *)x + x_off);\n"
    "    uint v = p[0];\n"
    "    for (int i = 0; i < a; i++)\n"
    "        for (int k = 0; k < b; k++)\n"
    "            v = v * 1664525u + 1013904223u + (v >> 7);\n"
    "    p[0] = v;\n"
    "}\n";

struct grind {
    struct rig *r;
    struct hal_mem m;
    void *kernel;
};

static halError_t grind(struct grind *g, int a, int b)
{
    union hal_arg args[] = { arg_buffer(&g->m, 0), arg_scalar((uint32_t)a),
                             arg_scalar((uint32_t)b) };

    return test_run(g->r->dev, g->r->stream, g->kernel, 1, args, 3);
}

/* Often enough for whatever a backend makes of short launches. */
static void grind_short(struct grind *g, int a, int b)
{
    for (int i = 0; i < 40; i++) {
        OK(grind(g, a, b));
        OK(g->r->dev->ops->stream_sync(g->r->dev, g->r->stream));
    }
}

/* It returns before it ends, whatever was short before: not once is it waited
 * for.  A query tells, no clock: nobody else uses the stream. */
static void grind_long(struct grind *g, int a, int b)
{
    const struct hal_ops *ops = g->r->dev->ops;

    for (int i = 0; i < 3; i++) {
        OK(grind(g, a, b));
        assert_int_equal(ops->stream_query(g->r->dev, g->r->stream),
                         halErrorNotReady);
        OK(ops->stream_sync(g->r->dev, g->r->stream));
    }
}

/* Short launches say nothing about a long one with other scalars. */
static void long_among_short(void **state)
{
    struct rig r;
    struct test_kernel desc;
    struct grind g = { .r = &r };

    rig_open(&r, state);
    if (!r.dev->info.prop.asyncEngineCount) {
        rig_close(&r);
        print_message("skipped: this device works in the calling thread\n");
        skip();
    }
    g.m = alloc(&r, 64);
    test_kernel_init(&desc, "grind", text_grind, "bss", 1);
    OK(test_kernel_create(r.dev, &desc, &g.kernel));
    grind_short(&g, 1, 8000);
    grind_short(&g, 8000, 1);
    grind_long(&g, 8000, 8000);
    grind_short(&g, -1, -1);
    grind_long(&g, 12000, 5000);
    r.dev->ops->kernel_destroy(r.dev, g.kernel);
    r.dev->ops->mem_free(r.dev, g.m.impl);
    rig_close(&r);
}

/* The driver writes it, and the thread sanitizer cannot see that. */
__attribute__((no_sanitize("thread"))) static uint32_t
look(const volatile uint32_t *word)
{
    return *word;
}

/* Work runs although nobody asks for it: on its own, and behind an event of
 * another stream.  Only the host's memory is watched. */
static void starts_by_itself(void **state)
{
    struct rig r;
    struct hal_mem m;
    void *second = NULL, *e = NULL;
    volatile uint32_t seen = 0;
    uint32_t v = 1;
    double start;

    rig_open(&r, state);
    m = alloc(&r, 64);
    OK(r.dev->ops->stream_create(r.dev, 0, &second));
    OK(r.dev->ops->event_create(r.dev, 0, &e));
    for (uint32_t i = 0; i < 20; i++) {
        void *last = i % 2 ? second : r.stream;

        v = v * 3 + i;
        if (!i)
            OK(r.dev->ops->fill(r.dev, r.stream, m.impl, 0, 4, 1, 4));
        OK(step(&r, r.stream, &m, 0, 1, i));
        if (i % 2) {
            OK(r.dev->ops->event_record(r.dev, r.stream, e));
            OK(r.dev->ops->stream_wait(r.dev, second, e));
        }
        OK(r.dev->ops->copy_out(r.dev, last, (void *)(uintptr_t)&seen, m.impl,
                                0, 4, HAL_COPY_PINNED));
        start = now_ms();
        while (look(&seen) != v && now_ms() - start < 20000)
            usleep(50);
        assert_int_equal(look(&seen), v);
        OK(r.dev->ops->stream_sync(r.dev, last));
    }
    r.dev->ops->event_destroy(r.dev, e);
    r.dev->ops->stream_destroy(r.dev, second);
    r.dev->ops->mem_free(r.dev, m.impl);
    rig_close(&r);
}

struct gate {
    atomic_int open, entered;
    struct hal_dev *dev;
    const uint32_t *watch;
    uint32_t seen;
};

static void gate_fn(void *arg)
{
    struct gate *g = arg;

    if (g->watch)
        g->seen = *g->watch;
    atomic_store(&g->entered, 1);
    while (!atomic_load(&g->open))
        usleep(200);
}

/* What follows a host function waits for it; other streams do not. */
static void host_functions(void **state)
{
    struct rig r;
    struct hal_mem m, other_mem;
    void *other = NULL;
    uint32_t in = 1, out = 0, watched = 0;
    struct gate g = { .watch = &watched };

    rig_open(&r, state);
    m = alloc(&r, 64);
    other_mem = alloc(&r, 64);
    OK(r.dev->ops->stream_create(r.dev, 0, &other));
    put(&r, &m, 0, &in, 4);
    OK(step(&r, r.stream, &m, 0, 1, 1)); /* 4 */
    OK(r.dev->ops->copy_out(r.dev, r.stream, &watched, m.impl, 0, 4,
                            HAL_COPY_PINNED));
    OK(r.dev->ops->host_func(r.dev, r.stream, gate_fn, &g));
    OK(step(&r, r.stream, &m, 0, 1, 2)); /* 14 */
    OK(r.dev->ops->fill(r.dev, r.stream, m.impl, 4, 4, 9, 4));
    OK(r.dev->ops->copy(r.dev, r.stream, m.impl, 8, m.impl, 0, 4));
    OK(r.dev->ops->copy_out(r.dev, r.stream, &out, m.impl, 8, 4,
                            HAL_COPY_PINNED));
    OK(r.dev->ops->copy_in(r.dev, other, other_mem.impl, 0, &in, 4, 0));
    OK(step(&r, other, &other_mem, 0, 1, 7));
    OK(r.dev->ops->stream_sync(r.dev, other)); /* not held up */
    while (!atomic_load(&g.entered))
        usleep(200);
    assert_int_equal(g.seen, 4);
    assert_int_equal(r.dev->ops->stream_query(r.dev, r.stream),
                     halErrorNotReady);
    assert_int_equal(out, 0);
    atomic_store(&g.open, 1);
    OK(r.dev->ops->stream_sync(r.dev, r.stream));
    assert_int_equal(out, 14);
    OK(r.dev->ops->stream_query(r.dev, r.stream));
    r.dev->ops->stream_destroy(r.dev, other);
    r.dev->ops->mem_free(r.dev, m.impl);
    r.dev->ops->mem_free(r.dev, other_mem.impl);
    rig_close(&r);
}

/* How the events' time of one long kernel compares with the host's around it.
 * The host is often held up, before the first event or behind the last: its
 * time is the larger, and only the closest of several says how much. */
static double event_share(struct rig *r, struct hal_mem *m, uint32_t groups,
                          void *a, void *b)
{
    double best = 0;

    for (int i = 0; i < 10 && best < 0.5; i++) {
        double wall = now_ms();
        float ms = -1;

        OK(r->dev->ops->event_record(r->dev, r->stream, a));
        OK(burn(r, r->stream, m, groups));
        OK(r->dev->ops->event_record(r->dev, r->stream, b));
        OK(r->dev->ops->event_sync(r->dev, b));
        wall = now_ms() - wall;
        OK(r->dev->ops->event_elapsed(r->dev, a, b, &ms));
        if (!(ms > 0 && ms < 1.2 * wall + 5))
            fail_msg("events: %.2f ms, wall: %.2f ms", (double)ms, wall);
        best = ms / wall > best ? ms / wall : best;
    }
    return best;
}

static void events(void **state)
{
    struct rig r;
    struct hal_mem m;
    void *a = NULL, *b = NULL, *plain = NULL;
    uint32_t groups;
    float ms = -1;
    double share;

    rig_open(&r, state);
    m = alloc(&r, 128);
    OK(r.dev->ops->event_create(r.dev, 1, &a));
    OK(r.dev->ops->event_create(r.dev, 1, &b));
    OK(r.dev->ops->event_create(r.dev, 0, &plain));
    OK(r.dev->ops->event_query(r.dev, a)); /* never recorded: done */
    OK(r.dev->ops->event_sync(r.dev, a));
    OK(r.dev->ops->stream_wait(r.dev, r.stream, a));
    groups = burn_groups(&r, &m, 60);
    OK(r.dev->ops->event_record(r.dev, r.stream, a));
    OK(burn(&r, r.stream, &m, groups));
    OK(r.dev->ops->event_record(r.dev, r.stream, b));
    OK(r.dev->ops->event_record(r.dev, r.stream, plain));
    if (r.dev->info.prop.asyncEngineCount)
        assert_int_equal(r.dev->ops->event_query(r.dev, b), halErrorNotReady);
    OK(r.dev->ops->event_sync(r.dev, b));
    OK(r.dev->ops->event_query(r.dev, b));
    OK(r.dev->ops->event_sync(r.dev, plain));
    share = event_share(&r, &m, groups, a, b);
    if (share < 0.5)
        fail_msg("events: at best %.2f of the host's time", share);
    OK(r.dev->ops->event_elapsed(r.dev, a, a, &ms));
    assert_true(ms == 0);
    r.dev->ops->event_destroy(r.dev, a);
    r.dev->ops->event_destroy(r.dev, b);
    r.dev->ops->event_destroy(r.dev, plain);
    r.dev->ops->event_destroy(r.dev, NULL);
    r.dev->ops->mem_free(r.dev, m.impl);
    rig_close(&r);
}

/* A stream waits for a record on another that hangs on a host function; the
 * event is recorded anew and destroyed meanwhile. */
static void waits(void **state)
{
    struct rig r;
    struct hal_mem m;
    void *second = NULL, *third = NULL, *e = NULL;
    uint32_t v = 1;
    struct gate g = { 0 };

    rig_open(&r, state);
    m = alloc(&r, 64);
    OK(r.dev->ops->stream_create(r.dev, 0, &second));
    OK(r.dev->ops->stream_create(r.dev, 0, &third));
    OK(r.dev->ops->event_create(r.dev, 1, &e));
    put(&r, &m, 0, &v, 4);
    OK(r.dev->ops->host_func(r.dev, r.stream, gate_fn, &g));
    OK(step(&r, r.stream, &m, 0, 1, 1)); /* 4 */
    OK(r.dev->ops->event_record(r.dev, r.stream, e));
    OK(r.dev->ops->stream_wait(r.dev, second, e));
    assert_int_equal(r.dev->ops->event_query(r.dev, e), halErrorNotReady);
    OK(r.dev->ops->event_record(r.dev, third, e)); /* done at once */
    OK(r.dev->ops->event_sync(r.dev, e));
    OK(r.dev->ops->event_record(r.dev, second, e));
    OK(r.dev->ops->stream_wait(r.dev, third, e));
    r.dev->ops->event_destroy(r.dev, e);
    OK(step(&r, second, &m, 4, 1, 0)); /* elsewhere, behind the wait */
    OK(r.dev->ops->copy(r.dev, second, m.impl, 8, m.impl, 0, 4));
    OK(step(&r, third, &m, 12, 1, 0));
    usleep(20000);
    assert_int_equal(r.dev->ops->stream_query(r.dev, second), halErrorNotReady);
    assert_int_equal(r.dev->ops->stream_query(r.dev, third), halErrorNotReady);
    atomic_store(&g.open, 1);
    OK(r.dev->ops->stream_sync(r.dev, second));
    OK(r.dev->ops->stream_sync(r.dev, third));
    OK(r.dev->ops->copy_out(r.dev, third, &v, m.impl, 8, 4, 0));
    assert_int_equal(v, 4);
    r.dev->ops->stream_destroy(r.dev, second);
    r.dev->ops->stream_destroy(r.dev, third);
    r.dev->ops->mem_free(r.dev, m.impl);
    rig_close(&r);
}

/* A query agrees with whoever has waited already. */
static void query_after_wait(void **state)
{
    struct rig r;
    struct hal_mem m;
    void *e = NULL;
    uint32_t v = 3;
    struct gate g = { .open = 1 };

    rig_open(&r, state);
    m = alloc(&r, 64);
    OK(r.dev->ops->event_create(r.dev, 0, &e));
    for (int i = 0; i < 200; i++) {
        OK(step(&r, r.stream, &m, 0, 1, 1));
        OK(r.dev->ops->event_record(r.dev, r.stream, e));
        OK(r.dev->ops->event_sync(r.dev, e));
        OK(r.dev->ops->stream_query(r.dev, r.stream));
        OK(r.dev->ops->host_func(r.dev, r.stream, gate_fn, &g));
        OK(r.dev->ops->event_record(r.dev, r.stream, e));
        if (i & 1)
            OK(r.dev->ops->event_sync(r.dev, e));
        else
            OK(r.dev->ops->stream_sync(r.dev, r.stream));
        OK(r.dev->ops->event_query(r.dev, e));
        OK(r.dev->ops->stream_query(r.dev, r.stream));
        put(&r, &m, 0, &v, 4);
        OK(r.dev->ops->stream_query(r.dev, r.stream));
        OK(step(&r, r.stream, &m, 0, 1, 1));
        (void)!r.dev->ops->stream_query(r.dev, r.stream);
        OK(r.dev->ops->stream_sync(r.dev, r.stream));
        OK(r.dev->ops->stream_query(r.dev, r.stream));
    }
    r.dev->ops->event_destroy(r.dev, e);
    r.dev->ops->mem_free(r.dev, m.impl);
    rig_close(&r);
}

/* Ten pairs of producer and consumer, without the host in between. */
static void ping_pong(void **state)
{
    struct rig r;
    struct hal_mem m;
    void *second = NULL, *e = NULL;
    uint32_t v = 1, want = 1;

    rig_open(&r, state);
    m = alloc(&r, 64);
    OK(r.dev->ops->stream_create(r.dev, 0, &second));
    OK(r.dev->ops->event_create(r.dev, 0, &e));
    put(&r, &m, 0, &v, 4);
    for (uint32_t i = 0; i < 10; i++) {
        OK(step(&r, r.stream, &m, 0, 1, i));
        OK(r.dev->ops->event_record(r.dev, r.stream, e));
        OK(r.dev->ops->stream_wait(r.dev, second, e));
        OK(step(&r, second, &m, 0, 1, 2 * i));
        OK(r.dev->ops->event_record(r.dev, second, e));
        OK(r.dev->ops->stream_wait(r.dev, r.stream, e));
        want = (want * 3 + i) * 3 + 2 * i;
    }
    take(&r, &m, 0, &v, 4);
    assert_int_equal(v, want);
    r.dev->ops->event_destroy(r.dev, e);
    r.dev->ops->stream_destroy(r.dev, second);
    r.dev->ops->mem_free(r.dev, m.impl);
    rig_close(&r);
}

struct worker {
    struct rig *rig;
    uint32_t seed;
    int bad;
};

/* All share two kernels; each has a stream, a buffer and an event. */
static void *work(void *arg)
{
    struct worker *w = arg;
    struct hal_dev *dev = w->rig->dev;
    struct hal_mem m = { NULL, NULL };
    void *s = NULL, *e = NULL;
    uint32_t v = w->seed, want = w->seed;
    struct gate g = { .open = 1 };

    w->bad = 1;
    if (dev->ops->mem_alloc(dev, 256, HAL_MEM_DEVICE, &m) != halSuccess ||
        dev->ops->stream_create(dev, 0, &s) != halSuccess ||
        dev->ops->event_create(dev, 1, &e) != halSuccess ||
        dev->ops->copy_in(dev, s, m.impl, 0, &v, 4, 0) != halSuccess)
        return NULL;
    for (uint32_t i = 0; i < 30; i++) {
        if (step(w->rig, s, &m, 0, 1, w->seed + i) != halSuccess ||
            dev->ops->event_record(dev, s, e) != halSuccess ||
            (i % 10 == 3 &&
             dev->ops->host_func(dev, s, gate_fn, &g) != halSuccess) ||
            (i % 7 == 0 && dev->ops->event_sync(dev, e) != halSuccess))
            return NULL;
        want = want * 3 + w->seed + i;
    }
    if (dev->ops->copy_out(dev, s, &v, m.impl, 0, 4, 0) != halSuccess)
        return NULL;
    dev->ops->event_destroy(dev, e);
    dev->ops->stream_destroy(dev, s);
    dev->ops->mem_free(dev, m.impl);
    w->bad = v != want;
    return NULL;
}

static void threads(void **state)
{
    struct rig r;
    struct worker w[8];
    pthread_t t[8];

    rig_open(&r, state);
    for (uint32_t i = 0; i < 8; i++) {
        w[i] = (struct worker){ .rig = &r, .seed = 17 * i + 1 };
        assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
    }
    for (uint32_t i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(w[i].bad, 0);
    rig_close(&r);
}

/* The thread sanitizer's own work on each is a hundred times the library's. */
#ifdef __SANITIZE_THREAD__
enum { ALLOCATIONS = 1000 };
#else
enum { ALLOCATIONS = 6000 };
#endif

static void *allocate(void *arg)
{
    struct worker *w = arg;
    struct hal_dev *dev = w->rig->dev;

    for (uint32_t i = 0; i < ALLOCATIONS; i++) {
        struct hal_mem m = { NULL, NULL };

        if (dev->ops->mem_alloc(dev, 256, HAL_MEM_DEVICE, &m) != halSuccess) {
            w->bad = 1;
            break;
        }
        dev->ops->mem_free(dev, m.impl);
    }
    return NULL;
}

/* PoCL's basic device deadlocked when two threads had work on one queue. */
static void allocations(void **state)
{
    struct rig r;
    struct worker w[4];
    pthread_t t[4];

    rig_open(&r, state);
    for (uint32_t i = 0; i < 4; i++) {
        w[i] = (struct worker){ .rig = &r };
        assert_int_equal(pthread_create(&t[i], NULL, allocate, &w[i]), 0);
    }
    for (uint32_t i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(w[i].bad, 0);
    rig_close(&r);
}

/* The same device twice, as a stand-in does: nothing is shared. */
static void opened_twice(void **state)
{
    struct rig a, b;
    struct hal_mem ma, mb;
    uint32_t v = 2;

    rig_open(&a, state);
    rig_open(&b, state);
    ma = alloc(&a, 64);
    mb = alloc(&b, 64);
    put(&a, &ma, 0, &v, 4);
    put(&b, &mb, 0, &v, 4);
    OK(step(&a, a.stream, &ma, 0, 1, 1));
    OK(a.dev->ops->stream_sync(a.dev, a.stream));
    a.dev->ops->mem_free(a.dev, ma.impl);
    rig_close(&a);
    OK(step(&b, b.stream, &mb, 0, 1, 1));
    take(&b, &mb, 0, &v, 4);
    assert_int_equal(v, 7);
    b.dev->ops->mem_free(b.dev, mb.impl);
    rig_close(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(asynchronous),
    cmocka_unit_test(starts_by_itself),
    cmocka_unit_test(host_functions),
    cmocka_unit_test(events),
    cmocka_unit_test(waits),
    cmocka_unit_test(query_after_wait),
    cmocka_unit_test(ping_pong),
    cmocka_unit_test(threads),
    cmocka_unit_test(allocations),
    cmocka_unit_test(opened_twice),
    cmocka_unit_test(long_among_short),
};

int main(void)
{
    return rig_main(tests, sizeof tests / sizeof tests[0]);
}
