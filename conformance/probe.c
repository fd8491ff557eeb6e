/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - which devices there are, asked in a child: a driver that crashes
 * while it loads must not take the runner along.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance/runner.h"
#include "hal/backend.h"

/* Loading and opening every driver of a machine, on a slow one. */
#define PROBE_LIMIT_MS 120000.0
/* More than any machine has to say. */
#define ANSWER_MAX ((size_t)4 << 20)

/* ---- the child ----------------------------------------------------------- */

static int say(cJSON *answer)
{
    char *text = cJSON_PrintUnformatted(answer);
    int st = !text || conf_write_all(CONF_EVENTS_FD, text, strlen(text));

    cJSON_free(text);
    cJSON_Delete(answer);
    /* Not exit(), for the sake of drivers that crash there. */
    _exit(st);
}

static void add_text(cJSON *object, const char *key, const char *text)
{
    char clean[512];

    snprintf(clean, sizeof clean, "%s", text);
    conf_clean(clean);
    cJSON_AddStringToObject(object, key, clean);
}

static void add_devices(cJSON *answer, int count)
{
    cJSON *devices = cJSON_AddArrayToObject(answer, "devices");

    for (int i = 0; i < count; i++) {
        struct halDeviceProp prop;
        cJSON *device;

        if (halGetDeviceProperties(&prop, i) != halSuccess) {
            add_text(answer, "error", halGetErrorDetail());
            return;
        }
        device = cJSON_CreateObject();
        add_text(device, "name", prop.halName);
        add_text(device, "product", prop.name);
        add_text(device, "backend", prop.backend);
        add_text(device, "driver", prop.driver);
        add_text(device, "stands_on", prop.standsOn);
        cJSON_AddItemToArray(devices, device);
    }
}

static void add_notes(cJSON *notes)
{
    struct halBackendInfo info;

    for (int i = 0; halBackendGetInfo(&info, i) == halSuccess; i++) {
        char note[320];

        if (info.status == halSuccess && !info.note[0])
            continue;
        /* Backends name themselves in their notes, as a rule. */
        if (!strncmp(info.note, info.name, strlen(info.name)))
            snprintf(note, sizeof note, "%s", info.note);
        else
            snprintf(note, sizeof note, "%s: %s", info.name,
                     info.note[0] ? info.note : halGetErrorString(info.status));
        conf_clean(note);
        cJSON_AddItemToArray(notes, cJSON_CreateString(note));
    }
}

int conf_probe_main(enum conf_probe what)
{
    cJSON *answer = cJSON_CreateObject();
    cJSON *notes = cJSON_AddArrayToObject(answer, "notes");
    cJSON *known = cJSON_AddArrayToObject(answer, "known");
    char name[64], about[256];
    int count = 0;

    conf_child_begin();
    if (halGetDeviceCount(&count) != halSuccess)
        add_text(answer, "error", halGetErrorDetail());
    else
        add_devices(answer, count);
    if (what != CONF_PROBE_ALL)
        return say(answer);
    add_notes(notes);
    for (int i = 0; halDeviceGetKnownName(name, about, i) == halSuccess; i++)
        cJSON_AddItemToArray(known, cJSON_CreateString(name));
    return say(answer);
}

/* ---- the parent ---------------------------------------------------------- */

/* Reads until the end of both pipes, or the deadline; the last words of the
 * child go to `tail`. */
static char *read_answer(struct conf_child *child, double limit_ms, char *tail,
                         size_t tail_room, int *out_late)
{
    char *text = malloc(ANSWER_MAX + 1);
    size_t n = 0, n_tail = 0;
    double limit = conf_now_ms() + limit_ms;
    int open_fds = 2;
    struct pollfd fds[2] = { { .fd = child->events, .events = POLLIN },
                             { .fd = child->output, .events = POLLIN } };

    *out_late = 0;
    if (!text)
        return NULL;
    while (open_fds > 0 && n < ANSWER_MAX && fds[0].fd >= 0 &&
           !conf_signal_caught()) {
        double left = limit - conf_now_ms();

        if (left <= 0) {
            *out_late = 1;
            break;
        }
        if (poll(fds, 2, (int)(left < 1000 ? left + 1 : 1000)) < 0 &&
            errno != EINTR)
            break;
        for (int i = 0; i < 2; i++) {
            char junk[512];
            char *to = i == 0 ? text + n : junk;
            size_t room = i == 0 ? ANSWER_MAX - n : sizeof junk;
            ssize_t got;

            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            got = read(fds[i].fd, to, room);
            if (got < 0 && (errno == EAGAIN || errno == EINTR))
                continue;
            if (got <= 0) {
                fds[i].fd = -1;
                open_fds--;
            } else if (i == 0) {
                n += (size_t)got;
            } else if (n_tail + 1 < tail_room) {
                size_t take = (size_t)got < tail_room - 1 - n_tail
                                  ? (size_t)got
                                  : tail_room - 1 - n_tail;

                memcpy(tail + n_tail, junk, take);
                n_tail += take;
            }
        }
    }
    while (n_tail > 0 && tail[n_tail - 1] == '\n')
        n_tail--;
    tail[n_tail] = 0;
    text[n] = 0;
    return text;
}

