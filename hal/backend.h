/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend.h - the contract: what a vendor implements to put a device under
 * hal.h.
 *
 * Division of labour.  The core (hal/) owns everything that is the same
 * everywhere: handles, flat device pointers, argument and bounds checks, the
 * legacy default stream, waits across devices, pools, 2D copies, errors per
 * thread, stand-ins.  A backend owns a driver: it never sees a public handle
 * and never a pointer that it did not make; buffers arrive as (mem, offset),
 * checked to lie inside.  The core never asks a backend its name.
 *
 * A device is `struct hal_dev` inside a larger struct of the backend's
 * (first member).  `dev` comes first in every op.
 *
 * Streams are in order: each op on a stream starts after the one before it
 * ends.  Unless its slot says "waits", an op returns before its work is done.
 * Errors of work that fails later are returned by the next stream_sync,
 * stream_query or event_sync of that stream, each once.
 *
 * Threads.  Ops may be called from any number of threads at once, for
 * different streams and for the same one, unless a slot says otherwise; the
 * core serialises submissions to one stream (ops marked [stream locked]).
 *
 * Failure.  An op that fails leaves nothing behind, leaves its out-parameters
 * untouched, and has called hal_fail() once, where the fault was seen.  After
 * halErrorDeviceLost every later op may return it again; destroy, free and
 * close ops must still work.
 */
#ifndef HAL_BACKEND_H
#define HAL_BACKEND_H

#include "compiler/kernel_desc.h"
#include "hal/hal.h"

/* Changes when a struct below changes in a way that sizes do not tell. */
#define HAL_BACKEND_ABI 2u

struct hal_dev;

/* Records the sentence for halGetErrorDetail() of this thread (cut at 511
 * bytes) and returns `error`: `return hal_fail(halErrorX, "...", ...)`. */
halError_t hal_fail(halError_t error, const char *format, ...)
    __attribute__((format(printf, 2, 3), visibility("default")));

/* For public calls that are layered on hal.h, as kernels/ops.h is, and never
 * for a backend: makes a failure this thread's last error and returns `error`.
 * halSuccess and halErrorNotReady change nothing. */
halError_t hal_done(halError_t error);

/* A buffer as a backend makes it. */
struct hal_mem {
    void *impl; /* the backend's own; passed back in every op */
    void *addr; /* a real address that is unique in this process and that the
                   host may compute with (CPU, SVM); NULL: the core assigns one
                   from its reserved range */
};

enum {
    HAL_MEM_DEVICE = 0,
    HAL_MEM_MANAGED = 1 /* host and device; addr must be set */
};

/* Copy flags */
enum {
    HAL_COPY_PINNED = 1, /* the host range is page-locked: the op may return
                            before the copy is done.  Without it the op has read
                            (or written) the host range when it returns. */
    HAL_COPY_WAITED = 2 /* the core syncs the stream next, without its lock: the
                           op may return before the copy is done although the
                           range is not page-locked.  Or it may do nothing and
                           return halErrorNotReady (without hal_fail) while
                           earlier work runs: the core syncs and asks again,
                           at last without the flag.  An op that waits instead
                           keeps other threads' streams waiting for the
                           lock. */
};

/* One launch argument. */
union hal_arg {
    struct {
        void *mem;       /* hal_mem.impl */
        void *addr;      /* hal_mem.addr + offset, or NULL */
        uint64_t offset; /* bytes from the start of mem */
        uint64_t avail;  /* bytes from offset to the end of mem */
    } buffer;
    uint32_t scalar; /* bits of a float, int or unsigned */
};

struct hal_launch {
    uint32_t grid[3];          /* groups, each >= 1 and within info.max_grid */
    uint32_t shared_bytes;     /* dynamic */
    uint32_t n_args;           /* == desc->n_params */
    const union hal_arg *args; /* copied before the op returns */
};

/* What device_open fills in. */
struct hal_dev_info {
    uint32_t size;             /* sizeof, set by the backend */
    uint8_t target;            /* enum hal_target of the images it runs */
    uint8_t text_target;       /* 0, or the enum hal_target of texts that
                                  kernel_create takes too: those of
                                  halModuleLoadSource */
    uint64_t caps;             /* HAL_CAP_* it has */
    uint32_t version;          /* of the driver: major * 1000 + minor * 10 */
    struct halDeviceProp prop; /* halName, standsOn: left to the core */
};

