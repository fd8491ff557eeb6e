/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage.c - page-locked buffers for copies from plain memory to a busy stream,
 * in pieces that are kept until the device is closed.  Invariant: a piece in
 * the list is read by enqueued copies of one stream at most, below `used`, and
 * by none once its event is done.
 */
#include "backends/cuda/cuda.h"

#include <stdlib.h>

/* 64 MiB in all: what a stream that is held back can be given meanwhile. */
#define STAGES_MAX 16

/* When each of these is some stream's, what is small still gets a small piece,
 * 16 MiB in all: it shall not wait for a stream because 16 others wait. */
#define SMALL_STAGES_MAX 256

/* Copies start here, as those of device memory do. */
#define STAGE_ALIGN ((uint64_t)64)

/* Less room than this is not worth a copy of its own. */
#define ROOM_MIN_BYTES ((uint64_t)64 << 10)

static void stage_destroy(struct cuda_stage *stage)
{
    if (stage && stage->host)
        (void)cuda_cu.MemFreeHost(stage->host);
    if (stage && stage->done)
        (void)cuda_cu.EventDestroy(stage->done);
    free(stage);
}

static struct cuda_stage *stage_create(uint64_t bytes)
{
    struct cuda_stage *stage = calloc(1, sizeof *stage);
    void *host = NULL;

    if (!stage)
        return NULL;
    if (cuda_cu.EventCreate(&stage->done, CUDA_EVENT_BLOCKING_SYNC |
                                              CUDA_EVENT_DISABLE_TIMING) ==
            CUDA_OK &&
        cuda_cu.MemHostAlloc(&host, bytes, CUDA_HOST_ALLOC_PORTABLE) ==
            CUDA_OK) {
        stage->host = host;
        stage->bytes = bytes;
        return stage;
    }
    stage_destroy(stage);
    return NULL;
}

/* Makes room for `size` bytes, behind what the stream's own copies have yet to
 * read, or in a piece that none reads any more. */
static bool stage_suits(struct cuda_stage *stage, const struct cuda_stream *s,
                        uint64_t size)
{
    uint64_t at = (stage->used + STAGE_ALIGN - 1) / STAGE_ALIGN * STAGE_ALIGN;

    if (stage->bytes < CUDA_STAGE_BYTES && stage->bytes < size)
        return false; /* for what is small */
    if (stage->of == s && at < stage->bytes &&
        (stage->bytes - at >= size || stage->bytes - at >= ROOM_MIN_BYTES)) {
        stage->used = at;
        return true;
    }
    if (stage->used && cuda_cu.EventQuery(stage->done) != CUDA_OK)
        return false;
    stage->used = 0;
    return true;
}

struct cuda_stage *cuda_stage_take(const struct cuda_stream *s, uint64_t size)
{
    struct cuda_dev *dev = s->dev;
    struct cuda_stage **at, *stage = NULL;
    unsigned *n_grown = NULL;

    pthread_mutex_lock(&dev->stage_lock);
    for (at = &dev->stages; *at && !stage;) {
        if (stage_suits(*at, s, size)) {
            stage = *at;
            *at = stage->next;
        } else {
            at = &(*at)->next;
        }
    }
    if (!stage && dev->n_stages < STAGES_MAX)
        n_grown = &dev->n_stages;
    else if (!stage && size <= CUDA_SMALL_STAGE_BYTES &&
             dev->n_small_stages < SMALL_STAGES_MAX)
        n_grown = &dev->n_small_stages;
    if (n_grown)
        ++*n_grown; /* it counts from here on */
    pthread_mutex_unlock(&dev->stage_lock);
    if (n_grown) {
        stage =
            stage_create(n_grown == &dev->n_stages ? CUDA_STAGE_BYTES
                                                   : CUDA_SMALL_STAGE_BYTES);
        if (!stage) {
            pthread_mutex_lock(&dev->stage_lock);
            --*n_grown;
            pthread_mutex_unlock(&dev->stage_lock);
        }
    }
    if (stage)
        stage->of = s;
    return stage;
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
    while (dev->stages) {
        struct cuda_stage *stage = dev->stages;

        dev->stages = stage->next;
        stage_destroy(stage);
    }
}
