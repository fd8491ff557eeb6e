/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - what the readers and the writers of JSON share. */
#include "conformance/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *conf_json_text(const cJSON *object, const char *key)
{
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    return text ? text : "";
}

void conf_json_metrics(struct conf_result *r, const cJSON *metrics)
{
    int n = cJSON_GetArraySize(metrics);
    const cJSON *item;

    /* A list's items have no names. */
    if (!cJSON_IsObject(metrics) || n < 1 || n > CONF_METRICS_MAX)
        return;
    r->metrics = calloc((size_t)n, sizeof *r->metrics);
    if (!r->metrics)
        return;
    cJSON_ArrayForEach(item, metrics)
    {
        struct conf_metric *m = &r->metrics[r->n_metrics++];

        snprintf(m->name, sizeof m->name, "%s", item->string);
        m->value = cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
    }
}

int conf_json_refuse(char error[CONF_RESULTS_ERROR], const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(error, CONF_RESULTS_ERROR, format, ap);
    va_end(ap);
    conf_clean(error); /* what it quotes goes to a terminal */
    return -1;
}

char *conf_json_line(cJSON *root)
{
    char *text = cJSON_Print(root), *line = NULL;

    cJSON_Delete(root);
    if (text && asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    cJSON_free(text);
    return line;
}
