/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.c - the backend's tables; opening and closing a device.  Invariant: an
 * open device holds one reference to its GPU's primary context and changes no
 * setting of it.
 */
#include "backends/cuda/cuda.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void device_close(struct hal_dev *hal);

static const struct hal_ops ops = {
    .size = sizeof ops,
    .device_close = device_close,
    .mem_info = cuda_mem_info,
    .mem_alloc = cuda_mem_alloc,
    .mem_free = cuda_mem_free,
    .stream_create = cuda_stream_create,
    .stream_destroy = cuda_stream_destroy,
    .stream_query = cuda_stream_query,
    .stream_sync = cuda_stream_sync,
    .copy_in = cuda_copy_in,
    .copy_out = cuda_copy_out,
    .copy = cuda_copy,
    .fill = cuda_fill,
    .host_func = cuda_host_func,
    .event_create = cuda_event_create,
    .event_destroy = cuda_event_destroy,
    .event_record = cuda_event_record,
    .event_query = cuda_event_query,
    .event_sync = cuda_event_sync,
    .event_elapsed = cuda_event_elapsed,
    .stream_wait = cuda_stream_wait,
    .kernel_create = cuda_kernel_create,
    .kernel_destroy = cuda_kernel_destroy,
    .launch = cuda_launch,
};

static const struct hal_opt_ops opt_ops = {
    .size = sizeof opt_ops,
    .host_alloc = cuda_host_alloc,
    .host_free = cuda_host_free,
    .host_register = cuda_host_register,
    .host_unregister = cuda_host_unregister,
    .priority_range = cuda_priority_range,
    .peer_can_access = cuda_peer_can_access,
    .peer_enable = cuda_peer_enable,
    .peer_disable = cuda_peer_disable,
    .copy_2d = cuda_copy_2d,
};

static halError_t probe(unsigned *out_count)
{
    halError_t st = cuda_load();

    return st == halSuccess ? cuda_list(out_count) : st;
}

static const struct cuda_gpu *gpu_at(unsigned index, halError_t *st)
{
    const struct cuda_gpu *g = cuda_gpu_at(index);

    if (!g)
        *st =
            hal_fail(halErrorInvalidDevice, "cuda: there is no GPU %u", index);
    return g;
}

static halError_t describe(unsigned index, char name[256], char driver[256])
{
    halError_t st = halSuccess;
    const struct cuda_gpu *g = gpu_at(index, &st);

    if (!g)
        return st;
    memcpy(name, g->name, sizeof g->name);
    memcpy(driver, g->driver, sizeof g->driver);
    return halSuccess;
}

/* Why the GPU does not give a context. */
static halError_t open_failure(struct cuda_dev *dev, unsigned code,
                               const char *what)
{
    int mode = cuda_attribute(dev->id, CUDA_ATTR_COMPUTE_MODE);

    if (mode == CUDA_MODE_PROHIBITED)
        return hal_fail(halErrorNoDriver,
                        "cuda: %.80s is closed to compute (its compute mode is "
                        "PROHIBITED); `nvidia-smi -i %d -c DEFAULT` opens it",
                        dev->gpu->name, dev->id);
    if (mode == CUDA_MODE_EXCLUSIVE_PROCESS && !cuda_error_is_final(code) &&
        (code == CUDA_DEVICE_UNAVAILABLE || code == CUDA_INVALID_DEVICE))
        return hal_fail(halErrorNoDriver,
                        "cuda: another process has %.80s, whose compute mode "
                        "is EXCLUSIVE_PROCESS; end that process, or "
                        "`nvidia-smi -i %d -c DEFAULT`",
                        dev->gpu->name, dev->id);
    if (code == CUDA_OUT_OF_MEMORY)
        return hal_fail(halErrorMemoryAllocation,
                        "cuda: %.80s has no memory left for a context: other "
                        "processes have it (`nvidia-smi` lists them)",
                        dev->gpu->name);
    if (cuda_error_is_final(code))
        return hal_fail(halErrorNoDriver,
                        "cuda: %.80s failed before (%s) and something else in "
                        "this process still holds its context; end the process",
                        dev->gpu->name, cuda_error_name(code));
    return cuda_fail(dev, code, what);
}

