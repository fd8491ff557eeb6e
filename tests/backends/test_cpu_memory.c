/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cpu_memory.c - allocation (also where there is no more), copies and
 * fills of every size class and parity, page-locked and not.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "tests/backends/cpu_test.h"

static struct hal_dev *dev;
static void *stream;

static int setup(void **state)
{
    (void)state;
    if (hal_backend_cpu.device_open(0, &dev) != halSuccess)
        return -1;
    return dev->ops->stream_create(dev, 0, &stream) == halSuccess ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    dev->ops->stream_destroy(dev, stream);
    dev->ops->device_close(dev);
    return 0;
}

static void allocations_are_aligned(void **state)
{
    static const uint64_t sizes[] = { 1,       63,      64,       4097,
                                      1 << 20, 2 << 20, 5000003u, 32 << 20 };

    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct hal_mem m = { 0 };

        OK(dev->ops->mem_alloc(dev, sizes[i], HAL_MEM_DEVICE, &m));
        assert_int_equal((uintptr_t)m.addr % dev->info.prop.memAlign, 0);
        memset(m.addr, 1, sizes[i]); /* all of it is there */
        dev->ops->mem_free(dev, m.impl);
    }
    assert_true(dev->info.prop.memAlign >= 64);
}

static void out_of_memory_is_an_error(void **state)
{
    struct hal_mem m = { 0 }, held[64];
    uint64_t piece = dev->info.prop.totalGlobalMem / 8;
    uint64_t left, total, after;
    unsigned n = 0;
    void *host = NULL;
    halError_t st = halSuccess;

    (void)state;
    assert_int_equal(dev->ops->mem_alloc(dev, 1ull << 40, HAL_MEM_DEVICE, &m),
                     halErrorMemoryAllocation);
    assert_null(m.impl);
    assert_non_null(strstr(halGetErrorDetail(), "1099511627776"));
    assert_int_equal(dev->ops->mem_alloc(dev, UINT64_MAX, HAL_MEM_DEVICE, &m),
                     halErrorMemoryAllocation);

    assert_int_equal(dev->opt->host_alloc(dev, 1ull << 40, 0, &host, &m),
                     halErrorHostMemory);
    assert_null(host);

    /* untouched memory counts too */
    OK(dev->ops->mem_info(dev, &left, &total));
    while (n < 64 && (st = dev->ops->mem_alloc(dev, piece, HAL_MEM_DEVICE,
                                               &held[n])) == halSuccess)
        n++;
    assert_int_equal(st, halErrorMemoryAllocation);
    assert_in_range(n, 1, 8);
    OK(dev->ops->mem_info(dev, &after, &total));
    assert_true(after < left);
    while (n)
        dev->ops->mem_free(dev, held[--n].impl);
    OK(dev->ops->mem_alloc(dev, 1 << 20, HAL_MEM_DEVICE, &m));
    dev->ops->mem_free(dev, m.impl);
}

/* In, across and out again at odd offsets, with the bytes around untouched. */
static void round_trip(size_t size, unsigned flags)
{
    size_t span = size + 64;
    unsigned char *in = malloc(span), *out = calloc(1, span);
    struct hal_mem a = { 0 }, b = { 0 };

    for (size_t i = 0; i < span; i++)
        in[i] = (unsigned char)(i * 31 + (i >> 8) + 7);
    OK(dev->ops->mem_alloc(dev, span, HAL_MEM_DEVICE, &a));
    OK(dev->ops->mem_alloc(dev, span, HAL_MEM_DEVICE, &b));
    OK(dev->ops->fill(dev, stream, b.impl, 0, span, 0xee, 1));
    OK(dev->ops->copy_in(dev, stream, a.impl, 3, in + 1, size, flags));
    OK(dev->ops->copy(dev, stream, b.impl, 13, a.impl, 3, size));
    OK(dev->ops->copy_out(dev, stream, out + 2, b.impl, 13, size, flags));
    OK(dev->ops->stream_sync(dev, stream));
    assert_memory_equal(out + 2, in + 1, size);
    assert_int_equal(out[1], 0);
    assert_int_equal(out[size + 2], 0);
    assert_int_equal(((unsigned char *)b.addr)[12], 0xee);
    assert_int_equal(((unsigned char *)b.addr)[13 + size], 0xee);
    dev->ops->mem_free(dev, a.impl);
    dev->ops->mem_free(dev, b.impl);
    free(in);
    free(out);
}

