/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.c - kernels.  Invariant: a kernel that exists has as many arguments as
 * the reflection says, and a group that the device can run.
 */
#include "backends/opencl/opencl.h"

#include <stdlib.h>

static uint32_t n_cl_args(const struct hal_kernel_desc *desc)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < desc->n_params; i++)
        n += desc->params[i].kind == HAL_PARAM_ARG ? 1 : 2;
    return n;
}

static bool fits(const struct opencl_dev *dev, const struct hal_image *image)
{
    const struct halDeviceProp *p = &dev->hal.info.prop;

    return image->target == HAL_TARGET_OPENCL && image->group &&
           image->group <= p->maxThreadsPerBlock &&
           image->group <= p->maxThreadsDim[0] &&
           image->shared_bytes <= p->sharedMemPerBlock;
}

/* Reflection and code come from outside, separately: they must agree. */
static halError_t check(struct opencl_dev *dev, cl_kernel kernel,
                        const struct hal_kernel_desc *desc,
                        const struct hal_image *image, uint64_t *out_private)
{
    cl_uint n_args = 0;
    size_t largest = 0, declared[3] = { 0, 0, 0 };
    cl_ulong bytes = 0;
    halError_t st = halSuccess;

    OCL_OR_GOTO(out, st,
                opencl_cl.GetKernelInfo(kernel, CL_KERNEL_NUM_ARGS,
                                        sizeof n_args, &n_args, NULL));
    if (n_args != n_cl_args(desc)) {
        st = hal_fail(halErrorInvalidImage,
                      "kernel %s: its OpenCL text has %u arguments, its "
                      "reflection makes %u",
                      desc->name, n_args, n_cl_args(desc));
        goto out;
    }
    OCL_OR_GOTO(out, st,
                opencl_cl.GetKernelWorkGroupInfo(
                    kernel, dev->id, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                    sizeof declared, declared, NULL));
    if (declared[0] && declared[0] != image->group) {
        st = hal_fail(halErrorInvalidImage,
                      "kernel %s: its OpenCL text wants groups of %zu, its "
                      "reflection says %u",
                      desc->name, declared[0], image->group);
        goto out;
    }
    OCL_OR_GOTO(out, st,
                opencl_cl.GetKernelWorkGroupInfo(
                    kernel, dev->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof largest,
                    &largest, NULL));
    /* A declared size is the driver's own promise; rusticl then still reports
     * what an undeclared one would get. */
    if (!declared[0] && image->group > largest)
        st = hal_fail(halErrorInvalidConfiguration,
                      "kernel %s: groups of %u, but this device runs it with "
                      "at most %zu",
                      desc->name, image->group, largest);
    if (opencl_cl.GetKernelWorkGroupInfo(
            kernel, dev->id, CL_KERNEL_PRIVATE_MEM_SIZE, sizeof bytes, &bytes,
            NULL) == CL_SUCCESS)
        *out_private = bytes;
out:
    return st;
}

static halError_t create_from(struct opencl_dev *dev,
                              const struct hal_kernel_desc *desc,
                              const struct hal_image *image,
                              struct opencl_kernel *k, uint64_t *out_private)
{
    cl_int code;
    halError_t st = opencl_program_build(dev, desc->name, image->blob,
                                         image->blob_bytes, &k->program);

    if (st != halSuccess)
        return st;
    k->kernel = opencl_cl.CreateKernel(k->program, desc->name, &code);
    if (code != CL_SUCCESS) {
        k->kernel = NULL;
        st = hal_fail(halErrorInvalidImage,
                      "kernel %s: its OpenCL text defines no such kernel (%s)",
                      desc->name, opencl_error_name(code));
        goto out;
    }
    st = check(dev, k->kernel, desc, image, out_private);
out:
    if (st != halSuccess) {
        if (k->kernel)
            opencl_cl.ReleaseKernel(k->kernel);
        opencl_cl.ReleaseProgram(k->program);
    }
    return st;
}

halError_t opencl_kernel_create(struct hal_dev *hal,
                                const struct hal_kernel_desc *desc,
                                const struct hal_image *const *images,
                                uint32_t n_images, void **out_kernel,
                                struct hal_kernel_info *out_info)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_kernel *k = NULL;
    uint64_t private_bytes = 0;
    uint32_t i = 0;
    halError_t st;

    while (i < n_images && !fits(dev, images[i]))
        i++;
    if (i == n_images)
        return hal_fail(
            halErrorNoImageForDevice,
            "kernel %s: no OpenCL image with a group of at most %u "
            "threads and %llu bytes of shared memory",
            desc->name, dev->hal.info.prop.maxThreadsPerBlock,
            (unsigned long long)dev->hal.info.prop.sharedMemPerBlock);
    k = calloc(1, sizeof *k);
    if (!k)
        return hal_fail(halErrorHostMemory, "opencl: kernel_create: %zu bytes",
                        sizeof *k);
    opencl_enter(dev);
    st = create_from(dev, desc, images[i], k, &private_bytes);
    opencl_leave(dev);
    if (st != halSuccess)
        goto out;
    pthread_mutex_init(&k->lock, NULL);
    k->group = images[i]->group;
    k->n_params = desc->n_params;
    for (uint32_t p = 0; p < desc->n_params; p++)
        if (desc->params[p].kind == HAL_PARAM_ARG)
            k->is_scalar |= 1u << p;
    *out_info = (struct hal_kernel_info){
        .local_bytes = (uint32_t)private_bytes,
        .image = i,
    };
    *out_kernel = k;
    k = NULL;
out:
    free(k);
    return st;
}

void opencl_kernel_destroy(struct hal_dev *hal, void *kernel)
{
    struct opencl_dev *dev = opencl_dev_of(hal);
    struct opencl_kernel *k = kernel;

    if (!k)
        return;
    opencl_enter(dev);
    opencl_cl.ReleaseKernel(k->kernel);
    opencl_cl.ReleaseProgram(k->program);
    opencl_leave(dev);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
