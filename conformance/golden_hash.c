/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_hash.c - a pack as one hash: of its index and of every file that the
 * index names, in the order in which it names them.
 */
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/golden.h"

#define CHUNK_BYTES ((size_t)1 << 20)

static int add_file(SHA2_CTX *sum, const char *dir, const char *path,
                    char *chunk, char error[GOLDEN_ERROR])
{
    char why[GOLDEN_ERROR] = "cannot be read";
    uint64_t size;
    int fd = golden_open(dir, path, &size, why);
    uint8_t hash[SHA256_DIGEST_LENGTH];
    SHA2_CTX own;
    ssize_t n = -1;

    SHA256Init(&own);
    if (fd >= 0) {
        while ((n = read(fd, chunk, CHUNK_BYTES)) > 0)
            SHA256Update(&own, (const uint8_t *)chunk, (size_t)n);
        close(fd);
    }
    if (n < 0) {
        (void)snprintf(error, GOLDEN_ERROR, "%.250s: %.250s", path, why);
        return -1;
    }
    /* A hash for each file: bytes cannot move from one to the next. */
    SHA256Final(hash, &own);
    SHA256Update(sum, hash, sizeof hash);
    return 0;
}

int golden_hash(const char *dir, char hex[GOLDEN_HASH],
                char error[GOLDEN_ERROR])
{
    static const char digits[] = "0123456789abcdef";
    struct golden_pack *pack = NULL;
    uint8_t hash[SHA256_DIGEST_LENGTH];
    char path[4096], *chunk = malloc(CHUNK_BYTES);
    SHA2_CTX sum;
    int st = -1;

    if (!chunk) {
        (void)snprintf(error, GOLDEN_ERROR, "%.200s: no host memory", dir);
        goto out;
    }
    if (golden_pack_open(&pack, dir, error))
        goto out;
    SHA256Init(&sum);
    (void)snprintf(path, sizeof path, "%s/index.json", dir);
    st = add_file(&sum, dir, path, chunk, error);
    for (int i = 0; i < pack->n_files && !st; i++)
        st = add_file(&sum, dir, pack->files[i]->path, chunk, error);
    SHA256Final(hash, &sum);
    for (size_t i = 0; i < sizeof hash; i++) {
        hex[2 * i] = digits[hash[i] >> 4];
        hex[2 * i + 1] = digits[hash[i] & 15];
    }
    hex[2 * sizeof hash] = 0;
out:
    golden_pack_close(pack);
    free(chunk);
    return st;
}
