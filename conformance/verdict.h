/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verdict.h - names of verdicts and counts of them.
 */
#ifndef CONFORMANCE_VERDICT_H
#define CONFORMANCE_VERDICT_H

#include "conformance/conf.h"

const char *conf_verdict_name(enum conf_verdict verdict);
/* CONF_VERDICT_COUNT if there is none of this name. */
enum conf_verdict conf_verdict_of(const char *name);
/* 1 if a run with only such verdicts is conformant. */
int conf_verdict_ok(enum conf_verdict verdict);
/* Found by running the case, and bad: what a waiver may hide. */
int conf_verdict_found_bad(enum conf_verdict verdict);

struct conf_counts {
    unsigned of[CONF_VERDICT_COUNT];
    unsigned planned;
};
/* Whether a metric of this name is an error over its bound. */
int conf_is_of_bound(const char *metric);
/* "conformant", ...: what a run of this exit status is called. */
const char *conf_result_name(int exit_status);

unsigned conf_counts_total(const struct conf_counts *counts);
/* 1 if they show something of the device: that a case passed, or that one is
 * not ok.  Excuses alone show nothing. */
int conf_counts_prove(const struct conf_counts *counts);

#endif