static void copies_of_all_sizes(void **state)
{
    static const size_t sizes[] = { 1,       2,       17,           4096,
                                    65535,   65536,   65537,        1000003,
                                    1 << 20, 5 << 20, (9 << 20) + 5 };

    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        round_trip(sizes[i], 0);
        round_trip(sizes[i], HAL_COPY_PINNED);
    }
}

static void copies_that_are_waited_for(void **state)
{
    (void)state;
    test_waited(dev, 100);
    test_waited(dev, 3 << 20);
}

static void fills_of_all_patterns(void **state)
{
    static const size_t counts[] = { 1, 3, 1021, 300007, 2000003 };
    static const uint32_t pattern = 0x11a2b3c4;

    (void)state;
    for (unsigned bytes = 1; bytes <= 4; bytes *= 2)
        for (unsigned c = 0; c < 5; c++) {
            size_t size = counts[c] * bytes;
            struct hal_mem m = { 0 };
            unsigned char *p;

            OK(dev->ops->mem_alloc(dev, size + 2 * bytes, 0, &m));
            p = m.addr;
            memset(p, 0xee, size + 2 * bytes);
            OK(dev->ops->fill(dev, stream, m.impl, bytes, size, pattern,
                              bytes));
            OK(dev->ops->stream_sync(dev, stream));
            for (size_t i = 0; i < size; i++)
                if (p[bytes + i] != (unsigned char)(pattern >> 8 * (i % bytes)))
                    fail_msg("byte %zu of %zu: %02x", i, size, p[bytes + i]);
            assert_int_equal(p[bytes - 1], 0xee);
            assert_int_equal(p[bytes + size], 0xee);
            dev->ops->mem_free(dev, m.impl);
        }
    assert_int_equal(dev->ops->fill(dev, stream, NULL, 0, 3, 0, 3),
                     halErrorInvalidValue);
}

static void copies_of_rows(void **state)
{
    enum { W = 37, H = 50000, SRC = 61, DST = 40 };
    struct hal_mem a = { 0 }, b = { 0 };
    unsigned char *p, *q;

    (void)state;
    OK(dev->ops->mem_alloc(dev, SRC * H, 0, &a));
    OK(dev->ops->mem_alloc(dev, DST * H + 5, 0, &b));
    p = a.addr;
    q = b.addr;
    for (size_t i = 0; i < SRC * H; i++)
        p[i] = (unsigned char)(i % 251);
    memset(q, 0xee, DST * H + 5);
    OK(dev->opt->copy_2d(dev, stream, b.impl, 5, DST, a.impl, 2, SRC, W,
                         H - 1));
    OK(dev->ops->stream_sync(dev, stream));
    for (size_t y = 0; y + 1 < H; y++) {
        assert_memory_equal(q + 5 + y * DST, p + 2 + y * SRC, W);
        assert_int_equal(q[5 + y * DST + W], 0xee);
    }
    dev->ops->mem_free(dev, a.impl);
    dev->ops->mem_free(dev, b.impl);
}

static void host_memory_is_the_devices(void **state)
{
    struct hal_mem m = { 0 }, r = { 0 };
    void *host = NULL;
    char mine[100] = "x";

    (void)state;
    OK(dev->opt->host_alloc(dev, 5000, 0, &host, &m));
    assert_ptr_equal(host, m.addr);
    OK(dev->ops->fill(dev, stream, m.impl, 0, 5000, 7, 1));
    OK(dev->ops->stream_sync(dev, stream));
    assert_int_equal(((char *)host)[4999], 7);
    dev->opt->host_free(dev, host, m.impl);

    OK(dev->opt->host_register(dev, mine, sizeof mine, &r));
    assert_ptr_equal(r.addr, mine);
    OK(dev->ops->fill(dev, stream, r.impl, 1, 99, 9, 1));
    OK(dev->ops->stream_sync(dev, stream));
    assert_int_equal(mine[0], 'x');
    assert_int_equal(mine[99], 9);
    dev->opt->host_unregister(dev, mine, r.impl);
    assert_int_equal(mine[99], 9); /* and it is still ours */
}

static void properties_are_sensible(void **state)
{
    const struct halDeviceProp *p = &dev->info.prop;

    (void)state;
    assert_string_equal(p->backend, "cpu");
    assert_true(p->name[0] != '\0');
    assert_true(p->totalGlobalMem > 0);
    assert_true(p->multiProcessorCount >= 1);
    assert_int_equal(p->warpSize, 1);
    assert_int_equal(p->dtypes, (1u << halDtypeCount) - 1);
    assert_int_equal(dev->info.target, HAL_TARGET_CPU);
    assert_int_equal(dev->ops->size, sizeof *dev->ops);
}

