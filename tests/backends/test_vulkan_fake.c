/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_vulkan_fake.c - the Vulkan backend on tests/fakes/fake_vulkan.c: absent,
 * broken and old drivers, every Vulkan call failing in turn, lost devices, and
 * the paths of a discrete GPU.
 */
#include <dlfcn.h>
#include <libgen.h>

#include "backends/vulkan/vulkan.h"
#include "tests/backends/vulkan_test.h"

static struct {
    void *lib;
    char path[600];
    void (*reset)(void);
    void (*set)(const char *key, long value);
    void (*lacks)(const char *name);
    void (*break_at)(long nth, int result);
    void (*break_in)(const char *function, int result);
    long (*get)(const char *key);
} fake;

/* "main" of a kernel that does nothing. */
static const uint32_t empty_spirv[] = { 0x07230203,
                                        0x00010300,
                                        0,
                                        5,
                                        0, /* header */
                                        5u << 16 | 15,
                                        5,
                                        1,
                                        0x6e69616d,
                                        0, /* OpEntryPoint "main" */
                                        6u << 16 | 16,
                                        1,
                                        17,
                                        64,
                                        1,
                                        1, /* LocalSize 64 1 1 */
                                        5u << 16 | 54,
                                        2,
                                        1,
                                        0,
                                        3, /* OpFunction */
                                        2u << 16 | 248,
                                        4,
                                        1u << 16 | 253,
                                        1u << 16 | 56 };

