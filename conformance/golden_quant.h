/* SPDX-License-Identifier: Apache-2.0 */
/* golden_quant.h - what the files of quantised operations share. */
#ifndef CONFORMANCE_GOLDEN_QUANT_H
#define CONFORMANCE_GOLDEN_QUANT_H

#include "conformance/golden_run.h"

/* The pack's bytes as they are, read as elements of dtype. */
struct gt gq_load(struct golden_run *r, const struct golden_value *v,
                  halDtype dtype);
/* Its values, if it holds elements of dtype. */
double *gq_decoded(struct golden_run *r, const struct golden_value *v,
                   halDtype dtype);
/* t equals v bit for bit, read as t's dtype; any NaN is any other. */
void gq_judge_codes(struct golden_run *r, const struct golden_value *v,
                    const struct gt *t);

#endif
