/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutant_backend.c - a layer over a backend's table of ops that breaks one rule
 * of hal/backend.h.
 *
 * Invariant: `below` is the table of the one device that is broken; every op
 * that the mutant does not name goes straight to it.
 */
#include "conformance/mutant_backend.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const struct conf_mutant *planted;
static struct hal_ops below;

/* The device under test: what was opened first, and that again after a
 * reset. */
static struct {
    const struct hal_backend *backend;
    unsigned index;
} victim;

static int is(enum backend_fault fault)
{
    return planted->fault == (int)fault;
}

/* ---- fills, and one that is held back ------------------------------------ */

static struct {
    pthread_mutex_t lock;
    int is_held;
    void *stream, *mem;
    uint64_t offset, size;
    uint32_t pattern;
    unsigned pattern_bytes;
} held = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* What was held back goes before anything but a fill of the same stream. */
static void let_go(struct hal_dev *dev)
{
    if (!is(BACKEND_REORDERED))
        return;
    pthread_mutex_lock(&held.lock);
    if (held.is_held) {
        held.is_held = 0;
        (void)!below.fill(dev, held.stream, held.mem, held.offset, held.size,
                          held.pattern, held.pattern_bytes);
    }
    pthread_mutex_unlock(&held.lock);
}

static halError_t fill_reordered(struct hal_dev *dev, void *stream, void *mem,
                                 uint64_t offset, uint64_t size,
                                 uint32_t pattern, unsigned pattern_bytes)
{
    halError_t st = halSuccess;

    pthread_mutex_lock(&held.lock);
    if (held.is_held && held.stream == stream) {
        st = below.fill(dev, stream, mem, offset, size, pattern, pattern_bytes);
        if (st == halSuccess)
            st = below.fill(dev, stream, held.mem, held.offset, held.size,
                            held.pattern, held.pattern_bytes);
        held.is_held = 0;
    } else {
        if (held.is_held)
            st = below.fill(dev, held.stream, held.mem, held.offset, held.size,
                            held.pattern, held.pattern_bytes);
        held.is_held = 1;
        held.stream = stream;
        held.mem = mem;
        held.offset = offset;
        held.size = size;
        held.pattern = pattern;
        held.pattern_bytes = pattern_bytes;
    }
    pthread_mutex_unlock(&held.lock);
    return st;
}

static halError_t fill(struct hal_dev *dev, void *stream, void *mem,
                       uint64_t offset, uint64_t size, uint32_t pattern,
                       unsigned pattern_bytes)
{
    if (is(BACKEND_REORDERED))
        return fill_reordered(dev, stream, mem, offset, size, pattern,
                              pattern_bytes);
    if (is(BACKEND_FILL_LOST))
        return halSuccess;
    if (is(BACKEND_FILL_TAIL))
        size -= size % 4;
    if (is(BACKEND_FILL_OVER))
        size = (size + 3) / 4 * 4;
    if (is(BACKEND_FILL_ALIGNED))
        offset -= offset % 4;
    if (is(BACKEND_FILL_NARROW)) {
        pattern &= 0xFF;
        pattern_bytes = 1;
    }
    return size ? below.fill(dev, stream, mem, offset, size, pattern,
                             pattern_bytes)
                : halSuccess;
}

/* ---- copies -------------------------------------------------------------- */

static halError_t copy_in(struct hal_dev *dev, void *stream, void *mem,
                          uint64_t offset, const void *host, uint64_t size,
                          unsigned flags)
{
    let_go(dev);
    if (is(BACKEND_IN_LOST))
        return halSuccess;
    if (is(BACKEND_IN_SHORT))
        size--;
    if (is(BACKEND_IN_SHIFTED) && offset > 0)
        offset--;
    return size ? below.copy_in(dev, stream, mem, offset, host, size, flags)
                : halSuccess;
}

/* Small copies as they were when each place was read first. */
#define STALE_MAX   256
#define STALE_BYTES 512
static struct {
    void *mem;
    uint64_t offset, size;
    unsigned char bytes[STALE_BYTES];
} stale[STALE_MAX];
static int n_stale;

