/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_vulkan_memory.h - the part of fake_vulkan.c with buffers and memory,
 * which is the host's.
 */

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
    if (config.full)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
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
