/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - memory that is allocated and freed in stream order.
 *
 * Freeing takes the pointer out of the table at once, so that any later use is
 * an error, and puts the backend's memory into the device's pool together with
 * an event.  Invariant: a block is reused by the stream that freed it (in
 * order, so without waiting) or by anyone once its event is done.
 */
#include "hal/internal.h"

#include <stdlib.h>

struct hal_block {
    struct hal_link link;
    struct hal_mem mem;
    uint64_t capacity;
    void *event;     /* recorded where it was freed */
    uint64_t serial; /* of the stream that freed it */
};

void hal__pool_init(struct hal_pool *pool)
{
    pthread_mutex_init(&pool->lock, NULL);
    hal__list_init(&pool->blocks);
}

/* Eight sizes to each power of two from 8 KiB on, and multiples of 512 bytes
 * below: of 4 KiB or more at most an eighth is wasted, and a step whose shapes
 * vary a little finds its blocks again. */
static uint64_t size_class(uint64_t size)
{
    uint64_t step = 512;

    while (step < (uint64_t)1 << 59 && step * 16 < size)
        step *= 2;
    if (size > UINT64_MAX - step)
        return size;
    return (size + step - 1) / step * step;
}

static void block_free(struct hal_device *d, struct hal_block *b)
{
    d->ops->event_destroy(d->dev, b->event);
    hal__mem_free(d, &b->mem, b->capacity);
    free(b);
}

static void unlink_locked(struct hal_pool *pool, struct hal_block *b)
{
    hal__list_remove(&b->link);
    pool->bytes -= b->capacity;
}

/* The smallest block that will do, out of the pool; or NULL. */
static struct hal_block *block_take(struct hal_device *d, uint64_t capacity,
                                    uint64_t serial)
{
    struct hal_pool *pool = &d->pool;
    struct hal_block *best = NULL;
    struct hal_link *l;

    pthread_mutex_lock(&pool->lock);
    for (l = pool->blocks.next; l != &pool->blocks; l = l->next) {
        struct hal_block *b = HAL_ITEM(l, struct hal_block, link);

        /* A much larger block is left for a request of its size. */
        if (b->capacity < capacity || b->capacity / 2 > capacity ||
            (best && best->capacity <= b->capacity))
            continue;
        if (b->serial == serial ||
            d->ops->event_query(d->dev, b->event) == halSuccess)
            best = b;
    }
    if (best)
        unlink_locked(pool, best);
    pthread_mutex_unlock(&pool->lock);
    return best;
}

static void block_give(struct hal_device *d, struct hal_block *b)
{
    struct hal_pool *pool = &d->pool;

    pthread_mutex_lock(&pool->lock);
    hal__list_add(&pool->blocks, &b->link);
    pool->bytes += b->capacity;
    pthread_mutex_unlock(&pool->lock);
}

int hal__pool_trim(struct hal_device *d, uint64_t keep, int wait)
{
    struct hal_pool *pool = &d->pool;
    int n_freed = 0;

    for (;;) {
        struct hal_block *b = NULL;

        pthread_mutex_lock(&pool->lock);
        if (pool->bytes > keep) {
            b = HAL_ITEM(pool->blocks.next, struct hal_block, link);
            if (!wait && d->ops->event_query(d->dev, b->event) != halSuccess)
                b = NULL;
            else
                unlink_locked(pool, b);
        }
        pthread_mutex_unlock(&pool->lock);
        if (!b)
            return n_freed > 0;
        if (wait) /* the error of failed work is its stream's to report */
            (void)hal__device_check(d, d->ops->event_sync(d->dev, b->event));
        block_free(d, b);
        n_freed++;
    }
}

