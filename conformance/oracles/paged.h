/* SPDX-License-Identifier: Apache-2.0 */
/* paged.h - attention over a paged cache in double; see oracles.h. */
#ifndef CONFORMANCE_ORACLES_PAGED_H
#define CONFORMANCE_ORACLES_PAGED_H

#include <stdint.h>

/* Arrays as kernels/ops_paged.h describes them; starts is always given. */
struct oracle_paged {
    double *o, *mag, *lse;
    const double *q, *k, *v;
    const int32_t *starts, *lens, *table;
    int64_t batch, tokens, heads, kv_heads, qk_dim, v_dim;
    int64_t n_blocks, block, width, k_stride, v_stride, window;
    double scale, softcap;
    int causal;
    /* Largest sum of |q_i * k_i| * scale over any visible pair. */
    double score_mag;
};
void oracle_paged(struct oracle_paged *a);

/* o = sum exp(lse_p - L) o_p, L = log sum exp(lse_p); no key: 0 and -inf. */
void oracle_attention_join(double *o, double *mag, double *lse,
                           const double *part_o, const double *part_lse,
                           int64_t parts, int64_t rows, int64_t dim);

#endif
