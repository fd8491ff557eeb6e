/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - pinned host memory: made here, or the caller's and imported.
 * Invariant: dev.host_ranges is sorted by address and its ranges are disjoint.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/vulkan/vulkan.h"

/* The first range that ends after `host`.  Called with mem_lock. */
static size_t host_index(const struct vulkan_dev *d, const char *host)
{
    size_t lo = 0, hi = d->n_host_ranges;

    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;

        if (d->host_ranges[mid].host + d->host_ranges[mid].size > host)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

struct vulkan_mem *vulkan_host_find(struct vulkan_dev *d, const void *host,
                                    uint64_t size, uint64_t *out_offset)
{
    struct vulkan_mem *m = NULL;
    const char *p = host;
    size_t i;

    pthread_mutex_lock(&d->mem_lock);
    i = host_index(d, p);
    if (i < d->n_host_ranges && d->host_ranges[i].host <= p &&
        size <=
            d->host_ranges[i].size - (uint64_t)(p - d->host_ranges[i].host)) {
        m = d->host_ranges[i].mem;
        *out_offset = (uint64_t)(p - m->host);
    }
    pthread_mutex_unlock(&d->mem_lock);
    return m;
}

static halError_t host_add(struct vulkan_dev *d, void *host, uint64_t size,
                           struct vulkan_mem *m)
{
    halError_t st = halSuccess;
    size_t i;

    pthread_mutex_lock(&d->mem_lock);
    if (d->n_host_ranges == d->host_ranges_room) {
        const size_t room = d->host_ranges_room ? 2 * d->host_ranges_room : 16;
        struct vulkan_host_range *grown =
            realloc(d->host_ranges, room * sizeof *grown);

        if (!grown) {
            st = hal_fail(halErrorHostMemory, "vulkan: %zu host ranges", room);
            goto out;
        }
        d->host_ranges = grown;
        d->host_ranges_room = room;
    }
    i = host_index(d, host);
    memmove(&d->host_ranges[i + 1], &d->host_ranges[i],
            (d->n_host_ranges - i) * sizeof *d->host_ranges);
    d->host_ranges[i] = (struct vulkan_host_range){ host, size, m };
    d->n_host_ranges++;
out:
    pthread_mutex_unlock(&d->mem_lock);
    return st;
}

static void host_remove(struct vulkan_dev *d, const void *host)
{
    size_t i;

    pthread_mutex_lock(&d->mem_lock);
    i = host_index(d, host);
    if (i < d->n_host_ranges && d->host_ranges[i].host == host) {
        d->n_host_ranges--;
        memmove(&d->host_ranges[i], &d->host_ranges[i + 1],
                (d->n_host_ranges - i) * sizeof *d->host_ranges);
    }
    pthread_mutex_unlock(&d->mem_lock);
}

halError_t vulkan_host_alloc(struct hal_dev *dev, uint64_t size, unsigned flags,
                             void **out_host, struct hal_mem *out_mem)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_mem *m = NULL;
    halError_t st;

    (void)flags; /* portable, mapped: always; write-combined: never */
    st = vulkan_pool_take(d, &d->host_pool, size, 1, &m);
    if (st != halSuccess)
        return st;
    st = host_add(d, m->host, m->size, m);
    if (st != halSuccess) {
        vulkan_pool_give(d, m);
        return st;
    }
    *out_host = m->host;
    out_mem->impl = m;
    out_mem->addr = m->host;
    return halSuccess;
}

void vulkan_host_free(struct hal_dev *dev, void *host, void *mem)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);

    if (!host)
        return;
    host_remove(d, host);
    vulkan_pool_give(d, mem);
}

/* Imports the pages of the range, so that the queue copies from and to them.
 * Where that cannot be, copies are staged: slower, and just as right. */
halError_t vulkan_host_register(struct hal_dev *dev, void *host, uint64_t size,
                                struct hal_mem *out_mem)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    const uint64_t align = d->import_align;
    const uint64_t first = (uintptr_t)host / align * align;
    const uint64_t bytes =
        ((uintptr_t)host + size + align - 1) / align * align - first;
    VkMemoryHostPointerPropertiesEXT props = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT
    };
    struct vulkan_mem *m = NULL;
    uint32_t types, type;
    VkResult r;

    if (!d->import || atomic_load(&d->lost) ||
        bytes > d->dev.info.prop.maxAllocBytes)
        return halSuccess;
    r = d->fn.GetMemoryHostPointerPropertiesEXT(
        d->handle, VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
        (void *)(uintptr_t)first, &props);
    if (r != VK_SUCCESS || !props.memoryTypeBits)
        return halSuccess;
    types = props.memoryTypeBits;
    type = types >> d->host_pool.type & 1 ? d->host_pool.type
                                          : (uint32_t)__builtin_ctz(types);
    r = vulkan_mem_import(d, (void *)(uintptr_t)first, bytes, type, &m);
    if (r != VK_SUCCESS)
        return halSuccess;
    if (host_add(d, host, size, m) != halSuccess) {
        vulkan_pool_give(d, m);
        return halErrorHostMemory; /* host_add has said so */
    }
    out_mem->impl = m;
    out_mem->addr = NULL;
    return halSuccess;
}

void vulkan_host_unregister(struct hal_dev *dev, void *host, void *mem)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);

    if (!mem)
        return;
    host_remove(d, host);
    vulkan_pool_give(d, mem);
}
