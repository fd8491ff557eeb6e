/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge.c - `halcyon merge`: reports of shards, or of devices, into one.
 *
 * Invariant: what is written has each case of the plan on each device once; an
 * overlap or a gap is refused with its name.
 */
#include <cjson/cJSON.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/expect.h"
#include "conformance/json.h"
#include "conformance/origin.h"

struct merge {
    struct conf_results *in;
    int n;
    struct conf_past **all; /* every verdict, sorted */
    size_t n_all;
    int status; /* of the whole */
};

static int refuse(const char *what, const char *a, const char *b)
{
    fprintf(stderr, "halcyon merge: %s%s%s%s%s\n", what, *a ? ": " : "", a,
            *b ? " and " : "", b);
    return -1;
}

static void usage(FILE *to)
{
    fputs(
        "usage: halcyon merge [--json FILE] A.json B.json ...\n"
        "\n"
        "Joins the reports of `halcyon conform --shard I/N`, or of several\n"
        "devices, into one.  Cases that are there twice or not at all, other\n"
        "plans, seeds, programs and environments are refused.\n"
        "\n"
        "  --json FILE  where it goes (default: stdout)\n"
        "\n"
        "Exit status: that of the joint run, 2 usage, 3 it cannot be made.\n",
        to);
}

/* ---- the checks ---------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct conf_past *x = *(struct conf_past *const *)a;
    const struct conf_past *y = *(struct conf_past *const *)b;
    int order = strcmp(x->device, y->device);

    return order ? order : strcmp(x->name, y->name);
}

/* Which report a verdict is of. */
static const char *path_of(const struct merge *m, const struct conf_past *p)
{
    for (int i = 0; i < m->n; i++)
        if (p >= m->in[i].at && p < m->in[i].at + m->in[i].n)
            return m->in[i].path;
    return "";
}

static int gather(struct merge *m)
{
    size_t n = 0;

    for (int i = 0; i < m->n; i++)
        n += m->in[i].n;
    m->all = calloc(n, sizeof *m->all);
    if (!m->all)
        return refuse("out of memory", "", "");
    for (int i = 0; i < m->n; i++)
        for (size_t k = 0; k < m->in[i].n; k++)
            m->all[m->n_all++] = &m->in[i].at[k];
    qsort(m->all, m->n_all, sizeof *m->all, by_place);
    for (size_t i = 1; i < m->n_all; i++) {
        char what[300];

        if (by_place(&m->all[i - 1], &m->all[i]))
            continue;
        snprintf(what, sizeof what, "%.63s %.160s has two verdicts",
                 m->all[i]->device, m->all[i]->name);
        return refuse(what, path_of(m, m->all[i - 1]), path_of(m, m->all[i]));
    }
    return 0;
}

static const cJSON *device_of(const struct conf_results *r, const char *name)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, conf_json_field(r->root, "devices"))
    {
        if (!strcmp(conf_json_text(item, "name"), name))
            return item;
    }
    return NULL;
}

/* The settings that a device's verdicts come from: its own in a joint report,
 * those of the run in any other. */
static const cJSON *environment_of(const struct conf_results *r,
                                   const cJSON *device)
{
    const cJSON *own = conf_json_field(device, "environment");

    return own ? own : conf_json_field(r->root, "environment");
}

/* "program.sha256 is 'a' in A and 'b' in B". */
static int refuse_gap(const char *what, const struct conf_json_gap *gap,
                      const struct conf_results *a,
                      const struct conf_results *b)
{
    char text[1200];

    snprintf(text, sizeof text, "%s: %s is %s in %.300s and %s in %.300s", what,
             gap->key, gap->a, a->path, gap->b, b->path);
    conf_clean(text);
    return refuse(text, "", "");
}

/* Both have the device: one driver, the same devices beside it, one
 * environment. */
