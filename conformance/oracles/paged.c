/* SPDX-License-Identifier: Apache-2.0 */
/* paged.c - oracle of attention over a paged cache. */
#include <math.h>
#include <stdlib.h>

#include "conformance/oracles/paged.h"

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static int64_t slot_of(const struct oracle_paged *a, int64_t b, int64_t j)
{
    int64_t id = a->table[b * a->width + j / a->block];

    return clamp(id, 0, a->n_blocks - 1) * a->block + j % a->block;
}

static double score(struct oracle_paged *a, const double *q, const double *k)
{
    double sum = 0, size = 0;

    for (int64_t d = 0; d < a->qk_dim; d++) {
        sum += q[d] * k[d];
        size += fabs(q[d] * k[d]);
    }
    if (size * fabs(a->scale) > a->score_mag)
        a->score_mag = size * fabs(a->scale);
    sum *= a->scale;
    return a->softcap > 0 ? a->softcap * tanh(sum / a->softcap) : sum;
}

/* One query of one head over keys [first, past) of sequence b. */
static void row(struct oracle_paged *a, int64_t b, int64_t token, int64_t h,
                int64_t first, int64_t past, double *p)
{
    int64_t at = token * a->heads + h, kv = h / (a->heads / a->kv_heads);
    double *o = a->o + at * a->v_dim, *mag = a->mag + at * a->v_dim;
    double largest = -INFINITY, sum = 0;

    for (int64_t d = 0; d < a->v_dim; d++)
        o[d] = mag[d] = 0;
    a->lse[at] = -INFINITY;
    if (past <= first)
        return;
    for (int64_t j = first; j < past; j++) {
        const double *k =
            a->k + slot_of(a, b, j) * a->k_stride + kv * a->qk_dim;

        p[j] = score(a, a->q + at * a->qk_dim, k);
        largest = fmax(largest, p[j]);
    }
    for (int64_t j = first; j < past; j++)
        sum += p[j] = exp(p[j] - largest);
    for (int64_t j = first; j < past; j++) {
        const double *v = a->v + slot_of(a, b, j) * a->v_stride + kv * a->v_dim;

        for (int64_t d = 0; d < a->v_dim; d++) {
            o[d] += p[j] / sum * v[d];
            mag[d] += p[j] / sum * fabs(v[d]);
        }
    }
    a->lse[at] = largest + log(sum);
}

void oracle_paged(struct oracle_paged *a)
{
    int64_t kv_max = a->width * a->block;
    double *p = malloc((size_t)(kv_max + 1) * sizeof *p);

    a->score_mag = 0;
    for (int64_t b = 0; b < a->batch; b++) {
        int64_t begin = clamp(a->starts[b], 0, a->tokens);
        int64_t n = clamp(a->starts[b + 1], begin, a->tokens) - begin;
        int64_t len = clamp(a->lens[b], 0, kv_max);

        for (int64_t i = 0; i < n; i++) {
            int64_t past = a->causal ? clamp(len - n + i + 1, 0, len) : len;
            int64_t first =
                a->window ? clamp(len - n + i + 1 - a->window, 0, len) : 0;

            for (int64_t h = 0; h < a->heads; h++)
                row(a, b, begin + i, h, first, past, p);
        }
    }
    free(p);
}

void oracle_attention_join(double *o, double *mag, double *lse,
                           const double *part_o, const double *part_lse,
                           int64_t parts, int64_t rows, int64_t dim)
{
    for (int64_t r = 0; r < rows; r++) {
        double largest = -INFINITY, sum = 0;

        for (int64_t p = 0; p < parts; p++)
            largest = fmax(largest, part_lse[p * rows + r]);
        for (int64_t d = 0; d < dim; d++)
            o[r * dim + d] = mag[r * dim + d] = 0;
        lse[r] = -INFINITY;
        if (largest == -INFINITY)
            continue;
        for (int64_t p = 0; p < parts; p++)
            sum += exp(part_lse[p * rows + r] - largest);
        lse[r] = largest + log(sum);
        for (int64_t p = 0; p < parts; p++)
            for (int64_t d = 0; d < dim; d++) {
                double v = exp(part_lse[p * rows + r] - lse[r]) *
                           part_o[(p * rows + r) * dim + d];

                o[r * dim + d] += v;
                mag[r * dim + d] += fabs(v);
            }
    }
}
