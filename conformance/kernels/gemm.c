/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gemm.c - kernel.gemm.*, kernel.gemv.* and, by BLAS libraries and tuned
 * kernels, kernel.gemm_native.* and kernel.gemm_tuned.*, judged by sum |x * w|.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "conformance/kernels/cases.h"

struct shape {
    const char *name;
    int64_t m, n, k;
    int bias, odd;
};

struct param {
    halDtype in, out;
    struct shape s;
    int gemv;
    const char *way; /* for halopSelect(), or NULL */
};

static const struct shape gemm_shapes[] = {
    { "m1_n1_k1", 1, 1, 1, 0, 0 },
    { "m1_n130_k257", 1, 130, 257, 1, 0 },
    { "m2_n65_k129", 2, 65, 129, 0, 0 },
    { "m3_n7_k5", 3, 7, 5, 1, 0 },
    { "m5_n64_k64", 5, 64, 64, 0, 0 },
    { "m8_n31_k100", 8, 31, 100, 1, 0 },
    { "m13_n17_k19", 13, 17, 19, 1, 0 },
    { "m15_n15_k15", 15, 15, 15, 0, 0 },
    { "m16_n16_k16", 16, 16, 16, 1, 0 },
    { "m17_n17_k17", 17, 17, 17, 0, 0 },
    { "m31_n33_k32", 31, 33, 32, 1, 0 },
    { "m63_n65_k63", 63, 65, 63, 0, 0 },
    { "m64_n64_k64", 64, 64, 64, 1, 0 },
    { "m65_n63_k65", 65, 63, 65, 0, 0 },
    { "m127_n129_k33", 127, 129, 33, 1, 0 },
    { "m128_n128_k128", 128, 128, 128, 0, 0 },
    { "m129_n257_k31", 129, 257, 31, 1, 0 },
    { "m33_n40_k1000", 33, 40, 1000, 0, 0 },
    { "m96_n320_k512", 96, 320, 512, 1, 0 },
    { "m2_n3_k70001", 2, 3, 70001, 0, 0 },
    { "m16_n20_k33001", 16, 20, 33001, 0, 0 },
    { "m9_n5_k60001", 9, 5, 60001, 0, 0 },     /* deeper than a loop may be */
    { "m1_n129280_k64", 1, 129280, 64, 0, 0 }, /* logits */
    { "m5_n129280_k7", 5, 129280, 7, 0, 0 },
    { "m1_n70001_k3", 1, 70001, 3, 1, 0 },
    { "m70001_n3_k2", 70001, 3, 2, 1, 0 },
    { "m9_n70001_k2", 9, 70001, 2, 0, 0 },
    { "k0", 5, 19, 0, 1, 0 },
    { "k0_no_bias", 5, 19, 0, 0, 0 },
    { "misaligned", 19, 37, 53, 1, 1 },
};

/* Tiles of one library call and of several, their edges, an odd depth. */
static const struct shape native_shapes[] = {
    { "m1_n1_k1", 1, 1, 1, 0, 0 },
    { "m2_n65_k129", 2, 65, 129, 0, 0 },
    { "m13_n17_k19", 13, 17, 19, 1, 0 },
    { "m127_n129_k33", 127, 129, 33, 1, 0 },
    { "m260_n530_k64", 260, 530, 64, 1, 0 },
    { "m33_n40_k1000", 33, 40, 1000, 0, 0 },
    { "m5_n70001_k7", 5, 70001, 7, 0, 0 },
    { "k0", 5, 19, 0, 1, 0 },
    { "misaligned", 19, 37, 53, 1, 1 },
};

/* Tiles of 128 and their edges, more steps than the ring has stages and fewer,
 * rows that are aligned to 16 bytes and not; to four rows, whole loads in
 * flight and what is left of them. */
static const struct shape tuned_shapes[] = {
    { "m1_n1_k1", 1, 1, 1, 0, 0 },
    { "m1_n40_k7168", 1, 40, 7168, 1, 0 },
    { "m1_misaligned", 1, 37, 56, 1, 1 },
    { "m2_n65_k129", 2, 65, 129, 0, 0 },
    { "m3_n101_k264", 3, 101, 264, 1, 0 },
    { "m4_n33_k2056", 4, 33, 2056, 0, 0 },
    { "m5_n7_k5", 5, 7, 5, 1, 0 },
    { "m17_n17_k16", 17, 17, 16, 1, 0 },
    { "m63_n65_k72", 63, 65, 72, 0, 0 },
    { "m127_n129_k33", 127, 129, 33, 1, 0 },
    { "m128_n128_k128", 128, 128, 128, 0, 0 },
    { "m129_n130_k200", 129, 130, 200, 1, 0 },
    { "m33_n40_k1000", 33, 40, 1000, 0, 0 },
    { "k0", 5, 19, 0, 1, 0 },
    { "misaligned", 19, 37, 56, 1, 1 },
};

static const struct shape gemv_shapes[] = {
    { "m1_n1_k1", 1, 1, 1, 0, 0 },
    { "m1_n17_k15", 1, 17, 15, 1, 0 },
    { "m1_n16_k16", 1, 16, 16, 0, 0 },
    { "m1_n3_k17", 1, 3, 17, 1, 0 },
    { "m1_n129_k255", 1, 129, 255, 0, 0 },
    { "m1_n40_k7168", 1, 40, 7168, 1, 0 },
    { "m1_n512_k1024", 1, 512, 1024, 0, 0 },
    { "m3_n101_k257", 3, 101, 257, 1, 0 },
    { "m19_n23_k65", 19, 23, 65, 0, 0 },
    { "m1_n2_k70001", 1, 2, 70001, 1, 0 },
    { "m1_n70001_k3", 1, 70001, 3, 0, 0 },
    { "m70001_n2_k3", 70001, 2, 3, 0, 0 },
    { "k0", 1, 33, 0, 1, 0 },
    { "misaligned", 1, 37, 53, 1, 1 },
};

