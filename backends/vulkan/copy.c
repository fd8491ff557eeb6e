/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - copies and fills.  Invariant: a plain memcpy by the host stands in
 * for a command only while the stream is idle, so that order holds; otherwise
 * bytes go through the queue, staged where the queue cannot reach them.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/vulkan/vulkan.h"

/* Above this a copy from pinned memory is the queue's, so that the call
 * returns early; below, the memcpy is cheaper than a submission. */
#define DIRECT_MAX ((uint64_t)256 << 10)
/* Pieces of a large copy from plain memory to a busy stream. */
#define PIECE_BYTES ((uint64_t)16 << 20)

static void copy_record(struct vulkan_stream *s, struct vulkan_batch *b,
                        const struct vulkan_mem *dst, uint64_t dst_offset,
                        const struct vulkan_mem *src, uint64_t src_offset,
                        uint64_t size)
{
    const VkBufferCopy region = {
        .srcOffset = src->base + src_offset,
        .dstOffset = dst->base + dst_offset,
        .size = size,
    };

    vulkan_batch_barrier(s, b);
    s->d->fn.CmdCopyBuffer(b->cmd, src->buffer, dst->buffer, 1, &region);
}

static halError_t copy_locked(struct vulkan_stream *s,
                              const struct vulkan_mem *dst, uint64_t dst_offset,
                              const struct vulkan_mem *src, uint64_t src_offset,
                              uint64_t size)
{
    struct vulkan_batch *b;
    halError_t st = vulkan_batch_begin_locked(s, &b);

    if (st != halSuccess)
        return st;
    copy_record(s, b, dst, dst_offset, src, src_offset, size);
    return vulkan_batch_commit_locked(s);
}

halError_t vulkan_copy(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                       uint64_t size)
{
    struct vulkan_stream *s = stream;
    halError_t st;

    (void)dev;
    pthread_mutex_lock(&s->lock);
    st = copy_locked(s, dst_mem, dst_offset, src_mem, src_offset, size);
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* ---- pinned memory that the queue does not reach --------------------- */

/* A copy of which the stream's thread does the host's part in its turn:
 * another device's page-locked memory, say, which earlier work may still
 * write. */
struct carry {
    struct vulkan_stream *s;
    struct vulkan_mem *stage;
    char *host;
    uint64_t size;
    int is_in;   /* `host` is only read */
    int is_last; /* of those that share the stage */
};

static void carry_begin(void *arg)
{
    struct carry *c = arg;

    memcpy(c->stage->host, c->host, c->size);
}

static void carry_end(void *arg)
{
    struct carry *c = arg;

    pthread_mutex_lock(&c->s->carry_lock);
    if (!c->is_in && !atomic_load(&c->s->d->lost))
        memcpy(c->host, c->stage->host, c->size);
    pthread_mutex_unlock(&c->s->carry_lock);
    if (c->is_last)
        vulkan_pool_give(c->s->d, c->stage);
    free(c);
}

static halError_t copy_later(struct vulkan_stream *s, struct vulkan_mem *m,
                             uint64_t offset, char *host, uint64_t size,
                             int is_in)
{
    struct vulkan_dev *d = s->d;
    struct carry *c = calloc(1, sizeof *c);
    int in_use = 0;
    halError_t st;

    if (!c)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *c);
    *c = (struct carry){
        .s = s, .host = host, .size = size, .is_in = is_in, .is_last = 1
    };
    st = vulkan_pool_take(d, &d->host_pool, size, 0, &c->stage);
    if (st != halSuccess)
        goto out;
    pthread_mutex_lock(&s->lock);
    st = vulkan_held_open_locked(s);
    if (st == halSuccess && is_in) {
        st = vulkan_host_func_locked(s, carry_begin, c);
        in_use = st == halSuccess;
    }
    if (st == halSuccess) {
        st = is_in ? copy_locked(s, m, offset, c->stage, 0, size)
                   : copy_locked(s, c->stage, 0, m, offset, size);
        in_use |= st == halSuccess;
    }
    if (st == halSuccess)
        st = vulkan_host_func_locked(s, carry_end, c);
    if (st == halSuccess)
        c = NULL;
    pthread_mutex_unlock(&s->lock);
    if (c && in_use) /* what is queued runs all the same */
        vulkan_stream_drain(s);
out:
    if (c)
        vulkan_pool_give(d, c->stage);
    free(c);
    return st;
}

