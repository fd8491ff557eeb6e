/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden.h - packs of reference vectors: a folder with index.json and the
 * safetensors files that it names (conformance/golden/README.md).
 *
 * A pack comes from outside: every number in it is checked before it is used,
 * and a pack that is damaged anywhere is refused whole, with a sentence that
 * names the file and the key.  Opening reads the index and the headers; a
 * file's data are read when a case first needs them.
 */
#ifndef CONFORMANCE_GOLDEN_H
#define CONFORMANCE_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "conformance/conf.h"
#include "conformance/hash.h"

#define GOLDEN_RANK_MAX 8
#define GOLDEN_ERROR    512 /* bytes for a sentence */

/* ---- safetensors (golden_safetensors.c) ------------------------------- */

struct golden_type {
    const char *name; /* "BF16" */
    halDtype dtype;   /* of its storage; BOOL is U8 */
    int bytes;
};

/* NULL if unknown. */
const struct golden_type *golden_type_find(const char *name);

struct golden_tensor {
    char *key;
    const struct golden_type *type;
    int rank;
    int64_t shape[GOLDEN_RANK_MAX];
    int64_t count;
    uint64_t begin, end; /* within the data */
};

struct golden_file {
    char *path;
    char *dir;                     /* no link leads out of it; NULL: anywhere */
    uint64_t data_at, data_size;   /* in the file */
    struct golden_tensor *tensors; /* sorted by key */
    size_t n_tensors;
    uint8_t *data; /* NULL until golden_file_data */
};

/* Checks the header in `text` for a file with data_size bytes of data.
 * Returns 0, or -1 with a sentence (without the path) in error. */
int golden_header_parse(struct golden_file *out, const char *text,
                        size_t length, uint64_t data_size,
                        char error[GOLDEN_ERROR]);
/* A descriptor of a regular file in `dir` (NULL: anywhere), links followed, and
 * its size; -1 with a sentence, without the path, in error. */
int golden_open(const char *dir, const char *path, uint64_t *size,
                char error[GOLDEN_ERROR]);
int golden_file_open(struct golden_file *out, const char *dir, const char *path,
                     char error[GOLDEN_ERROR]);
void golden_file_close(struct golden_file *file);
const struct golden_tensor *golden_file_find(const struct golden_file *file,
                                             const char *key);
/* The tensor's bytes, or NULL with a sentence in error. */
const void *golden_file_data(struct golden_file *file,
                             const struct golden_tensor *t,
                             char error[GOLDEN_ERROR]);

/* ---- index (golden_index.c) ------------------------------------------- */

struct golden_value {
    const char *name; /* logical: "x" */
    const struct golden_tensor *t;
    const char *logical; /* packed or exotic formats; NULL: as stored */
};

struct golden_case {
    const char *name, *op, *dtype;
    struct golden_file *file;
    struct golden_value *inputs, *outputs;
    int n_inputs, n_outputs;
    const cJSON *attrs, *hint, *flags; /* objects, objects, array; or NULL */
};

struct golden_pack {
    char *dir;
    cJSON *index; /* owns the strings of the cases */
    struct golden_file **files;
    int n_files;
    struct golden_case *cases;
    int n_cases;
};

/* 0, or -1 with a sentence that names file and key. */
int golden_pack_open(struct golden_pack **out, const char *dir,
                     char error[GOLDEN_ERROR]);
void golden_pack_close(struct golden_pack *pack);
/* Fills a pack that has a dir from the text of its index; files that it has
 * already, by path, are not opened.  0, or -1 with a sentence that begins with
 * `index` and a pack to be closed. */
int golden_index_parse(struct golden_pack *pack, const char *index,
                       const char *text, size_t length,
                       char error[GOLDEN_ERROR]);
/* Same operation, attributes and bytes: the same case in two packs. */
int golden_case_same(const struct golden_case *a, const struct golden_case *b);

/* golden_hash.c: SHA-256, in hexadecimal digits, of a pack's index and of all
 * its files.  0, or -1 with a sentence that names the file. */
int golden_hash(const char *dir, char hex[CONF_HASH_TEXT],
                char error[GOLDEN_ERROR]);

/* Parses JSON of bounded depth, all of `length`; NULL with a sentence. */
cJSON *golden_json(const char *text, size_t length, int depth_max,
                   char error[GOLDEN_ERROR]);
/* A JSON number that is a whole number within [0, max]. */
int golden_whole(const cJSON *number, uint64_t max, uint64_t *out);

#endif
