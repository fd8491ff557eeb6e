/* SPDX-License-Identifier: Apache-2.0 */
/* golden_paged.c - operations of packs on paged caches: the absorbed form of
 * latent attention, joining of parts, appending to slots. */
#include <math.h>

#include "conformance/golden_run.h"

/* k is the page's row, v its first d_v columns: one shared head. */
static void run_mla_decode(struct golden_run *r)
{
    const struct golden_value *table = golden_input(r, "block_table");
    const struct golden_value *lens = golden_input(r, "cache_seqlens");
    const struct golden_value *vq = golden_input(r, "q");
    const struct golden_value *vp = golden_input(r, "kv_pages");
    struct gt blocks = gt_load_i32(r, table), len = gt_load_i32(r, lens);
    int64_t dv = (int64_t)golden_number(r, "d_v", 0);

    /* In the pack's format to both outputs, then in f32. */
    for (int way = 0; way < 3; way++) {
        struct gt q = way == 2 ? gt_load_f32(r, vq) : gt_load(r, vq);
        struct gt pages = way == 2 ? gt_load_f32(r, vp) : gt_load(r, vp);
        /* Scores of 576 terms: what their sum |q k| may be shows in the
         * bound. */
        struct golden_slack slack;
        static const int by_head[3] = { 0, 2, 1 };

        if (q.rank != 4 || pages.rank != 3 || blocks.rank != 2 ||
            blocks.shape[0] != q.shape[0] || len.n != q.shape[0] ||
            pages.shape[2] != q.shape[3] || dv <= 0 || dv > q.shape[3])
            golden_cannot(r, "want q [b, sq, h, d], pages [n, page, d], a "
                             "block table [b, pages]");
        int64_t b = q.shape[0], sq = q.shape[1], h = q.shape[2];
        int64_t d = q.shape[3];
        const int64_t shape[4] = { b, sq, h, dv }, rows[3] = { b, sq, h };
        struct gt o = gt_new(r, way == 1 ? halF32 : q.dtype, 4, shape);
        struct gt lse = gt_new(r, halF32, 3, rows);
        struct halopPagedAttentionArgs args = {
            .dtype = q.dtype,
            .out = o.dtype,
            .o = o.buf.mem,
            .lse = lse.buf.mem,
            .q = q.buf.mem,
            .k = pages.buf.mem,
            .v = pages.buf.mem,
            .kv_lens = len.buf.mem,
            .block_table = blocks.buf.mem,
            .batch = b,
            .n_tokens = b * sq,
            .max_q = sq,
            .n_heads = h,
            .n_kv_heads = 1,
            .qk_dim = d,
            .v_dim = dv,
            .n_blocks = pages.shape[0],
            .block = pages.shape[1],
            .table_width = blocks.shape[1],
            .k_slot_stride = d,
            .v_slot_stride = d,
            .scale = (float)golden_number(r, "softmax_scale", 1),
            .causal = 1,
        };

        CONF_OK(r->c, halopPagedAttention(&args, NULL));
        slack = (struct golden_slack){ .terms = 64 + 8 * sqrt((double)d) };
        golden_judge(r, golden_output(r, "o"), &o, &slack);
        slack.abs = slack.terms * 0x1p-24;
        lse = gt_permute(r, &lse, by_head); /* the pack's is [b, h, sq] */
        golden_judge(r, golden_output(r, "lse"), &lse, &slack);
    }
}

