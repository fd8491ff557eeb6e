/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - the argument ABI of docs/dialect.md and the launch.  Invariant:
 * arguments and launch are one step under the kernel's lock, since a cl_kernel
 * holds the arguments.  No allocation, no event: this is the fast path.
 */
#include "backends/opencl/opencl.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static bool is_same(struct opencl_kernel *k, cl_uint a, uint64_t value)
{
    return (k->is_set >> a & 1) && k->shadow[a] == value;
}

static void remember(struct opencl_kernel *k, cl_uint a, uint64_t value)
{
    k->shadow[a] = value;
    k->is_set |= 1u << a;
}

/* What an argument is compared by: a buffer's serial, for a handle may come
 * back for a new buffer. */
static cl_int set_buffer(struct opencl_kernel *k, cl_uint a,
                         const union hal_arg *arg)
{
    const struct opencl_mem *m = arg->buffer.mem;
    cl_ulong offset = arg->buffer.offset;
    cl_int code = CL_SUCCESS;

    if (!is_same(k, a, m->serial)) {
        k->is_set &= ~(1u << a);
        code = m->svm ? opencl_cl.SetKernelArgSVMPointer(k->kernel, a, m->svm)
                      : opencl_cl.SetKernelArg(k->kernel, a, sizeof m->buffer,
                                               &m->buffer);
        if (code != CL_SUCCESS)
            return code;
        remember(k, a, m->serial);
    }
    a++;
    if (!is_same(k, a, offset)) {
        k->is_set &= ~(1u << a);
        code = opencl_cl.SetKernelArg(k->kernel, a, sizeof offset, &offset);
        if (code == CL_SUCCESS)
            remember(k, a, offset);
    }
    return code;
}

static cl_int set_scalar(struct opencl_kernel *k, cl_uint a, uint32_t value)
{
    cl_int code;

    if (is_same(k, a, value))
        return CL_SUCCESS;
    k->is_set &= ~(1u << a);
    code = opencl_cl.SetKernelArg(k->kernel, a, sizeof value, &value);
    if (code == CL_SUCCESS)
        remember(k, a, value);
    return code;
}

static cl_int set_args(struct opencl_kernel *k, const union hal_arg *args)
{
    cl_uint a = 0;

    for (uint32_t i = 0; i < k->n_params; i++) {
        bool scalar = k->is_scalar >> i & 1;
        cl_int code = scalar ? set_scalar(k, a, args[i].scalar)
                             : set_buffer(k, a, &args[i]);

        if (code != CL_SUCCESS)
            return code;
        a += scalar ? 1 : 2;
    }
    return CL_SUCCESS;
}

/* k->lock is held, and released: the flush need not keep others away. */
static halError_t launch_locked(struct opencl_stream *s,
                                struct opencl_kernel *k,
                                const struct hal_launch *launch)
{
    cl_command_queue queue = opencl_stream_queue(s);
    const uint32_t *grid = launch->grid;
    size_t local[3] = { k->group, 1, 1 };
    size_t global[3] = { (size_t)grid[0] * k->group, grid[1], grid[2] };
    const char *what = "clSetKernelArg";
    cl_int code;

    opencl_enter(s->dev);
    code = set_args(k, launch->args);
    if (code == CL_SUCCESS) {
        what = "clEnqueueNDRangeKernel";
        code =
            opencl_cl.EnqueueNDRangeKernel(queue, k->kernel,
                                           grid[2] > 1   ? 3
                                           : grid[1] > 1 ? 2
                                                         : 1,
                                           NULL, global, local, 0, NULL, NULL);
    }
    pthread_mutex_unlock(&k->lock);
    if (code == CL_SUCCESS) {
        opencl_stream_count(s);
        what = "clFlush";
        code = opencl_flush(s->dev, queue);
    }
    opencl_leave(s->dev);
    return code == CL_SUCCESS ? halSuccess : opencl_fail(code, what);
}

/*
 * Drivers that run work in the thread that submits it (OPENCL_QUIRK_INLINE)
 * would make every launch wait.  So launches are handed to the stream's thread,
 * save one that is known to be short, which runs at once: the hand-over would
 * cost it a hundredfold.  Known to be short is a launch of the same kernel with
 * the same grid, the same shared memory and the same scalars, all of them bit
 * for bit, as one that was timed and took SLOW_NS at most.  (The block is the
 * kernel's own.)  All others are handed over and timed there.
 *
 * What is left: the time may depend on what is in the buffers, or on which they
 * are.  A launch that runs at once and takes longer than HELD_NS, by a clock
 * that costs little and is late by up to a tick (10 ms at most), is forgotten:
 * it blocks its caller once.  What takes less is found out by each SAMPLEth
 * launch with these numbers, which is timed exactly.
 */