/* ---- in -------------------------------------------------------------- */

static halError_t stage_in_locked(struct vulkan_stream *s,
                                  const struct vulkan_mem *dst, uint64_t offset,
                                  const char *host, uint64_t size)
{
    struct vulkan_batch *b;
    struct vulkan_mem *stage;
    uint64_t at;
    halError_t st = vulkan_batch_begin_locked(s, &b);

    if (st != halSuccess)
        return st;
    st = vulkan_batch_stage(s, b, size, &stage, &at);
    if (st != halSuccess)
        return st;
    memcpy(stage->host + at, host, size);
    copy_record(s, b, dst, offset, stage, at, size);
    return vulkan_batch_commit_locked(s);
}

/* One piece; where memory is short, after the stream's earlier work, for which
 * the core waits if it may, and in the smallest staging there is. */
static halError_t piece_in(struct vulkan_stream *s, struct vulkan_mem *dst,
                           uint64_t offset, const char *host, uint64_t size,
                           int may_return)
{
    halError_t st;
    uint64_t done = 0;
    int idle;

    pthread_mutex_lock(&s->lock);
    st = stage_in_locked(s, dst, offset, host, size);
    pthread_mutex_unlock(&s->lock);
    if (st != halErrorMemoryAllocation || size <= VULKAN_STAGE_BYTES)
        return st;
    if (may_return) {
        pthread_mutex_lock(&s->lock);
        st = vulkan_stream_flush_locked(s);
        idle = vulkan_stream_idle_locked(s);
        pthread_mutex_unlock(&s->lock);
        if (st != halSuccess || !idle)
            return st != halSuccess ? st : halErrorNotReady;
    }
    do {
        const uint64_t n =
            size - done < VULKAN_STAGE_BYTES ? size - done : VULKAN_STAGE_BYTES;

        st = vulkan_stream_finish(s);
        if (st != halSuccess)
            return st;
        pthread_mutex_lock(&s->lock);
        st = stage_in_locked(s, dst, offset + done, host + done, n);
        pthread_mutex_unlock(&s->lock);
        done += n;
    } while (st == halSuccess && done < size);
    return st;
}

halError_t vulkan_copy_in(struct hal_dev *dev, void *stream, void *mem,
                          uint64_t offset, const void *host, uint64_t size,
                          unsigned flags)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_stream *s = stream;
    struct vulkan_mem *dst = mem, *src = NULL;
    const char *from = host;
    uint64_t src_offset = 0, done = 0;
    halError_t st = halSuccess;
    int idle;

    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    if (flags & HAL_COPY_PINNED)
        src = vulkan_host_find(d, host, size, &src_offset);
    if (dst->host && d->device_pool.cached && (!src || size <= DIRECT_MAX)) {
        pthread_mutex_lock(&s->lock);
        idle = vulkan_stream_idle_locked(s);
        pthread_mutex_unlock(&s->lock);
        if (idle) {
            memcpy(dst->host + offset, host, size);
            return halSuccess;
        }
    }
    if (src)
        return vulkan_copy(dev, stream, dst, offset, src, src_offset, size);
    if (flags & HAL_COPY_PINNED)
        return copy_later(s, dst, offset, (void *)(uintptr_t)host, size, 1);
    while (st == halSuccess && done < size) {
        const uint64_t n =
            size - done < PIECE_BYTES ? size - done : PIECE_BYTES;

        st = piece_in(s, dst, offset + done, from + done, n,
                      !done && flags & HAL_COPY_WAITED);
        done += n;
    }
    return st;
}

