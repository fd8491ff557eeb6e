/* SPDX-License-Identifier: Apache-2.0 */
/*
 * results_check.c - what a report says of itself, against its own cases.
 *
 * Invariant: a number that stands in a report twice agrees with itself, and no
 * verdict is there without what it needs: a pass is within its bounds, anything
 * else has a reason, a waiver has a file that it came from.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "conformance/json.h"

#define CASES_MAX 1e9

/* ---- one verdict ---------------------------------------------------------
 */

int conf_results_verdict(enum conf_verdict verdict, const char *message,
                         const cJSON *metrics, char why[CONF_RESULTS_WHY])
{
    int passed = verdict == CONF_PASS || verdict == CONF_XPASS;
    const cJSON *m;

    if (verdict != CONF_PASS && !*message) {
        snprintf(why, CONF_RESULTS_WHY, "message: %s without a reason",
                 conf_verdict_name(verdict));
        return -1;
    }
    if (metrics && !cJSON_IsObject(metrics)) {
        snprintf(why, CONF_RESULTS_WHY, "metrics: no object");
        return -1;
    }
    cJSON_ArrayForEach(m, metrics)
    {
        const char *name = m->string;

        if (!cJSON_IsNull(m) &&
            !(cJSON_IsNumber(m) && isfinite(m->valuedouble))) {
            snprintf(why, CONF_RESULTS_WHY, "metrics.%.60s: no number", name);
            return -1;
        }
        if (passed && conf_is_of_bound(name) &&
            !(cJSON_IsNumber(m) && m->valuedouble >= 0 &&
              m->valuedouble <= 1)) {
            snprintf(why, CONF_RESULTS_WHY,
                     "metrics.%.60s: a pass beyond its bound", name);
            return -1;
        }
    }
    return 0;
}

int conf_results_excused(enum conf_verdict verdict)
{
    return verdict == CONF_WAIVED || verdict == CONF_XFAIL ||
           verdict == CONF_XPASS;
}

/* ---- what is said of them ------------------------------------------------ */

/* The counts of one device against its cases. */
static int check_counts(const struct conf_results *r, const char *device,
                        const cJSON *counts,
                        const unsigned of[CONF_VERDICT_COUNT],
                        char error[CONF_RESULTS_ERROR])
{
    unsigned sum = 0;

    for (int v = 0; v < CONF_VERDICT_COUNT; v++) {
        const char *name = conf_verdict_name((enum conf_verdict)v);

        sum += of[v];
        if (conf_json_whole(counts, name, 1e9) != of[v])
            return conf_json_refuse(
                error,
                "%.200s: summary of %.63s: %s is not the %u that "
                "cases hold",
                r->path, device, name, of[v]);
    }
    if (conf_json_whole(counts, "planned", 1e9) != sum)
        return conf_json_refuse(error,
                                "%.200s: summary of %.63s: planned is not %u",
                                r->path, device, sum);
    return 0;
}

/* The counts stand in the report twice: by device name, and in the list of
 * devices. */
static int check_device(const struct conf_results *r, const char *device,
                        const unsigned of[CONF_VERDICT_COUNT],
                        char error[CONF_RESULTS_ERROR])
{
    const cJSON *item;
    int found = 0;

    if (check_counts(
            r, device,
            conf_json_field(conf_json_field(r->root, "summary"), device), of,
            error))
        return -1;
    cJSON_ArrayForEach(item, conf_json_field(r->root, "devices"))
    {
        const char *name = conf_json_text(item, "name");

        if (strcmp(name, device))
            continue;
        found++;
        if (check_counts(r, device, conf_json_field(item, "summary"), of,
                         error))
            return -1;
    }
    return found == 1
               ? 0
               : conf_json_refuse(error,
                                  "%.200s: devices: %.63s is there %d times",
                                  r->path, device, found);
}

/* What the verdicts of all devices make of the run. */
struct sums {
    int n_devices, bad, unrun, unproven, excused;
};

static int sum_devices(const struct conf_results *r, struct sums *s,
                       char error[CONF_RESULTS_ERROR])
{
    for (size_t i = 0, k; i < r->n; i = k) {
        struct conf_counts counts = { 0 };

        for (k = i; k < r->n && !strcmp(r->at[i].device, r->at[k].device);
             k++) {
            enum conf_verdict verdict = r->at[k].verdict;

            counts.of[verdict]++;
            s->bad |= !conf_verdict_ok(verdict);
            s->unrun |= verdict == CONF_MISSING || verdict == CONF_SKIPPED;
            s->excused |= conf_results_excused(verdict);
        }
        if (check_device(r, r->at[i].device, counts.of, error))
            return -1;
        s->unproven |= !conf_counts_prove(&counts);
        s->n_devices++;
    }
    return 0;
}

static int check_summary(const struct conf_results *r,
                         char error[CONF_RESULTS_ERROR])
{
    struct sums s = { 0 };
    int want;

    if (sum_devices(r, &s, error))
        return -1;
    if (cJSON_GetArraySize(conf_json_field(r->root, "summary")) !=
            s.n_devices ||
        cJSON_GetArraySize(conf_json_field(r->root, "devices")) != s.n_devices)
        return conf_json_refuse(
            error,
            "%.300s: devices and summary do not list the %d "
            "devices of cases",
            r->path, s.n_devices);
    if (conf_json_whole(r->root, "planned", CASES_MAX) != (double)r->n)
        return conf_json_refuse(error, "%.300s: planned is not %zu", r->path,
                                r->n);
    if (s.excused && !r->n_expect)
        return conf_json_refuse(
            error, "%.300s: expect: cases are excused, and it names no file",
            r->path);
    /* A shard alone need not prove anything; an internal error makes a run of
     * good verdicts incomplete. */
    want = s.unrun || (s.unproven && r->shards <= 1) ? 3 : s.bad ? 1 : 0;
    if (r->exit_status != want && r->exit_status != 3)
        return conf_json_refuse(
            error, "%.300s: exit_status %d contradicts the verdicts (%d)",
            r->path, r->exit_status, want);
    return 0;
}

