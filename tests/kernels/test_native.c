/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_native.c - the CPU's BLAS libraries behind halopGemm: which way is
 * taken, that both give the product, order on a stream, and what is said where
 * a library, or a tuned kernel, is absent.  Needs OpenBLAS; what needs oneDNN
 * is skipped without.
 */
#include "tests/kernels/ops_test.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void choices(void **state)
{
    (void)state;
    assert_int_equal(halopSelect("gemm:quick"), halErrorInvalidValue);
    assert_non_null(strstr(halGetErrorDetail(), "\"gemm:quick\""));
    assert_int_equal(halopSelect("gemm"), halErrorInvalidValue);
    assert_int_equal(halopSelect("gemm:native,"), halErrorInvalidValue);
    OK(halopSelect("gemm:native"));
    OK(halopSelect("gemm:tuned"));
    OK(halopSelect("gemm:portable"));
    OK(halopSelect(""));
    OK(halopSelect(NULL));
    assert_int_equal(halopSelect("rmsnorm:native"), halErrorInvalidValue);
    assert_int_equal(halopSelect("gemm:native,rmsnorm"), halErrorInvalidValue);
    assert_int_equal(halopSelect(",gemm:native"), halErrorInvalidValue);
    OK(halopSelect("gemm:tuned,rmsnorm:tuned,fp8_gemm:tuned"));
    assert_int_equal(halopSelect("fp8_gemm:native"), halErrorInvalidValue);
    assert_int_equal(halopSelect("moe_gemm:native"), halErrorInvalidValue);
    OK(halopSelect(NULL));
    (void)halGetLastError();
}

static halError_t norm_of_one(void)
{
    struct buf b = buf_of(NULL, 64, 0);
    halError_t st =
        halopRmsNorm(halF32, b.mem, b.mem + 16, b.mem + 32, 1, 1, 1, 0);

    OK(halDeviceSynchronize());
    buf_free(&b);
    return st;
}

/* A way that is named leaves the other op's as it is. */
static void each_op_has_its_own(void **state)
{
    (void)state;
    OK(halopSelect("rmsnorm:tuned"));
    assert_int_equal(norm_of_one(), halErrorNotSupported);
    assert_non_null(strstr(halGetErrorDetail(),
                           "rmsnorm:tuned is asked for, and only NVIDIA's"));
    OK(halopSelect("gemm:native"));
    assert_int_equal(norm_of_one(), halErrorNotSupported);
    OK(halopSelect("gemm:native,rmsnorm:portable"));
    OK(norm_of_one());
    OK(halopSelect("rmsnorm:tuned"));
    assert_int_equal(halopSelect("rmsnorm:native"), halErrorInvalidValue);
    assert_int_equal(norm_of_one(), halErrorNotSupported);
    OK(halopSelect(""));
    OK(norm_of_one());
    OK(halopSelect("rmsnorm:tuned"));
    OK(halopSelect(NULL));
    OK(norm_of_one());
    (void)halGetLastError();
}

/* y = x . w^T with powers of two and small integers: exact whatever the
 * order, so that both ways must agree bit for bit. */
static void both_ways(halDtype t, halDtype out, int64_t m, int64_t n, int64_t k)
{
    static const char *const ways[] = { "gemm:portable", "gemm:native" };
    size_t n_y = (size_t)(m * n);
    struct buf x = buf_random(halF32, 1, 0, 1, 0), w = x;
    char *hx = malloc((size_t)(m * k) * 4), *hw = malloc((size_t)(n * k) * 4);

    buf_free(&x);
    for (int64_t i = 0; i < m * k; i++)
        encode(t, hx, (size_t)i, (int)(next_random() % 9) - 4);
    for (int64_t i = 0; i < n * k; i++)
        encode(t, hw, (size_t)i, (int)(next_random() % 9) - 4);
    x = buf_of(hx, (size_t)(m * k) * bytes_of(t), 0);
    w = buf_of(hw, (size_t)(n * k) * bytes_of(t), 0);
    for (int way = 0; way < 2; way++) {
        struct buf y = buf_of(NULL, n_y * bytes_of(out), 0);

        OK(halopSelect(ways[way]));
        OK(halopGemm(t, out, y.mem, x.mem, w.mem, NULL, m, n, k, 0));
        FETCH(&y);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double s = 0;

                for (int64_t d = 0; d < k; d++)
                    s += at(&x, t, (size_t)(i * k + d)) *
                         at(&w, t, (size_t)(j * k + d));
                EXPECT(&y, out, (size_t)(i * n + j), s, 0, 0);
            }
        buf_free(&y);
    }
    OK(halopSelect(NULL));
    buf_free(&x);
    buf_free(&w);
    free(hx);
    free(hw);
}

static int has_native(halDtype t)
{
    struct buf b = buf_of(NULL, 64, 0);
    halError_t st;

    OK(halopSelect("gemm:native"));
    st = halopGemm(t, halF32, b.mem, b.mem + 16, b.mem + 32, NULL, 1, 1, 2, 0);
    OK(halDeviceSynchronize());
    OK(halopSelect(NULL));
    buf_free(&b);
    (void)halGetLastError();
    return st == halSuccess;
}

