/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - device memory.  Invariant: an address that mem_alloc returns may
 * be used on any stream at once, and mem_free waits for none.
 *
 * Memory comes from a pool of the device's own (the default pool belongs to the
 * rest of the process), in the order of the service stream: cuMemFree would
 * wait for all that runs in the context, which may be held back by a host
 * function. The pool keeps a little, so that small allocations do not map
 * memory each.
 */
#include "backends/cuda/cuda.h"

#include <stdlib.h>

#define POOL_KEEP_BYTES ((uint64_t)64 << 20)

halError_t cuda_pool_open(struct cuda_dev *dev)
{
    const struct cuda_pool_props props = {
        .alloc_type = CUDA_ALLOCATION_PINNED,
        .location_type = CUDA_LOCATION_DEVICE,
        .location_id = dev->id,
    };
    uint64_t keep = POOL_KEEP_BYTES;
    halError_t st = halSuccess;

    if (!cuda_attribute(dev->id, CUDA_ATTR_MEMORY_POOLS_SUPPORTED))
        return halSuccess;
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.MemPoolCreate(&dev->pool, (const void *)&props));
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.MemPoolSetAttribute(
                     dev->pool, CUDA_POOL_RELEASE_THRESHOLD, &keep));
out:
    return st;
}

void cuda_pool_close(struct cuda_dev *dev)
{
    if (dev->pool)
        (void)cuda_cu.MemPoolDestroy(dev->pool);
    dev->pool = NULL;
}

/* What the pool holds and nobody uses: free, for who asks. */
static uint64_t pool_idle(struct cuda_dev *dev)
{
    uint64_t reserved = 0, used = 0;

    if (!dev->pool ||
        cuda_cu.MemPoolGetAttribute(dev->pool, CUDA_POOL_RESERVED_CURRENT,
                                    &reserved) != CUDA_OK ||
        cuda_cu.MemPoolGetAttribute(dev->pool, CUDA_POOL_USED_CURRENT, &used) !=
            CUDA_OK)
        return 0;
    return reserved > used ? reserved - used : 0;
}

static halError_t info(struct cuda_dev *dev, uint64_t *out_free,
                       uint64_t *out_total)
{
    size_t left = 0, total = 0;
    halError_t st = halSuccess;

    /* What was freed before is free. */
    CUDA_OR_GOTO(out, st, dev, cuda_cu.StreamSynchronize(dev->service));
    CUDA_OR_GOTO(out, st, dev, cuda_cu.MemGetInfo(&left, &total));
    *out_free = left + pool_idle(dev);
    if (*out_free > total)
        *out_free = total;
    *out_total = total;
out:
    return st;
}

halError_t cuda_mem_info(struct hal_dev *hal, uint64_t *out_free,
                         uint64_t *out_total)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    halError_t st = halSuccess;
    bool pushed;

    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    st = info(dev, out_free, out_total);
out:
    cuda_leave(pushed);
    return st;
}

static halError_t no_memory(struct cuda_dev *dev, uint64_t size)
{
    uint64_t left = 0, total = 0;

    if (info(dev, &left, &total) != halSuccess)
        return hal_fail(halErrorMemoryAllocation,
                        "cuda: %llu bytes asked for, there are fewer",
                        (unsigned long long)size);
    return hal_fail(halErrorMemoryAllocation,
                    "cuda: %llu bytes asked for, %llu of %llu are free on "
                    "%.80s (`nvidia-smi` shows who else uses it)",
                    (unsigned long long)size, (unsigned long long)left,
                    (unsigned long long)total, dev->gpu->name);
}

static unsigned from_pool(struct cuda_dev *dev, uint64_t size,
                          unsigned long long *out_address)
{
    unsigned code = cuda_cu.MemAllocFromPoolAsync(out_address, (size_t)size,
                                                  dev->pool, dev->service);

    /* Any stream may use it once the service stream has got so far. */
    if (code == CUDA_OK) {
        code = cuda_cu.StreamSynchronize(dev->service);
        if (code != CUDA_OK)
            (void)cuda_cu.MemFreeAsync(*out_address, dev->service);
    }
    return code;
}

static unsigned take(struct cuda_dev *dev, uint64_t size, int kind,
                     struct cuda_mem *m)
{
    unsigned long long address = 0;
    unsigned code;

    if (kind == HAL_MEM_MANAGED) {
        m->origin = CUDA_FROM_ALLOC;
        code =
            cuda_cu.MemAllocManaged(&address, (size_t)size, CUDA_ATTACH_GLOBAL);
    } else if (dev->pool) {
        m->origin = CUDA_FROM_POOL;
        code = from_pool(dev, size, &address);
    } else {
        m->origin = CUDA_FROM_ALLOC;
        code = cuda_cu.MemAlloc(&address, (size_t)size);
    }
    m->address = address;
    return code;
}

halError_t cuda_mem_alloc(struct hal_dev *hal, uint64_t size, int kind,
                          struct hal_mem *out_mem)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_mem *m;
    halError_t st = halSuccess;
    unsigned code;
    bool pushed;

    if (kind == HAL_MEM_MANAGED && !dev->hal.info.prop.managedMemory)
        return hal_fail(halErrorNotSupported,
                        "cuda: the host cannot use %.80s's managed memory "
                        "while kernels run",
                        dev->gpu->name);
    m = calloc(1, sizeof *m);
    if (!m)
        return hal_fail(halErrorHostMemory, "cuda: mem_alloc: %zu bytes",
                        sizeof *m);
    code = cuda_enter(dev, &pushed);
    if (code == CUDA_OK) {
        code = take(dev, size, kind, m);
        st = code == CUDA_OK ? halSuccess
             : code == CUDA_OUT_OF_MEMORY
                 ? no_memory(dev, size)
                 : cuda_fail(dev, code, "cuda_cu.MemAlloc");
        cuda_leave(pushed);
    } else {
        st = cuda_fail(dev, code, "cuda_cu.CtxPushCurrent");
    }
    if (st != halSuccess) {
        free(m);
        return st;
    }
    *out_mem = (struct hal_mem){
        .impl = m,
        .addr = (void *)(uintptr_t)m->address,
    };
    return halSuccess;
}

void cuda_mem_free(struct hal_dev *hal, void *mem)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_mem *m = mem;
    bool pushed;

    if (!m)
        return;
    cuda_enter_patiently(dev, &pushed);
    if (m->origin == CUDA_FROM_POOL)
        (void)cuda_cu.MemFreeAsync(m->address, dev->service);
    else
        (void)cuda_cu.MemFree(m->address);
    cuda_leave(pushed);
    free(m);
}
