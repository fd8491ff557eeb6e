/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cuda_fake.c - the CUDA backend over a fake driver: order, every error
 * path, and that the rest of the process is left alone.  Invariant: each test
 * runs in a process of its own, since a driver is loaded once a process.
 */
#include "tests/backends/cuda_test.h"

#include <pthread.h>

#include "backends/cuda/cuda.h"

/* ---- every call fails once ---------------------------------------------- */

static halError_t use(struct held *h)
{
    const struct hal_ops *ops = h->dev->ops;
    uint32_t v = 5;
    halError_t st;

    TRY(ops->fill(h->dev, h->stream, h->a.impl, 0, 64, 0, 4));
    TRY(ops->copy_in(h->dev, h->stream, h->a.impl, 4, &v, 4, 0));
    TRY(ops->event_record(h->dev, h->stream, h->start));
    TRY(advance(h->dev, h->stream, h->kernel, &h->a, 1));
    TRY(ops->host_func(h->dev, h->stream, count_run, &h->ran));
    TRY(advance(h->dev, h->stream, h->kernel, &h->a, 1));
    TRY(ops->event_record(h->dev, h->stream, h->end));
    TRY(ops->stream_wait(h->dev, h->second, h->end));
    TRY(ops->copy(h->dev, h->second, h->b.impl, 0, h->a.impl, 4, 4));
    TRY(h->dev->opt->copy_2d(h->dev, h->second, h->b.impl, 8, 8, h->b.impl, 0,
                             4, 4, 1));
    TRY(ops->event_sync(h->dev, h->end));
    TRY(ops->event_elapsed(h->dev, h->start, h->end, &h->ms));
    while ((st = ops->stream_query(h->dev, h->second)) == halErrorNotReady)
        usleep(100);
    TRY(st);
    TRY(ops->stream_sync(h->dev, h->second));
    TRY(ops->copy_out(h->dev, h->second, &h->out, h->b.impl, 8, 4, 0));
    TRY(ops->stream_sync(h->dev, h->stream));
    return ops->stream_query(h->dev, h->stream);
}

static int sweep(int code, int lost)
{
    struct fake_cuda *fake = fake_load();
    const struct held none = HELD_NONE;
    struct test_kernel k;
    unsigned n_devices;
    int n, n_failed = 0;

    CHECK(fake);
    test_kernel_init(&k, "advance", text_advance, "bss");
    CHECK(!hal_backend_cuda.probe(&n_devices));
    for (n = 1;; n++) {
        struct held h = none;
        halError_t st;
        bool consumed;

        fake->n_calls = 0;
        fake->fail_at = n;
        fake->fail_code = code;
        fake->lost = lost;
        fake->failed[0] = '\0';
        st = acquire(&h, &k, 0);
        if (st == halSuccess)
            st = use(&h);
        consumed = fake->n_calls >= n;
        give_back(&h);
        fake->fail_at = 0;
        if (st != halSuccess) {
            n_failed++;
            CHECK(strlen(halGetErrorDetail()));
        } else if (h.out != (5 * 3 + 2) * 3 + 2 || h.ran != 1) {
            printf("call %d (%s): success, but %u, %u\n", n, fake->failed,
                   h.out, h.ran);
            return 1;
        }
        if (clean(fake)) {
            printf("call %d (%s) failed\n", n, fake->failed);
            return 1;
        }
        if (!consumed)
            break;
    }
    printf("%d calls, %d of their failures reached the caller\n", n - 1,
           n_failed);
    /* Those that need not: what is asked of a device's properties. */
    return n_failed < (n - 1) / 3;
}

static int sweep_memory_body(void)
{
    return sweep(2, 0); /* CUDA_ERROR_OUT_OF_MEMORY */
}

static int sweep_invalid_body(void)
{
    return sweep(400, 0); /* CUDA_ERROR_INVALID_HANDLE */
}

static int sweep_unknown_body(void)
{
    return sweep(12345, 0);
}

static int sweep_lost_body(void)
{
    return sweep(719, 1); /* CUDA_ERROR_LAUNCH_FAILED */
}

static int sweep_ecc_body(void)
{
    return sweep(214, 1); /* CUDA_ERROR_ECC_UNCORRECTABLE */
}

/* ---- order -----------------------------------------------------------------
 */

