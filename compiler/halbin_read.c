/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halbin_read.c - a .halbin to kernels.  The file is hostile: nothing is used
 * before it is checked, each record must say what the writer would have said,
 * and what nobody claims must be zero.  Hashes find accidents; the structural
 * checks alone keep memory safe.
 */
#include "compiler/halbin_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

struct section {
    uint64_t offset, size, hash;
};

struct reader {
    const uint8_t *bytes;
    uint64_t size;
    struct hal_message *msg;
    uint32_t n_kernels, n_params, n_images, n_blobs;
    struct section sections[HALBIN_SECTIONS];
    struct hal_kernel_desc *kernels;
    struct hal_image *images;
    uint8_t *data;
};

/* storage: the records, then the data. */
struct storage {
    struct hal_kernel_desc *kernels;
    struct hal_image *images;
    uint8_t *data;
};

__attribute__((format(printf, 2, 3))) static enum halbin_status
damaged(struct reader *r, const char *format, ...)
{
    va_list args;
    int n = snprintf(r->msg->text, sizeof r->msg->text, "damaged .halbin: ");

    va_start(args, format);
    vsnprintf(r->msg->text + n, sizeof r->msg->text - (size_t)n, format, args);
    va_end(args);
    return HALBIN_DAMAGED;
}

static int all_zero(const uint8_t *p, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (p[i])
            return 0;
    return 1;
}

/* ---- header and sections ------------------------------------------------- */

static enum halbin_status read_header(struct reader *r)
{
    static const uint8_t zeros[8];
    const uint64_t table = HALBIN_SECTIONS * HALBIN_SECTION_BYTES;
    const uint8_t *h = r->bytes;
    XXH3_state_t *hash;
    uint64_t is;

    if (memcmp(h, HALBIN_MAGIC, r->size < 8 ? r->size : 8) != 0) {
        snprintf(r->msg->text, sizeof r->msg->text,
                 "this is no .halbin (did you mean to compile it with halcc, "
                 "or halModuleLoadSource?)");
        return HALBIN_DAMAGED;
    }
    if (r->size < 12)
        return damaged(r, "truncated in the header, at byte %llu",
                       (unsigned long long)r->size);
    if (halbin_get32(h + 8) > HALBIN_VERSION) {
        snprintf(r->msg->text, sizeof r->msg->text,
                 ".halbin of version %u; this library reads up to %u: update "
                 "it, or compile the kernels with its halcc",
                 halbin_get32(h + 8), HALBIN_VERSION);
        return HALBIN_FUTURE;
    }
    if (halbin_get32(h + 8) != HALBIN_VERSION)
        return damaged(r, "version %u never was", halbin_get32(h + 8));
    if (r->size < HALBIN_HEADER_BYTES + table)
        return damaged(r, "truncated in the header, at byte %llu",
                       (unsigned long long)r->size);
    if (halbin_get32(h + 12) != HALBIN_HEADER_BYTES ||
        halbin_get32(h + 40) != HALBIN_SECTIONS || halbin_get32(h + 44) ||
        halbin_get64(h + 56))
        return damaged(r, "the header is not one of version %u",
                       HALBIN_VERSION);
    if (halbin_get64(h + 16) != r->size)
        return damaged(r, "it has %llu bytes and should have %llu%s",
                       (unsigned long long)r->size,
                       (unsigned long long)halbin_get64(h + 16),
                       r->size < halbin_get64(h + 16) ? " (truncated)" : "");
    hash = XXH3_createState();
    if (!hash)
        return HALBIN_NO_MEMORY;
    XXH3_64bits_reset(hash);
    XXH3_64bits_update(hash, h, 48);
    XXH3_64bits_update(hash, zeros, 8);
    XXH3_64bits_update(hash, h + 56, HALBIN_HEADER_BYTES + table - 56);
    is = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    if (is != halbin_get64(h + 48))
        return damaged(r, "the header's hash does not match");
    r->n_kernels = halbin_get32(h + 24);
    r->n_params = halbin_get32(h + 28);
    r->n_images = halbin_get32(h + 32);
    r->n_blobs = halbin_get32(h + 36);
    if (r->n_kernels > HALBIN_COUNT_MAX || r->n_params > HALBIN_COUNT_MAX ||
        r->n_images > HALBIN_COUNT_MAX || r->n_blobs > r->n_images)
        return damaged(r, "a count is out of range");
    return HALBIN_OK;
}

