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

/* Where the device sees page-locked memory. */
static halError_t mem_map(struct cuda_dev *dev, struct cuda_mem *m, void *host,
                          struct hal_mem *out_mem)
{
    unsigned long long address = 0;
    unsigned code = cuda_cu.MemHostGetDevicePointer(&address, host, 0);

    if (code != CUDA_OK)
        return cuda_fail(dev, code, "cuda_cu.MemHostGetDevicePointer");
    m->address = address;
    *out_mem =
        (struct hal_mem){ .impl = m, .addr = (void *)(uintptr_t)address };
    return halSuccess;
}

halError_t cuda_host_alloc(struct hal_dev *hal, uint64_t size, unsigned flags,
                           void **out_host, struct hal_mem *out_mem)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_mem *m = mem_new(CUDA_FROM_HOST);
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
    st = mem_map(dev, m, host, out_mem);
    if (st != halSuccess) {
        (void)cuda_cu.MemFreeHost(host);
        goto out;
    }
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
    halError_t st = halSuccess;
    bool pushed = false;

    if (!m)
        return halErrorHostMemory;
    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.MemHostRegister(host, (size_t)size,
                                         CUDA_HOST_REGISTER_PORTABLE |
                                             CUDA_HOST_REGISTER_DEVICEMAP));
    st = mem_map(dev, m, host, out_mem);
    if (st != halSuccess) {
        (void)cuda_cu.MemHostUnregister(host);
        goto out;
    }
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
