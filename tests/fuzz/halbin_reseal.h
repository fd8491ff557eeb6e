/* SPDX-License-Identifier: Apache-2.0 */
/*
 * halbin_reseal.h - makes the hashes of a changed .halbin right again, so that
 * tests and the fuzzer get past them to the checks that keep memory safe.
 */
#ifndef TESTS_HALBIN_RESEAL_H
#define TESTS_HALBIN_RESEAL_H

#include "compiler/halbin_internal.h"

#include <xxhash.h>

static inline void halbin_reseal(uint8_t *b, size_t size)
{
    const size_t front =
        HALBIN_HEADER_BYTES + HALBIN_SECTIONS * HALBIN_SECTION_BYTES;
    uint64_t data = 0, data_size = 0;

    if (size < front)
        return;
    for (uint32_t i = HALBIN_SECTIONS; i-- > 0;) {
        uint8_t *s = b + HALBIN_HEADER_BYTES + i * HALBIN_SECTION_BYTES;
        uint64_t at = halbin_get64(s + 8), n = halbin_get64(s + 16);

        if (at > size || n > size - at)
            continue;
        if (i == HALBIN_DATA) {
            data = at;
            data_size = n;
        }
        for (uint64_t k = 0; i == HALBIN_BLOBS && k + HALBIN_BLOB_BYTES <= n;
             k += HALBIN_BLOB_BYTES) {
            uint8_t *r = b + at + k;
            uint64_t o = halbin_get64(r), m = halbin_get64(r + 8);

            if (o <= data_size && m <= data_size - o)
                halbin_put64(r + 16, XXH3_64bits(b + data + o, m));
        }
        halbin_put64(s + 24, XXH3_64bits(b + at, n));
    }
    halbin_put64(b + 48, 0);
    halbin_put64(b + 48, XXH3_64bits(b, front));
}

#endif
