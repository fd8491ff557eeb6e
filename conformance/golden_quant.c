/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden_quant.c - operations of packs on quantised tensors: conversions, FP8,
 * INT8, GGUF, AWQ and GPTQ.  Codes are taken bit for bit from the pack.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/golden_quant.h"
#include "conformance/oracles/moe.h"
#include "conformance/oracles/quant.h"

struct gt gq_load(struct golden_run *r, const struct golden_value *v,
                  halDtype dtype)
{
    struct gt t = { .dtype = dtype, .rank = v->t->rank, .n = v->t->count };
    size_t bytes = conf_dtype_bytes(dtype);
    char error[GOLDEN_ERROR];
    const void *data;

    if (v->t->type->bytes != (int)bytes)
        golden_cannot(r, "\"%s\" is %s, which is no %s", v->name,
                      v->t->type->name, conf_dtype_name(dtype));
    data = golden_file_data(r->g->file, v->t, error);
    if (!data)
        conf_end(r->c, CONF_ERROR, "%s %s", r->g->file->path, error);
    memcpy(t.shape, v->t->shape, sizeof t.shape);
    t.buf = conf_upload(r->c, data, (size_t)t.n * bytes, 0);
    return t;
}

double *gq_decoded(struct golden_run *r, const struct golden_value *v,
                   halDtype dtype)
{
    double *out = conf_host(r->c, (size_t)(v->t->count + 1) * sizeof *out);
    char error[GOLDEN_ERROR];
    const void *data = golden_file_data(r->g->file, v->t, error);

    if (!data)
        conf_end(r->c, CONF_ERROR, "%s %s", r->g->file->path, error);
    for (int64_t i = 0; i < v->t->count; i++)
        out[i] = conf_decode(dtype, data, i);
    return out;
}

void gq_judge_codes(struct golden_run *r, const struct golden_value *v,
                    const struct gt *t)
{
    golden_judge_codes(r, v, t, gq_decoded(r, v, t->dtype));
}

/* ---- conversions ------------------------------------------------------- */

static const char *format_of(struct golden_run *r, const char *attr)
{
    const cJSON *v = golden_attr(r, attr);

    return cJSON_IsString(v) ? v->valuestring : "?";
}

static int dtype_named(const char *name, halDtype *out)
{
    static const struct {
        const char *name;
        halDtype dtype;
    } formats[] = {
        { "f32", halF32 },       { "f16", halF16 },     { "bf16", halBF16 },
        { "f8e4m3fn", halE4M3 }, { "f8e5m2", halE5M2 }, { "i8", halI8 },
        { "u8", halU8 },
    };

    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (strcmp(name, formats[i].name) == 0) {
            *out = formats[i].dtype;
            return 1;
        }
    return 0;
}

/* Power-of-two scales, which are no dtype of their own. */
static int convert_scales(struct golden_run *r, const char *from,
                          const char *to)
{
    struct gt x, y;

    if (strcmp(from, "f8e8m0") == 0 && strcmp(to, "f32") == 0) {
        x = gq_load(r, golden_input(r, "code"), halU8);
        y = gt_new(r, halF32, x.rank, x.shape);
        CONF_OK(r->c, halopScaleFromE8M0(y.buf.mem, x.buf.mem, x.n, NULL));
        golden_judge_exact(r, golden_output(r, "y"), &y);
        return 1;
    }
    if (strcmp(from, "f32") == 0 && strcmp(to, "ue8m0") == 0) {
        x = gt_load(r, golden_input(r, "x"));
        y = gt_new(r, halU8, x.rank, x.shape);
        CONF_OK(r->c, halopScaleToE8M0(y.buf.mem, x.buf.mem, x.n, NULL));
        gq_judge_codes(r, golden_output(r, "code"), &y);
        return 1;
    }
    return 0;
}

/* The output under any of the names that conversions give it. */
static const struct golden_value *converted(struct golden_run *r)
{
    static const char *const names[] = { "y", "code", "rne" };

    for (int i = 0; i < 3; i++) {
        const struct golden_value *v = golden_output_or_null(r, names[i]);

        if (v)
            return v;
    }
    golden_cannot(r, "the case has no output \"y\", \"code\" or \"rne\"");
}

