/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutant_backend.h - the layer that carries mutants of backends and kernels.
 */
#ifndef CONFORMANCE_MUTANT_BACKEND_H
#define CONFORMANCE_MUTANT_BACKEND_H

#include "conformance/mutant.h"

enum backend_fault {
    BACKEND_NONE, /* a mutant of a kernel */
#define X(NAME, name, what, cases) BACKEND_##NAME,
#include "conformance/mutants_backend.def"
#undef X
};

/* Lays the mutant over the first device that opens. */
void mutant_layer_plant(const struct conf_mutant *m);

#endif
