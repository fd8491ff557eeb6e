/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - api.memory.*: allocation, release, pitched, managed, pinned and
 * stream-ordered memory, and what pointers tell.
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

/* An allocation takes its bytes from the free ones and gives them back.  What
 * is free may be the machine's, which others use too and kernels count late
 * (tens of MiB): a quarter of a large one must be seen, once in many tries. */
static void free_bytes_move(struct conf *c)
{
    size_t before = 0, during = 0, after = 0, total = 0, size;
    double deadline = api_now_ms() + 20000;
    int tries = 0;

    CONF_OK(c, halMemGetInfo(&before, &total));
    size = total / 16 < ((size_t)256 << 20) ? total / 16 : (size_t)256 << 20;
    for (; tries < SEEN_QUIET || api_now_ms() < deadline; tries++) {
        void *p = NULL;

        CONF_OK(c, halMemGetInfo(&before, &total));
        CONF_OK(c, halMalloc(&p, size));
        CONF_OK(c, halMemset(p, 1, size)); /* untouched pages may be free */
        CONF_OK(c, halDeviceSynchronize());
        CONF_OK(c, halMemGetInfo(&during, &total));
        CONF_OK(c, halFree(p));
        CONF_OK(c, halDeviceSynchronize());
        CONF_OK(c, halMemGetInfo(&after, &total));
        CONF_TRUE(c, during <= total && after <= total);
        if (during + size / 4 <= before && during + size / 4 <= after) {
            conf_metric(c, "tries", tries + 1);
            return;
        }
        /* out of step with others */
        usleep(5000 + (unsigned)(conf_random(c) % 40000));
    }
    conf_check(c, 0,
               "in %d tries no allocation was seen; the last time %zu bytes "
               "were free, %zu with one of %zu, %zu without it again",
               tries, before, during, size, after);
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

static void host_alloc(struct conf *c)
{
    void *h = NULL;
    struct halPointerAttributes attr;

    CONF_OK(c, halHostAlloc(&h, 10000, halHostAllocPortable));
    memset(h, 3, 10000);
    CONF_OK(c, halPointerGetAttributes(&attr, (char *)h + 9999));
    CONF_TRUE(c, attr.type == halMemoryTypeHost);
    CONF_TRUE(c, attr.base == h && attr.size >= 10000);
    CONF_OK(c, halFreeHost(h));
    CONF_OK(c, halPointerGetAttributes(&attr, h));
    CONF_TRUE(c, attr.type == halMemoryTypeUnregistered);
}

static void host_alloc_bad(struct conf *c)
{
    void *h = NULL;

    CONF_FAILS(c, halErrorInvalidValue, halHostAlloc(&h, 64, 0x80));
    CONF_FAILS(c, halErrorInvalidValue, halHostAlloc(NULL, 64, 0));
    CONF_FAILS(c, halErrorInvalidValue, halMallocHost(NULL, 64));
    CONF_FAILS(c, halErrorHostMemory, halMallocHost(&h, SIZE_MAX / 2));
    CONF_OK(c, halMallocHost(&h, 0));
    CONF_TRUE(c, h == NULL);
}

static void host_register(struct conf *c)
{
    size_t n = 100000;
    uint8_t *h = aligned_alloc(4096, 102400);
    uint8_t *want = api_bytes(c, n);
    struct conf_buf b = conf_alloc(c, n, 0);
    struct halPointerAttributes attr;

    memcpy(h, want, n);
    CONF_OK(c, halHostRegister(h, n, halHostRegisterDefault));
    CONF_OK(c, halPointerGetAttributes(&attr, h + 5));
    CONF_TRUE(c, attr.type == halMemoryTypeHost);
    CONF_OK(c, halMemcpyAsync(b.mem, h, n, halMemcpyHostToDevice, NULL));
    CONF_OK(c, halStreamSynchronize(NULL));
    memset(h, 0, n);
    CONF_OK(c, halMemcpyAsync(h, b.mem, n, halMemcpyDeviceToHost, NULL));
    CONF_OK(c, halStreamSynchronize(NULL));
    api_same(c, h, want, n, "through a registered range");
    CONF_OK(c, halHostUnregister(h));
    CONF_OK(c, halPointerGetAttributes(&attr, h));
    CONF_TRUE(c, attr.type == halMemoryTypeUnregistered);
    free(h);
}

static void host_register_bad(struct conf *c)
{
    static uint8_t h[8192];
    void *d = NULL;

    CONF_FAILS(c, halErrorInvalidValue, halHostRegister(NULL, 64, 0));
    CONF_FAILS(c, halErrorInvalidValue, halHostRegister(h, 0, 0));
    CONF_FAILS(c, halErrorInvalidValue, halHostRegister(h, 64, 0x1000));
    CONF_OK(c, halHostRegister(h, 4096, 0));
    CONF_FAILS(c, halErrorAlreadyRegistered, halHostRegister(h, 4096, 0));
    CONF_FAILS(c, halErrorAlreadyRegistered,
               halHostRegister(h + 4000, 4096, 0));
    CONF_FAILS(c, halErrorInvalidPointer, halHostUnregister(h + 1));
    CONF_OK(c, halHostUnregister(h));
    CONF_FAILS(c, halErrorInvalidPointer, halHostUnregister(h));
    CONF_OK(c, halMalloc(&d, 64));
    CONF_FAILS(c, halErrorInvalidPointer, halHostUnregister(d));
    CONF_OK(c, halFree(d));
}

static void host_device_pointer(struct conf *c)
{
    void *h = NULL, *d = NULL;
    int on_stack = 0;

    CONF_OK(c, halHostAlloc(&h, 4096, halHostAllocMapped));
    if (!conf_prop(c)->canMapHostMemory) {
        CONF_FAILS(c, halErrorNotSupported, halHostGetDevicePointer(&d, h, 0));
    } else {
        CONF_OK(c, halHostGetDevicePointer(&d, h, 0));
        CONF_TRUE(c, d != NULL);
        CONF_OK(c, halMemsetD32(d, 0x01020304u, 4));
        CONF_OK(c, halDeviceSynchronize());
        CONF_TRUE(c, ((uint32_t *)h)[3] == 0x01020304u);
        CONF_FAILS(c, halErrorInvalidPointer,
                   halHostGetDevicePointer(&d, &on_stack, 0));
    }
    CONF_FAILS(c, halErrorInvalidValue, halHostGetDevicePointer(NULL, h, 0));
    CONF_OK(c, halFreeHost(h));
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
    { "api.memory.host.alloc", host_alloc, .levels = MEMORY },
    { "api.memory.host.alloc_bad", host_alloc_bad, .levels = MEMORY },
    { "api.memory.host.register", host_register, .levels = MEMORY },
    { "api.memory.host.register_bad", host_register_bad, .levels = MEMORY },
    { "api.memory.host.device_pointer", host_device_pointer, .levels = MEMORY },
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