static halError_t pool_malloc(void **ptr, size_t size, struct hal_stream *s)
{
    struct hal_device *d = s->obj.dev;
    struct hal_block *b = NULL;
    struct hal_alloc *a = NULL;
    uint64_t capacity = size_class(size);
    halError_t st;

    if (capacity > d->info.prop.maxAllocBytes)
        capacity = size;
    a = calloc(1, sizeof *a);
    if (!a)
        return hal_fail(halErrorHostMemory, "an allocation's %zu bytes",
                        sizeof *a);
    b = block_take(d, capacity, s->obj.serial);
    if (b) {
        a->mem = b->mem;
        a->capacity = b->capacity;
    } else {
        st = hal__mem_alloc(d, capacity, HAL_MEM_DEVICE, &a->mem);
        if (st != halSuccess)
            goto out;
        a->capacity = capacity;
    }
    a->dev = d;
    a->origin = HAL_FROM_POOL;
    a->type = halMemoryTypeDevice;
    a->size = size;
    a->has_mem = 1;
    a->base = (uintptr_t)a->mem.addr;
    st = hal__pointer_insert(a);
    if (st != halSuccess) {
        if (b)
            block_give(d, b);
        else
            hal__mem_free(d, &a->mem, capacity);
        goto out;
    }
    *ptr = (void *)a->base;
    if (b) {
        d->ops->event_destroy(d->dev, b->event);
        free(b);
    }
    a = NULL;
out:
    free(a);
    return st;
}

halError_t halMallocAsync(void **ptr, size_t size, halStream_t stream)
{
    struct hal_stream *s;
    halError_t st;

    if (!ptr)
        return hal__done(
            hal_fail(halErrorInvalidValue, "halMallocAsync: ptr is NULL"));
    st = hal__stream_get(stream, &s);
    if (st != halSuccess)
        return hal__done(st);
    st = hal__device_alive(s->obj.dev);
    if (st == halSuccess && !size)
        *ptr = NULL;
    else if (st == halSuccess)
        st = pool_malloc(ptr, size, s);
    hal__stream_release(s);
    return hal__done(st);
}

static halError_t accept_pooled(const struct hal_alloc *a, const char *call,
                                const void *context)
{
    const struct hal_device *d = context;

    if (a->origin != HAL_FROM_POOL && a->origin != HAL_FROM_MALLOC)
        return hal_fail(halErrorInvalidPointer,
                        "%s: %p is no device memory of halMalloc or "
                        "halMallocAsync",
                        call, (void *)a->base);
    if (a->dev != d)
        return hal_fail(halErrorInvalidPointer,
                        "%s: %p is memory of %s, the stream is of %s", call,
                        (void *)a->base, a->dev->name, d->name);
    return halSuccess;
}

/* Only streams of d may still use the block: the event covers the one that
 * frees, and ordering the others before it is the caller's part, as in CUDA. */
static halError_t pool_free(void *ptr, struct hal_stream *s)
{
    struct hal_device *d = s->obj.dev;
    struct hal_block *b = NULL;
    struct hal_alloc *a = NULL;
    halError_t st;

    b = calloc(1, sizeof *b);
    if (!b)
        return hal_fail(halErrorHostMemory, "a block's %zu bytes", sizeof *b);
    st = hal__device_check(d, d->ops->event_create(d->dev, 0, &b->event));
    if (st != halSuccess)
        goto out;
    st = hal__stream_begin(s);
    if (st != halSuccess)
        goto out;
    st = hal__device_check(d, d->ops->event_record(d->dev, s->impl, b->event));
    /* Last, for it cannot be undone; a record for nothing does no harm. */
    if (st == halSuccess)
        st = hal__pointer_take(ptr, "halFreeAsync", accept_pooled, d, &a);
    hal__stream_end(s);
    if (st != halSuccess)
        goto out;
    hal__alloc_wait_unused(a);
    /* A launch on another stream may have looked the block up already. */
    hal__device_pass_users(d);
    b->mem = a->mem;
    b->capacity = a->capacity;
    b->serial = s->obj.serial;
    block_give(d, b);
    free(a);
    b = NULL;
out:
    if (b && b->event)
        d->ops->event_destroy(d->dev, b->event);
    free(b);
    return st;
}

halError_t halFreeAsync(void *ptr, halStream_t stream)
{
    struct hal_stream *s;
    halError_t st;

    st = hal__stream_get(stream, &s);
    if (st != halSuccess)
        return hal__done(st);
    if (ptr)
        st = pool_free(ptr, s);
    hal__stream_release(s);
    return hal__done(st);
}
