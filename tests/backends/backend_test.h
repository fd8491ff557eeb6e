/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend_test.h - what the tests of all backends share.  They drive the ops
 * table directly, as the core does.
 */
#ifndef TESTS_BACKENDS_BACKEND_TEST_H
#define TESTS_BACKENDS_BACKEND_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "hal/backend.h"

/* The backend's own words with a failure. */
#define OK(call)                                                \
    do {                                                        \
        halError_t ok_ = (call);                                \
        if (ok_ != halSuccess)                                  \
            fail_msg("%s: %s: %s", #call, halGetErrorName(ok_), \
                     halGetErrorDetail());                      \
    } while (0)

static inline double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static inline void sleep_ms(long ms)
{
    const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

/* What `command PATH -` writes to PATH when it is given the text; free() it. */
static inline void test_compile(const char *command, const char *text,
                                void **out_blob, size_t *out_size)
{
    char path[] = "/tmp/halcyon-test-XXXXXX", line[256];
    int fd = mkstemp(path);
    FILE *f;
    long size;

    assert_true(fd >= 0);
    close(fd);
    snprintf(line, sizeof line, "%s %s -", command, path);
    f = popen(line, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(pclose(f), 0);
    f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    rewind(f);
    *out_blob = malloc((size_t)size);
    *out_size = (size_t)size;
    assert_int_equal(fread(*out_blob, 1, (size_t)size, f), size);
    fclose(f);
    unlink(path);
}

static inline union hal_arg arg_scalar(uint32_t value)
{
    union hal_arg arg;

    memset(&arg, 0, sizeof arg);
    arg.scalar = value;
    return arg;
}

/* A launch of `groups` x 1 x 1. */
static inline halError_t test_run(struct hal_dev *dev, void *stream,
                                  void *kernel, uint32_t groups,
                                  const union hal_arg *args, uint32_t n_args)
{
    const struct hal_launch launch = { .grid = { groups, 1, 1 },
                                       .n_args = n_args,
                                       .args = args };

    return dev->ops->launch(dev, stream, kernel, &launch);
}

static inline void test_gate(void *arg)
{
    while (!atomic_load((atomic_int *)arg))
        sleep_ms(1);
}

/* A copy that the core waits for does not wait itself while earlier work runs;
 * it keeps its place all the same.  One that waits hangs here. */
static inline void test_waited(struct hal_dev *dev, size_t size)
{
    unsigned char *in = malloc(size), *out = malloc(size);
    struct hal_mem m = { NULL, NULL };
    atomic_int open = 0;
    halError_t st;
    void *s;

    assert_true(in && out);
    memset(in, 3, size);
    OK(dev->ops->stream_create(dev, 0, &s));
    OK(dev->ops->mem_alloc(dev, size, HAL_MEM_DEVICE, &m));
    alarm(60);
    for (int round = 0; round < 2; round++) { /* busy, then idle */
        memset(out, 0, size);
        OK(dev->ops->fill(dev, s, m.impl, 0, size, 1, 1));
        if (!round)
            OK(dev->ops->host_func(dev, s, test_gate, &open));
        else
            OK(dev->ops->stream_sync(dev, s));
        st = dev->ops->copy_out(dev, s, out, m.impl, 0, size, HAL_COPY_WAITED);
        if (st == halSuccess)
            OK(dev->ops->fill(dev, s, m.impl, 0, size, 2, 1));
        atomic_store(&open, 1);
        OK(dev->ops->stream_sync(dev, s));
        /* A stream's thread may still be on its way out of a host function. */
        while (st == halErrorNotReady) {
            OK(dev->ops->stream_sync(dev, s));
            st = dev->ops->copy_out(dev, s, out, m.impl, 0, size,
                                    HAL_COPY_WAITED);
            if (st == halSuccess)
                OK(dev->ops->fill(dev, s, m.impl, 0, size, 2, 1));
        }
        OK(st);
        OK(dev->ops->stream_sync(dev, s));
        for (size_t i = 0; i < size; i++)
            if (out[i] != 1)
                fail_msg("byte %zu of %zu is %d", i, size, out[i]);
        OK(dev->ops->copy_in(dev, s, m.impl, 0, in, size, HAL_COPY_WAITED));
        OK(dev->ops->stream_sync(dev, s));
        OK(dev->ops->copy_out(dev, s, out, m.impl, 0, size, 0));
        assert_memory_equal(in, out, size);
    }
    alarm(0);
    dev->ops->stream_destroy(dev, s);
    dev->ops->mem_free(dev, m.impl);
    free(in);
    free(out);
}

#endif
