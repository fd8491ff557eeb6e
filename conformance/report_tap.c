/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_tap.c - the report as TAP 14: a subtest for each device.  What is
 * expected to fail is TODO, unsupported and waived are SKIP; the rest says in
 * a YAML block what was wrong and what reruns it.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/runner.h"

/* In a description # and \ are escaped; names have neither. */
static void put_text(FILE *to, const char *text, size_t most)
{
    for (size_t i = 0; text[i] && text[i] != '\n' && i < most; i++) {
        if (text[i] == '#' || text[i] == '\\')
            fputc('\\', to);
        fputc(text[i], to);
    }
}

/* One quoted line of YAML: JSON's escapes are YAML's. */
static void put_yaml(FILE *to, const char *key, const char *text)
{
    fprintf(to, "      %s: \"", key);
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", to);
        else if (*text == '"' || *text == '\\')
            fprintf(to, "\\%c", *text);
        else
            fputc(*text, to);
    }
    fputs("\"\n", to);
}

static void put_case(FILE *to, const struct conf_run *run,
                     const struct conf_target *t, size_t index, size_t number)
{
    const struct conf_result *r = &t->results[index];
    const struct conf_case *cc = run->cases[index];
    const char *message = r->message ? r->message : "";
    int skip = r->verdict == CONF_UNSUPPORTED || r->verdict == CONF_WAIVED;
    char *rerun;

    /* TAP's own TODO: "not ok", and the run stays good. */
    fprintf(to, "    %s %zu - %s",
            conf_verdict_ok(r->verdict) && r->verdict != CONF_XFAIL ? "ok"
                                                                    : "not ok",
            number, cc->name);
    if (r->verdict == CONF_XFAIL || skip) {
        fputs(skip ? " # SKIP " : " # TODO ", to);
        fprintf(to, "%s: ", conf_verdict_name(r->verdict));
        put_text(to, message, 200);
    }
    fputc('\n', to);
    if (conf_verdict_ok(r->verdict))
        return;
    rerun = conf_rerun(run, t, cc);
    fputs("      ---\n", to);
    put_yaml(to, "verdict", conf_verdict_name(r->verdict));
    put_yaml(to, "message", message);
    put_yaml(to, "rerun", rerun ? rerun : "");
    fprintf(to, "      duration_ms: %.3f\n      ...\n", r->ms);
    free(rerun);
}

static void put_device(FILE *to, const struct conf_run *run, int which)
{
    const struct conf_target *t = &run->targets[which];
    size_t number = 0;
    int ok = conf_target_proves(run, t) && !run->set->mutant;

    fprintf(to, "# Subtest: %s\n    1..%zu\n", t->device.name,
            run->n_cases - t->n_left_out);
    if (t->n_left_out)
        fprintf(to, "    # left out: %zu of %zu cases, for want of time\n",
                t->n_left_out, run->n_cases);
    for (size_t i = 0; i < run->n_cases; i++) {
        if (t->results[i].left_out)
            continue;
        put_case(to, run, t, i, ++number);
        ok &= conf_verdict_ok(t->results[i].verdict);
    }
    fprintf(to, "%s %d - %s\n", ok ? "ok" : "not ok", which + 1,
            t->device.name);
}

char *conf_report_tap(const struct conf_run *run)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    if (!to)
        return NULL;
    fprintf(to, "TAP version 14\n1..%d\n", run->n_targets);
    for (int i = 0; i < run->n_targets; i++)
        put_device(to, run, i);
    if (run->interrupted)
        fputs("Bail out! interrupted\n", to);
    if (fclose(to)) {
        free(text);
        return NULL;
    }
    return text;
}
