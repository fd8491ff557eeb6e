/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_stock.c - the stock module, once per device, and launches from it.
 *
 * A device's slot is made at the first op and filled kernel by kernel.
 * halDeviceReset destroys module and functions behind our back: a launch then
 * says halErrorInvalidHandle, and the slot is thrown away and made anew.
 * Invariant: what a slot holds was made on the slot's device.
 */
#include "kernels/ops_internal.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Generated: build/gen/stock.c. */
extern const unsigned char hal_stock_halbin[], hal_stock_halbin_end[];

#define SPARE_BYTES 256
/* A power of two, well above the number of kernels. */
#define TABLE_ENTRIES 1024

struct entry {
    char name[HAL_NAME_MAX + 1];
    halFunction_t function;
    uint32_t group;
};

struct slot {
    uint64_t generation; /* 0: empty */
    halModule_t module;
    void *spare;
    struct ops_device device;
    struct entry table[TABLE_ENTRIES];
};

static struct {
    pthread_rwlock_t lock;
    struct slot **slots; /* by device ordinal; never freed, only refilled */
    int n_slots;
    uint64_t generation;
} stock = { .lock = PTHREAD_RWLOCK_INITIALIZER };

static uint32_t hash_of(const char *name)
{
    uint32_t h = 2166136261u;

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h ^ h >> 15;
}

/* The kernel's entry, or the empty one where it belongs, or NULL when the
 * table is full. */
static struct entry *entry_find(struct slot *slot, const char *name)
{
    uint32_t h = hash_of(name), i;

    for (i = 0; i < TABLE_ENTRIES; i++) {
        struct entry *e = &slot->table[(h + i) % TABLE_ENTRIES];

        if (!e->function || strcmp(e->name, name) == 0)
            return e;
    }
    return NULL;
}

static halError_t slot_fill_locked(const char *op, struct slot *slot,
                                   int ordinal)
{
    struct halDeviceProp prop;
    halModule_t module = 0;
    void *spare = NULL;
    halError_t st = halGetDeviceProperties(&prop, ordinal);

    if (st == halSuccess)
        st = halModuleLoadData(
            &module, hal_stock_halbin,
            (size_t)(hal_stock_halbin_end - hal_stock_halbin));
    if (st != halSuccess)
        return ops_result(op, st);
    st = halMalloc(&spare, SPARE_BYTES);
    if (st != halSuccess) {
        st = ops_result(op, st);
        if (halModuleUnload(module) != halSuccess)
            return ops_fail(op, halErrorInternal,
                            "the stock kernels' module does not unload");
        return st;
    }
    memset(slot, 0, sizeof *slot);
    slot->module = module;
    slot->spare = spare;
    memcpy(slot->device.max_grid, prop.maxGridSize,
           sizeof slot->device.max_grid);
    slot->device.units =
        prop.multiProcessorCount ? prop.multiProcessorCount : 1;
    slot->device.loop_steps = prop.maxLoopSteps;
    slot->generation = ++stock.generation;
    return halSuccess;
}

/* The current device's slot, filled. */
static halError_t slot_get_locked(const char *op, struct slot **out_slot)
{
    struct slot **slots;
    int ordinal;
    halError_t st = halGetDevice(&ordinal);

    if (st != halSuccess)
        return ops_result(op, st);
    if (ordinal >= stock.n_slots) {
        slots = realloc(stock.slots, ((size_t)ordinal + 1) * sizeof *slots);
        if (!slots)
            return ops_fail(op, halErrorHostMemory,
                            "%zu bytes for the stock kernels",
                            ((size_t)ordinal + 1) * sizeof *slots);
        stock.slots = slots;
        while (stock.n_slots <= ordinal)
            slots[stock.n_slots++] = NULL;
    }
    if (!stock.slots[ordinal]) {
        stock.slots[ordinal] = calloc(1, sizeof *stock.slots[ordinal]);
        if (!stock.slots[ordinal])
            return ops_fail(op, halErrorHostMemory,
                            "%zu bytes for the stock kernels",
                            sizeof *stock.slots[ordinal]);
    }
    if (!stock.slots[ordinal]->generation) {
        st = slot_fill_locked(op, stock.slots[ordinal], ordinal);
        if (st != halSuccess)
            return st;
    }
    *out_slot = stock.slots[ordinal];
    return halSuccess;
}

/* A failure that was mended is no last error. */
static void forget_failure(halError_t before)
{
    (void)halGetLastError();
    (void)hal_done(before);
}

