/* SPDX-License-Identifier: Apache-2.0 */
/*
 * moe_quant.c - kernel.grouped_gemm_fp8.*, kernel.grouped_gemm_i8.*: grouped
 * products of quantised operands.  Few rows an expert go row by row, more by
 * tiles (kernels/ops_quant.c): shapes named `..._rows` make for the former.
 */
#include <math.h>
#include <string.h>

#include "conformance/kernels/moe.h"
#include "conformance/kernels/quant.h"

/* In every format of y; the others are told apart by what they store alone. */
#define EVERY 16

static const struct moe_shape shapes[] = {
    { "one", 1, 1, 1, 1, MOE_RANDOM, 0 },
    { "decode", 8, 256, 40, 300, MOE_RANDOM, MOE_GATHER | EVERY },
    { "primes", 29, 5, 37, 131, MOE_RANDOM, MOE_GATHER | EVERY },
    { "n127_k127", 40, 3, 127, 127, MOE_RANDOM, 0 },
    { "n128_k128", 40, 3, 128, 128, MOE_RANDOM, 0 },
    { "n129_k129", 40, 3, 129, 129, MOE_RANDOM, MOE_GATHER },
    { "n257_k15", 33, 2, 257, 15, MOE_RANDOM, 0 },
    { "ragged_rows", 4, 2, 131, 257, MOE_RANDOM, MOE_GATHER },
    { "rows9_of_one", 9, 1, 31, 144, MOE_RANDOM, 0 },
    { "all_to_one", 70, 8, 65, 200, MOE_ONE, MOE_GATHER },
    { "all_to_one_rows", 16, 8, 65, 200, MOE_ONE, MOE_GATHER },
    { "many_to_one", 500, 2, 70, 130, MOE_ONE, 0 },
    { "few", 90, 16, 20, 100, MOE_FEW, 0 },
    { "few_rows", 30, 16, 20, 100, MOE_FEW, 0 },
    { "tiles", 300, 4, 300, 140, MOE_RANDOM, MOE_GATHER },
    { "prefill", 1100, 8, 70, 256, MOE_RANDOM, MOE_GATHER },
    { "k0", 20, 3, 10, 0, MOE_RANDOM, EVERY },
    { "k0_rows", 3, 3, 10, 0, MOE_RANDOM, 0 },
    { "k7168", 20, 4, 20, 7168, MOE_RANDOM, 0 },
    { "k33001_rows", 3, 2, 3, 33001, MOE_RANDOM, MOE_GATHER },
    { "padded", 31, 6, 140, 150, MOE_RANDOM, MOE_PADDED | MOE_GATHER },
    { "padded_rows", 11, 6, 140, 150, MOE_RANDOM, MOE_PADDED },
    { "wild", 31, 6, 19, 130, MOE_RANDOM, MOE_WILD | MOE_GATHER },
    { "wild_rows", 9, 6, 19, 130, MOE_RANDOM, MOE_WILD | MOE_GATHER },
    { "rows70001", 70001, 3, 2, 2, MOE_RANDOM, 0 },
    { "misaligned", 30, 4, 21, 137, MOE_RANDOM, MOE_ODD | MOE_GATHER | EVERY },
    { "misaligned_rows", 7, 4, 21, 137, MOE_RANDOM, MOE_ODD | MOE_GATHER },
};

struct param {
    halDtype out;
    int fp8;
    struct moe_shape s;
};

/* A product on the device, and on the host. */
struct product {
    struct kx_tensor x, w, xs, ws, y, offsets, gather;
    struct oracle_grouped_quant q;
};

/* Scales that an expert has, and a row of x. */
static int64_t w_scales(const struct param *p)
{
    const struct moe_shape *s = &p->s;

    return p->fp8 ? (s->n + 127) / 128 * ((s->k + 127) / 128) : s->n;
}
static int64_t x_scales(const struct param *p)
{
    return p->fp8 ? (p->s.k + 127) / 128 : 1;
}

static struct product make(struct conf *c, const struct param *p)
{
    const struct moe_shape *s = &p->s;
    const int odd = s->flags & MOE_ODD ? 1 : 0, pad = s->flags & MOE_PADDED;
    const halDtype codes = p->fp8 ? halE4M3 : halI8;
    struct product m = { 0 };
    struct oracle_grouped *g = &m.q.g;
    int32_t *offsets = moe_offsets(c, s), *gather = NULL;

