/* SPDX-License-Identifier: Apache-2.0 */
/* test_formats.c - conversions against the hardware's and against the packs of
 * numbers that torch, ml_dtypes and numpy agree on. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conformance/golden.h"

static uint32_t bits_of(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

static uint64_t encode(halDtype dtype, double v)
{
    uint64_t bits = 0;

    conf_encode(dtype, &bits, 0, v);
    return bits;
}

static double decode(halDtype dtype, uint64_t bits)
{
    return conf_decode(dtype, &bits, 0);
}

/* Every code of the small formats survives a round trip. */
static void round_trip(void **state)
{
    static const halDtype formats[] = { halF16, halBF16, halE4M3, halE5M2,
                                        halI8,  halU8,   halI16,  halU16 };

    (void)state;
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        unsigned codes = 1u << 8 * conf_dtype_bytes(formats[f]);

        for (unsigned code = 0; code < codes; code++) {
            double v = decode(formats[f], code);

            if (isnan(v))
                assert_true(isnan(decode(formats[f], encode(formats[f], v))));
            else if (isinf(v) && formats[f] == halE5M2)
                assert_int_equal(encode(formats[f], v) & 0x7F, 0x7B);
            else
                assert_int_equal(encode(formats[f], v), code);
        }
    }
}

/* f32 against the processor's own rounding, at midpoints too. */
static void f32_as_hardware(void **state)
{
    (void)state;
    for (uint32_t u = 0; u < 0x7F800000u; u += 40503) {
        float f, next;
        double v, w;

        memcpy(&f, &u, sizeof f);
        next = nextafterf(f, INFINITY);
        v = f;
        w = isinf(next) ? v : (v + next) / 2;
        assert_int_equal(encode(halF32, v), bits_of(f));
        assert_int_equal(encode(halF32, -v), bits_of(-f));
        assert_int_equal(encode(halF32, w), bits_of((float)w));
        w = nextafter(w, INFINITY);
        assert_int_equal(encode(halF32, w), bits_of((float)w));
        w = nextafter(nextafter(w, 0), 0);
        assert_int_equal(encode(halF32, w), bits_of((float)w));
    }
    assert_int_equal(encode(halF32, 0x1.ffffffp127), 0x7F800000u);
    assert_int_equal(encode(halF32, 0x1.fffffefp127), 0x7F7FFFFFu);
    assert_int_equal(encode(halF32, 0x1p-150), 0);
    assert_int_equal(encode(halF32, 0x1.00001p-150), 1);
}

/* One rounding: a double just above a bf16 midpoint must round up, though its
 * f32 neighbour is the midpoint itself. */
static void no_double_rounding(void **state)
{
    (void)state;
    assert_int_equal(encode(halBF16, 1.0 + 0x1p-8), 0x3F80);
    assert_int_equal(encode(halBF16, 1.0 + 0x1p-8 + 0x1p-40), 0x3F81);
    assert_int_equal(encode(halF16, 1.0 + 0x1p-11 + 0x1p-40), 0x3C01);
    assert_int_equal(encode(halF16, 65519.999), 0x7BFF);
    assert_int_equal(encode(halF16, 65520.0), 0x7C00);
    assert_int_equal(encode(halF16, 0x1p-25), 0);
    assert_int_equal(encode(halF16, 0x1.8p-24), 2);
    assert_int_equal(encode(halE4M3, 1e9), 0x7E);
    assert_int_equal(encode(halE4M3, -INFINITY), 0xFE);
    assert_int_equal(encode(halE4M3, NAN) & 0x7F, 0x7F);
    assert_int_equal(encode(halBF16, -0.0), 0x8000);
}

static void integers(void **state)
{
    (void)state;
    assert_int_equal((int8_t)encode(halI8, 2.5), 2);
    assert_int_equal((int8_t)encode(halI8, 3.5), 4);
    assert_int_equal((int8_t)encode(halI8, -2.5), -2);
    assert_int_equal((int8_t)encode(halI8, 1e9), 127);
    assert_int_equal((int8_t)encode(halI8, -INFINITY), -128);
    assert_int_equal((int8_t)encode(halI8, NAN), 0);
    assert_int_equal(encode(halU8, -3), 0);
    assert_int_equal((int32_t)encode(halI32, -0x1p40), INT32_MIN);
    assert_true((int64_t)encode(halI64, 1e30) == INT64_MAX);
    assert_true(encode(halU64, 1e30) == UINT64_MAX);
}

/* ---- the pack's conversions -------------------------------------------- */

static const struct golden_value *value(const struct golden_value *v, int n,
                                        const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(v[i].name, name) == 0)
            return &v[i];
    return NULL;
}

static int dtype_named(const char *name, halDtype *out)
{
    static const struct {
        const char *name;
        halDtype dtype;
    } names[] = { { "f32", halF32 },     { "f16", halF16 },
                  { "bf16", halBF16 },   { "f8e4m3fn", halE4M3 },
                  { "f8e5m2", halE5M2 }, { "i8", halI8 } };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].name, name) == 0) {
            *out = names[i].dtype;
            return 1;
        }
    return 0;
}

static int check_case(const struct golden_case *g)
{
    const cJSON *from = cJSON_GetObjectItem(g->attrs, "from");
    const cJSON *to = cJSON_GetObjectItem(g->attrs, "to");
    const struct golden_value *x, *y;
    char error[GOLDEN_ERROR];
    const void *in, *want;
    halDtype a, b;

    if (!dtype_named(from->valuestring, &a) ||
        !dtype_named(to->valuestring, &b) || strstr(g->name, "nonsaturating"))
        return 0;
    x = value(g->inputs, g->n_inputs, "x");
    x = x ? x : value(g->inputs, g->n_inputs, "code");
    y = value(g->outputs, g->n_outputs, "y");
    y = y ? y : value(g->outputs, g->n_outputs, "code");
    y = y ? y : value(g->outputs, g->n_outputs, "rne");
    assert_non_null(x);
    assert_non_null(y);
    in = golden_file_data(g->file, x->t, error);
    want = golden_file_data(g->file, y->t, error);
    for (int64_t i = 0; i < x->t->count; i++) {
        uint64_t got = 0, expected = 0;
        size_t bytes = conf_dtype_bytes(b);

        conf_encode(b, &got, 0, conf_decode(a, in, i));
        memcpy(&expected, (const char *)want + (size_t)i * bytes, bytes);
        if (isnan(conf_decode(b, &expected, 0)))
            assert_true(isnan(conf_decode(b, &got, 0)));
        else
            assert_int_equal(got, expected);
    }
    return 1;
}

static void as_the_libraries(void **state)
{
    struct golden_pack *pack = NULL;
    char error[GOLDEN_ERROR] = "";
    int checked = 0;

    (void)state;
    if (golden_pack_open(&pack, "conformance/golden", error)) {
        print_error("%s\n", error);
        fail();
    }
    for (int i = 0; i < pack->n_cases; i++)
        if (strcmp(pack->cases[i].op, "Convert") == 0)
            checked += check_case(&pack->cases[i]);
    golden_pack_close(pack);
    assert_in_range(checked, 18, 23);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),         cmocka_unit_test(f32_as_hardware),
        cmocka_unit_test(no_double_rounding), cmocka_unit_test(integers),
        cmocka_unit_test(as_the_libraries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
