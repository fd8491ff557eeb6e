/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_backend.h - two backends in host memory, for tests of the core.
 *
 * "fake" offers everything: real addresses, managed and mapped host memory,
 * peers, priorities, 2D copies.  "bare" has the required table only and no
 * addresses, so that every default of the core is taken.  Each has two
 * devices; a stream is a thread with a queue.  Failures are switched on below;
 * the switches are global and thread-safe.
 */
#ifndef TESTS_FAKE_BACKEND_H
#define TESTS_FAKE_BACKEND_H

#include "hal/backend.h"

extern const struct hal_backend fake_backend;
extern const struct hal_backend bare_backend;

#define FAKE_DEVICES 2u
#define FAKE_MEMORY  ((uint64_t)64 << 20) /* of each device */

/* The nth call from now of an op that can fail fails; 0: none does.  With
 * `error` halErrorDeviceLost the device is lost from there on. */
void fake_fail_at(unsigned n, halError_t error);
/* Calls of such ops since fake_fail_at() was called last. */
unsigned fake_calls(void);
/* 1 if the failure asked for has happened. */
int fake_has_failed(void);
/* The nth op that a stream runs from now fails while it runs. */
void fake_fail_async(unsigned n, halError_t error);
/* Every op takes so long on its stream. */
void fake_delay_us(unsigned us);
/* Holds back every stream until it is let go. */
void fake_hold(int is_held);
/* Host memory from now on has a device address where the host faults. */
void fake_alias(int on);
/* Device memory, streams, events, kernels, host memory, registrations and open
 * devices that exist. */
long fake_live(void);
/* Whether this thread takes memory for a fake, not for the core. */
extern _Thread_local int fake_is_allocating;
/* Ops of this name ("stream_wait", "event_record") that were called. */
unsigned fake_count(const char *op);

/*
 * Kernels, by name: "scale" (INOUT f32 y, ARG f32 a, ARG u32 n), y *= a;
 * "add" (OUT z, IN x, IN y, ARG u32 n); "fail" (no parameters) fails.
 * A kernel named "unbuildable" does not compile.
 * Makes a .halbin of them; malloc'ed.  NULL if it cannot.
 */
void *fake_halbin(size_t *out_size);

#endif