static void run_convert(struct golden_run *r)
{
    const char *from = format_of(r, "from"), *to = format_of(r, "to");
    const struct golden_value *code = golden_input_or_null(r, "code");
    halDtype source, target;
    struct gt x, y;

    if (convert_scales(r, from, to))
        return;
    if (!dtype_named(from, &source) || !dtype_named(to, &target))
        golden_cannot(r, "no kernel converts %.20s to %.20s", from, to);
    if (golden_number(r, "saturate", 1) == 0)
        golden_cannot(r, "casts to fp8 saturate (kernels/ops.h)");
    x = gq_load(r, code ? code : golden_input(r, "x"), source);
    y = gt_cast(r, &x, target);
    gq_judge_codes(r, converted(r), &y);
}

/* ---- fp8 --------------------------------------------------------------- */

/* Codes may differ by a step where x / scale lies beside a tie (golden's
 * README); the pack bounds their number. */
static void judge_near_codes(struct golden_run *r, const struct golden_value *v,
                             const struct gt *t)
{
    double *want = gq_decoded(r, v, t->dtype);
    const uint8_t *got = gt_fetch(r, t);
    uint8_t code;
    int64_t differ = 0;

    if (v->t->count != t->n)
        golden_cannot(r, "output \"%s\" has another size", v->name);
    for (int64_t i = 0; i < t->n; i++) {
        conf_encode(t->dtype, &code, 0, want[i]);
        if (code == got[i] || (isnan(want[i]) && (got[i] & 0x7F) == 0x7F))
            continue;
        conf_check(r->c, abs((int)code - (int)got[i]) == 1,
                   "%s[%lld]: got code %02x, want %02x", v->name, (long long)i,
                   got[i], code);
        differ++;
    }
    conf_check(r->c, differ <= t->n / 1000, "%s: %lld of %lld codes differ",
               v->name, (long long)differ, (long long)t->n);
}

static int power_of_two(struct golden_run *r)
{
    return strcmp(format_of(r, "scale_fmt"), "ue8m0") == 0;
}

static void run_act_quant(struct golden_run *r)
{
    struct gt x = gt_load(r, golden_input(r, "x")), q, s;
    const struct golden_value *code = golden_output_or_null(r, "scale_code");
    const struct golden_value *scale = golden_output(r, "scale");
    struct golden_slack slack = { .terms = 4 };

    if (x.rank != 2 || golden_number(r, "group", 128) != 128)
        golden_cannot(r, "want a matrix and groups of 128");
    const int64_t shape[2] = { x.shape[0], (x.shape[1] + 127) / 128 };
    q = gt_new(r, halE4M3, 2, x.shape);
    s = gt_new(r, halF32, 2, shape);
    CONF_OK(r->c,
            halopQuantiseFp8(x.dtype, q.buf.mem, s.buf.mem,
                             power_of_two(r) ? halopScalePow2 : halopScaleF32,
                             x.buf.mem, x.shape[0], x.shape[1], NULL));
    if (power_of_two(r))
        golden_judge_exact(r, scale, &s);
    else
        golden_judge_values(r, scale, &s, golden_doubles(r, scale), &slack);
    judge_near_codes(r, golden_output(r, "q"), &q);
    if (!code)
        return;
    s = gt_new(r, halU8, 2, shape);
    CONF_OK(r->c,
            halopQuantiseFp8(x.dtype, q.buf.mem, s.buf.mem, halopScaleE8M0,
                             x.buf.mem, x.shape[0], x.shape[1], NULL));
    gq_judge_codes(r, code, &s);
}

/* As run_act_quant(), of a product that the pack has in double. */
static void run_silu_mul_quant(struct golden_run *r)
{
    struct gt gate = gt_load(r, golden_input(r, "gate"));
    struct gt up = gt_load(r, golden_input(r, "up")), q, s;
    const struct golden_value *scale = golden_output(r, "scale");
    struct golden_slack slack = { .terms = 24 };

    if (gate.rank != 2 || up.rank != 2 || gate.shape[0] != up.shape[0] ||
        gate.shape[1] != up.shape[1] || gate.dtype != up.dtype ||
        golden_number(r, "group", 128) != 128)
        golden_cannot(r, "want two equal matrices and groups of 128");
    const int64_t shape[2] = { gate.shape[0], (gate.shape[1] + 127) / 128 };
    q = gt_new(r, halE4M3, 2, gate.shape);
    s = gt_new(r, halF32, 2, shape);
    CONF_OK(r->c, halopSwiGLUQuantiseFp8(gate.dtype, q.buf.mem, s.buf.mem,
                                         power_of_two(r) ? halopScalePow2
                                                         : halopScaleF32,
                                         gate.buf.mem, up.buf.mem,
                                         gate.shape[0], gate.shape[1], NULL));
    if (power_of_two(r))
        golden_judge_exact(r, scale, &s);
    else
        golden_judge_values(r, scale, &s, golden_doubles(r, scale), &slack);
    judge_near_codes(r, golden_output(r, "q"), &q);
}

