/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.c - the backend's tables; opening and closing a device.  Invariant:
 * each open device has a context of its own and shares nothing with another.
 */
#include "backends/opencl/opencl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

pthread_mutex_t opencl_driver_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static void device_close(struct hal_dev *hal);

static const struct hal_ops ops = {
    .size = sizeof ops,
    .device_close = device_close,
    .mem_info = opencl_mem_info,
    .mem_alloc = opencl_mem_alloc,
    .mem_free = opencl_mem_free,
    .stream_create = opencl_stream_create,
    .stream_destroy = opencl_stream_destroy,
    .stream_query = opencl_stream_query,
    .stream_sync = opencl_stream_sync,
    .copy_in = opencl_copy_in,
    .copy_out = opencl_copy_out,
    .copy = opencl_copy,
    .fill = opencl_fill,
    .host_func = opencl_host_func,
    .event_create = opencl_event_create,
    .event_destroy = opencl_event_destroy,
    .event_record = opencl_event_record,
    .event_query = opencl_event_query,
    .event_sync = opencl_event_sync,
    .event_elapsed = opencl_event_elapsed,
    .stream_wait = opencl_stream_wait,
    .kernel_create = opencl_kernel_create,
    .kernel_destroy = opencl_kernel_destroy,
    .launch = opencl_launch,
};

/* Where the device reaches host memory.  Elsewhere plain memory serves: a
 * buffer mapped for the host would be pinned on some GPUs, but none of the
 * drivers that this was measured on copies from it faster. */
static const struct hal_opt_ops svm_ops = {
    .size = sizeof svm_ops,
    .host_alloc = opencl_host_alloc,
    .host_free = opencl_host_free,
};

static halError_t probe(unsigned *out_count)
{
    halError_t st = opencl_load();

    return st == halSuccess ? opencl_platform_list(out_count) : st;
}

static const struct opencl_device *device_at(unsigned index, halError_t *st)
{
    const struct opencl_device *d = opencl_platform_get(index);

    if (!d)
        *st = hal_fail(halErrorInvalidDevice, "opencl: there is no device %u",
                       index);
    return d;
}

static halError_t describe(unsigned index, char name[256], char driver[256])
{
    halError_t st = halSuccess;
    const struct opencl_device *d = device_at(index, &st);

    if (!d)
        return st;
    snprintf(name, 256, "%s", d->name);
    snprintf(driver, 256, "%s", d->driver);
    return halSuccess;
}

/* Some drivers accept profiling and then stamp markers with 1, 2, 3 (rusticl
 * 22.3).  A clock that counts nanoseconds is past a microsecond by now. */
static bool timer_works(struct opencl_dev *dev)
{
    cl_command_queue queue = NULL;
    cl_event event = NULL;
    cl_ulong end = 0;
    cl_int code;

    queue = opencl_cl.CreateCommandQueue(dev->context, dev->id,
                                         CL_QUEUE_PROFILING_ENABLE, &code);
    if (code != CL_SUCCESS)
        return false;
    if (opencl_cl.EnqueueMarkerWithWaitList(queue, 0, NULL, &event) ==
            CL_SUCCESS &&
        opencl_event_wait(dev, event) == halSuccess)
        code = opencl_cl.GetEventProfilingInfo(event, CL_PROFILING_COMMAND_END,
                                               sizeof end, &end, NULL);
    if (event)
        opencl_cl.ReleaseEvent(event);
    opencl_cl.ReleaseCommandQueue(queue);
    return code == CL_SUCCESS && end > 1000;
}

static void device_release(struct opencl_dev *dev)
{
    bool is_unused = opencl_records_close(dev);

    opencl_enter(dev);
    if (dev->service) {
        (void)opencl_cl.Finish(dev->service);
        opencl_cl.ReleaseCommandQueue(dev->service);
    }
    if (dev->context)
        opencl_cl.ReleaseContext(dev->context);
    opencl_leave(dev);
    if (!is_unused)
        return;
    pthread_cond_destroy(&dev->record_changed);
    pthread_mutex_destroy(&dev->record_lock);
    pthread_mutex_destroy(&dev->service_lock);
    free(dev);
}

static halError_t device_open(unsigned index, struct hal_dev **out_dev)
{
    halError_t st = halSuccess;
    const struct opencl_device *d = device_at(index, &st);
    cl_context_properties properties[] = { CL_CONTEXT_PLATFORM, 0, 0 };
    struct opencl_dev *dev = NULL;
    cl_int code;

    if (!d)
        return st;
    dev = calloc(1, sizeof *dev);
    if (!dev)
        return hal_fail(halErrorHostMemory, "opencl: device_open: %zu bytes",
                        sizeof *dev);
    pthread_mutex_init(&dev->service_lock, NULL);
    pthread_mutex_init(&dev->record_lock, NULL);
    pthread_cond_init(&dev->record_changed, NULL);
    dev->hal.size = sizeof dev->hal;
    dev->hal.ops = &ops;
    dev->device = d;
    dev->id = d->id;
    dev->quirks = d->quirks;

    opencl_enter(dev);
    st = opencl_props_fill(dev);
    if (st != halSuccess)
        goto out;
    dev->hal.opt = dev->svm ? &svm_ops : NULL;
    properties[1] = (cl_context_properties)d->platform;
    dev->context =
        opencl_cl.CreateContext(properties, 1, &d->id, NULL, NULL, &code);
    if (code != CL_SUCCESS) {
        dev->context = NULL;
        st = opencl_fail(code, "clCreateContext");
        goto out;
    }
    dev->service = opencl_cl.CreateCommandQueue(dev->context, d->id, 0, &code);
    if (code != CL_SUCCESS) {
        dev->service = NULL;
        st = opencl_fail(code, "clCreateCommandQueue");
        goto out;
    }
    dev->device_timer = timer_works(dev);
    *out_dev = &dev->hal;
out:
    opencl_leave(dev);
    if (st != halSuccess)
        device_release(dev);
    return st;
}

static void device_close(struct hal_dev *hal)
{
    device_release(opencl_dev_of(hal));
}

__attribute__((visibility("default")))
const struct hal_backend hal_backend_opencl = {
    .size = sizeof hal_backend_opencl,
    .abi = HAL_BACKEND_ABI,
    .name = "opencl",
    .probe = probe,
    .describe = describe,
    .device_open = device_open,
};
