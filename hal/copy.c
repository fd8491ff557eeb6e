/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - every copy's checks, and the choice of its way.  Invariant: nothing
 * is copied before all checks of the whole copy have passed.
 */
#include "hal/internal.h"

#include <stdlib.h>
#include <string.h>

halError_t hal__range_check(const char *call, const char *which,
                            const void *ptr, uint64_t span,
                            const struct hal_view *v)
{
    if ((uintptr_t)ptr > UINTPTR_MAX - span)
        return hal_fail(halErrorInvalidValue,
                        "%s: %s %p + %llu bytes wraps around", call, which, ptr,
                        (unsigned long long)span);
    if (v->alloc) {
        if (span <= v->avail)
            return halSuccess;
        return hal_fail(halErrorInvalidValue,
                        "%s: %llu bytes at %s leave its allocation: offset "
                        "%llu of %llu bytes",
                        call, (unsigned long long)span, which,
                        (unsigned long long)v->offset,
                        (unsigned long long)v->alloc->size);
    }
    if (hal__pointer_meets(ptr, span))
        return hal_fail(halErrorInvalidValue,
                        "%s: %s %p is no allocation, but its %llu bytes run "
                        "into one",
                        call, which, ptr, (unsigned long long)span);
    return halSuccess;
}

/* Host memory that the device reaches passes for device memory, as in CUDA. */
static int is_mapped(const struct hal_view *v)
{
    return v->alloc->has_mem && v->alloc->dev->info.prop.canMapHostMemory;
}

/* What the kind says of an end must be true of it. */
static halError_t end_check(const struct hal_copy *c, const char *which,
                            const void *ptr, const struct hal_view *v,
                            int says_device, int says_host)
{
    if (says_device && !v->alloc)
        return hal_fail(halErrorInvalidPointer,
                        "%s: %s %p should be device memory, but is %s", c->call,
                        which, ptr, hal__pointer_describe(ptr));
    if (says_device && !hal__view_is_device(v) && !is_mapped(v))
        return hal_fail(halErrorInvalidPointer,
                        "%s: %s %p should be device memory, but is "
                        "page-locked host memory that %s does not map",
                        c->call, which, ptr, v->alloc->dev->name);
    if (says_host && v->alloc && v->alloc->type == halMemoryTypeDevice)
        return hal_fail(halErrorInvalidValue,
                        "%s: %s %p should be host memory, but is memory of "
                        "%s; pass the right kind, or halMemcpyDefault",
                        c->call, which, ptr, v->alloc->dev->name);
    /* Copying from it as host memory would fault. */
    if (!v->alloc && hal__pointer_is_reserved(ptr))
        return hal_fail(halErrorInvalidPointer, "%s: %s %p is %s", c->call,
                        which, ptr, hal__pointer_describe(ptr));
    return halSuccess;
}

static halError_t pitch_check(const struct hal_copy *c)
{
    const struct hal_view *views[2] = { &c->dst_view, &c->src_view };
    uint64_t pitch[2] = { c->dst_pitch, c->src_pitch };
    int i;

    if (c->height == 1)
        return halSuccess;
    for (i = 0; i < 2; i++)
        if (hal__view_is_device(views[i]) &&
            pitch[i] > views[i]->alloc->dev->info.prop.memPitch)
            return hal_fail(
                halErrorInvalidValue, "%s: a pitch of %llu bytes; %s has %llu",
                c->call, (unsigned long long)pitch[i],
                views[i]->alloc->dev->name,
                (unsigned long long)views[i]->alloc->dev->info.prop.memPitch);
    return halSuccess;
}

/* Fills in spans; checks what needs no table. */
static halError_t shape_check(struct hal_copy *c)
{
    if (!c->dst || !c->src)
        return hal_fail(halErrorInvalidValue, "%s: %s is NULL", c->call,
                        c->dst ? "src" : "dst");
    if (c->dst_pitch < c->width || c->src_pitch < c->width)
        return hal_fail(halErrorInvalidValue,
                        "%s: a pitch (%llu, %llu) is less than the width, "
                        "%llu",
                        c->call, (unsigned long long)c->dst_pitch,
                        (unsigned long long)c->src_pitch,
                        (unsigned long long)c->width);
    c->dst_span = hal__rows_span(c->dst_pitch, c->width, c->height);
    c->src_span = hal__rows_span(c->src_pitch, c->width, c->height);
    if (!c->dst_span || !c->src_span)
        return hal_fail(halErrorInvalidValue, "%s: %llu rows overflow", c->call,
                        (unsigned long long)c->height);
    return halSuccess;
}

