/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings_more.c - the options beyond those of a plain run, and which options
 * exclude each other.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/compile.h"
#include "conformance/mutant.h"
#include "conformance/results.h"
#include "conformance/runner.h"
#include "kernels/ops.h"

static int take_shard(struct conf_settings *s, const char *text)
{
    if (conf_plan_shard(text, &s->shard, &s->shards))
        return conf_settings_complain("--shard", text, "I/N, as in 2/3");
    return 0;
}

static int take_budget(struct conf_settings *s, const char *text)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = { { "", 1e3 }, { "s", 1e3 }, { "m", 6e4 }, { "h", 3.6e6 } };
    char *end;
    double value = strtod(text, &end);

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (end != text && !strcmp(end, units[i].unit))
            s->budget_ms = value * units[i].ms;
    if (!(s->budget_ms > 0 && s->budget_ms <= 1e9))
        return conf_settings_complain("--budget", text,
                                      "a time, as in 90s, 10m or 2h");
    return 0;
}

int conf_settings_more(struct conf_settings *s, int option, const char *value)
{
    char end;

    switch (option) {
    case CONF_OPT_SELF_TEST:
        s->self_test = 1;
        return 0;
    case CONF_OPT_MUTANT:
        s->mutant_glob = value;
        return 0;
    case CONF_OPT_RESUME:
        s->resume = value;
        return 0;
    case CONF_OPT_SHARD:
        return take_shard(s, value);
    case CONF_OPT_BUDGET:
        return take_budget(s, value);
    case CONF_OPT_EXPECT:
        return conf_strings_add(&s->expect, value);
    case CONF_OPT_RERUN:
        if (sscanf(value, "%3d%c", &s->rerun, &end) != 1 || s->rerun < 0 ||
            s->rerun > 100)
            return conf_settings_complain("--rerun", value,
                                          "a number from 0 to 100");
        return 0;
    case CONF_OPT_TAP:
        s->tap = value;
        return 0;
    case CONF_OPT_PACKAGE:
        s->package = value;
        return 0;
    case CONF_OPT_HTML:
        s->html = value;
        return 0;
    case CONF_OPT_HISTORY:
        s->history = value;
        return 0;
    }
    return -1; /* getopt has said why */
}

/* What a run reads, or writes as it goes: no report may take its place. */
static int check_kept(const struct conf_settings *s, const char *option,
                      const char *path)
{
    char journal[CONF_JOURNAL_PATH];

    if (s->resume) {
        conf_journal_path(s->resume, journal);
        if (conf_is_same_place(path, journal))
            return conf_settings_complain(option, path,
                                          "it is the journal of --resume");
    }
    if (s->history && conf_is_same_place(path, s->history))
        return conf_settings_complain(option, path, "--history reads it");
    for (int i = 0; i < s->expect.n; i++)
        if (conf_is_same_place(path, s->expect.at[i]))
            return conf_settings_complain(option, path, "--expect reads it");
    for (int i = 0; i < s->golden.n; i++)
        if (conf_is_within(path, s->golden.at[i]))
            return conf_settings_complain(option, path,
                                          "it is in a pack that is read");
    if (s->package && conf_is_within(path, s->package))
        return conf_settings_complain(option, path,
                                      "it is in the folder of --package");
    return 0;
}

/* Whatever a run writes has a place of its own: the last to be written would
 * be all that is left. */
static int check_outputs(const struct conf_settings *s)
{
    const struct {
        const char *option, *path;
        int is_folder;
    } outs[] = {
        { "--json", s->json, 0 },     { "--junit", s->junit, 0 },
        { "--tap", s->tap, 0 },       { "--html", s->html, 0 },
        { "--resume", s->resume, 1 }, { "--package", s->package, 1 },
    };

    for (size_t i = 0; i < sizeof outs / sizeof *outs; i++) {
        const char *path = outs[i].path;

        if (!path)
            continue;
        if (!*path)
            return conf_settings_complain(
                outs[i].option, path,
                outs[i].is_folder ? "a folder" : "a file, or - for stdout");
        if (i && !outs[i].is_folder && s->list)
            return conf_settings_complain(outs[i].option, path,
                                          "--list has no verdicts");
        if (i && !outs[i].is_folder && s->self_test)
            return conf_settings_complain(outs[i].option, path,
                                          "--self-test writes --json");
        if (!outs[i].is_folder && check_kept(s, outs[i].option, path))
            return -1;
        for (size_t k = 0; k < i; k++) {
            char rule[64];

            snprintf(rule, sizeof rule, "%s names the same %s", outs[k].option,
                     outs[i].is_folder ? "place" : "file");
            if (outs[k].path && conf_is_same_place(path, outs[k].path))
                return conf_settings_complain(outs[i].option, path, rule);
        }
    }
    return 0;
}

static int is_variant(const char *name, size_t length)
{
    uint32_t n;
    const struct compile_variant *list = compile_variants(&n);

    for (uint32_t i = 0; i < n; i++)
        if (strlen(list[i].name) == length &&
            !strncmp(list[i].name, name, length))
            return 1;
    return 0;
}

/* A setting that means nothing would be said by each case that meets it, and
 * by none where no case does. */
static int check_environment(void)
{
    const char *way = getenv("HALCYON_KERNEL");
    const char *names = getenv("HALCYON_VARIANT");

    if (way && *way && halopSelect(way) != halSuccess)
        return conf_settings_complain("HALCYON_KERNEL", way,
                                      halGetErrorDetail());
    if (halopSelect(NULL) != halSuccess) /* as the environment says */
        return -1;
    while (names && *(names += strspn(names, ", "))) {
        size_t length = strcspn(names, ", ");

        if (!is_variant(names, length))
            return conf_settings_complain("HALCYON_VARIANT", names,
                                          "there is no such variant");
        names += length;
    }
    return 0;
}

/* What chooses cases, and what is of runs, means nothing to a self-test. */
static int check_self_test(const struct conf_settings *s)
{
    const char *chooses = s->levels.n  ? "--level"
                          : s->globs.n ? "--case"
                                       : NULL;
    const char *of_runs = s->resume          ? "--resume"
                          : s->shards        ? "--shard"
                          : s->budget_ms > 0 ? "--budget"
                          : s->expect.n      ? "--expect"
                          : s->rerun         ? "--rerun"
                                             : NULL;

    if (chooses)
        fprintf(stderr,
                "halcyon conform: --self-test with %s: it has its own cases; "
                "--mutant chooses\n",
                chooses);
    else if (of_runs)
        fprintf(stderr,
                "halcyon conform: --self-test with %s: that is of runs\n",
                of_runs);
    return chooses || of_runs ? -1 : 0;
}

int conf_settings_check(struct conf_settings *s)
{
    if (!s->worker && !s->probe && check_environment())
        return -1;
    if (check_outputs(s))
        return -1;
    if (s->self_test && check_self_test(s))
        return -1;
    if (s->self_test && s->list && s->json)
        return conf_settings_complain("--json", s->json,
                                      "the list of faults is text");
    if (s->package && (s->self_test || s->list))
        return conf_settings_complain("--package", s->package,
                                      "it holds the verdicts of a run");
    if (s->history && s->budget_ms <= 0)
        return conf_settings_complain("--history", s->history,
                                      "it orders what --budget chooses");
    if (s->mutant_glob && !s->self_test) {
        s->mutant = conf_mutant_find(s->mutant_glob);
        if (!s->mutant)
            return conf_settings_complain(
                "--mutant", s->mutant_glob,
                "no such mutant; --self-test --list shows them");
    }
    return 0;
}
