/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outfile.c - reports as files that are there whole or not at all: written
 * under another name in the same folder, then renamed.  What is no regular
 * file (a pipe, /dev/stdout) is written in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/results.h"
#include "conformance/runner.h"

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "halcyon conform: %s: %s: %s\n", path, what,
            strerror(errno));
    return -1;
}

/* The one name of a path, whether there is something or not yet; the caller
 * frees it.  NULL if not even its folder is there. */
static char *place_of(const char *path)
{
    char *place = realpath(path, NULL), *text, *folder, *name, *slash;
    size_t n = strlen(path);

    if (place || !(text = strdup(path)))
        return place;
    while (n > 1 && text[n - 1] == '/')
        text[--n] = 0;
    slash = strrchr(text, '/');
    name = slash ? slash + 1 : text;
    if (slash)
        *slash = 0;
    folder = realpath(!slash ? "." : *text ? text : "/", NULL);
    if (folder && asprintf(&place, "%s/%s", folder, name) < 0)
        place = NULL;
    free(folder);
    free(text);
    return place;
}

int conf_is_same_place(const char *a, const char *b)
{
    char *x, *y;
    int same;

    if (!strcmp(a, b))
        return 1;
    if (!strcmp(a, "-") || !strcmp(b, "-"))
        return 0;
    x = place_of(a);
    y = place_of(b);
    same = x && y && !strcmp(x, y);
    free(x);
    free(y);
    return same;
}

int conf_is_within(const char *path, const char *dir)
{
    char *x = strcmp(path, "-") ? place_of(path) : NULL, *y = place_of(dir);
    int within = x && y && conf_is_beneath(x, y);

    free(x);
    free(y);
    return within;
}

int conf_outfile_open(struct conf_outfile *o, const char *path)
{
    struct stat info;
    int exists, fd;

    memset(o, 0, sizeof *o);
    if (!path)
        return 0;
    if (!strcmp(path, "-")) {
        o->file = stdout;
        o->path = strdup("(stdout)");
        return 0;
    }
    exists = stat(path, &info) == 0;
    /* Behind a symbolic link the file is replaced, not the link; a link that
     * leads to nothing is itself replaced. */
    o->path =
        exists && S_ISREG(info.st_mode) ? realpath(path, NULL) : strdup(path);
    if (!o->path)
        return complain(path, "cannot write");
    if (exists && !S_ISREG(info.st_mode)) {
        o->file = fopen(o->path, "we");
        if (!o->file)
            goto failed;
        return 0;
    }
    if (exists && access(o->path, W_OK))
        goto failed;
    if (asprintf(&o->temporary, "%s.%ld.tmp", o->path, (long)getpid()) < 0) {
        o->temporary = NULL;
        goto failed;
    }
    conf_end_removes(o->temporary);
    fd = open(o->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
              exists ? info.st_mode & 0777 : 0666);
    o->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (o->file)
        return 0;
    if (fd >= 0)
        close(fd);
failed:
    complain(path, "cannot write");
    conf_outfile_abandon(o);
    return -1;
}

int conf_outfile_finish(struct conf_outfile *o, const char *text)
{
    int bad;

    if (!o->file)
        return 0;
    bad = !text || fputs(text, o->file) < 0 || fflush(o->file) ||
          (o->temporary && fsync(fileno(o->file)));
    if (o->file != stdout && fclose(o->file))
        bad = 1;
    o->file = NULL;
    if (!bad && o->temporary) {
        bad = rename(o->temporary, o->path) != 0;
        if (!bad) {
            conf_end_keeps(o->temporary);
            free(o->temporary);
            o->temporary = NULL;
        }
    }
    if (bad)
        complain(o->path, "cannot write");
    conf_outfile_abandon(o);
    return bad ? -1 : 0;
}

void conf_outfile_abandon(struct conf_outfile *o)
{
    if (o->file && o->file != stdout)
        fclose(o->file);
    if (o->temporary) {
        unlink(o->temporary);
        conf_end_keeps(o->temporary);
    }
    free(o->temporary);
    free(o->path);
    memset(o, 0, sizeof *o);
}
