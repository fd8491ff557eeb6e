/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage.c - page-locked buffers for copies from plain memory to a busy stream.
 * Invariant: a stage in the list is used by no enqueued copy once its event is
 * done.  One is freed when the device is closed, or when it is idle and another
 * is wanted beyond the limit (cuMemFreeHost waits for the context).
 */
#include "backends/cuda/cuda.h"

#include <stdlib.h>

#define STAGE_MIN_BYTES ((uint64_t)1 << 20)
/* Beyond this a copy waits for an older one's stage instead. */
#define STAGES_MAX_BYTES ((uint64_t)256 << 20)

static halError_t stage_new(struct cuda_dev *dev, uint64_t size,
                            struct cuda_stage **out_stage)
{
    struct cuda_stage *stage = calloc(1, sizeof *stage);
    halError_t st = halSuccess;

    if (!stage)
        return hal_fail(halErrorHostMemory, "cuda: copy_in: %zu bytes",
                        sizeof *stage);
    stage->size = STAGE_MIN_BYTES;
    while (stage->size < size)
        stage->size *= 2;
    CUDA_OR_GOTO(
        out, st, dev,
        cuda_cu.EventCreate(&stage->done, CUDA_EVENT_BLOCKING_SYNC |
                                              CUDA_EVENT_DISABLE_TIMING));
    CUDA_OR_GOTO(out, st, dev,
                 cuda_cu.MemHostAlloc(&stage->host, (size_t)stage->size,
                                      CUDA_HOST_ALLOC_PORTABLE));
    *out_stage = stage;
    stage = NULL;
out:
    if (stage && stage->done)
        (void)cuda_cu.EventDestroy(stage->done);
    free(stage);
    return st;
}

/* The first free one that is large enough, out of the list. */
static struct cuda_stage *stage_find(struct cuda_dev *dev, uint64_t size)
{
    struct cuda_stage **at, *stage = NULL;

    pthread_mutex_lock(&dev->stage_lock);
    for (at = &dev->stages; *at; at = &(*at)->next)
        if ((*at)->size >= size && cuda_cu.EventQuery((*at)->done) == CUDA_OK) {
            stage = *at;
            *at = stage->next;
            break;
        }
    pthread_mutex_unlock(&dev->stage_lock);
    return stage;
}

/* The bytes count from the decision to make a stage to its end. */
static bool reserve(struct cuda_dev *dev, uint64_t size)
{
    bool ok;

    pthread_mutex_lock(&dev->stage_lock);
    ok = !dev->stages || dev->stage_bytes + size <= STAGES_MAX_BYTES;
    if (ok)
        dev->stage_bytes += size;
    pthread_mutex_unlock(&dev->stage_lock);
    return ok;
}

/* The oldest, once its work has ended; its memory makes room for another. */
static void evict(struct cuda_dev *dev)
{
    struct cuda_stage **at, *stage = NULL;

    pthread_mutex_lock(&dev->stage_lock);
    for (at = &dev->stages; *at; at = &(*at)->next)
        if (!(*at)->next) {
            stage = *at;
            *at = NULL;
            break;
        }
    if (stage)
        dev->stage_bytes -= stage->size;
    pthread_mutex_unlock(&dev->stage_lock);
    if (!stage)
        return;
    (void)cuda_cu.EventSynchronize(stage->done);
    (void)cuda_cu.MemFreeHost(stage->host);
    (void)cuda_cu.EventDestroy(stage->done);
    free(stage);
}

halError_t cuda_stage_take(struct cuda_dev *dev, uint64_t size,
                           struct cuda_stage **out_stage)
{
    struct cuda_stage *stage = stage_find(dev, size);
    uint64_t room = STAGE_MIN_BYTES;
    halError_t st;

    if (stage) {
        *out_stage = stage;
        return halSuccess;
    }
    while (room < size)
        room *= 2;
    while (!reserve(dev, room))
        evict(dev);
    st = stage_new(dev, size, out_stage);
    if (st != halSuccess) {
        pthread_mutex_lock(&dev->stage_lock);
        dev->stage_bytes -= room;
        pthread_mutex_unlock(&dev->stage_lock);
    }
    return st;
}

void cuda_stage_give(struct cuda_dev *dev, struct cuda_stage *stage)
{
    pthread_mutex_lock(&dev->stage_lock);
    stage->next = dev->stages;
    dev->stages = stage;
    pthread_mutex_unlock(&dev->stage_lock);
}

void cuda_stages_close(struct cuda_dev *dev)
{
    while (dev->stages)
        evict(dev);
}
