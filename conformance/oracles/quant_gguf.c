/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quant_gguf.c - oracle of GGUF blocks: each block is unpacked as a whole, in
 * the order in which ggml's format lays it out.
 */
#include <string.h>

#include "conformance/oracles/quant.h"

static double half_at(const uint8_t *p)
{
    return conf_decode(halF16, p, 0);
}

static void q8_0(double *y, const uint8_t *b)
{
    for (int i = 0; i < 32; i++)
        y[i] = half_at(b) * (int8_t)b[2 + i];
}

static void q4_0(double *y, const uint8_t *b)
{
    for (int i = 0; i < 16; i++) {
        y[i] = half_at(b) * ((b[2 + i] & 15) - 8);
        y[i + 16] = half_at(b) * ((b[2 + i] >> 4) - 8);
    }
}

static void q5_0(double *y, const uint8_t *b)
{
    for (int i = 0; i < 16; i++) {
        int low = b[2 + i / 8] >> i % 8 & 1, high = b[4 + i / 8] >> i % 8 & 1;

        y[i] = half_at(b) * (((b[6 + i] & 15) + 16 * low) - 16);
        y[i + 16] = half_at(b) * (((b[6 + i] >> 4) + 16 * high) - 16);
    }
}

/* The eight scales and eight minima, 6 bits each, in 12 bytes. */
static void unpack_scales(const uint8_t *s, int *scale, int *least)
{
    for (int j = 0; j < 4; j++) {
        scale[j] = s[j] % 64;
        least[j] = s[j + 4] % 64;
        scale[j + 4] = s[j + 8] % 16 + s[j] / 64 * 16;
        least[j + 4] = s[j + 8] / 16 + s[j + 4] / 64 * 16;
    }
}

/* q5_k has 32 bytes of fifth bits before the nibbles. */
static void k_block(double *y, const uint8_t *b, int fifth)
{
    const uint8_t *high = b + 16, *qs = fifth ? b + 48 : b + 16;
    double d = half_at(b), dmin = half_at(b + 2);
    int scale[8], least[8];

    unpack_scales(b + 4, scale, least);
    for (int chunk = 0; chunk < 4; chunk++)
        for (int i = 0; i < 32; i++)
            for (int upper = 0; upper < 2; upper++) {
                int sub = 2 * chunk + upper, byte = qs[32 * chunk + i];
                int q = upper ? byte / 16 : byte % 16;

                if (fifth && high[i] & 1 << sub)
                    q += 16;
                y[32 * sub + i] = d * scale[sub] * q - dmin * least[sub];
            }
}

static void q6_k(double *y, const uint8_t *b)
{
    double d = half_at(b + 208);

    for (int n = 0; n < 2; n++) {
        const uint8_t *ql = b + 64 * n, *qh = b + 128 + 32 * n;
        const int8_t *sc = (const int8_t *)b + 192 + 8 * n;

        for (int l = 0; l < 32; l++) {
            int q[4] = { (ql[l] & 15) | (qh[l] & 3) << 4,
                         (ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4,
                         ql[l] >> 4 | (qh[l] >> 4 & 3) << 4,
                         ql[l + 32] >> 4 | qh[l] >> 6 << 4 };

            for (int t = 0; t < 4; t++)
                y[128 * n + 32 * t + l] = d * sc[l / 16 + 2 * t] * (q[t] - 32);
        }
    }
}

int64_t oracle_gguf_row_bytes(halopGguf type, int64_t k)
{
    switch (type) {
    case halopGgufQ4_0:
        return k / 32 * 18;
    case halopGgufQ5_0:
        return k / 32 * 22;
    case halopGgufQ8_0:
        return k / 32 * 34;
    case halopGgufQ4_K:
        return k / 256 * 144;
    case halopGgufQ5_K:
        return k / 256 * 176;
    case halopGgufQ6_K:
        return k / 256 * 210;
    }
    return 0;
}

void oracle_gguf(halopGguf type, double *y, const uint8_t *w, int64_t n,
                 int64_t k)
{
    int64_t size = type >= halopGgufQ4_K ? 256 : 32;
    int64_t bytes = oracle_gguf_row_bytes(type, size);

    for (int64_t i = 0; i < n * k / size; i++) {
        if (type == halopGgufQ8_0)
            q8_0(y + i * size, w + i * bytes);
        else if (type == halopGgufQ4_0)
            q4_0(y + i * size, w + i * bytes);
        else if (type == halopGgufQ5_0)
            q5_0(y + i * size, w + i * bytes);
        else if (type == halopGgufQ6_K)
            q6_k(y + i * size, w + i * bytes);
        else
            k_block(y + i * size, w + i * bytes, type == halopGgufQ5_K);
    }
}
