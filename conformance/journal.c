/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal.c - finished verdicts on disk as they come, so that a run which was
 * killed goes on where it stopped (`--resume DIR`).
 *
 * DIR/journal.jsonl: a line with the plan, then a line for each verdict, each
 * with a hash of itself.  A line is one write at the end of the file: it is
 * there whole, or it is the last one and torn, and then its case runs again.
 * Invariant: whatever else is wrong with the file, it is refused, not mended.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "conformance/expect.h"
#include "conformance/json.h"
#include "conformance/origin.h"

#define SCHEMA   "halcyon.journal/2"
#define FILE_MAX ((size_t)512 << 20)
/* A power cut may cost this much; a kill costs nothing. */
#define SYNC_EVERY_MS 100.0
/* 16 hexadecimal digits and a blank before each line's JSON. */
#define HASH_CHARS 17

struct conf_journal {
    char *path;
    int fd;
    int is_bad; /* a write failed: said once, at the end of the run */
    double synced_ms;
};

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "halcyon conform: %s: %s\n", path, what);
    return -1;
}

/* ---- writing ------------------------------------------------------------- */

/* Takes the object. */
static int append(struct conf_journal *j, cJSON *object)
{
    char *text = object ? cJSON_PrintUnformatted(object) : NULL, *line = NULL;
    int n, st;

    cJSON_Delete(object);
    if (!text)
        return -1;
    n = asprintf(&line, "%016llx %s\n",
                 (unsigned long long)XXH3_64bits(text, strlen(text)), text);
    cJSON_free(text);
    st = n < 0 ? -1 : conf_write_all(j->fd, line, (size_t)n);
    if (n >= 0)
        free(line);
    return st;
}

/* Of the whole origin the settings alone: where a cache lies is no matter. */
static void add_origin(cJSON *head, const cJSON *origin)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, origin)
    {
        cJSON_AddItemToObject(head, item->string,
                              strcmp(item->string, "environment")
                                  ? cJSON_Duplicate(item, 1)
                                  : conf_origin_settings(item));
    }
}

cJSON *conf_journal_head(const struct conf_run *run)
{
    cJSON *o = cJSON_CreateObject(), *devices, *visible;
    double expired = 0;
    char shard[32];

    snprintf(shard, sizeof shard, "%d/%d", run->set->shard, run->set->shards);
    cJSON_AddStringToObject(o, "schema", SCHEMA);
    cJSON_AddStringToObject(o, "plan", run->plan_hash);
    cJSON_AddStringToObject(o, "shard", shard);
    cJSON_AddNumberToObject(o, "seed", (double)run->set->seed);
    add_origin(o, run->origin);
    for (size_t i = 0; run->expects && i < run->expects->n; i++)
        expired += run->expects->at[i].is_expired;
    cJSON_AddNumberToObject(o, "expired", expired);
    devices = cJSON_AddArrayToObject(o, "devices");
    /* Those that cases across devices find beside it. */
    visible = cJSON_AddArrayToObject(o, "visible");
    for (int i = 0; i < run->n_targets; i++) {
        const struct conf_device *d = &run->targets[i].device;
        const char *seen = run->targets[i].devices;
        char text[640];

        snprintf(text, sizeof text, "%s: %s, %s", d->name, d->product,
                 d->driver);
        conf_clean(text);
        cJSON_AddItemToArray(devices, cJSON_CreateString(text));
        cJSON_AddItemToArray(visible, cJSON_CreateString(seen ? seen : ""));
    }
    return o;
}

void conf_journal_add(struct conf_run *run, const struct conf_target *t,
                      size_t index)
{
    const struct conf_result *r = &t->results[index];
    struct conf_journal *j = run->journal;
    cJSON *o, *metrics;

    if (!j || j->is_bad)
        return;
    o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "device", t->device.name);
    cJSON_AddStringToObject(o, "case", run->cases[index]->name);
    cJSON_AddStringToObject(o, "verdict", conf_verdict_name(r->verdict));
    cJSON_AddNumberToObject(o, "ms", r->ms);
    cJSON_AddStringToObject(o, "message", r->message ? r->message : "");
    metrics = cJSON_AddObjectToObject(o, "metrics");
    for (int i = 0; i < r->n_metrics; i++) {
        if (isfinite(r->metrics[i].value))
            cJSON_AddNumberToObject(metrics, r->metrics[i].name,
                                    r->metrics[i].value);
        else
            cJSON_AddNullToObject(metrics, r->metrics[i].name);
    }
    if (append(j, o))
        j->is_bad = errno ? errno : EIO;
    else if (conf_now_ms() - j->synced_ms > SYNC_EVERY_MS) {
        if (fdatasync(j->fd))
            j->is_bad = errno;
        j->synced_ms = conf_now_ms();
    }
}

