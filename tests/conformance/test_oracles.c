/* SPDX-License-Identifier: Apache-2.0 */
/* test_oracles.c - the oracles against numbers that can be checked by hand and
 * against the published check values of DeepSeek-V3. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conformance/oracles/oracles.h"

static void near(double got, double want, double rel)
{
    if (!(fabs(got - want) <= rel * fabs(want))) {
        print_error("got %.17g, want %.17g\n", got, want);
        fail();
    }
}

static void rmsnorm(void **state)
{
    const double x[4] = { 3, 4, 0, INFINITY }, w[2] = { 1, 2 };
    double y[4];

    (void)state;
    oracle_rmsnorm(y, x, w, 2, 2, 0.5);
    near(y[0], 3 / sqrt(13), 1e-15);
    near(y[1], 8 / sqrt(13), 1e-15);
    assert_true(y[2] == 0);
    assert_true(isnan(y[3]));
}

static void add_rmsnorm_rounds_the_sum(void **state)
{
    const double a[1] = { 256 }, b[1] = { 1 }, w[1] = { 1 };
    double y[1], sum[1];

    (void)state;
    oracle_add_rmsnorm(halBF16, y, sum, a, b, w, 1, 1, 0);
    assert_true(sum[0] == 256); /* 257 is a tie, to even */
    near(y[0], 1, 1e-15);
    oracle_add_rmsnorm(halF32, y, sum, a, b, w, 1, 1, 0);
    assert_true(sum[0] == 257);
}

static void softmax(void **state)
{
    const double x[6] = { 0, log(3), -INFINITY, -INFINITY, 1, NAN };
    double y[6];

    (void)state;
    oracle_softmax(y, x, 3, 2, 1);
    near(y[0], 0.25, 1e-15);
    near(y[1], 0.75, 1e-15);
    assert_true(y[2] == 0 && y[3] == 0);
    assert_true(isnan(y[4]) && isnan(y[5]));
}

static void argmax(void **state)
{
    const double x[12] = { 1, 3,   3,         0,         1,         NAN,
                           9, NAN, -INFINITY, -INFINITY, -INFINITY, -INFINITY };
    int32_t index[3];

    (void)state;
    oracle_argmax(index, x, 3, 4);
    assert_int_equal(index[0], 1);
    assert_int_equal(index[1], 1);
    assert_int_equal(index[2], 0);
}

static void swiglu(void **state)
{
    const double gate[3] = { 0, -INFINITY, 1 }, up[3] = { 5, 2, 3 };
    double y[3];

    (void)state;
    oracle_swiglu(y, gate, up, 3);
    assert_true(y[0] == 0 && y[1] == 0);
    near(y[2], 3 / (1 + exp(-1)), 1e-15);
}

/* Check values of DeepSeek-V3's YaRN. */
static void yarn(void **state)
{
    const struct oracle_rope r = {
        ORACLE_ROPE_YARN, 64, 1e4, 40, 4096, 32, 1, 1, 1, 0, 0
    };
    double f[32];

    (void)state;
    near(oracle_rope_frequencies(&r, f), 1, 1e-15);
    near(f[10], 5.62341325e-2, 1e-8);
    near(f[11], 3.90069266e-2, 1e-8);
    near(f[16], 5.5e-3, 1e-8);
    near(f[22], 1.77827941e-4, 1e-8);
    near(f[23], 3.33380358e-5, 1e-8);
    near(f[31], 3.33380358e-6, 1e-8);
    near(oracle_rope_scale(&r, 192), 0.1352337789, 1e-9);
}

static void rope_layouts(void **state)
{
    const double c[2] = { 0, 1 }, s[2] = { 1, 0 };
    double a[4] = { 1, 2, 3, 4 }, b[4] = { 1, 2, 3, 4 }, mag[4];

    (void)state;
    oracle_rope_rotate(0, a, mag, c, s, 4); /* (1, 2) by 90 degrees */
    assert_true(a[0] == -2 && a[1] == 1 && a[2] == 3 && a[3] == 4);
    oracle_rope_rotate(1, b, NULL, c, s, 4); /* (1, 3) by 90 degrees */
    assert_true(b[0] == -3 && b[2] == 1 && b[1] == 2 && b[3] == 4);
    assert_true(mag[0] == 2 && mag[3] == 4);
}

static void gemm(void **state)
{
    const double x[4] = { 1, -2, 3, 4 }, w[4] = { 5, 6, 7, -8 };
    const double bias[2] = { 100, 200 };
    double y[4], mag[4];

    (void)state;
    oracle_gemm(y, mag, x, w, bias, 2, 2, 2);
    assert_true(y[0] == 93 && y[1] == 223 && y[2] == 139 && y[3] == 189);
    assert_true(mag[0] == 117 && mag[1] == 223);
    oracle_gemm(y, NULL, x, w, NULL, 1, 2, 0);
    assert_true(y[0] == 0 && y[1] == 0);
}

/* Two queries, three keys of which the cache's last is garbage. */
static void attention(void **state)
{
    const double q[2] = { 0, 1 }, k[3] = { 1, 1, NAN }, v[3] = { 2, 4, NAN };
    const int32_t lens[1] = { 2 };
    double o[2], mag[2], lse[2];
    struct oracle_attention a = {
        .o = o,
        .mag = mag,
        .lse = lse,
        .q = q,
        .k = k,
        .v = v,
        .kv_lens = lens,
        .batch = 1,
        .n_q = 2,
        .kv_max = 3,
        .heads = 1,
        .kv_heads = 1,
        .qk_dim = 1,
        .v_dim = 1,
        .scale = 1,
        .causal = 1,
    };
    const int32_t none[1] = { -5 };

    (void)state;
    oracle_attention(&a);
    near(o[0], 2, 1e-15); /* sees key 0 */
    near(o[1], 3, 1e-15); /* both, alike */
    near(lse[1], 1 + log(2), 1e-15);
    near(a.score_mag, 1, 1e-15);
    a.kv_lens = none;
    oracle_attention(&a);
    assert_true(o[0] == 0 && o[1] == 0 && lse[0] == -INFINITY);
}

static void moves(void **state)
{
    const double table[4] = { 1, 2, 3, 4 };
    const int32_t ids[3] = { 1, -1, 2 };
    const int64_t dims[4] = { 1, 1, 2, 3 }, ys[4] = { 0, 0, 3, 1 };
    const int64_t xs[4] = { 0, 0, 1, 2 };
    const uint16_t x[6] = { 10, 11, 20, 21, 30, 31 };
    uint16_t y[6];
    double out[6];

    (void)state;
    oracle_embedding(out, table, ids, 3, 2, 2);
    assert_true(out[0] == 3 && out[1] == 4 && out[2] == 0 && out[5] == 0);
    oracle_copy_strided(2, y, ys, x, xs, dims);
    assert_true(y[0] == 10 && y[2] == 30 && y[3] == 11 && y[5] == 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rmsnorm),
        cmocka_unit_test(add_rmsnorm_rounds_the_sum),
        cmocka_unit_test(softmax),
        cmocka_unit_test(argmax),
        cmocka_unit_test(swiglu),
        cmocka_unit_test(yarn),
        cmocka_unit_test(rope_layouts),
        cmocka_unit_test(gemm),
        cmocka_unit_test(attention),
        cmocka_unit_test(moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
