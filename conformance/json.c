/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - what the readers and the writers of JSON share. */
#include "conformance/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/hash.h"

void conf_json_add_hash(cJSON *object, const char *key, const void *data,
                        size_t size)
{
    char hash[CONF_HASH_TEXT];

    conf_hash(data, size, hash);
    cJSON_AddStringToObject(object, key, hash);
}

const char *conf_json_text(const cJSON *object, const char *key)
{
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    return text ? text : "";
}

cJSON *conf_json_field(const cJSON *object, const char *key)
{
    cJSON *found = NULL, *item;

    cJSON_ArrayForEach(item, object)
    {
        if (!item->string || strcmp(item->string, key))
            continue;
        if (found)
            return NULL;
        found = item;
    }
    return found;
}

double conf_json_whole(const cJSON *object, const char *key, double most)
{
    const cJSON *item = conf_json_field(object, key);

    return cJSON_IsNumber(item) && item->valuedouble >= 0 &&
                   item->valuedouble <= most &&
                   floor(item->valuedouble) == item->valuedouble
               ? item->valuedouble
               : -1;
}

int conf_json_has(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key) != NULL;
}

int conf_json_is_hash(const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);

    return text && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
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
