/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moe_quant.c - grouped products of quantised operands in double: for each row
 * its expert is looked for, then plain loops over columns and blocks.
 */
#include <math.h>

#include "conformance/oracles/moe.h"

#define BLOCK 128

static int64_t blocks_of(int64_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

/* The expert of a row, or -1. */
static int64_t expert_of(const struct oracle_grouped *g, int64_t row)
{
    for (int64_t e = 0; e < g->experts; e++)
        if (g->offsets[e] <= row && row < g->offsets[e + 1])
            return e;
    return -1;
}

/* The row of x that a row of y takes. */
static int64_t source_of(const struct oracle_grouped *g, int64_t row)
{
    int64_t from = row;

    if (g->gather)
        from = g->gather[row] < 0 ? 0 : g->gather[row] / g->gather_div;
    return from < g->x_rows ? from : g->x_rows - 1;
}

static void fp8_element(const struct oracle_grouped_quant *q, int64_t row,
                        int64_t expert, int64_t col)
{
    const struct oracle_grouped *g = &q->g;
    const int64_t from = source_of(g, row), blocks = blocks_of(g->k);
    const double *x = g->x + from * g->k;
    const double *w = g->w + expert * g->w_stride + col * g->k;
    const double *xs = q->x_scale + from * blocks;
    const double *ws = q->w_scale + expert * q->s_stride + col / BLOCK * blocks;
    double total = 0, size = 0;

    for (int64_t b = 0; b < blocks; b++) {
        double sum = 0, mag = 0;

        for (int64_t i = b * BLOCK; i < g->k && i < (b + 1) * BLOCK; i++) {
            sum += x[i] * w[i];
            mag += fabs(x[i] * w[i]);
        }
        total += sum * xs[b] * ws[b];
        size += mag * fabs(xs[b] * ws[b]);
    }
    g->y[row * g->n + col] = total;
    g->mag[row * g->n + col] = size;
}

void oracle_grouped_fp8(const struct oracle_grouped_quant *q)
{
    for (int64_t row = 0; row < q->g.rows; row++) {
        int64_t expert = expert_of(&q->g, row);

        for (int64_t col = 0; expert >= 0 && col < q->g.n; col++)
            fp8_element(q, row, expert, col);
    }
}

void oracle_grouped_int8(const struct oracle_grouped_quant *q)
{
    const struct oracle_grouped *g = &q->g;

    for (int64_t row = 0; row < g->rows; row++) {
        int64_t expert = expert_of(g, row), from = source_of(g, row);

        for (int64_t col = 0; expert >= 0 && col < g->n; col++) {
            const double *x = g->x + from * g->k;
            const double *w = g->w + expert * g->w_stride + col * g->k;
            double y = 0; /* integers that a double holds exactly */

            for (int64_t i = 0; i < g->k; i++)
                y += x[i] * w[i];
            if (q->w_scale)
                y *= q->w_scale[expert * q->s_stride + col];
            if (q->x_scale)
                y *= q->x_scale[from];
            g->y[row * g->n + col] = y;
            g->mag[row * g->n + col] = fabs(y);
        }
    }
}