static void call_fill(struct ops_call *call, const struct slot *slot,
                      const struct entry *e)
{
    call->function = e->function;
    call->group = e->group;
    call->device = slot->device;
    call->spare = slot->spare;
}

/* Looks the kernel up without making anything. */
static int kernel_peek(struct ops_call *call)
{
    struct entry *e = NULL;
    int ordinal, found = 0;

    if (halGetDevice(&ordinal) != halSuccess)
        return 0;
    pthread_rwlock_rdlock(&stock.lock);
    if (ordinal < stock.n_slots && stock.slots[ordinal] &&
        stock.slots[ordinal]->generation)
        e = entry_find(stock.slots[ordinal], call->kernel);
    if (e && e->function) {
        call_fill(call, stock.slots[ordinal], e);
        found = 1;
    }
    pthread_rwlock_unlock(&stock.lock);
    return found;
}

/* Fills an empty entry; anew is 1 where the device turned out to be reset and
 * the whole slot must be made again first. */
static halError_t entry_fill(struct ops_call *call, const struct slot *slot,
                             struct entry *e, int *out_anew)
{
    struct halFuncAttributes attr;
    halFunction_t function;
    halError_t st = halModuleGetFunction(&function, slot->module, call->kernel);

    *out_anew = st == halErrorInvalidHandle;
    if (st == halSuccess)
        st = halFuncGetAttributes(&attr, function);
    if (st != halSuccess)
        return ops_result(call->op, st);
    memcpy(e->name, call->kernel, sizeof e->name);
    e->group = attr.blockDim.x;
    e->function = function;
    return halSuccess;
}

static halError_t kernel_load(struct ops_call *call)
{
    struct entry *e = NULL;
    struct slot *slot = NULL;
    halError_t before = halPeekAtLastError(), st = halSuccess;
    int tries, ordinal, anew = 1;

    /* A forked child must not wait for a lock that its parent held. */
    st = halGetDevice(&ordinal);
    if (st != halSuccess)
        return ops_result(call->op, st);
    pthread_rwlock_wrlock(&stock.lock);
    for (tries = 0; anew && tries < 2; tries++) {
        anew = 0;
        st = slot_get_locked(call->op, &slot);
        if (st != halSuccess)
            goto out;
        e = entry_find(slot, call->kernel);
        if (!e) {
            st =
                ops_fail(call->op, halErrorInternal,
                         "there are more than %d stock kernels", TABLE_ENTRIES);
            goto out;
        }
        if (!e->function)
            st = entry_fill(call, slot, e, &anew);
        if (anew)
            slot->generation = 0;
    }
    if (st != halSuccess)
        goto out;
    call_fill(call, slot, e);
    if (tries > 1)
        forget_failure(before);
out:
    pthread_rwlock_unlock(&stock.lock);
    return st;
}

/* Whether it was the function that a launch found dead, not the stream. */
static int function_is_dead(const struct ops_call *call)
{
    struct halFuncAttributes attr;

    return halFuncGetAttributes(&attr, call->function) == halErrorInvalidHandle;
}

/* The device was reset: forget the slot, unless another thread already has. */
static halError_t kernel_reload(struct ops_call *call)
{
    unsigned i;
    int ordinal;
    halError_t st = halGetDevice(&ordinal);

    if (st != halSuccess)
        return ops_result(call->op, st);
    pthread_rwlock_wrlock(&stock.lock);
    if (ordinal < stock.n_slots && stock.slots[ordinal]) {
        struct slot *slot = stock.slots[ordinal];

        for (i = 0; i < TABLE_ENTRIES; i++)
            if (slot->table[i].function == call->function) {
                slot->generation = 0;
                break;
            }
    }
    pthread_rwlock_unlock(&stock.lock);
    st = kernel_load(call);
    for (i = 0; i < call->n_args; i++)
        if (call->spare_mask >> i & 1)
            call->values[i].buffer = call->spare;
    return st;
}

halError_t ops_attributes(struct ops_call *call,
                          struct halFuncAttributes *out_attr)
{
    halError_t before = halPeekAtLastError();
    halError_t st = halFuncGetAttributes(out_attr, call->function);

    if (st == halErrorInvalidHandle) {
        st = kernel_reload(call);
        if (st != halSuccess)
            return st;
        st = halFuncGetAttributes(out_attr, call->function);
        if (st == halSuccess)
            forget_failure(before);
    }
    return ops_result(call->op, st);
}

