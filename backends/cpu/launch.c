/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - launches.  A grid's groups are shared out over the pool in
 * contiguous ranges.  Each kernel remembers what a group of it costs, and a
 * launch that is over sooner than a worker wakes up stays on one thread.
 *
 * A kernel that faults (a wild access) takes the process with it, as any
 * native code does; conformance runs its cases in processes of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/cpu/cpu.h"

/* Below this a launch runs on one thread: handing a piece to a worker that
 * still spins costs about 1 us, to one that sleeps 50. */
#define INLINE_NS 10000u
/* Pieces a worker gets on average: enough to even out uneven groups. */
#define PIECES_PER_WORKER 16u
/* A piece shorter than this costs more to take than to run. */
#define PIECE_MIN_NS  1000u
#define SCRATCH_ALIGN 64u

/* ---- scratch: LOCAL and PRIV memory, kept by each thread ------------------
 */

struct scratch {
    size_t size;
    void *memory;
};

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static bool scratch_usable;
static _Thread_local struct scratch scratch;

static void scratch_release(void *memory)
{
    free(memory);
}

static void scratch_init(void)
{
    scratch_usable = pthread_key_create(&scratch_key, scratch_release) == 0;
}

/* This thread's scratch, at least `size` bytes; NULL when out of memory. */
static void *scratch_get(size_t size)
{
    void *memory;

    if (size <= scratch.size)
        return scratch.memory;
    pthread_once(&scratch_once, scratch_init);
    size = (size + 4095) & ~(size_t)4095;
    memory = aligned_alloc(SCRATCH_ALIGN, size);
    if (!memory)
        return NULL;
    /* The key only sees to it that a thread that ends frees its memory. */
    if (!scratch_usable || pthread_setspecific(scratch_key, memory) != 0) {
        free(memory);
        return NULL;
    }
    free(scratch.memory);
    scratch = (struct scratch){ size, memory };
    return memory;
}

/* ---- running ------------------------------------------------------------- */

struct run {
    const struct cpu_launch *launch;
    size_t scratch_bytes;
    _Atomic bool failed;
};

static void run_groups(void *ctx, uint64_t first, uint64_t last)
{
    struct run *run = ctx;
    const struct cpu_launch *launch = run->launch;
    void *memory = scratch_get(run->scratch_bytes);

    if (!memory) {
        atomic_store_explicit(&run->failed, true, memory_order_relaxed);
        return;
    }
    launch->kernel->entry(launch->args, launch->grid, first, last, memory);
}

/* Cost of a group in 1/16 ns, averaged over the last few launches. */
static void learn_cost(struct cpu_kernel *k, uint64_t ns, uint64_t groups)
{
    uint64_t old = atomic_load_explicit(&k->cost, memory_order_relaxed);
    uint64_t now = ns > UINT64_MAX / 16 ? UINT64_MAX : ns * 16 / groups;

    if (old)
        now = now / 4 + old - old / 4;
    if (now > UINT32_MAX)
        now = UINT32_MAX;
    atomic_store_explicit(&k->cost, now ? (uint32_t)now : 1,
                          memory_order_relaxed);
}

static uint64_t estimate_ns(uint64_t cost, uint64_t groups)
{
    return groups > UINT64_MAX / (cost + 1) ? UINT64_MAX : groups * cost / 16;
}

/* On this thread while that is cheap: the estimate may come from launches with
 * other arguments, so it is checked on the way.  Returns the groups done. */
static uint64_t run_inline(struct run *run, uint64_t total, uint64_t start)
{
    uint64_t done = 0, piece = total / 8 + 1;

    while (done < total) {
        uint64_t left = total - done;

        run_groups(run, done, done + (left < piece ? left : piece));
        done += left < piece ? left : piece;
        if (done < total && cpu_now_ns() - start > INLINE_NS)
            break;
    }
    return done;
}

struct shifted {
    struct run *run;
    uint64_t base;
};

static void run_shifted(void *ctx, uint64_t first, uint64_t last)
{
    struct shifted *s = ctx;

    run_groups(s->run, s->base + first, s->base + last);
}

halError_t cpu_launch_run(struct cpu_device *dev,
                          const struct cpu_launch *launch)
{
    struct cpu_kernel *k = launch->kernel;
    struct run run = { .launch = launch,
                       .scratch_bytes = (size_t)k->scratch_bytes +
                                        launch->shared_bytes + SCRATCH_ALIGN };
    struct shifted rest = { .run = &run };
    uint64_t total =
        (uint64_t)launch->grid[0] * launch->grid[1] * launch->grid[2];
    unsigned workers = cpu_pool_workers(dev->pool);
    uint64_t cost, start, piece, elapsed;
    unsigned n_threads = 1;

    if (total == 1 || workers == 1) {
        run_groups(&run, 0, total);
        return run.failed ? halErrorHostMemory : halSuccess;
    }

    cost = atomic_load_explicit(&k->cost, memory_order_relaxed);
    start = cpu_now_ns();
    if (cost && estimate_ns(cost, total) < INLINE_NS)
        rest.base = run_inline(&run, total, start);
    if (rest.base < total) {
        uint64_t left = total - rest.base;

        piece = left / (workers * PIECES_PER_WORKER);
        if (cost && piece < PIECE_MIN_NS * 16u / cost)
            piece = PIECE_MIN_NS * 16u / cost;
        n_threads = cpu_pool_run(dev->pool, left, piece ? piece : 1,
                                 run_shifted, &rest);
    }
    elapsed = cpu_now_ns() - start;
    learn_cost(k, elapsed * (rest.base ? 1 : n_threads), total);
    return run.failed ? halErrorHostMemory : halSuccess;
}

/* ---- op ------------------------------------------------------------------ */

halError_t cpu_launch(struct hal_dev *dev, void *stream, void *kernel,
                      const struct hal_launch *launch)
{
    struct cpu_kernel *k = kernel;
    struct cpu_command *command;

    if (launch->n_args != k->desc->n_params || launch->n_args > HAL_PARAMS_MAX)
        return hal_fail(halErrorInvalidArgument,
                        "%s: %u arguments, the kernel has %u", k->desc->name,
                        launch->n_args, k->desc->n_params);
    if (launch->shared_bytes > dev->info.prop.sharedMemPerBlock)
        return hal_fail(halErrorInvalidConfiguration,
                        "%s: %u bytes of shared memory, the limit is %llu",
                        k->desc->name, launch->shared_bytes,
                        (unsigned long long)dev->info.prop.sharedMemPerBlock);
    command = cpu_command_take(stream);
    if (!command)
        return halErrorHostMemory;
    command->kind = CPU_COMMAND_LAUNCH;
    command->u.launch.kernel = k;
    memcpy(command->u.launch.grid, launch->grid, sizeof launch->grid);
    command->u.launch.shared_bytes = launch->shared_bytes;
    for (uint32_t i = 0; i < launch->n_args; i++) {
        uint64_t *slot = &command->u.launch.args[i];

        *slot = 0;
        if (k->desc->params[i].kind == HAL_PARAM_ARG)
            memcpy(slot, &launch->args[i].scalar, sizeof(uint32_t));
        else
            *slot = (uintptr_t)launch->args[i].buffer.addr;
    }
    cpu_stream_submit(stream, command);
    return halSuccess;
}
