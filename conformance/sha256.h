/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sha256.h - SHA-256 (FIPS 180-4), for packages that people hand on.
 */
#ifndef CONFORMANCE_SHA256_H
#define CONFORMANCE_SHA256_H

#include <stddef.h>

/* 64 hexadecimal digits and a NUL. */
#define CONF_SHA256_TEXT 65

void conf_sha256(const void *data, size_t size, char out[CONF_SHA256_TEXT]);

#endif
