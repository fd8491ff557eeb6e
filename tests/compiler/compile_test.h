/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_test.h - what the tests of the compiler share: a small kernel, and
 * compiling it.
 */
#ifndef TESTS_COMPILER_COMPILE_TEST_H
#define TESTS_COMPILER_COMPILE_TEST_H

#include "compiler/expand.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char source[] = "#pragma hal instance T=f32 NAME=twice\n"
                             "#pragma hal instance T=bf16 NAME=twice_bf16\n"
                             "#include \"hal_dialect.h\"\n"
                             "\n"
                             "KERNEL(NAME, IN(T, x), OUT(T, y), ARG(uint, n))\n"
                             "{\n"
                             "    for (idx i = GROUP_X; i < n; i += GRID_X)\n"
                             "        ONCE ST(T, y, i, LD(T, x, i) * 2.0f);\n"
                             "}\n";

static const struct compile_target everything[] = {
    { HAL_TARGET_CPU, ~0ull, 0, 0 },
    { HAL_TARGET_OPENCL, ~0ull, 0, 0 },
    { HAL_TARGET_VULKAN, ~0ull, 0, 0 },
    { HAL_TARGET_CUDA, ~0ull, 0, 0 },
};

static struct hal_message msg;

static inline enum compile_status compile(const char *text,
                                          const struct compile_target *targets,
                                          uint32_t n, struct halbin *out)
{
    struct compile_request req = {
        .source = text, .name = "t.k", .targets = targets, .n_targets = n
    };

    msg.text[0] = 0;
    return compile_source(&req, out, &msg);
}

/* It does not compile, and the message begins with t.k: and has `want`. */
static inline void expect_error(const char *text, const char *want)
{
    struct halbin bin = { .n_kernels = 9 };

    assert_int_equal(compile(text, &everything[1], 1, &bin), COMPILE_ERROR);
    if (strncmp(msg.text, "t.k:", 4) != 0 || !strstr(msg.text, want))
        fail_msg("'%s', not '%s'", msg.text, want);
    assert_int_equal(bin.n_kernels, 9);
}

/* An executable file. */
static inline void write_script(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

#endif
