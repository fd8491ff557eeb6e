/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.c - kernels: layouts at creation, pipelines at first use, and the
 * pipeline cache on disk.  Invariant: once a pipeline is published in an image
 * it does not change until the kernel is destroyed.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/vulkan/vulkan.h"
#include "compiler/compile.h"

/* ---- the cache on disk ----------------------------------------------- */

#define CACHE_KIND "vkpipe"

static struct cache_key cache_key(const struct vulkan_dev *d)
{
    const VkPhysicalDeviceProperties *p = &d->gpu->props;
    const void *parts[] = { p->pipelineCacheUUID,
                            &p->vendorID,
                            &p->deviceID,
                            &p->driverVersion,
                            d->gpu->driver.driverInfo,
                            p->deviceName };
    const size_t sizes[] = { sizeof p->pipelineCacheUUID,
                             sizeof p->vendorID,
                             sizeof p->deviceID,
                             sizeof p->driverVersion,
                             strlen(d->gpu->driver.driverInfo),
                             strlen(p->deviceName) };

    return cache_key_of(parts, sizes, sizeof sizes / sizeof *sizes);
}

/* Drivers check the header too, but not all that have shipped. */
static int cache_fits(const struct vulkan_dev *d, const void *bytes,
                      size_t size)
{
    const VkPhysicalDeviceProperties *p = &d->gpu->props;
    VkPipelineCacheHeaderVersionOne head;

    if (size < sizeof head)
        return 0;
    memcpy(&head, bytes, sizeof head);
    return head.headerSize >= sizeof head && head.headerSize <= size &&
           head.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
           head.vendorID == p->vendorID && head.deviceID == p->deviceID &&
           !memcmp(head.pipelineCacheUUID, p->pipelineCacheUUID,
                   sizeof p->pipelineCacheUUID);
}

halError_t vulkan_cache_open(struct vulkan_dev *d)
{
    const struct cache_key key = cache_key(d);
    VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO
    };
    void *bytes = NULL;
    size_t size = 0;
    halError_t st = halSuccess;
    VkResult r;

    if (cache_get(&key, CACHE_KIND, &bytes, &size) &&
        cache_fits(d, bytes, size)) {
        info.initialDataSize = size;
        info.pInitialData = bytes;
    }
    r = d->fn.CreatePipelineCache(d->handle, &info, NULL, &d->cache);
    if (r != VK_SUCCESS && info.initialDataSize) {
        info.initialDataSize = 0; /* refused: start with an empty one */
        r = d->fn.CreatePipelineCache(d->handle, &info, NULL, &d->cache);
    }
    if (r != VK_SUCCESS) {
        d->cache = VK_NULL_HANDLE;
        st = vulkan_fail(d, r, "CreatePipelineCache");
    }
    free(bytes);
    return st;
}

static void cache_save(struct vulkan_dev *d)
{
    const struct cache_key key = cache_key(d);
    void *bytes = NULL;
    size_t size = 0;

    if (d->fn.GetPipelineCacheData(d->handle, d->cache, &size, NULL) !=
            VK_SUCCESS ||
        size <= sizeof(VkPipelineCacheHeaderVersionOne))
        return;
    bytes = malloc(size);
    if (bytes && d->fn.GetPipelineCacheData(d->handle, d->cache, &size,
                                            bytes) == VK_SUCCESS)
        cache_put(&key, CACHE_KIND, bytes, size);
    free(bytes);
}

void vulkan_cache_close(struct vulkan_dev *d)
{
    if (!d->cache)
        return;
    if (atomic_load(&d->cache_added) && !atomic_load(&d->lost))
        cache_save(d);
    d->fn.DestroyPipelineCache(d->handle, d->cache, NULL);
    d->cache = VK_NULL_HANDLE;
}

/* ---- images ---------------------------------------------------------- */

static int is_buffer(const struct hal_param *p)
{
    return p->kind != HAL_PARAM_ARG;
}

/* BDA: arguments in order, each at its own alignment.  SSBO: scalars in
 * order, then one element offset a buffer. */
static uint32_t push_bytes(const struct hal_kernel_desc *desc, int bda)
{
    uint32_t bytes = 0, i;

    for (i = 0; i < desc->n_params; i++) {
        if (bda && is_buffer(&desc->params[i]))
            bytes = (bytes + 7) / 8 * 8 + 8;
        else
            bytes += 4;
    }
    return bytes;
}

