/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halbin.h - the .halbin container: kernels, their reflection and their
 * images.  Layout (all little-endian): docs/halbin.md.  A .halbin comes from
 * outside: every offset, count, name and hash is checked before use.
 */
#ifndef COMPILER_HALBIN_H
#define COMPILER_HALBIN_H

#include "compiler/kernel_desc.h"

#define HALBIN_VERSION 1u
/* No larger file is read, so that a wrong name does not exhaust the host. */
#define HALBIN_FILE_MAX ((size_t)1 << 30)

/* Messages of the floors beneath the core: no thread-local state here. */
struct hal_message {
    char text[512];
};

enum halbin_status {
    HALBIN_OK = 0,
    HALBIN_DAMAGED, /* not a .halbin, truncated, or a check failed */
    HALBIN_FUTURE,  /* a later format version */
    HALBIN_NO_MEMORY,
};

struct halbin {
    uint32_t n_kernels;
    const struct hal_kernel_desc *kernels;
    /* private: owns everything above */
    void *storage;
};

/* Parses a copy of bytes[0..size); everything in *out lives until
 * halbin_close.  On failure *out is untouched and msg says what and where. */
enum halbin_status halbin_open(const void *bytes, size_t size,
                               struct halbin *out, struct hal_message *msg);
void halbin_close(struct halbin *bin); /* NULL and closed ones are fine */

/* Serialises; *out_bytes is malloc'ed, the caller frees it. */
enum halbin_status halbin_write(const struct hal_kernel_desc *kernels,
                                uint32_t n_kernels, void **out_bytes,
                                size_t *out_size, struct hal_message *msg);

/* The kernel of that name, or NULL. */
const struct hal_kernel_desc *halbin_find(const struct halbin *bin,
                                          const char *name);

#endif