static void wait_open(void *arg)
{
    atomic_int *open = arg;

    while (!atomic_load(open))
        usleep(100);
}

/* A host function that blocks holds its stream back, and no other: neither
 * theirs, nor memory, nor copies from plain memory on the same stream. */
static int blocked_body(void)
{
    struct fake_cuda *fake;
    struct test_kernel k;
    struct held h;
    struct hal_mem m;
    const struct hal_ops *ops;
    atomic_int open = 0;
    void *third;
    char *big = malloc(1 << 20);

    if (prepare(&fake, &h, &k) || !big)
        return 1;
    ops = h.dev->ops;
    memset(big, 7, 1 << 20);
    CHECK(!ops->mem_alloc(h.dev, 1 << 20, HAL_MEM_DEVICE, &m));
    CHECK(!ops->host_func(h.dev, h.stream, wait_open, &open));
    CHECK(!ops->copy_in(h.dev, h.stream, m.impl, 0, big, 1 << 20, 0));
    memset(big, 9, 1 << 20); /* it has been read */
    /* Neither goes on before its time. */
    CHECK(!ops->event_record(h.dev, h.stream, h.end));
    CHECK(!ops->stream_wait(h.dev, h.second, h.end));
    CHECK(!ops->host_func(h.dev, h.second, count_run, &h.ran));
    sleep_ms(50);
    CHECK(h.ran == 0);
    CHECK(ops->stream_query(h.dev, h.stream) == halErrorNotReady);
    CHECK(!ops->stream_create(h.dev, 0, &third));
    CHECK(ops->copy_out(h.dev, h.stream, big, m.impl, 0, 4, HAL_COPY_WAITED) ==
          halErrorNotReady);
    CHECK(!ops->host_func(h.dev, third, count_run, &h.ran));
    CHECK(!ops->fill(h.dev, third, h.b.impl, 0, 4, 77, 4));
    CHECK(!ops->copy_out(h.dev, third, &h.out, h.b.impl, 0, 4, 0));
    CHECK(h.out == 77 && h.ran == 1);
    ops->stream_destroy(h.dev, third);
    ops->mem_free(h.dev, h.b.impl);
    CHECK(!ops->mem_alloc(h.dev, 64, HAL_MEM_DEVICE, &h.b));
    atomic_store(&open, 1);
    CHECK(!ops->stream_sync(h.dev, h.stream));
    CHECK(!ops->copy_out(h.dev, h.stream, big, m.impl, 0, 1 << 20, 0));
    for (int i = 0; i < 1 << 20; i++)
        CHECK(big[i] == 7);
    ops->mem_free(h.dev, m.impl);
    free(big);
    give_back(&h);
    return clean(fake);
}

struct gate {
    atomic_int begun, open;
    const struct fake_cuda *fake;
    int n_live; /* that many objects open it late */
};

static void *open_late(void *arg)
{
    struct gate *gate = arg;

    for (int i = 0; i < 5000 && gate->fake->n_live < gate->n_live; i++)
        sleep_ms(1);
    sleep_ms(5);
    atomic_store(&gate->open, 1);
    return NULL;
}

static void pass_gate(void *arg)
{
    struct gate *gate = arg;

    atomic_store(&gate->begun, 1);
    wait_open(&gate->open);
}

/* Holds the stream back, and returns once its host function runs. */
static halError_t hold(struct held *h, struct gate *gate)
{
    atomic_store(&gate->begun, 0);
    atomic_store(&gate->open, 0);
    TRY(h->dev->ops->host_func(h->dev, h->stream, pass_gate, gate));
    while (!atomic_load(&gate->begun))
        usleep(100);
    return halSuccess;
}

/* Copies to a stream that is held back share pieces of a bounded whole; what
 * does not fit into it waits for its own stream, and arrives. */
