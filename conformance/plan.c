/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - which of the selected cases this run owes, and in which order.
 *
 * Invariant: the plan's hash depends on the names of all selected cases, not on
 * the shard, so that shards of one plan know each other.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "conformance/results.h"
#include "conformance/runner.h"

#define SHARDS_MAX 10000

int conf_plan_shard(const char *text, int *shard, int *shards)
{
    char end;

    return sscanf(text, "%5d/%5d%c", shard, shards, &end) != 2 || *shard < 1 ||
                   *shard > *shards || *shards > SHARDS_MAX
               ? -1
               : 0;
}

void conf_plan_hash(const char *const *names, size_t n, char out[33])
{
    XXH3_state_t *state = XXH3_createState();
    XXH128_hash_t hash = { 0, 0 };

    if (state) {
        XXH3_128bits_reset(state);
        for (size_t i = 0; i < n; i++)
            XXH3_128bits_update(state, names[i], strlen(names[i]) + 1);
        hash = XXH3_128bits_digest(state);
        XXH3_freeState(state);
    }
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

int conf_plan_fix(struct conf_run *run)
{
    const struct conf_settings *set = run->set;
    const char **names = calloc(run->n_cases + 1, sizeof *names);
    size_t n = 0;

    if (!names)
        return -1;
    for (size_t i = 0; i < run->n_cases; i++)
        names[i] = run->cases[i]->name;
    conf_plan_hash(names, run->n_cases, run->plan_hash);
    free(names);
    run->plan_cases = run->n_cases;
    if (!set->shards)
        return 0;
    /* One after the other, as if dealt: neighbours cost alike. */
    for (size_t i = 0; i < run->n_cases; i++)
        if (i % (size_t)set->shards == (size_t)set->shard - 1)
            run->cases[n++] = run->cases[i];
    run->n_cases = n;
    return 0;
}

/* ---- a budget ------------------------------------------------------------ */

static int has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (; *text; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");

        if (length == n && !memcmp(text, word, n))
            return 1;
        text += length;
    }
    return 0;
}

cJSON *conf_plan_levels(const struct conf_case *const *cases, size_t n)
{
    static const char *const levels[] = {
#define X(name, text) name,
#include "conformance/levels.def"
#undef X
    };
    cJSON *o = cJSON_CreateObject();

    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        size_t count = 0;

        for (size_t k = 0; k < n; k++)
            count += (size_t)has_word(cases[k]->levels, levels[i]);
        cJSON_AddNumberToObject(o, levels[i], (double)count);
    }
    return o;
}

/* The rank of a case on a device: the mandatory 0, then what was not ok the
 * last time, then the rest. */
static void rank_cases(const struct conf_run *run, const struct conf_target *t,
                       const struct conf_results *history, uint64_t *key)
{
    for (size_t i = 0; i < run->n_cases; i++) {
        const struct conf_case *cc = run->cases[i];
        const struct conf_past *past =
            history ? conf_results_find(history, t->device.name, cc->name)
                    : NULL;
        uint64_t rank = 2;

        if (has_word(cc->levels, "core") || has_word(cc->levels, "memory"))
            rank = 0;
        else if (past && !conf_verdict_ok(past->verdict))
            rank = 1;
        key[i] = rank << 62 | conf_seed_of(run->set->seed, cc->name) >> 2;
    }
    /* One of each family, the first by the seed: no kernel and no format goes
     * unseen. */
    for (size_t i = 0; i < run->n_cases;) {
        size_t length = conf_family_length(run->cases[i]->name, 3), k = i,
               best = i;

        for (; k < run->n_cases &&
               conf_family_length(run->cases[k]->name, 3) == length &&
               !strncmp(run->cases[i]->name, run->cases[k]->name, length);
             k++)
            if (key[k] < key[best])
                best = k;
        key[best] &= UINT64_MAX >> 2;
        i = k;
    }
}

struct ranked {
    uint64_t key;
    size_t index;
};

static int by_key(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->key < y->key ? -1 : x->key > y->key;
}

int conf_plan_queue(const struct conf_run *run, struct conf_target *t)
{
    struct ranked *order = NULL;
    uint64_t *key = NULL;
    size_t n = run->n_cases;

    if (run->set->budget_ms <= 0) {
        for (size_t k = n; k-- > 0;)
            if (!t->results[k].done)
                t->queue[t->n_queue++] = k;
        return 0;
    }
    order = calloc(n + 1, sizeof *order);
    key = calloc(n + 1, sizeof *key);
    if (!order || !key) {
        free(order);
        free(key);
        return -1;
    }
    rank_cases(run, t, run->history, key);
    for (size_t k = 0; k < n; k++) {
        order[k] = (struct ranked){ key[k], k };
        t->results[k].mandatory = key[k] >> 62 == 0;
    }
    qsort(order, n, sizeof *order, by_key);
    for (size_t k = n; k-- > 0;)
        if (!t->results[order[k].index].done)
            t->queue[t->n_queue++] = order[k].index;
    free(order);
    free(key);
    return 0;
}

void conf_plan_leave_out(struct conf_run *run, struct conf_target *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n_queue; i++) {
        struct conf_result *r = &t->results[t->queue[i]];

        if (r->mandatory) {
            t->queue[n++] = t->queue[i];
            continue;
        }
        r->left_out = 1;
        t->n_left_out++;
        t->counts.planned--;
        run->n_planned--;
    }
    t->n_queue = n;
}
