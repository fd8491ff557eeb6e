/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_opencl.c - OpenCL without Halcyon: the same device, an empty kernel of
 * one argument, blocking reads and writes.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/raw_opencl.h"

/* The only list of what is called. */
#define OPENCL_SYMBOLS(X)        \
    X(clGetPlatformIDs)          \
    X(clGetDeviceIDs)            \
    X(clGetDeviceInfo)           \
    X(clCreateContext)           \
    X(clReleaseContext)          \
    X(clCreateCommandQueue)      \
    X(clReleaseCommandQueue)     \
    X(clCreateProgramWithSource) \
    X(clBuildProgram)            \
    X(clReleaseProgram)          \
    X(clCreateKernel)            \
    X(clReleaseKernel)           \
    X(clSetKernelArg)            \
    X(clCreateBuffer)            \
    X(clReleaseMemObject)        \
    X(clEnqueueNDRangeKernel)    \
    X(clEnqueueReadBuffer)       \
    X(clEnqueueWriteBuffer)      \
    X(clEnqueueCopyBuffer)       \
    X(clEnqueueFillBuffer)       \
    X(clFinish)

static struct {
#define X(name) __typeof__(name) *name;
    OPENCL_SYMBOLS(X)
#undef X
} cl;

static int check(cl_int error, const char *call)
{
    if (error == CL_SUCCESS)
        return 0;
    bench_fail("%s: OpenCL error %d", call, (int)error);
    return -1;
}

static int load(void)
{
    void *lib = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);

    if (!lib) {
        bench_fail("libOpenCL.so.1 does not load (package ocl-icd-libopencl1)");
        return -1;
    }
#define X(name)                                     \
    *(void **)(&cl.name) = dlsym(lib, #name);       \
    if (!cl.name) {                                 \
        bench_fail("libOpenCL.so.1 has no " #name); \
        return -1;                                  \
    }
    OPENCL_SYMBOLS(X)
#undef X
    return 0;
}

/* The device of that name, on whichever platform. */
static int find_device(const char *name, cl_device_id *out_device)
{
    cl_platform_id platforms[16];
    cl_uint n_platforms = 0;

    if (check(cl.clGetPlatformIDs(16, platforms, &n_platforms),
              "clGetPlatformIDs"))
        return -1;
    for (cl_uint i = 0; i < n_platforms && i < 16; i++) {
        cl_device_id devices[16];
        cl_uint n = 0;

        if (cl.clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, 16, devices,
                              &n) != CL_SUCCESS)
            continue;
        for (cl_uint j = 0; j < n && j < 16; j++) {
            char have[256] = "";

            if (cl.clGetDeviceInfo(devices[j], CL_DEVICE_NAME, sizeof have - 1,
                                   have, NULL) == CL_SUCCESS &&
                strcmp(have, name) == 0) {
                *out_device = devices[j];
                return 0;
            }
        }
    }
    bench_fail("no OpenCL device is called \"%s\"", name);
    return -1;
}

static void opencl_close(void *p)
{
    struct raw_opencl *r = p;

    if (r->dst)
        cl.clReleaseMemObject(r->dst);
    if (r->src)
        cl.clReleaseMemObject(r->src);
    if (r->kernel)
        cl.clReleaseKernel(r->kernel);
    if (r->program)
        cl.clReleaseProgram(r->program);
    if (r->queue)
        cl.clReleaseCommandQueue(r->queue);
    if (r->context)
        cl.clReleaseContext(r->context);
    free(r);
}

static int make_kernel(struct raw_opencl *r, cl_device_id device)
{
    const char *text = "kernel void bench_empty(global uint *x)\n"
                       "{ if (get_num_groups(0) > 1000000u) x[0] = 1u; }\n";
    cl_int error;

    r->program =
        cl.clCreateProgramWithSource(r->context, 1, &text, NULL, &error);
    if (check(error, "clCreateProgramWithSource") ||
        check(cl.clBuildProgram(r->program, 1, &device, "", NULL, NULL),
              "clBuildProgram"))
        return -1;
    r->kernel = cl.clCreateKernel(r->program, "bench_empty", &error);
    if (check(error, "clCreateKernel"))
        return -1;
    return check(cl.clSetKernelArg(r->kernel, 0, sizeof r->dst, &r->dst),
                 "clSetKernelArg");
}

