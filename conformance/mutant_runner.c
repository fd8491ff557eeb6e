/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutant_runner.c - a worker that loses or forges what it has to say.
 */
#include "conformance/mutant.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int planted = CONF_RUNNER_FAULTS;

int conf_runner_fault(void)
{
    return planted;
}

void conf_runner_fault_set(int fault)
{
    planted = fault;
}

/* Puts `to` where `from` stands, which is at least as long; the rest is
 * blank: between a JSON value and what follows it. */
static void overwrite(char *line, size_t n, const char *from, const char *to)
{
    char *at = memmem(line, n, from, strlen(from)); /* no string: a line */

    if (!at)
        return;
    memset(at, ' ', strlen(from));
    memcpy(at, to, strlen(to));
}

size_t conf_mutant_line(const char *kind, char *line, size_t n)
{
    int is_verdict = !strcmp(kind, "verdict");

    switch ((enum conf_runner_fault)planted) {
    case CONF_RUNNER_LOST_AT_START:
        if (!strcmp(kind, "ready"))
            _exit(0);
        break;
    case CONF_RUNNER_LOST_BEFORE:
        if (!strcmp(kind, "begin"))
            _exit(0);
        break;
    case CONF_RUNNER_LOST_IN_CASE:
        if (is_verdict)
            _exit(0);
        break;
    case CONF_RUNNER_DROPPED_RESULT:
        return is_verdict ? 0 : n;
    case CONF_RUNNER_NO_BEGIN:
        return strcmp(kind, "begin") ? n : 0;
    case CONF_RUNNER_TRUNCATED_LINE:
        if (!is_verdict)
            break;
        line[n / 2] = '\n';
        return n / 2 + 1;
    case CONF_RUNNER_OTHER_CASE:
        if (is_verdict)
            overwrite(line, n, "\"api.", "\"apx.");
        break;
    case CONF_RUNNER_OTHER_DEVICE:
        if (!strcmp(kind, "ready"))
            overwrite(line, n, "\"name\"", "\"nome\"");
        break;
    case CONF_RUNNER_FORBIDDEN_VERDICT:
        overwrite(line, n, "\"metrics\":{},\"verdict\":\"pass\"",
                  "\"verdict\":\"xfail\"");
        break;
    case CONF_RUNNER_FLIPPED_VERDICT:
        overwrite(line, n, "\"fail\"", "\"pass\"");
        break;
    case CONF_RUNNER_DUPLICATED_RESULT: /* the worker says it again */
    case CONF_RUNNER_EMPTY_CASE:
    case CONF_RUNNER_EMPTY_LIST:
    case CONF_RUNNER_DUPLICATED_CASE:
    case CONF_RUNNER_REPORT_TRUNCATED: /* conf_mutant_report */
    case CONF_RUNNER_REPORT_DROPPED:
    case CONF_RUNNER_REPORT_FLIPPED:
    case CONF_RUNNER_REPORT_DUPLICATED:
    case CONF_RUNNER_FAULTS:
        break;
    }
    return n;
}

/* One less of everything that counts cases. */
static void count_down(cJSON *counts)
{
    static const char *const keys[] = { "planned", "pass" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        cJSON *item = cJSON_GetObjectItem(counts, keys[i]);

        if (item)
            cJSON_SetNumberValue(item, item->valuedouble - 1);
    }
}

char *conf_mutant_report(int fault, const char *report)
{
    cJSON *root, *cases, *item;
    char *text;

    if (fault == CONF_RUNNER_REPORT_TRUNCATED)
        return strndup(report, strlen(report) / 2);
    if (fault != CONF_RUNNER_REPORT_DROPPED &&
        fault != CONF_RUNNER_REPORT_FLIPPED &&
        fault != CONF_RUNNER_REPORT_DUPLICATED)
        return NULL;
    root = cJSON_Parse(report);
    cases = cJSON_GetObjectItem(root, "cases");
    item = cJSON_GetArrayItem(cases, 0);
    if (fault == CONF_RUNNER_REPORT_FLIPPED) {
        cJSON_ReplaceItemInObject(item, "verdict",
                                  cJSON_CreateString("unsupported"));
    } else if (fault == CONF_RUNNER_REPORT_DUPLICATED) {
        cJSON_AddItemToArray(cases, cJSON_Duplicate(item, 1));
    } else {
        count_down(root);
        /* The first case is of the first device. */
        count_down(cJSON_GetObjectItem(
            cJSON_GetObjectItem(root, "summary"),
            cJSON_GetStringValue(cJSON_GetObjectItem(item, "device"))));
        count_down(cJSON_GetObjectItem(
            cJSON_GetArrayItem(cJSON_GetObjectItem(root, "devices"), 0),
            "summary"));
        cJSON_DeleteItemFromArray(cases, 0);
    }
    text = cJSON_Print(root);
    cJSON_Delete(root);
    return text;
}
