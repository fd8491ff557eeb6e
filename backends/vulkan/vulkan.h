/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vulkan.h - what the files of the Vulkan backend share.
 *
 * One VkInstance a process (device.c), one VkDevice for each hal_dev.  Memory
 * is carved from large VkBuffers (memory.c).  A stream (stream.c) is a
 * timeline semaphore whose value counts its batches; a batch is one command
 * buffer with what it must keep alive.  The invariant that everything else
 * rests on: no batch is given to a VkQueue before all that it waits for has
 * been given to one, or has happened.  What cannot go yet is held back on the
 * host, by the stream's own thread (held.c), so that no stream blocks another.
 *
 * Locks, outermost first: stream.lock, then any one of the leaf locks
 * (event.lock, dev.mem_lock, dev.spare_lock, dev.flush_lock, queue.lock,
 * timeline.lock, kernel.lock).  dev.list_lock is taken before stream.lock.
 */
#ifndef BACKENDS_VULKAN_VULKAN_H
#define BACKENDS_VULKAN_VULKAN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include "hal/backend.h"

struct vulkan_dev;
struct vulkan_stream;

/* ---- loader.c -------------------------------------------------------- */

struct vulkan_inst_fn {
    PFN_vkGetInstanceProcAddr GetInstanceProcAddr;
#define GLOBAL(name)       PFN_vk##name name;
#define INSTANCE(name)     PFN_vk##name name;
#define INSTANCE_OPT(name) PFN_vk##name name;
#include "backends/vulkan/symbols.def"
};

struct vulkan_dev_fn {
#define DEVICE(name)     PFN_vk##name name;
#define DEVICE_OPT(name) PFN_vk##name name;
#include "backends/vulkan/symbols.def"
};

/* Opens the loader library; halErrorNoDriver names what is missing. */
halError_t vulkan_lib_open(struct vulkan_inst_fn *fn, void **out_lib);
void vulkan_lib_close(void *lib);
halError_t vulkan_load_instance(struct vulkan_inst_fn *fn, VkInstance inst);
halError_t vulkan_load_device(const struct vulkan_inst_fn *inst_fn,
                              VkDevice handle, struct vulkan_dev_fn *fn);

/* ---- instance.c: the instance and its GPUs --------------------------- */

/* A physical device that the backend can use. */
struct vulkan_gpu {
    VkPhysicalDevice handle;
    VkPhysicalDeviceProperties props;
    VkPhysicalDeviceDriverProperties driver;
    uint8_t uuid[16];
    uint32_t family;
    uint32_t n_queues;
    uint32_t stamp_bits; /* timestampValidBits */
    uint32_t quirks;     /* VULKAN_QUIRK_* */
};

struct vulkan_inst {
    void *lib;
    VkInstance handle;
    VkDebugUtilsMessengerEXT messenger;
    struct vulkan_inst_fn fn;
    int validation; /* HALCYON_VULKAN_VALIDATION: 0, 1, 2 */
    unsigned n_gpus;
    struct vulkan_gpu *gpus;
    atomic_uint n_open; /* devices that are open */
};
extern struct vulkan_inst vulkan_inst;

halError_t vulkan_inst_open(void);
void vulkan_inst_close(void);

/* halErrorInternal with the layer's text when it has complained since the last
 * call, else halSuccess. */
halError_t vulkan_complaints_take(void);

/* ---- quirks.c -------------------------------------------------------- */

enum {
    VULKAN_QUIRK_HOST_TIME = 1u << 0, /* GPU timestamps are of no use */
    VULKAN_QUIRK_NO_PUSH_DESC = 1u << 1,
    VULKAN_QUIRK_NO_IMPORT = 1u << 2, /* VK_EXT_external_memory_host */
    VULKAN_QUIRK_LOOPS = 1u << 3 /* a thread's loops end after 65,535 steps */
};
uint32_t vulkan_quirks_of(const VkPhysicalDeviceProperties *props,
                          const VkPhysicalDeviceDriverProperties *driver,
                          uint32_t stamp_bits);
/* major * 1000 + minor * 10 of the driver. */
uint32_t vulkan_driver_version(const VkPhysicalDeviceProperties *props,
                               const VkPhysicalDeviceDriverProperties *driver);
