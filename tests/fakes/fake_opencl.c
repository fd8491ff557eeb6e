/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_opencl.c - a libOpenCL.so.1 on host memory for what real drivers do not
 * do when asked: fail at the nth call, lose the device, offer no platform, list
 * platforms in another order.  Work runs inside the call that enqueues it.
 * "Compiling" finds the kernel's name and counts its arguments; the one
 * kernel that does something is `advance` (p[0] = p[0] * 3 + last argument).
 * Invariant: n_live is the number of references that a caller still owes.
 */
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include "tests/fakes/fake_opencl.h"

#include <CL/cl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAGIC    0x0fa4e0c1u
#define MAX_ARGS 32

enum kind { CONTEXT, QUEUE, MEM, PROGRAM, KERNEL, EVENT };

struct object {
    unsigned magic, n_refs;
    enum kind kind;
    size_t size; /* of a mem's bytes */
    unsigned char *bytes;
    char name[64]; /* of a kernel; of the one in a program */
    unsigned n_args;
    uint64_t args[MAX_ARGS];
};

static void run_callbacks(void);

static struct fake_opencl fake = { .n_platforms = 1,
                                   .run_callbacks = run_callbacks };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool in_callback;

struct fake_opencl *fake_opencl(void);
struct fake_opencl *fake_opencl(void)
{
    return &fake;
}

/* The code with which this call must fail, or CL_SUCCESS. */
static cl_int due(const char *name)
{
    cl_int code = CL_SUCCESS;

    pthread_mutex_lock(&lock);
    fake.n_in_callback += in_callback;
    fake.n_calls++;
    if (fake.fail_at && (fake.n_calls == fake.fail_at ||
                         (fake.lost && fake.n_calls > fake.fail_at))) {
        code = fake.fail_code;
        if (fake.n_calls == fake.fail_at)
            snprintf(fake.failed, sizeof fake.failed, "%s", name);
    }
    pthread_mutex_unlock(&lock);
    return code;
}
#define DUE()                        \
    do {                             \
        cl_int due_ = due(__func__); \
        if (due_ != CL_SUCCESS)      \
            return due_;             \
    } while (0)
#define DUE_OBJECT(code)             \
    do {                             \
        cl_int due_ = due(__func__); \
        if (code)                    \
            *(code) = due_;          \
        if (due_ != CL_SUCCESS)      \
            return NULL;             \
    } while (0)

static void *object_create(enum kind kind)
{
    struct object *o = calloc(1, sizeof *o);

    if (!o)
        abort();
    o->magic = MAGIC;
    o->kind = kind;
    o->n_refs = 1;
    pthread_mutex_lock(&lock);
    fake.n_live++;
    pthread_mutex_unlock(&lock);
    return o;
}

static struct object *object_of(const void *handle, enum kind kind)
{
    struct object *o = (struct object *)(uintptr_t)handle;

