/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - api.copy.*: every kind of copy, at odd offsets and sizes, between
 * devices, in two dimensions, and what must be refused before a byte moves.
 */
#include "conformance/api/api.h"
#include "conformance/families.h"

struct span {
    size_t size;
    size_t offset;
};

/* Host -> device -> device -> host at a byte offset, zones intact. */
static void round_trip(struct conf *c)
{
    const struct span *s = conf_param(c);
    struct conf_buf a = conf_alloc(c, s->size, s->offset);
    struct conf_buf b = conf_alloc(c, s->size, s->offset * 3 % 7);
    uint8_t *want = api_bytes(c, s->size), *got = conf_host(c, s->size);

    CONF_OK(c, halMemcpy(a.mem, want, s->size, halMemcpyHostToDevice));
    CONF_OK(c, halMemcpy(b.mem, a.mem, s->size, halMemcpyDeviceToDevice));
    CONF_OK(c, halMemcpy(got, b.mem, s->size, halMemcpyDeviceToHost));
    api_same(c, got, want, s->size, "host-device-device-host");
}

/* The same with kinds inferred, through pinned memory, on a stream. */
static void round_trip_async(struct conf *c)
{
    const struct span *s = conf_param(c);
    struct conf_buf a = conf_alloc(c, s->size, s->offset);
    struct conf_buf b = conf_alloc(c, s->size, 1);
    uint8_t *want = api_bytes(c, s->size);
    void *in = NULL, *out = NULL;
    halStream_t stream = NULL;

    CONF_OK(c, halStreamCreate(&stream));
    CONF_OK(c, halMallocHost(&in, s->size));
    CONF_OK(c, halMallocHost(&out, s->size));
    memcpy(in, want, s->size);
    memset(out, 0xee, s->size);
    CONF_OK(c, halMemcpyAsync(a.mem, in, s->size, halMemcpyDefault, stream));
    CONF_OK(c, halMemcpyAsync(b.mem, a.mem, s->size, halMemcpyDefault, stream));
    CONF_OK(c, halMemcpyAsync(out, b.mem, s->size, halMemcpyDefault, stream));
    CONF_OK(c, halStreamSynchronize(stream));
    api_same(c, out, want, s->size, "async, default kind");
    CONF_OK(c, halStreamDestroy(stream));
    CONF_OK(c, halFreeHost(in));
    CONF_OK(c, halFreeHost(out));
}

static void host_to_host(struct conf *c)
{
    uint8_t *a = api_bytes(c, 777), *b = conf_host(c, 777);

    CONF_OK(c, halMemcpy(b, a, 777, halMemcpyHostToHost));
    api_same(c, b, a, 777, "host to host");
    memset(b, 0, 777);
    CONF_OK(c, halMemcpy(b, a, 777, halMemcpyDefault));
    api_same(c, b, a, 777, "host to host, inferred");
}

static void zero_size(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 16, 0);
    char host[4] = "abc";

    CONF_OK(c, halMemcpy(b.mem, host, 0, halMemcpyHostToDevice));
    CONF_OK(c, halMemcpy(host, (char *)b.mem + 16, 0, halMemcpyDeviceToHost));
    CONF_OK(c, halMemcpyAsync(b.mem, host, 0, halMemcpyDefault, NULL));
    CONF_TRUE(c, !memcmp(host, "abc", 4));
    conf_check_zones(c, &b);
}

/* A copy that would leave its allocation moves nothing. */
static void past_end(struct conf *c)
{
    void *p = NULL;
    uint8_t *host = api_bytes(c, 8192), want[64], got[64];

    CONF_OK(c, halMalloc(&p, 4096));
    CONF_OK(c, halMemset(p, 0x77, 4096));
    CONF_OK(c, halDeviceSynchronize());
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy(p, host, 4097, halMemcpyHostToDevice));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy((char *)p + 4090, host, 8, halMemcpyHostToDevice));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy(host, (char *)p + 1, 4096, halMemcpyDeviceToHost));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy(p, host, SIZE_MAX - 8, halMemcpyHostToDevice));
    memset(want, 0x77, sizeof want);
    CONF_OK(c, halMemcpy(got, p, sizeof got, halMemcpyDeviceToHost));
    api_same(c, got, want, sizeof got, "the start of the block");
    CONF_OK(c,
            halMemcpy(got, (char *)p + 4096 - 64, 64, halMemcpyDeviceToHost));
    api_same(c, got, want, sizeof got, "the end of the block");
    CONF_OK(c, halFree(p));
}

