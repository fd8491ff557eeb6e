/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_opencl.h - the controls of tests/fakes/fake_opencl.c.  A test opens the
 * same library and finds them with dlsym("fake_opencl").
 */
#ifndef TESTS_FAKES_FAKE_OPENCL_H
#define TESTS_FAKES_FAKE_OPENCL_H

struct fake_opencl {
    /* Every call that can fail counts; the one numbered fail_at (from 1) and,
     * if `lost`, all that follow return fail_code. */
    _Atomic int n_calls, fail_at, fail_code, lost;
    char failed[64];   /* name of the call that failed */
    int n_live;        /* objects that were made and not released */
    int n_bad_handles; /* calls with an object that is none */
    int n_platforms;   /* 0..4: Zeta, Alpha, Oclgrind, Mid */
    int reverse;       /* the order in which they are listed */
    int n_launches;
    int event_status; /* what events report instead of CL_COMPLETE (0) */
    int bad_binaries; /* binaries do not build */
    int n_plain;      /* programs built with -cl-opt-disable */
    int n_exports;    /* how often a program's binary was asked for */
    int slow_clock;   /* profiling counts 1, 2, 3: of no use */
    /* Callbacks wait until somebody calls run_callbacks. */
    int hold_callbacks;
    void (*run_callbacks)(void);
    int n_in_callback; /* calls into the driver by a callback */
    /* The device works in the calling thread, and says so.  Launches whose
     * scalars, multiplied, exceed long_above (if that is not 0) take
     * long_ms (0: 1 ms), and go on while hold_long is set.  Scalars are signed:
     * none that is below 0 is long. */
    int is_inline, long_above, long_ms;
    _Atomic int hold_long, n_long;
    _Atomic unsigned long launcher; /* the thread of the last launch */
};

#endif
