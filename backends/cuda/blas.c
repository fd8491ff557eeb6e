/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blas.c - products by cuBLASLt, opened at the first kernel that wants it.
 *
 * A product is a launch of a stock kernel that makes y ready for it
 * (kernels/gemm_native.k): y = bias, or nothing where the library
 * adds the bias or there is none.  cuda_launch then calls cuda_blas_multiply
 * on the same stream.
 *
 * Matrices are ours by rows, which is the library's way, by columns, of their
 * transposes: y^T[n][m] = w[n][k] . x^T[k][m].
 *
 * Sums are f32 whatever the operands are, partial ones too, so that the bounds
 * of docs/numerics.md hold.  Nothing is kept from one product to the next: the
 * library itself remembers what its heuristic said.  Invariant: dev->blas is
 * NULL or a handle of the device's context.
 */
#include "backends/cuda/cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cuda/blas.h"

/* Majors below it have other names, or other values in places. */
#define OLDEST_MAJOR 12
/* What NVIDIA advises for Hopper; a product takes what its algorithm wants. */
#define WORKSPACE_BYTES ((uint64_t)32 << 20)
/* What the library counts on unless it is told, and no more than it asks. */
#define ALIGNMENT_MOST 256u
/* A bias that is less aligned goes the other way: no document says what
 * alignment the library wants of it. */
#define BIAS_ALIGNMENT 16u

/* The arguments of the kernel. */
enum {
    ARG_Y,
    ARG_X,
    ARG_W,
    ARG_BIAS,
    ARG_M,
    ARG_N,
    ARG_K,
    ARG_HAS_BIAS,
    ARGS = ARG_HAS_BIAS + 5 /* the others are the CPUs' */
};

struct cuda_product {
    const char *kernel;
    halDtype in, out;
    unsigned in_type, out_type; /* the library's words for them */
};

static const struct cuda_product products[] = {
    { "gemm_native_f32_f32", halF32, halF32, BLAS_F32, BLAS_F32 },
    { "gemm_native_bf16_bf16", halBF16, halBF16, BLAS_BF16, BLAS_BF16 },
    { "gemm_native_bf16_f32", halBF16, halF32, BLAS_BF16, BLAS_F32 },
    { "gemm_native_f16_f16", halF16, halF16, BLAS_F16, BLAS_F16 },
    { "gemm_native_f16_f32", halF16, halF32, BLAS_F16, BLAS_F32 },
};

/* Another kernel may have the name, not the parameters too. */
static bool is_product(const struct cuda_product *p,
                       const struct hal_kernel_desc *desc)
{
    if (strcmp(p->kernel, desc->name) != 0 || desc->n_params != ARGS)
        return false;
    for (uint32_t i = 0; i < ARGS; i++) {
        const struct hal_param *a = &desc->params[i];
        unsigned kind = i == ARG_Y  ? HAL_PARAM_OUT
                        : i < ARG_M ? HAL_PARAM_IN
                                    : HAL_PARAM_ARG;
        unsigned dtype = i == ARG_Y ? p->out : i < ARG_M ? p->in : halU32;

        if (a->kind != kind || a->dtype != dtype)
            return false;
    }
    return true;
}

const struct cuda_product *cuda_product_of(const struct hal_kernel_desc *desc)
{
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
        if (is_product(&products[i], desc))
            return &products[i];
    return NULL;
}

/* ---- the library ----------------------------------------------------------
 */

