/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - page-locked host memory: allocated or registered.  Where a backend
 * has nothing better it is plain page-aligned memory, and counts as pinned all
 * the same: that promises the caller's order, not a DMA engine.
 */
#include "hal/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOST_ALIGN ((size_t)4096)

halError_t hal__host_alloc(struct hal_device *d, uint64_t size, unsigned flags,
                           void **out_host, struct hal_mem *out_mem,
                           int *out_backend_host)
{
    struct hal_mem mem = { 0 };
    void *host = NULL;
    halError_t st;

    if (d->opt.host_alloc && d->opt.host_free) {
        st = hal__device_check(
            d, d->opt.host_alloc(d->dev, size, flags, &host, &mem));
        /* It is the host's memory that is short, whoever was asked for it. */
        if (st == halErrorMemoryAllocation)
            return hal_fail(halErrorHostMemory, "%s", halGetErrorDetail());
        if (st != halSuccess)
            return st;
        *out_backend_host = 1;
    } else {
        if (size > SIZE_MAX - HOST_ALIGN)
            return hal_fail(halErrorHostMemory, "%llu bytes of host memory",
                            (unsigned long long)size);
        host = aligned_alloc(HOST_ALIGN,
                             (size + HOST_ALIGN - 1) / HOST_ALIGN * HOST_ALIGN);
        if (!host)
            return hal_fail(halErrorHostMemory, "%llu bytes of host memory",
                            (unsigned long long)size);
        *out_backend_host = 0;
    }
    *out_host = host;
    *out_mem = mem;
    return halSuccess;
}

void hal__host_free(struct hal_device *d, void *host, void *mem,
                    int backend_host)
{
    if (backend_host)
        d->opt.host_free(d->dev, host, mem);
    else
        free(host);
}

/* Enters host memory into the table; frees nothing on failure. */
static halError_t host_enter(struct hal_device *d, enum hal_origin origin,
                             void *host, size_t size, unsigned flags,
                             const struct hal_mem *mem, int backend_host)
{
    struct hal_alloc *a = calloc(1, sizeof *a);
    halError_t st;

    if (!a)
        return hal_fail(halErrorHostMemory, "an allocation's %zu bytes",
                        sizeof *a);
    a->dev = d;
    a->origin = origin;
    a->type = halMemoryTypeHost;
    a->flags = flags;
    a->base = (uintptr_t)host;
    a->size = a->capacity = size;
    a->host = host;
    a->mem = *mem;
    a->has_mem = mem->addr != NULL;
    a->backend_host = backend_host;
    if (mem->addr && mem->addr != host)
        a->alias = (uintptr_t)mem->addr;
    st = hal__pointer_insert(a);
    if (st != halSuccess)
        free(a);
    return st;
}

static halError_t host_malloc(void **ptr, size_t size, unsigned flags,
                              const char *call)
{
    struct hal_mem mem = { 0 };
    struct hal_device *d;
    void *host = NULL;
    int backend_host = 0;
    halError_t st;

    if (!ptr)
        return hal_fail(halErrorInvalidValue, "%s: ptr is NULL", call);
    if (flags & ~(unsigned)(halHostAllocPortable | halHostAllocMapped |
                            halHostAllocWriteCombined))
        return hal_fail(halErrorInvalidValue, "%s: unknown flags in %#x", call,
                        flags);
    st = hal__device_current(&d);
    if (st == halSuccess)
        st = hal__device_alive(d);
    if (st != halSuccess)
        return st;
    if (!size) {
        *ptr = NULL;
        return halSuccess;
    }
    st = hal__host_alloc(d, size, flags, &host, &mem, &backend_host);
    if (st != halSuccess)
        return st;
    st = host_enter(d, HAL_FROM_HOST_ALLOC, host, size, flags, &mem,
                    backend_host);
    if (st != halSuccess) {
        hal__host_free(d, host, mem.impl, backend_host);
        return st;
    }
    *ptr = host;
    return halSuccess;
}

halError_t halHostAlloc(void **ptr, size_t size, unsigned flags)
{
    return hal__done(host_malloc(ptr, size, flags, "halHostAlloc"));
}

