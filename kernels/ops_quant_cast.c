/* SPDX-License-Identifier: Apache-2.0 */
/* ops_quant_cast.c - conversions of number formats, element by element. */
#include "kernels/ops_internal.h"

#define SMALL_INTEGERS (OPS_DTYPE(halI8) | OPS_DTYPE(halU8))
#define INTEGERS       (SMALL_INTEGERS | OPS_DTYPE(halI32))
#define ALL            (OPS_FLOATS | OPS_DTYPE(halE4M3) | OPS_DTYPE(halE5M2) | INTEGERS)
/* Partners of the 8-bit integers, and of the 32-bit one. */
#define OF_SMALL (OPS_FLOATS | OPS_DTYPE(halI32))
#define OF_I32   (OPS_FLOATS | SMALL_INTEGERS)

/* The kernel of this name over n elements of y and x. */
static halError_t convert(const char *op, const char *kind, const char *from,
                          const char *to, const struct ops_tensor tensors[2],
                          int64_t n, halStream_t stream)
{
    struct ops_call call;
    halError_t st =
        ops_begin(&call, op, tensors, 2, "%s_%s_%s", kind, from, to);

    return st == halSuccess ? ops_run_pieces(&call, tensors, 2, n, stream) : st;
}

/* Whether there is a kernel for the pair as far as `of`'s side goes. */
static int goes_with(halDtype of, halDtype other)
{
    uint32_t partners = of == halI32               ? OF_I32
                        : SMALL_INTEGERS >> of & 1 ? OF_SMALL
                                                   : ALL;

    return (int)(partners >> other & 1);
}

static halError_t check_cast(const char *op, halDtype to, halDtype from)
{
    halError_t st = ops_check_dtype(op, "to", to, ALL);

    if (st == halSuccess)
        st = ops_check_dtype(op, "from", from, ALL);
    if (st != halSuccess || to == from)
        return st;
    if (!goes_with(to, from) || !goes_with(from, to))
        return ops_fail(op, halErrorNotSupported,
                        "from is %s and to is %s; integers are cast from and "
                        "to halF32, halF16 and halBF16, and halI8 and halU8 "
                        "from and to halI32",
                        ops_dtype_label(from), ops_dtype_label(to));
    return halSuccess;
}

halError_t halopCast(halDtype to, void *y, halDtype from, const void *x,
                     int64_t n, halStream_t stream)
{
    const char *op = "halopCast";
    const struct ops_tensor tensors[] = {
        { "y", y, (uint64_t)n, to, OPS_OUT | OPS_LONG, NULL },
        { "x", x, (uint64_t)n, from, OPS_IN | OPS_LONG, NULL },
    };
    halError_t st = check_cast(op, to, from);

    if (st == halSuccess)
        st = ops_check_count(op, n);
    if (st != halSuccess || n == 0)
        return st;
    if (to != from)
        return convert(op, "cast", ops_dtype_name(from), ops_dtype_name(to),
                       tensors, n, stream);
    st = ops_check_tensors(op, tensors, 2);
    if (st != halSuccess)
        return st;
    return ops_result(op, halMemcpyAsync(y, x, (size_t)n * ops_dtype_bytes(to),
                                         halMemcpyDeviceToDevice, stream));
}

halError_t halopScaleFromE8M0(float *y, const uint8_t *code, int64_t n,
                              halStream_t stream)
{
    const char *op = "halopScaleFromE8M0";
    const struct ops_tensor tensors[] = {
        { "y", y, (uint64_t)n, halF32, OPS_OUT | OPS_LONG, NULL },
        { "code", code, (uint64_t)n, halU8, OPS_IN | OPS_LONG, NULL },
    };
    halError_t st = ops_check_count(op, n);

    if (st != halSuccess || n == 0)
        return st;
    return convert(op, "scale", "e8m0", "f32", tensors, n, stream);
}

halError_t halopScaleToE8M0(uint8_t *code, const float *x, int64_t n,
                            halStream_t stream)
{
    const char *op = "halopScaleToE8M0";
    const struct ops_tensor tensors[] = {
        { "code", code, (uint64_t)n, halU8, OPS_OUT | OPS_LONG, NULL },
        { "x", x, (uint64_t)n, halF32, OPS_IN | OPS_LONG, NULL },
    };
    halError_t st = ops_check_count(op, n);

    if (st != halSuccess || n == 0)
        return st;
    return convert(op, "scale", "f32", "e8m0", tensors, n, stream);
}
