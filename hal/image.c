/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c - which of a kernel's images a device may run, best first.  Chosen
 * by capability, limits and rank, never by name; HALCYON_VARIANT, a list of
 * variant names, narrows the choice for the targets that it speaks of (tests
 * force each variant with it).
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
    { HAL_CAP_X86_64, "x86-64" },
    { HAL_CAP_X86_64_V3, "x86-64-v3" },
    { HAL_CAP_X86_64_V4, "x86-64-v4" },
    { HAL_CAP_AARCH64, "aarch64" },
    { HAL_CAP_CPU_OTHER, "the build machine's CPU" },
};

/* Whether HALCYON_VARIANT lists `variant`; *out_speaks: it lists any variant
 * of the same family, which is what precedes the first point. */
static int variant_listed(const char *variant, int *out_speaks)
{
    const char *list = getenv("HALCYON_VARIANT");
    size_t family = strcspn(variant, ".");
    int is_listed = 0;

    *out_speaks = 0;
    while (list && *list) {
        size_t len;

        list += strspn(list, ", ");
        len = strcspn(list, ", ");
        if (len >= family && !memcmp(list, variant, family) &&
            (len == family || list[family] == '.'))
            *out_speaks = 1;
        if (len && strlen(variant) == len && !memcmp(variant, list, len))
            is_listed = 1;
        list += len;
    }
    return is_listed;
}

/* NULL if it fits, else a word on what it wants. */
static const char *misfit(const struct hal_device *d,
                          const struct hal_image *image)
{
    const struct halDeviceProp *p = &d->info.prop;
    int speaks;
    size_t i;

    if (image->target != d->info.target)
        return "another target";
    for (i = 0; i < sizeof cap_names / sizeof cap_names[0]; i++)
        if (image->caps & ~d->info.caps & cap_names[i].cap)
            return cap_names[i].name;
    if (image->caps & ~d->info.caps)
        return "a capability of a later version";
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
        /* Insertion keeps the order of equal ranks. */
        for (k = n++; k && images[k - 1]->rank < image->rank; k--)
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
