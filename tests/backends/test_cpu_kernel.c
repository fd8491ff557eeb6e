/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cpu_kernel.c - images and launches: what runs, on how many threads,
 * with which arguments and scratch; and images that are refused.
 */
#include <elf.h>
#include <time.h>

#include "tests/backends/cpu_test.h"

static const char source[] =
    "K(count) { u32 *hits = (u32 *)args[0]; IDS(0);\n"
    "  for (u64 i = first; i < last; i++)\n"
    "    __atomic_fetch_add(&hits[i], *(const u32 *)&args[1], 0); }\n"
    "K(shape) { u64 *out = (u64 *)args[0]; IDS(0);\n"
    "  for (u64 i = first; i < last; i++)\n"
    "    out[i] = (u64)g[0] << 40 | (u64)g[1] << 20 | g[2]; }\n"
    "K(scratch) { u64 *out = (u64 *)args[0]; char *s = scratch; (void)g;\n"
    "  for (u32 j = 0; j < 100000; j++) s[j] = (char)j;\n"
    "  for (u64 i = first; i < last; i++)\n"
    "    out[i] = (u64)scratch % 64 + (s[99999] != (char)99999); }\n"
    "K(slow) { volatile u64 *out = (u64 *)args[0]; IDS(0);\n"
    "  for (u64 i = first; i < last; i++) {\n"
    "    for (u32 n = 0; n < *(const u32 *)&args[1]; n++) out[i] += n;\n"
    "    out[i] = 77; } }\n"
    "K(nothing) { IDS(first + last); }\n"
    "static u32 loaded; K(state) { IDS(first + last);\n"
    "  *(u32 *)args[0] = ++loaded; }\n";

static struct hal_dev *dev;
static void *stream, *blob;
static size_t blob_size;

static int setup(void **state)
{
    (void)state;
    setenv("HALCYON_CPU_THREADS", "3", 1);
    if (hal_backend_cpu.device_open(0, &dev) != halSuccess)
        return -1;
    unsetenv("HALCYON_CPU_THREADS");
    cpu_test_compile(source, &blob, &blob_size);
    return dev->ops->stream_create(dev, 0, &stream) == halSuccess ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    dev->ops->stream_destroy(dev, stream);
    dev->ops->device_close(dev);
    free(blob);
    return 0;
}

static struct hal_mem new_mem(uint64_t size)
{
    struct hal_mem m = { 0 };

    OK(dev->ops->mem_alloc(dev, size, HAL_MEM_DEVICE, &m));
    memset(m.addr, 0, size);
    return m;
}

/* Again and again, so that the learnt cost takes every path. */
static void each_group_runs_once(void **state)
{
    static const uint32_t groups[] = { 1, 2, 5, 64, 999, 40000 };
    struct hal_mem m = new_mem(40000 * 4 + 4);
    struct cpu_test_kernel k;
    uint32_t *hits = m.addr;
    uint32_t want = 0;

    (void)state;
    OK(cpu_test_kernel(dev, "count", "bs", blob, blob_size, 0, &k));
    for (unsigned i = 0; i < 6; i++) {
        union hal_arg args[2] = { cpu_test_buffer(&m, 4), arg_scalar(1) };

        memset(hits, 0, 40000 * 4 + 4);
        want = 0;
        for (int repeat = 0; repeat < 30; repeat++, want++)
            OK(cpu_test_launch(dev, stream, &k, args, groups[i]));
        OK(dev->ops->stream_sync(dev, stream));
        assert_int_equal(hits[0], 0);
        for (uint32_t j = 1; j <= groups[i]; j++)
            assert_int_equal(hits[j], want);
        if (groups[i] < 40000)
            assert_int_equal(hits[groups[i] + 1], 0);
    }
    dev->ops->kernel_destroy(dev, k.kernel);
    dev->ops->mem_free(dev, m.impl);
}

