/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry.c - which backends and devices there are, and which of them
 * HALCYON_DEVICES admits.
 *
 * Loading a driver costs more than many a program's own work, so a backend is
 * probed only if a name of HALCYON_DEVICES may be of one of its devices; the
 * others once somebody asks what there is, or why something is not there.
 *
 * Invariant: what that second step writes, readers of the first never look at;
 * each is made once and constant after, so that reading needs no lock, and no
 * answer depends on which step has found it.
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
static const struct hal_registry host_func_registry = {
    .status = halErrorNotPermitted,
    .detail = HAL_HOST_FUNC_TEXT,
};
static pthread_once_t registry_once = PTHREAD_ONCE_INIT;
static pthread_once_t whole_once = PTHREAD_ONCE_INIT;
static int is_plugged, is_whole; /* plug-ins, everything, has been loaded */

struct hal_device *hal__known_add(struct hal_registry *reg, const char *name,
                                  const char *about)
{
    struct hal_device *d;
    int at;

    if (reg->n_known == HAL_MAX_DEVICES)
        return NULL;
    d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    snprintf(d->name, sizeof d->name, "%s", name);
    snprintf(d->about, sizeof d->about, "%s", about);
    d->ordinal = -1;
    d->known_index = reg->n_known;
    d->rank = reg->rank;
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
    /* What was added in the first step may come later in the list. */
    for (at = reg->n_known++; at && reg->known[at - 1]->rank > d->rank; at--)
        reg->known[at] = reg->known[at - 1];
    reg->known[at] = d;
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

    entry->is_probed = 1;
    entry->info.status =
        hal__contract_backend(entry->backend, entry->info.name);
    if (entry->info.status == halSuccess)
        entry->info.status = entry->backend->probe(&count);
    if (entry->info.status != halSuccess) {
        snprintf(entry->info.note, sizeof entry->info.note, "%.255s",
                 halGetErrorDetail());
        return;
    }
    reg->rank = (int)(entry - reg->backends);
    add_devices(reg, entry, count);
}

/* ---- the names of HALCYON_DEVICES ---------------------------------------- */

/* The next name of a list, which it ends; 0 at the end of the list. */
static size_t next_name(const char **list, const char **out_name)
{
    size_t len = 0;

    while (!len && **list) {
        *list += strspn(*list, ", \t\n");
        len = strcspn(*list, ",");
        *out_name = *list;
        *list += len;
        while (len && strchr(" \t\n", (*out_name)[len - 1]))
            len--;
    }
    return len;
}

/* Whether a name may mean devices of this backend. */
static int may_mean(const char *name, size_t len, const char *backend)
{
    size_t n = strlen(backend);

    return len >= n && !memcmp(name, backend, n) &&
           (len == n || name[n] == ':');
}

int hal__registry_wants(const struct hal_registry *reg, const char *name)
{
    const char *list = reg->wanted, *wanted;
    size_t len;

    if (!list)
        return 1;
    while ((len = next_name(&list, &wanted)))
        if (strlen(name) == len && !memcmp(name, wanted, len))
            return 1;
    return 0;
}

/* Marks the backends that names may mean.  Returns 0 if all of these are of
 * backends that are there; else one is a stand-in, of a plug-in, or nothing. */
static int need_backends(struct hal_registry *reg)
{
    const char *list = reg->wanted, *name;
    int is_other = 0, i;
    size_t len;

    while ((len = next_name(&list, &name))) {
        int is_found = 0;

        for (i = 0; i < reg->n_backends; i++) {
            struct hal_backend_entry *e = &reg->backends[i];

            if (!may_mean(name, len, e->info.name))
                continue;
            is_found = e->is_needed = 1;
        }
        is_other |= !is_found;
    }
    return is_other;
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

            if (!info->deviceCount && may_mean(name, len, info->name))
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
    const char *name;
    size_t len;
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
    while (st == halSuccess && (len = next_name(&list, &name)))
        st = admit_name(reg, name, len);
    return st;
}

static void admit_none(struct hal_registry *reg)
{
    int i;

    for (i = 0; i < reg->n_devices; i++)
        reg->devices[i]->ordinal = -1;
    reg->n_devices = 0;
}

/* ---- loading ------------------------------------------------------------- */

static void probe_needed(struct hal_registry *reg)
{
    int i;

    for (i = 0; i < reg->n_backends; i++) {
        struct hal_backend_entry *e = &reg->backends[i];

        if ((e->is_needed || !reg->wanted) && !e->is_probed &&
            e->info.status == halSuccess)
            probe_backend(reg, e);
    }
}

/* What the wanted names may mean.  A plug-in tells its name when it is loaded,
 * which cannot be that of a built-in backend. */
static void load_wanted(struct hal_registry *reg)
{
    is_plugged = need_backends(reg);
    if (is_plugged) {
        hal__plugin_load_all(reg);
        (void)need_backends(reg);
        hal__profile_need_all(reg);
    }
    probe_needed(reg);
    if (is_plugged)
        hal__profile_load_all(reg);
}

static void load_rest(struct hal_registry *reg)
{
    free(reg->wanted);
    reg->wanted = NULL;
    if (!is_plugged)
        hal__plugin_load_all(reg);
    probe_needed(reg);
    hal__profile_load_all(reg);
    is_whole = 1;
}

static void registry_load(void)
{
    struct hal_registry *reg = &registry;
    const char *list = getenv("HALCYON_DEVICES");
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
    if (list && !strcmp(list, "none"))
        list = "";
    reg->wanted = list ? strdup(list) : NULL;
    if (reg->wanted) /* no memory: everything */
        load_wanted(reg);
    else
        load_rest(reg);

    reg->status = admit_all(reg, list);
    if (reg->status != halSuccess && !is_whole) { /* to say what there is */
        load_rest(reg);
        admit_none(reg);
        reg->status = admit_all(reg, list);
    }
    if (reg->status != halSuccess) {
        snprintf(reg->detail, sizeof reg->detail, "%s", halGetErrorDetail());
        admit_none(reg);
    }
}

const struct hal_registry *hal__registry(void)
{
    if (hal__is_barred())
        return hal__is_forked ? &forked_registry : &host_func_registry;
    pthread_once(&registry_once, registry_load);
    return &registry;
}

static void whole_load(void)
{
    if (!is_whole)
        load_rest(&registry);
}

const struct hal_registry *hal__registry_whole(void)
{
    const struct hal_registry *reg = hal__registry();

    if (!hal__is_barred())
        pthread_once(&whole_once, whole_load);
    return reg;
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
            hal_fail(hal__is_barred() ? reg->status : halErrorNotFound, "%s",
                     reg->detail));
    reg = hal__registry_whole();
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
    const struct hal_registry *reg = hal__registry_whole();

    if (hal__entry_check() != halSuccess)
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
    const struct hal_registry *reg = hal__registry_whole();

    if (hal__entry_check() != halSuccess)
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
