/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pointer.c - the one table of all allocations of all devices, by address.
 *
 * Invariant: entries are sorted and do not meet, so an address has at most one
 * owner.  A sorted array under a read-write lock: lookups are a binary search;
 * programs have thousands of allocations, not millions.  The lock prefers
 * writers, or a busy launcher would starve malloc.  Each thread keeps what it
 * found last, which holds as long as the table's generation does: a launch
 * whose pointers are all known takes no lock.
 */
#include "hal/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES ((uint64_t)4096)
/* A device's range of made-up addresses.  1 TiB outlasts any program before
 * addresses come round again; smaller where the address space is limited. */
#define RESERVE_MAX ((uint64_t)1 << 40)
#define RESERVE_MIN ((uint64_t)1 << 30)

struct entry {
    uintptr_t base;
    uint64_t size;
    struct hal_alloc *alloc;
};

static struct {
    pthread_rwlock_t lock;
    struct entry *entries;
    size_t n, cap;
    _Atomic uint64_t generation; /* rises when an entry goes, under lock */
} table = {
    .lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP,
    .generation = 1,
};

/* Where references end; rare, so one pair serves all allocations. */
static pthread_mutex_t unused_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unused_cond = PTHREAD_COND_INITIALIZER;
static atomic_uint n_waiters;

