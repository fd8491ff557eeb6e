/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preprocess_test.h - what the tests of the preprocessor share: files to
 * include, running it, and what it says of a wrong text.
 */
#ifndef TESTS_COMPILER_PREPROCESS_TEST_H
#define TESTS_COMPILER_PREPROCESS_TEST_H

#include "compiler/preprocess.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct hal_text_file test_files[] = {
    { "a.h", "#pragma once\n#define FROM_A 1\nint a;\n" },
    { "self.h", "#include \"self.h\"\n" },
    { "twice.h", "#ifndef N\n#define N 1\n#include \"twice.h\"\n#else\ntwo\n"
                 "#endif\n" },
    { "open_if.h", "#if 1\n" },
    { "bom.h", "\xef\xbb\xbf#define BOM 2\n" },
    { NULL, NULL },
};

static struct hal_message msg;

static inline enum compile_status
run_with(struct pp_options o, const char *text, struct pp_result *out)
{
    o.name = "t.k";
    o.text = text;
    o.files = test_files;
    msg.text[0] = 0;
    return pp_run(&o, out, &msg);
}

static const struct pp_options plain = { .only_kernel = -1, .no_markers = 1 };

static inline void expect_error(const char *text, const char *want)
{
    struct pp_result r = { .text = (char *)1 };
    enum compile_status st = run_with(plain, text, &r);

    if (st != COMPILE_ERROR || strncmp(msg.text, want, strlen(want)) != 0)
        fail_msg("%s\n-> %d %s\nnot %s", text, (int)st, msg.text, want);
    assert_ptr_equal(r.text, (char *)1); /* untouched */
}

#endif