struct hal_kernel_info {
    uint32_t local_bytes;  /* private memory per thread, 0 if unknown */
    uint32_t image;        /* index of the image that runs by default */
    uint32_t static_bytes; /* shared memory that a group has before a launch
                              adds to it, where that may be more than the
                              image says; 0: as the image says */
};

/* What every backend must do; the registry refuses a table with a hole. */
struct hal_ops {
    uint32_t size; /* sizeof when it was built; slots past it are missing */

    /* Waits for everything, frees everything.  The core has destroyed all
     * objects of the device before.  One thread. */
    void (*device_close)(struct hal_dev *dev);

    /* Free and total device memory in bytes. */
    halError_t (*mem_info)(struct hal_dev *dev, uint64_t *out_free,
                           uint64_t *out_total);

    /* `size` > 0 and <= prop.maxAllocBytes, `kind` HAL_MEM_*; aligned to
     * prop.memAlign.  halErrorMemoryAllocation when there is no more. */
    halError_t (*mem_alloc)(struct hal_dev *dev, uint64_t size, int kind,
                            struct hal_mem *out_mem);
    /* The core calls it when no enqueued work uses mem. Cannot fail. */
    void (*mem_free)(struct hal_dev *dev, void *mem);

    /* Opens a queue that runs its work in order.  `priority` within
     * halDeviceGetStreamPriorityRange; lower is more urgent. */
    halError_t (*stream_create)(struct hal_dev *dev, int priority,
                                void **out_stream);
    /* Waits, then frees.  Cannot fail. */
    void (*stream_destroy)(struct hal_dev *dev, void *stream);
    /* halSuccess, halErrorNotReady (without hal_fail), or the error of work
     * that failed.  Submits what was held back.  Not halErrorNotReady to
     * whoever has seen the event that was recorded last be done. */
    halError_t (*stream_query)(struct hal_dev *dev, void *stream);
    /* Waits. */
    halError_t (*stream_sync)(struct hal_dev *dev, void *stream);

    /* [stream locked] all of the following that take a stream */

    /* Host to device, device to host, within one device; size > 0.
     * flags: HAL_COPY_*.  Ranges do not overlap. */
    halError_t (*copy_in)(struct hal_dev *dev, void *stream, void *mem,
                          uint64_t offset, const void *host, uint64_t size,
                          unsigned flags);
    halError_t (*copy_out)(struct hal_dev *dev, void *stream, void *host,
                           void *mem, uint64_t offset, uint64_t size,
                           unsigned flags);
    halError_t (*copy)(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                       uint64_t size);
    /* Repeats the low pattern_bytes (1, 2 or 4) of pattern; offset and size
     * are multiples of pattern_bytes, of nothing else. */
    halError_t (*fill)(struct hal_dev *dev, void *stream, void *mem,
                       uint64_t offset, uint64_t size, uint32_t pattern,
                       unsigned pattern_bytes);

    /* Runs fn(arg) on some host thread, in stream order.  fn may block for a
     * long time (the core waits for other devices in it): other streams and
     * other devices must go on meanwhile. */
    halError_t (*host_func)(struct hal_dev *dev, void *stream,
                            void (*fn)(void *arg), void *arg);

    halError_t (*event_create)(struct hal_dev *dev, int timing,
                               void **out_event);
    /* Work that waits for it goes on undisturbed.  Cannot fail. */
    void (*event_destroy)(struct hal_dev *dev, void *event);
    /* Completes when all earlier work on the stream has.  Replaces an earlier
     * record; waits made on that one keep their meaning. */
    halError_t (*event_record)(struct hal_dev *dev, void *stream, void *event);
    /* The latest record; one that was never recorded counts as done.
     * query: halErrorNotReady (without hal_fail) while unfinished. */
    halError_t (*event_query)(struct hal_dev *dev, void *event);
    /* Waits. */
    halError_t (*event_sync)(struct hal_dev *dev, void *event);
    /* Both recorded, finished, with timing (checked by the core). */
    halError_t (*event_elapsed)(struct hal_dev *dev, void *start, void *end,
                                float *out_ms);
    /* Later work on the stream waits for the event's latest record (same
     * device). */
    halError_t (*stream_wait)(struct hal_dev *dev, void *stream, void *event);