halError_t halMallocHost(void **ptr, size_t size)
{
    return hal__done(
        host_malloc(ptr, size, halHostAllocDefault, "halMallocHost"));
}

static halError_t accept_origin(const struct hal_alloc *a, const char *call,
                                const void *context)
{
    enum hal_origin want = *(const enum hal_origin *)context;

    if (a->origin == want)
        return halSuccess;
    return hal_fail(halErrorInvalidPointer, "%s: %p came from %s; use %s", call,
                    (void *)a->base,
                    a->origin == HAL_FROM_REGISTER     ? "halHostRegister"
                    : a->origin == HAL_FROM_HOST_ALLOC ? "halHostAlloc"
                                                       : "halMalloc",
                    a->origin == HAL_FROM_REGISTER     ? "halHostUnregister"
                    : a->origin == HAL_FROM_HOST_ALLOC ? "halFreeHost"
                                                       : "halFree");
}

static halError_t host_release(void *ptr, const char *call,
                               enum hal_origin origin)
{
    struct hal_alloc *a;
    halError_t st;

    st = hal__pointer_take(ptr, call, accept_origin, &origin, &a);
    if (st != halSuccess)
        return st;
    hal__alloc_settle(a);
    hal__alloc_destroy(a);
    return halSuccess;
}

halError_t halFreeHost(void *ptr)
{
    if (!ptr)
        return halSuccess;
    return hal__done(host_release(ptr, "halFreeHost", HAL_FROM_HOST_ALLOC));
}

/* Whether the pages from `start` to `end` are mapped, as far as one can tell:
 * an asynchronous msync looks at the mappings and touches no page. */
static int is_mapped(uintptr_t start, uintptr_t end)
{
    return !msync((void *)start, end - start, MS_ASYNC) || errno != ENOMEM;
}

/* The first page from `start` on that is not mapped; `end` if there is none. */
static uintptr_t mapped_to(uintptr_t start, uintptr_t end, uintptr_t page)
{
    uintptr_t good = 0, bad = (end - start) / page;

    if (is_mapped(start, end))
        return end;
    while (bad - good > 1) { /* `good` pages are mapped, `bad` pages not all */
        uintptr_t mid = good + (bad - good) / 2;

        if (is_mapped(start, start + mid * page))
            good = mid;
        else
            bad = mid;
    }
    return start + good * page;
}

/* The first address from `start` on that may not be both read and written, as
 * the kernel lists the mappings; `end` if there is none, or no list: to try a
 * page would be a signal's business. */
static uintptr_t allowed_to(uintptr_t start, uintptr_t end)
{
    FILE *list = fopen("/proc/self/maps", "re");
    uintptr_t low, high, at = end;
    char line[256], access[5];
    int is_start = 1;

    if (!list)
        return end;
    while (at == end && fgets(line, sizeof line, list)) {
        /* A long path takes several reads. */
        int is_entry = is_start;

        is_start = strchr(line, '\n') != NULL;
        if (!is_entry || sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &low,
                                &high, access) != 3)
            continue;
        if (low >= end)
            break;
        if (high > start && (access[0] != 'r' || access[1] != 'w'))
            at = low > start ? low : start;
    }
    fclose(list);
    return at;
}

/* Backends and copies would fault where there is no memory, where they may not
 * use it, or where a device address stands for some. */
static halError_t memory_check(const char *ptr, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t start = (uintptr_t)ptr / page * page;
    const uintptr_t end = (((uintptr_t)ptr + size - 1) / page + 1) * page;
    uintptr_t at;

    if (hal__pointer_is_reserved(ptr) ||
        hal__pointer_is_reserved(ptr + size - 1))
        return hal_fail(halErrorInvalidValue,
                        "halHostRegister: %p .. +%zu has device addresses in "
                        "it; only host memory can be registered",
                        (const void *)ptr, size);
    at = mapped_to(start, end, page);
    if (at != end)
        return hal_fail(halErrorInvalidValue,
                        "halHostRegister: %p .. +%zu is not all mapped memory: "
                        "there is none at %p",
                        (const void *)ptr, size,
                        at == start ? (const void *)ptr : (void *)at);
    at = allowed_to(start, end);
    if (at != end)
        return hal_fail(halErrorInvalidValue,
                        "halHostRegister: %p .. +%zu is not all the program's "
                        "to use: %p cannot be read and written",
                        (const void *)ptr, size,
                        at == start ? (const void *)ptr : (void *)at);
    return halSuccess;
}

