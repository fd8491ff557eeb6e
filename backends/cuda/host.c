/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - page-locked host memory, the driver's and the caller's.  Invariant:
 * all of it is portable and mapped: every device of the process reaches it.
 */
#include "backends/cuda/cuda.h"

#include <stdlib.h>

static struct cuda_mem *mem_new(enum cuda_origin origin)
{
    struct cuda_mem *m = calloc(1, sizeof *m);

    if (m)
        m->origin = origin;
    else
        (void)hal_fail(halErrorHostMemory, "cuda: host memory: %zu bytes",
                       sizeof *m);
    return m;
}

static void mem_fill(struct cuda_mem *m, unsigned long long address,
                     struct hal_mem *out_mem)
{
    m->address = address;
    *out_mem =
        (struct hal_mem){ .impl = m, .addr = (void *)(uintptr_t)address };
}

halError_t cuda_host_alloc(struct hal_dev *hal, uint64_t size, unsigned flags,
                           void **out_host, struct hal_mem *out_mem)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_mem *m = mem_new(CUDA_FROM_HOST);
    unsigned long long address = 0;
    void *host = NULL;
    halError_t st = halSuccess;
    unsigned code;
    bool pushed = false;

    if (!m)
        return halErrorHostMemory;
    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    code = cuda_cu.MemHostAlloc(
        &host, (size_t)size,
        CUDA_HOST_ALLOC_PORTABLE | CUDA_HOST_ALLOC_DEVICEMAP |
            (flags & halHostAllocWriteCombined ? CUDA_HOST_ALLOC_WRITECOMBINED
                                               : 0u));
    if (code == CUDA_OUT_OF_MEMORY) {
        st = hal_fail(halErrorHostMemory,
                      "cuda: %llu bytes of page-locked memory asked for",
                      (unsigned long long)size);
        goto out;
    }
    if (code != CUDA_OK) {
        st = cuda_fail(dev, code, "cuda_cu.MemHostAlloc");
        goto out;
    }
    code = cuda_cu.MemHostGetDevicePointer(&address, host, 0);
    if (code != CUDA_OK) {
        st = cuda_fail(dev, code, "cuda_cu.MemHostGetDevicePointer");
        (void)cuda_cu.MemFreeHost(host);
        goto out;
    }
    mem_fill(m, address, out_mem);
    *out_host = host;
    m = NULL;
out:
    cuda_leave(pushed);
    free(m);
    return st;
}

void cuda_host_free(struct hal_dev *hal, void *host, void *mem)
{
    bool pushed;

    cuda_enter_patiently(cuda_dev_of(hal), &pushed);
    (void)cuda_cu.MemFreeHost(host);
    cuda_leave(pushed);
    free(mem);
}

halError_t cuda_host_register(struct hal_dev *hal, void *host, uint64_t size,
                              struct hal_mem *out_mem)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_mem *m = mem_new(CUDA_FROM_REGISTER);
    unsigned long long address = 0;
    halError_t st = halSuccess;
    unsigned code;
    bool pushed = false;

    if (!m)
        return halErrorHostMemory;
    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.MemHostRegister(host, (size_t)size,
                                         CUDA_HOST_REGISTER_PORTABLE |
                                             CUDA_HOST_REGISTER_DEVICEMAP));
    code = cuda_cu.MemHostGetDevicePointer(&address, host, 0);
    if (code != CUDA_OK) {
        st = cuda_fail(dev, code, "cuda_cu.MemHostGetDevicePointer");
        (void)cuda_cu.MemHostUnregister(host);
        goto out;
    }
    mem_fill(m, address, out_mem);
    m = NULL;
out:
    cuda_leave(pushed);
    free(m);
    return st;
}

void cuda_host_unregister(struct hal_dev *hal, void *host, void *mem)
{
    bool pushed;

    cuda_enter_patiently(cuda_dev_of(hal), &pushed);
    (void)cuda_cu.MemHostUnregister(host);
    cuda_leave(pushed);
    free(mem);
}
