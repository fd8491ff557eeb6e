/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_sample.h - the choice of tokens.  The rules of ops.h hold; include that.
 */
#ifndef KERNELS_OPS_SAMPLE_H
#define KERNELS_OPS_SAMPLE_H

#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The k largest of each row, largest first, equals by their index; a NaN counts
 * as largest.  values [rows][k] of `dtype` (F32, BF16, F16) may be NULL,
 * indices I32 [rows][k], x [rows][n]; 1 <= k <= n, k to 256. */
HAL_API halError_t halopTopK(halDtype dtype, void *values, int32_t *indices,
                             const void *x, int64_t rows, int64_t n, int64_t k,
                             halStream_t stream);

/*
 * A token for each row of logits [rows][vocab], F32, BF16 or F16.  In this
 * order, as Hugging Face's processors have it:
 *   repetition_penalty  logits of the ids in past, I32 [rows][n_past], are
 *     divided by it where positive and multiplied where negative, once each;
 *     ids outside the vocabulary are skipped.  0 or 1: none
 *   temperature  divides; 0: the largest logit, the lowest index of equals
 *   top_k  keeps logits not below the k-th largest.  0: all
 *   top_p  keeps the fewest largest that have this part of the probability;
 *     of the last one's equals the lowest indices.  0 or 1: all
 *   min_p  keeps tokens at least min_p times as probable as the largest
 * Of what is left the first token, by index, is taken whose cumulative
 * probability is above u: uniform[row], F32 in [0, 1), or with uniform NULL
 * philox_word / 2^32 where philox_word is the first word of Philox 4x32-10 of
 * the counter {low and high half of `counter`, row, 0} under the key {low and
 * high half of `seed`}.  A NaN or -inf is never chosen; a row of nothing else
 * gives token 0.  token I32 [rows]; kept, I32 [rows], how many tokens were
 * left, may be NULL.  vocab below 2^18.
 *
 * The same token on every device: probabilities are integers (sample.k).
 */
struct halopSampleArgs {
    halDtype dtype;
    const void *logits;
    int32_t *token;
    int32_t *kept;
    const float *uniform;
    const int32_t *past;
    int64_t rows, vocab, n_past;
    int64_t top_k;
    float repetition_penalty, temperature, top_p, min_p;
    uint64_t seed, counter;
};
HAL_API halError_t halopSample(const struct halopSampleArgs *args,
                               halStream_t stream);

/*
 * Which drafted tokens a model would have written itself.  Of each sequence:
 * ids I32 [batch][n_draft], the draft's tokens; target [batch][n_draft + 1]
 * [vocab], the model's logits before each of them and after the last; draft
 * [batch][n_draft][vocab], the draft's logits, of one dtype (F32, BF16, F16).
 * accepted, I32 [batch], is how many of the first tokens stay, and token, I32
 * [batch], what follows them.  With p and q the probabilities of target and
 * draft at `temperature`:
 *   temperature 0  a token stays if it is target's largest logit, the lowest
 *     index of equals; token is the largest of the next row.  Neither draft nor
 *     uniform is read
 *   else  the i-th token x stays if p(x) > 0 and u_i q(x) <= p(x).  After the
 *     first that does not, token is drawn from max(p - q, 0), normalised; if
 *     all stay, from p of the last row, by u of n_draft, as halopSample draws.
 *     draft NULL: q is 1 for the drafted token
 * u is uniform, F32 [batch][n_draft + 1] in [0, 1), or with uniform NULL
 * philox_word / 2^32 of the counter {low and high half of `counter`, sequence,
 * i + 1} under the key of `seed`; halopSample has 0 in the last place.
 * A NaN or -inf has probability 0.  An id outside the vocabulary does not stay.
 * Where nothing is above q, or a row is empty, token is the row's largest.
 * To verify behind top-k or top-p, set the logits of what they leave out to
 * -inf in both.  n_draft 0..256, vocab below 2^18.
 *
 * The same tokens on every device: probabilities are integers (speculate.k).
 */
struct halopSpeculativeVerifyArgs {
    halDtype dtype;
    int32_t *accepted, *token;
    const void *target;
    const void *draft;
    const int32_t *ids;
    const float *uniform;
    int64_t batch, n_draft, vocab;
    float temperature;
    uint64_t seed, counter;
};
HAL_API halError_t halopSpeculativeVerify(
    const struct halopSpeculativeVerifyArgs *args, halStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