/* A message of the validation layer that is known to be wrong. */
int vulkan_quirk_ignores(const char *message_id);

/* ---- memory.c -------------------------------------------------------- */

/* The offset of an allocation in its buffer is a multiple of this, and so is
 * the distance to its neighbour: the largest minStorageBufferOffsetAlignment
 * that Vulkan allows. */
#define VULKAN_MEM_ALIGN 256u

/* A range of a block: an allocation, or free. */
struct vulkan_mem {
    struct vulkan_mem *prev, *next; /* neighbours in the block */
    struct vulkan_mem *chain;       /* of a batch */
    struct vulkan_block *block;
    VkBuffer buffer;
    uint64_t base;           /* offset in buffer */
    uint64_t size;           /* a multiple of VULKAN_MEM_ALIGN */
    char *host;              /* mapped, or NULL */
    VkDeviceAddress address; /* 0 without buffer device addresses */
    int used;
    int counted; /* in dev.heap_used */
};

struct vulkan_pool {
    uint32_t type; /* memory type index */
    uint32_t heap;
    int cached; /* the host reads it at full speed */
    int mapped;
    uint64_t block_bytes;
    struct vulkan_block *blocks;
};

/* A host range that the device's queue reaches: sorted by address. */
struct vulkan_host_range {
    char *host;
    uint64_t size;
    struct vulkan_mem *mem;
};

halError_t vulkan_pools_open(struct vulkan_dev *d);
void vulkan_pools_close(struct vulkan_dev *d);
/* `strict`: for the user, and so within what the heap claims to hold; the
 * driver itself (lavapipe) may not look. */
halError_t vulkan_pool_take(struct vulkan_dev *d, struct vulkan_pool *pool,
                            uint64_t size, int strict,
                            struct vulkan_mem **out_mem);
void vulkan_pool_give(struct vulkan_dev *d, struct vulkan_mem *mem);
/* The caller's pages as memory of the device; freed with vulkan_pool_give. */
VkResult vulkan_mem_import(struct vulkan_dev *d, void *host, uint64_t size,
                           uint32_t type, struct vulkan_mem **out_mem);

/* ---- host.c ---------------------------------------------------------- */

/* The pinned allocation that holds host[0..size), or NULL. */
struct vulkan_mem *vulkan_host_find(struct vulkan_dev *d, const void *host,
                                    uint64_t size, uint64_t *out_offset);

halError_t vulkan_mem_info(struct hal_dev *dev, uint64_t *out_free,
                           uint64_t *out_total);
halError_t vulkan_mem_alloc(struct hal_dev *dev, uint64_t size, int kind,
                            struct hal_mem *out_mem);
void vulkan_mem_free(struct hal_dev *dev, void *mem);
halError_t vulkan_host_alloc(struct hal_dev *dev, uint64_t size, unsigned flags,
                             void **out_host, struct hal_mem *out_mem);
void vulkan_host_free(struct hal_dev *dev, void *host, void *mem);
halError_t vulkan_host_register(struct hal_dev *dev, void *host, uint64_t size,
                                struct hal_mem *out_mem);
void vulkan_host_unregister(struct hal_dev *dev, void *host, void *mem);

/* ---- device.c -------------------------------------------------------- */

struct vulkan_queue {
    VkQueue handle;
    pthread_mutex_t lock; /* vkQueueSubmit wants one thread at a time */
};

#define VULKAN_QUEUES_MAX 4u

struct vulkan_dev {
    struct hal_dev dev; /* first */
    const struct vulkan_gpu *gpu;
    VkDevice handle;
    struct vulkan_dev_fn fn;
    uint32_t n_queues;
    struct vulkan_queue queues[VULKAN_QUEUES_MAX];
    atomic_uint next_queue;
    atomic_int lost;
    int push_desc; /* VK_KHR_push_descriptor is on */
    int import;    /* VK_EXT_external_memory_host is on */
    int bda;
    int budget; /* VK_EXT_memory_budget is on */
    uint64_t import_align;
    uint64_t offset_align; /* of what is bound, >= 16 */
    uint64_t range_max;    /* maxStorageBufferRange */
    uint32_t push_max;     /* maxPushConstantsSize */