halError_t halHostRegister(void *ptr, size_t size, unsigned flags)
{
    struct hal_mem mem = { 0 };
    struct hal_device *d;
    halError_t st;

    _Static_assert((int)halHostRegisterPortable == (int)halHostAllocPortable,
                   "one flag word serves both");
    if (!ptr || !size || (uintptr_t)ptr > UINTPTR_MAX - size)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halHostRegister: %zu bytes at %p", size,
                                  ptr));
    if (flags & ~(unsigned)(halHostRegisterPortable | halHostRegisterMapped))
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halHostRegister: unknown flags in %#x",
                                  flags));
    st = hal__device_current(&d);
    if (st == halSuccess)
        st = hal__device_alive(d);
    if (st != halSuccess)
        return hal__done(st);
    /* Asked first: a driver need not cope with a range that it has. */
    if (hal__pointer_meets(ptr, size))
        return hal__done(hal_fail(halErrorAlreadyRegistered,
                                  "halHostRegister: %p .. +%zu meets memory "
                                  "that is registered or allocated already",
                                  ptr, size));
    st = memory_check(ptr, size);
    if (st != halSuccess)
        return hal__done(st);
    if (d->opt.host_register && d->opt.host_unregister)
        st =
            hal__device_check(d, d->opt.host_register(d->dev, ptr, size, &mem));
    if (st != halSuccess)
        return hal__done(st);
    st = host_enter(d, HAL_FROM_REGISTER, ptr, size, flags, &mem, 0);
    if (st != halSuccess && d->opt.host_register && d->opt.host_unregister)
        d->opt.host_unregister(d->dev, ptr, mem.impl);
    return hal__done(st);
}

halError_t halHostUnregister(void *ptr)
{
    if (!ptr)
        return hal__done(
            hal_fail(halErrorInvalidPointer, "halHostUnregister: NULL"));
    return hal__done(host_release(ptr, "halHostUnregister", HAL_FROM_REGISTER));
}

halError_t halHostGetDevicePointer(void **device, void *host, unsigned flags)
{
    struct hal_device *d;
    struct hal_view v;
    halError_t st;

    if (!device || !host || flags)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halHostGetDevicePointer: %s",
                                  flags     ? "flags must be 0"
                                  : !device ? "device is NULL"
                                            : "host is NULL"));
    st = hal__device_current(&d);
    if (st != halSuccess)
        return hal__done(st);
    if (!d->info.prop.canMapHostMemory)
        return hal__done(hal_fail(halErrorNotSupported,
                                  "halHostGetDevicePointer: kernels of %s "
                                  "cannot reach host memory; copy it",
                                  d->name));
    v = hal__pointer_hold(host);
    if (!v.alloc || !v.alloc->host ||
        (char *)v.alloc->host + v.offset != (char *)host)
        st = hal_fail(halErrorInvalidPointer,
                      "halHostGetDevicePointer: %p is %s; it must come from "
                      "halHostAlloc or halHostRegister",
                      host, hal__pointer_describe(host));
    else if (v.alloc->dev != d)
        st = hal_fail(halErrorNotSupported,
                      "halHostGetDevicePointer: the memory was mapped on %s, "
                      "the current device is %s",
                      v.alloc->dev->name, d->name);
    else if (!v.alloc->mem.addr)
        st = hal_fail(halErrorNotSupported,
                      "halHostGetDevicePointer: %s did not map this range",
                      d->name);
    else
        *device = (char *)v.alloc->mem.addr + v.offset;
    hal__alloc_release(v.alloc);
    return hal__done(st);
}
