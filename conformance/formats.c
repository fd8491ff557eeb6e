/* SPDX-License-Identifier: Apache-2.0 */
/*
 * formats.c - number formats on the host, by arithmetic on doubles.
 *
 * Narrowing rounds once, to nearest with ties to even, straight from the
 * double.  It is written against the definition of each format (precision,
 * exponent range), not against bit tricks, so that it can judge kernels that
 * use them.  fp8 saturates: finite overflow and infinity give the largest
 * finite value, a NaN stays one.  Integers round to nearest even, saturate,
 * and make a NaN 0.
 */
#include <math.h>
#include <string.h>

#include "conformance/conf.h"

/* A binary floating-point format.  Codes without the sign count the values from
 * zero on: the smallest step is 1, and each power of two begins a new exponent.
 */
struct format {
    int mantissa_bits; /* stored ones */
    int exponent_min;  /* of the smallest normal number */
    double max;        /* largest finite value, */
    unsigned last;     /* and its code */
    unsigned inf, nan; /* codes without the sign; inf == 0: saturates */
    unsigned sign;     /* the sign bit */
};

static const struct format f16_format = { 10,     -14,    65504.0, 0x7BFF,
                                          0x7C00, 0x7E00, 0x8000 };
static const struct format bf16_format = { 7,      -126,   0x1.FEp127, 0x7F7F,
                                           0x7F80, 0x7FC0, 0x8000 };
static const struct format f32_format = {
    23, -126, 0x1.FFFFFEp127, 0x7F7FFFFFu, 0x7F800000u, 0x7FC00000u, 0x80000000u
};
static const struct format e4m3_format = { 3, -6, 448.0, 0x7E, 0, 0x7F, 0x80 };
static const struct format e5m2_format = {
    2, -14, 57344.0, 0x7B, 0, 0x7E, 0x80
};

size_t conf_dtype_bytes(halDtype dtype)
{
    switch (dtype) {
    case halF64:
    case halI64:
    case halU64:
        return 8;
    case halF32:
    case halI32:
    case halU32:
        return 4;
    case halF16:
    case halBF16:
    case halI16:
    case halU16:
        return 2;
    case halI8:
    case halU8:
    case halE4M3:
    case halE5M2:
        return 1;
    case halDtypeCount:
        break;
    }
    return 0;
}

const char *conf_dtype_name(halDtype dtype)
{
    static const char *const names[halDtypeCount] = {
        [halF32] = "f32",   [halF16] = "f16",   [halBF16] = "bf16",
        [halF64] = "f64",   [halI8] = "i8",     [halU8] = "u8",
        [halI16] = "i16",   [halU16] = "u16",   [halI32] = "i32",
        [halU32] = "u32",   [halI64] = "i64",   [halU64] = "u64",
        [halE4M3] = "e4m3", [halE5M2] = "e5m2",
    };

    return (unsigned)dtype < halDtypeCount ? names[dtype] : "?";
}

/* Round to nearest even, independent of the thread's rounding mode.  |x| is
 * below 2^52 or an integer already. */
static double round_even(double x)
{
    double down = floor(x), rest = x - down;

    if (rest > 0.5 || (rest == 0.5 && fmod(down, 2.0) != 0))
        down += 1;
    return down;
}

/* 2^e, for -1022 <= e <= 1023.  Multiplying by it is what ldexp does, where
 * nothing overflows or becomes subnormal; millions of elements pass here. */
static double power_of_two(int e)
{
    uint64_t bits = (uint64_t)(e + 1023) << 52;
    double power;

    memcpy(&power, &bits, sizeof power);
    return power;
}

/* The largest e with 2^e <= a, of a finite a > 0; -1023 if that is less. */
static int exponent_of(double a)
{
    uint64_t bits;

    memcpy(&bits, &a, sizeof bits);
    return (int)(bits >> 52) - 1023;
}

static unsigned encode_float(const struct format *f, double value)
{
    unsigned sign = signbit(value) ? f->sign : 0, units;
    double a = fabs(value), steps, rest;
    int e;

    if (isnan(value))
        return sign | f->nan;
    if (isinf(a))
        return sign | (f->inf ? f->inf : f->last);
    e = exponent_of(a);
    if (e < f->exponent_min)
        e = f->exponent_min;
    /* In steps of the mantissa's last bit; below 2^(mantissa_bits + 1). */
    steps = a * power_of_two(f->mantissa_bits - e);
    units = (unsigned)steps;
    rest = steps - units;
    if (rest > 0.5 || (rest == 0.5 && units % 2))
        units++;
    if (units * power_of_two(e - f->mantissa_bits) > f->max)
        return sign | (f->inf ? f->inf : f->last);
    /* Rounding may have carried into the exponent: so does the sum. */
    return sign |
           (((unsigned)(e - f->exponent_min) << f->mantissa_bits) + units);
}

