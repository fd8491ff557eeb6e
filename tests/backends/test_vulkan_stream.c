/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_vulkan_stream.c - order, asynchrony, host functions, events and waits of
 * the Vulkan backend, on every Vulkan device that is there.
 */
#include <pthread.h>

#include "tests/backends/vulkan_test.h"

static void gate_fn(void *arg)
{
    while (!__atomic_load_n((int *)arg, __ATOMIC_ACQUIRE))
        sleep_ms(1);
}

static void gate_open(int *gate)
{
    __atomic_store_n(gate, 1, __ATOMIC_RELEASE);
}

static void add_fn(void *arg)
{
    ++*(int *)arg; /* plain: the stream's order is what protects it */
}

/* A kernel that runs for roughly `ms` on the device. */
struct slow {
    struct test_kernel k;
    struct hal_mem out;
    uint32_t groups;
    union hal_arg args[2];
};

static void slow_open(struct hal_dev *dev, struct slow *w, double ms)
{
    double t;
    void *s;

    test_kernel_desc(&w->k, "slow", "fs");
    test_kernel_image(&w->k, "vulkan.ssbo", HAL_CAP_SSBO, SLOW_SSBO);
    OK(test_kernel_create(dev, &w->k));
    OK(dev->ops->mem_alloc(dev, 4 << 20, HAL_MEM_DEVICE, &w->out));
    OK(dev->ops->stream_create(dev, 0, &s));
    w->args[0] = arg_buffer(&w->out, 4 << 20, 0);
    w->args[1] = arg_scalar(1000);
    /* The first one compiles; the second is measured; the rest is a guess. */
    OK(test_launch(dev, s, &w->k, 16, w->args));
    OK(dev->ops->stream_sync(dev, s));
    t = now_ms();
    OK(test_launch(dev, s, &w->k, 64, w->args));
    OK(dev->ops->stream_sync(dev, s));
    t = (now_ms() - t) / 64;
    if (t < 1e-4)
        t = 1e-4;
    w->groups = ms / t < 1 ? 1 : ms / t > 16000 ? 16000 : (uint32_t)(ms / t);
    dev->ops->stream_destroy(dev, s);
}

static void slow_run(struct hal_dev *dev, struct slow *w, void *s)
{
    OK(test_launch(dev, s, &w->k, w->groups, w->args));
}

static void slow_close(struct hal_dev *dev, struct slow *w)
{
    dev->ops->kernel_destroy(dev, w->k.kernel);
    dev->ops->mem_free(dev, w->out.impl);
    test_kernel_free(&w->k);
}

static void launch_returns_early(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct slow w;
        double start, launched, done;
        void *s;

        slow_open(dev, &w, 300);
        OK(dev->ops->stream_create(dev, 0, &s));
        start = now_ms();
        slow_run(dev, &w, s);
        launched = now_ms() - start;
        assert_int_equal(dev->ops->stream_query(dev, s), halErrorNotReady);
        OK(dev->ops->stream_sync(dev, s));
        done = now_ms() - start;
        OK(dev->ops->stream_query(dev, s));
        print_message("%s: launch %.2f ms, done %.1f ms\n", dev->info.prop.name,
                      launched, done);
        assert_true(launched < done / 4);
        dev->ops->stream_destroy(dev, s);
        slow_close(dev, &w);
    }
}

/* Batches that nobody asks about are submitted all the same. */
static void work_goes_on_alone(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct slow w;
        int i, before, after = 0;
        struct hal_mem pin = { 0 };
        void *s, *host;

        if (!dev->opt || !dev->opt->host_alloc)
            continue;
        slow_open(dev, &w, 20);
        OK(dev->ops->stream_create(dev, 0, &s));
        OK(dev->opt->host_alloc(dev, 4, 0, &host, &pin));
        memset(host, 0, 4);
        before = 0;
        for (i = 0; i < 5; i++)
            slow_run(dev, &w, s);
        OK(dev->ops->fill(dev, s, pin.impl, 0, 4, 0x7f, 1));
        for (i = 0; i < 4000 && !after; i++) {
            sleep_ms(1);
            after = __atomic_load_n((int *)host, __ATOMIC_ACQUIRE);
        }
        assert_int_equal(before, 0);
        assert_int_equal(after, 0x7f7f7f7f);
        OK(dev->ops->stream_sync(dev, s));
        dev->opt->host_free(dev, host, pin.impl);
        dev->ops->stream_destroy(dev, s);
        slow_close(dev, &w);
    }
}

static void host_funcs_in_order(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct hal_mem m;
        int count = 0, i;
        uint32_t got[4];
        void *s;

        OK(dev->ops->stream_create(dev, 0, &s));
        OK(dev->ops->mem_alloc(dev, 16, HAL_MEM_DEVICE, &m));
        for (i = 0; i < 100; i++) {
            OK(dev->ops->host_func(dev, s, add_fn, &count));
            OK(dev->ops->fill(dev, s, m.impl, 0, 16, (uint32_t)i, 4));
        }
        OK(dev->ops->stream_sync(dev, s));
        assert_int_equal(count, 100);
        OK(dev->ops->copy_out(dev, s, got, m.impl, 0, 16, 0));
        assert_int_equal(got[3], 99);
        dev->ops->mem_free(dev, m.impl);
        dev->ops->stream_destroy(dev, s);
    }
}

