/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.c - `halcyon bench compare A B`: what became slower from one result
 * file to the other, told from noise.
 *
 * A row is worse when all that was measured of it says so: its time, and how
 * far it is from the roofline that was taken in turns with it.  A machine that
 * was busy changes the first alone, a roofline that came out well the second.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"
#include "tools/bench/compare.h"

#define THRESHOLD 5.0 /* per cent; less is no news on shared machines */

enum verdict { SAME, WORSE, BETTER, MISSING, ADDED, VERDICTS };

static const char *const verdict_names[VERDICTS] = {
    [SAME] = "same",       [WORSE] = "worse", [BETTER] = "better",
    [MISSING] = "missing", [ADDED] = "new",
};

struct comparison {
    struct compare_file a, b;
    double factor; /* 1.05 for 5 per cent */
    unsigned counts[VERDICTS];
    cJSON *notes, *rows; /* of the report */
};

static int usage(FILE *to, int status)
{
    fputs("usage: halcyon bench compare [--threshold PERCENT] [--json FILE] "
          "A B\n\n"
          "Shows what became slower from A to B, two files that `halcyon "
          "bench kernels\n"
          "--json` or `halcyon bench --json` wrote, both the same.\n\n"
          "  --threshold PERCENT  changes below it are none; default 5\n"
          "  --json FILE          the verdicts, schema "
          "halcyon.bench.compare.1\n\n"
          "worse    the ranges of the samples (8 of 10) do not meet and the "
          "medians differ\n"
          "         by more than the threshold, in the time of a call and in "
          "its distance\n"
          "         from the measured roofline; a busy machine changes one "
          "of the two\n"
          "missing  a figure in A and none in B\n"
          "better   as worse, the other way round\n"
          "new      a figure in B and none in A\n\n"
          "Machines and devices that differ are named; rows of devices are "
          "compared by\n"
          "the devices' names.\n\n"
          "Exit status: 0 nothing is worse or missing, 1 something is, 2 wrong "
          "usage, 3 a\n"
          "file is foreign, damaged or cannot be read, nothing is in both, or "
          "the verdicts\n"
          "could not be written.\n",
          to);
    return status;
}

struct options {
    const char *paths[2], *json_path;
    int n_paths;
    double threshold;
};

static bool parse_threshold(const char *text, double *out)
{
    char *end;
    double x = strtod(text, &end);

    if (end == text || *end || !(x >= 0 && x <= 1000))
        return false;
    *out = x;
    return true;
}

/* -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        bool good = true;

        if (!strcmp(arg, "--help") || !strcmp(arg, "-h"))
            return usage(stdout, 0);
        if (!strcmp(arg, "--json") && i + 1 < argc)
            o->json_path = argv[++i];
        else if (!strcmp(arg, "--threshold") && i + 1 < argc)
            good = parse_threshold(argv[++i], &o->threshold);
        else if (arg[0] != '-' && o->n_paths < 2)
            o->paths[o->n_paths++] = arg;
        else
            good = false;
        if (!good) {
            fprintf(stderr,
                    "halcyon bench compare: \"%s\" is not understood, lacks "
                    "its value, or has a wrong one\n",
                    arg);
            return usage(stderr, 2);
        }
    }
    if (o->n_paths == 2)
        return -1;
    fprintf(stderr, "halcyon bench compare: two files are needed\n");
    return usage(stderr, 2);
}

/* ---- verdicts -------------------------------------------------------- */

/* 1: b is the longer one, -1: the shorter, 0: nobody can tell. */
static int longer(const struct compare_cost *a, const struct compare_cost *b,
                  double factor)
{
    if (b->p10 > a->p90 && b->median > a->median * factor)
        return 1;
    if (b->p90 < a->p10 && b->median * factor < a->median)
        return -1;
    return 0;
}

static enum verdict judge(const struct compare_row *a,
                          const struct compare_row *b, double factor)
{
    int time, roof;

    if (!a || a->why_not)
        return !b || b->why_not ? SAME : ADDED;
    if (!b || b->why_not)
        return MISSING;
    time = longer(&a->time, &b->time, factor);
    roof = a->roof.is_there && b->roof.is_there
               ? longer(&a->roof, &b->roof, factor)
               : time;
    if (time != roof || time == 0)
        return SAME;
    return time > 0 ? WORSE : BETTER;
}

/* ---- words ----------------------------------------------------------- */

static void spell(char *text, size_t size, const struct compare_file *f,
                  const struct compare_cost *c)
{
    double unit = c->median < 1e-3 ? 1e6 : c->median < 1 ? 1e3 : 1;
    const char *name = c->median < 1e-3 ? " us" : c->median < 1 ? " ms" : " s";

    if (f->is_pairs) {
        unit = 1;
        name = "";
    }
    snprintf(text, size, "%.4g%s (%.4g..%.4g)", c->median * unit, name,
             c->p10 * unit, c->p90 * unit);
}

