/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moe.c - kernel.moe_permute.*, kernel.grouped_gemm.*, by the tuned kernel
 * kernel.grouped_gemm_tuned.*, kernel.moe_combine.*:
 * experts without a token, with all of them, and ids that name no expert.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "conformance/kernels/moe.h"

int32_t moe_id(struct conf *c, enum moe_fill fill, int64_t i, int64_t experts)
{
    static const int32_t bad[] = { -1, INT32_MIN, INT32_MAX };
    int32_t id = (int32_t)(conf_random(c) % (uint64_t)experts);

    switch (fill) {
    case MOE_RANDOM:
        return id;
    case MOE_ONE:
        return (int32_t)(experts * 2 / 3);
    case MOE_FEW:
        return (int32_t)(id % 3 * (experts - 1) / 2);
    case MOE_OUTSIDE:
        return i % 9 == 8 ? (int32_t)experts : i % 3 == 0 ? bad[i / 3 % 3] : id;
    case MOE_NOBODY:
        return bad[i % 3];
    }
    return 0;
}

/* ---- permutation -------------------------------------------------------- */

struct permute {
    const char *name;
    int64_t tokens, top_k, experts;
    enum moe_fill fill;
    int odd;
};

static const struct permute permutes[] = {
    { "one", 1, 1, 1, MOE_RANDOM, 0 },
    { "decode", 1, 8, 256, MOE_RANDOM, 0 },
    { "primes", 13, 5, 37, MOE_RANDOM, 0 },
    { "n255", 255, 1, 16, MOE_RANDOM, 0 },
    { "n256", 32, 8, 256, MOE_RANDOM, 0 },
    { "n257", 257, 1, 17, MOE_RANDOM, 0 },
    { "prefill", 1031, 8, 256, MOE_RANDOM, 0 },
    { "e2048", 300, 8, 2048, MOE_RANDOM, 0 },
    { "tokens70001", 70001, 2, 60, MOE_RANDOM, 0 },
    { "all_to_one", 130, 6, 64, MOE_ONE, 0 },
    { "few", 100, 8, 256, MOE_FEW, 0 },
    { "outside", 333, 3, 20, MOE_OUTSIDE, 0 },
    { "nobody", 7, 3, 5, MOE_NOBODY, 0 },
    { "misaligned", 101, 3, 11, MOE_RANDOM, 1 },
};

static void expect_ints(struct conf *c, const char *what,
                        const struct kx_tensor *t, const int32_t *want)
{
    const int32_t *got = kx_fetch(c, t);

    for (int64_t i = 0; i < t->n; i++)
        if (got[i] != want[i])
            conf_check(c, 0, "%s[%lld]: got %d, want %d", what, (long long)i,
                       (int)got[i], (int)want[i]);
    conf_check(c, 1, "%s", what);
}

struct kx_tensor moe_ints(struct conf *c, const int32_t *v, int64_t n, int odd)
{
    struct kx_tensor t = { .dtype = halI32, .n = n };

    t.buf = conf_upload(c, v, (size_t)n * 4, (size_t)odd * 4);
    return t;
}

int32_t *moe_host_ints(struct conf *c, int64_t n)
{
    return conf_host(c, (size_t)(n + 1) * sizeof(int32_t));
}

static void run_permute(struct conf *c)
{
    const struct permute *s = conf_param(c);
    int64_t n = s->tokens * s->top_k, e = s->experts;
    int32_t *ids = moe_host_ints(c, n), *want[4];
    const int64_t sizes[4] = { e, e + 1, n, n };
    static const char *const names[4] = { "counts", "offsets", "perm",
                                          "place" };
    struct kx_tensor out[4], in;

    for (int64_t i = 0; i < n; i++)
        ids[i] = moe_id(c, s->fill, i, e);
    in = moe_ints(c, ids, n, s->odd);
    for (int i = 0; i < 4; i++) {
        want[i] = moe_host_ints(c, sizes[i]);
        out[i] = kx_output(c, halI32, sizes[i], s->odd);
    }
    struct halopMoePermuteArgs args = {
        .ids = in.buf.mem,
        .counts = out[0].buf.mem,
        .offsets = out[1].buf.mem,
        .perm = out[2].buf.mem,
        .place = out[3].buf.mem,
        .n_tokens = s->tokens,
        .top_k = s->top_k,
        .n_experts = e,
    };
    CONF_OK(c, halopMoePermute(&args, NULL));
    oracle_moe_permute(want[0], want[1], want[2], want[3], ids, n, e);
    for (int i = 0; i < 4; i++)
        expect_ints(c, names[i], &out[i], want[i]);
    kx_intact(c, &in);
}

