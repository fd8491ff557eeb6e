/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - copies and fills.  Invariant: a call never waits for earlier work of
 * its stream, save a copy to plain memory whose caller does not wait himself,
 * one from memory that another backend has pinned, and one of more bytes than
 * the staging buffers have room for.
 *
 * The driver reads plain memory before its call returns, but waits for the
 * stream to do so; a busy stream gets the bytes from staging buffers.  Memory
 * that others in the process have page-locked is plain to Halcyon and not to
 * the driver: its copy is waited for.  What another backend has pinned is plain
 * to the driver, which would read it at the call: earlier work, which may write
 * it, is waited for.
 */
#include "backends/cuda/cuda.h"

#include <string.h>

/* Whether the driver knows host memory, and so copies it later. */
static bool is_known(const void *host)
{
    unsigned type = 0;

    return cuda_cu.PointerGetAttribute(&type, CUDA_POINTER_MEMORY_TYPE,
                                       (uintptr_t)host) == CUDA_OK &&
           type;
}

static halError_t direct_in(struct cuda_stream *s, uint64_t target,
                            const void *host, uint64_t size, bool is_pinned)
{
    halError_t st = halSuccess;

    CUDA_OR_GOTO(
        out, st, s->dev,
        cuda_cu.MemcpyHtoDAsync(target, host, (size_t)size, s->stream));
    if (!is_pinned && is_known(host))
        CUDA_OR_GOTO(out, st, s->dev, cuda_cu.StreamSynchronize(s->stream));
out:
    return st;
}

/* Through one buffer; as many bytes as it has room for. */
static halError_t piece_in(struct cuda_stream *s, struct cuda_stage *stage,
                           uint64_t target, const char *host, uint64_t size,
                           uint64_t *out_done)
{
    uint64_t room = stage->bytes - stage->used;
    char *at = stage->host + stage->used;
    halError_t st = halSuccess;

    if (size > room)
        size = room;
    memcpy(at, host, (size_t)size);
    stage->used += size;
    CUDA_OR_GOTO(out, st, s->dev,
                 cuda_cu.MemcpyHtoDAsync(target, at, (size_t)size, s->stream));
    CUDA_OR_GOTO(out, st, s->dev, cuda_cu.EventRecord(stage->done, s->stream));
    *out_done = size;
out:
    if (st != halSuccess) /* the copy may have been enqueued */
        (void)cuda_cu.StreamSynchronize(s->stream);
    return st;
}

/* What the buffers have no room for goes the driver's way. */
static halError_t staged_in(struct cuda_stream *s, uint64_t target,
                            const char *host, uint64_t size)
{
    halError_t st = halSuccess;
    uint64_t done = 0;

    for (; st == halSuccess && size; target += done, host += done) {
        struct cuda_stage *stage = cuda_stage_take(s, size);

        if (!stage)
            return direct_in(s, target, host, size, false);
        st = piece_in(s, stage, target, host, size, &done);
        cuda_stage_give(s->dev, stage);
        size -= st == halSuccess ? done : 0;
    }
    return st;
}

halError_t cuda_copy_in(struct hal_dev *hal, void *stream, void *mem,
                        uint64_t offset, const void *host, uint64_t size,
                        unsigned flags)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = stream;
    uint64_t target = cuda_address(mem, offset);
    bool is_pinned = flags & HAL_COPY_PINNED, pushed;
    unsigned code = CUDA_OK;
    halError_t st = halSuccess;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    if (!is_pinned)
        code = cuda_cu.StreamQuery(s->stream);
    else if (!is_known(host))
        code = cuda_cu.StreamSynchronize(s->stream);
    if (code == CUDA_NOT_READY && flags & HAL_COPY_WAITED)
        st = halErrorNotReady;
    else if (code == CUDA_NOT_READY)
        st = staged_in(s, target, host, size);
    else if (code == CUDA_OK)
        st = direct_in(s, target, host, size, is_pinned);
    else
        st = cuda_fail(dev, code, "the stream before a copy");
out:
    cuda_leave(pushed);
    return st;
}

halError_t cuda_copy_out(struct hal_dev *hal, void *stream, void *host,
                         void *mem, uint64_t offset, uint64_t size,
                         unsigned flags)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = stream;
    uint64_t source = cuda_address(mem, offset);
    halError_t st = halSuccess;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    if (flags & HAL_COPY_WAITED && !(flags & HAL_COPY_PINNED)) {
        unsigned code = cuda_cu.StreamQuery(s->stream);

        if (code != CUDA_OK) {
            st = code == CUDA_NOT_READY
                     ? halErrorNotReady
                     : cuda_fail(dev, code, "cuda_cu.StreamQuery");
            goto out;
        }
    }
    CUDA_OR_GOTO(
        out, st, dev,
        cuda_cu.MemcpyDtoHAsync(host, source, (size_t)size, s->stream));
    if (!(flags & (HAL_COPY_PINNED | HAL_COPY_WAITED)))
        CUDA_OR_GOTO(out, st, dev, cuda_cu.StreamSynchronize(s->stream));
out:
    cuda_leave(pushed);
    return st;
}

halError_t cuda_copy(struct hal_dev *hal, void *stream, void *dst_mem,
                     uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                     uint64_t size)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = stream;
    halError_t st = halSuccess;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.MemcpyDtoDAsync(cuda_address(dst_mem, dst_offset),
                                         cuda_address(src_mem, src_offset),
                                         (size_t)size, s->stream));
out:
    cuda_leave(pushed);
    return st;
}

halError_t cuda_fill(struct hal_dev *hal, void *stream, void *mem,
                     uint64_t offset, uint64_t size, uint32_t pattern,
                     unsigned pattern_bytes)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = stream;
    uint64_t target = cuda_address(mem, offset);
    size_t n = (size_t)(size / pattern_bytes);
    halError_t st = halSuccess;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    if (pattern_bytes == 1)
        CUDA_OR_GOTO(out, st, dev,
                     cuda_cu.MemsetD8Async(target, (unsigned char)pattern, n,
                                           s->stream));
    else if (pattern_bytes == 2)
        CUDA_OR_GOTO(out, st, dev,
                     cuda_cu.MemsetD16Async(target, (unsigned short)pattern, n,
                                            s->stream));
    else
        CUDA_OR_GOTO(out, st, dev,
                     cuda_cu.MemsetD32Async(target, pattern, n, s->stream));
out:
    cuda_leave(pushed);
    return st;
}

halError_t cuda_copy_2d(struct hal_dev *hal, void *stream, void *dst_mem,
                        uint64_t dst_offset, uint64_t dst_pitch, void *src_mem,
                        uint64_t src_offset, uint64_t src_pitch, uint64_t width,
                        uint64_t height)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = stream;
    const struct cuda_copy_2d copy = {
        .src_type = CUDA_MEMORYTYPE_DEVICE,
        .src_device = cuda_address(src_mem, src_offset),
        .src_pitch = (size_t)src_pitch,
        .dst_type = CUDA_MEMORYTYPE_DEVICE,
        .dst_device = cuda_address(dst_mem, dst_offset),
        .dst_pitch = (size_t)dst_pitch,
        .width = (size_t)width,
        .height = (size_t)height,
    };
    halError_t st = halSuccess;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.Memcpy2DAsync((const void *)&copy, s->stream));
out:
    cuda_leave(pushed);
    return st;
}
