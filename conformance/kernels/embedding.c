/* SPDX-License-Identifier: Apache-2.0 */
/* embedding.c - kernel.embedding.*: rows of a table, bit for bit. */
#include <limits.h>
#include <math.h>

#include "conformance/kernels/cases.h"

struct shape {
    const char *name;
    int64_t n_tokens, vocab, dim;
    int odd;      /* elements off the alignment */
    int bad_ids;  /* every other id is outside the vocabulary */
    int specials; /* NaN, infinities, -0 and subnormals in the table */
};

struct param {
    halDtype dtype;
    struct shape s;
};

static const struct shape shapes[] = {
    { .name = "one", .n_tokens = 1, .vocab = 1, .dim = 1 },
    { .name = "primes", .n_tokens = 13, .vocab = 31, .dim = 37 },
    { .name = "dim15", .n_tokens = 3, .vocab = 5, .dim = 15 },
    { .name = "dim16", .n_tokens = 3, .vocab = 5, .dim = 16 },
    { .name = "dim17", .n_tokens = 3, .vocab = 5, .dim = 17 },
    { .name = "dim255", .n_tokens = 4, .vocab = 9, .dim = 255 },
    { .name = "dim256", .n_tokens = 4, .vocab = 9, .dim = 256 },
    { .name = "dim257", .n_tokens = 4, .vocab = 9, .dim = 257 },
    { .name = "model", .n_tokens = 2, .vocab = 16, .dim = 7168 },
    { .name = "vocab", .n_tokens = 9, .vocab = 129280, .dim = 64 },
    { .name = "dim70001", .n_tokens = 2, .vocab = 2, .dim = 70001 },
    { .name = "tokens70001", .n_tokens = 70001, .vocab = 3, .dim = 3 },
    { .name = "misaligned", .n_tokens = 5, .vocab = 7, .dim = 21, .odd = 1 },
    { .name = "bad_ids", .n_tokens = 24, .vocab = 9, .dim = 19, .bad_ids = 1 },
    { .name = "specials", .n_tokens = 9, .vocab = 5, .dim = 33, .specials = 1 },
};

static void run(struct conf *c)
{
    static const int32_t outside[] = { -1, INT_MIN, INT_MAX, 0x10000 };
    static const double special[] = { NAN,  INFINITY, -INFINITY,
                                      -0.0, 0x1p-24,  -65504.0 };
    const struct param *p = conf_param(c);
    const struct shape *s = &p->s;
    int32_t *ids = conf_host(c, (size_t)s->n_tokens * sizeof *ids);
    double *want = kx_doubles(c, s->n_tokens * s->dim);
    double *val = kx_doubles(c, s->vocab * s->dim);
    struct kx_tensor table, out;
    struct conf_buf dev_ids;

    for (int64_t i = 0; i < s->vocab * s->dim; i++)
        val[i] = s->specials && i % 3 == 0
                     ? special[(size_t)(i / 3) % KX_COUNT(special)]
                     : conf_normal(c);
    for (int64_t t = 0; t < s->n_tokens; t++) {
        ids[t] = (int32_t)(conf_random(c) % (uint64_t)s->vocab);
        if (s->bad_ids && t % 2)
            ids[t] = t == 1 ? (int32_t)s->vocab : outside[t / 2 % 4];
    }
    table = kx_input(c, p->dtype, val, s->vocab * s->dim, s->odd);
    out = kx_output(c, p->dtype, s->n_tokens * s->dim, s->odd);
    dev_ids = conf_upload(c, ids, (size_t)s->n_tokens * sizeof *ids,
                          (size_t)s->odd * sizeof *ids);

    CONF_OK(c, halopEmbedding(p->dtype, out.buf.mem, table.buf.mem, dev_ids.mem,
                              s->n_tokens, s->vocab, s->dim, NULL));
    oracle_embedding(want, table.val, ids, s->n_tokens, s->vocab, s->dim);
    kx_expect_exact(c, "out", &out, want);
    kx_intact(c, &table);
    conf_check_zones(c, &dev_ids);
}

void kx_cases_embedding(struct conf_list *list)
{
    for (int d = 0; d < KX_COUNT(kx_floats); d++)
        for (int i = 0; i < KX_COUNT(shapes); i++) {
            struct param p = { kx_floats[d], shapes[i] };

            kx_add(list, p.dtype, i == 1 ? " core" : "", run, &p, sizeof p,
                   "embedding.%s.%s", conf_dtype_name(p.dtype), p.s.name);
        }
}