/* ---- grouped product ---------------------------------------------------- */

static const struct moe_shape groupeds[] = {
    { "one", 1, 1, 1, 1, MOE_RANDOM, 0 },
    { "decode", 8, 256, 40, 65, MOE_RANDOM, MOE_GATHER },
    { "primes", 29, 5, 37, 53, MOE_RANDOM, MOE_GATHER },
    { "n15_k15", 40, 3, 15, 15, MOE_RANDOM, 0 },
    { "n16_k16", 40, 3, 16, 16, MOE_RANDOM, 0 },
    { "n17_k17", 40, 3, 17, 17, MOE_RANDOM, MOE_GATHER },
    { "m33_n129_k64", 33, 1, 129, 64, MOE_RANDOM, 0 },
    { "rows5_of_one", 5, 1, 31, 33, MOE_RANDOM, 0 },
    { "all_to_one", 70, 8, 65, 48, MOE_ONE, MOE_GATHER },
    { "few", 90, 16, 20, 100, MOE_FEW, 0 },
    { "tiles", 300, 4, 150, 40, MOE_RANDOM, MOE_GATHER },
    { "prefill", 520, 8, 96, 256, MOE_RANDOM, MOE_GATHER },
    { "k0", 9, 3, 10, 0, MOE_RANDOM, 0 },
    { "k7168", 12, 4, 36, 7168, MOE_RANDOM, 0 },
    { "k33001", 12, 2, 3, 33001, MOE_RANDOM, MOE_GATHER },
    { "padded", 31, 6, 19, 23, MOE_RANDOM, MOE_PADDED | MOE_GATHER },
    { "wild", 31, 6, 19, 23, MOE_RANDOM, MOE_WILD | MOE_GATHER },
    { "rows70001", 70001, 3, 2, 2, MOE_RANDOM, 0 },
    { "misaligned", 19, 4, 21, 37, MOE_RANDOM, MOE_ODD | MOE_GATHER },
    { "extremes", 40, 3, 21, 35, MOE_RANDOM, MOE_EXTREMES },
    { "extremes_gather", 40, 3, 21, 35, MOE_RANDOM, MOE_EXTREMES | MOE_GATHER },
};

/* Tiles of 128 and their edges, more and fewer steps than the ring has stages,
 * rows that are aligned to 16 bytes and not. */
static const struct moe_shape tuneds[] = {
    { "one", 1, 1, 1, 1, MOE_RANDOM, 0 },
    { "primes", 29, 5, 37, 53, MOE_RANDOM, MOE_GATHER },
    { "m33_n129_k64", 33, 1, 129, 64, MOE_RANDOM, 0 },
    { "all_to_one", 140, 8, 136, 48, MOE_ONE, MOE_GATHER },
    { "few", 90, 16, 20, 104, MOE_FEW, 0 },
    { "tiles", 300, 2, 150, 40, MOE_RANDOM, MOE_GATHER },
    { "decode", 8, 64, 40, 72, MOE_RANDOM, MOE_GATHER },
    { "k0", 9, 3, 10, 0, MOE_RANDOM, 0 },
    { "k1000", 12, 4, 36, 1000, MOE_RANDOM, 0 },
    { "padded", 31, 6, 19, 24, MOE_RANDOM, MOE_PADDED | MOE_GATHER },
    { "wild", 31, 6, 19, 24, MOE_RANDOM, MOE_WILD | MOE_GATHER },
    { "misaligned", 19, 4, 21, 40, MOE_RANDOM, MOE_ODD | MOE_GATHER },
};

struct grouped_param {
    halDtype in, out;
    struct moe_shape s;
    const char *way; /* for halopSelect(), or NULL */
};

static const halDtype dtypes[][2] = {
    { halF32, halF32 }, { halBF16, halBF16 }, { halBF16, halF32 },
    { halF16, halF16 }, { halF16, halF32 },
};

