/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the two texts of a golden pack.  The first byte chooses: a
 * safetensors header (with a data size from the next two), or an index beside a
 * good file.  All in memory: an index that names another file looks for it
 * where there is nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/golden.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIR "/dev/null"

static const char header[] =
    "{\"a/in/x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
    "\"a/out/y\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[8,12]}}";

/* A pack that holds the one file, as if opened and read. */
static struct golden_pack *make_pack(void)
{
    struct golden_pack *pack = calloc(1, sizeof *pack);
    struct golden_file *f = calloc(1, sizeof *f);
    char error[GOLDEN_ERROR];

    if (!pack || !f)
        abort();
    pack->dir = strdup(DIR);
    pack->files = malloc(sizeof *pack->files);
    f->path = strdup(DIR "/f.safetensors");
    if (!pack->dir || !pack->files || !f->path ||
        golden_header_parse(f, header, sizeof header - 1, 12, error))
        abort();
    f->data = calloc(12, 1);
    if (!f->data)
        abort();
    pack->files[pack->n_files++] = f;
    return pack;
}

static void try_header(const uint8_t *data, size_t size)
{
    uint64_t data_size = size < 2 ? 0 : data[0] + 256u * data[1];
    struct golden_file f = { 0 };
    char error[GOLDEN_ERROR] = "";

    if (size < 2)
        return;
    if (golden_header_parse(&f, (const char *)data + 2, size - 2, data_size,
                            error)) {
        if (!*error)
            abort(); /* refused without a word */
        return;
    }
    for (size_t i = 0; i < f.n_tensors; i++)
        if (golden_file_find(&f, f.tensors[i].key) != &f.tensors[i] ||
            f.tensors[i].end > data_size)
            abort();
    golden_file_close(&f);
}

static void try_index(const uint8_t *data, size_t size)
{
    struct golden_pack *pack = make_pack();
    char error[GOLDEN_ERROR] = "";

    if (golden_index_parse(pack, "index.json", (const char *)data, size,
                           error)) {
        if (!*error)
            abort();
    } else {
        if (!pack->n_cases)
            abort(); /* it proves nothing */
        for (int i = 0; i < pack->n_cases; i++)
            if (!golden_case_same(&pack->cases[i], &pack->cases[i]))
                abort();
    }
    golden_pack_close(pack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & 1)
        try_header(data + 1, size - 1);
    else
        try_index(data + 1, size - 1);
    return 0;
}
