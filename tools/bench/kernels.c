/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels.c - `halcyon bench kernels`: every operator of kernels/ops.h in its
 * dtypes, against the measured roofline of the device.  Exit status as for
 * `halcyon bench`: figures are for people and never fail.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/kernels.h"

#define GLOBS_MAX 64

static const struct bench_row *const tables[] = {
    bench_rows_plain,     bench_rows_linear, bench_rows_quant,
    bench_rows_attention, bench_rows_moe,
};
#define N_TABLES (sizeof tables / sizeof *tables)

struct options {
    struct bench_wanted devices;
    const char *globs[GLOBS_MAX], *json_path;
    int n_globs;
    bool quick, full, list, all;
};

/* Drawn over itself on standard error, and wiped before a line is printed. */
static struct {
    bool progress, colours;
} terminal;

static int usage(FILE *to, int status)
{
    fputs("usage: halcyon bench kernels [--op GLOB]... [--device NAME]...\n"
          "                             [--full] [--quick] [--json FILE] "
          "[--list]\n\n"
          "Measures every operator in its dtypes: the median time of a call "
          "with the\n"
          "middle eight tenths of its samples, bytes and operations a second, "
          "and the\n"
          "share of the device's roofline.\n\n"
          "  --op GLOB      only operators (\"gemm\") or rows "
          "(\"gemm*.bf16*\"); may be\n"
          "                 repeated\n"
          "  --device NAME  this device; may be repeated; \"all\": every one "
          "that\n"
          "                 HALCYON_DEVICES admits.  Default: the first\n"
          "  --full         DeepSeek-V3's full widths; takes long and much "
          "memory\n"
          "  --quick        fewer and shorter samples\n"
          "  --json FILE    the figures, schema halcyon.bench.kernels.1\n"
          "  --list         the rows, and nothing is measured\n\n"
          "The roofline is measured, not looked up: three kernels that only "
          "read, copy\n"
          "(or halMemcpyAsync, whichever is faster) and multiply-add f32, "
          "compiled for\n"
          "the device when the command starts.  A row is held against the one "
          "that\n"
          "allows it least, by the bytes it must move and the operations it "
          "must do,\n"
          "whatever the kernel does more; rows that write a quarter of their "
          "bytes or\n"
          "more count as copies.  Row and probe are sampled in turns, and the "
          "share is\n"
          "the median of the pairs.  Successive calls take other operands, "
          "so that\n"
          "caches are cold.  More than 100 % is possible: of operands that "
          "stay in caches\n"
          "all the same, and where a device has faster units than f32's.\n\n"
          "The first call, with the driver's compilation, is a column of its "
          "own and in\n"
          "no figure.\n\n"
          "Exit status: 0 measured, 1 something failed, 2 wrong usage, 3 no "
          "such device,\n"
          "or the figures could not be written.\n",
          to);
    return status;
}

/* -1 to go on, else the exit status. */
static int parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        bool has_value = i + 1 < argc;

        if (!strcmp(arg, "--help") || !strcmp(arg, "-h"))
            return usage(stdout, 0);
        if (!strcmp(arg, "--quick")) {
            o->quick = true;
        } else if (!strcmp(arg, "--full")) {
            o->full = true;
        } else if (!strcmp(arg, "--list")) {
            o->list = true;
        } else if (!strcmp(arg, "--json") && has_value) {
            o->json_path = argv[++i];
        } else if (!strcmp(arg, "--op") && has_value &&
                   o->n_globs < GLOBS_MAX) {
            o->globs[o->n_globs++] = argv[++i];
        } else if (!strcmp(arg, "--device") && has_value &&
                   !strcmp(argv[i + 1], "all")) {
            o->all = true;
            i++;
        } else if (!strcmp(arg, "--device") && has_value &&
                   o->devices.n < BENCH_DEVICES_MAX) {
            o->devices.names[o->devices.n++] = argv[++i];
        } else {
            fprintf(stderr,
                    "halcyon bench kernels: \"%s\" is no option, or lacks its "
                    "value\n",
                    arg);
            return usage(stderr, 2);
        }
    }
    return -1;
}

