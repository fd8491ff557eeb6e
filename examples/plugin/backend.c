/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend.c - the example's tables, memory, copies and kernels.  What would be
 * calls of a vendor's driver are memcpy, aligned_alloc and dlopen here.
 */
#include "example.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMORY_BYTES  ((uint64_t)2 << 30) /* what the "chip" has */
#define ALIGN         64u
#define SHARED_BYTES  (1u << 20)
#define THREADS_BLOCK 1024u

struct device {
    struct hal_dev dev; /* first: the core hands its address to every op */
    uint64_t used;      /* under the lock */
};

struct block {
    uint64_t size;
    _Alignas(ALIGN) uint8_t bytes[];
};

struct example_kernel {
    void *library;
    hal_cpu_entry *entry;
    const struct hal_kernel_desc *desc; /* the core's, until destroy */
    const struct hal_image *image;
};

/* ---- memory -------------------------------------------------------------- */

static void device_close(struct hal_dev *dev)
{
    free(dev);
}

static halError_t mem_info(struct hal_dev *dev, uint64_t *out_free,
                           uint64_t *out_total)
{
    pthread_mutex_lock(&example_lock);
    *out_free = MEMORY_BYTES - ((struct device *)dev)->used;
    pthread_mutex_unlock(&example_lock);
    *out_total = MEMORY_BYTES;
    return halSuccess;
}

static halError_t mem_alloc(struct hal_dev *dev, uint64_t size, int kind,
                            struct hal_mem *out_mem)
{
    struct device *d = (struct device *)dev;
    struct block *b = NULL;
    size_t room = (sizeof *b + size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    bool fits;

    if (kind != HAL_MEM_DEVICE)
        return hal_fail(halErrorNotSupported,
                        EXAMPLE_NAME ": no managed memory");
    pthread_mutex_lock(&example_lock);
    fits = size <= MEMORY_BYTES - d->used;
    d->used += fits ? size : 0;
    pthread_mutex_unlock(&example_lock);
    if (!fits)
        return hal_fail(halErrorMemoryAllocation,
                        EXAMPLE_NAME ": %llu bytes do not fit",
                        (unsigned long long)size);
    b = aligned_alloc(ALIGN, room);
    if (!b) {
        pthread_mutex_lock(&example_lock);
        d->used -= size;
        pthread_mutex_unlock(&example_lock);
        return hal_fail(halErrorMemoryAllocation,
                        EXAMPLE_NAME ": the host has no %zu bytes", room);
    }
    b->size = size;
    *out_mem = (struct hal_mem){ .impl = b, .addr = b->bytes };
    return halSuccess;
}

static void mem_free(struct hal_dev *dev, void *mem)
{
    struct block *b = mem;

    if (!b)
        return;
    pthread_mutex_lock(&example_lock);
    ((struct device *)dev)->used -= b->size;
    pthread_mutex_unlock(&example_lock);
    free(b);
}

/* ---- copies -------------------------------------------------------------- */

static void run_copy(struct task *t)
{
    memmove(t->dst, t->src, t->size);
}

static void run_fill(struct task *t)
{
    for (uint64_t i = 0; i < t->size; i += t->pattern_bytes)
        memcpy(t->dst + i, &t->pattern, t->pattern_bytes);
}

static halError_t enqueue_copy(void *stream, uint8_t *dst, const uint8_t *src,
                               uint64_t size, void *own, uint64_t *out_ticket)
{
    struct task *t = example_task_create(run_copy);

    if (!t) {
        free(own);
        return halErrorHostMemory;
    }
    t->dst = dst;
    t->src = src;
    t->size = size;
    t->own = own;
    *out_ticket = example_submit(stream, t);
    return halSuccess;
}

static halError_t copy_in(struct hal_dev *dev, void *stream, void *mem,
                          uint64_t offset, const void *host, uint64_t size,
                          unsigned flags)
{
    struct block *b = mem;
    void *staged = NULL;
    uint64_t ticket;

    (void)dev;
    if (!(flags & HAL_COPY_PINNED)) { /* read now, since it may change */
        staged = malloc(size);
        if (!staged)
            return hal_fail(halErrorHostMemory,
                            EXAMPLE_NAME ": staging a copy");
        memcpy(staged, host, size);
    }
    return enqueue_copy(stream, b->bytes + offset, staged ? staged : host, size,
                        staged, &ticket);
}

static halError_t copy_out(struct hal_dev *dev, void *stream, void *host,
                           void *mem, uint64_t offset, uint64_t size,
                           unsigned flags)
{
    const struct block *b = mem;
    uint64_t ticket;
    halError_t st;

    (void)dev;
    st = enqueue_copy(stream, host, b->bytes + offset, size, NULL, &ticket);
    if (st == halSuccess && !(flags & HAL_COPY_PINNED))
        example_wait_for(stream, ticket);
    return st;
}

static halError_t copy(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                       uint64_t size)
{
    uint64_t ticket;

    (void)dev;
    return enqueue_copy(stream, ((struct block *)dst_mem)->bytes + dst_offset,
                        ((struct block *)src_mem)->bytes + src_offset, size,
                        NULL, &ticket);
}

static halError_t fill(struct hal_dev *dev, void *stream, void *mem,
                       uint64_t offset, uint64_t size, uint32_t pattern,
                       unsigned pattern_bytes)
{
    struct task *t = example_task_create(run_fill);

    (void)dev;
    if (!t)
        return halErrorHostMemory;
    t->dst = ((struct block *)mem)->bytes + offset;
    t->size = size;
    t->pattern = pattern;
    t->pattern_bytes = pattern_bytes;
    example_submit(stream, t);
    return halSuccess;
}

/* ---- kernels ------------------------------------------------------------- */

static void run_launch(struct task *t)
{
    uint64_t groups = (uint64_t)t->grid[0] * t->grid[1] * t->grid[2];

    t->kernel->entry(t->args, t->grid, 0, groups, t->own);
}

/* A vendor's driver would be handed the image's bytes; ours are ELF. */
static halError_t load(const struct hal_image *image, const char *name,
                       struct example_kernel *k)
{
    char path[] = "/tmp/libhalcyon-example-XXXXXX", symbol[96];
    int fd = mkstemp(path);
    ssize_t n = fd < 0 ? -1 : write(fd, image->blob, image->blob_bytes);

