/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_index.c - opens a pack: index.json against the headers of the files
 * that it names.  Nothing is taken on trust; nothing is dropped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/golden.h"
#include "conformance/results.h"

#define INDEX_MAX   ((size_t)256 << 20)
#define INDEX_DEPTH 24
#define VALUES_MAX  64  /* inputs, or outputs, of a case */
#define NAME_MAX_   120 /* leaves room for "golden." and a pack's name */

/* "dir/index.json: case "x": inputs.q: dtype ..." */
static int fail(char error[GOLDEN_ERROR], const char *file, const char *name,
                const char *what)
{
    (void)snprintf(error, GOLDEN_ERROR, "%.180s: %s%.120s%s%.200s", file,
                   name ? "case \"" : "", name ? name : "", name ? "\": " : "",
                   what);
    return -1;
}

static const char *string_of(const cJSON *object, const char *key)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsString(v) ? v->valuestring : NULL;
}

/* Part of a case's name on a command line, in a path, in a report. */
static int name_ok(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
                            "XYZ0123456789._+-");

    return n > 0 && n <= NAME_MAX_ && name[n] == 0;
}

/* Relative, beneath the pack, no tricks. */
static int path_ok(const char *path)
{
    if (!*path || *path == '/' || strchr(path, '\\') || strlen(path) > 200)
        return 0;
    for (const char *p = path; p;) {
        const char *slash = strchr(p, '/');
        size_t n = slash ? (size_t)(slash - p) : strlen(p);

        if (n == 0 || (n == 1 && p[0] == '.') ||
            (n == 2 && p[0] == '.' && p[1] == '.'))
            return 0;
        p = slash ? slash + 1 : NULL;
    }
    return 1;
}

static struct golden_file *file_of(struct golden_pack *pack, const char *name,
                                   char error[GOLDEN_ERROR])
{
    char path[4096], why[GOLDEN_ERROR];
    struct golden_file **grown, *f;

    if (snprintf(path, sizeof path, "%s/%s", pack->dir, name) >=
        (int)sizeof path) {
        fail(error, name, NULL, "the path is too long");
        return NULL;
    }
    for (int i = 0; i < pack->n_files; i++)
        if (strcmp(pack->files[i]->path, path) == 0)
            return pack->files[i];
    grown =
        realloc(pack->files, (size_t)(pack->n_files + 1) * sizeof *pack->files);
    f = calloc(1, sizeof *f);
    if (grown)
        pack->files = grown;
    if (!grown || !f) {
        free(f);
        fail(error, name, NULL, "no host memory");
        return NULL;
    }
    if (golden_file_open(f, pack->dir, path, why)) {
        (void)snprintf(error, GOLDEN_ERROR, "%.250s: %.250s", path, why);
        free(f);
        return NULL;
    }
    pack->files[pack->n_files++] = f;
    return f;
}

/* What the index says of a tensor must be what its file says. */
static int value_parse(struct golden_value *out, const struct golden_case *g,
                       const cJSON *v, const char *side, char what[200])
{
    const char *key = string_of(v, "tensor"), *type = string_of(v, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(v, "shape"), *dim;
    int rank = 0;

#define REFUSE(...)                                                  \
    do {                                                             \
        int n_ = snprintf(what, 200, "%s.%.60s: ", side, v->string); \
        (void)snprintf(what + n_, (size_t)(200 - n_), __VA_ARGS__);  \
        return -1;                                                   \
    } while (0)
    if (!key || !type || !cJSON_IsArray(shape))
        REFUSE("tensor, dtype or shape is missing");
    out->name = v->string;
    out->logical = string_of(v, "logical");
    out->t = golden_file_find(g->file, key);
    if (!out->t)
        REFUSE("the file has no tensor \"%.80s\"", key);
    if (strcmp(type, out->t->type->name) != 0)
        REFUSE("dtype is %.16s, in the file %s", type, out->t->type->name);
    cJSON_ArrayForEach(dim, shape)
    {
        uint64_t d;

        if (rank == out->t->rank || golden_whole(dim, INT64_MAX, &d) ||
            (int64_t)d != out->t->shape[rank])
            REFUSE("shape is not that of the file");
        rank++;
    }
    if (rank != out->t->rank)
        REFUSE("shape is not that of the file");
#undef REFUSE
    return 0;
}

static int values_parse(struct golden_value **out, int *count,
                        const struct golden_case *g, const cJSON *entry,
                        const char *side, char what[200])
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(entry, side), *v;

    if (!cJSON_IsObject(object)) {
        (void)snprintf(what, 200, "%s is missing or no object", side);
        return -1;
    }
    if (cJSON_GetArraySize(object) > VALUES_MAX) {
        (void)snprintf(what, 200, "%s has too many tensors", side);
        return -1;
    }
    *out = calloc((size_t)cJSON_GetArraySize(object) + 1, sizeof **out);
    if (!*out) {
        (void)snprintf(what, 200, "no host memory");
        return -1;
    }
    cJSON_ArrayForEach(v, object)
    {
        for (int i = 0; i < *count; i++)
            if (strcmp((*out)[i].name, v->string) == 0) {
                (void)snprintf(what, 200, "%s.%.60s is there twice", side,
                               v->string);
                return -1;
            }
        if (value_parse(&(*out)[*count], g, v, side, what))
            return -1;
        ++*count;
    }
    return 0;
}

