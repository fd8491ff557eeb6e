/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_opencl_real.c - the ops table on every real OpenCL device of this
 * machine.  Invariant: a test that cannot run says so as skipped.
 */
#include "tests/backends/opencl_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Not called "step": PoCL finds no kernel that is named like a built-in. */
static const char text_step[] =
    "__kernel __attribute__((reqd_work_group_size(4, 1, 1)))\n"
    "void advance(__global uint *x, ulong x_off, uint n, uint add)\n"
    "{\n"
    "    __global uint *p = (__global uint *)((__global char *)x + x_off);\n"
    "    uint i = get_global_id(0);\n"
    "    if (i < n) p[i] = p[i] * 3u + add;\n"
    "}\n";

/* Nested loops of 1000: llvmpipe ends loops after 65535 iterations a thread,
 * so that work comes from groups. */
static const char text_burn[] =
    "__kernel __attribute__((reqd_work_group_size(1, 1, 1)))\n"
    "void burn(__global uint *x, ulong x_off, uint n)\n"
    "{\n"
    "    __global uint *p = (__global uint *)((__global char *)x + x_off);\n"
    "    uint v = p[0] + get_group_id(0);\n"
    "    for (uint i = 0; i < n; i++)\n"
    "        v = v * 1664525u + 1013904223u + (v >> 7);\n"
    "    p[1 + (get_group_id(0) & 15u)] = v;\n"
    "}\n";

static const char text_wrong[] =
    "#line 7 \"wrong.k\"\n"
    "__kernel void wrong(__global uint *x, ulong x_off)\n"
    "{\n"
    "    x[0] = undeclared_thing;\n"
    "}\n";

struct rig {
    struct hal_dev *dev;
    void *stream;
    void *step, *burn; /* kernels */
    struct test_kernel step_desc, burn_desc;
};

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void rig_open(struct rig *r, void **state)
{
    memset(r, 0, sizeof *r);
    OK(hal_backend_opencl.device_open((unsigned)(uintptr_t)*state, &r->dev));
    OK(r->dev->ops->stream_create(r->dev, 0, &r->stream));
    test_kernel_init(&r->step_desc, "advance", text_step, "bss", 4);
    OK(test_kernel_create(r->dev, &r->step_desc, &r->step));
    test_kernel_init(&r->burn_desc, "burn", text_burn, "bs", 1);
    OK(test_kernel_create(r->dev, &r->burn_desc, &r->burn));
}

static void rig_close(struct rig *r)
{
    r->dev->ops->kernel_destroy(r->dev, r->step);
    r->dev->ops->kernel_destroy(r->dev, r->burn);
    r->dev->ops->stream_destroy(r->dev, r->stream);
    r->dev->ops->device_close(r->dev);
}

static struct hal_mem alloc(struct rig *r, uint64_t size)
{
    struct hal_mem m = { NULL, NULL };

    OK(r->dev->ops->mem_alloc(r->dev, size, HAL_MEM_DEVICE, &m));
    return m;
}

static void put(struct rig *r, struct hal_mem *m, uint64_t offset,
                const void *bytes, uint64_t size)
{
    OK(r->dev->ops->copy_in(r->dev, r->stream, m->impl, offset, bytes, size,
                            0));
}

static void take(struct rig *r, struct hal_mem *m, uint64_t offset, void *bytes,
                 uint64_t size)
{
    OK(r->dev->ops->copy_out(r->dev, r->stream, bytes, m->impl, offset, size,
                             0));
}

static halError_t step(struct rig *r, void *stream, struct hal_mem *m,
                       uint64_t offset, uint32_t n, uint32_t add)
{
    union hal_arg args[] = { arg_buffer(m, offset), arg_scalar(n),
                             arg_scalar(add) };

    return test_launch(r->dev, stream, r->step, (n + 3) / 4, args, 3);
}

