/* SPDX-License-Identifier: Apache-2.0 */
/*
 * package.c - writes the package of a run.  The folder is made under another
 * name and renamed: it is there whole, or not at all.
 */
#include "conformance/package.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "conformance/expect.h"
#include "conformance/json.h"

struct package {
    char *dir; /* the name that it has meanwhile */
    cJSON *files;
};

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "halcyon conform: %s: %s\n", path, what);
    return -1;
}

/* Takes the text. */
static int put_file(struct package *p, const char *name, char *text)
{
    char *path = NULL;
    cJSON *entry;
    size_t size;
    int fd = -1, st = -1;

    if (!text || asprintf(&path, "%s/%s", p->dir, name) < 0) {
        free(text);
        return complain(p->dir, "out of memory");
    }
    size = strlen(text);
    conf_end_removes(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0)
        st = conf_write_all(fd, text, size) || fsync(fd) ? -1 : 0;
    if (st)
        complain(path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (!st && p->files) {
        entry = cJSON_AddObjectToObject(p->files, name);
        cJSON_AddNumberToObject(entry, "bytes", (double)size);
        conf_json_add_hash(entry, "sha256", text, size);
    }
    free(path);
    free(text);
    return st;
}

/* ---- what the manifest says ---------------------------------------------- */

static void add_host(cJSON *root)
{
    cJSON *host = cJSON_AddObjectToObject(root, "host");
    struct utsname u;

    if (uname(&u))
        return;
    cJSON_AddStringToObject(host, "system", u.sysname);
    cJSON_AddStringToObject(host, "release", u.release);
    cJSON_AddStringToObject(host, "version", u.version);
    cJSON_AddStringToObject(host, "machine", u.machine);
    cJSON_AddNumberToObject(host, "processors",
                            (double)sysconf(_SC_NPROCESSORS_ONLN));
}

static void add_origin(cJSON *root, const cJSON *origin, const char *key)
{
    cJSON_AddItemToObject(root, key,
                          cJSON_Duplicate(conf_json_field(origin, key), 1));
}

static char *manifest_text(const struct conf_run *run, struct package *p)
{
    cJSON *root = cJSON_CreateObject(), *devices;

    cJSON_AddStringToObject(root, "schema", CONF_PACKAGE_SCHEMA);
    cJSON_AddStringToObject(root, "started", run->started);
    cJSON_AddStringToObject(root, "plan_hash", run->plan_hash);
    cJSON_AddNumberToObject(root, "seed", (double)run->set->seed);
    add_host(root);
    add_origin(root, run->origin, "program");
    add_origin(root, run->origin, "golden");
    devices = cJSON_AddArrayToObject(root, "devices");
    for (int i = 0; i < run->n_targets; i++) {
        const struct conf_device *d = &run->targets[i].device;
        cJSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, "name", d->name);
        cJSON_AddStringToObject(o, "driver", d->driver);
        cJSON_AddItemToArray(devices, o);
    }
    cJSON_AddItemToObject(root, "files", p->files);
    p->files = NULL;
    return conf_json_line(root);
}

/* ---- writing ------------------------------------------------------------- */

static int put_expects(struct package *p, const struct conf_run *run)
{
    const struct conf_settings *set = run->set;

    for (int i = 0; i < set->expect.n; i++) {
        char name[32], error[CONF_RESULTS_ERROR];
        char hash[CONF_HASH_TEXT];
        size_t size = 0;
        char *text = conf_read_file(set->expect.at[i], CONF_PACKAGE_FILE_MAX,
                                    &size, error);

        snprintf(name, sizeof name, "expect-%d.txt", i + 1);
        if (!text)
            return complain(error, "it has gone");
        conf_hash(text, size, hash);
        if (strcmp(hash, run->expects->hashes[i])) {
            free(text);
            return complain(set->expect.at[i], "it was changed meanwhile");
        }
        if (put_file(p, name, text))
            return -1;
    }
    return 0;
}

static void remove_all(const char *dir)
{
    static const char *const names[] = { CONF_PACKAGE_RESULT,
                                         CONF_PACKAGE_MANIFEST, "report.html",
                                         "report.tap", "junit.xml" };
    char path[4200];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    for (int i = 1;; i++) {
        snprintf(path, sizeof path, "%s/expect-%d.txt", dir, i);
        if (unlink(path))
            break;
    }
    rmdir(dir);
}

int conf_package_open(const struct conf_settings *set)
{
    if (!set->package)
        return 0;
    /* Made now, so that a place that cannot be written costs no run; an empty
     * folder is what the finished one can be renamed onto. */
    if (mkdir(set->package, 0777) && errno != EEXIST)
        return complain(set->package, strerror(errno));
    if (access(set->package, W_OK))
        return complain(set->package, strerror(errno));
    if (rmdir(set->package))
        return complain(set->package,
                        errno == ENOTEMPTY || errno == EEXIST
                            ? "--package wants a new or an empty folder"
                            : strerror(errno));
    return 0;
}

int conf_package_write(const struct conf_run *run)
{
    const char *to = run->set->package;
    struct package p = { 0 };
    size_t n;
    int st = -1;

    if (!to)
        return 0;
    n = strlen(to);
    while (n > 1 && to[n - 1] == '/')
        n--;
    if (asprintf(&p.dir, "%.*s.%ld.tmp", (int)n, to, (long)getpid()) < 0)
        return complain(to, "out of memory");
    p.files = cJSON_CreateObject();
    conf_end_removes(p.dir);
    if (mkdir(p.dir, 0777))
        complain(p.dir, strerror(errno));
    else if (!put_file(&p, CONF_PACKAGE_RESULT, conf_report_json(run)) &&
             !put_file(&p, "report.html", conf_report_html(run)) &&
             !put_file(&p, "report.tap", conf_report_tap(run)) &&
             !put_file(&p, "junit.xml", conf_report_junit(run)) &&
             !put_expects(&p, run) &&
             !put_file(&p, CONF_PACKAGE_MANIFEST, manifest_text(run, &p)))
        st = 0;
    if (!st && rename(p.dir, to))
        st = complain(to, strerror(errno));
    if (st)
        remove_all(p.dir);
    conf_end_keeps(p.dir);
    cJSON_Delete(p.files);
    free(p.dir);
    return st;
}
