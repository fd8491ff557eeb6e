/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_cuda_memory.h - part of fake_cuda.c: what memory is alive, whose it is,
 * and pools.  Invariant: an address range that a call names lies in one live
 * allocation that the current context reaches.
 */
enum kind { DEVICE, MANAGED, HOST, REGISTERED };

struct CUmemPoolHandle_st {
    struct CUctx_st *context; /* of the device */
    int device;
    uint64_t used;
    bool access[MAX_DEVICES];
};

struct block {
    struct block *next;
    enum kind kind;
    struct CUctx_st *context;
    struct CUmemPoolHandle_st *pool;
    char *bytes;
    uint64_t size;
    bool is_going; /* freed in stream order, not yet executed */
};

static struct block *blocks;
static uint64_t used_bytes[MAX_DEVICES];

/* Of a live block, under the lock. */
static struct block *block_at(uint64_t address)
{
    for (struct block *b = blocks; b; b = b->next)
        if (address >= (uintptr_t)b->bytes &&
            address - (uintptr_t)b->bytes < b->size)
            return b;
    return NULL;
}

static bool reaches(const struct CUctx_st *c, const struct block *b)
{
    if (b->kind != DEVICE || b->context == c)
        return true;
    /* A pool's word alone counts for its memory. */
    return b->pool ? b->pool->access[c->device] : c->peers[b->context->device];
}

/* Whether [address, + size) may be used by context c; complains if not. */
static bool range_ok(const char *call, const struct CUctx_st *c,
                     uint64_t address, uint64_t size)
{
    struct block *b;
    bool ok;

    pthread_mutex_lock(&lock);
    b = block_at(address);
    ok = b && !b->is_going && size <= b->size - (address - (uintptr_t)b->bytes);
    if (!ok)
        bad("%s: %#llx and %llu bytes are not in one live block", call,
            (unsigned long long)address, (unsigned long long)size);
    else if (!reaches(c, b)) {
        bad("%s: memory of device %d, which device %d does not reach", call,
            b->context->device, c->device);
        ok = false;
    }
    pthread_mutex_unlock(&lock);
    return ok;
}

static bool is_known_host(uint64_t address)
{
    struct block *b;

    pthread_mutex_lock(&lock);
    b = block_at(address);
    pthread_mutex_unlock(&lock);
    return b && b->kind != DEVICE;
}

static unsigned block_new(enum kind kind, uint64_t size, void *at,
                          struct CUmemPoolHandle_st *pool, uint64_t *out)
{
    struct CUctx_st *c = current();
    struct block *b;
    bool counts = kind == DEVICE || kind == MANAGED;

    if (size > 1ull << 40)
        return CUDA_OUT_OF_MEMORY;
    b = calloc(1, sizeof *b);
    if (!b)
        return CUDA_OUT_OF_MEMORY;
    b->bytes = at ? at : aligned_alloc(4096, (size + 4095) & ~4095ull);
    if (!b->bytes) {
        free(b);
        return CUDA_OUT_OF_MEMORY;
    }
    pthread_mutex_lock(&lock);
    if (counts && size > fake.total_bytes - used_bytes[c->device]) {
        pthread_mutex_unlock(&lock);
        if (!at)
            free(b->bytes);
        free(b);
        return CUDA_OUT_OF_MEMORY;
    }
    if (counts)
        used_bytes[c->device] += size;
    if (pool)
        pool->used += size;
    b->kind = kind;
    b->context = c;
    b->pool = pool;
    b->size = size;
    if (!at) /* nothing may count on zeros */
        memset(b->bytes, 0xde, size < 65536 ? size : 65536);
    b->next = blocks;
    blocks = b;
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&fake.n_live, 1);
    *out = (uintptr_t)b->bytes;
    return 0;
}

/* Takes out the block that begins there. */
static struct block *block_take(uint64_t address)
{
    struct block **at, *b = NULL;

    pthread_mutex_lock(&lock);
    for (at = &blocks; *at; at = &(*at)->next)
        if ((uintptr_t)(*at)->bytes == address) {
            b = *at;
            *at = b->next;
            break;
        }
    if (b && (b->kind == DEVICE || b->kind == MANAGED))
        used_bytes[b->context->device] -= b->size;
    if (b && b->pool)
        b->pool->used -= b->size;
    pthread_mutex_unlock(&lock);
    return b;
}

static void block_free(struct block *b)
{
    atomic_fetch_sub(&fake.n_live, 1);
    if (b->kind != REGISTERED) {
        memset(b->bytes, 0xdd, b->size < 4096 ? b->size : 4096);
        free(b->bytes);
    }
    free(b);
}

static void context_wait(struct CUctx_st *c);

/* cuMemFree and its like: for the whole context's work. */
static unsigned take_back(const char *call, uint64_t address, unsigned kinds)
{
    struct block *b;

    context_wait(current());
    b = block_take(address);
    if (!b || !(kinds >> b->kind & 1)) {
        bad("%s of what is not its own", call);
        return CUDA_INVALID_VALUE;
    }
    block_free(b);
    return 0;
}

unsigned cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes)
{
    DUE(true);
    pthread_mutex_lock(&lock);
    *total_bytes = fake.total_bytes;
    *free_bytes = fake.total_bytes - used_bytes[current()->device];
    pthread_mutex_unlock(&lock);
    return 0;
}

