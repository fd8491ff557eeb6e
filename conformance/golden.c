/* SPDX-License-Identifier: Apache-2.0 */
/*
 * golden.c - the family golden.*: one case for each entry of each pack, no
 * entry dropped.
 *
 * Packs stay open as long as the process: cases point into them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conformance/families.h"
#include "conformance/golden_run.h"

struct opened {
    struct opened *next;
    struct golden_pack *pack;
    dev_t device; /* of index.json, to know it again */
    ino_t inode;
    off_t size;
    struct timespec changed;
};

static struct opened *all_opened;

static const struct golden_op *op_find(const char *name)
{
    const struct golden_op *const tables[] = {
        golden_ops_native, golden_ops_onnx,  golden_ops_quant,
        golden_ops_moe,    golden_ops_paged, golden_ops_sample
    };

    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const struct golden_op *op = tables[t]; op->op; op++)
            if (strcmp(op->op, name) == 0)
                return op;
    return NULL;
}

static void run(struct conf *c)
{
    const struct golden_case *const *g = conf_param(c);
    struct golden_run r = { .c = c, .g = *g };
    const struct golden_op *op = op_find(r.g->op);

    if (!op)
        golden_cannot(&r, "operation \"%.60s\" is not known to this version",
                      r.g->op);
    if (!op->run)
        golden_cannot(&r, "%s", op->missing);
    op->run(&r);
}

/* The list is built once in the parent and once in each worker; a pack that
 * has not changed is opened once. */
static struct golden_pack *pack_of(const char *dir, char error[GOLDEN_ERROR])
{
    struct opened *o;
    struct stat info = { 0 };
    char path[4096];

    if (snprintf(path, sizeof path, "%s/index.json", dir) < (int)sizeof path &&
        stat(path, &info) == 0)
        for (o = all_opened; o; o = o->next)
            if (o->device == info.st_dev && o->inode == info.st_ino &&
                o->size == info.st_size &&
                memcmp(&o->changed, &info.st_mtim, sizeof o->changed) == 0)
                return o->pack;
    o = calloc(1, sizeof *o);
    if (!o) {
        (void)snprintf(error, GOLDEN_ERROR, "%.200s: no host memory", dir);
        return NULL;
    }
    if (golden_pack_open(&o->pack, dir, error)) {
        free(o);
        return NULL;
    }
    o->device = info.st_dev;
    o->inode = info.st_ino;
    o->size = info.st_size;
    o->changed = info.st_mtim;
    o->next = all_opened;
    all_opened = o;
    return o->pack;
}

static const struct golden_case *case_named(const struct golden_pack *pack,
                                            const char *name)
{
    for (int i = 0; i < pack->n_cases; i++)
        if (strcmp(pack->cases[i].name, name) == 0)
            return &pack->cases[i];
    return NULL;
}

/* The last component of a path, as part of a case's name. */
static void short_name(const char *dir, char out[64])
{
    size_t end = strlen(dir), start, n = 0;

    while (end > 0 && dir[end - 1] == '/')
        end--;
    for (start = end; start > 0 && dir[start - 1] != '/'; start--)
        ;
    for (; start < end && n < 24; start++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789_+-",
                   dir[start]))
            out[n++] = dir[start];
    (void)snprintf(out + n, 64 - n, n ? "" : "pack");
}

/* Adds what earlier packs have not brought, bit for bit; a case of the same
 * name that differs gets its pack's name in front. */
static void add_pack(struct conf_list *list, struct golden_pack *const *packs,
                     int which)
{
    const struct golden_pack *pack = packs[which];
    int known = 0;

    for (int i = 0; i < pack->n_cases; i++) {
        const struct golden_case *g = &pack->cases[i], *other = NULL;
        struct conf_case cc = { .run = run, .param = &g, .levels = "golden" };
        char name[160], label[64];
        int same = 0;

        (void)snprintf(name, sizeof name, "golden.%s", g->name);
        for (int p = 0; p < which && !same; p++)
            if ((other = case_named(packs[p], g->name)))
                same = golden_case_same(other, g);
        if (same) {
            known++;
            continue;
        }
        if (conf_list_has(list, name)) {
            short_name(pack->dir, label);
            (void)snprintf(name, sizeof name, "golden.%s.%s", label, g->name);
            for (int n = 2; conf_list_has(list, name); n++)
                (void)snprintf(name, sizeof name, "golden.%s-%d.%s", label, n,
                               g->name);
        }
        cc.name = name;
        conf_list_add(list, &cc, sizeof g);
    }
    if (known)
        conf_list_note(list, "%s: %d of %d cases are those of an earlier pack",
                       pack->dir, known, pack->n_cases);
}

void conf_cases_golden(struct conf_list *list,
                       const struct conf_options *options)
{
    struct golden_pack **packs =
        calloc((size_t)options->n_golden + 1, sizeof *packs);
    char error[GOLDEN_ERROR];

    if (!packs) {
        conf_list_error(list, "golden packs: no host memory");
        return;
    }
    for (int i = 0; i < options->n_golden; i++) {
        packs[i] = pack_of(options->golden[i], error);
        if (!packs[i]) {
            conf_list_error(list, "golden pack %s", error);
            break;
        }
        add_pack(list, packs, i);
    }
    free(packs);
}
