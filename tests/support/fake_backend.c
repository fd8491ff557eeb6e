/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_backend.c - see fake_backend.h: the ops of the fake backends.
 */
#include "tests/support/fake_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- memory -------------------------------------------------------------- */

static halError_t mem_info(struct hal_dev *dev, uint64_t *out_free,
                           uint64_t *out_total)
{
    struct fake_dev *d = (struct fake_dev *)dev;

    ENTER(dev);
    pthread_mutex_lock(&fake_state.lock);
    *out_free = FAKE_MEMORY - d->used;
    *out_total = FAKE_MEMORY;
    pthread_mutex_unlock(&fake_state.lock);
    return halSuccess;
}

static halError_t mem_alloc_any(struct hal_dev *dev, uint64_t size, int kind,
                                struct hal_mem *out_mem)
{
    struct fake_dev *d = (struct fake_dev *)dev;
    struct fake_mem *m;
    int is_full;

    pthread_mutex_lock(&fake_state.lock);
    is_full = size > FAKE_MEMORY - d->used;
    if (!is_full)
        d->used += size;
    pthread_mutex_unlock(&fake_state.lock);
    if (is_full)
        return hal_fail(halErrorMemoryAllocation, "fake: no %llu bytes left",
                        (unsigned long long)size);
    m = fake_alloc(0, sizeof *m);
    m->size = size;
    m->bytes = fake_alloc(256, (size + 255) / 256 * 256);
    out_mem->impl = m;
    out_mem->addr = d->base.opt || kind == HAL_MEM_MANAGED ? m->bytes : NULL;
    fake_live_add(1);
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

    pthread_mutex_lock(&fake_state.lock);
    d->used -= m->size;
    fake_state.n_live--;
    pthread_mutex_unlock(&fake_state.lock);
    free(m->bytes);
    free(m);
}

/* Host memory that kernels know by its own address or, with fake_alias, by one
 * where the host faults. */
static void host_map(void *host, uint64_t size, struct hal_mem *out_mem)
{
    struct fake_mem *m = fake_alloc(0, sizeof *m);
    int is_apart;

    pthread_mutex_lock(&fake_state.lock);
    is_apart = fake_state.has_alias;
    pthread_mutex_unlock(&fake_state.lock);
    m->size = size;
    m->bytes = host;
    if (is_apart)
        m->alias =
            mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    out_mem->impl = m;
    out_mem->addr = is_apart ? m->alias : host;
    fake_live_add(1);
}

static void host_unmap(struct fake_mem *m)
{
    if (m->alias)
        munmap(m->alias, m->size);
    free(m);
    fake_live_add(-1);
}

static halError_t host_alloc(struct hal_dev *dev, uint64_t size, unsigned flags,
                             void **out_host, struct hal_mem *out_mem)
{
    ENTER(dev);
    (void)flags;
    *out_host = fake_alloc(4096, (size + 4095) / 4096 * 4096);
    host_map(*out_host, size, out_mem);
    return halSuccess;
}

static void host_free(struct hal_dev *dev, void *host, void *mem)
{
    struct fake_mem *m = mem;

    (void)dev;
    if (m->bytes == host)
        free(host);
    host_unmap(m);
}

static halError_t host_register(struct hal_dev *dev, void *host, uint64_t size,
                                struct hal_mem *out_mem)
{
    ENTER(dev);
    host_map(host, size, out_mem);
    return halSuccess;
}

static void host_unregister(struct hal_dev *dev, void *host, void *mem)
{
    (void)dev;
    (void)host;
    host_unmap(mem);
}

/* ---- streams ------------------------------------------------------------- */

static halError_t stream_create(struct hal_dev *dev, int priority,
                                void **out_stream)
{
    struct fake_stream *s;

    ENTER(dev);
    (void)priority;
    s = fake_alloc(0, sizeof *s);
    s->dev = (struct fake_dev *)dev;
    s->tail = &s->head;
    pthread_create(&s->thread, NULL, fake_stream_loop, s);
    *out_stream = s;
    fake_live_add(1);
    return halSuccess;
}

static void stream_destroy(struct hal_dev *dev, void *stream)
{
    struct fake_stream *s = stream;

    (void)dev;
    pthread_mutex_lock(&fake_state.lock);
    s->is_closing = 1;
    pthread_cond_broadcast(&fake_state.changed);
    pthread_mutex_unlock(&fake_state.lock);
    pthread_join(s->thread, NULL);
    free(s);
    fake_live_add(-1);
}

static halError_t stream_query(struct hal_dev *dev, void *stream)
{
    struct fake_stream *s = stream;
    halError_t st;

    ENTER(dev);
    pthread_mutex_lock(&fake_state.lock);
    st = s->head || s->is_busy ? halErrorNotReady : fake_drain_locked(s);
    pthread_mutex_unlock(&fake_state.lock);
    return st == halErrorNotReady ? st : fake_late(st);
}