    pthread_mutex_t mem_lock;
    VkPhysicalDeviceMemoryProperties mem_props;
    uint64_t heap_used[VK_MAX_MEMORY_HEAPS];
    uint32_t n_blocks;
    struct vulkan_pool device_pool, host_pool;
    struct vulkan_host_range *host_ranges;
    size_t n_host_ranges, host_ranges_room;

    pthread_mutex_t spare_lock;        /* of the three below */
    struct vulkan_timeline *timelines; /* without a user; see quirks.c */
    struct vulkan_stamp *stamps_free;
    struct vulkan_stamp_pool *stamp_pools;

    pthread_mutex_t list_lock; /* of `streams` */
    struct vulkan_stream *streams;

    pthread_mutex_t flush_lock; /* of the four below */
    pthread_cond_t flush_cond;
    pthread_t flusher;
    int has_flusher, flush_stop, flush_wanted;

    VkPipelineCache cache;
    atomic_uint cache_added; /* pipelines since it was loaded */
};

static inline struct vulkan_dev *vulkan_dev_of(struct hal_dev *dev)
{
    return (struct vulkan_dev *)dev;
}

/* ---- timeline.c, batch.c, stream.c, held.c --------------------------- */

/* A semaphore that outlives its stream while events refer to it, and then
 * serves another one, which counts on from its value. */
struct vulkan_timeline {
    struct vulkan_timeline *next; /* dev.timelines */
    VkSemaphore sem;
    atomic_uint refs;
    /* Every value up to this has been given to a queue, or is reached. */
    _Atomic uint64_t submitted;
    _Atomic uint64_t done; /* at least this value has been reached */
    /* Stored before the host signals, loaded after a wait: a driver's
     * semaphore orders memory on the device, and C wants to see it too. */
    _Atomic uint64_t hosted;
    pthread_mutex_t lock; /* of the two below */
    halError_t error;     /* of work that failed later; taken once */
    char message[256];
};

#define VULKAN_BATCH_CMDS  64u /* commands of a batch */
#define VULKAN_BATCH_WAITS 8u
/* Small copies stage here; larger ones get memory of their own. */
#define VULKAN_STAGE_BYTES ((uint64_t)64 << 10)

enum vulkan_held_kind { VULKAN_HELD_BATCH, VULKAN_HELD_WAIT, VULKAN_HELD_CALL };

/* Something that a stream's thread does when its turn comes. */
struct vulkan_held {
    struct vulkan_held *next;
    enum vulkan_held_kind kind;
    uint64_t value;                   /* WAIT: of `timeline`; CALL: its own */
    struct vulkan_timeline *timeline; /* WAIT: a reference */
    void (*fn)(void *arg);
    void *arg;
};

struct vulkan_batch {
    struct vulkan_held held; /* first: a held batch is found through it */
    struct vulkan_batch *next;
    VkCommandBuffer cmd;
    VkDescriptorPool descs; /* NULL with push descriptors */
    uint64_t value;
    unsigned n_cmds;
    unsigned n_waits;
    struct vulkan_timeline *waits[VULKAN_BATCH_WAITS];
    uint64_t wait_values[VULKAN_BATCH_WAITS];
    struct vulkan_mem *stage;
    uint64_t stage_used;
    struct vulkan_mem *mems; /* freed when it is done */
    struct vulkan_stamp *stamps[VULKAN_BATCH_CMDS];
    unsigned n_stamps;
};

struct vulkan_stream {
    struct vulkan_dev *d;
    struct vulkan_stream *prev, *next; /* dev.list_lock */
    struct vulkan_queue *queue;
    struct vulkan_timeline *timeline;
    pthread_mutex_t lock; /* of everything below */
    VkCommandPool pool;
    uint64_t value; /* the last one given out */
    struct vulkan_batch *open;
    struct vulkan_batch *flight, *flight_last; /* submitted, by value */
    unsigned n_flight;
    struct vulkan_batch *idle;
    struct vulkan_held *held, *held_last;
    unsigned n_held; /* until done, not until begun */
    pthread_cond_t held_cond;
    pthread_t thread;
    int has_thread, stop;
    int armed; /* the flusher looks at it */
    /* Held while the stream's thread writes memory that its owner may free
     * when the device is lost. */
    pthread_mutex_t carry_lock;
};

