/* SPDX-License-Identifier: Apache-2.0 */
/*
 * results.h - reports that were written before, read back.  They come from
 * outside: every field is checked, and what contradicts itself is refused.
 */
#ifndef CONFORMANCE_RESULTS_H
#define CONFORMANCE_RESULTS_H

#include <cjson/cJSON.h>

#include "conformance/verdict.h"

#define CONF_RESULTS_SCHEMA "halcyon.conform/1"
#define CONF_RESULTS_ERROR  512

/* One verdict of a report. */
struct conf_past {
    const char *device, *name; /* in `root` */
    enum conf_verdict verdict;
    double ms;
    cJSON *item;
};

struct conf_results {
    char *path;
    cJSON *root;
    struct conf_past *at; /* sorted by device, then name */
    size_t n;
    struct conf_past *left_out; /* the same; no verdict */
    size_t n_left_out;
    const char *plan_hash;
    size_t plan_cases;
    int shard, shards; /* shards 0: it is of the whole plan */
    size_t n_expect;   /* files of expectations */
    int exit_status;
    uint64_t seed;
};

/* Reads and checks: the schema, that every number agrees with the cases, that
 * no case has two verdicts, that none is missing but those of other shards.
 * 0, or -1 and `error` with file and key; release it in either case. */
int conf_results_read(struct conf_results *r, const char *path,
                      char error[CONF_RESULTS_ERROR]);
/* The same of a text; the fuzzer's entry. */
int conf_results_parse(struct conf_results *r, const char *path,
                       const char *text, size_t size,
                       char error[CONF_RESULTS_ERROR]);
void conf_results_release(struct conf_results *r);

const struct conf_past *conf_results_find(const struct conf_results *r,
                                          const char *device, const char *name);

/* Every device of a report has a verdict, or a place among what was left out,
 * for each case of the plan. */
int conf_results_whole(const struct conf_results *r,
                       char error[CONF_RESULTS_ERROR]);

/* ---- results_check.c ----------------------------------------------------- */

#define CONF_RESULTS_WHY 160

/* What stands before the cases, and after them what is said of them: 0, or -1
 * and `error`. */
int conf_results_head(struct conf_results *r, char error[CONF_RESULTS_ERROR]);
int conf_results_sums(const struct conf_results *r,
                      char error[CONF_RESULTS_ERROR]);
/* Whether a verdict has what it needs: 0, or -1 and a sentence that begins with
 * the key.  `metrics`: an object, or NULL. */
int conf_results_verdict(enum conf_verdict verdict, const char *message,
                         const cJSON *metrics, char why[CONF_RESULTS_WHY]);
/* 1 for what only an entry of a file of expectations makes of a case. */
int conf_results_excused(enum conf_verdict verdict);

/* ---- files --------------------------------------------------------------- */

/* The whole of a file of at most `most` bytes, NUL-terminated; NULL and a
 * sentence. */
char *conf_read_file(const char *path, size_t most, size_t *out_size,
                     char error[CONF_RESULTS_ERROR]);

/* 1 if `real` is beneath the folder `base`; both as realpath() gives them. */
int conf_is_beneath(const char *real, const char *base);
/* No link leads from `path` out of `dir`: 0, or -1 and a sentence. */
int conf_path_within(const char *dir, const char *path,
                     char error[CONF_RESULTS_ERROR]);

/* plan.c: "I/N", as in 2/3, and the hash of sorted names. 0, or -1. */
int conf_plan_shard(const char *text, int *shard, int *shards);
void conf_plan_hash(const char *const *names, size_t n, char out[33]);

#endif
