/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_safetensors.c - a strict reader of safetensors files.
 *
 * Strict: every tensor's bytes are exactly shape x type, the tensors cover the
 * data without hole or overlap, names are unique, nothing follows the header.
 * Data are read, not mapped: a file that shrinks meanwhile must not kill us.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/golden.h"
#include "conformance/json.h"
#include "conformance/results.h"

#define HEADER_MAX   ((uint64_t)64 << 20)
#define DATA_MAX     ((uint64_t)4 << 30) /* read whole into host memory */
#define HEADER_DEPTH 4                   /* names -> entry -> shape */

static const struct golden_type types[] = {
    { "F64", halF64, 8 },      { "F32", halF32, 4 },
    { "F16", halF16, 2 },      { "BF16", halBF16, 2 },
    { "I64", halI64, 8 },      { "U64", halU64, 8 },
    { "I32", halI32, 4 },      { "U32", halU32, 4 },
    { "I16", halI16, 2 },      { "U16", halU16, 2 },
    { "I8", halI8, 1 },        { "U8", halU8, 1 },
    { "BOOL", halU8, 1 },      { "F8_E4M3", halE4M3, 1 },
    { "F8_E5M2", halE5M2, 1 },
};

const struct golden_type *golden_type_find(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

static int fail(char error[GOLDEN_ERROR], const char *key, const char *what)
{
    (void)snprintf(error, GOLDEN_ERROR, "%s%.200s%s%s", key ? "\"" : "",
                   key ? key : "", key ? "\": " : "", what);
    return -1;
}

/* ---- JSON ------------------------------------------------------------- */

/* cJSON recurses; this bounds how far, without understanding more than
 * strings and brackets. */
static int depth_of(const char *text, size_t length)
{
    int depth = 0, deepest = 0, quoted = 0;

    for (size_t i = 0; i < length; i++) {
        char ch = text[i];

        if (quoted) {
            if (ch == '\\')
                i++;
            else if (ch == '"')
                quoted = 0;
        } else if (ch == '"') {
            quoted = 1;
        } else if (ch == '{' || ch == '[') {
            if (++depth > deepest)
                deepest = depth;
        } else if (ch == '}' || ch == ']') {
            depth--;
        }
    }
    return deepest;
}

cJSON *golden_json(const char *text, size_t length, int depth_max,
                   char error[GOLDEN_ERROR])
{
    const char *end = NULL;
    cJSON *json;

    if (memchr(text, 0, length)) {
        fail(error, NULL, "holds a zero byte");
        return NULL;
    }
    if (depth_of(text, length) > depth_max) {
        fail(error, NULL, "is nested too deeply");
        return NULL;
    }
    json = cJSON_ParseWithLengthOpts(text, length, &end, 0);
    if (!json) {
        (void)snprintf(error, GOLDEN_ERROR, "is not JSON near byte %zu",
                       end ? (size_t)(end - text) : 0);
        return NULL;
    }
    while (end < text + length && strchr(" \t\r\n", *end))
        end++;
    if (end != text + length) {
        cJSON_Delete(json);
        (void)snprintf(error, GOLDEN_ERROR,
                       "has something after the JSON at byte %zu",
                       (size_t)(end - text));
        return NULL;
    }
    if (conf_json_sound(json, text, length, error, GOLDEN_ERROR)) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

int golden_whole(const cJSON *number, uint64_t max, uint64_t *out)
{
    double v;

    if (!cJSON_IsNumber(number))
        return -1;
    v = number->valuedouble;
    if (!(v >= 0 && v <= 0x1p53 && v <= (double)max) ||
        (double)(uint64_t)v != v)
        return -1;
    *out = (uint64_t)v;
    return 0;
}

/* ---- the header -------------------------------------------------------- */

static int shape_parse(struct golden_tensor *t, const cJSON *shape,
                       char error[GOLDEN_ERROR])
{
    const cJSON *dim;

    if (!cJSON_IsArray(shape))
        return fail(error, t->key, "shape is missing or no list");
    t->count = 1;
    cJSON_ArrayForEach(dim, shape)
    {
        uint64_t v;

        if (t->rank == GOLDEN_RANK_MAX)
            return fail(error, t->key, "shape has more than 8 dimensions");
        if (golden_whole(dim, INT64_MAX, &v))
            return fail(error, t->key, "shape holds no whole number");
        t->shape[t->rank++] = (int64_t)v;
        if (__builtin_mul_overflow(t->count, (int64_t)v, &t->count))
            return fail(error, t->key, "the product of shape overflows");
    }
    return 0;
}

static int entry_parse(struct golden_tensor *t, const cJSON *entry,
                       uint64_t data_size, char error[GOLDEN_ERROR])
{
    const cJSON *type, *offsets;
    uint64_t bytes;

    t->key = strdup(entry->string);
    if (!t->key)
        return fail(error, entry->string, "no host memory");
    if (!cJSON_IsObject(entry) || cJSON_GetArraySize(entry) != 3)
        return fail(error, t->key,
                    "want exactly dtype, shape and data_offsets");
    type = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
    offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    if (!cJSON_IsString(type))
        return fail(error, t->key, "dtype is missing or no string");
    t->type = golden_type_find(type->valuestring);
    if (!t->type)
        return fail(error, t->key, "dtype is unknown");
    if (shape_parse(t, cJSON_GetObjectItemCaseSensitive(entry, "shape"), error))
        return -1;
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        golden_whole(offsets->child, data_size, &t->begin) ||
        golden_whole(offsets->child->next, data_size, &t->end) ||
        t->begin > t->end)
        return fail(error, t->key,
                    "data_offsets are not two offsets, in "
                    "order, within the data");
    if (__builtin_mul_overflow((uint64_t)t->count, (uint64_t)t->type->bytes,
                               &bytes) ||
        bytes != t->end - t->begin)
        return fail(error, t->key, "data_offsets do not fit shape and dtype");
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const struct golden_tensor *x = a, *y = b;

    return strcmp(x->key, y->key);
}

static int by_offset(const void *a, const void *b)
{
    const struct golden_tensor *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* No hole, no overlap, no name twice; leaves the tensors sorted by key. */
static int whole(struct golden_file *f, char error[GOLDEN_ERROR])
{
    uint64_t at = 0;

    if (f->n_tensors)
        qsort(f->tensors, f->n_tensors, sizeof f->tensors[0], by_offset);
    for (size_t i = 0; i < f->n_tensors; i++) {
        if (f->tensors[i].begin != at)
            return fail(error, f->tensors[i].key,
                        "its data overlap others or leave a hole");
        at = f->tensors[i].end;
    }
    if (at != f->data_size)
        return fail(error, NULL, "holds data that no tensor names, or is cut");
    if (f->n_tensors)
        qsort(f->tensors, f->n_tensors, sizeof f->tensors[0], by_key);
    for (size_t i = 1; i < f->n_tensors; i++)
        if (strcmp(f->tensors[i - 1].key, f->tensors[i].key) == 0)
            return fail(error, f->tensors[i].key, "is there twice");
    return 0;
}

static int metadata_check(const cJSON *entry, char error[GOLDEN_ERROR])
{
    const cJSON *item;

    if (!cJSON_IsObject(entry))
        return fail(error, entry->string, "is no object");
    cJSON_ArrayForEach(item, entry) if (!cJSON_IsString(item)) return fail(
        error, entry->string, "holds something that is no string");
    return 0;
}

int golden_header_parse(struct golden_file *out, const char *text,
                        size_t length, uint64_t data_size,
                        char error[GOLDEN_ERROR])
{
    struct golden_file f = { .data_size = data_size };
    cJSON *json = NULL;
    const cJSON *entry;
    int st = -1, metadata = 0;

    if (length == 0 || text[0] != '{')
        return fail(error, NULL, "header does not start with {");
    json = golden_json(text, length, HEADER_DEPTH, error);
    if (!json)
        return -1;
    f.tensors =
        calloc((size_t)cJSON_GetArraySize(json) + 1, sizeof f.tensors[0]);
    if (!f.tensors) {
        fail(error, NULL, "no host memory");
        goto out;
    }
    cJSON_ArrayForEach(entry, json)
    {
        if (strcmp(entry->string, "__metadata__") == 0) {
            if (metadata++) {
                fail(error, entry->string, "is there twice");
                goto out;
            }
            if (metadata_check(entry, error))
                goto out;
        } else if (entry_parse(&f.tensors[f.n_tensors++], entry, data_size,
                               error)) {
            goto out;
        }
    }
    if (whole(&f, error))
        goto out;
    f.path = out->path;
    f.dir = out->dir;
    f.data_at = out->data_at;
    *out = f;
    f = (struct golden_file){ 0 };
    st = 0;
out:
    golden_file_close(&f);
    cJSON_Delete(json);
    return st;
}

/* ---- files ------------------------------------------------------------- */

static int read_all(int fd, void *to, size_t size, uint64_t at)
{
    for (size_t done = 0; done < size;) {
        ssize_t n =
            pread(fd, (char *)to + done, size - done, (off_t)(at + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

/* Of the file that is open, not of its path, which may lead elsewhere by
 * now. */
static int is_within(int fd, const char *dir)
{
    char link[64], real[PATH_MAX], *base = realpath(dir, NULL);
    ssize_t length;
    int within;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, real, sizeof real - 1);
    real[length > 0 ? length : 0] = 0;
    within = base && conf_is_beneath(real, base);
    free(base);
    return within;
}

/* O_NONBLOCK: a FIFO in the pack must not stop us. */
int golden_open(const char *dir, const char *path, uint64_t *size,
                char error[GOLDEN_ERROR])
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        (void)snprintf(error, GOLDEN_ERROR, "cannot be opened: %s",
                       strerror(errno));
        return -1;
    }
    if (fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        close(fd);
        return fail(error, NULL, "is no regular file");
    }
    if (dir && !is_within(fd, dir)) {
        close(fd);
        return fail(error, NULL, "is a link that leads out of the pack");
    }
    *size = (uint64_t)info.st_size;
    return fd;
}

int golden_file_open(struct golden_file *out, const char *dir, const char *path,
                     char error[GOLDEN_ERROR])
{
    struct golden_file f = { 0 };
    uint8_t prefix[8];
    uint64_t size = 0, header = 0;
    char *text = NULL;
    int st = -1, fd = golden_open(dir, path, &size, error);

    if (fd < 0)
        return -1;
    if (size < 8 || read_all(fd, prefix, sizeof prefix, 0)) {
        fail(error, NULL, "is too short to be a safetensors file");
        goto out;
    }
    for (int i = 7; i >= 0; i--)
        header = header << 8 | prefix[i];
    if (header > size - 8 || header > HEADER_MAX) {
        (void)snprintf(error, GOLDEN_ERROR,
                       "says that its header has %llu bytes; the file has "
                       "%llu",
                       (unsigned long long)header, (unsigned long long)size);
        goto out;
    }
    if (size - 8 - header > DATA_MAX) {
        fail(error, NULL, "holds more than 4 GiB of data");
        goto out;
    }
    text = malloc((size_t)header + 1);
    f.path = strdup(path);
    f.dir = dir ? strdup(dir) : NULL;
    if (!text || !f.path || (dir && !f.dir)) {
        fail(error, NULL, "no host memory");
        goto out;
    }
    if (read_all(fd, text, (size_t)header, 8)) {
        fail(error, NULL, "cannot be read");
        goto out;
    }
    f.data_at = 8 + header;
    st =
        golden_header_parse(&f, text, (size_t)header, size - 8 - header, error);
    if (st)
        goto out;
    *out = f;
    f = (struct golden_file){ 0 };
out:
    golden_file_close(&f);
    free(text);
    close(fd);
    return st;
}

void golden_file_close(struct golden_file *file)
{
    for (size_t i = 0; i < file->n_tensors; i++)
        free(file->tensors[i].key);
    free(file->tensors);
    free(file->path);
    free(file->dir);
    free(file->data);
    *file = (struct golden_file){ 0 };
}

const struct golden_tensor *golden_file_find(const struct golden_file *file,
                                             const char *key)
{
    size_t low = 0, high = file->n_tensors;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(key, file->tensors[mid].key);

        if (order == 0)
            return &file->tensors[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const void *golden_file_data(struct golden_file *file,
                             const struct golden_tensor *t,
                             char error[GOLDEN_ERROR])
{
    uint64_t size;
    int fd;

    if (file->data)
        return file->data + t->begin;
    fd = golden_open(file->dir, file->path, &size, error);
    if (fd < 0)
        return NULL;
    file->data = malloc((size_t)file->data_size + 1);
    if (!file->data ||
        read_all(fd, file->data, (size_t)file->data_size, file->data_at)) {
        free(file->data);
        file->data = NULL;
        fail(error, NULL, "its data cannot be read any more");
    }
    close(fd);
    return file->data ? file->data + t->begin : NULL;
}
