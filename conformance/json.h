/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - what the readers and the writers of JSON share.  What is read comes
 * from outside.
 */
#ifndef CONFORMANCE_JSON_H
#define CONFORMANCE_JSON_H

#include <cjson/cJSON.h>

#include "conformance/results.h"
#include "conformance/runner.h"

/* The string of that key, which lives as long as `object`; "" if there is none,
 * or no object. */
const char *conf_json_text(const cJSON *object, const char *key);

/* The only item of that key; NULL when there is none, or two. */
cJSON *conf_json_field(const cJSON *object, const char *key);
/* Its whole number from 0 to `most`; -1 when it is none. */
double conf_json_whole(const cJSON *object, const char *key, double most);

int conf_json_has(const cJSON *object, const char *key);
/* The SHA-256 of the bytes. */
void conf_json_add_hash(cJSON *object, const char *key, const void *data,
                        size_t size);
/* 64 hexadecimal digits. */
int conf_json_is_hash(const cJSON *item);

/* ---- json_check.c -------------------------------------------------------- */

/* The one value that a text from outside is; NULL and "path: why" if it is
 * none, or if conf_json_sound refuses it. */
cJSON *conf_json_parse(const char *path, const char *text, size_t size,
                       char error[CONF_RESULTS_ERROR]);
/* What a JSON text may hold, and no reader here would notice: a key that its
 * object has twice, a \u0000 that ends a string early, a control character.
 * 0, or -1 and a sentence with the key or the byte.  `root` is what `text` was
 * parsed to. */
int conf_json_sound(const cJSON *root, const char *text, size_t size, char *why,
                    size_t room);

/* The first place where two values differ. */
struct conf_json_gap {
    char key[128];       /* "environment.HALCYON_VARIANT" */
    char a[100], b[100]; /* what stands there; "nothing" */
};
/* 1 and *out if they differ; `key`: what they are called. */
int conf_json_differs(const cJSON *a, const cJSON *b, const char *key,
                      struct conf_json_gap *out);

/* The numbers of an object, as a result's metrics; none if there are too many.
 * What is no number is NaN. */
void conf_json_metrics(struct conf_result *r, const cJSON *metrics);

/* The whole as text that ends with a newline, the caller's to free, or NULL;
 * deletes root. */
char *conf_json_line(cJSON *root);

/* Writes the sentence, without control characters; -1. */
int conf_json_refuse(char error[CONF_RESULTS_ERROR], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