static int opencl_open(const struct halDeviceProp *prop, unsigned group,
                       size_t bytes, void **out_raw)
{
    struct raw_opencl *r = calloc(1, sizeof *r);
    const cl_uint zero = 0;
    cl_device_id device;
    cl_int error;

    if (!r) {
        bench_fail("out of memory");
        return -1;
    }
    r->group = group;
    if (load() != 0 || find_device(prop->name, &device) != 0)
        goto fail;
    r->context = cl.clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    if (check(error, "clCreateContext"))
        goto fail;
    r->queue = cl.clCreateCommandQueue(r->context, device, 0, &error);
    if (check(error, "clCreateCommandQueue"))
        goto fail;
    r->dst =
        cl.clCreateBuffer(r->context, CL_MEM_READ_WRITE, bytes, NULL, &error);
    if (check(error, "clCreateBuffer"))
        goto fail;
    r->src =
        cl.clCreateBuffer(r->context, CL_MEM_READ_WRITE, bytes, NULL, &error);
    /* touched, as Halcyon's buffers are */
    if (check(error, "clCreateBuffer") ||
        check(cl.clEnqueueFillBuffer(r->queue, r->dst, &zero, sizeof zero, 0,
                                     bytes, 0, NULL, NULL),
              "clEnqueueFillBuffer") ||
        check(cl.clEnqueueFillBuffer(r->queue, r->src, &zero, sizeof zero, 0,
                                     bytes, 0, NULL, NULL),
              "clEnqueueFillBuffer") ||
        check(cl.clFinish(r->queue), "clFinish") || make_kernel(r, device) != 0)
        goto fail;
    *out_raw = r;
    return 0;
fail:
    opencl_close(r);
    return -1;
}

int raw_opencl_finish(struct raw_opencl *r)
{
    return check(cl.clFinish(r->queue), "clFinish");
}

static int opencl_burst(void *ctx, unsigned calls)
{
    struct raw_opencl *r = ctx;

    for (unsigned i = 0; i < calls; i++) {
        cl_int error = cl.clEnqueueNDRangeKernel(
            r->queue, r->kernel, 1, NULL, &r->group, &r->group, 0, NULL, NULL);

        if (error != CL_SUCCESS)
            return check(error, "clEnqueueNDRangeKernel");
    }
    return check(cl.clFinish(r->queue), "clFinish");
}

static int opencl_launch(void *ctx, unsigned calls)
{
    struct raw_opencl *r = ctx;

    for (unsigned i = 0; i < calls; i++) {
        cl_int error = cl.clSetKernelArg(r->kernel, 0, sizeof r->dst, &r->dst);

        if (error != CL_SUCCESS)
            return check(error, "clSetKernelArg");
        if (opencl_burst(ctx, 1) != 0)
            return -1;
    }
    return 0;
}

static int opencl_least(void *ctx, unsigned calls)
{
    for (unsigned i = 0; i < calls; i++)
        if (opencl_burst(ctx, 1) != 0)
            return -1;
    return 0;
}

static int opencl_copy(void *ctx, unsigned calls)
{
    const struct bench_raw_copy *copy = ctx;
    struct raw_opencl *r = copy->raw;
    cl_int error = CL_SUCCESS;

    for (unsigned i = 0; i < calls && error == CL_SUCCESS; i++)
        switch (copy->way) {
        case BENCH_H2D:
            error =
                cl.clEnqueueWriteBuffer(r->queue, r->dst, CL_TRUE, 0,
                                        copy->size, copy->host, 0, NULL, NULL);
            break;
        case BENCH_D2H:
            error =
                cl.clEnqueueReadBuffer(r->queue, r->src, CL_TRUE, 0, copy->size,
                                       copy->host, 0, NULL, NULL);
            break;
        case BENCH_D2D:
            error = cl.clEnqueueCopyBuffer(r->queue, r->src, r->dst, 0, 0,
                                           copy->size, 0, NULL, NULL);
            if (error == CL_SUCCESS)
                error = cl.clFinish(r->queue);
            break;
        }
    return check(error, "an OpenCL copy");
}

const struct bench_raw_api bench_raw_opencl = {
    .launch_name = "OpenCL",
    .copy_name = "OpenCL",
    .open = opencl_open,
    .close = opencl_close,
    .launch = opencl_launch,
    .least = opencl_least,
    .burst = opencl_burst,
    .copy = opencl_copy,
};