static halError_t copy_out_stale(struct hal_dev *dev, void *stream, void *host,
                                 void *mem, uint64_t offset, uint64_t size,
                                 unsigned flags)
{
    halError_t st;

    for (int i = 0; i < n_stale; i++) {
        if (stale[i].mem == mem && stale[i].offset == offset &&
            stale[i].size == size) {
            memcpy(host, stale[i].bytes, size);
            return halSuccess;
        }
    }
    st = below.copy_out(dev, stream, host, mem, offset, size,
                        flags & ~(unsigned)(HAL_COPY_PINNED | HAL_COPY_WAITED));
    if (st == halSuccess && size <= STALE_BYTES && n_stale < STALE_MAX) {
        stale[n_stale].mem = mem;
        stale[n_stale].offset = offset;
        stale[n_stale].size = size;
        memcpy(stale[n_stale++].bytes, host, size);
    }
    return st;
}

static halError_t copy_out(struct hal_dev *dev, void *stream, void *host,
                           void *mem, uint64_t offset, uint64_t size,
                           unsigned flags)
{
    let_go(dev);
    if (is(BACKEND_OUT_LOST))
        return halSuccess;
    if (is(BACKEND_OUT_STALE))
        return copy_out_stale(dev, stream, host, mem, offset, size, flags);
    if (is(BACKEND_OUT_NOT_WAITED) && !(flags & HAL_COPY_PINNED))
        return halSuccess; /* it would come later, and nobody waits */
    if (is(BACKEND_OUT_SHORT))
        size--;
    if (is(BACKEND_OUT_SHIFTED) && offset > 0)
        offset--;
    return size ? below.copy_out(dev, stream, host, mem, offset, size, flags)
                : halSuccess;
}

static halError_t copy(struct hal_dev *dev, void *stream, void *dst_mem,
                       uint64_t dst_offset, void *src_mem, uint64_t src_offset,
                       uint64_t size)
{
    let_go(dev);
    if (is(BACKEND_COPY_LOST))
        return halSuccess;
    if (is(BACKEND_COPY_SWAPPED))
        return below.copy(dev, stream, src_mem, src_offset, dst_mem, dst_offset,
                          size);
    if (is(BACKEND_COPY_SHORT))
        size--;
    return size ? below.copy(dev, stream, dst_mem, dst_offset, src_mem,
                             src_offset, size)
                : halSuccess;
}

static halError_t copy_2d(struct hal_dev *dev, void *stream, void *dst_mem,
                          uint64_t dst_offset, uint64_t dst_pitch,
                          void *src_mem, uint64_t src_offset,
                          uint64_t src_pitch, uint64_t width, uint64_t height)
{
    halError_t st = halSuccess;

    let_go(dev);
    if (is(BACKEND_PITCH_MIXED) && dst_pitch < src_pitch)
        src_pitch = dst_pitch;
    if (is(BACKEND_ROW_LOST))
        height--;
    for (uint64_t y = 0; y < height && st == halSuccess; y++)
        st = copy(dev, stream, dst_mem, dst_offset + y * dst_pitch, src_mem,
                  src_offset + y * src_pitch, width);
    return st;
}

/* ---- order --------------------------------------------------------------- */

struct early {
    void (*fn)(void *arg);
    void *arg;
};

static void *run_early(void *arg)
{
    struct early e = *(struct early *)arg;

    free(arg);
    e.fn(e.arg);
    return NULL;
}

static halError_t host_func(struct hal_dev *dev, void *stream,
                            void (*fn)(void *arg), void *arg)
{
    struct early *e;
    pthread_t thread;

    let_go(dev);
    if (is(BACKEND_HOSTFUNC_LOST))
        return halSuccess;
    if (!is(BACKEND_HOSTFUNC_EARLY))
        return below.host_func(dev, stream, fn, arg);
    e = malloc(sizeof *e);
    if (!e)
        return hal_fail(halErrorHostMemory, "%zu bytes", sizeof *e);
    *e = (struct early){ fn, arg };
    if (pthread_create(&thread, NULL, run_early, e)) {
        free(e);
        return hal_fail(halErrorHostMemory, "a thread");
    }
    pthread_detach(thread);
    return halSuccess;
}

static halError_t stream_query(struct hal_dev *dev, void *stream)
{
    let_go(dev);
    if (is(BACKEND_QUERY_NEVER_DONE))
        return halErrorNotReady;
    if (is(BACKEND_QUERY_SAYS_DONE)) {
        halError_t st = below.stream_query(dev, stream);

        return st == halErrorNotReady ? halSuccess : st;
    }
    return below.stream_query(dev, stream);
}

static halError_t stream_sync(struct hal_dev *dev, void *stream)
{
    let_go(dev);
    return is(BACKEND_SYNC_EARLY) ? halSuccess : below.stream_sync(dev, stream);
}

