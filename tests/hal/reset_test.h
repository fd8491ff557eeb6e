/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reset_test.h - a device that is reset over and over while other threads use
 * it in every way.  Their calls may fail, with errors that say so; nothing
 * crashes, hangs or stays behind.  Meant for the sanitizers too.
 */
#ifndef TESTS_HAL_RESET_TEST_H
#define TESTS_HAL_RESET_TEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hal/hal.h"

enum {
    RESET_THREADS = 4,
    RESET_PART = 256, /* of a block, a thread's own */
    RESET_BYTES = RESET_THREADS * RESET_PART,
    RESET_LIMIT_S = 120
};

static struct {
    int device, other; /* `other` has memory and streams of its own */
    const void *image; /* with a kernel "scale"; NULL: no modules */
    size_t image_size;
    atomic_int is_over, n_bad, n_good;
    /* What the threads take from each other, alive or not. */
    _Atomic(void *) mem, stream, event;
} reset_shared;

/* What a thread uses of a block that all have: blocks come and go as they like,
 * and yet no byte is used by two, which the thread sanitizer would see. */
static _Thread_local size_t reset_offset;

static inline void *reset_part(void)
{
    char *p = atomic_load(&reset_shared.mem);

    return p ? p + reset_offset : NULL;
}

/* A call either works, or fails as one does beside a reset. */
static inline int reset_try(halError_t st, const char *call, int line)
{
    switch (st) {
    case halSuccess:
        atomic_fetch_add(&reset_shared.n_good, 1);
        return 1;
    case halErrorNotReady:
    case halErrorBadState:
    case halErrorInvalidHandle:
    case halErrorInvalidPointer:
    case halErrorInvalidArgument:
    case halErrorPeerAccess:
        return 0;
    default:
        fprintf(stderr, "line %d: %s: %s: %s\n", line, call,
                halGetErrorName(st), halGetErrorDetail());
        atomic_fetch_add(&reset_shared.n_bad, 1);
        return 0;
    }
}
#define TRY(call) reset_try((call), #call, __LINE__)

static inline void reset_use_memory(void)
{
    char host[RESET_BYTES] = "";
    void *p = NULL, *q = NULL, *pinned = NULL;
    size_t has, total;

    if (TRY(halMalloc(&p, RESET_BYTES))) {
        (void)TRY(halMemcpy(p, host, RESET_BYTES, halMemcpyHostToDevice));
        (void)TRY(halMemset(p, 3, RESET_BYTES));
        (void)TRY(halMemcpy(host, p, RESET_BYTES, halMemcpyDeviceToHost));
        q = atomic_exchange(&reset_shared.mem, p);
        if (q)
            (void)TRY(halFree(q));
    }
    if (TRY(halMallocAsync(&p, RESET_BYTES, NULL))) {
        (void)TRY(halMemsetAsync(p, 1, RESET_BYTES, NULL));
        (void)TRY(halFreeAsync(p, NULL));
    }
    if (TRY(halHostAlloc(&pinned, RESET_BYTES, halHostAllocPortable)))
        (void)TRY(halFreeHost(pinned));
    (void)TRY(halMemGetInfo(&has, &total));
}

static inline void reset_use_streams(void)
{
    char host[RESET_PART];
    halStream_t s, s_old;
    halEvent_t e, e_old;
    void *p = reset_part();

    if (TRY(halStreamCreate(&s))) {
        s_old = atomic_exchange(&reset_shared.stream, s);
        if (s_old)
            (void)TRY(halStreamDestroy(s_old));
    }
    if (TRY(halEventCreate(&e))) {
        e_old = atomic_exchange(&reset_shared.event, e);
        if (e_old)
            (void)TRY(halEventDestroy(e_old));
    }
    s = atomic_load(&reset_shared.stream);
    e = atomic_load(&reset_shared.event);
    if (!s || !e || !p)
        return;
    if (TRY(halMemsetAsync(p, 1, RESET_PART, s)) && TRY(halEventRecord(e, s)) &&
        TRY(halStreamWaitEvent(s, e, 0)))
        (void)TRY(halEventSynchronize(e));
    (void)TRY(halMemcpyAsync(host, p, RESET_PART, halMemcpyDeviceToHost, s));
    (void)TRY(halEventQuery(e));
    (void)TRY(halStreamSynchronize(s));
    (void)TRY(halDeviceSynchronize());
}

