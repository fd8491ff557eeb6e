/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - `halcyon verify DIR`: whether a package is what was written, and
 * whether what was written proves anything.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/json.h"
#include "conformance/package.h"
#include "conformance/runner.h"

#define MANIFEST_MAX ((size_t)1 << 20)
/* The reports, and a file for each --expect. */
#define NAMES_MAX ((size_t)10000)

/* One name, without a way out of the folder. */
static int is_plain(const char *name)
{
    return name && *name && *name != '.' && !strchr(name, '/') &&
           strlen(name) < 64;
}

/* Its bytes are those that were written; the result is read of the same bytes.
 */
static int check_file(const struct conf_package_files *from, const cJSON *entry,
                      struct conf_results *result,
                      char error[CONF_RESULTS_ERROR])
{
    char path[4200], hash[CONF_HASH_TEXT];
    const char *name = entry->string;
    size_t size = 0;
    char *data;
    int st = 0;

    if (!is_plain(name))
        return conf_json_refuse(error,
                                "%.200s: files: '%.60s' is no plain name",
                                from->dir, name ? name : "");
    snprintf(path, sizeof path, "%.4000s/%s", from->dir, name);
    data = from->read(from, name, CONF_PACKAGE_FILE_MAX, &size, error);
    if (!data)
        return -1;
    conf_hash(data, size, hash);
    if (strcmp(hash, conf_json_text(entry, "sha256")))
        st = conf_json_refuse(
            error, "%.300s: it was edited: its SHA-256 is another", path);
    else if (conf_json_whole(entry, "bytes", 0x1p53) != (double)size)
        st = conf_json_refuse(error, "%.300s: bytes: it has %zu", path, size);
    else if (!strcmp(name, CONF_PACKAGE_RESULT))
        st = conf_results_parse(result, path, data, size, error);
    free(data);
    return st;
}

/* Nothing beside what the manifest names. */
static int check_strays(const struct conf_package_files *from,
                        const cJSON *files, char error[CONF_RESULTS_ERROR])
{
    for (size_t i = 0; i < from->n; i++)
        if (strcmp(from->names[i], CONF_PACKAGE_MANIFEST) &&
            !cJSON_GetObjectItemCaseSensitive(files, from->names[i]))
            return conf_json_refuse(error,
                                    "%.200s/%.60s is not in the manifest",
                                    from->dir, from->names[i]);
    return 0;
}

/* What a manifest must tell of where the verdicts come from. */
static int check_told(const char *dir, const cJSON *manifest,
                      char error[CONF_RESULTS_ERROR])
{
    static const struct {
        const char *object, *key;
        int is_hash;
    } texts[] = {
        { "host", "system", 0 },    { "host", "release", 0 },
        { "host", "machine", 0 },   { "program", "version", 0 },
        { "program", "sha256", 1 }, { "program", "stock_kernels_sha256", 1 },
    };
    const cJSON *golden = conf_json_field(manifest, "golden"), *pack;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const cJSON *in = conf_json_field(manifest, texts[i].object);
        const cJSON *item = conf_json_field(in, texts[i].key);

        if (!cJSON_IsObject(in))
            return conf_json_refuse(error, "%.200s: manifest: %s is missing",
                                    dir, texts[i].object);
        if (texts[i].is_hash ? !conf_json_is_hash(item)
                             : !*conf_json_text(in, texts[i].key))
            return conf_json_refuse(error, "%.200s: manifest: %s.%s is missing",
                                    dir, texts[i].object, texts[i].key);
    }
    if (!cJSON_IsArray(golden))
        return conf_json_refuse(error, "%.200s: manifest: golden is missing",
                                dir);
    cJSON_ArrayForEach(pack, golden)
    {
        if (!conf_json_is_hash(conf_json_field(pack, "sha256")))
            return conf_json_refuse(
                error, "%.200s: manifest: golden: a pack without sha256", dir);
    }
    return 0;
}

/* The files of expectations are those that the verdicts were made with. */
static int check_expect(const char *dir, const cJSON *files,
                        const struct conf_results *r,
                        char error[CONF_RESULTS_ERROR])
{
    const cJSON *hash, *entry;
    size_t n = 0, there = 0;

    cJSON_ArrayForEach(hash, conf_json_field(r->root, "expect"))
    {
        char name[40];

        snprintf(name, sizeof name, "expect-%zu.txt", ++n);
        if (strcmp(conf_json_text(conf_json_field(files, name), "sha256"),
                   cJSON_GetStringValue(hash)))
            return conf_json_refuse(
                error, "%.200s: files: %s is not the one of the run", dir,
                name);
    }
    cJSON_ArrayForEach(entry, files) there +=
        !strncmp(entry->string, "expect-", 7);
    return there == n ? 0
                      : conf_json_refuse(
                            error,
                            "%.200s: files: %zu of expectations, in the result "
                            "%zu",
                            dir, there, n);
}

