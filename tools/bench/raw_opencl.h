/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_opencl.h - what bench_raw_opencl.open gives, for others who give work to
 * the same queue.
 */
#ifndef TOOLS_BENCH_RAW_OPENCL_H
#define TOOLS_BENCH_RAW_OPENCL_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "tools/bench/bench.h"

struct raw_opencl {
    cl_context context;
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernel;
    cl_mem dst, src; /* copies: host to dst, src to host */
    size_t group;
};

/* Waits for the queue; 0, or -1 with bench_fail. */
int raw_opencl_finish(struct raw_opencl *r);

#endif