static int check_device(const struct conf_results *a, const cJSON *x,
                        const struct conf_results *b, const cJSON *y)
{
    static const struct {
        const char *key, *words;
    } keys[] = {
        { "product", "one device with two drivers" },
        { "driver", "one device with two drivers" },
        { "visible", "one device beside other devices" },
    };
    struct conf_json_gap gap;
    cJSON *mine, *theirs;
    int differ;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (conf_json_differs(conf_json_field(x, keys[i].key),
                              conf_json_field(y, keys[i].key), keys[i].key,
                              &gap))
            return refuse_gap(keys[i].words, &gap, a, b);
    mine = conf_origin_settings(environment_of(a, x));
    theirs = conf_origin_settings(environment_of(b, y));
    differ = conf_json_differs(mine, theirs, "environment", &gap);
    cJSON_Delete(mine);
    cJSON_Delete(theirs);
    return differ ? refuse_gap("they are of different environments", &gap, a, b)
                  : 0;
}

/* Two reports that may stand in one. */
static int check_pair(const struct conf_results *a,
                      const struct conf_results *b)
{
    static const struct {
        const char *key, *words;
    } keys[] = {
        { "plan", "they are of different plans" },
        { "seed", "they are of different seeds" },
        { "program", "they are of different programs" },
        { "golden", "they are of different reference vectors" },
        { "expect", "they are of different expectations" },
    };
    struct conf_json_gap gap;
    const cJSON *x;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (conf_json_differs(conf_json_field(a->root, keys[i].key),
                              conf_json_field(b->root, keys[i].key),
                              keys[i].key, &gap))
            return refuse_gap(keys[i].words, &gap, a, b);
    cJSON_ArrayForEach(x, conf_json_field(a->root, "devices"))
    {
        const cJSON *y = device_of(b, conf_json_text(x, "name"));

        if (y && check_device(a, x, b, y))
            return -1;
    }
    return 0;
}

/* What each report must tell, so that equal means something. */
static int check_told(const struct conf_results *r)
{
    const cJSON *program = conf_json_field(r->root, "program");

    if (!conf_json_is_hash(conf_json_field(program, "sha256")) ||
        !conf_json_is_hash(conf_json_field(program, "stock_kernels_sha256")))
        return refuse("program: it does not tell which one wrote it", r->path,
                      "");
    if (!cJSON_IsArray(conf_json_field(r->root, "golden")))
        return refuse("golden: it does not tell its reference vectors", r->path,
                      "");
    if (!cJSON_IsObject(conf_json_field(r->root, "environment")))
        return refuse("environment: it does not tell it", r->path, "");
    return 0;
}

static int check_kin(const struct merge *m)
{
    for (int i = 0; i < m->n; i++) {
        if (check_told(&m->in[i]))
            return -1;
        for (int k = 0; k < i; k++)
            if (check_pair(&m->in[k], &m->in[i]))
                return -1;
    }
    return 0;
}

/* ---- waivers that have ended ----------------------------------------------
 */

static int end_waiver(struct conf_past *p, const char *until,
                      enum conf_verdict was)
{
    char *message = NULL;

    if (asprintf(&message, "the waiver has ended since, on %s: %s", until,
                 conf_json_text(p->item, "message")) < 0)
        return refuse("out of memory", "", "");
    fprintf(stderr, "note: %s %s: the waiver ended on %s\n", p->device, p->name,
            until);
    p->verdict = was;
    cJSON_ReplaceItemInObjectCaseSensitive(
        p->item, "verdict", cJSON_CreateString(conf_verdict_name(was)));
    cJSON_ReplaceItemInObjectCaseSensitive(p->item, "message",
                                           cJSON_CreateString(message));
    free(message);
    return 0;
}

