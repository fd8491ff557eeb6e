/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - device memory and the sub-allocator under it and under pinned
 * host memory (host.c).  A driver may allow as few as 4096 allocations, so that
 * small ones are ranges of a block: one VkDeviceMemory under one VkBuffer.
 * Invariant: the ranges of a block cover it without gap, and no two free ones
 * touch.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/vulkan/vulkan.h"

struct vulkan_block {
    struct vulkan_block *next;
    struct vulkan_pool *pool; /* NULL: imported host memory */
    VkBuffer buffer;
    VkDeviceMemory memory;
    uint64_t size;
    char *host;
    VkDeviceAddress address;
    struct vulkan_mem *first;
    int dedicated; /* to one allocation */
};

#define IMPORTED VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT

#define BLOCK_MIN ((uint64_t)4 << 20)
#define BLOCK_MAX ((uint64_t)256 << 20)

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

/* ---- blocks ---------------------------------------------------------- */

static void block_destroy(struct vulkan_dev *d, struct vulkan_block *b)
{
    if (!b)
        return;
    if (b->buffer)
        d->fn.DestroyBuffer(d->handle, b->buffer, NULL);
    if (b->memory) {
        d->fn.FreeMemory(d->handle, b->memory, NULL); /* and unmaps */
        d->n_blocks--;
    }
    free(b->first);
    free(b);
}

/* Gives the block's buffer memory, and maps it. */
static VkResult block_bind(struct vulkan_dev *d, struct vulkan_block *b,
                           void *import, uint32_t type)
{
    VkImportMemoryHostPointerInfoEXT pointer = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = IMPORTED,
        .pHostPointer = import,
    };
    VkMemoryAllocateFlagsInfo flags = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
        .pNext = import ? &pointer : NULL,
        .flags = d->bda ? VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT : 0u,
    };
    VkMemoryAllocateInfo alloc = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &flags,
        .memoryTypeIndex = type,
    };
    const int visible = d->mem_props.memoryTypes[type].propertyFlags &
                        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
    VkMemoryRequirements req;
    void *host = import;
    VkResult r;

    d->fn.GetBufferMemoryRequirements(d->handle, b->buffer, &req);
    if (!(req.memoryTypeBits >> type & 1))
        return VK_ERROR_FEATURE_NOT_PRESENT;
    alloc.allocationSize = import ? b->size : req.size;
    r = d->fn.AllocateMemory(d->handle, &alloc, NULL, &b->memory);
    if (r != VK_SUCCESS) {
        b->memory = VK_NULL_HANDLE;
        return r;
    }
    d->n_blocks++;
    r = d->fn.BindBufferMemory(d->handle, b->buffer, b->memory, 0);
    if (r == VK_SUCCESS && visible && !import)
        r = d->fn.MapMemory(d->handle, b->memory, 0, VK_WHOLE_SIZE, 0, &host);
    b->host = r == VK_SUCCESS ? host : NULL;
    return r;
}

/* `import`: host memory to lie on, else NULL.  Called with mem_lock. */
static VkResult block_create(struct vulkan_dev *d, struct vulkan_pool *pool,
                             uint64_t size, void *import, uint32_t type,
                             struct vulkan_block **out_block)
{
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = IMPORTED,
    };
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = import ? &external : NULL,
        .size = size,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                 VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 (d->bda ? VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT : 0u),
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    struct vulkan_block *b = NULL;
    VkResult r = VK_ERROR_OUT_OF_HOST_MEMORY;

    if (d->n_blocks >= d->gpu->props.limits.maxMemoryAllocationCount)
        return VK_ERROR_TOO_MANY_OBJECTS;
    b = calloc(1, sizeof *b);
    if (!b)
        goto out;
    b->first = calloc(1, sizeof *b->first);
    if (!b->first)
        goto out;
    b->pool = pool;
    b->size = size;
    r = d->fn.CreateBuffer(d->handle, &info, NULL, &b->buffer);
    if (r != VK_SUCCESS) {
        b->buffer = VK_NULL_HANDLE;
        goto out;
    }
    r = block_bind(d, b, import, type);
    if (r != VK_SUCCESS)
        goto out;
    if (d->bda) {
        const VkBufferDeviceAddressInfo which = {
            .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
            .buffer = b->buffer,
        };
        b->address = d->fn.GetBufferDeviceAddress(d->handle, &which);
    }
    *b->first = (struct vulkan_mem){ .block = b,
                                     .buffer = b->buffer,
                                     .size = size,
                                     .host = b->host,
                                     .address = b->address };
    *out_block = b;
    b = NULL;
