/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shell.h - what the tests of the commands share: lines for sh, with the
 * programs that were built beside the test, and their JSON.
 */
#ifndef TESTS_TOOLS_SHELL_H
#define TESTS_TOOLS_SHELL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/tool.h"

static char *output; /* of the last run: stdout and stderr */
static char dir[TEMP_DIR_ROOM];

/* `line` is for sh; $H is halcyon, $C is halcc, $D a folder for files. */
static int run(const char *line)
{
    char sh[] = "sh", option[] = "-c", words[1000];
    char *argv[] = { sh, option, words, NULL };
    struct tool_result r = { 0 };
    int e;

    snprintf(words, sizeof words, "%s", line);
    e = tool_run(argv, 200, &r);
    if (e || r.timed_out)
        fail_msg("%s: %s", line, e ? strerror(e) : "takes too long");
    free(output);
    output = calloc(1, r.output.size + 1);
    assert_non_null(output);
    memcpy(output, r.output.bytes, r.output.size);
    buffer_free(&r.output);
    return r.exit_status;
}

static void expect(const char *line, int status, const char *words)
{
    int is = run(line);

    if (is != status || !strstr(output, words))
        fail_msg("%s: status %d, not %d; or no '%s' in: %s", line, is, status,
                 words, output);
}

/* ---- JSON --------------------------------------------------------------- */

static cJSON *json_of(const char *line)
{
    cJSON *json;
    const char *end = NULL;

    expect(line, 0, "");
    json = cJSON_ParseWithOpts(output, &end, 1);
    if (!json)
        fail_msg("%s: no JSON: %s", line, output);
    return json;
}

/* `keys` as "name:s other:n": s text, n number, b truth, a list, o object. */
static void has_keys(const cJSON *o, const char *keys)
{
    char name[64], kind;
    int length;

    for (; sscanf(keys, " %63[^:]:%c%n", name, &kind, &length) == 2;
         keys += length) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
        int good = kind == 's'   ? cJSON_IsString(v)
                   : kind == 'n' ? cJSON_IsNumber(v)
                   : kind == 'b' ? cJSON_IsBool(v)
                   : kind == 'a' ? cJSON_IsArray(v)
                                 : cJSON_IsObject(v);

        if (!good)
            fail_msg("no key %s of kind %c in: %s", name, kind, output);
    }
}

static const char *text_of(const cJSON *o, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(o, key));

    return text ? text : "";
}

static const cJSON *first_of(const cJSON *o, const char *key)
{
    const cJSON *list = cJSON_GetObjectItem(o, key);

    if (cJSON_GetArraySize(list) < 1)
        fail_msg("%s is empty: %s", key, output);
    return cJSON_GetArrayItem(list, 0);
}

/* ---- beginning and end -------------------------------------------------- */

/* build/tests/tools/test_commands -> build/NAME */
static int point_to(const char *variable, const char *name)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);

    if (n < 0)
        return -1;
    path[n] = 0;
    for (int i = 0; i < 3; i++) {
        char *slash = strrchr(path, '/');

        if (!slash)
            return -1;
        *slash = 0;
    }
    strcat(path, "/");
    strcat(path, name);
    return access(path, X_OK) || setenv(variable, path, 1);
}

static int shell_begin(void **state)
{
    (void)state;
    if (point_to("H", "halcyon") || point_to("C", "halcc") ||
        temp_dir_make(dir) || setenv("D", dir, 1))
        return -1;
    return setenv("HALCYON_DEVICES", "cpu:0", 1);
}

static int shell_end(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    free(output);
    return 0;
}

#endif