    if (o && o->magic == MAGIC && o->kind == kind)
        return o;
    pthread_mutex_lock(&lock);
    fake.n_bad_handles++;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static cl_int object_release(const void *handle, enum kind kind)
{
    struct object *o = object_of(handle, kind);

    bool last;

    if (!o)
        return CL_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    fake.n_in_callback += in_callback;
    last = --o->n_refs == 0;
    fake.n_live--;
    pthread_mutex_unlock(&lock);
    if (!last)
        return CL_SUCCESS;
    o->magic = 0;
    free(o->bytes);
    free(o);
    return CL_SUCCESS;
}

static cl_int event_create(cl_event *out)
{
    if (out)
        *out = object_create(EVENT);
    return CL_SUCCESS;
}

static cl_int give(const void *value, size_t bytes, size_t size, void *out,
                   size_t *out_size)
{
    if (out_size)
        *out_size = bytes;
    if (out && size < bytes)
        return CL_INVALID_VALUE;
    if (out)
        memcpy(out, value, bytes);
    return CL_SUCCESS;
}

static cl_int give_text(const char *text, size_t size, void *out,
                        size_t *out_size)
{
    return give(text, strlen(text) + 1, size, out, out_size);
}

/* ---- platforms and devices --------------------------------------------- */

static const char *const platform_names[] = { "Zeta", "Alpha", "Oclgrind",
                                              "Mid" };
static char platform_tags[4], device_tags[4];

cl_int clGetPlatformIDs(cl_uint n, cl_platform_id *out, cl_uint *out_n)
{
    DUE();
    if (!fake.n_platforms)
        return -1001; /* CL_PLATFORM_NOT_FOUND_KHR */
    for (int i = 0; out && i < fake.n_platforms && i < (int)n; i++)
        out[i] = (cl_platform_id)(void *)&platform_tags
            [fake.reverse ? fake.n_platforms - 1 - i : i];
    if (out_n)
        *out_n = (cl_uint)fake.n_platforms;
    return CL_SUCCESS;
}

cl_int clGetPlatformInfo(cl_platform_id p, cl_platform_info what, size_t size,
                         void *out, size_t *out_size)
{
    long i = (char *)p - platform_tags;

    DUE();
    if (what == CL_PLATFORM_NAME)
        return give_text(fake.is_inline ? "Portable Computing Language"
                                        : platform_names[i],
                         size, out, out_size);
    return give_text("OpenCL 1.2 fake", size, out, out_size);
}

cl_int clGetDeviceIDs(cl_platform_id p, cl_device_type type, cl_uint n,
                      cl_device_id *out, cl_uint *out_n)
{
    long i = (char *)p - platform_tags;

    (void)type;
    DUE();
    if (out && n)
        out[0] = (cl_device_id)(void *)&device_tags[i];
    if (out_n)
        *out_n = 1;
    return CL_SUCCESS;
}

cl_int clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t size,
                       void *out, size_t *out_size)
{
    char name[64];
    uint64_t value = 0;

    DUE();
    snprintf(name, sizeof name, "fake device of %s",
             platform_names[(char *)id - device_tags]);
    switch (what) {
    case CL_DEVICE_NAME:
        return give_text(name, size, out, out_size);
    case CL_DEVICE_VERSION:
        return give_text(fake.is_inline ? "OpenCL 1.2 HSTR: basic"
                                        : "OpenCL 1.2 fake",
                         size, out, out_size);
    case CL_DRIVER_VERSION:
        return give_text("7.3", size, out, out_size);
    case CL_DEVICE_EXTENSIONS:
        return give_text("cl_khr_fp64x cl_khr_fp16", size, out, out_size);
    case CL_DEVICE_TYPE:
        value = CL_DEVICE_TYPE_GPU;
        break;
    case CL_DEVICE_GLOBAL_MEM_SIZE:
        value = 1 << 20;
        break;
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
        value = 1 << 19;
        break;
    case CL_DEVICE_LOCAL_MEM_SIZE:
        value = 32768;
        break;
    case CL_DEVICE_MAX_WORK_GROUP_SIZE:
        value = 256;
        break;
    case CL_DEVICE_ADDRESS_BITS:
        value = 32;
        break;
    case CL_DEVICE_MEM_BASE_ADDR_ALIGN:
        value = 2048;
        break;
    case CL_DEVICE_MAX_COMPUTE_UNITS:
        value = 3;
        break;
    case CL_DEVICE_MAX_WORK_ITEM_SIZES: {
        size_t sizes[3] = { 256, 128, 64 };

        return give(sizes, sizeof sizes, size, out, out_size);
    }
    default:
        return CL_INVALID_VALUE;
    }
    return give(&value, size, size, out, out_size);
}

cl_context clCreateContext(const cl_context_properties *properties, cl_uint n,
                           const cl_device_id *ids,
                           void(CL_CALLBACK *notify)(const char *, const void *,
                                                     size_t, void *),
                           void *data, cl_int *code)
{
    (void)properties, (void)n, (void)ids, (void)notify, (void)data;
    DUE_OBJECT(code);
    return object_create(CONTEXT);
}

