/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork.c - a process that was forked after the library's first use.  It has
 * the parent's tables, but none of its threads, and locks that nobody will
 * give back; most drivers do not survive a fork either.
 *
 * Invariant: nothing in such a process takes a lock of the library's or calls
 * a driver.  The flag is written only in the child, while it has one thread.
 */
#include "hal/internal.h"

int hal__is_forked;

static void in_child(void)
{
    hal__is_forked = 1;
}

void hal__fork_watch(void)
{
    /* Out of memory, the one failure, costs the check and nothing else. */
    (void)pthread_atfork(NULL, NULL, in_child);
}

halError_t hal__entry_fail(void)
{
    return hal__is_forked
               ? hal_fail(halErrorInitializationError, "%s", HAL_FORK_TEXT)
               : hal_fail(halErrorNotPermitted, "%s", HAL_HOST_FUNC_TEXT);
}
