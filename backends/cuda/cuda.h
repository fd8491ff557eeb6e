/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cuda.h - what the files of the CUDA backend share.
 *
 * Model.  One primary context for each GPU, shared with whatever else uses it
 * in the process (a CUDA runtime, PyTorch); a stream is a CUDA stream, an event
 * a CUDA event, an address the driver's own.  The thread's current context is
 * as it was when an op returns.
 *
 * Host functions may wait for other devices, which functions that CUDA itself
 * calls (cuLaunchHostFunc) must not: they run on a thread of the stream, which
 * waits for an event before and lets the stream go on through a word of host
 * memory that the GPU waits for (cuStreamWaitValue32).
 *
 * Nothing in this backend waits for the whole context while work can be held
 * back by a host function: what does so in CUDA (cuMemFree, cuMemFreeHost) is
 * used where there are no pools, for memory that a caller frees, and at close.
 * Loading a kernel may wait, too: drivers load lazily.
 *
 * Locks, in the order in which they are taken: hal_stream's (the core's),
 * dev->lock, worker->lock, stage_lock; that of peer.c.  None of the backend's
 * is held while the host waits.
 */
#ifndef BACKENDS_CUDA_CUDA_H
#define BACKENDS_CUDA_CUDA_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/cuda/driver.h"
#include "hal/backend.h"

/* ---- loader.c ---------------------------------------------------------- */

/* CUDA 12.0: the first whose stream memory operations work everywhere. */
#define CUDA_VERSION_MIN 12000

/* The driver's functions by name without "cu": cuda_cu.StreamQuery(s). */
struct cuda_api {
#define X(name, parameters) unsigned(*name) parameters;
#define O(name, parameters) unsigned(*name) parameters;
#include "backends/cuda/symbols.def"
#undef X
#undef O
};
extern struct cuda_api cuda_cu;
extern int cuda_version; /* of the driver: 12040 is 12.4 */

/* Fills cuda_cu.  halErrorNoDriver says what is missing or too old.  One
 * thread; once it succeeded it does nothing. */
halError_t cuda_load(void);

/* ---- list.c ------------------------------------------------------------ */

/* A GPU as the listing knows it; lives as long as the process. */
struct cuda_gpu {
    int id;
    char name[256];
    char driver[256];
};

halError_t cuda_list(unsigned *out_count);
/* NULL beyond the last. */
const struct cuda_gpu *cuda_gpu_at(unsigned index);
/* 0 where the driver does not know the attribute. */
int cuda_attribute(int id, unsigned attribute);

/* ---- device.c ---------------------------------------------------------- */

struct cuda_stream;
struct blas_handle_st;

/* A word that streams wait for; see worker.c. */
struct cuda_flag {
    struct cuda_flag *next;
    _Atomic uint32_t *host;
    uint64_t address;
};

struct cuda_dev {
    struct hal_dev hal;
    const struct cuda_gpu *gpu;
    int id;
    struct CUctx_st *context;
    struct CUmemPoolHandle_st *pool;       /* NULL: the GPU has no pools */
    struct CUstream_st *service;           /* allocations */
    _Atomic unsigned lost;                 /* the code that said so, or 0 */
    _Atomic(struct blas_handle_st *) blas; /* NULL until a kernel wants it */

    pthread_mutex_t lock; /* all below */
    struct cuda_stream *streams;
    struct cuda_flag *flags; /* free ones */
    struct cuda_page *pages; /* where the flags lie */

    pthread_mutex_t stage_lock;
    struct cuda_stage *stages;
    unsigned n_stages;       /* those that are taken, too */
    unsigned n_small_stages; /* beside them */
};

static inline struct cuda_dev *cuda_dev_of(struct hal_dev *dev)
{
    return (struct cuda_dev *)(void *)dev;
}

/* Makes the device's context current; cuda_leave puts the former one back.
 * Every op stands between the two; after a failure cuda_leave does nothing. */
static inline unsigned cuda_enter(const struct cuda_dev *dev, bool *out_pushed)
{
    struct CUctx_st *now = NULL;

    *out_pushed = false;
    if (cuda_cu.CtxGetCurrent(&now) == CUDA_OK && now == dev->context)
        return CUDA_OK;
    unsigned code = cuda_cu.CtxPushCurrent(dev->context);

    *out_pushed = code == CUDA_OK;
    return code;
}
static inline void cuda_leave(bool pushed)
{
    struct CUctx_st *ours;

    if (pushed)
        (void)cuda_cu.CtxPopCurrent(&ours);
}

/* For ops that cannot fail: tries again for a second. */
void cuda_enter_patiently(const struct cuda_dev *dev, bool *out_pushed);

/* props.c: fills dev->hal.info. */
void cuda_props_fill(struct cuda_dev *dev);

