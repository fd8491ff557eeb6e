/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_native.c - OpenBLAS (f32) and oneDNN (bf16), opened where they are
 * installed; HALCYON_KERNEL.
 *
 * The backend spreads a product's tiles over its own threads, so each library
 * is to compute on the thread that calls it.  oneDNN takes that number from
 * OpenMP, where each thread has its own.  OpenBLAS has one for the process: it
 * is set where it was us who brought the library into the process; where the
 * program uses OpenBLAS itself its choice stays, and tiles go one by one.
 */
#include "kernels/ops_native.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- OpenBLAS ------------------------------------------------------------ */

/* From cblas.h, whose values are fixed. */
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void sgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k,
                      float alpha, const float *a, int lda, const float *b,
                      int ldb, float beta, float *c, int ldc);

static sgemm_fn *openblas_sgemm;

static void openblas_product(float *y, uint32_t stride, const void *x,
                             const void *w, uint32_t m, uint32_t n, uint32_t k)
{
    openblas_sgemm(ROW_MAJOR, NO_TRANS, TRANS, (int)m, (int)n, (int)k, 1.0f, x,
                   (int)k, w, (int)k, 0.0f, y, (int)stride);
}

/* dlsym's object pointer as a function: POSIX lets it be copied. */
static void symbol(void *lib, const char *name, void *out_function)
{
    void *p = dlsym(lib, name);

    memcpy(out_function, &p, sizeof p);
}

static int openblas_open(void *lib, int was_there, struct ops_native *out)
{
    void (*set_threads)(int) = NULL;
    int (*get_threads)(void) = NULL;

    symbol(lib, "cblas_sgemm", &openblas_sgemm);
    symbol(lib, "openblas_set_num_threads", &set_threads);
    symbol(lib, "openblas_get_num_threads", &get_threads);
    if (!openblas_sgemm)
        return 0;
    if (set_threads && !was_there)
        set_threads(1);
    out->product = openblas_product;
    out->own_threads = !get_threads || get_threads() != 1;
    return 1;
}

/* ---- oneDNN -------------------------------------------------------------- */

typedef int gemm_bf16_fn(char trans_a, char trans_b, int64_t m, int64_t n,
                         int64_t k, float alpha, const void *a, int64_t lda,
                         const void *b, int64_t ldb, float beta, float *c,
                         int64_t ldc);

static gemm_bf16_fn *onednn_gemm;
static int (*omp_threads)(void);
static void (*omp_set_threads)(int);

static int onednn_call(float *y, int64_t stride, const void *x, const void *w,
                       int64_t m, int64_t n, int64_t k, int64_t pitch)
{
    int before = omp_threads(), st;

    if (before != 1)
        omp_set_threads(1);
    st = onednn_gemm('N', 'T', m, n, k, 1.0f, x, pitch, w, pitch, 0.0f, y,
                     stride);
    if (before != 1)
        omp_set_threads(before); /* it is the program's thread as well */
    return st;
}

