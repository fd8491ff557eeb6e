/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_paged.h - caches of keys and values in blocks, and attention over them.
 * The rules of ops.h hold; include that.
 *
 * A paged cache is [n_blocks][block][row]: n_blocks x block slots of one token
 * each; a row holds the token's key/value heads one after the other.  Position
 * j of sequence b lies in slot table[b][j / block] * block + j % block.
 */
#ifndef KERNELS_OPS_PAGED_H
#define KERNELS_OPS_PAGED_H

#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Token t's row of x, n_heads x head_dim elements at x + t * token_stride, goes
 * to cache + slots[t] * slot_stride; slots I32 [n_tokens], no two the same.  A
 * slot outside [0, n_slots) drops its token (-1 by custom).
 *
 * With rope_dim > 0, even, elements rope_at .. rope_at + rope_dim of each head
 * are rotated on the way, as halopRope does: cos, sin F32 [n_positions]
 * [rope_dim/2]; positions I32 [n_tokens], clamped to [0, n_positions).  The
 * rest arrives bit for bit (of a NaN: as a NaN, where there is rope).
 * DeepSeek's latent cache: one head of 576 with rope_at 512, rope_dim 64; Llama
 * and Qwen: rope_at 0, rope_dim head_dim.  dtype F32, BF16, F16.
 */
struct halopKvAppendArgs {
    halDtype dtype;
    halopRopeLayout layout;
    void *cache;
    const void *x;
    const int32_t *slots;
    const float *cos, *sin;
    const int32_t *positions;
    int64_t n_tokens, n_heads, head_dim, n_slots;
    int64_t token_stride, slot_stride;
    int64_t rope_at, rope_dim, n_positions;
};
HAL_API halError_t halopKvAppend(const struct halopKvAppendArgs *args,
                                 halStream_t stream);

/*
 * Attention over paged caches.  q [n_tokens][n_heads][qk_dim] and o [n_tokens]
 * [n_heads][v_dim] are contiguous; the tokens of sequence b are q_starts[b] ..
 * q_starts[b + 1], I32 [batch + 1], at most max_q of them; q_starts NULL: max_q
 * each, and n_tokens is batch * max_q.  kv_lens I32 [batch]: keys of each
 * sequence, its own new tokens included; block_table I32 [batch][table_width].
 * Key/value head h of a slot begins at k + slot * k_slot_stride + h * qk_dim
 * and v + slot * v_slot_stride + h * v_dim.
 *
 * causal: query i of n sees key j iff j <= kv_len - n + i; window > 0 (with
 * causal only): and j > kv_len - n + i - window.  softcap > 0: scores become
 * softcap * tanh(score / softcap).  A query with no key gives 0 and lse -inf.
 * lse, F32 [n_tokens][n_heads], natural logarithm, may be NULL.  dims to 576.
 * o and lse of tokens that no sequence has are undefined.
 *
 * Multi-head latent attention, absorbed: n_kv_heads 1, qk_dim 576, v_dim 512, v
 * the same pointer as k, both slot strides 576.
 *
 * What the device finds out of range is clamped: kv_lens to [0, table_width *
 * block], block indices to [0, n_blocks), q_starts to ascend within n_tokens.
 */
struct halopPagedAttentionArgs {
    halDtype dtype; /* of q, k, v: F32, BF16, F16 */
    halDtype out;   /* of o: dtype or F32 */
    void *o;
    float *lse;
    const void *q, *k, *v;
    const int32_t *q_starts, *kv_lens, *block_table;
    int64_t batch, n_tokens, max_q, n_heads, n_kv_heads, qk_dim, v_dim;
    int64_t n_blocks, block, table_width;
    int64_t k_slot_stride, v_slot_stride;
    int64_t window;
    float scale, softcap;
    int causal;
    int64_t part; /* keys of a part of split attention; 0: chosen.  More are
                   * taken where there would be over 4096 parts */
};
HAL_API halError_t halopPagedAttention(
    const struct halopPagedAttentionArgs *args, halStream_t stream);

/* Joins `parts` partial results of the same rows: L = log sum exp(lse_p), o =
 * sum exp(lse_p - L) o_p.  part_o F32 [parts][rows][dim], part_lse F32 [parts]
 * [rows], -inf where a part saw no key; o [rows][dim] of `out` (F32, BF16,
 * F16); lse F32 [rows] may be NULL.  Rows without any key give 0 and -inf.
 * halErrorNotSupported where a thread's loops may not take so many parts
 * (prop.maxLoopSteps). */
HAL_API halError_t halopAttentionCombine(halDtype out, void *o, float *lse,
                                         const float *part_o,
                                         const float *part_lse, int64_t parts,
                                         int64_t rows, int64_t dim,
                                         halStream_t stream);

/*
 * The latent cache in fp8, FlashMLA's layout: a slot is 656 bytes, 512 latent
 * elements of e4m3, 4 scales F32 (each for 128 of them, a factor), 64 elements
 * of BF16 for the rotated part.  cache is 4-byte aligned.
 *
 * Append: latent [n_tokens] of 512 elements, token_stride apart, and pe
 * [n_tokens] of 64, already rotated, pe_stride apart; dtype F32, BF16.  The
 * scale is max(amax / 448, 1e-4) rounded up to a power of two.  Slots as in
 * halopKvAppend.
 */
#define HALOP_MLA_FP8_BYTES 656
struct halopMlaFp8AppendArgs {
    halDtype dtype;
    void *cache;
    const void *latent, *pe;
    const int32_t *slots;
    int64_t n_tokens, n_slots;
    int64_t token_stride, pe_stride;
};
HAL_API halError_t halopMlaFp8Append(const struct halopMlaFp8AppendArgs *args,
                                     halStream_t stream);

/* halopPagedAttention over such a cache: q [n_tokens][n_heads][576], o
 * [n_tokens][n_heads][512]; dtype, of q: F32, BF16; out: dtype or F32. */
struct halopMlaFp8Args {
    halDtype dtype, out;
    void *o;
    float *lse;
    const void *q, *cache;
    const int32_t *q_starts, *kv_lens, *block_table;
    int64_t batch, n_tokens, max_q, n_heads;
    int64_t n_blocks, block, table_width;
    float scale;
    int causal;
    int64_t part;
};
HAL_API halError_t halopMlaFp8Decode(const struct halopMlaFp8Args *args,
                                     halStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