/* Pinned host memory is a HostToDevice target only where it is the device's
 * memory too; then the bytes must arrive. */
static void to_pinned_as_device(struct conf *c)
{
    uint8_t *want = api_bytes(c, 64), *before = conf_host(c, 64);
    void *pinned = NULL, *mapped = NULL;

    memset(before, 0x3c, 64);
    CONF_OK(c, halHostAlloc(&pinned, 64, halHostAllocMapped));
    memcpy(pinned, before, 64);
    halError_t is_mapped = halHostGetDevicePointer(&mapped, pinned, 0);
    halError_t st = halMemcpy(pinned, want, 64, halMemcpyHostToDevice);
    conf_check(c,
               st == halErrorInvalidPointer || st == halErrorInvalidValue ||
                   (st == halSuccess && is_mapped == halSuccess),
               "HostToDevice into pinned host memory: %s, though "
               "halHostGetDevicePointer says %s",
               halGetErrorName(st), halGetErrorName(is_mapped));
    CONF_OK(c, halDeviceSynchronize());
    api_same(c, pinned, st == halSuccess ? want : before, 64,
             "the pinned memory");
    CONF_OK(c, halFreeHost(pinned));
}

static void wrong_kind(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0), d = conf_alloc(c, 64, 0);
    char host[64] = { 0 }, other[64];

    CONF_FAILS(c, halErrorInvalidPointer,
               halMemcpy(other, host, 64, halMemcpyHostToDevice));
    CONF_FAILS(c, halErrorInvalidPointer,
               halMemcpy(other, host, 64, halMemcpyDeviceToHost));
    CONF_FAILS(c, halErrorInvalidPointer,
               halMemcpy(b.mem, host, 64, halMemcpyDeviceToDevice));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy(b.mem, host, 64, (halMemcpyKind)9));
    CONF_OK(c, halMemset(b.mem, 0x11, 64));
    CONF_OK(c, halMemset(d.mem, 0x22, 64));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy(d.mem, b.mem, 64, halMemcpyDeviceToHost));
    conf_expect_bytes(c, &d, 0x22);
    to_pinned_as_device(c);
    conf_check_zones(c, &b);
}

static void null_pointers(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 64, 0);
    char host[64];

    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy(NULL, host, 64, halMemcpyHostToDevice));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy(b.mem, NULL, 64, halMemcpyHostToDevice));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpyAsync(NULL, b.mem, 64, halMemcpyDeviceToHost, NULL));
    conf_check_zones(c, &b);
}

static void freed_pointer(struct conf *c)
{
    void *p = NULL;
    char host[64] = { 0 };

    CONF_OK(c, halMalloc(&p, 64));
    CONF_OK(c, halFree(p));
    CONF_FAILS(c, halErrorInvalidPointer,
               halMemcpy(p, host, 64, halMemcpyHostToDevice));
    CONF_FAILS(c, halErrorInvalidPointer,
               halMemcpy(host, p, 64, halMemcpyDeviceToHost));
}

static void overlap(struct conf *c)
{
    struct conf_buf b = conf_alloc(c, 256, 0);
    char *p = b.mem;

    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy(p, p + 10, 100, halMemcpyDeviceToDevice));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy(p + 99, p, 100, halMemcpyDeviceToDevice));
    CONF_OK(c, halMemset(p, 1, 128));
    CONF_OK(c, halMemcpy(p + 128, p, 128, halMemcpyDeviceToDevice));
    conf_expect_bytes(c, &b, 1);
}

/* Source memory that is not page-locked may be changed on return. */
static void pageable_source(struct conf *c)
{
    static const size_t sizes[] = { 1, 4096, 65536 + 3, 3 << 20 };
    halModule_t module = api_module(c);
    struct api_slow slow;
    halStream_t s = NULL;

    CONF_OK(c, halStreamCreateWithFlags(&s, halStreamNonBlocking));
    api_slow_make(c, module, 20, &slow);
    for (int i = 0; i < 8; i++) {
        size_t n = sizes[i / 2];
        uint8_t *host = api_bytes(c, n), *want = conf_host(c, n);
        uint8_t *got = conf_host(c, n);
        struct conf_buf b = conf_alloc(c, n, 0);

        memcpy(want, host, n);
        if (i % 2) /* the copy has to wait */
            api_slow_launch(c, &slow, 1, s);
        CONF_OK(c, halMemcpyAsync(b.mem, host, n, halMemcpyHostToDevice, s));
        for (size_t k = 0; k < n; k++)
            host[k] = (uint8_t)~host[k];
        CONF_OK(c, halStreamSynchronize(s));
        CONF_OK(c, halMemcpy(got, b.mem, n, halMemcpyDeviceToHost));
        api_same(c, got, want, n, "pageable source");
    }
    CONF_OK(c, halStreamDestroy(s));
}