/* How many cases of the plan are this shard's on each device. */
static size_t shard_cases(const struct conf_results *r)
{
    size_t shard = (size_t)r->shard, shards = (size_t)r->shards;

    return r->plan_cases < shard ? 0 : (r->plan_cases - shard) / shards + 1;
}

static int check_shard(const struct conf_results *r,
                       char error[CONF_RESULTS_ERROR])
{
    for (size_t i = 0, k; i < r->n; i = k) {
        const char *device = r->at[i].device;
        size_t n = 0;

        for (k = i; k < r->n && !strcmp(device, r->at[k].device); k++)
            n++;
        for (size_t j = 0; j < r->n_left_out; j++)
            n += !strcmp(r->left_out[j].device, device);
        if (n != shard_cases(r))
            return conf_json_refuse(
                error,
                "%.200s: shard %d/%d: %.63s has %zu cases; of the plan's %zu "
                "that are %zu",
                r->path, r->shard, r->shards, device, n, r->plan_cases,
                shard_cases(r));
    }
    return 0;
}

int conf_results_sums(const struct conf_results *r,
                      char error[CONF_RESULTS_ERROR])
{
    double resumed = conf_json_whole(r->root, "resumed", CASES_MAX);

    if (check_summary(r, error))
        return -1;
    if (conf_json_has(r->root, "resumed") &&
        !(resumed >= 0 && resumed <= (double)r->n))
        return conf_json_refuse(error,
                                "%.300s: resumed: not within the %zu verdicts",
                                r->path, r->n);
    if (r->n_left_out && !conf_json_has(r->root, "budget_s") &&
        !conf_json_has(r->root, "merged_from"))
        return conf_json_refuse(error, "%.300s: left_out: without budget_s",
                                r->path);
    for (size_t i = 0; i < r->n_left_out; i++)
        if (!conf_json_has(conf_json_field(r->root, "summary"),
                           r->left_out[i].device))
            return conf_json_refuse(error, "%.300s: left_out: no device %.63s",
                                    r->path, r->left_out[i].device);
    return r->shards > 1 ? check_shard(r, error) : conf_results_whole(r, error);
}

/* ---- the head ------------------------------------------------------------
 */

/* A time in seconds. */
static int check_seconds(const struct conf_results *r, const char *key,
                         char error[CONF_RESULTS_ERROR])
{
    const cJSON *item = conf_json_field(r->root, key);

    return cJSON_IsNumber(item) && item->valuedouble >= 0 &&
                   isfinite(item->valuedouble)
               ? 0
               : conf_json_refuse(error, "%.300s: %s: no time", r->path, key);
}

static int take_plan(struct conf_results *r, char error[CONF_RESULTS_ERROR])
{
    const cJSON *plan = conf_json_field(r->root, "plan");
    const char *shard = conf_json_text(r->root, "shard");
    double n = conf_json_whole(plan, "cases", CASES_MAX);

    r->plan_hash = conf_json_text(plan, "hash");
    if (strlen(r->plan_hash) != 32 || n < 1)
        return conf_json_refuse(error, "%.300s: plan: no hash, or no cases",
                                r->path);
    r->plan_cases = (size_t)n;
    if (conf_json_has(r->root, "shard") &&
        conf_plan_shard(shard, &r->shard, &r->shards))
        return conf_json_refuse(error,
                                "%.300s: shard: '%.20s' is not I/N, as in 2/3",
                                r->path, shard);
    return 0;
}

/* The files of expectations, by their hashes. */
static int take_expect(struct conf_results *r, char error[CONF_RESULTS_ERROR])
{
    const cJSON *list = conf_json_field(r->root, "expect"), *item;

    cJSON_ArrayForEach(item, list)
    {
        if (!conf_json_is_hash(item))
            return conf_json_refuse(error, "%.300s: expect: no SHA-256",
                                    r->path);
        r->n_expect++;
    }
    return !list || cJSON_IsArray(list)
               ? 0
               : conf_json_refuse(error, "%.300s: expect: no list", r->path);
}

int conf_results_head(struct conf_results *r, char error[CONF_RESULTS_ERROR])
{
    const char *schema = conf_json_text(r->root, "schema");
    const char *result = conf_json_text(r->root, "result");
    double status = conf_json_whole(r->root, "exit_status", 3);
    double seed = conf_json_whole(r->root, "seed", 0x1p53);

    if (strcmp(schema, CONF_RESULTS_SCHEMA))
        return conf_json_refuse(error, "%.200s: schema: want %s, got '%.60s'",
                                r->path, CONF_RESULTS_SCHEMA, schema);
    if (conf_json_has(r->root, "mutant"))
        return conf_json_refuse(
            error, "%.200s: mutant: a fault was planted in that run", r->path);
    if (status < 0 || strcmp(result, conf_result_name((int)status)))
        return conf_json_refuse(
            error, "%.300s: result and exit_status do not agree", r->path);
    if (seed < 0)
        return conf_json_refuse(error, "%.300s: seed: no number below 2^53",
                                r->path);
    r->exit_status = (int)status;
    r->seed = (uint64_t)seed;
    if (check_seconds(r, "seconds", error) ||
        (conf_json_has(r->root, "budget_s") &&
         check_seconds(r, "budget_s", error)))
        return -1;
    return take_plan(r, error) || take_expect(r, error) ? -1 : 0;
}
