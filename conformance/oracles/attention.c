/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attention.c - oracle of grouped-query attention.  Keys that a query may not
 * see are never read: a NaN behind the mask must not reach the output.
 */
#include <math.h>
#include <stdlib.h>

#include "conformance/oracles/oracles.h"

/* One query of one head: `seen` keys, each `k_step` and `v_step` apart. */
static void one_query(struct oracle_attention *a, const double *q,
                      const double *k, const double *v, int64_t seen, double *o,
                      double *mag, double *lse)
{
    int64_t k_step = a->kv_heads * a->qk_dim, v_step = a->kv_heads * a->v_dim;
    double largest = -INFINITY, total = 0;
    int bad = 0;

    for (int64_t i = 0; i < a->v_dim; i++) {
        o[i] = 0;
        if (mag)
            mag[i] = 0;
    }
    /* Two passes over the scores instead of an array of them: the largest,
     * then the sums. */
    for (int pass = 0; pass < 2; pass++)
        for (int64_t j = 0; j < seen; j++) {
            double s = 0, size = 0, p;

            for (int64_t i = 0; i < a->qk_dim; i++) {
                s += q[i] * k[j * k_step + i];
                size += fabs(q[i] * k[j * k_step + i]);
            }
            s *= a->scale;
            size *= fabs(a->scale);
            if (pass == 0) {
                bad |= isnan(s);
                if (s > largest)
                    largest = s;
                if (size > a->score_mag && isfinite(size))
                    a->score_mag = size;
                continue;
            }
            p = bad ? NAN : exp(s - largest);
            total += p;
            for (int64_t i = 0; i < a->v_dim; i++) {
                o[i] += p * v[j * v_step + i];
                if (mag)
                    mag[i] += p * fabs(v[j * v_step + i]);
            }
        }
    if (lse)
        *lse = seen ? largest + log(total) : -INFINITY;
    if (!seen)
        return;
    for (int64_t i = 0; i < a->v_dim; i++) {
        o[i] /= total;
        if (mag)
            mag[i] /= total;
    }
}

static int64_t keys_seen(const struct oracle_attention *a, int64_t b, int64_t i)
{
    int64_t len = a->kv_lens ? a->kv_lens[b] : a->kv_max, seen;

    if (len < 0)
        len = 0;
    if (len > a->kv_max)
        len = a->kv_max;
    seen = a->causal ? len - a->n_q + i + 1 : len;
    return seen < 0 ? 0 : seen > len ? len : seen;
}

void oracle_attention(struct oracle_attention *a)
{
    int64_t group = a->kv_heads ? a->heads / a->kv_heads : 1;

    a->score_mag = 0;
    for (int64_t b = 0; b < a->batch; b++)
        for (int64_t i = 0; i < a->n_q; i++)
            for (int64_t h = 0; h < a->heads; h++) {
                int64_t kv = b * a->kv_max * a->kv_heads + h / group;
                int64_t row = (b * a->n_q + i) * a->heads + h;

                one_query(a, a->q + row * a->qk_dim, a->k + kv * a->qk_dim,
                          a->v + kv * a->v_dim, keys_seen(a, b, i),
                          a->o + row * a->v_dim,
                          a->mag ? a->mag + row * a->v_dim : NULL,
                          a->lse ? a->lse + (b * a->heads + h) * a->n_q + i
                                 : NULL);
            }
}