    kx_need(c, p->out);
    g->rows = s->rows;
    g->x_rows = s->flags & MOE_GATHER ? s->rows / 3 + 1 : s->rows;
    g->experts = s->experts;
    g->n = s->n;
    g->k = s->k;
    g->w_stride = s->n * s->k + (pad ? 11 : 0);
    g->gather_div = 3;
    m.q.s_stride = w_scales(p) + (pad ? 5 : 0);
    m.x = kq_random(c, codes, g->x_rows * s->k, odd);
    m.w = kq_random(c, codes, s->experts * g->w_stride, odd);
    m.y = kx_output(c, p->out, s->rows * s->n, odd);
    m.offsets = moe_ints(c, offsets, s->experts + 1, odd);
    if (s->flags & MOE_GATHER) {
        gather = moe_gather(c, s, g->x_rows);
        m.gather = moe_ints(c, gather, s->rows, odd);
    }
    g->offsets = offsets;
    g->gather = gather;
    g->x = m.x.val;
    g->w = m.w.val;
    g->y = kx_doubles(c, m.y.n);
    g->mag = kx_doubles(c, m.y.n);
    if (p->out != halI32) {
        m.xs = kx_normal(c, halF32, g->x_rows * x_scales(p), 0.01, odd);
        m.ws = kx_normal(c, halF32, s->experts * m.q.s_stride, 0.01, odd);
    }
    return m;
}

static halError_t multiply(const struct product *m, const struct param *p)
{
    const struct oracle_grouped *g = &m->q.g;
    const struct halopGroupedGemmFp8Args f = {
        .out = p->out,
        .y = m->y.buf.mem,
        .x = m->x.buf.mem,
        .x_scale = m->xs.buf.mem,
        .w = m->w.buf.mem,
        .w_scale = m->ws.buf.mem,
        .offsets = m->offsets.buf.mem,
        .gather = m->gather.buf.mem,
        .rows = g->rows,
        .x_rows = g->x_rows,
        .n_experts = g->experts,
        .n = g->n,
        .k = g->k,
        .w_expert_stride = g->w_stride,
        .w_scale_expert_stride = m->q.s_stride,
        .gather_div = g->gather_div,
    };
    const struct halopGroupedGemmI8Args i = {
        .out = p->out,
        .y = m->y.buf.mem,
        .x = m->x.buf.mem,
        .x_scale = m->xs.buf.mem,
        .w = m->w.buf.mem,
        .w_scale = m->ws.buf.mem,
        .offsets = m->offsets.buf.mem,
        .gather = m->gather.buf.mem,
        .rows = g->rows,
        .x_rows = g->x_rows,
        .n_experts = g->experts,
        .n = g->n,
        .k = g->k,
        .w_expert_stride = g->w_stride,
        .w_scale_expert_stride = m->q.s_stride,
        .gather_div = g->gather_div,
    };

    return p->fp8 ? halopGroupedGemmFp8(&f, NULL)
                  : halopGroupedGemmI8(&i, NULL);
}

static void solve(struct product *m, const struct param *p)
{
    m->q.x_scale = m->xs.val;
    m->q.w_scale = m->ws.val;
    (p->fp8 ? oracle_grouped_fp8 : oracle_grouped_int8)(&m->q);
}

static void intact(struct conf *c, const struct product *m)
{
    kx_intact(c, &m->x);
    kx_intact(c, &m->w);
    if (m->xs.buf.mem) {
        kx_intact(c, &m->xs);
        kx_intact(c, &m->ws);
    }
}

static void run_product(struct conf *c)
{
    const struct param *p = conf_param(c);
    struct product m = make(c, p);

    CONF_OK(c, multiply(&m, p));
    solve(&m, p);
    if (p->out == halI32)
        kx_expect_exact(c, "y", &m.y, m.q.g.y);
    else if (p->fp8)
        kq_judge(c, &m.y, m.q.g.y, m.q.g.mag, p->s.rows, p->s.n, p->s.k, 3);
    else /* the sum is exact: its conversion and two products */
        kq_judge(c, &m.y, m.q.g.y, m.q.g.mag, p->s.rows, p->s.n, 0, -4);
    intact(c, &m);
}