/* Sections follow each other in order, with zeros between. */
static enum halbin_status read_sections(struct reader *r)
{
    uint64_t at = HALBIN_HEADER_BYTES + HALBIN_SECTIONS * HALBIN_SECTION_BYTES;
    const uint64_t want[HALBIN_SECTIONS] = {
        [HALBIN_KERNELS] = (uint64_t)r->n_kernels * HALBIN_KERNEL_BYTES,
        [HALBIN_PARAMS] = (uint64_t)r->n_params * HALBIN_PARAM_BYTES,
        [HALBIN_IMAGES] = (uint64_t)r->n_images * HALBIN_IMAGE_BYTES,
        [HALBIN_BLOBS] = (uint64_t)r->n_blobs * HALBIN_BLOB_BYTES,
    };

    for (uint32_t i = 0; i < HALBIN_SECTIONS; i++) {
        const uint8_t *p =
            r->bytes + HALBIN_HEADER_BYTES + i * HALBIN_SECTION_BYTES;
        struct section *s = &r->sections[i];
        uint64_t end;

        s->offset = halbin_get64(p + 8);
        s->size = halbin_get64(p + 16);
        s->hash = halbin_get64(p + 24);
        if (halbin_get32(p) != i || halbin_get32(p + 4) || s->offset != at)
            return damaged(r, "section %u is not where it belongs", i);
        if (s->offset > r->size || s->size > r->size - s->offset)
            return damaged(r, "section %u ends past the file", i);
        if (i != HALBIN_DATA && s->size != want[i])
            return damaged(r, "section %u has the wrong size", i);
        if (XXH3_64bits(r->bytes + s->offset, s->size) != s->hash)
            return damaged(r, "section %u's hash does not match", i);
        end = s->offset + s->size;
        at = (end + HALBIN_ALIGN - 1) & ~(uint64_t)(HALBIN_ALIGN - 1);
        if (at > r->size || !all_zero(r->bytes + end, at - end))
            return damaged(r, "the gap behind section %u is not zero", i);
    }
    if (at != r->size)
        return damaged(r, "bytes behind the last section");
    return HALBIN_OK;
}

/* ---- records ------------------------------------------------------------- */

static const uint8_t *record(const struct reader *r, enum halbin_section s,
                             uint32_t index, uint32_t record_bytes)
{
    return r->bytes + r->sections[s].offset + (uint64_t)index * record_bytes;
}

/* Copies a NUL-padded string; 0 if what follows its end is not zero. */
static int get_string(char *out, const uint8_t *p, size_t room)
{
    size_t n;

    memcpy(out, p, room);
    n = strnlen(out, room);
    return n < room && all_zero(p + n, room - n);
}

static enum halbin_status read_blobs(struct reader *r)
{
    uint64_t at = 0, data = r->sections[HALBIN_DATA].size;

    for (uint32_t i = 0; i < r->n_blobs; i++) {
        const uint8_t *p = record(r, HALBIN_BLOBS, i, HALBIN_BLOB_BYTES);
        uint64_t size = halbin_get64(p + 8), end;

        if (halbin_get64(p) != at || halbin_get64(p + 24))
            return damaged(r, "blob %u is not where it belongs", i);
        if (!size || at > data || size >= data - at)
            return damaged(r, "blob %u ends past the data", i);
        end = (at + size + HALBIN_ALIGN) & ~(uint64_t)(HALBIN_ALIGN - 1);
        if (end > data || !all_zero(r->data + at + size, end - at - size))
            return damaged(r, "the gap behind blob %u is not zero", i);
        if (XXH3_64bits(r->data + at, size) != halbin_get64(p + 16))
            return damaged(r, "blob %u's hash does not match", i);
        at = end;
    }
    if (at != data)
        return damaged(r, "data that belongs to no image");
    return HALBIN_OK;
}