static void image_close(struct vulkan_dev *d, struct vulkan_image *img)
{
    VkPipeline pipeline = atomic_load(&img->pipeline);

    if (pipeline)
        d->fn.DestroyPipeline(d->handle, pipeline, NULL);
    if (img->layout)
        d->fn.DestroyPipelineLayout(d->handle, img->layout, NULL);
    if (img->set_layout)
        d->fn.DestroyDescriptorSetLayout(d->handle, img->set_layout, NULL);
}

static halError_t set_layout_create(struct vulkan_dev *d,
                                    const struct hal_kernel_desc *desc,
                                    VkDescriptorSetLayout *out_layout)
{
    VkDescriptorSetLayoutBinding bindings[HAL_PARAMS_MAX];
    uint32_t i, n = 0;
    halError_t st = halSuccess;

    for (i = 0; i < desc->n_params; i++)
        if (is_buffer(&desc->params[i]))
            bindings[n++] = (VkDescriptorSetLayoutBinding){
                .binding = i,
                .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                .descriptorCount = 1,
                .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
            };
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .flags = d->push_desc
                     ? VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR
                     : 0u,
        .bindingCount = n,
        .pBindings = bindings,
    };
    VULKAN_OR_GOTO(
        out, st, d,
        d->fn.CreateDescriptorSetLayout(d->handle, &info, NULL, out_layout));
out:
    return st;
}

static halError_t image_check(struct vulkan_dev *d,
                              const struct hal_kernel_desc *desc,
                              const struct vulkan_image *img)
{
    const VkPhysicalDeviceLimits *lim = &d->gpu->props.limits;
    struct vulkan_spirv spirv;
    const char *wrong =
        vulkan_spirv_parse(img->image->blob, img->image->blob_bytes, &spirv);
    int i;

    if (wrong)
        return hal_fail(halErrorKernelBuild, "kernel %s (%s): %s", desc->name,
                        img->image->variant, wrong);
    for (i = 0; i < 3; i++)
        if (spirv.local_size[i] > lim->maxComputeWorkGroupSize[i])
            break;
    if (i < 3 || (uint64_t)spirv.local_size[0] * spirv.local_size[1] *
                         spirv.local_size[2] >
                     lim->maxComputeWorkGroupInvocations)
        return hal_fail(halErrorKernelBuild,
                        "kernel %s (%s): a group of %u x %u x %u threads, the "
                        "device takes %u",
                        desc->name, img->image->variant, spirv.local_size[0],
                        spirv.local_size[1], spirv.local_size[2],
                        lim->maxComputeWorkGroupInvocations);
    if (img->push_bytes > d->push_max)
        return hal_fail(halErrorKernelBuild,
                        "kernel %s (%s): %u bytes of arguments, the device "
                        "takes %u",
                        desc->name, img->image->variant, img->push_bytes,
                        d->push_max);
    return halSuccess;
}

static halError_t image_open(struct vulkan_dev *d,
                             const struct hal_kernel_desc *desc,
                             const struct hal_image *image,
                             struct vulkan_image *img)
{
    const VkPushConstantRange push = {
        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        .size = push_bytes(desc, (image->caps & HAL_CAP_BDA) != 0),
    };
    VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .pSetLayouts = &img->set_layout,
        .pushConstantRangeCount = push.size ? 1 : 0,
        .pPushConstantRanges = &push,
    };
    halError_t st;

    img->image = image;
    img->bda = (image->caps & HAL_CAP_BDA) != 0;
    img->push_bytes = push.size;
    st = image_check(d, desc, img);
    if (st != halSuccess)
        return st;
    if (!img->bda) {
        st = set_layout_create(d, desc, &img->set_layout);
        if (st != halSuccess)
            goto out;
        info.setLayoutCount = 1;
    }
    VULKAN_OR_GOTO(
        out, st, d,
        d->fn.CreatePipelineLayout(d->handle, &info, NULL, &img->layout));
out:
    if (st != halSuccess) {
        image_close(d, img);
        memset(img, 0, sizeof *img);
    }
    return st;
}

