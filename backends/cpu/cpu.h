/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu.h - what the files of the cpu backend share.
 *
 * Streams are lists of commands.  Two kinds of threads run them: a stream's
 * own waiters (stream_sync, event_sync run what has not been started, so that
 * launch + sync needs no wake-up), and the device's runners (runner.c), which
 * guarantee progress without anybody waiting.  Large work is spread over the
 * pool (pool.c), which both share.
 *
 * Lock order: stream.lock, then record.lock or device.lock; never two streams.
 */
#ifndef BACKENDS_CPU_CPU_H
#define BACKENDS_CPU_CPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "hal/backend.h"

/* ---- isa.c: the only place that knows instruction sets ---------------- */

/* What CPUID and XGETBV say, apart from the reading, for tests. */
struct cpu_isa_regs {
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_1_eax, ext1_ecx;
    uint64_t xcr0; /* 0 unless the OS enabled XSAVE */
};

/* The HAL_CAP_X86_64* bits that such a processor has. */
uint64_t cpu_isa_decode_x86(const struct cpu_isa_regs *regs);
/* HAL_CAP_* bits of instruction sets that this process may use. */
uint64_t cpu_isa_detect(void);
/* Lowers `caps` to `level` ("base", "portable", "v3", "v4"; NULL, "": the
 * best); halErrorInvalidValue for an unknown one, halErrorNotSupported for one
 * that `caps` lacks. */
halError_t cpu_isa_select(const char *level, uint64_t caps, uint64_t *out_caps);
/* "x86-64-v4" and the like; static. */
const char *cpu_isa_name(uint64_t caps);
/* ELF's e_machine of this process; 0: unknown here, do not check. */
unsigned cpu_isa_elf_machine(void);

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* ---- limits.c: what the machine and the container allow ---------------- */

struct cpu_limits {
    double cpus; /* cgroup quota in CPUs; 0: none */
    uint64_t memory_total;
    uint64_t memory_free;
};

/* `root` is "" but for tests, which bring their own /proc and /sys.  A total
 * that cannot be read is 0, what is free UINT64_MAX: 0 means full. */
void cpu_limits_read(const char *root, struct cpu_limits *out);
extern const char *cpu_memory_root; /* memory.c's */
/* The processor's name from /proc/cpuinfo, else the machine's. */
void cpu_limits_model(const char *root, char *out_name, size_t size);

/* ---- topology.c: hwloc -------------------------------------------------- */

struct cpu_topology; /* opaque: keeps hwloc in one file */

struct cpu_topology_info {
    unsigned n_cores; /* with a CPU in the process's affinity mask */
    unsigned n_cpus;  /* in the mask */
    unsigned n_nodes; /* NUMA nodes with a CPU in the mask */
    uint32_t l2_bytes;
};

halError_t cpu_topology_open(struct cpu_topology **out_topology,
                             struct cpu_topology_info *out_info);
void cpu_topology_close(struct cpu_topology *topology);
/* Binds the calling thread to the NUMA node of worker `index` of `count`, or,
 * with count 0, to the whole mask of the process.  Best effort. */
void cpu_topology_bind(struct cpu_topology *topology, unsigned index,
                       unsigned count);
/* Spreads pages of a fresh mapping over the nodes.  Best effort. */
void cpu_topology_interleave(struct cpu_topology *topology, void *addr,
                             size_t size);

/* ---- pool.c -------------------------------------------------------------- */

struct cpu_pool;

typedef void cpu_pool_fn(void *ctx, uint64_t first, uint64_t last);

/* `n_workers` counts the thread that calls cpu_pool_run; the others start at
 * the first run.  topology may be NULL: no binding. */
halError_t cpu_pool_create(unsigned n_workers, struct cpu_topology *topology,
                           struct cpu_pool **out_pool);
void cpu_pool_destroy(struct cpu_pool *pool); /* idle */
/* Calls fn over [0, total) in pieces of `chunk`, on this thread and on idle
 * workers; returns when all of it is done.  Any number of threads at once.
 * Returns how many threads took part. */
unsigned cpu_pool_run(struct cpu_pool *pool, uint64_t total, uint64_t chunk,
                      cpu_pool_fn *fn, void *ctx);
unsigned cpu_pool_workers(const struct cpu_pool *pool);

uint64_t cpu_now_ns(void); /* CLOCK_MONOTONIC */
/* Sleeps until woken while *word == value; may wake for no reason. */
void cpu_futex_wait(_Atomic uint32_t *word, uint32_t value);
void cpu_futex_wake(_Atomic uint32_t *word, unsigned count);
/* Returns when *word differs from `value`, or after CPU_SPIN_NS. */
void cpu_spin_while(_Atomic uint32_t *word, uint32_t value);

