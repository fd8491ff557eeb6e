/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_check.c - argument checks of the typed operators.  Every message names
 * op, argument and rule, because a caller has the op's name and not our source.
 */
#include "kernels/ops_internal.h"

const char *ops_dtype_name(halDtype dtype)
{
    if (dtype == halF32)
        return "f32";
    if (dtype == halBF16)
        return "bf16";
    return dtype == halF16 ? "f16" : NULL;
}

uint32_t ops_dtype_bytes(halDtype dtype)
{
    return dtype == halF32 ? 4 : 2;
}

halError_t ops_check_dtype(const char *op, const char *name, halDtype dtype)
{
    if (!ops_dtype_name(dtype))
        return hal_fail(halErrorNotSupported,
                        "%s: %s is dtype %d; it takes halF32, halBF16 and "
                        "halF16",
                        op, name, (int)dtype);
    return halSuccess;
}

halError_t ops_check_dim(const char *op, const char *name, int64_t value)
{
    if (value < 0 || value > INT32_MAX)
        return hal_fail(halErrorInvalidValue,
                        "%s: %s is %lld; it must lie in 0..%d", op, name,
                        (long long)value, INT32_MAX);
    return halSuccess;
}

halError_t ops_check_product(const char *op, const char *what, int64_t a,
                             int64_t b)
{
    if (a && b > (int64_t)UINT32_MAX / a)
        return hal_fail(halErrorInvalidValue,
                        "%s: %s is %lld x %lld elements; a tensor may have "
                        "up to 2^32 - 1",
                        op, what, (long long)a, (long long)b);
    return halSuccess;
}

static halError_t check_place(const char *op, const struct ops_tensor *t,
                              int device)
{
    struct halPointerAttributes attr;
    uint64_t bytes = t->n_elems * t->elem_bytes, left;
    halError_t st;

    if (!t->ptr)
        return hal_fail(halErrorInvalidValue, "%s: %s is NULL", op, t->name);
    if ((uintptr_t)t->ptr % t->elem_bytes)
        return hal_fail(halErrorInvalidValue,
                        "%s: %s is %p; it must be aligned to its elements of "
                        "%u bytes",
                        op, t->name, t->ptr, t->elem_bytes);
    st = halPointerGetAttributes(&attr, t->ptr);
    if (st != halSuccess)
        return st;
    if (attr.type == halMemoryTypeUnregistered || !attr.devicePointer)
        return hal_fail(halErrorInvalidValue,
                        "%s: %s is %p, which is no live device pointer "
                        "(allocate it with halMalloc)",
                        op, t->name, t->ptr);
    if (attr.device != device && attr.type == halMemoryTypeDevice)
        return hal_fail(halErrorInvalidValue,
                        "%s: %s is memory of device %d; the current device is "
                        "%d",
                        op, t->name, attr.device, device);
    left = attr.size - (uint64_t)((uintptr_t)t->ptr - (uintptr_t)attr.base);
    if (bytes > left)
        return hal_fail(halErrorInvalidValue,
                        "%s: %s needs %llu bytes from %p, its allocation has "
                        "%llu left there",
                        op, t->name, (unsigned long long)bytes, t->ptr,
                        (unsigned long long)left);
    return halSuccess;
}

static int overlap(const struct ops_tensor *a, const struct ops_tensor *b)
{
    uintptr_t a0 = (uintptr_t)a->ptr, b0 = (uintptr_t)b->ptr;

    return a0 < b0 + b->n_elems * b->elem_bytes &&
           b0 < a0 + a->n_elems * a->elem_bytes;
}

halError_t ops_check_tensors(const char *op, const struct ops_tensor *tensors,
                             unsigned n_tensors)
{
    unsigned i, j;
    int device;
    halError_t st = halGetDevice(&device);

    if (st != halSuccess)
        return st;
    for (i = 0; i < n_tensors; i++) {
        st = check_place(op, &tensors[i], device);
        if (st != halSuccess)
            return st;
    }
    for (i = 0; i < n_tensors; i++) {
        const struct ops_tensor *out = &tensors[i];

        if (!out->is_out || out->may_alias)
            continue;
        for (j = 0; j < n_tensors; j++) {
            const struct ops_tensor *t = &tensors[j];

            if (j == i || (t->is_out && j < i) || !overlap(out, t))
                continue;
            if (t->may_alias && t->ptr == out->ptr)
                continue;
            return hal_fail(
                halErrorInvalidValue, "%s: %s overlaps %s, which the op %s", op,
                out->name, t->name, t->is_out ? "writes too" : "reads");
        }
    }
    return halSuccess;
}