static void run_weight_dequant(struct golden_run *r)
{
    struct gt w = gq_load(r, golden_input(r, "w"), halE4M3);
    struct gt s = gt_load_f32(r, golden_input(r, "scale_inv")), y;
    static const struct {
        const char *name;
        halDtype dtype;
    } outs[] = { { "w_f32", halF32 }, { "w_bf16", halBF16 } };

    if (w.rank != 2 ||
        s.n != (w.shape[0] + 127) / 128 * ((w.shape[1] + 127) / 128))
        golden_cannot(r, "want a matrix and a scale for each 128 x 128");
    for (int i = 0; i < 2; i++) {
        const struct golden_value *v = golden_output_or_null(r, outs[i].name);

        if (!v)
            continue;
        y = gt_new(r, outs[i].dtype, 2, w.shape);
        CONF_OK(r->c,
                halopDequantiseFp8(outs[i].dtype, y.buf.mem, w.buf.mem,
                                   s.buf.mem, w.shape[0], w.shape[1], NULL));
        golden_judge_exact(r, v, &y);
    }
}

static void run_gemm_fp8(struct golden_run *r)
{
    struct gt x = gq_load(r, golden_input(r, "x_q"), halE4M3);
    struct gt w = gq_load(r, golden_input(r, "w_q"), halE4M3);
    struct gt xs = gt_load_f32(r, golden_input(r, "x_scale"));
    struct gt ws = gt_load_f32(r, golden_input(r, "w_scale_inv")), y;

    if (x.rank != 2 || w.rank != 2 || x.shape[1] != w.shape[1])
        golden_cannot(r, "x and w do not share their last dimension");
    int64_t m = x.shape[0], n = w.shape[0], k = x.shape[1];
    int64_t blocks = (k + 127) / 128;
    const int64_t shape[2] = { m, n };
    double *mag = conf_host(r->c, (size_t)(m * n + 1) * sizeof *mag);
    double *sum = conf_host(r->c, (size_t)(m * n + 1) * sizeof *sum);
    struct golden_slack slack = { .mag = mag, .sum = 11 + sqrt((double)k) };

    if (xs.n != m * blocks || ws.n != (n + 127) / 128 * blocks)
        golden_cannot(r, "scales of another shape");
    oracle_fp8_gemm(sum, mag, golden_doubles(r, golden_input(r, "x_q")),
                    golden_doubles(r, golden_input(r, "x_scale")),
                    golden_doubles(r, golden_input(r, "w_q")),
                    golden_doubles(r, golden_input(r, "w_scale_inv")), NULL, m,
                    n, k);
    for (int form = 0; form < 4; form++) { /* f32, bf16 by GEMM and GEMV */
        struct halopGemmFp8Args a = {
            .out = form & 1 ? halBF16 : halF32,
            .x = x.buf.mem,
            .x_scale = xs.buf.mem,
            .w = w.buf.mem,
            .w_scale = ws.buf.mem,
            .m = m,
            .n = n,
            .k = k,
        };

        y = gt_new(r, a.out, 2, shape);
        a.y = y.buf.mem;
        CONF_OK(r->c, (form & 2 ? halopGemvFp8 : halopGemmFp8)(&a, NULL));
        golden_judge(r, golden_output(r, "y"), &y, &slack);
    }
}

