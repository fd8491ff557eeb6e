/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutant.h - faults that conformance plants to prove that it would see them:
 * in a backend (a layer on its table of ops), in a kernel (an edit of its
 * source, compiled at run time) and in the runner itself.
 *
 * One mutant at most lives in a process, from before the first call of hal.h to
 * the end; and in it only the device that is opened first, the one under test.
 */
#ifndef CONFORMANCE_MUTANT_H
#define CONFORMANCE_MUTANT_H

#include "conformance/list.h"
#include "hal/backend.h"

enum conf_mutant_kind {
    CONF_MUTANT_BACKEND,
    CONF_MUTANT_KERNEL,
    CONF_MUTANT_RUNNER
};

/* How the runner goes wrong. */
enum conf_runner_fault {
#define X(NAME, name, what, cases) CONF_RUNNER_##NAME,
#include "conformance/mutants_runner.def"
#undef X
    CONF_RUNNER_FAULTS
};

/* An edit of a kernel's text: every occurrence. */
struct conf_edit {
    const char *find, *replace;
};

struct conf_mutant {
    enum conf_mutant_kind kind;
    const char *name;  /* "backend.event_early" */
    const char *what;  /* in words */
    const char *cases; /* those that must see it, separated by blanks */
    int fault;         /* of its kind: what mutant_*.c switch on */
    /* Of a kernel: */
    const char *file;   /* "softmax.k" */
    const char *kernel; /* how the names of the kernels that change begin */
    const char *keep;   /* its instance lines: those that hold this */
    int needs_groups;   /* equal to the original where a group is one thread */
    struct conf_edit edits[2];
};

/* Mutants that the tests add, up to one without a name; NULL: none. */
extern const struct conf_mutant *conf_extra_mutants;

size_t conf_mutant_count(void);
const struct conf_mutant *conf_mutant_at(size_t i);

/* NULL if there is none. */
const struct conf_mutant *conf_mutant_find(const char *name);

/* Plants it in this process. */
void conf_mutant_plant(const struct conf_mutant *m);

/* Messages that begin so are no catch: the mutant could not be made, or is
 * here the same as the original. */
#define CONF_MUTANT_BROKEN "self-test: the mutant cannot be made"
#define CONF_MUTANT_EQUAL  "self-test: the mutant changes nothing here"

/* mutant_kernel.c: makes a kernel of the edited text where `desc` is one of the
 * mutant's; of the original else. */
halError_t conf_mutant_kernel(const struct conf_mutant *m,
                              const struct hal_ops *below, struct hal_dev *dev,
                              const struct hal_kernel_desc *desc,
                              const struct hal_image *const *images,
                              uint32_t n_images, void **out_kernel,
                              struct hal_kernel_info *out_info);
/* The text with the edits made and only the kept instances; free it.  NULL and
 * a message if it cannot be made. */
char *conf_mutant_text(const struct conf_mutant *m, char *why, size_t room);

/* mutant_runner.c: the planted fault, or CONF_RUNNER_FAULTS. */
int conf_runner_fault(void);
void conf_runner_fault_set(int fault);
/* What becomes of the line of an event: n bytes with the newline.  May end the
 * process; returns how many bytes to send, 0 for none. */
size_t conf_mutant_line(const char *kind, char *line, size_t n);
/* A report as a faulty runner would write it; NULL: the fault is elsewhere.
 * Free it. */
char *conf_mutant_report(int fault, const char *report);

#endif
