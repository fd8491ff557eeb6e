/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_backend.c - see fake_backend.h.  One lock and one condition serve all
 * queues: what counts here is that it is plainly right.
 */
#include "tests/support/fake_backend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The tests of the lowest floor link this file without the core. */
#pragma weak hal_fail

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned fail_at, n_calls, async_at;
static int has_failed, is_held;
static halError_t fail_error, async_error;
static unsigned delay_us;
static long n_live;

static struct {
    const char *name;
    unsigned n;
} counts[40];

struct fake_dev {
    struct hal_dev base;
    unsigned index;
    int is_lost;
    uint64_t used;
};

struct fake_mem {
    uint64_t size;
    char *bytes;
};

/* One record of an event; waits hold it. */
struct point {
    unsigned refs;
    int is_done;
    halError_t error;
    double time;
};

struct fake_event {
    struct point *point; /* NULL: never recorded */
    int has_timing;
};

struct op {
    struct op *next;
    void (*run)(struct op *op);
    char *dst;
    const char *src;
    uint64_t size, dst_pitch, src_pitch, height;
    uint32_t pattern;
    unsigned pattern_bytes;
    void *owned; /* freed with the op */
    void (*fn)(void *);
    void *arg;
    struct point *point;
    halError_t error;
    char name[HAL_NAME_MAX + 1];
    union hal_arg args[HAL_PARAMS_MAX];
};

struct fake_stream {
    struct fake_dev *dev;
    pthread_t thread;
    struct op *head, **tail;
    int is_busy, is_closing;
    halError_t error;
};

/* ---- switches ------------------------------------------------------------ */

void fake_fail_at(unsigned n, halError_t error)
{
    pthread_mutex_lock(&lock);
    fail_at = n;
    fail_error = error;
    n_calls = 0;
    has_failed = 0;
    pthread_mutex_unlock(&lock);
}

unsigned fake_calls(void)
{
    unsigned n;

    pthread_mutex_lock(&lock);
    n = n_calls;
    pthread_mutex_unlock(&lock);
    return n;
}

int fake_has_failed(void)
{
    int has;

    pthread_mutex_lock(&lock);
    has = has_failed;
    pthread_mutex_unlock(&lock);
    return has;
}

void fake_fail_async(unsigned n, halError_t error)
{
    pthread_mutex_lock(&lock);
    async_at = n;
    async_error = error;
    pthread_mutex_unlock(&lock);
}

void fake_delay_us(unsigned us)
{
    pthread_mutex_lock(&lock);
    delay_us = us;
    pthread_mutex_unlock(&lock);
}

void fake_hold(int hold)
{
    pthread_mutex_lock(&lock);
    is_held = hold;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

long fake_live(void)
{
    long n;

    pthread_mutex_lock(&lock);
    n = n_live;
    pthread_mutex_unlock(&lock);
    return n;
}

static void live(long change)
{
    pthread_mutex_lock(&lock);
    n_live += change;
    pthread_mutex_unlock(&lock);
}

static void count_locked(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (!counts[i].name)
            counts[i].name = name;
        if (!strcmp(counts[i].name, name)) {
            counts[i].n++;
            return;
        }
    }
}

