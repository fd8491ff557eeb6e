/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch.c - arguments to descriptors and push constants (docs/dialect.md, the
 * SPIR-V ABI), and the dispatch.  Invariant: everything that can be wrong with
 * a launch is found before the first command of it is recorded.
 */
#include <string.h>

#include "backends/vulkan/vulkan.h"

/* What one launch binds and pushes. */
struct binding {
    VkDescriptorBufferInfo buffers[HAL_PARAMS_MAX];
    VkWriteDescriptorSet writes[HAL_PARAMS_MAX];
    uint32_t n_buffers;
    /* The largest there can be: addresses for every parameter. */
    unsigned char push[HAL_PARAMS_MAX * 8];
    uint32_t push_bytes;
};

static void push_add(struct binding *to, const void *bytes, uint32_t size)
{
    to->push_bytes = (to->push_bytes + size - 1) / size * size;
    memcpy(to->push + to->push_bytes, bytes, size);
    to->push_bytes += size;
}

static void bind_addresses(const struct hal_kernel_desc *desc,
                           const struct hal_launch *launch, struct binding *to)
{
    uint32_t i;

    for (i = 0; i < desc->n_params; i++) {
        const union hal_arg *arg = &launch->args[i];

        if (desc->params[i].kind == HAL_PARAM_ARG) {
            push_add(to, &arg->scalar, 4);
        } else {
            const struct vulkan_mem *m = arg->buffer.mem;
            const uint64_t address = m->address + arg->buffer.offset;

            push_add(to, &address, 8);
        }
    }
}

/* A descriptor begins at a multiple of the device's alignment at or below the
 * pointer; the kernel adds the rest, counted in elements. */
static halError_t bind_buffers(const struct vulkan_dev *d,
                               const struct hal_kernel_desc *desc,
                               const struct hal_launch *launch,
                               struct binding *to)
{
    uint32_t offsets[HAL_PARAMS_MAX], i;

    for (i = 0; i < desc->n_params; i++)
        if (desc->params[i].kind == HAL_PARAM_ARG)
            push_add(to, &launch->args[i].scalar, 4);
    for (i = 0; i < desc->n_params; i++) {
        const struct hal_param *p = &desc->params[i];
        const union hal_arg *arg = &launch->args[i];
        const uint32_t unit = p->alignment ? p->alignment : 1;
        const struct vulkan_mem *m = arg->buffer.mem;
        uint64_t at, rest, range;

        if (p->kind == HAL_PARAM_ARG)
            continue;
        at = m->base + arg->buffer.offset;
        rest = at % d->offset_align;
        if (rest % unit)
            return hal_fail(halErrorInvalidArgument,
                            "kernel %s: argument %u (%s) lies at an offset of "
                            "%llu bytes, which is no multiple of %u",
                            desc->name, i, p->name,
                            (unsigned long long)arg->buffer.offset, unit);
        /* Whole words: packed kernels read the last one in full.  The
         * allocation goes on to a multiple of VULKAN_MEM_ALIGN. */
        range = (rest + arg->buffer.avail + 3) & ~(uint64_t)3;
        if (range > m->base + m->size - (at - rest))
            range = m->base + m->size - (at - rest);
        if (range > d->range_max)
            range = d->range_max & ~(uint64_t)3;
        offsets[to->n_buffers] = (uint32_t)(rest / unit);
        to->buffers[to->n_buffers] = (VkDescriptorBufferInfo){
            .buffer = m->buffer, .offset = at - rest, .range = range
        };
        to->writes[to->n_buffers] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .pBufferInfo = &to->buffers[to->n_buffers],
        };
        to->n_buffers++;
    }
    for (i = 0; i < to->n_buffers; i++)
        push_add(to, &offsets[i], 4);
    return halSuccess;
}

/* The default image, unless a buffer is too large to bind and there is one
 * that takes addresses. */
static struct vulkan_image *image_pick(const struct vulkan_dev *d,
                                       struct vulkan_kernel *k,
                                       const struct hal_launch *launch)
{
    uint32_t i;

    if (k->n_images < 2)
        return &k->images[0];
    for (i = 0; i < k->desc->n_params; i++)
        if (k->desc->params[i].kind != HAL_PARAM_ARG &&
            launch->args[i].buffer.avail + d->offset_align > d->range_max)
            return &k->images[1];
    return &k->images[0];
}

/* Allocates, writes and binds one set. */
static halError_t set_bind(struct vulkan_stream *s, struct vulkan_batch *b,
                           const struct vulkan_image *img, struct binding *with)
{
    struct vulkan_dev *d = s->d;
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = b->descs,
        .descriptorSetCount = 1,
        .pSetLayouts = &img->set_layout,
    };
    VkDescriptorSet set;
    halError_t st = halSuccess;
    uint32_t i;

    VULKAN_OR_GOTO(out, st, d,
                   d->fn.AllocateDescriptorSets(d->handle, &info, &set));
    for (i = 0; i < with->n_buffers; i++)
        with->writes[i].dstSet = set;
    d->fn.UpdateDescriptorSets(d->handle, with->n_buffers, with->writes, 0,
                               NULL);
    d->fn.CmdBindDescriptorSets(b->cmd, VK_PIPELINE_BIND_POINT_COMPUTE,
                                img->layout, 0, 1, &set, 0, NULL);
out:
    return st;
}

static halError_t dispatch_locked(struct vulkan_stream *s,
                                  const struct vulkan_image *img,
                                  VkPipeline pipeline, struct binding *with,
                                  const uint32_t grid[3])
{
    struct vulkan_dev *d = s->d;
    struct vulkan_batch *b;
    halError_t st = vulkan_batch_begin_locked(s, &b);

    if (st != halSuccess)
        return st;
    if (with->n_buffers && d->push_desc) {
        d->fn.CmdPushDescriptorSetKHR(b->cmd, VK_PIPELINE_BIND_POINT_COMPUTE,
                                      img->layout, 0, with->n_buffers,
                                      with->writes);
    } else if (with->n_buffers) {
        st = set_bind(s, b, img, with);
        if (st != halSuccess)
            return st;
    }
    d->fn.CmdBindPipeline(b->cmd, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    if (with->push_bytes)
        d->fn.CmdPushConstants(b->cmd, img->layout, VK_SHADER_STAGE_COMPUTE_BIT,
                               0, with->push_bytes, with->push);
    vulkan_batch_barrier(s, b);
    d->fn.CmdDispatch(b->cmd, grid[0], grid[1], grid[2]);
    return vulkan_batch_commit_locked(s);
}

halError_t vulkan_launch(struct hal_dev *dev, void *stream, void *kernel,
                         const struct hal_launch *launch)
{
    struct vulkan_dev *d = vulkan_dev_of(dev);
    struct vulkan_stream *s = stream;
    struct vulkan_kernel *k = kernel;
    struct vulkan_image *img = image_pick(d, k, launch);
    struct binding with;
    VkPipeline pipeline;
    halError_t st;

    with.n_buffers = with.push_bytes = 0;
    if (img->bda) {
        bind_addresses(k->desc, launch, &with);
    } else {
        st = bind_buffers(d, k->desc, launch, &with);
        if (st != halSuccess)
            return st;
    }
    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    st = vulkan_image_pipeline(d, k, img, &pipeline);
    if (st != halSuccess)
        return st;
    pthread_mutex_lock(&s->lock);
    st = dispatch_locked(s, img, pipeline, &with, launch->grid);
    pthread_mutex_unlock(&s->lock);
    return st;
}