/* Called with kernel.lock. */
static halError_t pipeline_create(struct vulkan_dev *d,
                                  const struct hal_kernel_desc *desc,
                                  struct vulkan_image *img,
                                  VkPipeline *out_pipeline)
{
    /* SPIR-V must lie on a word: a blob in a .halbin need not. */
    uint32_t *words = malloc(img->image->blob_bytes);
    const VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = img->image->blob_bytes,
        .pCode = words,
    };
    VkComputePipelineCreateInfo pipeline = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                   .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                   .pName = "main" },
        .layout = img->layout,
        .basePipelineIndex = -1,
    };
    VkShaderModule module = VK_NULL_HANDLE;
    VkPipeline made = VK_NULL_HANDLE;
    halError_t st = halSuccess;
    VkResult r;

    if (!words)
        return hal_fail(halErrorHostMemory, "kernel %s: %zu bytes", desc->name,
                        img->image->blob_bytes);
    memcpy(words, img->image->blob, img->image->blob_bytes);
    r = d->fn.CreateShaderModule(d->handle, &info, NULL, &module);
    if (r == VK_SUCCESS) {
        pipeline.stage.module = module;
        r = d->fn.CreateComputePipelines(d->handle, d->cache, 1, &pipeline,
                                         NULL, &made);
    } else {
        module = VK_NULL_HANDLE;
    }
    if (r != VK_SUCCESS) {
        st = vulkan_error_of(d, r);
        if (st == halErrorInternal || st == halErrorLaunchFailure)
            st = halErrorKernelBuild; /* the driver did not like the code */
        st = hal_fail(st, "kernel %s (%s): the driver made no pipeline: %s",
                      desc->name, img->image->variant, vulkan_result_name(r));
        goto out;
    }
    *out_pipeline = made;
    atomic_fetch_add(&d->cache_added, 1);
out:
    if (module)
        d->fn.DestroyShaderModule(d->handle, module, NULL);
    free(words);
    return st;
}

halError_t vulkan_image_pipeline(struct vulkan_dev *d, struct vulkan_kernel *k,
                                 struct vulkan_image *img,
                                 VkPipeline *out_pipeline)
{
    VkPipeline made = atomic_load(&img->pipeline);
    halError_t st = halSuccess;

    if (made) {
        *out_pipeline = made;
        return halSuccess;
    }
    pthread_mutex_lock(&k->lock);
    made = atomic_load(&img->pipeline);
    if (!made) {
        st = pipeline_create(d, k->desc, img, &made);
        if (st == halSuccess)
            atomic_store(&img->pipeline, made);
    }
    pthread_mutex_unlock(&k->lock);
    if (st == halSuccess)
        *out_pipeline = made;
    return st;
}

/* ---- ops ------------------------------------------------------------- */

/* `which`: the best image, and the best of the rest with raw addresses, for
 * buffers that are too large to bind. */
static uint32_t images_pick(const struct hal_image *const *images,
                            uint32_t n_images, uint32_t which[2])
{
    uint32_t i;

    which[0] = 0;
    if (images[0]->caps & HAL_CAP_BDA)
        return 1;
    for (i = 1; i < n_images; i++)
        if (images[i]->caps & HAL_CAP_BDA) {
            which[1] = i;
            return 2;
        }
    return 1;
}

halError_t vulkan_kernel_create(struct hal_dev *dev,
                                const struct hal_kernel_desc *desc,
                                const struct hal_image *const *images,
                                uint32_t n_images, void **out_kernel,
                                struct hal_kernel_info *out_info)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_kernel *k = NULL;
    uint32_t which[2], i, n;
    VkPipeline pipeline;
    halError_t st = halSuccess;

    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    if (!n_images)
        return hal_fail(halErrorNoImageForDevice, "kernel %s: no image",
                        desc->name);
    k = calloc(1, sizeof *k);
    if (!k)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *k);
    k->desc = desc;
    pthread_mutex_init(&k->lock, NULL);
    n = images_pick(images, n_images, which);
    for (i = 0; i < n; i++) {
        st = image_open(d, desc, images[which[i]], &k->images[i]);
        if (st != halSuccess)
            goto out;
        k->n_images++;
    }
    /* The default image is built now, so that a bad one is known now; the
     * other one only when a launch needs it. */
    st = vulkan_image_pipeline(d, k, &k->images[0], &pipeline);
    if (st != halSuccess)
        goto out;
    *out_info = (struct hal_kernel_info){ .image = 0 };
    *out_kernel = k;
    k = NULL;
out:
    vulkan_kernel_destroy(dev, k);
    return st;
}

void vulkan_kernel_destroy(struct hal_dev *dev, void *kernel)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_kernel *k = kernel;
    uint32_t i;

    if (!k)
        return;
    for (i = 0; i < k->n_images; i++)
        image_close(d, &k->images[i]);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
