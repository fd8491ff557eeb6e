/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.c - what is seen while cases run.  On a terminal: a matrix of
 * families and devices with what runs now, drawn over itself, below the
 * failures so far.  Elsewhere: failures, and a line now and then.
 *
 * Invariant: between two calls the cursor is below the drawing, whose height
 * is `drawn`; whoever prints wipes it first.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "conformance/runner.h"

#define DRAW_EVERY_MS  150.0
#define LINE_EVERY_MS  30000.0 /* often enough that no CI thinks it hangs */
#define CELL           14
#define LINE_MAX_CHARS 512

struct family {
    const char *name; /* of one of its cases */
    size_t length;
    unsigned *done, *bad; /* per device */
    unsigned total;
};

static struct {
    FILE *out;
    int live, colours;
    int height, width; /* of the terminal */
    int drawn;
    double last_ms;
    struct family *families;
    size_t n_families;
    size_t *family_of; /* per case */
    unsigned *counts;
} p;

FILE *conf_out(void)
{
    return p.out ? p.out : stdout;
}

void conf_out_set(FILE *to)
{
    p.out = to;
}

static const char *colour(const char *code)
{
    return p.colours ? code : "";
}
#define RED   colour("\033[31m")
#define GREEN colour("\033[32m")
#define DIM   colour("\033[2m")
#define PLAIN colour("\033[0m")

static void find_terminal(void)
{
    const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
    FILE *out = conf_out();

    p.live = isatty(fileno(out)) && term && strcmp(term, "dumb");
    p.colours = p.live && !(none && none[0]);
}

static void find_size(void)
{
    struct winsize size;

    p.height = 24;
    p.width = 80;
    if (ioctl(fileno(conf_out()), TIOCGWINSZ, &size) == 0 && size.ws_row > 0 &&
        size.ws_col > 0) {
        p.height = size.ws_row;
        p.width =
            size.ws_col < LINE_MAX_CHARS ? size.ws_col : LINE_MAX_CHARS - 1;
    }
}

/* Families of `parts` parts; the plan is sorted by name, so that each is one
 * stretch of it. */
static int make_families(const struct conf_run *run, int parts)
{
    size_t devices = (size_t)run->n_targets;

    free(p.families);
    free(p.family_of);
    free(p.counts);
    p.families = calloc(run->n_cases, sizeof *p.families);
    p.family_of = calloc(run->n_cases, sizeof *p.family_of);
    p.counts = calloc(2 * run->n_cases * devices, sizeof *p.counts);
    p.n_families = 0;
    if (!p.families || !p.family_of || !p.counts)
        return -1;
    for (size_t i = 0; i < run->n_cases; i++) {
        const char *name = run->cases[i]->name;
        size_t length = conf_family_length(name, parts);
        struct family *f = p.n_families ? &p.families[p.n_families - 1] : NULL;

        if (!f || f->length != length || strncmp(f->name, name, length)) {
            f = &p.families[p.n_families];
            f->name = name;
            f->length = length;
            f->done = p.counts + 2 * devices * p.n_families;
            f->bad = f->done + devices;
            p.n_families++;
        }
        f->total++;
        p.family_of[i] = p.n_families - 1;
    }
    return 0;
}

void conf_progress_begin(const struct conf_run *run)
{
    find_terminal();
    find_size();
    p.last_ms = conf_now_ms();
    if (!p.live || run->set->quiet) {
        p.live = 0;
        return;
    }
    /* As fine as fits: two parts of the name, else one. */
    if (make_families(run, 2) ||
        ((int)p.n_families + run->set->jobs + 4 > p.height &&
         make_families(run, 1)))
        p.live = 0;
    if (p.live)
        fputs("\033[?25l", conf_out()); /* hides the cursor */
}

static void wipe(void)
{
    if (p.drawn > 0)
        fprintf(conf_out(), "\033[%dA\r\033[J", p.drawn);
    p.drawn = 0;
}

void conf_progress_say(const char *format, ...)
{
    va_list ap;

    wipe();
    va_start(ap, format);
    vfprintf(conf_out(), format, ap);
    va_end(ap);
    fflush(conf_out());
}

static void count_result(const struct conf_run *run,
                         const struct conf_target *t, size_t index, int ok)
{
    size_t device = (size_t)(t - run->targets);
    struct family *f = &p.families[p.family_of[index]];

    f->done[device]++;
    f->bad[device] += !ok;
}

/* Prints a message under its headline, each line of it set in. */
static void say_message(const char *message)
{
    while (*message) {
        size_t n = strcspn(message, "\n");

        if (n > 0)
            conf_progress_say("     %.*s\n", (int)n, message);
        message += n + (message[n] == '\n');
    }
}

static void say_result(const struct conf_run *run, const struct conf_target *t,
                       size_t index)
{
    const struct conf_result *r = &t->results[index];
    const struct conf_case *cc = run->cases[index];
    int ok = conf_verdict_ok(r->verdict);
    char *rerun;

    /* What never ran has one cause, which the summary names. */
    if (r->verdict == CONF_MISSING && !run->set->verbose)
        return;
    if (ok && !run->set->verbose)
        return;
    conf_progress_say("%s%-11s%s %s %s %s(%.0f ms)%s\n", ok ? GREEN : RED,
                      conf_verdict_name(r->verdict), PLAIN, t->device.name,
                      cc->name, DIM, r->ms, PLAIN);
    if (r->message)
        say_message(r->message);
    if (ok)
        return;
    rerun = conf_rerun(run, t, cc);
    if (rerun)
        conf_progress_say("     rerun: %s\n", rerun);
    free(rerun);
}