/* A target that is not page-locked has been written on return, however late
 * the stream: nobody synchronises. */
static void pageable_target(struct conf *c)
{
    halModule_t module = api_module(c);
    struct api_slow slow;
    uint32_t got = 0;
    halStream_t s = NULL;

    CONF_OK(c, halStreamCreateWithFlags(&s, halStreamNonBlocking));
    api_slow_make(c, module, 60, &slow);
    api_slow_launch(c, &slow, 31, s);
    CONF_OK(c, halMemcpyAsync(&got, slow.words, 4, halMemcpyDeviceToHost, s));
    uint32_t seen = *(volatile uint32_t *)&got;
    CONF_OK(c, halStreamSynchronize(s));
    conf_check(c, seen == 31, "the copy returned with %u in its target", seen);
    CONF_OK(c, halStreamDestroy(s));
}

static void in_order(struct conf *c)
{
    enum { N = 100000 };
    struct conf_buf b = conf_alloc(c, N, 0);
    void *h = NULL;
    halStream_t s = NULL;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halMallocHost(&h, N));
    for (int i = 0; i < 50; i++) {
        CONF_OK(c, halMemsetAsync(b.mem, i, N, s));
        if (i == 24)
            CONF_OK(c, halMemcpyAsync(h, b.mem, N, halMemcpyDeviceToHost, s));
    }
    CONF_OK(c, halStreamSynchronize(s));
    for (int i = 0; i < N; i++)
        if (((uint8_t *)h)[i] != 24)
            conf_end(c, CONF_FAIL, "byte %d is %d, the copy ran out of order",
                     i, ((uint8_t *)h)[i]);
    conf_expect_bytes(c, &b, 49);
    CONF_OK(c, halStreamDestroy(s));
    CONF_OK(c, halFreeHost(h));
}

/* Rows of `width` in a pitch, all three ways; what lies between stays. */
static void copy_2d(struct conf *c)
{
    enum { W = 37, H = 11, HP = 50, DP = 64 };
    struct conf_buf a = conf_alloc(c, DP * H, 0), b = conf_alloc(c, DP * H, 0);
    uint8_t *want = api_bytes(c, HP * H), *got = conf_host(c, HP * H);

    CONF_OK(c, halMemset(a.mem, 0xcc, DP * H));
    CONF_OK(c, halMemset(b.mem, 0xcc, DP * H));
    CONF_OK(c, halMemcpy2D(a.mem, DP, want, HP, W, H, halMemcpyHostToDevice));
    CONF_OK(c,
            halMemcpy2D(b.mem, DP, a.mem, DP, W, H, halMemcpyDeviceToDevice));
    memset(got, 0xaa, HP * H);
    CONF_OK(c, halMemcpy2D(got, HP, b.mem, DP, W, H, halMemcpyDeviceToHost));
    for (int y = 0; y < H; y++) {
        api_same(c, got + y * HP, want + y * HP, W, "a row");
        for (int x = W; x < HP; x++)
            CONF_TRUE(c, got[y * HP + x] == 0xaa);
    }
    uint8_t *whole = conf_host(c, DP * H);
    CONF_OK(c, halMemcpy(whole, b.mem, DP * H, halMemcpyDeviceToHost));
    for (int y = 0; y < H; y++)
        for (int x = W; x < DP; x++)
            CONF_TRUE(c, whole[y * DP + x] == 0xcc);
}

