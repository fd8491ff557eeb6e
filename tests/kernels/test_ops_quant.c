/* SPDX-License-Identifier: Apache-2.0 */
/* test_ops_quant.c - the operators on quantised tensors against plain loops
 * over layouts that the test itself packs. */
#include "tests/kernels/ops_test.h"

/* ---- fp8 ---------------------------------------------------------------- */

static double e4m3(unsigned code)
{
    int e = code >> 3 & 15, m = code & 7;
    double a = e ? ldexp(8 + m, e - 10) : ldexp(m, -9);

    return (code & 127) == 127 ? NAN : code >> 7 ? -a : a;
}

/* All codes to f32 and back; what lies beyond 448 saturates. */
static void fp8_codes(void **state)
{
    uint8_t codes[256], *back;
    const float beyond[] = { 449, 463, 464, 465, 1e30f, INFINITY, -INFINITY };
    struct buf c, f, b, x, y;

    (void)state;
    for (int i = 0; i < 256; i++)
        codes[i] = (uint8_t)i;
    c = buf_of(codes, 256, 1);
    f = buf_of(NULL, 1024, 4);
    b = buf_of(NULL, 256, 3);
    OK(halopCast(halF32, f.mem, halE4M3, c.mem, 256, 0));
    OK(halopCast(halE4M3, b.mem, halF32, f.mem, 256, 0));
    FETCH(&f);
    FETCH(&b);
    back = (uint8_t *)b.host + ZONE + 3;
    for (unsigned i = 0; i < 256; i++) {
        EXPECT(&f, halF32, i, e4m3(i), 0, 0);
        if ((i & 127) != 127)
            assert_int_equal(back[i], i);
        else
            assert_int_equal(back[i] & 127, 127);
    }
    x = buf_of(beyond, sizeof beyond, 0);
    y = buf_of(NULL, 7, 0);
    OK(halopCast(halE4M3, y.mem, halF32, x.mem, 7, 0));
    FETCH(&y);
    for (int i = 0; i < 7; i++)
        assert_int_equal((uint8_t)y.host[ZONE + i], i == 6 ? 0xFE : 0x7E);
    buf_free(&c);
    buf_free(&f);
    buf_free(&b);
    buf_free(&x);
    buf_free(&y);
}

/* Quantise, dequantise: within half a step, 2^-4 of the number, or of the
 * smallest normal code's. */
static void fp8_round_trip(void **state)
{
    enum { M = 3, K = 300, B = 3 };
    struct buf x = buf_random(halBF16, M * K, -5, 5, 2);
    struct buf q = buf_of(NULL, M * K, 1), s = buf_of(NULL, M * B * 4, 0);
    struct buf y = buf_of(NULL, M * K * 4, 0);

    (void)state;
    OK(halopQuantiseFp8(halBF16, (uint8_t *)q.mem, s.mem, halopScalePow2, x.mem,
                        M, K, 0));
    FETCH(&s);
    for (size_t i = 0; i < M * B; i++) {
        int e;

        assert_true(frexp(at(&s, halF32, i), &e) == 0.5);
    }
    /* rows share scales by 128 in weights: one row at a time */
    for (int r = 0; r < M; r++)
        OK(halopDequantiseFp8(halF32, y.mem + 4 * r * K,
                              (const uint8_t *)q.mem + r * K,
                              (const float *)(s.mem + 4 * r * B), 1, K, 0));
    FETCH(&y);
    for (size_t i = 0; i < M * K; i++)
        EXPECT(&y, halF32, i, at(&x, halBF16, i), 0x1p-4,
               at(&s, halF32, i / K * B + i % K / 128) * 0x1p-10);
    buf_free(&x);
    buf_free(&q);
    buf_free(&s);
    buf_free(&y);
}

static struct buf buf_codes(size_t n, unsigned mask)
{
    uint8_t *codes = malloc(n);
    struct buf b;

    for (size_t i = 0; i < n; i++)
        codes[i] = (uint8_t)(next_random() >> 8 & mask);
    b = buf_of(codes, n, 1);
    free(codes);
    return b;
}

