/* SPDX-License-Identifier: Apache-2.0 */
/* speculate.c - oracle of the verification of drafted tokens. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/oracles/sample.h"

static int64_t largest(const double *z, int64_t n)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n; i++)
        if (z[i] > z[best] || (isnan(z[best]) && !isnan(z[i])))
            best = i;
    return best;
}

/* NaN and -inf have no part; a row of nothing else is all 0. */
static void softmax(double *p, const double *z, int64_t n, double temperature)
{
    double top = z[largest(z, n)], sum = 0;

    for (int64_t i = 0; i < n; i++) {
        int out = isnan(z[i]) || z[i] == -INFINITY;

        p[i] = out ? 0 : z[i] == top ? 1 : exp((z[i] - top) / temperature);
        sum += p[i];
    }
    for (int64_t i = 0; i < n; i++)
        p[i] /= sum > 0 ? sum : 1;
}

/* q of the i-th drafted token. */
static void draft_row(const struct oracle_speculate *s, int64_t i, double *q)
{
    int64_t id = s->ids[i];

    if (s->draft) {
        softmax(q, s->draft + i * s->vocab, s->vocab, s->temperature);
        return;
    }
    memset(q, 0, (size_t)s->vocab * sizeof *q);
    if (id >= 0 && id < s->vocab)
        q[id] = 1;
}

static int stays(struct oracle_speculate *s, int64_t i, const double *p,
                 const double *q)
{
    int64_t id = s->ids[i];
    double a, b, distance;

    if (id < 0 || id >= s->vocab)
        return 0;
    if (!(s->temperature > 0))
        return id == largest(s->target + i * s->vocab, s->vocab);
    a = p[id];
    b = s->u[i] * q[id];
    /* below 2^-24 p is known to an absolute error, not a relative one */
    distance = fabs(a - b) / fmax(fmax(a, b), 0x1p-24);
    if (a > 0 && distance < s->margin)
        s->margin = distance;
    return a > 0 && b <= a;
}

void oracle_speculate(struct oracle_speculate *s)
{
    double *p = malloc((size_t)s->vocab * sizeof *p);
    double *q = malloc((size_t)s->vocab * sizeof *q), sum = 0;
    int64_t i;

    s->margin = INFINITY;
    for (i = 0;; i++) {
        if (s->temperature > 0)
            softmax(p, s->target + i * s->vocab, s->vocab, s->temperature);
        if (i == s->n_draft)
            break;
        if (s->temperature > 0)
            draft_row(s, i, q);
        if (!stays(s, i, p, q))
            break;
    }
    s->accepted = i;
    s->best = largest(s->target + i * s->vocab, s->vocab);
    memset(s->next, 0, (size_t)s->vocab * sizeof *s->next);
    for (int64_t j = 0; s->temperature > 0 && j < s->vocab; j++) {
        s->next[j] = i < s->n_draft ? fmax(p[j] - q[j], 0) : p[j];
        sum += s->next[j];
    }
    s->mass = sum;
    for (int64_t j = 0; j < s->vocab; j++)
        s->next[j] /= sum > 0 ? sum : 1;
    free(p);
    free(q);
}