/* ---- which rows --------------------------------------------------------- */

struct chosen {
    const struct bench_row **rows;
    size_t n;
};

static void row_name(const struct bench_row *row, char name[64])
{
    snprintf(name, 64, "%s.%s", row->op, row->kind);
}

static bool matches(const char *glob, const struct bench_row *row)
{
    char name[64];

    row_name(row, name);
    return !fnmatch(glob, row->op, 0) || !fnmatch(glob, name, 0);
}

static const int64_t *dims_of(const struct options *o,
                              const struct bench_row *row)
{
    return o->full && row->full[0] ? row->full : row->dims;
}

static bool is_wanted(const struct options *o, const struct bench_row *row,
                      bool *used)
{
    bool any = o->n_globs == 0;

    for (int i = 0; i < o->n_globs; i++)
        if (matches(o->globs[i], row))
            used[i] = any = true;
    return any;
}

static void name_operators(FILE *to)
{
    const char *last = "";
    size_t column = 80;

    for (size_t t = 0; t < N_TABLES; t++)
        for (const struct bench_row *r = tables[t]; r->op; r++) {
            size_t n = strlen(r->op) + 1;

            if (!strcmp(r->op, last))
                continue;
            last = r->op;
            fprintf(to, "%s%s", column + n > 78 ? "\n  " : " ", r->op);
            column = column + n > 78 ? n + 1 : column + n;
        }
    fputs("\n", to);
}

/* 0, or the exit status. */
static int choose_rows(const struct options *o, struct chosen *c)
{
    bool used[GLOBS_MAX] = { false };

    for (size_t t = 0; t < N_TABLES; t++)
        for (const struct bench_row *r = tables[t]; r->op; r++) {
            void *more;

            if (!is_wanted(o, r, used))
                continue;
            more = realloc(c->rows, (c->n + 1) * sizeof *c->rows);
            if (!more) {
                fprintf(stderr, "halcyon bench: out of host memory\n");
                return 3;
            }
            c->rows = more;
            c->rows[c->n++] = r;
        }
    for (int i = 0; i < o->n_globs; i++) {
        if (used[i])
            continue;
        fprintf(stderr,
                "halcyon bench kernels: no operator is \"%s\"; there are:",
                o->globs[i]);
        name_operators(stderr);
        return 2;
    }
    return 0;
}

static void list_rows(const struct options *o, const struct chosen *c)
{
    for (size_t i = 0; i < c->n; i++) {
        char name[64], shape[128];

        row_name(c->rows[i], name);
        bench_row_shape(c->rows[i], dims_of(o, c->rows[i]), shape,
                        sizeof shape);
        printf("%-34s %-24s %s\n", name, c->rows[i]->api, shape);
    }
}

/* ---- lines -------------------------------------------------------------- */

static void find_terminal(void)
{
    const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
    bool able = term && strcmp(term, "dumb") != 0;

    terminal.progress = able && isatty(STDERR_FILENO);
    terminal.colours = able && isatty(STDOUT_FILENO) && !(none && none[0]);
}

static void progress(const char *device, size_t i, size_t n, const char *what)
{
    if (!terminal.progress)
        return;
    fflush(stdout);
    fprintf(stderr, "\r\033[K%s %zu/%zu %s", device, i, n, what);
    fflush(stderr);
}

static void wipe(void)
{
    if (!terminal.progress)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}

static const char *colour(const char *code)
{
    return terminal.colours ? code : "";
}

static void spell_time(char *text, size_t size, double s)
{
    if (s < 1e-3)
        snprintf(text, size, "%.3g us", s * 1e6);
    else if (s < 1)
        snprintf(text, size, "%.3g ms", s * 1e3);
    else
        snprintf(text, size, "%.3g s", s);
}

/* Times of one line are in one unit. */
static void spell_range(char *text, size_t size, const struct bench_spread *t)
{
    double unit = t->median < 1e-3 ? 1e6 : t->median < 1 ? 1e3 : 1;

    snprintf(text, size, "%.3g..%.3g", t->p10 * unit, t->p90 * unit);
}

