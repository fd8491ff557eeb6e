/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_cublaslt.c - a libcublasLt.so on the fake driver (fake_cuda.c): each
 * descriptor, layout, preference, pointer, alignment and stream is checked, the
 * product is made on the CPU when its turn comes in the stream's order, and
 * each call counts with the driver's, so that the nth can fail.  It is what
 * NVIDIA's documents say of the library, not what it has been seen to do.
 *
 * FAKE_CUBLASLT_VERSION is what it says it is, FAKE_CUBLASLT_NONE=1 leaves it
 * without an algorithm.  Invariant: an algorithm serves the very problem that
 * it was chosen for, and no other.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cuda/blas.h"
#include "tests/fakes/fake_cuda.h"

#define MAGIC       0x6b6c616275636c74ull
#define WORKSPACE   ((size_t)1 << 20) /* of products deeper than */
#define SPLIT_DEPTH 64

struct blas_handle_st {
    uint64_t magic;
};

struct blas_desc_st {
    uint64_t magic;
    int32_t trans_a;
    uint32_t epilogue;
    uint64_t bias;
};

struct blas_layout_st {
    uint64_t magic;
    unsigned type;
    uint64_t rows, columns;
    int64_t stride;
};

struct blas_preference_st {
    uint64_t magic;
    uint64_t workspace;
    uint32_t reduction;
    uint32_t alignment[4];
};

/* ---- objects --------------------------------------------------------------
 */

static const struct fake_cuda_side *side(void)
{
    static const struct fake_cuda_side *found;

    if (!found) {
        const char *path = getenv("HALCYON_CUDA_LIB");
        void *lib = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
        const struct fake_cuda_side *(*get)(void) = NULL;
        void *at = lib ? dlsym(lib, "fake_cuda_side") : NULL;

        memcpy(&get, &at, sizeof get);
        if (!get)
            abort(); /* without the fake driver it is nothing */
        found = get();
    }
    return found;
}

/* What this call must answer, in the library's words. */
static unsigned due(const char *call)
{
    unsigned code = side()->due(call);

    if (!code)
        return BLAS_OK;
    return side()->fake->lost ? BLAS_EXECUTION_FAILED
           : code == 2        ? BLAS_ALLOC_FAILED /* out of memory */
                              : BLAS_INTERNAL_ERROR;
}
#define DUE()                          \
    do {                               \
        unsigned due_ = due(__func__); \
        if (due_)                      \
            return due_;               \
    } while (0)

static void *make(size_t size)
{
    uint64_t *at = calloc(1, size);

    if (!at)
        abort();
    *at = MAGIC;
    atomic_fetch_add(&side()->fake->n_live, 1);
    return at;
}

static bool is_live(const char *call, const void *object)
{
    uint64_t magic = 0;

    if (object)
        memcpy(&magic, object, sizeof magic);
    if (magic != MAGIC)
        side()->bad("%s: what it is given is not alive", call);
    return magic == MAGIC;
}

static unsigned end(const char *call, void *object)
{
    if (!is_live(call, object))
        return BLAS_INVALID_VALUE;
    memset(object, 0, sizeof(uint64_t));
    atomic_fetch_sub(&side()->fake->n_live, 1);
    free(object);
    return BLAS_OK;
}

size_t cublasLtGetVersion(void);
size_t cublasLtGetVersion(void)
{
    const char *version = getenv("FAKE_CUBLASLT_VERSION");

    return version ? (size_t)atol(version) : 130000;
}

#define X(name, parameters) unsigned cublasLt##name parameters;
#include "backends/cuda/blas.def"
#undef X

unsigned cublasLtCreate(blas_handle *handle)
{
    DUE();
    *handle = make(sizeof **handle);
    return BLAS_OK;
}

unsigned cublasLtDestroy(blas_handle handle)
{
    return end(__func__, handle);
}

unsigned cublasLtMatmulDescCreate(blas_desc *desc, unsigned compute_type,
                                  unsigned scale_type)
{
    DUE();
    if (compute_type != BLAS_COMPUTE_F32 || scale_type != BLAS_F32)
        side()->bad("%s: compute type %u, scale type %u", __func__,
                    compute_type, scale_type);
    *desc = make(sizeof **desc);
    (*desc)->epilogue = 1; /* CUBLASLT_EPILOGUE_DEFAULT */
    return BLAS_OK;
}