static void fp8_products(void **state)
{
    static const int64_t shapes[][3] = {
        { 1, 5, 130 }, { 2, 129, 128 }, { 7, 33, 300 }, { 70, 150, 257 }
    };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        int64_t m = shapes[i][0], n = shapes[i][1], k = shapes[i][2];
        int64_t b = (k + 127) / 128;
        struct buf x = buf_codes((size_t)(m * k), 0xF7); /* no NaN */
        struct buf w = buf_codes((size_t)(n * k), 0xF7);
        struct buf xs = buf_random(halF32, (size_t)(m * b), 0.001, 0.01, 0);
        struct buf ws =
            buf_random(halF32, (size_t)((n + 127) / 128 * b), 0.001, 0.01, 0);
        struct buf y = buf_of(NULL, (size_t)(m * n) * 4, 0);
        struct halopGemmFp8Args a = {
            .out = halF32,
            .y = y.mem,
            .x = (const uint8_t *)x.mem,
            .w = (const uint8_t *)w.mem,
            .x_scale = (const float *)xs.mem,
            .w_scale = (const float *)ws.mem,
            .m = m,
            .n = n,
            .k = k,
        };

        OK(halopGemmFp8(&a, 0));
        FETCH(&y);
        for (int64_t r = 0; r < m; r++)
            for (int64_t c = 0; c < n; c++) {
                double sum = 0, mag = 0;

                for (int64_t l = 0; l < k; l++) {
                    double t = e4m3((uint8_t)x.host[ZONE + 1 + r * k + l]) *
                               e4m3((uint8_t)w.host[ZONE + 1 + c * k + l]) *
                               at(&xs, halF32, (size_t)(r * b + l / 128)) *
                               at(&ws, halF32, (size_t)(c / 128 * b + l / 128));

                    sum += t;
                    mag += fabs(t);
                }
                EXPECT(&y, halF32, (size_t)(r * n + c), sum, 0, mag * 2e-6);
            }
        buf_free(&x);
        buf_free(&w);
        buf_free(&xs);
        buf_free(&ws);
        buf_free(&y);
    }
}

/* ---- int8 --------------------------------------------------------------- */

static void int8_sums(void **state)
{
    static const int64_t shapes[][3] = { { 1, 5, 5000 },
                                         { 3, 70, 17 },
                                         { 33, 40, 600 } };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        int64_t m = shapes[i][0], n = shapes[i][1], k = shapes[i][2];
        struct buf x = buf_codes((size_t)(m * k), 255);
        struct buf w = buf_codes((size_t)(n * k), 255);
        struct buf y = buf_of(NULL, (size_t)(m * n) * 4, 0);
        struct halopGemmI8Args a = { .out = halI32,
                                     .y = y.mem,
                                     .x = (const int8_t *)x.mem,
                                     .w = (const int8_t *)w.mem,
                                     .m = m,
                                     .n = n,
                                     .k = k };

        OK(halopGemmI8(&a, 0));
        FETCH(&y);
        for (int64_t r = 0; r < m; r++)
            for (int64_t c = 0; c < n; c++) {
                int32_t sum = 0;

                for (int64_t l = 0; l < k; l++)
                    sum += (int8_t)x.host[ZONE + 1 + r * k + l] *
                           (int8_t)w.host[ZONE + 1 + c * k + l];
                assert_int_equal(((int32_t *)(y.host + ZONE))[r * n + c], sum);
            }
        buf_free(&x);
        buf_free(&w);
        buf_free(&y);
    }
}

