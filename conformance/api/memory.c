/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - api.memory.*: allocation, release, pitched, managed and
 * stream-ordered memory; host memory is in memory_host.c.
 */
#include <unistd.h>

#include "conformance/api/api.h"
#include "conformance/families.h"

/* Looks at free bytes that others on the machine may move meanwhile. */
#define SEEN_QUIET 32

static void alloc_free(struct conf *c)
{
    void *p = NULL;

    CONF_OK(c, halMalloc(&p, 1000));
    CONF_TRUE(c, p != NULL);
    CONF_TRUE(c, (uintptr_t)p % conf_prop(c)->memAlign == 0);
    CONF_OK(c, halFree(p));
}

static void alloc_zero(struct conf *c)
{
    void *p = &p;

    CONF_OK(c, halMalloc(&p, 0));
    CONF_TRUE(c, p == NULL);
}

static void alloc_null_out(struct conf *c)
{
    CONF_FAILS(c, halErrorInvalidValue, halMalloc(NULL, 16));
}

static void alloc_overflow(struct conf *c)
{
    void *p = c;

    CONF_FAILS(c, halErrorMemoryAllocation, halMalloc(&p, SIZE_MAX));
    CONF_FAILS(c, halErrorMemoryAllocation, halMalloc(&p, SIZE_MAX - 4095));
    CONF_TRUE(c, p == (void *)c); /* untouched */
}

static void alloc_beyond_device(struct conf *c)
{
    void *p = NULL, *small = NULL;

    CONF_FAILS(c, halErrorMemoryAllocation,
               halMalloc(&p, (size_t)conf_prop(c)->totalGlobalMem + 4096));
    CONF_OK(c, halMalloc(&small, 4096)); /* the device is still usable */
    CONF_OK(c, halMemset(small, 1, 4096));
    CONF_OK(c, halDeviceSynchronize());
    CONF_OK(c, halFree(small));
}

static void free_null(struct conf *c)
{
    CONF_OK(c, halFree(NULL));
    CONF_OK(c, halFreeAsync(NULL, NULL));
    CONF_OK(c, halFreeHost(NULL));
    CONF_TRUE(c, halPeekAtLastError() == halSuccess);
}

static void free_twice(struct conf *c)
{
    void *p = NULL;

    CONF_OK(c, halMalloc(&p, 4096));
    CONF_OK(c, halFree(p));
    CONF_FAILS(c, halErrorInvalidPointer, halFree(p));
}

static void free_interior(struct conf *c)
{
    void *p = NULL;

    CONF_OK(c, halMalloc(&p, 4096));
    CONF_FAILS(c, halErrorInvalidPointer, halFree((char *)p + 64));
    CONF_OK(c, halFree(p)); /* and the block is still whole */
}

static void free_foreign(struct conf *c)
{
    int on_stack = 0;
    void *heap = malloc(64);

    CONF_FAILS(c, halErrorInvalidPointer, halFree(&on_stack));
    CONF_FAILS(c, halErrorInvalidPointer, halFree(heap));
    CONF_FAILS(c, halErrorInvalidPointer, halFreeHost(heap));
    CONF_FAILS(c, halErrorInvalidPointer, halFreeAsync(heap, NULL));
    free(heap);
}

static void free_wrong_kind(struct conf *c)
{
    void *device = NULL, *host = NULL;

    CONF_OK(c, halMalloc(&device, 256));
    CONF_OK(c, halMallocHost(&host, 256));
    CONF_FAILS(c, halErrorInvalidPointer, halFreeHost(device));
    CONF_FAILS(c, halErrorInvalidPointer, halFree(host));
    CONF_OK(c, halFree(device));
    CONF_OK(c, halFreeHost(host));
}

/* Many blocks at once: none may overlap another. */
static void many_blocks(struct conf *c)
{
    enum { N = 300 };
    void *p[N];
    uint32_t got = 0;

    for (uint32_t i = 0; i < N; i++) {
        CONF_OK(c, halMalloc(&p[i], 4 + (i * 37) % 900));
        CONF_OK(c, halMemsetD32(p[i], 0xabc00000u + i, 1));
    }
    for (uint32_t i = 0; i < N; i++) {
        CONF_OK(c, halMemcpy(&got, p[i], 4, halMemcpyDeviceToHost));
        conf_check(c, got == 0xabc00000u + i, "block %u holds 0x%x", i, got);
    }
    for (uint32_t i = 0; i < N; i += 2)
        CONF_OK(c, halFree(p[i]));
    for (uint32_t i = 1; i < N; i += 2) {
        CONF_OK(c, halMemcpy(&got, p[i], 4, halMemcpyDeviceToHost));
        conf_check(c, got == 0xabc00000u + i, "block %u after free: 0x%x", i,
                   got);
        CONF_OK(c, halFree(p[i]));
    }
}

