/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the reader of expectation files.  What it takes has all its
 * parts.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);
    char error[CONF_EXPECT_ERROR] = "";
    struct conf_expects e = { 0 };
    const struct conf_expect *two;

    if (!text)
        return 0;
    if (conf_expects_parse(&e, "fuzz.txt", text, "2026-06-01", error)) {
        if (!strstr(error, "fuzz.txt:"))
            abort(); /* refused without a place */
    } else if (!e.n) {
        abort();
    }
    for (size_t i = 0; i < e.n; i++)
        if (!*e.at[i].name || !*e.at[i].device || !*e.at[i].why ||
            (e.at[i].kind == CONF_EXPECT_WAIVE &&
             (!*e.at[i].by || strlen(e.at[i].until) != 10)))
            abort();
    (void)conf_expects_find(&e, "cpu:0", "api.fill.async", &two);
    conf_expects_release(&e);
    free(text);
    return 0;
}
