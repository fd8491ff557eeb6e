/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.c - backend events with a count of who holds them.
 *
 * Invariant: a record that somebody besides its event holds is never recorded
 * again, so a wait that was asked for before a new record keeps its meaning.
 */
#include "hal/internal.h"

#include <stdlib.h>

halError_t hal__record_create(struct hal_device *d, int timing,
                              struct hal_record **out_record)
{
    struct hal_record *r = calloc(1, sizeof *r);
    halError_t st;

    if (!r)
        return hal_fail(halErrorHostMemory, "an event of %zu bytes", sizeof *r);
    st = hal__device_check(d, d->ops->event_create(d->dev, timing, &r->impl));
    if (st != halSuccess) {
        free(r);
        return st;
    }
    r->dev = d;
    r->refs = 1;
    pthread_mutex_lock(&d->record_lock);
    hal__list_add(&d->records, &r->link);
    pthread_mutex_unlock(&d->record_lock);
    *out_record = r;
    return halSuccess;
}

void hal__record_retain(struct hal_record *r)
{
    pthread_mutex_lock(&r->dev->record_lock);
    r->refs++;
    pthread_mutex_unlock(&r->dev->record_lock);
}

/* Drops one reference; the lock is held and is given up. */
static void release_unlock(struct hal_record *r)
{
    struct hal_device *d = r->dev;
    int last = --r->refs == 0;

    if (last) {
        hal__list_remove(&r->link);
        /* With the lock held: a thread of another device's may be the last,
         * and a reset looks through the list before it closes d. */
        if (r->impl)
            d->ops->event_destroy(d->dev, r->impl);
    }
    pthread_mutex_unlock(&d->record_lock);
    if (last)
        free(r);
}

void hal__record_release(struct hal_record *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->dev->record_lock);
    release_unlock(r);
}

halError_t hal__record_wait(struct hal_record *r)
{
    struct hal_device *d = r->dev;
    halError_t st = halSuccess;

    pthread_mutex_lock(&d->record_lock);
    if (r->impl) { /* NULL: the device was reset, so the work is done */
        r->n_waiting++;
        pthread_mutex_unlock(&d->record_lock);
        st = hal__device_check(d, d->ops->event_sync(d->dev, r->impl));
        pthread_mutex_lock(&d->record_lock);
        if (--r->n_waiting == 0)
            pthread_cond_broadcast(&d->record_idle);
    }
    pthread_mutex_unlock(&d->record_lock);
    return st;
}

void hal__record_settle_all(struct hal_device *d)
{
    struct hal_link *l, *next;

    pthread_mutex_lock(&d->record_lock);
    for (l = d->records.next; l != &d->records; l = next) {
        struct hal_record *r = HAL_ITEM(l, struct hal_record, link);
        void *impl;

        /* Who waits is about to find the work done. */
        r->refs++;
        while (r->n_waiting)
            pthread_cond_wait(&d->record_idle, &d->record_lock);
        impl = r->impl;
        r->impl = NULL;
        if (impl)
            d->ops->event_destroy(d->dev, impl);
        next = l->next;
        if (--r->refs == 0) {
            hal__list_remove(l);
            free(r);
        }
    }
    pthread_mutex_unlock(&d->record_lock);
}