/* Work for about this long, found by doubling. */
static uint32_t burn_groups(struct rig *r, struct hal_mem *m, double ms)
{
    union hal_arg args[] = { arg_buffer(m, 0), arg_scalar(20000) };
    uint32_t groups = 1;

    OK(test_launch(r->dev, r->stream, r->burn, 1, args, 2));
    OK(r->dev->ops->stream_sync(r->dev, r->stream)); /* compiled now */
    for (;; groups *= 2) {
        double t = now_ms();

        OK(test_launch(r->dev, r->stream, r->burn, groups, args, 2));
        OK(r->dev->ops->stream_sync(r->dev, r->stream));
        if (now_ms() - t >= ms || groups > 1u << 24)
            return groups;
    }
}

static halError_t burn(struct rig *r, void *stream, struct hal_mem *m,
                       uint32_t groups)
{
    union hal_arg args[] = { arg_buffer(m, 0), arg_scalar(20000) };

    return test_launch(r->dev, stream, r->burn, groups, args, 2);
}

static void props(void **state)
{
    struct rig r;
    char name[256], driver[256];
    const struct halDeviceProp *p;
    uint64_t free_bytes = 0, total = 0;

    rig_open(&r, state);
    p = &r.dev->info.prop;
    OK(hal_backend_opencl.describe((unsigned)(uintptr_t)*state, name, driver));
    assert_string_equal(name, p->name);
    assert_string_equal(driver, p->driver);
    assert_string_equal(p->backend, "opencl");
    assert_true(strlen(driver) > 8);
    assert_true(r.dev->info.version >= 1000);
    assert_true(p->memAlign >= 64 && !(p->memAlign & (p->memAlign - 1)));
    assert_true(p->maxAllocBytes && p->maxAllocBytes <= p->totalGlobalMem);
    assert_true(p->sharedMemPerBlock >= 16384);
    assert_true(p->maxThreadsPerBlock >= 1 && p->maxThreadsDim[0] >= 1);
    assert_true(p->maxGridSize[0] >= 65535 && p->maxGridSize[2] >= 1);
    assert_true(p->warpSize >= 1 && p->multiProcessorCount >= 1);
    assert_true(p->dtypes & 1u << halBF16);
    assert_int_equal(r.dev->info.target, HAL_TARGET_OPENCL);
    OK(r.dev->ops->mem_info(r.dev, &free_bytes, &total));
    assert_int_equal(total, p->totalGlobalMem);
    rig_close(&r);
}

static void no_such_device(void **state)
{
    struct hal_dev *dev = (void *)1;
    char name[256] = "same", driver[256];

    (void)state;
    assert_int_equal(hal_backend_opencl.device_open(4711, &dev),
                     halErrorInvalidDevice);
    assert_ptr_equal(dev, (void *)1);
    assert_int_equal(hal_backend_opencl.describe(4711, name, driver),
                     halErrorInvalidDevice);
    assert_string_equal(name, "same");
}

/* Beyond the device's memory is an error at once, and memory comes back. */
static void memory_limits(void **state)
{
    struct rig r;
    struct hal_mem m = { (void *)1, (void *)2 }, half[64];
    uint64_t before, after, total;
    unsigned n = 0;

    rig_open(&r, state);
    OK(r.dev->ops->mem_info(r.dev, &before, &total));
    /* 1/4 of the device a time; rusticl and Oclgrind touch all of it. */
    while (n < 64 && r.dev->ops->mem_alloc(r.dev, total / 4, HAL_MEM_DEVICE,
                                           &half[n]) == halSuccess)
        n++;
    assert_true(n >= 1 && n <= 4);
    assert_int_equal(
        r.dev->ops->mem_alloc(r.dev, total / 4, HAL_MEM_DEVICE, &m),
        halErrorMemoryAllocation);
    assert_ptr_equal(m.impl, (void *)1);
    assert_ptr_equal(m.addr, (void *)2);
    while (n)
        r.dev->ops->mem_free(r.dev, half[--n].impl);
    OK(r.dev->ops->mem_info(r.dev, &after, &total));
    assert_int_equal(before, after);
    m = alloc(&r, 1);
    r.dev->ops->mem_free(r.dev, m.impl);
    r.dev->ops->mem_free(r.dev, NULL);
    rig_close(&r);
}