static void run_combine(struct golden_run *r)
{
    struct gt parts = gt_load_f32(r, golden_input(r, "o_parts"));
    struct gt part_lse = gt_load_f32(r, golden_input(r, "lse_parts"));
    struct golden_slack slack = { .terms = 64 };
    struct gt o, lse;

    if (parts.rank != 3 || part_lse.rank != 2 ||
        part_lse.n != parts.shape[0] * parts.shape[1])
        golden_cannot(r, "want o_parts [parts, rows, d] and lse_parts");
    o = gt_new(r, halF32, 2, parts.shape + 1);
    lse = gt_new(r, halF32, 1, parts.shape + 1);
    CONF_OK(r->c,
            halopAttentionCombine(halF32, o.buf.mem, lse.buf.mem, parts.buf.mem,
                                  part_lse.buf.mem, parts.shape[0],
                                  parts.shape[1], parts.shape[2], NULL));
    golden_judge(r, golden_output(r, "o"), &o, &slack);
    slack.abs = slack.terms * 0x1p-24;
    golden_judge(r, golden_output(r, "lse"), &lse, &slack);
}

/* Append to a cache of 656 bytes a token, byte for byte, then one query. */
static void run_mla_fp8(struct golden_run *r)
{
    struct gt latent = gt_load(r, golden_input(r, "latent"));
    struct gt pe = gt_load(r, golden_input(r, "k_pe"));
    struct gt q = gt_load(r, golden_input(r, "q"));
    int64_t n = latent.shape[0], heads = q.shape[0];
    int64_t size[2] = { n, HALOP_MLA_FP8_BYTES }, out[2] = { heads, 512 };
    int32_t *host = conf_host(r->c, (size_t)(n + 1) * sizeof *host);
    struct golden_slack slack = { .terms = 64 + 8 * sqrt(576) };
    struct gt cache, o, lse;
    struct conf_buf slots, len, table;

    if (latent.rank != 2 || latent.shape[1] != 512 || pe.rank != 2 ||
        pe.shape[0] != n || pe.shape[1] != 64 || q.rank != 2 ||
        q.shape[1] != 576 || n < 1)
        golden_cannot(r, "want latent [s, 512], k_pe [s, 64], q [h, 576]");
    cache = gt_new(r, halU8, 2, size);
    for (int64_t i = 0; i < n; i++)
        host[i] = (int32_t)i;
    host[n] = (int32_t)n;
    slots = conf_upload(r->c, host, (size_t)n * 4, 0);
    table = conf_upload(r->c, host, 4, 0); /* the first and only block */
    len = conf_upload(r->c, host + n, 4, 0);
    struct halopMlaFp8AppendArgs append = {
        .dtype = latent.dtype,
        .cache = cache.buf.mem,
        .latent = latent.buf.mem,
        .pe = pe.buf.mem,
        .slots = slots.mem,
        .n_tokens = n,
        .n_slots = n,
        .token_stride = 512,
        .pe_stride = 64,
    };
    CONF_OK(r->c, halopMlaFp8Append(&append, NULL));
    golden_judge_exact(r, golden_output(r, "cache"), &cache);
    o = gt_new(r, halF32, 2, out);
    lse = gt_new(r, halF32, 1, &heads);
    struct halopMlaFp8Args args = {
        .dtype = q.dtype,
        .out = halF32,
        .o = o.buf.mem,
        .lse = lse.buf.mem,
        .q = q.buf.mem,
        .cache = cache.buf.mem,
        .kv_lens = len.mem,
        .block_table = table.mem,
        .batch = 1,
        .n_tokens = 1,
        .max_q = 1,
        .n_heads = heads,
        .n_blocks = 1,
        .block = n,
        .table_width = 1,
        .scale = (float)golden_number(r, "softmax_scale", 1),
        .causal = 1,
    };
    CONF_OK(r->c, halopMlaFp8Decode(&args, NULL));
    golden_judge(r, golden_output(r, "o"), &o, &slack);
    slack.abs = slack.terms * 0x1p-24;
    golden_judge(r, golden_output(r, "lse"), &lse, &slack);
}

const struct golden_op golden_ops_paged[] = {
    { "MLADecodeFP8KV", run_mla_fp8, NULL },
    { "MLADecode", run_mla_decode, NULL },
    { "SplitCombine", run_combine, NULL },
    { 0 },
};