static float widen(uint16_t bits)
{
    uint32_t u = (uint32_t)bits << 16;
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

static void onednn_product(float *y, uint32_t stride, const void *x,
                           const void *w, uint32_t m, uint32_t n, uint32_t k)
{
    const uint16_t *xe = x, *we = w;
    /* It pads an odd k, of 2.6 with another factor than 0, and an infinity
     * there becomes a NaN: the last term is ours. */
    uint32_t even = k / 2 * 2;

    /* It fails for want of memory alone: then all terms are ours. */
    if (even && onednn_call(y, stride, x, w, m, n, even, k) != 0)
        even = 0;
    for (uint32_t r = 0; r < m && even < k; r++)
        for (uint32_t c = 0; c < n; c++) {
            float *to = y + (size_t)r * stride + c;
            double sum = even ? (double)*to : 0;

            for (uint32_t i = even; i < k; i++)
                sum += (double)widen(xe[(size_t)r * k + i]) *
                       (double)widen(we[(size_t)c * k + i]);
            *to = (float)sum;
        }
}

/* A build without OpenMP, and a processor that lacks what it needs, count as
 * no library. */
static int onednn_open(void *lib, int was_there, struct ops_native *out)
{
    static const uint16_t one[] = { 0x3f80, 0x3f80 };
    float y = 0;

    (void)was_there;
    symbol(lib, "dnnl_gemm_bf16bf16f32", &onednn_gemm);
    symbol(lib, "omp_get_max_threads", &omp_threads);
    symbol(lib, "omp_set_num_threads", &omp_set_threads);
    if (!onednn_gemm || !omp_threads || !omp_set_threads ||
        onednn_call(&y, 1, one, one, 1, 1, 2, 2) != 0 || !(y == 2.0f))
        return 0;
    out->product = onednn_product;
    return 1;
}

/* ---- which there are ----------------------------------------------------- */

static void open_openblas(void);
static void open_onednn(void);

static struct library {
    const char *name, *variable, *file, *package;
    halDtype dtype;
    int (*open)(void *lib, int was_there, struct ops_native *out);
    void (*open_once)(void);
    pthread_once_t once;
    struct ops_native native; /* product is NULL: not here */
    int is_there;             /* the file was opened */
} libraries[] = {
    { .name = "OpenBLAS",
      .variable = "HALCYON_OPENBLAS_LIB",
      .file = "libopenblas.so.0",
      .package = "libopenblas0-pthread",
      .dtype = halF32,
      .open = openblas_open,
      .open_once = open_openblas,
      .once = PTHREAD_ONCE_INIT },
    { .name = "oneDNN",
      .variable = "HALCYON_ONEDNN_LIB",
      .file = "libdnnl.so.2",
      .package = "libdnnl2",
      .dtype = halBF16,
      .open = onednn_open,
      .open_once = open_onednn,
      .once = PTHREAD_ONCE_INIT },
};

static void library_open(struct library *l)
{
    const char *file = getenv(l->variable);
    int was_there = 1;
    void *lib;

    if (!file || !*file)
        file = l->file;
    lib = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (!lib) {
        was_there = 0;
        lib = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    }
    l->is_there = lib != NULL;
    /* Never closed: its threads and thread data may outlive us. */
    if (lib && !l->open(lib, was_there, &l->native))
        l->native.product = NULL;
}

static void open_openblas(void)
{
    library_open(&libraries[0]);
}

static void open_onednn(void)
{
    library_open(&libraries[1]);
}

static struct library *library_of(halDtype in)
{
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (libraries[i].dtype == in)
            return &libraries[i];
    return NULL;
}

halError_t ops_native_find(const char *op, halDtype in,
                           struct ops_native *out_native)
{
    struct library *l = library_of(in);

    if (!l)
        return ops_fail(op, halErrorNotSupported,
                        "gemm:native is asked for, and no library multiplies "
                        "%s",
                        ops_dtype_label(in));
    pthread_once(&l->once, l->open_once);
    if (!l->native.product)
        return ops_fail(op, halErrorNotSupported,
                        "gemm:native is asked for, and %s, which multiplies "
                        "%s, %s (%s, package %s)",
                        l->name, ops_dtype_label(in),
                        l->is_there ? "does not work here" : "is not installed",
                        l->file, l->package);
    *out_native = l->native;
    return halSuccess;
}

/* ---- which is wanted ----------------------------------------------------- */

/* An enum ops_way, or */
enum { UNREADABLE = OPS_TUNED + 1, UNSELECTED };

#define WAYS                                                \
    "gemm:portable, gemm:native or gemm:tuned, nor "        \
    "rmsnorm:portable, rmsnorm:tuned, fp8_gemm:portable, "  \
    "fp8_gemm:tuned, moe_gemm:portable or moe_gemm:tuned, " \
    "nor several with commas between"

static const struct {
    const char *name;
    enum ops_choice what;
    enum ops_way way;
} ways[] = {
    { "gemm:portable", OPS_GEMM, OPS_PORTABLE },
    { "gemm:native", OPS_GEMM, OPS_NATIVE },
    { "gemm:tuned", OPS_GEMM, OPS_TUNED },
    { "rmsnorm:portable", OPS_RMSNORM, OPS_PORTABLE },
    { "rmsnorm:tuned", OPS_RMSNORM, OPS_TUNED },
    { "fp8_gemm:portable", OPS_FP8_GEMM, OPS_PORTABLE },
    { "fp8_gemm:tuned", OPS_FP8_GEMM, OPS_TUNED },
    { "moe_gemm:portable", OPS_MOE_GEMM, OPS_PORTABLE },
    { "moe_gemm:tuned", OPS_MOE_GEMM, OPS_TUNED },
};

/* by halopSelect() */
static _Atomic int selected[] = { [0 ... OPS_CHOICES - 1] = UNSELECTED };
static int environment[OPS_CHOICES];
static pthread_once_t environment_once = PTHREAD_ONCE_INIT;

/* What one way of a list says into choice[]; 0: nothing that can be read. */
static int read_way(const char *text, size_t length, int *choice)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strlen(ways[i].name) == length &&
            memcmp(ways[i].name, text, length) == 0) {
            choice[ways[i].what] = (int)ways[i].way;
            return 1;
        }
    return 0;
}

