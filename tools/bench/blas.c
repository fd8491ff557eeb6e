/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blas.c - OpenBLAS, opened where it is installed.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "tools/bench/bench.h"

/* From cblas.h, whose values are fixed. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void sgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k,
                      float alpha, const float *a, int lda, const float *b,
                      int ldb, float beta, float *c, int ldc);
typedef void sgemv_fn(int order, int trans, int m, int n, float alpha,
                      const float *a, int lda, const float *x, int incx,
                      float beta, float *y, int incy);

static void gemm(const struct bench_blas *blas, int m, int n, int k,
                 const float *a, const float *b, float *c)
{
    sgemm_fn *call;

    *(void **)(&call) = blas->sgemm;
    call(ROW_MAJOR, NO_TRANS, TRANS, m, n, k, 1.0f, a, k, b, k, 0.0f, c, n);
}

static void gemv(const struct bench_blas *blas, int n, int k, const float *w,
                 const float *x, float *y)
{
    sgemv_fn *call;

    *(void **)(&call) = blas->sgemv;
    call(ROW_MAJOR, NO_TRANS, n, k, 1.0f, w, k, x, 1, 0.0f, y, 1);
}

void bench_blas_calm(void)
{
    /* 2^20 ticks of the processor's clock: longer than from call to call */
    (void)setenv("OPENBLAS_THREAD_TIMEOUT", "20", 0);
}

int bench_blas_open(struct bench_blas *blas, unsigned n_threads)
{
    void *lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    void (*set_threads)(int) = NULL;

    if (!lib) {
        bench_fail("OpenBLAS is not installed (package libopenblas0)");
        return -1;
    }
    *(void **)(&set_threads) = dlsym(lib, "openblas_set_num_threads");
    if (set_threads)
        set_threads((int)n_threads);
    *blas = (struct bench_blas){ .gemm = gemm,
                                 .gemv = gemv,
                                 .sgemm = dlsym(lib, "cblas_sgemm"),
                                 .sgemv = dlsym(lib, "cblas_sgemv") };
    if (!blas->sgemm || !blas->sgemv) {
        bench_fail("libopenblas.so.0 has no cblas_sgemm or cblas_sgemv");
        return -1;
    }
    return 0;
}
