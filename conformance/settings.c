/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.c - the command line of `halcyon conform`.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/runner.h"

/* The seed of a run that asks for none: any run can be compared with any
 * other. */
#define DEFAULT_SEED 1
#define SEED_LIMIT   (UINT64_C(1) << 53) /* exact as a JSON number */
#define JOBS_MAX     256

void conf_usage(FILE *to)
{
    fputs(
        "usage: halcyon conform [options]\n"
        "\n"
        "  --device NAME    a device to test; may be repeated (default: all)\n"
        "  --level NAME     cases of this level; may be repeated\n"
        "  --case GLOB      cases whose name matches; may be repeated\n"
        "  --list           print the selected cases and stop\n"
        "  --seed N         seed of all random data (default 1)\n"
        "  --jobs N         worker processes at a time (default: cores)\n"
        "  --golden DIR     a pack of reference vectors; may be repeated\n"
        "  --json FILE      write a report; - is stdout\n"
        "  --junit FILE     write a JUnit XML report; - is stdout\n"
        "  --tap FILE       write a TAP 14 report; - is stdout\n"
        "  --html FILE      write a page that needs no network\n"
        "  --package DIR    all reports, environment and hashes, for verify\n"
        "  --timeout SCALE  multiply every time limit (default 1)\n"
        "  --resume DIR     keep finished verdicts in DIR, and take those "
        "there\n"
        "  --shard I/N      the Ith of N parts; halcyon merge joins them\n"
        "  --budget TIME    30s, 10m, 2h: mandatory cases, then what fits\n"
        "  --history FILE   a report: with --budget, what failed goes first\n"
        "  --expect FILE    known failures and waivers; may be repeated\n"
        "  --rerun N        run what is not ok up to N times more: flaky\n"
        "  --self-test      prove that planted faults are caught, by name; "
        "with\n"
        "                   --list: show them\n"
        "  --mutant GLOB    with --self-test: these faults only; without: "
        "plant "
        "this one\n"
        "  --quiet          print failures and the verdict only\n"
        "  --verbose        print every case\n"
        "  --help           print this\n"
        "\n"
        "Exit status: 0 conformant, 1 not conformant, 2 usage, 3 planned work\n"
        "could not run.\n",
        to);
    fprintf(to, "Levels: %s.\n", conf_level_names());
}

int conf_strings_add(struct conf_strings *s, const char *text)
{
    const char **at = realloc(s->at, ((size_t)s->n + 1) * sizeof *at);

    if (!at)
        return -1;
    s->at = at;
    at[s->n++] = text;
    return 0;
}

void conf_settings_release(struct conf_settings *s)
{
    /* The pack of Halcyon's own is the one string that was allocated. */
    if (s->golden.n > s->n_user_golden)
        free((char *)s->golden.at[s->n_user_golden]);
    free(s->devices.at);
    free(s->levels.at);
    free(s->globs.at);
    free(s->golden.at);
    free(s->expect.at);
    memset(s, 0, sizeof *s);
}

int conf_settings_complain(const char *option, const char *value,
                           const char *rule)
{
    fprintf(stderr, "halcyon conform: %s '%s': %s\n", option, value, rule);
    return -1;
}

static int complain(const char *option, const char *value, const char *rule)
{
    return conf_settings_complain(option, value, rule);
}

static int take_number(const char *option, const char *text, uint64_t low,
                       uint64_t limit, const char *rule, uint64_t *out)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 0);
    if (errno || *end || text[strspn(text, "0123456789xXabcdefABCDEF")] ||
        !*text || value < low || value >= limit)
        return complain(option, text, rule);
    *out = value;
    return 0;
}

static int take_scale(const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || !(value >= 0.01 && value <= 1000))
        return complain("--timeout", text, "a factor from 0.01 to 1000");
    *out = value;
    return 0;
}

/* The pack that belongs to Halcyon: conformance/golden of the tree that this
 * program was built in, or share/halcyon/golden beside its bin folder. */
static char *own_golden(void)
{
    static const char *const places[] = { "conformance/golden",
                                          "share/halcyon/golden" };
    char folder[4096], path[4096 + 64];
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);

    if (n <= 0)
        return NULL;
    folder[n] = 0;
    /* build/NAME/tests/FLOOR/PROGRAM is five below the tree. */
    for (int up = 0; up < 6; up++) {
        char *slash = strrchr(folder, '/');

        if (!slash)
            break;
        *slash = 0;
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            snprintf(path, sizeof path, "%s/%s/index.json", folder, places[i]);
            if (access(path, R_OK))
                continue;
            *strrchr(path, '/') = 0;
            return strdup(path);
        }
    }
    return NULL;
}

static int is_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

enum {
    OPT_DEVICE = 256,
    OPT_LEVEL,
    OPT_CASE,
    OPT_LIST,
    OPT_SEED,
    OPT_JOBS,
    OPT_GOLDEN,
    OPT_JSON,
    OPT_JUNIT,
    OPT_TIMEOUT,
    OPT_WORKER,
    OPT_PROBE
};

