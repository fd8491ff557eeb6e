/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hal_test.h - what the core's tests share.  Each test program defines
 * hal_builtin_backends[] with the fakes that it wants.
 */
#ifndef TESTS_HAL_TEST_H
#define TESTS_HAL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hal/hal.h"
#include "tests/support/fake_backend.h"

/* The call succeeds. */
#define OK(call) ok_((call), #call, __FILE__, __LINE__)
static inline void ok_(halError_t st, const char *call, const char *file,
                       int line)
{
    if (st == halSuccess)
        return;
    print_error("%s:%d: %s: %s: %s\n", file, line, call, halGetErrorName(st),
                halGetErrorDetail());
    _fail(file, line);
}

/* The call fails so, and its detail holds these words. */
#define FAILS(error, words, call) \
    fails_((error), (words), (call), #call, __FILE__, __LINE__)
static inline void fails_(halError_t want, const char *words, halError_t st,
                          const char *call, const char *file, int line)
{
    if (st == want && strstr(halGetErrorDetail(), words) &&
        halPeekAtLastError() == want)
        return;
    print_error("%s:%d: %s: %s: \"%s\", wanted %s with \"%s\"\n", file, line,
                call, halGetErrorName(st), halGetErrorDetail(),
                halGetErrorName(want), words);
    _fail(file, line);
}

/* Ends every device and checks that the backends hold nothing. */
static inline int reset_all(void **state)
{
    int n = 0, i;

    (void)state;
    fake_hold(0);
    fake_delay_us(0);
    fake_alias(0);
    fake_fail_at(0, halSuccess);
    fake_fail_async(0, halSuccess);
    if (halGetDeviceCount(&n) != halSuccess)
        return 1;
    for (i = 0; i < n; i++)
        if (halSetDevice(i) != halSuccess || halDeviceReset() != halSuccess)
            return 1;
    if (halSetDevice(0) != halSuccess)
        return 1;
    (void)halGetLastError();
    if (fake_live() != 0) {
        print_error("%ld objects of the backend are left\n", fake_live());
        return 1;
    }
    return 0;
}

#endif