static void run_grouped_fp8(struct golden_run *r)
{
    struct gt x = gq_load(r, golden_input(r, "x_q"), halE4M3);
    struct gt w = gq_load(r, golden_input(r, "w_q"), halE4M3);
    struct gt xs = gt_load_f32(r, golden_input(r, "x_scale"));
    struct gt ws = gt_load_f32(r, golden_input(r, "w_scale_inv"));
    struct gt offsets = gt_load_i32(r, golden_input(r, "offsets")), y;

    if (x.rank != 2 || w.rank != 3 || x.shape[1] != w.shape[2] ||
        offsets.n != w.shape[0] + 1)
        golden_cannot(r, "want x [rows, k], w [experts, n, k] and offsets");
    int64_t rows = x.shape[0], experts = w.shape[0], n = w.shape[1];
    int64_t k = x.shape[1], blocks = (k + 127) / 128;
    int64_t scales = (n + 127) / 128 * blocks;
    const int64_t shape[2] = { rows, n };
    double *mag = conf_host(r->c, (size_t)(rows * n + 1) * sizeof *mag);
    double *sum = conf_host(r->c, (size_t)(rows * n + 1) * sizeof *sum);
    struct golden_slack slack = { .mag = mag, .sum = 11 + sqrt((double)k) };
    struct oracle_grouped_quant q = {
        .g = { .y = sum,
               .mag = mag,
               .x = golden_doubles(r, golden_input(r, "x_q")),
               .w = golden_doubles(r, golden_input(r, "w_q")),
               .offsets = gt_fetch(r, &offsets),
               .rows = rows,
               .x_rows = rows,
               .experts = experts,
               .n = n,
               .k = k,
               .w_stride = n * k },
        .x_scale = golden_doubles(r, golden_input(r, "x_scale")),
        .w_scale = golden_doubles(r, golden_input(r, "w_scale_inv")),
        .s_stride = scales,
    };

    if (xs.n != rows * blocks || ws.n != experts * scales)
        golden_cannot(r, "scales of another shape");
    oracle_grouped_fp8(&q);
    for (int form = 0; form < 2; form++) {
        struct halopGroupedGemmFp8Args a = {
            .out = form ? halBF16 : halF32,
            .x = x.buf.mem,
            .x_scale = xs.buf.mem,
            .w = w.buf.mem,
            .w_scale = ws.buf.mem,
            .offsets = offsets.buf.mem,
            .rows = rows,
            .x_rows = rows,
            .n_experts = experts,
            .n = n,
            .k = k,
            .w_expert_stride = n * k,
            .w_scale_expert_stride = scales,
        };

        y = gt_new(r, a.out, 2, shape);
        a.y = y.buf.mem;
        CONF_OK(r->c, halopGroupedGemmFp8(&a, NULL));
        golden_judge(r, golden_output(r, "y"), &y, &slack);
    }
}

/* ---- int8 -------------------------------------------------------------- */

struct w8a8 {
    struct gt x, w;
    int64_t m, n, k;
};

static struct w8a8 load_w8a8(struct golden_run *r)
{
    struct w8a8 a = { .x = gq_load(r, golden_input(r, "x_q"), halI8),
                      .w = gq_load(r, golden_input(r, "w_q"), halI8) };

    if (a.x.rank != 2 || a.w.rank != 2 || a.x.shape[1] != a.w.shape[1])
        golden_cannot(r, "x and w do not share their last dimension");
    a.m = a.x.shape[0];
    a.n = a.w.shape[0];
    a.k = a.x.shape[1];
    return a;
}

/* The integer sums, exactly, and one output; by both kernels. */
static void judge_w8a8(struct golden_run *r, const struct w8a8 *s,
                       struct halopGemmI8Args a, const char *output)
{
    const struct golden_value *v = golden_output_or_null(r, output);
    const struct golden_value *acc = golden_output_or_null(r, "acc");
    const int64_t shape[2] = { s->m, s->n };
    struct golden_slack slack = { .terms = 6 };

    a.x = s->x.buf.mem;
    a.w = s->w.buf.mem;
    a.m = s->m;
    a.n = s->n;
    a.k = s->k;
    for (int gemv = 0; gemv < 2; gemv++) {
        halError_t (*op)(const struct halopGemmI8Args *, halStream_t) =
            gemv ? halopGemvI8 : halopGemmI8;
        struct halopGemmI8Args sums = a;
        struct gt y;

        if (acc) {
            y = gt_new(r, halI32, 2, shape);
            sums.out = halI32;
            sums.y = y.buf.mem;
            sums.x_scale = sums.w_scale = sums.bias = NULL;
            CONF_OK(r->c, op(&sums, NULL));
            golden_judge_exact(r, acc, &y);
        }
        if (!v)
            continue;
        y = gt_new(r, halF32, 2, shape);
        a.out = halF32;
        a.y = y.buf.mem;
        CONF_OK(r->c, op(&a, NULL));
        golden_judge_values(r, v, &y, golden_doubles(r, v), &slack);
    }
}

