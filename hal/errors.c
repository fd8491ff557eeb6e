/* SPDX-License-Identifier: Apache-2.0 */
/*
 * errors.c - the list of errors as text, and what each thread remembers of its
 * last failure.  Invariant: the detail is written by hal_fail() alone.
 */
#include "hal/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const error_names[] = {
#define X(value, name, text) [value] = "halError" #name,
#include "hal/errors.def"
#undef X
};

static const char *const error_texts[] = {
#define X(value, name, text) [value] = text,
#include "hal/errors.def"
#undef X
};

#define N_ERRORS (sizeof error_names / sizeof error_names[0])

static _Thread_local struct {
    halError_t last;
    char detail[HAL_DETAIL_BYTES];
} thread;

/* Deferred errors are rare: one lock serves them all. */
static pthread_mutex_t deferred_lock = PTHREAD_MUTEX_INITIALIZER;

const char *halGetErrorName(halError_t error)
{
    unsigned i = (unsigned)error;

    if (error == halSuccess)
        return "halSuccess";
    return i < N_ERRORS && error_names[i] ? error_names[i] : "halErrorUnknown";
}

const char *halGetErrorString(halError_t error)
{
    unsigned i = (unsigned)error;

    return i < N_ERRORS && error_texts[i] ? error_texts[i] : "unknown error";
}

halError_t halGetLastError(void)
{
    halError_t last = thread.last;

    thread.last = halSuccess;
    return last;
}

halError_t halPeekAtLastError(void)
{
    return thread.last;
}

const char *halGetErrorDetail(void)
{
    return thread.detail;
}

halError_t hal_fail(halError_t error, const char *format, ...)
{
    char text[HAL_DETAIL_BYTES]; /* arguments may point into the old detail */
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    memcpy(thread.detail, text, strlen(text) + 1);
    return error;
}

halError_t hal__done(halError_t st)
{
    if (st != halSuccess && st != halErrorNotReady)
        thread.last = st;
    if (hal__entered.n)
        hal__device_leave_all();
    return st;
}

halError_t hal_done(halError_t error)
{
    return hal__done(error);
}

void hal__deferred_set(struct hal_deferred *d, halError_t st)
{
    pthread_mutex_lock(&deferred_lock);
    if (!atomic_load(&d->error)) {
        memcpy(d->text, thread.detail, sizeof d->text);
        atomic_store(&d->error, (int)st);
    }
    pthread_mutex_unlock(&deferred_lock);
}

halError_t hal__deferred_take(struct hal_deferred *d)
{
    halError_t st = halSuccess;

    if (!atomic_load_explicit(&d->error, memory_order_relaxed))
        return halSuccess;
    pthread_mutex_lock(&deferred_lock);
    st = (halError_t)atomic_exchange(&d->error, 0);
    if (st != halSuccess)
        memcpy(thread.detail, d->text, sizeof d->text);
    pthread_mutex_unlock(&deferred_lock);
    return st;
}