static void f32_both(void **state)
{
    (void)state;
    assert_true(has_native(halF32));
    both_ways(halF32, halF32, 1, 1, 1);
    both_ways(halF32, halF32, 7, 300, 65);
    both_ways(halF32, halF32, 257, 65, 31);
}

static void bf16_both(void **state)
{
    (void)state;
    if (!has_native(halBF16)) {
        print_message("no oneDNN here\n");
        skip();
    }
    both_ways(halBF16, halF32, 1, 1, 1);
    both_ways(halBF16, halF32, 7, 300, 65);
    both_ways(halBF16, halBF16, 65, 257, 32);
}

/* x and y change places: each product needs the one before it, and nobody
 * waits in between. */
static void stays_in_order(void **state)
{
    enum { N = 96, STEPS = 12 };
    static float turn[N * N], first[N * N];
    struct buf w, x[2];
    halStream_t stream;

    (void)state;
    for (int i = 0; i < N; i++)
        turn[i * N + (i + 1) % N] = 1; /* row i of w picks x's column i + 1 */
    for (int i = 0; i < N * N; i++)
        first[i] = (float)(i % N);
    w = buf_of(turn, sizeof turn, 0);
    x[0] = buf_of(first, sizeof first, 0);
    x[1] = buf_of(NULL, sizeof first, 0);
    OK(halStreamCreateWithFlags(&stream, halStreamNonBlocking));
    for (int s = 0; s < STEPS; s++) {
        OK(halopSelect(s % 2 ? "gemm:native" : "gemm:portable"));
        OK(halopGemm(halF32, halF32, x[(s + 1) % 2].mem, x[s % 2].mem, w.mem,
                     NULL, N, N, N, stream));
    }
    OK(halopSelect(NULL));
    OK(halStreamSynchronize(stream));
    FETCH(&x[STEPS % 2]);
    for (int i = 0; i < N * N; i++)
        EXPECT(&x[STEPS % 2], halF32, (size_t)i, (i % N + STEPS) % N, 0, 0);
    OK(halStreamDestroy(stream));
    buf_free(&w);
    buf_free(&x[0]);
    buf_free(&x[1]);
}

/* The choice asks the kernel that it knows, which a reset took away. */
static void outlives_a_reset(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_true(has_native(halF32));
        OK(halDeviceReset());
    }
    both_ways(halF32, halF32, 7, 30, 65);
}

struct caller {
    const void *x, *w;
    struct buf y;
};

static void *call_many(void *arg)
{
    struct caller *c = arg;
    halStream_t stream;

    if (halStreamCreateWithFlags(&stream, halStreamNonBlocking) != halSuccess)
        return "no stream";
    for (int i = 0; i < 20; i++)
        if (halopGemm(halF32, halF32, c->y.mem, c->x, c->w, NULL, 70, 90, 64,
                      stream) != halSuccess)
            return "no product";
    if (halStreamSynchronize(stream) != halSuccess ||
        halStreamDestroy(stream) != halSuccess)
        return "no end";
    return NULL;
}

