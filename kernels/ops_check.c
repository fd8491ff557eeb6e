/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_check.c - argument checks of the typed operators.  Every message names
 * op, argument and rule, because a caller has the op's name and not our source.
 */
#include "kernels/ops_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

halError_t ops_fail(const char *op, halError_t error, const char *format, ...)
{
    char text[512]; /* what the core keeps of a sentence */
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    return hal_done(hal_fail(error, "%s: %s", op, text));
}

halError_t ops_result(const char *op, halError_t st)
{
    return st == halSuccess ? st : ops_fail(op, st, "%s", halGetErrorDetail());
}

/* ---- sizes and dtypes --------------------------------------------------- */

halError_t ops_check_sizes(const char *op, const struct ops_size *sizes,
                           unsigned n_sizes)
{
    unsigned i;

    for (i = 0; i < n_sizes; i++)
        if (sizes[i].value < 0 || sizes[i].value > INT32_MAX)
            return ops_fail(op, halErrorInvalidValue,
                            "%s is %lld; it must lie in 0..2^31 - 1",
                            sizes[i].name, (long long)sizes[i].value);
    return halSuccess;
}

static const struct {
    const char *label; /* after "hal" it is `name`, in its case */
    const char *name;
    uint32_t bytes;
} dtypes[halDtypeCount] = {
    [halF32] = { "halF32", "f32", 4 },    [halF16] = { "halF16", "f16", 2 },
    [halBF16] = { "halBF16", "bf16", 2 }, [halF64] = { "halF64", "f64", 8 },
    [halI8] = { "halI8", "i8", 1 },       [halU8] = { "halU8", "u8", 1 },
    [halI16] = { "halI16", "i16", 2 },    [halU16] = { "halU16", "u16", 2 },
    [halI32] = { "halI32", "i32", 4 },    [halU32] = { "halU32", "u32", 4 },
    [halI64] = { "halI64", "i64", 8 },    [halU64] = { "halU64", "u64", 8 },
    [halE4M3] = { "halE4M3", "e4m3", 1 }, [halE5M2] = { "halE5M2", "e5m2", 1 },
};

static int is_dtype(halDtype dtype)
{
    return (unsigned)dtype < halDtypeCount;
}

const char *ops_dtype_name(halDtype dtype)
{
    return is_dtype(dtype) ? dtypes[dtype].name : NULL;
}

const char *ops_dtype_label(halDtype dtype)
{
    return is_dtype(dtype) ? dtypes[dtype].label : "no halDtype";
}

uint32_t ops_dtype_bytes(halDtype dtype)
{
    return is_dtype(dtype) ? dtypes[dtype].bytes : 1;
}

halError_t ops_check_dtype(const char *op, const char *name, halDtype dtype,
                           uint32_t accepted)
{
    char list[halDtypeCount * 16] = "";
    size_t len = 0;
    int i;

    if (is_dtype(dtype) && accepted >> dtype & 1)
        return halSuccess;
    for (i = 0; i < halDtypeCount; i++) {
        uint32_t rest = accepted >> i;

        if (!(rest & 1))
            continue;
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s",
                                !len       ? ""
                                : rest > 1 ? ", "
                                           : " or ",
                                dtypes[i].label);
    }
    return ops_fail(op, halErrorNotSupported, "%s is %s (%d); it must be %s",
                    name, ops_dtype_label(dtype), (int)dtype, list);
}

/* ---- one tensor --------------------------------------------------------- */

/* A tensor as its bytes lie. */
struct place {
    uintptr_t address; /* as the device knows it: memory may have two */
    uint64_t bytes;
    uint32_t elem_bytes;
};

static halError_t check_place(const char *op, const struct ops_tensor *t,
                              int device, struct place *out_place)
{
    struct halPointerAttributes attr;
    uint32_t elem_bytes = ops_dtype_bytes(t->dtype);
    uint64_t bytes = t->n_elems * elem_bytes, left;
    halError_t st;

    if (t->n_elems > UINT32_MAX && !(t->flags & OPS_LONG))
        return ops_fail(op, halErrorInvalidValue,
                        "%s has %llu elements; up to 2^32 - 1 are possible",
                        t->name, (unsigned long long)t->n_elems);
    if (!t->ptr)
        return ops_fail(op, halErrorInvalidValue,
                        "%s is NULL; it must be device memory for %llu bytes",
                        t->name, (unsigned long long)bytes);
    if ((uintptr_t)t->ptr % elem_bytes)
        return ops_fail(op, halErrorInvalidValue,
                        "%s is %p; it must be aligned to its elements of %u "
                        "bytes",
                        t->name, t->ptr, elem_bytes);
    st = halPointerGetAttributes(&attr, t->ptr);
    if (st != halSuccess)
        return ops_result(op, st);
    if (attr.type == halMemoryTypeUnregistered || !attr.devicePointer)
        return ops_fail(op, halErrorInvalidValue,
                        "%s is %p, which is no live device pointer (allocate "
                        "it with halMalloc)",
                        t->name, t->ptr);
    if (attr.device != device && attr.type == halMemoryTypeDevice)
        return ops_fail(op, halErrorInvalidValue,
                        "%s is memory of device %d; the current device is %d "
                        "(halSetDevice, or copy it over)",
                        t->name, attr.device, device);
    left = attr.size - (uint64_t)((uintptr_t)t->ptr - (uintptr_t)attr.base);
    if (bytes > left)
        return ops_fail(op, halErrorInvalidValue,
                        "%s needs %llu bytes from %p, its allocation has %llu "
                        "left there",
                        t->name, (unsigned long long)bytes, t->ptr,
                        (unsigned long long)left);
    out_place->address = (uintptr_t)attr.devicePointer;
    out_place->bytes = bytes;
    out_place->elem_bytes = elem_bytes;
    return halSuccess;
}

