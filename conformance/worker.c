/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.c - the worker's side: opens the device under test, reads names of
 * cases from stdin and answers each with two lines of JSON on descriptor 3,
 * "begin" and "verdict".  It ends when stdin does, or after a verdict that may
 * have left the device in any state.
 */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/mutant.h"
#include "conformance/runner.h"

/* Takes the object; ends the process when nobody listens any more. */
static void send_event(cJSON *event)
{
    char *text = event ? cJSON_PrintUnformatted(event) : NULL;
    const char *kind =
        cJSON_GetStringValue(cJSON_GetObjectItem(event, "event"));
    int times = conf_runner_fault() == CONF_RUNNER_DUPLICATED_RESULT &&
                        !strcmp(kind, "verdict")
                    ? 2
                    : 1;
    size_t n;

    if (!text)
        _exit(1); /* no memory: the parent sees a case without a verdict */
    n = strlen(text);
    text[n] = '\n'; /* one write for the whole line */
    n = conf_mutant_line(kind, text, n + 1);
    while (times--)
        if (conf_write_all(CONF_EVENTS_FD, text, n))
            _exit(1);
    cJSON_free(text);
    cJSON_Delete(event);
}

static cJSON *new_event(const char *kind, const char *name)
{
    cJSON *event = cJSON_CreateObject();

    cJSON_AddStringToObject(event, "event", kind);
    cJSON_AddStringToObject(event, "name", name);
    return event;
}

static void emit(struct conf *c)
{
    cJSON *event = new_event("verdict", c->cc->name);
    cJSON *metrics = cJSON_AddObjectToObject(event, "metrics");

    conf_clean(c->message);
    cJSON_AddStringToObject(event, "verdict", conf_verdict_name(c->verdict));
    cJSON_AddNumberToObject(event, "ms", conf_now_ms() - c->start_ms);
    cJSON_AddStringToObject(event, "message", c->message);
    for (int i = 0; i < c->n_metrics; i++) {
        conf_clean(c->metrics[i].name);
        /* JSON has no infinity and no NaN: null. */
        if (isfinite(c->metrics[i].value))
            cJSON_AddNumberToObject(metrics, c->metrics[i].name,
                                    c->metrics[i].value);
        else
            cJSON_AddNullToObject(metrics, c->metrics[i].name);
    }
    send_event(event);
}

/* Says why there will be no verdicts. */
static int refuse(const char *what, const char *detail)
{
    cJSON *event = new_event("refused", "");
    char text[1024];

    snprintf(text, sizeof text, "%s: %s", what, detail);
    conf_clean(text);
    cJSON_AddStringToObject(event, "message", text);
    send_event(event);
    return 1;
}

static int open_device(struct conf *c)
{
    if (halGetDeviceCount(&c->n_devices) != halSuccess)
        return refuse("halGetDeviceCount", halGetErrorDetail());
    if (c->n_devices < 1)
        return refuse("no device", getenv("HALCYON_DEVICES")
                                       ? getenv("HALCYON_DEVICES")
                                       : "none was found");
    c->device = 0;
    if (halSetDevice(0) != halSuccess)
        return refuse("halSetDevice", halGetErrorDetail());
    if (halGetDeviceProperties(&c->prop, 0) != halSuccess)
        return refuse("halGetDeviceProperties", halGetErrorDetail());
    /* Opens it for good, whatever is done lazily. */
    if (halDeviceSynchronize() != halSuccess)
        return refuse("halDeviceSynchronize", halGetErrorDetail());
    return 0;
}

/* The commands; stdin itself becomes empty, so that a case cannot eat them. */
static FILE *take_stdin(void)
{
    int fd = fcntl(0, F_DUPFD_CLOEXEC, CONF_EVENTS_FD + 1);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null >= 0) {
        dup2(null, 0);
        close(null);
    }
    return fd >= 0 ? fdopen(fd, "r") : NULL;
}

static void no_case(struct conf *c)
{
    (void)c;
}

static void serve(struct conf *c, const struct conf_list *list, FILE *commands,
                  uint64_t seed)
{
    char name[CONF_NAME_MAX + 2];

    while (fgets(name, sizeof name, commands)) {
        struct conf_case empty;
        const struct conf_case *cc;

        name[strcspn(name, "\n")] = 0;
        cc = conf_list_find(list, name);
        if (!cc) {
            refuse("no such case", name);
            return;
        }
        send_event(new_event("begin", name));
        if (c->device >= 0 && halSetDevice(c->device) != halSuccess) {
            refuse("halSetDevice", halGetErrorDetail());
            return;
        }
        (void)halGetLastError();
        empty = *cc;
        empty.run = no_case;
        conf_case_run(
            c, conf_runner_fault() == CONF_RUNNER_EMPTY_CASE ? &empty : cc,
            seed);
    }
}

int conf_worker_main(const struct conf_settings *s)
{
    static struct conf c; /* threads of a case may outlive serve() */
    const struct conf_options options = { s->golden.at, s->golden.n };
    struct conf_list list;
    FILE *commands;

    conf_child_begin();
    if (s->mutant) {
        conf_mutant_plant(s->mutant);
        /* A kernel of a few launches: compiling it costs more. */
        if (s->mutant->kind == CONF_MUTANT_KERNEL)
            setenv("HALCYON_OPTIMIZE", "0", 0);
    }
    commands = take_stdin();
    if (!commands)
        return refuse("the worker", "no stdin");
    if (conf_list_build(&list, &options))
        return refuse("the list of cases", list.error);
    if (open_device(&c))
        return 1;
    c.emit = emit;
    send_event(new_event("ready", c.prop.halName));
    serve(&c, &list, commands, s->seed);
    /* Not exit(): handlers of drivers that hang or crash at the end would
     * hide that all cases were served. */
    fflush(NULL);
    _exit(0);
}