static int fake_open(void **state)
{
    char exe[500];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

    (void)state;
    if (n < 0)
        return -1;
    exe[n] = 0;
    snprintf(fake.path, sizeof fake.path, "%s/../fakes/fake_vulkan.so",
             dirname(exe));
    fake.lib = dlopen(fake.path, RTLD_NOW);
    if (!fake.lib) {
        print_message("%s\n", dlerror());
        return -1;
    }
#define GET(name)                                           \
    do {                                                    \
        void *sym_ = dlsym(fake.lib, "fake_vulkan_" #name); \
        memcpy(&fake.name, &sym_, sizeof sym_);             \
    } while (0)
    GET(reset);
    GET(set);
    GET(lacks);
    GET(break_at);
    GET(break_in);
    GET(get);
#undef GET
    vulkan_test_drivers();
    setenv("HALCYON_VULKAN_LIB", fake.path, 1);
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    vulkan_inst_close();
    fake.reset();
    unsetenv("HALCYON_VULKAN_VALIDATION");
    setenv("HALCYON_VULKAN_LIB", fake.path, 1);
    return 0;
}

/* ---- probe ----------------------------------------------------------- */

static void refused(halError_t want, const char *words)
{
    unsigned count = 77;

    assert_int_equal(hal_backend_vulkan.probe(&count), want);
    assert_int_equal(count, 77);
    if (!strstr(halGetErrorDetail(), words))
        fail_msg("\"%s\" is not in \"%s\"", words, halGetErrorDetail());
    assert_int_equal(fake.get("live"), 0);
}

static void drivers_that_do_not_serve(void **state)
{
    (void)state;
    setenv("HALCYON_VULKAN_LIB", "/nowhere/libvulkan.so.1", 1);
    refused(halErrorNoDriver, "mesa-vulkan-drivers");
    setenv("HALCYON_VULKAN_LIB", "libm.so.6", 1); /* a library, but not it */
    refused(halErrorNoDriver, "vkGetInstanceProcAddr");
    setenv("HALCYON_VULKAN_LIB", fake.path, 1);
    fake.lacks("vkCreateInstance");
    refused(halErrorNoDriver, "vkCreateInstance");
    fake.lacks("vkCreateDevice");
    refused(halErrorNoDriver, "vkCreateDevice");
    fake.lacks("");
    fake.set("devices", 0);
    refused(halErrorNoDriver, "mesa-vulkan-drivers");
    fake.set("devices", 2);
    fake.set("timeline", 0);
    refused(halErrorNoDriver, "timelineSemaphore");
    fake.set("timeline", 1);
    fake.set("api", VK_API_VERSION_1_1);
    refused(halErrorNoDriver, "1.2 is needed");
    fake.set("api", VK_API_VERSION_1_2);
    setenv("HALCYON_VULKAN_VALIDATION", "1", 1);
    refused(halErrorNoDriver, "vulkan-validationlayers");
}

static void device_without_a_function(void **state)
{
    unsigned count;
    struct hal_dev *dev = (void *)5;

    (void)state;
    OK(hal_backend_vulkan.probe(&count));
    fake.lacks("vkCmdFillBuffer");
    assert_int_equal(hal_backend_vulkan.device_open(0, &dev), halErrorNoDriver);
    assert_ptr_equal(dev, (void *)5);
    assert_non_null(strstr(halGetErrorDetail(), "vkCmdFillBuffer"));
    assert_int_equal(fake.get("live"), 1); /* the instance */
}

static void devices_are_sorted(void **state)
{
    unsigned count = 0, i;
    char name[256], driver[256], want[] = "fake x";

    (void)state;
    fake.set("devices", 3);
    OK(hal_backend_vulkan.probe(&count));
    assert_int_equal(count, 3);
    for (i = 0; i < 3; i++) {
        want[5] = (char)('x' + i); /* the fake lists z, y, x */
        OK(hal_backend_vulkan.describe(i, name, driver));
        assert_string_equal(name, want);
    }
}

/* ---- every call fails once ------------------------------------------- */

static void count_fn(void *arg)
{
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
}

/* What a scenario holds; freed whatever happened. */
struct held {
    struct hal_dev *dev;
    void *s, *t, *e, *f, *pinned;
    struct hal_mem x, y, pin;
    struct test_kernel k;
    int funcs, calls;
};

#define TRY(call)                        \
    do {                                 \
        if ((st = (call)) != halSuccess) \
            return st;                   \
    } while (0)

static halError_t make(struct held *h)
{
    const struct hal_ops *ops;
    unsigned count;
    halError_t st;

    TRY(hal_backend_vulkan.probe(&count));
    TRY(hal_backend_vulkan.device_open(0, &h->dev));
    ops = h->dev->ops;
    TRY(ops->stream_create(h->dev, 0, &h->s));
    TRY(ops->stream_create(h->dev, 0, &h->t));
    TRY(ops->event_create(h->dev, 1, &h->e));
    TRY(ops->event_create(h->dev, 1, &h->f));
    TRY(ops->mem_alloc(h->dev, 70000, HAL_MEM_DEVICE, &h->x));
    TRY(ops->mem_alloc(h->dev, 3 << 20, HAL_MEM_DEVICE, &h->y));
    TRY(h->dev->opt->host_alloc(h->dev, 4096, 0, &h->pinned, &h->pin));
    test_kernel_desc(&h->k, "empty", "fs");
    h->k.n_images = 1;
    h->k.images[0].target = HAL_TARGET_VULKAN;
    h->k.images[0].caps = HAL_CAP_SSBO;
    h->k.images[0].blob = empty_spirv;
    h->k.images[0].blob_bytes = sizeof empty_spirv;
    return test_kernel_create(h->dev, &h->k);
}

static halError_t use(struct held *h)
{
    static unsigned char from[70000], to[70000], later[70000];
    const struct hal_ops *ops = h->dev->ops;
    const union hal_arg args[] = { arg_buffer(&h->x, 70000, 64),
                                   arg_scalar(1) };
    uint32_t word;
    float ms;
    halError_t st;
    int i, is_later;

    memset(from, 3, sizeof from);
    memset(to, 0, sizeof to);
    TRY(ops->event_record(h->dev, h->s, h->e));
    TRY(ops->fill(h->dev, h->s, h->x.impl, 0, 70000, 9, 1));
    TRY(ops->copy_in(h->dev, h->s, h->x.impl, 64, from, 60000, 0));
    for (i = 0; i < 70; i++)
        TRY(test_launch(h->dev, h->s, &h->k, 1, args));
    TRY(ops->host_func(h->dev, h->s, count_fn, &h->funcs));
    h->calls++;
    TRY(ops->fill(h->dev, h->s, h->x.impl, 101, 7, 0xAB, 1));
    TRY(ops->event_record(h->dev, h->s, h->f));
    TRY(ops->stream_wait(h->dev, h->t, h->f));
    TRY(ops->copy(h->dev, h->t, h->y.impl, 5, h->x.impl, 0, 70000));
    TRY(ops->copy_out(h->dev, h->t, h->pinned, h->y.impl, 5, 4096,
                      HAL_COPY_PINNED));
    TRY(ops->copy_out(h->dev, h->t, to, h->y.impl, 5, 70000, 0));
    st = ops->copy_out(h->dev, h->t, later, h->y.impl, 5, 70000,
                       HAL_COPY_WAITED);
    is_later = st != halErrorNotReady;
    if (is_later)
        TRY(st);
    TRY(ops->event_sync(h->dev, h->f));
    TRY(ops->event_elapsed(h->dev, h->e, h->f, &ms));
    TRY(ops->stream_sync(h->dev, h->s));
    TRY(ops->stream_sync(h->dev, h->t));
    assert_true(ms >= 0);
    assert_int_equal(h->funcs, h->calls);
    assert_int_equal(to[0], 9);
    memcpy(&word, to + 64, 4);
    assert_int_equal(word, 0x03030303 + 70);
    for (i = 68; i < 60064; i++)
        assert_int_equal(to[i], i >= 101 && i < 108 ? 0xAB : 3);
    assert_int_equal(to[60064], 9);
    assert_memory_equal(h->pinned, to, 4096);
    if (is_later)
        assert_memory_equal(later, to, sizeof to);
    return halSuccess;
}

static void unmake(struct held *h)
{
    const struct hal_ops *ops;

    if (!h->dev)
        return;
    ops = h->dev->ops;
    ops->stream_destroy(h->dev, h->s);
    ops->stream_destroy(h->dev, h->t);
    ops->event_destroy(h->dev, h->e);
    ops->event_destroy(h->dev, h->f);
    ops->kernel_destroy(h->dev, h->k.kernel);
    ops->mem_free(h->dev, h->x.impl);
    ops->mem_free(h->dev, h->y.impl);
    h->dev->opt->host_free(h->dev, h->pinned, h->pin.impl);
    ops->device_close(h->dev);
}

/* Counts n up until nothing is left to fail. */
static void sweep(VkResult result, const char *const *on)
{
    long n, failed = 0;

    for (n = 1; n < 5000; n++) {
        struct held h = { 0 };
        halError_t st;
        long calls;

        fresh(NULL);
        for (size_t i = 0; on[i]; i++)
            fake.set(on[i], 1);
        fake.break_at(n, result);
        st = make(&h);
        /* A failure leaves the out-parameter alone: what a later step would
         * have filled is still 0, and so is what this one should have. */
        if (st == halSuccess)
            st = use(&h);
        calls = fake.get("calls");
        failed += st != halSuccess;
        if (st != halSuccess)
            assert_true(halGetErrorDetail()[0] != 0);
        unmake(&h);
        assert_int_equal(h.funcs, h.calls); /* functions always run */
        assert_int_equal(fake.get("live"), vulkan_inst.handle ? 1 : 0);
        assert_int_equal(fake.get("unready"), 0);
        assert_int_equal(fake.get("unordered"), 0); /* by barriers */
        assert_int_equal(fake.get("busy"), 0);
        if (calls < n) {
            assert_int_equal(st, halSuccess);
            break;
        }
    }
    print_message("%d%s: %ld calls, %ld reported\n", (int)result,
                  on[0] ? on[0] : "", n, failed);
    assert_true(n > 60 && n < 5000);
    assert_true(failed > 20);
}

static const char *const plain[] = { NULL };
static const char *const discrete[] = { "discrete", "deferred", "push", NULL };

static void host_memory_fails(void **state)
{
    (void)state;
    sweep(VK_ERROR_OUT_OF_HOST_MEMORY, plain);
    sweep(VK_ERROR_OUT_OF_HOST_MEMORY, discrete);
}

static void device_memory_fails(void **state)
{
    (void)state;
    sweep(VK_ERROR_OUT_OF_DEVICE_MEMORY, plain);
    sweep(VK_ERROR_OUT_OF_DEVICE_MEMORY, discrete);
}

static void device_is_lost(void **state)
{
    (void)state;
    sweep(VK_ERROR_DEVICE_LOST, plain);
    sweep(VK_ERROR_DEVICE_LOST, discrete);
}

/* ---- single paths ---------------------------------------------------- */

static void works_on(const char *key, long value)
{
    struct held h = { 0 };

    fresh(NULL);
    fake.set(key, value);
    OK(make(&h));
    OK(use(&h));
    OK(use(&h));
    unmake(&h);
    assert_int_equal(fake.get("unready"), 0);
    assert_int_equal(fake.get("live"), 1);
}

static void all_kinds_of_device(void **state)
{
    (void)state;
    works_on("discrete", 1);
    works_on("deferred", 1);
    works_on("push", 1);
    works_on("stamp_bits", 0); /* the host's clock */
    works_on("stamp_bits", 36);
}

static void lost_says_so(void **state)
{
    struct held h = { 0 };
    uint64_t a, b;
    void *p = (void *)3;
    struct hal_mem m = { (void *)4, NULL };

    (void)state;
    OK(make(&h));
    fake.break_at(1, VK_ERROR_DEVICE_LOST);
    assert_int_equal(use(&h), halErrorDeviceLost);
    assert_int_equal(h.dev->ops->stream_sync(h.dev, h.s), halErrorDeviceLost);
    assert_int_equal(h.dev->ops->stream_query(h.dev, h.s), halErrorDeviceLost);
    assert_int_equal(h.dev->ops->mem_info(h.dev, &a, &b), halErrorDeviceLost);
    assert_int_equal(h.dev->ops->stream_create(h.dev, 0, &p),
                     halErrorDeviceLost);
    assert_int_equal(h.dev->ops->event_create(h.dev, 0, &p),
                     halErrorDeviceLost);
    assert_int_equal(h.dev->ops->mem_alloc(h.dev, 9, HAL_MEM_DEVICE, &m),
                     halErrorDeviceLost);
    assert_ptr_equal(p, (void *)3);
    assert_ptr_equal(m.impl, (void *)4);
    unmake(&h);
    assert_int_equal(fake.get("live"), 1);
}

/* A stream whose commands gather: two batches are in flight and stay there. */
static void make_busy(struct held *h)
{
    const struct hal_ops *ops;

    fake.set("deferred", 1);
    OK(make(h));
    ops = h->dev->ops;
    OK(ops->fill(h->dev, h->s, h->y.impl, 0, 2 << 20, 1, 1));
    OK(ops->fill(h->dev, h->s, h->y.impl, 0, 2 << 20, 2, 1));
}

/* A batch that cannot be submitted takes others' commands along.  Whoever
 * happens to submit it is not told (its own call is fine), the next
 * synchronisation of the stream is, once, and in the words of the failure. */
static void lost_batch(void **state)
{
    static const char *const where[] = { "EndCommandBuffer", "QueueSubmit" };
    struct held h;
    void *untimed;

    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct hal_ops *ops;
        halError_t st;

        fresh(NULL);
        memset(&h, 0, sizeof h);
        make_busy(&h);
        ops = h.dev->ops;
        OK(ops->event_create(h.dev, 0, &untimed));
        fake.break_in(where[i % 2], VK_ERROR_OUT_OF_DEVICE_MEMORY);
        OK(ops->fill(h.dev, h.s, h.y.impl, 0, 2 << 20, 3, 1)); /* gathers */
        /* Submits it, or the flusher has. */
        if (i < 2)
            OK(ops->event_record(h.dev, h.s, untimed));
        else
            OK(ops->stream_wait(h.dev, h.t, untimed));
        st = ops->stream_sync(h.dev, h.s);
        assert_int_equal(st, halErrorMemoryAllocation);
        assert_non_null(strstr(halGetErrorDetail(), where[i % 2]));
        OK(ops->stream_sync(h.dev, h.s));
        OK(ops->stream_sync(h.dev, h.t)); /* none of its business */
        ops->event_destroy(h.dev, untimed);
        unmake(&h);
        assert_int_equal(fake.get("live"), 1);
    }
}

