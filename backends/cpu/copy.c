/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - copies and fills.  Host memory that is not page-locked has been
 * read (or written) when the op returns: small sources are staged, for the
 * rest the stream is finished first.  Large ranges are shared out over the
 * pool in pieces that start on cache lines.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"

/* An idle stream's copy of this size is over before anybody notices; a larger
 * one must leave the stream's lock free, if it may. */
#define NOW_MAX_BYTES ((uint64_t)2 << 20)
/* Copied aside rather than waited for; what CUDA does up to 64 KiB. */
#define STAGING_MAX_BYTES ((uint64_t)64 << 10)
/* Below this one thread is done before a second one has joined. */
#define PARALLEL_MIN_BYTES ((uint64_t)2 << 20)
#define PIECE_MIN_BYTES    ((uint64_t)256 << 10)

/* ---- the work ------------------------------------------------------------ */

/* Two pieces a worker, so that a late one costs half a share at most. */
static uint64_t piece_bytes(const struct cpu_device *dev, uint64_t size)
{
    uint64_t piece = size / (2u * cpu_pool_workers(dev->pool));

    if (piece < PIECE_MIN_BYTES)
        piece = PIECE_MIN_BYTES;
    return (piece + 63) & ~(uint64_t)63;
}

static void copy_piece(void *ctx, uint64_t first, uint64_t last)
{
    const struct cpu_copy *copy = ctx;

    memcpy(copy->dst + first, copy->src + first, (size_t)(last - first));
}

static void copy_bytes(struct cpu_device *dev, struct cpu_copy *copy)
{
    uint64_t size = copy->size;

    cpu_pool_run(dev->pool, size,
                 size < PARALLEL_MIN_BYTES ? size : piece_bytes(dev, size),
                 copy_piece, copy);
}

void cpu_copy_run(struct cpu_device *dev, const struct cpu_copy *copy)
{
    struct cpu_copy mine = *copy;

    copy_bytes(dev, &mine);
    free(copy->staging);
}

static void copy_rows(void *ctx, uint64_t first, uint64_t last)
{
    const struct cpu_copy *copy = ctx;

    for (uint64_t i = first; i < last; i++)
        memcpy(copy->dst + i * copy->dst_pitch, copy->src + i * copy->src_pitch,
               (size_t)copy->size);
}

void cpu_copy_2d_run(struct cpu_device *dev, const struct cpu_copy *copy)
{
    struct cpu_copy mine = *copy;
    uint64_t bytes = copy->size * copy->rows;
    uint64_t rows = PIECE_MIN_BYTES / copy->size + 1;

    cpu_pool_run(dev->pool, copy->rows,
                 bytes < PARALLEL_MIN_BYTES ? copy->rows : rows, copy_rows,
                 &mine);
}

static void fill_piece(void *ctx, uint64_t first, uint64_t last)
{
    const struct cpu_fill *fill = ctx;
    char *p = fill->dst + first;
    size_t size = (size_t)(last - first);

    if (fill->pattern_bytes == 1) {
        memset(p, (int)(fill->pattern & 0xff), size);
    } else if (fill->pattern_bytes == 2) {
        uint16_t value = (uint16_t)fill->pattern;

        for (size_t i = 0; i < size; i += sizeof value)
            memcpy(p + i, &value, sizeof value);
    } else {
        for (size_t i = 0; i < size; i += sizeof fill->pattern)
            memcpy(p + i, &fill->pattern, sizeof fill->pattern);
    }
}

void cpu_fill_run(struct cpu_device *dev, const struct cpu_fill *fill)
{
    struct cpu_fill mine = *fill;
    uint64_t size = fill->size;

    cpu_pool_run(dev->pool, size,
                 size < PARALLEL_MIN_BYTES ? size : piece_bytes(dev, size),
                 fill_piece, &mine);
}

/* ---- ops ----------------------------------------------------------------- */

static char *mem_at(void *mem, uint64_t offset)
{
    return ((struct cpu_mem *)mem)->addr + offset;
}

