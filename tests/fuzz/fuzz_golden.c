/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the two texts of a golden pack.  The first byte chooses: a
 * safetensors header (with a data size from the next two), or an index beside a
 * good file.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -I. -D_GNU_SOURCE \
 *     -o fuzz_golden tests/fuzz/fuzz_golden.c conformance/golden_index.c \
 *     conformance/golden_safetensors.c conformance/formats.c -lcjson -lm
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/golden.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char header[] =
    "{\"a/in/x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
    "\"a/out/y\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[8,12]}}";

static void put(const char *dir, const char *name, const void *bytes,
                size_t size)
{
    char path[256];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f))
        abort();
}

static const char *folder(void)
{
    static char dir[] = "/tmp/halcyon-fuzz-golden-XXXXXX";
    static int made;
    uint8_t file[8 + sizeof header - 1 + 12] = { sizeof header - 1 };

    if (made)
        return dir;
    made = 1;
    if (!mkdtemp(dir))
        abort();
    memcpy(file + 8, header, sizeof header - 1);
    put(dir, "f.safetensors", file, sizeof file);
    return dir;
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
    struct golden_pack *pack = NULL;
    char error[GOLDEN_ERROR] = "";

    put(folder(), "index.json", data, size);
    if (golden_pack_open(&pack, folder(), error)) {
        if (!*error)
            abort();
        return;
    }
    for (int i = 0; i < pack->n_cases; i++)
        if (!golden_case_same(&pack->cases[i], &pack->cases[i]))
            abort();
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
