/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeline.c - timeline semaphores: their values, the errors of work that
 * nobody waits for, and their next life.  Invariant: a timeline whose last user
 * has gone is kept until the device closes (see quirks.c).
 */
#include <stdio.h>
#include <stdlib.h>

#include "backends/vulkan/vulkan.h"

/* How long one wait lasts before it looks whether the device was lost. */
#define WAIT_SLICE_NS 100000000ull

void vulkan_timeline_retain(struct vulkan_timeline *t)
{
    atomic_fetch_add(&t->refs, 1);
}

static void timeline_destroy(struct vulkan_dev *d, struct vulkan_timeline *t)
{
    if (!t)
        return;
    if (t->sem)
        d->fn.DestroySemaphore(d->handle, t->sem, NULL);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void vulkan_timeline_release(struct vulkan_dev *d, struct vulkan_timeline *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    pthread_mutex_lock(&d->spare_lock);
    t->next = d->timelines;
    d->timelines = t;
    pthread_mutex_unlock(&d->spare_lock);
}

void vulkan_timelines_close(struct vulkan_dev *d)
{
    while (d->timelines) {
        struct vulkan_timeline *t = d->timelines;

        d->timelines = t->next;
        timeline_destroy(d, t);
    }
}

/* A spare one all of whose values are reached, or NULL. */
static struct vulkan_timeline *timeline_reuse(struct vulkan_dev *d)
{
    struct vulkan_timeline **at, *t = NULL;

    pthread_mutex_lock(&d->spare_lock);
    for (at = &d->timelines; *at; at = &(*at)->next) {
        t = *at;
        if (atomic_load(&t->done) == atomic_load(&t->submitted)) {
            *at = t->next;
            break;
        }
        t = NULL;
    }
    pthread_mutex_unlock(&d->spare_lock);
    if (t) {
        atomic_store(&t->refs, 1);
        t->error = halSuccess;
    }
    return t;
}

halError_t vulkan_timeline_create(struct vulkan_dev *d,
                                  struct vulkan_timeline **out_timeline)
{
    const VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    const VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type
    };
    struct vulkan_timeline *t = timeline_reuse(d);
    halError_t st = halSuccess;
    VkResult r;

    if (t) {
        *out_timeline = t;
        return halSuccess;
    }
    t = calloc(1, sizeof *t);
    if (!t)
        return hal_fail(halErrorHostMemory, "vulkan: %zu bytes", sizeof *t);
    atomic_init(&t->refs, 1);
    pthread_mutex_init(&t->lock, NULL);
    r = d->fn.CreateSemaphore(d->handle, &info, NULL, &t->sem);
    if (r != VK_SUCCESS) {
        t->sem = VK_NULL_HANDLE;
        st = vulkan_fail(d, r, "CreateSemaphore");
        goto out;
    }
    *out_timeline = t;
    t = NULL;
out:
    timeline_destroy(d, t);
    return st;
}

static void timeline_saw(struct vulkan_timeline *t, uint64_t value)
{
    uint64_t old = atomic_load(&t->done);

    while (old < value && !atomic_compare_exchange_weak(&t->done, &old, value))
        ;
}

int vulkan_timeline_reached(struct vulkan_dev *d, struct vulkan_timeline *t,
                            uint64_t value)
{
    uint64_t now = 0;

    if (atomic_load(&t->done) >= value)
        return 1;
    if (atomic_load(&d->lost))
        return 1;
    if (d->fn.GetSemaphoreCounterValue(d->handle, t->sem, &now) != VK_SUCCESS)
        return 0; /* the wait will say what is wrong */
    timeline_saw(t, now);
    (void)atomic_load(&t->hosted);
    return now >= value;
}

halError_t vulkan_timeline_wait(struct vulkan_dev *d, struct vulkan_timeline *t,
                                uint64_t value)
{
    const VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &t->sem,
        .pValues = &value,
    };
    VkResult r = VK_TIMEOUT;

    if (atomic_load(&t->done) >= value && !atomic_load(&d->lost))
        return halSuccess;
    while (r == VK_TIMEOUT) {
        if (atomic_load(&d->lost))
            return vulkan_fail_lost();
        r = d->fn.WaitSemaphores(d->handle, &info, WAIT_SLICE_NS);
    }
    if (r != VK_SUCCESS)
        return vulkan_fail(d, r, "WaitSemaphores");
    timeline_saw(t, value);
    (void)atomic_load(&t->hosted);
    return halSuccess;
}

void vulkan_timeline_blame(struct vulkan_timeline *t, halError_t error,
                           const char *message)
{
    pthread_mutex_lock(&t->lock);
    if (t->error == halSuccess) {
        t->error = error;
        snprintf(t->message, sizeof t->message, "%s", message);
    }
    pthread_mutex_unlock(&t->lock);
}

halError_t vulkan_timeline_take(struct vulkan_timeline *t)
{
    halError_t st = halSuccess;

    pthread_mutex_lock(&t->lock);
    if (t->error != halSuccess) {
        st = hal_fail(t->error, "%s", t->message);
        t->error = halSuccess;
    }
    pthread_mutex_unlock(&t->lock);
    return st;
}