static void print_head(void)
{
    printf("%-34s %10s %-15s %8s %9s %13s %9s\n", "row", "time", "8 of 10",
           "GB/s", "GFLOP/s", "of roofline", "first");
}

static void print_figure(const struct bench_figure *f)
{
    char name[64], time[24], range[32], flops[24] = "-", share[32] = "-";
    char first[24];
    const char *code = "";
    double bytes = f->read + f->written;

    row_name(f->row, name);
    spell_time(time, sizeof time, f->time.median);
    spell_time(first, sizeof first, f->first_s);
    spell_range(range, sizeof range, &f->time);
    if (f->flops > 0)
        snprintf(flops, sizeof flops, "%.4g", f->flops / f->time.median * 1e-9);
    if (f->has_share) {
        snprintf(share, sizeof share, "%.3g %% %s", f->share.median * 100,
                 bench_bound_names[f->bound]);
        code = f->share.median >= 0.7   ? "\033[32m"
               : f->share.median >= 0.3 ? "\033[33m"
                                        : "\033[31m";
    }
    printf("%-34s %10s %-15s %8.3g %9s %s%13s%s %9s\n", name, time, range,
           bytes / f->time.median * 1e-9, flops, colour(code), share,
           f->has_share ? colour("\033[0m") : "", first);
    printf("    %s%s%s\n", colour("\033[2m"), f->shape, colour("\033[0m"));
    fflush(stdout);
}

static void print_gap(const struct bench_gap *g)
{
    char name[64];

    row_name(g->row, name);
    printf("%-34s %s%s: %s%s\n    %s\n", name,
           g->unsupported ? "" : colour("\033[31m"),
           g->unsupported ? "not on this device" : "FAILED", g->why,
           g->unsupported ? "" : colour("\033[0m"), g->shape);
    fflush(stdout);
}

static void print_roofline(const struct bench_machine *m)
{
    static const char *const units[] = {
        [BENCH_READ] = "GB/s", [BENCH_COPY] = "GB/s", [BENCH_FMA] = "GFLOP/s"
    };

    for (unsigned b = 0; b < BENCH_BOUNDS; b++)
        if (m->how[b])
            printf("  roofline, %s: %.4g %s (8 of 10: %.4g..%.4g; %s)\n",
                   bench_bound_names[b], m->rates[b].median * 1e-9, units[b],
                   m->rates[b].p10 * 1e-9, m->rates[b].p90 * 1e-9, m->how[b]);
        else
            printf("  roofline, %s: not measured: %s\n", bench_bound_names[b],
                   m->why_not);
}

/* ---- measuring ---------------------------------------------------------- */

/* Room for one more at the end of a list, or NULL with a message. */
static void *append(void *list, size_t *n, size_t size)
{
    void **at = list, *more = realloc(*at, (*n + 1) * size);

    if (!more) {
        fprintf(stderr, "halcyon bench: out of host memory\n");
        return NULL;
    }
    *at = more;
    more = (char *)more + (*n)++ * size;
    memset(more, 0, size);
    return more;
}

static void keep_machine(struct bench_kernels *k,
                         const struct halDeviceProp *prop,
                         const struct bench_roofline *roof)
{
    struct bench_machine *m = append(&k->machines, &k->n_machines, sizeof *m);

    if (!m)
        return;
    snprintf(m->device, sizeof m->device, "%s", prop->halName);
    snprintf(m->product, sizeof m->product, "%s", prop->name);
    snprintf(m->driver, sizeof m->driver, "%s", prop->driver);
    snprintf(m->why_not, sizeof m->why_not, "%s", roof->why_not);
    for (unsigned b = 0; b < BENCH_BOUNDS; b++) {
        m->how[b] = roof->probes[b].how;
        m->rates[b] = roof->probes[b].rate;
    }
    wipe();
    print_roofline(m);
}

