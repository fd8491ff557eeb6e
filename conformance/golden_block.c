/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_block.c - cases made of several operators: rope tables, attention
 * blocks of Llama, Qwen and DeepSeek with their caches, the MTP input.
 */
#include <math.h>
#include <string.h>

#include "conformance/golden_attention.h"

static double number_in(const cJSON *o, const char *name, double absent)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

    return cJSON_IsNumber(v) ? v->valuedouble : absent;
}

/* Sizes of the case: whole, and small enough to multiply. */
static int64_t size_of(struct golden_run *r, const char *name, int64_t max)
{
    double v = golden_number(r, name, -1);

    if (!(v >= 1 && v <= (double)max) || v != floor(v))
        golden_cannot(r, "attrs.%s is missing or no whole number", name);
    return (int64_t)v;
}

static struct halopRopeConfig config_of(struct golden_run *r, const cJSON *o,
                                        int dim)
{
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(o, "rope_type");
    const char *name = cJSON_IsString(type) ? type->valuestring : "?";
    struct halopRopeConfig c = {
        .scaling = halopRopePlain,
        .dim = dim,
        .theta = number_in(o, "rope_theta", 1e4),
        .factor = number_in(o, "factor", 1),
        .original_max_position =
            number_in(o, "original_max_position_embeddings", 0),
        .beta_fast = number_in(o, "beta_fast", 32),
        .beta_slow = number_in(o, "beta_slow", 1),
        .mscale = number_in(o, "mscale", 0),
        .mscale_all_dim = number_in(o, "mscale_all_dim", 0),
        .low_freq_factor = number_in(o, "low_freq_factor", 1),
        .high_freq_factor = number_in(o, "high_freq_factor", 4),
    };

    if (strcmp(name, "yarn") == 0)
        c.scaling = halopRopeYarn;
    else if (strcmp(name, "llama3") == 0)
        c.scaling = halopRopeLlama3;
    else if (strcmp(name, "default") != 0)
        golden_cannot(r, "rope_type \"%.40s\"", name);
    return c;
}

/* ---- tables ------------------------------------------------------------ */

/* Frequencies to the last bits of a double; tables once rounded, but for the
 * rounding of the angle in double. */
static void check_tables(struct golden_run *r,
                         const struct halopRopeConfig *config)
{
    const struct golden_value *positions = golden_input(r, "positions");
    int half = config->dim / 2;
    const struct golden_value *vc = golden_output(r, "cos_f64");
    const struct golden_value *vs = golden_output(r, "sin_f64");
    double *want_cos = golden_doubles(r, vc), *want_sin = golden_doubles(r, vs);
    float *cos_t = conf_host(r->c, (size_t)half * sizeof *cos_t);
    float *sin_t = conf_host(r->c, (size_t)half * sizeof *sin_t);

    if (vc->t->count != positions->t->count * half ||
        vs->t->count != vc->t->count)
        golden_cannot(r, "tables of another shape");
    for (int64_t p = 0; p < positions->t->count; p++) {
        int64_t at = golden_int(r, positions, p);

        CONF_OK(r->c, halopRopeTable(config, at, 1, cos_t, sin_t));
        for (int i = 0; i < half; i++) {
            double c = want_cos[p * half + i], s = want_sin[p * half + i];
            double slack = 0x1.01p-24 * fmax(1, fabs(c) + fabs(s)) +
                           fabs((double)at) * 1e-13;

            conf_check(
                r->c,
                fabs(cos_t[i] - c) <= slack && fabs(sin_t[i] - s) <= slack,
                "position %lld, pair %d: want %.9g %.9g, got %.9g "
                "%.9g",
                (long long)at, i, c, s, (double)cos_t[i], (double)sin_t[i]);
        }
    }
}

void golden_run_rope_table(struct golden_run *r)
{
    int dim = (int)size_of(r, "dim", 4096);
    struct halopRopeConfig config = config_of(r, r->g->attrs, dim);
    const struct golden_value *v = golden_output(r, "inv_freq_f64");
    double *want = golden_doubles(r, v), factor = 0;
    double *got = conf_host(r->c, (size_t)dim * sizeof *got);
    double wanted = golden_number(r, "attention_scaling", 1);
    double scale = golden_number(r, "softmax_scale", 0);
    float got_scale = 0;

    if (dim % 2 || v->t->count != dim / 2)
        golden_cannot(r, "inv_freq of another size than dim / 2");
    CONF_OK(r->c, halopRopeFrequencies(&config, got, &factor));
    for (int i = 0; i < dim / 2; i++)
        conf_check(r->c, fabs(got[i] - want[i]) <= 1e-12 * want[i],
                   "inv_freq[%d]: want %.17g, got %.17g", i, want[i], got[i]);
    conf_check(r->c, fabs(factor - wanted) <= 1e-9 * wanted,
               "attention_scaling: want %.12g, got %.12g", wanted, factor);
    check_tables(r, &config);
    if (scale == 0)
        return;
    CONF_OK(r->c, halopRopeSoftmaxScale(&config,
                                        (int)size_of(r, "qk_head_dim", 65536),
                                        &got_scale));
    conf_check(r->c, fabs(got_scale - scale) <= 1e-7 * scale,
               "softmax_scale: want %.9g, got %.9g", scale, (double)got_scale);
}

