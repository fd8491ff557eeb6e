/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report_junit.c - the report for CI systems: a suite for each device, a
 * testcase for each case.  fail and xpass -> failure; the other bad verdicts ->
 * error; unsupported and waived -> skipped, with the reason.  A device whose
 * verdicts show nothing has one error more: skipped cases alone are green.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/runner.h"

/* Messages are clean UTF-8 (conf_clean); five characters are left to care for,
 * and newlines, which an attribute would turn into blanks. */
static void put(FILE *to, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        case '\'':
            fputs("&apos;", to);
            break;
        case '\n':
            fputs("&#10;", to);
            break;
        default:
            fputc(*text, to);
        }
    }
}

enum kind { PASSED, FAILURE, ERROR, SKIPPED };

static enum kind kind_of(enum conf_verdict verdict)
{
    if (verdict == CONF_PASS || verdict == CONF_XFAIL)
        return PASSED;
    if (verdict == CONF_FAIL || verdict == CONF_XPASS)
        return FAILURE;
    return conf_verdict_ok(verdict) ? SKIPPED : ERROR;
}

static void put_case(FILE *to, const struct conf_run *run,
                     const struct conf_target *t, size_t index)
{
    static const char *const elements[] = { NULL, "failure", "error",
                                            "skipped" };
    const struct conf_result *r = &t->results[index];
    const struct conf_case *cc = run->cases[index];
    enum kind kind = kind_of(r->verdict);
    size_t family = conf_family_length(cc->name, 2);
    char *rerun;

    fputs("    <testcase classname=\"", to);
    put(to, t->device.name);
    fprintf(to, ".%.*s\" name=\"%s\" time=\"%.6f\"", (int)family, cc->name,
            cc->name, r->ms / 1e3);
    if (kind == PASSED) {
        fputs("/>\n", to);
        return;
    }
    fprintf(to, ">\n      <%s", elements[kind]);
    if (kind != SKIPPED)
        fprintf(to, " type=\"%s\"", conf_verdict_name(r->verdict));
    fputs(" message=\"", to);
    if (kind == SKIPPED)
        fprintf(to, "%s: ", conf_verdict_name(r->verdict));
    put(to, r->message ? r->message : "");
    rerun = kind == SKIPPED ? NULL : conf_rerun(run, t, cc);
    if (rerun) {
        fputs("\">rerun: ", to);
        put(to, rerun);
        fprintf(to, "</%s>\n", elements[kind]);
    } else {
        fputs("\"/>\n", to);
    }
    free(rerun);
    fputs("    </testcase>\n", to);
}

/* Why the device's verdicts show nothing, or NULL. */
static const char *unproven_by(const struct conf_run *run,
                               const struct conf_target *t)
{
    if (run->set->mutant)
        return "a fault is planted";
    return conf_target_proves(run, t) ? NULL : "nothing passed";
}

static void put_unproven(FILE *to, const struct conf_target *t, const char *why)
{
    fputs("    <testcase classname=\"", to);
    put(to, t->device.name);
    fprintf(to,
            "\" name=\"proof\" time=\"0.000000\">\n"
            "      <error type=\"missing\" message=\"%s: that proves "
            "nothing\"/>\n    </testcase>\n",
            why);
}

static void put_suite(FILE *to, const struct conf_run *run,
                      const struct conf_target *t)
{
    const char *unproven = unproven_by(run, t);
    unsigned n[4] = { [ERROR] = unproven ? 1 : 0 };
    double ms = 0;

    for (size_t i = 0; i < run->n_cases; i++) {
        if (t->results[i].left_out)
            continue;
        n[kind_of(t->results[i].verdict)]++;
        ms += t->results[i].ms;
    }
    fputs("  <testsuite name=\"", to);
    put(to, t->device.name);
    fprintf(to,
            "\" tests=\"%zu\" failures=\"%u\" errors=\"%u\" skipped=\"%u\" "
            "time=\"%.3f\" timestamp=\"%s\">\n",
            run->n_cases - t->n_left_out + (unproven ? 1 : 0), n[FAILURE],
            n[ERROR], n[SKIPPED], ms / 1e3, run->started);
    fputs("    <properties>\n      <property name=\"product\" value=\"", to);
    put(to, t->device.product);
    fputs("\"/>\n      <property name=\"driver\" value=\"", to);
    put(to, t->device.driver);
    fprintf(to,
            "\"/>\n      <property name=\"seed\" value=\"%llu\"/>\n"
            "      <property name=\"left_out\" value=\"%zu\"/>\n"
            "    </properties>\n",
            (unsigned long long)run->set->seed, t->n_left_out);
    for (size_t i = 0; i < run->n_cases; i++)
        if (!t->results[i].left_out)
            put_case(to, run, t, i);
    if (unproven)
        put_unproven(to, t, unproven);
    fputs("  </testsuite>\n", to);
}

char *conf_report_junit(const struct conf_run *run)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    if (!to)
        return NULL;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<testsuites name=\"halcyon conform\">\n",
          to);
    for (int i = 0; i < run->n_targets; i++)
        put_suite(to, run, &run->targets[i]);
    fputs("</testsuites>\n", to);
    if (fclose(to)) {
        free(text);
        return NULL;
    }
    return text;
}
