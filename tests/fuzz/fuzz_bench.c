/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the result files that `halcyon bench compare` reads.  What
 * it takes has rows that can be found again, and figures that can be divided.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "tools/bench/compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_cost(const struct compare_cost *c)
{
    if (c->is_there && !(c->p10 > 0 && c->p10 <= c->median &&
                         c->median <= c->p90 && isfinite(c->p90)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct compare_file f;

    if (compare_parse(&f, "fuzz.json", (const char *)data, size)) {
        if (!*f.error)
            abort(); /* refused without a word */
    } else {
        for (size_t i = 0; i < f.n_rows; i++) {
            if (compare_find(&f, &f.rows[i]) != &f.rows[i] ||
                compare_has_control(f.rows[i].name))
                abort();
            check_cost(&f.rows[i].time);
            check_cost(&f.rows[i].roof);
        }
    }
    compare_release(&f);
    return 0;
}