static int staged_body(void)
{
    const uint64_t many = 20 << 20, most = 16 * CUDA_STAGE_BYTES;
    const uint64_t size = most + (6 << 20);
    unsigned char *host = malloc(size);
    struct gate gate;
    struct fake_cuda *fake;
    const struct hal_ops *ops;
    struct test_kernel k;
    struct hal_mem m;
    struct held h;
    pthread_t thread;
    int n_live;

    if (prepare(&fake, &h, &k) || !host)
        return 1;
    ops = h.dev->ops;
    CHECK(!ops->mem_alloc(h.dev, size, HAL_MEM_DEVICE, &m));
    CHECK(!hold(&h, &gate));
    n_live = fake->n_live;
    for (uint32_t i = 0; i < 1000; i++)
        CHECK(!ops->copy_in(h.dev, h.stream, m.impl, 4 * i, &i, 4, 0));
    CHECK(fake->n_live == n_live + 2); /* one piece and its event */
    for (uint64_t i = 0; i < size; i++)
        host[i] = (unsigned char)(i * 7 + (i >> 20));
    CHECK(!ops->copy_in(h.dev, h.stream, m.impl, 4000, host, many, 0));
    CHECK(fake->n_live == n_live + 2 * 6);
    CHECK(ops->stream_query(h.dev, h.stream) == halErrorNotReady);
    atomic_store(&gate.open, 1);
    CHECK(!ops->stream_sync(h.dev, h.stream));
    memset(host, 0, many);
    CHECK(!ops->copy_out(h.dev, h.stream, host, m.impl, 0, many, 0));
    for (uint32_t i = 0; i < 1000; i++)
        CHECK(!memcmp(host + 4 * i, &i, 4));
    for (uint64_t i = 0; i < many - 4000; i++)
        CHECK(host[4000 + i] == (unsigned char)(i * 7 + (i >> 20)));

    memset(host, 0x55, size);
    CHECK(!hold(&h, &gate));
    gate.fake = fake;
    gate.n_live = n_live + 2 * 16;
    CHECK(!pthread_create(&thread, NULL, open_late, &gate));
    CHECK(!ops->copy_in(h.dev, h.stream, m.impl, 0, host, size, 0));
    CHECK(fake->n_live == gate.n_live);
    memset(host, 0, size);
    CHECK(!pthread_join(thread, NULL));
    CHECK(!ops->copy_out(h.dev, h.stream, host, m.impl, 0, size, 0));
    for (uint64_t i = 0; i < size; i++)
        CHECK(host[i] == 0x55);
    ops->mem_free(h.dev, m.impl);
    free(host);
    give_back(&h);
    return clean(fake);
}

/* Sixteen streams that are held back have all large pieces; small copies to
 * more of them do not wait. */
static int staged_many_body(void)
{
    enum { STREAMS = 24 };
    void *streams[STREAMS], *event;
    struct gate gate;
    struct fake_cuda *fake;
    const struct hal_ops *ops;
    struct test_kernel k;
    struct hal_mem m;
    struct held h;
    uint32_t got[2 * STREAMS];
    int n_live;

    if (prepare(&fake, &h, &k))
        return 1;
    ops = h.dev->ops;
    CHECK(!ops->mem_alloc(h.dev, 4096, HAL_MEM_DEVICE, &m));
    CHECK(!ops->event_create(h.dev, 0, &event));
    for (int i = 0; i < STREAMS; i++)
        CHECK(!ops->stream_create(h.dev, 0, &streams[i]));
    CHECK(!hold(&h, &gate));
    CHECK(!ops->event_record(h.dev, h.stream, event));
    for (int i = 0; i < STREAMS; i++)
        CHECK(!ops->stream_wait(h.dev, streams[i], event));
    n_live = fake->n_live;
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < STREAMS; i++) {
            uint32_t at = (uint32_t)round * STREAMS + i, value = at * 5 + 1;

            CHECK(
                !ops->copy_in(h.dev, streams[i], m.impl, 4 * at, &value, 4, 0));
            /* a piece and its event for each of the streams */
            if (round == 0)
                CHECK(fake->n_live == n_live + 2 * ((int)i + 1));
        }
    CHECK(fake->n_live == n_live + 2 * STREAMS);
    for (int i = 0; i < STREAMS; i++)
        CHECK(ops->stream_query(h.dev, streams[i]) == halErrorNotReady);
    atomic_store(&gate.open, 1);
    for (int i = 0; i < STREAMS; i++)
        CHECK(!ops->stream_sync(h.dev, streams[i]));
    CHECK(!ops->copy_out(h.dev, h.stream, got, m.impl, 0, sizeof got, 0));
    for (uint32_t i = 0; i < 2 * STREAMS; i++)
        CHECK(got[i] == i * 5 + 1);
    for (int i = 0; i < STREAMS; i++)
        ops->stream_destroy(h.dev, streams[i]);
    ops->event_destroy(h.dev, event);
    ops->mem_free(h.dev, m.impl);
    give_back(&h);
    return clean(fake);
}