static void copies(void **state)
{
    struct rig r;
    struct hal_mem a, b;
    unsigned char in[4099], out[4099];

    rig_open(&r, state);
    a = alloc(&r, sizeof in);
    b = alloc(&r, sizeof in);
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)(i * 7 + i / 256);
    memset(out, 0, sizeof out);
    put(&r, &a, 0, in, sizeof in);
    OK(r.dev->ops->fill(r.dev, r.stream, b.impl, 0, sizeof in, 0xee, 1));
    OK(r.dev->ops->copy(r.dev, r.stream, b.impl, 13, a.impl, 5, 4001));
    take(&r, &b, 0, out, sizeof out);
    assert_memory_equal(out + 13, in + 5, 4001);
    for (size_t i = 0; i < 13; i++)
        assert_int_equal(out[i], 0xee);
    for (size_t i = 13 + 4001; i < sizeof out; i++)
        assert_int_equal(out[i], 0xee);
    /* within one buffer */
    OK(r.dev->ops->copy(r.dev, r.stream, a.impl, 3001, a.impl, 1, 1001));
    take(&r, &a, 3001, out, 1001);
    assert_memory_equal(out, in + 1, 1001);
    /* pinned: done by the time the stream is */
    memset(out, 0, sizeof out);
    OK(r.dev->ops->copy_in(r.dev, r.stream, b.impl, 0, in, sizeof in,
                           HAL_COPY_PINNED));
    OK(r.dev->ops->copy_out(r.dev, r.stream, out, b.impl, 0, sizeof in,
                            HAL_COPY_PINNED));
    OK(r.dev->ops->stream_sync(r.dev, r.stream));
    assert_memory_equal(out, in, sizeof in);
    r.dev->ops->mem_free(r.dev, a.impl);
    r.dev->ops->mem_free(r.dev, b.impl);
    rig_close(&r);
}

static void fills(void **state)
{
    static const uint32_t pattern = 0x81C3F5A7;
    struct rig r;
    struct hal_mem m;
    unsigned char out[2048];

    rig_open(&r, state);
    m = alloc(&r, sizeof out);
    for (unsigned width = 1; width <= 4; width *= 2)
        for (unsigned at = 0; at <= 5 * width; at += width)
            for (unsigned n = 1; n <= 1021; n += 170) {
                unsigned size = n * width;

                if (at + size > sizeof out)
                    continue;
                OK(r.dev->ops->fill(r.dev, r.stream, m.impl, 0, sizeof out,
                                    0xbb, 1));
                OK(r.dev->ops->fill(r.dev, r.stream, m.impl, at, size, pattern,
                                    width));
                take(&r, &m, 0, out, sizeof out);
                for (unsigned i = 0; i < sizeof out; i++) {
                    unsigned want =
                        i < at || i >= at + size
                            ? 0xbb
                            : pattern >> 8 * ((i - at) % width) & 0xff;

                    if (out[i] != want)
                        fail_msg("width %u at %u size %u: byte %u is %02x, "
                                 "not %02x",
                                 width, at, size, i, out[i], want);
                }
            }
    r.dev->ops->mem_free(r.dev, m.impl);
    rig_close(&r);
}

/* A hundred dependent steps at an offset that no sub-buffer could have. */
static void launches(void **state)
{
    struct rig r;
    struct hal_mem m;
    uint32_t data[64], want[64];

    rig_open(&r, state);
    m = alloc(&r, sizeof data);
    for (uint32_t i = 0; i < 64; i++)
        data[i] = want[i] = i;
    put(&r, &m, 0, data, sizeof data);
    for (uint32_t s = 0; s < 100; s++) {
        OK(step(&r, r.stream, &m, 4 * (s % 7), 41, s));
        for (uint32_t i = 0; i < 41; i++)
            want[s % 7 + i] = want[s % 7 + i] * 3 + s;
    }
    take(&r, &m, 0, data, sizeof data);
    assert_memory_equal(data, want, sizeof data);
    r.dev->ops->mem_free(r.dev, m.impl);
    rig_close(&r);
}

/* A driver may give a freed buffer's handle to a new one: the kernel must see
 * the new one all the same. */
