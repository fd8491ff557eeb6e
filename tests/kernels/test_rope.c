/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_rope.c - frequencies, tables and scales on the host; the rotation on
 * the device.
 */
#include "tests/kernels/ops_test.h"

static const struct halopRopeConfig deepseek = {
    .scaling = halopRopeYarn,
    .dim = 64,
    .theta = 1e4,
    .factor = 40,
    .original_max_position = 4096,
    .beta_fast = 32,
    .beta_slow = 1,
    .mscale = 1,
    .mscale_all_dim = 1,
};

static void near(double got, double want, double rel, int line)
{
    if (!(fabs(got - want) <= rel * fabs(want)))
        fail_msg("line %d: %.12g, expected %.12g", line, got, want);
}
#define NEAR(got, want, rel) near((got), (want), (rel), __LINE__)

static void yarn(void **state)
{
    struct halopRopeConfig c = deepseek;
    double f[32], factor;
    float scale;

    (void)state;
    OK(halopRopeFrequencies(&c, f, &factor));
    NEAR(f[0], 1, 1e-15);
    NEAR(f[10], 5.62341325e-2, 1e-8);
    NEAR(f[11], 3.90069266e-2, 1e-8);
    NEAR(f[16], 5.5e-3, 1e-8);
    NEAR(f[22], 1.77827941e-4, 1e-8);
    NEAR(f[23], 3.33380358e-5, 1e-8);
    NEAR(f[31], 3.33380358e-6, 1e-8);
    NEAR(factor, 1, 1e-15);
    OK(halopRopeSoftmaxScale(&c, 192, &scale));
    NEAR(scale, 0.1352337789, 1e-7);

    c.mscale = c.mscale_all_dim = 0; /* plain YaRN: Qwen */
    OK(halopRopeFrequencies(&c, f, &factor));
    NEAR(factor, 0.1 * log(40) + 1, 1e-15);
    OK(halopRopeSoftmaxScale(&c, 192, &scale));
    NEAR(scale, 1 / sqrt(192), 1e-7);
}

static const struct halopRopeConfig llama = {
    .scaling = halopRopeLlama3,
    .dim = 128,
    .theta = 5e5,
    .factor = 8,
    .original_max_position = 8192,
    .low_freq_factor = 1,
    .high_freq_factor = 4,
};

static void llama3(void **state)
{
    double f[64], factor, plain, wave, t;
    int kept = 0, divided = 0, mixed = 0;

    (void)state;
    OK(halopRopeFrequencies(&llama, f, &factor));
    NEAR(factor, 1, 0);
    for (int i = 0; i < 64; i++) {
        plain = pow(5e5, -i / 64.0);
        wave = 2 * 3.14159265358979323846 / plain;
        if (wave < 2048) {
            NEAR(f[i], plain, 1e-14);
            kept++;
        } else if (wave > 8192) {
            NEAR(f[i], plain / 8, 1e-14);
            divided++;
        } else {
            t = (8192 / wave - 1) / 3;
            NEAR(f[i], (1 - t) * plain / 8 + t * plain, 1e-14);
            mixed++;
        }
    }
    assert_true(kept && divided && mixed);
}

/* What is 0 is what most models have. */
static void same_frequencies(const struct halopRopeConfig *a,
                             const struct halopRopeConfig *b)
{
    double f[64], g[64], factor;

    OK(halopRopeFrequencies(a, f, &factor));
    OK(halopRopeFrequencies(b, g, &factor));
    assert_memory_equal(f, g, sizeof *f * (size_t)a->dim / 2);
}

static void defaults(void **state)
{
    struct halopRopeConfig yarn_0 = deepseek, yarn_1 = deepseek,
                           llama_0 = llama;

    (void)state;
    /* Of a dim of 64 the steps of 31 and 32 turns are the same. */
    yarn_1.dim = yarn_0.dim = 128;
    yarn_1.theta = yarn_0.theta = 1e2;
    yarn_0.beta_fast = yarn_0.beta_slow = 0;
    same_frequencies(&yarn_0, &yarn_1);
    llama_0.low_freq_factor = llama_0.high_freq_factor = 0;
    same_frequencies(&llama_0, &llama);
}

static void tables(void **state)
{
    const struct halopRopeConfig c = { .dim = 8, .theta = 1e4 };
    float cosines[3 * 4], sines[3 * 4];

    (void)state;
    OK(halopRopeTable(&c, 131070, 3, cosines, sines));
    for (int p = 0; p < 3; p++)
        for (int i = 0; i < 4; i++) {
            double angle = (131070 + p) * pow(1e4, -2.0 * i / 8);

            assert_true(cosines[p * 4 + i] == (float)cos(angle));
            assert_true(sines[p * 4 + i] == (float)sin(angle));
        }
    OK(halopRopeTable(&c, 0, 0, NULL, NULL));
}