int32_t *moe_offsets(struct conf *c, const struct moe_shape *s)
{
    int32_t *ids = moe_host_ints(c, s->rows),
            *counts = moe_host_ints(c, s->experts);
    int32_t *perm = moe_host_ints(c, s->rows),
            *place = moe_host_ints(c, s->rows);
    int32_t *offsets = moe_host_ints(c, s->experts + 1);

    for (int64_t i = 0; i < s->rows; i++)
        ids[i] = moe_id(c, s->fill, i, s->experts);
    oracle_moe_permute(counts, offsets, perm, place, ids, s->rows, s->experts);
    if (s->flags & MOE_WILD) {
        offsets[0] = -7;
        offsets[s->experts] = INT32_MAX;
    }
    return offsets;
}

int32_t *moe_gather(struct conf *c, const struct moe_shape *s, int64_t x_rows)
{
    int32_t *gather = moe_host_ints(c, s->rows);

    for (int64_t i = 0; i < s->rows; i++)
        gather[i] = (int32_t)(conf_random(c) % (uint64_t)(3 * x_rows));
    if (s->flags & MOE_WILD) {
        gather[0] = -1;
        gather[s->rows / 2] = INT32_MIN;
        gather[s->rows - 1] = INT32_MAX;
    }
    return gather;
}

static void judge_grouped(struct conf *c, const struct grouped_param *p,
                          struct oracle_grouped *g, const struct kx_tensor *y)
{
    int64_t n = g->rows * g->n;
    struct conf_bound bound;

    g->y = kx_doubles(c, n);
    g->mag = kx_doubles(c, n);
    oracle_grouped_gemm(g);
    bound = kx_bound_sum(p->out, 8 + sqrt((double)g->k), g->mag, g->y, n);
    kx_expect(c, "y", y, g->y, g->mag, g->rows, g->n, &bound);
}

/* What one bad row may spoil, and terms that cancel: as of gemm, in each row of
 * x and each expert. */
static struct kx_tensor extreme_x(struct conf *c, halDtype dtype, int64_t rows,
                                  int64_t k)
{
    double *x = kx_doubles(c, rows * k), large = dtype == halF16 ? 200 : 1e15;

    for (int64_t r = 0; r < rows; r++)
        for (int64_t l = 0; l < k; l++) {
            double v = conf_normal(c);

            x[r * k + l] =
                r % 6 == 1 && l == k - 2   ? NAN
                : r % 6 == 2 && l == k - 1 ? INFINITY
                : r % 6 == 3               ? 0
                : r % 6 == 4 ? (l % 2 ? -large : large) * (double)(1 + l % 4)
                : r % 6 == 5 ? (dtype == halF16 ? 0x1p-24 : 1e-30) * (double)l
                             : v;
        }
    return kx_input(c, dtype, x, rows * k, 0);
}

static struct kx_tensor extreme_w(struct conf *c, halDtype dtype,
                                  const struct moe_shape *s)
{
    int64_t n = s->experts * s->n * s->k;
    double *w = kx_doubles(c, n);

    for (int64_t i = 0; i < n; i++) {
        int64_t of = i / s->k % s->n, l = i % s->k;

        w[i] = conf_normal(c);
        if (of == 7)
            w[i] = 1; /* large ones cancel against this */
        if (of == 8 && l == s->k - 1)
            w[i] = 0; /* inf * 0 */
    }
    return kx_input(c, dtype, w, n, 0);
}

static void run_grouped(struct conf *c)
{
    const struct grouped_param *p = conf_param(c);
    const struct moe_shape *s = &p->s;
    int odd = s->flags & MOE_ODD ? 1 : 0, gathers = s->flags & MOE_GATHER;
    int64_t x_rows = gathers ? s->rows / 3 + 1 : s->rows;
    int64_t stride = s->n * s->k + (s->flags & MOE_PADDED ? 11 : 0);
    int extremes = s->flags & MOE_EXTREMES;
    struct kx_tensor x = extremes ? extreme_x(c, p->in, x_rows, s->k)
                                  : kx_normal(c, p->in, x_rows * s->k, 1, odd);
    struct kx_tensor w =
        extremes ? extreme_w(c, p->in, s)
                 : kx_normal(c, p->in, s->experts * stride, 0.25, odd);
    struct kx_tensor y = kx_output(c, p->out, s->rows * s->n, odd);
    int32_t *offsets = moe_offsets(c, s);
    int32_t *gather = gathers ? moe_gather(c, s, x_rows) : NULL;
    struct kx_tensor dev = moe_ints(c, offsets, s->experts + 1, odd),
                     by = { 0 };
    struct oracle_grouped g = {
        .x = x.val,
        .w = w.val,
        .offsets = offsets,
        .gather = gather,
        .rows = s->rows,
        .x_rows = x_rows,
        .experts = s->experts,
        .n = s->n,
        .k = s->k,
        .w_stride = stride,
        .gather_div = 3,
    };

    if (gathers)
        by = moe_ints(c, gather, s->rows, odd);
    struct halopGroupedGemmArgs args = {
        .in = p->in,
        .out = p->out,
        .y = y.buf.mem,
        .x = x.buf.mem,
        .w = w.buf.mem,
        .offsets = dev.buf.mem,
        .gather = by.buf.mem,
        .rows = s->rows,
        .x_rows = x_rows,
        .n_experts = s->experts,
        .n = s->n,
        .k = s->k,
        .w_expert_stride = stride,
        .gather_div = 3,
    };
    kx_way_begin(c, p->way);
    kx_way_end(c, p->way, halopGroupedGemm(&args, NULL));
    judge_grouped(c, p, &g, &y);
    kx_intact(c, &x);
    kx_intact(c, &w);
}