/* Scales that are no numbers spoil what they scale, and nothing else. */
static void run_extremes(struct conf *c)
{
    const struct param *p = conf_param(c);
    struct product m = make(c, p);
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    const struct oracle_grouped *g = &m.q.g;
    int64_t spoiled = 0;

    for (int64_t i = 0; i < 3; i++) {
        int64_t x_at = i * 4 % m.xs.n, w_at = (i * 7 + 3) % m.ws.n;
        float *xs = m.xs.buf.mem, *ws = m.ws.buf.mem;

        m.xs.val[x_at] = m.ws.val[w_at] = (double)bad[i];
        CONF_OK(c, halMemcpy(xs + x_at, &bad[i], 4, halMemcpyHostToDevice));
        CONF_OK(c, halMemcpy(ws + w_at, &bad[i], 4, halMemcpyHostToDevice));
    }
    CONF_OK(c, multiply(&m, p));
    solve(&m, p);
    const float *got = kx_fetch(c, &m.y);
    for (int64_t i = 0; i < m.y.n; i++) {
        double room = (12 + sqrt((double)g->k)) * KX_U32 * g->mag[i];

        if (isfinite(g->y[i])) {
            conf_check(c, fabs((double)got[i] - g->y[i]) <= room,
                       "y[%lld]: got %.9g, want %.9g", (long long)i,
                       (double)got[i], g->y[i]);
            continue;
        }
        spoiled++;
        conf_check(c, !isfinite(got[i]),
                   "y[%lld]: got %.9g for a scale that is no number",
                   (long long)i, (double)got[i]);
    }
    conf_check(c, spoiled > 0 && spoiled < m.y.n, "%lld of %lld are spoiled",
               (long long)spoiled, (long long)m.y.n);
}

/* Rows past the last expert's stay as they are. */
static void run_rows_of_nobody(struct conf *c)
{
    const struct param *p = conf_param(c);
    struct product m = make(c, p);
    const int32_t used = (int32_t)p->s.rows - 5;
    size_t bytes = (size_t)used * (size_t)p->s.n * conf_dtype_bytes(p->out);
    const char *before, *after;
    int32_t *offsets = conf_host(c, m.offsets.buf.size);

    memcpy(offsets, m.q.g.offsets, m.offsets.buf.size);
    for (int64_t e = 0; e <= p->s.experts; e++)
        offsets[e] = offsets[e] < used ? offsets[e] : used;
    CONF_OK(c, halMemcpy(m.offsets.buf.mem, offsets, m.offsets.buf.size,
                         halMemcpyHostToDevice));
    before = kx_snapshot(c, &m.y.buf);
    CONF_OK(c, multiply(&m, p));
    after = kx_fetch(c, &m.y);
    conf_check(c, memcmp(before, after, bytes) != 0, "no row was written");
    conf_check(c,
               memcmp(before + bytes, after + bytes, m.y.buf.size - bytes) == 0,
               "a row that no expert has was written");
}

/* ---- the list ----------------------------------------------------------- */

static void add(struct conf_list *list, const struct param *p,
                void (*run)(struct conf *c))
{
    kq_add(list, p->fp8 ? "kernels-fp8 moe" : "kernels-int8 moe", run, p,
           sizeof *p, "grouped_gemm_%s.%s.%s", p->fp8 ? "fp8" : "i8",
           conf_dtype_name(p->out), p->s.name);
}

static void add_more(struct conf_list *list, int fp8)
{
    static const struct moe_shape more[] = {
        { "extremes", 40, 4, 150, 260, MOE_RANDOM, MOE_GATHER },
        { "extremes_rows", 8, 6, 150, 260, MOE_RANDOM, 0 },
        { "nobody", 40, 4, 20, 140, MOE_RANDOM, 0 },
        { "nobody_rows", 12, 8, 20, 140, MOE_RANDOM, 0 },
    };

    for (int i = 0; i < KX_COUNT(more); i++) {
        struct param p = { halF32, fp8, more[i] };

        add(list, &p, i < 2 ? run_extremes : run_rows_of_nobody);
    }
}

void kx_cases_moe_quant(struct conf_list *list)
{
    static const halDtype outs[] = { halF32, halBF16, halF16, halI32 };

    for (int fp8 = 1; fp8 >= 0; fp8--) {
        for (int d = 0; d < (fp8 ? 3 : 4); d++)
            for (int i = 0; i < KX_COUNT(shapes); i++) {
                struct param p = { outs[d], fp8, shapes[i] };

                if (d == 0 || p.s.flags & EVERY ||
                    (outs[d] == halI32 && p.s.rows <= KX_GRID))
                    add(list, &p, run_product);
            }
        add_more(list, fp8);
    }
}
