/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spirv.c - a look at SPIR-V before a driver gets it.  Drivers trust a module's
 * structure, and a module comes from outside.  Invariant: no word is read that
 * is not inside the blob.
 */
#include <string.h>

#include "backends/vulkan/vulkan.h"

enum {
    MAGIC = 0x07230203,
    HEADER_WORDS = 5,
    OP_ENTRY_POINT = 15,
    OP_EXECUTION_MODE = 16,
    OP_FUNCTION = 54,
    OP_FUNCTION_END = 56,
    OP_LABEL = 248,
    OP_BRANCH = 249, /* to OpUnreachable, 255: the ends of a block */
    OP_UNREACHABLE = 255,
    MODEL_GL_COMPUTE = 5,
    MODE_LOCAL_SIZE = 17,
    /* Ids index tables in every driver: the universal limits of SPIR-V allow
     * this many. */
    BOUND_MAX = 0x3fffff
};

static uint32_t word_at(const unsigned char *blob, size_t index)
{
    uint32_t w;

    memcpy(&w, blob + 4 * index, sizeof w); /* blobs are not aligned */
    return w;
}

/* Whether the literal string in words [at, end) is "main", ended in time. */
static int is_main(const unsigned char *blob, size_t at, size_t end)
{
    return end - at >= 2 && !memcmp(blob + 4 * at, "main", 5);
}

struct nesting {
    int function, block; /* inside one */
};

/* 0 when `op` may not stand here.  Drivers walk blocks without a check. */
static int nesting_step(struct nesting *nest, uint32_t op)
{
    if (op == OP_FUNCTION) {
        if (nest->function)
            return 0;
        nest->function = 1;
    } else if (op == OP_FUNCTION_END) {
        if (!nest->function || nest->block)
            return 0;
        nest->function = 0;
    } else if (op == OP_LABEL) {
        if (!nest->function || nest->block)
            return 0;
        nest->block = 1;
    } else if (op >= OP_BRANCH && op <= OP_UNREACHABLE) {
        if (!nest->block)
            return 0;
        nest->block = 0;
    }
    return 1;
}

const char *vulkan_spirv_parse(const void *blob, size_t bytes,
                               struct vulkan_spirv *out)
{
    const size_t n = bytes / 4;
    struct nesting nest = { 0, 0 };
    uint32_t entry = 0;
    size_t at = HEADER_WORDS;

    if (!blob || bytes % 4 || n < HEADER_WORDS)
        return "it is no sequence of SPIR-V words";
    if (word_at(blob, 0) != MAGIC)
        return "the SPIR-V magic number is missing";
    if (word_at(blob, 1) > 0x00010500)
        return "its SPIR-V version is above 1.5, the highest of Vulkan 1.2";
    if (word_at(blob, 3) == 0 || word_at(blob, 3) > BOUND_MAX)
        return "the bound of its ids is out of range";
    *out = (struct vulkan_spirv){ { 0, 0, 0 } };
    while (at < n) {
        const uint32_t first = word_at(blob, at);
        const uint32_t op = first & 0xffff;
        const size_t words = first >> 16;

        if (words == 0 || words > n - at)
            return "an instruction leaves the module";
        if (op == OP_ENTRY_POINT && words >= 5 &&
            word_at(blob, at + 1) == MODEL_GL_COMPUTE &&
            is_main(blob, at + 3, at + words))
            entry = word_at(blob, at + 2);
        if (op == OP_EXECUTION_MODE && words == 6 && entry &&
            word_at(blob, at + 1) == entry &&
            word_at(blob, at + 2) == MODE_LOCAL_SIZE) {
            out->local_size[0] = word_at(blob, at + 3);
            out->local_size[1] = word_at(blob, at + 4);
            out->local_size[2] = word_at(blob, at + 5);
        }
        if (!nesting_step(&nest, op))
            return "its functions and blocks do not nest";
        at += words;
    }
    if (nest.function || nest.block)
        return "its last function does not end";
    if (!entry)
        return "it has no compute entry point \"main\"";
    if (!out->local_size[0] || !out->local_size[1] || !out->local_size[2])
        return "its entry point states no group size";
    return NULL;
}
