/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the journal of --resume.  Each line of the input is sealed
 * with its right hash, so that what comes after the hash is reached.  The first
 * byte tells what is before the lines:
 *   !   nothing, and nothing is sealed: the input is the file
 *   =   nothing: its first line is the head
 *   +   the head of a run that has expectations, and tells where its verdicts
 *       come from
 * and with any other the head of a run that has neither.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "conformance/expect.h"
#include "conformance/runner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEAL_CHARS 17 /* of a line, before its text */
#define HASH_A \
    "5137bb57634c403dfa06138fa04d63b35137bb57634c403dfa06138fa04d63b3"

static const char origin_text[] =
    "{\"program\":{\"version\":\"0.1.0\",\"sha256\":\"" HASH_A "\","
    "\"stock_kernels_sha256\":\"" HASH_A "\"},\"golden\":[{\"sha256\":\"" HASH_A
    "\"}],\"environment\":{\"HALCYON_VARIANT\":\"cpu\"},"
    "\"expect\":[\"" HASH_A "\"]}";

/* Behind what `at` points to; the new end. */
static char *put_line(char *at, const char *text, size_t n)
{
    at += sprintf(at, "%016llx ", (unsigned long long)XXH3_64bits(text, n));
    memcpy(at, text, n);
    at[n] = '\n';
    return at + n + 1;
}

/* The head of such a run as a sealed line; made once. */
static const char *head_of(const struct conf_run *run, size_t *out_size)
{
    static char *heads[2];
    static size_t sizes[2];
    int which = run->expects != NULL;

    if (!heads[which]) {
        cJSON *json = conf_journal_head(run);
        char *text = cJSON_PrintUnformatted(json);

        heads[which] = text ? malloc(strlen(text) + SEAL_CHARS + 2) : NULL;
        if (!heads[which])
            abort();
        sizes[which] =
            (size_t)(put_line(heads[which], text, strlen(text)) - heads[which]);
        cJSON_free(text);
        cJSON_Delete(json);
    }
    *out_size = sizes[which];
    return heads[which];
}

static char *sealed(const char *head, size_t head_size, const char *text,
                    size_t size, size_t *out_size)
{
    size_t lines = 1;
    char *out, *at;

    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    out = malloc(head_size + size + lines * (SEAL_CHARS + 2));
    if (!out)
        abort();
    memcpy(out, head, head_size);
    at = out + head_size;
    while (size) {
        const char *end = memchr(text, '\n', size);
        size_t n = end ? (size_t)(end - text) : size;

        at = put_line(at, text, n);
        text += n + (end != NULL);
        size -= n + (end != NULL);
    }
    *out_size = (size_t)(at - out);
    return out;
}

/* Every verdict that was taken can be counted, and told. */
static void check_taken(const struct conf_run *run)
{
    const struct conf_target *t = run->targets;
    size_t done = 0;

    for (size_t i = 0; i < run->n_cases; i++) {
        const struct conf_result *r = &t->results[i];

        done += (size_t)r->done;
        if (r->done && r->verdict != CONF_PASS && !r->message)
            abort(); /* nobody can tell why */
        if (r->done && !run->expects &&
            (r->verdict == CONF_WAIVED || r->verdict == CONF_XFAIL ||
             r->verdict == CONF_XPASS))
            abort(); /* excused by nobody */
        for (const char *m = r->message; m && *m; m++)
            if ((unsigned char)*m < ' ' && *m != '\n')
                abort(); /* it will be printed */
        free(r->message);
        free(r->metrics);
    }
    if (done != run->n_done || done != run->n_resumed ||
        conf_counts_total(&t->counts) != done)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct conf_settings set = { .seed = 1 };
    static struct conf_expect waiver = { .is_expired = 1 };
    static struct conf_expects expects = { .at = &waiver, .n = 1 };
    static cJSON *origin;
    const struct conf_case a = { .name = "a.x" }, b = { .name = "a.y" };
    const struct conf_case *cases[] = { &a, &b };
    struct conf_result results[2] = { 0 };
    struct conf_target target = { .device = { .name = "cpu:0" },
                                  .results = results };
    struct conf_run run = { .set = &set,
                            .cases = cases,
                            .n_cases = 2,
                            .plan_hash = "p",
                            .targets = &target,
                            .n_targets = 1 };
    const char *text = (const char *)data, *head = "";
    size_t n = size, good = 0, head_size = 0;
    char kind = size ? text[0] : 0, error[512] = "";
    char *file;
    int st;

    if (!origin)
        origin = cJSON_Parse(origin_text);
    if (kind && strchr("!=+", kind))
        text++, n--;
    if (kind == '=' || kind == '+') {
        run.expects = &expects;
        run.origin = origin;
    }
    if (kind == '!') {
        file = memcpy(malloc(n + 1), text, n);
    } else {
        if (kind != '=')
            head = head_of(&run, &head_size);
        file = sealed(head, head_size, text, n, &n);
    }
    st = conf_journal_take(&run, "fuzz", file, n, &good, error, sizeof error);
    if (good > n || !st == !!*error)
        abort(); /* refused without a word */
    check_taken(&run);
    free(file);
    return 0;
}