/* Manifest and result tell of the same run. */
static int check_kin(const char *dir, const cJSON *manifest,
                     const struct conf_results *r,
                     char error[CONF_RESULTS_ERROR])
{
    const cJSON *mine = cJSON_GetObjectItemCaseSensitive(manifest, "devices");
    const cJSON *theirs = cJSON_GetObjectItemCaseSensitive(r->root, "devices");
    const cJSON *seed = cJSON_GetObjectItemCaseSensitive(manifest, "seed");
    static const char *const keys[] = { "program", "golden" };
    struct conf_json_gap gap;
    int n = cJSON_GetArraySize(mine);

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (conf_json_differs(conf_json_field(manifest, keys[i]),
                              conf_json_field(r->root, keys[i]), keys[i], &gap))
            return conf_json_refuse(
                error, "%.100s: %s is %s in the manifest and %s in the result",
                dir, gap.key, gap.a, gap.b);
    if (strcmp(conf_json_text(conf_json_field(manifest, "program"), "version"),
               conf_json_text(r->root, "version")))
        return conf_json_refuse(
            error, "%.200s: manifest and result are of two versions", dir);
    if (!cJSON_IsObject(conf_json_field(r->root, "environment")))
        return conf_json_refuse(
            error, "%.200s: the result does not tell its environment", dir);
    if (strcmp(conf_json_text(manifest, "plan_hash"), r->plan_hash))
        return conf_json_refuse(
            error, "%.200s: manifest and result are of two plans", dir);
    if (!cJSON_IsNumber(seed) || seed->valuedouble != (double)r->seed ||
        strcmp(conf_json_text(manifest, "started"),
               conf_json_text(r->root, "started")))
        return conf_json_refuse(
            error, "%.200s: manifest and result are of two runs", dir);
    if (n < 1 || n != cJSON_GetArraySize(theirs))
        return conf_json_refuse(
            error, "%.200s: manifest and result list other devices", dir);
    for (int i = 0; i < n; i++) {
        const cJSON *a = cJSON_GetArrayItem(mine, i);
        const cJSON *b = cJSON_GetArrayItem(theirs, i);

        if (strcmp(conf_json_text(a, "name"), conf_json_text(b, "name")) ||
            strcmp(conf_json_text(a, "driver"), conf_json_text(b, "driver")))
            return conf_json_refuse(
                error, "%.200s: manifest and result list other devices", dir);
    }
    return 0;
}

/* No device that shows nothing, no case without a verdict. */
static int check_counts(const char *dir, const struct conf_results *r,
                        char error[CONF_RESULTS_ERROR])
{
    for (size_t i = 0, k; i < r->n; i = k) {
        struct conf_counts counts = { { 0 }, 0 };
        unsigned missing;

        for (k = i; k < r->n && !strcmp(r->at[i].device, r->at[k].device); k++)
            counts.of[r->at[k].verdict]++;
        missing = counts.of[CONF_MISSING] + counts.of[CONF_SKIPPED];
        if (missing)
            return conf_json_refuse(error,
                                    "%.200s: %u cases of %.63s have no result",
                                    dir, missing, r->at[i].device);
        if (!conf_counts_prove(&counts))
            return conf_json_refuse(error, "%.200s: nothing passed on %.63s",
                                    dir, r->at[i].device);
    }
    return 0;
}

static int check_all(const struct conf_package_files *from,
                     const cJSON *manifest, struct conf_results *result,
                     char error[CONF_RESULTS_ERROR])
{
    static const char *const wanted[] = { CONF_PACKAGE_RESULT, "report.html",
                                          "report.tap", "junit.xml" };
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(manifest, "files");
    const char *dir = from->dir;
    const cJSON *entry;

    if (strcmp(conf_json_text(manifest, "schema"), CONF_PACKAGE_SCHEMA))
        return conf_json_refuse(error, "%.200s: schema: want %s, got '%.60s'",
                                dir, CONF_PACKAGE_SCHEMA,
                                conf_json_text(manifest, "schema"));
    if (check_told(dir, manifest, error))
        return -1;
    if (!cJSON_IsObject(files))
        return conf_json_refuse(error, "%.200s: manifest: files is missing",
                                dir);
    cJSON_ArrayForEach(entry, files)
    {
        if (check_file(from, entry, result, error))
            return -1;
    }
    if (check_strays(from, files, error))
        return -1;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (!cJSON_GetObjectItemCaseSensitive(files, wanted[i]))
            return conf_json_refuse(error, "%.200s: files: no %s", dir,
                                    wanted[i]);
    return conf_results_whole(result, error) ||
                   check_kin(dir, manifest, result, error) ||
                   check_expect(dir, files, result, error) ||
                   check_counts(dir, result, error)
               ? -1
               : 0;
}