/* A row of zeros has scale 1; ties go to even. */
static void int8_rows(void **state)
{
    const float x[2][4] = { { 0, -0.0f, 0, 0 }, { 127, 0.5f, 1.5f, -2.5f } };
    struct buf b = buf_of(x, sizeof x, 0), q = buf_of(NULL, 8, 0);
    struct buf s = buf_of(NULL, 8, 0);
    static const int8_t want[8] = { 0, 0, 0, 0, 127, 0, 2, -2 };

    (void)state;
    OK(halopQuantiseI8(halF32, (int8_t *)q.mem, (float *)s.mem, b.mem, NULL, 2,
                       4, 0));
    FETCH(&q);
    FETCH(&s);
    EXPECT(&s, halF32, 0, 1, 0, 0);
    EXPECT(&s, halF32, 1, 1, 4e-7, 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal((int8_t)q.host[ZONE + i], want[i]);
    buf_free(&b);
    buf_free(&q);
    buf_free(&s);
}

/* ---- blocks of known contents -------------------------------------------- */

/* One Q4_0 block with d = 0.5 whose codes count up. */
static void gguf_q4_0_by_hand(void **state)
{
    uint8_t block[18] = { 0x00, 0x38 };
    struct buf w, y = buf_of(NULL, 128, 0);

    (void)state;
    for (int j = 0; j < 16; j++)
        block[2 + j] = (uint8_t)(j | (15 - j) << 4);
    w = buf_of(block, sizeof block, 1);
    OK(halopDequantiseGguf(halopGgufQ4_0, halF32, y.mem, w.mem, 1, 32, 0));
    FETCH(&y);
    for (int j = 0; j < 16; j++) {
        EXPECT(&y, halF32, (size_t)j, 0.5 * (j - 8), 0, 0);
        EXPECT(&y, halF32, (size_t)(j + 16), 0.5 * (7 - j), 0, 0);
    }
    buf_free(&w);
    buf_free(&y);
}

/* One row of eight columns: AWQ permutes the nibbles, GPTQ packs along k and
 * stores zero points less one. */
static void int4_by_hand(void **state)
{
    uint32_t word = 0x76543210u, zero = 0x11111111u, down[8], zero_less = 0;
    const uint16_t one[8] = { 0x3C00, 0x3C00, 0x3C00, 0x3C00,
                              0x3C00, 0x3C00, 0x3C00, 0x3C00 };
    static const int awq[8] = { 0, 4, 1, 5, 2, 6, 3, 7 };
    struct buf w = buf_of(&word, 4, 0), z = buf_of(&zero, 4, 0);
    struct buf z0 = buf_of(&zero_less, 4, 0), s = buf_of(one, 16, 0);
    struct buf y = buf_of(NULL, 256, 0), d;
    struct halopInt4Weights a = { .layout = halopInt4Awq,
                                  .qweight = (const uint32_t *)w.mem,
                                  .qzeros = (const uint32_t *)z.mem,
                                  .scales = s.mem,
                                  .n = 8,
                                  .k = 1,
                                  .group_size = 128 };

    (void)state;
    OK(halopDequantiseInt4(halF32, y.mem, &a, 0));
    FETCH(&y);
    for (int i = 0; i < 8; i++)
        EXPECT(&y, halF32, (size_t)i, awq[i] - 1, 0, 0);
    for (int i = 0; i < 8; i++)
        down[i] = 0x76543210u;
    d = buf_of(down, sizeof down, 0);
    a.layout = halopInt4Gptq;
    a.qweight = (const uint32_t *)d.mem;
    a.qzeros = (const uint32_t *)z0.mem;
    a.k = 8;
    OK(halopDequantiseInt4(halF32, y.mem, &a, 0));
    FETCH(&y);
    for (int i = 0; i < 64; i++)
        EXPECT(&y, halF32, (size_t)i, i / 8 - 1, 0, 0);
    buf_free(&w);
    buf_free(&z);
    buf_free(&z0);
    buf_free(&s);
    buf_free(&y);
    buf_free(&d);
}

/* One Q4_K block, of weights -2: a minimum meets an infinity of x once, however
 * sums are taken apart. */
static void gguf_infinity(void **state)
{
    uint8_t block[144] = { 0, 0x3C, 0, 0x3C, 1, 1, 1, 1, 2, 2, 2, 2 };
    uint16_t ones[256];
    struct buf w, x, y = buf_of(NULL, 8, 0);
    struct halopGemmGgufArgs a = { .type = halopGgufQ4_K,
                                   .in = halBF16,
                                   .out = halF32,
                                   .m = 1,
                                   .n = 1,
                                   .k = 256 };

    (void)state;
    for (int j = 12; j < 16; j++)
        block[j] = 0x21;
    for (int i = 0; i < 256; i++)
        ones[i] = 0x3F80;
    w = buf_of(block, sizeof block, 0);
    for (int i = 0; i < 3; i++) {
        static const double want[] = { -512, -INFINITY, NAN };

        if (i)
            ones[77] = i == 1 ? 0x7F80 : 0x7FC0;
        x = buf_of(ones, sizeof ones, 0);
        a.y = y.mem;
        a.x = x.mem;
        a.w = w.mem;
        OK(halopGemvGguf(&a, 0));
        FETCH(&y);
        EXPECT(&y, halF32, 0, want[i], 0, 0);
        buf_free(&x);
    }
    buf_free(&w);
    buf_free(&y);
}

/* A strip of GPTQ columns, codes 1: all 24 bits of x count, an infinity and a
 * NaN stay what they are. */
static void int4_x_in_full(void **state)
{
    enum { N = 128, K = 8 };
    static const float odd[] = { 1.00000012f, 1.99999988f, 3e-30f, INFINITY,
                                 NAN };
    uint32_t words[N], zeros[N / 8] = { 0 };
    uint16_t scales[N];
    float xs[K] = { 0 };
    struct buf w, z = buf_of(zeros, sizeof zeros, 0), s, y, x;
    struct halopInt4Weights a = {
        .layout = halopInt4GptqV2, .n = N, .k = K, .group_size = K
    };
    struct halopGemmInt4Args g = {
        .in = halF32, .out = halF32, .w = &a, .m = 1
    };

    (void)state;
    for (int i = 0; i < N; i++) {
        words[i] = 0x11111111u;
        scales[i] = 0x3C00;
    }
    w = buf_of(words, sizeof words, 0);
    s = buf_of(scales, sizeof scales, 0);
    y = buf_of(NULL, N * 4, 0);
    a.qweight = (const uint32_t *)w.mem;
    a.qzeros = (const uint32_t *)z.mem;
    a.scales = s.mem;
    g.y = y.mem;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        xs[i] = odd[i];
        /* beyond k it is one group, however far */
        a.group_size = i % 2 ? K : (int64_t)1 << (31 + i);
        x = buf_of(xs, sizeof xs, 0);
        g.x = x.mem;
        OK(halopGemvInt4(&g, 0));
        FETCH(&y);
        EXPECT(&y, halF32, 0, odd[i], 0, 0);
        EXPECT(&y, halF32, N - 1, odd[i], 0, 0);
        buf_free(&x);
        xs[i] = 0;
    }
    buf_free(&w);
    buf_free(&z);
    buf_free(&s);
    buf_free(&y);
}