/* ---- out ------------------------------------------------------------- */

/* Through staging, waiting for each piece. */
static halError_t out_staged(struct vulkan_stream *s, char *host,
                             const struct vulkan_mem *src, uint64_t offset,
                             uint64_t size)
{
    struct vulkan_dev *d = s->d;
    const uint64_t piece = size < PIECE_BYTES ? size : PIECE_BYTES;
    struct vulkan_mem *stage = NULL;
    uint64_t done = 0;
    halError_t st = vulkan_pool_take(d, &d->host_pool, piece, 0, &stage);

    if (st != halSuccess)
        return st;
    while (st == halSuccess && done < size) {
        const uint64_t n = size - done < piece ? size - done : piece;

        pthread_mutex_lock(&s->lock);
        st = copy_locked(s, stage, 0, src, offset + done, n);
        pthread_mutex_unlock(&s->lock);
        if (st == halSuccess)
            st = vulkan_stream_sync(&d->dev, s);
        if (st == halSuccess)
            memcpy(host + done, stage->host, n);
        done += n;
    }
    vulkan_pool_give(d, stage);
    return st;
}

static halError_t piece_out_locked(struct vulkan_stream *s, struct carry *piece,
                                   const struct vulkan_mem *src,
                                   uint64_t offset)
{
    struct carry *c = malloc(sizeof *c);
    halError_t st;

    if (!c)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *c);
    *c = *piece;
    st = copy_locked(s, c->stage, 0, src, offset, c->size);
    if (st == halSuccess)
        st = vulkan_host_func_locked(s, carry_end, c);
    if (st != halSuccess)
        free(c);
    return st;
}

/* Through one staging buffer, which the stream's thread empties piece by piece
 * in stream order: the op returns before.  Its caller syncs the stream. */
static halError_t out_later(struct vulkan_stream *s, char *host,
                            const struct vulkan_mem *src, uint64_t offset,
                            uint64_t size)
{
    struct vulkan_dev *d = s->d;
    const uint64_t most = size < PIECE_BYTES ? size : PIECE_BYTES;
    struct carry piece = { .s = s };
    uint64_t done;
    halError_t st = vulkan_pool_take(d, &d->host_pool, most, 0, &piece.stage);

    if (st != halSuccess)
        return st;
    pthread_mutex_lock(&s->lock);
    for (done = 0; st == halSuccess && done < size; done += piece.size) {
        piece.host = host + done;
        piece.size = size - done < most ? size - done : most;
        piece.is_last = size - done == piece.size;
        st = piece_out_locked(s, &piece, src, offset + done);
    }
    pthread_mutex_unlock(&s->lock);
    if (st == halSuccess)
        return st;
    vulkan_stream_drain(s); /* what is queued runs all the same */
    vulkan_pool_give(d, piece.stage);
    return st;
}

halError_t vulkan_copy_out(struct hal_dev *dev, void *stream, void *host,
                           void *mem, uint64_t offset, uint64_t size,
                           unsigned flags)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_stream *s = stream;
    struct vulkan_mem *src = mem, *dst = NULL;
    uint64_t dst_offset = 0;
    const int direct = src->host && d->device_pool.cached;
    halError_t st = halSuccess;
    int idle;

    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    if (flags & HAL_COPY_PINNED) {
        dst = vulkan_host_find(d, host, size, &dst_offset);
        pthread_mutex_lock(&s->lock);
        idle = direct && size <= DIRECT_MAX && vulkan_stream_idle_locked(s);
        pthread_mutex_unlock(&s->lock);
        if (!idle && dst)
            return vulkan_copy(dev, stream, dst, dst_offset, src, offset, size);
        if (!idle)
            return copy_later(s, src, offset, host, size, 0);
    } else if (!direct && flags & HAL_COPY_WAITED && !vulkan_inst.validation) {
        /* The layer takes seconds for each value that the host signals while
         * another thread waits (docs/drivers/vulkan.md). */
        return out_later(s, host, src, offset, size);
    } else {
        if (flags & HAL_COPY_WAITED) {
            pthread_mutex_lock(&s->lock);
            st = vulkan_stream_flush_locked(s);
            idle = vulkan_stream_idle_locked(s);
            pthread_mutex_unlock(&s->lock);
            if (st != halSuccess)
                return st;
            if (!idle)
                return halErrorNotReady; /* the core waits better */
        }
        if (!direct)
            return out_staged(s, host, src, offset, size);
        st = vulkan_stream_sync(dev, stream);
    }
    if (st == halSuccess)
        memcpy(host, src->host + offset, size);
    return st;
}