static halError_t copy_submit(struct cpu_stream *s, enum cpu_command_kind kind,
                              const struct cpu_copy *copy, unsigned flags)
{
    struct cpu_command *command = cpu_command_take(s);

    if (!command)
        return halErrorHostMemory;
    command->kind = kind;
    command->u.copy = *copy;
    if (flags & HAL_COPY_WAITED)
        cpu_stream_submit_waited(s, command);
    else
        cpu_stream_submit(s, command);
    return halSuccess;
}

/* In stream order, but on this thread and before it returns. */
static void copy_now(struct cpu_stream *s, struct cpu_copy *copy)
{
    cpu_stream_finish(s, atomic_load(&s->submitted));
    copy_bytes(s->dev, copy);
}

/* Whether the op may, and had better, return before the copy is done. */
static bool may_return(struct cpu_stream *s, uint64_t size, unsigned flags)
{
    return flags & HAL_COPY_PINNED ||
           (flags & HAL_COPY_WAITED &&
            (size > NOW_MAX_BYTES || !cpu_stream_idle(s)));
}

halError_t cpu_copy_in(struct hal_dev *dev, void *stream, void *mem,
                       uint64_t offset, const void *host, uint64_t size,
                       unsigned flags)
{
    struct cpu_stream *s = stream;
    struct cpu_copy copy = { .dst = mem_at(mem, offset),
                             .src = host,
                             .size = size };
    halError_t st;

    (void)dev;
    if (may_return(s, size, flags))
        return copy_submit(s, CPU_COMMAND_COPY, &copy, flags);
    if (size <= STAGING_MAX_BYTES && !cpu_stream_idle(s)) {
        copy.staging = malloc((size_t)size);
        if (copy.staging) {
            copy.src = memcpy(copy.staging, host, (size_t)size);
            st = copy_submit(s, CPU_COMMAND_COPY, &copy, 0);
            if (st != halSuccess)
                free(copy.staging);
            return st;
        }
    }
    copy_now(s, &copy);
    return halSuccess;
}

halError_t cpu_copy_out(struct hal_dev *dev, void *stream, void *host,
                        void *mem, uint64_t offset, uint64_t size,
                        unsigned flags)
{
    struct cpu_copy copy = { .dst = host,
                             .src = mem_at(mem, offset),
                             .size = size };

    (void)dev;
    if (may_return(stream, size, flags))
        return copy_submit(stream, CPU_COMMAND_COPY, &copy, flags);
    copy_now(stream, &copy);
    return halSuccess;
}

halError_t cpu_copy(struct hal_dev *dev, void *stream, void *dst_mem,
                    uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                    uint64_t size)
{
    struct cpu_copy copy = { .dst = mem_at(dst_mem, dst_offset),
                             .src = mem_at(src_mem, src_offset),
                             .size = size };

    (void)dev;
    return copy_submit(stream, CPU_COMMAND_COPY, &copy, 0);
}

halError_t cpu_copy_2d(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, uint64_t dst_pitch, void *src_mem,
                       uint64_t src_offset, uint64_t src_pitch, uint64_t width,
                       uint64_t height)
{
    struct cpu_copy copy = { .dst = mem_at(dst_mem, dst_offset),
                             .src = mem_at(src_mem, src_offset),
                             .size = width,
                             .dst_pitch = dst_pitch,
                             .src_pitch = src_pitch,
                             .rows = height };

    (void)dev;
    if (!width || !height)
        return halSuccess;
    return copy_submit(stream, CPU_COMMAND_COPY_2D, &copy, 0);
}

halError_t cpu_fill(struct hal_dev *dev, void *stream, void *mem,
                    uint64_t offset, uint64_t size, uint32_t pattern,
                    unsigned pattern_bytes)
{
    struct cpu_command *command;

    (void)dev;
    if (pattern_bytes != 1 && pattern_bytes != 2 && pattern_bytes != 4)
        return hal_fail(halErrorInvalidValue,
                        "cpu: a fill pattern has 1, 2 or 4 bytes, not %u",
                        pattern_bytes);
    command = cpu_command_take(stream);
    if (!command)
        return halErrorHostMemory;
    command->kind = CPU_COMMAND_FILL;
    command->u.fill =
        (struct cpu_fill){ mem_at(mem, offset), size, pattern, pattern_bytes };
    cpu_stream_submit(stream, command);
    return halSuccess;
}