/* Codes that the library made, or one step beside at a tie. */
static void judge_int8_codes(struct golden_run *r, const struct golden_value *v,
                             const struct gt *t)
{
    double *want = golden_doubles(r, v);
    const int8_t *got = gt_fetch(r, t);
    int64_t differ = 0;

    if (v->t->count != t->n)
        golden_cannot(r, "input \"%s\" has another size than x", v->name);
    for (int64_t i = 0; i < t->n; i++) {
        conf_check(r->c, fabs(got[i] - want[i]) <= 1,
                   "%s[%lld]: got %d, want %g", v->name, (long long)i, got[i],
                   want[i]);
        differ += got[i] != want[i];
    }
    conf_check(r->c, differ <= t->n / 1000, "%s: %lld of %lld codes differ",
               v->name, (long long)differ, (long long)t->n);
}

static void run_w8a8_dynamic(struct golden_run *r)
{
    const struct golden_value *vs = golden_input(r, "x_scale");
    struct w8a8 s = load_w8a8(r);
    struct gt x = gt_load(r, golden_input(r, "x"));
    struct gt xs = gt_load_f32(r, vs);
    struct gt ws = gt_load_f32(r, golden_input(r, "w_scale"));
    struct gt bias = gt_load_f32(r, golden_input(r, "bias"));
    struct gt q = gt_new(r, halI8, 2, s.x.shape);
    struct gt scale = gt_new(r, halF32, 1, &s.m);
    struct halopGemmI8Args a = { .x_scale = xs.buf.mem, .w_scale = ws.buf.mem };
    struct golden_slack slack = { .terms = 4 };

    if (x.n != s.m * s.k || xs.n != s.m || ws.n != s.n || bias.n != s.n)
        golden_cannot(r, "shapes that do not fit");
    CONF_OK(r->c, halopQuantiseI8(x.dtype, q.buf.mem, scale.buf.mem, x.buf.mem,
                                  NULL, s.m, s.k, NULL));
    golden_judge_values(r, vs, &scale, golden_doubles(r, vs), &slack);
    judge_int8_codes(r, golden_input(r, "x_q"), &q);
    judge_w8a8(r, &s, a, "y");
    a.bias = bias.buf.mem;
    judge_w8a8(r, &s, a, "y_bias");
}

static void run_w8a8_static(struct golden_run *r)
{
    struct w8a8 s = load_w8a8(r);
    struct gt x = gt_load(r, golden_input(r, "x"));
    struct gt ib = gt_load_i32(r, golden_input(r, "quant_bias"));
    struct gt ds = gt_load_f32(r, golden_input(r, "deq_scale"));
    struct gt q = gt_new(r, halI8, 2, s.x.shape);
    struct halopGemmI8Args a = { .w_scale = ds.buf.mem,
                                 .int_bias = ib.buf.mem };

    if (x.n != s.m * s.k || ib.n != s.n || ds.n != s.n)
        golden_cannot(r, "shapes that do not fit");
    CONF_OK(r->c, halopQuantiseI8Static(
                      x.dtype, q.buf.mem, x.buf.mem,
                      (float)golden_number(r, "input_scale", 1),
                      (int)golden_number(r, "input_offset", 0), x.n, NULL));
    judge_int8_codes(r, golden_input(r, "x_q"), &q);
    judge_w8a8(r, &s, a, "y");
}

/* ---- GGUF -------------------------------------------------------------- */

static halopGguf gguf_type(struct golden_run *r)
{
    static const struct {
        const char *name;
        halopGguf type;
    } types[] = {
        { "Q4_0", halopGgufQ4_0 }, { "Q5_0", halopGgufQ5_0 },
        { "Q8_0", halopGgufQ8_0 }, { "Q4_K", halopGgufQ4_K },
        { "Q5_K", halopGgufQ5_K }, { "Q6_K", halopGgufQ6_K },
    };
    const char *name = format_of(r, "type");

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(name, types[i].name) == 0)
            return types[i].type;
    golden_cannot(r, "no kernel reads GGUF blocks of type %.20s", name);
}

