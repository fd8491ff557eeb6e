/* SPDX-License-Identifier: Apache-2.0 */
/*
 * widths.c - kernel.embedding.*.v3 and kernel.gemm.*.v3_logits: DeepSeek-V3's
 * vocabulary times its hidden size, 129280 x 7168, which no other case has at
 * once.  A table of 1.9 GB is not drawn number by number: the embedding's holds
 * something only where an id points, and the weights of the logits are rows of
 * one number, another one for each band of rows, with rows of random numbers in
 * between.  So each output has an expectation of its own.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/cases.h"

enum { VOCAB = 129280, HIDDEN = 7168, BAND = 2020, STEP = 1237 };

/* Poison and zones would write all of it, which is slow where pages come with
 * the first touch: plain memory. */
static char *table_of(struct conf *c)
{
    const size_t bytes = (size_t)VOCAB * HIDDEN * 2;
    size_t unused = 0, total = 0;
    void *mem = NULL;
    halError_t st;

    CONF_OK(c, halMemGetInfo(&unused, &total));
    if (unused < bytes + bytes / 8)
        conf_end(c, CONF_UNSUPPORTED,
                 "needs %zu MiB of device memory; %zu MiB are free",
                 (bytes + bytes / 8) >> 20, unused >> 20);
    st = halMalloc(&mem, bytes);
    if (st == halErrorMemoryAllocation)
        conf_end(c, CONF_UNSUPPORTED, "needs an allocation of %zu MiB: %s",
                 bytes >> 20, halGetErrorDetail());
    CONF_OK(c, st);
    return mem;
}

/* Random bf16 for row `at` of the table, and what they mean. */
static void put_row(struct conf *c, char *table, int64_t at, uint16_t *codes,
                    double *val)
{
    for (int64_t i = 0; i < HIDDEN; i++) {
        conf_encode(halBF16, codes, i, conf_normal(c));
        val[i] = conf_decode(halBF16, codes, i);
    }
    CONF_OK(c, halMemcpy(table + (size_t)at * HIDDEN * 2, codes, HIDDEN * 2,
                         halMemcpyHostToDevice));
}

static void run_embedding(struct conf *c)
{
    static const int32_t ids[] = { VOCAB - 1, 0,         65535, 65536, 4661,
                                   74898,     VOCAB - 1, VOCAB, 128814 };
    const int64_t tokens = KX_COUNT(ids);
    double *want = kx_doubles(c, tokens * HIDDEN);
    uint16_t *codes = conf_host(c, HIDDEN * 2);
    struct conf_buf dev_ids;
    struct kx_tensor out;
    char *table;

    kx_need(c, halBF16);
    table = table_of(c);
    out = kx_output(c, halBF16, tokens * HIDDEN, 0);
    dev_ids = conf_upload(c, ids, sizeof ids, 0);
    for (int64_t t = 0; t < tokens; t++) {
        double *row = want + t * HIDDEN;

        if (ids[t] == VOCAB) /* outside */
            for (int64_t i = 0; i < HIDDEN; i++)
                row[i] = 0;
        else if (t == 6) /* again */
            for (int64_t i = 0; i < HIDDEN; i++)
                row[i] = want[i];
        else
            put_row(c, table, ids[t], codes, row);
    }
    CONF_OK(c, halopEmbedding(halBF16, out.buf.mem, table, dev_ids.mem, tokens,
                              VOCAB, HIDDEN, NULL));
    kx_expect_exact(c, "out", &out, want);
    CONF_OK(c, halFree(table));
}

/* What all numbers of a row are, in bf16: 1 to 1.984 times 2^-7. */
static uint16_t code_of(int64_t row)
{
    return (uint16_t)(0x3c00 + row / BAND);
}

static int is_random(int64_t row)
{
    return row % STEP == 0 || row == VOCAB - 1;
}

/* 926 million products are a second's work for any CPU or GPU, and minutes for
 * a GPU that a CPU plays: there gemm.*.m1_n129280_k64 and gemv.*.m1_n40_k7168
 * stand for it, which have its columns and its depth. */
static void need_speed(struct conf *c)
{
    static const char *const played[] = { "llvmpipe", "SwiftShader",
                                          "Oclgrind" };
    struct halDeviceProp prop;

    CONF_OK(c, halGetDeviceProperties(&prop, conf_device(c)));
    for (int i = 0; i < KX_COUNT(played); i++)
        if (strstr(prop.name, played[i]) || strstr(prop.standsOn, played[i]) ||
            strstr(prop.driver, played[i]))
            conf_end(c, CONF_UNSUPPORTED,
                     "%s takes minutes for 926 million products", played[i]);
}

static void run_logits(struct conf *c)
{
    double *want = kx_doubles(c, VOCAB), *mag = kx_doubles(c, VOCAB);
    double *row = kx_doubles(c, HIDDEN), sum = 0, size = 0;
    uint16_t *codes = conf_host(c, HIDDEN * 2);
    struct kx_tensor x, y;
    struct conf_bound bound;
    char *w;

    kx_need(c, halBF16);
    need_speed(c);
    w = table_of(c);
    x = kx_normal(c, halBF16, HIDDEN, 1, 0);
    y = kx_output(c, halF32, VOCAB, 0);
    for (int64_t i = 0; i < HIDDEN; i++) {
        sum += x.val[i];
        size += fabs(x.val[i]);
    }
    for (int64_t r = 0; r < VOCAB; r += BAND)
        CONF_OK(c, halMemsetD16(w + (size_t)r * HIDDEN * 2, code_of(r),
                                (size_t)BAND * HIDDEN));
    for (int64_t r = 0; r < VOCAB; r++) {
        uint16_t code = code_of(r);
        double v = conf_decode(halBF16, &code, 0);

        want[r] = v * sum;
        mag[r] = v * size;
        if (!is_random(r))
            continue;
        put_row(c, w, r, codes, row);
        oracle_gemm(want + r, mag + r, x.val, row, NULL, 1, 1, HIDDEN);
    }
    CONF_OK(c, halopGemm(halBF16, halF32, y.buf.mem, x.buf.mem, w, NULL, 1,
                         VOCAB, HIDDEN, NULL));
    bound = kx_bound_sum(halF32, 8 + sqrt(HIDDEN), mag, want, VOCAB);
    kx_expect(c, "y", &y, want, mag, 1, VOCAB, &bound);
    kx_intact(c, &x);
    CONF_OK(c, halFree(w));
}

void kx_cases_widths(struct conf_list *list)
{
    kx_add(list, halBF16, "", run_embedding, NULL, 0, "embedding.bf16.v3");
    kx_add(list, halBF16, "", run_logits, NULL, 0, "gemm.bf16_f32.v3_logits");
}
