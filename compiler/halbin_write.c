/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halbin_write.c - kernels to a .halbin.  Invariants: equal blobs are stored
 * once, and the same kernels give the same bytes.
 */
#include "compiler/halbin_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

struct blob {
    const void *bytes;
    size_t size;
    uint64_t hash, offset;
};

struct writer {
    uint32_t n_kernels, n_params, n_images, n_blobs;
    struct blob *blobs; /* room for n_images */
    uint64_t data_bytes;
    uint8_t *bytes;
    uint64_t offset[HALBIN_SECTIONS], size[HALBIN_SECTIONS], total;
};

static uint64_t align_up(uint64_t v)
{
    return (v + HALBIN_ALIGN - 1) & ~(uint64_t)(HALBIN_ALIGN - 1);
}

static enum halbin_status refuse(struct hal_message *msg, const char *kernel,
                                 const char *why)
{
    snprintf(msg->text, sizeof msg->text, "kernel '%.63s': %s", kernel, why);
    return HALBIN_DAMAGED;
}

static enum halbin_status check_kernel(const struct hal_kernel_desc *kernels,
                                       uint32_t at, struct hal_message *msg)
{
    const struct hal_kernel_desc *k = &kernels[at];
    const char *why = halbin_name_fault(k->name, sizeof k->name);

    if (why)
        return refuse(msg, k->name, why);
    if (k->n_params > HAL_PARAMS_MAX)
        return refuse(msg, k->name, "too many parameters");
    for (uint32_t i = 0; i < at; i++)
        if (!strcmp(kernels[i].name, k->name))
            return refuse(msg, k->name, "is there twice");
    for (uint32_t i = 0; i < k->n_params; i++) {
        why = halbin_param_fault(&k->params[i]);
        if (why)
            return refuse(msg, k->name, why);
        for (uint32_t j = 0; j < i; j++)
            if (!strcmp(k->params[i].name, k->params[j].name))
                return refuse(msg, k->name, "has a parameter twice");
    }
    for (uint32_t i = 0; i < k->n_images; i++) {
        why = halbin_image_fault(&k->images[i]);
        if (why)
            return refuse(msg, k->name, why);
    }
    return HALBIN_OK;
}

/* The blob's index; adds it if it is new. */
static uint32_t blob_index(struct writer *w, const struct hal_image *i)
{
    uint64_t hash = XXH3_64bits(i->blob, i->blob_bytes);
    struct blob *b;

    for (uint32_t k = 0; k < w->n_blobs; k++) {
        b = &w->blobs[k];
        if (b->hash == hash && b->size == i->blob_bytes &&
            !memcmp(b->bytes, i->blob, b->size))
            return k;
    }
    b = &w->blobs[w->n_blobs];
    *b = (struct blob){ i->blob, i->blob_bytes, hash, w->data_bytes };
    /* one zero byte at least behind each blob: text ends like a string */
    w->data_bytes = align_up(w->data_bytes + b->size + 1);
    return w->n_blobs++;
}

static enum halbin_status measure(struct writer *w,
                                  const struct hal_kernel_desc *kernels,
                                  uint32_t n_kernels, struct hal_message *msg)
{
    uint64_t params = 0, images = 0;
    enum halbin_status st;

    if (n_kernels > HALBIN_COUNT_MAX)
        return refuse(msg, "", "too many kernels");
    for (uint32_t i = 0; i < n_kernels; i++) {
        st = check_kernel(kernels, i, msg);
        if (st != HALBIN_OK)
            return st;
        params += kernels[i].n_params;
        images += kernels[i].n_images;
    }
    if (params > HALBIN_COUNT_MAX || images > HALBIN_COUNT_MAX)
        return refuse(msg, "", "too many parameters or images");
    w->n_kernels = n_kernels;
    w->n_params = (uint32_t)params;
    w->n_images = (uint32_t)images;
    return HALBIN_OK;
}

static void lay_out(struct writer *w)
{
    uint64_t at = HALBIN_HEADER_BYTES + HALBIN_SECTIONS * HALBIN_SECTION_BYTES;

    w->size[HALBIN_KERNELS] = (uint64_t)w->n_kernels * HALBIN_KERNEL_BYTES;
    w->size[HALBIN_PARAMS] = (uint64_t)w->n_params * HALBIN_PARAM_BYTES;
    w->size[HALBIN_IMAGES] = (uint64_t)w->n_images * HALBIN_IMAGE_BYTES;
    w->size[HALBIN_BLOBS] = (uint64_t)w->n_blobs * HALBIN_BLOB_BYTES;
    w->size[HALBIN_DATA] = w->data_bytes;
    for (int s = 0; s < HALBIN_SECTIONS; s++) {
        w->offset[s] = at;
        at = align_up(at + w->size[s]);
    }
    w->total = at;
}

