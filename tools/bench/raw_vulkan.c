/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_vulkan.c - Vulkan without Halcyon: the same device, an empty shader in a
 * command buffer recorded once, submitted with a fence; copies of the host
 * are memcpy to mapped memory, those on the device a recorded vkCmdCopyBuffer.
 */
#define VK_NO_PROTOTYPES
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

#include "tools/bench/bench.h"

/* The only list of what is called. */
#define VULKAN_SYMBOLS(X)                       \
    X(vkDestroyInstance)                        \
    X(vkEnumeratePhysicalDevices)               \
    X(vkGetPhysicalDeviceProperties)            \
    X(vkGetPhysicalDeviceMemoryProperties)      \
    X(vkGetPhysicalDeviceQueueFamilyProperties) \
    X(vkCreateDevice)                           \
    X(vkDestroyDevice)                          \
    X(vkGetDeviceQueue)                         \
    X(vkCreateBuffer)                           \
    X(vkDestroyBuffer)                          \
    X(vkGetBufferMemoryRequirements)            \
    X(vkAllocateMemory)                         \
    X(vkFreeMemory)                             \
    X(vkBindBufferMemory)                       \
    X(vkMapMemory)                              \
    X(vkCreateShaderModule)                     \
    X(vkDestroyShaderModule)                    \
    X(vkCreatePipelineLayout)                   \
    X(vkDestroyPipelineLayout)                  \
    X(vkCreateComputePipelines)                 \
    X(vkDestroyPipeline)                        \
    X(vkCreateCommandPool)                      \
    X(vkDestroyCommandPool)                     \
    X(vkAllocateCommandBuffers)                 \
    X(vkBeginCommandBuffer)                     \
    X(vkEndCommandBuffer)                       \
    X(vkCmdBindPipeline)                        \
    X(vkCmdDispatch)                            \
    X(vkCmdPipelineBarrier)                     \
    X(vkCmdCopyBuffer)                          \
    X(vkCreateFence)                            \
    X(vkDestroyFence)                           \
    X(vkResetFences)                            \
    X(vkWaitForFences)                          \
    X(vkQueueSubmit)

struct side_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    void *mapped;
};

struct raw_vulkan {
#define X(name) PFN_##name name;
    VULKAN_SYMBOLS(X)
#undef X
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t family;
    struct side_buffer dst, src;
    VkShaderModule shader;
    VkPipelineLayout layout;
    VkPipeline pipeline;
    VkCommandPool pool;
    VkCommandBuffer launch, copy;
    VkFence fence;
    size_t copy_size; /* that `copy` was recorded for */
};

static int check(VkResult result, const char *call)
{
    if (result == VK_SUCCESS)
        return 0;
    bench_fail("%s: VkResult %d", call, (int)result);
    return -1;
}

/* ---- opening ------------------------------------------------------------ */

static int load(struct raw_vulkan *r)
{
    void *lib = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    PFN_vkGetInstanceProcAddr get = NULL;
    PFN_vkCreateInstance create;
    const VkApplicationInfo app = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                    .apiVersion = VK_API_VERSION_1_1 };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pApplicationInfo = &app
    };

    if (lib)
        *(void **)(&get) = dlsym(lib, "vkGetInstanceProcAddr");
    if (!get) {
        bench_fail("libvulkan.so.1 does not load (package libvulkan1)");
        return -1;
    }
    create = (PFN_vkCreateInstance)get(NULL, "vkCreateInstance");
    if (!create || check(create(&info, NULL, &r->instance), "vkCreateInstance"))
        return -1;
#define X(name)                                        \
    r->name = (PFN_##name)get(r->instance, #name);     \
    if (!r->name) {                                    \
        bench_fail("the Vulkan loader has no " #name); \
        return -1;                                     \
    }
    VULKAN_SYMBOLS(X)
#undef X
    return 0;
}

static int find_device(struct raw_vulkan *r, const char *name)
{
    VkPhysicalDevice devices[16];
    uint32_t n = 16;
    VkResult result = r->vkEnumeratePhysicalDevices(r->instance, &n, devices);

    if (result != VK_INCOMPLETE && check(result, "vkEnumeratePhysicalDevices"))
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        VkPhysicalDeviceProperties prop;

        r->vkGetPhysicalDeviceProperties(devices[i], &prop);
        if (strcmp(prop.deviceName, name) == 0) {
            r->physical = devices[i];
            return 0;
        }
    }
    bench_fail("no Vulkan device is called \"%s\"", name);
    return -1;
}

static int make_device(struct raw_vulkan *r)
{
    VkQueueFamilyProperties families[16];
    uint32_t n = 16, family = 0;
    const float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueCount = 1,
        .pQueuePriorities = &priority
    };
    const VkDeviceCreateInfo info = { .sType =
                                          VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                                      .queueCreateInfoCount = 1,
                                      .pQueueCreateInfos = &queue };

    r->vkGetPhysicalDeviceQueueFamilyProperties(r->physical, &n, families);
    while (family < n && !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        family++;
    if (family == n) {
        bench_fail("the device has no compute queue");
        return -1;
    }
    queue.queueFamilyIndex = r->family = family;
    if (check(r->vkCreateDevice(r->physical, &info, NULL, &r->device),
              "vkCreateDevice"))
        return -1;
    r->vkGetDeviceQueue(r->device, family, 0, &r->queue);
    return 0;
}

