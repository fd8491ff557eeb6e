/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - copies and fills.  Invariant: SVM is memory of the host as well, so
 * that a copy between it and a buffer is a read or write of the buffer.
 */
#include "backends/opencl/opencl.h"

halError_t opencl_run_copy_in(cl_command_queue q, const struct opencl_op *op)
{
    const struct opencl_mem *m = op->u.copy.dst;
    cl_int code;

    if (m->svm)
        code = opencl_cl.EnqueueSVMMemcpy(
            q, op->u.copy.blocking, m->svm + op->u.copy.dst_offset,
            op->u.copy.host, op->u.copy.size, 0, NULL, NULL);
    else
        code = opencl_cl.EnqueueWriteBuffer(
            q, m->buffer, op->u.copy.blocking, op->u.copy.dst_offset,
            op->u.copy.size, op->u.copy.host, 0, NULL, NULL);
    return code == CL_SUCCESS ? halSuccess
                              : opencl_fail(code, "copy to the device");
}

halError_t opencl_run_copy_out(cl_command_queue q, const struct opencl_op *op)
{
    const struct opencl_mem *m = op->u.copy.src;
    cl_int code;

    if (m->svm)
        code = opencl_cl.EnqueueSVMMemcpy(
            q, op->u.copy.blocking, op->u.copy.host,
            m->svm + op->u.copy.src_offset, op->u.copy.size, 0, NULL, NULL);
    else
        code = opencl_cl.EnqueueReadBuffer(
            q, m->buffer, op->u.copy.blocking, op->u.copy.src_offset,
            op->u.copy.size, op->u.copy.host, 0, NULL, NULL);
    return code == CL_SUCCESS ? halSuccess
                              : opencl_fail(code, "copy from the device");
}

halError_t opencl_run_copy(cl_command_queue q, const struct opencl_op *op)
{
    const struct opencl_mem *dst = op->u.copy.dst, *src = op->u.copy.src;
    size_t to = op->u.copy.dst_offset, from = op->u.copy.src_offset;
    size_t size = op->u.copy.size;
    cl_int code;

    if (dst->svm && src->svm)
        code = opencl_cl.EnqueueSVMMemcpy(q, CL_FALSE, dst->svm + to,
                                          src->svm + from, size, 0, NULL, NULL);
    else if (dst->svm)
        code = opencl_cl.EnqueueReadBuffer(q, src->buffer, CL_FALSE, from, size,
                                           dst->svm + to, 0, NULL, NULL);
    else if (src->svm)
        code = opencl_cl.EnqueueWriteBuffer(q, dst->buffer, CL_FALSE, to, size,
                                            src->svm + from, 0, NULL, NULL);
    else
        code = opencl_cl.EnqueueCopyBuffer(q, src->buffer, dst->buffer, from,
                                           to, size, 0, NULL, NULL);
    return code == CL_SUCCESS ? halSuccess
                              : opencl_fail(code, "copy on the device");
}

halError_t opencl_run_fill(cl_command_queue q, const struct opencl_op *op)
{
    const struct opencl_mem *m = op->u.fill.mem;
    const void *pattern = &op->u.fill.pattern; /* little-endian: low bytes */
    cl_int code;

    if (m->svm)
        code = opencl_cl.EnqueueSVMMemFill(q, m->svm + op->u.fill.offset,
                                           pattern, op->u.fill.pattern_bytes,
                                           op->u.fill.size, 0, NULL, NULL);
    else
        code = opencl_cl.EnqueueFillBuffer(
            q, m->buffer, pattern, op->u.fill.pattern_bytes, op->u.fill.offset,
            op->u.fill.size, 0, NULL, NULL);
    return code == CL_SUCCESS ? halSuccess : opencl_fail(code, "fill");
}

/* An idle stream's copy of this size is over before anybody notices; a larger
 * one must leave the stream's lock free, if it may. */
#define BLOCKING_MAX ((uint64_t)2 << 20)

/* Whether the op may, and had better, return before the copy is done. */
static bool may_return(struct opencl_stream *s, uint64_t size, unsigned flags)
{
    return flags & HAL_COPY_PINNED ||
           (flags & HAL_COPY_WAITED &&
            (size > BLOCKING_MAX ||
             atomic_load(&s->n_settled) < atomic_load(&s->n_submitted) ||
             !opencl_stream_direct(s)));
}

/* Pageable memory: the driver's blocking call.  If earlier work is deferred,
 * the call must not overtake it. */
static halError_t submit_copy(struct opencl_stream *s, struct opencl_op *op,
                              unsigned flags)
{
    halError_t st;

    op->u.copy.blocking = !may_return(s, op->u.copy.size, flags);
    if (op->u.copy.blocking && !opencl_stream_direct(s))
        opencl_defer_drain(s);
    st = opencl_stream_submit(s, op);
    if (st == halSuccess && op->u.copy.blocking)
        opencl_stream_settle(s, atomic_load(&s->n_submitted));
    return st;
}

halError_t opencl_copy_in(struct hal_dev *dev, void *stream, void *mem,
                          uint64_t offset, const void *host, uint64_t size,
                          unsigned flags)
{
    struct opencl_op op = {
        .kind = OPENCL_OP_COPY_IN,
        .u.copy = { .dst = mem,
                    .dst_offset = offset,
                    .host = (void *)(uintptr_t)host,
                    .size = size },
    };

    (void)dev;
    return submit_copy(stream, &op, flags);
}

halError_t opencl_copy_out(struct hal_dev *dev, void *stream, void *host,
                           void *mem, uint64_t offset, uint64_t size,
                           unsigned flags)
{
    struct opencl_op op = {
        .kind = OPENCL_OP_COPY_OUT,
        .u.copy = { .src = mem,
                    .src_offset = offset,
                    .host = host,
                    .size = size },
    };

    (void)dev;
    return submit_copy(stream, &op, flags);
}

halError_t opencl_copy(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                       uint64_t size)
{
    struct opencl_op op = {
        .kind = OPENCL_OP_COPY,
        .u.copy = { .dst = dst_mem,
                    .dst_offset = dst_offset,
                    .src = src_mem,
                    .src_offset = src_offset,
                    .size = size },
    };

    (void)dev;
    return opencl_stream_submit(stream, &op);
}

halError_t opencl_fill(struct hal_dev *dev, void *stream, void *mem,
                       uint64_t offset, uint64_t size, uint32_t pattern,
                       unsigned pattern_bytes)
{
    struct opencl_op op = {
        .kind = OPENCL_OP_FILL,
        .u.fill = { .mem = mem,
                    .offset = offset,
                    .size = size,
                    .pattern = pattern,
                    .pattern_bytes = pattern_bytes },
    };

    (void)dev;
    return opencl_stream_submit(stream, &op);
}
