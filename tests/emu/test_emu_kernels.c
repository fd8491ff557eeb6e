/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_emu_kernels.c - the stock kernels' CUDA text, as it is in the library,
 * against the oracles: forward and reversed, in grids smaller than the work;
 * and that one without its barriers is found out.
 */
#include "tests/emu/emu_test.h"

#include <math.h>

#include "compiler/compile.h"
#include "conformance/oracles/oracles.h"

#define ROWS 5
#define COLS 301
#define MANY (ROWS * COLS)

static struct emu_library stock;

/* ---- numbers ------------------------------------------------------------- */

static float random_float(void)
{
    static uint32_t state = 12345;

    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1.0f;
}

/* The same numbers as floats and as the oracles take them. */
struct numbers {
    float f[MANY];
    double d[MANY];
};

static void fill(struct numbers *n)
{
    for (int i = 0; i < MANY; i++)
        n->d[i] = n->f[i] = random_float() * 4.0f;
}

static void near_all(const char *what, const float *got, const double *want,
                     int n, double tolerance)
{
    for (int i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * (1 + fabs(want[i]))))
            fail_msg("%s: element %d is %.9g, not %.9g", what, i,
                     (double)got[i], want[i]);
}

/* ---- launches ------------------------------------------------------------ */

static const unsigned block[3] = { 256, 1, 1 };

static int launch_in(const struct emu_library *e, const char *name, unsigned x,
                     unsigned y, void **args)
{
    const struct emu_kernel *k = e->find(name);
    const unsigned grid[3] = { x, y, 1 };

    if (!k)
        fail_msg("no kernel %s", name);
    return e->launch(k, grid, block, 0, args);
}

static void launch(const char *name, unsigned x, unsigned y, void **args)
{
    if (launch_in(&stock, name, x, y, args))
        fail_msg("%s", stock.error());
}

/* ---- kernels ------------------------------------------------------------- */

static struct numbers a, b, c;
static float out[MANY];
static double want[MANY], mag[MANY];
static void *pa = a.f, *pb = b.f, *pc = c.f, *py = out;
static uint32_t rows = ROWS, cols = COLS, many = MANY;

static void elements(void)
{
    void *args[] = { &py, &pa, &pb, &many };

    launch("add_f32", 2, 1, args);
    oracle_add(want, a.d, b.d, MANY);
    near_all("add", out, want, MANY, 1e-6);
    launch("swiglu_f32", 3, 1, args);
    oracle_swiglu(want, a.d, b.d, MANY);
    near_all("swiglu", out, want, MANY, 1e-5);
}

static void rows_of(void)
{
    float sign = 1.0f, scale = 0.5f, eps = 1e-6f;
    int32_t index[ROWS], best[ROWS];
    void *p_index = index;
    void *softmax[] = { &py, &pa, &rows, &cols, &sign, &scale };
    void *rmsnorm[] = { &py, &pa, &pb, &rows, &cols, &eps };
    void *argmax[] = { &p_index, &pa, &rows, &cols };

    launch("softmax_f32", 2, 1, softmax);
    oracle_softmax(want, a.d, ROWS, COLS, 0.5);
    near_all("softmax", out, want, MANY, 1e-6);
    launch("rmsnorm_f32", 3, 1, rmsnorm);
    oracle_rmsnorm(want, a.d, b.d, ROWS, COLS, 1e-6);
    near_all("rmsnorm", out, want, MANY, 1e-5);
    launch("argmax_f32", 2, 1, argmax);
    oracle_argmax(best, a.d, ROWS, COLS);
    assert_memory_equal(index, best, sizeof best);
}

/* The k largest of each row, by the definition: rank is how many are before. */
static void top_k(void)
{
    enum { K = 7 };
    int32_t indices[ROWS * K];
    float values[ROWS * K];
    uint32_t k = K, has_values = 1;
    void *p_indices = indices, *p_values = values;
    void *args[] = {
        &p_values, &p_indices, &pa, &rows, &cols, &k, &has_values
    };

    launch("topk_f32", 2, 1, args);
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < COLS; i++) {
            int rank = 0;

            for (int j = 0; j < COLS; j++)
                rank += a.f[r * COLS + j] > a.f[r * COLS + i] ||
                        (a.f[r * COLS + j] == a.f[r * COLS + i] && j < i);
            if (rank < K) {
                assert_int_equal(indices[r * K + rank], i);
                assert_true(values[r * K + rank] == a.f[r * COLS + i]);
            }
        }
}

