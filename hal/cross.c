/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cross.c - copies of which an end is of another device than the stream's.
 *
 * They go through the host on the devices' side streams, which carry nothing
 * else, so that no user work is in their way.  In stream order: a host
 * function of the stream does the whole copy.  The plain forms wait for both
 * devices' default streams first.
 */
#include "hal/internal.h"

#include <stdlib.h>
#include <string.h>

struct cross_copy {
    struct hal_copy copy;
    struct hal_stream *out, *in; /* side streams; NULL: that end is host */
    struct hal_chunk *chunk;     /* if both ends are devices that differ */
    struct hal_deferred *deferred;
};

static struct hal_device *end_device(const struct hal_view *v)
{
    return hal__view_is_device(v) ? v->alloc->dev : NULL;
}

static void cross_release(struct cross_copy *x)
{
    if (x->chunk)
        hal__staging_give(x->out->obj.dev, x->chunk);
    hal__alloc_release(x->copy.dst_view.alloc);
    hal__alloc_release(x->copy.src_view.alloc);
    free(x);
}

/* Everything that may fail for want of something is got here. */
static halError_t cross_create(const struct hal_copy *c,
                               struct cross_copy **out_x)
{
    struct hal_device *from = end_device(&c->src_view);
    struct hal_device *to = end_device(&c->dst_view);
    struct cross_copy *x = calloc(1, sizeof *x);
    halError_t st = halSuccess;

    if (!x)
        return hal_fail(halErrorHostMemory, "a copy of %zu bytes", sizeof *x);
    x->copy = *c;
    hal__alloc_retain(c->dst_view.alloc);
    hal__alloc_retain(c->src_view.alloc);
    if (from)
        st = hal__stream_side(from, &x->out);
    if (st == halSuccess && to)
        st = hal__stream_side(to, &x->in);
    if (st == halSuccess && from && to && from != to)
        st = hal__staging_take(from, &x->chunk);
    if (st != halSuccess) {
        cross_release(x);
        return st;
    }
    *out_x = x;
    return halSuccess;
}

/* Holds one side stream's lock at a time, so that copies in opposite
 * directions cannot wait for each other. */
static halError_t side_run(struct hal_stream *s, const struct hal_copy *c)
{
    char text[HAL_DETAIL_BYTES];
    halError_t st;

    hal__side_lock(s);
    st = hal__stream_begin(s);
    if (st != halSuccess)
        goto out;
    st = hal__rows_submit(s, c);
    hal__stream_end(s);
    if (st == halSuccess)
        st = hal__stream_sync(s);
    if (st != halSuccess) { /* what was submitted may still run */
        memcpy(text, halGetErrorDetail(), sizeof text);
        hal__stream_settle_locked(s);
        (void)hal__deferred_take(&s->deferred); /* this copy's too */
        (void)hal_fail(st, "%s", text);
    }
out:
    hal__side_unlock(s);
    return st;
}

/* A rectangle of the copy, small enough for the chunk: out, then in. */
static halError_t rectangle_run(const struct cross_copy *x, uint64_t row,
                                uint64_t column, uint64_t rows,
                                uint64_t columns)
{
    struct hal_alloc pinned = {
        .dev = x->out->obj.dev,
        .type = halMemoryTypeHost,
        .flags = halHostAllocPortable,
    };
    struct hal_view host = { &pinned, 0, HAL_CHUNK_BYTES };
    struct hal_copy out = x->copy, in = x->copy;
    uint64_t skip;
    halError_t st;

    skip = row * x->copy.src_pitch + column;
    out.src += skip;
    out.src_view.offset += skip;
    out.dst = x->chunk->host;
    out.dst_pitch = columns;
    out.dst_view = host;
    skip = row * x->copy.dst_pitch + column;
    in.dst += skip;
    in.dst_view.offset += skip;
    in.src = x->chunk->host;
    in.src_pitch = columns;
    in.src_view = host;
    out.width = in.width = columns;
    out.height = in.height = rows;
    st = side_run(x->out, &out);
    return st == halSuccess ? side_run(x->in, &in) : st;
}

static halError_t cross_run(const struct cross_copy *x)
{
    const struct hal_copy *c = &x->copy;
    uint64_t row, column;
    halError_t st = halSuccess;

    if (!x->chunk)
        return side_run(x->in ? x->in : x->out, c);
    if (c->width <= HAL_CHUNK_BYTES) {
        uint64_t most = HAL_CHUNK_BYTES / c->width;

        for (row = 0; row < c->height && st == halSuccess; row += most) {
            uint64_t rows = c->height - row < most ? c->height - row : most;

            st = rectangle_run(x, row, 0, rows, c->width);
        }
        return st;
    }
    for (row = 0; row < c->height; row++) {
        for (column = 0; column < c->width && st == halSuccess;
             column += HAL_CHUNK_BYTES) {
            uint64_t columns = c->width - column < HAL_CHUNK_BYTES
                                   ? c->width - column
                                   : HAL_CHUNK_BYTES;

            st = rectangle_run(x, row, column, 1, columns);
        }
    }
    return st;
}

static void cross_on_host(void *arg)
{
    struct cross_copy *x = arg;
    halError_t st = cross_run(x);

    if (st != halSuccess)
        hal__deferred_set(x->deferred, st);
    cross_release(x);
}

/* The other default stream too, as for CUDA's synchronous peer copies. */
static halError_t sync_both(const struct hal_copy *c, struct hal_stream *s)
{
    struct hal_device *ends[2] = { end_device(&c->src_view),
                                   end_device(&c->dst_view) };
    halError_t st;
    int i;

    st = hal__device_alive(s->obj.dev);
    if (st == halSuccess)
        st = hal__stream_sync(s);
    for (i = 0; i < 2 && st == halSuccess && !c->is_async; i++) {
        if (!ends[i] || ends[i]->null_stream == s)
            continue;
        st = hal__device_alive(ends[i]);
        if (st == halSuccess)
            st = hal__stream_sync(ends[i]->null_stream);
    }
    return st;
}

halError_t hal__copy_cross(const struct hal_copy *c, struct hal_stream *s)
{
    struct cross_copy *x = NULL;
    int is_pageable;
    halError_t st;

    st = cross_create(c, &x);
    if (st != halSuccess)
        return st;
    /* One end is plain host memory, which must be read or written on return. */
    is_pageable = !c->dst_view.alloc || !c->src_view.alloc;
    if (!c->is_async || is_pageable) {
        st = sync_both(c, s);
        if (st == halSuccess)
            st = cross_run(x);
        cross_release(x);
        return st;
    }
    x->deferred = &s->deferred;
    st = hal__stream_begin(s);
    if (st == halSuccess) {
        st = hal__stream_call(s, cross_on_host, x);
        hal__stream_end(s);
    }
    if (st != halSuccess)
        cross_release(x);
    return st;
}
