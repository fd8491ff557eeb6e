/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operands.c - device memory with numbers in it for the rows of `halcyon bench
 * kernels`.  Invariant: whatever was allocated is in the set's list, and
 * bench_set_close frees it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/conf.h"
#include "tools/bench/kernels.h"

/* Random numbers are made for this much and repeated on the device: making
 * more would take longer than the measuring. */
#define BASE_BYTES ((size_t)1 << 20)

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Sign, one of the four exponents around 1/16 to 1/2, any mantissa: no NaN and
 * no subnormal, which would cost some devices a multiple. */
static uint32_t float_bits(uint32_t r, unsigned mantissa, unsigned exponent,
                           uint32_t bias)
{
    uint32_t low = r & ((1u << mantissa) - 1);

    return (r >> 23 & 1) << (mantissa + exponent) |
           (bias - 4 + (r >> 21 & 3)) << mantissa | low;
}

static void fill(uint8_t *to, size_t n, halDtype dtype)
{
    uint32_t state = 12345;
    size_t size = conf_dtype_bytes(dtype);

    for (size_t i = 0; i < n; i++) {
        uint32_t r = next_random(&state);

        if (dtype == halF32)
            r = float_bits(r, 23, 8, 127);
        else if (dtype == halBF16)
            r = float_bits(r, 7, 8, 127);
        else if (dtype == halF16)
            r = float_bits(r, 10, 5, 15);
        else if (dtype == halE4M3)
            r = float_bits(r, 3, 4, 7);
        else if (dtype == halE5M2)
            r = float_bits(r, 2, 5, 15);
        else if (size == 4)
            r = r << 8 ^ r;
        memcpy(to + i * size, &r, size); /* little-endian, as all devices */
    }
}

static void *own(struct bench_set *s, double bytes)
{
    void *p = NULL;

    if (s->failed)
        return NULL;
    if (s->n_owned == sizeof s->owned / sizeof *s->owned || !(bytes < 1e18)) {
        bench_fail("a row asks for too much");
        s->failed = true;
        return NULL;
    }
    if (bench_hal_ok(halMalloc(&p, bytes < 1 ? 1 : (size_t)bytes))) {
        s->failed = true;
        return NULL;
    }
    s->owned[s->n_owned++] = p;
    s->footprint += bytes;
    return p;
}

/* Fills `size` bytes at p with the base over and over. */
static void repeat(struct bench_set *s, void *p, size_t size, const void *base,
                   size_t base_size)
{
    size_t done = size < base_size ? size : base_size;

    if (bench_hal_ok(halMemcpy(p, base, done, halMemcpyHostToDevice))) {
        s->failed = true;
        return;
    }
    while (done < size) {
        size_t n = size - done < done ? size - done : done;

        if (bench_hal_ok(
                halMemcpy((char *)p + done, p, n, halMemcpyDeviceToDevice))) {
            s->failed = true;
            return;
        }
        done += n;
    }
}

void *bench_room(struct bench_set *s, halDtype dtype, int64_t count)
{
    size_t size = conf_dtype_bytes(dtype), n = BASE_BYTES / size;
    void *p = own(s, (double)count * (double)size);
    uint8_t *base;

    if (!p || count <= 0)
        return p;
    if ((uint64_t)count < n)
        n = (size_t)count;
    base = malloc(n * size);
    if (!base) {
        bench_fail("out of host memory");
        s->failed = true;
        return NULL;
    }
    fill(base, n, dtype);
    repeat(s, p, (size_t)count * size, base, n * size);
    free(base);
    return s->failed ? NULL : p;
}

void *bench_in(struct bench_set *s, halDtype dtype, int64_t count)
{
    s->read += (double)count * (double)conf_dtype_bytes(dtype);
    return bench_room(s, dtype, count);
}

void *bench_out(struct bench_set *s, halDtype dtype, int64_t count)
{
    s->written += (double)count * (double)conf_dtype_bytes(dtype);
    return bench_room(s, dtype, count);
}

