/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_vulkan_memory.c - devices, allocation, copies and fills of the Vulkan
 * backend, on every Vulkan device that is there.
 */
#include "tests/backends/vulkan_test.h"

static void describes(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        char name[256], driver[256];
        const struct halDeviceProp *p = &dev->info.prop;

        OK(hal_backend_vulkan.describe(each_, name, driver));
        assert_string_equal(name, p->name);
        assert_string_equal(driver, p->driver);
        print_message("vulkan:%u %s | %s | version %u caps %llx\n", each_, name,
                      driver, dev->info.version,
                      (unsigned long long)dev->info.caps);
        assert_int_equal(dev->info.target, HAL_TARGET_VULKAN);
        assert_true(dev->info.caps & HAL_CAP_SSBO);
        assert_true(dev->info.version > 0);
        assert_true(p->memAlign >= 64);
        assert_true(p->maxAllocBytes > 0 &&
                    p->maxAllocBytes <= p->totalGlobalMem);
        assert_true(p->maxThreadsPerBlock >= 128);
        assert_true(p->maxGridSize[0] >= 65535);
        assert_true(p->dtypes & 1u << halBF16);
    }
    assert_int_equal(
        hal_backend_vulkan.describe(99, (char[256]){ 0 }, (char[256]){ 0 }),
        halErrorInvalidDevice);
}

static void order_is_stable(void **state)
{
    unsigned i;

    (void)state;
    if (n_test_devs < 2)
        skip();
    for (i = 1; i < n_test_devs; i++) {
        /* Both are CPUs, so that the name decides. */
        if (test_devs[i]->info.prop.integrated &&
            test_devs[i - 1]->info.prop.integrated)
            assert_true(strcmp(test_devs[i - 1]->info.prop.name,
                               test_devs[i]->info.prop.name) <= 0);
    }
}

static void alloc_counts(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        uint64_t before, after, total;
        struct hal_mem m = { 0 };

        OK(dev->ops->mem_info(dev, &before, &total));
        assert_true(total >= before);
        OK(dev->ops->mem_alloc(dev, 3 << 20, HAL_MEM_DEVICE, &m));
        OK(dev->ops->mem_info(dev, &after, &total));
        assert_int_equal(before - after, 3 << 20);
        dev->ops->mem_free(dev, m.impl);
        OK(dev->ops->mem_info(dev, &after, &total));
        assert_int_equal(before, after);
    }
}

/* More allocations than maxMemoryAllocationCount of SwiftShader (4096). */
static void alloc_many(void **state)
{
    enum { N = 6000 };
    static struct hal_mem m[N];
    unsigned i;

    (void)state;
    EACH_DEVICE(dev)
    {
        for (i = 0; i < N; i++)
            OK(dev->ops->mem_alloc(dev, 1 + i % 5000, HAL_MEM_DEVICE, &m[i]));
        for (i = 0; i < N; i += 2)
            dev->ops->mem_free(dev, m[i].impl);
        for (i = 0; i < N; i += 2)
            OK(dev->ops->mem_alloc(dev, 777, HAL_MEM_DEVICE, &m[i]));
        for (i = 0; i < N; i++)
            dev->ops->mem_free(dev, m[i].impl);
    }
}

static void alloc_exhausts(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    /* One thread, and a driver's heap whose every page is written to. */
    skip();
#endif
    EACH_DEVICE(dev)
    {
        const uint64_t chunk = dev->info.prop.maxAllocBytes / 4;
        struct hal_mem m[64] = { 0 }, untouched = { (void *)7, (void *)8 };
        halError_t st = halSuccess;
        uint64_t before, after, total;
        unsigned n = 0;

        OK(dev->ops->mem_info(dev, &before, &total));
        while (n < 64 && st == halSuccess) {
            st = dev->ops->mem_alloc(dev, chunk, HAL_MEM_DEVICE, &m[n]);
            if (st == halSuccess)
                n++;
        }
        if (n < 64)
            assert_int_equal(st, halErrorMemoryAllocation);
        assert_int_equal(dev->ops->mem_alloc(dev,
                                             dev->info.prop.maxAllocBytes + 1,
                                             HAL_MEM_DEVICE, &untouched),
                         halErrorMemoryAllocation);
        assert_ptr_equal(untouched.impl, (void *)7);
        while (n)
            dev->ops->mem_free(dev, m[--n].impl);
        OK(dev->ops->mem_info(dev, &after, &total));
        assert_int_equal(before, after);
    }
}

