/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api.h - what the API cases share: a small module of dialect kernels, and
 * device memory with known contents.
 */
#ifndef CONFORMANCE_API_API_H
#define CONFORMANCE_API_API_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/conf.h"

/* Levels that every API case belongs to; memory cases to MEMORY too. */
#define CORE   "core"
#define MEMORY "core memory"

/* The module of kernels.c: api_add, api_slow, api_mark, compiled through
 * halModuleLoadSource for the current device. */
halModule_t api_module(struct conf *c);
halFunction_t api_function(struct conf *c, halModule_t module,
                           const char *name);

/* y[i] = x[i] + a for i < n, on `stream`. */
void api_add(struct conf *c, halFunction_t add, const void *x, void *y, float a,
             uint32_t n, halStream_t stream);

/*
 * Work that takes a known while on a stream: api_slow launches a kernel that
 * writes `value` into word[0] only after about `ms` milliseconds of
 * arithmetic (calibrated on the device the first time).
 */
struct api_slow {
    halFunction_t function;
    void *words;   /* device memory, api_slow_words of them */
    uint32_t grid; /* groups that take about the asked time */
    double ms;     /* measured */
};
void api_slow_make(struct conf *c, halModule_t module, double ms,
                   struct api_slow *slow);
void api_slow_launch(struct conf *c, const struct api_slow *slow,
                     uint32_t value, halStream_t stream);
/* The first word, read back with a waiting copy. */
uint32_t api_slow_value(struct conf *c, const struct api_slow *slow);

/* A host function that holds its stream back until *(atomic_int *)arg is not
 * 0; it gives up after a minute, so that a failed case is no hang. */
void api_wait_gate(void *arg);

double api_now_ms(void);

/* n pseudo-random bytes from the case's seed, freed with the case. */
uint8_t *api_bytes(struct conf *c, size_t n);
void api_same(struct conf *c, const void *got, const void *want, size_t n,
              const char *what);

#endif