void cuda_enter_patiently(const struct cuda_dev *dev, bool *out_pushed)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    for (int i = 0; i < 1000 && cuda_enter(dev, out_pushed) != CUDA_OK; i++)
        nanosleep(&pause, NULL);
}

static void device_release(struct cuda_dev *dev)
{
    bool pushed = false;

    if (dev->context) {
        cuda_enter_patiently(dev, &pushed);
        cuda_blas_close(dev);
        cuda_peers_close(dev);
        cuda_stages_close(dev);
        cuda_flags_close(dev);
        if (dev->service) {
            (void)cuda_cu.StreamSynchronize(dev->service);
            (void)cuda_cu.StreamDestroy(dev->service);
        }
        cuda_pool_close(dev);
        cuda_leave(pushed);
        (void)cuda_cu.DevicePrimaryCtxRelease(dev->id);
    }
    pthread_mutex_destroy(&dev->stage_lock);
    pthread_mutex_destroy(&dev->lock);
    free(dev);
}

/* A stream and a pool, in the context. */
static halError_t device_fill(struct cuda_dev *dev)
{
    halError_t st = halSuccess;
    unsigned code;
    bool pushed;

    code = cuda_enter(dev, &pushed);
    if (code != CUDA_OK)
        return open_failure(dev, code, "cuda_cu.CtxPushCurrent");
    code = cuda_cu.StreamCreateWithPriority(&dev->service,
                                            CUDA_STREAM_NON_BLOCKING, 0);
    if (code != CUDA_OK) {
        dev->service = NULL;
        st = open_failure(dev, code, "cuda_cu.StreamCreateWithPriority");
    }
    if (st == halSuccess)
        st = cuda_pool_open(dev);
    cuda_leave(pushed);
    return st;
}

static halError_t device_open(unsigned index, struct hal_dev **out_dev)
{
    halError_t st = halSuccess;
    const struct cuda_gpu *g = gpu_at(index, &st);
    struct cuda_dev *dev;
    unsigned code;

    if (!g)
        return st;
    dev = calloc(1, sizeof *dev);
    if (!dev)
        return hal_fail(halErrorHostMemory, "cuda: device_open: %zu bytes",
                        sizeof *dev);
    pthread_mutex_init(&dev->lock, NULL);
    pthread_mutex_init(&dev->stage_lock, NULL);
    dev->hal.size = sizeof dev->hal;
    dev->hal.ops = &ops;
    dev->hal.opt = &opt_ops;
    dev->gpu = g;
    dev->id = g->id;
    cuda_props_fill(dev);
    if (!cuda_attribute(dev->id, CUDA_ATTR_CAN_USE_64_BIT_STREAM_MEM_OPS)) {
        st = hal_fail(halErrorNoDriver,
                      "cuda: the driver of %.80s has no stream memory "
                      "operations, which Halcyon needs (WSL and some virtual "
                      "GPUs lack them)",
                      g->name);
        goto out;
    }
    code = cuda_cu.DevicePrimaryCtxRetain(&dev->context, dev->id);
    if (code != CUDA_OK) {
        dev->context = NULL;
        st = open_failure(dev, code, "cuda_cu.DevicePrimaryCtxRetain");
        goto out;
    }
    st = device_fill(dev);
    if (st == halSuccess)
        *out_dev = &dev->hal;
out:
    if (st != halSuccess)
        device_release(dev);
    return st;
}

static void device_close(struct hal_dev *hal)
{
    device_release(cuda_dev_of(hal));
}

__attribute__((visibility("default")))
const struct hal_backend hal_backend_cuda = {
    .size = sizeof hal_backend_cuda,
    .abi = HAL_BACKEND_ABI,
    .name = "cuda",
    .probe = probe,
    .describe = describe,
    .device_open = device_open,
};