/* ---- fill ------------------------------------------------------------ */

static void pattern_spread(char *to, uint64_t size, uint32_t pattern,
                           unsigned pattern_bytes)
{
    uint64_t i;

    for (i = 0; i < size; i++)
        to[i] = (char)(pattern >> 8 * (i % pattern_bytes));
}

static uint32_t pattern_word(uint32_t pattern, unsigned pattern_bytes)
{
    if (pattern_bytes == 1)
        return (pattern & 0xff) * 0x01010101u;
    if (pattern_bytes == 2)
        return (pattern & 0xffff) * 0x00010001u;
    return pattern;
}

/* vkCmdFillBuffer writes whole words: the odd ends are copied from staging. */
static halError_t fill_locked(struct vulkan_stream *s, struct vulkan_mem *m,
                              uint64_t offset, uint64_t size, uint32_t pattern,
                              unsigned pattern_bytes)
{
    const uint64_t head =
        (4 - offset % 4) % 4 < size ? (4 - offset % 4) % 4 : size;
    const uint64_t words = (size - head) / 4 * 4;
    const uint64_t tail = size - head - words;
    struct vulkan_dev *d = s->d;
    struct vulkan_mem *stage;
    struct vulkan_batch *b;
    VkBufferCopy ends[2];
    uint32_t n = 0;
    uint64_t at;
    halError_t st = vulkan_batch_begin_locked(s, &b);

    if (st != halSuccess)
        return st;
    if (head || tail) {
        st = vulkan_batch_stage(s, b, 8, &stage, &at);
        if (st != halSuccess)
            return st;
        /* Both ends begin a repetition: see the contract's alignment. */
        pattern_spread(stage->host + at, 8, pattern, pattern_bytes);
        if (head)
            ends[n++] =
                (VkBufferCopy){ stage->base + at, m->base + offset, head };
        if (tail)
            ends[n++] = (VkBufferCopy){ stage->base + at + 4,
                                        m->base + offset + head + words, tail };
    }
    vulkan_batch_barrier(s, b);
    if (n)
        d->fn.CmdCopyBuffer(b->cmd, stage->buffer, m->buffer, n, ends);
    if (words)
        d->fn.CmdFillBuffer(b->cmd, m->buffer, m->base + offset + head, words,
                            pattern_word(pattern, pattern_bytes));
    return vulkan_batch_commit_locked(s);
}

halError_t vulkan_fill(struct hal_dev *dev, void *stream, void *mem,
                       uint64_t offset, uint64_t size, uint32_t pattern,
                       unsigned pattern_bytes)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_stream *s = stream;
    struct vulkan_mem *m = mem;
    halError_t st = halSuccess;
    int idle;

    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    pthread_mutex_lock(&s->lock);
    idle = m->host && d->device_pool.cached && size <= DIRECT_MAX &&
           vulkan_stream_idle_locked(s);
    if (!idle)
        st = fill_locked(s, m, offset, size, pattern, pattern_bytes);
    pthread_mutex_unlock(&s->lock);
    if (idle)
        pattern_spread(m->host + offset, size, pattern, pattern_bytes);
    return st;
}
