/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_text.c - the summary that people read, and the exit status.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/mutant.h"
#include "conformance/origin.h"

/* Whether every report can hold it as it is. */
static int is_clean(const char *text)
{
    char *copy = strdup(text);
    int clean = 0;

    if (copy) {
        conf_clean(copy);
        clean = !strcmp(copy, text) && !strchr(text, '\n');
    }
    free(copy);
    return clean;
}

/* Bytes that a report cannot hold, as $'\ooo': the word stays what it is. */
static void append_bytes(FILE *to, const char *text)
{
    fputs("$'", to);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < 0x20 || byte >= 0x7F)
            fprintf(to, "\\%03o", byte);
        else if (byte == '\'' || byte == '\\')
            fprintf(to, "\\%c", byte);
        else
            fputc(byte, to);
    }
    fputc('\'', to);
}

/* 'text' as one word of a shell command. */
static void append_word(FILE *to, const char *text)
{
    if (!is_clean(text)) {
        append_bytes(to, text);
        return;
    }
    if (text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789-_./:,+@%=")] == 0 &&
        *text) {
        fputs(text, to);
        return;
    }
    fputc('\'', to);
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else
            fputc(*text, to);
    }
    fputc('\'', to);
}

/* "NAME=value " where it is in force. */
static void append_setting(FILE *to, const char *name)
{
    const char *value = getenv(name);

    if (!value)
        return;
    fprintf(to, "%s=", name);
    append_word(to, value);
    fputc(' ', to);
}