static inline void reset_use_kernels(void)
{
    void *p = reset_part();
    float a = 1;
    unsigned n = RESET_PART / 4;
    void *args[] = { &p, &a, &n };
    halFunction_t f;
    halModule_t m;

    if (!reset_shared.image || !TRY(halModuleLoadData(&m, reset_shared.image,
                                                      reset_shared.image_size)))
        return;
    if (TRY(halModuleGetFunction(&f, m, "scale")))
        (void)TRY(halLaunchKernel(f, (halDim3){ 1, 1, 1 }, (halDim3){ 0, 0, 0 },
                                  args, 0, NULL));
    (void)TRY(halModuleUnload(m));
}

/* From the other device: its pointers, copies, waits and peer access. */
static inline void reset_use_across(void)
{
    void *p = reset_part(), *own = NULL;
    halEvent_t e = atomic_load(&reset_shared.event);
    halStream_t s;

    (void)TRY(halSetDevice(reset_shared.other));
    (void)TRY(halMalloc(&own, RESET_PART));
    (void)TRY(halStreamCreate(&s));
    (void)TRY(halDeviceEnablePeerAccess(reset_shared.device, 0));
    if (e)
        (void)TRY(halStreamWaitEvent(s, e, 0));
    if (p && p != own) { /* a stale address may be given out again */
        (void)TRY(
            halMemcpyAsync(own, p, RESET_PART, halMemcpyDeviceToDevice, s));
        (void)TRY(halMemcpy(p, own, RESET_PART, halMemcpyDeviceToDevice));
        p = atomic_exchange(&reset_shared.mem, NULL);
        if (p)
            (void)TRY(halFree(p));
    }
    (void)TRY(halDeviceDisablePeerAccess(reset_shared.device));
    (void)TRY(halStreamSynchronize(s));
    (void)TRY(halStreamDestroy(s));
    /* With the other device current, and the first one. */
    (void)TRY(halSetDevice(reset_shared.device));
    (void)TRY(halFree(own));
}

static void *reset_user(void *arg)
{
    int turn = (int)(intptr_t)arg;

    reset_offset = (size_t)turn * RESET_PART;
    (void)TRY(halSetDevice(reset_shared.device));
    for (; !atomic_load(&reset_shared.is_over); turn++)
        switch (turn % 4) {
        case 0:
            reset_use_memory();
            break;
        case 1:
            reset_use_streams();
            break;
        case 2:
            reset_use_kernels();
            break;
        case 3:
            if (reset_shared.other >= 0)
                reset_use_across();
            break;
        }
    return NULL;
}

/* Calls that went wrong; -1 where none went well.  Resets the device last. */
static inline int reset_stress(int device, int other, const void *image,
                               size_t image_size, int rounds)
{
    pthread_t threads[RESET_THREADS];
    int n, i;

    reset_shared.device = device;
    reset_shared.other = other;
    reset_shared.image = image;
    reset_shared.image_size = image_size;
    atomic_store(&reset_shared.is_over, 0);
    atomic_store(&reset_shared.n_bad, 0);
    atomic_store(&reset_shared.n_good, 0);
    atomic_store(&reset_shared.mem, NULL);
    atomic_store(&reset_shared.stream, NULL);
    atomic_store(&reset_shared.event, NULL);
    alarm(RESET_LIMIT_S); /* a hang */
    for (n = 0; n < RESET_THREADS; n++)
        if (pthread_create(&threads[n], NULL, reset_user, (void *)(intptr_t)n))
            break;
    (void)TRY(halSetDevice(device));
    for (i = 0; i < rounds; i++) {
        int before = atomic_load(&reset_shared.n_good), tries;

        for (tries = 0;
             tries < 500 && atomic_load(&reset_shared.n_good) < before + 5;
             tries++)
            usleep(100);
        (void)TRY(halDeviceReset());
    }
    atomic_store(&reset_shared.is_over, 1);
    while (n)
        pthread_join(threads[--n], NULL);
    (void)TRY(halDeviceReset());
    alarm(0);
    if (!atomic_load(&reset_shared.n_good))
        return -1;
    return atomic_load(&reset_shared.n_bad);
}

#endif