static void put_image(struct writer *w, uint8_t *p, const struct hal_image *i)
{
    p[0] = i->target;
    halbin_put32(p + 4, i->rank);
    halbin_put64(p + 8, i->caps);
    halbin_put32(p + 16, i->group);
    halbin_put32(p + 20, i->chunk);
    halbin_put32(p + 24, i->shared_bytes);
    halbin_put32(p + 28, i->priv_bytes);
    halbin_put32(p + 32, blob_index(w, i));
    strcpy((char *)p + 40, i->variant);
}

static void put_records(struct writer *w, const struct hal_kernel_desc *kernels)
{
    uint8_t *kp = w->bytes + w->offset[HALBIN_KERNELS];
    uint8_t *pp = w->bytes + w->offset[HALBIN_PARAMS];
    uint8_t *ip = w->bytes + w->offset[HALBIN_IMAGES];
    uint32_t params = 0, images = 0;

    for (uint32_t n = 0; n < w->n_kernels; n++) {
        const struct hal_kernel_desc *k = &kernels[n];

        strcpy((char *)kp, k->name);
        halbin_put32(kp + 64, params);
        halbin_put32(kp + 68, k->n_params);
        halbin_put32(kp + 72, images);
        halbin_put32(kp + 76, k->n_images);
        kp += HALBIN_KERNEL_BYTES;
        params += k->n_params;
        images += k->n_images;
        for (uint32_t i = 0; i < k->n_params; i++) {
            strcpy((char *)pp, k->params[i].name);
            pp[64] = k->params[i].kind;
            pp[65] = k->params[i].dtype;
            pp[66] = (uint8_t)k->params[i].alignment;
            pp[67] = (uint8_t)(k->params[i].alignment >> 8);
            pp += HALBIN_PARAM_BYTES;
        }
        for (uint32_t i = 0; i < k->n_images; i++) {
            put_image(w, ip, &k->images[i]);
            ip += HALBIN_IMAGE_BYTES;
        }
    }
}

static void put_blobs(struct writer *w)
{
    uint8_t *p = w->bytes + w->offset[HALBIN_BLOBS];

    for (uint32_t i = 0; i < w->n_blobs; i++, p += HALBIN_BLOB_BYTES) {
        halbin_put64(p, w->blobs[i].offset);
        halbin_put64(p + 8, w->blobs[i].size);
        halbin_put64(p + 16, w->blobs[i].hash);
        memcpy(w->bytes + w->offset[HALBIN_DATA] + w->blobs[i].offset,
               w->blobs[i].bytes, w->blobs[i].size);
    }
}

static void put_header(struct writer *w)
{
    uint8_t *h = w->bytes, *s = h + HALBIN_HEADER_BYTES;
    size_t size = HALBIN_HEADER_BYTES + HALBIN_SECTIONS * HALBIN_SECTION_BYTES;

    memcpy(h, HALBIN_MAGIC, 8);
    halbin_put32(h + 8, HALBIN_VERSION);
    halbin_put32(h + 12, HALBIN_HEADER_BYTES);
    halbin_put64(h + 16, w->total);
    halbin_put32(h + 24, w->n_kernels);
    halbin_put32(h + 28, w->n_params);
    halbin_put32(h + 32, w->n_images);
    halbin_put32(h + 36, w->n_blobs);
    halbin_put32(h + 40, HALBIN_SECTIONS);
    for (uint32_t i = 0; i < HALBIN_SECTIONS; i++, s += HALBIN_SECTION_BYTES) {
        halbin_put32(s, i);
        halbin_put64(s + 8, w->offset[i]);
        halbin_put64(s + 16, w->size[i]);
        halbin_put64(s + 24, XXH3_64bits(h + w->offset[i], w->size[i]));
    }
    halbin_put64(h + 48, XXH3_64bits(h, size));
}

enum halbin_status halbin_write(const struct hal_kernel_desc *kernels,
                                uint32_t n_kernels, void **out_bytes,
                                size_t *out_size, struct hal_message *msg)
{
    struct writer w = { 0 };
    enum halbin_status st = measure(&w, kernels, n_kernels, msg);

    if (st != HALBIN_OK)
        return st;
    st = HALBIN_NO_MEMORY;
    w.blobs = calloc(w.n_images ? w.n_images : 1, sizeof *w.blobs);
    if (!w.blobs)
        goto out;
    for (uint32_t n = 0; n < n_kernels; n++)
        for (uint32_t i = 0; i < kernels[n].n_images; i++)
            blob_index(&w, &kernels[n].images[i]);
    lay_out(&w);
    w.bytes = calloc(1, w.total);
    if (!w.bytes)
        goto out;
    put_records(&w, kernels);
    put_blobs(&w);
    put_header(&w);
    *out_bytes = w.bytes;
    *out_size = w.total;
    st = HALBIN_OK;
out:
    if (st != HALBIN_OK)
        snprintf(msg->text, sizeof msg->text, "no memory for a .halbin");
    free(w.blobs);
    return st;
}