static void many_threads(void **state)
{
    enum { THREADS = 4 };
    struct buf x = buf_random(halF32, 70 * 64, -1, 1, 0);
    struct buf w = buf_random(halF32, 90 * 64, -1, 1, 0);
    struct caller callers[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    OK(halopSelect("gemm:native"));
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (struct caller){ x.mem, w.mem, buf_of(NULL, 25200, 0) };
        assert_int_equal(
            pthread_create(&threads[i], NULL, call_many, &callers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *why;

        pthread_join(threads[i], &why);
        if (why)
            fail_msg("%s", (const char *)why);
        FETCH(&callers[i].y);
        assert_memory_equal(callers[i].y.host, callers[0].y.host, 25200 + ZONE);
    }
    for (int i = 0; i < THREADS; i++)
        buf_free(&callers[i].y);
    OK(halopSelect(NULL));
    buf_free(&x);
    buf_free(&w);
}

#define NO_DEVICE 3

/* What the op says in a process with this environment: 0 if it is as wanted. */
static int says(const char *variable, const char *value, halDtype t,
                halError_t want, const char *words)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        void *y, *x, *w;
        halError_t st;

        setenv("HALCYON_KERNEL", "gemm:native", 1);
        setenv(variable, value, 1);
        if (halMalloc(&y, 64) || halMalloc(&x, 64) || halMalloc(&w, 64))
            _exit(NO_DEVICE);
        st = halopGemm(t, halF32, y, x, w, NULL, 1, 1, 1, 0);
        if (st != want || !strstr(halGetErrorDetail(), words)) {
            fprintf(stderr, "%s: %s\n", halGetErrorName(st),
                    halGetErrorDetail());
            _exit(1);
        }
        _exit(halGetLastError() != want);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void absent_is_said(void **state)
{
    (void)state;
    assert_int_equal(says("HALCYON_OPENBLAS_LIB", "/nowhere.so", halF32,
                          halErrorNotSupported, "package libopenblas0-pthread"),
                     0);
    assert_int_equal(says("HALCYON_ONEDNN_LIB", "/nowhere.so", halBF16,
                          halErrorNotSupported, "package libdnnl2"),
                     0);
    /* a library, but another one */
    assert_int_equal(says("HALCYON_ONEDNN_LIB", "libm.so.6", halBF16,
                          halErrorNotSupported, "does not work here"),
                     0);
    assert_int_equal(says("HALCYON_KERNEL", "gemm:native", halF16,
                          halErrorNotSupported, "no library multiplies halF16"),
                     0);
    assert_int_equal(says("HALCYON_KERNEL", "gemm", halF32,
                          halErrorInvalidValue, "HALCYON_KERNEL"),
                     0);
    /* 1: another answer */
    assert_int_not_equal(says("HALCYON_DEVICES", "opencl:0", halF32,
                              halErrorNotSupported, "only CPU devices"),
                         1);
}

enum tuned_op { TUNED_GEMM, TUNED_NORM, TUNED_MOE, TUNED_FP8, TUNED_OPS };

static halError_t one_of(enum tuned_op op, void *y, void *x, void *w)
{
    const struct halopGemmFp8Args fp8 = { .out = halF32,
                                          .y = y,
                                          .x = x,
                                          .x_scale = x,
                                          .w = w,
                                          .w_scale = w,
                                          .m = 1,
                                          .n = 1,
                                          .k = 1 };
    const struct halopGroupedGemmArgs moe = { .in = halBF16,
                                              .out = halF32,
                                              .y = y,
                                              .x = x,
                                              .w = w,
                                              .offsets = (const int32_t *)w,
                                              .rows = 1,
                                              .x_rows = 1,
                                              .n_experts = 1,
                                              .n = 1,
                                              .k = 1,
                                              .w_expert_stride = 1 };

    switch (op) {
    case TUNED_GEMM:
        return halopGemm(halBF16, halF32, y, x, w, NULL, 1, 1, 1, 0);
    case TUNED_MOE:
        return halopGroupedGemm(&moe, 0);
    case TUNED_NORM:
        return halopRmsNorm(halF32, y, x, w, 1, 4, 1, 0);
    default:
        return halopGemmFp8(&fp8, 0);
    }
}

/* What an op says on a GPU of this capability, in a process of the tests' own
 * driver: 0 if it is as wanted. */
static int gpu_says(const char *capability, enum tuned_op op, halError_t want,
                    const char *words)
{
    char lib[4096];
    ssize_t n = readlink("/proc/self/exe", lib, sizeof lib - 40);
    pid_t pid = fork();
    int status;

    assert_true(n > 0 && pid >= 0);
    if (pid == 0) {
        void *y, *x, *w;
        halError_t st;

        lib[n] = '\0';
        for (int i = 0; i < 2; i++) /* BUILD/tests/kernels/test_native */
            *strrchr(lib, '/') = '\0';
        strcat(lib, "/fakes/fake_cuda.so");
        setenv("HALCYON_CUDA_LIB", lib, 1);
        setenv("FAKE_CUDA_CAPABILITY", capability, 1);
        setenv("HALCYON_DEVICES", "cuda:0", 1);
        setenv("HALCYON_KERNEL",
               "gemm:tuned,rmsnorm:tuned,fp8_gemm:tuned,moe_gemm:tuned", 1);
        if (halMalloc(&y, 64) || halMalloc(&x, 64) || halMalloc(&w, 64)) {
            fprintf(stderr, "%s\n", halGetErrorDetail());
            _exit(NO_DEVICE);
        }
        st = one_of(op, y, x, w);
        if (st != want || (st && !strstr(halGetErrorDetail(), words))) {
            fprintf(stderr, "%s: %s\n", halGetErrorName(st),
                    halGetErrorDetail());
            _exit(1);
        }
        _exit(halDeviceSynchronize() != halSuccess);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void old_gpu_is_said(void **state)
{
    (void)state;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    skip(); /* the driver's kernels change stacks behind the checker's back */
#endif
    for (enum tuned_op op = 0; op < TUNED_OPS; op++) {
        const int is_fp8 = op == TUNED_FP8;

        assert_int_equal(gpu_says(is_fp8 ? "86" : "75", op,
                                  halErrorNotSupported,
                                  is_fp8 ? "fp8_gemm:tuned is asked for; it "
                                           "wants compute capability 8.9, and "
                                           "this device has 8.6"
                                         : "tuned is asked for; it wants "
                                           "compute capability 8.0, and this "
                                           "device has 7.5"),
                         0);
        assert_int_equal(gpu_says(is_fp8 ? "89" : "80", op, halSuccess, ""), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_is_said), /* forks: before there are threads */
        cmocka_unit_test(old_gpu_is_said),
        cmocka_unit_test(choices),
        cmocka_unit_test(each_op_has_its_own),
        cmocka_unit_test(f32_both),
        cmocka_unit_test(bf16_both),
        cmocka_unit_test(stays_in_order),
        cmocka_unit_test(many_threads),
        cmocka_unit_test(outlives_a_reset),
    };

    setenv("HALCYON_DEVICES", "cpu:0", 1);
    return cmocka_run_group_tests_name("kernels.native", tests, NULL, NULL);
}
