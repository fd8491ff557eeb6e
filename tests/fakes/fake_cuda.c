/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_cuda.c - a libcuda.so.1 on host memory.  Streams run on threads of their
 * own, so that what is not ordered happens in any order; every argument,
 * handle, context and address range is checked against what is alive, and the
 * nth call can fail with any code.  Kernels are `advance` and `fault`, which
 * are built in, and what tests/emu runs.  It is what NVIDIA's documents say of
 * the driver, not what a driver has been seen to do.
 *
 * Invariant: n_live is what a caller still owes; n_bad counts calls that the
 * documents forbid.  One lock guards all state; no work runs under it.
 */
#include "tests/fakes/fake_cuda.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backends/cuda/driver.h"

#define MAX_DEVICES 4
#define MAX_STACK   16

#define SHARED_DEFAULT 49152
#define SHARED_MOST    232448

struct CUctx_st {
    int device, n_refs;
    _Atomic unsigned sticky; /* what every call answers from now on, or 0 */
    bool peers[MAX_DEVICES];
};

static struct fake_cuda fake = {
    .n_devices = 1,
    .version = 13000,
    .capability = 90,
    .ptx_version = 90,
    .total_bytes = 2ull << 30,
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct CUctx_st contexts[MAX_DEVICES];
static _Thread_local struct CUctx_st *stack[MAX_STACK];
static _Thread_local int depth;
static bool is_initialised;

struct fake_cuda *fake_cuda(void);
struct fake_cuda *fake_cuda(void)
{
    return &fake;
}

__attribute__((constructor)) static void settings(void)
{
    const char *devices = getenv("FAKE_CUDA_DEVICES");
    const char *version = getenv("FAKE_CUDA_VERSION");
    const char *capability = getenv("FAKE_CUDA_CAPABILITY");

    if (devices)
        fake.n_devices = atoi(devices);
    if (version)
        fake.version = atoi(version);
    if (capability)
        fake.capability = atoi(capability);
}

__attribute__((format(printf, 1, 2))) static void bad(const char *format, ...)
{
    va_list list;

    if (atomic_fetch_add(&fake.n_bad, 1) == 0) {
        va_start(list, format);
        vsnprintf(fake.bad, sizeof fake.bad, format, list);
        va_end(list);
    }
}

static struct CUctx_st *current(void)
{
    return depth ? stack[depth - 1] : NULL;
}

static void lose(struct CUctx_st *c, unsigned code)
{
    pthread_mutex_lock(&lock);
    if (c && !c->sticky)
        c->sticky = code;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* What this call must return, or 0. */
static unsigned due(const char *name, bool wants_context)
{
    struct CUctx_st *c = current();
    int n = 0;

    if (!strncmp(name, fake.counted, strlen(fake.counted)))
        n = atomic_fetch_add(&fake.n_calls, 1) + 1;

    if (!is_initialised) {
        bad("%s before cuInit", name);
        return 3;
    }
    if (n && n == fake.fail_at) {
        snprintf(fake.failed, sizeof fake.failed, "%s", name);
        if (fake.lost)
            lose(c, (unsigned)fake.fail_code);
        return (unsigned)fake.fail_code;
    }
    if (!wants_context)
        return 0;
    if (!c) {
        bad("%s without a current context", name);
        return CUDA_INVALID_CONTEXT;
    }
    return c->sticky;
}
#define DUE(wants_context)                            \
    do {                                              \
        unsigned due_ = due(__func__, wants_context); \
        if (due_)                                     \
            return due_;                              \
    } while (0)

/* ---- devices ---------------------------------------------------------------
 */

unsigned cuInit(unsigned flags)
{
    if (flags)
        bad("cuInit with flags %u", flags);
    if (getenv("FAKE_CUDA_CRASHES"))
        abort();
    is_initialised = !fake.init_code;
    return (unsigned)fake.init_code;
}

unsigned cuDriverGetVersion(int *version)
{
    *version = fake.version;
    return 0;
}

unsigned cuDeviceGetCount(int *count)
{
    DUE(false);
    *count = fake.n_devices;
    return 0;
}

unsigned cuDeviceGet(int *device, int ordinal)
{
    DUE(false);
    if (ordinal < 0 || ordinal >= fake.n_devices)
        return CUDA_INVALID_DEVICE;
    *device = ordinal;
    return 0;
}

unsigned cuDeviceGetName(char *name, int size, int device)
{
    DUE(false);
    snprintf(name, (size_t)size, "Fake GPU %d%s", device,
             fake.is_mig ? " MIG 1g.18gb" : "");
    return 0;
}

unsigned cuDeviceGetUuid_v2(struct CUuuid_st *uuid, int device)
{
    DUE(false);
    memset(uuid, 0xa0 + device, 16);
    return 0;
}

unsigned cuDeviceTotalMem_v2(size_t *bytes, int device)
{
    (void)device;
    DUE(false);
    *bytes = fake.total_bytes;
    return 0;
}

unsigned cuDeviceGetAttribute(int *value, unsigned attribute, int device)
{
    static const struct {
        unsigned attribute;
        int value;
    } fixed[] = {
        { CUDA_ATTR_MAX_THREADS_PER_BLOCK, 1024 },
        { CUDA_ATTR_MAX_BLOCK_DIM_X, 1024 },
        { CUDA_ATTR_MAX_BLOCK_DIM_X + 1, 1024 },
        { CUDA_ATTR_MAX_BLOCK_DIM_X + 2, 64 },
        { CUDA_ATTR_MAX_GRID_DIM_X, 2147483647 },
        { CUDA_ATTR_MAX_GRID_DIM_X + 1, 65535 },
        { CUDA_ATTR_MAX_GRID_DIM_X + 2, 65535 },
        { CUDA_ATTR_MAX_SHARED_MEMORY_PER_BLOCK, SHARED_DEFAULT },
        { CUDA_ATTR_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, SHARED_MOST },
        { CUDA_ATTR_WARP_SIZE, 32 },
        { CUDA_ATTR_MAX_PITCH, 2147483647 },
        { CUDA_ATTR_CLOCK_RATE, 1980000 },
        { CUDA_ATTR_MULTIPROCESSOR_COUNT, 132 },
        { CUDA_ATTR_CONCURRENT_KERNELS, 1 },
        { CUDA_ATTR_MAX_THREADS_PER_MULTIPROCESSOR, 2048 },
        { CUDA_ATTR_ASYNC_ENGINE_COUNT, 3 },
        { CUDA_ATTR_STREAM_PRIORITIES_SUPPORTED, 1 },
        { CUDA_ATTR_MANAGED_MEMORY, 1 },
        { CUDA_ATTR_CONCURRENT_MANAGED_ACCESS, 1 },
        { CUDA_ATTR_HOST_REGISTER_SUPPORTED, 1 },
    };

    DUE(false);
    if (device < 0 || device >= fake.n_devices)
        return CUDA_INVALID_DEVICE;
    *value = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (fixed[i].attribute == attribute)
            *value = fixed[i].value;
    if (attribute == CUDA_ATTR_COMPUTE_MODE)
        *value = fake.compute_mode;
    if (attribute == CUDA_ATTR_COMPUTE_CAPABILITY_MAJOR)
        *value = fake.capability / 10;
    if (attribute == CUDA_ATTR_COMPUTE_CAPABILITY_MINOR)
        *value = fake.capability % 10;
    if (attribute == CUDA_ATTR_MEMORY_POOLS_SUPPORTED)
        *value = !fake.no_pools;
    if (attribute == CUDA_ATTR_CAN_USE_64_BIT_STREAM_MEM_OPS)
        *value = !fake.no_mem_ops;
    return 0;
}

unsigned cuDeviceCanAccessPeer(int *can, int device, int peer)
{
    DUE(false);
    *can = device != peer;
    return 0;
}

/* ---- contexts
 * ---------------------------------------------------------------- */

unsigned cuDevicePrimaryCtxRetain(struct CUctx_st **out, int device)
{
    struct CUctx_st *c = &contexts[device];

    DUE(false);
    if (fake.retain_code)
        return (unsigned)fake.retain_code;
    pthread_mutex_lock(&lock);
    if (c->n_refs++ == 0) {
        c->sticky = 0;
        memset(c->peers, 0, sizeof c->peers);
        c->device = device;
        c->n_refs = 1;
        atomic_fetch_add(&fake.n_contexts, 1);
    }
    pthread_mutex_unlock(&lock);
    *out = c;
    return 0;
}

static void context_end(struct CUctx_st *c);

unsigned cuDevicePrimaryCtxRelease_v2(int device)
{
    struct CUctx_st *c = &contexts[device];
    bool last;

    pthread_mutex_lock(&lock);
    if (!c->n_refs) {
        bad("cuDevicePrimaryCtxRelease once too often");
        pthread_mutex_unlock(&lock);
        return CUDA_INVALID_CONTEXT;
    }
    last = --c->n_refs == 0;
    pthread_mutex_unlock(&lock);
    if (last) {
        atomic_fetch_sub(&fake.n_contexts, 1);
        context_end(c);
    }
    return 0;
}

unsigned cuCtxGetCurrent(struct CUctx_st **out)
{
    *out = current();
    return 0;
}

unsigned cuCtxPushCurrent_v2(struct CUctx_st *c)
{
    DUE(false);
    if (!c || !c->n_refs || depth == MAX_STACK) {
        bad("cuCtxPushCurrent of a context that is not alive");
        return CUDA_INVALID_CONTEXT;
    }
    stack[depth++] = c;
    return 0;
}

unsigned cuCtxPopCurrent_v2(struct CUctx_st **out)
{
    if (!depth) {
        bad("cuCtxPopCurrent without a current context");
        return CUDA_INVALID_CONTEXT;
    }
    *out = stack[--depth];
    return 0;
}

unsigned cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
    DUE(true);
    *least = 0;
    *greatest = -5;
    return 0;
}

unsigned cuCtxEnablePeerAccess(struct CUctx_st *peer, unsigned flags)
{
    DUE(true);
    if (flags || !peer->n_refs || peer == current()) {
        bad("cuCtxEnablePeerAccess of what is no peer");
        return CUDA_INVALID_VALUE;
    }
    if (current()->peers[peer->device])
        return CUDA_PEER_ALREADY_ENABLED;
    current()->peers[peer->device] = true;
    return 0;
}

unsigned cuCtxDisablePeerAccess(struct CUctx_st *peer)
{
    DUE(true);
    if (!current()->peers[peer->device])
        return CUDA_PEER_NOT_ENABLED;
    current()->peers[peer->device] = false;
    return 0;
}

#include "tests/fakes/fake_cuda_memory.h"

#include "tests/fakes/fake_cuda_stream.h"

#include "tests/fakes/fake_cuda_copy.h"

#include "tests/fakes/fake_cuda_module.h"

/* ---- other libraries
 * --------------------------------------------------------- */

static unsigned side_due(const char *call)
{
    return due(call, true);
}

static int side_range_ok(const char *call, unsigned long long address,
                         unsigned long long bytes)
{
    return range_ok(call, current(), address, bytes);
}

static int side_enqueue(const char *call, struct CUstream_st *s,
                        void (*fn)(void *arg, int runs), void *arg)
{
    const struct item i = { .kind = CALL, .fn = fn, .arg = arg };

    return stream_ok(call, s) && enqueue(s, &i) == 0;
}

const struct fake_cuda_side *fake_cuda_side(void);
const struct fake_cuda_side *fake_cuda_side(void)
{
    static const struct fake_cuda_side side = {
        .due = side_due,
        .range_ok = side_range_ok,
        .enqueue = side_enqueue,
        .bad = bad,
        .fake = &fake,
    };

    return &side;
}

/* ---- cuGetProcAddress
 * --------------------------------------------------------- */

/* The versions of CUDA 12.0. */
#define cuDeviceGetUuid           cuDeviceGetUuid_v2
#define cuDeviceTotalMem          cuDeviceTotalMem_v2
#define cuDevicePrimaryCtxRelease cuDevicePrimaryCtxRelease_v2
#define cuCtxPushCurrent          cuCtxPushCurrent_v2
#define cuCtxPopCurrent           cuCtxPopCurrent_v2
#define cuMemGetInfo              cuMemGetInfo_v2
#define cuMemAlloc                cuMemAlloc_v2
#define cuMemFree                 cuMemFree_v2
#define cuMemHostRegister         cuMemHostRegister_v2
#define cuMemHostGetDevicePointer cuMemHostGetDevicePointer_v2
#define cuMemcpyHtoDAsync         cuMemcpyHtoDAsync_v2
#define cuMemcpyDtoHAsync         cuMemcpyDtoHAsync_v2
#define cuMemcpyDtoDAsync         cuMemcpyDtoDAsync_v2
#define cuMemcpy2DAsync           cuMemcpy2DAsync_v2
#define cuStreamDestroy           cuStreamDestroy_v2
#define cuStreamWaitValue32       cuStreamWaitValue32_v2
#define cuEventDestroy            cuEventDestroy_v2

static const struct {
    const char *name;
    void (*function)(void);
    int since;
} table[] = {
#define X(name, parameters) { "cu" #name, (void (*)(void))cu##name, 12000 },
#define O(name, parameters) { "cu" #name, (void (*)(void))cu##name, 12040 },
#include "backends/cuda/symbols.def"
#undef X
#undef O
};

unsigned cuGetProcAddress_v2(const char *symbol, void **function,
                             int cuda_version, uint64_t flags, unsigned *status)
{
    if (flags != CUDA_PROC_LEGACY_STREAM || cuda_version > fake.version)
        bad("cuGetProcAddress of %s with version %d", symbol, cuda_version);
    *function = NULL;
    *status = 1; /* CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND */
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, symbol) != 0)
            continue;
        if (table[i].since > cuda_version) {
            *status = 2; /* CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT */
            return 0;
        }
        memcpy(function, &table[i].function, sizeof *function);
        *status = 0;
        return 0;
    }
    return CUDA_NOT_FOUND;
}