cl_int clReleaseContext(cl_context c)
{
    return object_release(c, CONTEXT);
}

/* ---- queues and events ------------------------------------------------- */

cl_command_queue clCreateCommandQueue(cl_context c, cl_device_id id,
                                      cl_command_queue_properties properties,
                                      cl_int *code)
{
    (void)id, (void)properties;
    DUE_OBJECT(code);
    object_of(c, CONTEXT);
    return object_create(QUEUE);
}

cl_int clReleaseCommandQueue(cl_command_queue q)
{
    return object_release(q, QUEUE);
}

cl_int clFlush(cl_command_queue q)
{
    DUE();
    return object_of(q, QUEUE) ? CL_SUCCESS : CL_INVALID_COMMAND_QUEUE;
}

cl_int clFinish(cl_command_queue q)
{
    DUE();
    return object_of(q, QUEUE) ? CL_SUCCESS : CL_INVALID_COMMAND_QUEUE;
}

cl_int clReleaseEvent(cl_event e)
{
    return object_release(e, EVENT);
}

cl_int clRetainEvent(cl_event e)
{
    struct object *o = object_of(e, EVENT);

    if (!o)
        return CL_INVALID_EVENT;
    pthread_mutex_lock(&lock);
    o->n_refs++;
    fake.n_live++;
    pthread_mutex_unlock(&lock);
    return CL_SUCCESS;
}

cl_int clWaitForEvents(cl_uint n, const cl_event *events)
{
    DUE();
    for (cl_uint i = 0; i < n; i++)
        if (!object_of(events[i], EVENT))
            return CL_INVALID_EVENT;
    return fake.event_status < 0 ? CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
                                 : CL_SUCCESS;
}

cl_int clGetEventInfo(cl_event e, cl_event_info what, size_t size, void *out,
                      size_t *out_size)
{
    cl_int status = fake.event_status;

    (void)what;
    DUE();
    if (!object_of(e, EVENT))
        return CL_INVALID_EVENT;
    return give(&status, sizeof status, size, out, out_size);
}

cl_int clGetEventProfilingInfo(cl_event e, cl_profiling_info what, size_t size,
                               void *out, size_t *out_size)
{
    static atomic_ulong clock = 1000000;
    cl_ulong t = atomic_fetch_add(&clock, 1000000);

    (void)what;
    DUE();
    if (!object_of(e, EVENT))
        return CL_INVALID_EVENT;
    if (fake.slow_clock)
        t /= 1000000; /* 1, 2, 3: as rusticl */
    return give(&t, sizeof t, size, out, out_size);
}

/* Callbacks that wait for run_callbacks. */
static struct {
    cl_event event;
    void(CL_CALLBACK *fn)(cl_event, cl_int, void *);
    void *arg;
} held_callbacks[8];
static int n_held_callbacks;

static void run_callbacks(void)
{
    in_callback = true;
    for (int i = 0; i < n_held_callbacks; i++)
        held_callbacks[i].fn(held_callbacks[i].event, CL_COMPLETE,
                             held_callbacks[i].arg);
    in_callback = false;
    n_held_callbacks = 0;
}

cl_int clSetEventCallback(cl_event e, cl_int status,
                          void(CL_CALLBACK *fn)(cl_event, cl_int, void *),
                          void *arg)
{
    DUE();
    if (fake.hold_callbacks && n_held_callbacks < 8) {
        held_callbacks[n_held_callbacks].event = e;
        held_callbacks[n_held_callbacks].fn = fn;
        held_callbacks[n_held_callbacks++].arg = arg;
        return CL_SUCCESS;
    }
    in_callback = true;
    fn(e, status, arg);
    in_callback = false;
    return CL_SUCCESS;
}