static void managed_is_aligned(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        struct hal_mem a, b;

        if (!dev->info.prop.managedMemory)
            continue;
        OK(dev->ops->mem_alloc(dev, 100, HAL_MEM_MANAGED, &a));
        OK(dev->ops->mem_alloc(dev, 64 << 20, HAL_MEM_MANAGED, &b));
        assert_non_null(a.addr);
        assert_int_equal((uintptr_t)a.addr % dev->info.prop.memAlign, 0);
        assert_int_equal((uintptr_t)b.addr % dev->info.prop.memAlign, 0);
        memset(a.addr, 1, 100);
        ((char *)b.addr)[(64 << 20) - 1] = 1;
        dev->ops->mem_free(dev, a.impl);
        dev->ops->mem_free(dev, b.impl);
    }
}

/* ---- copies ---------------------------------------------------------- */

static void bytes_make(unsigned char *to, size_t n, unsigned seed)
{
    size_t i;

    for (i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        to[i] = (unsigned char)(seed >> 24);
    }
}

/* A stream whose queue is busy, so that nothing takes the host's short cut. */
static void host_gate(void *arg)
{
    while (!__atomic_load_n((int *)arg, __ATOMIC_ACQUIRE))
        sleep_ms(1);
}

static void copies_with(struct hal_dev *dev, unsigned flags, int busy)
{
    static const size_t sizes[] = { 1,     3,     4,       255,     4096,
                                    65536, 65537, 1000003, 20 << 20 };
    const size_t max = 20 << 20;
    unsigned char *from = malloc(max + 16), *to = malloc(max + 16);
    struct hal_mem a, b;
    void *s;
    size_t i, k;

    bytes_make(from, max + 16, 1);
    OK(dev->ops->stream_create(dev, 0, &s));
    OK(dev->ops->mem_alloc(dev, max + 64, HAL_MEM_DEVICE, &a));
    OK(dev->ops->mem_alloc(dev, max + 64, HAL_MEM_DEVICE, &b));
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t n = sizes[i], at = i % 7;
        int gate = 0;

        memset(to, 0xEE, max + 16);
        if (busy)
            OK(dev->ops->host_func(dev, s, host_gate, &gate));
        OK(dev->ops->copy_in(dev, s, a.impl, at, from + 1, n, flags));
        OK(dev->ops->copy(dev, s, b.impl, 5, a.impl, at, n));
        __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
        OK(dev->ops->copy_out(dev, s, to + 3, b.impl, 5, n, flags));
        OK(dev->ops->stream_sync(dev, s));
        for (k = 0; k < 3; k++)
            assert_int_equal(to[k], 0xEE);
        assert_memory_equal(to + 3, from + 1, n);
        assert_int_equal(to[3 + n], 0xEE);
    }
    dev->ops->stream_destroy(dev, s);
    dev->ops->mem_free(dev, a.impl);
    dev->ops->mem_free(dev, b.impl);
    free(from);
    free(to);
}

static void copies_idle(void **state)
{
    (void)state;
    EACH_DEVICE(dev) copies_with(dev, 0, 0);
}

static void copies_busy(void **state)
{
    (void)state;
    EACH_DEVICE(dev) copies_with(dev, 0, 1);
}

/* Memory that the core calls pinned and the backend has never seen. */
static void copies_foreign_pinned(void **state)
{
    (void)state;
    EACH_DEVICE(dev) copies_with(dev, HAL_COPY_PINNED, 1);
}

static void copies_waited_for(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        test_waited(dev, 100);
        test_waited(dev, 3 << 20);
    }
}

