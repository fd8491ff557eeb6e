/* SPDX-License-Identifier: Apache-2.0 */
/* test_attention.c - attention against plain loops in double. */
#include "tests/kernels/ops_test.h"

struct attention {
    halDtype t, out;
    int64_t batch, n_q, kv, heads, kv_heads, qk, v;
    int causal, lens, lse;
};

/* buf: q, k, v, o, lse */
static void expect_attention(const struct attention *c,
                             const struct halopAttentionArgs *args,
                             const struct buf *buf, const int32_t *lens)
{
    const int64_t qs = args->q_seq_stride, ks = args->k_seq_stride;
    const int64_t vs = args->v_seq_stride, os = args->o_seq_stride;
    double *p = malloc(((size_t)c->kv + 1) * sizeof *p);

    for (int64_t b = 0; b < c->batch; b++)
        for (int64_t h = 0; h < c->heads; h++)
            for (int64_t i = 0; i < c->n_q; i++) {
                int64_t g = h / (c->heads / c->kv_heads), len = c->kv, lim;
                double m = -INFINITY, l = 0;

                if (c->lens)
                    len = lens[b] < c->kv ? lens[b] : c->kv;
                lim = c->causal ? len - c->n_q + i + 1 : len;
                lim = lim < 0 ? 0 : lim > len ? len : lim;
                for (int64_t j = 0; j < lim; j++) {
                    p[j] = 0;
                    for (int64_t d = 0; d < c->qk; d++)
                        p[j] +=
                            at(&buf[0], c->t,
                               (size_t)((b * c->n_q + i) * qs + h * c->qk +
                                        d)) *
                            at(&buf[1], c->t,
                               (size_t)((b * c->kv + j) * ks + g * c->qk + d));
                    p[j] *= args->scale;
                    m = fmax(m, p[j]);
                }
                for (int64_t j = 0; j < lim; j++)
                    l += p[j] = exp(p[j] - m);
                for (int64_t d = 0; d < c->v; d++) {
                    double s = 0;

                    for (int64_t j = 0; j < lim; j++)
                        s += p[j] / l *
                             at(&buf[2], c->t,
                                (size_t)((b * c->kv + j) * vs + g * c->v + d));
                    EXPECT(&buf[3], c->out,
                           (size_t)((b * c->n_q + i) * os + h * c->v + d), s,
                           4e-6, 4e-6);
                }
                if (c->lse)
                    EXPECT(&buf[4], halF32,
                           (size_t)((b * c->heads + h) * c->n_q + i),
                           lim ? m + log(l) : -INFINITY, 2e-6, 2e-6);
            }
    free(p);
}

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
    expect_attention(c, &args, (const struct buf[]){ q, k, v, o, lse },
                     host_lens);
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

/* q, k, v and o as columns of one matrix: the same o as from memory of its own,
 * and nothing else changes; o one column further left is refused. */
static void attention_columns(void **state)
{
    enum { N = 5, D = 4, Q = 0, K = 2 * D, V = 3 * D, O = 4 * D, ROW = 6 * D };
    struct buf x = buf_random(halF32, N * ROW, -2, 2, 0), was = x;
    struct buf o = buf_of(NULL, N * 2 * D * 4, 0);
    struct halopAttentionArgs args = {
        .dtype = halF32,
        .out = halF32,
        .o = o.mem,
        .q = x.mem + 4 * Q,
        .k = x.mem + 4 * K,
        .v = x.mem + 4 * V,
        .batch = 1,
        .n_q = N,
        .kv_max = N,
        .n_heads = 2,
        .n_kv_heads = 1,
        .qk_dim = D,
        .v_dim = D,
        .q_seq_stride = ROW,
        .q_head_stride = D,
        .k_seq_stride = ROW,
        .v_seq_stride = ROW,
        .o_seq_stride = 2 * D,
        .o_head_stride = D,
        .scale = 0.5f,
        .causal = 1,
    };

    (void)state;
    OK(halopAttention(&args, 0));
    FETCH(&o);
    args.o = x.mem + 4 * (O - 1);
    args.o_seq_stride = ROW;
    assert_int_equal(halopAttention(&args, 0), halErrorInvalidValue);
    assert_non_null(strstr(halGetErrorDetail(), "o overlaps v"));
    args.o = x.mem + 4 * O;
    OK(halopAttention(&args, 0));
    was.host = malloc(x.bytes + 2 * ZONE);
    memcpy(was.host, x.host, x.bytes + 2 * ZONE);
    FETCH(&x);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < ROW; j++)
            EXPECT(&x, halF32, i * ROW + j,
                   j < O ? at(&was, halF32, i * ROW + j)
                         : at(&o, halF32, i * 2 * D + j - O),
                   0, 0);
    free(was.host);
    buf_free(&x);
    buf_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_cases),
        cmocka_unit_test(attention_long),
        cmocka_unit_test(attention_columns),
    };

    return cmocka_run_group_tests_name("kernels.attention", tests, NULL, NULL);
}
