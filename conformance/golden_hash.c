/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_hash.c - a pack as one hash: of its index and of every file that the
 * index names, in the order in which it names them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/golden.h"

#define CHUNK_BYTES ((size_t)1 << 20)

static int add_file(struct sha256_ctx *sum, const char *dir, const char *path,
                    char *chunk, char error[GOLDEN_ERROR])
{
    char why[GOLDEN_ERROR] = "cannot be read";
    uint64_t size;
    int fd = golden_open(dir, path, &size, why);
    uint8_t hash[SHA256_DIGEST_SIZE];
    struct sha256_ctx own;
    ssize_t n = -1;

    sha256_init(&own);
    if (fd >= 0) {
        while ((n = read(fd, chunk, CHUNK_BYTES)) > 0)
            sha256_update(&own, (size_t)n, (const uint8_t *)chunk);
        close(fd);
    }
    if (n < 0) {
        (void)snprintf(error, GOLDEN_ERROR, "%.250s: %.250s", path, why);
        return -1;
    }
    /* A hash for each file: bytes cannot move from one to the next. */
    sha256_digest(&own, sizeof hash, hash);
    sha256_update(sum, sizeof hash, hash);
    return 0;
}

int golden_hash(const char *dir, char hex[CONF_HASH_TEXT],
                char error[GOLDEN_ERROR])
{
    struct golden_pack *pack = NULL;
    char path[4096], *chunk = malloc(CHUNK_BYTES);
    struct sha256_ctx sum;
    int st = -1;

    if (!chunk) {
        (void)snprintf(error, GOLDEN_ERROR, "%.200s: no host memory", dir);
        goto out;
    }
    if (golden_pack_open(&pack, dir, error))
        goto out;
    sha256_init(&sum);
    (void)snprintf(path, sizeof path, "%s/index.json", dir);
    st = add_file(&sum, dir, path, chunk, error);
    for (int i = 0; i < pack->n_files && !st; i++)
        st = add_file(&sum, dir, pack->files[i]->path, chunk, error);
    conf_hash_end(&sum, hex);
out:
    golden_pack_close(pack);
    free(chunk);
    return st;
}
