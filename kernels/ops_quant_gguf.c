/* SPDX-License-Identifier: Apache-2.0 */
/* ops_quant_gguf.c - weights in GGUF blocks, as files hold them. */
#include "kernels/ops_quant_internal.h"

struct format {
    const char *name; /* as kernels have it */
    int64_t elems, bytes;
};

/* By ggml's number of the type. */
static const struct format formats[] = {
    [halopGgufQ4_0] = { "_q4_0", 32, 18 },
    [halopGgufQ5_0] = { "_q5_0", 32, 22 },
    [halopGgufQ8_0] = { "_q8_0", 32, 34 },
    [halopGgufQ4_K] = { "_q4_k", 256, 144 },
    [halopGgufQ5_K] = { "_q5_k", 256, 176 },
    [halopGgufQ6_K] = { "_q6_k", 256, 210 },
};

static halError_t check_type(const char *op, halopGguf type, int64_t k,
                             const struct format **out_format)
{
    if ((unsigned)type >= sizeof formats / sizeof formats[0] ||
        !formats[type].name)
        return ops_fail(op, halErrorNotSupported,
                        "type is %d; it must be Q4_0, Q5_0, Q8_0, Q4_K, Q5_K "
                        "or Q6_K",
                        (int)type);
    *out_format = &formats[type];
    if (k % formats[type].elems)
        return ops_fail(op, halErrorInvalidValue,
                        "k is %lld; rows of %s are multiples of %lld",
                        (long long)k, formats[type].name + 1,
                        (long long)formats[type].elems);
    return halSuccess;
}

/* Kernels count w's bytes with 32 bits, and so does its tensor: a block may
 * outgrow its elements. */
static uint64_t bytes_of(const struct format *format, int64_t n, int64_t k)
{
    return ops_count(n, k / format->elems * format->bytes);
}

halError_t halopDequantiseGguf(halopGguf type, halDtype out, void *y,
                               const void *w, int64_t n, int64_t k,
                               halStream_t stream)
{
    const char *op = "halopDequantiseGguf";
    const struct ops_size sizes[] = { { "n", n }, { "k", k } };
    const struct format *format = NULL;
    struct ops_tensor tensors[3];
    struct ops_call call;
    halError_t st = ops_check_dtype(op, "out", out, OPS_FLOATS);

    if (st == halSuccess)
        st = ops_check_sizes(op, sizes, 2);
    if (st == halSuccess)
        st = check_type(op, type, k, &format);
    if (st != halSuccess || n == 0 || k == 0)
        return st;
    quant_pair(tensors, "y", y, ops_count(n, k), out, OPS_OUT);
    tensors[2] = (struct ops_tensor){ "w",   w,      bytes_of(format, n, k),
                                      halU8, OPS_IN, NULL };
    st = ops_begin(&call, op, tensors, 3, "gguf_dequantise%s", format->name);
    if (st != halSuccess)
        return st;
    ops_u32(&call, n);
    ops_u32(&call, k);
    ops_u32(&call, quant_format(out));
    return ops_run(&call, (uint64_t)n, 1, stream);
}

static halError_t product(const char *op, int gemv,
                          const struct halopGemmGgufArgs *a, halStream_t stream)
{
    struct quant_product p = { .op = op, .family = "gguf", .gemv = gemv };
    const struct format *format = NULL;
    halError_t st;

    if (!a)
        return ops_fail(op, halErrorInvalidValue, "args is NULL");
    p.out = a->out;
    p.x_dtype = a->in;
    p.m = a->m;
    p.n = a->n;
    p.k = a->k;
    st = ops_check_dtype(op, "in", a->in, OPS_FLOATS);
    if (st == halSuccess)
        st = ops_check_dtype(op, "out", a->out, OPS_FLOATS);
    if (st == halSuccess)
        st = quant_check_shape(&p);
    if (st == halSuccess)
        st = check_type(op, a->type, a->k, &format);
    if (st != halSuccess || a->m == 0 || a->n == 0)
        return st;
    p.suffix = format->name;

    /* Without depth (k == 0) only the bias is read. */
    quant_start(&p, a->y);
    quant_pair(&p.tensors[p.n_tensors], "x", a->x, ops_count(a->m, a->k), a->in,
               OPS_IN);
    p.n_tensors += 2;
    quant_tensor(&p, "w", a->w, bytes_of(format, a->n, a->k), halU8);
    return quant_run(&p, a->bias, stream);
}

halError_t halopGemmGguf(const struct halopGemmGgufArgs *args,
                         halStream_t stream)
{
    return product("halopGemmGguf", 0, args, stream);
}

halError_t halopGemvGguf(const struct halopGemmGgufArgs *args,
                         halStream_t stream)
{
    return product("halopGemvGguf", 1, args, stream);
}