static void grids_have_three_dimensions(void **state)
{
    struct hal_mem m = new_mem(3 * 5 * 7 * 8);
    union hal_arg args[1] = { cpu_test_buffer(&m, 0) };
    struct hal_launch launch = { .grid = { 3, 5, 7 },
                                 .n_args = 1,
                                 .args = args };
    struct cpu_test_kernel k;

    (void)state;
    OK(cpu_test_kernel(dev, "shape", "b", blob, blob_size, 0, &k));
    OK(dev->ops->launch(dev, stream, k.kernel, &launch));
    OK(dev->ops->stream_sync(dev, stream));
    for (int i = 0; i < 3 * 5 * 7; i++)
        assert_int_equal(((uint64_t *)m.addr)[i], 3ull << 40 | 5ull << 20 | 7);
    launch.n_args = 0;
    assert_int_equal(dev->ops->launch(dev, stream, k.kernel, &launch),
                     halErrorInvalidArgument);
    launch.n_args = 1;
    launch.shared_bytes = 1u << 30;
    assert_int_equal(dev->ops->launch(dev, stream, k.kernel, &launch),
                     halErrorInvalidConfiguration);
    dev->ops->kernel_destroy(dev, k.kernel);
    dev->ops->mem_free(dev, m.impl);
}

static void scratch_is_there(void **state)
{
    struct hal_mem m = new_mem(50 * 8);
    union hal_arg args[1] = { cpu_test_buffer(&m, 0) };
    struct cpu_test_kernel k;

    (void)state;
    memset(m.addr, 1, 50 * 8);
    OK(cpu_test_kernel(dev, "scratch", "b", blob, blob_size, 100000, &k));
    OK(cpu_test_launch(dev, stream, &k, args, 50));
    OK(dev->ops->stream_sync(dev, stream));
    for (int i = 0; i < 50; i++)
        assert_int_equal(((uint64_t *)m.addr)[i], 0);
    dev->ops->kernel_destroy(dev, k.kernel);
    dev->ops->mem_free(dev, m.impl);
}

static double seconds(void)
{
    return 1e-9 * (double)cpu_now_ns();
}

static void launch_returns_before_the_end(void **state)
{
    struct hal_mem m = new_mem(8);
    union hal_arg args[2] = { cpu_test_buffer(&m, 0), arg_scalar(100000000) };
    struct cpu_test_kernel k;
    double start, launched, ended;

    (void)state;
    OK(cpu_test_kernel(dev, "slow", "bs", blob, blob_size, 0, &k));
    start = seconds();
    OK(cpu_test_launch(dev, stream, &k, args, 1));
    launched = seconds();
    assert_int_equal(dev->ops->stream_query(dev, stream), halErrorNotReady);
    while (dev->ops->stream_query(dev, stream) == halErrorNotReady)
        usleep(500);
    ended = seconds();
    assert_int_equal(*(uint64_t *)m.addr, 77);
    assert_true(launched - start < (ended - start) / 4);
    dev->ops->kernel_destroy(dev, k.kernel);
    dev->ops->mem_free(dev, m.impl);
}

static void streams_overlap(void **state)
{
    struct hal_mem m = new_mem(16);
    union hal_arg slow[2] = { cpu_test_buffer(&m, 0), arg_scalar(300000000) };
    union hal_arg quick[2] = { cpu_test_buffer(&m, 8), arg_scalar(1) };
    struct cpu_test_kernel k;
    void *other = NULL;

    (void)state;
    OK(dev->ops->stream_create(dev, 0, &other));
    OK(cpu_test_kernel(dev, "slow", "bs", blob, blob_size, 0, &k));
    OK(cpu_test_launch(dev, stream, &k, slow, 1));
    OK(cpu_test_launch(dev, other, &k, quick, 1));
    while (dev->ops->stream_query(dev, other) == halErrorNotReady)
        usleep(100);
    assert_int_equal(dev->ops->stream_query(dev, stream), halErrorNotReady);
    OK(dev->ops->stream_sync(dev, stream));
    dev->ops->stream_destroy(dev, other);
    dev->ops->kernel_destroy(dev, k.kernel);
    dev->ops->mem_free(dev, m.impl);
}

