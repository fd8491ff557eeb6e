/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry.c - which backends and devices there are, and which of them
 * HALCYON_DEVICES admits.  Filled once, at the first call; constant after, so
 * that reading it needs no lock.
 */
#include "hal/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hal_registry registry;
static const struct hal_registry forked_registry = {
    .status = halErrorInitializationError,
    .detail = HAL_FORK_TEXT,
};
static pthread_once_t registry_once = PTHREAD_ONCE_INIT;

struct hal_device *hal__known_add(struct hal_registry *reg, const char *name,
                                  const char *about)
{
    struct hal_device *d;

    if (reg->n_known == HAL_MAX_DEVICES)
        return NULL;
    d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    snprintf(d->name, sizeof d->name, "%s", name);
    snprintf(d->about, sizeof d->about, "%s", about);
    d->ordinal = -1;
    d->known_index = reg->n_known;
    pthread_mutex_init(&d->open_lock, NULL);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->changed, NULL);
    pthread_mutex_init(&d->users_lock, NULL);
    pthread_cond_init(&d->users_changed, NULL);
    pthread_mutex_init(&d->record_lock, NULL);
    pthread_cond_init(&d->record_idle, NULL);
    hal__list_init(&d->objects);
    hal__list_init(&d->blocking);
    hal__list_init(&d->records);
    hal__pool_init(&d->pool);
    hal__staging_init(&d->staging);
    reg->known[reg->n_known++] = d;
    return d;
}

void hal__registry_note(struct hal_registry *reg, const char *name,
                        const char *format, ...)
{
    struct hal_backend_entry *e;
    va_list ap;

    if (reg->n_backends == HAL_MAX_BACKENDS)
        return;
    e = &reg->backends[reg->n_backends++];
    snprintf(e->info.name, sizeof e->info.name, "%s", name);
    e->info.status = halErrorFileIo;
    va_start(ap, format);
    vsnprintf(e->info.note, sizeof e->info.note, format, ap);
    va_end(ap);
}

int hal__path_next(const char **path, char *folder, size_t room)
{
    size_t len;

    if (!*path)
        return 0;
    *path += strspn(*path, ":");
    len = strcspn(*path, ":");
    /* One that is too long is cut, and then is not there. */
    snprintf(folder, room, "%.*s", (int)(len < room ? len : room), *path);
    *path += len;
    return len != 0;
}

static void add_devices(struct hal_registry *reg,
                        struct hal_backend_entry *entry, unsigned count)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        char name[64], what[256] = "", driver[256] = "", about[520];
        struct hal_device *d;
        int is_there;

        snprintf(name, sizeof name, "%s:%u", entry->backend->name, i);
        is_there = entry->backend->describe(i, what, driver) == halSuccess;
        if (is_there)
            snprintf(about, sizeof about, "%.255s (%.255s)", what, driver);
        else
            snprintf(about, sizeof about, "no device: %.240s",
                     halGetErrorDetail());
        d = hal__known_add(reg, name, about);
        if (!d)
            return;
        d->index = i;
        if (!is_there) { /* known by name, so that naming it says why */
            snprintf(entry->info.note, sizeof entry->info.note,
                     "%.20s is no device: %.200s", name, halGetErrorDetail());
            continue;
        }
        d->backend = entry->backend;
        entry->info.deviceCount++;
    }
}

static void probe_backend(struct hal_registry *reg,
                          struct hal_backend_entry *entry)
{
    unsigned count = 0;

    entry->info.status =
        hal__contract_backend(entry->backend, entry->info.name);
    if (entry->info.status == halSuccess)
        entry->info.status = entry->backend->probe(&count);
    if (entry->info.status != halSuccess) {
        snprintf(entry->info.note, sizeof entry->info.note, "%.255s",
                 halGetErrorDetail());
        return;
    }
    add_devices(reg, entry, count);
}

/* Whether a name of the list means this device: its own name, or the name of
 * its backend for all of that backend's devices. */
static int name_means(const char *name, size_t len, const struct hal_device *d)
{
    if (strlen(d->name) == len && !memcmp(d->name, name, len))
        return 1;
    return !d->profile && d->backend && strlen(d->backend->name) == len &&
           !memcmp(d->backend->name, name, len);
}

static void list_known(const struct hal_registry *reg, char *text, size_t size)
{
    size_t at = 0;
    int i;

    for (i = 0; i < reg->n_known && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? ", " : "",
                               reg->known[i]->name);
    if (!reg->n_known)
        snprintf(text, size, "no device at all");
}

/* Admits what one name of the list means. */
static halError_t admit_name(struct hal_registry *reg, const char *name,
                             size_t len)
{
    int i, n_found = 0;

    for (i = 0; i < reg->n_known; i++) {
        struct hal_device *d = reg->known[i];

        if (!name_means(name, len, d))
            continue;
        n_found++;
        if (!d->backend)
            return hal_fail(halErrorInvalidDevice,
                            "HALCYON_DEVICES names '%.*s': %s", (int)len, name,
                            d->about);
        if (d->ordinal >= 0)
            return hal_fail(halErrorInvalidDevice,
                            "HALCYON_DEVICES names '%s' twice", d->name);
        d->ordinal = reg->n_devices;
        reg->devices[reg->n_devices++] = d;
    }
    if (!n_found) {
        char known[300];
        int b;

        /* A missing driver is the likely cause: its note says what helps. */
        for (b = 0; b < reg->n_backends; b++) {
            const struct halBackendInfo *info = &reg->backends[b].info;
            size_t n = strlen(info->name);

            if (!info->deviceCount && len >= n &&
                !memcmp(info->name, name, n) && (len == n || name[n] == ':'))
                return hal_fail(halErrorInvalidDevice,
                                "HALCYON_DEVICES names '%.*s': %s has no "
                                "device here: %s",
                                (int)len, name, info->name, info->note);
        }
        list_known(reg, known, sizeof known);
        return hal_fail(halErrorInvalidDevice,
                        "HALCYON_DEVICES names '%.*s', which does not exist; "
                        "there are: %s",
                        (int)(len < 63 ? len : 63), name, known);
    }
    return halSuccess;
}

