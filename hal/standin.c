/* SPDX-License-Identifier: Apache-2.0 */
/*
 * standin.c - stand-ins: a real device seen through a chip's profile.
 * Invariant: no limit that is reported exceeds the driver's, so whatever keeps
 * to them runs.
 */
#include "hal/internal.h"
#include "hal/profile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct hal_text_file {
    const char *name, *text;
};
/* Generated from backends/profiles (mk/embed.sh). */
extern const struct hal_text_file hal_profile_files[];

/* ---- which device ---------------------------------------------------------
 */

static int stand_fits(const struct profile_stand *stand,
                      const struct hal_device *d)
{
    char name[256] = "", driver[256] = "";

    if (!d->backend || d->profile || strcmp(d->backend->name, stand->backend))
        return 0;
    if (!stand->match[0])
        return 1;
    return d->backend->describe(d->index, name, driver) == halSuccess &&
           (strstr(name, stand->match) || strstr(driver, stand->match));
}

static const struct hal_device *choose(const struct hal_registry *reg,
                                       const struct hal_profile *p)
{
    uint32_t i;
    int k;

    for (i = 0; i < p->n_stands; i++)
        for (k = 0; k < reg->n_known; k++)
            if (stand_fits(&p->stands[i], reg->known[k]))
                return reg->known[k];
    return NULL;
}

static int is_known(const struct hal_registry *reg, const char *name)
{
    int i;

    for (i = 0; i < reg->n_known; i++)
        if (!strcmp(reg->known[i]->name, name))
            return 1;
    for (i = 0; i < reg->n_backends; i++)
        if (!strcmp(reg->backends[i].info.name, name))
            return 1;
    return 0;
}

/* A profile that cannot be used stays in the list, with the reason. */
static void add_unusable(struct hal_registry *reg, const char *file,
                         const char *why)
{
    const char *base = strrchr(file, '/');
    char name[64];

    base = base ? base + 1 : file;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(base, "."), base);
    if (hal__registry_wants(reg, name) && !is_known(reg, name))
        hal__known_add(reg, name, why);
}

/* The devices that a stand-in of this profile may stand on. */
static void need_backends(struct hal_registry *reg, const struct hal_profile *p)
{
    uint32_t i;
    int k;

    for (i = 0; i < p->n_stands; i++)
        for (k = 0; k < reg->n_backends; k++)
            if (!strcmp(reg->backends[k].info.name, p->stands[i].backend))
                reg->backends[k].is_needed = 1;
}

/* With `add`, the stand-in; else what it needs. */
static void take_profile(struct hal_registry *reg, int add, const char *file,
                         const char *text, size_t size)
{
    const struct hal_device *real;
    struct hal_message msg = { "" };
    struct hal_profile *p;
    struct hal_device *d;
    char about[640];

    reg->rank++;
    p = hal__profile_parse(file, text, size, &msg);
    if (!p) {
        if (add)
            add_unusable(reg, file, msg.text);
        return;
    }
    if (!add && hal__registry_wants(reg, p->id))
        need_backends(reg, p);
    /* HALCYON_PROFILE_PATH comes first. */
    if (!add || !hal__registry_wants(reg, p->id) || is_known(reg, p->id)) {
        hal__profile_free(p);
        return;
    }
    real = choose(reg, p);
    if (real)
        snprintf(about, sizeof about, "%s %s as a stand-in on %s, %.200s",
                 p->vendor, p->name, real->name, real->about);
    else
        snprintf(about, sizeof about,
                 "%s %s: none of the devices that it could stand on is here",
                 p->vendor, p->name);
    d = hal__known_add(reg, p->id, about);
    if (!d || !real) {
        hal__profile_free(p);
        return;
    }
    d->backend = real->backend;
    d->index = real->index;
    d->profile = p;
    snprintf(d->stands_on, sizeof d->stands_on, "%s", real->name);
}

static void take_file(struct hal_registry *reg, int add, const char *path)
{
    /* One byte more than a profile may have, so that too much is seen. */
    const size_t most = ((size_t)64 << 10) + 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* no FIFO waits */
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
    char *text = malloc(most), why[4200];
    struct stat is;

    if (f && fstat(fd, &is) == 0 && !S_ISREG(is.st_mode)) {
        snprintf(why, sizeof why, "%s: no regular file", path);
        reg->rank++;
        if (add)
            add_unusable(reg, path, why);
    } else if (f && text) {
        take_profile(reg, add, path, text, fread(text, 1, most, f));
    }
    free(text);
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
}

static int is_ini(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 4 &&
           !strcmp(entry->d_name + len - 4, ".ini");
}

