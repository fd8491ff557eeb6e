/* SPDX-License-Identifier: Apache-2.0 */
/*
 * case.h - one run of one case, inside the worker: what case.c, buf.c and
 * compare.c share, and what the worker calls.
 */
#ifndef CONFORMANCE_CASE_H
#define CONFORMANCE_CASE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>

#include "conformance/conf.h"

#define CONF_METRICS_MAX 32
#define CONF_MESSAGE_MAX 4096

struct conf_metric {
    char name[48];
    double value;
};

struct conf_block; /* buf.c: a device buffer and its zones */

struct conf {
    const struct conf_case *cc;
    int device;    /* -1: a case without a device (unit tests) */
    int n_devices; /* of this process */
    struct halDeviceProp prop;

    uint64_t rng[4];
    uint64_t poison; /* seed of the poison */
    atomic_uint checks;

    struct conf_metric metrics[CONF_METRICS_MAX];
    int n_metrics;

    struct conf_block *blocks;
    int n_blocks; /* made so far, for their names in messages */
    struct conf_scratch *scratch;
    struct conf_download *downloads;

    /* The end.  Whoever raises `ended` first owns the verdict. */
    atomic_int ended;
    enum conf_verdict verdict;
    char message[CONF_MESSAGE_MAX];
    double start_ms;
    pthread_t thread; /* that runs the case */
    jmp_buf leave;

    /* Tells the verdict to whoever waits for it.  After a bad one the process
     * ends, unless `stay` (unit tests, which then leave by longjmp). */
    void (*emit)(struct conf *c);
    int stay;
};

/* Runs the case; c->device, n_devices, prop, emit and stay are set.  Returns
 * after a pass or `unsupported`; else the process has ended. */
void conf_case_run(struct conf *c, const struct conf_case *cc, uint64_t seed);

/* The seed of a case within a run. */
uint64_t conf_seed_of(uint64_t run_seed, const char *name);
uint64_t conf_mix(uint64_t x); /* splitmix64's finaliser */

double conf_now_ms(void);

/* Keeps the largest value seen under this name. */
void conf_metric_max(struct conf *c, const char *name, double value);

/* buf.c */
void conf_blocks_check(struct conf *c); /* all zones; ends with FAIL */
void conf_blocks_free(struct conf *c);
/* The poison where `host` was downloaded to, or NULL: `size` bytes from
 * conf_host. */
const uint8_t *conf_poison_of(struct conf *c, const void *host, size_t size);

/* compare.c: the pure part. */
struct conf_difference {
    double of_bound; /* the worst error over its bound */
    double rel_l2;
    char text[1024]; /* what is wrong */
};
/* 1 if within the bound.  `poison`: what an element that nobody wrote would
 * hold, or NULL. */
int conf_compare_with(struct conf_difference *out, const char *what,
                      halDtype dtype, const void *got, const double *want,
                      const double *mag, int64_t rows, int64_t n,
                      const struct conf_bound *bound, const uint8_t *poison);

#endif