static void run_gguf_dequant(struct golden_run *r)
{
    halopGguf type = gguf_type(r);
    struct gt w = gq_load(r, golden_input(r, "blocks"), halU8), y;
    const struct golden_value *v = golden_output(r, "y");
    double *want = golden_doubles(r, v);
    double *mag = conf_host(r->c, (size_t)(v->t->count + 1) * sizeof *mag);
    /* "exact or 1 ulp if terms are fused": of the difference's terms */
    struct golden_slack slack = { .terms = 3, .mag = mag, .sum = 4 };

    if (v->t->rank != 2 ||
        w.n != v->t->shape[0] * oracle_gguf_row_bytes(type, v->t->shape[1]))
        golden_cannot(r, "blocks and y of different sizes");
    for (int64_t i = 0; i < v->t->count; i++)
        mag[i] = isfinite(want[i]) ? fabs(want[i]) : 0;
    y = gt_new(r, halF32, 2, v->t->shape);
    CONF_OK(r->c, halopDequantiseGguf(type, halF32, y.buf.mem, w.buf.mem,
                                      y.shape[0], y.shape[1], NULL));
    golden_judge_values(r, v, &y, want, &slack);
}

static void run_gguf_gemm(struct golden_run *r)
{
    halopGguf type = gguf_type(r);
    const struct golden_value *vx = golden_input(r, "x");
    struct gt w = gq_load(r, golden_input(r, "w"), halU8), y;
    int64_t m, n, k;
    double *mag, *sum, *w_val;

    if (vx->t->rank != 2 || w.rank != 2)
        golden_cannot(r, "want matrices");
    m = vx->t->shape[0];
    k = vx->t->shape[1];
    n = w.shape[0];
    if (w.n != n * oracle_gguf_row_bytes(type, k))
        golden_cannot(r, "rows of w are no rows of k elements");
    mag = conf_host(r->c, (size_t)(m * n + 1) * sizeof *mag);
    sum = conf_host(r->c, (size_t)(m * n + 1) * sizeof *sum);
    w_val = conf_host(r->c, (size_t)(n * k + 1) * sizeof *w_val);
    oracle_gguf(type, w_val, gt_fetch(r, &w), n, k);
    oracle_gemm(sum, mag, golden_doubles(r, vx), w_val, NULL, m, n, k);
    for (int form = 0; form < 4; form++) { /* own and f32 x, GEMM and GEMV */
        struct gt x = form & 1 ? gt_load_f32(r, vx) : gt_load(r, vx);
        const int64_t shape[2] = { m, n };
        struct golden_slack slack = { .mag = mag, .sum = 24 + sqrt((double)k) };
        struct halopGemmGgufArgs a = { .type = type,
                                       .in = x.dtype,
                                       .out = x.dtype,
                                       .x = x.buf.mem,
                                       .w = w.buf.mem,
                                       .m = m,
                                       .n = n,
                                       .k = k };

        y = gt_new(r, x.dtype, 2, shape);
        a.y = y.buf.mem;
        CONF_OK(r->c, (form & 2 ? halopGemvGguf : halopGemmGguf)(&a, NULL));
        golden_judge(r, golden_output(r, "y"), &y, &slack);
    }
}

/* ---- int4 -------------------------------------------------------------- */

struct int4 {
    struct halopInt4Weights w;
    struct gt words, zeros, scales, idx;
};

