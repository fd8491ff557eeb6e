/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_check.c - JSON from outside: what cJSON takes and no reader should, and
 * where two values differ.
 *
 * Invariant: two programs that read the same text see the same values.  Keys
 * that are there twice and strings with a zero in them would be read one way
 * here and another way elsewhere.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/json.h"

#define PATH_MAX_ 160

/* ---- keys that are there twice -------------------------------------------
 */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The key that an object has twice, "" if memory is out; NULL if none. */
static const char *twice_in(const cJSON *object)
{
    const char **names, *twice = NULL;
    const cJSON *item;
    size_t n = 0;

    cJSON_ArrayForEach(item, object) n++;
    if (n < 2)
        return NULL;
    names = calloc(n, sizeof *names);
    if (!names)
        return "";
    n = 0;
    cJSON_ArrayForEach(item, object) names[n++] = item->string;
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 1; i < n && !twice; i++)
        if (!strcmp(names[i - 1], names[i]))
            twice = names[i];
    free(names);
    return twice;
}

/* Puts ".name", or "[i]", behind what `path` holds; the new length. */
static size_t path_add(char path[PATH_MAX_], size_t at, const char *name,
                       size_t i)
{
    int n =
        name ? snprintf(path + at, PATH_MAX_ - at, "%s%s", at ? "." : "", name)
             : snprintf(path + at, PATH_MAX_ - at, "[%zu]", i);

    return n < 0 || (size_t)n >= PATH_MAX_ - at ? PATH_MAX_ - 1
                                                : at + (size_t)n;
}

/* cJSON bounds how deep this goes: CJSON_NESTING_LIMIT. */
static int keys_sound(const cJSON *value, char path[PATH_MAX_], size_t at,
                      char *why, size_t room)
{
    const char *twice = cJSON_IsObject(value) ? twice_in(value) : NULL;
    const cJSON *item;
    size_t i = 0;

    if (twice) {
        path_add(path, at, twice, 0);
        snprintf(why, room, *twice ? "%s is there twice" : "%s: out of memory",
                 path);
        return -1;
    }
    cJSON_ArrayForEach(item, value)
    {
        if (item->child &&
            keys_sound(item, path,
                       path_add(path, at,
                                cJSON_IsObject(value) ? item->string : NULL, i),
                       why, room))
            return -1;
        i++;
    }
    path[at] = 0;
    return 0;
}

/* ---- zeros in strings ----------------------------------------------------
 */

/* The quoted string that begins at `at`, its quotes included; whether it holds
 * \u0000. */
static size_t string_length(const char *text, size_t size, size_t at,
                            int *out_zero)
{
    size_t i = at + 1;

    *out_zero = 0;
    for (; i < size && text[i] != '"'; i++) {
        if (text[i] != '\\')
            continue;
        i++;
        *out_zero |= size - i > 5 && !memcmp(text + i, "u0000", 5);
    }
    return i - at + 1;
}

static int zeros_sound(const char *text, size_t size, char *why, size_t room)
{
    size_t key = 0, key_length = 0;

    if (!memmem(text, size, "\\u0000", 6))
        return 0;
    for (size_t i = 0; i < size; i++) {
        size_t length, after;
        int zero;

        if (text[i] != '"')
            continue;
        length = string_length(text, size, i, &zero);
        for (after = i + length;
             after < size && strchr(" \t\r\n", text[after]) && text[after];)
            after++;
        if (after < size && text[after] == ':') {
            key = i + 1;
            key_length = length - 2;
        }
        if (zero) {
            snprintf(why, room, "%.*s: a string with \\u0000 in it",
                     key_length < 100 ? (int)key_length : 100, text + key);
            return -1;
        }
        i += length - 1;
    }
    return 0;
}

/* cJSON takes any byte up to a space for one; JSON has four such bytes. */
static int bytes_sound(const char *text, size_t size, char *why, size_t room)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' && text[i] != '\t' &&
            text[i] != '\n' && text[i] != '\r') {
            snprintf(why, room, "a control character, 0x%02x, at byte %zu",
                     text[i], i);
            return -1;
        }
    return 0;
}

int conf_json_sound(const cJSON *root, const char *text, size_t size, char *why,
                    size_t room)
{
    char path[PATH_MAX_] = "";

    return bytes_sound(text, size, why, room) ||
                   zeros_sound(text, size, why, room) ||
                   keys_sound(root, path, 0, why, room)
               ? -1
               : 0;
}

/* ---- a whole text --------------------------------------------------------
 */

cJSON *conf_json_parse(const char *path, const char *text, size_t size,
                       char error[CONF_RESULTS_ERROR])
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text, size, &end, 0);
    char why[300];

    if (!root) {
        conf_json_refuse(error, "%.200s: no JSON from byte %zu on", path,
                         end ? (size_t)(end - text) : 0);
        return NULL;
    }
    for (; end < text + size && *end && strchr(" \t\r\n", *end); end++)
        ;
    if (end < text + size)
        conf_json_refuse(error,
                         *end ? "%.200s: more than one JSON value"
                              : "%.200s: a byte of zero in the text",
                         path);
    else if (!conf_json_sound(root, text, size, why, sizeof why))
        return root;
    else
        conf_json_refuse(error, "%.200s: %s", path, why);
    cJSON_Delete(root);
    return NULL;
}

/* ---- differences ---------------------------------------------------------
 */

static void put_value(char out[100], const cJSON *value)
{
    char *text = value ? cJSON_PrintUnformatted(value) : NULL;

    if (cJSON_IsString(value))
        snprintf(out, 100, "'%.90s'", value->valuestring);
    else
        snprintf(out, 100, "%.90s", text ? text : "nothing");
    cJSON_free(text);
}

static int differs(const cJSON *a, const cJSON *b, char path[PATH_MAX_],
                   size_t at, struct conf_json_gap *out)
{
    const cJSON *x, *y;
    size_t i = 0;

    if (cJSON_IsObject(a) && cJSON_IsObject(b)) {
        cJSON_ArrayForEach(x, a)
        {
            y = cJSON_GetObjectItemCaseSensitive(b, x->string);
            if (differs(x, y, path, path_add(path, at, x->string, 0), out))
                return 1;
        }
        cJSON_ArrayForEach(y, b)
        {
            if (!cJSON_GetObjectItemCaseSensitive(a, y->string) &&
                differs(NULL, y, path, path_add(path, at, y->string, 0), out))
                return 1;
        }
        return 0;
    }
    if (cJSON_IsArray(a) && cJSON_IsArray(b)) {
        for (x = a->child, y = b->child; x || y; i++) {
            if (differs(x, y, path, path_add(path, at, NULL, i), out))
                return 1;
            x = x ? x->next : NULL;
            y = y ? y->next : NULL;
        }
        return 0;
    }
    if ((!a && !b) || cJSON_Compare(a, b, 1))
        return 0;
    path[at] = 0;
    snprintf(out->key, sizeof out->key, "%.120s", path);
    put_value(out->a, a);
    put_value(out->b, b);
    return 1;
}

int conf_json_differs(const cJSON *a, const cJSON *b, const char *key,
                      struct conf_json_gap *out)
{
    char path[PATH_MAX_] = "";

    return differs(a, b, path, path_add(path, 0, key, 0), out);
}