/* ---- shared by the blocks ---------------------------------------------- */

/* Heads [b, t, h, of which `dim` from `offset` rotate] in place; `width` is a
 * head's length.  Positions start at 0 in every sequence. */
static void rotate(struct golden_run *r, halopRopeLayout layout, struct gt *x,
                   int64_t offset, int64_t dim)
{
    int64_t b = x->shape[0], t = x->shape[1], h = x->shape[2];
    int64_t width = x->shape[3], half = dim / 2;
    struct halopRopeConfig config = config_of(
        r, cJSON_GetObjectItemCaseSensitive(r->g->attrs, "rope"), (int)dim);
    float *cos_t = conf_host(r->c, (size_t)(t * half) * 4);
    float *sin_t = conf_host(r->c, (size_t)(t * half) * 4);
    int32_t *positions = conf_host(r->c, (size_t)(b * t) * 4);
    struct conf_buf dc, ds, dp;

    CONF_OK(r->c, halopRopeTable(&config, 0, t, cos_t, sin_t));
    for (int64_t i = 0; i < b * t; i++)
        positions[i] = (int32_t)(i % t);
    dc = conf_upload(r->c, cos_t, (size_t)(t * half) * 4, 0);
    ds = conf_upload(r->c, sin_t, (size_t)(t * half) * 4, 0);
    dp = conf_upload(r->c, positions, (size_t)(b * t) * 4, 0);
    struct halopRopeArgs args = {
        .dtype = x->dtype,
        .layout = layout,
        .x = gt_at(x, offset),
        .cos = dc.mem,
        .sin = ds.mem,
        .positions = dp.mem,
        .n_tokens = b * t,
        .n_heads = h,
        .dim = dim,
        .n_positions = t,
        .token_stride = h * width,
        .head_stride = width,
    };
    CONF_OK(r->c, halopRope(&args, NULL));
}

static struct gt norm(struct golden_run *r, const struct gt *x,
                      const struct gt *weight, double eps)
{
    struct gt y = gt_new(r, halF32, x->rank, x->shape);

    CONF_OK(r->c, halopRmsNorm(halF32, y.buf.mem, x->buf.mem, weight->buf.mem,
                               x->n / weight->n, weight->n, (float)eps, NULL));
    return y;
}

/* x [.., k] times an input matrix, seen as [b, t, heads, width]. */
static struct gt project(struct golden_run *r, const struct gt *x,
                         const char *w_name, const char *bias_name, int64_t b,
                         int64_t t, int64_t heads, int64_t width)
{
    struct gt w = gt_load_f32(r, golden_input(r, w_name)), bias, y;
    const struct golden_value *v =
        bias_name ? golden_input_or_null(r, bias_name) : NULL;
    const int64_t shape[4] = { b, t, heads, width };

    if (w.rank != 2 || w.shape[0] != heads * width || w.shape[1] == 0 ||
        w.shape[1] * b * t != x->n)
        golden_cannot(r, "%s has another shape than the attributes say",
                      w_name);
    if (v)
        bias = gt_load_f32(r, v);
    if (v && bias.n != w.shape[0])
        golden_cannot(r, "%s has another shape than %s", bias_name, w_name);
    const int64_t flat[2] = { b * t, w.shape[1] };
    struct gt rows = gt_view(*x, 0, 2, flat);
    y = gt_gemm(r, halF32, &rows, &w, v ? &bias : NULL);
    return gt_view(y, 0, 4, shape);
}

/* Successive calls through the cache, as attrs.calls has them: each sees the
 * keys up to its own end.  q, k, v [b, h, t, d] -> o [b, t, h, dv]. */
