/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the reader of reports (merge, verify, compare, --history).
 * What it takes must be sorted, without doubles, and must agree with itself.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/results.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_results r;
    char error[CONF_RESULTS_ERROR] = "";

    if (conf_results_parse(&r, "fuzz.json", (const char *)data, size, error)) {
        if (!*error)
            abort(); /* refused without a word */
    } else {
        if (!r.n)
            abort(); /* it proves nothing */
        if (r.shards <= 1 && conf_results_whole(&r, error))
            abort(); /* a gap was taken */
        for (size_t i = 0; i < r.n; i++)
            if (conf_results_find(&r, r.at[i].device, r.at[i].name) != &r.at[i])
                abort();
        for (size_t i = 0; i < r.n; i++)
            if (r.at[i].verdict == CONF_WAIVED && !r.n_expect)
                abort();
    }
    conf_results_release(&r);
    return 0;
}
