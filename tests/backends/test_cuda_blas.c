/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cuda_blas.c - halopGemm by cuBLASLt: on a fake library, whose every call
 * is checked and fails once; and the declarations against NVIDIA's own header
 * and library, where the toolkit is installed.
 */
#include "tests/backends/cuda_test.h"

#include "backends/cuda/blas.h"
#include "hal/hal.h"
#include "kernels/ops.h"

/* ---- against NVIDIA's header ----------------------------------------------
 */

#if __has_include(<cublasLt.h>) /* the makefile says where */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <cublasLt.h>
#pragma GCC diagnostic pop

/* The same list with NVIDIA's types. */
#define blas_handle     cublasLtHandle_t
#define blas_desc       cublasLtMatmulDesc_t
#define blas_layout     cublasLtMatrixLayout_t
#define blas_preference cublasLtMatmulPreference_t
#define blas_algo       cublasLtMatmulAlgo_t
#define blas_result     cublasLtMatmulHeuristicResult_t
#define X(name, parameters)                                                 \
    _Static_assert(__builtin_types_compatible_p(__typeof__(cublasLt##name), \
                                                unsigned parameters),       \
                   "cublasLt" #name);
#include "backends/cuda/blas.def"
#undef X
#undef blas_handle
#undef blas_desc
#undef blas_layout
#undef blas_preference
#undef blas_algo
#undef blas_result

#define SAME_VALUE(ours, theirs) \
    _Static_assert((int)(ours) == (int)(theirs), #ours " is " #theirs)
#define STATUS(name) SAME_VALUE(BLAS_##name, CUBLAS_STATUS_##name)
SAME_VALUE(BLAS_OK, CUBLAS_STATUS_SUCCESS);
STATUS(NOT_INITIALIZED);
STATUS(ALLOC_FAILED);
STATUS(INVALID_VALUE);
STATUS(ARCH_MISMATCH);
STATUS(EXECUTION_FAILED);
STATUS(INTERNAL_ERROR);
STATUS(NOT_SUPPORTED);
SAME_VALUE(BLAS_F32, CUDA_R_32F);
SAME_VALUE(BLAS_F16, CUDA_R_16F);
SAME_VALUE(BLAS_BF16, CUDA_R_16BF);
SAME_VALUE(BLAS_COMPUTE_F32, CUBLAS_COMPUTE_32F);
SAME_VALUE(BLAS_OP_T, CUBLAS_OP_T);
SAME_VALUE(BLAS_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_BIAS);
SAME_VALUE(BLAS_REDUCTION_COMPUTE_TYPE, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
SAME_VALUE(BLAS_DESC_TRANS_A, CUBLASLT_MATMUL_DESC_TRANSA);
SAME_VALUE(BLAS_DESC_EPILOGUE, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME_VALUE(BLAS_DESC_BIAS_POINTER, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME_VALUE(BLAS_PREF_WORKSPACE_BYTES, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME_VALUE(BLAS_PREF_REDUCTION_MASK,
           CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
SAME_VALUE(BLAS_PREF_ALIGNMENT_A, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME_VALUE(BLAS_PREF_ALIGNMENT_A + 1,
           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
SAME_VALUE(BLAS_PREF_ALIGNMENT_A + 2,
           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
SAME_VALUE(BLAS_PREF_ALIGNMENT_D, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
SAME_VALUE(sizeof(struct blas_algo), sizeof(cublasLtMatmulAlgo_t));
SAME_VALUE(sizeof(struct blas_result), sizeof(cublasLtMatmulHeuristicResult_t));
#define FIELD(ours, theirs)                        \
    SAME_VALUE(offsetof(struct blas_result, ours), \
               offsetof(cublasLtMatmulHeuristicResult_t, theirs))
FIELD(workspace_bytes, workspaceSize);
FIELD(state, state);
FIELD(waves, wavesCount);
#define HAVE_HEADER 1
#endif

/* The names are in NVIDIA's library; nothing of it runs without a driver. */
static int library_body(void)
{
    static const char *const names[] = {
#define X(name, parameters) "cublasLt" #name,
#include "backends/cuda/blas.def"
#undef X
        "cublasLtGetVersion",
    };
    void *lib = dlopen("/usr/local/cuda/lib64/libcublasLt.so", RTLD_LAZY);

    if (!lib) {
        printf("no cuBLASLt here\n");
        return 0;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!dlsym(lib, names[i])) {
            printf("%s is missing\n", names[i]);
            return 1;
        }
    return 0;
}

static void header_agrees(void **state)
{
    (void)state;
#ifdef HAVE_HEADER
    in_child(library_body);
#else
    print_message("no cublasLt.h here\n");
    skip();
#endif
}

/* ---- products --------------------------------------------------------------
 */

enum { M = 5, N = 7, K = 72 }; /* deep enough for the fake's workspace */

static struct fake_cuda *fake;

static int begin(const char *library)
{
    static char path[PATH_MAX + 32];

    fake = fake_load();
    CHECK(fake);
    if (!library) {
        fake_path(path, "fake_cublaslt.so");
        library = path;
    }
    setenv("HALCYON_CUBLASLT_LIB", library, 1);
    setenv("HALCYON_NVRTC_LIB", "/nowhere", 1);
    setenv("HALCYON_DEVICES", "cuda:0", 1);
    setenv("HALCYON_KERNEL", "gemm:native", 1);
    return 0;
}

/* Small integers: sums that are exact in every format. */
static float x_at(int i)
{
    return (float)(i * 37 % 7 - 3);
}
static float w_at(int i)
{
    return (float)(i * 53 % 5 - 2);
}
static float bias_at(int i)
{
    return (float)(i * 29 % 9 - 4);
}

/* Whole numbers up to 2048: an f16 is its exponent and ten bits. */
static uint16_t f16_of(float f)
{
    unsigned a = (unsigned)(f < 0 ? -f : f), e = 0;

    if (!a)
        return 0;
    while (a >> (e + 1))
        e++;
    return (uint16_t)((f < 0 ? 0x8000u : 0) | (e + 15) << 10 |
                      ((a << 10 >> e) & 1023u));
}

static void put(halDtype t, void *to, int i, float f)
{
    uint16_t half = f16_of(f);
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    if (t == halBF16)
        half = (uint16_t)(u >> 16);
    if (t == halF32)
        memcpy((float *)to + i, &f, 4);
    else
        memcpy((uint16_t *)to + i, &half, 2);
}

/* Whether y's element is this number. */
static int is_at(halDtype t, const void *y, int i, float want)
{
    char bits[4] = { 0 };

    put(t, bits, 0, want);
    return memcmp((const char *)y + (size_t)i * (t == halF32 ? 4 : 2), bits,
                  t == halF32 ? 4 : 2) == 0;
}

struct operands {
    char *x, *w, *bias, *y;
};

/* Enqueues all of it, filled, on a stream: copies, the product, the copy back,
 * nobody waiting in between. */
static halError_t product(halDtype in, halDtype out, struct operands *o,
                          int bias_skew, int k, void *got, halStream_t stream)
{
    static _Thread_local char x[M * K * 4], w[N * K * 4], b[N * 4 + 16];
    const size_t size = in == halF32 ? 4 : 2, out_size = out == halF32 ? 4 : 2;
    char *bias = bias_skew < 0 ? NULL : o->bias + (size_t)bias_skew * size;

    for (int i = 0; i < M * k; i++)
        put(in, x, i, x_at(i));
    for (int i = 0; i < N * k; i++)
        put(in, w, i, w_at(i));
    for (int i = 0; i < N; i++)
        put(in, b, i, bias_at(i));
    TRY(halMemcpyAsync(o->x, x, sizeof x, halMemcpyHostToDevice, stream));
    TRY(halMemcpyAsync(o->w, w, sizeof w, halMemcpyHostToDevice, stream));
    if (bias)
        TRY(halMemcpyAsync(bias, b, N * size, halMemcpyHostToDevice, stream));
    TRY(halMemsetAsync(o->y, 0xff, M * N * out_size, stream)); /* NaNs */
    TRY(halopGemm(in, out, o->y, o->x, o->w, bias, M, N, k, stream));
    TRY(halMemcpyAsync(got, o->y, M * N * out_size, halMemcpyDeviceToHost,
                       stream));
    return halStreamSynchronize(stream);
}

static int is_right(halDtype out, const void *got, int has_bias, int k)
{
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float want = has_bias ? bias_at(j) : 0;

            for (int d = 0; d < k; d++)
                want += x_at(i * k + d) * w_at(j * k + d);
            if (!is_at(out, got, i * N + j, want)) {
                printf("[%d][%d] is not %g\n", i, j, (double)want);
                return 0;
            }
        }
    return 1;
}

static halError_t acquire_all(struct operands *o)
{
    TRY(halMalloc((void **)&o->x, M * K * 4));
    TRY(halMalloc((void **)&o->w, N * K * 4));
    TRY(halMalloc((void **)&o->bias, N * 4 + 16));
    return halMalloc((void **)&o->y, M * N * 4);
}

/* Each kind of product, by how many launches of ours it takes. */
static int products_body(void)
{
    static const struct {
        halDtype in, out;
        int skew, k, n_launches; /* skew -1: no bias */
    } all[] = {
        { halF32, halF32, -1, K, 0 },  { halBF16, halBF16, -1, K, 0 },
        { halBF16, halF32, -1, K, 0 }, { halF16, halF16, -1, K, 0 },
        { halF16, halF32, -1, K, 0 },  { halF32, halF32, 0, K, 0 },
        { halBF16, halBF16, 0, K, 0 }, { halF16, halF16, 0, 8, 0 },
        { halBF16, halBF16, 1, K, 1 }, /* bias not aligned to 16 bytes */
        { halBF16, halF32, 0, K, 1 },  { halF16, halF32, 0, K, 1 },
        { halF32, halF32, 0, 0, 1 },   { halBF16, halF32, -1, 0, 1 },
    };
    struct operands o = { 0 };
    halStream_t stream;
    float got[M * N];

    if (begin(NULL))
        return 1;
    CHECK(!acquire_all(&o));
    CHECK(!halStreamCreateWithFlags(&stream, halStreamNonBlocking));
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int before = fake->n_launches;

        CHECK(!product(all[i].in, all[i].out, &o, all[i].skew, all[i].k, got,
                       stream));
        CHECK(is_right(all[i].out, got, all[i].skew >= 0, all[i].k));
        if (fake->n_launches - before != all[i].n_launches) {
            printf("%zu: %d launches\n", i, fake->n_launches - before);
            return 1;
        }
    }
    CHECK(!halDeviceReset());
    return clean(fake);
}
IN_CHILD(products)

/* Without pools, and where they are full, it does without a workspace. */
static int no_workspace_body(void)
{
    struct operands o = { 0 };
    float got[M * N];

    if (begin(NULL))
        return 1;
    fake->total_bytes = 1 << 20; /* the fake wants all of it */
    CHECK(!acquire_all(&o));
    CHECK(!product(halF16, halF32, &o, -1, K, got, 0));
    CHECK(is_right(halF32, got, 0, K));
    CHECK(!halDeviceReset());
    fake->no_pools = 1;
    fake->total_bytes = 1 << 30;
    CHECK(!acquire_all(&o));
    CHECK(!product(halF16, halF32, &o, -1, K, got, 0));
    CHECK(is_right(halF32, got, 0, K));
    CHECK(!halDeviceReset());
    return clean(fake);
}
IN_CHILD(no_workspace)

/* ---- what goes wrong --------------------------------------------------------
 */

static int said_body(void)
{
    static const struct {
        const char *library, *variable, *value, *words;
    } all[] = {
        { "/nowhere.so", NULL, NULL, "cannot load /nowhere.so" },
        { "libm.so.6", NULL, NULL, "libm.so.6 is broken: it lacks cublasLt" },
        { NULL, "FAKE_CUBLASLT_VERSION", "110903",
          "is cuBLAS 11.9; Halcyon needs 12.0" },
        { NULL, "FAKE_CUBLASLT_NONE", "1", "CUBLAS_STATUS_NOT_SUPPORTED" },
    };
    struct operands o = { 0 };
    float got[M * N];

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (begin(all[i].library))
            return 1;
        if (all[i].variable)
            setenv(all[i].variable, all[i].value, 1);
        CHECK(!acquire_all(&o));
        CHECK_FAILS(halErrorNotSupported,
                    product(halF32, halF32, &o, -1, K, got, 0), all[i].words);
        CHECK(strncmp(halGetErrorDetail(), "halopGemm: ", 11) == 0);
        CHECK(halGetLastError() == halErrorNotSupported);
        if (all[i].variable)
            unsetenv(all[i].variable);
    }
    /* what was missing may come */
    CHECK(!product(halF32, halF32, &o, 0, K, got, 0));
    CHECK(is_right(halF32, got, 1, K));
    CHECK(!halDeviceReset());
    return clean(fake);
}
IN_CHILD(said)

/* Whichever of the counted calls fails: an error with a sentence, or right
 * numbers; nothing stays, and a later product is right. */
static int each_call(const char *counted, int code, int lost, int *out_failed)
{
    float got[M * N];

    if (begin(NULL))
        return 1;
    snprintf(fake->counted, sizeof fake->counted, "%s", counted);
    *out_failed = 0;
    for (int n = 1;; n++) {
        struct operands o = { 0 };
        halError_t st;
        int first;

        CHECK(!acquire_all(&o));
        first = fake->n_calls;
        fake->fail_code = code;
        fake->lost = lost;
        fake->failed[0] = '\0';
        fake->fail_at = first + n;
        st = product(halBF16, halF32, &o, 0, K, got, 0);
        fake->fail_at = 0;
        if (st) {
            ++*out_failed;
            CHECK(fake->failed[0] && strlen(halGetErrorDetail()) > 20);
            CHECK(!lost || st == halErrorDeviceLost);
        } else {
            CHECK(is_right(halF32, got, 1, K));
        }
        if (!lost && st) {
            CHECK(!product(halBF16, halF32, &o, 0, K, got, 0));
            CHECK(is_right(halF32, got, 1, K));
        }
        CHECK(!halDeviceReset());
        if (clean(fake))
            return 1;
        if (!fake->failed[0])
            return 0;
    }
}

/* All, the driver's too, of which another thread makes some; and the library's
 * alone, which are these: */
static int any_call_body(int code, int lost)
{
    int n_all, n_library;

    if (each_call("", code, lost, &n_all) ||
        each_call("cublasLt", code, lost, &n_library))
        return 1;
    /* Create, DescCreate, an attribute, 3 layouts, the preference and its 6,
     * the heuristic and the product */
    CHECK(n_library == 15);
    return n_all < n_library;
}

static int out_of_memory_body(void)
{
    return any_call_body(2, 0);
}
static int unknown_body(void)
{
    return any_call_body(999, 0);
}
static int lost_body(void)
{
    return any_call_body(700, 1);
}
IN_CHILD(out_of_memory)
IN_CHILD(unknown)
IN_CHILD(lost)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_agrees), cmocka_unit_test(products),
        cmocka_unit_test(no_workspace),  cmocka_unit_test(said),
        cmocka_unit_test(out_of_memory), cmocka_unit_test(unknown),
        cmocka_unit_test(lost),
    };
    size_t n = sizeof tests / sizeof tests[0];

#ifdef __SANITIZE_THREAD__ /* it does not know the emulator's stacks */
    n = 1;
#endif
    return cuda_main("backends.cuda_blas", tests, n);
}
