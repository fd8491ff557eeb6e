/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child_test.h - tests in children of their own: the registry is filled once
 * for a process, by its environment.
 *
 * Invariant: a child checks with CHECK and returns, for cmocka's assertions
 * jump into a test that is the parent's.
 */
#ifndef TESTS_HAL_CHILD_TEST_H
#define TESTS_HAL_CHILD_TEST_H

#include "tests/hal/hal_test.h"

#include <sys/wait.h>
#include <unistd.h>

/* In a child: says what is wrong, and returns 1. */
#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            print_error("%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, \
                        halGetErrorDetail());                               \
            return 1;                                                       \
        }                                                                   \
    } while (0)

/* How a child ends that was forked from a process with threads: by exit(), for
 * drivers have destructors.  Sanitizers look for the threads, which it does not
 * have: the thread sanitizer waits for good in their pthread_join, and the leak
 * check waits for them, or reports what only their stacks pointed at. */
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
#define threadless_exit _exit
#else
#define threadless_exit exit
#endif

/* 0 from run() in a child with these settings; NULL: not set (the paths: as
 * they are). */
static inline void in_child(int (*run)(void), const char *devices,
                            const char *backends, const char *profiles)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid) {
        unsetenv("HALCYON_DEVICES");
        if (devices)
            setenv("HALCYON_DEVICES", devices, 1);
        if (backends)
            setenv("HALCYON_BACKEND_PATH", backends, 1);
        if (profiles)
            setenv("HALCYON_PROFILE_PATH", profiles, 1);
        _exit(run());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline const char *detail_has(const char *words)
{
    return strstr(halGetErrorDetail(), words);
}

/* What is known of a backend, all zeros if nothing. */
static inline const struct halBackendInfo *info_of(const char *name)
{
    static struct halBackendInfo info;
    int i;

    for (i = 0; halBackendGetInfo(&info, i) == halSuccess; i++)
        if (!strcmp(info.name, name))
            return &info;
    memset(&info, 0, sizeof info);
    return &info;
}

/* This program's file.  A tool that runs the program gives its own away as
 * /proc/self/exe, but reads the link as the program's. */
static inline void own_path(char *path, size_t room)
{
    ssize_t n = readlink("/proc/self/exe", path, room - 1);

    assert_true(n > 0);
    path[n] = 0;
}

#endif