/* A host function that blocks holds up its own stream and no other. */
static void host_func_blocks_one(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct hal_mem m;
        int gate = 0, i;
        uint32_t got = 0;
        void *held, *free_one, *e;

        OK(dev->ops->stream_create(dev, 0, &held));
        OK(dev->ops->stream_create(dev, 0, &free_one));
        OK(dev->ops->event_create(dev, 0, &e));
        OK(dev->ops->mem_alloc(dev, 1 << 20, HAL_MEM_DEVICE, &m));
        OK(dev->ops->host_func(dev, held, gate_fn, &gate));
        for (i = 0; i < 200; i++) /* more than a batch takes */
            OK(dev->ops->fill(dev, held, m.impl, 0, 1 << 20, 1, 4));
        OK(dev->ops->event_record(dev, held, e));
        OK(dev->ops->fill(dev, free_one, m.impl, 0, 1 << 20, 2, 4));
        OK(dev->ops->stream_sync(dev, free_one));
        OK(dev->ops->copy_out(dev, free_one, &got, m.impl, 64, 4, 0));
        assert_int_equal(got, 2);
        assert_int_equal(dev->ops->stream_query(dev, held), halErrorNotReady);
        assert_int_equal(dev->ops->event_query(dev, e), halErrorNotReady);
        gate_open(&gate);
        OK(dev->ops->event_sync(dev, e));
        OK(dev->ops->copy_out(dev, free_one, &got, m.impl, 64, 4, 0));
        assert_int_equal(got, 1);
        dev->ops->event_destroy(dev, e);
        dev->ops->stream_destroy(dev, held);
        dev->ops->stream_destroy(dev, free_one);
        dev->ops->mem_free(dev, m.impl);
    }
}

/* b waits for work of a that is not even submitted, c for submitted work. */
static void waits_across_streams(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct slow w;
        struct hal_mem m;
        int gate = 0;
        uint32_t got[2];
        void *a, *b, *c, *ea, *ec;

        slow_open(dev, &w, 50);
        OK(dev->ops->stream_create(dev, 0, &a));
        OK(dev->ops->stream_create(dev, 0, &b));
        OK(dev->ops->stream_create(dev, 0, &c));
        OK(dev->ops->event_create(dev, 0, &ea));
        OK(dev->ops->event_create(dev, 0, &ec));
        OK(dev->ops->mem_alloc(dev, 8, HAL_MEM_DEVICE, &m));
        OK(dev->ops->host_func(dev, a, gate_fn, &gate));
        slow_run(dev, &w, a);
        OK(dev->ops->fill(dev, a, m.impl, 0, 4, 1, 4));
        OK(dev->ops->event_record(dev, a, ea));
        OK(dev->ops->stream_wait(dev, b, ea));
        /* The wait keeps the record that it was made on. */
        OK(dev->ops->event_record(dev, c, ea));
        OK(dev->ops->copy(dev, b, m.impl, 4, m.impl, 0, 4));
        assert_int_equal(dev->ops->stream_query(dev, b), halErrorNotReady);
        slow_run(dev, &w, c);
        OK(dev->ops->event_record(dev, c, ec));
        gate_open(&gate);
        OK(dev->ops->stream_wait(dev, b, ec));
        dev->ops->event_destroy(dev, ec); /* the wait does not mind */
        OK(dev->ops->stream_sync(dev, b));
        OK(dev->ops->stream_query(dev, c));
        OK(dev->ops->copy_out(dev, b, got, m.impl, 0, 8, 0));
        assert_int_equal(got[0], 1);
        assert_int_equal(got[1], 1);
        dev->ops->stream_destroy(dev, a);
        OK(dev->ops->event_query(dev, ea)); /* outlives its stream */
        dev->ops->event_destroy(dev, ea);
        dev->ops->stream_destroy(dev, b);
        dev->ops->stream_destroy(dev, c);
        dev->ops->mem_free(dev, m.impl);
        slow_close(dev, &w);
    }
}