static void raise_flag(void *arg)
{
    atomic_store((atomic_int *)arg, 1);
}

/* One runner naps and finds two streams: both must go on, unwatched. */
static void streams_overlap_unattended(void **state)
{
    struct hal_mem m = new_mem(16);
    union hal_arg slow[2] = { cpu_test_buffer(&m, 0), arg_scalar(300000000) };
    union hal_arg quick[2] = { cpu_test_buffer(&m, 8), arg_scalar(1) };
    atomic_int warm = 0, slow_done = 0, quick_done = 0;
    struct hal_dev *fresh = NULL;
    struct cpu_test_kernel k;
    void *a = NULL, *b = NULL;

    (void)state;
    OK(hal_backend_cpu.device_open(0, &fresh));
    OK(fresh->ops->stream_create(fresh, 0, &a));
    OK(fresh->ops->stream_create(fresh, 0, &b));
    OK(cpu_test_kernel(fresh, "slow", "bs", blob, blob_size, 0, &k));
    OK(fresh->ops->host_func(fresh, a, raise_flag, &warm));
    while (!atomic_load(&warm))
        usleep(20);
    usleep(100); /* now it naps */
    OK(cpu_test_launch(fresh, a, &k, slow, 1));
    OK(fresh->ops->host_func(fresh, a, raise_flag, &slow_done));
    OK(cpu_test_launch(fresh, b, &k, quick, 1));
    OK(fresh->ops->host_func(fresh, b, raise_flag, &quick_done));
    while (!atomic_load(&quick_done))
        usleep(100);
    assert_int_equal(atomic_load(&slow_done), 0);
    OK(fresh->ops->stream_sync(fresh, a));
    assert_int_equal(atomic_load(&slow_done), 1);
    fresh->ops->stream_destroy(fresh, a);
    fresh->ops->stream_destroy(fresh, b);
    fresh->ops->kernel_destroy(fresh, k.kernel);
    fresh->ops->device_close(fresh);
    dev->ops->mem_free(dev, m.impl);
}

static void equal_images_are_shared(void **state)
{
    struct hal_mem m = new_mem(4);
    union hal_arg args[1] = { cpu_test_buffer(&m, 0) };
    struct cpu_test_kernel a, b;
    void *copy = malloc(blob_size), *odd = NULL;
    size_t odd_size;

    (void)state;
    memcpy(copy, blob, blob_size);
    OK(cpu_test_kernel(dev, "state", "b", blob, blob_size, 0, &a));
    OK(cpu_test_kernel(dev, "state", "b", copy, blob_size, 0, &b));
    free(copy);
    OK(cpu_test_launch(dev, stream, &a, args, 1));
    OK(cpu_test_launch(dev, stream, &b, args, 1));
    OK(dev->ops->stream_sync(dev, stream));
    assert_int_equal(*(uint32_t *)m.addr, 2); /* one `loaded` for both */
    dev->ops->kernel_destroy(dev, b.kernel);

    /* another image is not mistaken for it, whatever descriptor it gets */
    cpu_test_compile("K(state) { IDS(first + last); *(u32 *)args[0] = 99; }",
                     &odd, &odd_size);
    OK(cpu_test_kernel(dev, "state", "b", odd, odd_size, 0, &b));
    OK(cpu_test_launch(dev, stream, &b, args, 1));
    OK(dev->ops->stream_sync(dev, stream));
    assert_int_equal(*(uint32_t *)m.addr, 99);
    dev->ops->kernel_destroy(dev, a.kernel);
    dev->ops->kernel_destroy(dev, b.kernel);

    /* and the last user unloads */
    OK(cpu_test_kernel(dev, "state", "b", blob, blob_size, 0, &a));
    OK(cpu_test_launch(dev, stream, &a, args, 1));
    OK(dev->ops->stream_sync(dev, stream));
    assert_int_equal(*(uint32_t *)m.addr, 1);
    dev->ops->kernel_destroy(dev, a.kernel);
    dev->ops->mem_free(dev, m.impl);
    free(odd);
}

