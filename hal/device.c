/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.c - opening, synchronising and resetting devices, and which one is
 * the calling thread's.  A device is opened at its first use; one that fails
 * to open fails its own calls only.
 */
#include "hal/internal.h"

#include <stdio.h>
#include <string.h>

static _Thread_local int current; /* ordinal */

void (*hal_device_layer)(const struct hal_backend *backend, unsigned index,
                         struct hal_dev *dev);

/* ---- opening ------------------------------------------------------------ */

/* Properties that the core relies on or defines itself. */
static void settle_prop(struct hal_device *d)
{
    struct halDeviceProp *p = &d->info.prop;
    int i;

    p->name[sizeof p->name - 1] = 0;
    p->driver[sizeof p->driver - 1] = 0;
    snprintf(p->halName, sizeof p->halName, "%s", d->name);
    snprintf(p->standsOn, sizeof p->standsOn, "%s", d->stands_on);
    snprintf(p->backend, sizeof p->backend, "%s", d->backend->name);
    p->unifiedAddressing = 1;
    if (!p->memAlign)
        p->memAlign = 64;
    if (!p->pitchAlign)
        p->pitchAlign = p->memAlign;
    if (!p->memPitch)
        p->memPitch = INT32_MAX;
    if (!p->maxAllocBytes)
        p->maxAllocBytes = p->totalGlobalMem;
    if (!p->maxThreadsPerBlock)
        p->maxThreadsPerBlock = 1;
    for (i = 0; i < 3; i++) {
        if (!p->maxGridSize[i])
            p->maxGridSize[i] = 1;
        if (!p->maxThreadsDim[i])
            p->maxThreadsDim[i] = 1;
    }
    if (!d->opt.host_alloc && !d->opt.host_register)
        p->canMapHostMemory = 0;
}

static void dev_adopt(struct hal_device *d, struct hal_dev *dev)
{
    size_t n = dev->opt ? dev->opt->size : 0;

    memset(&d->opt, 0, sizeof d->opt);
    if (n > sizeof d->opt)
        n = sizeof d->opt;
    if (n)
        memcpy(&d->opt, dev->opt, n);
    d->dev = dev;
    d->ops = dev->ops;
    d->info = dev->info;
    dev->core = d;
    if (d->info.prop.sharedMemPerBlockOptin < d->info.prop.sharedMemPerBlock)
        d->info.prop.sharedMemPerBlockOptin = d->info.prop.sharedMemPerBlock;
    if (d->profile)
        hal__profile_apply(d->profile, &d->info);
    settle_prop(d);
}

/* d->open_lock is held. */
static halError_t open_locked(struct hal_device *d)
{
    struct hal_dev *dev = NULL;
    halError_t st;

    st = d->backend->device_open(d->index, &dev);
    if (st != halSuccess)
        return st;
    st = hal__contract_check(d->backend, dev);
    if (st != halSuccess)
        return st; /* no op of such a table is called, not even close */
    st = hal__prop_check(d->backend, dev);
    if (st != halSuccess)
        return st;
    if (hal_device_layer)
        hal_device_layer(d->backend, d->index, dev);
    dev_adopt(d, dev);
    atomic_store(&d->is_lost, 0);
    st = hal__stream_open(d, halStreamDefault, 0, 0, &d->null_stream);
    if (st != halSuccess) {
        d->ops->device_close(dev);
        d->dev = NULL;
        return st;
    }
    atomic_store_explicit(&d->is_open, 1, memory_order_release);
    return halSuccess;
}

/* Enters it, opened. */
static halError_t device_use(struct hal_device *d)
{
    halError_t st;

    for (;;) {
        st = hal__device_enter(d);
        if (st != halSuccess ||
            atomic_load_explicit(&d->is_open, memory_order_acquire))
            return st;
        /* A reset holds the lock while it waits for those who are in. */
        hal__device_leave();
        pthread_mutex_lock(&d->open_lock);
        if (!atomic_load(&d->is_open))
            st = open_locked(d);
        pthread_mutex_unlock(&d->open_lock);
        if (st != halSuccess)
            return st;
    }
}

