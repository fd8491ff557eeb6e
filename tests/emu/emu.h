/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emu.h - CUDA text run on the CPU: each thread of a block is a fiber, and the
 * fibers run one after the other, each as far as it gets, so that what lacks a
 * barrier computes something else in one of the two orders.  Invariant: a
 * block's shared memory holds NaNs (0xff) before the block writes to it.
 *
 * libhalcyon-emu.so holds the stock kernels; a shared object made by
 * emu-compile.sh from other text holds that text's.  Each exports these three
 * functions for its own kernels, so open it with RTLD_LOCAL and ask it.
 */
#ifndef TESTS_EMU_EMU_H
#define TESTS_EMU_EMU_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct emu_kernel; /* one __global__ function */

/* NULL: none of this name. */
const struct emu_kernel *emu_find(const char *entry);

/*
 * args as cuLaunchKernel takes them.  Returns when the grid has run: 0, or -1
 * with a sentence in emu_error(): a launch that a device refuses, a barrier
 * that not all threads reach, shuffles of threads that are not there, writes
 * behind a shared array.  Thread-safe.
 * HALCYON_EMU_ORDER=reversed: blocks, and the threads of a block, from the
 * last to the first.
 */
int emu_launch(const struct emu_kernel *k, const unsigned grid[3],
               const unsigned block[3], size_t dynamic_shared, void **args);

/* What the last launch of this thread failed of. */
const char *emu_error(void);

#ifdef __cplusplus
}
#endif

#endif