/* Of a lost device too it returns when nothing runs any more. */
static halError_t stream_sync(struct hal_dev *dev, void *stream)
{
    halError_t entered = fake_enter(dev, __func__), st;

    if (entered != halSuccess && entered != halErrorDeviceLost)
        return entered;
    pthread_mutex_lock(&fake_state.lock);
    st = fake_drain_locked(stream);
    pthread_mutex_unlock(&fake_state.lock);
    return entered != halSuccess ? entered : fake_late(st);
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
    struct op *op = fake_op_new(run_rows);

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
        op->owned = fake_alloc(0, size);
        memcpy(op->owned, host, size);
        op->src = op->owned;
    }
    fake_push(stream, op);
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
    pthread_mutex_lock(&fake_state.lock);
    /* "bare" does not let its copies go, and says so. */
    if (flags & HAL_COPY_WAITED && !dev->opt && (s->head || s->is_busy)) {
        pthread_mutex_unlock(&fake_state.lock);
        return halErrorNotReady;
    }
    fake_push_locked(s, copy_op(host, m->bytes + offset, size));
    if (!(flags & (HAL_COPY_PINNED | HAL_COPY_WAITED)) ||
        (flags & HAL_COPY_WAITED && !dev->opt))
        st = fake_drain_locked(s);
    pthread_mutex_unlock(&fake_state.lock);
    return fake_late(st);
}

static halError_t copy(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                       uint64_t size)
{
    struct fake_mem *dst = dst_mem, *src = src_mem;

    ENTER(dev);
    fake_push(stream,
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
    fake_push(stream, op);
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
    op = fake_op_new(run_fill);
    op->dst = m->bytes + offset;
    op->size = size;
    op->pattern = pattern;
    op->pattern_bytes = pattern_bytes;
    fake_push(stream, op);
    return halSuccess;
}

static halError_t host_func(struct hal_dev *dev, void *stream,
                            void (*fn)(void *arg), void *arg)
{
    struct op *op;

    ENTER(dev);
    op = fake_op_new(fake_run_host);
    op->fn = fn;
    op->arg = arg;
    fake_push(stream, op);
    return halSuccess;
}

/* ---- events ---------------------------------------------------------------
 */

static halError_t event_create(struct hal_dev *dev, int timing,
                               void **out_event)
{
    struct fake_event *e;

    ENTER(dev);
    e = fake_alloc(0, sizeof *e);
    e->has_timing = timing;
    *out_event = e;
    fake_live_add(1);
    return halSuccess;
}

static void event_destroy(struct hal_dev *dev, void *event)
{
    struct fake_event *e = event;

    (void)dev;
    pthread_mutex_lock(&fake_state.lock);
    fake_point_release_locked(e->point);
    fake_state.n_live--;
    pthread_mutex_unlock(&fake_state.lock);
    free(e);
}

static halError_t event_record(struct hal_dev *dev, void *stream, void *event)
{
    struct fake_event *e = event;
    struct op *op;

    ENTER(dev);
    op = fake_op_new(fake_run_record);
    pthread_mutex_lock(&fake_state.lock);
    fake_point_release_locked(e->point);
    e->point = fake_alloc(0, sizeof *e->point);
    e->point->refs = 2;
    op->point = e->point;
    fake_push_locked(stream, op);
    pthread_mutex_unlock(&fake_state.lock);
    return halSuccess;
}

static halError_t event_query(struct hal_dev *dev, void *event)
{
    struct fake_event *e = event;
    halError_t st = halSuccess;

    ENTER(dev);
    pthread_mutex_lock(&fake_state.lock);
    if (e->point && !e->point->is_done)
        st = halErrorNotReady;
    pthread_mutex_unlock(&fake_state.lock);
    return st;
}

static halError_t event_sync(struct hal_dev *dev, void *event)
{
    struct fake_event *e = event;

    ENTER(dev);
    pthread_mutex_lock(&fake_state.lock);
    if (e->point) {
        struct point *p = e->point;

        p->refs++;
        while (!p->is_done)
            pthread_cond_wait(&fake_state.changed, &fake_state.lock);
        fake_point_release_locked(p);
    }
    pthread_mutex_unlock(&fake_state.lock);
    return halSuccess;
}

static halError_t event_elapsed(struct hal_dev *dev, void *start, void *end,
                                float *out_ms)
{
    struct fake_event *a = start, *b = end;

    ENTER(dev);
    pthread_mutex_lock(&fake_state.lock);
    *out_ms = (float)(b->point->time - a->point->time);
    pthread_mutex_unlock(&fake_state.lock);
    return halSuccess;
}

static halError_t stream_wait(struct hal_dev *dev, void *stream, void *event)
{
    struct fake_event *e = event;
    struct op *op;

    ENTER(dev);
    op = fake_op_new(fake_run_wait);
    pthread_mutex_lock(&fake_state.lock);
    if (e->point) {
        e->point->refs++;
        op->point = e->point;
        fake_push_locked(stream, op);
        op = NULL;
    }
    pthread_mutex_unlock(&fake_state.lock);
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
    fake_live_add(1);
    return halSuccess;
}

static void kernel_destroy(struct hal_dev *dev, void *kernel)
{
    (void)dev;
    free(kernel);
    fake_live_add(-1);
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
    op = fake_op_new(run_kernel);
    snprintf(op->name, sizeof op->name, "%s", (const char *)kernel);
    memcpy(op->args, l->args, l->n_args * sizeof *l->args);
    fake_push(stream, op);
    return halSuccess;
}

/* ---- devices --------------------------------------------------------------
 */

static void device_close(struct hal_dev *dev)
{
    free(dev);
    fake_live_add(-1);
}

const struct hal_ops fake_ops = {
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

const struct hal_opt_ops fake_opt = {
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
