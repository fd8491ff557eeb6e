/* SPDX-License-Identifier: Apache-2.0 */
/*
 * origin.c - what the verdicts of a run come from beside its cases, its seed
 * and its devices: the program, the stock kernels, the golden packs, the
 * expectations, the environment and a planted fault.
 *
 * Invariant: whoever puts verdicts of two runs together (--resume, merge)
 * compares all of it, and says which of it differs.
 */
#include "conformance/origin.h"

#include <stdlib.h>
#include <string.h>

#include "conformance/expect.h"
#include "conformance/golden.h"
#include "conformance/json.h"
#include "conformance/mutant.h"

#define PROGRAM_MAX ((size_t)2 << 30)

extern char **environ;
/* The stock kernels, as they are embedded. */
extern const unsigned char hal_stock_halbin[], hal_stock_halbin_end[];

const char *const conf_driver_settings[] = {
    "CUDA_VISIBLE_DEVICES", "LP_NATIVE_VECTOR_WIDTH", "OCL_ICD_VENDORS",
    "POCL_DEVICES",         "RUSTICL_ENABLE",         "VK_ADD_DRIVER_FILES",
    "VK_DRIVER_FILES",      "VK_ICD_FILENAMES",       NULL,
};

/* Where things are kept, and which devices take part; the devices of a run are
 * compared by their drivers. */
static const char *const neutral[] = { "HALCYON_CACHE_DIR", "HALCYON_DEVICES",
                                       "HALCYON_SHARED_GOLDEN", NULL };

static int is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name))
        names++;
    return *names != NULL;
}

static cJSON *environment_json(void)
{
    cJSON *o = cJSON_CreateObject();

    for (char **e = environ; *e; e++) {
        char *pair = strdup(*e), *value = pair ? strchr(pair, '=') : NULL;

        if (value) {
            *value++ = 0;
            conf_clean(pair);
            conf_clean(value);
            /* The first of a name is the one that getenv finds. */
            if ((!strncmp(pair, "HALCYON_", 8) ||
                 is_one_of(pair, conf_driver_settings)) &&
                !conf_json_has(o, pair))
                cJSON_AddStringToObject(o, pair, value);
        }
        free(pair);
    }
    return o;
}

cJSON *conf_origin_settings(const cJSON *environment)
{
    cJSON *o = cJSON_Duplicate(environment, 1);

    for (size_t i = 0; neutral[i]; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(o, neutral[i]);
    return o;
}

static cJSON *program_json(char error[CONF_RESULTS_ERROR])
{
    cJSON *o = cJSON_CreateObject();
    char version[32];
    size_t size = 0;
    char *self = conf_read_file("/proc/self/exe", PROGRAM_MAX, &size, error);

    if (!self) {
        cJSON_Delete(o);
        return NULL;
    }
    snprintf(version, sizeof version, "%d.%d.%d", HAL_VERSION_MAJOR,
             HAL_VERSION_MINOR, HAL_VERSION_PATCH);
    cJSON_AddStringToObject(o, "version", version);
    conf_json_add_hash(o, "sha256", self, size);
    conf_json_add_hash(o, "stock_kernels_sha256", hal_stock_halbin,
                       (size_t)(hal_stock_halbin_end - hal_stock_halbin));
    free(self);
    return o;
}

static cJSON *golden_json_of(const struct conf_settings *set,
                             char error[CONF_RESULTS_ERROR])
{
    cJSON *list = cJSON_CreateArray();

    for (int i = 0; i < set->golden.n; i++) {
        char hash[CONF_HASH_TEXT];
        cJSON *o;

        if (golden_hash(set->golden.at[i], hash, error)) {
            cJSON_Delete(list);
            return NULL;
        }
        o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "sha256", hash);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

int conf_origin_take(struct conf_run *run)
{
    const struct conf_settings *set = run->set;
    char error[CONF_RESULTS_ERROR] = "out of memory";
    cJSON *program, *golden, *expect;

    if (!set->json && !set->html && !set->package && !set->resume)
        return 0; /* nobody will ask; hashing it takes a moment */
    program = program_json(error);
    golden = program ? golden_json_of(set, error) : NULL;
    run->origin = cJSON_CreateObject();
    if (!program || !golden || !run->origin) {
        cJSON_Delete(program);
        cJSON_Delete(golden);
        conf_clean(error);
        fprintf(stderr, "halcyon conform: %s\n", error);
        return -1;
    }
    cJSON_AddItemToObject(run->origin, "program", program);
    cJSON_AddItemToObject(run->origin, "golden", golden);
    cJSON_AddItemToObject(run->origin, "environment", environment_json());
    if (set->mutant)
        cJSON_AddStringToObject(run->origin, "mutant", set->mutant->name);
    if (!run->expects)
        return 0;
    expect = cJSON_AddArrayToObject(run->origin, "expect");
    for (int i = 0; i < run->expects->n_files; i++)
        cJSON_AddItemToArray(expect,
                             cJSON_CreateString(run->expects->hashes[i]));
    return 0;
}

int conf_origin_holds(const struct conf_run *run)
{
    char error[CONF_RESULTS_ERROR] = "out of memory";
    struct conf_json_gap gap;
    cJSON *golden;
    int st = 0;

    if (!run->origin)
        return 0;
    golden = golden_json_of(run->set, error);
    if (golden && conf_json_differs(conf_json_field(run->origin, "golden"),
                                    golden, "golden", &gap)) {
        snprintf(error, sizeof error,
                 "%s was changed while the run read it; run again", gap.key);
        st = -1;
    }
    if (!golden || st) {
        conf_clean(error);
        fprintf(stderr, "halcyon conform: %s\n", error);
        st = -1;
    }
    cJSON_Delete(golden);
    return st;
}