cl_int clEnqueueMarkerWithWaitList(cl_command_queue q, cl_uint n,
                                   const cl_event *events, cl_event *out)
{
    (void)n, (void)events;
    DUE();
    if (!object_of(q, QUEUE))
        return CL_INVALID_COMMAND_QUEUE;
    return event_create(out);
}

cl_int clEnqueueBarrierWithWaitList(cl_command_queue q, cl_uint n,
                                    const cl_event *events, cl_event *out)
{
    DUE();
    if (!object_of(q, QUEUE))
        return CL_INVALID_COMMAND_QUEUE;
    for (cl_uint i = 0; i < n; i++)
        if (!object_of(events[i], EVENT))
            return CL_INVALID_EVENT_WAIT_LIST;
    return event_create(out);
}

/* ---- memory ------------------------------------------------------------ */

cl_mem clCreateBuffer(cl_context c, cl_mem_flags flags, size_t size, void *host,
                      cl_int *code)
{
    struct object *o;

    (void)flags, (void)host;
    DUE_OBJECT(code);
    object_of(c, CONTEXT);
    o = object_create(MEM);
    o->size = size;
    o->bytes = calloc(1, size);
    return (cl_mem)(void *)o;
}

cl_int clReleaseMemObject(cl_mem m)
{
    return object_release(m, MEM);
}

cl_int clEnqueueMigrateMemObjects(cl_command_queue q, cl_uint n,
                                  const cl_mem *mems,
                                  cl_mem_migration_flags flags, cl_uint n_wait,
                                  const cl_event *wait, cl_event *out)
{
    (void)q, (void)n, (void)mems, (void)flags, (void)n_wait, (void)wait;
    DUE();
    return event_create(out);
}

static struct object *range(cl_mem m, size_t offset, size_t size)
{
    struct object *o = object_of(m, MEM);

    return o && offset <= o->size && size <= o->size - offset ? o : NULL;
}

cl_int clEnqueueReadBuffer(cl_command_queue q, cl_mem m, cl_bool blocking,
                           size_t offset, size_t size, void *host, cl_uint n,
                           const cl_event *wait, cl_event *out)
{
    struct object *o;

    (void)q, (void)blocking, (void)n, (void)wait;
    DUE();
    o = range(m, offset, size);
    if (!o)
        return CL_INVALID_VALUE;
    memcpy(host, o->bytes + offset, size);
    return event_create(out);
}

cl_int clEnqueueWriteBuffer(cl_command_queue q, cl_mem m, cl_bool blocking,
                            size_t offset, size_t size, const void *host,
                            cl_uint n, const cl_event *wait, cl_event *out)
{
    struct object *o;

    (void)q, (void)blocking, (void)n, (void)wait;
    DUE();
    o = range(m, offset, size);
    if (!o)
        return CL_INVALID_VALUE;
    memcpy(o->bytes + offset, host, size);
    return event_create(out);
}

cl_int clEnqueueCopyBuffer(cl_command_queue q, cl_mem src, cl_mem dst,
                           size_t from, size_t to, size_t size, cl_uint n,
                           const cl_event *wait, cl_event *out)
{
    struct object *a, *b;

    (void)q, (void)n, (void)wait;
    DUE();
    a = range(src, from, size);
    b = range(dst, to, size);
    if (!a || !b)
        return CL_INVALID_VALUE;
    memcpy(b->bytes + to, a->bytes + from, size);
    return event_create(out);
}

cl_int clEnqueueFillBuffer(cl_command_queue q, cl_mem m, const void *pattern,
                           size_t width, size_t offset, size_t size, cl_uint n,
                           const cl_event *wait, cl_event *out)
{
    struct object *o;

    (void)q, (void)n, (void)wait;
    DUE();
    o = range(m, offset, size);
    if (!o || offset % width || size % width)
        return CL_INVALID_VALUE;
    for (size_t i = 0; i < size; i += width)
        memcpy(o->bytes + offset + i, pattern, width);
    return event_create(out);
}

#include "tests/fakes/fake_opencl_program.h"
