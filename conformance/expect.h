/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expect.h - what is known of cases before they run: expected failures and
 * waivers, from files that people write (docs/conformance.md).
 */
#ifndef CONFORMANCE_EXPECT_H
#define CONFORMANCE_EXPECT_H

#include "conformance/hash.h"
#include "conformance/list.h"
#include "conformance/verdict.h"

#define CONF_EXPECT_ERROR 512

enum conf_expect_kind { CONF_EXPECT_XFAIL, CONF_EXPECT_WAIVE };

struct conf_expect {
    enum conf_expect_kind kind;
    char *name, *device; /* globs */
    char *by;            /* waivers: who answers for it */
    char until[16];      /* waivers: the last day, YYYY-MM-DD */
    int is_expired;
    char *why;
    const char *file;
    size_t line;
};

/* How the message of a waived case begins: by, until, why, verdict. */
#define CONF_WAIVED_WORDS "waived by %s until %s: %s; was %s"

struct conf_expects {
    struct conf_expect *at;
    size_t n;
    char (*hashes)[CONF_HASH_TEXT]; /* of each file, SHA-256 */
    int n_files;
};

/* Adds what a file holds.  today: YYYY-MM-DD.  `file` must live as long as out.
 * 0, or -1 and "file:line: what". */
int conf_expects_read(struct conf_expects *out, const char *file,
                      const char *today, char error[CONF_EXPECT_ERROR]);
int conf_expects_parse(struct conf_expects *out, const char *file,
                       const char *text, const char *today,
                       char error[CONF_EXPECT_ERROR]);
/* Each entry must mean some case of the list. */
int conf_expects_check(const struct conf_expects *e,
                       const struct conf_list *list,
                       char error[CONF_EXPECT_ERROR]);
/* The entry for a case on a device, or NULL; *out_two: another one that also
 * means it, which is a contradiction. */
const struct conf_expect *conf_expects_find(const struct conf_expects *e,
                                            const char *device,
                                            const char *name,
                                            const struct conf_expect **out_two);
/* A day that there is, as YYYY-MM-DD; such texts compare as the days do. */
int conf_expect_is_date(const char *text);
/* This day, UTC. */
void conf_expect_today(char out[16]);
void conf_expects_release(struct conf_expects *e);

#endif
