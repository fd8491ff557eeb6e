/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill.c - memset in all its forms: a pattern of 1, 2 or 4 bytes over rows.
 */
#include "hal/internal.h"

#include <string.h>

struct fill {
    char *ptr;
    uint64_t pitch, width, height; /* bytes, bytes, rows */
    uint32_t pattern;
    unsigned pattern_bytes;
    const char *call;
};

static halError_t fill_submit(struct hal_stream *s, const struct fill *f,
                              const struct hal_view *v)
{
    struct hal_device *d = s->obj.dev;
    uint64_t width = f->width, height = f->height, i;
    halError_t st;

    st = hal__stream_begin(s);
    if (st != halSuccess)
        return st;
    if (width == f->pitch) {
        width *= height;
        height = 1;
    }
    for (i = 0; i < height && st == halSuccess; i++)
        st = hal__device_check(d,
                               d->ops->fill(d->dev, s->impl, v->alloc->mem.impl,
                                            v->offset + i * f->pitch, width,
                                            f->pattern, f->pattern_bytes));
    hal__stream_end(s);
    return st;
}

static void fill_host(const struct fill *f, const struct hal_view *v)
{
    uint64_t i, k;

    for (i = 0; i < f->height; i++) {
        char *row = hal__view_host(v) + i * f->pitch;

        for (k = 0; k < f->width; k += f->pattern_bytes)
            memcpy(row + k, &f->pattern, f->pattern_bytes);
    }
}

static halError_t fill_dispatch(const struct fill *f, const struct hal_view *v,
                                struct hal_stream *s)
{
    struct hal_device *d = v->alloc->dev;
    struct hal_stream *side;
    halError_t st;

    if (!s)
        s = d->null_stream;
    if (hal__view_is_device(v) && s->obj.dev == d)
        return fill_submit(s, f, v);
    /* Page-locked host memory, or another device's: after the stream's work,
     * and done on return. */
    st = hal__device_alive(s->obj.dev);
    if (st == halSuccess)
        st = hal__stream_sync(s);
    if (st != halSuccess)
        return st;
    if (!hal__view_is_device(v)) {
        fill_host(f, v);
        return halSuccess;
    }
    st = hal__stream_side(d, &side);
    if (st == halSuccess)
        st = fill_submit(side, f, v);
    return st == halSuccess ? hal__stream_sync(side) : st;
}

/* s may be NULL: the default stream of the pointer's device. */
static halError_t fill_run(const struct fill *f, struct hal_stream *s)
{
    struct hal_view v;
    uint64_t span;
    halError_t st = hal__entry_check();

    if (st != halSuccess || !f->width || !f->height)
        return st;
    if (!f->ptr)
        return hal_fail(halErrorInvalidValue, "%s: ptr is NULL", f->call);
    if ((uintptr_t)f->ptr % f->pattern_bytes)
        return hal_fail(halErrorInvalidValue,
                        "%s: %p is not aligned to %u bytes", f->call,
                        (void *)f->ptr, f->pattern_bytes);
    if (f->pitch < f->width)
        return hal_fail(halErrorInvalidValue,
                        "%s: the pitch, %llu, is less than the width, %llu",
                        f->call, (unsigned long long)f->pitch,
                        (unsigned long long)f->width);
    span = hal__rows_span(f->pitch, f->width, f->height);
    if (!span)
        return hal_fail(halErrorInvalidValue, "%s: %llu rows overflow", f->call,
                        (unsigned long long)f->height);
    v = hal__pointer_hold(f->ptr);
    if (!v.alloc)
        return hal_fail(halErrorInvalidPointer, "%s: %p is %s", f->call,
                        (void *)f->ptr, hal__pointer_describe(f->ptr));
    st = hal__range_check(f->call, "ptr", f->ptr, span, &v);
    if (st == halSuccess)
        st = fill_dispatch(f, &v, s);
    hal__alloc_release(v.alloc);
    return st;
}

static halError_t fill_line(void *ptr, uint32_t value, size_t count,
                            unsigned pattern_bytes, struct hal_stream *s,
                            const char *call)
{
    struct fill f = {
        .ptr = ptr,
        .height = 1,
        .pattern = value,
        .pattern_bytes = pattern_bytes,
        .call = call,
    };

    if (__builtin_mul_overflow(count, (size_t)pattern_bytes, &f.width))
        return hal_fail(halErrorInvalidValue, "%s: %zu elements overflow", call,
                        count);
    f.pitch = f.width;
    return fill_run(&f, s);
}

static halError_t fill_line_on(void *ptr, uint32_t value, size_t count,
                               unsigned pattern_bytes, halStream_t stream,
                               const char *call)
{
    struct hal_stream *s;
    halError_t st = hal__stream_get(stream, &s);

    if (st != halSuccess)
        return hal__done(st);
    st = fill_line(ptr, value, count, pattern_bytes, s, call);
    hal__stream_release(s);
    return hal__done(st);
}

halError_t halMemset(void *ptr, int value, size_t size)
{
    return hal__done(
        fill_line(ptr, (uint8_t)value, size, 1, NULL, "halMemset"));
}

halError_t halMemsetAsync(void *ptr, int value, size_t size, halStream_t stream)
{
    return fill_line_on(ptr, (uint8_t)value, size, 1, stream, "halMemsetAsync");
}

halError_t halMemsetD16(void *ptr, uint16_t value, size_t count)
{
    return hal__done(fill_line(ptr, value, count, 2, NULL, "halMemsetD16"));
}

halError_t halMemsetD16Async(void *ptr, uint16_t value, size_t count,
                             halStream_t stream)
{
    return fill_line_on(ptr, value, count, 2, stream, "halMemsetD16Async");
}

halError_t halMemsetD32(void *ptr, uint32_t value, size_t count)
{
    return hal__done(fill_line(ptr, value, count, 4, NULL, "halMemsetD32"));
}

halError_t halMemsetD32Async(void *ptr, uint32_t value, size_t count,
                             halStream_t stream)
{
    return fill_line_on(ptr, value, count, 4, stream, "halMemsetD32Async");
}

halError_t halMemset2D(void *ptr, size_t pitch, int value, size_t width,
                       size_t height)
{
    struct fill f = { ptr, pitch,        width, height, (uint8_t)value,
                      1,   "halMemset2D" };

    return hal__done(fill_run(&f, NULL));
}

halError_t halMemset2DAsync(void *ptr, size_t pitch, int value, size_t width,
                            size_t height, halStream_t stream)
{
    struct fill f = {
        ptr, pitch, width, height, (uint8_t)value, 1, "halMemset2DAsync"
    };
    struct hal_stream *s;
    halError_t st = hal__stream_get(stream, &s);

    if (st != halSuccess)
        return hal__done(st);
    st = fill_run(&f, s);
    hal__stream_release(s);
    return hal__done(st);
}
