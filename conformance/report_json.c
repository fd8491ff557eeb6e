/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_json.c - the report for programs.  docs/conformance.md describes the
 * schema; a change that breaks readers raises its number.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/expect.h"
#include "conformance/json.h"
#include "conformance/runner.h"

static cJSON *counts_json(const struct conf_counts *counts)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddNumberToObject(o, "planned", counts->planned);
    for (int v = 0; v < CONF_VERDICT_COUNT; v++)
        cJSON_AddNumberToObject(o, conf_verdict_name((enum conf_verdict)v),
                                counts->of[v]);
    return o;
}

static cJSON *metrics_json(const struct conf_result *r)
{
    cJSON *o = cJSON_CreateObject();

    for (int i = 0; i < r->n_metrics; i++) {
        if (isfinite(r->metrics[i].value))
            cJSON_AddNumberToObject(o, r->metrics[i].name, r->metrics[i].value);
        else
            cJSON_AddNullToObject(o, r->metrics[i].name);
    }
    return o;
}

static void add_rounded(cJSON *o, const char *key, double value, double scale)
{
    cJSON_AddNumberToObject(o, key, round(value * scale) / scale);
}

/* The last day of a waiver, and what it hides: whoever reads the report later
 * may ask.  The words between are a person's, so they are not searched. */
static void add_waiver(cJSON *o, const struct conf_run *run,
                       const struct conf_target *t, const char *name,
                       const char *message)
{
    const struct conf_expect *e = NULL, *two;
    char *before = NULL, was[16] = "";

    if (run->expects)
        e = conf_expects_find(run->expects, t->device.name, name, &two);
    if (!e || e->kind != CONF_EXPECT_WAIVE)
        return;
    cJSON_AddStringToObject(o, "until", e->until);
    if (asprintf(&before, CONF_WAIVED_WORDS, e->by, e->until, e->why, "") < 0)
        return;
    conf_clean(before); /* as the message was */
    if (message && !strncmp(message, before, strlen(before)))
        sscanf(message + strlen(before), "%15[a-z]", was);
    cJSON_AddStringToObject(o, "was", was);
    free(before);
}

static cJSON *case_json(const struct conf_run *run, const struct conf_target *t,
                        size_t index)
{
    const struct conf_result *r = &t->results[index];
    const struct conf_case *cc = run->cases[index];
    cJSON *o = cJSON_CreateObject();
    char *rerun = conf_rerun(run, t, cc);

    cJSON_AddStringToObject(o, "name", cc->name);
    cJSON_AddStringToObject(o, "device", t->device.name);
    cJSON_AddStringToObject(o, "verdict", conf_verdict_name(r->verdict));
    cJSON_AddNumberToObject(o, "seed", (double)run->set->seed);
    add_rounded(o, "ms", r->ms, 1e3);
    cJSON_AddStringToObject(o, "message", r->message ? r->message : "");
    cJSON_AddStringToObject(o, "rerun", rerun ? rerun : "");
    cJSON_AddItemToObject(o, "metrics", metrics_json(r));
    if (r->verdict == CONF_WAIVED)
        add_waiver(o, run, t, cc->name, r->message);
    free(rerun);
    return o;
}

static cJSON *device_json(const struct conf_target *t)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "name", t->device.name);
    cJSON_AddStringToObject(o, "product", t->device.product);
    cJSON_AddStringToObject(o, "backend", t->device.backend);
    cJSON_AddStringToObject(o, "driver", t->device.driver);
    cJSON_AddStringToObject(o, "stands_on", t->device.stands_on);
    /* What cases across devices find: it decides what they do. */
    cJSON_AddStringToObject(o, "visible", t->devices ? t->devices : "");
    cJSON_AddItemToObject(o, "summary", counts_json(&t->counts));
    return o;
}

/* What this run owed of the whole, so that parts can be joined and gaps
 * seen. */