#define SLOW_NS 50000    /* about what a hand-over to a sleeping thread costs */
#define HELD_NS 10000000 /* that of the cheap clock: above one tick */
#define SAMPLE  16u      /* two readings of the exact clock: 8 % of a launch */

/* What a launch is known by; never 0 apart from the bits that SAMPLE uses. */
static uint64_t key_of(const struct opencl_kernel *k,
                       const struct hal_launch *launch)
{
    uint32_t words[4 + HAL_PARAMS_MAX];
    size_t n = 0;

    for (int i = 0; i < 3; i++)
        words[n++] = launch->grid[i];
    words[n++] = launch->shared_bytes;
    for (uint32_t left = k->is_scalar; left; left &= left - 1)
        words[n++] = launch->args[__builtin_ctz(left)].scalar;
    return (XXH3_64bits(words, n * sizeof words[0]) | SAMPLE) &
           ~(uint64_t)(SAMPLE - 1);
}

/* A slot holds a key plus how many launches go by before the next is timed. */
static _Atomic uint64_t *slot_of(struct opencl_kernel *k, uint64_t key)
{
    return &k->short_keys[key >> 32 & (OPENCL_SHORT_KEYS - 1)];
}

static bool holds(uint64_t slot, uint64_t key)
{
    return (slot & ~(uint64_t)(SAMPLE - 1)) == key;
}

/* Threads that meet lose each other's news at worst, until the next launch. */
static void learn(struct opencl_kernel *k, uint64_t key, bool is_short)
{
    _Atomic uint64_t *slot = slot_of(k, key);

    if (is_short)
        atomic_store_explicit(slot, key + SAMPLE - 1, memory_order_relaxed);
    else if (holds(atomic_load_explicit(slot, memory_order_relaxed), key))
        atomic_store_explicit(slot, 0, memory_order_relaxed);
}

/* As launch_locked. */
static halError_t launch_timed(struct opencl_stream *s, struct opencl_kernel *k,
                               const struct hal_launch *launch, uint64_t key)
{
    uint64_t start = opencl_now_ns();
    halError_t st = launch_locked(s, k, launch);

    learn(k, key, st == halSuccess && opencl_now_ns() - start <= SLOW_NS);
    return st;
}

static uint64_t cheap_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* As launch_locked, in the caller's thread; `slot` holds the key. */
static halError_t launch_short(struct opencl_stream *s, struct opencl_kernel *k,
                               const struct hal_launch *launch, uint64_t key,
                               uint64_t slot)
{
    uint64_t start;
    halError_t st;

    if (slot == key)
        return launch_timed(s, k, launch, key);
    atomic_store_explicit(slot_of(k, key), slot - 1, memory_order_relaxed);
    start = cheap_now_ns();
    st = launch_locked(s, k, launch);
    if (cheap_now_ns() - start > HELD_NS)
        learn(k, key, false);
    return st;
}

halError_t opencl_run_launch(struct opencl_stream *s, struct opencl_kernel *k,
                             const struct hal_launch *launch)
{
    pthread_mutex_lock(&k->lock);
    return s->dev->quirks & OPENCL_QUIRK_INLINE
               ? launch_timed(s, k, launch, key_of(k, launch))
               : launch_locked(s, k, launch);
}

halError_t opencl_launch(struct hal_dev *dev, void *stream, void *kernel,
                         const struct hal_launch *launch)
{
    struct opencl_stream *s = stream;
    struct opencl_kernel *k = kernel;
    struct opencl_op op;

    (void)dev;
    if (opencl_stream_direct(s)) {
        uint64_t key, slot;

        if (!(s->dev->quirks & OPENCL_QUIRK_INLINE))
            return opencl_run_launch(s, k, launch);
        key = key_of(k, launch);
        slot = atomic_load_explicit(slot_of(k, key), memory_order_relaxed);
        /* The lock is held while the kernel runs: another stream's thread may
         * have it for long. */
        if (holds(slot, key) && pthread_mutex_trylock(&k->lock) == 0)
            return launch_short(s, k, launch, key, slot);
    }
    op.kind = OPENCL_OP_LAUNCH;
    op.u.launch.kernel = k;
    op.u.launch.launch = *launch;
    return opencl_defer_push(s, &op);
}