static void buffer_comes_back(void **state)
{
    struct rig r;

    rig_open(&r, state);
    for (uint32_t i = 0; i < 20; i++) {
        struct hal_mem m = alloc(&r, 64);
        uint32_t v = i;

        put(&r, &m, 0, &v, 4);
        OK(step(&r, r.stream, &m, 0, 1, 5));
        take(&r, &m, 0, &v, 4);
        assert_int_equal(v, i * 3 + 5);
        r.dev->ops->mem_free(r.dev, m.impl);
    }
    rig_close(&r);
}

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

static void events(void **state)
{
    struct rig r;
    struct hal_mem m;
    void *a = NULL, *b = NULL, *plain = NULL;
    uint32_t groups;
    float ms = -1;
    double wall;

    rig_open(&r, state);
    m = alloc(&r, 128);
    OK(r.dev->ops->event_create(r.dev, 1, &a));
    OK(r.dev->ops->event_create(r.dev, 1, &b));
    OK(r.dev->ops->event_create(r.dev, 0, &plain));
    OK(r.dev->ops->event_query(r.dev, a)); /* never recorded: done */
    OK(r.dev->ops->event_sync(r.dev, a));
    OK(r.dev->ops->stream_wait(r.dev, r.stream, a));
    groups = burn_groups(&r, &m, 60);
    wall = now_ms();
    OK(r.dev->ops->event_record(r.dev, r.stream, a));
    OK(burn(&r, r.stream, &m, groups));
    OK(r.dev->ops->event_record(r.dev, r.stream, b));
    OK(r.dev->ops->event_record(r.dev, r.stream, plain));
    if (r.dev->info.prop.asyncEngineCount)
        assert_int_equal(r.dev->ops->event_query(r.dev, b), halErrorNotReady);
    OK(r.dev->ops->event_sync(r.dev, b));
    wall = now_ms() - wall;
    OK(r.dev->ops->event_query(r.dev, b));
    OK(r.dev->ops->event_sync(r.dev, plain));
    OK(r.dev->ops->event_elapsed(r.dev, a, b, &ms));
    if (!(ms > 0.5 * wall && ms < 1.2 * wall + 5))
        fail_msg("events: %.2f ms, wall: %.2f ms", (double)ms, wall);
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

static void bad_kernels(void **state)
{
    struct rig r;
    struct test_kernel k;
    void *kernel = (void *)1;

    rig_open(&r, state);
    test_kernel_init(&k, "wrong", text_wrong, "b", 1);
    assert_int_equal(test_kernel_create(r.dev, &k, &kernel),
                     halErrorKernelBuild);
    assert_non_null(strstr(halGetErrorDetail(), "undeclared_thing"));
    print_message("detail: %s\n", halGetErrorDetail());
    test_kernel_init(&k, "missing", text_step, "bss", 4);
    assert_int_equal(test_kernel_create(r.dev, &k, &kernel),
                     halErrorInvalidImage);
    test_kernel_init(&k, "advance", text_step, "bs", 4);
    assert_int_equal(test_kernel_create(r.dev, &k, &kernel),
                     halErrorInvalidImage);
    test_kernel_init(&k, "advance", text_step, "bss", 8);
    assert_int_equal(test_kernel_create(r.dev, &k, &kernel),
                     halErrorInvalidImage);
    test_kernel_init(&k, "advance", text_step, "bss", 1u << 30);
    assert_int_equal(test_kernel_create(r.dev, &k, &kernel),
                     halErrorNoImageForDevice);
    assert_ptr_equal(kernel, (void *)1);
    rig_close(&r);
}

static void managed(void **state)
{
    struct rig r;
    struct hal_mem m = { NULL, NULL }, host = { NULL, NULL }, d;
    uint32_t *p, v = 0;
    void *h = NULL;

    rig_open(&r, state);
    if (!r.dev->info.prop.managedMemory) {
        assert_int_equal(r.dev->ops->mem_alloc(r.dev, 64, HAL_MEM_MANAGED, &m),
                         halErrorNotSupported);
        assert_null(r.dev->opt);
        rig_close(&r);
        print_message("skipped: no fine-grain shared virtual memory\n");
        skip();
    }
    OK(r.dev->ops->mem_alloc(r.dev, 4096, HAL_MEM_MANAGED, &m));
    d = alloc(&r, 4096);
    p = m.addr;
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % r.dev->info.prop.memAlign, 0);
    p[3] = 5;
    OK(step(&r, r.stream, &m, 12, 1, 1));
    OK(r.dev->ops->stream_sync(r.dev, r.stream));
    assert_int_equal(p[3], 16);
    OK(r.dev->ops->fill(r.dev, r.stream, m.impl, 20, 6, 0xa1b2, 2));
    OK(r.dev->ops->copy(r.dev, r.stream, d.impl, 4, m.impl, 12, 4));
    OK(r.dev->ops->copy(r.dev, r.stream, m.impl, 40, d.impl, 4, 4));
    OK(r.dev->ops->copy(r.dev, r.stream, m.impl, 44, m.impl, 12, 4));
    OK(r.dev->ops->stream_sync(r.dev, r.stream));
    assert_int_equal(p[5], 0xa1b2a1b2);
    assert_int_equal(p[6] & 0xffff, 0xa1b2);
    assert_int_equal(p[10], 16);
    assert_int_equal(p[11], 16);
    v = 77;
    put(&r, &m, 48, &v, 4);
    assert_int_equal(p[12], 77);
    v = 0;
    take(&r, &m, 48, &v, 4);
    assert_int_equal(v, 77);
    /* host memory that kernels reach */
    OK(r.dev->opt->host_alloc(r.dev, 4096, halHostAllocMapped, &h, &host));
    *(uint32_t *)h = 2;
    OK(step(&r, r.stream, &host, 0, 1, 1));
    OK(r.dev->ops->stream_sync(r.dev, r.stream));
    assert_int_equal(*(uint32_t *)h, 7);
    r.dev->opt->host_free(r.dev, h, host.impl);
    r.dev->ops->mem_free(r.dev, m.impl);
    r.dev->ops->mem_free(r.dev, d.impl);
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
    cmocka_unit_test(props),
    cmocka_unit_test(no_such_device),
    cmocka_unit_test(memory_limits),
    cmocka_unit_test(copies),
    cmocka_unit_test(fills),
    cmocka_unit_test(launches),
    cmocka_unit_test(buffer_comes_back),
    cmocka_unit_test(asynchronous),
    cmocka_unit_test(host_functions),
    cmocka_unit_test(events),
    cmocka_unit_test(waits),
    cmocka_unit_test(query_after_wait),
    cmocka_unit_test(ping_pong),
    cmocka_unit_test(bad_kernels),
    cmocka_unit_test(managed),
    cmocka_unit_test(threads),
    cmocka_unit_test(opened_twice),
};

int main(void)
{
    char cache[] = "/tmp/test_opencl_XXXXXX", command[64];
    unsigned n = 0;
    int failed = 0;

    /* The software device that Mesa brings, where nobody chose another. */
    setenv("RUSTICL_ENABLE", "llvmpipe", 0);
    if (mkdtemp(cache))
        setenv("HALCYON_CACHE_DIR", cache, 1);
    if (hal_backend_opencl.probe(&n) != halSuccess) {
        printf("1..0 # skipped: %s\n", halGetErrorDetail());
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        struct CMUnitTest of_device[sizeof tests / sizeof tests[0]];
        char name[256], driver[256], group[600];

        OK(hal_backend_opencl.describe(i, name, driver));
        snprintf(group, sizeof group, "opencl:%u %s", i, driver);
        memcpy(of_device, tests, sizeof tests);
        for (size_t t = 0; t < sizeof tests / sizeof tests[0]; t++)
            of_device[t].initial_state = (void *)(uintptr_t)i;
        failed += _cmocka_run_group_tests(
            group, of_device, sizeof tests / sizeof tests[0], NULL, NULL);
    }
    snprintf(command, sizeof command, "rm -rf %s", cache);
    if (system(command))
        failed++;
    return failed;
}