/* From one pitch into another on the device, each of the two the larger. */
static void copy_2d_pitches(struct conf *c)
{
    enum { W = 37, H = 11, NARROW = 45, WIDE = 64 };
    static const size_t pitch[2] = { NARROW, WIDE };
    uint8_t *want = api_bytes(c, WIDE * H), *got = conf_host(c, WIDE * H);

    for (int i = 0; i < 2; i++) {
        size_t sp = pitch[i], dp = pitch[1 - i];
        struct conf_buf a = conf_alloc(c, sp * H, 0);
        struct conf_buf b = conf_alloc(c, dp * H, 0);

        CONF_OK(c, halMemcpy(a.mem, want, sp * H, halMemcpyHostToDevice));
        CONF_OK(c, halMemset(b.mem, 0xcc, dp * H));
        CONF_OK(c, halMemcpy2D(b.mem, dp, a.mem, sp, W, H,
                               halMemcpyDeviceToDevice));
        CONF_OK(c, halMemcpy(got, b.mem, dp * H, halMemcpyDeviceToHost));
        for (size_t y = 0; y < H; y++) {
            api_same(c, got + y * dp, want + y * sp, W, "a row");
            for (size_t x = W; x < dp; x++)
                CONF_TRUE(c, got[y * dp + x] == 0xcc);
        }
        conf_check_zones(c, &b);
    }
}

static void copy_2d_async(struct conf *c)
{
    enum { W = 129, H = 33, P = 200 };
    struct conf_buf a = conf_alloc(c, P * H, 3);
    uint8_t *want = api_bytes(c, P * H);
    uint8_t *got = conf_host(c, P * H);
    halStream_t s = NULL;

    CONF_OK(c, halStreamCreate(&s));
    CONF_OK(c, halMemcpy2DAsync(a.mem, P, want, P, W, H, halMemcpyDefault, s));
    CONF_OK(c, halMemcpy2DAsync(got, P, a.mem, P, W, H, halMemcpyDefault, s));
    CONF_OK(c, halStreamSynchronize(s));
    for (int y = 0; y < H; y++)
        api_same(c, got + y * P, want + y * P, W, "a row");
    CONF_OK(c, halStreamDestroy(s));
}

static void copy_2d_bad(struct conf *c)
{
    struct conf_buf a = conf_alloc(c, 1000, 0);
    uint8_t *h = api_bytes(c, 4096);

    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy2D(a.mem, 10, h, 64, 20, 4, halMemcpyHostToDevice));
    CONF_FAILS(c, halErrorInvalidValue,
               halMemcpy2D(a.mem, 64, h, 10, 20, 4, halMemcpyHostToDevice));
    CONF_FAILS(
        c, halErrorInvalidValue,
        halMemcpy2D(a.mem, 1 << 20, h, 20, 20, 4, halMemcpyHostToDevice));
    CONF_FAILS(
        c, halErrorInvalidValue,
        halMemcpy2D(a.mem, SIZE_MAX / 2, h, 20, 20, 4, halMemcpyHostToDevice));
    CONF_OK(c, halMemcpy2D(a.mem, 64, h, 64, 0, 4, halMemcpyHostToDevice));
    CONF_OK(c, halMemcpy2D(a.mem, 64, h, 64, 4, 0, halMemcpyHostToDevice));
    conf_check_zones(c, &a);
}

/* To another device of the process and back, by Default and by Peer. */
static void across(struct conf *c)
{
    const struct span *s = conf_param(c);
    int here = conf_device(c), there = conf_other_device(c, 0);
    struct conf_buf a = conf_alloc(c, s->size, s->offset);
    struct conf_buf b = conf_alloc(c, s->size, 0);
    uint8_t *want = api_bytes(c, s->size), *got = conf_host(c, s->size);
    void *far = NULL;

    if (there < 0)
        conf_end(c, CONF_UNSUPPORTED, "no other device in this process");
    CONF_OK(c, halSetDevice(there));
    CONF_OK(c, halMalloc(&far, s->size + s->offset));
    CONF_OK(c, halSetDevice(here));
    char *p = (char *)far + s->offset;
    CONF_OK(c, halMemcpy(a.mem, want, s->size, halMemcpyHostToDevice));
    CONF_OK(c, halMemcpy(p, a.mem, s->size, halMemcpyDefault));
    CONF_OK(c, halMemcpyPeer(b.mem, here, p, there, s->size));
    CONF_OK(c, halMemcpy(got, b.mem, s->size, halMemcpyDeviceToHost));
    api_same(c, got, want, s->size, "through the other device");
    CONF_OK(c, halFree(far));
}