static enum halbin_status read_image(struct reader *r, uint32_t index,
                                     const char *kernel)
{
    const uint8_t *p = record(r, HALBIN_IMAGES, index, HALBIN_IMAGE_BYTES), *b;
    struct hal_image *i = &r->images[index];
    uint32_t blob = halbin_get32(p + 32);
    const char *why;

    if (!all_zero(p + 1, 3) || halbin_get32(p + 36) ||
        !get_string(i->variant, p + 40, HALBIN_VARIANT_BYTES))
        return damaged(r, "kernel '%s', image %u: not zero where it must be",
                       kernel, index);
    if (blob >= r->n_blobs)
        return damaged(r, "kernel '%s', image %u: blob %u of %u", kernel, index,
                       blob, r->n_blobs);
    b = record(r, HALBIN_BLOBS, blob, HALBIN_BLOB_BYTES);
    i->target = p[0];
    i->rank = halbin_get32(p + 4);
    i->caps = halbin_get64(p + 8);
    i->group = halbin_get32(p + 16);
    i->chunk = halbin_get32(p + 20);
    i->shared_bytes = halbin_get32(p + 24);
    i->priv_bytes = halbin_get32(p + 28);
    i->blob = r->data + halbin_get64(b);
    i->blob_bytes = halbin_get64(b + 8);
    i->hash = halbin_get64(b + 16);
    why = halbin_image_fault(i);
    return why ? damaged(r, "kernel '%s', image %u: %s", kernel, index, why)
               : HALBIN_OK;
}

static enum halbin_status read_param(struct reader *r, uint32_t index,
                                     struct hal_kernel_desc *k, uint32_t at)
{
    const uint8_t *p = record(r, HALBIN_PARAMS, index, HALBIN_PARAM_BYTES);
    struct hal_param *out = &k->params[at];
    const char *why;

    if (!get_string(out->name, p, sizeof out->name))
        return damaged(r, "kernel '%s', parameter %u: its name does not end",
                       k->name, at);
    out->kind = p[64];
    out->dtype = p[65];
    out->alignment = (uint16_t)(p[66] | p[67] << 8);
    why = halbin_param_fault(out);
    if (why)
        return damaged(r, "kernel '%s', parameter %u: %s", k->name, at, why);
    for (uint32_t i = 0; i < at; i++)
        if (!strcmp(k->params[i].name, out->name))
            return damaged(r, "kernel '%s': parameter '%s' twice", k->name,
                           out->name);
    return HALBIN_OK;
}

static enum halbin_status read_kernel(struct reader *r, uint32_t n,
                                      uint32_t *params, uint32_t *images)
{
    const uint8_t *p = record(r, HALBIN_KERNELS, n, HALBIN_KERNEL_BYTES);
    struct hal_kernel_desc *k = &r->kernels[n];
    enum halbin_status st = HALBIN_OK;
    const char *why;

    if (!get_string(k->name, p, sizeof k->name))
        return damaged(r, "kernel %u: its name does not end", n);
    why = halbin_name_fault(k->name, sizeof k->name);
    if (why)
        return damaged(r, "kernel %u: %s", n, why);
    k->n_params = halbin_get32(p + 68);
    k->n_images = halbin_get32(p + 76);
    if (halbin_get32(p + 64) != *params || halbin_get32(p + 72) != *images ||
        k->n_params > HAL_PARAMS_MAX || k->n_params > r->n_params - *params ||
        k->n_images > r->n_images - *images)
        return damaged(r, "kernel '%s': its records are not its own", k->name);
    for (uint32_t i = 0; i < k->n_params && st == HALBIN_OK; i++)
        st = read_param(r, (*params)++, k, i);
    k->images = r->images + *images;
    for (uint32_t i = 0; i < k->n_images && st == HALBIN_OK; i++)
        st = read_image(r, (*images)++, k->name);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct hal_kernel_desc *const *)a)->name,
                  (*(const struct hal_kernel_desc *const *)b)->name);
}