/* Says why there is no device of this ordinal. */
static halError_t no_device(const struct hal_registry *reg, int ordinal)
{
    int i;

    if (reg->status != halSuccess)
        return hal_fail(reg->status, "%s", reg->detail);
    if (reg->n_devices)
        return hal_fail(halErrorInvalidDevice,
                        "device %d: ordinals run from 0 to %d", ordinal,
                        reg->n_devices - 1);
    reg = hal__registry_whole();
    for (i = 0; i < reg->n_backends; i++)
        if (reg->backends[i].info.note[0])
            return hal_fail(
                halErrorInvalidDevice, "no device was found; %s: %s",
                reg->backends[i].info.name, reg->backends[i].info.note);
    return hal_fail(halErrorInvalidDevice,
                    "no device: HALCYON_DEVICES admits none of the %d known",
                    reg->n_known);
}

halError_t hal__device_at(int ordinal, struct hal_device **out_dev)
{
    const struct hal_registry *reg = hal__registry();
    halError_t st;

    if (ordinal < 0 || ordinal >= reg->n_devices)
        return no_device(reg, ordinal);
    st = device_use(reg->devices[ordinal]);
    if (st == halSuccess)
        *out_dev = reg->devices[ordinal];
    return st;
}

halError_t hal__device_current(struct hal_device **out_dev)
{
    return hal__device_at(current, out_dev);
}

halError_t hal__device_alive(struct hal_device *d)
{
    if (atomic_load_explicit(&d->is_lost, memory_order_relaxed))
        return hal_fail(halErrorDeviceLost,
                        "%s was lost earlier; halDeviceReset opens it anew",
                        d->name);
    return halSuccess;
}

halError_t hal__device_check(struct hal_device *d, halError_t st)
{
    if (st == halErrorDeviceLost)
        atomic_store(&d->is_lost, 1);
    return st;
}

/* ---- waiting ------------------------------------------------------------ */

void hal__stream_settle_locked(struct hal_stream *s)
{
    struct hal_device *d = s->obj.dev;
    int i;

    /* A sync that hands out an error of earlier work, or fails itself, need
     * not have waited to the end: it is asked until it is content. */
    for (i = 0; i < HAL_SETTLE_TRIES; i++) {
        halError_t st =
            hal__device_check(d, d->ops->stream_sync(d->dev, s->impl));

        if (st == halSuccess)
            break;
        hal__deferred_set(&s->deferred, st);
        if (st == halErrorDeviceLost)
            break;
    }
}

void hal__stream_settle(struct hal_stream *s)
{
    hal__side_lock(s);
    hal__stream_settle_locked(s);
    hal__side_unlock(s);
}

/* Passes the lock of each of d's streams: whoever submits has looked its
 * pointers up under it.  With `wait`, waits for the stream too. */
static void streams_pass(struct hal_device *d, int wait)
{
    struct hal_object *obj;
    uint64_t after = 0;

    while ((obj = hal__object_next(d, HAL_KIND_STREAM, after))) {
        struct hal_stream *s = HAL_ITEM(obj, struct hal_stream, obj);

        pthread_mutex_lock(&s->lock);
        pthread_mutex_unlock(&s->lock);
        if (wait)
            hal__stream_settle(s);
        after = obj->serial;
        hal__object_release(obj);
    }
}

void hal__device_quiesce(struct hal_device *d)
{
    streams_pass(d, 1);
}

/* Passes d's streams and those of the devices that may use its memory, which
 * with `all` is every one. */
static void users_pass(struct hal_device *d, int all, int wait)
{
    const struct hal_registry *reg = hal__registry();
    int i;

    streams_pass(d, wait);
    for (i = 0; i < reg->n_devices; i++) {
        struct hal_device *other = reg->devices[i];

        if (other == d ||
            !(all || atomic_load(&other->peers) >> d->known_index & 1) ||
            !hal__visit_begin(other))
            continue; /* what is being reset has no work any more */
        streams_pass(other, wait);
        hal__visit_end(other);
    }
}

void hal__device_pass_users(struct hal_device *d)
{
    users_pass(d, 0, 0);
}

void hal__device_quiesce_users(struct hal_device *d, int all)
{
    users_pass(d, all, 1);
}