static void across_async(struct conf *c)
{
    enum { N = 300001 };
    int here = conf_device(c), there = conf_other_device(c, 0);
    struct conf_buf a = conf_alloc(c, N, 0), b = conf_alloc(c, N, 0);
    void *far = NULL;
    halStream_t s = NULL;

    if (there < 0)
        conf_end(c, CONF_UNSUPPORTED, "no other device in this process");
    CONF_OK(c, halSetDevice(there));
    CONF_OK(c, halMalloc(&far, N));
    CONF_OK(c, halMemset(far, 1, N));
    CONF_OK(c, halDeviceSynchronize());
    CONF_OK(c, halSetDevice(here));
    CONF_OK(c, halStreamCreate(&s));
    for (int i = 2; i < 6; i++) {
        CONF_OK(c, halMemsetAsync(a.mem, i, N, s));
        CONF_OK(c, halMemcpyPeerAsync(far, there, a.mem, here, N, s));
        CONF_OK(c, halMemsetAsync(a.mem, 99, N, s));
        CONF_OK(c, halMemcpyPeerAsync(b.mem, here, far, there, N, s));
    }
    CONF_OK(c, halStreamSynchronize(s));
    conf_expect_bytes(c, &b, 5);
    CONF_OK(c, halStreamDestroy(s));
    CONF_OK(c, halFree(far));
}

static void peer_wrong_device(struct conf *c)
{
    struct conf_buf a = conf_alloc(c, 64, 0), b = conf_alloc(c, 64, 0);
    int here = conf_device(c);

    CONF_FAILS(c, halErrorInvalidDevice,
               halMemcpyPeer(a.mem, 1000, b.mem, here, 64));
    CONF_FAILS(c, halErrorInvalidDevice,
               halMemcpyPeer(a.mem, here, b.mem, -1, 64));
    if (conf_other_device(c, 0) >= 0)
        CONF_FAILS(
            c, halErrorInvalidValue,
            halMemcpyPeer(a.mem, conf_other_device(c, 0), b.mem, here, 64));
    conf_check_zones(c, &a);
}

static const struct span spans[] = { { 1, 0 },       { 3, 1 },
                                     { 64, 0 },      { 1021, 3 },
                                     { 65536, 5 },   { 1048577, 1 },
                                     { 9437187, 13 } };

static const struct conf_case cases[] = {
    { "api.copy.host_to_host", host_to_host, .levels = MEMORY },
    { "api.copy.zero_size", zero_size, .levels = MEMORY },
    { "api.copy.past_end", past_end, .levels = MEMORY },
    { "api.copy.wrong_kind", wrong_kind, .levels = MEMORY },
    { "api.copy.null", null_pointers, .levels = MEMORY },
    { "api.copy.freed", freed_pointer, .levels = MEMORY },
    { "api.copy.overlap", overlap, .levels = MEMORY },
    { "api.copy.pageable_source", pageable_source, .levels = MEMORY },
    { "api.copy.pageable_target", pageable_target, .levels = MEMORY },
    { "api.copy.in_order", in_order, .levels = MEMORY },
    { "api.copy.2d.three_ways", copy_2d, .levels = MEMORY },
    { "api.copy.2d.other_pitch", copy_2d_pitches, .levels = MEMORY },
    { "api.copy.2d.async", copy_2d_async, .levels = MEMORY },
    { "api.copy.2d.bad", copy_2d_bad, .levels = MEMORY },
    { "api.copy.across.async", across_async, .levels = MEMORY },
    { "api.copy.across.wrong_device", peer_wrong_device, .levels = MEMORY },
    { 0 },
};

void conf_cases_api_copy(struct conf_list *list,
                         const struct conf_options *options)
{
    (void)options;
    conf_list_add_table(list, cases);
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        static const struct {
            const char *name;
            void (*run)(struct conf *c);
        } ways[] = { { "round_trip", round_trip },
                     { "round_trip_async", round_trip_async },
                     { "across.default_and_peer", across } };

        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
            char name[96];

            snprintf(name, sizeof name, "api.copy.%s.n%zu_o%zu", ways[k].name,
                     spans[i].size, spans[i].offset);
            conf_list_add(list,
                          &(struct conf_case){ .name = name,
                                               .run = ways[k].run,
                                               .param = &spans[i],
                                               .levels = MEMORY },
                          sizeof spans[i]);
        }
    }
}
