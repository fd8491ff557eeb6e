/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - the argument ABI of docs/dialect.md and the launch.  Invariant:
 * arguments and launch are one step under the kernel's lock, since a cl_kernel
 * holds the arguments.  No allocation, no event: this is the fast path.
 */
#include "backends/opencl/opencl.h"

#include <time.h>

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

static halError_t launch_now(struct opencl_stream *s, struct opencl_kernel *k,
                             const struct hal_launch *launch)
{
    cl_command_queue queue = opencl_stream_queue(s);
    const uint32_t *grid = launch->grid;
    size_t local[3] = { k->group, 1, 1 };
    size_t global[3] = { (size_t)grid[0] * k->group, grid[1], grid[2] };
    const char *what = "clSetKernelArg";
    cl_int code;

    pthread_mutex_lock(&k->lock);
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
        atomic_fetch_add_explicit(&s->n_submitted, 1, memory_order_relaxed);
        what = "clFlush";
        code = opencl_cl.Flush(queue);
    }
    opencl_leave(s->dev);
    return code == CL_SUCCESS ? halSuccess : opencl_fail(code, what);
}

/*
 * Drivers that run work in the thread that submits it (OPENCL_QUIRK_INLINE)
 * would make every launch wait.  So a kernel's first launch, and those of
 * kernels that were seen to take long, are handed to the stream's thread; short
 * ones run at once, since the hand-over would cost them a hundredfold.  A
 * kernel that grows slow is noticed after at most SAMPLE launches.
 */
#define SLOW_NS 50000 /* about what a hand-over to a sleeping thread costs */
#define SAMPLE  16u   /* the two readings of the clock are 12 % of a launch */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t n_groups(const struct hal_launch *launch)
{
    return (uint64_t)launch->grid[0] * launch->grid[1] * launch->grid[2];
}

/* By what a group of it took when last timed. */
static bool is_slow(struct opencl_kernel *k, const struct hal_launch *launch)
{
    uint64_t ns = atomic_load_explicit(&k->group_ns, memory_order_relaxed);

    return n_groups(launch) > SLOW_NS || n_groups(launch) * ns > SLOW_NS;
}

halError_t opencl_run_launch(struct opencl_stream *s, struct opencl_kernel *k,
                             const struct hal_launch *launch)
{
    uint64_t start, ns;
    halError_t st;

    if (!(s->dev->quirks & OPENCL_QUIRK_INLINE) ||
        (atomic_fetch_add_explicit(&k->n_runs, 1, memory_order_relaxed) %
             SAMPLE &&
         !is_slow(k, launch)))
        return launch_now(s, k, launch);
    start = now_ns();
    st = launch_now(s, k, launch);
    ns = (now_ns() - start) / n_groups(launch);
    atomic_store_explicit(&k->group_ns,
                          ns < UINT32_MAX ? (unsigned)ns : UINT32_MAX,
                          memory_order_relaxed);
    return st;
}

halError_t opencl_launch(struct hal_dev *dev, void *stream, void *kernel,
                         const struct hal_launch *launch)
{
    struct opencl_stream *s = stream;
    struct opencl_op op;

    (void)dev;
    if (opencl_stream_direct(s) &&
        !(s->dev->quirks & OPENCL_QUIRK_INLINE && is_slow(kernel, launch)))
        return opencl_run_launch(s, kernel, launch);
    op.kind = OPENCL_OP_LAUNCH;
    op.u.launch.kernel = kernel;
    op.u.launch.launch = *launch;
    return opencl_defer_push(s, &op);
}