out:
    block_destroy(d, b);
    return r;
}

/* Gives blocks without allocations back to the driver, but `keep` of them. */
static void blocks_trim(struct vulkan_dev *d, struct vulkan_pool *pool,
                        unsigned keep)
{
    struct vulkan_block **at = &pool->blocks;

    while (*at) {
        struct vulkan_block *b = *at;

        if (b->first->used || b->first->next ||
            (!b->dedicated && keep && keep--)) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        block_destroy(d, b);
    }
}

/* ---- ranges ---------------------------------------------------------- */

static struct vulkan_mem *range_find(struct vulkan_pool *pool, uint64_t size)
{
    struct vulkan_mem *best = NULL, *m;
    struct vulkan_block *b;

    for (b = pool->blocks; b; b = b->next)
        for (m = b->dedicated ? NULL : b->first; m; m = m->next)
            if (!m->used && m->size >= size && (!best || m->size < best->size))
                best = m;
    return best;
}

/* Marks the first `size` bytes of a free range used; the rest stays free. */
static int range_take(struct vulkan_mem *m, uint64_t size)
{
    if (m->size > size) {
        struct vulkan_mem *rest = malloc(sizeof *rest);

        if (!rest)
            return 0;
        *rest = *m;
        rest->base += size;
        rest->size -= size;
        if (rest->host)
            rest->host += size;
        if (rest->address)
            rest->address += size;
        rest->prev = m;
        if (rest->next)
            rest->next->prev = rest;
        m->next = rest;
        m->size = size;
    }
    m->used = 1;
    m->chain = NULL;
    return 1;
}

/* The range after m, if both are free, becomes part of m. */
static void range_join(struct vulkan_mem *m)
{
    struct vulkan_mem *next = m->next;

    if (m->used || !next || next->used)
        return;
    m->size += next->size;
    m->next = next->next;
    if (m->next)
        m->next->prev = m;
    free(next);
}

static VkResult pool_grow(struct vulkan_dev *d, struct vulkan_pool *pool,
                          uint64_t size, struct vulkan_mem **out_mem)
{
    const int dedicated = size > pool->block_bytes / 4;
    struct vulkan_block *b = NULL;
    VkResult r = block_create(d, pool, dedicated ? size : pool->block_bytes,
                              NULL, pool->type, &b);
    int alone = dedicated;

    if (r != VK_SUCCESS && r != VK_ERROR_DEVICE_LOST) {
        /* Perhaps empty blocks stand in the way, or a whole one is too much. */
        blocks_trim(d, &d->device_pool, 0);
        blocks_trim(d, &d->host_pool, 0);
        alone = 1;
        r = block_create(d, pool, size, NULL, pool->type, &b);
    }
    if (r != VK_SUCCESS)
        return r;
    b->dedicated = alone;
    b->next = pool->blocks;
    pool->blocks = b;
    *out_mem = b->first;
    return VK_SUCCESS;
}