static struct gt attend(struct golden_run *r, const struct gt *q,
                        const struct gt *k, const struct gt *v, double scale)
{
    const cJSON *calls = golden_attr(r, "calls"), *call;
    int64_t b = q->shape[0], h = q->shape[1], t = q->shape[2];
    int64_t d = q->shape[3], dv = v->shape[3], start = 0;
    const int64_t shape[4] = { b, t, h, dv };
    struct gt o = gt_new(r, halF32, 4, shape);
    int64_t from[4], to[4];

    cJSON_ArrayForEach(call, calls)
    {
        uint64_t n;

        if (golden_whole(call, (uint64_t)(t - start), &n) || n == 0)
            golden_cannot(r, "attrs.calls do not add up to the tokens");
        const int64_t part[4] = { b, h, (int64_t)n, d };
        const int64_t back[4] = { b, h, (int64_t)n, dv };
        int32_t *lens = conf_host(r->c, (size_t)b * 4);
        struct attention a = {
            .k = *k, .v = *v, .scale = scale, .causal = 1, .kv_lens = lens
        };
        struct gt got;

        for (int64_t i = 0; i < b; i++)
            lens[i] = (int32_t)(start + (int64_t)n);
        a.q = gt_new(r, halF32, 4, part);
        gt_strides(q, from);
        gt_strides(&a.q, to);
        gt_move(r, &a.q, 0, to, q, start * d, from, 4, part);
        got = attention_fused(r, &a, halF32, NULL);
        const int64_t into[4] = { t * h * dv, dv, h * dv, 1 };
        gt_strides(&got, from);
        gt_move(r, &o, start * h * dv, into, &got, 0, from, 4, back);
        start += (int64_t)n;
    }
    if (start != t)
        golden_cannot(r, "attrs.calls do not add up to the tokens");
    return o;
}

static const int heads_first[4] = { 0, 2, 1, 3 };

/* ---- Llama, Qwen ------------------------------------------------------- */

static struct gt heads_of(struct golden_run *r, const struct gt *x,
                          const char *w, const char *bias, const char *norm_w,
                          int64_t heads, int64_t dim)
{
    struct gt y = project(r, x, w, bias, x->shape[0], x->shape[1], heads, dim);
    const struct golden_value *v =
        norm_w ? golden_input_or_null(r, norm_w) : NULL;

    if (v) {
        struct gt weight = gt_load_f32(r, v);

        if (weight.n != dim)
            golden_cannot(r, "%s is not as long as a head", norm_w);
        y = norm(r, &y, &weight, golden_number(r, "rms_norm_eps", 1e-6));
    }
    if (norm_w) /* queries and keys */
        rotate(r, halopRopeHalf, &y, 0, dim);
    return gt_permute(r, &y, heads_first);
}

void golden_run_gqa_block(struct golden_run *r)
{
    struct gt x = gt_load_f32(r, golden_input(r, "x")), q, k, v, o, y;
    int64_t heads = size_of(r, "heads", 4096);
    int64_t kv_heads = size_of(r, "kv_heads", heads);
    int64_t dim = size_of(r, "head_dim", 576);

    if (x.rank != 3 || heads % kv_heads)
        golden_cannot(r, "want x [b, t, hidden] and heads that divide");
    q = heads_of(r, &x, "q_proj", "q_proj_bias", "q_norm", heads, dim);
    k = heads_of(r, &x, "k_proj", "k_proj_bias", "k_norm", kv_heads, dim);
    v = heads_of(r, &x, "v_proj", "v_proj_bias", NULL, kv_heads, dim);
    o = attend(r, &q, &k, &v, golden_number(r, "scale", 1 / sqrt((double)dim)));
    y = project(r, &o, "o_proj", NULL, x.shape[0], x.shape[1], 1, x.shape[2]);
    golden_judge(r, golden_output(r, "k_cache"), &k, NULL);
    golden_judge(r, golden_output(r, "v_cache"), &v, NULL);
    golden_judge(r, golden_output(r, "y"), &y, NULL);
}

/* ---- DeepSeek ---------------------------------------------------------- */

/* Columns [first, first + n) of the last dimension of x [b, t, h, w]. */
static struct gt columns(struct golden_run *r, const struct gt *x,
                         int64_t first, int64_t n)
{
    const int64_t shape[4] = { x->shape[0], x->shape[1], x->shape[2], n };
    struct gt y = gt_new(r, halF32, 4, shape);
    int64_t from[4], to[4];

    gt_strides(x, from);
    gt_strides(&y, to);
    gt_move(r, &y, 0, to, x, first, from, 4, shape);
    return y;
}

/* k [b, t, h, nope + rope] of the up-projection's first columns and the one
 * rotated key that all heads share. */
