/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostfunc.c - the caller's own functions in stream order.  Whatever they call
 * of the library could wait for the stream that waits for them: it is refused.
 */
#include "hal/internal.h"

#include <stdlib.h>

_Thread_local int hal__in_host_func;

struct host_func {
    halHostFn_t fn;
    void *data;
};

static void run(void *arg)
{
    struct host_func call = *(struct host_func *)arg;

    free(arg);
    hal__in_host_func = 1;
    call.fn(call.data);
    hal__in_host_func = 0;
}

halError_t halLaunchHostFunc(halStream_t stream, halHostFn_t fn, void *userData)
{
    struct host_func *call;
    struct hal_stream *s;
    halError_t st;

    if (!fn)
        return hal__done(
            hal_fail(halErrorInvalidValue, "halLaunchHostFunc: fn is NULL"));
    st = hal__stream_get(stream, &s);
    if (st != halSuccess)
        return hal__done(st);
    call = malloc(sizeof *call);
    if (call)
        *call = (struct host_func){ fn, userData };
    st = call ? hal__stream_begin(s)
              : hal_fail(halErrorHostMemory,
                         "halLaunchHostFunc: out of host memory");
    if (st == halSuccess) {
        st = hal__stream_call(s, run, call);
        hal__stream_end(s);
    }
    if (st != halSuccess)
        free(call);
    hal__stream_release(s);
    return hal__done(st);
}
