/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - launches.  Invariant: the stream remembers the kernel before the
 * driver hears of it, so that a failure can name it.
 */
#include "backends/cuda/cuda.h"

static void remember(struct cuda_stream *s, const struct cuda_kernel *k)
{
    uint64_t n = atomic_load_explicit(&s->n_launched, memory_order_relaxed);

    atomic_store_explicit(&s->recent[n & (CUDA_RECENT - 1)], k,
                          memory_order_relaxed);
    atomic_store_explicit(&s->n_launched, n + 1, memory_order_release);
}

/* More dynamic shared memory than a kernel has by default is granted on
 * request: all that there is at once, so that threads that meet here ask for
 * the same. */
static halError_t grant(struct cuda_dev *dev, struct cuda_kernel *k,
                        uint32_t bytes)
{
    uint64_t most = dev->hal.info.prop.sharedMemPerBlockOptin;
    halError_t st = halSuccess;

    if (bytes + (uint64_t)k->static_bytes > most)
        return hal_fail(halErrorInvalidConfiguration,
                        "kernel %s: %u bytes of dynamic shared memory and %u "
                        "static; a group has %llu on this GPU",
                        k->name, bytes, k->static_bytes,
                        (unsigned long long)most);
    most -= k->static_bytes;
    CUDA_OR_GOTO(
        out, st, dev,
        cuda_cu.FuncSetAttribute(
            k->function, CUDA_FUNC_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)most));
    atomic_store(&k->dynamic_bytes, (uint32_t)most);
out:
    return st;
}

static halError_t enqueue(struct cuda_dev *dev, struct cuda_stream *s,
                          struct cuda_kernel *k,
                          const struct hal_launch *launch)
{
    const void *params[HAL_PARAMS_MAX];
    halError_t st = halSuccess;
    unsigned code;

    for (uint32_t i = 0; i < k->n_params; i++)
        params[i] = k->is_scalar >> i & 1
                        ? (const void *)&launch->args[i].scalar
                        : (const void *)&launch->args[i].buffer.addr;
    if (launch->shared_bytes > atomic_load(&k->dynamic_bytes)) {
        st = grant(dev, k, launch->shared_bytes);
        if (st != halSuccess)
            return st;
    }
    remember(s, k);
    code = cuda_cu.LaunchKernel(k->function, launch->grid[0], launch->grid[1],
                                launch->grid[2], k->group, 1, 1,
                                launch->shared_bytes, s->stream,
                                (void **)(uintptr_t)params, NULL);
    if (code != CUDA_OK)
        st = cuda_fail(dev, code, "cuda_cu.LaunchKernel");
    if (code != CUDA_OK && !cuda_error_is_final(code))
        st = hal_fail(st, "kernel %s: cuLaunchKernel: %s (%u)%s%s", k->name,
                      cuda_error_name(code), code,
                      cuda_error_hint(code)[0] ? ": " : "",
                      cuda_error_hint(code));
    return st;
}

halError_t cuda_launch(struct hal_dev *hal, void *stream, void *kernel,
                       const struct hal_launch *launch)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_stream *s = stream;
    struct cuda_kernel *k = kernel;
    halError_t st = halSuccess;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    if (!k->product || !cuda_blas_is_alone(k->product, launch))
        st = enqueue(dev, s, k, launch);
    else
        remember(s, k);
    if (st == halSuccess && k->product)
        st = cuda_blas_multiply(dev, s->stream, k->product, launch);
out:
    cuda_leave(pushed);
    return st;
}