static struct gt keys_of(struct golden_run *r, const struct gt *kv,
                         const struct gt *pe, int64_t nope)
{
    int64_t b = kv->shape[0], t = kv->shape[1], h = kv->shape[2];
    int64_t rope = pe->shape[3], width = nope + rope;
    const int64_t shape[4] = { b, t, h, width }, left[4] = { b, t, h, nope };
    const int64_t right[4] = { b, t, h, rope };
    const int64_t shared[4] = { t * rope, rope, 0, 1 };
    struct gt k = gt_new(r, halF32, 4, shape);
    int64_t from[4], to[4];

    gt_strides(kv, from);
    gt_strides(&k, to);
    gt_move(r, &k, 0, to, kv, 0, from, 4, left);
    gt_move(r, &k, nope, to, pe, 0, shared, 4, right);
    return k;
}

void golden_run_mla(struct golden_run *r)
{
    struct gt x = gt_load_f32(r, golden_input(r, "x")), q, kva, c, pe, kv, k;
    int64_t heads = size_of(r, "heads", 4096);
    int64_t nope = size_of(r, "qk_nope_head_dim", 512);
    int64_t rope = size_of(r, "qk_rope_head_dim", 512);
    int64_t dv = size_of(r, "v_head_dim", 576);
    int64_t rank = size_of(r, "kv_lora_rank", 1 << 16);
    double eps = golden_number(r, "norm_eps", 1e-6);
    struct gt kv_norm = gt_load_f32(r, golden_input(r, "kv_a_layernorm"));
    struct gt v, o, y;

    if (x.rank != 3 || kv_norm.n != rank)
        golden_cannot(r, "want x [b, t, hidden], a norm of the latent");
    int64_t b = x.shape[0], t = x.shape[1];
    if (golden_input_or_null(r, "q_a_proj")) {
        struct gt q_norm = gt_load_f32(r, golden_input(r, "q_a_layernorm"));

        q = project(r, &x, "q_a_proj", NULL, b, t, 1, q_norm.n);
        q = norm(r, &q, &q_norm, eps);
        q = project(r, &q, "q_b_proj", NULL, b, t, heads, nope + rope);
    } else {
        q = project(r, &x, "q_proj", NULL, b, t, heads, nope + rope);
    }
    kva = project(r, &x, "kv_a_proj_with_mqa", NULL, b, t, 1, rank + rope);
    c = columns(r, &kva, 0, rank);
    c = norm(r, &c, &kv_norm, eps);
    pe = columns(r, &kva, rank, rope);
    rotate(r, halopRopeInterleaved, &pe, 0, rope);
    rotate(r, halopRopeInterleaved, &q, nope, rope);
    kv = project(r, &c, "kv_b_proj", NULL, b, t, heads, nope + dv);
    k = keys_of(r, &kv, &pe, nope);
    v = columns(r, &kv, nope, dv);
    q = gt_permute(r, &q, heads_first);
    k = gt_permute(r, &k, heads_first);
    v = gt_permute(r, &v, heads_first);
    o = attend(r, &q, &k, &v, golden_number(r, "softmax_scale", 1));
    y = project(r, &o, "o_proj", NULL, b, t, 1, x.shape[2]);
    golden_judge(r, golden_output(r, "latent"), &c, NULL);
    golden_judge(r, golden_output(r, "k_pe"), &pe, NULL);
    golden_judge(r, golden_output(r, "y"), &y, NULL);
}

/* [norm(embedding), norm(hidden)] times eh_proj. */
void golden_run_mtp_input(struct golden_run *r)
{
    struct gt e = gt_load_f32(r, golden_input(r, "embedding"));
    struct gt h = gt_load_f32(r, golden_input(r, "hidden"));
    struct gt we = gt_load_f32(r, golden_input(r, "enorm"));
    struct gt wh = gt_load_f32(r, golden_input(r, "hnorm"));
    struct gt w = gt_load_f32(r, golden_input(r, "eh_proj")), joined, y;
    struct golden_slack slack = { .terms = 40 };
    int64_t shape[2];

    if (e.rank != 2 || h.rank != 2 || w.rank != 2 || h.n != e.n ||
        h.shape[0] != e.shape[0] || we.n != e.shape[1] || wh.n != e.shape[1] ||
        w.shape[1] != 2 * e.shape[1])
        golden_cannot(r, "shapes that do not fit");
    shape[0] = e.shape[0];
    shape[1] = 2 * e.shape[1];
    joined = gt_new(r, halF32, 2, shape);
    CONF_OK(r->c,
            halopMtpCombine(halF32, joined.buf.mem, e.buf.mem, h.buf.mem,
                            we.buf.mem, wh.buf.mem, NULL, shape[0], e.shape[1],
                            (float)golden_number(r, "eps", 1e-6), NULL));
    y = gt_gemm(r, halF32, &joined, &w, NULL);
    golden_judge(r, golden_output(r, "concat"), &joined, &slack);
    golden_judge(r, golden_output(r, "y"), &y, &slack);
}