    /* Makes a kernel runnable.  images[0..n) all fit the device, best first;
     * desc and images live until kernel_destroy.  May compile; waits.
     * halErrorKernelBuild with the compiler's first complaint. */
    halError_t (*kernel_create)(struct hal_dev *dev,
                                const struct hal_kernel_desc *desc,
                                const struct hal_image *const *images,
                                uint32_t n_images, void **out_kernel,
                                struct hal_kernel_info *out_info);
    /* No enqueued work uses it. Cannot fail. */
    void (*kernel_destroy)(struct hal_dev *dev, void *kernel);
    halError_t (*launch)(struct hal_dev *dev, void *stream, void *kernel,
                         const struct hal_launch *launch);
};

/* What a backend may do.  NULL, or a slot past size, means the default. */
struct hal_opt_ops {
    uint32_t size;

    /* Default: page-aligned plain memory, which the core then marks pinned.
     * flags: halHostAlloc*.  *out_mem may be set so that kernels reach it (its
     * addr is the device pointer, NULL: none). */
    halError_t (*host_alloc)(struct hal_dev *dev, uint64_t size, unsigned flags,
                             void **out_host, struct hal_mem *out_mem);
    void (*host_free)(struct hal_dev *dev, void *host, void *mem);

    /* Default: nothing is done; copies of the range count as pinned. */
    halError_t (*host_register)(struct hal_dev *dev, void *host, uint64_t size,
                                struct hal_mem *out_mem);
    void (*host_unregister)(struct hal_dev *dev, void *host, void *mem);

    /* Default: 0, 0. */
    void (*priority_range)(struct hal_dev *dev, int *out_least,
                           int *out_greatest);

    /* Default: kernels cannot use the peer's memory. */
    halError_t (*peer_can_access)(struct hal_dev *dev, struct hal_dev *peer,
                                  int *out_can);
    halError_t (*peer_enable)(struct hal_dev *dev, struct hal_dev *peer);
    halError_t (*peer_disable)(struct hal_dev *dev, struct hal_dev *peer);

    /* `height` rows; pitches in bytes.  [stream locked]
     * Default: the core submits one 1D op a row. */
    halError_t (*copy_2d)(struct hal_dev *dev, void *stream, void *dst_mem,
                          uint64_t dst_offset, uint64_t dst_pitch,
                          void *src_mem, uint64_t src_offset,
                          uint64_t src_pitch, uint64_t width, uint64_t height);
};

/* The head of every device struct; the backend fills all but `core`. */
struct hal_dev {
    uint32_t size; /* sizeof(struct hal_dev) when built */
    const struct hal_ops *ops;
    const struct hal_opt_ops *opt; /* may be NULL */
    struct hal_dev_info info;
    void *core; /* the core's; not for the backend */
};

/*
 * Built in, or the symbol `hal_backend_plugin` of libhalcyon-<name>.so in a
 * folder of HALCYON_BACKEND_PATH or, after those, in lib/halcyon beside the
 * installed libhalcyon.so (or ../lib/halcyon from a program that has Halcyon
 * linked in).  A plug-in takes hal_fail from the program that loads it: one
 * that uses the static library must be linked with -rdynamic.  It is first
 * loaded, probed and opened in a child process; what goes wrong there is told
 * by halBackendGetInfo, and the plug-in left out.
 */
struct hal_backend {
    uint32_t size; /* sizeof */
    uint32_t abi;  /* HAL_BACKEND_ABI */
    const char *name;

    /* Loads the driver (dlopen) and counts devices; called once, before
     * anything else, by one thread.  halErrorNoDriver, with hal_fail naming
     * library and Debian package, when the driver is absent or broken. */
    halError_t (*probe)(unsigned *out_count);
    /* About device `index` < count, without opening it: its name and driver
     * in words, for listings and for a profile to choose by. */
    halError_t (*describe)(unsigned index, char name[256], char driver[256]);
    /* Opens an independent instance of device `index`: a stand-in and the
     * real device may both be open. */
    halError_t (*device_open)(unsigned index, struct hal_dev **out_dev);
};

/*
 * A layer: tables that stand on a backend's.  It is called with each device
 * that was opened and has kept the contract, before any of its ops is; it may
 * replace dev->ops and dev->opt by tables that call the ones it found, and
 * lower what dev->info claims.  Set it before the first call of hal.h; NULL:
 * none.  (Conformance plants faults with it.)
 */
extern void (*hal_device_layer)(const struct hal_backend *backend,
                                unsigned index, struct hal_dev *dev);

/* The generated list of built-in backends, NULL at its end. */
extern const struct hal_backend *const hal_builtin_backends[];

#endif
