/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.h - dialect text in, kernels out: our preprocessor, the expansion to
 * each target, the reflection, and the calls to the tools that make native
 * code (cc for CPUs, libshaderc or glslc for SPIR-V, clang or nvcc for PTX).
 * Used by halcc offline and by halModuleLoadSource at run time.  All functions
 * are thread-safe.
 */
#ifndef COMPILER_COMPILE_H
#define COMPILER_COMPILE_H

#include "compiler/halbin.h"

struct compile_target {
    uint8_t target;      /* enum hal_target */
    uint64_t caps;       /* of the device; picks flavours that fit */
    uint32_t max_group;  /* threads a group may have; 0: no limit known */
    uint32_t max_shared; /* bytes; 0: no limit known */
};

enum compile_status {
    COMPILE_OK = 0,
    COMPILE_ERROR,   /* the source is wrong: msg has file:line: text */
    COMPILE_NO_TOOL, /* cc, glslc or clang is missing: msg names the package */
    COMPILE_NO_MEMORY,
    COMPILE_IO,
};

struct compile_request {
    const char *source;      /* dialect text, NUL-terminated */
    const char *name;        /* for messages and line markers: "rmsnorm.k" */
    const char *options;     /* "-DX=Y -DZ" or NULL */
    const char *include_dir; /* for #include "..." of the author; or NULL */
    const struct compile_target *targets; /* what to make */
    uint32_t n_targets;
    int use_cache; /* look into, and fill, the disk cache */
};

/* A target whose caps are ~0 gets all its variants; a device gets the best one
 * that fits, of Vulkan all that fit.
 * Compiles every KERNEL instance of a source (see `#pragma hal instance` in
 * docs/dialect.md) for every target; the result is as if read from a .halbin
 * (halbin_close frees it).  OpenCL and CUDA images are text: whether the
 * driver accepts it shows when the driver builds it. */
enum compile_status compile_source(const struct compile_request *req,
                                   struct halbin *out, struct hal_message *msg);

/* The variants of compiler/variants.def, in order; static. */
struct compile_variant {
    const char *name;
    uint8_t target; /* enum hal_target */
    uint64_t caps;
};
const struct compile_variant *compile_variants(uint32_t *out_n);

/* What an NVIDIA device of this compute capability can run (HAL_CAP_SM_*). */
uint64_t compile_ptx_caps(int major, int minor);
/* Whether a clang is here that makes PTX. */
int compile_has_ptx(void);

/* The expansion alone: *out_text is malloc'ed.  `variant` is a name from
 * compiler/variants.def ("cpu.v3", "opencl", "vulkan.packed", "cuda"), "meta"
 * (the reflection as opencl has it) or "meta:cpu.v3".
 * `instance` counts from 0; COMPILE_ERROR beyond the last. */
enum compile_status compile_expand(const struct compile_request *req,
                                   const char *variant, uint32_t instance,
                                   char **out_text, struct hal_message *msg);

/* ---- complaint.c --------------------------------------------------------- */

/* The first line of a compiler's output that says "error", else the first line
 * at all, shortened to `size`.  Columns are left out: compilers count them in
 * the expanded text, the lines are those of the .k. */
void compile_complaint(const char *output, char *text, size_t size);

/* 0 where $HALCYON_OPTIMIZE is 0: compilers are told not to optimise.  Each of
 * its users makes it part of its cache key. */
int compile_optimizes(void);

/* ---- cache.c: the run-time cache on disk ------------------------------ */

/*
 * $HALCYON_CACHE_DIR, else $XDG_CACHE_HOME/halcyon, else ~/.cache/halcyon.
 * Entries are written to a temporary name and renamed; each carries its key,
 * size and hash; one that does not match, or that others may write to, is a
 * miss and is removed.  Safe under any number of processes and threads.
 * Failures are misses.
 */
struct cache_key {
    uint64_t hash[2];
};
struct cache_key cache_key_of(const void *const *parts, const size_t *sizes,
                              size_t n_parts);
/* 1 and malloc'ed bytes on a hit, else 0. */
int cache_get(const struct cache_key *key, const char *kind, void **out_bytes,
              size_t *out_size);
void cache_put(const struct cache_key *key, const char *kind, const void *bytes,
               size_t size);

#endif
