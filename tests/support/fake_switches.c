/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_switches.c - the failures that a test asks the fake backends for, and
 * the counts of what they did.
 */
#include "tests/support/fake_internal.h"

#include <stdlib.h>
#include <string.h>

struct fake_state fake_state = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .changed = PTHREAD_COND_INITIALIZER,
};

static unsigned fail_at, n_calls;
static int has_failed;
static halError_t fail_error;

static struct {
    const char *name;
    unsigned n;
} counts[40];

void fake_fail_at(unsigned n, halError_t error)
{
    pthread_mutex_lock(&fake_state.lock);
    fail_at = n;
    fail_error = error;
    n_calls = 0;
    has_failed = 0;
    pthread_mutex_unlock(&fake_state.lock);
}

unsigned fake_calls(void)
{
    unsigned n;

    pthread_mutex_lock(&fake_state.lock);
    n = n_calls;
    pthread_mutex_unlock(&fake_state.lock);
    return n;
}

int fake_has_failed(void)
{
    int has;

    pthread_mutex_lock(&fake_state.lock);
    has = has_failed;
    pthread_mutex_unlock(&fake_state.lock);
    return has;
}

void fake_fail_async(unsigned n, halError_t error)
{
    pthread_mutex_lock(&fake_state.lock);
    fake_state.async_at = n;
    fake_state.async_error = error;
    pthread_mutex_unlock(&fake_state.lock);
}

void fake_delay_us(unsigned us)
{
    pthread_mutex_lock(&fake_state.lock);
    fake_state.delay_us = us;
    pthread_mutex_unlock(&fake_state.lock);
}

void fake_hold(int hold)
{
    pthread_mutex_lock(&fake_state.lock);
    fake_state.is_held = hold;
    pthread_cond_broadcast(&fake_state.changed);
    pthread_mutex_unlock(&fake_state.lock);
}

void fake_alias(int on)
{
    pthread_mutex_lock(&fake_state.lock);
    fake_state.has_alias = on;
    pthread_mutex_unlock(&fake_state.lock);
}

long fake_live(void)
{
    long n;

    pthread_mutex_lock(&fake_state.lock);
    n = fake_state.n_live;
    pthread_mutex_unlock(&fake_state.lock);
    return n;
}

void fake_live_add(long change)
{
    pthread_mutex_lock(&fake_state.lock);
    fake_state.n_live += change;
    pthread_mutex_unlock(&fake_state.lock);
}

_Thread_local int fake_is_allocating;

void *fake_alloc(size_t alignment, size_t size)
{
    void *p;

    fake_is_allocating = 1;
    p = alignment ? aligned_alloc(alignment, size) : calloc(1, size);
    fake_is_allocating = 0;
    return p;
}

static void count_locked(const char *name)
{
    size_t i;

    for (i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (!counts[i].name)
            counts[i].name = name;
        if (!strcmp(counts[i].name, name)) {
            counts[i].n++;
            return;
        }
    }
}

unsigned fake_count(const char *name)
{
    unsigned n = 0;
    size_t i;

    pthread_mutex_lock(&fake_state.lock);
    for (i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (counts[i].name && !strcmp(counts[i].name, name))
            n = counts[i].n;
    pthread_mutex_unlock(&fake_state.lock);
    return n;
}

halError_t fake_enter(struct hal_dev *dev, const char *op)
{
    struct fake_dev *d = (struct fake_dev *)dev;
    halError_t st = halSuccess;

    pthread_mutex_lock(&fake_state.lock);
    count_locked(op);
    n_calls++;
    if (fail_at && n_calls == fail_at) {
        st = fail_error;
        has_failed = 1;
        if (st == halErrorDeviceLost)
            d->is_lost = 1;
    } else if (d->is_lost) {
        st = halErrorDeviceLost;
    }
    pthread_mutex_unlock(&fake_state.lock);
    return st == halSuccess ? st
                            : hal_fail(st, "fake: %s was made to fail", op);
}