/* ---- refusals ----------------------------------------------------------- */

#define REFUSED(want, call, words) refused((want), (call), (words), __LINE__)
static void refused(halError_t want, halError_t st, const char *words, int line)
{
    const char *detail = halGetErrorDetail();

    if (st != want || strncmp(detail, words, strlen(words)))
        fail_msg("line %d: %s: \"%s\" is not \"%s...\"", line,
                 halGetErrorName(st), detail, words);
    if (halPeekAtLastError() != want || halGetLastError() != want ||
        halGetLastError() != halSuccess)
        fail_msg("line %d: \"%s\" was not the last error", line, detail);
}
#define BAD(call, words)   REFUSED(halErrorInvalidValue, call, words)
#define DTYPE(call, words) REFUSED(halErrorNotSupported, call, words)

static void refused_casts(void **state)
{
    struct buf b = buf_of(NULL, 4096, 0);
    char *y = b.mem, *x = b.mem + 2048;

    (void)state;
    DTYPE(halopCast(halF32, y, halU32, x, 8, 0), "halopCast: from is halU32");
    DTYPE(halopCast(halE4M3, y, halI32, x, 8, 0),
          "halopCast: from is halI32 and to is halE4M3");
    DTYPE(halopCast(halI8, y, halE4M3, x, 8, 0),
          "halopCast: from is halE4M3 and to is halI8");
    BAD(halopCast(halE4M3, y, halF32, x + 2, 8, 0), "halopCast: x is");
    BAD(halopCast(halE4M3, y, halF32, y + 4, 8, 0), "halopCast: y overlaps x");
    BAD(halopCast(halE4M3, y, halE4M3, y, 8, 0), "halopCast: y overlaps x");
    BAD(halopScaleFromE8M0((float *)y, NULL, 8, 0),
        "halopScaleFromE8M0: code is NULL");
    BAD(halopScaleToE8M0((uint8_t *)y, (float *)x, -1, 0),
        "halopScaleToE8M0: n is -1");
    buf_free(&b);
}