/* The joint run is of today: what was waived until yesterday is what it was. */
static int end_waivers(const struct merge *m)
{
    char today[16];

    conf_expect_today(today);
    for (size_t i = 0; i < m->n_all; i++) {
        struct conf_past *p = m->all[i];
        const char *until = conf_json_text(p->item, "until");
        enum conf_verdict was = conf_verdict_of(conf_json_text(p->item, "was"));
        int is_bad = conf_verdict_found_bad(was);

        if (p->verdict != CONF_WAIVED)
            continue;
        if (!conf_expect_is_date(until) || !is_bad) {
            char what[300];

            snprintf(what, sizeof what, "%.63s %.160s is waived, and %s",
                     p->device, p->name,
                     is_bad ? "until holds no day"
                            : "was holds no verdict that can be");
            return refuse(what, path_of(m, p), "");
        }
        if (strcmp(until, today) < 0 && end_waiver(p, until, was))
            return -1;
    }
    return 0;
}

/* ---- the joint report ---------------------------------------------------- */

/* The device's entry of the first report that has it, with new counts. */
static void add_device(const struct merge *m, cJSON *devices, cJSON *summary,
                       size_t from, size_t to)
{
    const char *name = m->all[from]->device;
    unsigned of[CONF_VERDICT_COUNT] = { 0 };
    cJSON *counts = cJSON_CreateObject(), *device = NULL;

    for (size_t i = from; i < to; i++)
        of[m->all[i]->verdict]++;
    cJSON_AddNumberToObject(counts, "planned", (double)(to - from));
    for (int v = 0; v < CONF_VERDICT_COUNT; v++)
        cJSON_AddNumberToObject(counts, conf_verdict_name((enum conf_verdict)v),
                                of[v]);
    for (int i = 0; i < m->n && !device; i++) {
        const cJSON *item = device_of(&m->in[i], name);

        if (!item)
            continue;
        device = cJSON_Duplicate(item, 1);
        if (!conf_json_has(device, "environment"))
            cJSON_AddItemToObject(
                device, "environment",
                cJSON_Duplicate(environment_of(&m->in[i], item), 1));
    }
    if (!device)
        device = cJSON_CreateObject();
    cJSON_DeleteItemFromObject(device, "summary");
    cJSON_AddItemToObject(device, "summary", cJSON_Duplicate(counts, 1));
    cJSON_AddItemToArray(devices, device);
    cJSON_AddItemToObject(summary, name, counts);
}

/* As of a run: a device that shows nothing makes it incomplete. */
static void join_status(struct merge *m)
{
    int bad = 0, unrun = 0;

    for (size_t i = 0, k; i < m->n_all; i = k) {
        struct conf_counts counts = { 0 };

        for (k = i;
             k < m->n_all && !strcmp(m->all[i]->device, m->all[k]->device);
             k++) {
            counts.of[m->all[k]->verdict]++;
            bad |= !conf_verdict_ok(m->all[k]->verdict);
        }
        unrun |= counts.of[CONF_MISSING] || counts.of[CONF_SKIPPED] ||
                 !conf_counts_prove(&counts);
    }
    for (int i = 0; i < m->n; i++)
        unrun |= m->in[i].exit_status == CONF_EXIT_UNRUN;
    m->status = unrun ? CONF_EXIT_UNRUN : bad ? CONF_EXIT_NOT : CONF_EXIT_OK;
}

static cJSON *join_left_out(const struct merge *m)
{
    cJSON *left = cJSON_CreateObject();

    for (int i = 0; i < m->n; i++) {
        const struct conf_results *r = &m->in[i];

        for (size_t k = 0; k < r->n_left_out; k++) {
            const char *device = r->left_out[k].device;
            cJSON *names = cJSON_GetObjectItemCaseSensitive(left, device);

            if (!names)
                names = cJSON_AddArrayToObject(left, device);
            cJSON_AddItemToArray(names,
                                 cJSON_CreateString(r->left_out[k].name));
        }
    }
    return left;
}