/* No two indices of a view whose strides are nested are one element: sorted by
 * size, each steps over all that the smaller ones reach.  Sufficient, and true
 * of every tensor that is a view without overlap in the usual sense. */
static halError_t check_nested(const char *op, const char *name,
                               const struct ops_view *view)
{
    int64_t strides[4], dims[4], reach = 0;
    int n = 0, i, j;

    for (i = 0; i < 4; i++) {
        if (view->dims[i] <= 1)
            continue;
        for (j = n++; j > 0 && strides[j - 1] > view->strides[i]; j--) {
            strides[j] = strides[j - 1];
            dims[j] = dims[j - 1];
        }
        strides[j] = view->strides[i];
        dims[j] = view->dims[i];
    }
    for (i = 0; i < n; i++) {
        if (strides[i] <= reach)
            return ops_fail(op, halErrorInvalidValue,
                            "the strides of %s are not nested: %lld must be "
                            "more than %lld, which the smaller ones reach "
                            "together",
                            name, (long long)strides[i], (long long)reach);
        reach += (dims[i] - 1) * strides[i];
    }
    return halSuccess;
}

/* ---- two tensors -------------------------------------------------------- */

/* Bytes that the tensor covers in each period: strides that are multiples of
 * it lead to the same place in another period. */
static uint64_t width_in(const struct ops_tensor *t, const struct place *p,
                         uint64_t period)
{
    uint64_t width = p->elem_bytes;
    int i;

    if (!t->view)
        return p->bytes;
    for (i = 0; i < 4; i++) {
        uint64_t stride = (uint64_t)t->view->strides[i] * p->elem_bytes;

        if (t->view->dims[i] > 1 && stride % period)
            width += (uint64_t)(t->view->dims[i] - 1) * stride;
    }
    return width;
}

/* Whether b lies where a has its gaps: with some stride of a as the period,
 * both keep to places of their own, as the columns of one matrix do. */
static int in_gaps(const struct ops_tensor *a, const struct place *pa,
                   const struct ops_tensor *b, const struct place *pb)
{
    int i;

    for (i = 0; a->view && i < 4; i++) {
        uint64_t period = (uint64_t)a->view->strides[i] * pa->elem_bytes, from;

        if (a->view->dims[i] <= 1 || !period)
            continue;
        /* from a's first byte to b's, round the period */
        from = pb->address >= pa->address
                   ? (pb->address - pa->address) % period
                   : (period - (pa->address - pb->address) % period) % period;
        if (from >= width_in(a, pa, period) &&
            from + width_in(b, pb, period) <= period)
            return 1;
    }
    return 0;
}

static int overlap(const struct ops_tensor *a, const struct place *pa,
                   const struct ops_tensor *b, const struct place *pb)
{
    return pa->address < pb->address + pb->bytes &&
           pb->address < pa->address + pa->bytes && !in_gaps(a, pa, b, pb) &&
           !in_gaps(b, pb, a, pa);
}

static halError_t check_output(const char *op, const struct ops_tensor *tensors,
                               const struct place *places, unsigned n_tensors,
                               unsigned at)
{
    const struct ops_tensor *out = &tensors[at];
    halError_t st = halSuccess;
    unsigned i;

    if (out->view)
        st = check_nested(op, out->name, out->view);
    if (st != halSuccess)
        return st;
    for (i = 0; i < n_tensors; i++) {
        const struct ops_tensor *t = &tensors[i];

        if (i == at || !t->n_elems || !overlap(out, &places[at], t, &places[i]))
            continue;
        if (!(t->flags & OPS_EXACT))
            return ops_fail(op, halErrorInvalidValue,
                            "%s overlaps %s, which the op %s; give %s memory "
                            "of its own",
                            out->name, t->name,
                            t->flags & OPS_OUT ? "writes too" : "reads",
                            out->name);
        if (places[i].address != places[at].address ||
            places[i].bytes != places[at].bytes)
            return ops_fail(op, halErrorInvalidValue,
                            "%s overlaps %s, which the op reads; it may be "
                            "exactly %s, else it needs memory of its own",
                            out->name, t->name, t->name);
    }
    return halSuccess;
}

halError_t ops_check_tensors(const char *op, const struct ops_tensor *tensors,
                             unsigned n_tensors)
{
    struct place places[HAL_PARAMS_MAX];
    unsigned i;
    int device;
    halError_t st = halGetDevice(&device);

    if (st != halSuccess)
        return ops_result(op, st);
    for (i = 0; i < n_tensors; i++) {
        if (!tensors[i].n_elems)
            continue;
        st = check_place(op, &tensors[i], device, &places[i]);
        if (st != halSuccess)
            return st;
    }
    for (i = 0; i < n_tensors; i++) {
        if (!tensors[i].n_elems || !(tensors[i].flags & OPS_OUT))
            continue;
        st = check_output(op, tensors, places, n_tensors, i);
        if (st != halSuccess)
            return st;
    }
    return halSuccess;
}
