/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_internal.h - what the files of the fake backends share.  One lock and
 * one condition serve all queues: what counts here is that it is plainly right.
 */
#ifndef TESTS_FAKE_INTERNAL_H
#define TESTS_FAKE_INTERNAL_H

#include <pthread.h>

#include "tests/support/fake_backend.h"

/* The tests of the lowest floor link these files without the core. */
#pragma weak hal_fail

extern struct fake_state {
    pthread_mutex_t lock; /* of everything here */
    pthread_cond_t changed;
    unsigned async_at, delay_us;
    int is_held, has_alias;
    halError_t async_error;
    long n_live;
} fake_state;

struct fake_dev {
    struct hal_dev base;
    unsigned index;
    int is_lost;
    uint64_t used;
};

struct fake_mem {
    uint64_t size;
    char *bytes;
    void *alias; /* of host memory, or NULL */
};

/* One record of an event; waits hold it. */
struct point {
    unsigned refs;
    int is_done;
    halError_t error;
    double time;
};

struct fake_event {
    struct point *point; /* NULL: never recorded */
    int has_timing;
};

struct op {
    struct op *next;
    void (*run)(struct op *op);
    char *dst;
    const char *src;
    uint64_t size, dst_pitch, src_pitch, height;
    uint32_t pattern;
    unsigned pattern_bytes;
    void *owned; /* freed with the op */
    void (*fn)(void *);
    void *arg;
    struct point *point;
    halError_t error;
    char name[HAL_NAME_MAX + 1];
    union hal_arg args[HAL_PARAMS_MAX];
};

struct fake_stream {
    struct fake_dev *dev;
    pthread_t thread;
    struct op *head, **tail;
    int is_busy, is_closing;
    halError_t error;
};

/* ---- fake_switches.c ----------------------------------------------------- */

/* Each op that can fail begins with this. */
halError_t fake_enter(struct hal_dev *dev, const char *op);
#define ENTER(dev)                                     \
    do {                                               \
        halError_t enter_ = fake_enter(dev, __func__); \
        if (enter_ != halSuccess)                      \
            return enter_;                             \
    } while (0)

/* Memory of the fakes' own, zeroed, or with an alignment as it comes; a test
 * that lets the host's memory run out leaves it alone. */
void *fake_alloc(size_t alignment, size_t size);
/* One object more, or less. */
void fake_live_add(long change);

/* ---- fake_queue.c -------------------------------------------------------- */

/* A stream's thread; arg is the stream. */
void *fake_stream_loop(void *arg);
struct op *fake_op_new(void (*run)(struct op *));
void fake_push(struct fake_stream *s, struct op *op);
void fake_push_locked(struct fake_stream *s, struct op *op);
/* Waits for the stream's work; its error. */
halError_t fake_drain_locked(struct fake_stream *s);
/* The error of earlier work, with words. */
halError_t fake_late(halError_t st);
void fake_point_release_locked(struct point *p);
/* The three that run on a lost device too. */
void fake_run_host(struct op *op);
void fake_run_wait(struct op *op);
void fake_run_record(struct op *op);

/* ---- fake_backend.c ------------------------------------------------------ */

extern const struct hal_ops fake_ops;
extern const struct hal_opt_ops fake_opt;

#endif
