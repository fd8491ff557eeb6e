/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opencl.h - what the files of the OpenCL backend share.
 *
 * Model.  One context for each open device; a stream is one in-order command
 * queue.  Work goes to the driver at once ("direct") unless it must wait for
 * something that only the host knows: a host function, or an event whose
 * record has not reached the driver.  Then it and all that follows on the
 * stream is deferred: a thread of the stream submits it, in order, when its
 * time has come.  User events would do the same inside the driver, but several
 * drivers deadlock on them (docs/drivers/opencl.md).
 *
 * Invariant: a stream's operations reach its queue in the order in which they
 * were submitted, from one thread at a time.
 *
 * Locks, in the order in which they are taken: hal_stream's (the core's),
 * kernel->lock, the driver lock of opencl_enter() (recursive), stream->lock or
 * dev->service_lock, dev->record_lock.  None is held while the host waits, save
 * dev->service_lock and the driver lock of drivers that must be serialised.
 */
#ifndef BACKENDS_OPENCL_OPENCL_H
#define BACKENDS_OPENCL_OPENCL_H

#define CL_TARGET_OPENCL_VERSION          300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS /* clCreateCommandQueue */
#include <CL/cl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "hal/backend.h"

/* ---- loader.c ---------------------------------------------------------- */

/* The driver's functions by name without "cl": opencl_cl.Finish(queue). */
struct opencl_api {
#define X(name) __typeof__(&cl##name) name;
#define O(name) __typeof__(&cl##name) name;
#include "backends/opencl/symbols.def"
#undef X
#undef O
};
extern struct opencl_api opencl_cl;

/* Fills opencl_cl.  halErrorNoDriver names the library, what it lacks, and the
 * package that brings it.  One thread; once it succeeded it does nothing. */
halError_t opencl_load(void);

/* ---- errors.c ---------------------------------------------------------- */

/* hal_fail() with the error that `code` means, its name, and `what` failed. */
halError_t opencl_fail(cl_int code, const char *what);
const char *opencl_error_name(cl_int code);