int conf_journal_close(struct conf_run *run)
{
    struct conf_journal *j = run->journal;
    int bad = 0;

    if (!j)
        return 0;
    if (!j->is_bad && fdatasync(j->fd))
        j->is_bad = errno;
    if (j->is_bad)
        bad = complain(j->path, strerror(j->is_bad));
    close(j->fd);
    free(j->path);
    free(j);
    run->journal = NULL;
    return bad;
}

/* ---- reading ------------------------------------------------------------- */

static void forget(struct conf_run *run, struct conf_target *t,
                   struct conf_result *r)
{
    if (!r->done)
        return;
    t->counts.of[r->verdict]--;
    run->n_done--;
    run->n_resumed--;
    free(r->message);
    free(r->metrics);
    memset(r, 0, sizeof *r);
    r->verdict = CONF_MISSING;
}

static struct conf_target *target_of(struct conf_run *run, const char *device)
{
    for (int i = 0; i < run->n_targets; i++)
        if (!strcmp(run->targets[i].device.name, device))
            return &run->targets[i];
    return NULL;
}

/* Whether a line can be a verdict of this run: 0, or -1 and why not. */
static int check_line(const struct conf_run *run, const cJSON *o,
                      enum conf_verdict verdict, char *why, size_t room)
{
    const cJSON *ms = conf_json_field(o, "ms");
    char what[CONF_RESULTS_WHY] = "";

    if (verdict == CONF_VERDICT_COUNT || !cJSON_IsNumber(ms) ||
        !(ms->valuedouble >= 0) || !isfinite(ms->valuedouble))
        snprintf(what, sizeof what, "no verdict");
    else if (conf_results_excused(verdict) && !run->expects)
        snprintf(what, sizeof what, "verdict: %s, and nothing is expected",
                 conf_verdict_name(verdict));
    else if (verdict != CONF_MISSING)
        conf_results_verdict(verdict, conf_json_text(o, "message"),
                             conf_json_field(o, "metrics"), what);
    snprintf(why, room, "%s", what);
    return *what ? -1 : 0;
}

/* What a line of the journal says, into the results; 0, or -1 and what is
 * wrong. */
static int take_line(struct conf_run *run, const cJSON *o, char *why,
                     size_t room)
{
    const char *name = conf_json_text(o, "case"),
               *message = conf_json_text(o, "message");
    struct conf_target *t = target_of(run, conf_json_text(o, "device"));
    enum conf_verdict verdict = conf_verdict_of(conf_json_text(o, "verdict"));
    struct conf_result *r;
    size_t i = 0;

    while (i < run->n_cases && strcmp(run->cases[i]->name, name))
        i++;
    if (!t || i == run->n_cases) {
        snprintf(why, room, "%s that is not of this run",
                 t ? "a case" : "a device");
        return -1;
    }
    if (check_line(run, o, verdict, why, room))
        return -1;
    r = &t->results[i];
    if (r->done && verdict != CONF_MISSING) {
        snprintf(why, room, "a second verdict of one case");
        return -1;
    }
    /* A verdict that was taken back, or was none: the case runs again. */
    forget(run, t, r);
    if (verdict == CONF_MISSING)
        return 0;
    r->done = 1;
    r->verdict = verdict;
    r->ms = conf_json_field(o, "ms")->valuedouble;
    r->message = *message ? strdup(message) : NULL;
    if (r->message)
        conf_clean(r->message); /* whoever wrote it: it goes to a terminal */
    conf_json_metrics(r, conf_json_field(o, "metrics"));
    t->counts.of[verdict]++;
    run->n_done++;
    run->n_resumed++;
    return 0;
}

/* Whether the hash before a line's JSON is that of the JSON. */
static int is_sealed(const char *line, size_t n)
{
    unsigned long long hash;
    char digits[HASH_CHARS];
    char *end;

    if (n < HASH_CHARS + 2 || line[HASH_CHARS - 1] != ' ')
        return 0;
    memcpy(digits, line, HASH_CHARS - 1);
    digits[HASH_CHARS - 1] = 0;
    hash = strtoull(digits, &end, 16);
    return !*end && hash == XXH3_64bits(line + HASH_CHARS, n - HASH_CHARS);
}