static void stream_destroy(struct hal_dev *dev, void *stream)
{
    let_go(dev);
    below.stream_destroy(dev, stream);
}

static halError_t event_record(struct hal_dev *dev, void *stream, void *event)
{
    let_go(dev);
    return is(BACKEND_RECORD_LOST) ? halSuccess
                                   : below.event_record(dev, stream, event);
}

static halError_t event_query(struct hal_dev *dev, void *event)
{
    let_go(dev);
    return is(BACKEND_EVENT_SAYS_DONE) ? halSuccess
                                       : below.event_query(dev, event);
}

static halError_t event_sync(struct hal_dev *dev, void *event)
{
    let_go(dev);
    return is(BACKEND_EVENT_EARLY) ? halSuccess : below.event_sync(dev, event);
}

static halError_t event_elapsed(struct hal_dev *dev, void *start, void *end,
                                float *out_ms)
{
    halError_t st = below.event_elapsed(dev, start, end, out_ms);

    if (st == halSuccess && is(BACKEND_ELAPSED_ZERO))
        *out_ms = 0;
    if (st == halSuccess && is(BACKEND_ELAPSED_LONG))
        *out_ms *= 20;
    return st;
}

static halError_t stream_wait(struct hal_dev *dev, void *stream, void *event)
{
    let_go(dev);
    return is(BACKEND_WAIT_LOST) ? halSuccess
                                 : below.stream_wait(dev, stream, event);
}

/* ---- memory -------------------------------------------------------------- */

static halError_t mem_info(struct hal_dev *dev, uint64_t *out_free,
                           uint64_t *out_total)
{
    halError_t st = below.mem_info(dev, out_free, out_total);

    if (st == halSuccess && is(BACKEND_MEM_INFO_ZERO))
        *out_free = *out_total = 0;
    if (st == halSuccess && is(BACKEND_MEMORY_HALVED)) {
        *out_total /= 2;
        *out_free /= 2;
    }
    return st;
}

/* ---- kernels ------------------------------------------------------------- */

/* A kernel as the layer hands it out. */
struct mutant_kernel {
    const struct hal_kernel_desc *desc;
    void *impl;
    int has_run;
    uint32_t scalars[HAL_PARAMS_MAX]; /* of its first launch */
};

#define FIRST_MAX 64
static struct {
    char name[HAL_NAME_MAX + 1];
    struct mutant_kernel *kernel;
} first[FIRST_MAX];
static int n_first;

static void *stale_kernel(const char *name)
{
    for (int i = 0; i < n_first; i++)
        if (!strcmp(first[i].name, name))
            return first[i].kernel;
    return NULL;
}

static halError_t kernel_create(struct hal_dev *dev,
                                const struct hal_kernel_desc *desc,
                                const struct hal_image *const *images,
                                uint32_t n_images, void **out_kernel,
                                struct hal_kernel_info *out_info)
{
    struct mutant_kernel *k = calloc(1, sizeof *k);
    halError_t st;

    if (!k)
        return hal_fail(halErrorHostMemory, "%zu bytes", sizeof *k);
    if (planted->kind == CONF_MUTANT_KERNEL)
        st = conf_mutant_kernel(planted, &below, dev, desc, images, n_images,
                                &k->impl, out_info);
    else
        st = below.kernel_create(dev, desc, images, n_images, &k->impl,
                                 out_info);
    if (st != halSuccess && is(BACKEND_ERROR_SWALLOWED)) {
        k->impl = NULL; /* a kernel that there is not */
        *out_info = (struct hal_kernel_info){ 0 };
        st = halSuccess;
    }
    if (st != halSuccess) {
        free(k);
        return st;
    }
    k->desc = desc;
    if (is(BACKEND_MODULE_STALE) && stale_kernel(desc->name)) {
        below.kernel_destroy(dev, k->impl);
        free(k);
        *out_kernel = stale_kernel(desc->name);
        return halSuccess;
    }
    if (is(BACKEND_MODULE_STALE) && n_first < FIRST_MAX) {
        memcpy(first[n_first].name, desc->name, sizeof desc->name);
        first[n_first++].kernel = k;
    }
    *out_kernel = k;
    return halSuccess;
}

static void kernel_destroy(struct hal_dev *dev, void *kernel)
{
    struct mutant_kernel *k = kernel;

    if (is(BACKEND_MODULE_STALE))
        return; /* that is what makes it stale */
    if (k->impl)
        below.kernel_destroy(dev, k->impl);
    free(k);
}

