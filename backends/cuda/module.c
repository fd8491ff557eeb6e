/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.c - kernels.  Invariant: a kernel that exists has the arguments that
 * the reflection says, where the driver tells them, and a group that the device
 * runs.
 *
 * Images are tried in their order: PTX that this driver is too old for, or that
 * is for a newer chip, makes way for the next image, CUDA C++ text at last.
 */
#include "backends/cuda/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fits(const struct cuda_dev *dev, const struct hal_image *image)
{
    const struct halDeviceProp *p = &dev->hal.info.prop;

    return (image->target == HAL_TARGET_PTX ||
            image->target == HAL_TARGET_CUDA) &&
           image->group && image->group <= p->maxThreadsPerBlock &&
           image->group <= p->maxThreadsDim[0] &&
           image->shared_bytes <= p->sharedMemPerBlock;
}

/* Another image may do where this code came. */
static bool is_misfit(unsigned code)
{
    return code == CUDA_UNSUPPORTED_PTX_VERSION ||
           code == CUDA_NO_BINARY_FOR_GPU;
}

static halError_t build_failure(struct cuda_dev *dev, const char *name,
                                unsigned code, const char *log)
{
    const char *line = log + strspn(log, "\n ");
    halError_t st;

    if (cuda_error_is_final(code))
        return cuda_fail(dev, code, "cuda_cu.ModuleLoadDataEx");
    if (code == CUDA_UNSUPPORTED_PTX_VERSION)
        return hal_fail(halErrorNoImageForDevice,
                        "kernel %s: its PTX is newer than the driver, which is "
                        "for CUDA %d.%d: update the NVIDIA driver",
                        name, cuda_version / 1000, cuda_version % 1000 / 10);
    if (code == CUDA_NO_BINARY_FOR_GPU)
        return hal_fail(halErrorNoImageForDevice,
                        "kernel %s: its image is not for compute capability "
                        "%u.%u",
                        name, dev->hal.info.prop.major,
                        dev->hal.info.prop.minor);
    if (code == CUDA_OUT_OF_MEMORY)
        return hal_fail(halErrorMemoryAllocation,
                        "kernel %s: no device memory for its code", name);
    st = code == CUDA_INVALID_PTX || code == CUDA_INVALID_IMAGE ||
                 code == CUDA_INVALID_SOURCE
             ? halErrorKernelBuild
             : cuda_fail(dev, code, "cuda_cu.ModuleLoadDataEx");
    return hal_fail(st, "kernel %s: %s (%u): %.*s", name, cuda_error_name(code),
                    code, (int)strcspn(line, "\n"),
                    *line ? line : cuda_error_hint(code));
}

/* `blob` ends with a NUL. */
static halError_t load(struct cuda_dev *dev, const char *name, const void *blob,
                       struct cuda_kernel *k, bool *out_misfit)
{
    char log[1024] = "";
    unsigned options[] = { CUDA_JIT_ERROR_LOG_BUFFER,
                           CUDA_JIT_ERROR_LOG_BUFFER_SIZE };
    void *values[] = { log, (void *)(uintptr_t)sizeof log };
    unsigned code =
        cuda_cu.ModuleLoadDataEx(&k->module, blob, 2, options, values);

    log[sizeof log - 1] = '\0';
    *out_misfit = is_misfit(code);
    if (code != CUDA_OK) {
        k->module = NULL;
        return build_failure(dev, name, code, log);
    }
    code = cuda_cu.ModuleGetFunction(&k->function, k->module, name);
    if (code == CUDA_NOT_FOUND)
        return hal_fail(halErrorInvalidImage,
                        "kernel %s: its image defines no such kernel", name);
    return code == CUDA_OK ? halSuccess
                           : cuda_fail(dev, code, "cuda_cu.ModuleGetFunction");
}

/* Reflection and code come from outside, separately: they must agree. */
static halError_t check_params(const struct hal_kernel_desc *desc,
                               const struct cuda_kernel *k)
{
    size_t offset, size = 0;

    if (!cuda_cu.FuncGetParamInfo)
        return halSuccess;
    for (uint32_t i = 0; i <= desc->n_params; i++) {
        size_t want = i == desc->n_params                     ? 0
                      : desc->params[i].kind == HAL_PARAM_ARG ? 4
                                                              : 8;
        unsigned code =
            cuda_cu.FuncGetParamInfo(k->function, i, &offset, &size);

        if (code != CUDA_OK && code != CUDA_INVALID_VALUE)
            return cuda_fail(NULL, code, "cuda_cu.FuncGetParamInfo");
        if (code != CUDA_OK)
            size = 0;
        if (size != want)
            return hal_fail(halErrorInvalidImage,
                            "kernel %s: argument %u has %zu bytes in its "
                            "image, %zu by its reflection",
                            desc->name, i, size, want);
    }
    return halSuccess;
}