/* Unset: every real device.  Empty or "none": no device. */
static halError_t admit_all(struct hal_registry *reg, const char *list)
{
    halError_t st = halSuccess;
    int i;

    if (!list) {
        for (i = 0; i < reg->n_known; i++) {
            struct hal_device *d = reg->known[i];

            if (!d->backend || d->profile)
                continue;
            d->ordinal = reg->n_devices;
            reg->devices[reg->n_devices++] = d;
        }
        return halSuccess;
    }
    if (!strcmp(list, "none"))
        return halSuccess;
    while (*list && st == halSuccess) {
        size_t len;

        list += strspn(list, ", \t\n");
        len = strcspn(list, ",");
        while (len && strchr(" \t\n", list[len - 1]))
            len--;
        if (len)
            st = admit_name(reg, list, len);
        list += strcspn(list, ",");
    }
    return st;
}

static void registry_load(void)
{
    struct hal_registry *reg = &registry;
    int i;

    /* First, for another thread may fork while this one loads. */
    hal__fork_watch();
    for (i = 0; hal_builtin_backends[i] && reg->n_backends < HAL_MAX_BACKENDS;
         i++) {
        struct hal_backend_entry *e = &reg->backends[reg->n_backends++];

        e->backend = hal_builtin_backends[i];
        snprintf(e->info.name, sizeof e->info.name, "%s",
                 e->backend->name ? e->backend->name : "?");
    }
    hal__plugin_load_all(reg);
    for (i = 0; i < reg->n_backends; i++)
        if (reg->backends[i].info.status == halSuccess)
            probe_backend(reg, &reg->backends[i]);
    hal__profile_load_all(reg);

    reg->status = admit_all(reg, getenv("HALCYON_DEVICES"));
    if (reg->status != halSuccess) {
        snprintf(reg->detail, sizeof reg->detail, "%s", halGetErrorDetail());
        for (i = 0; i < reg->n_devices; i++)
            reg->devices[i]->ordinal = -1;
        reg->n_devices = 0;
    }
}

const struct hal_registry *hal__registry(void)
{
    if (hal__is_forked)
        return &forked_registry;
    pthread_once(&registry_once, registry_load);
    return &registry;
}

halError_t halGetDeviceCount(int *count)
{
    const struct hal_registry *reg = hal__registry();

    if (!count)
        return hal__done(
            hal_fail(halErrorInvalidValue, "halGetDeviceCount: count is NULL"));
    if (reg->status != halSuccess)
        return hal__done(hal_fail(reg->status, "%s", reg->detail));
    *count = reg->n_devices;
    return halSuccess;
}

halError_t halDeviceGetByName(int *device, const char *name)
{
    const struct hal_registry *reg = hal__registry();
    char known[300];
    int i;

    if (!device || !name)
        return hal__done(hal_fail(halErrorInvalidValue,
                                  "halDeviceGetByName: %s is NULL",
                                  device ? "name" : "device"));
    for (i = 0; i < reg->n_devices; i++) {
        if (!strcmp(reg->devices[i]->name, name)) {
            *device = i;
            return halSuccess;
        }
    }
    if (reg->status != halSuccess)
        return hal__done(
            hal_fail(hal__is_forked ? reg->status : halErrorNotFound, "%s",
                     reg->detail));
    for (i = 0; i < reg->n_known; i++)
        if (!strcmp(reg->known[i]->name, name))
            return hal__done(hal_fail(
                halErrorNotFound,
                "'%s' exists, but HALCYON_DEVICES does not admit it: %s", name,
                getenv("HALCYON_DEVICES") ? "add it to the list"
                                          : "stand-ins must be named there"));
    list_known(reg, known, sizeof known);
    return hal__done(hal_fail(halErrorNotFound,
                              "no device '%.63s'; there are: %s", name, known));
}

halError_t halBackendGetInfo(struct halBackendInfo *info, int index)
{
    const struct hal_registry *reg = hal__registry();

    if (hal__fork_check() != halSuccess)
        return hal__done(reg->status);
    if (!info || index < 0 || index >= reg->n_backends)
        return hal__done(hal_fail(
            halErrorInvalidValue, "halBackendGetInfo: %s (%d of %d)",
            info ? "no such index" : "info is NULL", index, reg->n_backends));
    *info = reg->backends[index].info;
    return halSuccess;
}

halError_t halDeviceGetKnownName(char name[64], char about[256], int index)
{
    const struct hal_registry *reg = hal__registry();

    if (hal__fork_check() != halSuccess)
        return hal__done(reg->status);
    if (!name || !about || index < 0 || index >= reg->n_known)
        return hal__done(hal_fail(
            halErrorInvalidValue, "halDeviceGetKnownName: %s (%d of %d)",
            name && about ? "no such index" : "an output is NULL", index,
            reg->n_known));
    memcpy(name, reg->known[index]->name, 64);
    memcpy(about, reg->known[index]->about, 256);
    return halSuccess;
}
