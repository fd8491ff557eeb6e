/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.c - reading sources, writing results.  Invariant: what stands under a
 * result's name is whole, and nothing else is touched.
 */
#include "tools/halcc/halcc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *out_of_memory(void)
{
    fprintf(stderr, "halcc: out of memory\n");
    return NULL;
}

char *read_file(const char *path, size_t *out_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
    const char *why = NULL;
    char *bytes = NULL;
    struct stat is;

    if (!f || fstat(fd, &is) != 0)
        why = strerror(errno);
    else if (!S_ISREG(is.st_mode))
        why = "no regular file";
    else if ((uint64_t)is.st_size > HALBIN_FILE_MAX)
        why = "more than a GiB is neither a source nor a .halbin";
    else if (!(bytes = malloc((size_t)is.st_size + 1)))
        why = "out of memory";
    if (bytes) {
        *out_size = fread(bytes, 1, (size_t)is.st_size, f);
        bytes[*out_size] = 0;
        if (ferror(f))
            why = strerror(errno);
    }
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
    if (!why)
        return bytes;
    fprintf(stderr, "halcc: %s: %s\n", path, why);
    free(bytes);
    return NULL;
}

static int write_stdout(const void *bytes, size_t size)
{
    if (bytes)
        fwrite(bytes, 1, size, stdout);
    if (!fflush(stdout) && !ferror(stdout))
        return 1;
    fprintf(stderr, "halcc: standard output: %s\n", strerror(errno));
    return 0;
}

int finish_stdout(void)
{
    return write_stdout(NULL, 0) ? 0 : EXIT_SOURCE;
}

/* A new file beside `path`, under a name that nothing has; NULL: errno.  It
 * gets the permissions that a plain fopen would give. */
static FILE *open_aside(const char *path, char *out_aside, size_t room)
{
    mode_t mask = umask(0);
    FILE *f;
    int fd;

    umask(mask);
    snprintf(out_aside, room, "%s.XXXXXX", path);
    fd = mkostemp(out_aside, O_CLOEXEC);
    if (fd < 0)
        return NULL;
    fchmod(fd, 0666 & ~mask);
    f = fdopen(fd, "wb");
    if (!f) {
        close(fd);
        unlink(out_aside);
    }
    return f;
}

/* Written aside and renamed, so that no half file is left.  What is there and
 * no plain file (/dev/null, a pipe) is written to. */
int write_file(const char *path, const void *bytes, size_t size)
{
    size_t room = strlen(path) + 8;
    struct stat is;
    char *aside;
    FILE *f;
    int good, e, plain = stat(path, &is) != 0 || S_ISREG(is.st_mode);

    if (!strcmp(path, "-"))
        return write_stdout(bytes, size);
    aside = malloc(room);
    if (!aside)
        return out_of_memory() != NULL;
    f = plain ? open_aside(path, aside, room) : fopen(path, "wb");
    good = f && fwrite(bytes, 1, size, f) == size;
    if (f)
        good = fclose(f) == 0 && good;
    if (plain)
        good = good && rename(aside, path) == 0;
    e = errno;
    if (!good && f && plain)
        unlink(aside);
    if (!good)
        fprintf(stderr, "halcc: %s: %s\n", path, strerror(e));
    free(aside);
    return good;
}

const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

char *dir_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}
