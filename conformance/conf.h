/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf.h - what a conformance case sees.
 *
 * A case is a function that runs in a worker process on one device.  A check
 * that fails writes its verdict and ends the process (the runner starts
 * another for the remaining cases), so a case needs no cleanup after a failure
 * and no macro hides a return.  A case passes by returning, and only if it has
 * checked something: one that made no check is an error.
 */
#ifndef CONFORMANCE_CONF_H
#define CONFORMANCE_CONF_H

#include <stddef.h>
#include <stdint.h>

#include "hal/hal.h"

/* The only list of verdicts; they are never merged.  X(NAME, "name", ok):
 * ok: a run with only these is conformant. */
#define CONF_VERDICTS(X)                                           \
    X(PASS, "pass", 1)                                             \
    X(FAIL, "fail", 0)   /* wrong output or behaviour */           \
    X(ERROR, "error", 0) /* a call failed unexpectedly */          \
    X(CRASH, "crash", 0) /* the worker died */                     \
    X(TIMEOUT, "timeout", 0)                                       \
    X(UNSUPPORTED, "unsupported", 1) /* declared, with a reason */ \
    X(WAIVED, "waived", 1)                                         \
    X(XFAIL, "xfail", 1)                                           \
    X(XPASS, "xpass", 0)                                           \
    X(FLAKY, "flaky", 0)                                           \
    X(SKIPPED, "skipped", 0)                                       \
    X(MISSING, "missing", 0) /* planned, no result */

enum conf_verdict {
#define X(NAME, name, ok) CONF_##NAME,
    CONF_VERDICTS(X)
#undef X
        CONF_VERDICT_COUNT
};

struct conf; /* one run of one case */

struct conf_case {
    const char *name; /* dotted, permanent: "api.memory.fill.odd_tail" */
    void (*run)(struct conf *c);
    const void *param;  /* for conf_param(); lives as long as the list */
    unsigned limit_s;   /* 0: 60 */
    const char *levels; /* space-separated: "core memory"; never NULL */
};

/* ---- the list of cases ------------------------------------------------ */

struct conf_list; /* sorted by name; a name twice is an internal error */

/* Copies name and param (param_bytes of it). */
void conf_list_add(struct conf_list *list, const struct conf_case *cc,
                   size_t param_bytes);
/* Adds a static table that ends with a NULL name. */
void conf_list_add_table(struct conf_list *list, const struct conf_case *cc);

/* Each family of cases is one function named in conformance/cases.def. */

/* ---- inside a case ---------------------------------------------------- */

const void *conf_param(const struct conf *c);
int conf_device(const struct conf *c); /* ordinal; already current */
const struct halDeviceProp *conf_prop(const struct conf *c);
/* Another device of the process for cross-device cases, or -1. */
int conf_other_device(const struct conf *c, int which);

/* The seeded generator: the same numbers for the same seed on any machine. */
uint64_t conf_random(struct conf *c);
double conf_uniform(struct conf *c, double low, double high);
double conf_normal(struct conf *c);

/* Ends the case now.  FAIL for wrong results, UNSUPPORTED with the reason. */
void conf_end(struct conf *c, enum conf_verdict verdict, const char *format,
              ...) __attribute__((noreturn, format(printf, 3, 4)));

/* Counts one check; ends with FAIL unless `ok`. */
void conf_check(struct conf *c, int ok, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define CONF_TRUE(c, condition) \
    conf_check((c), !!(condition), "%s:%d: %s", __FILE__, __LINE__, #condition)

/* The call must succeed; else the case ends with ERROR and its detail. */
#define CONF_OK(c, call) conf_ok((c), (call), #call, __FILE__, __LINE__)
void conf_ok(struct conf *c, halError_t st, const char *call, const char *file,
             int line);
/* The call must fail with this error and say something; counts as a check. */
#define CONF_FAILS(c, error, call) \
    conf_fails((c), (error), (call), #call, __FILE__, __LINE__)
void conf_fails(struct conf *c, halError_t want, halError_t got,
                const char *call, const char *file, int line);

/* A number for the report ("max_abs", "gb_s"). */
void conf_metric(struct conf *c, const char *name, double value);

/* ---- buffers: poison and red zones ------------------------------------ */

/* Device memory between two red zones of 4096 bytes, all of it filled
 * with a pattern from the seed; the zones of every buffer of the case are
 * checked when the case returns.  `misalign` shifts mem off the allocation's
 * alignment by that many bytes. */
struct conf_buf {
    void *mem; /* device pointer */
    size_t size;
    void *impl;
};
struct conf_buf conf_alloc(struct conf *c, size_t size, size_t misalign);
struct conf_buf conf_upload(struct conf *c, const void *host, size_t size,
                            size_t misalign);
void conf_download(struct conf *c, void *host, const struct conf_buf *b);
/* Checks now that the zones, and for inputs the data, are as they were. */
void conf_check_zones(struct conf *c, const struct conf_buf *b);
/* Every byte of b equals `value`. */
void conf_expect_bytes(struct conf *c, const struct conf_buf *b, uint8_t value);
void conf_free(struct conf *c, struct conf_buf *b); /* optional */

/* Host scratch that is freed with the case; ends with ERROR when exhausted. */
void *conf_host(struct conf *c, size_t size);

/* ---- comparing -------------------------------------------------------- */

/*
 * Two-part acceptance (docs/numerics.md): every element within
 *   abs + rel * |want| + row * max|want of its row| + sum * mag,
 * where mag is the element's sum of |terms| if given, AND the norm of the
 * error over the norm of `want` within rel_l2.  A NaN or infinity passes only
 * where the same is wanted, and must be there where it is.
 */
struct conf_bound {
    double abs, rel, row, sum;
    double rel_l2;
};
/* The bound of an op whose result is one rounding to `dtype` of an f32
 * computation with `terms` rounded operations in sequence. */
struct conf_bound conf_bound_of(halDtype dtype, double terms);

/* got: elements of `dtype`; want, mag: rows * n doubles, mag may be NULL. */
void conf_compare(struct conf *c, const char *what, halDtype dtype,
                  const void *got, const double *want, const double *mag,
                  int64_t rows, int64_t n, const struct conf_bound *bound);

/* ---- number formats on the host (formats.c; shares nothing with kernels) */

size_t conf_dtype_bytes(halDtype dtype);
const char *conf_dtype_name(halDtype dtype); /* "bf16" */
double conf_decode(halDtype dtype, const void *data, int64_t index);
void conf_encode(halDtype dtype, void *data, int64_t index, double value);

#endif