unsigned fake_count(const char *name)
{
    unsigned n = 0;
    size_t i;

    pthread_mutex_lock(&lock);
    for (i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (counts[i].name && !strcmp(counts[i].name, name))
            n = counts[i].n;
    pthread_mutex_unlock(&lock);
    return n;
}

/* Each op that can fail begins with this. */
static halError_t enter(struct hal_dev *dev, const char *op)
{
    struct fake_dev *d = (struct fake_dev *)dev;
    halError_t st = halSuccess;

    pthread_mutex_lock(&lock);
    count_locked(op);
    n_calls++;
    if (fail_at && n_calls == fail_at) {
        st = fail_error;
        has_failed = 1;
        if (st == halErrorDeviceLost)
            d->is_lost = 1;
    } else if (d->is_lost) {
        st = halErrorDeviceLost;
    }
    pthread_mutex_unlock(&lock);
    return st == halSuccess ? st
                            : hal_fail(st, "fake: %s was made to fail", op);
}

#define ENTER(dev)                                \
    do {                                          \
        halError_t enter_ = enter(dev, __func__); \
        if (enter_ != halSuccess)                 \
            return enter_;                        \
    } while (0)

/* ---- queues -------------------------------------------------------------- */

static void point_release_locked(struct point *p)
{
    if (p && --p->refs == 0)
        free(p);
}

static void op_free_locked(struct op *op)
{
    point_release_locked(op->point);
    free(op->owned);
    free(op);
}

static void run_host(struct op *op)
{
    op->fn(op->arg);
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void run_wait(struct op *op)
{
    pthread_mutex_lock(&lock);
    while (!op->point->is_done)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void run_record(struct op *op)
{
    (void)op; /* the loop below marks it */
}

static void *stream_loop(void *arg)
{
    struct fake_stream *s = arg;

    pthread_mutex_lock(&lock);
    for (;;) {
        struct op *op = s->head;
        unsigned us = delay_us;
        int is_lost = s->dev->is_lost;

        if (!op && s->is_closing)
            break;
        if (!op || (is_held && !s->is_closing)) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        s->is_busy = 1;
        if (async_at && --async_at == 0)
            op->error = async_error;
        pthread_mutex_unlock(&lock);
        if (us)
            usleep(us);
        /* A device that is lost computes nothing any more; the core's own
         * host functions run all the same. */
        if (op->run == run_host || op->run == run_wait ||
            (op->error == halSuccess && !is_lost))
            op->run(op);
        pthread_mutex_lock(&lock);
        if (op->error != halSuccess && s->error == halSuccess)
            s->error = op->error;
        if (op->error == halErrorDeviceLost)
            s->dev->is_lost = 1;
        if (op->run == run_record) {
            op->point->time = now_ms();
            op->point->is_done = 1;
        }
        s->head = op->next;
        if (!s->head)
            s->tail = &s->head;
        op_free_locked(op);
        s->is_busy = 0;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

static struct op *op_new(void (*run)(struct op *))
{
    struct op *op = calloc(1, sizeof *op);

    if (op)
        op->run = run;
    return op;
}

static void push_locked(struct fake_stream *s, struct op *op)
{
    *s->tail = op;
    s->tail = &op->next;
    pthread_cond_broadcast(&changed);
}

static void push(struct fake_stream *s, struct op *op)
{
    pthread_mutex_lock(&lock);
    push_locked(s, op);
    pthread_mutex_unlock(&lock);
}

static halError_t drain_locked(struct fake_stream *s)
{
    halError_t st;

    while (s->head || s->is_busy)
        pthread_cond_wait(&changed, &lock);
    st = s->error;
    s->error = halSuccess;
    return st;
}

static halError_t late(halError_t st)
{
    return st == halSuccess ? st
                            : hal_fail(st, "fake: work on a stream failed");
}

/* ---- memory -------------------------------------------------------------- */

static halError_t mem_info(struct hal_dev *dev, uint64_t *out_free,
                           uint64_t *out_total)
{
    struct fake_dev *d = (struct fake_dev *)dev;

    ENTER(dev);
    pthread_mutex_lock(&lock);
    *out_free = FAKE_MEMORY - d->used;
    *out_total = FAKE_MEMORY;
    pthread_mutex_unlock(&lock);
    return halSuccess;
}

static halError_t mem_alloc_any(struct hal_dev *dev, uint64_t size, int kind,
                                struct hal_mem *out_mem)
{
    struct fake_dev *d = (struct fake_dev *)dev;
    struct fake_mem *m;
    int is_full;

    pthread_mutex_lock(&lock);
    is_full = size > FAKE_MEMORY - d->used;
    if (!is_full)
        d->used += size;
    pthread_mutex_unlock(&lock);
    if (is_full)
        return hal_fail(halErrorMemoryAllocation, "fake: no %llu bytes left",
                        (unsigned long long)size);
    m = malloc(sizeof *m);
    m->size = size;
    m->bytes = aligned_alloc(256, (size + 255) / 256 * 256);
    out_mem->impl = m;
    out_mem->addr = d->base.opt || kind == HAL_MEM_MANAGED ? m->bytes : NULL;
    live(1);
    return halSuccess;
}

static halError_t mem_alloc(struct hal_dev *dev, uint64_t size, int kind,
                            struct hal_mem *out_mem)
{
    ENTER(dev);
    return mem_alloc_any(dev, size, kind, out_mem);
}

static void mem_free(struct hal_dev *dev, void *mem)
{
    struct fake_dev *d = (struct fake_dev *)dev;
    struct fake_mem *m = mem;

    pthread_mutex_lock(&lock);
    d->used -= m->size;
    n_live--;
    pthread_mutex_unlock(&lock);
    free(m->bytes);
    free(m);
}

static halError_t host_alloc(struct hal_dev *dev, uint64_t size, unsigned flags,
                             void **out_host, struct hal_mem *out_mem)
{
    struct fake_mem *m;

    ENTER(dev);
    (void)flags;
    m = malloc(sizeof *m);
    m->size = size;
    m->bytes = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    *out_host = m->bytes;
    out_mem->impl = m;
    out_mem->addr = m->bytes;
    live(1);
    return halSuccess;
}

static void host_free(struct hal_dev *dev, void *host, void *mem)
{
    struct fake_mem *m = mem;

    (void)dev;
    if (m->bytes == host)
        free(host);
    free(m);
    live(-1);
}

static halError_t host_register(struct hal_dev *dev, void *host, uint64_t size,
                                struct hal_mem *out_mem)
{
    struct fake_mem *m;

    ENTER(dev);
    m = malloc(sizeof *m);
    m->size = size;
    m->bytes = host;
    out_mem->impl = m;
    out_mem->addr = host;
    live(1);
    return halSuccess;
}

static void host_unregister(struct hal_dev *dev, void *host, void *mem)
{
    (void)dev;
    (void)host;
    free(mem);
    live(-1);
}

/* ---- streams ------------------------------------------------------------- */

static halError_t stream_create(struct hal_dev *dev, int priority,
                                void **out_stream)
{
    struct fake_stream *s;

    ENTER(dev);
    (void)priority;
    s = calloc(1, sizeof *s);
    s->dev = (struct fake_dev *)dev;
    s->tail = &s->head;
    pthread_create(&s->thread, NULL, stream_loop, s);
    *out_stream = s;
    live(1);
    return halSuccess;
}

static void stream_destroy(struct hal_dev *dev, void *stream)
{
    struct fake_stream *s = stream;

    (void)dev;
    pthread_mutex_lock(&lock);
    s->is_closing = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(s->thread, NULL);
    free(s);
    live(-1);
}

static halError_t stream_query(struct hal_dev *dev, void *stream)
{
    struct fake_stream *s = stream;
    halError_t st;

    ENTER(dev);
    pthread_mutex_lock(&lock);
    st = s->head || s->is_busy ? halErrorNotReady : drain_locked(s);
    pthread_mutex_unlock(&lock);
    return st == halErrorNotReady ? st : late(st);
}

/* Of a lost device too it returns when nothing runs any more. */
static halError_t stream_sync(struct hal_dev *dev, void *stream)
{
    halError_t entered = enter(dev, __func__), st;

    if (entered != halSuccess && entered != halErrorDeviceLost)
        return entered;
    pthread_mutex_lock(&lock);
    st = drain_locked(stream);
    pthread_mutex_unlock(&lock);
    return entered != halSuccess ? entered : late(st);
}

/* ---- copies and fills -----------------------------------------------------
 */

static void run_rows(struct op *op)
{
    uint64_t i;

    for (i = 0; i < op->height; i++)
        memcpy(op->dst + i * op->dst_pitch, op->src + i * op->src_pitch,
               op->size);
}

static struct op *copy_op(void *dst, const void *src, uint64_t size)
{
    struct op *op = op_new(run_rows);

    op->dst = dst;
    op->src = src;
    op->size = op->dst_pitch = op->src_pitch = size;
    op->height = 1;
    return op;
}

static halError_t copy_in(struct hal_dev *dev, void *stream, void *mem,
                          uint64_t offset, const void *host, uint64_t size,
                          unsigned flags)
{
    struct fake_mem *m = mem;
    struct op *op;

    ENTER(dev);
    op = copy_op(m->bytes + offset, host, size);
    if (!(flags & HAL_COPY_PINNED)) {
        op->owned = malloc(size);
        memcpy(op->owned, host, size);
        op->src = op->owned;
    }
    push(stream, op);
    return halSuccess;
}

static halError_t copy_out(struct hal_dev *dev, void *stream, void *host,
                           void *mem, uint64_t offset, uint64_t size,
                           unsigned flags)
{
    struct fake_stream *s = stream;
    struct fake_mem *m = mem;
    halError_t st = halSuccess;

    ENTER(dev);
    pthread_mutex_lock(&lock);
    push_locked(s, copy_op(host, m->bytes + offset, size));
    if (!(flags & HAL_COPY_PINNED))
        st = drain_locked(s);
    pthread_mutex_unlock(&lock);
    return late(st);
}

static halError_t copy(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                       uint64_t size)
{
    struct fake_mem *dst = dst_mem, *src = src_mem;

    ENTER(dev);
    push(stream,
         copy_op(dst->bytes + dst_offset, src->bytes + src_offset, size));
    return halSuccess;
}

static halError_t copy_2d(struct hal_dev *dev, void *stream, void *dst_mem,
                          uint64_t dst_offset, uint64_t dst_pitch,
                          void *src_mem, uint64_t src_offset,
                          uint64_t src_pitch, uint64_t width, uint64_t height)
{
    struct fake_mem *dst = dst_mem, *src = src_mem;
    struct op *op;

    ENTER(dev);
    op = copy_op(dst->bytes + dst_offset, src->bytes + src_offset, width);
    op->dst_pitch = dst_pitch;
    op->src_pitch = src_pitch;
    op->height = height;
    push(stream, op);
    return halSuccess;
}

static void run_fill(struct op *op)
{
    uint64_t i;

    for (i = 0; i < op->size; i += op->pattern_bytes)
        memcpy(op->dst + i, &op->pattern, op->pattern_bytes);
}

static halError_t fill(struct hal_dev *dev, void *stream, void *mem,
                       uint64_t offset, uint64_t size, uint32_t pattern,
                       unsigned pattern_bytes)
{
    struct fake_mem *m = mem;
    struct op *op;

    ENTER(dev);
    op = op_new(run_fill);
    op->dst = m->bytes + offset;
    op->size = size;
    op->pattern = pattern;
    op->pattern_bytes = pattern_bytes;
    push(stream, op);
    return halSuccess;
}

static halError_t host_func(struct hal_dev *dev, void *stream,
                            void (*fn)(void *arg), void *arg)
{
    struct op *op;

    ENTER(dev);
    op = op_new(run_host);
    op->fn = fn;
    op->arg = arg;
    push(stream, op);
    return halSuccess;
}

/* ---- events ---------------------------------------------------------------
 */

static halError_t event_create(struct hal_dev *dev, int timing,
                               void **out_event)
{
    struct fake_event *e;

    ENTER(dev);
    e = calloc(1, sizeof *e);
    e->has_timing = timing;
    *out_event = e;
    live(1);
    return halSuccess;
}

static void event_destroy(struct hal_dev *dev, void *event)
{
    struct fake_event *e = event;

    (void)dev;
    pthread_mutex_lock(&lock);
    point_release_locked(e->point);
    n_live--;
    pthread_mutex_unlock(&lock);
    free(e);
}

static halError_t event_record(struct hal_dev *dev, void *stream, void *event)
{
    struct fake_event *e = event;
    struct op *op;

    ENTER(dev);
    op = op_new(run_record);
    pthread_mutex_lock(&lock);
    point_release_locked(e->point);
    e->point = calloc(1, sizeof *e->point);
    e->point->refs = 2;
    op->point = e->point;
    push_locked(stream, op);
    pthread_mutex_unlock(&lock);
    return halSuccess;
}

static halError_t event_query(struct hal_dev *dev, void *event)
{
    struct fake_event *e = event;
    halError_t st = halSuccess;

    ENTER(dev);
    pthread_mutex_lock(&lock);
    if (e->point && !e->point->is_done)
        st = halErrorNotReady;
    pthread_mutex_unlock(&lock);
    return st;
}

static halError_t event_sync(struct hal_dev *dev, void *event)
{
    struct fake_event *e = event;

    ENTER(dev);
    pthread_mutex_lock(&lock);
    if (e->point) {
        struct point *p = e->point;

        p->refs++;
        while (!p->is_done)
            pthread_cond_wait(&changed, &lock);
        point_release_locked(p);
    }
    pthread_mutex_unlock(&lock);
    return halSuccess;
}

static halError_t event_elapsed(struct hal_dev *dev, void *start, void *end,
                                float *out_ms)
{
    struct fake_event *a = start, *b = end;

    ENTER(dev);
    pthread_mutex_lock(&lock);
    *out_ms = (float)(b->point->time - a->point->time);
    pthread_mutex_unlock(&lock);
    return halSuccess;
}

static halError_t stream_wait(struct hal_dev *dev, void *stream, void *event)
{
    struct fake_event *e = event;
    struct op *op;

    ENTER(dev);
    op = op_new(run_wait);
    pthread_mutex_lock(&lock);
    if (e->point) {
        e->point->refs++;
        op->point = e->point;
        push_locked(stream, op);
        op = NULL;
    }
    pthread_mutex_unlock(&lock);
    free(op);
    return halSuccess;
}

/* ---- kernels --------------------------------------------------------------
 */

static halError_t kernel_create(struct hal_dev *dev,
                                const struct hal_kernel_desc *desc,
                                const struct hal_image *const *images,
                                uint32_t n_images, void **out_kernel,
                                struct hal_kernel_info *out_info)
{
    char *name;

    ENTER(dev);
    if (!n_images || images[0]->target != dev->info.target)
        return hal_fail(halErrorInternal, "fake: images that do not fit");
    if (!strcmp(desc->name, "unbuildable"))
        return hal_fail(halErrorKernelBuild, "fake.k:7: it never builds");
    name = strdup(desc->name);
    *out_kernel = name;
    *out_info = (struct hal_kernel_info){ .local_bytes = 16, .image = 0 };
    live(1);
    return halSuccess;
}

static void kernel_destroy(struct hal_dev *dev, void *kernel)
{
    (void)dev;
    free(kernel);
    live(-1);
}

static float *arg_f32(const struct op *op, unsigned i)
{
    const struct fake_mem *m = op->args[i].buffer.mem;

    return (float *)(void *)(m->bytes + op->args[i].buffer.offset);
}

static void run_kernel(struct op *op)
{
    uint32_t i, n;

    if (!strcmp(op->name, "fail")) {
        op->error = halErrorLaunchFailure;
    } else if (!strcmp(op->name, "scale")) {
        float *y = arg_f32(op, 0), a;

        memcpy(&a, &op->args[1].scalar, sizeof a);
        n = op->args[2].scalar;
        for (i = 0; i < n; i++)
            y[i] *= a;
    } else if (!strcmp(op->name, "add")) {
        float *z = arg_f32(op, 0), *x = arg_f32(op, 1), *y = arg_f32(op, 2);

        n = op->args[3].scalar;
        for (i = 0; i < n; i++)
            z[i] = x[i] + y[i];
    }
}

static halError_t launch(struct hal_dev *dev, void *stream, void *kernel,
                         const struct hal_launch *l)
{
    struct op *op;

    ENTER(dev);
    op = op_new(run_kernel);
    snprintf(op->name, sizeof op->name, "%s", (const char *)kernel);
    memcpy(op->args, l->args, l->n_args * sizeof *l->args);
    push(stream, op);
    return halSuccess;
}

/* ---- devices --------------------------------------------------------------
 */

static void device_close(struct hal_dev *dev)
{
    free(dev);
    live(-1);
}

static const struct hal_ops ops = {
    .size = sizeof(struct hal_ops),
    .device_close = device_close,
    .mem_info = mem_info,
    .mem_alloc = mem_alloc,
    .mem_free = mem_free,
    .stream_create = stream_create,
    .stream_destroy = stream_destroy,
    .stream_query = stream_query,
    .stream_sync = stream_sync,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .copy = copy,
    .fill = fill,
    .host_func = host_func,
    .event_create = event_create,
    .event_destroy = event_destroy,
    .event_record = event_record,
    .event_query = event_query,
    .event_sync = event_sync,
    .event_elapsed = event_elapsed,
    .stream_wait = stream_wait,
    .kernel_create = kernel_create,
    .kernel_destroy = kernel_destroy,
    .launch = launch,
};

static void priority_range(struct hal_dev *dev, int *out_least,
                           int *out_greatest)
{
    (void)dev;
    *out_least = 0;
    *out_greatest = -2;
}

static halError_t peer_can_access(struct hal_dev *dev, struct hal_dev *peer,
                                  int *out_can)
{
    ENTER(dev);
    *out_can = dev != peer;
    return halSuccess;
}

static halError_t peer_enable(struct hal_dev *dev, struct hal_dev *peer)
{
    ENTER(dev);
    (void)peer;
    return halSuccess;
}

static halError_t peer_disable(struct hal_dev *dev, struct hal_dev *peer)
{
    ENTER(dev);
    (void)peer;
    return halSuccess;
}

static const struct hal_opt_ops opt = {
    .size = sizeof(struct hal_opt_ops),
    .host_alloc = host_alloc,
    .host_free = host_free,
    .host_register = host_register,
    .host_unregister = host_unregister,
    .priority_range = priority_range,
    .peer_can_access = peer_can_access,
    .peer_enable = peer_enable,
    .peer_disable = peer_disable,
    .copy_2d = copy_2d,
};

static halError_t device_open(unsigned index, const struct hal_opt_ops *table,
                              struct hal_dev **out_dev)
{
    struct fake_dev *d = calloc(1, sizeof *d);
    struct hal_dev_info *info = &d->base.info;
    struct halDeviceProp *p = &info->prop;

    d->index = index;
    d->base.size = sizeof d->base;
    d->base.ops = &ops;
    d->base.opt = table;
    info->size = sizeof *info;
    info->target = HAL_TARGET_OPENCL;
    info->caps = HAL_CAP_STORAGE_8_16 | HAL_CAP_INT64;
    info->version = 1010;
    snprintf(p->name, sizeof p->name, "Fake %u", index);
    snprintf(p->driver, sizeof p->driver, "fake driver 1.1");
    p->totalGlobalMem = FAKE_MEMORY;
    p->maxAllocBytes = FAKE_MEMORY / 2;
    p->sharedMemPerBlock = 32768;
    p->memPitch = 8 << 20;
    p->pitchAlign = 128;
    p->memAlign = 256;
    p->warpSize = 8;
    p->maxThreadsPerBlock = 256;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = p->maxThreadsDim[2] = 256;
    p->maxGridSize[0] = 65535;
    p->maxGridSize[1] = p->maxGridSize[2] = 1024;
    p->maxThreadsPerMultiProcessor = 1024;
    p->multiProcessorCount = 4;
    p->dtypes = (1u << halF32) | (1u << halF64) | (1u << halI32);
    p->dtypesNative = 1u << halF32;
    p->managedMemory = p->canMapHostMemory = table != NULL;
    p->streamPrioritiesSupported = table != NULL;
    live(1);
    *out_dev = &d->base;
    return halSuccess;
}

static halError_t fake_open(unsigned index, struct hal_dev **out_dev)
{
    return device_open(index, &opt, out_dev);
}

static halError_t bare_open(unsigned index, struct hal_dev **out_dev)
{
    return device_open(index, NULL, out_dev);
}

static halError_t probe(unsigned *out_count)
{
    *out_count = FAKE_DEVICES;
    return halSuccess;
}

static halError_t describe(unsigned index, char name[256], char driver[256])
{
    snprintf(name, 256, "Fake %u", index);
    snprintf(driver, 256, "fake driver 1.1, unit %u", index);
    return halSuccess;
}

const struct hal_backend fake_backend = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "fake",
    .probe = probe,
    .describe = describe,
    .device_open = fake_open,
};

const struct hal_backend bare_backend = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = "bare",
    .probe = probe,
    .describe = describe,
    .device_open = bare_open,
};
