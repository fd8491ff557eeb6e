/* SPDX-License-Identifier: Apache-2.0 */
/*
 * function.c - a kernel of a module, made runnable on its device, and what it
 * says about itself.
 */
#include "hal/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void function_close(struct hal_object *obj)
{
    struct hal_function *f = HAL_ITEM(obj, struct hal_function, obj);
    struct hal_device *d = obj->dev;

    /* A launch may have been submitted after its module was unloaded. */
    hal__device_quiesce(d);
    d->ops->kernel_destroy(d->dev, f->kernel);
}

static void function_free(struct hal_object *obj)
{
    struct hal_function *f = HAL_ITEM(obj, struct hal_function, obj);

    hal__object_release(&f->module->obj);
    free(f->images);
    free(f);
}

halError_t hal__function_open(struct hal_module *m, uint32_t index,
                              struct hal_function **out_function)
{
    struct hal_device *d = m->obj.dev;
    struct hal_function *f = NULL;
    int has_kernel = 0;
    halError_t st;

    f = calloc(1, sizeof *f);
    if (!f)
        return hal_fail(halErrorHostMemory, "a function of %zu bytes",
                        sizeof *f);
    f->module = m;
    f->desc = &m->bin.kernels[index];
    atomic_init(&f->max_dynamic, -1);
    st = hal__device_alive(d);
    if (st == halSuccess)
        st = hal__image_choose(d, f->desc, &f->images, &f->n_images);
    if (st == halSuccess)
        st = hal__device_check(d, d->ops->kernel_create(d->dev, f->desc,
                                                        f->images, f->n_images,
                                                        &f->kernel, &f->info));
    if (st != halSuccess)
        goto out;
    has_kernel = 1;
    if (f->info.image >= f->n_images) {
        st = hal_fail(halErrorInternal, "%s: kernel '%s' runs image %u of %u",
                      d->name, f->desc->name, f->info.image, f->n_images);
        goto out;
    }
    f->image = f->images[f->info.image];
    st = hal__object_create(&f->obj, d, HAL_KIND_FUNCTION, function_close,
                            function_free);
    if (st != halSuccess)
        goto out;
    hal__object_retain(&m->obj);
    *out_function = f;
    f = NULL;
out:
    if (f) {
        if (has_kernel)
            d->ops->kernel_destroy(d->dev, f->kernel);
        free(f->images);
        free(f);
    }
    return st;
}

uint32_t hal__function_static(const struct hal_function *f)
{
    return f->info.static_bytes > f->image->shared_bytes
               ? f->info.static_bytes
               : f->image->shared_bytes;
}

/* What the device leaves for it. */
static uint64_t dynamic_most(const struct hal_function *f)
{
    uint64_t limit = f->obj.dev->info.prop.sharedMemPerBlockOptin;
    uint32_t own = hal__function_static(f);

    return limit < own ? 0 : limit - own;
}

uint64_t hal__function_dynamic(const struct hal_function *f)
{
    uint64_t limit = dynamic_most(f);
    int set = atomic_load_explicit(&f->max_dynamic, memory_order_relaxed);

    return set >= 0 && (uint64_t)set < limit ? (uint64_t)set : limit;
}

static halError_t function_get(halFunction_t handle, struct hal_function **out)
{
    struct hal_object *obj;
    halError_t st = hal__object_get(handle, HAL_KIND_FUNCTION, &obj);

    if (st == halSuccess)
        *out = HAL_ITEM(obj, struct hal_function, obj);
    return st;
}

halError_t halFuncGetAttributes(struct halFuncAttributes *attr,
                                halFunction_t function)
{
    struct hal_function *f;
    uint64_t dynamic;
    halError_t st;

    if (!attr)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halFuncGetAttributes: attr is NULL"));
    st = function_get(function, &f);
    if (st != halSuccess)
        return hal__done(st);
    dynamic = hal__function_dynamic(f);
    *attr = (struct halFuncAttributes){
        .blockDim = { f->image->group, 1, 1 },
        .sharedSizeBytes = hal__function_static(f),
        .localSizeBytes = f->info.local_bytes,
        .maxThreadsPerBlock = (int)f->image->group,
        .maxDynamicSharedSizeBytes =
            dynamic > INT32_MAX ? INT32_MAX : (int)dynamic,
        .numParams = (int)f->desc->n_params,
    };
    snprintf(attr->variant, sizeof attr->variant, "%.31s", f->image->variant);
    hal__object_release(&f->obj);
    return halSuccess;
}

halError_t halFuncSetAttribute(halFunction_t function, halFuncAttribute attr,
                               int value)
{
    struct hal_function *f;
    uint64_t limit;
    halError_t st;

    st = function_get(function, &f);
    if (st != halSuccess)
        return hal__done(st);
    limit = dynamic_most(f);
    if (attr != halFuncAttributeMaxDynamicSharedMemorySize)
        st = hal_fail(halErrorInvalidValue,
                      "halFuncSetAttribute: no attribute %d", (int)attr);
    else if (value < 0 || (uint64_t)value > limit)
        st = hal_fail(halErrorInvalidValue,
                      "halFuncSetAttribute: %d bytes of dynamic shared "
                      "memory; '%s' leaves %llu on %s",
                      value, f->desc->name, (unsigned long long)limit,
                      f->obj.dev->name);
    else
        atomic_store(&f->max_dynamic, value);
    hal__object_release(&f->obj);
    return hal__done(st);
}

halError_t halFuncGetParam(struct halParamInfo *info, halFunction_t function,
                           int index)
{
    struct hal_function *f;
    const struct hal_param *p;
    halError_t st;

    _Static_assert((int)halParamIn == (int)HAL_PARAM_IN &&
                       (int)halParamOut == (int)HAL_PARAM_OUT &&
                       (int)halParamInOut == (int)HAL_PARAM_INOUT &&
                       (int)halParamScalar == (int)HAL_PARAM_ARG,
                   "the two enums are one");
    if (!info)
        return hal__done(
            hal_fail(halErrorInvalidValue, "halFuncGetParam: info is NULL"));
    st = function_get(function, &f);
    if (st != halSuccess)
        return hal__done(st);
    if (index < 0 || (uint32_t)index >= f->desc->n_params) {
        st = hal_fail(halErrorInvalidValue,
                      "halFuncGetParam: '%s' has %u parameters, no number %d",
                      f->desc->name, f->desc->n_params, index);
    } else {
        p = &f->desc->params[index];
        *info = (struct halParamInfo){
            .kind = (halParamKind)p->kind,
            .dtype = (halDtype)p->dtype,
            .alignment = p->alignment,
        };
        snprintf(info->name, sizeof info->name, "%.47s", p->name);
    }
    hal__object_release(&f->obj);
    return hal__done(st);
}
