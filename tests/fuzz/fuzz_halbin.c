/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: halbin_open on hostile bytes.  The mutator repairs the
 * hashes most of the time; what opens must be usable and must survive being
 * written again.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -I. -D_GNU_SOURCE \
 *     -o fuzz_halbin tests/fuzz/fuzz_halbin.c compiler/halbin_*.c -lxxhash
 */
#include "tests/fuzz/halbin_reseal.h"

#include <stdlib.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A small good file, so that the fuzzer does not have to guess the format. */
static size_t sample(uint8_t *out, size_t room)
{
    static const char text[] = "kernel void k() { }";
    struct hal_image images[2] = {
        { .target = HAL_TARGET_OPENCL,
          .rank = 1,
          .group = 64,
          .blob = text,
          .blob_bytes = sizeof text - 1,
          .variant = "opencl" },
        { .target = HAL_TARGET_VULKAN,
          .rank = 2,
          .group = 8,
          .caps = HAL_CAP_BDA,
          .blob = text,
          .blob_bytes = 7,
          .variant = "vulkan.bda" },
    };
    struct hal_kernel_desc kernels[2] = {
        { .name = "k",
          .n_params = 2,
          .params = { { HAL_PARAM_IN, 2, 16, "x" },
                      { HAL_PARAM_ARG, 9, 4, "n" } },
          .n_images = 2,
          .images = images },
        { .name = "l", .n_images = 1, .images = images },
    };
    struct hal_message msg;
    void *bytes;
    size_t size = 0;

    if (halbin_write(kernels, 2, &bytes, &size, &msg) != HALBIN_OK)
        abort();
    if (size > room)
        size = 0;
    memcpy(out, bytes, size);
    free(bytes);
    return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    if (size < 16 || seed % 64 == 0) {
        size_t n = sample(data, max_size);

        if (n)
            size = n;
    }
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 == 0)
        return size;
    if (size >= HALBIN_HEADER_BYTES && seed % 3) { /* a good front, mostly */
        memcpy(data, HALBIN_MAGIC, 8);
        halbin_put32(data + 8, HALBIN_VERSION);
        halbin_put32(data + 12, HALBIN_HEADER_BYTES);
        halbin_put64(data + 16, size);
        halbin_put32(data + 40, HALBIN_SECTIONS);
    }
    halbin_reseal(data, size);
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct halbin bin = { 0 }, again = { 0 };
    struct hal_message msg;
    uint64_t sum = 0;
    size_t n;
    void *bytes;

    if (halbin_open(data, size, &bin, &msg) != HALBIN_OK) {
        if (!memchr(msg.text, 0, sizeof msg.text) || bin.storage)
            abort();
        return 0;
    }
    for (uint32_t i = 0; i < bin.n_kernels; i++) {
        const struct hal_kernel_desc *k = &bin.kernels[i];

        for (uint32_t m = 0; m < k->n_images; m++)
            for (size_t b = 0; b < k->images[m].blob_bytes; b++)
                sum += ((const uint8_t *)k->images[m].blob)[b];
        if (halbin_find(&bin, k->name) != k)
            abort();
    }
    if (halbin_write(bin.kernels, bin.n_kernels, &bytes, &n, &msg) !=
            HALBIN_OK ||
        halbin_open(bytes, n, &again, &msg) != HALBIN_OK ||
        again.n_kernels != bin.n_kernels)
        abort(); /* the reader took what the writer refuses */
    free(bytes);
    halbin_close(&again);
    halbin_close(&bin);
    return sum == 1 ? -1 : 0; /* so that the reads are not left out */
}