static halError_t copy_check(const struct hal_copy *c)
{
    int to_device =
        c->kind == halMemcpyHostToDevice || c->kind == halMemcpyDeviceToDevice;
    int to_host =
        c->kind == halMemcpyDeviceToHost || c->kind == halMemcpyHostToHost;
    int from_device =
        c->kind == halMemcpyDeviceToHost || c->kind == halMemcpyDeviceToDevice;
    int from_host =
        c->kind == halMemcpyHostToDevice || c->kind == halMemcpyHostToHost;
    halError_t st;

    st = end_check(c, "dst", c->dst, &c->dst_view, to_device, to_host);
    if (st == halSuccess)
        st = end_check(c, "src", c->src, &c->src_view, from_device, from_host);
    if (st == halSuccess)
        st =
            hal__range_check(c->call, "dst", c->dst, c->dst_span, &c->dst_view);
    if (st == halSuccess)
        st =
            hal__range_check(c->call, "src", c->src, c->src_span, &c->src_view);
    if (st == halSuccess)
        st = pitch_check(c);
    return st;
}

/* Where the host reads and writes page-locked memory: the caller may know it
 * by its device address. */
static halError_t ends_resolve(struct hal_copy *c)
{
    if (hal__view_is_host(&c->dst_view))
        c->dst = hal__view_host(&c->dst_view);
    if (hal__view_is_host(&c->src_view))
        c->src = hal__view_host(&c->src_view);
    if (hal__rows_meet(c))
        return hal_fail(halErrorInvalidValue,
                        "%s: source and target overlap (%p, %p, %llu bytes)",
                        c->call, (const void *)c->src, (void *)c->dst,
                        (unsigned long long)c->dst_span);
    return halSuccess;
}

/* ---- host to host ------------------------------------------------------- */

static void copy_on_host(void *arg)
{
    struct hal_copy *c = arg;

    hal__rows_copy(c);
    hal__alloc_release(c->dst_view.alloc);
    hal__alloc_release(c->src_view.alloc);
    free(c);
}

static halError_t copy_host(struct hal_copy *c, struct hal_stream *s)
{
    struct hal_copy *later;
    halError_t st;

    if (!c->is_async || !hal__view_is_host(&c->dst_view) ||
        !hal__view_is_host(&c->src_view)) {
        st = hal__device_alive(s->obj.dev);
        if (st == halSuccess)
            st = hal__stream_sync(s);
        if (st == halSuccess)
            hal__rows_copy(c);
        return st;
    }
    later = malloc(sizeof *later);
    if (!later)
        return hal_fail(halErrorHostMemory, "a copy of %zu bytes",
                        sizeof *later);
    *later = *c;
    hal__alloc_retain(later->dst_view.alloc);
    hal__alloc_retain(later->src_view.alloc);
    st = hal__stream_begin(s);
    if (st == halSuccess) {
        st = hal__stream_call(s, copy_on_host, later);
        hal__stream_end(s);
    }
    if (st != halSuccess) {
        hal__alloc_release(later->dst_view.alloc);
        hal__alloc_release(later->src_view.alloc);
        free(later);
    }
    return st;
}

/* ---- on one device ------------------------------------------------------- */

/* Others may go on submitting to the stream; then it is waited for with its
 * lock held, at last. */
#define COPY_TRIES 3

static halError_t copy_submit(struct hal_copy *c, struct hal_stream *s)
{
    halError_t st = hal__stream_begin(s);

    if (st == halSuccess) {
        st = hal__rows_submit(s, c);
        hal__stream_end(s);
    }
    return st;
}

/* Waits are made without the stream's lock, which others need meanwhile: the
 * default stream's, to begin a launch or to open a stream. */
static halError_t copy_own(struct hal_copy *c, struct hal_stream *s)
{
    int must_wait = !c->is_async, tries;
    char text[HAL_DETAIL_BYTES];
    halError_t st;

    /* Pageable memory must have been written on return. */
    must_wait |= !c->dst_view.alloc;
    c->is_waited = must_wait;
    st = copy_submit(c, s);
    for (tries = 1; st == halErrorNotReady; tries++) {
        st = hal__stream_await(s);
        if (st != halSuccess)
            return st;
        c->is_waited = tries < COPY_TRIES;
        st = copy_submit(c, s);
    }
    if (!must_wait)
        return st;
    if (st == halSuccess)
        st = hal__stream_await(s);
    if (st != halSuccess) { /* some of it may still run */
        memcpy(text, halGetErrorDetail(), sizeof text);
        hal__stream_settle(s);
        (void)hal_fail(st, "%s", text);
    }
    return st;
}

/* ---- the way ------------------------------------------------------------ */

