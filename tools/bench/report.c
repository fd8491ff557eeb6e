/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - the results as JSON: schema "halcyon.bench.1".  Times are in
 * seconds, rates in bytes or operations a second.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench/bench.h"

static const char *const unit_names[] = {
    [BENCH_TIME] = "s", [BENCH_BYTES] = "B/s", [BENCH_FLOPS] = "FLOP/s"
};

static cJSON *result_json(const struct bench_result *r)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "section", r->section);
    cJSON_AddStringToObject(o, "device", r->device);
    cJSON_AddStringToObject(o, "name", r->name);
    cJSON_AddStringToObject(o, "unit", unit_names[r->unit]);
    cJSON_AddNumberToObject(o, "hal", r->hal);
    cJSON_AddStringToObject(o, "against", r->raw_name);
    cJSON_AddNumberToObject(o, "raw", r->raw);
    cJSON_AddNumberToObject(o, "ratio", r->ratio);
    cJSON_AddNumberToObject(o, "ratio_min", r->low);
    cJSON_AddNumberToObject(o, "ratio_max", r->high);
    cJSON_AddNumberToObject(o, "ratio_p10", r->p10);
    cJSON_AddNumberToObject(o, "ratio_p90", r->p90);
    cJSON_AddNumberToObject(o, "ratio_of_best", r->best);
    cJSON_AddNumberToObject(o, "pairs", r->n_pairs);
    cJSON_AddNumberToObject(o, "calls_per_sample", r->n_calls);
    if (r->goal > 0) {
        cJSON_AddNumberToObject(o, "goal", r->goal);
        cJSON_AddBoolToObject(o, "met",
                              r->unit == BENCH_TIME ? r->ratio <= r->goal
                                                    : r->ratio >= r->goal);
    }
    return o;
}

int bench_write_text(struct cJSON *root, const char *path)
{
    char *text = cJSON_Print(root);
    FILE *f = text ? fopen(path, "we") : NULL;
    int failed = !f || fputs(text, f) < 0 || fputc('\n', f) < 0;

    if (f && fclose(f) != 0)
        failed = 1;
    cJSON_Delete(root);
    free(text);
    return failed ? -1 : 0;
}

int bench_write_json(const struct bench *b)
{
    cJSON *root = cJSON_CreateObject(), *machine, *list;

    cJSON_AddStringToObject(root, "schema", "halcyon.bench.1");
    machine = cJSON_AddObjectToObject(root, "machine");
    cJSON_AddStringToObject(machine, "cpu", b->machine);
    cJSON_AddNumberToObject(machine, "cpus", b->n_cpus);
    cJSON_AddBoolToObject(root, "quick", b->quick);
    cJSON_AddNumberToObject(root, "failures", (double)b->n_failures);
    list = cJSON_AddArrayToObject(root, "results");
    for (size_t i = 0; i < b->n_results; i++)
        cJSON_AddItemToArray(list, result_json(&b->results[i]));
    list = cJSON_AddArrayToObject(root, "first_use");
    for (size_t i = 0; i < b->n_firsts; i++) {
        cJSON *o = cJSON_CreateObject();

        cJSON_AddStringToObject(o, "device", b->firsts[i].device);
        cJSON_AddStringToObject(o, "name", b->firsts[i].name);
        cJSON_AddNumberToObject(o, "ms", b->firsts[i].ms);
        cJSON_AddItemToArray(list, o);
    }

    return bench_write_text(root, b->json_path);
}

void bench_close(struct bench *b)
{
    free(b->results);
    free(b->firsts);
    b->results = NULL;
    b->firsts = NULL;
}