/* Freed memory comes back: the sum of all rounds exceeds the device.  Of one
 * too large for that the free bytes must be back, as far as others leave them
 * alone. */
static void reuse(struct conf *c)
{
    enum { ROUNDS_MAX = 600 };
    size_t total = 0, before = 0, after = 0, size, rounds;

    CONF_OK(c, halMemGetInfo(&before, &total));
    size = total < ((size_t)32 << 30) ? (size_t)64 << 20 : (size_t)256 << 20;
    size = total / 16 < size ? total / 16 : size;
    rounds = total / size + 2 < ROUNDS_MAX ? total / size + 2 : ROUNDS_MAX;
    for (size_t i = 0; i < rounds; i++) {
        void *p = NULL;
        halError_t st = halMalloc(&p, size);
        uint8_t got = 0;

        conf_check(c, st == halSuccess,
                   "round %zu of %zu, %zu bytes each of %zu: %s: %s", i, rounds,
                   size, total, halGetErrorName(st), halGetErrorDetail());
        CONF_OK(c, halMemset(p, (int)(i & 0x7f), 64));
        CONF_OK(c, halMemcpy(&got, (char *)p + 63, 1, halMemcpyDeviceToHost));
        conf_check(c, got == (i & 0x7f), "round %zu: byte 63 is %u", i, got);
        CONF_OK(c, halFree(p));
    }
    if (rounds < ROUNDS_MAX)
        return;
    for (int i = 0; i < SEEN_QUIET; i++) {
        CONF_OK(c, halMemGetInfo(&after, &total));
        if (after + size >= before)
            return;
        usleep(20000);
    }
    conf_check(c, 0, "%zu bytes were free, and %zu are after %zu frees", before,
               after, rounds);
}

/* One look at the free bytes before, during and after: 1 if they dipped by a
 * quarter of `size` (kernels count late, by tens of MiB).  With `hold` a block
 * of that size exists meanwhile, else as much time goes by. */
static int free_bytes_dip(struct conf *c, size_t size, int hold,
                          double *in_out_ms)
{
    size_t before = 0, during = 0, after = 0, total = 0;
    void *p = NULL;

    CONF_OK(c, halMemGetInfo(&before, &total));
    if (hold) {
        double start = api_now_ms();
        halError_t st = halMalloc(&p, size);

        /* Others may have the machine's memory just now. */
        if (st == halErrorMemoryAllocation)
            return 0;
        CONF_OK(c, st);
        CONF_OK(c, halMemset(p, 1, size)); /* untouched pages may be free */
        CONF_OK(c, halDeviceSynchronize());
        *in_out_ms = api_now_ms() - start;
    } else {
        usleep((useconds_t)(*in_out_ms * 1000));
    }
    CONF_OK(c, halMemGetInfo(&during, &total));
    conf_check(c, during <= total - (hold ? size : 0),
               "%zu of %zu bytes are free, and one block has %zu", during,
               total, hold ? size : 0);
    CONF_OK(c, halFree(p));
    CONF_OK(c, halDeviceSynchronize());
    CONF_OK(c, halMemGetInfo(&after, &total));
    CONF_TRUE(c, before <= total && after <= total);
    return during + size / 4 <= before && during + size / 4 <= after;
}

/* An allocation takes its bytes from the free ones and gives them back.  What
 * is free may be the machine's, which others move as well, so looks with a
 * block are set against looks without: twice as many and four more of them
 * must show a dip.  A device that counts exactly shows it for a small block,
 * at once; a machine that is busy hides three of four. */
static void free_bytes_move(struct conf *c)
{
    enum { WANTED = 4, LIMIT_MS = 35000 };
    static const struct {
        size_t bytes;
        int looks;
    } tries[] = {
        { (size_t)16 << 20, 6 },
        { (size_t)64 << 20, 6 },
        { (size_t)256 << 20, 72 },
    };
    size_t spare = 0, total = 0, size = 0;
    int with = 0, without = 0, looks = 0;
    double ms = 0, start = api_now_ms();

    CONF_OK(c, halMemGetInfo(&spare, &total));
    for (size_t t = 0; t < sizeof tries / sizeof *tries; t++) {
        size = total / 16 < tries[t].bytes ? total / 16 : tries[t].bytes;
        with = without = 0;
        for (int i = 0; i < tries[t].looks && with < 2 * without + WANTED &&
                        api_now_ms() - start < LIMIT_MS;
             i++) {
            with += free_bytes_dip(c, size, 1, &ms);
            without += free_bytes_dip(c, size, 0, &ms);
            looks++;
            if (i == 2 && !with && size < tries[2].bytes)
                break;       /* too small to be seen */
            if (i >= WANTED) /* out of step with others */
                usleep((useconds_t)(conf_random(c) % 40000));
        }
        if (with >= 2 * without + WANTED || api_now_ms() - start >= LIMIT_MS)
            break;
    }
    conf_metric(c, "looks", looks);
    conf_check(c, with >= 2 * without + WANTED,
               "a block of %zu bytes took a quarter of that from the free "
               "ones %d times, and no block did so %d times",
               size, with, without);
}

