/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.c - batches: command buffers with what they must keep alive.  Commands
 * gather in the open batch; it is submitted when fewer than two are in flight,
 * when it is full, when somebody asks about the stream, or by the flusher soon
 * after.  Invariant: batches reach the queue in the order of their values.
 */
#include <stdlib.h>

#include "backends/vulkan/vulkan.h"

/* A second batch in flight hides the submission of the next one; a third would
 * only make batches smaller. */
#define FLIGHT_WANTED 2u

void vulkan_batch_destroy(struct vulkan_stream *s, struct vulkan_batch *b)
{
    struct vulkan_dev *d = s->d;

    if (!b)
        return;
    if (b->descs)
        d->fn.DestroyDescriptorPool(d->handle, b->descs, NULL);
    vulkan_pool_give(d, b->stage);
    free(b); /* the command buffer dies with the pool */
}

static halError_t batch_create(struct vulkan_stream *s,
                               struct vulkan_batch **out_batch)
{
    struct vulkan_dev *d = s->d;
    const VkCommandBufferAllocateInfo cmd = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = s->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    const VkDescriptorPoolSize size = {
        .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .descriptorCount = VULKAN_BATCH_CMDS * HAL_PARAMS_MAX,
    };
    const VkDescriptorPoolCreateInfo descs = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = VULKAN_BATCH_CMDS,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    struct vulkan_batch *b = calloc(1, sizeof *b);
    halError_t st = halSuccess;

    if (!b)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *b);
    b->held.kind = VULKAN_HELD_BATCH;
    if (!d->push_desc)
        VULKAN_OR_GOTO(
            out, st, d,
            d->fn.CreateDescriptorPool(d->handle, &descs, NULL, &b->descs));
    VULKAN_OR_GOTO(out, st, d,
                   d->fn.AllocateCommandBuffers(d->handle, &cmd, &b->cmd));
    *out_batch = b;
    b = NULL;
out:
    vulkan_batch_destroy(s, b);
    return st;
}

void vulkan_batch_recycle_locked(struct vulkan_stream *s,
                                 struct vulkan_batch *b)
{
    struct vulkan_dev *d = s->d;
    unsigned i;

    for (i = 0; i < b->n_waits; i++)
        vulkan_timeline_release(d, b->waits[i]);
    for (i = 0; i < b->n_stamps; i++)
        vulkan_stamp_release(d, b->stamps[i]);
    while (b->mems) {
        struct vulkan_mem *m = b->mems;

        b->mems = m->chain;
        vulkan_pool_give(d, m);
    }
    b->n_waits = b->n_stamps = b->n_cmds = 0;
    b->stage_used = 0;
    if (b->descs)
        (void)d->fn.ResetDescriptorPool(d->handle, b->descs, 0);
    b->next = s->idle;
    s->idle = b;
}

halError_t vulkan_batch_begin_locked(struct vulkan_stream *s,
                                     struct vulkan_batch **out_batch)
{
    static const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    struct vulkan_dev *d = s->d;
    struct vulkan_batch *b = s->open;
    halError_t st = halSuccess;

    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    if (b) {
        *out_batch = b;
        return halSuccess;
    }
    if (s->idle) {
        b = s->idle;
        s->idle = b->next;
    } else {
        st = batch_create(s, &b);
        if (st != halSuccess)
            return st;
    }
    VULKAN_OR_GOTO(out, st, d, d->fn.BeginCommandBuffer(b->cmd, &info));
    s->open = b;
    *out_batch = b;
    b = NULL;
out:
    if (b) {
        b->next = s->idle;
        s->idle = b;
    }
    return st;
}

void vulkan_batch_barrier(struct vulkan_stream *s, struct vulkan_batch *b)
{
    static const VkMemoryBarrier all = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask =
            VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask =
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
            VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
    };
    const VkPipelineStageFlags stages =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;

    s->d->fn.CmdPipelineBarrier(b->cmd, stages, stages, 0, 1, &all, 0, NULL, 0,
                                NULL);
}

halError_t vulkan_batch_stage(struct vulkan_stream *s, struct vulkan_batch *b,
                              uint64_t size, struct vulkan_mem **out_mem,
                              uint64_t *out_offset)
{
    struct vulkan_dev *d = s->d;
    struct vulkan_mem *m = NULL;
    halError_t st;

    if (size <= VULKAN_STAGE_BYTES - b->stage_used) {
        if (!b->stage) {
            st = vulkan_pool_take(d, &d->host_pool, VULKAN_STAGE_BYTES, 0,
                                  &b->stage);
            if (st != halSuccess)
                return st;
        }
        *out_mem = b->stage;
        *out_offset = b->stage_used;
        b->stage_used += (size + 15) & ~(uint64_t)15;
        if (b->stage_used > VULKAN_STAGE_BYTES)
            b->stage_used = VULKAN_STAGE_BYTES;
        return halSuccess;
    }
    st = vulkan_pool_take(d, &d->host_pool, size, 0, &m);
    if (st != halSuccess)
        return st;
    m->chain = b->mems;
    b->mems = m;
    *out_mem = m;
    *out_offset = 0;
    return halSuccess;
}