#define OCL_OR_GOTO(label, st, call)         \
    do {                                     \
        cl_int ocl_ = (call);                \
        if (ocl_ != CL_SUCCESS) {            \
            (st) = opencl_fail(ocl_, #call); \
            goto label;                      \
        }                                    \
    } while (0)

/* ---- quirks.c ---------------------------------------------------------- */

enum {
    OPENCL_QUIRK_HIDDEN = 1 << 0,       /* listed only when asked for */
    OPENCL_QUIRK_EARLY_FINISH = 1 << 1, /* clFinish may return too early */
    OPENCL_QUIRK_SERIAL = 1 << 2, /* not thread-safe: one call at a time */
    OPENCL_QUIRK_INLINE = 1 << 3, /* runs work in the thread that submits it */
    OPENCL_QUIRK_LOOPS = 1 << 4,  /* ends a thread's loops after 65,535 steps */
    OPENCL_QUIRK_EAGER = 1 << 5,  /* clFlush has nothing left to start */
    OPENCL_QUIRK_PLAIN = 1 << 6,  /* runs optimised code wrongly, or not */
    OPENCL_QUIRK_CACHES = 1 << 7, /* keeps programs; asked for one, compiles */
};

unsigned opencl_quirks(const char *platform, const char *device_version);

/* ---- platform.c -------------------------------------------------------- */

/* A device as the listing knows it; lives as long as the process. */
struct opencl_device {
    cl_platform_id platform;
    cl_device_id id;
    unsigned quirks;
    char platform_name[128];
    char name[256];
    char driver[256]; /* platform and driver with their versions, in words */
    char driver_version[128];
};

/* Lists the devices; called by probe. */
halError_t opencl_platform_list(unsigned *out_count);
/* NULL beyond the last. */
const struct opencl_device *opencl_platform_get(unsigned index);
/* A string of clGetDeviceInfo, cut to fit; "" on failure. */
void opencl_device_string(cl_device_id id, cl_device_info what, char *text,
                          size_t size);

/* ---- device.c ---------------------------------------------------------- */

struct opencl_record;

struct opencl_dev {
    struct hal_dev hal;
    const struct opencl_device *device;
    cl_device_id id;
    cl_context context;
    cl_command_queue service;     /* for work that belongs to no stream, */
    pthread_mutex_t service_lock; /* held from enqueueing it to its end */
    unsigned quirks;
    bool device_timer; /* profiling times of markers make sense */
    bool svm;          /* fine-grain buffers */
    bool svm_first;    /* and all memory is of that kind */

    uint64_t total_bytes;
    _Atomic uint64_t used_bytes; /* of our allocations */
    _Atomic uint64_t next_serial;

    pthread_mutex_t record_lock; /* events' latest records, records' states */
    pthread_cond_t record_changed;
    _Atomic(struct opencl_record *) dead; /* left by callbacks, see event.c */
    atomic_uint n_callbacks;              /* that the driver owes */
};

static inline struct opencl_dev *opencl_dev_of(struct hal_dev *dev)
{
    return (struct opencl_dev *)(void *)dev;
}

extern pthread_mutex_t opencl_driver_lock;

/* Around calls into a driver that is not thread-safe; else nothing. */
static inline void opencl_enter(const struct opencl_dev *dev)
{
    if (dev->quirks & OPENCL_QUIRK_SERIAL)
        pthread_mutex_lock(&opencl_driver_lock);
}
static inline void opencl_leave(const struct opencl_dev *dev)
{
    if (dev->quirks & OPENCL_QUIRK_SERIAL)
        pthread_mutex_unlock(&opencl_driver_lock);
}

/* Sees that what was enqueued starts. */
static inline cl_int opencl_flush(const struct opencl_dev *dev,
                                  cl_command_queue queue)
{
    return dev->quirks & OPENCL_QUIRK_EAGER ? CL_SUCCESS
                                            : opencl_cl.Flush(queue);
}

/* The host's clock. */
static inline uint64_t opencl_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* props.c: fills dev->hal.info, and total_bytes and svm. */
halError_t opencl_props_fill(struct opencl_dev *dev);

/* ---- memory.c ---------------------------------------------------------- */

struct opencl_mem {
    cl_mem buffer; /* NULL: SVM */
    char *svm;
    uint64_t size_bytes; /* as counted in used_bytes */
    uint64_t serial;     /* unique in this device: a cl_mem may be reused */
};

halError_t opencl_mem_info(struct hal_dev *dev, uint64_t *out_free,
                           uint64_t *out_total);
halError_t opencl_mem_alloc(struct hal_dev *dev, uint64_t size, int kind,
                            struct hal_mem *out_mem);
void opencl_mem_free(struct hal_dev *dev, void *mem);
halError_t opencl_host_alloc(struct hal_dev *dev, uint64_t size, unsigned flags,
                             void **out_host, struct hal_mem *out_mem);
void opencl_host_free(struct hal_dev *dev, void *host, void *mem);

/* ---- stream.c: operations, direct or deferred -------------------------- */

enum opencl_op_kind {
    OPENCL_OP_LAUNCH,
    OPENCL_OP_COPY_IN,
    OPENCL_OP_COPY_OUT,
    OPENCL_OP_COPY,
    OPENCL_OP_FILL,
    OPENCL_OP_HOST_FUNC,
    OPENCL_OP_RECORD,
    OPENCL_OP_WAIT
};

struct opencl_op {
    enum opencl_op_kind kind;
    union {
        struct {
            struct opencl_kernel *kernel;
            struct hal_launch launch;
        } launch;
        struct {
            struct opencl_mem *dst, *src; /* NULL: `host` instead */
            uint64_t dst_offset, src_offset, size;
            void *host; /* COPY_IN only reads it */
            cl_bool blocking;
        } copy;
        struct {
            struct opencl_mem *mem;
            uint64_t offset, size;
            uint32_t pattern;
            unsigned pattern_bytes;
        } fill;
        struct {
            void (*fn)(void *arg);
            void *arg;
        } host;
        struct opencl_record *record; /* RECORD and WAIT own a reference */
    } u;
};

struct opencl_node {
    struct opencl_node *next;
    struct opencl_op op;
    union hal_arg args[]; /* of a launch */
};

struct opencl_stream {
    struct opencl_dev *dev;
    _Atomic(cl_command_queue) queue;
    cl_command_queue plain; /* the first queue, once `queue` is profiled */

    /* > 0: later operations must be deferred too.  Rises under the core's
     * stream lock; falls when the thread has handed the last one over. */
    atomic_uint n_deferred;
    _Atomic uint64_t n_submitted; /* operations that reached the queue; one
                                     thread at a time writes it */
    _Atomic uint64_t n_settled; /* so many of the first are known to be done */

    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    struct opencl_node *head, **tail;
    uint64_t n_pushed, n_done; /* deferred operations, ever */
    cl_event probe; /* for queries: completes with operation probe_at */
    uint64_t probe_at;
    bool has_thread, quit;
    pthread_t thread;
    _Atomic int error; /* of deferred work, not told yet */
    char error_text[256];
};

static inline bool opencl_stream_direct(struct opencl_stream *s)
{
    return atomic_load_explicit(&s->n_deferred, memory_order_acquire) == 0;
}
static inline cl_command_queue opencl_stream_queue(struct opencl_stream *s)
{
    return atomic_load_explicit(&s->queue, memory_order_acquire);
}

static inline void opencl_stream_count(struct opencl_stream *s)
{
    uint64_t n = atomic_load_explicit(&s->n_submitted, memory_order_relaxed);

    atomic_store_explicit(&s->n_submitted, n + 1, memory_order_release);
}

halError_t opencl_stream_create(struct hal_dev *dev, int priority,
                                void **out_stream);
void opencl_stream_destroy(struct hal_dev *dev, void *stream);
halError_t opencl_stream_query(struct hal_dev *dev, void *stream);
halError_t opencl_stream_sync(struct hal_dev *dev, void *stream);
halError_t opencl_host_func(struct hal_dev *dev, void *stream,
                            void (*fn)(void *arg), void *arg);

/* Runs the operation now, or defers it.  [stream locked]  Takes over a
 * record's reference if it succeeds. */
halError_t opencl_stream_submit(struct opencl_stream *s,
                                const struct opencl_op *op);
/* Gives the operation to the driver and sees that it starts. */
halError_t opencl_op_run(struct opencl_stream *s, const struct opencl_op *op);
/* The first n_done operations are done: a query need not ask the driver. */
void opencl_stream_settle(struct opencl_stream *s, uint64_t n_done);
/* Makes the queue a profiled one; called with operations in order. */
halError_t opencl_stream_profile(struct opencl_stream *s);

/* Between opencl_enter and opencl_leave: */
/* Waits until the queue is empty. */
halError_t opencl_queue_wait(struct opencl_dev *dev, cl_command_queue queue);
/* Waits for one event; its failure is the result. */
halError_t opencl_event_wait(struct opencl_dev *dev, cl_event event);
/* halSuccess, halErrorNotReady without hal_fail, or its failure. */
halError_t opencl_event_status(cl_event event);

/* defer.c */
halError_t opencl_defer_push(struct opencl_stream *s,
                             const struct opencl_op *op);
/* Waits until all that was deferred before the call has been handed over. */
void opencl_defer_drain(struct opencl_stream *s);
/* Ends the thread; nothing is deferred any more. */
void opencl_defer_stop(struct opencl_stream *s);
/* The error of deferred work, once. */
halError_t opencl_defer_take_error(struct opencl_stream *s);

/* copy.c */
halError_t opencl_copy_in(struct hal_dev *dev, void *stream, void *mem,
                          uint64_t offset, const void *host, uint64_t size,
                          unsigned flags);
halError_t opencl_copy_out(struct hal_dev *dev, void *stream, void *host,
                           void *mem, uint64_t offset, uint64_t size,
                           unsigned flags);
halError_t opencl_copy(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                       uint64_t size);
halError_t opencl_fill(struct hal_dev *dev, void *stream, void *mem,
                       uint64_t offset, uint64_t size, uint32_t pattern,
                       unsigned pattern_bytes);
halError_t opencl_run_copy_in(cl_command_queue q, const struct opencl_op *op);
halError_t opencl_run_copy_out(cl_command_queue q, const struct opencl_op *op);
halError_t opencl_run_copy(cl_command_queue q, const struct opencl_op *op);
halError_t opencl_run_fill(cl_command_queue q, const struct opencl_op *op);

/* ---- event.c ----------------------------------------------------------- */

enum opencl_record_state {
    OPENCL_RECORD_PENDING, /* its stream has not handed it over */
    OPENCL_RECORD_SUBMITTED,
    OPENCL_RECORD_FAILED
};

/* One recording of an event; event, streams that wait and driver callbacks
 * share it. */
struct opencl_record {
    struct opencl_dev *dev;
    struct opencl_record *next; /* of dev->dead */
    atomic_uint n_refs;
    _Atomic int state; /* changes under dev->record_lock */
    halError_t error;  /* of FAILED */
    bool timed;
    cl_event event;           /* of SUBMITTED */
    _Atomic uint64_t host_ns; /* when it completed, where the device's own
                                 clock is of no use; 0: not yet */
};

void opencl_record_release(struct opencl_record *r);
/* It has reached the driver: whoever waits for it may look at its event. */
void opencl_record_publish(struct opencl_record *r);
/* Waits while it is PENDING. */
void opencl_record_settle(struct opencl_record *r);
void opencl_record_fail(struct opencl_record *r, halError_t error);
/* Waits for callbacks; false if one may still come, long overdue: then the
 * device's memory must stay.  Its streams are gone. */
bool opencl_records_close(struct opencl_dev *dev);

halError_t opencl_event_create(struct hal_dev *dev, int timing,
                               void **out_event);
void opencl_event_destroy(struct hal_dev *dev, void *event);
halError_t opencl_event_record(struct hal_dev *dev, void *stream, void *event);
halError_t opencl_event_query(struct hal_dev *dev, void *event);
halError_t opencl_event_sync(struct hal_dev *dev, void *event);
halError_t opencl_event_elapsed(struct hal_dev *dev, void *start, void *end,
                                float *out_ms);
halError_t opencl_stream_wait(struct hal_dev *dev, void *stream, void *event);
halError_t opencl_run_record(struct opencl_stream *s, struct opencl_record *r);
halError_t opencl_run_wait(struct opencl_stream *s, struct opencl_record *r);

/* ---- module.c, launch.c ------------------------------------------------ */

/* Two OpenCL arguments for each buffer, one for each scalar. */
#define OPENCL_ARGS_MAX (2 * HAL_PARAMS_MAX)
/* A power of two. */
#define OPENCL_SHORT_KEYS 256

struct opencl_kernel {
    pthread_mutex_t lock; /* clSetKernelArg and the launch are one step */
    cl_program program;
    cl_kernel kernel;
    uint32_t group;
    uint32_t n_params;
    uint32_t is_scalar; /* bit i: parameter i */
    uint32_t is_set;    /* bit a: OpenCL argument a holds shadow[a] */
    /* Launches that are known to be short, by hash; 0: none.  For
     * OPENCL_QUIRK_INLINE, see launch.c. */
    _Atomic uint64_t short_keys[OPENCL_SHORT_KEYS];
    uint64_t shadow[OPENCL_ARGS_MAX]; /* a buffer's serial, its offset, or the
                                         scalar: what need not be set again */
};

halError_t opencl_kernel_create(struct hal_dev *dev,
                                const struct hal_kernel_desc *desc,
                                const struct hal_image *const *images,
                                uint32_t n_images, void **out_kernel,
                                struct hal_kernel_info *out_info);
void opencl_kernel_destroy(struct hal_dev *dev, void *kernel);
halError_t opencl_launch(struct hal_dev *dev, void *stream, void *kernel,
                         const struct hal_launch *launch);
halError_t opencl_run_launch(struct opencl_stream *s, struct opencl_kernel *k,
                             const struct hal_launch *launch);

/* program.c: builds OpenCL C text, or finds it in the disk cache.  `name` is
 * the kernel's, for messages. */
halError_t opencl_program_build(struct opencl_dev *dev, const char *name,
                                const void *text, size_t text_bytes,
                                cl_program *out_program);

#endif
