/* SPDX-License-Identifier: Apache-2.0 */
/* test_safetensors.c - headers and files that must be refused, with the key,
 * and those that must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conformance/golden.h"

#define T(body) "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":" body "}"
#define GOOD    "{\"a\":" T("[0,8]") ",\"b\":" T("[8,16]") "}"

static int parse(const char *text, uint64_t data, char *error)
{
    struct golden_file f = { 0 };
    int st = golden_header_parse(&f, text, strlen(text), data, error);

    if (st == 0)
        golden_file_close(&f);
    return st;
}

static void good(void **state)
{
    struct golden_file f = { 0 };
    char error[GOLDEN_ERROR] = "";
    const struct golden_tensor *t;

    (void)state;
    assert_int_equal(golden_header_parse(&f, GOOD, strlen(GOOD), 16, error), 0);
    t = golden_file_find(&f, "b");
    assert_non_null(t);
    assert_int_equal(t->begin, 8);
    assert_int_equal(t->count, 2);
    assert_null(golden_file_find(&f, "c"));
    golden_file_close(&f);
    assert_int_equal(parse("{}", 0, error), 0);
    assert_int_equal(parse("{\"__metadata__\":{\"k\":\"v\"}}  ", 0, error), 0);
    assert_int_equal(parse("{\"e\":{\"dtype\":\"U8\",\"shape\":[0,5],"
                           "\"data_offsets\":[0,0]}}",
                           0, error),
                     0);
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        uint64_t data;
        const char *says;
    } bad[] = {
        { "", 0, "start with" },
        { " {}", 0, "start with" },
        { "[]", 0, "start with" },
        { "{\"a\":1}", 0, "\"a\"" },
        { "{\"a\":" T("[0,8]") "", 8, "not JSON" },
        { "{\"a\":" T("[0,8]") "}x", 8, "after the JSON" },
        { "{\"a\":" T("[0,8]") "}", 12, "no tensor names" },
        { "{\"a\":" T("[0,8]") "}", 4, "\"a\"" },
        { "{\"a\":" T("[8,0]") "}", 8, "\"a\"" },
        { "{\"a\":" T("[0,4]") "}", 4, "do not fit" },
        { "{\"a\":" T("[-8,0]") "}", 8, "\"a\"" },
        { "{\"a\":" T("[0.5,8]") "}", 8, "\"a\"" },
        { "{\"a\":" T("[0,1e300]") "}", 8, "\"a\"" },
        { "{\"a\":" T("[0]") "}", 8, "\"a\"" },
        { "{\"a\":" T("[4,12]") "}", 12, "hole" },
        { "{\"a\":" T("[0,8]") ",\"b\":" T("[4,12]") "}", 12, "overlap" },
        { "{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
          "dtype is unknown" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
          4, "whole number" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],"
          "\"data_offsets\":[0,0]}}",
          0, "overflows" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],"
          "\"data_offsets\":[0,1]}}",
          1, "more than 8" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],"
          "\"x\":1}}",
          4, "exactly" },
        { "{\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
          "\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
          0, "twice" },
        { "{\"__metadata__\":{\"k\":1}}", 0, "__metadata__" },
        { "{\"__metadata__\":[]}", 0, "__metadata__" },
        { "{\"a\":[[[[[[]]]]]]}", 0, "deeply" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char error[GOLDEN_ERROR] = "";

        if (parse(bad[i].text, bad[i].data, error) != -1 ||
            !strstr(error, bad[i].says)) {
            print_error("%s: \"%s\" does not say \"%s\"\n", bad[i].text, error,
                        bad[i].says);
            fail();
        }
    }
}

/* Every prefix of a good file is refused; so is a length that lies. */
static void truncated(void **state)
{
    char path[] = "/tmp/halcyon-safetensors-XXXXXX";
    uint8_t file[8 + sizeof GOOD - 1 + 16] = { sizeof GOOD - 1 };
    struct golden_file f = { 0 };
    char error[GOLDEN_ERROR];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    memcpy(file + 8, GOOD, sizeof GOOD - 1);
    for (size_t n = 0; n <= sizeof file; n++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, file, n, 0), (ssize_t)n);
        if (n < sizeof file) {
            assert_int_equal(golden_file_open(&f, NULL, path, error), -1);
            continue;
        }
        assert_int_equal(golden_file_open(&f, NULL, path, error), 0);
        assert_non_null(golden_file_data(&f, golden_file_find(&f, "a"), error));
        golden_file_close(&f);
    }
    memset(file, 0xFF, 8);
    assert_int_equal(pwrite(fd, file, 8, 0), 8);
    assert_int_equal(golden_file_open(&f, NULL, path, error), -1);
    assert_non_null(strstr(error, "header"));
    close(fd);
    unlink(path);
    assert_int_equal(golden_file_open(&f, NULL, path, error), -1);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(golden_file_open(&f, NULL, path, error), -1); /* no wait */
    unlink(path);
    assert_int_equal(golden_file_open(&f, NULL, "/tmp", error), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(refused),
        cmocka_unit_test(truncated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
