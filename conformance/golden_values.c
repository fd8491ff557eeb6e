/* SPDX-License-Identifier: Apache-2.0 */
/* golden_values.c - reads what a case of a pack says: tensors, attributes. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "conformance/golden_run.h"

void golden_cannot(struct golden_run *r, const char *format, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    conf_end(r->c, CONF_UNSUPPORTED, "%s", text);
}

static const struct golden_value *find(const struct golden_value *values, int n,
                                       const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(values[i].name, name) == 0)
            return &values[i];
    return NULL;
}

const struct golden_value *golden_input_or_null(struct golden_run *r,
                                                const char *name)
{
    return find(r->g->inputs, r->g->n_inputs, name);
}

const struct golden_value *golden_input(struct golden_run *r, const char *name)
{
    const struct golden_value *v = golden_input_or_null(r, name);

    if (!v)
        golden_cannot(r, "the case has no input \"%s\", which %s takes", name,
                      r->g->op);
    return v;
}

const struct golden_value *golden_output_or_null(struct golden_run *r,
                                                 const char *name)
{
    return find(r->g->outputs, r->g->n_outputs, name);
}

const struct golden_value *golden_output(struct golden_run *r, const char *name)
{
    const struct golden_value *v = golden_output_or_null(r, name);

    if (!v)
        golden_cannot(r, "the case has no output \"%s\", which %s gives", name,
                      r->g->op);
    return v;
}

static const char *slot_name(struct golden_run *r, const char *list, int slot)
{
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(r->g->attrs, list);
    const cJSON *name =
        cJSON_IsArray(names) ? cJSON_GetArrayItem(names, slot) : NULL;

    return cJSON_IsString(name) && *name->valuestring ? name->valuestring
                                                      : NULL;
}

const struct golden_value *golden_slot(struct golden_run *r, int slot)
{
    const char *name = slot_name(r, "input_slots", slot);

    return name ? golden_input(r, name) : NULL;
}

const struct golden_value *golden_result(struct golden_run *r, int slot)
{
    const char *name = slot_name(r, "output_slots", slot);
    const struct golden_value *precise;
    char twin[128];

    if (!name)
        return NULL;
    (void)snprintf(twin, sizeof twin, "%s__f64", name);
    precise = golden_output_or_null(r, twin);
    return precise ? precise : golden_output(r, name);
}

const cJSON *golden_attr(struct golden_run *r, const char *name)
{
    static const char *const parts[] = { "node", "node_defaults" };
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(r->g->attrs, name);

    for (int i = 0; i < 2 && !v; i++)
        v = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(r->g->attrs, parts[i]), name);
    return v;
}

double golden_number(struct golden_run *r, const char *name, double absent)
{
    const cJSON *v = golden_attr(r, name);

    if (cJSON_IsNumber(v))
        return v->valuedouble;
    if (cJSON_IsBool(v))
        return cJSON_IsTrue(v);
    if (cJSON_IsString(v) && strcmp(v->valuestring, "inf") == 0)
        return INFINITY;
    if (cJSON_IsString(v) && strcmp(v->valuestring, "-inf") == 0)
        return -INFINITY;
    return absent;
}

int golden_flag(struct golden_run *r, const char *text)
{
    const cJSON *flag;

    cJSON_ArrayForEach(
        flag, r->g->flags) if (cJSON_IsString(flag) &&
                               strstr(flag->valuestring, text)) return 1;
    return 0;
}

static const void *data_of(struct golden_run *r, const struct golden_value *v)
{
    char error[GOLDEN_ERROR];
    const void *data = golden_file_data(r->g->file, v->t, error);

    if (!data)
        conf_end(r->c, CONF_ERROR, "%s %s", r->g->file->path, error);
    if (v->logical)
        golden_cannot(r, "no kernel reads \"%.60s\"", v->logical);
    return data;
}

double *golden_doubles(struct golden_run *r, const struct golden_value *v)
{
    const void *data = data_of(r, v);
    double *out = conf_host(r->c, (size_t)(v->t->count + 1) * sizeof *out);

    for (int64_t i = 0; i < v->t->count; i++)
        out[i] = conf_decode(v->t->type->dtype, data, i);
    return out;
}

int64_t golden_int(struct golden_run *r, const struct golden_value *v,
                   int64_t i)
{
    double d;

    if (i >= v->t->count)
        golden_cannot(r, "input \"%s\" is too short", v->name);
    d = conf_decode(v->t->type->dtype, data_of(r, v), i);
    return (int64_t)fmax(fmin(d, 0x1p62), -0x1p62);
}
