/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halbin_internal.h - the layout of a .halbin, for its reader and its writer.
 * docs/halbin.md explains it; all numbers are little-endian.
 */
#ifndef COMPILER_HALBIN_INTERNAL_H
#define COMPILER_HALBIN_INTERNAL_H

#include "compiler/halbin.h"

#include <string.h>

#define HALBIN_MAGIC "HALBIN\r\n" /* 8 bytes; a text-mode copy breaks it */

/* Header: magic 0, version 8, header bytes 12, file bytes 16, counts of
 * kernels 24, params 28, images 32, blobs 36; sections' number 40, zero 44,
 * hash of header and section table 48 (computed with these 8 bytes zero),
 * zero 56. */
#define HALBIN_HEADER_BYTES 64u

/* A section entry: id 0, zero 4, offset 8, bytes 16, hash 24. */
#define HALBIN_SECTION_BYTES 32u

enum halbin_section {
    HALBIN_KERNELS, /* fixed-size records each, in this order */
    HALBIN_PARAMS,
    HALBIN_IMAGES,
    HALBIN_BLOBS,
    HALBIN_DATA, /* the blobs' bytes */
    HALBIN_SECTIONS
};

/* Records.  Names are NUL-padded.
 * kernel: name 0, first param 64, params 68, first image 72, images 76
 * param:  name 0, kind 64, dtype 65, alignment 66
 * image:  target 0, zero 1, rank 4, caps 8, group 16, chunk 20, shared 24,
 *         priv 28, blob 32, zero 36, variant 40
 * blob:   offset in data 0, bytes 8, hash 16, zero 24 */
#define HALBIN_KERNEL_BYTES  80u
#define HALBIN_PARAM_BYTES   68u
#define HALBIN_IMAGE_BYTES   72u
#define HALBIN_BLOB_BYTES    32u
#define HALBIN_VARIANT_BYTES 32u

#define HALBIN_ALIGN 16u /* of sections and blobs */

/* Far above any real file; keeps sums of counts and sizes small. */
#define HALBIN_COUNT_MAX 1000000u

/* halDtype's number of values (hal/hal.h is above this floor;
 * tests/compiler/test_halbin.c compares them). */
#define HALBIN_DTYPES 14u

static inline uint32_t halbin_get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static inline uint64_t halbin_get64(const uint8_t *p)
{
    return halbin_get32(p) | (uint64_t)halbin_get32(p + 4) << 32;
}

static inline void halbin_put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void halbin_put64(uint8_t *p, uint64_t v)
{
    halbin_put32(p, (uint32_t)v);
    halbin_put32(p + 4, (uint32_t)(v >> 32));
}

/* What reader and writer both demand of a kernel; NULL or a static sentence. */
const char *halbin_name_fault(const char *name, size_t room);
const char *halbin_param_fault(const struct hal_param *p);
const char *halbin_image_fault(const struct hal_image *i);

#endif
