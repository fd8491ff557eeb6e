/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - compiled code on disk.  An entry is one file: header, then bytes.
 * Invariant: a name holds a whole entry or none (written aside, then renamed),
 * and an entry is used only if its key, size and hash match.  A directory or
 * an entry that others may write to is not used: it becomes code.
 */
#include "compiler/compile.h"
#include "compiler/halbin_internal.h"
#include "compiler/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC        "HALCACH1"
#define HEADER_BYTES 40u /* magic, key (2 x 8), size, hash of the bytes */
#define ENTRY_LIMIT  ((size_t)1 << 30)
#define PATH_ROOM    4096

struct cache_key cache_key_of(const void *const *parts, const size_t *sizes,
                              size_t n_parts)
{
    struct cache_key key = { { 0, 0 } };
    XXH3_state_t *state = XXH3_createState();
    XXH128_hash_t hash;
    uint8_t size[8];

    if (!state)
        return key; /* matches nothing, see key_path */
    XXH3_128bits_reset(state);
    for (size_t i = 0; i < n_parts; i++) {
        /* with its length, so that "ab","c" and "a","bc" differ */
        halbin_put64(size, sizes[i]);
        XXH3_128bits_update(state, size, sizeof size);
        XXH3_128bits_update(state, parts[i], sizes[i]);
    }
    hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    key.hash[0] = hash.high64;
    key.hash[1] = hash.low64;
    return key;
}

/* The directory's name; 0 without one. */
static int cache_dir(char *out, size_t room)
{
    static const struct {
        const char *variable, *suffix;
    } places[] = { { "HALCYON_CACHE_DIR", "" },
                   { "XDG_CACHE_HOME", "/halcyon" },
                   { "HOME", "/.cache/halcyon" } };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *dir = getenv(places[i].variable);
        int n;

        if (!dir || !*dir)
            continue;
        n = snprintf(out, room, "%s%s", dir, places[i].suffix);
        return n > 0 && (size_t)n < room;
    }
    return 0;
}

/* Makes a directory and what it lies in; others shall not look into it. */
static void make_dirs(char *path)
{
    for (char *p = path + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(path, 0700);
        *p = '/';
    }
    mkdir(path, 0700);
}

static int is_ours(const char *dir)
{
    struct stat is;

    return stat(dir, &is) == 0 && S_ISDIR(is.st_mode) &&
           is.st_uid == geteuid() && !(is.st_mode & (S_IWGRP | S_IWOTH));
}

/* 0: there is no place for this entry. */
static int key_path(const struct cache_key *key, const char *kind, char *dir,
                    char *path)
{
    if (!(key->hash[0] | key->hash[1]) || !*kind ||
        strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(kind))
        return 0;
    return cache_dir(dir, PATH_ROOM - 128) &&
           snprintf(path, PATH_ROOM, "%s/%016llx%016llx.%.32s", dir,
                    (unsigned long long)key->hash[0],
                    (unsigned long long)key->hash[1], kind) < PATH_ROOM;
}

static int entry_matches(const uint8_t *p, size_t size,
                         const struct cache_key *key)
{
    return size >= HEADER_BYTES && !memcmp(p, MAGIC, 8) &&
           halbin_get64(p + 8) == key->hash[0] &&
           halbin_get64(p + 16) == key->hash[1] &&
           halbin_get64(p + 24) == size - HEADER_BYTES &&
           halbin_get64(p + 32) ==
               XXH3_64bits(p + HEADER_BYTES, size - HEADER_BYTES);
}

int cache_get(const struct cache_key *key, const char *kind, void **out_bytes,
              size_t *out_size)
{
    char dir[PATH_ROOM], path[PATH_ROOM];
    void *bytes;
    size_t size;
    int e;

    if (!key_path(key, kind, dir, path) || !is_ours(dir))
        return 0;
    e = file_read_own(path, ENTRY_LIMIT, &bytes, &size);
    if (e) {
        /* what is no file of ours blocks the name for good */
        if (e != ENOENT && e != ENOMEM)
            unlink(path);
        return 0;
    }
    if (!entry_matches(bytes, size, key)) {
        /* Another process may just have put a good one there; then that is
         * lost and made again, which is slow but right. */
        unlink(path);
        free(bytes);
        return 0;
    }
    memmove(bytes, (char *)bytes + HEADER_BYTES, size - HEADER_BYTES);
    *out_bytes = bytes;
    *out_size = size - HEADER_BYTES;
    return 1;
}

void cache_put(const struct cache_key *key, const char *kind, const void *bytes,
               size_t size)
{
    char dir[PATH_ROOM], path[PATH_ROOM], aside[PATH_ROOM + 16];
    uint8_t header[HEADER_BYTES];
    int fd, good;

    if (size > ENTRY_LIMIT - HEADER_BYTES || !key_path(key, kind, dir, path))
        return;
    make_dirs(dir);
    if (!is_ours(dir))
        return;
    snprintf(aside, sizeof aside, "%s/.new-XXXXXX", dir);
    fd = mkostemp(aside, O_CLOEXEC);
    if (fd < 0)
        return;
    memcpy(header, MAGIC, 8);
    halbin_put64(header + 8, key->hash[0]);
    halbin_put64(header + 16, key->hash[1]);
    halbin_put64(header + 24, size);
    halbin_put64(header + 32, XXH3_64bits(bytes, size));
    good = write(fd, header, sizeof header) == (ssize_t)sizeof header;
    for (size_t done = 0; good && done < size;) {
        ssize_t n = write(fd, (const char *)bytes + done, size - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            good = 0; /* the disk is full: no entry then */
    }
    good = close(fd) == 0 && good;
    if (!good || rename(aside, path) != 0)
        unlink(aside);
}
