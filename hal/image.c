/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c - which of a kernel's images a device may run, best first.  Chosen
 * by capability, limits and rank, never by name.
 *
 * HALCYON_VARIANT, a list of variant names, forces: a device of a family that
 * it names (what precedes the point) runs the listed variants of that family
 * and nothing else, whether they come from a container or are compiled now; one
 * that can run none of them says so.  Devices of other families are not
 * concerned.  A name that is no variant at all fails every load.
 */
#include "hal/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    uint64_t cap;
    const char *name;
} cap_names[] = {
    { HAL_CAP_SMALL_GROUPS, "small groups" },
    { HAL_CAP_STORAGE_8_16, "8/16-bit storage" },
    { HAL_CAP_BDA, "buffer addresses" },
    { HAL_CAP_SSBO, "storage buffers" },
    { HAL_CAP_FP16, "fp16" },
    { HAL_CAP_FP64, "fp64" },
    { HAL_CAP_INT64, "int64" },
    { HAL_CAP_SUBGROUP, "subgroups" },
    { HAL_CAP_ATOMICS, "atomics" },
    { HAL_CAP_LARGE_LOCAL, "256 KiB of local memory" },
    { HAL_CAP_X86_64, "x86-64" },
    { HAL_CAP_X86_64_V3, "x86-64-v3" },
    { HAL_CAP_X86_64_V4, "x86-64-v4" },
    { HAL_CAP_AARCH64, "aarch64" },
    { HAL_CAP_CPU_OTHER, "the build machine's CPU" },
    { HAL_CAP_SM_70, "compute capability 7.0" },
    { HAL_CAP_SM_80, "compute capability 8.0" },
    { HAL_CAP_SM_89, "compute capability 8.9" },
    { HAL_CAP_SM_90, "compute capability 9.0" },
    { HAL_CAP_SM_90A, "compute capability 9.0 and no other" },
    { HAL_CAP_SM_100, "compute capability 10.0" },
};

/* The next name of HALCYON_VARIANT from *at on, which starts as NULL; NULL at
 * its end. */
static const char *next_name(const char **at, size_t *out_len)
{
    const char *name = *at ? *at : getenv("HALCYON_VARIANT");

    if (!name)
        return NULL;
    name += strspn(name, ", \t\n");
    *out_len = strcspn(name, ", \t\n");
    *at = name + *out_len;
    return *out_len ? name : NULL;
}

static int is_named(const char *variant, const char *name, size_t len)
{
    return strlen(variant) == len && !memcmp(variant, name, len);
}

/* Whether HALCYON_VARIANT lists `variant`; *out_speaks: it lists any variant
 * of the same family, which is what precedes the first point. */
static int variant_listed(const char *variant, int *out_speaks)
{
    size_t family = strcspn(variant, "."), len;
    const char *at = NULL, *name;
    int is_listed = 0;

    *out_speaks = 0;
    while ((name = next_name(&at, &len))) {
        if (len >= family && !memcmp(name, variant, family) &&
            (len == family || name[family] == '.'))
            *out_speaks = 1;
        if (is_named(variant, name, len))
            is_listed = 1;
    }
    return is_listed;
}

/* Whether the compiler makes a variant of this name, or the container holds
 * one. */
static int name_exists(const struct halbin *bin, const char *name, size_t len)
{
    const struct compile_variant *list;
    uint32_t n, i, k;

    list = compile_variants(&n);
    for (i = 0; i < n; i++)
        if (is_named(list[i].name, name, len))
            return 1;
    for (i = 0; bin && i < bin->n_kernels; i++)
        for (k = 0; k < bin->kernels[i].n_images; k++)
            if (is_named(bin->kernels[i].images[k].variant, name, len))
                return 1;
    return 0;
}

halError_t hal__variant_check(const struct halbin *bin)
{
    const struct compile_variant *list;
    const char *at = NULL, *name;
    char known[320] = "";
    size_t len, used = 0;
    uint32_t n, i;

    while ((name = next_name(&at, &len))) {
        if (name_exists(bin, name, len))
            continue;
        list = compile_variants(&n);
        for (i = 0; i < n && used < sizeof known; i++)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
                                     i ? ", " : "", list[i].name);
        return hal_fail(halErrorNotFound,
                        "HALCYON_VARIANT names '%.*s', which is no variant; "
                        "there are: %s",
                        (int)(len < 63 ? len : 63), name, known);
    }
    return halSuccess;
}

