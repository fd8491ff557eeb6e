/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events.c - what workers say: lines of JSON, each checked against what was
 * asked.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/json.h"
#include "conformance/schedule.h"

/* Whether a pass comes with the evidence of a failure: its words, or an error
 * past the bound. */
static int is_no_pass(const cJSON *event)
{
    const cJSON *metric;

    if (conf_json_text(event, "message")[0])
        return 1;
    cJSON_ArrayForEach(metric,
                       cJSON_GetObjectItemCaseSensitive(event, "metrics"))
    {
        if (conf_is_of_bound(metric->string) &&
            !(cJSON_IsNumber(metric) && metric->valuedouble >= 0 &&
              metric->valuedouble <= 1))
            return 1;
    }
    return 0;
}

static void take_verdict(struct schedule *s, struct worker *w,
                         const cJSON *event)
{
    enum conf_verdict verdict =
        conf_verdict_of(conf_json_text(event, "verdict"));
    const cJSON *ms = cJSON_GetObjectItemCaseSensitive(event, "ms");
    struct conf_target *t = w->target;
    size_t index = w->index;

    if (!w->begun) {
        conf_worker_lied(s, w, "a verdict before its case began");
        return;
    }
    if (verdict != CONF_PASS && verdict != CONF_UNSUPPORTED &&
        verdict != CONF_FAIL && verdict != CONF_ERROR) {
        conf_worker_lied(s, w, "a verdict that no worker may give");
        return;
    }
    if (verdict == CONF_PASS && is_no_pass(event)) {
        conf_worker_lied(s, w, "a pass whose evidence says fail");
        return;
    }
    conf_json_metrics(&t->results[index],
                      cJSON_GetObjectItemCaseSensitive(event, "metrics"));
    w->index = NONE;
    w->state = IDLE;
    conf_sched_result(s, t, index, verdict,
                      cJSON_IsNumber(ms) ? ms->valuedouble : 0,
                      conf_json_text(event, "message"));
    if (verdict == CONF_PASS || verdict == CONF_UNSUPPORTED)
        conf_sched_give(s, w);
    else
        conf_worker_stop(w, 1, &index); /* it ends by itself; this is faster */
}

static void take_line(struct schedule *s, struct worker *w, const char *line)
{
    cJSON *event = cJSON_Parse(line);
    const char *kind = conf_json_text(event, "event");
    const char *name = conf_json_text(event, "name");
    struct conf_target *t = w->target;
    size_t index;

    if (w->state == STARTING && !strcmp(kind, "ready")) {
        if (strcmp(name, t->device.name)) {
            conf_worker_lied(s, w, "a worker opened another device");
        } else {
            t->start_failures = 0;
            w->state = IDLE;
            conf_sched_give(s, w);
        }
    } else if (w->state == STARTING && !strcmp(kind, "refused")) {
        conf_worker_stop(w, 1, &index);
        conf_worker_unstarted(s, t, conf_json_text(event, "message"), 1);
    } else if (!strcmp(kind, "refused")) {
        conf_worker_lied(s, w, conf_json_text(event, "message"));
    } else if (w->state != RUNNING ||
               strcmp(name, s->run->cases[w->index]->name)) {
        if (!strcmp(kind, "verdict"))
            conf_worker_unsay(s, t, name);
        conf_worker_lied(s, w,
                         event ? "a result of a case that was not asked for"
                               : "a line that is no event");
    } else if (!strcmp(kind, "begin") && !w->begun) {
        w->begun = 1;
    } else if (!strcmp(kind, "verdict")) {
        take_verdict(s, w, event);
    } else {
        conf_worker_lied(s, w, "an event that makes no sense");
    }
    cJSON_Delete(event);
}

int conf_worker_events(struct schedule *s, struct worker *w)
{
    while (w->state != FREE) {
        char *end;
        ssize_t n;

        if (w->n_line == LINE_MAX_BYTES - 1) {
            conf_worker_lied(s, w, "an endless line");
            return 1;
        }
        n = read(w->child.events, w->line + w->n_line,
                 LINE_MAX_BYTES - 1 - w->n_line);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return 0;
        w->n_line += (size_t)n;
        w->line[w->n_line] = 0;
        while (w->state != FREE && (end = memchr(w->line, '\n', w->n_line))) {
            size_t used = (size_t)(end - w->line) + 1;
            char *line = strndup(w->line, used - 1);

            memmove(w->line, end + 1, w->n_line - used);
            w->n_line -= used;
            if (line)
                take_line(s, w, line);
            else
                conf_worker_lied(s, w, "out of memory");
            free(line);
        }
    }
    return 1;
}
