/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare_read.c - reads a result file of `halcyon bench`.  Invariant: what
 * compare_read accepts has every key that the comparison needs, every number in
 * it is finite and positive, ranges hold their median, and no row is there
 * twice.  What all JSON from outside is held to is conformance/json.h's.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/json.h"
#include "tools/bench/compare.h"

/* Ten times what a run on every device writes; finding rows takes time by the
 * square of their number. */
#define FILE_MAX_BYTES ((size_t)16 << 20)
#define ROWS_MAX       20000u

static int refuse(struct compare_file *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(struct compare_file *f, const char *format, ...)
{
    char what[400];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return conf_json_refuse(f->error, "%.100s: %s", f->path, what);
}

/* ---- keys ------------------------------------------------------------ */

bool compare_has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* Where a key is, for messages: "results[3].time_s". */
struct place {
    struct compare_file *file;
    const cJSON *object;
    char path[64];
};

static const cJSON *key_of(const struct place *p, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(p->object, key);
}

/* NULL with a message unless it is a text, and not an empty one.  It will be
 * printed: what could steer a terminal is no text. */
static const char *text_at(const struct place *p, const char *key)
{
    const char *text = cJSON_GetStringValue(key_of(p, key));

    if (text && *text && !compare_has_control(text))
        return text;
    refuse(p->file, "%s%s: missing, or no plain text", p->path, key);
    return NULL;
}

/* -1 with a message unless it is a number above 0 and finite. */
static int number_at(const struct place *p, const char *key, double *out)
{
    const cJSON *item = key_of(p, key);

    if (cJSON_IsNumber(item) && isfinite(item->valuedouble) &&
        item->valuedouble > 0) {
        *out = item->valuedouble;
        return 0;
    }
    return refuse(p->file, "%s%s: missing, or no positive finite number",
                  p->path, key);
}

/* The keys of a median and its range; rates become costs. */
static int cost_at(const struct place *p, const char *median, const char *p10,
                   const char *p90, bool is_rate, struct compare_cost *out)
{
    struct compare_cost c = { .is_there = true };

    if (number_at(p, median, &c.median) || number_at(p, p10, &c.p10) ||
        number_at(p, p90, &c.p90))
        return -1;
    if (!(c.p10 <= c.median && c.median <= c.p90))
        return refuse(p->file, "%s%s: not within %s and %s", p->path, median,
                      p10, p90);
    *out = c;
    if (is_rate) {
        out->median = 1 / c.median;
        out->p10 = 1 / c.p90;
        out->p90 = 1 / c.p10;
        if (!isfinite(out->median) || !isfinite(out->p90))
            return refuse(p->file, "%s%s: too small", p->path, p10);
    }
    return 0;
}

/* An object with median, p10 and p90. */
static int spread_at(const struct place *p, const char *key, bool is_rate,
                     struct compare_cost *out)
{
    struct place in = { .file = p->file, .object = key_of(p, key) };

    snprintf(in.path, sizeof in.path, "%.40s%.16s.", p->path, key);
    if (!cJSON_IsObject(in.object))
        return refuse(p->file, "%s%s: missing, or no object", p->path, key);
    return cost_at(&in, "median", "p10", "p90", is_rate, out);
}

/* ---- rows ------------------------------------------------------------ */

/* One of halcyon.bench.kernels.1. */
static int read_kernel(const struct place *p, struct compare_row *row,
                       bool has_figure)
{
    row->device = text_at(p, "device");
    row->op = row->device ? text_at(p, "op") : NULL;
    row->kind = row->op ? text_at(p, "kind") : NULL;
    row->shape = row->kind ? text_at(p, "shape") : NULL;
    if (!row->shape)
        return -1;
    snprintf(row->name, sizeof row->name, "%.60s.%.60s %.180s", row->op,
             row->kind, row->shape);
    if (!has_figure) {
        row->why_not = text_at(p, "why");
        return row->why_not ? 0 : -1;
    }
    if (spread_at(p, "time_s", false, &row->time))
        return -1;
    return key_of(p, "share") ? spread_at(p, "share", true, &row->roof) : 0;
}

/* One of halcyon.bench.1, where files from before p10 and p90 have the whole
 * range alone. */
static int read_pair(const struct place *p, struct compare_row *row)
{
    const char *unit, *name;
    bool has_p10 = key_of(p, "ratio_p10") != NULL;

    row->device = text_at(p, "device");
    row->op = row->device ? text_at(p, "section") : NULL;
    name = row->op ? text_at(p, "name") : NULL;
    row->shape = name ? text_at(p, "against") : NULL;
    unit = row->shape ? text_at(p, "unit") : NULL;
    if (!unit)
        return -1;
    row->kind = name;
    snprintf(row->name, sizeof row->name, "%.60s %.120s, %.120s", row->op, name,
             row->shape);
    return cost_at(p, "ratio", has_p10 ? "ratio_p10" : "ratio_min",
                   has_p10 ? "ratio_p90" : "ratio_max", strcmp(unit, "s") != 0,
                   &row->time);
}

static int read_row(struct compare_file *f, const cJSON *item, const char *list,
                    size_t i, bool has_figure)
{
    struct compare_row *row = &f->rows[f->n_rows];
    struct place p = { .file = f, .object = item };
    int st;

    snprintf(p.path, sizeof p.path, "%.20s[%zu].", list, i);
    if (!cJSON_IsObject(item))
        return refuse(f, "%s[%zu]: no object", list, i);
    memset(row, 0, sizeof *row);
    st = f->is_pairs ? read_pair(&p, row) : read_kernel(&p, row, has_figure);
    if (st)
        return st;
    if (compare_find(f, row))
        return refuse(f, "%s[%zu]: %s %s is there twice", list, i, row->device,
                      row->name);
    f->n_rows++;
    return 0;
}

static int read_list(struct compare_file *f, const char *key, bool has_figure)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(f->root, key), *item;
    size_t n = f->n_rows + (size_t)cJSON_GetArraySize(list), i = 0;
    void *more;

    if (!cJSON_IsArray(list))
        return refuse(f, "%s: missing, or no list", key);
    if (n > ROWS_MAX)
        return refuse(f, "%s: more than %u rows", key, ROWS_MAX);
    if (n == f->n_rows)
        return 0;
    more = realloc(f->rows, n * sizeof *f->rows);
    if (!more)
        return refuse(f, "out of host memory");
    f->rows = more;
    cJSON_ArrayForEach(item, list)
    {
        if (read_row(f, item, key, i++, has_figure))
            return -1;
    }
    return 0;
}