/* Number of entries whose base is <= address. */
static size_t upper_locked(uintptr_t address)
{
    size_t low = 0, high = table.n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (table.entries[mid].base <= address)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int grow_locked(size_t extra)
{
    size_t cap = table.cap ? table.cap : 64;
    struct entry *entries;

    if (table.n + extra <= table.cap)
        return 1;
    while (cap < table.n + extra)
        cap *= 2;
    entries = realloc(table.entries, cap * sizeof *entries);
    if (!entries)
        return 0;
    table.entries = entries;
    table.cap = cap;
    return 1;
}

static int meets_locked(uintptr_t base, uint64_t size)
{
    size_t i = upper_locked(base);

    if (i && base - table.entries[i - 1].base < table.entries[i - 1].size)
        return 1;
    return i < table.n && table.entries[i].base - base < size;
}

static void insert_locked(uintptr_t base, uint64_t size, struct hal_alloc *a)
{
    size_t i = upper_locked(base);

    memmove(table.entries + i + 1, table.entries + i,
            (table.n - i) * sizeof *table.entries);
    table.entries[i] = (struct entry){ base, size, a };
    table.n++;
}

static void remove_locked(uintptr_t base)
{
    size_t i = upper_locked(base) - 1;

    memmove(table.entries + i, table.entries + i + 1,
            (table.n - i - 1) * sizeof *table.entries);
    table.n--;
    atomic_fetch_add(&table.generation, 1);
}

static int reserve_open(struct hal_reserve *r)
{
    uint64_t size;

    for (size = RESERVE_MAX; size >= RESERVE_MIN; size /= 4) {
        void *p = mmap(NULL, size, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p != MAP_FAILED) {
            r->low = r->next = (uintptr_t)p;
            r->high = r->low + size;
            return 1;
        }
    }
    return 0;
}

/*
 * Next fit: addresses are handed out once around the whole range before any
 * comes again, so a stale pointer stays unknown for as long as possible.  Each
 * allocation is followed by a page that belongs to none.
 */
static uintptr_t place_locked(struct hal_reserve *r, uint64_t size)
{
    uint64_t need;
    int round;

    if (size > RESERVE_MAX || (!r->low && !reserve_open(r)))
        return 0;
    need = (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES + PAGE_BYTES;
    for (round = 0; round < 2; round++) {
        uintptr_t at = round ? r->low : r->next;
        size_t i = upper_locked(at);

        /* `at` may lie in the last allocation before it, or its guard. */
        if (i && table.entries[i - 1].base >= r->low) {
            const struct entry *e = &table.entries[i - 1];
            uintptr_t end =
                e->base + (e->size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES +
                PAGE_BYTES;

            if (end > at)
                at = end;
        }
        for (; at < r->high && need <= r->high - at; i++) {
            const struct entry *e = &table.entries[i];

            if (i >= table.n || e->base >= r->high || need <= e->base - at) {
                r->next = at + need;
                return at;
            }
            at = e->base +
                 (e->size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES +
                 PAGE_BYTES;
        }
    }
    return 0;
}

halError_t hal__pointer_insert(struct hal_alloc *a)
{
    halError_t st = halSuccess;

    atomic_store(&a->refs, 1);
    pthread_rwlock_wrlock(&table.lock);
    if (!grow_locked(2)) {
        st = hal_fail(halErrorHostMemory, "a table of %zu allocations",
                      table.n + 2);
        goto out;
    }
    if (!a->base) {
        a->base = place_locked(&a->dev->reserve, a->size);
        if (!a->base) {
            st = hal_fail(halErrorMemoryAllocation,
                          "%s: no addresses are left for %llu bytes (reserved "
                          "range of %llu bytes)",
                          a->dev->name, (unsigned long long)a->size,
                          (unsigned long long)(a->dev->reserve.high -
                                               a->dev->reserve.low));
            goto out;
        }
    }
    if (meets_locked(a->base, a->size) ||
        (a->alias && meets_locked(a->alias, a->size))) {
        st = a->origin == HAL_FROM_REGISTER
                 ? hal_fail(halErrorAlreadyRegistered,
                            "%p .. +%llu meets memory that is known already",
                            (void *)a->base, (unsigned long long)a->size)
                 : hal_fail(halErrorInternal,
                            "%s returned %p .. +%llu, which meets another "
                            "live allocation",
                            a->dev->name, (void *)a->base,
                            (unsigned long long)a->size);
        goto out;
    }
    insert_locked(a->base, a->size, a);
    if (a->alias)
        insert_locked(a->alias, a->size, a);
out:
    pthread_rwlock_unlock(&table.lock);
    return st;
}

/*
 * What this thread found last for addresses like this one; programs pass the
 * same pointers over and over.  Valid while the generation is the table's.
 */
#define N_FOUND 64
struct found {
    uint64_t generation; /* 0: nothing yet */
    struct entry entry;
};
static _Thread_local struct found found[N_FOUND];

static struct found *found_at(uintptr_t address)
{
    return &found[(address >> 6 ^ address >> 12) % N_FOUND];
}

static int found_holds(const struct found *f, uintptr_t address,
                       uint64_t generation)
{
    return f->generation == generation &&
           address - f->entry.base < f->entry.size;
}

static struct hal_view view_of(const struct entry *e, uintptr_t address)
{
    return (struct hal_view){ .alloc = e->alloc,
                              .offset = address - e->base,
                              .avail = e->size - (address - e->base) };
}

static struct hal_view find_locked(const void *ptr)
{
    uint64_t generation =
        atomic_load_explicit(&table.generation, memory_order_relaxed);
    uintptr_t address = (uintptr_t)ptr;
    struct found *f = found_at(address);

    if (!found_holds(f, address, generation)) {
        size_t i = upper_locked(address);

        if (!i ||
            address - table.entries[i - 1].base >= table.entries[i - 1].size)
            return (struct hal_view){ 0 };
        *f = (struct found){ generation, table.entries[i - 1] };
    }
    return view_of(&f->entry, address);
}

/* What to say of an address that is the start of no live allocation. */
static halError_t complain_locked(const void *ptr, const char *what)
{
    struct hal_view v = find_locked(ptr);
    size_t i = upper_locked((uintptr_t)ptr);

    if (v.alloc)
        return hal_fail(halErrorInvalidPointer,
                        "%s: %p lies %llu bytes inside an allocation; pass "
                        "its start, %p",
                        what, ptr, (unsigned long long)v.offset,
                        (void *)((uintptr_t)ptr - v.offset));
    if (i &&
        (uintptr_t)ptr - table.entries[i - 1].base == table.entries[i - 1].size)
        return hal_fail(halErrorInvalidPointer,
                        "%s: %p is the end of the allocation that starts at "
                        "%p",
                        what, ptr, (void *)table.entries[i - 1].base);
    return hal_fail(halErrorInvalidPointer,
                    "%s: %p is no live allocation: freed already, or never "
                    "allocated here",
                    what, ptr);
}

halError_t hal__pointer_take(const void *ptr, const char *call,
                             halError_t (*accept)(const struct hal_alloc *a,
                                                  const char *call,
                                                  const void *context),
                             const void *context, struct hal_alloc **out_alloc)
{
    halError_t st = hal__entry_check();
    struct hal_view v;

    if (st != halSuccess)
        return st;
    pthread_rwlock_wrlock(&table.lock);
    v = find_locked(ptr);
    if (!v.alloc || v.offset || v.alloc->base != (uintptr_t)ptr) {
        st = complain_locked(ptr, call);
        goto out;
    }
    st = accept(v.alloc, call, context);
    if (st == halSuccess)
        st = hal__device_enter(v.alloc->dev);
    if (st != halSuccess)
        goto out;
    remove_locked(v.alloc->base);
    if (v.alloc->alias)
        remove_locked(v.alloc->alias);
    *out_alloc = v.alloc;
out:
    pthread_rwlock_unlock(&table.lock);
    return st;
}

struct hal_alloc *hal__pointer_take_any(struct hal_device *dev)
{
    struct hal_alloc *a = NULL;
    size_t i;

    pthread_rwlock_wrlock(&table.lock);
    for (i = 0; i < table.n && !a; i++)
        if (table.entries[i].alloc->dev == dev)
            a = table.entries[i].alloc;
    if (a) {
        remove_locked(a->base);
        if (a->alias)
            remove_locked(a->alias);
    }
    pthread_rwlock_unlock(&table.lock);
    return a;
}

struct hal_view hal__pointer_find(const void *ptr)
{
    struct hal_view v;

    pthread_rwlock_rdlock(&table.lock);
    v = find_locked(ptr);
    pthread_rwlock_unlock(&table.lock);
    return v;
}

void hal__pointer_find_all(const void *const *ptrs, struct hal_view *views,
                           unsigned n)
{
    /* Who frees changes the generation first and passes the caller's stream
     * lock later: what still holds here, holds while that lock is held. */
    uint64_t generation =
        atomic_load_explicit(&table.generation, memory_order_acquire);
    unsigned i;

    for (i = 0; i < n; i++) {
        uintptr_t address = (uintptr_t)ptrs[i];
        const struct found *f = found_at(address);

        if (!address)
            views[i] = (struct hal_view){ 0 }; /* a scalar's */
        else if (found_holds(f, address, generation))
            views[i] = view_of(&f->entry, address);
        else
            break;
    }
    if (i == n)
        return;
    pthread_rwlock_rdlock(&table.lock);
    for (i = 0; i < n; i++)
        views[i] = find_locked(ptrs[i]);
    pthread_rwlock_unlock(&table.lock);
}

struct hal_view hal__pointer_hold(const void *ptr)
{
    struct hal_view v;

    pthread_rwlock_rdlock(&table.lock);
    v = find_locked(ptr);
    if (v.alloc)
        atomic_fetch_add(&v.alloc->refs, 1);
    pthread_rwlock_unlock(&table.lock);
    return v;
}

void hal__alloc_retain(struct hal_alloc *a)
{
    if (a)
        atomic_fetch_add(&a->refs, 1);
}

void hal__alloc_release(struct hal_alloc *a)
{
    if (!a)
        return;
    /* After this line `a` may be gone.  The waiter counts itself before it
     * reads refs, so one of the two sees the other. */
    atomic_fetch_sub(&a->refs, 1);
    if (!atomic_load(&n_waiters))
        return;
    pthread_mutex_lock(&unused_lock);
    pthread_cond_broadcast(&unused_cond);
    pthread_mutex_unlock(&unused_lock);
}

void hal__alloc_wait_unused(struct hal_alloc *a)
{
    if (atomic_load(&a->refs) <= 1)
        return;
    atomic_fetch_add(&n_waiters, 1);
    pthread_mutex_lock(&unused_lock);
    while (atomic_load(&a->refs) > 1)
        pthread_cond_wait(&unused_cond, &unused_lock);
    pthread_mutex_unlock(&unused_lock);
    atomic_fetch_sub(&n_waiters, 1);
}

int hal__pointer_meets(const void *ptr, uint64_t size)
{
    int meets;

    pthread_rwlock_rdlock(&table.lock);
    meets = meets_locked((uintptr_t)ptr, size);
    pthread_rwlock_unlock(&table.lock);
    return meets;
}

/* The device whose reserved range holds the address, or NULL. */
static const struct hal_device *reserved_locked(uintptr_t address)
{
    const struct hal_registry *reg = hal__registry();
    int i;

    for (i = 0; i < reg->n_devices; i++) {
        const struct hal_reserve *r = &reg->devices[i]->reserve;

        if (address - r->low < r->high - r->low)
            return reg->devices[i];
    }
    return NULL;
}

int hal__pointer_is_reserved(const void *ptr)
{
    int is_reserved;

    pthread_rwlock_rdlock(&table.lock);
    is_reserved = reserved_locked((uintptr_t)ptr) != NULL;
    pthread_rwlock_unlock(&table.lock);
    return is_reserved;
}

const char *hal__pointer_describe(const void *ptr)
{
    uintptr_t address = (uintptr_t)ptr;
    const char *what = "host memory that Halcyon does not know";
    size_t i;

    if (!ptr)
        return "NULL";
    pthread_rwlock_rdlock(&table.lock);
    i = upper_locked(address);
    if (i && address - table.entries[i - 1].base < table.entries[i - 1].size)
        what = "a live pointer";
    else if (i &&
             address - table.entries[i - 1].base == table.entries[i - 1].size)
        what = "one past the end of an allocation";
    else if (reserved_locked(address))
        what = "a device address that is not allocated (freed, or out of "
               "bounds)";
    pthread_rwlock_unlock(&table.lock);
    return what;
}