    if (n == (ssize_t)image->blob_bytes)
        k->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (fd >= 0) {
        unlink(path);
        close(fd);
    }
    if (!k->library)
        return hal_fail(halErrorKernelBuild, EXAMPLE_NAME ": %s: %.200s", name,
                        n == (ssize_t)image->blob_bytes
                            ? dlerror()
                            : "its image cannot be written to /tmp");
    snprintf(symbol, sizeof symbol, "hal_kernel_%s", name);
    k->entry = (hal_cpu_entry *)dlsym(k->library, symbol);
    if (k->entry)
        return halSuccess;
    dlclose(k->library);
    return hal_fail(halErrorKernelBuild, EXAMPLE_NAME ": no symbol %s", symbol);
}

static halError_t kernel_create(struct hal_dev *dev,
                                const struct hal_kernel_desc *desc,
                                const struct hal_image *const *images,
                                uint32_t n_images, void **out_kernel,
                                struct hal_kernel_info *out_info)
{
    struct example_kernel *k = calloc(1, sizeof *k);
    halError_t st;

    (void)dev;
    (void)n_images; /* the first is the best that fits */
    if (!k)
        return hal_fail(halErrorHostMemory, EXAMPLE_NAME ": a kernel");
    st = load(images[0], desc->name, k);
    if (st != halSuccess)
        goto out;
    k->desc = desc;
    k->image = images[0];
    *out_info = (struct hal_kernel_info){ 0 };
    *out_kernel = k;
    k = NULL;
out:
    free(k);
    return st;
}

static void kernel_destroy(struct hal_dev *dev, void *kernel)
{
    struct example_kernel *k = kernel;

    (void)dev;
    if (!k)
        return;
    dlclose(k->library);
    free(k);
}

static halError_t launch(struct hal_dev *dev, void *stream, void *kernel,
                         const struct hal_launch *launch)
{
    const struct example_kernel *k = kernel;
    size_t scratch = k->image->shared_bytes + launch->shared_bytes +
                     (size_t)k->image->group * k->image->priv_bytes;
    struct task *t = example_task_create(run_launch);

    (void)dev;
    if (!t)
        return halErrorHostMemory;
    t->own = aligned_alloc(ALIGN, (scratch / ALIGN + 1) * ALIGN);
    if (!t->own) {
        free(t);
        return hal_fail(halErrorHostMemory,
                        EXAMPLE_NAME ": %zu bytes of scratch", scratch);
    }
    t->kernel = k;
    memcpy(t->grid, launch->grid, sizeof t->grid);
    for (uint32_t i = 0; i < launch->n_args; i++) {
        if (k->desc->params[i].kind == HAL_PARAM_ARG)
            memcpy(&t->args[i], &launch->args[i].scalar, 4);
        else
            t->args[i] = (uint64_t)(uintptr_t)launch->args[i].buffer.addr;
    }
    example_submit(stream, t);
    return halSuccess;
}

/* ---- the required table -------------------------------------------------- */

static const struct hal_ops ops = {
    .size = sizeof(struct hal_ops),
    .device_close = device_close,
    .mem_info = mem_info,
    .mem_alloc = mem_alloc,
    .mem_free = mem_free,
    .stream_create = example_stream_create,
    .stream_destroy = example_stream_destroy,
    .stream_query = example_stream_query,
    .stream_sync = example_stream_sync,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .copy = copy,
    .fill = fill,
    .host_func = example_host_func,
    .event_create = example_event_create,
    .event_destroy = example_event_destroy,
    .event_record = example_event_record,
    .event_query = example_event_query,
    .event_sync = example_event_sync,
    .event_elapsed = example_event_elapsed,
    .stream_wait = example_stream_wait,
    .kernel_create = kernel_create,
    .kernel_destroy = kernel_destroy,
    .launch = launch,
};

/* ---- what there is, and what it can do --------------------------------
 */

static halError_t probe(unsigned *out_count)
{
    *out_count = 1; /* a real one loads its driver here, with dlopen */
    return halSuccess;
}

static halError_t describe(unsigned index, char name[256], char driver[256])
{
    if (index != 0)
        return hal_fail(halErrorInvalidDevice, EXAMPLE_NAME ": one device");
    snprintf(name, 256, "Example chip");
    snprintf(driver, 256, "Halcyon's example of a plug-in");
    return halSuccess;
}

static void fill_prop(struct halDeviceProp *p)
{
    describe(0, p->name, p->driver);
    snprintf(p->backend, sizeof p->backend, EXAMPLE_NAME);
    memcpy(p->uuid, "halcyon-example", 16);
    p->totalGlobalMem = p->maxAllocBytes = MEMORY_BYTES;
    p->sharedMemPerBlock = SHARED_BYTES;
    p->memPitch = INT32_MAX;
    p->pitchAlign = p->memAlign = ALIGN;
    p->warpSize = 1;
    p->maxThreadsPerBlock = p->maxThreadsPerMultiProcessor = THREADS_BLOCK;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = THREADS_BLOCK;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = INT32_MAX;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->multiProcessorCount = 1;
    p->dtypes = (1u << halDtypeCount) - 1;
    p->dtypesNative = 1u << halF32 | 1u << halF64 | 1u << halI32 | 1u << halU32;
    p->concurrentKernels = 1;
    p->unifiedAddressing = 1;
}

static halError_t device_open(unsigned index, struct hal_dev **out_dev)
{
    struct device *d;

    if (index != 0)
        return hal_fail(halErrorInvalidDevice, EXAMPLE_NAME ": one device");
    d = calloc(1, sizeof *d);
    if (!d)
        return hal_fail(halErrorHostMemory, EXAMPLE_NAME ": a device");
    d->dev.size = sizeof d->dev;
    d->dev.ops = &ops; /* no optional op: the core does what they would */
    d->dev.info.size = sizeof d->dev.info;
    d->dev.info.target = HAL_TARGET_CPU;
    /* The baseline image of the machine, whichever that is. */
    d->dev.info.caps = HAL_CAP_SMALL_GROUPS | HAL_CAP_STORAGE_8_16 |
                       HAL_CAP_BDA | HAL_CAP_FP64 | HAL_CAP_INT64 |
                       HAL_CAP_ATOMICS;
#if defined __x86_64__
    d->dev.info.caps |= HAL_CAP_X86_64;
#elif defined __aarch64__
    d->dev.info.caps |= HAL_CAP_AARCH64;
#else
    d->dev.info.caps |= HAL_CAP_CPU_OTHER;
#endif
    d->dev.info.version = 1000;
    fill_prop(&d->dev.info.prop);
    *out_dev = &d->dev;
    return halSuccess;
}

__attribute__((visibility("default")))
const struct hal_backend hal_backend_plugin = {
    .size = sizeof(struct hal_backend),
    .abi = HAL_BACKEND_ABI,
    .name = EXAMPLE_NAME,
    .probe = probe,
    .describe = describe,
    .device_open = device_open,
};
