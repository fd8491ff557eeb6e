/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_internal.h - the frame of the typed operators: argument checks
 * (ops_check.c) and launches of the stock kernels (ops_stock.c).
 *
 * An op is a table of its tensors in the order of the kernel's parameters, the
 * checks that are its own, and the shape of its launch:
 *
 *     const struct ops_tensor tensors[] = {
 *         { "y", y, ops_count(rows, n), dtype, OPS_OUT },
 *         { "x", x, ops_count(rows, n), dtype, OPS_IN },
 *     };
 *     st = ops_check_dtype(op, "dtype", dtype, OPS_FLOATS);
 *     if (st == halSuccess)
 *         st = ops_check_sizes(op, sizes, 2);
 *     if (st != halSuccess || rows == 0 || n == 0)
 *         return st;
 *     st = ops_begin(&call, op, tensors, 2, "name_%s", ops_dtype_name(dtype));
 *     if (st != halSuccess)
 *         return st;
 *     ops_u32(&call, rows);
 *     ops_u32(&call, n);
 *     return ops_run(&call, (uint64_t)rows, 1, stream);
 *
 * Invariant: every failure that leaves an op is its thread's last error with a
 * sentence that begins with the op's name; ops_fail() and ops_result() see to
 * that, so nothing in kernels/ calls hal_fail().
 */
#ifndef KERNELS_OPS_INTERNAL_H
#define KERNELS_OPS_INTERNAL_H

#include "compiler/kernel_desc.h"
#include "hal/backend.h"
#include "kernels/ops.h"

/* ---- ops_check.c ------------------------------------------------------- */

/* "OP: sentence", and the thread's last error. */
halError_t ops_fail(const char *op, halError_t error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A hal call's result; to a failure's sentence it adds the op's name. */
halError_t ops_result(const char *op, halError_t st);

/* A size among an op's arguments. */
struct ops_size {
    const char *name; /* as in ops.h, for messages */
    int64_t value;
};
/* Each: 0 <= value < 2^31, so that products of two fit 64 bits. */
halError_t ops_check_sizes(const char *op, const struct ops_size *sizes,
                           unsigned n_sizes);

#define OPS_DTYPE(dtype) (1u << (dtype))
#define OPS_FLOATS       (OPS_DTYPE(halF32) | OPS_DTYPE(halBF16) | OPS_DTYPE(halF16))
/* halErrorNotSupported unless `accepted` has the dtype's bit. */
halError_t ops_check_dtype(const char *op, const char *name, halDtype dtype,
                           uint32_t accepted);
/* "f32", as in names of kernels; NULL for what is no dtype. */
const char *ops_dtype_name(halDtype dtype);
/* "halF32", as in ops.h and messages; never NULL. */
const char *ops_dtype_label(halDtype dtype);
uint32_t ops_dtype_bytes(halDtype dtype);

/* What a tensor is to its op. */
enum {
    OPS_IN = 0,
    OPS_OUT = 1,   /* written; perhaps read as well */
    OPS_EXACT = 2, /* (in) may be exactly an output: the kernel reads each
                      element before it writes the output's same element */
    OPS_LONG = 4   /* may have more elements than 32-bit indices reach */
};

/* Where elements lie that do not follow each other; strides >= 0. */
struct ops_view {
    int64_t dims[4], strides[4]; /* unused dims are 1 */
};

/* One tensor among an op's arguments. */
struct ops_tensor {
    const char *name; /* as in ops.h, for messages */
    const void *ptr;
    uint64_t n_elems; /* from ptr to the end of the last; 0: there is none, and
                         the kernel gets a buffer that it must not read */
    halDtype dtype;
    unsigned flags;
    const struct ops_view *view; /* NULL: contiguous */
};

/* Elements of a matrix; sizes that ops_check_sizes() refused may wrap. */
static inline uint64_t ops_count(int64_t rows, int64_t columns)
{
    return (uint64_t)rows * (uint64_t)columns;
}

/* Every tensor: not NULL, aligned to its element, memory that the current
 * device reaches, inside its allocation, no more elements than 32-bit indices
 * reach; outputs share no byte with other tensors, nor their own elements with
 * each other. */
halError_t ops_check_tensors(const char *op, const struct ops_tensor *tensors,
                             unsigned n_tensors);

/* ---- ops_stock.c -------------------------------------------------------- */

/* What an op may know about the device it runs on: limits, never names. */
struct ops_device {
    uint32_t max_grid[3];
    uint32_t units;      /* multiprocessors, at least 1 */
    uint32_t loop_steps; /* prop.maxLoopSteps */
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

/* Checks the tensors, finds the kernel and makes the tensors its first
 * arguments: the three calls below in one. */
halError_t ops_begin(struct ops_call *call, const char *op,
                     const struct ops_tensor *tensors, unsigned n_tensors,
                     const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Finds the stock kernel whose name the format gives, loading the stock module
 * on the current device where that has not happened yet. */
halError_t ops_find(struct ops_call *call, const char *op, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));
/* Of the kernel that was found; on a device that was reset since it is found
 * anew. */
halError_t ops_attributes(struct ops_call *call,
                          struct halFuncAttributes *out_attr);
void ops_tensors(struct ops_call *call, const struct ops_tensor *tensors,
                 unsigned n_tensors);

void ops_buffer(struct ops_call *call, const void *buffer); /* NULL: spare */
void ops_u32(struct ops_call *call, int64_t value);
void ops_i32(struct ops_call *call, int64_t value);
void ops_f32(struct ops_call *call, float value);
/* Whether a loop of so many steps is more than one thread of the device may
 * take: over a product's depth k, say, whose tiles walk it in one thread.  Then
 * a kernel that deals k out to a group is the one. */
int ops_is_deep(const struct ops_call *call, int64_t n_steps);
/* The steps along k of one thread, which goes through more than one of the
 * 64 x 64 tiles of m x n where the grid is too small. */
int64_t ops_tile_steps(const struct ops_call *call, int64_t m, int64_t n,
                       int64_t k);
/* What is too deep for that one too is refused. */
halError_t ops_check_depth(const struct ops_call *call, int64_t k);
/* Launches on at most gx by gy groups (fewer where the device's limit is
 * lower: every stock kernel loops). */
halError_t ops_run(struct ops_call *call, uint64_t gx, uint64_t gy,
                   halStream_t stream);
/* Groups for n independent elements. */
uint64_t ops_grid_of(const struct ops_call *call, int64_t n);

/* ---- ops_elementwise.c --------------------------------------------------- */

/* n of tensors whose kernel runs in pieces: 0..2^59. */
halError_t ops_check_count(const char *op, int64_t n);
/* A kernel that was found, on n elements of each tensor. */
halError_t ops_run_pieces(struct ops_call *call,
                          const struct ops_tensor *tensors, unsigned n_tensors,
                          int64_t n, halStream_t stream);

#endif
