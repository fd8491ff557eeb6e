/* SPDX-License-Identifier: Apache-2.0 */
/* moe.c - oracles of the mixture of experts. */
#include <math.h>
#include <stdlib.h>

#include "conformance/oracles/moe.h"
#include "conformance/oracles/oracles.h"

/* Whether a ranks before b: NaN first, then the larger one; equals stay in
 * their order. */
static int before(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && !isnan(b);
    return a > b;
}

/* order[0..n): indices by rank, by insertion. */
static void rank(const double *v, int64_t n, int32_t *order)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i;

        for (; at > 0 && before(v[i], v[order[at - 1]]); at--)
            order[at] = order[at - 1];
        order[at] = (int32_t)i;
    }
}

/* The smallest gap between neighbours among the first n + 1 of `all`. */
static double gap(const double *v, const int32_t *order, int64_t n, int64_t all)
{
    double least = INFINITY;

    for (int64_t i = 0; i < n && i + 1 < all; i++) {
        double d = v[order[i]] - v[order[i + 1]];

        if (d > 0 && d < least)
            least = d;
    }
    return least;
}

static double group_score(const double *choice, int64_t n, int top)
{
    int32_t *order = malloc((size_t)n * sizeof *order);
    double sum;

    rank(choice, n, order);
    sum = choice[order[0]];
    if (top == 2 && n > 1)
        sum += choice[order[1]];
    free(order);
    return sum;
}

/* Marks the experts of the kept groups; returns the margin of that. */
static double keep_groups(const struct oracle_router *r, const double *choice,
                          char *candidate)
{
    double *sum = malloc((size_t)r->groups * sizeof *sum), margin;
    int32_t *order = malloc((size_t)r->groups * sizeof *order);
    int64_t per = r->experts / r->groups;

    for (int64_t g = 0; g < r->groups; g++)
        sum[g] = group_score(choice + g * per, per, r->group_top);
    rank(sum, r->groups, order);
    for (int64_t e = 0; e < r->experts; e++)
        candidate[e] = 0;
    for (int64_t g = 0; g < r->kept; g++)
        for (int64_t e = 0; e < per; e++)
            candidate[order[g] * per + e] = 1;
    /* which of the kept ones is better decides nothing */
    margin = r->kept < r->groups
                 ? gap(sum, order + r->kept - 1, 1, r->groups - r->kept + 1)
                 : INFINITY;
    free(sum);
    free(order);
    return margin;
}

static void route(const struct oracle_router *r, int64_t t, double *score,
                  double *choice, int32_t *order, char *candidate)
{
    const double *logits = r->logits + t * r->experts;
    double sum = 1e-20, margin;
    int64_t n = 0;

    if (r->softmax)
        oracle_softmax(score, logits, 1, r->experts, 1);
    for (int64_t e = 0; e < r->experts; e++) {
        if (!r->softmax)
            score[e] = 1 / (1 + exp(-logits[e]));
        choice[e] = score[e] + (r->bias ? r->bias[e] : 0);
    }
    margin = keep_groups(r, choice, candidate);
    rank(choice, r->experts, order);
    for (int64_t e = 0; e < r->experts; e++)
        if (candidate[order[e]])
            order[n++] = order[e];
    margin = fmin(margin, gap(choice, order, r->top_k, n));
    for (int64_t k = 0; k < r->top_k; k++)
        sum += score[order[k]];
    for (int64_t k = 0; k < r->top_k; k++) {
        r->ids[t * r->top_k + k] = order[k];
        r->weights[t * r->top_k + k] =
            score[order[k]] / (r->normalise ? sum : 1) * r->scale;
    }
    r->margin[t] = margin;
}

void oracle_router(const struct oracle_router *r)
{
    double *score = malloc((size_t)r->experts * sizeof *score);
    double *choice = malloc((size_t)r->experts * sizeof *choice);
    int32_t *order = malloc((size_t)r->experts * sizeof *order);
    char *candidate = malloc((size_t)r->experts);

    for (int64_t t = 0; t < r->tokens; t++)
        route(r, t, score, choice, order, candidate);
    free(score);
    free(choice);
    free(order);
    free(candidate);
}

void oracle_moe_permute(int32_t *counts, int32_t *offsets, int32_t *perm,
                        int32_t *place, const int32_t *ids, int64_t n,
                        int64_t experts)
{
    int32_t row = 0;

    for (int64_t i = 0; i < n; i++)
        perm[i] = place[i] = -1;
    for (int64_t e = 0; e < experts; e++) {
        offsets[e] = row;
        for (int64_t i = 0; i < n; i++)
            if (ids[i] == e) {
                perm[row] = (int32_t)i;
                place[i] = row++;
            }
        counts[e] = row - offsets[e];
    }
    offsets[experts] = row;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

void oracle_grouped_gemm(const struct oracle_grouped *g)
{
    for (int64_t e = 0; e < g->experts; e++) {
        int64_t first = clamp(g->offsets[e], 0, g->rows);
        int64_t past = clamp(g->offsets[e + 1], 0, g->rows);

        for (int64_t r = first; r < past; r++) {
            int64_t from = g->gather ? g->gather[r] : r;

            if (g->gather)
                from = from < 0 ? 0 : from / g->gather_div;
            from = clamp(from, 0, g->x_rows - 1);
            oracle_gemm(g->y + r * g->n, g->mag + r * g->n, g->x + from * g->k,
                        g->w + e * g->w_stride, NULL, 1, g->n, g->k);
        }
    }
}

void oracle_moe_combine(double *y, double *mag, const double *parts,
                        const double *weights, const int32_t *place,
                        const double *shared, int64_t tokens, int64_t top_k,
                        int64_t rows, int64_t n)
{
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t i = 0; i < n; i++) {
            double sum = shared ? shared[t * n + i] : 0, size = fabs(sum);

            for (int64_t s = t * top_k; s < (t + 1) * top_k; s++) {
                if (place[s] < 0 || place[s] >= rows)
                    continue;
                sum += weights[s] * parts[place[s] * n + i];
                size += fabs(weights[s] * parts[place[s] * n + i]);
            }
            y[t * n + i] = sum;
            mag[t * n + i] = size;
        }
}
