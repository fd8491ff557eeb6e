/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clblast.c - CLBlast's sgemm on the driver's device beneath ours, opened where
 * it is installed.  x and w lie in one buffer, one behind the other, y in
 * another: the two that raw_opencl.c has.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/gemm.h"
#include "tools/bench/raw_opencl.h"

/* From clblast_c.h, whose values are fixed. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef int sgemm_fn(int layout, int trans_a, int trans_b, size_t m, size_t n,
                     size_t k, float alpha, cl_mem a, size_t a_offset,
                     size_t a_ld, cl_mem b, size_t b_offset, size_t b_ld,
                     float beta, cl_mem c, size_t c_offset, size_t c_ld,
                     cl_command_queue *queue, cl_event *event);

struct clblast {
    sgemm_fn *sgemm;
    void *raw;
};

/* x and w, as one copy to the device. */
static int send(struct clblast *c, const struct gemm *g)
{
    size_t nx = (size_t)g->m * (size_t)g->k, nw = (size_t)g->n * (size_t)g->k;
    float *both = malloc((nx + nw) * sizeof *both);
    struct bench_raw_copy copy = { .raw = c->raw,
                                   .way = BENCH_H2D,
                                   .size = (nx + nw) * sizeof *both,
                                   .host = both };
    int st;

    if (!both) {
        bench_fail("out of host memory");
        return -1;
    }
    memcpy(both, g->x, nx * sizeof *both);
    memcpy(both + nx, g->w, nw * sizeof *both);
    st = bench_raw_opencl.copy(&copy, 1);
    free(both);
    return st;
}

static int clblast_open(struct gemm *g)
{
    void *lib = dlopen("libclblast.so.1", RTLD_NOW | RTLD_LOCAL);
    struct clblast *c = calloc(1, sizeof *c);
    size_t nx = (size_t)g->m * (size_t)g->k, nw = (size_t)g->n * (size_t)g->k;
    size_t ny = (size_t)g->m * (size_t)g->n, n = nx + nw > ny ? nx + nw : ny;

    g->side = c;
    if (!lib || !c) {
        bench_fail("CLBlast is not installed (package libclblast1)");
        return -1;
    }
    *(void **)(&c->sgemm) = dlsym(lib, "CLBlastSgemm");
    if (!c->sgemm) {
        bench_fail("libclblast.so.1 has no CLBlastSgemm");
        return -1;
    }
    if (bench_raw_open(&bench_raw_opencl, g->prop, 1, n * sizeof(float),
                       &c->raw) != 0)
        return -1;
    return send(c, g);
}

static int clblast_run(void *ctx, unsigned calls)
{
    const struct gemm *g = ctx;
    const struct clblast *c = g->side;
    struct raw_opencl *r = c->raw;
    size_t m = (size_t)g->m, n = (size_t)g->n, k = (size_t)g->k;

    for (unsigned i = 0; i < calls; i++) {
        int st =
            c->sgemm(ROW_MAJOR, NO_TRANS, TRANS, m, n, k, 1.0f, r->dst, 0, k,
                     r->dst, m * k, k, 0.0f, r->src, 0, n, &r->queue, NULL);

        if (st != 0) {
            bench_fail("CLBlastSgemm: status %d", st);
            return -1;
        }
    }
    return raw_opencl_finish(r);
}

static int clblast_result(const struct gemm *g, float *y)
{
    const struct clblast *c = g->side;
    struct bench_raw_copy copy = { .raw = c->raw,
                                   .way = BENCH_D2H,
                                   .size =
                                       (size_t)g->m * (size_t)g->n * sizeof *y,
                                   .host = y };

    return bench_raw_opencl.copy(&copy, 1);
}

static void clblast_close(struct gemm *g)
{
    struct clblast *c = g->side;

    if (c && c->raw)
        bench_raw_opencl.close(c->raw);
    free(c);
    g->side = NULL;
}

const struct gemm_side gemm_clblast = { .name = "CLBlast",
                                        .open = clblast_open,
                                        .run = clblast_run,
                                        .result = clblast_result,
                                        .close = clblast_close };