/* How long a thread looks for work before it sleeps: waking a halted virtual
 * CPU costs 45-50 us, so a shorter spin pays for the wake-up each time. */
#define CPU_SPIN_NS 50000u

/* ---- device.c ------------------------------------------------------------ */

/* Streams of a higher priority are served first; lower numbers are higher. */
#define CPU_PRIORITY_GREATEST (-1)
#define CPU_PRIORITY_LEVELS   2

struct cpu_stream;

struct cpu_device {
    struct hal_dev dev;
    struct cpu_topology *topology;
    struct cpu_pool *pool;
    unsigned n_nodes;

    /* runner.c: everything below under `lock` */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct cpu_stream *ready_head[CPU_PRIORITY_LEVELS];
    struct cpu_stream *ready_tail[CPU_PRIORITY_LEVELS];
    struct cpu_runner *live, *dead;
    unsigned n_runners, n_napping, n_sleeping, n_blocked, max_active;
    bool stop;
};

static inline struct cpu_device *cpu_device_of(struct hal_dev *dev)
{
    return (struct cpu_device *)(void *)dev;
}

/* ---- memory.c, copy.c ---------------------------------------------------- */

struct cpu_mem {
    char *addr;
    size_t size;
    size_t map_size; /* of a mapping; 0: from malloc, or not ours */
    bool foreign;    /* the caller's memory (host_register) */
};

halError_t cpu_mem_info(struct hal_dev *dev, uint64_t *out_free,
                        uint64_t *out_total);
halError_t cpu_mem_alloc(struct hal_dev *dev, uint64_t size, int kind,
                         struct hal_mem *out_mem);
void cpu_mem_free(struct hal_dev *dev, void *mem);
halError_t cpu_host_alloc(struct hal_dev *dev, uint64_t size, unsigned flags,
                          void **out_host, struct hal_mem *out_mem);
void cpu_host_free(struct hal_dev *dev, void *host, void *mem);
halError_t cpu_host_register(struct hal_dev *dev, void *host, uint64_t size,
                             struct hal_mem *out_mem);
void cpu_host_unregister(struct hal_dev *dev, void *host, void *mem);

halError_t cpu_copy_in(struct hal_dev *dev, void *stream, void *mem,
                       uint64_t offset, const void *host, uint64_t size,
                       unsigned flags);
halError_t cpu_copy_out(struct hal_dev *dev, void *stream, void *host,
                        void *mem, uint64_t offset, uint64_t size,
                        unsigned flags);
halError_t cpu_copy(struct hal_dev *dev, void *stream, void *dst_mem,
                    uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                    uint64_t size);
halError_t cpu_copy_2d(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, uint64_t dst_pitch, void *src_mem,
                       uint64_t src_offset, uint64_t src_pitch, uint64_t width,
                       uint64_t height);
halError_t cpu_fill(struct hal_dev *dev, void *stream, void *mem,
                    uint64_t offset, uint64_t size, uint32_t pattern,
                    unsigned pattern_bytes);

/* ---- commands ------------------------------------------------------------ */

enum cpu_command_kind {
    CPU_COMMAND_LAUNCH,
    CPU_COMMAND_COPY,
    CPU_COMMAND_COPY_2D,
    CPU_COMMAND_FILL,
    CPU_COMMAND_HOST,
    CPU_COMMAND_RECORD,
    CPU_COMMAND_WAIT,
};

struct cpu_launch {
    struct cpu_kernel *kernel;
    uint32_t grid[3];
    uint32_t shared_bytes;
    uint64_t args[HAL_PARAMS_MAX];
};

struct cpu_copy {
    char *dst;
    const char *src;
    void *staging; /* freed afterwards; NULL: none */
    uint64_t size; /* of a row */
    uint64_t dst_pitch, src_pitch, rows;
};

struct cpu_fill {
    char *dst;
    uint64_t size;
    uint32_t pattern;
    unsigned pattern_bytes;
};

struct cpu_host {
    void (*fn)(void *arg);
    void *arg;
};

struct cpu_command {
    struct cpu_command *next;
    enum cpu_command_kind kind;
    union {
        struct cpu_launch launch;
        struct cpu_copy copy; /* COPY and COPY_2D */
        struct cpu_fill fill;
        struct cpu_host host;
        struct cpu_record *record; /* RECORD and WAIT: holds a reference */
    } u;
};

/* What the commands do; on the thread that runs the stream. */
halError_t cpu_launch_run(struct cpu_device *dev,
                          const struct cpu_launch *launch);
void cpu_copy_run(struct cpu_device *dev, const struct cpu_copy *copy);
void cpu_copy_2d_run(struct cpu_device *dev, const struct cpu_copy *copy);
void cpu_fill_run(struct cpu_device *dev, const struct cpu_fill *fill);

/* ---- stream.c ------------------------------------------------------------ */