static void one_row(struct bench_kernels *k, const struct options *o,
                    const struct bench_row *row, const char *device,
                    const struct bench_roofline *roof)
{
    struct bench_figure figure, *kept;
    struct bench_gap *gap;
    int st = bench_row_measure(row, dims_of(o, row), roof, o->quick, &figure);

    snprintf(figure.device, sizeof figure.device, "%s", device);
    wipe();
    if (st == 0) {
        print_figure(&figure);
        kept = append(&k->figures, &k->n_figures, sizeof *kept);
        if (kept)
            *kept = figure;
        return;
    }
    gap = append(&k->gaps, &k->n_gaps, sizeof *gap);
    if (!gap)
        return;
    gap->row = row;
    gap->unsupported = st > 0;
    memcpy(gap->device, figure.device, sizeof gap->device);
    memcpy(gap->shape, figure.shape, sizeof gap->shape);
    snprintf(gap->why, sizeof gap->why, "%.255s", bench_failure());
    for (char *c = gap->why; *c; c++) /* a compiler's lines become one */
        if ((unsigned char)*c < ' ')
            *c = ' ';
    print_gap(gap);
}

/* 0, or -1 with a message: the device does not open. */
static int one_device(struct bench_kernels *k, const struct options *o,
                      const struct chosen *c, int ordinal)
{
    struct halDeviceProp prop;
    struct bench_roofline roof;

    if (halSetDevice(ordinal) != halSuccess ||
        halGetDeviceProperties(&prop, ordinal) != halSuccess) {
        fprintf(stderr, "halcyon bench: device %d: %s\n", ordinal,
                halGetErrorDetail());
        return -1;
    }
    printf("\n%s: %s; %s\n", prop.halName, prop.name, prop.driver);
    progress(prop.halName, 0, c->n, "roofline");
    bench_roofline_open(&roof, &prop, o->quick);
    keep_machine(k, &prop, &roof);
    print_head();
    for (size_t i = 0; i < c->n; i++) {
        char name[64];

        row_name(c->rows[i], name);
        progress(prop.halName, i + 1, c->n, name);
        one_row(k, o, c->rows[i], prop.halName, &roof);
    }
    bench_roofline_close(&roof);
    return 0;
}

static int cannot_write(const char *path)
{
    fprintf(stderr, "halcyon bench: cannot write %s\n", path);
    return 3;
}

/* Before minutes of measuring: whether there will be a file. */
static bool can_write(const char *path)
{
    FILE *f = fopen(path, "ae");

    return f && fclose(f) == 0;
}

static int measure_all(const struct options *o, const struct chosen *c)
{
    struct bench_kernels k = { .quick = o->quick, .full = o->full };
    int ordinals[BENCH_DEVICES_MAX], status = 0;
    int n = bench_pick_devices(&o->devices, ordinals);

    if (n < 0)
        return 3;
    if (!o->all && !o->devices.n)
        n = 1;
    if (o->json_path && !can_write(o->json_path))
        return cannot_write(o->json_path);
    find_terminal();
    bench_name_machine(k.machine, &k.n_cpus);
    for (int i = 0; i < n; i++)
        if (one_device(&k, o, c, ordinals[i]) != 0)
            status = 1;
    for (size_t i = 0; i < k.n_gaps; i++)
        if (!k.gaps[i].unsupported)
            status = 1;
    if (o->json_path && bench_kernels_json(&k, o->json_path) != 0)
        status = cannot_write(o->json_path);
    free(k.machines);
    free(k.figures);
    free(k.gaps);
    return status;
}

int bench_kernels_command(int argc, char **argv)
{
    struct options o = { 0 };
    struct chosen c = { 0 };
    int status = parse(argc, argv, &o);

    if (status >= 0)
        return status;
    o.devices.command = argv - 2; /* argv[0] is "kernels" */
    if (o.all)
        o.devices.n = 0;
    status = choose_rows(&o, &c);
    if (status == 0 && o.list)
        list_rows(&o, &c);
    else if (status == 0)
        status = measure_all(&o, &c);
    free(c.rows);
    return status;
}