/* Memory that the host maps, near the device and cached if there is such. */
static int pick_memory(struct raw_vulkan *r, uint32_t allowed,
                       uint32_t *out_type)
{
    const VkMemoryPropertyFlags must = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkMemoryPropertyFlags nice = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                                       VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    VkPhysicalDeviceMemoryProperties memory;
    int best = -1;

    r->vkGetPhysicalDeviceMemoryProperties(r->physical, &memory);
    for (uint32_t i = 0; i < memory.memoryTypeCount; i++) {
        VkMemoryPropertyFlags flags = memory.memoryTypes[i].propertyFlags;
        int score = __builtin_popcount(flags & nice);

        if (allowed & 1u << i && (flags & must) == must && score > best) {
            best = score;
            *out_type = i;
        }
    }
    if (best < 0)
        bench_fail("the device has no memory that the host maps");
    return best < 0 ? -1 : 0;
}

static int make_buffer(struct raw_vulkan *r, size_t bytes,
                       struct side_buffer *out)
{
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = bytes,
        .usage =
            VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT
    };
    VkMemoryAllocateInfo alloc = { .sType =
                                       VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO };
    VkMemoryRequirements need;

    if (check(r->vkCreateBuffer(r->device, &info, NULL, &out->buffer),
              "vkCreateBuffer"))
        return -1;
    r->vkGetBufferMemoryRequirements(r->device, out->buffer, &need);
    alloc.allocationSize = need.size;
    if (pick_memory(r, need.memoryTypeBits, &alloc.memoryTypeIndex) ||
        check(r->vkAllocateMemory(r->device, &alloc, NULL, &out->memory),
              "vkAllocateMemory") ||
        check(r->vkBindBufferMemory(r->device, out->buffer, out->memory, 0),
              "vkBindBufferMemory") ||
        check(r->vkMapMemory(r->device, out->memory, 0, VK_WHOLE_SIZE, 0,
                             &out->mapped),
              "vkMapMemory"))
        return -1;
    memset(out->mapped, 1, bytes); /* touched, as Halcyon's buffers are */
    return 0;
}

static int make_pipeline(struct raw_vulkan *r, unsigned group)
{
    /* void main() {} with local size (group, 1, 1) */
    const uint32_t words[] = {
        0x07230203,    0x00010000,  0,  5,          0, /* header; ids below 5 */
        2 << 16 | 17,  1,                              /* OpCapability Shader */
        3 << 16 | 14,  0,           1,                 /* OpMemoryModel */
        5 << 16 | 15,  5,           1,  0x6e69616d, 0, /* OpEntryPoint "main" */
        6 << 16 | 16,  1,           17, group,      1, 1, /* LocalSize */
        2 << 16 | 19,  2,                                 /* %2 = void */
        3 << 16 | 33,  3,           2,                    /* %3 = void() */
        5 << 16 | 54,  2,           1,  0,          3,    /* %1 = OpFunction */
        2 << 16 | 248, 4,                                 /* OpLabel */
        1 << 16 | 253, 1 << 16 | 56 /* OpReturn, OpFunctionEnd */
    };
    const VkShaderModuleCreateInfo shader = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = sizeof words,
        .pCode = words
    };
    const VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO
    };
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                   .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                   .pName = "main" }
    };

    if (check(r->vkCreateShaderModule(r->device, &shader, NULL, &r->shader),
              "vkCreateShaderModule") ||
        check(r->vkCreatePipelineLayout(r->device, &layout, NULL, &r->layout),
              "vkCreatePipelineLayout"))
        return -1;
    info.stage.module = r->shader;
    info.layout = r->layout;
    return check(r->vkCreateComputePipelines(r->device, VK_NULL_HANDLE, 1,
                                             &info, NULL, &r->pipeline),
                 "vkCreateComputePipelines");
}

/* Everything before happens before everything after, as in a stream. */
static void barrier(struct raw_vulkan *r, VkCommandBuffer commands)
{
    const VkMemoryBarrier all = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                  .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
                                  .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT |
                                                   VK_ACCESS_MEMORY_WRITE_BIT };

    r->vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                            VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 1, &all, 0,
                            NULL, 0, NULL);
}

static const VkCommandBufferBeginInfo begin_info = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
    .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT
};

