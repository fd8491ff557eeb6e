/* SPDX-License-Identifier: Apache-2.0 */
/* test_ops.c - the operators' results against plain loops in double. */
#include "tests/kernels/ops_test.h"

static const halDtype dtypes[] = { halF32, halBF16, halF16 };
#define EACH_DTYPE(t)                                                    \
    for (unsigned t##_i = 0, t = 0; t##_i < 3 && (t = dtypes[t##_i], 1); \
         t##_i++)

static const int64_t lengths[] = { 1, 2, 15, 16, 17, 64, 67, 1021 };
#define N_LENGTHS (sizeof lengths / sizeof lengths[0])

static void add_and_swiglu(void **state)
{
    (void)state;
    EACH_DTYPE(t) for (unsigned l = 0; l < N_LENGTHS; l++)
    {
        size_t n = (size_t)lengths[l], off = bytes_of(t) * (l % 3);
        struct buf a = buf_random(t, n, -9, 9, off);
        struct buf b = buf_random(t, n, -2, 2, bytes_of(t));
        struct buf y = buf_of(NULL, n * bytes_of(t), off);

        OK(halopAdd(t, y.mem, a.mem, b.mem, (int64_t)n, 0));
        FETCH(&y);
        for (size_t i = 0; i < n; i++)
            EXPECT(&y, t, i, at(&a, t, i) + at(&b, t, i), 6e-8, 0);
        OK(halopSwiGLU(t, y.mem, a.mem, b.mem, (int64_t)n, 0));
        FETCH(&y);
        for (size_t i = 0; i < n; i++)
            EXPECT(&y, t, i,
                   at(&a, t, i) / (1 + exp(-at(&a, t, i))) * at(&b, t, i), 1e-6,
                   1e-30);
        /* in place */
        OK(halopAdd(t, a.mem, a.mem, b.mem, (int64_t)n, 0));
        struct buf before = a;
        before.host = malloc(a.bytes + 2 * ZONE + a.misalign);
        memcpy(before.host, a.host, a.bytes + 2 * ZONE + a.misalign);
        FETCH(&a);
        for (size_t i = 0; i < n; i++)
            EXPECT(&a, t, i, at(&before, t, i) + at(&b, t, i), 6e-8, 0);
        free(before.host);
        buf_free(&a);
        buf_free(&b);
        buf_free(&y);
    }
}

static void swiglu_extremes(void **state)
{
    const float gate[] = { 0, -0.0f, 100, -100, 1e30f, -1e30f, NAN, -88, 88 };
    const float up[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    struct buf g = buf_of(gate, sizeof gate, 0), u = buf_of(up, sizeof up, 0);
    struct buf y = buf_of(NULL, sizeof gate, 0);

    (void)state;
    OK(halopSwiGLU(halF32, y.mem, g.mem, u.mem, 9, 0));
    FETCH(&y);
    for (size_t i = 0; i < 9; i++)
        EXPECT(&y, halF32, i, gate[i] / (1 + exp(-(double)gate[i])), 1e-6,
               1e-36);
    buf_free(&g);
    buf_free(&u);
    buf_free(&y);
}

static void softmax_rows(void **state)
{
    (void)state;
    EACH_DTYPE(t) for (unsigned l = 0; l < N_LENGTHS; l++)
    {
        const int64_t rows = 5, n = lengths[l];
        const float scale = l % 2 ? -0.7f : 1.3f;
        struct buf x =
            buf_random(t, (size_t)(rows * n), -20, 20, bytes_of(t) * (l % 2));
        struct buf y = buf_of(NULL, (size_t)(rows * n) * bytes_of(t), 0);

        OK(halopSoftmax(t, y.mem, x.mem, rows, n, scale, 0));
        FETCH(&y);
        for (int64_t r = 0; r < rows; r++) {
            double m = -INFINITY, s = 0;

            for (int64_t i = 0; i < n; i++)
                m = fmax(m, at(&x, t, (size_t)(r * n + i)) * scale);
            for (int64_t i = 0; i < n; i++)
                s += exp(at(&x, t, (size_t)(r * n + i)) * scale - m);
            for (int64_t i = 0; i < n; i++)
                EXPECT(&y, t, (size_t)(r * n + i),
                       exp(at(&x, t, (size_t)(r * n + i)) * scale - m) / s,
                       /* 40 * 2^-24 of the exponent, and exp itself */
                       5e-6, 1e-37);
        }
        buf_free(&x);
        buf_free(&y);
    }
}

static void softmax_special(void **state)
{
    enum { N = 37, ROWS = 7 };
    static float x[ROWS][N], want[ROWS][N];
    struct buf xb, yb;

    (void)state;
    for (int i = 0; i < N; i++) {
        x[0][i] = -INFINITY; /* all masked: zeros */
        x[1][i] = 3e38f;
        want[1][i] = 1.0f / N;
        x[2][i] = i == 20 ? NAN : 1.0f;
        want[2][i] = NAN;
        x[3][i] = i == 36 ? INFINITY : 1.0f;
        want[3][i] = NAN;
        x[4][i] = i == 17 ? 0.5f : -INFINITY;
        want[4][i] = i == 17;
        x[5][i] = i == 3 ? NAN : -INFINITY;
        want[5][i] = NAN;
        x[6][i] = i == 0 ? 3e38f : -3e38f;
        want[6][i] = i == 0;
    }
    xb = buf_of(x, sizeof x, 4);
    yb = buf_of(NULL, sizeof x, 4);
    OK(halopSoftmax(halF32, yb.mem, xb.mem, ROWS, N, 1.0f, 0));
    FETCH(&yb);
    for (size_t i = 0; i < (size_t)ROWS * N; i++)
        EXPECT(&yb, halF32, i, (&want[0][0])[i], 1e-6, 0);
    buf_free(&xb);
    buf_free(&yb);
}

static void rmsnorm_rows(void **state)
{
    (void)state;
    EACH_DTYPE(t) for (unsigned l = 0; l < N_LENGTHS; l++)
    {
        const int64_t rows = 3, n = lengths[l];
        const size_t all = (size_t)(rows * n), off = bytes_of(t) * (l % 2);
        struct buf x = buf_random(t, all, -3, 3, off);
        struct buf res = buf_random(t, all, -3, 3, 0);
        struct buf w = buf_random(t, (size_t)n, -2, 2, off);
        struct buf y = buf_of(NULL, all * bytes_of(t), off);
        struct buf sum = buf_of(NULL, all * bytes_of(t), 0);

        for (int with_add = 0; with_add < 2; with_add++) {
            if (with_add)
                OK(halopAddRmsNorm(t, y.mem, sum.mem, x.mem, res.mem, w.mem,
                                   rows, n, 1e-5f, 0));
            else
                OK(halopRmsNorm(t, y.mem, x.mem, w.mem, rows, n, 1e-5f, 0));
            FETCH(&y);
            FETCH(&sum);
            for (int64_t r = 0; r < rows; r++) {
                const struct buf *v = with_add ? &sum : &x;
                double ss = 0;

                for (int64_t i = 0; i < n; i++) {
                    size_t e = (size_t)(r * n + i);

                    if (with_add)
                        EXPECT(&sum, t, e, at(&x, t, e) + at(&res, t, e), 6e-8,
                               1e-30);
                    ss += at(v, t, e) * at(v, t, e);
                }
                for (int64_t i = 0; i < n; i++) {
                    size_t e = (size_t)(r * n + i);

                    EXPECT(&y, t, e,
                           at(v, t, e) / sqrt(ss / (double)n + 1e-5f) *
                               at(&w, t, (size_t)i),
                           2e-6, 1e-30);
                }
            }
        }
        buf_free(&x);
        buf_free(&res);
        buf_free(&w);
        buf_free(&y);
        buf_free(&sum);
    }
}

/* Rows whose squares overflow or vanish, and rows of specials. */
static void rmsnorm_special(void **state)
{
    enum { N = 40, ROWS = 7 };
    static float x[ROWS][N], w[N];
    struct buf xb, wb, yb;

    (void)state;
    for (int i = 0; i < N; i++) {
        float v = (float)(i % 7 - 3);

        w[i] = 1.5f;
        x[0][i] = 0;
        x[1][i] = v * 1e38f;
        x[2][i] = v * 1e-25f;
        x[3][i] = i == 5 ? NAN : v;
        x[4][i] = i == 5 ? INFINITY : v;
        x[5][i] = i == 5 ? 1e19f : 0;
        x[6][i] = -0.0f;
    }
    xb = buf_of(x, sizeof x, 0);
    wb = buf_of(w, sizeof w, 0);
    yb = buf_of(NULL, sizeof x, 0);
    for (int k = 0; k < 2; k++) {
        const float eps = k ? 1e-6f : 1e-30f;

        OK(halopRmsNorm(halF32, yb.mem, xb.mem, wb.mem, ROWS, N, eps, 0));
        FETCH(&yb);
        for (int r = 0; r < ROWS; r++) {
            double ss = 0;

            for (int i = 0; i < N; i++)
                ss += (double)x[r][i] * x[r][i];
            for (int i = 0; i < N; i++)
                EXPECT(&yb, halF32, (size_t)(r * N + i),
                       x[r][i] / sqrt(ss / N + eps) * w[i], 2e-6, 1e-36);
        }
    }
    buf_free(&xb);
    buf_free(&wb);
    buf_free(&yb);
}

static void rope_layouts(void **state)
{
    (void)state;
    EACH_DTYPE(t) for (int layout = 0; layout < 2; layout++)
    {
        enum { T = 5, H = 3, D = 26, P = 9, HS = 29, TS = 101 };
        const int32_t pos[T] = { 0, 8, 3, -4, 100 };
        const size_t n = (T - 1) * TS + (H - 1) * HS + D;
        struct buf x = buf_random(t, n, -2, 2, bytes_of(t));
        struct buf c = buf_random(halF32, P * D / 2, -1, 1, 4);
        struct buf s = buf_random(halF32, P * D / 2, -1, 1, 0);
        struct buf p = buf_of(pos, sizeof pos, 0);
        struct buf old = x;
        const struct halopRopeArgs args = {
            .dtype = t,
            .layout = (halopRopeLayout)layout,
            .x = x.mem,
            .cos = (const float *)c.mem,
            .sin = (const float *)s.mem,
            .positions = (const int32_t *)p.mem,
            .n_tokens = T,
            .n_heads = H,
            .dim = D,
            .n_positions = P,
            .token_stride = TS,
            .head_stride = HS,
        };
        static char touched[(T - 1) * TS + (H - 1) * HS + D];

        old.host = malloc(x.bytes + 2 * ZONE + x.misalign);
        memcpy(old.host, x.host, x.bytes + 2 * ZONE + x.misalign);
        memset(touched, 0, sizeof touched);
        OK(halopRope(&args, 0));
        FETCH(&x);
        for (int k = 0; k < T; k++)
            for (int h = 0; h < H; h++)
                for (int j = 0; j < D / 2; j++) {
                    size_t b = (size_t)(k * TS + h * HS);
                    size_t i0 = b + (size_t)(layout ? j : 2 * j);
                    size_t i1 = b + (size_t)(layout ? j + D / 2 : 2 * j + 1);
                    int q = pos[k] < 0 ? 0 : pos[k] >= P ? P - 1 : pos[k];
                    double cv = at(&c, halF32, (size_t)(q * D / 2 + j));
                    double sv = at(&s, halF32, (size_t)(q * D / 2 + j));
                    double a = at(&old, t, i0), d = at(&old, t, i1);

                    EXPECT(&x, t, i0, a * cv - d * sv, 1e-6, 1e-6);
                    EXPECT(&x, t, i1, a * sv + d * cv, 1e-6, 1e-6);
                    touched[i0] = touched[i1] = 1;
                }
        for (size_t i = 0; i < n; i++)
            if (!touched[i])
                EXPECT(&x, t, i, at(&old, t, i), 0, 0);
        free(old.host);
        buf_free(&x);
        buf_free(&c);
        buf_free(&s);
        buf_free(&p);
    }
}

static void gemm_case(halDtype t, halDtype out, int64_t m, int64_t n, int64_t k,
                      int with_bias, int gemv, size_t off)
{
    struct buf x = buf_random(t, (size_t)(m * k), -1, 1, off * bytes_of(t));
    struct buf w = buf_random(t, (size_t)(n * k), -1, 1, 0);
    struct buf bias = buf_random(t, (size_t)n, -1, 1, off * bytes_of(t));
    struct buf y =
        buf_of(NULL, (size_t)(m * n) * bytes_of(out), off * bytes_of(out));

    OK((gemv ? halopGemv : halopGemm)(t, out, y.mem, x.mem, w.mem,
                                      with_bias ? bias.mem : NULL, m, n, k, 0));
    FETCH(&y);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double s = 0, mag = 0;

            for (int64_t d = 0; d < k; d++) {
                double p = at(&x, t, (size_t)(i * k + d)) *
                           at(&w, t, (size_t)(j * k + d));
                s += p;
                mag += fabs(p);
            }
            s += with_bias ? at(&bias, t, (size_t)j) : 0;
            EXPECT(&y, out, (size_t)(i * n + j), s, 1e-6, mag * 3e-7);
        }
    buf_free(&x);
    buf_free(&w);
    buf_free(&bias);
    buf_free(&y);
}

static void gemm_shapes(void **state)
{
    static const int64_t shapes[][3] = {
        { 1, 1, 1 },     { 1, 67, 33 },  { 2, 5, 16 },     { 3, 31, 17 },
        { 5, 64, 129 },  { 13, 33, 47 }, { 64, 64, 64 },   { 65, 129, 31 },
        { 100, 101, 7 }, { 4, 3, 1031 }, { 197, 61, 300 }, { 3, 4, 0 },
    };

    (void)state;
    for (unsigned s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
        EACH_DTYPE(t) for (int f = 0; f < 2; f++)
        {
            halDtype out = f ? halF32 : (halDtype)t;

            gemm_case(t, out, shapes[s][0], shapes[s][1], shapes[s][2],
                      (int)(s + (unsigned)f) % 2, 0, s % 2);
            if (shapes[s][0] < 20)
                gemm_case(t, out, shapes[s][0], shapes[s][1], shapes[s][2], f,
                          1, (s + 1) % 2);
        }
}

struct attention {
    halDtype t, out;
    int64_t batch, n_q, kv, heads, kv_heads, qk, v;
    int causal, lens, lse;
};

static void attention_case(const struct attention *c)
{
    const int64_t ks = c->kv_heads * c->qk + 3, vs = c->kv_heads * c->v + 1;
    const int64_t qs = c->heads * c->qk + 5, os = c->heads * c->v;
    const size_t rows = (size_t)(c->batch * c->heads * c->n_q);
    struct buf q = buf_random(c->t, (size_t)(c->batch * c->n_q * qs), -2, 2,
                              bytes_of(c->t));
    struct buf k = buf_random(c->t, (size_t)(c->batch * c->kv * ks), -2, 2, 0);
    struct buf v = buf_random(c->t, (size_t)(c->batch * c->kv * vs), -2, 2,
                              bytes_of(c->t));
    struct buf o =
        buf_of(NULL, (size_t)(c->batch * c->n_q * os) * bytes_of(c->out), 0);
    struct buf lse = buf_of(NULL, rows * 4, 0);
    int32_t host_lens[8];
    struct buf lens;
    double *p = malloc(((size_t)c->kv + 1) * sizeof *p);

    for (int b = 0; b < 8; b++)
        host_lens[b] = (int32_t)(b == 1 ? 0 : c->kv - b * c->kv / 3 + b % 2);
    lens = buf_of(host_lens, sizeof host_lens, 0);
    const struct halopAttentionArgs args = {
        .dtype = c->t,
        .out = c->out,
        .o = o.mem,
        .lse = c->lse ? (float *)lse.mem : NULL,
        .q = q.mem,
        .k = k.mem,
        .v = v.mem,
        .kv_lens = c->lens ? (const int32_t *)lens.mem : NULL,
        .batch = c->batch,
        .n_q = c->n_q,
        .kv_max = c->kv,
        .n_heads = c->heads,
        .n_kv_heads = c->kv_heads,
        .qk_dim = c->qk,
        .v_dim = c->v,
        .q_batch_stride = c->n_q * qs,
        .q_seq_stride = qs,
        .q_head_stride = c->qk,
        .k_batch_stride = c->kv * ks,
        .k_seq_stride = ks,
        .k_head_stride = c->qk,
        .v_batch_stride = c->kv * vs,
        .v_seq_stride = vs,
        .v_head_stride = c->v,
        .o_batch_stride = c->n_q * os,
        .o_seq_stride = os,
        .o_head_stride = c->v,
        .scale = 0.7f / sqrtf((float)c->qk),
        .causal = c->causal,
    };

    OK(halopAttention(&args, 0));
    FETCH(&o);
    FETCH(&lse);
    for (int64_t b = 0; b < c->batch; b++)
        for (int64_t h = 0; h < c->heads; h++)
            for (int64_t i = 0; i < c->n_q; i++) {
                int64_t g = h / (c->heads / c->kv_heads), len = c->kv, lim;
                double m = -INFINITY, l = 0;

                if (c->lens)
                    len = host_lens[b] < c->kv ? host_lens[b] : c->kv;
                lim = c->causal ? len - c->n_q + i + 1 : len;
                lim = lim < 0 ? 0 : lim > len ? len : lim;
                for (int64_t j = 0; j < lim; j++) {
                    p[j] = 0;
                    for (int64_t d = 0; d < c->qk; d++)
                        p[j] +=
                            at(&q, c->t,
                               (size_t)((b * c->n_q + i) * qs + h * c->qk +
                                        d)) *
                            at(&k, c->t,
                               (size_t)((b * c->kv + j) * ks + g * c->qk + d));
                    p[j] *= args.scale;
                    m = fmax(m, p[j]);
                }
                for (int64_t j = 0; j < lim; j++)
                    l += p[j] = exp(p[j] - m);
                for (int64_t d = 0; d < c->v; d++) {
                    double s = 0;

                    for (int64_t j = 0; j < lim; j++)
                        s += p[j] / l *
                             at(&v, c->t,
                                (size_t)((b * c->kv + j) * vs + g * c->v + d));
                    EXPECT(&o, c->out,
                           (size_t)((b * c->n_q + i) * os + h * c->v + d), s,
                           4e-6, 4e-6);
                }
                if (c->lse)
                    EXPECT(&lse, halF32,
                           (size_t)((b * c->heads + h) * c->n_q + i),
                           lim ? m + log(l) : -INFINITY, 2e-6, 2e-6);
            }
    free(p);
    buf_free(&q);
    buf_free(&k);
    buf_free(&v);
    buf_free(&o);
    buf_free(&lse);
    buf_free(&lens);
}

static void attention_cases(void **state)
{
    static const struct attention cases[] = {
        { halF32, halF32, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1 },
        { halF32, halF32, 2, 7, 7, 4, 2, 16, 16, 1, 0, 1 },
        { halF32, halF32, 3, 1, 70, 8, 2, 33, 17, 1, 1, 1 },
        { halBF16, halBF16, 2, 5, 131, 6, 3, 64, 64, 1, 1, 1 },
        { halBF16, halF32, 1, 3, 65, 4, 4, 192, 128, 0, 0, 0 },
        { halF16, halF16, 3, 2, 40, 3, 1, 20, 36, 1, 1, 1 },
        { halF16, halF32, 1, 9, 5, 2, 1, 8, 8, 1, 0, 1 },
        { halBF16, halBF16, 1, 1, 90, 5, 1, 576, 512, 0, 0, 1 },
        { halF32, halF32, 1, 1, 1500, 1, 1, 8, 24, 1, 0, 1 },
        { halBF16, halBF16, 3, 1, 1100, 2, 1, 16, 8, 0, 1, 1 },
        { halF32, halF32, 2, 3, 0, 2, 1, 8, 8, 0, 0, 1 },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        print_message("attention case %u\n", i);
        attention_case(&cases[i]);
    }
}

/* Long contexts: split over parts, and beyond any loop limit of a driver. */
static void attention_long(void **state)
{
    static const struct attention c = { halBF16, halBF16, 1,  1, 20000, 2,
                                        1,       64,      64, 0, 0,     1 };

    (void)state;
    attention_case(&c);
}

static void argmax_rows(void **state)
{
    (void)state;
    EACH_DTYPE(t) for (unsigned l = 0; l < N_LENGTHS; l++)
    {
        const int64_t rows = 6, n = lengths[l];
        struct buf x = buf_random(t, (size_t)(rows * n), -4, -1, 0);
        struct buf y = buf_of(NULL, (size_t)rows * 4, 0);
        char *host = x.host + ZONE;

        for (int64_t i = 0; i < n; i++) {
            encode(t, host, (size_t)(1 * n + i), 2.0); /* all equal */
            encode(t, host, (size_t)(2 * n + i), -INFINITY);
            encode(t, host, (size_t)(3 * n + i), i % 2 ? 0.0 : -0.0);
            if (i == n / 2)
                encode(t, host, (size_t)(4 * n + i), NAN);
            if (i >= n / 3)
                encode(t, host, (size_t)(5 * n + i), 7.0);
        }
        OK(halMemcpy(x.base, x.host, x.bytes + 2 * ZONE,
                     halMemcpyHostToDevice));
        OK(halopArgmax(t, (int32_t *)y.mem, x.mem, rows, n, 0));
        FETCH(&y);
        for (int64_t r = 0; r < rows; r++) {
            int64_t best = 0;

            for (int64_t i = 1; i < n; i++) {
                double v = at(&x, t, (size_t)(r * n + i));
                double b = at(&x, t, (size_t)(r * n + best));

                if (!isnan(b) && (isnan(v) || v > b))
                    best = i;
            }
            assert_int_equal(((int32_t *)(y.host + ZONE))[r], best);
        }
        buf_free(&x);
        buf_free(&y);
    }
}

static void embedding_rows(void **state)
{
    enum { V = 11, D = 37, T = 6 };
    const int32_t ids[T] = { 0, 10, 3, -1, 11, 3 };

    (void)state;
    EACH_DTYPE(t)
    {
        struct buf table = buf_random(t, V * D, -5, 5, bytes_of(t));
        struct buf i = buf_of(ids, sizeof ids, 0);
        struct buf y = buf_of(NULL, T * D * bytes_of(t), bytes_of(t));

        OK(halopEmbedding(t, y.mem, table.mem, (const int32_t *)i.mem, T, V, D,
                          0));
        FETCH(&y);
        for (int k = 0; k < T; k++)
            for (int d = 0; d < D; d++)
                EXPECT(&y, t, (size_t)(k * D + d),
                       ids[k] < 0 || ids[k] >= V
                           ? 0
                           : at(&table, t, (size_t)(ids[k] * D + d)),
                       0, 0);
        buf_free(&table);
        buf_free(&i);
        buf_free(&y);
    }
}

/* Every bf16 and f16 to f32 and back; and roundings at and beside each tie. */
static void cast_all(void **state)
{
    enum { N = 65536 };
    uint16_t *small = malloc(N * 2);
    float *wide = malloc(3 * N * 4);

    (void)state;
    for (int i = 0; i < N; i++)
        small[i] = (uint16_t)i;
    for (int f16 = 0; f16 < 2; f16++) {
        halDtype t = f16 ? halF16 : halBF16;
        struct buf s = buf_of(small, N * 2, 2);
        struct buf x = buf_of(NULL, N * 4, 4);
        struct buf back = buf_of(NULL, N * 2, 0);
        struct buf ties, narrow;

        OK(halopCast(halF32, x.mem, t, s.mem, N, 0));
        OK(halopCast(t, back.mem, halF32, x.mem, N, 0));
        FETCH(&x);
        FETCH(&back);
        for (size_t i = 0; i < N; i++) {
            double want = decode(t, small, i);
            uint32_t u;

            EXPECT(&x, halF32, i, want, 0, 0);
            if (!isnan(want))
                assert_int_equal(((uint16_t *)(back.host + ZONE))[i], i);
            else
                assert_true(isnan(decode(t, back.host + ZONE, i)));
            /* halfway to the next number, and one step beside */
            memcpy(&u, x.host + ZONE + 4 + 4 * i, 4);
            u += f16 ? 0x1000u : 0x8000u;
            wide[3 * i] = f32_of(u - 1);
            wide[3 * i + 1] = f32_of(u);
            wide[3 * i + 2] = f32_of(u + 1);
        }
        ties = buf_of(wide, 3 * N * 4, 0);
        narrow = buf_of(NULL, 3 * N * 2, 2);
        OK(halopCast(t, narrow.mem, halF32, ties.mem, 3 * N, 0));
        FETCH(&narrow);
        for (size_t i = 0; i < 3 * N; i++) {
            uint16_t want, got = ((uint16_t *)(narrow.host + ZONE + 2))[i];

            if (isnan(wide[i])) {
                assert_true(isnan(decode(t, &got, 0)));
                continue;
            }
            encode(t, &want, 0, wide[i]);
            if (want != got)
                fail_msg("%a became %04x, not %04x", wide[i], got, want);
        }
        buf_free(&s);
        buf_free(&x);
        buf_free(&back);
        buf_free(&ties);
        buf_free(&narrow);
    }
    free(small);
    free(wide);
}

static void cast_between_halves(void **state)
{
    enum { N = 65536 };
    uint16_t *small = malloc(N * 2);

    (void)state;
    for (int i = 0; i < N; i++)
        small[i] = (uint16_t)i;
    for (int f16 = 0; f16 < 2; f16++) {
        halDtype from = f16 ? halF16 : halBF16, to = f16 ? halBF16 : halF16;
        struct buf s = buf_of(small, N * 2, 0);
        struct buf y = buf_of(NULL, N * 2, 2);

        OK(halopCast(to, y.mem, from, s.mem, N, 0));
        FETCH(&y);
        for (size_t i = 0; i < N; i++) {
            double v = decode(from, small, i);
            uint16_t want, got = ((uint16_t *)(y.host + ZONE + 2))[i];

            encode(to, &want, 0, v);
            if (isnan(v))
                assert_true(isnan(decode(to, &got, 0)));
            else if (want != got)
                fail_msg("%a became %04x, not %04x", v, got, want);
        }
        buf_free(&s);
        buf_free(&y);
    }
    free(small);
}

static void copy_strided(void **state)
{
    static const int64_t dims[4] = { 2, 3, 5, 7 };
    static const int64_t plans[][8] = {
        /* y strides, x strides */
        { 105, 35, 7, 1, 105, 35, 7, 1 },
        { 105, 35, 7, 1, 1, 2, 6, 30 },      /* transposes */
        { 120, 40, 8, 1, 0, 0, 0, 1 },       /* broadcast */
        { 300, 90, 15, 2, 105, -35, 7, -1 }, /* reversed */
        { -105, 35, -7, 1, 105, 35, 7, 1 },
    };

    (void)state;
    for (int bytes = 1; bytes <= 8; bytes *= 2)
        for (unsigned p = 0; p < sizeof plans / sizeof plans[0]; p++) {
            const int64_t *ys = plans[p], *xs = plans[p] + 4;
            enum { N = 900 };
            static unsigned char src[N * 8];
            struct buf x, y;
            int64_t y0 = 0, x0 = 0;
            unsigned char *got, *want;

            for (size_t i = 0; i < sizeof src; i++)
                src[i] = (unsigned char)next_random();
            for (int i = 0; i < 4; i++) {
                y0 -= ys[i] < 0 ? ys[i] * (dims[i] - 1) : 0;
                x0 -= xs[i] < 0 ? xs[i] * (dims[i] - 1) : 0;
            }
            x = buf_of(src, (size_t)(N * bytes), (size_t)bytes);
            y = buf_of(NULL, (size_t)(N * bytes), 0);
            want = malloc((size_t)(N * bytes));
            memset(want, 0xA5, (size_t)(N * bytes));
            OK(halopCopyStrided(bytes, y.mem + y0 * bytes, ys,
                                x.mem + x0 * bytes, xs, dims, 0));
            FETCH(&y);
            for (int64_t i = 0; i < 2 * 3 * 5 * 7; i++) {
                int64_t d = i % 7, c = i / 7 % 5, b = i / 35 % 3, a = i / 105;

                memcpy(
                    want +
                        (y0 + a * ys[0] + b * ys[1] + c * ys[2] + d * ys[3]) *
                            bytes,
                    src + (x0 + a * xs[0] + b * xs[1] + c * xs[2] + d * xs[3]) *
                              bytes,
                    (size_t)bytes);
            }
            got = (unsigned char *)y.host + ZONE;
            assert_memory_equal(got, want, (size_t)(N * bytes));
            free(want);
            buf_free(&x);
            buf_free(&y);
        }
}

/* The stock module comes back after a reset. */
static void survives_reset(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buf a = buf_random(halF32, 100, -1, 1, 0);
        struct buf y = buf_of(NULL, 400, 0);

        OK(halopAdd(halF32, y.mem, a.mem, a.mem, 100, 0));
        FETCH(&y);
        for (size_t k = 0; k < 100; k++)
            EXPECT(&y, halF32, k, 2 * at(&a, halF32, k), 0, 0);
        free(a.host);
        free(y.host);
        OK(halDeviceReset());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_and_swiglu),
        cmocka_unit_test(swiglu_extremes),
        cmocka_unit_test(softmax_rows),
        cmocka_unit_test(softmax_special),
        cmocka_unit_test(rmsnorm_rows),
        cmocka_unit_test(rmsnorm_special),
        cmocka_unit_test(rope_layouts),
        cmocka_unit_test(gemm_shapes),
        cmocka_unit_test(attention_cases),
        cmocka_unit_test(attention_long),
        cmocka_unit_test(argmax_rows),
        cmocka_unit_test(embedding_rows),
        cmocka_unit_test(cast_all),
        cmocka_unit_test(cast_between_halves),
        cmocka_unit_test(copy_strided),
        cmocka_unit_test(survives_reset),
    };

    return cmocka_run_group_tests_name("kernels.ops", tests, NULL, NULL);
}
