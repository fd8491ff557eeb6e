/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emu_test.h - opening libraries of the emulator: the one of the stock kernels,
 * and ones made of a test's own text.
 */
#ifndef TESTS_EMU_EMU_TEST_H
#define TESTS_EMU_EMU_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/emu/emu.h"

struct emu_library {
    void *handle;
    const struct emu_kernel *(*find)(const char *entry);
    int (*launch)(const struct emu_kernel *k, const unsigned grid[3],
                  const unsigned block[3], size_t dynamic_shared, void **args);
    const char *(*error)(void);
};

/* The build's folder: this program is BUILD/tests/emu/NAME. */
static inline void emu_build_folder(char *out, size_t room)
{
    ssize_t n = readlink("/proc/self/exe", out, room - 1);

    assert_true(n > 0);
    out[n] = '\0';
    for (int i = 0; i < 3; i++)
        *strrchr(out, '/') = '\0';
}

static inline struct emu_library emu_open(const char *path)
{
    struct emu_library e = { .handle = dlopen(path, RTLD_NOW | RTLD_LOCAL) };

    if (!e.handle)
        fail_msg("%s", dlerror());
    *(void **)&e.find = dlsym(e.handle, "emu_find");
    *(void **)&e.launch = dlsym(e.handle, "emu_launch");
    *(void **)&e.error = dlsym(e.handle, "emu_error");
    assert_true(e.find && e.launch && e.error);
    return e;
}

static inline struct emu_library emu_open_stock(void)
{
    char build[4096], path[4200];

    emu_build_folder(build, sizeof build);
    snprintf(path, sizeof path, "%s/emu/libhalcyon-emu.so", build);
    return emu_open(path);
}

/* A library of a file of CUDA text, which it outlives. */
static inline struct emu_library emu_make(const char *file)
{
    char build[4096], so[] = "/tmp/hal-emu-XXXXXX", line[9000];
    struct emu_library e;
    int fd = mkstemp(so);

    assert_true(fd >= 0);
    close(fd);
    emu_build_folder(build, sizeof build);
    snprintf(line, sizeof line, "sh tests/emu/emu-compile.sh %s %s %s", build,
             file, so);
    if (system(line) != 0)
        fail_msg("%s", line);
    e = emu_open(so);
    unlink(so);
    return e;
}

static inline struct emu_library emu_make_text(const char *text)
{
    char cu[] = "/tmp/hal-emu-XXXXXX";
    struct emu_library e;
    int fd = mkstemp(cu);
    size_t size = strlen(text);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), size);
    close(fd);
    e = emu_make(cu);
    unlink(cu);
    return e;
}

#endif
