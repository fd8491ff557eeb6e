/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_vulkan.c - a libvulkan.so.1 on host memory, for what real drivers will
 * not do on demand: the nth call fails with a chosen VkResult, the device is
 * lost, there is no device, a function is missing, memory is not mapped, work
 * stays queued.  Every live object is counted.  It offers what
 * backends/vulkan/symbols.def lists and no more.
 *
 * The fake_vulkan_* functions at the end are found with dlsym.  A dispatch adds
 * one to the first word of the first buffer that is bound.
 */
#include <pthread.h>
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
    long push;     /* VK_KHR_push_descriptor */
    long stamp_bits;
    long heap;
    long allocations; /* maxMemoryAllocationCount */
    char lacks[64];
} config;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long n_calls, fail_at, n_live, n_unready, n_busy_frees;
static VkResult fail_with;
static int lost;

/* Every call that can fail comes through here. */
static VkResult due(void)
{
    VkResult r = VK_SUCCESS;

    pthread_mutex_lock(&lock);
    if (++n_calls == fail_at) {
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

/* ---- instance -------------------------------------------------------- */

static char gpu_handles[8];

static VKAPI_ATTR VkResult VKAPI_CALL
fake_CreateInstance(const VkInstanceCreateInfo *in,
                    const VkAllocationCallbacks *a, VkInstance *out)
{
    VkResult r = due();

    (void)in, (void)a;
    if (r == VK_SUCCESS)
        *out = object(8);
    return r;
}

static VKAPI_ATTR void VKAPI_CALL
fake_DestroyInstance(VkInstance h, const VkAllocationCallbacks *a)
{
    (void)a;
    drop(h);
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_EnumerateInstanceVersion(uint32_t *v)
{
    *v = (uint32_t)config.api;
    return due();
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_EnumerateInstanceLayerProperties(uint32_t *n, VkLayerProperties *p)
{
    (void)p;
    *n = 0;
    return due();
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_EnumeratePhysicalDevices(
    VkInstance inst, uint32_t *n, VkPhysicalDevice *out)
{
    uint32_t i;

    (void)inst;
    for (i = 0; out && i < *n && i < config.devices; i++)
        out[i] = (VkPhysicalDevice)&gpu_handles[i];
    *n = (uint32_t)config.devices;
    return due();
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_EnumerateDeviceExtensionProperties(VkPhysicalDevice gpu, const char *layer,
                                        uint32_t *n, VkExtensionProperties *out)
{
    (void)gpu, (void)layer;
    *n = config.push ? 1 : 0;
    if (out && config.push)
        strcpy(out[0].extensionName, "VK_KHR_push_descriptor");
    return due();
}

/* Named so that sorting turns the loader's order around. */
static VKAPI_ATTR void VKAPI_CALL fake_GetPhysicalDeviceProperties(
    VkPhysicalDevice gpu, VkPhysicalDeviceProperties *out)
{
    const long index = (long)((char *)gpu - gpu_handles);

    memset(out, 0, sizeof *out);
    out->apiVersion = (uint32_t)config.api;
    out->driverVersion = VK_MAKE_API_VERSION(0, 7, 3, 0);
    out->deviceType = config.discrete ? VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
                                      : VK_PHYSICAL_DEVICE_TYPE_CPU;
    strcpy(out->deviceName, "fake ?");
    out->deviceName[5] = (char)('z' - index);
    out->limits.maxStorageBufferRange = 1u << 27;
    out->limits.maxPushConstantsSize = 128;
    out->limits.maxMemoryAllocationCount = (uint32_t)config.allocations;
    out->limits.maxComputeSharedMemorySize = 32768;
    out->limits.maxComputeWorkGroupInvocations = 256;
    for (int i = 0; i < 3; i++) {
        out->limits.maxComputeWorkGroupCount[i] = 65535;
        out->limits.maxComputeWorkGroupSize[i] = 256;
    }
    out->limits.minStorageBufferOffsetAlignment = 64;
    out->limits.timestampPeriod = 1;
}

static VKAPI_ATTR void VKAPI_CALL fake_GetPhysicalDeviceProperties2(
    VkPhysicalDevice gpu, VkPhysicalDeviceProperties2 *out)
{
    VkBaseOutStructure *s;

    fake_GetPhysicalDeviceProperties(gpu, &out->properties);
    for (s = out->pNext; s; s = s->pNext) {
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES)
            strcpy(((VkPhysicalDeviceDriverProperties *)s)->driverName, "fake");
        if (s->sType ==
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES)
            ((VkPhysicalDeviceMaintenance3Properties *)s)
                ->maxMemoryAllocationSize = 1u << 30;
    }
}

static VKAPI_ATTR void VKAPI_CALL fake_GetPhysicalDeviceFeatures2(
    VkPhysicalDevice gpu, VkPhysicalDeviceFeatures2 *out)
{
    VkBaseOutStructure *s;

    (void)gpu;
    for (s = out->pNext; s; s = s->pNext) {
        if (s->sType ==
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES)
            ((VkPhysicalDeviceTimelineSemaphoreFeatures *)s)
                ->timelineSemaphore = (VkBool32)config.timeline;
        if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES)
            ((VkPhysicalDeviceVulkan12Features *)s)->timelineSemaphore = 1;
    }
}

static VKAPI_ATTR void VKAPI_CALL fake_GetPhysicalDeviceMemoryProperties2(
    VkPhysicalDevice gpu, VkPhysicalDeviceMemoryProperties2 *out)
{
    VkPhysicalDeviceMemoryProperties *m = &out->memoryProperties;

    (void)gpu;
    memset(m, 0, sizeof *m);
    m->memoryHeapCount = m->memoryTypeCount = config.discrete ? 2 : 1;
    m->memoryHeaps[0].size = m->memoryHeaps[1].size = (VkDeviceSize)config.heap;
    m->memoryTypes[0].propertyFlags = config.discrete ? 1 : 0xf;
    m->memoryTypes[1].propertyFlags = 0xe;
    m->memoryTypes[1].heapIndex = 1;
}

static VKAPI_ATTR void VKAPI_CALL fake_GetPhysicalDeviceQueueFamilyProperties(
    VkPhysicalDevice gpu, uint32_t *n, VkQueueFamilyProperties *out)
{
    (void)gpu;
    *n = 1;
    if (out)
        *out = (VkQueueFamilyProperties){
            .queueFlags = VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT,
            .queueCount = 1,
            .timestampValidBits = (uint32_t)config.stamp_bits
        };
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_CreateDevice(VkPhysicalDevice gpu, const VkDeviceCreateInfo *in,
                  const VkAllocationCallbacks *a, VkDevice *out)
{
    VkResult r = due();

    (void)gpu, (void)in, (void)a;
    if (r == VK_SUCCESS)
        *out = object(8);
    return r;
}

/* ---- memory ---------------------------------------------------------- */

struct memory {
    size_t size;
    char *bytes;
};

struct buffer {
    size_t size;
    struct memory *memory;
};

static VKAPI_ATTR VkResult VKAPI_CALL
fake_CreateBuffer(VkDevice dev, const VkBufferCreateInfo *in,
                  const VkAllocationCallbacks *a, VkBuffer *out)
{
    VkResult r = due();

    (void)dev, (void)a;
    if (r == VK_SUCCESS) {
        struct buffer *b = object(sizeof *b);

        b->size = in->size;
        *out = HANDLE(VkBuffer, b);
    }
    return r;
}
PLAIN_DESTROY(Buffer, VkBuffer)

static VKAPI_ATTR void VKAPI_CALL fake_GetBufferMemoryRequirements(
    VkDevice dev, VkBuffer h, VkMemoryRequirements *out)
{
    const struct buffer *b = PTR(h);

    (void)dev;
    *out = (VkMemoryRequirements){ .size = (b->size + 63) / 64 * 64,
                                   .alignment = 64,
                                   .memoryTypeBits = 3 };
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_AllocateMemory(VkDevice dev, const VkMemoryAllocateInfo *in,
                    const VkAllocationCallbacks *a, VkDeviceMemory *out)
{
    VkResult r = due();

    (void)dev, (void)a;
    if (r == VK_SUCCESS) {
        struct memory *m = object(sizeof *m);

        m->size = in->allocationSize;
        m->bytes = aligned_alloc(4096, (m->size + 4095) / 4096 * 4096);
        if (!m->bytes) {
            drop(m);
            return VK_ERROR_OUT_OF_DEVICE_MEMORY;
        }
        *out = HANDLE(VkDeviceMemory, m);
    }
    return r;
}

static VKAPI_ATTR void VKAPI_CALL
fake_FreeMemory(VkDevice dev, VkDeviceMemory h, const VkAllocationCallbacks *a)
{
    struct memory *m = PTR(h);

    (void)dev, (void)a;
    if (m)
        free(m->bytes);
    drop(m);
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_BindBufferMemory(VkDevice dev,
                                                            VkBuffer h,
                                                            VkDeviceMemory mem,
                                                            VkDeviceSize at)
{
    struct buffer *b = PTR(h);

    (void)dev, (void)at;
    b->memory = PTR(mem);
    return due();
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_MapMemory(VkDevice dev, VkDeviceMemory h, VkDeviceSize at,
               VkDeviceSize size, VkMemoryMapFlags flags, void **out)
{
    VkResult r = due();

    (void)dev, (void)at, (void)size, (void)flags;
    if (r == VK_SUCCESS)
        *out = ((struct memory *)PTR(h))->bytes;
    return r;
}

static VKAPI_ATTR VkDeviceAddress VKAPI_CALL
fake_GetBufferDeviceAddress(VkDevice dev, const VkBufferDeviceAddressInfo *in)
{
    (void)dev, (void)in;
    return 0;
}

/* ---- command buffers ------------------------------------------------- */

enum { CMD_COPY, CMD_FILL, CMD_ADD, CMD_STAMP };

struct command {
    int kind;
    char *to;
    const char *from;
    size_t size;
    uint32_t word;
};

struct command_buffer {
    struct command_buffer *next;
    struct command cmds[256];
    unsigned n;
    char *bound; /* first word of the first buffer that is bound */
};

struct command_pool {
    struct command_buffer *buffers;
};

PLAIN_CREATE(CommandPool, VkCommandPoolCreateInfo, VkCommandPool,
             sizeof(struct command_pool))

static VKAPI_ATTR void VKAPI_CALL fake_DestroyCommandPool(
    VkDevice dev, VkCommandPool h, const VkAllocationCallbacks *a)
{
    struct command_pool *pool = PTR(h);

    (void)dev, (void)a;
    while (pool->buffers) {
        struct command_buffer *b = pool->buffers;

        pool->buffers = b->next;
        free(b);
    }
    drop(pool);
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_AllocateCommandBuffers(
    VkDevice dev, const VkCommandBufferAllocateInfo *in, VkCommandBuffer *out)
{
    struct command_pool *pool = PTR(in->commandPool);
    VkResult r = due();

    (void)dev;
    if (r == VK_SUCCESS) {
        struct command_buffer *b = calloc(1, sizeof *b);

        b->next = pool->buffers;
        pool->buffers = b;
        *out = (VkCommandBuffer)b;
    }
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_BeginCommandBuffer(VkCommandBuffer h, const VkCommandBufferBeginInfo *in)
{
    (void)in;
    ((struct command_buffer *)h)->n = 0;
    return due();
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_EndCommandBuffer(VkCommandBuffer h)
{
    (void)h;
    return due();
}

static void command_add(VkCommandBuffer h, struct command c)
{
    struct command_buffer *b = (struct command_buffer *)h;

    if (b->n < 256)
        b->cmds[b->n++] = c;
}

static char *buffer_at(VkBuffer h, VkDeviceSize at)
{
    const struct buffer *b = PTR(h);

    return b->memory->bytes + at;
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdPipelineBarrier(
    VkCommandBuffer h, VkPipelineStageFlags from, VkPipelineStageFlags to,
    VkDependencyFlags flags, uint32_t n, const VkMemoryBarrier *m, uint32_t nb,
    const VkBufferMemoryBarrier *b, uint32_t ni, const VkImageMemoryBarrier *i)
{
    (void)h, (void)from, (void)to, (void)flags, (void)n, (void)m;
    (void)nb, (void)b, (void)ni, (void)i;
}

static VKAPI_ATTR void VKAPI_CALL
fake_CmdCopyBuffer(VkCommandBuffer h, VkBuffer from, VkBuffer to, uint32_t n,
                   const VkBufferCopy *regions)
{
    for (uint32_t i = 0; i < n; i++)
        command_add(
            h, (struct command){ .kind = CMD_COPY,
                                 .to = buffer_at(to, regions[i].dstOffset),
                                 .from = buffer_at(from, regions[i].srcOffset),
                                 .size = regions[i].size });
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdFillBuffer(VkCommandBuffer h,
                                                     VkBuffer to,
                                                     VkDeviceSize at,
                                                     VkDeviceSize size,
                                                     uint32_t word)
{
    command_add(h, (struct command){ .kind = CMD_FILL,
                                     .to = buffer_at(to, at),
                                     .size = size,
                                     .word = word });
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdBindPipeline(VkCommandBuffer h,
                                                       VkPipelineBindPoint p,
                                                       VkPipeline pipeline)
{
    (void)h, (void)p, (void)pipeline;
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdPushConstants(
    VkCommandBuffer h, VkPipelineLayout l, VkShaderStageFlags s, uint32_t at,
    uint32_t size, const void *bytes)
{
    (void)h, (void)l, (void)s, (void)at, (void)size, (void)bytes;
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdDispatch(VkCommandBuffer h,
                                                   uint32_t x, uint32_t y,
                                                   uint32_t z)
{
    (void)x, (void)y, (void)z;
    command_add(h,
                (struct command){ .kind = CMD_ADD,
                                  .to = ((struct command_buffer *)h)->bound });
}

/* ---- descriptors ----------------------------------------------------- */

struct descriptor_pool {
    char *sets[4096]; /* what each has bound first */
    unsigned n;
};

PLAIN_CREATE(DescriptorPool, VkDescriptorPoolCreateInfo, VkDescriptorPool,
             sizeof(struct descriptor_pool))
PLAIN_DESTROY(DescriptorPool, VkDescriptorPool)

static VKAPI_ATTR VkResult VKAPI_CALL fake_ResetDescriptorPool(
    VkDevice dev, VkDescriptorPool h, VkDescriptorPoolResetFlags flags)
{
    (void)dev, (void)flags;
    ((struct descriptor_pool *)PTR(h))->n = 0;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_AllocateDescriptorSets(
    VkDevice dev, const VkDescriptorSetAllocateInfo *in, VkDescriptorSet *out)
{
    struct descriptor_pool *pool = PTR(in->descriptorPool);
    VkResult r = due();

    (void)dev;
    if (r == VK_SUCCESS && pool->n == 4096)
        r = VK_ERROR_OUT_OF_POOL_MEMORY;
    if (r == VK_SUCCESS)
        *out = HANDLE(VkDescriptorSet, &pool->sets[pool->n++]);
    return r;
}

static VKAPI_ATTR void VKAPI_CALL fake_UpdateDescriptorSets(
    VkDevice dev, uint32_t n, const VkWriteDescriptorSet *w, uint32_t nc,
    const VkCopyDescriptorSet *c)
{
    (void)dev, (void)nc, (void)c;
    if (n)
        *(char **)PTR(w->dstSet) =
            buffer_at(w->pBufferInfo->buffer, w->pBufferInfo->offset);
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdBindDescriptorSets(
    VkCommandBuffer h, VkPipelineBindPoint p, VkPipelineLayout l,
    uint32_t first, uint32_t n, const VkDescriptorSet *sets, uint32_t nd,
    const uint32_t *d)
{
    (void)p, (void)l, (void)first, (void)n, (void)nd, (void)d;
    ((struct command_buffer *)h)->bound = *(char **)PTR(sets[0]);
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdPushDescriptorSetKHR(
    VkCommandBuffer h, VkPipelineBindPoint p, VkPipelineLayout l, uint32_t set,
    uint32_t n, const VkWriteDescriptorSet *w)
{
    (void)p, (void)l, (void)set;
    if (n)
        ((struct command_buffer *)h)->bound =
            buffer_at(w->pBufferInfo->buffer, w->pBufferInfo->offset);
}

/* ---- queries --------------------------------------------------------- */

struct query_pool {
    uint64_t ns[64];
};

PLAIN_CREATE(QueryPool, VkQueryPoolCreateInfo, VkQueryPool,
             sizeof(struct query_pool))
PLAIN_DESTROY(QueryPool, VkQueryPool)

static VKAPI_ATTR void VKAPI_CALL fake_CmdResetQueryPool(VkCommandBuffer h,
                                                         VkQueryPool q,
                                                         uint32_t first,
                                                         uint32_t n)
{
    (void)h, (void)q, (void)first, (void)n;
}

static VKAPI_ATTR void VKAPI_CALL fake_CmdWriteTimestamp(
    VkCommandBuffer h, VkPipelineStageFlagBits stage, VkQueryPool q, uint32_t i)
{
    (void)stage;
    command_add(h, (struct command){
                       .kind = CMD_STAMP,
                       .to = (char *)&((struct query_pool *)PTR(q))->ns[i] });
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_GetQueryPoolResults(
    VkDevice dev, VkQueryPool q, uint32_t first, uint32_t n, size_t size,
    void *out, VkDeviceSize stride, VkQueryResultFlags flags)
{
    VkResult r = due();

    (void)dev, (void)n, (void)size, (void)stride, (void)flags;
    if (r == VK_SUCCESS)
        memcpy(out, &((struct query_pool *)PTR(q))->ns[first], 8);
    return r;
}

/* ---- queue and semaphores -------------------------------------------- */

struct semaphore {
    uint64_t value;
    uint64_t submitted; /* the highest value a batch will signal */
};

struct submission {
    struct submission *next;
    struct command_buffer *cmd;
    struct semaphore *signal;
    uint64_t value;
};

static struct submission *queue_first, *queue_last;

static void command_run(const struct command *c)
{
    struct timespec now;
    uint32_t word;
    uint64_t ns;
    size_t i;

    switch (c->kind) {
    case CMD_COPY:
        memmove(c->to, c->from, c->size);
        break;
    case CMD_FILL:
        for (i = 0; i + 4 <= c->size; i += 4)
            memcpy(c->to + i, &c->word, 4);
        break;
    case CMD_ADD:
        memcpy(&word, c->to, 4);
        word++;
        memcpy(c->to, &word, 4);
        break;
    case CMD_STAMP:
        clock_gettime(CLOCK_MONOTONIC, &now);
        ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
        memcpy(c->to, &ns, 8);
        break;
    }
}

static void queue_run_locked(void)
{
    while (queue_first) {
        struct submission *s = queue_first;

        queue_first = s->next;
        /* A lost device runs nothing, and its objects may be gone already. */
        for (unsigned i = 0; !lost && i < s->cmd->n; i++)
            command_run(&s->cmd->cmds[i]);
        if (!lost)
            s->signal->value = s->value;
        free(s);
    }
    queue_last = NULL;
    pthread_cond_broadcast(&changed);
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_QueueSubmit(VkQueue q, uint32_t n,
                                                       const VkSubmitInfo *in,
                                                       VkFence fence)
{
    const VkTimelineSemaphoreSubmitInfo *values = in->pNext;
    VkResult r = due();
    struct submission *s;

    (void)q, (void)n, (void)fence;
    if (r != VK_SUCCESS)
        return r;
    s = calloc(1, sizeof *s);
    s->cmd = (struct command_buffer *)in->pCommandBuffers[0];
    s->signal = PTR(in->pSignalSemaphores[0]);
    s->value = values->pSignalSemaphoreValues[0];
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < in->waitSemaphoreCount; i++) {
        const struct semaphore *w = PTR(in->pWaitSemaphores[i]);

        /* What the backend promises never to do. */
        if (w->value < values->pWaitSemaphoreValues[i] &&
            w->submitted < values->pWaitSemaphoreValues[i])
            n_unready++;
    }
    if (s->value <= s->signal->submitted || s->value <= s->signal->value)
        n_unready++; /* values must grow */
    s->signal->submitted = s->value;
    if (queue_last)
        queue_last->next = s;
    else
        queue_first = s;
    queue_last = s;
    if (!config.deferred)
        queue_run_locked();
    pthread_mutex_unlock(&lock);
    return VK_SUCCESS;
}

PLAIN_CREATE(Semaphore, VkSemaphoreCreateInfo, VkSemaphore,
             sizeof(struct semaphore))

static VKAPI_ATTR void VKAPI_CALL fake_DestroySemaphore(
    VkDevice dev, VkSemaphore h, const VkAllocationCallbacks *a)
{
    const struct semaphore *s = PTR(h);

    (void)dev, (void)a;
    if (s && !lost && s->value < s->submitted)
        n_busy_frees++;
    drop(PTR(h));
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_GetSemaphoreCounterValue(VkDevice dev, VkSemaphore h, uint64_t *out)
{
    VkResult r = due();

    (void)dev;
    if (r == VK_SUCCESS) {
        pthread_mutex_lock(&lock);
        *out = ((struct semaphore *)PTR(h))->value;
        pthread_mutex_unlock(&lock);
    }
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_WaitSemaphores(
    VkDevice dev, const VkSemaphoreWaitInfo *in, uint64_t timeout)
{
    const struct semaphore *s = PTR(in->pSemaphores[0]);
    VkResult r = due();
    struct timespec until;

    (void)dev;
    if (r != VK_SUCCESS)
        return r;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(timeout % 1000000000u);
    until.tv_sec += (long)(timeout / 1000000000u) + until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&lock);
    queue_run_locked();
    while (r == VK_SUCCESS && s->value < in->pValues[0]) {
        if (lost)
            r = VK_ERROR_DEVICE_LOST;
        else if (pthread_cond_timedwait(&changed, &lock, &until))
            r = VK_TIMEOUT;
        queue_run_locked();
    }
    pthread_mutex_unlock(&lock);
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL
fake_SignalSemaphore(VkDevice dev, const VkSemaphoreSignalInfo *in)
{
    struct semaphore *s = PTR(in->semaphore);
    VkResult r = due();

    (void)dev;
    if (r == VK_SUCCESS) {
        pthread_mutex_lock(&lock);
        if (in->value <= s->value || s->submitted > s->value)
            n_unready++;
        s->value = s->submitted = in->value;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return r;
}

static VKAPI_ATTR VkResult VKAPI_CALL fake_DeviceWaitIdle(VkDevice dev)
{
    (void)dev;
    pthread_mutex_lock(&lock);
    queue_run_locked();
    pthread_mutex_unlock(&lock);
    return lost ? VK_ERROR_DEVICE_LOST : VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL
fake_DestroyDevice(VkDevice dev, const VkAllocationCallbacks *a)
{
    (void)a;
    fake_DeviceWaitIdle(dev);
    drop(dev);
}

static VKAPI_ATTR void VKAPI_CALL fake_GetDeviceQueue(VkDevice dev,
                                                      uint32_t family,
                                                      uint32_t i, VkQueue *out)
{
    (void)family, (void)i;
    *out = (VkQueue)dev;
}

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
    n_calls = fail_at = n_unready = n_busy_frees = 0;
    lost = 0;
}

#define KEYS(X) \
    X(devices)  \
    X(api)      \
    X(timeline) \
    X(discrete) X(deferred) X(push) X(stamp_bits) X(heap) X(allocations)

void fake_vulkan_set(const char *key, long value)
{
#define X(k)              \
    if (!strcmp(key, #k)) \
        config.k = value;
    KEYS(X)
#undef X
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
    else if (!strcmp(key, "busy"))
        value = n_busy_frees;
    else if (!strcmp(key, "cache"))
        value = (long)cache_seen;
    pthread_mutex_unlock(&lock);
    return value;
}
