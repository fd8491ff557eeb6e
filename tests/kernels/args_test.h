/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args_test.h - what every operator must do with bad arguments: name them, make
 * the failure the thread's last error, and write nothing.  Each op stands once
 * in its file's table of good calls; what all ops refuse alike is then tried
 * on each tensor of each.
 *
 * Invariant: the buffers are all zeros when a test begins and when it ends.
 */
#ifndef TESTS_KERNELS_ARGS_TEST_H
#define TESTS_KERNELS_ARGS_TEST_H

#include "tests/kernels/ops_test.h"

#define BYTES   8192 /* of each buffer */
#define TENSORS 8

struct row;

/* Tensors by name: "*" before an output, "?" before what may be NULL, "="
 * before an input that may be exactly the output, "." before bytes, which no
 * address misaligns.  Each has at least two elements in a good call. */
struct op {
    const char *name;
    halError_t (*call)(const struct row *r, void *const *p);
    const char *tensors[TENSORS];
};

/* A call, all f32 unless it says otherwise; tensor i is buffers[i]. */
struct row {
    const struct op *op;
    const char *words; /* of the refusal */
    int64_t n[3];
    halDtype t, u;
    float f;
    halError_t want; /* 0: halErrorInvalidValue */
};

/* Of the tensors; then one that belongs to no tensor, and a freed one. */
enum { SPARE = TENSORS, FREED, BUFFERS };
static char *buffers[BUFFERS];

static inline int args_setup(void **state)
{
    (void)state;
    for (int i = 0; i < BUFFERS; i++) {
        OK(halMalloc((void **)&buffers[i], BYTES));
        OK(halMemset(buffers[i], 0, BYTES));
    }
    OK(halFree(buffers[FREED]));
    return 0;
}

static inline int args_teardown(void **state)
{
    (void)state;
    for (int i = 0; i < FREED; i++)
        OK(halFree(buffers[i]));
    return 0;
}

static inline void places(void *p[TENSORS])
{
    memcpy(p, buffers, TENSORS * sizeof p[0]);
}

static inline void unwritten(int line)
{
    static const char zero[BYTES];
    char now[BYTES];

    for (int i = 0; i < FREED; i++) {
        OK(halMemcpy(now, buffers[i], BYTES, halMemcpyDeviceToHost));
        if (memcmp(now, zero, BYTES))
            fail_msg("line %d: a refused call wrote to buffer %d", line, i);
    }
}

static inline void refused(halError_t want, halError_t st, const char *op,
                           const char *words, const char *more, int line)
{
    const char *detail = halGetErrorDetail();
    size_t len = strlen(op);

    if (st != want || strncmp(detail, op, len) ||
        strncmp(detail + len, ": ", 2) || !strstr(detail, words) ||
        !strstr(detail, more))
        fail_msg("line %d: %s: \"%s\" is not \"%s: ... %s ... %s\"", line,
                 halGetErrorName(st), detail, op, words, more);
    if (halPeekAtLastError() != want || halGetLastError() != want ||
        halGetLastError() != halSuccess)
        fail_msg("line %d: \"%s\" was not the last error", line, detail);
    unwritten(line);
}

static inline const char *bare(const char *tensor)
{
    return tensor + strspn(tensor, "*?=.");
}

/* Each tensor of each op in turn: NULL, misaligned, no device memory, freed,
 * and at the end of its allocation. */
static inline void args_each_tensor(const struct row *rows, unsigned n)
{
    static char host[BYTES];
    const struct {
        char *where;
        const char *words;
    } bad[] = {
        { NULL, " is NULL" },
        { buffers[SPARE] + 130, "aligned" },
        { host, "no live device pointer" },
        { buffers[FREED], "no live device pointer" },
        { buffers[SPARE] + BYTES - 4, " needs " },
    };

    for (unsigned g = 0; g < n; g++) {
        const struct op *op = rows[g].op;

        for (int i = 0; i < TENSORS && op->tensors[i]; i++)
            for (unsigned k = 0; k < sizeof bad / sizeof bad[0]; k++) {
                void *p[TENSORS];

                if (!bad[k].where && strchr(op->tensors[i], '?'))
                    continue;
                if (k == 1 && strchr(op->tensors[i], '.'))
                    continue;
                places(p);
                p[i] = bad[k].where;
                refused(halErrorInvalidValue, op->call(&rows[g], p), op->name,
                        bare(op->tensors[i]), bad[k].words, __LINE__);
            }
    }
}

/* Each output with each other tensor: exactly the same memory, and from one
 * element on. */
static inline void args_each_overlap(const struct row *rows, unsigned n)
{
    for (unsigned g = 0; g < n; g++) {
        const struct op *op = rows[g].op;

        for (int o = 0; o < TENSORS && op->tensors[o]; o++)
            for (int i = 0; i < TENSORS && op->tensors[i]; i++)
                for (int shift = 0; shift <= 4; shift += 4) {
                    void *p[TENSORS];

                    if (i == o || !strchr(op->tensors[o], '*') ||
                        (!shift && strchr(op->tensors[i], '=')))
                        continue;
                    places(p);
                    p[i] = (char *)p[o] + shift;
                    refused(halErrorInvalidValue, op->call(&rows[g], p),
                            op->name, bare(op->tensors[i]), "overlaps",
                            __LINE__);
                }
    }
}

/* The good calls are good, with optional tensors and without, and what they
 * leave behind is no error. */
static inline void args_good_calls(const struct row *rows, unsigned n)
{
    /* Two rows with one slot would race for it. */
    static const int32_t slots[2] = { 0, 1 };

    for (unsigned g = 0; g < n; g++) {
        const struct op *op = rows[g].op;
        void *p[TENSORS];

        places(p);
        for (int i = 0; i < TENSORS && op->tensors[i]; i++) {
            int is_slots = !strcmp(op->tensors[i], "slots");

            OK(halMemset(buffers[i], 0, BYTES));
            if (is_slots)
                OK(halMemcpy(buffers[i], slots, sizeof slots,
                             halMemcpyHostToDevice));
        }
        OK(op->call(&rows[g], p));
        for (int i = 0; i < TENSORS && op->tensors[i]; i++)
            if (strchr(op->tensors[i], '?'))
                p[i] = NULL;
        OK(op->call(&rows[g], p));
        assert_int_equal(halPeekAtLastError(), halSuccess);
        OK(halDeviceSynchronize());
    }
    for (int i = 0; i < FREED; i++)
        OK(halMemset(buffers[i], 0, BYTES));
}

#endif