static void mem_info(struct conf *c)
{
    size_t spare = 0, total = 0;

    CONF_OK(c, halMemGetInfo(&spare, &total));
    CONF_TRUE(c, total > 0 && spare <= total);
    CONF_TRUE(c, total == conf_prop(c)->totalGlobalMem);
    CONF_FAILS(c, halErrorInvalidValue, halMemGetInfo(NULL, &total));
    CONF_FAILS(c, halErrorInvalidValue, halMemGetInfo(&spare, NULL));
    free_bytes_move(c);
}

static void pitch(struct conf *c)
{
    enum { W = 1000, H = 7 };
    void *p = NULL;
    size_t step = 0;

    CONF_OK(c, halMallocPitch(&p, &step, W, H));
    CONF_TRUE(c, step >= W && step % conf_prop(c)->pitchAlign == 0);
    size_t whole = step * (H - 1) + W;
    uint8_t *want = conf_host(c, whole), *got = conf_host(c, whole);
    memset(want, 0x11, whole); /* between the rows too */
    CONF_OK(c, halMemset(p, 0x11, whole));
    CONF_OK(c, halMemset2D(p, step, 0x5a, W, H));
    for (int y = 0; y < H; y++)
        memset(want + (size_t)y * step, 0x5a, W);
    CONF_OK(c, halMemcpy(got, p, whole, halMemcpyDeviceToHost));
    api_same(c, got, want, whole, "the rows and what lies between");
    memset(got, 0, whole);
    CONF_OK(c, halMemcpy2D(got, W, p, step, W, H, halMemcpyDeviceToHost));
    for (int y = 0; y < H; y++)
        api_same(c, got + (size_t)y * W, want, W, "a row");
    CONF_OK(c, halFree(p));
}

static void pitch_overflow(struct conf *c)
{
    void *p = NULL;
    size_t step = 0;

    CONF_FAILS(c, halErrorInvalidValue,
               halMallocPitch(&p, &step, SIZE_MAX / 2, 4));
    CONF_FAILS(c, halErrorInvalidValue, halMallocPitch(&p, NULL, 16, 4));
    CONF_OK(c, halMallocPitch(&p, &step, 0, 4));
    CONF_TRUE(c, p == NULL);
}

static void managed(struct conf *c)
{
    void *p = NULL;
    struct halPointerAttributes attr;
    uint32_t *word;

    if (!conf_prop(c)->managedMemory) {
        CONF_FAILS(c, halErrorNotSupported,
                   halMallocManaged(&p, 4096, halMemAttachGlobal));
        return;
    }
    CONF_OK(c, halMallocManaged(&p, 4096, halMemAttachGlobal));
    word = p;
    word[5] = 17;                                    /* the host may write */
    CONF_OK(c, halMemsetD32((char *)p + 24, 99, 1)); /* and the device */
    CONF_OK(c, halDeviceSynchronize());
    CONF_TRUE(c, word[5] == 17 && word[6] == 99);
    CONF_OK(c, halPointerGetAttributes(&attr, p));
    CONF_TRUE(c, attr.type == halMemoryTypeManaged && attr.hostPointer == p);
    CONF_OK(c, halFree(p));
}

static void managed_flags(struct conf *c)
{
    void *p = NULL;

    if (!conf_prop(c)->managedMemory)
        conf_end(c, CONF_UNSUPPORTED, "the device has no managed memory");
    CONF_FAILS(c, halErrorInvalidValue, halMallocManaged(&p, 64, 0x100));
    CONF_FAILS(c, halErrorInvalidValue, halMallocManaged(NULL, 64, 1));
}