static halError_t check(struct cuda_dev *dev,
                        const struct hal_kernel_desc *desc,
                        const struct hal_image *image, struct cuda_kernel *k,
                        int *out_local)
{
    /* of a block, until the kernel is granted more */
    const uint32_t unasked = (uint32_t)dev->hal.info.prop.sharedMemPerBlock;
    halError_t st = halSuccess;
    int most = 0, shared = 0;

    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.FuncGetAttribute(
                     &most, CUDA_FUNC_MAX_THREADS_PER_BLOCK, k->function));
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.FuncGetAttribute(out_local, CUDA_FUNC_LOCAL_SIZE_BYTES,
                                          k->function));
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.FuncGetAttribute(&shared, CUDA_FUNC_SHARED_SIZE_BYTES,
                                          k->function));
    k->static_bytes = shared > 0 ? (uint32_t)shared : 0;
    atomic_init(&k->dynamic_bytes,
                k->static_bytes < unasked ? unasked - k->static_bytes : 0);
    if (most < 0 || image->group > (uint32_t)most)
        st = hal_fail(halErrorInvalidConfiguration,
                      "kernel %s: groups of %u, but this GPU runs it with at "
                      "most %d",
                      desc->name, image->group, most);
    if (st == halSuccess)
        st = check_params(desc, k);
out:
    return st;
}

/* The blob of a PTX image with a NUL behind it, whatever the container has. */
static halError_t text_of(struct cuda_dev *dev,
                          const struct hal_kernel_desc *desc,
                          const struct hal_image *image, void **out_blob)
{
    char *text;

    if (image->target == HAL_TARGET_CUDA)
        return cuda_nvrtc_build(dev, desc->name, image->blob, image->blob_bytes,
                                out_blob);
    /* The driver is told no length: ELF or fatbin bytes would be read by the
     * sizes that they name themselves. */
    if (!image->blob_bytes ||
        !strchr(" \t\r\n./", *(const char *)image->blob) ||
        memchr(image->blob, 0, (size_t)image->blob_bytes - 1))
        return hal_fail(halErrorInvalidImage,
                        "kernel %s: its PTX image is no text", desc->name);
    text = malloc(image->blob_bytes + 1);
    if (!text)
        return hal_fail(halErrorHostMemory, "kernel %s: %zu bytes of PTX",
                        desc->name, image->blob_bytes);
    memcpy(text, image->blob, image->blob_bytes);
    text[image->blob_bytes] = '\0';
    *out_blob = text;
    return halSuccess;
}

static halError_t create_from(struct cuda_dev *dev,
                              const struct hal_kernel_desc *desc,
                              const struct hal_image *image,
                              struct cuda_kernel *k, int *out_local,
                              bool *out_misfit)
{
    void *blob = NULL;
    halError_t st = text_of(dev, desc, image, &blob);

    *out_misfit = false;
    if (st == halSuccess)
        st = load(dev, desc->name, blob, k, out_misfit);
    free(blob);
    if (st == halSuccess)
        st = check(dev, desc, image, k, out_local);
    if (st != halSuccess && k->module) {
        (void)cuda_cu.ModuleUnload(k->module);
        k->module = NULL;
    }
    return st;
}

static halError_t create_any(struct cuda_dev *dev,
                             const struct hal_kernel_desc *desc,
                             const struct hal_image *const *images, uint32_t n,
                             struct cuda_kernel *k,
                             struct hal_kernel_info *out_info)
{
    halError_t st = halErrorNoImageForDevice;
    bool is_misfit = true;
    uint32_t n_tried = 0;
    int local = 0;

    for (uint32_t i = 0; i < n && is_misfit; i++) {
        if (!fits(dev, images[i]))
            continue;
        n_tried++;
        st = create_from(dev, desc, images[i], k, &local, &is_misfit);
        if (st == halSuccess) {
            k->group = images[i]->group;
            *out_info = (struct hal_kernel_info){
                .local_bytes = (uint32_t)local,
                .static_bytes = k->static_bytes,
                .image = i,
            };
            return halSuccess;
        }
    }
    if (n_tried)
        return st;
    return hal_fail(halErrorNoImageForDevice,
                    "kernel %s: no PTX or CUDA image with a group of at most "
                    "%u threads and %llu bytes of static shared memory",
                    desc->name, dev->hal.info.prop.maxThreadsPerBlock,
                    (unsigned long long)dev->hal.info.prop.sharedMemPerBlock);
}

halError_t cuda_kernel_create(struct hal_dev *hal,
                              const struct hal_kernel_desc *desc,
                              const struct hal_image *const *images,
                              uint32_t n_images, void **out_kernel,
                              struct hal_kernel_info *out_info)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_kernel *k = calloc(1, sizeof *k);
    halError_t st = halSuccess;
    bool pushed = false;

    if (!k)
        return hal_fail(halErrorHostMemory, "cuda: kernel_create: %zu bytes",
                        sizeof *k);
    memcpy(k->name, desc->name, sizeof k->name);
    k->n_params = desc->n_params;
    for (uint32_t p = 0; p < desc->n_params; p++)
        if (desc->params[p].kind == HAL_PARAM_ARG)
            k->is_scalar |= 1u << p;
    k->product = cuda_product_of(desc);
    CUDA_OR_GOTO(out, st, dev, cuda_enter(dev, &pushed));
    if (k->product)
        st = cuda_blas_open(dev);
    if (st == halSuccess)
        st = create_any(dev, desc, images, n_images, k, out_info);
    if (st == halSuccess) {
        *out_kernel = k;
        k = NULL;
    }
out:
    cuda_leave(pushed);
    free(k);
    return st;
}

void cuda_kernel_destroy(struct hal_dev *hal, void *kernel)
{
    struct cuda_dev *dev = cuda_dev_of(hal);
    struct cuda_kernel *k = kernel;
    bool pushed;

    if (!k)
        return;
    cuda_streams_forget(dev, k);
    cuda_enter_patiently(dev, &pushed);
    (void)cuda_cu.ModuleUnload(k->module);
    cuda_leave(pushed);
    free(k);
}