/* A command that is alone in a batch that fails is its caller's to hear of,
 * and nobody else's. */
static void lost_command(void **state)
{
    struct held h = { 0 };
    const struct hal_ops *ops;

    (void)state;
    fake.set("deferred", 1);
    OK(make(&h));
    ops = h.dev->ops;
    fake.break_in("QueueSubmit", VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(ops->fill(h.dev, h.s, h.y.impl, 0, 2 << 20, 1, 1),
                     halErrorMemoryAllocation);
    OK(ops->stream_sync(h.dev, h.s));
    unmake(&h);
    assert_int_equal(fake.get("live"), 1);
}

/* Its own time stamp in the lost batch: the record fails, and so does what was
 * lost with it. */
static void lost_stamp(void **state)
{
    struct held h = { 0 };
    const struct hal_ops *ops;

    (void)state;
    make_busy(&h);
    ops = h.dev->ops;
    fake.break_in("QueueSubmit", VK_ERROR_OUT_OF_DEVICE_MEMORY);
    OK(ops->fill(h.dev, h.s, h.y.impl, 0, 2 << 20, 3, 1));
    /* The flusher may have been first: then only the sync is told. */
    if (ops->event_record(h.dev, h.s, h.e) != halSuccess)
        assert_int_equal(ops->event_query(h.dev, h.e), halSuccess);
    assert_int_equal(ops->stream_sync(h.dev, h.s), halErrorMemoryAllocation);
    OK(ops->stream_sync(h.dev, h.s));
    unmake(&h);
    assert_int_equal(fake.get("live"), 1);
}

/* Whoever may return does not wait for the queue, which other streams may keep
 * for long: the core holds the stream's lock meanwhile. */
static void waited_copies_return(void **state)
{
    const size_t size = (33 << 20) + 5; /* three pieces */
    struct hal_mem m = { NULL, NULL };
    struct hal_dev *dev;
    const struct hal_ops *ops;
    unsigned char *to = malloc(size);
    unsigned count;
    void *s;

    (void)state;
    fake.set("discrete", 1);
    fake.set("deferred", 1);
    OK(hal_backend_vulkan.probe(&count));
    OK(hal_backend_vulkan.device_open(0, &dev));
    ops = dev->ops;
    OK(ops->stream_create(dev, 0, &s));
    OK(ops->mem_alloc(dev, size, HAL_MEM_DEVICE, &m));
    for (int round = 0; round < 2; round++) {
        memset(to, 0xEE, size);
        OK(ops->fill(dev, s, m.impl, 0, size, 7, 1));
        OK(ops->fill(dev, s, m.impl, size - 1, 1, 8, 1));
        if (round)
            OK(ops->stream_sync(dev, s));
        fake.set("stalled", 1);
        alarm(30);
        OK(ops->copy_out(dev, s, to, m.impl, 0, size, HAL_COPY_WAITED));
        assert_int_equal(ops->stream_query(dev, s), halErrorNotReady);
        OK(ops->fill(dev, s, m.impl, 0, size, 9, 1)); /* behind the copy */
        assert_int_equal(to[0], 0xEE);
        fake.set("stalled", 0);
        OK(ops->stream_sync(dev, s));
        alarm(0);
        for (size_t i = 0; i < size; i++)
            if (to[i] != (i + 1 < size ? 7 : 8))
                fail_msg("round %d: byte %zu is %u", round, i, to[i]);
    }
    ops->stream_destroy(dev, s);
    ops->mem_free(dev, m.impl);
    ops->device_close(dev);
    free(to);
    assert_int_equal(fake.get("unready"), 0);
    assert_int_equal(fake.get("live"), 1);
}

/* With no memory for staging, the core waits for what may give some back. */
static void short_memory_returns(void **state)
{
    const size_t size = 16 << 20;
    unsigned char *from = malloc(size);
    struct hal_mem m = { NULL, NULL };
    struct held h = { 0 };
    const struct hal_ops *ops;

    (void)state;
    fake.set("discrete", 1);
    fake.set("deferred", 1);
    OK(make(&h));
    ops = h.dev->ops;
    OK(ops->mem_alloc(h.dev, size, HAL_MEM_DEVICE, &m));
    OK(ops->fill(h.dev, h.s, m.impl, 0, size, 7, 1));
    memset(from, 5, size);
    fake.set("stalled", 1);
    fake.set("full", 1);
    alarm(30);
    assert_int_equal(
        ops->copy_in(h.dev, h.s, m.impl, 0, from, size, HAL_COPY_WAITED),
        halErrorNotReady);
    alarm(0);
    fake.set("stalled", 0);
    fake.set("full", 0);
    OK(ops->stream_sync(h.dev, h.s));
    OK(ops->copy_in(h.dev, h.s, m.impl, 0, from, size, HAL_COPY_WAITED));
    OK(ops->stream_sync(h.dev, h.s));
    ops->mem_free(h.dev, m.impl);
    unmake(&h);
    free(from);
    assert_int_equal(fake.get("live"), 1);
}

/* After the sync that says so nothing is written any more. */
static void lost_copies_let_go(void **state)
{
    const size_t size = 1 << 20;
    unsigned char *to = malloc(size);
    struct held h = { 0 };

    (void)state;
    fake.set("discrete", 1);
    fake.set("deferred", 1);
    OK(make(&h));
    memset(to, 0xEE, size);
    OK(h.dev->ops->fill(h.dev, h.s, h.y.impl, 0, size, 7, 1));
    fake.set("stalled", 1);
    OK(h.dev->ops->copy_out(h.dev, h.s, to, h.y.impl, 0, size,
                            HAL_COPY_WAITED));
    fake.break_at(1, VK_ERROR_DEVICE_LOST);
    assert_int_equal(h.dev->ops->stream_sync(h.dev, h.s), halErrorDeviceLost);
    fake.set("stalled", 0);
    free(to); /* for the address sanitizer */
    unmake(&h);
    assert_int_equal(fake.get("live"), 1);
}

/* Thousands of allocations where the driver allows four. */
static void few_driver_allocations(void **state)
{
    static struct hal_mem m[3000];
    struct hal_dev *dev;
    unsigned count, i;

    (void)state;
    fake.set("allocations", 4);
    OK(hal_backend_vulkan.probe(&count));
    OK(hal_backend_vulkan.device_open(0, &dev));
    for (i = 0; i < 3000; i++)
        OK(dev->ops->mem_alloc(dev, 1000 + i, HAL_MEM_DEVICE, &m[i]));
    for (i = 0; i < 3000; i++) /* back to front in pairs */
        dev->ops->mem_free(dev, m[i ^ 1].impl);
    for (i = 0;
         i < 4 && !dev->ops->mem_alloc(dev, 50 << 20, HAL_MEM_DEVICE, &m[i]);)
        i++;
    assert_int_equal(i, 4);
    assert_int_equal(dev->ops->mem_alloc(dev, 50 << 20, HAL_MEM_DEVICE, &m[4]),
                     halErrorMemoryAllocation);
    while (i)
        dev->ops->mem_free(dev, m[--i].impl);
    dev->ops->device_close(dev);
    assert_int_equal(fake.get("live"), 1);
}

/* The pipeline cache comes back; one with a foreign header does not. */
static void cache_on_disk(void **state)
{
    const char *dir = getenv("HALCYON_CACHE_DIR");
    char command[600];
    struct held h;

    (void)state;
    assert_non_null(dir);
    snprintf(command, sizeof command, "rm -rf '%s'/*", dir);
    assert_int_equal(system(command), 0);
    for (int round = 0; round < 3; round++) {
        memset(&h, 0, sizeof h);
        fresh(NULL);
        OK(make(&h));
        assert_int_equal(fake.get("cache"), round == 1 ? 100 : 0);
        OK(use(&h));
        unmake(&h);
        snprintf(command, sizeof command,
                 "for f in $(find '%s' -type f); do printf damaged | dd "
                 "of=$f bs=1 seek=70 conv=notrunc 2>/dev/null; done",
                 dir);
        if (round == 1)
            assert_int_equal(system(command), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(drivers_that_do_not_serve, fresh),
        cmocka_unit_test_setup(device_without_a_function, fresh),
        cmocka_unit_test_setup(devices_are_sorted, fresh),
        cmocka_unit_test_setup(all_kinds_of_device, fresh),
        cmocka_unit_test_setup(host_memory_fails, fresh),
        cmocka_unit_test_setup(device_memory_fails, fresh),
        cmocka_unit_test_setup(device_is_lost, fresh),
        cmocka_unit_test_setup(lost_says_so, fresh),
        cmocka_unit_test_setup(lost_batch, fresh),
        cmocka_unit_test_setup(lost_command, fresh),
        cmocka_unit_test_setup(lost_stamp, fresh),
        cmocka_unit_test_setup(waited_copies_return, fresh),
        cmocka_unit_test_setup(short_memory_returns, fresh),
        cmocka_unit_test_setup(lost_copies_let_go, fresh),
        cmocka_unit_test_setup(few_driver_allocations, fresh),
        cmocka_unit_test_setup(cache_on_disk, fresh),
    };

    return cmocka_run_group_tests_name("vulkan fake", tests, fake_open, fresh);
}
