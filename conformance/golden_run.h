/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_run.h - how a case of a pack becomes launches of kernels/ops.h.
 *
 * All arithmetic is the device's.  The host may only arrange: widen inputs
 * (exactly), lay masks of 0 and -inf, choose strides.  An operation that the
 * kernels cannot express ends as UNSUPPORTED with the kernel that is missing.
 */
#ifndef CONFORMANCE_GOLDEN_RUN_H
#define CONFORMANCE_GOLDEN_RUN_H

#include "conformance/golden.h"
#include "kernels/ops.h"

struct golden_run {
    struct conf *c;
    const struct golden_case *g;
};

struct golden_op {
    const char *op;
    void (*run)(struct golden_run *r); /* NULL: `missing` says why not */
    const char *missing;
};

/* Tables that end with a NULL op. */
extern const struct golden_op golden_ops_native[];
extern const struct golden_op golden_ops_onnx[];
extern const struct golden_op golden_ops_quant[];
extern const struct golden_op golden_ops_moe[];
extern const struct golden_op golden_ops_paged[];
extern const struct golden_op golden_ops_sample[];

/* ---- what a case says (golden_values.c) ------------------------------- */

/* Ends the case with UNSUPPORTED and the reason. */
void golden_cannot(struct golden_run *r, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

const struct golden_value *golden_input(struct golden_run *r, const char *name);
const struct golden_value *golden_input_or_null(struct golden_run *r,
                                                const char *name);
/* ONNX: the input in this slot, or NULL. */
const struct golden_value *golden_slot(struct golden_run *r, int slot);
const struct golden_value *golden_output(struct golden_run *r,
                                         const char *name);
const struct golden_value *golden_output_or_null(struct golden_run *r,
                                                 const char *name);
/* ONNX: the output in this slot, or NULL; its float64 twin if there is one. */
const struct golden_value *golden_result(struct golden_run *r, int slot);

/* attrs.<name>, or attrs.node.<name>, or attrs.node_defaults.<name>. */
double golden_number(struct golden_run *r, const char *name, double absent);
const cJSON *golden_attr(struct golden_run *r, const char *name);
int golden_flag(struct golden_run *r, const char *text);

double *golden_doubles(struct golden_run *r, const struct golden_value *v);
int64_t golden_int(struct golden_run *r, const struct golden_value *v,
                   int64_t i);

/* ---- device tensors (golden_device.c) --------------------------------- */

struct gt {
    halDtype dtype;
    int rank;
    int64_t shape[GOLDEN_RANK_MAX];
    int64_t n;
    struct conf_buf buf;
};

/* As stored, or widened to f32; integers of any width to I32.  Other types
 * end the case. */
struct gt gt_load(struct golden_run *r, const struct golden_value *v);
struct gt gt_load_f32(struct golden_run *r, const struct golden_value *v);
struct gt gt_load_i32(struct golden_run *r, const struct golden_value *v);
struct gt gt_new(struct golden_run *r, halDtype dtype, int rank,
                 const int64_t *shape);
struct gt gt_from(struct golden_run *r, int rank, const int64_t *shape,
                  const double *values); /* f32 */
/* The same memory with another shape; a part of it from element `at`. */
struct gt gt_view(struct gt t, int64_t at, int rank, const int64_t *shape);
void *gt_at(const struct gt *t, int64_t element);

void gt_strides(const struct gt *t, int64_t *strides);
/* y[at + ...] = x[at + ...], any rank. */
void gt_move(struct golden_run *r, struct gt *y, int64_t y_at,
             const int64_t *y_strides, const struct gt *x, int64_t x_at,
             const int64_t *x_strides, int rank, const int64_t *dims);
struct gt gt_permute(struct golden_run *r, const struct gt *x, const int *perm);
struct gt gt_clone(struct golden_run *r, const struct gt *x);
struct gt gt_cast(struct golden_run *r, const struct gt *x, halDtype to);
/* x [m, k], w [n, k], bias [n] or NULL -> [m, n]. */
struct gt gt_gemm(struct golden_run *r, halDtype out, const struct gt *x,
                  const struct gt *w, const struct gt *bias);
/* A product with `factor` times the unit matrix: exact but for its one
 * rounding.  x is f32; its last dimension must not be long. */
struct gt gt_scale(struct golden_run *r, const struct gt *x, double factor);

/* ---- judging (golden_device.c) ---------------------------------------- */

/* How far a result may be off, beyond its last rounding. */
struct golden_slack {
    double terms;      /* f32 roundings where the pack has no hint */
    const double *mag; /* sum of |terms| of each element, or NULL */
    double sum;        /* roundings of mag */
    double abs;        /* in addition */
};

/* t against `v`: exact if the pack says so, else by its hints. */
void golden_judge(struct golden_run *r, const struct golden_value *v,
                  const struct gt *t, const struct golden_slack *slack);
/* Against values that the caller has chosen. */
void golden_judge_values(struct golden_run *r, const struct golden_value *v,
                         const struct gt *t, const double *want,
                         const struct golden_slack *slack);
/* Bit for bit, any NaN being any other: `want`, or the pack's own values. */
void golden_judge_codes(struct golden_run *r, const struct golden_value *v,
                        const struct gt *t, const double *want);
void golden_judge_exact(struct golden_run *r, const struct golden_value *v,
                        const struct gt *t);
void *gt_fetch(struct golden_run *r, const struct gt *t);

/* ---- operations in files of their own --------------------------------- */

void golden_run_attention(struct golden_run *r);
void golden_run_onnx_attention(struct golden_run *r);
void golden_run_rope_table(struct golden_run *r);
void golden_run_gqa_block(struct golden_run *r);
void golden_run_mla(struct golden_run *r);
void golden_run_mtp_input(struct golden_run *r);

#endif