unsigned cublasLtMatmulDescDestroy(blas_desc desc)
{
    return end(__func__, desc);
}

/* The attribute's value into `to`, if it has the size that it must have. */
static unsigned take(const char *call, unsigned attribute, void *to,
                     size_t wanted, const void *value, size_t size)
{
    if (size != wanted) {
        side()->bad("%s: attribute %u has %zu bytes, not %zu", call, attribute,
                    wanted, size);
        return BLAS_INVALID_VALUE;
    }
    memcpy(to, value, size);
    return BLAS_OK;
}
#define TAKE(field) \
    take(__func__, attribute, &(field), sizeof(field), value, size)

unsigned cublasLtMatmulDescSetAttribute(blas_desc desc, unsigned attribute,
                                        const void *value, size_t size)
{
    DUE();
    if (!is_live(__func__, desc))
        return BLAS_INVALID_VALUE;
    switch (attribute) {
    case BLAS_DESC_TRANS_A:
        return TAKE(desc->trans_a);
    case BLAS_DESC_EPILOGUE:
        return TAKE(desc->epilogue);
    case BLAS_DESC_BIAS_POINTER:
        return TAKE(desc->bias);
    }
    side()->bad("%s: attribute %u", __func__, attribute);
    return BLAS_INVALID_VALUE;
}

unsigned cublasLtMatrixLayoutCreate(blas_layout *layout, unsigned type,
                                    uint64_t rows, uint64_t columns,
                                    int64_t stride)
{
    DUE();
    if (!rows || !columns || stride < (int64_t)rows ||
        (type != BLAS_F32 && type != BLAS_F16 && type != BLAS_BF16)) {
        side()->bad("%s: type %u, %llu x %llu by %lld", __func__, type,
                    (unsigned long long)rows, (unsigned long long)columns,
                    (long long)stride);
        return BLAS_INVALID_VALUE;
    }
    *layout = make(sizeof **layout);
    (*layout)->type = type;
    (*layout)->rows = rows;
    (*layout)->columns = columns;
    (*layout)->stride = stride;
    return BLAS_OK;
}

unsigned cublasLtMatrixLayoutDestroy(blas_layout layout)
{
    return end(__func__, layout);
}

unsigned cublasLtMatmulPreferenceCreate(blas_preference *preference)
{
    DUE();
    *preference = make(sizeof **preference);
    (*preference)->reduction = 7; /* any */
    for (int i = 0; i < 4; i++)
        (*preference)->alignment[i] = 256;
    return BLAS_OK;
}

unsigned cublasLtMatmulPreferenceDestroy(blas_preference preference)
{
    return end(__func__, preference);
}

unsigned cublasLtMatmulPreferenceSetAttribute(blas_preference preference,
                                              unsigned attribute,
                                              const void *value, size_t size)
{
    DUE();
    if (!is_live(__func__, preference))
        return BLAS_INVALID_VALUE;
    if (attribute == BLAS_PREF_WORKSPACE_BYTES)
        return TAKE(preference->workspace);
    if (attribute == BLAS_PREF_REDUCTION_MASK)
        return TAKE(preference->reduction);
    if (attribute >= BLAS_PREF_ALIGNMENT_A &&
        attribute <= BLAS_PREF_ALIGNMENT_D)
        return TAKE(preference->alignment[attribute - BLAS_PREF_ALIGNMENT_A]);
    side()->bad("%s: attribute %u", __func__, attribute);
    return BLAS_INVALID_VALUE;
}

/* ---- a problem ------------------------------------------------------------
 */

struct problem {
    struct blas_desc_st desc;
    struct blas_layout_st a, b, c, d;
};

static size_t bytes_of(unsigned type)
{
    return type == BLAS_F32 ? 4 : 2;
}

/* All there is between the first element and the last. */
static uint64_t span(const struct blas_layout_st *l)
{
    return ((l->columns - 1) * (uint64_t)l->stride + l->rows) *
           bytes_of(l->type);
}

