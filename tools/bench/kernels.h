/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels.h - what the files of `halcyon bench kernels` share.
 *
 * A row is one operator in one dtype and shape; the tables of rows are in
 * rows_*.c.  A row is measured in turns with a probe, a kernel or copy that
 * does nothing but read, copy or multiply-add on the same device: the share of
 * the roofline is the median of these pairs, so that a machine that slows down
 * slows both.
 */
#ifndef TOOLS_BENCH_KERNELS_H
#define TOOLS_BENCH_KERNELS_H

#include <stdbool.h>

#include "kernels/ops.h"
#include "tools/bench/bench.h"

/* ---- operands (operands.c) ---------------------------------------------- */

struct bench_row;

/* The operands of one call.  Once something failed, what is asked for is NULL
 * and nothing more is done; bench_fail has the sentence. */
struct bench_set {
    const struct bench_row *row;
    const int64_t *d;     /* the row's dims, or its full ones */
    void *p[8];           /* as the row's make and run agree */
    double read, written; /* bytes that a call must move at least */
    double flops;         /* operations of a call; 0: none to speak of */
    union {
        struct halopRopeArgs rope;
        struct halopAttentionArgs attention;
        struct halopPagedAttentionArgs paged;
        struct halopMlaFp8Args mla;
        struct halopKvAppendArgs append;
        struct halopMlaFp8AppendArgs mla_append;
        struct halopGemmFp8Args fp8;
        struct halopGemmI8Args i8;
        struct halopGemmGgufArgs gguf;
        struct halopGemmInt4Args int4;
        struct halopRouterArgs router;
        struct halopMoePermuteArgs permute;
        struct halopGroupedGemmArgs grouped;
        struct halopGroupedGemmFp8Args grouped_fp8;
        struct halopGroupedGemmI8Args grouped_i8;
        struct halopMoeCombineArgs combine;
        struct halopSampleArgs pick;
        struct halopSpeculativeVerifyArgs verify;
    } u;
    struct halopInt4Weights weights;

    void *owned[16];
    unsigned n_owned;
    double footprint; /* bytes allocated */
    bool failed;
};

/* Device memory of `count` elements with numbers in it (floats of magnitude
 * 1/16 to 1; any bits of integers): room is not counted, in is read, out is
 * written by each call. */
void *bench_room(struct bench_set *s, halDtype dtype, int64_t count);
void *bench_in(struct bench_set *s, halDtype dtype, int64_t count);
void *bench_out(struct bench_set *s, halDtype dtype, int64_t count);
/* The same I32 on the device, counted as read: i < n gives at(i, range). */
int32_t *bench_ids(struct bench_set *s, int64_t n, int64_t range,
                   int64_t (*at)(int64_t i, int64_t range));
int64_t bench_at_same(int64_t i, int64_t range);   /* range */
int64_t bench_at_each(int64_t i, int64_t range);   /* i % range */
int64_t bench_at_step(int64_t i, int64_t range);   /* i * range */
int64_t bench_at_spread(int64_t i, int64_t range); /* looks random */
/* Each of 0 .. range - 1 once in range steps. */
int64_t bench_at_shuffled(int64_t i, int64_t range);
/* Slots of halopMlaFp8Decode's cache, counted as read. */
void *bench_slots(struct bench_set *s, int64_t n);
/* Blocks of a GGUF type with finite scales, counted as read. */
void *bench_blocks(struct bench_set *s, halopGguf type, int64_t weights);

/* 0, or -1 with bench_fail. */
int bench_set_open(struct bench_set *s, const struct bench_row *row,
                   const int64_t *d);
void bench_set_close(struct bench_set *s);

/* ---- rows (rows_*.c) ---------------------------------------------------- */

#define BENCH_DIMS 6

struct bench_row {
    const char *op, *kind; /* "gemm", "bf16.f32" */
    const char *api;       /* "halopGemm" */
    void (*make)(struct bench_set *s);
    halError_t (*run)(const struct bench_set *s);
    halDtype in, out;
    int type;          /* what else `make` wants to know */
    const char *names; /* of dims: "m n k" */
    int64_t dims[BENCH_DIMS];
    int64_t full[BENCH_DIMS]; /* with --full; {0}: the same */
};

/* Each ends with a row whose op is NULL. */
extern const struct bench_row bench_rows_plain[];
extern const struct bench_row bench_rows_linear[];
extern const struct bench_row bench_rows_quant[];
extern const struct bench_row bench_rows_attention[];
extern const struct bench_row bench_rows_moe[];

/* ---- the roofline (roofline.c) ------------------------------------------ */

enum bench_bound { BENCH_READ, BENCH_COPY, BENCH_FMA, BENCH_BOUNDS };

struct bench_spread {
    double median, p10, p90;
};

struct bench_probe {
    const char *how; /* "kernel read_16"; NULL: not measured */
    bench_fn *fn;
    void *ctx;
    double work;              /* bytes or operations of one call */
    unsigned n_calls;         /* that make a sample */
    struct bench_spread rate; /* of a second */
};

struct bench_roofline {
    struct bench_probe probes[BENCH_BOUNDS];
    char why_not[512]; /* why a probe is missing, or "" */
    double cold_bytes; /* what fills the caches more than once */
    struct probe_state *state;
};

/* Sorts. */
struct bench_spread bench_spread_of(double *values, unsigned n);

extern const char *const bench_bound_names[BENCH_BOUNDS];

/* Measures the current device's roofline; probes that cannot be are left out,
 * with the reason. */
void bench_roofline_open(struct bench_roofline *r,
                         const struct halDeviceProp *prop, bool quick);
void bench_roofline_close(struct bench_roofline *r);
/* Seconds that the probes' rates allow a call, the least, and which probe says
 * so; 0 when a probe that it takes to tell is missing. */
double bench_roofline_least(const struct bench_roofline *r,
                            const struct bench_set *s,
                            enum bench_bound *out_bound);

/* ---- results (rows.c, rows_json.c) ----------------------------------- */

struct bench_figure {
    const struct bench_row *row;
    char device[64], shape[128];
    double read, written, flops;
    struct bench_spread time; /* seconds of one call */
    double best_s, first_s;
    unsigned n_samples, n_calls;
    bool has_share;
    enum bench_bound bound;
    struct bench_spread share; /* of the roofline; 1 is all of it */
    double share_best;         /* of the best samples of either */
};

/* A row without a figure. */
struct bench_gap {
    const struct bench_row *row;
    char device[64], shape[128], why[256];
    bool unsupported; /* the device cannot; else it failed */
};

struct bench_machine {
    char device[64], product[256], driver[256];
    struct bench_spread rates[BENCH_BOUNDS]; /* median 0: not measured */
    const char *how[BENCH_BOUNDS];
    char why_not[512];
};

struct bench_kernels {
    bool quick, full;
    char machine[256];
    unsigned n_cpus;
    struct bench_machine *machines;
    struct bench_figure *figures;
    struct bench_gap *gaps;
    size_t n_machines, n_figures, n_gaps;
};

/* Takes one row's figure.  0; -1 with bench_fail; 1 likewise, where the device
 * cannot. */
int bench_row_measure(const struct bench_row *row, const int64_t *dims,
                      const struct bench_roofline *roof, bool quick,
                      struct bench_figure *out);
void bench_row_shape(const struct bench_row *row, const int64_t *dims,
                     char *text, size_t size);
/* 0, or -1: it could not be written. */
int bench_kernels_json(const struct bench_kernels *k, const char *path);

#endif