static int make_commands(struct raw_vulkan *r)
{
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = r->family
    };
    VkCommandBufferAllocateInfo alloc = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandBufferCount = 1
    };
    const VkFenceCreateInfo fence = { .sType =
                                          VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };

    if (check(r->vkCreateCommandPool(r->device, &pool, NULL, &r->pool),
              "vkCreateCommandPool"))
        return -1;
    alloc.commandPool = r->pool;
    if (check(r->vkAllocateCommandBuffers(r->device, &alloc, &r->launch),
              "vkAllocateCommandBuffers") ||
        check(r->vkAllocateCommandBuffers(r->device, &alloc, &r->copy),
              "vkAllocateCommandBuffers") ||
        check(r->vkCreateFence(r->device, &fence, NULL, &r->fence),
              "vkCreateFence") ||
        check(r->vkBeginCommandBuffer(r->launch, &begin_info),
              "vkBeginCommandBuffer"))
        return -1;
    barrier(r, r->launch);
    r->vkCmdBindPipeline(r->launch, VK_PIPELINE_BIND_POINT_COMPUTE,
                         r->pipeline);
    r->vkCmdDispatch(r->launch, 1, 1, 1);
    return check(r->vkEndCommandBuffer(r->launch), "vkEndCommandBuffer");
}

static void buffer_close(struct raw_vulkan *r, struct side_buffer *b)
{
    r->vkDestroyBuffer(r->device, b->buffer, NULL);
    r->vkFreeMemory(r->device, b->memory, NULL);
}

static void vulkan_close(void *p)
{
    struct raw_vulkan *r = p;

    if (r->device) {
        r->vkDestroyFence(r->device, r->fence, NULL);
        r->vkDestroyCommandPool(r->device, r->pool, NULL);
        r->vkDestroyPipeline(r->device, r->pipeline, NULL);
        r->vkDestroyPipelineLayout(r->device, r->layout, NULL);
        r->vkDestroyShaderModule(r->device, r->shader, NULL);
        buffer_close(r, &r->dst);
        buffer_close(r, &r->src);
        r->vkDestroyDevice(r->device, NULL);
    }
    if (r->instance && r->vkDestroyInstance)
        r->vkDestroyInstance(r->instance, NULL);
    free(r);
}

static int vulkan_open(const struct halDeviceProp *prop, unsigned group,
                       size_t bytes, void **out_raw)
{
    struct raw_vulkan *r = calloc(1, sizeof *r);

    if (!r) {
        bench_fail("out of memory");
        return -1;
    }
    if (load(r) || find_device(r, prop->name) || make_device(r) ||
        make_buffer(r, bytes, &r->dst) || make_buffer(r, bytes, &r->src) ||
        make_pipeline(r, group) || make_commands(r)) {
        vulkan_close(r);
        return -1;
    }
    *out_raw = r;
    return 0;
}

/* ---- running ------------------------------------------------------------ */

static int submit(struct raw_vulkan *r, VkCommandBuffer commands, VkFence fence)
{
    const VkSubmitInfo info = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                .commandBufferCount = 1,
                                .pCommandBuffers = &commands };

    return check(r->vkQueueSubmit(r->queue, 1, &info, fence), "vkQueueSubmit");
}

static int submit_and_wait(struct raw_vulkan *r, VkCommandBuffer commands)
{
    if (submit(r, commands, r->fence) ||
        check(r->vkWaitForFences(r->device, 1, &r->fence, VK_TRUE, UINT64_MAX),
              "vkWaitForFences"))
        return -1;
    return check(r->vkResetFences(r->device, 1, &r->fence), "vkResetFences");
}

static int vulkan_launch(void *ctx, unsigned calls)
{
    struct raw_vulkan *r = ctx;

    for (unsigned i = 0; i < calls; i++)
        if (submit_and_wait(r, r->launch) != 0)
            return -1;
    return 0;
}

static int vulkan_burst(void *ctx, unsigned calls)
{
    struct raw_vulkan *r = ctx;

    for (unsigned i = 0; i + 1 < calls; i++)
        if (submit(r, r->launch, VK_NULL_HANDLE) != 0)
            return -1;
    return submit_and_wait(r, r->launch);
}

static int record_copy(struct raw_vulkan *r, size_t size)
{
    const VkBufferCopy region = { .size = size };

    if (r->copy_size == size)
        return 0;
    if (check(r->vkBeginCommandBuffer(r->copy, &begin_info),
              "vkBeginCommandBuffer"))
        return -1;
    barrier(r, r->copy);
    r->vkCmdCopyBuffer(r->copy, r->src.buffer, r->dst.buffer, 1, &region);
    r->copy_size = size;
    return check(r->vkEndCommandBuffer(r->copy), "vkEndCommandBuffer");
}

static int vulkan_copy(void *ctx, unsigned calls)
{
    const struct bench_raw_copy *copy = ctx;
    struct raw_vulkan *r = copy->raw;

    if (record_copy(r, copy->size) != 0)
        return -1;
    for (unsigned i = 0; i < calls; i++)
        switch (copy->way) {
        case BENCH_H2D:
            memcpy(r->dst.mapped, copy->host, copy->size);
            break;
        case BENCH_D2H:
            memcpy(copy->host, r->src.mapped, copy->size);
            break;
        case BENCH_D2D:
            if (submit_and_wait(r, r->copy) != 0)
                return -1;
            break;
        }
    return 0;
}

const struct bench_raw_api bench_raw_vulkan = {
    .launch_name = "vkQueueSubmit + fence",
    .copy_name = "Vulkan",
    .open = vulkan_open,
    .close = vulkan_close,
    .launch = vulkan_launch,
    .burst = vulkan_burst,
    .copy = vulkan_copy,
};
