/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_internal.h - what the typed operators share: argument checks
 * (ops_check.c) and launches of the stock kernels (ops_stock.c).
 */
#ifndef KERNELS_OPS_INTERNAL_H
#define KERNELS_OPS_INTERNAL_H

#include "compiler/kernel_desc.h"
#include "hal/backend.h"
#include "kernels/ops.h"

/* ---- ops_check.c ------------------------------------------------------- */

/* One tensor argument of an op. */
struct ops_tensor {
    const char *name; /* as in ops.h, for messages */
    const void *ptr;
    uint64_t n_elems; /* from ptr to the end of the last element */
    uint32_t elem_bytes;
    int is_out;
    int may_alias; /* may be exactly an output; or (out) interleave */
};

/* Every tensor: not NULL, aligned to its element, device memory of the current
 * device, inside its allocation; outputs meet nothing else. */
halError_t ops_check_tensors(const char *op, const struct ops_tensor *tensors,
                             unsigned n_tensors);

/* A dim or stride: 0 <= value <= UINT32_MAX. */
halError_t ops_check_dim(const char *op, const char *name, int64_t value);
/* Product of two sizes within what 32-bit indices reach. */
halError_t ops_check_product(const char *op, const char *what, int64_t a,
                             int64_t b);

/* "f32", "bf16" or "f16", else NULL. */
const char *ops_dtype_name(halDtype dtype);
uint32_t ops_dtype_bytes(halDtype dtype); /* of these three */
/* halErrorNotSupported unless it is one of the three. */
halError_t ops_check_dtype(const char *op, const char *name, halDtype dtype);

/* ---- ops_stock.c -------------------------------------------------------- */

/* What an op may know about the device it runs on: limits, never names. */
struct ops_device {
    uint32_t max_grid[3];
    uint32_t units; /* multiprocessors, at least 1 */
};

/* A launch in the making: arguments in the kernel's order. */
struct ops_call {
    const char *op;
    char kernel[HAL_NAME_MAX + 1];
    halFunction_t function;
    uint32_t group; /* threads of one */
    struct ops_device device;
    void *spare; /* device memory that nobody reads: for absent buffers */
    unsigned n_args;
    uint32_t spare_mask; /* bit i: argument i is the spare */
    union {
        const void *buffer;
        uint32_t u32;
        int32_t i32;
        float f32;
    } values[HAL_PARAMS_MAX];
};

/* Finds the stock kernel whose name the format gives, loading the stock module
 * on the current device where that has not happened yet. */
halError_t ops_begin(struct ops_call *call, const char *op, const char *format,
                     ...) __attribute__((format(printf, 3, 4)));
void ops_buffer(struct ops_call *call, const void *buffer); /* NULL: spare */
void ops_u32(struct ops_call *call, int64_t value);
void ops_i32(struct ops_call *call, int64_t value);
void ops_f32(struct ops_call *call, float value);
/* Launches on at most gx by gy groups (fewer where the device's limit is
 * lower: every stock kernel loops). */
halError_t ops_run(struct ops_call *call, uint64_t gx, uint64_t gy,
                   halStream_t stream);
/* Groups for n independent elements. */
uint64_t ops_grid_of(const struct ops_call *call, int64_t n);

#endif