static void refused(const void *bytes, size_t size, const char *why)
{
    struct cpu_test_kernel k;
    halError_t st = cpu_test_kernel(dev, "nothing", "", bytes, size, 0, &k);

    assert_int_equal(st, halErrorInvalidImage);
    assert_null(k.kernel);
    assert_non_null(strstr(halGetErrorDetail(), "nothing"));
    if (!strstr(halGetErrorDetail(), why))
        fail_msg("\"%s\" does not say \"%s\"", halGetErrorDetail(), why);
}

/* Where the last byte that the loader maps lies. */
static size_t end_of_segments(const unsigned char *elf)
{
    const Elf64_Ehdr *head = (const void *)elf;
    const Elf64_Phdr *segments = (const void *)(elf + head->e_phoff);
    size_t end = 0;

    for (unsigned i = 0; i < head->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD &&
            segments[i].p_offset + segments[i].p_filesz > end)
            end = segments[i].p_offset + segments[i].p_filesz;
    return end;
}

static void bad_images_are_refused(void **state)
{
    unsigned char *bad = malloc(blob_size);
    Elf64_Ehdr *head = (void *)bad;
    struct cpu_test_kernel k;

    (void)state;
    refused(NULL, 0, "empty");
    refused(blob, 10, "shorter");
    refused(blob, 100, "truncated");
    refused(blob, blob_size / 3, "truncated");
    refused(blob, end_of_segments(blob) - 1, "truncated");
    memcpy(bad, blob, blob_size);
    bad[0] = 'X';
    refused(bad, blob_size, "no ELF");
    memcpy(bad, blob, blob_size);
    head->e_machine = EM_SPARC;
    refused(bad, blob_size, "another processor");
    memcpy(bad, blob, blob_size);
    head->e_type = ET_EXEC;
    refused(bad, blob_size, "no shared object");
    memcpy(bad, blob, blob_size);
    head->e_ident[EI_DATA] = ELFDATA2MSB;
    refused(bad, blob_size, "byte order");
    memcpy(bad, blob, blob_size);
    head->e_phoff = UINT64_MAX - 8;
    refused(bad, blob_size, "truncated");
    free(bad);

    assert_int_equal(cpu_test_kernel(dev, "absent", "", blob, blob_size, 0, &k),
                     halErrorInvalidImage);
    assert_non_null(strstr(halGetErrorDetail(), "hal_kernel_absent"));
    assert_int_equal(
        cpu_test_kernel(dev, "nothing", "", blob, blob_size, 1u << 30, &k),
        halErrorInvalidImage);
}

static void *launch_many(void *arg)
{
    struct hal_mem m = new_mem(1000 * 4);
    union hal_arg args[2] = { cpu_test_buffer(&m, 0), arg_scalar(3) };
    struct cpu_test_kernel k;
    void *s = NULL;

    (void)arg;
    OK(dev->ops->stream_create(dev, 0, &s));
    for (int round = 0; round < 10; round++) {
        OK(cpu_test_kernel(dev, "count", "bs", blob, blob_size, 0, &k));
        for (int i = 0; i < 20; i++)
            OK(cpu_test_launch(dev, s, &k, args, 1000));
        OK(dev->ops->stream_sync(dev, s));
        dev->ops->kernel_destroy(dev, k.kernel);
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(((uint32_t *)m.addr)[i], 3 * 200);
    dev->ops->stream_destroy(dev, s);
    dev->ops->mem_free(dev, m.impl);
    return NULL;
}

static void eight_threads_launch(void **state)
{
    pthread_t threads[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, launch_many, NULL),
                         0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_group_runs_once),
        cmocka_unit_test(grids_have_three_dimensions),
        cmocka_unit_test(scratch_is_there),
        cmocka_unit_test(launch_returns_before_the_end),
        cmocka_unit_test(streams_overlap),
        cmocka_unit_test(streams_overlap_unattended),
        cmocka_unit_test(equal_images_are_shared),
        cmocka_unit_test(bad_images_are_refused),
        cmocka_unit_test(eight_threads_launch),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
