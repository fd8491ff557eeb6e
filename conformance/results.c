/* SPDX-License-Identifier: Apache-2.0 */
/*
 * results.c - reads reports of halcyon.conform/1.  What they say of themselves
 * is held against their cases in results_check.c.
 */
#include "conformance/results.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/json.h"
#include "conformance/list.h"

/* A verdict takes some 500 bytes; ten thousand cases on a hundred devices. */
#define FILE_MAX   ((size_t)512 << 20)
#define DEVICE_MAX 63

/* ---- files --------------------------------------------------------------- */

char *conf_read_file(const char *path, size_t most, size_t *out_size,
                     char error[CONF_RESULTS_ERROR])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* no FIFO waits */
    struct stat info = { 0 };
    char *text = NULL;
    size_t n = 0;

    if (fd < 0 || fstat(fd, &info)) {
        conf_json_refuse(error, "%.300s: %s", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(info.st_mode)) {
        conf_json_refuse(error, "%.300s: no regular file", path);
        goto out;
    }
    if ((uint64_t)info.st_size > most) {
        conf_json_refuse(error, "%.300s: %llu bytes; at most %zu are read",
                         path, (unsigned long long)info.st_size, most);
        goto out;
    }
    text = malloc((size_t)info.st_size + 1);
    if (!text) {
        conf_json_refuse(error, "%.300s: out of memory", path);
        goto out;
    }
    while (n < (size_t)info.st_size) {
        ssize_t k = read(fd, text + n, (size_t)info.st_size - n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    if (n < (size_t)info.st_size) {
        conf_json_refuse(error, "%.300s: it cannot be read whole", path);
        free(text);
        text = NULL;
        goto out;
    }
    text[n] = 0;
    *out_size = n;
out:
    if (fd >= 0)
        close(fd);
    return text;
}

int conf_is_beneath(const char *real, const char *base)
{
    size_t n = strlen(base);

    return !strncmp(real, base, n) && (n == 1 || real[n] == '/');
}

int conf_path_within(const char *dir, const char *path,
                     char error[CONF_RESULTS_ERROR])
{
    char *base = realpath(dir, NULL), *real = realpath(path, NULL);
    int st = 0;

    /* What is not there cannot be opened either, and whoever tries says so. */
    if (!base || !real)
        st = errno == ENOENT
                 ? 0
                 : conf_json_refuse(error, "%.300s: %s", base ? path : dir,
                                    strerror(errno));
    else if (!conf_is_beneath(real, base))
        st = conf_json_refuse(error, "%.300s: a link that leads out of %.100s",
                              path, dir);
    free(base);
    free(real);
    return st;
}

static int by_place(const void *a, const void *b)
{
    const struct conf_past *x = a, *y = b;
    int order = strcmp(x->device, y->device);

    return order ? order : strcmp(x->name, y->name);
}

/* ---- the cases ----------------------------------------------------------- */

/* Of a case or a device: printed as it is. */
static int is_name(const char *text, size_t most)
{
    size_t n = 0;

    while (text && text[n] > ' ' && text[n] < 0x7f && n <= most)
        n++;
    return n > 0 && n <= most && !text[n];
}

static int take_case(struct conf_results *r, cJSON *item,
                     char error[CONF_RESULTS_ERROR])
{
    const char *name = conf_json_text(item, "name"),
               *device = conf_json_text(item, "device");
    const char *verdict = conf_json_text(item, "verdict");
    const cJSON *ms = conf_json_field(item, "ms");
    struct conf_past *p = &r->at[r->n];
    char why[CONF_RESULTS_WHY];

    if (!is_name(name, CONF_NAME_MAX) || !is_name(device, DEVICE_MAX))
        return conf_json_refuse(
            error, "%.200s: cases[%zu]: no good name or device", r->path, r->n);
    p->verdict = conf_verdict_of(verdict);
    if (p->verdict == CONF_VERDICT_COUNT)
        return conf_json_refuse(error,
                                "%.200s: %.63s %.160s: no verdict '%.40s'",
                                r->path, device, name, verdict);
    if (!cJSON_IsNumber(ms) || !(ms->valuedouble >= 0) ||
        !isfinite(ms->valuedouble))
        return conf_json_refuse(error, "%.200s: %.63s %.160s: ms is no time",
                                r->path, device, name);
    if (conf_json_whole(item, "seed", 0x1p53) != (double)r->seed)
        return conf_json_refuse(
            error, "%.200s: %.63s %.160s: seed is not the %llu of the run",
            r->path, device, name, (unsigned long long)r->seed);
    if (conf_results_verdict(p->verdict, conf_json_text(item, "message"),
                             conf_json_field(item, "metrics"), why))
        return conf_json_refuse(error, "%.150s: %.63s %.120s: %s", r->path,
                                device, name, why);
    p->device = device;
    p->name = name;
    p->ms = ms->valuedouble;
    p->item = item;
    r->n++;
    return 0;
}

static int take_cases(struct conf_results *r, char error[CONF_RESULTS_ERROR])
{
    cJSON *cases = conf_json_field(r->root, "cases"), *item;
    int n = cJSON_GetArraySize(cases);

    if (!cJSON_IsArray(cases) || n < 1)
        return conf_json_refuse(error, "%.300s: cases: none; it proves nothing",
                                r->path);
    r->at = calloc((size_t)n, sizeof *r->at);
    if (!r->at)
        return conf_json_refuse(error, "%.300s: out of memory", r->path);
    cJSON_ArrayForEach(item, cases) if (take_case(r, item, error)) return -1;
    qsort(r->at, r->n, sizeof *r->at, by_place);
    for (size_t i = 1; i < r->n; i++)
        if (!by_place(&r->at[i - 1], &r->at[i]))
            return conf_json_refuse(error,
                                    "%.200s: %.63s %.160s has two verdicts",
                                    r->path, r->at[i].device, r->at[i].name);
    return 0;
}

static int take_left_out(struct conf_results *r, char error[CONF_RESULTS_ERROR])
{
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(r->root, "left_out");
    const cJSON *device, *item;
    size_t n = 0;

    cJSON_ArrayForEach(device, all) n += (size_t)cJSON_GetArraySize(device);
    if (!n)
        return 0;
    r->left_out = calloc(n, sizeof *r->left_out);
    if (!r->left_out)
        return conf_json_refuse(error, "%.300s: out of memory", r->path);
    cJSON_ArrayForEach(device, all)
    {
        cJSON_ArrayForEach(item, device)
        {
            const char *name = cJSON_GetStringValue(item);

            if (!is_name(name, CONF_NAME_MAX) ||
                !is_name(device->string, DEVICE_MAX))
                return conf_json_refuse(
                    error, "%.300s: left_out: no list of names", r->path);
            r->left_out[r->n_left_out++] = (struct conf_past){
                .device = device->string,
                .name = name,
            };
        }
    }
    qsort(r->left_out, r->n_left_out, sizeof *r->left_out, by_place);
    for (size_t i = 0; i < r->n_left_out; i++)
        if ((i && !by_place(&r->left_out[i - 1], &r->left_out[i])) ||
            conf_results_find(r, r->left_out[i].device, r->left_out[i].name))
            return conf_json_refuse(
                error, "%.200s: left_out: %.63s %.160s is there twice", r->path,
                r->left_out[i].device, r->left_out[i].name);
    return 0;
}

int conf_results_parse(struct conf_results *r, const char *path,
                       const char *text, size_t size,
                       char error[CONF_RESULTS_ERROR])
{
    memset(r, 0, sizeof *r);
    r->path = strdup(path);
    if (!r->path)
        return conf_json_refuse(error, "out of memory");
    r->root = conf_json_parse(path, text, size, error);
    if (!r->root)
        return -1;
    return conf_results_head(r, error) || take_cases(r, error) ||
                   take_left_out(r, error) || conf_results_sums(r, error)
               ? -1
               : 0;
}

int conf_results_read(struct conf_results *r, const char *path,
                      char error[CONF_RESULTS_ERROR])
{
    size_t size = 0;
    char *text;
    int st;

    memset(r, 0, sizeof *r);
    text = conf_read_file(path, FILE_MAX, &size, error);
    if (!text)
        return -1;
    st = conf_results_parse(r, path, text, size, error);
    free(text);
    return st;
}

void conf_results_release(struct conf_results *r)
{
    cJSON_Delete(r->root);
    free(r->at);
    free(r->left_out);
    free(r->path);
    memset(r, 0, sizeof *r);
}

const struct conf_past *conf_results_find(const struct conf_results *r,
                                          const char *device, const char *name)
{
    const struct conf_past key = { .device = device, .name = name };

    return r->n ? bsearch(&key, r->at, r->n, sizeof *r->at, by_place) : NULL;
}

/* ---- gaps ---------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int device_whole(const struct conf_results *r, const char *device,
                        const char **names, char error[CONF_RESULTS_ERROR])
{
    char hash[33];
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->at[i].device, device))
            names[n++] = r->at[i].name;
    for (size_t i = 0; i < r->n_left_out; i++)
        if (!strcmp(r->left_out[i].device, device))
            names[n++] = r->left_out[i].name;
    qsort(names, n, sizeof *names, by_name);
    conf_plan_hash(names, n, hash);
    if (n != r->plan_cases)
        return conf_json_refuse(error,
                                "%.200s: %.63s has %zu of the plan's %zu cases",
                                r->path, device, n, r->plan_cases);
    if (strcmp(hash, r->plan_hash))
        return conf_json_refuse(error,
                                "%.200s: the cases of %.63s are not the plan's",
                                r->path, device);
    return 0;
}

int conf_results_whole(const struct conf_results *r,
                       char error[CONF_RESULTS_ERROR])
{
    const char **names;
    int st = 0;

    names = calloc(r->n + r->n_left_out + 1, sizeof *names);
    if (!names)
        return conf_json_refuse(error, "%.300s: out of memory", r->path);
    for (size_t i = 0; i < r->n && !st; i++)
        if (!i || strcmp(r->at[i].device, r->at[i - 1].device))
            st = device_whole(r, r->at[i].device, names, error);
    free(names);
    return st;
}