/* 100 kernels and events ping-pong between two streams. */
static void waits_ping_pong(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct hal_mem m;
        uint32_t got = 0;
        void *s[2], *e;
        int i;

        OK(dev->ops->stream_create(dev, 0, &s[0]));
        OK(dev->ops->stream_create(dev, 0, &s[1]));
        OK(dev->ops->event_create(dev, 0, &e));
        OK(dev->ops->mem_alloc(dev, 101 * 4, HAL_MEM_DEVICE, &m));
        OK(dev->ops->fill(dev, s[0], m.impl, 0, 4, 77, 4));
        for (i = 0; i < 100; i++) {
            OK(dev->ops->event_record(dev, s[i % 2], e));
            OK(dev->ops->stream_wait(dev, s[(i + 1) % 2], e));
            OK(dev->ops->copy(dev, s[(i + 1) % 2], m.impl,
                              4 * ((uint64_t)i + 1), m.impl, 4 * (uint64_t)i,
                              4));
        }
        OK(dev->ops->copy_out(dev, s[0], &got, m.impl, 400, 4, 0));
        assert_int_equal(got, 77);
        dev->ops->event_destroy(dev, e);
        dev->ops->stream_destroy(dev, s[0]);
        dev->ops->stream_destroy(dev, s[1]);
        dev->ops->mem_free(dev, m.impl);
    }
}

static void events_keep_time(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct slow w;
        void *s, *e0, *e1;
        double host;
        float ms = -1;

        slow_open(dev, &w, 100);
        OK(dev->ops->stream_create(dev, 0, &s));
        OK(dev->ops->event_create(dev, 1, &e0));
        OK(dev->ops->event_create(dev, 1, &e1));
        OK(dev->ops->event_sync(dev, e0)); /* never recorded: done */
        OK(dev->ops->event_query(dev, e0));
        host = now_ms();
        OK(dev->ops->event_record(dev, s, e0));
        slow_run(dev, &w, s);
        OK(dev->ops->event_record(dev, s, e1));
        assert_int_equal(dev->ops->event_query(dev, e1), halErrorNotReady);
        OK(dev->ops->event_sync(dev, e1));
        host = now_ms() - host;
        OK(dev->ops->event_elapsed(dev, e0, e1, &ms));
        print_message("%s: events %.2f ms, host %.2f ms\n", dev->info.prop.name,
                      (double)ms, host);
        assert_true((double)ms <= host * 1.05 + 1);
        assert_true((double)ms >= host * 0.6 - 2);
        OK(dev->ops->event_elapsed(dev, e1, e0, &ms));
        assert_true(ms < 0);
        dev->ops->event_destroy(dev, e0);
        dev->ops->event_destroy(dev, e1);
        dev->ops->stream_destroy(dev, s);
        slow_close(dev, &w);
    }
}

/* ---- threads --------------------------------------------------------- */

struct worker {
    struct hal_dev *dev;
    unsigned seed;
    int wrong;
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct hal_dev *dev = w->dev;
    uint32_t from[256], to[256];
    struct hal_mem a, b;
    int count = 0, i, k;
    void *s, *e;

    if (dev->ops->stream_create(dev, 0, &s) ||
        dev->ops->event_create(dev, 1, &e)) {
        w->wrong = -1;
        return NULL;
    }
    for (i = 0; i < 20; i++) {
        for (k = 0; k < 256; k++)
            from[k] = w->seed * 1000 + (uint32_t)(i * 256 + k);
        w->wrong |= dev->ops->mem_alloc(dev, 1024, HAL_MEM_DEVICE, &a);
        w->wrong |= dev->ops->mem_alloc(dev, 70000, HAL_MEM_DEVICE, &b);
        w->wrong |= dev->ops->copy_in(dev, s, a.impl, 0, from, 1024, 0);
        w->wrong |= dev->ops->host_func(dev, s, add_fn, &count);
        w->wrong |= dev->ops->copy(dev, s, b.impl, 512, a.impl, 0, 1024);
        w->wrong |= dev->ops->event_record(dev, s, e);
        w->wrong |= dev->ops->event_sync(dev, e);
        w->wrong |= dev->ops->copy_out(dev, s, to, b.impl, 512, 1024, 0);
        w->wrong |= memcmp(from, to, 1024);
        w->wrong |= count != i + 1;
        dev->ops->mem_free(dev, a.impl);
        dev->ops->mem_free(dev, b.impl);
    }
    dev->ops->event_destroy(dev, e);
    dev->ops->stream_destroy(dev, s);
    return NULL;
}

static void eight_threads(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        pthread_t threads[8];
        struct worker w[8];
        unsigned i;

        for (i = 0; i < 8; i++) {
            w[i] = (struct worker){ .dev = dev, .seed = i };
            assert_int_equal(
                pthread_create(&threads[i], NULL, worker_main, &w[i]), 0);
        }
        for (i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
        for (i = 0; i < 8; i++)
            assert_int_equal(w[i].wrong, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launch_returns_early),
        cmocka_unit_test(work_goes_on_alone),
        cmocka_unit_test(host_funcs_in_order),
        cmocka_unit_test(host_func_blocks_one),
        cmocka_unit_test(waits_across_streams),
        cmocka_unit_test(waits_ping_pong),
        cmocka_unit_test(events_keep_time),
        cmocka_unit_test(eight_threads),
    };

    return cmocka_run_group_tests_name("vulkan stream", tests, vulkan_test_open,
                                       vulkan_test_close);
}