static void add_cost(cJSON *to, const char *key, const struct compare_cost *c)
{
    cJSON *o;

    if (!c->is_there)
        return;
    o = cJSON_AddObjectToObject(to, key);
    cJSON_AddNumberToObject(o, "median", c->median);
    cJSON_AddNumberToObject(o, "p10", c->p10);
    cJSON_AddNumberToObject(o, "p90", c->p90);
}

static void add_side(cJSON *to, const char *key, const struct compare_row *row)
{
    cJSON *o;

    if (!row)
        return;
    o = cJSON_AddObjectToObject(to, key);
    if (row->why_not)
        cJSON_AddStringToObject(o, "why", row->why_not);
    add_cost(o, "cost", &row->time);
    add_cost(o, "of_roofline", &row->roof);
}

static void report(struct comparison *c, const struct compare_row *a,
                   const struct compare_row *b, enum verdict v)
{
    const struct compare_row *one = a ? a : b;
    cJSON *o = cJSON_CreateObject();
    bool both = v == SAME || v == WORSE || v == BETTER;

    cJSON_AddStringToObject(o, "device", one->device);
    cJSON_AddStringToObject(o, "op", one->op);
    cJSON_AddStringToObject(o, "kind", one->kind);
    cJSON_AddStringToObject(o, "shape", one->shape);
    cJSON_AddStringToObject(o, "verdict", verdict_names[v]);
    if (both && a && b && a->time.is_there && b->time.is_there)
        cJSON_AddNumberToObject(o, "ratio", b->time.median / a->time.median);
    add_side(o, "a", a);
    add_side(o, "b", b);
    cJSON_AddItemToArray(c->rows, o);
}

static void print_row(const struct comparison *c, const struct compare_row *a,
                      const struct compare_row *b, enum verdict v)
{
    char before[64] = "", after[64] = "";

    if (v == SAME)
        return;
    if (a && a->time.is_there)
        spell(before, sizeof before, &c->a, &a->time);
    if (b && b->time.is_there)
        spell(after, sizeof after, &c->b, &b->time);
    if (v == MISSING)
        printf("%-8s %s %s: was %s; now %s\n", verdict_names[v], a->device,
               a->name, before, b ? b->why_not : "not in B");
    else if (v == ADDED)
        printf("%-8s %s %s: %s\n", verdict_names[v], b->device, b->name, after);
    else
        printf("%-8s %s %s: %s, was %s: x%.3g\n", verdict_names[v], b->device,
               b->name, after, before, b->time.median / a->time.median);
    if ((v == WORSE || v == BETTER) && a->roof.is_there && b->roof.is_there)
        printf("%-8s %.3g %% of the roofline, was %.3g %%\n", "",
               100 / b->roof.median, 100 / a->roof.median);
}

static void note(struct comparison *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note(struct comparison *c, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    printf("note: %s\n", text);
    cJSON_AddItemToArray(c->notes, cJSON_CreateString(text));
}

/* ---- what the files were taken on ------------------------------------ */

static const cJSON *device_of(const struct compare_file *f, const char *name)
{
    const cJSON *item;

    cJSON_ArrayForEach(item,
                       cJSON_GetObjectItemCaseSensitive(f->root, "devices"))
    {
        const char *is = cJSON_GetStringValue(
            cJSON_GetObjectItemCaseSensitive(item, "device"));

        if (is && !strcmp(is, name))
            return item;
    }
    return NULL;
}

static const char *word_of(const cJSON *item, const char *key)
{
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, key));

    return text && !compare_has_control(text) ? text : "";
}

static bool has_device(const struct compare_file *f, const char *device)
{
    for (size_t i = 0; i < f->n_rows; i++)
        if (!strcmp(f->rows[i].device, device))
            return true;
    return false;
}

/* Devices of `f` that the other file lacks, or knows otherwise; once each. */
static void note_devices(struct comparison *c, const struct compare_file *f,
                         const struct compare_file *other, bool is_a)
{
    static const char *const keys[] = { "product", "driver" };

    for (size_t i = 0; i < f->n_rows; i++) {
        const char *device = f->rows[i].device;
        bool seen = false;

        for (size_t k = 0; k < i && !seen; k++)
            seen = !strcmp(f->rows[k].device, device);
        if (seen)
            continue;
        if (!has_device(other, device)) {
            note(c, "device %.64s is in %s only", device, is_a ? "A" : "B");
            continue;
        }
        for (unsigned k = 0; is_a && k < 2; k++) {
            const char *was = word_of(device_of(f, device), keys[k]);
            const char *is = word_of(device_of(other, device), keys[k]);

            if (strcmp(was, is) != 0)
                note(c, "%.64s: %s is \"%.200s\", was \"%.200s\"", device,
                     keys[k], is, was);
        }
    }
}

