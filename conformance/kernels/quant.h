/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant.h - what the cases of quantised operators share beside cases.h:
 * tensors of raw codes, and the levels kernels-fp8, kernels-int8, kernels-int4.
 */
#ifndef CONFORMANCE_KERNEL_QUANT_H
#define CONFORMANCE_KERNEL_QUANT_H

#include "conformance/kernels/cases.h"
#include "conformance/oracles/quant.h"

/* A case of this level ("kernels-fp8"); the name is "kernel." and the format.
 */
void kq_add(struct conf_list *list, const char *level,
            void (*run)(struct conf *c), const void *param, size_t param_bytes,
            const char *format, ...) __attribute__((format(printf, 6, 7)));

/* A tensor of these elements, bit for bit, which knows their values; `odd`
 * elements off the alignment. */
struct kx_tensor kq_codes(struct conf *c, halDtype dtype, const void *codes,
                          int64_t n, int odd);
/* Random codes of one byte; of fp8 no NaN and no infinity. */
struct kx_tensor kq_random(struct conf *c, halDtype dtype, int64_t n, int odd);

/* ---- products ---------------------------------------------------------- */

/* Shapes that the products of every format of weights are tried with; the
 * format has its own k. */
struct kq_shape {
    const char *name;
    int64_t m, n, k;
    int bias, odd;
};

/* Any order of summation: sqrt(k) roundings of sum |x * w|, and a few. */
void kq_judge(struct conf *c, const struct kx_tensor *y, const double *want,
              const double *mag, int64_t m, int64_t n, int64_t k,
              double extra_terms);

/* What a case does beside random data.  SPOILED: some scales are no numbers,
 * which makes numbers of nothing that they reach and touches nothing else. */
enum kq_special { KQ_RANDOM, KQ_EXTREME, KQ_SPOILED };

/* m rows of k, eight kinds in turn: normal; a NaN; an infinity; zeros; huge
 * terms that cancel; tiny ones; both infinities; one huge among normal ones. */
struct kx_tensor kq_extreme_rows(struct conf *c, halDtype dtype, int64_t m,
                                 int64_t k);
/* n normal numbers, the n / 4 or so that are `special` among them. */
struct kx_tensor kq_scales(struct conf *c, halDtype dtype, int64_t n,
                           double size, enum kq_special special, int odd);
/* As kq_judge; where SPOILED, of a y that is no number only that it is none:
 * whether NaN or an infinity hangs on the order in which a factor meets its
 * terms. */
void kq_judge_as(struct conf *c, enum kq_special special,
                 const struct kx_tensor *y, double *want, double *mag,
                 int64_t m, int64_t n, int64_t k, double extra_terms);

/* ---- refusals --------------------------------------------------------- */

#define KQ_BAD(call)   CONF_FAILS(c, halErrorInvalidValue, call)
#define KQ_DTYPE(call) CONF_FAILS(c, halErrorNotSupported, call)

/* Bytes of a buffer of 4096 f32 and the zone behind it. */
#define KQ_END (16384 + 4096)

/* Both products must refuse `bad`: `good` but for one field, two variables of
 * the caller. */
#define KQ_WITH(gemm, gemv, field, value) \
    do {                                  \
        bad = good;                       \
        bad.field = (value);              \
        KQ_BAD(gemm(&bad, NULL));         \
        KQ_BAD(gemv(&bad, NULL));         \
    } while (0)

/* ---- one function for each file of cases ------------------------------ */

void kq_cases_cast(struct conf_list *list);
void kq_cases_fp8(struct conf_list *list);
void kq_cases_int8(struct conf_list *list);
void kq_cases_swiglu(struct conf_list *list);
void kq_cases_gguf(struct conf_list *list);
void kq_cases_int4(struct conf_list *list);

#endif