int64_t bench_at_same(int64_t i, int64_t range)
{
    (void)i;
    return range;
}

int64_t bench_at_each(int64_t i, int64_t range)
{
    return i % range;
}

int64_t bench_at_step(int64_t i, int64_t range)
{
    return i * range;
}

int64_t bench_at_spread(int64_t i, int64_t range)
{
    return (int64_t)((uint64_t)i * 2654435761u % 4294967291u % (uint64_t)range);
}

/* A stride without a common divisor: one of two neighbouring primes has none
 * with a range below their product. */
int64_t bench_at_shuffled(int64_t i, int64_t range)
{
    int64_t step = range % 7919 ? 7919 : 7927;

    return i % range * step % range;
}

int32_t *bench_ids(struct bench_set *s, int64_t n, int64_t range,
                   int64_t (*at)(int64_t i, int64_t range))
{
    void *p = own(s, (double)n * 4);
    int32_t *host;

    s->read += (double)n * 4;
    if (!p)
        return NULL;
    host = malloc((size_t)n * 4 + 1);
    if (!host) {
        bench_fail("out of host memory");
        s->failed = true;
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        host[i] = (int32_t)at(i, range);
    if (bench_hal_ok(halMemcpy(p, host, (size_t)n * 4, halMemcpyHostToDevice)))
        s->failed = true;
    free(host);
    return s->failed ? NULL : p;
}

/* A block's weights and bytes, and where it has which numbers, if not bytes
 * that may be anything: ggml's layouts. */
struct block {
    unsigned weights, bytes;
    struct {
        unsigned at, n;
        halDtype dtype;
    } numbers[3];
};

static void *repeat_blocks(struct bench_set *s, const struct block *b,
                           int64_t weights)
{
    double bytes = (double)weights / b->weights * b->bytes;
    size_t n = BASE_BYTES / b->bytes;
    void *p = own(s, bytes);
    uint8_t *base;

    s->read += bytes;
    if (!p)
        return NULL;
    base = malloc(n * b->bytes);
    if (!base) {
        bench_fail("out of host memory");
        s->failed = true;
        return NULL;
    }
    fill(base, n * b->bytes, halU8);
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < 3; k++)
            fill(base + i * b->bytes + b->numbers[k].at, b->numbers[k].n,
                 b->numbers[k].dtype);
    repeat(s, p, (size_t)bytes, base, n * b->bytes);
    free(base);
    return s->failed ? NULL : p;
}

void *bench_blocks(struct bench_set *s, halopGguf type, int64_t weights)
{
    static const struct block of[] = {
        [halopGgufQ4_0] = { 32, 18, { { 0, 1, halF16 } } },
        [halopGgufQ5_0] = { 32, 22, { { 0, 1, halF16 } } },
        [halopGgufQ8_0] = { 32, 34, { { 0, 1, halF16 } } },
        [halopGgufQ4_K] = { 256, 144, { { 0, 2, halF16 } } },
        [halopGgufQ5_K] = { 256, 176, { { 0, 2, halF16 } } },
        [halopGgufQ6_K] = { 256, 210, { { 208, 1, halF16 } } },
    };

    return repeat_blocks(s, &of[type], weights);
}

void *bench_slots(struct bench_set *s, int64_t n)
{
    static const struct block slot = {
        1,
        HALOP_MLA_FP8_BYTES,
        { { 0, 512, halE4M3 }, { 512, 4, halF32 }, { 528, 64, halBF16 } }
    };

    return repeat_blocks(s, &slot, n);
}

int bench_set_open(struct bench_set *s, const struct bench_row *row,
                   const int64_t *d)
{
    memset(s, 0, sizeof *s);
    s->row = row;
    s->d = d;
    row->make(s);
    return s->failed ? -1 : 0;
}

void bench_set_close(struct bench_set *s)
{
    for (unsigned i = 0; i < s->n_owned; i++)
        (void)bench_hal_ok(halFree(s->owned[i]));
    s->n_owned = 0;
}
