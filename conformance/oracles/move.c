/* SPDX-License-Identifier: Apache-2.0 */
/* move.c - oracles of what only moves data. */
#include <string.h>

#include "conformance/oracles/oracles.h"

double oracle_round(halDtype dtype, double v)
{
    uint64_t bits = 0;

    conf_encode(dtype, &bits, 0, v);
    return conf_decode(dtype, &bits, 0);
}

void oracle_embedding(double *out, const double *table, const int32_t *ids,
                      int64_t n_tokens, int64_t vocab, int64_t dim)
{
    for (int64_t t = 0; t < n_tokens; t++) {
        int known = ids[t] >= 0 && ids[t] < vocab;

        for (int64_t i = 0; i < dim; i++)
            out[t * dim + i] = known ? table[ids[t] * dim + i] : 0.0;
    }
}

void oracle_copy_strided(int elem_bytes, void *y, const int64_t y_strides[4],
                         const void *x, const int64_t x_strides[4],
                         const int64_t dims[4])
{
    int64_t i[4];

    for (i[0] = 0; i[0] < dims[0]; i[0]++)
        for (i[1] = 0; i[1] < dims[1]; i[1]++)
            for (i[2] = 0; i[2] < dims[2]; i[2]++)
                for (i[3] = 0; i[3] < dims[3]; i[3]++) {
                    int64_t from = 0, to = 0;

                    for (int d = 0; d < 4; d++) {
                        from += i[d] * x_strides[d];
                        to += i[d] * y_strides[d];
                    }
                    memcpy((char *)y + to * elem_bytes,
                           (const char *)x + from * elem_bytes,
                           (size_t)elem_bytes);
                }
}
