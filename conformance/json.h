/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - what the readers of JSON share.  All of it comes from outside.
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

/* Writes the sentence, without control characters; -1. */
int conf_json_refuse(char error[CONF_RESULTS_ERROR], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