struct cpu_stream {
    struct cpu_device *dev;
    atomic_uint refs; /* owner, ready list, parked, records */
    unsigned level;   /* 0: urgent */

    pthread_mutex_t lock; /* of all until `submitted` */
    struct cpu_command *head, *tail, *spare;
    unsigned n_spare;
    bool busy;        /* a thread is running a command of it */
    bool queued;      /* in the device's ready list */
    bool parked;      /* in a record's list of waiting streams */
    halError_t error; /* of work that failed, not yet told */

    _Atomic uint64_t submitted, done; /* counts of commands */
    _Atomic uint32_t done_word;       /* low half of done, for futexes */
    _Atomic uint32_t n_waiters;       /* threads asleep on done_word */
    _Atomic bool recording;           /* an event, which may be seen already */

    struct cpu_stream *next_ready, *next_parked;
};

halError_t cpu_stream_create(struct hal_dev *dev, int priority,
                             void **out_stream);
void cpu_stream_destroy(struct hal_dev *dev, void *stream);
halError_t cpu_stream_query(struct hal_dev *dev, void *stream);
halError_t cpu_stream_sync(struct hal_dev *dev, void *stream);
halError_t cpu_host_func(struct hal_dev *dev, void *stream,
                         void (*fn)(void *arg), void *arg);
void cpu_stream_retain(struct cpu_stream *s);
void cpu_stream_release(struct cpu_stream *s);

/* A blank command of the stream, or NULL; submit it or give it back. */
struct cpu_command *cpu_command_take(struct cpu_stream *s);
/* Appends; the stream's work goes on by itself.  Cannot fail. */
void cpu_stream_submit(struct cpu_stream *s, struct cpu_command *command);
/* The same for work that this thread is about to wait for: nobody is woken. */
void cpu_stream_submit_waited(struct cpu_stream *s,
                              struct cpu_command *command);
bool cpu_stream_idle(struct cpu_stream *s);
/* Waits until `target` commands are done, running them where possible. */
void cpu_stream_finish(struct cpu_stream *s, uint64_t target);
/* Tells (once) the error of work that failed, through hal_fail. */
halError_t cpu_stream_error(struct cpu_stream *s);
/* For a runner: runs commands for a while; true if it did any. */
bool cpu_stream_serve(struct cpu_stream *s);
/* The event that it was parked on has happened. */
void cpu_stream_unpark(struct cpu_stream *s);

/* ---- runner.c ------------------------------------------------------------ */

/* `s` has work and nobody runs it; takes over a reference. */
void cpu_runner_push(struct cpu_device *dev, struct cpu_stream *s);
/* Someone looks for progress: do not nap over what is ready. */
void cpu_runner_kick(struct cpu_device *dev);
/* Around a host function: this runner does not count as one. */
void cpu_runner_block_begin(struct cpu_device *dev);
void cpu_runner_block_end(struct cpu_device *dev);
void cpu_runner_stop(struct cpu_device *dev);

/* ---- event.c ------------------------------------------------------------- */

struct cpu_record;

halError_t cpu_event_create(struct hal_dev *dev, int timing, void **out_event);
void cpu_event_destroy(struct hal_dev *dev, void *event);
halError_t cpu_event_record(struct hal_dev *dev, void *stream, void *event);
halError_t cpu_event_query(struct hal_dev *dev, void *event);
halError_t cpu_event_sync(struct hal_dev *dev, void *event);
halError_t cpu_event_elapsed(struct hal_dev *dev, void *start, void *end,
                             float *out_ms);
halError_t cpu_stream_wait(struct hal_dev *dev, void *stream, void *event);
void cpu_record_complete(struct cpu_record *r);
void cpu_record_release(struct cpu_record *r);
/* True if `s` may pass; else it is parked (with a reference) until then. */
bool cpu_record_pass(struct cpu_record *r, struct cpu_stream *s);

/* ---- module.c, launch.c -------------------------------------------------- */

struct cpu_image; /* a loaded shared object */

struct cpu_kernel {
    hal_cpu_entry *entry;
    struct cpu_image *image;
    const struct hal_kernel_desc *desc;
    uint32_t scratch_bytes; /* LOCAL and PRIV memory of one call */
    _Atomic uint32_t cost;  /* of a group, 1/16 ns; 0: not known yet */
};

halError_t cpu_kernel_create(struct hal_dev *dev,
                             const struct hal_kernel_desc *desc,
                             const struct hal_image *const *images,
                             uint32_t n_images, void **out_kernel,
                             struct hal_kernel_info *out_info);
void cpu_kernel_destroy(struct hal_dev *dev, void *kernel);
halError_t cpu_launch(struct hal_dev *dev, void *stream, void *kernel,
                      const struct hal_launch *launch);

#endif