halError_t vulkan_timeline_create(struct vulkan_dev *d,
                                  struct vulkan_timeline **out_timeline);
void vulkan_timeline_retain(struct vulkan_timeline *t);
void vulkan_timeline_release(struct vulkan_dev *d, struct vulkan_timeline *t);
void vulkan_timelines_close(struct vulkan_dev *d);
/* Does not block.  A lost device: 1, there is nothing to wait for. */
int vulkan_timeline_reached(struct vulkan_dev *d, struct vulkan_timeline *t,
                            uint64_t value);
halError_t vulkan_timeline_wait(struct vulkan_dev *d, struct vulkan_timeline *t,
                                uint64_t value);
/* Stores an error of work that nobody waits for. */
void vulkan_timeline_blame(struct vulkan_timeline *t, halError_t error,
                           const char *message);
/* Returns, and forgets, the stored error. */
halError_t vulkan_timeline_take(struct vulkan_timeline *t);

/* The open batch, begun, with room for another command. */
halError_t vulkan_batch_begin_locked(struct vulkan_stream *s,
                                     struct vulkan_batch **out_batch);
/* Orders the next command after all before it. */
void vulkan_batch_barrier(struct vulkan_stream *s, struct vulkan_batch *b);
/* Counts the command that was recorded, and submits when it is time. */
halError_t vulkan_batch_commit_locked(struct vulkan_stream *s);
/* Memory that the host writes and the batch reads. */
halError_t vulkan_batch_stage(struct vulkan_stream *s, struct vulkan_batch *b,
                              uint64_t size, struct vulkan_mem **out_mem,
                              uint64_t *out_offset);
halError_t vulkan_stream_flush_locked(struct vulkan_stream *s);
halError_t vulkan_batch_submit(struct vulkan_stream *s, struct vulkan_batch *b);
void vulkan_batch_destroy(struct vulkan_stream *s, struct vulkan_batch *b);
void vulkan_batch_recycle_locked(struct vulkan_stream *s,
                                 struct vulkan_batch *b);
void vulkan_batch_flying_locked(struct vulkan_stream *s,
                                struct vulkan_batch *b);
void vulkan_stream_retire_locked(struct vulkan_stream *s);
/* Waits until the stream's work is done or the device is lost: a call that
 * fails for want of memory is tried again, since nothing may be destroyed
 * under a running command buffer. */
void vulkan_stream_drain(struct vulkan_stream *s);
/* Nothing is enqueued and nothing runs. */
int vulkan_stream_idle_locked(struct vulkan_stream *s);

halError_t vulkan_stream_create(struct hal_dev *dev, int priority,
                                void **out_stream);
void vulkan_stream_destroy(struct hal_dev *dev, void *stream);
halError_t vulkan_stream_query(struct hal_dev *dev, void *stream);
halError_t vulkan_stream_sync(struct hal_dev *dev, void *stream);
/* Waits for the stream's work; errors of it are the next sync's to report. */
halError_t vulkan_stream_finish(struct vulkan_stream *s);
/* Of a lost device: when it returns, the stream's thread writes no memory of
 * the program's, and will not. */
void vulkan_stream_let_go(struct vulkan_stream *s);

/* Wakes the flusher, which submits armed streams soon. */
void vulkan_flusher_wake(struct vulkan_dev *d);
void vulkan_flusher_stop(struct vulkan_dev *d);

/* Makes the stream's thread, once. */
halError_t vulkan_held_open_locked(struct vulkan_stream *s);
void vulkan_held_push_locked(struct vulkan_stream *s, struct vulkan_held *h);
/* Runs what is held, then ends the thread. */
void vulkan_held_close(struct vulkan_stream *s);
halError_t vulkan_host_func(struct hal_dev *dev, void *stream,
                            void (*fn)(void *arg), void *arg);
/* The same under the lock. */
halError_t vulkan_host_func_locked(struct vulkan_stream *s,
                                   void (*fn)(void *arg), void *arg);

/* ---- copy.c ---------------------------------------------------------- */