halError_t vulkan_batch_submit(struct vulkan_stream *s, struct vulkan_batch *b)
{
    struct vulkan_dev *d = s->d;
    VkSemaphore sems[VULKAN_BATCH_WAITS];
    VkPipelineStageFlags stages[VULKAN_BATCH_WAITS];
    const VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .waitSemaphoreValueCount = b->n_waits,
        .pWaitSemaphoreValues = b->wait_values,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &b->value,
    };
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &values,
        .waitSemaphoreCount = b->n_waits,
        .pWaitSemaphores = sems,
        .pWaitDstStageMask = stages,
        .commandBufferCount = 1,
        .pCommandBuffers = &b->cmd,
        .signalSemaphoreCount = 1,
        .pSignalSemaphores = &s->timeline->sem,
    };
    VkResult r;
    unsigned i;

    if (atomic_load(&d->lost))
        return vulkan_fail_lost();
    for (i = 0; i < b->n_waits; i++) {
        sems[i] = b->waits[i]->sem;
        stages[i] = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    }
    pthread_mutex_lock(&s->queue->lock);
    r = d->fn.QueueSubmit(s->queue->handle, 1, &info, VK_NULL_HANDLE);
    if (r == VK_SUCCESS)
        atomic_store(&s->timeline->submitted, b->value);
    pthread_mutex_unlock(&s->queue->lock);
    if (r != VK_SUCCESS)
        return vulkan_fail(d, r, "QueueSubmit");
    return halSuccess;
}

void vulkan_batch_flying_locked(struct vulkan_stream *s, struct vulkan_batch *b)
{
    b->next = NULL;
    if (s->flight)
        s->flight_last->next = b;
    else
        s->flight = b;
    s->flight_last = b;
    s->n_flight++;
}

void vulkan_stream_retire_locked(struct vulkan_stream *s)
{
    while (s->flight &&
           vulkan_timeline_reached(s->d, s->timeline, s->flight->value)) {
        struct vulkan_batch *b = s->flight;

        s->flight = b->next;
        s->n_flight--;
        vulkan_batch_recycle_locked(s, b);
    }
}

int vulkan_stream_idle_locked(struct vulkan_stream *s)
{
    vulkan_stream_retire_locked(s);
    return !s->n_held && !s->flight &&
           (!s->open || (!s->open->n_cmds && !s->open->n_waits)) &&
           vulkan_timeline_reached(s->d, s->timeline, s->value);
}

/* Ends the open batch.  It makes what it wrote visible to the host: a
 * semaphore alone does not. */
static halError_t batch_end(struct vulkan_stream *s, struct vulkan_batch *b)
{
    static const VkMemoryBarrier to_host = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask =
            VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT,
    };
    struct vulkan_dev *d = s->d;
    halError_t st = halSuccess;

    d->fn.CmdPipelineBarrier(
        b->cmd,
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
        VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &to_host, 0, NULL, 0, NULL);
    VULKAN_OR_GOTO(out, st, d, d->fn.EndCommandBuffer(b->cmd));
out:
    return st;
}

/* On failure the batch's commands are lost. */
static halError_t flush_locked(struct vulkan_stream *s)
{
    struct vulkan_batch *b = s->open;
    halError_t st;

    s->armed = 0;
    if (!b || (!b->n_cmds && !b->n_waits))
        return halSuccess;
    s->open = NULL;
    st = batch_end(s, b);
    if (st != halSuccess)
        goto out;
    b->value = s->value + 1;
    if (s->n_held) {
        s->value++;
        vulkan_held_push_locked(s, &b->held);
        return halSuccess;
    }
    st = vulkan_batch_submit(s, b);
    if (st != halSuccess)
        goto out;
    s->value++;
    vulkan_batch_flying_locked(s, b);
    return halSuccess;
out:
    vulkan_batch_recycle_locked(s, b);
    return st;
}

/* The lost commands' calls have returned: the stream's next sync reports. */
static void blame(struct vulkan_stream *s, halError_t st)
{
    if (st != halErrorDeviceLost)
        vulkan_timeline_blame(s->timeline, st, halGetErrorDetail());
}

/* What fails is earlier work, which the stream's timeline keeps for the next
 * sync or query: the caller's own op does not fail for it, unless the device is
 * lost, or its time stamp was in the batch. */
halError_t vulkan_stream_flush_locked(struct vulkan_stream *s)
{
    const struct vulkan_batch *b = s->open;
    const int is_own = b && b->n_stamps;
    const int has_others = b && (b->n_cmds > b->n_stamps || b->n_waits);
    halError_t st = flush_locked(s);

    if (st == halSuccess)
        return halSuccess;
    if (has_others)
        blame(s, st);
    return is_own || st == halErrorDeviceLost ? st : halSuccess;
}

/* As above, but the batch's last command is the caller's. */
static halError_t commit_flush_locked(struct vulkan_stream *s)
{
    const int has_others = s->open->n_cmds > 1 || s->open->n_waits;
    halError_t st = flush_locked(s);

    if (st != halSuccess && has_others)
        blame(s, st);
    return st;
}

halError_t vulkan_batch_commit_locked(struct vulkan_stream *s)
{
    struct vulkan_batch *b = s->open;

    b->n_cmds++;
    if (b->n_cmds >= VULKAN_BATCH_CMDS)
        return commit_flush_locked(s);
    vulkan_stream_retire_locked(s);
    if (s->n_flight < FLIGHT_WANTED && !s->n_held)
        return commit_flush_locked(s);
    if (!s->armed) {
        s->armed = 1;
        vulkan_flusher_wake(s->d);
    }
    return halSuccess;
}