static void write_late(void *arg)
{
    usleep(20000);
    *(uint32_t *)arg = 5;
}

/* Memory that another backend has pinned, and that the driver does not know, is
 * read when its turn comes. */
static int others_memory_body(void)
{
    uint32_t *host = malloc(sizeof *host);
    struct fake_cuda *fake;
    struct test_kernel k;
    struct held h;

    if (prepare(&fake, &h, &k) || !host)
        return 1;
    *host = 3;
    CHECK(!h.dev->ops->host_func(h.dev, h.stream, write_late, host));
    CHECK(!h.dev->ops->copy_in(h.dev, h.stream, h.b.impl, 0, host, 4,
                               HAL_COPY_PINNED));
    CHECK(!h.dev->ops->copy_out(h.dev, h.stream, &h.out, h.b.impl, 0, 4, 0));
    CHECK(h.out == 5);
    free(host);
    give_back(&h);
    return clean(fake);
}

/* Many host functions, in order; the word that streams wait for goes round. */
static int many_functions_body(void)
{
    struct fake_cuda *fake;
    struct test_kernel k;
    struct held h;

    if (prepare(&fake, &h, &k))
        return 1;
    CHECK(!h.dev->ops->fill(h.dev, h.stream, h.a.impl, 0, 64, 0, 4));
    for (int i = 0; i < 50; i++) {
        CHECK(!h.dev->ops->host_func(h.dev, h.stream, count_run, &h.ran));
        CHECK(!advance(h.dev, h.stream, h.kernel, &h.a, 0));
    }
    CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
    CHECK(h.ran == 50);
    /* Another stream gets the same word again. */
    h.dev->ops->stream_destroy(h.dev, h.stream);
    CHECK(!h.dev->ops->stream_create(h.dev, 0, &h.stream));
    CHECK(!h.dev->ops->host_func(h.dev, h.stream, count_run, &h.ran));
    CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
    CHECK(h.ran == 51);
    give_back(&h);
    return clean(fake);
}

static int waited_body(void)
{
    struct fake_cuda *fake;
    struct test_kernel k;
    struct held h;

    if (prepare(&fake, &h, &k))
        return 1;
    test_waited(h.dev, 4096);
    test_waited(h.dev, 1 << 20);
    give_back(&h);
    return clean(fake);
}

/* Page-locked by somebody else: the driver would read it later. */
static int foreign_body(void)
{
    unsigned (*reg)(void *, size_t, unsigned) = NULL;
    unsigned (*unreg)(void *) = NULL;
    unsigned (*push)(void *) = NULL, (*pop)(void **) = NULL;
    unsigned (*retain)(void **, int) = NULL, (*release)(int) = NULL;
    struct fake_cuda *fake;
    struct test_kernel k;
    struct held h;
    void *context, *lib, *at;
    uint32_t *word = aligned_alloc(4096, 4096);

    if (prepare(&fake, &h, &k) || !word)
        return 1;
    lib = dlopen(getenv("HALCYON_CUDA_LIB"), RTLD_NOW);
#define FIND(to, name) (at = dlsym(lib, name), memcpy(&to, &at, sizeof at))
    FIND(reg, "cuMemHostRegister_v2");
    FIND(unreg, "cuMemHostUnregister");
    FIND(push, "cuCtxPushCurrent_v2");
    FIND(pop, "cuCtxPopCurrent_v2");
    FIND(retain, "cuDevicePrimaryCtxRetain");
    FIND(release, "cuDevicePrimaryCtxRelease_v2");
    CHECK(!retain(&context, 0) && !push(context));
    CHECK(!reg(word, 4096, 0));
    for (uint32_t i = 0; i < 200; i++) {
        *word = i;
        CHECK(!h.dev->ops->copy_in(h.dev, h.stream, h.a.impl, 0, word, 4, 0));
        *word = 99999; /* the op has read it */
        CHECK(
            !h.dev->ops->copy_out(h.dev, h.stream, &h.out, h.a.impl, 0, 4, 0));
        CHECK(h.out == i);
    }
    CHECK(!unreg(word) && !pop(&context) && !release(0));
    free(word);
    give_back(&h);
    return clean(fake);
}

