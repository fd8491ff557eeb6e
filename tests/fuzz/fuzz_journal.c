/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: the journal of --resume.  Each line of the input is sealed
 * with its right hash, so that what comes after the hash is reached; an input
 * that begins with ! is taken as it is.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "conformance/runner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_line(FILE *to, const char *text, size_t n)
{
    fprintf(to, "%016llx ", (unsigned long long)XXH3_64bits(text, n));
    fwrite(text, 1, n, to);
    fputc('\n', to);
}

static char *sealed(const struct conf_run *run, const char *text, size_t size,
                    size_t *out_size)
{
    cJSON *json = conf_journal_head(run);
    char *head = cJSON_PrintUnformatted(json), *out = NULL;
    FILE *to = open_memstream(&out, out_size);

    if (!to || !head)
        abort();
    put_line(to, head, strlen(head));
    cJSON_free(head);
    cJSON_Delete(json);
    while (size) {
        const char *end = memchr(text, '\n', size);
        size_t n = end ? (size_t)(end - text) : size;

        put_line(to, text, n);
        text += n + (end != NULL);
        size -= n + (end != NULL);
    }
    if (fclose(to))
        abort();
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct conf_settings set = { .seed = 1 };
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
    size_t n = 0, good = 0, done = 0;
    char *text, error[512] = "";
    int st;

    if (size && data[0] == '!')
        text = strndup((const char *)data + 1, size - 1);
    else
        text = sealed(&run, (const char *)data, size, &n);
    if (!text)
        return 0;
    if (!n)
        n = strlen(text);
    st = conf_journal_take(&run, "fuzz", text, n, &good, error, sizeof error);
    if (good > n || !st == !!*error)
        abort(); /* refused without a word */
    for (int i = 0; i < 2; i++) {
        done += (size_t)results[i].done;
        if (results[i].done && results[i].verdict != CONF_PASS &&
            !results[i].message)
            abort(); /* nobody can tell why */
        for (const char *m = results[i].message; m && *m; m++)
            if ((unsigned char)*m < ' ' && *m != '\n')
                abort(); /* it will be printed */
        free(results[i].message);
        free(results[i].metrics);
    }
    if (done != run.n_done || done != run.n_resumed ||
        conf_counts_total(&target.counts) != done)
        abort();
    free(text);
    return 0;
}
