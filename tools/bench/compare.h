/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.h - result files of `halcyon bench` as `bench compare` sees them.
 */
#ifndef TOOLS_BENCH_COMPARE_H
#define TOOLS_BENCH_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

/* What a row has: a cost (less is better) with the range of the middle eight
 * tenths of its samples. */
struct compare_cost {
    bool is_there;
    double median, p10, p90;
};

struct compare_row {
    const char *device;
    char name[320]; /* the rest of the key */
    const char *op, *kind, *shape;
    /* time: seconds, or the ratio to what it was held against; roof: how many
     * times longer than the roofline allows, taken in turns with it. */
    struct compare_cost time, roof;
    const char *why_not; /* no figure, and why; else NULL */
};

struct compare_file {
    const char *path;
    char error[512]; /* why it is refused */
    struct cJSON *root;
    const char *schema, *cpu;
    double cpus;
    bool quick;
    bool is_pairs; /* halcyon.bench.1: the figures are ratios */
    struct compare_row *rows;
    size_t n_rows;
};

/* 0; -1 with a message on standard error: the file cannot be read, is foreign
 * or damaged, and which key says so.  Release it either way. */
int compare_read(struct compare_file *f, const char *path);
/* The same of a text, with the message in f->error alone; the fuzzer's entry.
 */
int compare_parse(struct compare_file *f, const char *path, const char *text,
                  size_t size);
void compare_release(struct compare_file *f);
/* Whether printing it could steer a terminal. */
bool compare_has_control(const char *text);
const struct compare_row *compare_find(const struct compare_file *f,
                                       const struct compare_row *row);

#endif
