/* SPDX-License-Identifier: Apache-2.0 */
/*
 * example.h - the smallest backend that conforms: a plug-in to begin a port
 * from (docs/porting.md).  Its "chip" is plain memory and a thread for each
 * stream.
 *
 *   cc -shared -fPIC -pthread $(pkg-config --cflags halcyon) \
 *      -o libhalcyon-example.so *.c
 *   HALCYON_BACKEND_PATH=$PWD halcyon conform --device example:0
 *
 *   backend.c  the tables, memory, copies, kernels: where a vendor's calls go
 *   queue.c    streams and events; a chip with queues of its own needs less
 *
 * One lock and one condition guard all state, which is simple and slow.
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <pthread.h>
#include <stdbool.h>

#include "hal/backend.h"

/* What devices are called (NAME:0), and errors begin with; 1 to 15 characters.
 * The file is libhalcyon-NAME.so. */
#define EXAMPLE_NAME "example"

extern pthread_mutex_t example_lock;

struct mark;
struct stream;

struct task {
    struct task *next;
    void (*run)(struct task *t);
    uint8_t *dst;
    const uint8_t *src;
    uint64_t size;
    uint32_t pattern;
    unsigned pattern_bytes;
    void (*fn)(void *arg);
    void *arg;
    struct mark *mark;
    const struct example_kernel *kernel;
    uint32_t grid[3];
    uint64_t args[HAL_PARAMS_MAX];
    void *own; /* freed with the task: staged bytes, scratch */
};

/* All zeros; NULL after hal_fail(). */
struct task *example_task_create(void (*run)(struct task *t));
/* Hands the task over; its ticket is for wait_for. */
uint64_t example_submit(struct stream *s, struct task *t);
void example_wait_for(struct stream *s, uint64_t ticket);

/* Ops of queue.c, as backend.h says. */
halError_t example_stream_create(struct hal_dev *dev, int priority,
                                 void **out_stream);
void example_stream_destroy(struct hal_dev *dev, void *stream);
halError_t example_stream_query(struct hal_dev *dev, void *stream);
halError_t example_stream_sync(struct hal_dev *dev, void *stream);
halError_t example_stream_wait(struct hal_dev *dev, void *stream, void *event);
halError_t example_host_func(struct hal_dev *dev, void *stream,
                             void (*fn)(void *arg), void *arg);
halError_t example_event_create(struct hal_dev *dev, int timing,
                                void **out_event);
void example_event_destroy(struct hal_dev *dev, void *event);
halError_t example_event_record(struct hal_dev *dev, void *stream, void *event);
halError_t example_event_query(struct hal_dev *dev, void *event);
halError_t example_event_sync(struct hal_dev *dev, void *event);
halError_t example_event_elapsed(struct hal_dev *dev, void *start, void *end,
                                 float *out_ms);

#endif