static void note_differences(struct comparison *c)
{
    const struct compare_file *a = &c->a, *b = &c->b;

    if (strcmp(a->cpu, b->cpu) != 0 || a->cpus != b->cpus)
        note(c, "machine is \"%.200s\" with %g CPUs, was \"%.200s\" with %g",
             b->cpu, b->cpus, a->cpu, a->cpus);
    if (a->quick != b->quick)
        note(c, "only %s was taken with --quick", a->quick ? "A" : "B");
    note_devices(c, a, b, true);
    note_devices(c, b, a, false);
}

/* ---- all of it ------------------------------------------------------- */

/* How many rows have a figure in both. */
static unsigned compare_rows(struct comparison *c)
{
    unsigned n_both = 0;

    for (size_t i = 0; i < c->a.n_rows; i++) {
        const struct compare_row *a = &c->a.rows[i];
        const struct compare_row *b = compare_find(&c->b, a);
        enum verdict v = judge(a, b, c->factor);

        n_both += b && !a->why_not && !b->why_not;
        c->counts[v]++;
        print_row(c, a, b, v);
        report(c, a, b, v);
    }
    for (size_t i = 0; i < c->b.n_rows; i++) {
        const struct compare_row *b = &c->b.rows[i];
        enum verdict v = judge(NULL, b, c->factor);

        if (compare_find(&c->a, b))
            continue;
        c->counts[v]++;
        print_row(c, NULL, b, v);
        report(c, NULL, b, v);
    }
    return n_both;
}

/* Geometric means: where noise goes both ways, they show what does not. */
static void print_means(const struct comparison *c)
{
    for (size_t i = 0; i < c->a.n_rows; i++) {
        const char *device = c->a.rows[i].device;
        double sum = 0;
        unsigned n = 0;
        bool seen = false;

        for (size_t k = 0; k < i && !seen; k++)
            seen = !strcmp(c->a.rows[k].device, device);
        for (size_t k = i; k < c->a.n_rows && !seen; k++) {
            const struct compare_row *a = &c->a.rows[k];
            const struct compare_row *b = compare_find(&c->b, a);

            if (strcmp(a->device, device) != 0 || !b || !a->time.is_there ||
                !b->time.is_there)
                continue;
            sum += log(b->time.median / a->time.median);
            n++;
        }
        if (n)
            printf("%s: x%.3f of A's %s in the geometric mean of %u rows\n",
                   device, exp(sum / n),
                   c->a.is_pairs ? "costs against what is beneath" : "times",
                   n);
    }
}

static int write_report(struct comparison *c, const struct options *o,
                        bool is_worse)
{
    cJSON *root = cJSON_CreateObject();

    cJSON_AddStringToObject(root, "schema", "halcyon.bench.compare.1");
    cJSON_AddStringToObject(root, "a", o->paths[0]);
    cJSON_AddStringToObject(root, "b", o->paths[1]);
    cJSON_AddStringToObject(root, "of", c->a.schema);
    cJSON_AddNumberToObject(root, "threshold_percent", o->threshold);
    cJSON_AddBoolToObject(root, "regression", is_worse);
    cJSON_AddItemToObject(root, "notes", c->notes);
    cJSON_AddItemToObject(root, "rows", c->rows);
    c->notes = c->rows = NULL;
    if (bench_write_text(root, o->json_path) == 0)
        return 0;
    fprintf(stderr, "halcyon bench: cannot write %s\n", o->json_path);
    return -1;
}

static int compare(struct comparison *c, const struct options *o)
{
    bool is_worse;

    if (compare_read(&c->a, o->paths[0]) || compare_read(&c->b, o->paths[1]))
        return 3;
    if (strcmp(c->a.schema, c->b.schema) != 0) {
        fprintf(stderr,
                "halcyon bench compare: A's schema is %s, B's is %s: they do "
                "not compare\n",
                c->a.schema, c->b.schema);
        return 3;
    }
    note_differences(c);
    if (!compare_rows(c)) {
        fprintf(stderr, "halcyon bench compare: no row has a figure in "
                        "both files\n");
        return 3;
    }
    print_means(c);
    printf("%u worse, %u missing, %u better, %u new, %u the same or noise\n",
           c->counts[WORSE], c->counts[MISSING], c->counts[BETTER],
           c->counts[ADDED], c->counts[SAME]);
    is_worse = c->counts[WORSE] || c->counts[MISSING];
    if (o->json_path && write_report(c, o, is_worse))
        return 3;
    return is_worse ? 1 : 0;
}

int bench_compare_command(int argc, char **argv)
{
    struct options o = { .threshold = THRESHOLD };
    struct comparison c = { 0 };
    int status = parse(argc, argv, &o);

    if (status >= 0)
        return status;
    c.factor = 1 + o.threshold / 100;
    c.notes = cJSON_CreateArray();
    c.rows = cJSON_CreateArray();
    status = compare(&c, &o);
    cJSON_Delete(c.notes);
    cJSON_Delete(c.rows);
    compare_release(&c.a);
    compare_release(&c.b);
    return status;
}
