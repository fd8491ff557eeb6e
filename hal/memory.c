/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - device memory: allocation, freeing and the account of a device.
 * Invariant: what a stand-in has handed out never exceeds the chip's memory.
 */
#include "hal/internal.h"

#include <stdlib.h>

/* Adds to the device's account; 0 when a stand-in's memory would not do. */
static int account(struct hal_device *d, uint64_t size)
{
    uint64_t used = atomic_fetch_add(&d->used_bytes, size);

    if (!d->profile || used + size <= d->info.prop.totalGlobalMem)
        return 1;
    atomic_fetch_sub(&d->used_bytes, size);
    return 0;
}

static halError_t mem_try(struct hal_device *d, uint64_t size, int kind,
                          struct hal_mem *out_mem)
{
    struct hal_mem mem = { 0 };
    halError_t st;

    if (!account(d, size))
        return hal_fail(halErrorMemoryAllocation,
                        "%s has %llu bytes, %llu are in use: no room for %llu",
                        d->name,
                        (unsigned long long)d->info.prop.totalGlobalMem,
                        (unsigned long long)atomic_load(&d->used_bytes),
                        (unsigned long long)size);
    st = hal__device_check(d, d->ops->mem_alloc(d->dev, size, kind, &mem));
    if (st != halSuccess) {
        atomic_fetch_sub(&d->used_bytes, size);
        return st;
    }
    *out_mem = mem;
    return halSuccess;
}

halError_t hal__mem_alloc(struct hal_device *d, uint64_t size, int kind,
                          struct hal_mem *out_mem)
{
    halError_t st;

    if (size > d->info.prop.maxAllocBytes)
        return hal_fail(halErrorMemoryAllocation,
                        "%llu bytes: one allocation on %s may have %llu",
                        (unsigned long long)size, d->name,
                        (unsigned long long)d->info.prop.maxAllocBytes);
    st = mem_try(d, size, kind, out_mem);
    if (st == halErrorMemoryAllocation && hal__pool_trim(d, 0, 1))
        st = mem_try(d, size, kind, out_mem);
    return st;
}

void hal__mem_free(struct hal_device *d, struct hal_mem *mem, uint64_t size)
{
    d->ops->mem_free(d->dev, mem->impl);
    atomic_fetch_sub(&d->used_bytes, size);
}

void hal__alloc_settle(struct hal_alloc *a)
{
    /* First those that still hold it, for they may be about to submit.
     * Portable memory is pinned for every device, and copies of any may be
     * under way. */
    hal__alloc_wait_unused(a);
    hal__device_quiesce_users(a->dev, a->type == halMemoryTypeHost &&
                                          a->flags & halHostAllocPortable);
}

void hal__alloc_destroy(struct hal_alloc *a)
{
    struct hal_device *d = a->dev;

    switch (a->origin) {
    case HAL_FROM_MALLOC:
    case HAL_FROM_POOL:
    case HAL_FROM_MANAGED:
        hal__mem_free(d, &a->mem, a->capacity);
        break;
    case HAL_FROM_HOST_ALLOC:
        hal__host_free(d, a->host, a->mem.impl, a->backend_host);
        break;
    case HAL_FROM_REGISTER:
        if (d->opt.host_register && d->opt.host_unregister)
            d->opt.host_unregister(d->dev, a->host, a->mem.impl);
        break;
    }
    free(a);
}

static halError_t malloc_kind(void **ptr, size_t size, int kind)
{
    struct hal_alloc *a = NULL;
    struct hal_device *d;
    halError_t st;

    st = hal__device_current(&d);
    if (st == halSuccess)
        st = hal__device_alive(d);
    if (st != halSuccess)
        return st;
    if (kind == HAL_MEM_MANAGED && !d->info.prop.managedMemory)
        return hal_fail(halErrorNotSupported,
                        "halMallocManaged: %s has no memory that host and "
                        "device share; use halMalloc and halMemcpy",
                        d->name);
    if (!size) {
        *ptr = NULL;
        return halSuccess;
    }
    a = calloc(1, sizeof *a);
    if (!a)
        return hal_fail(halErrorHostMemory, "an allocation's %zu bytes",
                        sizeof *a);
    st = hal__mem_alloc(d, size, kind, &a->mem);
    if (st != halSuccess)
        goto out;
    a->dev = d;
    a->size = a->capacity = size;
    a->has_mem = 1;
    a->base = (uintptr_t)a->mem.addr;
    a->origin = HAL_FROM_MALLOC;
    a->type = halMemoryTypeDevice;
    if (kind == HAL_MEM_MANAGED) {
        a->origin = HAL_FROM_MANAGED;
        a->type = halMemoryTypeManaged;
        a->host = a->mem.addr;
        if (!a->host)
            st = hal_fail(halErrorInternal,
                          "%s returned managed memory without an address",
                          d->name);
    }
    if (st == halSuccess)
        st = hal__pointer_insert(a);
    if (st != halSuccess) {
        hal__mem_free(d, &a->mem, size);
        goto out;
    }
    *ptr = (void *)a->base;
    a = NULL;
out:
    free(a);
    return st;
}

