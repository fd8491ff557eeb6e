/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostfunc.c - the caller's own functions in stream order.
 */
#include "hal/internal.h"

halError_t halLaunchHostFunc(halStream_t stream, halHostFn_t fn, void *userData)
{
    struct hal_stream *s;
    halError_t st;

    if (!fn)
        return hal__done(
            hal_fail(halErrorInvalidValue, "halLaunchHostFunc: fn is NULL"));
    st = hal__stream_get(stream, &s);
    if (st != halSuccess)
        return hal__done(st);
    st = hal__stream_begin(s);
    if (st == halSuccess) {
        st = hal__stream_call(s, fn, userData);
        hal__stream_end(s);
    }
    hal__stream_release(s);
    return hal__done(st);
}