halError_t vulkan_pool_take(struct vulkan_dev *d, struct vulkan_pool *pool,
                            uint64_t bytes, int strict,
                            struct vulkan_mem **out_mem)
{
    const uint64_t size = round_up(bytes, VULKAN_MEM_ALIGN);
    const uint64_t heap = d->mem_props.memoryHeaps[pool->heap].size;
    struct vulkan_mem *m;
    halError_t st = halSuccess;
    VkResult r = VK_SUCCESS;

    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    if (size < bytes)
        return hal_fail(halErrorMemoryAllocation,
                        "vulkan: %llu bytes wanted, more than can be addressed",
                        (unsigned long long)bytes);
    pthread_mutex_lock(&d->mem_lock);
    if (strict && (size > heap || d->heap_used[pool->heap] > heap - size)) {
        st = hal_fail(halErrorMemoryAllocation,
                      "vulkan: %llu bytes wanted, %llu of %llu in use",
                      (unsigned long long)bytes,
                      (unsigned long long)d->heap_used[pool->heap],
                      (unsigned long long)heap);
        goto out;
    }
    m = range_find(pool, size);
    if (!m)
        r = pool_grow(d, pool, size, &m);
    if (r != VK_SUCCESS) {
        st = vulkan_fail(d, r, "AllocateMemory");
        goto out;
    }
    if (!range_take(m, size)) {
        blocks_trim(d, pool, 1);
        st = hal_fail(halErrorHostMemory, "vulkan: a memory range");
        goto out;
    }
    m->counted = strict;
    if (strict)
        d->heap_used[pool->heap] += size;
    *out_mem = m;
out:
    pthread_mutex_unlock(&d->mem_lock);
    return st;
}

VkResult vulkan_mem_import(struct vulkan_dev *d, void *host, uint64_t size,
                           uint32_t type, struct vulkan_mem **out_mem)
{
    struct vulkan_block *b = NULL;
    VkResult r;

    pthread_mutex_lock(&d->mem_lock);
    r = block_create(d, NULL, size, host, type, &b);
    pthread_mutex_unlock(&d->mem_lock);
    if (r == VK_SUCCESS)
        *out_mem = b->first;
    return r;
}

void vulkan_pool_give(struct vulkan_dev *d, struct vulkan_mem *m)
{
    struct vulkan_pool *pool;

    if (!m)
        return;
    pthread_mutex_lock(&d->mem_lock);
    pool = m->block->pool;
    if (!pool) { /* imported: its block is its own */
        block_destroy(d, m->block);
        pthread_mutex_unlock(&d->mem_lock);
        return;
    }
    if (m->counted)
        d->heap_used[pool->heap] -= m->size;
    m->used = m->counted = 0;
    range_join(m);
    if (m->prev) {
        m = m->prev;
        range_join(m);
    }
    /* One empty block is kept, so that a loop of alloc and free is cheap. */
    if (!m->prev && !m->next && !m->used)
        blocks_trim(d, pool, 1);
    pthread_mutex_unlock(&d->mem_lock);
}

/* ---- pools ----------------------------------------------------------- */

/* The type with all of `want`, the most of `like` and the least else. */
static uint32_t type_find(const VkPhysicalDeviceMemoryProperties *props,
                          VkMemoryPropertyFlags want,
                          VkMemoryPropertyFlags like)
{
    uint32_t i, best = UINT32_MAX;
    int best_score = -1;

    for (i = 0; i < props->memoryTypeCount; i++) {
        const VkMemoryPropertyFlags has = props->memoryTypes[i].propertyFlags;
        int score = 8 * __builtin_popcount(has & like) -
                    __builtin_popcount(has & ~(like | want)) + 16;

        if ((has & want) != want || has & VK_MEMORY_PROPERTY_PROTECTED_BIT ||
            has & VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD)
            continue;
        if (score > best_score) {
            best_score = score;
            best = i;
        }
    }
    return best;
}