char *conf_rerun(const struct conf_run *run, const struct conf_target *t,
                 const struct conf_case *cc)
{
    /* Which device a name means, and which code runs there. */
    static const char *const settings[] = {
        "HALCYON_BACKEND_PATH",
        "HALCYON_PROFILE_PATH",
        "HALCYON_VARIANT",
        "HALCYON_CPU_ISA",
        "HALCYON_CPU_THREADS",
        "HALCYON_KERNEL",
        "HALCYON_OPENBLAS_LIB",
        "HALCYON_ONEDNN_LIB",
        "HALCYON_CUDA_LIB",
        "HALCYON_NVRTC_LIB",
        "HALCYON_CUBLASLT_LIB",
        "HALCYON_OPENCL_LIB",
        "HALCYON_OPENCL_PLATFORMS",
        "HALCYON_VULKAN_LIB",
        "HALCYON_VULKAN_VALIDATION",
        "HALCYON_CC",
        "HALCYON_CFLAGS",
        "HALCYON_OPTIMIZE",
        "HALCYON_SHADERC",
        "HALCYON_GLSLC",
    };
    const struct conf_settings *set = run->set;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    if (!to)
        return NULL;
    if (run->outer_devices[0]) {
        fputs("HALCYON_DEVICES=", to);
        append_word(to, run->outer_devices);
        fputc(' ', to);
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        append_setting(to, settings[i]);
    for (size_t i = 0; conf_driver_settings[i]; i++)
        append_setting(to, conf_driver_settings[i]);
    fputs("halcyon conform --device ", to);
    append_word(to, t->device.name);
    fprintf(to, " --case %s --seed %llu", cc->name,
            (unsigned long long)set->seed);
    for (int i = 0; i < set->n_user_golden && !strncmp(cc->name, "golden.", 7);
         i++) {
        fputs(" --golden ", to);
        append_word(to, set->golden.at[i]);
    }
    if (set->mutant)
        fprintf(to, " --mutant %s", set->mutant->name);
    if (set->timeout_scale != 1)
        fprintf(to, " --timeout %g", set->timeout_scale);
    if (fclose(to)) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- the table -------------------------------------------------------------
 */

static void print_table(const struct conf_run *run)
{
    FILE *out = conf_out();
    int shown[CONF_VERDICT_COUNT] = { [CONF_PASS] = 1, [CONF_FAIL] = 1 };
    int width = 6;

    for (int i = 0; i < run->n_targets; i++) {
        const struct conf_target *t = &run->targets[i];
        int n = (int)strlen(t->device.name);

        width = n > width ? n : width;
        for (int v = 0; v < CONF_VERDICT_COUNT; v++)
            shown[v] |= t->counts.of[v] > 0;
    }
    fprintf(out, "\n%-*s  planned", width, "device");
    for (int v = 0; v < CONF_VERDICT_COUNT; v++)
        if (shown[v])
            fprintf(out, "  %7s", conf_verdict_name((enum conf_verdict)v));
    fputc('\n', out);
    for (int i = 0; i < run->n_targets; i++) {
        const struct conf_target *t = &run->targets[i];

        fprintf(out, "%-*s  %7u", width, t->device.name, t->counts.planned);
        for (int v = 0; v < CONF_VERDICT_COUNT; v++) {
            const char *name = conf_verdict_name((enum conf_verdict)v);
            int cell = (int)strlen(name);

            if (shown[v])
                fprintf(out, "  %*u", cell > 7 ? cell : 7, t->counts.of[v]);
        }
        fputc('\n', out);
    }
}

/* Each reason why cases are missing, once a device. */
static void print_missing(const struct conf_run *run)
{
    for (int i = 0; i < run->n_targets; i++) {
        const struct conf_target *t = &run->targets[i];
        const char *last = NULL;
        unsigned n = 0;

        for (size_t k = 0; k <= run->n_cases; k++) {
            const char *text = NULL;

            if (k < run->n_cases) {
                if (t->results[k].verdict != CONF_MISSING ||
                    t->results[k].left_out)
                    continue;
                text = t->results[k].message ? t->results[k].message : "";
            }
            if (last && (!text || strcmp(text, last))) {
                fprintf(conf_out(), "missing: %s: %u case%s: %s\n",
                        t->device.name, n, n == 1 ? "" : "s", last);
                n = 0;
            }
            last = text;
            n++;
        }
    }
}

/* What a budget did not reach. */
static void print_left_out(const struct conf_run *run)
{
    for (int i = 0; i < run->n_targets; i++) {
        const struct conf_target *t = &run->targets[i];

        if (t->n_left_out)
            fprintf(conf_out(),
                    "left out: %s: %zu of %zu cases, for want of time "
                    "(--json names them)\n",
                    t->device.name, t->n_left_out, run->n_cases);
        for (size_t k = 0; k < run->n_cases && run->set->verbose; k++)
            if (t->results[k].left_out)
                fprintf(conf_out(), "     %s\n", run->cases[k]->name);
    }
}

static unsigned count(const struct conf_run *run, int ok)
{
    unsigned n = 0;

    for (int i = 0; i < run->n_targets; i++)
        for (int v = 0; v < CONF_VERDICT_COUNT; v++)
            if (conf_verdict_ok((enum conf_verdict)v) == ok)
                n += run->targets[i].counts.of[v];
    return n;
}

/* Cases that were planned and have no verdict of their own. */
static unsigned count_unrun(const struct conf_run *run)
{
    unsigned n = 0;

    for (int i = 0; i < run->n_targets; i++) {
        const struct conf_counts *c = &run->targets[i].counts;

        n += c->of[CONF_MISSING] + c->of[CONF_SKIPPED];
        if (conf_counts_total(c) < c->planned)
            n += c->planned - conf_counts_total(c);
    }
    return n;
}

int conf_target_proves(const struct conf_run *run, const struct conf_target *t)
{
    return run->set->shards > 1 || conf_counts_prove(&t->counts);
}

/* Devices of which excuses are all there is. */
static int count_unproven(const struct conf_run *run)
{
    int n = 0;

    for (int i = 0; i < run->n_targets; i++)
        n += !conf_target_proves(run, &run->targets[i]);
    return n;
}

int conf_exit_status(const struct conf_run *run)
{
    size_t total = 0;

    for (int i = 0; i < run->n_targets; i++)
        total += conf_counts_total(&run->targets[i].counts);
    if (count_unrun(run) || run->interrupted || total != run->n_planned ||
        run->n_planned == 0 || run->internal_errors || count_unproven(run))
        return CONF_EXIT_UNRUN;
    /* What passes with a fault planted says nothing of the device. */
    return count(run, 0) || run->set->mutant ? CONF_EXIT_NOT : CONF_EXIT_OK;
}

void conf_report_text(const struct conf_run *run)
{
    FILE *out = conf_out();
    double seconds = run->wall_ms / 1e3;
    unsigned long long seed = run->set->seed;
    unsigned n_unsupported = 0;

    if (!run->set->quiet)
        print_table(run);
    print_missing(run);
    print_left_out(run);
    if (run->internal_errors)
        fprintf(out, "%u internal errors of the runner; please report them\n",
                run->internal_errors);
    for (int i = 0; i < run->n_targets; i++) {
        const struct conf_counts *c = &run->targets[i].counts;

        n_unsupported += c->of[CONF_UNSUPPORTED];
        if (c->of[CONF_UNSUPPORTED] == c->planned)
            fprintf(out, "note: %s supports none of the planned cases\n",
                    run->targets[i].device.name);
        if (!conf_target_proves(run, &run->targets[i]))
            fprintf(out, "nothing passed on %s: that proves nothing\n",
                    run->targets[i].device.name);
    }
    if (n_unsupported && !run->set->quiet && !run->set->verbose)
        fprintf(out, "why cases are unsupported: --verbose, or --json FILE\n");
    if (run->set->mutant)
        fprintf(out, "a fault is planted, %s: this proves nothing\n",
                run->set->mutant->name);
    switch (conf_exit_status(run)) {
    case CONF_EXIT_OK:
        fprintf(out,
                "conformant: %zu case%s on %d device%s in %.1f s, seed %llu\n",
                run->n_planned, run->n_planned == 1 ? "" : "s", run->n_targets,
                run->n_targets == 1 ? "" : "s", seconds, seed);
        break;
    case CONF_EXIT_NOT:
        fprintf(out,
                "NOT conformant: %u of %zu case%s not ok%s, %.1f s, "
                "seed %llu\n",
                count(run, 0), run->n_planned,
                run->n_planned == 1 ? " is" : "s are",
                run->set->mutant ? " with a fault planted" : "", seconds, seed);
        break;
    default:
        if (!run->interrupted && !count(run, 0) && count_unproven(run)) {
            fprintf(out,
                    "INCOMPLETE: nothing is proven on %u of %d device%s, "
                    "%.1f s, seed %llu\n",
                    count_unproven(run), run->n_targets,
                    run->n_targets == 1 ? "" : "s", seconds, seed);
            break;
        }
        fprintf(out,
                "INCOMPLETE%s: %u of %zu planned case%s did not run, %u "
                "others are not ok, %.1f s, seed %llu\n",
                run->interrupted ? " (interrupted)" : "", count_unrun(run),
                run->n_planned, run->n_planned == 1 ? "" : "s",
                count(run, 0) - count_unrun(run), seconds, seed);
    }
    fflush(out);
}
