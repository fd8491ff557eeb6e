/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_cuda_copy.h - part of fake_cuda.c: copies and fills.  Invariant: memory
 * that the driver does not know is read, or written, before the call returns:
 * up to 64 KiB at once, beyond that when the stream has got so far, as NVIDIA's
 * "API synchronization behavior" has it.
 */
#define SMALL_BYTES 65536

unsigned cuMemcpyHtoDAsync_v2(unsigned long long target, const void *host,
                              size_t size, struct CUstream_st *s)
{
    struct item i = {
        .kind = COPY, .target = target, .source = (uintptr_t)host, .size = size
    };

    DUE(true);
    if (!stream_ok(__func__, s) ||
        !range_ok(__func__, s->context, target, size))
        return CUDA_INVALID_VALUE;
    if (is_known_host((uintptr_t)host))
        return range_ok(__func__, s->context, (uintptr_t)host, size)
                   ? enqueue(s, &i)
                   : CUDA_INVALID_VALUE;
    if (size > SMALL_BYTES) {
        enqueue(s, &i);
        return stream_wait(s);
    }
    i.bytes = malloc(size);
    if (!i.bytes)
        abort();
    memcpy(i.bytes, host, size);
    i.source = (uintptr_t)i.bytes;
    return enqueue(s, &i);
}

unsigned cuMemcpyDtoHAsync_v2(void *host, unsigned long long source,
                              size_t size, struct CUstream_st *s)
{
    const struct item i = {
        .kind = COPY, .target = (uintptr_t)host, .source = source, .size = size
    };

    DUE(true);
    if (!stream_ok(__func__, s) ||
        !range_ok(__func__, s->context, source, size))
        return CUDA_INVALID_VALUE;
    if (is_known_host((uintptr_t)host))
        return range_ok(__func__, s->context, (uintptr_t)host, size)
                   ? enqueue(s, &i)
                   : CUDA_INVALID_VALUE;
    enqueue(s, &i);
    return stream_wait(s);
}

unsigned cuMemcpyDtoDAsync_v2(unsigned long long target,
                              unsigned long long source, size_t size,
                              struct CUstream_st *s)
{
    const struct item i = {
        .kind = COPY, .target = target, .source = source, .size = size
    };

    DUE(true);
    if (!stream_ok(__func__, s) ||
        !range_ok(__func__, s->context, target, size) ||
        !range_ok(__func__, s->context, source, size))
        return CUDA_INVALID_VALUE;
    return enqueue(s, &i);
}

unsigned cuMemcpy2DAsync_v2(const struct CUDA_MEMCPY2D_st *copy,
                            struct CUstream_st *s)
{
    struct item i = { .kind = COPY_2D };
    const struct cuda_copy_2d *c = &i.copy;

    memcpy(&i.copy, copy, sizeof i.copy);
    DUE(true);
    if (c->src_type != CUDA_MEMORYTYPE_DEVICE ||
        c->dst_type != CUDA_MEMORYTYPE_DEVICE || c->src_x || c->src_y ||
        c->dst_x || c->dst_y || c->src_pitch < c->width ||
        c->dst_pitch < c->width || !c->height) {
        bad("cuMemcpy2DAsync: a copy of another shape");
        return CUDA_INVALID_VALUE;
    }
    if (!stream_ok(__func__, s) ||
        !range_ok(__func__, s->context, c->src_device,
                  (c->height - 1) * c->src_pitch + c->width) ||
        !range_ok(__func__, s->context, c->dst_device,
                  (c->height - 1) * c->dst_pitch + c->width))
        return CUDA_INVALID_VALUE;
    return enqueue(s, &i);
}

static unsigned fill(const char *call, uint64_t target, uint32_t value,
                     size_t n, unsigned width, struct CUstream_st *s)
{
    const struct item i = { .kind = SET,
                            .target = target,
                            .value = value,
                            .size = (uint64_t)n * width,
                            .width = width };
    unsigned code = due(call, true);

    if (code)
        return code;
    if (target % width) {
        bad("%s at %#llx", call, (unsigned long long)target);
        return CUDA_INVALID_VALUE;
    }
    if (!stream_ok(call, s) || !range_ok(call, s->context, target, i.size))
        return CUDA_INVALID_VALUE;
    return enqueue(s, &i);
}

unsigned cuMemsetD8Async(unsigned long long target, unsigned char value,
                         size_t n, struct CUstream_st *s)
{
    return fill(__func__, target, value, n, 1, s);
}

unsigned cuMemsetD16Async(unsigned long long target, unsigned short value,
                          size_t n, struct CUstream_st *s)
{
    return fill(__func__, target, value, n, 2, s);
}

unsigned cuMemsetD32Async(unsigned long long target, unsigned value, size_t n,
                          struct CUstream_st *s)
{
    return fill(__func__, target, value, n, 4, s);
}

/* ---- stream-ordered allocation
 * --------------------------------------------------- */

unsigned cuMemAllocFromPoolAsync(unsigned long long *address, size_t size,
                                 struct CUmemPoolHandle_st *pool,
                                 struct CUstream_st *s)
{
    uint64_t at;
    unsigned code;

    DUE(true);
    if (!stream_ok(__func__, s) || pool->context != current())
        return CUDA_INVALID_VALUE;
    code = block_new(DEVICE, size, NULL, pool, &at);
    if (!code)
        *address = at;
    return code;
}

/* Whether work that any stream has yet to do names the block. */
static bool is_in_use(const struct block *b)
{
    uint64_t from = (uintptr_t)b->bytes;

    for (struct CUstream_st *s = streams; s; s = s->next)
        for (struct item *i = s->head; i; i = i->next)
            if ((i->kind == COPY || i->kind == SET) &&
                (i->target - from < b->size || i->source - from < b->size))
                return true;
    return false;
}

unsigned cuMemFreeAsync(unsigned long long address, struct CUstream_st *s)
{
    const struct item i = { .kind = FREE, .target = address };
    struct block *b;

    if (!stream_ok(__func__, s))
        return CUDA_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    b = block_at(address);
    if (!b || !b->pool || (uintptr_t)b->bytes != address || b->is_going) {
        bad("cuMemFreeAsync of what is not from a pool");
        b = NULL;
    } else if (is_in_use(b) && !s->context->sticky) {
        bad("cuMemFreeAsync of memory that a stream has yet to use");
    }
    if (b)
        b->is_going = true;
    pthread_mutex_unlock(&lock);
    return b ? enqueue(s, &i) : CUDA_INVALID_VALUE;
}