halError_t halMalloc(void **ptr, size_t size)
{
    if (!ptr)
        return hal__done(
            hal_fail(halErrorInvalidValue, "halMalloc: ptr is NULL"));
    return hal__done(malloc_kind(ptr, size, HAL_MEM_DEVICE));
}

halError_t halMallocManaged(void **ptr, size_t size, unsigned flags)
{
    if (!ptr)
        return hal__done(
            hal_fail(halErrorInvalidValue, "halMallocManaged: ptr is NULL"));
    if (flags != halMemAttachGlobal)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halMallocManaged: flags %#x, must be "
                                  "halMemAttachGlobal",
                                  flags));
    return hal__done(malloc_kind(ptr, size, HAL_MEM_MANAGED));
}

halError_t halMallocPitch(void **ptr, size_t *pitch, size_t width,
                          size_t height)
{
    struct hal_device *d;
    size_t row, size, align;
    void *p;
    halError_t st;

    if (!ptr || !pitch)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halMallocPitch: %s is NULL",
                                  ptr ? "pitch" : "ptr"));
    st = hal__device_current(&d);
    if (st != halSuccess)
        return hal__done(st);
    align = d->info.prop.pitchAlign;
    if (__builtin_add_overflow(width, align - 1, &row))
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halMallocPitch: a width of %zu bytes "
                                  "overflows",
                                  width));
    row = row / align * align;
    if (__builtin_mul_overflow(row, height, &size))
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halMallocPitch: %zu rows of %zu bytes "
                                  "overflow",
                                  height, row));
    st = malloc_kind(&p, size, HAL_MEM_DEVICE);
    if (st != halSuccess)
        return hal__done(st);
    *ptr = p;
    *pitch = row;
    return hal__done(halSuccess);
}

static halError_t accept_free(const struct hal_alloc *a, const char *call,
                              const void *context)
{
    (void)context;
    if (a->origin == HAL_FROM_HOST_ALLOC)
        return hal_fail(halErrorInvalidPointer,
                        "%s: %p came from halHostAlloc; use halFreeHost", call,
                        (void *)a->base);
    if (a->origin == HAL_FROM_REGISTER)
        return hal_fail(halErrorInvalidPointer,
                        "%s: %p is registered host memory; use "
                        "halHostUnregister",
                        call, (void *)a->base);
    return halSuccess;
}

halError_t halFree(void *ptr)
{
    struct hal_alloc *a;
    halError_t st;

    if (!ptr)
        return halSuccess;
    st = hal__pointer_take(ptr, "halFree", accept_free, NULL, &a);
    if (st != halSuccess)
        return hal__done(st);
    hal__alloc_settle(a);
    hal__alloc_destroy(a);
    return hal__done(halSuccess);
}

halError_t halPointerGetAttributes(struct halPointerAttributes *attr,
                                   const void *ptr)
{
    struct hal_view v;
    halError_t st = hal__entry_check();

    if (st != halSuccess)
        return hal__done(st);
    if (!attr || !ptr)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halPointerGetAttributes: %s is NULL",
                                  attr ? "ptr" : "attr"));
    v = hal__pointer_hold(ptr);
    if (!v.alloc) {
        *attr = (struct halPointerAttributes){
            .type = halMemoryTypeUnregistered,
            .device = -1,
            .hostPointer = (void *)(uintptr_t)ptr,
        };
        return halSuccess;
    }
    *attr = (struct halPointerAttributes){
        .type = v.alloc->type,
        .device = v.alloc->dev->ordinal,
        .base = (void *)((uintptr_t)ptr - v.offset),
        .size = v.alloc->size,
    };
    if (v.alloc->host)
        attr->hostPointer = (char *)v.alloc->host + v.offset;
    if (v.alloc->type != halMemoryTypeHost)
        attr->devicePointer = (char *)v.alloc->base + v.offset;
    else if (v.alloc->has_mem && v.alloc->mem.addr)
        attr->devicePointer = (char *)v.alloc->mem.addr + v.offset;
    hal__alloc_release(v.alloc);
    return halSuccess;
}