static int case_parse(struct golden_pack *pack, struct golden_case *g,
                      const cJSON *entry, const char *index,
                      char error[GOLDEN_ERROR])
{
    const cJSON *flags = cJSON_GetObjectItemCaseSensitive(entry, "flags");
    const char *file = string_of(entry, "file");
    char what[200];

    g->name = string_of(entry, "name");
    g->op = string_of(entry, "op");
    g->dtype = string_of(entry, "dtype");
    g->attrs = cJSON_GetObjectItemCaseSensitive(entry, "attrs");
    g->hint = cJSON_GetObjectItemCaseSensitive(entry, "tolerance_hint");
    if (!g->name || !name_ok(g->name))
        return fail(error, index, g->name,
                    "name must be letters, digits and ._+-, at most 120");
    if (!g->op || !*g->op)
        return fail(error, index, g->name, "op is missing or no string");
    if (!file)
        return fail(error, index, g->name, "file is missing or no string");
    if (!path_ok(file))
        return fail(error, index, g->name,
                    "file must be a path within the pack, without ..");
    if ((g->attrs && !cJSON_IsObject(g->attrs)) ||
        (g->hint && !cJSON_IsObject(g->hint)) ||
        (flags && !cJSON_IsArray(flags)))
        return fail(error, index, g->name,
                    "attrs and tolerance_hint must be objects, flags a list");
    g->flags = flags;
    g->file = file_of(pack, file, error);
    if (!g->file)
        return -1;
    if (values_parse(&g->inputs, &g->n_inputs, g, entry, "inputs", what) ||
        values_parse(&g->outputs, &g->n_outputs, g, entry, "outputs", what))
        return fail(error, index, g->name, what);
    if (g->n_outputs == 0)
        return fail(error, index, g->name, "outputs is empty");
    return 0;
}

/* Of the descriptor that was checked: the path may be another file by now. */
static char *read_text(const char *dir, const char *path, size_t *length,
                       char error[GOLDEN_ERROR])
{
    char why[GOLDEN_ERROR], *text = NULL;
    uint64_t size = 0;
    ssize_t n = -1;
    size_t at = 0;
    int fd = golden_open(dir, path, &size, why);

    if (fd < 0) {
        (void)snprintf(error, GOLDEN_ERROR, "%.250s: %.250s", path, why);
        return NULL;
    }
    if (size > INDEX_MAX) {
        fail(error, path, NULL, "is larger than 256 MiB");
        goto out;
    }
    text = malloc((size_t)size + 1);
    while (text && at < size && (n = read(fd, text + at, size - at)) > 0)
        at += (size_t)n;
    if (!text || at != size) {
        free(text);
        text = NULL;
        fail(error, path, NULL, "cannot be read");
        goto out;
    }
    text[at] = 0;
    *length = at;
out:
    close(fd);
    return text;
}