static void add_plan(cJSON *root, const struct conf_run *run)
{
    cJSON *plan = cJSON_AddObjectToObject(root, "plan"), *left;
    char shard[32];

    cJSON_AddNumberToObject(plan, "cases", (double)run->plan_cases);
    cJSON_AddStringToObject(plan, "hash", run->plan_hash);
    if (run->set->shards) {
        snprintf(shard, sizeof shard, "%d/%d", run->set->shard,
                 run->set->shards);
        cJSON_AddStringToObject(root, "shard", shard);
    }
    if (run->n_resumed)
        cJSON_AddNumberToObject(root, "resumed", (double)run->n_resumed);
    if (run->set->budget_ms <= 0)
        return;
    cJSON_AddNumberToObject(root, "budget_s", run->set->budget_ms / 1e3);
    left = cJSON_AddObjectToObject(root, "left_out");
    for (int i = 0; i < run->n_targets; i++) {
        const struct conf_target *t = &run->targets[i];
        cJSON *names = cJSON_AddArrayToObject(left, t->device.name);

        for (size_t k = 0; k < run->n_cases; k++)
            if (t->results[k].left_out)
                cJSON_AddItemToArray(names,
                                     cJSON_CreateString(run->cases[k]->name));
    }
}

/* What it takes to repeat the run, and to put it beside another. */
static void add_origin(cJSON *root, const struct conf_run *run)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, run->origin)
        cJSON_AddItemToObject(root, item->string, cJSON_Duplicate(item, 1));
}

char *conf_report_json(const struct conf_run *run)
{
    cJSON *root = cJSON_CreateObject();
    cJSON *devices, *cases, *summary;
    int status = conf_exit_status(run);
    char version[32];

    snprintf(version, sizeof version, "%d.%d.%d", HAL_VERSION_MAJOR,
             HAL_VERSION_MINOR, HAL_VERSION_PATCH);
    cJSON_AddStringToObject(root, "schema", CONF_RESULTS_SCHEMA);
    cJSON_AddStringToObject(root, "version", version);
    cJSON_AddStringToObject(root, "started", run->started);
    cJSON_AddStringToObject(root, "result", conf_result_name(status));
    cJSON_AddNumberToObject(root, "exit_status", status);
    cJSON_AddNumberToObject(root, "seed", (double)run->set->seed);
    add_plan(root, run);
    add_origin(root, run);
    cJSON_AddNumberToObject(root, "planned", (double)run->n_planned);
    add_rounded(root, "seconds", run->wall_ms / 1e3, 1e3);
    devices = cJSON_AddArrayToObject(root, "devices");
    summary = cJSON_AddObjectToObject(root, "summary");
    cases = cJSON_AddArrayToObject(root, "cases");
    for (int i = 0; i < run->n_targets; i++) {
        const struct conf_target *t = &run->targets[i];

        cJSON_AddItemToArray(devices, device_json(t));
        cJSON_AddItemToObject(summary, t->device.name, counts_json(&t->counts));
        for (size_t k = 0; k < run->n_cases; k++)
            if (!t->results[k].left_out)
                cJSON_AddItemToArray(cases, case_json(run, t, k));
    }
    return conf_json_line(root);
}

char *conf_list_json(const struct conf_run *run)
{
    const struct conf_strings *devices = &run->set->devices;
    cJSON *root = cJSON_CreateObject(), *list, *owed;

    cJSON_AddStringToObject(root, "schema", CONF_RESULTS_SCHEMA);
    cJSON_AddNumberToObject(root, "planned", (double)run->n_cases);
    cJSON_AddItemToObject(root, "levels",
                          conf_plan_levels(run->cases, run->n_cases));
    add_plan(root, run);
    /* Every device owes every case: what it cannot do it must say. */
    owed = cJSON_AddObjectToObject(root, "devices");
    for (int i = 0; i < devices->n; i++) {
        cJSON *o = cJSON_AddObjectToObject(owed, devices->at[i]);

        cJSON_AddNumberToObject(o, "planned", (double)run->n_cases);
        cJSON_AddItemToObject(o, "levels",
                              conf_plan_levels(run->cases, run->n_cases));
    }
    list = cJSON_AddArrayToObject(root, "cases");
    for (size_t i = 0; i < run->n_cases; i++) {
        cJSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, "name", run->cases[i]->name);
        cJSON_AddStringToObject(o, "levels", run->cases[i]->levels);
        cJSON_AddItemToArray(list, o);
    }
    return conf_json_line(root);
}