/* Rows past the last expert's stay as they are. */
static void run_rows_of_nobody(struct conf *c)
{
    const halDtype *dtype = conf_param(c);
    enum { ROWS = 12, USED = 7, N = 5, K = 6 };
    const int32_t offsets[] = { 0, 0, 3, 3, USED };
    struct kx_tensor x = kx_normal(c, *dtype, ROWS * K, 1, 0);
    struct kx_tensor w = kx_normal(c, *dtype, 4 * N * K, 1, 0);
    struct kx_tensor y = kx_output(c, *dtype, ROWS * N, 0);
    struct kx_tensor dev = moe_ints(c, offsets, 5, 0);
    size_t bytes = conf_dtype_bytes(*dtype), used = USED * N * bytes;
    const char *before = kx_snapshot(c, &y.buf), *after;
    struct halopGroupedGemmArgs args = {
        .in = *dtype,
        .out = *dtype,
        .y = y.buf.mem,
        .x = x.buf.mem,
        .w = w.buf.mem,
        .offsets = dev.buf.mem,
        .rows = ROWS,
        .x_rows = ROWS,
        .n_experts = 4,
        .n = N,
        .k = K,
        .w_expert_stride = N * K,
    };

    CONF_OK(c, halopGroupedGemm(&args, NULL));
    after = kx_fetch(c, &y);
    conf_check(c, memcmp(before, after, used) != 0, "no row was written");
    conf_check(c, memcmp(before + used, after + used, y.buf.size - used) == 0,
               "a row that no expert has was written");
}

/* ---- combination -------------------------------------------------------- */

struct combine {
    const char *name;
    int64_t tokens, top_k, n;
    enum moe_fill fill;
    int shared, odd;
    int extremes; /* parts of any size, infinities and NaN */
};

static const struct combine combines[] = {
    { "one", 1, 1, 1, MOE_RANDOM, 0, 0, 0 },
    { "decode", 1, 8, 7168, MOE_RANDOM, 1, 0, 0 },
    { "primes", 13, 5, 37, MOE_RANDOM, 1, 0, 0 },
    { "n15", 3, 3, 15, MOE_RANDOM, 0, 0, 0 },
    { "n16", 3, 3, 16, MOE_RANDOM, 1, 0, 0 },
    { "n1025", 5, 2, 1025, MOE_RANDOM, 1, 0, 0 },
    { "dropped", 40, 3, 19, MOE_OUTSIDE, 1, 0, 0 },
    { "all_dropped", 4, 3, 19, MOE_NOBODY, 0, 0, 0 },
    { "no_slots", 4, 0, 33, MOE_NOBODY, 1, 0, 0 },
    { "tokens70001", 70001, 2, 3, MOE_RANDOM, 0, 0, 0 },
    { "misaligned", 9, 4, 29, MOE_RANDOM, 1, 1, 0 },
    { "extremes", 7, 2, 37, MOE_RANDOM, 1, 0, 1 },
};

struct combine_param {
    halDtype in, out;
    struct combine s;
};

/* Every 11th element is one of them. */
static struct kx_tensor extreme_parts(struct conf *c, halDtype dtype, int64_t n)
{
    const double large = dtype == halF16 ? 8192 : 0x1p120;
    const double special[] = { NAN,    INFINITY, -INFINITY, large,
                               -large, 0x1p-24,  0,         -0.0 };
    double *val = kx_doubles(c, n);

