/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_cuda.h - the controls of tests/fakes/fake_cuda.c.  A test opens the same
 * library and finds them with dlsym("fake_cuda"); another process sets
 * FAKE_CUDA_DEVICES, FAKE_CUDA_VERSION.
 */
#ifndef TESTS_FAKES_FAKE_CUDA_H
#define TESTS_FAKES_FAKE_CUDA_H

struct fake_cuda {
    /* Every call that makes or enqueues something, asks or waits counts; the
     * one numbered fail_at (from 1) returns fail_code, which ends the current
     * context if `lost`. */
    _Atomic int n_calls, fail_at, fail_code, lost;
    char counted[16];   /* only calls whose names begin so count */
    char failed[64];    /* name of the call that failed */
    _Atomic int n_live; /* objects and memory that were not given back */
    _Atomic int n_bad;  /* calls that break the API's rules */
    char bad[160];      /* the first of them */
    int n_devices;      /* up to 4 */
    int version;        /* 13000 */
    int init_code;      /* of cuInit */
    int retain_code;    /* of cuDevicePrimaryCtxRetain */
    int compute_mode;   /* 0, 2 prohibited, 3 exclusive */
    int capability;     /* 90 */
    int no_pools, no_mem_ops;
    int is_mig;
    int ptx_version;      /* the newest that it takes: 90 is 9.0 */
    int static_shared;    /* bytes that each built-in kernel says it has */
    _Atomic int n_grants; /* of dynamic shared memory */
    _Atomic int n_launches;
    _Atomic int n_contexts; /* primary contexts that are alive */
    unsigned long long total_bytes;
};

/* What another fake library of NVIDIA's finds with dlsym("fake_cuda_side"): it
 * counts its calls with the driver's, and its work is in the driver's order. */
struct CUstream_st;
struct fake_cuda_side {
    /* What this call must answer: 0, or a CUresult. */
    unsigned (*due)(const char *call);
    /* Whether the bytes are alive and the current device's. */
    int (*range_ok)(const char *call, unsigned long long address,
                    unsigned long long bytes);
    /* Calls fn in the stream's order, `runs` 0 where the context is lost by
     * then; 0 where the stream is not alive. */
    int (*enqueue)(const char *call, struct CUstream_st *stream,
                   void (*fn)(void *arg, int runs), void *arg);
    /* A rule was broken. */
    void (*bad)(const char *format, ...) __attribute__((format(printf, 1, 2)));
    struct fake_cuda *fake;
};

#endif
