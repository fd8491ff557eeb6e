/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm.h - the other sides of `halcyon bench gemm`: y = x . w^T in f32 by
 * somebody else, with the same numbers.
 */
#ifndef TOOLS_BENCH_GEMM_H
#define TOOLS_BENCH_GEMM_H

#include "tools/bench/bench.h"

struct gemm {
    const struct halDeviceProp *prop;
    unsigned n_cpus;
    int m, n, k;
    float *x, *w; /* the host's: [m][k] and [n][k] */
    void *dev_x, *dev_w, *dev_y;
    void *side; /* the other side's own */
};

struct gemm_side {
    const char *name;
    /* 0, or -1 with bench_fail: it is not to be had here. */
    int (*open)(struct gemm *g);
    bench_fn *run; /* ctx: struct gemm */
    /* y [m][n] of the last run; 0, or -1 with bench_fail. */
    int (*result)(const struct gemm *g, float *y);
    void (*close)(struct gemm *g); /* after a failed open, too */
    unsigned settle_ms;
};

extern const struct gemm_side gemm_openblas; /* on the host */
extern const struct gemm_side gemm_clblast;  /* on the OpenCL device */
/* A tile of 16 x 16 in shared memory, one thread an element: what comes first
 * to mind on a GPU.  A kernel of the dialect, on any device. */
extern const struct gemm_side gemm_tiled;

#endif
