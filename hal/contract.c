/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contract.c - whether a backend keeps hal/backend.h: ABI, sizes, and no hole
 * in the required table.  Nothing of a backend is called before it passed.
 */
#include "hal/internal.h"

#include <string.h>

/* clang-format off */
#define OPS_LIST(X) \
    X(device_close) X(mem_info) X(mem_alloc) X(mem_free) X(stream_create) \
    X(stream_destroy) X(stream_query) X(stream_sync) X(copy_in) X(copy_out) \
    X(copy) X(fill) X(host_func) X(event_create) X(event_destroy) \
    X(event_record) X(event_query) X(event_sync) X(event_elapsed) \
    X(stream_wait) X(kernel_create) X(kernel_destroy) X(launch)
/* clang-format on */

static const struct {
    const char *name;
    size_t offset;
} slots[] = {
#define X(op) { #op, offsetof(struct hal_ops, op) },
    OPS_LIST(X)
#undef X
};

#define N_SLOTS (sizeof slots / sizeof slots[0])

/* The list above is complete: a slot that is added to the table and not to it
 * breaks this. */
_Static_assert(sizeof(struct hal_ops) ==
                   offsetof(struct hal_ops, device_close) +
                       N_SLOTS * sizeof(void (*)(void)),
               "OPS_LIST names every slot of struct hal_ops");

halError_t hal__contract_backend(const struct hal_backend *backend,
                                 const char *where)
{
    if (!backend)
        return hal_fail(halErrorAbiMismatch, "%s: no backend table", where);
    if (backend->size < sizeof *backend)
        return hal_fail(halErrorAbiMismatch,
                        "%s: its struct hal_backend has %u bytes, this core's "
                        "has %zu; rebuild it against this hal/backend.h",
                        where, backend->size, sizeof *backend);
    if (backend->abi != HAL_BACKEND_ABI)
        return hal_fail(halErrorAbiMismatch,
                        "%s: built for backend ABI %u, this core has %u; "
                        "rebuild it",
                        where, backend->abi, HAL_BACKEND_ABI);
    if (!backend->name || !backend->name[0] ||
        strlen(backend->name) >= sizeof((struct halBackendInfo *)0)->name ||
        strpbrk(backend->name, ":, \t"))
        return hal_fail(halErrorAbiMismatch,
                        "%s: its name must have 1 to 15 characters, without "
                        "colon, comma or blank",
                        where);
    if (!backend->probe || !backend->describe || !backend->device_open)
        return hal_fail(halErrorAbiMismatch, "%s: %s is missing", where,
                        !backend->probe      ? "probe"
                        : !backend->describe ? "describe"
                                             : "device_open");
    return halSuccess;
}

halError_t hal__contract_check(const struct hal_backend *backend,
                               const struct hal_dev *dev)
{
    const char *name = backend->name;
    size_t i;

    if (!dev || dev->size != sizeof *dev)
        return hal_fail(halErrorAbiMismatch,
                        "%s: its struct hal_dev has %u bytes, this core's has "
                        "%zu; rebuild it",
                        name, dev ? dev->size : 0, sizeof *dev);
    if (dev->info.size != sizeof dev->info)
        return hal_fail(halErrorAbiMismatch,
                        "%s: its struct hal_dev_info has %u bytes, this "
                        "core's has %zu; rebuild it",
                        name, dev->info.size, sizeof dev->info);
    if (!dev->ops)
        return hal_fail(halErrorAbiMismatch, "%s: no table of ops", name);
    for (i = 0; i < N_SLOTS; i++) {
        void (*slot)(void) = NULL;

        if (slots[i].offset + sizeof slot <= dev->ops->size)
            memcpy(&slot, (const char *)dev->ops + slots[i].offset,
                   sizeof slot);
        if (!slot)
            return hal_fail(halErrorAbiMismatch,
                            "%s: the required op %s is missing", name,
                            slots[i].name);
    }
    return halSuccess;
}