unsigned cuMemAlloc_v2(unsigned long long *address, size_t size)
{
    uint64_t at;
    unsigned code;

    DUE(true);
    code = block_new(DEVICE, size, NULL, NULL, &at);
    if (!code)
        *address = at;
    return code;
}

unsigned cuMemAllocManaged(unsigned long long *address, size_t size,
                           unsigned flags)
{
    uint64_t at;
    unsigned code;

    DUE(true);
    if (flags != CUDA_ATTACH_GLOBAL)
        bad("cuMemAllocManaged with flags %u", flags);
    code = block_new(MANAGED, size, NULL, NULL, &at);
    if (!code)
        *address = at;
    return code;
}

unsigned cuMemFree_v2(unsigned long long address)
{
    return take_back(__func__, address, 1u << DEVICE | 1u << MANAGED);
}

unsigned cuMemHostAlloc(void **host, size_t size, unsigned flags)
{
    uint64_t at;
    unsigned code;

    DUE(true);
    if (flags & ~7u)
        bad("cuMemHostAlloc with flags %u", flags);
    code = block_new(HOST, size, NULL, NULL, &at);
    if (!code)
        *host = (void *)(uintptr_t)at;
    return code;
}

unsigned cuMemFreeHost(void *host)
{
    return take_back(__func__, (uintptr_t)host, 1u << HOST);
}

unsigned cuMemHostRegister_v2(void *host, size_t size, unsigned flags)
{
    uint64_t at;

    DUE(true);
    if (flags & ~15u)
        bad("cuMemHostRegister with flags %u", flags);
    if (is_known_host((uintptr_t)host) ||
        is_known_host((uintptr_t)host + size - 1))
        return CUDA_HOST_ALREADY_REGISTERED;
    return block_new(REGISTERED, size, host, NULL, &at);
}

unsigned cuMemHostUnregister(void *host)
{
    return take_back(__func__, (uintptr_t)host, 1u << REGISTERED);
}

unsigned cuMemHostGetDevicePointer_v2(unsigned long long *address, void *host,
                                      unsigned flags)
{
    DUE(true);
    if (flags || !is_known_host((uintptr_t)host))
        return CUDA_INVALID_VALUE;
    *address = (uintptr_t)host;
    return 0;
}

unsigned cuPointerGetAttribute(void *value, unsigned attribute,
                               unsigned long long address)
{
    struct block *b;

    DUE(true);
    pthread_mutex_lock(&lock);
    b = block_at(address);
    pthread_mutex_unlock(&lock);
    if (attribute != CUDA_POINTER_MEMORY_TYPE || !b)
        return CUDA_INVALID_VALUE;
    *(unsigned *)value = b->kind == DEVICE || b->kind == MANAGED ? 2 : 1;
    return 0;
}

/* ---- pools
 * --------------------------------------------------------------------- */

unsigned cuMemPoolCreate(struct CUmemPoolHandle_st **out,
                         const struct CUmemPoolProps_st *props)
{
    const struct cuda_pool_props *p = (const void *)props;
    struct CUmemPoolHandle_st *pool;

    DUE(true);
    if (p->alloc_type != CUDA_ALLOCATION_PINNED ||
        p->location_type != CUDA_LOCATION_DEVICE || p->handle_types ||
        p->location_id < 0 || p->location_id >= fake.n_devices) {
        bad("cuMemPoolCreate with other properties");
        return CUDA_INVALID_VALUE;
    }
    pool = calloc(1, sizeof *pool);
    if (!pool)
        return CUDA_OUT_OF_MEMORY;
    pool->context = current();
    pool->device = p->location_id;
    atomic_fetch_add(&fake.n_live, 1);
    *out = pool;
    return 0;
}

unsigned cuMemPoolDestroy(struct CUmemPoolHandle_st *pool)
{
    if (pool->used)
        bad("cuMemPoolDestroy with %llu bytes in use",
            (unsigned long long)pool->used);
    atomic_fetch_sub(&fake.n_live, 1);
    free(pool);
    return 0;
}

unsigned cuMemPoolGetAttribute(struct CUmemPoolHandle_st *pool,
                               unsigned attribute, void *value)
{
    DUE(false);
    if (attribute != CUDA_POOL_RESERVED_CURRENT &&
        attribute != CUDA_POOL_USED_CURRENT)
        bad("cuMemPoolGetAttribute %u", attribute);
    pthread_mutex_lock(&lock);
    *(uint64_t *)value = pool->used; /* it keeps nothing */
    pthread_mutex_unlock(&lock);
    return 0;
}

unsigned cuMemPoolSetAttribute(struct CUmemPoolHandle_st *pool,
                               unsigned attribute, void *value)
{
    DUE(false);
    if (attribute != CUDA_POOL_RELEASE_THRESHOLD || !pool || !value)
        bad("cuMemPoolSetAttribute %u", attribute);
    return 0;
}

unsigned cuMemPoolSetAccess(struct CUmemPoolHandle_st *pool,
                            const struct CUmemAccessDesc_st *list, size_t count)
{
    const struct cuda_access *access = (const void *)list;

    DUE(false);
    if (count != 1 || access->location_type != CUDA_LOCATION_DEVICE ||
        access->location_id == pool->device) {
        bad("cuMemPoolSetAccess with something else than a peer");
        return CUDA_INVALID_VALUE;
    }
    pool->access[access->location_id] = access->flags == CUDA_ACCESS_READWRITE;
    return 0;
}