static bool problem_of(const char *call, blas_handle handle, blas_desc desc,
                       blas_layout a, blas_layout b, blas_layout c,
                       blas_layout d, struct problem *p)
{
    if (!is_live(call, handle) || !is_live(call, desc) || !is_live(call, a) ||
        !is_live(call, b) || !is_live(call, c) || !is_live(call, d))
        return false;
    memset(p, 0, sizeof *p);
    p->desc = *desc;
    p->a = *a;
    p->b = *b;
    p->c = *c;
    p->d = *d;
    /* op(a) is d's rows x depth, b is depth x d's columns */
    if ((p->desc.trans_a ? a->columns : a->rows) != d->rows ||
        (p->desc.trans_a ? a->rows : a->columns) != b->rows ||
        b->columns != d->columns || c->rows != d->rows ||
        c->columns != d->columns || c->type != d->type || a->type != b->type ||
        (d->type != a->type && d->type != BLAS_F32)) {
        side()->bad("%s: matrices that do not go together", call);
        return false;
    }
    if (desc->epilogue != 1 && desc->epilogue != BLAS_EPILOGUE_BIAS) {
        side()->bad("%s: epilogue %u", call, desc->epilogue);
        return false;
    }
    return true;
}

static uint64_t hash_of(const struct problem *p)
{
    const unsigned char *at = (const void *)p;
    uint64_t h = 1469598103934665603ull;

    for (size_t i = 0; i < sizeof *p; i++)
        h = (h ^ at[i]) * 1099511628211ull;
    return h;
}

/* An algorithm: the problem's hash, the workspace it wants, whether sums stay
 * f32, and the four alignments that it counts on. */
unsigned cublasLtMatmulAlgoGetHeuristic(blas_handle handle, blas_desc desc,
                                        blas_layout a, blas_layout b,
                                        blas_layout c, blas_layout d,
                                        blas_preference preference,
                                        int n_wanted, blas_result *results,
                                        int *n_results)
{
    struct problem p;
    bool splits;

    DUE();
    if (!is_live(__func__, preference) || n_wanted < 1 ||
        !problem_of(__func__, handle, desc, a, b, c, d, &p))
        return BLAS_INVALID_VALUE;
    *n_results = 0;
    if (getenv("FAKE_CUBLASLT_NONE"))
        return BLAS_NOT_SUPPORTED;
    if (preference->reduction != BLAS_REDUCTION_COMPUTE_TYPE)
        side()->bad("%s: partial sums may be rounded", __func__);
    splits = b->rows > SPLIT_DEPTH && preference->workspace >= WORKSPACE;
    memset(results, 0, sizeof *results);
    results->algo.data[0] = MAGIC;
    results->algo.data[1] = hash_of(&p);
    results->algo.data[2] = splits ? WORKSPACE : 0;
    for (int i = 0; i < 4; i++)
        results->algo.data[3 + i] = preference->alignment[i];
    results->workspace_bytes = splits ? WORKSPACE : 0;
    results->state = BLAS_OK;
    results->waves = 1;
    *n_results = 1;
    return BLAS_OK;
}

/* ---- the product ----------------------------------------------------------
 */

struct work {
    struct problem p;
    float alpha, beta;
    const char *a, *b, *c;
    char *d, *workspace;
};

static double widen_f16(uint16_t bits)
{
    int e = bits >> 10 & 31, f = bits & 1023;
    double v = e == 31 ? (f ? NAN : INFINITY)
               : e     ? ldexp(1024 + f, e - 25)
                       : ldexp(f, -24);

    return bits >> 15 ? -v : v;
}

/* To nearest even, which is how lrint() rounds. */
static uint16_t narrow_f16(float value)
{
    double a = fabs((double)value), units;
    unsigned sign = signbit(value) ? 0x8000u : 0;
    int e;

    if (isnan(value))
        return 0x7fff;
    if (a >= 65520)
        return (uint16_t)(sign | 0x7c00);
    (void)frexp(a, &e); /* a is below 2^e */
    e = a == 0 || e < -13 ? -13 : e;
    units = rint(ldexp(a, 11 - e)); /* of 2^(e - 11) */
    return (uint16_t)(sign + ((unsigned)(e + 13) << 10) + (unsigned)units);
}