/* The thread's current context is what it was, whatever that is. */
static int current_body(void)
{
    unsigned (*get)(void **) = NULL, (*push)(void *) = NULL;
    unsigned (*retain)(void **, int) = NULL;
    struct fake_cuda *fake = fake_load();
    struct held h = HELD_NONE;
    struct test_kernel k;
    void *other, *now, *lib, *at;
    unsigned n;

    CHECK(fake);
    fake->n_devices = 2;
    CHECK(!hal_backend_cuda.probe(&n) && n == 2);
    lib = dlopen(getenv("HALCYON_CUDA_LIB"), RTLD_NOW);
    FIND(get, "cuCtxGetCurrent");
    FIND(push, "cuCtxPushCurrent_v2");
    FIND(retain, "cuDevicePrimaryCtxRetain");
    test_kernel_init(&k, "advance", text_advance, "bss");
    CHECK(!acquire(&h, &k, 0) && !use(&h));
    CHECK(!get(&now) && !now);
    CHECK(!retain(&other, 1) && !push(other));
    CHECK(!use(&h));
    give_back(&h);
    CHECK(!get(&now) && now == other);
    CHECK(fake->n_contexts == 1 && !fake->n_bad);
    return 0;
}

/* ---- the rest
 * ------------------------------------------------------------------ */

static int properties_body(void)
{
    struct fake_cuda *fake = fake_load();
    struct hal_dev *dev = NULL;
    const struct halDeviceProp *p;
    unsigned n = 0;
    int least = 9, greatest = 9;

    CHECK(fake);
    fake->capability = 80;
    CHECK(!hal_backend_cuda.probe(&n) && n == 1);
    CHECK(!hal_backend_cuda.device_open(0, &dev));
    p = &dev->info.prop;
    CHECK(dev->info.version == 13000);
    CHECK(dev->info.target == HAL_TARGET_PTX);
    CHECK(dev->info.text_target == HAL_TARGET_CUDA);
    CHECK(p->major == 8 && p->minor == 0 && p->warpSize == 32);
    CHECK(p->maxThreadsDim[2] == 64 && p->maxGridSize[1] == 65535);
    CHECK(p->uuid[0] == 0xa0 && p->uuid[15] == 0xa0);
    CHECK(p->managedMemory && p->streamPrioritiesSupported);
    dev->opt->priority_range(dev, &least, &greatest);
    CHECK(least == 0 && greatest == -5);
    dev->ops->device_close(dev);
    return clean(fake);
}

/* Without pools memory comes from cuMemAlloc. */
static int no_pools_body(void)
{
    struct fake_cuda *fake = fake_load();
    struct held h = HELD_NONE;
    struct test_kernel k;
    unsigned n;

    CHECK(fake);
    fake->no_pools = 1;
    CHECK(!hal_backend_cuda.probe(&n));
    test_kernel_init(&k, "advance", text_advance, "bss");
    CHECK(!acquire(&h, &k, 0) && !use(&h));
    CHECK(h.out == (5 * 3 + 2) * 3 + 2);
    give_back(&h);
    return clean(fake);
}

/* Kernels of one GPU on the memory of the other, from its pool. */
static int peer_body(void)
{
    struct fake_cuda *fake = fake_load();
    struct held h = HELD_NONE, g = HELD_NONE;
    struct test_kernel k;
    unsigned n;
    int can = 9;

    CHECK(fake);
    fake->n_devices = 2;
    CHECK(!hal_backend_cuda.probe(&n) && n == 2);
    test_kernel_init(&k, "advance", text_advance, "bss");
    CHECK(!acquire(&h, &k, 0) && !acquire(&g, &k, 1));
    CHECK(!h.dev->opt->peer_can_access(h.dev, h.dev, &can) && !can);
    CHECK(!h.dev->opt->peer_can_access(h.dev, g.dev, &can) && can);
    CHECK(!g.dev->ops->fill(g.dev, g.stream, g.a.impl, 0, 4, 5, 4));
    CHECK(!g.dev->ops->stream_sync(g.dev, g.stream));
    CHECK(advance(h.dev, h.stream, h.kernel, &g.a, 0) != halSuccess);
    fake->n_bad = 0; /* that was to be refused */
    CHECK(!h.dev->opt->peer_enable(h.dev, g.dev));
    CHECK(!advance(h.dev, h.stream, h.kernel, &g.a, 0));
    CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
    CHECK(!g.dev->ops->copy_out(g.dev, g.stream, &g.out, g.a.impl, 0, 4, 0));
    CHECK(g.out == 17);
    CHECK(!h.dev->opt->peer_disable(h.dev, g.dev));
    CHECK(advance(h.dev, h.stream, h.kernel, &g.a, 0) != halSuccess);
    fake->n_bad = 0;
    give_back(&h);
    give_back(&g);
    return clean(fake);
}

