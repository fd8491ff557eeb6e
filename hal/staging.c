/* SPDX-License-Identifier: Apache-2.0 */
/*
 * staging.c - page-locked chunks for copies between devices, kept for reuse.
 * A chunk that is out belongs to the copy that took it.
 */
#include "hal/internal.h"

#include <stdlib.h>

/* More are kept only while copies overlap that far. */
#define STAGING_KEEP 4u

void hal__staging_init(struct hal_staging *s)
{
    pthread_mutex_init(&s->lock, NULL);
    hal__list_init(&s->free);
}

static struct hal_chunk *pop_locked(struct hal_staging *s)
{
    struct hal_link *l = s->free.next;

    if (l == &s->free)
        return NULL;
    hal__list_remove(l);
    s->n_free--;
    return HAL_ITEM(l, struct hal_chunk, link);
}

static void chunk_free(struct hal_device *d, struct hal_chunk *chunk)
{
    hal__host_free(d, chunk->host, chunk->mem.impl, chunk->backend_host);
    free(chunk);
}

halError_t hal__staging_take(struct hal_device *d, struct hal_chunk **out)
{
    struct hal_staging *s = &d->staging;
    struct hal_chunk *chunk;
    halError_t st;

    pthread_mutex_lock(&s->lock);
    chunk = pop_locked(s);
    pthread_mutex_unlock(&s->lock);
    if (chunk) {
        *out = chunk;
        return halSuccess;
    }
    chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return hal_fail(halErrorHostMemory, "a staging chunk");
    hal__list_init(&chunk->link);
    st = hal__host_alloc(d, HAL_CHUNK_BYTES, halHostAllocDefault, &chunk->host,
                         &chunk->mem, &chunk->backend_host);
    if (st != halSuccess) {
        free(chunk);
        return st;
    }
    *out = chunk;
    return halSuccess;
}

void hal__staging_give(struct hal_device *d, struct hal_chunk *chunk)
{
    struct hal_staging *s = &d->staging;

    if (!chunk)
        return;
    /* Listed, not freed, for this may be a thread of the backend's. */
    pthread_mutex_lock(&s->lock);
    hal__list_add(&s->free, &chunk->link);
    s->n_free++;
    pthread_mutex_unlock(&s->lock);
}

void hal__staging_trim(struct hal_device *d)
{
    struct hal_staging *s = &d->staging;

    for (;;) {
        struct hal_chunk *chunk = NULL;

        pthread_mutex_lock(&s->lock);
        if (s->n_free > STAGING_KEEP)
            chunk = pop_locked(s);
        pthread_mutex_unlock(&s->lock);
        if (!chunk)
            return;
        chunk_free(d, chunk);
    }
}

void hal__staging_close(struct hal_device *d)
{
    struct hal_staging *s = &d->staging;
    struct hal_chunk *chunk;

    pthread_mutex_lock(&s->lock);
    while ((chunk = pop_locked(s)))
        chunk_free(d, chunk);
    pthread_mutex_unlock(&s->lock);
}