/* ---- errors.c ---------------------------------------------------------- */

/* hal_fail() with the error that `code` means, its name, and what failed: the
 * text of a call.  A code that ends the context marks the device lost and
 * names the kernels that may have done it.  dev may be NULL. */
halError_t cuda_fail(struct cuda_dev *dev, unsigned code, const char *what);
const char *cuda_error_name(unsigned code);
/* The sentence that helps with a code, or "". */
const char *cuda_error_hint(unsigned code);
bool cuda_error_is_final(unsigned code);

#define CUDA_OR_GOTO(label, st, dev, call)         \
    do {                                           \
        unsigned code_ = (call);                   \
        if (code_ != CUDA_OK) {                    \
            (st) = cuda_fail((dev), code_, #call); \
            goto label;                            \
        }                                          \
    } while (0)

/* ---- memory.c, host.c -------------------------------------------------- */

enum cuda_origin {
    CUDA_FROM_POOL,
    CUDA_FROM_ALLOC,
    CUDA_FROM_HOST,
    CUDA_FROM_REGISTER
};

struct cuda_mem {
    uint64_t address;
    enum cuda_origin origin;
};

static inline uint64_t cuda_address(const void *mem, uint64_t offset)
{
    return ((const struct cuda_mem *)mem)->address + offset;
}

halError_t cuda_mem_info(struct hal_dev *dev, uint64_t *out_free,
                         uint64_t *out_total);
halError_t cuda_mem_alloc(struct hal_dev *dev, uint64_t size, int kind,
                          struct hal_mem *out_mem);
void cuda_mem_free(struct hal_dev *dev, void *mem);
/* Without pools the pool stays NULL. */
halError_t cuda_pool_open(struct cuda_dev *dev);
void cuda_pool_close(struct cuda_dev *dev);

halError_t cuda_host_alloc(struct hal_dev *dev, uint64_t size, unsigned flags,
                           void **out_host, struct hal_mem *out_mem);
void cuda_host_free(struct hal_dev *dev, void *host, void *mem);
halError_t cuda_host_register(struct hal_dev *dev, void *host, uint64_t size,
                              struct hal_mem *out_mem);
void cuda_host_unregister(struct hal_dev *dev, void *host, void *mem);

/* ---- peer.c ------------------------------------------------------------ */

halError_t cuda_peer_can_access(struct hal_dev *dev, struct hal_dev *peer,
                                int *out_can);
halError_t cuda_peer_enable(struct hal_dev *dev, struct hal_dev *peer);
halError_t cuda_peer_disable(struct hal_dev *dev, struct hal_dev *peer);
/* Ends what is left from and to a device that closes. */
void cuda_peers_close(struct cuda_dev *dev);

/* ---- stream.c ---------------------------------------------------------- */

/* The last kernels of a stream, for the words with a failure.  A power of 2. */
#define CUDA_RECENT 8

struct cuda_kernel;
struct cuda_worker;

struct cuda_stream {
    struct cuda_dev *dev;
    struct cuda_stream *next; /* of dev->streams */
    struct CUstream_st *stream;
    struct cuda_worker *worker; /* made by the first host function */
    _Atomic(const struct cuda_kernel *) recent[CUDA_RECENT];
    _Atomic uint64_t n_launched, n_done; /* launches; known to have ended */
};

halError_t cuda_stream_create(struct hal_dev *dev, int priority,
                              void **out_stream);
void cuda_stream_destroy(struct hal_dev *dev, void *stream);
halError_t cuda_stream_query(struct hal_dev *dev, void *stream);
halError_t cuda_stream_sync(struct hal_dev *dev, void *stream);
void cuda_priority_range(struct hal_dev *dev, int *out_least,
                         int *out_greatest);
/* Writes the names of kernels that are not known to have ended. */
void cuda_streams_suspects(struct cuda_dev *dev, char *text, size_t size);
/* A kernel goes: no stream remembers it. */
void cuda_streams_forget(struct cuda_dev *dev, const struct cuda_kernel *k);

/* ---- worker.c ---------------------------------------------------------- */

halError_t cuda_host_func(struct hal_dev *dev, void *stream,
                          void (*fn)(void *arg), void *arg);
/* Runs what is left, ends the thread.  NULL is fine. */
void cuda_worker_stop(struct cuda_worker *w);
/* Frees the flags' memory; no stream is left. */
void cuda_flags_close(struct cuda_dev *dev);

/* ---- event.c ----------------------------------------------------------- */

halError_t cuda_event_create(struct hal_dev *dev, int timing, void **out_event);
void cuda_event_destroy(struct hal_dev *dev, void *event);
halError_t cuda_event_record(struct hal_dev *dev, void *stream, void *event);
halError_t cuda_event_query(struct hal_dev *dev, void *event);
halError_t cuda_event_sync(struct hal_dev *dev, void *event);
halError_t cuda_event_elapsed(struct hal_dev *dev, void *start, void *end,
                              float *out_ms);
halError_t cuda_stream_wait(struct hal_dev *dev, void *stream, void *event);

/* ---- copy.c, stage.c --------------------------------------------------- */

halError_t cuda_copy_in(struct hal_dev *dev, void *stream, void *mem,
                        uint64_t offset, const void *host, uint64_t size,
                        unsigned flags);
halError_t cuda_copy_out(struct hal_dev *dev, void *stream, void *host,
                         void *mem, uint64_t offset, uint64_t size,
                         unsigned flags);
halError_t cuda_copy(struct hal_dev *dev, void *stream, void *dst_mem,
                     uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                     uint64_t size);
halError_t cuda_fill(struct hal_dev *dev, void *stream, void *mem,
                     uint64_t offset, uint64_t size, uint32_t pattern,
                     unsigned pattern_bytes);
halError_t cuda_copy_2d(struct hal_dev *dev, void *stream, void *dst_mem,
                        uint64_t dst_offset, uint64_t dst_pitch, void *src_mem,
                        uint64_t src_offset, uint64_t src_pitch, uint64_t width,
                        uint64_t height);

/* Page-locked memory that holds what a busy stream copies later. */
#define CUDA_STAGE_BYTES       ((uint64_t)4 << 20)
#define CUDA_SMALL_STAGE_BYTES ((uint64_t)64 << 10)

struct cuda_stage {
    struct cuda_stage *next;
    char *host;
    uint64_t bytes;               /* one of the two above */
    uint64_t used;                /* from its start */
    const struct cuda_stream *of; /* whose copies have used it */
    struct CUevent_st *done;      /* behind the last of them */
};

/* One with room at `used` for `size` bytes, or for as many of them as a piece
 * of its own would hold; between cuda_enter and cuda_leave.  NULL: all are in
 * use, or there is no memory for one.  Never waits for a stream.  Give it back
 * with `used` raised and its event recorded behind its last use. */
struct cuda_stage *cuda_stage_take(const struct cuda_stream *s, uint64_t size);
void cuda_stage_give(struct cuda_dev *dev, struct cuda_stage *stage);
void cuda_stages_close(struct cuda_dev *dev);

/* ---- module.c, launch.c, nvrtc.c --------------------------------------- */

struct cuda_product;

struct cuda_kernel {
    struct CUmod_st *module;
    struct CUfunc_st *function;
    const struct cuda_product *product; /* what the library does behind it */
    uint32_t group;
    uint32_t n_params;
    uint32_t is_scalar;             /* bit i: parameter i */
    uint32_t static_bytes;          /* shared */
    _Atomic uint32_t dynamic_bytes; /* shared, that a launch may have */
    char name[HAL_NAME_MAX + 1];
};

halError_t cuda_kernel_create(struct hal_dev *dev,
                              const struct hal_kernel_desc *desc,
                              const struct hal_image *const *images,
                              uint32_t n_images, void **out_kernel,
                              struct hal_kernel_info *out_info);
void cuda_kernel_destroy(struct hal_dev *dev, void *kernel);
halError_t cuda_launch(struct hal_dev *dev, void *stream, void *kernel,
                       const struct hal_launch *launch);

/* CUDA C++ text to what cuModuleLoadData takes: a cubin for the device's own
 * architecture, PTX for one that this NVRTC does not know.  *out_blob is
 * malloc'ed and ends with a NUL.  Through the disk cache. */
halError_t cuda_nvrtc_build(struct cuda_dev *dev, const char *name,
                            const void *text, size_t text_bytes,
                            void **out_blob);

/* ---- blas.c ------------------------------------------------------------ */

/* What cuBLASLt does behind a launch of this kernel; NULL: nothing. */
const struct cuda_product *cuda_product_of(const struct hal_kernel_desc *desc);
/* Between cuda_enter and cuda_leave, as all of these.  halErrorNotSupported
 * says which library is missing. */
halError_t cuda_blas_open(struct cuda_dev *dev);
/* No stream is left. */
void cuda_blas_close(struct cuda_dev *dev);
/* Whether the kernel itself need not run: the library does all of it. */
bool cuda_blas_is_alone(const struct cuda_product *p,
                        const struct hal_launch *launch);
/* Enqueues the product behind the kernel or, where it is alone, instead. */
halError_t cuda_blas_multiply(struct cuda_dev *dev, struct CUstream_st *stream,
                              const struct cuda_product *p,
                              const struct hal_launch *launch);

#endif