/* A stand-in beside the real device: the access ends with the last of them.
 * What another library has switched on in the contexts stays on. */
static int peer_shared_body(int no_pools, int is_others)
{
    struct held h = HELD_NONE, g = HELD_NONE, twin = HELD_NONE;
    unsigned (*enable)(void *, unsigned) = NULL;
    unsigned (*push)(void *) = NULL, (*pop)(void **) = NULL;
    struct fake_cuda *fake = fake_load();
    struct test_kernel k;
    void *lib, *at, *context;
    unsigned n;

    CHECK(fake);
    fake->n_devices = 2;
    fake->no_pools = no_pools;
    lib = dlopen(getenv("HALCYON_CUDA_LIB"), RTLD_NOW);
    FIND(enable, "cuCtxEnablePeerAccess");
    FIND(push, "cuCtxPushCurrent_v2");
    FIND(pop, "cuCtxPopCurrent_v2");
    CHECK(!hal_backend_cuda.probe(&n) && n == 2);
    test_kernel_init(&k, "advance", text_advance, "bss");
    CHECK(!acquire(&h, &k, 0) && !acquire(&twin, &k, 0) && !acquire(&g, &k, 1));
    if (is_others) {
        CHECK(!push(cuda_dev_of(h.dev)->context));
        CHECK(!enable(cuda_dev_of(g.dev)->context, 0));
        CHECK(!pop(&context));
    }
    CHECK(!h.dev->opt->peer_enable(h.dev, g.dev));
    CHECK(!twin.dev->opt->peer_enable(twin.dev, g.dev));
    CHECK(!h.dev->opt->peer_disable(h.dev, g.dev));
    CHECK(!advance(twin.dev, twin.stream, twin.kernel, &g.a, 0));
    CHECK(!twin.dev->ops->stream_sync(twin.dev, twin.stream));
    CHECK(!fake->n_bad);
    CHECK(!twin.dev->opt->peer_disable(twin.dev, g.dev));
    CHECK(!advance(h.dev, h.stream, h.kernel, &g.a, 0) ==
          (no_pools && is_others));
    fake->n_bad = 0;
    /* One that closes ends its own. */
    CHECK(!h.dev->opt->peer_enable(h.dev, g.dev));
    give_back(&h);
    CHECK(!advance(twin.dev, twin.stream, twin.kernel, &g.a, 0) ==
          (no_pools && is_others));
    fake->n_bad = 0;
    CHECK(!twin.dev->ops->stream_sync(twin.dev, twin.stream));
    give_back(&twin);
    give_back(&g);
    return clean(fake);
}

static int peer_pools_body(void)
{
    return peer_shared_body(0, 0) || peer_shared_body(0, 1);
}

static int peer_contexts_body(void)
{
    return peer_shared_body(1, 0) || peer_shared_body(1, 1);
}

static halError_t advance_with(struct held *h, uint32_t shared)
{
    union hal_arg args[] = { arg_buffer(&h->a, 0), arg_scalar(1),
                             arg_scalar(2) };
    const struct hal_launch launch = {
        .grid = { 1, 1, 1 }, .shared_bytes = shared, .n_args = 3, .args = args
    };

    return h->dev->ops->launch(h->dev, h->stream, h->kernel, &launch);
}

/* Beyond what a block has unasked, the kernel is granted all that there is,
 * once, at the first launch that wants it. */