static const halDtype dtypes[][2] = {
    { halF32, halF32 }, { halBF16, halBF16 }, { halBF16, halF32 },
    { halF16, halF16 }, { halF16, halF32 },
};

/* Any order of summation: sqrt(k) roundings of sum |x * w|, and a few. */
static double factor(int64_t k)
{
    return 8 + sqrt((double)k);
}

static void judge(struct conf *c, const struct param *p, struct kx_tensor *x,
                  struct kx_tensor *w, struct kx_tensor *bias)
{
    const struct shape *s = &p->s;
    int64_t n = s->m * s->n;
    struct kx_tensor y = kx_output(c, p->out, n, s->odd);
    double *want = kx_doubles(c, n), *mag = kx_doubles(c, n);
    const void *b = bias ? bias->buf.mem : NULL;
    struct conf_bound bound;

    kx_way_begin(c, p->way);
    kx_way_end(c, p->way,
               (p->gemv ? halopGemv : halopGemm)(p->in, p->out, y.buf.mem,
                                                 x->buf.mem, w->buf.mem, b,
                                                 s->m, s->n, s->k, NULL));
    oracle_gemm(want, mag, x->val, w->val, bias ? bias->val : NULL, s->m, s->n,
                s->k);
    bound = kx_bound_sum(p->out, factor(s->k), mag, want, n);
    kx_expect(c, "y", &y, want, mag, s->m, s->n, &bound);
    kx_intact(c, x);
    kx_intact(c, w);
    if (bias)
        kx_intact(c, bias);
}

static void run(struct conf *c)
{
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    struct kx_tensor x = kx_normal(c, p->in, s->m * s->k, 1, s->odd);
    struct kx_tensor w = kx_normal(c, p->in, s->n * s->k, 0.25, s->odd);
    struct kx_tensor bias = { 0 };

    if (s->bias)
        bias = kx_normal(c, p->in, s->n, 2, s->odd);
    judge(c, p, &x, &w, s->bias ? &bias : NULL);
}

/* What one bad row may spoil, and terms that cancel. */
static void run_extremes(struct conf *c)
{
    enum { M = 6, N = 21, K = 35 };
    struct param p = *(const struct param *)conf_param(c);
    double *x = kx_doubles(c, M * K), *w = kx_doubles(c, N * K);
    double large = p.in == halF16 ? 200 : 1e15;
    struct kx_tensor tx, tw;

    for (int i = 0; i < M * K; i++)
        x[i] = conf_normal(c);
    for (int i = 0; i < N * K; i++)
        w[i] = conf_normal(c);
    for (int l = 0; l < K; l++) {
        x[1 * K + l] = l == 33 ? NAN : x[1 * K + l];
        x[2 * K + l] = l == 34 ? INFINITY : x[2 * K + l];
        x[3 * K + l] = 0;
        x[4 * K + l] = (l % 2 ? -large : large) * (1 + l % 4);
        x[5 * K + l] = p.in == halF16 ? 0x1p-24 * l : 1e-30 * l;
        w[7 * K + l] = 1; /* row 4 cancels against this one */
        w[8 * K + l] = l == 34 ? 0 : w[8 * K + l]; /* inf * 0 */
    }
    tx = kx_input(c, p.in, x, M * K, 0);
    tw = kx_input(c, p.in, w, N * K, 0);
    p.s = (struct shape){ .m = M, .n = N, .k = K };
    judge(c, &p, &tx, &tw, NULL);
}

static void add_shapes(struct conf_list *list, struct param p, int is_first,
                       const struct shape *shapes, int count)
{
    const char *op = !p.way                        ? (p.gemv ? "gemv" : "gemm")
                     : strcmp(p.way, "gemm:tuned") ? "gemm_native"
                                                   : "gemm_tuned";
    char dtype[16];

    (void)snprintf(dtype, sizeof dtype, p.in == p.out ? "%s" : "%s_%s",
                   conf_dtype_name(p.in), conf_dtype_name(p.out));
    for (int i = 0; i < count; i++) {
        p.s = shapes[i];
        if (!is_first && (p.s.m > KX_GRID || p.s.n > KX_GRID))
            continue;
        kx_add(list, p.in, i == 6 && !p.way ? " core" : "", run, &p, sizeof p,
               "%s.%s.%s", op, dtype, p.s.name);
    }
    kx_add(list, p.in, "", run_extremes, &p, sizeof p, "%s.%s.extremes", op,
           dtype);
}

void kx_cases_gemm(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(dtypes); d++) {
        struct param p = { .in = dtypes[d][0], .out = dtypes[d][1] };

        add_shapes(list, p, d == 0, gemm_shapes, KX_COUNT(gemm_shapes));
        p.gemv = 1;
        add_shapes(list, p, d == 0, gemv_shapes, KX_COUNT(gemv_shapes));
        p.gemv = 0;
        p.way = "gemm:native";
        add_shapes(list, p, d == 0, native_shapes, KX_COUNT(native_shapes));
        p.way = "gemm:tuned";
        if (p.in == halBF16)
            add_shapes(list, p, 0, tuned_shapes, KX_COUNT(tuned_shapes));
    }
}