/* ---- the file -------------------------------------------------------- */

static int read_head(struct compare_file *f)
{
    struct place p = { .file = f, .object = f->root };
    struct place machine = { .file = f, .path = "machine." };

    f->schema = text_at(&p, "schema");
    if (!f->schema)
        return -1;
    f->is_pairs = !strcmp(f->schema, "halcyon.bench.1");
    if (!f->is_pairs && strcmp(f->schema, "halcyon.bench.kernels.1") != 0)
        return refuse(f,
                      "schema: \"%.60s\" is neither halcyon.bench.kernels.1 "
                      "nor halcyon.bench.1",
                      f->schema);
    machine.object = key_of(&p, "machine");
    if (!cJSON_IsObject(machine.object))
        return refuse(f, "machine: missing, or no object");
    f->cpu = text_at(&machine, "cpu");
    if (!f->cpu || number_at(&machine, "cpus", &f->cpus))
        return -1;
    f->quick = cJSON_IsTrue(key_of(&p, "quick"));
    return 0;
}

int compare_parse(struct compare_file *f, const char *path, const char *text,
                  size_t size)
{
    memset(f, 0, sizeof *f);
    f->path = path;
    f->root = conf_json_parse(path, text, size, f->error);
    if (!f->root)
        return -1;
    if (!cJSON_IsObject(f->root))
        return refuse(f, "no JSON object");
    if (read_head(f) || read_list(f, "results", true))
        return -1;
    return f->is_pairs ? 0 : read_list(f, "without_figure", false);
}

int compare_read(struct compare_file *f, const char *path)
{
    size_t size = 0;
    char *text;
    int st;

    memset(f, 0, sizeof *f);
    text = conf_read_file(path, FILE_MAX_BYTES, &size, f->error);
    st = text ? compare_parse(f, path, text, size) : -1;
    free(text);
    if (st)
        fprintf(stderr, "halcyon bench compare: %s\n", f->error);
    return st;
}

void compare_release(struct compare_file *f)
{
    cJSON_Delete(f->root);
    free(f->rows);
    memset(f, 0, sizeof *f);
}

const struct compare_row *compare_find(const struct compare_file *f,
                                       const struct compare_row *row)
{
    for (size_t i = 0; i < f->n_rows; i++)
        if (!strcmp(f->rows[i].device, row->device) &&
            !strcmp(f->rows[i].op, row->op) &&
            !strcmp(f->rows[i].kind, row->kind) &&
            !strcmp(f->rows[i].shape, row->shape))
            return &f->rows[i];
    return NULL;
}