halError_t vulkan_copy_in(struct hal_dev *dev, void *stream, void *mem,
                          uint64_t offset, const void *host, uint64_t size,
                          unsigned flags);
halError_t vulkan_copy_out(struct hal_dev *dev, void *stream, void *host,
                           void *mem, uint64_t offset, uint64_t size,
                           unsigned flags);
halError_t vulkan_copy(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                       uint64_t size);
halError_t vulkan_fill(struct hal_dev *dev, void *stream, void *mem,
                       uint64_t offset, uint64_t size, uint32_t pattern,
                       unsigned pattern_bytes);

/* ---- event.c --------------------------------------------------------- */

/* One point in time: a query slot, or the host's clock. */
struct vulkan_stamp {
    struct vulkan_stamp *next;
    struct vulkan_stamp_pool *pool; /* NULL: host_ns */
    uint32_t index;
    atomic_uint refs;
    _Atomic uint64_t host_ns;
};

void vulkan_stamp_release(struct vulkan_dev *d, struct vulkan_stamp *stamp);
void vulkan_stamps_close(struct vulkan_dev *d);

halError_t vulkan_event_create(struct hal_dev *dev, int timing,
                               void **out_event);
void vulkan_event_destroy(struct hal_dev *dev, void *event);
halError_t vulkan_event_record(struct hal_dev *dev, void *stream, void *event);
halError_t vulkan_event_query(struct hal_dev *dev, void *event);
halError_t vulkan_event_sync(struct hal_dev *dev, void *event);
halError_t vulkan_event_elapsed(struct hal_dev *dev, void *start, void *end,
                                float *out_ms);
halError_t vulkan_stream_wait(struct hal_dev *dev, void *stream, void *event);

/* ---- module.c, spirv.c, launch.c ------------------------------------- */

/* What a SPIR-V module says about its entry point "main". */
struct vulkan_spirv {
    uint32_t local_size[3];
};
/* NULL when it is well formed, else what is wrong: the driver trusts it. */
const char *vulkan_spirv_parse(const void *blob, size_t bytes,
                               struct vulkan_spirv *out);

struct vulkan_image {
    const struct hal_image *image;
    int bda;
    uint32_t push_bytes;
    VkDescriptorSetLayout set_layout; /* NULL for BDA */
    VkPipelineLayout layout;
    _Atomic(VkPipeline) pipeline; /* made at first use */
};

struct vulkan_kernel {
    const struct hal_kernel_desc *desc;
    pthread_mutex_t lock; /* of making pipelines */
    uint32_t n_images;
    struct vulkan_image images[2]; /* the best; a BDA one if that is not */
};

halError_t vulkan_cache_open(struct vulkan_dev *d);
void vulkan_cache_close(struct vulkan_dev *d);
halError_t vulkan_image_pipeline(struct vulkan_dev *d, struct vulkan_kernel *k,
                                 struct vulkan_image *img,
                                 VkPipeline *out_pipeline);
halError_t vulkan_kernel_create(struct hal_dev *dev,
                                const struct hal_kernel_desc *desc,
                                const struct hal_image *const *images,
                                uint32_t n_images, void **out_kernel,
                                struct hal_kernel_info *out_info);
void vulkan_kernel_destroy(struct hal_dev *dev, void *kernel);
halError_t vulkan_launch(struct hal_dev *dev, void *stream, void *kernel,
                         const struct hal_launch *launch);

/* ---- errors.c -------------------------------------------------------- */

const char *vulkan_result_name(VkResult r);
/* Maps r, remembers a lost device (d may be NULL), calls hal_fail. */
halError_t vulkan_fail(struct vulkan_dev *d, VkResult r, const char *call);
halError_t vulkan_fail_lost(void);
/* The mapping alone, for errors that are reported later. */
halError_t vulkan_error_of(struct vulkan_dev *d, VkResult r);

/* Jumps to `label` with `st` set when the Vulkan call fails. */
#define VULKAN_OR_GOTO(label, st, d, call)             \
    do {                                               \
        VkResult vulkan_r_ = (call);                   \
        if (vulkan_r_ != VK_SUCCESS) {                 \
            (st) = vulkan_fail((d), vulkan_r_, #call); \
            goto label;                                \
        }                                              \
    } while (0)

#endif