/* x [4][33], w [9][33], bias [9] */
static void products(void)
{
    uint32_t m = 4, n = 9, depth = 33, has_bias = 1, units = 2;
    void *args[] = { &py, &pa, &pb, &pc, &m, &n, &depth, &has_bias, &units };

    oracle_gemm(want, mag, a.d, b.d, c.d, m, n, depth);
    launch("gemv_f32_f32", 2, 3, args);
    near_all("gemv", out, want, 36, 1e-5);
    memset(out, 0, sizeof out);
    launch("gemm_f32_f32", 2, 1, args);
    near_all("gemm", out, want, 36, 1e-5);
}

static void all_kernels(const char *order)
{
    setenv("HALCYON_EMU_ORDER", order, 1);
    fill(&a);
    fill(&b);
    fill(&c);
    elements();
    rows_of();
    top_k();
    products();
    unsetenv("HALCYON_EMU_ORDER");
}

static void forward(void **state)
{
    (void)state;
    all_kernels("forward");
}

static void reversed(void **state)
{
    (void)state;
    all_kernels("reversed");
}

/* Every stock kernel that has CUDA text can be found. */
static void all_are_there(void **state)
{
    extern const char hal_stock_halbin[], hal_stock_halbin_end[];
    struct hal_message msg = { "" };
    struct halbin bin;
    unsigned found = 0;

    (void)state;
    assert_int_equal(
        halbin_open(hal_stock_halbin,
                    (size_t)(hal_stock_halbin_end - hal_stock_halbin), &bin,
                    &msg),
        HALBIN_OK);
    for (uint32_t k = 0; k < bin.n_kernels; k++)
        for (uint32_t i = 0; i < bin.kernels[k].n_images; i++)
            if (bin.kernels[k].images[i].target == HAL_TARGET_CUDA) {
                if (!stock.find(bin.kernels[k].name))
                    fail_msg("%s is not there", bin.kernels[k].name);
                found++;
            }
    assert_true(found > 100);
    halbin_close(&bin);
}

/* ---- without barriers ---------------------------------------------------- */

/* gemm's text without its nth barrier: 1 if the product is still right in both
 * orders, -1 if there is no such barrier. */
static int gemm_without(int nth)
{
    static char source[65536];
    struct compile_request req = { .source = source, .name = "gemm.k" };
    struct hal_message msg = { "" };
    struct emu_library e;
    char *text = NULL, *at;
    uint32_t m = 3, n = 5, depth = 200, has_bias = 0, units = 1;
    void *args[] = { &py, &pa, &pb, &pc, &m, &n, &depth, &has_bias, &units };
    FILE *f = fopen("kernels/gemm.k", "r");
    int good = 1;

    assert_non_null(f);
    source[fread(source, 1, sizeof source - 1, f)] = '\0';
    fclose(f);
    if (compile_expand(&req, "cuda", 0, &text, &msg) != COMPILE_OK)
        fail_msg("%s", msg.text);
    at = strstr(text, "extern \"C\" __global__"); /* the helpers are before */
    assert_non_null(at);
    for (int i = 0; i <= nth && at; i++)
        at = strstr(at + 1, "__syncthreads()");
    if (!at) {
        free(text);
        return -1;
    }
    memset(at, ' ', strlen("__syncthreads()"));
    e = emu_make_text(text);
    free(text);
    oracle_gemm(want, mag, a.d, b.d, NULL, m, n, depth);
    for (int reverse = 0; reverse < 2; reverse++) {
        setenv("HALCYON_EMU_ORDER", reverse ? "reversed" : "forward", 1);
        memset(out, 0, sizeof out);
        assert_int_equal(launch_in(&e, "gemm_f32_f32", 1, 1, args), 0);
        for (int i = 0; i < 15; i++)
            good &= fabs(out[i] - want[i]) <= 1e-4 * (1 + fabs(want[i]));
    }
    unsetenv("HALCYON_EMU_ORDER");
    dlclose(e.handle);
    return good;
}

static void gemm_needs_its_barriers(void **state)
{
    int n = 0, is;

    (void)state;
    fill(&a);
    fill(&b);
    while ((is = gemm_without(n)) >= 0) {
        if (is)
            fail_msg("gemm is right without its barrier number %d", n);
        n++;
    }
    assert_true(n >= 2);
}

static int open_stock(void **state)
{
    (void)state;
    stock = emu_open_stock();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_there),
        cmocka_unit_test(forward),
        cmocka_unit_test(reversed),
        cmocka_unit_test(gemm_needs_its_barriers),
    };

    return cmocka_run_group_tests_name("emu.kernels", tests, open_stock, NULL);
}