static int shared_body(void)
{
    const uint32_t more = 227 << 10, fixed = 1024;
    struct fake_cuda *fake = fake_load();
    struct held h = HELD_NONE;
    struct test_kernel k, big;
    void *out = SAME;
    unsigned n;

    CHECK(fake);
    fake->static_shared = (int)fixed;
    CHECK(!hal_backend_cuda.probe(&n));
    test_kernel_init(&k, "advance", text_advance, "bss");
    CHECK(!acquire(&h, &k, 0));
    CHECK(h.dev->info.prop.sharedMemPerBlock == 48 << 10);
    CHECK(h.dev->info.prop.sharedMemPerBlockOptin == more);
    CHECK(!advance_with(&h, (48 << 10) - fixed) && fake->n_grants == 0);
    CHECK(!advance_with(&h, (48 << 10) - fixed + 1) && fake->n_grants == 1);
    CHECK(!advance_with(&h, more - fixed) && fake->n_grants == 1);
    CHECK_FAILS(halErrorInvalidConfiguration,
                advance_with(&h, more - fixed + 1),
                "kernel advance: 231425 bytes of dynamic shared memory and "
                "1024 static; a group has 232448");
    CHECK(!h.dev->ops->stream_sync(h.dev, h.stream));
    /* What a kernel declares is not granted. */
    test_kernel_init(&big, "advance", text_advance, "bss");
    big.image.shared_bytes = (48 << 10) + 1;
    CHECK_FAILS(halErrorNoImageForDevice, test_kernel_create(h.dev, &big, &out),
                "49152 bytes of static shared memory");
    CHECK(out == SAME);
    give_back(&h);
    return clean(fake);
}

/* Reflection and code that disagree are refused. */
static int params_body(void)
{
    struct fake_cuda *fake;
    struct test_kernel k, bad;
    struct held h;
    void *out = SAME;

    if (prepare(&fake, &h, &k))
        return 1;
    test_kernel_init(&bad, "advance", text_advance, "bs");
    CHECK_FAILS(halErrorInvalidImage, test_kernel_create(h.dev, &bad, &out),
                "argument 2 has 4 bytes in its image, 0 by its reflection");
    test_kernel_init(&bad, "advance", text_advance, "sbs");
    CHECK_FAILS(halErrorInvalidImage, test_kernel_create(h.dev, &bad, &out),
                "argument 0 has 8 bytes");
    test_kernel_init(&bad, "other", text_advance, "bss");
    CHECK_FAILS(halErrorInvalidImage, test_kernel_create(h.dev, &bad, &out),
                "kernel other: its image defines no such kernel");
    test_kernel_init(&bad, "advance", ".version 7.0\n.target sm_70\n", "bss");
    CHECK_FAILS(halErrorKernelBuild, test_kernel_create(h.dev, &bad, &out),
                "ptxas: line 3; error: no entry");
    CHECK(!strstr(halGetErrorDetail(), "more"));
    test_kernel_init(&bad, "advance",
                     "\x7f"
                     "ELF",
                     "bss");
    CHECK_FAILS(halErrorInvalidImage, test_kernel_create(h.dev, &bad, &out),
                "is no text");
    CHECK(out == SAME);
    give_back(&h);
    return clean(fake);
}

IN_CHILD(sweep_memory)
IN_CHILD(sweep_invalid)
IN_CHILD(sweep_unknown)
IN_CHILD(sweep_lost)
IN_CHILD(sweep_ecc)
IN_CHILD(blocked)
IN_CHILD(others_memory)
IN_CHILD(many_functions)
IN_CHILD(waited)
IN_CHILD(foreign)
IN_CHILD(current)
IN_CHILD(properties)
IN_CHILD(no_pools)
IN_CHILD(peer)
IN_CHILD(peer_pools)
IN_CHILD(peer_contexts)
IN_CHILD(staged)
IN_CHILD(staged_many)
IN_CHILD(shared)
IN_CHILD(params)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweep_memory),   cmocka_unit_test(sweep_invalid),
        cmocka_unit_test(sweep_unknown),  cmocka_unit_test(sweep_lost),
        cmocka_unit_test(sweep_ecc),      cmocka_unit_test(blocked),
        cmocka_unit_test(many_functions), cmocka_unit_test(waited),
        cmocka_unit_test(foreign),        cmocka_unit_test(current),
        cmocka_unit_test(properties),     cmocka_unit_test(no_pools),
        cmocka_unit_test(peer),           cmocka_unit_test(params),
        cmocka_unit_test(others_memory),  cmocka_unit_test(staged),
        cmocka_unit_test(staged_many),    cmocka_unit_test(shared),
        cmocka_unit_test(peer_pools),     cmocka_unit_test(peer_contexts),
    };

    return cuda_main("cuda fake", tests, sizeof tests / sizeof tests[0]);
}
