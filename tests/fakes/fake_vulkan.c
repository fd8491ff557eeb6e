/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_vulkan.c - a libvulkan.so.1 on host memory, for what real drivers will
 * not do on demand: the nth call fails with a chosen VkResult, the device is
 * lost, there is no device, a function is missing, memory is not mapped, work
 * stays queued.  Every live object is counted.  It offers what
 * backends/vulkan/symbols.def lists and no more.
 *
 * The fake_vulkan_* functions at the end are found with dlsym.  A dispatch adds
 * one to the first word of the first buffer that is bound.  Its parts are
 * headers that only this file includes, since a fake is one source.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

/* ---- what the test sets ---------------------------------------------- */

static struct {
    long devices;
    long api;
    long timeline;
    long discrete; /* device memory is not mapped */
    long deferred; /* work runs when somebody waits for it */
    long full;     /* no allocation succeeds */
    long stalled;  /* deferred work does not run, whoever waits */
    long push;     /* VK_KHR_push_descriptor */
    long stamp_bits;
    long heap;
    long allocations; /* maxMemoryAllocationCount */
    char lacks[64];
} config;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long n_calls, fail_at, n_live, n_unready, n_busy_frees, n_unordered;
static VkResult fail_with;
static char fail_in[64]; /* "fake_" and a name: its next call fails */
static int lost;

/* Every call that can fail comes through here. */
#define due() due_in(__func__)
static VkResult due_in(const char *function)
{
    VkResult r = VK_SUCCESS;

    pthread_mutex_lock(&lock);
    if (++n_calls == fail_at || !strcmp(fail_in, function)) {
        fail_in[0] = '\0';
        r = fail_with;
        if (r == VK_ERROR_DEVICE_LOST)
            lost = 1;
    }
    if (lost)
        r = VK_ERROR_DEVICE_LOST;
    pthread_mutex_unlock(&lock);
    return r;
}

static void *object(size_t size)
{
    void *o = calloc(1, size);

    pthread_mutex_lock(&lock);
    n_live += o != NULL;
    pthread_mutex_unlock(&lock);
    return o;
}

static void drop(void *o)
{
    if (!o)
        return;
    pthread_mutex_lock(&lock);
    n_live--;
    pthread_mutex_unlock(&lock);
    free(o);
}

#define HANDLE(type, p) ((type)(uintptr_t)(p))
#define PTR(h)          ((void *)(uintptr_t)(h))

/* An object that is nothing but alive. */
#define PLAIN_CREATE(name, info, handle, size)                        \
    static VKAPI_ATTR VkResult VKAPI_CALL fake_Create##name(          \
        VkDevice dev, const info *in, const VkAllocationCallbacks *a, \
        handle *out)                                                  \
    {                                                                 \
        VkResult r = due();                                           \
        (void)dev, (void)in, (void)a;                                 \
        if (r == VK_SUCCESS)                                          \
            *out = HANDLE(handle, object(size));                      \
        return r;                                                     \
    }
#define PLAIN_DESTROY(name, handle)                             \
    static VKAPI_ATTR void VKAPI_CALL fake_Destroy##name(       \
        VkDevice dev, handle h, const VkAllocationCallbacks *a) \
    {                                                           \
        (void)dev, (void)a;                                     \
        drop(PTR(h));                                           \
    }
#define PLAIN(name, info, handle) \
    PLAIN_CREATE(name, info, handle, 8) PLAIN_DESTROY(name, handle)

#include "tests/fakes/fake_vulkan_instance.h"

#include "tests/fakes/fake_vulkan_memory.h"
/* uses buffers */
#include "tests/fakes/fake_vulkan_commands.h"
/* runs commands */
#include "tests/fakes/fake_vulkan_queue.h"

/* ---- kernels --------------------------------------------------------- */

PLAIN(ShaderModule, VkShaderModuleCreateInfo, VkShaderModule)
PLAIN(PipelineLayout, VkPipelineLayoutCreateInfo, VkPipelineLayout)
PLAIN(DescriptorSetLayout, VkDescriptorSetLayoutCreateInfo,
      VkDescriptorSetLayout)
PLAIN_DESTROY(Pipeline, VkPipeline)
PLAIN_DESTROY(PipelineCache, VkPipelineCache)

static size_t cache_seen; /* bytes that the last cache was made from */