static char *join(struct merge *m)
{
    static const char *const copied[] = { "schema",  "version", "started",
                                          "seed",    "plan",    "environment",
                                          "program", "golden",  "expect" };
    cJSON *root = cJSON_CreateObject(), *devices, *summary, *cases, *from;
    double seconds = 0;

    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++)
        if (cJSON_HasObjectItem(m->in[0].root, copied[i]))
            cJSON_AddItemToObject(
                root, copied[i],
                cJSON_Duplicate(
                    cJSON_GetObjectItemCaseSensitive(m->in[0].root, copied[i]),
                    1));
    cJSON_AddStringToObject(root, "result", conf_result_name(m->status));
    cJSON_AddNumberToObject(root, "exit_status", m->status);
    cJSON_AddNumberToObject(root, "planned", (double)m->n_all);
    from = cJSON_AddArrayToObject(root, "merged_from");
    for (int i = 0; i < m->n; i++) {
        const cJSON *s =
            cJSON_GetObjectItemCaseSensitive(m->in[i].root, "seconds");

        conf_clean(m->in[i].path);
        cJSON_AddItemToArray(from, cJSON_CreateString(m->in[i].path));
        seconds += cJSON_IsNumber(s) ? s->valuedouble : 0;
    }
    cJSON_AddNumberToObject(root, "seconds", seconds);
    cJSON_AddItemToObject(root, "left_out", join_left_out(m));
    devices = cJSON_AddArrayToObject(root, "devices");
    summary = cJSON_AddObjectToObject(root, "summary");
    cases = cJSON_AddArrayToObject(root, "cases");
    for (size_t i = 0, k; i < m->n_all; i = k) {
        for (k = i;
             k < m->n_all && !strcmp(m->all[i]->device, m->all[k]->device); k++)
            cJSON_AddItemReferenceToArray(cases, m->all[k]->item);
        add_device(m, devices, summary, i, k);
    }
    return conf_json_line(root);
}

/* What was joined is read again as any report would be: whole, or refused. */
static int check_joint(const char *text)
{
    struct conf_results joint;
    char error[CONF_RESULTS_ERROR] = "";
    int st = conf_results_parse(&joint, "the joint report", text, strlen(text),
                                error);

    if (!st)
        st = conf_results_whole(&joint, error);
    conf_results_release(&joint);
    return st ? refuse(error, "", "") : 0;
}

static int merge_all(struct merge *m, char **paths, const char *out)
{
    char error[CONF_RESULTS_ERROR] = "";
    struct conf_outfile file = { 0 };
    char *text;
    int st;

    for (; paths[m->n]; m->n++) {
        if (conf_is_same_place(out, paths[m->n]))
            return refuse("--json names what is to be merged", paths[m->n], "");
        if (conf_results_read(&m->in[m->n], paths[m->n], error)) {
            conf_results_release(&m->in[m->n]);
            return refuse(error, "", "");
        }
    }
    if (check_kin(m) || gather(m) || end_waivers(m))
        return -1;
    join_status(m);
    text = join(m);
    st = !text || check_joint(text) || conf_outfile_open(&file, out) ||
         conf_outfile_finish(&file, text);
    free(text);
    return st ? -1 : 0;
}

int conf_merge_command(int argc, char **argv)
{
    static const struct option options[] = {
        { "json", required_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    struct merge m = { 0 };
    const char *out = "-";
    int option, st;

    optind = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'j') {
            out = optarg;
        } else if (option == 'h') {
            usage(stdout);
            return CONF_EXIT_OK;
        } else {
            return CONF_EXIT_USAGE;
        }
    }
    if (optind == argc) {
        usage(stderr);
        return CONF_EXIT_USAGE;
    }
    m.in = calloc((size_t)(argc - optind), sizeof *m.in);
    st = m.in ? merge_all(&m, argv + optind, out) : -1;
    for (int i = 0; i < m.n; i++)
        conf_results_release(&m.in[i]);
    free(m.in);
    free(m.all);
    return st ? CONF_EXIT_UNRUN : m.status;
}