static double decode_float(const struct format *f, unsigned code)
{
    unsigned magnitude = code & (f->sign - 1);
    double sign = code & f->sign ? -1.0 : 1.0;
    int exponent = (int)(magnitude >> f->mantissa_bits);

    if (f->inf ? magnitude > f->inf : magnitude > f->last) {
        /* e5m2 is written saturating but its infinity can be read. */
        if (f == &e5m2_format && magnitude == 0x7C)
            return sign * INFINITY;
        return NAN;
    }
    if (f->inf && magnitude == f->inf)
        return sign * INFINITY;
    magnitude &= (1u << f->mantissa_bits) - 1;
    if (exponent)
        magnitude += 1u << f->mantissa_bits;
    else
        exponent = 1;
    return sign * magnitude *
           power_of_two(exponent - 1 + f->exponent_min - f->mantissa_bits);
}

#define LOAD(type)                                                   \
    ({                                                               \
        type v_;                                                     \
        memcpy(&v_, (const char *)data + index * (int64_t)sizeof v_, \
               sizeof v_);                                           \
        v_;                                                          \
    })

double conf_decode(halDtype dtype, const void *data, int64_t index)
{
    switch (dtype) {
    case halF32:
        return (double)LOAD(float);
    case halF64:
        return LOAD(double);
    case halF16:
        return decode_float(&f16_format, LOAD(uint16_t));
    case halBF16:
        return decode_float(&bf16_format, LOAD(uint16_t));
    case halE4M3:
        return decode_float(&e4m3_format, LOAD(uint8_t));
    case halE5M2:
        return decode_float(&e5m2_format, LOAD(uint8_t));
    case halI8:
        return LOAD(int8_t);
    case halU8:
        return LOAD(uint8_t);
    case halI16:
        return LOAD(int16_t);
    case halU16:
        return LOAD(uint16_t);
    case halI32:
        return LOAD(int32_t);
    case halU32:
        return LOAD(uint32_t);
    case halI64:
        return (double)LOAD(int64_t);
    case halU64:
        return (double)LOAD(uint64_t);
    case halDtypeCount:
        break;
    }
    return NAN;
}

/* `low` and `above` are exact in a double; above is one past the largest. */
static uint64_t encode_int(double value, double low, double above,
                           uint64_t largest)
{
    if (isnan(value))
        return 0;
    value = round_even(value);
    if (value >= above)
        return largest;
    if (value < low)
        value = low;
    return value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
}

#define STORE(type, v)                                                     \
    do {                                                                   \
        type v_ = (type)(v);                                               \
        memcpy((char *)data + index * (int64_t)sizeof v_, &v_, sizeof v_); \
    } while (0)

void conf_encode(halDtype dtype, void *data, int64_t index, double value)
{
    switch (dtype) {
    case halF32:
        STORE(uint32_t, encode_float(&f32_format, value));
        break;
    case halF64:
        STORE(double, value);
        break;
    case halF16:
        STORE(uint16_t, encode_float(&f16_format, value));
        break;
    case halBF16:
        STORE(uint16_t, encode_float(&bf16_format, value));
        break;
    case halE4M3:
        STORE(uint8_t, encode_float(&e4m3_format, value));
        break;
    case halE5M2:
        STORE(uint8_t, encode_float(&e5m2_format, value));
        break;
    case halI8:
        STORE(int8_t, (int64_t)encode_int(value, -128, 128, INT8_MAX));
        break;
    case halU8:
        STORE(uint8_t, encode_int(value, 0, 256, UINT8_MAX));
        break;
    case halI16:
        STORE(int16_t, (int64_t)encode_int(value, -32768, 32768, INT16_MAX));
        break;
    case halU16:
        STORE(uint16_t, encode_int(value, 0, 65536, UINT16_MAX));
        break;
    case halI32:
        STORE(int32_t, (int64_t)encode_int(value, -0x1p31, 0x1p31, INT32_MAX));
        break;
    case halU32:
        STORE(uint32_t, encode_int(value, 0, 0x1p32, UINT32_MAX));
        break;
    case halI64:
        STORE(int64_t, encode_int(value, -0x1p63, 0x1p63, INT64_MAX));
        break;
    case halU64:
        STORE(uint64_t, encode_int(value, 0, 0x1p64, UINT64_MAX));
        break;
    case halDtypeCount:
        break;
    }
}
