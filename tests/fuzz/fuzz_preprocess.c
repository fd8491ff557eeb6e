/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the preprocessor, the instance reader, the reflection
 * reader and the expression evaluator on hostile text.  The limits are low so
 * that one input takes milliseconds.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -I. -D_GNU_SOURCE \
 *     -o fuzz_preprocess tests/fuzz/fuzz_preprocess.c compiler/pp_*.c \
 *     compiler/preprocess.c compiler/memory.c compiler/reflect.c \
 *     compiler/rules.c compiler/meta_text.c \
 *     compiler/halbin_check.c
 */
#include "compiler/expand.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hal_text_file files[] = {
    { "a.h", "#ifndef A\n#define A(x, ...) x ## 1 #x __VA_ARGS__\n#endif\n" },
    { "self.h", "#include \"self.h\"\n" },
    { NULL, NULL },
};

static void check(enum compile_status st, const struct hal_message *msg)
{
    if (!memchr(msg->text, 0, sizeof msg->text))
        abort();
    if (st != COMPILE_OK && !msg->text[0])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pp_options o = { .name = "f.k",
                            .files = files,
                            .variant = "vulkan.bda",
                            .only_kernel = size ? data[0] % 4 - 1 : -1,
                            .no_markers = size & 1,
                            .memory_limit = 4 << 20,
                            .step_limit = 200000 };
    struct hal_message msg = { "" };
    struct pp_instances instances = { 0 };
    struct reflection *list = NULL;
    struct pp_result r = { 0 };
    enum compile_status st;
    uint32_t n = 0;
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    o.text = text;
    st = pp_instances_read("f.k", text, &instances, &msg);
    check(st, &msg);
    pp_instances_free(&instances);
    st = pp_run(&o, &r, &msg);
    check(st, &msg);
    if (st == COMPILE_OK && strlen(r.text) != r.size)
        abort();
    free(r.text);
    st = reflect("f.k", text, &list, &n, &msg);
    check(st, &msg);
    free(list);
    free(text);
    return 0;
}