/* Tensors in the two parameters of one name are told apart. */
static void refused_formats(void **state)
{
    struct buf b = buf_of(NULL, 4096, 0);
    char *y = b.mem, *x = b.mem + 2048;
    uint8_t *q = (uint8_t *)y;

    (void)state;
    BAD(halopQuantiseFp8(halF32, q, y + 1025, halopScaleF32, x, 2, 128, 0),
        "halopQuantiseFp8: scale is");
    OK(halopQuantiseFp8(halF32, q, y + 1025, halopScaleE8M0, x, 2, 128, 0));
    BAD(halopQuantiseFp8(halF32, q, y + 1, halopScaleE8M0, x, 2, 128, 0),
        "halopQuantiseFp8: q overlaps scale");
    BAD(halopQuantiseFp8(halF32, q, x, halopScaleE8M0, x, 2, 128, 0),
        "halopQuantiseFp8: scale overlaps x");
    BAD(halopQuantiseFp8(halF32, q, y, (halopScale)3, x, 2, 128, 0),
        "halopQuantiseFp8: format is 3");
    BAD(halopQuantiseI8Static(halF32, (int8_t *)y, x, NAN, 0, 8, 0),
        "halopQuantiseI8Static: scale is nan");
    BAD(halopQuantiseI8Static(halF32, (int8_t *)y, x, 1, 128, 8, 0),
        "halopQuantiseI8Static: offset is 128");
    BAD(halopDequantiseGguf(halopGgufQ4_0, halF32, y + 2, x, 1, 32, 0),
        "halopDequantiseGguf: y is");
    OK(halopDequantiseGguf(halopGgufQ4_0, halF16, y + 2, x + 1, 1, 32, 0));
    BAD(halopDequantiseGguf(halopGgufQ4_0, halF32, y, x, 1, 33, 0),
        "halopDequantiseGguf: k is 33");
    DTYPE(halopDequantiseGguf((halopGguf)3, halF32, y, x, 1, 32, 0),
          "halopDequantiseGguf: type is 3");
    buf_free(&b);
}

static void refused_products(void **state)
{
    struct buf b = buf_of(NULL, 4096, 0);
    char *y = b.mem, *x = b.mem + 2048;
    struct halopGemmI8Args i8 = { .out = halI32,
                                  .y = y,
                                  .x = (int8_t *)x,
                                  .w = (int8_t *)x,
                                  .m = 2,
                                  .n = 8,
                                  .k = 8 };
    struct halopGemmFp8Args fp8 = { .out = halF32, .y = y, .m = 2, .n = 8 };
    struct halopInt4Weights w = { .layout = halopInt4Awq,
                                  .qweight = (uint32_t *)x,
                                  .qzeros = (uint32_t *)x,
                                  .scales = x,
                                  .n = 8,
                                  .k = 8,
                                  .group_size = 8 };
    struct halopGemmInt4Args i4 = {
        .in = halF16, .out = halF16, .y = y, .x = x, .w = &w, .m = 1
    };

    (void)state;
    OK(halopGemmI8(&i8, 0));
    i8.int_bias = (int32_t *)y;
    BAD(halopGemmI8(&i8, 0), "halopGemmI8: y overlaps int_bias");
    i8.w_scale = (float *)x;
    BAD(halopGemvI8(&i8, 0), "halopGemvI8: out is halI32, the sum itself: "
                             "w_scale must be NULL");
    i8.out = halU8;
    DTYPE(halopGemmI8(&i8, 0), "halopGemmI8: out is halU8");
    OK(halopGemmFp8(&fp8, 0)); /* without depth nothing else is read */
    fp8.k = 8;
    BAD(halopGemmFp8(&fp8, 0), "halopGemmFp8: x is NULL");
    OK(halopGemmInt4(&i4, 0));
    w.group_size = 0;
    BAD(halopGemmInt4(&i4, 0), "halopGemmInt4: group_size is 0");
    w.group_size = -1;
    w.qzeros = NULL;
    BAD(halopGemvInt4(&i4, 0), "halopGemvInt4: qzeros is NULL");
    BAD(halopDequantiseInt4(halF32, y, NULL, 0),
        "halopDequantiseInt4: w is NULL");
    OK(halDeviceSynchronize());
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp8_codes),       cmocka_unit_test(fp8_round_trip),
        cmocka_unit_test(fp8_products),    cmocka_unit_test(int8_sums),
        cmocka_unit_test(int8_rows),       cmocka_unit_test(gguf_q4_0_by_hand),
        cmocka_unit_test(gguf_infinity),   cmocka_unit_test(int4_by_hand),
        cmocka_unit_test(int4_x_in_full),  cmocka_unit_test(refused_casts),
        cmocka_unit_test(refused_formats), cmocka_unit_test(refused_products),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
