/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.c - OpenCL C text to a program, through the disk cache, unless the
 * driver's own serves better.  Invariant: a cached binary is a hint: whatever
 * is wrong with it, the text is built.
 */
#include "backends/opencl/opencl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/compile.h"

/* Correct rounding and NaN are the kernels' business: no -cl-fast-* here. */
static const char *build_options(const struct opencl_dev *dev)
{
    return dev->quirks & OPENCL_QUIRK_PLAIN || !compile_optimizes()
               ? "-cl-std=CL1.2 -cl-opt-disable"
               : "-cl-std=CL1.2";
}

static struct cache_key key_of(const struct opencl_dev *dev, const void *text,
                               size_t text_bytes)
{
    const struct opencl_device *d = dev->device;
    const char *options = build_options(dev);
    const void *parts[] = { "opencl", text, d->name, d->driver, options };
    const size_t sizes[] = { 7, text_bytes, strlen(d->name) + 1,
                             strlen(d->driver) + 1, strlen(options) + 1 };

    return cache_key_of(parts, sizes, sizeof parts / sizeof parts[0]);
}

static cl_program from_cache(struct opencl_dev *dev,
                             const struct cache_key *key)
{
    void *bytes = NULL;
    const unsigned char *binary;
    size_t size = 0;
    cl_program program;
    cl_int code, status = CL_SUCCESS;

    if (!cache_get(key, "clbin", &bytes, &size))
        return NULL;
    binary = bytes;
    program = opencl_cl.CreateProgramWithBinary(dev->context, 1, &dev->id,
                                                &size, &binary, &status, &code);
    free(bytes);
    if (code != CL_SUCCESS)
        return NULL;
    if (status != CL_SUCCESS ||
        opencl_cl.BuildProgram(program, 1, &dev->id, build_options(dev), NULL,
                               NULL) != CL_SUCCESS) {
        opencl_cl.ReleaseProgram(program);
        program = NULL;
    }
    return program;
}

static void to_cache(cl_program program, const struct cache_key *key)
{
    size_t size = 0;
    unsigned char *bytes;

    if (opencl_cl.GetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size,
                                 &size, NULL) != CL_SUCCESS ||
        !size)
        return;
    bytes = malloc(size);
    if (!bytes)
        return;
    if (opencl_cl.GetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof bytes,
                                 &bytes, NULL) == CL_SUCCESS)
        cache_put(key, "clbin", bytes, size);
    free(bytes);
}

static halError_t build_failure(struct opencl_dev *dev, cl_program program,
                                const char *name, cl_int code)
{
    char complaint[320] = "the driver says nothing";
    size_t size = 0;
    char *log;

    if (code != CL_BUILD_PROGRAM_FAILURE)
        return opencl_fail(code, "clBuildProgram");
    if (opencl_cl.GetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, 0,
                                      NULL, &size) == CL_SUCCESS &&
        size > 1 && (log = calloc(1, size + 1))) {
        if (opencl_cl.GetProgramBuildInfo(program, dev->id,
                                          CL_PROGRAM_BUILD_LOG, size, log,
                                          NULL) == CL_SUCCESS)
            compile_complaint(log, complaint, sizeof complaint);
        free(log);
    }
    return hal_fail(halErrorKernelBuild, "kernel %s on %s: %s", name,
                    dev->device->platform_name, complaint);
}

halError_t opencl_program_build(struct opencl_dev *dev, const char *name,
                                const void *text, size_t text_bytes,
                                cl_program *out_program)
{
    const bool own_cache = !(dev->quirks & OPENCL_QUIRK_CACHES);
    struct cache_key key = key_of(dev, text, text_bytes);
    const char *source = text;
    cl_program program = own_cache ? from_cache(dev, &key) : NULL;
    halError_t st;
    cl_int code;

    if (program) {
        *out_program = program;
        return halSuccess;
    }
    /* The blob may carry its final NUL; the compilers must not see it. */
    while (text_bytes && !source[text_bytes - 1])
        text_bytes--;
    program = opencl_cl.CreateProgramWithSource(dev->context, 1, &source,
                                                &text_bytes, &code);
    if (code != CL_SUCCESS)
        return opencl_fail(code, "clCreateProgramWithSource");
    code = opencl_cl.BuildProgram(program, 1, &dev->id, build_options(dev),
                                  NULL, NULL);
    if (code != CL_SUCCESS) {
        st = build_failure(dev, program, name, code);
        opencl_cl.ReleaseProgram(program);
        return st;
    }
    if (own_cache)
        to_cache(program, &key);
    *out_program = program;
    return halSuccess;
}
