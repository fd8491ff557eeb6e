/* SPDX-License-Identifier: Apache-2.0 */
/* ops_paged_internal.h - what the operators on paged caches share. */
#ifndef KERNELS_OPS_PAGED_INTERNAL_H
#define KERNELS_OPS_PAGED_INTERNAL_H

#include "kernels/ops_internal.h"

/* Keys of a part, at least all kv_max where no split is due; `wanted` if not 0.
 * total: groups that one part has. */
int64_t ops_paged_part(const struct ops_call *call, int64_t kv_max,
                       int64_t total, int64_t wanted);

/* Joins partial results of rows of `dim` (attention_combine.k). */
halError_t ops_paged_join(const char *op, halDtype out, void *o, float *lse,
                          const float *part_o, const float *part_lse,
                          int64_t parts, int64_t rows, int64_t dim,
                          halStream_t stream);

#endif
