/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows_json.c - the figures of `halcyon bench kernels` as JSON, schema
 * "halcyon.bench.kernels.1" (docs/tools.md).  Seconds, bytes, operations;
 * shares are 1 for the whole roofline.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench/kernels.h"

static cJSON *add_spread(cJSON *to, const char *key,
                         const struct bench_spread *s)
{
    cJSON *o = cJSON_AddObjectToObject(to, key);

    cJSON_AddNumberToObject(o, "median", s->median);
    cJSON_AddNumberToObject(o, "p10", s->p10);
    cJSON_AddNumberToObject(o, "p90", s->p90);
    return o;
}

static cJSON *machine_json(const struct bench_machine *m)
{
    cJSON *o = cJSON_CreateObject(), *roof;

    cJSON_AddStringToObject(o, "device", m->device);
    cJSON_AddStringToObject(o, "product", m->product);
    cJSON_AddStringToObject(o, "driver", m->driver);
    roof = cJSON_AddObjectToObject(o, "roofline");
    for (unsigned b = 0; b < BENCH_BOUNDS; b++)
        if (m->how[b])
            cJSON_AddStringToObject(
                add_spread(roof, bench_bound_names[b], &m->rates[b]), "by",
                m->how[b]);
    cJSON_AddStringToObject(o, "note", m->why_not);
    return o;
}

static cJSON *row_json(const char *device, const struct bench_row *row,
                       const char *shape)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "device", device);
    cJSON_AddStringToObject(o, "op", row->op);
    cJSON_AddStringToObject(o, "kind", row->kind);
    cJSON_AddStringToObject(o, "shape", shape);
    return o;
}

static cJSON *figure_json(const struct bench_figure *f)
{
    cJSON *o = row_json(f->device, f->row, f->shape), *time;

    time = add_spread(o, "time_s", &f->time);
    cJSON_AddNumberToObject(time, "best", f->best_s);
    cJSON_AddNumberToObject(o, "samples", f->n_samples);
    cJSON_AddNumberToObject(o, "calls_per_sample", f->n_calls);
    cJSON_AddNumberToObject(o, "first_call_s", f->first_s);
    cJSON_AddNumberToObject(o, "bytes_read", f->read);
    cJSON_AddNumberToObject(o, "bytes_written", f->written);
    cJSON_AddNumberToObject(o, "flops", f->flops);
    cJSON_AddNumberToObject(o, "bytes_per_s",
                            (f->read + f->written) / f->time.median);
    cJSON_AddNumberToObject(o, "flops_per_s", f->flops / f->time.median);
    if (f->has_share) {
        cJSON_AddStringToObject(o, "bound", bench_bound_names[f->bound]);
        cJSON_AddNumberToObject(add_spread(o, "share", &f->share), "best",
                                f->share_best);
    }
    return o;
}

static cJSON *gap_json(const struct bench_gap *g)
{
    cJSON *o = row_json(g->device, g->row, g->shape);

    cJSON_AddBoolToObject(o, "unsupported", g->unsupported);
    cJSON_AddStringToObject(o, "why", g->why);
    return o;
}

int bench_kernels_json(const struct bench_kernels *k, const char *path)
{
    cJSON *root = cJSON_CreateObject(), *machine, *list;
    char version[32];

    snprintf(version, sizeof version, "%d.%d.%d", HAL_VERSION_MAJOR,
             HAL_VERSION_MINOR, HAL_VERSION_PATCH);
    cJSON_AddStringToObject(root, "schema", "halcyon.bench.kernels.1");
    cJSON_AddStringToObject(root, "version", version);
    machine = cJSON_AddObjectToObject(root, "machine");
    cJSON_AddStringToObject(machine, "cpu", k->machine);
    cJSON_AddNumberToObject(machine, "cpus", k->n_cpus);
    cJSON_AddBoolToObject(root, "quick", k->quick);
    cJSON_AddBoolToObject(root, "full", k->full);
    list = cJSON_AddArrayToObject(root, "devices");
    for (size_t i = 0; i < k->n_machines; i++)
        cJSON_AddItemToArray(list, machine_json(&k->machines[i]));
    list = cJSON_AddArrayToObject(root, "results");
    for (size_t i = 0; i < k->n_figures; i++)
        cJSON_AddItemToArray(list, figure_json(&k->figures[i]));
    list = cJSON_AddArrayToObject(root, "without_figure");
    for (size_t i = 0; i < k->n_gaps; i++)
        cJSON_AddItemToArray(list, gap_json(&k->gaps[i]));
    return bench_write_text(root, path);
}
