/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expect.c - reads expectation files.  A line is one of
 *
 *   xfail CASE DEVICE why it fails
 *   waive CASE DEVICE by=NAME on=YYYY-MM-DD until=YYYY-MM-DD why
 *
 * or empty, or begins with #.  CASE and DEVICE are globs.
 */
#include "conformance/expect.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conformance/results.h"
#include "conformance/runner.h"

#define FILE_MAX  ((size_t)1 << 20)
#define ENTRY_MAX 10000
#define WORD_MAX  256

struct reader {
    const char *file;
    size_t line;
    const char *at, *end; /* what is left of the line */
    char *error;
};

static int refuse(const struct reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(const struct reader *r, const char *format, ...)
{
    char what[400];
    va_list ap;

    va_start(ap, format);
    vsnprintf(what, sizeof what, format, ap);
    va_end(ap);
    conf_clean(what);
    snprintf(r->error, CONF_EXPECT_ERROR, "%.100s:%zu: %s", r->file, r->line,
             what);
    return -1;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; empty at its end, or when it is too long. */
static void word(struct reader *r, char out[WORD_MAX])
{
    size_t n = 0;

    while (r->at < r->end && is_blank(*r->at))
        r->at++;
    while (r->at + n < r->end && !is_blank(r->at[n]))
        n++;
    out[0] = 0;
    if (n < WORD_MAX) {
        memcpy(out, r->at, n);
        out[n] = 0;
    }
    r->at += n;
}

int conf_expect_is_date(const char *text)
{
    static const char form[] = "dddd-dd-dd";
    static const int days[] = {
        31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
    };
    int year, month, day;

    if (strlen(text) != sizeof form - 1)
        return 0;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == 'd' ? !isdigit((unsigned char)text[i])
                           : text[i] != form[i])
            return 0;
    year = atoi(text);
    month = atoi(text + 5);
    day = atoi(text + 8);
    if (month < 1 || month > 12 || day < 1 || day > days[month - 1])
        return 0;
    return month != 2 || day < 29 ||
           (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

void conf_expect_today(char out[16])
{
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(out, 16, "%Y-%m-%d", &tm);
}

/* "key=value" of a waiver. */
static int take_pair(struct reader *r, const char *key, char out[WORD_MAX])
{
    char text[WORD_MAX];
    size_t n = strlen(key);

    word(r, text);
    if (strncmp(text, key, n) || text[n] != '=' || !text[n + 1])
        return refuse(r, "want %s=..., got '%s'", key, text);
    memmove(out, text + n + 1, strlen(text + n + 1) + 1);
    return 0;
}

static int take_waiver(struct reader *r, struct conf_expect *e,
                       const char *today)
{
    char by[WORD_MAX], on[WORD_MAX], until[WORD_MAX];

    if (take_pair(r, "by", by) || take_pair(r, "on", on) ||
        take_pair(r, "until", until))
        return -1;
    if (!conf_expect_is_date(on) || !conf_expect_is_date(until))
        return refuse(r, "'%s' is no date YYYY-MM-DD",
                      conf_expect_is_date(on) ? until : on);
    /* Dates in this form compare as texts. */
    if (strcmp(on, until) > 0)
        return refuse(r, "until %s is before on %s", until, on);
    if (strcmp(on, today) > 0)
        return refuse(r, "on %s is after today, %s", on, today);
    e->by = strdup(by);
    memcpy(e->until, until, strlen(until) + 1);
    e->is_expired = strcmp(until, today) < 0;
    return e->by ? 0 : refuse(r, "out of memory");
}

static int take_entry(struct reader *r, struct conf_expect *e,
                      const char *today)
{
    char kind[WORD_MAX], name[WORD_MAX], device[WORD_MAX];
    const char *end;

    word(r, kind);
    word(r, name);
    word(r, device);
    if (strcmp(kind, "xfail") && strcmp(kind, "waive"))
        return refuse(r, "want xfail or waive, got '%.100s'", kind);
    e->kind = kind[0] == 'x' ? CONF_EXPECT_XFAIL : CONF_EXPECT_WAIVE;
    e->file = r->file;
    e->line = r->line;
    if (!*name || !*device)
        return refuse(r, "want a case, a device and a reason");
    if (e->kind == CONF_EXPECT_WAIVE && take_waiver(r, e, today))
        return -1;
    while (r->at < r->end && is_blank(*r->at))
        r->at++;
    end = r->end;
    while (end > r->at && is_blank(end[-1]))
        end--;
    if (end == r->at)
        return refuse(r, "no reason");
    e->name = strdup(name);
    e->device = strdup(device);
    e->why = strndup(r->at, (size_t)(end - r->at));
    if (!e->name || !e->device || !e->why)
        return refuse(r, "out of memory");
    conf_clean(e->why);
    return 0;
}

static void release_one(struct conf_expect *e)
{
    free(e->name);
    free(e->device);
    free(e->by);
    free(e->why);
}

int conf_expects_parse(struct conf_expects *out, const char *file,
                       const char *text, const char *today,
                       char error[CONF_EXPECT_ERROR])
{
    struct reader r = { .file = file, .error = error };
    size_t n_before = out->n;

    while (*text) {
        struct conf_expect e = { 0 }, *at;

        r.line++;
        r.at = text;
        r.end = text + strcspn(text, "\n");
        text = r.end + (*r.end == '\n');
        while (r.at < r.end && is_blank(*r.at))
            r.at++;
        if (r.at == r.end || *r.at == '#')
            continue;
        if (out->n == ENTRY_MAX)
            return refuse(&r, "more than %d entries", ENTRY_MAX);
        if (take_entry(&r, &e, today)) {
            release_one(&e);
            return -1;
        }
        at = realloc(out->at, (out->n + 1) * sizeof *at);
        if (!at) {
            release_one(&e);
            return refuse(&r, "out of memory");
        }
        out->at = at;
        at[out->n++] = e;
    }
    /* An empty file is more likely a mistake than a wish. */
    return out->n > n_before ? 0 : refuse(&r, "no entry in the whole file");
}

int conf_expects_read(struct conf_expects *out, const char *file,
                      const char *today, char error[CONF_EXPECT_ERROR])
{
    size_t size = 0;
    char *text = conf_read_file(file, FILE_MAX, &size, error);
    char(*hashes)[CONF_HASH_TEXT];
    int st;

    if (!text)
        return -1;
    if (strlen(text) != size) {
        snprintf(error, CONF_EXPECT_ERROR, "%.300s: no text", file);
        free(text);
        return -1;
    }
    st = conf_expects_parse(out, file, text, today, error);
    hashes = realloc(out->hashes, sizeof *hashes * (size_t)(out->n_files + 1));
    if (hashes) {
        out->hashes = hashes;
        conf_hash(text, size, hashes[out->n_files++]);
    } else if (!st) {
        snprintf(error, CONF_EXPECT_ERROR, "%.300s: out of memory", file);
        st = -1;
    }
    free(text);
    return st;
}

int conf_expects_check(const struct conf_expects *e,
                       const struct conf_list *list,
                       char error[CONF_EXPECT_ERROR])
{
    for (size_t i = 0; i < e->n; i++) {
        size_t k = 0;

        while (k < list->n &&
               !conf_name_matches(e->at[i].name, list->cases[k].name))
            k++;
        if (k < list->n)
            continue;
        snprintf(error, CONF_EXPECT_ERROR, "%.100s:%zu: '%.200s' is no case",
                 e->at[i].file, e->at[i].line, e->at[i].name);
        conf_clean(error);
        return -1;
    }
    return 0;
}

const struct conf_expect *conf_expects_find(const struct conf_expects *e,
                                            const char *device,
                                            const char *name,
                                            const struct conf_expect **out_two)
{
    const struct conf_expect *found = NULL;

    *out_two = NULL;
    for (size_t i = 0; i < e->n; i++) {
        if (!conf_name_matches(e->at[i].device, device) ||
            !conf_name_matches(e->at[i].name, name))
            continue;
        if (found)
            *out_two = &e->at[i];
        else
            found = &e->at[i];
    }
    return found;
}

void conf_expects_release(struct conf_expects *e)
{
    for (size_t i = 0; i < e->n; i++)
        release_one(&e->at[i]);
    free(e->at);
    free(e->hashes);
    memset(e, 0, sizeof *e);
}
