/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_vulkan_instance.h - the part of fake_vulkan.c with the instance and the
 * devices that it lists.
 */

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
