/* SPDX-License-Identifier: Apache-2.0 */
/* sample.h - top-k, sampling and the verification of drafted tokens in double;
 * see oracles.h for the rules. */
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

/* One sequence (speculate.c).  u: n_draft numbers in [0, 1), not read where
 * temperature is 0; draft NULL: all of q lies on the drafted token. */
struct oracle_speculate {
    const double *target, *draft; /* [n_draft + 1][vocab], [n_draft][vocab] */
    const int32_t *ids;
    const double *u;
    int64_t n_draft, vocab;
    double temperature;
    int64_t accepted;
    double
        margin;   /* smallest |p - u q| over max(p, u q, 2^-24) of a decision */
    int64_t best; /* the largest logit of the row that the token is from */
    double *next; /* [vocab]: what it is drawn from; all 0: best */
    double mass;  /* the sum that next was divided by */
};
void oracle_speculate(struct oracle_speculate *s);

#endif