static halError_t copy_dispatch(struct hal_copy *c, struct hal_stream *s)
{
    struct hal_device *to = NULL, *from = NULL, *d = NULL;
    halError_t st;

    if (hal__view_is_device(&c->dst_view))
        to = c->dst_view.alloc->dev;
    if (hal__view_is_device(&c->src_view))
        from = c->src_view.alloc->dev;
    if (!s) {
        d = to ? to : from;
        if (!d) {
            st = hal__device_current(&d);
            if (st != halSuccess)
                return st;
        }
        s = d->null_stream;
    }
    if (!to && !from)
        return copy_host(c, s);
    if ((to && to != s->obj.dev) || (from && from != s->obj.dev))
        return hal__copy_cross(c, s);
    return copy_own(c, s);
}

halError_t hal__copy_run(struct hal_copy *c, struct hal_stream *s)
{
    halError_t st = hal__entry_check();

    if (st != halSuccess)
        return st;
    if ((unsigned)c->kind > halMemcpyDefault)
        return hal_fail(halErrorInvalidValue, "%s: no copy kind %d", c->call,
                        (int)c->kind);
    if (!c->width || !c->height)
        return halSuccess;
    st = shape_check(c);
    if (st != halSuccess)
        return st;
    c->dst_view = hal__pointer_hold(c->dst);
    c->src_view = hal__pointer_hold(c->src);
    st = copy_check(c);
    if (st == halSuccess)
        st = ends_resolve(c);
    if (st == halSuccess)
        st = copy_dispatch(c, s);
    hal__alloc_release(c->dst_view.alloc);
    hal__alloc_release(c->src_view.alloc);
    return st;
}

static halError_t copy_line(void *dst, const void *src, size_t size,
                            halMemcpyKind kind, struct hal_stream *s,
                            const char *call)
{
    struct hal_copy c = {
        .dst = dst,
        .src = src,
        .dst_pitch = size,
        .src_pitch = size,
        .width = size,
        .height = 1,
        .kind = kind,
        .is_async = s != NULL,
        .call = call,
    };

    return hal__copy_run(&c, s);
}

halError_t halMemcpy(void *dst, const void *src, size_t size,
                     halMemcpyKind kind)
{
    return hal__done(copy_line(dst, src, size, kind, NULL, "halMemcpy"));
}

halError_t halMemcpyAsync(void *dst, const void *src, size_t size,
                          halMemcpyKind kind, halStream_t stream)
{
    struct hal_stream *s;
    halError_t st = hal__stream_get(stream, &s);

    if (st != halSuccess)
        return hal__done(st);
    st = copy_line(dst, src, size, kind, s, "halMemcpyAsync");
    hal__stream_release(s);
    return hal__done(st);
}

/* The two ends of a peer copy must be where the caller says. */
static halError_t peer_check(const void *ptr, int device, const char *which,
                             const char *call)
{
    struct hal_device *d;
    struct hal_view v;
    halError_t st = hal__device_at(device, &d);

    if (st != halSuccess)
        return st;
    if (!ptr)
        return hal_fail(halErrorInvalidValue, "%s: %s is NULL", call, which);
    v = hal__pointer_hold(ptr);
    if (!v.alloc)
        st = hal_fail(halErrorInvalidPointer, "%s: %s %p is %s", call, which,
                      ptr, hal__pointer_describe(ptr));
    else if (v.alloc->dev != d)
        st = hal_fail(halErrorInvalidValue,
                      "%s: %s %p is memory of %s, not of device %d (%s)", call,
                      which, ptr, v.alloc->dev->name, device, d->name);
    hal__alloc_release(v.alloc);
    return st;
}

static halError_t copy_peer(void *dst, int dst_device, const void *src,
                            int src_device, size_t size, struct hal_stream *s,
                            const char *call)
{
    halError_t st = hal__entry_check();

    if (st != halSuccess || !size)
        return st;
    st = peer_check(dst, dst_device, "dst", call);
    if (st == halSuccess)
        st = peer_check(src, src_device, "src", call);
    if (st == halSuccess)
        st = copy_line(dst, src, size, halMemcpyDeviceToDevice, s, call);
    return st;
}

halError_t halMemcpyPeer(void *dst, int dstDevice, const void *src,
                         int srcDevice, size_t size)
{
    return hal__done(
        copy_peer(dst, dstDevice, src, srcDevice, size, NULL, "halMemcpyPeer"));
}

halError_t halMemcpyPeerAsync(void *dst, int dstDevice, const void *src,
                              int srcDevice, size_t size, halStream_t stream)
{
    struct hal_stream *s;
    halError_t st = hal__stream_get(stream, &s);

    if (st != halSuccess)
        return hal__done(st);
    st = copy_peer(dst, dstDevice, src, srcDevice, size, s,
                   "halMemcpyPeerAsync");
    hal__stream_release(s);
    return hal__done(st);
}
