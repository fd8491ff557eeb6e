/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy2d.c - rows: their spans and overlaps, their submission, and the 2D
 * copies of the API.
 */
#include "hal/internal.h"

#include <string.h>

uint64_t hal__rows_span(uint64_t pitch, uint64_t width, uint64_t height)
{
    uint64_t span;

    if (__builtin_mul_overflow(pitch, height - 1, &span) ||
        __builtin_add_overflow(span, width, &span))
        return 0;
    return span;
}

/* Two sweeps over sorted rows, so that rectangles side by side in one matrix
 * do not count as overlapping. */
int hal__rows_meet(const struct hal_copy *c)
{
    uintptr_t d = (uintptr_t)c->dst, s = (uintptr_t)c->src;
    uint64_t i = 0, k = 0;

    if (d - s >= c->src_span && s - d >= c->dst_span)
        return 0;
    while (i < c->height && k < c->height) {
        uintptr_t di = d + i * c->dst_pitch, sk = s + k * c->src_pitch;

        if (di - sk < c->width || sk - di < c->width)
            return 1;
        if (di < sk)
            i++;
        else
            k++;
    }
    return 0;
}

void hal__rows_copy(const struct hal_copy *c)
{
    uint64_t i;

    for (i = 0; i < c->height; i++)
        memcpy(c->dst + i * c->dst_pitch, c->src + i * c->src_pitch, c->width);
}

/* Whether copies of this host range may go on after the op returned. */
static unsigned host_flags(const struct hal_view *v, const struct hal_device *d,
                           const struct hal_copy *c)
{
    if (v->alloc && v->alloc->type == halMemoryTypeHost &&
        (v->alloc->dev == d || v->alloc->flags & halHostAllocPortable))
        return HAL_COPY_PINNED;
    return c->is_waited ? HAL_COPY_WAITED : 0;
}

/* `size` bytes that start `at_dst` and `at_src` into the copy. */
static halError_t piece_submit(struct hal_stream *s, const struct hal_copy *c,
                               uint64_t at_dst, uint64_t at_src, uint64_t size)
{
    struct hal_device *d = s->obj.dev;
    const struct hal_view *dst = &c->dst_view, *src = &c->src_view;
    halError_t st;

    if (!hal__view_is_device(src))
        st = d->ops->copy_in(d->dev, s->impl, dst->alloc->mem.impl,
                             dst->offset + at_dst, c->src + at_src, size,
                             host_flags(src, d, c));
    else if (!hal__view_is_device(dst))
        st = d->ops->copy_out(d->dev, s->impl, c->dst + at_dst,
                              src->alloc->mem.impl, src->offset + at_src, size,
                              host_flags(dst, d, c));
    else
        st = d->ops->copy(d->dev, s->impl, dst->alloc->mem.impl,
                          dst->offset + at_dst, src->alloc->mem.impl,
                          src->offset + at_src, size);
    return hal__device_check(d, st);
}

halError_t hal__rows_submit(struct hal_stream *s, const struct hal_copy *c)
{
    struct hal_device *d = s->obj.dev;
    const struct hal_view *dst = &c->dst_view, *src = &c->src_view;
    halError_t st = halSuccess;
    uint64_t i;

    if (c->height == 1 ||
        (c->dst_pitch == c->width && c->src_pitch == c->width))
        return piece_submit(s, c, 0, 0, c->width * c->height);
    if (d->opt.copy_2d && hal__view_is_device(dst) && hal__view_is_device(src))
        return hal__device_check(
            d, d->opt.copy_2d(d->dev, s->impl, dst->alloc->mem.impl,
                              dst->offset, c->dst_pitch, src->alloc->mem.impl,
                              src->offset, c->src_pitch, c->width, c->height));
    for (i = 0; i < c->height && st == halSuccess; i++)
        st = piece_submit(s, c, i * c->dst_pitch, i * c->src_pitch, c->width);
    return st;
}

static halError_t copy_rows(void *dst, size_t dpitch, const void *src,
                            size_t spitch, size_t width, size_t height,
                            halMemcpyKind kind, struct hal_stream *s,
                            const char *call)
{
    struct hal_copy c = {
        .dst = dst,
        .src = src,
        .dst_pitch = dpitch,
        .src_pitch = spitch,
        .width = width,
        .height = height,
        .kind = kind,
        .is_async = s != NULL,
        .call = call,
    };

    return hal__copy_run(&c, s);
}

halError_t halMemcpy2D(void *dst, size_t dpitch, const void *src, size_t spitch,
                       size_t width, size_t height, halMemcpyKind kind)
{
    return hal__done(copy_rows(dst, dpitch, src, spitch, width, height, kind,
                               NULL, "halMemcpy2D"));
}

halError_t halMemcpy2DAsync(void *dst, size_t dpitch, const void *src,
                            size_t spitch, size_t width, size_t height,
                            halMemcpyKind kind, halStream_t stream)
{
    struct hal_stream *s;
    halError_t st = hal__stream_get(stream, &s);

    if (st != halSuccess)
        return hal__done(st);
    st = copy_rows(dst, dpitch, src, spitch, width, height, kind, s,
                   "halMemcpy2DAsync");
    hal__stream_release(s);
    return hal__done(st);
}