static void take_folder(struct hal_registry *reg, int add, const char *folder)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_ini, alphasort), i;

    if (n < 0 && !reg->wanted) /* else it is said when the rest is loaded */
        hal__registry_note(reg, "stand-ins", "HALCYON_PROFILE_PATH: %.180s: %s",
                           folder, strerror(errno));
    for (i = 0; i < n; i++) {
        char path[4096];

        if (snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) <
            (int)sizeof path)
            take_file(reg, add, path);
        free(entries[i]);
    }
    free(entries);
}

static void take_all(struct hal_registry *reg, int add)
{
    const char *path = getenv("HALCYON_PROFILE_PATH");
    const struct hal_text_file *file;
    char folder[4096];

    reg->rank = HAL_MAX_BACKENDS;
    while (hal__path_next(&path, folder, sizeof folder))
        take_folder(reg, add, folder);
    for (file = hal_profile_files; file->name; file++)
        take_profile(reg, add, file->name, file->text, strlen(file->text));
}

void hal__profile_need_all(struct hal_registry *reg)
{
    take_all(reg, 0);
}

void hal__profile_load_all(struct hal_registry *reg)
{
    take_all(reg, 1);
}

/* ---- what it says ---------------------------------------------------------
 */

static void cap_u32(uint32_t *driver, uint32_t chip)
{
    /* 0 from the driver is "it does not tell": then the chip's holds. */
    if (chip && (!*driver || chip < *driver))
        *driver = chip;
}

static void cap_u64(uint64_t *driver, uint64_t chip)
{
    if (chip && (!*driver || chip < *driver))
        *driver = chip;
}

/* Figures that describe and do not limit: the chip's, if it states them. */
static void take_u32(uint32_t *driver, uint32_t chip)
{
    if (chip)
        *driver = chip;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

void hal__profile_apply(const struct hal_profile *profile,
                        struct hal_dev_info *info)
{
    struct halDeviceProp *p = &info->prop;
    int i;

    snprintf(p->name, sizeof p->name, "%s%s%s", profile->vendor,
             profile->vendor[0] ? " " : "", profile->name);
    cap_u64(&p->totalGlobalMem, profile->memory);
    cap_u64(&p->maxAllocBytes, profile->max_alloc);
    cap_u64(&p->maxAllocBytes, p->totalGlobalMem);
    cap_u64(&p->sharedMemPerBlock, profile->shared_per_block);
    cap_u64(
        &p->sharedMemPerBlockOptin,
        max_u64(profile->shared_per_block, profile->shared_per_block_optin));
    if (p->sharedMemPerBlock < HAL_LARGE_LOCAL_BYTES)
        info->caps &= ~(uint64_t)HAL_CAP_LARGE_LOCAL;
    cap_u64(&p->memPitch, profile->pitch);
    cap_u32(&p->maxThreadsPerBlock, profile->threads_per_block);
    for (i = 0; i < 3; i++) {
        cap_u32(&p->maxThreadsDim[i], profile->block[i]);
        cap_u32(&p->maxThreadsDim[i], p->maxThreadsPerBlock);
        cap_u32(&p->maxGridSize[i], profile->grid[i]);
    }
    /* Stricter alignment is the larger one.  The allocations' own alignment is
     * the driver's: a chip that promises less is believed, more is not. */
    cap_u32(&p->memAlign, max_u32(profile->mem_align, 64));
    p->pitchAlign = max_u32(p->pitchAlign, profile->pitch_align);
    take_u32(&p->warpSize, profile->warp);
    take_u32(&p->multiProcessorCount, profile->units);
    take_u32(&p->maxThreadsPerMultiProcessor, profile->threads_per_unit);
    take_u32(&p->l2CacheSize, profile->l2);
    take_u32(&p->clockRate, profile->clock_khz);
    take_u32(&p->memoryClockRate, profile->memory_clock_khz);
    take_u32(&p->memoryBusWidth, profile->bus_bits);
    take_u32(&p->major, profile->version[0]);
    if (profile->version[0])
        p->minor = profile->version[1];
    if (profile->has_dtypes)
        p->dtypes &= profile->dtypes;
    p->dtypesNative &= p->dtypes;
    if (profile->has_native)
        p->dtypesNative &= profile->dtypes_native;
    if (profile->without_managed)
        p->managedMemory = 0;
    if (profile->without_map_host)
        p->canMapHostMemory = 0;
    if (profile->without_priorities)
        p->streamPrioritiesSupported = 0;
    info->caps &= ~profile->caps_without;
}
