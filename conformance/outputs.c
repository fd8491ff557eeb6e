/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outputs.c - the reports that were asked for.  All files are opened before
 * anything runs, so that a path which cannot be written costs no run.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance/runner.h"

static char *(*const writers[CONF_OUTS])(const struct conf_run *run) = {
    [CONF_OUT_JSON] = conf_report_json,
    [CONF_OUT_JUNIT] = conf_report_junit,
    [CONF_OUT_TAP] = conf_report_tap,
    [CONF_OUT_HTML] = conf_report_html,
};

int conf_outputs_open(struct conf_outputs *o, const struct conf_settings *set)
{
    const char *const paths[CONF_OUTS] = {
        [CONF_OUT_JSON] = set->json,
        [CONF_OUT_JUNIT] = set->junit,
        [CONF_OUT_TAP] = set->tap,
        [CONF_OUT_HTML] = set->html,
    };

    memset(o, 0, sizeof *o);
    for (int i = 0; i < CONF_OUTS; i++) {
        if (conf_outfile_open(&o->of[i], paths[i]))
            return -1;
        if (o->of[i].file == stdout) /* the words for people step aside */
            conf_out_set(stderr);
    }
    return 0;
}

int conf_outputs_write(struct conf_outputs *o, const struct conf_run *run)
{
    int bad = 0;

    for (int i = 0; i < CONF_OUTS; i++) {
        char *text;

        if (!o->of[i].file)
            continue;
        text = writers[i](run);
        bad |= conf_outfile_finish(&o->of[i], text);
        free(text);
    }
    return bad;
}

void conf_outputs_abandon(struct conf_outputs *o)
{
    for (int i = 0; i < CONF_OUTS; i++)
        conf_outfile_abandon(&o->of[i]);
}
