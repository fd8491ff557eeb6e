/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_attention_internal.h - what the attention operators share: checks of
 * their numbers, the split of the keys into parts, and the joining of those.
 */
#ifndef KERNELS_OPS_ATTENTION_INTERNAL_H
#define KERNELS_OPS_ATTENTION_INTERNAL_H

#include "kernels/ops_internal.h"

/* Query rows that a group of each of the attention kernels takes together. */
#define OPS_QUERY_ROWS 4

/* Dims fit the kernels' LOCAL memory, and heads share keys evenly. */
halError_t ops_check_heads(const char *op, int64_t n_heads, int64_t n_kv_heads,
                           int64_t qk_dim, int64_t v_dim);
halError_t ops_check_scale(const char *op, float scale);
/* Without q_starts each batch has max_q of the n_tokens. */
halError_t ops_check_tokens(const char *op, const int32_t *q_starts,
                            int64_t batch, int64_t max_q, int64_t n_tokens);

/* Groups that a part of the keys gets, of `batch` times `each` blocks of rows:
 * fewer than blocks where a group holds several (a CPU's). */
int64_t ops_attention_groups(const struct ops_call *call, int64_t batch,
                             int64_t each, int64_t kv_max);

/* Keys of a part, at least all kv_max where no split is due; `wanted` if not 0,
 * but no more than 4096 parts.  groups: what one part has. */
int64_t ops_part_keys(const struct ops_call *call, int64_t kv_max,
                      int64_t groups, int64_t wanted);

/* Partial results [n][rows][dim] and their lse [n][rows], in stream-ordered
 * memory of the op's own. */
struct ops_parts {
    int64_t n, rows, dim; /* set by the caller */
    const float *o, *lse;
    void *memory; /* of both */
};
/* Takes the memory and makes o and lse the call's first arguments. */
halError_t ops_parts_take(struct ops_parts *parts, struct ops_call *call,
                          halStream_t stream);
/* Gives it back; st: how the work on it went, which matters more. */
halError_t ops_parts_give(const struct ops_parts *parts, const char *op,
                          halError_t st, halStream_t stream);
/* Joins them (attention_combine.k) into o[batch][n_q][n_heads][dim] with these
 * strides of batch, query and head; lse may be NULL. */
halError_t ops_parts_join(const struct ops_parts *parts, const char *op,
                          halDtype out, void *o, float *lse, int64_t n_q,
                          int64_t n_heads, const int64_t strides[3],
                          halStream_t stream);
/* The same into rows that follow each other. */
halError_t ops_parts_join_rows(const struct ops_parts *parts, const char *op,
                               halDtype out, void *o, float *lse,
                               halStream_t stream);

#endif