/* 0, or -1 and in what it differs from this run's. */
static int take_head(const struct conf_run *run, const cJSON *head, char *why,
                     size_t room)
{
    static const struct {
        const char *key, *words;
    } keys[] = {
        { "schema", "it is no journal of this format" },
        { "program", "another program wrote it" },
        { "plan", "it is of other cases (another selection)" },
        { "shard", "it is of another shard" },
        { "seed", "it is of another seed" },
        { "mutant", "a fault was planted, or is" },
        { "expect", "it is of other expectations" },
        { "expired", "a waiver has ended since" },
        { "golden", "it is of other reference vectors" },
        { "environment", "it is of another environment" },
        { "devices", "it is of other devices, or of other drivers" },
        { "visible", "it is of other devices beside the one under test" },
    };
    cJSON *mine = conf_journal_head(run);
    struct conf_json_gap gap;
    int st = 0;

    for (size_t i = 0; i < sizeof keys / sizeof *keys && !st; i++) {
        const char *key = keys[i].key;

        if (!conf_json_differs(conf_json_field(head, key),
                               conf_json_field(mine, key), key, &gap))
            continue;
        snprintf(why, room, "%s: %s is %s there, %s here", keys[i].words,
                 gap.key, gap.a, gap.b);
        st = -1;
    }
    cJSON_Delete(mine);
    return st;
}

int conf_journal_take(struct conf_run *run, const char *path, const char *text,
                      size_t size, size_t *out_good, char *error, size_t room)
{
    size_t at = 0, line = 0;
    int st = 0;

    *out_good = 0;
    while (at < size) {
        const char *begin = text + at, *end = memchr(begin, '\n', size - at);
        char why[400], refused[CONF_RESULTS_ERROR], place[240];
        cJSON *o = NULL;

        line++;
        if (!end)
            return 0; /* torn: it was being written when the run ended */
        snprintf(place, sizeof place, "%.200s:%zu", path, line);
        if (!is_sealed(begin, (size_t)(end - begin)))
            snprintf(refused, sizeof refused, "%s: a line that is damaged",
                     place);
        else
            o = conf_json_parse(place, begin + HASH_CHARS,
                                (size_t)(end - begin) - HASH_CHARS, refused);
        st = !o          ? -1
             : line == 1 ? take_head(run, o, why, sizeof why)
                         : take_line(run, o, why, sizeof why);
        if (st && o)
            snprintf(refused, sizeof refused, "%.230s: %.270s", place, why);
        cJSON_Delete(o);
        if (st) {
            snprintf(error, room, "%s", refused);
            conf_clean(error);
            return -1;
        }
        at = (size_t)(end - text) + 1;
        *out_good = at;
    }
    return 0;
}

void conf_journal_path(const char *dir, char path[CONF_JOURNAL_PATH])
{
    snprintf(path, CONF_JOURNAL_PATH, "%.4000s/journal.jsonl", dir);
}

void conf_journal_drop(const struct conf_run *run)
{
    char path[CONF_JOURNAL_PATH];

    if (!run->set->resume)
        return;
    conf_journal_path(run->set->resume, path);
    unlink(path);
}

int conf_journal_open(struct conf_run *run)
{
    const char *dir = run->set->resume;
    struct conf_journal *j;
    char error[2 * CONF_RESULTS_ERROR], path[CONF_JOURNAL_PATH], *text = NULL;
    size_t size = 0, good = 0;
    int st = -1;

    if (!dir)
        return 0;
    j = calloc(1, sizeof *j);
    conf_journal_path(dir, path);
    if (!j || !(j->path = strdup(path))) {
        free(j);
        return complain(dir, "out of memory");
    }
    run->journal = j;
    if (mkdir(dir, 0777) && errno != EEXIST) {
        j->fd = -1;
        complain(dir, strerror(errno));
        goto out;
    }
    j->fd = open(j->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK,
                 0666);
    if (j->fd < 0) {
        complain(j->path, strerror(errno));
        goto out;
    }
    if (flock(j->fd, LOCK_EX | LOCK_NB)) {
        complain(j->path, "another run is using it");
        goto out;
    }
    text = conf_read_file(j->path, FILE_MAX, &size, error);
    if (!text) {
        complain(error, "it cannot be resumed");
        goto out;
    }
    if (conf_journal_take(run, j->path, text, size, &good, error,
                          sizeof error)) {
        complain(error, "it cannot be resumed");
        goto out;
    }
    /* The torn end, if any, makes room for a whole line. */
    if ((good < size && ftruncate(j->fd, (off_t)good)) ||
        (!good && append(j, conf_journal_head(run)))) {
        complain(j->path, strerror(errno));
        goto out;
    }
    st = 0;
out:
    free(text);
    if (st) {
        if (j->fd >= 0)
            close(j->fd);
        free(j->path);
        free(j);
        run->journal = NULL;
    }
    return st;
}
