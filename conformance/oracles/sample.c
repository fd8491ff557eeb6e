/* SPDX-License-Identifier: Apache-2.0 */
/* sample.c - oracles of top-k and sampling. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/oracles/sample.h"

struct ranked {
    double value;
    int64_t index;
};

/* NaN first, then by value, then by index. */
static int compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (isnan(x->value) != isnan(y->value))
        return isnan(x->value) ? -1 : 1;
    if (x->value > y->value)
        return -1;
    if (x->value < y->value)
        return 1;
    return x->index < y->index ? -1 : 1;
}

static struct ranked *ranks(const double *x, int64_t n)
{
    struct ranked *r = malloc((size_t)n * sizeof *r);

    for (int64_t i = 0; i < n; i++)
        r[i] = (struct ranked){ x[i], i };
    qsort(r, (size_t)n, sizeof *r, compare);
    return r;
}

void oracle_topk(double *values, int32_t *indices, const double *x,
                 int64_t rows, int64_t n, int64_t k)
{
    for (int64_t i = 0; i < rows; i++) {
        struct ranked *r = ranks(x + i * n, n);

        for (int64_t j = 0; j < k; j++) {
            values[i * k + j] = r[j].value;
            indices[i * k + j] = (int32_t)r[j].index;
        }
        free(r);
    }
}

void oracle_philox(uint32_t out[4], const uint32_t counter[4],
                   const uint32_t key[2])
{
    uint32_t k0 = key[0], k1 = key[1];

    memcpy(out, counter, 16);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)out[0] * 0xD2511F53u;
        uint64_t b = (uint64_t)out[2] * 0xCD9E8D57u;
        const uint32_t next[4] = { (uint32_t)(b >> 32) ^ out[1] ^ k0,
                                   (uint32_t)b,
                                   (uint32_t)(a >> 32) ^ out[3] ^ k1,
                                   (uint32_t)a };

        memcpy(out, next, 16);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

static void narrow(double *margin, double a, double b)
{
    double distance = fabs(a - b) / fmax(fabs(a), fabs(b));

    if (distance > 0 && distance < *margin)
        *margin = distance;
}

static double *penalised(const struct oracle_sample *s)
{
    double *z = malloc((size_t)s->vocab * sizeof *z);

    for (int64_t i = 0; i < s->vocab; i++)
        z[i] = isnan(s->logits[i]) ? -INFINITY : s->logits[i];
    for (int64_t j = 0; j < s->n_past; j++) {
        int64_t id = s->past[j];
        double l;

        if (id < 0 || id >= s->vocab)
            continue;
        l = isnan(s->logits[id]) ? -INFINITY : s->logits[id];
        z[id] = l < 0 ? l * s->penalty : l / s->penalty;
    }
    return z;
}

/* How many of r, best first, top-p leaves of the first n. */
static int64_t nucleus(struct oracle_sample *s, const struct ranked *r,
                       const double *weight, int64_t n)
{
    double all = 0, sum = 0;
    int64_t i;

    for (i = 0; i < n; i++)
        all += weight[r[i].index];
    for (i = 0; i < n; i++) {
        /* distances count where they decide, relative to the whole */
        double d = fabs(sum - s->top_p * all) / all;

        if (i > 0 && d < s->margin)
            s->margin = d;
        if (i > 0 && !(sum < s->top_p * all))
            break;
        sum += weight[r[i].index];
    }
    return i;
}

void oracle_sample(struct oracle_sample *s)
{
    double *z = penalised(s), *w = malloc((size_t)s->vocab * sizeof *w);
    struct ranked *r = ranks(z, s->vocab);
    int64_t n = s->vocab;
    double sum = 0;

    s->margin = INFINITY;
    s->greedy = r[0].index;
    s->kept = 0;
    memset(s->p, 0, (size_t)s->vocab * sizeof *s->p);
    for (int64_t i = 0; i < s->vocab; i++)
        w[i] =
            z[i] == r[0].value ? 1 : exp((z[i] - r[0].value) / s->temperature);
    if (s->top_k > 0 && s->top_k < n) {
        double least = r[s->top_k - 1].value;

        n = s->top_k;
        while (n < s->vocab && !(r[n].value < least))
            n++; /* equals of the k-th stay */
        if (n < s->vocab)
            narrow(&s->margin, least, r[n].value);
    }
    if (s->top_p > 0 && s->top_p < 1)
        n = nucleus(s, r, w, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t id = r[i].index;

        if (s->min_p > 0)
            narrow(&s->margin, w[id], s->min_p);
        if (w[id] < s->min_p || z[id] == -INFINITY)
            continue;
        s->p[id] = w[id];
        s->kept++;
        sum += w[id];
    }
    for (int64_t i = 0; i < s->vocab; i++)
        s->p[i] /= sum > 0 ? sum : 1;
    free(z);
    free(w);
    free(r);
}
