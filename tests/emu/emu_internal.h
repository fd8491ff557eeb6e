/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emu_internal.h - what the emulator (C) and the kernels it runs (C++, through
 * emu_cuda.h) say to each other.
 */
#ifndef TESTS_EMU_EMU_INTERNAL_H
#define TESTS_EMU_EMU_INTERNAL_H

#include "tests/emu/emu.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct emu_dim {
    unsigned x, y, z;
};

/* A thread as its kernel sees it. */
struct emu_thread {
    struct emu_dim thread, block, block_dim, grid_dim;
};

/* The fiber that runs now on this thread of the host.  One pointer, so that
 * it fits where a library that is opened late may have thread-local memory. */
extern __thread struct emu_thread *emu_self
    __attribute__((tls_model("initial-exec")));

struct emu_kernel {
    const char *name;
    unsigned max_threads; /* of its launch bounds; 0: none */
    unsigned n_args;
    void (*call)(void **args);
    const struct emu_kernel *next;
};

void emu_register(struct emu_kernel *k);

/* Each of these may run other threads before it returns. */
void emu_block_barrier(void);
void emu_warp_barrier(unsigned mask);
/* What thread `lane` of the warp brought; one that is not in the mask brings
 * the caller's own value. */
uint64_t emu_shuffle(unsigned mask, uint64_t value, unsigned lane);
/* One bit for each thread of the mask that brought something else than 0. */
unsigned emu_ballot(unsigned mask, int predicate);
unsigned emu_lane(void);

/* What each thread of the warp shows, by lane, until all have come to the
 * warp's next barrier. */
const void *const *emu_show(const void *mine);

/* Copies that a thread does not wait for.  They are made as late as may be:
 * when the thread waits for their group. */
void emu_copy_async(void *to, const void *from, unsigned bytes, unsigned whole);
void emu_copy_commit(void);
void emu_copy_wait(unsigned n_left);

/* The block's array that is declared at `key`. */
void *emu_shared(const void *key, size_t bytes);
void *emu_dynamic_shared(void);

#ifdef __cplusplus
}
#endif

#endif
