/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin.h - what the verdicts of a run come from beside its cases, its seed
 * and its devices.
 */
#ifndef CONFORMANCE_ORIGIN_H
#define CONFORMANCE_ORIGIN_H

#include <cjson/cJSON.h>

#include "conformance/runner.h"

/* Variables of drivers, and of their loaders, that choose the device or the
 * code that runs there; NULL at the end. */
extern const char *const conf_driver_settings[];

/* Fills run->origin where a report or a journal will hold it: { "program",
 * "golden", "environment" }, and "mutant" and "expect" where they are.  After
 * conf_settle_open.  0, or -1 and a line on stderr. */
int conf_origin_take(struct conf_run *run);

/* After the last case: whether the golden packs are still those that were
 * hashed, for workers have read them since.  0, or -1 with a line on
 * stderr. */
int conf_origin_holds(const struct conf_run *run);

/* A copy of an "environment" without what changes no verdict. */
cJSON *conf_origin_settings(const cJSON *environment);

#endif