static void copies_pinned(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        const size_t n = 3 << 20;
        struct hal_mem a, pin_mem = { 0 }, reg_mem = { 0 };
        unsigned char *reg = malloc(n + 64);
        void *s, *pin;
        int gate = 0;

        if (!dev->opt || !dev->opt->host_alloc)
            continue;
        OK(dev->ops->stream_create(dev, 0, &s));
        OK(dev->ops->mem_alloc(dev, n, HAL_MEM_DEVICE, &a));
        OK(dev->opt->host_alloc(dev, n, 0, &pin, &pin_mem));
        OK(dev->opt->host_register(dev, reg + 7, n, &reg_mem));
        assert_ptr_equal(pin_mem.addr, pin);
        bytes_make(pin, n, 3);
        memset(reg, 0xEE, n + 64);
        /* None of the four waits, though the stream stands still. */
        OK(dev->ops->host_func(dev, s, host_gate, &gate));
        OK(dev->ops->copy_in(dev, s, a.impl, 0, pin, n, HAL_COPY_PINNED));
        OK(dev->ops->copy_out(dev, s, reg + 7, a.impl, 0, n, HAL_COPY_PINNED));
        assert_int_equal(reg[7], 0xEE);
        __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
        OK(dev->ops->stream_sync(dev, s));
        assert_memory_equal(reg + 7, pin, n);
        assert_int_equal(reg[6], 0xEE);
        assert_int_equal(reg[7 + n], 0xEE);
        bytes_make(reg + 7, n, 4);
        OK(dev->ops->copy_in(dev, s, a.impl, 0, reg + 7, n, HAL_COPY_PINNED));
        OK(dev->ops->copy_out(dev, s, pin, a.impl, 0, n, HAL_COPY_PINNED));
        OK(dev->ops->stream_sync(dev, s));
        assert_memory_equal(reg + 7, pin, n);
        dev->opt->host_free(dev, pin, pin_mem.impl);
        dev->opt->host_unregister(dev, reg + 7, reg_mem.impl);
        dev->ops->stream_destroy(dev, s);
        dev->ops->mem_free(dev, a.impl);
        free(reg);
    }
}

/* ---- fills ----------------------------------------------------------- */

static void fills_with(struct hal_dev *dev, int busy)
{
    enum { N = 512 };
    unsigned char want[N], got[N], pattern[4] = { 0x11, 0x22, 0x33, 0x44 };
    uint32_t word;
    struct hal_mem m;
    unsigned bytes, offset, size, i;
    void *s;

    memcpy(&word, pattern, 4);
    OK(dev->ops->stream_create(dev, 0, &s));
    OK(dev->ops->mem_alloc(dev, N, HAL_MEM_DEVICE, &m));
    for (bytes = 1; bytes <= 4; bytes *= 2)
        for (offset = 0; offset < 9; offset += bytes)
            for (size = bytes; size < 27; size += bytes) {
                int gate = 0;

                memset(want, 0x5A, N);
                OK(dev->ops->copy_in(dev, s, m.impl, 0, want, N, 0));
                if (busy)
                    OK(dev->ops->host_func(dev, s, host_gate, &gate));
                OK(dev->ops->fill(dev, s, m.impl, offset, size, word, bytes));
                __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
                OK(dev->ops->copy_out(dev, s, got, m.impl, 0, N, 0));
                for (i = 0; i < size; i++)
                    want[offset + i] = pattern[i % bytes];
                assert_memory_equal(got, want, N);
            }
    dev->ops->mem_free(dev, m.impl);
    dev->ops->stream_destroy(dev, s);
}

static void fills(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        fills_with(dev, 0);
        fills_with(dev, 1);
    }
}

static void fill_large(void **state)
{
    (void)state;
    EACH_DEVICE(dev)
    {
        const size_t n = (5 << 20) + 3;
        unsigned char *got = malloc(n);
        struct hal_mem m;
        size_t i;
        void *s;

        OK(dev->ops->stream_create(dev, 0, &s));
        OK(dev->ops->mem_alloc(dev, n, HAL_MEM_DEVICE, &m));
        OK(dev->ops->fill(dev, s, m.impl, 0, n, 0xA5, 1));
        OK(dev->ops->copy_out(dev, s, got, m.impl, 0, n, 0));
        for (i = 0; i < n; i++)
            if (got[i] != 0xA5)
                fail_msg("byte %zu is %#x", i, got[i]);
        dev->ops->mem_free(dev, m.impl);
        dev->ops->stream_destroy(dev, s);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes),
        cmocka_unit_test(order_is_stable),
        cmocka_unit_test(alloc_counts),
        cmocka_unit_test(alloc_many),
        cmocka_unit_test(alloc_exhausts),
        cmocka_unit_test(managed_is_aligned),
        cmocka_unit_test(copies_idle),
        cmocka_unit_test(copies_busy),
        cmocka_unit_test(copies_foreign_pinned),
        cmocka_unit_test(copies_waited_for),
        cmocka_unit_test(copies_pinned),
        cmocka_unit_test(fills),
        cmocka_unit_test(fill_large),
    };

    return cmocka_run_group_tests_name("vulkan memory", tests, vulkan_test_open,
                                       vulkan_test_close);
}
