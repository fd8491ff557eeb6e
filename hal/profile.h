/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.h - a chip as a profile states it (docs: backends/profiles/).  A
 * number that is 0 was not stated, and the driver's holds.
 */
#ifndef HAL_PROFILE_H
#define HAL_PROFILE_H

#include <stdint.h>

#define PROFILE_STANDS_MAX 16

/* A device that the chip may stand on: a backend, and a part of the device's
 * name or driver ("": any). */
struct profile_stand {
    char backend[16];
    char match[96];
};

struct hal_profile {
    char id[64]; /* the stand-in's device name */
    char name[128];
    char vendor[64];
    char sdk[128];
    struct profile_stand stands[PROFILE_STANDS_MAX]; /* best first */
    uint32_t n_stands;

    uint64_t memory, max_alloc, shared_per_block, shared_per_block_optin, pitch;
    uint32_t warp, threads_per_block, threads_per_unit, units;
    uint32_t block[3], grid[3];
    uint32_t mem_align, pitch_align;
    uint32_t l2, clock_khz, memory_clock_khz, bus_bits;
    uint32_t version[2];             /* compute capability */
    uint32_t dtypes, dtypes_native;  /* bit 1u << halDtype */
    uint64_t caps_without;           /* HAL_CAP_* that the chip lacks */
    uint32_t has_dtypes, has_native; /* a list was given, if an empty one */
    uint32_t without_managed, without_map_host, without_priorities;

    /* GB/s and dense tera-operations; for the roofline. */
    double bandwidth, fp64, fp32, tf32, fp16, bf16, int8, fp8;
};

#endif
