/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h - SHA-256 as text, by which files and packs are known again. */
#ifndef HALCYON_CONFORMANCE_HASH_H
#define HALCYON_CONFORMANCE_HASH_H

#include <nettle/sha2.h>
#include <stddef.h>

/* 64 hexadecimal digits and the end. */
#define CONF_HASH_TEXT (2 * SHA256_DIGEST_SIZE + 1)

/* The hash of `size` bytes. */
void conf_hash(const void *data, size_t size, char text[CONF_HASH_TEXT]);

/* Of what a sum has been given; the sum is as new after it. */
void conf_hash_end(struct sha256_ctx *sum, char text[CONF_HASH_TEXT]);

#endif
