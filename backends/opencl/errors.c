/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errors.c - what OpenCL's codes are called and what they mean to a caller.
 * Invariant: the only place that translates a code.
 */
#include "backends/opencl/opencl.h"

#include <string.h>

static const struct {
    cl_int code;
    halError_t error;
    const char *name;
} codes[] = {
#define C(name, error)               \
    {                                \
        name, halError##error, #name \
    }
    C(CL_DEVICE_NOT_FOUND, NoDriver),
    C(CL_DEVICE_NOT_AVAILABLE, DeviceLost),
    C(CL_COMPILER_NOT_AVAILABLE, NotSupported),
    C(CL_MEM_OBJECT_ALLOCATION_FAILURE, MemoryAllocation),
    /* Buffers that do not fit when a kernel starts, stacks, registers; some
     * drivers also say so after a wild access. */
    C(CL_OUT_OF_RESOURCES, LaunchFailure),
    C(CL_OUT_OF_HOST_MEMORY, HostMemory),
    C(CL_PROFILING_INFO_NOT_AVAILABLE, NotSupported),
    C(CL_MEM_COPY_OVERLAP, InvalidValue),
    C(CL_BUILD_PROGRAM_FAILURE, KernelBuild),
    C(CL_MAP_FAILURE, MemoryAllocation),
    C(CL_MISALIGNED_SUB_BUFFER_OFFSET, Internal),
    C(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, LaunchFailure),
    C(CL_COMPILE_PROGRAM_FAILURE, KernelBuild),
    C(CL_LINKER_NOT_AVAILABLE, NotSupported),
    C(CL_LINK_PROGRAM_FAILURE, KernelBuild),
    C(CL_INVALID_VALUE, InvalidValue),
    C(CL_INVALID_PLATFORM, Internal),
    C(CL_INVALID_DEVICE, Internal),
    C(CL_INVALID_CONTEXT, Internal),
    C(CL_INVALID_QUEUE_PROPERTIES, NotSupported),
    C(CL_INVALID_COMMAND_QUEUE, Internal),
    C(CL_INVALID_MEM_OBJECT, Internal),
    C(CL_INVALID_BINARY, InvalidImage),
    C(CL_INVALID_BUILD_OPTIONS, KernelBuild),
    C(CL_INVALID_PROGRAM, InvalidImage),
    C(CL_INVALID_PROGRAM_EXECUTABLE, KernelBuild),
    C(CL_INVALID_KERNEL_NAME, InvalidImage),
    C(CL_INVALID_KERNEL_DEFINITION, InvalidImage),
    C(CL_INVALID_KERNEL, Internal),
    C(CL_INVALID_ARG_INDEX, InvalidImage),
    C(CL_INVALID_ARG_VALUE, InvalidArgument),
    C(CL_INVALID_ARG_SIZE, InvalidImage),
    C(CL_INVALID_KERNEL_ARGS, InvalidImage),
    C(CL_INVALID_WORK_DIMENSION, InvalidConfiguration),
    C(CL_INVALID_WORK_GROUP_SIZE, InvalidConfiguration),
    C(CL_INVALID_WORK_ITEM_SIZE, InvalidConfiguration),
    C(CL_INVALID_GLOBAL_OFFSET, Internal),
    C(CL_INVALID_EVENT_WAIT_LIST, Internal),
    C(CL_INVALID_EVENT, Internal),
    C(CL_INVALID_OPERATION, NotSupported),
    C(CL_INVALID_BUFFER_SIZE, MemoryAllocation),
    C(CL_INVALID_GLOBAL_WORK_SIZE, InvalidConfiguration),
    C(CL_INVALID_PROPERTY, NotSupported),
#undef C
    /* cl_khr_icd's, from cl_ext.h */
    { -1001, halErrorNoDriver, "CL_PLATFORM_NOT_FOUND_KHR" },
    /* NVIDIA's, undocumented: a kernel read or wrote beyond its buffers */
    { -9999, halErrorLaunchFailure, "NVIDIA's illegal access (-9999)" },
};

static int find(cl_int code)
{
    for (int i = 0; i < (int)(sizeof codes / sizeof codes[0]); i++)
        if (codes[i].code == code)
            return i;
    return -1;
}

const char *opencl_error_name(cl_int code)
{
    int i = find(code);

    return i < 0 ? "an unknown code" : codes[i].name;
}

halError_t opencl_fail(cl_int code, const char *what)
{
    int i = find(code);
    const char *name = what;
    size_t length;

    /* `what` is the text of a call: keep the function's name. */
    if (!strncmp(name, "opencl_cl.", 10))
        name += 10;
    length = strcspn(name, "(");
    return hal_fail(i < 0 ? halErrorInternal : codes[i].error,
                    "opencl: %s%.*s: %s (%d)", name == what ? "" : "cl",
                    (int)length, name, opencl_error_name(code), (int)code);
}
