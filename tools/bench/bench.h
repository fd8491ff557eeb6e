/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench.h - what the files of `halcyon bench` share.
 *
 * Every figure is a pair: Halcyon (A) and what it is held against (B), taken
 * in one process, alternating (AB BA AB ...), so that a machine that slows
 * down slows both.  Reported are the median of the pairs' ratios, their spread,
 * and the ratio of the best samples.
 */
#ifndef TOOLS_BENCH_BENCH_H
#define TOOLS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hal/hal.h"

/* Does the thing `calls` times and waits; 0, or -1 with bench_fail called. */
typedef int bench_fn(void *ctx, unsigned calls);

enum bench_unit {
    BENCH_TIME,  /* time a call; ratio A / B, lower is better */
    BENCH_BYTES, /* bytes a second; ratio of rates, higher is better */
    BENCH_FLOPS  /* operations a second; likewise */
};

struct bench_case {
    const char *section;  /* "launch" */
    const char *device;   /* halName */
    const char *name;     /* "launch + sync" */
    const char *raw_name; /* "clEnqueueNDRangeKernel + clFinish" */
    bench_fn *hal, *raw;
    void *hal_ctx, *raw_ctx;
    enum bench_unit unit;
    double work;        /* bytes or operations of one call */
    double goal;        /* for the ratio; 0: none */
    unsigned settle_ms; /* idle time before each sample, and a call after it */
};

struct bench_result {
    char section[16], device[64], name[64], raw_name[64];
    enum bench_unit unit;
    double hal, raw;         /* medians, in the unit */
    double ratio, low, high; /* median, range */
    double p10, p90;         /* the middle eight tenths lie between them */
    double best;             /* ratio of the best samples of each side */
    double goal;
    unsigned n_pairs, n_calls; /* calls in a sample */
};

/* First use, apart from the figures: building kernels takes its time once. */
struct bench_first {
    char device[64], name[64];
    double ms;
};

struct bench {
    bool quick;
    unsigned n_cpus;
    char machine[256];
    struct bench_result *results;
    struct bench_first *firsts;
    size_t n_results, n_firsts, n_failures;
    const char *json_path; /* NULL: none */
};

double bench_now(void); /* seconds */
/* The sentence for the line that failed; kept per process. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, from the API's detail: `bench_hal_ok(call)` is 0 or -1. */
int bench_hal_ok(halError_t st);
const char *bench_failure(void);

/* Seconds of `calls` calls, after an idle time and one call more; or -1. */
double bench_sample(bench_fn *fn, void *ctx, unsigned calls,
                    unsigned settle_ms);
/* Calls that make a sample of target_s; 0 on failure.  Warms up as well. */
unsigned bench_calibrate(bench_fn *fn, void *ctx, double target_s);
/* Sorts. */
double bench_median(double *values, unsigned n);

/* Measures, prints a line, keeps the result. */
void bench_run(struct bench *b, const struct bench_case *bc);
/* A line for what cannot be measured here. */
void bench_note(const struct bench *b, const char *section, const char *device,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A failure, printed and counted. */
void bench_broken(struct bench *b, const char *section, const char *device,
                  const char *what);
void bench_first(struct bench *b, const char *device, const char *name,
                 double seconds);
int bench_write_json(const struct bench *b);
/* Writes and deletes `root`; 0, or -1. */
struct cJSON;
int bench_write_text(struct cJSON *root, const char *path);
void bench_close(struct bench *b);

/* ---- devices and the machine (devices.c) -------------------------------- */

#define BENCH_DEVICES_MAX 64

struct bench_wanted {
    const char *names[BENCH_DEVICES_MAX]; /* none: what is admitted */
    int n;
    char **command; /* argv of the program, for a second start */
};
/* Ordinals to measure; returns how many, or -1 with a message printed. */
int bench_pick_devices(const struct bench_wanted *w,
                       int ordinals[BENCH_DEVICES_MAX]);
/* Prints as well. */
void bench_name_machine(char machine[256], unsigned *out_n_cpus);

/* `halcyon bench kernels` and `bench compare`; argv[0] is the last word. */
int bench_kernels_command(int argc, char **argv);
int bench_compare_command(int argc, char **argv);

/* The sections; the device is current. */
void bench_launch(struct bench *b, const struct halDeviceProp *prop);
void bench_copies(struct bench *b, const struct halDeviceProp *prop);
void bench_gemm(struct bench *b, const struct halDeviceProp *prop);
void bench_gemv(struct bench *b, const struct halDeviceProp *prop);

/* ---- the other side: a driver's own API --------------------------------- */

enum bench_way { BENCH_H2D, BENCH_D2H, BENCH_D2D };

struct bench_raw_copy {
    void *raw;
    enum bench_way way;
    size_t size;
    void *host;      /* the caller's */
    void *dst, *src; /* the cpu's device memory; others use their own */
};

/* One driver API; NULL members do not exist for it. */
struct bench_raw_api {
    const char *launch_name, *copy_name;
    /* Finds the driver's device that `prop` describes; `group` is the size of
     * the empty kernel's group, `bytes` the largest copy. 0, or -1. */
    int (*open)(const struct halDeviceProp *prop, unsigned group, size_t bytes,
                void **out_raw);
    void (*close)(void *raw);
    bench_fn *launch; /* give the arguments, launch, wait, `calls` times */
    bench_fn *least;  /* the same with the arguments of before */
    bench_fn *burst;  /* launch `calls` times with those, wait once */
    bench_fn *copy;   /* ctx: struct bench_raw_copy */
};

extern const struct bench_raw_api bench_raw_cpu;
extern const struct bench_raw_api bench_raw_opencl;
extern const struct bench_raw_api bench_raw_vulkan;
/* Opens `api` on the device beneath `prop`, which for a stand-in is another
 * than it says.  0; -1 if there is none; 1 if a stand-in's driver device is not
 * found, which costs the comparison alone. */
int bench_raw_open(const struct bench_raw_api *api,
                   const struct halDeviceProp *prop, unsigned group,
                   size_t bytes, void **out_raw);
/* By prop->backend; NULL where there is none to compare with. */
const struct bench_raw_api *bench_raw_of(const struct halDeviceProp *prop);

/* ---- OpenBLAS (blas.c) -------------------------------------------------- */

struct bench_blas {
    /* c[m][n] = a[m][k] . b[n][k]^T, and y[n] = w[n][k] . x[k] */
    void (*gemm)(const struct bench_blas *blas, int m, int n, int k,
                 const float *a, const float *b, float *c);
    void (*gemv)(const struct bench_blas *blas, int n, int k, const float *w,
                 const float *x, float *y);
    void *sgemm, *sgemv;
};
/* Before a library opens it: its threads spin after their work, for 25 to 100
 * ms unless told otherwise, and on few cores they would do so in our samples.
 */
void bench_blas_calm(void);
#define BENCH_BLAS_SETTLE_MS 5u /* after which they sleep */
/* 0, or -1 with bench_fail naming the package. */
int bench_blas_open(struct bench_blas *blas, unsigned n_threads);

#endif
