/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the profile reader.  clang -fsanitize=fuzzer,address. */
#include <stddef.h>
#include <stdint.h>

#include "hal/internal.h"

const struct hal_backend *const hal_builtin_backends[] = { 0 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hal_message msg;

    hal__profile_free(
        hal__profile_parse("fuzz.ini", (const char *)data, size, &msg));
    return 0;
}