/* Sorted, not compared in pairs: a hostile file may have a million names. */
static enum halbin_status check_names(struct reader *r)
{
    const struct hal_kernel_desc **sorted;
    enum halbin_status st = HALBIN_OK;

    sorted = malloc((r->n_kernels + 1u) * sizeof(void *));
    if (!sorted)
        return HALBIN_NO_MEMORY;
    for (uint32_t i = 0; i < r->n_kernels; i++)
        sorted[i] = &r->kernels[i];
    qsort(sorted, r->n_kernels, sizeof *sorted, by_name);
    for (uint32_t i = 1; i < r->n_kernels && st == HALBIN_OK; i++)
        if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
            st = damaged(r, "kernel '%s' twice", sorted[i]->name);
    free(sorted);
    return st;
}

static enum halbin_status read_records(struct reader *r)
{
    uint32_t params = 0, images = 0;
    enum halbin_status st = read_blobs(r);

    for (uint32_t n = 0; n < r->n_kernels && st == HALBIN_OK; n++)
        st = read_kernel(r, n, &params, &images);
    if (st == HALBIN_OK && (params != r->n_params || images != r->n_images))
        st = damaged(r, "parameters or images that belong to no kernel");
    return st == HALBIN_OK ? check_names(r) : st;
}

/* ---- the public functions ------------------------------------------------ */

static void storage_free(struct storage *s)
{
    if (!s)
        return;
    free(s->kernels);
    free(s->images);
    free(s->data);
    free(s);
}

enum halbin_status halbin_open(const void *bytes, size_t size,
                               struct halbin *out, struct hal_message *msg)
{
    struct reader r = { .bytes = bytes, .size = size, .msg = msg };
    struct storage *s = NULL;
    enum halbin_status st;

    if (!bytes)
        return damaged(&r, "no bytes at all");
    st = read_header(&r);
    if (st == HALBIN_OK)
        st = read_sections(&r);
    if (st != HALBIN_OK)
        goto out;
    st = HALBIN_NO_MEMORY;
    s = calloc(1, sizeof *s);
    if (!s)
        goto out;
    s->kernels = calloc(r.n_kernels + 1u, sizeof *s->kernels);
    s->images = calloc(r.n_images + 1u, sizeof *s->images);
    s->data = malloc(r.sections[HALBIN_DATA].size + 1);
    if (!s->kernels || !s->images || !s->data)
        goto out;
    memcpy(s->data, r.bytes + r.sections[HALBIN_DATA].offset,
           r.sections[HALBIN_DATA].size);
    r.kernels = s->kernels;
    r.images = s->images;
    r.data = s->data;
    st = read_records(&r);
    if (st != HALBIN_OK)
        goto out;
    *out = (struct halbin){ r.n_kernels, s->kernels, s };
    s = NULL;
out:
    if (st == HALBIN_NO_MEMORY)
        snprintf(msg->text, sizeof msg->text, "no memory to open a .halbin");
    storage_free(s);
    return st;
}

void halbin_close(struct halbin *bin)
{
    if (!bin)
        return;
    storage_free(bin->storage);
    *bin = (struct halbin){ 0 };
}

const struct hal_kernel_desc *halbin_find(const struct halbin *bin,
                                          const char *name)
{
    for (uint32_t i = 0; i < bin->n_kernels; i++)
        if (!strcmp(bin->kernels[i].name, name))
            return &bin->kernels[i];
    return NULL;
}