static double load(const char *at, unsigned type, uint64_t i)
{
    uint16_t half;
    uint32_t bits;
    float f;

    if (type == BLAS_F32) {
        memcpy(&f, at + 4 * i, sizeof f);
        return (double)f;
    }
    memcpy(&half, at + 2 * i, sizeof half);
    if (type == BLAS_F16)
        return widen_f16(half);
    bits = (uint32_t)half << 16;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static void store(char *at, unsigned type, uint64_t i, float f)
{
    uint16_t half;
    uint32_t bits;

    if (type == BLAS_F32) {
        memcpy(at + 4 * i, &f, sizeof f);
        return;
    }
    if (type == BLAS_F16) {
        half = narrow_f16(f);
    } else {
        memcpy(&bits, &f, sizeof bits);
        half = (uint16_t)(f != f ? 0x7fff
                                 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    memcpy(at + 2 * i, &half, sizeof half);
}

static void run(void *arg, int runs)
{
    struct work *w = arg;
    const struct problem *p = &w->p;
    const char *bias = (const char *)(uintptr_t)p->desc.bias;
    uint64_t depth = p->b.rows;

    if (!runs) {
        free(w);
        return;
    }
    if (w->workspace) /* it is the product's alone */
        memset(w->workspace, 0xc3, WORKSPACE);
    for (uint64_t j = 0; j < p->d.columns; j++)
        for (uint64_t i = 0; i < p->d.rows; i++) {
            double sum = 0;

            for (uint64_t k = 0; k < depth; k++)
                sum += load(w->a, p->a.type,
                            p->desc.trans_a ? i * (uint64_t)p->a.stride + k
                                            : k * (uint64_t)p->a.stride + i) *
                       load(w->b, p->b.type, j * (uint64_t)p->b.stride + k);
            sum *= (double)w->alpha;
            if (w->beta != 0)
                sum += (double)w->beta *
                       load(w->c, p->c.type, j * (uint64_t)p->c.stride + i);
            if (p->desc.epilogue == BLAS_EPILOGUE_BIAS)
                sum += load(bias, p->d.type, i);
            store(w->d, p->d.type, j * (uint64_t)p->d.stride + i, (float)sum);
        }
    free(w);
}

static bool pointers_ok(const struct work *w, const struct blas_algo *algo)
{
    const struct {
        const void *at;
        const struct blas_layout_st *l;
    } all[] = { { w->a, &w->p.a },
                { w->b, &w->p.b },
                { w->c, &w->p.c },
                { w->d, &w->p.d } };
    static const char call[] = "cublasLtMatmul";

    for (int i = 0; i < 4; i++) {
        if ((uintptr_t)all[i].at % algo->data[3 + i]) {
            side()->bad("%s: matrix %d is not aligned to %u bytes", call, i,
                        (unsigned)algo->data[3 + i]);
            return false;
        }
        if (!side()->range_ok(call, (uintptr_t)all[i].at, span(all[i].l)))
            return false;
    }
    return w->p.desc.epilogue != BLAS_EPILOGUE_BIAS ||
           side()->range_ok(call, w->p.desc.bias,
                            w->p.d.rows * bytes_of(w->p.d.type));
}

unsigned cublasLtMatmul(blas_handle handle, blas_desc desc, const void *alpha,
                        const void *a, blas_layout a_layout, const void *b,
                        blas_layout b_layout, const void *beta, const void *c,
                        blas_layout c_layout, void *d, blas_layout d_layout,
                        const blas_algo *algo, void *workspace,
                        size_t workspace_bytes, struct CUstream_st *stream)
{
    struct work w = { .a = a, .b = b, .c = c, .d = d }, *item;

    DUE();
    if (!problem_of(__func__, handle, desc, a_layout, b_layout, c_layout,
                    d_layout, &w.p))
        return BLAS_INVALID_VALUE;
    memcpy(&w.alpha, alpha, sizeof w.alpha); /* pointer mode: the host's */
    memcpy(&w.beta, beta, sizeof w.beta);
    if (algo->data[0] != MAGIC || algo->data[1] != hash_of(&w.p) ||
        workspace_bytes < algo->data[2]) {
        side()->bad("%s: the algorithm is another problem's", __func__);
        return BLAS_INVALID_VALUE;
    }
    if (algo->data[2] &&
        ((uintptr_t)workspace % 256 ||
         !side()->range_ok(__func__, (uintptr_t)workspace, algo->data[2])))
        return BLAS_INVALID_VALUE;
    if (!pointers_ok(&w, algo))
        return BLAS_INVALID_VALUE;
    w.workspace = algo->data[2] ? workspace : NULL;
    item = malloc(sizeof *item);
    if (!item)
        abort();
    *item = w;
    if (!side()->enqueue(__func__, stream, run, item)) {
        free(item);
        return BLAS_INVALID_VALUE;
    }
    return BLAS_OK;
}
