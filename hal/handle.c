/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle.c - handles are numbers, not addresses: a slot, the kind of object,
 * and the slot's generation.  Nothing that a caller passes is dereferenced.
 *
 * Invariant: slots are never freed and an object stays until its reference
 * count, which shares one atomic word with the generation, is 0.  So a lookup
 * is one compare-and-swap, without a lock.
 */
#include "hal/internal.h"

#include <stdlib.h>

#define CHUNK_SLOTS 1024u
#define MAX_CHUNKS  4096u
#define INDEX_BITS  28
#define INDEX_MASK  ((1u << INDEX_BITS) - 1)

_Static_assert(CHUNK_SLOTS *MAX_CHUNKS < INDEX_MASK, "slots fit a handle");

/* State word: generation, then 1 bit "alive", then references. */
#define ALIVE         (1ull << 31)
#define REFS_MASK     (ALIVE - 1)
#define GENERATION(s) ((uint32_t)((s) >> 32))

struct slot {
    _Atomic uint64_t state;
    struct hal_object *obj;
    uint32_t next_free; /* index + 1 */
};

static _Atomic(struct slot *) chunks[MAX_CHUNKS];
static atomic_uint n_slots;
static pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t free_head; /* index + 1 */

static struct slot *slot_at(uint32_t index)
{
    struct slot *chunk = atomic_load_explicit(&chunks[index / CHUNK_SLOTS],
                                              memory_order_acquire);

    return &chunk[index % CHUNK_SLOTS];
}

static halError_t slot_alloc(uint32_t *out_index)
{
    halError_t st = halSuccess;
    uint32_t index;

    pthread_mutex_lock(&free_lock);
    if (free_head) {
        index = free_head - 1;
        free_head = slot_at(index)->next_free;
    } else {
        index = atomic_load(&n_slots);
        if (index >= CHUNK_SLOTS * MAX_CHUNKS) {
            st = hal_fail(halErrorHostMemory, "%u handles are in use",
                          (unsigned)index);
            goto out;
        }
        if (index % CHUNK_SLOTS == 0) {
            struct slot *chunk = calloc(CHUNK_SLOTS, sizeof *chunk);

            if (!chunk) {
                st = hal_fail(halErrorHostMemory, "a table of %u handles",
                              CHUNK_SLOTS);
                goto out;
            }
            atomic_store_explicit(&chunks[index / CHUNK_SLOTS], chunk,
                                  memory_order_release);
        }
        atomic_store(&n_slots, index + 1);
    }
    *out_index = index;
out:
    pthread_mutex_unlock(&free_lock);
    return st;
}

halError_t hal__object_create(struct hal_object *obj, struct hal_device *dev,
                              enum hal_kind kind,
                              void (*close_fn)(struct hal_object *),
                              void (*free_fn)(struct hal_object *))
{
    struct slot *slot;
    uint32_t generation;
    halError_t st;

    st = slot_alloc(&obj->slot);
    if (st != halSuccess)
        return st;
    obj->dev = dev;
    obj->kind = kind;
    obj->close = close_fn;
    obj->free = free_fn;
    slot = slot_at(obj->slot);
    slot->obj = obj;
    generation = GENERATION(atomic_load(&slot->state)) + 1;
    if (!generation)
        generation = 1;

    pthread_mutex_lock(&dev->lock);
    obj->serial = ++dev->last_serial;
    dev->n_objects++;
    hal__list_add(&dev->objects, &obj->link);
    atomic_store_explicit(&slot->state, (uint64_t)generation << 32 | ALIVE | 1,
                          memory_order_release);
    pthread_mutex_unlock(&dev->lock);
    return halSuccess;
}

void *hal__object_handle(const struct hal_object *obj)
{
    uint64_t state = atomic_load(&slot_at(obj->slot)->state);
    uint64_t value = (uint64_t)GENERATION(state) << 32 |
                     (uint64_t)obj->kind << INDEX_BITS | (obj->slot + 1);

    return (void *)(uintptr_t)value;
}

static const char *kind_name(unsigned kind)
{
    switch ((enum hal_kind)kind) {
    case HAL_KIND_FUNCTION:
        return "function";
    case HAL_KIND_MODULE:
        return "module";
    case HAL_KIND_EVENT:
        return "event";
    case HAL_KIND_STREAM:
        return "stream";
    }
    return NULL;
}

