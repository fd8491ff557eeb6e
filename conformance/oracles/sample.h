/* SPDX-License-Identifier: Apache-2.0 */
/* sample.h - top-k and sampling in double; see oracles.h for the rules. */
#ifndef CONFORMANCE_ORACLES_SAMPLE_H
#define CONFORMANCE_ORACLES_SAMPLE_H

#include <stdint.h>

/* The k largest of each row, equals by index, NaN first. */
void oracle_topk(double *values, int32_t *indices, const double *x,
                 int64_t rows, int64_t n, int64_t k);

/* Philox 4x32-10 (Salmon et al., SC11): out = the block of `counter`. */
void oracle_philox(uint32_t out[4], const uint32_t counter[4],
                   const uint32_t key[2]);

/* One row: logits after the penalty of `past` go through temperature, top-k,
 * top-p and min-p (0: none). */
struct oracle_sample {
    const double *logits;
    const int32_t *past;
    int64_t vocab, n_past, top_k;
    double penalty, temperature, top_p, min_p;
    double *p;      /* [vocab]: probabilities of what is left; 0: not left */
    int64_t kept;   /* how many are left */
    double margin;  /* smallest relative distance, other than 0, of a
                     * probability or a sum from what it was compared with */
    int64_t greedy; /* the largest logit's lowest index */
};
void oracle_sample(struct oracle_sample *s);

#endif
