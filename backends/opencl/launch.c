/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - the argument ABI of docs/dialect.md and the launch.  Invariant:
 * arguments and launch are one step under the kernel's lock, since a cl_kernel
 * holds the arguments.  No allocation, no event: this is the fast path.
 */
#include "backends/opencl/opencl.h"

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
 * would make every launch wait.  So a launch that may take long is handed to
 * the stream's thread; one that is known to be short runs at once, since the
 * hand-over would cost it a hundredfold.  Known to be short is a launch
 *  - whose groups, by what a group of the kernel took when last timed, take
 *    SLOW_NS together, and
 *  - none of whose scalars exceeds twice what it was in a launch that was timed
 *    and took no longer than that: loops run to a scalar, as a rule.
 * So the first launch is handed over, and one whose scalars have grown, and
 * both are timed.  What is left: a kernel whose time grows with the contents
 * of its buffers, or as a scalar falls, may block its caller; that is noticed
 * after at most SAMPLE launches.
 */
#define SLOW_NS 50000 /* about what a hand-over to a sleeping thread costs */
#define SAMPLE  32u   /* the two readings of the clock are 20 % of a launch */

static uint64_t n_groups(const struct hal_launch *launch)
{
    return (uint64_t)launch->grid[0] * launch->grid[1] * launch->grid[2];
}

static bool has_grown(struct opencl_kernel *k, const struct hal_launch *launch)
{
    for (uint32_t left = k->is_scalar; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);

        if (launch->args[i].scalar >
            atomic_load_explicit(&k->short_up_to[i], memory_order_relaxed))
            return true;
    }
    return false;
}

static bool is_long(struct opencl_kernel *k, const struct hal_launch *launch)
{
    uint64_t ns = atomic_load_explicit(&k->group_ns, memory_order_relaxed);

    return n_groups(launch) > SLOW_NS || n_groups(launch) * ns > SLOW_NS ||
           has_grown(k, launch);
}

/* Threads that meet here lose each other's news at worst. */
static void learn(struct opencl_kernel *k, const struct hal_launch *launch,
                  uint64_t ns)
{
    uint64_t group_ns = ns / n_groups(launch);

    /* A launch that will be handed over again, whatever a group takes, says
     * nothing about the others. */
    if (ns > SLOW_NS && has_grown(k, launch))
        return;
    atomic_store_explicit(
        &k->group_ns, group_ns < UINT32_MAX ? (unsigned)group_ns : UINT32_MAX,
        memory_order_relaxed);
    if (ns > SLOW_NS)
        return;
    for (uint32_t left = k->is_scalar; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctz(left);
        uint32_t value = launch->args[i].scalar;
        uint32_t up_to = value > UINT32_MAX / 2 ? UINT32_MAX : 2 * value;

        if (up_to >
            atomic_load_explicit(&k->short_up_to[i], memory_order_relaxed))
            atomic_store_explicit(&k->short_up_to[i], up_to,
                                  memory_order_relaxed);
    }
}

/* Every SAMPLEth launch is timed, however short. */
static bool is_sample(struct opencl_kernel *k)
{
    unsigned n = atomic_load_explicit(&k->n_runs, memory_order_relaxed);

    /* no atomic addition: a count that is lost only moves the sample */
    atomic_store_explicit(&k->n_runs, n + 1, memory_order_relaxed);
    return n % SAMPLE == 0;
}

/* As launch_locked. */
static halError_t launch_timed(struct opencl_stream *s, struct opencl_kernel *k,
                               const struct hal_launch *launch)
{
    uint64_t start = opencl_now_ns();
    halError_t st = launch_locked(s, k, launch);

    if (st == halSuccess)
        learn(k, launch, opencl_now_ns() - start);
    return st;
}

halError_t opencl_run_launch(struct opencl_stream *s, struct opencl_kernel *k,
                             const struct hal_launch *launch)
{
    pthread_mutex_lock(&k->lock);
    return s->dev->quirks & OPENCL_QUIRK_INLINE ? launch_timed(s, k, launch)
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
        if (!(s->dev->quirks & OPENCL_QUIRK_INLINE))
            return opencl_run_launch(s, k, launch);
        /* The lock is held while the kernel runs: another stream's thread may
         * have it for long. */
        if (!is_long(k, launch) && pthread_mutex_trylock(&k->lock) == 0)
            return is_sample(k) ? launch_timed(s, k, launch)
                                : launch_locked(s, k, launch);
    }
    op.kind = OPENCL_OP_LAUNCH;
    op.u.launch.kernel = k;
    op.u.launch.launch = *launch;
    return opencl_defer_push(s, &op);
}