/* Says why a handle is none; cold. */
static halError_t complain(uint64_t value, enum hal_kind kind)
{
    unsigned is = (unsigned)(value >> INDEX_BITS) & 15;
    uint32_t index = (uint32_t)(value & INDEX_MASK) - 1;
    uint32_t generation = (uint32_t)(value >> 32);
    uint64_t state;

    if (!value)
        return hal_fail(halErrorInvalidHandle, "the %s is NULL",
                        kind_name(kind));
    if (!kind_name(is) || !(value & INDEX_MASK) ||
        index >= atomic_load(&n_slots))
        return hal_fail(halErrorInvalidHandle, "%#llx is no %s of this library",
                        (unsigned long long)value, kind_name(kind));
    state = atomic_load(&slot_at(index)->state);
    if (!generation || generation > GENERATION(state))
        return hal_fail(halErrorInvalidHandle, "%#llx is no %s of this library",
                        (unsigned long long)value, kind_name(kind));
    if (is != kind)
        return hal_fail(
            halErrorInvalidHandle, "the handle %#llx is a %s's; a %s is wanted",
            (unsigned long long)value, kind_name(is), kind_name(kind));
    return hal_fail(halErrorInvalidHandle, "the %s %#llx was destroyed earlier",
                    kind_name(kind), (unsigned long long)value);
}

halError_t hal__object_get(const void *handle, enum hal_kind kind,
                           struct hal_object **out_obj)
{
    uint64_t value = (uint64_t)(uintptr_t)handle, state;
    uint32_t index = (uint32_t)(value & INDEX_MASK) - 1;
    struct slot *slot;
    halError_t st = hal__entry_check();

    if (st != halSuccess)
        return st;
    if (((value >> INDEX_BITS) & 15) != kind || !(value & INDEX_MASK) ||
        index >= atomic_load_explicit(&n_slots, memory_order_acquire))
        return complain(value, kind);
    slot = slot_at(index);
    state = atomic_load_explicit(&slot->state, memory_order_acquire);
    do {
        if (GENERATION(state) != (uint32_t)(value >> 32) || !(state & ALIVE))
            return complain(value, kind);
    } while (!atomic_compare_exchange_weak_explicit(
        &slot->state, &state, state + 1, memory_order_acq_rel,
        memory_order_acquire));
    if (slot->obj->kind != kind) { /* made up from a live handle's bits */
        hal__object_release(slot->obj);
        return complain(value, kind);
    }
    *out_obj = slot->obj;
    return halSuccess;
}

void hal__object_retain(struct hal_object *obj)
{
    atomic_fetch_add_explicit(&slot_at(obj->slot)->state, 1,
                              memory_order_relaxed);
}

void hal__object_release(struct hal_object *obj)
{
    struct hal_device *dev = obj->dev;
    uint32_t index = obj->slot;
    struct slot *slot = slot_at(index);
    uint64_t state =
        atomic_fetch_sub_explicit(&slot->state, 1, memory_order_acq_rel);

    if ((state & REFS_MASK) != 1)
        return;
    if (obj->close)
        obj->close(obj);
    obj->free(obj);
    pthread_mutex_lock(&dev->lock);
    dev->n_objects--;
    dev->n_objects_freed++;
    pthread_cond_broadcast(&dev->changed); /* a reset waits for it */
    pthread_mutex_unlock(&dev->lock);
    pthread_mutex_lock(&free_lock);
    slot->next_free = free_head;
    free_head = index + 1;
    pthread_mutex_unlock(&free_lock);
}

int hal__object_retire(struct hal_object *obj)
{
    struct slot *slot = slot_at(obj->slot);

    return (atomic_fetch_and(&slot->state, ~ALIVE) & ALIVE) != 0;
}

void hal__object_unlist(struct hal_object *obj)
{
    pthread_mutex_lock(&obj->dev->lock);
    hal__list_remove(&obj->link);
    pthread_mutex_unlock(&obj->dev->lock);
}

int hal__object_kill(struct hal_object *obj)
{
    if (!hal__object_retire(obj))
        return 0;
    hal__object_unlist(obj);
    return 1;
}

struct hal_object *hal__object_next(struct hal_device *dev, enum hal_kind kind,
                                    uint64_t after)
{
    struct hal_object *found = NULL;
    struct hal_link *l;

    pthread_mutex_lock(&dev->lock);
    for (l = dev->objects.next; l != &dev->objects; l = l->next) {
        struct hal_object *obj = HAL_ITEM(l, struct hal_object, link);

        if (obj->kind == kind && obj->serial > after) {
            /* Listed, so its owner's reference is still there. */
            hal__object_retain(obj);
            found = obj;
            break;
        }
    }
    pthread_mutex_unlock(&dev->lock);
    return found;
}
