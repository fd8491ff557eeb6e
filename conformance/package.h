/* SPDX-License-Identifier: Apache-2.0 */
/*
 * package.h - a run as a folder that can be handed on: result.json, the other
 * reports, and manifest.json with the environment and the SHA-256 of each file.
 */
#ifndef CONFORMANCE_PACKAGE_H
#define CONFORMANCE_PACKAGE_H

#include "conformance/hash.h"
#include "conformance/results.h"

#define CONF_PACKAGE_SCHEMA   "halcyon.package/1"
#define CONF_PACKAGE_MANIFEST "manifest.json"
#define CONF_PACKAGE_RESULT   "result.json"
#define CONF_PACKAGE_FILE_MAX ((size_t)512 << 20)

/* Reads a package and checks all that it says of itself: 0, or -1 and why not.
 * `seal`: the SHA-256 of its manifest. */
int conf_package_check(const char *dir, struct conf_results *result,
                       char seal[CONF_HASH_TEXT],
                       char error[CONF_RESULTS_ERROR]);

/* The files of a package, wherever they are. */
struct conf_package_files {
    const char *dir;          /* what sentences call it */
    const char *const *names; /* all that there are, in any order */
    size_t n;
    /* The bytes of one, NUL-terminated, the caller's to free; NULL and a
     * sentence.  It may be asked for what is not there. */
    char *(*read)(const struct conf_package_files *files, const char *name,
                  size_t most, size_t *out_size,
                  char error[CONF_RESULTS_ERROR]);
};

/* The same of such files; the fuzzer's entry. */
int conf_package_judge(const struct conf_package_files *files,
                       struct conf_results *result, char seal[CONF_HASH_TEXT],
                       char error[CONF_RESULTS_ERROR]);

#endif