static int is_buffer(const struct mutant_kernel *k, uint32_t i)
{
    return k->desc->params[i].kind != HAL_PARAM_ARG;
}

/* Changes the copied arguments of one launch. */
static void spoil_args(struct mutant_kernel *k, union hal_arg *args, uint32_t n)
{
    int a = -1, b = -1, last = -1;

    for (uint32_t i = 0; i < n; i++) {
        if (!is_buffer(k, i)) {
            if (is(BACKEND_ARGS_STALE) && k->has_run)
                args[i].scalar = k->scalars[i];
            k->scalars[i] = args[i].scalar;
            last = (int)i;
            continue;
        }
        if (is(BACKEND_OFFSET_LOST)) {
            if (args[i].buffer.addr)
                args[i].buffer.addr =
                    (char *)args[i].buffer.addr - args[i].buffer.offset;
            args[i].buffer.avail += args[i].buffer.offset;
            args[i].buffer.offset = 0;
        }
        if (a < 0)
            a = (int)i;
        else if (b < 0)
            b = (int)i;
    }
    k->has_run = 1;
    if (is(BACKEND_SCALAR_LOST) && last >= 0)
        args[last].scalar = 0;
    if (is(BACKEND_ARGS_SWAPPED) && b >= 0) {
        union hal_arg kept = args[a];

        args[a] = args[b];
        args[b] = kept;
    }
}

static halError_t launch(struct hal_dev *dev, void *stream, void *kernel,
                         const struct hal_launch *launch)
{
    struct mutant_kernel *k = kernel;
    union hal_arg args[HAL_PARAMS_MAX];
    struct hal_launch spoiled = *launch;
    halError_t st;
    int d = 2;

    let_go(dev);
    if (is(BACKEND_LAUNCH_LOST) || !k->impl)
        return halSuccess;
    if (is(BACKEND_DEVICE_LOST))
        return hal_fail(halErrorDeviceLost, "planted: the device is lost");
    if (planted->kind == CONF_MUTANT_BACKEND) {
        memcpy(args, launch->args, launch->n_args * sizeof *args);
        spoil_args(k, args, launch->n_args);
        spoiled.args = args;
    }
    while (d > 0 && spoiled.grid[d] < 2)
        d--;
    if (is(BACKEND_GROUP_LOST) && spoiled.grid[d] > 1)
        spoiled.grid[d]--;
    if (is(BACKEND_GRID_FLAT))
        spoiled.grid[1] = spoiled.grid[2] = 1;
    st = below.launch(dev, stream, k->impl, &spoiled);
    if (st == halSuccess && is(BACKEND_LAUNCH_TWICE))
        st = below.launch(dev, stream, k->impl, &spoiled);
    return st;
}

/* ---- planting ------------------------------------------------------------ */

static void lay(const struct hal_backend *backend, unsigned index,
                struct hal_dev *dev)
{
    static struct hal_ops ops;
    static struct hal_opt_ops opt;
    size_t n = dev->opt ? dev->opt->size : 0;

    if (!victim.backend) {
        victim.backend = backend;
        victim.index = index;
    }
    if (victim.backend != backend || victim.index != index)
        return;
    memset(&below, 0, sizeof below);
    memcpy(&below, dev->ops,
           dev->ops->size < sizeof below ? dev->ops->size : sizeof below);
    ops = below;
    ops.size = sizeof ops;
    ops.fill = fill;
    ops.copy_in = copy_in;
    ops.copy_out = copy_out;
    ops.copy = copy;
    ops.host_func = host_func;
    ops.stream_query = stream_query;
    ops.stream_sync = stream_sync;
    ops.stream_destroy = stream_destroy;
    ops.event_record = event_record;
    ops.event_query = event_query;
    ops.event_sync = event_sync;
    ops.event_elapsed = event_elapsed;
    ops.stream_wait = stream_wait;
    ops.mem_info = mem_info;
    ops.kernel_create = kernel_create;
    ops.kernel_destroy = kernel_destroy;
    ops.launch = launch;
    memset(&opt, 0, sizeof opt);
    if (n)
        memcpy(&opt, dev->opt, n < sizeof opt ? n : sizeof opt);
    opt.size = sizeof opt;
    /* In rows, so that a pitch can be mixed up on every backend. */
    opt.copy_2d = copy_2d;
    dev->ops = &ops;
    dev->opt = &opt;
}

void mutant_layer_plant(const struct conf_mutant *m)
{
    planted = m;
    hal_device_layer = lay;
}