    for (int64_t i = 0; i < n; i++)
        val[i] = i % 11 ? conf_normal(c)
                        : special[(size_t)(i / 11) % KX_COUNT(special)];
    return kx_input(c, dtype, val, n, 0);
}

static void run_combine(struct conf *c)
{
    const struct combine_param *p = conf_param(c);
    const struct combine *s = &p->s;
    int64_t slots = s->tokens * s->top_k, all = s->tokens * s->n;
    int64_t rows = slots ? slots : 1;
    struct kx_tensor parts = s->extremes
                                 ? extreme_parts(c, p->in, rows * s->n)
                                 : kx_normal(c, p->in, rows * s->n, 1, s->odd);
    struct kx_tensor weights = kx_normal(c, halF32, slots, 1, s->odd);
    struct kx_tensor shared = { 0 }, place;
    struct kx_tensor y = kx_output(c, p->out, all, s->odd);
    double *want = kx_doubles(c, all), *mag = kx_doubles(c, all);
    int32_t *host = moe_host_ints(c, slots);
    struct conf_bound bound;

    if (s->shared)
        shared = kx_normal(c, p->out, all, 1, s->odd);
    for (int64_t i = 0; i < slots; i++)
        host[i] = moe_id(c, s->fill, i, rows);
    place = moe_ints(c, host, slots, s->odd);
    struct halopMoeCombineArgs args = {
        .in = p->in,
        .out = p->out,
        .y = y.buf.mem,
        .parts = parts.buf.mem,
        .weights = weights.buf.mem,
        .place = place.buf.mem,
        .shared = shared.buf.mem,
        .n_tokens = s->tokens,
        .top_k = s->top_k,
        .rows = rows,
        .n = s->n,
    };
    CONF_OK(c, halopMoeCombine(&args, NULL));
    oracle_moe_combine(want, mag, parts.val, weights.val, host, shared.val,
                       s->tokens, s->top_k, rows, s->n);
    bound = kx_bound_sum(p->out, (double)s->top_k + 4, mag, want, all);
    kx_expect(c, "y", &y, want, mag, s->tokens, s->n, &bound);
    kx_intact(c, &parts);
    kx_intact(c, &weights);
}

/* ---- the list ----------------------------------------------------------- */

static void dtype_name(char text[16], halDtype in, halDtype out)
{
    (void)snprintf(text, 16, in == out ? "%s" : "%s_%s", conf_dtype_name(in),
                   conf_dtype_name(out));
}

void kx_cases_moe(struct conf_list *list)
{
    char name[16];

    for (int i = 0; i < KX_COUNT(permutes); i++)
        kx_add(list, halF32, " moe", run_permute, &permutes[i],
               sizeof permutes[i], "moe_permute.i32.%s", permutes[i].name);
    for (int d = 0; d < KX_COUNT(dtypes); d++) {
        dtype_name(name, dtypes[d][0], dtypes[d][1]);
        for (int i = 0; i < KX_COUNT(groupeds); i++) {
            struct grouped_param p = { dtypes[d][0], dtypes[d][1], groupeds[i],
                                       NULL };

            if (d && p.s.rows > KX_GRID)
                continue;
            kx_add(list, p.in, " moe", run_grouped, &p, sizeof p,
                   "grouped_gemm.%s.%s", name, p.s.name);
        }
        for (int i = 0; i < KX_COUNT(tuneds) && dtypes[d][0] == halBF16; i++) {
            struct grouped_param p = { dtypes[d][0], dtypes[d][1], tuneds[i],
                                       "moe_gemm:tuned" };

            kx_add(list, p.in, "", run_grouped, &p, sizeof p,
                   "grouped_gemm_tuned.%s.%s", name, p.s.name);
        }
        /* sums arrive in f32 and leave in any format, not the reverse */
        dtype_name(name, dtypes[d][1], dtypes[d][0]);
        for (int i = 0; i < KX_COUNT(combines); i++) {
            struct combine_param p = { dtypes[d][1], dtypes[d][0],
                                       combines[i] };

            if (d && p.s.tokens > KX_GRID)
                continue;
            kx_add(list, p.out, " moe", run_combine, &p, sizeof p,
                   "moe_combine.%s.%s", name, p.s.name);
        }
    }
    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        kx_add(list, kx_floats[d], " moe", run_rows_of_nobody, &kx_floats[d],
               sizeof kx_floats[d], "grouped_gemm.%s.rows_of_nobody",
               conf_dtype_name(kx_floats[d]));
}