static void async_basic(struct conf *c)
{
    halStream_t s = NULL;
    uint8_t *want = api_bytes(c, 5000), *got = conf_host(c, 5000);
    void *p = NULL;

    CONF_OK(c, halStreamCreate(&s));
    for (int round = 0; round < 20; round++) {
        CONF_OK(c, halMallocAsync(&p, 5000, s));
        CONF_OK(c, halMemcpyAsync(p, want, 5000, halMemcpyHostToDevice, s));
        CONF_OK(c, halMemcpyAsync(got, p, 5000, halMemcpyDeviceToHost, s));
        CONF_OK(c, halFreeAsync(p, s));
        CONF_OK(c, halStreamSynchronize(s));
        api_same(c, got, want, 5000, "pool memory");
    }
    CONF_FAILS(c, halErrorInvalidPointer, halFreeAsync(p, s));
    CONF_OK(c, halStreamDestroy(s));
}

static void async_bad(struct conf *c)
{
    void *p = NULL;
    halStream_t s = NULL;

    CONF_FAILS(c, halErrorInvalidValue, halMallocAsync(NULL, 64, NULL));
    CONF_FAILS(c, halErrorMemoryAllocation,
               halMallocAsync(&p, SIZE_MAX - 64, NULL));
    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halStreamDestroy(s));
    CONF_FAILS(c, halErrorInvalidHandle, halMallocAsync(&p, 64, s));
    CONF_OK(c, halMallocAsync(&p, 0, NULL));
    CONF_TRUE(c, p == NULL);
}

/* Freed in one stream while its work still runs, taken by another: the second
 * user must not see the first's late writes. */
static void async_reuse_across(struct conf *c)
{
    enum { N = 1 << 16 };
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t a = NULL, b = NULL;
    uint8_t *got = conf_host(c, N);

    api_slow_make(c, module, 60, &slow);
    CONF_OK(c, halStreamCreateWithFlags(&a, halStreamNonBlocking));
    CONF_OK(c, halStreamCreateWithFlags(&b, halStreamNonBlocking));
    for (int round = 0; round < 3; round++) {
        void *p = NULL, *q = NULL;

        CONF_OK(c, halMallocAsync(&p, N, a));
        api_slow_launch(c, &slow, 7, a);
        CONF_OK(c, halMemsetAsync(p, 0x11, N, a)); /* late */
        CONF_OK(c, halFreeAsync(p, a));
        CONF_OK(c, halMallocAsync(&q, N, b));
        CONF_OK(c, halMemsetAsync(q, 0x22, N, b));
        CONF_OK(c, halStreamSynchronize(b));
        CONF_OK(c, halStreamSynchronize(a));
        CONF_OK(c, halMemcpyAsync(got, q, N, halMemcpyDeviceToHost, b));
        CONF_OK(c, halStreamSynchronize(b));
        for (int i = 0; i < N; i++)
            if (got[i] != 0x22)
                conf_end(c, CONF_FAIL,
                         "byte %d is 0x%02x: the block was "
                         "reused too early",
                         i, got[i]);
        CONF_OK(c, halFreeAsync(q, b));
    }
    conf_check(c, 1, "reuse waits");
    CONF_OK(c, halStreamDestroy(a));
    CONF_OK(c, halStreamDestroy(b));
}

/* halFree must wait: the slow kernel still writes into the block. */
static void free_waits(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t s = NULL;
    void *p = NULL, *q = NULL;
    uint32_t got = 0;

    /* Non-blocking, so that no other wait than halFree's orders the rest. */
    CONF_OK(c, halStreamCreateWithFlags(&s, halStreamNonBlocking));
    api_slow_make(c, module, 60, &slow);
    CONF_OK(c, halMalloc(&p, 65535 * 4));
    void *mine = slow.words;
    slow.words = p;
    api_slow_launch(c, &slow, 7, s);
    CONF_OK(c, halFree(p));
    halError_t left = halStreamQuery(s);
    conf_check(c, left == halSuccess, "halFree returned, the kernel: %s",
               halGetErrorName(left));
    CONF_OK(c, halMalloc(&q, 65535 * 4));
    CONF_OK(c, halMemsetD32(q, 5, 65535));
    CONF_OK(c, halDeviceSynchronize());
    CONF_OK(c, halMemcpy(&got, q, 4, halMemcpyDeviceToHost));
    conf_check(c, got == 5, "the freed kernel's write 0x%x arrived late", got);
    CONF_OK(c, halFree(q));
    CONF_OK(c, halFree(mine));
    CONF_OK(c, halStreamDestroy(s));
}