static struct int4 load_int4(struct golden_run *r, halopInt4 layout,
                             const char *zeros)
{
    struct int4 t = {
        .words = gt_load_i32(r, golden_input(r, "qweight")),
        .zeros = gt_load_i32(r, golden_input(r, zeros)),
        .scales = gq_load(r, golden_input(r, "scales"), halF16),
    };
    int awq = layout == halopInt4Awq;

    if (t.words.rank != 2 || t.scales.rank != 2)
        golden_cannot(r, "want matrices");
    t.w = (struct halopInt4Weights){
        .layout = layout,
        .qweight = t.words.buf.mem,
        .qzeros = t.zeros.buf.mem,
        .scales = t.scales.buf.mem,
        .n = t.words.shape[1] * (awq ? 8 : 1),
        .k = t.words.shape[0] * (awq ? 1 : 8),
        .group_size = (int64_t)golden_number(r, "group_size", -1),
    };
    if (golden_input_or_null(r, "g_idx")) {
        t.idx = gt_load_i32(r, golden_input(r, "g_idx"));
        t.w.g_idx = t.idx.buf.mem;
    }
    if (t.scales.shape[1] != t.w.n || t.zeros.n * 8 != t.scales.n ||
        (t.w.g_idx && t.idx.n != t.w.k))
        golden_cannot(r, "shapes that do not fit");
    return t;
}

/* w exactly; y by both kernels, from x as it is and as f32. */
static void judge_int4(struct golden_run *r, halopInt4 layout,
                       const char *zeros)
{
    const struct golden_value *vw = golden_output(r, "w");
    const struct golden_value *vx = golden_input(r, "x");
    struct int4 t = load_int4(r, layout, zeros);
    int64_t n = t.w.n, k = t.w.k, m = k ? vx->t->count / k : 0;
    const int64_t stored[2] = { k, n }, shape[2] = { m, n };
    struct gt w = gt_new(r, halF32, 2, stored);
    double *mag = conf_host(r->c, (size_t)(m * n + 1) * sizeof *mag);
    double *sum = conf_host(r->c, (size_t)(m * n + 1) * sizeof *sum);
    double *rows = conf_host(r->c, (size_t)(n * k + 1) * sizeof *rows);
    double *w_val = golden_doubles(r, vw);
    struct golden_slack slack = { .mag = mag, .sum = 11 + sqrt((double)k) };

    if (vw->t->count != n * k || vx->t->count != m * k)
        golden_cannot(r, "shapes that do not fit");
    CONF_OK(r->c, halopDequantiseInt4(halF32, w.buf.mem, &t.w, NULL));
    golden_judge_exact(r, vw, &w);
    for (int64_t i = 0; i < n * k; i++)
        rows[i % n * k + i / n] = w_val[i];
    oracle_gemm(sum, mag, golden_doubles(r, vx), rows, NULL, m, n, k);
    for (int form = 0; form < 4; form++) {
        struct gt x = form & 1 ? gt_load_f32(r, vx) : gt_load(r, vx);
        struct gt y = gt_new(r, x.dtype, 2, shape);
        struct halopGemmInt4Args a = { .in = x.dtype,
                                       .out = x.dtype,
                                       .y = y.buf.mem,
                                       .x = x.buf.mem,
                                       .w = &t.w,
                                       .m = m };

        CONF_OK(r->c, (form & 2 ? halopGemvInt4 : halopGemmInt4)(&a, NULL));
        golden_judge_values(r, golden_output(r, "y"), &y,
                            golden_doubles(r, golden_output(r, "y")), &slack);
    }
}

static void run_gemm_awq(struct golden_run *r)
{
    judge_int4(r, halopInt4Awq, "qzeros");
}

static void run_gemm_gptq(struct golden_run *r)
{
    judge_int4(r, halopInt4Gptq, "qzeros");
    if (golden_number(r, "v2_valid", 0) != 0)
        judge_int4(r, halopInt4GptqV2, "qzeros_v2");
}

/* ---- the list ---------------------------------------------------------- */

const struct golden_op golden_ops_quant[] = {
    { "Convert", run_convert, NULL },
    { "ActQuantFP8", run_act_quant, NULL },
    { "SiluMulQuantFP8", run_silu_mul_quant, NULL },
    { "WeightDequantFP8", run_weight_dequant, NULL },
    { "GEMM_FP8", run_gemm_fp8, NULL },
    { "GroupedGEMM_FP8", run_grouped_fp8, NULL },
    { "GEMM_W8A8_dynamic", run_w8a8_dynamic, NULL },
    { "GEMM_W8A8_static", run_w8a8_static, NULL },
    { "DequantGGUF", run_gguf_dequant, NULL },
    { "GEMM_GGUF", run_gguf_gemm, NULL },
    { "GEMM_AWQ", run_gemm_awq, NULL },
    { "GEMM_GPTQ", run_gemm_gptq, NULL },
    { 0 },
};