static void refuses(halError_t st, const char *words, int line)
{
    if (st != halErrorInvalidValue || !strstr(halGetErrorDetail(), words))
        fail_msg("line %d: %s: \"%s\" lacks \"%s\"", line, halGetErrorName(st),
                 halGetErrorDetail(), words);
}
#define REFUSES(words, call) refuses((call), (words), __LINE__)

static void bad_configs(void **state)
{
    struct halopRopeConfig c = deepseek;
    double f[32], factor;
    float x;

    (void)state;
    REFUSES("config is NULL", halopRopeFrequencies(NULL, f, &factor));
    REFUSES("inv_freq is NULL", halopRopeFrequencies(&c, NULL, &factor));
    c.dim = 63;
    REFUSES("dim is 63", halopRopeFrequencies(&c, f, &factor));
    c = deepseek;
    c.theta = NAN;
    REFUSES("theta", halopRopeFrequencies(&c, f, &factor));
    c = deepseek;
    c.factor = 0;
    REFUSES("factor", halopRopeTable(&c, 0, 1, &x, &x));
    c = deepseek;
    c.original_max_position = -1;
    REFUSES("original_max_position", halopRopeFrequencies(&c, f, &factor));
    c = deepseek;
    c.scaling = (halopRopeScaling)7;
    REFUSES("scaling is 7", halopRopeFrequencies(&c, f, &factor));
    REFUSES("first", halopRopeTable(&deepseek, -1, 1, &x, &x));
    REFUSES("qk_dim", halopRopeSoftmaxScale(&deepseek, 0, &x));
}

static void rope_layouts(void **state)
{
    (void)state;
    EACH_DTYPE(t) for (int layout = 0; layout < 2; layout++)
    {
        enum { T = 5, H = 3, D = 26, P = 9, HS = 29, TS = 101 };
        const int32_t pos[T] = { 0, 8, 3, -4, 100 };
        const size_t n = (T - 1) * TS + (H - 1) * HS + D;
        struct buf x = buf_random(t, n, -2, 2, bytes_of(t));
        struct buf c = buf_random(halF32, P * D / 2, -1, 1, 4);
        struct buf s = buf_random(halF32, P * D / 2, -1, 1, 0);
        struct buf p = buf_of(pos, sizeof pos, 0);
        struct buf old = x;
        const struct halopRopeArgs args = {
            .dtype = t,
            .layout = (halopRopeLayout)layout,
            .x = x.mem,
            .cos = (const float *)c.mem,
            .sin = (const float *)s.mem,
            .positions = (const int32_t *)p.mem,
            .n_tokens = T,
            .n_heads = H,
            .dim = D,
            .n_positions = P,
            .token_stride = TS,
            .head_stride = HS,
        };
        static char touched[(T - 1) * TS + (H - 1) * HS + D];

        old.host = malloc(x.bytes + 2 * ZONE + x.misalign);
        memcpy(old.host, x.host, x.bytes + 2 * ZONE + x.misalign);
        memset(touched, 0, sizeof touched);
        OK(halopRope(&args, 0));
        FETCH(&x);
        for (int k = 0; k < T; k++)
            for (int h = 0; h < H; h++)
                for (int j = 0; j < D / 2; j++) {
                    size_t b = (size_t)(k * TS + h * HS);
                    size_t i0 = b + (size_t)(layout ? j : 2 * j);
                    size_t i1 = b + (size_t)(layout ? j + D / 2 : 2 * j + 1);
                    int q = pos[k] < 0 ? 0 : pos[k] >= P ? P - 1 : pos[k];
                    double cv = at(&c, halF32, (size_t)(q * D / 2 + j));
                    double sv = at(&s, halF32, (size_t)(q * D / 2 + j));
                    double a = at(&old, t, i0), d = at(&old, t, i1);

                    EXPECT(&x, t, i0, a * cv - d * sv, 1e-6, 1e-6);
                    EXPECT(&x, t, i1, a * sv + d * cv, 1e-6, 1e-6);
                    touched[i0] = touched[i1] = 1;
                }
        for (size_t i = 0; i < n; i++)
            if (!touched[i])
                EXPECT(&x, t, i, at(&old, t, i), 0, 0);
        free(old.host);
        buf_free(&x);
        buf_free(&c);
        buf_free(&s);
        buf_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yarn),        cmocka_unit_test(llama3),
        cmocka_unit_test(defaults),    cmocka_unit_test(tables),
        cmocka_unit_test(bad_configs), cmocka_unit_test(rope_layouts),
    };

    return cmocka_run_group_tests_name("kernels.rope", tests, NULL, NULL);
}