static void pool_init(const struct vulkan_dev *d, struct vulkan_pool *pool,
                      uint32_t type)
{
    const VkMemoryPropertyFlags has =
        d->mem_props.memoryTypes[type].propertyFlags;
    uint64_t bytes;

    pool->type = type;
    pool->heap = d->mem_props.memoryTypes[type].heapIndex;
    pool->mapped = (has & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
    pool->cached = (has & VK_MEMORY_PROPERTY_HOST_CACHED_BIT) != 0;
    bytes = d->mem_props.memoryHeaps[pool->heap].size / 128;
    bytes = bytes < BLOCK_MIN ? BLOCK_MIN : bytes;
    pool->block_bytes = bytes > BLOCK_MAX ? BLOCK_MAX : bytes;
    pool->block_bytes = round_up(pool->block_bytes, 4096);
}

halError_t vulkan_pools_open(struct vulkan_dev *d)
{
    const VkMemoryPropertyFlags device = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    const VkMemoryPropertyFlags host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkMemoryPropertyFlags cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    const VkPhysicalDeviceType kind = d->gpu->props.deviceType;
    const int shared = kind == VK_PHYSICAL_DEVICE_TYPE_CPU ||
                       kind == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    VkPhysicalDeviceMemoryProperties2 props = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2
    };
    uint32_t type = UINT32_MAX;

    vulkan_inst.fn.GetPhysicalDeviceMemoryProperties2(d->gpu->handle, &props);
    d->mem_props = props.memoryProperties;
    if (shared)
        type = type_find(&d->mem_props, device | host, cached);
    if (type == UINT32_MAX)
        type = type_find(&d->mem_props, device, 0);
    if (type == UINT32_MAX)
        return hal_fail(halErrorNotSupported, "vulkan: no device memory type");
    pool_init(d, &d->device_pool, type);
    /* Mapped by accident (a small window on a discrete GPU): the host must not
     * read or write through it. */
    if (!shared)
        d->device_pool.cached = 0;
    type = type_find(&d->mem_props, host, cached);
    if (type == UINT32_MAX)
        return hal_fail(halErrorNotSupported, "vulkan: no host memory type");
    pool_init(d, &d->host_pool, type);
    return halSuccess;
}

void vulkan_pools_close(struct vulkan_dev *d)
{
    struct vulkan_pool *pools[] = { &d->device_pool, &d->host_pool };
    size_t i;

    for (i = 0; i < 2; i++) {
        while (pools[i]->blocks) {
            struct vulkan_block *b = pools[i]->blocks;
            struct vulkan_mem *m = b->first->next;

            pools[i]->blocks = b->next;
            while (m) {
                struct vulkan_mem *next = m->next;

                free(m);
                m = next;
            }
            block_destroy(d, b);
        }
    }
    free(d->host_ranges);
    d->host_ranges = NULL;
}

/* ---- ops ------------------------------------------------------------- */

halError_t vulkan_mem_info(struct hal_dev *dev, uint64_t *out_free,
                           uint64_t *out_total)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    const uint32_t heap = d->device_pool.heap;
    const uint64_t total = d->mem_props.memoryHeaps[heap].size;
    uint64_t left;

    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    pthread_mutex_lock(&d->mem_lock);
    left = total > d->heap_used[heap] ? total - d->heap_used[heap] : 0;
    pthread_mutex_unlock(&d->mem_lock);
    if (d->budget) {
        VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
            .sType =
                VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT
        };
        VkPhysicalDeviceMemoryProperties2 props = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
            .pNext = &budget
        };
        uint64_t room;

        vulkan_inst.fn.GetPhysicalDeviceMemoryProperties2(d->gpu->handle,
                                                          &props);
        room = budget.heapBudget[heap] > budget.heapUsage[heap]
                   ? budget.heapBudget[heap] - budget.heapUsage[heap]
                   : 0;
        left = left < room ? left : room;
    }
    *out_free = left;
    *out_total = total;
    return halSuccess;
}

halError_t vulkan_mem_alloc(struct hal_dev *dev, uint64_t size, int kind,
                            struct hal_mem *out_mem)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_mem *m = NULL;
    halError_t st;

    if (size == 0 || size > dev->info.prop.maxAllocBytes)
        return hal_fail(halErrorMemoryAllocation,
                        "vulkan: %llu bytes wanted, one allocation takes "
                        "%llu",
                        (unsigned long long)size,
                        (unsigned long long)dev->info.prop.maxAllocBytes);
    st = vulkan_pool_take(
        d, kind == HAL_MEM_MANAGED ? &d->host_pool : &d->device_pool, size, 1,
        &m);
    if (st != halSuccess)
        return st;
    out_mem->impl = m;
    out_mem->addr = kind == HAL_MEM_MANAGED ? m->host : NULL;
    return halSuccess;
}

void vulkan_mem_free(struct hal_dev *dev, void *mem)
{
    vulkan_pool_give(vulkan_dev_of(dev), mem);
}
