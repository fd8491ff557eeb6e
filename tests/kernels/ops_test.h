/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_test.h - what the operator tests share: numbers in storage formats,
 * device buffers between red zones, a seeded generator, comparing.
 * Run them on another device with HALCYON_DEVICES=opencl:0.
 */
#ifndef TESTS_KERNELS_OPS_TEST_H
#define TESTS_KERNELS_OPS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hal/hal.h"
#include "kernels/ops.h"

#define ZONE 256

#define OK(call) ok((call), #call, __LINE__)
static inline void ok(halError_t st, const char *call, int line)
{
    if (st != halSuccess)
        fail_msg("line %d: %s: %s: %s", line, call, halGetErrorName(st),
                 halGetErrorDetail());
}

/* ---- numbers ------------------------------------------------------------ */

static inline size_t bytes_of(halDtype t)
{
    return t == halF32 || t == halI32 ? 4 : 2;
}

static inline float f32_of(uint32_t u)
{
    float f;

    memcpy(&f, &u, 4);
    return f;
}

static inline double decode(halDtype t, const void *p, size_t i)
{
    uint16_t h;
    int e;

    if (t == halF32)
        return ((const float *)p)[i];
    h = ((const uint16_t *)p)[i];
    if (t == halBF16)
        return f32_of((uint32_t)h << 16);
    e = h >> 10 & 31;
    if (e == 31)
        return (h & 1023) ? NAN : (h >> 15 ? -INFINITY : INFINITY);
    return (h >> 15 ? -1.0 : 1.0) *
           (e ? ldexp(1024 + (h & 1023), e - 25) : ldexp(h & 1023, -24));
}

/* Nearest, ties to even, by trying: |x| within the format's range. */
static inline void encode(halDtype t, void *p, size_t i, double x)
{
    float f = (float)x;
    uint32_t u;

    memcpy(&u, &f, 4);
    if (t == halF32) {
        ((float *)p)[i] = f;
    } else if (t == halBF16) {
        if (isnan(f))
            ((uint16_t *)p)[i] = 0x7fc0;
        else
            ((uint16_t *)p)[i] = (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
    } else {
        uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
        double a = fabs(x), unit;
        int e;

        if (isnan(x)) {
            ((uint16_t *)p)[i] = 0x7e00;
            return;
        }
        if (a >= 65520.0) {
            ((uint16_t *)p)[i] = sign | 0x7c00;
            return;
        }
        e = a > 0 ? (int)floor(log2(a)) : -14;
        if (e < -14)
            e = -14;
        unit = nearbyint(ldexp(a, 10 - e)); /* in units of 2^(e - 10) */
        if (unit < 1024)
            ((uint16_t *)p)[i] = (uint16_t)(sign | (uint16_t)unit);
        else
            ((uint16_t *)p)[i] =
                (uint16_t)(sign | (uint32_t)(((e + 14) * 1024) + (int)unit));
    }
}

static inline uint32_t next_random(void)
{
    static uint64_t state = 88172645463325252ull;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static inline double uniform(double low, double high)
{
    return low + (high - low) * next_random() / 4294967295.0;
}

/* ---- what tests go through ----------------------------------------------- */

static const halDtype test_dtypes[]
    __attribute__((unused)) = { halF32, halBF16, halF16 };
#define EACH_DTYPE(t)                                                         \
    for (unsigned t##_i = 0, t = 0; t##_i < 3 && (t = test_dtypes[t##_i], 1); \
         t##_i++)

static const int64_t lengths[]
    __attribute__((unused)) = { 1, 2, 15, 16, 17, 64, 67, 1021 };
#define N_LENGTHS (sizeof lengths / sizeof lengths[0])

/* ---- buffers ------------------------------------------------------------- */

struct buf {
    char *base; /* device */
    char *mem;  /* base + ZONE + misalign */
    char *host; /* copy of what was uploaded */
    size_t bytes, misalign;
};

static inline struct buf buf_of(const void *host, size_t bytes, size_t misalign)
{
    struct buf b = { .bytes = bytes, .misalign = misalign };
    size_t all = bytes + 2 * ZONE + misalign;

    b.host = malloc(all);
    assert_non_null(b.host);
    memset(b.host, 0xA5, all);
    if (host)
        memcpy(b.host + ZONE + misalign, host, bytes);
    OK(halMalloc((void **)&b.base, all));
    b.mem = b.base + ZONE + misalign;
    OK(halMemcpy(b.base, b.host, all, halMemcpyHostToDevice));
    return b;
}

/* Random numbers, rounded to the dtype. */
static inline struct buf buf_random(halDtype t, size_t n, double low,
                                    double high, size_t misalign)
{
    char *host = malloc(n * bytes_of(t) + 1);
    struct buf b;
    size_t i;

    for (i = 0; i < n; i++)
        encode(t, host, i, uniform(low, high));
    b = buf_of(host, n * bytes_of(t), misalign);
    free(host);
    return b;
}

static inline double at(const struct buf *b, halDtype t, size_t i)
{
    return decode(t, b->host + ZONE + b->misalign, i);
}

/* Brings the results to b->host and checks the zones. */
static inline void buf_fetch(struct buf *b, int line)
{
    size_t all = b->bytes + 2 * ZONE + b->misalign, i;

    OK(halMemcpy(b->host, b->base, all, halMemcpyDeviceToHost));
    for (i = 0; i < all; i++) {
        if (i == ZONE + b->misalign)
            i += b->bytes;
        if ((unsigned char)b->host[i] != 0xA5)
            fail_msg("line %d: byte %zd beside the buffer changed", line,
                     (ptrdiff_t)i - (ptrdiff_t)(ZONE + b->misalign));
    }
}

static inline void buf_free(struct buf *b)
{
    OK(halFree(b->base));
    free(b->host);
}

/* |got - want| <= rel |want| + abs; NaN and infinities must agree. */
static inline void expect(const struct buf *b, halDtype t, size_t i,
                          double want, double rel, double abs_, int line)
{
    double got = at(b, t, i), tol = rel * fabs(want) + abs_;
    int good;

    if (t == halBF16)
        tol += fabs(want) * 0.00391;
    if (t == halF16)
        tol += fabs(want) * 0.000489 + 3.0e-8;
    if (isnan(want))
        good = isnan(got);
    else if (isinf(want))
        good = got == want;
    else
        good = fabs(got - want) <= tol;
    if (!good)
        fail_msg("line %d: element %zu is %.9g, expected %.9g", line, i, got,
                 want);
}
#define EXPECT(b, t, i, want, rel, abs_) \
    expect((b), (t), (i), (want), (rel), (abs_), __LINE__)
#define FETCH(b) buf_fetch((b), __LINE__)

#endif
