/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cases.h - what the kernel cases share: tensors that know their values in
 * double, bounds from dtype and term count, and the adding of cases.
 *
 * The invariant: `val` of an input is what the device holds, after rounding to
 * its dtype, so that input rounding is never counted as a kernel's error.
 */
#ifndef CONFORMANCE_KERNEL_CASES_H
#define CONFORMANCE_KERNEL_CASES_H

#include "conformance/conf.h"
#include "conformance/oracles/oracles.h"
#include "kernels/ops.h"

/* Half the distance of 1 to the next f32: one rounding of f32 arithmetic. */
#define KX_U32 0x1p-24

#define KX_COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

/* The largest grid that every driver takes.  Shapes beyond it try a kernel's
 * loop over what its grid leaves, which is the same text for all dtypes: they
 * are made for the first one alone. */
#define KX_GRID 65535

struct kx_tensor {
    halDtype dtype;
    int64_t n;
    double *val;
    struct conf_buf buf;
};

extern const halDtype kx_floats[3]; /* f32, bf16, f16 */

/* ---- adding cases ----------------------------------------------------- */

/* A case in the level of its dtype; `extra` is "", or another level after a
 * space: " core", " moe", " mla".  The name is "kernel." and the format. */
void kx_add(struct conf_list *list, halDtype dtype, const char *extra,
            void (*run)(struct conf *c), const void *param, size_t param_bytes,
            const char *format, ...) __attribute__((format(printf, 7, 8)));

/* ---- tensors ---------------------------------------------------------- */

/* Ends the case with UNSUPPORTED where the device has no storage for it. */
void kx_need(struct conf *c, halDtype dtype);

/* Host doubles for n elements, at least one. */
double *kx_doubles(struct conf *c, int64_t n);
/* Rounds val to dtype, uploads it; `odd` elements off the alignment. */
struct kx_tensor kx_input(struct conf *c, halDtype dtype, double *val,
                          int64_t n, int odd);
/* Normal numbers times `size`. */
struct kx_tensor kx_normal(struct conf *c, halDtype dtype, int64_t n,
                           double size, int odd);
/* Poisoned memory. */
struct kx_tensor kx_output(struct conf *c, halDtype dtype, int64_t n, int odd);
/* Poisoned memory that then receives `from`'s values: for in-place work. */
struct kx_tensor kx_in_place(struct conf *c, const struct kx_tensor *from,
                             int odd);
/* Waits and downloads; the zones are checked too. */
void *kx_fetch(struct conf *c, const struct kx_tensor *t);

/* ---- judging ---------------------------------------------------------- */

/* Around one operator: it goes the way that is asked for, for halopSelect();
 * kx_way_end takes what it said, and ends the case where there is no such way
 * here.  way NULL: as it goes. */
void kx_way_begin(struct conf *c, const char *way);
void kx_way_end(struct conf *c, const char *way, halError_t st);

/* Two-part bounds (docs/numerics.md): `terms` f32 roundings of the result, then
 * one to dtype; _sum: `factor` roundings of mag, which is where the terms of a
 * sum cancel. */
struct conf_bound kx_bound(halDtype dtype, double terms);
struct conf_bound kx_bound_sum(halDtype dtype, double factor, const double *mag,
                               const double *want, int64_t n);
void kx_expect(struct conf *c, const char *what, const struct kx_tensor *t,
               const double *want, const double *mag, int64_t rows, int64_t n,
               const struct conf_bound *bound);
/* Bit for bit what `want` rounds to; any NaN is any other. */
void kx_expect_exact(struct conf *c, const char *what,
                     const struct kx_tensor *t, const double *want);
/* Inputs must be as they were. */
void kx_intact(struct conf *c, const struct kx_tensor *t);

/* ---- refusals --------------------------------------------------------- */

/* Bytes of a buffer now, to be compared with later. */
void *kx_snapshot(struct conf *c, const struct conf_buf *b);
void kx_untouched(struct conf *c, const struct conf_buf *b,
                  const void *snapshot);

/* What a refusal points at: an input of 8 KiB, and an output of 8 KiB that no
 * refused call may write. */
struct kx_bench {
    struct conf_buf in, out;
    void *before;
};
struct kx_bench kx_bench(struct conf *c);
void kx_bench_finish(struct conf *c, struct kx_bench *b);
void *kx_at(const struct conf_buf *b, size_t bytes);

/* `call(&bad, NULL)` must fail: `bad` is `good` but for one field, two
 * variables of the caller. */
#define KX_WITH(error, call, field, value)      \
    do {                                        \
        bad = good;                             \
        bad.field = (value);                    \
        CONF_FAILS(c, error, call(&bad, NULL)); \
    } while (0)

/* ---- one function for each file of cases ------------------------------ */

void kx_cases_embedding(struct conf_list *list);
void kx_cases_rmsnorm(struct conf_list *list);
void kx_cases_rope(struct conf_list *list);
void kx_cases_softmax(struct conf_list *list);
void kx_cases_elements(struct conf_list *list);
void kx_cases_cast(struct conf_list *list);
void kx_cases_gemm(struct conf_list *list);
void kx_cases_attention(struct conf_list *list);
void kx_cases_argmax(struct conf_list *list);
void kx_cases_copy(struct conf_list *list);
void kx_cases_refusals(struct conf_list *list);
void kx_cases_quant(struct conf_list *list);
void kx_cases_router(struct conf_list *list);
void kx_cases_moe(struct conf_list *list);
void kx_cases_moe_quant(struct conf_list *list);
void kx_cases_widths(struct conf_list *list);
void kx_cases_moe_refusals(struct conf_list *list);
void kx_cases_paged(struct conf_list *list);
void kx_cases_kv_append(struct conf_list *list);
void kx_cases_paged_refusals(struct conf_list *list);
void kx_cases_mla_fp8(struct conf_list *list);
void kx_cases_sample(struct conf_list *list);
void kx_cases_speculate(struct conf_list *list);
void kx_cases_mtp(struct conf_list *list);
void kx_cases_meta(struct conf_list *list);

#endif