static halError_t find(struct ops_call *call, const char *op,
                       const char *format, va_list ap)
{
    call->op = op;
    call->n_args = 0;
    call->spare_mask = 0;
    vsnprintf(call->kernel, sizeof call->kernel, format, ap);
    return kernel_peek(call) ? halSuccess : kernel_load(call);
}

halError_t ops_find(struct ops_call *call, const char *op, const char *format,
                    ...)
{
    va_list ap;
    halError_t st;

    va_start(ap, format);
    st = find(call, op, format, ap);
    va_end(ap);
    return st;
}

halError_t ops_begin(struct ops_call *call, const char *op,
                     const struct ops_tensor *tensors, unsigned n_tensors,
                     const char *format, ...)
{
    va_list ap;
    halError_t st = ops_check_tensors(op, tensors, n_tensors);

    if (st != halSuccess)
        return st;
    va_start(ap, format);
    st = find(call, op, format, ap);
    va_end(ap);
    if (st == halSuccess)
        ops_tensors(call, tensors, n_tensors);
    return st;
}

void ops_tensors(struct ops_call *call, const struct ops_tensor *tensors,
                 unsigned n_tensors)
{
    unsigned i;

    for (i = 0; i < n_tensors; i++)
        ops_buffer(call, tensors[i].n_elems ? tensors[i].ptr : NULL);
}

void ops_buffer(struct ops_call *call, const void *buffer)
{
    if (!buffer)
        call->spare_mask |= 1u << call->n_args;
    call->values[call->n_args++].buffer = buffer ? buffer : call->spare;
}

void ops_u32(struct ops_call *call, int64_t value)
{
    call->values[call->n_args++].u32 = (uint32_t)value;
}

void ops_i32(struct ops_call *call, int64_t value)
{
    call->values[call->n_args++].i32 = (int32_t)value;
}

void ops_f32(struct ops_call *call, float value)
{
    call->values[call->n_args++].f32 = value;
}

static uint32_t at_most(uint64_t value, uint32_t limit)
{
    if (!value)
        return 1;
    return value < limit || !limit ? (uint32_t)value : limit;
}

int ops_is_deep(const struct ops_call *call, int64_t n_steps)
{
    const int64_t steps = call->device.loop_steps;

    return steps &&
           n_steps > steps - steps / 8; /* an eighth for the other loops */
}

int64_t ops_tile_steps(const struct ops_call *call, int64_t m, int64_t n,
                       int64_t k)
{
    const double tiles = (double)((m + 63) / 64) * (double)((n + 63) / 64);
    const double at_once =
        call->device.max_grid[0] ? (double)call->device.max_grid[0] : tiles;
    const double visits = tiles > at_once ? ceil(tiles / at_once) : 1;
    const double steps = visits * (double)k;

    return steps < (double)INT64_MAX ? (int64_t)steps : INT64_MAX;
}

halError_t ops_check_depth(const struct ops_call *call, int64_t k)
{
    const int64_t steps = call->device.loop_steps;

    /* Groups have 64 threads there, of which each walks up to 8 rows. */
    if (!steps || k <= 4 * steps)
        return halSuccess;
    return ops_fail(call->op, halErrorNotSupported,
                    "k is %lld; this device ends a thread's loops after %lld "
                    "steps, and so takes up to %lld",
                    (long long)k, (long long)steps, (long long)(4 * steps));
}

halError_t ops_run(struct ops_call *call, uint64_t gx, uint64_t gy,
                   halStream_t stream)
{
    void *args[HAL_PARAMS_MAX];
    halDim3 grid = { 1, 1, 1 }, block = { 0, 0, 0 };
    halError_t before = halPeekAtLastError(), st;
    unsigned i;

    for (i = 0; i < call->n_args; i++)
        args[i] = &call->values[i];
    grid.x = at_most(gx, call->device.max_grid[0]);
    grid.y = at_most(gy, call->device.max_grid[1]);
    st = halLaunchKernel(call->function, grid, block, args, 0, stream);
    if (st == halErrorInvalidHandle && function_is_dead(call)) {
        st = kernel_reload(call);
        if (st != halSuccess)
            return st;
        st = halLaunchKernel(call->function, grid, block, args, 0, stream);
        if (st == halSuccess)
            forget_failure(before);
    }
    return ops_result(call->op, st);
}

uint64_t ops_grid_of(const struct ops_call *call, int64_t n)
{
    /* A group of one thread (a CPU's) takes a few pages; others four elements
     * a thread. */
    uint64_t per = call->group == 1 ? 4096 : (uint64_t)call->group * 4;

    return ((uint64_t)n + per - 1) / per;
}