int conf_package_judge(const struct conf_package_files *files,
                       struct conf_results *result, char seal[CONF_HASH_TEXT],
                       char error[CONF_RESULTS_ERROR])
{
    char path[4200];
    size_t size = 0;
    cJSON *manifest;
    char *text;
    int st;

    memset(result, 0, sizeof *result);
    snprintf(path, sizeof path, "%.4000s/" CONF_PACKAGE_MANIFEST, files->dir);
    text =
        files->read(files, CONF_PACKAGE_MANIFEST, MANIFEST_MAX, &size, error);
    if (!text)
        return -1;
    conf_hash(text, size, seal);
    manifest = conf_json_parse(path, text, size, error);
    free(text);
    if (!manifest)
        return -1;
    st = check_all(files, manifest, result, error);
    cJSON_Delete(manifest);
    return st;
}

/* ---- a folder ------------------------------------------------------------ */

static char *read_within(const struct conf_package_files *files,
                         const char *name, size_t most, size_t *out_size,
                         char error[CONF_RESULTS_ERROR])
{
    char path[4200];

    snprintf(path, sizeof path, "%.4000s/%s", files->dir, name);
    return conf_path_within(files->dir, path, error)
               ? NULL
               : conf_read_file(path, most, out_size, error);
}

static void free_names(char **names, size_t n)
{
    while (n)
        free(names[--n]);
    free(names);
}

/* What a folder holds: 0, or -1 and a sentence. */
static int list_names(const char *dir, char ***out, size_t *out_n,
                      char error[CONF_RESULTS_ERROR])
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    char **names = NULL, **more;
    size_t n = 0;
    int st = 0;

    if (!d)
        return conf_json_refuse(error, "%.300s: %s", dir, strerror(errno));
    while (!st && (e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (n == NAMES_MAX) {
            st = conf_json_refuse(error,
                                  "%.300s: more than %zu files: no package of "
                                  "halcyon conform",
                                  dir, NAMES_MAX);
            break;
        }
        more = realloc(names, (n + 1) * sizeof *names);
        names = more ? more : names;
        if (more && (names[n] = strdup(e->d_name)))
            n++;
        else
            st = conf_json_refuse(error, "%.300s: out of memory", dir);
    }
    closedir(d);
    if (st)
        free_names(names, n);
    else
        *out = names, *out_n = n;
    return st;
}

int conf_package_check(const char *dir, struct conf_results *result,
                       char seal[CONF_HASH_TEXT],
                       char error[CONF_RESULTS_ERROR])
{
    struct conf_package_files files = { .dir = dir, .read = read_within };
    char **names = NULL;
    int st;

    memset(result, 0, sizeof *result);
    if (list_names(dir, &names, &files.n, error))
        return -1;
    files.names = (const char *const *)names;
    st = conf_package_judge(&files, result, seal, error);
    free_names(names, files.n);
    return st;
}

static void usage(FILE *to)
{
    fputs("usage: halcyon verify [--seal SHA256] DIR\n"
          "\n"
          "Checks a package of `halcyon conform --package DIR`: every file is\n"
          "as it was written, every planned case has a verdict, the counts\n"
          "are those of the cases, and something passed on each device.\n"
          "\n"
          "  --seal SHA256  the hash of its manifest, from a place you trust\n"
          "\n"
          "Exit status: 0 it is good (whatever its result), 1 it is not,\n"
          "2 usage.\n",
          to);
}

int conf_verify_command(int argc, char **argv)
{
    static const struct option options[] = {
        { "seal", required_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    char seal[CONF_HASH_TEXT] = "", error[CONF_RESULTS_ERROR] = "";
    const char *want = NULL;
    struct conf_results r;
    int option, st;

    optind = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 's') {
            want = optarg;
        } else if (option == 'h') {
            usage(stdout);
            return 0;
        } else {
            return CONF_EXIT_USAGE;
        }
    }
    if (optind + 1 != argc) {
        usage(stderr);
        return CONF_EXIT_USAGE;
    }
    st = conf_package_check(argv[optind], &r, seal, error);
    if (!st && want && strcasecmp(want, seal))
        st = conf_json_refuse(error, "%.300s: its seal is %s", argv[optind],
                              seal);
    if (st)
        fprintf(stderr, "halcyon verify: %s\n", error);
    else
        printf("good: %s, %zu cases; seal %s\n",
               conf_json_text(r.root, "result"), r.n, seal);
    conf_results_release(&r);
    return st ? 1 : 0;
}