/* A capability of `caps` that the device lacks, in words, or NULL. */
static const char *cap_missing(const struct hal_device *d, uint64_t caps)
{
    size_t i;

    for (i = 0; i < sizeof cap_names / sizeof cap_names[0]; i++)
        if (caps & ~d->info.caps & cap_names[i].cap)
            return cap_names[i].name;
    return caps & ~d->info.caps ? "a capability of a later version" : NULL;
}

halError_t hal__variant_targets(const struct hal_device *d,
                                struct compile_target *targets, uint32_t most,
                                uint32_t *out_n)
{
    const struct compile_target all = targets[0];
    const char *lacks = NULL, *first = NULL;
    const struct compile_variant *list;
    uint32_t n, i, n_targets = 0;

    list = compile_variants(&n);
    for (i = 0; i < n; i++) {
        const char *missing = cap_missing(d, list[i].caps);
        int speaks;

        if (list[i].target != all.target ||
            !variant_listed(list[i].name, &speaks))
            continue;
        if (missing) {
            if (!first) {
                first = list[i].name;
                lacks = missing;
            }
        } else if (n_targets < most) {
            targets[n_targets] = all;
            targets[n_targets++].caps = list[i].caps;
        }
    }
    if (!n_targets && first)
        return hal_fail(halErrorNoImageForDevice,
                        "HALCYON_VARIANT asks for %s, which %s%s%s cannot run "
                        "(it wants %s)",
                        first, d->name, d->stands_on[0] ? " on " : "",
                        d->stands_on, lacks);
    *out_n = n_targets ? n_targets : 1;
    return halSuccess;
}

/* NULL if it fits, else a word on what it wants. */
static const char *misfit(const struct hal_device *d,
                          const struct hal_image *image)
{
    const struct halDeviceProp *p = &d->info.prop;
    const char *missing;
    int speaks;

    if (image->target != d->info.target &&
        (!d->info.text_target || image->target != d->info.text_target))
        return "another target";
    missing = cap_missing(d, image->caps);
    if (missing)
        return missing;
    if (image->group > p->maxThreadsPerBlock ||
        image->group > p->maxThreadsDim[0])
        return "larger groups";
    if (p->sharedMemPerBlock && image->shared_bytes > p->sharedMemPerBlock)
        return "more shared memory";
    if (!variant_listed(image->variant, &speaks) && speaks)
        return "to be named in HALCYON_VARIANT";
    return NULL;
}

int hal__image_any(const struct hal_device *d,
                   const struct hal_kernel_desc *desc)
{
    uint32_t i;

    for (i = 0; i < desc->n_images; i++)
        if (!misfit(d, &desc->images[i]))
            return 1;
    return 0;
}

static halError_t no_image(const struct hal_device *d,
                           const struct hal_kernel_desc *desc)
{
    char have[320] = "no image at all";
    size_t at = 0;
    uint32_t i;

    for (i = 0; i < desc->n_images && at < sizeof have; i++)
        at += (size_t)snprintf(
            have + at, sizeof have - at, "%s%.31s (wants %s)", i ? ", " : "",
            desc->images[i].variant, misfit(d, &desc->images[i]));
    return hal_fail(halErrorNoImageForDevice,
                    "kernel '%s' has %s; %s%s%s runs groups to %u threads and "
                    "%llu bytes of shared memory",
                    desc->name, have, d->name, d->stands_on[0] ? " on " : "",
                    d->stands_on, d->info.prop.maxThreadsPerBlock,
                    (unsigned long long)d->info.prop.sharedMemPerBlock);
}

/* What the device takes as it is comes before text, which needs a compiler. */
static int is_better(const struct hal_device *d, const struct hal_image *image,
                     const struct hal_image *than)
{
    int is_own = image->target == d->info.target,
        was_own = than->target == d->info.target;

    return is_own != was_own ? is_own : image->rank > than->rank;
}

halError_t hal__image_choose(const struct hal_device *d,
                             const struct hal_kernel_desc *desc,
                             const struct hal_image ***out_images,
                             uint32_t *out_n)
{
    const struct hal_image **images;
    uint32_t n = 0, i, k;

    images = calloc(desc->n_images ? desc->n_images : 1, sizeof *images);
    if (!images)
        return hal_fail(halErrorHostMemory, "a list of %u images",
                        desc->n_images);
    for (i = 0; i < desc->n_images; i++) {
        const struct hal_image *image = &desc->images[i];

        if (misfit(d, image))
            continue;
        /* Insertion keeps the order of equals. */
        for (k = n++; k && is_better(d, image, images[k - 1]); k--)
            images[k] = images[k - 1];
        images[k] = image;
    }
    if (!n) {
        free(images);
        return no_image(d, desc);
    }
    *out_images = images;
    *out_n = n;
    return halSuccess;
}