static void copy_text(char *out, size_t room, const cJSON *object,
                      const char *key)
{
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    snprintf(out, room, "%s", text ? text : "");
}

static void join(char *out, size_t room, const cJSON *array,
                 const char *between)
{
    const cJSON *item;
    size_t n = 0;

    out[0] = 0;
    cJSON_ArrayForEach(item, array)
    {
        const char *text = cJSON_GetStringValue(item);

        if (text && n < room)
            n += (size_t)snprintf(out + n, room - n, "%s%s", n ? between : "",
                                  text);
    }
}

static int take_answer(struct conf_devices *out, const cJSON *answer)
{
    const cJSON *devices = cJSON_GetObjectItemCaseSensitive(answer, "devices");
    const cJSON *item;
    int n = cJSON_GetArraySize(devices);

    join(out->notes, sizeof out->notes,
         cJSON_GetObjectItemCaseSensitive(answer, "notes"), "\n");
    join(out->known, sizeof out->known,
         cJSON_GetObjectItemCaseSensitive(answer, "known"), ", ");
    out->at = calloc(n ? (size_t)n : 1, sizeof *out->at);
    if (!out->at)
        return -1;
    cJSON_ArrayForEach(item, devices)
    {
        struct conf_device *d = &out->at[out->n++];

        copy_text(d->name, sizeof d->name, item, "name");
        copy_text(d->product, sizeof d->product, item, "product");
        copy_text(d->backend, sizeof d->backend, item, "backend");
        copy_text(d->driver, sizeof d->driver, item, "driver");
        copy_text(d->stands_on, sizeof d->stands_on, item, "stands_on");
    }
    return 0;
}

/* What a child answers; NULL, and why, if it does not. */
static cJSON *ask(enum conf_probe what, const char *devices, double limit_ms,
                  char *error, size_t room)
{
    const char *const argv[] = { "conform", "--probe",
                                 what == CONF_PROBE_ALL ? "all" : "admitted",
                                 NULL };
    struct conf_child child;
    char tail[1024] = "", why[128];
    char *text;
    cJSON *answer;
    int late, st = conf_spawn(&child, argv, devices);

    if (st) {
        snprintf(error, room, "cannot start a process: %s", strerror(st));
        return NULL;
    }
    text = read_answer(&child, limit_ms, tail, sizeof tail, &late);
    st = conf_reap(&child, late || conf_signal_caught());
    conf_status_text(st, why, sizeof why);
    answer = text ? cJSON_Parse(text) : NULL;
    free(text);
    conf_clean(tail);
    if (!conf_signal_caught() && !late && answer)
        return answer;
    cJSON_Delete(answer);
    if (conf_signal_caught())
        snprintf(error, room, "interrupted while looking for devices");
    else if (late)
        snprintf(error, room,
                 "looking for devices took too long (--timeout scales the "
                 "limit)%s%s",
                 tail[0] ? "; " : "", tail);
    else
        snprintf(error, room, "looking for devices %s%s%s", why,
                 tail[0] ? "; " : "", tail);
    return NULL;
}

/* Adds whose drivers do not let a child answer, and how to do without them. */
static void blame(double limit_ms, char *error, size_t room)
{
    char bad[128] = "", rest[128] = "", ignored[256];
    size_t n = strlen(error);

    for (size_t i = 0; hal_builtin_backends[i] && !conf_signal_caught(); i++) {
        const char *name = hal_builtin_backends[i]->name;
        cJSON *answer =
            ask(CONF_PROBE_ADMITTED, name, limit_ms, ignored, sizeof ignored);
        char *list = answer ? rest : bad;
        size_t used = strlen(list);

        snprintf(list + used, sizeof rest - used, "%s%s", used ? "," : "",
                 name);
        cJSON_Delete(answer);
    }
    if (bad[0] && rest[0] && !conf_signal_caught())
        snprintf(error + n, room - n,
                 "; it is the drivers of %s: HALCYON_DEVICES=%s leaves them "
                 "out",
                 bad, rest);
}

int conf_probe_devices(struct conf_devices *out, enum conf_probe what,
                       const char *devices, double timeout_scale, char *error,
                       size_t room)
{
    double limit_ms = PROBE_LIMIT_MS * timeout_scale;
    cJSON *answer = ask(what, devices, limit_ms, error, room);
    int st = -1;

    memset(out, 0, sizeof *out);
    if (answer) {
        copy_text(error, room, answer, "error");
        if (!error[0])
            st = take_answer(out, answer);
        if (st && !error[0])
            snprintf(error, room, "out of memory");
    } else if (!devices && !conf_signal_caught()) {
        blame(limit_ms, error, room);
    }
    cJSON_Delete(answer);
    if (st)
        conf_devices_release(out);
    return st;
}

void conf_devices_release(struct conf_devices *d)
{
    free(d->at);
    d->at = NULL;
    d->n = 0;
}