static const struct option options[] = {
    { "device", required_argument, NULL, OPT_DEVICE },
    { "level", required_argument, NULL, OPT_LEVEL },
    { "case", required_argument, NULL, OPT_CASE },
    { "list", no_argument, NULL, OPT_LIST },
    { "seed", required_argument, NULL, OPT_SEED },
    { "jobs", required_argument, NULL, OPT_JOBS },
    { "golden", required_argument, NULL, OPT_GOLDEN },
    { "json", required_argument, NULL, OPT_JSON },
    { "junit", required_argument, NULL, OPT_JUNIT },
    { "timeout", required_argument, NULL, OPT_TIMEOUT },
    { "self-test", no_argument, NULL, CONF_OPT_SELF_TEST },
    { "mutant", required_argument, NULL, CONF_OPT_MUTANT },
    { "resume", required_argument, NULL, CONF_OPT_RESUME },
    { "shard", required_argument, NULL, CONF_OPT_SHARD },
    { "budget", required_argument, NULL, CONF_OPT_BUDGET },
    { "history", required_argument, NULL, CONF_OPT_HISTORY },
    { "expect", required_argument, NULL, CONF_OPT_EXPECT },
    { "rerun", required_argument, NULL, CONF_OPT_RERUN },
    { "tap", required_argument, NULL, CONF_OPT_TAP },
    { "html", required_argument, NULL, CONF_OPT_HTML },
    { "package", required_argument, NULL, CONF_OPT_PACKAGE },
    { "quiet", no_argument, NULL, 'q' },
    { "verbose", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },
    /* How the runner calls itself. */
    { "worker", no_argument, NULL, OPT_WORKER },
    { "probe", required_argument, NULL, OPT_PROBE },
    { 0 },
};

static int add_once(struct conf_strings *s, const char *text)
{
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->at[i], text))
            return 0;
    return conf_strings_add(s, text);
}

static int take(struct conf_settings *s, int option, char *value)
{
    uint64_t number = 0;

    switch (option) {
    case OPT_DEVICE:
        return *value && !strchr(value, ',')
                   ? add_once(&s->devices, value)
                   : complain("--device", value, "one name, as in cpu:0");
    case OPT_LEVEL:
        if (conf_level_known(value, strlen(value)))
            return add_once(&s->levels, value);
        complain("--level", value, "there is no such level");
        fprintf(stderr, "there are: %s\n", conf_level_names());
        return -1;
    case OPT_CASE:
        return add_once(&s->globs, value);
    case OPT_LIST:
        s->list = 1;
        return 0;
    case OPT_SEED:
        return take_number("--seed", value, 0, SEED_LIMIT,
                           "a number below 2^53", &s->seed);
    case OPT_JOBS:
        if (take_number("--jobs", value, 1, JOBS_MAX + 1,
                        "a number from 1 to 256", &number))
            return -1;
        s->jobs = (int)number;
        return 0;
    case OPT_GOLDEN:
        return *value ? add_once(&s->golden, value)
                      : complain("--golden", value, "a directory");
    case OPT_JSON:
        s->json = value;
        return 0;
    case OPT_JUNIT:
        s->junit = value;
        return 0;
    case OPT_TIMEOUT:
        return take_scale(value, &s->timeout_scale);
    case 'q':
        s->quiet = 1;
        return 0;
    case 'v':
        s->verbose = 1;
        return 0;
    case 'h':
        s->help = 1;
        return 0;
    case OPT_WORKER:
        s->worker = 1;
        return 0;
    case OPT_PROBE:
        s->probe = strcmp(value, "all") ? CONF_PROBE_ADMITTED : CONF_PROBE_ALL;
        return 0;
    }
    return conf_settings_more(s, option, value);
}

/* Of a list; any other option with a value has one, and two of them would
 * be read in two ways. */
static int repeats(int option)
{
    return option == OPT_DEVICE || option == OPT_LEVEL || option == OPT_CASE ||
           option == OPT_GOLDEN || option == CONF_OPT_EXPECT;
}

static int check_once(int index, uint64_t *seen)
{
    const struct option *o = &options[index];
    char name[32];

    if (o->has_arg == no_argument || repeats(o->val))
        return 0;
    (void)snprintf(name, sizeof name, "--%s", o->name);
    if (*seen & UINT64_C(1) << index)
        return complain(name, optarg, "it is there twice");
    *seen |= UINT64_C(1) << index;
    return 0;
}
_Static_assert(sizeof options / sizeof *options < 64, "a bit for each option");

int conf_settings_parse(struct conf_settings *s, int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t seen = 0;
    int option, index = -1;

    memset(s, 0, sizeof *s);
    s->seed = DEFAULT_SEED;
    s->jobs = cores < 1 ? 1 : cores > JOBS_MAX ? JOBS_MAX : (int)cores;
    s->timeout_scale = 1;
    optind = 0;
    while ((option = getopt_long(argc, argv, "qvh", options, &index)) != -1) {
        if (index >= 0 && option != '?' && check_once(index, &seen))
            return -1;
        if (take(s, option, optarg))
            return -1;
        index = -1; /* a short option leaves it as it is */
    }
    if (optind < argc)
        return complain("argument", argv[optind], "not expected");
    if (s->quiet && s->verbose)
        return complain("--quiet", "--verbose", "one of the two");
    s->n_user_golden = s->golden.n;
    if (!s->worker && !s->probe) {
        char *own = own_golden();

        for (int i = 0; own && i < s->n_user_golden; i++) {
            if (is_same_file(own, s->golden.at[i])) {
                free(own);
                own = NULL;
            }
        }
        if (own && conf_strings_add(&s->golden, own)) {
            free(own);
            return -1;
        }
    }
    return conf_settings_check(s); /* Halcyon's own pack is looked at too */
}
