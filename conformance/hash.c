/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c - nettle's SHA-256, which uses the processor's instructions for it:
 * each run hashes the program, tens of megabytes. */
#include "conformance/hash.h"

#include <nettle/base16.h>

void conf_hash(const void *data, size_t size, char text[CONF_HASH_TEXT])
{
    struct sha256_ctx sum;

    sha256_init(&sum);
    sha256_update(&sum, size, data);
    conf_hash_end(&sum, text);
}

void conf_hash_end(struct sha256_ctx *sum, char text[CONF_HASH_TEXT])
{
    uint8_t hash[SHA256_DIGEST_SIZE];

    sha256_digest(sum, sizeof hash, hash);
    base16_encode_update(text, sizeof hash, hash);
    text[CONF_HASH_TEXT - 1] = '\0';
}