static int name_twice(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int names_unique(const struct golden_pack *pack, const char *index,
                        char error[GOLDEN_ERROR])
{
    const char **names = calloc((size_t)pack->n_cases, sizeof *names);
    int st = 0;

    if (!names)
        return fail(error, index, NULL, "no host memory");
    for (int i = 0; i < pack->n_cases; i++)
        names[i] = pack->cases[i].name;
    qsort(names, (size_t)pack->n_cases, sizeof *names, name_twice);
    for (int i = 1; i < pack->n_cases && !st; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            st = fail(error, index, names[i], "is there twice");
    free(names);
    return st;
}

int golden_index_parse(struct golden_pack *pack, const char *index,
                       const char *text, size_t length,
                       char error[GOLDEN_ERROR])
{
    const cJSON *entry;
    char why[GOLDEN_ERROR];

    pack->index = golden_json(text, length, INDEX_DEPTH, why);
    if (!pack->index)
        return fail(error, index, NULL, why);
    if (!cJSON_IsArray(pack->index) || !pack->index->child)
        return fail(error, index, NULL, "is no list of cases, or an empty one");
    pack->cases =
        calloc((size_t)cJSON_GetArraySize(pack->index), sizeof *pack->cases);
    if (!pack->cases)
        return fail(error, index, NULL, "no host memory");
    cJSON_ArrayForEach(entry, pack->index)
    {
        if (!cJSON_IsObject(entry))
            return fail(error, index, NULL, "holds something that is no case");
        if (case_parse(pack, &pack->cases[pack->n_cases++], entry, index,
                       error))
            return -1;
    }
    return names_unique(pack, index, error);
}

int golden_pack_open(struct golden_pack **out, const char *dir,
                     char error[GOLDEN_ERROR])
{
    struct golden_pack *pack = calloc(1, sizeof *pack);
    char index[4096];
    size_t length = 0;
    char *text = NULL;
    int st = -1;

    errno = 0;
    if (!pack || !(pack->dir = strdup(dir)) ||
        snprintf(index, sizeof index, "%s/index.json", dir) >=
            (int)sizeof index) {
        fail(error, dir, NULL, "no host memory, or the path is too long");
        goto out;
    }
    text = read_text(dir, index, &length, error);
    if (!text)
        goto out;
    st = golden_index_parse(pack, index, text, length, error);
    if (st)
        goto out;
    *out = pack;
    pack = NULL;
out:
    free(text);
    golden_pack_close(pack);
    return st;
}

void golden_pack_close(struct golden_pack *pack)
{
    if (!pack)
        return;
    for (int i = 0; i < pack->n_cases; i++) {
        free(pack->cases[i].inputs);
        free(pack->cases[i].outputs);
    }
    for (int i = 0; i < pack->n_files; i++) {
        golden_file_close(pack->files[i]);
        free(pack->files[i]);
    }
    free(pack->cases);
    free(pack->files);
    cJSON_Delete(pack->index);
    free(pack->dir);
    free(pack);
}

static int values_same(const struct golden_case *a,
                       const struct golden_value *va,
                       const struct golden_case *b,
                       const struct golden_value *vb, int n)
{
    char error[GOLDEN_ERROR];

    for (int i = 0; i < n; i++) {
        const struct golden_tensor *x = va[i].t, *y = vb[i].t;
        const void *dx, *dy;

        if (strcmp(va[i].name, vb[i].name) || x->type != y->type ||
            x->rank != y->rank ||
            memcmp(x->shape, y->shape, sizeof x->shape[0] * (size_t)x->rank))
            return 0;
        dx = golden_file_data(a->file, x, error);
        dy = golden_file_data(b->file, y, error);
        if (!dx || !dy || memcmp(dx, dy, (size_t)(x->end - x->begin)))
            return 0;
    }
    return 1;
}

int golden_case_same(const struct golden_case *a, const struct golden_case *b)
{
    if (strcmp(a->op, b->op) || a->n_inputs != b->n_inputs ||
        a->n_outputs != b->n_outputs || !a->attrs != !b->attrs ||
        (a->attrs && !cJSON_Compare(a->attrs, b->attrs, 1)))
        return 0;
    return values_same(a, a->inputs, b, b->inputs, a->n_inputs) &&
           values_same(a, a->outputs, b, b->outputs, a->n_outputs);
}
