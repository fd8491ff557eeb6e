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