/* Freed memory comes back: more than there is, a quarter at a time. */
static void free_gives_back(struct conf *c)
{
    size_t avail = 0, total = 0, size;
    struct halDeviceProp prop;
    void *p = NULL;

    CONF_OK(c, halGetDeviceProperties(&prop, conf_device(c)));
    CONF_OK(c, halMemGetInfo(&avail, &total));
    size =
        avail / 4 < prop.maxAllocBytes ? avail / 4 : (size_t)prop.maxAllocBytes;
    if (halMalloc(&p, size) != halSuccess)
        conf_end(c, CONF_UNSUPPORTED, "no block of %zu bytes to try", size);
    for (size_t used = 0; used < total + total / 4; used += size) {
        CONF_OK(c, halFree(p));
        CONF_OK(c, halMalloc(&p, size));
    }
    CONF_OK(c, halFree(p));
    conf_check(c, 1, "memory of %zu bytes came back", size);
}

/* A freed block is no place for more than it holds: larger ones, taken while
 * its neighbours live, leave these alone. */
static void async_reuse_larger(struct conf *c)
{
    enum { N = 16, SMALL = 1000, LARGE = 2000 };
    void *small[N], *large[N / 2];
    uint8_t *got = conf_host(c, LARGE);
    halStream_t s = NULL;

    CONF_OK(c, halStreamCreate(&s));
    for (int i = 0; i < N; i++) {
        CONF_OK(c, halMallocAsync(&small[i], SMALL, s));
        CONF_OK(c, halMemsetAsync(small[i], i, SMALL, s));
    }
    for (int i = 0; i < N; i += 2)
        CONF_OK(c, halFreeAsync(small[i], s));
    for (int i = 0; i < N / 2; i++) {
        CONF_OK(c, halMallocAsync(&large[i], LARGE, s));
        CONF_OK(c, halMemsetAsync(large[i], 0x80 + i, LARGE, s));
    }
    for (int i = 0; i < N; i++) {
        int is_small = i % 2;
        size_t n = is_small ? SMALL : LARGE;
        uint8_t want = (uint8_t)(is_small ? i : 0x80 + i / 2);

        CONF_OK(c, halMemcpyAsync(got, is_small ? small[i] : large[i / 2], n,
                                  halMemcpyDeviceToHost, s));
        CONF_OK(c, halStreamSynchronize(s));
        for (size_t k = 0; k < n; k++)
            if (got[k] != want)
                conf_end(c, CONF_FAIL,
                         "byte %zu of %zu is %#x, want %#x: a neighbour "
                         "reaches into it",
                         k, n, got[k], want);
        CONF_OK(c, halFreeAsync(is_small ? small[i] : large[i / 2], s));
    }
    conf_check(c, 1, "each kept its bytes");
    CONF_OK(c, halStreamDestroy(s));
}

static const struct conf_case cases[] = {
    { "api.memory.alloc.basic", alloc_free, .levels = MEMORY },
    { "api.memory.alloc.zero_size", alloc_zero, .levels = MEMORY },
    { "api.memory.alloc.null_out", alloc_null_out, .levels = MEMORY },
    { "api.memory.alloc.size_overflow", alloc_overflow, .levels = MEMORY },
    { "api.memory.alloc.beyond_device", alloc_beyond_device, .levels = MEMORY },
    { "api.memory.alloc.many_blocks", many_blocks, .levels = MEMORY },
    { "api.memory.alloc.reuse", reuse, .levels = MEMORY },
    { "api.memory.alloc.pitch", pitch, .levels = MEMORY },
    { "api.memory.alloc.pitch_overflow", pitch_overflow, .levels = MEMORY },
    { "api.memory.free.null", free_null, .levels = MEMORY },
    { "api.memory.free.twice", free_twice, .levels = MEMORY },
    { "api.memory.free.interior", free_interior, .levels = MEMORY },
    { "api.memory.free.foreign", free_foreign, .levels = MEMORY },
    { "api.memory.free.wrong_kind", free_wrong_kind, .levels = MEMORY },
    { "api.memory.free.waits_for_kernel", free_waits, .levels = MEMORY },
    { "api.memory.free.gives_back", free_gives_back, .levels = MEMORY },
    { "api.memory.info", mem_info, .levels = MEMORY },
    { "api.memory.managed.basic", managed, .levels = MEMORY },
    { "api.memory.managed.bad_flags", managed_flags, .levels = MEMORY },
    { "api.memory.async.basic", async_basic, .levels = MEMORY },
    { "api.memory.async.bad", async_bad, .levels = MEMORY },
    { "api.memory.async.reuse_across_streams", async_reuse_across,
      .levels = MEMORY },
    { "api.memory.async.reuse_larger", async_reuse_larger, .levels = MEMORY },
    { 0 },
};

void conf_cases_api_memory(struct conf_list *list,
                           const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
}
