/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the manifest of a package, as verify and compare read it,
 * beside files in memory that stay as they are.  What is taken must name each
 * of them by its hash.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/package.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char result[] =
    "{\"schema\":\"halcyon.conform/1\",\"version\":\"0.1.0\",\"started\":"
    "\"2026-11-23T02:05:05Z\",\"result\":\"conformant\",\"exit_status\":0"
    ",\"seed\":1,\"plan\":{\"cases\":1,\"hash\":\"5137bb57634c403dfa06138"
    "fa04d63b3\"},\"program\":{\"version\":\"0.1.0\",\"sha256\":\"fea214a"
    "3b632d348e87fc966475c42f67bf90f5278e07711bae4d5b1ac62052c\",\"stock_"
    "kernels_sha256\":\"d4d70c1cc5e0787c362456e2ed6215bec3d79be9094836e04"
    "17dab779651e23f\"},\"golden\":[{\"sha256\":\"09f94ad9204a86cd4723558"
    "2433156e5f4fdddc11b10c07947910f4e4789c381\"}],\"environment\":{},\"p"
    "lanned\":1,\"seconds\":2.511,\"devices\":[{\"name\":\"cpu:0\",\"prod"
    "uct\":\"AMD EPYC\",\"backend\":\"cpu\",\"driver\":\"Halcyon CPU back"
    "end 0.1.0, x86-64-v4+bf16+vnni, hwloc 2.8\",\"stands_on\":\"\",\"vis"
    "ible\":\"cpu:0\",\"summary\":{\"planned\":1,\"pass\":1,\"fail\":0,\""
    "error\":0,\"crash\":0,\"timeout\":0,\"unsupported\":0,\"waived\":0,"
    "\"xfail\":0,\"xpass\":0,\"flaky\":0,\"skipped\":0,\"missing\":0}}],"
    "\"summary\":{\"cpu:0\":{\"planned\":1,\"pass\":1,\"fail\":0,\"error"
    "\":0,\"crash\":0,\"timeout\":0,\"unsupported\":0,\"waived\":0,\"xfai"
    "l\":0,\"xpass\":0,\"flaky\":0,\"skipped\":0,\"missing\":0}},\"cases"
    "\":[{\"name\":\"api.error.last\",\"device\":\"cpu:0\",\"verdict\":\""
    "pass\",\"seed\":1,\"ms\":0.097,\"message\":\"\",\"rerun\":\"halcyon "
    "conform --device cpu:0 --case api.error.last --seed 1\",\"metrics\":"
    "{}}]}";

static const struct {
    const char *name, *text;
} files[] = {
    { CONF_PACKAGE_RESULT, result },
    { "report.html", "report.html\n" },
    { "report.tap", "report.tap\n" },
    { "junit.xml", "junit.xml\n" },
};
#define N_FILES (sizeof files / sizeof *files)

static char hashes[N_FILES][CONF_HASH_TEXT];
static const uint8_t *manifest;
static size_t manifest_size;

static char *read_one(const struct conf_package_files *from, const char *name,
                      size_t most, size_t *out_size,
                      char error[CONF_RESULTS_ERROR])
{
    const char *text = NULL;
    char *copy;

    (void)from;
    if (!strcmp(name, CONF_PACKAGE_MANIFEST)) {
        text = (const char *)manifest;
        *out_size = manifest_size;
    }
    for (size_t i = 0; i < N_FILES && !text; i++)
        if (!strcmp(name, files[i].name)) {
            text = files[i].text;
            *out_size = strlen(text);
        }
    if (!text || *out_size > most) {
        snprintf(error, CONF_RESULTS_ERROR, "it cannot be read");
        return NULL;
    }
    copy = malloc(*out_size + 1);
    if (!copy)
        abort();
    memcpy(copy, text, *out_size);
    copy[*out_size] = 0;
    return copy;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    for (size_t i = 0; i < N_FILES; i++)
        conf_hash(files[i].text, strlen(files[i].text), hashes[i]);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "report.html", CONF_PACKAGE_MANIFEST,
                                         "report.tap", "junit.xml",
                                         CONF_PACKAGE_RESULT };
    const struct conf_package_files from = { "fuzz", names,
                                             sizeof names / sizeof *names,
                                             read_one };
    char error[CONF_RESULTS_ERROR] = "", seal[CONF_HASH_TEXT] = "",
         hash[CONF_HASH_TEXT];
    struct conf_results r;

    manifest = data;
    manifest_size = size;
    if (conf_package_judge(&from, &r, seal, error)) {
        if (!*error)
            abort(); /* refused without a word */
    } else {
        conf_hash(data, size, hash);
        if (strcmp(seal, hash) || r.n != 1)
            abort();
        for (size_t i = 0; i < N_FILES; i++)
            if (!memmem(data, size, hashes[i], strlen(hashes[i])) &&
                !memchr(data, '\\', size)) /* which may spell it */
                abort();
    }
    conf_results_release(&r);
    return 0;
}
