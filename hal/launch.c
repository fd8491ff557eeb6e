/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - kernel launches: every argument is checked against the reflection
 * table before the backend hears of it.  This is the hot path: it takes no
 * memory, and on success formats no text.
 */
#include "hal/internal.h"

#include <string.h>

static halError_t grid_check(const struct hal_function *f, halDim3 grid,
                             halDim3 block, size_t shared)
{
    const struct hal_device *d = f->obj.dev;
    const struct halDeviceProp *p = &d->info.prop;
    const char *name = f->desc->name;

    if (!grid.x || !grid.y || !grid.z)
        return hal_fail(halErrorInvalidConfiguration,
                        "kernel '%s': grid (%u, %u, %u) has a zero; each must "
                        "be at least 1",
                        name, grid.x, grid.y, grid.z);
    if (grid.x > p->maxGridSize[0] || grid.y > p->maxGridSize[1] ||
        grid.z > p->maxGridSize[2])
        return hal_fail(halErrorInvalidConfiguration,
                        "kernel '%s': grid (%u, %u, %u) exceeds (%u, %u, %u), "
                        "the limit of %s",
                        name, grid.x, grid.y, grid.z, p->maxGridSize[0],
                        p->maxGridSize[1], p->maxGridSize[2], d->name);
    if ((block.x | block.y | block.z) &&
        (block.x != f->image->group || block.y != 1 || block.z != 1))
        return hal_fail(halErrorInvalidConfiguration,
                        "kernel '%s': block (%u, %u, %u); %s was built for "
                        "(%u, 1, 1); pass that, or (0, 0, 0)",
                        name, block.x, block.y, block.z, f->image->variant,
                        f->image->group);
    /* nearly always 0 */
    if (shared && shared > hal__function_dynamic(f))
        return hal_fail(halErrorInvalidConfiguration,
                        "kernel '%s': %zu bytes of dynamic shared memory "
                        "beside %u static ones; at most %llu on %s",
                        name, shared, hal__function_static(f),
                        (unsigned long long)hal__function_dynamic(f), d->name);
    return halSuccess;
}

/* Says what is wrong with a buffer argument; cold. */
static halError_t buffer_complain(const struct hal_function *f, unsigned i,
                                  const void *ptr, const struct hal_view *v)
{
    const struct hal_param *p = &f->desc->params[i];
    const struct hal_device *d = f->obj.dev;
    const char *name = f->desc->name;

    if (!v->alloc)
        return hal_fail(halErrorInvalidArgument,
                        "kernel '%s', argument %u '%s': %p is no live device "
                        "pointer (%s)",
                        name, i, p->name, ptr, hal__pointer_describe(ptr));
    if (v->alloc->dev != d)
        return hal_fail(halErrorInvalidArgument,
                        "kernel '%s', argument %u '%s': %p is memory of %s, "
                        "the kernel runs on %s",
                        name, i, p->name, ptr, v->alloc->dev->name, d->name);
    if (v->alloc->type == halMemoryTypeHost)
        return hal_fail(halErrorInvalidArgument,
                        "kernel '%s', argument %u '%s': %p is host memory "
                        "that kernels of %s cannot reach",
                        name, i, p->name, ptr, d->name);
    return hal_fail(halErrorInvalidArgument,
                    "kernel '%s', argument %u '%s': %p is not aligned to %u "
                    "bytes",
                    name, i, p->name, ptr, p->alignment);
}

static int buffer_is_good(const struct hal_device *d, const struct hal_view *v,
                          const void *ptr, unsigned alignment)
{
    const struct hal_alloc *a = v->alloc;

    if (!a || !a->has_mem)
        return 0;
    if (a->dev != d && !(atomic_load(&d->peers) >> a->dev->known_index & 1))
        return 0;
    return alignment < 2 || (uintptr_t)ptr % alignment == 0;
}

/* Reads the caller's arguments.  Buffers' views are found later, under the
 * stream's lock. */
static halError_t args_read(const struct hal_function *f, void **args,
                            union hal_arg *out_args, const void **out_ptrs)
{
    const struct hal_kernel_desc *desc = f->desc;
    unsigned i;