static struct {
    pthread_mutex_t lock;
    bool is_loaded;
#define X(name, parameters) unsigned(*name) parameters;
#include "backends/cuda/blas.def"
#undef X
} lt = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const char *status_name(unsigned status)
{
    switch (status) {
    case BLAS_NOT_INITIALIZED:
        return "CUBLAS_STATUS_NOT_INITIALIZED";
    case BLAS_ALLOC_FAILED:
        return "CUBLAS_STATUS_ALLOC_FAILED";
    case BLAS_INVALID_VALUE:
        return "CUBLAS_STATUS_INVALID_VALUE";
    case BLAS_ARCH_MISMATCH:
        return "CUBLAS_STATUS_ARCH_MISMATCH";
    case BLAS_EXECUTION_FAILED:
        return "CUBLAS_STATUS_EXECUTION_FAILED";
    case BLAS_INTERNAL_ERROR:
        return "CUBLAS_STATUS_INTERNAL_ERROR";
    case BLAS_NOT_SUPPORTED:
        return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "an unknown status";
}

/* lt.lock is held. */
static halError_t library_fill_locked(void *lib, const char *path)
{
    size_t (*version)(void) = NULL;
    const char *missing = NULL;
    void *f = dlsym(lib, "cublasLtGetVersion");

    memcpy(&version, &f, sizeof f);
    missing = f ? NULL : "cublasLtGetVersion";
#define X(name, parameters)           \
    f = dlsym(lib, "cublasLt" #name); \
    memcpy(&lt.name, &f, sizeof f);   \
    missing = f ? missing : "cublasLt" #name;
#include "backends/cuda/blas.def"
#undef X
    if (missing)
        return hal_fail(halErrorNotSupported,
                        "cuda: %.200s is broken: it lacks %s", path, missing);
    /* 120103 is 12.1.3, 13 has 130000 */
    if (version() < OLDEST_MAJOR * 10000u)
        return hal_fail(halErrorNotSupported,
                        "cuda: %.200s is cuBLAS %zu.%zu; Halcyon needs %d.0 or "
                        "newer",
                        path, version() / 10000, version() % 10000 / 100,
                        OLDEST_MAJOR);
    return halSuccess;
}

/* halErrorNotFound: there is none of this name. */
static halError_t library_try_locked(const char *path)
{
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    halError_t st;

    if (!lib)
        return halErrorNotFound;
    st = library_fill_locked(lib, path);
    if (st != halSuccess)
        dlclose(lib);
    return st;
}

/* Those of the driver's major version and of older ones: a newer library wants
 * a newer driver. */
static halError_t library_search_locked(void)
{
    const int own = cuda_version / 1000;
    halError_t st = halErrorNotFound;
    char name[64];

    for (int v = own; v >= OLDEST_MAJOR && st == halErrorNotFound; v--) {
        snprintf(name, sizeof name, "libcublasLt.so.%d", v);
        st = library_try_locked(name);
        if (st != halErrorNotFound)
            break;
        snprintf(name, sizeof name, "/usr/local/cuda/lib64/libcublasLt.so.%d",
                 v);
        st = library_try_locked(name);
    }
    if (st == halErrorNotFound)
        st = hal_fail(halErrorNotSupported,
                      "cuda: libcublasLt.so.%d is not found; install it "
                      "(libcublas-%d-%d, or pip's nvidia-cublas with its "
                      "folder in LD_LIBRARY_PATH)",
                      own, own, cuda_version % 1000 / 10);
    return st;
}

static halError_t library_load(void)
{
    const char *path = getenv("HALCYON_CUBLASLT_LIB");
    halError_t st = halSuccess;

    pthread_mutex_lock(&lt.lock);
    if (!lt.is_loaded && path && *path) {
        st = library_try_locked(path);
        if (st == halErrorNotFound)
            st = hal_fail(halErrorNotSupported, "cuda: cannot load %.200s",
                          path);
    } else if (!lt.is_loaded) {
        st = library_search_locked();
    }
    lt.is_loaded |= st == halSuccess;
    pthread_mutex_unlock(&lt.lock);
    return st;
}

/* What the library says, and what the driver does: a context that has ended is
 * no matter of the product's. */
static halError_t blas_fail(struct cuda_dev *dev, struct CUstream_st *stream,
                            unsigned status, const char *what)
{
    unsigned code = cuda_cu.StreamQuery(stream);
    halError_t st =
        status == BLAS_ALLOC_FAILED ? halErrorMemoryAllocation
        : status == BLAS_NOT_SUPPORTED || status == BLAS_ARCH_MISMATCH
            ? halErrorNotSupported
            : halErrorInternal;

    if (code != CUDA_OK && code != CUDA_NOT_READY)
        return cuda_fail(dev, code, "cuda_cu.StreamQuery");
    return hal_fail(st, "cuda: cublasLt%.*s: %s (%u)", (int)strcspn(what, "("),
                    what, status_name(status), status);
}

/* Jumps to `label`. */
#define BLAS_OR_GOTO(label, st, dev, stream, call)             \
    do {                                                       \
        unsigned status_ = lt.call;                            \
        if (status_ != BLAS_OK) {                              \
            (st) = blas_fail((dev), (stream), status_, #call); \
            goto label;                                        \
        }                                                      \
    } while (0)

halError_t cuda_blas_open(struct cuda_dev *dev)
{
    halError_t st = library_load();
    blas_handle handle = NULL, spare;

    if (st != halSuccess || atomic_load(&dev->blas))
        return st;
    BLAS_OR_GOTO(out, st, dev, dev->service, Create(&handle));
    spare = NULL;
    /* another thread may have been faster */
    if (!atomic_compare_exchange_strong(&dev->blas, &spare, handle))
        (void)lt.Destroy(handle);
out:
    return st;
}

void cuda_blas_close(struct cuda_dev *dev)
{
    if (dev->blas)
        (void)lt.Destroy(dev->blas);
    dev->blas = NULL;
}

/* ---- a product ------------------------------------------------------------
 */

/* What the library is told of it.  a is w, b is x, c and d are y. */
struct call {
    struct cuda_dev *dev;
    struct CUstream_st *stream;
    const struct cuda_product *product;
    uint64_t y, x, w, bias; /* bias 0: not the library's matter */
    uint32_t m, n, k;
    blas_desc desc;
    blas_layout a, b, d;
    blas_preference preference;
    struct blas_result best;
};

static uint64_t address_of(const union hal_arg *a)
{
    return (uintptr_t)a->buffer.addr;
}

static uint32_t alignment_of(uint64_t address)
{
    uint64_t lowest = address & (~address + 1);

    return lowest && lowest < ALIGNMENT_MOST ? (uint32_t)lowest
                                             : ALIGNMENT_MOST;
}

bool cuda_blas_is_alone(const struct cuda_product *p,
                        const struct hal_launch *launch)
{
    const union hal_arg *a = launch->args;

    return a[ARG_K].scalar &&
           (!a[ARG_HAS_BIAS].scalar ||
            (p->in == p->out &&
             address_of(&a[ARG_BIAS]) % BIAS_ALIGNMENT == 0));
}

static halError_t describe(struct call *c)
{
    const struct cuda_product *p = c->product;
    const int32_t trans = BLAS_OP_T;
    const uint32_t epilogue = BLAS_EPILOGUE_BIAS;
    halError_t st = halSuccess;

    BLAS_OR_GOTO(out, st, c->dev, c->stream,
                 MatmulDescCreate(&c->desc, BLAS_COMPUTE_F32, BLAS_F32));
    BLAS_OR_GOTO(out, st, c->dev, c->stream,
                 MatmulDescSetAttribute(c->desc, BLAS_DESC_TRANS_A, &trans,
                                        sizeof trans));
    if (c->bias) {
        BLAS_OR_GOTO(out, st, c->dev, c->stream,
                     MatmulDescSetAttribute(c->desc, BLAS_DESC_EPILOGUE,
                                            &epilogue, sizeof epilogue));
        BLAS_OR_GOTO(out, st, c->dev, c->stream,
                     MatmulDescSetAttribute(c->desc, BLAS_DESC_BIAS_POINTER,
                                            &c->bias, sizeof c->bias));
    }
    BLAS_OR_GOTO(out, st, c->dev, c->stream,
                 MatrixLayoutCreate(&c->a, p->in_type, c->k, c->n, c->k));
    BLAS_OR_GOTO(out, st, c->dev, c->stream,
                 MatrixLayoutCreate(&c->b, p->in_type, c->k, c->m, c->k));
    BLAS_OR_GOTO(out, st, c->dev, c->stream,
                 MatrixLayoutCreate(&c->d, p->out_type, c->n, c->m, c->n));
out:
    return st;
}

/* Its best algorithm with so much workspace, into c->best. */
static halError_t choose(struct call *c, uint64_t workspace)
{
    const uint32_t reduction = BLAS_REDUCTION_COMPUTE_TYPE;
    const uint32_t alignments[] = { alignment_of(c->w), alignment_of(c->x),
                                    alignment_of(c->y), alignment_of(c->y) };
    halError_t st = halSuccess;
    int n = 0;

    if (!c->preference)
        BLAS_OR_GOTO(out, st, c->dev, c->stream,
                     MatmulPreferenceCreate(&c->preference));
    BLAS_OR_GOTO(out, st, c->dev, c->stream,
                 MatmulPreferenceSetAttribute(c->preference,
                                              BLAS_PREF_WORKSPACE_BYTES,
                                              &workspace, sizeof workspace));
    BLAS_OR_GOTO(out, st, c->dev, c->stream,
                 MatmulPreferenceSetAttribute(c->preference,
                                              BLAS_PREF_REDUCTION_MASK,
                                              &reduction, sizeof reduction));
    for (unsigned i = 0; i < 4; i++)
        BLAS_OR_GOTO(out, st, c->dev, c->stream,
                     MatmulPreferenceSetAttribute(
                         c->preference, BLAS_PREF_ALIGNMENT_A + i,
                         &alignments[i], sizeof alignments[i]));
    BLAS_OR_GOTO(out, st, c->dev, c->stream,
                 MatmulAlgoGetHeuristic(c->dev->blas, c->desc, c->a, c->b, c->d,
                                        c->d, c->preference, 1, &c->best, &n));
    if (n < 1 || c->best.state != BLAS_OK)
        st = hal_fail(halErrorNotSupported,
                      "cuda: cuBLASLt has no algorithm for this product");
out:
    return st;
}

/* In stream order from the device's pool, so that streams share nothing; 0
 * where there is no pool, or no memory. */
static unsigned long long workspace_take(const struct call *c, uint64_t bytes)
{
    unsigned long long address = 0;

    if (!c->dev->pool ||
        cuda_cu.MemAllocFromPoolAsync(&address, bytes, c->dev->pool,
                                      c->stream) != CUDA_OK)
        return 0;
    return address;
}

static halError_t multiply(struct call *c, float beta)
{
    const float alpha = 1.0f;
    unsigned long long workspace = 0;
    void *y = (void *)(uintptr_t)c->y;
    halError_t st = halSuccess;

    st = choose(c, c->dev->pool ? WORKSPACE_BYTES : 0);
    if (st == halSuccess && c->best.workspace_bytes) {
        workspace = workspace_take(c, c->best.workspace_bytes);
        if (!workspace)
            st = choose(c, 0);
    }
    if (st != halSuccess)
        goto out;
    BLAS_OR_GOTO(out, st, c->dev, c->stream,
                 Matmul(c->dev->blas, c->desc, &alpha,
                        (const void *)(uintptr_t)c->w, c->a,
                        (const void *)(uintptr_t)c->x, c->b, &beta, y, c->d, y,
                        c->d, &c->best.algo, (void *)(uintptr_t)workspace,
                        workspace ? c->best.workspace_bytes : 0, c->stream));
out:
    if (workspace)
        (void)cuda_cu.MemFreeAsync(workspace, c->stream);
    return st;
}

halError_t cuda_blas_multiply(struct cuda_dev *dev, struct CUstream_st *stream,
                              const struct cuda_product *p,
                              const struct hal_launch *launch)
{
    const union hal_arg *a = launch->args;
    const bool is_alone = cuda_blas_is_alone(p, launch);
    struct call c = {
        .dev = dev,
        .stream = stream,
        .product = p,
        .y = address_of(&a[ARG_Y]),
        .x = address_of(&a[ARG_X]),
        .w = address_of(&a[ARG_W]),
        .bias =
            is_alone && a[ARG_HAS_BIAS].scalar ? address_of(&a[ARG_BIAS]) : 0,
        .m = a[ARG_M].scalar,
        .n = a[ARG_N].scalar,
        .k = a[ARG_K].scalar,
    };
    halError_t st = halSuccess;

    if (!c.k)
        return halSuccess;
    st = describe(&c);
    if (st == halSuccess)
        st = multiply(&c, is_alone ? 0.0f : 1.0f);
    if (c.preference)
        (void)lt.MatmulPreferenceDestroy(c.preference);
    if (c.d)
        (void)lt.MatrixLayoutDestroy(c.d);
    if (c.b)
        (void)lt.MatrixLayoutDestroy(c.b);
    if (c.a)
        (void)lt.MatrixLayoutDestroy(c.a);
    if (c.desc)
        (void)lt.MatmulDescDestroy(c.desc);
    return st;
}
