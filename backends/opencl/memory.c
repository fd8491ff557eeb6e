/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - device memory: buffers, and fine-grain SVM for what the host
 * reaches too, and for all where the device is the host: a launch costs PoCL
 * some 40 ns less for each such argument.  Invariant: used_bytes is the sum of
 * what is allocated and never exceeds the device's memory.
 *
 * The sum is kept here because drivers do not keep it: PoCL and rusticl grant
 * buffers without end and die when the pages are touched.
 */
#include "backends/opencl/opencl.h"

#include <stdlib.h>

halError_t opencl_mem_info(struct hal_dev *hal, uint64_t *out_free,
                           uint64_t *out_total)
{
    struct opencl_dev *dev = opencl_dev_of(hal);

    *out_free = dev->total_bytes - atomic_load(&dev->used_bytes);
    *out_total = dev->total_bytes;
    return halSuccess;
}

static bool reserve(struct opencl_dev *dev, uint64_t size)
{
    uint64_t used = atomic_load(&dev->used_bytes);

    do {
        if (size > dev->total_bytes - used)
            return false;
    } while (
        !atomic_compare_exchange_weak(&dev->used_bytes, &used, used + size));
    return true;
}

static halError_t no_memory(struct opencl_dev *dev, uint64_t size)
{
    return hal_fail(
        halErrorMemoryAllocation,
        "opencl: %llu bytes asked for, %llu of %llu are free",
        (unsigned long long)size,
        (unsigned long long)(dev->total_bytes - atomic_load(&dev->used_bytes)),
        (unsigned long long)dev->total_bytes);
}

/* Makes the driver allocate now, where it would do so at the first use and
 * fail there.  One thread at a time: PoCL's basic device deadlocks when two
 * have work on one queue (docs/drivers/opencl.md). */
static halError_t commit(struct opencl_dev *dev, cl_mem buffer)
{
    cl_event event = NULL;
    halError_t st = halSuccess;

    pthread_mutex_lock(&dev->service_lock);
    OCL_OR_GOTO(out, st,
                opencl_cl.EnqueueMigrateMemObjects(
                    dev->service, 1, &buffer,
                    CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED, 0, NULL, &event));
    st = opencl_event_wait(dev, event);
out:
    pthread_mutex_unlock(&dev->service_lock);
    if (event)
        opencl_cl.ReleaseEvent(event);
    return st;
}

static halError_t alloc_buffer(struct opencl_dev *dev, struct opencl_mem *m,
                               uint64_t size)
{
    halError_t st;
    cl_int code;

    m->buffer = opencl_cl.CreateBuffer(dev->context, CL_MEM_READ_WRITE,
                                       (size_t)size, NULL, &code);
    if (code != CL_SUCCESS) {
        m->buffer = NULL;
        if (code == CL_OUT_OF_RESOURCES) /* a launch's failure elsewhere */
            code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
        return opencl_fail(code, "clCreateBuffer");
    }
    st = commit(dev, m->buffer);
    if (st != halSuccess)
        opencl_cl.ReleaseMemObject(m->buffer);
    return st;
}

static halError_t alloc_svm(struct opencl_dev *dev, struct opencl_mem *m,
                            uint64_t size)
{
    m->svm = opencl_cl.SVMAlloc(
        dev->context, CL_MEM_READ_WRITE | CL_MEM_SVM_FINE_GRAIN_BUFFER,
        (size_t)size, dev->hal.info.prop.memAlign);
    return m->svm ? halSuccess
                  : hal_fail(halErrorMemoryAllocation,
                             "opencl: clSVMAlloc has no %llu bytes",
                             (unsigned long long)size);
}

halError_t opencl_mem_alloc(struct hal_dev *hal, uint64_t size, int kind,
                            struct hal_mem *out_mem)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_mem *m = NULL;
    halError_t st;

    if (kind == HAL_MEM_MANAGED && !dev->svm)
        return hal_fail(halErrorNotSupported,
                        "opencl: %s has no fine-grain shared virtual memory",
                        dev->hal.info.prop.name);
    m = calloc(1, sizeof *m);
    if (!m)
        return hal_fail(halErrorHostMemory, "opencl: mem_alloc: %zu bytes",
                        sizeof *m);
    if (!reserve(dev, size)) {
        st = no_memory(dev, size);
        goto out;
    }
    m->size_bytes = size;
    m->serial = atomic_fetch_add(&dev->next_serial, 1) + 1;

    opencl_enter(dev);
    st = kind == HAL_MEM_MANAGED || dev->svm_first ? alloc_svm(dev, m, size)
                                                   : alloc_buffer(dev, m, size);
    opencl_leave(dev);
    if (st != halSuccess) {
        atomic_fetch_sub(&dev->used_bytes, size);
        goto out;
    }
    /* What is the device's has addresses that the host cannot follow. */
    *out_mem = (struct hal_mem){
        .impl = m,
        .addr = kind == HAL_MEM_MANAGED ? m->svm : NULL,
    };
    m = NULL;
out:
    free(m);
    return st;
}

void opencl_mem_free(struct hal_dev *hal, void *mem)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_mem *m = mem;

    if (!m)
        return;
    opencl_enter(dev);
    if (m->svm)
        opencl_cl.SVMFree(dev->context, m->svm);
    else
        opencl_cl.ReleaseMemObject(m->buffer);
    opencl_leave(dev);
    atomic_fetch_sub(&dev->used_bytes, m->size_bytes);
    free(m);
}

halError_t opencl_host_alloc(struct hal_dev *dev, uint64_t size, unsigned flags,
                             void **out_host, struct hal_mem *out_mem)
{
    struct hal_mem mem;
    halError_t st = opencl_mem_alloc(dev, size, HAL_MEM_MANAGED, &mem);

    (void)flags; /* all of it is portable and mapped */
    if (st == halErrorMemoryAllocation)
        return hal_fail(halErrorHostMemory,
                        "opencl: %llu bytes of host memory asked for",
                        (unsigned long long)size);
    if (st != halSuccess)
        return st;
    *out_host = mem.addr;
    *out_mem = mem;
    return halSuccess;
}

void opencl_host_free(struct hal_dev *dev, void *host, void *mem)
{
    (void)host;
    opencl_mem_free(dev, mem);
}