void conf_progress_result(const struct conf_run *run,
                          const struct conf_target *t, size_t index)
{
    if (p.live)
        count_result(run, t, index, conf_verdict_ok(t->results[index].verdict));
    say_result(run, t, index);
}

void conf_progress_resumed(const struct conf_run *run)
{
    for (int i = 0; i < run->n_targets; i++)
        for (size_t k = 0; k < run->n_cases; k++)
            if (run->targets[i].results[k].done)
                say_result(run, &run->targets[i], k);
}

/* ---- the drawing -----------------------------------------------------------
 */

/* One line, cut at the width of the terminal; colour only around all of it. */
static void draw_line(const char *before, const char *text)
{
    fprintf(conf_out(), "%s%.*s%s\033[K\n", before, p.width - 1, text,
            before[0] ? PLAIN : "");
    p.drawn++;
}

static void clock_text(double ms, char *text, size_t room)
{
    int s = (int)(ms / 1e3);

    if (s >= 3600)
        snprintf(text, room, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, room, "%d:%02d", s / 60, s % 60);
}

static unsigned count_bad(const struct conf_run *run)
{
    unsigned bad = 0;

    for (int i = 0; i < run->n_targets; i++)
        for (int v = 0; v < CONF_VERDICT_COUNT; v++)
            if (!conf_verdict_ok((enum conf_verdict)v))
                bad += run->targets[i].counts.of[v];
    return bad;
}

static void draw_head(const struct conf_run *run)
{
    double elapsed = conf_now_ms() - run->start_ms;
    char text[LINE_MAX_CHARS], spent[32], left[48] = "";
    unsigned bad = count_bad(run);
    int n;

    clock_text(elapsed, spent, sizeof spent);
    if (elapsed > 3000 && run->n_done > 10) {
        char rest[32];

        clock_text(elapsed / (double)run->n_done *
                       (double)(run->n_planned - run->n_done),
                   rest, sizeof rest);
        snprintf(left, sizeof left, ", about %s left", rest);
    }
    snprintf(text, sizeof text, "%zu of %zu done, %u not ok, %s elapsed%s",
             run->n_done, run->n_planned, bad, spent, left);
    draw_line(bad ? RED : "", text);
    n = snprintf(text, sizeof text, "  %-20s", "");
    for (int i = 0; i < run->n_targets && n < (int)sizeof text - CELL; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " %*.*s", CELL, CELL,
                      run->targets[i].device.name);
    draw_line(DIM, text);
}

static void draw_family(const struct conf_run *run, const struct family *f)
{
    char text[LINE_MAX_CHARS], cell[64];
    int n, bad = 0, done = 1;

    n = snprintf(text, sizeof text, "  %-20.*s",
                 (int)(f->length < 40 ? f->length : 40), f->name);
    for (int i = 0; i < run->n_targets && n < (int)sizeof text - CELL; i++) {
        if (f->bad[i])
            snprintf(cell, sizeof cell, "%u bad %u/%u", f->bad[i], f->done[i],
                     f->total);
        else
            snprintf(cell, sizeof cell, "%u/%u", f->done[i], f->total);
        n += snprintf(text + n, sizeof text - (size_t)n, " %*s", CELL, cell);
        bad |= f->bad[i] > 0;
        done &= f->done[i] == f->total;
    }
    draw_line(bad ? RED : done ? GREEN : "", text);
}

static void draw(const struct conf_run *run, const struct conf_running *running,
                 int n_running)
{
    int room;

    find_size();
    wipe();
    draw_head(run);
    room = p.height - 3 - n_running;
    for (size_t i = 0; i < p.n_families && (int)i < room; i++)
        draw_family(run, &p.families[i]);
    for (int i = 0; i < n_running && p.drawn < p.height - 1; i++) {
        char text[LINE_MAX_CHARS];

        snprintf(text, sizeof text, "  > %s %s %.1f s", running[i].device,
                 running[i].name ? running[i].name : "(starting)",
                 running[i].ms / 1e3);
        draw_line(DIM, text);
    }
    fflush(conf_out());
}

void conf_progress_tick(const struct conf_run *run,
                        const struct conf_running *running, int n_running)
{
    double now = conf_now_ms();

    if (p.live) {
        if (now - p.last_ms < DRAW_EVERY_MS && p.drawn > 0)
            return;
        draw(run, running, n_running);
    } else {
        if (run->set->quiet || now - p.last_ms < LINE_EVERY_MS)
            return;
        conf_progress_say("%zu of %zu done, %u not ok, %.0f s\n", run->n_done,
                          run->n_planned, count_bad(run),
                          (now - run->start_ms) / 1e3);
    }
    p.last_ms = now;
}

void conf_progress_end(const struct conf_run *run)
{
    (void)run;
    wipe();
    if (p.live)
        fputs("\033[?25h", conf_out());
    fflush(conf_out());
    free(p.families);
    free(p.family_of);
    free(p.counts);
    p.families = NULL;
    p.family_of = NULL;
    p.counts = NULL;
    p.live = 0;
}