static VKAPI_ATTR VkResult VKAPI_CALL
fake_CreatePipelineCache(VkDevice dev, const VkPipelineCacheCreateInfo *in,
                         const VkAllocationCallbacks *a, VkPipelineCache *out)
{
    VkResult r = due();

    (void)dev, (void)a;
    if (r == VK_SUCCESS) {
        cache_seen = in->initialDataSize;
        *out = HANDLE(VkPipelineCache, object(8));
    }
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_GetPipelineCacheData(
    VkDevice dev, VkPipelineCache h, size_t *size, void *out)
{
    const VkPipelineCacheHeaderVersionOne head = {
        .headerSize = sizeof head,
        .headerVersion = VK_PIPELINE_CACHE_HEADER_VERSION_ONE
    };
    VkResult r = due();

    (void)dev, (void)h;
    if (r == VK_SUCCESS && out) {
        memset(out, 0x5c, *size);
        memcpy(out, &head, sizeof head);
    }
    *size = 100;
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_CreateComputePipelines(VkDevice dev, VkPipelineCache cache, uint32_t n,
                            const VkComputePipelineCreateInfo *in,
                            const VkAllocationCallbacks *a, VkPipeline *out)
{
    VkResult r = due();

    (void)dev, (void)cache, (void)n, (void)in, (void)a;
    *out = r == VK_SUCCESS ? HANDLE(VkPipeline, object(8)) : VK_NULL_HANDLE;
    return r;
}

/* ---- the way in ------------------------------------------------------ */

static PFN_vkVoidFunction find(const char *name);

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
fake_GetDeviceProcAddr(VkDevice dev, const char *name)
{
    (void)dev;
    return find(name);
}

static PFN_vkVoidFunction find(const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction fn;
    } table[] = {
#define GLOBAL(n)   { "vk" #n, (PFN_vkVoidFunction)fake_##n },
#define INSTANCE(n) { "vk" #n, (PFN_vkVoidFunction)fake_##n },
#define DEVICE(n)   { "vk" #n, (PFN_vkVoidFunction)fake_##n },
#include "backends/vulkan/symbols.def"
        { "vkCmdPushDescriptorSetKHR",
          (PFN_vkVoidFunction)fake_CmdPushDescriptorSetKHR },
    };

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].name, name) && strcmp(config.lacks, name))
            return table[i].fn;
    return NULL;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
vkGetInstanceProcAddr(VkInstance inst, const char *name);
VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr(VkInstance inst,
                                                               const char *name)
{
    (void)inst;
    return find(name);
}

/* ---- what the test calls --------------------------------------------- */

void fake_vulkan_reset(void);
void fake_vulkan_set(const char *key, long value);
void fake_vulkan_lacks(const char *name);
void fake_vulkan_break_at(long nth, int result);
void fake_vulkan_break_in(const char *function, int result);
long fake_vulkan_get(const char *key);

/* A good CPU device, no failures; live objects go on being counted. */
void fake_vulkan_reset(void)
{
    memset(&config, 0, sizeof config);
    config.devices = config.timeline = 1;
    config.api = VK_API_VERSION_1_2;
    config.stamp_bits = 64;
    config.heap = 1L << 28;
    config.allocations = 4096;
    n_calls = fail_at = n_unready = n_busy_frees = n_unordered = 0;
    fail_in[0] = '\0';
    lost = 0;
}

#define KEYS(X) \
    X(devices)  \
    X(api)      \
    X(timeline) \
    X(discrete) \
    X(deferred) X(stalled) X(full) X(push) X(stamp_bits) X(heap) X(allocations)

void fake_vulkan_set(const char *key, long value)
{
    pthread_mutex_lock(&lock);
#define X(k)              \
    if (!strcmp(key, #k)) \
        config.k = value;
    KEYS(X)
#undef X
    pthread_mutex_unlock(&lock);
}

void fake_vulkan_lacks(const char *name)
{
    strncpy(config.lacks, name, sizeof config.lacks - 1);
}

/* The nth fallible call from now on fails, once; a lost device stays lost. */
void fake_vulkan_break_at(long nth, int result)
{
    pthread_mutex_lock(&lock);
    n_calls = 0;
    fail_at = nth;
    fail_with = (VkResult)result;
    pthread_mutex_unlock(&lock);
}

/* The next call of vk<function> fails. */
void fake_vulkan_break_in(const char *function, int result)
{
    pthread_mutex_lock(&lock);
    snprintf(fail_in, sizeof fail_in, "fake_%s", function);
    fail_with = (VkResult)result;
    pthread_mutex_unlock(&lock);
}

/* live, calls, unready (waits that nothing submitted will satisfy), busy
 * (semaphores destroyed in use), cache (bytes of the last cache). */
long fake_vulkan_get(const char *key)
{
    long value = -1;

    pthread_mutex_lock(&lock);
    if (!strcmp(key, "live"))
        value = n_live;
    else if (!strcmp(key, "calls"))
        value = n_calls;
    else if (!strcmp(key, "unready"))
        value = n_unready;
    else if (!strcmp(key, "unordered"))
        value = n_unordered;
    else if (!strcmp(key, "busy"))
        value = n_busy_frees;
    else if (!strcmp(key, "cache"))
        value = (long)cache_seen;
    pthread_mutex_unlock(&lock);
    return value;
}