/* As quiesce, but hands the first error out. */
static halError_t device_sync(struct hal_device *d)
{
    halError_t first = hal__deferred_take(&d->deferred), st;
    char text[HAL_DETAIL_BYTES] = "";
    struct hal_object *obj;
    uint64_t after = 0;

    if (first != halSuccess)
        memcpy(text, halGetErrorDetail(), sizeof text);
    while ((obj = hal__object_next(d, HAL_KIND_STREAM, after))) {
        struct hal_stream *s = HAL_ITEM(obj, struct hal_stream, obj);

        hal__side_lock(s);
        st = hal__device_check(d, d->ops->stream_sync(d->dev, s->impl));
        if (st == halSuccess)
            st = hal__deferred_take(&s->deferred);
        hal__side_unlock(s);
        if (st != halSuccess && first == halSuccess) {
            first = st;
            memcpy(text, halGetErrorDetail(), sizeof text);
        }
        after = obj->serial;
        hal__object_release(obj);
    }
    if (first != halSuccess)
        return hal_fail(first, "%s", text);
    return hal__device_alive(d);
}

halError_t halDeviceSynchronize(void)
{
    struct hal_device *d;
    halError_t st;

    st = hal__device_current(&d);
    if (st == halSuccess)
        st = device_sync(d);
    if (st == halSuccess) {
        hal__pool_trim(d, HAL_POOL_KEEP_BYTES, 0);
        hal__staging_trim(d);
    }
    return hal__done(st);
}

/* ---- reset -------------------------------------------------------------- */

halError_t halDeviceReset(void)
{
    const struct hal_registry *reg = hal__registry();
    struct hal_device *d;

    if (current < 0 || current >= reg->n_devices)
        return hal__done(no_device(reg, current));
    d = reg->devices[current];
    hal__device_reset(d);
    return halSuccess;
}

/* ---- which device ------------------------------------------------------- */

halError_t halSetDevice(int device)
{
    const struct hal_registry *reg = hal__registry();

    if (device < 0 || device >= reg->n_devices)
        return hal__done(no_device(reg, device));
    current = device;
    return halSuccess;
}

halError_t halGetDevice(int *device)
{
    const struct hal_registry *reg = hal__registry();

    if (!device)
        return hal__done(
            hal_fail(halErrorInvalidValue, "halGetDevice: device is NULL"));
    if (current >= reg->n_devices)
        return hal__done(no_device(reg, current));
    *device = current;
    return halSuccess;
}

halError_t halMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    uint64_t has = 0, total = 0, limit, used;
    struct hal_device *d;
    halError_t st;

    if (!free_bytes || !total_bytes)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halMemGetInfo: %s is NULL",
                                  free_bytes ? "total_bytes" : "free_bytes"));
    st = hal__device_current(&d);
    if (st == halSuccess)
        st = hal__device_alive(d);
    if (st == halSuccess)
        st = hal__device_check(d, d->ops->mem_info(d->dev, &has, &total));
    if (st != halSuccess)
        return hal__done(st);
    if (d->profile) {
        /* What the chip would have left, if the driver has as much. */
        limit = d->info.prop.totalGlobalMem;
        used = atomic_load(&d->used_bytes);
        if (total > limit)
            total = limit;
        if (has > total)
            has = total;
        if (used > total)
            used = total;
        if (has > total - used)
            has = total - used;
    }
    *free_bytes = has;
    *total_bytes = total;
    return hal__done(halSuccess);
}

halError_t halDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    struct hal_device *d;
    int l = 0, g = 0;
    halError_t st;

    st = hal__device_current(&d);
    if (st != halSuccess)
        return hal__done(st);
    if (d->opt.priority_range)
        d->opt.priority_range(d->dev, &l, &g);
    /* CUDA allows either to be NULL. */
    if (least)
        *least = l;
    if (greatest)
        *greatest = g;
    return hal__done(halSuccess);
}

halError_t halDriverGetVersion(int *version)
{
    struct hal_device *d;
    halError_t st;

    if (!version)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halDriverGetVersion: version is NULL"));
    st = hal__device_current(&d);
    if (st == halSuccess)
        *version = (int)d->info.version;
    return hal__done(st);
}

halError_t halRuntimeGetVersion(int *version)
{
    if (!version)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halRuntimeGetVersion: version is NULL"));
    *version = HAL_VERSION;
    return halSuccess;
}