/* What text does not name stays `unnamed`; 0: it cannot be read. */
static int read_ways(const char *text, int unnamed, int *choice)
{
    for (int i = 0; i < OPS_CHOICES; i++)
        choice[i] = *text ? unnamed : OPS_PORTABLE;
    while (*text) {
        size_t length = strcspn(text, ",");

        if (!read_way(text, length, choice))
            return 0;
        text += length;
        if (*text == ',' && !*++text)
            return 0;
    }
    return 1;
}

static void environment_read(void)
{
    const char *text = getenv("HALCYON_KERNEL");

    if (!read_ways(text ? text : "", OPS_PORTABLE, environment))
        for (int i = 0; i < OPS_CHOICES; i++)
            environment[i] = UNREADABLE;
}

halError_t ops_way_wanted(const char *op, enum ops_choice what,
                          enum ops_way *out_way)
{
    int choice = atomic_load(&selected[what]);

    if (choice == UNSELECTED) {
        pthread_once(&environment_once, environment_read);
        choice = environment[what];
    }
    if (choice == UNREADABLE)
        return ops_fail(op, halErrorInvalidValue,
                        "HALCYON_KERNEL is none of " WAYS);
    *out_way = (enum ops_way)choice;
    return halSuccess;
}

halError_t halopSelect(const char *choice)
{
    int choices[] = { [0 ... OPS_CHOICES - 1] = UNSELECTED };

    if (choice && !read_ways(choice, UNSELECTED, choices))
        return ops_fail("halopSelect", halErrorInvalidValue,
                        "choice \"%.40s\" is none of " WAYS, choice);
    for (int i = 0; i < OPS_CHOICES; i++)
        if (!choice || choices[i] != UNSELECTED)
            atomic_store(&selected[i], choices[i]);
    return halSuccess;
}

/* ---- where there are tuned kernels --------------------------------------- */

int ops_is_cuda(const struct halFuncAttributes *attr)
{
    return strncmp(attr->variant, "ptx.", 4) == 0 ||
           strcmp(attr->variant, "cuda") == 0;
}

halError_t ops_tuned_here(struct ops_call *call, const char *way, int wanted)
{
    struct halFuncAttributes attr;
    int device = 0, major = 0, minor = 0;
    halError_t st = ops_attributes(call, &attr);

    if (st != halSuccess)
        return st;
    if (!ops_is_cuda(&attr))
        return ops_fail(call->op, halErrorNotSupported,
                        "%s is asked for, and only NVIDIA's devices have a "
                        "tuned kernel",
                        way);
    st = halGetDevice(&device);
    if (st == halSuccess)
        st = halDeviceGetAttribute(&major, halDevAttrComputeCapabilityMajor,
                                   device);
    if (st == halSuccess)
        st = halDeviceGetAttribute(&minor, halDevAttrComputeCapabilityMinor,
                                   device);
    if (st != halSuccess)
        return ops_result(call->op, st);
    if (10 * major + minor < wanted)
        return ops_fail(call->op, halErrorNotSupported,
                        "%s is asked for; it wants compute capability %d.%d, "
                        "and this device has %d.%d",
                        way, wanted / 10, wanted % 10, major, minor);
    return halSuccess;
}