static void threads_can_be_forced(void **state)
{
    static const char *const bad[] = { "0", "-1", "two", "3x", "99999" };
    struct hal_dev *other = NULL;

    (void)state;
    setenv("HALCYON_CPU_THREADS", "5", 1);
    OK(hal_backend_cpu.device_open(0, &other));
    assert_int_equal(other->info.prop.multiProcessorCount, 5);
    other->ops->device_close(other);
    other = NULL;
    for (unsigned i = 0; i < 5; i++) {
        setenv("HALCYON_CPU_THREADS", bad[i], 1);
        assert_int_equal(hal_backend_cpu.device_open(0, &other),
                         halErrorInvalidValue);
        assert_null(other);
    }
    unsetenv("HALCYON_CPU_THREADS");
    assert_int_equal(hal_backend_cpu.device_open(1, &other),
                     halErrorInvalidDevice);
}

/* ---- the account under contention ---------------------------------------- */

#define ROOM ((uint64_t)64 << 10) /* what the device is said to have */

struct taker {
    uint64_t size;
    unsigned n_fitted, n_refused;
    atomic_uint *n_holding;
    pthread_barrier_t *start;
    unsigned n_most; /* held at once, as this one saw it */
};

static void *take_and_give(void *arg)
{
    struct taker *t = arg;

    pthread_barrier_wait(t->start);
    for (unsigned i = 0; i < 300000; i++) {
        struct hal_mem m = { 0 };
        unsigned n;

        if (dev->ops->mem_alloc(dev, t->size, HAL_MEM_DEVICE, &m)) {
            t->n_refused++;
            continue;
        }
        t->n_fitted++;
        n = atomic_fetch_add(t->n_holding, 1) + 1;
        if (n > t->n_most)
            t->n_most = n;
        atomic_fetch_sub(t->n_holding, 1);
        dev->ops->mem_free(dev, m.impl);
    }
    return NULL;
}

static void take_together(struct taker *takers, unsigned n)
{
    uint64_t total = dev->info.prop.totalGlobalMem;
    atomic_uint n_holding = 0;
    pthread_barrier_t start;
    pthread_t threads[8];

    pthread_barrier_init(&start, NULL, n);
    dev->info.prop.totalGlobalMem = ROOM;
    for (unsigned i = 0; i < n; i++) {
        takers[i].n_holding = &n_holding;
        takers[i].start = &start;
        assert_int_equal(
            pthread_create(&threads[i], NULL, take_and_give, &takers[i]), 0);
    }
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    dev->info.prop.totalGlobalMem = total;
}

/* Of two that do not fit together, one at most has memory at any time. */
static void room_is_given_once(void **state)
{
    struct taker takers[4];
    unsigned n_fitted = 0;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        takers[i] = (struct taker){ .size = ROOM / 2 + 1024 };
    take_together(takers, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(takers[i].n_most <= 1);
        n_fitted += takers[i].n_fitted;
    }
    assert_true(n_fitted > 0);
}

/* A request that is refused takes nothing away meanwhile: what fits beside the
 * memory that is held always gets it. */
static void refusals_take_no_room(void **state)
{
    struct taker takers[4];
    struct hal_mem held = { 0 };

    (void)state;
    OK(dev->ops->mem_alloc(dev, ROOM / 2, HAL_MEM_DEVICE, &held));
    for (unsigned i = 0; i < 4; i++)
        takers[i] = (struct taker){ .size = i % 2 ? ROOM - 1024 : 1024 };
    take_together(takers, 4);
    dev->ops->mem_free(dev, held.impl);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(i % 2 ? takers[i].n_fitted : takers[i].n_refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned),
        cmocka_unit_test(out_of_memory_is_an_error),
        cmocka_unit_test(copies_of_all_sizes),
        cmocka_unit_test(copies_that_are_waited_for),
        cmocka_unit_test(fills_of_all_patterns),
        cmocka_unit_test(copies_of_rows),
        cmocka_unit_test(host_memory_is_the_devices),
        cmocka_unit_test(properties_are_sensible),
        cmocka_unit_test(threads_can_be_forced),
        cmocka_unit_test(room_is_given_once),
        cmocka_unit_test(refusals_take_no_room),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