    if (desc->n_params && !args)
        return hal_fail(halErrorInvalidArgument,
                        "kernel '%s': args is NULL; it has %u parameters",
                        desc->name, desc->n_params);
    for (i = 0; i < desc->n_params; i++) {
        if (!args[i])
            return hal_fail(halErrorInvalidArgument,
                            "kernel '%s', argument %u '%s': args[%u] is NULL; "
                            "it must point to the argument",
                            desc->name, i, desc->params[i].name, i);
        out_ptrs[i] = NULL;
        if (desc->params[i].kind == HAL_PARAM_ARG) {
            memset(&out_args[i], 0, sizeof out_args[i]);
            memcpy(&out_args[i].scalar, args[i], sizeof out_args[i].scalar);
        } else {
            memcpy(&out_ptrs[i], args[i], sizeof out_ptrs[i]);
        }
    }
    return halSuccess;
}

/* s is begun: what is found now stays until the launch is submitted. */
static halError_t args_resolve(const struct hal_function *f, const void **ptrs,
                               union hal_arg *args)
{
    const struct hal_kernel_desc *desc = f->desc;
    const struct hal_device *d = f->obj.dev;
    struct hal_view views[HAL_PARAMS_MAX];
    unsigned i;

    hal__pointer_find_all(ptrs, views, desc->n_params);
    for (i = 0; i < desc->n_params; i++) {
        const struct hal_view *v = &views[i];

        if (desc->params[i].kind == HAL_PARAM_ARG)
            continue;
        if (!buffer_is_good(d, v, ptrs[i], desc->params[i].alignment))
            return buffer_complain(f, i, ptrs[i], v);
        args[i].buffer.mem = v->alloc->mem.impl;
        args[i].buffer.addr =
            v->alloc->mem.addr ? (char *)v->alloc->mem.addr + v->offset : NULL;
        args[i].buffer.offset = v->offset;
        args[i].buffer.avail = v->avail;
    }
    return halSuccess;
}

static halError_t launch(struct hal_function *f, halDim3 grid, halDim3 block,
                         void **args, size_t shared, struct hal_stream *s)
{
    struct hal_device *d = f->obj.dev;
    union hal_arg resolved[HAL_PARAMS_MAX];
    const void *ptrs[HAL_PARAMS_MAX];
    struct hal_launch l = {
        .grid = { grid.x, grid.y, grid.z },
        .n_args = f->desc->n_params,
        .args = resolved,
    };
    halError_t st;

    if (s->obj.dev != d)
        return hal_fail(halErrorInvalidHandle,
                        "kernel '%s' is of %s, the stream of %s; load the "
                        "module on that device too",
                        f->desc->name, d->name, s->obj.dev->name);
    st = grid_check(f, grid, block, shared);
    if (st == halSuccess)
        st = args_read(f, args, resolved, ptrs);
    if (st != halSuccess)
        return st;
    l.shared_bytes = (uint32_t)shared;
    st = hal__stream_begin(s);
    if (st != halSuccess)
        return st;
    st = args_resolve(f, ptrs, resolved);
    if (st == halSuccess)
        st = hal__device_check(d,
                               d->ops->launch(d->dev, s->impl, f->kernel, &l));
    hal__stream_end(s);
    return st;
}

halError_t halLaunchKernel(halFunction_t function, halDim3 grid, halDim3 block,
                           void **args, size_t shared, halStream_t stream)
{
    struct hal_function *f;
    struct hal_stream *s;
    struct hal_object *obj;
    halError_t st;

    st = hal__object_get(function, HAL_KIND_FUNCTION, &obj);
    if (st != halSuccess)
        return hal__done(st);
    f = HAL_ITEM(obj, struct hal_function, obj);
    st = hal__stream_get(stream, &s);
    if (st == halSuccess) {
        st = launch(f, grid, block, args, shared, s);
        hal__stream_release(s);
    }
    hal__object_release(obj);
    return hal__done(st);
}
