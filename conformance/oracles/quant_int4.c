/* SPDX-License-Identifier: Apache-2.0 */
/* quant_int4.c - oracle of AWQ and GPTQ weights: every word is taken apart. */
#include "conformance/oracles/quant.h"

/* The column, of a word's eight, that AWQ keeps in nibble i. */
static const int awq_order[8] = { 0, 2, 4, 6, 1, 3, 5, 7 };

static int64_t group_at(const struct oracle_int4 *w, int64_t k)
{
    int64_t size = w->group_size > 0 ? w->group_size : w->k;
    int64_t groups = (w->k + size - 1) / size, g = k / size;

    if (w->g_idx)
        g = w->g_idx[k];
    return g < 0 ? 0 : g >= groups ? groups - 1 : g;
}

void oracle_int4(const struct oracle_int4 *w, double *y)
{
    /* codes */
    for (int64_t word = 0; word < w->n * w->k / 8; word++)
        for (int i = 0; i < 8; i++) {
            int code = w->qweight[word] >> 4 * i & 15;

            if (w->awq)
                y[word / (w->n / 8) * w->n + word % (w->n / 8) * 8 +
                  awq_order[i]] = code;
            else
                y[(word / w->n * 8 + i) * w->n + word % w->n] = code;
        }
    /* less their zero points, times their scales */
    for (int64_t k = 0; k < w->k; k++)
        for (int64_t c = 0; c < w->n / 8; c++)
            for (int i = 0; i < 8; i++) {
                int64_t g = group_at(w, k);
                int64_t col = 8 * c + (w->awq ? awq_order[i] : i);
                int zero = (int)(w->qzeros[g * (w->n / 8) + c] >> 4 * i & 15);

                y[k * w->n + col] = (y[k * w->n + col] - (zero + w->zero_add)) *
                                    w->scales[g * w->n + col];
            }
}
